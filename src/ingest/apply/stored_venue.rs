//! The venue under which a report is stored already.
//!
//! The venue is part of what identifies an execution, but not every session reports it. Without this
//! lookup, the same execution from two sessions would be stored twice: once under its venue, once under
//! the default.

use chrono::SubsecRound;
use diesel::prelude::*;

use crate::breaks::Execution;
use crate::database::role::Engine;
use crate::database::transaction::Tx;
use crate::error::Error;
use crate::schema::{breaks, fills};
use crate::types::difference::MICROSECONDS;
use crate::types::enums::BreakReason;

/// The breaks to search: those of executions, or those of differing totals.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum BreaksOf {
    Executions,
    Totals,
}

/// Returns the venue under which the store knows this execution already, if either the report or the
/// stored row has only the default venue: the venue of the fill that it amends, or of the break that it
/// was kept as. Returns none if the execution is not stored.
pub(super) fn stored_venue(
    tx: &mut Tx<'_, Engine>,
    execution: &Execution<'_>,
    default_venue: &str,
    kind: BreaksOf,
) -> Result<Option<String>, Error> {
    let names_venue = execution.venue != default_venue;
    if let (Some(refers_to), Some(order_id)) = (execution.kind.refers_to(), execution.order_id) {
        let mut query = fills::table
            .filter(fills::order_id.eq(order_id))
            .filter(fills::execution_id.eq(refers_to))
            // A fill with a venue of its own comes before one with the default.
            .order((fills::venue.eq(default_venue), fills::id))
            .select(fills::venue)
            .into_boxed();
        if names_venue {
            query = query.filter(fills::venue.eq_any([execution.venue, default_venue]));
        }
        if let Some(source) = execution.source {
            query = query.filter(fills::source.eq(source));
        }
        let venue: Option<String> = query.first(tx.conn()).optional()?;
        if venue.is_some() {
            return Ok(venue);
        }
    }
    let Some(id) = execution.execution_id else { return Ok(None) };
    let mut query = breaks::table
        .filter(breaks::execution_id.eq(id))
        .filter(breaks::order_id.is_not_distinct_from(execution.order_id))
        .filter(breaks::refers_to.is_not_distinct_from(execution.kind.refers_to()))
        .filter(breaks::is_bust.eq(execution.kind.is_bust()))
        .filter(breaks::timestamp.eq(execution.timestamp.trunc_subsecs(MICROSECONDS)))
        .filter(breaks::quantity.eq(&execution.quantity))
        .filter(breaks::price.eq(&execution.price))
        .filter(breaks::reason.eq(BreakReason::Totals).eq(kind == BreaksOf::Totals))
        .order(breaks::id)
        .select(breaks::venue)
        .into_boxed();
    if names_venue {
        query = query.filter(breaks::venue.eq(default_venue));
    }
    if let Some(source) = execution.source {
        query = query.filter(breaks::source.eq(source));
    }
    Ok(query.first(tx.conn()).optional()?)
}
