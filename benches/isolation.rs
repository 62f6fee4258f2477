//! What row security costs a trader who reads, and whether it reads by an index.
//!
//! The book of `common/book.sql` stands in two databases of a private server, one a copy of the other.
//! In the first `blotter_trader` reads as in production, held by row security. In the copy the tables
//! belong to the role that reads there, and row security lets the owner pass. So both make the same
//! calls on the same rows and send the same messages, one after the other in turn, so that whatever
//! else goes on in the machine hits both.
//!
//! Exits with 1 when a read takes more than 1.2 times as long under row security, when a plan reads
//! a table or an index from end to end, or when it discards more than ten rows for each that it
//! returns.
//!
//! `cargo bench --bench isolation -- --orders 100000 --rounds 200` for a quick look.

#[path = "common/book.rs"]
mod book;
#[path = "common/reads.rs"]
mod reads;

use std::error::Error;
use std::iter;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use diesel::connection::{
    Instrumentation, InstrumentationEvent, SimpleConnection, set_default_instrumentation,
};
use diesel::prelude::*;
use diesel::sql_types::Text;
use serde_json::Value;
use tradeblotter::embedded::Server;
use tradeblotter::schema::{execution_logs, fills, orders, traders};
use tradeblotter::{Blotter, Session, connect, migrations, role, transaction_on};

use reads::{READS, Read, Subject};

/// How many times as long a read may take under row security.
const RATIO: f64 = 1.2;

/// How many rows a plan may discard for each that it returns.
const DISCARDED: f64 = 10.0;

/// How often all reads are gone through, each time on new connections: a server process that shares
/// its core with something else does so for this long only.
const PASSES: usize = 20;

/// Calls before those that count. PostgreSQL decides after five whether it keeps the plan of a
/// statement.
const WARM_UP: usize = 20;

/// A trader to so many orders.
const ORDERS_OF_TRADER: u64 = 500;

/// The role that the engine's sessions act as becomes the owner, whom row security lets pass.
const WITHOUT_ROW_SECURITY: &str = "
    ALTER TABLE orders OWNER TO blotter_engine;
    ALTER TABLE fills OWNER TO blotter_engine;
    ALTER TABLE execution_logs OWNER TO blotter_engine;
    ALTER TABLE orders NO FORCE ROW LEVEL SECURITY;
    ALTER TABLE fills NO FORCE ROW LEVEL SECURITY;
    ALTER TABLE execution_logs NO FORCE ROW LEVEL SECURITY;
";

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome<ExitCode> {
    let options = Options::read()?;
    let server = Server::start()?;
    migrations::run(&mut server.connect()?)?;
    let held = server.login::<role::Trader>()?;
    let passing = prepare(&server, &options)?;

    let admin = &mut connect(&server.admin_url())?;
    let subjects = [Subject::find(admin, 0)?, Subject::find(admin, 1)?];
    let timed = measure(&subjects, &held, &passing, options.rounds)?;
    let cheap = report_times(&timed);
    let indexed = report_plans(&subjects, &held)?;
    Ok(if cheap && indexed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Options {
    orders: u64,
    rounds: usize,
}

impl Options {
    fn read() -> Outcome<Self> {
        let mut options = Self { orders: 1_000_000, rounds: 1000 };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut number = || arguments.next().ok_or(format!("{argument} lacks its number"));
            match argument.as_str() {
                // Said by `cargo bench`.
                "--bench" => {}
                "--orders" => options.orders = number()?.parse()?,
                "--rounds" => options.rounds = number()?.parse()?,
                _ => return Err(format!("{argument} is not --orders or --rounds").into()),
            }
        }
        // Below that a trader has too few rows for the reads.
        if options.orders < 10_000 || options.rounds == 0 {
            return Err("at least 10000 orders and one round are needed".into());
        }
        Ok(options)
    }
}

/// Loads the book, copies the database, and lifts row security in the copy; returns the URL of the
/// copy.
fn prepare(server: &Server, options: &Options) -> Outcome<String> {
    let started = Instant::now();
    let in_database = |url: &str, name: &str| url.replacen("/blotter?", &format!("/{name}?"), 1);
    {
        let conn = &mut connect(&server.admin_url())?;
        book::grow(conn, 0, options.orders, options.orders / ORDERS_OF_TRADER)?;
        println!(
            "{} orders, {} fills and {} log entries of {} traders, in {}",
            orders::table.count().get_result::<i64>(conn)?,
            fills::table.count().get_result::<i64>(conn)?,
            execution_logs::table.count().get_result::<i64>(conn)?,
            traders::table.count().get_result::<i64>(conn)?,
            diesel::sql_query("SELECT split_part(version(), ' on ', 1) AS text")
                .get_result::<Line>(conn)?
                .text,
        );
    }
    connect(&in_database(&server.admin_url(), "postgres"))?
        .batch_execute("CREATE DATABASE owned TEMPLATE blotter")?;
    connect(&in_database(&server.admin_url(), "owned"))?.batch_execute(WITHOUT_ROW_SECURITY)?;
    println!("loaded and copied in {:.0} s\n", started.elapsed().as_secs_f64());
    Ok(in_database(&server.login::<role::Engine>()?, "owned"))
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    text: String,
}

/// What each of the reads binds under row security, as SQL. A page asks for one row more than it shows.
static BINDS: [fn(&Subject) -> String; READS.len()] = [
    |_| "51".to_owned(),
    |of| {
        let cursor = of.further.to_string();
        let (at, id) = cursor.split_once('_').unwrap_or_default();
        format!("'{at}', '{at}', '{id}', 51")
    },
    |_| "'{PENDING,PARTIAL}', 51".to_owned(),
    |of| format!("'{}'", of.filled),
    |_| "51".to_owned(),
    |of| format!("'{}'", of.retried),
    |_| "1001".to_owned(),
];

/// How long one read took on each side, round by round: by itself, and with its transaction around
/// it.
struct Timed<'s> {
    read: &'static Read,
    subject: &'s Subject,
    held: Times,
    passing: Times,
}

