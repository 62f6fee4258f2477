//! [`Session`], one role on a pool: runs transactions, and retries them after conflicts.

use std::thread;
use std::time::Duration;

use diesel::connection::SimpleConnection;

use crate::database::pool::{ConnectionPool, Pooled};
use crate::database::retry::retry;
use crate::database::role::{DatabaseRole, Reader, Role};
use crate::database::safe_snapshot;
use crate::database::transaction::{Mode, Tx, begin, finish, forget_statements};
use crate::error::Error;

/// Attempts before giving up when a transaction conflicts with others each time.
const MAX_ATTEMPTS: u32 = 5;

/// The wait after the first conflict; twice that after the second, and so on.
const PAUSE: Duration = Duration::from_millis(2);

/// One role on one [`Blotter`](crate::Blotter); holds no connection until it begins a transaction.
#[derive(Clone, Debug)]
pub struct Session<R> {
    pub(super) pool: ConnectionPool,
    pub(super) role: R,
    /// How long to wait for a safe snapshot.
    pub(super) snapshot_wait: Duration,
}

impl<R: Role> Session<R> {
    /// Runs `work` in one transaction, which is committed when `work` returns `Ok` and rolled back when it
    /// returns `Err` or panics.
    ///
    /// When a statement fails because of a conflict with another transaction (a deadlock, a serialization
    /// failure), `work` is rolled back and run again from the start, up to five times in all. So it must
    /// be safe to run again: an effect outside the transaction, such as a message sent or a counter
    /// raised, is not rolled back. A deadlock is recognised by the server's message, in English.
    ///
    /// When columns have been [widened](crate::widths) since this connection prepared a statement, `work` is rolled
    /// back too, and runs again on freshly prepared statements.
    ///
    /// Isolation is READ COMMITTED: each query sees what others have committed by then.
    ///
    /// # Errors
    ///
    /// - What `work` returned.
    /// - [`Error::is_connection`]: the server can't be reached. [`Error::is_exhausted`]: the pool has no free
    ///   connection.
    /// - [`Error::is_permission_denied`]: the login may not act as this role.
    /// - [`Error::is_conflict`]: the last of the five attempts failed because of a conflict too.
    /// - [`Error::is_aborted`]: `work` swallowed the error of a failed statement (PostgreSQL answers the
    ///   COMMIT of such a transaction with a silent rollback), or ended the transaction itself, or changed
    ///   its role or identity.
    ///
    /// ```
    /// # #[cfg(feature = "embedded")] fn main() -> Result<(), tradeblotter::Error> {
    /// use tradeblotter::{Blotter, NewOrder, OrderStatus, Side, embedded, migrations, role};
    ///
    /// let server = embedded::Server::start()?;
    /// migrations::run(&mut server.connect()?)?;
    /// let engine = Blotter::connect(&server.login::<role::Engine>()?)?.engine();
    /// let traders = Blotter::connect(&server.login::<role::Trader>()?)?;
    ///
    /// let ada = engine.transaction(|tx| tx.traders().register("Ada"))?;
    /// let order = traders
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

    /// Runs `work` in one read-only transaction in which every query sees the store as it was at the first.
    ///
    /// Use it where several queries must agree, such as [`Orders::history`] or a listing of several pages.
    /// Isolation is REPEATABLE READ.
    ///
    /// [`Orders::history`]: crate::Orders::history
    ///
    /// # Errors
    ///
    /// Those of [`Session::transaction`]; and [`Error::is_permission_denied`] for a write.
    pub fn snapshot<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnMut(&mut Tx<'_, R>) -> Result<T, E>,
        E: From<Error>,
    {
        self.run(Mode::Snapshot, work)
    }

    /// Runs `work` in one read-only transaction in which each query sees what is committed by then.
    pub(crate) fn poll<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnMut(&mut Tx<'_, R>) -> Result<T, E>,
        E: From<Error>,
    {
        self.run(Mode::Poll, work)
    }

    /// Runs `work` in one read-only transaction on what PostgreSQL calls a safe snapshot: for reports that
    /// are kept.
    ///
    /// Isolation is SERIALIZABLE READ ONLY DEFERRABLE: it shows a state that the store goes through if all
    /// serializable transactions run one after the other. It may wait before its first query until the
    /// serializable transactions that are writing have ended; after that it neither fails nor makes others
    /// fail, however long it takes. A serializable transaction of any database of the server counts, even one that
    /// is idle or never writes in the end, unless it was begun READ ONLY. The wait ends after 60 seconds, or after
    /// what [`Session::wait_for_safe_snapshot`] says.
    ///
    /// # Errors
    ///
    /// Those of [`Session::snapshot`]; [`Error::is_blocked`] after the wait, with the transactions that block it, which
    /// a second connection of the pool asks for; and a hot standby refuses to begin it, because it runs no serializable
    /// transactions.
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
        self.run(Mode::SafeSnapshot, work)
    }

    /// Returns the same session with another limit for the wait for a [safe snapshot](Session::safe_snapshot), in
    /// whole milliseconds; 0 counts as 1.
    pub fn wait_for_safe_snapshot(self, at_most: Duration) -> Self {
        Self { snapshot_wait: at_most, ..self }
    }

    /// Returns the same session for code that only reads and is not generic over the role.
    pub fn reader(&self) -> Session<Reader>
    where
        R: DatabaseRole,
    {
        Session {
            pool: self.pool.clone(),
            role: Reader::from(self.role),
            snapshot_wait: self.snapshot_wait,
        }
    }

    fn run<T, E, F>(&self, mode: Mode, mut work: F) -> Result<T, E>
    where
        F: FnMut(&mut Tx<'_, R>) -> Result<T, E>,
        E: From<Error>,
    {
        let (mut conn, watch) = self.pool.begin(mode, self.role)?;
        let desk = self.pool.desk.as_deref();
        let work = &mut work;
        let mut run = |conn: &mut Pooled| {
            finish(conn, desk, self.role, Some(&watch), |tx| {
                if let Mode::SafeSnapshot = mode {
                    safe_snapshot::take(tx.conn(), &self.pool, self.snapshot_wait)?;
                }
                work(tx)
            })
        };
        let retryable = |_: &E| watch.has_seen_conflict();
        retry(MAX_ATTEMPTS, retryable, |attempt| {
            if attempt > 1 {
                thread::sleep(PAUSE * (attempt - 1));
                watch.reset();
                begin(&mut conn, mode, desk, self.role)?;
            }
            let result = run(&mut conn);
            if result.is_ok() || !watch.has_seen_stale_plan() {
                return result;
            }
            // Once for each attempt, and not counted as one: no other transaction is to be waited for.
            forget_statements(&mut conn);
            conn.batch_execute("DEALLOCATE ALL").map_err(Error::from)?;
            watch.reset();
            begin(&mut conn, mode, desk, self.role)?;
            run(&mut conn)
        })
    }
}
