-- What the schema of the tables ($1), enums ($2) and functions ($3) holds besides, as text. A superuser reads it:
-- everything is called by its qualified name.
SELECT pg_catalog.pg_describe_object(d.classid, d.objid, 0) AS text
FROM pg_catalog.pg_depend AS d
JOIN pg_catalog.pg_class AS home
    ON home.relnamespace OPERATOR(pg_catalog.=) d.refobjid
    AND home.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass('orders')::pg_catalog.oid
WHERE d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass::pg_catalog.oid
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_class AS c
        WHERE c.oid OPERATOR(pg_catalog.=) d.objid
            AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
            AND c.relname::pg_catalog.text OPERATOR(pg_catalog.=) ANY ($1)
    )
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_type AS t
        WHERE t.oid OPERATOR(pg_catalog.=) d.objid
            AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_type'::pg_catalog.regclass::pg_catalog.oid
            AND t.typname::pg_catalog.text OPERATOR(pg_catalog.=) ANY ($2)
    )
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_proc AS p
        WHERE p.oid OPERATOR(pg_catalog.=) d.objid
            AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid
            AND p.proname::pg_catalog.text OPERATOR(pg_catalog.=) ANY ($3)
    )
ORDER BY 1
