-- Whether the viewer may know of another account: both are members of one organization, or the viewer is a member of a
-- conversation that the other is or was a member of, by terms in organization and workspace that go on. Runs with the
-- projector's rights, because the viewer may see neither membership by itself.
DECLARE
  viewer uuid := nullif(current_setting('envoi.account', true), '')::uuid;
BEGIN
  RETURN EXISTS (
    SELECT FROM read.organization_memberships AS mine
    JOIN read.organization_memberships AS theirs USING (organization_id)
    WHERE mine.account_id = viewer AND mine.removed_at IS NULL
      AND theirs.account_id = other AND theirs.removed_at IS NULL
  ) OR EXISTS (
    SELECT FROM read.conversation_members AS mine
    JOIN read.conversation_members AS theirs USING (conversation_id)
    JOIN read.organization_memberships AS o
      ON o.organization_id = mine.organization_id AND o.account_id = viewer
      AND o.removed_at IS NULL AND o.term = mine.organization_term
    WHERE mine.account_id = viewer AND mine.left_at IS NULL AND theirs.account_id = other
      AND (mine.workspace_id IS NULL OR EXISTS (
        SELECT FROM read.workspace_memberships AS w
        WHERE w.workspace_id = mine.workspace_id AND w.account_id = viewer
          AND w.removed_at IS NULL AND w.term = mine.workspace_term
      ))
  );
END
