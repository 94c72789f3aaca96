//! What the events of an account's keys and devices add up to.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::aggregate::{Aggregate, Category, Context, Draft};
use crate::conversation::{Recipient, RecipientKind};
use crate::rejection::Rejection;
use crate::violation::Violation;
use crate::{AccountId, DeviceId, HpkeKey, OrganizationId, RecipientId, Timestamp, VerifyKey};

use super::DeviceEvent;
use super::check;
use super::commands::DeviceCommand;

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Identity {
    identity_key: VerifyKey,
    recovery_id: RecipientId,
    recovery_key: HpkeKey,
    after_reset: Option<u64>,
}

/// The public keys of an active device.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeviceKeys {
    /// To wrap for it.
    pub hpke_key: HpkeKey,
    /// To verify what it signs.
    pub verify_key: VerifyKey,
}

/// The identity key, recovery key and devices of one account. The stream's id is the account's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DeviceSet {
    account_id: Option<AccountId>,
    identity: Option<Identity>,
    active: BTreeMap<DeviceId, DeviceKeys>,
    revoked: BTreeSet<DeviceId>,
}

impl DeviceSet {
    /// The account; `None` before its identity is published.
    pub fn account_id(&self) -> Option<AccountId> {
        self.account_id
    }

    /// The key that certifies the devices; `None` before it is published.
    pub fn identity_key(&self) -> Option<VerifyKey> {
        self.identity.map(|identity| identity.identity_key)
    }

    /// Whether the device is enrolled and not revoked.
    pub fn is_active(&self, device: DeviceId) -> bool {
        self.active.contains_key(&device)
    }

    /// Whether the device was revoked.
    pub fn is_revoked(&self, device: DeviceId) -> bool {
        self.revoked.contains(&device)
    }

    /// The key that verifies what an active device signs.
    pub fn verify_key(&self, device: DeviceId) -> Option<VerifyKey> {
        self.active.get(&device).map(|keys| keys.verify_key)
    }

    /// The active devices, ordered by id.
    pub fn active_devices(&self) -> impl Iterator<Item = (DeviceId, &DeviceKeys)> {
        self.active.iter().map(|(id, keys)| (*id, keys))
    }

    /// Everybody whom keys for this account are wrapped for: its recovery key, then its active devices ordered by id.
    pub fn active_recipients(&self) -> Vec<Recipient> {
        let recovery = self.identity.map(|identity| Recipient {
            recipient_id: identity.recovery_id,
            kind: RecipientKind::Recovery,
            hpke_key: identity.recovery_key,
            verify_key: None,
        });
        let devices = self.active.iter().map(|(id, keys)| Recipient {
            recipient_id: RecipientId::from(*id),
            kind: RecipientKind::Device,
            hpke_key: keys.hpke_key,
            verify_key: Some(keys.verify_key),
        });
        recovery.into_iter().chain(devices).collect()
    }

    /// Whether the identity was published after that reset of the password, or after a later one.
    pub(super) fn is_after_reset(&self, place: u64) -> bool {
        self.identity.is_some_and(|identity| identity.after_reset >= Some(place))
    }

    /// Whether a device or recovery key of the account has this id, or had it.
    pub(super) fn is_known(&self, recipient: RecipientId) -> bool {
        let devices = self.active.keys().chain(&self.revoked);
        self.identity.is_some_and(|identity| identity.recovery_id == recipient)
            || devices.into_iter().any(|device| RecipientId::from(*device) == recipient)
    }

    /// How many devices are active.
    pub(super) fn active_count(&self) -> usize {
        self.active.len()
    }

    /// Whether a device cannot have this id because the recovery key has it.
    pub(super) fn is_recovery(&self, device: DeviceId) -> bool {
        self.identity.is_some_and(|identity| identity.recovery_id == RecipientId::from(device))
    }

    /// The account, which alone may give the command.
    pub(super) fn owner(&self, context: &Context) -> Result<AccountId, Rejection> {
        let actor = context.account()?;
        match self.account_id {
            None => Err(Rejection::IdentityMissing),
            Some(owner) if owner == actor => Ok(owner),
            Some(_) => Err(Rejection::DeviceNotFound),
        }
    }

    /// Refuses a device that is not active.
    pub(super) fn check_active(&self, device: DeviceId) -> Result<(), Rejection> {
        if self.is_active(device) {
            Ok(())
        } else if self.is_revoked(device) {
            Err(Rejection::DeviceRevoked)
        } else {
            Err(Rejection::DeviceNotFound)
        }
    }
}

impl Aggregate for DeviceSet {
    const CATEGORY: Category = Category::Device;
    const STATE_VERSION: u16 = 1;
    type Id = AccountId;
    type Event = DeviceEvent;
    type Command = DeviceCommand;

    fn decide(
        &self,
        command: &DeviceCommand,
        context: &Context,
    ) -> Result<Vec<Draft<DeviceEvent>>, Rejection> {
        command.decide(self, context)
    }

    fn id_of(event: &Self::Event) -> Self::Id {
        check::id_of(event)
    }

    fn check(&self, event: &Self::Event) -> Result<(), Violation> {
        check::check(self, event)
    }

    fn evolve(&mut self, event: &DeviceEvent, _at: Timestamp) {
        match event {
            DeviceEvent::IdentityPublished(event) => {
                self.account_id = Some(event.account_id);
                self.identity = Some(Identity {
                    identity_key: event.identity_key,
                    recovery_id: event.recovery_id,
                    recovery_key: event.recovery_key,
                    after_reset: event.after_reset,
                });
            }
            DeviceEvent::Enrolled(event) => {
                let keys = DeviceKeys { hpke_key: event.hpke_key, verify_key: event.verify_key };
                self.active.insert(event.device_id, keys);
            }
            DeviceEvent::Renamed(_) => {}
            DeviceEvent::Revoked(event) => {
                self.active.remove(&event.device_id);
                self.revoked.insert(event.device_id);
            }
        }
    }

    fn organization(&self) -> Option<OrganizationId> {
        None
    }
}
