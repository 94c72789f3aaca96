//! Sessions and their refresh tokens.

pub mod queries;
mod tables;
#[cfg(test)]
mod tests;

pub use tables::*;

use domain::Event;
use domain::session::{SessionEvent, SessionRefreshed, SessionRevoked, SessionStarted};

use crate::projector::{Decoded, Projector};
use crate::rows::{FoldError, Keys, Rows, TableDef};

/// The projection `sessions`.
pub struct Sessions;

impl Projector for Sessions {
    fn name(&self) -> &'static str {
        "sessions"
    }

    fn version(&self) -> u32 {
        1
    }

    fn tables(&self) -> &'static [TableDef] {
        const TABLES: &[TableDef] = &[TableDef::of::<SessionToken>(), TableDef::of::<RefreshToken>()];
        TABLES
    }

    fn keys(&self, event: &Decoded, keys: &mut Keys<'_>) {
        match &event.event {
            Event::Session(change) => session_keys(change, keys),
            Event::Account(_)
            | Event::Conversation(_)
            | Event::ConversationMember(_)
            | Event::Device(_)
            | Event::Operations(_)
            | Event::Organization(_)
            | Event::Workspace(_) => {}
        }
    }

    fn apply(&self, event: &Decoded, rows: &mut Rows) -> Result<(), FoldError> {
        match &event.event {
            Event::Session(change) => apply(event, change, rows),
            Event::Account(_)
            | Event::Conversation(_)
            | Event::ConversationMember(_)
            | Event::Device(_)
            | Event::Operations(_)
            | Event::Organization(_)
            | Event::Workspace(_) => Ok(()),
        }
    }
}

fn session_keys(change: &SessionEvent, keys: &mut Keys<'_>) {
    match change {
        SessionEvent::Started(it) => {
            keys.fresh::<SessionToken>(it.session_id);
            keys.fresh::<RefreshToken>((it.session_id, 0));
        }
        SessionEvent::Refreshed(it) => {
            keys.load::<SessionToken>(it.session_id);
            keys.set(RefreshTokensOf { session_id: it.session_id });
            keys.fresh::<RefreshToken>((it.session_id, it.rotation));
        }
        SessionEvent::DeviceBound(it) => keys.load::<SessionToken>(it.session_id),
        SessionEvent::Revoked(it) => {
            keys.load::<SessionToken>(it.session_id);
            keys.set(RefreshTokensOf { session_id: it.session_id });
        }
    }
}

fn apply(event: &Decoded, change: &SessionEvent, rows: &mut Rows) -> Result<(), FoldError> {
    match change {
        SessionEvent::Started(it) => start(event, it, rows),
        SessionEvent::Refreshed(it) => refresh(event, it, rows),
        SessionEvent::DeviceBound(it) => {
            rows.update::<SessionToken>(&it.session_id, |row| row.device_id = Some(it.device_id))
        }
        SessionEvent::Revoked(it) => revoke(event, it, rows),
    }
}

fn start(event: &Decoded, it: &SessionStarted, rows: &mut Rows) -> Result<(), FoldError> {
    rows.insert(SessionToken {
        session_id: it.session_id,
        account_id: it.account_id,
        device_id: it.device_id,
        origin: event.sealed()?,
        started_at: event.at(),
        refreshed_at: None,
        expires_at: it.expires_at,
        revoked_at: None,
        revocation_cause: None,
    })?;
    rows.insert(RefreshToken {
        session_id: it.session_id,
        rotation: 0,
        account_id: it.account_id,
        refresh_hash: it.refresh_hash,
        issued_at: event.at(),
        expires_at: it.expires_at,
        ended_at: None,
    })
}

fn refresh(event: &Decoded, it: &SessionRefreshed, rows: &mut Rows) -> Result<(), FoldError> {
    rows.update::<SessionToken>(&it.session_id, |row| {
        row.refreshed_at = Some(event.at());
        row.expires_at = it.expires_at;
    })?;
    for key in rows.keys_of(&RefreshTokensOf { session_id: it.session_id })? {
        if key.1.saturating_add(1) == it.rotation {
            rows.update::<RefreshToken>(&key, |row| row.ended_at = Some(event.at()))?;
        } else {
            rows.delete::<RefreshToken>(&key)?;
        }
    }
    rows.insert(RefreshToken {
        session_id: it.session_id,
        rotation: it.rotation,
        account_id: it.account_id,
        refresh_hash: it.refresh_hash,
        issued_at: event.at(),
        expires_at: it.expires_at,
        ended_at: None,
    })
}

fn revoke(event: &Decoded, it: &SessionRevoked, rows: &mut Rows) -> Result<(), FoldError> {
    rows.update::<SessionToken>(&it.session_id, |row| {
        row.revoked_at = Some(event.at());
        row.revocation_cause = Some(it.cause);
    })?;
    for key in rows.keys_of(&RefreshTokensOf { session_id: it.session_id })? {
        rows.update::<RefreshToken>(&key, |row| row.ended_at = row.ended_at.or(Some(event.at())))?;
    }
    Ok(())
}
