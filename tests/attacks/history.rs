//! Attempts to rewrite recorded rows: log entries above all, and the orders and fills that they are
//! about.
//!
//! Three layers prevent this, and each is attacked with the layers before it removed: no role has the
//! privilege; the policies `execution_logs_immutable` and `_immutable_delete` hide every row from an
//! UPDATE or DELETE, also from the owner of the table; and the guards refuse whoever bypasses row-level
//! security.

use crate::scene::{ADA, ADAS_CANCELLED, ADAS_PENDING, Actor, By, GRACE, Held, RECORDS, Scene};

const LOG_GUARD: By<'_> = By::Rule("execution_logs_append_only");
const ORDERS_GUARD: By<'_> = By::Rule("orders_append_only");

/// The terms of an order, with another value for each that breaks no other rule.
const TERMS: [&str; 21] = [
    "id = gen_random_uuid()",
    "trader_id = 'b0000000-0000-7000-8000-000000000000'",
    "symbol = 'X'",
    "quantity = 1000",
    "order_type = 'STOP'",
    "price = 1",
    "stop_loss = 1",
    "take_profit = 1",
    "created_at = now()",
    "expires_at = now()",
    "side = 'SELL'",
    "client_order_id = 'X'",
    "replaces = 'a0000000-0000-7000-8000-000000000002'",
    "root_id = gen_random_uuid()",
    "trading_day = '2026-11-20'",
    "account = 'X'",
    "time_in_force = 'GTC'",
    "limit_price = 1",
    "currency = 'USD'",
    "received_at = now()",
    "instructions = '{}'",
];

/// What else would refuse a change of a term before the guard does, which fires after the row is changed.
const WITHOUT_KEYS: &str = "
    ALTER TABLE execution_logs DROP CONSTRAINT fk_execution_logs_order_id;
    DROP INDEX uq_orders_client_order_id;";

/// The derived columns of an order, with another value for each.
const DERIVED: [&str; 7] = [
    "status = 'CANCELLED'",
    "filled_quantity = 1",
    "filled_notional = 1",
    "average_fill_price = 1",
    "updated_at = now()",
    "venue_order_id = 'X'",
    "break_count = 9",
];

fn update(trader: &str) -> String {
    format!("UPDATE execution_logs SET reason = 'rewritten' WHERE trader_id = '{trader}'")
}

fn delete(trader: &str) -> String {
    format!("DELETE FROM execution_logs WHERE trader_id = '{trader}'")
}

/// The other ways to rewrite a row: INSERT … ON CONFLICT DO UPDATE, and MERGE.
fn upserts(scene: &Scene, trader: &str) -> Vec<String> {
    let entry = format!("{}1", &trader[..trader.len() - 1]);
    let merge = format!(
        "MERGE INTO execution_logs AS kept
         USING (VALUES ('{entry}'::uuid)) AS mine (id) ON kept.order_id = mine.id
         WHEN MATCHED THEN"
    );
    // The statement names a sequence number, for the case that the trigger which assigns one is bypassed.
    let mut ways = vec![format!(
        "INSERT INTO execution_logs (sequence, order_id, trader_id, action, report_id)
         VALUES (999999, '{entry}', '{trader}', 'CANCELLED', '{entry}')
         ON CONFLICT (order_id, report_id) WHERE report_id IS NOT NULL
         DO UPDATE SET reason = 'rewritten'"
    )];
    if scene.has(15) {
        ways.push(format!("{merge} UPDATE SET reason = 'rewritten'"));
        ways.push(format!("{merge} DELETE"));
    }
    ways
}

/// Tries to rewrite every kind of record as a user who bypasses row-level security.
fn rewrite_past_row_security(scene: &Scene, attacker: fn(&Scene) -> Actor<'_>) -> Held {
    let merges = upserts(scene, ADA);
    let mut attacker = attacker(scene);
    for table in RECORDS.into_iter().chain(["traders"]) {
        let rule = format!("{table}_append_only");
        attacker.refused(By::Rule(&rule), format!("UPDATE {table} SET id = id"))?;
        attacker.refused(By::Rule(&rule), format!("DELETE FROM {table}"))?;
    }
    for derived in DERIVED {
        attacker.refused(ORDERS_GUARD, format!("UPDATE orders SET {derived}"))?;
    }
    for way in merges {
        attacker.refused(LOG_GUARD, way)?;
    }
    Ok(())
}

