//! Every function of [`crate::api`] against a server that answers by the documentation, `api/openapi.json`: each request has
//! to be a documented one, each documented answer has to be readable.

use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use domain::conversation::{Cipher, ConversationRole, HistoryVisibility, MessageBody, Suite, Wrap};
use domain::device::DeviceRevocationCause;
use domain::organization::OrganizationRole;
use domain::workspace::WorkspaceRole;
use domain::*;
use serde_json::{Map, Value, json};

use super::messages::Range;
use super::*;
use crate::e2ee::GenerationContext;
use crate::e2ee::testing::Person;
use crate::http::{Http, Outgoing, Position};
use crate::keystore::{KeyState, KeyStore};
use crate::session::Session;
use crate::testing::{Reply, Seen, TestServer};

struct Documentation(Value);

impl Documentation {
    fn read() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../openapi.json");
        Self(serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
    }

    fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            Some(name) => self.resolve(self.0.pointer(name.trim_start_matches('#')).unwrap()),
            None => schema,
        }
    }

    /// A value that the schema describes, every member there.
    fn sample(&self, schema: &Value) -> Value {
        let schema = self.resolve(schema);
        if let Some(first) = schema["enum"].get(0) {
            return first.clone();
        }
        if let Some(options) = schema["anyOf"].as_array() {
            return self.sample(options.iter().find(|option| option["type"] != "null").unwrap());
        }
        let kind = match &schema["type"] {
            Value::Array(kinds) => kinds.iter().find(|kind| *kind != "null").unwrap(),
            kind => kind,
        };
        match kind.as_str() {
            Some("string") => match (schema["format"].as_str(), schema["x-bytes"].as_u64()) {
                (Some("uuid"), _) => json!(AccountId::from_bytes([1; 16])),
                (_, Some(length)) => {
                    json!(BASE64_URL_SAFE_NO_PAD.encode(vec![1; length.try_into().unwrap()]))
                }
                _ => json!("aGVsbG8"),
            },
            Some("integer") => json!(1),
            Some("boolean") => json!(false),
            Some("array") => json!([self.sample(&schema["items"])]),
            Some("object") => {
                let members = schema["properties"].as_object().cloned().unwrap_or_default();
                members.iter().map(|(name, schema)| (name.clone(), self.sample(schema))).collect()
            }
            _ => Value::Null,
        }
    }

    /// The documented operation that a request is, with its path template.
    fn operation(&self, method: &str, path: &str) -> Option<&Value> {
        let matches = |template: &str| {
            let (template, path): (Vec<_>, Vec<_>) =
                (template.split('/').collect(), path.split('/').collect());
            template.len() == path.len()
                && template.iter().zip(&path).all(|(told, is)| told.starts_with('{') || told == is)
        };
        let paths = self.0["paths"].as_object().unwrap();
        // A literal path before one with parameters.
        let mut found: Vec<_> = paths.iter().filter(|(template, _)| matches(template)).collect();
        found.sort_by_key(|(template, _)| template.matches('{').count());
        found.iter().find_map(|(_, operations)| operations.get(method.to_lowercase()))
    }

    /// What is wrong with a body.
    fn faults(&self, schema: &Value, body: &Value) -> Vec<String> {
        let schema = self.resolve(schema);
        let none = Map::new();
        let told = schema["properties"].as_object().unwrap_or(&none);
        let is = body.as_object().unwrap_or(&none);
        let unknown =
            is.keys().filter(|name| !told.contains_key(*name)).map(|name| format!("unknown {name}"));
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        let missing = required.iter().filter(|name| !is.contains_key(name.as_str().unwrap()));
        let missing = missing.map(|name| format!("missing {name}"));
        unknown.chain(missing).collect()
    }

    fn answer(&self, seen: &Seen, faults: &Mutex<Vec<String>>) -> Reply {
        let (method, target) = seen.line.split_once(' ').unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let fault = |text: String| faults.lock().unwrap().push(format!("{method} {path}: {text}"));
        let Some(operation) = self.operation(method, path) else {
            fault("is not documented".to_owned());
            return Reply::problem(404, "not_found");
        };
        let none = Vec::new();
        let parameters = operation["parameters"].as_array().unwrap_or(&none);
        for (name, _) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            if !parameters.iter().any(|told| told["in"] == "query" && told["name"] == name) {
                fault(format!("unknown parameter {name}"));
            }
        }
        for told in parameters.iter().filter(|told| told["in"] == "header" && told["required"] == true) {
            let name = told["name"].as_str().unwrap();
            if seen.header(&name.to_lowercase()).is_none() {
                fault(format!("missing header {name}"));
            }
        }
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        let body = serde_json::from_str(&seen.body).unwrap_or(Value::Null);
        self.faults(schema, &body).into_iter().for_each(fault);
        let (status, told) = operation["responses"]
            .as_object()
            .unwrap()
            .iter()
            .find(|(status, _)| status.starts_with('2'))
            .unwrap();
        let schema = &told["content"]["application/json"]["schema"];
        let body = if schema.is_null() { String::new() } else { self.sample(schema).to_string() };
        Reply::Answer(status.parse().unwrap(), Vec::new(), body)
    }
}

