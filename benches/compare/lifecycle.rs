//! Cost of an order's lifecycle, for each contender.

use std::time::Duration;

use diesel::PgConnection;
use tradeblotter::connect;
use tradeblotter::embedded::Server;

use crate::Options;
use crate::clients::{Outcome, RunLength};
use crate::contenders::{Contender, Rows};
use crate::databases::{Databases, sessions_cpu, wal_position};
use crate::proxy::Proxy;
use crate::report::{Report, quantile};

const CLIENTS: [usize; 3] = [1, 8, 32];

const SAME_ROWS: Contender = Contender::HandWritten(Rows::Same);
const BASE_ROWS: Contender = Contender::HandWritten(Rows::Base);

/// The greatest server CPU time of the library, in that of a contender, at one client.
const CPU_GOALS: [(Contender, f64); 2] = [(SAME_ROWS, 1.3), (BASE_ROWS, 1.7)];

/// The least rate of the library in that of a contender, by the number of clients.
const RATE_GOALS: [(usize, Contender, f64); 4] = [
    (1, SAME_ROWS, 1.05),
    (8, BASE_ROWS, 0.75),
    (1, Contender::SqlAlchemy, 5.0),
    (8, Contender::SqlAlchemy, 5.0),
];

/// The network latency of the last comparison, for each round trip.
const LATENCY: Duration = Duration::from_micros(250);

/// The least rate of the library in that of the base schema by hand, at that latency.
const DISTANT_GOAL: f64 = 1.2;

/// Compares the contenders on empty databases.
pub fn compare(
    server: &Server,
    databases: &Databases,
    options: &Options,
    report: &mut Report,
) -> Outcome<()> {
    let contenders = Contender::available(databases);
    let round_trips = contenders
        .iter()
        .map(|&contender| round_trips(server, databases, contender))
        .collect::<Outcome<Vec<_>>>()?;
    for clients in CLIENTS {
        let results = measure(server, databases, &contenders, clients, options)?;
        let library = results.first().map(Measurements::rate).unwrap_or(f64::NAN);
        for (results, round_trips) in results.iter().zip(&round_trips) {
            let ratio = library / results.rate();
            let round_trips = format!("{round_trips:.0}");
            let name = results.contender.name();
            let ratio = format!("{ratio:.2}");
            report.lifecycle.add(results.row(name, 0, clients, round_trips, ratio));
        }
        let of = |contender| results.iter().find(|results| results.contender == contender);
        for (_, contender, bound) in
            RATE_GOALS.iter().filter(|(of_clients, ..)| *of_clients == clients)
        {
            if let Some(results) = of(*contender) {
                let goal =
                    format!("lifecycles/s, {clients} at a time: library to {}", contender.name());
                report.at_least(goal, library / results.rate(), *bound);
            }
        }
        let library_cpu = of(Contender::Library).map_or(f64::NAN, Measurements::cpu);
        for (contender, bound) in CPU_GOALS.iter().filter(|_| clients == 1) {
            if let Some(results) = of(*contender) {
                let goal = format!("server CPU of a lifecycle: library to {}", contender.name());
                report.at_most(goal, library_cpu / results.cpu(), *bound);
            }
        }
    }
    let proxy = Proxy::start(&databases.directory, LATENCY)?;
    let distant = databases.through(proxy.directory());
    let contenders = [Contender::Library, SAME_ROWS, BASE_ROWS];
    let results = measure(server, &distant, &contenders, 1, options)?;
    let library = results.first().map(Measurements::rate).unwrap_or(f64::NAN);
    for results in &results {
        let name = format!("{}, {} µs away", results.contender.name(), LATENCY.as_micros());
        let ratio = format!("{:.2}", library / results.rate());
        report.lifecycle.add(results.row(&name, 0, 1, String::new(), ratio));
        if results.contender == BASE_ROWS {
            let goal = "lifecycles/s, 1 at a time, distant: library to hand-written, base schema";
            report.at_least(goal, library / results.rate(), DISTANT_GOAL);
        }
    }
    Ok(())
}

