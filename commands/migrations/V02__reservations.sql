-- What must be unique across streams (an e-mail address) is reserved here under a keyed hash, never in clear. A row is pending
-- from before the event is appended until the append is known to have succeeded; both are recoverable from the log.
CREATE TABLE write.reservations (
    kind smallint NOT NULL,
    blind_index bytea NOT NULL CHECK (octet_length(blind_index) = 32),
    owner uuid NOT NULL,
    command_id uuid NOT NULL,
    confirmed boolean NOT NULL,
    -- Microseconds since the Unix epoch; a pending row may be taken over after it, once its owner is known not to exist.
    expires_at bigint NOT NULL,
    PRIMARY KEY (kind, blind_index)
);
CREATE INDEX reservations_by_owner ON write.reservations (owner);

-- Failed logins in a row, by account or, for addresses that nobody has, by their keyed hash.
CREATE TABLE write.login_attempts (
    subject bytea PRIMARY KEY CHECK (octet_length(subject) = 32),
    failures integer NOT NULL CHECK (failures > 0),
    last_failure_at bigint NOT NULL,
    locked_until bigint NOT NULL
);

GRANT SELECT, INSERT, UPDATE, DELETE ON write.reservations, write.login_attempts TO envoi_app;
