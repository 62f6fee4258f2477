//! The pane of open breaks.

use bigdecimal::{BigDecimal, Zero};

use super::table::{Column, Context, Table, optional, plain};
use super::{orders, title, words};
use crate::watch::canvas::{Canvas, Look, Piece};
use crate::watch::model::{Model, Pane};
use crate::watch::rows::OpenBreak;

const fn left(
    heading: &'static str,
    width: u16,
    rank: u8,
    cell: fn(&OpenBreak, &Context) -> Piece<'static>,
) -> Column<OpenBreak> {
    Column { heading, width, is_right: false, rank, cell }
}

const fn right(
    heading: &'static str,
    width: u16,
    rank: u8,
    cell: fn(&OpenBreak, &Context) -> Piece<'static>,
) -> Column<OpenBreak> {
    Column { is_right: true, ..left(heading, width, rank, cell) }
}

const COLUMNS: &[Column<OpenBreak>] = &[
    left("recorded", 11, 0, |row, context| {
        plain(words::time(row.reported.created_at, context.now))
    }),
    left("reason", 16, 0, |row, _| Piece::new(row.reported.reason.label(), Look::Alarm)),
    left("kind", 10, 0, |row, _| plain(words::kind(&row.reported))),
    right("quantity", 8, 0, |row, _| number(&row.reported.quantity)),
    right("price", 10, 0, |row, _| number(&row.reported.price)),
    left("symbol", 8, 1, |row, _| optional(row.order.as_ref().map(|order| &order.symbol))),
    left("venue", 8, 2, |row, _| plain(&row.reported.venue)),
    left("trader", 10, 3, |row, _| match row.reported.trader_id {
        Some(id) => orders::trader(row.trader.as_deref(), id),
        None => plain(""),
    }),
    left("execution id", 16, 4, |row, _| optional(row.reported.execution_id.as_ref())),
    left("order (client id)", 17, 0, |row, _| {
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
    let area = model.layout().breaks;
    let list = &model.breaks;
    let is_focused = model.focus == Pane::Breaks;
    let ends = list.page.as_ref().map(title::Ends::of);
    title::draw(canvas, area, "Open breaks · newest first", is_focused, ends);
    let body = title::below(area);
    if list.rows().is_empty() {
        let text = if list.page.is_none() { "reading…" } else { "there are no open breaks" };
        return canvas.line(body, 1, &[Piece::plain("  "), Piece::plain(text)]);
    }
    let table = Table {
        columns: COLUMNS,
        rows: list.rows(),
        selected: list.selected_place(),
        is_focused,
        context: Context { now: model.now },
    };
    table.draw(canvas, body);
}
