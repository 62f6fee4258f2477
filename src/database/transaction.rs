//! [`Tx`], one transaction: begun with its role and identity, committed only if it still has them.
//!
//! Role and identity are set by the message that begins the transaction (`SET LOCAL`) and end with it, so
//! a pooled connection carries neither over to its next borrower.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use diesel::connection::{AnsiTransactionManager, CacheSize, SimpleConnection, TransactionManager};
use diesel::pg::PgRowByRowLoadingMode;
use diesel::prelude::*;
use diesel::query_dsl::LoadQuery;

use crate::database::desk::{Desk, role_of};
use crate::database::retry::StatementWatch;
use crate::database::role::Role;
use crate::error::{Error, stale_plans};

/// Whether a transaction writes, and its isolation level.
#[derive(Clone, Copy)]
pub(crate) enum Mode {
    Snapshot,
    SafeSnapshot,
    Poll,
    Write,
}

/// Runs `work` in one transaction of this role on a connection that the application manages itself.
///
/// Like [`Session::transaction`], but `work` runs once: after a conflict ([`Error::is_conflict`]) the
/// application has to try again itself. So it has after columns were [widened](crate::widths) since the connection
/// prepared a statement, which is such an error too; the statements are prepared again then.
///
/// # Errors
///
/// Those of [`Session::transaction`]; and [`Error::is_invalid_input`] for a connection on which Diesel has
/// already begun a transaction, because a transaction can't change its role. A transaction begun by raw
/// SQL is not noticed.
///
/// [`Session::transaction`]: crate::Session::transaction
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
    run_once(conn, Mode::Write, None, role, work)
}

