//! The play: everybody enters, meets and talks; what each hears is compared with the script.

use std::time::Duration;

use domain::organization::OrganizationRole;
use domain::workspace::WorkspaceRole;
use domain::{AccountId, ConversationId, OrganizationId};
use envoi_client::api::dto::{DeliveryState, NewGroup};
use envoi_client::api::{conversations, messages, workspaces};
use envoi_client::{Client, Error};
use futures_util::future::try_join_all;
use tokio::time::Instant;

use super::person::{Device, Person, failed};
use super::script::{Line, Script};
use super::stage::Stage;
use super::summary::{Percentiles, Summary};
use crate::bench::percentile_ms;
use crate::cli::text;
use crate::cli::{CliError, Output};

/// How long the invitations hold: as long as a play may take.
const INVITATION_LASTS: Duration = Duration::from_secs(86_400);
/// How many people enter at once: each costs the server a password hash, which it does a few of at a time.
const ENTER_AT_ONCE: usize = 8;

/// A play under way.
pub struct Play<'a> {
    pub(super) stage: &'a Stage,
    pub(super) script: &'a Script,
    pub(super) output: Output,
    pub(super) summary: Summary,
    /// The people of the script. The first has founded the organization and opened the group.
    pub(super) people: Vec<Person>,
    /// Somebody in the second organization.
    pub(super) outsider: Person,
    /// The second organization.
    pub(super) outside: OrganizationId,
    pub(super) organization: OrganizationId,
    pub(super) group: ConversationId,
    /// The first person's second device, once there.
    pub(super) tablet: Option<Device>,
}

impl<'a> Play<'a> {
    /// Everybody enters; both organizations are founded; the group is opened.
    ///
    /// # Errors
    /// When any of it fails.
    pub async fn begin(stage: &'a Stage, script: &'a Script, output: Output) -> Result<Self, CliError> {
        let names = script.people.iter().map(|name| text::name(name)).collect::<Vec<_>>().join(", ");
        output.step(format!(
            "{names} and an outsider register, confirm their addresses by e-mail, log in, make keys"
        ));
        let mut cast: Vec<String> = script.people.clone();
        cast.push("Outsider".to_owned());
        let mut people = Vec::new();
        for (block, names) in cast.chunks(ENTER_AT_ONCE).enumerate() {
            let index = |place: usize| block * ENTER_AT_ONCE + place;
            let entering = names.iter().enumerate();
            let entering = entering.map(|(place, name)| Person::enter(stage, name, index(place)));
            people.extend(try_join_all(entering).await?);
        }
        let outsider = people.pop().ok_or_else(|| CliError::failed("nobody entered"))?;
        let founder = people.first().ok_or_else(|| CliError::failed("nobody entered"))?;
        output.step(format!("{} founds an organization; the others join by invitation", founder.name));
        let organization = found(&founder.phone.client, "Demonstration").await?;
        join(&people, organization).await?;
        let outside = found(&outsider.phone.client, "Elsewhere").await?;
        let group = open_group(&people, organization).await?;
        output.step(format!("{} opens a workspace and in it a group with everybody\n", founder.name));
        let summary = Summary { people: people.len(), organizations: 2, ..Summary::default() };
        let tablet = None;
        Ok(Self { stage, script, output, summary, people, outsider, outside, organization, group, tablet })
    }

    /// A person of the script.
    pub(super) fn person(&self, index: usize) -> Result<&Person, CliError> {
        self.people.get(index).ok_or_else(|| CliError::failed("the script has no such person"))
    }

    /// Who founded the organization.
    pub(super) fn founder(&self) -> Result<&Person, CliError> {
        self.person(0)
    }

