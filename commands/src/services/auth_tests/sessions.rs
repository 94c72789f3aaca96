//! Logging in and out, refreshing, revoking.

use domain::account::commands::Register;
use domain::account::{Account, AccountContact, AccountPassword, AccountProfile};
use domain::device::certificate::{device_certificate, recovery_certificate};
use domain::device::commands::{EnrollDevice, PublishIdentity, RevokeDevice};
use domain::device::proof::refresh_proof;
use domain::device::{DeviceLabel, DeviceRevocationCause, IdentityVault};
use domain::{Blob, Digest, HpkeKey, RecipientId, Rejection, Signature, VerifyKey};
use ed25519_dalek::{Signer, SigningKey};

use super::*;
use crate::auth::refresh_token::RefreshToken;
use crate::executor::ExecuteError;

pub(super) const DEVICE: DeviceId = DeviceId::from_bytes([7; 16]);

/// [`DEVICE`]'s signature over `bytes`.
pub(super) fn proof(bytes: &[u8], signed_at: Timestamp) -> DeviceProof {
    let signature = SigningKey::from_bytes(&[2; 32]).sign(bytes);
    DeviceProof { signed_at, signature: Signature::from_bytes(signature.to_bytes()) }
}

/// Publishes an identity and enrolls [`DEVICE`] in the session.
pub(super) async fn enroll(node: &Node, session: &LoggedIn) {
    let identity = SigningKey::from_bytes(&[1; 32]);
    let verify_key = |key: &SigningKey| VerifyKey::from_bytes(key.verifying_key().to_bytes());
    let sign = |bytes: &[u8]| Signature::from_bytes(identity.sign(bytes).to_bytes());
    let account_id = session.account_id;
    let (recovery_id, recovery_key) = (RecipientId::from_bytes([8; 16]), HpkeKey::from_bytes([9; 32]));
    let publish = PublishIdentity {
        account_id,
        identity_key: verify_key(&identity),
        recovery_id,
        recovery_key,
        recovery_certificate: sign(&recovery_certificate(account_id, recovery_id, &recovery_key)),
        vault: IdentityVault { encrypted_private_key: Blob::new(vec![1; 64]) },
        reset: None,
    };
    let devices = &node.services.devices;
    devices.publish_identity(&node.by(account_id, None, "publish"), publish).await.unwrap();
    let (hpke_key, device_key) =
        (HpkeKey::from_bytes([10; 32]), verify_key(&SigningKey::from_bytes(&[2; 32])));
    let enroll = EnrollDevice {
        device_id: DEVICE,
        hpke_key,
        verify_key: device_key,
        certificate: sign(&device_certificate(account_id, DEVICE, &hpke_key, &device_key)),
        label: DeviceLabel { name: "phone".into() },
    };
    devices.enroll(&node.by(account_id, None, "enroll"), session.session_id, enroll).await.unwrap();
}

#[tokio::test]
async fn a_repeated_login_gives_the_same_session_and_refresh_token() {
    let site = Site::new().await;
    let node = site.node().await;
    confirmed(&site, &node).await;
    let first = node.login("login", EMAIL, PASSWORD).await.unwrap();
    let again = node.login("login", EMAIL, PASSWORD).await.unwrap();
    assert_eq!((first.session_id, &first.refresh_token), (again.session_id, &again.refresh_token));
    assert_eq!(node.events(vec!["session.started"]).await.len(), 1);
    // Once the token is exchanged, repeating the login does not give it out again.
    node.refresh("refresh", &first.refresh_token).await.unwrap();
    assert!(matches!(node.login("login", EMAIL, PASSWORD).await, Err(AuthError::RefreshRefused)));
}

#[tokio::test]
async fn the_last_refresh_is_repeated_and_an_older_token_ends_the_session() {
    let site = Site::new().await;
    let (node, other) = (site.node().await, site.node().await);
    confirmed(&site, &node).await;
    let session = node.login("login", EMAIL, PASSWORD).await.unwrap();
    let second = node.refresh("one", &session.refresh_token).await.unwrap();
    let repeated = other.refresh("one lost", &session.refresh_token).await.unwrap();
    assert_eq!(second.refresh_token, repeated.refresh_token);
    let third = node.refresh("two", &second.refresh_token).await.unwrap();
    assert_ne!(third.refresh_token, second.refresh_token);
    assert!(node.is_let_in(&third.access_token).await);
    let reused = node.refresh("reuse", &session.refresh_token).await;
    assert!(matches!(reused, Err(AuthError::RefreshRefused)));
    assert!(!node.is_let_in(&third.access_token).await);
    assert!(!other.is_let_in(&third.access_token).await);
    assert!(matches!(node.refresh("three", &third.refresh_token).await, Err(AuthError::RefreshRefused)));
    assert_eq!(node.events(vec!["session.revoked"]).await.len(), 1);
}

