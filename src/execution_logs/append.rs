//! Logs actions, one or a batch.

use std::collections::{HashMap, VecDeque};

use diesel::prelude::*;
use diesel::query_builder::QueryId;
use diesel::sql_types::{Array, BigInt, Nullable};
use uuid::Uuid;

use super::rows::{EntryKey, EntryRow};
use super::{ExecutionLog, ExecutionLogs, NewAction, NewExecutionLog};
use crate::database::role::{Engine, Trades};
use crate::database::unnest::{self, Columns, Rows};
use crate::error::Error;
use crate::schema::execution_logs;

/// What became of one action of a batch.
#[derive(Debug)]
pub(crate) enum Logged {
    /// It was logged as this entry.
    New(ExecutionLog),
    /// It was logged before: this entry has the same report id.
    Known(ExecutionLog),
}

impl Logged {
    fn entry(self) -> ExecutionLog {
        match self {
            Self::New(entry) | Self::Known(entry) => entry,
        }
    }
}

impl ExecutionLogs<'_, Engine> {
    /// Logs an action, and derives the status of its order.
    ///
    /// REJECTED and CANCELLED end the order, and so does a RECOVERED that says how it ended; other actions
    /// leave the status as it is. RECOVERED may be logged on an order in any status, other actions only while
    /// it is PENDING or PARTIAL.
    ///
    /// Logging is idempotent by order and report id: the first call counts, and each further one returns the
    /// stored entry, whatever has become of the order since. An action without a report id is logged each time.
    ///
    /// # Errors
    ///
    /// - [`Error::is_not_found`]: no order has this id.
    /// - [`Error::is_mismatch`]: the order has another entry with this report id;
    ///   [`Error::differing_fields`] names the fields that differ.
    /// - [`Error::is_illegal_transition`]: the order is FILLED, REJECTED or CANCELLED.
    /// - [`Error::is_invalid_input`]: the reason is blank or longer than 1000 characters, the error code
    ///   blank or longer than 50, or the venue's order id blank or longer than 64; one of the two contains a
    ///   control character; the number of the retry is negative; the time reported is outside
    ///   [`YEARS`](crate::YEARS).
    /// - [`Error::is_rule_violation`]: a RECOVERED says that an order ended which has ended otherwise
    ///   (`execution_logs_status_derived`); the order has another id at the venue
    ///   (`execution_logs_one_venue_order`).
    pub fn append(&mut self, new: &NewExecutionLog<'_>) -> Result<ExecutionLog, Error> {
        insert(self.conn, new)
    }

    /// Logs actions, all of them or none; returns the entries in the same sequence.
    ///
    /// Each is logged as [`ExecutionLogs::append`] does; several actions on one order in the sequence in which
    /// they are given. The orders are locked in the sequence of their ids, so that concurrent batches cannot
    /// deadlock.
    ///
    /// # Errors
    ///
    /// Those of [`ExecutionLogs::append`], for the first action that is refused.
    pub fn append_batch(
        &mut self,
        new: &[NewExecutionLog<'_>],
    ) -> Result<Vec<ExecutionLog>, Error> {
        let rows: Vec<_> = new.iter().map(NewExecutionLog::row).collect();
        Ok(self.append_rows(&rows)?.into_iter().map(Logged::entry).collect())
    }

    /// Inserts entries as [`ExecutionLogs::append_batch`] does, and says which of them were stored before.
    pub(crate) fn append_rows(&mut self, rows: &[EntryRow<'_>]) -> Result<Vec<Logged>, Error> {
        rows.iter().try_for_each(EntryRow::check)?;
        let mut sorted: Vec<_> = rows.iter().collect();
        sorted.sort_by_key(|row| row.order_id);
        // Savepoint: if the caller continues after an error, nothing of the batch remains.
        self.conn.transaction(|conn| {
            let mut inserted: HashMap<_, VecDeque<ExecutionLog>> = HashMap::new();
            for batch in sorted.chunks(unnest::ROWS) {
                let (mut entries, remaining) = match batch.len() {
                    1 => (Vec::new(), batch.to_vec()),
                    _ => log_clean(conn, batch)?,
                };
                entries.extend(insert_batch(conn, &remaining)?);
                for entry in entries {
                    let key = (entry.order_id, entry.report_id);
                    inserted.entry(key).or_default().push_back(entry);
                }
            }
            let take_inserted = |row: &EntryRow<'_>| inserted.get_mut(&row.key())?.pop_front();
            let new: Vec<_> = rows.iter().map(take_inserted).collect();
            let missing = rows.iter().zip(&new).filter(|(_, new)| new.is_none());
            let known = stored_entries(conn, missing.map(|(row, _)| row.key()).collect())?;
            rows.iter()
                .zip(new)
                .map(|(row, new)| match (new, known.get(&row.key())) {
                    (Some(entry), _) => Ok(Logged::New(entry)),
                    (None, Some(entry)) => row.known(entry.clone()).map(Logged::Known),
                    (None, None) => Err(Error::lost_race("log of order", row.order_id)),
                })
                .collect()
        })
    }
}

impl<R: Trades> ExecutionLogs<'_, R> {
    /// Cancels an order: logs CANCELLED, which ends the order. Its fills stay.
    ///
    /// # Errors
    ///
    /// - [`Error::is_not_found`]: no order has this id, or it is another trader's.
    /// - [`Error::is_illegal_transition`]: the order is FILLED, REJECTED or CANCELLED.
    /// - [`Error::is_invalid_input`]: the reason is blank or longer than 1000 characters.
    pub fn cancel(&mut self, order_id: Uuid, reason: Option<&str>) -> Result<ExecutionLog, Error> {
        let new = NewExecutionLog::new(order_id, NewAction::Cancelled);
        insert(self.conn, &NewExecutionLog { reason, ..new })
    }
}

