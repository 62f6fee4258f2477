//! Reads the open breaks by their numbers, with the orders that they name.

use std::collections::HashMap;

use diesel::pg::Pg;
use diesel::prelude::*;
use tradeblotter::role::Reader;
use tradeblotter::schema::{break_resolutions, breaks, orders};
use tradeblotter::{Break, Error, Order, Tx};
use uuid::Uuid;

use super::orders::limit;
use crate::watch::page::{self, Direction, Page, Slice, Window};
use crate::watch::rows::OpenBreak;

/// Returns a page of the open breaks, the newest first. The names of their traders are still to be filled in.
pub fn read(tx: &mut Tx<'_, Reader>, window: Window) -> Result<Page<OpenBreak>, Error> {
    let Page { rows, has_before, has_after } =
        page::read(window, Direction::Descending, |slice| open(tx, slice))?;
    let named: Vec<Uuid> =
        rows.iter().filter_map(|(_, reported): &(i64, Break)| reported.order_id).collect();
    let named: Vec<Order> =
        Order::query().filter(orders::id.eq_any(&named)).load(tx.connection())?;
    let named: HashMap<Uuid, Order> = named.into_iter().map(|order| (order.id, order)).collect();
    let rows = rows.into_iter().map(|(number, reported)| OpenBreak {
        number,
        order: reported.order_id.and_then(|id| named.get(&id).cloned()),
        trader: None,
        reported,
    });
    Ok(Page { rows: rows.collect(), has_before, has_after })
}

fn open(tx: &mut Tx<'_, Reader>, slice: Slice) -> Result<Vec<(i64, Break)>, Error> {
    let mut query = breaks::table
        .left_join(break_resolutions::table)
        .filter(break_resolutions::id.is_null())
        .select((breaks::sequence, Break::as_select()))
        .into_boxed::<Pg>();
    if let Some(least) = slice.bounds.least {
        query = query.filter(breaks::sequence.ge(least));
    }
    if let Some(most) = slice.bounds.most {
        query = query.filter(breaks::sequence.le(most));
    }
    query = match slice.direction {
        Direction::Descending => query.order(breaks::sequence.desc()),
        Direction::Ascending => query.order(breaks::sequence.asc()),
    };
    Ok(query.limit(limit(slice)).load(tx.connection())?)
}
