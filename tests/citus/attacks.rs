//! Attacks on a desk that Citus holds. What PostgreSQL refuses on one server must be refused by each way into a shard: Citus
//! copies rows into shards by itself, past the policies.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use tradeblotter::role::{DatabaseRole, Engine, Trader};
use tradeblotter::{Blotter, Desk, NewOrder, Order, Side, connect};
use tradeblotter_test_support::cluster::{Cluster, rows};
use tradeblotter_test_support::{fill_of, record, submit, texts, trader};

/// A desk in which Ada and Grace have an order each, with a fill.
struct Scene<'c> {
    cluster: &'c Cluster,
    desk: Desk,
    store: Blotter,
    ada: tradeblotter::Trader,
    adas: Order,
    grace: tradeblotter::Trader,
    graces: Order,
}

impl<'c> Scene<'c> {
    fn new(cluster: &'c Cluster) -> Self {
        let desk = cluster.desk();
        let store = cluster.store(&desk);
        let [(ada, adas), (grace, graces)] =
            [("Ada", "ADAS"), ("Grace", "GRACES")].map(|(name, symbol)| {
                let trader = trader(&store, name);
                let order =
                    submit(&store, &NewOrder::market(trader.id, Side::Buy, symbol, 100)).unwrap();
                record(&store, &fill_of(&order, 40, "10.45")).unwrap();
                (trader, order)
            });
        Self { cluster, desk, store, ada, adas, grace, graces }
    }

    /// A connection to the holder, as a login that is a member of this role of the desk and uses its privileges without
    /// SET ROLE, with Ada's identity. It sees the shards, and may name them.
    fn login<R: DatabaseRole>(&self) -> PgConnection {
        let node = self.cluster.node_of(&self.desk);
        let url = self.cluster.member_url(node, &[self.desk.role::<R>()]);
        let mut conn = connect(&url).unwrap();
        self.desk.enter(&mut conn).unwrap();
        conn.batch_execute(&format!(
            "SET app.user_id = '{}'; SET citus.enable_manual_changes_to_shards = on;
             SET citus.override_table_visibility = off",
            self.ada.id
        ))
        .unwrap();
        conn
    }

    fn shard(&self, table: &str) -> String {
        self.cluster.shard(&self.desk, table)
    }

    /// The rows of the desk, whosever they are.
    fn rows(&self) -> Vec<String> {
        rows(&mut self.cluster.admin_of(&self.desk))
    }

    /// Asserts that each statement fails, as the login itself and as each role, and that no row has changed.
    fn refuses(&self, mut conn: PgConnection, roles: &[String], statements: &[String]) {
        let before = self.rows();
        for role in roles.iter().map(String::as_str).chain(["none"]) {
            for statement in statements {
                let done = run_as(&mut conn, role, statement);
                assert!(done.is_err(), "{statement} as {role}");
            }
        }
        drop(conn);
        assert_eq!(self.rows(), before);
    }
}

/// Runs a statement as a role, and commits it.
fn run_as(conn: &mut PgConnection, role: &str, statement: &str) -> QueryResult<()> {
    conn.transaction(|conn| conn.batch_execute(&format!("SET LOCAL ROLE {role}; {statement}")))
}

/// The ways in which a row is inserted: what comes before its values, and after. Citus copies what a SELECT returns into the
/// shard by itself.
const WAYS: [(&str, &str); 5] = [
    ("VALUES (", ")"),
    ("SELECT ", ""),
    ("SELECT ", " FROM generate_series(1, 2)"),
    ("SELECT ", " FROM unnest(ARRAY[1, 2]) AS n"),
    ("SELECT ", " FROM orders LIMIT 1"),
];

/// Returns the statements that insert these values into each table, by every way.
fn inserts(tables: &[String], columns: &str, values: &str) -> Vec<String> {
    let into = |table| {
        WAYS.map(|(begin, end)| format!("INSERT INTO {table} ({columns}) {begin}{values}{end}"))
    };
    tables.iter().flat_map(into).collect()
}

