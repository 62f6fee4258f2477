//! The orders that a batch of reports may refer to, as the store knows them.

use std::collections::{HashMap, HashSet};

use diesel::prelude::*;
use uuid::Uuid;

use crate::database::role::Engine;
use crate::database::transaction::Tx;
use crate::error::Error;
use crate::ingest::event::{Event, Kind};
use crate::orders::{Order, Orders};
use crate::schema::orders;
use crate::types::difference::{Comparison, Difference};
use crate::types::enums::Side;

/// The orders that reports of a batch may refer to, by every id that a report may use.
#[derive(Default)]
pub(super) struct KnownOrders {
    orders: HashMap<Uuid, KnownOrder>,
    by_client_id: HashMap<String, Vec<Uuid>>,
    by_venue_id: HashMap<String, Vec<Uuid>>,
}

/// The part of an order that identifies it.
#[derive(Clone, Debug)]
pub(super) struct KnownOrder {
    pub id: Uuid,
    pub trader_id: Uuid,
    /// The first order of its chain; its own id if it has replaced none.
    pub root: Uuid,
    pub replaced_by: Option<Uuid>,
    /// Whether the batch has yet to submit it.
    pub is_new: bool,
    pub symbol: String,
    pub side: Option<Side>,
    pub quantity: i32,
}

impl KnownOrder {
    /// Checks that a report describes this order.
    ///
    /// # Errors
    ///
    /// A description of the terms that differ, if the report describes another order under the same id.
    pub fn check(&self, event: &Event<'_>) -> Result<(), String> {
        let mut comparison = Comparison::default();
        if let Some(symbol) = event.symbol.as_deref() {
            comparison.field("symbol", self.symbol.as_str(), symbol);
        }
        // Venues report a short sale as a sale too.
        if let Some(side) = event.side
            && self.side.is_none_or(|own| own.is_buy() != side.is_buy())
        {
            comparison.optional("side", self.side, Some(side));
        }
        if let Some(quantity) = event.quantity.filter(|_| event.kind == Kind::NewOrder) {
            let reported = quantity.value().normalized().to_plain_string();
            comparison.field("quantity", self.quantity.to_string(), reported);
        }
        let differing: Vec<String> = comparison
            .differences()
            .iter()
            .map(|Difference { field, stored, other }| {
                format!("{field} is {other} in the report and {stored} in the store")
            })
            .collect();
        if differing.is_empty() {
            return Ok(());
        }
        let differing = differing.join("; ");
        Err(format!("another order has this id already, {}: {differing}", self.id))
    }
}

