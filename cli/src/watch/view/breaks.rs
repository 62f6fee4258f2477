//! The pane of open breaks.

use bigdecimal::{BigDecimal, Zero};

use super::table::{Column, Context, ListPane, optional, plain};
use super::{orders, words};
use crate::watch::canvas::{Canvas, Look, Piece};
use crate::watch::model::{Model, Pane};
use crate::watch::rows::OpenBreak;

const COLUMNS: &[Column<OpenBreak>] = &[
    Column::left("recorded", 11, 0, |row, context| {
        plain(words::time(row.reported.created_at, context.now))
    }),
    Column::left("reason", 16, 0, |row, _| Piece::new(row.reported.reason.label(), Look::Alarm)),
    Column::left("kind", 10, 0, |row, _| plain(words::kind(&row.reported))),
    Column::right("quantity", 8, 0, |row, _| number(&row.reported.quantity)),
    Column::right("price", 10, 0, |row, _| number(&row.reported.price)),
    Column::left("symbol", 8, 1, |row, _| optional(row.order.as_ref().map(|order| &order.symbol))),
    Column::left("venue", 8, 2, |row, _| plain(&row.reported.venue)),
    Column::left("trader", 10, 3, |row, _| match row.reported.trader_id {
        Some(id) => orders::trader(row.trader.as_deref(), id),
        None => plain(""),
    }),
    Column::left("execution id", 16, 4, |row, _| optional(row.reported.execution_id.as_ref())),
    Column::left("order (client id)", 17, 0, |row, _| {
        let stored = row.order.as_ref().and_then(|order| order.client_order_id.as_ref());
        let id = row.reported.order_id.map(|id| id.to_string());
        let name = stored.or(row.reported.client_order_id.as_ref()).or(id.as_ref());
        plain(name.map_or("not named", String::as_str))
    }),
];

/// Shows a number of the report; nothing in place of the 0 of a report that states none.
fn number(number: &BigDecimal) -> Piece<'static> {
    match number.is_zero() {
        true => plain(""),
        false => plain(number.to_plain_string()),
    }
}

pub fn draw(canvas: &mut Canvas<'_>, model: &Model) {
    let pane = ListPane {
        name: "Open breaks · newest first",
        columns: COLUMNS,
        is_focused: model.focus == Pane::Breaks,
        context: Context { now: model.now },
        empty: "there are no open breaks",
    };
    pane.draw(canvas, model.layout().breaks, &model.breaks);
}
