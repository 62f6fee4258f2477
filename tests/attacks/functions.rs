//! Attacks on the deriving functions: they run with the privileges of the ledger, so no client may call
//! them, and no object of a caller may take the place of one that they name.

use tradeblotter_test_support::texts;

use crate::scene::{
    ADA, ADAS_CANCELLED, ADAS_PARTIAL, ADAS_PENDING, By, Held, RECORDS, Scene, booking_of,
    break_of, bust_of, log_of, order_of, replacement_of,
};

const TRIGGER_FUNCTIONS: [&str; 14] = [
    "archives_stamp",
    "blotter_number_row",
    "blotter_refuse_change",
    "break_resolutions_book",
    "break_resolutions_stamp",
    "breaks_log",
    "breaks_stamp",
    "execution_logs_derive",
    "execution_logs_require_order",
    "fills_derive",
    "fills_stamp",
    "orders_admit",
    "orders_log_submitted",
    "seals_follow",
];

/// A schema with wrong operators, which the search path finds before PostgreSQL's own.
pub const SHADOW: &str = "
    CREATE SCHEMA shadow;
    GRANT USAGE ON SCHEMA shadow TO PUBLIC;
    CREATE FUNCTION shadow.no(order_status_enum, order_status_enum) RETURNS boolean
        LANGUAGE sql AS 'SELECT false';
    CREATE OPERATOR shadow.<> (
        LEFTARG = order_status_enum, RIGHTARG = order_status_enum, FUNCTION = shadow.no
    );
    CREATE FUNCTION shadow.no(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT false';
    CREATE OPERATOR shadow.<> (LEFTARG = text, RIGHTARG = text, FUNCTION = shadow.no);
    CREATE FUNCTION shadow.yes(uuid, uuid) RETURNS boolean LANGUAGE sql AS 'SELECT true';
    CREATE OPERATOR shadow.= (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = shadow.yes);
    CREATE FUNCTION shadow.fail(text, text) RETURNS boolean
        LANGUAGE plpgsql AS $$ BEGIN RAISE 'called'; END $$;
    CREATE OPERATOR shadow.= (LEFTARG = text, RIGHTARG = text, FUNCTION = shadow.fail);
    CREATE OPERATOR shadow.~~ (LEFTARG = text, RIGHTARG = text, FUNCTION = shadow.fail);
    CREATE FUNCTION shadow.fail(oid, regproc) RETURNS boolean
        LANGUAGE plpgsql AS $$ BEGIN RAISE 'called'; END $$;
    CREATE OPERATOR shadow.= (LEFTARG = oid, RIGHTARG = regproc, FUNCTION = shadow.fail);
    CREATE FUNCTION shadow.blotter_log_break(uuid, uuid, integer, text) RETURNS void
        LANGUAGE plpgsql AS $$ BEGIN RAISE 'called'; END $$;";

/// Empty tables that shadow the real ones.
fn shadow_tables(role: &str, scene: &Scene, then: &str, expected: &[&str], query: &str) -> Held {
    let shadows = RECORDS.map(|table| {
        format!("CREATE TEMP TABLE {table} (LIKE @schema.{table}); GRANT ALL ON {table} TO PUBLIC;")
    });
    let mut attacker = scene.member(role, if role == "blotter_trader" { ADA } else { "" });
    attacker.brings(expected, shadows.concat() + then, query)
}

attacks! {
    no_function_that_derives_runs_on_a_table_of_the_callers,
    a_table_of_the_callers_stands_in_for_none_when_an_order_is_submitted,
    a_table_of_the_callers_stands_in_for_none_when_an_order_is_cancelled,
    no_function_but_the_one_that_tells_the_identity_is_called_by_a_trader,
    a_table_of_the_callers_stands_in_for_none_when_an_order_is_replaced,
    a_table_of_the_callers_stands_in_for_none_when_a_fill_is_recorded,
    a_table_of_the_callers_stands_in_for_none_when_a_fill_is_taken_back,
    a_table_of_the_callers_stands_in_for_none_when_a_break_is_kept,
    a_table_of_the_callers_stands_in_for_none_when_a_break_is_booked,
    a_table_of_the_callers_stands_in_for_none_when_an_orders_time_is_up,
    a_function_of_the_callers_is_not_called_when_a_break_is_kept,
    an_operator_of_the_callers_admits_no_order_that_has_begun,
    an_operator_of_the_callers_is_not_called_by_the_guards,
    an_operator_of_the_callers_is_not_called_when_the_ledger_is_lent,
    an_operator_of_the_callers_shows_no_other_traders_row,
    everybody_learns_how_wide_the_columns_are,
    every_role_learns_the_last_number_of_the_log,
}

/// A client that could not query the scale would have to guess it, and its values would be rounded.
pub fn everybody_learns_how_wide_the_columns_are(scene: &Scene) -> Held {
    scene.ada().sees(
        &["2, 10"],
        "SELECT concat_ws(', ', blotter_scale(), blotter_symbol_length()) AS text",
    )
}

/// A trader whose own entries are few could not tell otherwise how far the log has come.
pub fn every_role_learns_the_last_number_of_the_log(scene: &Scene) -> Held {
    let last = "SELECT max(sequence)::text AS text FROM execution_logs";
    let last = texts(scene.superuser().connection(), last);
    for role in ["blotter_trader", "blotter_engine", "blotter_compliance", "blotter_auditor"] {
        let mut member = scene.member(role, if role == "blotter_trader" { ADA } else { "" });
        let shadow = "CREATE TEMP TABLE execution_logs (LIKE @schema.execution_logs)";
        member.brings(&[&last[0]], shadow, "SELECT @schema.blotter_last_number()::text AS text")?;
    }
    Ok(())
}

/// If an attacker could attach these functions to its own table, they would log, fill and cancel for
/// forged rows as if the rows had been stored.
pub fn no_function_that_derives_runs_on_a_table_of_the_callers(scene: &Scene) -> Held {
    for function in TRIGGER_FUNCTIONS {
        let mut ada = scene.ada();
        ada.run("CREATE TEMP TABLE forged (LIKE orders)");
        ada.refused(
            By::Words(&format!("permission denied for function {function}")),
            format!(
                "CREATE TRIGGER forge AFTER INSERT ON forged
                 FOR EACH ROW EXECUTE FUNCTION {function}()"
            ),
        )?;
        ada.run("DROP TABLE forged");
    }
    Ok(())
}

pub fn no_function_but_the_one_that_tells_the_identity_is_called_by_a_trader(
    scene: &Scene,
) -> Held {
    let id = ADAS_PENDING;
    for (function, call) in [
        ("blotter_refuse_transition", format!("('{id}', 'PENDING', 'FILLED')")),
        ("blotter_end_replaced", format!("('{id}', '{id}')")),
        ("blotter_refuse_resolved", "(NULL::fills)".to_owned()),
        ("blotter_booked_reason", format!("('{id}')")),
        ("blotter_refuse_fill", "(NULL::fills, 1)".to_owned()),
        ("blotter_refuse_action", format!("('{id}', '{id}', 'APPROVED', NULL, NULL, 1)")),
        ("blotter_submit_orders", format!("({})", ["'{}'"; 18].join(", "))),
        ("blotter_record_fills", format!("({})", ["'{}'"; 10].join(", "))),
        ("blotter_log_actions", format!("({})", ["'{}'"; 7].join(", "))),
        ("blotter_widen", "(4, 20)".to_owned()),
        ("blotter_count_amendment", "(NULL::fills)".to_owned()),
        ("blotter_log_break", format!("('{id}', '{id}', 1, 'X')")),
        ("blotter_expire_due", "('infinity', 100)".to_owned()),
        ("blotter_amended_fills", format!("('{id}', 'X', 'X', now())")),
    ] {
        let denied = format!("permission denied for function {function}");
        scene.ada().refused(By::Words(&denied), format!("SELECT {function}{call}"))?;
    }
    for (procedure, call) in [
        ("blotter_lend_ledger", "()"),
        ("blotter_settle_ledger", "('X')"),
        ("blotter_permit_revert", "()"),
    ] {
        let denied = format!("permission denied for procedure {procedure}");
        scene.ada().refused(By::Words(&denied), format!("CALL {procedure}{call}"))?;
    }
    Ok(())
}

pub fn a_table_of_the_callers_stands_in_for_none_when_an_order_is_submitted(scene: &Scene) -> Held {
    let logged = "SELECT action::text AS text FROM @schema.execution_logs
                  WHERE order_id = (SELECT id FROM @schema.orders WHERE symbol = 'X')";
    shadow_tables("blotter_trader", scene, &order_of(ADA), &["SUBMITTED"], logged)
}

pub fn a_table_of_the_callers_stands_in_for_none_when_an_order_is_cancelled(scene: &Scene) -> Held {
    let cancel = log_of(ADAS_PENDING, ADA, "CANCELLED");
    let status =
        format!("SELECT status::text AS text FROM @schema.orders WHERE id = '{ADAS_PENDING}'");
    shadow_tables("blotter_trader", scene, &cancel, &["CANCELLED"], &status)
}

pub fn a_table_of_the_callers_stands_in_for_none_when_a_fill_is_recorded(scene: &Scene) -> Held {
    let fill = format!(
        "INSERT INTO @schema.fills (order_id, quantity_filled, price_at_fill, venue)
         VALUES ('{ADAS_PARTIAL}', 150, 10, 'X')"
    );
    let told = format!(
        "SELECT concat_ws(' ', o.status, o.filled_quantity, f.trader_id, l.action) AS text
         FROM @schema.orders o, @schema.fills f, @schema.execution_logs l
         WHERE o.id = '{ADAS_PARTIAL}' AND f.venue = 'X'
             AND l.order_id = o.id AND l.status = 'FILLED'"
    );
    let expected = format!("FILLED 200 {ADA} FILLED");
    shadow_tables("blotter_engine", scene, &fill, &[&expected], &told)
}

pub fn a_table_of_the_callers_stands_in_for_none_when_an_order_is_replaced(scene: &Scene) -> Held {
    let status =
        format!("SELECT status::text AS text FROM @schema.orders WHERE id = '{ADAS_PENDING}'");
    let replacement = replacement_of(ADAS_PENDING, ADA);
    shadow_tables("blotter_trader", scene, &replacement, &["CANCELLED"], &status)
}

pub fn a_table_of_the_callers_stands_in_for_none_when_a_fill_is_taken_back(scene: &Scene) -> Held {
    let told = format!(
        "SELECT concat_ws(' ', o.status, o.filled_quantity, l.action) AS text
         FROM @schema.orders o JOIN @schema.execution_logs l ON l.order_id = o.id
         JOIN @schema.fills f ON f.id = l.fill_id AND f.amends = '{ADAS_PARTIAL}'
         WHERE o.id = '{ADAS_PARTIAL}'"
    );
    let bust = bust_of(ADAS_PARTIAL);
    shadow_tables("blotter_engine", scene, &bust, &["PENDING 0 RECOVERED"], &told)
}

pub fn a_table_of_the_callers_stands_in_for_none_when_a_break_is_kept(scene: &Scene) -> Held {
    let told = "SELECT concat_ws(' ', b.trader_id, l.trader_id, l.action) AS text
                FROM @schema.breaks b JOIN @schema.execution_logs l ON l.break_id = b.id
                WHERE b.venue = 'X'";
    let expected = format!("{ADA} {ADA} RECOVERED");
    shadow_tables("blotter_engine", scene, &break_of(ADAS_PENDING), &[&expected], told)
}

pub fn a_table_of_the_callers_stands_in_for_none_when_a_break_is_booked(scene: &Scene) -> Held {
    let told = format!(
        "SELECT concat_ws(' ', f.trader_id, o.filled_quantity, l.action) AS text
         FROM @schema.break_resolutions r JOIN @schema.fills f ON f.id = r.fill_id
         JOIN @schema.orders o ON o.id = f.order_id JOIN @schema.execution_logs l ON l.fill_id = f.id
         WHERE r.break_id = '{ADAS_CANCELLED}'"
    );
    let expected = format!("{ADA} 500 RECOVERED");
    let booking = booking_of(ADAS_CANCELLED);
    shadow_tables("blotter_engine", scene, &booking, &[&expected], &told)
}

pub fn a_table_of_the_callers_stands_in_for_none_when_an_orders_time_is_up(scene: &Scene) -> Held {
    let end = format!(
        "INSERT INTO @schema.orders (trader_id, symbol, quantity, order_type, expires_at)
         VALUES ('{ADA}', 'X', 1, 'MARKET', now());
         SELECT @schema.blotter_expire_due(now(), 100)"
    );
    let told = "SELECT concat_ws(' ', o.status, l.reason) AS text
                FROM @schema.orders o JOIN @schema.execution_logs l ON l.order_id = o.id
                WHERE o.symbol = 'X' AND l.action = 'CANCELLED'";
    shadow_tables("blotter_engine", scene, &end, &["CANCELLED expired"], told)
}

pub fn a_function_of_the_callers_is_not_called_when_a_break_is_kept(scene: &Scene) -> Held {
    scene.run(SHADOW);
    let mut engine = scene.engine();
    engine.run("SET search_path = shadow, pg_catalog, @schema");
    let told = "SELECT action::text AS text FROM execution_logs
                WHERE break_id OPERATOR(pg_catalog.=) (
                    SELECT id FROM breaks WHERE char_length(venue) = 1
                )";
    engine.brings(&["RECOVERED"], break_of(ADAS_PENDING), told)
}

pub fn an_operator_of_the_callers_admits_no_order_that_has_begun(scene: &Scene) -> Held {
    scene.run(SHADOW);
    let mut ada = scene.ada();
    ada.run("SET search_path = shadow, pg_catalog, @schema");
    ada.refused(
        By::Rule("orders_begin_pending"),
        format!(
            "INSERT INTO orders (trader_id, symbol, quantity, order_type, status)
             VALUES ('{ADA}', 'X', 1, 'MARKET', 'FILLED')"
        ),
    )
}

pub fn an_operator_of_the_callers_is_not_called_by_the_guards(scene: &Scene) -> Held {
    scene.run(SHADOW);
    let mut superuser = scene.superuser();
    superuser.run("SET search_path = shadow, pg_catalog, @schema");
    superuser.refused(By::Rule("orders_append_only"), "UPDATE orders SET quantity = quantity + 1")
}

/// The migrating login calls the procedures, perhaps with a search path in which others may create
/// objects.
pub fn an_operator_of_the_callers_is_not_called_when_the_ledger_is_lent(scene: &Scene) -> Held {
    scene.run(SHADOW);
    let mut owner = scene.owner("");
    owner.run("SET search_path = shadow, pg_catalog, @schema");
    owner.brings(
        &["true", "false"],
        "CREATE TEMP TABLE lent (at serial, member boolean);
         CALL blotter_lend_ledger();
         INSERT INTO lent (member) VALUES (pg_has_role('blotter_ledger', 'USAGE'));
         CALL blotter_settle_ledger(VARIADIC '{}');
         INSERT INTO lent (member) VALUES (pg_has_role('blotter_ledger', 'USAGE'))",
        "SELECT member::pg_catalog.text AS text FROM lent ORDER BY at",
    )
}

pub fn an_operator_of_the_callers_shows_no_other_traders_row(scene: &Scene) -> Held {
    scene.run(SHADOW);
    let mut ada = scene.ada();
    ada.run("SET search_path = shadow, pg_catalog, @schema");
    ada.sees(&["5"], "SELECT count(*)::pg_catalog.text AS text FROM orders")
}
