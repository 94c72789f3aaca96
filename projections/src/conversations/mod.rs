//! Conversations, their members, whom keys are wrapped for, generations and wraps.

pub mod queries;
mod tables;
#[cfg(test)]
mod tests;

pub use tables::*;

use domain::conversation::{
    ConversationCreated, ConversationEvent, ConversationMemberJoined, ConversationMemberLeft,
    ConversationReopened, GenerationCommitted, Recipient, Wrap, WrapAdded, WrapReported,
};
use domain::{AccountDevice, AccountId, AccountRecipient, ConversationId, Event};

use crate::projector::{Decoded, Projector};
use crate::rows::{FoldError, Keys, Rows, TableDef};
use crate::table::Row;

/// The projection `conversations`.
pub struct Conversations;

impl Projector for Conversations {
    fn name(&self) -> &'static str {
        "conversations"
    }

    fn version(&self) -> u32 {
        3
    }

    fn tables(&self) -> &'static [TableDef] {
        const TABLES: &[TableDef] = &[
            TableDef::of::<Conversation>(),
            TableDef::of::<ConversationMember>(),
            TableDef::of::<ConversationRecipient>(),
            TableDef::of::<EncryptionKey>(),
            TableDef::of::<MemberKeyWrap>(),
        ];
        TABLES
    }

    fn keys(&self, event: &Decoded, keys: &mut Keys<'_>) {
        match &event.event {
            Event::Conversation(event) => conversation_keys(event, keys),
            Event::Account(_)
            | Event::ConversationMember(_)
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
            | Event::ConversationMember(_)
            | Event::Device(_)
            | Event::Operations(_)
            | Event::Organization(_)
            | Event::Session(_)
            | Event::Workspace(_) => Ok(()),
        }
    }
}

fn recipient_key(id: ConversationId, recipient: AccountRecipient) -> <ConversationRecipient as Row>::Key {
    (id, recipient.account_id, recipient.recipient_id)
}

fn wrap_key(id: ConversationId, generation: u32, recipient: AccountRecipient) -> <MemberKeyWrap as Row>::Key {
    (id, generation, recipient.account_id, recipient.recipient_id)
}

fn conversation_keys(event: &ConversationEvent, keys: &mut Keys<'_>) {
    match event {
        ConversationEvent::Created(it) => keys.fresh::<Conversation>(it.conversation_id),
        ConversationEvent::TitleChanged(it) => keys.load::<Conversation>(it.conversation_id),
        ConversationEvent::HistoryVisibilityChanged(it) => {
            keys.set(MembersIn { conversation_id: it.conversation_id });
        }
        ConversationEvent::MemberJoined(it) => {
            keys.load::<Conversation>(it.conversation_id);
            keys.load::<ConversationMember>((it.conversation_id, it.account_id));
            for recipient in &it.recipients {
                keys.load::<ConversationRecipient>((
                    it.conversation_id,
                    it.account_id,
                    recipient.recipient_id,
                ));
            }
        }
        ConversationEvent::MemberRoleChanged(it) => {
            keys.load::<Conversation>(it.conversation_id);
            keys.load::<ConversationMember>((it.conversation_id, it.account_id));
        }
        ConversationEvent::MemberLeft(it) => {
            keys.load::<Conversation>(it.conversation_id);
            keys.load::<ConversationMember>((it.conversation_id, it.account_id));
            keys.set(RecipientsOf { conversation_id: it.conversation_id, account_id: it.account_id });
        }
        ConversationEvent::RecipientAdded(it) => {
            keys.load::<Conversation>(it.conversation_id);
            let recipient_id = it.recipient.recipient_id;
            keys.load::<ConversationRecipient>((it.conversation_id, it.account_id, recipient_id));
        }
        ConversationEvent::RecipientRemoved(it) => {
            keys.load::<Conversation>(it.conversation_id);
            keys.load::<ConversationRecipient>((it.conversation_id, it.account_id, it.recipient_id));
        }
        ConversationEvent::GenerationCommitted(it) => {
            keys.load::<Conversation>(it.conversation_id);
            keys.fresh::<EncryptionKey>((it.conversation_id, it.generation));
            keys.set(RecipientsIn { conversation_id: it.conversation_id });
            for wrap in &it.wraps {
                keys.fresh::<MemberKeyWrap>(wrap_key(it.conversation_id, it.generation, wrap.recipient()));
            }
        }
        ConversationEvent::WrapAdded(it) => {
            let key = it.wrap.recipient();
            keys.load::<ConversationRecipient>(recipient_key(it.conversation_id, key));
            keys.load::<MemberKeyWrap>(wrap_key(it.conversation_id, it.generation, key));
        }
        ConversationEvent::WrapReported(it) => {
            let key = AccountRecipient::new(it.account_id, it.recipient_id);
            keys.load::<ConversationRecipient>(recipient_key(it.conversation_id, key));
            keys.load::<MemberKeyWrap>(wrap_key(it.conversation_id, it.generation, key));
        }
        ConversationEvent::Deleted(it) => keys.load::<Conversation>(it.conversation_id),
        ConversationEvent::Reopened(it) => {
            keys.load::<Conversation>(it.conversation_id);
            keys.set(RecipientsIn { conversation_id: it.conversation_id });
        }
        ConversationEvent::MessageSent(_)
        | ConversationEvent::MessageEdited(_)
        | ConversationEvent::MessageDeleted(_)
        | ConversationEvent::ReactionSet(_)
        | ConversationEvent::ReactionCleared(_)
        | ConversationEvent::MessagePinned(_)
        | ConversationEvent::MessageUnpinned(_) => {}
    }
}

