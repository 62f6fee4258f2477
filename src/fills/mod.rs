//! Fills: the executions of orders.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::result::Error as DieselError;
use uuid::Uuid;

use crate::database::role::{Engine, Role};
use crate::database::session::{Tx, stream};
use crate::database::unnest;
use crate::error::Error;
use crate::schema::fills;
use crate::types::difference::{Comparison, Difference};
use crate::types::filter::Filter;
use crate::types::page::{Cursor, Listing, Page};
use crate::types::precision::Fineness;
use crate::types::price::{Commission, Price};
use crate::types::text;

/// One execution of an order, in part or whole.
#[derive(HasQuery, Identifiable, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[diesel(table_name = fills)]
#[diesel(check_for_backend(diesel::pg::Pg))]
pub struct Fill {
    /// Unique fill identifier.
    pub id: Uuid,
    /// The order that was filled.
    pub order_id: Uuid,
    /// The trader whose order it is.
    pub trader_id: Uuid,
    /// When it occurred at the venue (FIX tag 60, TransactTime).
    pub timestamp: DateTime<Utc>,
    /// Shares filled (FIX tag 32, LastQty).
    pub quantity_filled: i32,
    /// Price per share in currency units (FIX tag 31, LastPx).
    pub price_at_fill: Price,
    /// Where it was executed (FIX tag 30, LastMkt), e.g. NASDAQ.
    pub venue: String,
    /// Commission for this fill in currency units (FIX tag 12).
    pub commission: Commission,
    /// Recorded.
    pub created_at: DateTime<Utc>,
    /// The venue's id of the execution (FIX tag 17, ExecID), unique for its order and venue.
    pub execution_id: Option<String>,
    /// The fill that this one corrects or busts, and which no longer counts (FIX tag 19, ExecRefID).
    pub amends: Option<Uuid>,
    /// Whether it takes back the fill that it amends (FIX 150=H): then it does not count either.
    pub is_bust: bool,
    /// The break that was booked with it.
    pub break_id: Option<Uuid>,
}

/// A fill to record.
#[derive(Insertable, Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[diesel(table_name = fills, treat_none_as_default_value = false)]
pub struct NewFill<'a> {
    /// The order that was filled.
    pub order_id: Uuid,
    /// When it occurred at the venue (FIX tag 60, TransactTime); kept to the microsecond.
    pub timestamp: DateTime<Utc>,
    /// Shares filled (FIX tag 32, LastQty), at least 1.
    pub quantity_filled: i32,
    /// Price per share in currency units (FIX tag 31, LastPx).
    pub price_at_fill: Price,
    /// Where it was executed (FIX tag 30, LastMkt), 1 to 50 characters.
    pub venue: &'a str,
    /// Commission for this fill in currency units (FIX tag 12); `Commission::default()` is none.
    pub commission: Commission,
    /// The venue's id of the execution (FIX tag 17, ExecID), 1 to 64 characters, by which the same fill is known when it is
    /// recorded again. A fill without one counts each time.
    pub execution_id: Option<&'a str>,
}

/// A bust to record: the venue takes back a fill as if it had not been (FIX 150=H, Trade Cancel).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct NewBust<'a> {
    /// The fill that is taken back, or its last correction.
    pub amends: Uuid,
    /// When the venue took it back (FIX tag 60, TransactTime); kept to the microsecond.
    pub timestamp: DateTime<Utc>,
    /// The venue's id of the bust itself, 1 to 64 characters.
    pub execution_id: Option<&'a str>,
}

/// A correction to record: what a fill is said to have been after all (FIX 150=G, Trade Correct).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct NewCorrection<'a> {
    /// The fill that is corrected, or its last correction.
    pub amends: Uuid,
    /// When the venue corrected it (FIX tag 60, TransactTime); kept to the microsecond.
    pub timestamp: DateTime<Utc>,
    /// Shares filled, at least 1.
    pub quantity_filled: i32,
    /// Price per share in currency units.
    pub price_at_fill: Price,
    /// Commission in currency units.
    pub commission: Commission,
    /// The venue's id of the correction itself, 1 to 64 characters.
    pub execution_id: Option<&'a str>,
}

/// A bust or a correction. What a bust leaves out the database takes from the fill.
#[derive(Insertable)]
#[diesel(table_name = fills)]
struct Amendment<'a> {
    amends: Uuid,
    is_bust: bool,
    timestamp: DateTime<Utc>,
    quantity_filled: Option<i32>,
    price_at_fill: Option<Price>,
    commission: Commission,
    execution_id: Option<&'a str>,
}

