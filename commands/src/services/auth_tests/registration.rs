//! Registering: an interruption at each step, several at once, several one after the other.

use domain::CommandId;
use eventstore_schema::memory::{Fault, MemoryEventLog};

use super::*;
use crate::request::derived_id;

/// More failures than one command is tried for.
const FOR_LONG: usize = 4;

/// A node over a log that fails on demand.
async fn over_memory(site: &Site) -> (Node, MemoryEventLog) {
    let log = MemoryEventLog::new();
    (site.node_over(Arc::new(log.clone())).await, log)
}

/// Registers, confirms, and finds that the password opens the account.
async fn registers_and_gets_in(site: &Site, node: &Node, key: &str, password: &str) {
    node.register(key, EMAIL, password).await.unwrap();
    node.settle().await;
    node.confirm(&format!("confirm {key}"), &site.token_to(EMAIL, "Confirm")).await.unwrap();
    node.login(&format!("login {key}"), EMAIL, password).await.unwrap();
}

#[tokio::test]
async fn without_reservations_nothing_happens_and_a_retry_registers() {
    let site = Site::new().await;
    let (node, _) = over_memory(&site).await;
    let client = site.database.client().await;
    client.batch_execute("ALTER TABLE write.reservations RENAME TO gone").await.unwrap();
    let answer = node.register("register", EMAIL, PASSWORD).await;
    assert!(matches!(answer, Err(AuthError::Unavailable(_))), "{answer:?}");
    assert_eq!(node.events(vec![]).await.len(), 0);
    client.batch_execute("ALTER TABLE write.gone RENAME TO reservations").await.unwrap();
    registers_and_gets_in(&site, &node, "register", PASSWORD).await;
}

#[tokio::test]
async fn without_a_log_nothing_is_reserved_and_a_retry_registers() {
    let site = Site::new().await;
    let (node, log) = over_memory(&site).await;
    log.faults().fail_reads(true);
    let answer = node.register("register", EMAIL, PASSWORD).await;
    assert!(matches!(answer, Err(AuthError::Unavailable(_))), "{answer:?}");
    let rows = "SELECT count(*) FROM write.reservations";
    let reserved: i64 = site.database.client().await.query_one(rows, &[]).await.unwrap().get(0);
    assert_eq!(reserved, 0);
    log.faults().fail_reads(false);
    registers_and_gets_in(&site, &node, "register", PASSWORD).await;
}

#[tokio::test]
async fn a_log_that_comes_back_late_has_the_account_once() {
    for fault in [Fault::FailBefore, Fault::FailAfter, Fault::Overloaded] {
        let site = Site::new().await;
        let (node, log) = over_memory(&site).await;
        log.faults().on_next_appends([fault; FOR_LONG + 2]);
        registers_and_gets_in(&site, &node, "register", PASSWORD).await;
        assert_eq!(node.count("account.registered").await, 1, "{fault:?}");
        assert_eq!(node.count("account.password_voided").await, 0, "{fault:?}");
    }
}

/// A process that ends between reserving an address and recording the account.
async fn broken_off(site: &Site, log: &MemoryEventLog, key: &str, email: &str) {
    let node = site.node_over(Arc::new(log.clone())).await;
    node.services.accounts.end().await;
    log.faults().on_next_appends([Fault::FailBefore; FOR_LONG]);
    node.register(key, email, PASSWORD).await.unwrap();
    assert_eq!(node.count("account.registered").await, 0);
}

#[tokio::test]
async fn whoever_comes_after_one_that_was_broken_off_gets_the_address() {
    let site = Site::new().await;
    let (node, log) = over_memory(&site).await;
    broken_off(&site, &log, "broken off", EMAIL).await;
    assert!(matches!(node.login("nobody", EMAIL, PASSWORD).await, Err(AuthError::Refused)));
    node.request_reset("nobody", EMAIL).await;
    registers_and_gets_in(&site, &node, "another", OTHER_PASSWORD).await;
    assert!(matches!(node.login("first", EMAIL, PASSWORD).await, Err(AuthError::Refused)));
    assert_eq!(node.count("account.registered").await, 1);
}

