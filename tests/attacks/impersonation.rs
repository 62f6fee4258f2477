//! Writing in the name of another trader, or rows that only another role may write.

use crate::scene::{
    ABSENT, ADA, ADAS_CANCELLED, ADAS_FILLED, ADAS_PARTIAL, ADAS_PENDING, ADAS_REJECTED, By, GRACE,
    GRACES_FILLED, GRACES_PENDING, Held, RECORDS, Scene, break_of, fill_of, log_of, order_of,
};

attacks! {
    a_trader_submits_no_order_for_another,
    an_order_begins_with_nothing_filled_whoever_submits_it,
    an_order_was_submitted_when_it_was_stored,
    a_trader_records_no_fill_not_even_of_its_own_order,
    a_fill_is_shown_to_the_trader_of_its_order_whatever_the_engine_says,
    a_trader_logs_nothing_for_another,
    without_the_triggers_row_security_keeps_traders_apart,
    what_the_database_logs_by_itself_is_logged_by_nobody_else,
    a_trader_approves_executes_rejects_and_repairs_none_of_its_orders,
    a_trader_gives_no_code_of_a_venue_and_counts_no_retry,
    an_action_tells_the_status_and_the_time_that_the_database_knows,
    an_action_tells_its_place_in_the_log_and_who_acted_whatever_is_claimed,
    what_is_logged_of_a_fill_or_a_break_is_logged_by_nobody_else,
    nothing_happens_to_an_order_that_does_not_exist,
    nothing_happens_to_an_order_before_it_is_submitted,
    nothing_happens_to_an_order_after_its_end,
    thousands_of_actions_of_one_order_in_one_statement_are_logged_one_by_one,
    the_rows_of_one_statement_are_logged_as_they_happen,
    an_order_is_known_at_its_venue_by_one_name,
    an_order_moves_to_no_other_trader,
    a_trader_is_registered_by_the_engine_only,
}

pub fn a_trader_submits_no_order_for_another(scene: &Scene) -> Held {
    scene.ada().refused(By::Policy("orders"), order_of(GRACE))?;
    scene.trader("").refused(By::Policy("orders"), order_of(ADA))?;
    scene.owner(ADA).refused(By::Policy("orders"), order_of(GRACE))
}

pub fn an_order_begins_with_nothing_filled_whoever_submits_it(scene: &Scene) -> Held {
    for (column, value) in [
        ("status", "'FILLED'"),
        ("status", "'CANCELLED'"),
        ("filled_quantity", "1"),
        ("filled_notional", "1"),
        ("average_fill_price", "1"),
        ("venue_order_id", "'X'"),
        ("break_count", "1"),
    ] {
        let sql = format!(
            "INSERT INTO orders (trader_id, symbol, quantity, order_type, {column})
             VALUES ('{ADA}', 'X', 1, 'MARKET', {value})"
        );
        scene.ada().refused(By::Rule("orders_begin_pending"), &sql)?;
        scene.engine().refused(By::Rule("orders_begin_pending"), &sql)?;
    }
    Ok(())
}

pub fn an_order_was_submitted_when_it_was_stored(scene: &Scene) -> Held {
    let backdated = format!(
        "INSERT INTO orders (trader_id, symbol, quantity, order_type, created_at)
         VALUES ('{ADA}', 'X', 1, 'MARKET', '2000-01-01')"
    );
    let late = "SELECT (created_at >= now())::text AS text FROM orders WHERE symbol = 'X'";
    scene.ada().brings(&["true"], backdated, late)
}

pub fn a_trader_records_no_fill_not_even_of_its_own_order(scene: &Scene) -> Held {
    scene.ada().refused(By::Grant("fills"), fill_of(ADAS_PENDING, ADA))?;
    scene.run("GRANT INSERT ON fills TO blotter_trader");
    let restriction = By::Restriction("fills_trader_records_nothing");
    scene.ada().refused(restriction, fill_of(ADAS_PENDING, ADA))
}

pub fn a_fill_is_shown_to_the_trader_of_its_order_whatever_the_engine_says(scene: &Scene) -> Held {
    let shown = "SELECT trader_id::text AS text FROM fills WHERE venue = 'X'";
    scene.engine().brings(&[ADA], fill_of(ADAS_PENDING, GRACE), shown)
}

