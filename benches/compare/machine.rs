//! A description of the machine and the server.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use chrono::{SecondsFormat, Utc};
use diesel::PgConnection;

use crate::clients::Outcome;
use crate::databases::{Databases, text};
use crate::report::Table;

/// Settings of the server that affect the measurements.
const SETTINGS: [&str; 6] =
    ["fsync", "synchronous_commit", "shared_buffers", "max_wal_size", "checkpoint_timeout", "jit"];

/// Adds facts about the machine, the server and the contenders.
pub fn describe(admin: &mut PgConnection, databases: &Databases, facts: &mut Table) -> Outcome<()> {
    let mut fact = |name: &str, value: String| facts.add([name.to_owned(), value]);
    fact("measured", Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true));
    fact("processor", field("/proc/cpuinfo", "model name"));
    fact("cores", thread::available_parallelism()?.to_string());
    fact("memory", field("/proc/meminfo", "MemTotal"));
    fact("system", output_of(Command::new("uname").arg("-sr")));
    fact("revision", output_of(Command::new("git").args(["describe", "--always", "--dirty"])));
    fact("rustc", output_of(Command::new("rustc").arg("--version")));
    fact("server", text(admin, "SELECT split_part(version(), ' on ', 1) AS text")?);
    for name in SETTINGS {
        fact(name, text(admin, &format!("SELECT current_setting('{name}') AS text"))?);
    }
    if let Some(python) = &databases.python {
        fact("Python", output_of(Command::new(python).arg("--version")));
        for package in ["sqlalchemy", "psycopg"] {
            fact(package, version(python, package));
        }
    }
    Ok(())
}

/// Returns a field of a file with lines like `name : value`; empty on a system without that file.
fn field(path: &str, name: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_prefix(':'));
    value.unwrap_or_default().trim().to_owned()
}

/// Returns the output of a program; empty if it is not installed.
fn output_of(command: &mut Command) -> String {
    let output = command.output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).trim().to_owned()
}

fn version(python: &Path, package: &str) -> String {
    let program = format!("from importlib.metadata import version; print(version('{package}'))");
    output_of(Command::new(python).args(["-c", &program]))
}
