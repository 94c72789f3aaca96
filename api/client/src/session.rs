//! A login session: access tokens renewed in time, once for all who wait, and one's own writes read back.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use domain::SessionId;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::api::{self, dto};
use crate::e2ee::DeviceKeys;
use crate::edge;
use crate::http::{Answer, Http, Outgoing, Position};
use crate::keystore::{KeyState, KeyStore, StoredSession};
use crate::problem::ApiError;

/// How long before its end an access token is renewed: longer than a request takes on a slow line.
const RENEW_BEFORE: Duration = Duration::from_secs(30);

struct Access {
    token: Arc<Zeroizing<String>>,
    renew_at: Instant,
}

/// A session with the server.
pub struct Session {
    http: Http,
    store: Arc<KeyStore>,
    /// Held while a token is renewed, so that all who need one wait for the same renewal.
    access: tokio::sync::Mutex<Option<Access>>,
    /// Where the last command stands.
    position: Mutex<Option<Position>>,
}

impl Session {
    /// Goes on with the session that `store` keeps.
    pub fn resume(http: Http, store: Arc<KeyStore>) -> Self {
        Self { http, store, access: tokio::sync::Mutex::new(None), position: Mutex::new(None) }
    }

    /// Takes up what a login answered.
    ///
    /// # Errors
    /// [`ApiError::Keep`].
    pub fn begin(http: Http, store: Arc<KeyStore>, tokens: dto::Tokens) -> Result<Self, ApiError> {
        let position = Mutex::new(Some(tokens.position.clone()));
        let access = tokio::sync::Mutex::new(Some(keep(&store, tokens, None)?));
        Ok(Self { http, store, access, position })
    }

    /// How requests go out.
    pub fn http(&self) -> &Http {
        &self.http
    }

    /// Where keys and session are kept.
    pub fn store(&self) -> &Arc<KeyStore> {
        &self.store
    }

    /// Sends a request. A query sees what earlier commands of this session did; a token that the server does not take any
    /// more is renewed once.
    ///
    /// # Errors
    /// Each [`ApiError`].
    pub async fn call<T: DeserializeOwned>(&self, mut request: Outgoing) -> Result<Answer<T>, ApiError> {
        if request.reads() && !request.waits() {
            request = request.after(self.position());
        }
        let token = self.token().await?;
        let answer = match self.http.send(&request, Some(&token)).await {
            Err(error) if error.is("unauthenticated") => {
                let token = self.renew(&token).await?;
                self.http.send(&request, Some(&token)).await?
            }
            other => other?,
        };
        if !request.reads() {
            self.note(answer.position.as_ref());
        }
        Ok(answer)
    }

    /// Sends a command whose answer says nothing.
    ///
    /// # Errors
    /// Each [`ApiError`].
    pub async fn done(&self, request: Outgoing) -> Result<(), ApiError> {
        self.call::<serde::de::IgnoredAny>(request).await.map(|_| ())
    }

    /// Where the last command of this session stands.
    pub fn position(&self) -> Option<Position> {
        self.position.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, position: Option<&Position>) {
        if let Some(position) = position {
            let mut last = self.position.lock().unwrap_or_else(PoisonError::into_inner);
            *last = Some(position.clone());
        }
    }

    /// An access token that holds for a while.
    ///
    /// # Errors
    /// [`ApiError::LoggedOut`] when the session is over, or why it could not be renewed.
    pub async fn token(&self) -> Result<Arc<Zeroizing<String>>, ApiError> {
        let mut access = self.access.lock().await;
        match access.as_ref().filter(|access| Instant::now() < access.renew_at) {
            Some(access) => Ok(Arc::clone(&access.token)),
            None => self.refresh(&mut access).await,
        }
    }

    /// Another token than `refused`, or the one that somebody else has got meanwhile.
    ///
    /// # Errors
    /// As [`Session::token`].
    pub async fn renew(&self, refused: &Arc<Zeroizing<String>>) -> Result<Arc<Zeroizing<String>>, ApiError> {
        let mut access = self.access.lock().await;
        match access.as_ref().filter(|access| !Arc::ptr_eq(&access.token, refused)) {
            Some(access) => Ok(Arc::clone(&access.token)),
            None => self.refresh(&mut access).await,
        }
    }

    /// A new token, whatever the present one is worth.
    ///
    /// # Errors
    /// As [`Session::token`].
    pub async fn renew_now(&self) -> Result<Arc<Zeroizing<String>>, ApiError> {
        self.refresh(&mut *self.access.lock().await).await
    }

    /// When the present token is due to be renewed; never right now, so that waiting for it is no busy loop.
    pub async fn renewal(&self) -> Instant {
        let soonest = Instant::now() + Duration::from_secs(1);
        self.access.lock().await.as_ref().map_or(soonest, |access| access.renew_at.max(soonest))
    }

