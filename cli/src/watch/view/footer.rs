//! The last line: the keys of what has the focus, or what became of the last act.

use crate::watch::canvas::{Canvas, Piece};
use crate::watch::model::dialog::Dialog;
use crate::watch::model::{Model, Pane};

pub fn draw(canvas: &mut Canvas<'_>, model: &Model) {
    let area = model.layout().footer;
    if model.is_busy {
        return canvas.line(area, 0, &[Piece::strong(" writing to the database…")]);
    }
    if let Some(notice) = &model.notice {
        return canvas.line(area, 0, &[Piece::strong(format!(" {notice}"))]);
    }
    let mut pieces = Vec::new();
    for (key, meaning) in keys(model) {
        pieces.push(Piece::strong(key));
        pieces.push(Piece::plain(format!(" {meaning}  ")));
    }
    canvas.line(area, 0, &pieces);
}

/// Returns the keys that do something now, the most needed first.
fn keys(model: &Model) -> Vec<(&'static str, &'static str)> {
    match &model.dialog {
        Some(Dialog::Help | Dialog::Message { .. }) => return vec![("Enter", "close")],
        Some(Dialog::Cancel(_)) => return vec![("y", "cancel the order"), ("n", "leave it")],
        Some(Dialog::Filter(_)) => {
            return vec![
                ("Enter", "apply"),
                ("Tab", "next field"),
                ("Ctrl-U", "clear field"),
                ("Esc", "leave as it was"),
            ];
        }
        Some(Dialog::Resolve(_)) => {
            return vec![
                ("Enter", "next field, accept"),
                ("Tab", "next field"),
                ("Ctrl-U", "clear field"),
                ("Esc", "leave it open"),
            ];
        }
        None => {}
    }
    let mut keys = vec![("↑↓", "select")];
    if model.is_zoomed {
        keys.push(("Esc", "back"));
    } else {
        keys.push(("Enter", "details"));
        keys.push(match model.focus {
            Pane::Orders => ("Tab", "breaks"),
            Pane::Breaks => ("Tab", "details"),
            Pane::Details => ("Tab", "orders"),
        });
    }
    if model.offers_cancel() {
        keys.push(("c", "cancel"));
    }
    if model.offers_book() {
        keys.push(("b", "book"));
    }
    if model.offers_dismiss() {
        keys.push(("d", "dismiss"));
    }
    if model.focus == Pane::Orders {
        keys.push(("/", "filter"));
    }
    keys.push(("?", "help"));
    keys.push(("q", "quit"));
    // The one that there may be no room for.
    if model.focus == Pane::Orders {
        keys.push(("s", "sort"));
    }
    keys
}
