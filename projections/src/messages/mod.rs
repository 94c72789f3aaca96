//! Messages, how far they have come to whom, reactions and pins.

pub mod queries;
mod tables;
#[cfg(test)]
mod tests;

pub use tables::*;

use domain::conversation::{
    ConversationEvent, ConversationMemberJoined, ConversationMemberLeft, ConversationReopened, DeliveryState,
    MessageDeleted, MessageEdited, MessageSent, ReactionSet, ReceiptRecorded, Recipient, RecipientKind,
};
use domain::{AccountId, ConversationId, DeviceId, Event, RecipientId};

use crate::projector::{Decoded, Projector};
use crate::rows::{FoldError, Keys, Rows, TableDef};
use crate::table::{Row, View};

/// The projection `messages`.
pub struct Messages;

impl Projector for Messages {
    fn name(&self) -> &'static str {
        "messages"
    }

    fn version(&self) -> u32 {
        1
    }

    fn tables(&self) -> &'static [TableDef] {
        const TABLES: &[TableDef] = &[
            TableDef::of::<Message>(),
            TableDef::of::<MessageCounter>(),
            TableDef::of::<MessageWatermark>(),
            TableDef::of::<MessageReceipt>(),
            TableDef::of::<MessageReaction>(),
            TableDef::of::<MessagePin>(),
        ];
        TABLES
    }

    fn views(&self) -> &'static [View] {
        const VIEWS: &[View] =
            &[View { name: "message_deliveries", sql: include_str!("message_deliveries.sql") }];
        VIEWS
    }

    fn keys(&self, event: &Decoded, keys: &mut Keys<'_>) {
        match &event.event {
            Event::Conversation(event) => conversation_keys(event, keys),
            Event::Account(_)
            | Event::Device(_)
            | Event::Operations(_)
            | Event::Organization(_)
            | Event::Session(_)
            | Event::Workspace(_) => {}
        }
    }

    fn apply(&self, event: &Decoded, rows: &mut Rows) -> Result<(), FoldError> {
        match &event.event {
            Event::Conversation(change) => apply(event, change, rows),
            Event::Account(_)
            | Event::Device(_)
            | Event::Operations(_)
            | Event::Organization(_)
            | Event::Session(_)
            | Event::Workspace(_) => Ok(()),
        }
    }
}

/// The device behind a recipient; recovery keys get no messages.
fn device(recipient: &Recipient) -> Option<DeviceId> {
    match recipient.kind {
        RecipientKind::Device => Some(device_id(recipient.recipient_id)),
        RecipientKind::Recovery => None,
    }
}

/// A device's recipient id has the same bytes.
fn device_id(recipient: RecipientId) -> DeviceId {
    DeviceId::from_bytes(*recipient.as_bytes())
}

fn conversation_keys(event: &ConversationEvent, keys: &mut Keys<'_>) {
    match event {
        ConversationEvent::Created(it) => keys.fresh::<MessageCounter>(it.conversation_id),
        ConversationEvent::MemberJoined(it) => {
            keys.load::<MessageCounter>(it.conversation_id);
            for device in it.recipients.iter().filter_map(device) {
                keys.load::<MessageWatermark>((it.conversation_id, it.account_id, device));
            }
        }
        ConversationEvent::MemberLeft(it) => {
            keys.load::<MessageCounter>(it.conversation_id);
            keys.set(WatermarksOf { conversation_id: it.conversation_id, account_id: it.account_id });
        }
        ConversationEvent::RecipientAdded(it) => {
            keys.load::<MessageCounter>(it.conversation_id);
            if let Some(device) = device(&it.recipient) {
                keys.load::<MessageWatermark>((it.conversation_id, it.account_id, device));
            }
        }
        ConversationEvent::RecipientRemoved(it) => {
            keys.load::<MessageCounter>(it.conversation_id);
            let device = device_id(it.recipient_id);
            keys.load::<MessageWatermark>((it.conversation_id, it.account_id, device));
        }
        ConversationEvent::MessageSent(it) => {
            keys.load::<MessageCounter>(it.conversation_id);
            keys.fresh::<Message>((it.conversation_id, it.number));
        }
        ConversationEvent::MessageEdited(it) => keys.load::<Message>((it.conversation_id, it.number)),
        ConversationEvent::MessageDeleted(it) => {
            keys.load::<Message>((it.conversation_id, it.number));
            keys.load::<MessagePin>((it.conversation_id, it.number));
            keys.set(ReactionsOn { conversation_id: it.conversation_id, number: it.number });
        }
        ConversationEvent::ReactionSet(it) => {
            keys.load::<MessageReaction>((it.conversation_id, it.number, it.account_id, it.slot));
        }
        ConversationEvent::ReactionCleared(it) => {
            keys.load::<MessageReaction>((it.conversation_id, it.number, it.account_id, it.slot));
        }
        ConversationEvent::MessagePinned(it) => keys.load::<MessagePin>((it.conversation_id, it.number)),
        ConversationEvent::MessageUnpinned(it) => keys.load::<MessagePin>((it.conversation_id, it.number)),
        ConversationEvent::ReceiptRecorded(it) => {
            keys.load::<MessageWatermark>((it.conversation_id, it.account_id, it.device_id));
            for (state, up_to) in receipt_marks(it) {
                let key = (it.conversation_id, it.account_id, it.device_id, state, up_to);
                keys.load::<MessageReceipt>(key);
            }
        }
        ConversationEvent::Reopened(it) => {
            keys.load::<MessageCounter>(it.conversation_id);
            keys.set(WatermarksIn { conversation_id: it.conversation_id });
        }
        ConversationEvent::TitleChanged(_)
        | ConversationEvent::MemberRoleChanged(_)
        | ConversationEvent::GenerationCommitted(_)
        | ConversationEvent::WrapAdded(_)
        | ConversationEvent::WrapReported(_)
        | ConversationEvent::Deleted(_) => {}
    }
}

