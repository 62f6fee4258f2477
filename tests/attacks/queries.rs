//! Every kind of query returns exactly the trader's own rows.

use std::io::Read;

use diesel::prelude::*;
use diesel::result::Error;
use tradeblotter::{connect, schema};

use crate::scene::{
    ADA, ADAS_PENDING, Actor, By, GRACE, GRACES_PENDING, Held, RECORDS, Scene, TABLES, order_of,
};

/// Runs the same query for both traders. A `*` in an expected value stands for the first letter of the
/// trader's symbols.
fn both(scene: &Scene, expected: &[&str], query: &str) -> Held {
    for (trader, letter) in [(Scene::ada as fn(&Scene) -> Actor<'_>, "A"), (Scene::grace, "G")] {
        let expected: Vec<_> = expected.iter().map(|text| text.replace('*', letter)).collect();
        trader(scene).sees(&expected, query)?;
    }
    Ok(())
}

attacks! {
    joins_show_exactly_the_own_rows,
    aggregates_count_exactly_the_own_rows,
    sub_queries_and_set_operations_find_no_foreign_row,
    a_cursor_fetches_exactly_the_own_rows,
    returning_gives_back_exactly_what_was_written,
    rows_are_locked_by_nobody_and_with_a_grant_the_own_ones_only,
    a_view_of_the_owners_shows_exactly_the_own_rows,
    explain_runs_a_query_on_exactly_the_own_rows_and_statistics_are_closed,
    a_function_that_tells_on_its_arguments_is_called_with_the_own_rows_only,
    copy_from_does_not_lead_around_the_policies,
    copy_to_writes_exactly_the_own_rows,
}

pub fn joins_show_exactly_the_own_rows(scene: &Scene) -> Held {
    both(
        scene,
        &["*FILLED 300 *", "*PARTIAL 50 *"],
        "SELECT symbol || ' ' || quantity_filled || ' ' || name AS text
        FROM fills JOIN orders ON orders.id = order_id JOIN traders ON traders.id = orders.trader_id
        ORDER BY 1",
    )?;
    both(
        scene,
        &["*CANCELLED", "*PENDING", "*REJECTED"],
        "SELECT symbol AS text FROM orders FULL JOIN fills ON order_id = orders.id
        WHERE fills.id IS NULL ORDER BY 1",
    )?;
    both(scene, &["25"], "SELECT count(*)::text AS text FROM orders a, orders b")?;
    both(
        scene,
        &["*LATE open", "*OVER *TWICE"],
        "SELECT detail || ' ' || coalesce(r.reason, 'open') AS text
        FROM breaks LEFT JOIN break_resolutions r ON break_id = breaks.id ORDER BY 1",
    )?;
    both(
        scene,
        &["*PENDING 2"],
        "SELECT symbol || ' ' || entries AS text FROM orders
        CROSS JOIN LATERAL (
            SELECT count(*) AS entries FROM execution_logs WHERE order_id = orders.id
        ) AS log WHERE symbol LIKE '%PENDING'",
    )
}

pub fn aggregates_count_exactly_the_own_rows(scene: &Scene) -> Held {
    both(
        scene,
        &["5 1500 500 *CANCELLED,*FILLED,*PARTIAL,*PENDING,*REJECTED"],
        "SELECT concat_ws(' ', count(*), sum(quantity), max(quantity),
            string_agg(symbol, ',' ORDER BY symbol)) AS text FROM orders",
    )?;
    both(scene, &["13"], "SELECT count(*)::text AS text FROM execution_logs")?;
    both(scene, &["1"], "SELECT count(DISTINCT trader_id)::text AS text FROM execution_logs")?;
    both(
        scene,
        &["*FILLED 350"],
        "SELECT symbol || ' ' || sum(quantity_filled) OVER () AS text
        FROM fills JOIN orders ON orders.id = order_id ORDER BY symbol LIMIT 1",
    )
}

