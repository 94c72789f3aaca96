//! Our own vectors, `api/client/vectors/envelope.json`: everything that another implementation has to get right.
//!
//! All byte strings are hexadecimal. `ENVOI_WRITE_VECTORS=1 cargo test -p envoi-client vectors` writes the file anew from
//! [`generate`]; without the variable the test compares. The file is also run by itself, from its text alone.

use std::path::PathBuf;

use domain::conversation::binding::{ContentKind, MessageBinding, Transcript, WrapBinding};
use domain::conversation::{Cipher, MessageBody, Suite, Wrap};
use domain::device::certificate;
use domain::{
    AccountId, AccountRecipient, Blob, ConversationId, DeviceId, Digest, HpkeKey, MessageId, Nonce,
    OrganizationId,
};
use domain::{Signature, VerifyKey};
use serde_json::{Value, json};

use crate::e2ee::testing::{CHEAP, Person, hex, scripted, seeded, to_hex};
use crate::e2ee::{
    Content, Disclosure, FrankingKey, GenerationContext, GenerationKey, HpkeSecret, PassphraseKey,
    SafetyNumber, Vault, message, padding,
};

const ORGANIZATION: OrganizationId = OrganizationId::from_bytes([0xa0; 16]);
const CONVERSATION: ConversationId = ConversationId::from_bytes([0xa1; 16]);
const EPHEMERAL_IKM: [u8; 32] = [0xe1; 32];
const PASSPHRASE: &str = "correct horse battery stapl\u{e9}";

fn person(person: &Person) -> Value {
    let claimed = &person.claimed;
    let device = &claimed.devices[0];
    let account = claimed.account_id;
    let device_bytes =
        certificate::device_certificate(account, device.device_id, &device.hpke_key, &device.verify_key);
    let recovery_bytes =
        certificate::recovery_certificate(account, claimed.recovery_id, &claimed.recovery_key);
    json!({
        "account_id": to_hex(account.as_bytes()),
        "identity_seed": to_hex(person.vault.identity.seed()),
        "identity_key": to_hex(claimed.identity_key.as_bytes()),
        "device_id": to_hex(device.device_id.as_bytes()),
        "device_hpke_secret": to_hex(person.device.hpke().as_bytes()),
        "device_hpke_key": to_hex(device.hpke_key.as_bytes()),
        "device_signing_seed": to_hex(person.device.signing_seed()),
        "device_verify_key": to_hex(device.verify_key.as_bytes()),
        "device_certificate_signed_bytes": to_hex(&device_bytes),
        "device_certificate": to_hex(device.certificate.as_bytes()),
        "recovery_id": to_hex(claimed.recovery_id.as_bytes()),
        "recovery_secret": to_hex(person.vault.recovery.secret().as_bytes()),
        "recovery_key": to_hex(claimed.recovery_key.as_bytes()),
        "recovery_certificate_signed_bytes": to_hex(&recovery_bytes),
        "recovery_certificate": to_hex(claimed.recovery_certificate.as_bytes()),
    })
}

fn context(ann: &Person, bob: &Person) -> GenerationContext {
    let roster: Vec<_> = [ann, bob]
        .iter()
        .flat_map(|person| {
            let keys = person.keys();
            let account = keys.account_id();
            let device = keys.recipient(&person_device(person)).unwrap();
            [(account, device.as_recipient()), (account, keys.recovery().as_recipient())]
        })
        .collect();
    let transcript = Transcript {
        previous: Digest::from_bytes([0; 32]),
        generation: 1,
        organization_id: ORGANIZATION,
        conversation_id: CONVERSATION,
    };
    GenerationContext {
        organization_id: ORGANIZATION,
        conversation_id: CONVERSATION,
        generation: 1,
        suite: Suite::X25519Siv,
        transcript: transcript.digest(roster.iter().map(|(account, recipient)| (*account, recipient))),
    }
}

fn person_device(person: &Person) -> domain::conversation::Recipient {
    crate::e2ee::CertifiedRecipient::from(&person.certified()).as_recipient()
}

