//! Rebuilds orders from their fills and log entries, independently of the database: an order as of a
//! moment, and a check of what is stored.
//!
//! The triggers of the database derive an order's status and totals. This module derives them a second
//! time, in Rust, from what clients recorded: terms, fills and entries. It reads derived columns only to
//! compare them.

use std::collections::{HashMap, HashSet};
use std::fmt;

use bigdecimal::{BigDecimal, Zero};
use chrono::{DateTime, Utc};
use diesel::dsl::count_star;
use diesel::pg::Pg;
use diesel::prelude::*;
use uuid::Uuid;

use crate::database::role::Role;
use crate::error::Error;
use crate::execution_logs::ExecutionLog;
use crate::fills::Fill;
use crate::orders::{Order, OrderHistory, Orders};
use crate::schema::{breaks, execution_logs, fills, orders};
use crate::types::difference::{Comparison, Difference};
use crate::types::enums::{Action, OrderStatus};
use crate::types::price::average;
use crate::types::widths;

/// Differences of one order that its text shows.
const MAX_SHOWN: usize = 10;

/// Orders per call of [`Orders::rebuild`].
const PAGE: i64 = 500;

/// An order whose stored state differs from the state rebuilt from its fills and log entries.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct DifferingOrder {
    /// Id of the order.
    pub order_id: Uuid,
    /// The fields that differ: [`stored`](Difference::stored) is the value in the database,
    /// [`other`](Difference::other) the rebuilt one.
    pub differences: Vec<Difference>,
}

impl fmt::Display for DifferingOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "order {}", self.order_id)?;
        let shown = self.differences.iter().take(MAX_SHOWN);
        for (position, Difference { field, stored, other }) in shown.enumerate() {
            let separator = if position == 0 { ": " } else { "; " };
            write!(f, "{separator}{field} is {stored}, but its log and fills give {other}")?;
        }
        match self.differences.len().saturating_sub(MAX_SHOWN) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

/// The result of rebuilding one page of orders, from [`Orders::rebuild`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Rebuilt {
    /// The orders whose stored state differs from the rebuilt one. Empty unless somebody bypassed the
    /// triggers of the database.
    pub differing: Vec<DifferingOrder>,
    /// Id of the last order of the page, to pass to the next call; `None` after the last page.
    pub next: Option<Uuid>,
}

