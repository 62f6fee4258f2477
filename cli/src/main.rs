//! The command `blotter`: migrate a database, check its schema, look into the store, see a demo. Its
//! subcommands, a file each, use the library as any backend would.

mod arguments;
mod breaks;
mod demo;
mod expire;
mod ingest;
mod key;
mod list;
mod migrate;
mod output;
mod precision;
mod progress;
mod prove;
mod rebuild;
mod report;
mod sandbox;
mod schema;
mod seal;
mod verify;
mod whoami;

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use anstream::eprintln;
use clap::{Parser, Subcommand};
use diesel::prelude::*;
use tradeblotter::role::{Auditor, Compliance, DatabaseRole, Engine, Reader, Trader};
use tradeblotter::{Blotter, Error, Login, Session, migrations};
use uuid::Uuid;

/// A check or an order failed, or the database did.
const FAILED: u8 = 1;

/// The command line was wrong; clap exits with the same code.
const USAGE: u8 = 2;

/// The order, fill and audit store of a trading backend, on PostgreSQL.
///
/// Start with `blotter demo`: it needs an installed PostgreSQL and no set-up, and leaves nothing
/// behind.
#[derive(Parser)]
#[command(name = "blotter", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "Exit codes: 0 all is well; 1 a check, an order or the database failed; \
                        2 the command line is wrong.")]
struct Arguments {
    #[command(flatten)]
    database: Database,
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Args)]
struct Database {
    /// The database: a postgres:// URL or a libpq keyword string.
    #[arg(long = "database-url", env = "DATABASE_URL", value_name = "URL", global = true)]
    #[arg(hide_env_values = true)]
    url: Option<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Apply, revert or list the schema's migrations.
    #[command(subcommand)]
    Migrate(migrate::Migrate),
    /// Look after the schema.
    #[command(subcommand)]
    Schema(schema::Schema),
    /// Show who the connection is logged in as, and what such a login may do.
    Whoami,
    /// Watch orders of every type go through every ending, in a database of their own.
    ///
    /// Without a database URL a private PostgreSQL is started for it; with one, a database is
    /// created on that server, and the login takes on the roles of a trader and of the engine. All of
    /// it is removed at the end; only when the command is killed do that database, `blotter_demo_` and
    /// a number, and the roles stay behind.
    Demo,
    /// List orders, newest first, or show one as it stood.
    Orders(list::Orders),
    /// List fills, newest first.
    Fills(list::Listed),
    /// List the audit trail: the newest entries, oldest of them first.
    Log(list::Log),
    /// List executions that could not be applied, and say what becomes of them.
    #[command(subcommand)]
    Breaks(breaks::Breaks),
    /// Cancel the open orders whose time is up, and print their ids.
    ///
    /// For cron: prints nothing when nothing is due. Any number may run at once.
    Expire(expire::Expire),
    /// Take in what venues, brokers and clients report, each order, fill and action exactly once.
    ///
    /// What can't be applied is kept as a break; see `blotter breaks`. An interrupted run is simply run
    /// again: what is known already is passed over.
    Ingest(ingest::Ingest),
    /// Derive every order again from its log and fills, one line for each thing that differs.
    ///
    /// Prints nothing and exits with 0 when all is as it should be, with 1 when not. Needs a login that
    /// sees every order.
    Rebuild(rebuild::Rebuild),
    /// Write what the log says of a range of time, a row for each action, for whoever asks for records.
    ///
    /// In one snapshot, with a manifest beside it: how many rows, which seal covers them, the hash of the
    /// file. Needs a login that may act as blotter_compliance.
    Report(report::Report),
    /// Make the keys that seals are signed with.
    #[command(subcommand)]
    Key(key::Key),
    /// Seal what the log says: what is committed and not sealed yet, signed, and chained to what was sealed
    /// before.
    ///
    /// Costs those who write nothing. Needs a login that may act as blotter_auditor.
    Seal(seal::Seal),
    /// Hold the log against its seals, one line for each thing that is not as it was sealed.
    ///
    /// Names each entry that was altered, removed, added or put in another place, each broken link of the
    /// chain, and each seal that the checkpoint file has and the database has not. Exits with 1 when
    /// anything is found.
    Verify(verify::Verify),
    /// Prove that one entry of the log was sealed, in a file that holds without the database.
    Prove(prove::Prove),
    /// Check such a proof, with nothing but the file and the public key.
    VerifyProof(prove::VerifyProof),
    /// Say how fine prices and commissions are kept, or have them kept finer.
    ///
    /// The columns hold cents; the owner of the tables widens them, in place. Orders and fills are locked
    /// and written anew meanwhile. It is never taken back by this: that would round.
    Precision(precision::Precision),
    /// Run a command with DATABASE_URL set to a private, empty PostgreSQL.
    ///
    /// The server lives as long as the command does; the exit code is the command's. For example:
    /// blotter sandbox -- diesel migration redo --all
    Sandbox(sandbox::Sandbox),
}

/// Why a command did not do what it was asked.
enum Failure {
    /// The command line asks for something that can't be.
    Usage(String),
    /// It was tried and failed; said already if there is no text.
    Failed(Option<String>),
    /// Whoever read the output has had enough.
    OutputClosed,
    /// A command that was run for the user ended with this code.
    Exit(u8),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Failed(Some(error.to_string()))
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Failed(Some(error.to_string())),
        }
    }
}

