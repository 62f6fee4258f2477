//! `blotter verify`: compares the log with its seals.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};
use tradeblotter::audit::{
    ArchiveFile, CheckpointFile, PublicKey, Verified, VerifierKey, VerifyEvent, VerifyFrom,
    VerifyOptions,
};

use crate::database::Database;
use crate::failure::Failure;
use crate::output::counted;
use crate::terminal::{Output, eprintln};
use crate::{arguments, progress};

#[derive(Args)]
pub struct Verify {
    /// Checkpoint file that `blotter seal` wrote; without it, seals removed at the end go unnoticed
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    checkpoint_file: Option<PathBuf>,
    /// Public key that seals may be signed with, as `blotter key` prints it; may be repeated. Without it, a
    /// log that was sealed again with another key goes unnoticed
    #[arg(long = "public-key", value_name = "KEY")]
    public_keys: Vec<PublicKey>,
    /// First seal whose records to read: its number, or the first at or after this time (RFC 3339, or
    /// YYYY-MM-DD for midnight UTC). Everything else is checked in whole in any case [default: the first]
    #[arg(long, value_name = "N|TIME", value_parser = verify_from)]
    from: Option<VerifyFrom>,
    /// Fail if a record is older than this and not sealed yet, for example 5min [default: any age]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    max_unsealed_age: Option<Duration>,
    /// File of an archive, to check with the rest; may be repeated. Without it, records that a superuser removed as
    /// archived are taken to be in the file that the archive names
    #[arg(long = "archive-file", value_name = "FILE", value_hint = ValueHint::FilePath)]
    archive_files: Vec<PathBuf>,
    /// Key of a witness whose cosignatures in the checkpoint file must verify, in the notation NAME+ID+KEY; may be
    /// repeated
    #[arg(long = "witness-key", value_name = "KEY", requires = "checkpoint_file")]
    witnesses: Vec<VerifierKey>,
}

/// Parses the number of a seal, or a time.
fn verify_from(text: &str) -> Result<VerifyFrom, String> {
    match text.parse() {
        Ok(seal) => Ok(VerifyFrom::Seal(seal)),
        Err(_) => arguments::moment(text)
            .map(VerifyFrom::Time)
            .map_err(|why| format!("{why}, or the number of a seal")),
    }
}

impl Verify {
    pub fn run(&self, database: &Database, out: &mut Output) -> Result<(), Failure> {
        let session = database.auditing()?;
        let checkpoint_file =
            self.checkpoint_file.as_deref().map(CheckpointFile::read).transpose()?;
        if self.public_keys.is_empty() {
            eprintln!(
                "warning: no --public-key: a log that was rewritten and sealed again with another key is not \
                 noticed"
            );
        }
        if checkpoint_file.is_none() {
            eprintln!(
                "warning: no --checkpoint-file: seals that were removed at the end are not noticed"
            );
        }
        let options = VerifyOptions {
            public_keys: self.public_keys.clone(),
            checkpoint_file,
            from: self.from,
            max_unsealed_age: self.max_unsealed_age,
            witnesses: self.witnesses.clone(),
            archive_files: self.archive_files.iter().map(ArchiveFile::new).collect(),
        };
        let progress = progress::bar("records");
        let mut archives = 0;
        let verified = session.snapshot(|tx| {
            tx.seals().verify(&options, |event| match event {
                VerifyEvent::Started(records) => progress.set_length(records),
                VerifyEvent::Checked(records) => progress.inc(records),
                // A closed output must not change the exit code.
                VerifyEvent::Archived(archive) => progress.suspend(|| {
                    archives += 1;
                    let _ = writeln!(out, "{archive}");
                }),
                VerifyEvent::Found(finding) => progress.suspend(|| {
                    let _ = writeln!(out, "{finding}");
                }),
            })
        })?;
        progress.finish_and_clear();
        if verified.is_last_seal_unpublished {
            eprintln!(
                "warning: the last seal is not in the checkpoint file yet; the next `blotter seal` with this \
                 file appends it"
            );
        }
        if archives > 0 && self.archive_files.is_empty() {
            eprintln!(
                "warning: no --archive-file: that the archived records are in the files which the archives name is \
                 not checked"
            );
        }
        if !self.witnesses.is_empty() {
            match verified.last_cosigned {
                Some(seal) => {
                    eprintln!("note: the last seal that a witness has cosigned is seal {seal}")
                }
                None => eprintln!("warning: no witness has cosigned a seal"),
            }
        }
        let _ = writeln!(out, "{}", summary(&verified));
        if verified.findings == 0 { Ok(()) } else { Err(Failure::Failed(None)) }
    }
}

/// Returns the result in one line.
fn summary(verified: &Verified) -> String {
    let Verified { seals, records, orders, unsealed, findings, .. } = verified;
    let seals = counted(*seals, "seal", "seals");
    let mut records = counted(*records, "record", "records");
    if verified.archived > 0 {
        records += &format!(" and {} archived", verified.archived);
    }
    let orders = counted(*orders, "order", "orders");
    let result = match findings {
        0 => "no findings".to_owned(),
        many => counted(*many, "finding", "findings"),
    };
    let unsealed = counted(*unsealed, "record", "records");
    let numbers = match verified.unsealed_numbers {
        Some((first, last)) if first < last => format!(", with numbers from {first} to {last}"),
        Some((number, _)) => format!(", with the number {number}"),
        None => String::new(),
    };
    format!("{seals}, {records}, {orders}: {result}; {unsealed} not sealed yet{numbers}")
}
