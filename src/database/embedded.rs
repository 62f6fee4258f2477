//! A private PostgreSQL server for as long as a value lives: for demos, tests and examples.
//!
//! It runs the server that is installed here, on a Unix socket in a directory that nobody else can
//! enter, as an ordinary user even when the caller is root. A small `sh` process holds it and
//! watches a pipe from the caller: when the caller drops the [`Server`], exits, panics or is
//! killed outright, the pipe closes, and the server and its directory are gone.

use std::ffi::{OsStr, OsString};
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use nix::unistd::{User, geteuid};

use crate::database::postgres::pg_stat_activity;
use crate::database::role::DatabaseRole;
use crate::database::session::connect;
use crate::error::Error;

/// A directory with the programs `initdb`, `pg_ctl` and `postgres` in it, tried before all others.
const BIN_VARIABLE: &str = "PGBIN";

const PROGRAMS: [&str; 3] = ["initdb", "pg_ctl", "postgres"];

/// Where packages put PostgreSQL when not on the PATH: `parent/prefix<version>/bin`.
const PACKAGES: [(&str, &str); 5] = [
    ("/usr/lib/postgresql", ""),
    ("/usr", "pgsql-"),
    ("/opt/homebrew/opt", "postgresql@"),
    ("/usr/local/opt", "postgresql@"),
    ("/Applications/Postgres.app/Contents/Versions", ""),
];

/// Package managers by the program that shows they are there, and how each installs PostgreSQL.
const INSTALLERS: [(&str, &str); 6] = [
    ("apt-get", "apt-get install postgresql"),
    ("dnf", "dnf install postgresql-server"),
    ("brew", "brew install postgresql@17"),
    ("pacman", "pacman -S postgresql"),
    ("zypper", "zypper install postgresql-server"),
    ("apk", "apk add postgresql"),
];

/// A socket's path has at most 103 bytes on macOS (107 on Linux), and the socket's own name in the
/// directory takes 14 of them.
const MAX_DIRECTORY: usize = 103 - 14;

/// The socket's name has a port's number in it.
const PORT: u16 = 5432;

/// The users that run the server when the caller is root, which PostgreSQL refuses to run as.
const UNPRIVILEGED: [&str; 2] = ["postgres", "nobody"];

/// Makes the server, says "ready", and takes everything away once its input ends. A line of its input
/// has process ids of the server in it: they and the server are killed, and it starts anew. That has
/// to wait until the last of them has let go of what they share.
///
/// PIPE is trapped because the caller may be gone before "ready" is said. fsync is off because the
/// data never outlives the process. `mmap` keeps clear of a `/dev/shm` that containers make too
/// small.
const WATCHDOG: &str = r#"
dir=$1 bin=$2 port=$3
umask 077
trap '"$bin/pg_ctl" stop -s -m immediate -D "$dir/data" >/dev/null 2>&1; rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT PIPE TERM
cd "$dir" || { echo "can't enter $dir"; exit 1; }
fail() { echo "$1 failed:"; tail -n 5 "$dir/log"; exit 1; }
"$bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --no-sync >"$dir/log" 2>&1 || fail initdb
cat >>"$dir/data/postgresql.conf" <<CONF
listen_addresses = ''
port = $port
unix_socket_directories = '$dir'
dynamic_shared_memory_type = mmap
fsync = off
CONF
start() { "$bin/pg_ctl" start -w -s -D "$dir/data" -l "$dir/log" >/dev/null 2>&1; }
start || fail postgres
echo ready
while read -r pids; do
    kill -9 $(head -n 1 "$dir/data/postmaster.pid") $pids
    attempts=0
    until start; do
        attempts=$((attempts + 1))
        [ "$attempts" -lt 100 ] || fail postgres
        sleep 0.05
    done
    echo ready
done
"#;

/// A running private server with one empty database, `blotter`.
///
/// The database belongs to `blotter`, a login without superuser rights, and row security holds
/// whoever connects with [`Server::url`], as it would in production. Sessions begin on one of the
/// logins of [`Server::login`].
///
/// ```
/// # fn main() -> Result<(), tradeblotter::Error> {
/// use tradeblotter::{embedded, migrations};
///
/// let server = embedded::Server::start()?;
/// migrations::run(&mut server.connect()?)?;
/// // Used by anything that takes a DATABASE_URL; gone when `server` is dropped.
/// assert!(server.url().starts_with("postgres://blotter@"));
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Server {
    watchdog: Child,
    said: BufReader<ChildStdout>,
    directory: PathBuf,
    url: String,
}

