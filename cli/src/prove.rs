//! `blotter prove`: writes the proof that one record was sealed.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use tradeblotter::files;
use uuid::Uuid;

use crate::database::Database;
use crate::failure::Failure;
use crate::terminal::Output;

#[derive(Args)]
pub struct Prove {
    /// Record to prove: the id of a log entry, as `blotter log --format json` prints it, of a break, a resolution or a
    /// trader
    #[arg(value_name = "ID")]
    id: Uuid,
    /// New file to write the proof to [default: standard output]
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,
}

impl Prove {
    pub fn run(&self, database: &Database, out: &mut Output) -> Result<(), Failure> {
        let session = database.auditing()?;
        let proof = session.snapshot(|tx| tx.seals().prove(self.id))?.to_string();
        match &self.output {
            None => Ok(write!(out.data(), "{proof}")?),
            Some(path) => Ok(files::write_new(path, proof.as_bytes())?),
        }
    }
}
