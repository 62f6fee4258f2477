//! Prepared statements: a plan that is prepared under one identity or role must not leak rows under
//! another.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use tradeblotter::{connect, role, schema};

use crate::scene::{ADA, GRACE, Held, Scene};
use tradeblotter_test_support::texts;

/// More executions than PostgreSQL needs before it uses a generic plan.
const REPEATS: usize = 7;

attacks! {
    a_prepared_statement_shows_the_rows_of_whoever_runs_it,
    a_statement_that_diesel_has_cached_shows_the_rows_of_whoever_runs_it,
}

/// Below a sub-query too, where a server before 15.9, 16.5 or 17.1 ignores row-level security and keeps a
/// plan that was made for another role (CVE-2024-10976).
pub fn a_prepared_statement_shows_the_rows_of_whoever_runs_it(scene: &Scene) -> Held {
    for mode in ["auto", "force_generic_plan", "force_custom_plan"] {
        // A login that may act as every role, which no production login should.
        let conn = &mut connect(&scene.db.app_url()).unwrap();
        conn.batch_execute(&format!(
            "SET plan_cache_mode = {mode};
             PREPARE seen AS
                 SELECT count(*) || '/' || count(DISTINCT trader_id) AS text FROM orders;
             PREPARE asked (text) AS
                 SELECT count(*)::text AS text FROM orders WHERE symbol LIKE '%' || $1;
             PREPARE logged AS SELECT count(*)::text AS text FROM execution_logs;
             PREPARE within AS
                 WITH it AS MATERIALIZED (SELECT * FROM orders)
                 SELECT count(*)::text AS text FROM it;
             PREPARE found AS
                 SELECT EXISTS (SELECT FROM orders WHERE symbol = 'GPENDING')::text AS text"
        ))
        .unwrap();
        let all = ["11/3", "3", "29", "11", "true"];
        for _ in 0..REPEATS {
            for (role, identity, expected) in [
                ("blotter_trader", ADA, ["5/1", "1", "13", "5", "false"]),
                ("blotter_engine", "", all),
                ("blotter_trader", GRACE, ["5/1", "1", "13", "5", "true"]),
                ("blotter_trader", "", ["0/0", "0", "0", "0", "false"]),
                ("blotter_compliance", "", all),
                ("blotter_engine", ADA, all),
            ] {
                let role = scene.db.role(role);
                conn.batch_execute(&format!("SET ROLE {role}; SET app.user_id = '{identity}'"))
                    .unwrap();
                let seen = ["seen", "asked ('PENDING')", "logged", "within", "found"]
                    .map(|name| texts(conn, &format!("EXECUTE {name}")).concat());
                assert_eq!(seen, expected, "{mode} {role} {identity}");
            }
        }
    }
    Ok(())
}

/// Diesel prepares each query once per connection, and every session on it runs the same plan.
pub fn a_statement_that_diesel_has_cached_shows_the_rows_of_whoever_runs_it(scene: &Scene) -> Held {
    let conn = &mut connect(&scene.db.app_url()).unwrap();
    let symbols = |conn: &mut PgConnection| {
        let symbols = schema::orders::table.select(schema::orders::symbol);
        symbols.filter(schema::orders::quantity.eq(100)).load::<String>(conn)
    };
    let trader = |id: &str| role::Trader::new(id.parse().unwrap()).unwrap();
    for _ in 0..REPEATS {
        let ada = scene.transaction_on(conn, trader(ADA), |tx| Ok(symbols(tx.connection())?));
        assert_eq!(ada.unwrap(), ["APENDING"]);
        let all = scene.transaction_on(conn, role::Engine, |tx| Ok(symbols(tx.connection())?));
        assert_eq!(all.unwrap().len(), 2);
        let grace = scene.transaction_on(conn, trader(GRACE), |tx| Ok(symbols(tx.connection())?));
        assert_eq!(grace.unwrap(), ["GPENDING"]);
    }
    Ok(())
}
