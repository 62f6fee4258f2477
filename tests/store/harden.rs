//! Hardening: who may harden a schema, how it is told, and what it means for migrations. The attacks of the owner are
//! in tests/attacks/owner.rs.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use tradeblotter::harden::{self, Hardening};
use tradeblotter::migrations::{self, Extent, Records};
use tradeblotter::{Error, NewOrder, Side, catalog, widths};

use tradeblotter_test_support::{
    Database, assert_refused, fill_of, record, submit, texts, with_order_of,
};

/// What hardening creates.
const TRACES: &str = "SELECT evtname::text AS text FROM pg_event_trigger
    UNION ALL SELECT nspname::text FROM pg_namespace WHERE nspname = 'blotter_harden'
    ORDER BY 1";

fn differences(conn: &mut PgConnection) -> Vec<String> {
    catalog::differences(conn).unwrap().iter().map(ToString::to_string).collect()
}

#[test]
fn hardening_is_idempotent_and_lifting_it_leaves_nothing_behind() {
    let database = Database::migrated();
    let (admin, owner) = (&mut database.admin(), &mut database.owner());
    assert_eq!(harden::state(owner).unwrap(), Hardening::Off);
    for _ in 0..2 {
        harden::install(admin).unwrap();
        assert_eq!(harden::state(owner).unwrap(), Hardening::On);
        assert_eq!(differences(owner), [""; 0]);
    }
    for _ in 0..2 {
        harden::lift(admin).unwrap();
        assert_eq!(harden::state(owner).unwrap(), Hardening::Off);
        assert_eq!(texts(admin, TRACES), [""; 0]);
    }
}

#[test]
fn only_a_superuser_hardens_a_schema_or_lifts_it_and_the_error_says_so() {
    let database = Database::migrated();
    let owner = &mut database.owner();
    let refused = harden::install(owner).unwrap_err();
    assert_refused(&refused, Error::is_permission_denied, None);
    assert!(refused.to_string().contains("needs a superuser"), "{refused}");
    assert_eq!(harden::state(owner).unwrap(), Hardening::Off);
    harden::install(&mut database.admin()).unwrap();
    let refused = harden::lift(owner).unwrap_err();
    assert!(refused.to_string().contains("needs a superuser"), "{refused}");
    assert_eq!(harden::state(owner).unwrap(), Hardening::On);
}

#[test]
fn before_the_migrations_there_is_nothing_to_harden() {
    let database = Database::empty();
    assert!(harden::install(&mut database.admin()).unwrap_err().is_not_migrated());
    assert_eq!(harden::state(&mut database.owner()).unwrap(), Hardening::Off);
}

#[test]
fn a_hardened_schema_is_migrated_and_reverted_only_after_it_was_lifted() {
    let database = Database::migrated();
    let (admin, owner) = (&mut database.admin(), &mut database.owner());
    harden::install(admin).unwrap();
    // Nothing is pending, so nothing is refused.
    assert_eq!(migrations::run(owner).unwrap(), []);
    for records in [Records::Keep, Records::Discard] {
        let refused = migrations::redo(owner, Extent::Last(1), records, |_| ()).unwrap_err();
        assert!(refused.is_migration_failure());
        assert!(refused.to_string().contains("`blotter harden --lift`"), "{refused}");
    }
    harden::lift(admin).unwrap();
    migrations::revert(owner, Extent::Last(1), Records::Keep, |_| ()).unwrap();
    migrations::run(owner).unwrap();
    harden::install(admin).unwrap();
    assert_eq!(differences(owner), [""; 0]);
}

#[test]
fn the_store_works_on_a_hardened_schema_and_prices_are_widened_after_it_was_lifted() {
    let (database, blotter, order) = with_order_of(100);
    let (admin, owner) = (&mut database.admin(), &mut database.owner());
    let wide = widths::Widening { prices: Some(4), ..Default::default() };
    harden::install(admin).unwrap();
    record(&blotter, &fill_of(&order, 40, "10.45")).unwrap();
    submit(&blotter, &NewOrder::market(order.trader_id, Side::Sell, "IBM", 7)).unwrap();
    let refused = widths::widen(owner, wide).unwrap_err();
    assert_eq!(refused.constraint(), Some("blotter_hardened"), "{refused}");
    assert!(refused.to_string().contains("`blotter harden --lift`"), "{refused}");
    harden::lift(admin).unwrap();
    widths::widen(owner, wide).unwrap();
}

