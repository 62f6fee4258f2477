//! Conservation: whatever the reports are, each is counted once, and each execution in them is a fill of the store or a
//! break with its message.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use tradeblotter::Break;
use tradeblotter::ingest::{AnyFormat, FormatName, Ndjson, Options, ReadOptions, Tally};

use super::days::{Kinds, Network, Report, Session, Venue, lies, networks, steps};
use super::runs::{Store, check_many, options, read, read_bytes, read_format, with_messages};

/// The printable form of a message, as a break keeps it.
fn printable(message: &str) -> String {
    message.trim_end().replace('\u{1}', "|")
}

fn check_tally(tally: &Tally) -> Result<(), TestCaseError> {
    let Tally { reports, applied, known, without_effect, broken, .. } = tally;
    prop_assert_eq!(*reports, applied + known + without_effect + broken, "{:?}", tally);
    Ok(())
}

/// Whether a report states an execution: by ExecType (150).
fn is_execution(report: &Report) -> bool {
    report.get(35) == Some("8") && matches!(report.get(150), Some("F" | "G" | "H"))
}

/// Asserts that the execution of a report is stored: as a fill with its id and content, or as a break with its message.
fn check_stored(store: &Store, report: &Report, message: &str) -> Result<(), TestCaseError> {
    let contents = store.db.contents();
    let id = report.get(17).filter(|id| !id.is_empty());
    let is_fill = contents.fills.iter().any(|fill| {
        let has_content = report.get(150) == Some("H")
            || report.get(32) == Some(&fill.quantity_filled.to_string())
                && report.get(31).is_some_and(|price| fill.price_at_fill.to_string() == *price);
        fill.execution_id.as_deref() == id && has_content
    });
    let raw = printable(message);
    let is_break = contents.breaks.iter().any(|kept| {
        let same = |other: &str| printable(other) == raw;
        // Of several messages of one execution, the break keeps the first.
        let has_id = id.is_some() && kept.execution_id.as_deref() == id;
        kept.raw.as_deref().is_some_and(same) || has_id && kept.raw.is_some()
    });
    prop_assert!(is_fill || is_break, "lost: {}", raw);
    Ok(())
}

#[test]
fn every_execution_of_a_hostile_day_is_a_fill_or_a_break_with_its_message() {
    let kinds = Kinds { next_days: true, replacements: true, strangers: true, without_ids: true };
    let inputs = (steps(kinds, 20), lies(), networks(true), any::<bool>(), 1_usize..30);
    let store = Store::new();
    check_many(16, inputs, |(steps, lies, network, daily_ids, batch)| {
        let mut venue = Venue::play(&steps);
        venue.lie(&lies);
        let messages = network.carry(&venue.reports);
        let tally = read(&store.cleared().blotter, &options(daily_ids), &messages, batch);
        let check = || {
            check_tally(&tally)?;
            prop_assert_eq!(tally.reports, messages.len() as u64);
            for (at, report) in venue.reports.iter().enumerate() {
                if is_execution(report) {
                    check_stored(&store, report, &report.sent_by(Session::Own, at + 1))?;
                }
            }
            Ok(())
        };
        with_messages(check(), &messages)
    });
}

#[test]
fn every_execution_of_a_day_that_is_late_or_of_nobody_counts_once() {
    let kinds = Kinds { next_days: false, replacements: false, strangers: true, without_ids: true };
    let inputs = (steps(kinds, 20), networks(true), 1_usize..30);
    let store = Store::new();
    check_many(16, inputs, |(steps, network, batch)| {
        let venue = Venue::play(&steps);
        let messages = network.carry(&venue.reports);
        let tally = read(&store.cleared().blotter, &options(false), &messages, batch);
        let contents = store.db.contents();
        let resolved: BTreeSet<_> =
            contents.resolutions.iter().map(|resolution| resolution.break_id).collect();
        let open = contents.breaks.iter().filter(|kept| !resolved.contains(&kept.id));
        // Without a trader, nothing tells that two sessions mean the same execution.
        let open: BTreeSet<String> = open
            .filter(|kept| kept.reason.is_execution())
            .map(|kept| match (&kept.execution_id, kept.trader_id) {
                (Some(id), None) => id.clone(),
                _ => kept.id.to_string(),
            })
            .collect();
        // The venue gives each report an id of its own.
        let executions = venue.reports.iter().filter(|report| is_execution(report)).count();
        let check = || {
            check_tally(&tally)?;
            prop_assert_eq!(contents.fills.len() + open.len(), executions);
            Ok(())
        };
        with_messages(check(), &messages)
    });
}