fn insert(conn: &mut PgConnection, new: &NewExecutionLog<'_>) -> Result<ExecutionLog, Error> {
    let row = new.row();
    row.check()?;
    let inserted = diesel::insert_into(execution_logs::table)
        .values(row)
        .on_conflict_do_nothing()
        .returning(ExecutionLog::as_returning())
        .get_result(conn)
        .optional()
        .map_err(|error| {
            Error::from(error)
                .not_found_if("fk_execution_logs_order_id", "order", new.order_id)
                .with_row("log of order", new.order_id)
        })?;
    if let Some(entry) = inserted {
        return Ok(entry);
    }
    let stored: Option<ExecutionLog> = ExecutionLog::query()
        .filter(execution_logs::order_id.eq(row.order_id))
        .filter(execution_logs::report_id.is_not_distinct_from(row.report_id))
        .first(conn)
        .optional()?;
    row.known(stored.ok_or_else(|| Error::lost_race("log of order", new.order_id))?)
}

/// Logs those of the actions that pass the checks of the batch function of the database; returns their
/// entries, and the other rows.
fn log_clean<'b, 'r>(
    conn: &mut PgConnection,
    batch: &[&'b EntryRow<'r>],
) -> Result<(Vec<ExecutionLog>, Vec<&'b EntryRow<'r>>), Error> {
    // The function takes no status and no retry attempt, which only RECOVERED has.
    let is_plain = |row: &&'b EntryRow<'r>| row.status.is_none() && row.retry_attempt.is_none();
    let (plain, mut others): (Vec<&EntryRow<'_>>, Vec<_>) =
        batch.iter().copied().partition(is_plain);
    let log = arrays(&plain).pass_to::<Array<Nullable<BigInt>>>("blotter_log_actions");
    let mut numbers: Vec<Option<i64>> = log.get_result(conn)?;
    numbers.resize(plain.len(), None);
    let remaining = plain.iter().zip(&numbers).filter(|(_, number)| number.is_none());
    others.extend(remaining.map(|(row, _)| *row));
    others.sort_by_key(|row| row.order_id);
    let entries = ExecutionLog::query()
        .filter(execution_logs::sequence.eq_any(numbers.into_iter().flatten().collect::<Vec<_>>()))
        .load(conn)?;
    Ok((entries, others))
}

/// Returns the entries as arrays, without status and retry attempt: the parameters of `blotter_log_actions`.
fn arrays(batch: &[&EntryRow<'_>]) -> Rows<execution_logs::table, impl Columns + QueryId> {
    unnest::rows_of(execution_logs::table)
        .column(execution_logs::order_id, batch.iter().map(|row| row.order_id))
        .column(execution_logs::action, batch.iter().map(|row| row.action))
        .column(execution_logs::reason, batch.iter().map(|row| row.reason))
        .column(execution_logs::error_code, batch.iter().map(|row| row.error_code))
        .column(execution_logs::venue_order_id, batch.iter().map(|row| row.venue_order_id))
        .column(execution_logs::reported_at, batch.iter().map(|row| row.reported_at))
        .column(execution_logs::report_id, batch.iter().map(|row| row.report_id))
}

/// Inserts entries in one statement, and returns those that were not stored before, in the same sequence.
fn insert_batch(
    conn: &mut PgConnection,
    batch: &[&EntryRow<'_>],
) -> Result<Vec<ExecutionLog>, Error> {
    if batch.is_empty() {
        return Ok(Vec::new());
    }
    arrays(batch)
        .column(execution_logs::status, batch.iter().map(|row| row.status))
        .column(execution_logs::retry_attempt, batch.iter().map(|row| row.retry_attempt))
        .insert_new(ExecutionLog::as_returning())
        .load(conn)
        .map_err(|error| {
            let orders = batch.iter().map(|row| row.order_id);
            Error::from(error).not_found_if_among("fk_execution_logs_order_id", "order", orders)
        })
}

/// Returns the stored entries of these orders and reports.
fn stored_entries(
    conn: &mut PgConnection,
    keys: Vec<EntryKey>,
) -> Result<HashMap<EntryKey, ExecutionLog>, Error> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let (orders, reports): (Vec<_>, Vec<_>) = keys.into_iter().unzip();
    let entries: Vec<ExecutionLog> = ExecutionLog::query()
        .filter(execution_logs::order_id.eq_any(orders))
        .filter(execution_logs::report_id.eq_any(reports))
        .load(conn)?;
    Ok(entries.into_iter().map(|entry| ((entry.order_id, entry.report_id), entry)).collect())
}
