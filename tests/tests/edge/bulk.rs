//! Several of a kind at once, and names beside ids.

use domain::organization::OrganizationRole;
use domain::{AccountId, ConversationId};
use envoi_client::api::dto::NewGroup;
use serde_json::{Value, json};
use tests::person::Person;
use tests::server::TestServer;

fn column(page: &Value, name: &str) -> Vec<Value> {
    page["items"].as_array().unwrap().iter().map(|item| item[name].clone()).collect()
}

struct Office {
    server: TestServer,
    ann: Person,
    ben: Person,
    eve: Person,
    id: ConversationId,
}

/// Ann and Ben with a conversation; Eve, whom neither knows.
async fn office() -> Office {
    let server = TestServer::start().await;
    let (ann, ben, eve) = tokio::join!(
        Person::with_device(&server, "ann"),
        Person::with_device(&server, "ben"),
        Person::with_device(&server, "eve")
    );
    let organization = ann.client.create_organization("Acme").await.unwrap();
    ann.bring(organization, &ben, OrganizationRole::Member).await;
    let new = NewGroup { members: vec![ben.id()], ..NewGroup::default() };
    let id = ann.client.create_group(organization, &new).await.unwrap();
    Office { server, ann, ben, eve, id }
}

#[tokio::test(flavor = "multi_thread")]
async fn profiles_and_keys_of_several_come_at_once_and_strangers_look_like_nobody() {
    let Office { server, ann, ben, eve, .. } = office().await;
    server.settled().await;
    let nobody = AccountId::from_bytes([7; 16]);
    let accounts = [ann.id(), ben.id(), eve.id(), nobody].map(|id| id.to_string()).join(",");
    let http = ann.http().await;
    let mut known = [ann.id(), ben.id()];
    known.sort();
    let profiles = http.get(&format!("/v1/accounts/profiles?accounts={accounts}")).await.expect(200).json;
    assert_eq!(column(&profiles, "account_id"), known.map(|id| json!(id)));
    let keys = http.get(&format!("/v1/accounts/keys?accounts={accounts}")).await.expect(200).json;
    assert_eq!(column(&keys, "account_id"), known.map(|id| json!(id)));
    assert_eq!(column(&keys, "has_more_devices"), [json!(false), json!(false)]);
    for (id, all) in known.iter().zip(keys["items"].as_array().unwrap()) {
        let alone = http.get(&format!("/v1/accounts/{id}/keys")).await.expect(200).json;
        assert_eq!(all["devices"], alone["devices"]);
        assert_eq!(all["identity_key"], alone["identity_key"]);
    }
    let strangers = eve.http().await.get(&format!("/v1/accounts/keys?accounts={accounts}")).await.expect(200);
    assert_eq!(column(&strangers.json, "account_id"), [json!(eve.id())]);
    for wrong in ["", "x", &format!("{accounts},")] {
        http.get(&format!("/v1/accounts/keys?accounts={wrong}")).await.refused(400, "invalid_query");
    }
    let many =
        (0..51).map(|number| AccountId::from_bytes([number; 16]).to_string()).collect::<Vec<_>>().join(",");
    http.get(&format!("/v1/accounts/profiles?accounts={many}")).await.refused(400, "invalid_query");
}

