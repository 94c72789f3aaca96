//! Tables of devices and keys.

use domain::device::DeviceRevocationCause;
use domain::{AccountId, DeviceId, HpkeKey, RecipientId, Signature, Timestamp, VerifyKey};
use eventstore_schema::SealedCell;

crate::table! {
    /// A device of an account; it stays when it is revoked.
    pub struct Device in "devices" visible Acquaintances {
        key {
            /// Whose.
            account_id: AccountId,
            /// The device.
            device_id: DeviceId,
        }
        columns {
            /// [`domain::device::DeviceLabel`], sealed; for its owner only.
            label: SealedCell,
            /// To wrap for it.
            hpke_key: HpkeKey,
            /// To verify what it signs.
            verify_key: VerifyKey,
            /// The identity key's signature over the device certificate.
            certificate: Signature,
            /// When it was added.
            enrolled_at: Timestamp,
            /// When it was revoked.
            revoked_at: Option<Timestamp>,
            /// Why.
            revocation_cause: Option<DeviceRevocationCause>,
        }
    }
}

crate::table! {
    /// Identity and recovery key of an account.
    pub struct UserKeys in "user_keys" visible Acquaintances {
        key {
            /// Whose.
            account_id: AccountId,
        }
        columns {
            /// Certifies the account's devices and recovery key.
            identity_key: VerifyKey,
            /// Names the recovery key as a recipient of wraps.
            recovery_id: RecipientId,
            /// The recovery key.
            recovery_key: HpkeKey,
            /// The identity key's signature over the recovery certificate.
            recovery_certificate: Signature,
            /// [`domain::device::IdentityVault`], encrypted by the client and sealed; for its owner only.
            vault: SealedCell,
            /// When they were published.
            published_at: Timestamp,
        }
    }
}
