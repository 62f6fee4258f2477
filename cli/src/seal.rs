//! `blotter seal`: seals the log once, or at an interval.

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
use crate::{key, output};

#[derive(Args)]
pub struct Seal {
    /// Keep running and seal at this interval, for example 60s or 5min [default: seal once and exit]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    every: Option<Duration>,
    /// Checkpoint file to append each seal to; keep it where nobody who can change the database can change
    /// it [default: none]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    checkpoint_file: Option<PathBuf>,
    /// Key file to sign with, as `blotter key new` makes it [default: the key whose text is in the
    /// environment variable BLOTTER_SEAL_KEY]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    key: Option<PathBuf>,
}

impl Seal {
    pub fn run(&self, database: &Database, out: &mut impl Write) -> Result<(), Failure> {
        let key = key::find(self.key.as_ref())?;
        let session = database.auditor()?;
        let mut file = self.checkpoint_file.as_deref().map(CheckpointWriter::open).transpose()?;
        // Seals that the last run made before it was stopped and could append them.
        update(&session, &mut file)?;
        loop {
            seal(&session, &key, &mut file, out)?;
            let Some(every) = self.every else { return Ok(()) };
            thread::sleep(every);
        }
    }
}

/// Seals all entries that are committed and not sealed yet.
fn seal(
    session: &Session<Auditor>,
    key: &SealKey,
    file: &mut Option<CheckpointWriter>,
    out: &mut impl Write,
) -> Result<(), Failure> {
    while let Some(seal) = session.transaction(|tx| tx.seals().seal(key))? {
        update(session, file)?;
        writeln!(
            out,
            "seal {}: {}, {}; {}",
            seal.id,
            output::counted(seal.entries, "entry", "entries"),
            seal.covered,
            seal.hash()
        )?;
        out.flush()?;
    }
    Ok(())
}

/// Appends the seals that the checkpoint file lacks.
fn update(session: &Session<Auditor>, file: &mut Option<CheckpointWriter>) -> Result<(), Failure> {
    if let Some(file) = file {
        file.append_new(session)?;
    }
    Ok(())
}
