//! Breaks: an execution that cannot be applied is kept as reported until it is booked or dismissed, and
//! the execution log records each step.

use std::sync::Barrier;
use std::thread;

use bigdecimal::BigDecimal;
use chrono::TimeDelta;
use diesel::RunQueryDsl;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tradeblotter::{
    Action, Blotter, Break, BreakHistory, BreakReason, BreakResolution, Error, Execution,
    ExecutionKind, Fill, Filter, NewAction, NewBreakResolution, NewBust, NewExecutionLog, NewFill,
    NewOrder, Order, OrderStatus, Outcome, Page, Resolution, Side, UnappliedReason,
    UnappliedReport,
};
use uuid::Uuid;

use tradeblotter_test_support::raw::RawResolution;
use tradeblotter_test_support::{
    Database, append, assert_refused, fill_of, history, noon, record, submit, trader, with_order_of,
};

const ALL: Page = Page::first(100);

fn execution<'a>(order: &Order, quantity: i32, at: &str, id: &'a str) -> Execution<'a> {
    Execution {
        kind: ExecutionKind::Fill,
        order_id: Some(order.id),
        timestamp: noon(),
        quantity: quantity.into(),
        price: at.parse().unwrap(),
        venue: "NASDAQ",
        commission: 0.into(),
        rebate: 0.into(),
        source: None,
        trader_id: None,
        client_order_id: None,
        execution_id: Some(id),
        raw: Some("8=FIX.4.4|35=8|…"),
    }
}

fn take(blotter: &Blotter, execution: &Execution<'_>) -> Outcome {
    blotter.engine().transaction(|tx| tx.breaks().record_or_break(execution)).unwrap()
}

#[track_caller]
fn broken(outcome: Outcome, reason: BreakReason) -> Break {
    match outcome {
        Outcome::Broken(broken) => {
            assert_eq!(broken.reason, reason, "{broken:?}");
            broken
        }
        Outcome::Recorded(fill) | Outcome::Known(fill) => panic!("{fill:?}"),
    }
}

#[track_caller]
fn recorded(outcome: Outcome) -> Fill {
    match outcome {
        Outcome::Recorded(fill) | Outcome::Known(fill) => fill,
        Outcome::Broken(broken) => panic!("{broken:?}"),
    }
}

fn resolve(blotter: &Blotter, new: &NewBreakResolution<'_>) -> Result<BreakResolution, Error> {
    blotter.engine().transaction(|tx| tx.breaks().resolve(new))
}

fn open(blotter: &Blotter) -> Vec<Uuid> {
    let listing = blotter.engine().transaction(|tx| tx.breaks().open(&Filter::default(), ALL));
    listing.unwrap().rows.into_iter().map(|row| row.reported.id).collect()
}

/// A cancelled order with 40 of 100 shares filled.
fn with_cancelled_order() -> (Database, Blotter, Order) {
    let (db, blotter, order) = with_order_of(100);
    record(&blotter, &NewFill { execution_id: Some("E-1"), ..fill_of(&order, 40, "10.00") })
        .unwrap();
    append(&blotter, &NewExecutionLog::new(order.id, NewAction::Cancelled)).unwrap();
    let order = history(&blotter, &order).order;
    (db, blotter, order)
}

#[test]
fn what_can_be_applied_is_recorded_and_breaks_nothing() {
    let (_db, blotter, order) = with_order_of(100);
    let fill = recorded(take(&blotter, &execution(&order, 40, "10.00", "E-1")));
    assert_eq!(recorded(take(&blotter, &execution(&order, 40, "10.00", "E-1"))), fill);
    let kind = ExecutionKind::Correction { of: "E-1" };
    let correction = Execution { kind, ..execution(&order, 30, "10.00", "E-2") };
    let corrected = recorded(take(&blotter, &correction));
    assert_eq!(corrected.amends, Some(fill.id));
    assert_eq!(recorded(take(&blotter, &correction)), corrected);
    // The bust refers to the fill, and amends the correction that has superseded the fill.
    let bust = Execution {
        kind: ExecutionKind::Bust { of: "E-1" },
        quantity: 0.into(),
        price: 0.into(),
        ..execution(&order, 0, "0", "E-3")
    };
    let busted = recorded(take(&blotter, &bust));
    assert_eq!((busted.amends, busted.is_bust), (Some(corrected.id), true));
    assert_eq!(recorded(take(&blotter, &bust)), busted);
    assert_eq!(history(&blotter, &order).order.status, OrderStatus::Pending);
    assert!(open(&blotter).is_empty());
}

#[test]
fn what_can_t_be_applied_is_kept_with_its_reason_and_as_it_was_reported() {
    let (db, blotter, cancelled) = with_cancelled_order();
    let new = NewOrder::market(cancelled.trader_id, Side::Buy, "AAPL", 100);
    let order = submit(&blotter, &new).unwrap();
    let filled = submit(&blotter, &new).unwrap();
    record(&blotter, &fill_of(&filled, 100, "10.00")).unwrap();
    record(&blotter, &NewFill { execution_id: Some("E-1"), ..fill_of(&order, 10, "10.00") })
        .unwrap();
    let fill = execution(&order, 10, "10.00", "E-2");
    let refers = |of| Execution { kind: ExecutionKind::Correction { of }, ..fill.clone() };
    let bust = Execution { kind: ExecutionKind::Bust { of: "E-9" }, ..fill.clone() };
    let unknown = Some(Uuid::now_v7());
    let cases = [
        (Execution { order_id: None, ..fill.clone() }, BreakReason::UnknownOrder),
        (Execution { order_id: unknown, ..fill.clone() }, BreakReason::UnknownOrder),
        (Execution { order_id: unknown, ..refers("E-1") }, BreakReason::UnknownOrder),
        (refers("E-9"), BreakReason::UnknownFill),
        (bust, BreakReason::UnknownFill),
        (Execution { quantity: 91.into(), ..fill.clone() }, BreakReason::OverFill),
        (Execution { quantity: 101.into(), ..refers("E-1") }, BreakReason::OverFill),
        (execution(&filled, 1, "10.00", "E-2"), BreakReason::OverFill),
        (execution(&cancelled, 1, "10.00", "E-2"), BreakReason::OrderEnded),
        (execution(&order, 10, "10.005", "E-2"), BreakReason::Precision),
        (execution(&order, 10, "10.0050000000000000000000000000", "E-3"), BreakReason::Precision),
        (
            Execution { commission: "0.0001".parse().unwrap(), ..fill.clone() },
            BreakReason::Precision,
        ),
        (execution(&order, 11, "10.00", "E-1"), BreakReason::Mismatch),
        (execution(&order, 0, "10.00", "E-2"), BreakReason::Invalid),
        (execution(&order, -5, "10.00", "E-2"), BreakReason::Invalid),
        (Execution { quantity: "0.5".parse().unwrap(), ..fill.clone() }, BreakReason::Invalid),
        (Execution { quantity: 3_000_000_000_u64.into(), ..fill.clone() }, BreakReason::Invalid),
        (execution(&order, 10, "0", "E-2"), BreakReason::Invalid),
        (execution(&order, 10, "100000000", "E-2"), BreakReason::Invalid),
        (Execution { commission: "-1".parse().unwrap(), ..fill.clone() }, BreakReason::Invalid),
    ];
    let before = db.contents();
    for (execution, reason) in &cases {
        let kept = broken(take(&blotter, execution), *reason);
        let as_reported = Execution {
            kind: kept.kind().unwrap(),
            order_id: kept.order_id,
            timestamp: kept.timestamp,
            quantity: kept.quantity.clone(),
            price: kept.price.clone(),
            venue: &kept.venue,
            commission: kept.commission.clone(),
            rebate: 0.into(),
            source: None,
            trader_id: None,
            client_order_id: None,
            execution_id: kept.execution_id.as_deref(),
            raw: kept.raw.as_deref(),
        };
        assert_eq!(as_reported, *execution);
        assert!(!kept.detail.is_empty());
        assert_eq!((kept.acted_by.as_str(), kept.acted_as.as_str()), ("app", "blotter_engine"));
        // The same execution again is the same break.
        assert_eq!(broken(take(&blotter, execution), *reason), kept);
    }
    assert_eq!(open(&blotter).len(), cases.len());
    // Nothing was applied, and the breaks of a stored order are in its log.
    let after = db.contents();
    let untouched = |mut order: Order| {
        (order.updated_at, order.break_count) = (noon(), 0);
        order
    };
    let orders = |orders: Vec<Order>| orders.into_iter().map(untouched).collect::<Vec<_>>();
    assert_eq!(orders(after.orders), orders(before.orders));
    assert_eq!(after.fills, before.fills);
    let noted = after.log.len() - before.log.len();
    assert_eq!(
        noted,
        cases.iter().filter(|(e, _)| e.order_id.is_some() && e.order_id != unknown).count()
    );
    let noted = after.log.iter().filter(|entry| entry.break_id.is_some());
    assert!(noted.clone().all(|entry| entry.action == Action::Recovered));
    assert!(noted.clone().all(|entry| entry.reason.as_ref().unwrap().starts_with("break: ")));
}