#[tokio::test(flavor = "multi_thread")]
async fn reactions_on_several_messages_come_in_pages() {
    let Office { server, ann, ben, eve, id } = office().await;
    for text in ["one", "two", "three"] {
        ann.client.send_text(id, text).await.unwrap();
    }
    for (number, slot) in [(1, 0), (1, 1), (3, 0)] {
        ben.client.messages().react(id, number, slot, "\u{1f389}").await.unwrap();
    }
    server.settled().await;
    let http = ann.http().await;
    let path = format!("/v1/conversations/{id}/reactions");
    let first = http.get(&format!("{path}?numbers=3,1,2,99&limit=2")).await.expect(200).json;
    assert_eq!(column(&first, "number"), [json!(1), json!(1)]);
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = http.get(&format!("{path}?numbers=1,2,3,99&limit=2&cursor={cursor}")).await.expect(200).json;
    assert_eq!(
        (column(&second, "number"), column(&second, "account_id")),
        (vec![json!(3)], vec![json!(ben.id())])
    );
    let all =
        envoi_client::api::messages::reactions_on(ann.client.session(), id, &[1, 3], None).await.unwrap();
    assert_eq!(all.items.len(), 3);
    eve.http().await.get(&format!("{path}?numbers=1")).await.refused(404, "conversation_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_tell_what_people_are_called() {
    let Office { server, ann, ben, id, .. } = office().await;
    let http = ben.http().await;
    let renamed = json!({ "display_name": "Ben Baker", "locale": null });
    http.put("/v1/me/profile", &renamed).await.expect(204);
    ann.client.send_text(id, "hello").await.unwrap();
    ben.client.send_text(id, "hi").await.unwrap();
    server.settled().await;
    let members = http.get(&format!("/v1/conversations/{id}/members")).await.expect(200).json;
    let named = |page: &Value, who: &Person| {
        let rows = page.as_array().unwrap().iter();
        let mut names = rows.filter(|row| row["account_id"] == json!(who.id()));
        names.next().map(|row| (row["display_name"].clone(), row["erased"].clone()))
    };
    let told = |name: &str| Some((json!(name), json!(false)));
    assert_eq!(named(&members["items"], &ben), told("Ben Baker"));
    assert_eq!(named(&members["items"], &ann), told("ann"));
    let messages = http.get(&format!("/v1/conversations/{id}/messages")).await.expect(200).json;
    assert_eq!(messages["senders"].as_array().unwrap().len(), 2);
    assert_eq!(named(&messages["senders"], &ben), told("Ben Baker"));
    ann.client.remove_member(id, ben.id()).await.unwrap();
    server.settled().await;
    // Who left is named beside what they said.
    let messages = ann.http().await.get(&format!("/v1/conversations/{id}/messages")).await.expect(200).json;
    assert_eq!(named(&messages["senders"], &ben), told("Ben Baker"));
}

#[tokio::test(flavor = "multi_thread")]
async fn conversations_are_listed_by_activity_and_polled_for_what_came_since() {
    use envoi_client::api::conversations::{active_since, by_activity};
    let Office { server, ann, ben, eve, id } = office().await;
    let organization = envoi_client::api::organizations::list(ann.client.session(), None).await.unwrap();
    let organization = organization.items[0].organization_id;
    let second = ann.client.create_group(organization, &NewGroup::default()).await.unwrap();
    let third = ann.client.create_group(organization, &NewGroup::default()).await.unwrap();
    ann.client.send_text(id, "one").await.unwrap();
    server.settled().await;
    let session = ann.client.session();
    let ids = |page: &envoi_client::api::dto::Activity| {
        page.items.iter().map(|item| item.conversation_id).collect::<Vec<_>>()
    };
    let first = by_activity(session, organization, None).await.unwrap();
    assert_eq!((ids(&first), &first.next_cursor), (vec![id, third, second], &None));
    // From page to page.
    let path = format!("/v1/organizations/{organization}/conversations/activity");
    let http = ann.http().await;
    let page = http.get(&format!("{path}?limit=2")).await.expect(200).json;
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = http.get(&format!("{path}?limit=2&cursor={cursor}")).await.expect(200).json;
    assert_eq!((column(&rest, "conversation_id"), &rest["poll_cursor"]), (vec![json!(second)], &Value::Null));
    // Nothing has happened since; then something does, and somebody is let in where nothing is said.
    let poll = first.poll_cursor.unwrap();
    let none = active_since(session, organization, &poll).await.unwrap();
    assert_eq!((ids(&none), none.poll_cursor.as_ref()), (vec![], Some(&poll)));
    ann.client.send_text(second, "two").await.unwrap();
    ann.client.send_text(id, "three").await.unwrap();
    server.settled().await;
    let since = active_since(session, organization, &poll).await.unwrap();
    assert_eq!(ids(&since), [second, id]);
    let bens = ben.client.session();
    let before = by_activity(bens, organization, None).await.unwrap();
    assert_eq!(ids(&before), [id]);
    ann.client.add_member(third, ben.id(), domain::conversation::ConversationRole::Member).await.unwrap();
    server.settled().await;
    let since = active_since(bens, organization, &before.poll_cursor.unwrap()).await.unwrap();
    assert_eq!(ids(&since), [third]);
    eve.http().await.get(&path).await.refused(404, "organization_not_found");
    http.get(&format!("{path}?cursor=a&after=b")).await.refused(400, "invalid_query");
    http.get(&format!("{path}?after={cursor}x")).await.refused(400, "invalid_cursor");
}
