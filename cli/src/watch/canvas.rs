//! The one way from text to the screen.
//!
//! Every character that is drawn passes through [`Canvas::write`], which makes it
//! [visible](crate::terminal::visible()): nothing of the data changes the terminal or hides on it.

use std::borrow::Cow;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Span;
use tradeblotter::OrderStatus;

use crate::terminal::visible;

/// What stands in for the rest of a text that does not fit.
const ELLIPSIS: &str = "…";

/// What a piece of text means, which decides how it looks. Whatever a colour says, the words say too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    Plain,
    /// Labels and rules, less important than what they are about.
    Faint,
    /// Names of panes and keys.
    Strong,
    /// Something is wrong: a break, a lost connection.
    Alarm,
    /// The status of an order.
    Status(OrderStatus),
}

impl Look {
    fn style(self, has_colours: bool) -> Style {
        let style = match self {
            Self::Faint => return Style::new().add_modifier(Modifier::DIM),
            Self::Strong => return Style::new().add_modifier(Modifier::BOLD),
            Self::Alarm => Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
            Self::Status(OrderStatus::Pending) => Style::new().fg(Color::Cyan),
            Self::Status(OrderStatus::Partial) => Style::new().fg(Color::Yellow),
            Self::Status(OrderStatus::Filled) => Style::new().fg(Color::Green),
            Self::Status(OrderStatus::Rejected) => Style::new().fg(Color::Red),
            Self::Status(OrderStatus::Cancelled) => Style::new().fg(Color::DarkGray),
            Self::Plain => Style::new(),
        };
        match has_colours {
            true => style,
            false => Style { fg: None, ..style },
        }
    }
}

/// A piece of a line: text with what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece<'t> {
    pub text: Cow<'t, str>,
    pub look: Look,
}

impl<'t> Piece<'t> {
    pub fn new(text: impl Into<Cow<'t, str>>, look: Look) -> Self {
        Self { text: text.into(), look }
    }

    pub fn plain(text: impl Into<Cow<'t, str>>) -> Self {
        Self::new(text, Look::Plain)
    }

    pub fn faint(text: impl Into<Cow<'t, str>>) -> Self {
        Self::new(text, Look::Faint)
    }

    pub fn strong(text: impl Into<Cow<'t, str>>) -> Self {
        Self::new(text, Look::Strong)
    }
}

/// Returns how many cells of the screen a text takes, with its invisible characters escaped.
pub fn width(text: &str) -> u16 {
    cells(&visible(text))
}

fn cells(shown: &str) -> u16 {
    u16::try_from(Span::raw(shown).width()).unwrap_or(u16::MAX)
}

/// Breaks a text into lines of at most this width: between words, or within a word that is longer. Line breaks of
/// the text are escapes, as in every text of the data.
pub fn wrap(text: &str, width: u16) -> Vec<String> {
    let width = width.max(1);
    let shown = visible(text);
    let mut lines = vec![String::new()];
    for word in shown.split(' ') {
        let mut word = word;
        while let Some(line) = lines.last_mut() {
            let gap = u16::from(!line.is_empty());
            if cells(line).saturating_add(gap).saturating_add(cells(word)) <= width {
                line.push_str(&" ".repeat(gap.into()));
                line.push_str(word);
                break;
            }
            if !line.is_empty() {
                lines.push(String::new());
                continue;
            }
            let head = prefix(word, width);
            // A character that is wider than the line goes on it all the same.
            let head = if head.is_empty() { word.len() } else { head.len() };
            line.push_str(&word[..head]);
            word = &word[head..];
            if word.is_empty() {
                break;
            }
            lines.push(String::new());
        }
    }
    lines
}

/// Returns as much of the beginning of a text as fits.
fn prefix(shown: &str, width: u16) -> &str {
    if cells(shown) <= width {
        return shown;
    }
    let ends = shown.char_indices().map(|(end, _)| end);
    let fitting = ends.take_while(|end| cells(&shown[..*end]) <= width).last();
    &shown[..fitting.unwrap_or(0)]
}

/// Returns a text, made visible, without at least as many cells of its beginning.
pub fn without_beginning(text: &str, hidden: u16) -> String {
    let shown = visible(text);
    let mut places = shown.char_indices().map(|(place, _)| place);
    let begin = places.find(|place| cells(&shown[..*place]) >= hidden).unwrap_or(shown.len());
    shown[begin..].to_owned()
}

/// Returns the text if it fits, otherwise its beginning and an ellipsis.
fn fit(shown: &str, width: u16) -> Cow<'_, str> {
    if cells(shown) <= width {
        return Cow::Borrowed(shown);
    }
    Cow::Owned(format!("{}{ELLIPSIS}", prefix(shown, width.saturating_sub(1))))
}

/// The screen, to be drawn on.
pub struct Canvas<'b> {
    buffer: &'b mut Buffer,
    has_colours: bool,
}

impl<'b> Canvas<'b> {
    pub fn new(buffer: &'b mut Buffer, has_colours: bool) -> Self {
        Self { buffer, has_colours }
    }