fn main() -> ExitCode {
    let Arguments { database, command } = Arguments::parse();
    let mut out = io::stdout().lock();
    let done = match command {
        Command::Migrate(command) => command.run(&database, &mut out),
        Command::Schema(command) => command.run(&database, &mut out),
        Command::Whoami => whoami::run(&database, &mut out),
        Command::Demo => demo::run(&database, &mut out),
        Command::Orders(command) => command.run(&database, &mut out),
        Command::Fills(listed) => listed.fills(&database, &mut out),
        Command::Log(command) => command.run(&database, &mut out),
        Command::Breaks(command) => command.run(&database, &mut out),
        Command::Expire(command) => command.run(&database, &mut out),
        Command::Ingest(command) => command.run(&database, &mut out),
        Command::Rebuild(command) => command.run(&database, &mut out),
        Command::Report(command) => command.run(&database, &mut out),
        Command::Precision(command) => command.run(&database, &mut out),
        Command::Key(command) => command.run(&mut out),
        Command::Seal(command) => command.run(&database, &mut out),
        Command::Verify(command) => command.run(&database, &mut out),
        Command::Prove(command) => command.run(&database, &mut out),
        Command::VerifyProof(command) => command.run(&mut out),
        Command::Sandbox(command) => command.run(),
    };
    match done.and_then(|()| Ok(out.flush()?)) {
        Ok(()) | Err(Failure::OutputClosed) => ExitCode::SUCCESS,
        Err(Failure::Usage(why)) => complain(USAGE, &why),
        Err(Failure::Failed(Some(why))) => complain(FAILED, &why),
        Err(Failure::Failed(None)) => ExitCode::from(FAILED),
        Err(Failure::Exit(code)) => ExitCode::from(code),
    }
}

/// Says what is wrong with a login, beside what the command prints.
fn warn(login: &Login) {
    for warning in login.warnings() {
        eprintln!("warning: {warning}");
    }
}

fn complain(code: u8, why: &dyn fmt::Display) -> ExitCode {
    eprintln!("blotter: {why}");
    ExitCode::from(code)
}

impl Database {
    /// The URL, if there is one; an empty DATABASE_URL is none.
    fn given(&self) -> Option<&str> {
        self.url.as_deref().filter(|url| !url.is_empty())
    }

    fn url(&self) -> Result<&str, Failure> {
        self.given().ok_or_else(|| {
            Failure::Usage(
                "which database? Set DATABASE_URL or pass --database-url; `blotter demo` and \
                 `blotter sandbox` need none"
                    .to_owned(),
            )
        })
    }

    /// A connection, whatever the state of the schema.
    fn connect(&self) -> Result<PgConnection, Failure> {
        Ok(tradeblotter::connect(self.url()?)?)
    }

    /// A session that acts for every trader.
    fn engine(&self) -> Result<Session<Engine>, Failure> {
        self.session(Blotter::engine)
    }

    /// A session that reads everything and writes nothing.
    fn compliance(&self) -> Result<Session<Compliance>, Failure> {
        self.session(Blotter::compliance)
    }

    /// A session that seals the log.
    fn auditor(&self) -> Result<Session<Auditor>, Failure> {
        self.session(Blotter::auditor)
    }

    /// A connection, and what its login may do; once the database has been found to be migrated.
    fn login(&self) -> Result<(PgConnection, Login), Failure> {
        let mut conn = self.connect()?;
        migrations::require(&mut conn)?;
        let login = Login::of(&mut conn)?;
        Ok((conn, login))
    }

    /// A session of a role that the login has to be a member of.
    fn session<R: DatabaseRole>(
        &self,
        of: impl FnOnce(&Blotter) -> Session<R>,
    ) -> Result<Session<R>, Failure> {
        self.connection_as::<R>()?;
        Ok(of(&Blotter::connect(self.url()?)?))
    }

    /// A connection of a login that is a member of this role.
    fn connection_as<R: DatabaseRole>(&self) -> Result<PgConnection, Failure> {
        let (conn, login) = self.login()?;
        if login.may_act_as::<R>() {
            return Ok(conn);
        }
        Err(Failure::Failed(Some(format!(
            "{name} may not act as {role}; GRANT {role} TO {name}, or connect as another login",
            name = login.name,
            role = R::NAME
        ))))
    }

    /// A session that reads the log and its seals, as whichever role the login may act as.
    fn auditing(&self) -> Result<Session<Reader>, Failure> {
        let (_, login) = self.login()?;
        let blotter = Blotter::connect(self.url()?)?;
        if login.may_act_as::<Auditor>() {
            return Ok(blotter.auditor().reader());
        }
        if login.may_act_as::<Compliance>() {
            return Ok(blotter.compliance().reader());
        }
        Err(Failure::Failed(Some(format!(
            "{name} sees no seals; GRANT blotter_auditor or blotter_compliance TO {name}, or connect as \
             another login",
            name = login.name
        ))))
    }

    /// A session that reads this trader's rows, or everybody's, as whichever role the login may act as.
    fn reader(&self, trader: Option<Uuid>) -> Result<Session<Reader>, Failure> {
        let (_, login) = self.login()?;
        let blotter = Blotter::connect(self.url()?)?;
        match trader {
            _ if login.may_act_as::<Compliance>() => Ok(blotter.compliance().reader()),
            _ if login.may_act_as::<Engine>() => Ok(blotter.engine().reader()),
            Some(trader) if login.may_act_as::<Trader>() => Ok(blotter.trader(trader)?.reader()),
            None if login.may_act_as::<Trader>() => Err(Failure::Usage(
                "whose rows? This login sees one trader's at a time: pass --trader".to_owned(),
            )),
            _ => Err(Failure::Failed(Some(format!(
                "{name} may act as none of the blotter roles and sees no rows; \
                 GRANT blotter_compliance TO {name}, or connect as another login",
                name = login.name
            )))),
        }
    }
}
