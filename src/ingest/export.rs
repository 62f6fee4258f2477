//! Exports the store as events.
//!
//! The log gives the sequence. Its entries about a break are exported as the break itself and as its resolution, which
//! books it again on import; so a fill that was booked from a break is no event of its own. Breaks that no log has,
//! since they name no order or one that was stored later, come first. Entries that the database writes because
//! of another event are left out. Columns tell which these are, and never the words of a reason.

use std::collections::{HashMap, HashSet};

use bigdecimal::Zero;
use diesel::prelude::*;
use uuid::Uuid;

use super::apply::BreakNumbers;
use super::event::{Event, Kind, Number};
use crate::breaks::{Break, BreakHistory, BreakResolution};
use crate::database::role::Role;
use crate::database::transaction::Tx;
use crate::error::Error;
use crate::execution_logs::ExecutionLog;
use crate::fills::Fill;
use crate::orders::Order;
use crate::schema::{fills, orders, traders};
use crate::types::enums::{Action, OrderStatus};
use crate::types::filter::Filter;
use crate::types::price::Commission;

/// Entries, and breaks, read at a time.
const PAGE: u16 = 500;

/// The rows that the entries of a page are about.
struct Page {
    orders: HashMap<Uuid, Order>,
    /// The orders that another one has replaced.
    replaced: HashSet<Uuid>,
    fills: HashMap<Uuid, Fill>,
    breaks: HashMap<Uuid, BreakHistory>,
    /// The numbers of the entries about the storage of these breaks.
    storage_entries: HashMap<Uuid, i64>,
    names: HashMap<Uuid, String>,
}

/// Exports the entries of the log that match as events, in the sequence of the log, with the breaks that match, and
/// calls `each` with each. Ingested by an empty store, the events make the same orders, fills, actions, breaks and
/// resolutions under the same ids.
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
    export_unlogged_breaks(tx, filter, &mut each)?;
    // The filter may leave out the entry about the storage of a break: its resolution needs it all the same.
    let repeats_breaks = *filter != Filter::default();
    let mut after = None;
    loop {
        let entries = tx.execution_logs().page_after(filter, after, PAGE)?;
        let Some(last) = entries.last() else { return Ok(()) };
        after = Some(last.sequence);
        let page = Page::load(tx, &entries)?;
        for entry in &entries {
            match page.subject(entry) {
                Some(Subject::Row(row)) => each(&row.event())?,
                Some(Subject::Storage(kept)) => page.export_break(kept, &mut each)?,
                Some(Subject::Resolution(kept, resolution)) => {
                    if repeats_breaks {
                        page.export_break(kept, &mut each)?;
                    }
                    each(&resolution_event(kept, resolution))?;
                }
                None => {}
            }
        }
    }
}

