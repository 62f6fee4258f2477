//! The conditions of listings and streams.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::Uuid as SqlUuid;
use uuid::Uuid;

use crate::schema::orders;
use crate::types::enums::{OrderStatus, TimeInForce};

/// Conditions on the orders, fills, breaks or log entries to list; a field left at its default does not
/// restrict.
///
/// ```
/// use tradeblotter::{Filter, OrderStatus};
/// # let trader_id = uuid::Uuid::from_u128(1);
///
/// let open_in_apple = Filter {
///     statuses: OrderStatus::OPEN,
///     symbol: Some("AAPL"),
///     ..Filter::of_trader(trader_id)
/// };
/// # assert_eq!(open_in_apple.trader_id, Some(trader_id));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Filter<'a> {
    /// Only rows of this trader.
    pub trader_id: Option<Uuid>,
    /// Only this order, its fills, its breaks or its log.
    pub order_id: Option<Uuid>,
    /// Only rows of orders in this symbol (FIX tag 55).
    pub symbol: Option<&'a str>,
    /// Only rows of orders for this account (FIX tag 1).
    pub account: Option<&'a str>,
    /// Only rows of orders with this time in force (FIX tag 59). `Day` leaves out orders that state none,
    /// although FIX reads them as DAY.
    pub time_in_force: Option<TimeInForce>,
    /// Only rows with one of these statuses; empty means any. For orders, fills and breaks this is the
    /// order's current status, for log entries its status after the action.
    pub statuses: &'a [OrderStatus],
    /// Only rows of this time or later: when an order was submitted, a fill occurred at its venue, a break
    /// was recorded, an action was logged.
    pub from: Option<DateTime<Utc>>,
    /// Only rows before this time.
    pub until: Option<DateTime<Utc>>,
}

impl<'a> Filter<'a> {
    /// Makes a filter for all rows of one trader.
    pub fn of_trader(trader_id: Uuid) -> Self {
        Self { trader_id: Some(trader_id), ..Self::default() }
    }

    /// Returns the trader to filter by in SQL; none if it is the trader of the session, to whom
    /// row-level security shows no other rows anyway.
    // Stated twice, PostgreSQL evaluates the comparison in an extra step of the plan for every row,
    // which costs a page a tenth of its time and more.
    pub(crate) fn trader_condition(&self, session_trader: Option<Uuid>) -> Option<Uuid> {
        self.trader_id.filter(|id| session_trader != Some(*id))
    }

    /// Returns a query of the ids of the orders with this symbol, account and time in force and these
    /// statuses; none if the filter restricts none of them.
    pub(crate) fn orders(&self) -> Option<orders::BoxedQuery<'a, Pg, SqlUuid>> {
        if self.statuses.is_empty() {
            return self.orders_by_terms();
        }
        let orders = self.orders_by_terms();
        let orders = orders.unwrap_or_else(|| orders::table.select(orders::id).into_boxed());
        Some(orders.filter(orders::status.eq_any(self.statuses)))
    }

    /// Returns a query of the ids of the orders with this symbol, account and time in force; none if the
    /// filter restricts none of them.
    pub(crate) fn orders_by_terms(&self) -> Option<orders::BoxedQuery<'a, Pg, SqlUuid>> {
        if self.symbol.is_none() && self.account.is_none() && self.time_in_force.is_none() {
            return None;
        }
        let mut query = orders::table.select(orders::id).into_boxed();
        if let Some(symbol) = self.symbol {
            query = query.filter(orders::symbol.eq(symbol));
        }
        if let Some(account) = self.account {
            query = query.filter(orders::account.eq(account));
        }
        if let Some(time_in_force) = self.time_in_force {
            query = query.filter(orders::time_in_force.eq(time_in_force));
        }
        Some(query)
    }
}
