//! The figures of operation: how far the log has come, what is open, what is not sealed.
//!
//! Each is read by an index and within a bound, so they may be read every few seconds with millions of entries. What
//! the role may not see is none, and not 0.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::dsl::{count_star, min};
use diesel::prelude::*;

use crate::audit::{self, SealState};
use crate::database::role::{Auditor, Compliance, DatabaseRole, Role};
use crate::database::server::{ConnectionState, connection_state};
use crate::database::session::Session;
use crate::error::Error;
use crate::schema::{break_resolutions, breaks, execution_logs, fills, orders};
use crate::types::enums::{BreakReason, OrderStatus};

/// The time in which entries are counted.
const MINUTE: TimeDelta = TimeDelta::seconds(60);

/// How many numbers to look back for the first entry of the last minute, one after another.
const LOOK_BACK: [i64; 3] = [100, 1000, 10_000];

/// The newest entries that the lag is taken from.
const NEWEST: i64 = 100;

/// The figures of one moment, of the rows that the session may see; from [`Session::status`].
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Status {
    /// What the session is connected to, and when that was.
    pub connection: ConnectionState,
    /// The newest entry of the log; none if there is none.
    pub newest_entry: Option<NewestEntry>,
    /// Entries logged in each second of the last minute; of the last 10,000 numbers, if these are from less.
    pub entries_per_second: f64,
    /// How long after its own time a report was recorded, in seconds: the median of the reports among the newest 100
    /// entries. None if there is none among them.
    pub ingest_lag_seconds: Option<f64>,
    /// Orders that are PENDING or PARTIAL.
    pub open_orders: u64,
    /// The breaks that nobody has resolved, by reason, most first; a reason without one is left out.
    pub open_breaks: Vec<OpenBreaks>,
    /// The seals; none if the role may not see them.
    pub seals: Option<SealState>,
}

/// The newest entry of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct NewestEntry {
    /// Its number.
    pub sequence: i64,
    /// When it was logged.
    pub timestamp: DateTime<Utc>,
}

/// The open breaks of one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct OpenBreaks {
    /// The reason.
    pub reason: BreakReason,
    /// How many there are.
    pub count: u64,
    /// When the oldest was recorded.
    pub oldest: DateTime<Utc>,
}

impl Status {
    /// Returns how many breaks are open.
    pub fn count_open_breaks(&self) -> u64 {
        self.open_breaks.iter().map(|of_reason| of_reason.count).sum()
    }

    /// Returns how old the oldest open break is; none if no break is open.
    pub fn oldest_break_age(&self) -> Option<TimeDelta> {
        let oldest = self.open_breaks.iter().map(|of_reason| of_reason.oldest).min()?;
        Some(self.since(oldest))
    }

    /// Returns how old the oldest record is that no seal covers; none if there is none, or if the role may not see it.
    pub fn unsealed_age(&self) -> Option<TimeDelta> {
        Some(self.since(self.seals.as_ref()?.oldest_unsealed?))
    }

    /// Returns the time between a moment and these figures, 0 for a later one.
    pub fn since(&self, moment: DateTime<Utc>) -> TimeDelta {
        (self.connection.at - moment).max(TimeDelta::zero())
    }
}

impl<R: Role> Session<R> {
    /// Reads the figures of this moment.
    ///
    /// # Errors
    ///
    /// Those of [`Session::snapshot`].
    ///
    /// ```
    /// # #[cfg(feature = "embedded")] fn main() -> Result<(), tradeblotter::Error> {
    /// # use tradeblotter::{Blotter, embedded, migrations, role};
    /// # let server = embedded::Server::start()?;
    /// # migrations::run(&mut server.connect()?)?;
    /// let officer = Blotter::connect(&server.login::<role::Compliance>()?)?.compliance();
    /// let status = officer.status()?;
    /// assert_eq!((status.open_orders, status.count_open_breaks()), (0, 0));
    /// assert!(!status.connection.is_standby);
    /// # Ok(()) }
    /// # #[cfg(not(feature = "embedded"))] fn main() {}
    /// ```
    pub fn status(&self) -> Result<Status, Error> {
        self.snapshot(|tx| {
            let role = tx.role();
            let conn = tx.conn();
            let connection = connection_state(conn)?;
            let newest = newest_entries(conn, role)?;
            let newest_entry = newest
                .first()
                .map(|entry| NewestEntry { sequence: entry.sequence, timestamp: entry.timestamp });
            let since = connection.at - MINUTE;
            let entries_per_second = match newest_entry {
                Some(newest) if newest.timestamp > since => {
                    entries_per_second(conn, role, newest, since)?
                }
                _ => 0.0,
            };
            let sees_seals = [Compliance::NAME, Auditor::NAME].contains(&role.name());
            Ok(Status {
                connection,
                newest_entry,
                entries_per_second,
                ingest_lag_seconds: ingest_lag(conn, &newest)?,
                open_orders: open_orders(conn)?,
                open_breaks: open_breaks(conn)?,
                seals: sees_seals.then(|| audit::seal_state(conn)).transpose()?,
            })
        })
    }
}