#[tokio::test]
async fn the_token_before_is_answered_for_half_a_minute_then_it_ends_the_session_and_its_owner_is_told() {
    let site = Site::new().await;
    let (node, other) = (site.node().await, site.node().await);
    confirmed(&site, &node).await;
    let session = node.login("login", EMAIL, PASSWORD).await.unwrap();
    let second = node.refresh("one", &session.refresh_token).await.unwrap();
    site.clock.advance_seconds(29);
    let repeated = other.refresh("two", &session.refresh_token).await.unwrap();
    assert_eq!(repeated.refresh_token, second.refresh_token);
    site.clock.advance_seconds(1);
    // The whole request again, as it was sent.
    let late = node.refresh("one", &session.refresh_token).await;
    assert!(matches!(late, Err(AuthError::RefreshRefused)));
    assert!(!node.is_let_in(&second.access_token).await);
    assert!(matches!(other.refresh("three", &second.refresh_token).await, Err(AuthError::RefreshRefused)));
    // Whoever logs out is told nothing.
    let session = node.login("again", EMAIL, PASSWORD).await.unwrap();
    let request = node.by(session.account_id, None, "logout");
    node.services.sessions.logout(&request, session.session_id).await.unwrap();
    node.settle().await;
    assert_eq!(site.mail_to(EMAIL, "session was ended").len(), 1);
}

#[tokio::test]
async fn the_session_s_device_repeats_the_last_exchange_at_any_time() {
    let site = Site::new().await;
    let node = site.node().await;
    confirmed(&site, &node).await;
    let session = node.login("login", EMAIL, PASSWORD).await.unwrap();
    enroll(&node, &session).await;
    let refresh = async |key: &str, text: &str, proof| {
        node.services.sessions.refresh(&node.anonymous(key), text, Some(proof)).await
    };
    let now = site.clock.now();
    let bytes = refresh_proof(session.session_id, DEVICE, &session.refresh_token, now);
    let second = refresh("one", &session.refresh_token, proof(&bytes, now)).await.unwrap();
    site.clock.advance_seconds(86_400);
    let now = site.clock.now();
    let bytes = refresh_proof(session.session_id, DEVICE, &session.refresh_token, now);
    let again = refresh("two", &session.refresh_token, proof(&bytes, now)).await.unwrap();
    assert_eq!(again.refresh_token, second.refresh_token);
    // A signature over another token does not count.
    let bytes = refresh_proof(session.session_id, DEVICE, &second.refresh_token, now);
    let late = refresh("three", &session.refresh_token, proof(&bytes, now)).await;
    assert!(matches!(late, Err(AuthError::RefreshRefused)));
    assert!(!node.is_let_in(&again.access_token).await);
}

#[tokio::test]
async fn a_thief_who_exchanges_a_token_first_is_found_when_the_device_comes() {
    let site = Site::new().await;
    let node = site.node().await;
    confirmed(&site, &node).await;
    let session = node.login("login", EMAIL, PASSWORD).await.unwrap();
    enroll(&node, &session).await;
    let thiefs = node.refresh("thief", &session.refresh_token).await.unwrap();
    site.clock.advance_seconds(3_600);
    let now = site.clock.now();
    let bytes = refresh_proof(session.session_id, DEVICE, &session.refresh_token, now);
    let owners = node.anonymous("owner");
    let late =
        node.services.sessions.refresh(&owners, &session.refresh_token, Some(proof(&bytes, now))).await;
    assert!(matches!(late, Err(AuthError::RefreshRefused)));
    let stolen = node.refresh("again", &thiefs.refresh_token).await;
    assert!(matches!(stolen, Err(AuthError::RefreshRefused)));
    node.settle().await;
    assert_eq!(site.mail_to(EMAIL, "session was ended").len(), 1);
}

#[tokio::test]
async fn what_is_no_refresh_token_is_refused_and_changes_nothing() {
    let site = Site::new().await;
    let node = site.node().await;
    confirmed(&site, &node).await;
    let session = node.login("login", EMAIL, PASSWORD).await.unwrap();
    let forged = RefreshToken::first(session.session_id, [2; 32]).expose(&[3; 32]);
    let foreign = RefreshToken::first(domain::SessionId::from_bytes([1; 16]), [2; 32]);
    let foreign = node.parts.auth.expose(&foreign);
    for (key, text) in [
        ("1", ""),
        ("2", "garbage"),
        ("3", forged.as_str()),
        ("4", &session.access_token),
        ("5", foreign.as_str()),
    ] {
        assert!(matches!(node.refresh(key, text).await, Err(AuthError::RefreshRefused)), "{key}");
    }
    assert!(node.is_let_in(&session.access_token).await);
    site.clock.advance_seconds(domain::limits::SESSION_IDLE_SECONDS);
    assert!(matches!(node.refresh("late", &session.refresh_token).await, Err(AuthError::RefreshRefused)));
}

