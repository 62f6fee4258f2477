//! Steps: the rows that a report adds, and the conversion of reports to steps.

use std::rc::Rc;

use bigdecimal::{BigDecimal, ToPrimitive};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::options::Options;
use super::terms::{Terms, whole_shares};
use crate::breaks::{Break, Execution, ExecutionKind};
use crate::execution_logs::{Ended, MAX_REASON, NewAction, NewExecutionLog};
use crate::fills::NewFill;
use crate::ingest::event::{Event, Kind, Number};
use crate::types::enums::{BreakReason, OrderStatus};
use crate::types::price::{Commission, Price};
use crate::types::text;

/// Namespace of the version 5 UUIDs of reports, so that the same report makes the same entry whichever
/// session it comes from.
const REPORTS: Uuid = Uuid::from_u128(0x8f1c_5f0e_6d2b_4b7a_9c53_2f6a_1d7e_4c01);

/// One report of a batch, with what is found out about it before its order.
#[derive(Debug)]
pub(super) struct Report<'e> {
    /// Its place in the batch.
    pub place: usize,
    pub event: &'e Event<'e>,
    /// Its trader, or why the trader can't be told.
    pub trader: &'e Result<Uuid, String>,
    /// Who assigned its execution id.
    pub source: &'e str,
    /// The id of the fill, and of the break, that an execution without an execution id becomes.
    pub content_id: Option<Uuid>,
    /// The open break that the report was kept as, if it is tried again.
    pub retried: Option<&'e Break>,
    /// The message of that break, if it can be read again: it has what the columns of a break don't hold.
    pub received: Option<&'e Event<'e>>,
}

impl<'e> Report<'e> {
    /// Returns a report of the input.
    pub fn new(
        place: usize,
        event: &'e Event<'e>,
        trader: &'e Result<Uuid, String>,
        source: &'e str,
    ) -> Self {
        Self { place, event, trader, source, content_id: None, retried: None, received: None }
    }

    /// Returns the report of an open break that is tried again.
    pub fn of_break(
        place: usize,
        event: &'e Event<'e>,
        trader: &'e Result<Uuid, String>,
        kept: &'e Break,
        received: Option<&'e Event<'e>>,
    ) -> Self {
        Self { retried: Some(kept), received, ..Self::new(place, event, trader, &kept.source) }
    }

    /// The event with all that the message says.
    pub fn message(&self) -> &'e Event<'e> {
        self.received.unwrap_or(self.event)
    }
}

