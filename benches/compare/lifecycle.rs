//! Cost of an order's lifecycle, for each contender.

use diesel::PgConnection;
use tradeblotter::connect;
use tradeblotter::embedded::Server;

use crate::Options;
use crate::clients::{Outcome, RunLength};
use crate::contenders::Contender;
use crate::counting_proxy::CountingProxy;
use crate::databases::{Databases, wal_position};
use crate::report::{Report, quantile};

const CLIENTS: [usize; 3] = [1, 8, 32];

/// How many times as fast as each contender the library should be.
const GOALS: [(Contender, f64); 3] =
    [(Contender::Pgbench, 1.0), (Contender::SqlAlchemy, 5.0), (Contender::HandWritten, 1.3)];

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
            report.lifecycle.add(results.row(0, clients, round_trips, format!("{ratio:.2}")));
        }
        for (contender, bound) in GOALS {
            if let Some(results) = results.iter().find(|results| results.contender == contender) {
                let goal =
                    format!("lifecycle, {clients} at a time: library to {}", contender.name());
                report.at_least(goal, library / results.rate(), bound);
            }
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
    results
        .iter()
        .for_each(|all| report.lifecycle.add(all.row(orders, 1, String::new(), String::new())));
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
}

impl Measurements {
    fn rate(&self) -> f64 {
        quantile(&self.rates, 0.5)
    }

    fn row(&self, orders: u64, clients: usize, round_trips: String, ratio: String) -> [String; 9] {
        [
            orders.to_string(),
            clients.to_string(),
            self.contender.name().to_owned(),
            format!("{:.0}", self.rate()),
            format!("{:.2}", quantile(&self.latencies, 0.5)),
            format!("{:.2}", quantile(&self.latencies, 0.99)),
            format!("{:.0}", quantile(&self.wal, 0.5)),
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
        .map(|&contender| Measurements { contender, rates: vec![], latencies: vec![], wal: vec![] })
        .collect();
    let admin: &mut PgConnection = &mut connect(&server.admin_url())?;
    for _ in 0..options.rounds {
        for Measurements { contender, rates, latencies, wal } in &mut results {
            let before = wal_position(admin)?;
            let run = contender.run(server, databases, clients, RunLength::Time(options.time))?;
            let written = wal_position(admin)? - before;
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
    let proxy = CountingProxy::start(&databases.directory)?;
    let databases = databases.through(proxy.directory());
    let mut counts = [0; 2];
    for (count, more) in counts.iter_mut().zip([0, MORE]) {
        proxy.take_count();
        contender.run(server, &databases, 1, RunLength::Calls(more))?;
        *count = proxy.take_count();
    }
    Ok((counts[1] - counts[0]) as f64 / MORE as f64)
}
