//! End-to-end encryption as a whole: what was made for one thing holds for nothing else.

use domain::conversation::binding::{ContentKind, MessageBinding, Transcript};
use domain::conversation::{Cipher, MessageBody, Suite, Wrap};
use domain::{AccountId, Blob, ConversationId, DeviceId, Digest, HpkeKey, MessageId, Nonce, OrganizationId};
use domain::{AccountRecipient, RecipientId, Signature, VerifyKey};

use super::testing::{Person, seeded};
use super::{
    AccountKeys, CertifiedRecipient, Content, DirectoryError, Disclosure, GenerationContext, GenerationKey,
    OpenError, OpenWrapError, SealError, WrapError, franking, message, padding,
};

const ORGANIZATION: OrganizationId = OrganizationId::from_bytes([0xa0; 16]);
const CONVERSATION: ConversationId = ConversationId::from_bytes([0xa1; 16]);

fn context(people: &[&Person]) -> GenerationContext {
    let transcript = Transcript {
        previous: Digest::from_bytes([0; 32]),
        generation: 1,
        organization_id: ORGANIZATION,
        conversation_id: CONVERSATION,
    };
    let roster: Vec<_> = people
        .iter()
        .map(|person| {
            (person.device.account_id(), CertifiedRecipient::from(&person.certified()).as_recipient())
        })
        .collect();
    GenerationContext {
        organization_id: ORGANIZATION,
        conversation_id: CONVERSATION,
        generation: 1,
        suite: Suite::X25519Siv,
        transcript: transcript.digest(roster.iter().map(|(account, recipient)| (*account, recipient))),
    }
}

fn binding(sender: &Person) -> MessageBinding {
    MessageBinding {
        conversation_id: CONVERSATION,
        generation: 1,
        sender_id: sender.device.account_id(),
        device_id: sender.device.device_id(),
        message_id: MessageId::from_bytes([0xb0; 16]),
        kind: ContentKind::Message,
        target: 0,
    }
}

fn key() -> GenerationKey {
    GenerationKey::generate(&mut seeded(7))
}

mod directory {
    use super::*;

    #[test]
    fn certified_keys_are_believed_and_pinned() {
        let ann = Person::new(1);
        let keys = AccountKeys::verify(&ann.claimed, Some(&ann.vault.identity.public())).unwrap();
        assert_eq!(keys.identity_key(), ann.vault.identity.public());
        assert_eq!(keys.recovery().hpke_key(), ann.vault.recovery.secret().public());
    }

    #[test]
    fn another_identity_key_than_the_known_one_is_refused() {
        let (ann, eve) = (Person::new(1), Person::new(2));
        let answer = AccountKeys::verify(&ann.claimed, Some(&eve.vault.identity.public())).map(|_| ());
        assert_eq!(answer, Err(DirectoryError::IdentityChanged(ann.device.account_id())));
    }

    #[test]
    fn every_changed_field_of_a_device_breaks_its_certificate() {
        let ann = Person::new(1);
        let other = Person::new(2).claimed.devices[0].clone();
        let changes: [fn(&mut super::super::ClaimedDevice, &super::super::ClaimedDevice); 4] = [
            |device, other| device.device_id = other.device_id,
            |device, other| device.hpke_key = other.hpke_key,
            |device, other| device.verify_key = other.verify_key,
            |device, other| device.certificate = other.certificate,
        ];
        for change in changes {
            let mut claimed = ann.claimed.clone();
            change(&mut claimed.devices[0], &other);
            let device_id = claimed.devices[0].device_id;
            let answer = AccountKeys::verify(&claimed, None).map(|_| ());
            assert_eq!(answer, Err(DirectoryError::DeviceUncertified(ann.device.account_id(), device_id)));
        }
    }