/// One row to write.
#[derive(Debug)]
pub(super) enum Step<'e> {
    /// Submit an order.
    Submit(Rc<Terms>),
    /// Log the action that this report states.
    Log(NewExecutionLog<'e>),
    /// Log what the report says about its order besides: the venue's id of it. Nothing is lost if it is refused.
    LogVenueId(NewExecutionLog<'e>),
    /// Record a fill under this id.
    Fill(Uuid, NewFill<'e>),
    /// Record an execution on its own, or keep it as a break.
    Execution(Execution<'e>),
    /// Record a fill under the id of an order that has been replaced. If the venue counted it when it replaced the
    /// order, it belongs to that one; otherwise to the last order of the chain.
    Crossing { execution: Execution<'e>, root: Uuid, last: Uuid },
    /// Keep the report as a break, with the reason in words.
    Break(BreakReason, String),
    /// Store a break of an export, as it is there.
    ImportBreak { id: Uuid, reason: BreakReason },
    /// Resolve a break as an export says: book it to the order of the step, or dismiss it.
    Resolve { break_id: Uuid, is_booked: bool },
}

/// A step, with the report and the order that it is for.
#[derive(Debug)]
pub(super) struct PlannedStep<'e> {
    /// The first order of the chain whose steps are written in sequence; the nil uuid if the order is unknown.
    pub root: Uuid,
    pub report: &'e Report<'e>,
    /// The order; none if it is unknown. A new order gets another id if a concurrent session submits the
    /// same order first.
    pub order_id: Option<Uuid>,
    pub step: Step<'e>,
}

/// Returns the report id under which the log of this order chain has the action of a report: that of the
/// export, or one made of the kind of the report with its execution id, or else with its time.
pub(super) fn report_id(event: &Event<'_>, root: Uuid, options: &Options) -> Uuid {
    if let Some(id) = event.id {
        return id;
    }
    let kind = event.kind;
    let day = options.day_of(event);
    let text = match (event.execution_id.as_deref(), day) {
        (Some(execution_id), None) => format!("{root} {kind:?} {execution_id}"),
        (Some(execution_id), Some(day)) => format!("{root} {kind:?} {execution_id} {day}"),
        (None, _) => format!("{root} {kind:?} at {:?} {:?}", event.time(), event.retry_attempt),
    };
    Uuid::new_v5(&REPORTS, text.as_bytes())
}

/// Returns the id of what a report adds to an order chain besides its entry, such as a replacement that has no
/// client order id of its own.
pub(super) fn derived_id(report_id: Uuid, what: &str) -> Uuid {
    Uuid::new_v5(&REPORTS, format!("{report_id} {what}").as_bytes())
}

/// Returns the action that a report logs; none if it is an execution, or says nothing to log.
pub(super) fn action<'e>(
    event: &'e Event<'e>,
    order_id: Uuid,
    report_id: Uuid,
) -> Option<NewExecutionLog<'e>> {
    let reason = event.reason.as_deref().map(shorten_reason);
    let reason = reason.filter(|reason| !reason.trim().is_empty());
    let error_code = event.error_code.as_deref();
    let venue_order_id = event.venue_order_id.as_deref();
    let (action, reason) = match event.kind {
        Kind::Approved => (NewAction::Approved, reason),
        Kind::Routed => (NewAction::Executed { venue_order_id: None }, reason),
        Kind::Acknowledged | Kind::Replaced | Kind::Restated => {
            (NewAction::Executed { venue_order_id }, reason)
        }
        Kind::Cancelled => (NewAction::Cancelled, reason),
        Kind::Expired => (NewAction::Cancelled, reason.or(Some("expired"))),
        Kind::Rejected => (NewAction::Rejected { error_code }, reason),
        Kind::Recovered => {
            let retry_attempt = event.retry_attempt.and_then(|attempt| attempt.to_i32());
            let ended = match event.status {
                Some(OrderStatus::Rejected) => Some(Ended::Rejected),
                Some(OrderStatus::Cancelled) => Some(Ended::Cancelled),
                _ => None,
            };
            (NewAction::Recovered { retry_attempt, error_code, ended }, reason)
        }
        Kind::Fill | Kind::Bust | Kind::Correct => return None,
        Kind::NewOrder | Kind::CancelRejected | Kind::PendingNew | Kind::Status => return None,
        Kind::Break | Kind::Booked | Kind::Dismissed => return None,
    };
    Some(NewExecutionLog {
        reason,
        reported_at: event.time(),
        report_id: Some(report_id),
        ..NewExecutionLog::new(order_id, action)
    })
}

/// Returns the step that records the execution of a report: as a fill among others if it fits the columns of one.
///
/// # Errors
///
/// The field that is missing.
pub(super) fn execution_step<'e>(
    report: &'e Report<'e>,
    order_id: Uuid,
    options: &'e Options,
) -> Result<Step<'e>, String> {
    if report.event.kind == Kind::Fill
        && report.retried.is_none()
        && let Some((id, fill)) = fill(report, order_id, options)
    {
        return Ok(Step::Fill(id, fill));
    }
    execution(report, Some(order_id), options).map(Step::Execution)
}

