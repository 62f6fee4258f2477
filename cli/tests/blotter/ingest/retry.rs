//! Breaks that are applied when what they lacked has come: by the next input, and by `blotter breaks retry`.

use std::fs;
use std::process::Command;

use super::{altered, command, feed, said};
use tempfile::TempDir;
use tradeblotter_test_support::describe::{breaks, orders};
use tradeblotter_test_support::reports::{acknowledged, filled, report};
use tradeblotter_test_support::{Database, trader};

/// Runs `blotter breaks retry` and returns what it printed.
#[track_caller]
fn retry(db: &Database, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blotter"));
    command.args(["breaks", "retry"]).args(arguments).env("DATABASE_URL", db.app_url());
    said(command.output().unwrap(), 0).0
}

#[test]
fn a_retry_applies_the_breaks_of_a_trader_who_was_registered_since() {
    let db = Database::migrated();
    let input = [acknowledged(1, "A", 100), filled(2, "A", "E1", 40, 40)].concat();
    let arguments = ["--trader-from", "1"];
    said(feed(command(&db, &arguments), input.as_bytes()), 0);
    assert_eq!(orders(&db), Vec::<String>::new());
    assert_eq!(retry(&db, &arguments), "0 breaks applied, 2 still open\n");
    trader(&db.blotter(), "ada");
    // Whoever the trader is must be said.
    assert_eq!(retry(&db, &[]), "0 breaks applied, 2 still open\n");
    assert_eq!(retry(&db, &arguments), "2 breaks applied, 0 still open\n");
    assert_eq!(orders(&db), ["A PARTIAL 40/100"]);
    assert_eq!(retry(&db, &arguments), "0 breaks applied, 0 still open\n");
}

#[test]
fn a_retry_reads_symbols_with_the_map_that_it_is_given() {
    let db = Database::migrated();
    let theirs = [acknowledged(1, "A", 100), filled(2, "A", "E1", 40, 40)].concat();
    let theirs = altered(&theirs, "55=ACME", "55=ACME CORPORATION");
    let arguments = ["--trader-from", "1", "--register-traders"];
    said(feed(command(&db, &arguments), theirs.as_bytes()), 0);
    assert_eq!(retry(&db, &[]), "0 breaks applied, 2 still open\n");
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("symbols.csv");
    fs::write(&path, "ACME CORPORATION,ACME\n").unwrap();
    let said = retry(&db, &["--symbol-map", path.to_str().unwrap()]);
    assert_eq!(said, "2 breaks applied, 0 still open\n");
    assert_eq!(orders(&db), ["A PARTIAL 40/100"]);
    assert_eq!(db.contents().orders[0].symbol, "ACME");
}

#[test]
fn an_input_applies_the_breaks_of_earlier_ones_of_its_traders() {
    let db = Database::migrated();
    let terse = report(2, "11=A|37=VA|17=E1|150=F|39=1|32=40|31=10.00|14=40|6=10.00");
    let arguments = ["--trader-from", "1", "--register-traders"];
    said(feed(command(&db, &arguments), terse.as_bytes()), 0);
    assert_eq!(breaks(&db), ["UNKNOWN_ORDER - E1 open"]);
    let order = acknowledged(1, "A", 100);
    let (summary, _) = said(feed(command(&db, &arguments), order.as_bytes()), 0);
    assert!(summary.contains("       1 break of an earlier input applied\n"), "{summary}");
    assert!(
        summary.ends_with(" = 1 applied + 0 known + 0 without effect + 0 breaks + 0 unreadable\n")
    );
    assert_eq!(breaks(&db), ["UNKNOWN_ORDER - E1 booked"]);
    assert_eq!(orders(&db), ["A PARTIAL 40/100"]);
}

#[test]
fn an_input_does_not_tell_the_trader_of_breaks_of_another_source() {
    let db = Database::migrated();
    trader(&db.blotter(), "ada");
    let other = acknowledged(1, "B", 100);
    said(feed(command(&db, &["--source", "OTHER"]), other.as_bytes()), 0);
    let own = acknowledged(1, "A", 100);
    let arguments = ["--trader-from", "1", "--source", "BROKER"];
    said(feed(command(&db, &arguments), own.as_bytes()), 0);
    assert_eq!(orders(&db), ["A PENDING 0/100"]);
    assert_eq!(breaks(&db), ["UNAPPLIED_ACTION - B-0 open"]);
}
