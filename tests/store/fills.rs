//! Fills: the status and totals that they give their order, which fills are refused, and how they are
//! read.

use std::sync::Barrier;
use std::thread;

use bigdecimal::BigDecimal;
use chrono::TimeDelta;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Numeric;
use tradeblotter::schema::fills;
use tradeblotter::{
    Action, Blotter, Commission, Error, Fill, Filter, NewAction, NewExecutionLog, NewFill,
    NewOrder, Order, OrderStatus, Page, Price, Side,
};
use uuid::Uuid;

use tradeblotter_test_support::{
    Database, REJECTED, append, assert_refused, fill_of, history, noon, price, record, submit,
    trader, with_order_of,
};

const ALL: Page = Page::first(100);

#[test]
fn a_fill_is_stored_as_it_was_reported() {
    let (_db, blotter, order) = with_order_of(100);
    let new = NewFill {
        timestamp: noon() + TimeDelta::microseconds(123_456),
        venue: &"Ö".repeat(50),
        commission: "0.35".parse().unwrap(),
        ..fill_of(&order, 60, "99999999.99")
    };
    let fill = record(&blotter, &new).unwrap();
    let stored = NewFill {
        order_id: fill.order_id,
        timestamp: fill.timestamp,
        quantity_filled: fill.quantity_filled,
        price_at_fill: fill.price_at_fill,
        venue: &fill.venue,
        commission: fill.commission,
        rebate: Commission::default(),
        source: None,
        execution_id: fill.execution_id.as_deref(),
    };
    assert_eq!(stored, new);

    let session = blotter.trader(order.trader_id).unwrap();
    assert_eq!(session.transaction(|tx| tx.fills().get(fill.id)).unwrap(), fill);
}

#[test]
fn the_time_of_a_fill_is_kept_to_the_microsecond() {
    let (_db, blotter, order) = with_order_of(100);
    let new = NewFill {
        timestamp: noon() + TimeDelta::nanoseconds(1_999),
        ..fill_of(&order, 1, "10.00")
    };
    let fill = record(&blotter, &new).unwrap();
    assert_eq!(fill.timestamp, noon() + TimeDelta::microseconds(1));
}

#[test]
fn fills_make_an_order_partial_and_then_filled_and_are_logged() {
    let (_db, blotter, order) = with_order_of(100);
    assert_eq!(order.status, OrderStatus::Pending);

    record(&blotter, &fill_of(&order, 99, "10.00")).unwrap();
    let partial = history(&blotter, &order);
    assert_eq!(partial.order.status, OrderStatus::Partial);
    assert_eq!(partial.order.filled_quantity, 99);
    assert_eq!(partial.order.average_fill_price, Some(price("10.00")));

    record(&blotter, &fill_of(&order, 1, "11.00")).unwrap();
    let filled = history(&blotter, &order);
    assert_eq!(filled.order.status, OrderStatus::Filled);
    assert_eq!(filled.order.filled_quantity, 100);
    assert_eq!(filled.order.average_fill_price, Some(price("10.01")));
    assert!(filled.order.updated_at > partial.order.updated_at);

    let log: Vec<_> = filled.log.iter().map(|entry| (entry.action, entry.status)).collect();
    assert_eq!(
        log,
        [
            (Action::Submitted, Some(OrderStatus::Pending)),
            (Action::Filled, Some(OrderStatus::Partial)),
            (Action::Filled, Some(OrderStatus::Filled)),
        ]
    );
}

#[test]
fn an_order_of_the_largest_quantity_can_be_filled_at_the_highest_price() {
    let (_db, blotter, order) = with_order_of(i32::MAX);
    let fill = |quantity, at| record(&blotter, &fill_of(&order, quantity, at));
    fill(i32::MAX - 1, "99999999.99").unwrap();
    fill(1, "99999999.98").unwrap();
    let order = history(&blotter, &order).order;
    assert_eq!((order.status, order.filled_quantity), (OrderStatus::Filled, i32::MAX));
    assert_eq!(order.average_fill_price, Some(price("99999999.99")));
}

