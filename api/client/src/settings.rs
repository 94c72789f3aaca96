//! Settings of conversations, and finding people.

use domain::conversation::HistoryVisibility;
use domain::{ConversationId, OrganizationId};

use crate::api::{self, dto};
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

    /// Members of an organization by the beginnings of the words of their names.
    ///
    /// # Errors
    /// [`Error::Api`].
    pub async fn find_people(
        &self,
        organization: OrganizationId,
        query: &str,
    ) -> Result<dto::FoundPeople, Error> {
        Ok(api::organizations::find_people(self.session(), organization, query).await?)
    }
}
