//! The schema: the objects of the base schema are exactly those of its definition, what was added since is in
//! `catalog.expected`, and `catalog::differences` reports every deviation.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;
use expect_test::expect_file;
use tradeblotter::catalog;

use tradeblotter_test_support::{Database, texts};

/// The expression that policies compare a trader's id with.
const ME: &str = "blotter_trader_id()";

/// The columns of a table, in order: name, type, nullability, default.
fn columns(table: &str) -> Vec<String> {
    let sql = format!(
        "SELECT concat_ws(', ', attname, format_type(atttypid, atttypmod),
            CASE WHEN attnotnull THEN 'not null' ELSE 'null' END,
            pg_get_expr(adbin, adrelid)) AS text
         FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
         WHERE attrelid = '{table}'::regclass AND attnum > 0 AND NOT attisdropped
         ORDER BY attnum"
    );
    texts(&mut Database::migrated().owner(), &sql)
}

/// Asserts that each of these lines is among those that the query returns.
#[track_caller]
fn assert_contains(sql: &str, lines: &[String]) {
    let found = texts(&mut Database::migrated().owner(), sql);
    for line in lines {
        assert!(found.contains(line), "{line}\nis not among\n{}", found.join("\n"));
    }
}

/// Asserts that each of these constraints of one kind exists.
#[track_caller]
fn assert_has_constraints(kind: &str, constraints: &[String]) {
    let sql = format!(
        "SELECT format('%s on %s: %s', conname, conrelid::regclass, pg_get_constraintdef(oid, true))
            AS text
         FROM pg_constraint
         WHERE connamespace = 'public'::regnamespace AND contype = '{kind}'"
    );
    assert_contains(&sql, constraints);
}

#[test]
fn the_enums_of_the_base_have_these_labels_in_this_order() {
    let enums = "SELECT format('%s: %s', enumtypid::regtype,
                    string_agg(enumlabel, ', ' ORDER BY enumsortorder)) AS text
                 FROM pg_enum GROUP BY enumtypid";
    let labels = [
        "action_enum: SUBMITTED, APPROVED, EXECUTED, FILLED, REJECTED, CANCELLED, RECOVERED",
        "order_status_enum: PENDING, FILLED, PARTIAL, REJECTED, CANCELLED",
        "order_type_enum: MARKET, LIMIT, STOP",
    ];
    assert_contains(enums, &labels.map(str::to_owned));
}

#[test]
fn traders_have_these_columns() {
    assert_eq!(
        columns("traders"),
        [
            "id, uuid, not null, gen_random_uuid()",
            "name, character varying(100), not null",
            "created_at, timestamp with time zone, not null, now()",
            "sequence, bigint, not null",
        ],
    );
}

#[test]
fn orders_begin_with_the_fourteen_columns_of_the_base() {
    assert_eq!(
        columns("orders")[..14],
        [
            "id, uuid, not null, gen_random_uuid()",
            "trader_id, uuid, not null",
            "symbol, character varying(10), not null",
            "quantity, integer, not null",
            "order_type, order_type_enum, not null",
            "price, numeric(10,2), null",
            "stop_loss, numeric(10,2), null",
            "take_profit, numeric(10,2), null",
            "status, order_status_enum, not null, 'PENDING'::order_status_enum",
            "filled_quantity, integer, not null, 0",
            "average_fill_price, numeric(10,2), null",
            "created_at, timestamp with time zone, not null, now()",
            "updated_at, timestamp with time zone, not null, now()",
            "expires_at, timestamp with time zone, null",
        ],
    );
}

#[test]
fn fills_begin_with_the_eight_columns_of_the_base() {
    assert_eq!(
        columns("fills")[..8],
        [
            "id, uuid, not null, gen_random_uuid()",
            "order_id, uuid, not null",
            "timestamp, timestamp with time zone, not null, now()",
            "quantity_filled, integer, not null",
            "price_at_fill, numeric(10,2), not null",
            "venue, character varying(50), not null",
            "commission, numeric(10,2), not null, 0",
            "created_at, timestamp with time zone, not null, now()",
        ],
    );
}

#[test]
fn execution_logs_begin_with_the_ten_columns_of_the_base() {
    assert_eq!(
        columns("execution_logs")[..10],
        [
            "id, uuid, not null, gen_random_uuid()",
            "order_id, uuid, not null",
            "trader_id, uuid, not null",
            "action, action_enum, not null",
            "status, order_status_enum, null",
            "timestamp, timestamp with time zone, not null, now()",
            "reason, text, null",
            "retry_attempt, integer, null",
            "error_code, character varying(50), null",
            "created_at, timestamp with time zone, not null, now()",
        ],
    );
}

#[test]
fn every_column_that_was_added_to_the_base_may_be_left_out_of_an_insert() {
    let required = "SELECT attrelid::regclass || '.' || attname AS text FROM pg_attribute
                    WHERE attrelid IN ('orders'::regclass, 'fills'::regclass, 'execution_logs'::regclass)
                        AND attnum > CASE attrelid WHEN 'orders'::regclass THEN 14
                            WHEN 'fills'::regclass THEN 8 ELSE 10 END
                        AND NOT attisdropped AND attnotnull AND NOT atthasdef
                    ORDER BY 1";
    // Triggers set these columns before the row is checked.
    assert_eq!(
        texts(&mut Database::migrated().owner(), required),
        [
            "execution_logs.sequence",
            "fills.root_id",
            "fills.source",
            "fills.trader_id",
            "orders.root_id",
        ]
    );
}