#[test]
fn what_not_even_a_break_can_keep_is_refused() {
    let (db, blotter, order) = with_order_of(100);
    let fill = execution(&order, 10, "10.00", "E-1");
    let long = "x".repeat(65);
    let huge: BigDecimal = "1e21".parse().unwrap();
    let fine: BigDecimal = "1e-21".parse().unwrap();
    let before = db.contents();
    for refused in [
        Execution { venue: " ", ..fill.clone() },
        Execution { venue: &long, ..fill.clone() },
        Execution { execution_id: Some(&long), ..fill.clone() },
        Execution { execution_id: Some(""), ..fill.clone() },
        Execution { kind: ExecutionKind::Correction { of: &long }, ..fill.clone() },
        Execution { kind: ExecutionKind::Bust { of: &long }, ..fill.clone() },
        Execution { kind: ExecutionKind::Bust { of: "" }, ..fill.clone() },
        Execution { order_id: Some(Uuid::nil()), ..fill.clone() },
        Execution { timestamp: chrono::DateTime::<chrono::Utc>::MIN_UTC, ..fill.clone() },
        Execution { raw: Some("a\0b"), ..fill.clone() },
        Execution { quantity: huge.clone(), ..fill.clone() },
        Execution { price: fine, ..fill.clone() },
        Execution { commission: -huge, ..fill.clone() },
    ] {
        let outcome = blotter.engine().transaction(|tx| tx.breaks().record_or_break(&refused));
        assert_refused(&outcome.unwrap_err(), Error::is_invalid_input, None);
    }
    // A bust of nothing does not compile (tests/compile_fail), but a raw client may send one.
    let bust = "INSERT INTO breaks (reason, detail, venue, is_bust, timestamp, quantity, price)
                VALUES ('INVALID', 'a bust of nothing', 'NASDAQ', true, now(), 0, 0)";
    let outcome = blotter
        .engine()
        .transaction(|tx| Ok::<_, Error>(diesel::sql_query(bust).execute(tx.connection())?));
    let error = outcome.unwrap_err();
    assert_refused(&error, Error::is_rule_violation, Some("ck_breaks_bust_refers"));
    assert_eq!(db.contents(), before);
    assert!(open(&blotter).is_empty());
}

#[test]
fn a_break_takes_nothing_else_of_its_transaction_along() {
    let (_db, blotter, order) = with_order_of(100);
    blotter
        .engine()
        .transaction(|tx| {
            tx.fills().record(&fill_of(&order, 10, "10.00"))?;
            tx.breaks().record_or_break(&execution(&order, 200, "10.00", "E-1"))?;
            tx.fills().record(&fill_of(&order, 20, "10.00"))
        })
        .unwrap();
    assert_eq!(history(&blotter, &order).order.filled_quantity, 30);
    assert_eq!(open(&blotter).len(), 1);
}

#[test]
fn a_late_fill_that_is_booked_raises_the_quantity_and_leaves_the_status() {
    let (_db, blotter, order) = with_cancelled_order();
    let late = execution(&order, 25, "12.00", "E-2");
    let kept = broken(take(&blotter, &late), BreakReason::OrderEnded);
    let book = NewBreakResolution::book(kept.id, "confirmed by the broker");
    let resolution = resolve(&blotter, &book).unwrap();
    assert_eq!((resolution.is_booked, resolution.order_id), (true, Some(order.id)));
    assert_eq!(resolution.acted_as, "blotter_engine");

    let history = history(&blotter, &order);
    assert_eq!((history.order.status, history.order.filled_quantity), (OrderStatus::Cancelled, 65));
    assert_eq!(history.order.filled_notional, BigDecimal::from(700));
    let fill = history.fills.iter().find(|fill| Some(fill.id) == resolution.fill_id).unwrap();
    assert_eq!(fill.break_id, Some(kept.id));
    let last = history.log.last().unwrap();
    assert_eq!((last.action, last.status), (Action::Recovered, Some(OrderStatus::Cancelled)));
    assert_eq!((last.fill_id, last.break_id), (Some(fill.id), Some(kept.id)));
    assert_eq!(last.reason.as_deref(), Some("break booked: confirmed by the broker"));

    // A feed that reports it again gets the booked fill.
    assert_eq!(recorded(take(&blotter, &late)), *fill);
    assert!(open(&blotter).is_empty());
}

#[test]
fn a_break_that_is_dismissed_stays_unbooked_and_says_so() {
    let (_db, blotter, order) = with_cancelled_order();
    let late = execution(&order, 25, "12.00", "E-2");
    let kept = broken(take(&blotter, &late), BreakReason::OrderEnded);
    let dismiss = NewBreakResolution::dismiss(kept.id, "the venue has busted it by telephone");
    let resolution = resolve(&blotter, &dismiss).unwrap();
    assert_eq!((resolution.is_booked, resolution.fill_id), (false, None));
    let last = history(&blotter, &order).log.pop().unwrap();
    let says = "break dismissed: the venue has busted it by telephone";
    assert_eq!((last.action, last.reason.as_deref()), (Action::Recovered, Some(says)));
    assert_eq!(last.break_id, Some(kept.id));
    // Reported again, it is still the dismissed break.
    assert_eq!(broken(take(&blotter, &late), BreakReason::OrderEnded), kept);
    assert!(open(&blotter).is_empty());
    let found = blotter.compliance().transaction(|tx| tx.breaks().get(kept.id)).unwrap();
    assert_eq!(found, BreakHistory { reported: kept, resolution: Some(resolution) });
}