impl<R: Role> Orders<'_, R> {
    /// Returns an order as it stood at a moment, rebuilt from its fills and log entries.
    ///
    /// Status, totals, the venue's order id and `updated_at` include what happened at the moment itself. The
    /// terms of an order never change, so they are the stored ones.
    ///
    /// It runs four queries. In a [`snapshot`](crate::Session::snapshot) they all see the same state of
    /// the database, whatever is written meanwhile.
    ///
    /// # Errors
    ///
    /// [`Error::is_not_found`]: there is no such order, it belongs to another trader, or it was submitted
    /// after the moment.
    pub fn as_of(&mut self, id: Uuid, moment: DateTime<Utc>) -> Result<Order, Error> {
        let history = self.history(id)?;
        if moment < history.order.created_at {
            return Err(Error::not_found("order", format_args!("{id} as of {moment}")));
        }
        let scale = widths::get(self.conn)?.prices;
        Ok(RebuiltOrder::from_history(&history, Some(moment), scale).order)
    }

    /// Rebuilds up to 500 orders from their fills and log entries and compares each with what is stored.
    ///
    /// The page holds the orders after the id `after`, by id; `None` starts with the first order. Run it
    /// in a [`snapshot`](crate::Session::snapshot), or orders that change between its queries are reported
    /// as differing.
    ///
    /// It compares status, filled quantity, exact notional, average fill price, the venue's order id,
    /// `updated_at`, the root of the order chain and the number of breaks, and reports a fill without an entry, an entry without its fill, and an entry with
    /// another trader, with another action or status than the rebuilt one, or not later than the entry
    /// before it. It does not
    /// check the other columns of entries, nor breaks, and it can't notice that an entry which changed
    /// nothing is missing.
    ///
    /// # Errors
    ///
    /// Only those of the connection: an order that differs is a result and not an error.
    ///
    /// ```
    /// # #[cfg(feature = "embedded")] fn main() -> Result<(), tradeblotter::Error> {
    /// # use tradeblotter::{Blotter, NewOrder, Side, embedded, migrations, role};
    /// # let server = embedded::Server::start()?;
    /// # migrations::run(&mut server.connect()?)?;
    /// # let engine = Blotter::connect(&server.login::<role::Engine>()?)?.engine();
    /// # let ada = engine.transaction(|tx| tx.traders().register("Ada"))?;
    /// # let new = NewOrder::market(ada.id, Side::Buy, "AAPL", 100);
    /// # engine.transaction(|tx| tx.orders().submit(&new))?;
    /// let mut after = None;
    /// loop {
    ///     let rebuilt = engine.snapshot(|tx| tx.orders().rebuild(after))?;
    ///     assert_eq!(rebuilt.differing, []);
    ///     after = rebuilt.next;
    ///     if after.is_none() {
    ///         break;
    ///     }
    /// }
    /// # Ok(()) }
    /// # #[cfg(not(feature = "embedded"))] fn main() {}
    /// ```
    pub fn rebuild(&mut self, after: Option<Uuid>) -> Result<Rebuilt, Error> {
        let ids = self.ids_after(after)?;
        let is_full_page = i64::try_from(ids.len()) == Ok(PAGE);
        let next = ids.last().copied().filter(|_| is_full_page);
        Ok(Rebuilt { differing: self.rebuild_each(&ids)?, next })
    }

    /// Returns the ids of the page of orders after this one.
    pub(crate) fn ids_after(&mut self, after: Option<Uuid>) -> QueryResult<Vec<Uuid>> {
        let mut query = orders::table.select(orders::id).into_boxed::<Pg>();
        if let Some(after) = after {
            query = query.filter(orders::id.gt(after));
        }
        query.order(orders::id).limit(PAGE).load(self.conn)
    }

    /// Rebuilds these orders; returns those that differ.
    pub(crate) fn rebuild_each(&mut self, ids: &[Uuid]) -> Result<Vec<DifferingOrder>, Error> {
        let histories = self.load_histories(ids)?;
        let scale = widths::get(self.conn)?.prices;
        let links = Links::load(self.conn, self.role, &histories)?;
        let mut differing = Vec::new();
        for history in histories {
            let rebuilt = RebuiltOrder::from_history(&history, None, scale);
            let mut differences = rebuilt.into_differences(&history.order);
            differences.extend(links.differences(&history.order));
            if !differences.is_empty() {
                differing.push(DifferingOrder { order_id: history.order.id, differences });
            }
        }
        Ok(differing)
    }

    /// Stores what is derived of these orders, after their rows, fills and entries were restored from an archive. The
    /// guards must be off.
    #[cfg(feature = "audit")]
    pub(crate) fn store_derived(&mut self, ids: &[Uuid]) -> Result<(), Error> {
        let histories = self.load_histories(ids)?;
        let scale = widths::get(self.conn)?.prices;
        let links = Links::load(self.conn, self.role, &histories)?;
        for history in histories {
            let order = RebuiltOrder::from_history(&history, None, scale).order;
            diesel::update(orders::table.find(order.id))
                .set((
                    orders::status.eq(order.status),
                    orders::filled_quantity.eq(order.filled_quantity),
                    orders::filled_notional.eq(&order.filled_notional),
                    orders::average_fill_price.eq(order.average_fill_price),
                    orders::venue_order_id.eq(&order.venue_order_id),
                    orders::updated_at.eq(order.updated_at),
                    orders::break_count.eq(links.break_count(order.id)),
                ))
                .execute(self.conn)?;
        }
        Ok(())
    }

    fn load_histories(&mut self, ids: &[Uuid]) -> Result<Vec<OrderHistory>, Error> {
        let orders: Vec<Order> =
            Order::query().filter(orders::id.eq_any(ids)).order(orders::id).load(self.conn)?;
        let fills = Fill::query()
            .filter(fills::order_id.eq_any(ids))
            .order((fills::timestamp, fills::id))
            .load(self.conn)?;
        let log = ExecutionLog::query()
            .filter(execution_logs::order_id.eq_any(ids))
            .order(execution_logs::sequence)
            .load(self.conn)?;
        let mut fills = group_by_order(fills, |fill: &Fill| fill.order_id);
        let mut log = group_by_order(log, |entry: &ExecutionLog| entry.order_id);
        let with_history = |order: Order| OrderHistory {
            fills: fills.remove(&order.id).unwrap_or_default(),
            log: log.remove(&order.id).unwrap_or_default(),
            order,
        };
        Ok(orders.into_iter().map(with_history).collect())
    }
}

fn group_by_order<T>(rows: Vec<T>, order_id: impl Fn(&T) -> Uuid) -> HashMap<Uuid, Vec<T>> {
    let mut groups: HashMap<Uuid, Vec<T>> = HashMap::new();
    for row in rows {
        groups.entry(order_id(&row)).or_default().push(row);
    }
    groups
}