    #[test]
    fn a_revoked_device_of_an_identity_before_is_left_out() {
        let (ann, before) = (Person::new(1), Person::new(3));
        let mut claimed = ann.claimed.clone();
        let own = claimed.devices[0].device_id;
        let mut old = before.claimed.devices[0].clone();
        old.revoked = true;
        claimed.devices.push(old);
        let keys = AccountKeys::verify(&claimed, None).unwrap();
        assert!(keys.device(own).is_ok() && keys.device(before.device.device_id()).is_err());
        claimed.devices[1].revoked = false;
        assert!(AccountKeys::verify(&claimed, None).is_err());
    }

    #[test]
    fn a_changed_recovery_key_is_refused() {
        let ann = Person::new(1);
        let mut claimed = ann.claimed.clone();
        claimed.recovery_key = HpkeKey::from_bytes([9; 32]);
        let answer = AccountKeys::verify(&claimed, None).map(|_| ());
        assert_eq!(answer, Err(DirectoryError::RecoveryUncertified(ann.device.account_id())));
        let mut claimed = ann.claimed.clone();
        claimed.recovery_id = RecipientId::from_bytes([9; 16]);
        assert!(AccountKeys::verify(&claimed, None).is_err());
    }

    #[test]
    fn a_recipient_is_certified_only_with_exactly_the_accounts_keys() {
        let ann = Person::new(1);
        let keys = ann.keys();
        let good = CertifiedRecipient::from(&ann.certified()).as_recipient();
        assert_eq!(keys.recipient(&good).unwrap().as_recipient(), good);
        assert_eq!(keys.recipient(&keys.recovery().as_recipient()).unwrap(), *keys.recovery());

        let mut revoked = ann.claimed.clone();
        revoked.devices[0].revoked = true;
        let revoked = AccountKeys::verify(&revoked, None).unwrap();
        assert!(revoked.recipient(&good).is_err());
        assert!(revoked.device(ann.device.device_id()).is_ok());

        let mut swapped = good.clone();
        swapped.hpke_key = Person::new(2).device.hpke().public();
        let mut renamed = good.clone();
        renamed.recipient_id = RecipientId::from_bytes([9; 16]);
        let mut mute = good.clone();
        mute.verify_key = None;
        let mut resigned = good;
        resigned.verify_key = Some(VerifyKey::from_bytes([9; 32]));
        for told in [swapped, renamed, mute, resigned] {
            let answer = keys.recipient(&told);
            assert_eq!(
                answer,
                Err(DirectoryError::RecipientUnknown(ann.device.account_id(), told.recipient_id))
            );
        }
    }
}

mod wraps {
    use super::*;

    struct Case {
        ann: Person,
        bob: Person,
        context: GenerationContext,
        wrap: Wrap,
    }

    fn case() -> Case {
        let (ann, bob) = (Person::new(1), Person::new(2));
        let context = context(&[&ann, &bob]);
        let wrap = key().wrap(&context, &(&bob.certified()).into(), &ann.device, &mut seeded(8)).unwrap();
        Case { ann, bob, context, wrap }
    }

    fn open(case: &Case, wrap: &Wrap, context: &GenerationContext) -> Result<GenerationKey, OpenWrapError> {
        let bob = &case.bob.device;
        GenerationKey::open(wrap, context, bob.account_device().into(), bob.hpke(), &case.ann.certified())
    }

    #[test]
    fn a_wrap_opens_to_the_key_that_was_wrapped() {
        let case = case();
        let opened = open(&case, &case.wrap, &case.context).unwrap();
        let body = message::seal(
            &Content::text("hello"),
            &binding(&case.ann),
            &key(),
            &case.ann.device,
            &mut seeded(9),
        )
        .unwrap();
        assert!(message::open(&body, &binding(&case.ann), &opened, &case.ann.certified()).is_ok());
    }

