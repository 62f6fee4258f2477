//! Fills busted and corrected.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::result::Error as DieselError;
use uuid::Uuid;

use super::{Fill, Fills, NewBust, NewCorrection, check_execution_id, same};
use crate::database::role::Engine;
use crate::error::Error;
use crate::schema::fills;
use crate::types::difference::{Comparison, Difference};
use crate::types::precision::ScaleCheck;
use crate::types::price::{Commission, Price};

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

impl Fills<'_, Engine> {
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
        ScaleCheck::of(|scales| {
            scales.price("price", new.price_at_fill);
            scales.commission(new.commission);
        })
        .check(self.conn)?;
        let refused = |error: DieselError| {
            Error::from(error)
                .not_found_if("fk_fills_amends", "fill", new.amends)
                .with_row("amendment of fill", new.amends)
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
        // ON CONFLICT hides which constraint was hit; insert again without it so that PostgreSQL
        // names it.
        diesel::insert_into(fills::table)
            .values(row)
            .returning(Fill::as_returning())
            .get_result(self.conn)
            .optional()
            .map_err(refused)?
            .ok_or_else(|| Error::lost_race("amendment of fill", new.amends))
    }
}