#[test]
fn a_break_is_resolved_once_and_only_as_its_order_allows() {
    let (db, blotter, order) = with_order_of(100);
    let over =
        broken(take(&blotter, &execution(&order, 101, "10.00", "E-1")), BreakReason::OverFill);
    let fine =
        broken(take(&blotter, &execution(&order, 1, "10.005", "E-2")), BreakReason::Precision);
    let half =
        Execution { quantity: "0.5".parse().unwrap(), ..execution(&order, 1, "10.00", "E-3") };
    let half = broken(take(&blotter, &half), BreakReason::Invalid);
    let lost = Execution { order_id: None, ..execution(&order, 1, "10.00", "E-4") };
    let lost = broken(take(&blotter, &lost), BreakReason::UnknownOrder);
    let before = db.contents();
    let absent = Uuid::now_v7();
    let of = |id, order| NewBreakResolution {
        resolution: Resolution::Book { order },
        ..NewBreakResolution::book(id, "because")
    };
    for (new, is_kind, rule) in [
        (
            of(over.id, None),
            Error::is_over_fill as fn(&Error) -> bool,
            "ck_orders_filled_lte_quantity",
        ),
        (of(fine.id, None), Error::is_rule_violation, "break_resolutions_exact"),
        (of(half.id, None), Error::is_rule_violation, "break_resolutions_exact"),
        (of(lost.id, None), Error::is_rule_violation, "break_resolutions_order"),
        (of(lost.id, Some(absent)), Error::is_rule_violation, "break_resolutions_order"),
    ] {
        assert_refused(&resolve(&blotter, &new).unwrap_err(), is_kind, Some(rule));
    }
    // The API cannot dismiss a break to an order; a raw client may try.
    let order_id = Some(order.id);
    let with_order =
        RawResolution { break_id: over.id, is_booked: false, order_id, reason: "because" };
    assert_eq!(with_order.typed(), None);
    let error = blotter.engine().transaction(|tx| with_order.insert(tx)).unwrap_err();
    assert_refused(&error, Error::is_rule_violation, Some("break_resolutions_order"));
    assert_refused(&resolve(&blotter, &of(absent, None)).unwrap_err(), Error::is_not_found, None);
    for reason in ["", " \n", &"x".repeat(901)] {
        let new = NewBreakResolution { reason, ..of(over.id, None) };
        assert_refused(&resolve(&blotter, &new).unwrap_err(), Error::is_invalid_input, None);
    }
    assert_eq!(db.contents(), before);
    assert_eq!(open(&blotter).len(), 4);

    resolve(&blotter, &of(lost.id, Some(order.id))).unwrap();
    assert_eq!(history(&blotter, &order).order.filled_quantity, 1);
    let twice = resolve(&blotter, &NewBreakResolution::dismiss(lost.id, "again")).unwrap_err();
    assert_refused(&twice, Error::is_duplicate, Some("uq_break_resolutions_break_id"));
}

#[test]
fn a_break_whose_order_or_fill_comes_later_is_booked_then() {
    let (_db, blotter, order) = with_order_of(100);
    let kind = ExecutionKind::Correction { of: "E-1" };
    let early = Execution { kind, ..execution(&order, 30, "10.00", "E-2") };
    let early = broken(take(&blotter, &early), BreakReason::UnknownFill);
    recorded(take(&blotter, &execution(&order, 40, "10.00", "E-1")));
    resolve(&blotter, &NewBreakResolution::book(early.id, "the fill has come")).unwrap();
    assert_eq!(history(&blotter, &order).order.filled_quantity, 30);
    let last = history(&blotter, &order).log.pop().unwrap();
    assert!(
        last.reason.as_ref().unwrap().ends_with(", break booked: the fill has come"),
        "{last:?}"
    );

    // An execution that was recorded in another way meanwhile is not counted twice.
    let lost = Execution { order_id: None, ..execution(&order, 5, "10.00", "E-3") };
    let lost = broken(take(&blotter, &lost), BreakReason::UnknownOrder);
    let fill = recorded(take(&blotter, &execution(&order, 5, "10.00", "E-3")));
    let here = NewBreakResolution {
        resolution: Resolution::Book { order: Some(order.id) },
        ..NewBreakResolution::book(lost.id, "found")
    };
    assert_eq!(resolve(&blotter, &here).unwrap().fill_id, Some(fill.id));
    assert_eq!(history(&blotter, &order).order.filled_quantity, 35);
}

