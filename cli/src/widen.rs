//! `blotter widen`: widens the columns of prices, of symbols, or both.

use std::io::Write;
use std::time::Instant;

use clap::Args;
use tradeblotter::migrations;
use tradeblotter::widths::{self, Widening};

use crate::database::Database;
use crate::failure::Failure;
use crate::terminal::Output;

#[derive(Args)]
#[group(required = true, multiple = true)]
pub struct Widen {
    /// Decimal places of prices and commissions, 2 to 10 [default: as they are; 2 after the migrations]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(2..=10))]
    prices: Option<u8>,
    /// Characters that a symbol may have, 10 to 64 [default: as it is; 10 after the migrations]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(10..=64))]
    symbols: Option<u16>,
}

impl Widen {
    pub fn run(&self, database: &Database, out: &mut Output) -> Result<(), Failure> {
        let conn = &mut database.connect()?;
        migrations::require(conn)?;
        let before = widths::get(conn)?;
        let begun = Instant::now();
        widths::widen(conn, Widening { prices: self.prices, symbols: self.symbols })?;
        let seconds = begun.elapsed().as_secs_f64();
        let now = widths::get(conn)?;
        if self.prices.is_some() {
            let what = "prices and commissions have";
            if now.prices == before.prices {
                writeln!(out, "{what} {} decimal places already; nothing changed", now.prices)?;
            } else {
                writeln!(
                    out,
                    "{what} {} decimal places now, {} before; orders and fills were rewritten in {seconds:.1} s",
                    now.prices, before.prices
                )?;
            }
        }
        if self.symbols.is_some() {
            let what = "symbols have up to";
            if now.symbols == before.symbols {
                writeln!(out, "{what} {} characters already; nothing changed", now.symbols)?;
            } else {
                writeln!(out, "{what} {} characters now, {} before", now.symbols, before.symbols)?;
            }
        }
        Ok(())
    }
}