#[test]
fn the_columns_of_orders_in_the_base_have_these_comments() {
    let comments = "SELECT format('%s: %s', attname, col_description(attrelid, attnum)) AS text
                    FROM pg_attribute
                    WHERE attrelid = 'orders'::regclass AND attnum BETWEEN 1 AND 14
                    ORDER BY attnum";
    assert_eq!(
        texts(&mut Database::migrated().owner(), comments),
        [
            "id: Unique order identifier",
            "trader_id: Reference to trader",
            "symbol: Stock symbol (e.g. AAPL, MSFT)",
            "quantity: Number of shares to trade",
            "order_type: MARKET / LIMIT / STOP",
            "price: Limit price, or a STOP's trigger; null for market orders",
            "stop_loss: Risk-management price: close the position at this loss",
            "take_profit: Risk-management price: close the position at this profit",
            "status: Current order status",
            "filled_quantity: Quantity filled so far",
            "average_fill_price: Average price of all fills",
            "created_at: Submitted",
            "updated_at: Last modified",
            "expires_at: Expiration, if a timeout is set",
        ],
    );
}

#[test]
fn the_primary_keys_of_the_base_are_the_ids() {
    let key = |table: &str| format!("{table}_pkey on {table}: PRIMARY KEY (id)");
    assert_has_constraints("p", &["orders", "fills", "execution_logs", "traders"].map(key));
}

#[test]
fn the_eight_checks_of_the_base_are_there_by_their_names() {
    let limit = "order_type = 'MARKET'::order_type_enum OR price IS NOT NULL";
    let check = |name: &str, table: &str, condition: &str| {
        format!("{name} on {table}: CHECK ({condition})")
    };
    assert_has_constraints(
        "c",
        &[
            check("ck_fills_commission_nonnegative", "fills", "commission >= 0::numeric"),
            check("ck_fills_price_positive", "fills", "price_at_fill > 0::numeric"),
            check("ck_fills_quantity_positive", "fills", "quantity_filled > 0"),
            check("ck_orders_filled_lte_quantity", "orders", "filled_quantity <= quantity"),
            check("ck_orders_filled_quantity_nonnegative", "orders", "filled_quantity >= 0"),
            check("ck_orders_limit_requires_price", "orders", limit),
            check("ck_orders_price_positive", "orders", "price IS NULL OR price > 0::numeric"),
            check("ck_orders_quantity_positive", "orders", "quantity > 0"),
        ],
    );
}

#[test]
fn the_foreign_keys_of_the_base_cascade_from_orders_and_no_other_does() {
    let to_order = "FOREIGN KEY (order_id) REFERENCES orders(id) ON DELETE CASCADE";
    let to_trader = "FOREIGN KEY (trader_id) REFERENCES traders(id)";
    assert_has_constraints(
        "f",
        &[
            format!("fk_execution_logs_order_id on execution_logs: {to_order}"),
            format!("fk_execution_logs_trader_id on execution_logs: {to_trader}"),
            format!("fk_fills_order_id on fills: {to_order}"),
            format!("fk_orders_trader_id on orders: {to_trader}"),
        ],
    );
    let cascading = "SELECT conname::text AS text FROM pg_constraint
                     WHERE contype = 'f' AND confdeltype <> 'a' ORDER BY 1";
    assert_eq!(
        texts(&mut Database::migrated().owner(), cascading),
        ["fk_execution_logs_order_id", "fk_fills_order_id"]
    );
}

#[test]
fn the_eight_indexes_of_the_base_are_there_by_their_names() {
    let indexes = r#"SELECT replace(indexdef, '"', '') AS text FROM pg_indexes
                     WHERE schemaname = 'public'"#;
    let on = |name: &str, table: &str, keys: &str| {
        format!("CREATE INDEX {name} ON public.{table} USING btree ({keys})")
    };
    let log = "execution_logs";
    assert_contains(
        indexes,
        &[
            on("idx_execution_logs_action", log, "action"),
            on("idx_execution_logs_order", log, "order_id"),
            on("idx_execution_logs_trader_timestamp", log, "trader_id, timestamp DESC"),
            on("idx_fills_order", "fills", "order_id"),
            on("idx_fills_timestamp", "fills", "timestamp DESC"),
            on("idx_orders_status", "orders", "status"),
            on("idx_orders_trader_created", "orders", "trader_id, created_at DESC"),
            on("idx_orders_trader_status", "orders", "trader_id, status"),
        ],
    );
}

#[test]
fn the_five_policies_of_the_base_are_there_by_their_names() {
    let policies = r"SELECT concat_ws(', ', policyname, tablename, permissive, cmd,
                        array_to_string(roles, ' '),
                        'USING ' || regexp_replace(qual, '\s+', ' ', 'g'),
                        'CHECK ' || regexp_replace(with_check, '\s+', ' ', 'g')) AS text
                     FROM pg_policies
                     WHERE policyname ~ '_trader_isolation$|_immutable'
                        AND tablename IN ('orders', 'fills', 'execution_logs')
                     ORDER BY policyname";
    let log = "execution_logs";
    assert_eq!(
        texts(&mut Database::migrated().owner(), policies),
        [
            format!("execution_logs_immutable, {log}, RESTRICTIVE, UPDATE, public, USING false"),
            format!(
                "execution_logs_immutable_delete, {log}, RESTRICTIVE, DELETE, public, USING false"
            ),
            format!(
                "execution_logs_trader_isolation, {log}, PERMISSIVE, ALL, public, \
                 USING (trader_id = {ME}), CHECK ((trader_id = {ME}) \
                 AND (action = 'CANCELLED'::action_enum) AND (error_code IS NULL) \
                 AND (retry_attempt IS NULL) AND (venue_order_id IS NULL) \
                 AND (reported_at IS NULL) AND (report_id IS NULL))"
            ),
            format!(
                "fills_trader_isolation, fills, PERMISSIVE, ALL, public, USING (trader_id = {ME})"
            ),
            format!(
                "orders_trader_isolation, orders, PERMISSIVE, ALL, public, USING (trader_id = {ME})"
            ),
        ],
    );
}

