//! The orders that a batch of reports may refer to, as the store knows them.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use bigdecimal::BigDecimal;
use chrono::{DateTime, NaiveDate, Utc};
use diesel::dsl::max;
use diesel::prelude::*;
use uuid::Uuid;

use super::attribution::unnamed_order_id;
use super::options::Options;
use super::step::{Report, is_id, report_id};
use super::terms::Terms;
use crate::database::role::Engine;
use crate::database::transaction::Tx;
use crate::error::Error;
use crate::ingest::event::{Event, Kind};
use crate::orders::Order;
use crate::schema::{breaks, execution_logs, fills, orders};
use crate::types::enums::BreakReason;

/// The orders that reports of a batch may refer to, by every id that a report may use.
#[derive(Clone, Default)]
pub(super) struct KnownOrders {
    orders: HashMap<Uuid, KnownOrder>,
    by_client_id: HashMap<Uuid, HashMap<String, Vec<Uuid>>>,
    by_venue_id: HashMap<Uuid, HashMap<String, Vec<Uuid>>>,
    /// Reports that the store has already, of those whose ids name several orders: executions, and actions that are
    /// breaks, by their order chain, source and execution id, logged actions by their report id.
    executions: HashSet<(Uuid, String, String)>,
    kept_actions: HashSet<(Uuid, String, String)>,
    actions: HashSet<Uuid>,
}

/// What identifies an order, and its state when the batch began.
#[derive(Clone, Debug)]
pub(super) struct KnownOrder {
    pub id: Uuid,
    /// The first order of its chain; its own id if it has replaced none.
    pub root: Uuid,
    pub replaced_by: Option<Uuid>,
    /// Whether the batch has yet to submit it.
    pub is_new: bool,
    pub is_open: bool,
    pub venue_order_id: Option<String>,
    pub terms: Rc<Terms>,
    /// Shares filled.
    pub filled: i32,
    /// The venue's time of the last report that is stored about the order, where it is asked for.
    pub last_event_at: Option<DateTime<Utc>>,
}

