//! Expiry: each due order is cancelled once, by any number of workers.

use std::sync::Barrier;
use std::thread;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use tradeblotter::schema::orders;
use tradeblotter::{Action, Blotter, Error, NewOrder, Order, OrderStatus, Side};
use uuid::Uuid;

use tradeblotter_test_support::{Database, fill_of, history, noon, record, submit, trader};

const WORKERS: usize = 4;

fn expiring(blotter: &Blotter, trader: Uuid, at: DateTime<Utc>) -> Order {
    let new = NewOrder { expires_at: Some(at), ..NewOrder::market(trader, Side::Buy, "AAPL", 100) };
    submit(blotter, &new).unwrap()
}

fn expire(blotter: &Blotter, now: DateTime<Utc>, limit: u16) -> Vec<Uuid> {
    blotter.engine().transaction(|tx| tx.orders().expire_due(now, limit)).unwrap()
}

#[test]
fn what_is_due_is_cancelled_with_the_reason_and_nothing_else_is() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let ada = trader(&blotter, "Ada");
    let at = |seconds| noon() + TimeDelta::seconds(seconds);
    let [due, partial, filled, later] = [0, -5, -9, 1].map(|s| expiring(&blotter, ada.id, at(s)));
    let endless = submit(&blotter, &NewOrder::market(ada.id, Side::Buy, "AAPL", 100)).unwrap();
    record(&blotter, &fill_of(&partial, 40, "10.00")).unwrap();
    record(&blotter, &fill_of(&filled, 100, "10.00")).unwrap();

    let mut ended = expire(&blotter, noon(), 10);
    ended.sort();
    assert_eq!(ended, [due.id, partial.id]);
    for (order, status, filled) in [
        (&due, OrderStatus::Cancelled, 0),
        (&partial, OrderStatus::Cancelled, 40),
        (&filled, OrderStatus::Filled, 100),
        (&later, OrderStatus::Pending, 0),
        (&endless, OrderStatus::Pending, 0),
    ] {
        let now = history(&blotter, order).order;
        assert_eq!((now.status, now.filled_quantity), (status, filled));
    }
    let last = history(&blotter, &partial).log.pop().unwrap();
    assert_eq!((last.action, last.reason.as_deref()), (Action::Cancelled, Some("expired")));
    assert_eq!(last.acted_as, "blotter_engine");
    assert!(expire(&blotter, noon(), 10).is_empty());
}

#[test]
fn those_that_have_waited_longest_are_ended_first_and_no_more_than_asked_for() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let ada = trader(&blotter, "Ada");
    let in_turn = |n| expiring(&blotter, ada.id, noon() - TimeDelta::seconds(n)).id;
    let [newest, _, _] = [1, 2, 3].map(in_turn);
    assert!(expire(&blotter, noon(), 0).is_empty());
    assert_eq!(expire(&blotter, noon(), 2).len(), 2);
    let left = blotter.engine().transaction(|tx| {
        Ok::<_, Error>(
            orders::table
                .filter(orders::status.eq(OrderStatus::Pending))
                .select(orders::id)
                .load::<Uuid>(tx.connection())?,
        )
    });
    assert_eq!(left.unwrap(), [newest]);
}

#[test]
fn an_order_that_is_being_filled_is_passed_over() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let ada = trader(&blotter, "Ada");
    let [busy, idle] = [2, 1].map(|n| expiring(&blotter, ada.id, noon() - TimeDelta::seconds(n)));
    blotter
        .engine()
        .transaction(|tx| {
            tx.fills().record(&fill_of(&busy, 40, "10.00"))?;
            // Another session, while this transaction holds its lock.
            assert_eq!(expire(&blotter, noon(), 10), [idle.id]);
            Ok::<_, Error>(())
        })
        .unwrap();
    assert_eq!(expire(&blotter, noon(), 10), [busy.id]);
    assert_eq!(history(&blotter, &busy).order.filled_quantity, 40);
}

#[test]
fn many_workers_at_once_end_each_order_once() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let ada = trader(&blotter, "Ada");
    let due: Vec<_> = (0..60).map(|_| expiring(&blotter, ada.id, noon())).collect();
    let barrier = &Barrier::new(WORKERS);
    let mut ended: Vec<Uuid> = thread::scope(|scope| {
        let work = |_| {
            scope.spawn(|| {
                barrier.wait();
                let mut ended = Vec::new();
                loop {
                    let some = expire(&blotter, noon(), 7);
                    if some.is_empty() {
                        return ended;
                    }
                    ended.extend(some);
                }
            })
        };
        let workers: Vec<_> = (0..WORKERS).map(work).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    ended.sort();
    let mut expected: Vec<_> = due.iter().map(|order| order.id).collect();
    expected.sort();
    assert_eq!(ended, expected);
    for order in &due {
        assert_eq!(history(&blotter, order).log.len(), 2);
    }
}
