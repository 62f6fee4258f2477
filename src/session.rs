//! Who is asking: [`Blotter`] (the pool), [`Session`] (one identity), [`Tx`] (one transaction).
//!
//! The identity rides in the message that begins the transaction and ends with it, so a pooled
//! connection carries none over to its next borrower.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::prelude::*;
use diesel::r2d2::ConnectionManager;
use r2d2::{Pool, PooledConnection};
use uuid::Uuid;

use crate::error::Error;
use crate::execution_logs::ExecutionLogs;
use crate::fills::Fills;
use crate::orders::Orders;
use crate::system::row_security_active;
use crate::traders::{self, Traders};

/// Connections that one [`Blotter::connect`] pool opens at most.
const MAX_CONNECTIONS: u32 = 10;

/// How long a session waits for a free connection before it fails.
const CHECKOUT_TIMEOUT: Duration = Duration::from_secs(5);

/// What libpq says first of a connection that it tried to make. Other complaints are about the URL,
/// and repeat parts of it, the password perhaps among them; so may these if the password has an @.
const ATTEMPTED: [&str; 3] =
    ["connection to server", "could not translate host name", "sslmode value"];

/// Opens one connection to the database at `url`, a `postgres://` URL or a libpq keyword string: for
/// [`migrations`](crate::migrations) and [`catalog`](crate::catalog).
///
/// # Errors
///
/// [`Error::is_connection`] when the URL is malformed or no server answers there. The text never
/// repeats the password.
pub fn connect(url: &str) -> Result<PgConnection, Error> {
    let scheme = url.split_once("://").map(|(scheme, _)| scheme);
    let readable = match scheme {
        Some(scheme) => matches!(scheme, "postgres" | "postgresql"),
        None => url.contains('='),
    };
    let tried = readable.then(|| PgConnection::establish(url));
    match tried {
        Some(Ok(conn)) => Ok(conn),
        Some(Err(ConnectionError::BadConnection(why)))
            if ATTEMPTED.iter().any(|start| why.starts_with(start)) && !why.contains('@') =>
        {
            Err(Error::connection(why))
        }
        _ => Err(Error::connection(
            "the URL can't be read; it should look like postgres://user:password@host/database, \
             with special characters percent-encoded, or like host=localhost dbname=blotter",
        )),
    }
}

/// The store: a pool of connections that hands out sessions. Cloning it shares the pool.
#[derive(Clone, Debug)]
pub struct Blotter {
    pool: Pool<ConnectionManager<PgConnection>>,
}

impl Blotter {
    /// Connects to the database at `url`, a `postgres://` URL or a libpq keyword string.
    ///
    /// The pool opens up to 10 connections as they are needed; a session waits at most 5 seconds
    /// for a free one. For other limits build a pool and use [`Blotter::with_pool`].
    ///
    /// # Errors
    ///
    /// [`Error::is_connection`] when the URL is malformed or no server answers there. Whether the
    /// database is migrated is not looked at: ask [`migrations::require`](crate::migrations::require).
    pub fn connect(url: &str) -> Result<Self, Error> {
        // A pool hides why it can't connect, so the first connection is made without one.
        connect(url)?;
        let pool = Pool::builder()
            .max_size(MAX_CONNECTIONS)
            .min_idle(Some(0))
            .connection_timeout(CHECKOUT_TIMEOUT)
            // A round trip for each checkout; `Session::transaction` notices lost connections
            // without one.
            .test_on_check_out(false)
            .build(ConnectionManager::new(url))
            .map_err(Error::connection)?;
        Ok(Self { pool })
    }

    /// Uses a pool that the application has built.
    pub fn with_pool(pool: Pool<ConnectionManager<PgConnection>>) -> Self {
        Self { pool }
    }

