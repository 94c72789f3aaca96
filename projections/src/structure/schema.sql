-- What PostgreSQL knows of schema $1 itself, and of the functions in it.
SELECT 'owner' AS aspect, pg_get_userbyid(nspowner)::text AS value FROM pg_namespace WHERE nspname = $1
UNION ALL
SELECT 'grant of ' || g.privilege_type || ' to ' || coalesce(pg_get_userbyid(nullif(g.grantee, 0))::text, 'public'),
        CASE WHEN g.is_grantable THEN 'with grant option' ELSE 'given' END
    FROM pg_namespace AS n, aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) AS g WHERE n.nspname = $1
UNION ALL
SELECT 'function ' || p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')', 'is there'
    FROM pg_namespace AS n JOIN pg_proc AS p ON p.pronamespace = n.oid WHERE n.nspname = $1
