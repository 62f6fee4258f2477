//! An entry of the log with what it attests, and the leaf that it is in a seal.
//!
//! The encoding is written down byte by byte in `docs/seals.md`. It is [`SCHEME`] 1: another
//! one, for columns that come later, gets another number and stands beside it.
//!
//! [`SCHEME`]: super::SCHEME

use std::collections::HashMap;

use bigdecimal::BigDecimal;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::result::Error as DieselError;
use uuid::Uuid;

use super::bytes::Hash;
use super::tree;
use crate::breaks::{Break, BreakResolution, KEPT};
use crate::execution_logs::ExecutionLog;
use crate::fills::Fill;
use crate::schema::{break_resolutions, breaks, execution_logs, fills, orders};
use crate::types::enums::{Action, OrderType, Side};
use crate::types::price::Price;

/// What was submitted of an order: all of it that never changes.
#[derive(HasQuery, Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[diesel(table_name = orders)]
#[diesel(check_for_backend(diesel::pg::Pg))]
pub struct Terms {
    /// Unique order identifier.
    pub id: Uuid,
    /// The trader whose order it is.
    pub trader_id: Uuid,
    /// Stock symbol (FIX tag 55), e.g. AAPL.
    pub symbol: String,
    /// Number of shares to trade (FIX tag 38, OrderQty).
    pub quantity: i32,
    /// How it is priced (FIX tag 40).
    pub order_type: OrderType,
    /// Limit price, or a STOP's trigger, in currency units; none for a market order.
    pub price: Option<Price>,
    /// Risk-management price in currency units: close the position at this loss.
    pub stop_loss: Option<Price>,
    /// Risk-management price in currency units: close the position at this profit.
    pub take_profit: Option<Price>,
    /// Submitted.
    pub created_at: DateTime<Utc>,
    /// Expiration, if a timeout is set.
    pub expires_at: Option<DateTime<Utc>>,
    /// Which way it trades (FIX tag 54); none where a client of the base schema left it out.
    pub side: Option<Side>,
    /// The client's own id of the order (FIX tag 11, ClOrdID).
    pub client_order_id: Option<String>,
    /// The order that this one replaces (FIX tag 41, OrigClOrdID).
    pub replaces: Option<Uuid>,
}

/// An entry of the log, and what it attests.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Entry {
    /// The entry itself.
    pub log: ExecutionLog,
    /// Of SUBMITTED: the terms of the order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terms: Option<Terms>,
    /// The fill, bust or correction that it books.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fill: Option<Fill>,
    /// The break that it is about.
    #[serde(rename = "break", skip_serializing_if = "Option::is_none")]
    pub broken: Option<Break>,
    /// What became of that break, unless the entry says that it was kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolution: Option<BreakResolution>,
}

/// The number of an entry that can't be read, and why.
pub(super) type Unread = (i64, String);

/// Which of the facts an entry attests: a part of the scheme, so it goes by the entry alone.
struct Attests {
    terms: Option<Uuid>,
    fill: Option<Uuid>,
    broken: Option<Uuid>,
    resolution: Option<Uuid>,
}

impl Attests {
    fn of(log: &ExecutionLog) -> Self {
        let says_kept = log.reason.as_deref().is_some_and(|reason| reason.starts_with(KEPT));
        let is_kept = says_kept && log.fill_id.is_none();
        Self {
            terms: (log.action == Action::Submitted).then_some(log.order_id),
            fill: log.fill_id,
            broken: log.break_id,
            // When a break was kept it had none, and it may have one by now.
            resolution: log.break_id.filter(|_| !is_kept),
        }
    }
}

