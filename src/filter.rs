//! Which rows a listing shows.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::enums::OrderStatus;
use crate::role::Role;

/// Which orders, fills or log entries to list; what is left at its default does not restrict.
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
    /// Only of this trader.
    pub trader_id: Option<Uuid>,
    /// Only this order, its fills or its log.
    pub order_id: Option<Uuid>,
    /// Only in this symbol.
    pub symbol: Option<&'a str>,
    /// Only of one of these statuses; empty means any. For orders and fills it is the order's
    /// status now, for log entries its status after the action.
    pub statuses: &'a [OrderStatus],
    /// Only of this time or later: when an order was submitted, a fill occurred, an action happened.
    pub from: Option<DateTime<Utc>>,
    /// Only before this time.
    pub until: Option<DateTime<Utc>>,
}

impl Filter<'_> {
    /// All that is one trader's.
    pub fn of_trader(trader_id: Uuid) -> Self {
        Self { trader_id: Some(trader_id), ..Self::default() }
    }

    /// The trader that is asked for, unless row security shows this role no other anyway. Said twice,
    /// PostgreSQL compares the two in a step of the plan that each row passes through, which costs a
    /// page a tenth of its time and more.
    pub(crate) fn trader_besides(&self, role: impl Role) -> Option<Uuid> {
        self.trader_id.filter(|id| role.trader() != Some(*id))
    }
}