#[test]
fn of_two_who_resolve_a_break_at_once_one_does() {
    for _ in 0..5 {
        let (_db, blotter, order) = with_cancelled_order();
        let kept =
            broken(take(&blotter, &execution(&order, 25, "12.00", "E-2")), BreakReason::OrderEnded);
        let barrier = &Barrier::new(2);
        let results: Vec<_> = thread::scope(|scope| {
            let run = |_| {
                scope.spawn(|| {
                    barrier.wait();
                    resolve(&blotter, &NewBreakResolution::book(kept.id, "at once"))
                })
            };
            let threads: Vec<_> = (0..2).map(run).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
        let error = results.into_iter().find_map(Result::err).unwrap();
        assert_refused(&error, Error::is_duplicate, Some("uq_break_resolutions_break_id"));
        assert_eq!(history(&blotter, &order).order.filled_quantity, 65);
    }
}

#[test]
fn a_trader_sees_the_breaks_of_its_own_orders_and_no_others() {
    let (_db, blotter, adas) = with_order_of(100);
    let grace = trader(&blotter, "Grace");
    let graces = submit(&blotter, &NewOrder::market(grace.id, Side::Buy, "IBM", 100)).unwrap();
    let of = |order| {
        broken(take(&blotter, &execution(order, 101, "10.00", "E-1")), BreakReason::OverFill)
    };
    let (hers, his) = (of(&graces), of(&adas));
    let lost = Execution { order_id: None, ..execution(&adas, 1, "10.00", "E-2") };
    let lost = broken(take(&blotter, &lost), BreakReason::UnknownOrder);
    let seen =
        |rows: Vec<BreakHistory>| rows.into_iter().map(|r| r.reported.id).collect::<Vec<_>>();

    let ada = blotter.trader(adas.trader_id).unwrap();
    let all = Filter::default();
    let listing = ada.transaction(|tx| tx.breaks().recent(&all, ALL)).unwrap();
    assert_eq!(seen(listing.rows), [his.id]);
    let hidden = ada.transaction(|tx| tx.breaks().get(hers.id)).unwrap_err();
    assert_refused(&hidden, Error::is_not_found, None);
    let listing = blotter.compliance().transaction(|tx| tx.breaks().recent(&all, ALL)).unwrap();
    assert_eq!(seen(listing.rows), [lost.id, his.id, hers.id]);
    for filter in [
        Filter { symbol: Some("IBM"), ..all },
        Filter { order_id: Some(graces.id), ..all },
        Filter::of_trader(grace.id),
        Filter { until: Some(his.created_at), statuses: OrderStatus::OPEN, ..all },
    ] {
        let listing = blotter.engine().transaction(|tx| tx.breaks().open(&filter, ALL)).unwrap();
        assert_eq!(seen(listing.rows), [hers.id], "{filter:?}");
    }
    let page = Page::first(2);
    let first = blotter.engine().transaction(|tx| tx.breaks().open(&all, page)).unwrap();
    let page = Page::after(first.next.unwrap(), 2);
    let second = blotter.engine().transaction(|tx| tx.breaks().open(&all, page)).unwrap();
    assert_eq!((seen(first.rows), seen(second.rows)), (vec![lost.id, his.id], vec![hers.id]));
    assert_eq!(second.next, None);
}

#[test]
fn a_break_is_counted_only_for_the_order_that_it_names() {
    let (_db, blotter, order) = with_order_of(100);
    let lost = Execution { order_id: None, ..execution(&order, 5, "10.00", "E-1") };
    let lost = broken(take(&blotter, &lost), BreakReason::UnknownOrder);
    recorded(take(&blotter, &execution(&order, 5, "10.00", "E-1")));
    let here = NewBreakResolution {
        resolution: Resolution::Book { order: Some(order.id) },
        ..NewBreakResolution::book(lost.id, "recorded meanwhile")
    };
    resolve(&blotter, &here).unwrap();
    assert_eq!(history(&blotter, &order).order.break_count, 0);
    let rebuilt = blotter.engine().snapshot(|tx| tx.orders().rebuild(None)).unwrap();
    assert_eq!(rebuilt.differing, []);
}

#[test]
fn a_break_is_booked_to_another_order_of_its_trader_and_both_logs_say_so() {
    let (_db, blotter, meant) = with_cancelled_order();
    let new = NewOrder::market(meant.trader_id, Side::Buy, "AAPL", 100);
    let other = submit(&blotter, &new).unwrap();
    let late =
        broken(take(&blotter, &execution(&meant, 25, "12.00", "E-2")), BreakReason::OrderEnded);
    let book = |order_id| NewBreakResolution {
        resolution: Resolution::Book { order: Some(order_id) },
        ..NewBreakResolution::book(late.id, "mixed up")
    };
    let grace = trader(&blotter, "Grace");
    let graces = submit(&blotter, &NewOrder::market(grace.id, Side::Buy, "AAPL", 100)).unwrap();
    let error = resolve(&blotter, &book(graces.id)).unwrap_err();
    assert_refused(&error, Error::is_rule_violation, Some("break_resolutions_order"));

    resolve(&blotter, &book(other.id)).unwrap();
    assert_eq!(history(&blotter, &other).order.filled_quantity, 25);
    assert_eq!(history(&blotter, &meant).order.filled_quantity, 40);
    let last_reason = |order| history(&blotter, order).log.pop().unwrap().reason.unwrap();
    assert_eq!(last_reason(&other), "break booked: mixed up");
    assert_eq!(last_reason(&meant), "break booked to another order: mixed up");
}

#[test]
fn what_was_said_about_a_break_holds_when_the_execution_comes_again_and_could_be_applied() {
    let (_db, blotter, order) = with_order_of(100);
    let first = recorded(take(&blotter, &execution(&order, 100, "10.00", "E-1")));
    let over = execution(&order, 60, "10.00", "E-2");
    let dismissed = broken(take(&blotter, &over), BreakReason::OverFill);
    resolve(&blotter, &NewBreakResolution::dismiss(dismissed.id, "sent by mistake")).unwrap();
    let kind = ExecutionKind::Bust { of: "E-1" };
    let bust = Execution { kind, ..execution(&order, 0, "0", "E-3") };
    assert_eq!(recorded(take(&blotter, &bust)).amends, Some(first.id));
    assert_eq!(broken(take(&blotter, &over), BreakReason::OverFill), dismissed);
    // A dismissed execution cannot be recorded directly as a fill either.
    let again = NewFill { execution_id: Some("E-2"), ..fill_of(&order, 60, "10.00") };
    let error = record(&blotter, &again).unwrap_err();
    assert_refused(&error, Error::is_rule_violation, Some("fills_resolved_break"));
    assert_eq!(history(&blotter, &order).order.filled_quantity, 0);
    // Different content under the same id is another execution.
    record(&blotter, &NewFill { quantity_filled: 6, ..again }).unwrap();

    // Booked to another order because its own was not stored; then its own order is submitted.
    let id = Uuid::now_v7();
    let early = Execution { order_id: Some(id), ..execution(&order, 10, "10.00", "E-4") };
    let early_break = broken(take(&blotter, &early), BreakReason::UnknownOrder);
    let here = NewBreakResolution {
        resolution: Resolution::Book { order: Some(order.id) },
        ..NewBreakResolution::book(early_break.id, "found")
    };
    let booked = resolve(&blotter, &here).unwrap().fill_id;
    let insert = format!(
        "INSERT INTO orders (id, trader_id, symbol, quantity, order_type)
         VALUES ('{id}', '{}', 'AAPL', 100, 'MARKET')",
        order.trader_id
    );
    blotter
        .engine()
        .transaction(|tx| Ok::<_, Error>(diesel::sql_query(&insert).execute(tx.connection())?))
        .unwrap();
    assert_eq!(Some(recorded(take(&blotter, &early)).id), booked);
    let filled =
        |id| blotter.engine().transaction(|tx| tx.orders().get(id)).unwrap().filled_quantity;
    assert_eq!((filled(order.id), filled(id)), (16, 0));
    let new = NewFill { order_id: id, execution_id: Some("E-4"), ..fill_of(&order, 10, "10.00") };
    let error = record(&blotter, &new).unwrap_err();
    assert_refused(&error, Error::is_rule_violation, Some("fills_resolved_break"));
}

#[test]
fn a_bust_that_comes_again_and_refers_to_another_fill_is_a_break() {
    let (_db, blotter, order) = with_order_of(100);
    for id in ["E-1", "E-2"] {
        recorded(take(&blotter, &execution(&order, 50, "10.00", id)));
    }
    let bust =
        |of| Execution { kind: ExecutionKind::Bust { of }, ..execution(&order, 0, "0", "E-3") };
    recorded(take(&blotter, &bust("E-1")));
    recorded(take(&blotter, &bust("E-1")));
    broken(take(&blotter, &bust("E-2")), BreakReason::Mismatch);
    broken(take(&blotter, &bust("E-9")), BreakReason::Mismatch);
    assert_eq!(history(&blotter, &order).order.filled_quantity, 50);
}

/// Two feeds report the same at once, each in a transaction of its own.
fn from_two_feeds(blotter: &Blotter, reports: [&Execution<'_>; 2]) -> Vec<Outcome> {
    let barrier = &Barrier::new(2);
    thread::scope(|scope| {
        let threads = reports.map(|report| {
            scope.spawn(move || {
                barrier.wait();
                take(blotter, report)
            })
        });
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn of_two_feeds_that_report_the_same_at_once_both_are_told_of_one_fill_or_one_break() {
    let (db, blotter, order) = with_order_of(100);
    for round in 0..10 {
        let (good, bad) = (format!("G-{round}"), format!("B-{round}"));
        let good = execution(&order, 1, "10.00", &good);
        let outcomes = from_two_feeds(&blotter, [&good, &good]);
        let ((Outcome::Recorded(fill), Outcome::Known(known))
        | (Outcome::Known(known), Outcome::Recorded(fill))) = (&outcomes[0], &outcomes[1])
        else {
            panic!("{outcomes:?}");
        };
        assert_eq!(fill, known);
        let bad = execution(&order, 1, "10.005", &bad);
        let outcomes = from_two_feeds(&blotter, [&bad, &bad]);
        assert_eq!(outcomes[0], outcomes[1]);
    }
    assert_eq!(history(&blotter, &order).order.filled_quantity, 10);
    assert_eq!(db.contents().breaks.len(), 10);
}

#[test]
fn of_two_feeds_that_amend_a_fill_at_once_the_later_one_amends_what_the_other_has_made_of_it() {
    for round in 0..10 {
        let (_db, blotter, order) = with_order_of(100);
        recorded(take(&blotter, &execution(&order, 50, "10.00", "E-1")));
        let correct = |quantity, id| Execution {
            kind: ExecutionKind::Correction { of: "E-1" },
            ..execution(&order, quantity, "10.00", id)
        };
        let outcomes = from_two_feeds(&blotter, [&correct(40, "E-2"), &correct(60, "E-3")]);
        let [one, two] = <[Outcome; 2]>::try_from(outcomes).unwrap().map(recorded);
        assert!(one.amends == Some(two.id) || two.amends == Some(one.id), "{round}");
    }
}

#[test]
fn crossing_resolutions_wait_for_each_other_and_never_in_a_circle() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let ada = trader(&blotter, "Ada");
    let new = NewOrder::market(ada.id, Side::Buy, "AAPL", 1000);
    let [one, two] = [0, 1].map(|_| submit(&blotter, &new).unwrap());
    for order in [&one, &two] {
        append(&blotter, &NewExecutionLog::new(order.id, NewAction::Cancelled)).unwrap();
    }
    let url = db.login_url("blotter_engine");
    for round in 0..20 {
        let barrier = &Barrier::new(2);
        thread::scope(|scope| {
            for (meant, booked) in [(&one, &two), (&two, &one)] {
                let (url, blotter) = (&url, &blotter);
                scope.spawn(move || {
                    let id = format!("E-{round}");
                    let late = take(blotter, &execution(meant, 1, "10.00", &id));
                    let late = broken(late, BreakReason::OrderEnded);
                    let book = NewBreakResolution {
                        resolution: Resolution::Book { order: Some(booked.id) },
                        ..NewBreakResolution::book(late.id, "crossed")
                    };
                    // One attempt only, so that a deadlock is not hidden by a retry.
                    let mut conn = tradeblotter::connect(url).unwrap();
                    barrier.wait();
                    let role = tradeblotter::role::Engine;
                    tradeblotter::transaction_on(&mut conn, role, |tx| tx.breaks().resolve(&book))
                        .unwrap();
                });
            }
        });
    }
    assert_eq!(history(&blotter, &one).order.filled_quantity, 20);
}

#[test]
fn a_bust_with_a_commission_that_was_recorded_since_is_resolved_as_recorded() {
    let (_db, blotter, order) = with_order_of(100);
    let bust = Execution {
        kind: ExecutionKind::Bust { of: "E-1" },
        commission: 1.into(),
        ..execution(&order, 0, "0", "E-2")
    };
    let early = broken(take(&blotter, &bust), BreakReason::UnknownFill);
    recorded(take(&blotter, &execution(&order, 50, "10.00", "E-1")));
    let fill = recorded(take(&blotter, &bust));
    let book = NewBreakResolution::book(early.id, "the fill has come");
    assert_eq!(resolve(&blotter, &book).unwrap().fill_id, Some(fill.id));
}

/// The outcome of each execution, without ids and times.
fn told(outcomes: &[Outcome]) -> Vec<String> {
    let of = |what: &str, fill: &Fill| {
        let id = fill.execution_id.as_deref().unwrap_or_default();
        format!("{what} {id} {} at {}", fill.quantity_filled, fill.price_at_fill)
    };
    let outcome = |outcome: &Outcome| match outcome {
        Outcome::Recorded(fill) => of("recorded", fill),
        Outcome::Known(fill) => of("known", fill),
        Outcome::Broken(broken) => format!("broken by {}", broken.reason),
    };
    outcomes.iter().map(outcome).collect()
}

/// Executions of stored orders, of no order, and of an unknown one; with few ids, so that they conflict.
fn executions(orders: Vec<Uuid>) -> impl Strategy<Value = Vec<Execution<'static>>> {
    let ids = || prop::sample::select(vec!["E-1", "E-2", "E-3", "E-4", "E-5"]);
    let of = orders.into_iter().map(Some).chain([None, Some(Uuid::from_u128(7))]);
    let one = (
        prop::sample::select(of.collect::<Vec<_>>()),
        prop::sample::select(vec![1, 30, 40, 60, 100, 0]),
        prop::sample::select(vec!["10.00", "10.01", "10.005"]),
        (prop::option::weighted(0.9, ids()), prop::option::weighted(0.15, ids()), any::<bool>()),
        0..3_i64,
    );
    let one = one.prop_map(|(order_id, quantity, price, (execution_id, refers_to, bust), at)| {
        Execution {
            kind: match refers_to {
                None => ExecutionKind::Fill,
                Some(of) if bust => ExecutionKind::Bust { of },
                Some(of) => ExecutionKind::Correction { of },
            },
            order_id,
            timestamp: noon() + TimeDelta::seconds(at),
            quantity: quantity.into(),
            price: price.parse().unwrap(),
            venue: "NASDAQ",
            commission: 0.into(),
            rebate: 0.into(),
            source: None,
            trader_id: None,
            client_order_id: None,
            execution_id,
            raw: None,
        }
    });
    // Picks from a few executions, so that each is repeated.
    (prop::collection::vec(one, 1..12), prop::collection::vec(any::<prop::sample::Index>(), 1..24))
        .prop_map(|(few, picks)| picks.iter().map(|pick| pick.get(&few).clone()).collect())
}

/// Compares two databases, ignoring ids and times: one gets executions in batches, the other one by one.
#[test]
fn a_batch_comes_to_what_its_executions_come_to_one_by_one() {
    let (_one_db, one, _) = with_order_of(100);
    let (_batch_db, batch, _) = with_order_of(100);
    let mut runner = TestRunner::new(Config { cases: 60, ..Config::default() });
    let known = std::cell::Cell::new(0);
    runner
        .run(&executions(vec![Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3)]), |all| {
            // New orders for each case, indexed by the numbers that stand for them.
            let orders = |blotter: &Blotter| -> Vec<Order> {
                let id = trader(blotter, "Grace").id;
                (0..3)
                    .map(|_| {
                        submit(blotter, &NewOrder::market(id, Side::Buy, "AAPL", 100)).unwrap()
                    })
                    .collect()
            };
            let outcomes = [(&one, false), (&batch, true)].map(|(blotter, is_batch)| {
                let orders = orders(blotter);
                let ended = NewExecutionLog::new(orders[2].id, NewAction::Cancelled);
                append(blotter, &ended).unwrap();
                let meant = |execution: &Execution<'static>| {
                    let number = execution.order_id.map(|id| id.as_u128() as usize);
                    let order_id = match number {
                        Some(number @ 1..=3) => Some(orders[number - 1].id),
                        Some(_) => Some(Uuid::now_v7()),
                        None => None,
                    };
                    Execution { order_id, ..execution.clone() }
                };
                let all: Vec<_> = all.iter().map(meant).collect();
                let outcomes: Vec<Outcome> = match is_batch {
                    false => all.iter().map(|execution| take(blotter, execution)).collect(),
                    true => blotter
                        .engine()
                        .transaction(|tx| tx.breaks().record_batch_or_break(&all))
                        .unwrap(),
                };
                let totals: Vec<_> = orders
                    .iter()
                    .map(|order| history(blotter, order).order)
                    .map(|order| (order.status, order.filled_quantity, order.filled_notional))
                    .collect();
                (told(&outcomes), totals)
            });
            known.set(
                known.get() + outcomes[1].0.iter().filter(|told| told.starts_with("known")).count(),
            );
            prop_assert_eq!(&outcomes[0], &outcomes[1]);
            Ok(())
        })
        .unwrap();
    assert!(known.get() > 0, "no execution met itself");
}

/// The first of two executions with one id does not fit; the second does, and is recorded.
#[test]
fn in_a_batch_an_execution_is_compared_with_those_before_it_only() {
    let (_one_db, one, order) = with_order_of(100);
    let (_batch_db, batch, other) = with_order_of(100);
    let all = |order: &Order| {
        [(60, "E-1"), (60, "E-2"), (40, "E-2")]
            .map(|(quantity, id)| execution(order, quantity, "10.00", id))
    };
    let told_one_by_one = told(&all(&order).map(|execution| take(&one, &execution)));
    let outcomes =
        batch.engine().transaction(|tx| tx.breaks().record_batch_or_break(&all(&other))).unwrap();
    assert_eq!(told(&outcomes), told_one_by_one);
    broken(outcomes[1].clone(), BreakReason::OverFill);
}

#[test]
fn a_batch_keeps_what_was_said_of_a_break() {
    let (_db, blotter, order) = with_cancelled_order();
    let late = execution(&order, 10, "10.00", "E-2");
    let kept = broken(take(&blotter, &late), BreakReason::OrderEnded);
    resolve(&blotter, &NewBreakResolution::book(kept.id, "confirmed")).unwrap();
    let other = execution(&order, 10, "10.00", "E-3");
    let kept = broken(take(&blotter, &other), BreakReason::OrderEnded);
    resolve(&blotter, &NewBreakResolution::dismiss(kept.id, "sent twice")).unwrap();
    let again = blotter
        .engine()
        .transaction(|tx| tx.breaks().record_batch_or_break(&[late.clone(), other.clone()]))
        .unwrap();
    assert_eq!(told(&again), ["known E-2 10 at 10.00", "broken by ORDER_ENDED"]);
}

#[test]
fn a_batch_that_holds_what_no_break_could_keep_is_refused_whole() {
    let (db, blotter, order) = with_order_of(100);
    let before = db.contents();
    let good = execution(&order, 10, "10.00", "E-1");
    let blank = Execution { venue: " ", ..execution(&order, 10, "10.00", "E-2") };
    let batch = [good, blank];
    let refused = blotter.engine().transaction(|tx| tx.breaks().record_batch_or_break(&batch));
    assert!(refused.unwrap_err().is_invalid_input());
    assert_eq!(db.contents(), before);
}

#[test]
fn an_order_that_cannot_be_stored_is_a_break_once_and_is_only_dismissed() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let ada = trader(&blotter, "Ada");
    let order = UnappliedReport {
        reason: UnappliedReason::InvalidOrder,
        trader_id: Some(ada.id),
        order_id: None,
        client_order_id: Some("C-1"),
        execution_id: None,
        timestamp: noon(),
        venue: "XNAS",
        source: None,
        quantity: "0.5".parse().unwrap(),
        price: 0.into(),
        detail: "0.5 shares is no whole number",
        raw: Some("35=D|38=0.5"),
    };
    let keep = |order: &UnappliedReport<'_>| unapplied(&blotter, order);
    let kept = keep(&order).unwrap();
    assert_eq!((kept.reason, kept.kind()), (BreakReason::InvalidOrder, None));
    assert_eq!((kept.trader_id, kept.client_order_id.as_deref()), (Some(ada.id), Some("C-1")));
    assert_eq!(keep(&order).unwrap(), kept);
    // The trader sees it, and a booking is refused.
    let seen = blotter.trader(ada.id).unwrap().transaction(|tx| tx.breaks().get(kept.id)).unwrap();
    assert_eq!(seen.reported, kept);
    let resolve = |new: &NewBreakResolution<'_>| {
        blotter.engine().transaction(|tx| tx.breaks().resolve(new)).map(drop)
    };
    let refused = resolve(&NewBreakResolution::book(kept.id, "X")).unwrap_err();
    assert_refused(&refused, Error::is_rule_violation, Some("break_resolutions_execution"));
    resolve(&NewBreakResolution::dismiss(kept.id, "sent again as whole shares")).unwrap();
    // Another quantity is another order, and a control character in an id is refused.
    let other = UnappliedReport { quantity: "0.25".parse().unwrap(), ..order.clone() };
    assert_ne!(keep(&other).unwrap().id, kept.id);
    for refused in [
        UnappliedReport { client_order_id: Some("C\u{1}150=F"), ..order.clone() },
        UnappliedReport { order_id: Some(Uuid::now_v7()), ..order.clone() },
        UnappliedReport { execution_id: Some("E-1"), ..order.clone() },
    ] {
        assert_refused(&keep(&refused).unwrap_err(), Error::is_invalid_input, None);
    }
    // Without a client order id, the same message is the same break, and another message another one.
    let nameless = UnappliedReport { client_order_id: None, ..order };
    let kept = keep(&nameless).unwrap();
    assert_eq!(keep(&UnappliedReport { detail: "X", ..nameless.clone() }).unwrap(), kept);
    let other = UnappliedReport { raw: Some("35=D|38=0.5|58=X"), ..nameless };
    assert_ne!(keep(&other).unwrap().id, kept.id);
}

