//! Reading from a stream: no input makes a reader panic, and the result does not depend on its chunks.

use std::io::{self, Read};

use proptest::prelude::*;
use tradeblotter::ingest::{FixReader, Format, Malformed, Reader};

use tradeblotter_test_support::{check, fix_by_account};

use super::{FILL, wire};

/// A reader that returns at most this many bytes at a time.
struct Trickle<'a>(&'a [u8], usize);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.1.min(buffer.len()).min(self.0.len());
        let (now, later) = self.0.split_at(length);
        buffer[..length].copy_from_slice(now);
        self.0 = later;
        Ok(length)
    }
}

/// Everything that is read of a stream, the events as text.
fn read_stream(input: impl Read, format: impl Format) -> (Vec<String>, Vec<Malformed>, u64) {
    let mut reader = Reader::new(input, format);
    let (mut events, mut malformed, mut bytes) = (Vec::new(), Vec::new(), 0);
    while let Some(batch) = reader.batch(2).unwrap() {
        events.extend(batch.events.iter().map(|event| format!("{event:?}")));
        malformed.extend(batch.malformed);
        bytes += batch.bytes;
    }
    (events, malformed, bytes)
}

/// A log of a few messages with other text around and in them, and one message for each kind of defect.
fn log() -> Vec<u8> {
    let (fill, new) = (wire(FILL), wire("35=8|37=2|150=0|39=0|58=8=FIX.4.4|"));
    let mut log = format!("14:30 in {fill}{new}\n\n{}\n", new.replace('\x01', "|")).into_bytes();
    log.extend(
        format!("{} end\r\n{}", fill.replace('\x01', "^A"), fill.replace("AAPL", "X")).bytes(),
    );
    log.extend(format!("{}{}\n", &fill[..90], fill.replace('\x01', " | ")).bytes());
    log.extend(format!("{}\n8=FIX.4.4|9=99999|35=8|\n{new}", wire("35=0|")).bytes());
    log
}

#[test]
fn the_events_do_not_depend_on_how_the_input_is_chunked() {
    let log = log();
    let whole = read_stream(&log[..], FixReader::default());
    assert_eq!((whole.0.len(), whole.1.len(), whole.2), (9, 0, log.len() as u64));
    for step in 1..200 {
        assert_eq!(read_stream(Trickle(&log, step), FixReader::default()), whole, "{step}");
    }
}

#[test]
fn a_unit_that_is_too_long_is_skipped_however_the_input_is_chunked() {
    let long = format!("{}\n{}\n{}", wire(FILL), "x".repeat(300_000), wire(FILL));
    for step in [1000, 70_000, 1 << 20] {
        let (events, malformed, bytes) =
            read_stream(Trickle(long.as_bytes(), step), FixReader::default());
        assert_eq!((events.len(), malformed.len(), bytes), (2, 1, long.len() as u64), "{step}");
        assert_eq!(malformed[0].line, 2);
        assert!(events[1].contains("line: 3,"), "{}", events[1]);
    }
}

#[test]
fn no_input_makes_the_reader_panic_or_miscount_its_bytes() {
    let hostile = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..400),
        "(8=FIX[T.4]{0,4}|[0-9]{1,3}=|[|\x01;^A \n=0-9.A-]{1,4}|9=[0-9]{1,20}|10=[0-9]{3}|35=[8DFn]|95=[0-9]{1,20}|96=|<SOH>|u0001|\u{e9}|150=F|32=1e[0-9]){0,40}"
            .prop_map(String::into_bytes),
    ];
    check(500, (hostile, 1usize..9), |(bytes, step)| {
        let whole = read_stream(&bytes[..], fix_by_account());
        prop_assert_eq!(whole.2, bytes.len() as u64);
        prop_assert_eq!(read_stream(Trickle(&bytes, step), fix_by_account()), whole);
        Ok(())
    });
}

#[test]
fn no_change_of_a_log_makes_the_reader_panic() {
    let log = log();
    let edits = prop::collection::vec(
        (0..log.len(), 0usize..3, prop_oneof![any::<u8>(), Just(1), Just(b'|')]),
        1..6,
    );
    check(500, (edits, 1usize..50), |(edits, step)| {
        let mut bytes = log.clone();
        for (at, edit, byte) in edits {
            let at = at.min(bytes.len() - 1);
            match edit {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        let whole = read_stream(&bytes[..], FixReader::default());
        prop_assert_eq!(whole.2, bytes.len() as u64);
        prop_assert_eq!(read_stream(Trickle(&bytes, step), FixReader::default()), whole);
        Ok(())
    });
}

#[test]
fn a_trailer_within_a_message_of_a_log_comes_to_the_same_however_the_input_is_chunked() {
    let message = wire(&FILL.replacen("34=7|", "34=7|10=123|", 1));
    for separator in ["|", "^A", "<SOH>"] {
        let log = message.replace('\x01', separator) + "\n";
        let whole = read_stream(log.as_bytes(), FixReader::default());
        for step in 1..log.len() {
            let read = read_stream(Trickle(log.as_bytes(), step), FixReader::default());
            assert_eq!(read, whole, "{separator} in steps of {step}");
        }
    }
}
