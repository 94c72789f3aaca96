//! Guessing passwords, asking for resets: what strangers can do to an account, and what they cannot.

use domain::device::proof::login_proof;

use super::sessions::{DEVICE, enroll, proof};
use super::*;
use crate::auth::turns::{Payer, Turn};

const WRONG: &str = "a password that is wrong";

/// Guesses from a network until it has to wait; gives how often it was let try, and how long it has to wait.
async fn guess(node: &Node, email: &str, network: u8) -> (usize, Duration) {
    for number in 0.. {
        let key = format!("guess {email} {network} {number}");
        match node.login_shown(&key, (email, WRONG), network, None, None).await {
            Err(AuthError::Refused) => {}
            Err(AuthError::Locked { retry_after }) => return (number, retry_after),
            other => panic!("{:?}", other.map(|_| ())),
        }
    }
    unreachable!()
}

#[tokio::test]
async fn an_unknown_address_and_a_wrong_password_are_answered_alike_and_slowed_down_alike() {
    let site = Site::new().await;
    let node = site.node().await;
    confirmed(&site, &node).await;
    for email in [EMAIL, "nobody@example.org"] {
        assert_eq!(guess(&node, email, 1).await, (10, Duration::from_secs(2)), "{email}");
    }
    // Right password or not; and it passes.
    let login = async |key: &str| node.login_shown(key, (EMAIL, PASSWORD), 1, None, None).await;
    assert!(matches!(login("right").await, Err(AuthError::Locked { .. })));
    site.clock.advance_seconds(2);
    login("later").await.unwrap();
}

#[tokio::test]
async fn strangers_who_guess_from_everywhere_keep_nobody_out() {
    let site = Site::new().await;
    let node = site.node().await;
    confirmed(&site, &node).await;
    let session = node.login("login", EMAIL, PASSWORD).await.unwrap();
    enroll(&node, &session).await;
    for network in 1..=4 {
        guess(&node, EMAIL, network).await;
    }
    // From a network that has not failed.
    node.login_shown("elsewhere", (EMAIL, PASSWORD), 99, None, None).await.unwrap();
    // From one that has: the device, and nobody who only names it or shows another's signature.
    let now = site.clock.now();
    let bytes = login_proof(session.account_id, DEVICE, now);
    let login =
        async |key: &str, proof| node.login_shown(key, (EMAIL, PASSWORD), 1, Some(DEVICE), proof).await;
    assert!(matches!(login("named", None).await, Err(AuthError::Locked { .. })));
    let other = proof(&bytes[1..], now);
    assert!(matches!(login("forged", Some(other)).await, Err(AuthError::Locked { .. })));
    login("device", Some(proof(&bytes, now))).await.unwrap();
    // In a session that is open.
    node.change_password(&session, "change", PASSWORD).await.unwrap();
    // It is on record, once.
    eventually(async || node.events(vec!["account.login_locked"]).await.len() == 1).await;
    guess(&node, EMAIL, 5).await;
    assert_eq!(node.events(vec!["account.login_locked"]).await.len(), 1);
}

#[tokio::test]
async fn a_session_in_which_passwords_are_guessed_slows_down_itself_only() {
    let site = Site::new().await;
    let node = site.node().await;
    confirmed(&site, &node).await;
    let stolen = node.login("stolen", EMAIL, PASSWORD).await.unwrap();
    let own = node.login("own", EMAIL, PASSWORD).await.unwrap();
    for number in 0..10 {
        let answer = node.change_password(&stolen, &format!("guess {number}"), OTHER_PASSWORD).await;
        assert!(matches!(answer, Err(AuthError::Refused)));
    }
    let answer = node.change_password(&stolen, "guess", OTHER_PASSWORD).await;
    assert!(matches!(answer, Err(AuthError::Locked { .. })));
    node.login("another", EMAIL, PASSWORD).await.unwrap();
    node.change_password(&own, "change", PASSWORD).await.unwrap();
}

/// Takes every turn at hashing: nobody is verified while they are held.
async fn all_turns(node: &Node) -> Vec<Turn> {
    let nobody = Payer { account: [1; 32], network: None };
    let mut taken = Vec::new();
    while let Some(turn) = node.parts.auth.passwords.turns().take(nobody, Duration::from_millis(50)).await {
        taken.push(turn);
    }
    taken
}

#[tokio::test]
async fn a_login_that_an_overloaded_server_did_not_verify_does_not_count() {
    let site = Site::new().await;
    let node = site.node().await;
    confirmed(&site, &node).await;
    let taken = all_turns(&node).await;
    for round in 0..2 {
        let tries = (0..8).map(async |number| {
            let key = format!("{round} {number}");
            node.login_shown(&key, (EMAIL, OTHER_PASSWORD), 1, None, None).await.map(|_| ())
        });
        for answer in futures_util::future::join_all(tries).await {
            assert!(matches!(answer, Err(AuthError::Overloaded { .. })), "{answer:?}");
        }
    }
    drop(taken);
    assert_eq!(guess(&node, EMAIL, 1).await.0, 10);
}

#[tokio::test]
async fn a_login_whose_time_was_used_up_before_it_was_verified_does_not_count() {
    let site = Site::new().await;
    let node = site.node().await;
    confirmed(&site, &node).await;
    let taken = all_turns(&node).await;
    let client = site.database.client().await;
    let pending = async || -> i32 {
        let sql = "SELECT coalesce(max(pending), 0) FROM write.login_attempts";
        client.query_one(sql, &[]).await.unwrap().get(0)
    };
    // More than may be under way at once.
    for number in 0..12 {
        let key = format!("try {number}");
        let login = node.login_shown(&key, (EMAIL, PASSWORD), 1, None, None);
        let begun = eventually(async || pending().await == 1);
        // It waits for its turn, and then whoever asked has gone.
        tokio::select! {
            answer = login => panic!("{:?}", answer.map(|_| ())),
            () = begun => {}
        }
        eventually(async || pending().await == 0).await;
    }
    drop(taken);
    assert_eq!(guess(&node, EMAIL, 1).await.0, 10);
}

#[tokio::test]
async fn strangers_who_ask_for_resets_do_not_spoil_the_mail_under_way_or_flood_the_mailbox() {
    let site = Site::new().await;
    let node = site.node().await;
    confirmed(&site, &node).await;
    for minute in 0..60 {
        node.request_reset(&format!("reset {minute}"), EMAIL).await;
        site.clock.advance_seconds(60);
    }
    node.settle().await;
    let mails = site.mail_to(EMAIL, "Reset");
    assert_eq!(mails.len(), 3);
    let token = |mail: &String| {
        let mail = mail.replace("=\r\n", "").replace("=\n", "");
        mail.split_once("token: ").unwrap().1.split_whitespace().next().unwrap().to_owned()
    };
    let tokens: Vec<_> = mails.iter().map(token).collect();
    assert!(tokens.iter().all(|token| *token == tokens[0]));
    let password = Zeroizing::new(OTHER_PASSWORD.to_owned());
    let accounts = &node.services.accounts;
    accounts.reset_password(&node.anonymous("set"), &tokens[0], password.clone()).await.unwrap();
    // Repeated, it is answered; a token that is none is refused before anything is hashed.
    accounts.reset_password(&node.anonymous("set"), &tokens[0], password.clone()).await.unwrap();
    let again = accounts.reset_password(&node.anonymous("again"), &tokens[0], password).await;
    assert!(again.is_err());
    node.login("new", EMAIL, OTHER_PASSWORD).await.unwrap();
}
