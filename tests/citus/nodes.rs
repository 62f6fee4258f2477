//! A desk is handed over to Citus, moves between nodes, and is checked.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use tradeblotter::migrations::{Extent, Records};
use tradeblotter::{Desk, Filter, NewOrder, Page, Side, catalog, harden, migrations};

use tradeblotter_test_support::cluster::{Cluster, rows};
use tradeblotter_test_support::{EXECUTED, append, fill_of, record, submit, texts, trader};

fn last_number(store: &tradeblotter::Blotter) -> i64 {
    let log = store
        .compliance()
        .snapshot(|tx| tx.execution_logs().trail(&Filter::default(), Page::first(1000)))
        .unwrap();
    log.rows.iter().map(|entry| entry.sequence).max().unwrap()
}

pub fn a_desk_is_handed_over_with_every_row_and_goes_on_with_the_next_number(cluster: &Cluster) {
    let desk = cluster.add_desk();
    let store = cluster.store(&desk);
    let ada = trader(&store, "Ada");
    let order = submit(&store, &NewOrder::market(ada.id, Side::Buy, "AAPL", 100)).unwrap();
    record(&store, &fill_of(&order, 40, "10.45")).unwrap();
    let admin = &mut cluster.admin(0);
    desk.enter(admin).unwrap();
    let (before, number) = (rows(admin), last_number(&store));
    drop(store);

    let holder = desk.distribute(&cluster.admin_url(0), None).unwrap();
    let conn = &mut cluster.admin_of(&desk);
    assert_eq!(rows(conn), before);
    assert_eq!(catalog::differences(conn).unwrap(), []);
    assert_eq!(cluster.workers().is_empty(), cluster.node_of(&desk) == 0);
    // The tables of the coordinator keep no copy.
    let kept = format!(
        "SELECT c.relname::text AS text FROM pg_class c
         WHERE relnamespace = '{desk}'::regnamespace AND relkind = 'r' AND pg_relation_size(oid) > 0"
    );
    assert_eq!(texts(&mut cluster.admin(0), &kept), [""; 0]);

    let store = cluster.store(&desk);
    record(&store, &fill_of(&order, 60, "10.45")).unwrap();
    assert_eq!(last_number(&store), number + 1);
    // Once more changes nothing.
    assert_eq!(desk.distribute(&cluster.admin_url(0), None).unwrap().port, holder.port);
    assert_eq!(last_number(&store), number + 1);
}

pub fn a_desk_moves_to_another_node_under_those_who_use_it(cluster: &Cluster) {
    let desk = cluster.desk();
    let store = cluster.store(&desk);
    let ada = trader(&store, "Ada");
    let order = submit(&store, &NewOrder::market(ada.id, Side::Buy, "AAPL", 1000)).unwrap();
    for node in cluster.workers() {
        record(&store, &fill_of(&order, 40, "10.45")).unwrap();
        let number = last_number(&store);
        let before = rows(&mut cluster.admin_of(&desk));
        let (host, port) = cluster.address(node);
        desk.distribute(&cluster.admin_url(0), Some((&host, port))).unwrap();
        assert_eq!(cluster.node_of(&desk), node);
        let conn = &mut cluster.admin_of(&desk);
        assert_eq!(rows(conn), before);
        assert_eq!(catalog::differences(conn).unwrap(), []);
        // The same store goes on: its connections were ended, and new ones are made to the new holder.
        record(&store, &fill_of(&order, 40, "10.45")).unwrap();
        assert_eq!(last_number(&store), number + 1);
    }
}

pub fn a_desk_that_cannot_be_handed_over_is_refused_and_stays_open(cluster: &Cluster) {
    let desk = cluster.add_desk();
    let store = cluster.store(&desk);
    let admin = &mut cluster.admin(0);
    desk.enter(admin).unwrap();
    for (fault, mend, named) in [
        (
            "CREATE FUNCTION planted() RETURNS integer LANGUAGE sql RETURN 1",
            "DROP FUNCTION planted()",
            "planted",
        ),
        (
            "ALTER TABLE fills DISABLE TRIGGER fills_stamp",
            "ALTER TABLE fills ENABLE TRIGGER fills_stamp",
            "fills_stamp",
        ),
    ] {
        admin.batch_execute(fault).unwrap();
        let refused = desk.distribute(&cluster.admin_url(0), None).unwrap_err();
        assert!(refused.is_invalid_input() && refused.to_string().contains(named), "{refused}");
        admin.batch_execute(mend).unwrap();
    }
    harden::install(admin).unwrap();
    let refused = desk.distribute(&cluster.admin_url(0), None).unwrap_err();
    assert!(refused.to_string().contains("blotter harden --lift"), "{refused}");
    harden::lift(admin).unwrap();

    let owner = cluster.admin_url(0).replace("//postgres@", "//blotter@");
    let refused = desk.distribute(&owner, None).unwrap_err();
    assert!(refused.is_permission_denied(), "{refused}");
    let unknown = Desk::new("no_such_desk").unwrap();
    assert!(unknown.distribute(&cluster.admin_url(0), None).unwrap_err().is_not_found());
    if let Some(worker) = cluster.workers().next() {
        let refused = desk.distribute(&cluster.admin_url(worker), None).unwrap_err();
        assert!(refused.to_string().contains("coordinator"), "{refused}");
    }
    assert_eq!(desk.holder(admin).unwrap(), None);
    trader(&store, "Ada");
    // A node that is not there: the desk stays where it is, and open.
    desk.distribute(&cluster.admin_url(0), None).unwrap();
    assert!(desk.distribute(&cluster.admin_url(0), Some(("nowhere", 1))).is_err());
    trader(&store, "Grace");
}

