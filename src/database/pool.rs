//! Connections: one, or a pool of them that begins transactions.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use diesel::prelude::*;
use diesel::r2d2::ConnectionManager;
use r2d2::{CustomizeConnection, Pool, PooledConnection};

use crate::database::citus;
use crate::database::desk::Desk;
use crate::database::retry::StatementWatch;
use crate::database::role::Role;
use crate::database::transaction::{Mode, begin};
use crate::error::Error;

/// The most connections that [`ConnectionPool::connect`] opens.
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

impl Desk {
    /// Connects to the desk in the database at `url`, on the node that holds it if that is Citus's.
    ///
    /// # Errors
    ///
    /// Those of [`connect`] and of [`Desk::enter`].
    pub fn connect(&self, url: &str) -> Result<PgConnection, Error> {
        let mut conn = connect(url)?;
        self.follow(&mut conn, url)?;
        self.enter(&mut conn)?;
        Ok(conn)
    }

    /// Puts a connection that was made with `url` into the desk; where another node of a Citus cluster holds the desk, puts
    /// a connection to that node in its place.
    pub(crate) fn follow(&self, conn: &mut PgConnection, url: &str) -> Result<(), Error> {
        self.set_search_path(conn)?;
        if let Some(holder) = citus::holder(conn)?.filter(|holder| !holder.is_here) {
            *conn = connect(&holder.url(url))?;
            self.set_search_path(conn)?;
        }
        Ok(())
    }
}

/// A connection of the pool, given back when it is dropped.
pub(crate) type Pooled = PooledConnection<ConnectionManager<PgConnection>>;

/// A pool of connections. A clone shares it.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionPool {
    pool: Pool<ConnectionManager<PgConnection>>,
    /// The desk whose roles the transactions act as.
    pub desk: Option<Arc<Desk>>,
}

/// Puts each new connection of a pool into a desk, on the node that holds it if that is Citus's.
struct Entering {
    desk: Arc<Desk>,
    url: String,
}

/// Without the URL, which may hold a password.
impl fmt::Debug for Entering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entering").field("desk", &self.desk).finish_non_exhaustive()
    }
}

impl CustomizeConnection<PgConnection, diesel::r2d2::Error> for Entering {
    fn on_acquire(&self, conn: &mut PgConnection) -> Result<(), diesel::r2d2::Error> {
        self.desk.follow(conn, &self.url).map_err(|why| {
            diesel::r2d2::Error::ConnectionError(ConnectionError::BadConnection(why.to_string()))
        })
    }
}

impl ConnectionPool {
    /// Returns a pool that the application has built, of connections that are in the desk, if there is one.
    pub fn new(pool: Pool<ConnectionManager<PgConnection>>, desk: Option<Desk>) -> Self {
        Self { pool, desk: desk.map(Arc::new) }
    }

    /// Connects to a desk of the database at `url`, or to the database, with the default limits.
    pub fn connect(url: &str, desk: Option<Desk>) -> Result<Self, Error> {
        // A pool hides why it can't connect, so the first connection is made without one.
        let first = &mut connect(url)?;
        let desk = desk.map(Arc::new);
        let mut builder = Pool::builder();
        if let Some(desk) = &desk {
            desk.enter(first)?;
            let entering = Entering { desk: Arc::clone(desk), url: url.to_owned() };
            builder = builder.connection_customizer(Box::new(entering));
        }
        let pool = builder
            .max_size(MAX_CONNECTIONS)
            .min_idle(Some(0))
            .connection_timeout(CHECKOUT_TIMEOUT)
            // The check costs a round trip per checkout; `ConnectionPool::begin` notices a lost connection
            // without one.
            .test_on_check_out(false)
            .build(ConnectionManager::new(url))
            .map_err(Error::connection)?;
        Ok(Self { pool, desk })
    }

    /// Takes a connection from the pool and begins a transaction on it.
    ///
    /// The server may have closed an idle connection since its last use; nothing has happened in the
    /// transaction then, so the next connection is tried.
    pub fn begin(&self, mode: Mode, role: impl Role) -> Result<(Pooled, StatementWatch), Error> {
        let mut lost_left = self.pool.max_size();
        loop {
            let mut conn = self.checkout()?;
            let watch = StatementWatch::of(&mut conn);
            watch.reset();
            match begin(&mut conn, mode, self.desk.as_deref(), role) {
                Err(lost) if lost.is_connection() && lost_left > 0 => lost_left -= 1,
                begun => return begun.map(|()| (conn, watch)),
            }
        }
    }

    /// Takes a connection from the pool.
    pub fn checkout(&self) -> Result<Pooled, Error> {
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