/// Measures the library alone, with `orders` orders stored; returns the median milliseconds of one client.
pub fn grown(
    server: &Server,
    databases: &Databases,
    options: &Options,
    orders: u64,
    report: &mut Report,
) -> Outcome<f64> {
    let results = measure(server, databases, &[Contender::Library], 1, options)?;
    results.iter().for_each(|all| {
        let name = all.contender.name();
        report.lifecycle.add(all.row(name, orders, 1, String::new(), String::new()));
    });
    Ok(results.first().map_or(f64::NAN, |all| quantile(&all.latencies, 0.5)))
}

/// Measurements of one contender in all rounds.
struct Measurements {
    contender: Contender,
    /// Lifecycles per second of each round.
    rates: Vec<f64>,
    /// Latency of each lifecycle in milliseconds.
    latencies: Vec<f64>,
    /// Bytes of write-ahead log per lifecycle, of each round.
    wal: Vec<f64>,
    /// Microseconds of CPU time that the server took per lifecycle, of each round.
    cpu: Vec<f64>,
}

impl Measurements {
    fn rate(&self) -> f64 {
        quantile(&self.rates, 0.5)
    }

    fn cpu(&self) -> f64 {
        quantile(&self.cpu, 0.5)
    }

    fn row(
        &self,
        name: &str,
        orders: u64,
        clients: usize,
        round_trips: String,
        ratio: String,
    ) -> [String; 10] {
        [
            orders.to_string(),
            clients.to_string(),
            name.to_owned(),
            format!("{:.0}", self.rate()),
            format!("{:.2}", quantile(&self.latencies, 0.5)),
            format!("{:.2}", quantile(&self.latencies, 0.99)),
            format!("{:.0}", quantile(&self.wal, 0.5)),
            format!("{:.0}", self.cpu()),
            round_trips,
            ratio,
        ]
    }
}

/// Measures the contenders in turn, so that other load on the machine affects all of them.
fn measure(
    server: &Server,
    databases: &Databases,
    contenders: &[Contender],
    clients: usize,
    options: &Options,
) -> Outcome<Vec<Measurements>> {
    let mut results: Vec<_> = contenders
        .iter()
        .map(|&contender| Measurements {
            contender,
            rates: vec![],
            latencies: vec![],
            wal: vec![],
            cpu: vec![],
        })
        .collect();
    let admin: &mut PgConnection = &mut connect(&server.admin_url())?;
    for _ in 0..options.rounds {
        for Measurements { contender, rates, latencies, wal, cpu } in &mut results {
            let (cpu_before, before) = (sessions_cpu(admin)?, wal_position(admin)?);
            let run = contender.run(server, databases, clients, RunLength::Time(options.time))?;
            let written = wal_position(admin)? - before;
            cpu.push((sessions_cpu(admin)? - cpu_before) * 1e3 / run.done as f64);
            rates.push(run.rate(clients));
            latencies.extend(run.milliseconds());
            wal.push(written as f64 / run.done as f64);
        }
        // Vary the order, so that no contender always runs after the same other one.
        results.rotate_left(1);
        if results.first().map(|first| first.contender) == contenders.first().copied() {
            results.reverse();
        }
    }
    results.sort_by_key(|results| {
        contenders.iter().position(|&contender| contender == results.contender)
    });
    Ok(results)
}

/// Counts the round trips of one lifecycle: the difference between a longer and a shorter run, which have the same
/// set-up, divided by the number of additional lifecycles.
fn round_trips(server: &Server, databases: &Databases, contender: Contender) -> Outcome<f64> {
    const MORE: usize = 100;
    let proxy = Proxy::start(&databases.directory, Duration::ZERO)?;
    let databases = databases.through(proxy.directory());
    let mut counts = [0; 2];
    for (count, more) in counts.iter_mut().zip([0, MORE]) {
        proxy.take_count();
        contender.run(server, &databases, 1, RunLength::Calls(more))?;
        *count = proxy.take_count();
    }
    Ok((counts[1] - counts[0]) as f64 / MORE as f64)
}
