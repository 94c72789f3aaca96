//! What happens after the talk: a second device, a removal, and walls between organizations.

use domain::conversation::binding::{ContentKind, MessageBinding};
use domain::{AccountRecipient, ConversationId};
use envoi_client::api::dto::NewGroup;
use envoi_client::api::messages::Range;
use envoi_client::api::{conversations, messages, organizations};
use envoi_client::e2ee::{Content, message};
use envoi_client::keystore::KeyState;
use envoi_client::problem::ApiError;
use envoi_client::{Error, edge};

use super::inbox::Heard;
use super::person::{Device, failed};
use super::play::Play;
use crate::cli::CliError;

/// Messages read at once.
const PAGE_MESSAGES: u32 = 100;

impl Device {
    /// Waits for a message.
    ///
    /// # Errors
    /// When it does not come.
    pub async fn hears(&self, name: &str, id: ConversationId, number: u64) -> Result<Heard, CliError> {
        let what = format!("message {number} to reach {name}");
        self.inbox.until(&what, |seen| seen.messages.contains_key(&(id, number))).await?;
        let heard = self.inbox.look(|seen| seen.messages.get(&(id, number)).cloned());
        heard.ok_or_else(|| CliError::failed(what))
    }

    async fn generation(&self, id: ConversationId) -> Result<u32, CliError> {
        let roster = self.client.conversations().roster(id).await;
        Ok(roster.map_err(failed("the group's recipients are not shown"))?.generation)
    }
}

/// Whether the server refused as it refuses those who have no business there.
fn is_refused<T>(answer: &Result<T, ApiError>) -> bool {
    let problem = answer.as_ref().err().and_then(ApiError::problem);
    problem.is_some_and(|problem| matches!(problem.status, 403 | 404))
}