const ORGANIZATION: OrganizationId = OrganizationId::from_bytes([2; 16]);
const WORKSPACE: WorkspaceId = WorkspaceId::from_bytes([3; 16]);
const TALK: ConversationId = ConversationId::from_bytes([4; 16]);
const BOB: AccountId = AccountId::from_bytes([5; 16]);
const MESSAGE: MessageId = MessageId::from_bytes([6; 16]);

fn context() -> GenerationContext {
    GenerationContext {
        organization_id: ORGANIZATION,
        conversation_id: TALK,
        generation: 1,
        suite: Suite::X25519Siv,
        transcript: Digest::from_bytes([0; 32]),
    }
}

fn wrap() -> Wrap {
    Wrap {
        account_id: BOB,
        recipient_id: RecipientId::from_bytes([7; 16]),
        encapsulated_key: HpkeKey::from_bytes([8; 32]),
        ciphertext: Blob::new(vec![9; 80]),
        signature: Signature::from_bytes([1; 64]),
    }
}

fn body() -> MessageBody {
    let cipher = Cipher {
        nonce: Nonce::from_bytes([1; 16]),
        commitment: Digest::from_bytes([2; 32]),
        signature: Signature::from_bytes([3; 64]),
    };
    MessageBody { content: Blob::new(vec![1; 128]), cipher: Some(cipher) }
}

struct Documented {
    session: Session,
    http: Http,
    faults: Arc<Mutex<Vec<String>>>,
}

async fn documented() -> Documented {
    let documentation = Documentation::read();
    let faults = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&faults);
    let server = TestServer::start(move |_, seen| documentation.answer(seen, &log)).await;
    let http = Http::new(&server.base).unwrap();
    let tokens = auth::login(&http, "ann@example.org", "correct horse", None, None).await.unwrap();
    let store = Arc::new(KeyStore::in_memory(KeyState::new(&server.base, tokens.account_id)));
    Documented { session: Session::begin(http.clone(), store, tokens).unwrap(), http, faults }
}

impl Documented {
    fn check(&self) {
        let faults = self.faults.lock().unwrap().clone();
        assert!(faults.is_empty(), "{faults:#?}");
    }
}

#[tokio::test]
async fn accounts_and_sessions_are_as_documented() {
    let documented = documented().await;
    let (session, http) = (&documented.session, &documented.http);
    let new = dto::Registration {
        email: "ann@example.org".to_owned(),
        password: "correct horse".to_owned(),
        display_name: "Ann".to_owned(),
        locale: Some("en".to_owned()),
    };
    auth::register(http, &new).await.unwrap();
    auth::confirm_email(http, "token").await.unwrap();
    auth::resend_confirmation(http, "ann@example.org").await.unwrap();
    auth::request_password_reset(http, "ann@example.org").await.unwrap();
    auth::reset_password(http, "token", "better horse").await.unwrap();
    let device = Person::new(1).device;
    let proof = device.refresh_proof(SessionId::from_bytes([1; 16]), "token", Timestamp::from_micros(1));
    auth::refresh(http, "token", Some(proof)).await.unwrap();
    auth::change_password(session, "correct horse", "better horse").await.unwrap();
    auth::revoke_session(session, SessionId::from_bytes([1; 16])).await.unwrap();
    auth::logout(session).await.unwrap();
    documented.check();
}

#[tokio::test]
async fn devices_are_as_documented() {
    let documented = documented().await;
    let session = &documented.session;
    let ann = Person::new(1);
    let account = ann.device.account_id();
    devices::publish_identity(session, account, &ann.vault, vec![1]).await.unwrap();
    devices::enroll(session, &ann.claimed.devices[0], "laptop").await.unwrap();
    let id = ann.device.device_id();
    devices::rename(session, id, "desk").await.unwrap();
    devices::revoke(session, id, DeviceRevocationCause::Lost).await.unwrap();
    documented.check();
}

#[tokio::test]
async fn organizations_and_workspaces_are_as_documented() {
    let documented = documented().await;
    let session = &documented.session;
    organizations::create(session, "Acme").await.unwrap();
    organizations::list(session, Some("c")).await.unwrap();
    organizations::members(session, ORGANIZATION, Some("c")).await.unwrap();
    let at = Timestamp::from_micros(1);
    organizations::invite(session, ORGANIZATION, OrganizationRole::Member, 1, at).await.unwrap();
    organizations::revoke_invitation(session, ORGANIZATION, InvitationId::from_bytes([1; 16])).await.unwrap();
    organizations::accept_invitation(session, "token").await.unwrap();
    organizations::change_role(session, ORGANIZATION, BOB, OrganizationRole::Admin).await.unwrap();
    organizations::remove_member(session, ORGANIZATION, BOB).await.unwrap();
    workspaces::create(session, ORGANIZATION, "Lab", Some("Work")).await.unwrap();
    workspaces::add_member(session, WORKSPACE, BOB, WorkspaceRole::Member).await.unwrap();
    workspaces::remove_member(session, WORKSPACE, BOB).await.unwrap();
    documented.check();
}

