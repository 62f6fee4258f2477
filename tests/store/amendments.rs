//! Busts, corrections and replacements: recorded rows stay, and status and totals are derived again.

use bigdecimal::BigDecimal;
use diesel::connection::SimpleConnection;
use tradeblotter::{
    Action, Blotter, Commission, Error, Fill, NewAction, NewBust, NewCorrection, NewExecutionLog,
    NewOrder, Order, OrderStatus, Side,
};
use uuid::Uuid;

use tradeblotter_test_support::{
    REJECTED, append, assert_refused, fill_of, history, noon, price, record, submit, with_order_of,
};

fn bust(blotter: &Blotter, amends: Uuid) -> Result<Fill, Error> {
    let new = NewBust { amends, timestamp: noon(), execution_id: None };
    blotter.engine().transaction(|tx| tx.fills().bust(&new))
}

fn correct(blotter: &Blotter, amends: Uuid, quantity: i32, at: &str) -> Result<Fill, Error> {
    let new = NewCorrection {
        amends,
        timestamp: noon(),
        quantity_filled: quantity,
        price_at_fill: price(at),
        commission: Commission::default(),
        rebate: Commission::default(),
        execution_id: None,
    };
    blotter.engine().transaction(|tx| tx.fills().correct(&new))
}

/// Status, filled quantity, exact notional and average of an order.
fn totals(blotter: &Blotter, order: &Order) -> (OrderStatus, i32, String, Option<String>) {
    let Order { status, filled_quantity, filled_notional, average_fill_price, .. } =
        history(blotter, order).order;
    let average = average_fill_price.map(|price| price.to_string());
    (status, filled_quantity, filled_notional.normalized().to_plain_string(), average)
}

fn expected(
    status: OrderStatus,
    shares: i32,
    notional: &str,
    average: Option<&str>,
) -> (OrderStatus, i32, String, Option<String>) {
    let notional: BigDecimal = notional.parse().unwrap();
    let notional = notional.normalized().to_plain_string();
    (status, shares, notional, average.map(str::to_owned))
}

#[test]
fn a_bust_takes_a_fill_back_and_a_filled_order_is_partial_and_then_pending_again() {
    let (_db, blotter, order) = with_order_of(100);
    let one = record(&blotter, &fill_of(&order, 40, "10.00")).unwrap();
    let two = record(&blotter, &fill_of(&order, 60, "11.00")).unwrap();
    assert_eq!(totals(&blotter, &order), expected(OrderStatus::Filled, 100, "1060", Some("10.60")));

    let taken_back = bust(&blotter, two.id).unwrap();
    assert_eq!((taken_back.amends, taken_back.is_bust), (Some(two.id), true));
    assert_eq!((taken_back.quantity_filled, taken_back.venue.as_str()), (60, "NASDAQ"));
    assert_eq!(totals(&blotter, &order), expected(OrderStatus::Partial, 40, "400", Some("10.00")));
    bust(&blotter, one.id).unwrap();
    assert_eq!(totals(&blotter, &order), expected(OrderStatus::Pending, 0, "0", None));

    // The order is open as before, and the recorded rows are still there.
    record(&blotter, &fill_of(&order, 100, "12.00")).unwrap();
    let history = history(&blotter, &order);
    assert_eq!(history.order.status, OrderStatus::Filled);
    assert_eq!(history.fills.len(), 5);
    let log: Vec<_> = history.log.iter().map(|e| (e.action, e.status.unwrap())).collect();
    assert_eq!(
        log,
        [
            (Action::Submitted, OrderStatus::Pending),
            (Action::Filled, OrderStatus::Partial),
            (Action::Filled, OrderStatus::Filled),
            (Action::Recovered, OrderStatus::Partial),
            (Action::Recovered, OrderStatus::Pending),
            (Action::Filled, OrderStatus::Filled),
        ]
    );
    assert_eq!(history.log[3].fill_id, Some(taken_back.id));
    assert_eq!(history.log[3].reason, Some(format!("bust of fill {}", two.id)));
}

