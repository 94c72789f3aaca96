//! Given keys on record, when nodes use, lose or destroy them, then.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use domain::{OrganizationId, SubjectId, Timestamp};
use tokio::sync::Semaphore;

use super::memory::MemoryKeys;
use super::root::RootKey;
use super::store::{KeyStore, RootRow, ShardRow};
use super::*;
use crate::Position;
use crate::database::Role;
use crate::sealed::Tenant;
use crate::testing::TestDatabase;
use crate::vectors::{array, bytes, each, load, number, text};

const DESTRUCTION: Destruction =
    Destruction { position: Position::new(9), at: Timestamp::from_micros(1_000) };

fn subject(number: u8) -> KeyName {
    KeyName::Subject(SubjectId::from_bytes([number; 16]))
}

fn root() -> Arc<RootKey> {
    Arc::new(RootKey::new(Zeroizing::new([7; 64])))
}

async fn node(database: &TestDatabase) -> Keyring {
    Keyring::open(database.pool(Role::App), root()).await.unwrap()
}

async fn key(keyring: &Keyring, name: KeyName) -> [u8; 32] {
    **keyring.usable(&[name]).await.unwrap()[0].active(name).unwrap().1
}

async fn opening(keyring: &Keyring, name: KeyName) -> Result<Option<[u8; 32]>, KeyError> {
    let entries = keyring.versions(&[name]).await?;
    Ok(entries[0].opening(name, 1)?.map(|key| **key))
}

#[tokio::test]
async fn a_key_is_made_once_and_the_same_for_every_node() {
    let database = TestDatabase::create().await;
    let (one, two) = (node(&database).await, node(&database).await);
    let secret = one.named_secret(Secret::EmailIndex).await.unwrap();
    assert_eq!(two.named_secret(Secret::EmailIndex).await.unwrap(), secret);
    assert_eq!(node(&database).await.named_secret(Secret::EmailIndex).await.unwrap(), secret);
    assert_ne!(one.named_secret(Secret::PhoneIndex).await.unwrap(), secret);
    let index = one.blind_index(Secret::EmailIndex, b"ada@example.org").await.unwrap();
    assert_eq!(two.blind_index(Secret::EmailIndex, b"ada@example.org").await.unwrap(), index);
    assert_ne!(two.blind_index(Secret::PhoneIndex, b"ada@example.org").await.unwrap(), index);
}

#[tokio::test]
async fn nodes_that_start_and_make_keys_at_once_agree() {
    let database = TestDatabase::create().await;
    let names: Vec<_> = (0..20).map(subject).chain([KeyName::Tenant(Tenant::Platform)]).collect();
    let mut nodes = Vec::new();
    for number in 0..6 {
        let (pool, mut names) = (database.pool(Role::App), names.clone());
        names.rotate_left(number * 3);
        nodes.push(tokio::spawn(async move {
            let keyring = Keyring::open(pool, root()).await.unwrap();
            let entries = keyring.usable(&names).await.unwrap();
            let keys =
                names.iter().zip(&entries).map(|(name, entry)| (*name, **entry.active(*name).unwrap().1));
            keys.collect::<std::collections::BTreeMap<_, _>>()
        }));
    }
    let mut answers = Vec::new();
    for node in nodes {
        answers.push(node.await.unwrap());
    }
    assert!(answers.iter().all(|answer| *answer == answers[0] && answer.len() == names.len()));
    let count = "SELECT (SELECT count(*) FROM keyring.keys), (SELECT count(*) FROM keyring.shards), (SELECT count(*) FROM keyring.roots)";
    let row = database.client().await.query_one(count, &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1), row.get::<_, i64>(2)), (21, 256, 1));
}

#[tokio::test]
async fn a_key_removed_by_hand_is_unknown_and_not_destroyed() {
    let database = TestDatabase::create().await;
    key(&node(&database).await, subject(1)).await;
    let removed = database.client().await.execute("DELETE FROM keyring.keys", &[]).await.unwrap();
    assert_eq!(removed, 1);
    let refused = opening(&node(&database).await, subject(1)).await;
    assert!(matches!(refused, Err(KeyError::Unknown { key, version: 1 }) if key == subject(1)));
}

