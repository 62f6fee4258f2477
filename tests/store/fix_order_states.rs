//! The scenarios of FIX's order state change matrices, played against the store: after every execution
//! report the store agrees with the report about the order.
//!
//! `fix_order_states.csv` has the messages in the order in which they are sent, with the ids of the
//! orders and the state that the venue reports (FIX 5.0 SP2, volume 4, © FIX Protocol Ltd; the titles are
//! ours). `seq` is the row of the matrix; a row with the path `alt` is an alternative ending of the
//! scenario.
//!
//! In FIX a replaced order remains one order, and its CumQty continues. In the store the terms of an
//! order never change: a replacement is a new order for the shares that are left to fill. So the database
//! can keep the fills within FIX's OrderQty, and the last order ends as FILLED with the last share. An
//! order in the sense of FIX is therefore a whole order chain.

use std::collections::BTreeSet;

use bigdecimal::{BigDecimal, ToPrimitive};
use serde::Deserialize;
use tradeblotter::role::Engine;
use tradeblotter::{
    Blotter, Break, BreakHistory, BreakReason, Error, Execution, ExecutionKind, Fill, Filter,
    NewAction, NewBreakResolution, NewExecutionLog, NewFill, NewOrder, Order, OrderHistory,
    OrderStatus, Outcome, Page, Price, Side, Tx,
};
use uuid::Uuid;

use tradeblotter_test_support::{Database, REJECTED, append, fill_of, noon, price, submit, trader};

const SCENARIOS: &str = include_str!("fix_order_states.csv");

/// The scenarios that the store can't express.
const INEXPRESSIBLE: [(&str, &str, &str); 2] = [
    (
        "H.1.b",
        "good till cancelled, over a 2:1 split",
        "a split restates executions that were right; the store knows corrections of executions that \
         were wrong, and to record one here would be false",
    ),
    (
        "L.1.b",
        "an order for an amount of money",
        "an order of the store is of shares; how many this one is of only the venue says, and the \
         amount that the client did say has no place",
    ),
];

/// The reports that the store contradicts on purpose, with what the store has instead.
const DIFFERING: [(&str, u32, State, &str); 4] = [
    (
        "C.3.b",
        6,
        State { status: OrderStatus::Cancelled, quantity: 10_000, filled: 7_000, left: 0 },
        "no shares are left for an order in its place, so the rest is cancelled, as FIX has it too; but \
         to FIX the order is then one of 7,000 and filled, and here one of 10,000 it stays",
    ),
    (
        "C.3.c",
        6,
        State { status: OrderStatus::Cancelled, quantity: 10_000, filled: 8_000, left: 0 },
        "as C.3.b",
    ),
    (
        "D.2.b",
        7,
        State { status: OrderStatus::Partial, quantity: 10_000, filled: 1_000, left: 9_000 },
        "the report counts on a replacement that the venue grants in its next message",
    ),
    (
        "E.1.a",
        1,
        State { status: OrderStatus::Pending, quantity: 10_000, filled: 0, left: 10_000 },
        "a slip of the matrix: nothing left of a new order, of which 8,000 are left after 2,000",
    ),
];

/// A message of a scenario; fields of FIX have their FIX names.
#[derive(Clone, Debug, Deserialize)]
struct Message {
    scenario: String,
    seq: u32,
    path: String,
    /// The kind of the message; of an execution report, the ExecType.
    event: String,
    cl_ord_id: Option<String>,
    orig_cl_ord_id: Option<String>,
    ord_status: Option<String>,
    order_qty: Option<i32>,
    cum_qty: Option<i32>,
    leaves_qty: Option<i32>,
    last_qty: Option<i32>,
    last_px: Option<Price>,
    avg_px: Option<i32>,
    exec_id: Option<String>,
    exec_ref_id: Option<String>,
}

impl Message {
    fn is_alternative(&self) -> bool {
        self.path == "alt"
    }

    fn is_report(&self) -> bool {
        self.cum_qty.is_some()
    }

    fn is_at(&self, scenario: &str, seq: u32) -> bool {
        self.scenario == scenario && self.seq == seq
    }

