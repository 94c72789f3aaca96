//! What ends a session ends it at once, on every node, while no reaction runs.

use domain::account::AccountProfile;
use domain::device::DeviceRevocationCause;
use domain::device::commands::RevokeDevice;

use super::sessions::{DEVICE, enroll};
use super::*;
use crate::executor::ExecuteError;

/// Three nodes: one that acts, one that follows the log of revocations, one that follows nothing.
struct Nodes {
    site: Site,
    acting: Node,
    follower: Node,
    idle: Node,
    _followers: [crate::auth::revocations::Follower; 2],
}

impl Nodes {
    async fn new() -> Self {
        let site = Site::new().await;
        let (acting, follower, idle) = (site.node().await, site.node().await, site.node().await);
        confirmed(&site, &acting).await;
        let followers = [&acting, &follower].map(|node| {
            let (log, metrics) = (Arc::clone(&node.parts.log), node.parts.metrics.clone());
            node.parts.auth.revocations.follow(log, site.clock.clone(), metrics)
        });
        for node in [&acting, &follower] {
            eventually(async || node.parts.auth.revocations.is_following()).await;
        }
        // Well within the lists, so that they alone judge.
        site.clock.advance_seconds(120);
        Self { site, acting, follower, idle, _followers: followers }
    }

    fn all(&self) -> [&Node; 3] {
        [&self.acting, &self.follower, &self.idle]
    }

    async fn stands(&self, session: &LoggedIn, key: &str) {
        for node in self.all() {
            assert!(node.is_let_in(&session.access_token).await);
            rename(node, session, key).await.unwrap();
        }
        self.idle.refresh(key, &session.refresh_token).await.unwrap();
    }

    async fn has_ended(&self, session: &LoggedIn, key: &str) {
        // Commands and refreshes at once everywhere; the token at once where it ended, and where nothing is followed.
        for node in self.all() {
            let renamed = rename(node, session, key).await;
            assert!(matches!(renamed, Err(ExecuteError::SessionEnded)), "{renamed:?}");
            let refreshed = node.refresh(key, &session.refresh_token).await;
            assert!(matches!(refreshed, Err(AuthError::RefreshRefused)));
        }
        for node in [&self.acting, &self.idle] {
            assert!(!node.is_let_in(&session.access_token).await);
        }
        eventually(async || !self.follower.is_let_in(&session.access_token).await).await;
    }
}

async fn rename(node: &Node, session: &LoggedIn, key: &str) -> Result<(), ExecuteError> {
    let key = format!("{key} {}", node.parts.clock.new_id::<uuid::Uuid>());
    let request = node.by(session.account_id, session.device_id, &key);
    let request = request.with_session(Some(session.session_id));
    let profile = AccountProfile { display_name: "Ann".to_owned(), locale: None };
    node.services.accounts.change_profile(&request, profile).await.map(|_| ())
}

#[tokio::test]
async fn a_reset_ends_every_session_at_once() {
    let nodes = Nodes::new().await;
    let acting = &nodes.acting;
    let thief = acting.login("thief", EMAIL, PASSWORD).await.unwrap();
    nodes.stands(&thief, "before").await;
    let thief = acting.login("again", EMAIL, PASSWORD).await.unwrap();
    acting.services.accounts.request_password_reset(&acting.anonymous("ask"), EMAIL).await.unwrap();
    acting.settle().await;
    let token = nodes.site.token_to(EMAIL, "Reset");
    let password = Zeroizing::new(OTHER_PASSWORD.to_owned());
    acting.services.accounts.reset_password(&acting.anonymous("reset"), &token, password).await.unwrap();
    nodes.has_ended(&thief, "after").await;
    let owner = acting.login("owner", EMAIL, OTHER_PASSWORD).await.unwrap();
    nodes.stands(&owner, "owner").await;
}

#[tokio::test]
async fn a_change_ends_all_sessions_at_once_but_the_one_it_was_made_in() {
    let nodes = Nodes::new().await;
    let acting = &nodes.acting;
    let own = acting.login("own", EMAIL, PASSWORD).await.unwrap();
    let other = acting.login("other", EMAIL, PASSWORD).await.unwrap();
    acting.change_password(&own, "change", PASSWORD).await.unwrap();
    nodes.has_ended(&other, "other").await;
    nodes.stands(&own, "own").await;
}

#[tokio::test]
async fn a_revoked_device_ends_its_sessions_at_once() {
    let nodes = Nodes::new().await;
    let acting = &nodes.acting;
    let session = acting.login("login", EMAIL, PASSWORD).await.unwrap();
    let elsewhere = acting.login("elsewhere", EMAIL, PASSWORD).await.unwrap();
    enroll(acting, &session).await;
    let bound = acting.refresh("bound", &session.refresh_token).await.unwrap();
    let revoke = RevokeDevice { device_id: DEVICE, cause: DeviceRevocationCause::Lost };
    let request = acting.by(session.account_id, None, "revoke");
    acting.services.devices.revoke(&request, revoke).await.unwrap();
    nodes.has_ended(&bound, "bound").await;
    nodes.stands(&elsewhere, "elsewhere").await;
}

#[tokio::test]
async fn whoever_logs_out_is_out_at_once() {
    let nodes = Nodes::new().await;
    let acting = &nodes.acting;
    let session = acting.login("login", EMAIL, PASSWORD).await.unwrap();
    let request = acting.by(session.account_id, None, "logout");
    acting.services.sessions.logout(&request, session.session_id).await.unwrap();
    nodes.has_ended(&session, "late").await;
}
