//! People: registered, logged in, with or without a device.

use std::time::Duration;

use domain::organization::OrganizationRole;
use domain::{AccountId, OrganizationId};
use envoi_client::api::dto::Registration;
use envoi_client::e2ee::Cost;
use envoi_client::{Client, Keep, Server};
use uuid::Uuid;

use crate::http::Http;
use crate::server::TestServer;

/// Everybody's password.
pub const PASSWORD: &str = "correct horse battery staple";
/// Everybody's passphrase.
pub const PASSPHRASE: &str = "purple monkey dishwasher lamp";
/// As little as a passphrase's key may cost: tests keep no secrets.
pub const CHEAP: Cost = Cost { memory_kib: 8 * 1024, passes: 1, lanes: 1 };

/// Somebody with a confirmed address who is logged in.
pub struct Person {
    /// Their client.
    pub client: Client,
    /// Their address.
    pub email: String,
    url: String,
}

impl Person {
    /// Registers somebody new, confirms their address and logs them in.
    pub async fn register(server: &TestServer, name: &str) -> Self {
        let email = format!("{name}.{}@envoi.test", Uuid::now_v7().simple());
        let connection = Server::new(&server.url()).expect("a server");
        let registration = Registration {
            email: email.clone(),
            password: PASSWORD.to_owned(),
            display_name: name.to_owned(),
            locale: None,
        };
        connection.register(&registration).await.expect("registered");
        let token = server.mailed_token(&email).await;
        connection.confirm_email(&token).await.expect("confirmed");
        let client = connection.login(&email, PASSWORD, Keep::Memory).await.expect("logged in");
        Self { client, email, url: server.url() }
    }

    /// The same, with a device.
    pub async fn with_device(server: &TestServer, name: &str) -> Self {
        let person = Self::register(server, name).await;
        person.client.set_up(PASSPHRASE, CHEAP, "test").await.expect("a device");
        person
    }

    /// Their account.
    pub fn id(&self) -> AccountId {
        self.client.account_id()
    }

    /// Requests as them.
    pub async fn http(&self) -> Http {
        let token = self.client.session().token().await.expect("a token");
        Http::new(&self.url).with_token(&token)
    }

    /// Requests as them to another server over the same database.
    pub async fn http_at(&self, server: &TestServer) -> Http {
        let token = self.client.session().token().await.expect("a token");
        Http::new(&server.url()).with_token(&token)
    }

    /// Lets somebody into an organization.
    pub async fn bring(&self, organization: OrganizationId, other: &Person, role: OrganizationRole) {
        let day = Duration::from_secs(86_400);
        let invitation = self.client.invite(organization, role, 1, day).await.expect("an invitation");
        other.client.accept_invitation(&invitation.token).await.expect("joined");
    }
}
