//! A login session: access tokens renewed in time, once for all who wait, and one's own writes read back.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::api::{self, dto};
use crate::http::{Answer, Http, Outgoing, Position};
use crate::keystore::{KeyStore, StoredSession};
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
        let access = keep(&store, tokens)?;
        let access = tokio::sync::Mutex::new(Some(access));
        Ok(Self { http, store, access, position: Mutex::new(None) })
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
        if request.reads() {
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

    /// Exchanges the refresh token. A lost answer is harmless: the server answers the same token the same way once more.
    async fn refresh(&self, access: &mut Option<Access>) -> Result<Arc<Zeroizing<String>>, ApiError> {
        // Another process with the same key file may have exchanged it since.
        self.store.reload().map_err(ApiError::Keep)?;
        let session = self.store.read(|state| state.session.clone()).ok_or(ApiError::LoggedOut)?;
        let answer = api::auth::refresh(&self.http, &session.refresh_token).await;
        let tokens = answer.map_err(|error| match error.problem().map(|problem| problem.status) {
            Some(400 | 401 | 403 | 404) => ApiError::LoggedOut,
            _ => error,
        })?;
        let renewed = keep(&self.store, tokens)?;
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

fn keep(store: &KeyStore, tokens: dto::Tokens) -> Result<Access, ApiError> {
    let session = StoredSession { session_id: tokens.session_id, refresh_token: tokens.refresh_token };
    store.update(|state| state.session = Some(session)).map_err(ApiError::Keep)?;
    let lasts = Duration::from_secs(tokens.expires_in);
    Ok(Access {
        token: Arc::new(Zeroizing::new(tokens.access_token)),
        renew_at: Instant::now() + lasts.saturating_sub(RENEW_BEFORE),
    })
}
