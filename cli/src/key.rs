//! `blotter key`: makes and shows the keys that seals are signed with.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};
use tradeblotter::Error;
use tradeblotter::audit::{SealKey, VerifierKey};

use crate::failure::Failure;
use crate::terminal::Output;

/// Environment variable that may hold the text of a key file.
pub const VARIABLE: &str = "BLOTTER_SEAL_KEY";

#[derive(Subcommand)]
pub enum Key {
    /// Make a key, write it to a new file and print its public key
    ///
    /// The file gets mode 600. Keep it where no database administrator has access. An existing file is
    /// never overwritten.
    #[command(after_long_help = "\
Example:
  blotter key new seal.key")]
    New(KeyFile),
    /// Print the public key of a key file
    Show(Show),
}

#[derive(Args)]
pub struct KeyFile {
    /// Key file: an Ed25519 private key as PKCS#8 PEM
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,
}

#[derive(Args)]
pub struct Show {
    #[command(flatten)]
    file: KeyFile,
    /// Print the key with this name of the tree, in the notation NAME+ID+KEY that public tools take [default: the
    /// key as hexadecimal digits]
    #[arg(long, value_name = "NAME")]
    origin: Option<String>,
}

impl Key {
    pub fn run(&self, out: &mut Output) -> Result<(), Failure> {
        match self {
            Self::New(file) => writeln!(out, "{}", SealKey::create(&file.file)?.public())?,
            Self::Show(show) => {
                let key = SealKey::read(&show.file.file)?.public();
                match &show.origin {
                    Some(origin) => writeln!(out, "{}", VerifierKey::of_log(origin, key)?)?,
                    None => writeln!(out, "{key}")?,
                }
            }
        }
        Ok(())
    }
}

/// Reads the key from this file, or else from the environment.
pub fn find(file: Option<&PathBuf>) -> Result<SealKey, Failure> {
    match (file, std::env::var(VARIABLE)) {
        (Some(file), _) => Ok(SealKey::read(file)?),
        (None, Ok(pem)) => {
            let named = |error: Error| Failure::Failed(Some(format!("{VARIABLE}: {error}")));
            SealKey::from_pem(&pem).map_err(named)
        }
        (None, Err(_)) => Err(Failure::Usage(format!(
            "no key is given. Pass --key FILE, or set {VARIABLE} to the text of a key file; \
             `blotter key new FILE` makes one"
        ))),
    }
}
