//! Queries over the conversations. Each shows a conversation to its current members only.

use domain::conversation::{
    ConversationKind, ConversationRole, HistoryVisibility, RecipientKind, Suite, Terms, WorkspaceTerm,
};
use domain::{
    AccountId, Blob, ConversationId, DeviceId, Digest, HpkeKey, OrganizationId, RecipientId, Signature,
    Timestamp, VerifyKey, WorkspaceId,
};
use eventstore_schema::{Position, SealedCell};

use crate::cell::Sql;
use crate::messages::queries::Direction;
use crate::reader::{Page, PageKey, QueryError, Reader, Viewer};

crate::result! {
    /// A conversation as one of its members sees it.
    pub struct ConversationView {
        /// Its id.
        conversation_id: ConversationId,
        /// Its organization.
        organization_id: OrganizationId,
        /// Its workspace, if it lies in one.
        workspace_id: Option<WorkspaceId>,
        /// Which kind.
        kind: ConversationKind,
        /// Who opened it.
        creator: AccountId,
        /// [`domain::conversation::ConversationTitle`], sealed.
        title: SealedCell,
        /// Whether messages in clear are taken.
        allows_plaintext: bool,
        /// What members see of what was before they joined.
        history_visibility: HistoryVisibility,
        /// Messages up to this number are hidden from the viewer; 0 for none.
        hidden_up_to: u64,
        /// Members there are.
        members: u32,
        /// The viewer's role.
        role: ConversationRole,
        /// The viewer's term in the organization, which the membership rests on.
        organization_term: u64,
        /// The viewer's term in the workspace, which the membership rests on.
        workspace_term: Option<u64>,
        /// The generation committed last; 0 for none.
        generation: u32,
        /// Whether a new generation has to be committed before anything can be sent.
        commit_required: bool,
        /// Number of its last message; 0 for none.
        last_number: u64,
        /// When that was sent; none when it is hidden from the viewer.
        last_sent_at: Option<Timestamp>,
        /// Position of its last message, or of what opened it or let the viewer in, whichever is the latest.
        activity_position: Position,
        /// Whether its projection set it aside: the row may have been overtaken.
        parked: bool,
        /// Up to where the viewer has read, on any device.
        read_up_to: u64,
        /// When it was opened.
        created_at: Timestamp,
        /// Position that changed it last.
        position: Position,
    }
}

crate::result! {
    /// A member of a conversation.
    pub struct ConversationMemberView {
        /// Who.
        account_id: AccountId,
        /// As what.
        role: ConversationRole,
        /// Since when.
        joined_at: Timestamp,
    }
}

crate::result! {
    /// An active recipient of a conversation.
    pub struct RecipientView {
        /// Whose.
        account_id: AccountId,
        /// The device or recovery key.
        recipient_id: RecipientId,
        /// Device or recovery key.
        kind: RecipientKind,
        /// To wrap for it.
        hpke_key: HpkeKey,
        /// To verify what it signs.
        verify_key: Option<VerifyKey>,
        /// Whether it has no wrap of the current generation yet.
        waiting: bool,
    }
}

crate::result! {
    /// A generation of a conversation's key.
    pub struct GenerationView {
        /// Its number.
        generation: u32,
        /// How it encrypts.
        suite: Suite,
        /// Whose device made it.
        account_id: AccountId,
        /// The device that made it.
        device_id: DeviceId,
        /// Hash of the membership that it was made for.
        transcript: Digest,
        /// When it was committed.
        committed_at: Timestamp,
    }
}

crate::result! {
    /// A wrap for one recipient, with what opening it takes.
    pub struct WrapView {
        /// Which generation.
        generation: u32,
        /// For whose recipient.
        account_id: AccountId,
        /// For which of the account's recipients.
        recipient_id: RecipientId,
        /// How the generation encrypts.
        suite: Suite,
        /// Hash of the membership that the generation was made for.
        transcript: Digest,
        /// Whose device made the wrap.
        sender_id: AccountId,
        /// The device that made the wrap.
        device_id: DeviceId,
        /// HPKE encapsulated key.
        encapsulated_key: HpkeKey,
        /// HPKE ciphertext.
        ciphertext: Blob,
        /// The sending device's signature.
        signature: Signature,
        /// When it was made.
        added_at: Timestamp,
        /// When its recipient reported that it cannot be opened.
        reported_at: Option<Timestamp>,
    }
}

