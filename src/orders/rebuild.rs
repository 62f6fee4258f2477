//! Orders derived again, from their log and their fills: as they stood at a moment, and whether what
//! the database has derived is what follows.
//!
//! This is a second account of the lifecycle, beside the one that the triggers of the database give:
//! it reads what was recorded and nothing of what was derived.

use std::collections::{HashMap, HashSet};

use bigdecimal::{BigDecimal, Zero};
use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use uuid::Uuid;

use crate::database::role::Role;
use crate::error::Error;
use crate::execution_logs::ExecutionLog;
use crate::fills::Fill;
use crate::orders::{Order, OrderHistory, Orders};
use crate::schema::{execution_logs, fills, orders};
use crate::types::difference::{Comparison, Difference};
use crate::types::enums::{Action, OrderStatus};
use crate::types::precision;
use crate::types::price::average;

/// Orders that are read, with their fills and logs, at a time.
const PAGE: i64 = 500;

/// An order that is not what its log and fills make it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Misderived {
    /// The order.
    pub order_id: Uuid,
    /// What differs: what is stored, and what follows.
    pub differences: Vec<Difference>,
}

/// Some orders, derived again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Rederived {
    /// Those that are not what follows: none, if nobody has got past the database's own derivation.
    pub misderived: Vec<Misderived>,
    /// The last order that was looked at, to go on after; `None` when there are no more.
    pub next: Option<Uuid>,
}

impl<R: Role> Orders<'_, R> {
    /// The order as it stood at this moment: status, totals, the venue's id and when it was last
    /// modified, by what its log and its fills say of the time until then. What does not change, such
    /// as its terms, is as it was submitted.
    ///
    /// These are four queries: in a [`snapshot`](crate::Session::snapshot) they agree, whoever else
    /// is writing.
    ///
    /// # Errors
    ///
    /// [`Error::is_not_found`] when there is no such order, when it is another trader's, or when it was
    /// not submitted yet.
    pub fn as_of(&mut self, id: Uuid, moment: DateTime<Utc>) -> Result<Order, Error> {
        let history = self.history(id)?;
        if moment < history.order.created_at {
            return Err(Error::not_found("order", format_args!("{id} as of {moment}")));
        }
        let scale = precision::get(self.conn)?;
        Ok(Replay::of(&history, Some(moment), scale).order)
    }

    /// Derives up to 500 orders again, those that follow this one in the order of their ids, and holds
    /// each against what is stored. In a [`snapshot`](crate::Session::snapshot) orders that are moving
    /// meanwhile don't show as differing.
    ///
    /// # Errors
    ///
    /// Those of the connection.
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
    ///     let rederived = engine.snapshot(|tx| tx.orders().rederive(after))?;
    ///     assert_eq!(rederived.misderived, []);
    ///     after = rederived.next;
    ///     if after.is_none() {
    ///         break;
    ///     }
    /// }
    /// # Ok(()) }
    /// # #[cfg(not(feature = "embedded"))] fn main() {}
    /// ```
    pub fn rederive(&mut self, after: Option<Uuid>) -> Result<Rederived, Error> {
        let histories = self.histories(after)?;
        let scale = precision::get(self.conn)?;
        let last = histories.last().map(|history| history.order.id);
        let full = i64::try_from(histories.len()) == Ok(PAGE);
        let mut misderived = Vec::new();
        for history in histories {
            let differences = Replay::of(&history, None, scale).differences(&history.order);
            if !differences.is_empty() {
                misderived.push(Misderived { order_id: history.order.id, differences });
            }
        }
        Ok(Rederived { misderived, next: last.filter(|_| full) })
    }

    fn histories(&mut self, after: Option<Uuid>) -> Result<Vec<OrderHistory>, Error> {
        let mut query = Order::query().into_boxed::<Pg>();
        if let Some(after) = after {
            query = query.filter(orders::id.gt(after));
        }
        let orders: Vec<Order> = query.order(orders::id).limit(PAGE).load(self.conn)?;
        let ids: Vec<Uuid> = orders.iter().map(|order| order.id).collect();
        let fills = Fill::query()
            .filter(fills::order_id.eq_any(&ids))
            .order((fills::timestamp, fills::id))
            .load(self.conn)?;
        let log = ExecutionLog::query()
            .filter(execution_logs::order_id.eq_any(&ids))
            .order(execution_logs::sequence)
            .load(self.conn)?;
        let mut fills = grouped(fills, |fill: &Fill| fill.order_id);
        let mut log = grouped(log, |entry: &ExecutionLog| entry.order_id);
        let with_history = |order: Order| OrderHistory {
            fills: fills.remove(&order.id).unwrap_or_default(),
            log: log.remove(&order.id).unwrap_or_default(),
            order,
        };
        Ok(orders.into_iter().map(with_history).collect())
    }
}

/// Whether an entry is older than the columns that say which fill it is about and who acted. Such an
/// entry is taken at its word.
fn is_of_before(entry: &ExecutionLog) -> bool {
    entry.acted_by.is_none()
}

fn grouped<T>(rows: Vec<T>, order_id: impl Fn(&T) -> Uuid) -> HashMap<Uuid, Vec<T>> {
    let mut groups: HashMap<Uuid, Vec<T>> = HashMap::new();
    for row in rows {
        groups.entry(order_id(&row)).or_default().push(row);
    }
    groups
}

/// An order on its way through what was recorded of it.
struct Replay<'h> {
    /// Decimal places of an average.
    scale: u8,
    order: Order,
    fills: HashMap<Uuid, &'h Fill>,
    /// Whether its log has entries that are taken at their word.
    is_of_before: bool,
    /// What was recorded that does not follow.
    contradictions: Vec<Difference>,
}

