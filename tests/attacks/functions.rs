//! The functions that derive: they write as a role that may write what nobody else may, so nobody
//! else may run them, and nothing of the caller's may stand in for what they name.

use crate::attacks::scene::{ADA, ADAS_PARTIAL, ADAS_PENDING, By, Held, Scene, log_of, order_of};

const TRIGGER_FUNCTIONS: [&str; 8] = [
    "blotter_refuse_change",
    "execution_logs_derive",
    "execution_logs_require_order",
    "execution_logs_stamp",
    "fills_derive",
    "fills_stamp",
    "orders_admit",
    "orders_log_submitted",
];

/// A schema whose operators lie, found before the server's own.
const SHADOW: &str = "
    CREATE SCHEMA shadow;
    GRANT USAGE ON SCHEMA shadow TO PUBLIC;
    CREATE FUNCTION shadow.no(order_status_enum, order_status_enum) RETURNS boolean
        LANGUAGE sql AS 'SELECT false';
    CREATE OPERATOR shadow.<> (
        LEFTARG = order_status_enum, RIGHTARG = order_status_enum, FUNCTION = shadow.no
    );
    CREATE FUNCTION shadow.yes(uuid, uuid) RETURNS boolean LANGUAGE sql AS 'SELECT true';
    CREATE OPERATOR shadow.= (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = shadow.yes);
    CREATE FUNCTION shadow.fail(text, text) RETURNS boolean
        LANGUAGE plpgsql AS $$ BEGIN RAISE 'called'; END $$;
    CREATE OPERATOR shadow.= (LEFTARG = text, RIGHTARG = text, FUNCTION = shadow.fail);";

/// Empty tables in the way of the real ones.
fn shadow_tables(role: &str, scene: &Scene, then: &str, expected: &[&str], query: &str) -> Held {
    let shadows = ["orders", "fills", "execution_logs"].map(|table| {
        format!("CREATE TEMP TABLE {table} (LIKE public.{table}); GRANT ALL ON {table} TO PUBLIC;")
    });
    let mut attacker = scene.member(role, if role == "blotter_trader" { ADA } else { "" });
    attacker.brings(expected, shadows.concat() + then, query)
}

attacks! {
    no_function_that_derives_runs_on_a_table_of_the_callers,
    a_table_of_the_callers_stands_in_for_none_when_an_order_is_submitted,
    a_table_of_the_callers_stands_in_for_none_when_an_order_is_cancelled,
    a_table_of_the_callers_stands_in_for_none_when_a_fill_is_recorded,
    an_operator_of_the_callers_admits_no_order_that_has_begun,
    an_operator_of_the_callers_is_not_called_by_the_guards,
    an_operator_of_the_callers_shows_no_other_traders_row,
}

/// Attached to a table of the attacker's, each would run on rows of the attacker's making: it
/// would log, fill and cancel as if they had been stored.
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
    scene.ada().refused(
        By::Words("permission denied for function blotter_refuse_transition"),
        format!("SELECT blotter_refuse_transition('{ADAS_PENDING}', 'PENDING', 'FILLED')"),
    )
}

pub fn a_table_of_the_callers_stands_in_for_none_when_an_order_is_submitted(scene: &Scene) -> Held {
    let logged = "SELECT action::text AS text FROM public.execution_logs
                  WHERE order_id = (SELECT id FROM public.orders WHERE symbol = 'X')";
    shadow_tables("blotter_trader", scene, &order_of(ADA), &["SUBMITTED"], logged)
}

pub fn a_table_of_the_callers_stands_in_for_none_when_an_order_is_cancelled(scene: &Scene) -> Held {
    let cancel = log_of(ADAS_PENDING, ADA, "CANCELLED");
    let status =
        format!("SELECT status::text AS text FROM public.orders WHERE id = '{ADAS_PENDING}'");
    shadow_tables("blotter_trader", scene, &cancel, &["CANCELLED"], &status)
}

pub fn a_table_of_the_callers_stands_in_for_none_when_a_fill_is_recorded(scene: &Scene) -> Held {
    let fill = format!(
        "INSERT INTO public.fills (order_id, quantity_filled, price_at_fill, venue)
         VALUES ('{ADAS_PARTIAL}', 150, 10, 'X')"
    );
    let told = format!(
        "SELECT concat_ws(' ', o.status, o.filled_quantity, f.trader_id, l.action) AS text
         FROM public.orders o, public.fills f, public.execution_logs l
         WHERE o.id = '{ADAS_PARTIAL}' AND f.venue = 'X'
             AND l.order_id = o.id AND l.status = 'FILLED'"
    );
    let expected = format!("FILLED 200 {ADA} FILLED");
    shadow_tables("blotter_engine", scene, &fill, &[&expected], &told)
}

pub fn an_operator_of_the_callers_admits_no_order_that_has_begun(scene: &Scene) -> Held {
    scene.run(SHADOW);
    let mut ada = scene.ada();
    ada.run("SET search_path = shadow, pg_catalog, public");
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
    superuser.run("SET search_path = shadow, pg_catalog, public");
    superuser.refused(By::Rule("orders_append_only"), "UPDATE orders SET quantity = 1")
}

pub fn an_operator_of_the_callers_shows_no_other_traders_row(scene: &Scene) -> Held {
    scene.run(SHADOW);
    let mut ada = scene.ada();
    ada.run("SET search_path = shadow, pg_catalog, public");
    ada.sees(&["5"], "SELECT count(*)::pg_catalog.text AS text FROM orders")
}
