//! Orders: which are accepted, which are refused, and how they are read.

use std::slice;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use tradeblotter::schema::orders;
use tradeblotter::{
    Action, Blotter, Error, Filter, Instructions, NewAction, NewExecutionLog, NewFill, NewOrder,
    Order, OrderStatus, OrderType, Page, Side, TimeInForce, Trader,
};
use uuid::Uuid;

use tradeblotter_test_support::{
    Database, REJECTED, append, assert_refused, fill_of, history, noon, price, record, submit,
    trader,
};

const ALL: Page = Page::first(100);

#[test]
fn an_order_of_each_type_is_stored_as_it_was_submitted() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let ada = trader(&blotter, "Ada");
    let protected = NewOrder {
        stop_loss: Some(price("0.01")),
        take_profit: Some(price("99999999.99")),
        expires_at: Some(noon()),
        ..NewOrder::limit(ada.id, Side::Buy, "AAPL", 1, price("10.50"))
    };
    let all = [
        NewOrder::market(ada.id, Side::Buy, "AAPL", 100),
        NewOrder::limit(ada.id, Side::Buy, "MSFT", i32::MAX, price("99999999.99")),
        NewOrder::stop(ada.id, Side::Buy, "TSLA", 50, price("0.01")),
        protected,
    ];
    for new in all {
        let order = submit(&blotter, &new).unwrap();
        assert_eq!(terms(&order), new);
        let session = blotter.trader(ada.id).unwrap();
        assert_eq!(session.transaction(|tx| tx.orders().get(order.id)).unwrap(), order);
    }
}

#[test]
fn a_new_order_is_pending_with_nothing_filled() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let ada = trader(&blotter, "Ada");
    let order = submit(&blotter, &NewOrder::market(ada.id, Side::Buy, "AAPL", 100)).unwrap();
    assert_eq!(order.status, OrderStatus::Pending);
    assert_eq!((order.filled_quantity, order.average_fill_price), (0, None));
    assert_eq!(order.updated_at, order.created_at);
}

#[test]
fn an_order_is_logged_as_submitted_in_its_own_transaction() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let ada = trader(&blotter, "Ada");
    let order = submit(&blotter, &NewOrder::market(ada.id, Side::Buy, "AAPL", 100)).unwrap();

    let entries = history(&blotter, &order).log;
    let [entry] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!((entry.order_id, entry.trader_id), (order.id, ada.id));
    assert_eq!((entry.action, entry.status), (Action::Submitted, Some(OrderStatus::Pending)));
    assert_eq!((&entry.reason, entry.retry_attempt, &entry.error_code), (&None, None, &None));
    // Both default to the time that the transaction began.
    assert_eq!(entry.created_at, order.created_at);
}

#[test]
fn a_symbol_is_measured_in_characters_and_not_in_bytes() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let ada = trader(&blotter, "Ada");
    let symbol = "ÄÖÜÄÖÜÄÖÜÄ";
    assert_eq!(
        submit(&blotter, &NewOrder::market(ada.id, Side::Buy, symbol, 1)).unwrap().symbol,
        symbol
    );
}

#[test]
fn an_order_that_makes_no_sense_is_refused_and_leaves_nothing_behind() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let ada = trader(&blotter, "Ada");
    let nobody = Uuid::now_v7();
    let market = NewOrder::market(ada.id, Side::Buy, "AAPL", 100);
    let with_symbol = |symbol| NewOrder { symbol, ..market };
    let with_quantity = |quantity| NewOrder { quantity, ..market };
    let without_price = |order_type| NewOrder { order_type, ..market };
    let with_price = NewOrder { price: Some(price("1.00")), ..market };

    let invalid = [
        with_symbol(""),
        with_symbol(" \t"),
        with_symbol("ABCDEFGHIJK"),
        with_symbol("AAPL       "),
        with_symbol("AA\0PL"),
        with_price,
    ];
    let quantity = Some("ck_orders_quantity_positive");
    let unpriced = Some("ck_orders_limit_requires_price");
    let violations = [
        (with_quantity(0), quantity),
        (with_quantity(-1), quantity),
        (with_quantity(i32::MIN), quantity),
        (without_price(OrderType::Limit), unpriced),
        (without_price(OrderType::Stop), unpriced),
        (NewOrder { trader_id: nobody, ..market }, Some("fk_orders_trader_id")),
    ];

    let before = db.contents();
    for new in invalid {
        let error = submit(&blotter, &new).unwrap_err();
        assert_refused(&error, Error::is_invalid_input, None);
    }
    for (new, rule) in violations {
        let error = submit(&blotter, &new).unwrap_err();
        assert_refused(&error, Error::is_rule_violation, rule);
        assert!(error.to_string().contains(&new.trader_id.to_string()), "{error}");
    }
    assert_eq!(db.contents(), before);
}

