//! The title of a pane: a rule with its name and whether there are rows before and after the page.

use ratatui::layout::Rect;

use crate::watch::canvas::{Canvas, Look, Piece};
use crate::watch::page::Page;

/// Whether there are rows beyond the page.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    has_before: bool,
    has_after: bool,
}

impl Ends {
    pub fn of<R>(page: &Page<R>) -> Self {
        Self { has_before: page.has_before, has_after: page.has_after }
    }

    fn label(self) -> &'static str {
        match (self.has_before, self.has_after) {
            (true, true) => " ▲ more above · ▼ more below ",
            (true, false) => " ▲ more above ",
            (false, true) => " ▼ more below ",
            (false, false) => "",
        }
    }
}

/// Draws the title of a pane on its first line. The focused pane has a mark, which needs no colour.
pub fn draw(canvas: &mut Canvas<'_>, area: Rect, name: &str, is_focused: bool, ends: Option<Ends>) {
    canvas.rule(area, 0);
    let (mark, look) = if is_focused { ("■ ", Look::Strong) } else { ("", Look::Plain) };
    let ends = ends.map_or("", Ends::label);
    canvas.line_right(area, 0, &Piece::faint(ends));
    let room = area.width.saturating_sub(crate::watch::canvas::width(ends) + 2);
    let name = Piece::new(format!(" {mark}{name} "), look);
    canvas.write(area.x + 1, area.y, room, &name);
}

/// Returns the part of a pane below its title.
pub fn below(area: Rect) -> Rect {
    Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area }
}
