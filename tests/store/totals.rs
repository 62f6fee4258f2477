//! Reconciliation of the totals that venues report with the store's; and batches of logged actions.

use bigdecimal::BigDecimal;
use tradeblotter::{
    Action, Blotter, Break, BreakReason, Difference, Error, ExecutionLog, NewAction,
    NewBreakResolution, NewExecutionLog, NewFill, NewOrder, Order, OrderStatus, Resolution, Side,
    Totals,
};
use uuid::Uuid;

use tradeblotter_test_support::{
    Database, EXECUTED, append, assert_refused, fill_of, history, noon, record, submit, trader,
    with_order_of,
};

/// Totals of this many shares at this average price, without a status.
fn totals<'a>(order: &Order, filled: i32, average: &str, id: &'a str) -> Totals<'a> {
    Totals {
        order_id: order.id,
        venue: "NASDAQ",
        execution_id: Some(id),
        timestamp: noon(),
        status: None,
        filled_quantity: filled.into(),
        average_price: Some(average.parse().unwrap()),
        currency: None,
        raw: Some("8=FIX.4.4"),
    }
}

fn compare(blotter: &Blotter, totals: &Totals<'_>) -> Vec<Difference> {
    let compared = blotter
        .compliance()
        .snapshot(|tx| tx.orders().compare_totals(std::slice::from_ref(totals)));
    compared.unwrap().remove(0)
}

#[track_caller]
fn assert_differs(blotter: &Blotter, totals: &Totals<'_>, fields: &[&str]) {
    let differing = compare(blotter, totals);
    let found: Vec<_> = differing.iter().map(|difference| difference.field).collect();
    assert_eq!(found, fields, "{differing:?}");
}

fn reconcile(blotter: &Blotter, totals: &Totals<'_>) -> Result<Option<Break>, Error> {
    blotter.engine().transaction(|tx| tx.breaks().reconcile(totals))
}

/// An order of 300 of which 100 are filled at 10.00 and 200 at 10.01: 10.00666… on average.
fn filled() -> (Database, Blotter, Order) {
    let (db, blotter, order) = with_order_of(300);
    record(&blotter, &fill_of(&order, 100, "10.00")).unwrap();
    record(&blotter, &fill_of(&order, 200, "10.01")).unwrap();
    (db, blotter, order)
}

#[test]
fn an_average_agrees_to_as_many_places_as_the_venue_has_cut_or_rounded() {
    let (_db, blotter, order) = filled();
    for same in [
        "10.00",
        "10.01",
        "10",
        "10.006",
        "10.007",
        "10.0066",
        "10.0067",
        "10.00666",
        "10.00667",
        "10.006666",
        "10.006667",
        "10.0066666",
        "10.0066667",
        "10.00666666",
        "10.00666667",
        // The venue reports no average price.
        "0",
        "0.00",
    ] {
        assert_eq!(compare(&blotter, &totals(&order, 300, same, "T-1")), [], "{same}");
    }
    for other in [
        "9.99",
        "10.02",
        "11",
        "10.005",
        "10.008",
        "10.0065",
        "10.0068",
        "10.00665",
        "10.00668",
        "10.0066665",
        "10.0066668",
        "10.00666665",
        "10.00666668",
        "-10.01",
        "1000.67",
    ] {
        assert_differs(&blotter, &totals(&order, 300, other, "T-1"), &["average price"]);
    }
    let exact = Totals { average_price: None, ..totals(&order, 300, "1", "T-1") };
    assert_eq!(compare(&blotter, &exact), []);
}

#[test]
fn an_average_in_pence_is_the_same_as_in_pounds() {
    let (_db, blotter, order) = filled();
    let in_currency = |currency, average: &str| Totals {
        currency: Some(currency),
        ..totals(&order, 300, average, "T-1")
    };
    for (currency, average) in [
        ("GBp", "1000.67"),
        ("GBX", "1000.66"),
        ("GBP", "10.0067"),
        ("GBP", "10.01"),
        ("ZAc", "1000.6667"),
        ("ILA", "1000.67"),
    ] {
        assert_eq!(compare(&blotter, &in_currency(currency, average)), [], "{currency} {average}");
    }
    for (currency, average) in
        [("USD", "1000.67"), ("GBp", "1000.7"), ("GBp", "1000.64"), ("GBP", "1001")]
    {
        let fields = &["average price"];
        assert_differs(&blotter, &in_currency(currency, average), fields);
    }
}

