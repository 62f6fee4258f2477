//! `blotter seal`: seals the records once, or at an interval.

use std::io::Write;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use clap::{Args, ValueHint};
use tradeblotter::Session;
use tradeblotter::audit::{
    CheckpointFile, CheckpointWriter, PublicKey, SealKey, SealOptions, Stall, VerifierKey,
};
use tradeblotter::role::Auditor;

use crate::database::Database;
use crate::failure::Failure;
use crate::terminal::{Output, eprintln};
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
    /// Public key that earlier seals are signed with, after the key was changed; may be repeated
    #[arg(long = "earlier-key", value_name = "KEY")]
    earlier_keys: Vec<PublicKey>,
    /// Name of the tree, set by the first seal: a unique URL without a scheme, for example
    /// example.com/blotter [default: tradeblotter/ and the beginning of the hash of the public key]
    #[arg(long, value_name = "NAME")]
    origin: Option<String>,
    /// Fail if open transactions keep the settled number from advancing for this long
    #[arg(
        long,
        value_name = "TIME",
        value_parser = humantime::parse_duration,
        default_value = "10min"
    )]
    max_stall: Duration,
    /// File of cosigned checkpoints, as witnesses return them, to add to the checkpoint file [default: none]
    #[arg(
        long,
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
        requires_all = ["checkpoint_file", "witness_keys"]
    )]
    witness_file: Option<PathBuf>,
    /// Key of a witness whose cosignatures are added, in the notation NAME+ID+KEY; may be repeated
    #[arg(
        long = "witness-key",
        id = "witness_keys",
        value_name = "KEY",
        requires = "witness_file"
    )]
    witnesses: Vec<VerifierKey>,
}

impl Seal {
    pub fn run(&self, database: &Database, out: &mut Output) -> Result<(), Failure> {
        let key = key::find(self.key.as_ref())?;
        let options = SealOptions {
            origin: self.origin.clone(),
            earlier_keys: self.earlier_keys.clone(),
            ..SealOptions::default()
        };
        let session = database.auditor()?;
        let mut file = match &self.checkpoint_file {
            Some(path) => {
                let keys = [&[key.public()], self.earlier_keys.as_slice()].concat();
                Some(CheckpointWriter::open(path, keys)?)
            }
            None => None,
        };
        loop {
            let sealed = self.seal(&session, &key, &options, &mut file, out);
            let Some(every) = self.every else { return sealed };
            match sealed {
                Err(Failure::Passing(why)) => {
                    eprintln!("warning: {why}; trying again in {every:?}")
                }
                sealed => sealed?,
            }
            thread::sleep(every);
        }
    }

    /// Seals all records that are committed and not sealed yet.
    fn seal(
        &self,
        session: &Session<Auditor>,
        key: &SealKey,
        options: &SealOptions,
        file: &mut Option<CheckpointWriter>,
        out: &mut Output,
    ) -> Result<(), Failure> {
        // Seals that the last run made before it was stopped and could append them.
        append_new(session, file)?;
        loop {
            let sealing =
                session.transaction(|tx| tx.seals().seal(key, options)).map_err(passing)?;
            append_new(session, file)?;
            if let Some(stall) = &sealing.stall {
                self.check(stall)?;
            }
            let Some(seal) = sealing.seal else { break };
            writeln!(
                out,
                "seal {}: {}, {}; {} in the tree, root {}",
                seal.id,
                output::counted(seal.records(), "record", "records"),
                seal.covered,
                seal.size,
                seal.root
            )?;
            out.flush()?;
        }
        self.append_cosigned(file)
    }

    /// Adds the cosignatures of the witnesses to the checkpoint file.
    fn append_cosigned(&self, file: &mut Option<CheckpointWriter>) -> Result<(), Failure> {
        if let (Some(file), Some(cosigned)) = (file, &self.witness_file) {
            file.append_cosigned(&CheckpointFile::read(cosigned)?, &self.witnesses)?;
        }
        Ok(())
    }

    /// Fails if the settled number has not advanced for too long.
    fn check(&self, stall: &Stall) -> Result<(), Failure> {
        let (Some(since), Ok(most)) = (stall.since, TimeDelta::from_std(self.max_stall)) else {
            return Ok(());
        };
        if Utc::now() - since <= most {
            return Ok(());
        }
        let transactions: Vec<_> = stall.transactions.iter().map(ToString::to_string).collect();
        Err(Failure::Failed(Some(format!(
            "records are sealed, but since {} none is settled, because transactions that have written are still \
             open: {}; end them, for example with SELECT pg_terminate_backend(PID)",
            since.format("%Y-%m-%d %H:%M:%S UTC"),
            transactions.join("; ")
        ))))
    }
}

/// Appends the seals that the checkpoint file lacks.
fn append_new(
    session: &Session<Auditor>,
    file: &mut Option<CheckpointWriter>,
) -> Result<(), Failure> {
    match file {
        Some(file) => file.append_new(session).map(drop).map_err(passing),
        None => Ok(()),
    }
}

/// Tells errors that pass by themselves from others: a lost connection, and another sealer at the same time.
fn passing(error: tradeblotter::Error) -> Failure {
    if error.is_connection() || error.is_duplicate() {
        Failure::Passing(error.to_string())
    } else {
        error.into()
    }
}
