//! `blotter migrate`: applies, reverts and lists migrations.

use std::io::Write;

use clap::{Args, Subcommand};
use diesel::prelude::*;
use tradeblotter::migrations::{self, Extent, Records, State, Step};

use crate::database::Database;
use crate::failure::Failure;
use crate::terminal::Output;

#[derive(Subcommand)]
pub enum Migrate {
    /// Apply every pending migration, oldest first
    ///
    /// Prints each migration with its time in milliseconds. Several processes may run this at once.
    Run,
    /// Revert the newest migrations; deletes the data in the tables and columns that they made
    ///
    /// Refused while there are log entries or breaks, unless --discard-records is given.
    Revert(Reach),
    /// Revert the newest migrations and apply them again; deletes the data like `revert`
    ///
    /// Refused while there are log entries or breaks, unless --discard-records is given.
    Redo(Reach),
    /// List the migrations as applied, pending, or unknown to this build
    #[command(after_long_help = "\
Exit status:
  0  all migrations of this build are applied, and no others
  1  a migration is pending or unknown, or the database returned an error
  2  the command line is wrong")]
    Status,
}

#[derive(Args)]
pub struct Reach {
    /// Every migration
    #[arg(long, conflicts_with = "number")]
    all: bool,
    /// Number of migrations, newest first
    #[arg(long, short, value_name = "N", default_value_t = 1)]
    number: usize,
    /// Revert even if there are log entries or breaks; records, or what protects them, are lost
    #[arg(long)]
    discard_records: bool,
}

impl Reach {
    fn extent(&self) -> Extent {
        if self.all { Extent::All } else { Extent::Last(self.number) }
    }

    fn records(&self) -> Records {
        if self.discard_records { Records::Discard } else { Records::Keep }
    }
}

impl Migrate {
    pub fn run(&self, database: &Database, out: &mut Output) -> Result<(), Failure> {
        let conn = &mut database.connect()?;
        let mut steps = 0;
        // A closed output must not stop the migrations halfway through the list.
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
            Self::Revert(reach) => migrations::revert(conn, reach.extent(), reach.records(), note)?,
            Self::Redo(reach) => migrations::redo(conn, reach.extent(), reach.records(), note)?,
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

fn status(conn: &mut PgConnection, out: &mut Output) -> Result<(), Failure> {
    for status in migrations::status(conn)? {
        let (state, at) = match status.state {
            State::Applied(at) => ("applied", Some(at)),
            State::Pending => ("pending", None),
            State::Unknown(at) => ("unknown", Some(at)),
        };
        let at = at.map(|at| at.format("  %Y-%m-%d %H:%M:%S UTC").to_string());
        // A closed output must not change the exit code.
        let _ = writeln!(out, "{state}  {}{}", status.name, at.unwrap_or_default());
    }
    Ok(migrations::require(conn)?)
}
