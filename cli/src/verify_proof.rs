//! `blotter verify-proof`: checks a proof without a database.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueHint};
use serde_json::Value;
use tradeblotter::audit::{Proof, PublicKey};

use crate::failure::Failure;
use crate::terminal::Output;

#[derive(Args)]
pub struct VerifyProof {
    /// Proof file, as `blotter prove` writes it
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// Public key that the checkpoint may be signed with, as `blotter key` prints it; may be repeated
    #[arg(long = "public-key", value_name = "KEY", required = true)]
    public_keys: Vec<PublicKey>,
}

impl VerifyProof {
    pub fn run(&self, out: &mut Output) -> Result<(), Failure> {
        let failed = |why: &dyn std::fmt::Display| {
            Failure::Failed(Some(format!("{}: {why}", self.file.display())))
        };
        let text = fs::read_to_string(&self.file).map_err(|why| failed(&why))?;
        let proof: Proof = text.parse().map_err(|why| failed(&why))?;
        let key = proof.verify(&self.public_keys).map_err(|why| failed(&why))?;
        let record: Value = serde_json::from_str(proof.record()).map_err(|why| failed(&why))?;
        let head = proof.checkpoint().head();
        writeln!(out, "valid: record {} of {}", value(&record, "number"), head.origin)?;
        print(out, &record)?;
        writeln!(out, "sealed at {}, with seal {}", head.sealed_at, head.seal)?;
        Ok(writeln!(out, "signed with {key}")?)
    }
}

/// Prints each row of the record, with the fields that are not null.
fn print(out: &mut Output, record: &Value) -> Result<(), Failure> {
    for (name, row) in record.as_object().into_iter().flatten() {
        let Some(fields) = row.as_object() else { continue };
        writeln!(out, "{name}:")?;
        for (field, content) in fields.iter().filter(|(_, content)| !content.is_null()) {
            writeln!(out, "  {field}: {}", text(content))?;
        }
    }
    Ok(())
}

fn value(record: &Value, name: &str) -> String {
    record.get(name).map(text).unwrap_or_default()
}

/// Returns a value as text: a string without its quotation marks.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
