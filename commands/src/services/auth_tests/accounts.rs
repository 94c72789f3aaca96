//! Registering and passwords.

use domain::Rejection;

use super::*;

fn rejected<T>(answer: Result<T, AuthError>) -> Option<Rejection> {
    match answer {
        Err(AuthError::Execute(ExecuteError::Rejected(rejection))) => Some(rejection),
        _ => None,
    }
}

#[tokio::test]
async fn whoever_registers_confirms_by_mail_and_logs_in() {
    let site = Site::new().await;
    let node = site.node().await;
    node.register("register", " Ann@Example.org", PASSWORD).await.unwrap();
    // Who tries whether an address was free learns nothing by logging in.
    assert!(matches!(node.login("early", EMAIL, PASSWORD).await, Err(AuthError::Refused)));
    node.settle().await;
    let token = site.token_to(EMAIL, "Confirm");
    let confirm = async |key: &str| node.services.accounts.confirm_email(&node.anonymous(key), &token).await;
    confirm("confirm").await.unwrap();
    assert_eq!(rejected(confirm("confirm again").await), Some(Rejection::TokenInvalid));
    let session = node.login("login", "ANN@example.org ", PASSWORD).await.unwrap();
    assert!(node.is_let_in(&session.access_token).await);
    let garbage = node.services.accounts.confirm_email(&node.anonymous("garbage"), "garbage").await;
    assert_eq!(rejected(garbage), Some(Rejection::TokenInvalid));
}

#[tokio::test]
async fn nothing_secret_or_personal_stands_in_the_log() {
    let site = Site::new().await;
    let node = site.node().await;
    confirmed(&site, &node).await;
    let token = site.token_to(EMAIL, "Confirm");
    let session = node.login("login", EMAIL, PASSWORD).await.unwrap();
    let client = site.database.client().await;
    let rows = client.query("SELECT e::text FROM log.events AS e", &[]).await.unwrap();
    let text: String = rows.iter().map(|row| row.get::<_, String>(0)).collect();
    let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    for secret in [EMAIL, "$argon2id", "192.0.2.7", &token, &session.refresh_token] {
        assert!(!text.contains(secret) && !text.contains(&hex(secret)), "{secret}");
    }
    // A hash of the request would allow guessing its password at the speed of a hash.
    let content = Content::of("test", &[PASSWORD.as_bytes()]);
    let plain: String = content.hash().unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
    let found: i64 = client
        .query_one("SELECT count(*) FROM log.commands AS c WHERE strpos(c::text, $1) > 0", &[&plain])
        .await
        .unwrap()
        .get(0);
    assert_eq!(found, 0);
}

#[tokio::test]
async fn lost_reservations_are_restored_from_the_log() {
    let site = Site::new().await;
    let node = site.node().await;
    confirmed(&site, &node).await;
    let client = site.database.client().await;
    client.execute("DELETE FROM write.reservations", &[]).await.unwrap();
    assert!(matches!(node.login("lost", EMAIL, PASSWORD).await, Err(AuthError::Refused)));
    assert_eq!(node.services.accounts.rebuild_reservations(&|_| ()).await.unwrap(), 1);
    assert_eq!(node.services.accounts.rebuild_reservations(&|_| ()).await.unwrap(), 0);
    node.login("found", EMAIL, PASSWORD).await.unwrap();
    node.register("another", EMAIL, OTHER_PASSWORD).await.unwrap();
    assert_eq!(node.events(vec!["account.registered"]).await.len(), 1);
}

#[tokio::test]
async fn a_password_is_reset_by_mail_once_and_every_session_ends() {
    let site = Site::new().await;
    let node = site.node().await;
    confirmed(&site, &node).await;
    let session = node.login("login", EMAIL, PASSWORD).await.unwrap();
    node.request_reset("unknown", "nobody@example.org").await;
    node.request_reset("request", EMAIL).await;
    node.settle().await;
    let token = site.token_to(EMAIL, "Reset your password");
    let reset = async |key: &str| node.reset_password(key, &token, OTHER_PASSWORD).await;
    reset("reset").await.unwrap();
    reset("reset").await.unwrap();
    assert_eq!(rejected(reset("reset again").await), Some(Rejection::TokenInvalid));
    node.settle().await;
    assert!(!node.is_let_in(&session.access_token).await);
    assert!(matches!(node.refresh("refresh", &session.refresh_token).await, Err(AuthError::RefreshRefused)));
    assert!(matches!(node.login("old", EMAIL, PASSWORD).await, Err(AuthError::Refused)));
    node.login("new", EMAIL, OTHER_PASSWORD).await.unwrap();
    assert_eq!(site.mail_to(EMAIL, "password for Envoi was changed").len(), 1);
}

#[tokio::test]
async fn a_password_is_changed_by_whoever_knows_the_old_one() {
    let site = Site::new().await;
    let node = site.node().await;
    confirmed(&site, &node).await;
    let (mine, other) = (
        node.login("mine", EMAIL, PASSWORD).await.unwrap(),
        node.login("other", EMAIL, PASSWORD).await.unwrap(),
    );
    let (account, session_id) = (mine.account_id, mine.session_id);
    let change = async |key: &str, old: &str| {
        let (old, new) = (Zeroizing::new(old.to_owned()), Zeroizing::new(OTHER_PASSWORD.to_owned()));
        node.services.accounts.change_password(&node.by(account, None, key), session_id, old, new).await
    };
    assert!(matches!(change("wrong", OTHER_PASSWORD).await, Err(AuthError::Refused)));
    let first = change("change", PASSWORD).await.unwrap();
    let again = change("change", PASSWORD).await.unwrap();
    assert_eq!((first.position, again.replayed), (again.position, true));
    node.settle().await;
    assert!(node.is_let_in(&mine.access_token).await && !node.is_let_in(&other.access_token).await);
    node.refresh("refresh mine", &mine.refresh_token).await.unwrap();
    assert!(matches!(
        node.refresh("refresh other", &other.refresh_token).await,
        Err(AuthError::RefreshRefused)
    ));
    assert!(matches!(node.login("old", EMAIL, PASSWORD).await, Err(AuthError::Refused)));
    node.login("new", EMAIL, OTHER_PASSWORD).await.unwrap();
    let short = node.register("short", "ben@example.org", "short").await;
    assert!(matches!(rejected(short), Some(Rejection::InvalidField { field: "password", .. })));
}
