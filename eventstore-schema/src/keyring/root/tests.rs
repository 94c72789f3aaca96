//! The root key file is made whole, never replaced, and refused when others may reach it.

use std::os::unix::fs::PermissionsExt;

use super::*;

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn a_made_file_opens_as_the_same_key_for_its_owner_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("root.key");
    let made = RootKeyFile::create(&path).unwrap();
    let metadata = fs::metadata(&path).unwrap();
    assert_eq!((metadata.len(), metadata.permissions().mode() & 0o7777), (64, 0o600));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no draft is left behind");
    let opened = RootKeyFile::open(&path).unwrap();
    assert_eq!(opened.id(), made.id());
    let key = entropy::random().unwrap();
    let wrapped = made.wrap_key(b"context", &key).await.unwrap();
    assert_eq!(opened.unwrap_key(b"context", &wrapped).await.unwrap(), key);
    assert!(matches!(opened.unwrap_key(b"other", &wrapped).await, Err(RootError::Refused(_))));
    assert!(matches!(opened.unwrap_key(b"context", b"").await, Err(RootError::Refused(_))));
}

#[test]
fn a_file_that_is_there_is_never_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("root.key");
    let id = RootKeyFile::create(&path).unwrap().id();
    assert!(matches!(RootKeyFile::create(&path), Err(RootError::Exists(_))));
    assert_eq!(RootKeyFile::open_or_create(&path).unwrap().id(), id);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn of_several_that_make_it_at_once_all_end_with_the_same_key() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("root.key");
    let makers: Vec<_> = (0..8)
        .map(|_| {
            let path = path.clone();
            std::thread::spawn(move || RootKeyFile::open_or_create(&path).unwrap().id())
        })
        .collect();
    let ids: Vec<_> = makers.into_iter().map(|maker| maker.join().unwrap()).collect();
    assert!(ids.iter().all(|id| *id == ids[0]));
}

#[test]
fn a_file_that_others_may_reach_is_refused_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("root.key");
    RootKeyFile::create(&path).unwrap();
    for mode in [0o644, 0o640, 0o604, 0o660, 0o700, 0o601] {
        set_mode(&path, mode);
        let error = RootKeyFile::open(&path).err().unwrap();
        assert!(matches!(error, RootError::Permissions { .. }), "{mode:o}");
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
    for mode in [0o600, 0o400] {
        set_mode(&path, mode);
        assert!(RootKeyFile::open(&path).is_ok(), "{mode:o}");
    }
}

#[test]
fn what_is_no_root_key_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("root.key");
    assert!(matches!(RootKeyFile::open(&path), Err(RootError::Missing(_))));
    for size in [0, 32, 63, 65, 1_000_000] {
        fs::write(&path, vec![1; size]).unwrap();
        set_mode(&path, 0o600);
        let error = RootKeyFile::open(&path).err().unwrap();
        assert!(matches!(error, RootError::Size { bytes, .. } if bytes == size), "{size}");
    }
    let unwritable = directory.path().join("none/root.key");
    assert!(matches!(RootKeyFile::create(&unwritable), Err(RootError::Io { .. })));
}
