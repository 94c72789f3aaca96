//! Messages, how far they have come to whom, reactions and pins.

pub mod changes;
pub mod queries;
mod tables;
#[cfg(test)]
mod tests;
mod tombstones;

pub use tables::*;

use domain::conversation::{
    ConversationEvent, ConversationMemberJoined, ConversationMemberLeft, ConversationReopened, DeliveryState,
    MessageDeleted, MessageEdited, MessagePinned, MessageSent, ReactionSet, Recipient, RecipientKind,
};
use domain::conversation_member::{ConversationMemberEvent, ReceiptRecorded};
use domain::{AccountId, ConversationId, DeviceId, Event, RecipientId, Timestamp};

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
        2
    }

    fn tables(&self) -> &'static [TableDef] {
        const TABLES: &[TableDef] = &[
            TableDef::of::<Message>(),
            TableDef::of::<MessageCounter>(),
            TableDef::of::<MessageRecipient>(),
            TableDef::of::<MessageWatermark>(),
            TableDef::of::<MessageReceipt>(),
            TableDef::of::<MessageReaction>(),
            TableDef::of::<ReactionTombstone>(),
            TableDef::of::<MessagePin>(),
            TableDef::of::<PinTombstone>(),
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
            Event::Conversation(change) => conversation_keys(change, event.at(), keys),
            Event::ConversationMember(ConversationMemberEvent::ReceiptRecorded(it)) => receipt_keys(it, keys),
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
            Event::ConversationMember(ConversationMemberEvent::ReceiptRecorded(it)) => {
                receive(event, it, rows)
            }
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

fn conversation_keys(event: &ConversationEvent, at: Timestamp, keys: &mut Keys<'_>) {
    match event {
        ConversationEvent::Created(it) => keys.fresh::<MessageCounter>(it.conversation_id),
        ConversationEvent::MemberJoined(it) => {
            keys.load::<MessageCounter>(it.conversation_id);
            for device in it.recipients.iter().filter_map(device) {
                keys.load::<MessageRecipient>((it.conversation_id, it.account_id, device));
            }
        }
        ConversationEvent::MemberLeft(it) => {
            keys.load::<MessageCounter>(it.conversation_id);
            keys.set(RecipientsOf { conversation_id: it.conversation_id, account_id: it.account_id });
        }
        ConversationEvent::RecipientAdded(it) => {
            keys.load::<MessageCounter>(it.conversation_id);
            if let Some(device) = device(&it.recipient) {
                keys.load::<MessageRecipient>((it.conversation_id, it.account_id, device));
            }
        }
        ConversationEvent::RecipientRemoved(it) => {
            keys.load::<MessageCounter>(it.conversation_id);
            let device = device_id(it.recipient_id);
            keys.load::<MessageRecipient>((it.conversation_id, it.account_id, device));
        }
        ConversationEvent::MessageSent(it) => {
            keys.load::<MessageCounter>(it.conversation_id);
            keys.fresh::<Message>((it.conversation_id, it.number));
        }
        ConversationEvent::MessageEdited(it) => {
            keys.load::<MessageCounter>(it.conversation_id);
            keys.load::<Message>((it.conversation_id, it.number));
        }
        ConversationEvent::MessageDeleted(it) => {
            keys.load::<MessageCounter>(it.conversation_id);
            keys.load::<Message>((it.conversation_id, it.number));
            keys.load::<MessagePin>((it.conversation_id, it.number));
            keys.set(ReactionsOn { conversation_id: it.conversation_id, number: it.number });
        }
        ConversationEvent::ReactionSet(it) => {
            let key = (it.conversation_id, it.number, it.account_id, it.slot);
            keys.load::<MessageCounter>(it.conversation_id);
            tombstones::reaction_keys(key, keys);
        }
        ConversationEvent::ReactionCleared(it) => {
            let key = (it.conversation_id, it.number, it.account_id, it.slot);
            keys.load::<MessageCounter>(it.conversation_id);
            tombstones::reaction_cleared_keys(key, at, keys);
        }
        ConversationEvent::MessagePinned(it) => {
            keys.load::<MessageCounter>(it.conversation_id);
            tombstones::pin_keys((it.conversation_id, it.number), keys);
        }
        ConversationEvent::MessageUnpinned(it) => {
            keys.load::<MessageCounter>(it.conversation_id);
            tombstones::unpinned_keys((it.conversation_id, it.number), at, keys);
        }
        ConversationEvent::Reopened(it) => {
            keys.load::<MessageCounter>(it.conversation_id);
            keys.set(RecipientsIn { conversation_id: it.conversation_id });
        }
        ConversationEvent::TitleChanged(_)
        | ConversationEvent::HistoryVisibilityChanged(_)
        | ConversationEvent::MemberRoleChanged(_)
        | ConversationEvent::GenerationCommitted(_)
        | ConversationEvent::WrapAdded(_)
        | ConversationEvent::WrapReported(_)
        | ConversationEvent::Deleted(_) => {}
    }
}

/// The marks that a receipt raises, with the first and the last message that it covers newly.
fn raised(it: &ReceiptRecorded) -> impl Iterator<Item = (DeliveryState, u64, u64)> {
    let marks = [
        (DeliveryState::Delivered, it.delivered_before, it.delivered_up_to),
        (DeliveryState::Read, it.read_before, it.read_up_to),
    ];
    let newly = marks.into_iter().filter(|(_, before, up_to)| before < up_to);
    newly.map(|(state, before, up_to)| (state, before.saturating_add(1), up_to))
}

fn receipt_keys(it: &ReceiptRecorded, keys: &mut Keys<'_>) {
    keys.load::<MessageWatermark>((it.conversation_id, it.account_id, it.device_id));
    for (state, _, up_to) in raised(it) {
        keys.fresh::<MessageReceipt>((it.conversation_id, it.account_id, it.device_id, state, up_to));
    }
}

fn apply(event: &Decoded, change: &ConversationEvent, rows: &mut Rows) -> Result<(), FoldError> {
    match change {
        ConversationEvent::Created(it) => rows.insert(MessageCounter {
            conversation_id: it.conversation_id,
            organization_id: it.organization_id,
            deleted_up_to: 0,
            last_number: 0,
            last_sent_at: None,
            activity_position: event.position(),
            activity_at: event.at(),
        }),
        ConversationEvent::MemberJoined(it) => join(event, it, rows),
        ConversationEvent::MemberLeft(it) => leave(it, rows),
        ConversationEvent::RecipientAdded(it) => {
            admit(event, it.conversation_id, it.account_id, &it.recipient, rows)
        }
        ConversationEvent::RecipientRemoved(it) => {
            let until = last_number(it.conversation_id, rows)?;
            let key = (it.conversation_id, it.account_id, device_id(it.recipient_id));
            if rows.get::<MessageRecipient>(&key)?.is_none() {
                return Ok(()); // a recovery key
            }
            rows.update::<MessageRecipient>(&key, |row| row.until_number = Some(until))
        }
        ConversationEvent::MessageSent(it) => send(event, it, rows),
        ConversationEvent::MessageEdited(it) => edit(event, it, rows),
        ConversationEvent::MessageDeleted(it) => delete(event, it, rows),
        ConversationEvent::ReactionSet(it) => react(event, it, rows),
        ConversationEvent::ReactionCleared(it) => {
            touch(it.conversation_id, rows)?;
            tombstones::clear_reaction(event, it, rows)
        }
        ConversationEvent::MessagePinned(it) => pin(event, it, rows),
        ConversationEvent::MessageUnpinned(it) => {
            touch(it.conversation_id, rows)?;
            tombstones::unpin(event, it, rows)
        }
        ConversationEvent::Reopened(it) => reopen(event, it, rows),
        ConversationEvent::TitleChanged(_)
        | ConversationEvent::HistoryVisibilityChanged(_)
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

/// A device that comes again has what it had: its watermarks are rows of their own.
fn admit(
    event: &Decoded,
    conversation_id: ConversationId,
    account_id: AccountId,
    recipient: &Recipient,
    rows: &mut Rows,
) -> Result<(), FoldError> {
    let Some(device_id) = device(recipient) else { return Ok(()) };
    let since_number = last_number(conversation_id, rows)?;
    rows.put(MessageRecipient {
        conversation_id,
        account_id,
        device_id,
        organization_id: event.organization()?,
        since_number,
        until_number: None,
    })
}

fn leave(it: &ConversationMemberLeft, rows: &mut Rows) -> Result<(), FoldError> {
    let until = last_number(it.conversation_id, rows)?;
    let set = RecipientsOf { conversation_id: it.conversation_id, account_id: it.account_id };
    for key in rows.keys_of(&set)? {
        end(&key, until, rows)?;
    }
    Ok(())
}

/// Devices come back with the members who join next; messages of before stay out of sight.
fn reopen(event: &Decoded, it: &ConversationReopened, rows: &mut Rows) -> Result<(), FoldError> {
    for key in rows.keys_of(&RecipientsIn { conversation_id: it.conversation_id })? {
        end(&key, it.deleted_up_to, rows)?;
    }
    rows.update::<MessageCounter>(&it.conversation_id, |row| {
        row.deleted_up_to = it.deleted_up_to;
        row.last_sent_at = None;
        row.activity_position = event.position();
        row.activity_at = event.at();
    })
}

/// Nothing after `until` is sent to the device, unless nothing was already.
fn end(key: &<MessageRecipient as Row>::Key, until: u64, rows: &mut Rows) -> Result<(), FoldError> {
    rows.update::<MessageRecipient>(key, |row| {
        row.until_number.get_or_insert(until);
    })
}

fn send(event: &Decoded, it: &MessageSent, rows: &mut Rows) -> Result<(), FoldError> {
    rows.update::<MessageCounter>(&it.conversation_id, |row| {
        row.last_number = it.number;
        row.last_sent_at = Some(event.at());
        row.activity_position = event.position();
        row.activity_at = event.at();
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
    })?;
    touch(it.conversation_id, rows)
}

/// Something about the conversation's messages changed: whoever syncs sees it by the counter's position.
fn touch(conversation_id: ConversationId, rows: &mut Rows) -> Result<(), FoldError> {
    rows.update::<MessageCounter>(&conversation_id, |_| {})
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
    touch(it.conversation_id, rows)
}

fn react(event: &Decoded, it: &ReactionSet, rows: &mut Rows) -> Result<(), FoldError> {
    touch(it.conversation_id, rows)?;
    rows.delete::<ReactionTombstone>(&(it.conversation_id, it.number, it.account_id, it.slot))?;
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

fn pin(event: &Decoded, it: &MessagePinned, rows: &mut Rows) -> Result<(), FoldError> {
    touch(it.conversation_id, rows)?;
    rows.delete::<PinTombstone>(&(it.conversation_id, it.number))?;
    rows.put(MessagePin {
        conversation_id: it.conversation_id,
        number: it.number,
        organization_id: event.organization()?,
        pinned_by: it.pinned_by,
        pinned_at: event.at(),
    })
}

/// Each watermark that rises gives one range with this receipt's time. It stands whatever the conversation's own rows say, or
/// when they come: whoever reads joins the two, so that a receipt counts for messages that were sent to the device.
fn receive(event: &Decoded, it: &ReceiptRecorded, rows: &mut Rows) -> Result<(), FoldError> {
    let ReceiptRecorded { organization_id, conversation_id, account_id, device_id, .. } = *it;
    for (state, from_number, up_to) in raised(it) {
        rows.insert(MessageReceipt {
            conversation_id,
            account_id,
            device_id,
            state,
            up_to,
            organization_id,
            from_number,
            at: event.at(),
        })?;
    }
    rows.put(MessageWatermark {
        conversation_id,
        account_id,
        device_id,
        organization_id,
        delivered_up_to: it.delivered_up_to,
        read_up_to: it.read_up_to,
    })
}