#[test]
fn every_foreign_key_has_an_index_that_begins_with_its_column() {
    // Without an index, a DELETE of the referenced row scans the whole table. The lookup never searches
    // for NULL, so a partial index with IS NOT NULL is enough.
    let unindexed = "SELECT conname::text AS text FROM pg_constraint
                     JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[1]
                     WHERE contype = 'f' AND NOT EXISTS (
                        SELECT FROM pg_index
                        WHERE indrelid = conrelid AND indkey[0] = conkey[1] AND indisvalid
                            AND coalesce(pg_get_expr(indpred, indrelid), '')
                                IN ('', format('(%I IS NOT NULL)', attname))
                     )";
    assert_eq!(texts(&mut Database::migrated().owner(), unindexed), [""; 0]);
}

#[test]
fn every_table_column_and_enum_has_a_comment() {
    let silent = "SELECT pg_describe_object(catalog, oid, part) AS text
                  FROM (
                    SELECT 'pg_class'::regclass AS catalog, c.oid, attnum AS part
                    FROM pg_class c
                    JOIN (
                        SELECT attrelid, attnum FROM pg_attribute
                        WHERE attnum > 0 AND NOT attisdropped
                        UNION ALL SELECT oid, 0 FROM pg_class
                    ) a ON attrelid = c.oid
                    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v')
                        AND relname <> '__diesel_schema_migrations'
                    UNION ALL
                    SELECT 'pg_type'::regclass, oid, 0 FROM pg_type WHERE typtype = 'e'
                  ) object
                  WHERE NOT EXISTS (
                    SELECT FROM pg_description
                    WHERE classoid = catalog AND objoid = oid AND objsubid = part
                        AND description ~ '[^[:space:]]'
                  )";
    assert_eq!(texts(&mut Database::migrated().owner(), silent), [""; 0]);
}

#[test]
fn catalog_expected_is_what_a_fresh_database_says() {
    let database = Database::migrated();
    let conn = &mut database.owner();
    expect_file!["../../src/database/catalog.expected"].assert_eq(&catalog::facts(conn).unwrap());
    assert_eq!(catalog::differences(conn).unwrap(), []);
}

#[test]
fn writers_expected_is_what_a_database_says_whose_policies_triggers_repeat() {
    let database = Database::migrated();
    let conn = &mut database.owner();
    conn.batch_execute(include_str!("../../src/database/citus/writers.sql")).unwrap();
    let facts = catalog::facts(conn).unwrap();
    let own = facts.lines().filter(|line| line.contains("_writer"));
    let own: String = own.map(|line| format!("{line}\n")).collect();
    expect_file!["../../src/database/citus/writers.expected"].assert_eq(&own);
}

/// The functions as they are, readable in one place beside the migrations that made them.
#[test]
fn functions_sql_holds_every_function_as_a_fresh_database_has_it() {
    let functions = "SELECT pg_get_functiondef(oid) || ';' AS text FROM pg_proc
                     WHERE pronamespace = 'public'::regnamespace AND proname !~ '^diesel_'
                     ORDER BY proname COLLATE \"C\"";
    let database = Database::migrated();
    let conn = &mut database.owner();
    // Versions of PostgreSQL write an expression that they have parsed differently.
    let version = texts(
        conn,
        "SELECT (current_setting('server_version_num')::integer / 10000)::text AS text",
    );
    if version == ["15"] {
        let header = "-- The functions of a migrated database, written by a test; the migrations define them.\n";
        let all = format!("{header}\n{}\n", texts(conn, functions).join("\n\n"));
        expect_file!["../../migrations/functions.sql"].assert_eq(&all);
    }
}

/// What a table on a shard of Citus may not have or ignores silently.
#[test]
fn nothing_in_the_schema_keeps_it_from_being_distributed() {
    let database = Database::migrated();
    let conn = &mut database.owner();
    let found = texts(
        conn,
        "SELECT 'policy with a sub-select: ' || policyname AS text FROM pg_policies
         WHERE concat(qual, with_check) ~* '\\mselect\\M'
         UNION ALL
         SELECT 'trigger with a transition table: ' || tgname FROM pg_trigger
         WHERE coalesce(tgnewtable, tgoldtable) IS NOT NULL
         UNION ALL
         -- RESTRICTIVE is dropped: each of these only repeats what no grant and no permissive policy allows.
         SELECT 'restrictive policy: ' || policyname FROM pg_policies
         WHERE permissive = 'RESTRICTIVE' AND policyname !~ '_immutable|_nothing$'
         UNION ALL
         SELECT 'sub-query in VALUES: ' || proname FROM pg_proc
         WHERE pronamespace = 'public'::regnamespace AND prosrc ~* 'values \\([^;]*\\mselect\\M'
         UNION ALL
         SELECT 'volatile or stable function in an UPDATE: ' || proname FROM pg_proc
         WHERE pronamespace = 'public'::regnamespace
             AND prosrc ~* 'update orders set[^;]*(clock_timestamp|\\mstatus::text|\\minterval\\M)'
         UNION ALL
         SELECT 'WITH that writes: ' || proname FROM pg_proc
         WHERE pronamespace = 'public'::regnamespace
             AND prosrc ~* '\\mas (not )?(materialized )?\\(\\s*(insert|update|delete)\\M'
         UNION ALL
         SELECT 'row of a trigger as an argument: ' || proname FROM pg_proc
         WHERE pronamespace = 'public'::regnamespace AND prosrc ~* '\\mperform [^;]*\\(new[,)]'",
    );
    assert_eq!(found, [""; 0]);
}

/// Otherwise PostgreSQL plans each call again, or keeps the plan of the first trader of a connection for all others.
#[test]
fn the_plan_of_a_traders_read_is_the_same_for_a_trader_with_many_rows_and_one_with_few() {
    #[derive(QueryableByName)]
    struct Line {
        #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
        text: String,
    }
    let database = Database::migrated();
    let conn = &mut database.unguarded();
    conn.batch_execute(
        "INSERT INTO traders (id, name)
         SELECT gen_random_uuid(), name FROM unnest(ARRAY['Busy', 'Quiet']) AS name;
         INSERT INTO orders (trader_id, symbol, quantity, order_type)
         SELECT traders.id, 'AAPL', 1, 'MARKET' FROM traders
         CROSS JOIN generate_series(1, CASE name WHEN 'Busy' THEN 1000 ELSE 10 END);
         ANALYZE orders",
    )
    .unwrap();
    let mut plan_of = |name: &str| {
        let identity = format!(
            "RESET ROLE;
             SELECT set_config('app.user_id', id::text, false) FROM traders WHERE name = '{name}';
             SET ROLE blotter_trader"
        );
        conn.batch_execute(&identity).unwrap();
        let lines: Vec<Line> =
            diesel::sql_query("EXPLAIN SELECT * FROM orders").load(conn).unwrap();
        lines.into_iter().map(|line| line.text).collect::<Vec<_>>()
    };
    assert_eq!(plan_of("Busy"), plan_of("Quiet"));
}

