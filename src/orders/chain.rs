//! Replace chains: an order, the one that it replaces, and so on.

use std::collections::HashMap;

use bigdecimal::{BigDecimal, Zero};
use diesel::prelude::*;
use uuid::Uuid;

use super::{Order, Orders};
use crate::database::role::Role;
use crate::error::Error;
use crate::schema::orders;

/// What is filled of an order and of all that it has replaced.
pub(crate) struct Filled {
    pub shares: i64,
    pub notional: BigDecimal,
}

impl<R: Role> Orders<'_, R> {
    /// These orders, those that they replace, and so on.
    pub(crate) fn predecessors(&mut self, ids: &[Uuid]) -> Result<HashMap<Uuid, Order>, Error> {
        let mut found: HashMap<Uuid, Order> = HashMap::new();
        let mut wanted = ids.to_vec();
        // Each replaces one that was there before it, so this comes to an end.
        while !wanted.is_empty() {
            let loaded: Vec<Order> =
                Order::query().filter(orders::id.eq_any(&wanted)).load(self.conn)?;
            wanted = loaded.iter().filter_map(|order| order.replaces).collect();
            found.extend(loaded.into_iter().map(|order| (order.id, order)));
            wanted.retain(|id| !found.contains_key(id));
        }
        Ok(found)
    }
}

impl Filled {
    /// Of this order, whose [predecessors](Orders::predecessors) are among these.
    pub(crate) fn of(order: &Order, chains: &HashMap<Uuid, Order>) -> Self {
        let mut filled = Self { shares: 0, notional: BigDecimal::zero() };
        let mut link = Some(order);
        while let Some(order) = link {
            filled.shares += i64::from(order.filled_quantity);
            filled.notional += &order.filled_notional;
            link = order.replaces.and_then(|replaced| chains.get(&replaced));
        }
        filled
    }
}
