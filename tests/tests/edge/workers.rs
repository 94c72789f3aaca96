//! The threads that answer HTTP answer, whatever commands have to do.

use std::sync::mpsc;
use std::task::{Context, Waker};

use domain::organization::Organization;
use serde_json::json;
use tests::person::Person;
use tests::server::{PATIENCE, TestServer};

/// Holds up every append, as another node's batch does: the lock that `log.append` takes.
const HOLD: &str = "SELECT pg_advisory_lock(7163384699741798250)";
const LET_GO: &str = "SELECT pg_advisory_unlock(7163384699741798250)";
/// Whether an append waits for it.
const IS_HELD_UP: &str = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted \
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))";

/// The server has one thread for clients. A command that came over it stands in line with something that takes its time, as
/// folding a stream of thousands of events does.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn clients_are_answered_while_a_command_of_one_takes_its_time() {
    let server = TestServer::start().await;
    let ann = Person::register(&server, "ann").await;
    let http = ann.http().await;
    let id = ann.client.create_organization("Acme").await.unwrap();
    server.settled().await;

    let database = server.database().await;
    database.batch_execute(HOLD).await.unwrap();
    let renaming = tokio::spawn({
        let (http, path) = (http.clone(), format!("/v1/organizations/{id}/profile"));
        async move { http.put(&path, &json!({ "name": "Other" })).await }
    });
    while !database.query_one(IS_HELD_UP, &[]).await.unwrap().get::<_, bool>(0) {
        tokio::task::yield_now().await;
    }
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let (over, is_over) = mpsc::channel::<()>();
    let executor = server.services.executor.clone();
    let mut looking = Box::pin(async move {
        let look = move |_: &Organization, _| {
            begun.send(()).unwrap();
            is_over.recv().unwrap();
        };
        executor.view(id, look).await
    });
    assert!(looking.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    database.batch_execute(LET_GO).await.unwrap();
    has_begun.await.unwrap();

    let answer = tokio::time::timeout(PATIENCE, http.get("/v1/me")).await;
    over.send(()).unwrap();
    answer.expect("the thread for clients answers").expect(200);
    looking.await.unwrap();
    renaming.await.unwrap().expect(204);
}

/// Logins at a time, many times what can be hashed at once.
const LOGINS: usize = 60;

/// Whoever hashes nothing is served while those who do wait for each other, however many there are.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_waits_for_the_hashes_of_others() {
    let server = TestServer::start().await;
    let ann = Person::register(&server, "ann").await;
    let (http, nobody) = (ann.http().await, server.http());
    let mut logins = tokio::task::JoinSet::new();
    let mut next = {
        let mut number = 0;
        move |logins: &mut tokio::task::JoinSet<u16>| {
            number += 1;
            let login = json!({ "email": format!("{number}@envoi.test"), "password": "wrong password" });
            let nobody = nobody.clone();
            logins.spawn(async move { nobody.post("/v1/sessions", &login).await.status });
        }
    };
    (0..LOGINS).for_each(|_| next(&mut logins));
    let others = async {
        http.get("/v1/me").await.expect(200);
        http.post("/v1/organizations", &json!({ "name": "Acme" })).await.expect(201);
        http.get("/v1/me/sessions").await.expect(200);
    };
    let mut others = std::pin::pin!(others);
    loop {
        tokio::select! {
            () = &mut others => break,
            // As many as before wait at any time.
            Some(status) = logins.join_next() => {
                let status = status.unwrap();
                assert!(matches!(status, 401 | 429 | 503), "{status}");
                next(&mut logins);
            }
        }
    }
    assert!(logins.len() >= LOGINS, "the flood had ended before");
}
