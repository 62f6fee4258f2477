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
    a_seal_has_one_place_and_continues_the_one_before_it,
    a_seal_tells_the_login_that_inserted_it_whatever_is_claimed,
    a_table_of_the_callers_stands_in_for_no_seal,
}

pub fn the_auditor_sees_what_is_recorded_and_seals_it(scene: &Scene) -> Held {
    let mut auditor = scene.auditor();
    for (table, rows) in [
        ("orders", "11"),
        ("fills", "4"),
        ("execution_logs", "29"),
        ("breaks", "6"),
        ("break_resolutions", "3"),
        ("traders", "3"),
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
        other(scene).refused(By::Policy("seals"), seal_of(1))?;
    }
    scene.member("blotter_compliance", ADA).refused(By::Policy("seals"), seal_of(1))
}

fn rewrite(mut attacker: Actor<'_>) -> Held {
    let guard = By::Rule("seals_append_only");
    attacker.refused(guard, "UPDATE seals SET id = id")?;
    attacker.refused(guard, "UPDATE seals SET root = leaves")?;
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

/// A gap in the seals, or in the leaves of the tree, would stop sealing.
pub fn a_seal_has_one_place_and_continues_the_one_before_it(scene: &Scene) -> Held {
    let mut auditor = scene.auditor();
    auditor.refused(By::Rule("seals_pkey"), seal_of(1))?;
    let follow = By::Rule("seals_follow");
    // With the right size: nothing but its number is wrong.
    auditor.refused(follow, seal_of(3).replace("blotter', 3,", "blotter', 2,"))?;
    for (stated, claimed) in [
        ("SELECT 2, 1, 'example.com/blotter', 2,", "SELECT 2, 1, 'example.com/blotter', 3,"),
        ("'example.com/blotter'", "'example.com/another'"),
    ] {
        auditor.refused(follow, seal_of(2).replace(stated, claimed))?;
    }
    drop(auditor);
    let settled = seal_of(2).replace("'{[1,2)}', 0,", "'{[2,3)}', 7,");
    scene.auditor().brings(&["1", "2"], &settled, SEALS)?;
    let unsettled = seal_of(3).replace("'{[1,2)}', 0,", "'{[3,4)}', 6,");
    scene.auditor().refused_after(follow, &settled, unsettled)
}

pub fn a_seal_tells_the_login_that_inserted_it_whatever_is_claimed(scene: &Scene) -> Held {
    let claimed = seal_of(2)
        .replace("public_key, signature)", "public_key, signature, sealed_by)")
        .replace("hash || hash", "hash || hash, 'another'");
    let told = "SELECT sealed_by AS text FROM seals WHERE id = 2";
    scene.auditor().brings(&["@auditor_login"], &claimed, told)?;
    let as_a_role = format!("SET LOCAL ROLE @auditor; {claimed}");
    scene.auditor().brings(&["@auditor_login"], as_a_role, told)
}

pub fn a_table_of_the_callers_stands_in_for_no_seal(scene: &Scene) -> Held {
    let forge = "CREATE TEMP TABLE seals (LIKE @schema.seals);
        GRANT SELECT ON pg_temp.seals TO PUBLIC;
        INSERT INTO pg_temp.seals SELECT (jsonb_populate_record(original, '{\"id\": 8, \"size\": 8}')).*
        FROM @schema.seals AS original";
    scene.auditor().refused_after(By::Rule("seals_follow"), forge, seal_of(9))
}
