//! Devices and the public keys of accounts.

pub mod queries;
mod tables;
#[cfg(test)]
mod tests;

pub use tables::*;

use domain::Event;
use domain::device::{DeviceEnrolled, DeviceEvent, IdentityPublished};

use crate::projector::{Decoded, Projector};
use crate::rows::{FoldError, Keys, Rows, TableDef};

/// The projection `devices`.
pub struct Devices;

impl Projector for Devices {
    fn name(&self) -> &'static str {
        "devices"
    }

    fn version(&self) -> u32 {
        1
    }

    fn tables(&self) -> &'static [TableDef] {
        const TABLES: &[TableDef] = &[TableDef::of::<Device>(), TableDef::of::<UserKeys>()];
        TABLES
    }

    fn keys(&self, event: &Decoded, keys: &mut Keys<'_>) {
        match &event.event {
            Event::Device(change) => device_keys(change, keys),
            Event::Account(_)
            | Event::Conversation(_)
            | Event::ConversationMember(_)
            | Event::Operations(_)
            | Event::Organization(_)
            | Event::Session(_)
            | Event::Workspace(_) => {}
        }
    }

    fn apply(&self, event: &Decoded, rows: &mut Rows) -> Result<(), FoldError> {
        match &event.event {
            Event::Device(change) => apply(event, change, rows),
            Event::Account(_)
            | Event::Conversation(_)
            | Event::ConversationMember(_)
            | Event::Operations(_)
            | Event::Organization(_)
            | Event::Session(_)
            | Event::Workspace(_) => Ok(()),
        }
    }
}

fn device_keys(change: &DeviceEvent, keys: &mut Keys<'_>) {
    match change {
        DeviceEvent::IdentityPublished(it) => keys.load::<UserKeys>(it.account_id),
        DeviceEvent::Enrolled(it) => keys.fresh::<Device>((it.account_id, it.device_id)),
        DeviceEvent::Renamed(it) => keys.load::<Device>((it.account_id, it.device_id)),
        DeviceEvent::Revoked(it) => keys.load::<Device>((it.account_id, it.device_id)),
    }
}

fn apply(event: &Decoded, change: &DeviceEvent, rows: &mut Rows) -> Result<(), FoldError> {
    match change {
        DeviceEvent::IdentityPublished(it) => publish(event, it, rows),
        DeviceEvent::Enrolled(it) => enroll(event, it, rows),
        DeviceEvent::Renamed(it) => {
            let label = event.sealed()?;
            rows.update::<Device>(&(it.account_id, it.device_id), |row| row.label = label)
        }
        DeviceEvent::Revoked(it) => rows.update::<Device>(&(it.account_id, it.device_id), |row| {
            row.revoked_at = Some(event.at());
            row.revocation_cause = Some(it.cause);
        }),
    }
}

fn publish(event: &Decoded, it: &IdentityPublished, rows: &mut Rows) -> Result<(), FoldError> {
    rows.put(UserKeys {
        account_id: it.account_id,
        identity_key: it.identity_key,
        recovery_id: it.recovery_id,
        recovery_key: it.recovery_key,
        recovery_certificate: it.recovery_certificate,
        vault: event.sealed()?,
        published_at: event.at(),
    })
}

fn enroll(event: &Decoded, it: &DeviceEnrolled, rows: &mut Rows) -> Result<(), FoldError> {
    rows.insert(Device {
        account_id: it.account_id,
        device_id: it.device_id,
        label: event.sealed()?,
        hpke_key: it.hpke_key,
        verify_key: it.verify_key,
        certificate: it.certificate,
        enrolled_at: event.at(),
        revoked_at: None,
        revocation_cause: None,
    })
}
