//! What hangs without a word: requests are told in time, nothing is lost, and all goes on by itself.

use std::time::{Duration, Instant};

use eventstore_schema::over_engines;
use eventstore_schema::testing::Engine;
use serde_json::{Value, json};
use tests::http::{Answer, Http};
use tests::person::{PASSWORD, Person};
use tests::server::{Options, PATIENCE, TestServer, until};
use uuid::Uuid;

use crate::postgres::Postgres;

over_engines! {
    whatever_is_asked_of_a_log_that_hangs_is_answered_in_time,
}

/// Longer than any test.
const FOR_EVER: Duration = Duration::from_secs(3_600);

/// An answer that has to come, and say when to try again.
async fn told(what: &str, answer: impl Future<Output = Answer>) -> Answer {
    let began = Instant::now();
    let answer = tokio::time::timeout(PATIENCE, answer).await;
    let answer = answer.unwrap_or_else(|_| panic!("{what} is not answered at all"));
    println!("{what}: {} after {:?}", answer.status, began.elapsed());
    assert_eq!(answer.status, 503, "{what}: {}", answer.json);
    assert!(answer.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 0), "{what}");
    answer
}

fn organization(name: &str) -> Value {
    json!({ "name": name })
}

async fn whatever_is_asked_of_a_log_that_hangs_is_answered_in_time(engine: Engine) {
    let postgres = Postgres::start().await;
    let mut server = postgres.serve(Options { engine, ..Options::default() }).await;
    let ann = Person::register(&server, "ann").await;
    let http = ann.http().await;
    http.post("/v1/organizations", &organization("Before")).await.expect(201);
    server.settled().await;

    match server.engine.double() {
        Some(double) => double.faults().delay_answers(Some(FOR_EVER)),
        None => postgres.suspend().await,
    }
    let keyed = |key: &'static str| {
        let http = http.clone();
        async move { http.post_keyed("/v1/organizations", &organization(key), key).await }
    };
    told("a command", keyed("during")).await;
    // Whoever comes next waits no longer because others wait.
    let others = ["second", "third", "fourth"].map(|key| told("a later command", keyed(key)));
    futures_util::future::join_all(others).await;
    let batch = json!({ "commands": [
        { "command": "organizations.create_organization", "idempotency_key": "one", "body": organization("one") },
        { "command": "organizations.create_organization", "idempotency_key": "two", "body": organization("two") },
    ] });
    let batch = tokio::time::timeout(PATIENCE, http.post("/v1/commands", &batch)).await.expect("an answer");
    // As a whole where nobody can be let in, one by one otherwise.
    if batch.status != 503 {
        for answer in batch.expect(200).json["answers"].as_array().unwrap() {
            assert_eq!((&answer["status"], &answer["body"]["code"]), (&json!(503), &json!("unavailable")));
        }
    }
    if server.engine.double().is_none() {
        everything_else_is_told(&server, &http, &ann.email).await;
    }

    match server.engine.double() {
        Some(double) => double.faults().delay_answers(None),
        None => postgres.resume().await,
    }
    for key in ["during", "second", "third", "fourth", "one", "two"] {
        until(async || {
            let answer = http.post_keyed("/v1/organizations", &organization(key), key).await;
            (answer.status == 201).then_some(())
        })
        .await;
    }
    server.settled().await;
    let mine = http.get("/v1/organizations").await.expect(200);
    let mut names: Vec<_> =
        mine.json["items"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["Before", "during", "fourth", "one", "second", "third", "two"], "each of them once");
    drop(server);
    postgres.destroy().await;
}

/// Reads, logins, readiness: all need PostgreSQL.
async fn everything_else_is_told(server: &TestServer, http: &Http, email: &str) {
    let nobody = server.http();
    let login = json!({ "email": email, "password": PASSWORD });
    let token = json!({ "refresh_token": Uuid::now_v7().simple().to_string() });
    let registration = json!({ "email": "new@envoi.test", "password": PASSWORD, "display_name": "New" });
    tokio::join!(
        told("a list", http.get("/v1/organizations")),
        told("oneself", http.get("/v1/me")),
        told("a login", nobody.post("/v1/sessions", &login)),
        told("a registration", nobody.post("/v1/accounts", &registration)),
        async {
            let readiness = tokio::time::timeout(PATIENCE, nobody.get("/health/ready"));
            let answer = readiness.await.expect("an answer").expect(503);
            assert!(answer.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 0));
        },
        async {
            // Whatever can be told without PostgreSQL may be told.
            let answer = nobody.post("/v1/sessions/refresh", &token);
            let answer = tokio::time::timeout(PATIENCE, answer).await.expect("an answer");
            assert!(matches!(answer.status, 401 | 422 | 503), "{}", answer.json);
        },
    );
}

/// Somebody locks a table, as a careless migration or an operator's session does.
#[tokio::test]
async fn a_locked_table_holds_up_those_alone_who_need_it() {
    let postgres = Postgres::start().await;
    let server = postgres.serve(Options::default()).await;
    let ann = Person::register(&server, "ann").await;
    let http = ann.http().await;
    http.post("/v1/organizations", &organization("Before")).await.expect(201);
    server.settled().await;
    let locker = eventstore_schema::database::connect(&postgres.config()).await.unwrap();
    locker.batch_execute("BEGIN; LOCK TABLE write.reservations").await.unwrap();
    let registration = json!({ "email": "new@envoi.test", "password": PASSWORD, "display_name": "New" });
    told("a registration", server.http().post("/v1/accounts", &registration)).await;
    http.get("/v1/organizations").await.expect(200);
    http.post("/v1/organizations", &organization("During")).await.expect(201);
    locker.batch_execute("ROLLBACK").await.unwrap();
    until(async || {
        let answer = server.http().post("/v1/accounts", &registration).await;
        (answer.status == 202).then_some(())
    })
    .await;
    locker.batch_execute("BEGIN; LOCK TABLE log.events").await.unwrap();
    told("a command", http.post("/v1/organizations", &organization("Late"))).await;
    locker.batch_execute("ROLLBACK").await.unwrap();
    until(async || {
        let answer = http.post("/v1/organizations", &organization("Later")).await;
        (answer.status == 201).then_some(())
    })
    .await;
    drop(server);
    postgres.destroy().await;
}

/// An orderly restart of PostgreSQL breaks off what is under way.
#[tokio::test]
async fn a_read_that_postgresql_breaks_off_is_told_to_come_back() {
    let postgres = Postgres::start().await;
    let server = postgres.serve(Options::default()).await;
    let ann = Person::register(&server, "ann").await;
    let http = ann.http().await;
    http.post("/v1/organizations", &organization("Acme")).await.expect(201);
    server.settled().await;
    let connect = || async { eventstore_schema::database::connect(&postgres.config()).await.unwrap() };
    let (locker, observer) = (connect().await, connect().await);
    locker.batch_execute(&projections::qualified("BEGIN; LOCK TABLE read.organizations")).await.unwrap();
    let reads = tokio::spawn({
        let http = http.clone();
        async move { http.get("/v1/organizations").await }
    });
    let broken_off = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    until(async || (!observer.query(broken_off, &[]).await.unwrap().is_empty()).then_some(())).await;
    told("a read", async { reads.await.unwrap() }).await;
    locker.batch_execute("ROLLBACK").await.unwrap();
    until(async || (http.get("/v1/organizations").await.status == 200).then_some(())).await;
    drop(server);
    postgres.destroy().await;
}
