//! `blotter prove` and `blotter verify-proof`: that one entry was sealed, shown to whoever has the public
//! key.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueHint};
use tradeblotter::audit::{Proof, PublicKey};
use uuid::Uuid;

use crate::{Database, Failure};

#[derive(Args)]
pub struct Prove {
    /// The entry of the log, by its id.
    #[arg(value_name = "LOG_ID")]
    id: Uuid,
    /// Write the proof to this file instead of standard output.
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,
}

#[derive(Args)]
pub struct VerifyProof {
    /// The proof, as `blotter prove` writes it.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// A key that the seal may be signed with; given once for each.
    #[arg(long = "public-key", value_name = "KEY", required = true)]
    public_keys: Vec<PublicKey>,
}

impl Prove {
    pub fn run(&self, database: &Database, out: &mut impl Write) -> Result<(), Failure> {
        let session = database.auditing()?;
        let json = session.snapshot(|tx| tx.seals().prove(self.id))?.to_json()?;
        match &self.output {
            None => Ok(writeln!(out, "{json}")?),
            Some(path) => fs::write(path, json + "\n")
                .map_err(|why| Failure::Failed(Some(format!("{}: {why}", path.display())))),
        }
    }
}

impl VerifyProof {
    pub fn run(&self, out: &mut impl Write) -> Result<(), Failure> {
        let failed = |why: &dyn std::fmt::Display| {
            Failure::Failed(Some(format!("{}: {why}", self.file.display())))
        };
        let text = fs::read_to_string(&self.file).map_err(|why| failed(&why))?;
        let proof = Proof::from_json(&text).map_err(|why| failed(&why))?;
        proof.verify(&self.public_keys).map_err(|why| failed(&why))?;
        let Proof { entry, seal, .. } = &proof;
        let log = &entry.log;
        writeln!(
            out,
            "entry {} of the log, {} of order {}",
            log.sequence, log.action, log.order_id
        )?;
        if let Some(fill) = &entry.fill {
            let what = if fill.is_bust { "bust" } else { "fill" };
            writeln!(
                out,
                "  with {what} {} of {} at {}",
                fill.id, fill.quantity_filled, fill.price_at_fill
            )?;
        }
        writeln!(out, "  is as it was sealed at {}, with seal {}", seal.sealed_at, seal.id)?;
        Ok(writeln!(out, "  signed with {}", seal.public_key)?)
    }
}