#[test]
fn every_function_of_the_schema_is_looked_at() {
    let database = Database::migrated();
    let conn = &mut database.owner();
    let functions =
        "SELECT proname || '(' || pg_get_function_identity_arguments(oid) || ')' AS text
                     FROM pg_proc
                     WHERE pronamespace = 'public'::regnamespace AND proname !~ '^diesel_'";
    let facts = catalog::facts(conn).unwrap();
    let missed = |function: &String| !facts.contains(&format!("function {function}\towner"));
    assert_eq!(texts(conn, functions).into_iter().filter(missed).collect::<Vec<_>>(), [""; 0]);
}

/// A change to the schema, and the differences that must report it.
type Case<'a> = (&'a str, &'a [&'a str]);

/// Makes each change in a transaction of its own, in which `differences` reports exactly that change.
fn tells(cases: &[Case<'_>]) {
    let database = Database::migrated();
    // Runs as the superuser, who may disable the triggers of a foreign key.
    let conn = &mut database.admin();
    for (change, lines) in cases {
        let found = conn.test_transaction::<_, diesel::result::Error, _>(|conn| {
            conn.batch_execute(change)?;
            Ok(catalog::differences(conn).unwrap())
        });
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found, *lines, "{change}");
    }
    assert_eq!(catalog::differences(conn).unwrap(), []);
}

#[test]
fn a_changed_table_is_told_in_one_line() {
    tells(&[
        ("DROP TABLE break_resolutions", &["table break_resolutions: missing"]),
        (
            "DROP TABLE execution_logs",
            &["table execution_logs: missing", "table execution_logs_sequence: missing"],
        ),
        ("ALTER TABLE break_resolutions RENAME TO said", &["table break_resolutions: missing"]),
        (
            "ALTER TABLE break_resolutions SET UNLOGGED",
            &["table break_resolutions: kind is unlogged table, expected table"],
        ),
        (
            "ALTER TABLE fills OWNER TO postgres",
            &["table fills: owner is postgres, expected owner of the tables"],
        ),
        (
            "CREATE TABLE more () INHERITS (execution_logs)",
            &["table execution_logs: inheritance is more, expected none"],
        ),
        (
            "COMMENT ON TABLE orders IS 'Baskets'",
            &[
                "table orders: comment is Baskets, expected Orders: the terms as submitted, and the \
               status and totals derived from fills and actions",
            ],
        ),
    ]);
}

#[test]
fn a_changed_column_is_told_in_one_line() {
    tells(&[
        ("ALTER TABLE orders ADD desk text", &["column orders.desk: not expected"]),
        (
            "ALTER TABLE fills DROP commission",
            &[
                "column fills.commission: missing",
                "constraint fills.ck_fills_commission_nonnegative: missing",
            ],
        ),
        (
            "ALTER TABLE fills RENAME created_at TO recorded_at",
            &["column fills.created_at: missing", "column fills.recorded_at: not expected"],
        ),
        (
            "ALTER TABLE fills ALTER venue TYPE varchar(12)",
            &["column fills.venue: type is character varying(12), \
               expected character varying(50)"],
        ),
        (
            "ALTER TABLE fills ALTER commission TYPE numeric(12, 4)",
            &["column fills.commission: type is numeric(12,4), expected numeric(10,2)"],
        ),
        (
            r#"ALTER TABLE fills ALTER venue TYPE varchar(50) COLLATE "C""#,
            &[
                r#"column fills.venue: type is character varying(50) COLLATE "C", expected character varying(50)"#,
            ],
        ),
        (
            "ALTER TABLE fills ALTER venue DROP NOT NULL",
            &["column fills.venue: nullability is null, expected not null"],
        ),
        (
            "ALTER TABLE execution_logs ALTER reason SET NOT NULL",
            &["column execution_logs.reason: nullability is not null, expected null"],
        ),
        (
            "ALTER TABLE orders ALTER status DROP DEFAULT",
            &["column orders.status: default is none, expected 'PENDING'::order_status_enum"],
        ),
        (
            "ALTER TABLE fills ALTER venue SET DEFAULT 'NASDAQ'",
            &["column fills.venue: default is 'NASDAQ'::character varying, expected none"],
        ),
        (
            "ALTER TABLE orders ALTER quantity ADD GENERATED ALWAYS AS IDENTITY",
            &["column orders.quantity: default is identity, expected none"],
        ),
        (
            "COMMENT ON COLUMN orders.status IS 'Whatever'",
            &["column orders.status: comment is Whatever, expected Current order status"],
        ),
        (
            "COMMENT ON COLUMN orders.status IS NULL",
            &["column orders.status: comment is none, expected Current order status"],
        ),
    ]);
}