    #[test]
    fn a_wrap_for_somebody_else_is_refused() {
        let case = case();
        let carol = Person::new(3);
        let answer = GenerationKey::open(
            &case.wrap,
            &case.context,
            carol.device.account_device().into(),
            carol.device.hpke(),
            &case.ann.certified(),
        );
        let expected = OpenWrapError::WrongRecipient(case.bob.device.account_device().into());
        assert_eq!(answer.map(|_| ()), Err(expected));

        let mut readdressed = case.wrap.clone();
        readdressed.account_id = carol.device.account_id();
        readdressed.recipient_id = carol.device.device_id().into();
        let answer = GenerationKey::open(
            &readdressed,
            &case.context,
            carol.device.account_device().into(),
            carol.device.hpke(),
            &case.ann.certified(),
        );
        assert_eq!(answer.map(|_| ()), Err(OpenWrapError::SignatureInvalid));
    }

    #[test]
    fn a_wrap_for_another_accounts_recipient_of_the_same_id_is_refused() {
        let case = case();
        // Eve names a device as Bob does, under her own account.
        let eve = Person::new(4).device.account_id();
        let name = AccountRecipient::new(eve, case.wrap.recipient_id);
        let secret = case.bob.device.hpke();
        let open =
            |wrap: &Wrap| GenerationKey::open(wrap, &case.context, name, secret, &case.ann.certified());
        let expected = OpenWrapError::WrongRecipient(case.wrap.recipient());
        assert_eq!(open(&case.wrap).map(|_| ()), Err(expected));
        let readdressed = Wrap { account_id: eve, ..case.wrap.clone() };
        assert_eq!(open(&readdressed).map(|_| ()), Err(OpenWrapError::SignatureInvalid));
    }

    #[test]
    fn every_changed_part_of_wrap_or_context_breaks_the_signature() {
        let case = case();
        let mut wraps = vec![case.wrap.clone(); 3];
        wraps[0].encapsulated_key = HpkeKey::from_bytes([9; 32]);
        wraps[1].ciphertext = Blob::new(vec![9; 80]);
        wraps[2].signature = Signature::from_bytes([9; 64]);
        for wrap in &wraps {
            let answer = open(&case, wrap, &case.context).map(|_| ());
            assert_eq!(answer, Err(OpenWrapError::SignatureInvalid));
        }
        let mut contexts = [case.context; 4];
        contexts[0].organization_id = OrganizationId::from_bytes([9; 16]);
        contexts[1].conversation_id = ConversationId::from_bytes([9; 16]);
        contexts[2].generation = 2;
        contexts[3].transcript = Digest::from_bytes([9; 32]);
        for context in &contexts {
            let answer = open(&case, &case.wrap, context).map(|_| ());
            assert_eq!(answer, Err(OpenWrapError::SignatureInvalid));
        }
    }

    #[test]
    fn a_wrap_said_to_be_of_another_device_is_refused() {
        let case = case();
        let eve = Person::new(4);
        let bob = &case.bob.device;
        let answer = GenerationKey::open(
            &case.wrap,
            &case.context,
            bob.account_device().into(),
            bob.hpke(),
            &eve.certified(),
        );
        assert_eq!(answer.map(|_| ()), Err(OpenWrapError::SignatureInvalid));
    }

    #[test]
    fn a_signed_wrap_that_does_not_open_is_told_apart() {
        let case = case();
        let answer = GenerationKey::open(
            &case.wrap,
            &case.context,
            case.bob.device.account_device().into(),
            Person::new(5).device.hpke(),
            &case.ann.certified(),
        );
        assert_eq!(answer.map(|_| ()), Err(OpenWrapError::Undecryptable));
    }

    #[test]
    fn the_recovery_key_opens_its_wrap() {
        let case = case();
        let recovery = &case.bob.vault.recovery;
        let wrap =
            key().wrap(&case.context, case.bob.keys().recovery(), &case.ann.device, &mut seeded(8)).unwrap();
        let name = AccountRecipient::new(case.bob.device.account_id(), recovery.recipient_id());
        let secret = recovery.secret();
        assert!(GenerationKey::open(&wrap, &case.context, name, secret, &case.ann.certified()).is_ok());
    }

