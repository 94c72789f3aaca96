-- Roles belong to the whole server and grants on a database are not copied with it, so both are looked after at every
-- migration rather than once. Other databases of the server may be doing the same at this moment.
DO $$
DECLARE
  wanted text;
BEGIN
  FOREACH wanted IN ARRAY ARRAY['envoi_app', 'envoi_projector', 'envoi_reader'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
      BEGIN
        EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
      EXCEPTION WHEN duplicate_object OR unique_violation THEN
        NULL;
      END;
    END IF;
    IF NOT pg_has_role(current_user, wanted, 'MEMBER') THEN
      EXECUTE format('GRANT %I TO CURRENT_USER', wanted);
    END IF;
  END LOOP;
  -- The projector makes and drops the schemas of its read models.
  EXECUTE format('GRANT CREATE ON DATABASE %I TO envoi_projector', current_database());
END
$$;
