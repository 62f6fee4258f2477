//! Attacks on the seals of the log: who may read and make them, and that nobody can change one.

use crate::scene::{ADA, Actor, By, Held, Scene, seal_of};

const SEALS: &str = "SELECT id::text AS text FROM seals ORDER BY id";

attacks! {
    the_auditor_sees_what_is_recorded_and_seals_it,
    compliance_sees_the_seals_and_makes_none_whatever_is_granted,
    nobody_else_sees_a_seal_or_makes_one_whatever_is_granted,
    a_superuser_rewrites_no_seal,
    a_superuser_who_passes_over_ordinary_triggers_rewrites_no_seal,
    nobody_truncates_the_seals,
    a_superuser_who_passes_over_ordinary_triggers_truncates_no_seal,
    a_seal_has_one_place_and_one_before_it,
}

pub fn the_auditor_sees_what_is_recorded_and_seals_it(scene: &Scene) -> Held {
    let mut auditor = scene.auditor();
    for (table, rows) in [
        ("orders", "11"),
        ("fills", "4"),
        ("execution_logs", "29"),
        ("breaks", "6"),
        ("break_resolutions", "3"),
    ] {
        auditor.sees(&[rows], format!("SELECT count(*)::text AS text FROM {table}"))?;
    }
    let versions = "SELECT (count(*) > 0)::text AS text FROM __diesel_schema_migrations";
    auditor.sees(&["true"], versions)?;
    auditor.sees(&["1"], SEALS)?;
    auditor.brings(&["1", "2"], seal_of(2), SEALS)
}

pub fn compliance_sees_the_seals_and_makes_none_whatever_is_granted(scene: &Scene) -> Held {
    scene.compliance().sees(&["1"], SEALS)?;
    scene.run("GRANT INSERT ON seals TO blotter_compliance");
    scene.compliance().refused(By::Policy("seals"), seal_of(2))
}

/// Including the owner of the tables.
pub fn nobody_else_sees_a_seal_or_makes_one_whatever_is_granted(scene: &Scene) -> Held {
    scene.run("GRANT SELECT, INSERT ON seals TO PUBLIC");
    let others: [fn(&Scene) -> Actor<'_>; 5] =
        [Scene::ada, Scene::engine, Scene::ledger, Scene::stranger, Scene::owner_as_ada];
    for other in others {
        other(scene).sees(&[""; 0], SEALS)?;
        other(scene).refused(By::Policy("seals"), seal_of(2))?;
    }
    scene.member("blotter_compliance", ADA).refused(By::Policy("seals"), seal_of(2))
}

fn rewrite(mut attacker: Actor<'_>) -> Held {
    let guard = By::Rule("seals_append_only");
    attacker.refused(guard, "UPDATE seals SET id = id")?;
    attacker.refused(guard, "UPDATE seals SET root = previous")?;
    attacker.refused(guard, "DELETE FROM seals")
}

pub fn a_superuser_rewrites_no_seal(scene: &Scene) -> Held {
    rewrite(scene.superuser())
}

pub fn a_superuser_who_passes_over_ordinary_triggers_rewrites_no_seal(scene: &Scene) -> Held {
    rewrite(scene.replica())
}

pub fn nobody_truncates_the_seals(scene: &Scene) -> Held {
    scene.run("GRANT TRUNCATE ON seals TO PUBLIC");
    let guard = By::Rule("seals_append_only");
    let everybody: [fn(&Scene) -> Actor<'_>; 5] =
        [Scene::auditor, Scene::compliance, Scene::engine, Scene::owner_as_ada, Scene::superuser];
    for attacker in everybody {
        attacker(scene).refused(guard, "TRUNCATE seals")?;
    }
    Ok(())
}

pub fn a_superuser_who_passes_over_ordinary_triggers_truncates_no_seal(scene: &Scene) -> Held {
    scene.replica().refused(By::Rule("seals_append_only"), "TRUNCATE seals")
}

/// Two seals with the same predecessor would be a fork of the history.
pub fn a_seal_has_one_place_and_one_before_it(scene: &Scene) -> Held {
    scene.auditor().refused(By::Rule("seals_pkey"), seal_of(1))?;
    let fork = seal_of(2).replace("repeat('02'", "repeat('01'");
    scene.auditor().refused(By::Rule("uq_seals_previous"), fork)
}