pub fn a_trader_logs_nothing_for_another(scene: &Scene) -> Held {
    let same = By::Rule("execution_logs_same_trader");
    scene.ada().refused(same, log_of(ADAS_PENDING, GRACE, "CANCELLED"))?;
    let absent = By::Rule("fk_execution_logs_order_id");
    scene.ada().refused(absent, log_of(GRACES_PENDING, ADA, "CANCELLED"))?;
    scene.ada().refused(absent, log_of(GRACES_PENDING, GRACE, "CANCELLED"))?;
    scene.owner(ADA).refused(absent, log_of(GRACES_PENDING, GRACE, "CANCELLED"))?;
    scene.engine().refused(same, log_of(GRACES_PENDING, ADA, "CANCELLED"))
}

/// The triggers refuse it first; without them the policies do.
pub fn without_the_triggers_row_security_keeps_traders_apart(scene: &Scene) -> Held {
    for table in RECORDS {
        scene.run(&format!("ALTER TABLE {table} DISABLE TRIGGER USER"));
    }
    scene.ada().refused(By::Policy("orders"), order_of(GRACE))?;
    scene
        .ada()
        .refused(By::Policy("execution_logs"), log_of(GRACES_PENDING, GRACE, "CANCELLED"))?;
    scene.owner(ADA).refused(By::Policy("fills"), fill_of(GRACES_PENDING, GRACE))?;
    // A fill that books a break, as only the ledger may insert it.
    let booked = format!(
        "INSERT INTO fills (order_id, trader_id, quantity_filled, price_at_fill, venue, break_id)
         VALUES ('{GRACES_PENDING}', '{GRACE}', 1, 1, 'X', '{GRACES_FILLED}')"
    );
    scene.owner(ADA).refused(By::Policy("fills"), booked)
}

pub fn what_the_database_logs_by_itself_is_logged_by_nobody_else(scene: &Scene) -> Held {
    for action in ["SUBMITTED", "FILLED"] {
        let automatic = By::Rule("execution_logs_automatic");
        let sql = log_of(ADAS_PENDING, ADA, action);
        scene.ada().refused(automatic, &sql)?;
        scene.engine().refused(automatic, &sql)?;
        scene.superuser().refused(automatic, &sql)?;
    }
    Ok(())
}

pub fn a_trader_approves_executes_rejects_and_repairs_none_of_its_orders(scene: &Scene) -> Held {
    for action in ["APPROVED", "EXECUTED", "REJECTED", "RECOVERED"] {
        scene.ada().refused(By::Policy("execution_logs"), log_of(ADAS_PENDING, ADA, action))?;
    }
    Ok(())
}

pub fn a_trader_gives_no_code_of_a_venue_and_counts_no_retry(scene: &Scene) -> Held {
    for (column, value) in [
        ("error_code", "'99'"),
        ("retry_attempt", "1"),
        ("venue_order_id", "'X'"),
        ("reported_at", "now()"),
        ("report_id", "gen_random_uuid()"),
    ] {
        let cancel = format!(
            "INSERT INTO execution_logs (order_id, action, {column})
             VALUES ('{ADAS_PENDING}', 'CANCELLED', {value})"
        );
        scene.ada().refused(By::Policy("execution_logs"), cancel)?;
    }
    Ok(())
}

pub fn an_action_tells_the_status_and_the_time_that_the_database_knows(scene: &Scene) -> Held {
    let told = |columns: &str, values: &str| {
        format!(
            "INSERT INTO execution_logs (order_id, trader_id, action, {columns})
             VALUES ('{ADAS_PARTIAL}', '{ADA}', 'CANCELLED', {values})"
        )
    };
    let derived = By::Rule("execution_logs_status_derived");
    scene.ada().refused(derived, told("status", "'FILLED'"))?;
    let late = format!(
        "SELECT (timestamp >= now() AND created_at >= now())::text AS text
         FROM execution_logs WHERE order_id = '{ADAS_PARTIAL}' AND action = 'CANCELLED'"
    );
    let backdated = told("timestamp, created_at", "'2000-01-01', '2000-01-01'");
    scene.ada().brings(&["true"], backdated, late)
}