impl NewFill<'_> {
    fn money(&self, fineness: &mut Fineness) {
        fineness.price("price", Some(self.price_at_fill));
        fineness.commission(self.commission);
    }

    fn check(&self) -> Result<(), Error> {
        text::check("venue", self.venue, 50)?;
        check_execution_id(self.execution_id)
    }

    fn refused(&self, error: DieselError) -> Error {
        Error::from(error)
            .missing("fk_fills_order_id", "order", self.order_id)
            .about("fill of order", self.order_id)
    }

    /// In what a stored fill is another one than this.
    fn compare(&self, stored: &Fill) -> Vec<Difference> {
        let mut comparison = Comparison::default();
        comparison.moment("timestamp", Some(stored.timestamp), Some(self.timestamp));
        comparison.field("quantity", stored.quantity_filled, self.quantity_filled);
        comparison.field("price", stored.price_at_fill, self.price_at_fill);
        comparison.field("commission", stored.commission, self.commission);
        comparison.optional("fill amended", stored.amends, None);
        comparison.differences()
    }
}

impl Amendment<'_> {
    /// In what a stored fill is another one than this.
    fn compare(&self, stored: &Fill) -> Vec<Difference> {
        let mut comparison = Comparison::default();
        comparison.moment("timestamp", Some(stored.timestamp), Some(self.timestamp));
        comparison.optional("fill amended", stored.amends, Some(self.amends));
        comparison.field("bust", stored.is_bust, self.is_bust);
        if !self.is_bust {
            comparison.optional("quantity", Some(stored.quantity_filled), self.quantity_filled);
            comparison.optional("price", Some(stored.price_at_fill), self.price_at_fill);
            comparison.field("commission", stored.commission, self.commission);
        }
        comparison.differences()
    }
}

pub(crate) fn check_execution_id(id: Option<&str>) -> Result<(), Error> {
    id.map_or(Ok(()), |id| text::check("execution id", id, text::MAX_ID))
}

/// A fill that is stored under an execution id, if it is what was to be stored.
fn same(stored: Fill, execution_id: &str, differing: Vec<Difference>) -> Result<Fill, Error> {
    if differing.is_empty() {
        return Ok(stored);
    }
    Err(mismatch(&stored, execution_id, differing))
}

pub(crate) fn mismatch(stored: &Fill, execution_id: &str, differing: Vec<Difference>) -> Error {
    let key = format!("execution id {execution_id:?} of {}", stored.venue);
    Error::mismatch("fill", stored.id, key, differing)
}

/// The repository of fills, from [`Tx::fills`].
pub struct Fills<'c, R> {
    pub(crate) conn: &'c mut PgConnection,
    pub(crate) role: R,
}

impl<R: Role> Tx<'_, R> {
    /// The fills.
    pub fn fills(&mut self) -> Fills<'_, R> {
        Fills { role: self.role(), conn: self.connection() }
    }
}

