//! The authorisation matrix: every route, asked by every role. What a route's `who` says is what happens.

use std::collections::BTreeMap;

use api::endpoint::{Role, Verb};
use api::routes::ROUTES;
use domain::conversation::ConversationRole;
use domain::organization::OrganizationRole;
use domain::workspace::WorkspaceRole;
use domain::{ConversationId, OrganizationId, WorkspaceId};
use envoi_client::api::dto::NewGroup;
use reqwest::Method;
use serde_json::{Value, json};
use tests::http::{Http, send};
use tests::person::Person;
use tests::server::TestServer;
use uuid::Uuid;

/// Codes by which somebody is turned away for who they are.
const TURNED_AWAY: &[&str] = &[
    "unauthenticated",
    "role_insufficient",
    "organization_not_found",
    "workspace_not_found",
    "conversation_not_found",
    "account_not_found",
];

/// One of everything that routes are about, and somebody in each role.
struct World {
    server: TestServer,
    callers: BTreeMap<Role, Http>,
    organization: OrganizationId,
    workspace: WorkspaceId,
    conversation: ConversationId,
    /// Somebody in all of these who has no role in the matrix.
    other: Person,
    device: Uuid,
    /// People that keep their sessions alive.
    _people: Vec<Person>,
}

const IN_ORGANIZATION: [(Role, OrganizationRole); 8] = [
    (Role::Owner, OrganizationRole::Owner),
    (Role::Admin, OrganizationRole::Admin),
    (Role::ComplianceOfficer, OrganizationRole::ComplianceOfficer),
    (Role::Auditor, OrganizationRole::Auditor),
    (Role::Member, OrganizationRole::Member),
    (Role::Guest, OrganizationRole::Guest),
    (Role::Participant, OrganizationRole::Member),
    (Role::Moderator, OrganizationRole::Member),
];

impl World {
    async fn build() -> Self {
        let server = TestServer::start().await;
        let names = IN_ORGANIZATION.map(|(role, _)| role.as_str());
        let people =
            futures_util::future::join_all(names.map(|name| Person::with_device(&server, name))).await;
        let (other, stranger) =
            tokio::join!(Person::with_device(&server, "other"), Person::with_device(&server, "stranger"));
        let [owner, rest @ ..] = people.as_slice() else { panic!("an owner") };
        let organization = owner.client.create_organization("Acme").await.unwrap();
        for (person, (_, role)) in rest.iter().zip(&IN_ORGANIZATION[1..]) {
            owner.bring(organization, person, *role).await;
        }
        owner.bring(organization, &other, OrganizationRole::Member).await;
        let [.., participant, moderator] = people.as_slice() else { panic!("people") };
        let workspace = moderator.client.create_workspace(organization, "Lab").await.unwrap();
        let http = moderator.http().await;
        for member in [participant, &other] {
            let body = json!({ "account_id": member.id(), "role": WorkspaceRole::Member });
            http.post(&format!("/v1/workspaces/{workspace}/members"), &body).await.expect(204);
        }
        let members = vec![participant.id(), other.id()];
        let new = NewGroup { members, ..NewGroup::default() };
        let conversation = moderator.client.create_group(organization, &new).await.unwrap();
        other.client.send_text(conversation, "hello").await.unwrap();
        let mut callers = BTreeMap::from([(Role::Anonymous, server.http())]);
        callers.insert(Role::Stranger, stranger.http().await);
        for ((role, _), person) in IN_ORGANIZATION.iter().zip(&people) {
            callers.insert(*role, person.http().await);
        }
        let device = other.client.device_id().unwrap().as_uuid();
        let people = people.into_iter().chain([stranger]).collect();
        server.settled().await;
        Self { server, callers, organization, workspace, conversation, other, device, _people: people }
    }

    /// Fills in a path's parameters.
    fn path(&self, template: &str) -> String {
        template
            .replace("{organization_id}", &self.organization.to_string())
            .replace("{workspace_id}", &self.workspace.to_string())
            .replace("{conversation_id}", &self.conversation.to_string())
            .replace("{account_id}", &self.other.id().to_string())
            .replace("{device_id}", &self.device.to_string())
            .replace("{number}", "1")
            .replace("{slot}", "0")
            .replace("{invitation_id}", &Uuid::now_v7().to_string())
            .replace("{session_id}", &Uuid::now_v7().to_string())
    }

