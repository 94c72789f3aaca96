-- The write side's own tables: how far each reaction has come, and what reactions look up by another key than a stream's id.
-- All of it can be made again from the log.
CREATE SCHEMA write;
GRANT USAGE ON SCHEMA write TO envoi_app;

-- How far a reaction has come. It never goes back.
CREATE TABLE write.reaction_checkpoints (
    reaction text PRIMARY KEY,
    position bigint NOT NULL,
    updated_at bigint NOT NULL
);

-- Events that a reaction set aside, so that the others go on: those that it could not answer, and those behind them of the
-- same ordering key, whose order is kept. The first of a key is tried again at `retry_at`; the others wait for it.
CREATE TABLE write.reaction_parked (
    reaction text NOT NULL,
    position bigint NOT NULL,
    event_id uuid NOT NULL,
    event_type text NOT NULL,
    -- Name of the event's stream, and its place there.
    stream text NOT NULL,
    revision bigint NOT NULL,
    -- Name of the stream of the account that the event is about, or else of its own.
    ordering_key text NOT NULL,
    -- Why it could not be answered; none for one that only waits.
    reason text,
    -- How often it was tried.
    attempts integer NOT NULL,
    -- When it was set aside, in microseconds since the Unix epoch.
    parked_at bigint NOT NULL,
    -- When it is tried again, likewise; none for one that waits for another.
    retry_at bigint,
    -- How long it rests between two tries, in seconds.
    rest_seconds integer NOT NULL,
    PRIMARY KEY (reaction, position)
);
CREATE UNIQUE INDEX reaction_parked_by_event ON write.reaction_parked (reaction, event_id);
CREATE INDEX reaction_parked_by_key ON write.reaction_parked (reaction, ordering_key, position);
CREATE INDEX reaction_parked_due ON write.reaction_parked (reaction, retry_at) WHERE retry_at IS NOT NULL;

-- The conversations that an account is a member of, and since which position of the log.
CREATE TABLE write.conversation_members_by_account (
    account_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    organization_id uuid NOT NULL,
    -- None for a conversation that lies in no workspace.
    workspace_id uuid,
    position bigint NOT NULL,
    PRIMARY KEY (account_id, conversation_id)
);
CREATE INDEX conversation_members_by_conversation ON write.conversation_members_by_account (conversation_id);

-- The workspaces that an account is a member of, and since which position of the log.
CREATE TABLE write.workspace_members_by_account (
    account_id uuid NOT NULL,
    workspace_id uuid NOT NULL,
    organization_id uuid NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (account_id, workspace_id)
);

-- The sessions of an account that have not ended.
CREATE TABLE write.sessions_by_account (
    account_id uuid NOT NULL,
    session_id uuid NOT NULL,
    device_id uuid,
    PRIMARY KEY (account_id, session_id)
);
CREATE INDEX sessions_by_session ON write.sessions_by_account (session_id);

GRANT SELECT, INSERT, UPDATE, DELETE ON
    write.reaction_checkpoints,
    write.reaction_parked,
    write.conversation_members_by_account,
    write.workspace_members_by_account,
    write.sessions_by_account
TO envoi_app;
