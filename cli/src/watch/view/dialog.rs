//! The windows in front of the panes.

use ratatui::layout::{Position, Rect};
use tradeblotter::Order;

use super::words;
use crate::watch::canvas::{self, Canvas, Look, Piece};
use crate::watch::model::dialog::{Dialog, ResolveForm};
use crate::watch::model::input::{Field, Form, Value};
use crate::watch::model::{Acting, Model};

/// The widest window, in cells.
const MAX_WIDTH: u16 = 76;

/// Cells of the labels of fields.
const LABELS: u16 = 9;

/// Lines of a window, each with how it looks.
type Lines = Vec<Piece<'static>>;

/// Draws the window, and returns where the cursor is.
pub fn draw(canvas: &mut Canvas<'_>, model: &Model, screen: Rect) -> Option<Position> {
    let width = MAX_WIDTH.min(screen.width.saturating_sub(2));
    match model.dialog.as_ref()? {
        Dialog::Help => draw_text(canvas, screen, width, "Keys", help(model.acting)),
        Dialog::Message { title, text } => {
            let lines = canvas::wrap(text, width - 4).into_iter().map(Piece::plain).collect();
            draw_text(canvas, screen, width, title, lines)
        }
        Dialog::Cancel(order) => {
            let lines = question(order, width - 4);
            draw_text(canvas, screen, width, "Cancel this order?", lines)
        }
        Dialog::Filter(form) => {
            let before = Vec::new();
            draw_form(canvas, screen, width, "Filter the orders", before, form)
        }
        Dialog::Resolve(resolve) => {
            let ResolveForm { of, is_booking, form } = resolve;
            let title = match is_booking {
                true => "Book this break as a fill, bust or correction of an order",
                false => "Dismiss this break: its report stays unapplied",
            };
            let mut text = canvas::wrap(&words::report(&of.reported), width - 4);
            text.push(String::new());
            text.push("A resolution is final. Its reason is kept in the log.".to_owned());
            text.push(String::new());
            let before = text.into_iter().map(Piece::plain).collect();
            draw_form(canvas, screen, width, title, before, form)
        }
    }
}

fn place(screen: Rect, width: u16, lines: usize) -> Rect {
    let height = u16::try_from(lines + 2).unwrap_or(u16::MAX).min(screen.height);
    let (x, y) = ((screen.width - width) / 2, (screen.height - height) / 2);
    Rect { x: screen.x + x, y: screen.y + y, width, height }
}

fn within(area: Rect) -> Rect {
    let (width, height) = (area.width.saturating_sub(4), area.height.saturating_sub(2));
    Rect { x: area.x + 2, y: area.y + 1, width, height }
}

fn draw_text(
    canvas: &mut Canvas<'_>,
    screen: Rect,
    width: u16,
    title: &str,
    lines: Lines,
) -> Option<Position> {
    let area = place(screen, width, lines.len());
    canvas.frame(area, title);
    for (line, row) in lines.into_iter().zip(0..) {
        canvas.line(within(area), row, &[line]);
    }
    None
}

fn draw_form(
    canvas: &mut Canvas<'_>,
    screen: Rect,
    width: u16,
    title: &str,
    before: Lines,
    form: &Form,
) -> Option<Position> {
    let problem = form.problem.as_deref().unwrap_or_default();
    let problem = canvas::wrap(problem, width - 4);
    let lines = before.len() + form.fields.len() + 1 + problem.len();
    let area = place(screen, width, lines);
    canvas.frame(area, title);
    let body = within(area);
    let mut row = 0;
    for line in before {
        canvas.line(body, row, &[line]);
        row += 1;
    }
    let mut cursor = None;
    for (place, field) in form.fields.iter().enumerate() {
        let is_focused = place == form.focus;
        let at = draw_field(canvas, body, row, field, is_focused);
        cursor = cursor.or(at.filter(|_| is_focused));
        row += 1;
    }
    for line in problem {
        row += 1;
        canvas.line(body, row, &[Piece::new(line, Look::Alarm)]);
    }
    cursor
}

/// Draws a field on one line, and returns where its cursor is.
fn draw_field(
    canvas: &mut Canvas<'_>,
    body: Rect,
    row: u16,
    field: &Field,
    is_focused: bool,
) -> Option<Position> {
    let mark = if is_focused { "▸" } else { " " };
    let width = usize::from(LABELS);
    let label = Piece::strong(format!("{mark} {:<width$}", field.label));
    canvas.line(body, row, &[label]);
    let x = body.x + LABELS + 2;
    let room = body.right().saturating_sub(x);
    let y = body.y + row;
    match &field.value {
        Value::Choice { options, chosen } => {
            let chosen = options.get(*chosen).copied().unwrap_or_default();
            let text = format!("◂ {chosen} ▸  (arrows choose)");
            canvas.write(x, y, room, &Piece::plain(text));
            None
        }
        Value::Text(input) => {
            // The end of a long text, so that the cursor is in sight.
            let before = input.before_cursor();
            let hidden = canvas::width(&before).saturating_sub(room.saturating_sub(1));
            let text = canvas::without_beginning(&input.text(), hidden);
            canvas.write(x, y, room, &Piece::plain(text));
            let column = canvas::width(&before).saturating_sub(hidden).min(room);
            Some(Position { x: x + column, y })
        }
    }
}

fn question(order: &Order, width: u16) -> Lines {
    let open = order.quantity - order.filled_quantity;
    let filled = order.filled_quantity;
    let text = [
        words::order(order),
        format!("{filled} shares are filled and stay filled; {open} shares are open."),
        String::new(),
        "The store records the cancel, which ends the order. At its venue the order must be cancelled \
         by whoever routes it."
            .to_owned(),
        String::new(),
        "y cancels the order, n leaves it.".to_owned(),
    ];
    let lines = text.iter().flat_map(|line| canvas::wrap(line, width));
    lines.map(Piece::plain).collect()
}

fn help(acting: Acting) -> Lines {
    let mut lines: Vec<(&str, &str)> = vec![
        ("↑ ↓, j k", "select a row"),
        ("PgUp PgDn, space", "the page before, the page after"),
        ("g G, Home End", "the first row, the last row"),
        ("Tab, ← →", "the next pane, the pane before"),
        ("Enter", "details of the selected order or break on the whole screen"),
        ("Esc", "back"),
        ("/", "filter the orders by status, symbol and trader"),
        ("s", "sort the orders: newest, last change or oldest first"),
    ];
    if acting.may_cancel() {
        lines.push(("c", "cancel the selected order, after a question"));
    }
    if acting.may_resolve() {
        lines.push(("b", "book the selected break to an order"));
        lines.push(("d", "dismiss the selected break"));
    }
    lines.push(("q, Ctrl-C", "quit"));
    let keys = lines.into_iter().map(|(keys, meaning)| format!("{keys:<18}{meaning}"));
    let notes = [
        "",
        "A list follows its first row while that is selected. With another row",
        "selected it stays where it is, and its title says what is above.",
        "Times are UTC. A break is a report that could not be applied.",
    ];
    keys.chain(notes.map(str::to_owned)).map(Piece::plain).collect()
}
