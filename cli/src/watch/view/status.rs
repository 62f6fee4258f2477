//! The status line: who looks at what, and the figures of the store.

use tradeblotter::audit::SealState;
use tradeblotter::status::Status;

use super::words;
use crate::watch::canvas::{Canvas, Look, Piece};
use crate::watch::data::Connection;
use crate::watch::model::Model;

pub fn draw(canvas: &mut Canvas<'_>, model: &Model) {
    let area = model.layout().status;
    let mut who = vec![
        Piece::strong(" blotter "),
        Piece::plain(format!(" {} acts as {} ", model.login, model.acting.label())),
    ];
    who.extend(connection(model));
    let Some(status) = &model.status else {
        who.push(Piece::faint("· reading figures…"));
        return canvas.line(area, 0, &who);
    };
    who.push(Piece::plain(format!("· {:.1} entries/s ", status.entries_per_second)));
    let figures = figures(status, model);
    if area.height == 1 {
        who.push(Piece::plain("· "));
        who.extend(figures);
        return canvas.line(area, 0, &who);
    }
    canvas.line(area, 0, &who);
    let indented = [Piece::plain(" ")].into_iter().chain(figures).collect::<Vec<_>>();
    canvas.line(area, 1, &indented);
}

fn connection(model: &Model) -> Vec<Piece<'static>> {
    let mut pieces = Vec::new();
    match &model.connection {
        Connection::Live => {
            let is_standby = model.status.as_ref().is_some_and(|it| it.connection.is_standby);
            let to = if is_standby { "· connected to a standby " } else { "· connected " };
            pieces.push(Piece::plain(to));
        }
        Connection::Lost { since, why } => {
            let since = words::time(*since, model.now);
            let text = format!("· CONNECTION LOST at {since}, trying again: {why} ");
            pieces.push(Piece::new(text, Look::Alarm));
        }
    }
    if let Some(why) = &model.held_back {
        pieces.push(Piece::new(format!("· CHANGES HELD BACK: {why} "), Look::Alarm));
    }
    pieces
}

fn figures(status: &Status, model: &Model) -> Vec<Piece<'static>> {
    let open = words::counted(status.count_open_breaks(), "open break", "open breaks");
    let oldest = status.open_breaks.iter().map(|of_reason| of_reason.oldest).min();
    let mut pieces = vec![match oldest {
        None => Piece::plain("no open breaks"),
        Some(oldest) => {
            let age = words::age(oldest, model.now);
            Piece::new(format!("{open}, oldest {age}"), Look::Alarm)
        }
    }];
    if let Some(SealState { last, unsealed, .. }) = &status.seals {
        let more = if *unsealed >= SealState::MAX { "or more " } else { "" };
        let unsealed = words::counted(*unsealed, "record", "records");
        pieces.push(Piece::plain(format!(" · {unsealed} {more}unsealed")));
        let seal = match last {
            Some(last) => format!(", last seal {} ago", words::age(last.sealed_at, model.now)),
            None => ", never sealed".to_owned(),
        };
        pieces.push(Piece::plain(seal));
    }
    let orders = words::counted(status.open_orders, "open order", "open orders");
    pieces.push(Piece::plain(format!(" · {orders}")));
    pieces
}
