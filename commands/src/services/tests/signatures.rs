//! A generation's signatures: verified in turns, while everything else goes on.

use domain::conversation::binding::WrapBinding;
use domain::conversation::commands::{NewGeneration, SendMessage};
use domain::conversation::{Conversation, MessageBody, Suite, Wrap, WrapSigner};
use domain::{
    AccountDevice, AccountId, AccountRecipient, Aggregate, Blob, ConversationId, Digest, HpkeKey, MessageId,
    RecipientId, Rejection, Signature,
};
use ed25519_dalek::Signer;

use super::stage::*;
use crate::executor::ExecuteError;

/// Recipients of a conversation of 1,000 members with two devices and a recovery key each.
const MANY: u32 = 3_000;

/// Wraps of the next generation as the person's device 0 makes them.
fn wraps(state: &Conversation, by: Person, recipients: impl Iterator<Item = AccountRecipient>) -> Vec<Wrap> {
    let (encapsulated_key, ciphertext) = (HpkeKey::from_bytes([1; 32]), Blob::new(vec![2; 80]));
    let wrap = |recipient: AccountRecipient| {
        let binding = WrapBinding {
            organization_id: state.organization().unwrap(),
            conversation_id: state.id().unwrap(),
            generation: state.generation() + 1,
            suite: Suite::X25519Siv,
            recipient,
            device: AccountDevice::new(by.account(), by.device(0)),
            transcript: state.next_transcript().unwrap(),
        };
        let signed = by.key(0).sign(&binding.signature_input(&encapsulated_key, ciphertext.as_slice()));
        let signature = Signature::from_bytes(signed.to_bytes());
        let AccountRecipient { account_id, recipient_id } = recipient;
        Wrap { account_id, recipient_id, encapsulated_key, ciphertext: ciphertext.clone(), signature }
    };
    recipients.map(wrap).collect()
}

/// The next generation for exactly those who are there.
fn new_generation(state: &Conversation, by: Person) -> NewGeneration {
    let recipients = state.recipients().map(|(id, one)| AccountRecipient::new(id, one.recipient_id));
    NewGeneration {
        generation: state.generation() + 1,
        suite: Suite::X25519Siv,
        transcript: state.next_transcript().unwrap(),
        wraps: wraps(state, by, recipients),
    }
}

async fn group(stage: &Stage) -> ConversationId {
    for person in [ALICE, BOB] {
        stage.enter(person).await;
    }
    let organization = stage.organization(&[ALICE, BOB]).await;
    stage.group(organization, ALICE, &[BOB]).await
}

#[tokio::test]
async fn thousands_of_signatures_are_verified_and_the_first_that_does_not_hold_is_named() {
    let stage = Stage::new().await;
    let id = group(&stage).await;
    let state = stage.conversation(id).await;
    let standing = stage.services.conversations.standing(id, ALICE.account()).await.unwrap();
    let context = stage.by(ALICE, 0).with_standing(standing).context;
    let signer: WrapSigner = new_generation(&state, ALICE).admit(&state, &context).unwrap();
    let recipient = |number: u32| {
        let mut bytes = [0x77; 16];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        AccountRecipient::new(AccountId::from_bytes([0x66; 16]), RecipientId::from_bytes(bytes))
    };
    let mut made = wraps(&state, ALICE, (0..MANY).map(recipient));
    let signatures = &stage.services.conversations.signatures;
    let verified = signatures.verify(signer, made.clone()).await.unwrap().unwrap();
    assert_eq!(verified.as_slice(), made);
    for number in [150, 70] {
        made[number as usize].ciphertext = Blob::new(vec![3; 80]);
        let answer = signatures.verify(signer, made.clone()).await.unwrap();
        assert_eq!(answer.unwrap_err(), Rejection::WrapInvalid { recipient: recipient(number) });
    }
}

#[tokio::test]
async fn nobody_waits_for_the_signatures_of_another() {
    let stage = Stage::new().await;
    let id = group(&stage).await;
    let conversations = &stage.services.conversations;
    let state = stage.conversation(id).await;
    let (turns, all) = conversations.signatures.turns();
    let taken = turns.acquire_many(all).await.unwrap();
    let request = stage.by(ALICE, 0);
    let mut committing =
        Box::pin(conversations.commit_generation(&request, id, new_generation(&state, ALICE)));
    let send = async {
        let body = MessageBody { content: Blob::new(b"hello".to_vec()), cipher: None };
        let message_id = MessageId::from_bytes([5; 16]);
        let message = SendMessage { message_id, generation: 0, reply_to: None, body };
        conversations.send(&stage.by(BOB, 0), id, message).await
    };
    tokio::select! {
        biased;
        _ = &mut committing => panic!("nothing can have been verified"),
        sent = send => assert!(sent.is_ok(), "{sent:?}"),
    }
    drop(taken);
    let committed = committing.await.unwrap();
    assert_eq!(stage.conversation(id).await.generation(), 1);
    // A repetition is answered as the first time, although nothing of it fits any more.
    let again = conversations.commit_generation(&request, id, new_generation(&state, ALICE)).await.unwrap();
    assert!(again.replayed && again.events == committed.events);
}

#[tokio::test]
async fn a_generation_that_does_not_hold_is_refused_and_not_recorded() {
    let stage = Stage::new().await;
    let id = group(&stage).await;
    let state = stage.conversation(id).await;
    let refusal = async |new| {
        let answer = stage.services.conversations.commit_generation(&stage.by(ALICE, 0), id, new).await;
        match answer {
            Err(ExecuteError::Rejected(rejection)) => rejection,
            other => panic!("{other:?}"),
        }
    };
    let anothers = new_generation(&state, BOB);
    let recipient = anothers.wraps[0].recipient();
    assert_eq!(refusal(anothers).await, Rejection::WrapInvalid { recipient });
    let mut stale = new_generation(&state, ALICE);
    stale.transcript = Digest::from_bytes([9; 32]);
    assert_eq!(refusal(stale).await, Rejection::TranscriptMismatch);
    assert_eq!(stage.conversation(id).await.generation(), 0);
}
