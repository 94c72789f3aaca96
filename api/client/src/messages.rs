//! Sending and reading messages: sealed on the way out, verified and opened on the way in.

use std::sync::Arc;

use domain::conversation::MessageBody;
use domain::conversation::binding::{ContentKind, MessageBinding};
use domain::{AccountId, ConversationId, DeviceId, MessageId, Timestamp};
use serde::de::DeserializeOwned;

use crate::api::messages::Range;
use crate::api::{self, dto};
use crate::conversations::{ATTEMPTS_MAX, Conversations};
use crate::e2ee::{Content, Disclosure, OpenError, message};
use crate::edge;
use crate::error::Error;
use crate::http::{Answer, Outgoing, Position};
use crate::people::People;
use crate::session::Session;

/// A message that is on the server's disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Its id.
    pub message_id: MessageId,
    /// Its place in the conversation.
    pub number: u64,
    /// Where it stands in the log.
    pub position: Option<Position>,
}

/// What a message says, as far as it can be said.
#[derive(Clone, Debug)]
pub enum Body {
    /// Encrypted, and signed by a device of its sender: of whom this client takes for them, until safety numbers are compared.
    Encrypted {
        /// What it says.
        content: Content,
        /// What to hand over to report it.
        disclosure: Disclosure,
    },
    /// Never encrypted: imported, or from a bot. Anybody on the way may have changed it.
    Clear(Content),
    /// Deleted for everyone.
    Deleted,
    /// Erased.
    Erased,
    /// This device has no key for it (yet).
    Locked,
    /// It does not hold: its sender's keys, signature, ciphertext or form are wrong. It is not shown.
    Invalid(Invalid),
}

impl Body {
    /// The content, encrypted or clear.
    pub fn content(&self) -> Option<&Content> {
        match self {
            Body::Encrypted { content, .. } | Body::Clear(content) => Some(content),
            Body::Deleted | Body::Erased | Body::Locked | Body::Invalid(_) => None,
        }
    }

    /// The text, encrypted or clear.
    pub fn text(&self) -> Option<&str> {
        self.content().and_then(Content::as_text)
    }
}

