//! Fills recorded.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::result::Error as DieselError;
use uuid::Uuid;

use super::{Fill, Fills, NewFill, check_execution_id, same};
use crate::database::role::Engine;
use crate::database::unnest;
use crate::error::Error;
use crate::schema::fills;
use crate::types::difference::{Comparison, Difference};
use crate::types::precision::ScaleCheck;
use crate::types::text;

impl NewFill<'_> {
    fn money(&self, scales: &mut ScaleCheck) {
        scales.price("price", Some(self.price_at_fill));
        scales.commission(self.commission);
    }

    fn check(&self) -> Result<(), Error> {
        text::check("venue", self.venue, 50)?;
        check_execution_id(self.execution_id)
    }

    fn refused(&self, error: DieselError) -> Error {
        Error::from(error)
            .not_found_if("fk_fills_order_id", "order", self.order_id)
            .with_row("fill of order", self.order_id)
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
        ScaleCheck::of(|scales| new.money(scales)).check(self.conn)?;
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
        if let Some(execution_id) = new.execution_id
            && let Some(stored) = self.of_execution(new.order_id, new.venue, execution_id)?
        {
            let differing = new.compare(&stored);
            return same(stored, execution_id, differing);
        }
        insert_or_name_conflict(self.conn, id, new)
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
        let money = |scales: &mut _| rows.iter().for_each(|(_, new)| new.money(scales));
        ScaleCheck::of(money).check(self.conn)?;
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
                        Error::from(error).not_found_if_among("fk_fills_order_id", "order", orders)
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
            let fill = match stored.iter().find(is_it) {
                Some(fill) => same(fill.clone(), called, new.compare(fill))?,
                None => insert_or_name_conflict(self.conn, *id, new)?,
            };
            known.insert(*id, fill);
        }
        Ok(known)
    }
}

/// Stores a fill that an insert with ON CONFLICT left out, or says which constraint it violates.
fn insert_or_name_conflict(
    conn: &mut PgConnection,
    id: Uuid,
    new: &NewFill<'_>,
) -> Result<Fill, Error> {
    // ON CONFLICT hides which constraint was hit; insert again without it so that PostgreSQL names it.
    diesel::insert_into(fills::table)
        .values((fills::id.eq(id), new))
        .returning(Fill::as_returning())
        .get_result(conn)
        .optional()
        .map_err(|error| match new.refused(error) {
            // The caller has looked for this fill and not found it.
            error if error.constraint() == Some("uq_fills_execution_id") => {
                Error::lost_race("fill of order", new.order_id)
            }
            error => error,
        })?
        .ok_or_else(|| Error::lost_race("fill of order", new.order_id))
}
