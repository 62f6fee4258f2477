//! Attacks of the owner of the tables on a hardened schema: it may alter and drop what it owns, and with that
//! the guards, unless the event triggers of a superuser refuse it.

use tradeblotter::harden::{self, Hardening};

use crate::scene::{By, Held, Scene};

/// The rule that the event triggers name.
const HARDENED: By<'_> = By::Rule("blotter_hardened");

attacks! {
    the_owner_alters_nothing_of_a_hardened_schema,
    the_owner_rewrites_no_column_of_a_hardened_schema,
    the_owner_drops_nothing_of_a_hardened_schema,
    the_owner_adds_nothing_to_a_hardened_table,
    the_owner_renames_and_moves_nothing_of_a_hardened_schema,
    the_owner_plants_nothing_that_the_functions_of_a_hardened_schema_would_call,
    the_owner_builds_and_drops_no_index_of_a_hardened_schema_outside_of_a_transaction,
    the_owner_gives_a_hardened_schema_to_nobody,
    the_owner_lifts_no_hardening,
    a_superuser_in_replica_mode_alters_no_hardened_schema,
    other_objects_in_a_hardened_schema_are_altered_and_dropped_as_before,
}

/// Hardens the schema, unless a rehearsal has done so and then weakened it.
fn harden(scene: &Scene) {
    let mut superuser = scene.superuser();
    if harden::state(superuser.connection()).unwrap() == Hardening::Off {
        harden::install(superuser.connection()).unwrap();
    }
}

fn all_refused(scene: &Scene, statements: &[&str]) -> Held {
    harden(scene);
    let mut owner = scene.owner("");
    statements.iter().try_for_each(|statement| owner.refused(HARDENED, statement))
}

pub fn the_owner_alters_nothing_of_a_hardened_schema(scene: &Scene) -> Held {
    all_refused(
        scene,
        &[
            "ALTER TABLE fills DISABLE TRIGGER fills_keep_values",
            "ALTER TABLE orders ENABLE TRIGGER orders_keep_row",
            "ALTER TABLE fills NO FORCE ROW LEVEL SECURITY",
            "ALTER TABLE fills ALTER price_at_fill DROP NOT NULL",
            "ALTER TABLE traders ADD desk text",
            "ALTER SEQUENCE execution_logs_sequence MINVALUE -20 RESTART -20",
            "ALTER POLICY orders_trader_isolation ON orders USING (true)",
            "ALTER INDEX idx_fills_order SET (fillfactor = 50)",
            "ALTER TYPE order_status_enum ADD VALUE 'LOST'",
            "CREATE OR REPLACE FUNCTION blotter_refuse_change() RETURNS trigger LANGUAGE plpgsql
             AS 'BEGIN RETURN NEW; END'",
            "CREATE OR REPLACE FUNCTION blotter_trader_id() RETURNS uuid LANGUAGE sql STABLE
             RETURN gen_random_uuid()",
            "ALTER FUNCTION blotter_trader_id() VOLATILE",
            "COMMENT ON TABLE traders IS NULL",
        ],
    )
}

pub fn the_owner_rewrites_no_column_of_a_hardened_schema(scene: &Scene) -> Held {
    harden(scene);
    scene.owner("").refused(
        By::Words(
            "ALTER TABLE, which rewrites @schema.fills, is refused: the schema @schema is hardened",
        ),
        "ALTER TABLE fills ALTER price_at_fill TYPE numeric(10,2) USING price_at_fill * 2",
    )
}

pub fn the_owner_drops_nothing_of_a_hardened_schema(scene: &Scene) -> Held {
    harden(scene);
    scene.owner("").refused(
        By::Words("DROP TABLE, which drops table @schema.break_resolutions, is refused"),
        "DROP TABLE break_resolutions",
    )?;
    all_refused(
        scene,
        &[
            "DROP TABLE orders CASCADE",
            "DROP SCHEMA @schema CASCADE",
            "DROP OWNED BY blotter CASCADE",
            "DROP SEQUENCE execution_logs_sequence CASCADE",
            "DROP TRIGGER fills_keep_row ON fills",
            "DROP POLICY fills_trader_records_nothing ON fills",
            "DROP INDEX uq_fills_execution_id",
            "DROP FUNCTION fills_stamp() CASCADE",
            "DROP PROCEDURE blotter_permit_revert()",
            "DROP TYPE action_enum CASCADE",
            "ALTER TABLE orders DROP CONSTRAINT ck_orders_quantity_positive",
            "ALTER TABLE orders DROP COLUMN price CASCADE",
        ],
    )
}

