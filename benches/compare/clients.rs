//! Concurrent clients that repeat the same calls, and the latencies measured.

use std::error::Error;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

pub type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// How long clients repeat their calls.
#[derive(Clone, Copy)]
pub enum RunLength {
    Time(Duration),
    /// Calls of each client, not counting the warm-up.
    Calls(usize),
}

/// The calls of all clients in one run.
#[derive(Default)]
pub struct Run {
    /// Latency of each call after the warm-up.
    pub latencies: Vec<Duration>,
    /// Number of calls, the warm-up included.
    pub done: usize,
}

impl Run {
    /// Returns calls per second: each client begins a call when its last one has ended.
    pub fn rate(&self, clients: usize) -> f64 {
        let seconds: f64 = self.latencies.iter().map(Duration::as_secs_f64).sum();
        clients as f64 * self.latencies.len() as f64 / seconds
    }

    /// Returns the latencies in milliseconds.
    pub fn milliseconds(&self) -> impl Iterator<Item = f64> {
        self.latencies.iter().map(|latency| latency.as_secs_f64() * 1e3)
    }
}

/// Runs `clients` clients at the same time, each repeating the calls that `connect` returns for it. The first
/// `warm_up` rounds are not measured. If a client has several calls, it makes them in turn, and each is a run of
/// its own.
pub fn run_clients<C: FnMut() -> Outcome<()> + Send, const N: usize>(
    clients: usize,
    warm_up: usize,
    length: RunLength,
    connect: impl Fn(usize) -> Outcome<[C; N]>,
) -> Outcome<[Run; N]> {
    let barrier = &Barrier::new(clients);
    let connected = (0..clients).map(connect).collect::<Outcome<Vec<_>>>()?;
    thread::scope(|scope| {
        let threads: Vec<_> = connected
            .into_iter()
            .map(|calls| scope.spawn(move || repeat(calls, warm_up, length, barrier)))
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
    length: RunLength,
    barrier: &Barrier,
) -> Outcome<[Vec<Duration>; N]> {
    let warmed = (0..warm_up).try_for_each(|_| calls.iter_mut().try_for_each(|call| call()));
    barrier.wait();
    warmed?;
    let (started_all, mut latencies, mut turns) = (Instant::now(), [const { Vec::new() }; N], 0);
    loop {
        let continues = match length {
            RunLength::Time(time) => started_all.elapsed() < time,
            RunLength::Calls(count) => turns < count,
        };
        if !continues {
            return Ok(latencies);
        }
        // Rotate the order: the second call of a turn finds caches that the first has warmed.
        for offset in 0..N {
            let which = (turns + offset) % N;
            let started = Instant::now();
            calls[which]()?;
            latencies[which].push(started.elapsed());
        }
        turns += 1;
    }
}