#[test]
fn shares_and_status_are_compared_where_they_are_told() {
    let (_db, blotter, order) = filled();
    let all = Totals { status: Some(OrderStatus::Filled), ..totals(&order, 300, "10.0067", "T-1") };
    assert_eq!(compare(&blotter, &all), []);
    let fields = &["filled quantity", "status"];
    let less = Totals {
        status: Some(OrderStatus::Partial),
        filled_quantity: "299.5".parse().unwrap(),
        ..all
    };
    assert_differs(&blotter, &less, fields);
    let unfilled = with_order_of(100);
    let average_of_none = totals(&unfilled.2, 0, "10.00", "T-1");
    assert_eq!(compare(&unfilled.1, &average_of_none), []);
}

#[test]
fn the_totals_of_a_replacing_order_are_those_of_the_chain_and_the_replaced_one_says_nothing() {
    let (_db, blotter, order) = with_order_of(300);
    record(&blotter, &fill_of(&order, 100, "10.00")).unwrap();
    let replacing = NewOrder {
        replaces: Some(order.id),
        ..NewOrder::market(order.trader_id, Side::Buy, "AAPL", 200)
    };
    let next = submit(&blotter, &replacing).unwrap();
    // The replacement itself has no fills yet.
    let begun = Totals { status: Some(OrderStatus::Partial), ..totals(&next, 100, "10.00", "T-1") };
    assert_eq!(compare(&blotter, &begun), []);
    record(&blotter, &fill_of(&next, 200, "10.01")).unwrap();
    let whole =
        Totals { status: Some(OrderStatus::Filled), ..totals(&next, 300, "10.0067", "T-1") };
    assert_eq!(compare(&blotter, &whole), []);
    assert_differs(
        &blotter,
        &totals(&next, 200, "10.02", "T-1"),
        &["filled quantity", "average price"],
    );
    assert_eq!(compare(&blotter, &totals(&order, 7, "1.00", "T-1")), []);
    assert_eq!(reconcile(&blotter, &totals(&order, 7, "1.00", "T-1")).unwrap(), None);
}

#[test]
fn totals_that_agree_are_no_break_and_those_that_differ_are_one_however_often_they_come() {
    let (db, blotter, order) = filled();
    let before = db.contents();
    assert_eq!(reconcile(&blotter, &totals(&order, 300, "10.01", "T-1")).unwrap(), None);
    assert_eq!(db.contents(), before);
    let other = totals(&order, 299, "10.01", "T-1");
    let kept = reconcile(&blotter, &other).unwrap().unwrap();
    assert_eq!((kept.reason, kept.quantity.clone()), (BreakReason::Totals, BigDecimal::from(299)));
    assert_eq!(kept.detail, "filled quantity: the venue reports 299, the store has 300");
    let once = db.contents();
    let orders = |orders: &[Order]| {
        orders.iter().map(|order| (order.status, order.filled_quantity)).collect::<Vec<_>>()
    };
    assert_eq!(orders(&once.orders), orders(&before.orders));
    assert_eq!(once.fills, before.fills);
    let noted = once.log.iter().find(|entry| entry.break_id == Some(kept.id)).unwrap();
    assert_eq!(noted.action, Action::Recovered);
    assert_eq!(reconcile(&blotter, &other).unwrap(), Some(kept.clone()));
    assert_eq!(db.contents(), once);
    let dismiss = NewBreakResolution::dismiss(kept.id, "the venue was wrong");
    blotter.engine().transaction(|tx| tx.breaks().resolve(&dismiss)).unwrap();
    let dismissed = db.contents();
    assert_eq!(reconcile(&blotter, &other).unwrap(), Some(kept));
    assert_eq!(db.contents(), dismissed);
    // Another report is another break.
    assert!(reconcile(&blotter, &totals(&order, 299, "10.01", "T-2")).unwrap().is_some());
    assert_eq!(db.contents().breaks.len(), 2);
}

#[test]
fn totals_can_not_be_booked_for_they_are_no_execution() {
    let (db, blotter, order) = with_order_of(300);
    let kept = reconcile(&blotter, &totals(&order, 100, "10.01", "T-1")).unwrap().unwrap();
    let before = db.contents();
    let other = submit(&blotter, &NewOrder::market(order.trader_id, Side::Buy, "AAPL", 9)).unwrap();
    for order in [None, Some(other.id)] {
        let resolution = Resolution::Book { order };
        let book = NewBreakResolution { resolution, ..NewBreakResolution::book(kept.id, "so") };
        let refused = blotter.engine().transaction(|tx| tx.breaks().resolve(&book)).unwrap_err();
        assert_refused(&refused, Error::is_rule_violation, Some("break_resolutions_execution"));
    }
    assert_eq!(db.contents().resolutions, before.resolutions);
    assert_eq!(db.contents().fills, before.fills);
}

