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

-- Events that a reaction could not answer, set aside so that the others go on; tried again now and then.
CREATE TABLE write.reaction_parked (
    reaction text NOT NULL,
    position bigint NOT NULL,
    -- Name of the event's stream, and its place there.
    stream text NOT NULL,
    revision bigint NOT NULL,
    reason text NOT NULL,
    attempts integer NOT NULL,
    -- Microseconds since the Unix epoch.
    retry_at bigint NOT NULL,
    PRIMARY KEY (reaction, position)
);

-- The conversations that an account is a member of, and since which position of the log.
CREATE TABLE write.conversation_members_by_account (
    account_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    organization_id uuid NOT NULL,
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