fn unapplied(blotter: &Blotter, report: &UnappliedReport<'_>) -> Result<Break, Error> {
    blotter.engine().transaction(|tx| tx.breaks().record_unapplied(report))
}

#[test]
fn an_action_that_cannot_be_applied_is_a_break_once_and_is_only_dismissed() {
    let (_db, blotter, order) = with_cancelled_order();
    let cancel = UnappliedReport {
        reason: UnappliedReason::UnappliedAction,
        trader_id: None,
        order_id: Some(order.id),
        client_order_id: Some("C-1"),
        execution_id: Some("E-2"),
        timestamp: noon(),
        venue: "NASDAQ",
        source: None,
        quantity: 10.into(),
        price: 10.into(),
        detail: "the order has ended",
        raw: Some("35=8|150=4"),
    };
    let kept = unapplied(&blotter, &cancel).unwrap();
    assert_eq!((kept.reason, kept.kind()), (BreakReason::UnappliedAction, None));
    assert_eq!((kept.order_id, kept.trader_id), (Some(order.id), Some(order.trader_id)));
    assert_eq!(kept.execution_id.as_deref(), Some("E-2"));
    let last = history(&blotter, &order).log.pop().unwrap();
    assert_eq!(last.reason.as_deref(), Some("break: the order has ended"));
    assert_eq!(unapplied(&blotter, &cancel).unwrap(), kept);

    // A fill with the same content is another break, and dismissing the action does not touch it.
    let fill = execution(&order, 10, "10", "E-2");
    let late = broken(take(&blotter, &fill), BreakReason::OrderEnded);
    assert_eq!(broken(take(&blotter, &fill), BreakReason::OrderEnded), late);
    let book = resolve(&blotter, &NewBreakResolution::book(kept.id, "X")).unwrap_err();
    assert_refused(&book, Error::is_rule_violation, Some("break_resolutions_execution"));
    resolve(&blotter, &NewBreakResolution::dismiss(kept.id, "cancelled already")).unwrap();
    assert_eq!(unapplied(&blotter, &cancel).unwrap(), kept);
    assert_eq!(open(&blotter), [late.id]);
    resolve(&blotter, &NewBreakResolution::book(late.id, "confirmed")).unwrap();
    assert_eq!(history(&blotter, &order).order.filled_quantity, 50);

    // Without an execution id, all of its content tells it apart.
    let nameless = UnappliedReport { execution_id: None, ..cancel.clone() };
    let kept = unapplied(&blotter, &nameless).unwrap();
    assert_eq!(unapplied(&blotter, &nameless).unwrap(), kept);
    let another = UnappliedReport { raw: Some("35=8|150=4|58=X"), ..nameless.clone() };
    assert_ne!(unapplied(&blotter, &another).unwrap().id, kept.id);
    let nobodys = UnappliedReport { order_id: None, client_order_id: None, ..nameless };
    let kept = unapplied(&blotter, &nobodys).unwrap();
    assert_eq!(unapplied(&blotter, &nobodys).unwrap(), kept);
    assert_eq!((kept.order_id, kept.trader_id, kept.client_order_id), (None, None, None));

    // An amendment is an execution.
    let insert = "INSERT INTO breaks
            (reason, detail, venue, execution_id, refers_to, timestamp, quantity, price)
        VALUES ('UNAPPLIED_ACTION', 'X', 'X', 'E-3', 'E-2', now(), 0, 0)";
    let refused = blotter
        .engine()
        .transaction(|tx| Ok::<_, Error>(diesel::sql_query(insert).execute(tx.connection())?));
    let rule = Some("ck_breaks_action_amends_nothing");
    assert_refused(&refused.unwrap_err(), Error::is_rule_violation, rule);
}

