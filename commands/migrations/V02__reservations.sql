-- What must be unique across streams (an e-mail address) is reserved here under a keyed hash, never in clear: for the one
-- account that may be registered with it, whether that exists yet or not. Rows of accounts that do are recoverable from the log.
CREATE TABLE write.reservations (
    kind smallint NOT NULL,
    blind_index bytea NOT NULL CHECK (octet_length(blind_index) = 32),
    owner uuid NOT NULL,
    PRIMARY KEY (kind, blind_index)
);
CREATE INDEX reservations_by_owner ON write.reservations (owner);

-- Failed logins, by what they are counted under (an address from one network, a network, an address from everywhere, a device, a
-- session): a keyed hash, for addresses that nobody has, too. Times are microseconds since the Unix epoch.
CREATE TABLE write.login_attempts (
    subject bytea PRIMARY KEY CHECK (octet_length(subject) = 32),
    failures integer NOT NULL CHECK (failures >= 0),
    last_failure_at bigint NOT NULL,
    paused_until bigint NOT NULL,
    -- Those being verified, and until when they count as long as none of them is known to have failed.
    pending integer NOT NULL CHECK (pending >= 0),
    pending_until bigint NOT NULL
);

GRANT SELECT, INSERT, UPDATE, DELETE ON write.reservations, write.login_attempts TO envoi_app;
