//! Entries of the execution log, as they are stored and as they are written.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use uuid::Uuid;

use crate::error::Error;
use crate::schema::execution_logs;
use crate::types::difference::{Comparison, Difference};
use crate::types::enums::{Action, OrderStatus};
use crate::types::text;
use crate::types::years;

/// Maximum length of a reason, in characters.
pub(crate) const MAX_REASON: usize = 1000;

/// An entry of the execution log: one action on an order. Rows are append-only; the database refuses
/// UPDATE and DELETE.
#[derive(HasQuery, Identifiable, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[diesel(table_name = execution_logs)]
#[diesel(check_for_backend(diesel::pg::Pg))]
pub struct ExecutionLog {
    /// Identifier of the entry.
    pub id: Uuid,
    /// The order acted upon.
    pub order_id: Uuid,
    /// The trader of that order.
    pub trader_id: Uuid,
    /// The action: what happened to the order.
    pub action: Action,
    /// Status of the order after the action.
    pub status: Option<OrderStatus>,
    /// When the database logged the action; increases with each entry of an order.
    pub timestamp: DateTime<Utc>,
    /// Reason of the action, in words (FIX tag 58, Text).
    pub reason: Option<String>,
    /// Number of the retry; 0 is the first try.
    pub retry_attempt: Option<i32>,
    /// The venue's error code, for example of FIX tag 103, OrdRejReason.
    pub error_code: Option<String>,
    /// When the row was stored.
    pub created_at: DateTime<Utc>,
    /// Position in the whole log. The entries of one order are numbered in the sequence in which they
    /// happened, those of different orders as they were written. Numbers may be missing, since a transaction
    /// that rolls back leaves a gap.
    pub sequence: i64,
    /// The fill, bust or correction that was recorded.
    pub fill_id: Option<Uuid>,
    /// The venue's identifier of the order (FIX tag 37, OrderID), if the action reported it.
    pub venue_order_id: Option<String>,
    /// Login that acted, set by the database.
    pub acted_by: String,
    /// Database role of that login at the time, set by the database.
    pub acted_as: String,
    /// The break that was stored, booked or dismissed.
    pub break_id: Option<Uuid>,
    /// When the action happened, by the venue's clock (FIX tag 60, TransactTime).
    pub reported_at: Option<DateTime<Utc>>,
    /// Identifier of the report that the action was read from.
    pub report_id: Option<Uuid>,
}

/// An action to log with [`ExecutionLogs::append`](crate::ExecutionLogs::append).
///
/// ```
/// use tradeblotter::{NewAction, NewExecutionLog};
/// # let order_id = uuid::Uuid::from_u128(1);
///
/// let entry = NewExecutionLog {
///     reason: Some("unknown symbol"),
///     ..NewExecutionLog::new(order_id, NewAction::Rejected { error_code: Some("103=1") })
/// };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct NewExecutionLog<'a> {
    /// The order acted upon.
    pub order_id: Uuid,
    /// The action: what happened to the order.
    pub action: NewAction<'a>,
    /// Reason of the action, in words (FIX tag 58, Text), 1 to 1000 characters.
    pub reason: Option<&'a str>,
    /// When the action happened, by the venue's clock (FIX tag 60, TransactTime); stored to the
    /// microsecond, beside the time at which the database logs it.
    pub reported_at: Option<DateTime<Utc>>,
    /// Identifier of the report that the action was read from, unique per order; chosen by the caller, for
    /// example a UUID of version 5 of the report's own key. It makes logging idempotent; without one, every
    /// call logs another entry.
    pub report_id: Option<Uuid>,
}

/// An action that a client may log.
///
/// SUBMITTED and FILLED are missing: the database logs them itself, when an order is submitted and when a
/// fill is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum NewAction<'a> {
    /// The order passed the checks before routing.
    Approved,
    /// The order was routed to the venue, or acknowledged by it.
    Executed {
        /// The venue's identifier of the order (FIX tag 37, OrderID), 1 to 64 characters. The order keeps
        /// the first one; a different one is refused.
        venue_order_id: Option<&'a str>,
    },
    /// The venue rejected the order, which ends it.
    Rejected {
        /// The venue's error code, for example of FIX tag 103, OrdRejReason; 1 to 50 characters.
        error_code: Option<&'a str>,
    },
    /// The order, or what was left of it, was cancelled, which ends it.
    Cancelled,
    /// A retry, or a repair after a reconciliation.
    Recovered {
        /// Number of the retry, 0 or more; 0 is the first try.
        retry_attempt: Option<i32>,
        /// The venue's error code, 1 to 50 characters.
        error_code: Option<&'a str>,
        /// How the order ended, if the repair ends an open order whose end was missed.
        ended: Option<Ended>,
    },
}

