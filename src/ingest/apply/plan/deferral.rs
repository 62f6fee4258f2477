//! Which reports are planned later, because what they mean depends on steps that are yet to be written.

use uuid::Uuid;

use super::{Plan, Planner};
use crate::ingest::apply::attribution::{find, find_by_venue_id};
use crate::ingest::apply::known_orders::KnownOrder;
use crate::ingest::apply::step::Report;
use crate::ingest::event::{Event, Kind};

impl<'e> Plan<'e> {
    /// Returns whether what a report means depends on steps that are yet to be written.
    pub(super) fn must_wait(&self, report: &Report<'e>, planner: &Planner<'_, 'e>) -> bool {
        let event = report.event;
        if self.deferred_chains.is_empty() && self.days.is_empty() {
            return false;
        }
        let rows = [event.order_id, event.break_id, event.replaces];
        if rows.iter().flatten().any(|id| self.deferred_rows.contains(id)) {
            return true;
        }
        if event.kind.is_about_break() {
            let [own, named] = planner.roots_of_break(event);
            let is_deferred = |root: &Uuid| self.deferred_chains.contains(root);
            // A break that is booked to an order of another chain is in the logs of both.
            return own.iter().chain(&named).any(is_deferred)
                || own.is_some()
                    && named
                        .is_some_and(|named| own != Some(named) && self.days.contains_key(&named));
        }
        let Ok(trader) = report.trader else { return false };
        if !self.deferred_ids.is_empty()
            && ids(event).any(|id| self.deferred_ids.contains(&(*trader, id)))
        {
            return true;
        }
        // Which of several orders with the venue's id it means depends on which of them have ended.
        if event.client_order_id.is_none() {
            let roots = planner.orders.roots_named(*trader, event);
            if roots.len() > 1 && roots.iter().any(|root| self.days.contains_key(root)) {
                return true;
            }
        }
        let Some(order) = order_concerned(event, *trader, planner) else { return false };
        if self.deferred_chains.contains(&order.root) {
            return true;
        }
        let Some(first) = self.days.get(&order.root) else { return false };
        let day = event.time().map(|time| time.date_naive());
        let is_later_day = first.is_some_and(|first| day > Some(first));
        match event.kind {
            // Whether its id was used again depends on when the order ended.
            kind if is_later_day
                && (kind.presents_new() || planner.options.daily_ids.is_some()) =>
            {
                true
            }
            // They are compared with, or reduced by, what is filled.
            Kind::Restated => true,
            Kind::Replaced => event.cumulative_quantity.is_none(),
            _ => false,
        }
    }

    /// Plans a report later, and all others that may depend on it.
    pub(super) fn defer(&mut self, report: &'e Report<'e>, planner: &Planner<'_, 'e>) {
        let event = report.event;
        let is_row = event.kind == Kind::NewOrder || event.kind == Kind::Break;
        self.deferred_rows.extend(event.id.filter(|_| is_row));
        if event.kind.is_about_break() {
            self.deferred_chains.extend(planner.roots_of_break(event).into_iter().flatten());
            self.deferred.push(report);
            return;
        }
        if let Ok(trader) = report.trader {
            self.deferred_ids.extend(ids(report.event).map(|id| (*trader, id)));
            let order = order_concerned(report.event, *trader, planner);
            self.deferred_chains.extend(order.map(|order| order.root));
        }
        self.deferred.push(report);
    }
}

/// The order that a report names, or else that its order replaces.
fn order_concerned<'p>(
    event: &Event<'_>,
    trader: Uuid,
    planner: &'p Planner<'_, '_>,
) -> Option<&'p KnownOrder> {
    let (orders, options) = (&*planner.orders, planner.options);
    let named = find(orders, event, trader, options).ok().flatten();
    let before = event.replaces_venue_order_id.as_deref();
    named.or_else(|| event.replaces.and_then(|id| orders.get(id))).or_else(|| {
        before.and_then(|_| find_by_venue_id(orders, event, before, trader, options).ok().flatten())
    })
}

/// The ids by which a report may name an order.
fn ids<'e>(event: &'e Event<'e>) -> impl Iterator<Item = &'e str> {
    let ids = [
        &event.client_order_id,
        &event.original_client_order_id,
        &event.venue_order_id,
        &event.replaces_venue_order_id,
    ];
    ids.into_iter().flatten().map(AsRef::as_ref)
}