#[test]
fn a_changed_enum_is_told_in_one_line() {
    tells(&[
        (
            "ALTER TYPE order_type_enum ADD VALUE 'ICEBERG'",
            &["enum order_type_enum: labels is MARKET, LIMIT, STOP, ICEBERG, \
               expected MARKET, LIMIT, STOP"],
        ),
        (
            "ALTER TYPE order_type_enum ADD VALUE 'ICEBERG' BEFORE 'LIMIT'",
            &["enum order_type_enum: labels is MARKET, ICEBERG, LIMIT, STOP, \
               expected MARKET, LIMIT, STOP"],
        ),
        (
            "ALTER TYPE order_type_enum RENAME VALUE 'STOP' TO 'STOP_LOSS'",
            &["enum order_type_enum: labels is MARKET, LIMIT, STOP_LOSS, \
               expected MARKET, LIMIT, STOP"],
        ),
        (
            "UPDATE pg_enum SET enumsortorder = 9
             WHERE enumtypid = 'order_type_enum'::regtype AND enumlabel = 'MARKET'",
            &["enum order_type_enum: labels is LIMIT, STOP, MARKET, \
               expected MARKET, LIMIT, STOP"],
        ),
        (
            "ALTER TYPE action_enum OWNER TO postgres",
            &["enum action_enum: owner is postgres, expected owner of the tables"],
        ),
        (
            "COMMENT ON TYPE action_enum IS NULL",
            &["enum action_enum: comment is none, expected What happened to an order"],
        ),
        (
            "DROP TYPE action_enum CASCADE",
            &[
                "column execution_logs.action: missing",
                "enum action_enum: missing",
                "function blotter_log_actions(order_ids uuid[], actions action_enum[], reasons text[], \
                 error_codes text[], venue_order_ids text[], reported timestamp with time zone[], \
                 report_ids uuid[]): missing",
                "function blotter_refuse_transition(order_id uuid, status order_status_enum, action action_enum): missing",
                "index execution_logs.idx_execution_logs_action: missing",
                "policy execution_logs.execution_logs_trader_isolation: missing",
            ],
        ),
        (
            "DROP TYPE action_enum CASCADE; CREATE DOMAIN action_enum AS text",
            &[
                "column execution_logs.action: missing",
                "enum action_enum: comment is none, expected What happened to an order",
                "enum action_enum: labels is none, expected SUBMITTED, APPROVED, EXECUTED, \
                 FILLED, REJECTED, CANCELLED, RECOVERED",
                "enum action_enum: owner is postgres, expected owner of the tables",
                "function blotter_log_actions(order_ids uuid[], actions action_enum[], reasons text[], \
                 error_codes text[], venue_order_ids text[], reported timestamp with time zone[], \
                 report_ids uuid[]): missing",
                "function blotter_refuse_transition(order_id uuid, status order_status_enum, action action_enum): missing",
                "index execution_logs.idx_execution_logs_action: missing",
                "policy execution_logs.execution_logs_trader_isolation: missing",
            ],
        ),
    ]);
}

#[test]
fn a_changed_constraint_is_told_in_one_line() {
    let drop = "ALTER TABLE orders DROP CONSTRAINT ck_orders_quantity_positive;";
    let changed = format!(
        "{drop} ALTER TABLE orders ADD CONSTRAINT ck_orders_quantity_positive CHECK (quantity >= 0)"
    );
    let unchecked = format!(
        "{drop} ALTER TABLE orders ADD CONSTRAINT ck_orders_quantity_positive \
         CHECK (quantity > 0) NOT VALID"
    );
    tells(&[
        (drop, &["constraint orders.ck_orders_quantity_positive: missing"]),
        (
            "ALTER TABLE fills ADD CONSTRAINT one_venue UNIQUE (venue)",
            &["constraint fills.one_venue: not expected"],
        ),
        (
            &changed,
            &["constraint orders.ck_orders_quantity_positive: text is CHECK (quantity >= 0), \
               expected CHECK (quantity > 0)"],
        ),
        (
            &unchecked,
            &["constraint orders.ck_orders_quantity_positive: \
               text is CHECK (quantity > 0) NOT VALID, expected CHECK (quantity > 0)"],
        ),
        (
            "ALTER TABLE fills ALTER CONSTRAINT fk_fills_order_id DEFERRABLE",
            &["constraint fills.fk_fills_order_id: text is FOREIGN KEY (order_id) REFERENCES \
               orders(id) ON DELETE CASCADE DEFERRABLE, expected FOREIGN KEY (order_id) \
               REFERENCES orders(id) ON DELETE CASCADE"],
        ),
        (
            "ALTER TABLE fills DISABLE TRIGGER ALL",
            &[
                "constraint fills.fk_fills_amends: enforced is no, expected yes",
                "constraint fills.fk_fills_break_id: enforced is no, expected yes",
                "constraint fills.fk_fills_order_id: enforced is no, expected yes",
                "trigger fills.fills_derive: enabled is disabled, expected origin; repair: ALTER TABLE fills ENABLE TRIGGER fills_derive",
                "trigger fills.fills_keep_all: enabled is disabled, expected always; repair: ALTER TABLE fills ENABLE ALWAYS TRIGGER fills_keep_all",
                "trigger fills.fills_keep_row: enabled is disabled, expected always; repair: ALTER TABLE fills ENABLE ALWAYS TRIGGER fills_keep_row",
                "trigger fills.fills_keep_values: enabled is disabled, expected always; repair: ALTER TABLE fills ENABLE ALWAYS TRIGGER fills_keep_values",
                "trigger fills.fills_stamp: enabled is disabled, expected origin; repair: ALTER TABLE fills ENABLE TRIGGER fills_stamp",
            ],
        ),
        (
            "ALTER TABLE execution_logs DROP CONSTRAINT execution_logs_pkey",
            &["constraint execution_logs.execution_logs_pkey: missing"],
        ),
    ]);
}

#[test]
fn a_changed_index_is_told_in_one_line() {
    tells(&[
        ("DROP INDEX idx_fills_order", &["index fills.idx_fills_order: missing"]),
        (
            "CREATE UNIQUE INDEX one_venue ON fills (venue)",
            &["index fills.one_venue: not expected"],
        ),
        (
            "DROP INDEX idx_orders_status; CREATE INDEX idx_orders_status ON orders (status DESC)",
            &["index orders.idx_orders_status: \
               definition is CREATE INDEX idx_orders_status ON orders USING btree (status DESC), \
               expected CREATE INDEX idx_orders_status ON orders USING btree (status)"],
        ),
        // The state that an interrupted CREATE INDEX CONCURRENTLY leaves.
        (
            "UPDATE pg_index SET indisvalid = false
             WHERE indexrelid = 'idx_orders_status'::regclass",
            &["index orders.idx_orders_status: \
               definition is CREATE INDEX idx_orders_status ON orders USING btree (status) \
               INVALID, expected CREATE INDEX idx_orders_status ON orders USING btree (status)"],
        ),
    ]);
}

