//! Orders that the store cannot hold, kept as breaks.

use bigdecimal::BigDecimal;
use chrono::{DateTime, SubsecRound, Utc};
use diesel::prelude::*;
use uuid::Uuid;

use super::{Break, Breaks, Execution, ExecutionKind};
use crate::database::role::Engine;
use crate::error::Error;
use crate::schema::breaks;
use crate::types::difference::MICROSECONDS;
use crate::types::enums::BreakReason;
use crate::types::text;

/// An order that a client or a venue reports and that the table `orders` cannot hold. For example, it is for a
/// fraction of a share, its type is unknown, or its symbol is longer than the column.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct UnstorableOrder<'a> {
    /// The trader who owns the order, if it is known.
    pub trader_id: Option<Uuid>,
    /// The client's id of the order, 1 to 64 characters (FIX tag 11, ClOrdID). Makes recording idempotent.
    pub client_order_id: Option<&'a str>,
    /// When it was sent (FIX tag 60, TransactTime); stored to the microsecond.
    pub timestamp: DateTime<Utc>,
    /// Venue or feed that reports it, 1 to 50 characters.
    pub venue: &'a str,
    /// Number of shares as reported (FIX tag 38, OrderQty).
    pub quantity: BigDecimal,
    /// Price as reported (FIX tag 44, Price), in currency units; 0 if there is none.
    pub price: BigDecimal,
    /// Why it cannot be stored, in words; cut to 1000 characters.
    pub detail: &'a str,
    /// The message as received, up to 65536 characters.
    pub raw: Option<&'a str>,
}

impl Breaks<'_, Engine> {
    /// Records an order that the table `orders` cannot hold as a break ([`BreakReason::InvalidOrder`]), so that it
    /// does not disappear into a log line.
    ///
    /// Recording is idempotent by trader, client order id, venue, time, quantity and price; without a client order
    /// id, every call records another break. Such a break has no execution to book: dismiss it.
    ///
    /// # Errors
    ///
    /// - [`Error::is_invalid_input`]: the venue or the client order id is blank, too long or contains a control
    ///   character; a number has more than 20 digits before or after the point; the raw message is too long.
    /// - [`Error::is_rule_violation`]: the trader is not registered (`fk_breaks_trader_id`).
    pub fn record_unstorable_order(&mut self, order: &UnstorableOrder<'_>) -> Result<Break, Error> {
        text::check("detail", order.detail, usize::MAX)?;
        let execution = Execution {
            kind: ExecutionKind::Fill,
            order_id: None,
            client_order_id: order.client_order_id,
            timestamp: order.timestamp,
            quantity: order.quantity.clone(),
            price: order.price.clone(),
            venue: order.venue,
            commission: BigDecimal::default(),
            rebate: BigDecimal::default(),
            source: None,
            execution_id: None,
            raw: order.raw,
        };
        execution.check()?;
        let reason = BreakReason::InvalidOrder;
        if let Some(kept) = self.insert(&execution, reason, order.detail, order.trader_id)? {
            return Ok(kept);
        }
        let id = order.client_order_id.unwrap_or_default();
        Break::query()
            .filter(breaks::reason.eq(reason))
            .filter(breaks::client_order_id.eq(id))
            .filter(breaks::trader_id.is_not_distinct_from(order.trader_id))
            .filter(breaks::venue.eq(order.venue))
            .filter(breaks::timestamp.eq(order.timestamp.trunc_subsecs(MICROSECONDS)))
            .filter(breaks::quantity.eq(&order.quantity))
            .filter(breaks::price.eq(&order.price))
            .first(self.conn)
            .optional()?
            .ok_or_else(|| Error::lost_race("break of order", id))
    }
}
