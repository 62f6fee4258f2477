//! `blotter schema`: is the database what this build was made for?

use std::io::Write;

use clap::Subcommand;
use tradeblotter::{Login, catalog, migrations};

use crate::database::Database;
use crate::failure::Failure;
use crate::output;

#[derive(Subcommand)]
pub enum Schema {
    /// Compare the live database with what this build expects, one line for each difference.
    ///
    /// Covers tables, columns, enums, constraints, indexes, row security, policies, triggers,
    /// functions, roles, grants and comments. Prints nothing and exits with 0 when all is as expected,
    /// with 1 when not. Warns when the login is one that a backend should not use.
    Check,
}

impl Schema {
    pub fn run(&self, database: &Database, out: &mut impl Write) -> Result<(), Failure> {
        let Self::Check = self;
        let conn = &mut database.connect()?;
        migrations::require(conn)?;
        output::warn_about(&Login::of(conn)?);
        let differences = catalog::differences(conn)?;
        if differences.is_empty() {
            return Ok(());
        }
        for difference in &differences {
            // The check has failed, whether or not anybody reads why.
            let _ = writeln!(out, "{difference}");
        }
        Err(Failure::Failed(None))
    }
}