#[tokio::test]
async fn a_destroyed_key_is_on_record_and_never_comes_back() {
    let database = TestDatabase::create().await;
    let (here, there) = (node(&database).await, node(&database).await);
    let before = key(&there, subject(1)).await;
    assert_eq!(key(&here, subject(1)).await, before);
    here.destroy(subject(1), DESTRUCTION).await.unwrap();
    // At once here; where it is cached, as soon as that node is told.
    assert_eq!(opening(&here, subject(1)).await.unwrap(), None);
    assert_eq!(opening(&there, subject(1)).await.unwrap(), Some(before));
    there.invalidate(subject(1));
    assert_eq!(opening(&there, subject(1)).await.unwrap(), None);
    let entries = there.usable(&[subject(1)]).await.unwrap();
    assert!(matches!(entries[0].active(subject(1)), Err(KeyError::Destroyed { .. })));
    // Repeated, it keeps the record of the first time.
    let later = Destruction { position: Position::new(99), at: Timestamp::from_micros(99) };
    here.destroy(subject(1), later).await.unwrap();
    let stored = "SELECT state, wrapped, destroyed_position, destroyed_at FROM keyring.keys";
    let row = database.client().await.query_one(stored, &[]).await.unwrap();
    assert_eq!(row.get::<_, i16>(0), 4);
    assert_eq!(row.get::<_, Option<Vec<u8>>>(1), None);
    assert_eq!((row.get::<_, i64>(2), row.get::<_, i64>(3)), (9, 1_000));
}

#[tokio::test]
async fn a_key_destroyed_before_its_first_use_is_never_made() {
    let database = TestDatabase::create().await;
    let keyring = node(&database).await;
    keyring.destroy(subject(1), DESTRUCTION).await.unwrap();
    let entries = keyring.usable(&[subject(1)]).await.unwrap();
    assert!(matches!(entries[0].active(subject(1)), Err(KeyError::Destroyed { .. })));
    assert_eq!(opening(&keyring, subject(1)).await.unwrap(), None);
}

#[tokio::test]
async fn another_root_key_is_noticed_at_open_and_changes_nothing() {
    let database = TestDatabase::create().await;
    let before = key(&node(&database).await, subject(1)).await;
    let wrong = Arc::new(RootKey::new(Zeroizing::new([8; 64])));
    let refused = Keyring::open(database.pool(Role::App), wrong.clone()).await.unwrap_err();
    assert!(
        matches!(refused, OpenKeyringError::WrongRoot { expected, found } if expected == root().id() && found == wrong.id())
    );
    assert!(refused.to_string().contains("restore the right root key"));
    assert_eq!(key(&node(&database).await, subject(1)).await, before);
}

#[tokio::test]
async fn what_was_changed_or_moved_in_the_store_does_not_unwrap() {
    let database = TestDatabase::create().await;
    let keyring = node(&database).await;
    key(&keyring, subject(1)).await;
    let other = (2..=u8::MAX).map(subject).find(|name| name.shard() == subject(1).shard()).unwrap();
    let copy = "INSERT INTO keyring.keys (kind, id, version, state, shard, shard_version, wrapped)
        SELECT kind, $1, version, state, shard, shard_version, wrapped FROM keyring.keys";
    let client = database.client().await;
    client.execute(copy, &[&other.id()]).await.unwrap();
    assert!(matches!(opening(&keyring, other).await, Err(KeyError::Corrupt { key }) if key == other));
    let flip = "UPDATE keyring.keys SET wrapped = set_byte(wrapped, 20, get_byte(wrapped, 20) # 1)";
    client.execute(flip, &[]).await.unwrap();
    assert!(matches!(opening(&node(&database).await, subject(1)).await, Err(KeyError::Corrupt { .. })));
    let flip = "UPDATE keyring.shards SET wrapped = set_byte(wrapped, 20, get_byte(wrapped, 20) # 1)";
    client.execute(flip, &[]).await.unwrap();
    let refused = Keyring::open(database.pool(Role::App), root()).await.unwrap_err();
    assert!(matches!(refused, OpenKeyringError::Root(RootError::Refused(_))));
}

