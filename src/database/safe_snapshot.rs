//! The wait for a safe snapshot, which a SERIALIZABLE transaction of any database of the server can block for as long
//! as it is open, also while it is idle.

use std::fmt;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{Integer, Nullable, Text, Timestamptz};

use crate::database::pool::ConnectionPool;
use crate::error::Error;

/// How long a session waits for a safe snapshot, unless it is told otherwise.
pub(crate) const WAIT: Duration = Duration::from_secs(60);

/// How long before the end of the wait the server is asked who blocks it, which it knows only until then.
const BEFORE_END: Duration = Duration::from_secs(1);

/// The largest value of `statement_timeout`, in milliseconds.
const MAX_TIMEOUT: u128 = i32::MAX as u128;

/// A transaction that blocks a safe snapshot, as far as the login may see it.
#[derive(QueryableByName)]
struct Blocker {
    #[diesel(sql_type = Integer)]
    pid: i32,
    #[diesel(sql_type = Nullable<Text>)]
    login: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    database: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    since: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Text>)]
    state: Option<String>,
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}", self.pid)?;
        match (&self.login, &self.database) {
            (Some(login), Some(database)) => write!(f, " of login {login} in database {database}")?,
            // PostgreSQL names the process that prepared a transaction.
            _ => f.write_str(
                ", which has ended or prepared its transaction (see pg_prepared_xacts)",
            )?,
        }
        if let Some(since) = self.since {
            write!(f, ", open since {}", since.format("%Y-%m-%d %H:%M:%S UTC"))?;
        }
        self.state.iter().try_for_each(|state| write!(f, ", {state}"))
    }
}

/// Waits until the transaction that has begun on `conn` has its safe snapshot. It is the first statement that waits,
/// so that later ones have it.
///
/// # Errors
///
/// [`Error::is_blocked`] after `at_most`; the transaction is aborted then.
pub(crate) fn take(
    conn: &mut PgConnection,
    pool: &ConnectionPool,
    at_most: Duration,
) -> Result<(), Error> {
    // A timeout of 0 would be none.
    let timeout = at_most.as_millis().clamp(1, MAX_TIMEOUT);
    // The savepoint is for the session's own timeout, which it restores. Neither statement takes a snapshot.
    conn.batch_execute(&format!("SAVEPOINT waiting; SET LOCAL statement_timeout = {timeout}"))?;
    let begun = Instant::now();
    let before_end = at_most.saturating_sub(BEFORE_END.min(at_most / 4));
    let (taken, blockers) = thread::scope(|scope| {
        let (end, ended) = channel::<()>();
        let blockers = scope.spawn(move || match ended.recv_timeout(before_end) {
            Err(RecvTimeoutError::Timeout) => Some(blockers(pool)),
            _ => None,
        });
        let taken = conn.batch_execute("SELECT 1");
        drop(end);
        (taken, blockers.join().ok().flatten())
    });
    match taken {
        Ok(()) => {
            Ok(conn.batch_execute("ROLLBACK TO SAVEPOINT waiting; RELEASE SAVEPOINT waiting")?)
        }
        // By the clock, because the server's message may be in any language.
        Err(_) if begun.elapsed().as_millis() >= timeout => Err(blocked(at_most, blockers)),
        Err(error) => Err(error.into()),
    }
}

/// Returns who blocks the sessions of this login, asked on a further connection.
fn blockers(pool: &ConnectionPool) -> Result<Vec<Blocker>, Error> {
    let conn = &mut *pool.checkout()?;
    Ok(diesel::sql_query(include_str!("safe_snapshot_blockers.sql")).load(conn)?)
}

fn blocked(waited: Duration, blockers: Option<Result<Vec<Blocker>, Error>>) -> Error {
    const ASK: &str = "ask an administrator to look for SERIALIZABLE transactions that have been open for \
                       long, in all databases of the server";
    let who = match blockers {
        Some(Ok(blockers)) if !blockers.is_empty() => {
            let named: Vec<_> = blockers.iter().map(ToString::to_string).collect();
            let pids: Vec<_> = blockers.iter().map(|blocker| blocker.pid.to_string()).collect();
            let hidden = match blockers.iter().any(|blocker| blocker.since.is_none()) {
                true => {
                    "; since when it is open is hidden from this login, and from no member of \
                     pg_read_all_stats"
                }
                false => "",
            };
            format!(
                "blocked by {}{hidden}. End it, or have an administrator run SELECT \
                 pg_terminate_backend({}), and try again, or wait longer",
                named.join("; "),
                pids.join("), pg_terminate_backend("),
            )
        }
        Some(Err(why)) => format!("who blocks it could not be asked ({why}); {ASK}"),
        Some(Ok(_)) | None => {
            format!("who blocked it had gone when it was asked; try again, or {ASK}")
        }
    };
    Error::blocked(format!(
        "no safe snapshot within {waited:?}, because a SERIALIZABLE transaction is open that may write: {who}"
    ))
}