#[test]
fn a_dismissed_action_keeps_no_fill_with_its_content_out() {
    let (_db, blotter, order) = with_order_of(100);
    let action = UnappliedReport {
        reason: UnappliedReason::UnappliedAction,
        trader_id: None,
        order_id: Some(order.id),
        client_order_id: None,
        execution_id: Some("E-1"),
        timestamp: noon(),
        venue: "NASDAQ",
        source: None,
        quantity: 10.into(),
        price: 10.into(),
        detail: "X",
        raw: None,
    };
    let kept = unapplied(&blotter, &action).unwrap();
    resolve(&blotter, &NewBreakResolution::dismiss(kept.id, "X")).unwrap();
    recorded(take(&blotter, &execution(&order, 10, "10.00", "E-1")));
    assert_eq!(history(&blotter, &order).order.filled_quantity, 10);
}

#[test]
fn executions_of_unknown_orders_are_told_apart_by_trader_and_client_order_id() {
    let (_db, blotter, order) = with_order_of(100);
    let [ada, grace] = [order.trader_id, trader(&blotter, "Grace").id].map(Some);
    let lost = |trader_id, client_order_id| Execution {
        order_id: None,
        trader_id,
        client_order_id,
        ..execution(&order, 10, "10.00", "E-1")
    };
    let (one, two) = (Some("C-1"), Some("C-2"));
    let each = [
        lost(ada, one),
        lost(grace, one),
        lost(ada, two),
        lost(ada, None),
        lost(None, one),
        lost(None, None),
    ];
    let keep = |execution| broken(take(&blotter, execution), BreakReason::UnknownOrder);
    let kept = each.each_ref().map(keep);
    assert_eq!(open(&blotter).len(), each.len());
    assert_eq!(kept.each_ref().map(|kept| kept.trader_id), each.each_ref().map(|e| e.trader_id));
    assert_eq!(each.each_ref().map(keep), kept);
    // The trader whom the report names sees the break.
    let seen = blotter.trader(order.trader_id).unwrap();
    let seen = seen.transaction(|tx| tx.breaks().open(&Filter::default(), ALL)).unwrap().rows;
    let seen: Vec<_> = seen.into_iter().map(|row| row.reported.id).collect();
    assert_eq!(seen, [kept[3].id, kept[2].id, kept[0].id]);

    // Of a stored order it is the order that counts.
    let over = Execution { trader_id: grace, ..execution(&order, 101, "10.00", "E-2") };
    let kept = broken(take(&blotter, &over), BreakReason::OverFill);
    assert_eq!(kept.trader_id, ada);
    for same in
        [Execution { trader_id: None, ..over.clone() }, Execution { trader_id: ada, ..over }]
    {
        assert_eq!(broken(take(&blotter, &same), BreakReason::OverFill), kept);
    }
}