/// Tries to rewrite terms as the one role that may update orders, with the privilege to update every
/// column.
fn rewrite_terms_as_the_ledger(scene: &Scene, ledger: fn(&Scene) -> Actor<'_>) -> Held {
    scene.run("GRANT UPDATE ON orders TO blotter_ledger");
    scene.run(WITHOUT_KEYS);
    let mut ledger = ledger(scene);
    for term in TERMS {
        let sql = format!("UPDATE orders SET {term} WHERE id = '{ADAS_PENDING}'");
        ledger.refused(ORDERS_GUARD, sql)?;
    }
    Ok(())
}

attacks! {
    no_role_is_granted_a_rewrite_of_a_log_row_its_own_or_anothers,
    with_the_grant_an_update_of_the_log_finds_no_row,
    with_the_grant_a_delete_from_the_log_finds_no_row,
    a_superuser_rewrites_nothing_that_is_recorded,
    a_superuser_who_passes_over_ordinary_triggers_rewrites_nothing_either,
    an_order_that_has_a_log_is_deleted_by_nobody,
    a_break_and_its_resolution_are_changed_and_deleted_by_nobody,
    a_trader_changes_neither_the_terms_of_an_order_nor_what_is_derived_of_it,
    the_engine_and_compliance_change_no_order_and_no_fill_whatever_is_granted,
    not_even_the_ledger_changes_the_terms_of_an_order,
    the_ledger_changes_no_terms_as_a_replica_either,
    a_table_that_records_inherit_from_changes_none_of_them,
    an_entry_has_an_id_and_a_number_of_nobodys_choice,
    a_report_that_is_logged_again_moves_nothing,
    a_number_is_given_to_one_entry,
    a_number_that_no_scan_reaches_is_given_to_no_entry,
    a_break_a_resolution_and_a_trader_have_a_number_of_nobodys_choice,
    a_sequence_of_the_callers_gives_no_number,
    a_number_is_given_to_one_break_one_resolution_and_one_trader,
    a_number_that_no_scan_reaches_is_given_to_no_break_resolution_or_trader,
}

pub fn no_role_is_granted_a_rewrite_of_a_log_row_its_own_or_anothers(scene: &Scene) -> Held {
    let merges = [ADA, GRACE].map(|trader| upserts(scene, trader));
    for attacker in [Scene::ada, Scene::engine, Scene::compliance] {
        let mut attacker = attacker(scene);
        for trader in [ADA, GRACE] {
            attacker.refused(By::Grant("execution_logs"), update(trader))?;
            attacker.refused(By::Grant("execution_logs"), delete(trader))?;
        }
        for way in merges.iter().flatten() {
            attacker.refused(By::Grant("execution_logs"), way)?;
        }
    }
    Ok(())
}

/// The policy makes an UPDATE find no row; the guard behind it would raise an error.
pub fn with_the_grant_an_update_of_the_log_finds_no_row(scene: &Scene) -> Held {
    scene.run(
        "GRANT UPDATE ON execution_logs TO blotter_trader, blotter_engine, blotter_compliance",
    );
    let merges = upserts(scene, ADA);
    for trader in [ADA, GRACE] {
        scene.ada().touches_nothing(update(trader))?;
        scene.engine().touches_nothing(update(trader))?;
        scene.compliance().touches_nothing(update(trader))?;
        scene.owner(ADA).touches_nothing(update(trader))?;
        scene.owner("").touches_nothing(update(trader))?;
    }
    // A MERGE that would have matched a row by its key must be refused, not skipped.
    for way in merges.iter().filter(|way| way.ends_with("SET reason = 'rewritten'")) {
        let by = match way.starts_with("MERGE") {
            true => By::Restriction("execution_logs_immutable"),
            // A trader does not even insert an entry that names a report.
            false => By::Policy("execution_logs"),
        };
        scene.ada().refused(by, way)?;
    }
    Ok(())
}

