//! `GET /v1/me/identity`

use crate::problem::Code;
use domain::device::IdentityVault;
use domain::{Blob, HpkeKey, RecipientId, Signature, Timestamp, VerifyKey};
use eventstore_schema::Opened;
use projections::Viewer;
use projections::devices::queries;

use crate::endpoint::prelude::*;

/// The caller's own identity.
#[derive(Serialize, JsonSchema)]
pub struct GetIdentityAnswer {
    /// Certifies the account's devices and recovery key.
    pub identity_key: VerifyKey,
    /// Names the recovery key.
    pub recovery_id: RecipientId,
    /// The recovery key.
    pub recovery_key: HpkeKey,
    /// The identity key's signature over the recovery certificate.
    pub recovery_certificate: Signature,
    /// The private keys, encrypted under a key from a passphrase; null when erased.
    pub encrypted_private_key: Option<Blob>,
    /// Whether the private keys were erased.
    pub erased: bool,
    /// When it was published.
    pub published_at: Timestamp,
}

/// See [`Endpoint::ABOUT`].
pub struct GetIdentity;

impl Endpoint for GetIdentity {
    const ABOUT: About = About::get(
        "devices.get_identity",
        "/v1/me/identity",
        "Shows the caller's own identity with its private keys, as encrypted by the client.",
    )
    .who(who::ACCOUNTS)
    .reads(&["devices"]);
    type Caller = Authenticated;
    type Intent = Query;
    type Path = Nothing;
    type Query = Nothing;
    type Body = Nothing;
    type Answer = GetIdentityAnswer;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<GetIdentityAnswer>, Problem> {
        let viewer = Viewer { account_id: input.caller.account_id, organization_id: None };
        let row = queries::own_keys(&input.intent.reader, &viewer).await?.ok_or(Code::NotFound)?;
        let vault = state.open::<IdentityVault>([row.vault]).await?.pop();
        Ok(Reply::new(GetIdentityAnswer {
            identity_key: row.identity_key,
            recovery_id: row.recovery_id,
            recovery_key: row.recovery_key,
            recovery_certificate: row.recovery_certificate,
            erased: vault == Some(Opened::Erased),
            encrypted_private_key: vault.and_then(Opened::clear).map(|vault| vault.encrypted_private_key),
            published_at: row.published_at,
        }))
    }
}