pub fn the_owner_adds_nothing_to_a_hardened_table(scene: &Scene) -> Held {
    harden(scene);
    let mut owner = scene.owner("");
    let before = "CREATE TABLE elsewhere (LIKE fills INCLUDING ALL);
        CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'";
    [
        "CREATE TRIGGER swallow BEFORE INSERT ON fills FOR EACH ROW EXECUTE FUNCTION swallow()",
        "CREATE RULE swallow AS ON INSERT TO execution_logs DO INSTEAD NOTHING",
        "CREATE POLICY everybody ON orders USING (true)",
        "CREATE UNIQUE INDEX one_venue ON fills (venue, id)",
        "CREATE TABLE more () INHERITS (fills)",
        "ALTER TABLE fills INHERIT elsewhere",
        "ALTER TABLE elsewhere INHERIT fills",
    ]
    .iter()
    .try_for_each(|statement| owner.refused_after(HARDENED, before, statement))
}

pub fn the_owner_renames_and_moves_nothing_of_a_hardened_schema(scene: &Scene) -> Held {
    harden(scene);
    let mut owner = scene.owner("");
    let before = "CREATE SCHEMA elsewhere";
    [
        "ALTER TABLE fills RENAME TO filled",
        "ALTER TABLE fills SET SCHEMA elsewhere",
        "ALTER TABLE fills RENAME CONSTRAINT ck_fills_quantity_positive TO checked",
        "ALTER TABLE fills RENAME venue TO place",
        "ALTER INDEX idx_fills_order RENAME TO idx_filled",
        "ALTER TRIGGER fills_keep_row ON fills RENAME TO kept",
        "ALTER TYPE action_enum RENAME TO actions",
        "ALTER TYPE action_enum SET SCHEMA elsewhere",
        "ALTER FUNCTION blotter_refuse_change() RENAME TO refuse",
        "ALTER FUNCTION blotter_refuse_change() SET SCHEMA elsewhere",
        "ALTER SCHEMA @schema RENAME TO elsewhere_too",
    ]
    .iter()
    .try_for_each(|statement| owner.refused_after(HARDENED, before, statement))
}

pub fn the_owner_plants_nothing_that_the_functions_of_a_hardened_schema_would_call(
    scene: &Scene,
) -> Held {
    harden(scene);
    let mut owner = scene.owner("");
    let before =
        "CREATE FUNCTION yes(action_enum, action_enum) RETURNS boolean LANGUAGE sql RETURN true";
    [
        "CREATE FUNCTION cardinality(fills[]) RETURNS integer LANGUAGE sql RETURN 0",
        "CREATE FUNCTION fills_stamp(integer) RETURNS integer LANGUAGE sql RETURN 0",
        "CREATE AGGREGATE array_agg(fills) (SFUNC = array_append, STYPE = fills[])",
        "CREATE OPERATOR = (LEFTARG = action_enum, RIGHTARG = action_enum, FUNCTION = yes)",
        "CREATE CAST (action_enum AS text) WITH INOUT AS IMPLICIT",
        "ALTER FUNCTION yes(action_enum, action_enum) RENAME TO enum_eq",
    ]
    .iter()
    .try_for_each(|statement| owner.refused_after(HARDENED, before, statement))
}

/// CREATE and DROP INDEX CONCURRENTLY commit before any event trigger learns which index it was.
pub fn the_owner_builds_and_drops_no_index_of_a_hardened_schema_outside_of_a_transaction(
    scene: &Scene,
) -> Held {
    all_refused(
        scene,
        &[
            "CREATE INDEX CONCURRENTLY slow ON Fills (venue)",
            r#"CREATE INDEX CONCURRENTLY slow ON U&"\0066ills" (venue)"#,
            "DROP INDEX CONCURRENTLY uq_fills_execution_id",
        ],
    )
}

pub fn the_owner_gives_a_hardened_schema_to_nobody(scene: &Scene) -> Held {
    harden(scene);
    let mut owner = scene.owner("");
    // Rolled back with each refusal: roles belong to the cluster.
    let heir = "CREATE ROLE heir; GRANT heir TO blotter; GRANT CREATE ON SCHEMA @schema TO heir";
    [
        "ALTER TABLE fills OWNER TO heir",
        "ALTER TYPE action_enum OWNER TO heir",
        "ALTER FUNCTION blotter_refuse_change() OWNER TO heir",
    ]
    .iter()
    .try_for_each(|statement| owner.refused_after(HARDENED, heir, statement))
}