fn receipt_marks(it: &ReceiptRecorded) -> [(DeliveryState, u64); 2] {
    [(DeliveryState::Delivered, it.delivered_up_to), (DeliveryState::Read, it.read_up_to)]
}

fn apply(event: &Decoded, change: &ConversationEvent, rows: &mut Rows) -> Result<(), FoldError> {
    match change {
        ConversationEvent::Created(it) => rows.insert(MessageCounter {
            conversation_id: it.conversation_id,
            organization_id: it.organization_id,
            deleted_up_to: 0,
            last_number: 0,
            last_sent_at: None,
        }),
        ConversationEvent::MemberJoined(it) => join(event, it, rows),
        ConversationEvent::MemberLeft(it) => leave(it, rows),
        ConversationEvent::RecipientAdded(it) => {
            admit(event, it.conversation_id, it.account_id, &it.recipient, rows)
        }
        ConversationEvent::RecipientRemoved(it) => {
            let until = last_number(it.conversation_id, rows)?;
            let key = (it.conversation_id, it.account_id, device_id(it.recipient_id));
            if rows.get::<MessageWatermark>(&key)?.is_none() {
                return Ok(()); // a recovery key
            }
            rows.update::<MessageWatermark>(&key, |row| row.until_number = Some(until))
        }
        ConversationEvent::MessageSent(it) => send(event, it, rows),
        ConversationEvent::MessageEdited(it) => edit(event, it, rows),
        ConversationEvent::MessageDeleted(it) => delete(event, it, rows),
        ConversationEvent::ReactionSet(it) => react(event, it, rows),
        ConversationEvent::ReactionCleared(it) => {
            rows.delete::<MessageReaction>(&(it.conversation_id, it.number, it.account_id, it.slot))
        }
        ConversationEvent::MessagePinned(it) => rows.put(MessagePin {
            conversation_id: it.conversation_id,
            number: it.number,
            organization_id: event.organization()?,
            pinned_by: it.pinned_by,
            pinned_at: event.at(),
        }),
        ConversationEvent::MessageUnpinned(it) => rows.delete::<MessagePin>(&(it.conversation_id, it.number)),
        ConversationEvent::ReceiptRecorded(it) => receive(event, it, rows),
        ConversationEvent::Reopened(it) => reopen(it, rows),
        ConversationEvent::TitleChanged(_)
        | ConversationEvent::MemberRoleChanged(_)
        | ConversationEvent::GenerationCommitted(_)
        | ConversationEvent::WrapAdded(_)
        | ConversationEvent::WrapReported(_)
        | ConversationEvent::Deleted(_) => Ok(()),
    }
}

fn last_number(conversation_id: ConversationId, rows: &mut Rows) -> Result<u64, FoldError> {
    rows.get::<MessageCounter>(&conversation_id)?
        .map(|row| row.last_number)
        .ok_or_else(|| FoldError::Missing { table: "message_counters", key: conversation_id.to_string() })
}

fn join(event: &Decoded, it: &ConversationMemberJoined, rows: &mut Rows) -> Result<(), FoldError> {
    for recipient in &it.recipients {
        admit(event, it.conversation_id, it.account_id, recipient, rows)?;
    }
    Ok(())
}

/// A device that comes again keeps its watermarks: it has what it had.
fn admit(
    event: &Decoded,
    conversation_id: ConversationId,
    account_id: AccountId,
    recipient: &Recipient,
    rows: &mut Rows,
) -> Result<(), FoldError> {
    let Some(device_id) = device(recipient) else { return Ok(()) };
    let since_number = last_number(conversation_id, rows)?;
    let known = rows.get::<MessageWatermark>(&(conversation_id, account_id, device_id))?.cloned();
    rows.put(MessageWatermark {
        conversation_id,
        account_id,
        device_id,
        organization_id: event.organization()?,
        since_number,
        until_number: None,
        delivered_up_to: known.as_ref().map_or(0, |row| row.delivered_up_to),
        read_up_to: known.as_ref().map_or(0, |row| row.read_up_to),
    })
}