#[test]
fn changed_row_security_is_told_in_one_line() {
    tells(&[
        (
            "ALTER TABLE orders DISABLE ROW LEVEL SECURITY",
            &[
                "table orders: row security is disabled, expected enabled; repair: ALTER TABLE orders ENABLE ROW LEVEL SECURITY",
            ],
        ),
        (
            "ALTER TABLE orders NO FORCE ROW LEVEL SECURITY",
            &[
                "table orders: force row security is disabled, expected enabled; repair: ALTER TABLE orders FORCE ROW LEVEL SECURITY",
            ],
        ),
        (
            "ALTER TABLE traders DISABLE ROW LEVEL SECURITY",
            &[
                "table traders: row security is disabled, expected enabled; repair: ALTER TABLE traders ENABLE ROW LEVEL SECURITY",
            ],
        ),
    ]);
}

#[test]
fn a_changed_policy_is_told_in_one_line() {
    let again = "DROP POLICY execution_logs_immutable ON execution_logs;
                 CREATE POLICY execution_logs_immutable ON execution_logs";
    let permissive = format!("{again} AS PERMISSIVE FOR UPDATE USING (false)");
    let delete = format!("{again} AS RESTRICTIVE FOR DELETE USING (false)");
    tells(&[
        (
            "DROP POLICY orders_trader_isolation ON orders",
            &["policy orders.orders_trader_isolation: missing"],
        ),
        (
            "CREATE POLICY everyone ON orders USING (true)",
            &["policy orders.everyone: not expected"],
        ),
        (
            &permissive,
            &["policy execution_logs.execution_logs_immutable: \
               kind is permissive, expected restrictive"],
        ),
        (
            &delete,
            &["policy execution_logs.execution_logs_immutable: \
               command is delete, expected update"],
        ),
        (
            "ALTER POLICY orders_trader_isolation ON orders TO postgres, blotter",
            &["policy orders.orders_trader_isolation: roles is blotter, postgres, expected public"],
        ),
        (
            "ALTER POLICY execution_logs_immutable ON execution_logs USING (true)",
            &["policy execution_logs.execution_logs_immutable: using is true, expected false"],
        ),
        (
            "ALTER POLICY orders_trader_isolation ON orders WITH CHECK (true)",
            &["policy orders.orders_trader_isolation: check is true, expected none"],
        ),
    ]);
}

#[test]
fn a_trigger_or_a_rule_is_told_in_one_line() {
    tells(&[
        ("DROP TRIGGER fills_derive ON fills", &["trigger fills.fills_derive: missing"]),
        (
            "ALTER TABLE orders ENABLE TRIGGER orders_keep_all",
            &[
                "trigger orders.orders_keep_all: enabled is origin, expected always; repair: ALTER TABLE orders ENABLE ALWAYS TRIGGER orders_keep_all",
            ],
        ),
        (
            "CREATE TRIGGER quiet BEFORE UPDATE ON orders FOR EACH ROW
             EXECUTE FUNCTION suppress_redundant_updates_trigger()",
            &["trigger orders.quiet: not expected"],
        ),
        (
            "CREATE RULE silence AS ON INSERT TO execution_logs DO INSTEAD NOTHING",
            &["rule execution_logs.silence: not expected"],
        ),
    ]);
}

#[test]
fn a_changed_function_is_told_in_one_line() {
    let body = "CREATE OR REPLACE FUNCTION execution_logs_require_order() RETURNS trigger
                LANGUAGE plpgsql
                SET search_path = public, pg_temp SET enable_seqscan = off
                AS 'BEGIN RETURN NEW; END'";
    tells(&[
        (
            body,
            &["function execution_logs_require_order(): \
                 body is f3b69a4489d632242cc6d0debb72b946, \
               expected e60d315295e338ba0589e452f6231238"],
        ),
        (
            "ALTER FUNCTION fills_derive() SECURITY INVOKER",
            &["function fills_derive(): kind is volatile security invoker, \
               expected volatile security definer"],
        ),
        (
            "ALTER FUNCTION fills_derive() OWNER TO postgres",
            &["function fills_derive(): owner is postgres, expected blotter_ledger"],
        ),
        (
            "ALTER FUNCTION fills_derive() RESET search_path",
            &["function fills_derive(): settings is enable_seqscan=off, \
               expected search_path=(its schema), pg_temp enable_seqscan=off"],
        ),
        (
            "ALTER FUNCTION blotter_trader_id() LEAKPROOF",
            &["function blotter_trader_id(): kind is stable security invoker leakproof, \
               expected stable security invoker"],
        ),
        (
            "CREATE FUNCTION fills_stamp(integer) RETURNS integer LANGUAGE sql RETURN 1",
            &["function fills_stamp(integer): not expected"],
        ),
        (
            "ALTER PROCEDURE blotter_lend_ledger() SECURITY DEFINER",
            &["function blotter_lend_ledger(): kind is volatile security definer, \
               expected volatile security invoker"],
        ),
        (
            "GRANT EXECUTE ON FUNCTION blotter_expire_due TO blotter_trader",
            &["function blotter_expire_due(now timestamp with time zone, at_most integer): \
               execute granted to is blotter_engine, blotter_trader, expected blotter_engine"],
        ),
        (
            "GRANT EXECUTE ON FUNCTION fills_derive() TO PUBLIC",
            &["function fills_derive(): execute granted to is public, expected nobody"],
        ),
    ]);
}

