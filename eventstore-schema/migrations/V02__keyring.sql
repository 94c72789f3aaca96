-- The keyring: every key at rest, wrapped. A key lies wrapped under the key of its shard, shard keys under a root key
-- that is never in this database, so that destroying the root key kills every copy of these rows, backups included.
-- States are 1 active, 2 decrypt_only, 3 compromised, 4 destroyed. Nobody may delete here: a destruction is a row in
-- state 4 with what ordered it, and a row that is just not there is an error to its readers, never an erasure.

CREATE SCHEMA keyring;

CREATE TABLE keyring.roots (
    version bigint PRIMARY KEY CHECK (version BETWEEN 1 AND 4294967295),
    -- Tells root keys apart without telling anything of them.
    root_id bytea NOT NULL UNIQUE CHECK (octet_length(root_id) = 16),
    state smallint NOT NULL CHECK (state BETWEEN 1 AND 4),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX roots_one_active ON keyring.roots (state) WHERE state = 1;

CREATE TABLE keyring.shards (
    shard smallint NOT NULL CHECK (shard BETWEEN 0 AND 255),
    version bigint NOT NULL CHECK (version BETWEEN 1 AND 4294967295),
    root_version bigint NOT NULL REFERENCES keyring.roots,
    state smallint NOT NULL CHECK (state BETWEEN 1 AND 4),
    wrapped bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (shard, version),
    CHECK ((state = 4) = (wrapped IS NULL))
);
CREATE UNIQUE INDEX shards_one_active ON keyring.shards (shard) WHERE state = 1;

CREATE TABLE keyring.keys (
    -- 1 tenant, 2 subject, 3 period, 4 secret.
    kind smallint NOT NULL CHECK (kind BETWEEN 1 AND 4),
    id bytea NOT NULL CHECK (octet_length(id) <= 64),
    version integer NOT NULL CHECK (version BETWEEN 1 AND 65535),
    state smallint NOT NULL CHECK (state BETWEEN 1 AND 4),
    shard smallint NOT NULL CHECK (shard BETWEEN 0 AND 255),
    shard_version bigint,
    wrapped bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- Position of the event that ordered the destruction, and its time in microseconds since the Unix epoch.
    destroyed_position bigint,
    destroyed_at bigint,
    PRIMARY KEY (kind, id, version),
    FOREIGN KEY (shard, shard_version) REFERENCES keyring.shards (shard, version),
    CHECK ((state = 4) = (wrapped IS NULL)),
    CHECK ((state = 4) = (shard_version IS NULL)),
    CHECK ((state = 4) = (destroyed_position IS NOT NULL)),
    CHECK ((state = 4) = (destroyed_at IS NOT NULL))
);
CREATE UNIQUE INDEX keys_one_active ON keyring.keys (kind, id) WHERE state = 1;
-- Rotating a shard key reads all keys under it.
CREATE INDEX keys_by_shard ON keyring.keys (shard, shard_version) WHERE state <> 4;

-- The write side seals, opens and destroys. The roles that build and read the read models never see a key.
GRANT USAGE ON SCHEMA keyring TO envoi_app;
GRANT SELECT, INSERT, UPDATE ON keyring.roots, keyring.shards, keyring.keys TO envoi_app;
