//! Stores breaks, each once.

use bigdecimal::BigDecimal;
use chrono::{DateTime, SubsecRound, Utc};
use diesel::pg::Pg;
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

/// Namespace of the version 5 UUIDs of breaks whose report has no id to recognize it by.
const BREAKS: Uuid = Uuid::from_u128(0x5b0d_92a4_1c8e_4f37_8a61_d7c3_0e95_b24f);

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
    /// Stores a report as a break for this reason under this id, or returns the break that it is stored as
    /// already, by its key or by this id.
    pub(crate) fn insert_or_find_as(
        &mut self,
        id: Uuid,
        execution: &Execution<'_>,
        reason: BreakReason,
        detail: &str,
    ) -> Result<Break, Error> {
        if let Some(inserted) = self.insert(id, execution, reason, detail)? {
            return Ok(inserted);
        }
        let stored = match self.find(execution, reason)? {
            Some(stored) => Some(stored),
            None => Break::query().find(id).first(self.conn).optional()?,
        };
        stored.ok_or_else(|| {
            let id = execution.execution_id.unwrap_or("without an id");
            Error::lost_race("break of execution", id)
        })
    }

    /// Stores a break as another store has it, of any reason, or returns the break that it is stored as already. A
    /// savepoint undoes a refusal, so the transaction can go on without it.
    #[cfg(feature = "ingest")]
    pub(crate) fn import(
        &mut self,
        id: Uuid,
        execution: &Execution<'_>,
        reason: BreakReason,
        detail: &str,
    ) -> Result<Break, Error> {
        execution.check()?;
        if detail.contains('\0') {
            return Err(Error::invalid("detail", detail, "contains a NUL character"));
        }
        let role = self.role;
        self.conn.transaction(|conn| {
            Breaks { conn, role }.insert_or_find_as(id, execution, reason, detail)
        })
    }

    /// Stores a report as a break; returns `None` if it is stored already. A detail longer than 1000
    /// characters is cut.
    fn insert(
        &mut self,
        id: Uuid,
        execution: &Execution<'_>,
        reason: BreakReason,
        detail: &str,
    ) -> Result<Option<Break>, Error> {
        let detail: String = detail.chars().take(MAX_DETAIL).collect();
        // Trailing zeros would count towards the 20 decimal places that the columns allow.
        let quantity = execution.quantity.normalized();
        let price = execution.price.normalized();
        let commission = execution.commission.normalized();
        let rebate = execution.rebate.normalized();
        let new = NewBreak {
            id,
            reason,
            detail: &detail,
            order_id: execution.order_id,
            trader_id: execution.trader_id,
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

    /// Returns the break that a report is stored as; `None` if the report has no id to recognize it by. An
    /// execution may be stored for any reason; other reports are known only as such.
    fn find(
        &mut self,
        execution: &Execution<'_>,
        reason: BreakReason,
    ) -> Result<Option<Break>, Error> {
        let stored = self.find_all(execution, reason)?.into_iter();
        let mut stored = stored.map(|stored| stored.reported);
        Ok(stored.find(|stored| stored.order_id == execution.order_id))
    }

    /// Returns the break that an action with an execution id is stored as, of whichever order: an order that was not
    /// known then, or another one that the report names too, may be found for it later.
    pub(super) fn find_action(
        &mut self,
        report: &Execution<'_>,
        reason: BreakReason,
    ) -> Result<Option<Break>, Error> {
        let (BreakReason::UnappliedAction, Some(id)) = (reason, report.execution_id) else {
            return Ok(None);
        };
        let query = Break::query()
            .filter(breaks::execution_id.eq(id))
            .filter(breaks::source.eq(report.source()))
            .filter(breaks::reason.eq(reason))
            .filter(breaks::timestamp.eq(report.timestamp.trunc_subsecs(MICROSECONDS)))
            .filter(breaks::quantity.eq(&report.quantity))
            .filter(breaks::price.eq(&report.price))
            .filter(breaks::trader_id.is_not_distinct_from(report.trader_id))
            .filter(breaks::client_order_id.is_not_distinct_from(report.client_order_id))
            .order((breaks::created_at, breaks::id))
            .into_boxed::<Pg>();
        let query = match report.client_order_id {
            Some(_) => query,
            None => query.filter(breaks::raw.is_not_distinct_from(report.raw)),
        };
        Ok(query.first(self.conn).optional()?)
    }

    /// Returns the resolved break that an execution is stored as: for its order, or for the trader and client
    /// order id that it names from before its order was known.
    pub(super) fn find_resolved(
        &mut self,
        execution: &Execution<'_>,
    ) -> Result<Option<BreakHistory>, Error> {
        // Any reason of an execution finds all of them.
        let stored = self.find_all(execution, BreakReason::Invalid)?.into_iter();
        let mut resolved = stored.filter(|stored| stored.resolution.is_some());
        Ok(resolved.next())
    }

    /// Returns the breaks that a report may be stored as, with their resolutions, those of its order first.
    ///
    /// The columns compared are those of `uq_breaks_execution`, and of `uq_breaks_order` for an order.
    /// The id is compared with `=`, so that an index is used: for `IS NOT DISTINCT FROM` PostgreSQL would
    /// read the whole table.
    fn find_all(
        &mut self,
        execution: &Execution<'_>,
        reason: BreakReason,
    ) -> Result<Vec<BreakHistory>, Error> {
        let mut query = breaks::table
            .left_join(break_resolutions::table)
            .filter(breaks::timestamp.eq(execution.timestamp.trunc_subsecs(MICROSECONDS)))
            .filter(breaks::quantity.eq(&execution.quantity))
            .filter(breaks::price.eq(&execution.price))
            .order((breaks::order_id.is_null(), breaks::created_at))
            .select((Break::as_select(), Option::<BreakResolution>::as_select()))
            .into_boxed::<Pg>();
        query = match reason.is_execution() {
            true => query.filter(breaks::reason.ne_all(BreakReason::NO_EXECUTION)),
            false => query.filter(breaks::reason.eq(reason)),
        };
        let Execution { trader_id, client_order_id, .. } = *execution;
        query = if reason == BreakReason::InvalidOrder {
            let Some(client_order_id) = client_order_id else { return Ok(Vec::new()) };
            query
                .filter(breaks::client_order_id.eq(client_order_id))
                .filter(breaks::trader_id.is_not_distinct_from(trader_id))
                .filter(breaks::venue.eq(execution.venue))
        } else {
            let Some(execution_id) = execution.execution_id else { return Ok(Vec::new()) };
            let query = query
                .filter(breaks::execution_id.eq(execution_id))
                .filter(breaks::source.eq(execution.source()))
                .filter(breaks::refers_to.is_not_distinct_from(execution.kind.refers_to()))
                .filter(breaks::is_bust.eq(execution.kind.is_bust()))
                .filter(breaks::commission.eq(&execution.commission))
                .filter(breaks::rebate.eq(&execution.rebate));
            // Trader and client order id stand for an order that is unknown.
            let of_unknown_order = breaks::order_id
                .is_null()
                .and(breaks::trader_id.is_not_distinct_from(trader_id))
                .and(breaks::client_order_id.is_not_distinct_from(client_order_id));
            match execution.order_id {
                Some(order_id) if execution.names_order_by_client() => {
                    query.filter(breaks::order_id.eq(order_id).or(of_unknown_order))
                }
                Some(order_id) => query.filter(breaks::order_id.eq(order_id)),
                None => query.filter(of_unknown_order),
            }
        };
        let rows: Vec<(Break, Option<BreakResolution>)> = query.load(self.conn)?;
        let rows = rows.into_iter();
        Ok(rows.map(|(reported, resolution)| BreakHistory { reported, resolution }).collect())
    }
}

/// Returns the id of a break whose report has no id of its own: a UUID made from its content, so that the same
/// report is the same break.
///
/// The raw message is part of it, since the fields alone may be those of two reports. The detail is not: it says
/// what the store held at the time.
pub(super) fn id_of_content(execution: &Execution<'_>, reason: BreakReason) -> Uuid {
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let id = |value: Option<Uuid>| value.map(|id| id.to_string()).unwrap_or_default();
    let content = [
        reason.label().to_owned(),
        id(execution.order_id),
        id(execution.trader_id),
        text(execution.client_order_id),
        execution.venue.to_owned(),
        execution.source().to_owned(),
        text(execution.execution_id),
        execution.timestamp.timestamp_micros().to_string(),
        execution.quantity.normalized().to_plain_string(),
        execution.price.normalized().to_plain_string(),
        text(execution.raw),
    ];
    // No text of a report has a NUL, so two contents never join to the same bytes.
    Uuid::new_v5(&BREAKS, content.join("\0").as_bytes())
}