pub fn with_the_grant_a_delete_from_the_log_finds_no_row(scene: &Scene) -> Held {
    scene.run(
        "GRANT DELETE ON execution_logs TO blotter_trader, blotter_engine, blotter_compliance",
    );
    let merges = upserts(scene, ADA);
    for trader in [ADA, GRACE] {
        scene.ada().touches_nothing(delete(trader))?;
        scene.engine().touches_nothing(delete(trader))?;
        scene.compliance().touches_nothing(delete(trader))?;
        scene.owner(ADA).touches_nothing(delete(trader))?;
        scene.owner("").touches_nothing(delete(trader))?;
    }
    for way in merges.iter().filter(|way| way.ends_with("DELETE")) {
        scene.ada().refused(By::Restriction("execution_logs_immutable_delete"), way)?;
    }
    Ok(())
}

pub fn a_superuser_rewrites_nothing_that_is_recorded(scene: &Scene) -> Held {
    rewrite_past_row_security(scene, Scene::superuser)
}

pub fn a_superuser_who_passes_over_ordinary_triggers_rewrites_nothing_either(
    scene: &Scene,
) -> Held {
    rewrite_past_row_security(scene, Scene::replica)
}

/// The foreign keys cascade: deleting an order would delete its fills and its log.
pub fn an_order_that_has_a_log_is_deleted_by_nobody(scene: &Scene) -> Held {
    let delete = "DELETE FROM orders";
    scene.ada().refused(By::Grant("orders"), delete)?;
    scene.engine().refused(By::Grant("orders"), delete)?;
    scene.compliance().refused(By::Grant("orders"), delete)?;
    scene
        .run("GRANT DELETE ON orders, fills TO blotter_trader, blotter_engine, blotter_compliance");
    scene.ada().refused(ORDERS_GUARD, delete)?;
    scene.ada().refused(By::Rule("fills_append_only"), "DELETE FROM fills")?;
    scene.ada().touches_nothing(format!("{delete} WHERE trader_id = '{GRACE}'"))?;
    scene.ada().touches_nothing(format!("DELETE FROM fills WHERE trader_id = '{GRACE}'"))?;
    scene.engine().touches_nothing(delete)?;
    scene.engine().touches_nothing("DELETE FROM fills")?;
    scene.compliance().touches_nothing(delete)?;
    scene.compliance().touches_nothing("DELETE FROM fills")?;
    scene.owner(ADA).refused(ORDERS_GUARD, delete)?;
    scene.owner("").touches_nothing(delete)
}

/// No policy allows it: those who may read the rows find none to change.
pub fn a_break_and_its_resolution_are_changed_and_deleted_by_nobody(scene: &Scene) -> Held {
    let rewrites = ["breaks", "break_resolutions"].map(|table| {
        [(table, format!("UPDATE {table} SET id = id")), (table, format!("DELETE FROM {table}"))]
    });
    let rewrites = rewrites.as_flattened();
    for (table, sql) in rewrites {
        for attacker in [Scene::ada, Scene::engine, Scene::compliance] {
            attacker(scene).refused(By::Grant(table), sql)?;
        }
    }
    scene.run(
        "GRANT UPDATE, DELETE ON breaks, break_resolutions
         TO blotter_trader, blotter_engine, blotter_compliance",
    );
    for (_, sql) in rewrites {
        for attacker in [Scene::ada, Scene::engine, Scene::compliance] {
            attacker(scene).touches_nothing(sql)?;
        }
        scene.owner(ADA).touches_nothing(sql)?;
        scene.owner("").touches_nothing(sql)?;
    }
    Ok(())
}

pub fn a_trader_changes_neither_the_terms_of_an_order_nor_what_is_derived_of_it(
    scene: &Scene,
) -> Held {
    let changes = || TERMS.iter().chain(&DERIVED);
    let mut ada = scene.ada();
    for change in changes() {
        ada.refused(By::Grant("orders"), format!("UPDATE orders SET {change}"))?;
    }
    drop(ada);
    scene
        .run("GRANT UPDATE ON orders, fills TO blotter_trader, blotter_engine, blotter_compliance");
    scene.run(WITHOUT_KEYS);
    let mut ada = scene.ada();
    for change in changes() {
        let sql = format!("UPDATE orders SET {change}");
        // The policy is asked before the guard whether the changed order is still the trader's.
        let by = if change.starts_with("trader_id") { By::Policy("orders") } else { ORDERS_GUARD };
        ada.refused(by, format!("{sql} WHERE id = '{ADAS_PENDING}'"))?;
        ada.touches_nothing(format!("{sql} WHERE trader_id = '{GRACE}'"))?;
    }
    ada.refused(By::Rule("fills_append_only"), "UPDATE fills SET price_at_fill = 1")
}

