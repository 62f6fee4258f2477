//! Runs the command `blotter`, whose path a test knows by `CARGO_BIN_EXE_blotter`.

use std::process::{Command, Output, Stdio};

/// Returns the command with these arguments, separated by spaces, on the database at `url`, and with no other setting of its
/// environment.
pub fn command(program: &str, url: &str, arguments: &str) -> Command {
    let mut command = Command::new(program);
    command.args(arguments.split_whitespace()).stdin(Stdio::null());
    for variable in ["BLOTTER_DESK", "BLOTTER_FLEET", "BLOTTER_SEAL_KEY"] {
        command.env_remove(variable);
    }
    command.env("DATABASE_URL", url);
    command
}

/// Returns what a command has printed, standard output before standard error. Panics unless it has ended with this code.
#[track_caller]
pub fn text(output: Output, code: i32) -> String {
    let said = String::from_utf8(output.stdout).unwrap();
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{said}\n{complaint}");
    said + &complaint
}
