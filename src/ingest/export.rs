//! The log out again, as events: taken in by an empty store, they make the same orders, fills and actions
//! under the same ids.
//!
//! What follows from another event is left out: the end of an order that was replaced. What can't be told
//! as an event is left out too: that a break was dismissed (the execution is told, and is a break again),
//! totals that differed, breaks of orders that are not there, and when and by whom things were recorded.
//! A break that was booked is told as the fill that it was booked as. A bust or a correction gets an id of
//! its own anew.

use std::collections::HashMap;

use diesel::prelude::*;
use uuid::Uuid;

use super::event::{Event, Kind, Number};
use crate::breaks::{BREAK_STORED_PREFIX, Break, ExecutionKind};
use crate::database::role::Role;
use crate::database::transaction::Tx;
use crate::error::Error;
use crate::execution_logs::ExecutionLog;
use crate::fills::Fill;
use crate::orders::Order;
use crate::orders::chain::ChainTotals;
use crate::schema::{break_resolutions, breaks, fills, traders};
use crate::types::enums::{Action, OrderStatus};
use crate::types::filter::Filter;

/// Entries that are read at a time.
const PAGE: u16 = 500;

/// What the entries of a page are about.
struct Page {
    orders: HashMap<Uuid, Order>,
    fills: HashMap<Uuid, Fill>,
    breaks: HashMap<Uuid, Break>,
    /// Breaks that were booked.
    booked: Vec<Uuid>,
    /// Shares filled of the orders and of those that they replace.
    filled: HashMap<Uuid, String>,
    names: HashMap<Uuid, String>,
}

