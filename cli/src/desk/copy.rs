//! Copies a desk from one server to another, with PostgreSQL's own programs.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};

use tradeblotter::Desk;

use crate::failure::Failure;

/// Copies the desk in one transaction of the target: after a failure there is nothing of it there, also if this program is
/// killed. The copy is marked as not in use. Schema and rows come from one server, unless `rows_url` names another for the
/// rows.
pub fn copy(
    desk: &Desk,
    schema_url: &str,
    rows_url: Option<&str>,
    to_url: &str,
) -> Result<(), Failure> {
    let mut restore = Login::of(to_url).program("psql");
    restore.args(["--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1"]);
    restore.stdin(Stdio::piped()).stdout(Stdio::null());
    let mut restore = spawn(&mut restore, "psql")?;
    let parts = match rows_url {
        None => vec![(schema_url, None)],
        Some(rows_url) => vec![
            (schema_url, Some("--section=pre-data")),
            (rows_url, Some("--section=data")),
            (schema_url, Some("--section=post-data")),
        ],
    };
    let sent = match restore.stdin.take() {
        Some(script) => send(desk, &parts, script),
        None => Ok(false),
    };
    let restored = restore.wait()?.success();
    let failed = match sent {
        Ok(true) if restored => return Ok(()),
        Ok(false) if restored => "pg_dump",
        // It has stopped, or stopped reading.
        Ok(_) | Err(Failure::OutputClosed) => "psql",
        Err(why) => return Err(why),
    };
    Err(Failure::Failed(Some(format!(
        "desk {desk} could not be copied: {failed} failed, and said why above; nothing of it is on the other server"
    ))))
}

/// Sends psql the parts of the dump, in a transaction that is committed only if each is complete: at the end of its input
/// psql rolls back. Returns whether they are.
fn send(
    desk: &Desk,
    parts: &[(&str, Option<&str>)],
    mut script: ChildStdin,
) -> Result<bool, Failure> {
    let (before, after) = desk.around_dump();
    script.write_all(before.as_bytes())?;
    for (url, section) in parts {
        let mut dump = Login::of(url).program("pg_dump");
        dump.arg(format!("--schema=\"{desk}\"")).args(section);
        let mut dump = spawn(dump.stdout(Stdio::piped()), "pg_dump")?;
        let copied = dump.stdout.take().map(|mut rows| io::copy(&mut rows, &mut script));
        let is_complete = dump.wait()?.success();
        copied.transpose()?;
        if !is_complete {
            return Ok(false);
        }
    }
    script.write_all(after.as_bytes())?;
    Ok(true)
}

fn spawn(command: &mut Command, name: &str) -> Result<Child, Failure> {
    command.spawn().map_err(|why| {
        Failure::Failed(Some(format!(
            "cannot run {name}, one of PostgreSQL's client programs: {why}; install them, or set PGBIN to their directory"
        )))
    })
}

/// How a program connects. Other users of the machine see its arguments, so the password is not one of them.
struct Login {
    url: String,
    password: Option<String>,
}

impl Login {
    fn of(url: &str) -> Self {
        let split = || {
            let (scheme, rest) = url.split_once("://")?;
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            let (user, host) = rest[..end].rsplit_once('@')?;
            let (user, password) = user.split_once(':')?;
            Some((format!("{scheme}://{user}@{host}{}", &rest[end..]), decoded(password)?))
        };
        match split() {
            Some((url, password)) => Self { url, password: Some(password) },
            None => Self { url: url.to_owned(), password: None },
        }
    }

    fn program(&self, name: &str) -> Command {
        let beside = std::env::var_os("PGBIN").map(|bin| PathBuf::from(bin).join(name));
        let mut command = match beside.filter(|program| program.is_file()) {
            Some(program) => Command::new(program),
            None => Command::new(name),
        };
        command.args(["--dbname", &self.url]);
        if let Some(password) = &self.password {
            command.env("PGPASSWORD", password);
        }
        command
    }
}

/// Decodes the percent signs of a URL.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::Login;

    #[test]
    fn a_password_is_no_argument_of_a_program() {
        let login = Login::of("postgres://ada:s%40c%3aret@db1:5433/blotter?sslmode=require");
        assert_eq!(login.url, "postgres://ada@db1:5433/blotter?sslmode=require");
        assert_eq!(login.password.unwrap(), "s@c:ret");
        for url in ["postgres://ada@db1/blotter", "postgres://ada@/blotter?host=/tmp", "host=db1"] {
            let login = Login::of(url);
            assert_eq!((login.url.as_str(), login.password), (url, None));
        }
    }
}
