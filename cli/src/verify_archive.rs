//! `blotter verify-archive`: checks an archive file without a database.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueHint};
use tradeblotter::audit::{ArchiveContents, ArchiveFile, CheckpointFile, PublicKey};

use crate::failure::Failure;
use crate::output::counted;
use crate::terminal::Output;

#[derive(Args)]
pub struct VerifyArchive {
    /// Archive file, as `blotter archive` writes it
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// Public key that the checkpoint may be signed with, as `blotter key` prints it; may be repeated
    #[arg(long = "public-key", value_name = "KEY", required = true)]
    public_keys: Vec<PublicKey>,
    /// Checkpoint file that must have the checkpoint of the archive too [default: the one in the archive is enough]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    checkpoint_file: Option<PathBuf>,
}

impl VerifyArchive {
    pub fn run(&self, out: &mut Output) -> Result<(), Failure> {
        let contents = ArchiveFile::new(&self.file).verify(&self.public_keys)?;
        let head = contents.checkpoint.head();
        if let Some(path) = &self.checkpoint_file {
            let published = CheckpointFile::read(path)?;
            if published.get(head.seal).is_none_or(|checkpoint| checkpoint.head() != head) {
                return Err(Failure::Failed(Some(format!(
                    "{}: {} does not have the checkpoint of seal {} that the archive leads to",
                    self.file.display(),
                    path.display(),
                    head.seal
                ))));
            }
        }
        writeln!(out, "valid: {}", describe(&contents))?;
        writeln!(
            out,
            "leads to seal {} of {}, made at {}",
            head.seal, head.origin, head.sealed_at
        )?;
        Ok(writeln!(out, "signed with {}", contents.public_key)?)
    }
}

/// Returns what an archive file holds, in one line.
pub fn describe(contents: &ArchiveContents) -> String {
    format!(
        "{} of {} written before {}; SHA-256 {}",
        counted(contents.records, "record", "records"),
        counted(contents.orders, "order", "orders"),
        contents.before,
        contents.sha256
    )
}
