//! `blotter rebuild`: derives every order again and compares it with what the database has derived.

use std::io::Write;

use clap::Args;

use crate::database::Database;
use crate::failure::Failure;
use crate::terminal::Output;

#[derive(Args)]
pub struct Rebuild {
    /// Only print differences (required: stored orders are never rewritten)
    #[arg(long, required = true)]
    check: bool,
}

impl Rebuild {
    pub fn run(&self, database: &Database, out: &mut Output) -> Result<(), Failure> {
        let session = database.reader(None)?;
        let mut no_difference = true;
        let mut after = None;
        loop {
            let rebuilt = session.snapshot(|tx| tx.orders().rebuild(after))?;
            no_difference &= rebuilt.differing.is_empty();
            for order in &rebuilt.differing {
                // A closed output must not change the exit code.
                let _ = writeln!(out, "{order}");
            }
            after = rebuilt.next;
            if after.is_none() {
                break;
            }
        }
        if no_difference { Ok(()) } else { Err(Failure::Failed(None)) }
    }
}
