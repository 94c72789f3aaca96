-- What PostgreSQL knows of the relations of schema $1, one aspect a row; the name of the read model's schema, $2, is left out
-- of it. Names of indexes are PostgreSQL's own and say nothing.
WITH relations AS (
    SELECT c.oid, c.relname AS object, c.relkind, c.relowner, c.relacl, c.relrowsecurity, c.relforcerowsecurity,
        c.relpersistence, c.reloptions
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relkind NOT IN ('i', 'I', 't', 'c')
), aspects (object, aspect, value) AS (
    SELECT object, 'kind', concat_ws(' ', CASE relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' ELSE relkind::text END,
            'persistence', relpersistence, 'options', array_to_string(reloptions, ','))
        FROM relations
    UNION ALL
    SELECT object, 'owner', pg_get_userbyid(relowner)::text FROM relations
    UNION ALL
    SELECT object, 'row-level security', CASE WHEN relforcerowsecurity THEN 'forced' WHEN relrowsecurity THEN 'on' ELSE 'off' END
        FROM relations
    UNION ALL
    SELECT object, 'column ' || a.attname, concat_ws(' ', format_type(a.atttypid, a.atttypmod),
            CASE WHEN a.attnotnull THEN 'not null' END, pg_get_expr(d.adbin, d.adrelid))
        FROM relations AS r JOIN pg_attribute AS a ON a.attrelid = r.oid
        LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT object, 'index ' || regexp_replace(pg_get_indexdef(i.indexrelid), ' INDEX \S+ ON ', ' INDEX ON '),
            CASE WHEN i.indisvalid AND i.indisready THEN 'valid' ELSE 'invalid' END
        FROM relations AS r JOIN pg_index AS i ON i.indrelid = r.oid
    UNION ALL
    SELECT object, 'constraint ' || pg_get_constraintdef(k.oid), CASE WHEN k.convalidated THEN 'valid' ELSE 'not valid' END
        FROM relations AS r JOIN pg_constraint AS k ON k.conrelid = r.oid
    UNION ALL
    SELECT object, 'policy ' || p.polname, concat_ws(' ', CASE WHEN p.polpermissive THEN 'permissive' ELSE 'restrictive' END,
            'for', p.polcmd, 'to', (SELECT string_agg(coalesce(pg_get_userbyid(nullif(role, 0))::text, 'public'), ',' ORDER BY role)
                FROM unnest(p.polroles) AS role),
            'using', pg_get_expr(p.polqual, p.polrelid), 'check', pg_get_expr(p.polwithcheck, p.polrelid))
        FROM relations AS r JOIN pg_policy AS p ON p.polrelid = r.oid
    UNION ALL
    SELECT object, 'grant of ' || g.privilege_type || ' to ' || coalesce(pg_get_userbyid(nullif(g.grantee, 0))::text, 'public'),
            CASE WHEN g.is_grantable THEN 'with grant option' ELSE 'given' END
        FROM relations AS r, aclexplode(coalesce(r.relacl, acldefault('r', r.relowner))) AS g
    UNION ALL
    SELECT object, 'grant of ' || g.privilege_type || ' (' || a.attname || ') to '
                || coalesce(pg_get_userbyid(nullif(g.grantee, 0))::text, 'public'),
            CASE WHEN g.is_grantable THEN 'with grant option' ELSE 'given' END
        FROM relations AS r JOIN pg_attribute AS a ON a.attrelid = r.oid, aclexplode(a.attacl) AS g
    UNION ALL
    SELECT object, 'trigger ' || t.tgname, concat_ws(' ', t.tgenabled, pg_get_triggerdef(t.oid))
        FROM relations AS r JOIN pg_trigger AS t ON t.tgrelid = r.oid WHERE NOT t.tgisinternal
    UNION ALL
    SELECT object, 'rule ' || w.rulename, pg_get_ruledef(w.oid)
        FROM relations AS r JOIN pg_rewrite AS w ON w.ev_class = r.oid WHERE w.rulename <> '_RETURN'
    UNION ALL
    SELECT object, 'query', pg_get_viewdef(oid) FROM relations WHERE relkind IN ('v', 'm')
    UNION ALL
    SELECT object, 'inherits from', i.inhparent::regclass::text FROM relations AS r JOIN pg_inherits AS i ON i.inhrelid = r.oid
    UNION ALL
    SELECT object, 'inherited by', i.inhrelid::regclass::text FROM relations AS r JOIN pg_inherits AS i ON i.inhparent = r.oid
)
SELECT object::text, replace(aspect, $2::text || '.', '{schema}.'), replace(coalesce(value, ''), $2::text || '.', '{schema}.')
FROM aspects