#[tokio::test]
async fn a_retry_of_one_that_was_broken_off_goes_on_and_after_another_s_it_is_a_second_one() {
    let site = Site::new().await;
    let (node, log) = over_memory(&site).await;
    broken_off(&site, &log, "broken off", EMAIL).await;
    node.register("broken off", EMAIL, PASSWORD).await.unwrap();
    node.register("broken off", EMAIL, PASSWORD).await.unwrap();
    assert_eq!((node.count("account.registered").await, node.count("account.password_voided").await), (1, 0));
    let site = Site::new().await;
    let (node, log) = over_memory(&site).await;
    broken_off(&site, &log, "broken off", EMAIL).await;
    node.register("another", EMAIL, OTHER_PASSWORD).await.unwrap();
    node.register("broken off", EMAIL, PASSWORD).await.unwrap();
    assert_eq!((node.count("account.registered").await, node.count("account.password_voided").await), (1, 1));
}

#[tokio::test]
async fn one_key_used_for_two_addresses_gets_nobody_another_s_account() {
    const OWN: &str = "mallory@example.org";
    let site = Site::new().await;
    let (node, log) = over_memory(&site).await;
    // Mallory reserves Ann's address and breaks off, then registers under the same key.
    broken_off(&site, &log, "key", EMAIL).await;
    node.register("key", OWN, PASSWORD).await.unwrap();
    node.settle().await;
    node.confirm("own", &site.token_to(OWN, "Confirm")).await.unwrap();
    let mallory = node.login("own", OWN, PASSWORD).await.unwrap();
    registers_and_gets_in(&site, &node, "ann", OTHER_PASSWORD).await;
    let ann = node.login("ann", EMAIL, OTHER_PASSWORD).await.unwrap();
    assert_ne!(ann.account_id, mallory.account_id);
    assert!(matches!(node.login("hers", EMAIL, PASSWORD).await, Err(AuthError::Refused)));
    assert_eq!(node.count("account.registered").await, 2);
}

#[tokio::test]
async fn of_many_who_register_an_address_at_once_on_two_nodes_none_knows_the_password() {
    let site = Site::new().await;
    let (one, two) = (site.node().await, site.node().await);
    let keys: Vec<_> = (0..8).map(|number| format!("register {number}")).collect();
    let tries = keys.iter().enumerate().map(|(number, key)| {
        let node = if number % 2 == 0 { &one } else { &two };
        node.register(key, EMAIL, if number % 2 == 0 { PASSWORD } else { OTHER_PASSWORD })
    });
    futures_util::future::try_join_all(tries).await.unwrap();
    for node in [&one, &two] {
        node.services.accounts.idle().await;
    }
    assert_eq!((one.count("account.registered").await, one.count("account.password_voided").await), (1, 1));
    one.settle().await;
    one.confirm("confirm", &site.token_to(EMAIL, "Confirm")).await.unwrap();
    for password in [PASSWORD, OTHER_PASSWORD] {
        assert!(matches!(two.login(password, EMAIL, password).await, Err(AuthError::Refused)));
    }
}

#[tokio::test]
async fn a_copy_of_a_registration_at_once_is_the_same_one() {
    let site = Site::new().await;
    let (one, two) = (site.node().await, site.node().await);
    let nodes = [&one, &one, &two, &two];
    let tries = nodes.map(|node| node.register("register", EMAIL, PASSWORD));
    futures_util::future::try_join_all(tries).await.unwrap();
    assert_eq!((one.count("account.registered").await, one.count("account.password_voided").await), (1, 0));
}

