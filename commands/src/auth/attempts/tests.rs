//! Tries of people and of strangers over a real table.

use eventstore_schema::database::Role;
use eventstore_schema::testing::TestDatabase;

use super::*;

const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

async fn attempts(database: &TestDatabase) -> LoginAttempts {
    LoginAttempts::new(database.pool(Role::App))
}

/// An address tried from a network.
fn tried(address: u8, network: u8) -> Subjects {
    let wide = Wide { network: Some([network; 32]), address: [address; 32] };
    let own = *blake3::hash(&[address, network]).as_bytes();
    Subjects { own, wide: Some(wide) }
}

/// What only a device or session shows.
fn shown(number: u8) -> Subjects {
    Subjects { own: [number; 32], wide: None }
}

/// Fails once, or says until when it may not.
async fn fail(
    attempts: &LoginAttempts,
    subjects: Subjects,
    now: Timestamp,
) -> Result<Option<Guessed>, Timestamp> {
    match attempts.begin(subjects, now).await.unwrap() {
        Begun::Paused { until } => Err(until),
        Begun::Allowed(allowed) => Ok(attempts.wrong(&allowed, now).await.unwrap()),
    }
}

fn is_allowed(begun: Begun) -> bool {
    matches!(begun, Begun::Allowed(_))
}

#[tokio::test]
async fn some_failures_are_free_then_pauses_double_and_success_forgets() {
    let database = crate::testing::database().await;
    let attempts = attempts(&database).await;
    let (mut now, mut pauses) = (NOW, Vec::new());
    for _ in 0..FREE_FAILURES {
        fail(&attempts, tried(200, 1), now).await.unwrap();
    }
    while pauses.len() < 12 {
        match fail(&attempts, tried(200, 1), now).await {
            Ok(_) => {}
            Err(until) => {
                pauses.push((until.as_micros() - now.as_micros()) / 1_000_000);
                now = until;
            }
        }
    }
    assert_eq!(pauses, [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]);
    attempts.right(&tried(200, 1).own).await.unwrap();
    assert!(is_allowed(attempts.begin(tried(200, 1), now).await.unwrap()));
}

#[tokio::test]
async fn a_clock_that_was_years_ahead_keeps_nobody_out_once_it_is_right() {
    let database = crate::testing::database().await;
    let attempts = attempts(&database).await;
    let ahead = NOW.plus_seconds(34 * 365 * 86_400);
    // Failures and pauses of one address, of a network and of an address from everywhere, and a try that broke off.
    while fail(&attempts, tried(200, 1), ahead).await.is_ok() {}
    for address in 0..150 {
        let _ = fail(&attempts, tried(address, 1), ahead).await;
    }
    for network in 2..60 {
        let _ = fail(&attempts, tried(200, network), ahead).await;
    }
    assert!(is_allowed(attempts.begin(shown(7), ahead).await.unwrap()));
    assert!(!is_allowed(attempts.begin(tried(200, 1), ahead).await.unwrap()));
    for subjects in [tried(200, 1), tried(3, 1), tried(200, 70), shown(7)] {
        assert!(is_allowed(attempts.begin(subjects, NOW).await.unwrap()), "{subjects:?}");
    }
    // From then on failures count as ever: some are free, and pauses are short.
    let until = loop {
        match fail(&attempts, tried(200, 1), NOW).await {
            Ok(guessed) => assert!(guessed.is_none_or(|one| one.until < NOW.plus_seconds(86_400))),
            Err(until) => break until,
        }
    };
    assert!(until <= NOW.plus_seconds(PAUSE_SECONDS_MIN), "{until:?}");
}

#[tokio::test]
async fn failures_from_one_network_pause_no_other_and_no_device_or_session() {
    let database = crate::testing::database().await;
    let attempts = attempts(&database).await;
    while fail(&attempts, tried(200, 1), NOW).await.is_ok() {}
    assert!(is_allowed(attempts.begin(tried(200, 2), NOW).await.unwrap()));
    assert!(is_allowed(attempts.begin(tried(201, 1), NOW).await.unwrap()));
    assert!(is_allowed(attempts.begin(shown(9), NOW).await.unwrap()));
    while fail(&attempts, shown(8), NOW).await.is_ok() {}
    assert!(is_allowed(attempts.begin(shown(9), NOW).await.unwrap()));
}