/// What damages a message on its way, at this place.
#[derive(Clone, Copy, Debug)]
enum Damage {
    CutOff,
    NotUtf8,
    Nul,
    Lost,
}

/// The execution ids of all fills, busts and corrections in an input, as a person would search for them: in lines that
/// begin a message and have both fields whole.
fn found_ids(input: &[u8]) -> BTreeSet<String> {
    let lines = input.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"8=FIX"));
    let texts = lines.map(|line| String::from_utf8_lossy(line).replace('\u{1}', "|"));
    texts
        // If the end of a message was lost, the next one follows on its line, and is read.
        .filter_map(|line| line.rsplit_once("8=FIX").map(|(_, last)| last.to_owned()))
        .filter(|line| {
            let is_report = line.contains("|35=8|");
            let types = ["|150=F|", "|150=G|", "|150=H|"];
            is_report && types.iter().any(|kind| line.contains(kind))
        })
        .filter_map(|line| {
            let (_, rest) = line.split_once("|17=")?;
            let (id, _) = rest.split_once('|')?;
            let is_plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric());
            (is_plain && !id.is_empty()).then(|| id.to_owned())
        })
        .collect()
}

#[test]
fn damaged_messages_are_counted_and_their_executions_are_breaks() {
    let kinds =
        Kinds { next_days: false, replacements: true, strangers: false, without_ids: false };
    let damage = prop_oneof![
        Just(Damage::CutOff),
        Just(Damage::NotUtf8),
        Just(Damage::Nul),
        Just(Damage::Lost),
    ];
    let damages = vec((0_usize..20, damage, 0_usize..400), 1..4);
    let store = Store::new();
    check_many(16, (steps(kinds, 12), damages, 1_usize..30), |(steps, damages, batch)| {
        let reports = Venue::play(&steps).reports;
        let mut messages: Vec<Vec<u8>> =
            Network::default().carry(&reports).into_iter().map(String::into_bytes).collect();
        let count = messages.len();
        for (which, damage, place) in damages.iter().filter(|_| count > 0) {
            let message = &mut messages[which % count];
            if message.len() < 60 {
                continue;
            }
            // After the header, so that it is still a message.
            let place = 40 + place % (message.len() - 45);
            match damage {
                Damage::CutOff => message.truncate(place),
                Damage::NotUtf8 => message[place] = 0xff,
                Damage::Nul => message[place] = 0,
                Damage::Lost => drop(message.remove(place)),
            }
        }
        let input = messages.concat();
        let ids: BTreeSet<String> = found_ids(&input);
        let tally = read_bytes(&store.cleared().blotter, &options(false), &input, batch);
        let contents = store.db.contents();
        let check = || {
            check_tally(&tally)?;
            for id in &ids {
                let is_fill =
                    contents.fills.iter().any(|fill| fill.execution_id.as_ref() == Some(id));
                let is_in = |kept: &Break| {
                    let raw = kept.raw.as_deref().map(printable).unwrap_or_default();
                    raw.contains(&format!("|17={id}|"))
                };
                prop_assert!(is_fill || contents.breaks.iter().any(is_in), "lost: {}", id);
            }
            Ok(())
        };
        with_messages(check(), &[String::from_utf8_lossy(&input).into_owned()])
    });
}

/// A report of each kind about the order A, with these fields; another value in place of that of a base field.
fn reports_of_all_kinds(fields: &[(&str, &str)]) -> String {
    let kinds = [
        "new_order",
        "acknowledged",
        "approved",
        "routed",
        "fill",
        "bust",
        "correct",
        "cancelled",
        "rejected",
        "replaced",
        "restated",
        "expired",
        "cancel_rejected",
        "recovered",
        "pending_new",
        "status",
        "break",
        "booked",
        "dismissed",
    ];
    let base = [
        ("trader", "ada"),
        ("client_order_id", "A"),
        ("symbol", "ACME"),
        ("side", "BUY"),
        ("order_type", "LIMIT"),
        ("quantity", "100"),
        ("price", "10.00"),
        ("last_quantity", "10"),
        ("last_price", "10.00"),
        ("refers_to", "E4"),
        ("cumulative_quantity", "10"),
    ];
    let mut lines = String::new();
    for (number, kind) in kinds.iter().enumerate() {
        let at = format!("2026-11-24T15:00:{number:02}Z");
        let execution_id = format!("E{number}");
        let own = [("kind", *kind), ("at", at.as_str()), ("execution_id", execution_id.as_str())];
        let all: BTreeMap<&str, &str> =
            own.into_iter().chain(base).chain(fields.iter().copied()).collect();
        let all: Vec<_> =
            all.iter().map(|(name, value)| format!("\"{name}\":\"{value}\"")).collect();
        lines.push_str(&format!("{{{}}}\n", all.join(",")));
    }
    lines
}