pub fn sub_queries_and_set_operations_find_no_foreign_row(scene: &Scene) -> Held {
    let ask = |query: &str| query.replace("$id", GRACES_PENDING);
    for (expected, query) in [
        ("false", "SELECT EXISTS (SELECT FROM orders WHERE id = '$id')::text AS text"),
        ("false", "SELECT ('$id' IN (SELECT id FROM orders))::text AS text"),
        ("none", "SELECT coalesce((SELECT symbol FROM orders WHERE id = '$id'), 'none') AS text"),
        ("0", "SELECT count(*)::text AS text FROM execution_logs WHERE order_id = '$id'"),
        (
            "0",
            "WITH it AS MATERIALIZED (SELECT * FROM orders)
             SELECT count(*)::text AS text FROM it WHERE id = '$id'",
        ),
        (
            "0",
            "SELECT count(*)::text AS text FROM (TABLE orders EXCEPT SELECT * FROM orders) AS it",
        ),
        ("10", "SELECT count(*)::text AS text FROM (TABLE orders UNION ALL TABLE orders) AS it"),
        (
            "0",
            "SELECT count(*)::text AS text FROM orders TABLESAMPLE SYSTEM (100) WHERE id = '$id'",
        ),
        (
            "false",
            "SELECT (query_to_xml('TABLE orders', true, false, '')::text LIKE '%GPENDING%')::text
                 AS text",
        ),
    ] {
        scene.ada().sees(&[expected], ask(query))?;
    }
    Ok(())
}

