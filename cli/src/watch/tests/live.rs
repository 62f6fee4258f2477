//! The screen on a database that is written to: it comes to what the store says, without repeats and gaps.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use ratatui::crossterm::event::KeyCode;
use tradeblotter::audit::{SealKey, SealOptions};
use tradeblotter::status::Status;
use tradeblotter::{
    Blotter, Execution, ExecutionKind, Filter, NewAction, NewBust, NewExecutionLog, NewFill,
    NewOrder, Order, Page, Side, Trader,
};
use uuid::Uuid;

use tradeblotter_test_support::{Database, append, fill_of, noon, price, record, submit, trader};

use super::watched::Watched;
use crate::watch::data::{Connection, RoleSession};
use crate::watch::rows::ListedOrder;

fn market(trader: &Trader, symbol: &'static str) -> NewOrder<'static> {
    NewOrder::market(trader.id, Side::Buy, symbol, 100)
}

/// A fill of an order that has ended, which is kept as a break.
fn late_fill(store: &Blotter, order: &Order, execution_id: &str) {
    let late = Execution {
        kind: ExecutionKind::Fill,
        order_id: Some(order.id),
        timestamp: noon(),
        quantity: 10.into(),
        price: 10.into(),
        venue: "XNAS",
        commission: 0.into(),
        rebate: 0.into(),
        source: None,
        trader_id: None,
        client_order_id: None,
        execution_id: Some(execution_id),
        raw: None,
    };
    store.engine().transaction(|tx| tx.breaks().record_or_break(&late)).unwrap();
}

fn cancel(store: &Blotter, order: &Order) {
    append(store, &NewExecutionLog::new(order.id, NewAction::Cancelled)).unwrap();
}

/// All orders, the newest first, each as the store has it.
fn stored(store: &Blotter) -> Vec<Order> {
    let filter = Filter::default();
    let mut page = Page::first(1000);
    let mut orders = Vec::new();
    loop {
        let listing = store.engine().snapshot(|tx| tx.orders().recent(&filter, page)).unwrap();
        orders.extend(listing.rows);
        let Some(next) = listing.next else { return orders };
        page = Page::after(next, 1000);
    }
}

#[test]
fn under_load_the_screen_comes_to_what_the_store_says_without_repeats_and_gaps() {
    let db = Database::migrated();
    let store = db.blotter();
    let traders = ["Ada", "Grace"].map(|name| trader(&store, name));
    let mut watched = Watched::engine(&db, 120, 40);
    let is_over = Arc::new(AtomicBool::new(false));
    let submitted = Arc::new(Mutex::new(0));
    let writers: Vec<_> = traders
        .into_iter()
        .map(|trader| {
            let (store, is_over) = (db.blotter(), Arc::clone(&is_over));
            let submitted = Arc::clone(&submitted);
            thread::spawn(move || {
                for n in 0_usize.. {
                    let symbol = ["AAPL", "IBM", "MSFT"][n % 3];
                    let order = submit(&store, &market(&trader, symbol)).unwrap();
                    let fill = record(&store, &fill_of(&order, 40, "10.00")).unwrap();
                    record(&store, &fill_of(&order, 60, "10.02")).unwrap();
                    match n % 4 {
                        0 => {
                            let bust =
                                NewBust { amends: fill.id, timestamp: noon(), execution_id: None };
                            store.engine().transaction(|tx| tx.fills().bust(&bust)).unwrap();
                        }
                        1 => late_fill(&store, &order, &format!("{}-{n}", trader.name)),
                        _ => {}
                    }
                    *submitted.lock().unwrap() += 1;
                    if is_over.load(Ordering::Relaxed) {
                        return;
                    }
                }
            })
        })
        .collect();

    // Meanwhile the screen is used: pages down and up, sorts, the breaks.
    let keys = [
        KeyCode::PageDown,
        KeyCode::Down,
        KeyCode::PageUp,
        KeyCode::Char('s'),
        KeyCode::Tab,
        KeyCode::PageDown,
        KeyCode::BackTab,
        KeyCode::Char('g'),
    ];
    let begun = Instant::now();
    for key in keys.iter().cycle() {
        if begun.elapsed() > Duration::from_secs(6) && *submitted.lock().unwrap() > 100 {
            break;
        }
        watched.press(*key);
        let wanted = watched.app.model.wanted();
        watched.until("an answer", |model| {
            model.orders.page.is_some() && model.breaks.page.is_some() || model.wanted() != wanted
        });
        let numbers: Vec<i64> =
            watched.app.model.orders.rows().iter().map(|row| row.number).collect();
        let direction = watched.app.model.orders.direction;
        assert!(numbers.is_sorted_by(|a, b| direction.compare(*a, *b).is_lt()), "{numbers:?}");
        watched.text();
    }
    is_over.store(true, Ordering::Relaxed);
    writers.into_iter().for_each(|writer| writer.join().unwrap());

    // Back to the newest.
    while watched.app.model.sort != crate::watch::wanted::Sort::Newest {
        watched.press(KeyCode::Char('s'));
    }
    while watched.app.model.focus != crate::watch::model::Pane::Orders {
        watched.press(KeyCode::Tab);
    }
    watched.press(KeyCode::Char('g'));
    let all = stored(&store);
    // The sequence of numbers is that of times, but for what was written at the same moment.
    watched.until("the newest orders as they are stored", |model| {
        let rows = model.orders.rows();
        let is_stored = |row: &ListedOrder| all.contains(&row.order);
        let is_shown = |order: &Order| rows.iter().any(|row| row.order.id == order.id);
        rows.iter().all(is_stored) && all[..8].iter().all(is_shown)
    });

    // Every order once, page by page, and every break.
    let mut seen = Vec::new();
    loop {
        seen.extend(watched.app.model.orders.rows().iter().map(|row| row.order.clone()));
        let page = watched.app.model.orders.page.clone().unwrap();
        if !page.has_after {
            break;
        }
        let last = page.rows.last().unwrap().number;
        watched.press(KeyCode::PageDown);
        watched.until("the next page", |model| {
            model.orders.rows().first().is_some_and(|row| row.number < last)
        });
    }
    let sorted = |mut orders: Vec<Order>| {
        orders.sort_by_key(|order| order.id);
        orders
    };
    assert_eq!(sorted(seen), sorted(all));
    watched.press(KeyCode::Tab);
    watched.press(KeyCode::Char('g'));
    // The load may have made more than a page of them.
    let (filter, mut page, mut open) = (Filter::default(), Page::first(1000), Vec::new());
    loop {
        let listing = store.engine().snapshot(|tx| tx.breaks().open(&filter, page)).unwrap();
        open.extend(listing.rows.into_iter().map(|row| row.reported.id));
        let Some(next) = listing.next else { break };
        page = Page::after(next, 1000);
    }
    let mut seen = Vec::new();
    watched.until("the newest breaks", |model| {
        let page = model.breaks.page.as_ref();
        let is_shown = |id| model.breaks.rows().iter().any(|row| row.reported.id == id);
        page.is_some_and(|page| !page.has_before) && is_shown(open[0])
    });
    loop {
        let page = watched.app.model.breaks.page.clone().unwrap();
        seen.extend(page.rows.iter().map(|row| row.reported.id));
        if !page.has_after {
            break;
        }
        let last = page.rows.last().unwrap().number;
        watched.press(KeyCode::PageDown);
        watched.until("the next page", |model| {
            model.breaks.rows().first().is_some_and(|row| row.number < last)
        });
    }
    let sorted = |mut ids: Vec<Uuid>| {
        ids.sort();
        ids
    };
    assert_eq!(sorted(seen), sorted(open));
}

#[test]
fn the_history_of_the_selected_order_follows_what_happens_to_it() {
    let db = Database::migrated();
    let store = db.blotter();
    let ada = trader(&store, "Ada");
    let order = submit(&store, &market(&ada, "AAPL")).unwrap();
    let mut watched = Watched::engine(&db, 120, 40);
    watched.until_shown("Order BUY 100 AAPL MARKET");
    watched.until_shown("no fills that count");
    let venues = ["XNAS", "ARCX"];
    for (venue, quantity) in venues.into_iter().zip([30, 20]) {
        let fill = NewFill { venue, ..fill_of(&order, quantity, "10.50") };
        record(&store, &fill).unwrap();
    }
    watched
        .until_shown("XNAS: 30 at 10.50 in 1 fill, commission 0.00 · ARCX: 20 at 10.50 in 1 fill");
    watched.until_shown("20 @ 10.50 ARCX");
    let fill = store.engine().snapshot(|tx| tx.fills().of_order(order.id)).unwrap().remove(0);
    let bust = NewBust { amends: fill.id, timestamp: noon(), execution_id: None };
    store.engine().transaction(|tx| tx.fills().bust(&bust)).unwrap();
    watched.until_shown("bust of 30 @ 10.50 XNAS");
    watched.until_shown("amended later, does not count");
    watched.until_shown("  ARCX: 20 at 10.50 in 1 fill, commission 0.00\n");
    watched.until_shown("PARTIAL 20 of 100 filled at 10.50 · Ada");
    cancel(&store, &order);
    watched.until_shown("CANCELLED 20 of 100 filled");
    // An order that comes later is above, and the one that is followed is the first.
    let limit = NewOrder::limit(ada.id, Side::Sell, "IBM", 7, price("99.50"));
    submit(&store, &limit).unwrap();
    watched.until_shown("Order SELL 7 IBM LIMIT 99.50");
}

#[test]
fn a_filter_and_each_sort_show_the_orders_they_are_for_and_keep_up() {
    let db = Database::migrated();
    let store = db.blotter();
    let [ada, grace] = ["Ada", "Grace"].map(|name| trader(&store, name));
    let orders: Vec<_> = (0..6)
        .map(|n| {
            let new =
                market(if n % 2 == 0 { &ada } else { &grace }, ["AAPL", "IBM", "MSFT"][n % 3]);
            submit(&store, &new).unwrap()
        })
        .collect();
    let ids = |of: &[usize]| of.iter().map(|n| orders[*n].id).collect::<Vec<_>>();
    let shows = |watched: &mut Watched, expected: Vec<Uuid>| {
        watched.until(&format!("{expected:?}"), |model| {
            model.orders.rows().iter().map(|row| row.order.id).eq(expected.iter().copied())
        });
    };
    let mut watched = Watched::engine(&db, 120, 40);
    shows(&mut watched, ids(&[5, 4, 3, 2, 1, 0]));
    watched.press(KeyCode::Char('s'));
    record(&store, &fill_of(&orders[2], 1, "10.00")).unwrap();
    shows(&mut watched, ids(&[2, 5, 4, 3, 1, 0]));
    record(&store, &fill_of(&orders[0], 1, "10.00")).unwrap();
    shows(&mut watched, ids(&[0, 2, 5, 4, 3, 1]));
    watched.press(KeyCode::Char('s'));
    shows(&mut watched, ids(&[0, 1, 2, 3, 4, 5]));

    // Open orders of Ada, by name.
    watched.press(KeyCode::Char('/'));
    watched.type_text("o");
    watched.press(KeyCode::Tab);
    watched.press(KeyCode::Tab);
    watched.type_text("Ada");
    watched.press(KeyCode::Enter);
    shows(&mut watched, ids(&[0, 2, 4]));
    cancel(&store, &orders[2]);
    shows(&mut watched, ids(&[0, 4]));
    watched.press(KeyCode::Char('/'));
    watched.press(KeyCode::Tab);
    watched.type_text("IBM");
    watched.press(KeyCode::Enter);
    shows(&mut watched, ids(&[4]));
    let new = submit(&store, &market(&ada, "IBM")).unwrap();
    submit(&store, &market(&grace, "IBM")).unwrap();
    submit(&store, &market(&ada, "AAPL")).unwrap();
    shows(&mut watched, vec![orders[4].id, new.id]);
}

#[test]
fn a_trader_sees_its_own_orders_and_cancels_one() {
    let db = Database::migrated();
    let store = db.blotter();
    let [ada, grace] = ["Ada", "Grace"].map(|name| trader(&store, name));
    let order = submit(&store, &market(&ada, "AAPL")).unwrap();
    submit(&store, &market(&grace, "IBM")).unwrap();
    let mut watched = Watched::new(RoleSession::Trader(store.trader(ada.id).unwrap()), 80, 24);
    watched.until_shown("AAPL");
    assert_eq!(watched.app.model.orders.rows().len(), 1);
    watched.press(KeyCode::Char('c'));
    assert!(watched.text().contains("Cancel this order?"));
    watched.press(KeyCode::Char('y'));
    watched.until_shown(&format!("cancelled order {}", order.id));
    watched.until_shown("CANCELLED 0 of 100 filled");
    // The order may end between the question and the answer: then the database refuses.
    let order = submit(&store, &market(&ada, "MSFT")).unwrap();
    watched.until_shown("Order BUY 100 MSFT");
    watched.press(KeyCode::Char('c'));
    cancel(&store, &order);
    watched.press(KeyCode::Char('y'));
    watched.until_shown("orders_transition");
    watched.until_shown("Refused");
}

#[test]
fn the_engine_books_one_break_and_dismisses_another() {
    let db = Database::migrated();
    let store = db.blotter();
    let ada = trader(&store, "Ada");
    let order = submit(&store, &market(&ada, "AAPL")).unwrap();
    cancel(&store, &order);
    late_fill(&store, &order, "E-1");
    late_fill(&store, &order, "E-2");
    let mut watched = Watched::engine(&db, 80, 24);
    watched.until("both breaks", |model| model.breaks.rows().len() == 2);
    watched.press(KeyCode::Tab);
    watched.until_shown("ORDER_ENDED: the order was already rejected or cancelled");
    watched.press(KeyCode::Char('b'));
    watched.type_text("confirmed by the broker");
    watched.press(KeyCode::Enter);
    watched.until_shown("booked as fill ");
    watched.until("one break", |model| model.breaks.rows().len() == 1);
    watched.press(KeyCode::Char('g'));
    watched.press(KeyCode::Char('d'));
    watched.type_text("sent twice");
    watched.press(KeyCode::Enter);
    watched.until_shown("dismissed break ");
    watched.until_shown("there are no open breaks");
    let entries = store.engine().snapshot(|tx| tx.execution_logs().of_order(order.id)).unwrap();
    let reasons: Vec<_> = entries.into_iter().filter_map(|entry| entry.reason).collect();
    for reason in ["confirmed by the broker", "sent twice"] {
        assert!(reasons.iter().any(|it| it.contains(reason)), "{reasons:?}");
    }
}

#[test]
fn a_break_of_no_stored_order_appears_although_the_log_does_not_tell_of_it() {
    let db = Database::migrated();
    let store = db.blotter();
    let mut watched = Watched::new(RoleSession::Compliance(store.compliance()), 80, 24);
    watched.until_shown("there are no open breaks");
    let unknown = Execution {
        kind: ExecutionKind::Fill,
        order_id: None,
        timestamp: noon(),
        quantity: 10.into(),
        price: 10.into(),
        venue: "XNAS",
        commission: 0.into(),
        rebate: 0.into(),
        source: None,
        trader_id: None,
        client_order_id: Some("20261124-0001"),
        execution_id: Some("E-1"),
        raw: None,
    };
    store.engine().transaction(|tx| tx.breaks().record_or_break(&unknown)).unwrap();
    watched.until_shown("UNKNOWN_ORDER");
    watched.press(KeyCode::Tab);
    watched.until_shown("client order id 20261124-0001: no such order is stored");
}

#[test]
fn a_lost_connection_shows_and_comes_back_with_what_happened_meanwhile() {
    let db = Database::migrated();
    let store = db.blotter();
    let ada = trader(&store, "Ada");
    submit(&store, &market(&ada, "AAPL")).unwrap();
    let mut watched = Watched::engine(&db, 120, 40);
    watched.until_shown("Order BUY 100 AAPL");
    // Nobody gets in for a while, and whoever is in is thrown out.
    let name: String =
        db.admin_url().split(['/', '?']).find(|part| part.starts_with("test_")).unwrap().to_owned();
    let admin = &mut tradeblotter::connect(&db.admin_url().replace(&name, "postgres")).unwrap();
    let shut = format!(
        "ALTER DATABASE {name} ALLOW_CONNECTIONS false;
         SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    );
    admin.batch_execute(&shut).unwrap();
    watched.until("the loss", |model| matches!(model.connection, Connection::Lost { .. }));
    let lost = watched.text();
    assert!(lost.contains("CONNECTION LOST at ") && lost.contains("trying again"), "{lost}");
    assert!(lost.contains("AAPL"), "what was read stays: {lost}");
    // The screen works on, and an act is refused with the reason.
    watched.press(KeyCode::Char('?'));
    assert!(watched.text().contains("select a row"));
    watched.press(KeyCode::Enter);
    admin.batch_execute(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true")).unwrap();
    submit(&db.blotter(), &market(&ada, "IBM")).unwrap();
    watched.until("the connection", |model| model.connection == Connection::Live);
    watched.until_shown("Order BUY 100 IBM");
    assert!(watched.text().contains("· connected"));
}

#[test]
fn a_query_that_the_database_refuses_is_told_once_and_the_screen_works_on() {
    let db = Database::migrated();
    let store = db.blotter();
    let ada = trader(&store, "Ada");
    submit(&store, &market(&ada, "AAPL")).unwrap();
    let mut watched = Watched::engine(&db, 120, 40);
    watched.until_shown("Order BUY 100 AAPL");
    // The table of traders of an application need not have names.
    let rename = "ALTER TABLE traders RENAME COLUMN name TO title";
    db.owner().batch_execute(rename).unwrap();
    watched.press(KeyCode::Char('/'));
    watched.press(KeyCode::BackTab);
    watched.type_text("Ada");
    watched.press(KeyCode::Enter);
    watched.until_shown("name does not exist");
    watched.press(KeyCode::Enter);
    watched.press(KeyCode::Char('/'));
    watched.press(KeyCode::BackTab);
    watched
        .app
        .model
        .apply(crate::watch::model::Action::Edit(crate::watch::model::input::Edit::Clear));
    watched.press(KeyCode::Enter);
    watched.until_shown("Order BUY 100 AAPL");
    assert!(watched.app.model.dialog.is_none());
}

#[test]
fn the_figures_are_those_of_the_store_also_when_a_seal_is_all_that_is_new() {
    let db = Database::migrated();
    let store = db.blotter();
    let ada = trader(&store, "Ada");
    let order = submit(&store, &market(&ada, "AAPL")).unwrap();
    let mut watched = Watched::new(RoleSession::Compliance(store.compliance()), 160, 40);
    // The order and its trader.
    watched.until_shown("no open breaks · 2 records unsealed, never sealed · 1 open order");
    cancel(&store, &order);
    late_fill(&store, &order, "E-1");
    watched.until_shown("1 open break, oldest ");
    watched.until_shown("5 records unsealed, never sealed · 0 open orders");
    let key = SealKey::generate().unwrap();
    let options = SealOptions::default();
    store.auditor().transaction(|tx| tx.seals().seal(&key, &options)).unwrap();
    watched.until_shown("0 records unsealed, last seal ");
    let status = store.compliance().status().unwrap();
    watched.until("the figures", |model| {
        let shown = model.status.clone().unwrap();
        // But those that are of the moment.
        let (connection, entries_per_second) = (shown.connection.clone(), shown.entries_per_second);
        shown == Status { connection, entries_per_second, ..status.clone() }
    });
}
