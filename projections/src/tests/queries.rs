//! Every query, against what the aggregates know.

use std::collections::BTreeSet;

use domain::{AccountDevice, AccountId, AccountRecipient, ActorKind, Aggregate};
use eventstore_schema::RecordedEvent;
use eventstore_schema::database::Role;

use super::*;
use crate::{Page, Reader, Viewer};

fn first<K>() -> Page<K> {
    Page::new(None, 200)
}

pub(super) async fn lived(seed: u64, commands: usize) -> (Bench, Reader) {
    let mut bench = Bench::new(seed).await;
    bench.world.live(commands).await;
    let projections = bench.start().await;
    projections.wait_for_all(bench.head(), PATIENCE).await.expect("all follow");
    let reader = Reader::new(bench.database.pool(Role::Reader));
    (bench, reader)
}

#[tokio::test]
async fn organizations_and_workspaces_are_as_the_aggregates_say() {
    use crate::{organizations::queries as organizations, workspaces::queries as workspaces};
    let (bench, reader) = lived(51, 500).await;
    let mut invited = 0;
    for (organization_id, organization) in bench.world.organizations() {
        let Some((account_id, role)) = organization.members().next() else { continue };
        let viewer = Viewer { account_id, organization_id: Some(organization_id) };
        let view =
            organizations::by_id(&reader, &viewer, organization_id).await.unwrap().expect("a member sees it");
        assert_eq!((view.role, view.members as usize), (role, organization.members().count()));
        let members = organizations::members(&reader, &viewer, organization_id, first()).await.unwrap();
        let listed: Vec<_> = members.iter().map(|one| (one.account_id, one.role)).collect();
        assert_eq!(listed, organization.members().collect::<Vec<_>>());
        let one_by_one = one_by_one(async |page| {
            let page = organizations::members(&reader, &viewer, organization_id, page).await.unwrap();
            page.first().map(|one| one.account_id)
        })
        .await;
        assert_eq!(one_by_one, members.iter().map(|one| one.account_id).collect::<Vec<_>>());
        let invitations =
            organizations::invitations(&reader, &viewer, organization_id, first()).await.unwrap();
        invited += invitations.len();
        let all = workspaces::of_organization(&reader, &viewer, organization_id, first()).await.unwrap();
        let mine = workspaces::mine(&reader, &viewer, organization_id, first()).await.unwrap();
        assert!(mine.iter().all(|one| one.role.is_some() && all.contains(one)));
    }
    assert!(invited > 0, "somebody was invited");
    for (workspace_id, workspace) in bench.world.workspaces() {
        let members: Vec<_> = workspace.members().collect();
        let Some((account_id, role)) = members.first().copied() else { continue };
        let viewer = Viewer { account_id, organization_id: workspace.organization() };
        let view =
            workspaces::by_id(&reader, &viewer, workspace_id).await.unwrap().expect("a member sees it");
        assert_eq!(view.role, Some(role));
        let listed = workspaces::members(&reader, &viewer, workspace_id, first()).await.unwrap();
        assert_eq!(listed.iter().map(|one| (one.account_id, one.role)).collect::<Vec<_>>(), members);
    }
}

/// Reads a list in pages of one.
async fn one_by_one<K: Copy>(mut next: impl AsyncFnMut(Page<K>) -> Option<K>) -> Vec<K> {
    let mut all = Vec::new();
    while let Some(key) = next(Page::new(all.last().copied(), 1)).await {
        all.push(key);
    }
    all
}