pub fn a_trader_writes_nothing_in_the_name_of_another_by_any_statement(cluster: &Cluster) {
    let scene = Scene::new(cluster);
    let tables = ["orders".to_owned(), scene.shard("orders")];
    let values = format!("'{}'::uuid, 'EVIL', 7, 'MARKET'::order_type_enum", scene.grace.id);
    let mut statements = inserts(&tables, "trader_id, symbol, quantity, order_type", &values);
    statements.push(format!(
        "WITH given AS (SELECT {values}) INSERT INTO orders (trader_id, symbol, quantity, order_type) SELECT * FROM given"
    ));
    let roles = [scene.desk.role::<Trader>()];
    scene.refuses(scene.login::<Trader>(), &roles, &statements);
    // Its own orders it submits by these ways too.
    let own = format!(
        "INSERT INTO orders (trader_id, symbol, quantity, order_type)
         SELECT '{}'::uuid, 'OWN', n, 'MARKET' FROM generate_series(1, 2) AS n",
        scene.ada.id
    );
    scene.login::<Trader>().batch_execute(&own).unwrap();
    let count = "SELECT count(*)::text AS text FROM execution_logs WHERE action = 'SUBMITTED'";
    assert_eq!(texts(&mut cluster.admin_of(&scene.desk), count), ["4"]);
}

pub fn a_trader_logs_nothing_but_a_cancel_by_any_statement(cluster: &Cluster) {
    let scene = Scene::new(cluster);
    let tables = ["execution_logs".to_owned(), scene.shard("execution_logs")];
    let mut statements = Vec::new();
    for (order, action) in [
        (&scene.adas, "EXECUTED"),
        (&scene.adas, "APPROVED"),
        (&scene.adas, "REJECTED"),
        (&scene.adas, "RECOVERED"),
        (&scene.graces, "CANCELLED"),
    ] {
        let values = format!("'{}'::uuid, '{action}'::action_enum", order.id);
        statements.extend(inserts(&tables, "order_id, action", &values));
    }
    let values = format!("'{}'::uuid, 'CANCELLED'::action_enum, 'E-1'", scene.adas.id);
    statements.extend(inserts(&tables, "order_id, action, error_code", &values));
    let values = format!("'{}'::uuid, now(), 1, 1.00, 'XNAS'", scene.adas.id);
    let fills = ["fills".to_owned(), scene.shard("fills")];
    statements.extend(inserts(
        &fills,
        "order_id, timestamp, quantity_filled, price_at_fill, venue",
        &values,
    ));
    let roles = [scene.desk.role::<Trader>()];
    scene.refuses(scene.login::<Trader>(), &roles, &statements);
    let cancel = format!(
        "INSERT INTO execution_logs (order_id, action) SELECT '{}'::uuid, 'CANCELLED'",
        scene.adas.id
    );
    scene.login::<Trader>().batch_execute(&cancel).unwrap();
}

pub fn a_trader_sees_its_own_rows_and_no_others_in_tables_and_shards(cluster: &Cluster) {
    let scene = Scene::new(cluster);
    let conn = &mut scene.login::<Trader>();
    for name in ["orders", "fills", "execution_logs"] {
        for table in [name.to_owned(), scene.shard(name)] {
            for query in [
                format!("SELECT trader_id::text AS text FROM {table}"),
                format!("SELECT t.trader_id::text AS text FROM {table} t, generate_series(1, 2)"),
                format!(
                    "WITH t AS MATERIALIZED (SELECT * FROM {table}) SELECT trader_id::text AS text FROM t"
                ),
                format!(
                    "SELECT trader_id::text AS text FROM (SELECT * FROM {table} LIMIT 100 OFFSET 0) t"
                ),
            ] {
                let seen = texts(conn, &query);
                assert!(!seen.is_empty(), "{query}");
                assert!(seen.iter().all(|id| *id == scene.ada.id.to_string()), "{query}");
            }
        }
    }
    let session = scene.store.trader(scene.ada.id).unwrap();
    let foreign = session.transaction(|tx| tx.orders().get(scene.graces.id)).unwrap_err();
    assert!(foreign.is_not_found(), "{foreign}");
}

