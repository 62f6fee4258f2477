//! Records fills, one or a batch.

use std::collections::{HashMap, HashSet};

use diesel::prelude::*;
use diesel::query_builder::QueryId;
use diesel::result::Error as DieselError;
use diesel::sql_types::{Array, Uuid as SqlUuid};
use uuid::Uuid;

use super::{Fill, Fills, NewFill, StoredFill, check_execution_id, stored_or_mismatch};
use crate::database::bisect::bisect;
use crate::database::role::Engine;
use crate::database::unnest::{self, Columns, Rows};
use crate::error::Error;
use crate::schema::{fills, orders};
use crate::types::difference::{Comparison, Difference};
use crate::types::text;
use crate::types::widths::WidthCheck;
use crate::types::years;

impl NewFill<'_> {
    /// Adds price and commission to the values whose decimal places are to be checked.
    fn add_money_to(&self, widths: &mut WidthCheck) {
        widths.price("price", Some(self.price_at_fill));
        widths.commission("commission", self.commission);
        widths.commission("rebate", self.rebate);
    }

    /// Refuses texts that the columns would cut or store as a blank.
    pub(crate) fn check(&self) -> Result<(), Error> {
        text::check_name("venue", self.venue, text::MAX_VENUE)?;
        if let Some(source) = self.source {
            text::check_name("source", source, text::MAX_VENUE)?;
        }
        years::check_time("timestamp", Some(self.timestamp))?;
        check_execution_id(self.execution_id)
    }

    /// Turns the error of an insert into one that names the rule and the order.
    fn insert_error(&self, error: DieselError) -> Error {
        Error::from(error)
            .not_found_if("fk_fills_order_id", "order", self.order_id)
            .with_row("fill of order", self.order_id)
    }

    /// Returns the fields in which a stored fill with the same key differs from this one.
    fn compare(&self, stored: &Fill) -> Vec<Difference> {
        let mut comparison = Comparison::default();
        comparison.moment("timestamp", Some(stored.timestamp), Some(self.timestamp));
        comparison.field("quantity", stored.quantity_filled, self.quantity_filled);
        comparison.field("price", stored.price_at_fill, self.price_at_fill);
        comparison.field("commission", stored.commission, self.commission);
        comparison.field("rebate", stored.rebate, self.rebate);
        comparison.differences()
    }
}