fn apply(event: &Decoded, change: &ConversationEvent, rows: &mut Rows) -> Result<(), FoldError> {
    match change {
        ConversationEvent::Created(it) => create(event, it, rows),
        ConversationEvent::TitleChanged(it) => {
            let title = event.sealed()?;
            rows.update::<Conversation>(&it.conversation_id, |row| row.title = title)
        }
        ConversationEvent::HistoryVisibilityChanged(it) => {
            for key in rows.keys_of(&MembersIn { conversation_id: it.conversation_id })? {
                rows.update::<ConversationMember>(&key, |row| {
                    row.history_visibility = it.history_visibility
                })?;
            }
            Ok(())
        }
        ConversationEvent::MemberJoined(it) => join(event, it, rows),
        ConversationEvent::MemberRoleChanged(it) => {
            let key = (it.conversation_id, it.account_id);
            rows.update::<ConversationMember>(&key, |row| {
                row.role = it.role;
                row.changed_position = event.position();
            })?;
            // Whoever syncs sees by its position that something about its members changed.
            rows.update::<Conversation>(&it.conversation_id, |_| {})
        }
        ConversationEvent::MemberLeft(it) => leave(event, it, rows),
        ConversationEvent::RecipientAdded(it) => {
            admit(event, it.conversation_id, it.account_id, &it.recipient, rows)
        }
        ConversationEvent::RecipientRemoved(it) => {
            let key = (it.conversation_id, it.account_id, it.recipient_id);
            rows.update::<ConversationRecipient>(&key, |row| {
                row.active = false;
                row.waiting = false;
            })?;
            rows.update::<Conversation>(&it.conversation_id, |row| row.commit_required = true)
        }
        ConversationEvent::GenerationCommitted(it) => commit(event, it, rows),
        ConversationEvent::WrapAdded(it) => add_wrap(event, it, rows),
        ConversationEvent::WrapReported(it) => report_wrap(event, it, rows),
        ConversationEvent::Deleted(it) => {
            rows.update::<Conversation>(&it.conversation_id, |row| row.deleted_at = Some(event.at()))
        }
        ConversationEvent::Reopened(it) => reopen(it, rows),
        ConversationEvent::MessageSent(_)
        | ConversationEvent::MessageEdited(_)
        | ConversationEvent::MessageDeleted(_)
        | ConversationEvent::ReactionSet(_)
        | ConversationEvent::ReactionCleared(_)
        | ConversationEvent::MessagePinned(_)
        | ConversationEvent::MessageUnpinned(_) => Ok(()),
    }
}

fn create(event: &Decoded, it: &ConversationCreated, rows: &mut Rows) -> Result<(), FoldError> {
    rows.insert(Conversation {
        conversation_id: it.conversation_id,
        organization_id: it.organization_id,
        workspace_id: it.workspace_id,
        kind: it.kind,
        creator: it.creator,
        title: event.sealed()?,
        allows_plaintext: it.allows_plaintext,
        members: 0,
        generation: 0,
        commit_required: true,
        created_at: event.at(),
        deleted_at: None,
    })
}

/// Who was a member when it was deleted joins with one of the next events, with the recipients of now.
fn reopen(it: &ConversationReopened, rows: &mut Rows) -> Result<(), FoldError> {
    for key in rows.keys_of(&RecipientsIn { conversation_id: it.conversation_id })? {
        rows.update::<ConversationRecipient>(&key, |row| {
            row.active = false;
            row.waiting = false;
        })?;
    }
    rows.update::<Conversation>(&it.conversation_id, |row| {
        row.deleted_at = None;
        row.members = 0;
        row.commit_required = true;
    })
}

fn join(event: &Decoded, it: &ConversationMemberJoined, rows: &mut Rows) -> Result<(), FoldError> {
    let known = rows.get::<ConversationMember>(&(it.conversation_id, it.account_id))?;
    // Whoever joins again without having left was a member all the time, of a conversation that was deleted meanwhile.
    let since = known.filter(|row| row.left_at.is_none()).map(|row| (row.joined_at, row.joined_position));
    let (joined_at, joined_position) = since.unwrap_or((event.at(), event.position()));
    rows.put(ConversationMember {
        conversation_id: it.conversation_id,
        account_id: it.account_id,
        organization_id: event.organization()?,
        role: it.role,
        added_by: it.added_by,
        organization_term: it.organization_term,
        workspace_id: it.workspace.map(|workspace| workspace.workspace_id),
        workspace_term: it.workspace.map(|workspace| workspace.term),
        joined_at,
        joined_position,
        earlier_number: it.earlier.last_number,
        earlier_generation: it.earlier.generation,
        history_visibility: it.earlier.visibility,
        left_at: None,
        left_position: None,
        removed_by: None,
        changed_position: event.position(),
    })?;
    rows.update::<Conversation>(&it.conversation_id, |row| row.members = row.members.saturating_add(1))?;
    for recipient in &it.recipients {
        admit(event, it.conversation_id, it.account_id, recipient, rows)?;
    }
    Ok(())
}

