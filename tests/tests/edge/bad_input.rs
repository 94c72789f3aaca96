//! Input that no client would send: a clear answer, a stable code, nothing half-written.

use domain::organization::OrganizationRole;
use eventstore_schema::keyring::Secret;
use eventstore_schema::{Incarnation, Position};
use reqwest::Method;
use serde_json::{Value, json};
use tests::http::{Http, raw, send};
use tests::person::{PASSWORD, Person};
use tests::server::{TestServer, until};
use uuid::Uuid;

async fn post_bytes(http: &Http, path: &str, media_type: &str, body: Vec<u8>) -> tests::http::Answer {
    let request = http.request(Method::POST, path).header("idempotency-key", Uuid::now_v7().to_string());
    send(request.header("content-type", media_type).body(body)).await
}

#[tokio::test]
async fn a_body_that_is_no_json_is_refused() {
    let server = TestServer::start().await;
    let http = server.http();
    for body in [&b"{"[..], b"", b"[1,", b"{\"email\":\"\xff\xfe\"}", b"\x00", b"{} trailing"] {
        let answer = post_bytes(&http, "/v1/sessions", "application/json", body.to_vec()).await;
        answer.refused(400, "malformed_json");
    }
    let deep = [b"{\"email\":".as_slice(), &b"[".repeat(5_000), &b"]".repeat(5_000), b"}"].concat();
    post_bytes(&http, "/v1/sessions", "application/json", deep).await.expect(422);
}

#[tokio::test]
async fn json_that_does_not_fit_is_refused_and_the_field_is_named() {
    let server = TestServer::start().await;
    let http = server.http();
    let cases = [
        (json!({ "email": "a@b.c", "password": "p", "admin": true }), "admin"),
        (json!({ "email": "a@b.c" }), "password"),
        (json!({ "email": 7, "password": "p" }), "email"),
        (json!({ "email": "a@b.c", "password": "p", "device_id": "nope" }), "device_id"),
    ];
    for (body, field) in cases {
        let answer = http.post("/v1/sessions", &body).await.refused(422, "invalid_body");
        assert_eq!(answer.json["field"], field, "{body}");
    }
    http.post("/v1/sessions", &json!([])).await.refused(422, "invalid_body");
}

