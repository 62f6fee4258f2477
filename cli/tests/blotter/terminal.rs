//! What a terminal shows: nothing of the data that it obeys or does not show. Files and pipes have the data as it is.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::process::{Command, Stdio};
use std::thread;

use diesel::connection::SimpleConnection;
use nix::pty::openpty;
use tempfile::TempDir;
use tradeblotter::{Execution, ExecutionKind, NewAction, NewExecutionLog, NewOrder, Side};
use tradeblotter_test_support::reports::message;
use tradeblotter_test_support::{Database, append, noon, submit, trader};
use uuid::Uuid;

/// Erases the screen, reverses text, hides a space, isolates, and tags.
const HIDDEN: &str = "\u{1b}[2J\u{202e}\u{200b}\u{2066}\u{e0041}";
const SHOWN: &str = r"\u{1b}[2J\u{202e}\u{200b}\u{2066}\u{e0041}";

/// The hidden characters that an id may have.
const HIDDEN_IN_ID: &str = "\u{202e}\u{200b}\u{2066}\u{e0041}";
const SHOWN_IN_ID: &str = r"\u{202e}\u{200b}\u{2066}\u{e0041}";

fn blotter(url: &str, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blotter"));
    command.args(arguments.split_whitespace()).env("DATABASE_URL", url).stdin(Stdio::null());
    // No colours, so that every escape character is of the data.
    command.env("NO_COLOR", "1").env("TERM", "xterm");
    command
}

