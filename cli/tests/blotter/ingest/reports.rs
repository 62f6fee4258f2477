//! The options of `blotter ingest`, and what it prints and returns.

use super::{command, feed, said};
use tradeblotter_test_support::describe::orders;
use tradeblotter_test_support::reports::{acknowledged, cancelled, filled};
use tradeblotter_test_support::{Database, trader};

#[test]
fn two_at_once_register_a_new_trader_once() {
    let db = Database::migrated();
    let input = acknowledged(1, "A", 100) + &cancelled(2, "A", 0);
    std::thread::scope(|scope| {
        let run = || feed(command(&db, &["--trader-from", "1"]), input.as_bytes());
        let runs: Vec<_> = (0..4).map(|_| scope.spawn(run)).collect();
        for run in runs {
            assert_eq!(said(run.join().unwrap(), 0).1, "");
        }
    });
    assert_eq!(db.contents().traders.len(), 1);
    assert_eq!(orders(&db), ["A CANCELLED 0/100"]);
    assert_eq!(db.contents().log.len(), 3);
}

#[test]
fn a_trader_may_be_named_for_all() {
    let db = Database::migrated();
    let ada = trader(&db.blotter(), "ada");
    let id = ada.id.to_string();
    let input = [acknowledged(1, "A", 100), filled(2, "A", "E1", 40, 40)].concat();
    said(feed(command(&db, &["--trader", &id, "--venue", "XLON"]), input.as_bytes()), 0);
    assert_eq!(orders(&db), ["A PARTIAL 40/100"]);
    let both = feed(command(&db, &["--trader", &id, "--trader-from", "1"]), b"");
    said(both, 2);
    said(feed(command(&db, &["--trader", &id, "--venue", " "]), b""), 2);
}

#[test]
fn the_trader_is_in_the_first_tag_of_a_list_that_a_report_has() {
    let db = Database::migrated();
    // The Account (1) is missing, and the target of a report is the client.
    let input = acknowledged(1, "A", 100).replace("\u{1}1=ada", "");
    said(feed(command(&db, &["--trader-from", "1,49/56"]), input.as_bytes()), 0);
    assert_eq!(db.contents().traders.len(), 1);
    assert_eq!(orders(&db), ["A PENDING 0/100"]);
    let (_, complaint) = said(feed(command(&db, &["--trader-from", "1,x"]), b""), 2);
    assert!(complaint.contains("must be a FIX tag such as 1"), "{complaint}");
}

#[test]
fn a_dry_run_counts_the_same_and_stores_nothing() {
    let db = Database::migrated();
    let before = db.contents();
    let input = [
        acknowledged(1, "A", 100),
        filled(2, "A", "E1", 40, 40),
        cancelled(3, "A", 40),
        filled(4, "A", "E2", 40, 80).replace("14=80", "14=40"),
    ]
    .concat();
    let arguments = ["--trader-from", "1", "--batch", "2"];
    let dry = [arguments.as_slice(), &["--dry-run"]].concat();
    let (dry, _) = said(feed(command(&db, &dry), input.as_bytes()), 0);
    assert_eq!(db.contents(), before);
    let (wet, _) = said(feed(command(&db, &arguments), input.as_bytes()), 0);
    assert_eq!(dry.replace("; nothing is stored (dry run)", ""), wet);
    assert_ne!(dry, wet);
}

#[test]
fn a_strict_run_fails_if_there_is_a_break_or_a_report_that_is_none() {
    let clean = [acknowledged(1, "A", 100), filled(2, "A", "E1", 40, 40)].concat();
    let broken = clean.clone() + &filled(3, "A", "E2", 400, 440);
    let refused = clean.clone() + &acknowledged(3, "B", 0);
    let unread = clean.clone() + "8=FIX.4.4\u{1}9=5\u{1}35=8\u{1}150=F\u{1}10=000\u{1}\n";
    for (input, code) in [(clean, 0), (broken, 1), (refused, 1), (unread, 1)] {
        let db = Database::migrated();
        let arguments = ["--trader-from", "1"];
        said(feed(command(&db, &arguments), input.as_bytes()), 0);
        let strict = [arguments.as_slice(), &["--strict"]].concat();
        // Again, though by now all of it is known.
        said(feed(command(&db, &strict), input.as_bytes()), code);
    }
}

#[test]
fn input_with_nothing_in_it_is_nothing_and_a_file_that_is_not_there_is_named() {
    let db = Database::migrated();
    let before = db.contents();
    let (told, _) = said(feed(command(&db, &["--strict"]), b""), 0);
    assert_eq!(told, "standard input: 0 reports\n");
    let garbage: Vec<u8> = (0..400_000_u32).map(|at| (at % 251 * at % 241) as u8).collect();
    said(feed(command(&db, &["--format", "fix"]), &garbage), 0);
    let (_, complaint) = said(feed(command(&db, &[]), &garbage), 1);
    assert!(complaint.contains("the format is not recognized"), "{complaint}");
    assert_eq!(db.contents(), before);
    let mut missing = std::process::Command::new(env!("CARGO_BIN_EXE_blotter"));
    missing.args(["ingest", "/nowhere/day.fix"]).env("DATABASE_URL", db.app_url());
    let (_, complaint) = said(missing.output().unwrap(), 1);
    assert!(complaint.contains("/nowhere/day.fix: No such file"), "{complaint}");
}

#[test]
fn a_name_of_two_traders_ends_the_run_with_an_error() {
    let db = Database::migrated();
    let blotter = db.blotter();
    trader(&blotter, "ada");
    trader(&blotter, "ada");
    let input = acknowledged(1, "A", 100);
    let (_, complaint) = said(feed(command(&db, &["--trader-from", "1"]), input.as_bytes()), 1);
    assert!(complaint.contains("is the name of several traders; use their ids"), "{complaint}");
}