/// Exports the breaks whose storage no log has, oldest first, each with its resolution if no log has that either.
fn export_unlogged_breaks<R: Role, E: From<Error>>(
    tx: &mut Tx<'_, R>,
    filter: &Filter<'_>,
    each: &mut impl FnMut(&Event<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut after = None;
    loop {
        let page = tx.breaks().page_after(filter, after, PAGE)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some((last.reported.created_at, last.reported.id));
        let logged = tx.breaks().storage_entries(&page)?;
        let names = names_of(tx, page.iter().filter_map(|history| history.reported.trader_id))?;
        for BreakHistory { reported, resolution } in &page {
            if logged.contains_key(&reported.id) {
                continue;
            }
            let name = reported.trader_id.and_then(|id| names.get(&id));
            each(&break_event(reported, name, &BreakNumbers::of(reported)))?;
            if let Some(resolution) = resolution.as_ref().filter(|it| it.order_id.is_none()) {
                each(&resolution_event(reported, resolution))?;
            }
        }
    }
}

/// Returns the names of these traders.
fn names_of<R: Role>(
    tx: &mut Tx<'_, R>,
    ids: impl Iterator<Item = Uuid>,
) -> Result<HashMap<Uuid, String>, Error> {
    let ids: HashSet<Uuid> = ids.collect();
    let names: Vec<(Uuid, String)> = traders::table
        .filter(traders::id.eq_any(ids))
        .select((traders::id, traders::name))
        .load(tx.conn())?;
    Ok(names.into_iter().collect())
}

/// What an entry of the log is exported as.
enum Subject<'p> {
    Row(ExportedRow<'p>),
    Storage(&'p Break),
    Resolution(&'p Break, &'p BreakResolution),
}

impl Page {
    fn load<R: Role>(tx: &mut Tx<'_, R>, entries: &[ExecutionLog]) -> Result<Self, Error> {
        let order_ids: HashSet<Uuid> = entries.iter().map(|entry| entry.order_id).collect();
        let break_ids: Vec<Uuid> = entries.iter().filter_map(|entry| entry.break_id).collect();
        let breaks = tx.breaks().with_ids(&break_ids)?;
        let storage_entries = tx.breaks().storage_entries(&breaks)?;
        let conn = tx.conn();
        let loaded: Vec<Order> = Order::query().filter(orders::id.eq_any(&order_ids)).load(conn)?;
        let replaced: Vec<Option<Uuid>> = orders::table
            .filter(orders::replaces.eq_any(&order_ids))
            .select(orders::replaces)
            .load(conn)?;
        let fill_ids: Vec<Uuid> = entries.iter().filter_map(|entry| entry.fill_id).collect();
        let mut fills: Vec<Fill> = Fill::query().filter(fills::id.eq_any(&fill_ids)).load(conn)?;
        let amended: Vec<Uuid> = fills.iter().filter_map(|fill| fill.amends).collect();
        fills.extend(Fill::query().filter(fills::id.eq_any(&amended)).load::<Fill>(conn)?);
        let traders = loaded.iter().map(|order| order.trader_id);
        let names = names_of(tx, traders)?;
        Ok(Self {
            orders: loaded.into_iter().map(|order| (order.id, order)).collect(),
            replaced: replaced.into_iter().flatten().collect(),
            fills: fills.into_iter().map(|fill| (fill.id, fill)).collect(),
            breaks: breaks.into_iter().map(|history| (history.reported.id, history)).collect(),
            storage_entries,
            names,
        })
    }

    /// Returns what an entry is exported as; none if the database wrote it because of what another entry is
    /// exported as.
    fn subject<'p>(&'p self, entry: &'p ExecutionLog) -> Option<Subject<'p>> {
        let order = self.orders.get(&entry.order_id)?;
        let fill = entry.fill_id.and_then(|id| self.fills.get(&id));
        if let Some(history) = entry.break_id.and_then(|id| self.breaks.get(&id)) {
            return self.subject_of_break(entry, history);
        }
        let kind = match fill {
            Some(fill) if fill.is_bust => Kind::Bust,
            Some(fill) if fill.amends.is_some() => Kind::Correct,
            Some(_) => Kind::Fill,
            // A break that the session may not see.
            None if entry.break_id.is_some() => return None,
            None => self.kind_of_action(entry)?,
        };
        let mut row = ExportedRow {
            kind,
            entry,
            order,
            name: self.names.get(&order.trader_id),
            fill,
            amended: fill.and_then(|fill| self.fills.get(&fill.amends?)),
            numbers: HashMap::new(),
        };
        row.write_numbers();
        Some(Subject::Row(row))
    }

    /// Returns whether an entry about a break is about its storage, or about its resolution. If a break is booked to
    /// another order than it names, the logs of both have an entry, and that of the fill counts.
    fn subject_of_break<'p>(
        &'p self,
        entry: &ExecutionLog,
        BreakHistory { reported, resolution }: &'p BreakHistory,
    ) -> Option<Subject<'p>> {
        if self.storage_entries.get(&reported.id) == Some(&entry.sequence) {
            return Some(Subject::Storage(reported));
        }
        let resolution = resolution.as_ref()?;
        let is_own = resolution.order_id == Some(entry.order_id);
        is_own.then_some(Subject::Resolution(reported, resolution))
    }

    /// Returns the kind of the event for an action; none if the action is derived from another entry.
    fn kind_of_action(&self, entry: &ExecutionLog) -> Option<Kind> {
        Some(match entry.action {
            Action::Submitted => Kind::NewOrder,
            Action::Approved => Kind::Approved,
            Action::Executed if entry.venue_order_id.is_some() => Kind::Acknowledged,
            Action::Executed => Kind::Routed,
            Action::Rejected => Kind::Rejected,
            // Only an open order can be replaced or cancelled, and a replacement cancels it: so whoever cancelled an
            // order that has been replaced is the database.
            Action::Cancelled if self.replaced.contains(&entry.order_id) => return None,
            Action::Cancelled => Kind::Cancelled,
            Action::Recovered => Kind::Recovered,
            // An entry from before fills were linked to the log; its fill is not known.
            Action::Filled => return None,
        })
    }

    fn export_break<E>(
        &self,
        kept: &Break,
        each: &mut impl FnMut(&Event<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let name = kept.trader_id.and_then(|id| self.names.get(&id));
        each(&break_event(kept, name, &BreakNumbers::of(kept)))
    }
}

/// Returns the event of a break, as it is stored.
fn break_event<'p>(
    kept: &'p Break,
    name: Option<&'p String>,
    numbers: &'p BreakNumbers,
) -> Event<'p> {
    let text = |text: &'p Option<String>| text.as_deref().map(Into::into);
    let rebate = Number::new(&numbers.rebate).filter(|_| !kept.rebate.is_zero());
    Event {
        id: Some(kept.id),
        order_id: kept.order_id,
        break_reason: Some(kept.reason),
        is_bust: kept.is_bust.then_some(true),
        trader: kept.trader_id.map(|id| id.to_string().into()),
        trader_name: name.map(|name| name.as_str().into()),
        client_order_id: text(&kept.client_order_id),
        execution_id: text(&kept.execution_id),
        refers_to: text(&kept.refers_to),
        venue: Some(kept.venue.as_str().into()),
        source: Some(kept.source.as_str().into()),
        last_quantity: Number::new(&numbers.quantity),
        last_price: Number::new(&numbers.price),
        commission: Number::new(&numbers.commission),
        rebate,
        at: Some(kept.timestamp),
        reason: Some(kept.detail.as_str().into()),
        ..Event::new(Kind::Break, 0, kept.raw.as_deref().unwrap_or_default())
    }
}