#[tokio::test]
async fn the_store_holds_no_key_in_clear_and_only_the_write_side_reads_it() {
    let database = TestDatabase::create().await;
    let secret = key(&node(&database).await, subject(1)).await;
    let all = "SELECT wrapped FROM keyring.keys UNION ALL SELECT wrapped FROM keyring.shards";
    for row in database.client().await.query(all, &[]).await.unwrap() {
        let wrapped: Vec<u8> = row.get(0);
        assert!(!wrapped.windows(16).any(|window| secret.starts_with(window)));
    }
    for role in [Role::Projector, Role::Reader] {
        let client = database.pool(role).get().await.unwrap();
        for table in ["roots", "shards", "keys"] {
            assert!(
                client.query(&format!("SELECT * FROM keyring.{table}"), &[]).await.is_err(),
                "{role} {table}"
            );
        }
    }
    let client = database.pool(Role::App).get().await.unwrap();
    for table in ["roots", "shards", "keys"] {
        assert!(client.execute(&format!("DELETE FROM keyring.{table}"), &[]).await.is_err(), "{table}");
    }
}

#[tokio::test]
async fn new_keys_follow_a_rotation_of_their_shard_by_another_node() {
    let database = TestDatabase::create().await;
    let keyring = node(&database).await;
    let before = key(&keyring, subject(1)).await;
    let shard = subject(1).shard();
    let same = (2..=u8::MAX).map(subject).find(|name| name.shard() == shard).unwrap();
    let fresh = entropy::random::<64>().unwrap();
    let wrapped = root().wrap_key(&wrap::shard_context(shard, 2), &fresh).await.unwrap();
    let client = database.client().await;
    let retire = "UPDATE keyring.shards SET state = 2 WHERE shard = $1";
    client.execute(retire, &[&i16::from(shard)]).await.unwrap();
    let rotate =
        "INSERT INTO keyring.shards (shard, version, root_version, state, wrapped) VALUES ($1, 2, 1, 1, $2)";
    client.execute(rotate, &[&i16::from(shard), &wrapped]).await.unwrap();
    let made = key(&keyring, same).await;
    let version = "SELECT shard_version FROM keyring.keys WHERE id = $1";
    assert_eq!(client.query_one(version, &[&same.id()]).await.unwrap().get::<_, i64>(0), 2);
    // A node that knew neither reads both.
    assert_eq!(key(&node(&database).await, same).await, made);
    assert_eq!(key(&node(&database).await, subject(1)).await, before);
}

#[tokio::test]
async fn a_store_out_of_reach_is_told_from_a_key_that_is_not_there() {
    let database = TestDatabase::create().await;
    let keyring = node(&database).await;
    let gone = {
        let mut config = database.config();
        config.dbname("no_such_database");
        crate::database::pool(&config, Role::App, 1).unwrap()
    };
    assert!(matches!(
        Keyring::open(gone.clone(), root()).await,
        Err(OpenKeyringError::Store(StoreError::Unavailable { .. }))
    ));
    let store: Arc<dyn KeyStore> = Arc::new(postgres::PostgresKeys::new(gone).unwrap());
    let keyring = Keyring { store, ..keyring };
    assert!(matches!(opening(&keyring, subject(1)).await, Err(KeyError::Unavailable(_))));
    assert!(matches!(keyring.usable(&[subject(1)]).await, Err(KeyError::Unavailable(_))));
}

/// A store that counts what it is asked, and lets its answers out one permit each.
struct Gated {
    inner: MemoryKeys,
    fetches: AtomicUsize,
    answers: Semaphore,
}

#[async_trait]
impl KeyStore for Gated {
    async fn answers(&self) -> Result<(), StoreError> {
        self.inner.answers().await
    }

    async fn counts(&self) -> Result<Vec<KeyCount>, StoreError> {
        self.inner.counts().await
    }

    async fn root(&self) -> Result<Option<RootRow>, StoreError> {
        self.inner.root().await
    }

    async fn initialise(&self, root: &RootRow, shards: &[ShardRow]) -> Result<(), StoreError> {
        self.inner.initialise(root, shards).await
    }

    async fn shards(&self) -> Result<Vec<ShardRow>, StoreError> {
        self.inner.shards().await
    }

