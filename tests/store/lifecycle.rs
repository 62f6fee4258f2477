//! Model-based tests of the lifecycle of orders: after every step the store and the model agree on every
//! row, and refuse the same steps for the same reason.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tradeblotter::{Action, Error, NewAction, NewExecutionLog, NewOrder, OrderStatus, Side};

use crate::play::Play;
use crate::steps::{Round, batches, one_client, several_clients};
use tradeblotter_test_support::{
    Database, append, assert_refused, fill_of, history, record, submit, trader, with_order_of,
};

/// Environment variable with the total number of steps of the model-based tests, in place of the small
/// default. Progress is printed to stderr.
const STEPS: &str = "TRADEBLOTTER_MODEL_STEPS";

/// A sequence of chances for each run.
fn seeded(runs: &AtomicU64) -> TestRng {
    let run = runs.fetch_add(1, Ordering::Relaxed);
    TestRng::from_seed(RngAlgorithm::XorShift, &u128::from(run).to_le_bytes())
}

/// Takes this percentage of the requested steps, or the default number, on one database per processor.
/// Returns the number of deadlocks.
fn play<S: Strategy<Value = Vec<Round>>>(percent: u64, few: u64, sequences: fn() -> S) -> i64 {
    let asked = std::env::var(STEPS).ok().map(|steps| steps.parse::<u64>().unwrap());
    let steps = asked.map_or(few, |steps| steps * percent / 100);
    let (taken, begun) = (AtomicU64::new(0), Instant::now());
    let runs = AtomicU64::new(1);
    let play = || {
        let play = Play::new(&taken);
        let config = Config {
            cases: 8,
            max_shrink_iters: 5000,
            failure_persistence: None,
            rng_algorithm: RngAlgorithm::XorShift,
            ..Config::default()
        };
        let sequences = sequences();
        while taken.load(Ordering::Relaxed) < steps {
            let mut runner = match asked {
                Some(_) => TestRunner::new(config.clone()),
                // The default run uses a fixed seed; a longer run uses random ones.
                None => TestRunner::new_with_rng(config.clone(), seeded(&runs)),
            };
            runner.run(&sequences, |rounds| play.follow(&rounds)).map_err(|why| {
                // Stops the other threads too.
                taken.fetch_add(steps, Ordering::Relaxed);
                why.to_string()
            })?;
        }
        Ok::<_, String>(play.end())
    };
    let tell = || {
        let mut told = Instant::now();
        while taken.load(Ordering::Relaxed) < steps {
            thread::sleep(Duration::from_millis(100));
            if told.elapsed() > Duration::from_secs(20) {
                told = Instant::now();
                let taken = taken.load(Ordering::Relaxed);
                let rate = taken / begun.elapsed().as_secs();
                eprintln!("{taken} of {steps} steps, {rate} a second");
            }
        }
    };
    thread::scope(|scope| {
        scope.spawn(tell);
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let plays: Vec<_> = (0..processors).map(|_| scope.spawn(play)).collect();
        let deadlocks = plays.into_iter().map(|play| play.join().unwrap()).sum::<Result<_, _>>();
        deadlocks.unwrap_or_else(|why| panic!("{why}"))
    })
}

#[test]
fn an_order_lives_as_the_model_says_whatever_is_done_to_it() {
    play(70, 3000, one_client);
}

#[test]
fn what_clients_do_at_once_comes_to_what_some_order_of_their_steps_comes_to() {
    play(25, 1200, several_clients);
}

#[test]
fn batches_of_the_same_rows_come_to_the_same_in_whatever_order_and_never_to_a_deadlock() {
    // Not even one that a retry of the session hides.
    assert_eq!(play(5, 300, batches), 0);
}

#[test]
fn rows_of_one_statement_move_an_order_in_the_order_in_which_they_happen_or_not_at_all() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let ada = trader(&blotter, "Ada");
    let fill = "INSERT INTO fills (order_id, quantity_filled, price_at_fill, venue)";
    let log = "INSERT INTO execution_logs (order_id, action)";
    for (statement, rule) in [
        ("{log} VALUES ('{id}', 'CANCELLED'), ('{id}', 'REJECTED')", Some("orders_transition")),
        ("{log} VALUES ('{id}', 'CANCELLED'), ('{id}', 'APPROVED')", Some("orders_transition")),
        (
            "WITH f AS ({fill} VALUES ('{id}', 4, 10, 'X') RETURNING order_id)
             {log} SELECT order_id, 'CANCELLED' FROM f",
            Some("orders_transition"),
        ),
        (
            "WITH f AS ({fill} VALUES ('{id}', 4, 10, 'X') RETURNING order_id)
             {log} SELECT order_id, 'EXECUTED' FROM f",
            None,
        ),
        // No other part of the statement reads the result of the INSERT of the fill, so it runs last.
        (
            "WITH f AS ({fill} VALUES ('{id}', 4, 10, 'X')) {log} VALUES ('{id}', 'CANCELLED')",
            Some("orders_transition"),
        ),
        ("WITH f AS ({fill} VALUES ('{id}', 4, 10, 'X')) {log} VALUES ('{id}', 'EXECUTED')", None),
        (
            "{fill} VALUES ('{id}', 60, 10, 'X'), ('{id}', 60, 10, 'X')",
            Some("ck_orders_filled_lte_quantity"),
        ),
        ("{fill} VALUES ('{id}', 60, 10, 'X'), ('{id}', 40, 10, 'X')", None),
        ("{log} VALUES ('{id}', 'APPROVED'), ('{id}', 'EXECUTED'), ('{id}', 'CANCELLED')", None),
    ] {
        let order = submit(&blotter, &NewOrder::market(ada.id, Side::Buy, "AAPL", 100)).unwrap();
        let before = db.contents();
        let id = order.id.to_string();
        let sql = statement.replace("{fill}", fill).replace("{log}", log).replace("{id}", &id);
        let done =
            blotter.engine().transaction(|tx| Ok::<_, Error>(tx.connection().batch_execute(&sql)?));
        match rule {
            Some(rule) => {
                assert_refused(&done.expect_err(&sql), Error::is_rule_violation, Some(rule));
                assert_eq!(db.contents(), before, "{sql}");
            }
            None => {
                done.unwrap();
                let history = history(&blotter, &order);
                let last = history.log.last().and_then(|entry| entry.status);
                assert_eq!(last, Some(history.order.status), "{sql}");
            }
        }
    }
}

#[test]
fn a_trail_is_in_order_although_the_clock_is_set_back() {
    let (db, blotter, order) = with_order_of(100);
    // As if a clock that is an hour ahead had stamped the last change of the order.
    let ahead = "UPDATE orders SET updated_at = now() + interval '1 hour'";
    let admin = &mut db.unguarded();
    admin.batch_execute(ahead).unwrap();
    for table in ["orders", "fills", "execution_logs"] {
        admin.batch_execute(&format!("ALTER TABLE {table} ENABLE TRIGGER USER")).unwrap();
    }
    record(&blotter, &fill_of(&order, 40, "10.00")).unwrap();
    append(&blotter, &NewExecutionLog::new(order.id, NewAction::Cancelled)).unwrap();
    let history = history(&blotter, &order);
    let actions: Vec<_> = history.log.iter().map(|entry| entry.action).collect();
    assert_eq!(actions, [Action::Submitted, Action::Filled, Action::Cancelled]);
    assert_eq!(history.order.status, OrderStatus::Cancelled);
}
