//! The options that say how to read execution reports and whose ids they have: those that `blotter ingest` and
//! `blotter breaks retry` share.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use chrono_tz::Tz;
use clap::{Args, ValueHint};
use tradeblotter::ingest::{Encoding, Options, ReadOptions, TraderTag};

use crate::arguments;
use crate::failure::Failure;

#[derive(Args)]
pub struct FeedOptions {
    /// FIX tags that hold the trader, by id or by name; for example 1 (Account)
    ///
    /// The first tag of the list that is present and not blank counts. A tag may be given as one of requests
    /// and one of reports: 1,49/56 is Account, or else SenderCompID of requests and TargetCompID of reports.
    #[arg(long, value_name = "TAGS", value_delimiter = ',')]
    trader_from: Vec<TraderTag>,
    /// Order ids and execution ids start again each trading day, in this time zone (IANA name; UTC if none is given)
    ///
    /// The trading day of a report is its TradeDate (tag 75), or else the day of its time. Without this option
    /// ids are unique for ever, and a report that uses one again is kept as a break.
    #[arg(long, value_name = "TIMEZONE", value_parser = arguments::time_zone)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "UTC")]
    daily_ids: Option<Tz>,
    /// CSV file of symbols to translate: theirs,ours on each line, without a header line
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    symbol_map: Option<PathBuf>,
    /// Encoding of text that is not UTF-8, for example windows-1251
    ///
    /// Without this option, and without MessageEncoding (tag 347), a report with other bytes in an id is kept as
    /// a break. UTF-16 with a byte order mark is recognised.
    #[arg(long, value_name = "LABEL", value_parser = arguments::encoding)]
    encoding: Option<&'static Encoding>,
    /// Accept messages of logs with printed separators whose BodyLength or CheckSum is wrong
    ///
    /// Without this option such a message is kept as a break, because text that contains the separator can forge
    /// fields.
    #[arg(long)]
    trust_unverified: bool,
}

impl FeedOptions {
    /// Returns these options for a writer, with the defaults for the others.
    pub fn options(&self) -> Result<Options, Failure> {
        Ok(Options {
            daily_ids: self.daily_ids,
            symbols: self.symbols()?,
            reading: ReadOptions {
                trader_from: self.trader_from.clone(),
                encoding: self.encoding,
                trust_unverified: self.trust_unverified,
            },
            ..Options::default()
        })
    }

    /// Reads the file of symbols. Returns the symbol to store for each of theirs; none without a file.
    fn symbols(&self) -> Result<HashMap<String, String>, Failure> {
        let Some(path) = &self.symbol_map else { return Ok(HashMap::new()) };
        read_symbols(path)
            .map_err(|why| Failure::Failed(Some(format!("{}: {why}", path.display()))))
    }
}

/// Reads pairs of symbols from a CSV file.
///
/// # Errors
///
/// What is wrong, with the line.
fn read_symbols(path: &Path) -> Result<HashMap<String, String>, String> {
    let mut reader = csv::ReaderBuilder::new();
    reader.has_headers(false).flexible(true).trim(csv::Trim::All);
    let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    let mut reader = reader.from_reader(text.as_bytes());
    let mut symbols = HashMap::new();
    for row in reader.records() {
        let row = row.map_err(|error| error.to_string())?;
        // The position of a row is that of the blank lines before it.
        let begin = row.position().map_or(0, |position| position.byte() as usize);
        let blank = text[begin..].len() - text[begin..].trim_start().len();
        let line = 1 + text[..begin + blank].matches('\n').count();
        let failed = |why: String| Err(format!("line {line}: {why}"));
        let (theirs, ours) = match row.iter().collect::<Vec<_>>()[..] {
            [theirs, ours] if !theirs.is_empty() && !ours.is_empty() => (theirs, ours),
            [_, _] => return failed("a symbol is empty; write theirs,ours".to_owned()),
            ref values => {
                let values = crate::output::counted(values.len() as u64, "value", "values");
                return failed(format!("has {values}; write theirs,ours"));
            }
        };
        match symbols.insert(theirs.to_owned(), ours.to_owned()) {
            Some(before) if before != ours => {
                return failed(format!(
                    "{theirs:?} is {before:?} on an earlier line, and {ours:?} here"
                ));
            }
            _ => {}
        }
    }
    Ok(symbols)
}
