-- The event triggers of these names ($1), and whether nobody but a superuser can change or disable them.
SELECT
    wanted.name,
    wanted.event,
    evtname IS NOT NULL AS exists,
    coalesce(evtenabled::text, '') AS enabled,
    coalesce(evtevent::text, '') AS found_event,
    coalesce(trigger_owner.rolsuper AND function_owner.rolsuper AND schema_owner.rolsuper, false) AS owned_by_superuser,
    coalesce(prosrc, '') AS body,
    coalesce(nspname || '.' || proname, '') AS function
FROM unnest($1, $2) AS wanted (name, event)
LEFT JOIN pg_event_trigger ON evtname = wanted.name
LEFT JOIN pg_roles AS trigger_owner ON trigger_owner.oid = evtowner
LEFT JOIN pg_proc ON pg_proc.oid = evtfoid
LEFT JOIN pg_roles AS function_owner ON function_owner.oid = proowner
LEFT JOIN pg_namespace ON pg_namespace.oid = pronamespace
LEFT JOIN pg_roles AS schema_owner ON schema_owner.oid = nspowner
ORDER BY wanted.name