    #[test]
    fn nothing_is_wrapped_for_a_key_of_small_order() {
        let mut weak = Person::new(6);
        weak.claimed.recovery_key = HpkeKey::from_bytes([0; 32]);
        let id = weak.claimed.recovery_id;
        let account = weak.device.account_id();
        let signed =
            domain::device::certificate::recovery_certificate(account, id, &weak.claimed.recovery_key);
        weak.claimed.recovery_certificate = weak.vault.identity.sign(&signed);
        let case = case();
        let answer = key().wrap(&case.context, weak.keys().recovery(), &case.ann.device, &mut seeded(8));
        assert_eq!(answer.map(|_| ()), Err(WrapError::Key(AccountRecipient::new(account, id))));
    }
}

mod messages {
    use super::*;

    fn sealed(ann: &Person) -> MessageBody {
        message::seal(&Content::text("hello"), &binding(ann), &key(), &ann.device, &mut seeded(9)).unwrap()
    }

    fn cipher(body: &mut MessageBody) -> &mut Cipher {
        body.cipher.as_mut().unwrap()
    }

    #[test]
    fn a_message_opens_to_what_was_written() {
        let ann = Person::new(1);
        let body = sealed(&ann);
        assert!(padding::is_bucket(body.content.len()));
        let opened = message::open(&body, &binding(&ann), &key(), &ann.certified()).unwrap();
        assert_eq!(opened.content, Content::text("hello"));
    }

    #[test]
    fn every_changed_part_of_a_message_breaks_the_signature() {
        let ann = Person::new(1);
        let mut bodies = vec![sealed(&ann); 4];
        bodies[0].content = Blob::new(vec![9; 128]);
        cipher(&mut bodies[1]).nonce = Nonce::from_bytes([9; 16]);
        cipher(&mut bodies[2]).commitment = Digest::from_bytes([9; 32]);
        cipher(&mut bodies[3]).signature = Signature::from_bytes([9; 64]);
        for body in &bodies {
            let answer = message::open(body, &binding(&ann), &key(), &ann.certified()).map(|_| ());
            assert_eq!(answer, Err(OpenError::SignatureInvalid));
        }
    }

    #[test]
    fn a_message_holds_for_no_other_place() {
        let ann = Person::new(1);
        let body = sealed(&ann);
        let mut bindings = [binding(&ann); 6];
        bindings[0].conversation_id = ConversationId::from_bytes([9; 16]);
        bindings[1].generation = 2;
        bindings[2].message_id = MessageId::from_bytes([9; 16]);
        bindings[3].kind = ContentKind::Edit;
        bindings[4].kind = ContentKind::Reaction;
        bindings[5].target = 1;
        for binding in &bindings {
            let answer = message::open(&body, binding, &key(), &ann.certified()).map(|_| ());
            assert_eq!(answer, Err(OpenError::SignatureInvalid));
        }
    }

    #[test]
    fn a_message_is_its_senders_only() {
        let (ann, bob) = (Person::new(1), Person::new(2));
        let body = sealed(&ann);
        let answer = message::open(&body, &binding(&bob), &key(), &bob.certified()).map(|_| ());
        assert_eq!(answer, Err(OpenError::SignatureInvalid));
        let answer = message::open(&body, &binding(&ann), &key(), &bob.certified()).map(|_| ());
        assert_eq!(answer, Err(OpenError::SenderMismatch));
        let answer = message::seal(&Content::text("x"), &binding(&bob), &key(), &ann.device, &mut seeded(9));
        assert_eq!(answer, Err(SealError::SenderMismatch));
        let mut binding = binding(&ann);
        binding.sender_id = AccountId::from_bytes([9; 16]);
        binding.device_id = DeviceId::from_bytes([9; 16]);
        let answer = message::open(&body, &binding, &key(), &ann.certified()).map(|_| ());
        assert_eq!(answer, Err(OpenError::SenderMismatch));
    }

