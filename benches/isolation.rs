//! Measures what row-level security costs a trader's reads, and checks that they use indexes.
//!
//! The dataset of `common/dataset.sql` is in two databases of a private server, one a copy of the other. In the
//! first, `blotter_trader` reads as in production, under row-level security. In the copy, the tables belong to
//! the role that reads, whom row-level security does not restrict. Both make the same calls on the same rows and
//! send the same messages, in turn, so that other load on the machine affects both. On Linux all runs on one core.
//!
//! Exits with 1 if a read takes more than 1.2 times as long under row-level security, if a plan scans a whole
//! table or index, or if it discards more than ten rows for each row that it returns.
//!
//! `cargo bench --bench isolation -- --orders 100000 --rounds 200` takes a quick look.

#[path = "common/dataset.rs"]
mod dataset;
#[path = "common/reads.rs"]
mod reads;

use std::error::Error;
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use std::{fs, iter, process};

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

/// Greatest ratio of a read under row-level security to the same read without.
const MAX_RATIO: f64 = 1.2;

/// Most rows that a plan may discard for each row that it returns.
const MAX_DISCARDED: f64 = 10.0;

/// Passes over all reads, each on new connections, so that a server process that happens to share its core with
/// other work does not distort all measurements of a read.
const PASSES: usize = 20;

/// Calls before the measured ones: PostgreSQL decides after five between custom and generic plans.
const WARM_UP: usize = 20;

/// Orders per trader.
const ORDERS_PER_TRADER: u64 = 500;

/// Makes the role of the engine's sessions the owner, whom row-level security does not restrict.
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
    bind_to_one_core();
    let server = Server::start()?;
    migrations::run(&mut server.connect()?)?;
    let with_rls = server.login::<role::Trader>()?;
    let without_rls = prepare(&server, &options)?;

    let admin = &mut connect(&server.admin_url())?;
    let subjects = [Subject::find(admin, 0)?, Subject::find(admin, 1)?];
    let timed = measure(&subjects, &with_rls, &without_rls, options.rounds)?;
    let cheap = report_times(&timed);
    let indexed = report_plans(&subjects, &with_rls)?;
    Ok(if cheap && indexed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Binds this process, and so the server that it starts, to one core.
///
/// Where client and server process are on different cores, each message wakes an idle core, which takes longer than a
/// short read. The scheduler may place the processes of one side so and those of the other side not.
fn bind_to_one_core() {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let last = allowed.and_then(|list| list.rsplit([',', '-', '\t']).next()).unwrap_or("0");
    let bound = Command::new("taskset").args(["-cp", last, &process::id().to_string()]).output();
    if !bound.is_ok_and(|output| output.status.success()) {
        println!("not bound to one core, which needs taskset: short reads are distorted");
    }
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
            let mut number = || arguments.next().ok_or(format!("{argument} needs a number"));
            match argument.as_str() {
                // `cargo bench` passes --bench.
                "--bench" => {}
                "--orders" => options.orders = number()?.parse()?,
                "--rounds" => options.rounds = number()?.parse()?,
                _ => {
                    return Err(format!(
                        "unknown argument {argument}; use --orders N or --rounds N"
                    )
                    .into());
                }
            }
        }
        // With fewer orders, a trader has too few rows for the reads.
        if options.orders < 10_000 || options.rounds == 0 {
            return Err("at least 10000 orders and one round are needed".into());
        }
        Ok(options)
    }
}

