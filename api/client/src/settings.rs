//! Settings of conversations.

use domain::ConversationId;
use domain::conversation::HistoryVisibility;

use crate::api;
use crate::client::Client;
use crate::error::Error;

impl Client {
    /// Sets what the members of a group see of what was before they joined. It gives nobody the keys of older generations.
    ///
    /// # Errors
    /// [`Error::Api`].
    pub async fn change_history_visibility(
        &self,
        conversation: ConversationId,
        visibility: HistoryVisibility,
    ) -> Result<(), Error> {
        Ok(api::conversations::change_history_visibility(self.session(), conversation, visibility).await?)
    }
}
