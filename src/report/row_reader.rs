//! Reading of the rows of a report, one page of log entries at a time.

use std::collections::HashMap;
use std::ops::Bound;

use diesel::prelude::*;
use uuid::Uuid;

use super::notation::with_cents;
use super::row::ReportRow;
use super::running_totals::{OrderState, order_states};
use crate::audit::{PublicKey, Seal};
use crate::database::role::Compliance;
use crate::database::transaction::Tx;
use crate::error::Error;
use crate::execution_logs::ExecutionLog;
use crate::fills::Fill;
use crate::orders::Order;
use crate::schema::{breaks, fills, orders, seals, traders};
use crate::types::enums::BreakReason;
use crate::types::filter::Filter;

/// Log entries that are read at a time.
const PAGE: u16 = 500;

/// The rows that the log entries of one page refer to.
struct References {
    orders: HashMap<Uuid, Order>,
    names: HashMap<Uuid, String>,
    fills: HashMap<Uuid, Fill>,
    breaks: HashMap<Uuid, BreakReason>,
    seals: Vec<Seal>,
    states: HashMap<i64, OrderState>,
}

/// Calls `each` with the row of every matching log entry, in the order of the log.
///
/// Run it in a [`safe_snapshot`](crate::Session::safe_snapshot), so that all rows are of one state of the
/// database while others write. Memory does not grow with the log. An entry whose order does not exist is
/// skipped, which a foreign key rules out.
///
/// # Errors
///
/// - [`Error::is_unproven`]: a seal is not signed, or not with one of `public_keys` unless there is none, so what it
///   covers cannot be called sealed.
/// - Those of the connection, and those of `each`.
pub fn for_each_row<E: From<Error>>(
    tx: &mut Tx<'_, Compliance>,
    filter: &Filter<'_>,
    public_keys: &[PublicKey],
    mut each: impl FnMut(ReportRow) -> Result<(), E>,
) -> Result<(), E> {
    let mut after = None;
    loop {
        let entries = tx.execution_logs().page_after(filter, after, PAGE)?;
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return Ok(()) };
        let (first, last) = (first.sequence, last.sequence);
        after = Some(last);
        let mut references = References::load(tx, &entries, public_keys, first, last)?;
        for entry in entries {
            if let Some(row) = references.row_of(entry) {
                each(row)?;
            }
        }
    }
}

impl References {
    fn load(
        tx: &mut Tx<'_, Compliance>,
        entries: &[ExecutionLog],
        public_keys: &[PublicKey],
        first: i64,
        last: i64,
    ) -> Result<Self, Error> {
        let conn = tx.conn();
        let mut order_ids: Vec<Uuid> = entries.iter().map(|entry| entry.order_id).collect();
        order_ids.sort_unstable();
        order_ids.dedup();
        let found: Vec<Order> = Order::query().filter(orders::id.eq_any(&order_ids)).load(conn)?;
        let trader_ids: Vec<Uuid> = found.iter().map(|order| order.trader_id).collect();
        let names: Vec<(Uuid, String)> = traders::table
            .filter(traders::id.eq_any(trader_ids))
            .select((traders::id, traders::name))
            .load(conn)?;
        let fill_ids: Vec<Uuid> = entries.iter().filter_map(|entry| entry.fill_id).collect();
        let mut recorded: Vec<Fill> =
            Fill::query().filter(fills::id.eq_any(fill_ids)).load(conn)?;
        let amended: Vec<Uuid> = recorded.iter().filter_map(|fill| fill.amends).collect();
        recorded.extend(Fill::query().filter(fills::id.eq_any(amended)).load::<Fill>(conn)?);
        let break_ids: Vec<Uuid> = entries.iter().filter_map(|entry| entry.break_id).collect();
        let reasons: Vec<(Uuid, BreakReason)> = breaks::table
            .filter(breaks::id.eq_any(break_ids))
            .select((breaks::id, breaks::reason))
            .load(conn)?;
        let span = vec![(Bound::Included(first), Bound::Included(last))];
        let seals: Vec<Seal> =
            Seal::query().filter(seals::covered.overlaps_with(span)).order(seals::id).load(conn)?;
        // An auditor without the key may insert a row that only looks like a seal.
        let is_trusted = |key: &PublicKey| public_keys.is_empty() || public_keys.contains(key);
        for seal in &seals {
            let why = if !seal.is_signed() {
                "has a signature that does not match its content"
            } else if !is_trusted(&seal.public_key) {
                "is signed with a key that is not one of the given keys"
            } else {
                continue;
            };
            return Err(seal.refused(&format!("{why}, so no report is written")));
        }
        let is_on_page =
            |number: i64| entries.binary_search_by_key(&number, |it| it.sequence).is_ok();
        Ok(Self {
            states: order_states(conn, &order_ids, last, is_on_page)?,
            orders: found.into_iter().map(|order| (order.id, order)).collect(),
            names: names.into_iter().collect(),
            fills: recorded.into_iter().map(|fill| (fill.id, fill)).collect(),
            breaks: reasons.into_iter().collect(),
            seals,
        })
    }