impl<'h> Replay<'h> {
    /// Goes through it up to a moment, or to the end.
    fn of(history: &'h OrderHistory, until: Option<DateTime<Utc>>, scale: u8) -> Self {
        let mut replay = Self {
            scale,
            order: as_submitted(&history.order),
            fills: history.fills.iter().map(|fill| (fill.id, fill)).collect(),
            is_of_before: history.log.iter().any(is_of_before),
            contradictions: Vec::new(),
        };
        let in_time = |at: DateTime<Utc>| until.is_none_or(|until| at <= until);
        let logged: HashSet<Uuid> = history.log.iter().filter_map(|entry| entry.fill_id).collect();
        for fill in &history.fills {
            replay.expect("trader of a fill", fill.trader_id, history.order.trader_id);
            if logged.contains(&fill.id) {
                continue;
            }
            if !replay.is_of_before {
                replay.contradict("log entry of a fill", "none", fill.id);
            }
            if in_time(fill.created_at) {
                replay.book(fill);
            }
        }
        for (place, entry) in history.log.iter().enumerate() {
            if in_time(entry.timestamp) {
                replay.follow(place, entry);
            }
        }
        replay
    }

    fn follow(&mut self, place: usize, entry: &ExecutionLog) {
        let booked = entry.fill_id.and_then(|id| self.fills.get(&id).copied());
        match (entry.fill_id, booked) {
            (_, Some(fill)) => self.book(fill),
            (Some(id), None) => self.contradict("fill of a log entry", "none", id),
            (None, None) => self.act(entry),
        }
        if is_of_before(entry) {
            self.order.status = entry.status.unwrap_or(self.order.status);
        } else {
            self.examine(place, entry, booked);
        }
        self.order.updated_at = entry.timestamp;
    }

    /// Whether an entry says what the database would have it say.
    fn examine(&mut self, place: usize, entry: &ExecutionLog, booked: Option<&Fill>) {
        let action = match booked {
            _ if place == 0 => Action::Submitted,
            Some(fill) if fill.amends.is_none() && fill.break_id.is_none() => Action::Filled,
            Some(_) => Action::Recovered,
            None if matches!(entry.action, Action::Submitted | Action::Filled) => Action::Recovered,
            None => entry.action,
        };
        self.expect("action of an entry", entry.action, action);
        self.expect("trader of an entry", entry.trader_id, self.order.trader_id);
        let status = entry.status.map_or("none", OrderStatus::label);
        self.expect("status after an action", status, self.order.status.label());
        if place > 0 && entry.timestamp <= self.order.updated_at {
            let after = format!("after {}", self.order.updated_at);
            self.contradict("time of an entry", entry.timestamp, after);
        }
    }

    /// Moves the order as an action does that books nothing.
    fn act(&mut self, entry: &ExecutionLog) {
        let order = &mut self.order;
        order.status = match (entry.action, entry.status) {
            (Action::Rejected, _) => OrderStatus::Rejected,
            (Action::Cancelled, _) => OrderStatus::Cancelled,
            // A repair may end an order whose end was missed; what is said about a break does not.
            (Action::Recovered, Some(end @ (OrderStatus::Rejected | OrderStatus::Cancelled)))
                if order.status.is_open() && entry.break_id.is_none() =>
            {
                end
            }
            _ => order.status,
        };
        order.venue_order_id = order.venue_order_id.take().or(entry.venue_order_id.clone());
    }

    /// Counts a fill; a bust or a correction in the place of what it amends.
    fn book(&mut self, fill: &Fill) {
        match fill.amends.map(|id| self.fills.get(&id).copied().ok_or(id)) {
            Some(Ok(amended)) => self.count(amended, -1),
            Some(Err(id)) => self.contradict("fill amended", "none", id),
            None => {}
        }
        if !fill.is_bust {
            self.count(fill, 1);
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

    fn count(&mut self, fill: &Fill, times: i32) {
        let shares = times * fill.quantity_filled;
        // What a superuser has put in by force may add up to anything.
        self.order.filled_quantity = self.order.filled_quantity.saturating_add(shares);
        self.order.filled_notional +=
            BigDecimal::from(shares) * BigDecimal::from(fill.price_at_fill);
    }

    fn contradict(&mut self, field: &'static str, stored: impl ToString, other: impl ToString) {
        let (stored, other) = (stored.to_string(), other.to_string());
        self.contradictions.push(Difference { field, stored, other });
    }

    fn expect<T: PartialEq + ToString>(&mut self, field: &'static str, stored: T, other: T) {
        if stored != other {
            self.contradict(field, stored, other);
        }
    }

    /// In what the stored order is another one, or its log contradicts itself.
    fn differences(self, stored: &Order) -> Vec<Difference> {
        let mut comparison = Comparison::default();
        let derived = &self.order;
        comparison.field("status", stored.status, derived.status);
        comparison.field("filled quantity", stored.filled_quantity, derived.filled_quantity);
        comparison.field(
            "filled notional",
            stored.filled_notional.normalized(),
            derived.filled_notional.normalized(),
        );
        let (is, should) = (stored.average_fill_price, derived.average_fill_price);
        comparison.optional("average fill price", is, should);
        let (is, should) = (&stored.venue_order_id, &derived.venue_order_id);
        comparison.optional("venue order id", is.as_ref(), should.as_ref());
        if !self.is_of_before {
            comparison.field("updated at", stored.updated_at, derived.updated_at);
        }
        let mut differences = comparison.differences();
        differences.extend(self.contradictions);
        differences
    }
}

/// The order before anything has happened to it.
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