#[tokio::test]
async fn conversations_are_as_documented() {
    let documented = documented().await;
    let session = &documented.session;
    let new = dto::NewGroup { members: vec![BOB], title: Some("Talk".to_owned()), ..Default::default() };
    conversations::create_group(session, ORGANIZATION, &new).await.unwrap();
    conversations::open_direct(session, ORGANIZATION, BOB).await.unwrap();
    conversations::get(session, TALK).await.unwrap();
    let visibility = HistoryVisibility::All;
    conversations::change_history_visibility(session, TALK, visibility).await.unwrap();
    conversations::list(session, ORGANIZATION, Some("c")).await.unwrap();
    conversations::by_activity(session, ORGANIZATION, Some("c")).await.unwrap();
    conversations::active_since(session, ORGANIZATION, "c").await.unwrap();
    conversations::members(session, TALK, Some("c")).await.unwrap();
    assert_eq!(organizations::find_people(session, ORGANIZATION, "bo").await.unwrap().items.len(), 1);
    assert_eq!(devices::keys_of_all(session, &[BOB]).await.unwrap().len(), 1);
    assert_eq!(devices::profiles(session, &[BOB]).await.unwrap().len(), 1);
    assert_eq!(messages::reactions_on(session, TALK, &[1, 2], Some("c")).await.unwrap().items.len(), 1);
    assert_eq!(conversations::roster(session, TALK).await.unwrap().recipients.len(), 1);
    conversations::commit(session, &context(), vec![wrap()]).await.unwrap();
    conversations::add_wrap(session, &context(), wrap()).await.unwrap();
    conversations::report_wrap(session, TALK, 1, RecipientId::from_bytes([7; 16])).await.unwrap();
    assert_eq!(conversations::own_wraps(session, TALK, 1, None).await.unwrap().len(), 1);
    conversations::add_member(session, TALK, BOB, ConversationRole::Member).await.unwrap();
    conversations::remove_member(session, TALK, BOB).await.unwrap();
    conversations::delete(session, TALK).await.unwrap();
    documented.check();
}

#[tokio::test]
async fn messages_are_as_documented() {
    let documented = documented().await;
    let session = &documented.session;
    let sent = messages::send(TALK, MESSAGE, 1, Some(1), &body());
    session.call::<dto::SentMessage>(sent).await.unwrap();
    let others: [Outgoing; 2] =
        [messages::edit(TALK, 1, MESSAGE, 1, &body()), messages::react(TALK, 1, 0, MESSAGE, 1, &body())];
    for request in others {
        session.done(request).await.unwrap();
    }
    messages::clear_reaction(session, TALK, 1, 0).await.unwrap();
    messages::delete(session, TALK, 1).await.unwrap();
    messages::set_pinned(session, TALK, 1, true).await.unwrap();
    messages::set_pinned(session, TALK, 1, false).await.unwrap();
    messages::record_receipt(session, TALK, 1, 1).await.unwrap();
    for range in [Range::After(1), Range::Before(9), Range::Latest] {
        assert_eq!(messages::list(session, TALK, range, 10).await.unwrap().len(), 1);
    }
    assert_eq!(messages::reactions(session, TALK, 1).await.unwrap().len(), 1);
    assert_eq!(messages::deliveries(session, TALK, 1, Some("c")).await.unwrap().items.len(), 1);
    assert_eq!(messages::pins(session, TALK).await.unwrap().len(), 1);
    assert_eq!(messages::receipts(session, TALK, Some("c")).await.unwrap().items.len(), 1);
    documented.check();
}

#[tokio::test]
async fn what_changed_is_as_documented() {
    let documented = documented().await;
    let session = &documented.session;
    let since = Position("p".to_owned());
    let page = sync::get(session, Some(&since), Some("c"), Some(since.clone())).await.unwrap();
    assert_eq!((page.conversations.len(), page.left.len(), page.people.len()), (1, 1, 1));
    let page = sync::changes(session, TALK, Some(&since), Some("c")).await.unwrap();
    assert_eq!(
        (page.messages.len(), page.reactions.len(), page.pins.len(), page.members.len()),
        (1, 1, 1, 1)
    );
    documented.check();
}

#[tokio::test]
async fn keys_are_as_documented() {
    let documented = documented().await;
    let session = &documented.session;
    assert!(devices::vault(session).await.unwrap().is_some());
    assert_eq!(devices::list(session).await.unwrap().len(), 1);
    assert!(devices::keys_of(session, BOB).await.unwrap().is_some());
    documented.check();
}

#[tokio::test]
async fn lists_of_workspaces_are_as_documented() {
    let documented = documented().await;
    workspaces::list(&documented.session, ORGANIZATION, Some("c")).await.unwrap();
    documented.check();
}
