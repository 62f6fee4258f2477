//! `blotter rebuild`: derives every order again, beside what the database has derived.

use std::io::Write;

use clap::Args;
use tradeblotter::{Difference, DifferingOrder};

use crate::database::Database;
use crate::failure::Failure;

#[derive(Args)]
pub struct Rebuild {
    /// Say what differs, and change nothing: what is stored is only ever derived by the database.
    #[arg(long, required = true)]
    check: bool,
}

impl Rebuild {
    pub fn run(&self, database: &Database, out: &mut impl Write) -> Result<(), Failure> {
        let session = database.reader(None)?;
        let mut all_well = true;
        let mut after = None;
        loop {
            let rebuilt = session.snapshot(|tx| tx.orders().rebuild(after))?;
            all_well &= rebuilt.differing.is_empty();
            for DifferingOrder { order_id, differences } in &rebuilt.differing {
                for Difference { field, stored, other } in differences {
                    // The check has failed, whether or not anybody reads why.
                    let _ = writeln!(out, "order {order_id}: {field} is {stored} and not {other}");
                }
            }
            after = rebuilt.next;
            if after.is_none() {
                break;
            }
        }
        if all_well { Ok(()) } else { Err(Failure::Failed(None)) }
    }
}