#[test]
fn an_order_for_another_trader_is_denied_and_leaves_nothing_behind() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let (ada, grace) = (trader(&blotter, "Ada"), trader(&blotter, "Grace"));
    let graces = NewOrder::market(grace.id, Side::Buy, "AAPL", 100);
    let before = db.contents();
    let session = blotter.trader(ada.id).unwrap();
    let error = session.transaction(|tx| tx.orders().submit(&graces)).unwrap_err();
    assert_refused(&error, Error::is_permission_denied, None);
    assert!(error.to_string().contains(&grace.id.to_string()), "{error}");
    assert_eq!(db.contents(), before);
}

#[test]
fn an_unknown_order_is_not_found_and_the_error_names_it() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let session = blotter.trader(trader(&blotter, "Ada").id).unwrap();
    let id = Uuid::now_v7();
    let get = session.transaction(|tx| tx.orders().get(id)).unwrap_err();
    let history = session.transaction(|tx| tx.orders().history(id)).unwrap_err();
    for error in [get, history] {
        assert_refused(&error, Error::is_not_found, None);
        assert!(error.to_string().contains(&id.to_string()), "{error}");
    }
}

#[test]
fn a_history_has_the_order_its_fills_and_its_log_oldest_first() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let ada = trader(&blotter, "Ada");
    let order = submit(&blotter, &NewOrder::market(ada.id, Side::Buy, "AAPL", 100)).unwrap();
    let other = submit(&blotter, &NewOrder::market(ada.id, Side::Buy, "AAPL", 100)).unwrap();
    record(&blotter, &fill_of(&other, 1, "9.00")).unwrap();

    let early = fill_of(&order, 40, "10.00");
    let mut late = fill_of(&order, 60, "11.00");
    late.timestamp += TimeDelta::microseconds(1);
    // Venues report out of order; a history does not.
    let late = record(&blotter, &late).unwrap();
    let early = record(&blotter, &early).unwrap();

    let history = history(&blotter, &order);
    assert_eq!(history.order.status, OrderStatus::Filled);
    assert_eq!(history.fills, [early, late]);
    let log: Vec<_> = history.log.iter().map(|entry| (entry.action, entry.status)).collect();
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
fn a_listing_has_the_orders_that_match_every_part_of_the_filter_newest_first() {
    let db = Database::migrated();
    let (ada, grace, book) = book(&db);
    let [pending, partial, filled, rejected, cancelled, graces] = book.each_ref();
    let of_trader = Filter::of_trader;
    let any = Filter::default();
    let minute = |minutes| Some(noon() + TimeDelta::minutes(minutes));

    let cases: &[(Filter<'_>, &[&Order])] = &[
        (any, &[graces, cancelled, rejected, filled, partial, pending]),
        (of_trader(ada.id), &[cancelled, rejected, filled, partial, pending]),
        (of_trader(grace.id), &[graces]),
        (of_trader(Uuid::now_v7()), &[]),
        (Filter { symbol: Some("MSFT"), ..any }, &[graces, partial]),
        (Filter { order_id: Some(filled.id), ..any }, &[filled]),
        (Filter { symbol: Some("msft"), ..any }, &[]),
        (Filter { symbol: Some("%"), ..any }, &[]),
        (Filter { statuses: &[OrderStatus::Filled], ..any }, &[filled]),
        (
            Filter { statuses: &[OrderStatus::Rejected, OrderStatus::Cancelled], ..any },
            &[cancelled, rejected],
        ),
        (Filter { statuses: OrderStatus::ALL, ..of_trader(grace.id) }, &[graces]),
        (Filter { from: minute(3), ..any }, &[graces, cancelled, rejected]),
        (Filter { until: minute(2), ..any }, &[partial, pending]),
        (Filter { from: minute(1), until: minute(3), ..any }, &[filled, partial]),
        (Filter { from: minute(3), until: minute(3), ..any }, &[]),
        (
            Filter {
                trader_id: Some(ada.id),
                order_id: Some(partial.id),
                symbol: Some("MSFT"),
                account: None,
                time_in_force: None,
                statuses: OrderStatus::OPEN,
                from: minute(0),
                until: minute(9),
            },
            &[partial],
        ),
    ];
    let everyones = db.blotter();
    for (filter, expected) in cases {
        let listing =
            everyones.compliance().transaction(|tx| tx.orders().recent(filter, ALL)).unwrap();
        assert_eq!(listing.rows.iter().collect::<Vec<_>>(), *expected, "{filter:?}");
        assert_eq!(listing.next, None);
    }
}

#[test]
fn the_open_orders_are_those_that_can_still_be_filled() {
    let db = Database::migrated();
    let (ada, _, [pending, partial, ..]) = book(&db);
    let blotter = db.blotter();
    let session = blotter.trader(ada.id).unwrap();
    let open = session.transaction(|tx| tx.orders().open(ada.id, ALL)).unwrap();
    assert_eq!(open.rows, [partial.clone(), pending]);

    let newest = session.transaction(|tx| tx.orders().open(ada.id, Page::first(1))).unwrap();
    assert_eq!(newest.rows, slice::from_ref(&partial));
    assert!(newest.next.is_some());
}

/// Ada's orders in every status and one of Grace's, oldest first and a minute apart from noon on.
fn book(db: &Database) -> (Trader, Trader, [Order; 6]) {
    let blotter = db.blotter();
    let (ada, grace) = (trader(&blotter, "Ada"), trader(&blotter, "Grace"));
    let new = |trader: &Trader, symbol| {
        submit(&blotter, &NewOrder::market(trader.id, Side::Buy, symbol, 100)).unwrap()
    };
    let fill = |order: &Order, quantity| {
        record(&blotter, &fill_of(order, quantity, "10.00")).unwrap();
    };
    let end = |order: &Order, action| {
        append(&blotter, &NewExecutionLog::new(order.id, action)).unwrap();
    };
    let pending = new(&ada, "AAPL");
    let partial = new(&ada, "MSFT");
    fill(&partial, 1);
    let filled = new(&ada, "AAPL");
    fill(&filled, 100);
    let rejected = new(&ada, "AAPL");
    end(&rejected, REJECTED);
    let cancelled = new(&ada, "AAPL");
    end(&cancelled, NewAction::Cancelled);
    let graces = new(&grace, "MSFT");

    let mut at = noon();
    let book = [pending, partial, filled, rejected, cancelled, graces].map(|order| {
        submitted_at(db, &order, at);
        at += TimeDelta::minutes(1);
        current(&blotter, &order)
    });
    (ada, grace, book)
}

/// Sets the time of an order, which no client can.
fn submitted_at(db: &Database, order: &Order, at: DateTime<Utc>) {
    let changed = diesel::update(orders::table.find(order.id)).set(orders::created_at.eq(at));
    assert_eq!(changed.execute(&mut db.unguarded()), Ok(1));
}

fn current(blotter: &Blotter, order: &Order) -> Order {
    history(blotter, order).order
}

/// The terms that the client submitted.
fn terms(order: &Order) -> NewOrder<'_> {
    NewOrder {
        trader_id: order.trader_id,
        side: order.side.unwrap(),
        symbol: &order.symbol,
        quantity: order.quantity,
        order_type: order.order_type,
        price: order.price,
        stop_loss: order.stop_loss,
        take_profit: order.take_profit,
        expires_at: order.expires_at,
        client_order_id: order.client_order_id.as_deref(),
        replaces: order.replaces,
        trading_day: order.trading_day,
        account: order.account.as_deref(),
        time_in_force: order.time_in_force,
        limit_price: order.limit_price,
        currency: order.currency.as_deref(),
        received_at: order.received_at,
        instructions: order.instructions.as_ref(),
    }
}

