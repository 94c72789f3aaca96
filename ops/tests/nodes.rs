//! Three servers as processes over one database, all writing to the same streams, one of them killed in the middle: nothing
//! is recorded that was decided on a state that never was.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that meets the unexpected fails"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use domain::conversation::{ConversationEvent, ConversationRole};
use domain::organization::{OrganizationEvent, OrganizationRole};
use domain::{AccountId, Category, ConversationId, Event, InvitationId, OrganizationId};
use envoi_client::api::dto::{Invitation, NewGroup, Registration};
use envoi_client::api::organizations;
use envoi_client::e2ee::Cost;
use envoi_client::http::Outgoing;
use envoi_client::{Client, Keep, Server};
use eventstore_schema::{EventLog, ReadFilter, catalogue};
use serde_json::json;
use support::{Installation, Serving, token_in};
use tokio::task::JoinSet;

const NODES: usize = 3;
/// Members of the conversations, in turn by one of the nodes.
const MEMBERS: usize = 6;
/// People who want in, two by two by the same invitation for one.
const OUTSIDERS: usize = 6;
const ROOMS: usize = 2;
/// Messages of each member in each room, unless its node is killed before.
const MESSAGES: usize = 30;
/// Messages after which a node is killed.
const MESSAGES_BEFORE: usize = 90;

/// Comes in by a server as anybody does.
async fn enter(installation: &Installation, server: &Serving, name: &str) -> Arc<Client> {
    let (email, password) = (format!("{name}@example.org"), format!("the password of {name}"));
    let server = Server::new(server.url()).unwrap();
    let registration = Registration {
        email: email.clone(),
        password: password.clone(),
        display_name: name.to_owned(),
        locale: None,
    };
    server.register(&registration).await.unwrap();
    let mail = installation.mail();
    let token = tokio::task::spawn_blocking({
        let email = email.clone();
        move || token_in(&mail, &email)
    });
    server.confirm_email(&token.await.unwrap()).await.unwrap();
    let client = server.login(&email, &password, Keep::Memory).await.unwrap();
    let cost = Cost { memory_kib: 8 * 1024, passes: 1, lanes: 1 };
    client.set_up(&format!("violet harbour tractor of {name}"), cost, "node").await.unwrap();
    Arc::new(client)
}

/// Who is there before it begins: the first founded the organization.
struct Company {
    organization: OrganizationId,
    members: Vec<Arc<Client>>,
    outsiders: Vec<Arc<Client>>,
    rooms: Vec<ConversationId>,
    /// Each for one; two outsiders have it.
    invitations: Vec<Invitation>,
}

async fn gather(installation: &Installation, nodes: &[Serving]) -> Company {
    let by = |index: usize| &nodes[index % NODES];
    let mut members = Vec::new();
    for index in 0..MEMBERS {
        members.push(enter(installation, by(index), &format!("member{index}")).await);
    }
    let mut outsiders = Vec::new();
    for index in 0..OUTSIDERS {
        outsiders.push(enter(installation, by(index), &format!("outsider{index}")).await);
    }
    let founder = &members[0];
    let hour = Duration::from_secs(3_600);
    let organization = founder.create_organization("Nodes").await.unwrap();
    let many = founder.invite(organization, OrganizationRole::Member, 100, hour).await.unwrap();
    for member in &members[1..] {
        member.accept_invitation(&many.token).await.unwrap();
    }
    let mut invitations = Vec::new();
    for _ in 0..OUTSIDERS / 2 {
        invitations.push(founder.invite(organization, OrganizationRole::Guest, 1, hour).await.unwrap());
    }
    // Roles are changed by another node, too.
    let second = members[1].account_id();
    organizations::change_role(founder.session(), organization, second, OrganizationRole::Owner)
        .await
        .unwrap();
    let mut rooms = Vec::new();
    for index in 0..ROOMS {
        let others = members[1..].iter().map(|member| member.account_id()).collect();
        let new = NewGroup { title: Some(format!("Room {index}")), members: others, ..NewGroup::default() };
        let room = founder.create_group(organization, &new).await.unwrap();
        for member in &members {
            member.send_text(room, "hello").await.unwrap();
        }
        lead(founder, room, second, ConversationRole::Admin).await.unwrap();
        rooms.push(room);
    }
    Company { organization, members, outsiders, rooms, invitations }
}

async fn lead(
    by: &Client,
    room: ConversationId,
    account: AccountId,
    role: ConversationRole,
) -> Result<(), envoi_client::problem::ApiError> {
    let path = format!("/v1/conversations/{room}/members/{account}");
    by.session().done(Outgoing::put(path).json(&json!({ "role": role }))).await
}

/// Who sends by the node that is killed stops at its first failure; the others must not fail.
fn send_all(company: &Company, sent: &Arc<AtomicUsize>) -> JoinSet<(usize, BTreeSet<(ConversationId, u64)>)> {
    let mut senders = JoinSet::new();
    for (index, member) in company.members.iter().enumerate() {
        for room in company.rooms.clone() {
            let (member, sent) = (Arc::clone(member), Arc::clone(sent));
            senders.spawn(async move {
                let mut numbers = BTreeSet::new();
                for n in 0..MESSAGES {
                    match member.send_text(room, &format!("message {n}")).await {
                        Ok(answer) => assert!(numbers.insert((room, answer.number)), "a number given twice"),
                        Err(_) if index % NODES == NODES - 1 => break,
                        Err(error) => panic!("member {index}: {error}"),
                    }
                    sent.fetch_add(1, Ordering::Relaxed);
                }
                (index, numbers)
            });
        }
    }
    senders
}