/// An order with a fill E-1 of 40 shares, and the order that replaced it.
fn with_replaced_order() -> (Database, Blotter, Order, Order) {
    let (db, blotter, first) = with_order_of(100);
    recorded(take(&blotter, &execution(&first, 40, "10.00", "E-1")));
    let market = NewOrder::market(first.trader_id, Side::Buy, "AAPL", 60);
    let new = NewOrder { replaces: Some(first.id), ..market };
    let last = submit(&blotter, &new).unwrap();
    (db, blotter, first, last)
}

fn bust_of<'a>(order: &Order, of: &'a str, id: &'a str) -> Execution<'a> {
    Execution { kind: ExecutionKind::Bust { of }, ..execution(order, 0, "0", id) }
}

#[test]
fn an_amendment_that_names_the_last_order_of_a_chain_amends_the_fill_of_an_earlier_one() {
    let (_db, blotter, first, last) = with_replaced_order();
    let kind = ExecutionKind::Correction { of: "E-1" };
    let correction = Execution { kind, ..execution(&last, 30, "10.00", "E-2") };
    let corrected = recorded(take(&blotter, &correction));
    assert_eq!(corrected.order_id, first.id);
    assert_eq!(recorded(take(&blotter, &correction)), corrected);
    let bust = bust_of(&last, "E-1", "E-3");
    let busted = recorded(take(&blotter, &bust));
    assert_eq!((busted.order_id, busted.amends), (first.id, Some(corrected.id)));
    assert_eq!(recorded(take(&blotter, &bust)), busted);
    assert_eq!(history(&blotter, &first).order.filled_quantity, 0);
    assert!(open(&blotter).is_empty());
}

#[test]
fn a_break_of_an_amendment_is_booked_to_the_order_of_the_fill() {
    let (_db, blotter, first, last) = with_replaced_order();
    let early = broken(take(&blotter, &bust_of(&last, "E-2", "E-3")), BreakReason::UnknownFill);
    recorded(take(&blotter, &bust_of(&first, "E-1", "E-9")));
    resolve(&blotter, &NewBreakResolution::book(early.id, "X")).unwrap_err();
    // A fill of the first order that comes late, booked from its own break.
    let late = execution(&first, 10, "10.00", "E-2");
    let late = broken(take(&blotter, &late), BreakReason::OrderEnded);
    resolve(&blotter, &NewBreakResolution::book(late.id, "confirmed")).unwrap();
    assert_eq!(history(&blotter, &first).order.filled_quantity, 10);

    let booked = resolve(&blotter, &NewBreakResolution::book(early.id, "the fill came")).unwrap();
    assert_eq!(booked.order_id, Some(first.id));
    let first = history(&blotter, &first);
    assert_eq!(first.order.filled_quantity, 0);
    let bust = first.fills.iter().find(|fill| Some(fill.id) == booked.fill_id).unwrap();
    assert_eq!((bust.break_id, bust.is_bust), (Some(early.id), true));
    let says = history(&blotter, &last).log.pop().unwrap().reason;
    assert_eq!(says.as_deref(), Some("break booked to another order: the fill came"));
}

#[test]
fn a_dismissed_amendment_stays_out_whichever_order_of_the_chain_it_names() {
    let (_db, blotter, first, last) = with_replaced_order();
    let bust = bust_of(&last, "E-2", "E-3");
    let early = broken(take(&blotter, &bust), BreakReason::UnknownFill);
    resolve(&blotter, &NewBreakResolution::dismiss(early.id, "sent by mistake")).unwrap();
    let fill = history(&blotter, &first).fills.pop().unwrap();
    let bust = NewBust { amends: fill.id, timestamp: bust.timestamp, execution_id: Some("E-3") };
    let error = blotter.engine().transaction(|tx| tx.fills().bust(&bust)).unwrap_err();
    assert_refused(&error, Error::is_rule_violation, Some("fills_resolved_break"));
    let other = NewBust { execution_id: Some("E-4"), ..bust };
    blotter.engine().transaction(|tx| tx.fills().bust(&other)).unwrap();
}

#[test]
fn an_amendment_from_another_source_amends_the_only_fill_with_the_execution_id() {
    let (_db, blotter, order) = with_order_of(100);
    let from = |source, execution: Execution<'static>| Execution { source, ..execution };
    let (broker, desk) = (Some("BROKER"), Some("DESK"));
    let order_id = Some(order.id);
    let fill = |id| Execution { order_id, ..execution(&order, 10, "10.00", id) };
    let bust = |of, id| Execution { kind: ExecutionKind::Bust { of }, ..fill(id) };
    let one = recorded(take(&blotter, &from(broker, fill("E-1"))));
    let busted = recorded(take(&blotter, &from(desk, bust("E-1", "B-1"))));
    assert_eq!((busted.amends, busted.source.as_str()), (Some(one.id), "DESK"));
    assert_eq!(recorded(take(&blotter, &from(desk, bust("E-1", "B-1")))), busted);

    // Two sources have the id: neither is meant more than the other.
    let of_broker = recorded(take(&blotter, &from(broker, fill("E-2"))));
    recorded(take(&blotter, &from(None, fill("E-2"))));
    let ambiguous = from(desk, bust("E-2", "B-2"));
    let ambiguous = broken(take(&blotter, &ambiguous), BreakReason::UnknownFill);
    let says = ", but several of other sources: BROKER, NASDAQ";
    assert!(ambiguous.detail.ends_with(says), "{}", ambiguous.detail);
    let book = NewBreakResolution::book(ambiguous.id, "X");
    let refused = resolve(&blotter, &book).unwrap_err();
    assert_refused(&refused, Error::is_rule_violation, Some("fk_fills_amends"));
    // Its own source comes first. Then the bust of the other source is known, whatever came since.
    let busted = recorded(take(&blotter, &from(broker, bust("E-2", "B-3"))));
    assert_eq!(busted.amends, Some(of_broker.id));
    recorded(take(&blotter, &from(None, fill("E-1"))));
    let again = recorded(take(&blotter, &from(desk, bust("E-1", "B-1"))));
    assert_eq!(again.amends, Some(one.id));

    // A break from before the fill is booked by the same rules.
    let early = from(desk, bust("E-5", "B-5"));
    let early = broken(take(&blotter, &early), BreakReason::UnknownFill);
    let fill = recorded(take(&blotter, &from(broker, fill("E-5"))));
    let booked = resolve(&blotter, &NewBreakResolution::book(early.id, "it came")).unwrap();
    let bust = history(&blotter, &order).fills;
    let bust = bust.iter().find(|bust| Some(bust.id) == booked.fill_id).unwrap();
    assert_eq!((bust.amends, bust.source.as_str()), (Some(fill.id), "DESK"));
    assert_eq!(bust.venue, fill.venue);
}

