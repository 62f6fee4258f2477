//! Attempts to rewrite recorded rows: log entries above all, and the orders and fills that they are
//! about.
//!
//! Three layers prevent this, and each is attacked with the layers before it removed: no role has the
//! privilege; the policies `execution_logs_immutable` and `_immutable_delete` hide every row from an
//! UPDATE or DELETE, also from the owner of the table; and the guards refuse whoever bypasses row-level
//! security.

use crate::scene::{ADA, ADAS_PENDING, Actor, By, GRACE, Held, RECORDS, Scene};

const LOG_GUARD: By<'_> = By::Rule("execution_logs_append_only");
const ORDERS_GUARD: By<'_> = By::Rule("orders_append_only");

/// The terms of an order, with another value for each.
const TERMS: [&str; 13] = [
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
];

/// The derived columns of an order, with another value for each.
const DERIVED: [&str; 6] = [
    "status = 'CANCELLED'",
    "filled_quantity = 1",
    "filled_notional = 1",
    "average_fill_price = 1",
    "updated_at = now()",
    "venue_order_id = 'X'",
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
         USING (VALUES ('{entry}'::uuid)) AS mine (id) ON kept.id = mine.id
         WHEN MATCHED THEN"
    );
    // The statement names a sequence number, for the case that the trigger which assigns one is bypassed.
    let mut ways = vec![format!(
        "INSERT INTO execution_logs (id, sequence, order_id, trader_id, action)
         VALUES ('{entry}', 0, '{entry}', '{trader}', 'CANCELLED')
         ON CONFLICT (id) DO UPDATE SET reason = 'rewritten'"
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
    for way in merges.iter().filter(|way| !way.ends_with("DELETE")) {
        scene.ada().refused(By::Restriction("execution_logs_immutable"), way)?;
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
    let mut ada = scene.ada();
    for change in changes() {
        let sql = format!("UPDATE orders SET {change}");
        ada.refused(ORDERS_GUARD, &sql)?;
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
