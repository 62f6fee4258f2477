//! `blotter verify`: compares the log with its seals.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueHint};
use tradeblotter::audit::{
    CheckpointFile, PublicKey, Verified, VerifyEvent, VerifyFrom, VerifyOptions,
};

use crate::database::Database;
use crate::failure::Failure;
use crate::output::counted;
use crate::terminal::eprintln;
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
    /// First seal whose entries to read: its number, or the first at or after this time (RFC 3339, or
    /// YYYY-MM-DD for midnight UTC). The chain of all seals is checked in any case [default: the first]
    #[arg(long, value_name = "N|TIME", value_parser = verify_from)]
    from: Option<VerifyFrom>,
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
    pub fn run(&self, database: &Database, out: &mut impl Write) -> Result<(), Failure> {
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
        };
        let progress = progress::bar("entries");
        let verified = session.snapshot(|tx| {
            tx.seals().verify(&options, |event| match event {
                VerifyEvent::Started(entries) => progress.set_length(entries),
                VerifyEvent::Checked(entries) => progress.inc(entries),
                // A closed output must not change the exit code.
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
        let _ = writeln!(out, "{}", summary(&verified));
        if verified.findings == 0 { Ok(()) } else { Err(Failure::Failed(None)) }
    }
}

/// Returns the result in one line.
fn summary(verified: &Verified) -> String {
    let Verified { seals, entries, unsealed, findings, .. } = verified;
    let seals = counted(*seals, "seal", "seals");
    let entries = counted(*entries, "entry", "entries");
    let unsealed = counted(*unsealed, "entry", "entries");
    let result = match findings {
        0 => "no findings".to_owned(),
        many => counted(*many, "finding", "findings"),
    };
    format!("{seals}, {entries}: {result}; {unsealed} not sealed yet")
}