pub fn an_action_tells_its_place_in_the_log_and_who_acted_whatever_is_claimed(
    scene: &Scene,
) -> Held {
    let claimed = format!(
        "INSERT INTO execution_logs (order_id, action, sequence, acted_by, acted_as)
         VALUES ('{ADAS_PARTIAL}', 'CANCELLED', 1, 'X', 'X')"
    );
    let told = "SELECT concat_ws(' ', acted_by, acted_as) AS text FROM execution_logs
                WHERE sequence = (SELECT max(sequence) FROM execution_logs)
                    AND action = 'CANCELLED'";
    let logins = ["@trader_login", "@engine_login"];
    scene.ada().brings(&[format!("{0} {0}", logins[0])], &claimed, told)?;
    scene.engine().brings(&[format!("{0} {0}", logins[1])], &claimed, told)?;
    let as_a_role = format!("SET LOCAL ROLE @engine; {claimed}");
    scene.engine().brings(&[format!("{} @engine", logins[1])], as_a_role, told)?;
    // Entries that the database logs by itself name the login that caused them, and not the ledger.
    let submitted = "SELECT concat_ws(' ', acted_by, acted_as) AS text FROM execution_logs
                     JOIN orders ON orders.id = order_id WHERE symbol = 'X'";
    scene.ada().brings(&[format!("{0} {0}", logins[0])], order_of(ADA), submitted)
}

pub fn what_is_logged_of_a_fill_or_a_break_is_logged_by_nobody_else(scene: &Scene) -> Held {
    for column in ["fill_id", "break_id"] {
        let sql = format!(
            "INSERT INTO execution_logs (order_id, action, {column})
             VALUES ('{ADAS_PENDING}', 'CANCELLED', '{ADAS_PARTIAL}')"
        );
        for attacker in [Scene::ada, Scene::engine, Scene::superuser] {
            attacker(scene).refused(By::Rule("execution_logs_automatic"), &sql)?;
        }
    }
    Ok(())
}

pub fn an_order_is_known_at_its_venue_by_one_name(scene: &Scene) -> Held {
    let routed = |name: &str| {
        format!(
            "INSERT INTO execution_logs (order_id, action, venue_order_id)
             VALUES ('{ADAS_PENDING}', 'EXECUTED', '{name}');"
        )
    };
    let known = format!("SELECT venue_order_id AS text FROM orders WHERE id = '{ADAS_PENDING}'");
    let mut engine = scene.engine();
    engine.brings(&["V-1"], routed("V-1") + &routed("V-1"), known)?;
    engine.refused_after(By::Rule("execution_logs_one_venue_order"), routed("V-1"), routed("V-2"))
}

pub fn nothing_happens_to_an_order_that_does_not_exist(scene: &Scene) -> Held {
    let mut engine = scene.engine();
    let absent = By::Rule("fk_execution_logs_order_id");
    engine.refused(absent, log_of(ABSENT, ADA, "CANCELLED"))?;
    engine.refused(By::Rule("fk_fills_order_id"), fill_of(ABSENT, ADA))
}

/// Also if it has ended in the same statement.
pub fn nothing_happens_to_an_order_after_its_end(scene: &Scene) -> Held {
    let ended = By::Rule("orders_transition");
    for order in [ADAS_FILLED, ADAS_REJECTED, ADAS_CANCELLED] {
        scene.ada().refused(ended, log_of(order, "", "CANCELLED"))?;
        let mut engine = scene.engine();
        for action in ["APPROVED", "EXECUTED", "REJECTED", "CANCELLED"] {
            engine.refused(ended, log_of(order, "", action))?;
        }
        engine.refused(ended, fill_of(order, ""))?;
    }
    scene.ada().refused(ended, many("CANCELLED"))
}

/// Logs so many actions of one order that a cost that grows with their square would be felt.
fn many(action: &str) -> String {
    format!(
        "INSERT INTO execution_logs (order_id, action)
         SELECT '{ADAS_PENDING}', '{action}' FROM generate_series(1, 4000)"
    )
}

/// No row of the log is read for another: the cost is linear, as far as the triggers are concerned.
pub fn thousands_of_actions_of_one_order_in_one_statement_are_logged_one_by_one(
    scene: &Scene,
) -> Held {
    let read = "SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)) AS rows
                FROM pg_stat_xact_user_tables WHERE relname IN ('execution_logs', 'breaks')";
    let told = format!(
        "WITH entries AS (
             SELECT status, timestamp > lag(timestamp) OVER (ORDER BY sequence) AS is_later
             FROM execution_logs WHERE order_id = '{ADAS_PENDING}' AND action = 'EXECUTED'
         )
         SELECT concat_ws(' ', count(*), bool_and(is_later), min(status), max(status), (
             SELECT after.rows - before.rows FROM after, before
         )) AS text FROM entries"
    );
    let statements = format!(
        "CREATE TEMP TABLE before AS {read}; {}; CREATE TEMP TABLE after AS {read}",
        many("EXECUTED")
    );
    scene.engine().brings(&["4000 t PENDING PENDING 0"], statements, told)
}

