//! The command `blotter`: the command line and its dispatch. Each subcommand has a file of its own and uses
//! the library as any backend would.

mod archive;
mod arguments;
mod breaks;
mod checkpoint;
mod database;
mod demo;
mod desk;
mod expire;
mod failure;
mod feed_options;
mod fills;
mod harden;
mod ingest;
mod key;
mod list_options;
mod log;
mod migrate;
mod orders;
mod output;
mod progress;
mod prove;
mod rebuild;
mod report;
mod sandbox;
mod schema;
mod seal;
mod status;
mod terminal;
mod traders;
mod verify;
mod verify_proof;
mod watch;
mod whoami;
mod widen;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::database::Database;
use crate::terminal::Output;

/// Manage a tradeblotter database: migrate, ingest, query, report, seal, verify, archive
///
/// tradeblotter stores the orders, fills and audit trail of a trading backend in PostgreSQL. Start with
/// `blotter demo`: it needs an installed PostgreSQL and no set-up, and leaves nothing behind.
#[derive(Parser)]
#[command(name = "blotter", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = EXIT_STATUS)]
struct Arguments {
    #[command(flatten)]
    database: Database,
    #[command(subcommand)]
    command: Command,
}

const EXIT_STATUS: &str = "\
Exit status:
  0  success
  1  a check found a difference, or the database or a file returned an error
  2  the command line is wrong";

