//! The bytes are those of the vectors, and any other byte or place refuses to open.

use aes_siv::siv::Aes128Siv;
use domain::{Category, ConversationId, OrganizationId, Period, SubjectId};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::envelope::StreamId;
use crate::sealed::{KeyRef, SealedCell, Tenant};
use crate::vectors::{array, bytes, each, header, load, number, some_bytes, text, unhex};

const KEYS: KeyVersionNumbers = KeyVersionNumbers { tenant: 1, subject: 2, period: 3 };

fn composed() -> ComposedKey {
    ComposedKey::new(&[1; 32], &[2; 32], Some(&[3; 32]))
}

fn place() -> SealHeader {
    SealHeader {
        event_id: domain::EventId::from_bytes([4; 16]),
        event_type: "conversation.message_sent".to_owned(),
        version: 1,
        stream: StreamId::new(Category::Conversation, Uuid::from_bytes([5; 16])),
        key_ref: KeyRef {
            tenant: Tenant::Organization(OrganizationId::from_bytes([6; 16])),
            subject: SubjectId::from_bytes([7; 16]),
            period: Some(Period { conversation: ConversationId::from_bytes([5; 16]), number: 8 }),
        },
    }
}

fn sealed(plaintext: &[u8]) -> Vec<u8> {
    seal(&composed(), KEYS, &place(), 1, &[9; 16], Zeroizing::new(plaintext.to_vec())).unwrap()
}

fn open(sealed: &[u8], header: &SealHeader) -> Option<Vec<u8>> {
    Parts::parse(sealed).ok()?.open(&composed(), header).ok().map(|plain| plain.to_vec())
}

#[test]
fn the_bytes_are_those_of_the_vectors() {
    for entry in each(&load("sealed.json"), "sealed") {
        let name = text(entry, "name");
        let period = some_bytes(entry, "period_key").map(|key| <[u8; 32]>::try_from(key).unwrap());
        let key =
            ComposedKey::new(&array(entry, "tenant_key"), &array(entry, "subject_key"), period.as_ref());
        assert_eq!(key.key.to_vec(), bytes(entry, "composed_key"), "{name}");
        assert_eq!(key.commitment.to_vec(), bytes(entry, "commitment"), "{name}");
        let versions = &entry["key_versions"];
        let keys = KeyVersionNumbers {
            tenant: number(versions, "tenant"),
            subject: number(versions, "subject"),
            period: number(versions, "period"),
        };
        let (header, record_version) = (header(&entry["header"]), number(entry, "record_version"));
        let (nonce, plaintext) = (array(entry, "nonce"), bytes(entry, "plaintext"));
        let data = AssociatedData::new(&header, record_version, keys, &key.commitment, &nonce);
        let data: Vec<_> = data.headers().iter().map(|one| one.to_vec()).collect();
        let expected: Vec<_> =
            each(entry, "associated_data").iter().map(|one| unhex(one.as_str().unwrap())).collect();
        assert_eq!(data, expected, "{name}");
        let sealed =
            seal(&key, keys, &header, record_version, &nonce, Zeroizing::new(plaintext.clone())).unwrap();
        assert_eq!(sealed, bytes(entry, "sealed"), "{name}");
        let opened = Parts::parse(&sealed).unwrap().open(&key, &header).unwrap();
        assert_eq!(opened.to_vec(), plaintext, "{name}");
        let cell = SealedCell { header, sealed: sealed.into() };
        assert_eq!(cell.to_bytes(), bytes(entry, "cell"), "{name}");
        assert_eq!(SealedCell::from_bytes(&bytes(entry, "cell")), Ok(cell), "{name}");
    }
}

/// RFC 5297 appendix A.1.
#[test]
fn the_library_gives_the_deterministic_vector_of_the_rfc() {
    let key: [u8; 32] =
        unhex("fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff").try_into().unwrap();
    let header = unhex("101112131415161718191a1b1c1d1e1f2021222324252627");
    let plaintext = unhex("112233445566778899aabbccddee");
    let output = Aes128Siv::new((&key).into()).encrypt([&header], &plaintext).unwrap();
    assert_eq!(output, unhex("85632d07c6e8f37f950acd320a2ecc9340c02b9690c4dc04daef7f6afe5c"));
    assert_eq!(Aes128Siv::new((&key).into()).decrypt([&header], &output).unwrap(), plaintext);
}

/// RFC 5297 appendix A.2.
#[test]
fn the_library_gives_the_nonce_based_vector_of_the_rfc() {
    let key: [u8; 32] =
        unhex("7f7e7d7c7b7a79787776757473727170404142434445464748494a4b4c4d4e4f").try_into().unwrap();
    let headers = [
        unhex("00112233445566778899aabbccddeeffdeaddadadeaddadaffeeddccbbaa99887766554433221100"),
        unhex("102030405060708090a0"),
        unhex("09f911029d74e35bd84156c5635688c0"),
    ];
    let plaintext = unhex(
        "7468697320697320736f6d6520706c61696e7465787420746f20656e6372797074207573696e67205349562d414553",
    );
    let output = Aes128Siv::new((&key).into()).encrypt(&headers, &plaintext).unwrap();
    let expected = unhex(
        "7bdb6e3b432667eb06f4d14bff2fbd0fcb900f2fddbe404326601965c889bf17dba77ceb094fa663b7a3f748ba8af829ea64ad544a272e9c485b62a3fd5c0d",
    );
    assert_eq!(output, expected);
    assert_eq!(Aes128Siv::new((&key).into()).decrypt(&headers, &output).unwrap(), plaintext);
}

