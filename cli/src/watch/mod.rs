//! `blotter watch`: the blotter on a screen, live.
//!
//! - `model` is the state of the screen, and `wanted` what it needs to be read.
//! - `view` draws the model, by way of `canvas`; `layout` says where.
//! - `keys` turns keys into actions, and `app` puts all of it together.
//! - `data` is the worker that reads, in a thread and with a session of its own; `page` has the rules of pages.
//! - `screen` is the terminal.

mod app;
mod canvas;
mod data;
mod keys;
mod layout;
mod model;
mod page;
mod rows;
mod screen;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]
mod tests;
mod view;
mod wanted;

use std::io::{self, IsTerminal};
use std::sync::mpsc;
use std::thread;

use clap::Args;
use clap::builder::PossibleValuesParser;
use ratatui::crossterm::terminal::size;
use ratatui::layout::Size;
use uuid::Uuid;

use self::app::{App, End, Event};
pub use self::data::RoleSession;
use self::data::Worker;
pub use self::model::Acting;
use self::model::Model;
use self::wanted::{OrderFilter, Owner};
use crate::database::Database;
use crate::failure::Failure;
use crate::terminal::{self, Output};

#[derive(Args)]
pub struct Watch {
    /// Show the orders of this trader (id); required if the login may read only one trader's rows
    #[arg(long, value_name = "UUID")]
    trader: Option<Uuid>,
    /// Begin with the orders in this symbol, for example AAPL
    #[arg(long, value_name = "SYMBOL")]
    symbol: Option<String>,
    /// Begin with the orders of this status [default: any]
    #[arg(long, value_name = "STATUS", ignore_case = true)]
    #[arg(value_parser = PossibleValuesParser::new(OrderFilter::STATUSES.map(|(label, _)| label)))]
    status: Option<String>,
    /// Role to act as, if the login has several [default: the first that it has of compliance, engine, trader]
    #[arg(long, value_enum)]
    role: Option<Acting>,
}

impl Watch {
    pub fn run(&self, database: &Database, out: &mut Output) -> Result<(), Failure> {
        if !io::stdin().is_terminal() || !out.is_terminal() {
            return Err(Failure::Usage(
                "watch needs a terminal as its standard input and output; `blotter orders`, `blotter log \
                 --follow` and `blotter breaks list` work without one"
                    .to_owned(),
            ));
        }
        let (session, login) = database.role_session(self.role, self.trader)?;
        let (width, height) = size()?;
        let login = match &login.desk {
            Some(desk) => format!("{} of desk {}", login.name, desk.name()),
            None => login.name,
        };
        let model = Model::new(
            Size { width, height },
            login,
            session.acting(),
            self.filter(session.acting()),
        );
        let (requests, taken) = mpsc::channel();
        let (events, happening) = mpsc::channel();
        let updates = events.clone();
        let worker = Worker::new(session, taken, move |update| {
            // The screen has ended, and so does the worker when it next looks for a request.
            let _ = updates.send(Event::Update(update));
        });
        thread::spawn(move || worker.run());
        let mut app = App::new(model, requests, terminal::has_styles());
        let end = screen::with(out.screen(), |screen| {
            screen::send_signals(events.clone())?;
            screen::send_input(events);
            Ok(app.run(screen, &happening)?)
        })?;
        match end {
            End::Quit => Ok(()),
            End::Signal(code) => Err(Failure::Exit(code)),
            End::NoWorker => Err(Failure::Failed(Some(
                "an internal error ended the thread that reads the database".to_owned(),
            ))),
        }
    }

    fn filter(&self, acting: Acting) -> OrderFilter {
        let chosen = OrderFilter::STATUSES.iter().find(|(label, _)| {
            self.status.as_ref().is_some_and(|status| status.eq_ignore_ascii_case(label))
        });
        // The session of a trader shows no others.
        let trader = self.trader.filter(|_| acting != Acting::Trader);
        OrderFilter {
            statuses: chosen.map_or(&[], |(_, statuses)| statuses),
            symbol: self.symbol.clone(),
            trader: trader.map(Owner::Id),
        }
    }
}