/// What the orders of a page are linked to: the orders that they replace, and the breaks that name them.
struct Links {
    /// The root of each replaced order.
    roots: HashMap<Uuid, Uuid>,
    /// The number of breaks of each order; none for a trader, who does not see breaks from before its order.
    breaks: Option<HashMap<Uuid, i64>>,
}

impl Links {
    fn load(
        conn: &mut PgConnection,
        role: impl Role,
        histories: &[OrderHistory],
    ) -> Result<Self, Error> {
        let replaced = histories.iter().filter_map(|history| history.order.replaces);
        let roots: Vec<(Uuid, Uuid)> = orders::table
            .filter(orders::id.eq_any(replaced.collect::<Vec<_>>()))
            .select((orders::id, orders::root_id))
            .load(conn)?;
        let ids: Vec<_> = histories.iter().map(|history| history.order.id).collect();
        let count = |conn: &mut PgConnection| -> Result<Vec<(Uuid, i64)>, Error> {
            Ok(breaks::table
                .filter(breaks::order_id.eq_any(ids))
                .group_by(breaks::order_id)
                .select((breaks::order_id.assume_not_null(), count_star()))
                .load(conn)?)
        };
        let breaks = match role.trader() {
            None => Some(count(conn)?.into_iter().collect()),
            Some(_) => None,
        };
        Ok(Self { roots: roots.into_iter().collect(), breaks })
    }

    /// Returns the number of breaks that name an order.
    #[cfg(feature = "audit")]
    fn break_count(&self, order: Uuid) -> i32 {
        let count = self.breaks.as_ref().and_then(|breaks| breaks.get(&order)).copied();
        i32::try_from(count.unwrap_or_default()).unwrap_or(i32::MAX)
    }

    /// Returns the columns of an order that contradict its links.
    fn differences(&self, order: &Order) -> Vec<Difference> {
        let mut comparison = Comparison::default();
        let root = match order.replaces {
            Some(replaced) => self.roots.get(&replaced).copied(),
            None => Some(order.id),
        };
        comparison.optional("root of the order chain", Some(order.root_id), root);
        if let Some(breaks) = &self.breaks {
            let count = breaks.get(&order.id).copied().unwrap_or_default();
            comparison.field("number of breaks", order.break_count.into(), count);
        }
        comparison.differences()
    }
}

/// An order that is being rebuilt: as submitted at first, then changed by each entry of its log.
struct RebuiltOrder<'h> {
    /// Decimal places of the average fill price.
    scale: u8,
    order: Order,
    fills: HashMap<Uuid, &'h Fill>,
    /// Where fills and entries contradict each other or the rebuilt state.
    contradictions: Vec<Difference>,
}

impl<'h> RebuiltOrder<'h> {
    /// Rebuilds an order from its fills and entries up to `until` inclusive, or from all of them.
    fn from_history(history: &'h OrderHistory, until: Option<DateTime<Utc>>, scale: u8) -> Self {
        let mut rebuilt = Self {
            scale,
            order: as_submitted(&history.order),
            fills: history.fills.iter().map(|fill| (fill.id, fill)).collect(),
            contradictions: Vec::new(),
        };
        let is_in_time = |at: DateTime<Utc>| until.is_none_or(|until| at <= until);
        let logged: HashSet<Uuid> = history.log.iter().filter_map(|entry| entry.fill_id).collect();
        for fill in &history.fills {
            rebuilt.check_equal("trader of a fill", fill.trader_id, history.order.trader_id);
            rebuilt.check_equal("order chain of a fill", fill.root_id, history.order.root_id);
            if logged.contains(&fill.id) {
                continue;
            }
            rebuilt.contradict("log entry of a fill", "none", fill.id);
            if is_in_time(fill.created_at) {
                rebuilt.apply_fill(fill);
            }
        }
        for (position, entry) in history.log.iter().enumerate() {
            if is_in_time(entry.timestamp) {
                rebuilt.apply_entry(position, entry);
            }
        }
        rebuilt
    }

    fn apply_entry(&mut self, position: usize, entry: &ExecutionLog) {
        let fill = entry.fill_id.and_then(|id| self.fills.get(&id).copied());
        match (entry.fill_id, fill) {
            (_, Some(fill)) => self.apply_fill(fill),
            (Some(id), None) => self.contradict("fill of a log entry", "none", id),
            (None, None) => self.apply_action(entry),
        }
        self.check_entry(position, entry, fill);
        self.order.updated_at = entry.timestamp;
    }