#[derive(Subcommand)]
enum Command {
    /// Show the store at work: orders, fills, breaks, refused changes, a day of reports
    ///
    /// Without a database URL the demo starts a private PostgreSQL server. With one (--database-url or
    /// DATABASE_URL) it creates a database named blotter_demo_ID on that server and grants the login the
    /// roles of a trader and of the engine. It removes all of this at the end; if it is killed, the
    /// database and the roles stay behind. Takes a few seconds.
    Demo,
    /// Run a command with DATABASE_URL set to a private, empty PostgreSQL
    ///
    /// The server is started for the command and removed when the command ends. The login owns the
    /// database; SUPERUSER_URL is that of a superuser.
    #[command(after_long_help = "\
Exit status:
  that of the command; 128 plus the number of the signal that ended it

Examples:
  blotter sandbox -- sh
  blotter sandbox -- diesel migration redo --all")]
    Sandbox(sandbox::Sandbox),
    /// Apply, revert or list the migrations of the schema
    #[command(subcommand)]
    Migrate(migrate::Migrate),
    /// Check the schema of the database
    #[command(subcommand)]
    Schema(schema::Schema),
    /// Add, list and check desks, or move one to another server
    ///
    /// A desk is a schema that holds a whole blotter, with roles of its own. Every command takes --desk.
    #[command(subcommand)]
    Desk(desk::Desk),
    /// Refuse changes of the schema to everybody, the owner of the tables included
    ///
    /// Installs event triggers that refuse every command which alters, drops or shadows an object of the
    /// blotter; other objects in the same schema are not concerned. Before a
    /// migration, or to widen prices, run --lift, and harden again afterwards. Idempotent. Needs a superuser, and so cannot be undone by the owner.
    #[command(after_long_help = "\
Examples:
  blotter harden
  blotter harden --lift && DATABASE_URL=$OWNER blotter migrate run && blotter harden")]
    Harden(harden::Harden),
    /// Show the login of the connection, what it may do, and whether the schema is hardened
    ///
    /// Warns on standard error if a backend should not use this login, for example a superuser.
    Whoami,
    /// Widen the columns of prices and commissions, of symbols, or both
    ///
    /// Idempotent. Finer prices lock and rewrite orders and fills; longer symbols lock orders for a moment.
    /// Sessions of this library that are open go on working; other clients may have to reconnect. A column
    /// cannot be narrowed, because that would round prices or cut symbols. Needs the login that owns the
    /// tables, and a schema that is not hardened (see `blotter harden`).
    #[command(after_long_help = "\
Examples:
  blotter widen --prices 6
  blotter widen --prices 4 --symbols 21")]
    Widen(widen::Widen),
    /// Ingest execution reports from a file
    ///
    /// Ingesting is idempotent: orders, fills and actions that are stored already are recognised by their
    /// ids and skipped, so after an interruption ingest the same file again. Fills without an execution id
    /// are recognised by their content. A report that cannot be applied is kept as a break (see `blotter
    /// breaks`); breaks of earlier inputs that lack nothing any more are applied. The last line of standard
    /// output counts what became of each report. Standard error lists the reports that are kept as breaks
    /// and those that cannot be read, by line, up to 100, and up to 100 notes on reports that were applied
    /// in spite of a doubt. Needs a login that is a member of blotter_engine.
    #[command(after_long_help = "\
Exit status:
  0  every report is stored, known, without effect or kept as a break
  1  a report could not be read and is not stored, or the database or the file returned an error;
     with --strict also: there is a break or a note
  2  the command line is wrong

Examples:
  blotter ingest day.fix --trader-from 1 --register-traders
  blotter ingest - --format ndjson < events.ndjson
  blotter ingest day.fix --trader Ada --venue XNAS --dry-run
  blotter ingest drop-copy.fix --trader-from 1 --source BROKER --daily-ids=America/New_York")]
    Ingest(ingest::Ingest),
    /// Register traders and list them
    #[command(subcommand)]
    Traders(traders::Traders),
    /// List, resolve and retry reports that could not be applied
    #[command(subcommand)]
    Breaks(breaks::Breaks),
    /// List orders, newest first, or show one as of a time
    #[command(after_long_help = "\
Examples:
  blotter orders --status PENDING --status PARTIAL --symbol AAPL
  blotter orders --order UUID --as-of 2026-11-24T15:59:00Z")]
    Orders(orders::Orders),
    /// List fills, newest first
    #[command(after_long_help = "\
Example:
  blotter fills --symbol AAPL --from 2026-11-24 --until 2026-11-25 --format csv")]
    Fills(fills::Fills),
    /// List, follow or export the execution log
    ///
    /// Selects the newest entries, up to --limit, and prints them oldest first.
    #[command(after_long_help = "\
Examples:
  blotter log --order UUID
  blotter log --follow
  blotter log --format events-ndjson > events.ndjson")]
    Log(log::Log),
    /// Watch orders, their history and open breaks live, and act on them
    ///
    /// Fills the terminal until `q`; `?` lists the keys. Acts as the role of the login: a trader sees its own rows
    /// and may cancel its orders, the engine books and dismisses breaks, compliance only looks. Reads one screenful
    /// at a time and follows the log by number. Colours only repeat what the words say; NO_COLOR turns them off.
    #[command(after_long_help = "\
Examples:
  blotter watch
  blotter watch --status open --symbol AAPL
  blotter watch --role trader --trader UUID")]
    Watch(watch::Watch),
    /// Print the figures of operation once, and check them against thresholds
    ///
    /// The newest entry, entries per second, ingest lag, open orders, open breaks by reason, the last seal, and what is not
    /// sealed. Each is read by an index and within a bound: once in a few seconds costs little, however long the log.
    /// What the login's role may not see is said to be hidden, and is left out of JSON and Prometheus. Acts as the first
    /// of these roles that the login has: compliance, auditor, engine, trader.
    #[command(after_long_help = "\
Exit status:
  0  no threshold is exceeded
  1  a threshold is exceeded, which standard error names, or the database returned an error
  2  the command line is wrong

Examples:
  blotter status
  blotter status --max-open-breaks 0 --max-unsealed-age 5min
  blotter status --format prometheus > blotter.prom.new && mv blotter.prom.new blotter.prom")]
    Status(status::Status),
    /// Cancel the open orders whose expiry time has come, and print their ids
    ///
    /// For cron: prints nothing if no order is due. Several may run at once. Needs a login that is a member
    /// of blotter_engine.
    Expire(expire::Expire),
    /// Derive every order again from its log and fills, and print each difference
    ///
    /// Independent code computes the status and totals that the database has derived. One line for each
    /// difference; nothing if there is none. Needs a login that is a member of blotter_compliance or
    /// blotter_engine.
    #[command(after_long_help = "\
Exit status:
  0  no difference
  1  a difference, or the database returned an error
  2  the command line is wrong

Example:
  blotter rebuild --check")]
    Rebuild(rebuild::Rebuild),
    /// Write a report of every action in a time range
    ///
    /// Has one row for each log entry, with the order's full state at that moment; all rows are from one
    /// snapshot. Writes a manifest beside the file: its SHA-256, the number of rows, and the seal that covers
    /// them. Needs a
    /// login that is a member of blotter_compliance.
    #[command(after_long_help = "\
Example:
  blotter report --from 2026-11-24 --until 2026-11-25 --format html -o day.html")]
    Report(report::Report),
    /// Make or show a key for signing seals
    #[command(subcommand)]
    Key(key::Key),
    /// Seal the records that are committed and not sealed yet
    ///
    /// A record is a log entry with the order terms or the fill that it attests, a break, a resolution, a trader or an
    /// archive.
    /// Each seal appends their hashes to one growing Merkle tree and signs its root. Prints one line for each new
    /// seal, and nothing if there is nothing to seal. Sealing does not slow down writers. The last seal is verified
    /// before another is made. Needs a login that is a member of blotter_auditor.
    #[command(after_long_help = "\
Exit status:
  0  everything that is committed is sealed
  1  the last seal does not verify, transactions stay open for longer than --max-stall, or the database or a
     file returned an error; with --every, a lost connection only delays the next seal
  2  the command line is wrong

Examples:
  blotter seal --key seal.key --checkpoint-file checkpoints.txt --every 60s
  blotter seal --key seal.key --checkpoint-file checkpoints.txt --witness-file cosigned.txt --witness-key KEY")]
    Seal(seal::Seal),
    /// Print the last checkpoint, or the request that asks a witness to cosign it
    ///
    /// A checkpoint is a published seal: a signed note with the size and the root of the tree
    /// (c2sp.org/tlog-checkpoint). Needs a login that is a member of blotter_auditor or blotter_compliance.
    #[command(after_long_help = "\
Examples:
  blotter checkpoint
  blotter checkpoint --old-size 1356 | curl --data-binary @- https://witness.example/add-checkpoint")]
    Checkpoint(checkpoint::Checkpoint),
    /// Verify the whole store, and print each finding
    ///
    /// One line for each difference, which says what check has found it: the schema; each record that was altered,
    /// removed, added or moved after it was sealed; each seal that does not continue the tree, and each that is in
    /// the checkpoint file and not in the database; each order and each fill that no entry attests; each order
    /// whose status or totals its entries and fills do not give. Then a one-line summary. Needs a login that is a
    /// member of blotter_auditor or blotter_compliance.
    #[command(after_long_help = "\
Exit status:
  0  no findings: everything is as it was sealed
  1  a finding, or the database or a file returned an error
  2  the command line is wrong

Example:
  blotter verify --public-key KEY --checkpoint-file checkpoints.txt --max-unsealed-age 5min")]
    Verify(verify::Verify),
    /// Write a proof that one record was sealed
    ///
    /// The proof (c2sp.org/tlog-proof) holds the record and the checkpoint; `blotter verify-proof` and other
    /// programs check it without the database. Needs a login that is a member of blotter_auditor or
    /// blotter_compliance.
    #[command(after_long_help = "\
Example:
  blotter prove UUID -o fill.tlog-proof")]
    Prove(prove::Prove),
    /// Check a proof that `blotter prove` wrote; needs no database
    ///
    /// Prints the rows of the record and the seal.
    #[command(after_long_help = "\
Exit status:
  0  the proof is valid
  1  the proof is not valid, or the file cannot be read
  2  the command line is wrong

Example:
  blotter verify-proof fill.tlog-proof --public-key KEY")]
    VerifyProof(verify_proof::VerifyProof),
    /// Write records whose retention has ended to a file that proves them
    ///
    /// Takes each chain of orders that has ended with all that belongs to it: entries, terms, fills, breaks and
    /// resolutions, all written before the time and sealed. What is open stays, and what is linked to it. The database
    /// is not changed. Needs a login that is a member of blotter_auditor or blotter_compliance.
    #[command(after_long_help = "\
Example:
  blotter archive --before 2021-01-01 --public-key KEY -o blotter-2020.archive")]
    Archive(archive::Archive),
    /// Check an archive file; needs no database
    ///
    /// Every record in the file must lead to the root of a checkpoint that one of the keys signed.
    #[command(after_long_help = "\
Exit status:
  0  the archive is valid
  1  the archive is not valid, or a file cannot be read
  2  the command line is wrong

Example:
  blotter verify-archive blotter-2020.archive --public-key KEY --checkpoint-file checkpoints.txt")]
    VerifyArchive(archive::VerifyArchive),
    /// Remove from the database what an archive file holds
    ///
    /// Checks the file, compares it with the rows, and removes them in one transaction that records what left and the
    /// hash of the file. Nothing is removed if a row differs from the file, or if an order has changed since. Writers
    /// wait until it ends. Keep the file: it is all that is left of the records. Needs a superuser.
    #[command(after_long_help = "\
Example:
  blotter remove-archived blotter-2020.archive --public-key KEY")]
    RemoveArchived(archive::RemoveArchived),
    /// Bring back to a database what an archive file holds
    ///
    /// In the database that the records left, or in any other one with this schema, to read them there: an empty one, such
    /// as that of `blotter sandbox`, or one with records of the same log. Records that are there already are left as they
    /// are. Needs a superuser.
    #[command(after_long_help = "\
Examples:
  blotter restore-archive blotter-2020.archive --public-key KEY
  blotter sandbox -- sh -c 'blotter migrate run && export DATABASE_URL=$SUPERUSER_URL &&
    blotter restore-archive blotter-2020.archive --public-key KEY &&
    blotter report --from 2020-03-02 --until 2020-03-03 --format csv -o day.csv'")]
    RestoreArchive(archive::RestoreArchive),
}