fn wrap(ann: &Person, bob: &Person, key: &GenerationKey, key_bytes: &[u8]) -> Value {
    let context = context(ann, bob);
    let wrap =
        key.wrap(&context, &(&bob.certified()).into(), &ann.device, &mut scripted(&EPHEMERAL_IKM)).unwrap();
    let binding = WrapBinding {
        organization_id: ORGANIZATION,
        conversation_id: CONVERSATION,
        generation: 1,
        suite: Suite::X25519Siv,
        recipient: bob.device.account_device().into(),
        device: ann.device.account_device(),
        transcript: context.transcript,
    };
    json!({
        "about": "ann's device wraps generation 1 for bob's device; members' devices and recovery keys are the roster",
        "organization_id": to_hex(ORGANIZATION.as_bytes()),
        "conversation_id": to_hex(CONVERSATION.as_bytes()),
        "generation": 1,
        "suite": Suite::X25519Siv.code(),
        "transcript": to_hex(context.transcript.as_bytes()),
        "generation_key": to_hex(key_bytes),
        "ephemeral_ikm": to_hex(&EPHEMERAL_IKM),
        "info": to_hex(&binding.info()),
        "signed_bytes": to_hex(&binding.signature_input(&wrap.encapsulated_key, wrap.ciphertext.as_slice())),
        "encapsulated_key": to_hex(wrap.encapsulated_key.as_bytes()),
        "ciphertext": to_hex(wrap.ciphertext.as_slice()),
        "signature": to_hex(wrap.signature.as_bytes()),
    })
}

fn sealed(ann: &Person, key: &GenerationKey, kind: ContentKind, target: u64, content: &Content) -> Value {
    let binding = MessageBinding {
        conversation_id: CONVERSATION,
        generation: 1,
        sender_id: ann.device.account_id(),
        device_id: ann.device.device_id(),
        message_id: MessageId::from_bytes([0xb0 + kind.code(); 16]),
        kind,
        target,
    };
    let nonce = [0xc0 + kind.code(); 16];
    let encoded = content.encode().unwrap();
    let padded = padding::pad(encoded.clone()).unwrap();
    let body = message::seal_padded(&padded, &binding, key, &ann.device, nonce).unwrap();
    let cipher = body.cipher.as_ref().unwrap();
    let opened = message::open(&body, &binding, key, &ann.certified()).unwrap();
    let ciphertext = body.content.as_slice();
    json!({
        "message_id": to_hex(binding.message_id.as_bytes()),
        "kind": kind.code(),
        "target": target,
        "content": String::from_utf8(encoded).unwrap(),
        "padded": to_hex(&padded),
        "sender_key": to_hex(key.sender_key(binding.sender_id, binding.device_id).as_bytes()),
        "nonce": to_hex(&nonce),
        "associated_data": to_hex(&binding.associated_data()),
        "ciphertext": to_hex(ciphertext),
        "franking_key": to_hex(opened.disclosure.key.as_bytes()),
        "commitment": to_hex(cipher.commitment.as_bytes()),
        "signed_bytes": to_hex(&binding.signature_input(&cipher.nonce, &cipher.commitment, ciphertext)),
        "signature": to_hex(cipher.signature.as_bytes()),
    })
}

fn vault(ann: &Person) -> Value {
    let mut random = seeded(30);
    let key = PassphraseKey::new(PASSPHRASE, CHEAP, &mut random).unwrap();
    let sealed = ann.vault.seal(ann.device.account_id(), &key, &mut random).unwrap();
    json!({ "about": "ann's vault", "passphrase": PASSPHRASE, "sealed": to_hex(&sealed) })
}

fn generate() -> Value {
    let (ann, bob) = (Person::new(1), Person::new(2));
    let key_bytes: [u8; 64] = std::array::from_fn(|at| u8::try_from(at).unwrap());
    let key = GenerationKey::from_bytes(key_bytes);
    let claimed = [&ann, &bob].map(|person| (person.claimed.account_id, person.claimed.identity_key));
    let number = SafetyNumber::between((claimed[0].0, &claimed[0].1), (claimed[1].0, &claimed[1].1));
    json!({
        "about": "Envoi end-to-end envelopes, version 1. Byte strings are hexadecimal; formats: docs of envoi_client::e2ee.",
        "ann": person(&ann),
        "bob": person(&bob),
        "safety_number": number.to_string(),
        "wrap": wrap(&ann, &bob, &key, &key_bytes),
        "messages": [
            sealed(&ann, &key, ContentKind::Message, 0, &Content::text("Bonjour, \u{4f60}\u{597d}!")),
            sealed(&ann, &key, ContentKind::Edit, 1, &Content::text("x".repeat(200))),
            sealed(&ann, &key, ContentKind::Reaction, 1, &Content::reaction("\u{1f44d}")),
        ],
        "vault": vault(&ann),
    })
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors/envelope.json")
}

#[test]
fn the_committed_vectors_are_what_this_code_makes() {
    let mut text = serde_json::to_string_pretty(&generate()).unwrap();
    text.push('\n');
    if std::env::var_os("ENVOI_WRITE_VECTORS").is_some() {
        std::fs::write(path(), &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path()).unwrap(), text);
}

