//! What the store knows of the orders that some reports are of.

use std::collections::{HashMap, HashSet};

use diesel::prelude::*;
use uuid::Uuid;

use crate::database::role::Engine;
use crate::database::session::Tx;
use crate::error::Error;
use crate::ingest::event::{Event, Kind};
use crate::orders::{Order, Orders};
use crate::schema::orders;
use crate::types::difference::{Comparison, Difference};
use crate::types::enums::Side;

/// The orders that reports may be of, by every id that a report may call them by.
#[derive(Default)]
pub(super) struct Book {
    orders: HashMap<Uuid, Known>,
    by_client_id: HashMap<String, Vec<Uuid>>,
    by_venue_id: HashMap<String, Vec<Uuid>>,
}

/// As much of an order as it takes to know it again.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub id: Uuid,
    pub trader_id: Uuid,
    /// The first order of its replace chain; its own id if it has replaced none.
    pub root: Uuid,
    pub replaced_by: Option<Uuid>,
    /// Whether it is still to be submitted.
    pub is_new: bool,
    pub symbol: String,
    pub side: Option<Side>,
    pub quantity: i32,
}

impl Known {
    /// Refuses what would be another order under the same id.
    pub fn check(&self, event: &Event<'_>) -> Result<(), String> {
        let mut comparison = Comparison::default();
        if let Some(symbol) = event.symbol.as_deref() {
            comparison.field("symbol", self.symbol.as_str(), symbol);
        }
        if let Some(side) = event.side {
            comparison.optional("side", self.side, Some(side));
        }
        if let Some(quantity) = event.quantity.filter(|_| event.kind == Kind::NewOrder) {
            let reported = quantity.value().normalized().to_plain_string();
            comparison.field("quantity", self.quantity.to_string(), reported);
        }
        let differing = comparison.differences();
        let told = differing.iter().map(|Difference { field, stored, other }| {
            format!("{field} {other}, and not {stored}")
        });
        match told.reduce(|all, field| format!("{all}; {field}")) {
            None => Ok(()),
            Some(told) => {
                Err(format!("is of another order than order {} of this id: {told}", self.id))
            }
        }
    }
}

