//! The key ring file, and what happens when it does not fit the database.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use domain::secret::Secret;
use storage::error::OpenError;
use storage::key_ring::{KeyRing, KeyRingError};
use storage::store::{Store, StoreOptions};
use testkit::database::{Database, TestClock};
use tokio::task::JoinSet;

use crate::fixture::new_nas;

testkit::test_on_both_databases!(
    another_ring_is_refused_and_leaves_no_mark,
    a_ring_with_a_newer_key_still_opens_everything,
    of_nodes_that_begin_with_rings_of_their_own_one_stays,
);

async fn another_ring_is_refused_and_leaves_no_mark(database: Database) {
    let store = database.store().await;
    store
        .nas_insert(new_nas("pop-1", "10.0.0.1"))
        .await
        .unwrap();
    let path = database.data_dir().join("other");
    let options = StoreOptions {
        keys: KeyRing::load_or_create(&path, TestClock::START).unwrap(),
        ..database.store_options()
    };
    for _ in 0..2 {
        let error = Store::open(options.clone()).await.unwrap_err();
        let OpenError::KeyRing(error @ KeyRingError::UnknownKey { .. }) = &error else {
            panic!("expected an unknown key, got {error:?}");
        };
        let message = error.to_string();
        assert!(message.contains(path.to_str().unwrap()), "{message}");
        assert!(message.contains("is not in the key ring"), "{message}");
    }
    database.store().await;
}

async fn a_ring_with_a_newer_key_still_opens_everything(database: Database) {
    let nas = database
        .store()
        .await
        .nas_insert(new_nas("pop-1", "10.0.0.1"))
        .await
        .unwrap();
    let path = database.data_dir().join("keyring");
    let second = database.data_dir().join("second");
    KeyRing::load_or_create(&second, TestClock::START).unwrap();
    let both = fs::read_to_string(&path).unwrap() + &fs::read_to_string(&second).unwrap();
    fs::write(&path, both).unwrap();
    let store = database.store().await;
    let newer = store
        .nas_insert(new_nas("pop-2", "10.0.0.2"))
        .await
        .unwrap();
    let mut stored = store.directory_nas_all().await.unwrap();
    stored.sort_by_key(|nas| nas.name.to_string());
    let ids: Vec<_> = stored.iter().map(|nas| nas.id).collect();
    assert_eq!(ids, [nas.id, newer.id]);
    let secret = Secret::from("nas-secret");
    assert!(stored.iter().all(|nas| nas.secret == secret));

    // The newer key alone does not open what the older one has sealed.
    let options = StoreOptions {
        keys: KeyRing::load(&second).unwrap(),
        ..database.store_options()
    };
    assert!(matches!(
        Store::open(options).await,
        Err(OpenError::KeyRing(KeyRingError::UnknownKey { .. }))
    ));
}

async fn of_nodes_that_begin_with_rings_of_their_own_one_stays(database: Database) {
    const NODES: usize = 4;
    let mut nodes = JoinSet::new();
    for number in 0..NODES {
        let path = database.data_dir().join(format!("ring-{number}"));
        let options = StoreOptions {
            keys: KeyRing::load_or_create(&path, TestClock::START).unwrap(),
            ..database.store_options()
        };
        nodes.spawn(async move { Store::open(options.clone()).await.map(|_| options) });
    }
    let mut opened = nodes.join_all().await;
    opened.retain(Result::is_ok);
    assert_eq!(opened.len(), 1);
    Store::open(opened.remove(0).unwrap()).await.unwrap();
}

#[track_caller]
fn check(text: &str, mode: u32, expected: &str) {
    let directory = testkit::database::scratch();
    let path = directory.path().join("keyring");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    let message = KeyRing::load(&path).unwrap_err().to_string();
    assert!(message.contains(expected), "{message}");
    assert!(!message.contains("c2VjcmV0"), "{message}");
}

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

#[test]
fn a_ring_that_others_can_read_is_refused_with_the_remedy() {
    let good = format!("7 {KEY} 2027-01-15T08:00:00Z\n");
    check(&good, 0o644, "chmod 600");
    check(&good, 0o640, "mode 0640");
}

#[test]
fn a_malformed_ring_names_the_line() {
    check("", 0o600, "has no key");
    check("# only a comment\n", 0o600, "has no key");
    check("\n7 c2VjcmV0 2027-01-15T08:00:00Z\n", 0o600, "line 2");
    check(&format!("x {KEY} 2027-01-15\n"), 0o600, "line 1");
    check(&format!("7 {KEY}\n"), 0o600, "line 1");
    check(&format!("7 {KEY} 2027-01-15 more\n"), 0o600, "line 1");
}

#[test]
fn a_missing_ring_is_made_once_and_private() {
    let directory = testkit::database::scratch();
    let path = directory.path().join("deep/keyring");
    assert!(matches!(
        KeyRing::load(&path),
        Err(KeyRingError::Missing { .. })
    ));
    KeyRing::load_or_create(&path, TestClock::START).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    KeyRing::load_or_create(&path, TestClock::START).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    let files = fs::read_dir(path.parent().unwrap()).unwrap().count();
    assert_eq!(files, 1, "no draft is left");
    let shown = format!("{:?}", KeyRing::load(&path).unwrap());
    let key = text.split(' ').nth(1).unwrap();
    assert!(!shown.contains(key));
}

#[test]
fn processes_that_start_at_once_share_a_ring() {
    let directory = testkit::database::scratch();
    let path = directory.path().join("keyring");
    let texts: Vec<String> = std::thread::scope(|scope| {
        let make = || {
            KeyRing::load_or_create(&path, TestClock::START).unwrap();
            fs::read_to_string(&path).unwrap()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
        threads.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(texts.windows(2).all(|pair| pair[0] == pair[1]));
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_credential_may_be_readable_by_the_service_group() {
    let directory = testkit::database::scratch();
    let path = directory.path().join("keyring");
    KeyRing::load_or_create(&path, TestClock::START).unwrap();
    for (mode, is_private, is_credential) in [
        (0o600, true, true),
        (0o440, false, true),
        (0o444, false, false),
        (0o460, false, false),
    ] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(KeyRing::load(&path).is_ok(), is_private, "{mode:o}");
        assert_eq!(
            KeyRing::load_credential(&path).is_ok(),
            is_credential,
            "{mode:o}"
        );
    }
}