#[test]
fn no_bit_can_be_flipped() {
    let sealed = sealed(b"a record");
    for bit in 0..sealed.len() * 8 {
        let mut changed = sealed.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(open(&changed, &place()), None, "bit {bit}");
    }
}

#[test]
fn nothing_can_be_cut_off_or_added() {
    let sealed = sealed(b"a record");
    for length in 0..sealed.len() {
        assert_eq!(open(&sealed[..length], &place()), None, "{length} bytes");
    }
    assert_eq!(open(&[sealed.as_slice(), &[0]].concat(), &place()), None);
}

#[test]
fn no_key_opens_what_another_sealed() {
    let sealed = sealed(b"a record");
    let parts = Parts::parse(&sealed).unwrap();
    for other in [
        ComposedKey::new(&[0; 32], &[2; 32], Some(&[3; 32])),
        ComposedKey::new(&[1; 32], &[0; 32], Some(&[3; 32])),
        ComposedKey::new(&[1; 32], &[2; 32], Some(&[0; 32])),
        ComposedKey::new(&[1; 32], &[2; 32], None),
        ComposedKey::new(&[2; 32], &[1; 32], Some(&[3; 32])),
    ] {
        assert!(parts.open(&other, &place()).is_err());
        // Even one that passed for the right one by its commitment.
        let forged = ComposedKey { key: other.key, commitment: composed().commitment };
        assert!(parts.open(&forged, &place()).is_err());
    }
}

#[test]
fn an_absent_period_is_not_a_period_of_nothing() {
    let absent = ComposedKey::new(&[1; 32], &[2; 32], None);
    let zero = ComposedKey::new(&[1; 32], &[2; 32], Some(&[0; 32]));
    assert_ne!(absent.key, zero.key);
    assert_ne!(absent.commitment, zero.commitment);
}

fn any_header() -> impl Strategy<Value = SealHeader> {
    let period = prop::option::of((any::<[u8; 16]>(), any::<u32>()));
    let tenant = prop::option::of(any::<[u8; 16]>());
    let keys = (tenant, any::<[u8; 16]>(), period).prop_map(|(tenant, subject, period)| KeyRef {
        tenant: Tenant::from(tenant.map(OrganizationId::from_bytes)),
        subject: SubjectId::from_bytes(subject),
        period: period.map(|(conversation, number)| Period {
            conversation: ConversationId::from_bytes(conversation),
            number,
        }),
    });
    let category = prop::sample::select(Category::ALL);
    (any::<[u8; 16]>(), "[a-z._]{0,40}", any::<u16>(), category, any::<[u8; 16]>(), keys).prop_map(
        |(event_id, event_type, version, category, id, key_ref)| SealHeader {
            event_id: domain::EventId::from_bytes(event_id),
            event_type,
            version,
            stream: StreamId::new(category, Uuid::from_bytes(id)),
            key_ref,
        },
    )
}

/// The place with one thing changed.
fn neighbours(other: &SealHeader) -> Vec<SealHeader> {
    let here = place();
    let with = |change: &dyn Fn(&mut SealHeader)| {
        let mut header = here.clone();
        change(&mut header);
        header
    };
    vec![
        with(&|header| header.event_id = other.event_id),
        with(&|header| header.event_type.clone_from(&other.event_type)),
        with(&|header| header.version = other.version),
        with(&|header| header.stream.category = other.stream.category),
        with(&|header| header.stream.id = other.stream.id),
        with(&|header| header.key_ref.tenant = other.key_ref.tenant),
        with(&|header| header.key_ref.subject = other.key_ref.subject),
        with(&|header| header.key_ref.period = other.key_ref.period),
        other.clone(),
    ]
}

proptest! {
    #[test]
    fn it_opens_in_its_own_place_only(other in any_header(), content in prop::collection::vec(any::<u8>(), 0..200)) {
        let sealed = sealed(&content);
        prop_assert_eq!(open(&sealed, &place()), Some(content));
        for header in neighbours(&other).into_iter().filter(|header| *header != place()) {
            prop_assert_eq!(open(&sealed, &header), None, "{:?}", header);
        }
    }

    #[test]
    fn no_bytes_make_opening_panic(noise in prop::collection::vec(any::<u8>(), 0..300), format in 0u8..3) {
        prop_assert_eq!(open(&noise, &place()), None);
        let noise = [&[format], noise.as_slice()].concat();
        prop_assert_eq!(open(&noise, &place()), None);
    }

    #[test]
    fn cells_and_key_references_read_back(header in any_header(), sealed in prop::collection::vec(any::<u8>(), 0..100)) {
        prop_assert_eq!(KeyRef::from_bytes(&header.key_ref.to_bytes()), Some(header.key_ref));
        let cell = SealedCell { header, sealed: sealed.into() };
        prop_assert_eq!(SealedCell::from_bytes(&cell.to_bytes()), Ok(cell));
    }

    #[test]
    fn what_reads_as_a_cell_writes_the_same_bytes(noise in prop::collection::vec(any::<u8>(), 0..200), header in any_header(), at in any::<prop::sample::Index>(), with in any::<u8>()) {
        let mut changed = SealedCell { header, sealed: noise.clone().into() }.to_bytes();
        let at = at.index(changed.len());
        changed[at] = with;
        for bytes in [noise.clone(), [&[1], noise.as_slice()].concat(), changed] {
            if let Ok(cell) = SealedCell::from_bytes(&bytes) {
                prop_assert_eq!(cell.to_bytes(), bytes);
            }
        }
        if let Some(key_ref) = KeyRef::from_bytes(&noise) {
            prop_assert_eq!(key_ref.to_bytes(), noise);
        }
    }
}
