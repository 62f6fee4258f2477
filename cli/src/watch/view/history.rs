//! The details of an order: its terms, its totals by venue, and its entries.

use ratatui::layout::Rect;
use tradeblotter::{Action, Order};

use super::table::{Column, Context, Table, plain};
use super::{title, words};
use crate::watch::canvas::{Canvas, Look, Piece};
use crate::watch::model::{Model, Pane};
use crate::watch::rows::{Entry, History, VenueTotals};

const COLUMNS: &[Column<Entry>] = &[
    Column {
        heading: "time",
        width: 11,
        is_right: false,
        rank: 0,
        cell: |row, context| plain(words::time(row.log.timestamp, context.now)),
    },
    Column {
        heading: "action",
        width: 9,
        is_right: false,
        rank: 0,
        cell: |row, _| plain(row.log.action),
    },
    Column {
        heading: "status",
        width: 9,
        is_right: false,
        rank: 0,
        cell: |row, _| match row.log.status {
            Some(status) => Piece::new(status.label(), Look::Status(status)),
            None => plain(""),
        },
    },
    Column {
        heading: "what",
        width: 30,
        is_right: false,
        rank: 0,
        cell: |row, _| plain(what(row)),
    },
];

/// Returns what an entry says beyond its action: the fill, the reason, codes and ids.
fn what(Entry { log, fill, is_amended }: &Entry) -> String {
    let mut parts = Vec::new();
    if let Some(fill) = fill {
        let kind = match (fill.is_bust, fill.amends) {
            (true, _) => "bust of ",
            (false, Some(_)) => "corrected to ",
            (false, None) => "",
        };
        let id = fill.execution_id.as_ref().map(|id| format!(" {id}")).unwrap_or_default();
        let (quantity, price, venue) = (fill.quantity_filled, fill.price_at_fill, &fill.venue);
        parts.push(format!("{kind}{quantity} @ {price} {venue}{id}"));
        if *is_amended {
            parts.push("amended later, does not count".to_owned());
        }
    }
    let venue_order_id = log.venue_order_id.as_ref().map(|id| format!("venue order id {id}"));
    parts.extend(venue_order_id);
    parts.extend(log.reason.clone());
    parts.extend(log.error_code.as_ref().map(|code| format!("error code {code}")));
    parts.extend(log.retry_attempt.map(|attempt| format!("retry {attempt}")));
    if log.action != Action::Submitted && log.action != Action::Filled {
        parts.push(format!("by {} as {}", log.acted_by, log.acted_as));
    }
    parts.join(" · ")
}

pub fn draw(canvas: &mut Canvas<'_>, model: &Model) {
    let layout = model.layout();
    let area = layout.details;
    let is_focused = model.focus == Pane::Details;
    let Some(order) = model.selected_order() else {
        title::draw(canvas, area, "Order", is_focused, None);
        return canvas.line(title::below(area), 0, &[Piece::plain("  no order is selected")]);
    };
    let ends = model.entries.page.as_ref().map(title::Ends::of);
    title::draw(canvas, area, &format!("Order {}", words::order(order)), is_focused, ends);
    let history = model.history.as_ref().filter(|history| history.order.id == order.id);
    draw_terms(canvas, area, order, history.and_then(|history| history.trader.as_deref()));
    let Some(history) = history else {
        return canvas.line(area, layout.entries_head(), &[Piece::plain("  reading…")]);
    };
    draw_totals(canvas, area, history, layout.totals);
    let head = layout.entries_head();
    let body = Rect { y: area.y + head, height: area.height.saturating_sub(head), ..area };
    let table = Table {
        columns: COLUMNS,
        rows: model.entries.rows(),
        selected: model.entries.selected_place().filter(|_| is_focused),
        is_focused,
        context: Context { now: model.now },
    };
    table.draw(canvas, body);
}

/// Draws two lines: how far the order is and whose it is, and its ids.
fn draw_terms(canvas: &mut Canvas<'_>, area: Rect, order: &Order, trader: Option<&str>) {
    let status = Piece::new(order.status.label(), Look::Status(order.status));
    let mut rest = format!(" {} of {} filled", order.filled_quantity, order.quantity);
    if let Some(average) = &order.average_fill_price {
        rest += &format!(" at {average}");
    }
    let trader = trader.map_or_else(|| format!("trader {}", order.trader_id), str::to_owned);
    rest += &format!(" · {trader}");
    let more = [
        ("account", order.account.clone()),
        ("stop limit", order.limit_price.map(|price| price.to_string())),
        ("in force", order.time_in_force.map(|it| it.to_string())),
        ("expires", order.expires_at.map(words::full_time)),
    ];
    for (label, value) in more {
        rest += &value.map(|value| format!(" · {label} {value}")).unwrap_or_default();
    }
    canvas.line(area, 1, &[Piece::plain("  "), status, Piece::plain(rest)]);
    let client = order.client_order_id.as_ref();
    let client = client.map(|id| format!("client order id {id} · ")).unwrap_or_default();
    let replaces = order.replaces.map(|id| format!(" · replaces {id}")).unwrap_or_default();
    let ids = format!("  {client}id {}{replaces}", order.id);
    canvas.line(area, 2, &[Piece::faint(ids)]);
}

/// Draws the totals by venue, on one line or one line each.
fn draw_totals(canvas: &mut Canvas<'_>, area: Rect, history: &History, lines: u16) {
    let totals = &history.totals;
    if totals.is_empty() {
        return canvas.line(area, 3, &[Piece::plain("  no fills that count")]);
    }
    if usize::from(lines) >= totals.len() {
        for (venue, line) in totals.iter().zip(3..) {
            canvas.line(area, line, &[Piece::plain(format!("  {}", of_venue(venue)))]);
        }
        return;
    }
    let mut shown: Vec<String> = totals.iter().map(of_venue).collect();
    let last = usize::from(lines) - 1;
    // What has no line of its own shares the last one.
    let rest = shown.split_off(last).join(" · ");
    for (text, line) in shown.iter().chain([&rest]).zip(3..) {
        canvas.line(area, line, &[Piece::plain(format!("  {text}"))]);
    }
}

fn of_venue(totals: &VenueTotals) -> String {
    let VenueTotals { venue, fills, quantity, average_price, commission } = totals;
    let fills = words::counted(fills.unsigned_abs(), "fill", "fills");
    let commission = commission.to_plain_string();
    let average = words::average(average_price);
    format!("{venue}: {quantity} at {average} in {fills}, commission {commission}")
}