    /// Exchanges the refresh token, one at a time of all who have this key file, and always the newest. A lost answer is
    /// harmless: the server answers the same token the same way for a short time, and whenever the device has signed.
    async fn refresh(&self, access: &mut Option<Access>) -> Result<Arc<Zeroizing<String>>, ApiError> {
        let _exchange = self.store.exchange().await.map_err(ApiError::Keep)?;
        self.store.reload().map_err(ApiError::Keep)?;
        let session = self.store.read(|state| state.session.clone()).ok_or(ApiError::LoggedOut)?;
        let device = self.store.read(KeyState::enrolled_device);
        let sign = |device: DeviceKeys| {
            device.refresh_proof(session.session_id, &session.refresh_token, edge::now())
        };
        let answer = api::auth::refresh(&self.http, &session.refresh_token, device.map(sign)).await;
        let tokens = answer.map_err(|error| match error.problem().map(|problem| problem.status) {
            Some(400 | 401 | 403 | 404) => ApiError::LoggedOut,
            _ => error,
        })?;
        let renewed = keep(&self.store, tokens, Some(session.session_id))?;
        let token = Arc::clone(&renewed.token);
        *access = Some(renewed);
        Ok(token)
    }

    /// Ends the session, here and on the server.
    ///
    /// # Errors
    /// Why the server could not be told; the session is forgotten here anyway.
    pub async fn end(&self) -> Result<(), ApiError> {
        let told = api::auth::logout(self).await;
        self.store.update(|state| state.session = None).map_err(ApiError::Keep)?;
        *self.access.lock().await = None;
        match told {
            Err(ApiError::LoggedOut) => Ok(()),
            other => other,
        }
    }
}

