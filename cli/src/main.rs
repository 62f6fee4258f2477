//! The command `blotter`: migrate a database, check its schema, look into the store, see a demo. Its
//! subcommands, a file each, use the library as any backend would.

mod arguments;
mod breaks;
mod database;
mod demo;
mod expire;
mod failure;
mod fills;
mod ingest;
mod key;
mod list_options;
mod log;
mod migrate;
mod orders;
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
mod verify_proof;
mod whoami;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::database::Database;

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
    Orders(orders::Orders),
    /// List fills, newest first.
    Fills(fills::Fills),
    /// List the audit trail: the newest entries, oldest of them first.
    Log(log::Log),
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
    VerifyProof(verify_proof::VerifyProof),
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

fn main() -> ExitCode {
    let Arguments { database, command } = Arguments::parse();
    let mut out = io::stdout().lock();
    let done = match command {
        Command::Migrate(command) => command.run(&database, &mut out),
        Command::Schema(command) => command.run(&database, &mut out),
        Command::Whoami => whoami::run(&database, &mut out),
        Command::Demo => demo::run(&database, &mut out),
        Command::Orders(command) => command.run(&database, &mut out),
        Command::Fills(command) => command.run(&database, &mut out),
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
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
