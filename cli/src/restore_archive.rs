//! `blotter restore-archive`: brings back to a database what an archive file holds.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueHint};
use tradeblotter::audit::{ArchiveFile, PublicKey, restore_archive};

use crate::database::Database;
use crate::failure::Failure;
use crate::terminal::Output;
use crate::verify_archive;

#[derive(Args)]
pub struct RestoreArchive {
    /// Archive file, as `blotter archive` writes it
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// Public key that the checkpoint may be signed with, as `blotter key` prints it; may be repeated
    #[arg(long = "public-key", value_name = "KEY", required = true)]
    public_keys: Vec<PublicKey>,
}

impl RestoreArchive {
    pub fn run(&self, database: &Database, out: &mut Output) -> Result<(), Failure> {
        let file = ArchiveFile::new(&self.file);
        let contents = restore_archive(&mut database.connect()?, &file, &self.public_keys)?;
        Ok(writeln!(out, "restored: {}", verify_archive::describe(&contents))?)
    }
}