impl Server {
    /// Starts a server; takes about half a second.
    ///
    /// The programs are looked for in `PGBIN`, on the `PATH`, where `pg_config` points, and where
    /// the packages of Linux distributions, Homebrew and Postgres.app put them, newest first.
    ///
    /// # Errors
    ///
    /// [`Error::is_no_server`] when no PostgreSQL is installed here; the text names the command
    /// that installs it. Otherwise what the server itself said when it failed to start.
    pub fn start() -> Result<Self, Error> {
        let bin = programs()?;
        let user = unprivileged_user()?;
        let scratch = directory(user.as_ref())?;
        let mut command = Command::new("sh");
        command
            .args(["-c", WATCHDOG, "blotter-embedded"])
            .arg(scratch.path())
            .arg(bin)
            .arg(PORT.to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        // A Ctrl-C at the terminal is for the caller; the pipe tells the watchdog.
        command.process_group(0);
        forget_other_servers(&mut command);
        command.env("LC_ALL", "C");
        if let Some(user) = &user {
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        let mut watchdog =
            command.spawn().map_err(|why| Error::server(format!("can't run sh: {why}")))?;
        let Some(output) = watchdog.stdout.take() else {
            return Err(Error::server("its output is not connected"));
        };
        let said = BufReader::new(output);
        // From here on the watchdog removes the directory.
        let mut server = Self { watchdog, said, directory: scratch.keep(), url: String::new() };
        server.await_ready()?;
        server.create_database()?;
        Ok(server)
    }

    /// The URL of the database, for the login that owns it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The URL of the database for a login of its own that is a member of this role and may do nothing
    /// else, as in production. The database must be migrated.
    ///
    /// # Errors
    ///
    /// What the server said when the role is missing.
    pub fn login<R: DatabaseRole>(&self) -> Result<String, Error> {
        let role = R::NAME;
        let name = format!("{role}_login");
        connect(&self.admin_url())?.batch_execute(&format!(
            "DO $$ BEGIN
                 IF to_regrole('{name}') IS NULL THEN CREATE ROLE {name} LOGIN IN ROLE {role}; END IF;
             EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
             END $$"
        ))?;
        Ok(self.url_for(&name, "blotter"))
    }

    /// The URL of the database for the superuser, whom row security does not hold.
    pub fn admin_url(&self) -> String {
        self.url_for("postgres", "blotter")
    }

    /// A new connection to the database, as the login that owns it.
    ///
    /// # Errors
    ///
    /// [`Error::is_connection`].
    pub fn connect(&self) -> Result<PgConnection, Error> {
        connect(&self.url)
    }

    /// A command to run on the database: DATABASE_URL is set to it, and no setting for another
    /// server is passed on.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        forget_other_servers(&mut command);
        command.env("DATABASE_URL", &self.url);
        command
    }

    /// Kills every process of the server outright and starts it again on what is on its disk, for tests
    /// of what outlives that. Connections are lost; URLs stay. What the kernel has taken from the
    /// server and not yet written is not lost, as it would be if the machine had failed.
    ///
    /// # Errors
    ///
    /// What the server said when it did not start again.
    pub fn crash(&mut self) -> Result<(), Error> {
        let mut admin = connect(&self.admin_url())?;
        let pids: Vec<i32> =
            pg_stat_activity::table.select(pg_stat_activity::pid).load(&mut admin)?;
        let pids: Vec<String> = pids.iter().map(ToString::to_string).collect();
        let Some(input) = self.watchdog.stdin.as_mut() else {
            return Err(Error::server("its watchdog does not listen"));
        };
        writeln!(input, "{}", pids.join(" ")).map_err(Error::server)?;
        self.await_ready()
    }

    fn await_ready(&mut self) -> Result<(), Error> {
        let mut said = String::new();
        self.said.read_line(&mut said).map_err(Error::server)?;
        if said.trim() == "ready" {
            return Ok(());
        }
        self.said.read_to_string(&mut said).map_err(Error::server)?;
        Err(Error::server(said.trim()))
    }

    fn create_database(&mut self) -> Result<(), Error> {
        // As from PostgreSQL 15 on: not everybody may create in the schema.
        connect(&self.url_for("postgres", "template1"))?.batch_execute(
            "REVOKE CREATE ON SCHEMA public FROM PUBLIC;
             ALTER SCHEMA public OWNER TO pg_database_owner",
        )?;
        let mut admin = connect(&self.url_for("postgres", "postgres"))?;
        // CREATEROLE, because a migration makes the roles.
        admin.batch_execute("CREATE ROLE blotter LOGIN CREATEDB CREATEROLE")?;
        admin.batch_execute("CREATE DATABASE blotter OWNER blotter")?;
        self.url = self.url_for("blotter", "blotter");
        Ok(())
    }

    /// Says what the environment of whoever uses the URL could say otherwise. An empty `hostaddr` is
    /// none; a PGHOSTADDR would lead to another server altogether.
    fn url_for(&self, user: &str, database: &str) -> String {
        let directory = self.directory.display();
        format!(
            "postgres://{user}@/{database}?host={directory}&hostaddr=&port={PORT}&options=\
             &sslmode=disable&gssencmode=disable&target_session_attrs=any"
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        // A watchdog that can't be waited for is gone already.
        let _ = self.watchdog.wait();
    }
}

/// Keeps the PG* variables of the environment, which are for other servers, from a command.
fn forget_other_servers(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PG") {
            command.env_remove(name);
        }
    }
}

