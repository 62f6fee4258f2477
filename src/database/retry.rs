//! Conflicts between transactions, noticed on the connection: what a closure makes of the error it
//! was given does not matter, nor of what type its own is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use diesel::connection::{
    Connection, Instrumentation, InstrumentationEvent, get_default_instrumentation,
};
use diesel::prelude::PgConnection;
use diesel::r2d2::ConnectionManager;
use r2d2::PooledConnection;

use crate::error::is_conflict;

/// Whether a statement on a connection has met a conflict lately.
#[derive(Clone, Default)]
pub struct Conflicts(Arc<AtomicBool>);

impl Conflicts {
    /// Those of a pooled connection, watched from its first use on.
    pub fn on(conn: &mut PooledConnection<ConnectionManager<PgConnection>>) -> Self {
        if let Some(watched) = PooledConnection::extensions(conn).get::<Self>() {
            return watched.clone();
        }
        let conflicts = Self::default();
        conn.set_instrumentation(Watch {
            conflicts: conflicts.clone(),
            inner: get_default_instrumentation(),
        });
        PooledConnection::extensions_mut(conn).insert(conflicts.clone());
        conflicts
    }

    pub fn forget(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    pub fn noticed(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

struct Watch {
    conflicts: Conflicts,
    inner: Option<Box<dyn Instrumentation>>,
}

impl Instrumentation for Watch {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        if let InstrumentationEvent::FinishQuery { error: Some(error), .. } = &event
            && is_conflict(error)
        {
            self.conflicts.0.store(true, Ordering::Relaxed);
        }
        self.inner.on_connection_event(event);
    }
}
