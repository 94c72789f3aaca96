//! What a read model's relations are, compared with what PostgreSQL makes of their definitions: tables, columns, indexes,
//! policies, grants, triggers, and the views that queries read. Rows are compared elsewhere.
//!
//! The definitions are carried out in schemas that are rolled back, so nothing has to know how PostgreSQL writes them down.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::Client;

use crate::acquainted;
use crate::checkpoint::{Layout, relations};
use crate::projector::Projector;
use crate::store::{Store, StoreError};

const RELATIONS: &str = include_str!("structure/relations.sql");
const SCHEMA: &str = include_str!("structure/schema.sql");
/// The function that row-level security asks, and what it may do. Runs with its owner's rights.
const ACQUAINTED: &str = "SELECT p.prosrc, concat_ws(' ', pg_get_userbyid(p.proowner)::text, p.prosecdef,
        array_to_string(p.proconfig, ','), (SELECT string_agg(concat_ws(' ', g.privilege_type,
            coalesce(pg_get_userbyid(nullif(g.grantee, 0))::text, 'public')), ',' ORDER BY g.grantee::regrole::text)
        FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS g))
    FROM pg_proc AS p WHERE p.oid = to_regprocedure($1)";

/// Rights that make row-level security void for the role that queries run in.
const READER: &str = "SELECT concat_ws(' ', CASE WHEN rolsuper THEN 'superuser' END,
        CASE WHEN rolbypassrls THEN 'bypassrls' END, (SELECT string_agg('member of ' || pg_get_userbyid(roleid)::text, ' ')
            FROM pg_auth_members WHERE member = r.oid))
    FROM pg_roles AS r WHERE rolname = 'envoi_reader'";

/// A relation that is not as it is defined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The relation; a view has `read.` before it, as in queries, and the two schemas are `schema` and `read`.
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
    let published = layout.views();
    store.execute("BEGIN").await?;
    store.execute(&layout.create(&made)).await?;
    store.execute(&layout.create_keys(&made)).await?;
    store.execute(&layout.create_indexes(&made)).await?;
    store.execute(&format!("CREATE SCHEMA {views}; GRANT USAGE ON SCHEMA {views} TO envoi_reader")).await?;
    store.execute(&layout.publish_in(&views, &made)).await?;
    let client = &store.client;
    let mut expected = facts(client, "", &made, &made).await?;
    expected.extend(schema_facts(client, "schema", &made).await?);
    expected.extend(facts(client, "read.", &views, &made).await?);
    expected.extend(schema_facts(client, "read", &views).await?);
    let mut found = facts(client, "", live, live).await?;
    found.extend(schema_facts(client, "schema", live).await?);
    found.extend(facts(client, "read.", &published, live).await?);
    found.extend(schema_facts(client, "read", &published).await?);
    store.execute("ROLLBACK").await?;
    Ok(differences(expected, found))
}

/// What row-level security of an edition rests on.
pub(crate) async fn compare_shared(store: &Store, edition: u32) -> Result<Vec<Difference>, StoreError> {
    let (mut expected, mut found) = (Facts::new(), Facts::new());
    for (object, aspect, value, there) in shared_facts(&store.client, edition).await? {
        expected.insert((object.clone(), aspect.to_owned()), value);
        if let Some(there) = there {
            found.insert((object, aspect.to_owned()), there);
        }
    }
    Ok(differences(expected, found))
}

/// Object, aspect, what is expected, what is found.
type Shared = (String, &'static str, String, Option<String>);

async fn shared_facts(client: &Client, edition: u32) -> Result<[Shared; 4], StoreError> {
    let failed = || StoreError::at("looking at what row-level security rests on");
    let name = acquainted::name(edition);
    let function = client.query_opt(ACQUAINTED, &[&format!("{name}(uuid)")]).await.map_err(failed())?;
    let read = |column| function.as_ref().map(|row| row.try_get(column)).transpose().map_err(failed());
    let (body, rights) = (read(0)?, read(1)?);
    let kind = function.as_ref().map(|_| "function".to_owned());
    let reader = client.query_one(READER, &[]).await.map_err(failed())?;
    let reader: String = reader.try_get(0).map_err(failed())?;
    Ok([
        (name.clone(), KIND, "function".to_owned(), kind),
        (name.clone(), "body", acquainted::body(edition), body),
        (name, "rights", acquainted::RIGHTS.to_owned(), rights),
        ("envoi_reader".to_owned(), "rights of the role", String::new(), Some(reader)),
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
    let (schema, views) = (Layout(projector).schema(generation), Layout(projector).views());
    let tables = projector.tables().iter().map(|def| format!("{schema}.{}", def.table().name));
    let names: Vec<String> =
        tables.chain(relations(projector).map(|name| format!("{views}.{name}"))).collect();
    let failed = || StoreError::at("looking for a projection's tables");
    let row =
        store.client.query_opt(SQL, &[&names, &projector.name(), &generation]).await.map_err(failed())?;
    row.map(|row| row.try_get(0)).transpose().map_err(failed())
}

async fn facts(client: &Client, prefix: &str, schema: &str, left_out: &str) -> Result<Facts, StoreError> {
    let failed = || StoreError::at(format!("looking at the relations of {schema}"));
    let rows = client.query(RELATIONS, &[&schema, &left_out]).await.map_err(failed())?;
    let read = |row: &tokio_postgres::Row| {
        let object: String = row.try_get(0)?;
        Ok(((format!("{prefix}{object}"), row.try_get(1)?), row.try_get(2)?))
    };
    rows.iter().map(read).collect::<Result<_, _>>().map_err(failed())
}

async fn schema_facts(client: &Client, object: &str, schema: &str) -> Result<Facts, StoreError> {
    let failed = || StoreError::at(format!("looking at {schema}"));
    let rows = client.query(SCHEMA, &[&schema]).await.map_err(failed())?;
    let read = |row: &tokio_postgres::Row| Ok(((object.to_owned(), row.try_get(0)?), row.try_get(1)?));
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
