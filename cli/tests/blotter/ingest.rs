//! `blotter ingest`: the bundled day in whole and in pieces, the options, and what the command prints.

mod day;
mod reports;
mod retry;
mod traders;

use std::io::Write as _;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tradeblotter_test_support::Database;
use tradeblotter_test_support::reports::message;

/// The command, about to read its standard input.
fn command(db: &Database, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blotter"));
    command.args(["ingest", "-"]).args(arguments).env("DATABASE_URL", db.app_url());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// FIX messages with a text replaced by another one, with the right lengths and checksums.
fn altered(messages: &str, from: &str, to: &str) -> String {
    let body = |message: &str| {
        let fields = message.split('\u{1}').filter(|field| !field.is_empty());
        let fields = fields.filter(|field| !["8=", "9=", "10"].contains(&&field[..2]));
        fields.collect::<Vec<_>>().join("|").replace(from, to)
    };
    messages.lines().map(|line| message(&body(line))).collect()
}

/// Feeds the whole input to the command.
fn feed(mut command: Command, input: &[u8]) -> Output {
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    thread::scope(|scope| {
        // It may end without having read everything.
        scope.spawn(move || drop(stdin.write_all(input)));
        child.wait_with_output().unwrap()
    })
}

/// Feeds a part of the input to the command, which then waits for the rest, and kills it with SIGKILL
/// when the condition holds.
fn feed_and_kill(mut command: Command, input: &[u8], mut is_time: impl FnMut() -> bool) {
    let mut child: Child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input).unwrap();
    let given_up = Instant::now() + Duration::from_secs(60);
    while !is_time() {
        assert!(Instant::now() < given_up && child.try_wait().unwrap().is_none());
        thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Returns the command's standard output and standard error; asserts its exit code.
#[track_caller]
fn said(output: Output, code: i32) -> (String, String) {
    let said = String::from_utf8(output.stdout).unwrap();
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{said}\n{complaint}");
    (said, complaint)
}
