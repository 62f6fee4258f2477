//! Who is asking: [`Blotter`] (the pool), [`Session`] (one role), [`Tx`] (one transaction).
//!
//! Role and identity ride in the message that begins the transaction and end with it, so a pooled
//! connection carries none over to its next borrower.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;
use std::time::Duration;

use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::pg::PgRowByRowLoadingMode;
use diesel::prelude::*;
use diesel::query_dsl::LoadQuery;
use diesel::r2d2::ConnectionManager;
use r2d2::{Pool, PooledConnection};
use uuid::Uuid;

use crate::database::login::Login;
use crate::database::retry::{ConflictWatch, retry};
use crate::database::role::{Auditor, Compliance, DatabaseRole, Engine, Reader, Role, Trader};
use crate::error::Error;

/// Connections that one [`Blotter::connect`] pool opens at most.
const MAX_CONNECTIONS: u32 = 10;

/// How long a session waits for a free connection before it fails.
const CHECKOUT_TIMEOUT: Duration = Duration::from_secs(5);

/// Attempts before giving up when a transaction conflicts with others each time.
const MAX_ATTEMPTS: u32 = 5;

/// Wait after the first conflict; twice that after the second, and so on.
const PAUSE: Duration = Duration::from_millis(2);

/// What libpq says first of a connection that it tried to make. Other complaints are about the URL,
/// and repeat parts of it, the password perhaps among them; so may these if the password has an @.
const ATTEMPTED: [&str; 3] =
    ["connection to server", "could not translate host name", "sslmode value"];