/// The directory of the server's programs.
fn programs() -> Result<PathBuf, Error> {
    let complete = |dir: &PathBuf| PROGRAMS.iter().all(|program| dir.join(program).is_file());
    if let Some(dir) = std::env::var_os(BIN_VARIABLE) {
        let dir = std::path::absolute(dir).map_err(Error::server)?;
        return if complete(&dir) {
            Ok(dir)
        } else {
            Err(Error::no_server(format!(
                "{BIN_VARIABLE} is {}, which lacks one of {}",
                dir.display(),
                PROGRAMS.join(", ")
            )))
        };
    }
    search_path()
        .into_iter()
        .chain(pg_config())
        .chain(PACKAGES.iter().flat_map(|(parent, prefix)| packaged(parent, prefix)))
        .find(complete)
        .ok_or_else(missing)
}

fn search_path() -> Vec<PathBuf> {
    let path: OsString = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).collect()
}

fn pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    Some(PathBuf::from(String::from_utf8(output.stdout).ok()?.trim_end()))
}

/// The installed versions under `parent`, newest first.
fn packaged(parent: &str, prefix: &str) -> Vec<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir(parent)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            let version = name.to_str()?.strip_prefix(prefix)?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort_by(|a, b| b.cmp(a));
    versions.into_iter().map(|(_, bin)| bin).collect()
}

fn missing() -> Error {
    let path = search_path();
    let here = |program: &str| path.iter().any(|dir| dir.join(program).is_file());
    let command = INSTALLERS
        .iter()
        .find(|(manager, _)| here(manager))
        .map_or("see https://www.postgresql.org/download", |(_, command)| command);
    Error::no_server(format!(
        "no PostgreSQL server is installed here; install one ({command}), point {BIN_VARIABLE} at \
         the directory of its programs, or set DATABASE_URL to a server that is running"
    ))
}

/// Who runs the server: `None` for the caller, a named user when the caller is root.
fn unprivileged_user() -> Result<Option<User>, Error> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    UNPRIVILEGED.iter().find_map(|name| User::from_name(name).ok().flatten()).map(Some).ok_or_else(
        || {
            Error::no_server(format!(
                "PostgreSQL refuses to run as root, and there is no user to run it as: none of {}",
                UNPRIVILEGED.join(", ")
            ))
        },
    )
}

/// A new directory that only the server's user can enter. It stands in `/tmp` when the usual place
/// is not there, would make the socket's path too long, would need quoting in a URL, or may be
/// closed to the server's user.
fn directory(user: Option<&User>) -> Result<tempfile::TempDir, Error> {
    let usual = std::path::absolute(std::env::temp_dir()).map_err(Error::server)?;
    let plain = |path: &Path| {
        let name = "/blotter-XXXXXX".len();
        path.to_str().is_some_and(|text| {
            text.len() + name <= MAX_DIRECTORY
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_-.".contains(&b))
        })
    };
    let parent = if user.is_none() && plain(&usual) && usual.is_dir() {
        usual
    } else {
        PathBuf::from("/tmp")
    };
    let closed = Permissions::from_mode(0o700);
    let scratch = tempfile::Builder::new()
        .prefix("blotter-")
        .permissions(closed.clone())
        .tempdir_in(parent)
        .map_err(Error::server)?;
    // Once more, for a umask that takes even the owner's rights.
    fs::set_permissions(scratch.path(), closed).map_err(Error::server)?;
    if let Some(user) = user {
        chown(scratch.path(), Some(user.uid.as_raw()), Some(user.gid.as_raw()))
            .map_err(Error::server)?;
    }
    Ok(scratch)
}