#[test]
fn a_value_that_no_listing_could_be_read_for_is_stored_for_no_client() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let ada = trader(&blotter, "Ada");
    let order = submit(&blotter, &NewOrder::market(ada.id, Side::Buy, "AAPL", 100)).unwrap();
    let (id, trader) = (order.id, ada.id);
    let new_order = |column: &str, value: &str| {
        let symbol = if column == "symbol" { value } else { "'AAPL'" };
        let expires_at = if column == "expires_at" { value } else { "NULL" };
        format!(
            "INSERT INTO orders (trader_id, symbol, quantity, order_type, expires_at)
             VALUES ('{trader}', {symbol}, 1, 'MARKET', {expires_at})"
        )
    };
    let new_fill = |venue: &str, at: &str| {
        format!(
            "INSERT INTO fills (order_id, quantity_filled, price_at_fill, venue, timestamp)
             VALUES ('{id}', 1, 10, {venue}, {at})"
        )
    };
    let new_entry = |column: &str, value: &str| {
        format!(
            "INSERT INTO execution_logs (order_id, action, {column})
             VALUES ('{id}', 'RECOVERED', {value})"
        )
    };
    let before = db.contents();
    for (sql, rule) in [
        (new_order("expires_at", "'infinity'"), "ck_orders_expires_at_readable"),
        (new_order("expires_at", "'-infinity'"), "ck_orders_expires_at_readable"),
        (new_order("expires_at", "'294000-01-01'"), "ck_orders_expires_at_readable"),
        (new_order("symbol", "' '"), "ck_orders_symbol_not_blank"),
        (new_fill("'X'", "'infinity'"), "ck_fills_timestamp_readable"),
        (new_fill("'X'", "'-infinity'"), "ck_fills_timestamp_readable"),
        (new_fill("''", "now()"), "ck_fills_venue_not_blank"),
        (new_entry("reason", "repeat('x', 1001)"), "ck_execution_logs_reason_short"),
        (new_entry("retry_attempt", "-1"), "ck_execution_logs_retry_attempt_nonnegative"),
    ] {
        let refused =
            blotter.engine().transaction(|tx| Ok::<_, Error>(tx.connection().batch_execute(&sql)?));
        assert_refused(&refused.expect_err(&sql), Error::is_rule_violation, Some(rule));
    }
    assert_eq!(db.contents(), before);
}

