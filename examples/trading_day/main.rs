//! Generates a synthetic trading day, as the log of a FIX 4.4 session and as NDJSON: the same bytes on every
//! machine.
//!
//! `cargo run --example trading_day -- cli/data` writes the files that are committed there. `-- DIR ORDERS` writes
//! a day with another number of orders, and `--clean` omits the planted anomalies.

mod anomalies;
mod lifecycle;
mod message;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

pub use anomalies::ANOMALIES;
use lifecycle::{Lifecycle, Market};
use message::{Message, Queue};

/// Orders of the committed day.
pub const ORDERS: u64 = 300;

// Times are in milliseconds since midnight, UTC.
const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const OPEN: u64 = (14 * 60 + 30) * MINUTE;
const LAST_ORDER: u64 = (20 * 60 + 30) * MINUTE;
const CLOSE: u64 = 21 * 60 * MINUTE;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (flags, plain): (Vec<_>, Vec<_>) =
        std::env::args().skip(1).partition(|arg| arg.starts_with('-'));
    let (dir, orders) = match &plain[..] {
        [dir] => (Path::new(dir), ORDERS),
        [dir, orders] => (Path::new(dir), orders.parse()?),
        _ => return Err("usage: trading_day [--clean] DIR [ORDERS]".into()),
    };
    if let Some(flag) = flags.iter().find(|flag| *flag != "--clean") {
        return Err(format!("unknown option {flag}; the only one is --clean").into());
    }
    fs::create_dir_all(dir)?;
    let mut fix = BufWriter::new(File::create(dir.join("day.fix"))?);
    let mut ndjson = BufWriter::new(File::create(dir.join("day.ndjson"))?);
    let day = Day::write(orders, !flags.is_empty(), &mut fix, &mut ndjson)?;
    fix.flush()?;
    ndjson.flush()?;
    fs::write(dir.join("README.md"), day.readme())?;
    Ok(())
}

/// Counts of what was written of a day.
#[derive(Default)]
pub struct Day {
    orders: u64,
    /// The last sequence number (34) of messages sent and received.
    sequences: [u64; 2],
    fix_lines: u64,
    ndjson_lines: u64,
    /// Number of events of each kind.
    pub events: BTreeMap<&'static str, u64>,
    /// The anomalies, in the order of the file.
    pub anomalies: Vec<PlantedAnomaly>,
    resent: u64,
}

/// The place of an anomaly.
pub struct PlantedAnomaly {
    /// Index in [`ANOMALIES`].
    pub index: usize,
    /// Line in `day.fix`, from 1.
    pub fix_line: u64,
    /// Line in `day.ndjson`, from 1.
    pub ndjson_line: u64,
    /// The venue's id of the order (37).
    pub order: String,
}

impl Day {
    /// Writes a day in both formats. Memory holds only the pending messages of orders that have begun.
    ///
    /// # Errors
    ///
    /// Those of the two outputs.
    pub fn write(
        orders: u64,
        is_clean: bool,
        fix: &mut dyn Write,
        ndjson: &mut dyn Write,
    ) -> io::Result<Self> {
        let mut day = Self { orders, ..Self::default() };
        let mut market = Market::new();
        let mut queue = Queue::default();
        queue.push_session();
        let pace = (LAST_ORDER - OPEN) / orders.max(1);
        for number in 0..orders {
            let start = OPEN + SECOND + number * pace;
            while let Some(message) = queue.pop_before(start) {
                day.write_message(message, &mut queue, fix, ndjson)?;
            }
            let mut lifecycle = Lifecycle::new(number, start, &mut market, &mut queue);
            lifecycle.wait(pace.max(1));
            match anomalies::at(number, orders).filter(|_| !is_clean) {
                Some(anomaly) => lifecycle.with_anomaly(anomaly),
                None => lifecycle.ordinary(),
            }
        }
        while let Some(message) = queue.pop_before(u64::MAX) {
            day.write_message(message, &mut queue, fix, ndjson)?;
        }
        Ok(day)
    }

    fn write_message(
        &mut self,
        mut message: Message,
        queue: &mut Queue,
        fix: &mut dyn Write,
        ndjson: &mut dyn Write,
    ) -> io::Result<()> {
        if !message.is_duplicate() {
            let sequence = &mut self.sequences[message.way as usize];
            *sequence += 1;
            message.sequence = *sequence;
        }
        fix.write_all(message.fix().as_bytes())?;
        self.fix_lines += 1;
        if let Some((kind, json)) = message.ndjson() {
            ndjson.write_all(json.as_bytes())?;
            self.ndjson_lines += 1;
            *self.events.entry(kind).or_default() += 1;
        }
        self.resent += u64::from(message.resent.is_some());
        if let Some(index) = message.anomaly {
            self.anomalies.push(PlantedAnomaly {
                index,
                fix_line: self.fix_lines,
                ndjson_line: self.ndjson_lines,
                order: message.get(37).unwrap_or_default().to_owned(),
            });
        }
        message.into_resend().into_iter().for_each(|resend| queue.push(resend));
        Ok(())
    }

    /// Returns the README that is written beside the files.
    pub fn readme(&self) -> String {
        let mut events = String::new();
        for (kind, count) in &self.events {
            events += &format!("| {kind} | {count} |\n");
        }
        let mut anomalies = match self.anomalies[..] {
            [] => "None.\n",
            _ => {
                "| `day.fix` line | `day.ndjson` line | order (37) | breaks | description |\n\
                 |---|---|---|---|---|\n"
            }
        }
        .to_owned();
        for PlantedAnomaly { index, fix_line, ndjson_line, order } in &self.anomalies {
            let (breaks, description) = ANOMALIES[*index];
            anomalies +=
                &format!("| {fix_line} | {ndjson_line} | {order} | {breaks} | {description} |\n");
        }
        let Self { orders, fix_lines, ndjson_lines, resent, .. } = self;
        format!(
            "# A trading day

A synthetic day: four traders and {orders} orders on Tuesday 2026-11-24, from 14:30 to 21:00 UTC.
`cargo run --example trading_day -- cli/data` generates these files, this README included, with the same bytes
each time. `-- DIR 100000` generates a day of 100,000 orders, and `--clean` one without anomalies.

- `day.fix`: the log of a FIX 4.4 session with {fix_lines} messages. Each line is a time, `>` for sent or `<` for
  received, and a message with SOH between its fields. The trader is the Account (1).
- `day.ndjson`: the same day as {ndjson_lines} events, with the keys of `Event` in `src/ingest/event.rs`; times
  in RFC 3339, numbers as strings. Session messages and mere requests (35=F, G, H) are left out.

| event | count |
|---|---|
{events}
{resent} messages are resent: with PossDupFlag (43=Y) and the old sequence number, or with PossResend (97=Y) and
a new one. They have no effect, although some report a status that the order no longer has. One order in sixteen
has its commission as a rate (13=1) instead of an amount. CumQty (14) and AvgPx (6) are over the order chain, and
OrderID (37) stays the same in it. The answer to a status request has the ExecID (17) 0. The orders that are
still open at the end are good till cancelled (59=1).

## Planted anomalies

{anomalies}"
        )
    }
}
