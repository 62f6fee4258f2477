//! Measures how fast FIX execution reports are read: from bytes in memory to events, in one thread.
//!
//! The reports are as brokers send them, of about 370 bytes and 37 fields, about orders that are acknowledged,
//! partially filled and cancelled. Their body lengths and checksums are correct and are verified. The fastest of
//! several rounds counts, because other load on the machine only makes a round slower.
//!
//! Exits with 1 if FIX with its SOH separators is read at less than 500 MB/s.
//!
//! `cargo bench --bench reader -- --quick` takes a quick look.

mod fix;

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use tradeblotter::ingest::{FixReader, Format, Reader};

/// Least speed for FIX with SOH separators, in MB/s.
const MIN_SPEED: f64 = 500.0;

/// Events of a batch.
const BATCH: usize = 1024;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<ExitCode> {
    let is_quick = std::env::args().any(|argument| argument == "--quick");
    let (reports, rounds) = if is_quick { (50_000, 5) } else { (100_000, 40) };
    println!("{reports} reports, the fastest of {rounds} rounds\n");
    println!(
        "{:<12} {:>9} {:>8} {:>14} {:>12}",
        "format", "bytes", "MB/s", "reports/s", "ns/report"
    );
    let mut is_met = true;
    for (name, separator) in [("fix, SOH", "\x01"), ("fix, |", "|"), ("fix, ^A", "^A")] {
        let input = fix::reports(reports, separator);
        let time = fastest(&input, reports, rounds, FixReader::default)?;
        let speed = input.len() as f64 / time.as_secs_f64() / 1e6;
        let rate = f64::from(reports) / time.as_secs_f64();
        let each = time.as_nanos() as f64 / f64::from(reports);
        println!(
            "{name:<12} {:>9} {speed:>8.0} {rate:>14.0} {each:>12.0}",
            input.len() as u32 / reports
        );
        is_met &= separator != "\x01" || speed >= MIN_SPEED;
    }
    Ok(if is_met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Returns the duration of the fastest round; fails if a round does not read every report without a note.
fn fastest<F: Format>(
    input: &[u8],
    reports: u32,
    rounds: usize,
    format: impl Fn() -> F,
) -> Outcome<Duration> {
    let mut fastest = Duration::MAX;
    for _ in 0..rounds {
        let begin = Instant::now();
        let mut reader = Reader::new(input, format());
        let mut events = 0;
        while let Some(batch) = reader.batch(BATCH)? {
            events += batch.events.iter().filter(|event| event.note.is_none()).count();
        }
        fastest = fastest.min(begin.elapsed());
        if events != reports as usize {
            return Err(format!("{events} of {reports} reports were read").into());
        }
    }
    Ok(fastest)
}
