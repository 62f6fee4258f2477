//! Running totals: filled shares, notional, commission and rebate of an order after each entry of its log.

use std::collections::HashMap;

use bigdecimal::{BigDecimal, RoundingMode};
use diesel::pg::PgRowByRowLoadingMode;
use diesel::prelude::*;
use uuid::Uuid;

use crate::schema::{execution_logs, fills};
use crate::types::enums::OrderStatus;
use crate::types::price::{Commission, Price};

diesel::alias!(fills as amended_fills: AmendedFills);

/// Decimal places to which an average price is rounded.
pub(super) const AVERAGE_PLACES: u8 = 10;

/// Totals over the effective fills of an order: each with its last correction, without busted ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RunningTotals {
    pub shares: i64,
    /// Sum of quantity × price in currency units, exact.
    pub notional: BigDecimal,
    /// Sum of commissions in currency units, exact.
    pub commission: BigDecimal,
    /// Sum of rebates in currency units, exact.
    pub rebate: BigDecimal,
}

/// The state of an order before and after one entry of its log.
#[derive(Clone, Debug, Default)]
pub(super) struct OrderState {
    pub status_before: Option<OrderStatus>,
    pub venue_order_id: Option<String>,
    pub before: RunningTotals,
    pub after: RunningTotals,
}

/// The columns of a fill that the totals are computed from.
#[derive(Queryable)]
struct FillAmounts {
    quantity: i32,
    price: Price,
    commission: Commission,
    rebate: Commission,
}

/// An entry of the log, with the fill that it records and the fill that this one amends.
#[derive(Queryable)]
struct Step {
    order_id: Uuid,
    sequence: i64,
    status: Option<OrderStatus>,
    venue_order_id: Option<String>,
    is_bust: Option<bool>,
    fill: Option<FillAmounts>,
    amended: Option<FillAmounts>,
}

impl RunningTotals {
    /// Returns the average price, half away from zero to [`AVERAGE_PLACES`], and whether it is exact; none if no
    /// share is filled.
    pub fn average_price(&self) -> Option<(BigDecimal, bool)> {
        if self.shares <= 0 {
            return None;
        }
        let shares = BigDecimal::from(self.shares);
        let places = i64::from(AVERAGE_PLACES);
        let average = (&self.notional / &shares).with_scale_round(places, RoundingMode::HalfUp);
        let is_exact = &average * shares == self.notional;
        Some((average, is_exact))
    }

    pub fn minus(&self, other: &Self) -> Self {
        Self {
            shares: self.shares - other.shares,
            notional: &self.notional - &other.notional,
            commission: &self.commission - &other.commission,
            rebate: &self.rebate - &other.rebate,
        }
    }

    pub fn add(&mut self, other: &Self) {
        self.shares += other.shares;
        self.notional += &other.notional;
        self.commission += &other.commission;
        self.rebate += &other.rebate;
    }

    /// Adds a fill `times` times; -1 subtracts it.
    fn add_fill(&mut self, fill: &FillAmounts, times: i64) {
        let shares = times * i64::from(fill.quantity);
        self.shares += shares;
        self.notional += BigDecimal::from(shares) * BigDecimal::from(fill.price);
        self.commission += BigDecimal::from(times) * BigDecimal::from(fill.commission);
        self.rebate += BigDecimal::from(times) * BigDecimal::from(fill.rebate);
    }
}

/// Computes the state of these orders around each entry for which `is_wanted` returns true; by the number of the
/// entry. Reads the log of the orders from its beginning up to the entry `last`, row by row.
pub(super) fn order_states(
    conn: &mut PgConnection,
    order_ids: &[Uuid],
    last: i64,
    is_wanted: impl Fn(i64) -> bool,
) -> QueryResult<HashMap<i64, OrderState>> {
    let amended = amended_fills;
    let amounts = (fills::quantity_filled, fills::price_at_fill, fills::commission, fills::rebate);
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
            amounts.nullable(),
            amended.fields(amounts).nullable(),
        ))
        .load_iter::<Step, PgRowByRowLoadingMode>(conn)?;
    let mut current: HashMap<Uuid, OrderState> = HashMap::new();
    let mut wanted = HashMap::new();
    for step in steps {
        let step = step?;
        let state = current.entry(step.order_id).or_default();
        state.before = state.after.clone();
        if let Some(amended) = &step.amended {
            state.after.add_fill(amended, -1);
        }
        if let Some(fill) = step.fill.filter(|_| step.is_bust == Some(false)) {
            state.after.add_fill(&fill, 1);
        }
        if state.venue_order_id.is_none() {
            state.venue_order_id = step.venue_order_id;
        }
        if is_wanted(step.sequence) {
            wanted.insert(step.sequence, state.clone());
        }
        state.status_before = step.status.or(state.status_before);
    }
    Ok(wanted)
}
