//! An entry of the log with the rows that it attests, and its encoding as a leaf of a seal.
//!
//! `docs/seals.md` describes the encoding byte by byte. It is [`SCHEME`] 1 and never changes: columns that
//! are added later need another scheme with another number.
//!
//! [`SCHEME`]: super::SCHEME

use std::collections::HashMap;

use bigdecimal::BigDecimal;
use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use diesel::result::Error as DieselError;
use uuid::Uuid;

use super::bytes::Hash;
use super::tree;
use crate::breaks::{BREAK_STORED_PREFIX, Break, BreakResolution};
use crate::execution_logs::ExecutionLog;
use crate::fills::Fill;
use crate::schema::{break_resolutions, breaks, execution_logs, fills, orders};
use crate::types::enums::{Action, OrderType, Side, TimeInForce};
use crate::types::instructions::Instructions;
use crate::types::price::Price;

/// The terms of an order: the columns that never change after it is submitted.
#[derive(HasQuery, Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[diesel(table_name = orders)]
#[diesel(check_for_backend(diesel::pg::Pg))]
pub struct OrderTerms {
    /// Id of the order.
    pub id: Uuid,
    /// Id of the trader who owns the order.
    pub trader_id: Uuid,
    /// Stock symbol (FIX tag 55), e.g. AAPL.
    pub symbol: String,
    /// Number of shares to trade (FIX tag 38, OrderQty).
    pub quantity: i32,
    /// How the order is priced (FIX tag 40, OrdType).
    pub order_type: OrderType,
    /// Limit price, or trigger price of a STOP order, in currency units; none for a market order.
    pub price: Option<Price>,
    /// Risk-management price in currency units: close the position at this loss.
    pub stop_loss: Option<Price>,
    /// Risk-management price in currency units: close the position at this profit.
    pub take_profit: Option<Price>,
    /// When the order was submitted.
    pub created_at: DateTime<Utc>,
    /// When the order expires; none if it has no timeout.
    pub expires_at: Option<DateTime<Utc>>,
    /// Buy or sell (FIX tag 54, Side); none if a client of the base schema left it out.
    pub side: Option<Side>,
    /// The client's id of the order (FIX tag 11, ClOrdID).
    pub client_order_id: Option<String>,
    /// The order that this one replaces (FIX tag 41, OrigClOrdID).
    pub replaces: Option<Uuid>,
    /// The first order of the order chain; the id of the order itself if it replaces none.
    pub root_id: Uuid,
    /// Trading day of the client order id (FIX tag 75, TradeDate).
    pub trading_day: Option<NaiveDate>,
    /// Account that the order trades for (FIX tag 1, Account).
    pub account: Option<String>,
    /// How long the order stays open (FIX tag 59, TimeInForce).
    pub time_in_force: Option<TimeInForce>,
    /// Limit price of a stop-limit order in currency units (FIX tag 44, Price, of 40=4).
    pub limit_price: Option<Price>,
    /// Currency of the prices, ISO 4217 (FIX tag 15, Currency).
    pub currency: Option<String>,
    /// When the order was received from the customer (FIX tag 60, TransactTime, of 35=D).
    pub received_at: Option<DateTime<Utc>>,
    /// Further terms of the order.
    pub instructions: Option<Instructions>,
}

/// An entry of the execution log together with the rows that it attests: the content of one leaf.
///
/// An entry attests the rows whose content it vouches for: the terms of a submitted order, the fill that it
/// records, the break that it names and the resolution of that break.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct AttestedEntry {
    /// The entry itself.
    pub log: ExecutionLog,
    /// Terms of the order, if the action is SUBMITTED.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terms: Option<OrderTerms>,
    /// The fill, bust or correction that the entry records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fill: Option<Fill>,
    /// The break that the entry names.
    #[serde(rename = "break", skip_serializing_if = "Option::is_none")]
    pub broken: Option<Break>,
    /// Resolution of that break, unless the entry records that the break was kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolution: Option<BreakResolution>,
}

/// The number of an entry that cannot be read, and the error.
pub(super) struct UnreadableEntry {
    pub sequence: i64,
    pub why: String,
}

/// The ids of the rows that an entry attests. This is part of the scheme, so it depends on nothing but the
/// entry.
struct AttestedIds {
    terms: Option<Uuid>,
    fill: Option<Uuid>,
    broken: Option<Uuid>,
    resolution: Option<Uuid>,
}

impl AttestedIds {
    fn of(log: &ExecutionLog) -> Self {
        let says_kept =
            log.reason.as_deref().is_some_and(|reason| reason.starts_with(BREAK_STORED_PREFIX));
        let is_kept = says_kept && log.fill_id.is_none();
        Self {
            terms: (log.action == Action::Submitted).then_some(log.order_id),
            fill: log.fill_id,
            broken: log.break_id,
            // The break had no resolution when the entry that records it was written. It may have one now.
            resolution: log.break_id.filter(|_| !is_kept),
        }
    }
}

