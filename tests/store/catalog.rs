//! The schema, object by object, and that `catalog::differences` sees whatever strays from it.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use expect_test::expect_file;
use tradeblotter::catalog;

use crate::support::{Database, texts};

/// What the policies compare a trader's id with: '' and no setting at all are nobody.
const ME: &str = "( SELECT (NULLIF(current_setting('app.user_id'::text, true), ''::text))::uuid \
                  AS \"nullif\")";

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
    texts(&mut Database::migrated().connect(), &sql)
}

/// The constraints of one kind on the tables of this schema, by name.
fn constraints(kind: &str) -> Vec<String> {
    let sql = format!(
        "SELECT format('%s on %s: %s', conname, conrelid::regclass, pg_get_constraintdef(oid, true))
            AS text
         FROM pg_constraint
         WHERE connamespace = 'public'::regnamespace AND contype = '{kind}'
             AND conrelid <> '__diesel_schema_migrations'::regclass
         ORDER BY conname"
    );
    texts(&mut Database::migrated().connect(), &sql)
}

#[test]
fn the_tables_are_these_four() {
    let tables = "SELECT relname::text AS text FROM pg_class
                  WHERE relnamespace = 'public'::regnamespace AND relkind NOT IN ('i', 'I')
                      AND relname <> '__diesel_schema_migrations' ORDER BY 1";
    assert_eq!(
        texts(&mut Database::migrated().connect(), tables),
        ["execution_logs", "fills", "orders", "traders"],
    );
}

#[test]
fn the_enums_have_these_labels_in_this_order() {
    let enums = "SELECT format('%s: %s', enumtypid::regtype,
                    string_agg(enumlabel, ', ' ORDER BY enumsortorder)) AS text
                 FROM pg_enum GROUP BY enumtypid ORDER BY 1";
    assert_eq!(
        texts(&mut Database::migrated().connect(), enums),
        [
            "action_enum: SUBMITTED, APPROVED, EXECUTED, FILLED, REJECTED, CANCELLED, RECOVERED",
            "order_status_enum: PENDING, FILLED, PARTIAL, REJECTED, CANCELLED",
            "order_type_enum: MARKET, LIMIT, STOP",
        ],
    );
}

#[test]
fn traders_have_these_columns() {
    assert_eq!(
        columns("traders"),
        [
            "id, uuid, not null, gen_random_uuid()",
            "name, character varying(100), not null",
            "created_at, timestamp with time zone, not null, now()",
        ],
    );
}