pub fn a_cursor_fetches_exactly_the_own_rows(scene: &Scene) -> Held {
    for (trader, identity) in [(Scene::ada as fn(&Scene) -> Actor<'_>, "A"), (Scene::grace, "G")] {
        let symbols = ["CANCELLED", "FILLED", "PARTIAL", "PENDING", "REJECTED"];
        trader(scene).brings(
            &symbols.map(|symbol| format!("{identity}{symbol}")),
            "DECLARE all_rows SCROLL CURSOR FOR SELECT symbol AS text FROM orders ORDER BY symbol",
            "FETCH ALL FROM all_rows",
        )?;
    }
    Ok(())
}

pub fn returning_gives_back_exactly_what_was_written(scene: &Scene) -> Held {
    let returning = "RETURNING symbol || ' ' || (SELECT count(*) FROM orders) AS text";
    scene.ada().sees(&["X 5"], format!("{} {returning}", order_of(ADA)))?;
    scene.run("GRANT UPDATE, DELETE ON execution_logs, orders TO blotter_trader");
    for sql in [
        "UPDATE execution_logs SET reason = 'X' RETURNING id::text AS text".to_owned(),
        "DELETE FROM execution_logs RETURNING id::text AS text".to_owned(),
        format!(
            "UPDATE orders SET quantity = 1 WHERE id = '{GRACES_PENDING}' RETURNING symbol AS text"
        ),
        format!("DELETE FROM orders WHERE id = '{GRACES_PENDING}' RETURNING symbol AS text"),
    ] {
        scene.ada().sees(&[""; 0], sql)?;
    }
    Ok(())
}

/// Locking a row requires the privilege to update it, which is not granted; with it, the rows of others
/// are neither visible nor locked.
pub fn rows_are_locked_by_nobody_and_with_a_grant_the_own_ones_only(scene: &Scene) -> Held {
    for strength in ["UPDATE", "NO KEY UPDATE", "SHARE", "KEY SHARE"] {
        for table in RECORDS {
            let lock = format!("SELECT FROM {table} FOR {strength}");
            scene.ada().refused(By::Grant(table), lock)?;
        }
    }
    scene.run("GRANT UPDATE ON orders, execution_logs TO blotter_trader");
    both(
        scene,
        &["*CANCELLED", "*FILLED", "*PARTIAL", "*PENDING", "*REJECTED"],
        "SELECT symbol AS text FROM orders ORDER BY symbol FOR UPDATE",
    )?;
    both(scene, &[], "SELECT id::text AS text FROM execution_logs FOR UPDATE")
}

pub fn a_view_of_the_owners_shows_exactly_the_own_rows(scene: &Scene) -> Held {
    scene.owner("").run(
        "CREATE VIEW all_rows AS
            SELECT trader_id, 'order' AS kind FROM orders UNION ALL
            SELECT trader_id, 'fill' FROM fills UNION ALL
            SELECT trader_id, 'log' FROM execution_logs UNION ALL
            SELECT trader_id, 'break' FROM breaks UNION ALL
            SELECT trader_id, 'resolution' FROM break_resolutions;
        GRANT SELECT ON all_rows TO blotter_trader",
    );
    both(
        scene,
        &["1 23"],
        "SELECT count(DISTINCT trader_id) || ' ' || count(*) AS text FROM all_rows",
    )?;
    scene.trader("").sees(&["0"], "SELECT count(*)::text AS text FROM all_rows")?;
    if scene.has(15) {
        scene.superuser().run(
            "CREATE VIEW theirs WITH (security_invoker) AS SELECT symbol AS text FROM orders;
            GRANT SELECT ON theirs TO blotter_trader",
        );
        both(
            scene,
            &["*CANCELLED", "*FILLED", "*PARTIAL", "*PENDING", "*REJECTED"],
            "SELECT text FROM theirs ORDER BY text",
        )?;
    }
    Ok(())
}

pub fn explain_runs_a_query_on_exactly_the_own_rows_and_statistics_are_closed(
    scene: &Scene,
) -> Held {
    scene.run("ANALYZE");
    scene.ada().brings(
        &["5"],
        "CREATE FUNCTION pg_temp.explained(query text) RETURNS SETOF text LANGUAGE plpgsql AS
             'BEGIN
                  RETURN QUERY EXECUTE ''EXPLAIN (ANALYZE, VERBOSE, FORMAT YAML) '' || query;
              END'",
        "SELECT substring(plan FROM 'Actual Rows: ([0-9]+)') AS text
         FROM pg_temp.explained('SELECT * FROM orders') AS plan",
    )?;
    scene.ada().sees(
        &["0"],
        format!(
            "SELECT count(*)::text AS text FROM pg_stats WHERE tablename IN ('{}')",
            TABLES.join("', '")
        ),
    )
}

/// A function that leaks its arguments is called after the policies, however low its declared cost.
pub fn a_function_that_tells_on_its_arguments_is_called_with_the_own_rows_only(
    scene: &Scene,
) -> Held {
    // Only the order of the nil UUID is for one share: a division by zero would reveal that it was read.
    both(scene, &["5"], "SELECT count(*)::text AS text FROM orders WHERE 1 / (quantity - 1) = 0")?;
    scene.ada().brings(
        &["ACANCELLED", "AFILLED", "APARTIAL", "APENDING", "AREJECTED"],
        "CREATE TEMP TABLE told (symbol text);
         CREATE FUNCTION pg_temp.tell(symbol text) RETURNS boolean
             LANGUAGE plpgsql COST 0.0000001 AS
             'BEGIN INSERT INTO told VALUES (symbol); RETURN true; END';
         SELECT FROM orders WHERE pg_temp.tell(symbol)",
        "SELECT symbol AS text FROM told ORDER BY symbol",
    )
}

/// COPY takes more than a statement: a server that allowed it would wait for the rows.
pub fn copy_from_does_not_lead_around_the_policies(scene: &Scene) -> Held {
    use schema::orders::{order_type, quantity, symbol, trader_id};
    let refusal = By::Words("COPY FROM not supported with row-level security");
    for trader in [ADA, GRACE] {
        scene.ada().refused_to(refusal, "COPY orders FROM STDIN", |conn| {
            let columns = (trader_id, symbol, quantity, order_type);
            let rows = diesel::copy_from(schema::orders::table).from_raw_data(columns, |copy| {
                writeln!(copy, "{trader}\tX\t1\tMARKET")
                    .map_err(|error| Error::SerializationError(Box::new(error)))
            });
            rows.execute(conn)
        })?;
    }
    Ok(())
}

pub fn copy_to_writes_exactly_the_own_rows(scene: &Scene) -> Held {
    for role in ["blotter_trader", "blotter_engine"] {
        let conn = &mut connect(&scene.db.login_url(role)).unwrap();
        diesel::sql_query(format!("SET app.user_id = '{ADA}'")).execute(conn).unwrap();
        let mut copied = String::new();
        let copy = diesel::copy_to(schema::orders::table);
        copy.load_raw(conn).unwrap().read_to_string(&mut copied).unwrap();
        let (rows, foreign) = (copied.lines().count(), copied.contains(GRACES_PENDING));
        let expected = if role == "blotter_trader" { (5, false) } else { (11, true) };
        assert_eq!((rows, foreign), expected, "{role}");
        assert!(copied.contains(ADAS_PENDING));
    }
    Ok(())
}
