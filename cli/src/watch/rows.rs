//! The rows of the three lists, as the data worker reads them.

use bigdecimal::BigDecimal;
use tradeblotter::{Break, ExecutionLog, Fill, Order};
use uuid::Uuid;

use super::page::{Page, Row};

/// An order with the number by which it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedOrder {
    pub number: i64,
    pub order: Order,
    /// The name of the trader, where the session may see it.
    pub trader: Option<String>,
}

/// An entry of the execution log, with the fill that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub log: ExecutionLog,
    pub fill: Option<Fill>,
    /// Whether a bust or a correction has taken the place of the fill.
    pub is_amended: bool,
}

/// An open break, with the order that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenBreak {
    pub number: i64,
    pub reported: Break,
    pub order: Option<Order>,
    /// The name of the trader, where the session may see it.
    pub trader: Option<String>,
}

/// An order with a page of its history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    pub order: Order,
    pub trader: Option<String>,
    /// The totals of the venues that filled most.
    pub totals: Vec<VenueTotals>,
    pub entries: Page<Entry>,
}

/// The fills of an order at one venue that count: without those that were busted or corrected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VenueTotals {
    pub venue: String,
    pub fills: i64,
    pub quantity: i64,
    pub average_price: BigDecimal,
    pub commission: BigDecimal,
}

impl Row for ListedOrder {
    fn id(&self) -> Uuid {
        self.order.id
    }

    fn number(&self) -> i64 {
        self.number
    }
}

impl Row for Entry {
    fn id(&self) -> Uuid {
        self.log.id
    }

    fn number(&self) -> i64 {
        self.log.sequence
    }
}

impl Row for OpenBreak {
    fn id(&self) -> Uuid {
        self.reported.id
    }

    fn number(&self) -> i64 {
        self.number
    }
}
