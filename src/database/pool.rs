//! [`Blotter`], the connection pool that hands out sessions.

use std::time::Duration;

use diesel::prelude::*;
use diesel::r2d2::ConnectionManager;
use r2d2::{Pool, PooledConnection};
use uuid::Uuid;

use crate::database::login::Login;
use crate::database::role::{Auditor, Compliance, Engine, Role, Trader};
use crate::database::session::Session;
use crate::database::transaction::{Mode, begin};
use crate::error::Error;

/// The most connections that the pool of [`Blotter::connect`] opens.
const MAX_CONNECTIONS: u32 = 10;

/// The time that a session waits for a free connection before it fails.
const CHECKOUT_TIMEOUT: Duration = Duration::from_secs(5);

/// The beginnings of libpq's messages about a connection that it tried to make.
///
/// Only these are passed on. Its other messages are about the URL and quote parts of it, which may hold
/// the password; so may these if the password has an @ in it.
const SAFE_MESSAGES: [&str; 3] =
    ["connection to server", "could not translate host name", "sslmode value"];

/// Opens one connection to the database at `url`, a `postgres://` URL or a libpq keyword string: for
/// [`migrations`](crate::migrations), [`catalog`](crate::database::catalog) and [`transaction_on`].
///
/// # Errors
///
/// [`Error::is_connection`] when the URL is malformed or no server answers there. The message never
/// contains the password.
///
/// [`transaction_on`]: crate::transaction_on
pub fn connect(url: &str) -> Result<PgConnection, Error> {
    let scheme = url.split_once("://").map(|(scheme, _)| scheme);
    let is_well_formed = match scheme {
        Some(scheme) => matches!(scheme, "postgres" | "postgresql"),
        None => url.contains('='),
    };
    let connected = is_well_formed.then(|| PgConnection::establish(url));
    match connected {
        Some(Ok(conn)) => Ok(conn),
        Some(Err(ConnectionError::BadConnection(why)))
            if SAFE_MESSAGES.iter().any(|start| why.starts_with(start)) && !why.contains('@') =>
        {
            Err(Error::connection(why))
        }
        // The server closed the connection at once, or a pooler had no server to offer.
        Some(Err(ConnectionError::CouldntSetupConfiguration(why))) => Err(Error::connection(why)),
        _ => Err(Error::connection(
            "the URL is malformed; write it as postgres://user:password@host/database, with special \
             characters percent-encoded, or as host=localhost dbname=blotter",
        )),
    }
}

/// The store: a pool of connections that hands out sessions. A clone shares the pool.
#[derive(Clone, Debug)]
pub struct Blotter {
    pool: Pool<ConnectionManager<PgConnection>>,
}

pub(crate) type Pooled = PooledConnection<ConnectionManager<PgConnection>>;

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
        // A pool hides why it can't connect, so the first connection is made without one.
        connect(url)?;
        let pool = Pool::builder()
            .max_size(MAX_CONNECTIONS)
            .min_idle(Some(0))
            .connection_timeout(CHECKOUT_TIMEOUT)
            // The check costs a round trip per checkout; `Blotter::begin` notices a lost connection
            // without one.
            .test_on_check_out(false)
            .build(ConnectionManager::new(url))
            .map_err(Error::connection)?;
        Ok(Self { pool })
    }

    /// Makes a store of a pool that the application has built.
    ///
    /// To notice conflicts, the store sets its own instrumentation on each connection when it first uses
    /// it; that passes every event on to the one of
    /// [`diesel::connection::set_default_instrumentation`]. Where the application replaces it later,
    /// sessions do not retry after conflicts.
    pub fn with_pool(pool: Pool<ConnectionManager<PgConnection>>) -> Self {
        Self { pool }
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

    pub(crate) fn session<R: Role>(&self, role: R) -> Session<R> {
        Session { blotter: self.clone(), role }
    }

    /// Returns the login of this pool's connections and its privileges. A backend should look at
    /// [`Login::warnings`] when it starts, and refuse to run if there are any.
    ///
    /// # Errors
    ///
    /// [`Error::is_connection`] and [`Error::is_exhausted`].
    pub fn login(&self) -> Result<Login, Error> {
        Login::of(&mut *self.checkout()?)
    }

    /// Takes a connection from the pool and begins a transaction on it.
    ///
    /// The server may have closed an idle connection since its last use; nothing has happened in the
    /// transaction then, so the next connection is tried.
    pub(crate) fn begin(&self, mode: Mode, role: impl Role) -> Result<Pooled, Error> {
        let mut lost_left = self.pool.max_size();
        loop {
            let mut conn = self.checkout()?;
            match begin(&mut conn, mode, role) {
                Err(lost) if lost.is_connection() && lost_left > 0 => lost_left -= 1,
                begun => return begun.map(|()| conn),
            }
        }
    }

    fn checkout(&self) -> Result<Pooled, Error> {
        self.pool.get().map_err(|why| {
            let state = self.pool.state();
            if state.idle_connections == 0 && state.connections == self.pool.max_size() {
                Error::exhausted(state.connections)
            } else {
                Error::connection(why)
            }
        })
    }
}