    /// Makes the row of an entry; none if its order does not exist.
    fn row_of(&mut self, entry: ExecutionLog) -> Option<ReportRow> {
        let order = self.orders.get(&entry.order_id)?;
        let state = self.states.remove(&entry.sequence)?;
        let fill = entry.fill_id.and_then(|id| self.fills.get(&id));
        let amended = fill.and_then(|fill| self.fills.get(&fill.amends?));
        let seal = self.seals.iter().find(|seal| seal.covered.contains(entry.sequence));
        let (average_price, average_is_exact) = state.after.average_price().unzip();
        Some(ReportRow {
            sequence: entry.sequence,
            entry_id: entry.id,
            seal_id: seal.map(|seal| seal.id),
            order_id: order.id,
            client_order_id: order.client_order_id.clone(),
            trading_day: order.trading_day,
            venue_order_id: state.venue_order_id,
            replaces: order.replaces,
            root_id: order.root_id,
            trader_id: order.trader_id,
            trader_name: self.names.get(&order.trader_id).cloned().unwrap_or_default(),
            account: order.account.clone(),
            symbol: order.symbol.clone(),
            side: order.side,
            order_type: order.order_type,
            time_in_force: order.time_in_force,
            quantity: order.quantity,
            price: order.price,
            limit_price: order.limit_price,
            stop_loss: order.stop_loss,
            take_profit: order.take_profit,
            currency: order.currency.clone(),
            received_at: order.received_at,
            expires_at: order.expires_at,
            instructions: order.instructions.clone(),
            action: entry.action,
            status_before: state.status_before,
            status_after: entry.status,
            event_time: entry.reported_at.or(fill.map(|fill| fill.timestamp)),
            record_time: entry.timestamp,
            acted_by: entry.acted_by,
            acted_as: entry.acted_as,
            reason: entry.reason,
            error_code: entry.error_code,
            retry_attempt: entry.retry_attempt,
            report_id: entry.report_id,
            fill_id: entry.fill_id,
            fill_quantity: fill.map(|fill| fill.quantity_filled),
            fill_price: fill.map(|fill| fill.price_at_fill),
            fill_venue: fill.map(|fill| fill.venue.clone()),
            fill_source: fill.map(|fill| fill.source.clone()),
            fill_commission: fill.map(|fill| fill.commission),
            fill_rebate: fill.map(|fill| fill.rebate),
            execution_id: fill.and_then(|fill| fill.execution_id.clone()),
            amends: fill.and_then(|fill| fill.amends),
            amended_execution_id: amended.and_then(|fill| fill.execution_id.clone()),
            is_bust: fill.map(|fill| fill.is_bust),
            break_id: entry.break_id,
            break_reason: entry.break_id.and_then(|id| self.breaks.get(&id).copied()),
            cumulative_quantity: state.after.shares,
            cumulative_notional: with_cents(&state.after.notional),
            cumulative_commission: with_cents(&state.after.commission),
            cumulative_rebate: with_cents(&state.after.rebate),
            average_price: average_price.as_ref().map(with_cents),
            average_is_exact,
            change: state.after.minus(&state.before),
        })
    }
}