/// Two owners by two nodes change the same roles back and forth; of their changes some are refused, none is lost.
async fn change_roles(company: &Company, by: usize) -> usize {
    let (client, mut done) = (&company.members[by], 0);
    let whom = company.members[3].account_id();
    for n in 0..20 {
        let (role, leads) = match (n + by) % 2 {
            0 => (OrganizationRole::Admin, ConversationRole::Admin),
            _ => (OrganizationRole::Member, ConversationRole::Member),
        };
        let changed = organizations::change_role(client.session(), company.organization, whom, role).await;
        done += usize::from(changed.is_ok());
        for room in &company.rooms {
            done += usize::from(lead(client, *room, whom, leads).await.is_ok());
        }
    }
    done
}

/// How many outsiders came in.
async fn come_in(company: &Company) -> usize {
    let mut joins = JoinSet::new();
    for (index, outsider) in company.outsiders.iter().enumerate() {
        let outsider = Arc::clone(outsider);
        let token = company.invitations[index % (OUTSIDERS / 2)].token.clone();
        joins.spawn(async move { outsider.accept_invitation(&token).await.is_ok() });
    }
    joins.join_all().await.into_iter().filter(|joined| *joined).count()
}

async fn events(log: &dyn EventLog, category: Category) -> Vec<Event> {
    let filter = ReadFilter { categories: vec![category], ..ReadFilter::default() };
    let recorded = log.read_all(None, 16_000, &filter).await.unwrap();
    recorded.iter().map(|event| catalogue::decode_recorded(event).unwrap()).collect()
}

#[test]
fn nodes_that_write_to_the_same_streams_record_nothing_that_no_state_allows() {
    let installation = Installation::new();
    let mut nodes: Vec<Serving> = (0..NODES).map(|_| installation.node()).collect();
    let company = installation.block_on(gather(&installation, &nodes));
    let killed = nodes.pop().unwrap();
    let sent = Arc::new(AtomicUsize::new(0));
    let (senders, joined, changed) = installation.block_on(async {
        let mut senders = send_all(&company, &sent);
        let kill = async {
            while sent.load(Ordering::Relaxed) < MESSAGES_BEFORE {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            killed.kill();
        };
        let (joined, first, second, ()) =
            tokio::join!(come_in(&company), change_roles(&company, 0), change_roles(&company, 1), kill);
        let mut all = Vec::new();
        while let Some(finished) = senders.join_next().await {
            all.push(finished.unwrap());
        }
        (all, joined, first + second)
    });
    assert!(changed > 0, "roles changed");

    // Every number that was answered is of one message, and every message has one.
    let mut answered = BTreeMap::new();
    for (index, numbers) in senders {
        assert!(index % NODES == NODES - 1 || numbers.len() == MESSAGES);
        for number in numbers {
            assert_eq!(answered.insert(number, index), None, "{number:?} was given twice");
        }
    }
    let mut numbers: BTreeMap<ConversationId, Vec<u64>> = BTreeMap::new();
    for event in installation.block_on(events(&*installation.log, Category::Conversation)) {
        if let Event::Conversation(ConversationEvent::MessageSent(sent)) = event {
            numbers.entry(sent.conversation_id).or_default().push(sent.number);
        }
    }
    for (room, numbers) in &numbers {
        assert_eq!(*numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "{room}");
    }
    assert!(answered.keys().all(|(room, number)| numbers[room].contains(number)));

    // Each invitation for one let one in.
    let mut uses: BTreeMap<InvitationId, usize> = BTreeMap::new();
    for event in installation.block_on(events(&*installation.log, Category::Organization)) {
        if let Event::Organization(OrganizationEvent::MemberJoined(joined)) = event
            && let Some(invitation) = joined.invitation_id
        {
            *uses.entry(invitation).or_default() += 1;
        }
    }
    let ones = company.invitations.iter().map(|one| uses.get(&one.invitation_id).copied().unwrap_or(0));
    let ones: Vec<usize> = ones.collect();
    assert!(
        ones.iter().all(|uses| *uses <= 1) && ones.iter().sum::<usize>() >= joined,
        "{ones:?}, {joined} told"
    );
    assert!(ones.contains(&1), "{ones:?}");

    look_behind(&installation);
}

/// The log keeps its own rules, nothing is parked, and the read models are what it says.
fn look_behind(installation: &Installation) {
    let head = installation.block_on(installation.log.head()).unwrap().position.unwrap();
    installation.settled(head);
    let verified = installation.runs(&["log", "verify", "--rules", "--json"]).succeeded().json();
    assert_eq!((&verified["sound"], &verified["findings_total"]), (&json!(true), &json!(0)), "{verified}");
    assert!(verified["streams_replayed"].as_u64().unwrap() > 20, "{verified}");
    let parked = installation.runs(&["projections", "parked", "--json"]).succeeded().json();
    assert_eq!(parked["parked"], json!([]));
    let parked = installation.runs(&["reactions", "list", "--json"]).succeeded().json();
    assert_eq!(parked["parked"], json!([]));
    let verified = installation.runs(&["projections", "verify", "--json"]).succeeded().json();
    assert_eq!(verified["equal"], json!(true), "{verified}");
}