#[test]
fn the_average_price_is_exact_with_halves_away_from_zero_as_postgresql_rounds() {
    let cases: [(&[(i32, &str)], &str); 8] = [
        (&[(1, "10.00"), (1, "10.01")], "10.01"),
        (&[(1, "10.01"), (1, "10.02")], "10.02"),
        (&[(1, "0.01"), (1, "0.02")], "0.02"),
        (&[(3, "1.00"), (5, "1.12")], "1.08"),
        (&[(2, "10.00"), (1, "10.01")], "10.00"),
        (&[(1, "10.00"), (2, "10.01")], "10.01"),
        // From the rounded average of the first two it would be 10.01.
        (&[(1, "10.00"), (1, "10.01"), (1, "10.00")], "10.00"),
        (&[(999_999, "0.01"), (1, "99999999.99")], "100.01"),
    ];
    let (db, blotter, order) = with_order_of(1);
    for (parts, expected) in cases {
        let new = NewOrder::market(order.trader_id, Side::Buy, "AAPL", 2_000_000);
        let order = submit(&blotter, &new).unwrap();
        for (quantity, at) in parts {
            record(&blotter, &fill_of(&order, *quantity, at)).unwrap();
        }
        let stored = history(&blotter, &order).order.average_fill_price.unwrap();
        assert_eq!(stored, price(expected), "{parts:?}");
        assert_eq!(stored, average_by_postgresql(&db, order.id), "{parts:?}");
    }
}

/// The totals of the fills as PostgreSQL computes them.
fn average_by_postgresql(db: &Database, order: Uuid) -> Price {
    let average = "round(sum(quantity_filled * price_at_fill) / sum(quantity_filled), 2)";
    let average: BigDecimal = fills::table
        .filter(fills::order_id.eq(order))
        .select(sql::<Numeric>(average))
        .first(&mut db.admin())
        .unwrap();
    average.try_into().unwrap()
}

#[test]
fn a_fill_beyond_the_order_is_refused_with_the_numbers_and_leaves_nothing_behind() {
    let (db, blotter, order) = with_order_of(100);
    record(&blotter, &fill_of(&order, 60, "10.00")).unwrap();
    let before = db.contents();
    for quantity in [41, 100, i32::MAX] {
        let refused = record(&blotter, &fill_of(&order, quantity, "10.00"));
        let error = refused.unwrap_err();
        assert_refused(&error, Error::is_over_fill, Some("ck_orders_filled_lte_quantity"));
        let text = error.to_string();
        assert!(text.contains(&order.id.to_string()), "{text}");
        assert!(text.contains(&format!("a fill of {quantity} ")), "{text}");
        assert!(text.contains("60 of 100"), "{text}");
    }
    assert_eq!(db.contents(), before);
}

#[test]
fn a_fill_of_less_than_one_share_is_refused_and_leaves_nothing_behind() {
    let (db, blotter, order) = with_order_of(100);
    let before = db.contents();
    for quantity in [0, -1, i32::MIN] {
        let refused = record(&blotter, &fill_of(&order, quantity, "10.00"));
        let error = refused.unwrap_err();
        assert_refused(&error, Error::is_rule_violation, Some("ck_fills_quantity_positive"));
        assert!(error.to_string().contains(&order.id.to_string()), "{error}");
    }
    assert_eq!(db.contents(), before);
}

#[test]
fn a_venue_has_1_to_50_characters() {
    let (db, blotter, order) = with_order_of(100);
    let before = db.contents();
    for venue in ["", " \n", &"v".repeat(51), "NAS\0DAQ"] {
        let new = NewFill { venue, ..fill_of(&order, 1, "10.00") };
        let error = record(&blotter, &new).unwrap_err();
        assert_refused(&error, Error::is_invalid_input, None);
    }
    assert_eq!(db.contents(), before);
}