#[tokio::test]
async fn accounts_devices_and_sessions_are_shown_to_their_owner() {
    let (bench, reader) = lived(52, 500).await;
    let (mut devices, mut sessions) = (BTreeSet::new(), 0);
    for account_id in bench.world.accounts() {
        let viewer = Viewer { account_id, organization_id: None };
        let own = crate::accounts::queries::own(&reader, &viewer).await.unwrap().expect("an account");
        assert!(own.profile.is_some() && own.account_id == account_id);
        let shown =
            crate::accounts::queries::profiles(&reader, &viewer, &bench.world.accounts()).await.unwrap();
        assert!(shown.iter().any(|one| one.account_id == account_id));
        let mine = crate::devices::queries::mine(&reader, &viewer, first()).await.unwrap();
        let public =
            crate::devices::queries::public_devices(&reader, &viewer, account_id, first()).await.unwrap();
        assert_eq!(mine.len(), public.len());
        devices.extend(mine.iter().map(|one| AccountDevice::new(account_id, one.device_id)));
        let keys = crate::devices::queries::own_keys(&reader, &viewer).await.unwrap();
        let public = crate::devices::queries::public_keys(&reader, &viewer, account_id).await.unwrap();
        assert_eq!(keys.map(|keys| keys.identity_key), public.map(|keys| keys.identity_key));
        sessions += crate::sessions::queries::mine(&reader, &viewer, first()).await.unwrap().len();
    }
    let owner = bench.database.client().await;
    let rows =
        owner.query(&crate::qualified("SELECT account_id, device_id FROM read.devices"), &[]).await.unwrap();
    let id = |row: &tokio_postgres::Row, at| row.get::<_, uuid::Uuid>(at);
    let all = rows.iter().map(|row| AccountDevice::new(id(row, 0).into(), id(row, 1).into()));
    assert_eq!(devices, all.collect());
    // Its maker chose it; it is not to be hidden.
    assert!(devices.iter().any(|one| one.device_id.as_bytes() == &[0; 16]), "a device with the least id");
    assert!(sessions > 0, "{sessions} sessions");
}

#[tokio::test]
async fn conversations_are_as_the_aggregates_say() {
    use crate::conversations::queries;
    let (bench, reader) = lived(53, 900).await;
    let mut seen = 0;
    for conversation in bench.world.conversations().filter(|one| !one.is_deleted()) {
        let id = conversation.id().expect("an open conversation");
        let members: BTreeSet<AccountId> = conversation.members().map(|(id, _)| id).collect();
        for account_id in bench.world.accounts() {
            let viewer = Viewer { account_id, organization_id: conversation.organization() };
            let view = queries::by_id(&reader, &viewer, id).await.unwrap();
            assert_eq!(view.is_some(), members.contains(&account_id));
            let Some(view) = view else { continue };
            seen += 1;
            assert_eq!(view.members as usize, members.len());
            assert_eq!(
                (view.generation, view.commit_required),
                (conversation.generation(), conversation.commit_required())
            );
            assert_eq!(view.last_number, conversation.last_number());
            let mine = queries::mine(&reader, &viewer, None, first()).await.unwrap();
            assert!(mine.contains(&view));
            let listed = queries::members(&reader, &viewer, id, first()).await.unwrap();
            assert_eq!(listed.iter().map(|one| one.account_id).collect::<BTreeSet<_>>(), members);
            let recipients = queries::recipients(&reader, &viewer, id).await.unwrap();
            let key = AccountRecipient::new;
            let active: Vec<_> = conversation
                .recipients()
                .map(|(account_id, one)| key(account_id, one.recipient_id))
                .collect();
            let told = |waits: bool| {
                let those = recipients.iter().filter(|one| one.waiting || !waits);
                those.map(|one| key(one.account_id, one.recipient_id)).collect::<Vec<_>>()
            };
            assert_eq!(told(false), active);
            let waiting = told(true);
            assert_eq!(waiting, conversation.waiting().collect::<Vec<_>>());
            let generations = queries::generations(&reader, &viewer, id, first()).await.unwrap();
            assert_eq!(generations.last().map_or(0, |one| one.generation), conversation.generation());
            let current = conversation.generation();
            let wraps = queries::own_wraps(&reader, &viewer, id, Some(current), first()).await.unwrap();
            assert!(wraps.iter().all(|one| one.account_id == account_id));
            for own in conversation.recipients_of(account_id) {
                let mut its = wraps.iter().filter(|one| one.recipient_id == own.recipient_id);
                let has_current = its.any(|one| one.reported_at.is_none());
                let expects = current > 0 && !conversation.is_waiting(key(account_id, own.recipient_id));
                assert_eq!(has_current, expects);
            }
        }
    }
    assert!(seen > 3, "{seen} memberships seen");
}

