-- The parameters that switch off triggers, and the roles that may set them; from PostgreSQL 15 on.
SELECT
    pg_catalog.format(
        'parameter %s granted to %s', parname,
        coalesce(pg_get_userbyid(CASE WHEN a.grantee <> 0::oid THEN a.grantee END)::text, 'public')
    ) AS object,
    'planted' AS property, 'yes' AS value
FROM pg_parameter_acl CROSS JOIN aclexplode(paracl) AS a
LEFT JOIN pg_roles r ON r.oid = a.grantee
WHERE parname IN ('event_triggers', 'session_replication_role') AND coalesce(NOT r.rolsuper, true)