/// Why a message is not shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// The message itself does not hold.
    #[error(transparent)]
    Message(#[from] OpenError),
    /// Its sender's keys are not believed.
    #[error(transparent)]
    Sender(#[from] crate::e2ee::DirectoryError),
    /// The key of its generation cannot be opened.
    #[error(transparent)]
    Key(#[from] crate::e2ee::OpenWrapError),
}

/// A message, opened.
#[derive(Clone, Debug)]
pub struct Message {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// Its place in it.
    pub number: u64,
    /// Its id.
    pub message_id: MessageId,
    /// Who sent it.
    pub sender_id: AccountId,
    /// From which device.
    pub device_id: DeviceId,
    /// Number of the message that it answers.
    pub reply_to: Option<u64>,
    /// When it was sent, by the server's clock.
    pub sent_at: Timestamp,
    /// When its content was last replaced.
    pub edited_at: Option<Timestamp>,
    /// Whether it is pinned.
    pub pinned: bool,
    /// What it says.
    pub body: Body,
}

/// A reaction, opened.
#[derive(Clone, Debug)]
pub struct Reaction {
    /// Whose.
    pub account_id: AccountId,
    /// In which of their slots.
    pub slot: u8,
    /// What it says.
    pub body: Body,
}

/// Content as it came in, with what it claims to be.
#[derive(Clone, Debug)]
pub struct Received {
    /// What it is bound to, if it is what it claims.
    pub binding: MessageBinding,
    /// Whether it claims to be encrypted.
    pub encrypted: bool,
    /// The content and what goes with it.
    pub body: MessageBody,
}

/// Seals and opens messages.
pub struct Messages {
    session: Arc<Session>,
    people: Arc<People>,
    conversations: Arc<Conversations>,
}

impl Messages {
    /// Works with the keys of `conversations` and `people`.
    pub fn new(session: Arc<Session>, people: Arc<People>, conversations: Arc<Conversations>) -> Self {
        Self { session, people, conversations }
    }

    /// Sends content; the answer comes when it is on the server's disk.
    ///
    /// # Errors
    /// As [`Conversations::current`], [`Error::Seal`], [`Error::Contention`], [`Error::Api`].
    pub async fn send(
        &self,
        conversation: ConversationId,
        content: &Content,
        reply_to: Option<u64>,
    ) -> Result<Sent, Error> {
        let id: MessageId = edge::new_id();
        let place = (ContentKind::Message, id, reply_to.unwrap_or_default());
        let answer: Answer<dto::SentMessage> = self
            .seal_and_call(conversation, content, place, |generation, body| {
                api::messages::send(conversation, id, generation, reply_to, body)
            })
            .await?;
        let dto::SentMessage { message_id, number } = answer.body;
        Ok(Sent { message_id, number, position: answer.position })
    }

    /// Replaces the content of one's own message.
    ///
    /// # Errors
    /// As [`Messages::send`].
    pub async fn edit(
        &self,
        conversation: ConversationId,
        number: u64,
        id: MessageId,
        content: &Content,
    ) -> Result<(), Error> {
        let place = (ContentKind::Edit, id, number);
        self.seal_and_call(conversation, content, place, |generation, body| {
            api::messages::edit(conversation, number, id, generation, body)
        })
        .await
        .map(|answer: Answer<()>| answer.body)
    }

    /// Fills one of one's reaction slots on a message.
    ///
    /// # Errors
    /// As [`Messages::send`].
    pub async fn react(
        &self,
        conversation: ConversationId,
        number: u64,
        slot: u8,
        emoji: &str,
    ) -> Result<(), Error> {
        let id: MessageId = edge::new_id();
        let place = (ContentKind::Reaction, id, number);
        self.seal_and_call(conversation, &Content::reaction(emoji), place, |generation, body| {
            api::messages::react(conversation, number, slot, id, generation, body)
        })
        .await
        .map(|answer: Answer<()>| answer.body)
    }

    /// Seals under the generation in force and sends; does both again when the generation changed meanwhile.
    async fn seal_and_call<T: DeserializeOwned>(
        &self,
        conversation: ConversationId,
        content: &Content,
        (kind, message_id, target): (ContentKind, MessageId, u64),
        request: impl Fn(u32, &MessageBody) -> Outgoing,
    ) -> Result<Answer<T>, Error> {
        let device = self.conversations.device()?;
        for _ in 0..ATTEMPTS_MAX {
            let current = self.conversations.current(conversation).await?;
            let binding = MessageBinding {
                conversation_id: conversation,
                generation: current.generation,
                sender_id: device.account_id(),
                device_id: device.device_id(),
                message_id,
                kind,
                target,
            };
            let body = message::seal(content, &binding, &current.key, &device, &mut edge::random())?;
            match self.session.call(request(current.generation, &body)).await {
                Err(error) if error.is("stale_generation") => self.conversations.changed(conversation),
                other => return Ok(other?),
            }
        }
        Err(Error::Contention(conversation))
    }

    /// Messages of a conversation, ascending, opened. One that does not hold is there as [`Body::Invalid`] and keeps no
    /// other from being read.
    ///
    /// # Errors
    /// [`Error::Api`], [`Error::NoDevice`].
    pub async fn history(
        &self,
        conversation: ConversationId,
        range: Range,
        limit: u32,
    ) -> Result<Vec<Message>, Error> {
        let rows = api::messages::list(&self.session, conversation, range, limit).await?;
        let mut messages = Vec::with_capacity(rows.len());
        for row in rows {
            messages.push(self.open_row(conversation, row).await?);
        }
        Ok(messages)
    }

    pub(crate) async fn open_row(
        &self,
        conversation: ConversationId,
        row: dto::Message,
    ) -> Result<Message, Error> {
        let kind = if row.edited_at.is_some() { ContentKind::Edit } else { ContentKind::Message };
        let binding = MessageBinding {
            conversation_id: conversation,
            generation: row.generation,
            sender_id: row.sender_id,
            device_id: row.device_id,
            message_id: row.message_id,
            kind,
            target: if kind == ContentKind::Edit { row.number } else { row.reply_to.unwrap_or_default() },
        };
        let body = match (row.deleted_at, row.content) {
            (Some(_), _) => Body::Deleted,
            (None, None) => Body::Erased,
            (None, Some(content)) => {
                let body = MessageBody { content, cipher: row.cipher };
                self.open(&Received { binding, encrypted: row.encrypted, body }).await?
            }
        };
        Ok(Message {
            conversation_id: conversation,
            number: row.number,
            message_id: row.message_id,
            sender_id: row.sender_id,
            device_id: row.device_id,
            reply_to: row.reply_to,
            sent_at: row.sent_at,
            edited_at: row.edited_at,
            pinned: row.pinned,
            body,
        })
    }

    /// The reactions on a message, opened. One that does not hold is there as [`Body::Invalid`].
    ///
    /// # Errors
    /// [`Error::Api`], [`Error::NoDevice`].
    pub async fn reactions(&self, conversation: ConversationId, number: u64) -> Result<Vec<Reaction>, Error> {
        let rows = api::messages::reactions(&self.session, conversation, number).await?;
        let mut reactions = Vec::with_capacity(rows.len());
        for row in rows {
            reactions.push(self.open_reaction(conversation, number, row).await?);
        }
        Ok(reactions)
    }

    pub(crate) async fn open_reaction(
        &self,
        conversation: ConversationId,
        number: u64,
        row: dto::Reaction,
    ) -> Result<Reaction, Error> {
        let binding = MessageBinding {
            conversation_id: conversation,
            generation: row.generation,
            sender_id: row.account_id,
            device_id: row.device_id,
            message_id: row.reaction_id,
            kind: ContentKind::Reaction,
            target: number,
        };
        let body = match row.content {
            None => Body::Erased,
            Some(content) => {
                let body = MessageBody { content, cipher: row.cipher };
                self.open(&Received { binding, encrypted: row.encrypted, body }).await?
            }
        };
        Ok(Reaction { account_id: row.account_id, slot: row.slot, body })
    }

    /// Verifies and opens content as it came in.
    ///
    /// # Errors
    /// Only what says nothing about the content: [`Error::Api`], [`Error::KeyStore`], [`Error::NoDevice`].
    pub async fn open(&self, received: &Received) -> Result<Body, Error> {
        let Received { binding, encrypted, body } = received;
        if !encrypted {
            let text = || String::from_utf8(body.content.as_slice().to_vec()).ok().map(Content::text);
            let content = Content::decode(body.content.as_slice()).or_else(text);
            return Ok(content.map_or(Body::Invalid(OpenError::ContentMalformed.into()), Body::Clear));
        }
        match self.open_encrypted(binding, body).await {
            Ok(opened) => Ok(Body::Encrypted { content: opened.content, disclosure: opened.disclosure }),
            Err(Failed::Invalid(invalid)) => Ok(Body::Invalid(invalid)),
            Err(Failed::Other(Error::WaitingForKey { .. })) => Ok(Body::Locked),
            Err(Failed::Other(Error::Directory(error))) => Ok(Body::Invalid(error.into())),
            Err(Failed::Other(Error::OpenWrap { source, .. })) => Ok(Body::Invalid(source.into())),
            Err(Failed::Other(error)) => Err(error),
        }
    }

    async fn open_encrypted(
        &self,
        binding: &MessageBinding,
        body: &MessageBody,
    ) -> Result<message::Opened, Failed> {
        let sender = self.people.device(binding.sender_id, binding.device_id).await?;
        let key = self.conversations.key(binding.conversation_id, binding.generation).await?;
        message::open(body, binding, &key, &sender).map_err(|error| Failed::Invalid(error.into()))
    }
}

/// Either something about the content, or something about getting at it.
enum Failed {
    Invalid(Invalid),
    Other(Error),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Failed::Other(error)
    }
}