    /// Compares an entry with the one that the database writes in this state of the order.
    fn check_entry(&mut self, position: usize, entry: &ExecutionLog, fill: Option<&Fill>) {
        let action = match fill {
            _ if position == 0 => Action::Submitted,
            Some(fill) if fill.amends.is_none() && fill.break_id.is_none() => Action::Filled,
            Some(_) => Action::Recovered,
            None if matches!(entry.action, Action::Submitted | Action::Filled) => Action::Recovered,
            None => entry.action,
        };
        self.check_equal("action of an entry", entry.action, action);
        self.check_equal("trader of an entry", entry.trader_id, self.order.trader_id);
        let status = entry.status.map_or("none", OrderStatus::label);
        self.check_equal("status after an action", status, self.order.status.label());
        if position > 0 && entry.timestamp <= self.order.updated_at {
            let after = format!("after {}", self.order.updated_at);
            self.contradict("time of an entry", entry.timestamp, after);
        }
    }

    /// Changes the order as an entry without a fill does: its status, or its id at the venue.
    fn apply_action(&mut self, entry: &ExecutionLog) {
        let order = &mut self.order;
        order.status = match (entry.action, entry.status) {
            (Action::Rejected, _) => OrderStatus::Rejected,
            (Action::Cancelled, _) => OrderStatus::Cancelled,
            // RECOVERED ends an open order whose end was missed, unless the entry is about a break.
            (Action::Recovered, Some(end @ (OrderStatus::Rejected | OrderStatus::Cancelled)))
                if order.status.is_open() && entry.break_id.is_none() =>
            {
                end
            }
            _ => order.status,
        };
        // The first id that the log names stays the order's.
        order.venue_order_id = order.venue_order_id.take().or(entry.venue_order_id.clone());
    }

    /// Adds a fill to the totals. An amendment first takes out the fill that it amends; a bust adds
    /// nothing in its place.
    fn apply_fill(&mut self, fill: &Fill) {
        match fill.amends.map(|id| self.fills.get(&id).copied().ok_or(id)) {
            Some(Ok(amended)) => self.add_to_totals(amended, -1),
            Some(Err(id)) => self.contradict("fill amended", "none", id),
            None => {}
        }
        if !fill.is_bust {
            self.add_to_totals(fill, 1);
        }
        let order = &mut self.order;
        order.average_fill_price =
            average(&order.filled_notional, order.filled_quantity, self.scale);
        order.status = match order.status {
            ended @ (OrderStatus::Rejected | OrderStatus::Cancelled) => ended,
            _ if order.filled_quantity == order.quantity => OrderStatus::Filled,
            _ if order.filled_quantity > 0 => OrderStatus::Partial,
            _ => OrderStatus::Pending,
        };
    }

    /// Adds the shares and notional of a fill to the totals, or takes them out if `sign` is -1.
    fn add_to_totals(&mut self, fill: &Fill, sign: i32) {
        let shares = sign * fill.quantity_filled;
        // Fills that a superuser forged may add up to more than an i32 holds.
        self.order.filled_quantity = self.order.filled_quantity.saturating_add(shares);
        self.order.filled_notional +=
            BigDecimal::from(shares) * BigDecimal::from(fill.price_at_fill);
    }

    fn contradict(&mut self, field: &'static str, stored: impl ToString, rebuilt: impl ToString) {
        let (stored, other) = (stored.to_string(), rebuilt.to_string());
        self.contradictions.push(Difference { field, stored, other });
    }

    fn check_equal<T: PartialEq + ToString>(&mut self, field: &'static str, stored: T, rebuilt: T) {
        if stored != rebuilt {
            self.contradict(field, stored, rebuilt);
        }
    }

    /// Returns the fields in which the stored order differs from the rebuilt one, and the contradictions.
    fn into_differences(self, stored: &Order) -> Vec<Difference> {
        let mut comparison = Comparison::default();
        let rebuilt = &self.order;
        comparison.field("status", stored.status, rebuilt.status);
        comparison.field("filled quantity", stored.filled_quantity, rebuilt.filled_quantity);
        comparison.field(
            "filled notional",
            stored.filled_notional.normalized(),
            rebuilt.filled_notional.normalized(),
        );
        comparison.optional(
            "average fill price",
            stored.average_fill_price,
            rebuilt.average_fill_price,
        );
        comparison.optional(
            "venue order id",
            stored.venue_order_id.as_ref(),
            rebuilt.venue_order_id.as_ref(),
        );
        comparison.field("updated at", stored.updated_at, rebuilt.updated_at);
        let mut differences = comparison.differences();
        differences.extend(self.contradictions);
        differences
    }
}

/// Returns the order as it was when it was submitted: PENDING, with nothing filled.
fn as_submitted(order: &Order) -> Order {
    Order {
        status: OrderStatus::Pending,
        filled_quantity: 0,
        filled_notional: BigDecimal::zero(),
        average_fill_price: None,
        venue_order_id: None,
        updated_at: order.created_at,
        ..order.clone()
    }
}
