//! Compares the totals of an order with those that its venue reports.

use bigdecimal::{BigDecimal, Zero};
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use uuid::Uuid;

use crate::database::role::Role;
use crate::error::Error;
use crate::orders::chain::ChainTotals;
use crate::orders::{Order, Orders};
use crate::schema::orders;
use crate::types::currency::unit_factors;
use crate::types::difference::{Comparison, Difference};
use crate::types::enums::OrderStatus;

/// Least decimal places to which an average price is compared: a reported 10.5 means 10.50.
const LEAST_SCALE: i64 = 2;

/// More decimal places than the reported average has, for the stored average in a [`Difference`].
const EXTRA_SCALE: i64 = 2;

/// Status and totals of an order as its venue reports them, for [`Orders::compare_totals`] and
/// [`Breaks::reconcile`](crate::Breaks::reconcile).
///
/// They count the whole order chain, as FIX does: the fills of an order and of every order that it replaces.
/// A field that is `None` is not compared.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Totals<'a> {
    /// The order that the venue reports on: the last one of its order chain.
    pub order_id: Uuid,
    /// The venue that reports, 1 to 50 characters.
    pub venue: &'a str,
    /// The venue's id of the report (FIX tag 17, ExecID), 1 to 64 characters. It makes reconciling a report
    /// idempotent.
    pub execution_id: Option<&'a str>,
    /// When the venue made the report (FIX tag 60, TransactTime); cut to microseconds.
    pub timestamp: DateTime<Utc>,
    /// Status of the order (FIX tag 39, OrdStatus).
    pub status: Option<OrderStatus>,
    /// Filled shares of the order chain (FIX tag 14, CumQty).
    pub filled_quantity: BigDecimal,
    /// Average price of those shares in currency units (FIX tag 6, AvgPx).
    ///
    /// It is compared to as many decimal places as it has, at least two. Venues truncate or round, so a
    /// difference of less than one unit of the last place is none. 0 is not compared.
    pub average_price: Option<BigDecimal>,
    /// Currency of the average price (FIX tag 15, Currency), e.g. `GBP` or `GBX`. With it, a price in pounds
    /// equals the same price in pence.
    pub currency: Option<&'a str>,
    /// The message as received, up to 65536 characters.
    pub raw: Option<&'a str>,
}

impl<R: Role> Orders<'_, R> {
    /// Compares orders with what their venues report, and returns the differing fields of each report.
    ///
    /// The fields are `filled quantity`, `status` and `average price`; an empty list means that the store
    /// and the venue agree. An order that has been replaced is not compared: its fills count for the order
    /// that replaced it.
    ///
    /// # Errors
    ///
    /// [`Error::is_not_found`]: one of the orders is not stored, or belongs to another trader than the
    /// session's.
    pub fn compare_totals(&mut self, totals: &[Totals<'_>]) -> Result<Vec<Vec<Difference>>, Error> {
        let ids: Vec<Uuid> = totals.iter().map(|totals| totals.order_id).collect();
        let chains = self.load_chains(&ids)?;
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
                Ok(totals.compare(order, &ChainTotals::of(order, &chains)))
            })
            .collect()
    }
}

impl Totals<'_> {
    /// Returns the fields in which the stored order differs from the report.
    fn compare(&self, order: &Order, chain: &ChainTotals) -> Vec<Difference> {
        let mut comparison = Comparison::default();
        let reported = self.filled_quantity.normalized().to_plain_string();
        comparison.field("filled quantity", chain.shares.to_string(), reported);
        // To the venue a replacement is partially filled if the orders before it are.
        let status = match order.status {
            OrderStatus::Pending if chain.shares > 0 => OrderStatus::Partial,
            status => status,
        };
        if let Some(reported) = self.status {
            comparison.field("status", status, reported);
        }
        if let Some(reported) = self.average_price.as_ref().filter(|price| !price.is_zero())
            && chain.shares > 0
            && !self.is_average(reported, chain)
        {
            let scale = reported.fractional_digit_count().max(LEAST_SCALE) + EXTRA_SCALE;
            let stored = (&chain.notional / BigDecimal::from(chain.shares)).with_scale(scale);
            let (stored, reported) = (stored.to_plain_string(), reported.to_plain_string());
            comparison.field("average price", stored, reported);
        }
        comparison.differences()
    }

    /// Whether a reported price is the average price of the chain, in either unit of its currency.
    fn is_average(&self, reported: &BigDecimal, chain: &ChainTotals) -> bool {
        let shares = BigDecimal::from(chain.shares);
        let unit = BigDecimal::new(1.into(), reported.fractional_digit_count().max(LEAST_SCALE));
        // Compares products: the quotient notional / shares would have to be rounded.
        unit_factors(self.currency).iter().any(|factor| {
            let difference = (reported * factor * &shares - &chain.notional).abs();
            difference < &unit * factor * &shares
        })
    }
}