    /// The matrix gives one where another message refers to it.
    fn execution_id(&self) -> String {
        self.exec_id.clone().unwrap_or_else(|| format!("{}-{}", self.scenario, self.seq))
    }

    /// Whether the venue answers that it has no such order.
    fn is_of_unknown_order(&self) -> bool {
        self.ord_status.as_deref() == Some("Rejected") && self.order_qty.unwrap_or(0) == 0
    }

    /// The state of the order that the venue reports. A message that refuses a request has no quantities
    /// and does not change them.
    fn reported(&self, stored: State) -> State {
        let quantity = self.order_qty.unwrap_or(stored.quantity);
        let filled = self.cum_qty.unwrap_or(stored.filled);
        let left = self.leaves_qty.unwrap_or(stored.left);
        State { status: self.status(quantity, filled), quantity, filled, left }
    }

    /// The quantity of an order that replaces this one.
    fn to_fill(&self) -> i32 {
        self.order_qty.unwrap() - self.cum_qty.unwrap()
    }

    /// The store's status for an OrdStatus of FIX.
    fn status(&self, quantity: i32, filled: i32) -> OrderStatus {
        match self.ord_status.as_deref().unwrap() {
            "New" => OrderStatus::Pending,
            "Partially Filled" => OrderStatus::Partial,
            "Filled" => OrderStatus::Filled,
            "Canceled" => OrderStatus::Cancelled,
            "Rejected" => OrderStatus::Rejected,
            // A day order ends with its day, as if cancelled.
            "Done for Day" if self.leaves_qty == Some(0) => OrderStatus::Cancelled,
            // Done for day, a pending request, or a guarantee of fills to come: the order itself is
            // unchanged, so its fills decide the status.
            "Done for Day" | "Pending New" | "Pending Cancel" | "Pending Replace" | "Stopped" => {
                match filled {
                    0 => OrderStatus::Pending,
                    _ if filled < quantity => OrderStatus::Partial,
                    _ => OrderStatus::Filled,
                }
            }
            other => panic!("no status of the store stands for {other}"),
        }
    }
}

/// The state of an order of FIX: its shares (OrderQty), those filled (CumQty), and those left to fill
/// (LeavesQty).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    status: OrderStatus,
    quantity: i32,
    filled: i32,
    left: i32,
}

/// An order of FIX: the order that was submitted, and those that replace it one after the other.
struct Chain(Vec<Order>);

impl Chain {
    fn last(&self) -> &Order {
        self.0.last().unwrap()
    }

    fn state(&self) -> State {
        let last = self.last();
        let filled: i32 = self.0.iter().map(|order| order.filled_quantity).sum();
        let open = self.0.iter().filter(|order| order.status.is_open());
        State {
            // A replacement of a filled order starts without fills of its own.
            status: match last.status {
                OrderStatus::Pending if filled > 0 => OrderStatus::Partial,
                status => status,
            },
            quantity: filled + last.quantity - last.filled_quantity,
            filled,
            left: open.map(|order| order.quantity - order.filled_quantity).sum(),
        }
    }

    /// The average price of all fills, 0 for none, as FIX has it.
    fn average(&self) -> BigDecimal {
        let notional: BigDecimal = self.0.iter().map(|order| &order.filled_notional).sum();
        notional / self.state().filled.max(1)
    }
}

/// The desk of a trader, at which the messages of a scenario come in.
struct Desk<'a> {
    blotter: &'a Blotter,
    trader: Uuid,
}

impl<'a> Desk<'a> {
    fn new(blotter: &'a Blotter, scenario: &str) -> Self {
        Self { blotter, trader: trader(blotter, scenario).id }
    }

