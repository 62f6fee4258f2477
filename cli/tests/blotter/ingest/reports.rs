//! The options of `blotter ingest`, and what it prints and returns.

use super::{altered, command, feed, said};
use std::fs;
use std::process::Command;

use tempfile::TempDir;
use tradeblotter_test_support::Database;
use tradeblotter_test_support::describe::{breaks, orders};
use tradeblotter_test_support::reports::{acknowledged, cancelled, filled, message, report};

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
    let arguments = ["--trader-from", "1", "--register-traders", "--batch", "2"];
    let dry = [arguments.as_slice(), &["--dry-run"]].concat();
    let (dry, _) = said(feed(command(&db, &dry), input.as_bytes()), 0);
    assert_eq!(db.contents(), before);
    let (wet, _) = said(feed(command(&db, &arguments), input.as_bytes()), 0);
    assert_eq!(dry.replace("; nothing is stored (dry run)", ""), wet);
    assert_ne!(dry, wet);
}

/// The command with traders from Account (1), of which unknown ones are registered.
fn of_account(db: &Database, arguments: &[&str]) -> Command {
    command(db, &[&["--trader-from", "1", "--register-traders"], arguments].concat())
}

/// Ingests an input; returns standard output and standard error.
#[track_caller]
fn ingest(db: &Database, arguments: &[&str], input: &str, code: i32) -> (String, String) {
    said(feed(of_account(db, arguments), input.as_bytes()), code)
}

/// A line that shows that it is FIX, and is no report that can be kept.
const UNREADABLE: &str = "8=FIX.4.4\u{1}9=5\u{1}35=";

#[test]
fn the_last_line_counts_what_became_of_each_report() {
    let db = Database::migrated();
    let reports = [
        acknowledged(1, "A", 100),
        filled(2, "A", "E1", 40, 40),
        filled(3, "A", "E1", 40, 40),
        report(4, "11=A|37=VA|17=A-1|150=I|39=1|38=100|14=40|6=10.00"),
        filled(5, "A", "E2", 400, 440),
        UNREADABLE.to_owned(),
    ];
    let (summary, _) = ingest(&db, &[], &reports.concat(), 1);
    let last = summary.lines().last().unwrap();
    let parts = "2 applied + 1 known + 1 without effect + 1 break + 1 unreadable";
    assert_eq!(last, format!("6 reports = {parts}"), "{summary}");
    assert!(summary.starts_with("standard input: 6 reports\n"), "{summary}");
}

#[test]
fn the_exit_status_is_1_if_a_report_is_not_stored_and_under_strict_for_breaks_and_notes() {
    let clean = [acknowledged(1, "A", 100), filled(2, "A", "E1", 40, 40)].concat();
    let broken = clean.clone() + &filled(3, "A", "E2", 400, 440);
    let refused = clean.clone() + &acknowledged(3, "B", 0);
    let totals = clean.clone() + &filled(3, "A", "E2", 40, 90);
    let noted = clean.clone() + &filled(3, "A", "E2", 60, 100).replace("6=10.00", "6=NaN");
    let unread = clean.clone() + UNREADABLE;
    let inputs = [
        (clean, 0, 0),
        (broken, 0, 1),
        (refused, 0, 1),
        (totals, 0, 1),
        (noted, 0, 1),
        (unread, 1, 1),
    ];
    for (input, code, strict) in inputs {
        let db = Database::migrated();
        ingest(&db, &[], &input, code);
        // Again, though by now all of it is known.
        ingest(&db, &["--strict"], &input, strict);
        ingest(&db, &["--dry-run", "--strict"], &input, strict);
    }
}

