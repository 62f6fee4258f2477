//! Steps: the row that a report adds, and the conversion of reports to steps.

use bigdecimal::{BigDecimal, ToPrimitive};
use uuid::Uuid;

use super::options::Options;
use crate::breaks::{Execution, ExecutionKind};
use crate::execution_logs::{Ended, MAX_REASON, NewAction, NewExecutionLog};
use crate::fills::NewFill;
use crate::ingest::event::{Event, Kind, Number};
use crate::orders::NewOrder;
use crate::types::enums::OrderStatus;
use crate::types::price::{Commission, Price};
use crate::types::text;

/// Namespace of the version 5 UUIDs of reports, so that the same report makes the same entry whichever
/// session it comes from.
const REPORTS: Uuid = Uuid::from_u128(0x8f1c_5f0e_6d2b_4b7a_9c53_2f6a_1d7e_4c01);

/// One row to write.
#[derive(Debug)]
pub(super) enum Step<'e> {
    /// Submit an order.
    Submit(NewOrder<'e>),
    /// Log the action that this report states.
    Log(ReportId, NewExecutionLog<'e>),
    /// Record a fill under this id.
    Fill(Uuid, NewFill<'e>),
    /// Record an execution on its own, or keep it as a break.
    Execution(Execution<'e>),
    /// Keep an execution as a break because a different one is stored under its id, with the description
    /// of the difference.
    Mismatch(Execution<'e>, String),
}

/// A step, with the report and the order that it is for.
#[derive(Debug)]
pub(super) struct PlannedStep<'e> {
    pub event: &'e Event<'e>,
    /// The order; none if it is unknown. A new order gets another id if a concurrent session submits the
    /// same order first.
    pub order_id: Option<Uuid>,
    /// The shares that the venue counted as filled when it sent the report, as far as the batch says.
    pub venue_filled: Option<Number<'e>>,
    pub step: Step<'e>,
}

/// The identity of a report that the execution log has an entry for.
#[derive(Debug)]
pub(super) enum ReportId {
    /// The id in an export.
    Exported(Uuid),
    /// An id to derive from this text and the order: the kind of the report with its execution id, or
    /// else with its time.
    Derived(String),
}

impl ReportId {
    /// The identity of a report.
    fn of_report(event: &Event<'_>) -> Self {
        let kind = event.kind;
        match (event.id, event.execution_id.as_deref(), event.time()) {
            (Some(id), ..) => Self::Exported(id),
            (None, Some(execution_id), _) => Self::Derived(format!("{kind:?} {execution_id}")),
            (None, None, at) => {
                Self::Derived(format!("{kind:?} at {at:?} {:?}", event.retry_attempt))
            }
        }
    }

    /// Returns the report id in the log of this order.
    pub fn for_order(&self, order_id: Uuid) -> Uuid {
        match self {
            Self::Exported(id) => *id,
            Self::Derived(text) => Uuid::new_v5(&REPORTS, format!("{order_id} {text}").as_bytes()),
        }
    }
}

/// Returns the row to write for a report of this order, besides the order itself; none if there is
/// nothing to write.
///
/// # Errors
///
/// The field that is missing or wrong.
pub(super) fn step_for<'e>(
    event: &'e Event<'e>,
    order_id: Uuid,
    options: &'e Options,
) -> Result<Option<Step<'e>>, String> {
    let log = |action, reason| {
        let new = NewExecutionLog::new(order_id, action);
        let new = NewExecutionLog { reason, reported_at: event.time(), ..new };
        Step::Log(ReportId::of_report(event), new)
    };
    let reason = event.reason.as_deref().map(shorten_reason);
    let reason = reason.filter(|reason| !reason.trim().is_empty());
    let error_code = event.error_code.as_deref();
    let venue_order_id = event.venue_order_id.as_deref();
    Ok(Some(match event.kind {
        Kind::NewOrder
        | Kind::CancelRejected
        | Kind::Restated
        | Kind::PendingNew
        | Kind::Status => {
            return Ok(None);
        }
        Kind::Approved => log(NewAction::Approved, reason),
        Kind::Routed => log(NewAction::Executed { venue_order_id: None }, reason),
        Kind::Acknowledged | Kind::Replaced => log(NewAction::Executed { venue_order_id }, reason),
        Kind::Cancelled => log(NewAction::Cancelled, reason),
        Kind::Expired => log(NewAction::Cancelled, reason.or(Some("expired"))),
        Kind::Rejected => log(NewAction::Rejected { error_code }, reason),
        Kind::Recovered => {
            let retry_attempt = event.retry_attempt.and_then(|attempt| attempt.to_i32());
            let ended = match event.status {
                Some(OrderStatus::Rejected) => Some(Ended::Rejected),
                Some(OrderStatus::Cancelled) => Some(Ended::Cancelled),
                _ => None,
            };
            log(NewAction::Recovered { retry_attempt, error_code, ended }, reason)
        }
        Kind::Fill => match fill(event, order_id, options) {
            Some((id, fill)) => Step::Fill(id, fill),
            None => Step::Execution(execution(event, Some(order_id), options)?),
        },
        Kind::Bust | Kind::Correct => Step::Execution(execution(event, Some(order_id), options)?),
    }))
}

/// The fill that a report describes; none if its numbers don't fit the columns of a fill.
fn fill<'e>(
    event: &'e Event<'e>,
    order_id: Uuid,
    options: &'e Options,
) -> Option<(Uuid, NewFill<'e>)> {
    let commission = match event.commission {
        Some(commission) => Commission::try_from(commission.value()).ok()?,
        None => Commission::default(),
    };
    let rebate = match event.rebate {
        Some(rebate) => Commission::try_from(rebate.value()).ok()?,
        None => Commission::default(),
    };
    let new = NewFill {
        order_id,
        timestamp: event.time()?,
        quantity_filled: whole_shares(event.last_quantity?)?,
        price_at_fill: Price::try_from(event.last_price?.value()).ok()?,
        venue: options.venue_of(event),
        commission,
        rebate,
        source: event.source.as_deref(),
        execution_id: event.execution_id.as_deref(),
    };
    Some((event.id.unwrap_or_else(Uuid::now_v7), new))
}

