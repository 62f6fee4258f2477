//! `blotter seal`: seals the log, once or for as long as it runs.

use std::io::Write;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use clap::{Args, ValueHint};
use tradeblotter::Session;
use tradeblotter::audit::{CheckpointWriter, SealKey};
use tradeblotter::role::Auditor;

use crate::database::Database;
use crate::failure::Failure;
use crate::key;

#[derive(Args)]
pub struct Seal {
    /// Go on, and seal what has come each time this has passed, e.g. 60s or 5min.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    every: Option<Duration>,
    /// Add a line for each seal to this file, which should be where nobody comes who may change the
    /// database.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    checkpoint_file: Option<PathBuf>,
    /// The key to sign with; `blotter key new` makes one. Without it, BLOTTER_SEAL_KEY is to hold what such
    /// a file holds.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    key: Option<PathBuf>,
}

impl Seal {
    pub fn run(&self, database: &Database, out: &mut impl Write) -> Result<(), Failure> {
        let key = key::find(self.key.as_ref())?;
        let session = database.auditor()?;
        let mut file = self.checkpoint_file.as_deref().map(CheckpointWriter::open).transpose()?;
        // What was sealed when the last run was stopped before it could write it down.
        write_down(&session, &mut file)?;
        loop {
            seal(&session, &key, &mut file, out)?;
            let Some(every) = self.every else { return Ok(()) };
            thread::sleep(every);
        }
    }
}

/// Seals what there is to seal.
fn seal(
    session: &Session<Auditor>,
    key: &SealKey,
    file: &mut Option<CheckpointWriter>,
    out: &mut impl Write,
) -> Result<(), Failure> {
    while let Some(seal) = session.transaction(|tx| tx.seals().seal(key))? {
        write_down(session, file)?;
        writeln!(
            out,
            "seal {}: {} entries, {}; {}",
            seal.id,
            seal.entries,
            seal.covered,
            seal.hash()
        )?;
        out.flush()?;
    }
    Ok(())
}

fn write_down(
    session: &Session<Auditor>,
    file: &mut Option<CheckpointWriter>,
) -> Result<(), Failure> {
    if let Some(file) = file {
        file.append_new(session)?;
    }
    Ok(())
}
