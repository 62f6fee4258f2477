//! The tail of the log: every entry once and in order, whoever commits late.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use proptest::collection::vec;
use proptest::prelude::*;
use tradeblotter::role::{Compliance, Role};
use tradeblotter::{
    Blotter, Error, ExecutionLog, Filter, HeldBack, NewExecutionLog, NewOrder, Order, OrderStatus,
    Session, Side, Tail, TailFrom,
};
use uuid::Uuid;

use tradeblotter_test_support::{
    Database, EXECUTED, check, fill_of, history, record, submit, texts, trader,
};

/// Long enough for any wait of these tests that ends.
const PATIENCE: Duration = Duration::from_secs(30);

fn market(trader: Uuid, quantity: i32) -> NewOrder<'static> {
    NewOrder::market(trader, Side::Buy, "AAPL", quantity)
}

fn numbers(entries: &[ExecutionLog]) -> Vec<i64> {
    entries.iter().map(|entry| entry.sequence).collect()
}

/// All committed entries that a session sees, by number.
fn committed<R: Role>(session: &Session<R>, after: i64) -> Vec<ExecutionLog> {
    let all: Vec<ExecutionLog> = session
        .snapshot(|tx| {
            tx.execution_logs().stream(&Filter::default())?.collect::<Result<_, Error>>()
        })
        .unwrap();
    all.into_iter().filter(|entry| entry.sequence > after).collect()
}

/// Submits an order in a transaction that stays open while `meanwhile` runs, and then commits it.
fn while_open<T>(store: &Blotter, trader: Uuid, mut meanwhile: impl FnMut(&Order) -> T) -> T {
    store
        .engine()
        .transaction(|tx| {
            let order = tx.orders().submit(&market(trader, 1))?;
            Ok::<_, Error>(meanwhile(&order))
        })
        .unwrap()
}

/// What one transaction does: how many entries it writes, how long it waits before it ends, and how it ends.
type Work = (Vec<Write>, u64, bool);

#[derive(Clone, Copy, Debug)]
enum Write {
    Submit,
    Batch,
    Fill,
    Route,
    Savepoint,
}

fn write(tx: &mut tradeblotter::Tx<'_, tradeblotter::role::Engine>, trader: Uuid, write: Write) {
    let new = market(trader, 100);
    match write {
        Write::Submit => drop(tx.orders().submit(&new).unwrap()),
        Write::Batch => drop(tx.orders().submit_batch(&[new, new, new]).unwrap()),
        Write::Fill => {
            let order = tx.orders().submit(&new).unwrap();
            tx.fills().record(&fill_of(&order, 10, "10.00")).unwrap();
        }
        Write::Route => {
            let order = tx.orders().submit(&new).unwrap();
            tx.execution_logs().append(&NewExecutionLog::new(order.id, EXECUTED)).unwrap();
        }
        Write::Savepoint => {
            let conn = tx.connection();
            conn.batch_execute("SAVEPOINT inner_one").unwrap();
            tx.orders().submit(&new).unwrap();
            tx.connection().batch_execute("ROLLBACK TO inner_one").unwrap();
            tx.orders().submit(&new).unwrap();
        }
    }
}

/// Yields until every entry that was committed by the time `is_over` is yielded.
fn drain<R: Role>(mut tail: Tail<'_, R>, is_over: impl Fn() -> bool) -> Vec<ExecutionLog> {
    let begun = Instant::now();
    let mut entries = Vec::new();
    loop {
        let was_over = is_over();
        let new = tail.wait(Duration::from_millis(20)).unwrap();
        let is_idle = new.is_empty();
        entries.extend(new);
        assert!(begun.elapsed() < PATIENCE);
        if was_over && is_idle {
            return entries;
        }
    }
}

