//! Order chains: an order, the order that it replaces, and so on.

use std::collections::HashMap;

use bigdecimal::{BigDecimal, Zero};
use diesel::prelude::*;
use uuid::Uuid;

use super::{Order, Orders};
use crate::database::role::Role;
use crate::error::Error;
use crate::schema::orders;

/// Filled shares and notional of an order chain: an order and every order that it replaces, directly or
/// indirectly. The shares are FIX's CumQty (tag 14).
pub(crate) struct ChainTotals {
    /// Filled shares.
    pub shares: i64,
    /// Sum of quantity × price over the fills that count, in currency units, exact.
    pub notional: BigDecimal,
}

impl<R: Role> Orders<'_, R> {
    /// Returns these orders and every order that they replace, directly or indirectly, by id. An id without
    /// an order that the session may see is left out.
    pub(crate) fn load_chains(&mut self, ids: &[Uuid]) -> Result<HashMap<Uuid, Order>, Error> {
        let mut chains: HashMap<Uuid, Order> = HashMap::new();
        let mut wanted = ids.to_vec();
        // Terminates: an order can only replace one that was stored before it, so there are no cycles.
        while !wanted.is_empty() {
            let loaded: Vec<Order> =
                Order::query().filter(orders::id.eq_any(&wanted)).load(self.conn)?;
            wanted = loaded.iter().filter_map(|order| order.replaces).collect();
            chains.extend(loaded.into_iter().map(|order| (order.id, order)));
            wanted.retain(|id| !chains.contains_key(id));
        }
        Ok(chains)
    }
}

impl ChainTotals {
    /// Returns the totals of the chain that ends with `order`, given the result of
    /// [`Orders::load_chains`].
    pub(crate) fn of(order: &Order, chains: &HashMap<Uuid, Order>) -> Self {
        let mut totals = Self { shares: 0, notional: BigDecimal::zero() };
        let mut link = Some(order);
        while let Some(order) = link {
            totals.shares += i64::from(order.filled_quantity);
            totals.notional += &order.filled_notional;
            link = order.replaces.and_then(|replaced| chains.get(&replaced));
        }
        totals
    }
}
