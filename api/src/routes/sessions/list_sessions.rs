//! `GET /v1/me/sessions`

use crate::extract::{Page, PageAnswer};
use domain::session::SessionOrigin;
use domain::{DeviceId, SessionId, Timestamp};
use eventstore_schema::Opened;
use projections::Viewer;
use projections::sessions::queries;

use crate::endpoint::prelude::*;

/// One of the caller's sessions.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Session")]
pub struct SessionAnswer {
    /// Its id.
    pub session_id: SessionId,
    /// Whether it is the one that asks.
    pub is_current: bool,
    /// The device that it acts for.
    pub device_id: Option<DeviceId>,
    /// Address that it was started from; null when unknown or erased.
    pub ip: Option<String>,
    /// User agent that it was started from; null when unknown or erased.
    pub user_agent: Option<String>,
    /// Whether address and user agent were erased.
    pub erased: bool,
    /// When it was started.
    pub started_at: Timestamp,
    /// When its refresh token was exchanged last.
    pub refreshed_at: Option<Timestamp>,
    /// When it ends unless it is refreshed.
    pub expires_at: Timestamp,
}

impl SessionAnswer {
    fn new(row: queries::SessionView, origin: Opened<SessionOrigin>, current: SessionId) -> Self {
        let erased = origin == Opened::Erased;
        let (ip, user_agent) = origin.clear().map_or((None, None), |origin| (origin.ip, origin.user_agent));
        Self {
            session_id: row.session_id,
            is_current: row.session_id == current,
            device_id: row.device_id,
            ip,
            user_agent,
            erased,
            started_at: row.started_at,
            refreshed_at: row.refreshed_at,
            expires_at: row.expires_at,
        }
    }
}

/// Which page.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListSessionsQuery {
    /// Where the page begins: `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Most rows, 1 to 200; 50 when absent.
    pub limit: Option<u32>,
}

/// See [`Endpoint::ABOUT`].
pub struct ListSessions;

impl Endpoint for ListSessions {
    const ABOUT: About = About::get(
        "sessions.list_sessions",
        "/v1/me/sessions",
        "Lists the caller's sessions that have not ended.",
    )
    .who(who::ACCOUNTS)
    .reads(&["sessions"]);
    type Caller = Authenticated;
    type Intent = Query;
    type Path = Nothing;
    type Query = ListSessionsQuery;
    type Body = Nothing;
    type Answer = PageAnswer<SessionAnswer>;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<PageAnswer<SessionAnswer>>, Problem> {
        let account_id = input.caller.account_id;
        let viewer = Viewer { account_id, organization_id: None };
        let page = Page::of::<Self>(state, account_id, &input.query.cursor, input.query.limit)?;
        let rows = queries::mine(&input.intent.reader, &viewer, page.query()).await?;
        let last = rows.last().map(|row| row.session_id);
        let count = rows.len();
        let now = state.clock.now();
        let origins = state.open::<SessionOrigin>(rows.iter().map(|row| row.origin.clone())).await?;
        let alive = rows.into_iter().zip(origins).filter(|(row, _)| row.expires_at > now);
        let show = |(row, origin)| SessionAnswer::new(row, origin, input.caller.session_id);
        let items = alive.map(show).collect();
        PageAnswer::filtered::<Self, _>(state, account_id, &page, items, last, count).map(Reply::new)
    }
}
