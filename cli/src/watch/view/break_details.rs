//! The details of a break: what was reported, why it was not applied, the order that it names, and what to do.

use tradeblotter::BreakReason;

use super::{title, words};
use crate::watch::canvas::{self, Canvas, Look, Piece};
use crate::watch::model::{Acting, Model, Pane};
use crate::watch::rows::OpenBreak;

/// Cells of the labels at the left.
const LABELS: u16 = 11;

/// The most characters of a message that are shown.
const MAX_MESSAGE: usize = 4000;

struct Paragraph {
    label: &'static str,
    text: String,
    look: Look,
}

pub fn draw(canvas: &mut Canvas<'_>, model: &Model) {
    let area = model.layout().details;
    let is_focused = model.focus == Pane::Details;
    let Some(row) = model.breaks.selected() else {
        title::draw(canvas, area, "Break", is_focused, None);
        return canvas.line(title::below(area), 0, &[Piece::plain("  no break is selected")]);
    };
    title::draw(canvas, area, &format!("Break {}", row.reported.id), is_focused, None);
    let body = title::below(area);
    let lines = lines(row, model);
    let height = usize::from(body.height);
    let first = model.scroll.min(lines.len().saturating_sub(height));
    let is_cut = lines.len() > first + height;
    for ((label, text), row) in lines.into_iter().skip(first).zip(0..body.height) {
        let label = Piece::faint(format!("  {label:<width$}", width = usize::from(LABELS)));
        canvas.line(body, row, &[label, text]);
    }
    if is_cut {
        let more = if is_focused { " ▼ more below " } else { " ▼ Enter shows all " };
        canvas.line_right(area, 0, &Piece::faint(more));
    }
}

/// Returns the first line from which on the last one is on the screen.
pub fn last_scroll(model: &Model) -> usize {
    let lines = model.breaks.selected().map_or(0, |row| lines(row, model).len());
    lines.saturating_sub(usize::from(title::below(model.layout().details).height))
}

/// Returns the lines of the details, each with the label before it.
fn lines(row: &OpenBreak, model: &Model) -> Vec<(&'static str, Piece<'static>)> {
    let room = model.layout().details.width.saturating_sub(LABELS + 2);
    let mut lines = Vec::new();
    for Paragraph { label, text, look } in paragraphs(row, model) {
        for (place, line) in canvas::wrap(&text, room).into_iter().enumerate() {
            lines.push((if place == 0 { label } else { "" }, Piece::new(line, look)));
        }
    }
    lines
}

fn paragraphs(row: &OpenBreak, model: &Model) -> Vec<Paragraph> {
    let reported = &row.reported;
    let reason = reported.reason;
    let paragraph = |label, text: String| Paragraph { label, text, look: Look::Plain };
    let (since, by) = (words::full_time(reported.created_at), &reported.acted_by);
    let age = words::age(reported.created_at, model.now);
    let order = order(row);
    let mut paragraphs = vec![
        paragraph("wants", words::report(reported)),
        Paragraph {
            label: "why",
            text: format!("{reason}: {}", words::why(reason)),
            look: Look::Alarm,
        },
        paragraph("", reported.detail.clone()),
        paragraph("order", order),
        paragraph("next", next(reason, model.acting)),
        paragraph("open since", format!("{since}, {age} ago, recorded by {by}")),
    ];
    if let Some(message) = &reported.raw {
        let message: String = message.chars().take(MAX_MESSAGE).collect();
        // The separator of FIX, as people write it.
        paragraphs.push(paragraph("message", message.replace('\u{1}', " | ")));
    }
    paragraphs
}

/// Returns the order that a break names, in words.
fn order(row: &OpenBreak) -> String {
    let reported = &row.reported;
    let trader = match (&row.trader, reported.trader_id) {
        (Some(name), _) => format!(" of {name}"),
        (None, Some(id)) => format!(" of trader {id}"),
        (None, None) => String::new(),
    };
    let client = |id: &Option<String>| {
        id.as_ref().map(|id| format!(", client order id {id}")).unwrap_or_default()
    };
    match (&row.order, reported.order_id) {
        (Some(order), _) => format!(
            "{}{trader}: {}, {} of {} filled{}, id {}",
            words::order(order),
            order.status,
            order.filled_quantity,
            order.quantity,
            client(&order.client_order_id),
            order.id
        ),
        (None, Some(id)) => {
            format!("{id}{trader}{}: it is not stored", client(&reported.client_order_id))
        }
        (None, None) => match &reported.client_order_id {
            Some(id) => format!("client order id {id}{trader}: no such order is stored"),
            None => format!("the report names no order{trader}"),
        },
    }
}

/// Returns what to do, with the keys that this role has for it.
fn next(reason: BreakReason, acting: Acting) -> String {
    let advice = words::advice(reason);
    let keys = match (acting, reason.is_execution()) {
        (Acting::Engine, true) => "b books it, d dismisses it",
        (Acting::Engine, false) => "it holds no execution, so it cannot be booked; d dismisses it",
        (Acting::Trader | Acting::Compliance, _) => "only a session of the engine resolves it",
    };
    format!("{advice} ({keys})")
}