#[tokio::test]
async fn whoever_registered_first_is_out_once_the_owner_has_registered_too() {
    // The same key, too: it names another command, for it says something else.
    for key in ["second", "first"] {
        let site = Site::new().await;
        let node = site.node().await;
        node.register("first", EMAIL, PASSWORD).await.unwrap();
        node.settle().await;
        let token = site.token_to(EMAIL, "Confirm");
        node.register(key, EMAIL, OTHER_PASSWORD).await.unwrap();
        node.register("first", EMAIL, PASSWORD).await.unwrap();
        node.confirm("confirm", &token).await.unwrap();
        for password in [PASSWORD, OTHER_PASSWORD] {
            assert!(matches!(node.login(password, EMAIL, password).await, Err(AuthError::Refused)));
        }
        node.request_reset("request", EMAIL).await;
        node.settle().await;
        let reset = site.token_to(EMAIL, "Reset");
        node.reset_password("reset", &reset, OTHER_PASSWORD).await.unwrap();
        assert!(matches!(node.login("late", EMAIL, PASSWORD).await, Err(AuthError::Refused)));
        node.login("owner", EMAIL, OTHER_PASSWORD).await.unwrap();
        assert_eq!(node.count("session.started").await, 1, "nothing was made before the address was proved");
        assert_eq!(node.count("account.password_voided").await, 1);
    }
}

#[tokio::test]
async fn a_proved_address_stays_its_owner_s_who_is_told_once_a_day() {
    let site = Site::new().await;
    let node = site.node().await;
    confirmed(&site, &node).await;
    node.register("another", "ANN@example.org", OTHER_PASSWORD).await.unwrap();
    node.register("a third", EMAIL, OTHER_PASSWORD).await.unwrap();
    node.settle().await;
    assert_eq!(site.mail_to(EMAIL, "registered at Envoi already").len(), 1);
    assert_eq!(node.count("account.registered").await, 1);
    assert!(matches!(node.login("other", EMAIL, OTHER_PASSWORD).await, Err(AuthError::Refused)));
    node.login("own", EMAIL, PASSWORD).await.unwrap();
    site.clock.advance_seconds(domain::limits::REGISTRATION_REPEATED_SECONDS);
    assert_eq!(node.count("account.registration_repeated").await, 1);
    node.register("a fourth", EMAIL, OTHER_PASSWORD).await.unwrap();
    assert_eq!(node.count("account.registration_repeated").await, 2);
}

/// Every id that could be made of a guess without a key.
fn ids_without_a_key(node: &Node, key: &str, index: &[u8; 32], guess: &str) -> Vec<CommandId> {
    let request = node.request(Actor::ANONYMOUS, key, guess);
    let (id, name) = (request.command.id, request.anonymous_name(index));
    let asked = *request.command.content.hash().unwrap();
    let parts: [&[&[u8]]; 3] = [&[id.as_bytes(), index, &asked], &[&name], &[id.as_bytes(), index]];
    let hashed = *blake3::hash(&name).as_bytes();
    let mut ids: Vec<CommandId> =
        parts.into_iter().map(|parts| derived_id::<CommandId>("anonymous", parts)).collect();
    ids.extend([id, request.anonymous(&hashed).command.id, request.anonymous(&asked).command.id]);
    ids
}

#[tokio::test]
async fn ids_of_commands_without_a_login_let_nobody_try_what_was_asked() {
    let site = Site::new().await;
    let (one, two) = (site.node().await, site.node().await);
    registers_and_gets_in(&site, &one, "k", PASSWORD).await;
    let recorded: Vec<_> = one.events(vec![]).await.iter().map(|event| event.command_id).collect();
    let index = one.services.accounts.credentials.email_index(EMAIL).await.unwrap();
    for key in ["k", "confirm k", "login k"] {
        for guess in [PASSWORD, OTHER_PASSWORD, key] {
            let found = ids_without_a_key(&one, key, &index, guess);
            assert!(found.iter().all(|id| !recorded.contains(id)), "{key}: {guess}");
        }
    }
    // The key is everybody's: a retry at another node is the same command.
    let again = two.login("login k", EMAIL, PASSWORD).await.unwrap();
    assert_eq!(again.session_id, one.login("login k", EMAIL, PASSWORD).await.unwrap().session_id);
}
