//! The records that seals cover: entries of the log with what they attest, breaks, resolutions, traders and archives.
//!
//! Each has a number of its own in the sequence of the log. An entry attests the terms of the order that it
//! submits, and the fill that it records. So every row of the store is part of exactly one record.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use chrono::{DateTime, NaiveDate, Utc};
use diesel::dsl::{max, not};
use diesel::prelude::*;
use diesel::result::Error as DieselError;
use diesel::sql_types::{Int8, Multirange};
use uuid::Uuid;

use super::archive::Archive;
use super::sequences::SequenceSet;
use crate::breaks::{Break, BreakResolution};
use crate::database::postgres;
use crate::execution_logs::ExecutionLog;
use crate::fills::Fill;
use crate::schema::{archives, break_resolutions, breaks, execution_logs, fills, orders, traders};
use crate::traders::Trader;
use crate::types::enums::{Action, OrderType, Side, TimeInForce};
use crate::types::instructions::Instructions;
use crate::types::price::Price;

/// The terms of an order: the columns that never change after it is submitted.
#[derive(HasQuery, Clone, Debug)]
#[diesel(table_name = orders)]
#[diesel(check_for_backend(diesel::pg::Pg))]
pub(super) struct OrderTerms {
    pub id: Uuid,
    pub trader_id: Uuid,
    pub symbol: String,
    pub quantity: i32,
    pub order_type: OrderType,
    pub price: Option<Price>,
    pub stop_loss: Option<Price>,
    pub take_profit: Option<Price>,
    pub created_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
    pub side: Option<Side>,
    pub client_order_id: Option<String>,
    pub replaces: Option<Uuid>,
    pub root_id: Uuid,
    pub trading_day: Option<NaiveDate>,
    pub account: Option<String>,
    pub time_in_force: Option<TimeInForce>,
    pub limit_price: Option<Price>,
    pub currency: Option<String>,
    pub received_at: Option<DateTime<Utc>>,
    pub instructions: Option<Instructions>,
}

/// One record with its number.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub number: i64,
    pub content: Content,
}

/// The rows of a record.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// An entry, and the rows that it attests if they exist.
    Entry {
        log: Box<ExecutionLog>,
        terms: Option<Box<OrderTerms>>,
        fill: Option<Box<Fill>>,
    },
    Break(Box<Break>),
    Resolution(Box<BreakResolution>),
    Trader(Trader),
    Archive(Box<Archive>),
}

impl Content {
    /// Returns the id of the order whose terms an entry attests.
    pub fn terms_id(log: &ExecutionLog) -> Option<Uuid> {
        (log.action == Action::Submitted).then_some(log.order_id)
    }

    /// Returns when the record was written, by the database's clock.
    pub fn created_at(&self) -> DateTime<Utc> {
        match self {
            Self::Entry { log, .. } => log.created_at,
            Self::Break(broken) => broken.created_at,
            Self::Resolution(resolution) => resolution.created_at,
            Self::Trader(trader) => trader.created_at,
            Self::Archive(archive) => archive.created_at,
        }
    }
}

/// A record with a value that cannot be read.
pub(super) struct Unreadable {
    pub number: i64,
    pub why: String,
}

/// The tables that records are in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tables {
    /// Whether the table of traders has numbers: it has none if the application brought a table of its own.
    pub has_traders: bool,
}

/// Returns the first numbers of one table, in order, that no seal covers.
macro_rules! uncovered_in {
    ($table:ident, $conn:expr, $range:expr, $covered:expr, $limit:expr) => {
        $table::table
            .filter($table::sequence.ge($range.start()))
            .filter($table::sequence.le($range.end()))
            .filter(not($covered.into_sql::<Multirange<Int8>>().contains($table::sequence)))
            .select($table::sequence)
            .order($table::sequence)
            .limit($limit)
            .load::<i64>($conn)?
    };
}

/// Returns when these records of one table were recorded. Not the minimum in SQL, for which PostgreSQL might walk an
/// index by time from its beginning.
macro_rules! times_in {
    ($table:ident, $conn:expr, $numbers:expr) => {
        $table::table
            .filter($table::sequence.eq_any($numbers))
            .select($table::created_at)
            .load::<DateTime<Utc>>($conn)?
    };
}

