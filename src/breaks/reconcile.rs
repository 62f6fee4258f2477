//! Reconciliation of the totals that a venue reports with the store's.

use bigdecimal::{BigDecimal, Zero};
use chrono::SubsecRound;
use diesel::prelude::*;

use crate::breaks::{Break, Breaks, Execution};
use crate::database::role::Engine;
use crate::error::Error;
use crate::orders::Orders;
use crate::orders::totals::Totals;
use crate::schema::breaks;
use crate::types::difference::{Difference, MICROSECONDS};
use crate::types::enums::BreakReason;

impl Breaks<'_, Engine> {
    /// Keeps it as a break when an order stands otherwise by the venue's account than by the store's,
    /// and logs that; nothing of the order changes. None if the two agree. Known again by the venue's id
    /// of the report, whether it has been dismissed since or not.
    ///
    /// # Errors
    ///
    /// - [`Error::is_not_found`]: no such order.
    /// - [`Error::is_invalid_input`]: as for [`Breaks::record_or_break`].
    pub fn reconcile(&mut self, totals: &Totals<'_>) -> Result<Option<Break>, Error> {
        let execution = totals.as_execution();
        execution.check()?;
        let mut orders = Orders { conn: self.conn, role: self.role };
        let differing = orders.compare_totals(std::slice::from_ref(totals))?;
        let differing: Vec<String> = differing
            .iter()
            .flatten()
            .map(|Difference { field, stored, other }| {
                format!("{field} {other} by the venue, {stored} here")
            })
            .collect();
        if differing.is_empty() {
            return Ok(None);
        }
        let detail = differing.join("; ");
        if let Some(kept) = self.store(&execution, BreakReason::Totals, &detail)? {
            return Ok(Some(kept));
        }
        // It is kept already.
        Ok(Break::query()
            .filter(breaks::reason.eq(BreakReason::Totals))
            .filter(breaks::order_id.eq(totals.order_id))
            .filter(breaks::venue.eq(totals.venue))
            .filter(breaks::execution_id.is_not_distinct_from(totals.execution_id))
            .filter(breaks::timestamp.eq(totals.timestamp.trunc_subsecs(MICROSECONDS)))
            .first(self.conn)
            .optional()?)
    }
}

impl Totals<'_> {
    /// As the row of a break has it.
    pub(crate) fn as_execution(&self) -> Execution<'_> {
        Execution {
            order_id: Some(self.order_id),
            timestamp: self.timestamp,
            quantity: self.filled_quantity.clone(),
            price: self.average_price.clone().unwrap_or_default(),
            venue: self.venue,
            commission: BigDecimal::zero(),
            execution_id: self.execution_id,
            refers_to: None,
            is_bust: false,
            raw: self.raw,
        }
    }
}