impl Book {
    /// Loads what these reports may be of, each with the trader that it names.
    pub fn load(
        tx: &mut Tx<'_, Engine>,
        events: &[Event<'_>],
        traders: &[Option<Uuid>],
    ) -> Result<Self, Error> {
        let mut client_ids: HashMap<Option<Uuid>, HashSet<&str>> = HashMap::new();
        let (mut venue_ids, mut ids) = (HashSet::new(), HashSet::new());
        for (event, trader) in events.iter().zip(traders) {
            let called = [&event.client_order_id, &event.original_client_order_id];
            let called = called.into_iter().flatten().map(AsRef::as_ref);
            client_ids.entry(*trader).or_default().extend(called);
            venue_ids.extend(event.venue_order_id.as_deref());
            ids.extend(event.order_id);
            ids.extend(event.id.filter(|_| event.kind == Kind::NewOrder));
            ids.extend(event.replaces);
        }
        let conn = tx.connection();
        let mut found: Vec<Order> = Order::query().filter(orders::id.eq_any(&ids)).load(conn)?;
        if !venue_ids.is_empty() {
            found.extend(
                Order::query().filter(orders::venue_order_id.eq_any(&venue_ids)).load(conn)?,
            );
        }
        for (trader, client_ids) in &client_ids {
            let query = Order::query().filter(orders::client_order_id.eq_any(client_ids));
            found.extend(match trader {
                // By the index, which is a trader's.
                Some(trader) => query.filter(orders::trader_id.eq(trader)).load(conn)?,
                None if client_ids.is_empty() => Vec::new(),
                None => query.load(conn)?,
            });
        }
        let mut book = Self::default();
        book.add(tx, found)?;
        Ok(book)
    }

    /// Takes orders in, with all of the chains that they are of.
    fn add(&mut self, tx: &mut Tx<'_, Engine>, found: Vec<Order>) -> Result<(), Error> {
        let mut all: HashMap<Uuid, Order> =
            found.into_iter().map(|order| (order.id, order)).collect();
        let mut last: Vec<Uuid> = all.keys().copied().collect();
        // Each is replaced by one that came after it, so this comes to an end.
        while !last.is_empty() {
            let next: Vec<Order> =
                Order::query().filter(orders::replaces.eq_any(&last)).load(tx.connection())?;
            last = next.iter().map(|order| order.id).filter(|id| !all.contains_key(id)).collect();
            all.extend(next.into_iter().map(|order| (order.id, order)));
        }
        let first: Vec<Uuid> = all.values().filter_map(|order| order.replaces).collect();
        let mut orders = Orders { role: tx.role(), conn: tx.connection() };
        all.extend(orders.load_chains(&first)?);
        for order in all.values() {
            let mut root = order;
            while let Some(replaced) = root.replaces.and_then(|replaced| all.get(&replaced)) {
                root = replaced;
            }
            let known = Known {
                id: order.id,
                trader_id: order.trader_id,
                root: root.id,
                replaced_by: None,
                is_new: false,
                symbol: order.symbol.clone(),
                side: order.side,
                quantity: order.quantity,
            };
            self.enter(known, order.client_order_id.as_deref(), order.venue_order_id.as_deref());
        }
        for order in all.values() {
            if let Some(replaced) = order.replaces {
                self.replace(replaced, order.id);
            }
        }
        Ok(())
    }

    /// Takes an order in, by what it is called.
    pub fn enter(&mut self, known: Known, client_id: Option<&str>, venue_id: Option<&str>) {
        let id = known.id;
        self.orders.insert(id, known);
        if let Some(client_id) = client_id {
            self.by_client_id.entry(client_id.to_owned()).or_default().push(id);
        }
        if let Some(venue_id) = venue_id {
            self.call(id, venue_id);
        }
    }

    /// Learns what the venue calls an order.
    pub fn call(&mut self, id: Uuid, venue_id: &str) {
        let called = self.by_venue_id.entry(venue_id.to_owned()).or_default();
        if !called.contains(&id) {
            called.push(id);
        }
    }

    /// Learns that an order has been replaced.
    pub fn replace(&mut self, replaced: Uuid, by: Uuid) {
        if let Some(order) = self.orders.get_mut(&replaced) {
            order.replaced_by = Some(by);
        }
    }

    pub fn get(&self, id: Uuid) -> Option<&Known> {
        self.orders.get(&id)
    }

    /// The orders that are stored.
    pub fn stored(&self) -> Vec<Uuid> {
        self.orders.values().filter(|order| !order.is_new).map(|order| order.id).collect()
    }

    /// The order that a report is of: by the store's own id, by the client's, by the venue's, or by the
    /// client's of before a change.
    pub fn find(&self, event: &Event<'_>, trader: Option<Uuid>) -> Option<&Known> {
        let by_id = event.order_id.or(event.id.filter(|_| event.kind == Kind::NewOrder));
        if let Some(id) = by_id {
            return self.orders.get(&id);
        }
        self.by_client_id(event.client_order_id.as_deref(), trader)
            .or_else(|| self.by_venue_id(event, trader))
            .or_else(|| self.by_client_id(event.original_client_order_id.as_deref(), trader))
    }

    /// The order that a new one replaces.
    pub fn replaced(&self, event: &Event<'_>, trader: Option<Uuid>) -> Option<&Known> {
        if let Some(id) = event.replaces {
            return self.orders.get(&id);
        }
        self.by_client_id(event.original_client_order_id.as_deref(), trader).or_else(|| {
            let is_by_venue = event.kind == Kind::Replaced;
            is_by_venue.then(|| self.by_venue_id(event, trader)).flatten()
        })
    }

    pub fn by_client_id(&self, id: Option<&str>, trader: Option<Uuid>) -> Option<&Known> {
        self.only(self.by_client_id.get(id?)?, trader)
    }

    /// The last of its chain, which the venue goes on to call by the same id. None if it has called two
    /// orders so that have nothing to do with each other, as on two days.
    fn by_venue_id(&self, event: &Event<'_>, trader: Option<Uuid>) -> Option<&Known> {
        let called = self.by_venue_id.get(event.venue_order_id.as_deref()?)?;
        let of_trader = called
            .iter()
            .filter_map(|id| self.orders.get(id))
            .filter(|order| trader.is_none_or(|trader| trader == order.trader_id));
        let mut last = of_trader.map(|order| self.last(order));
        let only = last.next()?;
        last.all(|other| other.id == only.id).then_some(only)
    }

    fn last<'b>(&'b self, mut order: &'b Known) -> &'b Known {
        while let Some(next) = order.replaced_by.and_then(|next| self.orders.get(&next)) {
            order = next;
        }
        order
    }

    /// The one order of the trader; with no trader named the only one there is.
    fn only(&self, ids: &[Uuid], trader: Option<Uuid>) -> Option<&Known> {
        let mut of_trader = ids
            .iter()
            .filter_map(|id| self.orders.get(id))
            .filter(|order| trader.is_none_or(|trader| trader == order.trader_id));
        let only = of_trader.next();
        only.filter(|_| of_trader.next().is_none())
    }
}