#[test]
fn an_amendment_amends_the_last_fill_before_it_where_ids_start_again_each_day() {
    let (_db, blotter, order) = with_order_of(100);
    let at = |day, source, execution: Execution<'static>| Execution {
        timestamp: noon() + TimeDelta::days(day),
        source: Some(source),
        ..execution
    };
    let order_id = Some(order.id);
    let fill = || Execution { order_id, ..execution(&order, 10, "10.00", "1") };
    let bust =
        |id| Execution { kind: ExecutionKind::Bust { of: "1" }, ..execution(&order, 0, "0", id) };
    let days = ["XNAS 2026-11-24", "XNAS 2026-11-25", "XNAS 2026-11-26"];
    let of_day = [0, 1, 2].map(|day| recorded(take(&blotter, &at(day as i64, days[day], fill()))));
    recorded(take(&blotter, &at(0, "XNYS 2026-11-26", fill())));
    let amended = |day, source, id| recorded(take(&blotter, &at(day, source, bust(id)))).amends;
    // Its own day comes first, then the last day that was before it.
    assert_eq!(amended(2, days[0], "2"), Some(of_day[0].id));
    assert_eq!(amended(1, "XNAS 2026-11-27", "3"), Some(of_day[1].id));
    assert_eq!(amended(3, "XNAS", "4"), Some(of_day[2].id));
    let none = at(3, "XPAR 2026-11-26", bust("5"));
    broken(take(&blotter, &none), BreakReason::UnknownFill);
}

#[test]
fn a_break_is_booked_to_an_order_of_the_trader_that_was_reported_and_of_no_other() {
    let (_db, blotter, _, last) = with_replaced_order();
    let grace = trader(&blotter, "Grace");
    let graces = submit(&blotter, &NewOrder::market(grace.id, Side::Buy, "AAPL", 100)).unwrap();
    let lost = |id| Execution {
        order_id: None,
        trader_id: Some(last.trader_id),
        client_order_id: Some("C-9"),
        ..execution(&last, 10, "10.00", id)
    };
    let kept = broken(take(&blotter, &lost("E-2")), BreakReason::UnknownOrder);
    let book = |id, order: &Order| NewBreakResolution {
        resolution: Resolution::Book { order: Some(order.id) },
        ..NewBreakResolution::book(id, "found")
    };
    let refused = resolve(&blotter, &book(kept.id, &graces)).unwrap_err();
    assert_refused(&refused, Error::is_rule_violation, Some("break_resolutions_order"));
    let booked = resolve(&blotter, &book(kept.id, &last)).unwrap();
    assert_eq!((booked.order_id, booked.trader_id), (Some(last.id), Some(last.trader_id)));
    assert_eq!(history(&blotter, &last).order.filled_quantity, 10);

    // The trader sees that it was dismissed, although no order is known.
    let kept = broken(take(&blotter, &lost("E-3")), BreakReason::UnknownOrder);
    let dismissed = resolve(&blotter, &NewBreakResolution::dismiss(kept.id, "X")).unwrap();
    let session = blotter.trader(last.trader_id).unwrap();
    let seen = session.transaction(|tx| tx.breaks().get(kept.id)).unwrap();
    assert_eq!(seen.resolution, Some(dismissed));
}

#[test]
fn a_break_is_booked_to_another_order_of_the_chain() {
    let (_db, blotter, first, last) = with_replaced_order();
    let late = execution(&first, 10, "10.00", "E-2");
    let late = broken(take(&blotter, &late), BreakReason::OrderEnded);
    let book = NewBreakResolution {
        resolution: Resolution::Book { order: Some(last.id) },
        ..NewBreakResolution::book(late.id, "after the replacement")
    };
    resolve(&blotter, &book).unwrap();
    let filled = |order| history(&blotter, order).order.filled_quantity;
    assert_eq!((filled(&first), filled(&last)), (40, 10));

    // Recorded meanwhile for the other order, it is not booked twice.
    let over = execution(&first, 100, "10.00", "E-3");
    let over = broken(take(&blotter, &over), BreakReason::OrderEnded);
    let bigger = NewOrder::market(first.trader_id, Side::Buy, "AAPL", 100);
    let next = submit(&blotter, &NewOrder { replaces: Some(last.id), ..bigger }).unwrap();
    let fill = recorded(take(&blotter, &execution(&next, 100, "10.00", "E-3")));
    let booked = resolve(&blotter, &NewBreakResolution::book(over.id, "X")).unwrap();
    assert_eq!((booked.fill_id, booked.order_id), (Some(fill.id), Some(next.id)));
    assert_eq!(filled(&first), 40);
}

#[test]
fn what_was_said_of_a_break_holds_when_its_order_is_known_later() {
    let (_db, blotter, order) = with_order_of(100);
    let known = |id| Execution {
        trader_id: Some(order.trader_id),
        client_order_id: Some("C-1"),
        ..execution(&order, 10, "10.00", id)
    };
    let lost = |id| Execution { order_id: None, ..known(id) };
    let dismissed = broken(take(&blotter, &lost("E-1")), BreakReason::UnknownOrder);
    resolve(&blotter, &NewBreakResolution::dismiss(dismissed.id, "sent twice")).unwrap();
    assert_eq!(broken(take(&blotter, &known("E-1")), BreakReason::UnknownOrder), dismissed);
    // An open one is applied, and so is that of another client order id.
    broken(take(&blotter, &lost("E-2")), BreakReason::UnknownOrder);
    let batch = [
        known("E-2"),
        known("E-1"),
        Execution { client_order_id: Some("C-2"), ..known("E-1") },
        Execution { trader_id: None, ..known("E-3") },
    ];
    let outcomes =
        blotter.engine().transaction(|tx| tx.breaks().record_batch_or_break(&batch)).unwrap();
    // Dismissed because it is recorded now, it is the fill.
    let open = broken(take(&blotter, &lost("E-2")), BreakReason::UnknownOrder);
    resolve(&blotter, &NewBreakResolution::dismiss(open.id, "recorded")).unwrap();
    assert_eq!(told(&[take(&blotter, &known("E-2"))]), ["known E-2 10 at 10.00"]);
    let expected = [
        "recorded E-2 10 at 10.00",
        "broken by UNKNOWN_ORDER",
        "recorded E-1 10 at 10.00",
        "recorded E-3 10 at 10.00",
    ];
    assert_eq!(told(&outcomes), expected);
}
