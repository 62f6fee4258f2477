//! What is to be written for some reports: for each replace chain of orders a queue, in the sequence of
//! the reports.

use std::collections::{HashMap, HashSet, VecDeque};

use bigdecimal::{BigDecimal, ToPrimitive};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::known_orders::{Book, Known};
use super::venue_totals::Standings;
use super::writer::{Options, Problem};
use crate::breaks::Execution;
use crate::execution_logs::{MAX_REASON, NewExecutionLog};
use crate::fills::NewFill;
use crate::ingest::event::{Event, Kind, Number};
use crate::orders::NewOrder;
use crate::types::enums::{Action, OrderType};
use crate::types::price::{Commission, Price};

/// What ids are made of that reports give to entries of the log: the same report, the same entry.
const ENTRIES: Uuid = Uuid::from_u128(0x8f1c_5f0e_6d2b_4b7a_9c53_2f6a_1d7e_4c01);

/// Ids of orders that neither client nor store has given one.
const ORDERS: Uuid = Uuid::from_u128(0x8f1c_5f0e_6d2b_4b7a_9c53_2f6a_1d7e_4c02);

/// One row to write.
#[derive(Debug)]
pub(super) enum Step<'e> {
    /// An order to submit.
    Submit(NewOrder<'e>),
    /// An action to log, under this id.
    Log(EntryId, NewExecutionLog<'e>),
    /// A fill to record, under this id.
    Fill(Uuid, NewFill<'e>),
    /// An execution that is recorded or kept as a break, by itself.
    Execution(Execution<'e>),
    /// An execution that is kept as a break, since another one is recorded under its id.
    Mismatch(Execution<'e>, String),
}

/// A row to write, of an order, and the report that it is written for.
#[derive(Debug)]
pub(super) struct Planned<'e> {
    pub event: &'e Event<'e>,
    /// The order; none if it is not known. One that is new has another id in the end if somebody else
    /// submits it at the same moment.
    pub order_id: Option<Uuid>,
    /// Shares that the venue counted of the order when it made the report, as far as was read by then.
    pub counted: Option<Number<'e>>,
    pub step: Step<'e>,
}

/// The id of an entry of the log.
#[derive(Debug)]
pub(super) enum EntryId {
    /// The store's own, in what it has written out itself.
    Given(Uuid),
    /// Made of what is said of the order: the same report, the same entry, whichever session tells it.
    Said(String),
}

impl EntryId {
    /// The id of the entry of this order.
    pub fn of(&self, order_id: Uuid) -> Uuid {
        match self {
            Self::Given(id) => *id,
            Self::Said(said) => Uuid::new_v5(&ENTRIES, format!("{order_id} {said}").as_bytes()),
        }
    }
}

/// What is to be written, in queues that don't wait for each other.
#[derive(Default)]
pub(super) struct Plan<'e> {
    pub queues: HashMap<Uuid, VecDeque<Planned<'e>>>,
    pub standings: Standings<'e>,
    pub problems: Vec<Problem>,
    /// Reports of orders that are known already.
    pub known: u64,
    /// Reports by which nothing has happened to an order.
    pub unchanged: u64,
}

impl<'e> Plan<'e> {
    pub fn of(
        events: &'e [Event<'e>],
        traders: &[Option<Uuid>],
        refused: &HashSet<usize>,
        book: &mut Book,
        options: &'e Options,
    ) -> Self {
        let mut plan = Self::default();
        for (number, (event, trader)) in events.iter().zip(traders).enumerate() {
            if refused.contains(&number) {
                continue;
            }
            if let Err(why) = plan.add(event, *trader, book, options) {
                plan.problems.push(Problem { line: event.line, why });
            }
        }
        plan
    }

    fn add(
        &mut self,
        event: &'e Event<'e>,
        trader: Option<Uuid>,
        book: &mut Book,
        options: &'e Options,
    ) -> Result<(), String> {
        let order = match event.kind {
            Kind::CancelRejected => {
                self.unchanged += 1;
                return Ok(());
            }
            Kind::Status => {
                self.unchanged += 1;
                let order = book.find(event, trader).cloned();
                if let Some(order) = order {
                    self.standings.report(event, order.id);
                }
                return Ok(());
            }
            Kind::NewOrder => {
                if let Some(known) = book.find(event, trader) {
                    known.check(event)?;
                    self.known += 1;
                    return Ok(());
                }
                Some(self.create(event, trader, book)?)
            }
            Kind::Replaced => Some(self.replace(event, trader, book)?),
            _ => match book.find(event, trader).cloned() {
                Some(known) => Some(known),
                None => self.first_seen(event, trader, book)?,
            },
        };
        let Some(order) = order else {
            // An execution of an order that nobody knows.
            let execution = execution(event, None, options)?;
            self.push(Uuid::nil(), event, None, Step::Execution(execution));
            return Ok(());
        };
        if let Some(called) = event.venue_order_id.as_deref() {
            book.call(order.id, called);
        }
        self.standings.report(event, order.id);
        if let Some(step) = step(event, &order, options)? {
            self.push(order.root, event, Some(order.id), step);
        }
        Ok(())
    }

    fn push(&mut self, root: Uuid, event: &'e Event<'e>, order_id: Option<Uuid>, step: Step<'e>) {
        let counted = order_id.and_then(|id| self.standings.counted(id));
        let planned = Planned { event, order_id, counted, step };
        self.queues.entry(root).or_default().push_back(planned);
    }

    /// Makes the order that a report is the first one of, if it says enough; none if it doesn't and is
    /// an execution, which can be kept without.
    fn first_seen(
        &mut self,
        event: &'e Event<'e>,
        trader: Option<Uuid>,
        book: &mut Book,
    ) -> Result<Option<Known>, String> {
        let is_execution = matches!(event.kind, Kind::Fill | Kind::Bust | Kind::Correct);
        match self.create(event, trader, book) {
            Ok(order) => {
                let is_told = matches!(event.kind, Kind::Acknowledged);
                if event.venue_order_id.is_some() && !is_told {
                    let entry = NewExecutionLog {
                        reason: Some("first seen in a report of the venue"),
                        venue_order_id: event.venue_order_id.as_deref(),
                        reported_at: event.at,
                        ..NewExecutionLog::new(order.id, Action::Executed)
                    };
                    let id = EntryId::Said("first seen".to_owned());
                    self.push(order.root, event, Some(order.id), Step::Log(id, entry));
                }
                Ok(Some(order))
            }
            Err(_) if is_execution => Ok(None),
            Err(why) => Err(format!("is of an order that is not known, and {why}")),
        }
    }

    /// Plans to submit the order that a report describes.
    fn create(
        &mut self,
        event: &'e Event<'e>,
        trader: Option<Uuid>,
        book: &mut Book,
    ) -> Result<Known, String> {
        let replaced = match event.kind {
            Kind::NewOrder | Kind::Replaced => book.replaced(event, trader).cloned(),
            _ => None,
        };
        let is_replacing = event.replaces.or(replaced.as_ref().map(|replaced| replaced.id));
        let ends = matches!(event.kind, Kind::Cancelled | Kind::Expired);
        let before = event.original_client_order_id.as_deref().filter(|_| ends);
        let client_order_id = before.or(event.client_order_id.as_deref());
        let trader_id = trader
            .or(replaced.as_ref().map(|replaced| replaced.trader_id))
            .ok_or("names no trader; say whose it is with --trader or --trader-from")?;
        let mut quantity = shares(event.quantity, "quantity (tag 38)")?;
        if event.kind == Kind::Replaced
            && replaced.is_some()
            && let Some(filled) = event.cumulative_quantity
        {
            quantity -= shares_or_none(filled)?;
        }
        let new = NewOrder {
            trader_id,
            side: event.side.ok_or("has no side (tag 54)")?,
            symbol: event.symbol.as_deref().ok_or("has no symbol (tag 55)")?,
            quantity,
            order_type: event.order_type.ok_or("has no order type that the store has (tag 40)")?,
            price: price(event.price)?,
            stop_loss: price(event.stop_loss)?,
            take_profit: price(event.take_profit)?,
            expires_at: event.expires_at,
            client_order_id,
            replaces: is_replacing,
        };
        // Some engines send a price with an order at any price.
        let new = match new.order_type {
            OrderType::Market => NewOrder { price: None, ..new },
            _ => new,
        };
        let id = match (event.id.filter(|_| event.kind == Kind::NewOrder), client_order_id) {
            (Some(id), _) => id,
            (None, Some(_)) => Uuid::now_v7(),
            (None, None) => {
                let called = event.venue_order_id.as_deref().ok_or("has no id (tags 11, 37)")?;
                Uuid::new_v5(&ORDERS, format!("{trader_id} {called}").as_bytes())
            }
        };
        let root = replaced.as_ref().map_or(id, |replaced| replaced.root);
        let known = Known {
            id,
            trader_id,
            root,
            replaced_by: None,
            is_new: true,
            symbol: new.symbol.to_owned(),
            side: Some(new.side),
            quantity: new.quantity,
        };
        book.enter(known.clone(), client_order_id, event.venue_order_id.as_deref());
        if let Some(replaced) = &replaced {
            book.replace(replaced.id, id);
            self.standings.forget(replaced.id);
        }
        self.push(root, event, Some(id), Step::Submit(new));
        Ok(known)
    }

    /// The order that has taken the place of another one.
    fn replace(
        &mut self,
        event: &'e Event<'e>,
        trader: Option<Uuid>,
        book: &mut Book,
    ) -> Result<Known, String> {
        let known = book.by_client_id(event.client_order_id.as_deref(), trader);
        match known.cloned() {
            Some(known) => Ok(known),
            None => self.create(event, trader, book),
        }
    }
}

/// What is to be written of a report of this order, beside the order itself.
fn step<'e>(
    event: &'e Event<'e>,
    order: &Known,
    options: &'e Options,
) -> Result<Option<Step<'e>>, String> {
    let entry = |action, reason: Option<&'e str>| NewExecutionLog {
        reason,
        reported_at: event.at,
        ..NewExecutionLog::new(order.id, action)
    };
    let log = |entry| Step::Log(id_of_entry(event), entry);
    let reason = event.reason.as_deref().map(shortened);
    let reason = reason.filter(|reason| !reason.trim().is_empty());
    let error_code = event.error_code.as_deref();
    Ok(Some(match event.kind {
        Kind::NewOrder | Kind::CancelRejected | Kind::Status => return Ok(None),
        Kind::Approved => log(entry(Action::Approved, reason)),
        Kind::Routed => log(entry(Action::Executed, reason)),
        Kind::Acknowledged | Kind::Replaced => log(NewExecutionLog {
            venue_order_id: event.venue_order_id.as_deref(),
            ..entry(Action::Executed, reason)
        }),
        Kind::Cancelled => log(entry(Action::Cancelled, reason)),
        Kind::Expired => log(entry(Action::Cancelled, reason.or(Some("expired")))),
        Kind::Rejected => log(NewExecutionLog { error_code, ..entry(Action::Rejected, reason) }),
        Kind::Recovered => log(NewExecutionLog {
            error_code,
            retry_attempt: event.retry_attempt.and_then(|attempt| attempt.to_i32()),
            status: event.status.filter(|status| !status.is_open()),
            ..entry(Action::Recovered, reason)
        }),
        Kind::Fill => match fill(event, order.id, options) {
            Some((id, fill)) => Step::Fill(id, fill),
            None => Step::Execution(execution(event, Some(order.id), options)?),
        },
        Kind::Bust | Kind::Correct => Step::Execution(execution(event, Some(order.id), options)?),
    }))
}

