//! The status line: who looks at what, and the figures of the store.

use super::words;
use crate::watch::canvas::{Canvas, Look, Piece};
use crate::watch::data::Connection;
use crate::watch::figures::Figures;
use crate::watch::model::Model;

pub fn draw(canvas: &mut Canvas<'_>, model: &Model) {
    let area = model.layout().status;
    let mut who = vec![
        Piece::strong(" blotter "),
        Piece::plain(format!(" {} acts as {} ", model.login, model.acting.label())),
    ];
    match &model.connection {
        Connection::Live => {
            who.push(Piece::plain("· connected "));
            if let Some(why) = &model.held_back {
                who.push(Piece::new(format!("· CHANGES HELD BACK: {why} "), Look::Alarm));
            }
        }
        Connection::Lost { since, why } => {
            let since = words::time(*since, model.now);
            let text = format!("· CONNECTION LOST at {since}, trying again: {why} ");
            who.push(Piece::new(text, Look::Alarm));
        }
    }
    let Some(figures) = &model.figures else {
        who.push(Piece::faint("· reading figures…"));
        return canvas.line(area, 0, &who);
    };
    who.push(Piece::plain(format!("· {:.1} reports/s ", figures.rate)));
    let figures = of(figures, model);
    if area.height == 1 {
        who.push(Piece::plain("· "));
        who.extend(figures);
        return canvas.line(area, 0, &who);
    }
    canvas.line(area, 0, &who);
    let indented = [Piece::plain(" ")].into_iter().chain(figures).collect::<Vec<_>>();
    canvas.line(area, 1, &indented);
}

fn of(figures: &Figures, model: &Model) -> Vec<Piece<'static>> {
    let Figures { last_seal, unsealed, open_breaks, oldest_break, .. } = figures;
    let mut pieces = Vec::new();
    let breaks = words::counted(*open_breaks, "open break", "open breaks");
    pieces.push(match (open_breaks, oldest_break) {
        (0, _) => Piece::plain("no open breaks"),
        (_, None) => Piece::new(breaks, Look::Alarm),
        (_, Some(oldest)) => {
            let age = words::age(*oldest, model.now);
            Piece::new(format!("{breaks}, oldest {age}"), Look::Alarm)
        }
    });
    if let Some(unsealed) = unsealed {
        let unsealed = words::counted(*unsealed, "entry", "entries");
        pieces.push(Piece::plain(format!(" · {unsealed} unsealed")));
        let seal = match last_seal {
            Some(at) => format!(" · last seal {} ago", words::age(*at, model.now)),
            None => " · never sealed".to_owned(),
        };
        pieces.push(Piece::plain(seal));
    }
    pieces
}