/// Opens one connection to the database at `url`, a `postgres://` URL or a libpq keyword string: for
/// [`migrations`](crate::migrations) and [`catalog`](crate::database::catalog).
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
        // The server has let go of it again, or a pooler had no server to give.
        Some(Err(ConnectionError::CouldntSetupConfiguration(why))) => Err(Error::connection(why)),
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

    /// Uses a pool that the application has built. To notice conflicts the store sets an
    /// instrumentation of its own on each connection when it first uses it; that one passes
    /// everything on to the one of [`diesel::connection::set_default_instrumentation`]. On a
    /// connection that is given another later, conflicts are not tried again.
    pub fn with_pool(pool: Pool<ConnectionManager<PgConnection>>) -> Self {
        Self { pool }
    }

    /// A session that acts for one trader: it sees that trader's rows only, submits its orders and
    /// cancels them. Whether the login may act as a trader shows when a transaction begins;
    /// [`Blotter::login`] tells before, here as for the other roles.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_input`] for the nil uuid, which is nobody's.
    pub fn trader(&self, id: Uuid) -> Result<Session<Trader>, Error> {
        Ok(self.session(Trader::new(id)?))
    }

    /// A session of the engine: it sees every row, registers traders, submits orders, records fills
    /// and actions.
    pub fn engine(&self) -> Session<Engine> {
        self.session(Engine)
    }

    /// A session that reads every row and writes nothing.
    pub fn compliance(&self) -> Session<Compliance> {
        self.session(Compliance)
    }

    /// A session that reads what is recorded, of everybody, and seals the log.
    pub fn auditor(&self) -> Session<Auditor> {
        self.session(Auditor)
    }

    fn session<R: Role>(&self, role: R) -> Session<R> {
        Session { blotter: self.clone(), role }
    }

    /// Who the connections of this pool are logged in as, and what such a login may do. A backend
    /// should look at [`Login::warnings`] when it starts, and refuse to go on.
    ///
    /// # Errors
    ///
    /// [`Error::is_connection`] and [`Error::is_exhausted`].
    pub fn login(&self) -> Result<Login, Error> {
        Login::of(&mut *self.checkout()?)
    }

    /// A connection with a transaction begun on it. An idle connection may have been lost since
    /// it was last used; then nothing has happened yet, and the next one is tried.
    fn begin(&self, mode: Mode, role: impl Role) -> Result<Pooled, Error> {
        let mut perhaps_lost = self.pool.max_size();
        loop {
            let mut conn = self.checkout()?;
            match begin(&mut conn, mode, role) {
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

/// One role on one [`Blotter`]; costs nothing until it begins a transaction.
#[derive(Clone, Debug)]
pub struct Session<R> {
    blotter: Blotter,
    role: R,
}

impl<R: Role> Session<R> {
    /// Runs `work` in one transaction: committed when it returns `Ok`, rolled back when it returns
    /// `Err` or panics.
    ///
    /// When a statement fails because of another transaction (a deadlock, a serialization failure)
    /// and nothing is committed, `work` is run again from the start, up to five times in all. So it
    /// must be safe to run again: what it does outside of the transaction, such as sending a message
    /// or counting, is not taken back. A deadlock is told by the server's words, in English.
    ///
    /// # Errors
    ///
    /// What `work` returned; [`Error::is_connection`] when the server can't be reached and
    /// [`Error::is_exhausted`] when the pool has no free connection; [`Error::is_permission_denied`]
    /// when the login may not act as this role; [`Error::is_conflict`] when the last attempt met
    /// another transaction too; [`Error::is_aborted`] when `work` swallowed the error of a failed
    /// statement (PostgreSQL would answer that COMMIT with a silent rollback), or ended the
    /// transaction, or changed its role or identity.
    ///
    /// ```
    /// # #[cfg(feature = "embedded")] fn main() -> Result<(), tradeblotter::Error> {
    /// use tradeblotter::{Blotter, NewOrder, OrderStatus, Side, embedded, migrations, role};
    ///
    /// let server = embedded::Server::start()?;
    /// migrations::run(&mut server.connect()?)?;
    /// let engine = Blotter::connect(&server.login::<role::Engine>()?)?.engine();
    /// let desk = Blotter::connect(&server.login::<role::Trader>()?)?;
    ///
    /// let ada = engine.transaction(|tx| tx.traders().register("Ada"))?;
    /// let order = desk
    ///     .trader(ada.id)?
    ///     .transaction(|tx| tx.orders().submit(&NewOrder::market(ada.id, Side::Buy, "AAPL", 100)))?;
    /// assert_eq!(order.status, OrderStatus::Pending);
    /// # Ok(()) }
    /// # #[cfg(not(feature = "embedded"))] fn main() {}
    /// ```
    pub fn transaction<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnMut(&mut Tx<'_, R>) -> Result<T, E>,
        E: From<Error>,
    {
        self.run(Mode::Write, work)
    }

    /// Runs `work` in one read-only transaction that sees the store as it was at its first query.
    /// What takes several queries and has to agree, such as [`Orders::history`] or a listing over
    /// several pages, is read in one of these; in [`Session::transaction`] each query sees what
    /// others have committed meanwhile.
    ///
    /// [`Orders::history`]: crate::Orders::history
    ///
    /// # Errors
    ///
    /// Those of [`Session::transaction`]; a write is refused by the database
    /// ([`Error::is_permission_denied`]).
    pub fn snapshot<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnMut(&mut Tx<'_, R>) -> Result<T, E>,
        E: From<Error>,
    {
        self.run(Mode::Read, work)
    }

    /// Runs `work` as [`Session::snapshot`] does, at the level SERIALIZABLE READ ONLY DEFERRABLE: what
    /// PostgreSQL calls a safe snapshot. What it shows is a state that the store would have gone through
    /// had all serializable transactions run one after the other. For reports that are kept: it may wait
    /// before its first query, until the serializable transactions that are writing have ended, and then
    /// neither fails nor makes others fail, however long it takes.
    ///
    /// # Errors
    ///
    /// Those of [`Session::snapshot`]; and a hot standby, which takes no serializable transactions, refuses
    /// to begin.
    ///
    /// ```
    /// # #[cfg(feature = "embedded")] fn main() -> Result<(), tradeblotter::Error> {
    /// # use tradeblotter::{Blotter, Filter, Page, embedded, migrations, role};
    /// # let server = embedded::Server::start()?;
    /// # migrations::run(&mut server.connect()?)?;
    /// let officer = Blotter::connect(&server.login::<role::Compliance>()?)?.compliance();
    /// let page = Page::first(100);
    /// let log = officer.safe_snapshot(|tx| tx.execution_logs().trail(&Filter::default(), page))?;
    /// assert_eq!(log.rows, []);
    /// # Ok(()) }
    /// # #[cfg(not(feature = "embedded"))] fn main() {}
    /// ```
    pub fn safe_snapshot<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnMut(&mut Tx<'_, R>) -> Result<T, E>,
        E: From<Error>,
    {
        self.run(Mode::ReadSafely, work)
    }

    /// The same session for code that only reads, whatever the role.
    pub fn reader(&self) -> Session<Reader>
    where
        R: DatabaseRole,
    {
        self.blotter.session(Reader::from(self.role))
    }

    fn run<T, E, F>(&self, mode: Mode, mut work: F) -> Result<T, E>
    where
        F: FnMut(&mut Tx<'_, R>) -> Result<T, E>,
        E: From<Error>,
    {
        let mut conn = self.blotter.begin(mode, self.role)?;
        let watch = ConflictWatch::of(&mut conn);
        let retryable = |_: &E| watch.has_seen_conflict();
        retry(MAX_ATTEMPTS, retryable, |attempt| {
            watch.reset();
            if attempt > 1 {
                thread::sleep(PAUSE * (attempt - 1));
                begin(&mut conn, mode, self.role)?;
            }
            finish(&mut conn, self.role, &mut work)
        })
    }
}

/// How a transaction begins.
#[derive(Clone, Copy)]
enum Mode {
    Read,
    ReadSafely,
    Write,
}

/// Runs `work` in one transaction of this role on a connection that the application manages itself.
/// Like [`Session::transaction`], but `work` is run once: after a conflict
/// ([`Error::is_conflict`]) it is for the application to try again.
///
/// # Errors
///
/// Those of [`Session::transaction`]; and [`Error::is_invalid_input`] for a connection on which Diesel
/// has begun a transaction already, because the role of a transaction can't change halfway. One
/// begun by raw SQL is not noticed.
///
/// ```
/// # #[cfg(feature = "embedded")] fn main() -> Result<(), tradeblotter::Error> {
/// use tradeblotter::role;
/// # use tradeblotter::{embedded, migrations};
/// # let server = embedded::Server::start()?;
/// # migrations::run(&mut server.connect()?)?;
///
/// let conn = &mut tradeblotter::connect(&server.login::<role::Engine>()?)?;
/// let ada = tradeblotter::transaction_on(conn, role::Engine, |tx| tx.traders().register("Ada"))?;
/// assert_eq!(ada.name, "Ada");
/// # Ok(()) }
/// # #[cfg(not(feature = "embedded"))] fn main() {}
/// ```
pub fn transaction_on<R, T, E, F>(conn: &mut PgConnection, role: R, work: F) -> Result<T, E>
where
    R: Role,
    F: FnOnce(&mut Tx<'_, R>) -> Result<T, E>,
    E: From<Error>,
{
    begin(conn, Mode::Write, role)?;
    finish(conn, role, work)
}

/// Like [`transaction_on`], read-only and consistent as a [`Session::snapshot`] is.
///
/// # Errors
///
/// Those of [`transaction_on`]; a write is refused by the database
/// ([`Error::is_permission_denied`]).
pub fn snapshot_on<R, T, E, F>(conn: &mut PgConnection, role: R, work: F) -> Result<T, E>
where
    R: Role,
    F: FnOnce(&mut Tx<'_, R>) -> Result<T, E>,
    E: From<Error>,
{
    begin(conn, Mode::Read, role)?;
    finish(conn, role, work)
}

/// Does the work in a transaction that has begun, and ends it.
fn finish<R, T, E, F>(conn: &mut PgConnection, role: R, work: F) -> Result<T, E>
where
    R: Role,
    F: FnOnce(&mut Tx<'_, R>) -> Result<T, E>,
    E: From<Error>,
{
    // Nothing of `work` is used after a panic but the connection, and that is rolled back.
    let worked = catch_unwind(AssertUnwindSafe(|| work(&mut Tx { conn: &mut *conn, role })));
    match worked {
        Ok(Ok(done)) => commit(conn, role).map(|()| done).map_err(E::from),
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

/// What `app.user_id` says of a role: '' where no one trader is meant.
fn identity(role: impl Role) -> String {
    role.trader().map(|id| id.to_string()).unwrap_or_default()
}

/// Begins a transaction with role and identity in the same message.
fn begin(conn: &mut PgConnection, mode: Mode, role: impl Role) -> Result<(), Error> {
    if in_transaction(conn) {
        return Err(Error::in_transaction());
    }
    let begin = match mode {
        Mode::Read => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        Mode::ReadSafely => "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE",
        Mode::Write => "BEGIN",
    };
    let name = role.name();
    let trader = identity(role);
    let sql = format!("{begin}; SET LOCAL ROLE {name}; SET LOCAL app.user_id = '{trader}'");
    AnsiTransactionManager::begin_transaction_sql(conn, &sql).map_err(|error| {
        // The BEGIN of the message may have gone through, which Diesel does not know.
        roll_back(conn);
        Error::from(error).or_role_denied(name)
    })
}

fn commit(conn: &mut PgConnection, role: impl Role) -> Result<(), Error> {
    if in_transaction(conn) {
        // PostgreSQL answers the COMMIT of an aborted transaction with a rollback and no error. The
        // SELECT fails there and stops the message before its COMMIT; and it divides by zero in
        // another transaction than the one that was begun, whose role and identity are not these.
        // Diesel learns from libpq whether the transaction is over.
        let name = role.name();
        let trader = identity(role);
        let as_begun = format!(
            "SELECT 1 / (current_setting('role') = '{name}'
                AND current_setting('app.user_id') = '{trader}')::int; COMMIT"
        );
        let Err(error) = conn.batch_execute(&as_begun) else {
            return Ok(());
        };
        if !in_transaction(conn) {
            return Err(error.into());
        }
        roll_back(conn);
    }
    Err(Error::aborted(
        "the transaction is not the one that was begun, and the store has committed nothing: a \
         statement failed and its error was not passed on, or the closure ended the transaction or \
         changed its role; return errors from the closure, and leave BEGIN, COMMIT, ROLLBACK and \
         SET ROLE to the store",
    ))
}

/// Whether a transaction is open on the connection, as far as Diesel knows.
pub(crate) fn in_transaction(conn: &mut PgConnection) -> bool {
    let status = AnsiTransactionManager::transaction_manager_status_mut(conn);
    matches!(status.transaction_depth(), Ok(Some(_)))
}

/// The rows of a query, one at a time as they come from the server.
pub(crate) fn stream<'q, T, Q>(
    conn: &'q mut PgConnection,
    query: Q,
) -> Result<impl Iterator<Item = Result<T, Error>> + 'q, Error>
where
    T: 'q,
    Q: LoadQuery<'q, PgConnection, T, PgRowByRowLoadingMode> + 'q,
{
    let rows = query.load_iter::<T, PgRowByRowLoadingMode>(conn)?;
    Ok(rows.map(|row| row.map_err(Error::from)))
}

/// One open transaction. The repositories that its role has are methods of it: [`Tx::traders`],
/// [`Tx::orders`], [`Tx::fills`], [`Tx::breaks`], [`Tx::execution_logs`]; and with the feature `audit`
/// `Tx::seals`.
pub struct Tx<'c, R> {
    conn: &'c mut PgConnection,
    role: R,
}

impl<R: Role> Tx<'_, R> {
    /// The connection itself, for the application's own queries on [`schema`](crate::schema), in
    /// this transaction and under this role and identity.
    pub fn connection(&mut self) -> &mut PgConnection {
        self.conn
    }

    pub(crate) fn role(&self) -> R {
        self.role
    }
}
