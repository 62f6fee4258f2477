//! Amends fills: busts and corrections.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::result::Error as DieselError;
use uuid::Uuid;

use super::{
    Fill, Fills, NewBust, NewCorrection, StoredFill, check_execution_id, stored_or_mismatch,
};
use crate::database::role::Engine;
use crate::error::Error;
use crate::schema::fills;
use crate::types::difference::{Comparison, Difference};
use crate::types::price::{Commission, Price};
use crate::types::widths::WidthCheck;
use crate::types::years;

/// The row of a bust or a correction. The database copies order, trader and venue from the amended fill, the source
/// if it is not named, and for a bust also quantity and price.
#[derive(Insertable)]
#[diesel(table_name = fills)]
struct Amendment<'a> {
    amends: Uuid,
    source: Option<&'a str>,
    is_bust: bool,
    timestamp: DateTime<Utc>,
    quantity_filled: Option<i32>,
    price_at_fill: Option<Price>,
    commission: Commission,
    rebate: Commission,
    execution_id: Option<&'a str>,
}

impl Amendment<'_> {
    /// Returns the fields in which a stored fill with the same execution id differs from this amendment.
    fn compare(&self, stored: &Fill) -> Vec<Difference> {
        let mut comparison = Comparison::default();
        comparison.moment("timestamp", Some(stored.timestamp), Some(self.timestamp));
        comparison.optional("fill amended", stored.amends, Some(self.amends));
        comparison.field("bust", stored.is_bust, self.is_bust);
        if !self.is_bust {
            comparison.optional("quantity", Some(stored.quantity_filled), self.quantity_filled);
            comparison.optional("price", Some(stored.price_at_fill), self.price_at_fill);
            comparison.field("commission", stored.commission, self.commission);
            comparison.field("rebate", stored.rebate, self.rebate);
        }
        comparison.differences()
    }
}

impl Fills<'_, Engine> {
    /// Records a bust: a fill that the venue has cancelled no longer counts (FIX 150=H, Trade Cancel).
    ///
    /// In the same statement the database derives the order without the fill and logs RECOVERED. A FILLED
    /// order may become PARTIAL or PENDING again; a REJECTED or CANCELLED order keeps its status. A FILLED
    /// order that has been replaced becomes CANCELLED instead of open.
    ///
    /// Recording is idempotent by order chain, source and the execution id of the bust (FIX tag 17, ExecID).
    /// Without an execution id, a second bust of the fill is refused.
    ///
    /// # Errors
    ///
    /// - [`Error::is_not_found`]: no fill with this id is stored.
    /// - [`Error::is_mismatch`]: the order has another fill or amendment with this execution id;
    ///   [`Error::differing_fields`] names the fields that differ.
    /// - [`Error::is_rule_violation`]: the fill has been amended (`uq_fills_amends`; amend its last
    ///   correction), it is a bust itself (`fills_amend_fill`), or the same amendment was a break that has been
    ///   dismissed (`fills_resolved_break`).
    /// - [`Error::is_invalid_input`]: the execution id is blank or longer than 64 characters, or the time is
    ///   outside [`YEARS`](crate::YEARS).
    /// - [`Error::is_conflict`]: another transaction interfered (a deadlock, a serialization failure, or a
    ///   conflicting amendment that vanished before it could be read). Nothing is stored; try again.
    pub fn bust(&mut self, new: &NewBust<'_>) -> Result<Fill, Error> {
        self.bust_as(Uuid::now_v7(), None, new).map(StoredFill::into_fill)
    }

    /// Records a bust as [`Fills::bust`] does, under an id that the caller has chosen and with this source,
    /// by default that of the fill. A bust without an execution id is deduplicated by its id.
    pub(crate) fn bust_as(
        &mut self,
        id: Uuid,
        source: Option<&str>,
        new: &NewBust<'_>,
    ) -> Result<StoredFill, Error> {
        self.amend(
            id,
            &Amendment {
                amends: new.amends,
                source,
                is_bust: true,
                timestamp: new.timestamp,
                quantity_filled: None,
                price_at_fill: None,
                commission: Commission::default(),
                rebate: Commission::default(),
                execution_id: new.execution_id,
            },
        )
    }

    /// Records a correction: the right quantity, price and commission of a fill (FIX 150=G, Trade Correct).
    ///
    /// In the same statement the database derives the order with the correction in place of the fill and logs
    /// RECOVERED; the status changes as with a [bust](Fills::bust). To correct a fill again, amend its last
    /// correction. Recording is idempotent as with a bust.
    ///
    /// # Errors
    ///
    /// Those of [`Fills::bust`], and:
    ///
    /// - [`Error::is_over_fill`]: the corrected quantity would exceed the order's quantity.
    /// - [`Error::is_rule_violation`]: the quantity is not positive (`ck_fills_quantity_positive`).
    /// - [`Error::is_invalid_input`]: price or commission have more decimal places than their columns
    ///   ([`widths`](crate::widths)).
    pub fn correct(&mut self, new: &NewCorrection<'_>) -> Result<Fill, Error> {
        self.correct_as(Uuid::now_v7(), None, new).map(StoredFill::into_fill)
    }

    /// Records a correction as [`Fills::correct`] does, under an id that the caller has chosen and with this
    /// source, by default that of the fill. A correction without an execution id is deduplicated by its id.
    pub(crate) fn correct_as(
        &mut self,
        id: Uuid,
        source: Option<&str>,
        new: &NewCorrection<'_>,
    ) -> Result<StoredFill, Error> {
        self.amend(
            id,
            &Amendment {
                amends: new.amends,
                source,
                is_bust: false,
                timestamp: new.timestamp,
                quantity_filled: Some(new.quantity_filled),
                price_at_fill: Some(new.price_at_fill),
                commission: new.commission,
                rebate: new.rebate,
                execution_id: new.execution_id,
            },
        )
    }

    fn amend(&mut self, id: Uuid, new: &Amendment<'_>) -> Result<StoredFill, Error> {
        check_execution_id(new.execution_id)?;
        years::check_time("timestamp", Some(new.timestamp))?;
        WidthCheck::of(|widths| {
            widths.price("price", new.price_at_fill);
            widths.commission("commission", new.commission);
            widths.commission("rebate", new.rebate);
        })
        .check(self.conn)?;
        let insert_error = |error: DieselError| {
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
            .map_err(insert_error)?;
        if let Some(fill) = stored {
            return Ok(StoredFill::New(fill));
        }
        let amended = self.get(new.amends)?;
        let stored = match new.execution_id {
            Some(execution_id) => {
                let source = new.source.unwrap_or(&amended.source);
                self.find_execution(amended.order_id, source, execution_id, true, new.is_bust)?
            }
            None => self.find_in_chain(amended.order_id, id)?,
        };
        if let Some(stored) = stored {
            let differing = new.compare(&stored);
            return stored_or_mismatch(stored, new.execution_id, differing);
        }
        // ON CONFLICT hides which constraint was hit; insert again without it so that PostgreSQL names it.
        diesel::insert_into(fills::table)
            .values(row)
            .returning(Fill::as_returning())
            .get_result(self.conn)
            .optional()
            .map_err(insert_error)?
            .map(StoredFill::New)
            .ok_or_else(|| Error::lost_race("amendment of fill", new.amends))
    }
}
