//! Queries over the accounts.

use domain::{AccountId, Timestamp};
use eventstore_schema::{Position, SealedCell};

use crate::cell::Sql;
use crate::reader::{QueryError, Reader, Viewer};

crate::result! {
    /// An account as its owner sees it.
    pub struct OwnAccountView {
        /// Its id.
        account_id: AccountId,
        /// [`domain::account::AccountContact`], sealed.
        contact: SealedCell,
        /// [`domain::account::AccountProfile`], sealed.
        profile: Option<SealedCell>,
        /// [`domain::account::AccountMetadata`], sealed.
        metadata: Option<SealedCell>,
        /// When it was registered.
        registered_at: Timestamp,
        /// When its e-mail address was confirmed.
        email_confirmed_at: Option<Timestamp>,
        /// When the password was set last.
        password_set_at: Option<Timestamp>,
        /// Until when logins are refused.
        locked_until: Option<Timestamp>,
        /// Position that changed it last.
        position: Position,
    }
}

crate::result! {
    /// What an account shows to others.
    pub struct ProfileView {
        /// Whose.
        account_id: AccountId,
        /// [`domain::account::AccountProfile`], sealed.
        profile: SealedCell,
        /// When it was changed last.
        changed_at: Timestamp,
        /// Position that changed it last.
        position: Position,
    }
}

/// The viewer's own account.
///
/// # Errors
/// When PostgreSQL cannot be reached.
pub async fn own(reader: &Reader, viewer: &Viewer) -> Result<Option<OwnAccountView>, QueryError> {
    const SQL: &str = "SELECT a.account_id, a.contact, p.profile, m.metadata, a.registered_at, \
         a.email_confirmed_at, s.password_set_at, s.locked_until, \
         greatest(a.position, p.position, m.position, s.position) AS position \
         FROM read.user_accounts AS a LEFT JOIN read.user_profiles AS p USING (account_id) \
         LEFT JOIN read.user_metadata AS m USING (account_id) \
         LEFT JOIN read.user_security_states AS s USING (account_id) WHERE a.account_id = $1";
    reader.one(viewer, SQL, &[&Sql(viewer.account_id)]).await
}

/// Profiles of accounts, as far as the viewer may see them: its own, and those of accounts that share an organization or a
/// conversation with it. Unknown accounts and those it may not see are left out alike.
///
/// # Errors
/// When PostgreSQL cannot be reached.
pub async fn profiles(
    reader: &Reader,
    viewer: &Viewer,
    account_ids: &[AccountId],
) -> Result<Vec<ProfileView>, QueryError> {
    const SQL: &str = "SELECT account_id, profile, changed_at, position FROM read.user_profiles \
         WHERE account_id = ANY($1) ORDER BY account_id";
    let ids: Vec<uuid::Uuid> = account_ids.iter().map(|id| id.as_uuid()).collect();
    reader.all(viewer, SQL, &[&ids]).await
}

/// The profile of one account; see [`profiles`].
///
/// # Errors
/// When PostgreSQL cannot be reached.
pub async fn profile(
    reader: &Reader,
    viewer: &Viewer,
    account_id: AccountId,
) -> Result<Option<ProfileView>, QueryError> {
    const SQL: &str =
        "SELECT account_id, profile, changed_at, position FROM read.user_profiles WHERE account_id = $1";
    reader.one(viewer, SQL, &[&Sql(account_id)]).await
}