fn main() -> ExitCode {
    let Arguments { database, command } = Arguments::parse();
    let mut out = Output::standard();
    let done = match command {
        Command::Migrate(command) => command.run(&database, &mut out),
        Command::Schema(command) => command.run(&database, &mut out),
        Command::Desk(desk) => desk.run(&database, &mut out),
        Command::Harden(command) => command.run(&database, &mut out),
        Command::Whoami => whoami::run(&database, &mut out),
        Command::Demo => demo::run(&database, &mut out),
        Command::Orders(command) => command.run(&database, &mut out),
        Command::Fills(command) => command.run(&database, &mut out),
        Command::Log(command) => command.run(&database, &mut out),
        Command::Status(command) => command.run(&database, &mut out),
        Command::Breaks(command) => command.run(&database, &mut out),
        Command::Watch(command) => command.run(&database, &mut out),
        Command::Expire(command) => command.run(&database, &mut out),
        Command::Ingest(command) => command.run(&database, &mut out),
        Command::Traders(command) => command.run(&database, &mut out),
        Command::Rebuild(command) => command.run(&database, &mut out),
        Command::Report(command) => command.run(&database, &mut out),
        Command::Widen(command) => command.run(&database, &mut out),
        Command::Key(command) => command.run(&mut out),
        Command::Seal(command) => command.run(&database, &mut out),
        Command::Checkpoint(command) => command.run(&database, &mut out),
        Command::Verify(command) => command.run(&database, &mut out),
        Command::Prove(command) => command.run(&database, &mut out),
        Command::VerifyProof(command) => command.run(&mut out),
        Command::Archive(command) => command.run(&database, &mut out),
        Command::VerifyArchive(command) => command.run(&mut out),
        Command::RemoveArchived(command) => command.run(&database, &mut out),
        Command::RestoreArchive(command) => command.run(&database, &mut out),
        Command::Sandbox(command) => command.run(),
    };
    match done.and_then(|()| Ok(out.flush()?)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