#[tokio::test]
async fn messages_and_deliveries_are_as_the_aggregates_say() {
    use crate::messages::queries::{self, Direction};
    let (bench, reader) = lived(54, 1_200).await;
    let mut seen = 0;
    for conversation in bench.world.conversations().filter(|one| !one.is_deleted()) {
        let id = conversation.id().expect("an open conversation");
        let Some((account_id, _)) = conversation.members().next() else { continue };
        let viewer = Viewer { account_id, organization_id: conversation.organization() };
        let forwards = queries::page(&reader, &viewer, id, Direction::Forwards, first()).await.unwrap();
        let mut backwards = queries::page(&reader, &viewer, id, Direction::Backwards, first()).await.unwrap();
        backwards.reverse();
        assert_eq!(forwards, backwards);
        let there = conversation.last_number() - conversation.deleted_up_to();
        assert_eq!(forwards.len(), usize::try_from(there).unwrap());
        let pins = queries::pins(&reader, &viewer, id).await.unwrap();
        assert!(pins.iter().all(|pin| conversation.is_pinned(pin.number)));
        for message in &forwards {
            seen += 1;
            assert_eq!(message.ciphertext.is_none(), conversation.is_message_deleted(message.number));
            let same = queries::by_number(&reader, &viewer, id, message.number).await.unwrap();
            assert_eq!(same.as_ref(), Some(message));
            queries::reactions(&reader, &viewer, id, message.number, first()).await.unwrap();
            for delivery in queries::deliveries(&reader, &viewer, id, message.number, first()).await.unwrap()
            {
                let member = bench.world.member(id, delivery.account_id);
                let marks = member.map(|one| one.watermarks(delivery.device_id)).unwrap_or_default();
                let state =
                    match (marks.read_up_to >= message.number, marks.delivered_up_to >= message.number) {
                        (true, _) => "read",
                        (false, true) => "delivered",
                        (false, false) => "sent",
                    };
                assert_eq!(delivery.state.as_str(), state);
            }
        }
    }
    assert!(seen > 30, "{seen} messages seen");
}

#[tokio::test]
async fn the_audit_log_of_an_organization_is_the_log_itself() {
    use crate::audit::queries::{self, AuditFilter, Order};
    let (bench, reader) = lived(55, 300).await;
    let (organization_id, organization) = bench.world.organizations().next().expect("an organization");
    let (account_id, _) = organization.members().next().expect("a member");
    let viewer = Viewer { account_id, organization_id: Some(organization_id) };
    let recorded = bench.log.read_all(None, usize::MAX, &Default::default()).await.unwrap();
    let own: Vec<_> =
        recorded.iter().filter(|event| event.origin.organization_id == Some(organization_id)).collect();
    let [early, typical, late] = [own.len() / 4, own.len() / 2, own.len() * 3 / 4].map(|at| own[at]);
    for asked in 0..32_u8 {
        let is_asked = |bit: u8| asked & (1 << bit) != 0;
        let filter = AuditFilter {
            event_type: is_asked(0).then(|| typical.event_type.clone()),
            actor: is_asked(1).then(|| AccountId::from_bytes(typical.origin.actor.id)),
            stream_id: is_asked(2).then_some(typical.stream.id),
            since: is_asked(3).then_some(early.origin.recorded_at),
            until: is_asked(4).then_some(late.origin.recorded_at),
        };
        let passes = |event: &RecordedEvent| {
            let (by, at) = (event.origin.actor, event.origin.recorded_at);
            filter.event_type.as_ref().is_none_or(|name| *name == event.event_type)
                && filter.actor.is_none_or(|id| id.as_bytes() == &by.id && by.kind == ActorKind::Account)
                && filter.stream_id.is_none_or(|id| id == event.stream.id)
                && filter.since.is_none_or(|since| at >= since)
                && filter.until.is_none_or(|until| at < until)
        };
        let mut wanted: Vec<_> =
            own.iter().filter(|event| passes(event)).map(|event| (event.position, event.hash)).collect();
        for order in [Order::OldestFirst, Order::NewestFirst] {
            let mut rows = Vec::new();
            loop {
                let page = Page::new(rows.last().map(|(position, _)| *position), 7);
                let page =
                    queries::page(&reader, &viewer, organization_id, &filter, order, page).await.unwrap();
                if page.is_empty() {
                    break;
                }
                rows.extend(page.into_iter().map(|row| (row.position, row.hash)));
            }
            assert_eq!(rows, wanted, "{filter:?} {order:?}");
            wanted.reverse();
        }
    }
}
