//! Attacks by overloads. PostgreSQL prefers a function, an aggregate or an operator that fits the types exactly to
//! its own polymorphic one, even if it comes later on the search path. So whoever may create in the schema of the
//! tables could have code run as the ledger.

use crate::scene::{
    ADA, ADAS_CANCELLED, ADAS_PARTIAL, ADAS_PENDING, By, Held, ROLES, Scene, booking_of, break_of,
    bust_of, fill_of, log_of, order_of, replacement_of,
};

/// An id that no row has and no break names.
const NEW: &str = "e0000000-0000-7000-8000-000000000000";

attacks! {
    nobody_but_the_owner_creates_an_object_in_the_schema,
    no_overload_in_the_schema_is_called_when_a_trader_writes,
    no_overload_in_the_schema_is_called_when_the_engine_writes,
    no_overload_in_the_schema_is_called_when_the_engine_writes_a_batch,
}

/// Plants in the schema, for its own types and for those of its columns, an overload of each function and aggregate
/// of PostgreSQL that is polymorphic, of each that takes a text where a varchar could be given, and each operator
/// that PostgreSQL has only for other or for polymorphic types. All of them fail and name themselves.
const PLANT: &str = r#"
SET search_path = pg_catalog;
DO $plant$
DECLARE
    own CONSTANT regtype[] := ARRAY(
        SELECT t.oid FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid
        WHERE t.typnamespace = '@schema'::regnamespace AND (t.typtype = 'e' OR c.relkind = 'r')
    );
    plain CONSTANT regtype[] := '{
        boolean, smallint, integer, bigint, numeric, double precision, text, character varying, uuid, jsonb, date, timestamptz, interval, name
    }';
    candidate record;
    type regtype;
    operand regtype;
    arguments text;
    result text;
