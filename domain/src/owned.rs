//! Devices and recipients as keys: always together with their account.
//!
//! A device's id and a recovery key's id are chosen by the client, so two accounts may have the same one, by accident or on
//! purpose. Alone they name nothing outside the account's own stream: whatever is keyed by a device or a recipient is keyed
//! by one of these.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{AccountId, DeviceId, RecipientId};

/// A device of an account.
///
/// Ordered by account, then by device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct AccountDevice {
    /// Whose.
    pub account_id: AccountId,
    /// Which of the account's devices.
    pub device_id: DeviceId,
}

impl AccountDevice {
    /// The account's device.
    pub const fn new(account_id: AccountId, device_id: DeviceId) -> Self {
        Self { account_id, device_id }
    }
}

/// A recipient of wraps that belongs to an account: one of its devices or its recovery key.
///
/// Ordered by account, then by recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct AccountRecipient {
    /// Whose.
    pub account_id: AccountId,
    /// Which of the account's recipients.
    pub recipient_id: RecipientId,
}

impl AccountRecipient {
    /// The account's recipient.
    pub const fn new(account_id: AccountId, recipient_id: RecipientId) -> Self {
        Self { account_id, recipient_id }
    }
}

impl fmt::Display for AccountRecipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of account {}", self.recipient_id, self.account_id)
    }
}

impl From<AccountDevice> for AccountRecipient {
    fn from(value: AccountDevice) -> Self {
        Self::new(value.account_id, value.device_id.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_id_of_two_accounts_is_two_keys() {
        let of =
            |account| AccountDevice::new(AccountId::from_bytes([account; 16]), DeviceId::from_bytes([3; 16]));
        assert_ne!(of(1), of(2));
        assert_ne!(AccountRecipient::from(of(1)), of(2).into());
    }

    #[test]
    fn accounts_come_before_their_devices_in_order() {
        let key = |account, device| {
            AccountDevice::new(AccountId::from_bytes([account; 16]), DeviceId::from_bytes([device; 16]))
        };
        let mut keys = [key(2, 1), key(1, 9), key(1, 2)];
        keys.sort();
        assert_eq!(keys, [key(1, 2), key(1, 9), key(2, 1)]);
    }
}