#[test]
fn a_hardening_that_was_weakened_is_told_and_repaired() {
    let database = Database::migrated();
    let (admin, owner) = (&mut database.admin(), &mut database.owner());
    let name = "event trigger blotter_harden_end_public";
    let another = "CREATE OR REPLACE FUNCTION blotter_harden.refuse_public() RETURNS event_trigger
                   LANGUAGE plpgsql AS 'BEGIN END'";
    for (weakening, said) in [
        ("DROP EVENT TRIGGER blotter_harden_end_public", format!("{name}: missing")),
        (
            "ALTER EVENT TRIGGER blotter_harden_end_public DISABLE",
            format!("{name}: enabled is disabled, expected always"),
        ),
        (
            "ALTER EVENT TRIGGER blotter_harden_end_public ENABLE",
            format!("{name}: enabled is origin, expected always"),
        ),
        (another, format!("{name}: body is another, expected as installed")),
        (
            "ALTER FUNCTION blotter_harden.refuse_public() OWNER TO blotter",
            format!("{name}: owner is somebody else, expected a superuser"),
        ),
    ] {
        harden::install(admin).unwrap();
        admin.batch_execute(weakening).unwrap();
        assert!(matches!(harden::state(owner).unwrap(), Hardening::Partial(_)), "{weakening}");
        let told = differences(owner);
        assert!(told.contains(&said), "{weakening}: {told:?}");
    }
    harden::install(admin).unwrap();
    assert_eq!(harden::state(owner).unwrap(), Hardening::On);
}

/// These commit before an event trigger could undo them, so they must be refused before they begin.
#[test]
fn an_index_is_neither_built_nor_dropped_concurrently() {
    let database = Database::migrated();
    let owner = &mut database.owner();
    harden::install(&mut database.admin()).unwrap();
    for statement in [
        "CREATE INDEX CONCURRENTLY slow ON fills (venue)",
        r#"CREATE INDEX CONCURRENTLY slow ON U&"!0066ills" UESCAPE '!' (venue)"#,
        "DROP INDEX CONCURRENTLY uq_fills_execution_id",
    ] {
        let refused = Error::from(owner.batch_execute(statement).unwrap_err());
        assert_eq!(refused.constraint(), Some("blotter_hardened"), "{statement}: {refused}");
        assert_eq!(differences(owner), [""; 0], "{statement}");
    }
    owner.batch_execute("CREATE TABLE baskets (size integer)").unwrap();
    owner.batch_execute("CREATE INDEX CONCURRENTLY by_size ON baskets (size)").unwrap();
    owner.batch_execute("DROP INDEX CONCURRENTLY by_size").unwrap();
}

/// Two blotters in one database. The name of the second schema needs quotes, is long, and looks like a marker in
/// the function's source.
#[test]
fn schemas_of_one_database_are_hardened_one_by_one() {
    let database = Database::migrated();
    let name = r#""My ' {schema} \ $harden$ Schema, which has a long name""#;
    let enter = format!("SET search_path = {name}, pg_catalog");
    let (admin, owner) = (&mut database.admin(), &mut database.owner());
    owner.batch_execute(&format!("CREATE SCHEMA {name}; {enter}")).unwrap();
    migrations::run(owner).unwrap();
    harden::install(admin).unwrap();
    assert_eq!(harden::state(owner).unwrap(), Hardening::Off);
    owner.batch_execute("ALTER TABLE orders DISABLE TRIGGER orders_admit").unwrap();
    owner.batch_execute("ALTER TABLE orders ENABLE TRIGGER orders_admit").unwrap();

    let other = &mut database.admin();
    other.batch_execute(&enter).unwrap();
    harden::install(other).unwrap();
    assert_eq!(harden::state(owner).unwrap(), Hardening::On);
    assert_eq!(differences(owner), [""; 0]);
    for statement in [
        "ALTER TABLE orders DISABLE TRIGGER orders_admit",
        "DROP TABLE break_resolutions",
        "ALTER TABLE public.orders DISABLE TRIGGER orders_admit",
    ] {
        let refused = Error::from(owner.batch_execute(statement).unwrap_err());
        assert_eq!(refused.constraint(), Some("blotter_hardened"), "{statement}");
    }

    harden::lift(admin).unwrap();
    assert_eq!(harden::state(admin).unwrap(), Hardening::Off);
    assert_eq!(harden::state(other).unwrap(), Hardening::On);
    owner.batch_execute("ALTER TABLE public.orders DISABLE TRIGGER orders_admit").unwrap();
}