#[test]
fn problems_are_listed_in_the_sequence_of_the_input_with_order_and_field() {
    let db = Database::migrated();
    let reports = [
        acknowledged(1, "A", 100),
        filled(2, "A", "E1", 400, 400),
        UNREADABLE.to_owned() + "\n",
        message("35=D|1=ada|11=B|55=ACME|40=1|38=100|60=20261124-15:00:00"),
        cancelled(5, "A", 40),
    ];
    let (_, problems) = ingest(&db, &["--batch", "1"], &reports.concat(), 1);
    let problems: Vec<_> = problems.lines().collect();
    let begins = [
        "standard input: line 2: ClOrdID (tag 11) A: kept as a break (OVER_FILL): ",
        "standard input: line 3: not read: ",
        "standard input: line 4: ClOrdID (tag 11) B: kept as a break (INVALID_ORDER): Side (tag 54) is missing",
        "standard input: line 5: OrigClOrdID (tag 41) A: kept as a break (TOTALS): filled quantity: ",
    ];
    assert_eq!(problems.len(), begins.len(), "{problems:#?}");
    for (problem, begin) in problems.iter().zip(begins) {
        assert!(problem.starts_with(begin), "{problem}");
    }

    let events = "{\"kind\":\"fill\",\"client_order_id\":\"Z\",\"trader\":\"ada\",\"last_quantity\":\"1\"}\n";
    let (_, problems) = said(feed(command(&db, &["--format", "ndjson"]), events.as_bytes()), 0);
    let begin = "standard input: line 1: client_order_id Z: kept as a break (UNKNOWN_ORDER): ";
    assert!(problems.starts_with(begin), "{problems}");
    assert!(problems.contains("side is missing") || problems.contains("quantity is missing"));
}

#[test]
fn notes_and_problems_each_end_after_a_hundred_lines() {
    let db = Database::migrated();
    let noted =
        |at| acknowledged(at, &format!("A{at}"), 100).replace("14=0\u{1}6=0", "14=0\u{1}6=NaN");
    let broken = |at| acknowledged(at, &format!("B{at}"), 0);
    let input: String = (1..=150).flat_map(|at| [noted(at), broken(at)]).collect();
    let (_, lines) = ingest(&db, &["--batch", "70"], &input, 0);
    let notes = lines.lines().filter(|line| line.contains("AvgPx")).count();
    let problems = lines.lines().filter(|line| line.contains("kept as a break")).count();
    assert_eq!((notes, problems, lines.lines().count()), (100, 100, 202), "{lines}");
    assert!(lines.contains(": more notes are counted and not printed\n"), "{lines}");
    assert!(lines.ends_with(
        ": 50 more problems are not printed; `blotter breaks list` shows all open breaks\n"
    ));
}

#[test]
fn control_characters_of_an_input_do_not_reach_the_terminal() {
    let db = Database::migrated();
    let hostile = acknowledged(1, "A\u{1b}[2J", 100);
    let (_, problems) = ingest(&db, &[], &hostile, 0);
    assert!(problems.contains("A\\u{1b}[2J"), "{problems}");
    assert!(!problems.contains('\u{1b}'));
}

#[test]
fn hostile_text_of_an_input_is_neutral_in_tables_and_pages_and_recorded_as_it_is() {
    let db = Database::migrated();
    let text = "=cmd \u{1b}]0;owned\u{7} \u{202e}reversed <script>alert(1)</script>";
    let id = "=LINK(\"x\")\u{202e}";
    let order = format!("35=D|1=ada|11={id}|55=@SUM|54=1|40=1|38=100|60=20261124-15:00:00");
    let cancel = format!(
        "35=8|1=ada|11={id}|37=V|17=E|150=4|39=4|55=@SUM|54=1|14=0|6=0|58={text}|60=20261124-15:00:01"
    );
    ingest(&db, &[], &[message(&order), message(&cancel)].concat(), 0);
    assert_eq!(db.contents().orders[0].client_order_id.as_deref(), Some(id));
    let print = |arguments: &[&str], role: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_blotter"));
        command.args(arguments).env("DATABASE_URL", db.login_url(role));
        said(command.output().unwrap(), 0).0
    };
    let is_misleading = |c: char| c != '\n' && c.is_control() || c == '\u{202e}';
    for table in [&["orders"][..], &["log"]] {
        let table = print(table, "blotter_compliance");
        assert!(!table.contains(is_misleading), "{table:?}");
        assert!(table.contains("@SUM") || table.contains("\\u{1b}]0;owned\\u{7}"), "{table}");
    }
    let directory = TempDir::new().unwrap();
    let file = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let written = |format: &str| {
        let path = file(format);
        let range = ["--from", "2020-01-01", "--until", "2100-01-01"];
        let arguments = [&["report", "--format", format, "-o", &path], &range[..]].concat();
        print(&arguments, "blotter_compliance");
        fs::read_to_string(path).unwrap()
    };
    let page = written("html");
    assert!(page.contains("&lt;script&gt;alert(1)") && !page.contains("<script>alert"));
    // A character that reverses text does so within its own element.
    assert!(page.contains("body * { unicode-bidi: isolate; }"));
    // Nothing of it is a formula; but for the apostrophe the text is as it was recorded.
    let csv = written("csv");
    assert!(csv.contains(&format!("'{text}")), "{csv}");
    assert!(csv.contains("\"'=LINK(\"\"x\"\")\u{202e}\"") && csv.contains(",'@SUM,"), "{csv}");
}

