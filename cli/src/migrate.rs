//! `blotter migrate`: what it runs, in order, with timings.

use std::io::Write;

use clap::{Args, Subcommand};
use diesel::prelude::*;
use tradeblotter::migrations::{self, Extent, State, Step};

use crate::database::Database;
use crate::failure::Failure;

#[derive(Subcommand)]
pub enum Migrate {
    /// Apply every pending migration, oldest first.
    Run,
    /// Revert the newest migration. The data in what it made is lost.
    Revert(Reach),
    /// Revert the newest migration and apply it again. The data in what it made is lost.
    Redo(Reach),
    /// Show which migrations are applied.
    Status,
}

#[derive(Args)]
pub struct Reach {
    /// Every migration, not just the newest.
    #[arg(long, conflicts_with = "number")]
    all: bool,
    /// The newest so many.
    #[arg(long, short, value_name = "N", default_value_t = 1)]
    number: usize,
}

impl Reach {
    fn extent(&self) -> Extent {
        if self.all { Extent::All } else { Extent::Last(self.number) }
    }
}

impl Migrate {
    pub fn run(&self, database: &Database, out: &mut impl Write) -> Result<(), Failure> {
        let conn = &mut database.connect()?;
        let mut steps = 0;
        // A line that can't be printed must not stop a migration halfway through the list.
        let note = |step: &Step| {
            steps += 1;
            let _ = writeln!(
                out,
                "{:8}  {}  {:.1} ms",
                step.direction,
                step.name,
                step.elapsed.as_secs_f64() * 1e3
            );
            let _ = out.flush();
        };
        match self {
            Self::Run => migrations::run_each(conn, note)?,
            Self::Revert(reach) => migrations::revert(conn, reach.extent(), note)?,
            Self::Redo(reach) => migrations::redo(conn, reach.extent(), note)?,
            Self::Status => return status(conn, out),
        }
        if steps == 0 {
            let _ = writeln!(out, "nothing to do");
        }
        if matches!(self, Self::Run) {
            migrations::require(conn)?;
        }
        Ok(())
    }
}

fn status(conn: &mut PgConnection, out: &mut impl Write) -> Result<(), Failure> {
    for status in migrations::status(conn)? {
        let (state, at) = match status.state {
            State::Applied(at) => ("applied", Some(at)),
            State::Pending => ("pending", None),
            State::Unknown(at) => ("unknown", Some(at)),
        };
        let at = at.map(|at| at.format("  %Y-%m-%d %H:%M:%S UTC").to_string());
        // What the exit code says does not hang on who reads the list.
        let _ = writeln!(out, "{state}  {}{}", status.name, at.unwrap_or_default());
    }
    Ok(migrations::require(conn)?)
}