impl Entry {
    /// The leaf that it is in a tree. Its number is not in it: that is its place among those that the seal
    /// covers.
    pub fn leaf(&self) -> Hash {
        let attests = Attests::of(&self.log);
        let mut content = vec![1];
        Record::of(&mut content, b'L', Some(&self.log), |record, log| {
            record
                .uuid(log.id)
                .uuid(log.order_id)
                .uuid(log.trader_id)
                .text(log.action.label())
                .optional(log.status, |record, status| record.text(status.label()))
                .time(log.timestamp)
                .optional(log.reason.as_deref(), Record::text)
                .optional(log.retry_attempt, Record::integer)
                .optional(log.error_code.as_deref(), Record::text)
                .time(log.created_at)
                .optional(log.fill_id, Record::uuid)
                .optional(log.venue_order_id.as_deref(), Record::text)
                .optional(log.acted_by.as_deref(), Record::text)
                .optional(log.acted_as.as_deref(), Record::text)
                .optional(log.break_id, Record::uuid)
                .optional(log.reported_at, Record::time);
        });
        if attests.terms.is_some() {
            Record::of(&mut content, b'O', self.terms.as_ref(), |record, terms| {
                record
                    .uuid(terms.id)
                    .uuid(terms.trader_id)
                    .text(&terms.symbol)
                    .integer(terms.quantity)
                    .text(terms.order_type.label())
                    .optional(terms.price, Record::decimal)
                    .optional(terms.stop_loss, Record::decimal)
                    .optional(terms.take_profit, Record::decimal)
                    .time(terms.created_at)
                    .optional(terms.expires_at, Record::time)
                    .optional(terms.side, |record, side| record.text(side.label()))
                    .optional(terms.client_order_id.as_deref(), Record::text)
                    .optional(terms.replaces, Record::uuid);
            });
        }
        if attests.fill.is_some() {
            Record::of(&mut content, b'F', self.fill.as_ref(), |record, fill| {
                record
                    .uuid(fill.id)
                    .uuid(fill.order_id)
                    .time(fill.timestamp)
                    .integer(fill.quantity_filled)
                    .decimal(fill.price_at_fill)
                    .text(&fill.venue)
                    .decimal(fill.commission)
                    .time(fill.created_at)
                    .uuid(fill.trader_id)
                    .optional(fill.execution_id.as_deref(), Record::text)
                    .optional(fill.amends, Record::uuid)
                    .boolean(fill.is_bust)
                    .optional(fill.break_id, Record::uuid);
            });
        }
        if attests.broken.is_some() {
            Record::of(&mut content, b'B', self.broken.as_ref(), |record, broken| {
                record
                    .uuid(broken.id)
                    .text(broken.reason.label())
                    .text(&broken.detail)
                    .optional(broken.order_id, Record::uuid)
                    .optional(broken.trader_id, Record::uuid)
                    .text(&broken.venue)
                    .optional(broken.execution_id.as_deref(), Record::text)
                    .optional(broken.refers_to.as_deref(), Record::text)
                    .boolean(broken.is_bust)
                    .time(broken.timestamp)
                    .decimal(broken.quantity.clone())
                    .decimal(broken.price.clone())
                    .decimal(broken.commission.clone())
                    .optional(broken.raw.as_deref(), Record::text)
                    .time(broken.created_at)
                    .text(&broken.acted_by)
                    .text(&broken.acted_as);
            });
        }
        if attests.resolution.is_some() {
            Record::of(&mut content, b'R', self.resolution.as_ref(), |record, resolution| {
                record
                    .uuid(resolution.id)
                    .uuid(resolution.break_id)
                    .boolean(resolution.is_booked)
                    .optional(resolution.order_id, Record::uuid)
                    .optional(resolution.trader_id, Record::uuid)
                    .optional(resolution.fill_id, Record::uuid)
                    .text(&resolution.reason)
                    .time(resolution.created_at)
                    .text(&resolution.acted_by)
                    .text(&resolution.acted_as);
            });
        }
        tree::leaf(&content)
    }

    /// Whether it has the facts that such an entry attests, and no others: those are in no leaf.
    pub(super) fn is_whole(&self) -> bool {
        let attests = Attests::of(&self.log);
        self.terms.as_ref().map(|terms| terms.id) == attests.terms
            && self.fill.as_ref().map(|fill| fill.id) == attests.fill
            && self.broken.as_ref().map(|broken| broken.id) == attests.broken
            && self.resolution.as_ref().map(|it| it.break_id) == attests.resolution
    }

