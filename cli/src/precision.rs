//! `blotter precision`: how fine prices are kept.

use std::io::Write;
use std::time::Instant;

use clap::Args;
use tradeblotter::{migrations, precision};

use crate::database::Database;
use crate::failure::Failure;

#[derive(Args)]
pub struct Precision {
    /// Widen the columns of money to so many decimal places.
    #[arg(value_name = "SCALE", value_parser = clap::value_parser!(u8).range(2..=10))]
    scale: Option<u8>,
}

impl Precision {
    pub fn run(&self, database: &Database, out: &mut impl Write) -> Result<(), Failure> {
        let conn = &mut database.connect()?;
        migrations::require(conn)?;
        let kept = precision::get(conn)?;
        let Some(scale) = self.scale else {
            writeln!(out, "prices and commissions are kept to {kept} decimal places")?;
            return Ok(());
        };
        let begun = Instant::now();
        precision::widen(conn, scale)?;
        if scale == kept {
            writeln!(out, "prices and commissions are kept to {kept} decimal places already")?;
        } else {
            let seconds = begun.elapsed().as_secs_f64();
            writeln!(
                out,
                "prices and commissions are kept to {scale} decimal places, {kept} before; orders and \
                 fills were locked and written anew in {seconds:.1} s, and clients have to connect anew"
            )?;
        }
        Ok(())
    }
}
