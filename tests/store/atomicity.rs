//! Atomicity: a transaction is stored as a whole or not at all, and the pool survives errors and panics.

use std::panic::{AssertUnwindSafe, catch_unwind};

use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, Pool};
use tradeblotter::role::Engine;
use tradeblotter::{
    Action, Blotter, Error, NewAction, NewExecutionLog, NewOrder, Order, Session, Side, Trader, Tx,
    connect, transaction_on,
};

use tradeblotter_test_support::{
    Database, assert_refused, fill_of, history, record, submit, trader,
};

/// A store with a single connection, so that the next transaction sees whatever a transaction leaves on
/// it.
fn single(db: &Database) -> Blotter {
    let manager = ConnectionManager::new(db.app_url());
    Blotter::with_pool(Pool::builder().max_size(1).build(manager).unwrap())
}

fn with_trader() -> (Database, Blotter, Trader) {
    let db = Database::migrated();
    let blotter = single(&db);
    let ada = trader(&blotter, "Ada");
    (db, blotter, ada)
}

/// A minimal trading day: an order, a fill and an action.
fn work(tx: &mut Tx<'_, Engine>, trader: &Trader) -> Result<Order, Error> {
    let order = tx.orders().submit(&NewOrder::market(trader.id, Side::Buy, "AAPL", 100))?;
    tx.fills().record(&fill_of(&order, 40, "10.00"))?;
    tx.execution_logs().append(&NewExecutionLog::new(order.id, NewAction::Cancelled))?;
    Ok(order)
}

/// Asserts that the next transaction has a connection that works.
#[track_caller]
fn assert_usable(session: Session<Engine>, trader: &Trader) {
    let order = session.transaction(|tx| work(tx, trader)).unwrap();
    assert!(session.transaction(|tx| tx.orders().get(order.id)).is_ok());
}

/// Makes an attempt in a session of the engine for Ada, and asserts that it stored nothing and that the
/// session goes on.
#[track_caller]
fn assert_stores_nothing<T>(attempt: impl FnOnce(&Session<Engine>, &Trader) -> T) -> T {
    let (db, blotter, ada) = with_trader();
    let before = db.contents();
    let session = blotter.engine();
    let ended = attempt(&session, &ada);
    assert_eq!(db.contents(), before);
    assert_usable(session, &ada);
    ended
}

#[test]
fn many_writes_of_one_transaction_are_stored_together() {
    let (db, blotter, ada) = with_trader();
    let order = blotter.engine().transaction(|tx| work(tx, &ada)).unwrap();
    let history = history(&blotter, &order);
    assert_eq!(history.fills.len(), 1);
    let actions: Vec<_> = history.log.iter().map(|entry| entry.action).collect();
    assert_eq!(actions, [Action::Submitted, Action::Filled, Action::Cancelled]);
    assert_eq!(db.contents().orders, [history.order]);
}

#[test]
fn nothing_is_stored_when_the_closure_returns_an_error() {
    /// The application's own error is returned unchanged.
    #[derive(Debug, PartialEq)]
    enum Refused {
        ByTheApplication,
        ByTheStore,
    }
    impl From<Error> for Refused {
        fn from(_: Error) -> Self {
            Self::ByTheStore
        }
    }

    let refused = assert_stores_nothing(|session, ada| {
        session.transaction(|tx| {
            work(tx, ada)?;
            Err::<(), _>(Refused::ByTheApplication)
        })
    });
    assert_eq!(refused, Err(Refused::ByTheApplication));
}

#[test]
fn nothing_is_stored_when_a_later_write_is_refused() {
    let refused = assert_stores_nothing(|session, ada| {
        session.transaction(|tx| {
            work(tx, ada)?;
            tx.orders().submit(&NewOrder::market(ada.id, Side::Buy, "AAPL", 0))
        })
    });
    let rule = Some("ck_orders_quantity_positive");
    assert_refused(&refused.unwrap_err(), Error::is_rule_violation, rule);
}

#[test]
fn a_swallowed_error_of_the_database_is_told_and_nothing_is_stored() {
    let aborted = assert_stores_nothing(|session, ada| {
        session.transaction(|tx| {
            work(tx, ada)?;
            let _ = tx.orders().submit(&NewOrder::market(ada.id, Side::Buy, "AAPL", 0));
            Ok::<_, Error>(())
        })
    });
    assert_refused(&aborted.unwrap_err(), Error::is_aborted, None);
}

#[test]
fn a_refusal_that_the_database_never_saw_may_be_swallowed() {
    let (_db, blotter, ada) = with_trader();
    let session = blotter.engine();
    let order = session
        .transaction(|tx| {
            let order = work(tx, &ada)?;
            let nameless = tx.traders().register(" ").unwrap_err();
            assert_refused(&nameless, Error::is_invalid_input, None);
            Ok::<_, Error>(order)
        })
        .unwrap();
    assert_eq!(history(&blotter, &order).fills.len(), 1);
}

