//! What the screen wants to show: the queries that the data worker answers.

use tradeblotter::OrderStatus;
use uuid::Uuid;

use super::page::{Direction, Window};

/// Everything that the screen shows at one time. The worker reads what it has not read already, and keeps it up to
/// date until other things are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub orders: OrdersQuery,
    pub breaks: Window,
    pub history: Option<HistoryQuery>,
}

/// A page of orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrdersQuery {
    pub filter: OrderFilter,
    pub sort: Sort,
    pub window: Window,
}

/// A page of the history of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryQuery {
    pub order: Uuid,
    pub window: Window,
}

/// Which orders to list; what is left empty does not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrderFilter {
    pub statuses: &'static [OrderStatus],
    pub symbol: Option<String>,
    pub trader: Option<Owner>,
}

/// The trader whose orders to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    Id(Uuid),
    Name(String),
}

/// The sequence in which orders are listed. Each is one of the log's, so that a page of it is found by number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    #[default]
    Newest,
    LastChange,
    Oldest,
}

impl Sort {
    /// Returns the sequence that the key for sorting chooses next.
    pub fn next(self) -> Self {
        match self {
            Self::Newest => Self::LastChange,
            Self::LastChange => Self::Oldest,
            Self::Oldest => Self::Newest,
        }
    }

    pub fn label(self) -> &'static str {
        match self {
            Self::Newest => "newest first",
            Self::LastChange => "last change first",
            Self::Oldest => "oldest first",
        }
    }

    pub fn direction(self) -> Direction {
        match self {
            Self::Newest | Self::LastChange => Direction::Descending,
            Self::Oldest => Direction::Ascending,
        }
    }
}

impl OrderFilter {
    /// The choices of statuses that the filter offers, with their names.
    pub const STATUSES: [(&'static str, &'static [OrderStatus]); 7] = [
        ("any", &[]),
        ("open", OrderStatus::OPEN),
        ("PENDING", &[OrderStatus::Pending]),
        ("PARTIAL", &[OrderStatus::Partial]),
        ("FILLED", &[OrderStatus::Filled]),
        ("REJECTED", &[OrderStatus::Rejected]),
        ("CANCELLED", &[OrderStatus::Cancelled]),
    ];

    /// Returns the filter in words; nothing if it does not restrict.
    pub fn words(&self) -> Vec<String> {
        let status = Self::STATUSES.iter().find(|(_, statuses)| *statuses == self.statuses);
        let status = status.filter(|(_, statuses)| !statuses.is_empty());
        let trader = self.trader.as_ref().map(|trader| match trader {
            Owner::Id(id) => format!("trader {id}"),
            Owner::Name(name) => format!("trader {name}"),
        });
        let symbol = self.symbol.as_ref().map(|symbol| format!("symbol {symbol}"));
        let status = status.map(|(label, _)| format!("status {label}"));
        status.into_iter().chain(symbol).chain(trader).collect()
    }
}