pub fn nobody_changes_or_removes_a_record_in_tables_and_shards(cluster: &Cluster) {
    let scene = Scene::new(cluster);
    let mut statements = Vec::new();
    for name in ["orders", "fills", "execution_logs", "traders"] {
        for table in [name.to_owned(), scene.shard(name)] {
            statements.push(format!("DELETE FROM {table}"));
            statements.push(format!("TRUNCATE {table} CASCADE"));
            statements.push(format!("UPDATE {table} SET id = id"));
        }
    }
    let mut admin = cluster.admin_of(&scene.desk);
    let bold =
        "SET citus.enable_manual_changes_to_shards = on; SET session_replication_role = replica";
    admin.batch_execute(bold).unwrap();
    scene.refuses(admin, &[], &statements);
    let roles = scene.desk.roles();
    scene.refuses(scene.login::<Engine>(), &roles[1..2], &statements);
}

pub fn the_owner_of_the_tables_inserts_nothing(cluster: &Cluster) {
    let scene = Scene::new(cluster);
    let url = cluster.admin_url(cluster.node_of(&scene.desk)).replace("//postgres@", "//blotter@");
    let mut owner = connect(&url).unwrap();
    scene.desk.enter(&mut owner).unwrap();
    let mut statements = Vec::new();
    for (table, columns, values) in [
        (
            "orders",
            "trader_id, symbol, quantity, order_type",
            format!("'{}'::uuid, 'EVIL', 7, 'MARKET'::order_type_enum", scene.grace.id),
        ),
        ("traders", "name", "'Mallory'".to_owned()),
        (
            "fills",
            "order_id, timestamp, quantity_filled, price_at_fill, venue",
            format!("'{}'::uuid, now(), 1, 1.00, 'XNAS'", scene.graces.id),
        ),
        (
            "execution_logs",
            "order_id, action",
            format!("'{}'::uuid, 'CANCELLED'::action_enum", scene.graces.id),
        ),
        (
            "breaks",
            "reason, venue, execution_id, timestamp, quantity, price, detail",
            "'MISMATCH'::break_reason_enum, 'XNAS', 'E-9', now(), 1, 1, 'EVIL'".to_owned(),
        ),
    ] {
        statements.extend(inserts(&[table.to_owned()], columns, &values));
    }
    // It sees no order.
    statements.retain(|statement| !statement.ends_with("FROM orders LIMIT 1"));
    scene.refuses(owner, &[], &statements);
}

pub fn a_login_of_another_desk_sees_nothing(cluster: &Cluster) {
    let scene = Scene::new(cluster);
    let other = cluster.desk();
    let url = cluster.member_url(cluster.node_of(&scene.desk), &other.roles());
    let mut statements = Vec::new();
    for name in ["orders", "fills", "execution_logs"] {
        for table in [name.to_owned(), scene.shard(name)] {
            statements.push(format!("SELECT FROM {}.{table}", scene.desk));
            statements.push(format!("COPY {}.{table} TO STDOUT", scene.desk));
        }
    }
    let roles = ["blotter_trader", "blotter_engine", "blotter_compliance", "blotter_auditor"];
    let roles: Vec<String> = roles.map(str::to_owned).into_iter().chain(other.roles()).collect();
    scene.refuses(connect(&url).unwrap(), &roles, &statements);
    assert!(Blotter::builder(&url).desk(scene.desk.name()).connect().is_err());
}

pub fn a_client_of_another_node_is_refused(cluster: &Cluster) {
    let scene = Scene::new(cluster);
    let holder = cluster.node_of(&scene.desk);
    for node in cluster.workers().chain([0]).filter(|node| *node != holder) {
        let mut conn = connect(&cluster.member_url(node, &scene.desk.roles())).unwrap();
        scene.desk.enter(&mut conn).unwrap();
        let roles = scene.desk.roles();
        let order = format!(
            "INSERT INTO orders (trader_id, symbol, quantity, order_type) VALUES ('{}', 'X', 1, 'MARKET')",
            scene.grace.id
        );
        let before = scene.rows();
        for role in &roles {
            for statement in [&order, "SELECT count(*) FROM orders"] {
                let refused = run_as(&mut conn, role, statement).unwrap_err();
                assert!(
                    refused.to_string().contains("not permitted to log in")
                        || refused.to_string().contains("permission denied"),
                    "{refused}"
                );
            }
        }
        assert_eq!(scene.rows(), before);
    }
}
