//! A trading day of our own making, as the log of a FIX 4.4 session and as NDJSON: the same bytes on
//! every machine. `cargo run --example trading_day -- cli/data` writes what is committed there,
//! `-- DIR ORDERS` a day of that many orders; `--clean` leaves out what is planted in it.

mod life;
mod message;
mod planted;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use life::{Life, Market};
use message::{Message, Queue};
pub use planted::PLANTED;

/// Orders of the day that is committed.
pub const ORDERS: u64 = 300;

// Moments are milliseconds since midnight, UTC.
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
        return Err(format!("{flag} is not known; there is only --clean").into());
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

/// What was written of a day.
#[derive(Default)]
pub struct Day {
    orders: u64,
    /// The last sequence number (34) of either way.
    sequences: [u64; 2],
    fix_lines: u64,
    ndjson_lines: u64,
    /// How many of each kind of event.
    pub events: BTreeMap<&'static str, u64>,
    /// What is planted where.
    pub planted: Vec<Planted>,
    resent: u64,
}

/// Where something is planted.
pub struct Planted {
    /// Which of [`PLANTED`] it is.
    pub which: usize,
    /// The line in `day.fix`, from 1.
    pub fix_line: u64,
    /// The line in `day.ndjson`, from 1.
    pub ndjson_line: u64,
    /// The venue's id of the order (37).
    pub order: String,
}

impl Day {
    /// Writes a day in both formats, as it goes: memory holds only what is still to come of the orders
    /// that have begun.
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
                day.put(message, &mut queue, fix, ndjson)?;
            }
            let mut life = Life::new(number, start, &mut market, &mut queue);
            life.wait(pace.max(1));
            match planted::at(number, orders).filter(|_| !is_clean) {
                Some(which) => life.planted(which),
                None => life.ordinary(),
            }
        }
        while let Some(message) = queue.pop_before(u64::MAX) {
            day.put(message, &mut queue, fix, ndjson)?;
        }
        Ok(day)
    }

    fn put(
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
        if let Some(which) = message.planted {
            self.planted.push(Planted {
                which,
                fix_line: self.fix_lines,
                ndjson_line: self.ndjson_lines,
                order: message.get(37).unwrap_or_default().to_owned(),
            });
        }
        message.again().into_iter().for_each(|again| queue.push(again));
        Ok(())
    }

    /// What there is to know of the day.
    pub fn readme(&self) -> String {
        let mut events = String::new();
        for (kind, count) in &self.events {
            events += &format!("| {kind} | {count} |\n");
        }
        let mut planted = match self.planted[..] {
            [] => "Nothing.\n",
            _ => {
                "| `day.fix` line | `day.ndjson` line | order (37) | breaks | what it is |\n\
                 |---|---|---|---|---|\n"
            }
        }
        .to_owned();
        for Planted { which, fix_line, ndjson_line, order } in &self.planted {
            let (breaks, why) = PLANTED[*which];
            planted += &format!("| {fix_line} | {ndjson_line} | {order} | {breaks} | {why} |\n");
        }
        let Self { orders, fix_lines, ndjson_lines, resent, .. } = self;
        format!(
            "# A trading day

Four traders, {orders} orders, on Tuesday 2026-11-24 from 14:30 to 21:00 UTC. Nothing of it has happened:
`cargo run --example trading_day -- cli/data` has made it, the same bytes each time, and writes this
file too. `-- DIR 100000` makes a longer day, and `--clean` leaves out what is planted.

- `day.fix`: the log of a FIX 4.4 session, {fix_lines} messages. Each line is a time, `>` for sent or `<` for
  received, and a message with SOH between its fields. A trader is the Account (1).
- `day.ndjson`: the same day as {ndjson_lines} events, with the keys of `Event` in `src/ingest/event.rs`; times
  in RFC 3339, numbers as strings. Logon, heartbeats and what only asks (35=F, G, H) are left out.

| event | how many |
|---|---|
{events}
Of all messages {resent} are resent: with PossDupFlag (43=Y) under their old sequence number, or with
PossResend (97=Y) under a new one. They change nothing, though some tell how an order no longer stands. The
commissions of one order in sixteen are a rate (13=1) and no amount. CumQty (14) and AvgPx (6) go over all
that has replaced an order; OrderID (37) stays. The answer to a status request has the ExecID (17) 0. The
orders that are still open at the end are good till cancelled (59=1).

## What is planted

{planted}"
        )
    }
}