/// They may read the rows, and no policy lets them change one.
pub fn the_engine_and_compliance_change_no_order_and_no_fill_whatever_is_granted(
    scene: &Scene,
) -> Held {
    scene.run("GRANT UPDATE ON orders, fills, traders TO blotter_engine, blotter_compliance");
    for attacker in [Scene::engine, Scene::compliance] {
        let mut attacker = attacker(scene);
        for change in TERMS.iter().chain(&DERIVED) {
            attacker.touches_nothing(format!("UPDATE orders SET {change}"))?;
        }
        attacker.touches_nothing("UPDATE fills SET price_at_fill = 1")?;
        attacker.touches_nothing("UPDATE traders SET name = 'X'")?;
    }
    Ok(())
}

pub fn not_even_the_ledger_changes_the_terms_of_an_order(scene: &Scene) -> Held {
    rewrite_terms_as_the_ledger(scene, Scene::ledger)
}

pub fn the_ledger_changes_no_terms_as_a_replica_either(scene: &Scene) -> Held {
    rewrite_terms_as_the_ledger(scene, Scene::ledger_as_replica)
}

/// A trigger for each statement would fire for the table that the statement names, which is another one here; nor do
/// the policies of this table apply.
pub fn a_table_that_records_inherit_from_changes_none_of_them(scene: &Scene) -> Held {
    for attacker in [Scene::owner_as_ada, Scene::superuser] {
        let mut attacker = attacker(scene);
        for (table, change) in [
            ("orders", "symbol = 'X'"),
            ("orders", "status = 'CANCELLED'"),
            ("fills", "venue = 'X'"),
            ("execution_logs", "reason = 'rewritten'"),
        ] {
            let inherit =
                format!("CREATE TABLE parent (LIKE {table}); ALTER TABLE {table} INHERIT parent");
            let rule = format!("{table}_append_only");
            let update = format!("UPDATE parent SET {change}");
            attacker.refused_after(By::Rule(&rule), &inherit, update)?;
            attacker.refused_after(By::Rule(&rule), &inherit, "DELETE FROM parent")?;
        }
    }
    Ok(())
}

/// Otherwise a trader could take an id or a number in advance, and the entry that should have it would be refused.
pub fn an_entry_has_an_id_and_a_number_of_nobodys_choice(scene: &Scene) -> Held {
    let chosen = format!(
        "INSERT INTO execution_logs (id, sequence, order_id, action)
         VALUES ('{GRACE}', 999999, '{ADAS_PENDING}', 'CANCELLED')"
    );
    let told = format!(
        "SELECT concat_ws(' ', id = '{GRACE}', sequence < 999999) AS text FROM execution_logs
         WHERE order_id = '{ADAS_PENDING}' AND action = 'CANCELLED'"
    );
    scene.ada().brings(&["f t"], &chosen, &told)?;
    scene.engine().brings(&["f t"], chosen, told)
}

pub fn a_report_that_is_logged_again_moves_nothing(scene: &Scene) -> Held {
    let again = format!(
        "INSERT INTO execution_logs (order_id, action, report_id)
         VALUES ('{ADAS_PENDING}', 'CANCELLED', '{ADAS_PENDING}')"
    );
    let mut engine = scene.engine();
    engine.refused(By::Rule("uq_execution_logs_report_id"), &again)?;
    let told = format!(
        "SELECT concat_ws(' ', status, (
             SELECT count(*) FROM execution_logs WHERE order_id = orders.id
         )) AS text FROM orders WHERE id = '{ADAS_PENDING}'"
    );
    engine.brings(&["PENDING 2"], again + " ON CONFLICT DO NOTHING", told)
}

/// The owner may change the sequence, and clients draw from it through the triggers.
pub fn a_number_is_given_to_one_entry(scene: &Scene) -> Held {
    restart_at(scene, "execution_logs");
    let cancel = format!(
        "INSERT INTO execution_logs (order_id, action) VALUES ('{ADAS_PENDING}', 'CANCELLED')"
    );
    scene.ada().refused(By::Rule("uq_execution_logs_sequence"), cancel)?;
    scene.owner("").run("ALTER SEQUENCE execution_logs_sequence RESTART 1000");
    Ok(())
}