#[tokio::test]
async fn a_logout_ends_the_session_at_once_here_and_soon_on_a_node_that_follows() {
    let site = Site::new().await;
    let (node, follower, idle) = (site.node().await, site.node().await, site.node().await);
    confirmed(&site, &node).await;
    let guards: Vec<_> = [&node, &follower]
        .map(|node| {
            let (log, metrics) = (Arc::clone(&node.parts.log), node.parts.metrics.clone());
            node.parts.auth.revocations.follow(log, site.clock.clone(), metrics)
        })
        .into();
    for node in [&node, &follower] {
        eventually(async || node.parts.auth.revocations.is_following()).await;
    }
    // Once from before the follower's list begins, once from well within it.
    for (key, wait) in [("before", 0), ("within", 120)] {
        site.clock.advance_seconds(wait);
        let session = node.login(key, EMAIL, PASSWORD).await.unwrap();
        for node in [&node, &follower, &idle] {
            assert!(node.is_let_in(&session.access_token).await);
        }
        let request = node.by(session.account_id, None, &format!("{key} logout"));
        node.services.sessions.logout(&request, session.session_id).await.unwrap();
        assert!(!node.is_let_in(&session.access_token).await);
        // This one follows nothing and looks for itself.
        assert!(!idle.is_let_in(&session.access_token).await);
        eventually(async || !follower.is_let_in(&session.access_token).await).await;
    }
    let metrics = &follower.parts.metrics;
    eventually(async || metrics.revocations_delay.get_sample_count() == 2).await;
    assert_eq!(metrics.revocations_following.get(), 1);
    drop(guards);
}

#[tokio::test]
async fn a_session_is_revoked_by_its_account_only() {
    let site = Site::new().await;
    let node = site.node().await;
    confirmed(&site, &node).await;
    let session = node.login("login", EMAIL, PASSWORD).await.unwrap();
    let stranger = AccountId::from_bytes([66; 16]);
    let answer = node.services.sessions.revoke(&node.by(stranger, None, "mine"), session.session_id).await;
    assert_eq!(answer.unwrap_err().rejection(), Some(&Rejection::SessionNotFound));
    assert!(node.is_let_in(&session.access_token).await);
    let other = node.login("other", EMAIL, PASSWORD).await.unwrap();
    let request = node.by(session.account_id, None, "revoke");
    node.services.sessions.revoke(&request, session.session_id).await.unwrap();
    assert!(!node.is_let_in(&session.access_token).await);
    assert!(node.is_let_in(&other.access_token).await);
}

#[tokio::test]
async fn a_revoked_device_is_refused_at_once_and_logs_in_no_more() {
    let site = Site::new().await;
    let (node, other) = (site.node().await, site.node().await);
    confirmed(&site, &node).await;
    let session = node.login("login", EMAIL, PASSWORD).await.unwrap();
    enroll(&node, &session).await;
    let bound = node.refresh("refresh", &session.refresh_token).await.unwrap();
    assert_eq!(bound.device_id, Some(DEVICE));
    let again = node.login_from("from device", EMAIL, PASSWORD, Some(DEVICE)).await.unwrap();
    assert_eq!(
        node.services.sessions.authenticate(&again.access_token).await.unwrap().device_id,
        Some(DEVICE)
    );
    let unknown = node.login_from("unknown", EMAIL, PASSWORD, Some(DeviceId::from_bytes([99; 16]))).await;
    assert!(matches!(unknown, Err(AuthError::Execute(ExecuteError::Rejected(Rejection::DeviceNotFound)))));
    let revoke = RevokeDevice { device_id: DEVICE, cause: DeviceRevocationCause::Lost };
    node.services.devices.revoke(&node.by(session.account_id, None, "revoke"), revoke).await.unwrap();
    for node in [&node, &other] {
        assert!(!node.is_let_in(&bound.access_token).await);
        assert!(!node.is_let_in(&again.access_token).await);
    }
    assert!(matches!(node.refresh("late", &bound.refresh_token).await, Err(AuthError::RefreshRefused)));
    let revoked = node.login_from("revoked", EMAIL, PASSWORD, Some(DEVICE)).await;
    assert!(matches!(revoked, Err(AuthError::Execute(ExecuteError::Rejected(Rejection::DeviceRevoked)))));
    node.settle().await;
    assert_eq!(node.events(vec!["session.revoked"]).await.len(), 2);
}

