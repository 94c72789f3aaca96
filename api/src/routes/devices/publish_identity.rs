//! `POST /v1/me/identity`

use domain::device::IdentityVault;
use domain::device::commands::PublishIdentity as PublishIdentityCommand;
use domain::{Blob, HpkeKey, RecipientId, Signature, VerifyKey};

use crate::endpoint::prelude::*;

/// The keys.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishIdentityBody {
    /// Certifies the account's devices and recovery key.
    pub identity_key: VerifyKey,
    /// Names the recovery key.
    pub recovery_id: RecipientId,
    /// The recovery key.
    pub recovery_key: HpkeKey,
    /// The identity key's signature over the recovery certificate.
    pub recovery_certificate: Signature,
    /// The private keys, encrypted under a key from a passphrase.
    #[schemars(extend("minLength" = 1, "maxLength" = crate::limits::base64_chars(domain::limits::IDENTITY_VAULT_BYTES_MAX)))]
    pub encrypted_private_key: Blob,
}

/// See [`Endpoint::ABOUT`].
pub struct PublishIdentity;

impl Endpoint for PublishIdentity {
    const ABOUT: About = About::post(
        "devices.publish_identity",
        "/v1/me/identity",
        "Publishes the account's identity key and recovery key, once.\n\nThe private keys come encrypted by the client; the server seals them again. Whoever has lost all devices and the passphrase resets the password by mail, logs in without a device, and publishes others within a day: the devices of before are revoked, and nothing that was sent before can be read any more.",
    )
    .who(who::ACCOUNTS)
    .status(204)
    .errors(&["identity_exists", "certificate_invalid", "account_not_found"]);
    type Caller = Authenticated;
    type Intent = Command;
    type Path = Nothing;
    type Query = Nothing;
    type Body = PublishIdentityBody;
    type Answer = Nothing;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<Nothing>, Problem> {
        let body = input.body;
        let command = PublishIdentityCommand {
            account_id: input.caller.account_id,
            identity_key: body.identity_key,
            recovery_id: body.recovery_id,
            recovery_key: body.recovery_key,
            recovery_certificate: body.recovery_certificate,
            vault: IdentityVault { encrypted_private_key: body.encrypted_private_key },
            reset: None,
        };
        let executed = state.services.devices.publish_identity(&input.intent.request, command).await?;
        Ok(Reply::of(&executed, Nothing {}))
    }
}
