//! The lifecycle of an order, against a model of it: after every step the store and the model say
//! the same of the order and its log, and refuse the same steps for the same reason.

use diesel::connection::SimpleConnection;
use proptest::collection::vec;
use proptest::prelude::*;
use tradeblotter::{Action, Blotter, Error, NewExecutionLog, NewOrder, OrderStatus};
use uuid::Uuid;

use crate::support::{
    Database, append, assert_refused, check, fill_of, history, record, submit, trader,
    with_order_of,
};

/// What a client does to an order.
#[derive(Clone, Copy, Debug)]
enum Step {
    Fill { quantity: i32, cents: u64 },
    Log(Action),
}

/// The kinds of refusal that a step can meet.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Refusal {
    Ended,
    OverFill,
    NoShares,
    NotByHand,
}

/// An order as plain arithmetic.
#[derive(Debug)]
struct Model {
    quantity: i32,
    status: OrderStatus,
    fills: Vec<(i32, u64)>,
    log: Vec<(Action, OrderStatus)>,
}

impl Model {
    fn new(quantity: i32) -> Self {
        let status = OrderStatus::Pending;
        Self { quantity, status, fills: Vec::new(), log: vec![(Action::Submitted, status)] }
    }

    fn filled(&self) -> i32 {
        self.fills.iter().map(|(quantity, _)| quantity).sum()
    }

    /// By schoolbook division: the quotient, and one more from half a cent on.
    fn average(&self) -> Option<String> {
        let shares = u64::try_from(self.filled()).ok().filter(|shares| *shares > 0)?;
        let cost: u64 = self.fills.iter().map(|(n, cents)| n.unsigned_abs() as u64 * cents).sum();
        let cents = cost / shares + u64::from(cost % shares * 2 >= shares);
        Some(format!("{}.{:02}", cents / 100, cents % 100))
    }

    fn step(&mut self, step: Step) -> Result<(), Refusal> {
        let open = matches!(self.status, OrderStatus::Pending | OrderStatus::Partial);
        let (action, status) = match step {
            Step::Log(Action::Submitted | Action::Filled) => return Err(Refusal::NotByHand),
            Step::Fill { quantity, .. } if quantity < 1 => return Err(Refusal::NoShares),
            Step::Log(Action::Recovered) => (Action::Recovered, self.status),
            _ if !open => return Err(Refusal::Ended),
            Step::Log(Action::Rejected) => (Action::Rejected, OrderStatus::Rejected),
            Step::Log(Action::Cancelled) => (Action::Cancelled, OrderStatus::Cancelled),
            Step::Log(action) => (action, self.status),
            Step::Fill { quantity, .. } if quantity > self.quantity - self.filled() => {
                return Err(Refusal::OverFill);
            }
            Step::Fill { quantity, cents } => {
                self.fills.push((quantity, cents));
                let whole = self.filled() == self.quantity;
                let status = if whole { OrderStatus::Filled } else { OrderStatus::Partial };
                (Action::Filled, status)
            }
        };
        self.status = status;
        self.log.push((action, status));
        Ok(())
    }
}

fn step() -> impl Strategy<Value = Step> {
    let fill = (-1..60, 1..3_000u64).prop_map(|(quantity, cents)| Step::Fill { quantity, cents });
    let log = proptest::sample::select(Action::ALL).prop_map(Step::Log);
    // Most actions end the order, so fills are made the rule.
    prop_oneof![4 => fill, 1 => log]
}

fn take(blotter: &Blotter, order: &tradeblotter::Order, step: Step) -> Result<(), Error> {
    match step {
        Step::Fill { quantity, cents } => {
            let at = format!("{}.{:02}", cents / 100, cents % 100);
            record(blotter, &fill_of(order, quantity, &at)).map(drop)
        }
        Step::Log(action) => {
            let new = NewExecutionLog::new(order.id, action);
            append(blotter, &new).map(drop)
        }
    }
}

fn reason(error: &Error) -> Option<Refusal> {
    if error.is_illegal_transition() {
        Some(Refusal::Ended)
    } else if error.is_over_fill() {
        Some(Refusal::OverFill)
    } else if error.constraint() == Some("ck_fills_quantity_positive") {
        Some(Refusal::NoShares)
    } else if error.constraint() == Some("execution_logs_automatic") {
        Some(Refusal::NotByHand)
    } else {
        None
    }
}

/// Takes the steps on an order and on its model alike.
fn follow(
    blotter: &Blotter,
    trader: Uuid,
    quantity: i32,
    steps: &[Step],
) -> Result<(), TestCaseError> {
    let order = submit(blotter, &NewOrder::market(trader, "AAPL", quantity)).unwrap();
    let mut model = Model::new(quantity);
    for step in steps {
        let refused = take(blotter, &order, *step).err();
        if let Err(expected) = model.step(*step) {
            let error = refused.expect("a refusal");
            prop_assert_eq!(reason(&error), Some(expected), "{:?}: {}", step, error);
        } else {
            prop_assert!(refused.is_none(), "{:?}: {:?}", step, refused);
        }
        let stored = history(blotter, &order);
        prop_assert_eq!(stored.order.status, model.status);
        prop_assert_eq!(stored.order.filled_quantity, model.filled());
        let average = stored.order.average_fill_price.map(|price| price.to_string());
        prop_assert_eq!(average, model.average());
        let log: Vec<_> = stored.log.iter().map(|e| (e.action, e.status.unwrap())).collect();
        prop_assert_eq!(&log, &model.log);
        prop_assert_eq!(stored.fills.len(), model.fills.len());
    }
    Ok(())
}

#[test]
fn an_order_lives_as_the_model_says_whatever_is_done_to_it() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let ada = trader(&blotter, "Ada");
    check(48, (1..150, vec(step(), 1..12)), |(quantity, steps)| {
        follow(&blotter, ada.id, quantity, &steps)
    });
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
            Some("orders_transition"),
        ),
        // Nothing asks for the fill, so it comes last.
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
        let order = submit(&blotter, &NewOrder::market(ada.id, "AAPL", 100)).unwrap();
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
    // As if the last thing that happened to the order had been dated by a clock an hour ahead.
    let ahead = "UPDATE orders SET updated_at = now() + interval '1 hour'";
    let admin = &mut db.unguarded();
    admin.batch_execute(ahead).unwrap();
    for table in ["orders", "fills", "execution_logs"] {
        admin.batch_execute(&format!("ALTER TABLE {table} ENABLE TRIGGER USER")).unwrap();
    }
    record(&blotter, &fill_of(&order, 40, "10.00")).unwrap();
    append(&blotter, &NewExecutionLog::new(order.id, Action::Cancelled)).unwrap();
    let history = history(&blotter, &order);
    let actions: Vec<_> = history.log.iter().map(|entry| entry.action).collect();
    assert_eq!(actions, [Action::Submitted, Action::Filled, Action::Cancelled]);
    assert_eq!(history.order.status, OrderStatus::Cancelled);
}