    async fn fetch(&self, names: &[KeyName]) -> Result<Vec<KeyRow>, StoreError> {
        let rows = self.inner.fetch(names).await;
        self.fetches.fetch_add(1, Ordering::SeqCst);
        self.answers.acquire().await.unwrap().forget();
        rows
    }

    async fn insert_first(&self, rows: &[KeyRow]) -> Result<(), StoreError> {
        self.inner.insert_first(rows).await
    }

    async fn insert_next(&self, row: &KeyRow, before: KeyState) -> Result<bool, StoreError> {
        self.inner.insert_next(row, before).await
    }

    async fn destroy(&self, name: KeyName, destruction: Destruction) -> Result<(), StoreError> {
        self.inner.destroy(name, destruction).await
    }
}

async fn gated(answers: usize) -> (Arc<Gated>, Arc<Keyring>) {
    let store = Arc::new(Gated {
        inner: MemoryKeys::default(),
        fetches: AtomicUsize::new(0),
        answers: Semaphore::new(answers),
    });
    let keyring = Keyring::over(store.clone(), root()).await.unwrap();
    (store, Arc::new(keyring))
}

#[tokio::test]
async fn the_keys_of_a_page_come_with_one_query_and_stay_cached() {
    let (store, keyring) = gated(1_000).await;
    let refs: Vec<_> = (0..50)
        .map(|number| KeyRef {
            tenant: Tenant::Organization(OrganizationId::from_bytes([1; 16])),
            subject: SubjectId::from_bytes([number; 16]),
            period: None,
        })
        .collect();
    let names: Vec<_> = refs.iter().flat_map(KeyRef::keys).collect();
    keyring.usable(&names).await.unwrap();
    names.iter().for_each(|name| keyring.invalidate(*name));
    let before = store.fetches.load(Ordering::SeqCst);
    keyring.keys_for(&refs).await.unwrap();
    assert_eq!(store.fetches.load(Ordering::SeqCst), before + 1);
    keyring.versions(&names).await.unwrap();
    assert_eq!(store.fetches.load(Ordering::SeqCst), before + 1);
}

#[tokio::test]
async fn what_was_read_before_a_destruction_is_not_cached_after_it() {
    let (store, keyring) = gated(2).await;
    key(&keyring, subject(1)).await;
    keyring.invalidate(subject(1));
    let before = store.fetches.load(Ordering::SeqCst);
    let reader = tokio::spawn({
        let keyring = keyring.clone();
        async move { opening(&keyring, subject(1)).await.unwrap().is_some() }
    });
    while store.fetches.load(Ordering::SeqCst) == before {
        tokio::task::yield_now().await;
    }
    keyring.destroy(subject(1), DESTRUCTION).await.unwrap();
    store.answers.add_permits(10);
    assert!(reader.await.unwrap(), "it read before the destruction");
    assert_eq!(opening(&keyring, subject(1)).await.unwrap(), None);
}

#[tokio::test]
async fn the_bytes_are_those_of_the_vectors() {
    let vectors = load("keyring.json");
    for entry in each(&vectors, "keys") {
        let kinds = [KeyKind::Tenant, KeyKind::Subject, KeyKind::Period, KeyKind::Secret];
        let kind = kinds.into_iter().find(|kind| kind.as_str() == text(entry, "kind")).unwrap();
        let name = KeyName::from_parts(kind.code(), &bytes(entry, "id")).unwrap();
        assert_eq!((name.kind(), name.id()), (kind, bytes(entry, "id")));
        assert_eq!(name.shard(), number::<u8>(entry, "shard"));
        let (by, key) = (Zeroizing::new(array(entry, "shard_key")), Zeroizing::new(array(entry, "key")));
        let wrapped = wrap::wrap_named(&by, name, number(entry, "version"), &key).unwrap();
        assert_eq!(wrapped, bytes(entry, "wrapped"));
        assert_eq!(wrap::unwrap_named(&by, name, number(entry, "version"), &wrapped).unwrap(), key);
        assert!(wrap::unwrap_named(&by, name, 7, &wrapped).is_err());
    }
    for entry in each(&vectors, "shards") {
        let root = RootKey::new(Zeroizing::new(array(entry, "root_key")));
        assert_eq!(root.id().as_bytes().to_vec(), bytes(entry, "root_id"));
        let context = wrap::shard_context(number(entry, "shard"), number(entry, "version"));
        let key = Zeroizing::new(array(entry, "key"));
        assert_eq!(root.wrap_key(&context, &key).await.unwrap(), bytes(entry, "wrapped"));
        assert_eq!(root.unwrap_key(&context, &bytes(entry, "wrapped")).await.unwrap(), key);
    }
    for entry in each(&vectors, "blind_indexes") {
        let index = blake3::keyed_hash(&array(entry, "secret"), &bytes(entry, "bytes"));
        assert_eq!(index.as_bytes().to_vec(), bytes(entry, "index"));
    }
}