#[test]
fn a_correction_counts_in_the_place_of_its_fill_and_a_second_one_amends_the_last() {
    let (_db, blotter, order) = with_order_of(100);
    let fill = record(&blotter, &fill_of(&order, 100, "10.00")).unwrap();
    let first = correct(&blotter, fill.id, 80, "10.01").unwrap();
    assert_eq!(
        totals(&blotter, &order),
        expected(OrderStatus::Partial, 80, "800.80", Some("10.01"))
    );
    let error = correct(&blotter, fill.id, 70, "10.00").unwrap_err();
    assert_refused(&error, Error::is_duplicate, Some("uq_fills_amends"));
    let second = correct(&blotter, first.id, 100, "10.02").unwrap();
    assert_eq!(totals(&blotter, &order), expected(OrderStatus::Filled, 100, "1002", Some("10.02")));
    bust(&blotter, second.id).unwrap();
    assert_eq!(totals(&blotter, &order), expected(OrderStatus::Pending, 0, "0", None));
}

#[test]
fn a_bust_is_final() {
    let (db, blotter, order) = with_order_of(100);
    let fill = record(&blotter, &fill_of(&order, 40, "10.00")).unwrap();
    let taken_back = bust(&blotter, fill.id).unwrap();
    let before = db.contents();
    for error in [
        bust(&blotter, taken_back.id).unwrap_err(),
        correct(&blotter, taken_back.id, 40, "10.00").unwrap_err(),
    ] {
        assert_refused(&error, Error::is_rule_violation, Some("fills_amend_fill"));
        assert!(error.to_string().contains(&taken_back.id.to_string()), "{error}");
    }
    assert_eq!(db.contents(), before);
}

#[test]
fn a_correction_beyond_the_order_is_refused_with_the_numbers() {
    let (db, blotter, order) = with_order_of(100);
    let fill = record(&blotter, &fill_of(&order, 40, "10.00")).unwrap();
    record(&blotter, &fill_of(&order, 50, "10.00")).unwrap();
    let before = db.contents();
    let error = correct(&blotter, fill.id, 51, "10.00").unwrap_err();
    assert_refused(&error, Error::is_over_fill, Some("ck_orders_filled_lte_quantity"));
    assert!(error.to_string().contains("from 40 to 51 shares"), "{error}");
    assert_eq!(db.contents(), before);
    correct(&blotter, fill.id, 50, "10.00").unwrap();
    assert_eq!(history(&blotter, &order).order.status, OrderStatus::Filled);
}

#[test]
fn an_order_that_was_cancelled_or_rejected_stays_so_when_its_fills_are_amended() {
    for (ended, status) in
        [(NewAction::Cancelled, OrderStatus::Cancelled), (REJECTED, OrderStatus::Rejected)]
    {
        let (_db, blotter, order) = with_order_of(100);
        let fill = record(&blotter, &fill_of(&order, 40, "10.00")).unwrap();
        append(&blotter, &NewExecutionLog::new(order.id, ended)).unwrap();
        let corrected = correct(&blotter, fill.id, 100, "10.00").unwrap();
        assert_eq!(totals(&blotter, &order), expected(status, 100, "1000", Some("10.00")));
        bust(&blotter, corrected.id).unwrap();
        assert_eq!(totals(&blotter, &order), expected(status, 0, "0", None));
    }
}

#[test]
fn what_is_not_there_can_t_be_amended() {
    let (db, blotter, order) = with_order_of(100);
    let before = db.contents();
    for error in [
        bust(&blotter, order.id).unwrap_err(),
        correct(&blotter, order.id, 1, "10.00").unwrap_err(),
    ] {
        assert_refused(&error, Error::is_not_found, None);
        assert!(error.to_string().contains(&format!("no fill {}", order.id)), "{error}");
    }
    assert_eq!(db.contents(), before);
}

