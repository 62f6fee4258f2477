//! Queries over an order chain that only ingest needs.

use std::collections::{HashMap, HashSet};

use bigdecimal::BigDecimal;
use chrono::{DateTime, SubsecRound, Utc};
use diesel::dsl::exists;
use diesel::prelude::*;
use uuid::Uuid;

use crate::database::role::Engine;
use crate::database::transaction::Tx;
use crate::error::Error;
use crate::fills::Fill;
use crate::schema::{execution_logs, fills, orders};
use crate::types::difference::MICROSECONDS;

/// Returns the ids of the orders of a chain.
pub(super) fn orders_of(tx: &mut Tx<'_, Engine>, root: Uuid) -> Result<Vec<Uuid>, Error> {
    let replacements = orders::root_id.eq(root).and(orders::replaces.is_not_null());
    let mut ids: Vec<Uuid> =
        orders::table.filter(replacements).select(orders::id).load(tx.conn())?;
    ids.push(root);
    Ok(ids)
}

/// Returns the orders of these chains that were replaced by one without a client order id of its own, each with that
/// replacement. The chains are named by their first orders.
pub(super) fn replacements_without_id(
    tx: &mut Tx<'_, Engine>,
    roots: &[Uuid],
) -> Result<HashMap<Uuid, Uuid>, Error> {
    let replacements: Vec<(Uuid, Uuid)> = orders::table
        .filter(orders::root_id.eq_any(roots))
        .filter(orders::replaces.is_not_null())
        .filter(orders::client_order_id.is_null())
        .select((orders::replaces.assume_not_null(), orders::id))
        .load(tx.conn())?;
    Ok(replacements.into_iter().collect())
}

/// Returns the shares that are filled of a chain.
pub(super) fn chain_filled(tx: &mut Tx<'_, Engine>, root: Uuid) -> Result<BigDecimal, Error> {
    let ids = orders_of(tx, root)?;
    let filled: Vec<i32> = orders::table
        .filter(orders::id.eq_any(ids))
        .select(orders::filled_quantity)
        .load(tx.conn())?;
    Ok(filled.into_iter().map(BigDecimal::from).sum())
}

/// Returns the shares of a chain that a report of this time may have counted: those that are filled, and those that
/// amendments have taken back after it; all that they have taken back, without a time.
pub(super) fn chain_filled_until(
    tx: &mut Tx<'_, Engine>,
    root: Uuid,
    time: Option<DateTime<Utc>>,
) -> Result<BigDecimal, Error> {
    let amended = diesel::alias!(fills as amended);
    let mut amendments = fills::table
        .inner_join(amended.on(fills::amends.eq(amended.field(fills::id).nullable())))
        .filter(fills::root_id.eq(root))
        .select((amended.field(fills::quantity_filled), fills::quantity_filled, fills::is_bust))
        .into_boxed();
    if let Some(time) = time {
        amendments = amendments.filter(fills::timestamp.gt(time.trunc_subsecs(MICROSECONDS)));
    }
    let amendments: Vec<(i32, i32, bool)> = amendments.load(tx.conn())?;
    let taken = amendments.into_iter().map(|(before, after, is_bust)| {
        let after = if is_bust { 0 } else { after };
        BigDecimal::from((before - after).max(0))
    });
    Ok(chain_filled(tx, root)? + taken.sum::<BigDecimal>())
}

/// Returns the fills with an execution id of the chain that this order is of.
pub(super) fn fills_of_execution(
    tx: &mut Tx<'_, Engine>,
    order_id: Uuid,
    execution_id: &str,
) -> Result<Vec<Fill>, Error> {
    let root = orders::table.find(order_id).select(orders::root_id).first(tx.conn())?;
    let ids = orders_of(tx, root)?;
    let of_execution = fills::order_id.eq_any(ids).and(fills::execution_id.eq(execution_id));
    Ok(Fill::query().filter(of_execution).load(tx.conn())?)
}

/// Returns whether the store has a fill or an entry of a chain with a venue timestamp after `time`; false without
/// a time.
pub(super) fn has_event_after(
    tx: &mut Tx<'_, Engine>,
    root: Uuid,
    time: Option<DateTime<Utc>>,
) -> Result<bool, Error> {
    let Some(time) = time.map(|time| time.trunc_subsecs(MICROSECONDS)) else {
        return Ok(false);
    };
    let chain = orders_of(tx, root)?;
    let fills =
        fills::table.filter(fills::order_id.eq_any(&chain)).filter(fills::timestamp.gt(time));
    let entries = execution_logs::table
        .filter(execution_logs::order_id.eq_any(&chain))
        .filter(execution_logs::reported_at.gt(time));
    let query = diesel::select(exists(fills).or(exists(entries)));
    Ok(query.get_result(tx.conn())?)
}

/// Returns whether the store has a fill of a chain at this time with another execution id than these; false without a
/// time.
pub(super) fn has_other_fill_at(
    tx: &mut Tx<'_, Engine>,
    root: Uuid,
    time: Option<DateTime<Utc>>,
    execution_ids: &HashSet<String>,
) -> Result<bool, Error> {
    let Some(time) = time.map(|time| time.trunc_subsecs(MICROSECONDS)) else {
        return Ok(false);
    };
    let chain = orders_of(tx, root)?;
    let others = fills::table
        .filter(fills::order_id.eq_any(&chain))
        .filter(fills::timestamp.eq(time))
        .filter(fills::execution_id.ne_all(execution_ids));
    Ok(diesel::select(exists(others)).get_result(tx.conn())?)
}
