//! Stores breaks, each once.

use bigdecimal::BigDecimal;
use chrono::{DateTime, SubsecRound, Utc};
use diesel::prelude::*;
use uuid::Uuid;

use super::{Break, BreakHistory, BreakResolution, Breaks, Execution};
use crate::database::role::Engine;
use crate::error::Error;
use crate::schema::{break_resolutions, breaks};
use crate::types::difference::MICROSECONDS;
use crate::types::enums::BreakReason;

/// Maximum length of the detail of a break, in characters.
const MAX_DETAIL: usize = 1000;

#[derive(Insertable)]
#[diesel(table_name = breaks, treat_none_as_default_value = false)]
struct NewBreak<'a> {
    id: Uuid,
    reason: BreakReason,
    detail: &'a str,
    order_id: Option<Uuid>,
    trader_id: Option<Uuid>,
    client_order_id: Option<&'a str>,
    venue: &'a str,
    source: &'a str,
    execution_id: Option<&'a str>,
    refers_to: Option<&'a str>,
    is_bust: bool,
    timestamp: DateTime<Utc>,
    quantity: &'a BigDecimal,
    price: &'a BigDecimal,
    commission: &'a BigDecimal,
    rebate: &'a BigDecimal,
    raw: Option<&'a str>,
}

impl Breaks<'_, Engine> {
    /// Stores an execution as a break for this reason, or returns the break that it is stored as already.
    pub(crate) fn insert_or_find(
        &mut self,
        execution: &Execution<'_>,
        reason: BreakReason,
        detail: &str,
    ) -> Result<Break, Error> {
        if let Some(inserted) = self.insert(execution, reason, detail, None)? {
            return Ok(inserted);
        }
        let stored = self.find(execution)?;
        stored.map(|stored| stored.reported).ok_or_else(|| {
            let id = execution.execution_id.unwrap_or("without an id");
            Error::lost_race("break of execution", id)
        })
    }

    /// Stores an execution, totals or an order as a break; returns `None` if it is stored already. A detail
    /// longer than 1000 characters is cut. The trader counts only if the order is not stored.
    pub(super) fn insert(
        &mut self,
        execution: &Execution<'_>,
        reason: BreakReason,
        detail: &str,
        trader_id: Option<Uuid>,
    ) -> Result<Option<Break>, Error> {
        let detail: String = detail.chars().take(MAX_DETAIL).collect();
        // Trailing zeros would count towards the 20 decimal places that the columns allow.
        let quantity = execution.quantity.normalized();
        let price = execution.price.normalized();
        let commission = execution.commission.normalized();
        let rebate = execution.rebate.normalized();
        let new = NewBreak {
            id: Uuid::now_v7(),
            reason,
            detail: &detail,
            order_id: execution.order_id,
            trader_id,
            client_order_id: execution.client_order_id,
            venue: execution.venue,
            source: execution.source(),
            execution_id: execution.execution_id,
            refers_to: execution.kind.refers_to(),
            is_bust: execution.kind.is_bust(),
            timestamp: execution.timestamp,
            quantity: &quantity,
            price: &price,
            commission: &commission,
            rebate: &rebate,
            raw: execution.raw,
        };
        Ok(diesel::insert_into(breaks::table)
            .values(&new)
            .on_conflict_do_nothing()
            .returning(Break::as_returning())
            .get_result(self.conn)
            .optional()?)
    }

    /// Returns the break that an execution is stored as, with its resolution.
    pub(super) fn find(
        &mut self,
        execution: &Execution<'_>,
    ) -> Result<Option<BreakHistory>, Error> {
        let found = breaks::table
            .left_join(break_resolutions::table)
            .filter(breaks::reason.ne_all([BreakReason::Totals, BreakReason::InvalidOrder]))
            .filter(breaks::source.eq(execution.source()))
            .filter(breaks::execution_id.is_not_distinct_from(execution.execution_id))
            .filter(breaks::order_id.is_not_distinct_from(execution.order_id))
            .filter(breaks::refers_to.is_not_distinct_from(execution.kind.refers_to()))
            .filter(breaks::is_bust.eq(execution.kind.is_bust()))
            .filter(breaks::timestamp.eq(execution.timestamp.trunc_subsecs(MICROSECONDS)))
            .filter(breaks::quantity.eq(&execution.quantity))
            .filter(breaks::price.eq(&execution.price))
            .filter(breaks::commission.eq(&execution.commission))
            .filter(breaks::rebate.eq(&execution.rebate))
            .select((Break::as_select(), Option::<BreakResolution>::as_select()))
            .first(self.conn)
            .optional()?;
        Ok(found.map(|(reported, resolution)| BreakHistory { reported, resolution }))
    }
}
