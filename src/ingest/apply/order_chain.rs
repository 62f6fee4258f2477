//! Queries over an order chain that only ingest needs.

use chrono::{DateTime, SubsecRound, Utc};
use diesel::dsl::exists;
use diesel::prelude::*;
use uuid::Uuid;

use crate::database::role::Engine;
use crate::database::transaction::Tx;
use crate::error::Error;
use crate::schema::{execution_logs, fills, orders};
use crate::types::difference::MICROSECONDS;

/// Returns the last order of the chain that this order belongs to; the order itself if nothing has
/// replaced it.
pub(super) fn last_order(tx: &mut Tx<'_, Engine>, id: Uuid) -> Result<Uuid, Error> {
    let mut last = id;
    // The loop ends because an order can only replace one that was stored before it.
    while let Some(next) = orders::table
        .filter(orders::replaces.eq(last))
        .select(orders::id)
        .first(tx.conn())
        .optional()?
    {
        last = next;
    }
    Ok(last)
}

/// Returns whether the store has a fill or an entry of this order, or of one that it replaces, with a
/// venue timestamp after `time`; false without a time.
pub(super) fn has_event_after(
    tx: &mut Tx<'_, Engine>,
    id: Uuid,
    time: Option<DateTime<Utc>>,
) -> Result<bool, Error> {
    let Some(time) = time.map(|time| time.trunc_subsecs(MICROSECONDS)) else {
        return Ok(false);
    };
    let chain: Vec<Uuid> = tx.orders().load_chains(&[id])?.into_keys().collect();
    let fills =
        fills::table.filter(fills::order_id.eq_any(&chain)).filter(fills::timestamp.gt(time));
    let entries = execution_logs::table
        .filter(execution_logs::order_id.eq_any(&chain))
        .filter(execution_logs::reported_at.gt(time));
    let query = diesel::select(exists(fills).or(exists(entries)));
    Ok(query.get_result(tx.conn())?)
}
