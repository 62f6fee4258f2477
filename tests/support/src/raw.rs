//! Rows as a raw client may write them, with the combinations of columns that the API cannot express: the
//! database has to refuse those that are wrong.

use diesel::prelude::*;
use tradeblotter::role::Engine;
use tradeblotter::schema::{break_resolutions, execution_logs};
use tradeblotter::{
    Action, BreakResolution, Ended, Error, ExecutionLog, NewAction, NewBreakResolution,
    NewExecutionLog, OrderStatus, Resolution, Tx,
};
use uuid::Uuid;

/// A resolution with any combination of columns, such as a dismissal that names an order.
#[derive(Insertable, Clone, Copy, Debug, PartialEq, Eq)]
#[diesel(table_name = break_resolutions, treat_none_as_default_value = false)]
pub struct RawResolution<'a> {
    pub break_id: Uuid,
    pub is_booked: bool,
    pub order_id: Option<Uuid>,
    pub reason: &'a str,
}

impl<'a> RawResolution<'a> {
    /// Returns the same row in terms of the API, if the API can express it.
    pub fn typed(&self) -> Option<NewBreakResolution<'a>> {
        let resolution = match (self.is_booked, self.order_id) {
            (true, order) => Resolution::Book { order },
            (false, None) => Resolution::Dismiss,
            (false, Some(_)) => return None,
        };
        Some(NewBreakResolution { break_id: self.break_id, resolution, reason: self.reason })
    }

    /// Inserts the row without the API.
    pub fn insert(&self, tx: &mut Tx<'_, Engine>) -> Result<BreakResolution, Error> {
        Ok(diesel::insert_into(break_resolutions::table)
            .values((break_resolutions::id.eq(Uuid::now_v7()), self))
            .returning(BreakResolution::as_returning())
            .get_result(tx.connection())?)
    }
}

/// An entry of the log with any combination of columns, including SUBMITTED, FILLED, and columns that the
/// API does not have for the action.
#[derive(Insertable, Clone, Copy, Debug, PartialEq, Eq)]
#[diesel(table_name = execution_logs, treat_none_as_default_value = false)]
pub struct RawEntry<'a> {
    pub order_id: Uuid,
    pub action: Action,
    pub status: Option<OrderStatus>,
    pub reason: Option<&'a str>,
    pub retry_attempt: Option<i32>,
    pub error_code: Option<&'a str>,
    pub venue_order_id: Option<&'a str>,
}

impl<'a> RawEntry<'a> {
    /// An action with no other column.
    pub fn new(order_id: Uuid, action: Action) -> Self {
        Self {
            order_id,
            action,
            status: None,
            reason: None,
            retry_attempt: None,
            error_code: None,
            venue_order_id: None,
        }
    }

    /// Returns the same row in terms of the API, if the API can express it.
    pub fn typed(&self) -> Option<NewExecutionLog<'a>> {
        let Self { status, reason, retry_attempt, error_code, venue_order_id, .. } = *self;
        let ended = match status {
            None => None,
            Some(OrderStatus::Rejected) => Some(Ended::Rejected),
            Some(OrderStatus::Cancelled) => Some(Ended::Cancelled),
            Some(_) => return None,
        };
        let action = match self.action {
            Action::Submitted | Action::Filled => return None,
            Action::Approved => NewAction::Approved,
            Action::Executed => NewAction::Executed { venue_order_id },
            Action::Rejected => NewAction::Rejected { error_code },
            Action::Cancelled => NewAction::Cancelled,
            Action::Recovered => NewAction::Recovered { retry_attempt, error_code, ended },
        };
        let new = NewExecutionLog { reason, ..NewExecutionLog::new(self.order_id, action) };
        // Fields that the action does not have are dropped.
        let kept = match action {
            NewAction::Executed { .. } => {
                Self { venue_order_id, ..Self::new(self.order_id, self.action) }
            }
            NewAction::Rejected { .. } => {
                Self { error_code, ..Self::new(self.order_id, self.action) }
            }
            NewAction::Recovered { .. } => {
                Self { retry_attempt, error_code, status, ..Self::new(self.order_id, self.action) }
            }
            _ => Self::new(self.order_id, self.action),
        };
        (Self { reason, ..kept } == *self).then_some(new)
    }

    /// Inserts the row without the API.
    pub fn insert(&self, tx: &mut Tx<'_, Engine>) -> Result<ExecutionLog, Error> {
        Ok(diesel::insert_into(execution_logs::table)
            .values((execution_logs::id.eq(Uuid::now_v7()), self))
            .returning(ExecutionLog::as_returning())
            .get_result(tx.connection())?)
    }
}