    fn play(&self, message: &Message) {
        let leaves_nothing = message.leaves_qty == Some(0);
        match message.event.as_str() {
            "New Order" => self.submit(message),
            "New" => self.acknowledge(message),
            "Trade" | "Trade Correct" | "Trade Cancel" => self.execute(message),
            "Canceled" => self.end(message, NewAction::Cancelled),
            "Rejected" if leaves_nothing => self.end(message, REJECTED),
            "Done for Day" if leaves_nothing => self.end(message, NewAction::Cancelled),
            // No shares are left for a replacement, and an order cannot have a quantity of 0.
            "Replaced" if leaves_nothing => self.end(message, NewAction::Cancelled),
            "Replaced" => self.replace(message),
            "Restated" => self.restate(message),
            // Requests, pending states, refusals and status reports do not change the order.
            "Cancel Request" | "Replace Request" | "Status Request" | "Cancel Reject"
            | "Pending Cancel" | "Pending Replace" | "Order Status" | "Rejected"
            | "Done for Day" | "Triggered" | "Stopped" => {}
            other => panic!("nobody knows what to do with {other}"),
        }
    }

    /// The orders of the trader, oldest first.
    fn orders(&self, tx: &mut Tx<'_, Engine>) -> Result<Vec<Order>, Error> {
        let filter = Filter::of_trader(self.trader);
        let mut orders = tx.orders().recent(&filter, Page::first(10))?.rows;
        orders.reverse();
        Ok(orders)
    }

