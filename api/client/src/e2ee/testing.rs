//! What the tests of end-to-end encryption share: an exact source of "random" bytes and cheap parameters.

use std::convert::Infallible;

use hpke::rand_core::{TryCryptoRng, TryRng};

use domain::{AccountId, DeviceId, RecipientId};

use super::passphrase::Cost;
use super::{AccountKeys, CertifiedDevice, ClaimedKeys, DeviceKeys, Vault};

/// The least that Argon2id takes.
pub const CHEAP: Cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };

/// Bytes from a list, then an endless BLAKE3 stream.
pub struct Scripted {
    first: Vec<u8>,
    stream: blake3::OutputReader,
}

/// The stream of `seed`.
pub fn seeded(seed: u64) -> Scripted {
    Scripted { first: Vec::new(), stream: stream(seed) }
}

/// Exactly these bytes first.
pub fn scripted(bytes: &[u8]) -> Scripted {
    Scripted { first: bytes.to_vec(), stream: stream(0) }
}

fn stream(seed: u64) -> blake3::OutputReader {
    blake3::Hasher::new_derive_key("envoi test randomness").update(&seed.to_be_bytes()).finalize_xof()
}

impl TryRng for Scripted {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for byte in bytes {
            if self.first.is_empty() {
                let mut one = [0];
                self.stream.fill(&mut one);
                *byte = one[0];
            } else {
                *byte = self.first.remove(0);
            }
        }
        Ok(())
    }
}

impl TryCryptoRng for Scripted {}

/// The bytes of hexadecimal text.
pub fn hex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "an even number of digits");
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// Bytes as hexadecimal text.
pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A person with one device: private keys, and the public ones as the server tells of them.
pub struct Person {
    pub vault: Vault,
    pub device: DeviceKeys,
    pub claimed: ClaimedKeys,
}

impl Person {
    /// The person whose ids and keys are made of `seed`.
    pub fn new(seed: u8) -> Self {
        let mut random = seeded(u64::from(seed));
        let account_id = AccountId::from_bytes([seed; 16]);
        let vault = Vault::generate(RecipientId::from_bytes([seed ^ 0xf0; 16]), &mut random);
        let device = DeviceKeys::generate(account_id, DeviceId::from_bytes([seed ^ 0x0f; 16]), &mut random);
        let claimed = ClaimedKeys {
            account_id,
            identity_key: vault.identity.public(),
            recovery_id: vault.recovery.recipient_id(),
            recovery_key: vault.recovery.secret().public(),
            recovery_certificate: vault.identity.certify_recovery(account_id, &vault.recovery),
            devices: vec![vault.identity.certify_device(&device)],
        };
        Self { vault, device, claimed }
    }

    /// Their verified keys.
    pub fn keys(&self) -> AccountKeys {
        AccountKeys::verify(&self.claimed, None).unwrap()
    }

    /// Their device, verified.
    pub fn certified(&self) -> CertifiedDevice {
        *self.keys().device(self.device.device_id()).unwrap()
    }
}
