//! What is filled of an order, after each entry of its log.

use std::collections::HashMap;

use bigdecimal::{BigDecimal, RoundingMode};
use diesel::pg::PgRowByRowLoadingMode;
use diesel::prelude::*;
use uuid::Uuid;

use super::row::Row;
use crate::schema::{execution_logs, fills};
use crate::types::enums::OrderStatus;
use crate::types::price::{Commission, Price};

diesel::alias!(fills as amended_fills: AmendedFills);

/// Totals of an order: of the fills that count, each with its last correction and without those that were
/// busted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    pub shares: i64,
    pub notional: BigDecimal,
    pub commission: BigDecimal,
}

/// An order before and after an entry of its log.
#[derive(Clone, Debug, Default)]
pub(super) struct Moment {
    pub status_before: Option<OrderStatus>,
    pub venue_order_id: Option<String>,
    pub before: Standing,
    pub after: Standing,
}

/// A fill, as far as it counts.
#[derive(Queryable)]
struct Counted {
    quantity: i32,
    price: Price,
    commission: Commission,
}

#[derive(Queryable)]
struct Step {
    order_id: Uuid,
    sequence: i64,
    status: Option<OrderStatus>,
    venue_order_id: Option<String>,
    is_bust: Option<bool>,
    fill: Option<Counted>,
    amended: Option<Counted>,
}

impl Standing {
    /// The average price and whether it is exact; none of no shares.
    pub fn average(&self) -> Option<(BigDecimal, bool)> {
        if self.shares <= 0 {
            return None;
        }
        let shares = BigDecimal::from(self.shares);
        let places = i64::from(Row::AVERAGE_PLACES);
        let average = (&self.notional / &shares).with_scale_round(places, RoundingMode::HalfUp);
        let is_exact = &average * shares == self.notional;
        Some((average, is_exact))
    }

    pub fn minus(&self, other: &Self) -> Self {
        Self {
            shares: self.shares - other.shares,
            notional: &self.notional - &other.notional,
            commission: &self.commission - &other.commission,
        }
    }

    pub fn add(&mut self, other: &Self) {
        self.shares += other.shares;
        self.notional += &other.notional;
        self.commission += &other.commission;
    }

    fn count(&mut self, fill: &Counted, times: i64) {
        let shares = times * i64::from(fill.quantity);
        self.shares += shares;
        self.notional += BigDecimal::from(shares) * BigDecimal::from(fill.price);
        self.commission += BigDecimal::from(times) * BigDecimal::from(fill.commission);
    }
}

/// Where these orders stood around each of their entries that `is_wanted`, up to the entry `last`; by the
/// number of the entry. Goes through all that their log says until then, a row at a time.
pub(super) fn moments(
    conn: &mut PgConnection,
    order_ids: &[Uuid],
    last: i64,
    is_wanted: impl Fn(i64) -> bool,
) -> QueryResult<HashMap<i64, Moment>> {
    let amended = amended_fills;
    let counted = (fills::quantity_filled, fills::price_at_fill, fills::commission);
    let steps = execution_logs::table
        .left_join(fills::table.on(execution_logs::fill_id.eq(fills::id.nullable())))
        .left_join(amended.on(fills::amends.eq(amended.field(fills::id).nullable())))
        .filter(execution_logs::order_id.eq_any(order_ids))
        .filter(execution_logs::sequence.le(last))
        .order(execution_logs::sequence)
        .select((
            execution_logs::order_id,
            execution_logs::sequence,
            execution_logs::status,
            execution_logs::venue_order_id,
            fills::is_bust.nullable(),
            counted.nullable(),
            amended.fields(counted).nullable(),
        ))
        .load_iter::<Step, PgRowByRowLoadingMode>(conn)?;
    let mut standing: HashMap<Uuid, Moment> = HashMap::new();
    let mut wanted = HashMap::new();
    for step in steps {
        let step = step?;
        let moment = standing.entry(step.order_id).or_default();
        moment.before = moment.after.clone();
        if let Some(amended) = &step.amended {
            moment.after.count(amended, -1);
        }
        if let Some(fill) = step.fill.filter(|_| step.is_bust == Some(false)) {
            moment.after.count(&fill, 1);
        }
        if moment.venue_order_id.is_none() {
            moment.venue_order_id = step.venue_order_id;
        }
        if is_wanted(step.sequence) {
            wanted.insert(step.sequence, moment.clone());
        }
        moment.status_before = step.status.or(moment.status_before);
    }
    Ok(wanted)
}