pub fn the_owner_lifts_no_hardening(scene: &Scene) -> Held {
    harden(scene);
    let mut owner = scene.owner("");
    for part in ["start", "end", "drop", "rewrite"] {
        let trigger = format!("blotter_harden_{part}_@schema");
        let words = format!("must be owner of event trigger {trigger}");
        owner.refused(By::Words(&words), format!("DROP EVENT TRIGGER {trigger}"))?;
        owner.refused(By::Words(&words), format!("ALTER EVENT TRIGGER {trigger} DISABLE"))?;
    }
    let function = "blotter_harden.refuse_@schema()";
    let denied = By::Words("permission denied for schema blotter_harden");
    owner.refused(denied, format!("DROP FUNCTION {function} CASCADE"))?;
    owner.refused(denied, format!("ALTER FUNCTION {function} OWNER TO blotter"))?;
    let schema = By::Words("must be owner of schema blotter_harden");
    owner.refused(schema, "DROP SCHEMA blotter_harden CASCADE")?;
    owner.refused(schema, "ALTER SCHEMA blotter_harden OWNER TO blotter")?;
    owner.refused(
        By::Words("permission denied to set parameter \"session_replication_role\""),
        "SET session_replication_role = replica",
    )
}

pub fn a_superuser_in_replica_mode_alters_no_hardened_schema(scene: &Scene) -> Held {
    harden(scene);
    let mut replica = scene.replica();
    for statement in [
        "DROP TABLE break_resolutions",
        "DROP TRIGGER fills_keep_row ON fills",
        "ALTER TABLE fills DISABLE TRIGGER ALL",
    ] {
        replica.refused(HARDENED, statement)?;
    }
    replica.refused(
        By::Words("ALTER TABLE, which rewrites @schema.fills,"),
        "ALTER TABLE fills ALTER price_at_fill TYPE numeric(10,2) USING price_at_fill * 2",
    )
}

pub fn other_objects_in_a_hardened_schema_are_altered_and_dropped_as_before(scene: &Scene) -> Held {
    harden(scene);
    scene.owner("").brings(
        &["1"],
        "CREATE TYPE mood AS ENUM ('calm');
         ALTER TYPE mood ADD VALUE 'frantic';
         CREATE TABLE baskets (id uuid PRIMARY KEY, order_id uuid REFERENCES orders, mood mood, size integer);
         CREATE INDEX baskets_by_size ON baskets (size);
         ALTER TABLE baskets ALTER size TYPE bigint USING size * 2, ENABLE ROW LEVEL SECURITY;
         CREATE POLICY everybody ON baskets USING (true);
         CREATE FUNCTION baskets_touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         CREATE TRIGGER touch BEFORE UPDATE ON baskets FOR EACH ROW EXECUTE FUNCTION baskets_touch();
         CREATE VIEW own_orders AS SELECT * FROM orders;
         CREATE FUNCTION notional_of(orders) RETURNS numeric LANGUAGE sql RETURN $1.filled_notional;
         GRANT SELECT ON baskets TO blotter_engine;
         ALTER INDEX baskets_by_size RENAME TO by_size;
         DROP INDEX by_size;
         DROP TRIGGER touch ON baskets;
         DROP FUNCTION baskets_touch();
         DROP FUNCTION notional_of(orders);
         CREATE FUNCTION length(baskets) RETURNS integer LANGUAGE sql RETURN 1;
         CREATE FUNCTION gen_random_uuid() RETURNS uuid LANGUAGE sql RETURN NULL::uuid;
         CREATE FUNCTION same(baskets, baskets) RETURNS boolean LANGUAGE sql RETURN true;
         CREATE OPERATOR = (LEFTARG = baskets, RIGHTARG = baskets, FUNCTION = same);
         DROP OPERATOR = (baskets, baskets);
         DROP FUNCTION length(baskets), same(baskets, baskets), @schema.gen_random_uuid();
         DROP VIEW own_orders;
         DROP TABLE baskets;
         DROP TYPE mood;
         CREATE SCHEMA app;
         CREATE TABLE app.orders (id integer);
         ALTER TABLE app.orders ALTER id TYPE bigint;
         DROP SCHEMA app CASCADE",
        "SELECT '1' AS text",
    )
}