/// The fill that a report is, if its numbers fit the columns.
fn fill<'e>(
    event: &'e Event<'e>,
    order_id: Uuid,
    options: &'e Options,
) -> Option<(Uuid, NewFill<'e>)> {
    let commission = match event.commission {
        Some(commission) => Commission::try_from(commission.value()).ok()?,
        None => Commission::default(),
    };
    let new = NewFill {
        order_id,
        timestamp: event.at?,
        quantity_filled: shares_or_none(event.last_quantity?).ok()?,
        price_at_fill: Price::try_from(event.last_price?.value()).ok()?,
        venue: venue(event, options),
        commission,
        execution_id: event.execution_id.as_deref(),
    };
    Some((event.id.unwrap_or_else(Uuid::now_v7), new))
}

/// The execution that a report is, as it says it.
pub(super) fn execution<'e>(
    event: &'e Event<'e>,
    order_id: Option<Uuid>,
    options: &'e Options,
) -> Result<Execution<'e>, String> {
    let is_bust = event.kind == Kind::Bust;
    let value = |number: Option<Number<'_>>, what: &str| match number {
        Some(number) => Ok(number.value()),
        None if is_bust => Ok(BigDecimal::default()),
        None => Err(format!("has no {what}")),
    };
    let refers_to = match event.kind {
        Kind::Fill => None,
        _ => Some(event.refers_to.as_deref().ok_or("does not say what it amends (tag 19)")?),
    };
    Ok(Execution {
        order_id,
        timestamp: at(event)?,
        quantity: value(event.last_quantity, "quantity (tag 32)")?,
        price: value(event.last_price, "price (tag 31)")?,
        venue: venue(event, options),
        commission: event.commission.map(Number::value).unwrap_or_default(),
        execution_id: event.execution_id.as_deref(),
        refers_to,
        is_bust,
        raw: Some(event.raw.as_ref()).filter(|raw| !raw.trim().is_empty()),
    })
}