fn bytes(value: &Value, name: &str) -> Vec<u8> {
    hex(value[name].as_str().unwrap_or_else(|| panic!("{name} is missing")))
}

fn array<const N: usize>(value: &Value, name: &str) -> [u8; N] {
    bytes(value, name).try_into().unwrap()
}

fn certified(person: &Value) -> crate::e2ee::AccountKeys {
    let claimed = crate::e2ee::ClaimedKeys {
        account_id: AccountId::from_bytes(array(person, "account_id")),
        identity_key: VerifyKey::from_bytes(array(person, "identity_key")),
        recovery_id: domain::RecipientId::from_bytes(array(person, "recovery_id")),
        recovery_key: HpkeKey::from_bytes(array(person, "recovery_key")),
        recovery_certificate: Signature::from_bytes(array(person, "recovery_certificate")),
        devices: vec![crate::e2ee::ClaimedDevice {
            device_id: DeviceId::from_bytes(array(person, "device_id")),
            hpke_key: HpkeKey::from_bytes(array(person, "device_hpke_key")),
            verify_key: VerifyKey::from_bytes(array(person, "device_verify_key")),
            certificate: Signature::from_bytes(array(person, "device_certificate")),
            revoked: false,
        }],
    };
    crate::e2ee::AccountKeys::verify(&claimed, None).unwrap()
}

#[test]
fn the_vectors_run_from_their_text_alone() {
    let vectors: Value = serde_json::from_str(&std::fs::read_to_string(path()).unwrap()).unwrap();
    let (ann, bob) = (certified(&vectors["ann"]), certified(&vectors["bob"]));
    let number = SafetyNumber::between(
        (ann.account_id(), &ann.identity_key()),
        (bob.account_id(), &bob.identity_key()),
    );
    assert_eq!(number.to_string(), vectors["safety_number"].as_str().unwrap());

    let told = &vectors["wrap"];
    let context = GenerationContext {
        organization_id: OrganizationId::from_bytes(array(told, "organization_id")),
        conversation_id: ConversationId::from_bytes(array(told, "conversation_id")),
        generation: u32::try_from(told["generation"].as_u64().unwrap()).unwrap(),
        suite: Suite::from_code(u8::try_from(told["suite"].as_u64().unwrap()).unwrap()).unwrap(),
        transcript: Digest::from_bytes(array(told, "transcript")),
    };
    let bob_device = DeviceId::from_bytes(array(&vectors["bob"], "device_id"));
    let recipient = AccountRecipient::new(bob.account_id(), bob_device.into());
    let wrap = Wrap {
        account_id: recipient.account_id,
        recipient_id: recipient.recipient_id,
        encapsulated_key: HpkeKey::from_bytes(array(told, "encapsulated_key")),
        ciphertext: Blob::new(bytes(told, "ciphertext")),
        signature: Signature::from_bytes(array(told, "signature")),
    };
    let secret = HpkeSecret::from_bytes(array(&vectors["bob"], "device_hpke_secret"));
    let sender = *ann.device(DeviceId::from_bytes(array(&vectors["ann"], "device_id"))).unwrap();
    let key = GenerationKey::open(&wrap, &context, recipient, &secret, &sender).unwrap();

    for told in vectors["messages"].as_array().unwrap() {
        let binding = MessageBinding {
            conversation_id: context.conversation_id,
            generation: context.generation,
            sender_id: ann.account_id(),
            device_id: sender.device_id(),
            message_id: MessageId::from_bytes(array(told, "message_id")),
            kind: ContentKind::from_code(u8::try_from(told["kind"].as_u64().unwrap()).unwrap()).unwrap(),
            target: told["target"].as_u64().unwrap(),
        };
        let commitment = Digest::from_bytes(array(told, "commitment"));
        let body = MessageBody {
            content: Blob::new(bytes(told, "ciphertext")),
            cipher: Some(Cipher {
                nonce: Nonce::from_bytes(array(told, "nonce")),
                commitment,
                signature: Signature::from_bytes(array(told, "signature")),
            }),
        };
        let opened = message::open(&body, &binding, &key, &sender).unwrap();
        let expected = Content::decode(told["content"].as_str().unwrap().as_bytes());
        assert_eq!(Some(opened.content), expected);
        let key = FrankingKey::from_bytes(array(told, "franking_key"));
        let report = Disclosure { key, padded: bytes(told, "padded").into() };
        assert!(report.verify(&bytes(told, "associated_data"), &commitment).is_some());
    }

    let told = &vectors["vault"];
    let vault =
        Vault::open(ann.account_id(), told["passphrase"].as_str().unwrap(), &bytes(told, "sealed")).unwrap();
    assert_eq!(vault.identity.public(), ann.identity_key());
}