/// Returns the execution that a report describes, with its numbers as reported.
///
/// # Errors
///
/// The field that is missing.
pub(super) fn execution<'e>(
    event: &'e Event<'e>,
    order_id: Option<Uuid>,
    options: &'e Options,
) -> Result<Execution<'e>, String> {
    let of = || {
        let refers_to = event.refers_to.as_deref();
        refers_to.ok_or("the execution id that it amends (tag 19) is missing")
    };
    let value = |number: Option<Number<'_>>, field: &str| match number {
        Some(number) => Ok(number.value()),
        None if event.kind == Kind::Bust => Ok(BigDecimal::default()),
        None => Err(format!("{field} is missing")),
    };
    let kind = match event.kind {
        Kind::Fill => ExecutionKind::Fill,
        Kind::Bust => ExecutionKind::Bust { of: of()? },
        _ => ExecutionKind::Correction { of: of()? },
    };
    Ok(Execution {
        kind,
        order_id,
        trader_id: None,
        timestamp: event.time().ok_or("the time (tag 60 or 52) is missing")?,
        quantity: value(event.last_quantity, "last quantity (tag 32)")?,
        price: value(event.last_price, "last price (tag 31)")?,
        venue: options.venue_of(event),
        commission: event.commission.map(Number::value).unwrap_or_default(),
        rebate: event.rebate.map(Number::value).unwrap_or_default(),
        source: event.source.as_deref(),
        // An id that no order can have would refuse the execution; the message as received keeps it.
        client_order_id: event.client_order_id.as_deref().filter(|id| is_id(id)),
        execution_id: event.execution_id.as_deref(),
        raw: Some(event.raw.as_ref()).filter(|raw| !raw.trim().is_empty()),
    })
}

/// Returns whether an order can have this client order id.
fn is_id(id: &str) -> bool {
    text::check_name("client order id", id, text::MAX_ID).is_ok()
}

/// Returns the value of a number of shares, if it is whole and fits the column.
pub(super) fn whole_shares(number: Number<'_>) -> Option<i32> {
    let value = number.value();
    value.is_integer().then(|| value.to_i32()).flatten()
}

/// Cuts a reason to what the log keeps: an action is worth more than the end of its explanation.
fn shorten_reason(reason: &str) -> &str {
    reason.char_indices().nth(MAX_REASON).map_or(reason, |(end, _)| &reason[..end])
}