BEGIN
    CREATE FUNCTION @schema.planted(text) RETURNS void LANGUAGE plpgsql AS
        'BEGIN RAISE ''planted % was called by %'', $1, current_user; END';
    FOR candidate IN
        SELECT proname, prokind, proretset, prorettype::regtype::text AS result, ARRAY(
            SELECT replace(argument::regtype::text, '"any"', 'any')
            FROM unnest(proargtypes) WITH ORDINALITY AS listed (argument, place) ORDER BY place
        ) AS taken
        FROM pg_proc
        WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind IN ('f', 'a') AND pronargs BETWEEN 1 AND 3
            AND prorettype NOT IN ('trigger'::regtype, 'internal'::regtype)
            AND 'internal'::regtype <> ALL (proargtypes) AND 'cstring'::regtype <> ALL (proargtypes)
            AND NOT EXISTS (SELECT FROM pg_aggregate WHERE aggfnoid = pg_proc.oid AND aggkind <> 'n')
    LOOP
        FOREACH type IN ARRAY CASE
            WHEN candidate.taken::text ~ '\m(any|record\M)' THEN own || plain
            WHEN 'text' = ANY (candidate.taken) THEN ARRAY['varchar'::regtype]
            ELSE '{}'
        END LOOP
            arguments := (
                SELECT string_agg(CASE
                    WHEN taken IN ('anyarray', 'anycompatiblearray') THEN type || '[]'
                    WHEN taken ~ '^(any|record$)' OR (taken = 'text' AND type = 'varchar'::regtype) THEN type::text
                    ELSE taken
                END, ', ' ORDER BY place)
                FROM unnest(candidate.taken) WITH ORDINALITY AS listed (taken, place)
            );
            result := CASE
                WHEN candidate.result IN ('anyarray', 'anycompatiblearray') THEN type || '[]'
                WHEN candidate.result ~ '^any' THEN type::text
                WHEN candidate.result = 'record' THEN 'text'
                ELSE candidate.result
            END;
            -- Some can't be made for some types, and some are there already.
            BEGIN
                IF candidate.prokind = 'f' THEN
                    EXECUTE format(
                        'CREATE FUNCTION @schema.%I(%s) RETURNS %s %s LANGUAGE plpgsql
                            AS $body$ BEGIN PERFORM @schema.planted(%L); RETURN %s; END $body$',
                        candidate.proname, arguments, CASE WHEN candidate.proretset THEN 'SETOF' END, result,
                        format('%s(%s)', candidate.proname, arguments),
                        CASE WHEN NOT candidate.proretset AND result <> 'void' THEN 'NULL' END
                    );
                ELSE
                    EXECUTE format(
                        'CREATE OR REPLACE FUNCTION @schema.planted_step(text, %s) RETURNS text LANGUAGE plpgsql
                            AS $body$ BEGIN PERFORM @schema.planted(%L); END $body$;
                         CREATE AGGREGATE @schema.%I(%s) (
                             SFUNC = @schema.planted_step, STYPE = text, INITCOND = ''''
                         )',
                        arguments, format('an aggregate of %s', arguments), candidate.proname, arguments
                    );
                END IF;
            EXCEPTION
                WHEN duplicate_function OR invalid_function_definition OR datatype_mismatch OR undefined_object
                    OR feature_not_supported
                THEN NULL;
            END;
        END LOOP;
    END LOOP;

    FOREACH type IN ARRAY own || plain LOOP
        FOREACH operand IN ARRAY own || plain LOOP
            CONTINUE WHEN type <> operand AND type = ANY (own) AND operand = ANY (own);
            EXECUTE format(
                'CREATE FUNCTION @schema.planted_operator(%s, %s) RETURNS boolean LANGUAGE plpgsql
                    AS $body$ BEGIN PERFORM @schema.planted(%L); RETURN true; END $body$',
                type, operand, format('an operator of %s and %s', type, operand)
            );
            FOR candidate IN
                SELECT name FROM unnest('{=,<>,<,>,<=,>=,+,-,*,/,||,~,!~}'::text[]) AS name
                WHERE NOT EXISTS (
                    SELECT FROM pg_operator WHERE oprname = name AND oprleft = type AND oprright = operand
                )
            LOOP
                EXECUTE format(
                    'CREATE OPERATOR @schema.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = @schema.planted_operator)',
                    candidate.name, type, operand
                );
            END LOOP;
        END LOOP;
    END LOOP;
END
$plant$;
RESET search_path"#;

/// Asserts that the statements succeed although overloads are planted. Each is rolled back.
fn succeed(scene: &Scene, role: &str, identity: &str, statements: &[String]) -> Held {
    scene.run(PLANT);
    let mut writer = scene.member(role, identity);
    statements
        .iter()
        .try_for_each(|statement| writer.brings(&["done"], statement, "SELECT 'done' AS text"))
}

pub fn nobody_but_the_owner_creates_an_object_in_the_schema(scene: &Scene) -> Held {
    let denied = By::Words("permission denied for schema @schema");
    for role in ROLES {
        for plant in [
            "CREATE FUNCTION @schema.cardinality(fills[]) RETURNS integer LANGUAGE sql RETURN 0",
            "CREATE AGGREGATE @schema.array_agg(fills) (SFUNC = array_append, STYPE = fills[])",
            "CREATE OPERATOR @schema.= (
                 LEFTARG = order_status_enum, RIGHTARG = order_status_enum, FUNCTION = enum_eq
             )",
            "CREATE TABLE @schema.more (id integer)",
        ] {
            scene.member(role, "").refused(denied, plant)?;
        }
    }
    scene.stranger().refused(denied, "CREATE TABLE @schema.more (id integer)")
}

pub fn no_overload_in_the_schema_is_called_when_a_trader_writes(scene: &Scene) -> Held {
    let statements =
        [order_of(ADA), replacement_of(ADAS_PENDING, ADA), log_of(ADAS_PENDING, ADA, "CANCELLED")];
    succeed(scene, "blotter_trader", ADA, &statements)
}

pub fn no_overload_in_the_schema_is_called_when_the_engine_writes(scene: &Scene) -> Held {
    let statements = [
        order_of(ADA),
        replacement_of(ADAS_PENDING, ADA),
        log_of(ADAS_PENDING, "", "APPROVED"),
        log_of(ADAS_PENDING, "", "EXECUTED"),
        log_of(ADAS_PENDING, "", "REJECTED"),
        log_of(ADAS_PENDING, "", "RECOVERED"),
        fill_of(ADAS_PARTIAL, ""),
        format!(
            "INSERT INTO @schema.fills (order_id, quantity_filled, price_at_fill, venue, execution_id)
             VALUES ('{ADAS_PARTIAL}', 1, 1, 'X', 'X-1'), ('{ADAS_PARTIAL}', 149, 2, 'X', 'X-2')"
        ),
        bust_of(ADAS_PARTIAL),
        format!(
            "INSERT INTO @schema.fills (amends, quantity_filled, price_at_fill)
             VALUES ('{ADAS_PARTIAL}', 10, 11)"
        ),
        break_of(ADAS_PENDING),
        booking_of(ADAS_CANCELLED),
        format!(
            "INSERT INTO @schema.break_resolutions (break_id, is_booked, reason)
             VALUES ('{ADAS_CANCELLED}', false, 'X')"
        ),
        format!(
            "INSERT INTO @schema.orders (trader_id, symbol, quantity, order_type, expires_at)
             VALUES ('{ADA}', 'X', 1, 'MARKET', '2026-01-01');
             SELECT @schema.blotter_expire_due('2026-01-02', 100)"
        ),
    ];
    succeed(scene, "blotter_engine", "", &statements)
}

pub fn no_overload_in_the_schema_is_called_when_the_engine_writes_a_batch(scene: &Scene) -> Held {
    scene.run(PLANT);
    let mut engine = scene.engine();
    let stored = format!("{{{NEW}}}");
    engine.sees(
        &[&stored],
        format!(
            "SELECT @schema.blotter_submit_orders(
                 '{{{NEW}}}', '{{{ADA}}}', '{{BUY}}', '{{X}}', '{{1}}', '{{LIMIT}}', '{{1}}', '{{NULL}}',
                 '{{NULL}}', '{{NULL}}', '{{X}}', '{{2026-11-20}}', '{{X}}', '{{NULL}}', '{{NULL}}', '{{USD}}',
                 '{{NULL}}', '{{NULL}}'
             )::text AS text"
        ),
    )?;
    engine.sees(
        &[&stored],
        format!(
            "SELECT @schema.blotter_record_fills(
                 '{{{NEW}}}', '{{{ADAS_PARTIAL}}}', '{{2026-11-20}}', '{{1}}', '{{1}}', '{{X}}', '{{0}}',
                 '{{0}}', '{{X}}', '{{X-1}}'
             )::text AS text"
        ),
    )?;
    engine.brings(
        &["CANCELLED"],
        format!(
            "SELECT @schema.blotter_log_actions(
                 '{{{ADAS_PENDING}}}', '{{CANCELLED}}', '{{X}}', '{{NULL}}', '{{X}}', '{{NULL}}', '{{{NEW}}}'
             )"
        ),
        format!("SELECT status::text AS text FROM @schema.orders WHERE id = '{ADAS_PENDING}'"),
    )
}
