//! The pane of orders.

use uuid::Uuid;

use super::table::{Column, Context, ListPane, optional, plain};
use super::words;
use crate::watch::canvas::{Canvas, Look, Piece};
use crate::watch::model::{Model, Pane};
use crate::watch::rows::ListedOrder;

type OrderColumn = Column<ListedOrder>;

const COLUMNS: &[OrderColumn] = &[
    Column::left("submitted", 11, 0, |row, context| {
        plain(words::time(row.order.created_at, context.now))
    }),
    Column::left("trader", 10, 1, |row, _| trader(row.trader.as_deref(), row.order.trader_id)),
    Column::left("symbol", 8, 0, |row, _| plain(&row.order.symbol)),
    Column::left("side", 6, 0, |row, _| plain(words::side(row.order.side))),
    Column::left("type", 6, 3, |row, _| plain(row.order.order_type)),
    Column::right("quantity", 8, 0, |row, _| plain(row.order.quantity)),
    Column::right("price", 10, 0, |row, _| optional(row.order.price)),
    Column::right("filled", 8, 0, |row, _| plain(row.order.filled_quantity)),
    Column::right("average", 10, 2, |row, _| optional(row.order.average_fill_price)),
    Column::left("status", 9, 0, |row, _| {
        Piece::new(row.order.status.label(), Look::Status(row.order.status))
    }),
    Column::left("changed", 11, 4, |row, context| {
        plain(words::time(row.order.updated_at, context.now))
    }),
    Column::left("client order id", 20, 5, |row, _| optional(row.order.client_order_id.as_ref())),
    Column::left("account", 10, 6, |row, _| optional(row.order.account.as_ref())),
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
    let mut name = vec!["Orders".to_owned(), model.sort.label().to_owned()];
    name.extend(model.filter.words());
    let empty = match model.filter.words().is_empty() {
        true => "there are no orders",
        false => "no order matches the filter; / changes it",
    };
    let pane = ListPane {
        name: &name.join(" · "),
        columns: COLUMNS,
        is_focused: model.focus == Pane::Orders,
        context: Context { now: model.now },
        empty,
    };
    pane.draw(canvas, area, list);
}
