//! `blotter verify-proof`: checks a proof without a database.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueHint};
use tradeblotter::audit::{Proof, PublicKey};

use crate::failure::Failure;

#[derive(Args)]
pub struct VerifyProof {
    /// Proof file, as `blotter prove` writes it
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// Public key that the seal may be signed with, as `blotter key` prints it; may be repeated
    #[arg(long = "public-key", value_name = "KEY", required = true)]
    public_keys: Vec<PublicKey>,
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
            "valid: entry {} of the log, {} of order {}",
            log.sequence, log.action, log.order_id
        )?;
        if let Some(fill) = &entry.fill {
            let what = if fill.is_bust { "bust" } else { "fill" };
            writeln!(
                out,
                "  {what} {}: {} at {}",
                fill.id, fill.quantity_filled, fill.price_at_fill
            )?;
        }
        writeln!(out, "  sealed at {}, with seal {}", seal.sealed_at, seal.id)?;
        Ok(writeln!(out, "  signed with {}", seal.public_key)?)
    }
}