#[tokio::test]
async fn an_address_that_is_guessed_at_leaves_each_network_two_tries_and_no_fewer() {
    let database = crate::testing::database().await;
    let attempts = attempts(&database).await;
    let mut told = Vec::new();
    for network in 0..60 {
        told.push(fail(&attempts, tried(200, network), NOW).await.unwrap());
    }
    let first = Guessed { failures: 20, until: NOW.plus_seconds(ADDRESS.seconds) };
    assert_eq!((told[18], told[19]), (None, Some(first)));
    assert_eq!(told[59].unwrap().failures, 40);
    // A network that has not tried yet.
    assert!(fail(&attempts, tried(200, 99), NOW).await.is_ok());
    assert!(fail(&attempts, tried(200, 99), NOW).await.is_ok());
    assert_eq!(fail(&attempts, tried(200, 99), NOW).await, Err(NOW.plus_seconds(PAUSE_SECONDS_MIN)));
    // It passes.
    let later = NOW.plus_seconds(ADDRESS.seconds * 31);
    for _ in 0..FREE_FAILURES {
        fail(&attempts, tried(200, 98), later).await.unwrap();
    }
}

#[tokio::test]
async fn a_count_leaks_in_whatever_rhythm_strangers_guess() {
    let database = crate::testing::database().await;
    let attempts = attempts(&database).await;
    for round in 0..ADDRESS.burst * 2 {
        let now = NOW.plus_seconds(i64::from(round) * (ADDRESS.seconds - 1));
        let network = u8::try_from(round).unwrap();
        assert_eq!(fail(&attempts, tried(200, network), now).await, Ok(None), "{round}");
    }
}

#[tokio::test]
async fn a_network_that_tries_many_addresses_waits_and_no_device_or_session_with_it() {
    let database = crate::testing::database().await;
    let attempts = attempts(&database).await;
    for address in 0..NETWORK.burst {
        let address = u8::try_from(address).unwrap() + 100;
        fail(&attempts, tried(address, 1), NOW).await.unwrap();
    }
    let until = NOW.plus_seconds(NETWORK.seconds);
    assert_eq!(fail(&attempts, tried(99, 1), NOW).await, Err(until));
    assert!(is_allowed(attempts.begin(shown(9), NOW).await.unwrap()));
    assert!(is_allowed(attempts.begin(tried(99, 2), NOW).await.unwrap()));
    assert!(is_allowed(attempts.begin(tried(99, 1), until).await.unwrap()));
}

#[tokio::test]
async fn tries_at_once_are_not_all_let_through() {
    let database = crate::testing::database().await;
    let attempts = attempts(&database).await;
    let tries = (0..FREE_FAILURES * 4).map(|_| attempts.begin(tried(200, 1), NOW));
    let begun = futures_util::future::try_join_all(tries).await.unwrap();
    let allowed: Vec<_> = begun
        .iter()
        .filter_map(|begun| match begun {
            Begun::Allowed(allowed) => Some(*allowed),
            Begun::Paused { .. } => None,
        })
        .collect();
    assert_eq!(allowed.len(), FREE_FAILURES.unsigned_abs() as usize);
    for allowed in &allowed {
        attempts.wrong(allowed, NOW).await.unwrap();
    }
    // Now one at a time.
    let later = NOW.plus_seconds(PAUSE_SECONDS_MAX);
    let tries = (0..8).map(|_| attempts.begin(tried(200, 1), later));
    let begun = futures_util::future::try_join_all(tries).await.unwrap();
    assert_eq!(begun.into_iter().filter(|begun| is_allowed(*begun)).count(), 1);
}

#[tokio::test]
async fn what_was_not_verified_is_given_back_at_once_or_after_a_time() {
    let database = crate::testing::database().await;
    let attempts = attempts(&database).await;
    for _ in 0..FREE_FAILURES * 3 {
        let Begun::Allowed(allowed) = attempts.begin(tried(200, 1), NOW).await.unwrap() else {
            panic!("it was not given back")
        };
        attempts.give_back(&allowed).await;
    }
    // A server that died gives nothing back.
    while is_allowed(attempts.begin(tried(200, 1), NOW).await.unwrap()) {}
    let later = NOW.plus_seconds(PENDING_SECONDS);
    for _ in 0..FREE_FAILURES {
        fail(&attempts, tried(200, 1), later).await.unwrap();
    }
}

#[tokio::test]
async fn old_failures_do_not_count_and_make_room() {
    let database = crate::testing::database().await;
    let attempts = attempts(&database).await;
    for number in 0..4 {
        fail(&attempts, shown(number), NOW).await.unwrap();
    }
    for _ in 1..FREE_FAILURES {
        fail(&attempts, shown(9), NOW).await.unwrap();
    }
    let later = NOW.plus_seconds(FORGET_SECONDS + 1);
    fail(&attempts, shown(9), later).await.unwrap();
    fail(&attempts, shown(9), later).await.unwrap();
    let client = database.client().await;
    let count: i64 = client.query_one("SELECT count(*) FROM write.login_attempts", &[]).await.unwrap().get(0);
    assert_eq!(count, 1);
}
