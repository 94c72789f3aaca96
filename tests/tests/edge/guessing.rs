//! What has few possible values (a phone number, a short name, a "yes") is not found in the log by trying them, and what was
//! asked about somebody cannot be told any more when their key is destroyed.

use std::fmt::Write;

use domain::{AccountId, Actor, Blob, Timestamp};
use eventstore_schema::keyring::{Destruction, KeyName};
use eventstore_schema::testing::Engine;
use eventstore_schema::{Position, ReadFilter, over_engines};
use reqwest::Method;
use serde_json::{Value, json};
use tests::http::{Answer, Http, send};
use tests::person::Person;
use tests::server::{Options, TestServer};
use uuid::Uuid;

over_engines! {
    nothing_that_was_asked_is_found_by_trying,
}

/// What was asked of a route: its name, its path parameters, its body.
struct Asked {
    route: &'static str,
    path: String,
    body: Value,
}

/// The hash of a request as anybody can compute it, who knows this source.
fn public_hash(parts: [&[u8]; 3]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("envoi 2026-11-21 command fingerprint v1");
    for part in parts {
        hasher.update(&(part.len() as u64).to_be_bytes()).update(part);
    }
    *hasher.finalize().as_bytes()
}

/// The same of a message, in which the sender takes part.
fn public_message_hash(sender: AccountId, asked: &[u8; 32]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("envoi 2026-11-21 command fingerprint v1");
    for part in [b"message".as_slice(), &[Actor::account(sender).kind.code()], sender.as_bytes(), asked] {
        hasher.update(&(part.len() as u64).to_be_bytes()).update(part);
    }
    *hasher.finalize().as_bytes()
}

/// The same with everything that stands in the log beside it.
fn public_hashes(asked: &Asked, sender: AccountId, command_ids: &[[u8; 16]]) -> Vec<[u8; 32]> {
    let body = serde_json::to_vec(&asked.body).unwrap();
    let request = public_hash([asked.route.as_bytes(), asked.path.as_bytes(), &body]);
    let mut hashes = Vec::new();
    for hash in [request, public_message_hash(sender, &request)] {
        hashes.extend([
            hash,
            *blake3::hash(&hash).as_bytes(),
            *blake3::keyed_hash(&[0; 32], &hash).as_bytes(),
        ]);
        for id in command_ids {
            let with_id = [id.as_slice(), &hash].concat();
            hashes.push(*blake3::hash(&with_id).as_bytes());
            hashes.push(*blake3::keyed_hash(&[0; 32], &with_id).as_bytes());
        }
    }
    hashes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn metadata(phone: &str) -> Value {
    json!({ "phone": phone, "address": null })
}

fn profile(name: &str) -> Value {
    json!({ "display_name": name, "locale": null })
}

fn message(text: &str) -> Value {
    json!({ "generation": 0, "content": Blob::new(text.as_bytes().to_vec()), "cipher": null })
}

fn candidates(group: &str) -> Vec<Asked> {
    let asked = |route, path: &str, body| Asked { route, path: path.to_owned(), body };
    let phones = (0..1_000).map(|last| metadata(&format!("+4930901820{last:03}")));
    let names = ["Ada", "Ann", "Ben", "Bob", "Eva", "Max", "Mia", "Tom"];
    let texts = ["yes", "no", "ok", "hello", "I am ill", "I quit", "I love you"];
    let group = format!("conversation_id={group}");
    let metadata = phones.map(|body| asked("me.change_metadata", "", body));
    let profiles = names.map(|name| asked("me.change_profile", "", profile(name)));
    let organizations =
        names.map(|name| asked("organizations.create_organization", "", json!({ "name": name })));
    let messages = texts.map(|text| asked("messages.send_message", &group, message(text)));
    metadata.chain(profiles).chain(organizations).chain(messages).collect()
}

/// Everything that the log keeps, as hexadecimal text; and the ids of all commands.
async fn kept(server: &TestServer, engine: Engine) -> (String, Vec<[u8; 16]>) {
    let (mut text, mut ids, mut after) = (String::new(), Vec::new(), None);
    loop {
        let page = server.log.read_all(after, 1_000, &ReadFilter::all()).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.position);
        for event in &page {
            let (_, fingerprint) =
                server.log.find_command(event.stream, event.command_id).await.unwrap().unwrap();
            for bytes in [
                fingerprint.as_bytes().as_slice(),
                &event.payload,
                event.sealed.as_deref().unwrap_or_default(),
                event.hash.as_bytes(),
            ] {
                writeln!(text, "{}", hex(bytes)).unwrap();
            }
            ids.push(*event.command_id.as_bytes());
        }
    }
    if matches!(engine, Engine::Postgres) {
        let tables = "SELECT e::text FROM log.events AS e UNION ALL SELECT c::text FROM log.commands AS c \
            UNION ALL SELECT s::text FROM log.snapshots AS s";
        for row in server.database().await.query(tables, &[]).await.unwrap() {
            writeln!(text, "{}", row.get::<_, &str>(0)).unwrap();
        }
    }
    (text, ids)
}

async fn put(http: &Http, path: &str, body: &Value, key: &str) -> Answer {
    send(http.request(Method::PUT, path).header("idempotency-key", key).json(body)).await
}

async fn nothing_that_was_asked_is_found_by_trying(engine: Engine) {
    let server = TestServer::start_with(Options { engine, ..Options::default() }).await;
    let ann = Person::with_device(&server, "ann").await;
    let http = ann.http().await;
    let organization = http.post("/v1/organizations", &json!({ "name": "Ada" })).await.expect(201).json;
    let groups =
        format!("/v1/organizations/{}/conversations", organization["organization_id"].as_str().unwrap());
    let group = json!({ "title": "Ours", "allows_plaintext": true, "members": [] });
    let group = http.post(&groups, &group).await.expect(201).json;
    let group = group["conversation_id"].as_str().unwrap();
    let messages = format!("/v1/conversations/{group}/messages");
    put(&http, "/v1/me/metadata", &metadata("+4930901820417"), "phone").await.expect(204);
    put(&http, "/v1/me/profile", &profile("Eva"), "name").await.expect(204);
    let yes = Uuid::now_v7().to_string();
    http.post_keyed(&messages, &message("yes"), &yes).await.expect(201);
    server.settled().await;

    let (kept, command_ids) = kept(&server, engine).await;
    let own = &command_ids[command_ids.len().saturating_sub(8)..];
    for candidate in candidates(group) {
        for hash in public_hashes(&candidate, ann.id(), own) {
            let (route, body) = (candidate.route, &candidate.body);
            assert!(!kept.contains(&hex(&hash[..8])), "{route} {body} is found by trying");
        }
    }

    // A repetition is recognised as long as the key is there, and never after.
    let again = put(&http, "/v1/me/metadata", &metadata("+4930901820417"), "phone").await.expect(204);
    assert_eq!(again.header("idempotency-replayed"), "true");
    let destruction = Destruction { position: Position::new(1), at: Timestamp::from_micros(1) };
    server.keyring.destroy(KeyName::Subject(ann.id().into()), destruction).await.unwrap();
    for phone in ["+4930901820417", "+4930901820418"] {
        let answer = put(&http, "/v1/me/metadata", &metadata(phone), "phone").await;
        answer.refused(422, "idempotency_key_reused");
    }
    for text in ["yes", "no"] {
        http.post_keyed(&messages, &message(text), &yes).await.refused(422, "idempotency_key_reused");
    }
}
