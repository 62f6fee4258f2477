//! `blotter key`: the keys that seals are signed with.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};
use tradeblotter::Error;
use tradeblotter::audit::SealKey;

use crate::failure::Failure;

/// The text of a key file, for where there is no file.
pub const VARIABLE: &str = "BLOTTER_SEAL_KEY";

#[derive(Subcommand)]
pub enum Key {
    /// Make a key, keep it in a new file that nobody else may read, and print its public key.
    New(Place),
    /// Print the public key of a key that is there.
    Show(Place),
}

#[derive(Args)]
pub struct Place {
    /// The file: Ed25519 in PKCS#8 (PEM).
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,
}

impl Key {
    pub fn run(&self, out: &mut impl Write) -> Result<(), Failure> {
        let key = match self {
            Self::New(place) => SealKey::create(&place.file)?,
            Self::Show(place) => SealKey::read(&place.file)?,
        };
        Ok(writeln!(out, "{}", key.public())?)
    }
}

/// The key in this file, or in the environment.
pub fn find(file: Option<&PathBuf>) -> Result<SealKey, Failure> {
    match (file, std::env::var(VARIABLE)) {
        (Some(file), _) => Ok(SealKey::read(file)?),
        (None, Ok(pem)) => {
            let named = |error: Error| Failure::Failed(Some(format!("{VARIABLE}: {error}")));
            SealKey::from_pem(&pem).map_err(named)
        }
        (None, Err(_)) => Err(Failure::Usage(format!(
            "which key? Pass --key, or set {VARIABLE} to what is in such a file; `blotter key new` makes \
             one"
        ))),
    }
}