crate::result! {
    /// An account's time in a conversation; what the live socket judges visibility by.
    pub struct MembershipSpan {
        /// The conversation.
        conversation_id: ConversationId,
        /// Position of the event by which it joined, last.
        joined_position: Position,
        /// Position of the event by which it left; none for members.
        left_position: Option<Position>,
        /// Number of the last message before it joined, last; 0 for none.
        earlier_number: u64,
        /// Whether it sees what was before.
        history_visibility: HistoryVisibility,
        /// The conversation's organization.
        organization_id: OrganizationId,
        /// The term in the organization that the membership rests on.
        organization_term: u64,
        /// The workspace that the conversation lies in.
        workspace_id: Option<WorkspaceId>,
        /// The term in the workspace that the membership rests on.
        workspace_term: Option<u64>,
        /// Whether the conversation was set aside: there may be events that this row does not show.
        parked: bool,
    }
}

impl MembershipSpan {
    /// What the membership rests on.
    pub fn terms(&self) -> Terms {
        let workspace = self.workspace_id.zip(self.workspace_term);
        let workspace = workspace.map(|(workspace_id, term)| WorkspaceTerm { workspace_id, term });
        Terms { organization: self.organization_term, workspace }
    }
}

/// Messages up to this number are hidden from the member `v`; 0 for none.
macro_rules! hidden {
    () => {
        "CASE v.history_visibility WHEN 'all' THEN 0 ELSE v.earlier_number END"
    };
}

pub(crate) use hidden;

/// Where something happened last in the conversation that `n` counts the messages of, for the member `v`.
macro_rules! activity {
    () => {
        "greatest(n.activity_position, v.joined_position)"
    };
}
pub(crate) use activity;

/// Whether all read models that activity comes from show it: nothing comes before it later.
macro_rules! activity_is_shown {
    () => {
        concat!(
            activity!(),
            " <= (SELECT least(coalesce(c.position, 0), coalesce(m.position, 0)) FROM read.conversations_checkpoint AS c, read.messages_checkpoint AS m) "
        )
    };
}

/// Columns of [`ConversationView`]: `v` the viewer's membership, `c` the conversation, `n` its counter, `$1` the viewer.
macro_rules! conversation_fields {
    () => {
        concat!(
            "c.conversation_id, c.organization_id, c.workspace_id, c.kind, c.creator, c.title, c.allows_plaintext, ",
            "v.history_visibility, greatest(n.deleted_up_to, ", $crate::conversations::queries::hidden!(), ") AS hidden_up_to, ",
            "c.members, v.role, v.organization_term, v.workspace_term, c.generation, c.commit_required, coalesce(n.last_number, 0) AS last_number, ",
            "CASE WHEN n.last_number > ", $crate::conversations::queries::hidden!(), " THEN n.last_sent_at END AS last_sent_at, ",
            $crate::conversations::queries::activity!(), " AS activity_position, ",
            "greatest((SELECT max(w.read_up_to) FROM read.message_watermarks AS w ",
            "WHERE w.conversation_id = c.conversation_id AND w.account_id = $1), n.deleted_up_to, ", $crate::conversations::queries::hidden!(), ") AS read_up_to, ",
            "EXISTS (SELECT FROM read.conversations_parked AS aside ",
            "WHERE aside.stream = 'conversation-' || c.conversation_id::text) AS parked, c.created_at, ",
            "greatest(c.position, v.position) AS position "
        )
    };
}
pub(crate) use conversation_fields;

macro_rules! conversation_columns {
    ($($rest:expr),+) => {
        concat!(
            "SELECT ",
            conversation_fields!(),
            "FROM read.conversation_members AS v JOIN read.conversations AS c USING (conversation_id) ",
            "LEFT JOIN read.message_counters AS n USING (conversation_id) ",
            "WHERE v.account_id = $1 AND v.left_at IS NULL AND c.deleted_at IS NULL ",
            $($rest),+
        )
    };
}

/// Conversations of the viewer in the organization that it acts in, by id; in one workspace only, if one is named.
///
/// # Errors
/// When PostgreSQL cannot be reached.
pub async fn mine(
    reader: &Reader,
    viewer: &Viewer,
    workspace_id: Option<WorkspaceId>,
    page: Page<ConversationId>,
) -> Result<Vec<ConversationView>, QueryError> {
    const ALL: &str = conversation_columns!("AND v.conversation_id > $2 ORDER BY v.conversation_id LIMIT $3");
    const OF_WORKSPACE: &str = conversation_columns!(
        "AND v.conversation_id > $2 AND c.workspace_id = $4 ORDER BY v.conversation_id LIMIT $3"
    );
    let (me, behind, limit) = (Sql(viewer.account_id), Sql(page.behind()), page.limit());
    match workspace_id {
        None => reader.all(viewer, ALL, &[&me, &behind, &limit]).await,
        Some(workspace) => reader.all(viewer, OF_WORKSPACE, &[&me, &behind, &limit, &Sql(workspace)]).await,
    }
}

