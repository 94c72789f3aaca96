//! Removal and reset hold at once: on another server than the one that took them, with every reactor dead.

use domain::ConversationId;
use domain::organization::OrganizationRole;
use serde_json::{Value, json};
use tests::http::{Answer, Http};
use tests::person::{CHEAP, PASSPHRASE, PASSWORD, Person};
use tests::server::{TestServer, until};

/// Two servers over one database, none of which answers events, and two people in an organization.
struct Site {
    here: TestServer,
    there: TestServer,
    ann: Person,
    ben: Person,
    organization: domain::OrganizationId,
}

impl Site {
    async fn new() -> Self {
        let mut here = TestServer::start().await;
        let (ann, ben) = tokio::join!(Person::with_device(&here, "ann"), Person::with_device(&here, "ben"));
        let organization = ann.client.create_organization("Acme").await.unwrap();
        ann.bring(organization, &ben, OrganizationRole::Member).await;
        here.stop_reactions().await;
        let there = here.another().await;
        Self { here, there, ann, ben, organization }
    }

    /// Requests of Ben to the other server, which has seen him send there.
    async fn bens(&self, id: ConversationId) -> Http {
        let token = self.ben.client.session().token().await.unwrap();
        let http = self.there.http().with_token(&token);
        send(&http, id, "while he may").await.expect(201);
        http
    }

    async fn group(&self, workspace: Option<domain::WorkspaceId>) -> ConversationId {
        let body = json!({ "title": "Plans", "allows_plaintext": true, "workspace_id": workspace,
            "members": [self.ben.id()] });
        let path = format!("/v1/organizations/{}/conversations", self.organization);
        let opened = self.ann.http().await.post(&path, &body).await.expect(201);
        serde_json::from_value(opened.json["conversation_id"].clone()).unwrap()
    }

    /// A stranger is all that Ben is to the conversation, and nothing that was said since comes to him.
    async fn is_stranger(&self, bens: &Http, id: ConversationId) {
        let said = send(&self.ann.http().await, id, "without him").await.expect(201);
        self.there.settled().await;
        let path = format!("/v1/conversations/{id}");
        let message = format!("{path}/messages/{}", said.json["number"]);
        send(bens, id, "still here").await.refused(404, "conversation_not_found");
        for path in [&path, &message, &format!("{path}/members"), &format!("{path}/recipients")] {
            bens.get(path).await.refused(404, "conversation_not_found");
        }
    }
}

async fn send(http: &Http, id: ConversationId, text: &str) -> Answer {
    use base64::Engine;
    let content = base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(text);
    let body = json!({ "generation": 0, "reply_to": null, "content": content, "cipher": null });
    http.post(&format!("/v1/conversations/{id}/messages"), &body).await
}

