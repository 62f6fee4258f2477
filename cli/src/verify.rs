//! `blotter verify`: the log held against its seals.

use std::io::Write;
use std::path::PathBuf;

use anstream::eprintln;
use clap::{Args, ValueHint};
use tradeblotter::audit::{
    CheckpointFile, PublicKey, Verified, VerifyEvent, VerifyFrom, VerifyOptions,
};

use crate::database::Database;
use crate::failure::Failure;
use crate::{arguments, progress};

#[derive(Args)]
pub struct Verify {
    /// What `blotter seal` has written down of the seals.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    checkpoint_file: Option<PathBuf>,
    /// A key that seals may be signed with; given once for each.
    #[arg(long = "public-key", value_name = "KEY")]
    public_keys: Vec<PublicKey>,
    /// Read entries from this seal on, by its number, or from the first one at this day or moment.
    #[arg(long, value_name = "N|TIME", value_parser = since)]
    since: Option<VerifyFrom>,
}

fn since(text: &str) -> Result<VerifyFrom, String> {
    match text.parse() {
        Ok(seal) => Ok(VerifyFrom::Seal(seal)),
        Err(_) => arguments::moment(text)
            .map(VerifyFrom::Time)
            .map_err(|why| format!("{why}, nor the number of a seal")),
    }
}

impl Verify {
    pub fn run(&self, database: &Database, out: &mut impl Write) -> Result<(), Failure> {
        let session = database.auditing()?;
        let checkpoint_file =
            self.checkpoint_file.as_deref().map(CheckpointFile::read).transpose()?;
        if self.public_keys.is_empty() {
            eprintln!(
                "warning: no --public-key: who could rewrite the log could seal it anew, with a key of \
                 their own"
            );
        }
        if checkpoint_file.is_none() {
            eprintln!(
                "warning: no --checkpoint-file: seals that were cut off at the end are not missed"
            );
        }
        let options = VerifyOptions {
            public_keys: self.public_keys.clone(),
            checkpoint_file,
            from: self.since,
        };
        let progress = progress::bar("entries");
        let verified = session.snapshot(|tx| {
            tx.seals().verify(&options, |event| match event {
                VerifyEvent::Started(entries) => progress.set_length(entries),
                VerifyEvent::Checked(entries) => progress.inc(entries),
                // The check has failed, whether or not anybody reads why.
                VerifyEvent::Found(finding) => progress.suspend(|| {
                    let _ = writeln!(out, "{finding}");
                }),
            })
        })?;
        progress.finish_and_clear();
        if verified.is_ahead {
            eprintln!(
                "warning: the last seal is not in the checkpoint file yet; the next run of blotter seal \
                 writes it down"
            );
        }
        let _ = writeln!(out, "{}", summary(&verified));
        if verified.findings == 0 { Ok(()) } else { Err(Failure::Failed(None)) }
    }
}

fn summary(verified: &Verified) -> String {
    let Verified { seals, entries, unsealed, findings, .. } = verified;
    let seals = counted(*seals, "seal", "seals");
    let entries = counted(*entries, "entry", "entries");
    let unsealed = counted(*unsealed, "entry", "entries");
    let found = match findings {
        0 => "all as they were sealed".to_owned(),
        many => counted(*many, "finding", "findings"),
    };
    format!("{seals}, {entries}: {found}; {unsealed} not sealed yet")
}

fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
