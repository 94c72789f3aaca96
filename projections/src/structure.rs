//! What a read model's relations are, compared with what PostgreSQL makes of their definitions: tables, columns, indexes,
//! policies, grants, triggers, and the views that queries read. Rows are compared elsewhere.
//!
//! The definitions are carried out in schemas that are rolled back, so nothing has to know how PostgreSQL writes them down.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::Client;

use crate::checkpoint::Layout;
use crate::projector::Projector;
use crate::store::{Store, StoreError};

const RELATIONS: &str = include_str!("structure/relations.sql");
const SCHEMA: &str = include_str!("structure/schema.sql");
/// Where [`ACQUAINTED`] is defined.
const MIGRATION: &str = include_str!("../migrations/V01__projection.sql");

/// The function that row-level security asks, and what it may do. Runs with its owner's rights.
const ACQUAINTED: &str = "SELECT p.prosrc, concat_ws(' ', pg_get_userbyid(p.proowner)::text, p.prosecdef,
        array_to_string(p.proconfig, ','), (SELECT string_agg(concat_ws(' ', g.privilege_type,
            coalesce(pg_get_userbyid(nullif(g.grantee, 0))::text, 'public')), ',' ORDER BY g.grantee::regrole::text)
        FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS g))
    FROM pg_proc AS p WHERE p.oid = 'projection.acquainted(uuid)'::regprocedure";
const ACQUAINTED_RIGHTS: &str =
    "envoi_projector t search_path=pg_catalog, pg_temp EXECUTE envoi_projector,EXECUTE envoi_reader";

/// Rights that make row-level security void for the role that queries run in.
const READER: &str = "SELECT concat_ws(' ', CASE WHEN rolsuper THEN 'superuser' END,
        CASE WHEN rolbypassrls THEN 'bypassrls' END, (SELECT string_agg('member of ' || pg_get_userbyid(roleid)::text, ' ')
            FROM pg_auth_members WHERE member = r.oid))
    FROM pg_roles AS r WHERE rolname = 'envoi_reader'";

/// A relation that is not as it is defined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The relation, with its schema; the read model's own is left out.
    pub object: String,
    /// What of it.
    pub aspect: String,
    /// What the definition makes; none where there should be nothing.
    pub expected: Option<String>,
    /// What is there, if anything.
    pub found: Option<String>,
}

/// The aspect that every relation has.
const KIND: &str = "kind";

/// Value by object and aspect.
type Facts = BTreeMap<(String, String), String>;

/// The relations of one projection.
pub(crate) async fn compare(
    store: &Store,
    projector: &dyn Projector,
    live: &str,
) -> Result<Vec<Difference>, StoreError> {
    let layout = Layout(projector);
    let (made, views) = (layout.schema(0), format!("{}_views", layout.schema(0)));
    let names: Vec<String> = relations(projector).map(str::to_owned).collect();
    store.execute("BEGIN").await?;
    store.execute(&layout.create(&made)).await?;
    store.execute(&layout.create_keys(&made)).await?;
    store.execute(&layout.create_indexes(&made)).await?;
    store.execute(&format!("CREATE SCHEMA {views}")).await?;
    store.execute(&layout.publish_in(&views, &made)).await?;
    let client = &store.client;
    let (tables, names) = (made.as_str(), Some(names.as_slice()));
    let mut expected = facts(client, "", (tables, None, tables)).await?;
    expected.extend(schema_facts(client, tables).await?);
    expected.extend(facts(client, "read.", (views.as_str(), names, tables)).await?);
    let mut found = facts(client, "", (live, None, live)).await?;
    found.extend(schema_facts(client, live).await?);
    found.extend(facts(client, "read.", ("read", names, live)).await?);
    store.execute("ROLLBACK").await?;
    Ok(differences(expected, found))
}

/// What all projections share: the schema that queries read from, and what row-level security rests on. `all` are all
/// projections there are.
pub(crate) async fn compare_shared<'a>(
    store: &Store,
    all: impl Iterator<Item = &'a dyn Projector>,
) -> Result<Vec<Difference>, StoreError> {
    const MADE: &str = "rm_read_0";
    let client = &store.client;
    store.execute("BEGIN").await?;
    store.execute(&format!("CREATE SCHEMA {MADE}; GRANT USAGE ON SCHEMA {MADE} TO envoi_reader")).await?;
    let mut expected = schema_facts(client, MADE).await?;
    let mut found = schema_facts(client, "read").await?;
    store.execute("ROLLBACK").await?;
    let known: Vec<&str> = all.flat_map(relations).collect();
    let others = facts(client, "read.", ("read", None, "read")).await?;
    let foreign = |object: &str| !known.iter().any(|name| object.strip_prefix("read.") == Some(name));
    found.extend(others.into_iter().filter(|((object, aspect), _)| aspect == KIND && foreign(object)));
    for (object, aspect, value, there) in shared_facts(client).await? {
        expected.insert((object.to_owned(), aspect.to_owned()), value);
        found.insert((object.to_owned(), aspect.to_owned()), there);
    }
    Ok(differences(expected, found))
}