    /// Notes what is not as it should be.
    pub(super) fn check(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            let what = what();
            self.output.step(format!("  FAILED: {what}"));
            self.summary.failures.push(what);
        }
    }

    /// Each line is sent by its speaker and heard by everybody else.
    ///
    /// # Errors
    /// When a line cannot be sent or does not arrive.
    pub async fn talk(&mut self) -> Result<(), CliError> {
        let mut times = Vec::new();
        for (index, line) in self.script.lines.iter().enumerate() {
            let number = u64::try_from(index + 1).unwrap_or(u64::MAX);
            self.say(number, line, &mut times).await?;
        }
        times.sort();
        self.summary.delivery_ms = Percentiles {
            p50: percentile_ms(&times, 0.5),
            p95: percentile_ms(&times, 0.95),
            p99: percentile_ms(&times, 0.99),
        };
        for person in 0..self.people.len() {
            let name = self.script.name(person).to_owned();
            let seen = self.person(person)?.phone.inbox.look(|seen| (seen.repeated, seen.resets));
            self.check(seen == (0, 0), || format!("{name} got messages twice, or missed some: {seen:?}"));
        }
        Ok(())
    }

    async fn say(&mut self, number: u64, line: &Line, times: &mut Vec<Duration>) -> Result<(), CliError> {
        let speaker = self.script.name(line.speaker).to_owned();
        let began = Instant::now();
        let sent = self.person(line.speaker)?.phone.client.send_text(self.group, &line.text).await;
        let sent = sent.map_err(failed(format!("{speaker} could not send line {number} of the script")))?;
        self.summary.messages_sent += 1;
        self.check(sent.number == number, || {
            format!("line {number} became message {}: somebody else talks, too", sent.number)
        });
        let (mut equal, mut slowest) = (true, Duration::ZERO);
        for other in (0..self.people.len()).filter(|other| *other != line.speaker) {
            let person = self.person(other)?;
            let heard = person.phone.hears(&person.name, self.group, sent.number).await?;
            let took = heard.at.duration_since(began);
            let same = heard.text.as_deref() == Some(line.text.as_str());
            self.summary.receptions += 1;
            self.summary.receptions_equal += u64::from(same);
            times.push(took);
            (equal, slowest) = (equal && same, slowest.max(took));
        }
        self.summary.messages_received += 1;
        self.summary.messages_decrypted_equal += u64::from(equal);
        self.check(equal, || format!("message {number} is not what {speaker} said for everybody"));
        let head = format!(
            "{number:>4}  {} (heard by {} within {:.1} ms): ",
            text::name(&speaker),
            self.people.len() - 1,
            slowest.as_secs_f64() * 1_000.0
        );
        self.output.step(text::message(&head, &line.text, self.output.width()));
        Ok(())
    }

    /// Everybody says that they have all messages, then that they have read them; each is checked for every message and
    /// device.
    ///
    /// # Errors
    /// When a receipt cannot be recorded or deliveries cannot be read.
    pub async fn receipts(&mut self) -> Result<(), CliError> {
        let last = u64::try_from(self.script.lines.len()).unwrap_or(u64::MAX);
        self.output.step("\nEverybody records that the messages have arrived, then that they are read");
        for (read, state) in [(0, DeliveryState::Delivered), (last, DeliveryState::Read)] {
            // The founder comes last: what they ask for afterwards shows everything recorded before.
            for person in (0..self.people.len()).rev() {
                let person = self.person(person)?;
                let recorded = person.phone.client.record_receipt(self.group, last, read).await;
                recorded.map_err(failed(format!("{} could not record a receipt", person.name)))?;
                self.summary.receipts += 1;
            }
            let shown = self.deliveries(last, state).await?;
            match state {
                DeliveryState::Read => self.summary.deliveries_read = shown,
                DeliveryState::Sent | DeliveryState::Delivered => self.summary.deliveries_delivered = shown,
            }
            let expected = last * u64::try_from(self.people.len() - 1).unwrap_or(u64::MAX);
            self.check(shown == expected, || {
                format!("{shown} deliveries are shown as {state:?}; {expected} should be")
            });
        }
        let expected = usize::try_from(self.summary.receipts).unwrap_or(usize::MAX);
        let inbox = &self.founder()?.phone.inbox;
        inbox.until("all receipts to come in live", |seen| seen.receipts >= expected).await
    }

    /// How many devices have which messages, as the server shows it, are in this state.
    async fn deliveries(&self, last: u64, state: DeliveryState) -> Result<u64, CliError> {
        let session = self.founder()?.phone.client.session();
        let mut shown = 0;
        for number in 1..=last {
            let mut cursor: Option<String> = None;
            loop {
                let page = messages::deliveries(session, self.group, number, cursor.as_deref()).await;
                let page = page.map_err(Error::from).map_err(failed("deliveries cannot be read"))?;
                shown += page.items.iter().filter(|delivery| delivery.state == state).count();
                match page.next_cursor {
                    Some(next) => cursor = Some(next),
                    None => break,
                }
            }
        }
        Ok(u64::try_from(shown).unwrap_or(u64::MAX))
    }

    /// Everybody logs out; the clients are closed.
    ///
    /// # Errors
    /// When the server cannot be told.
    pub async fn end(self) -> Result<Summary, CliError> {
        let devices = self.people.iter().chain([&self.outsider]).map(|person| &person.phone);
        for device in devices.chain(self.tablet.as_ref()) {
            device.client.logout().await.map_err(failed("somebody could not log out"))?;
        }
        Ok(self.summary)
    }
}

async fn found(client: &Client, name: &str) -> Result<OrganizationId, CliError> {
    client.create_organization(name).await.map_err(failed(format!("{name} could not be founded")))
}

async fn join(people: &[Person], organization: OrganizationId) -> Result<(), CliError> {
    let Some((founder, others)) = people.split_first() else { return Ok(()) };
    let uses = u32::try_from(others.len()).unwrap_or(u32::MAX);
    let invited = founder.phone.client.invite(organization, OrganizationRole::Member, uses, INVITATION_LASTS);
    let invitation = invited.await.map_err(failed("no invitation could be made"))?;
    for person in others {
        let joined = person.phone.client.accept_invitation(&invitation.token).await;
        let joined = joined.map_err(failed(format!("{} could not join", person.name)))?;
        if joined != organization {
            return Err(CliError::check_failed(format!("{} joined another organization", person.name)));
        }
    }
    Ok(())
}

/// Opens a workspace with everybody in it, and a group; waits until queries show both.
async fn open_group(people: &[Person], organization: OrganizationId) -> Result<ConversationId, CliError> {
    let (founder, others) = people.split_first().ok_or_else(|| CliError::failed("nobody entered"))?;
    let client = &founder.phone.client;
    let workspace = client.create_workspace(organization, "Commons").await;
    let workspace = workspace.map_err(failed("the workspace could not be created"))?;
    let members: Vec<AccountId> = others.iter().map(|person| person.phone.client.account_id()).collect();
    for member in &members {
        let added = workspaces::add_member(client.session(), workspace, *member, WorkspaceRole::Member).await;
        added.map_err(Error::from).map_err(failed("somebody could not be added to the workspace"))?;
    }
    let new = NewGroup {
        workspace_id: Some(workspace),
        title: Some("The script".to_owned()),
        members: members.clone(),
        ..NewGroup::default()
    };
    let group = client.create_group(organization, &new).await;
    let group = group.map_err(failed("the group could not be opened"))?;
    // These queries see the group; so does everybody from here on.
    let shown = conversations::get(client.session(), group).await;
    shown.map_err(Error::from).map_err(failed("the group is not shown"))?;
    for member in members {
        client.people().fetch(member).await.map_err(failed("somebody's keys are not shown"))?;
    }
    Ok(group)
}