    /// A query string that a route cannot do without, by its name.
    fn query(&self, name: &str) -> String {
        match name {
            "accounts.list_keys" | "accounts.list_profiles" => format!("?accounts={}", self.other.id()),
            "messages.list_reactions_on" => "?numbers=1".to_owned(),
            "organizations.find_people" => "?query=a".to_owned(),
            _ => String::new(),
        }
    }

    /// A body that a route takes, by its name; `None` for a route without an example.
    fn body(&self, name: &str) -> Option<Value> {
        let zeros = |bytes: usize| domain::Blob::new(vec![0; bytes]);
        let cipher = json!({ "nonce": zeros(16), "commitment": zeros(32), "signature": zeros(64) });
        let wrap = json!({
            "account_id": self.other.id(), "recipient_id": self.device, "encapsulated_key": zeros(32),
            "ciphertext": zeros(80), "signature": zeros(64),
        });
        let email = json!({ "email": "nobody@envoi.test" });
        Some(match name {
            "auth.confirm_email" => json!({ "token": "x" }),
            "auth.log_in" => json!({ "email": "nobody@envoi.test", "password": "not this one" }),
            "auth.refresh" => json!({ "refresh_token": "x" }),
            "auth.register" => json!({ "email": "x", "password": "x", "display_name": "x" }),
            "auth.request_password_reset" | "auth.resend_confirmation" => email,
            "auth.reset_password" => json!({ "token": "x", "password": "a new long password" }),
            "conversations.add_member" => {
                json!({ "account_id": self.other.id(), "role": ConversationRole::Member })
            }
            "conversations.add_wrap" => json!({ "generation": 1, "wrap": wrap }),
            "conversations.change_member_role" => json!({ "role": ConversationRole::Member }),
            "conversations.change_history_visibility" => json!({ "history_visibility": "all" }),
            "conversations.change_title" => json!({ "title": "Ours", "topic": null }),
            "conversations.commit_generation" => json!({
                "generation": 9, "suite": domain::conversation::Suite::X25519Siv,
                "transcript": zeros(32), "wraps": [],
            }),
            "conversations.create_group" => json!({ "members": [] }),
            "conversations.open_direct" => json!({ "account_id": self.other.id() }),
            "conversations.report_wrap" => json!({ "generation": 1, "recipient_id": Uuid::now_v7() }),
            "devices.enroll_device" => json!({
                "device_id": Uuid::now_v7(), "hpke_key": zeros(32), "verify_key": zeros(32),
                "certificate": zeros(64), "name": "x",
            }),
            "devices.publish_identity" => json!({
                "identity_key": zeros(32), "recovery_id": Uuid::now_v7(), "recovery_key": zeros(32),
                "recovery_certificate": zeros(64), "encrypted_private_key": zeros(64),
            }),
            "devices.rename_device" => json!({ "name": "x" }),
            "devices.revoke_device" => json!({ "cause": "requested" }),
            "me.change_metadata" => json!({ "phone": null, "address": null }),
            "me.change_password" => {
                json!({ "old_password": "not this one", "new_password": "a new long password" })
            }
            "me.change_profile" => json!({ "display_name": "x", "locale": null }),
            "messages.edit_message" => {
                json!({ "message_id": Uuid::now_v7(), "generation": 9, "content": zeros(64), "cipher": cipher })
            }
            "messages.record_receipt" => json!({ "delivered_up_to": 1, "read_up_to": 1 }),
            "messages.send_message" => json!({ "generation": 9, "content": zeros(64), "cipher": cipher }),
            "messages.set_reaction" => {
                json!({ "reaction_id": Uuid::now_v7(), "generation": 9, "content": zeros(64), "cipher": cipher })
            }
            "organizations.accept_invitation" => json!({ "token": "x" }),
            "organizations.change_member_role" => json!({ "role": OrganizationRole::Member }),
            "organizations.change_profile" | "organizations.create_organization" => json!({ "name": "Acme" }),
            "organizations.create_invitation" => {
                let expires_at = self.server.clock.now().plus_seconds(3_600);
                json!({ "role": OrganizationRole::Member, "uses_max": 1, "expires_at": expires_at })
            }
            "system.run_commands" => json!({ "commands": [{ "command": "x" }] }),
            "workspaces.add_member" => {
                json!({ "account_id": self.other.id(), "role": WorkspaceRole::Member })
            }
            "workspaces.change_member_role" => json!({ "role": WorkspaceRole::Member }),
            "workspaces.change_profile" | "workspaces.create_workspace" => {
                json!({ "name": "Lab", "description": null })
            }
            "auth.log_out" | "workspaces.archive_workspace" => json!({}),
            _ => return None,
        })
    }
}

