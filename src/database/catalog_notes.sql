-- What is legitimate, and leads around row-level security or the deriving triggers all the same; $1: the tables.
WITH tables AS (
    SELECT c.oid, c.relname, n.nspname
    FROM pg_catalog.unnest($1) AS wanted (name)
    JOIN pg_class c ON c.oid = to_regclass(quote_ident(wanted.name))::oid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND c.relrowsecurity
)
SELECT pg_catalog.format(
    'publication %s sends every row of %s to its subscribers: row-level security does not apply to them',
    quote_ident(p.pubname), string_agg(t.relname::text, ', ' ORDER BY t.relname::text COLLATE "C")
) AS note
FROM pg_publication_tables p JOIN tables t ON t.relname = p.tablename AND t.nspname = p.schemaname
GROUP BY p.pubname
UNION ALL
SELECT pg_catalog.format(
    'subscription %s writes rows of %s: the deriving triggers do not fire for them',
    quote_ident(s.subname), string_agg(t.relname::text, ', ' ORDER BY t.relname::text COLLATE "C")
)
FROM pg_subscription_rel r JOIN tables t ON t.oid = r.srrelid JOIN pg_subscription s ON s.oid = r.srsubid
GROUP BY s.subname
ORDER BY note
