//! Breaks that are applied when what they lacked has come: by the next input, and by `blotter breaks retry`.

use std::fs;
use std::process::Command;

use super::{altered, command, feed, said};
use tempfile::TempDir;
use tradeblotter_test_support::describe::{breaks, orders};
use tradeblotter_test_support::reports::{acknowledged, filled, message, report};
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

/// A message in which `?` is a byte that is no UTF-8: a letter of windows-1251.
fn cyrillic(message: &str, letter: u8) -> Vec<u8> {
    message.bytes().map(|byte| if byte == b'?' { letter } else { byte }).collect()
}

#[test]
fn a_retry_reads_the_bytes_of_a_break_in_the_encoding_that_it_is_given() {
    let db = Database::migrated();
    trader(&db.blotter(), "ada");
    let order = message("35=D|1=ada|11=I?|55=ACME|54=1|40=1|38=100|60=20261124-15:00:00");
    let fill = |id: &str, more: &str| {
        message(&format!(
            "35=8|1=ada|11=I?|17={id}|150=F|39=1|55=ACME|54=1|32=40|31=10.00|60=20261124-15:00:01|{more}"
        ))
    };
    let input = [
        cyrillic(&order, 0xc7),
        cyrillic(&fill("E1", "14=40|6=10.00"), 0xc7),
        // Even the execution id: its break lacks it, and a fill with it is recorded.
        cyrillic(&fill("E?", "14=80|6=10.00"), 0xc7),
        // Nothing would recognize this one if the input were read again.
        cyrillic(&fill("", "14=120|6=10.00").replace("17=\u{1}", ""), 0xc7),
    ]
    .concat();
    let arguments = ["--trader-from", "1"];
    said(feed(command(&db, &arguments), &input), 0);
    assert_eq!(orders(&db), Vec::<String>::new());
    assert_eq!(retry(&db, &arguments), "0 breaks applied, 4 still open\n");
    let wrong = ["--trader-from", "1", "--encoding", "utf-8"];
    assert_eq!(retry(&db, &wrong), "0 breaks applied, 4 still open\n");
    let encoded = ["--trader-from", "1", "--encoding", "windows-1251"];
    assert_eq!(retry(&db, &encoded), "3 breaks applied, 1 still open\n");
    assert_eq!(orders(&db), ["I\u{417} PARTIAL 80/100"]);
    let mut ids: Vec<_> =
        db.contents().fills.into_iter().filter_map(|fill| fill.execution_id).collect();
    ids.sort();
    assert_eq!(ids, ["E1", "E\u{417}"]);
    assert_eq!(retry(&db, &encoded), "0 breaks applied, 1 still open\n");
    // The input itself, read with its encoding, adds the rest.
    let rest = feed(command(&db, &encoded), &input);
    let (summary, _) = said(rest, 0);
    assert!(summary.contains(" = 0 applied + 3 known"), "{summary}");
}

#[test]
fn a_retry_reads_the_bytes_of_other_formats_too() {
    let db = Database::migrated();
    trader(&db.blotter(), "ada");
    let csv = "kind,trader,client_order_id,symbol,side,order_type,quantity\nnew_order,ada,C?,ACME,BUY,MARKET,100\n";
    let ndjson = "{\"kind\":\"new_order\",\"trader\":\"ada\",\"client_order_id\":\"N?\",\"symbol\":\"ACME\",\"side\":\"BUY\",\"order_type\":\"MARKET\",\"quantity\":\"100\"}\n";
    let alpaca = "{\"event\":\"new\",\"timestamp\":\"2026-11-24T15:00:00Z\",\"order\":{\"id\":\"V\",\"client_order_id\":\"A?\",\"symbol\":\"ACME\",\"side\":\"buy\",\"type\":\"market\",\"qty\":\"100\"}}\n";
    for input in [csv, ndjson, alpaca] {
        said(feed(command(&db, &[]), &cyrillic(input, 0xc7)), 0);
    }
    assert_eq!(retry(&db, &["--trader", "ada"]), "0 breaks applied, 3 still open\n");
    let arguments = ["--trader", "ada", "--encoding", "windows-1251"];
    assert_eq!(retry(&db, &arguments), "3 breaks applied, 0 still open\n");
    let stand = ["A\u{417} PENDING 0/100", "C\u{417} PENDING 0/100", "N\u{417} PENDING 0/100"];
    assert_eq!(orders(&db), stand);
}

#[test]
fn a_retry_of_a_source_leaves_the_breaks_of_others_alone() {
    let db = Database::migrated();
    for (source, order) in [("ONE", "A"), ("ONE 2026-11-24", "B"), ("ONES", "C"), ("TWO", "D")] {
        let arguments = ["--source", source, "--trader-from", "1"];
        said(feed(command(&db, &arguments), acknowledged(1, order, 100).as_bytes()), 0);
    }
    trader(&db.blotter(), "ada");
    // A source whose ids start again each day has the day in its name.
    let arguments = ["--trader-from", "1", "--source", "ONE"];
    assert_eq!(retry(&db, &arguments), "2 breaks applied, 2 still open\n");
    assert_eq!(orders(&db), ["A PENDING 0/100", "B PENDING 0/100"]);
    assert_eq!(retry(&db, &["--trader-from", "1"]), "2 breaks applied, 0 still open\n");
}

#[test]
fn a_retry_for_a_trader_takes_the_breaks_of_nobody_and_no_other_traders() {
    let db = Database::migrated();
    // Nobody's, and another trader's who lacks nothing but the symbol.
    said(feed(command(&db, &[]), acknowledged(1, "A", 100).as_bytes()), 0);
    let theirs = altered(&acknowledged(1, "B", 100), "1=ada", "1=bob");
    let theirs = altered(&theirs, "55=ACME", "55=ACME CORPORATION");
    let arguments = ["--trader-from", "1", "--register-traders"];
    said(feed(command(&db, &arguments), theirs.as_bytes()), 0);
    trader(&db.blotter(), "ada");
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("symbols.csv");
    fs::write(&path, "ACME CORPORATION,ACME\n").unwrap();
    let map = ["--symbol-map", path.to_str().unwrap()];
    let arguments = [&["--trader", "ada"][..], &map].concat();
    assert_eq!(retry(&db, &arguments), "1 break applied, 1 still open\n");
    assert_eq!(orders(&db), ["A PENDING 0/100"]);
    let traders = db.contents().traders;
    let owner = traders.iter().find(|it| it.id == db.contents().orders[0].trader_id).unwrap();
    assert_eq!(owner.name, "ada");
    assert_eq!(retry(&db, &map), "1 break applied, 0 still open\n");
}
