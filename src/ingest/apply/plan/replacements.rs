//! Orders that take the place of others: replacements and restatements.

use bigdecimal::BigDecimal;
use uuid::Uuid;

use super::refusal::Refusal;
use super::{Plan, Planner};
use crate::ingest::apply::attribution::{find, find_by_venue_id};
use crate::ingest::apply::known_orders::KnownOrder;
use crate::ingest::apply::step::{Report, report_id};
use crate::ingest::apply::tally::Fate;
use crate::ingest::event::Kind;

impl<'e> Plan<'e> {
    /// Adds an order that took the place of another one (FIX 150=5), or the entry of it if it is known.
    pub(super) fn add_replacement(
        &mut self,
        report: &'e Report<'e>,
        trader: Uuid,
        planner: &mut Planner<'_, 'e>,
    ) -> Result<Option<Fate>, Refusal> {
        let (event, kind, options) = (report.event, report.event.kind, planner.options);
        let refuse = |why| Refusal::unknown_order(kind, why);
        let mut named = find(planner.orders, event, trader, options).map_err(refuse)?;
        if named.is_none() && event.replaces_venue_order_id.is_some() {
            let before = event.replaces_venue_order_id.as_deref();
            named =
                find_by_venue_id(planner.orders, event, before, trader, options).map_err(refuse)?;
        }
        let named = named.cloned();
        let client_order_id = event.client_order_id.as_deref();
        let original = event.original_client_order_id.as_deref();
        let Some(named) = named else {
            let order = self
                .create_order(report, trader, client_order_id, None, planner)
                .map_err(|why| {
                    refuse(format!(
                        "the replaced order is unknown, and the new one can't be created from this report: {why}"
                    ))
                })?;
            self.add_totals(report, &order);
            return self.add_step(report, &order, planner);
        };
        planner.refuse_locked(&named, kind)?;
        named.terms.check(event, options).map_err(|why| Refusal::mismatch(kind, &named, why))?;
        let has_id =
            client_order_id.is_some() && named.terms.client_order_id.as_deref() == client_order_id;
        let is_id_unchanged = event.replaces_venue_order_id.is_none()
            && (original.is_none() || original == client_order_id);
        if has_id && !is_id_unchanged {
            // The replacement itself is known.
            self.add_totals(report, &named);
            return self.add_step(report, &named, planner);
        }
        let own_id = client_order_id.filter(|_| !has_id);
        self.replace(report, &named, own_id, planner)
    }

    /// Adds a restatement (FIX 150=D): a replacement without an id of its own, if it changes quantity or price.
    pub(super) fn add_restatement(
        &mut self,
        report: &'e Report<'e>,
        order: &KnownOrder,
        planner: &mut Planner<'_, 'e>,
    ) -> Result<Option<Fate>, Refusal> {
        let event = report.event;
        let total = planner.orders.filled_before(order) + BigDecimal::from(order.terms.quantity);
        let same_quantity = event.quantity.is_none_or(|quantity| quantity.value() == total);
        let same_price = match (event.price, order.terms.price) {
            (Some(price), Some(own)) => price.value() == BigDecimal::from(own),
            _ => true,
        };
        if !order.is_open {
            return Ok(Some(Fate::WithoutEffect));
        }
        // Logged, so that the report is known if it is read again: the order may have been replaced then, and it would
        // restore the terms before.
        if same_quantity && same_price {
            return self.add_step(report, order, planner);
        }
        self.replace(report, order, None, planner)
    }

    /// Adds the order that a report presents in the place of this one.
    fn replace(
        &mut self,
        report: &'e Report<'e>,
        named: &KnownOrder,
        own_id: Option<&'e str>,
        planner: &mut Planner<'_, 'e>,
    ) -> Result<Option<Fate>, Refusal> {
        let event = report.event;
        let before = planner.orders.bearer_of_id(named).clone();
        let id = report_id(event, before.root, planner.options);
        if planner.known_reports.contains(&id) {
            self.add_totals(report, &before);
            return Ok(self.known(report, id));
        }
        let filled = match event.cumulative_quantity {
            Some(filled) => filled.value(),
            None => planner.orders.filled_before(&before) + BigDecimal::from(before.filled),
        };
        let order = self
            .create_order(report, before.terms.trader_id, own_id, Some((&before, &filled)), planner)
            .map_err(|why| Refusal {
                order_id: Some(before.id),
                ..Refusal::new(event.kind, format!("the replacement can't be stored: {why}"))
            })?;
        self.add_totals(report, &order);
        self.add_step(report, &order, planner)
    }

    /// Finds the order that a new one says it replaces: an export names it by its id, NDJSON by its client order
    /// id, and a venue by its own id of it.
    pub(super) fn find_replaced(
        report: &Report<'_>,
        trader: Uuid,
        planner: &Planner<'_, '_>,
    ) -> Option<KnownOrder> {
        let (event, orders) = (report.event, &*planner.orders);
        let original = event.original_client_order_id.as_deref();
        let before = event.replaces_venue_order_id.as_deref();
        let found = match event.replaces {
            Some(id) => orders.get(id),
            None if event.kind == Kind::NewOrder => orders.with_client_id(trader, original).next(),
            None if before.is_none() => None,
            None => find_by_venue_id(orders, event, before, trader, planner.options).ok().flatten(),
        };
        found.cloned()
    }
}
