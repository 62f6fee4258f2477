//! [`Blotter`], the store: hands out sessions on a pool of connections.

use std::fmt;

use diesel::prelude::*;
use diesel::r2d2::ConnectionManager;
use r2d2::Pool;
use uuid::Uuid;

use crate::database::desk::Desk;
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

/// A store to be: where it is. Made by [`Blotter::builder`].
#[derive(Clone)]
#[must_use]
pub struct BlotterBuilder {
    url: String,
    desk: Option<String>,
}

/// Without the URL, which may hold a password.
impl fmt::Debug for BlotterBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlotterBuilder").field("desk", &self.desk).finish_non_exhaustive()
    }
}

impl BlotterBuilder {
    /// Sets the [`Desk`] by its name: sessions use its tables, and act as its roles.
    pub fn desk(self, name: &str) -> Self {
        Self { desk: Some(name.to_owned()), ..self }
    }

    /// Connects, as [`Blotter::connect`] does.
    ///
    /// # Errors
    ///
    /// Those of [`Blotter::connect`]; [`Error::is_invalid_input`] for what is no name of a desk ([`Desk::new`]);
    /// [`Error::is_not_found`] if the database has no such desk, or the login may not use it.
    pub fn connect(&self) -> Result<Blotter, Error> {
        let desk = self.desk.as_deref().map(Desk::new).transpose()?;
        Ok(Blotter { pool: ConnectionPool::connect(&self.url, desk)? })
    }
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
        Self::builder(url).connect()
    }

    /// Begins to build a store on the database at `url`, for a [`Desk`].
    pub fn builder(url: &str) -> BlotterBuilder {
        BlotterBuilder { url: url.to_owned(), desk: None }
    }

    /// Makes a store of a pool that the application has built.
    ///
    /// To notice conflicts, the store sets its own instrumentation on each connection when it first uses
    /// it; that passes every event on to the one of
    /// [`diesel::connection::set_default_instrumentation`]. Where the application replaces it later,
    /// sessions do not retry after conflicts.
    pub fn with_pool(pool: Pool<ConnectionManager<PgConnection>>) -> Self {
        Self { pool: ConnectionPool::new(pool, None) }
    }

    /// Makes a store of a pool that the application has built, for a desk: its connections must be in the desk, by the
    /// option `-csearch_path=NAME` in their URL, or by `ALTER ROLE … SET search_path`, which a pooler passes on.
    /// Otherwise like [`Blotter::with_pool`].
    pub fn with_pool_of(pool: Pool<ConnectionManager<PgConnection>>, desk: Desk) -> Self {
        Self { pool: ConnectionPool::new(pool, Some(desk)) }
    }

    /// Returns the desk; none if the store is that of a whole database.
    pub fn desk(&self) -> Option<&Desk> {
        self.pool.desk.as_deref()
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
