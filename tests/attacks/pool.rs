//! Two traders share one pooled connection: no role, identity or row of one may reach the other.

use std::panic::{AssertUnwindSafe, catch_unwind};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, Pool};
use tradeblotter::role::Trader;
use tradeblotter::{Blotter, Error, Filter, Page, Session, Tx, schema};
use uuid::Uuid;

use crate::scene::{
    ADA, ADAS_CANCELLED, ADAS_PARTIAL, ADAS_PENDING, GRACE, GRACES_PENDING, Held, Scene,
};
use tradeblotter_test_support::{assert_refused, texts};

const ALL: Page = Page::first(100);

type Connections = Pool<ConnectionManager<PgConnection>>;

fn id(text: &str) -> Uuid {
    text.parse().unwrap()
}

fn single(scene: &Scene) -> (Connections, Blotter) {
    let manager = ConnectionManager::new(scene.db.login_url("blotter_trader"));
    let pool = Pool::builder().max_size(1).build(manager).unwrap();
    (pool.clone(), scene.store(pool))
}

/// Asserts that a session sees all the rows of its trader and no others.
fn look(tx: &mut Tx<'_, Trader>, trader: &str) -> Result<(), Error> {
    let conn = tx.connection();
    let traders = |rows: Vec<Uuid>| rows.iter().filter(|row| **row == id(trader)).count();
    let orders: Vec<Uuid> = schema::orders::table.select(schema::orders::trader_id).load(conn)?;
    assert_eq!((orders.len(), traders(orders)), (5, 5));
    let log: Vec<Uuid> =
        schema::execution_logs::table.select(schema::execution_logs::trader_id).load(conn)?;
    assert_eq!((log.len(), traders(log)), (13, 13));
    assert_eq!(schema::fills::table.count().get_result(conn), Ok(2_i64));
    assert_eq!(schema::breaks::table.count().get_result(conn), Ok(2_i64));
    assert_eq!(schema::break_resolutions::table.count().get_result(conn), Ok(1_i64));
    let names: Vec<String> = schema::traders::table.select(schema::traders::name).load(conn)?;
    assert_eq!(names.len(), 1);
    Ok(())
}

/// Asserts that a connection that was given back has neither role nor identity.
fn assert_clean(scene: &Scene, pool: &Connections, after: &str) {
    let conn = &mut *pool.get().unwrap();
    let left = "SELECT current_user || ':' || coalesce(current_setting('app.user_id', true), '')
                    || ':' || (SELECT count(*) FROM orders) AS text";
    assert_eq!(texts(conn, left), [scene.name("@trader_login::0")], "{after}");
}

/// One way for a turn to end, after it has read its rows.
type Turn = (&'static str, fn(&Session<Trader>, &str));

const TURNS: [Turn; 9] = [
    ("a commit", |session, trader| session.transaction(|tx| look(tx, trader)).unwrap()),
    ("a snapshot", |session, trader| session.snapshot(|tx| look(tx, trader)).unwrap()),
    ("a rollback", |session, trader| {
        let refused = session.transaction(|tx| {
            look(tx, trader)?;
            tx.orders().get(Uuid::max())
        });
        assert!(refused.unwrap_err().is_not_found());
    }),
    ("a panic", |session, trader| {
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            session.transaction(|tx| -> Result<(), Error> {
                look(tx, trader)?;
                panic!("on purpose")
            })
        }));
        assert!(panicked.is_err());
    }),
    ("a failed statement", |session, trader| {
        let failed = session.transaction(|tx| {
            look(tx, trader)?;
            tx.connection().batch_execute("SELECT 1 / 0")?;
            Ok::<_, Error>(())
        });
        assert!(failed.is_err());
    }),
    ("a failed statement that was swallowed", |session, trader| {
        let failed = session.transaction(|tx| {
            look(tx, trader)?;
            let _ = tx.connection().batch_execute("SELECT 1 / 0");
            Ok::<_, Error>(())
        });
        assert!(failed.unwrap_err().is_aborted());
    }),
    ("a savepoint", |session, trader| {
        let work = session.transaction(|tx| {
            let rolled_back: QueryResult<()> = tx.connection().transaction(|conn| {
                conn.batch_execute("SET LOCAL app.user_id = ''")?;
                Err(diesel::result::Error::RollbackTransaction)
            });
            assert!(rolled_back.is_err());
            look(tx, trader)
        });
        work.unwrap();
    }),
    ("a savepoint left open by a panic", |session, trader| {
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            session.transaction(|tx| -> Result<(), Error> {
                look(tx, trader)?;
                tx.connection().transaction(|_| -> QueryResult<()> { panic!("on purpose") })?;
                Ok(())
            })
        }));
        assert!(panicked.is_err());
    }),
    ("an end by hand", |session, trader| {
        let ended = session.transaction(|tx| {
            look(tx, trader)?;
            tx.connection().batch_execute("ROLLBACK")?;
            Ok::<_, Error>(())
        });
        assert!(ended.is_err());
    }),
];

attacks! {
    two_traders_who_take_turns_on_one_connection_never_see_a_foreign_row,
    what_was_set_on_a_connection_for_good_does_not_reach_the_next_session,
    every_repository_shows_a_stranger_nothing,
    a_stranger_cancels_an_order_that_is_not_there,
    a_connection_that_is_in_a_transaction_already_is_refused_and_left_in_it,
}

pub fn two_traders_who_take_turns_on_one_connection_never_see_a_foreign_row(scene: &Scene) -> Held {
    let (pool, blotter) = single(scene);
    for (after, turn) in TURNS {
        for trader in [ADA, GRACE] {
            turn(&blotter.trader(id(trader)).unwrap(), trader);
            assert_clean(scene, &pool, after);
        }
    }
    Ok(())
}

