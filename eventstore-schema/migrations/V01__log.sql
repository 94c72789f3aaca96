-- The log: events in one global order, and what makes appending to it safe (streams, commands) and cheap (snapshots).
--
-- Nobody but the owner writes here. envoi_app appends through log.append alone, which runs with the owner's rights; it has
-- no right to insert, change or delete an event by any other way.

CREATE SCHEMA log;

-- Which log this is. One row. A log that was recreated has another incarnation.
CREATE TABLE log.identity (
  one              boolean     PRIMARY KEY DEFAULT true CHECK (one),
  incarnation      uuid        NOT NULL DEFAULT gen_random_uuid(),
  created_at       timestamptz NOT NULL DEFAULT now(),
  -- Events in one partition. Large enough that a billion events make a hundred partitions, small enough that the indexes
  -- that are written to stay in memory.
  partition_events bigint      NOT NULL DEFAULT 10000000 CHECK (partition_events > 0)
);
INSERT INTO log.identity DEFAULT VALUES;

-- Fixed-width columns first, so that little is lost to padding. category: see `CATEGORY_CODES` in the PostgreSQL engine.
CREATE TABLE log.events (
  position        bigint      NOT NULL,
  revision        bigint      NOT NULL,
  recorded_at     timestamptz NOT NULL,
  stream_id       uuid        NOT NULL,
  event_id        uuid        NOT NULL,
  command_id      uuid        NOT NULL,
  correlation_id  uuid        NOT NULL,
  causation_id    uuid,
  organization_id uuid,
  actor_id        uuid        NOT NULL,
  device_id       uuid,
  category        smallint    NOT NULL,
  actor_kind      smallint    NOT NULL,
  version         smallint    NOT NULL,
  event_type      text        NOT NULL,
  hash            bytea       NOT NULL,
  key_ref         bytea,
  payload         bytea       NOT NULL,
  sealed          bytea,
  PRIMARY KEY (position)
) PARTITION BY RANGE (position);

-- Ciphertext does not shrink: do not try.
ALTER TABLE log.events ALTER COLUMN hash SET STORAGE PLAIN;
ALTER TABLE log.events ALTER COLUMN payload SET STORAGE EXTERNAL;
ALTER TABLE log.events ALTER COLUMN sealed SET STORAGE EXTERNAL;

-- Where each stream ends, and between which positions it lies, so that reading it visits those partitions only.
CREATE TABLE log.streams (
  id             uuid     NOT NULL,
  category       smallint NOT NULL,
  revision       bigint   NOT NULL,
  first_position bigint   NOT NULL,
  last_position  bigint   NOT NULL,
  PRIMARY KEY (id, category)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

-- What every command did, for ever: its events end at `position` and are `count` many.
CREATE TABLE log.commands (
  id          uuid    NOT NULL PRIMARY KEY,
  fingerprint bytea   NOT NULL,
  position    bigint  NOT NULL,
  count       integer NOT NULL
);
ALTER TABLE log.commands ALTER COLUMN fingerprint SET STORAGE PLAIN;

-- States of aggregates, discardable.
CREATE TABLE log.snapshots (
  id            uuid     NOT NULL,
  category      smallint NOT NULL,
  revision      bigint   NOT NULL,
  state_version integer  NOT NULL,
  state         bytea    NOT NULL,
  PRIMARY KEY (id, category)
);

CREATE FUNCTION log.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'what is recorded is never changed: % on %.% is refused', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
    USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON log.events
  FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON log.commands
  FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();

-- Makes partitions until `wanted` and everything below has room; answers the first position without. Partitions are made
-- apart and attached, which blocks neither readers nor writers of the others.
CREATE FUNCTION log.make_room(wanted bigint) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  size    bigint;
  ceiling bigint;
  name    text;
BEGIN
  PERFORM pg_advisory_xact_lock(7163384699741798249);
  SELECT partition_events INTO STRICT size FROM log.identity;
  SELECT coalesce(max(split_part(split_part(pg_get_expr(c.relpartbound, c.oid), 'TO (''', 2), '''', 1)::bigint), 0)
    INTO STRICT ceiling
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'log.events'::regclass;
  WHILE ceiling <= wanted LOOP
    name := format('events_from_%s', ceiling);
    EXECUTE format('CREATE TABLE log.%I (LIKE log.events INCLUDING STORAGE INCLUDING CONSTRAINTS)', name);
    EXECUTE format('ALTER TABLE log.%I ADD PRIMARY KEY (position)', name);
    EXECUTE format('CREATE UNIQUE INDEX ON log.%I (stream_id, category, revision)', name);
    EXECUTE format('CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON log.%I '
      'FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change()', name);
    EXECUTE format('ALTER TABLE log.events ATTACH PARTITION log.%I FOR VALUES FROM (%L) TO (%L)',
      name, ceiling, ceiling + size);
    ceiling := ceiling + size;
  END LOOP;
  RETURN ceiling;
END
$$;
REVOKE ALL ON FUNCTION log.make_room FROM PUBLIC;
SELECT log.make_room(1);

GRANT USAGE ON SCHEMA log TO envoi_app;
GRANT SELECT ON log.identity, log.events, log.streams, log.commands TO envoi_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON log.snapshots TO envoi_app;
GRANT EXECUTE ON FUNCTION log.make_room TO envoi_app;
