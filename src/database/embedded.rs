//! A private PostgreSQL server for as long as a value lives: for demos, tests and examples.
//!
//! It runs the PostgreSQL that is installed on this machine, on a Unix socket in a directory that no other
//! user can enter; as an unprivileged user even when the caller is root. A small `sh` process, the watchdog,
//! holds the server and reads a pipe from the caller: when the caller drops the [`Server`], exits, panics or
//! is killed with SIGKILL, the pipe closes, and the watchdog stops the server and removes its directory.

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

use crate::database::pool::connect;
use crate::database::postgres::pg_stat_activity;
use crate::database::role::DatabaseRole;
use crate::error::Error;

/// The environment variable that names the directory of the server's programs; it has precedence.
const BIN_VARIABLE: &str = "PGBIN";

/// The programs that the directory must hold.
const PROGRAMS: [&str; 3] = ["initdb", "pg_ctl", "postgres"];

/// The directories where packages install PostgreSQL off the PATH: `parent/prefix<version>/bin`.
const PACKAGES: [(&str, &str); 5] = [
    ("/usr/lib/postgresql", ""),
    ("/usr", "pgsql-"),
    ("/opt/homebrew/opt", "postgresql@"),
    ("/usr/local/opt", "postgresql@"),
    ("/Applications/Postgres.app/Contents/Versions", ""),
];

/// The package managers, each with its command that installs PostgreSQL.
const INSTALLERS: [(&str, &str); 6] = [
    ("apt-get", "apt-get install postgresql"),
    ("dnf", "dnf install postgresql-server"),
    ("brew", "brew install postgresql@17"),
    ("pacman", "pacman -S postgresql"),
    ("zypper", "zypper install postgresql-server"),
    ("apk", "apk add postgresql"),
];

/// The longest path of the socket's directory, in bytes: a socket's path has at most 103 on macOS (107 on
/// Linux), of which its own name takes 14.
const MAX_DIRECTORY: usize = 103 - 14;

/// The port, which is part of the socket's name.
const PORT: u16 = 5432;

/// The users to run the server as when the caller is root, as whom PostgreSQL refuses to run.
const UNPRIVILEGED: [&str; 2] = ["postgres", "nobody"];

/// The shell script of the watchdog: creates and starts the server, writes "ready", and removes everything
/// when its input ends. A line of input holds process ids of the server: the watchdog kills them and the
/// server, and starts it again as soon as the last of them has released their shared memory.
///
/// It traps PIPE because the caller may be gone before "ready" is written. fsync is off because the data
/// never outlives the process. `mmap` avoids `/dev/shm`, which is too small in many containers.
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
/// The database is owned by `blotter`, a login that is not a superuser, so row-level security applies to
/// connections to [`Server::url`] as in production. For sessions, connect as one of the logins of
/// [`Server::login`].
///
/// ```
/// # fn main() -> Result<(), tradeblotter::Error> {
/// use tradeblotter::{embedded, migrations};
///
/// let server = embedded::Server::start()?;
/// migrations::run(&mut server.connect()?)?;
/// // Works wherever a DATABASE_URL does, until `server` is dropped.
/// assert!(server.url().starts_with("postgres://blotter@"));
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Server {
    watchdog: Child,
    output: BufReader<ChildStdout>,
    directory: PathBuf,
    url: String,
}

impl Server {
    /// Starts a server with an empty database; takes about half a second.
    ///
    /// Searches for the programs in `PGBIN`, on the `PATH`, where `pg_config` points, and where the packages of
    /// Linux distributions, Homebrew and Postgres.app install them, newest version first.
    ///
    /// # Errors
    ///
    /// [`Error::is_no_server`] when no PostgreSQL is installed; the message names the command that installs it.
    /// Otherwise the message of the server that failed to start.
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
        // Ctrl-C at the terminal must reach the caller only; the watchdog then sees the pipe close.
        command.process_group(0);
        remove_pg_variables(&mut command);
        command.env("LC_ALL", "C");
        if let Some(user) = &user {
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        let mut watchdog =
            command.spawn().map_err(|why| Error::server(format!("can't run sh: {why}")))?;
        let Some(output) = watchdog.stdout.take() else {
            return Err(Error::server("the watchdog's standard output is not connected"));
        };
        let output = BufReader::new(output);
        // From here on the watchdog removes the directory.
        let mut server = Self { watchdog, output, directory: scratch.keep(), url: String::new() };
        server.await_ready()?;
        server.create_database()?;
        Ok(server)
    }

    /// Returns the URL of the database, for the login that owns it: to migrate.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the URL of the database for a login that is a member of this role and has no other privilege,
    /// as in production; creates the login if needed, with the timeouts that a trader's should have. The
    /// database must be migrated.
    ///
    /// # Errors
    ///
    /// The message of the server, when the role does not exist.
    pub fn login<R: DatabaseRole>(&self) -> Result<String, Error> {
        let role = R::NAME;
        let name = format!("{role}_login");
        connect(&self.admin_url())?.batch_execute(&format!(
            "DO $$ BEGIN
                 IF to_regrole('{name}') IS NULL THEN
                     CREATE ROLE {name} LOGIN IN ROLE {role};
                     ALTER ROLE {name} SET idle_in_transaction_session_timeout = '5min';
                     ALTER ROLE {name} SET lock_timeout = '1min';
                 END IF;
             EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
             END $$"
        ))?;
        Ok(self.url_for(&name, "blotter"))
    }

    /// Returns the URL of the database for the superuser, to whom row-level security does not apply.
    pub fn admin_url(&self) -> String {
        self.url_for("postgres", "blotter")
    }

