//! Fuzz targets for the formats of reports, and the properties that hold for every format and all bytes.
//!
//! To run a target (`alpaca`, `csv`, `fix` or `ndjson`) from the top folder of the repository, with
//! cargo-fuzz installed (`cargo install cargo-fuzz`):
//!
//! ```console
//! $ cargo +nightly fuzz run fix
//! $ cargo +nightly fuzz run fix -- -max_total_time=600
//! ```
//!
//! Without cargo-fuzz, `cargo check --manifest-path fuzz/Cargo.toml` checks that the targets build. CI checks
//! just that; it does not run them.
//!
//! A target is a file in `fuzz_targets/`, with a `[[bin]]` in `Cargo.toml` and its seeds in
//! `corpus/<target>/`.

use std::io::{self, Read};

use tradeblotter::ingest::{Format, Malformed, Reader};

/// What was read: the events as text, and the malformed reports.
type Output = (Vec<String>, Vec<Malformed>);

/// Reads the bytes at once and again a few at a time, and panics if a property of readers does not hold:
///
/// - every byte is counted once;
/// - events and malformed reports are in the sequence of their lines, and no line is after the last one;
/// - the result does not depend on how many bytes arrive at a time.
pub fn read_all<F: Format>(format: impl Fn() -> F, data: &[u8]) {
    let whole = read(format(), data, data);
    let step = usize::from(data.first().copied().unwrap_or_default()) % 7 + 1;
    assert_eq!(whole, read(format(), Trickle { data, step }, data), "in steps of {step}");
}

fn read<F: Format>(format: F, input: impl Read, data: &[u8]) -> Output {
    let last = 1 + data.iter().filter(|byte| **byte == b'\n').count() as u64;
    let mut reader = Reader::new(input, format);
    let (mut events, mut malformed, mut bytes, mut line) = (Vec::new(), Vec::new(), 0, 1);
    while let Some(batch) = reader.batch(3).expect("bytes in memory can be read") {
        bytes += batch.bytes;
        for event in batch.events {
            assert!(event.line >= line && event.line <= last, "{event:?} after line {line}");
            line = event.line;
            events.push(format!("{event:?}"));
        }
        malformed.extend(batch.malformed);
    }
    assert_eq!(bytes, data.len() as u64);
    assert!(malformed.is_sorted_by_key(|malformed| malformed.line), "{malformed:?}");
    assert!(malformed.iter().all(|malformed| (1..=last).contains(&malformed.line)));
    (events, malformed)
}

/// An input that gives at most `step` bytes at a time.
struct Trickle<'a> {
    data: &'a [u8],
    step: usize,
}

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.step.min(buffer.len()).min(self.data.len());
        let (now, later) = self.data.split_at(length);
        buffer[..length].copy_from_slice(now);
        self.data = later;
        Ok(length)
    }
}