#[test]
fn symbols_are_stored_as_the_map_spells_them() {
    let db = Database::migrated();
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("symbols.csv");
    fs::write(&path, "ACME.N,ACME\n\"BRK, B\", BRK.B\n").unwrap();
    let path = path.to_str().unwrap();
    let theirs = altered(&acknowledged(1, "A", 100), "55=ACME", "55=ACME.N");
    let ours = filled(2, "A", "E1", 40, 40);
    let other = altered(&acknowledged(3, "B", 100), "55=ACME", "55=BRK, B");
    ingest(&db, &["--symbol-map", path, "--strict"], &[theirs, ours, other].concat(), 0);
    let contents = db.contents();
    let mut symbols: Vec<_> = contents.orders.iter().map(|order| order.symbol.as_str()).collect();
    symbols.sort();
    assert_eq!(symbols, ["ACME", "BRK.B"]);
}

#[test]
fn an_error_in_a_map_of_symbols_names_its_line_and_nothing_is_read() {
    let db = Database::migrated();
    let before = db.contents();
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("symbols.csv");
    for (map, why) in [
        ("A,B\nC\n", "line 2: has 1 value; write theirs,ours"),
        ("A,B\nC,D,E\n", "line 2: has 3 values; write theirs,ours"),
        ("A,B\n\nC,\n", "line 3: a symbol is empty; write theirs,ours"),
        ("A,B\nA,B\nA,C\n", "line 3: \"A\" is \"B\" on an earlier line, and \"C\" here"),
    ] {
        fs::write(&path, map).unwrap();
        let arguments = ["--symbol-map", path.to_str().unwrap()];
        let (_, error) = ingest(&db, &arguments, &acknowledged(1, "A", 100), 1);
        assert!(error.contains(&format!("symbols.csv: {why}")), "{error}");
    }
    let (_, error) = ingest(&db, &["--symbol-map", "/nowhere/map.csv"], "", 1);
    assert!(error.contains("/nowhere/map.csv: "), "{error}");
    assert_eq!(db.contents(), before);
}

#[test]
fn ids_that_start_again_each_day_name_orders_of_their_own() {
    let new = "35=D|1=ada|11=A|55=ACME|54=1|40=2|44=10.00|38=100|60=20261124-15:00:00";
    let first = message(new) + &filled(2, "A", "E1", 40, 40);
    // The next day in New York begins at 05:00 UTC.
    let next = altered(&first, "20261124-15:00", "20261125-04:30");
    let daily = "--daily-ids=America/New_York";
    let zones = [(daily, 1), ("--daily-ids", 2), ("--daily-ids=UTC", 2)];
    for (option, expected) in zones {
        let db = Database::migrated();
        ingest(&db, &[option], &first, 0);
        ingest(&db, &[option], &next, 0);
        assert_eq!(db.contents().orders.len(), expected, "{option}");
    }
    let db = Database::migrated();
    ingest(&db, &[], &first, 0);
    ingest(&db, &["--strict"], &next, 1);
    assert_eq!(orders(&db), ["A PARTIAL 40/100"]);
    ingest(&db, &["--daily-ids=Mars/Olympus"], "", 2);
    ingest(&db, &["--daily-ids", "--source", &"x".repeat(40)], "", 2);
}