/// A recipient that comes waits for its wrap, unless there is no generation yet.
fn admit(
    event: &Decoded,
    conversation_id: ConversationId,
    account_id: AccountId,
    recipient: &Recipient,
    rows: &mut Rows,
) -> Result<(), FoldError> {
    let waiting = rows.get::<Conversation>(&conversation_id)?.is_some_and(|row| row.generation > 0);
    rows.put(ConversationRecipient {
        conversation_id,
        account_id,
        recipient_id: recipient.recipient_id,
        organization_id: event.organization()?,
        kind: recipient.kind,
        hpke_key: recipient.hpke_key,
        verify_key: recipient.verify_key,
        active: true,
        waiting,
        added_at: event.at(),
    })
}

fn leave(event: &Decoded, it: &ConversationMemberLeft, rows: &mut Rows) -> Result<(), FoldError> {
    rows.update::<ConversationMember>(&(it.conversation_id, it.account_id), |row| {
        row.left_at = Some(event.at());
        row.left_position = Some(event.position());
        row.removed_by = it.removed_by;
        row.changed_position = event.position();
    })?;
    let set = RecipientsOf { conversation_id: it.conversation_id, account_id: it.account_id };
    for key in rows.keys_of(&set)? {
        rows.update::<ConversationRecipient>(&key, |row| {
            row.active = false;
            row.waiting = false;
        })?;
    }
    rows.update::<Conversation>(&it.conversation_id, |row| {
        row.members = row.members.saturating_sub(1);
        row.commit_required = true;
    })
}

fn commit(event: &Decoded, it: &GenerationCommitted, rows: &mut Rows) -> Result<(), FoldError> {
    rows.insert(EncryptionKey {
        conversation_id: it.conversation_id,
        generation: it.generation,
        organization_id: event.organization()?,
        suite: it.suite,
        account_id: it.account_id,
        device_id: it.device_id,
        transcript: it.transcript,
        committed_at: event.at(),
    })?;
    for wrap in &it.wraps {
        let sender = AccountDevice::new(it.account_id, it.device_id);
        rows.insert(wrapped(event, it.conversation_id, it.generation, sender, wrap)?)?;
    }
    for key in rows.keys_of(&RecipientsIn { conversation_id: it.conversation_id })? {
        if rows.get::<ConversationRecipient>(&key)?.is_some_and(|row| row.waiting) {
            rows.update::<ConversationRecipient>(&key, |row| row.waiting = false)?;
        }
    }
    rows.update::<Conversation>(&it.conversation_id, |row| {
        row.generation = it.generation;
        row.commit_required = false;
    })
}

fn wrapped(
    event: &Decoded,
    conversation_id: ConversationId,
    generation: u32,
    sender: AccountDevice,
    wrap: &Wrap,
) -> Result<MemberKeyWrap, FoldError> {
    Ok(MemberKeyWrap {
        conversation_id,
        generation,
        account_id: wrap.account_id,
        recipient_id: wrap.recipient_id,
        organization_id: event.organization()?,
        sender_id: sender.account_id,
        device_id: sender.device_id,
        encapsulated_key: wrap.encapsulated_key,
        ciphertext: wrap.ciphertext.clone(),
        signature: wrap.signature,
        added_at: event.at(),
        reported_at: None,
    })
}

/// A reported wrap is replaced by the one made after the report; the log keeps both.
fn add_wrap(event: &Decoded, it: &WrapAdded, rows: &mut Rows) -> Result<(), FoldError> {
    let sender = AccountDevice::new(it.account_id, it.device_id);
    rows.put(wrapped(event, it.conversation_id, it.generation, sender, &it.wrap)?)?;
    let key = recipient_key(it.conversation_id, it.wrap.recipient());
    rows.update::<ConversationRecipient>(&key, |row| row.waiting = false)
}

fn report_wrap(event: &Decoded, it: &WrapReported, rows: &mut Rows) -> Result<(), FoldError> {
    let recipient = AccountRecipient::new(it.account_id, it.recipient_id);
    let key = wrap_key(it.conversation_id, it.generation, recipient);
    rows.update::<MemberKeyWrap>(&key, |row| row.reported_at = Some(event.at()))?;
    let key = recipient_key(it.conversation_id, recipient);
    rows.update::<ConversationRecipient>(&key, |row| row.waiting = true)
}
