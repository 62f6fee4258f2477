//! [`Blotter`], the store: hands out sessions on a pool of connections.

use diesel::prelude::*;
use diesel::r2d2::ConnectionManager;
use r2d2::Pool;
use uuid::Uuid;

use crate::database::login::Login;
use crate::database::pool::ConnectionPool;
use crate::database::role::{Auditor, Compliance, Engine, Role, Trader};
use crate::database::safe_snapshot;
use crate::database::session::Session;
use crate::error::Error;

/// The store: a pool of connections that hands out sessions. A clone shares the pool.
#[derive(Clone, Debug)]
pub struct Blotter {
    pool: ConnectionPool,
}

impl Blotter {
    /// Connects to the database at `url`, a `postgres://` URL or a libpq keyword string.
    ///
    /// The pool opens up to 10 connections as they are needed; a session waits at most 5 seconds for a
    /// free one. For other limits build a pool and pass it to [`Blotter::with_pool`].
    ///
    /// # Errors
    ///
    /// [`Error::is_connection`] when the URL is malformed or no server answers there. Does not check that
    /// the database is migrated; [`migrations::require`](crate::migrations::require) does.
    pub fn connect(url: &str) -> Result<Self, Error> {
        Ok(Self { pool: ConnectionPool::connect(url)? })
    }

    /// Makes a store of a pool that the application has built.
    ///
    /// To notice conflicts, the store sets its own instrumentation on each connection when it first uses
    /// it; that passes every event on to the one of
    /// [`diesel::connection::set_default_instrumentation`]. Where the application replaces it later,
    /// sessions do not retry after conflicts.
    pub fn with_pool(pool: Pool<ConnectionManager<PgConnection>>) -> Self {
        Self { pool: ConnectionPool(pool) }
    }

    /// Returns a session that acts for one trader: row-level security shows it that trader's rows only;
    /// it submits that trader's orders and cancels them.
    ///
    /// Does not connect. Whether the login may act as a trader shows when a transaction begins;
    /// [`Blotter::login`] tells in advance, for this role and the others.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_input`] for the nil UUID, which is no trader's id.
    pub fn trader(&self, id: Uuid) -> Result<Session<Trader>, Error> {
        Ok(self.session(Trader::new(id)?))
    }

    /// Returns a session of the engine: it sees every row, registers traders, submits orders, records
    /// fills and breaks, and logs actions.
    pub fn engine(&self) -> Session<Engine> {
        self.session(Engine)
    }

    /// Returns a session that sees every row and writes nothing.
    pub fn compliance(&self) -> Session<Compliance> {
        self.session(Compliance)
    }

    /// Returns a session that sees the recorded rows of every trader and seals the execution log.
    pub fn auditor(&self) -> Session<Auditor> {
        self.session(Auditor)
    }

    fn session<R: Role>(&self, role: R) -> Session<R> {
        Session { pool: self.pool.clone(), role, snapshot_wait: safe_snapshot::WAIT }
    }

    /// Returns the login of this pool's connections and its privileges. A backend should look at
    /// [`Login::warnings`] when it starts, and refuse to run if there are any.
    ///
    /// # Errors
    ///
    /// [`Error::is_connection`] and [`Error::is_exhausted`].
    pub fn login(&self) -> Result<Login, Error> {
        Login::of(&mut *self.pool.checkout()?)
    }
}