/// The owner may change the sequence, and clients draw from it through the triggers.
pub fn a_number_that_no_scan_reaches_is_given_to_no_entry(scene: &Scene) -> Held {
    for number in ["-20", "9007199254740992"] {
        let mut owner = scene.owner("");
        owner.run(format!("ALTER SEQUENCE execution_logs_sequence MINVALUE -100 RESTART {number}"));
        drop(owner);
        let cancel = format!(
            "INSERT INTO execution_logs (order_id, action) VALUES ('{ADAS_PENDING}', 'CANCELLED')"
        );
        scene.ada().refused(By::Rule("ck_execution_logs_sequence_bounded"), cancel)?;
    }
    scene.owner("").run("ALTER SEQUENCE execution_logs_sequence RESTART 1000 MINVALUE 1");
    Ok(())
}

/// Restarts the sequence of the log at a number that a row of this table has.
fn restart_at(scene: &Scene, table: &str) {
    // Not setval, which no rollback takes back.
    scene.run(&format!(
        "DO $restart$ BEGIN EXECUTE format(
             'ALTER SEQUENCE execution_logs_sequence RESTART %s', (SELECT min(sequence) FROM {table})
         ); END $restart$"
    ));
}

/// A break, a resolution and a trader that claim a number.
const CLAIMED: [(&str, &str); 3] = [
    (
        "breaks",
        "INSERT INTO breaks (reason, detail, venue, timestamp, quantity, price, sequence)
         VALUES ('INVALID', 'X', 'X', now(), 1, 1, 7000)",
    ),
    (
        "break_resolutions",
        "INSERT INTO break_resolutions (break_id, is_booked, reason, sequence)
         VALUES ('{BREAK}', false, 'X', 7000)",
    ),
    ("traders", "INSERT INTO traders (id, name, sequence) VALUES (gen_random_uuid(), 'X', 7000)"),
];

fn claimed() -> [(&'static str, String); 3] {
    CLAIMED.map(|(table, claim)| (table, claim.replace("{BREAK}", ADAS_CANCELLED)))
}

pub fn a_break_a_resolution_and_a_trader_have_a_number_of_nobodys_choice(scene: &Scene) -> Held {
    for (table, claim) in claimed() {
        let claim = format!("SET LOCAL ROLE @engine; {claim}");
        let told = format!("SELECT count(*)::text AS text FROM {table} WHERE sequence = 7000");
        scene.engine().brings(&["0"], claim, told)?;
    }
    Ok(())
}

pub fn a_sequence_of_the_callers_gives_no_number(scene: &Scene) -> Held {
    let forge = "CREATE TEMP SEQUENCE execution_logs_sequence START 7000;
        GRANT USAGE ON SEQUENCE pg_temp.execution_logs_sequence TO PUBLIC; SET LOCAL ROLE @engine;";
    for (table, claim) in claimed() {
        let told = format!("SELECT count(*)::text AS text FROM {table} WHERE sequence >= 7000");
        let claim = claim.replace("INTO ", "INTO @schema.");
        scene.engine().brings(&["0"], format!("{forge} {claim}"), told)?;
    }
    Ok(())
}

pub fn a_number_is_given_to_one_break_one_resolution_and_one_trader(scene: &Scene) -> Held {
    for (table, claim) in claimed() {
        restart_at(scene, table);
        let rule = format!("uq_{table}_sequence");
        scene.engine().refused(By::Rule(&rule), claim)?;
    }
    scene.owner("").run("ALTER SEQUENCE execution_logs_sequence RESTART 1000");
    Ok(())
}

pub fn a_number_that_no_scan_reaches_is_given_to_no_break_resolution_or_trader(
    scene: &Scene,
) -> Held {
    for number in ["-20", "9007199254740992"] {
        for (table, claim) in claimed() {
            scene.owner("").run(format!(
                "ALTER SEQUENCE execution_logs_sequence MINVALUE -100 RESTART {number}"
            ));
            let rule = format!("ck_{table}_sequence_bounded");
            scene.engine().refused(By::Rule(&rule), claim)?;
        }
    }
    scene.owner("").run("ALTER SEQUENCE execution_logs_sequence RESTART 1000 MINVALUE 1");
    Ok(())
}
