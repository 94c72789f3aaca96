//! E-mails that could not go in time.

use domain::limits::EMAIL_CONFIRMATION_SECONDS;
use domain::operations::{DiscardCause, OperationsEvent};
use domain::{Actor, Category};
use eventstore_schema::{ReadFilter, catalogue};

use super::watch::*;
use crate::services::NewAccount;
use crate::services::tests::stage::*;

async fn register(stage: &Stage, email: &str) {
    let new = NewAccount {
        email: email.to_owned(),
        password: zeroize::Zeroizing::new("correct horse battery staple".to_owned()),
        display_name: "New".to_owned(),
        locale: None,
    };
    stage.services.accounts.register(&stage.by(ALICE, 0), new).await.unwrap();
    stage.services.accounts.idle().await;
}

#[tokio::test]
async fn a_token_that_expired_before_it_went_is_given_up_on_record() {
    let stage = Stage::new().await;
    register(&stage, "old@example.org").await;
    stage.parts.clock.advance_seconds(EMAIL_CONFIRMATION_SECONDS);
    register(&stage, "new@example.org").await;
    let (reactions, running) = start(&stage);
    settled(&stage, &reactions).await;
    running.stop().await;
    assert_eq!(stage.mails(), 1);
    let mails = &stage.parts.metrics.mails;
    assert_eq!(mails.with_label_values(&["confirm_email", "expired"]).get(), 1);
    assert_eq!(stage.parts.metrics.reactions.with_label_values(&["account_mail", "given_up"]).get(), 1);
    let filter = ReadFilter { categories: vec![Category::Operations], ..ReadFilter::default() };
    let [recorded] = stage.parts.log.read_all(None, 100, &filter).await.unwrap().try_into().unwrap();
    assert_eq!(recorded.origin.actor, Actor::SYSTEM);
    let decided = OperationsEvent::try_from(catalogue::decode_recorded(&recorded).unwrap()).unwrap();
    let OperationsEvent::ParkedEventDiscarded(discarded) = decided else { panic!("{decided:?}") };
    assert_eq!(discarded.cause, DiscardCause::Expired);
    assert_eq!(Some(discarded.event_id), recorded.origin.causation_id);
}
