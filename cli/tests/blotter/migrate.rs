//! Runs `blotter migrate` in several processes at once.

use std::process::{Command, Stdio};

use tradeblotter::migrations;
use tradeblotter_test_support::Database;

const TOGETHER: usize = 8;

/// Returns the command, with this database.
fn blotter(database: &Database, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blotter"));
    command.args(arguments).env("DATABASE_URL", database.owner_url());
    command
}

#[test]
fn eight_processes_at_once_migrate_an_empty_database_once() {
    let database = Database::empty();
    let conn = &mut database.owner();
    let start = |_| {
        blotter(&database, &["migrate", "run"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let processes: Vec<_> = (0..TOGETHER).map(start).collect();
    let mut applied = Vec::new();
    for process in processes {
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8(output.stdout).unwrap();
        let lines = said.lines().filter_map(|line| line.strip_prefix("applied"));
        applied.extend(lines.map(|line| line.split_whitespace().next().unwrap().to_owned()));
    }
    applied.sort();
    assert_eq!(
        applied,
        migrations::status(conn).unwrap().into_iter().map(|status| status.name).collect::<Vec<_>>()
    );

    let check = blotter(&database, &["schema", "check"]).output().unwrap();
    assert!(check.status.success());
    assert_eq!(String::from_utf8_lossy(&check.stdout), "");
}