#[test]
fn a_replaced_order_ends_and_the_one_in_its_place_says_so() {
    let (db, blotter, order) = with_order_of(100);
    record(&blotter, &fill_of(&order, 30, "10.00")).unwrap();
    let new = NewOrder {
        replaces: Some(order.id),
        ..NewOrder::limit(order.trader_id, Side::Buy, "AAPL", 170, price("10.50"))
    };
    let replacement = submit(&blotter, &new).unwrap();
    let replaced = history(&blotter, &order);
    assert_eq!(
        (replaced.order.status, replaced.order.filled_quantity),
        (OrderStatus::Cancelled, 30)
    );
    let last = replaced.log.last().unwrap();
    assert_eq!(last.reason, Some(format!("replaced by order {}", replacement.id)));
    let log = history(&blotter, &replacement).log;
    assert_eq!(log[0].reason, Some(format!("replaces order {}", order.id)));

    let before = db.contents();
    let error = submit(&blotter, &new).unwrap_err();
    assert_refused(&error, Error::is_duplicate, Some("uq_orders_replaces"));
    assert!(error.to_string().contains(&order.id.to_string()), "{error}");
    assert_eq!(db.contents(), before);
    submit(&blotter, &NewOrder { replaces: Some(replacement.id), ..new }).unwrap();
    assert_eq!(history(&blotter, &replacement).order.status, OrderStatus::Cancelled);
}

#[test]
fn an_order_that_is_filled_when_it_is_replaced_stays_filled_and_is_not_opened_by_a_bust() {
    let (_db, blotter, order) = with_order_of(100);
    let fill = record(&blotter, &fill_of(&order, 100, "10.00")).unwrap();
    let new = NewOrder {
        replaces: Some(order.id),
        ..NewOrder::market(order.trader_id, Side::Buy, "AAPL", 50)
    };
    submit(&blotter, &new).unwrap();
    assert_eq!(history(&blotter, &order).order.status, OrderStatus::Filled);
    bust(&blotter, fill.id).unwrap();
    assert_eq!(totals(&blotter, &order), expected(OrderStatus::Cancelled, 0, "0", None));
}

#[test]
fn an_order_that_has_ended_or_is_anothers_can_t_be_replaced() {
    let (db, blotter, order) = with_order_of(100);
    let grace = tradeblotter_test_support::trader(&blotter, "Grace");
    append(&blotter, &NewExecutionLog::new(order.id, NewAction::Cancelled)).unwrap();
    let before = db.contents();
    let new = NewOrder {
        replaces: Some(order.id),
        ..NewOrder::market(order.trader_id, Side::Buy, "AAPL", 50)
    };
    let error = submit(&blotter, &new).unwrap_err();
    assert_refused(&error, Error::is_illegal_transition, Some("orders_transition"));
    assert!(error.to_string().contains(&format!("order {} is CANCELLED", order.id)), "{error}");
    for (trader_id, replaces) in [(grace.id, order.id), (order.trader_id, Uuid::now_v7())] {
        let other = NewOrder { trader_id, replaces: Some(replaces), ..new };
        for error in [
            submit(&blotter, &other).unwrap_err(),
            blotter.engine().transaction(|tx| tx.orders().submit(&other)).unwrap_err(),
        ] {
            assert_refused(&error, Error::is_rule_violation, Some("fk_orders_replaces"));
            assert!(error.to_string().contains(&replaces.to_string()), "{error}");
        }
    }
    assert_eq!(db.contents(), before);
}

#[test]
fn a_bust_in_a_snapshot_of_before_a_replacement_does_not_open_the_order_beside_it() {
    let (db, blotter, order) = with_order_of(100);
    let fill = record(&blotter, &fill_of(&order, 100, "10.00")).unwrap();
    let mut raw = tradeblotter::connect(&db.login_url("blotter_engine")).unwrap();
    raw.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM orders").unwrap();
    let new = NewOrder {
        replaces: Some(order.id),
        ..NewOrder::market(order.trader_id, Side::Buy, "AAPL", 50)
    };
    submit(&blotter, &new).unwrap();
    let bust = format!("INSERT INTO fills (amends, is_bust) VALUES ('{}', true)", fill.id);
    let error = Error::from(raw.batch_execute(&bust).unwrap_err());
    assert!(error.is_conflict(), "{error}");
    assert_eq!(history(&blotter, &order).order.status, OrderStatus::Filled);
}