#[tokio::test]
async fn who_revokes_a_device_under_anothers_id_shuts_nobody_else_out() {
    let site = Site::new().await;
    let (node, follower, idle) = (site.node().await, site.node().await, site.node().await);
    confirmed(&site, &node).await;
    let eve = "eve@example.org";
    node.register("register eve", eve, PASSWORD).await.unwrap();
    node.settle().await;
    let token = site.token_to(eve, "Confirm");
    node.services.accounts.confirm_email(&node.anonymous("confirm eve"), &token).await.unwrap();
    let guards = [&node, &follower].map(|node| {
        let (log, metrics) = (Arc::clone(&node.parts.log), node.parts.metrics.clone());
        node.parts.auth.revocations.follow(log, site.clock.clone(), metrics)
    });
    for node in [&node, &follower] {
        eventually(async || node.parts.auth.revocations.is_following()).await;
    }
    // Well within the lists, so that they alone judge.
    site.clock.advance_seconds(120);
    let mut bound = Vec::new();
    for (key, email) in [("owner", EMAIL), ("attacker", eve)] {
        let session = node.login(key, email, PASSWORD).await.unwrap();
        enroll(&node, &session).await;
        bound.push(node.refresh(&format!("{key} refresh"), &session.refresh_token).await.unwrap());
    }
    let [owner, attacker] = bound.as_slice() else { panic!("two sessions") };
    assert_eq!((owner.device_id, attacker.device_id), (Some(DEVICE), Some(DEVICE)));

    let revoke = RevokeDevice { device_id: DEVICE, cause: DeviceRevocationCause::Lost };
    let request = node.by(attacker.account_id, Some(DEVICE), "revoke");
    node.services.devices.revoke(&request, revoke).await.unwrap();
    for node in [&node, &follower, &idle] {
        eventually(async || !node.is_let_in(&attacker.access_token).await).await;
        assert!(node.is_let_in(&owner.access_token).await);
    }
    node.settle().await;
    for node in [&node, &follower, &idle] {
        assert!(node.is_let_in(&owner.access_token).await);
    }
    assert!(node.refresh("owner again", &owner.refresh_token).await.is_ok());
    drop(guards);
}

#[tokio::test]
async fn a_hash_of_another_day_is_renewed_at_login_and_ends_no_session() {
    let site = Site::new().await;
    let node = site.node().await;
    let account_id = AccountId::from_bytes([3; 16]);
    let weak = argon2::Params::new(8_192, 1, 1, None).unwrap();
    let weak = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, weak);
    let hash: argon2::password_hash::phc::PasswordHash =
        argon2::PasswordHasher::hash_password_with_salt(&weak, PASSWORD.as_bytes(), &[3; 16]).unwrap();
    let register = Register {
        account_id,
        contact: AccountContact { email: EMAIL.into() },
        password: AccountPassword { phc: hash.to_string() },
        profile: AccountProfile { display_name: "Ann".into(), locale: None },
        confirmation_token_hash: Digest::from_bytes([1; 32]),
        confirmation_command_id: domain::CommandId::from_bytes([1; 16]),
    };
    let request = node.anonymous("register");
    node.services.executor.execute::<Account>(account_id, register.into(), &request).await.unwrap();
    let confirm = domain::account::commands::ConfirmEmail { token_hash: Digest::from_bytes([1; 32]) };
    let request = node.anonymous("confirm");
    node.services.executor.execute::<Account>(account_id, confirm.into(), &request).await.unwrap();
    assert_eq!(node.services.accounts.rebuild_reservations(&|_| ()).await.unwrap(), 1);
    let session = node.login("login", EMAIL, PASSWORD).await.unwrap();
    assert_eq!(node.events(vec!["account.password_set"]).await.len(), 2);
    node.login("again", EMAIL, PASSWORD).await.unwrap();
    assert_eq!(node.events(vec!["account.password_set"]).await.len(), 2);
    assert!(node.is_let_in(&session.access_token).await);
}

#[tokio::test]
async fn a_token_of_another_issuer_or_time_is_refused() {
    let site = Site::new().await;
    let node = site.node().await;
    confirmed(&site, &node).await;
    let session = node.login("login", EMAIL, PASSWORD).await.unwrap();
    assert!(!node.is_let_in("garbage").await);
    assert!(!node.is_let_in(&session.refresh_token).await);
    site.clock.advance_seconds(crate::auth::access_token::ACCESS_TOKEN_SECONDS);
    assert!(!node.is_let_in(&session.access_token).await);
}