impl Tables {
    /// Looks which tables have numbers.
    pub fn find(conn: &mut PgConnection) -> QueryResult<Self> {
        Ok(Self { has_traders: postgres::has_column(conn, "traders", "sequence")? })
    }

    /// Returns the first numbers in a range, in order, that records have and no seal covers, up to a limit.
    pub fn uncovered(
        self,
        conn: &mut PgConnection,
        range: &RangeInclusive<i64>,
        covered: &SequenceSet,
        limit: i64,
    ) -> QueryResult<Vec<i64>> {
        let mut numbers = uncovered_in!(execution_logs, conn, range, covered, limit);
        numbers.extend(uncovered_in!(breaks, conn, range, covered, limit));
        numbers.extend(uncovered_in!(break_resolutions, conn, range, covered, limit));
        numbers.extend(uncovered_in!(archives, conn, range, covered, limit));
        if self.has_traders {
            numbers.extend(uncovered_in!(traders, conn, range, covered, limit));
        }
        numbers.sort_unstable();
        numbers.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(numbers)
    }

    /// Returns when the oldest of the records with these numbers was recorded; none if there is no such record.
    pub fn oldest(
        self,
        conn: &mut PgConnection,
        numbers: &[i64],
    ) -> QueryResult<Option<DateTime<Utc>>> {
        let mut times = times_in!(execution_logs, conn, numbers);
        times.extend(times_in!(breaks, conn, numbers));
        times.extend(times_in!(break_resolutions, conn, numbers));
        times.extend(times_in!(archives, conn, numbers));
        if self.has_traders {
            times.extend(times_in!(traders, conn, numbers));
        }
        Ok(times.into_iter().min())
    }

    /// Returns the greatest number of a record; none if there is no record.
    pub fn greatest_number(self, conn: &mut PgConnection) -> QueryResult<Option<i64>> {
        let of_traders: Option<i64> = match self.has_traders {
            true => traders::table.select(max(traders::sequence)).get_result(conn)?,
            false => None,
        };
        let of_entries = execution_logs::table.select(max(execution_logs::sequence));
        let of_breaks = breaks::table.select(max(breaks::sequence));
        let of_resolutions = break_resolutions::table.select(max(break_resolutions::sequence));
        let of_archives = archives::table.select(max(archives::sequence));
        let greatest: [Option<i64>; 5] = [
            of_traders,
            of_archives.get_result(conn)?,
            of_entries.get_result(conn)?,
            of_breaks.get_result(conn)?,
            of_resolutions.get_result(conn)?,
        ];
        Ok(greatest.into_iter().flatten().max())
    }

    /// Loads the records with these numbers, in ascending order. A record that cannot be read is returned apart.
    ///
    /// Several have one number, and one cannot be read, only if a superuser has written it.
    pub fn load(
        self,
        conn: &mut PgConnection,
        numbers: &[i64],
    ) -> QueryResult<(Vec<Record>, Vec<Unreadable>)> {
        let (mut records, mut unreadable) = (Vec::new(), Vec::new());
        let mut add = |number, content| records.push(Record { number, content });
        let entries = load_readable(numbers, &mut unreadable, &mut |numbers| {
            let log = ExecutionLog::query()
                .filter(execution_logs::sequence.eq_any(numbers))
                .order((execution_logs::sequence, execution_logs::id))
                .load(conn)?;
            attested(conn, log)
        })?;
        entries.into_iter().for_each(|(number, content)| add(number, content));
        let breaks = load_readable(numbers, &mut unreadable, &mut |numbers| {
            breaks::table
                .filter(breaks::sequence.eq_any(numbers))
                .order((breaks::sequence, breaks::id))
                .select((breaks::sequence, Break::as_select()))
                .load(conn)
        })?;
        breaks.into_iter().for_each(|(number, it)| add(number, Content::Break(Box::new(it))));
        let resolutions = load_readable(numbers, &mut unreadable, &mut |numbers| {
            break_resolutions::table
                .filter(break_resolutions::sequence.eq_any(numbers))
                .order((break_resolutions::sequence, break_resolutions::id))
                .select((break_resolutions::sequence, BreakResolution::as_select()))
                .load(conn)
        })?;
        resolutions
            .into_iter()
            .for_each(|(number, it)| add(number, Content::Resolution(Box::new(it))));
        if self.has_traders {
            let traders = load_readable(numbers, &mut unreadable, &mut |numbers| {
                traders::table
                    .filter(traders::sequence.eq_any(numbers))
                    .order((traders::sequence, traders::id))
                    .select((traders::sequence, Trader::as_select()))
                    .load(conn)
            })?;
            traders.into_iter().for_each(|(number, it)| add(number, Content::Trader(it)));
        }
        let archives = load_readable(numbers, &mut unreadable, &mut |numbers| {
            Archive::query()
                .filter(archives::sequence.eq_any(numbers))
                .order((archives::sequence, archives::id))
                .load(conn)
        })?;
        archives.into_iter().for_each(|it| add(it.sequence, Content::Archive(Box::new(it))));
        records.sort_by_key(|record| record.number);
        Ok((records, unreadable))
    }

