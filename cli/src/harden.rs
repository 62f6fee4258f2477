//! `blotter harden`: refuses changes of the schema to everybody, its owner included, or permits them again.

use std::io::Write;

use clap::Args;
use tradeblotter::{catalog, harden};

use crate::database::Database;
use crate::failure::Failure;
use crate::terminal::{Output, eprintln};

#[derive(Args)]
pub struct Harden {
    /// Permit changes again, for a migration
    #[arg(long)]
    lift: bool,
}

impl Harden {
    pub fn run(&self, database: &Database, out: &mut Output) -> Result<(), Failure> {
        let conn = &mut database.connect()?;
        if self.lift {
            harden::lift(conn)?;
            writeln!(
                out,
                "not hardened: the owner of the tables may change the schema; harden it again soon"
            )?;
            return Ok(());
        }
        harden::install(conn)?;
        writeln!(out, "hardened: changes of the schema are refused until `blotter harden --lift`")?;
        out.flush()?;
        let differences = catalog::differences(conn)?.len();
        if differences > 0 {
            eprintln!(
                "warning: the schema is not the one that this build expects ({differences} differences); see \
                 `blotter schema check`, lift the hardening, repair them and harden again"
            );
        }
        Ok(())
    }
}