    /// Writes text on one line, cut to the width, and returns how many cells it took.
    pub fn write(&mut self, x: u16, y: u16, width: u16, piece: &Piece<'_>) -> u16 {
        let area = self.buffer.area;
        if width == 0 || !area.contains((x, y).into()) {
            return 0;
        }
        let width = width.min(area.right() - x);
        let shown = visible(&piece.text);
        let style = piece.look.style(self.has_colours);
        let shown = fit(&shown, width);
        // Nothing is left of what was drawn there before, nor of how it looked.
        let cells = Rect { x, y, width: cells(&shown), height: 1 };
        self.buffer.set_style(cells, Style::reset());
        let (end, _) = self.buffer.set_stringn(x, y, &shown, width.into(), style);
        end - x
    }

    /// Writes pieces one after the other on one line of an area, cut to its width.
    pub fn line(&mut self, area: Rect, row: u16, pieces: &[Piece<'_>]) {
        if row >= area.height {
            return;
        }
        let mut x = area.x;
        for piece in pieces {
            x += self.write(x, area.y + row, area.right().saturating_sub(x), piece);
        }
    }

    /// Writes text at the right end of one line of an area.
    pub fn line_right(&mut self, area: Rect, row: u16, piece: &Piece<'_>) {
        let width = width(&piece.text).min(area.width);
        if row < area.height {
            self.write(area.right() - width, area.y + row, width, piece);
        }
    }

    /// Draws a horizontal rule on one line of an area.
    pub fn rule(&mut self, area: Rect, row: u16) {
        let rule = "─".repeat(area.width.into());
        self.line(area, row, &[Piece::faint(rule)]);
    }

    /// Draws a frame around an area, and blanks what is within it.
    pub fn frame(&mut self, area: Rect, title: &str) {
        let (inner, blank) = (usize::from(area.width.saturating_sub(2)), " ");
        for row in 0..area.height {
            let line = match row {
                0 => format!("┌{}┐", "─".repeat(inner)),
                last if last + 1 == area.height => format!("└{}┘", "─".repeat(inner)),
                _ => format!("│{}│", blank.repeat(inner)),
            };
            self.line(area, row, &[Piece::plain(line)]);
        }
        let title = Piece::strong(format!(" {title} "));
        self.write(area.x + 2, area.y, area.width.saturating_sub(4), &title);
    }

    /// Shows one line of an area as selected: reversed, which needs no colour.
    pub fn select(&mut self, area: Rect, row: u16, is_focused: bool) {
        if row >= area.height {
            return;
        }
        let line = Rect { y: area.y + row, height: 1, ..area };
        let style = match is_focused {
            true => Style::new().add_modifier(Modifier::REVERSED).remove_modifier(Modifier::DIM),
            false => Style::new().add_modifier(Modifier::UNDERLINED),
        };
        self.buffer.set_style(line, style);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// What is on one line after this was written on it.
    fn written(width: u16, text: &str) -> String {
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, 1));
        Canvas::new(&mut buffer, true).write(0, 0, width, &Piece::plain(text));
        buffer.content().iter().map(|cell| cell.symbol()).collect()
    }

    #[test]
    fn text_of_the_data_is_drawn_with_escapes_for_what_a_terminal_obeys_or_hides() {
        assert_eq!(written(30, "A\u{1b}[2J\nB\u{202e}").trim_end(), r"A\u{1b}[2J\nB\u{202e}");
        assert_eq!(written(8, "A\u{1b}[2J"), r"A\u{1b}…");
    }

    #[test]
    fn text_that_does_not_fit_ends_with_an_ellipsis_and_wide_characters_count_twice() {
        assert_eq!(written(5, "AAPL"), "AAPL ");
        assert_eq!(written(4, "AAPL"), "AAPL");
        assert_eq!(written(3, "AAPL"), "AA…");
        assert_eq!(prefix("東京都", 5), "東京");
        assert_eq!(fit("東京都", 5), "東京…");
        assert_eq!(fit("e\u{301}a", 2), "e\u{301}a");
    }

    #[test]
    fn wrapped_text_has_every_word_in_its_sequence_and_no_line_is_too_long() {
        let text = "the fills of the order would exceed its quantity\n, and-a-word-that-is-longer-than-a-line";
        for limit in 1..60 {
            let lines = wrap(text, limit);
            assert!(lines.iter().all(|line| width(line) <= limit), "{limit}: {lines:?}");
            let joined: String = lines.concat().replace(' ', "");
            assert_eq!(joined, visible(text).replace(' ', ""), "{limit}");
        }
        assert_eq!(wrap("a bc", 80), ["a bc"]);
    }

    #[test]
    fn what_is_drawn_over_leaves_nothing_of_its_looks() {
        let area = Rect::new(0, 0, 8, 1);
        let mut buffer = Buffer::empty(area);
        let mut canvas = Canvas::new(&mut buffer, true);
        canvas.line(area, 0, &[Piece::new("REJECTED", Look::Alarm)]);
        canvas.select(area, 0, true);
        canvas.line(area, 0, &[Piece::plain("REJECTED")]);
        let mut plain = Buffer::empty(area);
        Canvas::new(&mut plain, true).line(area, 0, &[Piece::plain("REJECTED")]);
        assert_eq!(buffer, plain);
    }

    #[test]
    fn without_colours_nothing_has_a_colour() {
        let looks = OrderStatus::ALL.iter().map(|status| Look::Status(*status));
        for look in looks.chain([Look::Plain, Look::Faint, Look::Strong, Look::Alarm]) {
            assert_eq!(look.style(false).fg, None, "{look:?}");
            assert_eq!(look.style(false).bg, None, "{look:?}");
        }
    }
}