#[test]
fn a_changed_grant_or_role_is_told_in_one_line() {
    tells(&[
        (
            "GRANT UPDATE, DELETE ON orders TO blotter_trader",
            &["grant orders.blotter_trader: privileges is DELETE, INSERT, SELECT, UPDATE, \
               expected INSERT, SELECT"],
        ),
        (
            "GRANT SELECT ON orders TO blotter_trader WITH GRANT OPTION",
            &["grant orders.blotter_trader: privileges is INSERT, SELECT WITH GRANT OPTION, \
               expected INSERT, SELECT"],
        ),
        (
            "GRANT UPDATE (reason) ON execution_logs TO blotter_engine",
            &["grant execution_logs.blotter_engine: privileges is \
               INSERT, SELECT, UPDATE (reason), expected INSERT, SELECT"],
        ),
        (
            "REVOKE ALL ON fills FROM blotter_compliance",
            &["grant fills.blotter_compliance: missing"],
        ),
        ("GRANT SELECT ON fills TO PUBLIC", &["grant fills.public: not expected"]),
        (
            "GRANT USAGE ON SEQUENCE execution_logs_sequence TO blotter_engine",
            &["grant execution_logs_sequence.blotter_engine: not expected"],
        ),
        (
            "GRANT CREATE ON SCHEMA public TO PUBLIC",
            &["schema of the tables: create granted to is public, expected nobody"],
        ),
        (
            "ALTER ROLE blotter_trader LOGIN BYPASSRLS",
            &["role blotter_trader: attributes is login bypassrls, expected none"],
        ),
        (
            "GRANT blotter_trader TO blotter_engine",
            &["role blotter_engine: member of is blotter_trader, expected none"],
        ),
        (
            "CREATE ROLE helper IN ROLE blotter_ledger",
            &["role blotter_ledger: acted as by is helper, expected nobody"],
        ),
    ]);
}

/// An expression that runs a statement on the database of the test, whose name is generated.
fn on_this_database(change: &str) -> String {
    format!("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I {change}', current_database()); END $$")
}

#[test]
fn what_would_be_called_in_the_place_of_postgresqls_own_is_told() {
    let operator = "CREATE FUNCTION yes(order_status_enum, order_status_enum) RETURNS boolean
                        LANGUAGE sql RETURN true;
                    CREATE OPERATOR <> (
                        LEFTARG = order_status_enum, RIGHTARG = order_status_enum, FUNCTION = yes
                    )";
    let class = "CREATE OPERATOR CLASS reversed FOR TYPE side_enum USING hash AS
                     OPERATOR 1 = (anyenum, anyenum), FUNCTION 1 hashenum(anyenum)";
    tells(&[
        (
            "CREATE FUNCTION cardinality(fills[]) RETURNS integer LANGUAGE sql RETURN 0",
            &["function cardinality(fills[]): not expected"],
        ),
        (
            "CREATE FUNCTION concat_ws(text, text) RETURNS text LANGUAGE sql RETURN 'x'",
            &["function concat_ws(text, text): not expected"],
        ),
        (
            "CREATE AGGREGATE array_agg(orders) (SFUNC = array_append, STYPE = orders[])",
            &["function array_agg(orders): not expected"],
        ),
        (operator, &["operator <> (order_status_enum, order_status_enum): not expected"]),
        (class, &["operator class reversed for side_enum: not expected"]),
        (
            "CREATE CAST (action_enum AS text) WITH INOUT AS ASSIGNMENT",
            &["cast from action_enum to text: not expected"],
        ),
        (
            "CREATE FUNCTION days(date) RETURNS integer LANGUAGE sql RETURN 1;
             CREATE CAST (date AS integer) WITH FUNCTION days(date) AS IMPLICIT",
            &["cast from date to integer: not expected"],
        ),
    ]);
}

#[test]
fn what_leads_around_the_schema_is_told() {
    let cluster = on_this_database("SET session_replication_role = replica");
    let first = "CREATE SCHEMA first; CREATE TABLE first.fills (id integer);";
    let path = format!("{first} {}", on_this_database("SET search_path = first, public"));
    let login = "CREATE ROLE desk LOGIN IN ROLE blotter_engine; ALTER ROLE desk SET";
    let paths = format!("{first} {login} search_path = first, public");
    let (role, trader) =
        (format!("{login} role = blotter_engine"), format!("{login} app.user_id = '1'"));
    let session = "CREATE ROLE quiet; ALTER ROLE quiet SET row_security = off";
    tells(&[
        (
            "CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
             CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION watch()",
            &["event trigger watch: not expected"],
        ),
        (
            "CREATE SCHEMA app;
             CREATE FUNCTION app.f() RETURNS integer LANGUAGE sql RETURN 1;
             ALTER FUNCTION app.f() OWNER TO blotter_ledger;
             CREATE FUNCTION app.fills_derive() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END';
             ALTER FUNCTION app.fills_derive() OWNER TO blotter_ledger",
            &[
                "function app.f() of blotter_ledger: not expected",
                "function app.fills_derive() of blotter_ledger: not expected",
            ],
        ),
        (
            "CREATE VIEW everything AS SELECT * FROM orders;
             GRANT SELECT ON everything TO PUBLIC",
            &["view everything of postgres, who sees every row: not expected"],
        ),
        (
            "CREATE MATERIALIZED VIEW kept AS SELECT id FROM fills;
             GRANT SELECT (id) ON kept TO blotter_trader",
            &["view kept of postgres, who sees every row: not expected"],
        ),
        (
            "ALTER DEFAULT PRIVILEGES FOR ROLE blotter GRANT SELECT ON TABLES TO PUBLIC;
             ALTER DEFAULT PRIVILEGES FOR ROLE blotter IN SCHEMA public
                 GRANT EXECUTE ON FUNCTIONS TO blotter_trader",
            &[
                "default privilege EXECUTE on functions, granted by owner of the tables to \
                 blotter_trader: not expected",
                "default privilege SELECT on tables, granted by owner of the tables to public: \
                 not expected",
            ],
        ),
        (&cluster, &["setting session_replication_role=replica of this database: not expected"]),
        (&path, &["setting search_path=first, public of this database: not expected"]),
        (&paths, &["setting search_path=first, public of desk: not expected"]),
        (&role, &["setting role=blotter_engine of desk: not expected"]),
        (&trader, &["setting app.user_id=1 of desk: not expected"]),
        (session, &["setting row_security=off of quiet: not expected"]),
    ]);
}