impl KnownOrders {
    /// Loads the orders that these reports may refer to, with their chains. `traders` holds the trader of
    /// each report.
    pub fn load(
        tx: &mut Tx<'_, Engine>,
        events: &[Event<'_>],
        traders: &[Option<Uuid>],
    ) -> Result<Self, Error> {
        let mut client_ids: HashMap<Option<Uuid>, HashSet<&str>> = HashMap::new();
        let (mut venue_ids, mut ids) = (HashSet::new(), HashSet::new());
        for (event, trader) in events.iter().zip(traders) {
            let of_client = [&event.client_order_id, &event.original_client_order_id];
            let of_client = of_client.into_iter().flatten().map(AsRef::as_ref);
            client_ids.entry(*trader).or_default().extend(of_client);
            venue_ids.extend(event.venue_order_id.as_deref());
            ids.extend(event.order_id);
            ids.extend(event.id.filter(|_| event.kind == Kind::NewOrder));
            ids.extend(event.replaces);
        }
        let conn = tx.conn();
        let mut found: Vec<Order> = Order::query().filter(orders::id.eq_any(&ids)).load(conn)?;
        if !venue_ids.is_empty() {
            found.extend(
                Order::query().filter(orders::venue_order_id.eq_any(&venue_ids)).load(conn)?,
            );
        }
        for (trader, client_ids) in &client_ids {
            let query = Order::query().filter(orders::client_order_id.eq_any(client_ids));
            found.extend(match trader {
                // The index on client ids begins with the trader.
                Some(trader) => query.filter(orders::trader_id.eq(trader)).load(conn)?,
                None if client_ids.is_empty() => Vec::new(),
                None => query.load(conn)?,
            });
        }
        let mut known = Self::default();
        known.add_with_chains(tx, found)?;
        Ok(known)
    }

    /// Adds stored orders, and all orders of their chains.
    fn add_with_chains(&mut self, tx: &mut Tx<'_, Engine>, found: Vec<Order>) -> Result<(), Error> {
        let mut all: HashMap<Uuid, Order> =
            found.into_iter().map(|order| (order.id, order)).collect();
        let mut last: Vec<Uuid> = all.keys().copied().collect();
        // The loop ends because an order can only replace one that was stored before it.
        while !last.is_empty() {
            let next: Vec<Order> =
                Order::query().filter(orders::replaces.eq_any(&last)).load(tx.conn())?;
            last = next.iter().map(|order| order.id).filter(|id| !all.contains_key(id)).collect();
            all.extend(next.into_iter().map(|order| (order.id, order)));
        }
        let replaced: Vec<Uuid> = all.values().filter_map(|order| order.replaces).collect();
        let mut orders = Orders { role: tx.role(), conn: tx.conn() };
        all.extend(orders.load_chains(&replaced)?);
        for order in all.values() {
            let mut root = order;
            while let Some(replaced) = root.replaces.and_then(|replaced| all.get(&replaced)) {
                root = replaced;
            }
            let known = KnownOrder {
                id: order.id,
                trader_id: order.trader_id,
                root: root.id,
                replaced_by: None,
                is_new: false,
                symbol: order.symbol.clone(),
                side: order.side,
                quantity: order.quantity,
            };
            self.insert(known, order.client_order_id.as_deref(), order.venue_order_id.as_deref());
        }
        for order in all.values() {
            if let Some(replaced) = order.replaces {
                self.mark_replaced(replaced, order.id);
            }
        }
        Ok(())
    }

    /// Adds an order under its ids.
    pub fn insert(
        &mut self,
        order: KnownOrder,
        client_order_id: Option<&str>,
        venue_order_id: Option<&str>,
    ) {
        let id = order.id;
        self.orders.insert(id, order);
        if let Some(client_order_id) = client_order_id {
            self.by_client_id.entry(client_order_id.to_owned()).or_default().push(id);
        }
        if let Some(venue_order_id) = venue_order_id {
            self.add_venue_id(id, venue_order_id);
        }
    }

    /// Adds an id that the venue uses for an order.
    pub fn add_venue_id(&mut self, id: Uuid, venue_order_id: &str) {
        let orders = self.by_venue_id.entry(venue_order_id.to_owned()).or_default();
        if !orders.contains(&id) {
            orders.push(id);
        }
    }

    /// Marks an order as replaced by another one.
    pub fn mark_replaced(&mut self, replaced: Uuid, by: Uuid) {
        if let Some(order) = self.orders.get_mut(&replaced) {
            order.replaced_by = Some(by);
        }
    }

    /// Returns the order with this id of the store.
    pub fn get(&self, id: Uuid) -> Option<&KnownOrder> {
        self.orders.get(&id)
    }

    /// Returns the ids of the orders that are stored already.
    pub fn stored_ids(&self) -> Vec<Uuid> {
        self.orders.values().filter(|order| !order.is_new).map(|order| order.id).collect()
    }

    /// Finds the order of a report: by the store's own id, by the client's id (FIX tag 11), by the venue's
    /// (37), or by the client's id before a change (41), in this order.
    pub fn find(&self, event: &Event<'_>, trader: Option<Uuid>) -> Option<&KnownOrder> {
        let by_id = event.order_id.or(event.id.filter(|_| event.kind == Kind::NewOrder));
        if let Some(id) = by_id {
            return self.orders.get(&id);
        }
        self.find_by_client_id(event.client_order_id.as_deref(), trader)
            .or_else(|| self.find_by_venue_id(event, trader))
            .or_else(|| self.find_by_client_id(event.original_client_order_id.as_deref(), trader))
    }

    /// Finds the order that the new order of a report replaces.
    pub fn find_replaced(&self, event: &Event<'_>, trader: Option<Uuid>) -> Option<&KnownOrder> {
        if let Some(id) = event.replaces {
            return self.orders.get(&id);
        }
        self.find_by_client_id(event.original_client_order_id.as_deref(), trader).or_else(|| {
            let is_replacement = event.kind == Kind::Replaced;
            is_replacement.then(|| self.find_by_venue_id(event, trader)).flatten()
        })
    }

    /// Finds the trader's order with this client id; without a trader, the only order with it.
    pub fn find_by_client_id(&self, id: Option<&str>, trader: Option<Uuid>) -> Option<&KnownOrder> {
        let mut orders = self.orders_of(self.by_client_id.get(id?)?, trader);
        let order = orders.next();
        order.filter(|_| orders.next().is_none())
    }

    /// Finds the last order of the chain that has the venue's id of the report: a venue may keep the id when
    /// an order is replaced. None if two chains have the id, as when a venue starts over on the next day.
    fn find_by_venue_id(&self, event: &Event<'_>, trader: Option<Uuid>) -> Option<&KnownOrder> {
        let ids = self.by_venue_id.get(event.venue_order_id.as_deref()?)?;
        let mut last = self.orders_of(ids, trader).map(|order| self.last_of_chain(order));
        let order = last.next()?;
        last.all(|other| other.id == order.id).then_some(order)
    }

    fn last_of_chain<'b>(&'b self, mut order: &'b KnownOrder) -> &'b KnownOrder {
        while let Some(next) = order.replaced_by.and_then(|next| self.orders.get(&next)) {
            order = next;
        }
        order
    }

    /// Those of these orders that are the trader's; without a trader, all of them.
    fn orders_of<'b>(
        &'b self,
        ids: &'b [Uuid],
        trader: Option<Uuid>,
    ) -> impl Iterator<Item = &'b KnownOrder> {
        ids.iter()
            .filter_map(|id| self.orders.get(id))
            .filter(move |order| trader.is_none_or(|trader| trader == order.trader_id))
    }
}
