//! RFC 5297, RFC 9180 and Wycheproof, run on exactly the code and crates that encrypt.

use aes_siv::siv::{Aes128Siv, Aes256Siv};
use aes_siv::{KeyInit, siv::CmacSiv};
use domain::conversation::binding::is_signed;
use domain::{Signature, VerifyKey};
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use wycheproof::TestResult;

use crate::e2ee::testing::{hex, scripted};
use crate::e2ee::{HpkeSecret, siv};

/// RFC 5297 appendix A.1: deterministic, one header.
#[test]
fn rfc_5297_a_1() {
    let key: [u8; 32] =
        hex("fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff").try_into().unwrap();
    let header = hex("101112131415161718191a1b1c1d1e1f2021222324252627");
    let plain = hex("112233445566778899aabbccddee");
    let expected = hex("85632d07c6e8f37f950acd320a2ecc9340c02b9690c4dc04daef7f6afe5c");
    assert_eq!(Aes128Siv::new(&key.into()).encrypt([&header], &plain).unwrap(), expected);
    assert_eq!(Aes128Siv::new(&key.into()).decrypt([&header], &expected).unwrap(), plain);
}

/// RFC 5297 appendix A.2: several headers, the nonce last.
#[test]
fn rfc_5297_a_2() {
    let key: [u8; 32] =
        hex("7f7e7d7c7b7a79787776757473727170404142434445464748494a4b4c4d4e4f").try_into().unwrap();
    let headers = [
        hex("00112233445566778899aabbccddeeffdeaddadadeaddadaffeeddccbbaa99887766554433221100"),
        hex("102030405060708090a0"),
        hex("09f911029d74e35bd84156c5635688c0"),
    ];
    let plain =
        hex("7468697320697320736f6d6520706c61696e7465787420746f20656e6372797074207573696e67205349562d414553");
    let expected = hex(
        "7bdb6e3b432667eb06f4d14bff2fbd0fcb900f2fddbe404326601965c889bf17dba77ceb094fa663b7a3f748ba8af829ea64ad544a272e9c485b62a3fd5c0d",
    );
    assert_eq!(Aes128Siv::new(&key.into()).encrypt(&headers, &plain).unwrap(), expected);
    assert_eq!(Aes128Siv::new(&key.into()).decrypt(&headers, &expected).unwrap(), plain);
}

/// RFC 9180 appendix A.2.1: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20Poly1305, base mode, first encryption.
#[test]
fn rfc_9180_a_2_1() {
    type Public = <X25519HkdfSha256 as Kem>::PublicKey;
    type Private = <X25519HkdfSha256 as Kem>::PrivateKey;
    let info = hex("4f6465206f6e2061204772656369616e2055726e");
    let ephemeral_ikm = hex("909a9b35d3dc4713a5e72a4da274b55d3d3821a37e5d099e74a647db583a904b");
    let public = hex("4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a");
    let private = hex("8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb");
    let encapsulated = hex("1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a");
    let plain = hex("4265617574792069732074727574682c20747275746820626561757479");
    let data = hex("436f756e742d30");
    let expected =
        hex("1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2dd1b51a28");

    let mut random = scripted(&ephemeral_ikm);
    let (sent, ciphertext) =
        hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeS::Base,
            &Public::from_bytes(&public).unwrap(),
            &info,
            &plain,
            &data,
            &mut random,
        )
        .unwrap();
    assert_eq!(sent.to_bytes().to_vec(), encapsulated);
    assert_eq!(ciphertext, expected);

    let opened = hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Base,
        &Private::from_bytes(&private).unwrap(),
        &<X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(&encapsulated).unwrap(),
        &info,
        &expected,
        &data,
    )
    .unwrap();
    assert_eq!(opened, plain);
    // Our own key type names the same public key.
    assert_eq!(HpkeSecret::from_bytes(private.try_into().unwrap()).public().as_bytes().to_vec(), public);
}

fn open_siv(key: &[u8], headers: &[&[u8]], ciphertext: &[u8]) -> Option<Vec<u8>> {
    match key.len() {
        32 => Aes128Siv::new(key.try_into().unwrap()).decrypt(headers, ciphertext).ok(),
        48 => CmacSiv::<aes::Aes192>::new(key.try_into().unwrap()).decrypt(headers, ciphertext).ok(),
        64 => siv::decrypt(key.try_into().unwrap(), headers, ciphertext).ok(),
        _ => None,
    }
}

#[test]
fn wycheproof_aes_siv_cmac() {
    use wycheproof::aead::{TestName, TestSet};
    let mut ran = 0;
    for group in TestSet::load(TestName::AesSivCmac).unwrap().test_groups {
        for test in group.tests {
            let sealed = [&test.tag[..], &test.ct[..]].concat();
            let opened = open_siv(&test.key, &[&test.aad, &test.nonce], &sealed);
            match test.result {
                TestResult::Valid => assert_eq!(opened.as_deref(), Some(&test.pt[..]), "case {}", test.tc_id),
                TestResult::Invalid => assert_eq!(opened, None, "case {}", test.tc_id),
                TestResult::Acceptable => {}
            }
            if let (64, TestResult::Valid) = (test.key.len(), test.result) {
                let key: &[u8; 64] = test.key[..].try_into().unwrap();
                assert_eq!(siv::encrypt(key, &[&test.aad, &test.nonce], &test.pt).unwrap(), sealed);
                let direct = Aes256Siv::new(key.into()).encrypt([&test.aad[..], &test.nonce[..]], &test.pt);
                assert_eq!(direct.unwrap(), sealed);
            }
            ran += 1;
        }
    }
    assert!(ran > 500, "only {ran} cases");
}

#[test]
fn wycheproof_x25519() {
    use wycheproof::xdh::{TestName, TestSet};
    let mut ran = 0;
    for group in TestSet::load(TestName::X25519).unwrap().test_groups {
        for test in group.tests {
            let (Ok(private), Ok(public)) =
                (<[u8; 32]>::try_from(&test.private_key[..]), <[u8; 32]>::try_from(&test.public_key[..]))
            else {
                assert_ne!(test.result, TestResult::Valid, "case {}", test.tc_id);
                continue;
            };
            let secret = x25519_dalek::StaticSecret::from(private);
            let shared = secret.diffie_hellman(&x25519_dalek::PublicKey::from(public));
            if !test.result.must_fail() {
                assert_eq!(shared.as_bytes()[..], test.shared_secret[..], "case {}", test.tc_id);
            }
            // HPKE refuses what contributes nothing (RFC 9180 section 7.1.4).
            if test.shared_secret.iter().all(|byte| *byte == 0) {
                assert!(!shared.was_contributory(), "case {}", test.tc_id);
            }
            ran += 1;
        }
    }
    assert!(ran > 400, "only {ran} cases");
}

#[test]
fn wycheproof_ed25519() {
    use wycheproof::eddsa::{TestName, TestSet};
    let mut ran = 0;
    for group in TestSet::load(TestName::Ed25519).unwrap().test_groups {
        let key = VerifyKey::try_from(&group.key.pk[..]).unwrap();
        for test in group.tests {
            let signed = Signature::try_from(&test.sig[..])
                .is_ok_and(|signature| is_signed(&key, &test.msg, &signature));
            match test.result {
                TestResult::Valid => assert!(signed, "case {}", test.tc_id),
                TestResult::Invalid => assert!(!signed, "case {}", test.tc_id),
                TestResult::Acceptable => {}
            }
            ran += 1;
        }
    }
    assert!(ran > 100, "only {ran} cases");
}