/// Gives the entries of the log that match as events, in the order of the log. In a
/// [`snapshot`](crate::Session::snapshot) they agree, whoever else is writing. Memory does not grow with
/// the log.
///
/// # Errors
///
/// Those of the connection, and those of `each`.
pub fn export<R: Role, E: From<Error>>(
    tx: &mut Tx<'_, R>,
    filter: &Filter<'_>,
    mut each: impl FnMut(&Event<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut after = None;
    loop {
        let entries = tx.execution_logs().sequel(filter, after, PAGE)?;
        let Some(last) = entries.last() else { return Ok(()) };
        after = Some(last.sequence);
        let page = Page::load(tx, &entries)?;
        for entry in &entries {
            if let Some(told) = page.told(entry) {
                each(&told.event())?;
            }
        }
    }
}

impl Page {
    fn load<R: Role>(tx: &mut Tx<'_, R>, entries: &[ExecutionLog]) -> Result<Self, Error> {
        let order_ids: Vec<Uuid> = entries.iter().map(|entry| entry.order_id).collect();
        let chains = tx.orders().load_chains(&order_ids)?;
        let filled = order_ids
            .iter()
            .filter_map(|id| {
                Some((*id, ChainTotals::of(chains.get(id)?, &chains).shares.to_string()))
            })
            .collect();
        let conn = tx.connection();
        let fill_ids: Vec<Uuid> = entries.iter().filter_map(|entry| entry.fill_id).collect();
        let mut loaded: Vec<Fill> = Fill::query().filter(fills::id.eq_any(&fill_ids)).load(conn)?;
        let amended: Vec<Uuid> = loaded.iter().filter_map(|fill| fill.amends).collect();
        loaded.extend(Fill::query().filter(fills::id.eq_any(&amended)).load::<Fill>(conn)?);
        let break_ids: Vec<Uuid> = entries.iter().filter_map(|entry| entry.break_id).collect();
        let kept: Vec<Break> = Break::query().filter(breaks::id.eq_any(&break_ids)).load(conn)?;
        let booked = break_resolutions::table
            .filter(break_resolutions::break_id.eq_any(&break_ids))
            .filter(break_resolutions::is_booked)
            .select(break_resolutions::break_id)
            .load(conn)?;
        let trader_ids: Vec<Uuid> = chains.values().map(|order| order.trader_id).collect();
        let names: Vec<(Uuid, String)> = traders::table
            .filter(traders::id.eq_any(trader_ids))
            .select((traders::id, traders::name))
            .load(conn)?;
        Ok(Self {
            orders: chains,
            fills: loaded.into_iter().map(|fill| (fill.id, fill)).collect(),
            breaks: kept.into_iter().map(|kept| (kept.id, kept)).collect(),
            booked,
            filled,
            names: names.into_iter().collect(),
        })
    }

    /// What an entry says; none if it follows from another one.
    fn told<'p>(&'p self, entry: &'p ExecutionLog) -> Option<Told<'p>> {
        let order = self.orders.get(&entry.order_id)?;
        let fill = entry.fill_id.and_then(|id| self.fills.get(&id));
        let kept = entry.break_id.and_then(|id| self.breaks.get(&id));
        let kind = match (fill, kept) {
            (Some(fill), _) if fill.is_bust => Kind::Bust,
            (Some(fill), _) if fill.amends.is_some() => Kind::Correct,
            (Some(_), _) => Kind::Fill,
            (None, Some(kept)) => self.reported(entry, kept)?,
            (None, None) => action(entry)?,
        };
        let mut told = Told {
            kind,
            entry,
            order,
            name: self.names.get(&order.trader_id).map(String::as_str),
            fill,
            amended: fill.and_then(|fill| self.fills.get(&fill.amends?)),
            kept: kept.filter(|_| fill.is_none()),
            raw: kept.and_then(|kept| kept.raw.as_deref()),
            numbers: HashMap::new(),
        };
        told.write_numbers(self.filled.get(&order.id));
        Some(told)
    }

    /// What was reported that is kept as a break; nothing if it has been booked since, which is told
    /// where it was.
    fn reported(&self, entry: &ExecutionLog, kept: &Break) -> Option<Kind> {
        let reason = entry.reason.as_deref();
        let is_stored = reason.is_some_and(|reason| reason.starts_with(BREAK_STORED_PREFIX));
        if !is_stored || self.booked.contains(&kept.id) {
            return None;
        }
        Some(match kept.kind()? {
            ExecutionKind::Bust { .. } => Kind::Bust,
            ExecutionKind::Correction { .. } => Kind::Correct,
            ExecutionKind::Fill => Kind::Fill,
        })
    }
}

/// An entry of the log with what it is about, its numbers written out.
struct Told<'p> {
    kind: Kind,
    entry: &'p ExecutionLog,
    order: &'p Order,
    name: Option<&'p str>,
    fill: Option<&'p Fill>,
    amended: Option<&'p Fill>,
    kept: Option<&'p Break>,
    raw: Option<&'p str>,
    numbers: HashMap<&'static str, String>,
}

