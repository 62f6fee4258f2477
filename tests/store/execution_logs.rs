//! The execution log: which actions an order takes, and how its audit trail reads.

use chrono::TimeDelta;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use tradeblotter::role::Engine;
use tradeblotter::schema::execution_logs;
use tradeblotter::{
    Action, Blotter, Error, ExecutionLog, Filter, NewAction, NewExecutionLog, NewOrder, Order,
    OrderStatus, Page, Side, connect, transaction_on,
};
use uuid::Uuid;

use tradeblotter_test_support::raw::RawEntry;
use tradeblotter_test_support::{
    Database, EXECUTED, RECOVERED, REJECTED, append, assert_refused, fill_of, history, noon,
    record, submit, trader,
};

const ALL: Page = Page::first(100);

/// An order of 100 shares, brought to this status.
fn order_in(blotter: &Blotter, trader: Uuid, status: OrderStatus) -> Order {
    let order = submit(blotter, &NewOrder::market(trader, Side::Buy, "AAPL", 100)).unwrap();
    let fill = |quantity| {
        record(blotter, &fill_of(&order, quantity, "10.00")).unwrap();
    };
    let log = |action| {
        append(blotter, &NewExecutionLog::new(order.id, action)).unwrap();
    };
    match status {
        OrderStatus::Pending => {}
        OrderStatus::Partial => fill(40),
        OrderStatus::Filled => fill(100),
        OrderStatus::Rejected => log(REJECTED),
        OrderStatus::Cancelled => log(NewAction::Cancelled),
    }
    let order = history(blotter, &order).order;
    assert_eq!(order.status, status);
    order
}

#[test]
fn an_action_is_logged_with_all_its_details() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let ada = trader(&blotter, "Ada");
    let order = order_in(&blotter, ada.id, OrderStatus::Pending);
    let reason = "nö answer\n".repeat(100);
    let code = "é".repeat(50);
    for retry_attempt in [None, Some(0), Some(1), Some(i32::MAX)] {
        let error_code = Some(code.as_str());
        let action = NewAction::Recovered { retry_attempt, error_code, ended: None };
        let new =
            NewExecutionLog { reason: Some(&reason), ..NewExecutionLog::new(order.id, action) };
        let entry = append(&blotter, &new).unwrap();
        assert_eq!((entry.order_id, entry.trader_id), (order.id, ada.id));
        assert_eq!((entry.action, entry.status), (Action::Recovered, Some(OrderStatus::Pending)));
        assert_eq!(entry.reason.as_deref(), new.reason);
        assert_eq!(entry.retry_attempt, retry_attempt);
        assert_eq!(entry.error_code.as_deref(), error_code);
        assert_eq!(history(&blotter, &order).log.last(), Some(&entry));
    }
}

#[test]
fn an_open_order_goes_where_the_action_leads_and_keeps_its_fills() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let ada = trader(&blotter, "Ada");
    for before in [OrderStatus::Pending, OrderStatus::Partial] {
        for (action, after) in [
            (NewAction::Approved, before),
            (EXECUTED, before),
            (RECOVERED, before),
            (REJECTED, OrderStatus::Rejected),
            (NewAction::Cancelled, OrderStatus::Cancelled),
        ] {
            let order = order_in(&blotter, ada.id, before);
            let new = NewExecutionLog::new(order.id, action);
            let entry = append(&blotter, &new).unwrap();
            assert_eq!((entry.action, entry.status), (action.action(), Some(after)));

            let now = history(&blotter, &order);
            assert_eq!(now.log.last(), Some(&entry));
            let updated_at = entry.timestamp;
            assert!(updated_at > order.updated_at);
            assert_eq!(now.order, Order { status: after, updated_at, ..order });
        }
    }
}

#[test]
fn an_order_that_has_ended_takes_no_action_but_recovered() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let ada = trader(&blotter, "Ada");
    for status in [OrderStatus::Filled, OrderStatus::Rejected, OrderStatus::Cancelled] {
        let order = order_in(&blotter, ada.id, status);
        let before = db.contents();
        for action in [NewAction::Approved, EXECUTED, REJECTED, NewAction::Cancelled] {
            let new = NewExecutionLog::new(order.id, action);
            let error = append(&blotter, &new).unwrap_err();
            assert_refused(&error, Error::is_illegal_transition, Some("orders_transition"));
            let text =
                format!("order {} is {status}, which does not allow {}", order.id, action.action());
            assert!(error.to_string().starts_with(&text), "{error}");
        }
        assert_eq!(db.contents(), before);

        let new = NewExecutionLog::new(order.id, RECOVERED);
        let entry = append(&blotter, &new).unwrap();
        assert_eq!(entry.status, Some(status));
        assert_eq!(history(&blotter, &order).order, Order { updated_at: entry.timestamp, ..order });
    }
}