#[test]
fn every_report_with_a_text_or_a_number_that_no_column_can_hold_is_counted() {
    let texts = [
        "trader",
        "trader_name",
        "account",
        "client_order_id",
        "original_client_order_id",
        "venue_order_id",
        "replaces_venue_order_id",
        "symbol",
        "execution_id",
        "refers_to",
        "venue",
        "source",
        "currency",
        "reason",
        "error_code",
        "raw",
    ];
    let long = "x".repeat(70_000);
    let values = [" ", "a\\u0000b", "a\\u0001b", &long];
    let numbers = [
        "quantity",
        "price",
        "limit_price",
        "stop_loss",
        "take_profit",
        "last_quantity",
        "last_price",
        "commission",
        "rebate",
        "cumulative_quantity",
        "average_price",
    ];
    let (digits, fraction) = ("9".repeat(42), format!("10.{}", "3".repeat(39)));
    let amounts = ["-1", "1E-30", &digits, &fraction];
    let texts = texts.iter().flat_map(|field| values.map(|value| (*field, value)));
    let numbers = numbers.iter().flat_map(|field| amounts.map(|value| (*field, value)));
    let store = Store::new();
    let options = Options { register_traders: true, ..Options::default() };
    let good = reports_of_all_kinds(&[]);
    let order = good.lines().next().unwrap();
    for (number, field) in texts.chain(numbers).enumerate() {
        let reports = reports_of_all_kinds(&[field]);
        // Where this presents the order, it may be refused; where another report has done so, the order is known.
        let input = match number % 2 {
            0 => reports,
            _ => format!("{order}\n{reports}"),
        };
        let blotter = &store.cleared().blotter;
        for batch in [1, 2000] {
            let tally = read_format(blotter, &options, Ndjson::default(), input.as_bytes(), batch);
            assert_eq!(tally.reports, input.lines().count() as u64, "{field:?}");
            check_tally(&tally).unwrap_or_else(|error| panic!("{field:?}: {error}"));
        }
    }
}

/// Applies the files of a fuzz corpus to one store, one after the other. `format` returns the format of a file and where
/// its reports begin.
fn check_corpus(name: &str, format: impl Fn(&[u8]) -> (FormatName, usize)) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    let store = Store::new();
    for (number, file) in files.iter().enumerate() {
        let input = fs::read(file).unwrap();
        let (format, begin) = format(&input);
        let daily_ids = number % 2 == 1;
        let options = Options {
            register_traders: true,
            daily_ids: daily_ids.then_some(chrono_tz::UTC),
            format,
            reading: ReadOptions {
                trader_from: vec![1.into()],
                trust_unverified: true,
                ..ReadOptions::default()
            },
            ..Options::default()
        };
        let reader = AnyFormat::new(format, &options.reading);
        let batch = [1, 3, 2000][number % 3];
        let tally = read_format(&store.blotter, &options, reader, &input[begin..], batch);
        check_tally(&tally).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
    store.assert_rebuilt().unwrap();
}

#[test]
fn every_report_of_the_fuzz_corpus_of_fix_is_counted_once() {
    check_corpus("fix", |_| (FormatName::Fix, 0));
}

#[test]
fn every_report_of_the_fuzz_corpus_of_ndjson_is_counted_once() {
    check_corpus("ndjson", |_| (FormatName::Ndjson, 0));
}

#[test]
fn every_report_of_the_fuzz_corpus_of_csv_is_counted_once() {
    check_corpus("csv", |_| (FormatName::Csv, 0));
}

#[test]
fn every_report_of_the_fuzz_corpus_of_alpaca_is_counted_once() {
    check_corpus("alpaca", |_| (FormatName::Alpaca, 0));
}

#[test]
fn every_report_of_the_fuzz_corpus_of_plans_is_counted_once() {
    // The first byte chooses the format.
    check_corpus("plan", |input| {
        let formats = [FormatName::Fix, FormatName::Ndjson, FormatName::Csv, FormatName::Alpaca];
        match input.first() {
            Some(first) => (formats[usize::from(first & 3)], 1),
            None => (FormatName::Fix, 0),
        }
    });
}