    /// All stored rows of the trader's orders.
    fn records(&self) -> (Vec<OrderHistory>, Vec<BreakHistory>) {
        let filter = Filter::of_trader(self.trader);
        let work = |tx: &mut Tx<'_, Engine>| {
            let orders = self.orders(tx)?;
            let histories = orders.iter().map(|order| tx.orders().history(order.id));
            Ok::<_, Error>((
                histories.collect::<Result<_, _>>()?,
                tx.breaks().recent(&filter, Page::first(10))?.rows,
            ))
        };
        self.blotter.engine().snapshot(work).unwrap()
    }

    /// The order that a message is about, and the only one if it names none.
    fn chain(&self, message: &Message) -> Option<Chain> {
        let orders = self.blotter.engine().transaction(|tx| self.orders(tx)).unwrap();
        let mut chains: Vec<Chain> = Vec::new();
        for order in orders {
            match chains.iter_mut().find(|chain| order.replaces == Some(chain.last().id)) {
                Some(chain) => chain.0.push(order),
                None => chains.push(Chain(vec![order])),
            }
        }
        let name = message.orig_cl_ord_id.as_ref().or(message.cl_ord_id.as_ref());
        let is_named = |order: &Order| order.client_order_id.as_ref() == name;
        chains.into_iter().find(|chain| name.is_none() || chain.0.iter().any(is_named))
    }

    fn submit(&self, message: &Message) {
        let new = NewOrder {
            client_order_id: message.cl_ord_id.as_deref(),
            ..self.order_of(message.order_qty.unwrap())
        };
        let known = self.chain(message).map(|chain| chain.0[0].id);
        match submit(self.blotter, &new) {
            Ok(order) => {
                assert_eq!(order.quantity, new.quantity, "{message:?}");
                assert_eq!(order.id, known.unwrap_or(order.id), "{message:?}");
            }
            // A different order under a client order id that is taken.
            Err(error) => assert!(known.is_some() && error.is_mismatch(), "{error:?}"),
        }
    }

    fn order_of(&self, shares: i32) -> NewOrder<'static> {
        NewOrder::market(self.trader, Side::Buy, "AAPL", shares)
    }

    /// The venue acknowledges the order with its own id.
    fn acknowledge(&self, message: &Message) {
        let order = match self.chain(message) {
            Some(chain) => chain.0[0].clone(),
            // An order by telephone: this is the first report of it.
            None => submit(self.blotter, &self.order_of(message.order_qty.unwrap())).unwrap(),
        };
        if order.venue_order_id.is_none() {
            let id = message.execution_id();
            let action = NewAction::Executed { venue_order_id: Some(&id) };
            append(self.blotter, &NewExecutionLog::new(order.id, action)).unwrap();
        }
    }

    /// The venue has executed, corrected or busted something.
    fn execute(&self, message: &Message) {
        let chain = self.chain(message).unwrap();
        let execution_id = message.execution_id();
        let refers_to = message.exec_ref_id.as_deref();
        let kind = match refers_to {
            None => ExecutionKind::Fill,
            Some(of) if message.event == "Trade Cancel" => ExecutionKind::Bust { of },
            Some(of) => ExecutionKind::Correction { of },
        };
        let work = |tx: &mut Tx<'_, Engine>| {
            let fill = find_fill(tx, &chain, refers_to.unwrap_or(&execution_id))?;
            let outcome = tx.breaks().record_or_break(&Execution {
                kind,
                order_id: Some(fill.as_ref().map_or(chain.last().id, |fill| fill.order_id)),
                timestamp: noon(),
                quantity: message.last_qty.unwrap_or_default().into(),
                price: message.last_px.unwrap_or_else(|| price("50")).into(),
                venue: "NASDAQ",
                commission: BigDecimal::default(),
                rebate: 0.into(),
                source: None,
                trader_id: None,
                client_order_id: None,
                execution_id: Some(&execution_id),
                raw: None,
            })?;
            match outcome {
                Outcome::Recorded(_) | Outcome::Known(_) => Ok(()),
                Outcome::Broken(broken) => settle(tx, &broken, fill, chain.last()),
            }
        };
        self.blotter.engine().transaction(work).unwrap();
    }

    /// The venue has replaced the order, as its client has asked.
    fn replace(&self, message: &Message) {
        let chain = self.chain(message).unwrap();
        let is_replaced = |order: &&Order| order.client_order_id == message.orig_cl_ord_id;
        let new = NewOrder {
            client_order_id: message.cl_ord_id.as_deref(),
            replaces: chain.0.iter().find(is_replaced).map(|order| order.id),
            ..self.order_of(message.to_fill())
        };
        submit(self.blotter, &new).unwrap();
    }

    /// The venue restates the terms of the order, unrequested. If they differ, the order is replaced, and
    /// the client keeps its id.
    fn restate(&self, message: &Message) {
        let chain = self.chain(message).unwrap();
        if message.order_qty != Some(chain.state().quantity) {
            let replaces = Some(chain.last().id);
            let new = NewOrder { replaces, ..self.order_of(message.to_fill()) };
            submit(self.blotter, &new).unwrap();
        }
    }

    /// The order has ended.
    fn end(&self, message: &Message, action: NewAction<'_>) {
        let chain = self.chain(message).unwrap();
        if chain.last().status.is_open() {
            let new = NewExecutionLog::new(chain.last().id, action);
            append(self.blotter, &NewExecutionLog { reason: Some(&message.event), ..new }).unwrap();
        }
    }

    /// Compares the store with a message that reports the state of the order.
    fn compare(&self, message: &Message) {
        let chain = self.chain(message);
        assert_eq!(chain.is_none(), message.is_of_unknown_order(), "{message:?}");
        let Some(chain) = chain else { return };
        let reported = message.reported(chain.state());
        let expected = match DIFFERING.iter().find(|(at, seq, ..)| message.is_at(at, *seq)) {
            Some((.., state, _)) => {
                assert_ne!(*state, reported, "{message:?}");
                *state
            }
            None => reported,
        };
        assert_eq!(chain.state(), expected, "{message:?}");
        if let Some(average) = message.avg_px {
            assert_eq!(chain.average(), BigDecimal::from(average), "{message:?}");
        }
    }
}

/// The fill with this execution id, of any order of the chain.
fn find_fill(tx: &mut Tx<'_, Engine>, chain: &Chain, id: &str) -> Result<Option<Fill>, Error> {
    for order in &chain.0 {
        let fills = tx.fills().of_order(order.id)?.into_iter();
        let mut named = fills.filter(|fill| fill.execution_id.as_deref() == Some(id));
        if let Some(fill) = named.next() {
            return Ok(Some(fill));
        }
    }
    Ok(None)
}

