-- What the catalog says of the tables ($1) and enums ($2), as (object, property, value).
-- Names are looked up along the search path. Runs of white space count as one blank, because the
-- pretty-printer breaks lines where it likes.
WITH tables AS (
    SELECT c.relname AS name, c.*
    FROM unnest($1) AS wanted (name)
    JOIN pg_class c ON c.oid = to_regclass(quote_ident(wanted.name))
),
enums AS (
    SELECT t.oid, t.typname AS name
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
facts (object, property, value) AS (
    -- An unlogged table is empty after a crash; a temporary one hides the table it is named after.
    SELECT 'table ' || name, 'kind',
        CASE relpersistence WHEN 'u' THEN 'unlogged ' WHEN 't' THEN 'temporary ' ELSE '' END
            || CASE relkind WHEN 'r' THEN 'table' ELSE relkind::text END
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
)
SELECT object, property, regexp_replace(value, '\s+', ' ', 'g') AS value
FROM facts
ORDER BY object COLLATE "C", property COLLATE "C"
