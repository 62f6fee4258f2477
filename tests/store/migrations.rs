//! Migrations: each `down.sql` undoes its `up.sql`, any number of processes may run them at once, and the
//! objects of a host application stay unchanged.

use std::path::Path;
use std::process::Command;
use std::thread;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel_migrations::{FileBasedMigrations, MigrationHarness};
use tradeblotter::migrations::{self, Direction, Extent, Records, State};
use tradeblotter::{Error, catalog};
use uuid::Uuid;

use tradeblotter_test_support::{Database, programs, texts, with_order_of};

const TOGETHER: usize = 8;

/// A version that is newer than every migration.
const NEWER: &str = "99991231000000";

/// A version that is older than every migration.
const OLDER: &str = "20000101000000";

/// The schema as `pg_dump` prints it: it knows every kind of object, and so finds differences that a
/// query written for these tests could miss.
fn dump(database: &Database) -> String {
    // The server's own pg_dump: an older one refuses a newer server.
    let beside = programs(&mut database.admin()).join("pg_dump");
    let program = if beside.is_file() { beside.as_path() } else { Path::new("pg_dump") };
    let output = Command::new(program)
        .args(["--schema-only", "--dbname", &database.admin_url()])
        .output()
        .unwrap_or_else(|why| panic!("can't run {program:?}, which comes with PostgreSQL: {why}"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // These two lines carry a random key, new in every dump.
    let random = |line: &&str| line.starts_with("\\restrict") || line.starts_with("\\unrestrict");
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_inclusive('\n').filter(|line| !random(line)).collect()
}

/// A failed `assert_eq!` would print two whole dumps; this names the first line that differs.
fn assert_same(now: &str, before: &str, when: &str) {
    if now != before {
        let mut lines = now.lines().zip(before.lines());
        let line = lines.find(|(now, before)| now != before);
        panic!("the dump is another {when}, first in this line (now, before): {line:?}");
    }
}

/// Every object of this database that did not come with PostgreSQL.
fn objects(conn: &mut PgConnection) -> Vec<String> {
    texts(
        conn,
        "SELECT pg_describe_object(classid, objid, objsubid) AS text FROM pg_depend
         WHERE objid >= 16384 AND refclassid = 'pg_namespace'::regclass AND deptype = 'n'
         ORDER BY text",
    )
}

/// The migrations of this build by name, oldest first.
fn names(conn: &mut PgConnection) -> Vec<String> {
    let known = migrations::status(conn).unwrap().into_iter();
    known.filter(|s| !matches!(s.state, State::Unknown(_))).map(|s| s.name).collect()
}

fn pending(conn: &mut PgConnection) -> Vec<String> {
    let statuses = migrations::status(conn).unwrap().into_iter();
    statuses.filter(|s| s.state == State::Pending).map(|s| s.name).collect()
}

/// The record of applied migrations, as Diesel keeps it.
fn recorded(conn: &mut PgConnection) -> Vec<String> {
    texts(conn, "SELECT version::text AS text FROM __diesel_schema_migrations ORDER BY 1")
}

/// Records a migration that this build does not have.
fn record(conn: &mut PgConnection, version: &str) {
    let insert = format!("INSERT INTO __diesel_schema_migrations (version) VALUES ('{version}')");
    conn.batch_execute(&insert).unwrap();
}

fn revert(conn: &mut PgConnection, extent: Extent) -> Vec<String> {
    let mut reverted = Vec::new();
    migrations::revert(conn, extent, Records::Keep, |step| reverted.push(step.name.clone()))
        .unwrap();
    reverted
}

/// A `traders` table as an application might have it, with a row in it.
const HOST_TRADERS: &str = "
    CREATE TABLE traders (id uuid PRIMARY KEY, desk text NOT NULL, opened date);
    CREATE INDEX traders_by_desk ON traders (desk);
    COMMENT ON TABLE traders IS 'The people of the desk';
    INSERT INTO traders VALUES ('00000000-0000-0000-0000-000000000001', 'rates', '2020-02-29');
";

fn order_of(trader: u128) -> String {
    format!(
        "SET app.user_id = '{trader}';
         INSERT INTO orders (trader_id, symbol, quantity, order_type)
         VALUES ('{trader}', 'AAPL', 1, 'MARKET')",
        trader = Uuid::from_u128(trader),
    )
}

#[test]
fn every_migration_is_undone_byte_for_byte() {
    let database = Database::empty();
    let conn = &mut database.owner();
    // Diesel's own harness applies the same files one at a time, and records them in the same table.
    let files = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
    let files = FileBasedMigrations::from_path(files).unwrap();
    // Makes Diesel's table, which stays.
    assert_eq!(revert(conn, Extent::All), [""; 0]);

    let mut before = dump(&database);
    for name in names(conn) {
        conn.run_next_migration(files.clone()).unwrap();
        let after = dump(&database);
        // Roles belong to the cluster, so a dump of a database does not contain them.
        if !name.ends_with("_create_roles") {
            assert_ne!(before, after, "{name} does nothing");
        }
        assert_eq!(revert(conn, Extent::Last(1)), [name.as_str()]);
        assert_same(&dump(&database), &before, &format!("after down.sql of {name}"));
        conn.run_next_migration(files.clone()).unwrap();
        assert_same(&dump(&database), &after, &format!("after up.sql of {name} once more"));
        before = after;
    }
    assert_eq!(pending(conn), [""; 0]);
}

#[test]
fn create_on_the_schema_is_revoked_from_public_and_granted_again_by_a_revert() {
    let database = Database::empty();
    let conn = &mut database.owner();
    conn.batch_execute("GRANT CREATE ON SCHEMA public TO PUBLIC").unwrap();
    revert(conn, Extent::All);
    let before = dump(&database);
    migrations::run(conn).unwrap();
    let granted = "SELECT has_schema_privilege('public', 'public', 'CREATE')::text AS text";
    assert_eq!(texts(conn, granted), ["false"]);
    assert_eq!(catalog::differences(conn).unwrap(), []);
    migrations::redo(conn, Extent::All, Records::Keep, |_| ()).unwrap();
    assert_eq!(texts(conn, granted), ["false"]);
    revert(conn, Extent::All);
    assert_same(&dump(&database), &before, "after revert");
}

#[test]
fn redo_of_all_restores_the_dump_byte_for_byte() {
    let database = Database::migrated();
    let conn = &mut database.owner();
    let before = dump(&database);
    let mut steps = Vec::new();
    migrations::redo(conn, Extent::All, Records::Keep, |step| {
        steps.push((step.direction, step.name.clone()))
    })
    .unwrap();
    assert_same(&dump(&database), &before, "after redo");

    let names = names(conn);
    let down = names.iter().rev().map(|name| (Direction::Down, name.clone()));
    let up = names.iter().map(|name| (Direction::Up, name.clone()));
    assert_eq!(steps, down.chain(up).collect::<Vec<_>>());
}

#[test]
fn revert_of_all_leaves_nothing() {
    let database = Database::migrated();
    let conn = &mut database.owner();
    let mut names = names(conn);
    names.reverse();
    assert_eq!(revert(conn, Extent::All), names);
    assert_eq!(objects(conn), ["table __diesel_schema_migrations"]);
    assert_eq!(recorded(conn), [""; 0]);
}

#[test]
fn a_second_run_does_nothing() {
    let database = Database::empty();
    let conn = &mut database.owner();
    let names = names(conn);
    let applied = migrations::run(conn).unwrap();
    assert_eq!(applied.iter().map(|step| step.name.clone()).collect::<Vec<_>>(), names);
    let before = dump(&database);
    assert_eq!(migrations::run(conn).unwrap(), []);
    assert_same(&dump(&database), &before, "after the second run");
}

#[test]
fn eight_threads_at_once_migrate_an_empty_database_once() {
    let database = Database::empty();
    let mut applied: Vec<String> = thread::scope(|scope| {
        let run = || migrations::run(&mut database.owner()).unwrap();
        let threads: Vec<_> = (0..TOGETHER).map(|_| scope.spawn(run)).collect();
        let steps = threads.into_iter().flat_map(|thread| thread.join().unwrap());
        steps.map(|step| step.name).collect()
    });
    applied.sort();
    assert_eq!(applied, names(&mut database.owner()));
}

#[test]
fn an_empty_database_is_pending_and_looking_changes_nothing() {
    let database = Database::empty();
    let conn = &mut database.owner();
    let names = names(conn);
    assert!(names.len() >= 2);
    assert_eq!(pending(conn), names);
    let refused = migrations::require(conn).unwrap_err();
    assert!(refused.is_not_migrated());
    for name in &names {
        assert!(refused.to_string().contains(name), "{refused}");
    }
    assert_eq!(objects(conn), [""; 0]);
}

#[test]
fn a_migrated_database_is_all_applied() {
    let database = Database::migrated();
    let conn = &mut database.owner();
    let statuses = migrations::status(conn).unwrap();
    assert!(statuses.iter().all(|status| matches!(status.state, State::Applied(_))));
    assert_eq!(statuses.len(), recorded(conn).len());
    migrations::require(conn).unwrap();
}

#[test]
fn a_half_migrated_database_lacks_the_other_half() {
    let database = Database::migrated();
    let conn = &mut database.owner();
    let reverted = revert(conn, Extent::Last(1));
    assert_eq!(pending(conn), reverted);
    let refused = migrations::require(conn).unwrap_err();
    assert!(refused.is_not_migrated());
    assert!(refused.to_string().contains(&reverted[0]), "{refused}");
    assert!(!refused.to_string().contains(&names(conn)[0]), "{refused}");
}

#[test]
fn a_newer_unknown_migration_is_ahead_and_nothing_is_reverted() {
    let database = Database::migrated();
    let conn = &mut database.owner();
    record(conn, NEWER);
    let last = migrations::status(conn).unwrap().pop().unwrap();
    assert_eq!(last.name, NEWER);
    assert!(matches!(last.state, State::Unknown(_)));

    let before = (objects(conn), recorded(conn));
    let refusals = [
        migrations::require(conn).unwrap_err(),
        migrations::revert(conn, Extent::Last(1), Records::Keep, |_| panic!("reverted"))
            .unwrap_err(),
        migrations::revert(conn, Extent::All, Records::Keep, |_| panic!("reverted")).unwrap_err(),
        migrations::redo(conn, Extent::All, Records::Keep, |_| panic!("redone")).unwrap_err(),
    ];
    for refused in refusals {
        assert!(refused.is_ahead(), "{refused}");
        assert!(refused.to_string().contains(NEWER), "{refused}");
    }
    assert_eq!((objects(conn), recorded(conn)), before);
}

#[test]
fn an_older_unknown_migration_is_in_nobodys_way() {
    let database = Database::migrated();
    let conn = &mut database.owner();
    record(conn, OLDER);
    let last = migrations::status(conn).unwrap().pop().unwrap();
    assert_eq!(last.name, OLDER);
    assert!(matches!(last.state, State::Unknown(_)));
    migrations::require(conn).unwrap();
    migrations::redo(conn, Extent::All, Records::Keep, |_| ()).unwrap();
    assert_eq!(revert(conn, Extent::All).len(), names(conn).len());
    assert_eq!(recorded(conn), [OLDER]);
}

#[test]
fn an_unknown_migration_is_in_the_way_only_of_reverting_what_came_before_it() {
    let database = Database::migrated();
    let conn = &mut database.owner();
    // A version just after the oldest migration.
    let between = format!("{}1", recorded(conn)[0]);
    record(conn, &between);
    migrations::require(conn).unwrap();
    let refused =
        migrations::revert(conn, Extent::All, Records::Keep, |_| panic!("reverted")).unwrap_err();
    assert!(refused.is_ahead(), "{refused}");
    assert_eq!(revert(conn, Extent::Last(1)).len(), 1);
}

#[test]
fn a_failing_migration_leaves_nothing_and_those_before_it_stay() {
    let database = Database::empty();
    let failed = &mut database.owner();
    let in_the_way = "CREATE TYPE order_type_enum AS ENUM ('NONE')";
    failed.batch_execute(in_the_way).unwrap();
    let names = names(failed);

    let failure = migrations::run(failed).unwrap_err();
    assert!(failure.is_migration_failure());
    assert!(failure.to_string().contains(&names[1]), "{failure}");
    assert!(failure.to_string().contains("\"order_type_enum\" already exists"), "{failure}");
    assert_eq!(pending(failed), names[1..]);
    assert_eq!(
        objects(failed),
        ["table __diesel_schema_migrations", "table traders", "type order_type_enum"],
    );

    // If the lock were still held, another process would wait for it for minutes.
    let locks = "SELECT pid::text AS text FROM pg_locks JOIN pg_database d ON d.oid = database
                 WHERE locktype = 'advisory' AND datname = current_database()";
    let other = &mut database.owner();
    assert_eq!(texts(other, locks), [""; 0]);
    other.batch_execute("DROP TYPE order_type_enum").unwrap();
    let applied: Vec<_> = migrations::run(other).unwrap().into_iter().map(|s| s.name).collect();
    assert_eq!(applied, names[1..]);
}

#[test]
fn no_migration_is_reverted_while_the_log_has_entries_unless_they_are_to_be_discarded() {
    let (database, blotter, _) = with_order_of(100);
    drop(blotter);
    let conn = &mut database.owner();
    let files = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
    let files = FileBasedMigrations::from_path(files).unwrap();
    for name in names(conn).into_iter().rev() {
        let before = dump(&database);
        // The first migration creates no append-only table.
        if !name.ends_with("create_traders") {
            for refused in [
                migrations::revert(conn, Extent::Last(1), Records::Keep, |_| panic!("reverted")),
                migrations::redo(conn, Extent::Last(1), Records::Keep, |_| panic!("redone")),
            ] {
                let refused = refused.unwrap_err();
                assert!(refused.is_migration_failure(), "{refused}");
                assert!(refused.to_string().contains("blotter.discard_records"), "{refused}");
            }
            // Diesel's own harness cannot revert it either.
            let refused = conn.revert_last_migration(files.clone()).unwrap_err().to_string();
            assert!(refused.contains("blotter.discard_records"), "{refused}");
            assert_same(&dump(&database), &before, "after a revert that was refused");
        }
        migrations::revert(conn, Extent::Last(1), Records::Discard, |_| ()).unwrap();
    }
    assert_eq!(objects(conn), ["table __diesel_schema_migrations"]);
}

#[test]
fn no_migration_is_reverted_while_there_are_breaks_though_the_log_is_empty() {
    let database = Database::migrated();
    // A break of an unknown order is in the log of no order.
    let unknown = "INSERT INTO breaks (reason, detail, venue, timestamp, quantity, price)
                   VALUES ('UNKNOWN_ORDER', 'no such order', 'XNAS', now(), 1, 10.00)";
    database.admin().batch_execute(unknown).unwrap();
    let before = (dump(&database), database.contents());
    let conn = &mut database.owner();
    let refused = migrations::revert(conn, Extent::All, Records::Keep, |_| panic!("reverted"));
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("the table breaks has rows"), "{refused}");
    assert_same(&dump(&database), &before.0, "after a revert that was refused");
    assert_eq!(database.contents(), before.1);
    migrations::revert(conn, Extent::All, Records::Discard, |_| ()).unwrap();
}

#[test]
fn a_setting_lets_diesel_discard_records_too() {
    let (database, blotter, order) = with_order_of(100);
    drop(blotter);
    let conn = &mut database.owner();
    conn.batch_execute("SET blotter.discard_records = on").unwrap();
    let files = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
    let files = FileBasedMigrations::from_path(files).unwrap();
    conn.revert_last_migration(files.clone()).unwrap();
    conn.run_next_migration(files).unwrap();
    assert_eq!(database.contents().orders, [order]);
    assert_eq!(catalog::differences(conn).unwrap(), []);
}

#[test]
fn a_hosts_own_traders_are_referred_to_and_left_as_they_were() {
    let database = Database::empty();
    let conn = &mut database.owner();
    conn.batch_execute(HOST_TRADERS).unwrap();
    revert(conn, Extent::All);
    let rows = "SELECT t::text AS text FROM traders t";
    let before = (dump(&database), texts(conn, rows));

    migrations::run(conn).unwrap();
    assert_eq!(catalog::differences(conn).unwrap(), []);
    conn.batch_execute(&order_of(1)).unwrap();
    let refused = Error::from(conn.batch_execute(&order_of(2)).unwrap_err());
    assert_eq!(refused.constraint(), Some("fk_orders_trader_id"), "{refused}");

    migrations::revert(conn, Extent::All, Records::Discard, |_| ()).unwrap();
    assert_same(&dump(&database), &before.0, "after revert");
    assert_eq!(texts(conn, rows), before.1);
}

#[test]
fn a_hosts_traders_without_a_unique_uuid_id_are_refused_in_clear_words() {
    let unfit = [
        "CREATE TABLE traders (id bigint PRIMARY KEY)",
        "CREATE TABLE traders (id uuid NOT NULL)",
        "CREATE TABLE traders (id uuid, desk text, PRIMARY KEY (id, desk))",
        "CREATE TABLE traders (id uuid); CREATE UNIQUE INDEX ON traders (id) WHERE id IS NOT NULL",
        "CREATE TABLE traders (id uuid, key uuid PRIMARY KEY)",
        "CREATE TABLE traders (id uuid UNIQUE DEFERRABLE)",
        "CREATE VIEW traders AS SELECT gen_random_uuid() AS id",
    ];
    for table in unfit {
        let database = Database::empty();
        let conn = &mut database.owner();
        conn.batch_execute(table).unwrap();
        revert(conn, Extent::All);
        let before = objects(conn);
        let failure = migrations::run(conn).unwrap_err();
        assert!(failure.is_migration_failure(), "{table}");
        let words = "the table \"traders\" that is already here has no unique uuid column \"id\"";
        assert!(failure.to_string().contains(words), "{table}: {failure}");
        assert!(failure.to_string().contains(&names(conn)[0]), "{table}: {failure}");
        assert_eq!(objects(conn), before, "{table}");
    }
}

/// A view runs as whoever reads it, and a superuser reads it before anything else.
#[test]
fn a_view_in_place_of_the_table_of_migrations_is_refused_and_not_read() {
    let db = Database::migrated();
    let planted = "ALTER TABLE __diesel_schema_migrations RENAME TO moved;
        CREATE TABLE told (by text);
        CREATE FUNCTION told() RETURNS boolean LANGUAGE plpgsql AS
            'BEGIN INSERT INTO told VALUES (current_user); RETURN true; END';
        CREATE VIEW __diesel_schema_migrations AS SELECT * FROM moved WHERE told()";
    db.owner().batch_execute(planted).unwrap();
    let admin = &mut db.admin();
    let refused = migrations::require(admin).unwrap_err();
    assert!(refused.is_migration_failure(), "{refused}");
    assert!(tradeblotter::harden::install(admin).is_err());
    assert!(migrations::status(admin).is_err());
    assert!(texts(admin, "SELECT by AS text FROM told").is_empty());
}