/// How a [`NewAction::Recovered`] ends an open order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Ended {
    /// The venue had rejected the order.
    Rejected,
    /// The order had been cancelled.
    Cancelled,
}

/// The order of an entry, and the report that it was read from.
pub(super) type EntryKey = (Uuid, Option<Uuid>);

/// The columns of an entry that a client writes. The database chooses the entry's id.
#[derive(Insertable, Clone, Copy, Debug)]
#[diesel(table_name = execution_logs, treat_none_as_default_value = false)]
pub(crate) struct EntryRow<'a> {
    pub order_id: Uuid,
    pub action: Action,
    pub status: Option<OrderStatus>,
    pub reason: Option<&'a str>,
    pub retry_attempt: Option<i32>,
    pub error_code: Option<&'a str>,
    pub venue_order_id: Option<&'a str>,
    pub reported_at: Option<DateTime<Utc>>,
    pub report_id: Option<Uuid>,
}

impl<'a> NewExecutionLog<'a> {
    /// Creates an action without a reason, the venue's time and a report.
    pub fn new(order_id: Uuid, action: NewAction<'a>) -> Self {
        Self { order_id, action, reason: None, reported_at: None, report_id: None }
    }

    /// Returns the row to insert.
    pub(crate) fn row(&self) -> EntryRow<'a> {
        let row = EntryRow {
            order_id: self.order_id,
            action: self.action.action(),
            status: None,
            reason: self.reason,
            retry_attempt: None,
            error_code: None,
            venue_order_id: None,
            reported_at: self.reported_at,
            report_id: self.report_id,
        };
        match self.action {
            NewAction::Approved | NewAction::Cancelled => row,
            NewAction::Executed { venue_order_id } => EntryRow { venue_order_id, ..row },
            NewAction::Rejected { error_code } => EntryRow { error_code, ..row },
            NewAction::Recovered { retry_attempt, error_code, ended } => {
                EntryRow { retry_attempt, error_code, status: ended.map(Into::into), ..row }
            }
        }
    }
}

impl NewAction<'_> {
    /// Returns the action as the log stores it.
    pub fn action(self) -> Action {
        match self {
            Self::Approved => Action::Approved,
            Self::Executed { .. } => Action::Executed,
            Self::Rejected { .. } => Action::Rejected,
            Self::Cancelled => Action::Cancelled,
            Self::Recovered { .. } => Action::Recovered,
        }
    }
}

impl From<Ended> for OrderStatus {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Rejected => Self::Rejected,
            Ended::Cancelled => Self::Cancelled,
        }
    }
}

impl EntryRow<'_> {
    /// Refuses text and numbers that the columns do not hold, with an error that names the field.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if let Some(reason) = self.reason {
            text::check("reason", reason, MAX_REASON)?;
        }
        if let Some(code) = self.error_code {
            text::check_name("error code", code, 50)?;
        }
        if let Some(id) = self.venue_order_id {
            text::check_name("venue order id", id, text::MAX_ID)?;
        }
        if let Some(attempt) = self.retry_attempt.filter(|attempt| *attempt < 0) {
            return Err(Error::invalid("retry attempt", &attempt.to_string(), "is less than 0"));
        }
        years::check_time("reported at", self.reported_at)
    }

    /// Returns what identifies the entry.
    pub(super) fn key(&self) -> EntryKey {
        (self.order_id, self.report_id)
    }

    /// Returns the stored entry of the same report, or the error that it has other content.
    pub(super) fn known(&self, stored: ExecutionLog) -> Result<ExecutionLog, Error> {
        let differing = self.compare(&stored);
        if differing.is_empty() {
            return Ok(stored);
        }
        let key = format!("report id {}", self.report_id.unwrap_or_default());
        Err(Error::mismatch("log entry", stored.id, key, differing))
    }

    /// Returns the fields in which a stored entry of the same report differs from this one.
    fn compare(&self, stored: &ExecutionLog) -> Vec<Difference> {
        let mut comparison = Comparison::default();
        comparison.field("action", stored.action, self.action);
        comparison.optional("reason", stored.reason.as_deref(), self.reason);
        comparison.optional("retry attempt", stored.retry_attempt, self.retry_attempt);
        comparison.optional("error code", stored.error_code.as_deref(), self.error_code);
        comparison.optional(
            "venue order id",
            stored.venue_order_id.as_deref(),
            self.venue_order_id,
        );
        comparison.moment("reported at", stored.reported_at, self.reported_at);
        comparison.differences()
    }
}