#[test]
fn the_terms_of_an_order_come_back_as_they_were_submitted_and_filter_listings() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let ada = trader(&blotter, "Ada");
    let instructions: Instructions = [("18", "G"), ("110", "200")].into_iter().collect();
    let new = NewOrder {
        trading_day: chrono::NaiveDate::from_ymd_opt(2026, 11, 20),
        account: Some("ACC-1"),
        time_in_force: Some(TimeInForce::Gtc),
        limit_price: Some(price("9.50")),
        currency: Some("USD"),
        received_at: Some(noon()),
        instructions: Some(&instructions),
        client_order_id: Some("C-1"),
        ..NewOrder::stop(ada.id, Side::SellShort, "AAPL", 100, price("9.00"))
    };
    let order = submit(&blotter, &new).unwrap();
    assert_eq!(terms(&order), new);
    assert_eq!((order.root_id, order.break_count), (order.id, 0));
    // The same terms are the same order, others under its ids are refused; another day is another order.
    assert_eq!(submit(&blotter, &new).unwrap(), order);
    let other = submit(&blotter, &NewOrder { account: Some("ACC-2"), ..new }).unwrap_err();
    assert_eq!(other.differing_fields(), ["account"]);
    let next_day = NewOrder { trading_day: new.trading_day.unwrap().succ_opt(), ..new };
    let next_day = submit(&blotter, &NewOrder { account: Some("ACC-2"), ..next_day }).unwrap();
    assert_ne!(next_day.id, order.id);
    // In a batch too.
    let batch = [new, NewOrder { client_order_id: Some("C-2"), ..new }];
    let stored = blotter.engine().transaction(|tx| tx.orders().submit_batch(&batch)).unwrap();
    assert_eq!((&stored[0], terms(&stored[1])), (&order, batch[1]));
    let at_close = NewOrder { time_in_force: Some(TimeInForce::Cls), ..new };
    let at_close =
        submit(&blotter, &NewOrder { client_order_id: Some("C-3"), ..at_close }).unwrap();
    submit(&blotter, &NewOrder { client_order_id: Some("C-4"), time_in_force: None, ..new })
        .unwrap();
    let any = Filter::default();
    for (filter, expected) in [
        (Filter { account: Some("ACC-2"), ..any }, Some(&next_day)),
        (Filter { time_in_force: Some(TimeInForce::Cls), ..any }, Some(&at_close)),
        // An order that states no time in force is not listed as DAY.
        (Filter { time_in_force: Some(TimeInForce::Day), ..any }, None),
    ] {
        let session = blotter.compliance();
        let listed = session.snapshot(|tx| tx.orders().recent(&filter, Page::first(9))).unwrap();
        assert_eq!(listed.rows.iter().collect::<Vec<_>>(), Vec::from_iter(expected));
        let log = session.snapshot(|tx| tx.execution_logs().trail(&filter, Page::first(9)));
        let log: Vec<_> = log.unwrap().rows.iter().map(|entry| entry.order_id).collect();
        assert_eq!(log, Vec::from_iter(expected.map(|order| order.id)));
    }
    // What the store does not take is refused before it is sent.
    for (wrong, field) in [
        (NewOrder { currency: Some("usd"), ..new }, "currency"),
        (NewOrder { account: Some("A\u{1}B"), ..new }, "account"),
        (NewOrder { symbol: "A\tB", ..new }, "symbol"),
        (
            NewOrder { limit_price: new.price, ..NewOrder::market(ada.id, Side::Buy, "X", 1) },
            "limit",
        ),
        (NewOrder { trading_day: Some(chrono::NaiveDate::MAX), ..new }, "trading day"),
    ] {
        let error = submit(&blotter, &wrong).unwrap_err();
        assert!(error.is_invalid_input() && error.to_string().contains(field), "{error}");
    }
}

#[test]
fn the_orders_of_a_chain_have_the_root_of_the_first() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let ada = trader(&blotter, "Ada");
    let new = NewOrder::market(ada.id, Side::Buy, "AAPL", 100);
    let first = submit(&blotter, &new).unwrap();
    let second = submit(&blotter, &NewOrder { replaces: Some(first.id), ..new }).unwrap();
    let third = submit(&blotter, &NewOrder { replaces: Some(second.id), ..new }).unwrap();
    assert_eq!([first.root_id, second.root_id, third.root_id], [first.id; 3]);
    // An execution is recorded once in the chain, whichever of its orders a report names.
    let fill = NewFill { execution_id: Some("E-1"), ..fill_of(&third, 10, "10.00") };
    let stored = record(&blotter, &fill).unwrap();
    assert_eq!(record(&blotter, &NewFill { order_id: first.id, ..fill }).unwrap(), stored);
    assert_eq!((stored.root_id, stored.source.as_str()), (first.id, fill.venue));
    // Another source is another execution.
    let other = record(&blotter, &NewFill { source: Some("BROKER"), ..fill }).unwrap();
    assert_ne!(other.id, stored.id);
}