type Shared = (&'static str, &'static str, String, String);

async fn shared_facts(client: &Client) -> Result<[Shared; 3], StoreError> {
    let failed = || StoreError::at("looking at what row-level security rests on");
    let function = client.query_one(ACQUAINTED, &[]).await.map_err(failed())?;
    let body: String = function.try_get(0).map_err(failed())?;
    let rights: String = function.try_get(1).map_err(failed())?;
    let reader = client.query_one(READER, &[]).await.map_err(failed())?;
    let reader: String = reader.try_get(0).map_err(failed())?;
    let (_, rest) = MIGRATION.split_once("AS $$").unwrap_or_default();
    let (defined, _) = rest.split_once("$$;").unwrap_or_default();
    let name = "projection.acquainted";
    Ok([
        (name, "body", defined.to_owned(), body),
        (name, "rights", ACQUAINTED_RIGHTS.to_owned(), rights),
        ("envoi_reader", "rights of the role", String::new(), reader),
    ])
}

/// A relation of a projection that is not there, with its schema; another generation that was switched to meanwhile does not
/// count.
pub(crate) async fn gone(
    store: &Store,
    projector: &dyn Projector,
    generation: i32,
) -> Result<Option<String>, StoreError> {
    const SQL: &str = "SELECT r.name FROM unnest($1::text[]) AS r(name) WHERE to_regclass(r.name) IS NULL \
        AND EXISTS (SELECT FROM projection.checkpoints WHERE name = $2 AND generation = $3) LIMIT 1";
    let schema = Layout(projector).schema(generation);
    let tables = projector.tables().iter().map(|def| format!("{schema}.{}", def.table().name));
    let names: Vec<String> = tables.chain(relations(projector).map(|name| format!("read.{name}"))).collect();
    let failed = || StoreError::at("looking for a projection's tables");
    let row =
        store.client.query_opt(SQL, &[&names, &projector.name(), &generation]).await.map_err(failed())?;
    row.map(|row| row.try_get(0)).transpose().map_err(failed())
}

fn relations(projector: &dyn Projector) -> impl Iterator<Item = &'static str> {
    let tables = projector.tables().iter().map(|def| def.table().name);
    tables.chain(projector.views().iter().map(|view| view.name)).collect::<Vec<_>>().into_iter()
}

async fn facts(
    client: &Client,
    prefix: &str,
    (schema, names, left_out): (&str, Option<&[String]>, &str),
) -> Result<Facts, StoreError> {
    let failed = || StoreError::at(format!("looking at the relations of {schema}"));
    let rows = client.query(RELATIONS, &[&schema, &names, &left_out]).await.map_err(failed())?;
    let read = |row: &tokio_postgres::Row| {
        let object: String = row.try_get(0)?;
        Ok(((format!("{prefix}{object}"), row.try_get(1)?), row.try_get(2)?))
    };
    rows.iter().map(read).collect::<Result<_, _>>().map_err(failed())
}

async fn schema_facts(client: &Client, schema: &str) -> Result<Facts, StoreError> {
    let failed = || StoreError::at(format!("looking at {schema}"));
    let rows = client.query(SCHEMA, &[&schema]).await.map_err(failed())?;
    let read = |row: &tokio_postgres::Row| Ok(((row.try_get(0)?, row.try_get(1)?), row.try_get(2)?));
    rows.iter().map(read).collect::<Result<_, _>>().map_err(failed())
}

/// One of a relation that is missing or should not be there, else one of each aspect.
fn differences(expected: Facts, found: Facts) -> Vec<Difference> {
    let objects = |facts: &Facts| facts.keys().map(|(object, _)| object.clone()).collect::<BTreeSet<_>>();
    let (defined, there) = (objects(&expected), objects(&found));
    let keys: BTreeSet<_> = expected.keys().chain(found.keys()).cloned().collect();
    let is_told = |(object, aspect): &(String, String)| {
        aspect == KIND || (defined.contains(object) && there.contains(object))
    };
    let differs = |key: &(String, String)| expected.get(key) != found.get(key);
    let differing = keys.into_iter().filter(|key| differs(key) && is_told(key));
    differing
        .map(|key| {
            let (wanted, is) = (expected.get(&key).cloned(), found.get(&key).cloned());
            Difference { object: key.0, aspect: key.1, expected: wanted, found: is }
        })
        .collect()
}