impl Told<'_> {
    fn write_numbers(&mut self, filled: Option<&String>) {
        let mut write = |field, number: Option<String>| {
            if let Some(number) = number {
                self.numbers.insert(field, number);
            }
        };
        if self.kind == Kind::NewOrder {
            write("quantity", Some(self.order.quantity.to_string()));
            write("price", self.order.price.map(|price| price.to_string()));
            write("stop_loss", self.order.stop_loss.map(|price| price.to_string()));
            write("take_profit", self.order.take_profit.map(|price| price.to_string()));
        }
        if let Some(fill) = self.fill {
            write("last_quantity", Some(fill.quantity_filled.to_string()));
            write("last_price", Some(fill.price_at_fill.to_string()));
            write("commission", Some(fill.commission.to_string()));
            // Booked late, perhaps: whoever takes it in is to know that it counts.
            write("cumulative_quantity", filled.filter(|_| fill.break_id.is_some()).cloned());
        }
        if let Some(kept) = self.kept {
            write("last_quantity", Some(kept.quantity.to_plain_string()));
            write("last_price", Some(kept.price.to_plain_string()));
            write("commission", Some(kept.commission.to_plain_string()));
        }
    }

    fn number(&self, field: &str) -> Option<Number<'_>> {
        self.numbers.get(field).and_then(|number| Number::new(number))
    }

    fn event(&self) -> Event<'_> {
        let Self { kind, entry, order, fill, kept, .. } = *self;
        let is_new = kind == Kind::NewOrder;
        let is_action = fill.is_none() && kept.is_none() && !is_new;
        let by_id = |fill: &Fill| fill.execution_id.clone().unwrap_or(fill.id.to_string());
        Event {
            id: match fill {
                _ if is_new => Some(order.id),
                _ if is_action => Some(entry.id),
                Some(fill) if kind == Kind::Fill && fill.break_id.is_none() => Some(fill.id),
                _ => None,
            },
            order_id: Some(order.id),
            replaces: order.replaces.filter(|_| is_new),
            trader: Some(order.trader_id.to_string().into()),
            trader_name: self.name.filter(|_| is_new).map(Into::into),
            client_order_id: order.client_order_id.as_deref().map(Into::into),
            venue_order_id: entry.venue_order_id.as_deref().map(Into::into),
            symbol: is_new.then_some(order.symbol.as_str().into()),
            side: order.side.filter(|_| is_new),
            order_type: is_new.then_some(order.order_type),
            quantity: self.number("quantity"),
            price: self.number("price"),
            stop_loss: self.number("stop_loss"),
            take_profit: self.number("take_profit"),
            expires_at: order.expires_at.filter(|_| is_new),
            execution_id: match (fill, kept) {
                (Some(fill), _) => fill.execution_id.as_deref().map(Into::into),
                (None, kept) => kept.and_then(|kept| kept.execution_id.as_deref()).map(Into::into),
            },
            refers_to: match kept {
                None => self.amended.map(|amended| by_id(amended).into()),
                Some(kept) => kept.refers_to.as_deref().map(Into::into),
            },
            venue: match (fill, kept) {
                (Some(fill), _) => Some(fill.venue.as_str().into()),
                (None, kept) => kept.map(|kept| kept.venue.as_str().into()),
            },
            last_quantity: self.number("last_quantity"),
            last_price: self.number("last_price"),
            commission: self.number("commission"),
            cumulative_quantity: self.number("cumulative_quantity"),
            at: match (fill, kept) {
                (Some(fill), _) => Some(fill.timestamp),
                (None, Some(kept)) => Some(kept.timestamp),
                (None, None) => entry.reported_at,
            },
            status: entry.status.filter(|status| {
                kind == Kind::Recovered
                    && matches!(status, OrderStatus::Rejected | OrderStatus::Cancelled)
            }),
            reason: entry.reason.as_deref().filter(|_| is_action).map(Into::into),
            error_code: entry.error_code.as_deref().map(Into::into),
            retry_attempt: entry.retry_attempt.and_then(|attempt| attempt.try_into().ok()),
            ..Event::new(kind, 0, self.raw.unwrap_or_default())
        }
    }
}

/// How the reason begins of an entry about an order that was replaced, and what it is of one whose time was
/// up: as the database writes them.
const REPLACED: &str = "replaced by order ";
const EXPIRED: &str = "expired";

/// What an action is as an event; none if it follows from another one.
fn action(entry: &ExecutionLog) -> Option<Kind> {
    let reason = entry.reason.as_deref().unwrap_or_default();
    Some(match entry.action {
        Action::Submitted => Kind::NewOrder,
        Action::Approved => Kind::Approved,
        Action::Executed if entry.venue_order_id.is_some() => Kind::Acknowledged,
        Action::Executed => Kind::Routed,
        Action::Rejected => Kind::Rejected,
        Action::Cancelled if reason.starts_with(REPLACED) => return None,
        Action::Cancelled if reason == EXPIRED => Kind::Expired,
        Action::Cancelled => Kind::Cancelled,
        Action::Recovered => Kind::Recovered,
        // Without its fill, which is in every store that the database has looked after from the first.
        Action::Filled => return None,
    })
}