    /// Returns the number of the record whose entry, break, resolution, trader or archive has this id; none if there is
    /// none.
    pub fn number_of(self, conn: &mut PgConnection, id: Uuid) -> QueryResult<Option<i64>> {
        let mut found: Vec<i64> = execution_logs::table
            .filter(execution_logs::id.eq(id))
            .select(execution_logs::sequence)
            .load(conn)?;
        let broken = breaks::table.find(id).select(breaks::sequence);
        found.extend(broken.load::<i64>(conn)?);
        let resolution = break_resolutions::table.find(id).select(break_resolutions::sequence);
        found.extend(resolution.load::<i64>(conn)?);
        if self.has_traders {
            let trader = traders::table.find(id).select(traders::sequence);
            found.extend(trader.load::<i64>(conn)?);
        }
        let archive = archives::table.find(id).select(archives::sequence);
        found.extend(archive.load::<i64>(conn)?);
        Ok(found.first().copied())
    }
}

/// Loads rows by their numbers. Halves the numbers until each row that cannot be read is isolated.
fn load_readable<T>(
    numbers: &[i64],
    unreadable: &mut Vec<Unreadable>,
    load: &mut impl FnMut(&[i64]) -> QueryResult<Vec<T>>,
) -> QueryResult<Vec<T>> {
    match (load(numbers), numbers) {
        (Err(DieselError::DeserializationError(why)), [number]) => {
            unreadable.push(Unreadable { number: *number, why: why.to_string() });
            Ok(Vec::new())
        }
        (Err(DieselError::DeserializationError(_)), _) => {
            let (left, right) = numbers.split_at(numbers.len() / 2);
            let mut rows = load_readable(left, unreadable, load)?;
            rows.extend(load_readable(right, unreadable, load)?);
            Ok(rows)
        }
        (loaded, _) => loaded,
    }
}

/// Loads the rows that these entries attest.
fn attested(conn: &mut PgConnection, log: Vec<ExecutionLog>) -> QueryResult<Vec<(i64, Content)>> {
    let terms: Vec<Uuid> = log.iter().filter_map(Content::terms_id).collect();
    let terms = OrderTerms::query().filter(orders::id.eq_any(terms)).load(conn)?;
    let terms: HashMap<Uuid, OrderTerms> = terms.into_iter().map(|it| (it.id, it)).collect();
    let fills: Vec<Uuid> = log.iter().filter_map(|entry| entry.fill_id).collect();
    let fills = Fill::query().filter(fills::id.eq_any(fills)).load(conn)?;
    let fills: HashMap<Uuid, Fill> = fills.into_iter().map(|it| (it.id, it)).collect();
    let entry = |log: ExecutionLog| {
        let terms = Content::terms_id(&log).and_then(|id| terms.get(&id)).cloned().map(Box::new);
        let fill = log.fill_id.and_then(|id| fills.get(&id)).cloned().map(Box::new);
        (log.sequence, Content::Entry { terms, fill, log: Box::new(log) })
    };
    Ok(log.into_iter().map(entry).collect())
}
