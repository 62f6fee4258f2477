//! `blotter expire`: cancels the orders whose expiry time has come.

use std::io::Write;

use chrono::{DateTime, Utc};
use clap::Args;

use crate::arguments;
use crate::database::Database;
use crate::failure::Failure;
use crate::terminal::Output;

/// Orders cancelled in one transaction: few, so that none is locked for long.
const BATCH: u16 = 200;

#[derive(Args)]
pub struct Expire {
    /// Cancel orders that expire at or before this time (RFC 3339, or YYYY-MM-DD for midnight UTC)
    /// [default: now]
    #[arg(long, value_name = "TIME", value_parser = arguments::moment)]
    at: Option<DateTime<Utc>>,
    /// Cancel at most this many orders [default: no limit]
    #[arg(long, value_name = "N", default_value_t = u32::MAX, hide_default_value = true)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

impl Expire {
    pub fn run(&self, database: &Database, out: &mut Output) -> Result<(), Failure> {
        let engine = database.engine()?;
        let at = self.at.unwrap_or_else(Utc::now);
        let mut left = self.limit;
        while left > 0 {
            let batch = u16::try_from(left).unwrap_or(BATCH).min(BATCH);
            let ended = engine.transaction(|tx| tx.orders().expire_due(at, batch))?;
            for order in &ended {
                // Committed already, so a closed output must not stop the command.
                let _ = writeln!(out, "{order}");
            }
            if ended.len() < usize::from(batch) {
                break;
            }
            left -= u32::from(batch);
        }
        Ok(())
    }
}