    /// A session that acts for one trader: it sees and writes that trader's rows only, as long as
    /// the connecting role is held by row security (that is: no superuser, no `BYPASSRLS`).
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_input`] for the nil uuid, which is nobody's.
    pub fn trader(&self, id: Uuid) -> Result<Session, Error> {
        traders::check_id(id)?;
        Ok(Session { blotter: self.clone(), trader: Some(id) })
    }

    /// A session that acts for no trader: it registers traders, and sees no order at all unless
    /// the connecting role passes row security.
    pub fn anonymous(&self) -> Session {
        Session { blotter: self.clone(), trader: None }
    }

    /// Whether the connecting role is one that row security does not hold: a superuser, or one with
    /// `BYPASSRLS`. Such a login sees every trader's rows whatever the session; a trading backend
    /// should refuse to start with it.
    ///
    /// # Errors
    ///
    /// Those of [`Session::transaction`].
    pub fn passes_row_security(&self) -> Result<bool, Error> {
        self.anonymous().snapshot(|tx| {
            let held = diesel::select(row_security_active("orders")).get_result(tx.conn);
            Ok(held.map(|held: bool| !held)?)
        })
    }

    /// A connection with a transaction begun on it. An idle connection may have been lost since
    /// it was last used; then nothing has happened yet, and the next one is tried.
    fn begin(&self, mode: Mode, trader: Option<Uuid>) -> Result<Pooled, Error> {
        let mut perhaps_lost = self.pool.max_size();
        loop {
            let mut conn = self.checkout()?;
            match begin(&mut conn, mode, trader) {
                Err(lost) if lost.is_connection() && perhaps_lost > 0 => perhaps_lost -= 1,
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

type Pooled = PooledConnection<ConnectionManager<PgConnection>>;

/// One identity on one [`Blotter`]; costs nothing until it begins a transaction.
#[derive(Clone, Debug)]
pub struct Session {
    blotter: Blotter,
    trader: Option<Uuid>,
}

impl Session {
    /// Runs `work` in one transaction: committed when it returns `Ok`, rolled back when it returns
    /// `Err` or panics.
    ///
    /// # Errors
    ///
    /// What `work` returned; [`Error::is_connection`] when the server can't be reached and
    /// [`Error::is_exhausted`] when the pool has no free connection; [`Error::is_aborted`] when
    /// `work` swallowed the error of a failed statement (PostgreSQL would answer that COMMIT with a
    /// silent rollback) or ended the transaction by itself.
    ///
    /// ```
    /// # #[cfg(feature = "embedded")] fn main() -> Result<(), tradeblotter::Error> {
    /// use tradeblotter::{Blotter, NewOrder, OrderStatus, embedded, migrations};
    ///
    /// let server = embedded::Server::start()?;
    /// migrations::run(&mut server.connect()?)?;
    /// let blotter = Blotter::connect(server.url())?;
    ///
    /// let trader = blotter.anonymous().transaction(|tx| tx.traders().register("Ada"))?;
    /// let order = blotter
    ///     .trader(trader.id)?
    ///     .transaction(|tx| tx.orders().submit(&NewOrder::market(trader.id, "AAPL", 100)))?;
    /// assert_eq!(order.status, OrderStatus::Pending);
    /// # Ok(()) }
    /// # #[cfg(not(feature = "embedded"))] fn main() {}
    /// ```
    pub fn transaction<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&mut Tx<'_>) -> Result<T, E>,
        E: From<Error>,
    {
        finish(&mut *self.blotter.begin(Mode::Write, self.trader)?, work)
    }

    /// Runs `work` in one read-only transaction that sees the store as it was at its first query.
    /// What takes several queries and has to agree, such as [`Orders::history`] or a listing over
    /// several pages, is read in one of these; in [`Session::transaction`] each query sees what
    /// others have committed meanwhile.
    ///
    /// # Errors
    ///
    /// Those of [`Session::transaction`]; a write is refused by the database.
    pub fn snapshot<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&mut Tx<'_>) -> Result<T, E>,
        E: From<Error>,
    {
        finish(&mut *self.blotter.begin(Mode::Read, self.trader)?, work)
    }
}

/// How a transaction begins.
#[derive(Clone, Copy)]
enum Mode {
    Read,
    Write,
}

