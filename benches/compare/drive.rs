//! Clients that all do the same at the same time.

use std::error::Error;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

pub type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// How long a run takes.
#[derive(Clone, Copy)]
pub enum Extent {
    Time(Duration),
    /// Calls of each client, beyond those that warm up.
    Count(usize),
}

/// What clients have done.
#[derive(Default)]
pub struct Run {
    /// Of each call that counts.
    pub latencies: Vec<Duration>,
    /// Calls in all.
    pub done: usize,
}

impl Run {
    /// Calls a second, of clients that each begin one when they have ended one.
    pub fn rate(&self, clients: usize) -> f64 {
        let seconds: f64 = self.latencies.iter().map(Duration::as_secs_f64).sum();
        clients as f64 * self.latencies.len() as f64 / seconds
    }

    /// Milliseconds of each call that counts.
    pub fn milliseconds(&self) -> impl Iterator<Item = f64> {
        self.latencies.iter().map(|latency| latency.as_secs_f64() * 1e3)
    }
}

/// Has each client, as `connect` makes it, repeat its calls, all clients at the same time; the first few don't
/// count. What a client is given several calls for is measured in turn, each as a run of its own.
pub fn drive<C: FnMut() -> Outcome<()> + Send, const N: usize>(
    clients: usize,
    warm_up: usize,
    extent: Extent,
    connect: impl Fn(usize) -> Outcome<[C; N]>,
) -> Outcome<[Run; N]> {
    let barrier = &Barrier::new(clients);
    let connected = (0..clients).map(connect).collect::<Outcome<Vec<_>>>()?;
    thread::scope(|scope| {
        let threads: Vec<_> = connected
            .into_iter()
            .map(|calls| scope.spawn(move || repeat(calls, warm_up, extent, barrier)))
            .collect();
        let mut runs = [const { Run { latencies: vec![], done: 0 } }; N];
        for thread in threads {
            let latencies = thread.join().map_err(|_| "a client panicked")??;
            for (run, latencies) in runs.iter_mut().zip(latencies) {
                run.done += warm_up + latencies.len();
                run.latencies.extend(latencies);
            }
        }
        Ok(runs)
    })
}

fn repeat<C: FnMut() -> Outcome<()>, const N: usize>(
    mut calls: [C; N],
    warm_up: usize,
    extent: Extent,
    barrier: &Barrier,
) -> Outcome<[Vec<Duration>; N]> {
    let warmed = (0..warm_up).try_for_each(|_| calls.iter_mut().try_for_each(|call| call()));
    barrier.wait();
    warmed?;
    let (begun, mut latencies, mut turns) = (Instant::now(), [const { Vec::new() }; N], 0);
    loop {
        let goes_on = match extent {
            Extent::Time(time) => begun.elapsed() < time,
            Extent::Count(count) => turns < count,
        };
        if !goes_on {
            return Ok(latencies);
        }
        // None always comes second, to what another has warmed.
        for place in 0..N {
            let which = (turns + place) % N;
            let started = Instant::now();
            calls[which]()?;
            latencies[which].push(started.elapsed());
        }
        turns += 1;
    }
}
