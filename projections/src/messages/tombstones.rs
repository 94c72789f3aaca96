//! What was taken away leaves a tombstone for thirty days of the log's time, so that whoever was not there learns of it.

use domain::Timestamp;
use domain::conversation::{MessageUnpinned, ReactionCleared};

use super::tables::{
    MessagePin, MessageReaction, PinTombstone, PinTombstonesOf, ReactionTombstone, ReactionTombstonesOf,
    TOMBSTONE_PERIODS_DROPPED, TOMBSTONE_PERIODS_KEPT, tombstone_period,
};
use crate::projector::Decoded;
use crate::rows::{FoldError, Keys, Rows};
use crate::table::Row;

/// Periods whose tombstones are old at a moment of the log: by its time alone, so that a rebuild drops the same ones.
fn outlived(at: Timestamp) -> impl Iterator<Item = i64> {
    let kept = tombstone_period(at).saturating_sub(TOMBSTONE_PERIODS_KEPT);
    kept.saturating_sub(TOMBSTONE_PERIODS_DROPPED)..kept
}

/// What filling a reaction slot touches.
pub(super) fn reaction_keys(key: <MessageReaction as Row>::Key, keys: &mut Keys<'_>) {
    keys.load::<MessageReaction>(key);
    keys.load::<ReactionTombstone>(key);
}

/// What pinning a message touches.
pub(super) fn pin_keys(key: <MessagePin as Row>::Key, keys: &mut Keys<'_>) {
    keys.load::<MessagePin>(key);
    keys.load::<PinTombstone>(key);
}

/// What taking a reaction away touches.
pub(super) fn reaction_cleared_keys(key: <MessageReaction as Row>::Key, at: Timestamp, keys: &mut Keys<'_>) {
    let (conversation_id, ..) = key;
    reaction_keys(key, keys);
    for period in outlived(at) {
        keys.set(ReactionTombstonesOf { conversation_id, period });
    }
}

/// What unpinning a message touches.
pub(super) fn unpinned_keys(key: <MessagePin as Row>::Key, at: Timestamp, keys: &mut Keys<'_>) {
    let (conversation_id, _) = key;
    pin_keys(key, keys);
    for period in outlived(at) {
        keys.set(PinTombstonesOf { conversation_id, period });
    }
}

/// Takes a reaction away.
pub(super) fn clear_reaction(
    event: &Decoded,
    it: &ReactionCleared,
    rows: &mut Rows,
) -> Result<(), FoldError> {
    let ReactionCleared { conversation_id, number, account_id, slot } = *it;
    for period in outlived(event.at()) {
        for key in rows.keys_of(&ReactionTombstonesOf { conversation_id, period })? {
            rows.delete::<ReactionTombstone>(&key)?;
        }
    }
    rows.delete::<MessageReaction>(&(conversation_id, number, account_id, slot))?;
    let (organization_id, period) = (event.organization()?, tombstone_period(event.at()));
    rows.put(ReactionTombstone { conversation_id, number, account_id, slot, organization_id, period })
}

/// Unpins a message.
pub(super) fn unpin(event: &Decoded, it: &MessageUnpinned, rows: &mut Rows) -> Result<(), FoldError> {
    let (conversation_id, number) = (it.conversation_id, it.number);
    for period in outlived(event.at()) {
        for key in rows.keys_of(&PinTombstonesOf { conversation_id, period })? {
            rows.delete::<PinTombstone>(&key)?;
        }
    }
    rows.delete::<MessagePin>(&(conversation_id, number))?;
    let (organization_id, period) = (event.organization()?, tombstone_period(event.at()));
    rows.put(PinTombstone { conversation_id, number, organization_id, period })
}
