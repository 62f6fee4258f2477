-- What the catalog says of the tables ($1), enums ($2), functions ($3) and roles ($4), as (object,
-- property, value).
-- Names are looked up along the search path. Runs of white space count as one blank, because the
-- pretty-printer breaks lines where it likes.
WITH tables AS (
    SELECT c.relname AS name, c.*
    FROM unnest($1) AS wanted (name)
    JOIN pg_class c ON c.oid = to_regclass(quote_ident(wanted.name))
),
-- Whoever might own something, told apart from the owner of the tables, whose name is anybody's.
owners AS (
    SELECT oid, CASE
        WHEN oid = (SELECT relowner FROM tables WHERE name <> 'traders' ORDER BY name LIMIT 1)
        THEN 'owner of the tables' ELSE rolname::text
    END AS who
    FROM pg_roles
),
enums AS (
    SELECT t.oid, t.typname AS name, t.typowner
    FROM unnest($2) AS wanted (name)
    JOIN pg_type t ON t.oid = to_regtype(quote_ident(wanted.name))
),
columns AS (
    SELECT 'column ' || t.name || '.' || a.attname AS object, a.*, t.oid AS table_oid
    FROM tables t
    JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
),
policies AS (
    SELECT 'policy ' || t.name || '.' || p.polname AS object, p.*
    FROM tables t
    JOIN pg_policy p ON p.polrelid = t.oid
),
triggers AS (
    SELECT 'trigger ' || t.name || '.' || g.tgname AS object, g.*
    FROM tables t
    JOIN pg_trigger g ON g.tgrelid = t.oid AND NOT g.tgisinternal
),
functions AS (
    SELECT format('function %s(%s)', wanted.name, pg_get_function_identity_arguments(p.oid))
            AS object, p.*,
        quote_ident(n.nspname) AS here
    FROM unnest($3) AS wanted (name)
    JOIN pg_proc p ON p.proname = wanted.name AND pg_function_is_visible(p.oid)
    JOIN pg_namespace n ON n.oid = p.pronamespace
),
roles AS (
    SELECT 'role ' || r.rolname AS object, r.*
    FROM unnest($4) AS wanted (name)
    JOIN pg_roles r ON r.rolname = wanted.name
),
-- What others than the owner of a table may do with it; of a column only where not of the table.
grants AS (
    SELECT 'grant ' || t.name || '.' || grantee.name AS object, string_agg(
        concat(
            granted.privilege, ' (' || granted.columns || ')',
            CASE WHEN granted.is_grantable THEN ' WITH GRANT OPTION' END
        ), ', '
        ORDER BY granted.privilege COLLATE "C"
    ) AS privileges
    FROM tables t
    CROSS JOIN LATERAL (
        SELECT a.grantee, a.is_grantable, a.privilege_type AS privilege, NULL AS columns
        FROM aclexplode(t.relacl) AS a
        UNION ALL
        SELECT a.grantee, a.is_grantable, a.privilege_type,
            string_agg(c.attname, ' ' ORDER BY c.attname::text COLLATE "C")
        FROM pg_attribute c CROSS JOIN aclexplode(c.attacl) AS a
        WHERE c.attrelid = t.oid AND NOT c.attisdropped
        GROUP BY a.grantee, a.is_grantable, a.privilege_type
    ) AS granted
    CROSS JOIN LATERAL (
        SELECT coalesce(pg_get_userbyid(nullif(granted.grantee, 0))::text, 'public') AS name
    ) AS grantee
    WHERE granted.grantee <> t.relowner
    GROUP BY 1
),
facts (object, property, value) AS (
    -- An unlogged table is empty after a crash; a temporary one hides the table it is named after.
    SELECT 'table ' || name, 'kind',
        CASE relpersistence WHEN 'u' THEN 'unlogged ' WHEN 't' THEN 'temporary ' ELSE '' END
            || CASE relkind WHEN 'r' THEN 'table' WHEN 'S' THEN 'sequence' ELSE relkind::text END
    FROM tables
    UNION ALL
    SELECT 'table ' || name, 'owner', who FROM tables JOIN owners ON owners.oid = relowner
    UNION ALL
    -- One that turns round, or runs down, gives a number again or in another order.
    SELECT 'table ' || name, 'numbers', format(
        '%s from %s to %s by %s%s', format_type(seqtypid, NULL), seqmin, seqmax, seqincrement,
        CASE WHEN seqcycle THEN ', round and round' END
    )
    FROM tables JOIN pg_sequence ON seqrelid = oid
    UNION ALL
    -- A parent shows the rows to whoever may read it, a child adds rows that nothing guards.
    SELECT 'table ' || name, 'inheritance', coalesce((
        SELECT string_agg(other::regclass::text, ', ' ORDER BY other::regclass::text COLLATE "C")
        FROM pg_inherits, unnest(ARRAY[inhrelid, inhparent]) AS other
        WHERE other <> tables.oid AND tables.oid IN (inhrelid, inhparent)
    ), 'none')
    FROM tables
    UNION ALL
    SELECT 'table ' || name, 'comment', coalesce(obj_description(oid, 'pg_class'), 'none')
    FROM tables
    UNION ALL
    SELECT 'table ' || name, 'row security',
        CASE WHEN relrowsecurity THEN 'enabled' ELSE 'disabled' END
    FROM tables
    UNION ALL
    SELECT 'table ' || name, 'force row security',
        CASE WHEN relforcerowsecurity THEN 'enabled' ELSE 'disabled' END
    FROM tables
    UNION ALL
    SELECT object, 'type', format_type(atttypid, atttypmod)
        || coalesce(' COLLATE ' || quote_ident(c.collname), '')
    FROM columns
    JOIN pg_type t ON t.oid = atttypid
    LEFT JOIN pg_collation c ON c.oid = attcollation AND c.oid <> t.typcollation
    UNION ALL
    SELECT object, 'nullability', CASE WHEN attnotnull THEN 'not null' ELSE 'null' END FROM columns
    UNION ALL
    SELECT object, 'default', coalesce(
        pg_get_expr(d.adbin, d.adrelid, true),
        CASE WHEN attidentity <> '' THEN 'identity' END,
        'none'
    )
    FROM columns LEFT JOIN pg_attrdef d ON d.adrelid = table_oid AND d.adnum = attnum
    UNION ALL
    SELECT object, 'comment', coalesce(col_description(table_oid, attnum), 'none') FROM columns
    UNION ALL
    SELECT 'enum ' || name, 'labels', coalesce((
        SELECT string_agg(enumlabel, ', ' ORDER BY enumsortorder)
        FROM pg_enum WHERE enumtypid = enums.oid
    ), 'none')
    FROM enums
    UNION ALL
    SELECT 'enum ' || name, 'owner', who FROM enums JOIN owners ON owners.oid = typowner
    UNION ALL
    SELECT 'enum ' || name, 'comment', coalesce(obj_description(oid, 'pg_type'), 'none') FROM enums
    UNION ALL
    -- NOT NULL is a constraint of its own ('n') since PostgreSQL 18; 'nullability' tells it above.
    SELECT 'constraint ' || t.name || '.' || c.conname, 'text', pg_get_constraintdef(c.oid, true)
    FROM tables t JOIN pg_constraint c ON c.conrelid = t.oid AND c.contype <> 'n'
    UNION ALL
    -- Foreign keys are checked by triggers, which DISABLE TRIGGER ALL switches off.
    SELECT 'constraint ' || t.name || '.' || c.conname, 'enforced', CASE WHEN EXISTS (
        SELECT FROM pg_trigger WHERE tgconstraint = c.oid AND tgenabled IN ('D', 'R')
    ) THEN 'no' ELSE 'yes' END
    FROM tables t JOIN pg_constraint c ON c.conrelid = t.oid AND c.contype = 'f'
    UNION ALL
    SELECT 'index ' || t.name || '.' || c.relname, 'definition',
        pg_get_indexdef(i.indexrelid, 0, true) || CASE WHEN i.indisvalid THEN '' ELSE ' INVALID' END
    FROM tables t
    JOIN pg_index i ON i.indrelid = t.oid
    JOIN pg_class c ON c.oid = i.indexrelid
    WHERE NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid AND conrelid = t.oid)
    UNION ALL
    SELECT object, 'kind', CASE WHEN polpermissive THEN 'permissive' ELSE 'restrictive' END
    FROM policies
    UNION ALL
    SELECT object, 'command',
        CASE polcmd WHEN '*' THEN 'all' WHEN 'r' THEN 'select' WHEN 'a' THEN 'insert'
            WHEN 'w' THEN 'update' WHEN 'd' THEN 'delete' END
    FROM policies
    UNION ALL
    SELECT object, 'roles', (
        SELECT string_agg(role, ', ' ORDER BY role COLLATE "C")
        FROM unnest(polroles) AS member,
            coalesce(pg_get_userbyid(nullif(member, 0))::text, 'public') AS role
    )
    FROM policies
    UNION ALL
    SELECT object, 'using', coalesce(pg_get_expr(polqual, polrelid, true), 'none') FROM policies
    UNION ALL
    SELECT object, 'check', coalesce(pg_get_expr(polwithcheck, polrelid, true), 'none')
    FROM policies
    UNION ALL
    SELECT object, 'definition', pg_get_triggerdef(oid, true) FROM triggers
    UNION ALL
    SELECT object, 'enabled',
        CASE tgenabled WHEN 'O' THEN 'origin' WHEN 'A' THEN 'always' WHEN 'R' THEN 'replica'
            ELSE 'disabled' END
    FROM triggers
    UNION ALL
    SELECT 'rule ' || t.name || '.' || r.rulename, 'definition', pg_get_ruledef(r.oid, true)
    FROM tables t JOIN pg_rewrite r ON r.ev_class = t.oid
    UNION ALL
    -- Who may create here can have an operator of its own stand in for one that a function uses.
    SELECT 'schema of the tables', 'settings', coalesce((
        SELECT string_agg(setting, ', ' ORDER BY setting COLLATE "C")
        FROM pg_db_role_setting, unnest(setconfig) AS setting
        WHERE setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
            AND setting ~ '^(session_replication_role|row_security)='
    ), 'none')
    UNION ALL
    (SELECT 'schema of the tables', 'create granted to', coalesce((
        SELECT string_agg(name, ', ' ORDER BY name COLLATE "C")
        FROM aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) AS a,
            coalesce(pg_get_userbyid(nullif(a.grantee, 0))::text, 'public') AS name
        WHERE a.privilege_type = 'CREATE' AND a.grantee NOT IN (n.nspowner, t.relowner)
    ), 'nobody')
    FROM tables t JOIN pg_namespace n ON n.oid = t.relnamespace
    WHERE t.name <> 'traders' ORDER BY t.name LIMIT 1)
    UNION ALL
    SELECT object, 'privileges', privileges FROM grants
    UNION ALL
    -- A text that is long and for the server only: its fingerprint tells that it is another one.
    SELECT object, 'body', coalesce(pg_get_function_sqlbody(oid), md5(prosrc)) FROM functions
    UNION ALL
    SELECT object, 'kind', concat_ws(
        ' ',
        CASE provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END,
        CASE WHEN prosecdef THEN 'security definer' ELSE 'security invoker' END,
        CASE WHEN proleakproof THEN 'leakproof' END
    )
    FROM functions
    UNION ALL
    SELECT object, 'owner', who FROM functions JOIN owners ON owners.oid = proowner
    UNION ALL
    SELECT object, 'settings', coalesce(
        replace(array_to_string(proconfig, ' '), ', ' || here || ',', ', (its schema),'), 'none'
    )
    FROM functions
    UNION ALL
    SELECT object, 'execute granted to', coalesce((
        SELECT string_agg(name, ', ' ORDER BY name COLLATE "C")
        FROM aclexplode(coalesce(proacl, acldefault('f', proowner))) AS a,
            coalesce(pg_get_userbyid(nullif(a.grantee, 0))::text, 'public') AS name
        WHERE a.grantee <> proowner
    ), 'nobody')
    FROM functions
    UNION ALL
    SELECT object, 'attributes', coalesce(nullif(concat_ws(
        ' ',
        CASE WHEN rolcanlogin THEN 'login' END,
        CASE WHEN rolsuper THEN 'superuser' END,
        CASE WHEN rolbypassrls THEN 'bypassrls' END,
        CASE WHEN rolcreaterole THEN 'createrole' END,
        CASE WHEN rolcreatedb THEN 'createdb' END,
        CASE WHEN rolreplication THEN 'replication' END
    ), ''), 'none')
    FROM roles
    UNION ALL
    SELECT object, 'member of', coalesce((
        SELECT string_agg(pg_get_userbyid(roleid)::text, ', ' ORDER BY roleid)
        FROM pg_auth_members WHERE member = roles.oid
    ), 'none')
    FROM roles
    UNION ALL
    -- From PostgreSQL 16 on one may be a member of a role without the right to act as it.
    SELECT object, 'acted as by', coalesce((
        SELECT string_agg(m.rolname::text, ', ' ORDER BY m.rolname::text COLLATE "C")
        FROM pg_roles m
        WHERE NOT m.rolsuper AND m.oid <> roles.oid AND CASE
            WHEN current_setting('server_version_num')::integer < 160000
            THEN pg_has_role(m.oid, roles.oid, 'MEMBER')
            ELSE pg_has_role(m.oid, roles.oid, 'SET')
        END
    ), 'nobody')
    FROM roles
    WHERE rolname = 'blotter_ledger'
)
SELECT object, property, regexp_replace(value, '\s+', ' ', 'g') AS value
FROM facts
ORDER BY object COLLATE "C", property COLLATE "C"