/// The desk's resolution of an execution that cannot be applied.
fn settle(
    tx: &mut Tx<'_, Engine>,
    broken: &Break,
    amended: Option<Fill>,
    last: &Order,
) -> Result<(), Error> {
    if tx.breaks().get(broken.id)?.resolution.is_some() {
        return Ok(());
    }
    let resolution = match (broken.reason, amended) {
        (BreakReason::OrderEnded, _) => {
            NewBreakResolution::book(broken.id, "executed before the end")
        }
        // The order of the fill has no shares left for the correction, but its replacement has.
        (BreakReason::OverFill, Some(fill)) => {
            let more = broken.quantity.to_i32().unwrap() - fill.quantity_filled;
            let execution_id = broken.execution_id.as_deref();
            let price = fill.price_at_fill.to_string();
            tx.fills().record(&NewFill { execution_id, ..fill_of(last, more, &price) })?;
            NewBreakResolution::dismiss(broken.id, "booked to the order in place of this one")
        }
        (_, _) => panic!("{}", broken.detail),
    };
    tx.breaks().resolve(&resolution).map(drop)
}

fn scenarios() -> Vec<Vec<Message>> {
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .comment(Some(b'#'))
        .from_reader(SCENARIOS.as_bytes());
    let messages: Vec<Message> = reader.deserialize().map(Result::unwrap).collect();
    let by_scenario = messages.chunk_by(|one, next| one.scenario == next.scenario);
    by_scenario.map(<[_]>::to_vec).collect()
}

/// A scenario without its alternative endings.
fn straight(messages: &[Message]) -> Vec<&Message> {
    messages.iter().filter(|message| !message.is_alternative()).collect()
}

/// A scenario, and each of its alternative endings with the messages before it.
fn stories(messages: &[Message]) -> Vec<Vec<&Message>> {
    let straight = straight(messages);
    let turns = messages.iter().filter(|message| message.is_alternative());
    let turned = turns.map(|turn| {
        let before = straight.iter().copied().filter(|message| message.seq < turn.seq);
        before.chain([turn]).collect()
    });
    turned.chain([straight.clone()]).collect()
}

/// The scenarios that the store can express.
fn expressible() -> Vec<Vec<Message>> {
    let mut scenarios = scenarios();
    scenarios.retain(|messages| {
        INEXPRESSIBLE.iter().all(|(scenario, ..)| *scenario != messages[0].scenario)
    });
    scenarios
}

#[test]
fn every_scenario_of_the_matrices_is_played_or_named_with_the_reason_why_not() {
    let all = scenarios();
    let names: BTreeSet<_> = all.iter().map(|messages| &messages[0].scenario).collect();
    assert_eq!((names.len(), all.len()), (48, 48));
    let played = expressible();
    assert_eq!(played.len() + INEXPRESSIBLE.len(), all.len());
    let reports = |scenarios: &[Vec<Message>]| {
        scenarios.iter().flatten().filter(|message| message.is_report()).count()
    };
    assert_eq!((reports(&all), reports(&played)), (252, 242));
    for (scenario, seq, ..) in DIFFERING {
        assert!(played.iter().flatten().any(|message| message.is_at(scenario, seq)));
    }
}

#[test]
fn after_every_execution_report_the_store_says_what_the_venue_says() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let scenarios = expressible();
    for story in scenarios.iter().flat_map(|messages| stories(messages)) {
        let desk = Desk::new(&blotter, &story[0].scenario);
        for message in story {
            desk.play(message);
            if message.ord_status.is_some() {
                desk.compare(message);
            }
        }
    }
}

#[test]
fn a_message_that_comes_again_changes_nothing_at_once_or_later() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let scenarios = expressible();
    for story in scenarios.iter().map(|messages| straight(messages)) {
        let desk = Desk::new(&blotter, &story[0].scenario);
        for (at, message) in story.iter().enumerate() {
            desk.play(message);
            let before = desk.records();
            desk.play(message);
            // The store keeps no id of a restatement, so a late repetition is not recognized.
            let known = story[..at].iter().filter(|known| known.event != "Restated");
            known.for_each(|known| desk.play(known));
            assert_eq!(desk.records(), before, "{message:?}");
        }
    }
}