pub(super) fn venue<'e>(event: &'e Event<'e>, options: &'e Options) -> &'e str {
    event.venue.as_deref().unwrap_or(&options.venue)
}

fn at(event: &Event<'_>) -> Result<DateTime<Utc>, String> {
    event.at.ok_or_else(|| "has no time (tag 60 or 52)".to_owned())
}

fn shares(number: Option<Number<'_>>, what: &str) -> Result<i32, String> {
    shares_or_none(number.ok_or_else(|| format!("has no {what}"))?)
}

fn shares_or_none(number: Number<'_>) -> Result<i32, String> {
    let value = number.value();
    let shares = value.is_integer().then(|| value.to_i32()).flatten();
    shares.ok_or_else(|| format!("says {number}, which is no number of whole shares"))
}

fn price(number: Option<Number<'_>>) -> Result<Option<Price>, String> {
    number.map(|number| Price::try_from(number.value()).map_err(|why| why.to_string())).transpose()
}

/// As much of a reason as the log keeps: an action is not lost for the words around it.
fn shortened(reason: &str) -> &str {
    reason.char_indices().nth(MAX_REASON).map_or(reason, |(end, _)| &reason[..end])
}

fn id_of_entry(event: &Event<'_>) -> EntryId {
    let kind = event.kind;
    match (event.id, event.execution_id.as_deref(), event.at) {
        (Some(id), ..) => EntryId::Given(id),
        (None, Some(execution_id), _) => EntryId::Said(format!("{kind:?} {execution_id}")),
        (None, None, at) => EntryId::Said(format!("{kind:?} at {at:?} {:?}", event.retry_attempt)),
    }
}
