//! Transactions that have written and are still open, which a sealer and a tail wait for.

use std::fmt;

use chrono::{DateTime, Utc};
use diesel::prelude::*;

use crate::database::postgres::{
    age, current_database, pg_database, pg_locks, pg_stat_activity, to_regclass,
};

/// The tables whose rows have a number of the log.
#[cfg(feature = "audit")]
pub(crate) const NUMBERED: [&str; 4] = ["execution_logs", "breaks", "break_resolutions", "traders"];

/// The modes of locks that writing transactions hold on a table.
const WRITING: [&str; 4] =
    ["RowExclusiveLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock"];

/// A transaction that has written and is still open.
///
/// PostgreSQL hides the time from a login that is not a member of `pg_read_all_stats`.
#[derive(Queryable, Clone, Debug, PartialEq, Eq)]
pub struct OpenTransaction {
    /// Its process on the server, for `pg_terminate_backend`; none for a prepared transaction.
    pub pid: Option<i32>,
    /// Its login.
    pub login: Option<String>,
    /// The name that its program gives itself (`application_name`).
    pub application: Option<String>,
    /// When it began.
    pub since: Option<DateTime<Utc>>,
    /// The virtual transaction id, which is unique for as long as the server runs.
    transaction: String,
    /// How many transaction ids have been given since its own, up to the first query of the asking transaction.
    age: Option<i32>,
}

impl OpenTransaction {
    pub(crate) fn age(&self) -> i32 {
        self.age.unwrap_or_default()
    }

    /// Returns whether both are one transaction.
    #[cfg(feature = "audit")]
    pub(crate) fn is_same_transaction(&self, other: &Self) -> bool {
        self.transaction == other.transaction
    }
}

impl fmt::Display for OpenTransaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pid {
            Some(pid) => write!(f, "process {pid}")?,
            None => f.write_str("a prepared transaction (see pg_prepared_xacts)")?,
        }
        if let Some(login) = &self.login {
            write!(f, " of login {login}")?;
        }
        if let Some(application) = self.application.as_ref().filter(|name| !name.is_empty()) {
            write!(f, " ({application})")?;
        }
        match self.since {
            Some(since) => write!(f, ", open since {}", since.format("%Y-%m-%d %H:%M:%S UTC")),
            None => Ok(()),
        }
    }
}

/// Returns those of these tables that exist.
pub(crate) fn numbered_tables(conn: &mut PgConnection, names: &[&str]) -> QueryResult<Vec<u32>> {
    let mut tables = Vec::new();
    for &table in names {
        tables.extend(diesel::select(to_regclass(table)).get_result::<Option<u32>>(conn)?);
    }
    Ok(tables)
}

/// Returns the open transactions of this database that have written into one of these tables, or are about to.
///
/// Whoever draws a number has a transaction id by then, and holds a lock on the table until the transaction ends. A
/// transaction without an id may hold such a lock for ever and is not returned.
///
/// `tables` are those of [`numbered_tables`].
pub(crate) fn writers(
    conn: &mut PgConnection,
    tables: &[u32],
) -> QueryResult<Vec<OpenTransaction>> {
    let locking: Vec<String> = pg_locks::table
        .inner_join(pg_database::table.on(pg_locks::database.eq(pg_database::oid.nullable())))
        .filter(pg_database::datname.eq(current_database()))
        .filter(pg_locks::relation.eq_any(tables))
        .filter(pg_locks::mode.eq_any(WRITING).and(pg_locks::granted))
        .select(pg_locks::virtualtransaction)
        .distinct()
        .load(conn)?;
    if locking.is_empty() {
        return Ok(Vec::new());
    }
    let own_id = pg_locks::locktype.eq("transactionid").and(pg_locks::mode.eq("ExclusiveLock"));
    pg_locks::table
        .left_join(pg_stat_activity::table.on(pg_locks::pid.eq(pg_stat_activity::pid.nullable())))
        .filter(pg_locks::virtualtransaction.eq_any(locking))
        .filter(own_id.and(pg_locks::granted))
        .distinct_on(pg_locks::virtualtransaction)
        // Its own id comes before those of its savepoints.
        .order((pg_locks::virtualtransaction, age(pg_locks::transactionid).desc()))
        .select((
            pg_locks::pid,
            pg_stat_activity::usename.nullable(),
            pg_stat_activity::application_name.nullable(),
            pg_stat_activity::xact_start.nullable(),
            pg_locks::virtualtransaction,
            age(pg_locks::transactionid),
        ))
        .load(conn)
}
