//! Attempts to TRUNCATE tables. Row-level security does not apply to TRUNCATE; only privileges and guards
//! prevent it.

use crate::scene::{Actor, By, Held, RECORDS, ROLES, Scene, TABLES};

fn truncate(mut attacker: Actor<'_>) -> Held {
    for table in ["execution_logs", "fills", "break_resolutions"] {
        let rule = format!("{table}_append_only");
        attacker.refused(By::Rule(&rule), format!("TRUNCATE {table}"))?;
    }
    let all = format!("TRUNCATE {}", RECORDS.join(", "));
    attacker.refused(By::Rule("orders_append_only"), all)?;
    attacker.refused(By::Rule("orders_append_only"), "TRUNCATE orders CASCADE")?;
    attacker.refused(By::Rule("breaks_append_only"), "TRUNCATE breaks CASCADE")?;
    attacker.refused(By::Rule("traders_append_only"), "TRUNCATE traders CASCADE")?;
    // PostgreSQL checks foreign keys before it fires the guards.
    let referenced = By::Words("cannot truncate a table referenced in a foreign key constraint");
    attacker.refused(referenced, "TRUNCATE orders")?;
    attacker.refused(referenced, "TRUNCATE breaks")?;
    attacker.refused(referenced, "TRUNCATE traders")
}

attacks! {
    no_role_truncates_a_table_whatever_is_granted,
    the_owner_truncates_no_table,
    a_superuser_truncates_no_table,
    a_superuser_who_passes_over_ordinary_triggers_truncates_no_table,
}

pub fn no_role_truncates_a_table_whatever_is_granted(scene: &Scene) -> Held {
    for role in ROLES {
        scene.member(role, "").refused(By::Grant("orders"), "TRUNCATE orders CASCADE")?;
    }
    scene.run(&format!(
        "GRANT TRUNCATE ON {} TO blotter_trader, blotter_engine, blotter_compliance,
             blotter_auditor",
        TABLES.join(", ")
    ));
    for role in ROLES {
        truncate(scene.member(role, ""))?;
    }
    Ok(())
}

pub fn the_owner_truncates_no_table(scene: &Scene) -> Held {
    truncate(scene.owner(""))
}

pub fn a_superuser_truncates_no_table(scene: &Scene) -> Held {
    truncate(scene.superuser())
}

pub fn a_superuser_who_passes_over_ordinary_triggers_truncates_no_table(scene: &Scene) -> Held {
    truncate(scene.replica())
}
