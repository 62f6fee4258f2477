//! Attacks on the archives: who may read and insert them, and that nobody can change what they state.

use crate::scene::{ADA, Actor, By, Held, Scene, archive_of};

const ARCHIVES: &str = "SELECT records::text AS text FROM archives ORDER BY 1";

attacks! {
    compliance_and_the_auditor_see_the_archives_and_make_none_whatever_is_granted,
    nobody_else_sees_an_archive_or_makes_one_whatever_is_granted,
    a_superuser_rewrites_no_archive,
    a_superuser_who_passes_over_ordinary_triggers_rewrites_no_archive,
    nobody_truncates_the_archives,
    a_superuser_who_passes_over_ordinary_triggers_truncates_no_archive,
    an_archive_tells_who_removed_the_records_and_when_whatever_is_claimed,
}

pub fn compliance_and_the_auditor_see_the_archives_and_make_none_whatever_is_granted(
    scene: &Scene,
) -> Held {
    scene.compliance().sees(&["7"], ARCHIVES)?;
    scene.auditor().sees(&["7"], ARCHIVES)?;
    scene.run("GRANT INSERT ON archives TO blotter_compliance, blotter_auditor");
    scene.compliance().refused(By::Policy("archives"), archive_of(8))?;
    scene.auditor().refused(By::Policy("archives"), archive_of(8))
}

/// Including the owner of the tables.
pub fn nobody_else_sees_an_archive_or_makes_one_whatever_is_granted(scene: &Scene) -> Held {
    scene.run("GRANT SELECT, INSERT ON archives TO PUBLIC");
    let others: [fn(&Scene) -> Actor<'_>; 5] =
        [Scene::ada, Scene::engine, Scene::ledger, Scene::stranger, Scene::owner_as_ada];
    for other in others {
        other(scene).sees(&[""; 0], ARCHIVES)?;
        other(scene).refused(By::Policy("archives"), archive_of(8))?;
    }
    scene.member("blotter_compliance", ADA).refused(By::Policy("archives"), archive_of(8))
}

fn rewrite(mut attacker: Actor<'_>) -> Held {
    let guard = By::Rule("archives_append_only");
    attacker.refused(guard, "UPDATE archives SET id = id")?;
    attacker.refused(guard, "UPDATE archives SET sha256 = decode(repeat('01', 32), 'hex')")?;
    attacker.refused(guard, "DELETE FROM archives")
}

pub fn a_superuser_rewrites_no_archive(scene: &Scene) -> Held {
    rewrite(scene.superuser())
}

pub fn a_superuser_who_passes_over_ordinary_triggers_rewrites_no_archive(scene: &Scene) -> Held {
    rewrite(scene.replica())
}

pub fn nobody_truncates_the_archives(scene: &Scene) -> Held {
    scene.run("GRANT TRUNCATE ON archives TO PUBLIC");
    let guard = By::Rule("archives_append_only");
    let everybody: [fn(&Scene) -> Actor<'_>; 5] =
        [Scene::auditor, Scene::compliance, Scene::engine, Scene::owner_as_ada, Scene::superuser];
    for attacker in everybody {
        attacker(scene).refused(guard, "TRUNCATE archives")?;
    }
    Ok(())
}

pub fn a_superuser_who_passes_over_ordinary_triggers_truncates_no_archive(scene: &Scene) -> Held {
    scene.replica().refused(By::Rule("archives_append_only"), "TRUNCATE archives")
}

pub fn an_archive_tells_who_removed_the_records_and_when_whatever_is_claimed(
    scene: &Scene,
) -> Held {
    let claimed = archive_of(8)
        .replace("sha256, sequence)", "sha256, sequence, created_at, acted_by)")
        .replace("'hex'), 1", "'hex'), 1, '2000-01-01', 'another'");
    let told =
        "SELECT concat_ws(' ', acted_by = session_user, created_at >= now(), sequence > 7) AS text
                FROM archives WHERE records = 8";
    scene.superuser().brings(&["t t t"], claimed, told)
}
