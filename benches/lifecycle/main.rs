//! What a lifecycle costs: an order and its two fills, each in a transaction of its own.
//!
//! Three clients do it on one private server that writes to disk before it answers a COMMIT. The
//! library works as in an application: on the migrated schema, under row security, with a session of
//! the trader for the order and one of the engine for the fills. pgbench and a client written by hand
//! work on the base schema without row security, and do with the statements of each transaction what
//! the library leaves to the database. They take turns, each for a few seconds, so that whatever else
//! goes on in the machine hits all; this, and that pgbench is a program of its own, is why
//! none of the usual harnesses runs them: those measure one thing after the other, from within.
//!
//! Exits with 1 when the library is slower than pgbench, or less than 1.3 times as fast as the
//! hand-written client.
//!
//! `cargo bench --bench lifecycle -- --quick` for a quick look.

mod relay;
mod sides;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use tradeblotter::embedded::Server;
use tradeblotter::{connect, migrations, role};

use relay::Relay;
use sides::{BASE, Extent, Outcome, Place, SCHEMA_WRITER, Side, trader};

const CLIENTS: [usize; 2] = [1, 8];

/// How many times as fast as pgbench, and as the hand-written client, the library is to be.
const GOALS: [(Side, f64); 2] = [(Side::Pgbench, 1.0), (Side::HandWritten, 1.3)];

/// Writes of a lifecycle, each of them a transaction.
const WRITES: f64 = 3.0;

const BASE_SCHEMA: [&str; 3] = [
    include_str!("../../migrations/2026-11-22-100000-0000_create_traders/up.sql"),
    include_str!("../../migrations/2026-11-22-100100-0000_create_order_tables/up.sql"),
    "ALTER TABLE orders DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY;
     ALTER TABLE fills DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY;
     ALTER TABLE execution_logs DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY;",
];

