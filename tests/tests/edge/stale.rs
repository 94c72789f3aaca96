//! What one has written is read from its position on, also after a crash of the database that took the read models back.

use reqwest::Method;
use serde_json::json;
use tests::http::{Answer, send};
use tests::person::Person;
use tests::server::{Options, until};

use crate::postgres::Postgres;

/// How often the database crashes, if the environment does not say otherwise.
const CRASHES: usize = 4;
/// Names how often.
const CRASHES_VARIABLE: &str = "ENVOI_TEST_CRASHES";

fn names(answer: &Answer) -> Vec<String> {
    let items = answer.json["items"].as_array().unwrap();
    items.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_crash_of_the_database_makes_no_read_of_ones_own_write_stale() {
    let crashes = std::env::var(CRASHES_VARIABLE).map_or(CRASHES, |count| count.parse().expect("a number"));
    let postgres = Postgres::start().await;
    let server = postgres.serve(Options::default()).await;
    let http = Person::register(&server, "ann").await.http().await;
    for crash in 0..crashes {
        let name = format!("number {crash}");
        let written = until(async || {
            let body = json!({ "name": name });
            let answer = http.post_keyed("/v1/organizations", &body, &format!("crash-{crash}")).await;
            assert!(matches!(answer.status, 201 | 503), "{answer:?}");
            (answer.status == 201).then_some(answer)
        })
        .await;
        let position = written.header("envoi-position");
        // Answers that one has to come back later may come in any number.
        let read = async || {
            let request = http.request(Method::GET, "/v1/organizations?limit=200");
            let answer = send(request.header("envoi-min-position", position)).await;
            assert!(matches!(answer.status, 200 | 503), "{answer:?}");
            (answer.status == 200).then_some(answer)
        };
        assert!(names(&until(read).await).contains(&name));
        // The write is on disk; that it was folded may not be.
        postgres.stop_immediately().await;
        postgres.start_again().await;
        let after = until(read).await;
        assert!(names(&after).contains(&name), "stale after crash {crash}: {after:?}");
    }
    server.settled().await;
    drop(server);
    postgres.destroy().await;
}
