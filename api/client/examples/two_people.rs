//! Two people meet on a server and talk, encrypted: `cargo run -p envoi-client --example two_people -- URL MAIL_DIRECTORY`.
//!
//! The server has to write its e-mails into MAIL_DIRECTORY, as `envoi dev` does, for the addresses are confirmed from there.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use domain::conversation::{ConversationEvent, ConversationRole};
use domain::device::DeviceRevocationCause;
use domain::organization::OrganizationRole;
use domain::{ConversationId, Event};
use envoi_client::api::dto::{NewGroup, Registration};
use envoi_client::api::messages::Range;
use envoi_client::e2ee::Cost;
use envoi_client::live::{Incoming, Live};
use envoi_client::{Client, Keep, Server, edge};

const PASSWORD: &str = "correct horse battery staple";
const PASSPHRASE: &str = "a passphrase that the server never sees";

type Answer<T> = Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Answer<()> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: two_people URL MAIL_DIRECTORY";
    let (url, mails) = (arguments.next().ok_or(usage)?, arguments.next().ok_or(usage)?);
    let server = Server::new(&url)?;

    let (ann, ann_email) = join(&server, Path::new(&mails), "Ann").await?;
    let (bob, bob_email) = join(&server, Path::new(&mails), "Bob").await?;
    println!("ann is {}, bob is {}", ann.account_id(), bob.account_id());

    let organization = ann.create_organization("Example").await?;
    let invitation =
        ann.invite(organization, OrganizationRole::Member, 1, Duration::from_secs(3_600)).await?;
    bob.accept_invitation(&invitation.token).await?;
    ann.create_workspace(organization, "Lab").await?;

    let new =
        NewGroup { title: Some("Hello".to_owned()), members: vec![bob.account_id()], ..NewGroup::default() };
    let talk = ann.create_group(organization, &new).await?;
    let mut ears = bob.live(None);
    connected(&mut ears).await?;
    let sent = ann.send_text(talk, "Bonjour, Bob!").await?;
    println!("bob hears live: {}", heard(&mut ears, talk).await?);
    bob.messages().react(talk, sent.number, 0, "\u{1f44d}").await?;
    bob.record_receipt(talk, sent.number, sent.number).await?;
    ann.edit_text(talk, sent.number, sent.message_id, "Bonjour, cher Bob!").await?;
    let number = ann.people().safety_number(bob.account_id()).await?;
    println!("safety number: {number}");

    // A second device of Bob's reads what was said before with the recovery key, and gets keys from others.
    let second = server.login(&bob_email, PASSWORD, Keep::Memory).await?;
    second.set_up(PASSPHRASE, Cost::INTERACTIVE, "phone").await?;
    let sent = second.send_text(talk, "Bob here, from my phone.").await?;
    println!("the phone's message is number {}", sent.number);
    for message in second.messages().history(talk, Range::Latest, 10).await? {
        println!("  {} {}", message.number, message.body.text().unwrap_or("(not shown)"));
    }

    // Without it a new generation is made before the next message.
    let phone = second.device_id().ok_or("no device")?;
    bob.revoke_device(phone, DeviceRevocationCause::Lost).await?;
    ann.conversations().changed(talk);
    let before = ann.conversations().current(talk).await?.generation;
    let sent = eventually(|| ann.send_text(talk, "Now without the phone.")).await?;
    println!("generation {before} or later; message {}", sent.number);
    println!("refused: {}", second.send_text(talk, "Still there?").await.is_err());

    // Somebody new gets the current key from whoever adds them.
    let (carol, _) = join(&server, Path::new(&mails), "Carol").await?;
    let invitation =
        ann.invite(organization, OrganizationRole::Member, 1, Duration::from_secs(3_600)).await?;
    carol.accept_invitation(&invitation.token).await?;
    ann.add_member(talk, carol.account_id(), ConversationRole::Member).await?;
    carol.send_text(talk, "Carol is here, too.").await?;
    for message in ann.latest(talk, 10).await? {
        println!("  {} {}", message.number, message.body.text().unwrap_or("(not shown)"));
    }
    println!("goodbye from {ann_email}");
    Ok(())
}

async fn join(server: &Server, mails: &Path, name: &str) -> Answer<(Client, String)> {
    let email = format!("{}-{}@example.org", name.to_lowercase(), edge::new_idempotency_key().to_lowercase());
    let new = Registration {
        email: email.clone(),
        password: PASSWORD.to_owned(),
        display_name: name.to_owned(),
        locale: None,
    };
    server.register(&new).await?;
    server.confirm_email(&token(mails, &email).await?).await?;
    let client = server.login(&email, PASSWORD, Keep::Memory).await?;
    client.set_up(PASSPHRASE, Cost::INTERACTIVE, "laptop").await?;
    Ok((client, email))
}

/// Waits for the e-mail to `email` and takes the token out of it.
async fn token(mails: &Path, email: &str) -> Answer<String> {
    for _ in 0..100 {
        for file in std::fs::read_dir(mails)? {
            let text = std::fs::read_to_string(file?.path())?.replace("=\r\n", "").replace("=3D", "=");
            if text.contains(email) {
                let mut words = text.split_whitespace().skip_while(|word| *word != "token:");
                if let Some(token) = words.nth(1) {
                    return Ok(token.to_owned());
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err("no e-mail came".into())
}

async fn connected(live: &mut Live) -> Answer<()> {
    while let Some(incoming) = live.next().await {
        if matches!(incoming, Incoming::Connected) {
            return Ok(());
        }
    }
    Err("the live socket ended".into())
}

async fn heard(live: &mut Live, talk: ConversationId) -> Answer<String> {
    while let Some(incoming) = live.next().await {
        if let Incoming::Event(happening) = incoming
            && let Event::Conversation(ConversationEvent::MessageSent(sent)) = &happening.event
            && sent.conversation_id == talk
        {
            return Ok(format!("{:?}", happening.body.as_ref().and_then(|body| body.text())));
        }
    }
    Err("the live socket ended".into())
}

/// A revoked device leaves its conversations shortly after; until then its account's keys do not fit their membership.
async fn eventually<T, F: Future<Output = Result<T, envoi_client::Error>>>(
    again: impl Fn() -> F,
) -> Result<T, envoi_client::Error> {
    let mut answer = again().await;
    for _ in 0..5 {
        if answer.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        answer = again().await;
    }
    answer
}