impl Fills<'_, Engine> {
    /// Records a fill. The database raises the order's filled quantity, derives its average price,
    /// moves it to PARTIAL or FILLED and logs FILLED. The order is locked until the transaction
    /// ends, so of two fills that race for the last shares one is refused.
    ///
    /// A fill with an execution id may be recorded any number of times: the first counts, and each
    /// further one returns the stored fill, whatever has become of its order since.
    ///
    /// # Errors
    ///
    /// - [`Error::is_not_found`]: no such order.
    /// - [`Error::is_mismatch`]: the order has a fill with this execution id and venue, and it is
    ///   another one.
    /// - [`Error::is_illegal_transition`]: the order is FILLED, REJECTED or CANCELLED.
    /// - [`Error::is_over_fill`]: it would go beyond the order's quantity.
    /// - [`Error::is_invalid_input`]: a venue that is blank or longer than 50 characters, an execution
    ///   id that is blank or longer than 64, a price or commission with more decimal places than its
    ///   column keeps ([`precision`](crate::precision)).
    /// - [`Error::is_rule_violation`]: the quantity is not positive
    ///   (`ck_fills_quantity_positive`); the same execution was a break of this order that was
    ///   dismissed, or booked to another one (`fills_resolved_break`).
    ///
    /// What can't be applied and must not be lost goes to [`Breaks::record_or_break`], or many at once to
    /// [`Breaks::record_batch_or_break`].
    ///
    /// [`Breaks::record_or_break`]: crate::Breaks::record_or_break
    /// [`Breaks::record_batch_or_break`]: crate::Breaks::record_batch_or_break
    pub fn record(&mut self, new: &NewFill<'_>) -> Result<Fill, Error> {
        self.record_as(Uuid::now_v7(), new)
    }

    /// [`Fills::record`], under this id: a fill that comes back with another one was stored already.
    pub(crate) fn record_as(&mut self, id: Uuid, new: &NewFill<'_>) -> Result<Fill, Error> {
        new.check()?;
        Fineness::of(|fineness| new.money(fineness)).check(self.conn)?;
        let stored = diesel::insert_into(fills::table)
            .values((fills::id.eq(id), new))
            .on_conflict_do_nothing()
            .returning(Fill::as_returning())
            .get_result(self.conn)
            .optional()
            .map_err(|error| new.refused(error))?;
        if let Some(fill) = stored {
            return Ok(fill);
        }
        let id = new.execution_id.unwrap_or_default();
        let stored = self
            .of_execution(new.order_id, new.venue, id)?
            .ok_or_else(|| Error::not_found_by("fill with the execution id", id))?;
        let differing = new.compare(&stored);
        same(stored, id, differing)
    }

    /// Records fills, all of them or none, as [`Fills::record`] takes each; returns them in the same
    /// order. They are booked order by order, in the sequence of their orders' ids, and within an order
    /// by time, venue and execution id: so batches of several clients wait for each other and never in
    /// a circle.
    ///
    /// # Errors
    ///
    /// Those of [`Fills::record`], for the first that is refused.
    pub fn record_batch(&mut self, new: &[NewFill<'_>]) -> Result<Vec<Fill>, Error> {
        let rows: Vec<_> = new.iter().map(|new| (Uuid::now_v7(), *new)).collect();
        self.record_rows(&rows)
    }

    /// [`Fills::record_batch`], of fills that have an id already, by which they are known again too.
    pub(crate) fn record_rows(&mut self, rows: &[(Uuid, NewFill<'_>)]) -> Result<Vec<Fill>, Error> {
        rows.iter().try_for_each(|(_, new)| new.check())?;
        let money = |fineness: &mut _| rows.iter().for_each(|(_, new)| new.money(fineness));
        Fineness::of(money).check(self.conn)?;
        // Whoever waits for another's row waits for one that is further on: no two for each other. Who
        // sends the same fill says the same of it, its time included.
        let mut sorted: Vec<_> = rows.iter().collect();
        sorted.sort_by_key(|(_, new)| (new.order_id, new.timestamp, new.venue, new.execution_id));
        // A savepoint: who goes on after a refusal must not keep a part of it.
        let role = self.role;
        self.conn.transaction(|conn| {
            let mut stored = HashMap::with_capacity(rows.len());
            for batch in sorted.chunks(unnest::ROWS) {
                let new = || batch.iter().map(|(_, new)| new);
                let fills: Vec<Fill> = unnest::insert_into(fills::table)
                    .column(fills::id, batch.iter().map(|(id, _)| *id))
                    .column(fills::order_id, new().map(|new| new.order_id))
                    .column(fills::timestamp, new().map(|new| new.timestamp))
                    .column(fills::quantity_filled, new().map(|new| new.quantity_filled))
                    .column(fills::price_at_fill, new().map(|new| new.price_at_fill))
                    .column(fills::venue, new().map(|new| new.venue))
                    .column(fills::commission, new().map(|new| new.commission))
                    .column(fills::execution_id, new().map(|new| new.execution_id))
                    .on_conflict_do_nothing()
                    .returning(Fill::as_returning())
                    .load(conn)
                    .map_err(|error| {
                        let orders = batch.iter().map(|(_, new)| new.order_id);
                        Error::from(error).missing_one_of("fk_fills_order_id", "order", orders)
                    })?;
                stored.extend(fills.into_iter().map(|fill| (fill.id, fill)));
            }
            let missing: Vec<_> = rows.iter().filter(|(id, _)| !stored.contains_key(id)).collect();
            let mut known = Fills { conn, role }.known(&missing)?;
            let taken = |(id, _): &(Uuid, _)| stored.remove(id).or_else(|| known.remove(id));
            Ok(rows.iter().filter_map(taken).collect())
        })
    }

    /// Records as many of these fills as the rules allow, in as few statements; gives each, or what has
    /// refused it.
    ///
    /// # Errors
    ///
    /// What is no refusal of one of them: nothing of them is stored then.
    pub(crate) fn record_each(
        &mut self,
        rows: &[(Uuid, NewFill<'_>)],
    ) -> Result<Vec<Result<Fill, Error>>, Error> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        match self.record_rows(rows) {
            Ok(fills) => Ok(fills.into_iter().map(Ok).collect()),
            Err(error) if !error.is_refusal() => Err(error),
            Err(error) if rows.len() == 1 => Ok(vec![Err(error)]),
            Err(_) => {
                let (first, second) = rows.split_at(rows.len() / 2);
                let mut each = self.record_each(first)?;
                each.extend(self.record_each(second)?);
                Ok(each)
            }
        }
    }

    /// The fills that kept new ones from being stored, by the ids of the new ones, if they are the same.
    fn known(&mut self, new: &[&(Uuid, NewFill<'_>)]) -> Result<HashMap<Uuid, Fill>, Error> {
        if new.is_empty() {
            return Ok(HashMap::new());
        }
        let orders: Vec<_> = new.iter().map(|(_, new)| new.order_id).collect();
        let ids: Vec<_> = new.iter().map(|(id, _)| *id).collect();
        let executions: Vec<_> = new.iter().filter_map(|(_, new)| new.execution_id).collect();
        let stored: Vec<Fill> = Fill::query()
            .filter(fills::order_id.eq_any(orders))
            .filter(fills::execution_id.eq_any(executions).or(fills::id.eq_any(ids)))
            .load(self.conn)?;
        let mut known = HashMap::new();
        for (id, new) in new {
            let called = new.execution_id.unwrap_or_default();
            let is_it = |fill: &&Fill| {
                let by_execution = new.execution_id.is_some()
                    && fill.execution_id.as_deref() == new.execution_id
                    && fill.venue == new.venue;
                fill.order_id == new.order_id && (by_execution || fill.id == *id)
            };
            let Some(fill) = stored.iter().find(is_it) else {
                return Err(Error::not_found_by("fill with the execution id", called));
            };
            known.insert(*id, same(fill.clone(), called, new.compare(fill))?);
        }
        Ok(known)
    }

    /// Takes back a fill that the venue has busted. The database derives the order anew without it: a
    /// FILLED order may go back to PARTIAL or PENDING, one that is REJECTED or CANCELLED keeps its
    /// status. Logs RECOVERED.
    ///
    /// Known again by its execution id, as a fill is.
    ///
    /// # Errors
    ///
    /// - [`Error::is_not_found`]: no such fill.
    /// - [`Error::is_mismatch`]: another fill is stored with this execution id.
    /// - [`Error::is_rule_violation`]: the fill is amended already (`uq_fills_amends`), or is a bust
    ///   itself (`fills_amend_fill`); the same amendment was a break that was dismissed
    ///   (`fills_resolved_break`).
    /// - [`Error::is_invalid_input`]: an execution id that is blank or longer than 64 characters.
    pub fn bust(&mut self, new: &NewBust<'_>) -> Result<Fill, Error> {
        self.bust_as(Uuid::now_v7(), new)
    }

    /// [`Fills::bust`], under this id, as [`Fills::record_as`].
    pub(crate) fn bust_as(&mut self, id: Uuid, new: &NewBust<'_>) -> Result<Fill, Error> {
        self.amend(
            id,
            &Amendment {
                amends: new.amends,
                is_bust: true,
                timestamp: new.timestamp,
                quantity_filled: None,
                price_at_fill: None,
                commission: Commission::default(),
                execution_id: new.execution_id,
            },
        )
    }

    /// Corrects a fill to what the venue says it was. The database derives the order anew with the
    /// correction in the fill's place, as for a [bust](Fills::bust). A further correction amends the
    /// last one.
    ///
    /// # Errors
    ///
    /// Those of [`Fills::bust`], and [`Error::is_over_fill`] when the corrected quantity would take
    /// the order beyond its own.
    pub fn correct(&mut self, new: &NewCorrection<'_>) -> Result<Fill, Error> {
        self.correct_as(Uuid::now_v7(), new)
    }

    /// [`Fills::correct`], under this id, as [`Fills::record_as`].
    pub(crate) fn correct_as(&mut self, id: Uuid, new: &NewCorrection<'_>) -> Result<Fill, Error> {
        self.amend(
            id,
            &Amendment {
                amends: new.amends,
                is_bust: false,
                timestamp: new.timestamp,
                quantity_filled: Some(new.quantity_filled),
                price_at_fill: Some(new.price_at_fill),
                commission: new.commission,
                execution_id: new.execution_id,
            },
        )
    }

    fn amend(&mut self, id: Uuid, new: &Amendment<'_>) -> Result<Fill, Error> {
        check_execution_id(new.execution_id)?;
        Fineness::of(|fineness| {
            fineness.price("price", new.price_at_fill);
            fineness.commission(new.commission);
        })
        .check(self.conn)?;
        let refused = |error: DieselError| {
            Error::from(error)
                .missing("fk_fills_amends", "fill", new.amends)
                .about("amendment of fill", new.amends)
        };
        let row = (fills::id.eq(id), new);
        let stored = diesel::insert_into(fills::table)
            .values(row)
            .on_conflict_do_nothing()
            .returning(Fill::as_returning())
            .get_result(self.conn)
            .optional()
            .map_err(refused)?;
        if let Some(fill) = stored {
            return Ok(fill);
        }
        if let Some(id) = new.execution_id {
            let amended = self.get(new.amends)?;
            if let Some(stored) = self.of_execution(amended.order_id, &amended.venue, id)? {
                let differing = new.compare(&stored);
                return same(stored, id, differing);
            }
        }
        // Another amendment is in the way; told so, the database says it.
        diesel::insert_into(fills::table)
            .values(row)
            .returning(Fill::as_returning())
            .get_result(self.conn)
            .map_err(refused)
    }
}

impl<R: Role> Fills<'_, R> {
    /// The fill with this id.
    ///
    /// # Errors
    ///
    /// [`Error::is_not_found`], also when it is of another trader's order.
    pub fn get(&mut self, id: Uuid) -> Result<Fill, Error> {
        Fill::query()
            .find(id)
            .first(self.conn)
            .optional()?
            .ok_or_else(|| Error::not_found("fill", id))
    }

    /// The fill, bust or correction of an order that the venue calls by this execution id (FIX tag 17).
    ///
    /// # Errors
    ///
    /// Those of the connection.
    pub fn of_execution(
        &mut self,
        order_id: Uuid,
        venue: &str,
        execution_id: &str,
    ) -> Result<Option<Fill>, Error> {
        Ok(Fill::query()
            .filter(fills::order_id.eq(order_id))
            .filter(fills::venue.eq(venue))
            .filter(fills::execution_id.eq(execution_id))
            .first(self.conn)
            .optional()?)
    }

    /// All fills of an order, oldest first, with those that no longer count and what amends them; none
    /// for an order that this session may not see.
    ///
    /// # Errors
    ///
    /// Those of the connection.
    pub fn of_order(&mut self, order_id: Uuid) -> Result<Vec<Fill>, Error> {
        Ok(Fill::query()
            .filter(fills::order_id.eq(order_id))
            .order((fills::timestamp, fills::id))
            .load(self.conn)?)
    }

    /// All fills that match, oldest first, with those that no longer count and what amends them, as they come
    /// from the server: none is kept, however many there are. The connection is busy until the last one, or
    /// until the iterator is dropped.
    ///
    /// # Errors
    ///
    /// Those of the connection; inside, those that it meets on the way.
    pub fn stream<'q>(
        &'q mut self,
        filter: &Filter<'q>,
    ) -> Result<impl Iterator<Item = Result<Fill, Error>> + 'q, Error> {
        let oldest_first = (fills::timestamp, fills::id);
        stream(self.conn, matching(filter, self.role).order(oldest_first).select(Fill::as_select()))
    }

    /// The fills that match, newest first.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_input`] for a page of 0 or of more than [`Page::MAX`] rows.
    pub fn recent(&mut self, filter: &Filter<'_>, page: Page) -> Result<Listing<Fill>, Error> {
        let mut query = matching(filter, self.role);
        if let Some(Cursor { at, id }) = page.cursor() {
            query = query
                .filter(fills::timestamp.le(at))
                .filter(fills::timestamp.lt(at).or(fills::id.lt(id)));
        }
        let rows = query
            .order((fills::timestamp.desc(), fills::id.desc()))
            .limit(page.fetch()?)
            .select(Fill::as_select())
            .load(self.conn)?;
        Ok(page.listing(rows, |fill: &Fill| Cursor { at: fill.timestamp, id: fill.id }))
    }
}

fn matching<'f>(filter: &Filter<'f>, role: impl Role) -> fills::BoxedQuery<'f, Pg> {
    let mut query = fills::table.into_boxed();
    if let Some(order_id) = filter.order_id {
        query = query.filter(fills::order_id.eq(order_id));
    }
    if let Some(trader_id) = filter.trader_besides(role) {
        query = query.filter(fills::trader_id.eq(trader_id));
    }
    if let Some(orders) = filter.orders() {
        query = query.filter(fills::order_id.eq_any(orders));
    }
    if let Some(from) = filter.from {
        query = query.filter(fills::timestamp.ge(from));
    }
    if let Some(until) = filter.until {
        query = query.filter(fills::timestamp.lt(until));
    }
    query
}
