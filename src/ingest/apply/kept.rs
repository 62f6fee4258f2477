//! Reports that are kept as breaks: whatever a report is and whatever is wrong with it, a break can hold it.

use bigdecimal::BigDecimal;
use chrono::DateTime;
use uuid::Uuid;

use super::options::Options;
use super::step::{Report, execution_as_far_as_known, is_id, time_of};
use crate::breaks::{
    Break, Execution, ExecutionKind, MAX_RAW, UnappliedReason, UnappliedReport, fits_a_break,
};
use crate::database::role::Engine;
use crate::database::transaction::Tx;
use crate::error::Error;
use crate::ingest::event::Number;
use crate::types::enums::BreakReason;
use crate::types::text;
use crate::types::years;

/// Namespace of the version 5 UUIDs of breaks that have no execution id.
const BREAKS: Uuid = Uuid::from_u128(0x8f1c_5f0e_6d2b_4b7a_9c53_2f6a_1d7e_4c05);

/// What stands for a NUL in a text that a break keeps: the symbol for it.
pub(super) const NUL: char = '\u{2400}';

/// A report as a break stores it.
pub(super) enum Kept<'e> {
    /// An execution, with the id of the break.
    Execution(Uuid, Execution<'e>),
    /// An order that can't be stored, or an action.
    Other(UnappliedReport<'e>),
}

/// Keeps a report as a break. What the columns of a break can't hold is left out, and is in the message as received.
pub(super) fn store(
    tx: &mut Tx<'_, Engine>,
    report: &Report<'_>,
    order_id: Option<Uuid>,
    reason: BreakReason,
    why: &str,
    options: &Options,
) -> Result<Break, Error> {
    // The reason may repeat text of the report.
    let (raw, why) = (readable(&report.event.raw), readable(why));
    match kept(report, order_id, reason, &why, &raw, options) {
        Kept::Execution(id, execution) => {
            tx.breaks().insert_or_find_as(id, &execution, reason, &why)
        }
        Kept::Other(unapplied) => tx.breaks().record_unapplied(&unapplied),
    }
}

/// Returns what a break keeps of a report, with the reason and the message as [`readable`] returns them.
pub(super) fn kept<'e>(
    report: &'e Report<'e>,
    order_id: Option<Uuid>,
    reason: BreakReason,
    why: &'e str,
    raw: &'e str,
    options: &'e Options,
) -> Kept<'e> {
    let event = report.event;
    let execution = execution_as_far_as_known(report, order_id, options);
    let venue = fitting_venue(execution.venue);
    let source = Some(report.source).filter(|source| is_venue(source));
    let execution_id = execution.execution_id.filter(|id| is_id(id));
    let timestamp = match time_of(event) {
        time if years::has_time(time) => time,
        _ => DateTime::UNIX_EPOCH,
    };
    let raw = Some(raw).filter(|raw| !raw.trim().is_empty());
    // Without an execution id, what was received tells it from others.
    let content = || format!("{:?} {}", event.kind, raw.unwrap_or_default());
    let id = report.content_id.unwrap_or_else(|| Uuid::new_v5(&BREAKS, content().as_bytes()));
    if event.kind.is_execution() {
        let execution = Execution {
            venue,
            source,
            execution_id,
            timestamp,
            kind: match execution.kind.refers_to().is_none_or(is_id) {
                true => execution.kind,
                false => ExecutionKind::Fill,
            },
            quantity: fitting(execution.quantity),
            price: fitting(execution.price),
            commission: fitting(execution.commission),
            rebate: fitting(execution.rebate),
            raw,
            ..execution
        };
        // One with an execution id is recognized by that.
        let id = if execution_id.is_some() { Uuid::now_v7() } else { id };
        return Kept::Execution(id, execution);
    }
    let number = |number: Option<Number<'_>>| {
        number.map_or_else(BigDecimal::default, |number| fitting(number.value()))
    };
    let is_order = reason == BreakReason::InvalidOrder;
    Kept::Other(UnappliedReport {
        reason: match is_order {
            true => UnappliedReason::InvalidOrder,
            false => UnappliedReason::UnappliedAction,
        },
        trader_id: report.trader.as_ref().ok().copied(),
        order_id: order_id.filter(|_| !is_order),
        client_order_id: execution.client_order_id,
        execution_id: execution_id.filter(|_| !is_order),
        timestamp,
        venue,
        source,
        quantity: number(event.quantity),
        price: number(event.price),
        detail: why,
        raw,
    })
}

/// Returns why a break of this reason is applied after all, as its resolution says it.
pub(super) fn healed(reason: BreakReason) -> &'static str {
    match reason {
        BreakReason::UnknownOrder => "applied, its order is stored now",
        BreakReason::UnknownFill => "applied, the fill that it amends is stored now",
        BreakReason::Precision => "applied, the columns are wide enough now",
        BreakReason::InvalidOrder => "applied, the order is stored now",
        BreakReason::Totals => "applied, the totals agree again",
        BreakReason::OrderEnded | BreakReason::OverFill => "applied, its order has room for it now",
        BreakReason::Mismatch | BreakReason::Invalid | BreakReason::UnappliedAction => {
            "applied, nothing is in its way any more"
        }
    }
}

/// Returns whether a break can have this venue or source.
fn is_venue(name: &str) -> bool {
    text::check_name("venue", name, text::MAX_VENUE).is_ok()
}

/// Returns a venue that a break can have: `UNKNOWN` in place of one that it can't.
pub(super) fn fitting_venue(venue: &str) -> &str {
    if is_venue(venue) { venue } else { "UNKNOWN" }
}

/// Returns a number that a break can hold: 0 in place of one with too many digits.
fn fitting(value: BigDecimal) -> BigDecimal {
    if fits_a_break(&value) { value } else { BigDecimal::default() }
}

/// Returns a message as a text column can hold it: without NUL, and not too long.
pub(super) fn readable(raw: &str) -> String {
    raw.chars().take(MAX_RAW).map(|c| if c == '\0' { NUL } else { c }).collect()
}
