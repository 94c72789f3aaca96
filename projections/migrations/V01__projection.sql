-- The read side's own book-keeping: how far each projection is and what it could not fold. The read models themselves lie in
-- schemas rm_<name>_<generation>, which the projector makes and drops; queries go through the views in schemas
-- read_<name>_<fingerprint>. Two releases that make different tables of the same events are two fingerprints beside one another.

CREATE SCHEMA projection AUTHORIZATION envoi_projector;
GRANT USAGE ON SCHEMA projection TO envoi_reader;

-- incarnation, position and hash name the last event folded: a log that does not have it there is another log.
CREATE TABLE projection.checkpoints (
  name        text        NOT NULL,
  fingerprint bytea       NOT NULL,
  generation  integer     NOT NULL,
  incarnation uuid        NOT NULL,
  position    bigint,
  hash        bytea,
  state       text        NOT NULL DEFAULT 'following',
  error       text,
  moved_at    timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (name, fingerprint),
  CHECK ((position IS NULL) = (hash IS NULL))
) WITH (fillfactor = 50);

-- When a process of their release was last there. Read models that nobody uses any more are dropped.
CREATE TABLE projection.uses (
  name        text        NOT NULL,
  fingerprint bytea       NOT NULL,
  used_at     timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (name, fingerprint)
) WITH (fillfactor = 50);

-- Events that wait: the first of each stream could not be folded, for `reason`; the others queue behind it. attempts says how
-- often folding one was tried: it tells a failure that was looked into from one that nobody has met yet. Events that queue
-- behind another have not been tried.
CREATE TABLE projection.parked_events (
  projection      text        NOT NULL,
  fingerprint     bytea       NOT NULL,
  position        bigint      NOT NULL,
  organization_id uuid,
  stream          text        NOT NULL,
  revision        bigint      NOT NULL,
  event_type      text        NOT NULL,
  reason          text,
  attempts        bigint      NOT NULL DEFAULT 0,
  parked_at       timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (projection, fingerprint, position)
);
CREATE INDEX ON projection.parked_events (projection, fingerprint, stream, position);

ALTER TABLE projection.checkpoints OWNER TO envoi_projector;
ALTER TABLE projection.uses OWNER TO envoi_projector;
ALTER TABLE projection.parked_events OWNER TO envoi_projector;
-- Queries that have to show something look whether they do, and whether what they look at stands still.
GRANT SELECT (name, fingerprint, position) ON projection.checkpoints TO envoi_reader;
GRANT SELECT (projection, fingerprint, organization_id, stream, position) ON projection.parked_events TO envoi_reader;
