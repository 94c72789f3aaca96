//! What nobody may see, nobody sees: also when a query forgets to ask.

use domain::{AccountId, OrganizationId};
use eventstore_schema::database::Role;

use super::*;
use crate::{Reader, Viewer};

crate::result! {
    /// How many rows are seen.
    pub struct Count {
        /// That many.
        count: i64,
    }
}

/// Names of all relations in `read`.
fn relations() -> Vec<&'static str> {
    let projectors = registry();
    let tables = projectors.iter().flat_map(|one| one.tables()).map(|def| def.table().name);
    let views = projectors.iter().flat_map(|one| one.views()).map(|view| view.name);
    tables.chain(views).collect()
}

async fn seen(reader: &Reader, viewer: &Viewer, relation: &str) -> i64 {
    let sql: &'static str = format!("SELECT count(*) AS count FROM read.{relation}").leak();
    let counted: Option<Count> = reader.one(viewer, sql, &[]).await.expect("a count");
    counted.expect("a row").count
}

#[tokio::test]
async fn a_query_without_any_condition_shows_a_stranger_nothing() {
    let mut bench = Bench::new(41).await;
    bench.world.live(600).await;
    let projections = bench.start().await;
    projections.wait_for_all(bench.head(), PATIENCE).await.expect("all follow");
    let admin = bench.database.client().await;
    let reader = Reader::new(bench.database.pool(Role::Reader));
    let stranger = Viewer {
        account_id: AccountId::from_bytes([0xfe; 16]),
        organization_id: Some(OrganizationId::from_bytes([0xfd; 16])),
    };
    for relation in relations() {
        let sql = crate::qualified(&format!("SELECT count(*) FROM read.{relation}"));
        let there: i64 = admin.query_one(&sql, &[]).await.expect("a count").get(0);
        assert!(there > 0, "{relation} is empty: the test shows nothing");
        assert_eq!(seen(&reader, &stranger, relation).await, 0, "{relation}");
        let outside = Viewer { organization_id: None, ..stranger };
        assert_eq!(seen(&reader, &outside, relation).await, 0, "{relation}");
    }
    let raw = bench.database.pool(Role::Reader).get().await.expect("a connection");
    for relation in relations() {
        let count: i64 = raw
            .query_one(&crate::qualified(&format!("SELECT count(*) FROM read.{relation}")), &[])
            .await
            .expect("a count")
            .get(0);
        assert_eq!(count, 0, "{relation} without a viewer");
    }
}

#[tokio::test]
async fn a_query_without_any_condition_shows_one_tenant_of_several() {
    let mut bench = Bench::new(42).await;
    bench.world.live(700).await;
    let projections = bench.start().await;
    projections.wait_for_all(bench.head(), PATIENCE).await.expect("all follow");
    let admin = bench.database.client().await;
    let reader = Reader::new(bench.database.pool(Role::Reader));
    let nobody = AccountId::from_bytes([0xfe; 16]);
    assert!(bench.world.organizations().count() > 1, "several tenants");
    for (organization_id, _) in bench.world.organizations() {
        let viewer = Viewer { account_id: nobody, organization_id: Some(organization_id) };
        for relation in ["organizations", "workspaces", "conversations", "messages", "audit_logs"] {
            let sql =
                crate::qualified(&format!("SELECT count(*) FROM read.{relation} WHERE organization_id = $1"));
            let own: i64 =
                admin.query_one(&sql, &[&organization_id.as_uuid()]).await.expect("a count").get(0);
            assert_eq!(seen(&reader, &viewer, relation).await, own, "{relation}");
        }
    }
}

#[tokio::test]
async fn profiles_and_keys_are_seen_by_those_who_share_an_organization_or_conversation() {
    let mut bench = Bench::new(43).await;
    bench.world.live(500).await;
    let projections = bench.start().await;
    projections.wait_for_all(bench.head(), PATIENCE).await.expect("all follow");
    let reader = Reader::new(bench.database.pool(Role::Reader));
    let admin = bench.database.client().await;
    let were_together = &crate::qualified(
        "SELECT EXISTS (SELECT FROM read.conversation_members AS a \
         JOIN read.conversation_members AS b USING (conversation_id) \
         JOIN read.organization_memberships AS o ON o.organization_id = a.organization_id \
         AND o.account_id = a.account_id AND o.removed_at IS NULL AND o.term = a.organization_term \
         WHERE a.account_id = $1 AND a.left_at IS NULL AND b.account_id = $2)",
    );
    let (mut visible, mut hidden) = (0, 0);
    for one in bench.world.accounts() {
        for other in bench.world.accounts() {
            let viewer = Viewer { account_id: one, organization_id: None };
            let share = bench.world.organizations().any(|(_, organization)| {
                organization.role(one).is_some() && organization.role(other).is_some()
            });
            let together: bool = admin
                .query_one(were_together, &[&one.as_uuid(), &other.as_uuid()])
                .await
                .expect("an answer")
                .get(0);
            let expected = one == other || share || together;
            let profile =
                crate::accounts::queries::profile(&reader, &viewer, other).await.expect("an answer");
            assert_eq!(profile.is_some(), expected, "{one} sees {other}");
            if expected { visible += 1 } else { hidden += 1 }
        }
    }
    assert!(visible > 8 && hidden > 0, "{visible} visible, {hidden} hidden");
}