/// What ends something that later questions need comes last, and the most destructive at the very end.
fn order(name: &str) -> u8 {
    match name {
        "messages.delete_message" => 1,
        "conversations.remove_member" | "workspaces.remove_member" => 2,
        "organizations.remove_member" => 3,
        "conversations.delete_conversation" | "workspaces.archive_workspace" => 4,
        "auth.log_out" => 5,
        _ => 0,
    }
}

#[tokio::test]
async fn every_route_lets_through_whom_it_says_and_nobody_else() {
    let world = World::build().await;
    let mut routes: Vec<_> = ROUTES.iter().collect();
    routes.sort_by_key(|route| order(route.about.name));
    let mut wrong = Vec::new();
    for route in routes {
        let about = route.about;
        let (refused, admitted): (Vec<Role>, Vec<Role>) =
            Role::ALL.iter().partition(|role| !about.who.contains(role));
        let body = (route.takes_body)() || about.verb == Verb::Post;
        let body =
            body.then(|| world.body(about.name).unwrap_or_else(|| panic!("no example of {}", about.name)));
        // Those who are turned away first: they change nothing for the others.
        for role in refused.into_iter().chain(admitted) {
            let method = Method::from_bytes(about.verb.as_str().as_bytes()).unwrap();
            let path = world.path(about.path) + &world.query(about.name);
            let request = world.callers[&role].request(method, &path);
            let request = request.header("idempotency-key", Uuid::now_v7().to_string());
            let answer = send(match &body {
                Some(body) => request.json(body),
                None => request,
            })
            .await;
            let is_through = !TURNED_AWAY.contains(&answer.code());
            if is_through != about.who.contains(&role) || answer.status >= 500 {
                wrong.push(format!(
                    "{} as {}: {} {}",
                    about.name,
                    role.as_str(),
                    answer.status,
                    answer.code()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_documented_matrix_is_what_the_code_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../ops/docs/authorization.md");
    let fresh = document();
    if std::env::var_os("UPDATE_AUTHORIZATION").is_some() {
        std::fs::write(path, &fresh).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == fresh,
        "ops/docs/authorization.md is old: run UPDATE_AUTHORIZATION=1 cargo test -p tests"
    );
}

fn document() -> String {
    let mut text = String::from(
        "# Who may do what\n\n\
         Every route and the roles that get through to it; finer rules are the domain's (a member removes themselves, a sender \
         deletes their own message). `participant` and `moderator` are members and admins of the workspace or conversation that \
         the route is about, and members of its organization; the other roles of the organization are in neither. A `stranger` \
         is logged in and of another organization; so is, from that moment on, whoever was removed. The test `tests/tests/edge/authorization.rs` asks every route as every role.\n\n",
    );
    let roles: Vec<_> = Role::ALL.iter().map(|role| role.as_str().replace('_', " ")).collect();
    text += &format!("| route | {} |\n| --- |{}\n", roles.join(" | "), " :-: |".repeat(roles.len()));
    for route in ROUTES {
        let marks = Role::ALL.iter().map(|role| if route.about.who.contains(role) { "yes" } else { "" });
        let marks: Vec<_> = marks.collect();
        let (verb, path) = (route.about.verb.as_str(), route.about.path);
        text += &format!("| `{verb} {path}` | {} |\n", marks.join(" | "));
    }
    text
}
