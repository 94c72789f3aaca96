//! `POST /v1/conversations/{conversation_id}/receipts`

use crate::routes::conversations::ConversationPath;
use domain::conversation_member::Watermarks;

use crate::endpoint::prelude::*;

/// The receipt.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordReceiptBody {
    /// Delivered up to and including this number.
    pub delivered_up_to: u64,
    /// Read up to and including this number.
    pub read_up_to: u64,
}

/// See [`Endpoint::ABOUT`].
pub struct RecordReceipt;

impl Endpoint for RecordReceipt {
    const ABOUT: About = About::post(
        "messages.record_receipt",
        "/v1/conversations/{conversation_id}/receipts",
        "Records up to which message the device has got, and its owner has read, all.\n\nOne receipt covers any number of messages; lower numbers than recorded change nothing. The first of a device is recorded at once, those that follow within a second together, by the highest numbers: each is answered when it is on record. `ETag` is the revision of what the caller acknowledged in the conversation.",
    )
    .who(who::PARTICIPANTS)
    .status(204)
    .errors(&["conversation_not_found", "device_not_in_conversation", "message_not_found", "conversation_deleted"]);
    type Caller = DeviceBound;
    type Intent = Command;
    type Path = ConversationPath;
    type Query = Nothing;
    type Body = RecordReceiptBody;
    type Answer = Nothing;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<Nothing>, Problem> {
        let RecordReceiptBody { delivered_up_to, read_up_to } = input.body;
        let marks = Watermarks { delivered_up_to, read_up_to };
        let conversations = &state.services.conversations;
        let executed =
            conversations.record_receipt(&input.intent.request, input.path.conversation_id, marks).await?;
        Ok(Reply::of(&executed, Nothing {}))
    }
}
