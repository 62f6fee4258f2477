//! Exports the log as events.
//!
//! Left out is what the database derives from another event (the cancel of an order that was replaced), and
//! what no event can express: dismissals (the execution is exported, and becomes a break again), totals that
//! differed, breaks of unknown orders, and when and by whom rows were recorded. A booked break is exported
//! as the fill that it was booked as. Busts and corrections get new ids on import.

use std::collections::HashMap;

use bigdecimal::Zero;
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
use crate::types::price::Commission;

/// Entries read at a time.
const PAGE: u16 = 500;

/// The rows that the entries of a page are about.
struct Page {
    orders: HashMap<Uuid, Order>,
    fills: HashMap<Uuid, Fill>,
    breaks: HashMap<Uuid, Break>,
    /// The breaks that were booked.
    booked: Vec<Uuid>,
    /// The shares filled of each order and of those that it replaced.
    filled: HashMap<Uuid, String>,
    names: HashMap<Uuid, String>,
}

/// Exports the entries of the log that match as events, in the sequence of the log, and calls `each` with
/// each. Ingested by an empty store, the events make the same orders, fills and actions under the same ids.
///
/// Run it in a [`snapshot`](crate::Session::snapshot), so that the events are of one moment while others
/// write. Memory does not grow with the log. `docs/events.md` lists what an export does not preserve.
///
/// # Errors
///
/// Errors of the connection, and those of `each`.
pub fn export<R: Role, E: From<Error>>(
    tx: &mut Tx<'_, R>,
    filter: &Filter<'_>,
    mut each: impl FnMut(&Event<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut after = None;
    loop {
        let entries = tx.execution_logs().page_after(filter, after, PAGE)?;
        let Some(last) = entries.last() else { return Ok(()) };
        after = Some(last.sequence);
        let page = Page::load(tx, &entries)?;
        for entry in &entries {
            if let Some(exported) = page.export(entry) {
                each(&exported.event())?;
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
        let conn = tx.conn();
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

    /// Collects what an entry is about; none if it is derived from another entry.
    fn export<'p>(&'p self, entry: &'p ExecutionLog) -> Option<ExportedEntry<'p>> {
        let order = self.orders.get(&entry.order_id)?;
        let fill = entry.fill_id.and_then(|id| self.fills.get(&id));
        let kept = entry.break_id.and_then(|id| self.breaks.get(&id));
        let kind = match (fill, kept) {
            (Some(fill), _) if fill.is_bust => Kind::Bust,
            (Some(fill), _) if fill.amends.is_some() => Kind::Correct,
            (Some(_), _) => Kind::Fill,
            (None, Some(kept)) => self.kind_of_break(entry, kept)?,
            (None, None) => kind_of_action(entry)?,
        };
        let mut exported = ExportedEntry {
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
        exported.write_numbers(self.filled.get(&order.id));
        Some(exported)
    }

    /// The kind of the execution that was kept as a break; none if the break was booked, since the fill that
    /// it became is exported at its own entry, and none for totals that differ.
    fn kind_of_break(&self, entry: &ExecutionLog, kept: &Break) -> Option<Kind> {
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

/// An entry of the log with the rows that it is about, and their numbers as text for the event to borrow.
struct ExportedEntry<'p> {
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

impl ExportedEntry<'_> {
    fn write_numbers(&mut self, filled: Option<&String>) {
        let mut write = |field, number: Option<String>| {
            if let Some(number) = number {
                self.numbers.insert(field, number);
            }
        };
        if self.kind == Kind::NewOrder {
            write("quantity", Some(self.order.quantity.to_string()));
            write("price", self.order.price.map(|price| price.to_string()));
            write("limit_price", self.order.limit_price.map(|price| price.to_string()));
            write("stop_loss", self.order.stop_loss.map(|price| price.to_string()));
            write("take_profit", self.order.take_profit.map(|price| price.to_string()));
        }
        if let Some(fill) = self.fill {
            write("last_quantity", Some(fill.quantity_filled.to_string()));
            write("last_price", Some(fill.price_at_fill.to_string()));
            write("commission", Some(fill.commission.to_string()));
            let rebate = Some(fill.rebate).filter(|rebate| *rebate != Commission::default());
            write("rebate", rebate.map(|rebate| rebate.to_string()));
            // A fill that was booked late: with the total, an import books it late again.
            write("cumulative_quantity", filled.filter(|_| fill.break_id.is_some()).cloned());
        }
        if let Some(kept) = self.kept {
            write("last_quantity", Some(kept.quantity.to_plain_string()));
            write("last_price", Some(kept.price.to_plain_string()));
            write("commission", Some(kept.commission.to_plain_string()));
            let rebate = Some(&kept.rebate).filter(|rebate| !rebate.is_zero());
            write("rebate", rebate.map(|rebate| rebate.to_plain_string()));
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
                _ if is_action => Some(entry.report_id.unwrap_or(entry.id)),
                Some(fill) if kind == Kind::Fill && fill.break_id.is_none() => Some(fill.id),
                _ => None,
            },
            order_id: Some(order.id),
            replaces: order.replaces.filter(|_| is_new),
            trader: Some(order.trader_id.to_string().into()),
            trader_name: self.name.filter(|_| is_new).map(Into::into),
            account: order.account.as_deref().filter(|_| is_new).map(Into::into),
            // A break has the id that its report named; the order is found by the store's own id.
            client_order_id: match kept {
                None => order.client_order_id.as_deref().map(Into::into),
                Some(kept) => kept.client_order_id.as_deref().map(Into::into),
            },
            trading_day: order.trading_day.filter(|_| is_new),
            venue_order_id: entry.venue_order_id.as_deref().map(Into::into),
            symbol: is_new.then_some(order.symbol.as_str().into()),
            side: order.side.filter(|_| is_new),
            order_type: is_new.then_some(order.order_type),
            time_in_force: order.time_in_force.filter(|_| is_new),
            quantity: self.number("quantity"),
            price: self.number("price"),
            limit_price: self.number("limit_price"),
            stop_loss: self.number("stop_loss"),
            take_profit: self.number("take_profit"),
            expires_at: order.expires_at.filter(|_| is_new),
            received_at: order.received_at.filter(|_| is_new),
            instructions: order.instructions.clone().filter(|_| is_new),
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
            source: match (fill, kept) {
                (Some(fill), _) => Some(fill.source.as_str().into()),
                (None, kept) => kept.map(|kept| kept.source.as_str().into()),
            },
            last_quantity: self.number("last_quantity"),
            last_price: self.number("last_price"),
            commission: self.number("commission"),
            rebate: self.number("rebate"),
            currency: order.currency.as_deref().filter(|_| is_new).map(Into::into),
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

/// The reasons that the database writes into the entries of orders that were replaced, or expired.
const REPLACED: &str = "replaced by order ";
const EXPIRED: &str = "expired";

/// The kind of the event for an action; none if the action is derived from another entry.
fn kind_of_action(entry: &ExecutionLog) -> Option<Kind> {
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
        // An entry from before fills were linked to the log; its fill is not known.
        Action::Filled => return None,
    })
}