#[test]
fn a_tail_yields_each_committed_entry_once_and_in_order_however_late_it_is_committed() {
    let db = Database::migrated();
    let store = db.blotter();
    let traders = [trader(&store, "Ada").id, trader(&store, "Grace").id];
    let write_strategy = prop_oneof![
        Just(Write::Submit),
        Just(Write::Batch),
        Just(Write::Fill),
        Just(Write::Route),
        Just(Write::Savepoint)
    ];
    let work = (vec(write_strategy, 1..4), 0..40_u64, any::<bool>());
    check(16, vec(vec(work, 1..8), 4), |writers: Vec<Vec<Work>>| {
        let open = AtomicUsize::new(writers.len());
        let is_over = || open.load(Ordering::SeqCst) == 0;
        let before = committed(&store.compliance(), 0).last().map_or(0, |last| last.sequence);
        let filter = Filter::of_trader(traders[1]);
        let ada = store.trader(traders[0]).unwrap();
        let (all, adas, graces) = thread::scope(|scope| {
            let officer = store.compliance();
            let all = officer.tail(TailFrom::End, Filter::default()).unwrap();
            let adas = ada.tail(TailFrom::After(before), Filter::default()).unwrap();
            let graces = officer.tail(TailFrom::After(before), filter).unwrap();
            let [all, graces] = [all, graces].map(|tail| tail.every(Duration::from_millis(3)));
            let adas = adas.every(Duration::from_millis(3));
            for (index, works) in writers.iter().enumerate() {
                let (store, open, traders) = (&store, &open, &traders);
                scope.spawn(move || {
                    for (writes, pause, is_committed) in works {
                        let ended = store.engine().transaction(|tx| {
                            for (number, what) in writes.iter().enumerate() {
                                write(tx, traders[(index + number) % 2], *what);
                                thread::sleep(Duration::from_millis(pause / 4));
                            }
                            thread::sleep(Duration::from_millis(*pause));
                            match is_committed {
                                true => Ok(()),
                                false => {
                                    Err(Error::from(diesel::result::Error::RollbackTransaction))
                                }
                            }
                        });
                        assert_eq!(ended.is_ok(), *is_committed);
                    }
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
            let tails = [
                scope.spawn(move || drain(all, is_over)),
                scope.spawn(move || drain(graces, is_over)),
            ];
            let adas = drain(adas, is_over);
            let [all, graces] = tails.map(|tail| tail.join().unwrap());
            (all, adas, graces)
        });
        let expected = committed(&store.compliance(), before);
        prop_assert_eq!(numbers(&all), numbers(&expected));
        prop_assert_eq!(&all, &expected);
        prop_assert_eq!(numbers(&adas), numbers(&committed(&ada, before)));
        let of_grace = committed(&store.trader(traders[1]).unwrap(), before);
        prop_assert_eq!(numbers(&graces), numbers(&of_grace));
        Ok(())
    });
}

#[test]
fn an_entry_waits_for_the_lower_numbers_of_transactions_that_are_open() {
    let db = Database::migrated();
    let store = db.blotter();
    let [ada, grace] = ["Ada", "Grace"].map(|name| trader(&store, name).id);
    let (officer, graces) = (store.compliance(), store.trader(grace).unwrap());
    let mut all = officer.tail(TailFrom::Start, Filter::default()).unwrap();
    let mut hers = graces.tail(TailFrom::Start, Filter::default()).unwrap();
    let late = while_open(&store, ada, |_| {
        submit(&store, &market(grace, 2)).unwrap();
        assert_eq!(all.poll().unwrap(), []);
        assert_eq!(hers.poll().unwrap(), []);
        // Nothing is said about an entry that has just come.
        assert_eq!((all.held_back(), hers.held_back()), (None, None));
        thread::sleep(Duration::from_millis(1100));
        let pid = texts(
            &mut db.admin(),
            "SELECT pid::text AS text FROM pg_stat_activity
             WHERE state = 'idle in transaction' AND datname = current_database()",
        );
        for tail in [&mut all as &mut dyn Polls, &mut hers] {
            let held: HeldBack = tail.polls_nothing().unwrap();
            assert_eq!(held.entries, 1);
            assert_eq!(held.transactions[0].pid.unwrap().to_string(), pid[0]);
            let said = held.to_string();
            assert!(said.starts_with("1 entry is held back since 20"), "{said}");
            assert!(said.contains(&format!("by process {} of login app", pid[0])), "{said}");
        }
        committed(&officer, 0)
    });
    assert_eq!(late.len(), 1);
    let entries = all.poll().unwrap();
    assert_eq!(entries, committed(&officer, 0));
    assert_eq!((entries.len(), all.held_back()), (2, None));
    assert_eq!(numbers(&hers.poll().unwrap()), [late[0].sequence]);
    assert_eq!((all.poll().unwrap(), hers.poll().unwrap()), (vec![], vec![]));
}

/// Tails of different roles.
trait Polls {
    fn polls_nothing(&mut self) -> Option<HeldBack>;
}

impl<R: Role> Polls for Tail<'_, R> {
    fn polls_nothing(&mut self) -> Option<HeldBack> {
        assert_eq!(self.poll().unwrap(), []);
        self.held_back().cloned()
    }
}

#[test]
fn an_open_transaction_that_writes_no_entries_holds_nothing_back() {
    let db = Database::migrated();
    let store = db.blotter();
    let ada = trader(&store, "Ada").id;
    let mut other = db.admin();
    let write = "CREATE TABLE other (id integer); BEGIN; INSERT INTO other VALUES (1)";
    other.batch_execute(write).unwrap();
    // One that has looked at the log only.
    let mut reader = db.admin();
    reader
        .batch_execute("BEGIN; INSERT INTO execution_logs SELECT FROM orders WHERE false")
        .unwrap();
    submit(&store, &market(ada, 1)).unwrap();
    let mut tail = store.compliance().tail(TailFrom::Start, Filter::default()).unwrap();
    assert_eq!(tail.poll().unwrap().len(), 1);
}

#[test]
fn a_tail_continues_a_listing_without_a_gap() {
    let db = Database::migrated();
    let store = db.blotter();
    let ada = trader(&store, "Ada").id;
    let officer = store.compliance();
    let list = |limit| {
        officer.snapshot(|tx| tx.execution_logs().newest(&Filter::default(), limit)).unwrap()
    };
    let mut none = officer.tail(TailFrom::Listed(&list(10)), Filter::default()).unwrap();
    submit(&store, &market(ada, 1)).unwrap();
    let mut tail = while_open(&store, ada, |_| {
        for _ in 0..3 {
            submit(&store, &market(ada, 1)).unwrap();
        }
        officer.tail(TailFrom::Listed(&list(2)), Filter::default()).unwrap()
    });
    submit(&store, &market(ada, 1)).unwrap();
    let all = committed(&officer, 0);
    assert_eq!(numbers(&tail.poll().unwrap()), numbers(&all[all.len() - 1..]));
    assert_eq!(numbers(&none.poll().unwrap()), numbers(&all));

    // The last two of them are listed, but for the one between that is open.
    let (mut tail, listed) = while_open(&store, ada, |_| {
        submit(&store, &market(ada, 1)).unwrap();
        let listed = list(2);
        (officer.tail(TailFrom::Listed(&listed), Filter::default()).unwrap(), numbers(&listed))
    });
    let late = committed(&officer, listed[0]);
    assert_eq!((late.len(), late[1].sequence), (2, listed[1]));
    assert_eq!(numbers(&tail.poll().unwrap()), [late[0].sequence]);
}

#[test]
fn a_tail_is_resumed_where_it_was_and_reads_a_long_log_in_pages() {
    let db = Database::migrated();
    let store = db.blotter();
    let ada = trader(&store, "Ada").id;
    let engine = store.engine();
    for _ in 0..3 {
        engine.transaction(|tx| tx.orders().submit_batch(&[market(ada, 1); 400])).unwrap();
    }
    let all = numbers(&committed(&store.compliance(), 0));
    assert_eq!(all.len(), 1200);
    let mut found = Vec::new();
    let mut after = 0;
    // Another process each time.
    while found.len() < all.len() {
        let ada = store.trader(ada).unwrap();
        let mut tail = ada.tail(TailFrom::After(after), Filter::default()).unwrap();
        let entries = tail.poll().unwrap();
        assert!((1..=500).contains(&entries.len()));
        found.extend(numbers(&entries));
        assert_eq!(tail.after(), *found.last().unwrap());
        after = tail.after();
    }
    assert_eq!(found, all);

    let mut tail = store.compliance().tail(TailFrom::After(all[99]), Filter::default()).unwrap();
    let some: Vec<i64> = tail.by_ref().take(700).map(|entry| entry.unwrap().sequence).collect();
    assert_eq!(some, all[100..800]);
    assert_eq!(tail.after(), all[799]);
    assert_eq!(numbers(&tail.poll().unwrap()), all[800..1100]);
}

#[test]
fn a_tail_shows_a_trader_its_own_entries_and_a_filter_those_that_match() {
    let db = Database::migrated();
    let store = db.blotter();
    let [ada, grace] = ["Ada", "Grace"].map(|name| trader(&store, name).id);
    let order = submit(&store, &market(ada, 10)).unwrap();
    submit(&store, &market(grace, 10)).unwrap();
    record(&store, &fill_of(&order, 10, "10.00")).unwrap();
    submit(&store, &market(ada, 10)).unwrap();
    submit(&store, &market(grace, 10)).unwrap();

    let own = store.trader(ada).unwrap();
    let mut tail = own.tail(TailFrom::Start, Filter::default()).unwrap();
    assert_eq!(tail.poll().unwrap(), committed(&own, 0));
    // It knows that nothing of its own is left below the last number of all.
    let last = committed(&store.compliance(), 0).last().unwrap().sequence;
    assert_eq!(tail.after(), last);

    let officer = store.compliance();
    let yields = |filter| numbers(&officer.tail(TailFrom::Start, filter).unwrap().poll().unwrap());
    let of_order = Filter { order_id: Some(order.id), ..Filter::default() };
    assert_eq!(yields(of_order), numbers(&history(&store, &order).log));
    let filled = Filter { statuses: &[OrderStatus::Filled], ..Filter::default() };
    assert_eq!(yields(filled).len(), 1);
    assert_eq!(yields(Filter { symbol: Some("MSFT"), ..Filter::default() }), Vec::<i64>::new());
}

#[test]
fn a_tail_outlives_its_connections() {
    let db = Database::migrated();
    let store = db.blotter();
    let ada = trader(&store, "Ada").id;
    let session: Session<Compliance> = store.compliance();
    let mut tail = session.tail(TailFrom::End, Filter::default()).unwrap();
    let mut yielded = Vec::new();
    for _ in 0..3 {
        submit(&store, &market(ada, 1)).unwrap();
        yielded.extend(numbers(&tail.poll().unwrap()));
        let others = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
                      WHERE datname = current_database() AND pid <> pg_backend_pid()";
        db.admin().batch_execute(others).unwrap();
    }
    assert_eq!(yielded, numbers(&committed(&session, 0)));
}