/// Runs `work` in one read-only transaction on a connection that the application manages itself; every
/// query sees the store as it was at the first, as in [`Session::snapshot`].
///
/// # Errors
///
/// Those of [`transaction_on`]; and [`Error::is_permission_denied`] for a write.
///
/// [`Session::snapshot`]: crate::Session::snapshot
pub fn snapshot_on<R, T, E, F>(conn: &mut PgConnection, role: R, work: F) -> Result<T, E>
where
    R: Role,
    F: FnOnce(&mut Tx<'_, R>) -> Result<T, E>,
    E: From<Error>,
{
    run_once(conn, Mode::Snapshot, None, role, work)
}

/// Runs `work` once in a transaction, in a desk if there is one.
pub(crate) fn run_once<R, T, E, F>(
    conn: &mut PgConnection,
    mode: Mode,
    desk: Option<&Desk>,
    role: R,
    work: F,
) -> Result<T, E>
where
    R: Role,
    F: FnOnce(&mut Tx<'_, R>) -> Result<T, E>,
    E: From<Error>,
{
    stale_plans::take();
    begin(conn, mode, desk, role)?;
    let result = finish(conn, desk, role, None, work);
    if stale_plans::take() {
        forget_statements(conn);
    }
    result
}

/// Makes the connection prepare its statements again, under other names. The server keeps the old ones, because on
/// the application's own connection it may have prepared some itself.
pub(crate) fn forget_statements(conn: &mut PgConnection) {
    conn.set_prepared_statement_cache_size(CacheSize::Disabled);
    conn.set_prepared_statement_cache_size(CacheSize::Unbounded);
}

/// Runs `work` in a transaction that has begun, and commits it or rolls it back. `watch` has seen the
/// transaction begin.
pub(crate) fn finish<R, T, E, F>(
    conn: &mut PgConnection,
    desk: Option<&Desk>,
    role: R,
    watch: Option<&StatementWatch>,
    work: F,
) -> Result<T, E>
where
    R: Role,
    F: FnOnce(&mut Tx<'_, R>) -> Result<T, E>,
    E: From<Error>,
{
    let mut tx = Tx { conn: &mut *conn, role, is_lent: false };
    // Unwind safety: after a panic only the connection is used, and it is rolled back.
    let result = catch_unwind(AssertUnwindSafe(|| work(&mut tx)));
    let is_untouched = !tx.is_lent && watch.is_some_and(StatementWatch::has_seen_only_successes);
    match result {
        Ok(Ok(done)) if is_untouched => {
            conn.batch_execute("COMMIT").map(|()| done).map_err(|error| E::from(error.into()))
        }
        Ok(Ok(done)) => check_and_commit(conn, desk, role).map(|()| done).map_err(E::from),
        Ok(Err(error)) => {
            roll_back(conn);
            Err(error)
        }
        Err(panic) => {
            roll_back(conn);
            resume_unwind(panic)
        }
    }
}

/// Rolls the whole transaction back.
// Not Diesel's own rollback, which ends the innermost savepoint that `work` has left open.
fn roll_back(conn: &mut PgConnection) {
    // The caller needs the reason for the rollback rather than a failure of it; the pool discards a
    // connection that could not be rolled back.
    let _ = conn.batch_execute("ROLLBACK");
}

/// Returns the value of `app.user_id` for a role: the trader's id, or '' for a role that is no trader.
fn identity(role: impl Role) -> String {
    role.trader().map(|id| id.to_string()).unwrap_or_default()
}

/// Begins a transaction, and sets its role and identity in the same message.
pub(crate) fn begin(
    conn: &mut PgConnection,
    mode: Mode,
    desk: Option<&Desk>,
    role: impl Role,
) -> Result<(), Error> {
    if is_in_transaction(conn) {
        return Err(Error::in_transaction());
    }
    let begin = match mode {
        Mode::Snapshot => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        Mode::SafeSnapshot => "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE",
        Mode::Poll => "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY",
        Mode::Write => "BEGIN",
    };
    let name = role_of(desk, role.name());
    let trader = identity(role);
    let sql = format!("{begin}; SET LOCAL ROLE {name}; SET LOCAL app.user_id = '{trader}'");
    AnsiTransactionManager::begin_transaction_sql(conn, &sql).map_err(|error| {
        // The BEGIN itself may have succeeded, which Diesel does not know.
        roll_back(conn);
        Error::from(error).or_role_denied(&name)
    })
}

/// Commits, unless the transaction is aborted, or its role or identity is not the one it began with.
///
/// A plain COMMIT, which is cheaper, serves where neither can be: no statement has failed, and nobody but the
/// store has had the connection.
fn check_and_commit(
    conn: &mut PgConnection,
    desk: Option<&Desk>,
    role: impl Role,
) -> Result<(), Error> {
    if is_in_transaction(conn) {
        // PostgreSQL answers the COMMIT of an aborted transaction with a rollback and no error. This
        // SELECT fails in an aborted transaction, and by dividing by zero in one whose role or identity
        // is not the one it began with; either way the message ends before COMMIT. Diesel learns from
        // libpq whether the transaction is over.
        let name = role_of(desk, role.name());
        let trader = identity(role);
        let sql = format!(
            "SELECT 1 / (current_setting('role') = '{name}'
                AND current_setting('app.user_id') = '{trader}')::int; COMMIT"
        );
        let Err(error) = conn.batch_execute(&sql) else {
            return Ok(());
        };
        if !is_in_transaction(conn) {
            return Err(error.into());
        }
        roll_back(conn);
    }
    Err(Error::aborted(
        "nothing was committed: a statement failed and the closure did not return its error, or the \
         closure ended the transaction or changed its role; return errors from the closure, and leave \
         BEGIN, COMMIT, ROLLBACK and SET ROLE to the store",
    ))
}

/// Returns whether Diesel has a transaction open on this connection.
pub(crate) fn is_in_transaction(conn: &mut PgConnection) -> bool {
    let status = AnsiTransactionManager::transaction_manager_status_mut(conn);
    matches!(status.transaction_depth(), Ok(Some(_)))
}

/// Runs a query and yields its rows one at a time as the server sends them.
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

/// One open transaction, and the way to the repositories: [`Tx::traders`], [`Tx::orders`], [`Tx::fills`],
/// [`Tx::breaks`], [`Tx::execution_logs`]; and with the feature `audit`, `Tx::seals`.
///
/// The role decides which methods a repository has: a write that the role may not make does not compile.
pub struct Tx<'c, R> {
    conn: &'c mut PgConnection,
    role: R,
    /// Whether the application has had the connection.
    is_lent: bool,
}

impl<R: Role> Tx<'_, R> {
    /// Returns the connection, for the application's own queries on [`schema`](crate::schema) in this
    /// transaction, under its role and identity.
    pub fn connection(&mut self) -> &mut PgConnection {
        self.is_lent = true;
        self.conn
    }

    /// Returns the connection for queries of the store itself, which leave role, identity and the transaction
    /// alone.
    pub(crate) fn conn(&mut self) -> &mut PgConnection {
        self.conn
    }

    pub(crate) fn role(&self) -> R {
        self.role
    }
}
