//! Fuzz targets for the formats of reports and for the plan of ingest, and the properties that hold for every format
//! and all bytes.
//!
//! | target | input | checks |
//! |---|---|---|
//! | `alpaca`, `csv`, `fix`, `ndjson` | bytes of the format | [`read_all`] |
//! | `plan` | a byte that chooses the format and the options, then bytes of that format | `simulation.rs` of `ingest`: the reports are planned as for a store, with a small model in place of the database |
//!
//! To run a target for ten minutes from the top folder of the repository, with cargo-fuzz installed
//! (`cargo install cargo-fuzz`):
//!
//! ```console
//! $ cargo +nightly fuzz run plan -- -max_total_time=600 -timeout=10 -rss_limit_mb=2048
//! ```
//!
//! The stable compiler does too, without the address sanitizer, which finds little in a library without `unsafe`:
//! `RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none plan`.
//!
//! A run adds what it finds to `corpus/<target>/`. Git ignores files without an extension there. To make the
//! committed corpus anew, merge both into an empty folder, with edges alone so that it stays small, and give the files
//! an extension:
//!
//! ```console
//! $ cargo +nightly fuzz run plan corpus/new fuzz/corpus/plan -- -merge=1 -use_counters=0
//! ```
//!
//! An input that fails is a file in `artifacts/<target>/`. Its fault gets a test of its own, and the file, with an
//! extension, a place in the corpus.
//!
//! Without cargo-fuzz, `RUSTFLAGS='--cfg fuzzing' cargo check --manifest-path fuzz/Cargo.toml` checks that the targets
//! build. CI checks just that. The tests of the library read the committed corpora too: they plan that of `plan`, and
//! apply all of them to a database (`tests/store/ingest/conservation.rs`).
//!
//! A target is a file in `fuzz_targets/`, with a `[[bin]]` in `Cargo.toml` and its corpus in `corpus/<target>/`.

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