#[test]
fn what_the_store_logs_itself_is_not_logged_by_hand() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let ada = trader(&blotter, "Ada");
    for status in OrderStatus::ALL {
        let order = order_in(&blotter, ada.id, *status);
        let before = db.contents();
        for action in [Action::Submitted, Action::Filled] {
            // The API cannot log them; a raw client may try.
            let new = RawEntry::new(order.id, action);
            assert_eq!(new.typed(), None);
            let error = blotter.engine().transaction(|tx| new.insert(tx)).unwrap_err();
            assert_refused(&error, Error::is_rule_violation, Some("execution_logs_automatic"));
        }
        assert_eq!(db.contents(), before);
    }
}

#[test]
fn an_entry_that_makes_no_sense_is_refused_and_leaves_nothing_behind() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let ada = trader(&blotter, "Ada");
    let order = order_in(&blotter, ada.id, OrderStatus::Pending);
    let cancel = NewExecutionLog::new(order.id, NewAction::Cancelled);
    let long = "c".repeat(51);
    let action = |action| NewExecutionLog { action, ..cancel };
    let rejected = |code| action(NewAction::Rejected { error_code: Some(code) });
    let retried = |attempt| {
        let retry_attempt = Some(attempt);
        action(NewAction::Recovered { retry_attempt, error_code: None, ended: None })
    };
    let refused = [
        NewExecutionLog { reason: Some(""), ..cancel },
        NewExecutionLog { reason: Some(" \n"), ..cancel },
        NewExecutionLog { reason: Some("be\0cause"), ..cancel },
        rejected(""),
        rejected("9\09"),
        rejected(&long),
        retried(-1),
        retried(i32::MIN),
    ];
    let before = db.contents();
    for new in refused {
        let error = append(&blotter, &new).unwrap_err();
        assert_refused(&error, Error::is_invalid_input, None);
    }
    let unknown = NewExecutionLog::new(Uuid::now_v7(), NewAction::Cancelled);
    let error = append(&blotter, &unknown).unwrap_err();
    assert_refused(&error, Error::is_not_found, None);
    assert!(error.to_string().contains(&unknown.order_id.to_string()), "{error}");
    assert_eq!(db.contents(), before);
}

#[test]
fn a_trail_has_the_actions_in_the_order_in_which_the_order_took_them() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let ada = trader(&blotter, "Ada");
    let order = order_in(&blotter, ada.id, OrderStatus::Pending);
    let fill = |quantity| fill_of(&order, quantity, "10.00");

    // The transaction that begins first writes last.
    let early = &mut connect(&db.app_url()).unwrap();
    transaction_on(early, Engine, |tx| {
        record(&blotter, &fill(40))?;
        tx.fills().record(&fill(60))
    })
    .unwrap();

    let history = history(&blotter, &order);
    let statuses: Vec<_> = history.log.iter().filter_map(|entry| entry.status).collect();
    assert_eq!(statuses, [OrderStatus::Pending, OrderStatus::Partial, OrderStatus::Filled]);
    let last = history.log.last().unwrap();
    assert!(history.order.updated_at >= history.order.created_at);
    assert_eq!(last.status, Some(history.order.status));
}

