//! Reconciliation of the totals that a venue reports with the store's.

use bigdecimal::{BigDecimal, Zero};
use uuid::Uuid;

use super::insert::id_of_content;
use super::{Break, Breaks, Execution, ExecutionKind};
use crate::database::role::Engine;
use crate::error::Error;
use crate::orders::Orders;
use crate::orders::totals::Totals;
use crate::types::difference::Difference;
use crate::types::enums::BreakReason;

impl Breaks<'_, Engine> {
    /// Compares the totals of an order with those that its venue reports, and stores a difference as a
    /// break ([`BreakReason::Totals`]); returns that break, or `None` if the totals agree.
    ///
    /// The execution log records the break; the order itself does not change. Idempotent by order, venue,
    /// execution id, time, filled quantity and average price of the report, and by its raw message if it has no
    /// execution id: if the break is stored already, resolved or not, it is returned.
    ///
    /// # Errors
    ///
    /// - [`Error::is_not_found`]: no order has this id.
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
                format!("{field}: the venue reports {other}, the store has {stored}")
            })
            .collect();
        if differing.is_empty() {
            return Ok(None);
        }
        let detail = differing.join("; ");
        let reason = BreakReason::Totals;
        let id = match totals.execution_id {
            Some(_) => Uuid::now_v7(),
            None => id_of_content(&execution, reason),
        };
        self.insert_or_find_as(id, &execution, reason, &detail).map(Some)
    }
}

impl Totals<'_> {
    /// Returns the totals in the shape of an execution, which is how a row of `breaks` stores them.
    pub(crate) fn as_execution(&self) -> Execution<'_> {
        Execution {
            kind: ExecutionKind::Fill,
            order_id: Some(self.order_id),
            trader_id: None,
            client_order_id: None,
            timestamp: self.timestamp,
            quantity: self.filled_quantity.clone(),
            price: self.average_price.clone().unwrap_or_default(),
            venue: self.venue,
            commission: BigDecimal::zero(),
            rebate: BigDecimal::zero(),
            source: None,
            execution_id: self.execution_id,
            raw: self.raw,
        }
    }
}
