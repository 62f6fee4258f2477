//! Draws the state of the screen. Nothing is drawn that is not in the model.

mod break_details;
mod breaks;
mod dialog;
mod footer;
mod history;
mod orders;
mod status;
mod table;
mod title;
mod words;

use ratatui::Frame;

pub use self::break_details::last_scroll;

use super::canvas::{Canvas, Piece};
use super::layout;
use super::model::{Model, Pane};

/// Draws one frame.
pub fn draw(frame: &mut Frame<'_>, model: &Model, has_colours: bool) {
    let screen = frame.area();
    let mut canvas = Canvas::new(frame.buffer_mut(), has_colours);
    if !layout::fits(model.size) {
        let (size, least) = (model.size, layout::LEAST);
        let text = [
            format!("This terminal is too small: {} x {}.", size.width, size.height),
            format!("At least {} x {} are needed.", least.width, least.height),
            "Enlarge it, or press q to quit.".to_owned(),
        ];
        for (line, row) in text.into_iter().zip(0..) {
            canvas.line(screen, row, &[Piece::plain(line)]);
        }
        return;
    }
    status::draw(&mut canvas, model);
    if !model.is_zoomed {
        orders::draw(&mut canvas, model);
        breaks::draw(&mut canvas, model);
    }
    match model.subject {
        Pane::Breaks => break_details::draw(&mut canvas, model),
        Pane::Orders | Pane::Details => history::draw(&mut canvas, model),
    }
    footer::draw(&mut canvas, model);
    let cursor = dialog::draw(&mut canvas, model, screen);
    if let Some(cursor) = cursor {
        frame.set_cursor_position(cursor);
    }
}
