//! `GET /v1/me`

use domain::account::{AccountContact, AccountMetadata, AccountProfile};
use domain::{AccountId, DeviceId, Rejection, SessionId, Timestamp};
use eventstore_schema::Opened;
use projections::Viewer;
use projections::accounts::queries;

use crate::endpoint::prelude::*;

/// The caller's own account.
#[derive(Serialize, JsonSchema)]
pub struct GetMeAnswer {
    /// Its id.
    pub account_id: AccountId,
    /// E-mail address; null when erased.
    pub email: Option<String>,
    /// When the address was confirmed.
    pub email_confirmed_at: Option<Timestamp>,
    /// Name to show; null when erased.
    pub display_name: Option<String>,
    /// BCP 47 language tag.
    pub locale: Option<String>,
    /// E.164 phone number.
    pub phone: Option<String>,
    /// Postal address.
    pub address: Option<String>,
    /// Whether any of it was erased.
    pub erased: bool,
    /// When it was registered.
    pub registered_at: Timestamp,
    /// When the password was set last.
    pub password_set_at: Option<Timestamp>,
    /// The session that asks.
    pub session_id: SessionId,
    /// The device that it acts for.
    pub device_id: Option<DeviceId>,
}

/// See [`Endpoint::ABOUT`].
pub struct GetMe;

impl Endpoint for GetMe {
    const ABOUT: About = About::get("me.get_me", "/v1/me", "Shows the caller's own account.")
        .who(who::ACCOUNTS)
        .reads(&["accounts"]);
    type Caller = Authenticated;
    type Intent = Query;
    type Path = Nothing;
    type Query = Nothing;
    type Body = Nothing;
    type Answer = GetMeAnswer;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<GetMeAnswer>, Problem> {
        let account_id = input.caller.account_id;
        let viewer = Viewer { account_id, organization_id: None };
        let row = queries::own(&input.intent.reader, &viewer).await?.ok_or(Rejection::AccountNotFound)?;
        let contact = state.open::<AccountContact>([row.contact]).await?.pop();
        let profile = state.open::<AccountProfile>(row.profile).await?.pop();
        let metadata = state.open::<AccountMetadata>(row.metadata).await?.pop();
        let erased = contact == Some(Opened::Erased)
            || profile == Some(Opened::Erased)
            || metadata == Some(Opened::Erased);
        let profile = profile.and_then(Opened::clear);
        let metadata = metadata.and_then(Opened::clear);
        Ok(Reply::new(GetMeAnswer {
            account_id,
            email: contact.and_then(Opened::clear).map(|contact| contact.email),
            email_confirmed_at: row.email_confirmed_at,
            locale: profile.as_ref().and_then(|profile| profile.locale.clone()),
            display_name: profile.map(|profile| profile.display_name),
            phone: metadata.as_ref().and_then(|metadata| metadata.phone.clone()),
            address: metadata.and_then(|metadata| metadata.address),
            erased,
            registered_at: row.registered_at,
            password_set_at: row.password_set_at,
            session_id: input.caller.session_id,
            device_id: input.caller.device_id,
        }))
    }
}
