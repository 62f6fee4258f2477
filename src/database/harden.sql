-- Refuses every command that changes an object of one blotter: the body of the function of its event triggers, which belongs
-- to a superuser. src/database/harden.rs puts in the names. The search path is pg_catalog alone.
DECLARE
    here CONSTANT oid := to_regnamespace(quote_ident({schema}));
    -- Identities as pg_identify_object gives them, as they were when the schema was hardened.
    objects CONSTANT text[] := {objects};
    tables CONSTANT text[] := {tables};
    routines CONSTANT text[] := {routines};
    ours oid[];
    types oid[];
    present text[];
    -- Unknown in some background workers; then every index that is built or dropped is refused.
    query CONSTANT text := coalesce(lower(current_query()), 'concurrently u&');
    what text;
BEGIN
    ours := ARRAY(SELECT oid FROM pg_class WHERE relnamespace = here AND relname = ANY (tables));
    types := ARRAY(
        SELECT t.oid FROM pg_type AS t
        WHERE t.typrelid = ANY (ours)
            OR (t.typnamespace = here AND format('%I.%I', {schema}, t.typname) = ANY (objects))
    );
    types := types || ARRAY(SELECT typarray FROM pg_type WHERE oid = ANY (types) AND typarray <> 0);

    IF TG_EVENT = 'ddl_command_start' THEN
        -- CREATE and DROP INDEX CONCURRENTLY have committed most of their work before a later event could refuse it, so the
        -- text must do. U& could spell a name in another way.
        IF query ~ 'concurrently' AND (
            query ~ 'u&' OR EXISTS (
                SELECT FROM pg_class AS c
                WHERE c.relnamespace = here
                    AND (c.relname = ANY (tables) OR format('%I.%I', {schema}, c.relname) = ANY (objects))
                    AND strpos(query, lower(c.relname)) > 0
            )
        ) THEN
            what := format('%s CONCURRENTLY', TG_TAG);
        END IF;
    ELSIF TG_EVENT = 'table_rewrite' THEN
        IF pg_event_trigger_table_rewrite_oid() = ANY (ours) THEN
            what := format('%s, which rewrites %s,', TG_TAG, pg_event_trigger_table_rewrite_oid()::regclass);
        END IF;
    ELSIF TG_EVENT = 'sql_drop' THEN
        SELECT format('%s, which drops %s %s,', TG_TAG, object_type, object_identity) INTO what
        FROM pg_event_trigger_dropped_objects()
        WHERE object_identity = ANY (objects)
            -- A part of a table. The triggers of a foreign key that refers to it belong to the other table.
            OR (address_names[1] = {schema} AND address_names[2] = ANY (tables)
                AND array_length(address_names, 1) > 2
                AND object_identity !~ '^"RI_ConstraintTrigger_')
        LIMIT 1;
    ELSE
        SELECT format('%s on %s', command_tag, object_identity) INTO what
        FROM pg_event_trigger_ddl_commands() AS command
        WHERE CASE classid
            WHEN 'pg_class'::regclass::oid THEN objid = ANY (ours)
                OR EXISTS (SELECT FROM pg_index WHERE indexrelid = objid AND indrelid = ANY (ours))
                OR EXISTS (
                    SELECT FROM pg_inherits
                    WHERE (inhrelid = objid AND inhparent = ANY (ours)) OR (inhparent = objid AND inhrelid = ANY (ours))
                )
            WHEN 'pg_trigger'::regclass::oid
                THEN EXISTS (SELECT FROM pg_trigger WHERE oid = objid AND tgrelid = ANY (ours))
            WHEN 'pg_policy'::regclass::oid
                THEN EXISTS (SELECT FROM pg_policy WHERE oid = objid AND polrelid = ANY (ours))
            WHEN 'pg_rewrite'::regclass::oid
                THEN EXISTS (SELECT FROM pg_rewrite WHERE oid = objid AND ev_class = ANY (ours))
            WHEN 'pg_type'::regclass::oid THEN objid = ANY (types)
            WHEN 'pg_namespace'::regclass::oid THEN objid = here
            WHEN 'pg_cast'::regclass::oid
                THEN EXISTS (SELECT FROM pg_cast WHERE oid = objid AND (castsource = ANY (types) OR casttarget = ANY (types)))
            WHEN 'pg_opclass'::regclass::oid
                THEN EXISTS (SELECT FROM pg_opclass WHERE oid = objid AND opcintype = ANY (types))
            WHEN 'pg_constraint'::regclass::oid
                THEN EXISTS (SELECT FROM pg_constraint WHERE oid = objid AND conrelid = ANY (ours))
            -- One of the blotter's, or one that its functions would call in the place of PostgreSQL's own: of the same name,
            -- for types that they handle. One with the same types as PostgreSQL's is hidden behind it.
            WHEN 'pg_proc'::regclass::oid THEN EXISTS (
                SELECT FROM pg_proc AS planted
                WHERE planted.oid = objid AND planted.pronamespace = here AND (
                    planted.proname = ANY (routines) OR (
                        NOT EXISTS (
                            SELECT FROM unnest(planted.proargtypes) AS argument (type)
                            JOIN pg_type ON pg_type.oid = type
                            WHERE typnamespace <> 'pg_catalog'::regnamespace AND type <> ALL (types)
                        )
                        AND EXISTS (
                            SELECT FROM pg_proc AS own
                            WHERE own.pronamespace = 'pg_catalog'::regnamespace AND own.proname = planted.proname
                        )
                        AND NOT EXISTS (
                            SELECT FROM pg_proc AS own
                            WHERE own.pronamespace = 'pg_catalog'::regnamespace AND own.proname = planted.proname
                                AND own.proargtypes = planted.proargtypes
                        )
                    )
                )
            ) AND NOT in_extension
            WHEN 'pg_operator'::regclass::oid THEN EXISTS (
                SELECT FROM pg_operator AS planted
                JOIN pg_operator AS own
                    ON own.oprname = planted.oprname AND own.oprnamespace = 'pg_catalog'::regnamespace
                WHERE planted.oid = objid AND planted.oprnamespace = here AND NOT EXISTS (
                    SELECT FROM pg_type
                    WHERE oid IN (planted.oprleft, planted.oprright)
                        AND typnamespace <> 'pg_catalog'::regnamespace AND oid <> ALL (types)
                )
            ) AND NOT in_extension
            ELSE false
        END
        LIMIT 1;
        -- What was renamed or moved has another identity by now.
        IF what IS NULL THEN
            present := ARRAY(
                SELECT quote_ident(nspname) FROM pg_namespace WHERE oid = here
                UNION ALL
                SELECT format('%I.%I', {schema}, relname) FROM pg_class WHERE relnamespace = here
                UNION ALL
                SELECT format('%I.%I', {schema}, typname) FROM pg_type WHERE typnamespace = here
                UNION ALL
                SELECT (pg_identify_object('pg_proc'::regclass, oid, 0)).identity
                FROM pg_proc WHERE pronamespace = here AND proname = ANY (routines)
            );
            SELECT format('%s, by which %s is no longer there,', TG_TAG, object) INTO what
            FROM unnest(objects) AS object
            WHERE object <> ALL (present)
            LIMIT 1;
        END IF;
    END IF;

    IF what IS NOT NULL THEN
        RAISE EXCEPTION '% is refused: the schema % is hardened; to change it, a superuser runs `blotter harden --lift` '
            'before and `blotter harden` afterwards', what, quote_ident({schema})
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'blotter_hardened';
    END IF;
END