/// Keeps the tokens; those of an exchange only if the store has that session still, and no other was begun meanwhile.
fn keep(store: &KeyStore, tokens: dto::Tokens, renews: Option<SessionId>) -> Result<Access, ApiError> {
    let lasts = Duration::from_secs(tokens.expires_in);
    let session = StoredSession { session_id: tokens.session_id, refresh_token: tokens.refresh_token };
    let keep = |state: &mut KeyState| {
        let kept = state.session.as_ref().map(|session| session.session_id);
        if renews.is_none() || renews == kept {
            state.session = Some(session);
        }
    };
    store.update(keep).map_err(ApiError::Keep)?;
    Ok(Access {
        token: Arc::new(Zeroizing::new(tokens.access_token)),
        renew_at: Instant::now() + lasts.saturating_sub(RENEW_BEFORE),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use domain::device::DeviceProof;
    use domain::device::proof::refresh_proof;
    use domain::{AccountId, DeviceId, VerifyKey};
    use serde_json::{Value, json};

    use super::*;
    use crate::e2ee::testing::{CHEAP, seeded};
    use crate::testing::{Reply, TestServer};

    const ANN: AccountId = AccountId::from_bytes([1; 16]);
    const SESSION: SessionId = SessionId::from_bytes([2; 16]);

    fn tokens(number: usize) -> Value {
        json!({
            "account_id": ANN, "session_id": SESSION, "expires_in": 600, "position": "p",
            "access_token": format!("access-{number}"), "refresh_token": format!("refresh-{number}"),
        })
    }

    fn resumed(server: &TestServer) -> Session {
        let mut state = KeyState::new(&server.base, ANN);
        state.session = Some(StoredSession { session_id: SESSION, refresh_token: "refresh-0".to_owned() });
        Session::resume(Http::new(&server.base).unwrap(), Arc::new(KeyStore::in_memory(state)))
    }

    fn is_refresh(line: &str) -> bool {
        line.contains("refresh")
    }

    #[tokio::test]
    async fn many_requests_wait_for_one_renewal() {
        let server = TestServer::start(|_, seen| {
            if is_refresh(&seen.line) { Reply::json(tokens(1)) } else { Reply::json(json!(null)) }
        })
        .await;
        let session = Arc::new(resumed(&server));
        let calls = (0..20).map(|_| {
            let session = Arc::clone(&session);
            tokio::spawn(async move { session.call::<Value>(Outgoing::get("/v1/x")).await.map(|_| ()) })
        });
        for call in calls.collect::<Vec<_>>() {
            call.await.unwrap().unwrap();
        }
        let seen = server.seen();
        assert_eq!(seen.iter().filter(|one| is_refresh(&one.line)).count(), 1);
        let others = seen.iter().filter(|one| !is_refresh(&one.line));
        assert!(others.clone().all(|one| one.header("authorization") == Some("Bearer access-1")));
        assert_eq!(others.count(), 20);
        let kept = session.store().read(|state| state.session.clone().unwrap().refresh_token.clone());
        assert_eq!(kept, "refresh-1");
    }

    /// A server that exchanges each token once, the newest only.
    async fn strict_server() -> TestServer {
        let newest = Arc::new(AtomicUsize::new(0));
        TestServer::start(move |_, seen| {
            if !is_refresh(&seen.line) {
                return Reply::json(json!(null));
            }
            let number = newest.fetch_add(1, Ordering::SeqCst);
            if seen.body.contains(&format!("refresh-{number}\"")) {
                Reply::json(tokens(number + 1))
            } else {
                Reply::problem(401, "refresh_refused")
            }
        })
        .await
    }

    #[tokio::test]
    async fn sessions_on_one_store_or_one_file_always_exchange_the_newest_token() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ann.keys");
        let server = strict_server().await;
        let mut state = KeyState::new(&server.base, ANN);
        state.session = Some(StoredSession { session_id: SESSION, refresh_token: "refresh-0".to_owned() });
        let one = Arc::new(KeyStore::create(&path, "violet harbour tractor sesame", CHEAP, state).unwrap());
        let other = Arc::new(KeyStore::open(&path, "violet harbour tractor sesame").unwrap());
        let http = Http::new(&server.base).unwrap();
        let mut renewals = Vec::new();
        for store in [&one, &one, &other, &other] {
            let session = Session::resume(http.clone(), Arc::clone(store));
            renewals.push(tokio::spawn(async move {
                for _ in 0..5 {
                    session.renew_now().await.unwrap();
                }
            }));
        }
        for renewal in renewals {
            renewal.await.unwrap();
        }
        one.reload().unwrap();
        assert_eq!(one.read(|state| state.session.clone().unwrap().refresh_token.clone()), "refresh-20");
    }

    #[tokio::test]
    async fn an_enrolled_device_signs_its_exchange() {
        let server = strict_server().await;
        let session = resumed(&server);
        let device = DeviceKeys::generate(ANN, DeviceId::from_bytes([3; 16]), &mut seeded(1));
        session
            .store()
            .update(|state| {
                state.set_device(&device);
                state.enrolled = true;
            })
            .unwrap();
        session.renew_now().await.unwrap();
        let body: Value = serde_json::from_str(&server.seen()[0].body).unwrap();
        let proof: DeviceProof = serde_json::from_value(body["device_proof"].clone()).unwrap();
        let holds = |key: &VerifyKey, token: &str| {
            let bytes = refresh_proof(SESSION, device.device_id(), token, proof.signed_at);
            proof.holds(key, &bytes, edge::now())
        };
        assert!(holds(&device.verify_key(), "refresh-0"));
        assert!(!holds(&device.verify_key(), "refresh-1"));
    }

    #[tokio::test]
    async fn a_session_that_was_begun_meanwhile_is_not_overwritten() {
        let server = strict_server().await;
        let session = resumed(&server);
        let other = SessionId::from_bytes([9; 16]);
        let stored = StoredSession { session_id: other, refresh_token: "other".to_owned() };
        let answer = serde_json::from_value(tokens(1)).unwrap();
        session.store().update(|state| state.session = Some(stored)).unwrap();
        keep(session.store(), answer, Some(SESSION)).unwrap();
        assert_eq!(session.store().read(|state| state.session.clone().unwrap().session_id), other);
    }

    #[tokio::test]
    async fn a_token_that_is_refused_early_is_renewed_once() {
        let renewals = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&renewals);
        let server = TestServer::start(move |_, seen| {
            if is_refresh(&seen.line) {
                return Reply::json(tokens(counter.fetch_add(1, Ordering::SeqCst) + 1));
            }
            match seen.header("authorization") {
                Some("Bearer access-2") => Reply::json(json!(7)),
                _ => Reply::problem(401, "unauthenticated"),
            }
        })
        .await;
        let session = resumed(&server);
        assert_eq!(session.call::<Value>(Outgoing::get("/v1/x")).await.unwrap().body, json!(7));
        assert_eq!(renewals.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_session_that_is_over_says_so() {
        let server = TestServer::start(|_, _| Reply::problem(401, "session_ended")).await;
        let answer = resumed(&server).call::<Value>(Outgoing::get("/v1/x")).await;
        assert!(matches!(answer, Err(ApiError::LoggedOut)));
    }

    #[tokio::test]
    async fn a_query_asks_for_what_the_last_command_did() {
        let server = TestServer::start(|_, seen| {
            if is_refresh(&seen.line) {
                return Reply::json(tokens(1));
            }
            Reply::Answer(200, vec![("envoi-position", "here".to_owned())], "null".to_owned())
        })
        .await;
        let session = resumed(&server);
        session.call::<Value>(Outgoing::get("/v1/x")).await.unwrap();
        session.call::<Value>(Outgoing::post("/v1/x")).await.unwrap();
        session.call::<Value>(Outgoing::get("/v1/x")).await.unwrap();
        let asked: Vec<_> = server
            .seen()
            .iter()
            .filter(|one| one.line.ends_with("/v1/x"))
            .map(|one| one.header("envoi-min-position").map(str::to_owned))
            .collect();
        assert_eq!(asked, [None, None, Some("here".to_owned())]);
    }
}
