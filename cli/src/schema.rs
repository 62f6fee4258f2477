//! `blotter schema`: compares the schema of the database with the one that this build expects.

use std::io::Write;

use clap::Subcommand;
use tradeblotter::{Login, catalog, migrations};

use crate::database::Database;
use crate::failure::Failure;
use crate::output;
use crate::terminal::{Output, eprintln};

#[derive(Subcommand)]
pub enum Schema {
    /// Compare the schema of the database with the one that this build expects
    ///
    /// Covers tables, columns, enums, constraints, indexes, row security, policies, triggers, functions,
    /// roles, grants and comments, and what was planted to change or bypass them: overloads, operators,
    /// casts, event triggers, views, settings of logins. One line for each difference, with the command
    /// that repairs it where there is one; nothing if there is none. Warns on standard error if a backend
    /// should not use this login, and notes publications and subscriptions of the tables there.
    #[command(after_long_help = "\
Exit status:
  0  no difference
  1  a difference, or the database returned an error
  2  the command line is wrong")]
    Check,
}

impl Schema {
    pub fn run(&self, database: &Database, out: &mut Output) -> Result<(), Failure> {
        let Self::Check = self;
        let conn = &mut database.connect()?;
        migrations::require(conn)?;
        output::warn_about(&Login::of(conn)?);
        for note in catalog::notes(conn)? {
            eprintln!("note: {note}");
        }
        let differences = catalog::differences(conn)?;
        if differences.is_empty() {
            return Ok(());
        }
        for difference in &differences {
            // A closed output must not change the exit code.
            let _ = writeln!(out, "{difference}");
        }
        Err(Failure::Failed(None))
    }
}