/// What the command writes to pipes: standard output and standard error.
fn to_pipes(mut command: Command) -> (String, String) {
    let output = command.output().unwrap();
    (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

/// What the command writes to a terminal that is its standard output and standard error.
fn to_terminal(mut command: Command) -> String {
    let pty = openpty(None, None).unwrap();
    command.stdout(pty.slave.try_clone().unwrap()).stderr(pty.slave);
    let mut child = command.spawn().unwrap();
    // Holds the last handles of the terminal's other side.
    drop(command);
    let mut terminal = File::from(pty.master);
    let reader = thread::spawn(move || {
        let (mut shown, mut buffer) = (Vec::new(), [0; 4096]);
        loop {
            match terminal.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => shown.extend_from_slice(&buffer[..read]),
                // Linux's end of a terminal whose other side is closed.
                Err(error) if error.raw_os_error() == Some(5) => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => panic!("{error}"),
            }
        }
        String::from_utf8(shown).unwrap()
    });
    child.wait().unwrap();
    reader.join().unwrap().replace("\r\n", "\n")
}

#[track_caller]
fn assert_safe(shown: &str) {
    let is_hidden = |c: char| c != '\n' && (c.is_control() || HIDDEN.contains(c) && !c.is_ascii());
    assert!(!shown.contains(is_hidden), "{shown:?}");
}

/// A store in which every text that may have hidden characters has them.
fn store() -> (Database, Uuid) {
    let db = Database::migrated();
    let store = db.blotter();
    let ada = trader(&store, &format!("Ada{HIDDEN}"));
    let id = format!("A{HIDDEN_IN_ID}");
    let new = NewOrder {
        client_order_id: Some(&id),
        account: Some(&id),
        ..NewOrder::market(ada.id, Side::Buy, "KO", 100)
    };
    let order = submit(&store, &new).unwrap();
    let reason = format!("why{HIDDEN}\nfill E-2: dismissed");
    let cancel = NewExecutionLog {
        reason: Some(&reason),
        ..NewExecutionLog::new(order.id, NewAction::Cancelled)
    };
    append(&store, &cancel).unwrap();
    let late = Execution {
        kind: ExecutionKind::Fill,
        order_id: Some(order.id),
        timestamp: noon(),
        quantity: 10.into(),
        price: 10.into(),
        venue: &id,
        commission: 0.into(),
        rebate: 0.into(),
        source: None,
        trader_id: None,
        client_order_id: None,
        execution_id: Some(&id),
        raw: Some(&reason),
    };
    store.engine().transaction(|tx| tx.breaks().record_or_break(&late)).unwrap();
    (db, ada.id)
}

#[test]
fn a_table_never_has_a_hidden_character_of_the_data() {
    let (db, _) = store();
    for (arguments, shown) in [
        ("traders list", format!("Ada{SHOWN}")),
        ("breaks list", format!("A{SHOWN_IN_ID}")),
        ("log", format!(r"why{SHOWN}\nfill E-2: dismissed")),
        ("orders", "KO".to_owned()),
    ] {
        let (table, _) = to_pipes(blotter(&db.app_url(), arguments));
        assert!(table.contains(&shown), "{table}");
        assert_safe(&table);
        let (terminal, pipe) = (to_terminal(blotter(&db.app_url(), arguments)), table);
        assert_eq!(terminal, pipe);
    }
}

#[test]
fn formats_for_programs_have_the_data_as_it_is_in_a_pipe_and_visible_on_a_terminal() {
    let (db, _) = store();
    for (arguments, hidden, shown) in [
        ("traders list --format csv", format!("Ada{HIDDEN}"), format!("Ada{SHOWN}")),
        ("orders --format csv", format!("A{HIDDEN_IN_ID}"), format!("A{SHOWN_IN_ID}")),
        ("log --format csv", format!("why{HIDDEN}\nfill"), format!(r"why{SHOWN}\nfill")),
        ("breaks list --format csv", format!("why{HIDDEN}\nfill"), format!(r"why{SHOWN}\nfill")),
        ("log --format events-csv", format!("why{HIDDEN}\nfill"), format!(r"why{SHOWN}\nfill")),
        ("orders --format json", format!("A{HIDDEN_IN_ID}"), format!("A{SHOWN_IN_ID}")),
        // JSON has an escape of its own for control characters.
        (
            "log --format json",
            r"why\u001b[2J".to_owned() + HIDDEN_IN_ID,
            r"why\u001b[2J".to_owned() + SHOWN_IN_ID,
        ),
        ("log --format events-ndjson", format!("A{HIDDEN_IN_ID}"), format!("A{SHOWN_IN_ID}")),
    ] {
        let (piped, _) = to_pipes(blotter(&db.app_url(), arguments));
        assert!(piped.contains(&hidden), "{arguments}: {piped:?}");
        let terminal = to_terminal(blotter(&db.app_url(), arguments));
        assert!(terminal.contains(&shown), "{arguments}: {terminal:?}");
        assert_safe(&terminal);
    }
}

#[test]
fn names_of_logins_files_and_traders_and_the_text_of_reports_are_visible_in_messages() {
    let (db, _) = store();
    // A login with such a name.
    let login = format!("eve{HIDDEN}{}", Uuid::now_v7().simple());
    let create = format!("CREATE ROLE \"{login}\" LOGIN IN ROLE blotter_engine, blotter_trader");
    db.admin().batch_execute(&create).unwrap();
    let encoded: String = login.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let url = db.app_url().replace("//app@", &format!("//{encoded}@"));
    let (said, warned) = to_pipes(blotter(&url, "whoami"));
    assert!(said.starts_with(&format!("\"eve{SHOWN}")), "{said}");
    assert_safe(&(said + &warned));

    // A file name, a trader to register, and reports that are kept as breaks or cannot be read.
    let directory = TempDir::new().unwrap();
    let name = format!("day{HIDDEN}.fix");
    let at = "20260302-14:30:00";
    let of = |id: &str, more: &str| {
        message(&format!(
            "35=8|49=BRK|56=DESK|34=1|52={at}|60={at}|1=Bob{HIDDEN_IN_ID}|11={id}|{more}"
        ))
    };
    let acknowledged = of("B", "17=B-0|150=0|39=0|55=KO|54=1|38=100|40=1|14=0|6=0");
    let other =
        of("B", &format!("17=B-1|150=F|39=1|55=KO{HIDDEN_IN_ID}|54=1|32=1|31=10|14=1|6=10"));
    let noted = of("B", &format!("17=B-2|150=F|39=1|55=KO|54=1|32=1|31=10|14=1|6=10|12=x{HIDDEN}"));
    let garbage = format!("{HIDDEN}35=8|nothing\n");
    std::fs::write(directory.path().join(&name), [acknowledged, other, noted, garbage].concat())
        .unwrap();
    let ingest = || {
        let mut command =
            blotter(&db.app_url(), "ingest --format fix --trader-from 1 --register-traders");
        command.current_dir(&directory).arg(&name);
        command
    };
    let (said, problems) = to_pipes(ingest());
    assert!(said.contains(&format!("day{SHOWN}.fix: ")), "{said}");
    assert!(said.contains(&format!("Bob{SHOWN_IN_ID}")), "{said}");
    assert!(problems.contains(&format!("day{SHOWN}.fix: line ")), "{problems}");
    assert!(problems.contains(&format!("KO{SHOWN_IN_ID}")), "{problems}");
    assert!(problems.contains(r#"(Commission) is "x\u{1b}[2J\u{202e}"#), "{problems}");
    assert_safe(&(said + &problems));
    let mut missing = blotter(&db.app_url(), "ingest");
    missing.arg(format!("gone{HIDDEN}\nblotter: all is well"));
    let (_, error) = to_pipes(missing);
    assert!(error.starts_with(&format!("blotter: gone{SHOWN}\n  blotter: all is well")), "{error}");
    assert_safe(&error);
}
