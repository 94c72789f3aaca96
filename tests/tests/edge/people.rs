//! Finding people of an organization by name, on two nodes.

use domain::OrganizationId;
use domain::organization::OrganizationRole;
use eventstore_schema::Position;
use eventstore_schema::keyring::{Destruction, KeyName};
use serde_json::{Value, json};
use tests::http::Http;
use tests::person::Person;
use tests::server::{TestServer, until};

/// Finds on a node whom it means, as soon as it has read the names.
async fn found(http: &Http, organization: OrganizationId, query: &str) -> Vec<Value> {
    let path = format!("/v1/organizations/{organization}/people?query={query}");
    let answer = until(async || {
        let answer = http.get(&path).await.expect(200).json;
        (answer["is_complete"] == true).then_some(answer)
    })
    .await;
    answer["items"].as_array().unwrap().iter().map(|item| item["display_name"].clone()).collect()
}

async fn rename(person: &Person, name: &str) {
    let body = json!({ "display_name": name, "locale": null });
    person.http().await.put("/v1/me/profile", &body).await.expect(204);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_found_on_every_node_by_the_names_that_they_have_now() {
    let server = TestServer::start().await;
    let other = server.another().await;
    let (ann, ben, eve) = tokio::join!(
        Person::register(&server, "ann"),
        Person::register(&server, "ben"),
        Person::register(&server, "eve")
    );
    rename(&ann, "Zo\u{eb} Archer").await;
    rename(&ben, "Ben Archer-Smith").await;
    let organization = ann.client.create_organization("Acme").await.unwrap();
    ann.bring(organization, &ben, OrganizationRole::Guest).await;
    server.settled().await;
    let token = ben.client.session().token().await.unwrap();
    let here = ben.http().await;
    let nodes = [here, Http::new(&other.url()).with_token(&token)];
    for node in &nodes {
        let mut archers = found(node, organization, "arch").await;
        archers.sort_by_key(|name| name.to_string());
        assert_eq!(archers, [json!("Ben Archer-Smith"), json!("Zo\u{eb} Archer")]);
        assert_eq!(found(node, organization, "ZOE").await, [json!("Zo\u{eb} Archer")]);
        assert_eq!(found(node, organization, "smith%20ben").await, [json!("Ben Archer-Smith")]);
        assert_eq!(found(node, organization, "rcher").await, Vec::<Value>::new());
    }
    // A new name is found as soon as the read models show it, the old one no more.
    rename(&ann, "Zora Bell").await;
    ann.bring(organization, &eve, OrganizationRole::Member).await;
    rename(&eve, "Eve Archer").await;
    server.settled().await;
    other.settled().await;
    for node in &nodes {
        until(async || (found(node, organization, "bell").await == [json!("Zora Bell")]).then_some(())).await;
        assert_eq!(found(node, organization, "zoe").await, Vec::<Value>::new());
        until(async || (found(node, organization, "eve").await == [json!("Eve Archer")]).then_some(())).await;
    }
    // Who was removed is found no more.
    let removed = format!("/v1/organizations/{organization}/members/{}", eve.id());
    ann.http().await.delete(&removed).await.expect(204);
    server.settled().await;
    for node in &nodes {
        assert_eq!(found(node, organization, "eve").await, Vec::<Value>::new());
    }
    // Nor is whose name was erased, on the node where it was and on others.
    let destruction = Destruction { position: Position::new(9), at: server.clock.now() };
    let key = KeyName::Subject(ann.id().into());
    server.keyring.destroy(key, destruction).await.unwrap();
    other.keyring.invalidate(key);
    for node in &nodes {
        until(async || found(node, organization, "zora").await.is_empty().then_some(())).await;
        assert_eq!(found(node, organization, "ben").await, [json!("Ben Archer-Smith")]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tenant_finds_nobody_and_what_is_asked_for_has_a_letter() {
    let server = TestServer::start().await;
    let (ann, eve) = tokio::join!(Person::register(&server, "ann"), Person::register(&server, "eve"));
    let organization = ann.client.create_organization("Acme").await.unwrap();
    let theirs = eve.client.create_organization("Other").await.unwrap();
    server.settled().await;
    let (anns, eves) = (ann.http().await, eve.http().await);
    assert_eq!(found(&anns, organization, "ann").await, [json!("ann")]);
    let path = format!("/v1/organizations/{organization}/people");
    eves.get(&format!("{path}?query=ann")).await.refused(404, "organization_not_found");
    assert_eq!(found(&eves, theirs, "ann").await, Vec::<Value>::new());
    for wrong in ["query=", "query=%20-", "query=a&limit=0", "query=a&limit=51", "limit=1"] {
        anns.get(&format!("{path}?{wrong}")).await.refused(400, "invalid_query");
    }
    let long = "a".repeat(1_000);
    anns.get(&format!("{path}?query={long}")).await.refused(400, "invalid_query");
    let people = ann.client.find_people(organization, "A").await.unwrap();
    assert_eq!((people.items.len(), people.has_more, people.is_complete), (1, false, true));
}
