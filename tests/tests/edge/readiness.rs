//! Readiness says what requests would really get: whether writes get through, and whether what follows from them is led.

use serde_json::Value;
use tests::server::{TestServer, until};

/// What readiness answers, and what it says of a part.
async fn readiness(server: &TestServer, part: &str) -> (u16, Value) {
    let answer = server.http().get("/health/ready").await;
    (answer.status, answer.json["parts"][part].clone())
}

async fn until_ready(server: &TestServer, part: &str) {
    until(async || {
        let (status, part) = readiness(server, part).await;
        (status == 200 && part["ready"] == true).then_some(())
    })
    .await;
}

async fn until_not_ready(server: &TestServer, part: &str, state: &str) {
    until(async || {
        let (status, part) = readiness(server, part).await;
        (status == 503 && part["ready"] == false && part["state"] == state).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_log_that_can_be_read_and_not_written_is_not_ready() {
    let server = TestServer::start().await;
    until_ready(&server, "log").await;
    let admin = server.database().await;
    // Readers pass it, writers wait behind it.
    admin.batch_execute("BEGIN; LOCK TABLE log.commands IN SHARE MODE").await.unwrap();
    until_not_ready(&server, "log", "silent").await;
    server.log.head().await.unwrap();
    admin.batch_execute("ROLLBACK").await.unwrap();
    until_ready(&server, "log").await;
}

#[tokio::test]
async fn a_log_that_may_not_be_written_is_not_ready() {
    let server = TestServer::start().await;
    until_ready(&server, "log").await;
    let admin = server.database().await;
    let name: String = admin.query_one("SELECT current_database()", &[]).await.unwrap().get(0);
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let read_only = format!("ALTER DATABASE \"{name}\" SET default_transaction_read_only = on");
    admin.batch_execute(&read_only).await.unwrap();
    admin.query(cut, &[]).await.unwrap();
    until_not_ready(&server, "log", "unreachable").await;
    let writable =
        format!("BEGIN READ WRITE; ALTER DATABASE \"{name}\" RESET default_transaction_read_only; COMMIT");
    admin.batch_execute(&writable).await.unwrap();
    admin.query(cut, &[]).await.unwrap();
    until_ready(&server, "log").await;
}

#[tokio::test]
async fn what_nobody_leads_is_not_ready() {
    let server = TestServer::start().await;
    let led = [("reaction/account_mail", "reaction:account_mail"), ("projection/audit@", "projection:audit")];
    for (_, part) in led {
        until_ready(&server, part).await;
    }
    let admin = server.database().await;
    for (lease, _) in led {
        let sql = "SELECT name FROM lease.leases WHERE starts_with(name, $1)";
        let lease: String = admin.query_one(sql, &[&lease]).await.unwrap().get(0);
        // Whoever takes a lease needs its lock: nobody gets it.
        let lock = "SELECT pg_advisory_lock(1701737071, hashtext($1))";
        admin.execute(lock, &[&lease]).await.unwrap();
        let sql = "UPDATE lease.leases SET pid = NULL WHERE name = $1";
        assert_eq!(admin.execute(sql, &[&lease]).await.unwrap(), 1);
    }
    for (_, part) in led {
        until_not_ready(&server, part, "leaderless").await;
    }
    drop(admin);
    for (_, part) in led {
        until_ready(&server, part).await;
    }
}
