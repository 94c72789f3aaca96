//! Beginning anew: what an address was used for before its owner proved it, and what whoever has lost everything can do.

use domain::organization::OrganizationRole;
use envoi_client::api::dto::NewGroup;
use envoi_client::messages::Body;
use envoi_client::{Client, Keep, Server};
use serde_json::json;
use tests::person::{CHEAP, PASSPHRASE, PASSWORD, Person};
use tests::server::{TestServer, until};

const NEW_PASSWORD: &str = "a password of her own";
const NEW_PASSPHRASE: &str = "a passphrase of her own altogether";

/// Resets somebody's password by mail, and logs in from nowhere known.
async fn reset_by_mail(server: &TestServer, email: &str) -> Client {
    let http = server.http();
    let seen = server.mailed_token(email).await;
    http.post("/v1/accounts/request-password-reset", &json!({ "email": email })).await.expect(202);
    let token = until(async || {
        let token = server.mailed_token(email).await;
        (token != seen).then_some(token)
    })
    .await;
    let body = json!({ "token": token, "password": NEW_PASSWORD });
    http.post("/v1/accounts/reset-password", &body).await.expect(204);
    Server::new(&server.url()).unwrap().login(email, NEW_PASSWORD, Keep::Memory).await.unwrap()
}

#[tokio::test]
async fn whoever_has_lost_everything_begins_anew_after_a_reset_by_mail() {
    let server = TestServer::start().await;
    let (ann, bob) = tokio::join!(Person::with_device(&server, "ann"), Person::with_device(&server, "bob"));
    let organization = ann.client.create_organization("Acme").await.unwrap();
    ann.bring(organization, &bob, OrganizationRole::Member).await;
    let new = NewGroup { members: vec![bob.id()], ..NewGroup::default() };
    let group = ann.client.create_group(organization, &new).await.unwrap();
    bob.client.send_text(group, "before").await.unwrap();

    // Not without a reset, and nothing changes.
    let refused = ann.client.begin_anew(NEW_PASSPHRASE, CHEAP, "new").await.unwrap_err();
    assert!(refused.is("identity_exists"), "{refused}");
    let before = ann.client.device_id().unwrap();
    let again = reset_by_mail(&server, &ann.email).await;
    again.begin_anew(NEW_PASSPHRASE, CHEAP, "new").await.unwrap();
    let after = again.device_id().unwrap();
    assert_ne!(before, after);
    let devices = again.devices().await.unwrap();
    let revoked: Vec<_> = devices.iter().filter(|one| one.revoked_at.is_some()).collect();
    assert_eq!(revoked.iter().map(|one| one.device_id).collect::<Vec<_>>(), [before]);

    // Nothing of before is a recipient of anything any more, and she reads what is written from now on.
    let http = bob.http().await;
    let recipients = format!("/v1/conversations/{group}/recipients");
    until(async || {
        let roster = http.get(&recipients).await.expect(200).json;
        let text = roster.to_string();
        (!text.contains(&before.to_string()) && text.contains(&after.to_string())).then_some(())
    })
    .await;
    assert!(bob.client.send_text(group, "unseen").await.is_err(), "she has another safety number");
    bob.client.people().accept_new_identity(ann.id()).await.unwrap();
    bob.client.send_text(group, "after").await.unwrap();
    server.settled().await;
    let read = again.latest(group, 1).await.unwrap();
    assert!(matches!(read[0].body, Body::Encrypted { .. }), "{:?}", read[0].body);
    let other = Server::new(&server.url()).unwrap();
    let other = other.login(&ann.email, NEW_PASSWORD, Keep::Memory).await.unwrap();
    assert!(other.set_up(PASSPHRASE, CHEAP, "old passphrase").await.is_err());
    let refused = other.begin_anew(NEW_PASSPHRASE, CHEAP, "once more").await.unwrap_err();
    assert!(refused.is("identity_exists"), "each reset admits one: {refused}");
    other.set_up(NEW_PASSPHRASE, CHEAP, "another").await.unwrap();
}

#[tokio::test]
async fn whoever_registered_the_address_before_its_owner_keeps_nothing() {
    let server = TestServer::start().await;
    let http = server.http();
    let email = "vera@envoi.test";
    let register = |password: &str| json!({ "email": email, "password": password, "display_name": "Vera" });
    // Mallory registers; Vera, who takes the mail for an answer to something else, confirms, and Mallory moves in.
    http.post("/v1/accounts", &register(PASSWORD)).await.expect(202);
    let token = server.mailed_token(email).await;
    http.post("/v1/accounts/confirm-email", &json!({ "token": token })).await.expect(204);
    let mallory = Server::new(&server.url()).unwrap().login(email, PASSWORD, Keep::Memory).await.unwrap();
    mallory.set_up(PASSPHRASE, CHEAP, "mallory's").await.unwrap();
    let theirs = mallory.session().token().await.unwrap();

    let vera = reset_by_mail(&server, email).await;
    until(async || (http.with_token(&theirs).get("/v1/me").await.status == 401).then_some(())).await;
    vera.begin_anew(NEW_PASSPHRASE, CHEAP, "vera's").await.unwrap();
    let ann = Person::with_device(&server, "ann").await;
    let organization = ann.client.create_organization("Acme").await.unwrap();
    let day = std::time::Duration::from_secs(86_400);
    let invitation = ann.client.invite(organization, OrganizationRole::Member, 1, day).await.unwrap();
    vera.accept_invitation(&invitation.token).await.unwrap();
    let new = NewGroup { members: vec![vera.account_id()], ..NewGroup::default() };
    let group = ann.client.create_group(organization, &new).await.unwrap();
    let roster =
        ann.http().await.get(&format!("/v1/conversations/{group}/recipients")).await.expect(200).json;
    let mut hers: Vec<_> = roster["recipients"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["account_id"] == json!(vera.account_id()))
        .map(|one| one["kind"].as_str().unwrap().to_owned())
        .collect();
    hers.sort();
    assert_eq!(hers, ["device", "recovery"]);
    let text = roster.to_string();
    assert!(text.contains(&vera.device_id().unwrap().to_string()));
    assert!(!text.contains(&mallory.device_id().unwrap().to_string()));
    ann.client.send_text(group, "for vera").await.unwrap();
}
