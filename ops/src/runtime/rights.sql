-- What the login of this session is, and what is missing: $1 are the roles that it has to be able to assume.
WITH me AS (
    SELECT oid, rolname, rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls FROM pg_roles WHERE rolname = session_user
), needed (role, schema, privilege) AS (
    VALUES ('envoi_app', 'log', 'USAGE'), ('envoi_app', 'keyring', 'USAGE'), ('envoi_app', 'write', 'USAGE'),
        ('envoi_app', 'lease', 'USAGE'), ('envoi_app', 'migrations', 'USAGE'), ('envoi_projector', 'lease', 'USAGE'),
        ('envoi_projector', 'projection', 'CREATE'), ('envoi_reader', 'projection', 'USAGE')
)
SELECT me.rolname::text,
    ARRAY(
        SELECT wanted FROM unnest($1::text[]) AS wanted LEFT JOIN pg_roles AS r ON r.rolname = wanted
        WHERE r.oid IS NULL OR NOT pg_has_role(me.oid, r.oid, 'MEMBER')
    ),
    ARRAY(
        SELECT privilege || ' on schema ' || schema || ' of ' || role FROM needed
        WHERE to_regrole(role) IS NOT NULL AND to_regnamespace(schema) IS NOT NULL
            AND NOT has_schema_privilege(to_regrole(role), to_regnamespace(schema), privilege)
        UNION ALL
        SELECT 'CREATE on database ' || current_database() || ' of envoi_projector'
        WHERE to_regrole('envoi_projector') IS NOT NULL
            AND NOT has_database_privilege(to_regrole('envoi_projector'), current_database(), 'CREATE')
    ),
    ARRAY(
        SELECT 'is a superuser' WHERE me.rolsuper
        UNION ALL SELECT 'may make roles' WHERE me.rolcreaterole
        UNION ALL SELECT 'may make databases' WHERE me.rolcreatedb
        UNION ALL SELECT 'may replicate' WHERE me.rolreplication
        UNION ALL SELECT 'passes row-level security by' WHERE me.rolbypassrls
        UNION ALL
        SELECT 'owns the database' FROM pg_database
            WHERE datname = current_database() AND NOT me.rolsuper AND pg_has_role(me.oid, datdba, 'MEMBER')
        UNION ALL
        SELECT 'owns the schema ' || nspname FROM pg_namespace
            WHERE nspname IN ('log', 'keyring', 'write', 'lease', 'migrations') AND NOT me.rolsuper
                AND pg_has_role(me.oid, nspowner, 'MEMBER')
        UNION ALL
        SELECT 'is a member of ' || pg_get_userbyid(roleid) FROM pg_auth_members
            WHERE member = me.oid AND pg_get_userbyid(roleid) <> ALL ($1::text[])
    ),
    coalesce((SELECT pg_has_role(nspowner, me.oid, 'USAGE') FROM pg_namespace WHERE nspname = 'lease'), true)
FROM me
