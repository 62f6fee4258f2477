//! The picture of the screen in the README, drawn from the cells of the screen. To write it again:
//! `UPDATE_EXPECT=1 cargo test --locked -p tradeblotter-cli picture`.

use std::fmt::Write;

use expect_test::expect_file;
use ratatui::buffer::{Buffer, Cell};
use ratatui::crossterm::event::KeyCode;
use ratatui::style::{Color, Modifier};

use super::fixtures::{draw, model, press};
use crate::watch::model::Acting;

/// The size of a cell and of the margin, in pixels.
const WIDTH: f64 = 8.4;
const HEIGHT: f64 = 17.0;
const MARGIN: f64 = 10.0;

/// From the top of a cell to the line that its letters stand on.
const BASELINE: f64 = 13.0;

const BACKGROUND: &str = "#16181d";
const FOREGROUND: &str = "#d8dbe2";
const FAINT: &str = "#858b98";

/// How a cell looks: the colours of its text and behind it, and whether it is bold.
#[derive(Clone, Copy, PartialEq)]
struct Look {
    text: &'static str,
    behind: &'static str,
    is_bold: bool,
}

fn look(cell: &Cell) -> Look {
    let is_faint = cell.modifier.contains(Modifier::DIM);
    let text = match cell.fg {
        Color::Red => "#ff6b6b",
        Color::Green => "#7bd88f",
        Color::Yellow => "#e8c45a",
        Color::Cyan => "#62c6da",
        Color::DarkGray => FAINT,
        _ if is_faint => FAINT,
        _ => FOREGROUND,
    };
    let is_bold = cell.modifier.contains(Modifier::BOLD);
    match cell.modifier.contains(Modifier::REVERSED) {
        true => Look { text: BACKGROUND, behind: text, is_bold },
        false => Look { text, behind: BACKGROUND, is_bold },
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Draws the cells as text, one element for neighbours that look the same.
fn svg(buffer: &Buffer) -> String {
    let columns = usize::from(buffer.area.width);
    let width = columns as f64 * WIDTH + 2.0 * MARGIN;
    let height = f64::from(buffer.area.height) * HEIGHT + 2.0 * MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         width=\"{width:.0}\" height=\"{height:.0}\" font-size=\"14\" \
         font-family=\"ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace\">\n\
         <title>blotter watch: orders, open breaks and the details of the selected break</title>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"{BACKGROUND}\"/>\n"
    );
    for (row, cells) in buffer.content().chunks(columns).enumerate() {
        let top = MARGIN + row as f64 * HEIGHT;
        let mut begin = 0;
        while begin < columns {
            let shown = look(&cells[begin]);
            let run = cells[begin..].iter().take_while(|cell| look(cell) == shown).count();
            let text: String = cells[begin..begin + run].iter().map(Cell::symbol).collect();
            let (x, length) = (MARGIN + begin as f64 * WIDTH, run as f64 * WIDTH);
            let Look { text: colour, behind, is_bold } = shown;
            if behind != BACKGROUND {
                writeln!(
                    svg,
                    "<rect x=\"{x:.1}\" y=\"{top:.1}\" width=\"{length:.1}\" height=\"{HEIGHT:.1}\" \
                     fill=\"{behind}\"/>"
                )
                .unwrap();
            }
            // Each word at its place, whatever the width of the letters.
            let mut column = begin;
            for word in text.split(' ') {
                let cells = word.chars().count();
                if cells > 0 {
                    let (x, y) = (MARGIN + column as f64 * WIDTH, top + BASELINE);
                    let length = cells as f64 * WIDTH;
                    let weight = if is_bold { " font-weight=\"bold\"" } else { "" };
                    writeln!(
                        svg,
                        "<text x=\"{x:.1}\" y=\"{y:.1}\" textLength=\"{length:.1}\" \
                         fill=\"{colour}\"{weight}>{}</text>",
                        escape(word)
                    )
                    .unwrap();
                }
                column += cells + 1;
            }
            begin += run;
        }
    }
    svg + "</svg>\n"
}

#[test]
fn the_picture_in_the_readme_is_what_the_screen_shows() {
    let mut model = model(112, 34, Acting::Engine);
    press(&mut model, KeyCode::Tab);
    let picture = svg(&draw(&model, true));
    expect_file!["../../../../docs/watch.svg"].assert_eq(&picture);
}