#[test]
fn a_listing_has_the_entries_that_match_every_part_of_the_filter_either_way_round() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let (ada, grace) = (trader(&blotter, "Ada").id, trader(&blotter, "Grace").id);
    let order =
        |trader, symbol| submit(&blotter, &NewOrder::market(trader, Side::Buy, symbol, 2)).unwrap();
    let log = |order: &Order, action| {
        append(&blotter, &NewExecutionLog::new(order.id, action)).unwrap();
    };
    let (rejected, approved, graces) =
        (order(ada, "AAPL"), order(ada, "MSFT"), order(grace, "MSFT"));
    log(&rejected, REJECTED);
    log(&approved, NewAction::Approved);
    log(&graces, NewAction::Cancelled);
    let minute = |minutes| noon() + TimeDelta::minutes(minutes);
    let [a, b, c, d, e, f] = dated_by_minutes(&db);

    let any = Filter::default();
    let of_trader = Filter::of_trader;
    let cases: &[(Filter<'_>, &[&ExecutionLog])] = &[
        (any, &[&a, &b, &c, &d, &e, &f]),
        (of_trader(ada), &[&a, &b, &d, &e]),
        (of_trader(Uuid::now_v7()), &[]),
        (Filter { order_id: Some(rejected.id), ..any }, &[&a, &d]),
        (Filter { order_id: Some(rejected.id), ..of_trader(grace) }, &[]),
        (Filter { symbol: Some("MSFT"), ..any }, &[&b, &c, &e, &f]),
        // The status after the action, which is not what the order has become since.
        (Filter { statuses: &[OrderStatus::Pending], ..any }, &[&a, &b, &c, &e]),
        (Filter { statuses: &[OrderStatus::Rejected, OrderStatus::Cancelled], ..any }, &[&d, &f]),
        (Filter { from: Some(minute(4)), ..any }, &[&e, &f]),
        (Filter { until: Some(minute(2)), ..any }, &[&a, &b]),
        (
            Filter {
                trader_id: Some(ada),
                order_id: Some(approved.id),
                symbol: Some("MSFT"),
                account: None,
                time_in_force: None,
                statuses: OrderStatus::OPEN,
                from: Some(minute(1)),
                until: Some(minute(4)),
            },
            &[&b],
        ),
    ];
    let everyones = db.blotter();
    for (filter, expected) in cases {
        let (trail, mut recent) = everyones
            .engine()
            .transaction(|tx| {
                let trail = tx.execution_logs().trail(filter, ALL)?;
                Ok::<_, Error>((trail, tx.execution_logs().recent(filter, ALL)?))
            })
            .unwrap();
        assert_eq!(trail.rows.iter().collect::<Vec<_>>(), *expected, "{filter:?}");
        recent.rows.reverse();
        assert_eq!(recent, trail, "{filter:?}");
    }
}

/// Sets the times of the six entries to a minute apart from noon on, which no client can.
fn dated_by_minutes(db: &Database) -> [ExecutionLog; 6] {
    let conn = &mut db.unguarded();
    let mut at = noon();
    let mut log = db.contents().log;
    log.sort_by_key(|entry| entry.created_at);
    let dated = log.into_iter().map(|entry| {
        let moment = execution_logs::timestamp.eq(at);
        at += TimeDelta::minutes(1);
        diesel::update(execution_logs::table.find(entry.id))
            .set(moment)
            .returning(ExecutionLog::as_returning())
            .get_result(conn)
            .unwrap()
    });
    dated.collect::<Vec<_>>().try_into().unwrap()
}

/// A batch once drew the number of its first entry before it wrote anything: nothing showed then that an entry with
/// that number might still come, and a seal could settle it.
#[test]
fn whoever_draws_a_number_has_written_before_and_has_a_transaction_id() {
    let db = Database::migrated();
    let store = db.blotter();
    let check = "
        CREATE FUNCTION check_id() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
        BEGIN
            IF pg_current_xact_id_if_assigned() IS NULL THEN
                RAISE 'a number was drawn without a transaction id';
            END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER zz_check_id BEFORE INSERT ON execution_logs FOR EACH ROW EXECUTE FUNCTION check_id()";
    db.admin().batch_execute(check).unwrap();
    let ada = trader(&store, "Ada").id;
    let engine = store.engine();
    let market = |quantity| NewOrder::market(ada, Side::Buy, "AAPL", quantity);
    // Every 32nd draw makes a transaction id by itself.
    for _ in 0..3 {
        let orders = engine.transaction(|tx| tx.orders().submit_batch(&[market(9), market(9)]));
        let orders: Vec<Order> = orders.unwrap();
        submit(&store, &market(9)).unwrap();
        let fill = fill_of(&orders[0], 1, "10.00");
        engine.transaction(|tx| tx.fills().record_batch(&[fill, fill])).unwrap();
        record(&store, &fill).unwrap();
        let routed = NewExecutionLog::new(orders[0].id, EXECUTED);
        engine.transaction(|tx| tx.execution_logs().append_batch(&[routed])).unwrap();
        append(&store, &routed).unwrap();
        let own = store.trader(ada).unwrap();
        own.transaction(|tx| tx.execution_logs().cancel(orders[1].id, None)).unwrap();
    }
}