#[derive(Default)]
struct Times {
    rows: usize,
    read: Vec<Duration>,
    transaction: Vec<Duration>,
}

fn measure<'s>(
    subjects: &'s [Subject],
    held: &str,
    passing: &str,
    rounds: usize,
) -> Outcome<Vec<Timed<'s>>> {
    let mut measured: Vec<_> = pairs(subjects)
        .map(|(read, subject)| Timed {
            read,
            subject,
            held: Times::default(),
            passing: Times::default(),
        })
        .collect();
    for _ in 0..PASSES {
        let (held, passing) = (Blotter::connect(held)?, Blotter::connect(passing)?);
        for Timed { read, subject, held: held_times, passing: passing_times } in &mut measured {
            let held = held.trader(subject.trader)?.reader();
            let passing = passing.engine().reader();
            for _ in 0..WARM_UP {
                time(&held, read, subject, &mut Times::default())?;
                time(&passing, read, subject, &mut Times::default())?;
            }
            for round in 0..rounds.div_ceil(PASSES) {
                // Neither side always comes second, to what the other has warmed.
                if round % 2 == 0 {
                    time(&held, read, subject, held_times)?;
                    time(&passing, read, subject, passing_times)?;
                } else {
                    time(&passing, read, subject, passing_times)?;
                    time(&held, read, subject, held_times)?;
                }
            }
            let (held, passing) = (held_times.rows, passing_times.rows);
            if held != passing || held == 0 {
                return Err(format!("{}: {held} rows against {passing}", read.name).into());
            }
        }
    }
    Ok(measured)
}

fn time(
    session: &Session<role::Reader>,
    read: &Read,
    subject: &Subject,
    times: &mut Times,
) -> Result<(), tradeblotter::Error> {
    let begun = Instant::now();
    let (rows, elapsed) = session.transaction(|tx| {
        let asked = Instant::now();
        let rows = (read.run)(tx, subject)?;
        Ok::<_, tradeblotter::Error>((rows, asked.elapsed()))
    })?;
    times.transaction.push(begun.elapsed());
    times.read.push(elapsed);
    times.rows = rows;
    Ok(())
}

fn pairs(subjects: &[Subject]) -> impl Iterator<Item = (&'static Read, &Subject)> {
    subjects.iter().flat_map(|subject| READS.iter().zip(iter::repeat(subject)))
}

/// Prints what was measured; whether all of it is within bounds.
fn report_times(measured: &[Timed<'_>]) -> bool {
    println!("microseconds, median (least), of the read and of its whole transaction");
    println!(
        "{:<14} {:<25} {:>5}   {:>13} {:>13} {:>6}   {:>13} {:>13} {:>6}",
        "trader", "read", "rows", "RLS", "none", "ratio", "RLS", "none", "ratio"
    );
    let mut within = true;
    for Timed { read, subject, held, passing } in measured {
        let rows = held.rows;
        print!("{:<14} {:<25} {rows:>5}", subject.name, read.name);
        for (held, passing) in
            [(&held.read, &passing.read), (&held.transaction, &passing.transaction)]
        {
            let (held, passing) = (Spread::of(held), Spread::of(passing));
            let ratio = held.median / passing.median;
            within &= ratio <= RATIO;
            let mark = if ratio <= RATIO { ' ' } else { '!' };
            print!("   {:>13} {:>13} {ratio:>5.2}{mark}", held.to_string(), passing.to_string());
        }
        println!();
    }
    within
}

/// Microseconds.
struct Spread {
    median: f64,
    least: f64,
}

impl Spread {
    fn of(times: &[Duration]) -> Self {
        let mut sorted: Vec<_> = times.iter().map(|time| time.as_secs_f64() * 1e6).collect();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
        Self { median: at(sorted.len() / 2), least: at(0) }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.0} ({:.0})", self.median, self.least)
    }
}

