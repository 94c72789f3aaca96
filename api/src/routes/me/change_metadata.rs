//! `PUT /v1/me/metadata`

use domain::account::AccountMetadata;

use crate::endpoint::prelude::*;

/// The new data.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeMetadataBody {
    /// E.164 phone number.
    #[schemars(length(max = domain::limits::PHONE_CHARS_MAX), regex(pattern = r"^\+[1-9][0-9]{1,14}$"))]
    pub phone: Option<String>,
    /// Postal address.
    #[schemars(length(min = 1, max = domain::limits::ADDRESS_CHARS_MAX))]
    pub address: Option<String>,
}

/// See [`Endpoint::ABOUT`].
pub struct ChangeMetadata;

impl Endpoint for ChangeMetadata {
    const ABOUT: About = About::put(
        "me.change_metadata",
        "/v1/me/metadata",
        "Replaces phone and address, which nobody else sees.",
    )
    .who(who::ACCOUNTS);
    type Caller = Authenticated;
    type Intent = Command;
    type Path = Nothing;
    type Query = Nothing;
    type Body = ChangeMetadataBody;
    type Answer = Nothing;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<Nothing>, Problem> {
        let ChangeMetadataBody { phone, address } = input.body;
        let metadata = AccountMetadata { phone, address };
        let executed = state.services.accounts.change_metadata(&input.intent.request, metadata).await?;
        Ok(Reply::of(&executed, Nothing {}))
    }
}
