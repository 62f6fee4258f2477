//! The pool and its connections.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::r2d2::{ConnectionManager, Pool};
use tradeblotter::{Blotter, Error, NewOrder};

use crate::support::{Database, fill_of, record, submit, trader};

#[test]
fn a_session_works_although_every_idle_connection_was_lost() {
    let database = Database::migrated();
    let pool = Pool::builder()
        .max_size(3)
        .test_on_check_out(false)
        .build(ConnectionManager::new(database.url()))
        .unwrap();
    let blotter = Blotter::with_pool(pool);
    let others = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    database.admin().batch_execute(others).unwrap();
    blotter.anonymous().transaction(|tx| tx.traders().register("Ada")).unwrap();
}

#[test]
fn a_connection_lost_in_the_middle_is_an_error_and_stores_nothing() {
    let database = Database::migrated();
    let blotter = database.blotter();
    let lost = blotter
        .anonymous()
        .transaction(|tx| {
            tx.traders().register("Ada")?;
            tx.connection().batch_execute("SELECT pg_terminate_backend(pg_backend_pid())")?;
            Ok::<_, Error>(())
        })
        .unwrap_err();
    assert!(lost.is_connection(), "{lost}");
    let traders = blotter.anonymous().transaction(|tx| tx.traders().list()).unwrap();
    assert_eq!(traders, []);
}

#[test]
fn an_exhausted_pool_is_an_error_and_not_a_wait_for_ever() {
    let database = Database::migrated();
    let pool = Pool::builder()
        .max_size(1)
        // Long enough to connect, since the pool waits no longer for that either.
        .connection_timeout(Duration::from_secs(2))
        .build(ConnectionManager::new(database.url()))
        .unwrap();
    let blotter = Blotter::with_pool(pool);
    let session = blotter.anonymous();
    let inner = session
        .transaction(|_| Ok::<_, Error>(session.transaction(|tx| tx.traders().list())))
        .unwrap();
    assert!(inner.unwrap_err().is_exhausted());
}

#[test]
fn a_login_tells_whether_row_security_holds_it() {
    let database = Database::migrated();
    let passes = |url: &str| {
        let blotter = Blotter::connect(url).unwrap();
        blotter.passes_row_security().unwrap()
    };
    assert!(!passes(&database.url()));
    assert!(passes(&database.admin_url()));
}

#[test]
fn a_snapshot_agrees_with_itself_whoever_writes_meanwhile_and_writes_nothing() {
    let database = Database::migrated();
    let blotter = database.blotter();
    let ada = trader(&blotter, "Ada");
    let order = submit(&blotter, &NewOrder::market(ada.id, "AAPL", 100)).unwrap();
    let session = blotter.trader(ada.id).unwrap();
    let history = session
        .snapshot(|tx| {
            tx.orders().get(order.id)?;
            record(&blotter, ada.id, &fill_of(&order, 40, "10.00"))?;
            tx.orders().history(order.id)
        })
        .unwrap();
    assert_eq!((history.order.filled_quantity, history.fills.len(), history.log.len()), (0, 0, 1));

    let written = session.snapshot(|tx| tx.fills().record(&fill_of(&order, 40, "10.00")));
    assert!(written.unwrap_err().to_string().contains("read-only transaction"));
    let now = session.snapshot(|tx| tx.orders().history(order.id)).unwrap();
    assert_eq!((now.order.filled_quantity, now.fills.len(), now.log.len()), (40, 1, 2));
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