#[test]
fn an_execution_is_known_by_its_source_whatever_the_venue_is_called() {
    let one = [acknowledged(1, "A", 100), filled(2, "A", "E1", 40, 40)].concat();
    let other = altered(&one, "30=XNAS", "30=ISLAND");
    let db = Database::migrated();
    ingest(&db, &["--source", "BRK", "--venue", "XLON"], &one, 0);
    ingest(&db, &["--source", "BRK", "--strict"], &other, 0);
    ingest(&db, &["--source", " "], "", 2);
    assert_eq!(orders(&db), ["A PARTIAL 40/100"]);
    assert_eq!(db.contents().fills[0].source, "BRK");
}

#[test]
fn ids_that_are_not_utf_8_are_breaks_until_the_encoding_is_named() {
    let named = message("35=D|1=ada|11=ID|55=ACME|54=1|40=1|38=100|60=20261124-15:00:00");
    let encoded = |id: u8| {
        let mut bytes = named.replace("11=ID", "11=I?").into_bytes();
        let place = bytes.iter().position(|byte| *byte == b'?').unwrap();
        bytes[place] = id;
        bytes
    };
    let input = [encoded(0xc7), encoded(0xce)].concat();
    let db = Database::migrated();
    for _ in 0..2 {
        said(feed(of_account(&db, &[]), &input), 0);
        // What the breaks keep of the ids is not read again as ids.
        assert_eq!(orders(&db), Vec::<String>::new());
    }
    assert_eq!(breaks(&db), ["INVALID_ORDER - - open"; 2]);
    said(feed(of_account(&db, &["--encoding", "windows-1251"]), &input), 0);
    assert_eq!(orders(&db), ["I\u{417} PENDING 0/100", "I\u{41e} PENDING 0/100"]);
    ingest(&db, &["--encoding", "latin-99"], "", 2);
}

#[test]
fn unverified_messages_of_a_log_are_breaks_unless_they_are_trusted() {
    let db = Database::migrated();
    let reports = [acknowledged(1, "A", 100), filled(2, "A", "E1", 40, 40)].concat();
    let forged = reports.replace('\u{1}', "|").replace("32=40", "32=41");
    ingest(&db, &[], &forged, 0);
    assert_eq!(orders(&db), ["A PENDING 0/100"]);
    assert_eq!(breaks(&db), ["INVALID - E1 open"]);
    ingest(&db, &["--trust-unverified"], &forged, 0);
    assert_eq!(orders(&db), ["A PARTIAL 41/100"]);
}

#[test]
fn input_with_nothing_in_it_is_nothing_and_a_file_that_is_not_there_is_named() {
    let db = Database::migrated();
    let before = db.contents();
    let (told, _) = said(feed(command(&db, &["--strict"]), b""), 0);
    let nothing = "0 applied + 0 known + 0 without effect + 0 breaks + 0 unreadable";
    assert_eq!(told, format!("standard input: 0 reports\n0 reports = {nothing}\n"));
    let garbage: Vec<u8> = (0..400_000_u32).map(|at| (at % 251 * at % 241) as u8).collect();
    said(feed(command(&db, &["--format", "fix"]), &garbage), 0);
    let (_, complaint) = said(feed(command(&db, &[]), &garbage), 1);
    assert!(complaint.contains("the format is not recognized"), "{complaint}");
    assert_eq!(db.contents(), before);
    let mut missing = Command::new(env!("CARGO_BIN_EXE_blotter"));
    missing.args(["ingest", "/nowhere/day.fix"]).env("DATABASE_URL", db.app_url());
    let (_, complaint) = said(missing.output().unwrap(), 1);
    assert!(complaint.contains("/nowhere/day.fix: No such file"), "{complaint}");
}
