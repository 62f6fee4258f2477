//! What open breaks wait for, and the reports that bring it. Such a break is tried again as soon as that report is
//! written, before the reports of its order that follow: what these come to may depend on it.

use std::collections::HashSet;

use uuid::Uuid;

use super::{Plan, Planner};
use crate::ingest::apply::known_orders::KnownOrder;
use crate::ingest::apply::step::Report;
use crate::ingest::event::Kind;

/// What the stored open breaks wait for.
#[derive(Default)]
pub(in crate::ingest::apply) struct Waiting {
    /// Orders that were not known, by trader and client order id.
    pub orders: HashSet<(Uuid, String)>,
    /// Fills that are amended, by the first order of the chain and the execution id.
    pub fills: HashSet<(Uuid, String)>,
    /// The first orders of the chains that have refused an action: an amendment may open an order again.
    pub actions: HashSet<Uuid>,
}

/// Something that has come and that breaks may have waited for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::ingest::apply) enum Due {
    /// An order, by trader and client order id.
    Order(Uuid, String),
    /// A fill or an amendment in the chain of this first order.
    Chain(Uuid),
}

/// What the reports of a plan may wait for.
#[derive(Default)]
pub(super) struct PlannedWaiting<'e> {
    /// Orders that are not known, by trader and client order id.
    orders: HashSet<(Uuid, &'e str)>,
    /// Fills that are amended, by the first order of the chain and the execution id.
    fills: HashSet<(Uuid, &'e str)>,
    /// The chains in which orders end.
    ends: HashSet<Uuid>,
}

impl<'e> Plan<'e> {
    /// Remembers that a report is kept as a break because its order is not known.
    pub(super) fn await_order(&mut self, report: &'e Report<'e>) {
        if let (Ok(trader), Some(id)) = (report.trader, report.event.client_order_id.as_deref()) {
            self.waiting.orders.insert((*trader, id));
        }
    }

    /// Lets the breaks that wait for this new order be tried again before what follows in its chain.
    pub(super) fn bring_order(
        &mut self,
        report: &Report<'_>,
        order: &KnownOrder,
        planner: &Planner<'_, 'e>,
    ) {
        let trader = order.terms.trader_id;
        // The breaks of an export stay as they are.
        let Some(id) = order.terms.client_order_id.clone() else { return };
        if report.event.is_exported() {
            return;
        }
        let is_awaited = self.waiting.orders.contains(&(trader, id.as_str()));
        let of_trader = (trader, id);
        if is_awaited || planner.waiting.orders.contains(&of_trader) {
            self.due.push(Due::Order(of_trader.0, of_trader.1));
            self.deferred_chains.insert(order.root);
        }
    }

    /// Lets the breaks that wait for the execution or the end in this report be tried again before what follows in the
    /// chain; or remembers that the report may become such a break.
    pub(super) fn bring_change(
        &mut self,
        report: &'e Report<'e>,
        root: Uuid,
        planner: &Planner<'_, 'e>,
    ) {
        let event = report.event;
        if event.is_exported() {
            return;
        }
        match event.kind {
            Kind::Fill | Kind::Bust | Kind::Correct => {}
            kind if kind.ends_order() || kind == Kind::Recovered => {
                self.waiting.ends.insert(root);
                return;
            }
            _ => return,
        }
        let is_amended = event.execution_id.as_deref().is_some_and(|id| {
            !self.waiting.fills.is_empty() && self.waiting.fills.contains(&(root, id))
                || !planner.waiting.fills.is_empty()
                    && planner.waiting.fills.contains(&(root, id.to_owned()))
        });
        let may_open = event.kind != Kind::Fill
            && (self.waiting.ends.contains(&root) || planner.waiting.actions.contains(&root));
        if is_amended || may_open {
            self.due.push(Due::Chain(root));
            self.deferred_chains.insert(root);
        }
        if let Some(of) = event.refers_to.as_deref() {
            self.waiting.fills.insert((root, of));
        }
    }
}
