//! Rows in columns: as many columns as there is room for.

use ratatui::layout::Rect;

use super::title;
use crate::watch::canvas::{Canvas, Look, Piece, width};
use crate::watch::model::list::List;
use crate::watch::page::Row;

/// The mark before the selected row, which a screen without reversed text shows too.
const MARK: &str = "▸";

/// Cells before the first column, for the mark.
const MARGIN: u16 = 2;

/// Cells between two columns.
const GAP: u16 = 1;

/// A column of a table of rows of type `R`.
pub struct Column<R> {
    pub heading: &'static str,
    pub width: u16,
    /// Whether the text is aligned to the right, as numbers are.
    pub is_right: bool,
    /// Columns of the lowest rank are shown first; the others where there is room for them.
    pub rank: u8,
    pub cell: fn(&R, &Context) -> Piece<'static>,
}

impl<R> Column<R> {
    /// A column of text.
    pub const fn left(
        heading: &'static str,
        width: u16,
        rank: u8,
        cell: fn(&R, &Context) -> Piece<'static>,
    ) -> Self {
        Self { heading, width, is_right: false, rank, cell }
    }

    /// A column of numbers.
    pub const fn right(
        heading: &'static str,
        width: u16,
        rank: u8,
        cell: fn(&R, &Context) -> Piece<'static>,
    ) -> Self {
        Self { is_right: true, ..Self::left(heading, width, rank, cell) }
    }
}

/// What cells need to know besides their row.
pub struct Context {
    pub now: chrono::DateTime<chrono::Utc>,
}

/// What a table shows.
pub struct Table<'t, R> {
    pub columns: &'t [Column<R>],
    pub rows: &'t [R],
    pub selected: Option<usize>,
    pub is_focused: bool,
    pub context: Context,
}

impl<R> Table<'_, R> {
    /// Draws the headings and the rows under each other. The last column takes the room that is left.
    pub fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let columns = self.choose(area.width);
        let last = columns.len().saturating_sub(1);
        let mut x = area.x + MARGIN;
        for (place, column) in columns.into_iter().enumerate() {
            let left = area.right().saturating_sub(x);
            let width =
                if place == last && !column.is_right { left } else { column.width.min(left) };
            let heading = Piece::faint(column.heading);
            write_cell(canvas, Rect { x, width, height: 1, ..area }, &heading, column.is_right);
            for (row, line) in self.rows.iter().zip(1..area.height) {
                let at = Rect { x, y: area.y + line, width, height: 1 };
                write_cell(canvas, at, &(column.cell)(row, &self.context), column.is_right);
            }
            x += width + GAP;
        }
        if let Some(line) = self.selected.and_then(|place| u16::try_from(place + 1).ok()) {
            canvas.line(area, line, &[Piece::strong(MARK)]);
            canvas.select(area, line, self.is_focused);
        }
    }

    /// Returns the columns for which there is room, in their sequence.
    fn choose(&self, room: u16) -> Vec<&Column<R>> {
        let mut ranks: Vec<u8> = self.columns.iter().map(|column| column.rank).collect();
        ranks.sort_unstable();
        ranks.dedup();
        let up_to = |rank: u8| -> Vec<&Column<R>> {
            self.columns.iter().filter(|column| column.rank <= rank).collect()
        };
        let fits = |rank: &u8| {
            let taken: u16 = up_to(*rank).iter().map(|column| column.width + GAP).sum();
            MARGIN + taken <= room + GAP
        };
        let rank = ranks.iter().take_while(|rank| fits(rank)).last().or(ranks.first());
        rank.map_or_else(Vec::new, |rank| up_to(*rank))
    }
}

/// A pane that shows a page of a list.
pub struct ListPane<'t, R> {
    pub name: &'t str,
    pub columns: &'t [Column<R>],
    pub is_focused: bool,
    pub context: Context,
    /// What is shown in the place of the rows if there are none.
    pub empty: &'static str,
}

impl<R: Row + Clone> ListPane<'_, R> {
    /// Draws the title, and below it the rows.
    pub fn draw(self, canvas: &mut Canvas<'_>, area: Rect, list: &List<R>) {
        let Self { name, columns, is_focused, context, empty } = self;
        title::draw(canvas, area, name, is_focused, list.page.as_ref().map(title::Ends::of));
        let body = title::below(area);
        if list.rows().is_empty() {
            let text = if list.page.is_none() { "reading…" } else { empty };
            return canvas.line(body, 1, &[Piece::plain("  "), Piece::plain(text)]);
        }
        let (rows, selected) = (list.rows(), list.selected_place());
        Table { columns, rows, selected, is_focused, context }.draw(canvas, body);
    }
}

fn write_cell(canvas: &mut Canvas<'_>, at: Rect, piece: &Piece<'_>, is_right: bool) {
    let taken = width(&piece.text).min(at.width);
    let x = if is_right { at.right() - taken } else { at.x };
    canvas.write(x, at.y, at.right() - x, piece);
}

/// Returns a cell of plain text.
pub fn plain(text: impl ToString) -> Piece<'static> {
    Piece::new(text.to_string(), Look::Plain)
}

/// Returns a cell of plain text; an empty one for nothing.
pub fn optional(text: Option<impl ToString>) -> Piece<'static> {
    text.map_or_else(|| Piece::plain(""), plain)
}