impl Play<'_> {
    /// The founder logs in on a second device. Another device gives it the key, and it reads everything from the start.
    ///
    /// # Errors
    /// When any of it fails.
    pub async fn second_device(&mut self) -> Result<(), CliError> {
        let founder = self.founder()?;
        let name = founder.name.clone();
        self.output.step(format!("\n{name} logs in on a second device, which gets the key from another one"));
        let tablet = founder.second_device(self.stage).await?;
        let device = tablet.client.device_id().ok_or_else(|| CliError::failed("the device has no id"))?;
        let recipient = AccountRecipient::new(tablet.client.account_id(), device.into());
        let what = "the second device to be given the key";
        founder.phone.inbox.until(what, |seen| seen.wrapped.contains(&recipient)).await?;

        let text = "This comes from my other device.";
        let sent = tablet.client.send_text(self.group, text).await;
        let sent = sent.map_err(failed(format!("{name}'s second device could not send")))?;
        let generation = tablet.generation(self.group).await?;
        let wraps =
            conversations::own_wraps(tablet.client.session(), self.group, generation, sent.position).await;
        let wraps = wraps.map_err(Error::from).map_err(failed("the second device's keys are not shown"))?;
        let given = wraps.iter().any(|told| told.wrap.recipient() == recipient);
        for person in 0..self.people.len() {
            let person = self.person(person)?;
            let (name, heard) =
                (person.name.clone(), person.phone.hears(&person.name, self.group, sent.number).await?);
            self.check(heard.text.as_deref() == Some(text), || {
                format!("{name} did not hear the second device")
            });
        }
        self.check(given, || "the second device has no wrap of its own".to_owned());

        let equal = self.equal_history(&tablet).await?;
        let lines = u64::try_from(self.script.lines.len()).unwrap_or(u64::MAX);
        self.summary.second_device_equal = equal;
        self.check(equal == lines, || format!("the second device reads {equal} of {lines} messages as sent"));
        self.output.step(format!("  it read {equal} messages of the past, equal to the script"));
        self.tablet = Some(tablet);
        Ok(())
    }

    /// How many messages of the script a device reads as they were sent.
    async fn equal_history(&self, device: &Device) -> Result<u64, CliError> {
        let (mut after, mut equal) = (0, 0);
        loop {
            let range = Range::After(after);
            let page = device.client.messages().history(self.group, range, PAGE_MESSAGES).await;
            let page = page.map_err(failed("the second device could not read the past"))?;
            let Some(last) = page.last() else { return Ok(equal) };
            after = last.number;
            for message in &page {
                let index = usize::try_from(message.number.saturating_sub(1)).unwrap_or(usize::MAX);
                let line = self.script.lines.get(index);
                let sender = line.and_then(|line| self.people.get(line.speaker));
                let same_sender =
                    sender.is_some_and(|person| person.phone.client.account_id() == message.sender_id);
                let same_text = line.is_some_and(|line| message.body.text() == Some(&line.text));
                equal += u64::from(same_sender && same_text);
            }
        }
    }

    /// The last person of the script is removed from the group: the key changes, and nothing reaches them any more.
    ///
    /// # Errors
    /// When any of it fails.
    pub async fn removal(&mut self) -> Result<(), CliError> {
        let last = self.people.len() - 1;
        let (founder, removed) = (self.founder()?, self.person(last)?);
        let (name, account) = (removed.name.clone(), removed.phone.client.account_id());
        self.output.step(format!("\n{} removes {name} from the group; the key has to change", founder.name));
        let before = founder.phone.generation(self.group).await?;
        let done = founder.phone.client.remove_member(self.group, account).await;
        done.map_err(failed(format!("{name} could not be removed")))?;
        let key = (self.group, account);
        let what = format!("{name} to hear of the removal");
        removed.phone.inbox.until(&what, |seen| seen.left.contains(&key)).await?;
        let text = format!("{name} cannot read this.");
        let sent = founder.phone.client.send_text(self.group, &text).await;
        let sent = sent.map_err(failed("nothing could be sent after the removal"))?;
        for person in 1..last {
            let person = self.person(person)?;
            let (name, heard) =
                (person.name.clone(), person.phone.hears(&person.name, self.group, sent.number).await?);
            self.check(heard.text.as_deref() == Some(&text), || format!("{name} did not hear the new key"));
        }
        if let Some(tablet) = &self.tablet {
            let heard = tablet.hears("the second device", self.group, sent.number).await?;
            self.check(heard.text.as_deref() == Some(&text), || {
                "the second device has no new key".to_owned()
            });
        }
        let after = self.founder()?.phone.generation(self.group).await?;
        self.summary.generations = after;
        self.check(after == before + 1, || format!("generation {before} became {after}"));
        self.left_out(last, sent.number, before).await
    }

    /// The live stream is in order: when a later message of another conversation has come in, everything before it has.
    async fn left_out(&mut self, removed: usize, number: u64, generation: u32) -> Result<(), CliError> {
        let (founder, person) = (self.founder()?, self.person(removed)?);
        let (name, group) = (person.name.clone(), self.group);
        let direct =
            founder.phone.client.open_direct(self.organization, person.phone.client.account_id()).await;
        let direct = direct.map_err(failed(format!("no direct conversation with {name}")))?;
        let text = "Sorry! This is between the two of us.";
        let sent = founder.phone.client.send_text(direct, text).await;
        let sent = sent.map_err(failed(format!("nothing could be sent to {name} directly")))?;
        let heard = person.phone.hears(&name, direct, sent.number).await?;
        let received = person.phone.inbox.look(|seen| {
            let later = |(id, heard): &&(ConversationId, u64)| *id == group && *heard >= number;
            seen.messages.keys().filter(later).count()
        });
        let session = person.phone.client.session();
        let history = messages::list(session, group, Range::Latest, PAGE_MESSAGES).await;
        let forced = self.send_under_old_key(removed, generation).await?;
        self.summary.removed_member_received = u64::try_from(received).unwrap_or(u64::MAX);
        self.check(heard.text.as_deref() == Some(text), || format!("{name} did not hear the direct message"));
        self.check(received == 0, || format!("{received} messages reached {name} after the removal"));
        self.check(is_refused(&history), || format!("{name} can still read the group"));
        self.check(is_refused(&forced), || format!("{name} can still send to the group"));
        self.output.step(format!(
            "  nothing reached {name}, who can neither read nor send there; a direct message did"
        ));
        Ok(())
    }

    /// Sends as a client would that knows nothing of its removal: sealed and signed, under the key that it still has.
    async fn send_under_old_key(
        &self,
        person: usize,
        generation: u32,
    ) -> Result<Result<(), ApiError>, CliError> {
        let client = &self.person(person)?.phone.client;
        let device = client.session().store().read(KeyState::device);
        let device = device.ok_or_else(|| CliError::failed("the device has no keys"))?;
        let key = client.conversations().key(self.group, generation).await;
        let key = key.map_err(failed("the old key is gone"))?;
        let binding = MessageBinding {
            conversation_id: self.group,
            generation,
            sender_id: device.account_id(),
            device_id: device.device_id(),
            message_id: edge::new_id(),
            kind: ContentKind::Message,
            target: 0,
        };
        let sealed =
            message::seal(&Content::text("I am still here."), &binding, &key, &device, &mut edge::random());
        let body = sealed.map_err(|error| CliError::failed("nothing could be sealed").because(&error))?;
        let request = messages::send(self.group, binding.message_id, generation, None, &body);
        Ok(client.session().done(request).await)
    }

    /// The member of the second organization sees nothing of the first.
    ///
    /// # Errors
    /// When the checks themselves cannot be made.
    pub async fn walls(&mut self) -> Result<(), CliError> {
        self.output.step("\nThe member of the other organization tries to see something of this one");
        let (group, organization, outside) = (self.group, self.organization, self.outside);
        let founder = self.founder()?.phone.client.account_id();
        let client = &self.outsider.phone.client;
        let session = client.session();
        let own = organizations::list(session, None).await;
        let own = own.map_err(Error::from).map_err(failed("the outsider's organizations are not shown"))?;
        let only_own = own.items.iter().all(|one| one.organization_id == outside);
        let tries = [
            ("read the conversation", is_refused(&conversations::get(session, group).await)),
            ("see its recipients", is_refused(&conversations::roster(session, group).await)),
            ("read messages", is_refused(&messages::list(session, group, Range::Latest, 1).await)),
            ("see deliveries", is_refused(&messages::deliveries(session, group, 1, None).await)),
            ("list members", is_refused(&organizations::members(session, organization, None).await)),
            ("list conversations", is_refused(&conversations::list(session, organization, None).await)),
            (
                "write to somebody",
                is_refused(&conversations::open_direct(session, organization, founder).await),
            ),
        ];
        let own_group = client.create_group(outside, &NewGroup::default()).await;
        let own_group = own_group.map_err(failed("the outsider could not open a group"))?;
        let sent = client.send_text(own_group, "Nobody here but me.").await;
        let sent = sent.map_err(failed("the outsider could not send"))?;
        self.outsider.phone.hears("the outsider", own_group, sent.number).await?;
        let saw = self.outsider.phone.inbox.look(|seen| {
            let conversations = seen.conversations.iter().filter(|id| **id != own_group).count();
            conversations + seen.organizations.iter().filter(|id| **id != outside).count()
        });
        self.summary.outsider_saw = u64::try_from(saw).unwrap_or(u64::MAX);
        self.check(only_own, || "the outsider is shown another organization".to_owned());
        self.check(saw == 0, || {
            format!("{saw} conversations or organizations of others reached the outsider")
        });
        for (what, refused) in tries {
            self.check(refused, || format!("the outsider could {what} of the other organization"));
        }
        self.output.step(format!("  {} attempts were refused, and nothing came in live", tries.len()));
        Ok(())
    }
}
