//! `blotter checkpoint`: prints the last checkpoint, for witnesses and public tools.

use clap::Args;

use crate::database::Database;
use crate::failure::Failure;
use crate::terminal::Output;

#[derive(Args)]
pub struct Checkpoint {
    /// Print the request that asks a witness to cosign the checkpoint, with the proof that the tree has only grown
    /// since it had this many records: the size in the last checkpoint that the witness has seen, or 0 [default:
    /// the checkpoint alone]
    #[arg(long, value_name = "SIZE")]
    old_size: Option<u64>,
}

impl Checkpoint {
    pub fn run(&self, database: &Database, out: &mut Output) -> Result<(), Failure> {
        let session = database.auditing()?;
        match self.old_size {
            Some(size) => {
                let proof = session.snapshot(|tx| tx.seals().prove_consistency(size))?;
                write!(out.data(), "{proof}")?;
            }
            None => {
                let last = session.snapshot(|tx| tx.seals().last())?;
                let last =
                    last.ok_or_else(|| Failure::Failed(Some("nothing is sealed yet".to_owned())))?;
                write!(out.data(), "{}", last.checkpoint())?;
            }
        }
        Ok(())
    }
}