    #[test]
    fn another_generations_key_does_not_open_it() {
        let ann = Person::new(1);
        let other = GenerationKey::generate(&mut seeded(70));
        let answer = message::open(&sealed(&ann), &binding(&ann), &other, &ann.certified()).map(|_| ());
        assert_eq!(answer, Err(OpenError::Undecryptable));
    }

    #[test]
    fn a_signed_commitment_to_something_else_is_refused() {
        let ann = Person::new(1);
        let mut body = sealed(&ann);
        let nonce = cipher(&mut body).nonce;
        let commitment = Digest::from_bytes([9; 32]);
        let input = binding(&ann).signature_input(&nonce, &commitment, body.content.as_slice());
        *cipher(&mut body) = Cipher { nonce, commitment, signature: ann.device.sign(&input) };
        let answer = message::open(&body, &binding(&ann), &key(), &ann.certified()).map(|_| ());
        assert_eq!(answer, Err(OpenError::CommitmentMismatch));
    }

    #[test]
    fn malformed_padding_and_content_are_told_apart() {
        let ann = Person::new(1);
        let open = |padded: &[u8]| {
            let body = message::seal_padded(padded, &binding(&ann), &key(), &ann.device, [3; 16]).unwrap();
            message::open(&body, &binding(&ann), &key(), &ann.certified()).map(|_| ())
        };
        assert_eq!(open(&[0; 112]), Err(OpenError::PaddingInvalid));
        assert_eq!(open(b"{}\x80"), Err(OpenError::PaddingInvalid));
        assert_eq!(open(&padding::pad(b"not json".to_vec()).unwrap()), Err(OpenError::ContentMalformed));
    }

    #[test]
    fn a_message_in_clear_never_passes_for_an_encrypted_one() {
        let ann = Person::new(1);
        let mut body = sealed(&ann);
        body.cipher = None;
        let answer = message::open(&body, &binding(&ann), &key(), &ann.certified()).map(|_| ());
        assert_eq!(answer, Err(OpenError::NotEncrypted));
    }

    #[test]
    fn too_long_or_unknown_content_is_not_sent() {
        let ann = Person::new(1);
        let seal = |content| message::seal(&content, &binding(&ann), &key(), &ann.device, &mut seeded(9));
        assert_eq!(seal(Content::text("x".repeat(70_000))), Err(SealError::TooLong));
        assert_eq!(seal(Content::Unsupported), Err(SealError::Unsupported));
    }

    #[test]
    fn a_reaction_fits_into_what_the_server_takes() {
        let ann = Person::new(1);
        let family = Content::reaction("\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}\u{200d}\u{1f466}");
        let body = message::seal(&family, &binding(&ann), &key(), &ann.device, &mut seeded(9)).unwrap();
        assert!(body.content.len() <= domain::limits::REACTION_CIPHERTEXT_BYTES_MAX);
    }

    #[test]
    fn a_report_proves_what_was_said_and_nothing_else() {
        let ann = Person::new(1);
        let mut body = sealed(&ann);
        let commitment = cipher(&mut body).commitment;
        let data = binding(&ann).associated_data();
        let report = message::open(&body, &binding(&ann), &key(), &ann.certified()).unwrap().disclosure;
        let said = report.verify(&data, &commitment).and_then(Content::decode);
        assert_eq!(said, Some(Content::text("hello")));

        let mut invented = report.clone();
        invented.padded = padding::pad(Content::text("bye").encode().unwrap()).unwrap().into();
        assert_eq!(invented.verify(&data, &commitment), None);
        let other_key = franking::FrankingKey::from_bytes([9; 32]);
        let forged = Disclosure { key: other_key, padded: report.padded.clone() };
        assert_eq!(forged.verify(&data, &commitment), None);
        assert_eq!(report.verify(b"elsewhere", &commitment), None);
    }
}