pub fn what_was_set_on_a_connection_for_good_does_not_reach_the_next_session(
    scene: &Scene,
) -> Held {
    let (pool, blotter) = single(scene);
    let leave = format!("SET app.user_id = '{ADA}'");
    pool.get().unwrap().batch_execute(&leave).unwrap();
    blotter.trader(id(GRACE)).unwrap().transaction(|tx| look(tx, GRACE)).unwrap();
    // The same from within a session.
    let ada = blotter.trader(id(ADA)).unwrap();
    ada.transaction(|tx| Ok::<_, Error>(tx.connection().batch_execute(&leave)?)).unwrap();
    blotter.trader(id(GRACE)).unwrap().transaction(|tx| look(tx, GRACE)).unwrap();

    // The engine has no identity, whatever settings the connection still has.
    let conn = &mut tradeblotter::connect(&scene.db.login_url("blotter_engine")).unwrap();
    conn.batch_execute(&leave).unwrap();
    let identity = scene.transaction_on(conn, tradeblotter::role::Engine, |tx| {
        let identity = "SELECT current_setting('app.user_id') AS text";
        Ok(texts(tx.connection(), identity))
    });
    assert_eq!(identity.unwrap(), [""]);
    Ok(())
}

pub fn every_repository_shows_a_stranger_nothing(scene: &Scene) -> Held {
    let (_, blotter) = single(scene);
    let (ada, order) = (id(ADA), id(ADAS_PARTIAL));
    for stranger in [id(GRACE), Uuid::now_v7()] {
        let foreign = |tx: &mut Tx<'_, Trader>| {
            assert!(tx.traders().get(ada).unwrap_err().is_not_found());
            assert!(tx.orders().get(order).unwrap_err().is_not_found());
            assert!(tx.orders().history(order).unwrap_err().is_not_found());
            assert!(tx.orders().by_client_order_id(ada, "A-2", None).unwrap_err().is_not_found());
            assert_eq!(tx.orders().open(ada, ALL)?.rows, []);
            assert!(tx.fills().get(order).unwrap_err().is_not_found());
            assert_eq!(tx.fills().of_order(order)?, []);
            assert_eq!(tx.execution_logs().of_order(order)?, []);
            assert!(tx.breaks().get(id(ADAS_CANCELLED)).unwrap_err().is_not_found());
            let of_order = Filter { order_id: Some(order), ..Filter::default() };
            for filter in [Filter::of_trader(ada), of_order] {
                if filter.order_id.is_none() {
                    assert_eq!(tx.orders().recent(&filter, ALL)?.rows, []);
                }
                assert_eq!(tx.fills().recent(&filter, ALL)?.rows, []);
                assert_eq!(tx.execution_logs().recent(&filter, ALL)?.rows, []);
                assert_eq!(tx.execution_logs().trail(&filter, ALL)?.rows, []);
                assert_eq!(tx.breaks().recent(&filter, ALL)?.rows, []);
                assert_eq!(tx.breaks().open(&filter, ALL)?.rows, []);
            }
            Ok::<_, Error>(())
        };
        blotter.trader(stranger).unwrap().transaction(foreign).unwrap();
    }
    Ok(())
}

pub fn a_stranger_cancels_an_order_that_is_not_there(scene: &Scene) -> Held {
    let (_, blotter) = single(scene);
    for order in [ADAS_PENDING, GRACES_PENDING] {
        let stranger = if order == ADAS_PENDING { GRACE } else { ADA };
        let stranger = blotter.trader(id(stranger)).unwrap();
        let cancel = stranger.transaction(|tx| tx.execution_logs().cancel(id(order), None));
        assert_refused(&cancel.unwrap_err(), Error::is_not_found, None);
    }
    Ok(())
}

pub fn a_connection_that_is_in_a_transaction_already_is_refused_and_left_in_it(
    scene: &Scene,
) -> Held {
    let conn = &mut tradeblotter::connect(&scene.db.login_url("blotter_trader")).unwrap();
    let ada = Trader::new(id(ADA)).unwrap();
    conn.transaction(|conn| {
        let refused = scene.transaction_on(conn, ada, |tx| look(tx, ADA)).unwrap_err();
        assert!(refused.to_string().contains("already has a transaction open"), "{refused}");
        assert_eq!(schema::orders::table.count().get_result(conn), Ok(0_i64));
        Ok::<_, diesel::result::Error>(())
    })
    .unwrap();
    scene.transaction_on(conn, ada, |tx| look(tx, ADA)).unwrap();
    Ok(())
}

#[test]
fn a_transaction_on_the_applications_own_connection_is_held_the_same_way() {
    for scene in [Scene::new(), Scene::in_a_desk()] {
        let conn = &mut tradeblotter::connect(&scene.db.login_url("blotter_trader")).unwrap();
        let trader = |text| Trader::new(id(text)).unwrap();
        scene.transaction_on(conn, trader(ADA), |tx| look(tx, ADA)).unwrap();
        let strange =
            scene.transaction_on(conn, trader(GRACE), |tx| tx.orders().get(id(ADAS_PENDING)));
        assert_refused(&strange.unwrap_err(), Error::is_not_found, None);
        scene
            .transaction_on(conn, trader(ADA), |tx| {
                tx.execution_logs().cancel(id(ADAS_PENDING), None)
            })
            .unwrap();
        let cancelled =
            scene.transaction_on(conn, trader(ADA), |tx| tx.orders().get(id(ADAS_PENDING)));
        assert_eq!(cancelled.unwrap().status, tradeblotter::OrderStatus::Cancelled);
    }
}