#[test]
fn orders_have_these_fourteen_columns() {
    assert_eq!(
        columns("orders"),
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
fn fills_have_these_columns() {
    assert_eq!(
        columns("fills"),
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
fn execution_logs_have_these_columns() {
    assert_eq!(
        columns("execution_logs"),
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
fn the_columns_of_orders_say_what_they_are() {
    let comments = "SELECT format('%s: %s', attname, col_description(attrelid, attnum)) AS text
                    FROM pg_attribute
                    WHERE attrelid = 'orders'::regclass AND attnum > 0 AND NOT attisdropped
                    ORDER BY attnum";
    assert_eq!(
        texts(&mut Database::migrated().connect(), comments),
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
fn the_primary_keys_are_the_ids() {
    assert_eq!(
        constraints("p"),
        [
            "execution_logs_pkey on execution_logs: PRIMARY KEY (id)",
            "fills_pkey on fills: PRIMARY KEY (id)",
            "orders_pkey on orders: PRIMARY KEY (id)",
            "traders_pkey on traders: PRIMARY KEY (id)",
        ],
    );
}

#[test]
fn the_checks_are_the_eight_of_the_base_and_six_against_unreadable_amounts() {
    let limit = "order_type = 'MARKET'::order_type_enum OR price IS NOT NULL";
    let positive = |column: &str| {
        let check = format!("{column} > 0::numeric AND {column} <> 'NaN'::numeric");
        format!("ck_orders_{column}_positive on orders: CHECK ({check})")
    };
    assert_eq!(
        constraints("c"),
        [
            "ck_fills_commission_nonnegative on fills: CHECK (commission >= 0::numeric)",
            "ck_fills_commission_not_nan on fills: CHECK (commission <> 'NaN'::numeric)",
            "ck_fills_price_not_nan on fills: CHECK (price_at_fill <> 'NaN'::numeric)",
            "ck_fills_price_positive on fills: CHECK (price_at_fill > 0::numeric)",
            "ck_fills_quantity_positive on fills: CHECK (quantity_filled > 0)",
            &positive("average_fill_price"),
            "ck_orders_filled_lte_quantity on orders: CHECK (filled_quantity <= quantity)",
            "ck_orders_filled_quantity_nonnegative on orders: CHECK (filled_quantity >= 0)",
            &format!("ck_orders_limit_requires_price on orders: CHECK ({limit})"),
            "ck_orders_price_not_nan on orders: CHECK (price <> 'NaN'::numeric)",
            "ck_orders_price_positive on orders: CHECK (price IS NULL OR price > 0::numeric)",
            "ck_orders_quantity_positive on orders: CHECK (quantity > 0)",
            &positive("stop_loss"),
            &positive("take_profit"),
        ],
    );
}

#[test]
fn the_foreign_keys_cascade_from_orders_and_not_from_traders() {
    let to_order = "FOREIGN KEY (order_id) REFERENCES orders(id) ON DELETE CASCADE";
    let to_trader = "FOREIGN KEY (trader_id) REFERENCES traders(id)";
    assert_eq!(
        constraints("f"),
        [
            format!("fk_execution_logs_order_id on execution_logs: {to_order}"),
            format!("fk_execution_logs_trader_id on execution_logs: {to_trader}"),
            format!("fk_fills_order_id on fills: {to_order}"),
            format!("fk_orders_trader_id on orders: {to_trader}"),
        ],
    );
}

#[test]
fn there_are_no_other_kinds_of_constraint() {
    for kind in ["u", "x", "t"] {
        assert_eq!(constraints(kind), [""; 0]);
    }
}

#[test]
fn the_indexes_are_these_eight() {
    // The keys' own are told by the constraints.
    let indexes = r#"SELECT replace(pg_get_indexdef(indexrelid, 0, true), '"', '') AS text
                     FROM pg_index JOIN pg_class ON oid = indexrelid
                     WHERE relnamespace = 'public'::regnamespace AND NOT indisprimary
                     ORDER BY relname"#;
    let on = |name: &str, table: &str, keys: &str| {
        format!("CREATE INDEX {name} ON {table} USING btree ({keys})")
    };
    let log = "execution_logs";
    assert_eq!(
        texts(&mut Database::migrated().connect(), indexes),
        [
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
fn the_policies_are_these_five() {
    let policies = r"SELECT concat_ws(', ', policyname, tablename, permissive, cmd,
                        array_to_string(roles, ' '),
                        'USING ' || regexp_replace(qual, '\s+', ' ', 'g'),
                        'CHECK ' || regexp_replace(with_check, '\s+', ' ', 'g')) AS text
                     FROM pg_policies ORDER BY policyname";
    let log = "execution_logs";
    let order_of = "SELECT FROM orders WHERE ((orders.id =";
    assert_eq!(
        texts(&mut Database::migrated().connect(), policies),
        [
            format!("execution_logs_immutable, {log}, RESTRICTIVE, UPDATE, public, USING false"),
            format!(
                "execution_logs_immutable_delete, {log}, RESTRICTIVE, DELETE, public, USING false"
            ),
            format!(
                "execution_logs_trader_isolation, {log}, PERMISSIVE, ALL, public, \
                 USING (trader_id = {ME}), CHECK ((trader_id = {ME}) AND (EXISTS ( {order_of} \
                 {log}.order_id) AND (orders.trader_id = {log}.trader_id)))))"
            ),
            format!(
                "fills_trader_isolation, fills, PERMISSIVE, ALL, public, USING (EXISTS ( \
                 {order_of} fills.order_id) AND (orders.trader_id = {ME}))))"
            ),
            format!(
                "orders_trader_isolation, orders, PERMISSIVE, ALL, public, USING (trader_id = {ME})"
            ),
        ],
    );
}

#[test]
fn row_security_is_on_and_forced_on_every_table_but_traders() {
    let unforced = "SELECT relname::text AS text FROM pg_class
                    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
                        AND relname <> '__diesel_schema_migrations'
                        AND NOT (relrowsecurity AND relforcerowsecurity)";
    assert_eq!(texts(&mut Database::migrated().connect(), unforced), ["traders"]);
}

#[test]
fn every_foreign_key_has_an_index_that_begins_with_its_column() {
    // Without one, a DELETE of the row referred to reads the whole table.
    let unindexed = "SELECT conname::text AS text FROM pg_constraint
                     WHERE contype = 'f' AND NOT EXISTS (
                        SELECT FROM pg_index
                        WHERE indrelid = conrelid AND indkey[0] = conkey[1]
                            AND indisvalid AND indpred IS NULL
                     )";
    assert_eq!(texts(&mut Database::migrated().connect(), unindexed), [""; 0]);
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
    assert_eq!(texts(&mut Database::migrated().connect(), silent), [""; 0]);
}

#[test]
fn catalog_expected_is_what_a_fresh_database_says() {
    let database = Database::migrated();
    let conn = &mut database.connect();
    expect_file!["../../src/catalog.expected"].assert_eq(&catalog::facts(conn).unwrap());
    assert_eq!(catalog::differences(conn).unwrap(), []);
}

/// A change to the schema, and the lines that tell of it.
type Case<'a> = (&'a str, &'a [&'a str]);

/// Makes each change in a transaction of its own, in which `differences` tells it and no more.
fn tells(cases: &[Case<'_>]) {
    let database = Database::migrated();
    // The superuser, who may switch off the triggers behind a foreign key.
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
        ("DROP TABLE execution_logs", &["table execution_logs: missing"]),
        ("ALTER TABLE fills RENAME TO executions", &["table fills: missing"]),
        (
            "ALTER TABLE execution_logs SET UNLOGGED",
            &["table execution_logs: kind is unlogged table, expected table"],
        ),
        (
            "COMMENT ON TABLE orders IS 'Baskets'",
            &["table orders: comment is Baskets, expected \
               Orders: the terms as submitted, and what has become of them"],
        ),
    ]);
}

#[test]
fn a_changed_column_is_told_in_one_line() {
    tells(&[
        ("ALTER TABLE orders ADD side text", &["column orders.side: not expected"]),
        ("ALTER TABLE orders DROP expires_at", &["column orders.expires_at: missing"]),
        (
            "ALTER TABLE orders RENAME expires_at TO expiry",
            &["column orders.expires_at: missing", "column orders.expiry: not expected"],
        ),
        (
            "ALTER TABLE orders ALTER symbol TYPE varchar(12)",
            &["column orders.symbol: type is character varying(12), \
               expected character varying(10)"],
        ),
        (
            "ALTER TABLE fills ALTER commission TYPE numeric(12, 4)",
            &["column fills.commission: type is numeric(12,4), expected numeric(10,2)"],
        ),
        (
            r#"ALTER TABLE orders ALTER symbol TYPE varchar(10) COLLATE "C""#,
            &[
                r#"column orders.symbol: type is character varying(10) COLLATE "C", expected character varying(10)"#,
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
            "COMMENT ON TYPE action_enum IS NULL",
            &["enum action_enum: comment is none, expected What happened to an order"],
        ),
        (
            "ALTER TABLE execution_logs DROP action; DROP TYPE action_enum",
            &[
                "column execution_logs.action: missing",
                "enum action_enum: missing",
                "index execution_logs.idx_execution_logs_action: missing",
            ],
        ),
        (
            "ALTER TABLE execution_logs ALTER action TYPE text; DROP TYPE action_enum;
             CREATE DOMAIN action_enum AS text",
            &[
                "column execution_logs.action: type is text, expected action_enum",
                "enum action_enum: comment is none, expected What happened to an order",
                "enum action_enum: labels is none, expected SUBMITTED, APPROVED, EXECUTED, \
                 FILLED, REJECTED, CANCELLED, RECOVERED",
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
            &["constraint fills.fk_fills_order_id: enforced is no, expected yes"],
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
        // As a CREATE INDEX CONCURRENTLY leaves it that was broken off.
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
            &["table orders: row security is disabled, expected enabled"],
        ),
        (
            "ALTER TABLE orders NO FORCE ROW LEVEL SECURITY",
            &["table orders: force row security is disabled, expected enabled"],
        ),
        (
            "ALTER TABLE traders ENABLE ROW LEVEL SECURITY",
            &["table traders: row security is enabled, expected disabled"],
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
fn of_a_hosts_own_traders_only_the_id_matters() {
    // The comment is the mark of the table made here.
    let own = "COMMENT ON TABLE traders IS NULL;";
    let grown = format!(
        "{own} ALTER TABLE traders DROP name, ADD desk text, ENABLE ROW LEVEL SECURITY;
         CREATE INDEX by_desk ON traders (desk);
         CREATE POLICY everyone ON traders USING (true)"
    );
    // What refers to the id has to go before the id can change.
    let freed = format!(
        "{own} ALTER TABLE orders DROP CONSTRAINT fk_orders_trader_id;
         ALTER TABLE execution_logs DROP CONSTRAINT fk_execution_logs_trader_id;
         ALTER TABLE traders DROP CONSTRAINT traders_pkey"
    );
    let text = format!("{freed}, ALTER id DROP DEFAULT, ALTER id TYPE text");
    let references = [
        "constraint execution_logs.fk_execution_logs_trader_id: missing",
        "constraint orders.fk_orders_trader_id: missing",
    ];
    tells(&[
        (&grown, &[]),
        (&text, &["column traders.id: type is text, expected uuid", references[0], references[1]]),
        ("DROP TABLE traders CASCADE", &[references[0], references[1], "table traders: missing"]),
    ]);
}
