//! Sessions: the pool, retries, roles, snapshots, and how much of a URL an error reveals.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use diesel::connection::{
    Instrumentation, InstrumentationEvent, SimpleConnection, set_default_instrumentation,
};
use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, Pool};
use tradeblotter::{
    Blotter, Error, Fill, NewOrder, Order, Side, Tx, connect, role, snapshot_on, transaction_on,
};
use uuid::Uuid;

use tradeblotter_test_support::{
    Database, assert_refused, fill_of, history, record, submit, texts, trader, with_order_of,
};

#[test]
fn a_session_works_although_every_idle_connection_was_lost() {
    let database = Database::migrated();
    let pool = Pool::builder()
        .max_size(3)
        .test_on_check_out(false)
        .build(ConnectionManager::new(database.app_url()))
        .unwrap();
    let blotter = Blotter::with_pool(pool);
    let others = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    database.admin().batch_execute(others).unwrap();
    blotter.engine().transaction(|tx| tx.traders().register("Ada")).unwrap();
}

#[test]
fn an_exhausted_pool_is_an_error_and_not_a_wait_for_ever() {
    let database = Database::migrated();
    let pool = Pool::builder()
        .max_size(1)
        // Long enough to connect, because the same timeout applies to new connections.
        .connection_timeout(Duration::from_secs(2))
        .build(ConnectionManager::new(database.app_url()))
        .unwrap();
    let blotter = Blotter::with_pool(pool);
    let session = blotter.engine();
    let inner = session
        .transaction(|_| Ok::<_, Error>(session.transaction(|tx| tx.traders().list())))
        .unwrap();
    assert!(inner.unwrap_err().is_exhausted());
}

/// An error of an application that keeps nothing of the store's.
#[derive(Debug)]
struct Vague;

impl From<Error> for Vague {
    fn from(_: Error) -> Self {
        Self
    }
}

/// A transaction that reads an order, lets another transaction fill it, and then fills it too, which its
/// isolation level does not allow.
fn outdated(
    tx: &mut Tx<'_, role::Engine>,
    blotter: &Blotter,
    order: &Order,
) -> Result<Fill, Error> {
    let level = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ";
    tx.connection().batch_execute(level)?;
    tx.orders().get(order.id)?;
    record(blotter, &fill_of(order, 1, "10.00"))?;
    tx.fills().record(&fill_of(order, 1, "10.00"))
}

#[test]
fn a_transaction_that_met_another_is_run_again_whatever_the_closure_makes_of_the_error() {
    let (_database, blotter, order) = with_order_of(100);
    let mut runs = 0;
    let work = |tx: &mut Tx<'_, role::Engine>| {
        runs += 1;
        if runs == 1 {
            outdated(tx, &blotter, &order).map_err(|_| Vague)
        } else {
            Ok(tx.fills().record(&fill_of(&order, 1, "10.00"))?)
        }
    };
    blotter.engine().transaction(work).unwrap();
    assert_eq!(runs, 2);
    assert_eq!(history(&blotter, &order).order.filled_quantity, 2);

    // A closure that ignores the conflict is retried too: nothing of that attempt can be committed.
    let mut runs = 0;
    let work = |tx: &mut Tx<'_, role::Engine>| {
        runs += 1;
        let _ = if runs == 1 { outdated(tx, &blotter, &order).map(drop) } else { Ok(()) };
        Ok::<_, Error>(())
    };
    blotter.engine().transaction(work).unwrap();
    assert_eq!(runs, 2);
}

#[test]
fn a_transaction_that_always_meets_another_is_given_up_after_five_runs() {
    let (_database, blotter, order) = with_order_of(100);
    let mut runs = 0;
    let work = |tx: &mut Tx<'_, role::Engine>| {
        runs += 1;
        outdated(tx, &blotter, &order)
    };
    let error = blotter.engine().transaction(work).unwrap_err();
    assert_refused(&error, Error::is_conflict, None);
    assert_eq!(runs, 5);
    assert_eq!(history(&blotter, &order).fills.len(), 5);
}