fn main() -> Outcome<ExitCode> {
    let options = Options::read()?;
    let server = Server::start()?;
    let place = prepare(&server)?;
    let mut sides = vec![Side::Library, Side::HandWritten];
    if place.pgbench.is_some() {
        sides.push(Side::Pgbench);
    } else {
        println!("pgbench is not installed beside the server, and is left out");
    }
    let mut met = true;
    for durable in [true, false] {
        set_fsync(&server, durable)?;
        for clients in CLIENTS {
            let results = measure(&server, &place, &sides, clients, &options)?;
            println!("\n{clients} clients, fsync {}\n", if durable { "on" } else { "off" });
            let within = report(&results);
            met &= within || !durable;
        }
    }
    count_round_trips(&server, &place, &sides)?;
    Ok(if met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Options {
    rounds: usize,
    time: Duration,
}

impl Options {
    fn read() -> Outcome<Self> {
        let mut options = Self { rounds: 15, time: Duration::from_secs(4) };
        for argument in std::env::args().skip(1) {
            match argument.as_str() {
                // Said by `cargo bench`.
                "--bench" => {}
                "--quick" => options = Self { rounds: 3, time: Duration::from_secs(1) },
                _ => return Err(format!("{argument} is not --quick").into()),
            }
        }
        Ok(options)
    }
}

/// Makes the two databases.
fn prepare(server: &Server) -> Outcome<Place> {
    migrations::run(&mut server.connect()?)?;
    let admin_url = server.admin_url();
    let in_base = |url: &str| url.replacen("/blotter?", &format!("/{BASE}?"), 1);
    let writer = in_base(&admin_url).replacen("//postgres@", &format!("//{SCHEMA_WRITER}@"), 1);
    let admin = &mut connect(&admin_url)?;
    admin.batch_execute(&format!("CREATE ROLE {SCHEMA_WRITER} LOGIN"))?;
    admin.batch_execute(&format!("CREATE DATABASE {BASE} OWNER {SCHEMA_WRITER}"))?;
    let base = &mut connect(&writer)?;
    BASE_SCHEMA.iter().try_for_each(|sql| base.batch_execute(sql))?;
    for client in 0..CLIENTS.into_iter().max().unwrap_or_default() {
        let sql = format!("INSERT INTO traders (id, name) VALUES ('{}', 'Trader')", trader(client));
        admin.batch_execute(&sql)?;
        base.batch_execute(&sql)?;
    }
    let programs = text(admin, "SELECT setting AS text FROM pg_config WHERE name = 'BINDIR'")?;
    println!("{}", text(admin, "SELECT split_part(version(), ' on ', 1) AS text")?);
    let directory = text(admin, "SELECT current_setting('unix_socket_directories') AS text")?;
    Ok(Place {
        directory: directory.into(),
        trader: server.login::<role::Trader>()?,
        engine: server.login::<role::Engine>()?,
        writer,
        pgbench: Some(PathBuf::from(programs).join("pgbench")).filter(|program| program.is_file()),
    })
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    text: String,
}

fn text(conn: &mut PgConnection, query: &str) -> Outcome<String> {
    Ok(diesel::sql_query(query).get_result::<Line>(conn)?.text)
}

/// The embedded server does without; its data is not kept.
fn set_fsync(server: &Server, on: bool) -> Outcome<()> {
    let admin = &mut connect(&server.admin_url())?;
    admin.batch_execute(&format!("ALTER SYSTEM SET fsync = {on}"))?;
    admin.batch_execute("SELECT pg_reload_conf(); SELECT pg_sleep(0.2); CHECKPOINT")?;
    Ok(())
}

/// What one side has done in all rounds.
struct Results {
    side: Side,
    /// Lifecycles per second of each round.
    rates: Vec<f64>,
    /// Milliseconds of each lifecycle.
    latencies: Vec<f64>,
    /// Bytes of write-ahead log for a lifecycle, of each round.
    wal: Vec<f64>,
}

fn measure(
    server: &Server,
    place: &Place,
    sides: &[Side],
    clients: usize,
    options: &Options,
) -> Outcome<Vec<Results>> {
    let mut results: Vec<_> = sides
        .iter()
        .map(|&side| Results { side, rates: vec![], latencies: vec![], wal: vec![] })
        .collect();
    let admin = &mut connect(&server.admin_url())?;
    for _ in 0..options.rounds {
        for Results { side, rates, latencies, wal } in &mut results {
            let before = wal_position(admin)?;
            let run = side.run(server, place, clients, Extent::Time(options.time))?;
            let written = wal_position(admin)? - before;
            let times: Vec<_> = run.latencies.iter().map(|time| time.as_secs_f64() * 1e3).collect();
            // Each client begins a lifecycle when it has ended one.
            rates.push(1e3 * clients as f64 * times.len() as f64 / times.iter().sum::<f64>());
            latencies.extend(times);
            wal.push(written as f64 / run.done as f64);
        }
        // No side always comes after the same other one.
        results.rotate_left(1);
        if results.first().map(|first| first.side) == sides.first().copied() {
            results.reverse();
        }
    }
    results.sort_by_key(|results| sides.iter().position(|&side| side == results.side));
    Ok(results)
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

fn wal_position(conn: &mut PgConnection) -> Outcome<i64> {
    let query = "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint AS number";
    Ok(diesel::sql_query(query).get_result::<Number>(conn)?.number)
}

fn report(results: &[Results]) -> bool {
    println!("| client | lifecycles/s | of rounds | p50 ms | p99 ms | WAL bytes | library is |");
    println!("|---|---:|---:|---:|---:|---:|---:|");
    let rate = |side| {
        let of_side = results.iter().find(|results| results.side == side);
        of_side.map(|results| quantile(&results.rates, 0.5))
    };
    let mut met = true;
    for results in results {
        let median = quantile(&results.rates, 0.5);
        let ratio = rate(Side::Library).unwrap_or(f64::NAN) / median;
        let goal = GOALS.into_iter().find(|(side, _)| *side == results.side);
        let within = goal.is_none_or(|(_, goal)| ratio >= goal);
        met &= within;
        println!(
            "| {} | {median:.0} | {:.0} to {:.0} | {:.2} | {:.2} | {:.0} | {ratio:.2}{} |",
            results.side.name(),
            quantile(&results.rates, 0.0),
            quantile(&results.rates, 1.0),
            quantile(&results.latencies, 0.5),
            quantile(&results.latencies, 0.99),
            quantile(&results.wal, 0.5),
            if within { "" } else { "!" },
        );
    }
    met
}

fn quantile(values: &[f64], of: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let index = (of * sorted.len() as f64) as usize;
    sorted.get(index).or(sorted.last()).copied().unwrap_or(f64::NAN)
}

/// Counts what goes over the socket. A run of more lifecycles differs from one of fewer by nothing else.
fn count_round_trips(server: &Server, place: &Place, sides: &[Side]) -> Outcome<()> {
    const MORE: usize = 100;
    let relay = Relay::to(&place.directory)?;
    let through = |url: &str| {
        url.replacen(
            &format!("{}", place.directory.display()),
            &relay.directory().display().to_string(),
            1,
        )
    };
    let place = Place {
        directory: relay.directory().to_owned(),
        trader: through(&place.trader),
        engine: through(&place.engine),
        writer: through(&place.writer),
        pgbench: place.pgbench.clone(),
    };
    println!("\n| client | round trips per lifecycle | per write |\n|---|---:|---:|");
    for side in sides {
        let mut counts = [0; 2];
        for (count, more) in counts.iter_mut().zip([0, MORE]) {
            relay.take();
            side.run(server, &place, 1, Extent::Count(more))?;
            *count = relay.take();
        }
        let each = (counts[1] - counts[0]) as f64 / MORE as f64;
        println!("| {} | {each:.2} | {:.2} |", side.name(), each / WRITES);
    }
    Ok(())
}