pub fn a_hand_over_that_was_stopped_goes_on(cluster: &Cluster) {
    let desk = cluster.desk();
    let store = cluster.store(&desk);
    trader(&store, "Ada");
    // As it is when the rows are copied and no node is complete. The nodes are completed by what the coordinator has.
    let holder = &mut cluster.admin_of(&desk);
    if !cluster.workers().is_empty() {
        holder
        .batch_execute(
            "SET citus.enable_ddl_propagation = off;
             COMMENT ON TABLE orders IS NULL; REVOKE EXECUTE ON FUNCTION blotter_last_number FROM PUBLIC;
             GRANT EXECUTE ON FUNCTION fills_derive TO PUBLIC",
        )
        .unwrap();
    }
    desk.close(&cluster.admin_url(0)).unwrap();
    assert_ne!(catalog::differences(holder).unwrap(), []);
    desk.distribute(&cluster.admin_url(0), None).unwrap();
    assert_eq!(catalog::differences(&mut cluster.admin_of(&desk)).unwrap(), []);
    trader(&store, "Grace");
}

/// Returns what the check says of the holder after a statement of a superuser on it, which is rolled back.
fn told(cluster: &Cluster, desk: &Desk, statement: &str) -> Vec<String> {
    let conn = &mut cluster.admin_of(desk);
    conn.batch_execute(
        "SET citus.enable_ddl_propagation = off; SET citus.enable_manual_changes_to_shards = on",
    )
    .unwrap();
    conn.test_transaction::<_, tradeblotter::Error, _>(|conn| {
        conn.batch_execute(statement)?;
        let differences = catalog::differences(conn)?;
        Ok(differences.iter().map(ToString::to_string).collect())
    })
}

pub fn the_check_tells_what_is_wrong_on_a_shard(cluster: &Cluster) {
    let desk = cluster.desk();
    let [orders, fills] = ["orders", "fills"].map(|table| cluster.shard(&desk, table));
    let number = orders.trim_start_matches("orders");
    for (statement, line) in [
        (
            format!("ALTER TABLE {orders} DISABLE ROW LEVEL SECURITY"),
            "table (shard) orders: row security is disabled, expected enabled; repair: ALTER TABLE orders ENABLE ROW LEVEL SECURITY",
        ),
        (
            format!("ALTER TABLE {orders} DISABLE TRIGGER orders_keep_row{number}"),
            "trigger (shard) orders.orders_keep_row: enabled is disabled, expected always; \
             repair: ALTER TABLE orders ENABLE ALWAYS TRIGGER orders_keep_row",
        ),
        (
            format!("DROP TRIGGER orders_writer{number} ON {orders}"),
            "trigger (shard) orders.orders_writer: missing",
        ),
        (
            format!("DROP POLICY orders_trader_isolation ON {orders}"),
            "policy (shard) orders.orders_trader_isolation: missing",
        ),
        (
            format!("ALTER TABLE {fills} DROP CONSTRAINT ck_fills_price_positive"),
            "constraint (shard) fills.ck_fills_price_positive: missing",
        ),
        (
            format!("GRANT DELETE ON {orders} TO blotter_engine"),
            "grant (shard) orders.blotter_engine: privileges is DELETE, INSERT, SELECT, expected INSERT, SELECT",
        ),
    ] {
        assert_eq!(told(cluster, &desk, &statement), [line], "{statement}");
    }
}

pub fn the_check_tells_what_is_missing_on_the_holder(cluster: &Cluster) {
    let desk = cluster.desk();
    for (statement, line) in [
        ("COMMENT ON TABLE fills IS NULL", "table fills: comment is none"),
        (
            "GRANT EXECUTE ON FUNCTION fills_derive() TO PUBLIC",
            "function fills_derive(): execute granted to is public, expected nobody",
        ),
        (
            "CREATE OR REPLACE FUNCTION blotter_refuse_writer() RETURNS trigger LANGUAGE plpgsql
             SET search_path = pg_catalog, pg_temp AS 'BEGIN RETURN NEW; END'",
            "function blotter_refuse_writer(): body is",
        ),
        (
            "ALTER SEQUENCE execution_logs_sequence MINVALUE -5",
            "table execution_logs_sequence: numbers is bigint from -5",
        ),
    ] {
        let told = told(cluster, &desk, statement);
        assert!(matches!(&told[..], [one] if one.starts_with(line)), "{statement}: {told:?}");
    }
}

pub fn what_is_not_done_on_citus_is_refused(cluster: &Cluster) {
    let desk = cluster.desk();
    let conn = &mut cluster.admin(0);
    desk.enter(conn).unwrap();
    for refused in [
        harden::install(conn).unwrap_err(),
        migrations::revert(conn, Extent::All, Records::Keep, |_| ()).unwrap_err(),
    ] {
        assert!(refused.to_string().contains("Citus"), "{refused}");
    }
    assert_eq!(migrations::run(conn).unwrap(), []);
    let store = cluster.store(&desk);
    let ada = trader(&store, "Ada");
    let order = submit(&store, &NewOrder::market(ada.id, Side::Buy, "AAPL", 100)).unwrap();
    append(&store, &tradeblotter::NewExecutionLog::new(order.id, EXECUTED)).unwrap();
}
