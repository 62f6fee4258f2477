//! What a lifecycle costs.

use diesel::PgConnection;
use tradeblotter::connect;
use tradeblotter::embedded::Server;

use crate::Options;
use crate::drive::{Extent, Outcome};
use crate::place::{Place, wal_position};
use crate::relay::Relay;
use crate::report::{Report, quantile};
use crate::sides::Side;

const CLIENTS: [usize; 3] = [1, 8, 32];

/// How many times as fast as each the library is to be.
const GOALS: [(Side, f64); 3] =
    [(Side::Pgbench, 1.0), (Side::SqlAlchemy, 5.0), (Side::HandWritten, 1.3)];

/// Holds the sides against each other, on empty databases.
pub fn compare(
    server: &Server,
    place: &Place,
    options: &Options,
    report: &mut Report,
) -> Outcome<()> {
    let sides = place.sides();
    let round_trips =
        sides.iter().map(|&side| round_trips(server, place, side)).collect::<Outcome<Vec<_>>>()?;
    for clients in CLIENTS {
        let results = measure(server, place, &sides, clients, options)?;
        let library = results.first().map(Results::rate).unwrap_or(f64::NAN);
        for (results, round_trips) in results.iter().zip(&round_trips) {
            let ratio = library / results.rate();
            let round_trips = format!("{round_trips:.0}");
            report.lifecycle.add(results.row(0, clients, round_trips, format!("{ratio:.2}")));
        }
        for (side, bound) in GOALS {
            if let Some(results) = results.iter().find(|results| results.side == side) {
                let goal = format!("lifecycle, {clients} at a time: library to {}", side.name());
                report.at_least(goal, library / results.rate(), bound);
            }
        }
    }
    Ok(())
}

/// Has the library alone do it where so many orders are stored already; tells the milliseconds it takes one
/// client.
pub fn grown(
    server: &Server,
    place: &Place,
    options: &Options,
    orders: u64,
    report: &mut Report,
) -> Outcome<f64> {
    let results = measure(server, place, &[Side::Library], 1, options)?;
    results
        .iter()
        .for_each(|all| report.lifecycle.add(all.row(orders, 1, String::new(), String::new())));
    Ok(results.first().map_or(f64::NAN, |all| quantile(&all.latencies, 0.5)))
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

impl Results {
    fn rate(&self) -> f64 {
        quantile(&self.rates, 0.5)
    }

    fn row(&self, orders: u64, clients: usize, round_trips: String, ratio: String) -> [String; 9] {
        [
            orders.to_string(),
            clients.to_string(),
            self.side.name().to_owned(),
            format!("{:.0}", self.rate()),
            format!("{:.2}", quantile(&self.latencies, 0.5)),
            format!("{:.2}", quantile(&self.latencies, 0.99)),
            format!("{:.0}", quantile(&self.wal, 0.5)),
            round_trips,
            ratio,
        ]
    }
}

/// The sides take turns, so that whatever else goes on in the machine hits all.
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
    let admin: &mut PgConnection = &mut connect(&server.admin_url())?;
    for _ in 0..options.rounds {
        for Results { side, rates, latencies, wal } in &mut results {
            let before = wal_position(admin)?;
            let run = side.run(server, place, clients, Extent::Time(options.time))?;
            let written = wal_position(admin)? - before;
            rates.push(run.rate(clients));
            latencies.extend(run.milliseconds());
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

/// Counts what goes over the socket for one lifecycle. A run of more of them differs from one of fewer by
/// nothing else.
fn round_trips(server: &Server, place: &Place, side: Side) -> Outcome<f64> {
    const MORE: usize = 100;
    let relay = Relay::to(&place.directory)?;
    let place = place.through(relay.directory());
    let mut counts = [0; 2];
    for (count, more) in counts.iter_mut().zip([0, MORE]) {
        relay.take();
        side.run(server, &place, 1, Extent::Count(more))?;
        *count = relay.take();
    }
    Ok((counts[1] - counts[0]) as f64 / MORE as f64)
}
