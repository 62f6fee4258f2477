//! The totals of an order, as its venue reports them, held against the store's.

use bigdecimal::{BigDecimal, Zero};
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use uuid::Uuid;

use crate::database::role::Role;
use crate::error::Error;
use crate::orders::chain::Filled;
use crate::orders::{Order, Orders};
use crate::schema::orders;
use crate::types::currency::factors;
use crate::types::difference::{Comparison, Difference};
use crate::types::enums::OrderStatus;

/// Decimal places to which an average is compared at least: who writes 10.5 means 10.50.
const LEAST_SCALE: i64 = 2;

/// How an order stands by its venue's account.
///
/// An order that has replaced another one stands for both: its totals are those of the whole chain, as FIX
/// has it. What a report leaves out is not compared.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Totals<'a> {
    /// The order.
    pub order_id: Uuid,
    /// Who reports it, 1 to 50 characters.
    pub venue: &'a str,
    /// The venue's id of the report (FIX tag 17, ExecID), 1 to 64 characters, by which it is known again.
    pub execution_id: Option<&'a str>,
    /// When the venue said so (FIX tag 60, TransactTime); kept to the microsecond.
    pub timestamp: DateTime<Utc>,
    /// Where the order stands (FIX tag 39, OrdStatus).
    pub status: Option<OrderStatus>,
    /// Shares filled so far (FIX tag 14, CumQty).
    pub filled_quantity: BigDecimal,
    /// Average price of those in currency units (FIX tag 6, AvgPx). Compared to as many decimal places
    /// as it has, at least two: less than one unit of the last may differ, for venues cut or round. One of
    /// 0 says nothing.
    pub average_price: Option<BigDecimal>,
    /// The currency of that price (FIX tag 15), where the venue says it: what is in pounds and what is in
    /// pence is the same price.
    pub currency: Option<&'a str>,
    /// The message as it came, up to 65536 characters.
    pub raw: Option<&'a str>,
}

impl<R: Role> Orders<'_, R> {
    /// In what the store's account of these orders differs from the venue's, in the same order; nothing of
    /// an order that has been replaced, since what was said of it has gone over to the one in its place.
    ///
    /// # Errors
    ///
    /// [`Error::is_not_found`]: one of the orders is not there, or is another trader's.
    pub fn compare_totals(&mut self, totals: &[Totals<'_>]) -> Result<Vec<Vec<Difference>>, Error> {
        let ids: Vec<Uuid> = totals.iter().map(|totals| totals.order_id).collect();
        let chains = self.predecessors(&ids)?;
        let replaced: Vec<Option<Uuid>> = orders::table
            .filter(orders::replaces.eq_any(&ids))
            .select(orders::replaces)
            .load(self.conn)?;
        totals
            .iter()
            .map(|totals| {
                let order = chains
                    .get(&totals.order_id)
                    .ok_or_else(|| Error::not_found("order", totals.order_id))?;
                if replaced.contains(&Some(order.id)) {
                    return Ok(Vec::new());
                }
                Ok(totals.compare(order, &Filled::of(order, &chains)))
            })
            .collect()
    }
}

impl Totals<'_> {
    fn compare(&self, order: &Order, filled: &Filled) -> Vec<Difference> {
        let mut comparison = Comparison::default();
        let there = self.filled_quantity.normalized().to_plain_string();
        comparison.field("filled quantity", filled.shares.to_string(), there);
        // What is filled of the orders before it counts for the venue.
        let here = match order.status {
            OrderStatus::Pending if filled.shares > 0 => OrderStatus::Partial,
            status => status,
        };
        if let Some(status) = self.status {
            comparison.field("status", here, status);
        }
        if let Some(reported) = self.average_price.as_ref().filter(|price| !price.is_zero())
            && filled.shares > 0
            && !self.is_average(reported, filled)
        {
            let scale = reported.fractional_digit_count().max(LEAST_SCALE) + 2;
            let here = (&filled.notional / BigDecimal::from(filled.shares)).with_scale(scale);
            let (here, there) = (here.to_plain_string(), reported.to_plain_string());
            comparison.field("average price", here, there);
        }
        comparison.differences()
    }

    fn is_average(&self, reported: &BigDecimal, filled: &Filled) -> bool {
        let shares = BigDecimal::from(filled.shares);
        let unit = BigDecimal::new(1.into(), reported.fractional_digit_count().max(LEAST_SCALE));
        // Multiplied out, because a quotient would be rounded.
        factors(self.currency).iter().any(|factor| {
            let differs = (reported * factor * &shares - &filled.notional).abs();
            differs < &unit * factor * &shares
        })
    }
}