#[test]
fn an_order_that_has_ended_takes_no_fill() {
    let (db, blotter, filled) = with_order_of(100);
    let ada = filled.trader_id;
    record(&blotter, &fill_of(&filled, 100, "10.00")).unwrap();
    let ended_by = |action| {
        let order = submit(&blotter, &NewOrder::market(ada, Side::Buy, "AAPL", 100)).unwrap();
        record(&blotter, &fill_of(&order, 1, "10.00")).unwrap();
        append(&blotter, &NewExecutionLog::new(order.id, action)).unwrap();
        order
    };
    let ended = [
        (&filled, "FILLED"),
        (&ended_by(REJECTED), "REJECTED"),
        (&ended_by(NewAction::Cancelled), "CANCELLED"),
    ];
    let before = db.contents();
    for (order, status) in ended {
        let error = record(&blotter, &fill_of(order, 1, "10.00")).unwrap_err();
        assert_refused(&error, Error::is_illegal_transition, Some("orders_transition"));
        let expected = format!("order {} is {status}, which does not allow FILLED", order.id);
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
    assert_eq!(db.contents(), before);
}

#[test]
fn an_execution_is_known_under_every_order_of_its_chain() {
    let (_db, blotter, order) = with_order_of(100);
    let new = NewFill { execution_id: Some("E-1"), ..fill_of(&order, 40, "10.00") };
    let fill = record(&blotter, &new).unwrap();
    let terms = NewOrder::market(order.trader_id, Side::Buy, &order.symbol, 100);
    let replacement = submit(&blotter, &NewOrder { replaces: Some(order.id), ..terms }).unwrap();
    let again = NewFill { order_id: replacement.id, ..new };
    assert_eq!(record(&blotter, &again).unwrap(), fill);
    let other = NewFill { execution_id: Some("E-2"), ..again };
    let stored = blotter.engine().transaction(|tx| tx.fills().record_batch(&[again, other]));
    let stored = stored.unwrap();
    assert_eq!((&stored[0], stored[1].order_id), (&fill, replacement.id));
    let differs = record(&blotter, &NewFill { quantity_filled: 41, ..again }).unwrap_err();
    assert_eq!(differs.differing_fields(), ["quantity"]);
}

#[test]
fn a_fill_of_an_unknown_order_is_refused() {
    let (db, blotter, order) = with_order_of(100);
    let unknown = Uuid::now_v7();
    let new = NewFill { order_id: unknown, ..fill_of(&order, 1, "10.00") };
    let before = db.contents();
    let error = record(&blotter, &new).unwrap_err();
    assert_refused(&error, Error::is_not_found, None);
    assert!(error.to_string().contains(&unknown.to_string()), "{error}");
    assert_eq!(db.contents(), before);
}

#[test]
fn of_fills_that_race_for_the_last_shares_the_late_one_is_refused() {
    type Race = (&'static [i32], fn(&Error) -> bool);
    let races: [Race; 3] = [
        (&[60, 60], Error::is_over_fill),
        (&[100, 100], Error::is_illegal_transition),
        (&[30, 30, 30, 30], Error::is_over_fill),
    ];
    for (quantities, is_late) in races {
        let (_db, blotter, order) = with_order_of(100);
        let results = race(&blotter, &order, quantities);
        let (won, lost): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
        let [Err(late)] = lost.as_slice() else { panic!("{lost:?}") };
        assert!(is_late(late), "{late:?}");

        let history = history(&blotter, &order);
        let filled: i32 = history.fills.iter().map(|fill| fill.quantity_filled).sum();
        assert_eq!(history.fills.len(), won.len());
        assert_eq!(history.order.filled_quantity, filled);
        assert_eq!(history.log.len(), 1 + won.len());
    }
}

/// Records the fills at the same time, each on a connection of its own.
fn race(blotter: &Blotter, order: &Order, quantities: &[i32]) -> Vec<Result<Fill, Error>> {
    let begun = Barrier::new(quantities.len());
    thread::scope(|scope| {
        let run = |quantity| {
            let begun = &begun;
            scope.spawn(move || {
                blotter.engine().transaction(|tx| {
                    begun.wait();
                    tx.fills().record(&fill_of(order, quantity, "10.00"))
                })
            })
        };
        let threads: Vec<_> = quantities.iter().map(|quantity| run(*quantity)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn a_fill_of_an_order_of_the_same_transaction_counts() {
    let (_db, blotter, order) = with_order_of(1);
    let order = blotter
        .engine()
        .transaction(|tx| {
            let order =
                tx.orders().submit(&NewOrder::market(order.trader_id, Side::Buy, "MSFT", 100))?;
            tx.fills().record(&fill_of(&order, 30, "10.00"))?;
            tx.fills().record(&fill_of(&order, 70, "10.10"))?;
            tx.orders().get(order.id)
        })
        .unwrap();
    assert_eq!((order.status, order.filled_quantity), (OrderStatus::Filled, 100));
    assert_eq!(order.average_fill_price, Some(price("10.07")));
}

#[test]
fn an_unknown_fill_is_not_found_and_an_unknown_order_has_none() {
    let (_db, blotter, order) = with_order_of(100);
    let session = blotter.trader(order.trader_id).unwrap();
    let id = Uuid::now_v7();
    let error = session.transaction(|tx| tx.fills().get(id)).unwrap_err();
    assert_refused(&error, Error::is_not_found, None);
    assert!(error.to_string().contains(&id.to_string()), "{error}");
    assert_eq!(session.transaction(|tx| tx.fills().of_order(id)).unwrap(), []);
}

#[test]
fn a_listing_has_the_fills_that_match_every_part_of_the_filter_newest_first() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let (ada, grace) = (trader(&blotter, "Ada").id, trader(&blotter, "Grace").id);
    let order =
        |trader, symbol| submit(&blotter, &NewOrder::market(trader, Side::Buy, symbol, 2)).unwrap();
    let minute = |minutes| noon() + TimeDelta::minutes(minutes);
    let fill = |order: &Order, at| {
        let new = NewFill { timestamp: minute(at), ..fill_of(order, 1, "10.00") };
        record(&blotter, &new).unwrap()
    };
    let (whole, part, graces) = (order(ada, "AAPL"), order(ada, "MSFT"), order(grace, "MSFT"));
    let [first, second, third, fourth] =
        [fill(&whole, 0), fill(&whole, 1), fill(&part, 2), fill(&graces, 3)];

    let any = Filter::default();
    let of_trader = Filter::of_trader;
    let cases: &[(Filter<'_>, &[&Fill])] = &[
        (any, &[&fourth, &third, &second, &first]),
        (of_trader(ada), &[&third, &second, &first]),
        (of_trader(Uuid::now_v7()), &[]),
        (Filter { order_id: Some(whole.id), ..any }, &[&second, &first]),
        (Filter { order_id: Some(whole.id), ..of_trader(grace) }, &[]),
        (Filter { symbol: Some("MSFT"), ..any }, &[&fourth, &third]),
        (Filter { statuses: &[OrderStatus::Filled], ..any }, &[&second, &first]),
        (Filter { statuses: OrderStatus::OPEN, ..of_trader(ada) }, &[&third]),
        (Filter { from: Some(minute(2)), ..any }, &[&fourth, &third]),
        (Filter { until: Some(minute(2)), ..any }, &[&second, &first]),
        (
            Filter {
                trader_id: Some(ada),
                order_id: Some(part.id),
                symbol: Some("MSFT"),
                account: None,
                time_in_force: None,
                statuses: &[OrderStatus::Partial],
                from: Some(minute(2)),
                until: Some(minute(3)),
            },
            &[&third],
        ),
    ];
    let everyones = db.blotter();
    for (filter, expected) in cases {
        let listing =
            everyones.compliance().transaction(|tx| tx.fills().recent(filter, ALL)).unwrap();
        assert_eq!(listing.rows.iter().collect::<Vec<_>>(), *expected, "{filter:?}");
        assert_eq!(listing.next, None);
    }
}