impl KnownOrders {
    /// Loads the orders that these reports may refer to, and those with these ids, with their chains.
    pub fn load(
        tx: &mut Tx<'_, Engine>,
        reports: &[&Report<'_>],
        ids: impl Iterator<Item = Uuid>,
        options: &Options,
    ) -> Result<Self, Error> {
        let mut ids_of_traders: HashMap<Uuid, (HashSet<&str>, HashSet<&str>)> = HashMap::new();
        let mut ids: HashSet<Uuid> = ids.collect();
        for Report { event, trader, .. } in reports {
            ids.extend(event.order_id);
            let Ok(trader) = trader else { continue };
            let (client_ids, venue_ids) = ids_of_traders.entry(*trader).or_default();
            // No order has an id that the columns can't hold, and the database refuses a NUL in a query.
            let client = [&event.client_order_id, &event.original_client_order_id];
            client_ids
                .extend(client.into_iter().flatten().map(AsRef::as_ref).filter(|id| is_id(id)));
            let venue = [&event.venue_order_id, &event.replaces_venue_order_id];
            venue_ids.extend(venue.into_iter().flatten().map(AsRef::as_ref).filter(|id| is_id(id)));
            ids.extend(event.id.filter(|_| event.kind == Kind::NewOrder));
            ids.extend(event.replaces);
            ids.extend(unnamed_order_id(*trader, event, options));
        }
        let conn = tx.conn();
        let mut found: Vec<Order> = Order::query().filter(orders::id.eq_any(&ids)).load(conn)?;
        for (trader, (client_ids, venue_ids)) in &ids_of_traders {
            // Each condition has an index, and the one on client ids begins with the trader.
            let of_trader = || Order::query().filter(orders::trader_id.eq(trader));
            if !client_ids.is_empty() {
                let of_client = orders::client_order_id.eq_any(client_ids);
                found.extend(of_trader().filter(of_client).load(conn)?);
            }
            if !venue_ids.is_empty() {
                let of_venue = orders::venue_order_id.eq_any(venue_ids);
                found.extend(of_trader().filter(of_venue).load(conn)?);
            }
        }
        let mut known = Self::default();
        known.add_with_chains(conn, found)?;
        known.load_ends(conn, reports, options)?;
        known.load_stored_reports(conn, reports, options)?;
        Ok(known)
    }

    /// Adds stored orders, and all orders of their chains.
    fn add_with_chains(&mut self, conn: &mut PgConnection, found: Vec<Order>) -> Result<(), Error> {
        let roots: HashSet<Uuid> = found.iter().map(|order| order.root_id).collect();
        // Two queries, each with an index: that on the root holds replacements only.
        let mut all: Vec<Order> = Order::query().filter(orders::id.eq_any(&roots)).load(conn)?;
        let replacements = orders::root_id.eq_any(&roots).and(orders::replaces.is_not_null());
        all.extend(Order::query().filter(replacements).load::<Order>(conn)?);
        for order in &all {
            self.insert(KnownOrder {
                id: order.id,
                root: order.root_id,
                replaced_by: None,
                is_new: false,
                is_open: order.status.is_open(),
                venue_order_id: order.venue_order_id.clone(),
                terms: Rc::new(Terms::of_stored(order)),
                filled: order.filled_quantity,
                last_event_at: None,
            });
        }
        for order in all {
            if let Some(replaced) = order.replaces {
                self.mark_replaced(replaced, order.id);
            }
        }
        Ok(())
    }

    /// Loads when those orders ended that a report presents as new, or all where ids start again each day: a client
    /// order id that is used again on a later trading day names another order. Of an order that is requested, it loads
    /// the last report also if the order is open.
    fn load_ends(
        &mut self,
        conn: &mut PgConnection,
        reports: &[&Report<'_>],
        options: &Options,
    ) -> Result<(), Error> {
        let mut ended = Vec::new();
        for Report { event, trader, .. } in reports {
            let depends_on_end = options.daily_ids.is_some() || event.kind.presents_new();
            let (Ok(trader), true) = (trader, depends_on_end) else { continue };
            let named = self
                .with_client_id(*trader, event.client_order_id.as_deref())
                .chain(self.with_client_id(*trader, event.original_client_order_id.as_deref()))
                .chain(self.with_venue_id(*trader, event.venue_order_id.as_deref()))
                .flat_map(|order| [order, self.last_of_chain(order)]);
            let is_request = event.kind == Kind::NewOrder;
            let ids = named.filter(|order| is_request || !order.is_open);
            ended.extend(ids.map(|order| order.id));
        }
        if ended.is_empty() {
            return Ok(());
        }
        let of_fills: Vec<(Uuid, Option<DateTime<Utc>>)> = fills::table
            .filter(fills::order_id.eq_any(&ended))
            .group_by(fills::order_id)
            .select((fills::order_id, max(fills::timestamp)))
            .load(conn)?;
        let of_entries: Vec<(Uuid, Option<DateTime<Utc>>)> = execution_logs::table
            .filter(execution_logs::order_id.eq_any(&ended))
            .group_by(execution_logs::order_id)
            .select((execution_logs::order_id, max(execution_logs::reported_at)))
            .load(conn)?;
        for (id, at) in of_fills.into_iter().chain(of_entries) {
            if let Some(order) = self.orders.get_mut(&id) {
                order.last_event_at = order.last_event_at.max(at);
            }
        }
        Ok(())
    }

    /// Loads in which order chains the store has reports whose ids name several chains. Such a report, read again, means
    /// the order that it was applied to.
    fn load_stored_reports(
        &mut self,
        conn: &mut PgConnection,
        reports: &[&Report<'_>],
        options: &Options,
    ) -> Result<(), Error> {
        let (mut roots, mut execution_ids) = (HashSet::new(), HashSet::new());
        let mut report_ids = Vec::new();
        for Report { event, trader, .. } in reports {
            let (Ok(trader), None) = (trader, &event.client_order_id) else { continue };
            let named = self.roots_named(*trader, event);
            if named.len() < 2 {
                continue;
            }
            match event.kind.is_execution() {
                true => execution_ids.extend(event.execution_id.as_deref().filter(|id| is_id(id))),
                false => {
                    report_ids.extend(named.iter().map(|root| report_id(event, *root, options)))
                }
            }
            roots.extend(named);
        }
        if !execution_ids.is_empty() {
            let of_chains = fills::table
                .filter(fills::root_id.eq_any(&roots))
                .filter(fills::execution_id.eq_any(&execution_ids))
                .select((fills::root_id, fills::source, fills::execution_id.assume_not_null()));
            self.executions = of_chains.load(conn)?.into_iter().collect();
        }
        let kept_ids: HashSet<&str> = reports
            .iter()
            .filter(|report| report.event.client_order_id.is_none() && !roots.is_empty())
            .filter_map(|report| report.event.execution_id.as_deref().filter(|id| is_id(id)))
            .collect();
        if !kept_ids.is_empty() {
            let of_chains = self.orders.values().filter(|order| roots.contains(&order.root));
            let orders: Vec<Uuid> = of_chains.map(|order| order.id).collect();
            let kept: Vec<(Uuid, BreakReason, String, String)> = breaks::table
                .filter(breaks::order_id.eq_any(orders))
                .filter(breaks::execution_id.eq_any(&kept_ids))
                .select((
                    breaks::order_id.assume_not_null(),
                    breaks::reason,
                    breaks::source,
                    breaks::execution_id.assume_not_null(),
                ))
                .load(conn)?;
            for (order_id, reason, source, id) in kept {
                let Some(root) = self.orders.get(&order_id).map(|order| order.root) else {
                    continue;
                };
                match reason {
                    BreakReason::UnappliedAction => self.kept_actions.insert((root, source, id)),
                    reason if reason.is_execution() => self.executions.insert((root, source, id)),
                    _ => false,
                };
            }
        }
        if !report_ids.is_empty() {
            let logged = execution_logs::table
                .filter(execution_logs::report_id.eq_any(&report_ids))
                .select(execution_logs::report_id.assume_not_null());
            self.actions = logged.load(conn)?.into_iter().collect();
        }
        Ok(())
    }

    /// Returns whether the store has this report in the chain of the order. Known only for a report whose ids name
    /// several orders.
    pub fn has_report(&self, order: &KnownOrder, event: &Event<'_>, options: &Options) -> bool {
        match &event.execution_id {
            Some(id) if event.kind.is_execution() => {
                let source = options.source_of(event).into_owned();
                self.executions.contains(&(order.root, source, id.to_string()))
            }
            id => {
                let is_kept = id.as_ref().is_some_and(|id| {
                    let source = options.source_of(event).into_owned();
                    self.kept_actions.contains(&(order.root, source, id.to_string()))
                });
                is_kept || self.actions.contains(&report_id(event, order.root, options))
            }
        }
    }

    /// Adds an order under its ids.
    pub fn insert(&mut self, order: KnownOrder) {
        let (id, trader) = (order.id, order.terms.trader_id);
        if let Some(client_order_id) = order.terms.client_order_id.clone() {
            let of_trader = self.by_client_id.entry(trader).or_default();
            of_trader.entry(client_order_id).or_default().push(id);
        }
        if let Some(venue_order_id) = order.venue_order_id.clone() {
            self.index_venue_id(trader, id, venue_order_id);
        }
        self.orders.insert(id, order);
    }

    fn index_venue_id(&mut self, trader: Uuid, id: Uuid, venue_order_id: String) {
        let of_trader = self.by_venue_id.entry(trader).or_default();
        of_trader.entry(venue_order_id).or_default().push(id);
    }

    /// Sets the venue's id of an order that has none so far. Returns whether it has none, so that the log is to
    /// tell it.
    pub fn set_venue_id(&mut self, id: Uuid, venue_order_id: &str) -> bool {
        let Some(order) = self.orders.get_mut(&id) else { return false };
        if order.venue_order_id.is_some() {
            return false;
        }
        order.venue_order_id = Some(venue_order_id.to_owned());
        let trader = order.terms.trader_id;
        self.index_venue_id(trader, id, venue_order_id.to_owned());
        true
    }

    /// Marks an order as replaced by another one.
    pub fn mark_replaced(&mut self, replaced: Uuid, by: Uuid) {
        if let Some(order) = self.orders.get_mut(&replaced) {
            order.replaced_by = Some(by);
            order.is_open = false;
        }
    }

    /// Returns the order with this id of the store.
    pub fn get(&self, id: Uuid) -> Option<&KnownOrder> {
        self.orders.get(&id)
    }

    /// Changes the order with this id, but not its ids.
    #[cfg(any(test, fuzzing))]
    pub fn change(&mut self, id: Uuid, change: impl FnOnce(&mut KnownOrder)) {
        if let Some(order) = self.orders.get_mut(&id) {
            change(order);
        }
    }

    /// Returns all orders.
    #[cfg(any(test, fuzzing))]
    pub fn all(&self) -> impl Iterator<Item = &KnownOrder> {
        self.orders.values()
    }

    /// Returns the first orders of all chains.
    pub fn roots(&self) -> HashSet<Uuid> {
        self.orders.values().map(|order| order.root).collect()
    }

    /// Returns the ids of the orders that are stored already.
    pub fn stored_ids(&self) -> Vec<Uuid> {
        self.orders.values().filter(|order| !order.is_new).map(|order| order.id).collect()
    }

    /// Returns the trader's orders with this client order id: several if ids start again each day.
    pub fn with_client_id(
        &self,
        trader: Uuid,
        id: Option<&str>,
    ) -> impl Iterator<Item = &KnownOrder> {
        let ids = id.and_then(|id| self.by_client_id.get(&trader)?.get(id));
        ids.into_iter().flatten().filter_map(|id| self.orders.get(id))
    }

    /// Returns the trader's orders with the client order id of a report, or with the one that it gives as the earlier.
    fn with_client_ids(
        &self,
        trader: Uuid,
        event: &Event<'_>,
    ) -> impl Iterator<Item = &KnownOrder> {
        let [id, original] =
            [&event.client_order_id, &event.original_client_order_id].map(|id| id.as_deref());
        self.with_client_id(trader, id).chain(self.with_client_id(trader, original))
    }

    /// Returns the first orders of the chains that the client order ids of a report of this trader may mean.
    pub fn roots_with_client_ids(&self, trader: Uuid, event: &Event<'_>) -> HashSet<Uuid> {
        self.with_client_ids(trader, event).map(|order| order.root).collect()
    }

    /// Returns the trader's orders with this venue order id: a venue may keep it when an order is replaced, and
    /// use it again on another day.
    pub fn with_venue_id(
        &self,
        trader: Uuid,
        id: Option<&str>,
    ) -> impl Iterator<Item = &KnownOrder> {
        let ids = id.and_then(|id| self.by_venue_id.get(&trader)?.get(id));
        ids.into_iter().flatten().filter_map(|id| self.orders.get(id))
    }

    /// Returns the first orders of the chains that the ids of a report of this trader may mean.
    pub fn roots_named(&self, trader: Uuid, event: &Event<'_>) -> HashSet<Uuid> {
        let by_store_id = event.order_id.and_then(|id| self.orders.get(&id));
        by_store_id
            .into_iter()
            .chain(self.with_client_ids(trader, event))
            .chain(self.with_venue_id(trader, event.venue_order_id.as_deref()))
            .chain(self.with_venue_id(trader, event.replaces_venue_order_id.as_deref()))
            .map(|order| order.root)
            .collect()
    }

    /// Returns the last order of the chain of this one.
    pub fn last_of_chain<'b>(&'b self, order: &'b KnownOrder) -> &'b KnownOrder {
        self.follow(order, |_| true)
    }

    /// Returns the order that an id of this order means now: the last of those that replaced it without an id of
    /// their own.
    pub fn bearer_of_id<'b>(&'b self, order: &'b KnownOrder) -> &'b KnownOrder {
        self.follow(order, |next| next.terms.client_order_id.is_none())
    }

    fn follow<'b>(
        &'b self,
        mut order: &'b KnownOrder,
        goes_on: impl Fn(&KnownOrder) -> bool,
    ) -> &'b KnownOrder {
        // The loop ends: the database refuses an order that replaces itself, and a second replacement of one.
        while let Some(next) = order.replaced_by.and_then(|next| self.orders.get(&next))
            && goes_on(next)
        {
            order = next;
        }
        order
    }

    /// Returns the shares filled of the orders that this one replaces, directly or indirectly.
    pub fn filled_before(&self, order: &KnownOrder) -> BigDecimal {
        let mut filled = BigDecimal::default();
        let mut link = order.terms.replaces.and_then(|id| self.orders.get(&id));
        while let Some(order) = link {
            filled += BigDecimal::from(order.filled);
            link = order.terms.replaces.and_then(|id| self.orders.get(&id));
        }
        filled
    }
}

impl KnownOrder {
    /// Returns the trading day of the order's ids; none if it has none.
    pub fn day(&self) -> Option<NaiveDate> {
        self.terms.trading_day
    }
}
