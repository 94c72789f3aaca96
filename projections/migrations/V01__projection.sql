-- The read side's own book-keeping: how far each projection is and what it could not fold. The read models themselves lie
-- in schemas rm_<name>_<generation>, which the projector makes and drops; queries go through the views in schema read.

CREATE SCHEMA projection AUTHORIZATION envoi_projector;
CREATE SCHEMA read AUTHORIZATION envoi_projector;
GRANT USAGE ON SCHEMA projection, read TO envoi_reader;

-- incarnation, position and hash name the last event folded: a log that does not have it there is another log.
CREATE TABLE projection.checkpoints (
  name        text        PRIMARY KEY,
  generation  integer     NOT NULL,
  fingerprint bytea       NOT NULL,
  incarnation uuid        NOT NULL,
  position    bigint,
  hash        bytea,
  state       text        NOT NULL DEFAULT 'following',
  error       text,
  moved_at    timestamptz NOT NULL DEFAULT now(),
  CHECK ((position IS NULL) = (hash IS NULL))
) WITH (fillfactor = 50);

-- Events that wait: the first of each stream could not be folded, for `reason`; the others queue behind it.
CREATE TABLE projection.parked_events (
  projection text        NOT NULL,
  position   bigint      NOT NULL,
  stream     text        NOT NULL,
  revision   bigint      NOT NULL,
  event_type text        NOT NULL,
  reason     text,
  parked_at  timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (projection, position)
);
CREATE INDEX ON projection.parked_events (projection, stream, position);

ALTER TABLE projection.checkpoints OWNER TO envoi_projector;
-- Queries that have to show something look whether they do.
GRANT SELECT (name, position) ON projection.checkpoints TO envoi_reader;
ALTER TABLE projection.parked_events OWNER TO envoi_projector;
-- And whether what they look at stands still.
GRANT SELECT (projection, stream) ON projection.parked_events TO envoi_reader;

-- Whether the viewer may know of another account: both are members of one organization, or the viewer is a member of a
-- conversation that the other is or was a member of, by terms in organization and workspace that go on. Runs with the
-- projector's rights, because the viewer may see neither membership by itself.
CREATE FUNCTION projection.acquainted(other uuid) RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  viewer uuid := nullif(current_setting('envoi.account', true), '')::uuid;
BEGIN
  RETURN EXISTS (
    SELECT FROM read.organization_memberships AS mine
    JOIN read.organization_memberships AS theirs USING (organization_id)
    WHERE mine.account_id = viewer AND mine.removed_at IS NULL
      AND theirs.account_id = other AND theirs.removed_at IS NULL
  ) OR EXISTS (
    SELECT FROM read.conversation_members AS mine
    JOIN read.conversation_members AS theirs USING (conversation_id)
    JOIN read.organization_memberships AS o
      ON o.organization_id = mine.organization_id AND o.account_id = viewer
      AND o.removed_at IS NULL AND o.term = mine.organization_term
    WHERE mine.account_id = viewer AND mine.left_at IS NULL AND theirs.account_id = other
      AND (mine.workspace_id IS NULL OR EXISTS (
        SELECT FROM read.workspace_memberships AS w
        WHERE w.workspace_id = mine.workspace_id AND w.account_id = viewer
          AND w.removed_at IS NULL AND w.term = mine.workspace_term
      ))
  );
END
$$;
ALTER FUNCTION projection.acquainted OWNER TO envoi_projector;
REVOKE ALL ON FUNCTION projection.acquainted FROM PUBLIC;
GRANT EXECUTE ON FUNCTION projection.acquainted TO envoi_reader;
