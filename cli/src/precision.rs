//! `blotter precision`: shows or widens the decimal places of prices and commissions.

use std::io::Write;
use std::time::Instant;

use clap::Args;
use tradeblotter::{migrations, precision};

use crate::database::Database;
use crate::failure::Failure;

#[derive(Args)]
pub struct Precision {
    /// Decimal places to widen prices and commissions to, 2 to 10 [default: only show]
    #[arg(value_name = "SCALE", value_parser = clap::value_parser!(u8).range(2..=10))]
    scale: Option<u8>,
}

impl Precision {
    pub fn run(&self, database: &Database, out: &mut impl Write) -> Result<(), Failure> {
        let conn = &mut database.connect()?;
        migrations::require(conn)?;
        let kept = precision::get(conn)?;
        let Some(scale) = self.scale else {
            writeln!(out, "prices and commissions have {kept} decimal places")?;
            return Ok(());
        };
        let begun = Instant::now();
        precision::widen(conn, scale)?;
        if scale == kept {
            writeln!(
                out,
                "prices and commissions have {kept} decimal places already; nothing changed"
            )?;
        } else {
            let seconds = begun.elapsed().as_secs_f64();
            writeln!(
                out,
                "prices and commissions have {scale} decimal places now, {kept} before; orders and fills were \
                 rewritten in {seconds:.1} s; reconnect all clients"
            )?;
        }
        Ok(())
    }
}