fn leave(it: &ConversationMemberLeft, rows: &mut Rows) -> Result<(), FoldError> {
    let until = last_number(it.conversation_id, rows)?;
    let set = WatermarksOf { conversation_id: it.conversation_id, account_id: it.account_id };
    for key in rows.keys_of(&set)? {
        end(&key, until, rows)?;
    }
    Ok(())
}

/// Devices come back with the members who join next; messages of before stay out of sight.
fn reopen(it: &ConversationReopened, rows: &mut Rows) -> Result<(), FoldError> {
    for key in rows.keys_of(&WatermarksIn { conversation_id: it.conversation_id })? {
        end(&key, it.deleted_up_to, rows)?;
    }
    rows.update::<MessageCounter>(&it.conversation_id, |row| {
        row.deleted_up_to = it.deleted_up_to;
        row.last_sent_at = None;
    })
}

/// Nothing after `until` is sent to the device, unless nothing was already.
fn end(key: &<MessageWatermark as Row>::Key, until: u64, rows: &mut Rows) -> Result<(), FoldError> {
    rows.update::<MessageWatermark>(key, |row| {
        row.until_number.get_or_insert(until);
    })
}

fn send(event: &Decoded, it: &MessageSent, rows: &mut Rows) -> Result<(), FoldError> {
    rows.update::<MessageCounter>(&it.conversation_id, |row| {
        row.last_number = it.number;
        row.last_sent_at = Some(event.at());
    })?;
    rows.insert(Message {
        conversation_id: it.conversation_id,
        number: it.number,
        organization_id: event.organization()?,
        message_id: it.message_id,
        sender_id: it.sender_id,
        device_id: it.device_id,
        generation: it.generation,
        encrypted: it.encrypted,
        ciphertext: Some(event.sealed()?),
        reply_to: it.reply_to,
        sent_at: event.at(),
        edited_at: None,
        deleted_at: None,
        deleted_by: None,
    })
}

fn edit(event: &Decoded, it: &MessageEdited, rows: &mut Rows) -> Result<(), FoldError> {
    let content = event.sealed()?;
    rows.update::<Message>(&(it.conversation_id, it.number), |row| {
        row.device_id = it.device_id;
        row.generation = it.generation;
        row.encrypted = it.encrypted;
        row.ciphertext = Some(content);
        row.edited_at = Some(event.at());
    })
}

fn delete(event: &Decoded, it: &MessageDeleted, rows: &mut Rows) -> Result<(), FoldError> {
    let key = (it.conversation_id, it.number);
    rows.update::<Message>(&key, |row| {
        row.ciphertext = None;
        row.deleted_at = Some(event.at());
        row.deleted_by = Some(it.deleted_by);
    })?;
    rows.delete::<MessagePin>(&key)?;
    let set = ReactionsOn { conversation_id: it.conversation_id, number: it.number };
    for reaction in rows.keys_of(&set)? {
        rows.delete::<MessageReaction>(&reaction)?;
    }
    Ok(())
}

fn react(event: &Decoded, it: &ReactionSet, rows: &mut Rows) -> Result<(), FoldError> {
    rows.put(MessageReaction {
        conversation_id: it.conversation_id,
        number: it.number,
        account_id: it.account_id,
        slot: it.slot,
        organization_id: event.organization()?,
        reaction_id: it.reaction_id,
        device_id: it.device_id,
        generation: it.generation,
        encrypted: it.encrypted,
        ciphertext: event.sealed()?,
        reacted_at: event.at(),
    })
}

/// Each watermark that rises gives one range with this receipt's time.
fn receive(event: &Decoded, it: &ReceiptRecorded, rows: &mut Rows) -> Result<(), FoldError> {
    let key = (it.conversation_id, it.account_id, it.device_id);
    let Some(known) = rows.get::<MessageWatermark>(&key)?.cloned() else {
        return Err(FoldError::Missing { table: "message_watermarks", key: format!("{key:?}") });
    };
    for (state, up_to) in receipt_marks(it) {
        let before = match state {
            DeliveryState::Delivered => known.delivered_up_to,
            DeliveryState::Read => known.read_up_to,
            DeliveryState::Sent => continue,
        };
        if up_to <= before {
            continue;
        }
        rows.insert(MessageReceipt {
            conversation_id: it.conversation_id,
            account_id: it.account_id,
            device_id: it.device_id,
            state,
            up_to,
            organization_id: known.organization_id,
            from_number: before.saturating_add(1),
            at: event.at(),
        })?;
    }
    rows.update::<MessageWatermark>(&key, |row| {
        row.delivered_up_to = row.delivered_up_to.max(it.delivered_up_to);
        row.read_up_to = row.read_up_to.max(it.read_up_to);
    })
}