impl AttestedEntry {
    /// Returns the hash of the entry and its attested rows: the leaf in the Merkle tree of a seal.
    ///
    /// The sequence number of the entry is not hashed: it determines the index of the leaf.
    pub fn leaf(&self) -> Hash {
        let attested = AttestedIds::of(&self.log);
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
                // Optional in the scheme, though every entry has them.
                .optional(Some(log.acted_by.as_str()), Record::text)
                .optional(Some(log.acted_as.as_str()), Record::text)
                .optional(log.break_id, Record::uuid)
                .optional(log.reported_at, Record::time)
                .optional(log.report_id, Record::uuid);
        });
        if attested.terms.is_some() {
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
                    .optional(terms.replaces, Record::uuid)
                    .uuid(terms.root_id)
                    .optional(terms.trading_day, Record::date)
                    .optional(terms.account.as_deref(), Record::text)
                    .optional(terms.time_in_force, |record, time| record.text(time.label()))
                    .optional(terms.limit_price, Record::decimal)
                    .optional(terms.currency.as_deref(), Record::text)
                    .optional(terms.received_at, Record::time)
                    .optional(terms.instructions.as_ref(), Record::instructions);
            });
        }
        if attested.fill.is_some() {
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
                    .optional(fill.break_id, Record::uuid)
                    .uuid(fill.root_id)
                    .text(&fill.source)
                    .decimal(fill.rebate);
            });
        }
        if attested.broken.is_some() {
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
                    .text(&broken.acted_as)
                    .optional(broken.client_order_id.as_deref(), Record::text)
                    .text(&broken.source)
                    .decimal(broken.rebate.clone());
            });
        }
        if attested.resolution.is_some() {
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

    /// Returns whether the entry comes with exactly the rows that it attests. Any other row would not be
    /// in the leaf, so a proof would only seem to prove it.
    pub(super) fn has_exactly_attested_rows(&self) -> bool {
        let attested = AttestedIds::of(&self.log);
        self.terms.as_ref().map(|terms| terms.id) == attested.terms
            && self.fill.as_ref().map(|fill| fill.id) == attested.fill
            && self.broken.as_ref().map(|broken| broken.id) == attested.broken
            && self.resolution.as_ref().map(|it| it.break_id) == attested.resolution
    }

    /// Loads the rows that these entries attest.
    pub(super) fn load(conn: &mut PgConnection, log: Vec<ExecutionLog>) -> QueryResult<Vec<Self>> {
        let attested: Vec<AttestedIds> = log.iter().map(AttestedIds::of).collect();
        let ids = |of: fn(&AttestedIds) -> Option<Uuid>| {
            attested.iter().filter_map(of).collect::<Vec<_>>()
        };
        let terms = by_id(
            ids(|it| it.terms),
            |it: &OrderTerms| it.id,
            |ids| OrderTerms::query().filter(orders::id.eq_any(ids)).load(conn),
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
        let entry = |(log, ids): (ExecutionLog, &AttestedIds)| Self {
            log,
            terms: ids.terms.and_then(|id| terms.get(&id).cloned()),
            fill: ids.fill.and_then(|id| fills.get(&id).cloned()),
            broken: ids.broken.and_then(|id| breaks.get(&id).cloned()),
            resolution: ids.resolution.and_then(|id| resolutions.get(&id).cloned()),
        };
        Ok(log.into_iter().zip(&attested).map(entry).collect())
    }

    /// Loads the entries with these numbers, in ascending order, with the rows that they attest. Halves the
    /// numbers until it has isolated each entry with a value that cannot be read: a superuser may have written
    /// one.
    pub(super) fn load_by_sequence(
        conn: &mut PgConnection,
        numbers: &[i64],
    ) -> QueryResult<(Vec<Self>, Vec<UnreadableEntry>)> {
        let query = ExecutionLog::query()
            .filter(execution_logs::sequence.eq_any(numbers))
            .order((execution_logs::sequence, execution_logs::id));
        let read = query.load(conn).and_then(|log| Self::load(conn, log));
        match (read, numbers) {
            (Err(DieselError::DeserializationError(why)), [number]) => {
                let unreadable = UnreadableEntry { sequence: *number, why: why.to_string() };
                Ok((Vec::new(), vec![unreadable]))
            }
            (Err(DieselError::DeserializationError(_)), _) => {
                let (left, right) = numbers.split_at(numbers.len() / 2);
                let (mut entries, mut unreadable) = Self::load_by_sequence(conn, left)?;
                let (right_entries, right_unreadable) = Self::load_by_sequence(conn, right)?;
                entries.extend(right_entries);
                unreadable.extend(right_unreadable);
                Ok((entries, unreadable))
            }
            (read, _) => Ok((read?, Vec::new())),
        }
    }
}

/// Loads rows by their ids into a map; runs no query if there are no ids.
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

/// Encoder of the fields of one row.
struct Record<'c>(&'c mut Vec<u8>);

impl Record<'_> {
    /// Encodes the letter of the record, whether the row exists, and its fields.
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
        // PostgreSQL holds at most 1 GB in a column, so the length fits into four bytes.
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

    fn date(&mut self, day: NaiveDate) -> &mut Self {
        self.text(&day.to_string())
    }

    /// Encodes each name with its value as two fields. JSON text would leave open how a character is escaped.
    fn instructions(&mut self, instructions: &Instructions) -> &mut Self {
        let mut pairs = Vec::new();
        for (name, value) in instructions.iter() {
            Record(&mut pairs).text(name).text(value);
        }
        self.field(&pairs)
    }

    /// Encodes without trailing zeros, so that widening the scale of a column changes no leaf.
    fn decimal(&mut self, value: impl Into<BigDecimal>) -> &mut Self {
        self.text(&value.into().normalized().to_plain_string())
    }
}