/// The fill that a report describes; none if its numbers don't fit the columns of a fill.
fn fill<'e>(
    report: &'e Report<'e>,
    order_id: Uuid,
    options: &'e Options,
) -> Option<(Uuid, NewFill<'e>)> {
    let event = report.event;
    let amount = |number: Option<Number<'_>>| match number {
        Some(number) => Commission::try_from(number.value()).ok(),
        None => Some(Commission::default()),
    };
    let new = NewFill {
        order_id,
        timestamp: event.time()?,
        quantity_filled: whole_shares(&event.last_quantity?.value())?,
        price_at_fill: Price::try_from(event.last_price?.value()).ok()?,
        venue: options.venue_of(event),
        commission: amount(event.commission)?,
        rebate: amount(event.rebate)?,
        source: Some(report.source),
        execution_id: event.execution_id.as_deref(),
    };
    Some((event.id.or(report.content_id).unwrap_or_else(Uuid::now_v7), new))
}

/// Returns the execution that a report describes, with its numbers as reported.
///
/// # Errors
///
/// The field that is missing.
pub(super) fn execution<'e>(
    report: &'e Report<'e>,
    order_id: Option<Uuid>,
    options: &'e Options,
) -> Result<Execution<'e>, String> {
    let event = report.event;
    let missing = |field| format!("{} is missing", options.name_of(field));
    if event.kind != Kind::Fill && event.refers_to.is_none() {
        return Err(missing("refers_to"));
    }
    if event.kind != Kind::Bust {
        event.last_quantity.ok_or_else(|| missing("last_quantity"))?;
        event.last_price.ok_or_else(|| missing("last_price"))?;
    }
    event.time().ok_or_else(|| missing("at"))?;
    Ok(execution_as_far_as_known(report, order_id, options))
}

/// Returns the execution that a report describes as far as it does: 0 for numbers and the Unix epoch for the time
/// that are missing. A break can hold it.
pub(super) fn execution_as_far_as_known<'e>(
    report: &'e Report<'e>,
    order_id: Option<Uuid>,
    options: &'e Options,
) -> Execution<'e> {
    let event = report.event;
    let is_bust = event.is_bust == Some(true);
    let kind = match (event.kind, event.refers_to.as_deref()) {
        (Kind::Break, Some(of)) if is_bust => ExecutionKind::Bust { of },
        (Kind::Break, Some(of)) => ExecutionKind::Correction { of },
        (Kind::Bust, Some(of)) => ExecutionKind::Bust { of },
        (Kind::Correct, Some(of)) => ExecutionKind::Correction { of },
        _ => ExecutionKind::Fill,
    };
    let value = |number: Option<Number<'_>>| number.map_or_else(BigDecimal::default, Number::value);
    Execution {
        kind,
        order_id,
        trader_id: report.trader.as_ref().ok().copied(),
        timestamp: time_of(event),
        quantity: value(event.last_quantity),
        price: value(event.last_price),
        venue: options.venue_of(event),
        commission: value(event.commission),
        rebate: value(event.rebate),
        source: Some(report.source),
        // An id that no order can have would refuse the execution; the message as received keeps it.
        client_order_id: event.client_order_id.as_deref().filter(|id| is_id(id)),
        execution_id: event.execution_id.as_deref(),
        raw: Some(event.raw.as_ref()).filter(|raw| !raw.trim().is_empty()),
    }
}

/// Returns the time of a report; the Unix epoch if it has none.
pub(super) fn time_of(event: &Event<'_>) -> DateTime<Utc> {
    event.time().unwrap_or(DateTime::UNIX_EPOCH)
}

/// Returns whether an order or an execution can have this id.
pub(super) fn is_id(id: &str) -> bool {
    text::check_name("id", id, text::MAX_ID).is_ok()
}

/// Returns the reason for which a report that can't be applied is a break.
pub(super) fn break_reason(kind: Kind) -> BreakReason {
    match kind {
        Kind::Fill | Kind::Bust | Kind::Correct => BreakReason::Invalid,
        Kind::NewOrder => BreakReason::InvalidOrder,
        _ => BreakReason::UnappliedAction,
    }
}

/// Cuts a reason to what the log keeps: an action is worth more than the end of its explanation.
fn shorten_reason(reason: &str) -> &str {
    reason.char_indices().nth(MAX_REASON).map_or(reason, |(end, _)| &reason[..end])
}