#[test]
fn an_error_that_is_no_conflict_is_not_tried_again() {
    let database = Database::migrated();
    let blotter = database.blotter();
    let mut runs = 0;
    let work = |tx: &mut Tx<'_, role::Engine>| {
        runs += 1;
        tx.traders().register_as(Uuid::from_u128(1), "Ada")?;
        tx.traders().register_as(Uuid::from_u128(1), "Ada")
    };
    assert!(blotter.engine().transaction(work).unwrap_err().is_duplicate());
    assert_eq!(runs, 1);
}

#[test]
fn of_two_transactions_that_wait_for_each_other_both_are_stored_in_the_end() {
    let database = Database::migrated();
    let soon = "DO $$ BEGIN
        EXECUTE format('ALTER DATABASE %I SET deadlock_timeout = 20', current_database());
    END $$";
    database.admin().batch_execute(soon).unwrap();
    let blotter = database.blotter();
    let ada = trader(&blotter, "Ada");
    let order = || submit(&blotter, &NewOrder::market(ada.id, Side::Buy, "AAPL", 100)).unwrap();
    let orders = [order(), order()];
    let both_hold_one = Barrier::new(2);
    let runs = AtomicU32::new(0);
    let fill_both = |first: &Order, second: &Order| {
        let mut run = 0;
        blotter.engine().transaction(|tx| {
            run += 1;
            runs.fetch_add(1, Ordering::Relaxed);
            tx.fills().record(&fill_of(first, 1, "10.00"))?;
            if run == 1 {
                both_hold_one.wait();
            }
            tx.fills().record(&fill_of(second, 1, "10.00"))
        })
    };
    thread::scope(|scope| {
        let other = scope.spawn(|| fill_both(&orders[1], &orders[0]));
        fill_both(&orders[0], &orders[1]).unwrap();
        other.join().unwrap().unwrap();
    });
    // At least one of them was the victim of a deadlock, and ran again. The retry may conflict with the
    // other one again.
    assert!(runs.into_inner() >= 3);
    for order in &orders {
        assert_eq!(history(&blotter, order).order.filled_quantity, 2);
    }
}

#[test]
fn on_a_connection_of_the_application_a_conflict_is_told_and_not_tried_again() {
    let (database, blotter, order) = with_order_of(100);
    let conn = &mut connect(&database.app_url()).unwrap();
    let mut runs = 0;
    let error = transaction_on(conn, role::Engine, |tx| {
        runs += 1;
        outdated(tx, &blotter, &order)
    })
    .unwrap_err();
    assert_refused(&error, Error::is_conflict, None);
    assert_eq!(runs, 1);
}

