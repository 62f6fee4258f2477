//! What follows from a write: the order's status and totals, and its row in the log.
//!
//! Everything here happens in the transaction of the write itself and under a lock on the order,
//! so two fills that race for the last shares are served one after the other. What is dated is dated
//! under that lock: by the time at which its transaction began, the one served last could look first.

use diesel::dsl::sum;
use diesel::prelude::*;
use uuid::Uuid;

use crate::enums::{Action, OrderStatus};
use crate::error::Error;
use crate::execution_logs::{ExecutionLog, NewExecutionLog};
use crate::fills::NewFill;
use crate::orders::Order;
use crate::price::Price;
use crate::schema::{execution_logs, fills, orders};
use crate::system::clock_timestamp;

/// Locks an order until the transaction ends.
fn lock(conn: &mut PgConnection, order_id: Uuid) -> Result<Order, Error> {
    Order::query()
        .find(order_id)
        .for_no_key_update()
        .first(conn)
        .optional()?
        .ok_or_else(|| Error::not_found("order", order_id))
}

/// Locks an order, and refuses one that no longer changes.
fn lock_open(conn: &mut PgConnection, order_id: Uuid, action: Action) -> Result<Order, Error> {
    let order = lock(conn, order_id)?;
    if order.status.is_open() {
        Ok(order)
    } else {
        Err(Error::transition(order_id, order.status, action))
    }
}

/// Locks the order and refuses a fill that it can't take.
pub(crate) fn before_fill(conn: &mut PgConnection, fill: &NewFill<'_>) -> Result<Order, Error> {
    let order = lock_open(conn, fill.order_id, Action::Filled)?;
    let room = order.quantity - order.filled_quantity;
    if fill.quantity_filled > room {
        let (order, quantity, filled) = (order.id, order.quantity, order.filled_quantity);
        return Err(Error::over_fill(order, quantity, filled, fill.quantity_filled));
    }
    Ok(order)
}

/// Derives the order's totals and status from all of its fills, and logs FILLED.
pub(crate) fn after_fill(conn: &mut PgConnection, order: &Order) -> Result<(), Error> {
    let parts: Vec<(Price, i64)> = fills::table
        .filter(fills::order_id.eq(order.id))
        .group_by(fills::price_at_fill)
        .select((fills::price_at_fill, sum(fills::quantity_filled).assume_not_null()))
        .load(conn)?;
    let filled: i64 = parts.iter().map(|(_, shares)| shares).sum();
    // Too many for the column can only be too many for the order: its CHECK refuses them.
    let filled = i32::try_from(filled).unwrap_or(i32::MAX);
    let status = if filled == order.quantity { OrderStatus::Filled } else { OrderStatus::Partial };
    diesel::update(orders::table.find(order.id))
        .set((
            orders::filled_quantity.eq(filled),
            orders::average_fill_price.eq(Price::average(&parts)),
            orders::status.eq(status),
            orders::updated_at.eq(clock_timestamp()),
        ))
        .execute(conn)
        .map_err(|error| Error::from(error).about("order", order.id))?;
    log(conn, order, status, &NewExecutionLog::new(order.id, Action::Filled))?;
    Ok(())
}

/// Logs that the order was taken into the book.
pub(crate) fn after_submit(conn: &mut PgConnection, order: &Order) -> Result<(), Error> {
    log(conn, order, order.status, &NewExecutionLog::new(order.id, Action::Submitted))?;
    Ok(())
}

/// Logs an action and moves the order to the status that it leads to.
pub(crate) fn act(
    conn: &mut PgConnection,
    entry: &NewExecutionLog<'_>,
) -> Result<ExecutionLog, Error> {
    let order = match entry.action {
        Action::Recovered => lock(conn, entry.order_id)?,
        action => lock_open(conn, entry.order_id, action)?,
    };
    let status = match entry.action {
        Action::Rejected => OrderStatus::Rejected,
        Action::Cancelled => OrderStatus::Cancelled,
        _ => order.status,
    };
    if status != order.status {
        diesel::update(orders::table.find(order.id))
            .set((orders::status.eq(status), orders::updated_at.eq(clock_timestamp())))
            .execute(conn)
            .map_err(|error| Error::from(error).about("order", order.id))?;
    }
    log(conn, &order, status, entry)
}

fn log(
    conn: &mut PgConnection,
    order: &Order,
    status: OrderStatus,
    entry: &NewExecutionLog<'_>,
) -> Result<ExecutionLog, Error> {
    diesel::insert_into(execution_logs::table)
        .values((
            execution_logs::id.eq(Uuid::now_v7()),
            execution_logs::trader_id.eq(order.trader_id),
            execution_logs::status.eq(status),
            execution_logs::timestamp.eq(clock_timestamp()),
            entry,
        ))
        .returning(ExecutionLog::as_returning())
        .get_result(conn)
        .map_err(|error| Error::from(error).about("log of order", order.id))
}