/// Where a conversation stands among others by its last activity.
pub type ActivityKey = (Position, ConversationId);

/// Conversations of the viewer in the organization that it acts in, by their last activity: behind the page's key in the direction,
/// the latest first when backwards. Everything is left out that read models may still show something before, for a moment.
///
/// # Errors
/// When PostgreSQL cannot be reached.
pub async fn by_activity(
    reader: &Reader,
    viewer: &Viewer,
    direction: Direction,
    page: Page<ActivityKey>,
) -> Result<Vec<ConversationView>, QueryError> {
    const FORWARDS: &str = conversation_columns!(
        "AND ",
        activity_is_shown!(),
        "AND (",
        activity!(),
        ", v.conversation_id) > ($2, $3) ORDER BY ",
        activity!(),
        ", v.conversation_id LIMIT $4"
    );
    const BACKWARDS: &str = conversation_columns!(
        "AND ",
        activity_is_shown!(),
        "AND (",
        activity!(),
        ", v.conversation_id) < ($2, $3) ORDER BY ",
        activity!(),
        " DESC, v.conversation_id DESC LIMIT $4"
    );
    const BEHIND_ALL: ActivityKey =
        (Position::new(i64::MAX.unsigned_abs()), ConversationId::from_bytes([u8::MAX; 16]));
    let (sql, (position, id)) = match direction {
        Direction::Forwards => (FORWARDS, page.behind()),
        Direction::Backwards => (BACKWARDS, page.after.unwrap_or(BEHIND_ALL)),
    };
    let (me, position, id) = (Sql(viewer.account_id), Sql(position), Sql(id));
    reader.all(viewer, sql, &[&me, &position, &id, &page.limit()]).await
}

/// A conversation of the viewer.
///
/// # Errors
/// When PostgreSQL cannot be reached.
pub async fn by_id(
    reader: &Reader,
    viewer: &Viewer,
    conversation_id: ConversationId,
) -> Result<Option<ConversationView>, QueryError> {
    const SQL: &str = conversation_columns!("AND c.conversation_id = $2");
    reader.one(viewer, SQL, &[&Sql(viewer.account_id), &Sql(conversation_id)]).await
}

/// The organization of a conversation that the viewer is a member of: what to act in before asking more.
///
/// # Errors
/// When PostgreSQL cannot be reached.
pub async fn organization_of(
    reader: &Reader,
    account_id: AccountId,
    conversation_id: ConversationId,
) -> Result<Option<OrganizationId>, QueryError> {
    const SQL: &str = "SELECT organization_id FROM read.conversation_members \
         WHERE account_id = $1 AND conversation_id = $2 AND left_at IS NULL";
    let viewer = Viewer { account_id, organization_id: None };
    let found: Option<OrganizationOf> =
        reader.one(&viewer, SQL, &[&Sql(account_id), &Sql(conversation_id)]).await?;
    Ok(found.map(|row| row.organization_id))
}

crate::result! {
    /// The organization of a conversation.
    pub struct OrganizationOf {
        /// The organization.
        organization_id: OrganizationId,
    }
}

/// Members of a conversation of the viewer, by account.
///
/// # Errors
/// When PostgreSQL cannot be reached.
pub async fn members(
    reader: &Reader,
    viewer: &Viewer,
    conversation_id: ConversationId,
    page: Page<AccountId>,
) -> Result<Vec<ConversationMemberView>, QueryError> {
    const SQL: &str = "SELECT m.account_id, m.role, m.joined_at FROM read.conversation_members AS m \
         WHERE m.conversation_id = $2 AND m.left_at IS NULL AND EXISTS (SELECT FROM read.conversation_members AS v \
         WHERE v.conversation_id = $2 AND v.account_id = $1 AND v.left_at IS NULL) \
         AND m.account_id > $3 ORDER BY m.account_id LIMIT $4";
    let (me, conversation) = (Sql(viewer.account_id), Sql(conversation_id));
    reader.all(viewer, SQL, &[&me, &conversation, &Sql(page.behind()), &page.limit()]).await
}