/// Loads the dataset, copies the database, and lifts row-level security in the copy; returns the URL of the copy.
fn prepare(server: &Server, options: &Options) -> Outcome<String> {
    let started = Instant::now();
    let in_database = |url: &str, name: &str| url.replacen("/blotter?", &format!("/{name}?"), 1);
    {
        let conn = &mut connect(&server.admin_url())?;
        dataset::grow(conn, 0, options.orders, options.orders / ORDERS_PER_TRADER)?;
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

/// The bind values of each read under row-level security, as SQL. A page queries one row more than it returns.
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

/// Durations of one read with and without row-level security.
struct Measurement<'s> {
    read: &'static Read,
    subject: &'s Subject,
    with_rls: Times,
    without_rls: Times,
}

#[derive(Default)]
struct Times {
    rows: usize,
    /// The read alone, of each round.
    read: Vec<Duration>,
    /// The whole transaction, of each round.
    transaction: Vec<Duration>,
}

fn measure<'s>(
    subjects: &'s [Subject],
    with_rls: &str,
    without_rls: &str,
    rounds: usize,
) -> Outcome<Vec<Measurement<'s>>> {
    let mut measured: Vec<_> = pairs(subjects)
        .map(|(read, subject)| Measurement {
            read,
            subject,
            with_rls: Times::default(),
            without_rls: Times::default(),
        })
        .collect();
    for _ in 0..PASSES {
        let (with_rls, without_rls) = (Blotter::connect(with_rls)?, Blotter::connect(without_rls)?);
        for Measurement {
            read,
            subject,
            with_rls: times_with_rls,
            without_rls: times_without_rls,
        } in &mut measured
        {
            let with_rls = with_rls.trader(subject.trader)?.reader();
            let without_rls = without_rls.engine().reader();
            for _ in 0..WARM_UP {
                time(&with_rls, read, subject, &mut Times::default())?;
                time(&without_rls, read, subject, &mut Times::default())?;
            }
            for round in 0..rounds.div_ceil(PASSES) {
                // Alternate the order: the second read finds caches that the first has warmed.
                if round % 2 == 0 {
                    time(&with_rls, read, subject, times_with_rls)?;
                    time(&without_rls, read, subject, times_without_rls)?;
                } else {
                    time(&without_rls, read, subject, times_without_rls)?;
                    time(&with_rls, read, subject, times_with_rls)?;
                }
            }
            let (with_rls, without_rls) = (times_with_rls.rows, times_without_rls.rows);
            if with_rls != without_rls || with_rls == 0 {
                return Err(format!("{}: {with_rls} rows against {without_rls}", read.name).into());
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

/// Prints the durations; returns whether all ratios are within bounds.
fn report_times(measured: &[Measurement<'_>]) -> bool {
    println!("microseconds, median (minimum), of the read and of its whole transaction");
    println!(
        "{:<14} {:<25} {:>5}   {:>13} {:>13} {:>6}   {:>13} {:>13} {:>6}",
        "trader", "read", "rows", "RLS", "none", "ratio", "RLS", "none", "ratio"
    );
    let mut within = true;
    for Measurement { read, subject, with_rls, without_rls } in measured {
        let rows = with_rls.rows;
        print!("{:<14} {:<25} {rows:>5}", subject.name, read.name);
        for (with_rls, without_rls) in
            [(&with_rls.read, &without_rls.read), (&with_rls.transaction, &without_rls.transaction)]
        {
            let (with_rls, without_rls) = (Spread::of(with_rls), Spread::of(without_rls));
            let ratio = with_rls.median / without_rls.median;
            within &= ratio <= MAX_RATIO;
            let mark = if ratio <= MAX_RATIO { ' ' } else { '!' };
            print!(
                "   {:>13} {:>13} {ratio:>5.2}{mark}",
                with_rls.to_string(),
                without_rls.to_string()
            );
        }
        println!();
    }
    within
}

/// Median and minimum, in microseconds.
struct Spread {
    median: f64,
    minimum: f64,
}

impl Spread {
    fn of(times: &[Duration]) -> Self {
        let mut sorted: Vec<_> = times.iter().map(|time| time.as_secs_f64() * 1e6).collect();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
        Self { median: at(sorted.len() / 2), minimum: at(0) }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.0} ({:.0})", self.median, self.minimum)
    }
}

/// Prints the custom and the generic plan of each read under row-level security; returns whether all are within
/// bounds.
fn report_plans(subjects: &[Subject], with_rls: &str) -> Outcome<bool> {
    println!("\nplans under row-level security, of the statements that the library sends");
    set_default_instrumentation(|| Some(Box::new(note_statement) as Box<dyn Instrumentation>))?;
    let blotter = Blotter::connect(with_rls)?;
    let mut within = true;
    let reads = || READS.iter().zip(BINDS);
    for (subject, (read, binds)) in
        subjects.iter().flat_map(|subject| iter::repeat(subject).zip(reads()))
    {
        let session = blotter.trader(subject.trader)?.reader();
        session.transaction(|tx| (read.run)(tx, subject))?;
        let statement = SENT.lock().map_err(|_| "poisoned")?.clone();
        for mode in ["custom", "generic"] {
            let plan = Plan::of(&statement, &binds(subject), mode, subject, with_rls)?;
            within &= plan.is_within_bounds();
            let mark = if plan.is_within_bounds() { ' ' } else { '!' };
            println!("{mark} {:<14} {:<25} {mode:<8} {plan}", subject.name, read.name);
        }
    }
    Ok(within)
}

/// The last query that was sent.
static SENT: Mutex<String> = Mutex::new(String::new());

fn note_statement(event: InstrumentationEvent<'_>) {
    if let InstrumentationEvent::StartQuery { query, .. } = event
        && let Ok(mut sent) = SENT.lock()
    {
        let query = query.to_string();
        // Diesel looks up the oids of the enums between a query and its answer.
        if let Some((statement, _)) = query.split_once(" -- binds")
            && !statement.contains("\"pg_type\"")
        {
            statement.clone_into(&mut sent);
        }
    }
}

/// What matters of the plan of a query.
#[derive(Default)]
struct Plan {
    scans: Vec<String>,
    rows: f64,
    discarded: f64,
    /// Whether it scans a whole table or index.
    has_full_scan: bool,
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
        self.has_full_scan |= kind == "Seq Scan" || index.is_some() && node["Index Cond"].is_null();
        for name in [
            "Rows Removed by Filter",
            "Rows Removed by Index Recheck",
            "Rows Removed by Join Filter",
        ] {
            // PostgreSQL reports the average over the loops.
            self.discarded += number(node, name) * number(node, "Actual Loops");
        }
        for child in node["Plans"].as_array().into_iter().flatten() {
            self.add(child);
        }
    }

    fn is_within_bounds(&self) -> bool {
        !self.has_full_scan && self.discarded <= MAX_DISCARDED * self.rows
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
