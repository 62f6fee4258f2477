//! What the store has already of what a batch is about.

use std::collections::{HashMap, HashSet};

use diesel::prelude::*;
use uuid::Uuid;

use crate::database::role::Engine;
use crate::database::transaction::Tx;
use crate::error::Error;
use crate::ingest::apply::known_orders::KnownOrders;
use crate::ingest::apply::plan::{KnownBreak, Waiting};
use crate::ingest::apply::step::{Report, is_id};
use crate::ingest::event::Kind;
use crate::schema::{break_resolutions, breaks, execution_logs};

/// Returns the stored breaks that events of an export are about.
pub(super) fn known_breaks(
    tx: &mut Tx<'_, Engine>,
    reports: &[&Report<'_>],
) -> Result<HashMap<Uuid, KnownBreak>, Error> {
    let about_breaks = reports.iter().filter(|report| report.event.kind.is_about_break());
    let ids: Vec<Uuid> = about_breaks
        .filter_map(|report| match report.event.kind {
            Kind::Break => report.event.id,
            _ => report.event.break_id,
        })
        .collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let known: Vec<(Uuid, Option<Uuid>, Option<Uuid>)> = breaks::table
        .left_join(break_resolutions::table)
        .filter(breaks::id.eq_any(ids))
        .select((breaks::id, breaks::order_id, break_resolutions::id.nullable()))
        .load(tx.conn())?;
    let known = known.into_iter().map(|(id, order_id, resolution)| {
        (id, KnownBreak { order_id, is_resolved: resolution.is_some() })
    });
    Ok(known.collect())
}

/// Returns what the open breaks wait for that these reports may bring: orders, and changes of known ones.
pub(super) fn waiting(
    tx: &mut Tx<'_, Engine>,
    reports: &[&Report<'_>],
    known_orders: &KnownOrders,
) -> Result<Waiting, Error> {
    let mut waiting = Waiting::default();
    if reports.iter().any(|report| report.event.kind.is_execution()) {
        let stored = known_orders.stored_ids();
        for (order_id, amended) in tx.breaks().awaited_changes(&stored)? {
            let Some(order) = known_orders.get(order_id) else { continue };
            match amended {
                Some(id) => drop(waiting.fills.insert((order.root, id))),
                None => drop(waiting.actions.insert(order.root)),
            }
        }
    }
    let mut unknown: HashMap<Uuid, HashSet<&str>> = HashMap::new();
    for Report { event, trader, .. } in reports {
        let ids = [&event.client_order_id, &event.original_client_order_id];
        for id in ids.into_iter().flatten().map(AsRef::as_ref) {
            if let Ok(trader) = trader
                && known_orders.with_client_id(*trader, Some(id)).next().is_none()
                && is_id(id)
            {
                unknown.entry(*trader).or_default().insert(id);
            }
        }
    }
    for (trader, ids) in unknown {
        let ids: Vec<&str> = ids.into_iter().collect();
        let awaited = tx.breaks().awaited_orders(trader, &ids)?;
        waiting.orders.extend(awaited.into_iter().map(|id| (trader, id)));
    }
    Ok(waiting)
}

/// Returns the report ids under which the log has actions of the orders of these reports.
pub(super) fn known_reports(
    tx: &mut Tx<'_, Engine>,
    reports: &[&Report<'_>],
    known_orders: &KnownOrders,
) -> Result<HashSet<Uuid>, Error> {
    let mut actions = reports.iter().filter(|report| !report.event.kind.is_execution()).peekable();
    if actions.peek().is_none() {
        return Ok(HashSet::new());
    }
    let ids: Vec<Uuid> = actions.filter_map(|report| report.event.id).collect();
    let stored_orders = known_orders.stored_ids();
    // All of each order: to look for the ids of the reports among them costs the server more than to send the others.
    let logged: Vec<Uuid> = execution_logs::table
        .filter(execution_logs::order_id.eq_any(&stored_orders))
        .filter(execution_logs::report_id.is_not_null())
        .select(execution_logs::report_id.assume_not_null())
        .load(tx.conn())?;
    let mut known: HashSet<Uuid> = logged.into_iter().collect();
    if !ids.is_empty() {
        // An export of this store itself names its own entries, by their ids.
        let own: Vec<(Uuid, Uuid)> = execution_logs::table
            .filter(execution_logs::id.eq_any(&ids))
            .select((execution_logs::order_id, execution_logs::id))
            .load(tx.conn())?;
        let own = own.into_iter().filter(|(order_id, _)| known_orders.get(*order_id).is_some());
        known.extend(own.map(|(_, id)| id));
    }
    Ok(known)
}