    /// Opens a connection to the database as the login that owns it.
    ///
    /// # Errors
    ///
    /// [`Error::is_connection`].
    pub fn connect(&self) -> Result<PgConnection, Error> {
        connect(&self.url)
    }

    /// Makes a command that runs on this database: sets DATABASE_URL to the URL of the login that owns it and
    /// SUPERUSER_URL to that of the superuser, and removes the PG* variables, which are for other servers.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        remove_pg_variables(&mut command);
        command.env("DATABASE_URL", &self.url).env("SUPERUSER_URL", self.admin_url());
        command
    }

    /// Kills every process of the server with SIGKILL and starts it again on its data directory: for tests
    /// of crash recovery. Connections are lost; URLs stay valid. Unlike a failure of the machine, writes
    /// that the kernel holds in its cache are not lost.
    ///
    /// # Errors
    ///
    /// The message of the server that failed to start again.
    pub fn crash(&mut self) -> Result<(), Error> {
        let mut admin = connect(&self.admin_url())?;
        let pids: Vec<i32> =
            pg_stat_activity::table.select(pg_stat_activity::pid).load(&mut admin)?;
        let pids: Vec<String> = pids.iter().map(ToString::to_string).collect();
        let Some(input) = self.watchdog.stdin.as_mut() else {
            return Err(Error::server("the watchdog's standard input is not connected"));
        };
        writeln!(input, "{}", pids.join(" ")).map_err(Error::server)?;
        self.await_ready()
    }

    fn await_ready(&mut self) -> Result<(), Error> {
        let mut message = String::new();
        self.output.read_line(&mut message).map_err(Error::server)?;
        if message.trim() == "ready" {
            return Ok(());
        }
        self.output.read_to_string(&mut message).map_err(Error::server)?;
        Err(Error::server(message.trim()))
    }

    fn create_database(&mut self) -> Result<(), Error> {
        // The default from PostgreSQL 15 on, for older servers: not every role may create in the schema.
        connect(&self.url_for("postgres", "template1"))?.batch_execute(
            "REVOKE CREATE ON SCHEMA public FROM PUBLIC;
             ALTER SCHEMA public OWNER TO pg_database_owner",
        )?;
        let mut admin = connect(&self.url_for("postgres", "postgres"))?;
        // CREATEROLE, because a migration creates the roles.
        admin.batch_execute("CREATE ROLE blotter LOGIN CREATEDB CREATEROLE")?;
        admin.batch_execute("CREATE DATABASE blotter OWNER blotter")?;
        self.url = self.url_for("blotter", "blotter");
        Ok(())
    }

    /// Returns a URL that sets every parameter which the environment could set otherwise. An empty `hostaddr`
    /// means none; without it a PGHOSTADDR would lead to another server.
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
        // A watchdog that can't be waited for has already ended.
        let _ = self.watchdog.wait();
    }
}

/// Removes the PG* variables, which are for other servers, from the environment of a command.
fn remove_pg_variables(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PG") {
            command.env_remove(name);
        }
    }
}

/// Finds the directory of the server's programs.
fn programs() -> Result<PathBuf, Error> {
    let complete = |dir: &PathBuf| PROGRAMS.iter().all(|program| dir.join(program).is_file());
    if let Some(dir) = std::env::var_os(BIN_VARIABLE) {
        let dir = std::path::absolute(dir).map_err(Error::server)?;
        return if complete(&dir) {
            Ok(dir)
        } else {
            Err(Error::no_server(format!(
                "{BIN_VARIABLE} is {}, which does not hold all of {}; set it to the directory that does",
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
        .ok_or_else(no_server)
}

fn search_path() -> Vec<PathBuf> {
    let path: OsString = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).collect()
}

fn pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    Some(PathBuf::from(String::from_utf8(output.stdout).ok()?.trim_end()))
}

/// Returns the `bin` directories of the versions installed under `parent`, newest first.
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

/// Makes the error that names the command which installs PostgreSQL.
fn no_server() -> Error {
    let path = search_path();
    let is_installed = |program: &str| path.iter().any(|dir| dir.join(program).is_file());
    let command = INSTALLERS
        .iter()
        .find(|(manager, _)| is_installed(manager))
        .map_or("see https://www.postgresql.org/download", |(_, command)| command);
    Error::no_server(format!(
        "no PostgreSQL server is installed; install one ({command}), set {BIN_VARIABLE} to the \
         directory of its programs, or set DATABASE_URL to a running server"
    ))
}

/// Returns the user to run the server as: none for the caller itself, an unprivileged one if that is root.
fn unprivileged_user() -> Result<Option<User>, Error> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    UNPRIVILEGED.iter().find_map(|name| User::from_name(name).ok().flatten()).map(Some).ok_or_else(
        || {
            Error::no_server(format!(
                "PostgreSQL refuses to run as root, and none of the users to run it as exists: {}; \
                 create one, or run this as another user",
                UNPRIVILEGED.join(", ")
            ))
        },
    )
}

/// Creates a directory that only the server's user can enter. It is in `/tmp` when the default directory for
/// temporary files does not exist, would make the socket's path too long, would need quoting in a URL, or may
/// be inaccessible to the server's user.
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
    // Again, because a umask may have removed even the owner's permissions.
    fs::set_permissions(scratch.path(), closed).map_err(Error::server)?;
    if let Some(user) = user {
        chown(scratch.path(), Some(user.uid.as_raw()), Some(user.gid.as_raw()))
            .map_err(Error::server)?;
    }
    Ok(scratch)
}
