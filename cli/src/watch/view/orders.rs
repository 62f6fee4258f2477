//! The pane of orders.

use uuid::Uuid;

use super::table::{Column, Context, Table, optional, plain};
use super::{title, words};
use crate::watch::canvas::{Canvas, Look, Piece};
use crate::watch::model::{Model, Pane};
use crate::watch::rows::ListedOrder;

type OrderColumn = Column<ListedOrder>;

const fn left(
    heading: &'static str,
    width: u16,
    rank: u8,
    cell: fn(&ListedOrder, &Context) -> Piece<'static>,
) -> OrderColumn {
    Column { heading, width, is_right: false, rank, cell }
}

const fn right(
    heading: &'static str,
    width: u16,
    rank: u8,
    cell: fn(&ListedOrder, &Context) -> Piece<'static>,
) -> OrderColumn {
    Column { is_right: true, ..left(heading, width, rank, cell) }
}

const COLUMNS: &[OrderColumn] = &[
    left("submitted", 11, 0, |row, context| plain(words::time(row.order.created_at, context.now))),
    left("trader", 10, 1, |row, _| trader(row.trader.as_deref(), row.order.trader_id)),
    left("symbol", 8, 0, |row, _| plain(&row.order.symbol)),
    left("side", 6, 0, |row, _| plain(words::side(row.order.side))),
    left("type", 6, 3, |row, _| plain(row.order.order_type)),
    right("quantity", 8, 0, |row, _| plain(row.order.quantity)),
    right("price", 10, 0, |row, _| optional(row.order.price)),
    right("filled", 8, 0, |row, _| plain(row.order.filled_quantity)),
    right("average", 10, 2, |row, _| optional(row.order.average_fill_price)),
    left("status", 9, 0, |row, _| {
        Piece::new(row.order.status.label(), Look::Status(row.order.status))
    }),
    left("changed", 11, 4, |row, context| plain(words::time(row.order.updated_at, context.now))),
    left("client order id", 20, 5, |row, _| optional(row.order.client_order_id.as_ref())),
    left("account", 10, 6, |row, _| optional(row.order.account.as_ref())),
];

/// Returns the name of a trader, or the end of the id of one without a name.
pub fn trader(name: Option<&str>, id: Uuid) -> Piece<'static> {
    match name {
        Some(name) => plain(name),
        None => {
            let id = id.to_string();
            plain(format!("…{}", &id[id.len() - 6..]))
        }
    }
}

pub fn draw(canvas: &mut Canvas<'_>, model: &Model) {
    let area = model.layout().orders;
    let list = &model.orders;
    let is_focused = model.focus == Pane::Orders;
    let mut name = vec!["Orders".to_owned(), model.sort.label().to_owned()];
    name.extend(model.filter.words());
    title::draw(
        canvas,
        area,
        &name.join(" · "),
        is_focused,
        list.page.as_ref().map(title::Ends::of),
    );
    let body = title::below(area);
    if list.rows().is_empty() {
        let text = match &list.page {
            None => "reading…",
            Some(_) if model.filter.words().is_empty() => "there are no orders",
            Some(_) => "no order matches the filter; / changes it",
        };
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