#[test]
fn every_secret_has_a_name_of_its_own_that_reads_back() {
    for secret in Secret::ALL {
        assert_eq!(Secret::from_name(secret.name()), Some(*secret));
        let name = KeyName::Secret(*secret);
        assert!(name.id().len() <= KeyName::ID_BYTES_MAX);
        assert_eq!(KeyName::from_parts(name.kind().code(), &name.id()), Some(name));
    }
    let names: BTreeSet<_> = Secret::ALL.iter().map(|secret| secret.name()).collect();
    assert_eq!(names.len(), Secret::ALL.len());
}

proptest::proptest! {
    #[test]
    fn what_reads_as_a_key_name_writes_the_same_parts(kind in 0u8..6, id in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..40)) {
        if let Some(name) = KeyName::from_parts(kind, &id) {
            proptest::prop_assert_eq!((name.kind().code(), name.id()), (kind, id));
        }
    }
}

#[tokio::test]
async fn of_two_nodes_that_rotate_a_secret_at_once_one_does_and_both_see_it() {
    let database = TestDatabase::create().await;
    let (one, two) = (node(&database).await, node(&database).await);
    let secret = Secret::AccessTokenSigning;
    let states = async |keyring: &Keyring| {
        let versions = keyring.secret_versions(secret).await.unwrap();
        versions.iter().map(|one| (one.version, one.is_compromised)).collect::<Vec<_>>()
    };
    let first = one.secret_versions(secret).await.unwrap().remove(0).key;
    let done = tokio::join!(
        one.rotate(KeyName::Secret(secret), 1, false),
        two.rotate(KeyName::Secret(secret), 1, false)
    );
    assert_ne!(done.0.unwrap(), done.1.unwrap());
    for keyring in [&one, &two] {
        assert_eq!(states(keyring).await, [(1, false), (2, false)]);
        assert!(keyring.named_secret(secret).await.unwrap() != first);
    }
    assert!(
        !two.rotate(KeyName::Secret(secret), 1, true).await.unwrap(),
        "version 1 is not in force any more"
    );
    assert!(two.rotate(KeyName::Secret(secret), 2, true).await.unwrap());
    assert_eq!(states(&one).await, [(1, true), (2, true), (3, false)]);
    assert!(one.secret_versions(secret).await.unwrap()[0].key == first);
}

#[tokio::test]
async fn keys_are_counted_by_purpose_and_state_and_never_named() {
    let database = TestDatabase::create().await;
    for keyring in [node(&database).await, Keyring::in_memory().await.unwrap()] {
        keyring.usable(&[subject(1), subject(2), subject(3)]).await.unwrap();
        keyring.named_secret(Secret::EmailIndex).await.unwrap();
        keyring.rotate(subject(1), 1, false).await.unwrap();
        keyring.destroy(subject(2), DESTRUCTION).await.unwrap();
        let counts = keyring.counts().await.unwrap();
        let of = |purpose, state| {
            let found = counts.iter().find(|one| one.purpose == purpose && one.state == state);
            found.map_or(0, |one| one.count)
        };
        assert_eq!(of("subject", KeyState::Active), 2);
        assert_eq!(of("subject", KeyState::DecryptOnly), 1);
        assert_eq!(of("subject", KeyState::Destroyed), 1);
        assert_eq!(of("email-index", KeyState::Active), 1);
        assert!(counts.iter().all(|one| one.oldest_seconds >= 0.0));
        assert_eq!(counts.len(), 4, "{counts:?}");
    }
}