    /// Adds to entries of the log what they attest.
    pub(super) fn with_facts(
        conn: &mut PgConnection,
        log: Vec<ExecutionLog>,
    ) -> QueryResult<Vec<Self>> {
        let attested: Vec<Attests> = log.iter().map(Attests::of).collect();
        let ids =
            |of: fn(&Attests) -> Option<Uuid>| attested.iter().filter_map(of).collect::<Vec<_>>();
        let terms = by_id(
            ids(|it| it.terms),
            |it: &Terms| it.id,
            |ids| Terms::query().filter(orders::id.eq_any(ids)).load(conn),
        )?;
        let fills = by_id(
            ids(|it| it.fill),
            |it: &Fill| it.id,
            |ids| Fill::query().filter(fills::id.eq_any(ids)).load(conn),
        )?;
        let breaks = by_id(
            ids(|it| it.broken),
            |it: &Break| it.id,
            |ids| Break::query().filter(breaks::id.eq_any(ids)).load(conn),
        )?;
        let resolutions = by_id(
            ids(|it| it.resolution),
            |it: &BreakResolution| it.break_id,
            |ids| {
                BreakResolution::query().filter(break_resolutions::break_id.eq_any(ids)).load(conn)
            },
        )?;
        let entry = |(log, attests): (ExecutionLog, &Attests)| Self {
            log,
            terms: attests.terms.and_then(|id| terms.get(&id).cloned()),
            fill: attests.fill.and_then(|id| fills.get(&id).cloned()),
            broken: attests.broken.and_then(|id| breaks.get(&id).cloned()),
            resolution: attests.resolution.and_then(|id| resolutions.get(&id).cloned()),
        };
        Ok(log.into_iter().zip(&attested).map(entry).collect())
    }

    /// The entries that have these numbers, in their order; of each number that could not be read, why.
    /// Somebody may have put into a column what no client can read.
    pub(super) fn numbered(
        conn: &mut PgConnection,
        numbers: &[i64],
    ) -> QueryResult<(Vec<Self>, Vec<Unread>)> {
        let query = ExecutionLog::query()
            .filter(execution_logs::sequence.eq_any(numbers))
            .order((execution_logs::sequence, execution_logs::id));
        let read = query.load(conn).and_then(|log| Self::with_facts(conn, log));
        match (read, numbers) {
            (Err(DieselError::DeserializationError(why)), [number]) => {
                Ok((Vec::new(), vec![(*number, why.to_string())]))
            }
            (Err(DieselError::DeserializationError(_)), _) => {
                let (left, right) = numbers.split_at(numbers.len() / 2);
                let (mut entries, mut unread) = Self::numbered(conn, left)?;
                let (more, also) = Self::numbered(conn, right)?;
                entries.extend(more);
                unread.extend(also);
                Ok((entries, unread))
            }
            (read, _) => Ok((read?, Vec::new())),
        }
    }
}

/// Rows by an id; nothing is asked for if no id is given.
fn by_id<T>(
    ids: Vec<Uuid>,
    id: impl Fn(&T) -> Uuid,
    load: impl FnOnce(Vec<Uuid>) -> QueryResult<Vec<T>>,
) -> QueryResult<HashMap<Uuid, T>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    Ok(load(ids)?.into_iter().map(|row| (id(&row), row)).collect())
}

/// The fields of one row, as they are hashed.
struct Record<'c>(&'c mut Vec<u8>);

impl Record<'_> {
    /// Begins with which row it is, and with whether it is there.
    fn of<T>(
        content: &mut Vec<u8>,
        kind: u8,
        row: Option<T>,
        fields: impl FnOnce(&mut Record<'_>, T),
    ) {
        content.push(kind);
        match row {
            None => content.push(0),
            Some(row) => {
                content.push(1);
                fields(&mut Record(content), row);
            }
        }
    }

    fn optional<T>(
        &mut self,
        value: Option<T>,
        some: impl FnOnce(&mut Self, T) -> &mut Self,
    ) -> &mut Self {
        match value {
            Some(value) => some(self, value),
            None => {
                self.0.push(0);
                self
            }
        }
    }

    fn field(&mut self, bytes: &[u8]) -> &mut Self {
        // No column holds as much as a length of four bytes can say.
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.0.push(1);
        self.0.extend(length.to_be_bytes());
        self.0.extend(bytes);
        self
    }

    fn uuid(&mut self, id: Uuid) -> &mut Self {
        self.field(id.as_bytes())
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.field(text.as_bytes())
    }

    fn boolean(&mut self, value: bool) -> &mut Self {
        self.field(&[u8::from(value)])
    }

    fn integer(&mut self, value: i32) -> &mut Self {
        self.field(&i64::from(value).to_be_bytes())
    }

    fn time(&mut self, at: DateTime<Utc>) -> &mut Self {
        self.field(&at.timestamp_micros().to_be_bytes())
    }

    /// Without zeros at the end: a column that is made finer changes no value.
    fn decimal(&mut self, value: impl Into<BigDecimal>) -> &mut Self {
        self.text(&value.into().normalized().to_plain_string())
    }
}