#[tokio::test]
async fn only_json_of_the_right_size_is_read() {
    let server = TestServer::start().await;
    let http = server.http();
    let login = json!({ "email": "a@b.c", "password": "p" }).to_string().into_bytes();
    for media_type in
        ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1", ""]
    {
        let answer = post_bytes(&http, "/v1/sessions", media_type, login.clone()).await;
        answer.refused(415, "unsupported_media_type");
    }
    let large = json!({ "email": "a".repeat(20_000), "password": "p" }).to_string().into_bytes();
    let answer = post_bytes(&http, "/v1/sessions", "application/json", large.clone()).await;
    answer.refused(413, "body_too_large");
    let head = "POST /v1/sessions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunked = [head.as_bytes(), b"4e20\r\n", &large[..20_000], b"\r\n"].concat();
    let answer = raw(server.public, &chunked).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn paths_methods_and_queries_that_lead_nowhere_are_refused() {
    let server = TestServer::start().await;
    let ann = Person::register(&server, "ann").await;
    let http = ann.http().await;
    http.get("/v1/nothing").await.refused(404, "not_found");
    http.get("/v1/organizations/not-an-id").await.refused(404, "not_found");
    http.get("/v1/organizations/..%2f..").await.refused(404, "not_found");
    let answer = http.put("/v1/organizations", &json!({})).await.refused(405, "method_not_allowed");
    assert_eq!(answer.header("allow"), "GET, HEAD, POST");
    http.get("/v1/organizations?limit=0").await.refused(400, "invalid_query");
    http.get("/v1/organizations?limit=x").await.refused(400, "invalid_query");
    http.get("/v1/organizations?unknown=1").await.refused(400, "invalid_query");
    http.get(&format!("/v1/organizations?cursor={}", "a".repeat(3_000))).await.refused(414, "query_too_long");
}

#[tokio::test]
async fn the_character_nul_is_refused_in_filters_and_texts() {
    let server = TestServer::start().await;
    let ann = Person::register(&server, "ann").await;
    let organization = ann.client.create_organization("Acme").await.unwrap();
    let http = ann.http().await;
    let audit = format!("/v1/organizations/{organization}/audit");
    http.get(&format!("{audit}?event_type=a%00b")).await.refused(400, "invalid_query");
    http.get("/v1/organizations?cursor=%00").await.refused(400, "invalid_query");
    http.get("/v1/organizations/%00").await.refused(404, "not_found");
    let name = json!({ "display_name": "A\u{0}" });
    http.put("/v1/me/profile", &name).await.refused(400, "malformed_json");
}

#[tokio::test]
async fn a_name_that_cannot_be_seen_or_poses_as_another_is_refused_wherever_names_are_given() {
    let server = TestServer::start().await;
    let ann = Person::with_device(&server, "ann").await;
    let organization = ann.client.create_organization("Acme").await.unwrap();
    let workspace = ann.client.create_workspace(organization, "Lab").await.unwrap();
    let group = ann.client.create_group(organization, &Default::default()).await.unwrap();
    let device = ann.client.device_id().unwrap();
    let http = ann.http().await;
    for name in ["\u{3164}", "Ada\u{200b} Lovelace", "Ada\u{2028}Lovelace", "Ada\u{e0041}", "p\u{430}ypal"] {
        for (path, body) in [
            ("/v1/me/profile".to_owned(), json!({ "display_name": name })),
            (format!("/v1/organizations/{organization}/profile"), json!({ "name": name })),
            (format!("/v1/workspaces/{workspace}/profile"), json!({ "name": name })),
            (format!("/v1/conversations/{group}/title"), json!({ "title": name })),
            (format!("/v1/me/devices/{device}"), json!({ "name": name })),
        ] {
            http.put(&path, &body).await.refused(422, "invalid_field");
        }
    }
    // Wide and repeated spaces are one plain space.
    http.put("/v1/me/profile", &json!({ "display_name": "\u{5c71}\u{7530}\u{3000}\u{592a}\u{90ce} " }))
        .await
        .expect(204);
    server.settled().await;
    let me = http.get("/v1/me").await.expect(200);
    assert_eq!(me.json["display_name"], "\u{5c71}\u{7530} \u{592a}\u{90ce}");
}

#[tokio::test]
async fn unknown_ids_and_those_of_another_tenant_are_answered_alike() {
    let server = TestServer::start().await;
    let (ann, eve) = tokio::join!(Person::with_device(&server, "ann"), Person::with_device(&server, "eve"));
    let organization = ann.client.create_organization("Acme").await.unwrap();
    let workspace = ann.client.create_workspace(organization, "Lab").await.unwrap();
    let group = ann.client.create_group(organization, &Default::default()).await.unwrap();
    ann.client.send_text(group, "hello").await.unwrap();
    server.settled().await;
    let http = eve.http().await;
    let nobody = Uuid::now_v7();
    let paths = [
        ("/v1/organizations/ID", organization.to_string()),
        ("/v1/organizations/ID/members", organization.to_string()),
        ("/v1/organizations/ID/audit", organization.to_string()),
        ("/v1/workspaces/ID", workspace.to_string()),
        ("/v1/workspaces/ID/members", workspace.to_string()),
        ("/v1/conversations/ID", group.to_string()),
        ("/v1/conversations/ID/messages", group.to_string()),
        ("/v1/conversations/ID/messages/1", group.to_string()),
        ("/v1/conversations/ID/recipients", group.to_string()),
        ("/v1/conversations/ID/wraps", group.to_string()),
        ("/v1/accounts/ID/keys", ann.id().to_string()),
        ("/v1/accounts/ID/profile", ann.id().to_string()),
    ];
    for (path, id) in paths {
        let theirs = http.get(&path.replace("ID", &id)).await.expect(404);
        let unknown = http.get(&path.replace("ID", &nobody.to_string())).await.expect(404);
        assert_eq!(without_request_id(theirs.json), without_request_id(unknown.json), "{path}");
    }
    let receipt = json!({ "delivered_up_to": 1, "read_up_to": 1 });
    let theirs = http.post(&format!("/v1/conversations/{group}/receipts"), &receipt).await.expect(404);
    let unknown = http.post(&format!("/v1/conversations/{nobody}/receipts"), &receipt).await.expect(404);
    assert_eq!(without_request_id(theirs.json), without_request_id(unknown.json));
}

fn without_request_id(mut problem: Value) -> Value {
    problem.as_object_mut().unwrap().remove("request_id");
    problem
}

#[tokio::test]
async fn a_command_without_a_fitting_idempotency_key_is_refused() {
    let server = TestServer::start().await;
    let http = Person::register(&server, "ann").await.http().await;
    let body = json!({ "name": "Acme" });
    let missing = http.request(Method::POST, "/v1/organizations").json(&body);
    send(missing).await.refused(400, "invalid_header");
    for key in ["", "two words", &"x".repeat(129)] {
        http.post_keyed("/v1/organizations", &body, key).await.refused(400, "invalid_header");
    }
}

#[tokio::test]
async fn a_repeated_command_answers_the_first_result_and_another_body_is_refused() {
    let server = TestServer::start().await;
    let http = Person::register(&server, "ann").await.http().await;
    let first = http.post_keyed("/v1/organizations", &json!({ "name": "Acme" }), "k").await.expect(201);
    assert_eq!(first.header("idempotency-replayed"), "");
    let again = http.post_keyed("/v1/organizations", &json!({ "name": "Acme" }), "k").await.expect(201);
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!((&again.json, again.header("etag")), (&first.json, first.header("etag")));
    let other = http.post_keyed("/v1/organizations", &json!({ "name": "Other" }), "k").await;
    other.refused(422, "idempotency_key_reused");
    let elsewhere = http.post_keyed("/v1/invitations/accept", &json!({ "token": "x" }), "k").await;
    elsewhere.refused(404, "invitation_invalid");
    server.settled().await;
    let mine = http.get("/v1/organizations").await.expect(200);
    assert_eq!(mine.json["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_change_against_a_stale_revision_is_refused() {
    let server = TestServer::start().await;
    let http = Person::register(&server, "ann").await.http().await;
    let created = http.post("/v1/organizations", &json!({ "name": "Acme" })).await.expect(201);
    let path = format!("/v1/organizations/{}/profile", created.json["organization_id"].as_str().unwrap());
    let change = |name: &str, etag: &str| {
        let request = http.request(Method::PUT, &path).header("if-match", etag.to_owned());
        send(request.json(&json!({ "name": name })))
    };
    let changed = change("Acme 2", created.header("etag")).await.expect(204);
    let stale = change("Acme 3", created.header("etag")).await.refused(412, "revision_mismatch");
    assert_eq!(stale.json["current"], changed.header("etag"));
    change("Acme 3", changed.header("etag")).await.expect(204);
    change("Acme 4", "*").await.refused(400, "invalid_header");
}

#[tokio::test]
async fn positions_and_cursors_are_their_owners_alone() {
    let server = TestServer::start().await;
    let (ann, eve) = tokio::join!(Person::register(&server, "ann"), Person::register(&server, "eve"));
    let (ann, eve) = (ann.http().await, eve.http().await);
    for name in ["A", "B"] {
        ann.post("/v1/organizations", &json!({ "name": name })).await.expect(201);
    }
    let created = ann.post("/v1/organizations", &json!({ "name": "C" })).await.expect(201);
    let position = created.header("envoi-position").to_owned();
    let read = |http: &Http, position: &str| {
        send(
            http.request(Method::GET, "/v1/organizations?limit=2")
                .header("envoi-min-position", position.to_owned()),
        )
    };
    let page = read(&ann, &position).await.expect(200);
    assert_eq!(page.json["items"].as_array().unwrap().len(), 2);
    let cursor = page.json["next_cursor"].as_str().unwrap().to_owned();
    let rest = ann.get(&format!("/v1/organizations?limit=2&cursor={cursor}")).await.expect(200);
    assert_eq!(rest.json["items"].as_array().unwrap().len(), 1);
    read(&eve, &position).await.refused(400, "invalid_cursor");
    eve.get(&format!("/v1/organizations?cursor={cursor}")).await.refused(400, "invalid_cursor");
    ann.get(&format!("/v1/me/devices?cursor={cursor}")).await.refused(400, "invalid_cursor");
    read(&ann, &cursor).await.refused(400, "invalid_cursor");
    ann.get("/v1/organizations?cursor=AAAA").await.refused(400, "invalid_cursor");
}

#[tokio::test]
async fn a_position_that_does_not_come_is_waited_for_and_then_given_up() {
    let server = TestServer::start().await;
    let ann = Person::register(&server, "ann").await;
    let http = ann.http().await;
    let secret = server.keyring.named_secret(Secret::PositionSealing).await.unwrap();
    let head = server.log.head().await.unwrap();
    let ask = async |incarnation: Incarnation, ahead: u64| {
        let position = Position::new(head.position.unwrap().get() + ahead);
        let text =
            api::Cursors::new(&secret).seal_place(ann.id(), api::Place { incarnation, position }).unwrap();
        send(http.request(Method::GET, "/v1/me").header("envoi-min-position", text)).await
    };
    ask(head.incarnation, 0).await.expect(200);
    // A slow machine may use up the request's time before.
    let behind = until(async || {
        let answer = ask(head.incarnation, 1_000).await;
        (answer.json["code"] != "unavailable").then_some(answer)
    });
    let behind = behind.await.refused(503, "behind");
    assert_eq!((behind.header("retry-after"), &behind.json["retry_after"]), ("1", &json!(1)));
    ask(Incarnation(Uuid::now_v7()), 0).await.refused(400, "invalid_cursor");
}

#[tokio::test]
async fn commands_of_a_batch_stand_each_by_itself() {
    let server = TestServer::start().await;
    let http = Person::register(&server, "ann").await.http().await;
    let create = |name: Value, key: &str| json!({ "command": "organizations.create_organization", "idempotency_key": key, "body": { "name": name } });
    let batch = json!({ "commands": [
        create(json!("Acme"), "1"), create(json!(7), "2"), create(json!("Acme"), "1"), create(json!("Other"), "1"),
        { "command": "organizations.list_organizations" }, { "command": "sessions.log_in" },
        { "command": "workspaces.archive_workspace", "path": { "workspace_id": "../x" }, "idempotency_key": "3" },
    ] });
    let answers = http.post("/v1/commands", &batch).await.expect(200).json["answers"].clone();
    let statuses: Vec<_> =
        answers.as_array().unwrap().iter().map(|one| one["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [201, 422, 201, 422, 422, 422, 404]);
    assert_eq!(answers[2]["replayed"], true);
    assert_eq!(answers[0]["body"], answers[2]["body"]);
    assert_eq!(answers[3]["body"]["code"], "idempotency_key_reused");
    http.post("/v1/commands", &json!({ "commands": [] })).await.refused(422, "invalid_body");
    let many: Vec<_> = (0..101).map(|number| create(json!("x"), &number.to_string())).collect();
    http.post("/v1/commands", &json!({ "commands": many })).await.refused(422, "invalid_body");
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_are_answered_alike() {
    let server = TestServer::start().await;
    let ann = Person::register(&server, "ann").await;
    let http = server.http();
    let wrong = http.post("/v1/sessions", &json!({ "email": ann.email, "password": "wrong password" })).await;
    let unknown =
        http.post("/v1/sessions", &json!({ "email": "nobody@envoi.test", "password": PASSWORD })).await;
    let (wrong, unknown) = (wrong.refused(401, "login_refused"), unknown.refused(401, "login_refused"));
    assert_eq!(without_request_id(wrong.json), without_request_id(unknown.json));
}

#[tokio::test]
async fn an_invitation_leads_in_as_many_as_it_says() {
    let server = TestServer::start().await;
    let (ann, bob) = tokio::join!(Person::register(&server, "ann"), Person::register(&server, "bob"));
    let organization = ann.client.create_organization("Acme").await.unwrap();
    let path = format!("/v1/organizations/{organization}/invitations");
    let expires_at = server.clock.now().plus_seconds(3_600);
    let body = json!({ "role": OrganizationRole::Member, "uses_max": 1, "expires_at": expires_at });
    let (ann, bob) = (ann.http().await, bob.http().await);
    let made = ann.post_keyed(&path, &body, "i").await.expect(201).json;
    assert_eq!(ann.post_keyed(&path, &body, "i").await.expect(201).json, made);
    let token = json!({ "token": made["token"] });
    let joined = bob.post("/v1/invitations/accept", &token).await.expect(200);
    assert_eq!(joined.json["organization_id"], json!(organization));
    bob.post(&path, &body).await.refused(403, "role_insufficient");
    let eve = Person::register(&server, "eve").await.http().await;
    eve.post("/v1/invitations/accept", &token).await.refused(404, "invitation_invalid");
}