/// Prints by what each read finds its rows under row security, when PostgreSQL plans it for its
/// parameters and when it keeps one plan for all; whether all of it is within bounds.
fn report_plans(subjects: &[Subject], held: &str) -> Outcome<bool> {
    println!("\nplans under row security, of the statements that the library sends");
    set_default_instrumentation(|| Some(Box::new(note_statement) as Box<dyn Instrumentation>))?;
    let blotter = Blotter::connect(held)?;
    let mut within = true;
    let reads = || READS.iter().zip(BINDS);
    for (subject, (read, binds)) in
        subjects.iter().flat_map(|subject| iter::repeat(subject).zip(reads()))
    {
        let session = blotter.trader(subject.trader)?.reader();
        session.transaction(|tx| (read.run)(tx, subject))?;
        let statement = SENT.lock().map_err(|_| "poisoned")?.clone();
        for mode in ["custom", "generic"] {
            let plan = Plan::of(&statement, &binds(subject), mode, subject, held)?;
            within &= plan.is_within_bounds();
            let mark = if plan.is_within_bounds() { ' ' } else { '!' };
            println!("{mark} {:<14} {:<25} {mode:<8} {plan}", subject.name, read.name);
        }
    }
    Ok(within)
}

/// The query that was sent last.
static SENT: Mutex<String> = Mutex::new(String::new());

fn note_statement(event: InstrumentationEvent<'_>) {
    if let InstrumentationEvent::StartQuery { query, .. } = event
        && let Ok(mut sent) = SENT.lock()
    {
        let query = query.to_string();
        // Diesel asks for the numbers of the enums between a query and its answer.
        if let Some((statement, _)) = query.split_once(" -- binds")
            && !statement.contains("\"pg_type\"")
        {
            statement.clone_into(&mut sent);
        }
    }
}

/// How PostgreSQL has found the rows of a query.
#[derive(Default)]
struct Plan {
    scans: Vec<String>,
    rows: f64,
    discarded: f64,
    /// Whether it reads a table or an index from end to end.
    end_to_end: bool,
}

impl Plan {
    fn of(statement: &str, binds: &str, mode: &str, subject: &Subject, url: &str) -> Outcome<Self> {
        let conn = &mut connect(url)?;
        let explained = transaction_on(conn, role::Trader::new(subject.trader)?, |tx| {
            let conn = tx.connection();
            conn.batch_execute(&format!("SET LOCAL plan_cache_mode = force_{mode}_plan"))?;
            conn.batch_execute(&format!("PREPARE read AS {statement}"))?;
            let explain = format!("EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE read ({binds})");
            Ok::<_, Box<dyn Error + Send + Sync>>(
                diesel::sql_query(explain).get_result::<Explained>(conn)?.plan,
            )
        })?;
        let explained: Value = serde_json::from_str(&explained)?;
        let root = &explained[0]["Plan"];
        let mut plan = Self { rows: number(root, "Actual Rows"), ..Self::default() };
        plan.add(root);
        Ok(plan)
    }

    fn add(&mut self, node: &Value) {
        let text = |name: &str| node[name].as_str();
        let kind = text("Node Type").unwrap_or_default();
        let (table, index) = (text("Relation Name"), text("Index Name"));
        match (table, index) {
            (Some(table), Some(index)) => self.scans.push(format!("{kind} {table} by {index}")),
            (Some(name), None) | (None, Some(name)) => self.scans.push(format!("{kind} {name}")),
            (None, None) => {}
        }
        self.end_to_end |= kind == "Seq Scan" || index.is_some() && node["Index Cond"].is_null();
        for name in [
            "Rows Removed by Filter",
            "Rows Removed by Index Recheck",
            "Rows Removed by Join Filter",
        ] {
            // Told for each loop, on the average.
            self.discarded += number(node, name) * number(node, "Actual Loops");
        }
        for child in node["Plans"].as_array().into_iter().flatten() {
            self.add(child);
        }
    }

    fn is_within_bounds(&self) -> bool {
        !self.end_to_end && self.discarded <= DISCARDED * self.rows
    }
}

impl std::fmt::Display for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { scans, rows, discarded, .. } = self;
        write!(f, "{}: {rows} rows, {discarded} discarded", scans.join(", "))
    }
}

#[derive(QueryableByName)]
struct Explained {
    #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
    plan: String,
}

fn number(node: &Value, name: &str) -> f64 {
    node[name].as_f64().unwrap_or_default()
}