impl Fills<'_, Engine> {
    /// Records a fill and updates its order.
    ///
    /// In the same statement the database adds the shares to the order's filled quantity, derives its average
    /// fill price, moves it to PARTIAL or FILLED and logs FILLED. The order stays locked until the transaction
    /// ends, so if two fills race for the last shares, one of them is refused.
    ///
    /// Recording is idempotent by order chain, source and execution id (FIX tag 17, ExecID): the first call counts,
    /// and each further one returns the stored fill, whatever has become of the order since. A fill without
    /// an execution id counts each time.
    ///
    /// # Errors
    ///
    /// - [`Error::is_not_found`]: no order with this id is stored.
    /// - [`Error::is_mismatch`]: the order chain has another fill with this source and execution id;
    ///   [`Error::differing_fields`] names the fields that differ.
    /// - [`Error::is_illegal_transition`]: the order is FILLED, REJECTED or CANCELLED.
    /// - [`Error::is_over_fill`]: the fill would exceed the order's quantity.
    /// - [`Error::is_invalid_input`]: the venue is blank or longer than 50 characters, the execution id is
    ///   blank or longer than 64, the time is outside [`YEARS`](crate::YEARS), or price or commission have more decimal places than their columns
    ///   ([`widths`](crate::widths)).
    /// - [`Error::is_rule_violation`]: the quantity is not positive (`ck_fills_quantity_positive`), or the
    ///   same execution was a break of this order that has been dismissed, or booked to another order
    ///   (`fills_resolved_break`).
    /// - [`Error::is_conflict`]: another transaction interfered (a deadlock, a serialization failure, or a
    ///   conflicting fill that vanished before it could be read). Nothing is stored; try again.
    ///
    /// To store an execution that is refused as a break, use [`Breaks::record_or_break`], or
    /// [`Breaks::record_batch_or_break`] for many.
    ///
    /// [`Breaks::record_or_break`]: crate::Breaks::record_or_break
    /// [`Breaks::record_batch_or_break`]: crate::Breaks::record_batch_or_break
    pub fn record(&mut self, new: &NewFill<'_>) -> Result<Fill, Error> {
        self.record_as(Uuid::now_v7(), new).map(StoredFill::into_fill)
    }

    /// Records a fill as [`Fills::record`] does, under an id that the caller has chosen. A fill without an
    /// execution id is deduplicated by this id.
    pub(crate) fn record_as(&mut self, id: Uuid, new: &NewFill<'_>) -> Result<StoredFill, Error> {
        new.check()?;
        WidthCheck::of(|widths| new.add_money_to(widths)).check(self.conn)?;
        let stored = diesel::insert_into(fills::table)
            .values((fills::id.eq(id), fills::source.eq(new.source()), new))
            .on_conflict_do_nothing()
            .returning(Fill::as_returning())
            .get_result(self.conn)
            .optional()
            .map_err(|error| new.insert_error(error))?;
        if let Some(fill) = stored {
            return Ok(StoredFill::New(fill));
        }
        let stored = match new.execution_id {
            Some(execution_id) => {
                self.find_execution(new.order_id, new.source(), execution_id, false, false)?
            }
            None => self.find_in_chain(new.order_id, id)?,
        };
        if let Some(stored) = stored {
            let differing = new.compare(&stored);
            return stored_or_mismatch(stored, new.execution_id, differing);
        }
        insert_or_name_conflict(self.conn, id, new)
    }

    /// Records fills, all of them or none, and returns them in the given sequence.
    ///
    /// It is idempotent as [`Fills::record`] is, also within the batch. The fills are applied by order id, and
    /// within an order by time, venue and execution id: rows are locked in one global order, so concurrent
    /// batches cannot deadlock. A savepoint undoes a refused batch, so the transaction can go on without it.
    ///
    /// # Errors
    ///
    /// Those of [`Fills::record`], for the first fill that is refused.
    pub fn record_batch(&mut self, new: &[NewFill<'_>]) -> Result<Vec<Fill>, Error> {
        let rows: Vec<_> = new.iter().map(|new| (Uuid::now_v7(), *new)).collect();
        Ok(self.record_rows(&rows)?.into_iter().map(StoredFill::into_fill).collect())
    }

    /// Records fills as [`Fills::record_batch`] does, under ids that the caller has chosen. A fill is
    /// deduplicated by its id too.
    pub(crate) fn record_rows(
        &mut self,
        rows: &[(Uuid, NewFill<'_>)],
    ) -> Result<Vec<StoredFill>, Error> {
        self.check(rows)?;
        // Rows are locked in one global order, so concurrent batches cannot deadlock. Duplicates sort to the
        // same place in every batch, because their times are the same too.
        let mut sorted: Vec<_> = rows.iter().collect();
        sorted
            .sort_by_key(|(_, new)| (new.order_id, new.timestamp, new.source(), new.execution_id));
        // Savepoint: if the caller continues after an error, nothing of the batch remains.
        let role = self.role;
        self.conn.transaction(|conn| {
            let mut stored = match sorted.len() {
                0 | 1 => HashMap::new(),
                _ => Fills { conn, role }.record_clean(&sorted)?,
            };
            sorted.retain(|(id, _)| !stored.contains_key(id));
            for batch in sorted.chunks(unnest::ROWS) {
                let fills: Vec<Fill> =
                    arrays(batch).insert_new(Fill::as_returning()).load(conn).map_err(|error| {
                        let orders = batch.iter().map(|(_, new)| new.order_id);
                        Error::from(error).not_found_if_among("fk_fills_order_id", "order", orders)
                    })?;
                stored.extend(fills.into_iter().map(|fill| (fill.id, fill)));
            }
            let missing: Vec<_> = rows.iter().filter(|(id, _)| !stored.contains_key(id)).collect();
            let duplicates = Fills { conn, role }.resolve_conflicts(&missing)?;
            // An id may be given twice: the second time it is known.
            let mut new_ids: HashSet<Uuid> = stored.keys().copied().collect();
            for (id, duplicate) in duplicates {
                if matches!(duplicate, StoredFill::New(_)) {
                    new_ids.insert(id);
                }
                stored.insert(id, duplicate.into_fill());
            }
            rows.iter()
                .filter_map(|(id, new)| Some((*id, new, stored.get(id)?.clone())))
                .map(|(id, new, fill)| match new_ids.remove(&id) {
                    true => Ok(StoredFill::New(fill)),
                    false => {
                        let differing = new.compare(&fill);
                        stored_or_mismatch(fill, new.execution_id, differing)
                    }
                })
                .collect()
        })
    }

    /// Records as many of these fills as the rules allow, and returns for each the fill or its refusal.
    ///
    /// It records those that pass the checks of the batch function, and bisects the others, so that a few refused
    /// fills among many cost few statements.
    ///
    /// # Errors
    ///
    /// A failure that is no refusal of a fill, such as a lost connection or a conflict. Fills of earlier batches
    /// may be stored by then, so the caller must roll back.
    pub(crate) fn record_each(
        &mut self,
        rows: &[(Uuid, NewFill<'_>)],
    ) -> Result<Vec<Result<StoredFill, Error>>, Error> {
        let mut sorted: Vec<_> = rows.iter().collect();
        sorted
            .sort_by_key(|(_, new)| (new.order_id, new.timestamp, new.source(), new.execution_id));
        let mut clean = match self.check(rows) {
            Ok(()) => self.record_clean(&sorted)?,
            Err(error) if error.is_refusal() => HashMap::new(),
            Err(error) => return Err(error),
        };
        let remaining: Vec<_> =
            rows.iter().filter(|(id, _)| !clean.contains_key(id)).copied().collect();
        let mut others = bisect(&remaining, &mut |rows| self.record_rows(rows))?.into_iter();
        Ok(rows
            .iter()
            .filter_map(|(id, _)| match clean.remove(id) {
                Some(fill) => Some(Ok(StoredFill::New(fill))),
                None => others.next(),
            })
            .collect())
    }

    /// Refuses fills whose texts or decimal places do not fit the columns.
    fn check(&mut self, rows: &[(Uuid, NewFill<'_>)]) -> Result<(), Error> {
        rows.iter().try_for_each(|(_, new)| new.check())?;
        let add_money = |widths: &mut _| rows.iter().for_each(|(_, new)| new.add_money_to(widths));
        WidthCheck::of(add_money).check(self.conn)
    }

    /// Records those of the fills that pass the checks of the batch function of the database.
    fn record_clean(
        &mut self,
        rows: &[&(Uuid, NewFill<'_>)],
    ) -> Result<HashMap<Uuid, Fill>, Error> {
        let mut stored = HashMap::with_capacity(rows.len());
        for batch in rows.chunks(unnest::ROWS) {
            let record = arrays(batch).pass_to::<Array<SqlUuid>>("blotter_record_fills");
            let ids: Vec<Uuid> = record.get_result(self.conn)?;
            let fills: Vec<Fill> = Fill::query().filter(fills::id.eq_any(ids)).load(self.conn)?;
            stored.extend(fills.into_iter().map(|fill| (fill.id, fill)));
        }
        Ok(stored)
    }

    /// Returns the stored fill for each of the fills that ON CONFLICT left out, by the id of the new one.
    ///
    /// # Errors
    ///
    /// [`Error::is_mismatch`]: the stored fill has other content. Otherwise the error of the constraint.
    fn resolve_conflicts(
        &mut self,
        new: &[&(Uuid, NewFill<'_>)],
    ) -> Result<HashMap<Uuid, StoredFill>, Error> {
        if new.is_empty() {
            return Ok(HashMap::new());
        }
        let order_ids: Vec<_> = new.iter().map(|(_, new)| new.order_id).collect();
        let ids: Vec<_> = new.iter().map(|(id, _)| *id).collect();
        let executions: Vec<_> = new.iter().filter_map(|(_, new)| new.execution_id).collect();
        let roots = orders::table.filter(orders::id.eq_any(order_ids));
        let roots: HashMap<Uuid, Uuid> =
            roots.select((orders::id, orders::root_id)).load(self.conn)?.into_iter().collect();
        let stored: Vec<Fill> = Fill::query()
            .filter(fills::root_id.eq_any(roots.values()))
            .filter(fills::execution_id.eq_any(executions).or(fills::id.eq_any(ids)))
            .load(self.conn)?;
        let mut duplicates = HashMap::new();
        for (id, new) in new {
            let is_duplicate = |fill: &&Fill| {
                let by_execution = new.execution_id.is_some()
                    && fill.execution_id.as_deref() == new.execution_id
                    && fill.source == new.source()
                    && fill.amends.is_none();
                roots.get(&new.order_id) == Some(&fill.root_id) && (by_execution || fill.id == *id)
            };
            let fill = match stored.iter().find(is_duplicate) {
                Some(fill) => {
                    stored_or_mismatch(fill.clone(), new.execution_id, new.compare(fill))?
                }
                None => insert_or_name_conflict(self.conn, *id, new)?,
            };
            duplicates.insert(*id, fill);
        }
        Ok(duplicates)
    }
}

/// Returns the fills as arrays: the parameters of `blotter_record_fills`.
fn arrays(batch: &[&(Uuid, NewFill<'_>)]) -> Rows<fills::table, impl Columns + QueryId> {
    let new = || batch.iter().map(|(_, new)| new);
    unnest::rows_of(fills::table)
        .column(fills::id, batch.iter().map(|(id, _)| *id))
        .column(fills::order_id, new().map(|new| new.order_id))
        .column(fills::timestamp, new().map(|new| new.timestamp))
        .column(fills::quantity_filled, new().map(|new| new.quantity_filled))
        .column(fills::price_at_fill, new().map(|new| new.price_at_fill))
        .column(fills::venue, new().map(|new| new.venue))
        .column(fills::commission, new().map(|new| new.commission))
        .column(fills::rebate, new().map(|new| new.rebate))
        .column(fills::source, new().map(|new| new.source()))
        .column(fills::execution_id, new().map(|new| new.execution_id))
}

/// Inserts a fill that ON CONFLICT left out although it duplicates no stored one, or fails with the constraint
/// that it violates.
fn insert_or_name_conflict(
    conn: &mut PgConnection,
    id: Uuid,
    new: &NewFill<'_>,
) -> Result<StoredFill, Error> {
    // ON CONFLICT hides which constraint was hit; insert again without it so that PostgreSQL names it.
    diesel::insert_into(fills::table)
        .values((fills::id.eq(id), fills::source.eq(new.source()), new))
        .returning(Fill::as_returning())
        .get_result(conn)
        .optional()
        .map_err(|error| match new.insert_error(error) {
            // The caller has just looked for a fill with this execution id and not found it.
            error if error.constraint() == Some("uq_fills_execution_id") => {
                Error::lost_race("fill of order", new.order_id)
            }
            error => error,
        })?
        .map(StoredFill::New)
        .ok_or_else(|| Error::lost_race("fill of order", new.order_id))
}
