//! `blotter prove`: writes the proof that one entry of the log was sealed.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueHint};
use uuid::Uuid;

use crate::database::Database;
use crate::failure::Failure;

#[derive(Args)]
pub struct Prove {
    /// Entry of the log (id), as `blotter log --format json` prints it
    #[arg(value_name = "LOG_ID")]
    id: Uuid,
    /// File to write the proof to [default: standard output]
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,
}

impl Prove {
    pub fn run(&self, database: &Database, out: &mut impl Write) -> Result<(), Failure> {
        let session = database.auditing()?;
        let json = session.snapshot(|tx| tx.seals().prove(self.id))?.to_json()?;
        match &self.output {
            None => Ok(writeln!(out, "{json}")?),
            Some(path) => fs::write(path, json + "\n")
                .map_err(|why| Failure::Failed(Some(format!("{}: {why}", path.display())))),
        }
    }
}
