//! `blotter archive`, `verify-archive`, `remove-archived` and `restore-archive`. An archive file holds records whose
//! retention has ended, with a proof of each. They can be removed from the database, and restored from the file.

use std::io::Write;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use clap::{Args, ValueHint};
use tradeblotter::audit::{
    ArchiveContents, ArchiveFile, CheckpointFile, PublicKey, remove_archived, restore_archive,
};

use crate::arguments;
use crate::database::Database;
use crate::failure::Failure;
use crate::output::counted;
use crate::terminal::{Output, eprintln};

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
            Some(contents) => {
                Ok(writeln!(out, "{}: {}", self.output.display(), describe(&contents))?)
            }
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

/// An archive file, and who may have signed for it.
#[derive(Args)]
struct Archived {
    /// Archive file, as `blotter archive` writes it
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// Public key that the checkpoint may be signed with, as `blotter key` prints it; may be repeated
    #[arg(long = "public-key", value_name = "KEY", required = true)]
    public_keys: Vec<PublicKey>,
}

impl Archived {
    fn file(&self) -> ArchiveFile {
        ArchiveFile::new(&self.file)
    }
}

#[derive(Args)]
pub struct VerifyArchive {
    #[command(flatten)]
    archived: Archived,
    /// Checkpoint file that must also hold the checkpoint of the archive [default: no other file is read]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    checkpoint_file: Option<PathBuf>,
}

impl VerifyArchive {
    pub fn run(&self, out: &mut Output) -> Result<(), Failure> {
        let contents = self.archived.file().verify(&self.archived.public_keys)?;
        let head = contents.checkpoint.head();
        if let Some(path) = &self.checkpoint_file {
            let published = CheckpointFile::read(path)?;
            if published.get(head.seal).is_none_or(|checkpoint| checkpoint.head() != head) {
                return Err(Failure::Failed(Some(format!(
                    "{}: {} does not have the checkpoint of seal {} that the archive leads to",
                    self.archived.file.display(),
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

#[derive(Args)]
pub struct RemoveArchived {
    #[command(flatten)]
    archived: Archived,
}

impl RemoveArchived {
    pub fn run(&self, database: &Database, out: &mut Output) -> Result<(), Failure> {
        let file = self.archived.file();
        let archive = remove_archived(&mut database.connect()?, &file, &self.archived.public_keys)?;
        Ok(writeln!(out, "{archive}")?)
    }
}

#[derive(Args)]
pub struct RestoreArchive {
    #[command(flatten)]
    archived: Archived,
}

impl RestoreArchive {
    pub fn run(&self, database: &Database, out: &mut Output) -> Result<(), Failure> {
        let file = self.archived.file();
        let contents =
            restore_archive(&mut database.connect()?, &file, &self.archived.public_keys)?;
        Ok(writeln!(out, "restored: {}", describe(&contents))?)
    }
}

/// Returns what an archive file holds, in one line.
fn describe(contents: &ArchiveContents) -> String {
    format!(
        "{} of {} written before {}; SHA-256 {}",
        counted(contents.records, "record", "records"),
        counted(contents.orders, "order", "orders"),
        contents.before,
        contents.sha256
    )
}
