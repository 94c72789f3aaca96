-- Leases: who does what one process at a time may do (lead a projection, lead a reaction, rebuild). A holder renews its lease
-- every 2 s; one that was not renewed for 6 s by this database's clock, or whose connection is gone, is anybody's. Each taker
-- raises the epoch, and whatever a holder writes is written in a transaction that asks lease.hold for the epoch it has: a
-- holder that was suspended and wakes writes nothing.
--
-- Nobody touches the table but through these functions, which run with their owner's rights.

CREATE SCHEMA lease;

CREATE TABLE lease.leases (
  name       text        PRIMARY KEY,
  epoch      bigint      NOT NULL,
  -- Host and process, for people.
  holder     text        NOT NULL,
  -- The backend that the holder writes through; NULL when the lease was given back.
  pid        integer,
  started_at timestamptz NOT NULL,
  renewed_at timestamptz NOT NULL
) WITH (fillfactor = 50);

-- Whether a lease is somebody's. A clock that was set back must not keep a dead holder's lease for hours, so that a renewal
-- in the future counts no more than one in the past. Of backends of other logins the start may be hidden: they count as the
-- holder's for as long as there is one of that number.
CREATE FUNCTION lease.is_held(pid integer, started_at timestamptz, renewed_at timestamptz) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN pid IS NOT NULL
    AND clock_timestamp() BETWEEN renewed_at - interval '6 s' AND renewed_at + interval '6 s'
    AND EXISTS (
      SELECT FROM pg_stat_get_activity(is_held.pid) AS backend
      WHERE backend.backend_start IS NULL OR backend.backend_start = is_held.started_at
    );
END
$$;

-- Ends a holder's backend, and with it what it has under way. Numbers of backends are given out again, so the start has to
-- be the same. Where the owner may not end it, its transaction ends by its own timeouts.
CREATE FUNCTION lease.end_backend(holder_pid integer, holder_started_at timestamptz) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  -- Asked for no number, it would tell of all.
  IF holder_pid IS NULL THEN
    RETURN;
  END IF;
  PERFORM pg_terminate_backend(backend.pid) FROM pg_stat_get_activity(holder_pid) AS backend
    WHERE backend.backend_start = holder_started_at AND backend.pid <> pg_backend_pid();
EXCEPTION WHEN insufficient_privilege THEN
  RAISE WARNING 'the backend of a dead lease cannot be ended: %', SQLERRM;
END
$$;

-- Takes a lease for the backend that asks, unless it is somebody's. Answers the epoch and the new holder, or no epoch and
-- who has it.
--
-- lease.hold has the lock of the name shared until its transaction ends: with the lock had here alone, no transaction of an
-- earlier holder is under way, and none passes before the new epoch can be seen.
CREATE FUNCTION lease.take(wanted text, who text) RETURNS TABLE (o_epoch bigint, o_holder text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '1s' AS $$
DECLARE
  last lease.leases;
BEGIN
  SELECT * INTO last FROM lease.leases AS l WHERE l.name = wanted;
  IF lease.is_held(last.pid, last.started_at, last.renewed_at) THEN
    RETURN QUERY SELECT NULL::bigint, last.holder;
    RETURN;
  END IF;
  PERFORM lease.end_backend(last.pid, last.started_at);
  PERFORM pg_advisory_xact_lock(1701737071, hashtext(wanted));
  -- Somebody else may have been faster, or the holder may have renewed at the last moment.
  SELECT * INTO last FROM lease.leases AS l WHERE l.name = wanted FOR UPDATE;
  IF lease.is_held(last.pid, last.started_at, last.renewed_at) THEN
    RETURN QUERY SELECT NULL::bigint, last.holder;
    RETURN;
  END IF;
  -- An epoch that a crash takes back would be given out twice.
  PERFORM set_config('synchronous_commit', 'on', true);
  RETURN QUERY
    INSERT INTO lease.leases AS l (name, epoch, holder, pid, started_at, renewed_at)
      SELECT wanted, 1, who, backend.pid, backend.backend_start, clock_timestamp()
        FROM pg_stat_get_activity(pg_backend_pid()) AS backend
      ON CONFLICT (name) DO UPDATE SET epoch = l.epoch + 1, holder = excluded.holder, pid = excluded.pid,
        started_at = excluded.started_at, renewed_at = excluded.renewed_at
      RETURNING l.epoch, l.holder;
END
$$;

-- True for the epoch that counts; any other is refused, and the transaction with it. In read committed only: there, each
-- statement in here sees what was committed before the lock was had.
CREATE FUNCTION lease.hold(wanted text, mine bigint) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  actual bigint;
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'lease.hold works in read committed only' USING ERRCODE = 'invalid_transaction_state';
  END IF;
  PERFORM pg_advisory_xact_lock_shared(1701737071, hashtext(wanted));
  SELECT l.epoch INTO actual FROM lease.leases AS l WHERE l.name = wanted;
  IF actual IS DISTINCT FROM mine THEN
    RAISE EXCEPTION 'the lease % is at epoch %, not %', wanted, actual, mine USING ERRCODE = 'EV001';
  END IF;
  RETURN true;
END
$$;

-- Renews those of the given leases that are still held at their epochs through living backends; answers these.
CREATE FUNCTION lease.renew(names text[], epochs bigint[]) RETURNS TABLE (o_name text, o_epoch bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN QUERY
    UPDATE lease.leases AS l SET renewed_at = clock_timestamp()
      FROM unnest(names, epochs) AS held(name, epoch)
      WHERE l.name = held.name AND l.epoch = held.epoch AND lease.is_held(l.pid, l.started_at, clock_timestamp())
      RETURNING l.name, l.epoch;
END
$$;

-- Gives a lease back, so that the next one need not wait.
CREATE FUNCTION lease.give_back(held text, mine bigint) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  UPDATE lease.leases AS l SET pid = NULL WHERE l.name = held AND l.epoch = mine;
END;

-- The leases that are somebody's.
CREATE FUNCTION lease.holders() RETURNS TABLE (o_name text, o_holder text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN QUERY
    SELECT l.name, l.holder FROM lease.leases AS l WHERE lease.is_held(l.pid, l.started_at, l.renewed_at);
END
$$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA lease FROM PUBLIC;
GRANT USAGE ON SCHEMA lease TO envoi_app, envoi_projector;
GRANT EXECUTE ON FUNCTION lease.take, lease.hold, lease.renew, lease.give_back, lease.holders
  TO envoi_app, envoi_projector;
