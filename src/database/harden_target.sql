-- What to protect: the objects of the blotter whose table `orders` is $1; $2, $3 and $4 are the names of tables, enums and
-- functions, $5 is the comment on a table `traders` of ours. Arrays are returned as literals. The search path is pg_catalog.
WITH home AS (
    SELECT n.* FROM pg_namespace AS n JOIN pg_class AS c ON c.relnamespace = n.oid WHERE c.oid = $1
),
tables AS (
    SELECT c.oid, c.relname
    FROM home JOIN pg_class AS c ON c.relnamespace = home.oid
    WHERE c.relname = ANY ($2) AND (c.relname <> 'traders' OR obj_description(c.oid, 'pg_class') = $5)
),
routines AS (
    SELECT p.oid FROM home JOIN pg_proc AS p ON p.pronamespace = home.oid WHERE p.proname = ANY ($4)
),
objects AS (
    SELECT quote_ident(nspname) AS identity FROM home
    UNION ALL
    SELECT (pg_identify_object('pg_class'::regclass, oid, 0)).identity FROM tables
    UNION ALL
    SELECT (pg_identify_object('pg_class'::regclass, indexrelid, 0)).identity
    FROM tables JOIN pg_index ON indrelid = tables.oid
    UNION ALL
    SELECT (pg_identify_object('pg_type'::regclass, t.oid, 0)).identity
    FROM home JOIN pg_type AS t ON t.typnamespace = home.oid
    WHERE t.typname = ANY ($3)
    UNION ALL
    SELECT (pg_identify_object('pg_proc'::regclass, oid, 0)).identity FROM routines
)
SELECT
    quote_ident(nspname) AS name,
    quote_literal(nspname) AS schema,
    -- Shorter than the identifiers that are made of it.
    CASE WHEN octet_length(nspname) <= 36 THEN nspname::text ELSE md5(nspname) END AS suffix,
    quote_literal(ARRAY(SELECT identity FROM objects ORDER BY identity COLLATE "C")::text) AS objects,
    quote_literal(ARRAY(SELECT relname::text FROM tables ORDER BY relname)::text) AS tables,
    quote_literal($4::text) AS routines
FROM home