/// The conversation's projection has set it aside since before somebody left it.
async fn set_aside(site: &Site, id: ConversationId, who: &Person) {
    let database = site.there.database().await;
    let sql = "UPDATE read.conversation_members SET left_at = NULL, left_position = NULL \
               WHERE conversation_id = $1 AND account_id = $2";
    let changed =
        database.execute(&projections::qualified(sql), &[&id.as_uuid(), &who.id().as_uuid()]).await.unwrap();
    assert_eq!(changed, 1);
    let sql = "INSERT INTO projection.parked_events \
               (projection, fingerprint, position, organization_id, stream, revision, event_type) \
               SELECT name, fingerprint, 1, $2, 'conversation-' || $1::uuid::text, 0, 'conversation.member_left' \
               FROM projection.checkpoints WHERE name = 'conversations'";
    database.execute(sql, &[&id.as_uuid(), &site.organization.as_uuid()]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_that_was_set_aside_is_not_shown_to_who_was_removed_from_it() {
    let site = Site::new().await;
    let (id, stays) = (site.group(None).await, site.group(None).await);
    let bens = site.bens(id).await;
    let member = format!("/v1/conversations/{id}/members/{}", site.ben.id());
    site.ann.http().await.delete(&member).await.expect(204);
    send(&site.ann.http().await, id, "without him").await.expect(201);
    site.there.settled().await;
    set_aside(&site, id, &site.ben).await;
    let list = format!("/v1/organizations/{}/conversations", site.organization);
    for path in [&list, &format!("{list}/activity")] {
        let shown = bens.get(path).await.expect(200);
        assert_eq!(ids(&shown.json, "conversation_id"), [json!(stays)], "{path}");
        let shown = site.ann.http_at(&site.there).await.get(path).await.expect(200);
        assert_eq!(ids(&shown.json, "conversation_id").len(), 2, "{path}");
    }
    let synced = bens.get("/v1/sync").await.expect(200);
    let synced = synced.json["conversations"].as_array().unwrap();
    assert!(synced.iter().all(|one| one["conversation"]["conversation_id"] == json!(stays)), "{synced:?}");
    assert_eq!(synced.len(), 1);
}

fn ids(page: &Value, name: &str) -> Vec<Value> {
    page["items"].as_array().unwrap().iter().map(|item| item[name].clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_removed_from_the_organization_is_out_everywhere_at_once() {
    let site = Site::new().await;
    let id = site.group(None).await;
    let bens = site.bens(id).await;
    let member = format!("/v1/organizations/{}/members/{}", site.organization, site.ben.id());
    site.ann.http().await.delete(&member).await.expect(204);
    site.is_stranger(&bens, id).await;
    let mine = bens.get("/v1/organizations").await.expect(200);
    assert_eq!(ids(&mine.json, "organization_id"), Vec::<Value>::new());
    bens.get(&format!("/v1/accounts/{}/profile", site.ann.id())).await.refused(404, "account_not_found");
    bens.get(&format!("/v1/accounts/{}/keys", site.ann.id())).await.refused(404, "account_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_removed_from_the_workspace_is_out_of_its_conversations_at_once() {
    let site = Site::new().await;
    let workspace = site.ann.client.create_workspace(site.organization, "Lab").await.unwrap();
    let people = format!("/v1/workspaces/{workspace}/members");
    let anns = site.ann.http().await;
    let ben = json!({ "account_id": site.ben.id(), "role": "member" });
    anns.post(&people, &ben).await.expect(204);
    let (id, elsewhere) = (site.group(Some(workspace)).await, site.group(None).await);
    let bens = site.bens(id).await;
    anns.delete(&format!("{people}/{}", site.ben.id())).await.expect(204);
    site.is_stranger(&bens, id).await;
    let list = format!("/v1/organizations/{}/conversations", site.organization);
    let mine = bens.get(&list).await.expect(200);
    assert_eq!(ids(&mine.json, "conversation_id"), [json!(elsewhere)]);
    send(&bens, elsewhere, "not from everywhere").await.expect(201);
    anns.post(&format!("/v1/workspaces/{workspace}/archive"), &json!({})).await.expect(204);
    send(&anns, id, "too late").await.refused(409, "workspace_archived");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_back_to_the_organization_finds_no_workspace_from_before() {
    let site = Site::new().await;
    let workspace = site.ann.client.create_workspace(site.organization, "Lab").await.unwrap();
    let anns = site.ann.http().await;
    let ben = json!({ "account_id": site.ben.id(), "role": "member" });
    anns.post(&format!("/v1/workspaces/{workspace}/members"), &ben).await.expect(204);
    let path = format!("/v1/organizations/{}/workspaces", site.organization);
    site.here.settled().await;
    let mine = site.ben.http().await.get(&path).await.expect(200);
    assert_eq!(ids(&mine.json, "workspace_id"), [json!(workspace)]);
    let member = format!("/v1/organizations/{}/members/{}", site.organization, site.ben.id());
    anns.delete(&member).await.expect(204);
    site.ann.bring(site.organization, &site.ben, OrganizationRole::Member).await;
    site.here.settled().await;
    let bens = site.ben.http().await;
    assert_eq!(ids(&bens.get(&path).await.expect(200).json, "workspace_id"), Vec::<Value>::new());
    bens.get(&format!("/v1/workspaces/{workspace}")).await.refused(404, "workspace_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_from_before_its_session_had_a_device_ends_with_the_device() {
    let mut here = TestServer::start().await;
    let ann = Person::register(&here, "ann").await;
    here.stop_reactions().await;
    let there = here.another().await;
    let before = ann.client.session().token().await.unwrap();
    ann.client.set_up(PASSPHRASE, CHEAP, "test").await.unwrap();
    // One that never hears of the binding: it begins to follow behind it.
    let late = here.another().await;
    for server in [&here, &there, &late, &late] {
        server.http().with_token(&before).get("/v1/me").await.expect(200);
    }
    let devices = ann.http().await.get("/v1/me/devices").await.expect(200);
    let device = ids(&devices.json, "device_id").remove(0);
    let revoke = format!("/v1/me/devices/{}/revoke", device.as_str().unwrap());
    ann.http().await.post(&revoke, &json!({ "cause": "lost" })).await.expect(204);
    here.http().with_token(&before).get("/v1/me").await.refused(401, "unauthenticated");
    for server in [&there, &late] {
        let reads = server.http().with_token(&before);
        until(async || (reads.get("/v1/me").await.status == 401).then_some(())).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_set_anew_ends_all_other_sessions_everywhere_at_once() {
    let site = Site::new().await;
    let thief = json!({ "email": site.ben.email, "password": PASSWORD });
    let thief = site.there.http().post("/v1/sessions", &thief).await.expect(200).json;
    let (token, refresh) =
        (thief["access_token"].as_str().unwrap(), json!({ "refresh_token": thief["refresh_token"] }));
    let thiefs = site.there.http().with_token(token);
    thiefs.get("/v1/me").await.expect(200);
    let change = json!({ "old_password": PASSWORD, "new_password": "brand new password" });
    site.ben.http().await.put("/v1/me/password", &change).await.expect(204);
    let profile = json!({ "display_name": "Thief", "locale": null });
    thiefs.put("/v1/me/profile", &profile).await.refused(401, "unauthenticated");
    for server in [&site.there, &site.here] {
        server.http().post("/v1/sessions/refresh", &refresh).await.refused(401, "refresh_refused");
        let reads = server.http().with_token(token);
        until(async || (reads.get("/v1/me").await.status == 401).then_some(())).await;
    }
    let own = site.there.http().with_token(&site.ben.client.session().token().await.unwrap());
    own.put("/v1/me/profile", &json!({ "display_name": "Ben", "locale": null })).await.expect(204);
}
