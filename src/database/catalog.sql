-- What the catalog says of the tables ($1), enums ($2), functions ($3) and roles ($4), as (object,
-- property, value); and whether the schema is that of a desk ($5).
-- Names are looked up along the search path. Runs of white space count as one blank, because the
-- pretty-printer breaks lines where it likes. Polymorphic functions are called by their qualified names: the schema is on the
-- path, and what was planted there must not run as whoever checks it.
WITH tables AS (
    SELECT c.relname::text AS name, c.*
    FROM pg_catalog.unnest($1) AS wanted (name)
    JOIN pg_class c ON c.oid = to_regclass(quote_ident(wanted.name))::oid
),
-- The schema of the tables.
home AS (
    SELECT n.* FROM tables t JOIN pg_namespace n ON n.oid = t.relnamespace
    WHERE t.name <> 'traders' ORDER BY t.name LIMIT 1
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
    SELECT t.oid, t.typname::text AS name, t.typowner, t.typarray
    FROM pg_catalog.unnest($2) AS wanted (name)
    JOIN pg_type t ON t.oid = to_regtype(quote_ident(wanted.name))::oid
),
-- The types of this schema, and their arrays.
types AS (
    SELECT oid FROM enums
    UNION ALL
    SELECT typarray FROM enums
    UNION ALL
    SELECT element FROM tables JOIN pg_type t ON t.typrelid = tables.oid,
        LATERAL (VALUES (t.oid), (t.typarray)) AS row_type (element)
),
-- The types of the values that the functions of this schema handle.
handled AS (
    SELECT oid FROM types UNION ALL SELECT oid FROM pg_type WHERE typnamespace = 'pg_catalog'::regnamespace::oid
),
-- What a superuser has installed as a part of an extension.
extended AS (
    SELECT classid, objid FROM pg_depend WHERE deptype = 'e' AND refclassid = 'pg_extension'::regclass::oid
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
    SELECT pg_catalog.format('function %s(%s)', wanted.name, pg_get_function_identity_arguments(p.oid))
            AS object, p.*,
        quote_ident(n.nspname) AS here
    FROM pg_catalog.unnest($3) AS wanted (name)
    JOIN pg_proc p ON p.proname = wanted.name AND pg_function_is_visible(p.oid)
    JOIN pg_namespace n ON n.oid = p.pronamespace
),
roles AS (
    SELECT 'role ' || r.rolname AS object, r.*
    FROM pg_catalog.unnest($4) AS wanted (name)
    JOIN pg_roles r ON r.rolname = wanted.name
),
-- What ALTER ROLE … SET and ALTER DATABASE … SET have set for sessions in this database.
settings AS (
    SELECT s.setdatabase, s.setrole, lower(split_part(setting, '=', 1)) AS name,
        substr(setting, strpos(setting, '=') + 1) AS value
    FROM pg_db_role_setting s, pg_catalog.unnest(s.setconfig) AS setting
    WHERE s.setdatabase = 0::oid OR s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
),
-- What others than the owner of a table may do with it; of a column only where not of the table.
grants AS (
    SELECT 'grant ' || t.name || '.' || grantee.name AS object, string_agg(
        pg_catalog.concat(
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
        SELECT coalesce(pg_get_userbyid(CASE WHEN granted.grantee <> 0::oid THEN granted.grantee END)::text, 'public') AS name
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
    SELECT 'table ' || name, 'numbers', pg_catalog.format(
        '%s from %s to %s by %s%s', format_type(seqtypid, NULL), seqmin, seqmax, seqincrement,
        CASE WHEN seqcycle THEN ', round and round' END
    )
    FROM tables JOIN pg_sequence ON seqrelid = oid
    UNION ALL
    -- A parent shows the rows to whoever may read it, a child adds rows that nothing guards.
    SELECT 'table ' || name, 'inheritance', coalesce((
        SELECT string_agg(other::regclass::text, ', ' ORDER BY other::regclass::text COLLATE "C")
        FROM pg_inherits, pg_catalog.unnest(ARRAY[inhrelid, inhparent]) AS other
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
        FROM pg_catalog.unnest(polroles) AS member,
            coalesce(pg_get_userbyid(CASE WHEN member <> 0::oid THEN member END)::text, 'public') AS role
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
    -- A function or aggregate that the functions of this schema would call in the place of PostgreSQL's own, because it
    -- fits the types better. One with the same types is hidden, since pg_catalog comes first.
    SELECT pg_catalog.format('function %s(%s)', p.proname, pg_get_function_identity_arguments(p.oid)), 'planted', 'yes'
    FROM home JOIN pg_proc p ON p.pronamespace = home.oid
    WHERE p.proname <> ALL ($3)
        AND NOT EXISTS (
            SELECT FROM pg_catalog.unnest(p.proargtypes::oid[]) AS argument (type)
            WHERE type NOT IN (SELECT oid FROM handled)
        )
        AND EXISTS (
            SELECT FROM pg_proc own WHERE own.pronamespace = 'pg_catalog'::regnamespace::oid AND own.proname = p.proname
        )
        AND NOT EXISTS (
            SELECT FROM pg_proc own
            WHERE own.pronamespace = 'pg_catalog'::regnamespace::oid AND own.proname = p.proname
                AND own.proargtypes = p.proargtypes
        )
        AND NOT (
            EXISTS (SELECT FROM extended WHERE classid = 'pg_proc'::regclass::oid AND objid = p.oid)
            AND EXISTS (SELECT FROM pg_roles r WHERE r.oid = p.proowner AND r.rolsuper)
        )
    UNION ALL
    SELECT pg_catalog.format(
        'operator %s (%s, %s)', o.oprname,
        coalesce(format_type(CASE WHEN o.oprleft <> 0::oid THEN o.oprleft END, NULL), 'none'),
        coalesce(format_type(CASE WHEN o.oprright <> 0::oid THEN o.oprright END, NULL), 'none')
    ), 'planted', 'yes'
    FROM home JOIN pg_operator o ON o.oprnamespace = home.oid
    WHERE (o.oprleft = 0::oid OR o.oprleft IN (SELECT oid FROM handled))
        AND (o.oprright = 0::oid OR o.oprright IN (SELECT oid FROM handled))
        AND EXISTS (
            SELECT FROM pg_operator own
            WHERE own.oprnamespace = 'pg_catalog'::regnamespace::oid AND own.oprname = o.oprname
        )
        AND NOT EXISTS (
            SELECT FROM pg_operator own
            WHERE own.oprnamespace = 'pg_catalog'::regnamespace::oid AND own.oprname = o.oprname
                AND own.oprleft = o.oprleft AND own.oprright = o.oprright
        )
        AND NOT (
            EXISTS (SELECT FROM extended WHERE classid = 'pg_operator'::regclass::oid AND objid = o.oid)
            AND EXISTS (SELECT FROM pg_roles r WHERE r.oid = o.oprowner AND r.rolsuper)
        )
    UNION ALL
    SELECT pg_catalog.format('operator class %s for %s', o.opcname, format_type(o.opcintype, NULL)), 'planted', 'yes'
    FROM pg_opclass o WHERE o.opcintype IN (SELECT oid FROM types)
    UNION ALL
    -- A cast needs no schema. Those that came with PostgreSQL have lower numbers.
    SELECT pg_catalog.format('cast from %s to %s', format_type(c.castsource, NULL), format_type(c.casttarget, NULL)),
        'planted', 'yes'
    FROM pg_cast c
    WHERE (c.castsource IN (SELECT oid FROM types) OR c.casttarget IN (SELECT oid FROM types)
            OR (c.castsource IN (SELECT oid FROM handled) AND c.casttarget IN (SELECT oid FROM handled)))
        AND c.oid >= 16384::oid
        AND NOT EXISTS (SELECT FROM extended WHERE classid = 'pg_cast'::regclass::oid AND objid = c.oid)
    UNION ALL
    -- It runs with the privileges of whoever migrates.
    SELECT 'event trigger ' || e.evtname::text, 'planted', 'yes'
    FROM pg_event_trigger e
    WHERE NOT EXISTS (SELECT FROM extended WHERE classid = 'pg_event_trigger'::regclass::oid AND objid = e.oid)
        AND NOT EXISTS (
            SELECT FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_roles r ON r.oid = n.nspowner
            WHERE p.oid = e.evtfoid AND n.nspname = 'blotter_harden' AND r.rolsuper
        )
    UNION ALL
    -- What runs as the ledger, or may be dropped by it. The functions of another blotter in the same database are known by
    -- their bodies.
    SELECT pg_describe_object(d.classid, d.objid, d.objsubid) || ' of blotter_ledger', 'planted', 'yes'
    FROM pg_shdepend d JOIN pg_roles r ON r.oid = d.refobjid AND r.rolname = 'blotter_ledger'
    WHERE d.refclassid = 'pg_authid'::regclass::oid AND d.deptype = 'o'
        AND d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND NOT (d.classid = 'pg_proc'::regclass::oid AND EXISTS (
            SELECT FROM pg_proc p JOIN functions own ON own.proname = p.proname AND own.prosrc = p.prosrc
            WHERE p.oid = d.objid
        ))
        AND NOT (d.classid = 'pg_proc'::regclass::oid AND d.objid IN (SELECT oid FROM functions))
    UNION ALL
    -- Its owner's privileges decide which rows it shows: those of a superuser, every row.
    SELECT pg_catalog.format('view %s of %s, who sees every row', v.oid::regclass, quote_ident(r.rolname)), 'planted', 'yes'
    FROM pg_class v JOIN pg_roles r ON r.oid = v.relowner AND (r.rolsuper OR r.rolbypassrls)
    WHERE v.relkind IN ('v', 'm')
        AND NOT pg_catalog.array_to_string(coalesce(v.reloptions, '{}'), ' ') ~ '\msecurity_invoker=(true|on|yes|1)\M'
        AND EXISTS (
            SELECT FROM pg_rewrite w
            JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass::oid AND d.objid = w.oid
                AND d.refclassid = 'pg_class'::regclass::oid
            WHERE w.ev_class = v.oid AND d.refobjid IN (SELECT oid FROM tables WHERE relrowsecurity)
        )
        AND EXISTS (
            SELECT FROM aclexplode(v.relacl) AS a WHERE a.grantee <> v.relowner AND a.privilege_type = 'SELECT'
            UNION ALL
            SELECT FROM pg_attribute c CROSS JOIN aclexplode(c.attacl) AS a
            WHERE c.attrelid = v.oid AND a.grantee <> v.relowner AND a.privilege_type = 'SELECT'
        )
    UNION ALL
    SELECT pg_catalog.format(
        'default privilege %s on %s, granted by %s to %s', a.privilege_type,
        CASE d.defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions' END,
        owners.who, coalesce(pg_get_userbyid(CASE WHEN a.grantee <> 0::oid THEN a.grantee END)::text, 'public')
    ), 'planted', 'yes'
    FROM pg_default_acl d
    CROSS JOIN home
    CROSS JOIN aclexplode(d.defaclacl) AS a
    JOIN owners ON owners.oid = d.defaclrole
    WHERE owners.who IN ('owner of the tables', 'blotter_ledger') AND d.defaclnamespace IN (0::oid, home.oid)
        AND d.defaclobjtype IN ('r', 'S', 'f') AND a.grantee <> d.defaclrole
        AND NOT (d.defaclobjtype = 'f' AND d.defaclnamespace = 0::oid AND a.grantee = 0::oid)
    UNION ALL
    -- What a session begins with, other than the library sets.
    SELECT pg_catalog.format(
        'setting %s=%s of %s%s', s.name, s.value,
        CASE WHEN s.setrole <> 0::oid THEN coalesce(r.rolname::text, 'a dropped role')
            WHEN s.setdatabase <> 0::oid THEN 'this database' ELSE 'every role' END,
        CASE WHEN s.setrole <> 0::oid AND s.setdatabase <> 0::oid THEN ' in this database' END
    ), 'planted', 'yes'
    FROM settings s LEFT JOIN pg_roles r ON r.oid = s.setrole
    WHERE s.name IN ('session_replication_role', 'row_security') OR (
        (s.setrole = 0::oid OR (
            NOT r.rolsuper AND EXISTS (
                SELECT FROM roles m WHERE m.oid <> r.oid AND pg_has_role(r.oid, m.oid, 'MEMBER')
            )
        ))
        AND (
            s.name IN ('app.user_id', 'event_triggers', 'role', 'session_authorization')
            OR (s.name = 'search_path' AND EXISTS (
                -- A schema before the one of the tables in which there is a table of the same name, or anybody may create one.
                SELECT
                FROM home, pg_catalog.regexp_matches(s.value, '"((?:[^"]|"")+)"|([^\s,"]+)', 'g')
                    WITH ORDINALITY AS entry (part, position)
                JOIN pg_namespace n ON n.nspname::text = CASE
                    WHEN coalesce(part[1], part[2]) = '$user' THEN r.rolname::text
                    ELSE coalesce(replace(part[1], '""', '"'), part[2])
                END
                WHERE n.oid NOT IN (home.oid, 'pg_catalog'::regnamespace::oid)
                    AND NOT EXISTS (
                        SELECT
                        FROM pg_catalog.regexp_matches(s.value, '"((?:[^"]|"")+)"|([^\s,"]+)', 'g')
                            WITH ORDINALITY AS earlier (part, position)
                        WHERE earlier.position < entry.position
                            AND coalesce(replace(earlier.part[1], '""', '"'), earlier.part[2]) = home.nspname::text
                    )
                    AND (
                        has_schema_privilege('public', n.oid, 'CREATE')
                        OR EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid AND c.relname = ANY ($1))
                    )
            ))
        )
    )
    UNION ALL
    -- Who may create here can have an operator of its own stand in for one that a function uses.
    (SELECT 'schema of the tables', 'create granted to', coalesce((
        SELECT string_agg(name, ', ' ORDER BY name COLLATE "C")
        FROM aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) AS a,
            coalesce(pg_get_userbyid(CASE WHEN a.grantee <> 0::oid THEN a.grantee END)::text, 'public') AS name
        WHERE a.privilege_type = 'CREATE' AND a.grantee NOT IN (n.nspowner, t.relowner)
    ), 'nobody')
    FROM tables t JOIN pg_namespace n ON n.oid = t.relnamespace
    WHERE t.name <> 'traders' ORDER BY t.name LIMIT 1)
    UNION ALL
    -- Whoever may use the schema of a desk may name its tables, and has on them what the shared roles have.
    SELECT 'schema of the tables', 'usage granted to', (
        SELECT string_agg(name, ', ' ORDER BY name COLLATE "C")
        FROM aclexplode(coalesce(home.nspacl, acldefault('n', home.nspowner))) AS a,
            coalesce(pg_get_userbyid(CASE WHEN a.grantee <> 0::oid THEN a.grantee END)::text, 'public') AS name
        WHERE a.privilege_type = 'USAGE'
            AND a.grantee NOT IN (SELECT home.nspowner UNION ALL SELECT relowner FROM tables)
    )
    FROM home WHERE $5
    UNION ALL
    SELECT object, 'privileges', privileges FROM grants
    UNION ALL
    -- A text that is long and for the server only: its fingerprint tells that it is another one.
    SELECT object, 'body', coalesce(pg_get_function_sqlbody(oid), md5(prosrc)) FROM functions
    UNION ALL
    SELECT object, 'kind', pg_catalog.concat_ws(
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
        replace(
            pg_catalog.array_to_string(proconfig, ' '),
            'search_path=' || here || ',', 'search_path=(its schema),'
        ),
        'none'
    )
    FROM functions
    UNION ALL
    SELECT object, 'execute granted to', coalesce((
        SELECT string_agg(name, ', ' ORDER BY name COLLATE "C")
        FROM aclexplode(coalesce(proacl, acldefault('f', proowner))) AS a,
            coalesce(pg_get_userbyid(CASE WHEN a.grantee <> 0::oid THEN a.grantee END)::text, 'public') AS name
        WHERE a.grantee <> proowner
    ), 'nobody')
    FROM functions
    UNION ALL
    SELECT object, 'attributes', coalesce(nullif(pg_catalog.concat_ws(
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
