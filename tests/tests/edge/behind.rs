//! Read models that lag behind what a client has done.

use domain::organization::OrganizationRole;
use reqwest::Method;
use serde_json::json;
use tests::http::send;
use tests::person::Person;
use tests::server::{TestServer, until};

/// Holds a projection back: it cannot note how far it has come.
const HOLD: &str = "BEGIN; SELECT FROM projection.checkpoints WHERE name = 'organizations' FOR UPDATE";

/// Who may see whom is in other read models than what is seen.
#[tokio::test]
async fn whom_somebody_has_just_met_is_not_unknown_but_not_shown_yet() {
    let server = TestServer::start().await;
    let (ann, bob) = tokio::join!(Person::with_device(&server, "ann"), Person::with_device(&server, "bob"));
    let organization = ann.client.create_organization("Acme").await.unwrap();
    server.settled().await;
    let database = server.database().await;
    database.batch_execute(HOLD).await.unwrap();
    ann.bring(organization, &bob, OrganizationRole::Member).await;
    let http = bob.http().await;
    let done = http.put("/v1/me/metadata", &json!({ "phone": "+4915112345678" })).await.expect(204);
    let position = done.header("envoi-position").to_owned();
    let paths = ["profile", "keys"].map(|what| format!("/v1/accounts/{}/{what}", ann.id()));
    let ask = async |path: &str| {
        send(http.request(Method::GET, path).header("envoi-min-position", position.clone())).await
    };
    for path in &paths {
        ask(path).await.refused(503, "behind");
    }
    database.batch_execute("ROLLBACK").await.unwrap();
    for path in &paths {
        until(async || (ask(path).await.status == 200).then_some(())).await;
    }
}
