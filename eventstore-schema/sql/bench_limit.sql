-- $2 events behind position $1, spread over $3 streams, with the rows of streams and commands that belong to them.
WITH made AS MATERIALIZED (
  SELECT $1::bigint + n AS position, ($1::bigint + n) / $3::bigint AS revision, gen_random_uuid() AS event_id,
    gen_random_uuid() AS command_id, lpad(to_hex(($1::bigint + n) % $3::bigint), 32, '0')::uuid AS stream_id
  FROM generate_series(1, $2::bigint) n
), events AS (
  INSERT INTO log.events (position, revision, recorded_at, stream_id, event_id, command_id, correlation_id,
      organization_id, actor_id, device_id, category, actor_kind, version, event_type, hash, key_ref, payload, sealed)
    SELECT position, revision, now(), stream_id, event_id, command_id, command_id, stream_id, stream_id, stream_id, 2, 1,
        1, 'conversation.message_sent', substring($5::bytea FOR 32), substring($5::bytea FOR 33), $4::bytea, $5::bytea
      FROM made
), commands AS (
  INSERT INTO log.commands (id, fingerprint, position, count)
    SELECT command_id, substring($5::bytea FOR 32), position, 1 FROM made
)
INSERT INTO log.streams AS s (id, category, revision, position_min, position_max)
  SELECT stream_id, 2, max(revision), min(position), max(position) FROM made GROUP BY stream_id
ON CONFLICT (id, category) DO UPDATE SET revision = excluded.revision, position_max = excluded.position_max;
