//! Reports other than executions that could not be applied, kept as breaks.

use bigdecimal::BigDecimal;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::insert::id_of_content;
use super::{Break, Breaks, Execution, ExecutionKind};
use crate::database::role::Engine;
use crate::error::Error;
use crate::types::enums::BreakReason;
use crate::types::text;

/// A report other than an execution that could not be applied: an order that the table `orders` cannot hold, or
/// an action on an order, such as an acknowledgement, a cancel, a reject or a replacement.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct UnappliedReport<'a> {
    /// Whether it is an order or an action.
    pub reason: UnappliedReason,
    /// The trader who owns the order, if it is known. It counts only if the order is not stored; otherwise
    /// the database takes the trader of the order.
    pub trader_id: Option<Uuid>,
    /// The order that the action is about, stored or not; only of an action.
    pub order_id: Option<Uuid>,
    /// The client's id of the order, 1 to 64 characters (FIX tag 11, ClOrdID).
    pub client_order_id: Option<&'a str>,
    /// The venue's id of the report, 1 to 64 characters (FIX tag 17, ExecID); only of an action.
    pub execution_id: Option<&'a str>,
    /// When it was sent (FIX tag 60, TransactTime); stored to the microsecond.
    pub timestamp: DateTime<Utc>,
    /// Venue or feed that reports it, 1 to 50 characters.
    pub venue: &'a str,
    /// Who assigned the execution id, 1 to 50 characters; `None` for the venue.
    pub source: Option<&'a str>,
    /// Number of shares as reported (FIX tag 38, OrderQty); 0 if there is none.
    pub quantity: BigDecimal,
    /// Price as reported (FIX tag 44, Price), in currency units; 0 if there is none.
    pub price: BigDecimal,
    /// Why it could not be applied, in words; cut to 1000 characters.
    pub detail: &'a str,
    /// The message as received, up to 65536 characters.
    pub raw: Option<&'a str>,
}

/// What an [`UnappliedReport`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum UnappliedReason {
    /// An order that cannot be stored: it is for a fraction of a share, its type is unknown, or its symbol is
    /// longer than the column.
    InvalidOrder,
    /// Any other report that is no execution, and that its order's state or its own content does not allow.
    UnappliedAction,
}

impl From<UnappliedReason> for BreakReason {
    fn from(reason: UnappliedReason) -> Self {
        match reason {
            UnappliedReason::InvalidOrder => Self::InvalidOrder,
            UnappliedReason::UnappliedAction => Self::UnappliedAction,
        }
    }
}

impl UnappliedReport<'_> {
    /// Returns the report in the shape of an execution, which is how a row of `breaks` stores it.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_input`], as for [`Breaks::record_unapplied`].
    pub(crate) fn to_execution(&self) -> Result<Execution<'_>, Error> {
        text::check("detail", self.detail, usize::MAX)?;
        if self.reason == UnappliedReason::InvalidOrder {
            let why = "does not belong to an order that cannot be stored; leave it out";
            if let Some(id) = self.order_id {
                return Err(Error::invalid("order id", &id.to_string(), why));
            }
            if let Some(id) = self.execution_id {
                return Err(Error::invalid("execution id", id, why));
            }
        }
        let execution = Execution {
            kind: ExecutionKind::Fill,
            order_id: self.order_id,
            trader_id: self.trader_id,
            client_order_id: self.client_order_id,
            timestamp: self.timestamp,
            quantity: self.quantity.clone(),
            price: self.price.clone(),
            venue: self.venue,
            commission: BigDecimal::default(),
            rebate: BigDecimal::default(),
            source: self.source,
            execution_id: self.execution_id,
            raw: self.raw,
        };
        execution.check()?;
        Ok(execution)
    }
}

impl Breaks<'_, Engine> {
    /// Stores a report other than an execution that could not be applied as a break
    /// ([`BreakReason::InvalidOrder`], [`BreakReason::UnappliedAction`]), so that it is not lost.
    ///
    /// If the order is stored, its execution log records the break; the order itself does not change. Such a
    /// break holds no execution, so it cannot be booked, only dismissed.
    ///
    /// Idempotent: the same report again is the stored break, resolved or not. The same order is recognized by
    /// trader, client order id, venue, time, quantity and price; the same action by execution id, source, time,
    /// quantity, price, trader and client order id (the raw message, if it has none), whichever order it was taken to
    /// be of. A report without that id is recognized by all of its content, the raw message included, but not the
    /// detail.
    ///
    /// # Errors
    ///
    /// - [`Error::is_invalid_input`]: an order names an order id or an execution id; the detail or the venue is
    ///   blank; an id, the venue or the source is too long or contains a control character; a number has
    ///   more than 20 digits before or after the point; the raw message is too long.
    /// - [`Error::is_rule_violation`]: the trader is not registered (`fk_breaks_trader_id`).
    pub fn record_unapplied(&mut self, report: &UnappliedReport<'_>) -> Result<Break, Error> {
        let execution = report.to_execution()?;
        let reason = report.reason.into();
        let id = match report.reason {
            UnappliedReason::InvalidOrder => report.client_order_id,
            UnappliedReason::UnappliedAction => report.execution_id,
        };
        let of_no_order = Execution { order_id: None, ..execution.clone() };
        let id = id.map_or_else(|| id_of_content(&of_no_order, reason), |_| Uuid::now_v7());
        match self.find_action(&execution, reason)? {
            Some(stored) => Ok(stored),
            None => self.insert_or_find_as(id, &execution, reason, report.detail),
        }
    }
}