#[test]
fn what_happens_on_a_connection_reaches_the_applications_own_instrumentation() {
    static SEEN: AtomicU32 = AtomicU32::new(0);
    struct Seen;
    impl Instrumentation for Seen {
        fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
            if let InstrumentationEvent::StartQuery { query, .. } = event
                && query.to_string().contains("seen by the application")
            {
                SEEN.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
    set_default_instrumentation(|| Some(Box::new(Seen))).unwrap();
    let database = Database::migrated();
    let look = |tx: &mut Tx<'_, role::Engine>| {
        Ok::<_, Error>(tx.connection().batch_execute("SELECT 'seen by the application'")?)
    };
    database.blotter().engine().transaction(look).unwrap();
    assert_eq!(SEEN.load(Ordering::Relaxed), 1);
}

#[test]
fn a_login_that_may_not_act_as_the_role_is_denied_by_name_and_its_pool_goes_on() {
    let database = Database::migrated();
    let manager = ConnectionManager::new(database.login_url("blotter_compliance"));
    let blotter = Blotter::with_pool(Pool::builder().max_size(1).build(manager).unwrap());
    let denied = blotter.engine().transaction(|tx| tx.traders().register("Ada")).unwrap_err();
    assert_refused(&denied, Error::is_permission_denied, None);
    assert!(denied.to_string().contains("blotter_engine"), "{denied}");
    assert_eq!(blotter.compliance().snapshot(|tx| tx.traders().list()).unwrap(), []);
}

#[test]
fn a_snapshot_agrees_with_itself_whoever_writes_meanwhile_and_writes_nothing() {
    let (_database, blotter, order) = with_order_of(100);
    let session = blotter.trader(order.trader_id).unwrap();
    let history = session
        .snapshot(|tx| {
            tx.orders().get(order.id)?;
            record(&blotter, &fill_of(&order, 40, "10.00"))?;
            tx.orders().history(order.id)
        })
        .unwrap();
    assert_eq!((history.order.filled_quantity, history.fills.len(), history.log.len()), (0, 0, 1));

    let written = session
        .snapshot(|tx| tx.orders().submit(&NewOrder::market(order.trader_id, Side::Buy, "IBM", 1)));
    let error = written.unwrap_err();
    assert_refused(&error, Error::is_permission_denied, None);
    assert!(error.to_string().contains("read-only transaction"), "{error}");
    let now = session.snapshot(|tx| tx.orders().history(order.id)).unwrap();
    assert_eq!((now.order.filled_quantity, now.fills.len(), now.log.len()), (40, 1, 2));
}

#[test]
fn a_snapshot_on_a_connection_of_the_application_writes_nothing_either() {
    let database = Database::migrated();
    let conn = &mut connect(&database.app_url()).unwrap();
    let ada = transaction_on(conn, role::Engine, |tx| tx.traders().register("Ada")).unwrap();
    let seen = snapshot_on(conn, role::Compliance, |tx| tx.traders().list()).unwrap();
    assert_eq!(seen, [ada]);
    let written = snapshot_on(conn, role::Engine, |tx| tx.traders().register("Grace"));
    assert_refused(&written.unwrap_err(), Error::is_permission_denied, None);
}

#[test]
fn no_error_about_a_url_repeats_the_password_in_it() {
    let secret = "S3cr3t";
    for url in [
        "mysql://u:S3cr3t@localhost/db",
        "mysql://u:S3cr3t@localhost/db?ssl=1",
        "postgres://u:S3cr3t%zz@localhost/db",
        "postgres://u:S3cr3t/x@localhost/db",
        "postgres://u:a S3cr3t@localhost/db",
        "postgres://u:S3cr3t@[::1/db",
        "postgres://u:p@S3cr3t@nowhere.invalid/db",
        "postgres://[S3cr3t",
        "host=localhost password=a S3cr3t",
        "S3cr3t",
    ] {
        let error = Blotter::connect(url).unwrap_err();
        assert!(error.is_connection(), "{url}: {error}");
        assert!(!format!("{error} {error:?}").contains(secret), "{url}: {error}");
    }
}

#[test]
fn a_safe_snapshot_is_serializable_and_takes_no_writes() {
    let database = Database::migrated();
    let engine = database.blotter().engine();
    let modes = "SELECT current_setting('transaction_isolation') || ' '
        || current_setting('transaction_read_only') || ' '
        || current_setting('transaction_deferrable') AS text";
    let said = engine.safe_snapshot(|tx| Ok::<_, Error>(texts(tx.connection(), modes))).unwrap();
    assert_eq!(said, ["serializable on on"]);
    let refused = engine.safe_snapshot(|tx| tx.traders().register("Ada")).unwrap_err();
    assert!(refused.is_permission_denied(), "{refused:?}");
}

/// Opens a transaction that blocks safe snapshots in all databases of the server, as an idle client does. Returns its
/// process too.
fn idle_and_serializable(database: &Database) -> (PgConnection, String) {
    let mut idle = database.admin();
    idle.batch_execute("BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT 1").unwrap();
    let pid = texts(&mut idle, "SELECT pg_backend_pid()::text AS text").remove(0);
    (idle, pid)
}

#[test]
fn a_safe_snapshot_is_waited_for_only_so_long_and_the_error_names_who_blocks_it() {
    let database = Database::migrated();
    let elsewhere = Database::migrated();
    let (mut idle, pid) = idle_and_serializable(&elsewhere);
    let name = texts(&mut idle, "SELECT current_database()::text AS text").remove(0);
    let login = texts(&mut idle, "SELECT session_user::text AS text").remove(0);

    let officer = database.blotter().compliance();
    let wait = Duration::from_secs(2);
    let mut has_run = false;
    let begun = Instant::now();
    let session = officer.clone().wait_for_safe_snapshot(wait);
    let blocked = session
        .safe_snapshot(|_| {
            has_run = true;
            Ok::<_, Error>(())
        })
        .unwrap_err();
    assert!(begun.elapsed() >= wait && begun.elapsed() < wait * 10, "{:?}", begun.elapsed());
    assert!(blocked.is_blocked() && !has_run, "{blocked:?}");
    let said = blocked.to_string();
    let named = format!("process {pid} of login {login} in database {name}");
    assert!(said.starts_with("no safe snapshot within 2s, because a SERIALIZABLE"), "{said}");
    assert!(
        said.contains(&named) && said.contains(&format!("pg_terminate_backend({pid})")),
        "{said}"
    );
    // This login sees no more of another's session, and is told what to do about it.
    assert!(!said.contains("idle in transaction"), "{said}");
    assert!(
        said.contains("hidden from this login") && said.contains("pg_read_all_stats"),
        "{said}"
    );

    // A login that may see it is told since when, and what it does.
    let watcher = format!("watcher_{}", Uuid::now_v7().simple());
    let create =
        format!("CREATE ROLE {watcher} LOGIN IN ROLE blotter_compliance, pg_read_all_stats");
    database.admin().batch_execute(&create).unwrap();
    let url = database.app_url().replace("//app@", &format!("//{watcher}@"));
    let session = Blotter::connect(&url).unwrap().compliance().wait_for_safe_snapshot(wait);
    let said = session.safe_snapshot(|_| Ok::<_, Error>(())).unwrap_err().to_string();
    assert!(said.contains(&format!("{named}, open since 20")), "{said}");
    assert!(said.contains(" UTC, idle in transaction"), "{said}");
    database.admin().batch_execute(&format!("DROP ROLE {watcher}")).unwrap();

    // It is served as soon as the other transaction has ended.
    let ended = thread::spawn(move || {
        thread::sleep(Duration::from_millis(500));
        idle.batch_execute("COMMIT").unwrap();
    });
    officer.safe_snapshot(|_| Ok::<_, Error>(())).unwrap();
    ended.join().unwrap();
}

#[test]
fn the_wait_for_a_safe_snapshot_leaves_the_timeout_of_the_session_as_it_is() {
    let database = Database::migrated();
    let login = format!("patient_{}", Uuid::now_v7().simple());
    let create = format!(
        "CREATE ROLE {login} LOGIN IN ROLE blotter_compliance;
         ALTER ROLE {login} SET statement_timeout = '47s'"
    );
    database.admin().batch_execute(&create).unwrap();
    let url = database.app_url().replace("//app@", &format!("//{login}@"));
    let officer = Blotter::connect(&url).unwrap().compliance();
    let settings = "SELECT current_setting('statement_timeout') || ' ' || current_setting('role')
        || ' ' || current_setting('transaction_isolation') AS text";
    for _ in 0..2 {
        let said = officer.safe_snapshot(|tx| Ok::<_, Error>(texts(tx.connection(), settings)));
        assert_eq!(said.unwrap(), ["47s blotter_compliance serializable"]);
    }
    let said = officer.snapshot(|tx| Ok::<_, Error>(texts(tx.connection(), settings)));
    assert_eq!(said.unwrap(), ["47s blotter_compliance repeatable read"]);
    drop(officer);
    database.admin().batch_execute(&format!("DROP ROLE {login}")).unwrap();
}

#[test]
fn a_pool_of_one_connection_is_blocked_for_the_same_time_and_cannot_say_by_whom() {
    let database = Database::migrated();
    let (_idle, _) = idle_and_serializable(&database);
    let pool = Pool::builder()
        .max_size(1)
        // Long enough to connect, because the same timeout applies to new connections.
        .connection_timeout(Duration::from_secs(2))
        .build(ConnectionManager::<PgConnection>::new(database.app_url()))
        .unwrap();
    let officer = Blotter::with_pool(pool).compliance();
    let officer = officer.wait_for_safe_snapshot(Duration::from_millis(500));
    let blocked = officer.safe_snapshot(|_| Ok::<_, Error>(())).unwrap_err();
    assert!(blocked.is_blocked(), "{blocked:?}");
    assert!(
        blocked.to_string().contains("who blocks it could not be asked (no connection was free"),
        "{blocked}"
    );
    // The connection is usable again.
    assert_eq!(officer.snapshot(|tx| tx.traders().list()).unwrap(), []);
}