/// What the figures need of an entry.
#[derive(Queryable)]
struct Entry {
    sequence: i64,
    timestamp: DateTime<Utc>,
    fill_id: Option<uuid::Uuid>,
    reported_at: Option<DateTime<Utc>>,
}

/// Returns the newest entries, newest first: by number, or by time for a trader, whose own entries have an index by it.
fn newest_entries(conn: &mut PgConnection, role: impl Role) -> QueryResult<Vec<Entry>> {
    let query = execution_logs::table
        .select((
            execution_logs::sequence,
            execution_logs::timestamp,
            execution_logs::fill_id,
            execution_logs::reported_at,
        ))
        .limit(NEWEST);
    match role.trader() {
        Some(_) => query.order(execution_logs::timestamp.desc()).load(conn),
        None => query.order(execution_logs::sequence.desc()).load(conn),
    }
}

/// Returns how many entries were logged in each second since then.
fn entries_per_second(
    conn: &mut PgConnection,
    role: impl Role,
    newest: NewestEntry,
    since: DateTime<Utc>,
) -> QueryResult<f64> {
    let recent = execution_logs::table.filter(execution_logs::timestamp.gt(since)).count();
    if role.trader().is_some() {
        let count: i64 = recent.get_result(conn)?;
        return Ok(rate(count, MINUTE));
    }
    let mut earliest = newest;
    for numbers in LOOK_BACK {
        let before: Option<(i64, DateTime<Utc>)> = execution_logs::table
            .filter(execution_logs::sequence.le(newest.sequence - numbers))
            .order(execution_logs::sequence.desc())
            .select((execution_logs::sequence, execution_logs::timestamp))
            .first(conn)
            .optional()?;
        let Some((sequence, timestamp)) = before.filter(|(_, timestamp)| *timestamp > since) else {
            let after = before.map_or(0, |(sequence, _)| sequence);
            let count = recent.filter(execution_logs::sequence.gt(after)).get_result(conn)?;
            return Ok(rate(count, MINUTE));
        };
        earliest = NewestEntry { sequence, timestamp };
    }
    let all = execution_logs::table.filter(execution_logs::sequence.gt(earliest.sequence)).count();
    Ok(rate(all.get_result(conn)?, newest.timestamp - earliest.timestamp))
}

/// Returns how many there were in each second.
fn rate(count: i64, time: TimeDelta) -> f64 {
    count as f64 / seconds(time).max(0.001)
}

/// Returns the time in seconds.
fn seconds(time: TimeDelta) -> f64 {
    time.as_seconds_f64()
}

/// Returns the median delay, of the reports among these entries, between a report's own time and its recording.
fn ingest_lag(conn: &mut PgConnection, entries: &[Entry]) -> QueryResult<Option<f64>> {
    let ids: Vec<_> = entries.iter().filter_map(|entry| entry.fill_id).collect();
    let fills: Vec<(DateTime<Utc>, DateTime<Utc>)> = fills::table
        .filter(fills::id.eq_any(ids))
        .select((fills::created_at, fills::timestamp))
        .load(conn)?;
    let actions = entries.iter().filter_map(|entry| Some((entry.timestamp, entry.reported_at?)));
    let mut lags: Vec<f64> =
        fills.into_iter().chain(actions).map(|(recorded, own)| seconds(recorded - own)).collect();
    lags.sort_unstable_by(f64::total_cmp);
    Ok(lags.get(lags.len() / 2).copied())
}

/// Counts the orders that are open.
fn open_orders(conn: &mut PgConnection) -> QueryResult<u64> {
    let open = orders::table.filter(orders::status.eq_any(OrderStatus::OPEN)).count();
    let count: i64 = open.get_result(conn)?;
    Ok(count.unsigned_abs())
}

/// Counts the breaks that nobody has resolved.
fn open_breaks(conn: &mut PgConnection) -> QueryResult<Vec<OpenBreaks>> {
    let mut by_reason: Vec<(BreakReason, i64, Option<DateTime<Utc>>)> = breaks::table
        .left_join(break_resolutions::table)
        .filter(break_resolutions::id.is_null())
        .group_by(breaks::reason)
        .select((breaks::reason, count_star(), min(breaks::created_at)))
        .load(conn)?;
    by_reason.sort_by_key(|(reason, count, _)| (-count, *reason));
    let open = by_reason.into_iter().filter_map(|(reason, count, oldest)| {
        Some(OpenBreaks { reason, count: count.unsigned_abs(), oldest: oldest? })
    });
    Ok(open.collect())
}
