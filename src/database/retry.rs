//! The one bounded retry loop of the store, and the watch that tells a session what its statements met.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use diesel::connection::{
    Connection, Instrumentation, InstrumentationEvent, get_default_instrumentation,
};
use diesel::prelude::PgConnection;
use diesel::r2d2::ConnectionManager;
use r2d2::PooledConnection;

use crate::error::{is_conflict, is_stale_plan};

/// Calls `attempt` with 1, 2, 3 and so on until it succeeds, fails with an error that is not
/// `retryable`, or has been called `max_attempts` times; returns its last result.
pub(crate) fn retry<T, E>(
    max_attempts: u32,
    retryable: impl Fn(&E) -> bool,
    mut attempt: impl FnMut(u32) -> Result<T, E>,
) -> Result<T, E> {
    let mut number = 1;
    loop {
        match attempt(number) {
            Err(error) if number < max_attempts && retryable(&error) => number += 1,
            result => return result,
        }
    }
}

/// Notes what the statements on a pooled connection have met since the transaction began.
///
/// The note is taken where Diesel reports the statement, because a closure may return an error as any type,
/// wrapped in one of its own, or not at all.
#[derive(Clone, Default)]
pub(crate) struct StatementWatch(Arc<AtomicU8>);

/// A statement has been reported: nobody has replaced the watch.
const SEEN: u8 = 1;
/// A statement has failed.
const FAILED: u8 = 2;
/// A statement has failed because of a conflict with another transaction.
const CONFLICT: u8 = 4;
/// A statement has failed because the types of columns have changed since it was prepared.
const STALE_PLAN: u8 = 8;

impl StatementWatch {
    /// Returns the watch of this connection; installs it at the connection's first use.
    pub(crate) fn of(conn: &mut PooledConnection<ConnectionManager<PgConnection>>) -> Self {
        if let Some(watch) = PooledConnection::extensions(conn).get::<Self>() {
            return watch.clone();
        }
        let watch = Self::default();
        conn.set_instrumentation(WatchingInstrumentation {
            watch: watch.clone(),
            inner: get_default_instrumentation(),
        });
        PooledConnection::extensions_mut(conn).insert(watch.clone());
        watch
    }

    /// Forgets earlier statements.
    pub(crate) fn reset(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// Returns whether a statement has met a conflict since the last reset.
    pub(crate) fn has_seen_conflict(&self) -> bool {
        self.0.load(Ordering::Relaxed) & CONFLICT != 0
    }

    /// Returns whether a statement has met a stale plan since the last reset.
    pub(crate) fn has_seen_stale_plan(&self) -> bool {
        self.0.load(Ordering::Relaxed) & STALE_PLAN != 0
    }

    /// Returns whether every statement since the last reset was reported and has succeeded.
    pub(crate) fn has_seen_only_successes(&self) -> bool {
        self.0.load(Ordering::Relaxed) == SEEN
    }
}

/// Takes the note, and passes every event on to the application's own instrumentation.
struct WatchingInstrumentation {
    watch: StatementWatch,
    inner: Option<Box<dyn Instrumentation>>,
}

impl Instrumentation for WatchingInstrumentation {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        if let InstrumentationEvent::FinishQuery { error, .. } = &event {
            let met = match error {
                None => SEEN,
                Some(error) if is_conflict(error) => SEEN | FAILED | CONFLICT,
                Some(error) if is_stale_plan(error) => SEEN | FAILED | STALE_PLAN,
                Some(_) => SEEN | FAILED,
            };
            self.watch.0.fetch_or(met, Ordering::Relaxed);
        }
        self.inner.on_connection_event(event);
    }
}

#[cfg(test)]
mod tests {
    use super::retry;

    #[test]
    fn retry_stops_at_success_at_the_limit_and_at_an_error_that_is_not_retryable() {
        let run = |max_attempts, results: &[Result<(), &'static str>]| {
            let mut calls = 0;
            let result = retry(
                max_attempts,
                |error| *error == "conflict",
                |number| {
                    calls += 1;
                    assert_eq!(number, calls);
                    results[calls as usize - 1]
                },
            );
            (result, calls)
        };
        assert_eq!(run(3, &[Err("conflict"), Ok(())]), (Ok(()), 2));
        assert_eq!(run(3, &[Err("conflict"); 3]), (Err("conflict"), 3));
        assert_eq!(run(3, &[Err("conflict"), Err("refused")]), (Err("refused"), 2));
        assert_eq!(run(1, &[Err("conflict")]), (Err("conflict"), 1));
    }
}