/// Returns the event of the resolution of a break.
fn resolution_event<'p>(kept: &'p Break, resolution: &'p BreakResolution) -> Event<'p> {
    let kind = if resolution.is_booked { Kind::Booked } else { Kind::Dismissed };
    let trader = resolution.trader_id.or(kept.trader_id);
    Event {
        id: Some(resolution.id),
        order_id: resolution.order_id,
        break_id: Some(kept.id),
        trader: trader.map(|id| id.to_string().into()),
        reason: Some(resolution.reason.as_str().into()),
        ..Event::new(kind, 0, "")
    }
}

/// A row that an entry of the log is about, and its numbers as text for the event to borrow.
struct ExportedRow<'p> {
    kind: Kind,
    entry: &'p ExecutionLog,
    order: &'p Order,
    name: Option<&'p String>,
    fill: Option<&'p Fill>,
    amended: Option<&'p Fill>,
    numbers: HashMap<&'static str, String>,
}

impl ExportedRow<'_> {
    fn write_numbers(&mut self) {
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
        }
    }

    fn number(&self, field: &str) -> Option<Number<'_>> {
        self.numbers.get(field).and_then(|number| Number::new(number))
    }

    fn event(&self) -> Event<'_> {
        let Self { kind, entry, order, fill, .. } = *self;
        let is_new = kind == Kind::NewOrder;
        let is_action = fill.is_none() && !is_new;
        Event {
            id: Some(match fill {
                Some(fill) => fill.id,
                None if is_new => order.id,
                None => entry.report_id.unwrap_or(entry.id),
            }),
            order_id: Some(order.id),
            replaces: order.replaces.filter(|_| is_new),
            trader: Some(order.trader_id.to_string().into()),
            trader_name: self.name.filter(|_| is_new).map(Into::into),
            account: order.account.as_deref().filter(|_| is_new).map(Into::into),
            client_order_id: order.client_order_id.as_deref().map(Into::into),
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
            execution_id: fill.and_then(|fill| fill.execution_id.as_deref()).map(Into::into),
            refers_to: fill.and_then(|fill| Some(name_of(self.amended?, fill).into())),
            venue: fill.map(|fill| fill.venue.as_str().into()),
            source: fill.map(|fill| fill.source.as_str().into()),
            last_quantity: self.number("last_quantity"),
            last_price: self.number("last_price"),
            commission: self.number("commission"),
            rebate: self.number("rebate"),
            currency: order.currency.as_deref().filter(|_| is_new).map(Into::into),
            at: fill.map_or(entry.reported_at, |fill| Some(fill.timestamp)),
            status: entry.status.filter(|status| {
                kind == Kind::Recovered
                    && matches!(status, OrderStatus::Rejected | OrderStatus::Cancelled)
            }),
            reason: entry.reason.as_deref().filter(|_| is_action).map(Into::into),
            error_code: entry.error_code.as_deref().map(Into::into),
            retry_attempt: entry.retry_attempt.and_then(|attempt| attempt.try_into().ok()),
            ..Event::new(kind, 0, "")
        }
    }
}

/// Returns the name by which an amendment refers to the row that it amends: its execution id, or else its id, or that
/// of the break that it was booked from, which it keeps on import. A correction may have the execution id of
/// another fill, which would come first.
fn name_of(amended: &Fill, by: &Fill) -> String {
    match &amended.execution_id {
        Some(id) if amended.amends.is_none() && amended.source == by.source => id.clone(),
        _ => amended.break_id.unwrap_or(amended.id).to_string(),
    }
}
