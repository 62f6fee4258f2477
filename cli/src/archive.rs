//! `blotter archive`: writes records whose retention has ended to a file that proves them.

use std::io::Write;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use clap::{Args, ValueHint};
use tradeblotter::audit::PublicKey;

use crate::database::Database;
use crate::failure::Failure;
use crate::terminal::{Output, eprintln};
use crate::{arguments, verify_archive};

#[derive(Args)]
pub struct Archive {
    /// Archive what was written before this time (RFC 3339, or YYYY-MM-DD for midnight UTC)
    #[arg(long, value_name = "TIME", value_parser = arguments::moment)]
    before: DateTime<Utc>,
    /// New file to write
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: PathBuf,
    /// Public key that the last seal may be signed with, as `blotter key` prints it; may be repeated
    #[arg(long = "public-key", value_name = "KEY", required = true)]
    public_keys: Vec<PublicKey>,
}

impl Archive {
    pub fn run(&self, database: &Database, out: &mut Output) -> Result<(), Failure> {
        let session = database.auditing()?;
        let archived = session
            .snapshot(|tx| tx.seals().archive(self.before, &self.output, &self.public_keys))?;
        match archived {
            Some(contents) => Ok(writeln!(
                out,
                "{}: {}",
                self.output.display(),
                verify_archive::describe(&contents)
            )?),
            None => {
                eprintln!(
                    "note: nothing that may leave was written before {}; no file was written",
                    self.before
                );
                Ok(())
            }
        }
    }
}
