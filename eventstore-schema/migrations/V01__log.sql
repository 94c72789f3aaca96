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

-- Where each stream ends, and bounds of the positions that it lies between, so that reading it visits those partitions
-- only.
CREATE TABLE log.streams (
  id           uuid     NOT NULL,
  category     smallint NOT NULL,
  revision     bigint   NOT NULL,
  position_min bigint   NOT NULL,
  position_max bigint   NOT NULL,
  PRIMARY KEY (id, category)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

-- What every command did, for ever: its events end at `position` and are `count` many. The fingerprint tells a repetition from
-- something else under the same id, to those only who have the keys of what was asked (sealed-format.md).
--
-- Ids come from hashes, so an index over all of them is written to everywhere; in parts, each is as much smaller, and can be
-- looked after (vacuum, reindex, another disk) by itself. More parts cost every batch the opening of each.
CREATE TABLE log.commands (
  id          uuid    NOT NULL PRIMARY KEY,
  fingerprint bytea   NOT NULL,
  position    bigint  NOT NULL,
  count       integer NOT NULL
) PARTITION BY HASH (id);
ALTER TABLE log.commands ALTER COLUMN fingerprint SET STORAGE PLAIN;

-- States of aggregates, discardable.
CREATE TABLE log.snapshots (
  id            uuid     NOT NULL,
  category      smallint NOT NULL,
  revision      bigint   NOT NULL,
  record_hash   bytea    NOT NULL, -- of the event at that revision
  state_version integer  NOT NULL,
  state         bytea    NOT NULL,
  PRIMARY KEY (id, category, state_version)
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

DO $$
BEGIN
  FOR part IN 0..7 LOOP
    EXECUTE format('CREATE TABLE log.commands_%s PARTITION OF log.commands FOR VALUES WITH (MODULUS 8, REMAINDER %s)',
      part, part);
    EXECUTE format('CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON log.commands_%s '
      'FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change()', part);
  END LOOP;
END
$$;

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

-- What an append sends, in the order in which the PostgreSQL engine encodes it (`batch.rs`). A group is one command's
-- events for one stream.
CREATE TYPE log.new_group AS (
  category    smallint,
  stream      uuid,
  first       bigint,   -- revision that its first event must get
  prior       bigint,   -- events of the same stream earlier in the batch
  previous    integer,  -- the group before of the same stream, which is the same caller's; 0 for none
  is_last     boolean,  -- no later group of the batch has the same stream
  count       integer,  -- its events
  ending      bigint,   -- events of the batch up to and with this group
  command     uuid,
  fingerprint bytea
);
CREATE TYPE log.new_event AS (
  grp          integer, -- the group, from 1
  revision     bigint,
  recorded_at  timestamptz,
  stream       uuid,
  id           uuid,
  command      uuid,
  correlation  uuid,
  causation    uuid,
  organization uuid,
  actor        uuid,
  device       uuid,
  category     smallint,
  actor_kind   smallint,
  version      smallint,
  event_type   text,
  hash         bytea,
  key_ref      bytea,
  payload      bytea,
  sealed       bytea
);

-- Where a stream has to end that a group was decided by: -1 for one without events.
CREATE TYPE log.condition AS (
  category smallint,
  stream   uuid,
  revision bigint
);

-- Appends a batch: any number of groups, in order, each by itself. `events` holds the events of all groups in their order.
-- `known` is a position that the caller has seen, 0 for none: it saves looking for the end of the log. `ceiling` is the
-- first position that the caller knows no partition for.
--
-- Answers one row with n = 0 and the position before the batch, and one for each group that was not written: a recorded
-- command with what it did then, a conflict with the stream's revision (-1 for none), or, with neither (o_recorded is null),
-- a group that was decided as if an earlier one of its stream had happened, which did not. A recorded command that stands
-- just where its group would have put it happened. Written groups stand behind each other from that position on, in order.
--
-- With conditions of which one does not hold nothing is written: the answer is a row with n = -1 for each of those, with its
-- stream and where that ends, and no row with n = 0.
--
-- One writer at a time holds the lock, until its commit is visible: so positions are contiguous and appear in order. It is
-- an advisory lock and not a row with the last position, because that row would be rewritten with every batch and one long
-- transaction anywhere in the database would keep all its dead versions in the way. Every statement below sees what was
-- committed before the lock was had, which holds in read committed only.
CREATE FUNCTION log.append(known bigint, ceiling bigint, groups log.new_group[], events log.new_event[],
  conditions log.condition[] DEFAULT '{}')
RETURNS TABLE (
  o_n integer, o_position bigint, o_recorded boolean, o_revision bigint, o_fingerprint bytea, o_category smallint,
  o_stream uuid, o_count integer
) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
  base     bigint;
  at       bigint;
  rejected bigint := 0;
  g        record;
  actual   bigint[];
  recorded boolean[];
  now_at   bigint[];
  shift    bigint[];
  founded  boolean[]; -- what follows in the stream may build on the group
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'log.append works in read committed only' USING ERRCODE = 'invalid_transaction_state';
  END IF;
  PERFORM pg_advisory_xact_lock(7163384699741798250);

  -- Asked by itself first: most batches have none, and a query costs what some appends do.
  IF cardinality(conditions) > 0 THEN
    IF EXISTS (
      SELECT FROM unnest(conditions) c LEFT JOIN log.streams s ON s.id = c.stream AND s.category = c.category
      WHERE coalesce(s.revision, -1) <> c.revision
    ) THEN
      RETURN QUERY
        SELECT -1, NULL::bigint, NULL::boolean, s.revision, NULL::bytea, c.category, c.stream, NULL::integer
          FROM unnest(conditions) c LEFT JOIN log.streams s ON s.id = c.stream AND s.category = c.category
          WHERE coalesce(s.revision, -1) <> c.revision;
      RETURN;
    END IF;
  END IF;

  SELECT max(e.position) INTO base FROM log.events e WHERE e.position >= known;
  IF base IS NULL THEN
    SELECT coalesce(max(e.position), 0) INTO base FROM log.events e;
  END IF;
  IF base + cardinality(events) >= ceiling THEN
    PERFORM log.make_room(base + cardinality(events));
  END IF;

  -- The arrays stay NULL, and every group is written, unless some group has a recorded command or a wrong expectation.
  IF EXISTS (
    SELECT FROM unnest(groups) n
    LEFT JOIN log.streams s ON s.id = n.stream AND s.category = n.category
    LEFT JOIN log.commands c ON c.id = n.command
    WHERE c.id IS NOT NULL OR coalesce(s.revision, -1) + 1 + n.prior <> n.first
  ) THEN
    FOR g IN
      SELECT n.n, n.first, n.previous, n.count, coalesce(s.revision, -1) AS actual, c.id IS NOT NULL AS recorded,
          c.fingerprint = n.fingerprint AND c.count = n.count AND e.stream_id = n.stream AND e.category = n.category
            AND e.revision = n.first + n.count - 1 AS stands
        FROM unnest(groups) WITH ORDINALITY n(category, stream, first, prior, previous, is_last, count, ending, command,
          fingerprint, n)
        LEFT JOIN log.streams s ON s.id = n.stream AND s.category = n.category
        LEFT JOIN log.commands c ON c.id = n.command
        LEFT JOIN log.events e ON e.position = c.position
        ORDER BY n.n
    LOOP
      actual[g.n] := g.actual;
      recorded[g.n] := g.recorded;
      at := CASE WHEN g.previous = 0 THEN g.actual ELSE now_at[g.previous] END;
      IF g.previous > 0 AND NOT founded[g.previous] THEN
        recorded[g.n] := NULL;
        founded[g.n] := false;
      ELSE
        founded[g.n] := CASE WHEN g.recorded THEN g.stands ELSE at + 1 = g.first END;
      END IF;
      IF g.recorded OR NOT founded[g.n] THEN
        now_at[g.n] := at;
        shift[g.n] := NULL;
        rejected := rejected + g.count;
      ELSE
        now_at[g.n] := at + g.count;
        shift[g.n] := rejected;
      END IF;
    END LOOP;
    RETURN QUERY
      SELECT n.n::integer, c.position, recorded[n.n],
          CASE WHEN recorded[n.n] THEN e.revision ELSE now_at[n.n] END, c.fingerprint, e.category, e.stream_id, c.count
        FROM unnest(groups) WITH ORDINALITY n(category, stream, first, prior, previous, is_last, count, ending, command,
          fingerprint, n)
        LEFT JOIN log.commands c ON c.id = n.command
        LEFT JOIN log.events e ON e.position = c.position
        WHERE shift[n.n] IS NULL;
  END IF;

  INSERT INTO log.events (position, revision, recorded_at, stream_id, event_id, command_id, correlation_id, causation_id,
      organization_id, actor_id, device_id, category, actor_kind, version, event_type, hash, key_ref, payload, sealed)
    SELECT base + e.n - coalesce(shift[e.grp], 0), e.revision, e.recorded_at, e.stream, e.id, e.command, e.correlation,
        e.causation, e.organization, e.actor, e.device, e.category, e.actor_kind, e.version, e.event_type, e.hash,
        e.key_ref, e.payload, e.sealed
      FROM unnest(events) WITH ORDINALITY e(grp, revision, recorded_at, stream, id, command, correlation, causation,
          organization, actor, device, category, actor_kind, version, event_type, hash, key_ref, payload, sealed, n)
      WHERE shift IS NULL OR shift[e.grp] IS NOT NULL;

  INSERT INTO log.commands (id, fingerprint, position, count)
    SELECT n.command, n.fingerprint, base + n.ending - coalesce(shift[n.n], 0), n.count
      FROM unnest(groups) WITH ORDINALITY n(category, stream, first, prior, previous, is_last, count, ending, command,
          fingerprint, n)
      WHERE shift IS NULL OR shift[n.n] IS NOT NULL;

  UPDATE log.streams s SET revision = coalesce(now_at[n.n], n.first + n.count - 1), position_max = base + n.ending
    FROM unnest(groups) WITH ORDINALITY n(category, stream, first, prior, previous, is_last, count, ending, command,
          fingerprint, n)
    WHERE n.is_last AND (shift IS NOT NULL OR n.first > n.prior)
      AND s.id = n.stream AND s.category = n.category AND s.revision < coalesce(now_at[n.n], n.first + n.count - 1);

  INSERT INTO log.streams (id, category, revision, position_min, position_max)
    SELECT n.stream, n.category, coalesce(now_at[n.n], n.first + n.count - 1), base + 1, base + n.ending
      FROM unnest(groups) WITH ORDINALITY n(category, stream, first, prior, previous, is_last, count, ending, command,
          fingerprint, n)
      WHERE n.is_last
        AND CASE WHEN shift IS NULL THEN n.first = n.prior ELSE actual[n.n] = -1 AND now_at[n.n] >= 0 END;

  o_n := 0;
  o_position := base;
  RETURN NEXT;
END
$$;

-- Keeps others from appending until the transaction ends, which has to be soon.
CREATE FUNCTION log.lock_appends() RETURNS void LANGUAGE sql
SET search_path = pg_catalog, pg_temp AS 'SELECT pg_advisory_xact_lock(7163384699741798250)';

REVOKE ALL ON FUNCTION log.append, log.lock_appends FROM PUBLIC;

GRANT USAGE ON SCHEMA log TO envoi_app;
GRANT SELECT ON log.identity, log.events, log.streams, log.commands TO envoi_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON log.snapshots TO envoi_app;
GRANT EXECUTE ON FUNCTION log.make_room, log.append, log.lock_appends TO envoi_app;