#[test]
fn a_savepoint_keeps_a_failure_to_itself() {
    let (db, blotter, ada) = with_trader();
    let session = blotter.engine();
    let order = session
        .transaction(|tx| {
            let order = work(tx, &ada)?;
            let failed =
                tx.connection().transaction(|conn| diesel::sql_query("SELECT 1 / 0").execute(conn));
            assert!(failed.is_err());
            Ok::<_, Error>(order)
        })
        .unwrap();
    assert_eq!(db.contents().orders.len(), 1);
    assert_eq!(history(&blotter, &order).log.len(), 3);
}

#[test]
fn nothing_is_stored_when_the_closure_panics_and_the_pool_goes_on() {
    let panicked = assert_stores_nothing(|session, ada| {
        catch_unwind(AssertUnwindSafe(|| {
            session.transaction(|tx| -> Result<(), Error> {
                work(tx, ada)?;
                panic!("on purpose")
            })
        }))
    });
    assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"on purpose"));
}

#[test]
fn a_panic_on_a_connection_of_the_application_rolls_back_too() {
    let (db, _, ada) = with_trader();
    let before = db.contents();
    let conn = &mut connect(&db.app_url()).unwrap();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        transaction_on(conn, Engine, |tx| -> Result<(), Error> {
            work(tx, &ada)?;
            panic!("on purpose")
        })
    }));
    assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"on purpose"));
    assert_eq!(db.contents(), before);
    transaction_on(conn, Engine, |tx| work(tx, &ada)).unwrap();
}

#[test]
fn savepoints_that_were_left_open_are_rolled_back_too() {
    let (db, _, ada) = with_trader();
    let before = db.contents();
    let conn = &mut connect(&db.app_url()).unwrap();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        transaction_on(conn, Engine, |tx| -> Result<(), Error> {
            work(tx, &ada)?;
            tx.connection().transaction(|_| panic!("on purpose"))
        })
    }));
    assert!(panicked.is_err());
    let refused = transaction_on(conn, Engine, |tx| {
        work(tx, &ada)?;
        AnsiTransactionManager::begin_transaction(tx.connection())?;
        tx.orders().submit(&NewOrder::market(ada.id, Side::Buy, "AAPL", 0))
    });
    assert!(refused.unwrap_err().is_rule_violation());
    let swallowed = transaction_on(conn, Engine, |tx| {
        work(tx, &ada)?;
        AnsiTransactionManager::begin_transaction(tx.connection())?;
        let _ = tx.orders().submit(&NewOrder::market(ada.id, Side::Buy, "AAPL", 0));
        Ok::<_, Error>(())
    });
    assert!(swallowed.unwrap_err().is_aborted());
    assert_eq!(db.contents(), before);
    transaction_on(conn, Engine, |tx| work(tx, &ada)).unwrap();
}

#[test]
fn a_closure_that_ends_the_transaction_or_leaves_its_role_is_told_so() {
    let (db, blotter, ada) = with_trader();
    let before = db.contents();
    for end in [
        "ROLLBACK",
        "ROLLBACK; BEGIN",
        "ROLLBACK AND CHAIN",
        "RESET ROLE",
        "SET LOCAL ROLE blotter_trader",
        "SET LOCAL app.user_id = '00000000-0000-0000-0000-000000000001'",
    ] {
        let ended = blotter.engine().transaction(|tx| {
            work(tx, &ada)?;
            Ok::<_, Error>(tx.connection().batch_execute(end)?)
        });
        assert_refused(&ended.expect_err(end), Error::is_aborted, None);
        assert_eq!(db.contents(), before, "{end}");
        let seen = blotter.trader(ada.id).unwrap().snapshot(|tx| tx.traders().list());
        assert_eq!(seen.unwrap(), std::slice::from_ref(&ada), "{end}");
    }
    // Rows that the closure committed by itself are stored; later rows are not.
    for end in ["COMMIT", "COMMIT; BEGIN", "COMMIT AND CHAIN"] {
        let ended = blotter.engine().transaction(|tx| {
            tx.connection().batch_execute(end)?;
            Ok::<_, Error>(())
        });
        assert_refused(&ended.expect_err(end), Error::is_aborted, None);
    }
    assert_eq!(db.contents(), before);
    assert_usable(blotter.engine(), &ada);
}

#[test]
fn a_lost_connection_is_told_and_replaced() {
    let (db, blotter, ada) = with_trader();
    let order = submit(&blotter, &NewOrder::market(ada.id, Side::Buy, "AAPL", 100)).unwrap();
    let before = db.contents();
    let session = blotter.engine();
    let lost = session.transaction(|tx| {
        tx.fills().record(&fill_of(&order, 40, "10.00"))?;
        let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                      WHERE datname = current_database() AND pid <> pg_backend_pid()";
        diesel::sql_query(others).execute(&mut db.admin())?;
        tx.fills().record(&fill_of(&order, 40, "10.00"))
    });
    assert_refused(&lost.unwrap_err(), Error::is_connection, None);
    assert_eq!(db.contents(), before);
    record(&blotter, &fill_of(&order, 100, "10.00")).unwrap();
}