/// All active recipients of a conversation of the viewer, by account and id: what a commit has to wrap for.
///
/// # Errors
/// When PostgreSQL cannot be reached.
pub async fn recipients(
    reader: &Reader,
    viewer: &Viewer,
    conversation_id: ConversationId,
) -> Result<Vec<RecipientView>, QueryError> {
    const SQL: &str = "SELECT r.account_id, r.recipient_id, r.kind, r.hpke_key, r.verify_key, r.waiting \
         FROM read.conversation_recipients AS r WHERE r.conversation_id = $2 AND r.active \
         AND EXISTS (SELECT FROM read.conversation_members AS v \
         WHERE v.conversation_id = $2 AND v.account_id = $1 AND v.left_at IS NULL) \
         ORDER BY r.account_id, r.recipient_id";
    reader.all(viewer, SQL, &[&Sql(viewer.account_id), &Sql(conversation_id)]).await
}

/// Generations of a conversation of the viewer, by number: where history is hidden from them, from the one on that was in force
/// as they joined.
///
/// # Errors
/// When PostgreSQL cannot be reached.
pub async fn generations(
    reader: &Reader,
    viewer: &Viewer,
    conversation_id: ConversationId,
    page: Page<u32>,
) -> Result<Vec<GenerationView>, QueryError> {
    const SQL: &str = "SELECT k.generation, k.suite, k.account_id, k.device_id, k.transcript, k.committed_at \
         FROM read.conversation_encryption_keys AS k WHERE k.conversation_id = $2 \
         AND EXISTS (SELECT FROM read.conversation_members AS v \
         WHERE v.conversation_id = $2 AND v.account_id = $1 AND v.left_at IS NULL \
         AND (v.history_visibility = 'all' OR k.generation >= v.earlier_generation)) \
         AND k.generation > $3 ORDER BY k.generation LIMIT $4";
    let (me, conversation) = (Sql(viewer.account_id), Sql(conversation_id));
    reader.all(viewer, SQL, &[&me, &conversation, &Sql(page.behind()), &page.limit()]).await
}

/// Wraps of a conversation for all recipients of the viewer's own, by generation and recipient; of one generation only,
/// if one is named. Of the [`generations`] that the viewer sees.
///
/// # Errors
/// When PostgreSQL cannot be reached.
pub async fn own_wraps(
    reader: &Reader,
    viewer: &Viewer,
    conversation_id: ConversationId,
    generation: Option<u32>,
    page: Page<(u32, RecipientId)>,
) -> Result<Vec<WrapView>, QueryError> {
    const SQL: &str = "SELECT w.generation, w.account_id, w.recipient_id, k.suite, k.transcript, w.sender_id, w.device_id, \
         w.encapsulated_key, w.ciphertext, w.signature, w.added_at, w.reported_at \
         FROM read.member_key_wraps AS w \
         JOIN read.conversation_encryption_keys AS k USING (conversation_id, generation) \
         WHERE w.conversation_id = $2 AND w.account_id = $1 \
         AND EXISTS (SELECT FROM read.conversation_members AS v \
         WHERE v.conversation_id = $2 AND v.account_id = $1 AND v.left_at IS NULL \
         AND (v.history_visibility = 'all' OR w.generation >= v.earlier_generation)) \
         AND w.generation <= $3 \
         AND (w.generation, w.recipient_id) > ($4, $5) \
         ORDER BY w.generation, w.recipient_id LIMIT $6";
    let (me, conversation) = (Sql(viewer.account_id), Sql(conversation_id));
    // Recipients' ids are their makers': every one is behind the last that there can be of the generation before.
    let before = |generation: u32| (generation.saturating_sub(1), RecipientId::from_bytes([u8::MAX; 16]));
    let first = generation.map_or(PageKey::BEFORE_ALL, before);
    // A page of one generation begins in it, whatever list the key is of.
    let (after, recipient) = page.after.map_or(first, |after| after.max(first));
    let (last, after, recipient) = (Sql(generation.unwrap_or(u32::MAX)), Sql(after), Sql(recipient));
    reader.all(viewer, SQL, &[&me, &conversation, &last, &after, &recipient, &page.limit()]).await
}

/// All conversations that the account is or was a member of, wherever it acts.
///
/// # Errors
/// When PostgreSQL cannot be reached.
pub async fn spans(reader: &Reader, account_id: AccountId) -> Result<Vec<MembershipSpan>, QueryError> {
    const SQL: &str = "SELECT m.conversation_id, m.joined_position, m.left_position, m.earlier_number, \
         m.history_visibility, m.organization_id, m.organization_term, m.workspace_id, m.workspace_term, \
         EXISTS (SELECT FROM read.conversations_parked AS p \
         WHERE p.stream = 'conversation-' || m.conversation_id::text) AS parked \
         FROM read.conversation_members AS m WHERE m.account_id = $1";
    reader.all(&Viewer { account_id, organization_id: None }, SQL, &[&Sql(account_id)]).await
}