/// Another row of the same statement sees the order before its SUBMITTED entry is logged.
pub fn nothing_happens_to_an_order_before_it_is_submitted(scene: &Scene) -> Held {
    let order = format!(
        "INSERT INTO orders (id, trader_id, symbol, quantity, order_type)
         VALUES ('{ABSENT}', '{ADA}', 'X', 1, 'MARKET')"
    );
    let cancel = log_of(ABSENT, ADA, "CANCELLED");
    let fill = fill_of(ABSENT, "");
    let together = |first: &str| format!("WITH first AS ({first}) {order}");
    scene.ada().refused(By::Rule("orders_transition"), together(&cancel))?;
    scene.engine().refused(By::Rule("orders_transition"), together(&cancel))?;
    let both = format!("WITH first AS ({fill}), second AS ({cancel}) {order}");
    scene.engine().refused(By::Rule("orders_transition"), both)
}

/// Each part of a statement moves the order when PostgreSQL runs it, so the log agrees with the order afterwards;
/// an action after the order has ended is refused, also in the same statement.
pub fn the_rows_of_one_statement_are_logged_as_they_happen(scene: &Scene) -> Held {
    let cancel = log_of(ADAS_PENDING, ADA, "CANCELLED");
    let broken = break_of(ADAS_PENDING);
    let told = format!(
        "SELECT concat_ws(' ', action, status, timestamp > lag(timestamp) OVER entries) AS text
         FROM execution_logs WHERE order_id = '{ADAS_PENDING}'
         WINDOW entries AS (ORDER BY sequence) ORDER BY sequence DESC LIMIT 2"
    );
    scene.engine().brings(
        &["RECOVERED CANCELLED t", "CANCELLED CANCELLED t"],
        format!("WITH first AS ({cancel}) {broken}"),
        told,
    )?;
    let mut engine = scene.engine();
    engine.run(
        "CREATE FUNCTION pg_temp.approve(uuid, uuid) RETURNS uuid LANGUAGE sql AS
         $$ INSERT INTO @schema.execution_logs (order_id, trader_id, action)
            VALUES ($1, $2, 'APPROVED') RETURNING order_id $$",
    );
    engine.refused(
        By::Rule("orders_transition"),
        format!(
            "INSERT INTO execution_logs (order_id, trader_id, action)
             SELECT CASE
                 WHEN place = 1 THEN '{ADAS_PENDING}'
                 WHEN pg_temp.approve('{ADAS_PENDING}', '{ADA}') IS NOT NULL THEN '{ADAS_PARTIAL}'::uuid
             END, '{ADA}', 'CANCELLED'
             FROM generate_series(1, 2) AS place"
        ),
    )
}

pub fn an_order_moves_to_no_other_trader(scene: &Scene) -> Held {
    let gift = format!("UPDATE orders SET trader_id = '{GRACE}' WHERE id = '{ADAS_PENDING}'");
    for attacker in [Scene::ada, Scene::engine, Scene::compliance, Scene::ledger] {
        attacker(scene).refused(By::Grant("orders"), &gift)?;
    }
    scene.run("GRANT UPDATE ON orders TO blotter_trader, blotter_ledger");
    scene.run("DROP INDEX uq_orders_client_order_id");
    for attacker in [Scene::ledger, Scene::superuser, Scene::replica] {
        attacker(scene).refused(By::Rule("orders_append_only"), &gift)?;
    }
    // A trader's own policy refuses it before the guards, and also without them.
    scene.ada().refused(By::Policy("orders"), &gift)?;
    scene.run("ALTER TABLE orders DISABLE TRIGGER USER");
    scene.ada().refused(By::Policy("orders"), &gift)
}

pub fn a_trader_is_registered_by_the_engine_only(scene: &Scene) -> Held {
    let register = "INSERT INTO traders (name) VALUES ('X')";
    scene.ada().refused(By::Grant("traders"), register)?;
    scene.compliance().refused(By::Grant("traders"), register)?;
    scene.owner(ADA).refused(By::Policy("traders"), register)?;
    scene.run("GRANT INSERT ON traders TO blotter_trader, blotter_compliance");
    scene.ada().refused(By::Policy("traders"), register)?;
    scene.compliance().refused(By::Policy("traders"), register)
}