/// Runs `work` as a trader in one transaction on a connection that the application manages itself.
/// Like [`Session::transaction`] in all else.
///
/// # Errors
///
/// Those of [`Session::transaction`]; [`Error::is_invalid_input`] for the nil uuid; and a
/// connection on which Diesel has begun a transaction already is refused, because the identity of
/// a transaction can't change halfway.
///
/// ```
/// # #[cfg(feature = "embedded")] fn main() -> Result<(), tradeblotter::Error> {
/// # use tradeblotter::{embedded, migrations};
/// # let server = embedded::Server::start()?;
/// # let conn = &mut server.connect()?;
/// # migrations::run(conn)?;
/// # let trader_id = uuid::Uuid::from_u128(1);
/// let me = tradeblotter::transaction_on(conn, trader_id, |tx| {
///     tx.traders().register_as(trader_id, "Ada")
/// })?;
/// assert_eq!(me.id, trader_id);
/// # Ok(()) }
/// # #[cfg(not(feature = "embedded"))] fn main() {}
/// ```
pub fn transaction_on<T, E, F>(conn: &mut PgConnection, trader: Uuid, work: F) -> Result<T, E>
where
    F: FnOnce(&mut Tx<'_>) -> Result<T, E>,
    E: From<Error>,
{
    traders::check_id(trader)?;
    begin(conn, Mode::Write, Some(trader))?;
    finish(conn, work)
}

/// Does the work in a transaction that has begun, and ends it.
fn finish<T, E, F>(conn: &mut PgConnection, work: F) -> Result<T, E>
where
    F: FnOnce(&mut Tx<'_>) -> Result<T, E>,
    E: From<Error>,
{
    // Nothing of `work` is used after a panic but the connection, and that is rolled back.
    let worked = catch_unwind(AssertUnwindSafe(|| work(&mut Tx { conn: &mut *conn })));
    match worked {
        Ok(Ok(done)) => commit(conn).map(|()| done).map_err(E::from),
        Ok(Err(refused)) => {
            roll_back(conn);
            Err(refused)
        }
        Err(panic) => {
            roll_back(conn);
            resume_unwind(panic)
        }
    }
}

/// Ends the transaction with every savepoint that `work` left open in it; Diesel's own rollback
/// would end the innermost of them.
fn roll_back(conn: &mut PgConnection) {
    // The reason for the rollback is worth more to the caller than a failure of it; a connection
    // that could not roll back is discarded by the pool.
    let _ = conn.batch_execute("ROLLBACK");
}

fn begin(conn: &mut PgConnection, mode: Mode, trader: Option<Uuid>) -> Result<(), Error> {
    let begin = match mode {
        Mode::Read => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        Mode::Write => "BEGIN",
    };
    let trader = trader.map(|id| id.to_string()).unwrap_or_default();
    let sql = format!("{begin}; SET LOCAL app.user_id = '{trader}'");
    Ok(AnsiTransactionManager::begin_transaction_sql(conn, &sql)?)
}

fn commit(conn: &mut PgConnection) -> Result<(), Error> {
    if !in_transaction(conn) {
        return Err(Error::aborted("the transaction was ended inside the closure"));
    }
    // PostgreSQL answers the COMMIT of an aborted transaction with a rollback and no error. The
    // SELECT fails there and stops the message before its COMMIT. Diesel learns from libpq that
    // the transaction is over.
    let Err(error) = conn.batch_execute("SELECT 1; COMMIT") else {
        return Ok(());
    };
    if in_transaction(conn) {
        roll_back(conn);
        return Err(Error::aborted(
            "a statement of this transaction failed and its error was not passed on, so nothing \
             was stored; return the error from the closure",
        ));
    }
    Err(error.into())
}

/// Whether a transaction is open on the connection, as far as Diesel knows.
pub(crate) fn in_transaction(conn: &mut PgConnection) -> bool {
    let status = AnsiTransactionManager::transaction_manager_status_mut(conn);
    matches!(status.transaction_depth(), Ok(Some(_)))
}

/// One open transaction, with the repositories that work in it.
pub struct Tx<'c> {
    conn: &'c mut PgConnection,
}

impl Tx<'_> {
    /// The traders.
    pub fn traders(&mut self) -> Traders<'_> {
        Traders { conn: self.conn }
    }

    /// The orders.
    pub fn orders(&mut self) -> Orders<'_> {
        Orders { conn: self.conn }
    }

    /// The fills.
    pub fn fills(&mut self) -> Fills<'_> {
        Fills { conn: self.conn }
    }

    /// The execution log: the audit trail.
    pub fn execution_logs(&mut self) -> ExecutionLogs<'_> {
        ExecutionLogs { conn: self.conn }
    }

    /// The connection itself, for the application's own queries on [`schema`](crate::schema), in
    /// this transaction and under this identity.
    pub fn connection(&mut self) -> &mut PgConnection {
        self.conn
    }
}