#[test]
fn a_login_that_may_switch_off_triggers_is_told() {
    let database = Database::migrated();
    let conn = &mut database.admin();
    let has_grants =
        "SELECT 1::text AS text WHERE current_setting('server_version_num')::integer >= 150000";
    if !texts(conn, has_grants).is_empty() {
        tells(&[(
            "GRANT SET ON PARAMETER session_replication_role TO blotter_engine",
            &["parameter session_replication_role granted to blotter_engine: not expected"],
        )]);
    }
}

#[test]
fn what_a_host_application_has_beside_the_schema_is_not_told() {
    let host = on_this_database("SET search_path = app, public");
    let host = format!(
        "CREATE SCHEMA app;
         CREATE TABLE baskets (id uuid PRIMARY KEY, order_id uuid REFERENCES orders, status order_status_enum);
         CREATE TABLE app.baskets (LIKE baskets);
         CREATE FUNCTION notional_of(orders) RETURNS numeric LANGUAGE sql RETURN $1.filled_notional;
         CREATE FUNCTION length(baskets) RETURNS integer LANGUAGE sql RETURN 1;
         CREATE FUNCTION gen_random_uuid() RETURNS uuid LANGUAGE sql RETURN NULL::uuid;
         CREATE FUNCTION same(baskets, baskets) RETURNS boolean LANGUAGE sql RETURN true;
         CREATE OPERATOR = (LEFTARG = baskets, RIGHTARG = baskets, FUNCTION = same);
         CREATE VIEW own AS SELECT * FROM orders;
         ALTER VIEW own OWNER TO blotter;
         GRANT SELECT ON own TO blotter_trader;
         CREATE VIEW mine AS SELECT * FROM orders;
         ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC;
         CREATE ROLE desk LOGIN IN ROLE blotter_trader;
         ALTER ROLE desk SET search_path = \"$user\", public;
         ALTER ROLE desk SET lock_timeout = '2s';
         CREATE ROLE admin SUPERUSER;
         ALTER ROLE admin SET search_path = app;
         {host}"
    );
    tells(&[(&host, &[])]);
}

/// A restore with `pg_restore --disable-triggers` ends like this.
#[test]
fn guards_that_a_restore_left_at_origin_are_told_and_each_is_repaired_by_the_command_that_is_told()
{
    let database = Database::migrated();
    let conn = &mut database.admin();
    for table in ["orders", "fills", "execution_logs", "breaks", "break_resolutions", "traders"] {
        let restored = format!(
            "ALTER TABLE {table} DISABLE TRIGGER ALL; ALTER TABLE {table} ENABLE TRIGGER ALL"
        );
        conn.batch_execute(&restored).unwrap();
    }
    let told = catalog::differences(conn).unwrap();
    assert!(told.len() >= 18, "{told:?}");
    for difference in told {
        assert!(difference.to_string().contains("enabled is origin, expected always; repair: "));
        conn.batch_execute(&difference.repair().unwrap()).unwrap();
    }
    assert_eq!(catalog::differences(conn).unwrap(), []);
}

#[test]
fn a_publication_of_the_tables_is_noted_and_is_no_difference() {
    let database = Database::migrated();
    let conn = &mut database.admin();
    conn.batch_execute(
        "CREATE TABLE baskets (id integer); CREATE PUBLICATION baskets FOR TABLE baskets",
    )
    .unwrap();
    assert_eq!(catalog::notes(conn).unwrap(), [""; 0]);
    conn.batch_execute("CREATE PUBLICATION feed FOR TABLE orders, fills").unwrap();
    assert_eq!(
        catalog::notes(&mut database.owner()).unwrap(),
        ["publication feed sends every row of fills, orders to its subscribers: \
          row-level security does not apply to them"]
    );
    assert_eq!(catalog::differences(conn).unwrap(), []);
}

#[test]
fn of_a_hosts_own_traders_only_the_id_matters() {
    // The comment identifies the table that this test created.
    let own = "COMMENT ON TABLE traders IS NULL;";
    let grown = format!(
        "{own} ALTER TABLE traders DROP name, ADD desk text, ENABLE ROW LEVEL SECURITY;
         CREATE INDEX by_desk ON traders (desk);
         CREATE POLICY everyone ON traders USING (true)"
    );
    // Constraints that refer to the id must be dropped before its type can change.
    let freed = format!(
        "{own} ALTER TABLE orders DROP CONSTRAINT fk_orders_trader_id;
         ALTER TABLE execution_logs DROP CONSTRAINT fk_execution_logs_trader_id;
         ALTER TABLE breaks DROP CONSTRAINT fk_breaks_trader_id;
         ALTER TABLE break_resolutions DROP CONSTRAINT fk_break_resolutions_trader_id;
         DROP POLICY traders_trader_isolation ON traders;
         ALTER TABLE traders DROP CONSTRAINT traders_pkey"
    );
    let text = format!("{freed}, ALTER id DROP DEFAULT, ALTER id TYPE text");
    let references = [
        "constraint break_resolutions.fk_break_resolutions_trader_id: missing",
        "constraint breaks.fk_breaks_trader_id: missing",
        "constraint execution_logs.fk_execution_logs_trader_id: missing",
        "constraint orders.fk_orders_trader_id: missing",
    ];
    let retyped = "column traders.id: type is text, expected uuid";
    tells(&[
        (&grown, &[]),
        (&text, &[&[retyped], references.as_slice()].concat()),
        (
            "DROP TABLE traders CASCADE",
            &[references.as_slice(), &["table traders: missing"]].concat(),
        ),
    ]);
}
