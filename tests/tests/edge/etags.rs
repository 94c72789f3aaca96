//! What was read before and is still so is not sent again.

use reqwest::Method;
use serde_json::json;
use tests::http::{Answer, Http, send};
use tests::person::Person;
use tests::server::TestServer;

async fn get(http: &Http, path: &str, known: &str) -> Answer {
    send(http.request(Method::GET, path).header("if-none-match", known)).await
}

#[tokio::test]
async fn what_is_still_as_it_was_is_answered_with_304() {
    let server = TestServer::start().await;
    let http = Person::register(&server, "ann").await.http().await;
    let created = http.post("/v1/organizations", &json!({ "name": "Acme" })).await.expect(201);
    let path = format!("/v1/organizations/{}", created.json["organization_id"].as_str().unwrap());
    server.settled().await;
    for read in [path.as_str(), "/v1/organizations", "/v1/me"] {
        let tag = http.get(read).await.expect(200).header("etag").to_owned();
        let same = get(&http, read, &format!("\"other\", W/{tag}")).await;
        assert_eq!((same.status, same.header("etag")), (304, tag.as_str()), "{read}");
        assert_eq!(same.json, json!(null), "{read}");
        get(&http, read, "\"other\"").await.expect(200);
    }

    let read = http.get(&path).await.expect(200);
    let change = |tag: &str, name: &str| {
        let request =
            http.request(Method::PUT, &format!("{path}/profile")).header("if-match", tag.to_owned());
        send(request.json(&json!({ "name": name })))
    };
    change(created.header("etag"), "Acme 2").await.expect(204);
    server.settled().await;
    get(&http, &path, read.header("etag")).await.expect(200);
    change(created.header("etag"), "Acme 3").await.refused(412, "revision_mismatch");
    // What has no revision is nothing to base a change on.
    change(read.header("etag"), "Acme 4").await.refused(400, "invalid_header");
}

#[tokio::test]
async fn nobody_learns_from_a_tag_what_they_may_not_read() {
    let server = TestServer::start().await;
    let http = Person::register(&server, "ann").await.http().await;
    let created = http.post("/v1/organizations", &json!({ "name": "Acme" })).await.expect(201);
    let path = format!("/v1/organizations/{}", created.json["organization_id"].as_str().unwrap());
    server.settled().await;
    let tag = http.get(&path).await.expect(200).header("etag").to_owned();
    let other = Person::register(&server, "bob").await.http().await;
    for known in [tag.as_str(), "*"] {
        get(&other, &path, known).await.refused(404, "organization_not_found");
        get(&server.http(), &path, known).await.refused(401, "unauthenticated");
    }
}
