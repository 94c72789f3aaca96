-- Roles belong to the whole server and grants on a database are not copied with it, so both are looked after at every
-- migration rather than once. Other databases of the server may be doing the same at this moment.
--
-- Whoever may not make roles finds them made (ops/deploy/roles.sql). It needs the rights of envoi_projector, to which it hands
-- over what that one owns; the other two are for the login of servers, which need not be this one.
DO $$
DECLARE
  wanted text;
BEGIN
  FOREACH wanted IN ARRAY ARRAY['envoi_app', 'envoi_projector', 'envoi_reader'] LOOP
    BEGIN
      IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
        BEGIN
          EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
          NULL;
        END;
      END IF;
      IF NOT pg_has_role(current_user, wanted, 'USAGE') THEN
        EXECUTE format('GRANT %I TO CURRENT_USER', wanted);
      END IF;
    EXCEPTION WHEN insufficient_privilege THEN
      IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
        RAISE EXCEPTION 'the role % is missing, and % may not make it', wanted, current_user
          USING ERRCODE = 'insufficient_privilege', HINT = 'ops/deploy/roles.sql makes the roles, run by a superuser';
      ELSIF wanted = 'envoi_projector' THEN
        RAISE EXCEPTION '% has not the rights of envoi_projector', current_user
          USING ERRCODE = 'insufficient_privilege', HINT = format('GRANT envoi_projector TO %I, by a superuser', current_user);
      END IF;
    END;
  END LOOP;
  -- The projector makes and drops the schemas of its read models. Some who may not grant that are only warned.
  IF NOT has_database_privilege('envoi_projector', current_database(), 'CREATE') THEN
    BEGIN
      EXECUTE format('GRANT CREATE ON DATABASE %I TO envoi_projector', current_database());
    EXCEPTION WHEN insufficient_privilege THEN
      NULL;
    END;
  END IF;
  IF NOT has_database_privilege('envoi_projector', current_database(), 'CREATE') THEN
    RAISE EXCEPTION '% is not the owner of the database %', current_user, current_database()
      USING ERRCODE = 'insufficient_privilege', HINT = format('ALTER DATABASE %I OWNER TO %I, by a superuser',
        current_database(), current_user);
  END IF;
END
$$;