#[test]
fn totals_of_an_order_of_nobody_or_of_another_trader_are_not_found() {
    let (db, blotter, order) = filled();
    let grace = trader(&blotter, "Grace");
    let others = totals(&order, 299, "10.01", "T-1");
    let kept = reconcile(&blotter, &others).unwrap().unwrap();
    let session = blotter.trader(grace.id).unwrap();
    let compared =
        session.transaction(|tx| tx.orders().compare_totals(std::slice::from_ref(&others)));
    assert!(compared.unwrap_err().is_not_found());
    assert!(session.transaction(|tx| tx.breaks().get(kept.id)).unwrap_err().is_not_found());
    let own = blotter.trader(order.trader_id).unwrap();
    assert_eq!(own.transaction(|tx| tx.breaks().get(kept.id)).unwrap().reported, kept);
    let before = db.contents();
    let nobodys = Totals { order_id: Uuid::now_v7(), ..others };
    assert!(reconcile(&blotter, &nobodys).unwrap_err().is_not_found());
    let unreadable = Totals { venue: " ", ..nobodys };
    assert!(reconcile(&blotter, &unreadable).unwrap_err().is_invalid_input());
    assert_eq!(db.contents(), before);
}

fn append_batch(
    blotter: &Blotter,
    new: &[NewExecutionLog<'_>],
) -> Result<Vec<ExecutionLog>, Error> {
    blotter.engine().transaction(|tx| tx.execution_logs().append_batch(new))
}

/// Open orders of one trader.
fn with_orders(count: usize) -> (Database, Blotter, Vec<Order>) {
    let db = Database::migrated();
    let blotter = db.blotter();
    let ada = trader(&blotter, "Ada");
    let new = NewOrder::market(ada.id, Side::Buy, "AAPL", 100);
    let orders = (0..count).map(|_| submit(&blotter, &new).unwrap()).collect();
    (db, blotter, orders)
}

#[test]
fn a_batch_of_actions_is_logged_in_the_sequence_it_was_given_in_and_keeps_the_venues_time() {
    let (_db, blotter, orders) = with_orders(5);
    let new: Vec<_> = orders
        .iter()
        .rev()
        .map(|order| NewExecutionLog {
            reported_at: Some(noon()),
            ..NewExecutionLog::new(order.id, NewAction::Executed { venue_order_id: Some("V-1") })
        })
        .collect();
    let logged = append_batch(&blotter, &new).unwrap();
    let of: Vec<_> = logged.iter().map(|entry| entry.order_id).collect();
    assert_eq!(of, orders.iter().rev().map(|order| order.id).collect::<Vec<_>>());
    for (entry, order) in logged.iter().zip(orders.iter().rev()) {
        assert_eq!(entry.reported_at, Some(noon()));
        assert_eq!(history(&blotter, order).log.last(), Some(entry));
        assert_eq!(history(&blotter, order).order.venue_order_id.as_deref(), Some("V-1"));
    }
    assert_eq!(append_batch(&blotter, &[]).unwrap(), []);
}

#[test]
fn a_batch_of_actions_is_logged_whole_or_not_at_all() {
    let (db, blotter, orders) = with_orders(4);
    append(&blotter, &NewExecutionLog::new(orders[2].id, NewAction::Cancelled)).unwrap();
    let cancel = |order: &Order| NewExecutionLog::new(order.id, NewAction::Cancelled);
    let before = db.contents();
    let all: Vec<_> = orders.iter().map(cancel).collect();
    let refused = append_batch(&blotter, &all).unwrap_err();
    assert_refused(&refused, Error::is_illegal_transition, Some("orders_transition"));
    let unknown = [all[0], NewExecutionLog::new(Uuid::now_v7(), EXECUTED)];
    assert!(append_batch(&blotter, &unknown).unwrap_err().is_not_found());
    let twice = [all[0], all[1], NewExecutionLog::new(orders[0].id, EXECUTED)];
    let refused = append_batch(&blotter, &twice).unwrap_err();
    assert!(refused.is_illegal_transition(), "{refused:?}");
    let blank = [all[0], NewExecutionLog { reason: Some(" "), ..all[1] }];
    assert!(append_batch(&blotter, &blank).unwrap_err().is_invalid_input());
    assert_eq!(db.contents(), before);
    // If the caller continues after an error, nothing of the refused batch is stored, and everything else
    // is.
    blotter
        .engine()
        .transaction(|tx| {
            tx.execution_logs().append(&all[3])?;
            assert!(tx.execution_logs().append_batch(&all[..3]).is_err());
            tx.fills().record(&NewFill { execution_id: Some("E-1"), ..fill_of(&orders[0], 1, "1") })
        })
        .unwrap();
    let status = |order| history(&blotter, order).order.status;
    let statuses: Vec<_> = orders.iter().map(status).collect();
    use OrderStatus::{Cancelled, Partial, Pending};
    assert_eq!(statuses, [Partial, Pending, Cancelled, Cancelled]);
}
