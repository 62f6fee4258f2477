//! The breaks of an export, and their resolutions.

use uuid::Uuid;

use super::refusal::Refusal;
use super::{KnownBreak, Plan, Planner};
use crate::ingest::apply::step::{PlannedStep, Report, Step};
use crate::ingest::apply::tally::Fate;
use crate::ingest::event::{Event, Kind};

impl Planner<'_, '_> {
    /// Returns the first orders of the chains whose logs an event of an export about a break concerns: that of the
    /// order of the event, and that of the order that the break names.
    pub(super) fn roots_of_break(&self, event: &Event<'_>) -> [Option<Uuid>; 2] {
        let named = event.break_id.and_then(|id| self.known_breaks.get(&id)?.order_id);
        [event.order_id, named].map(|id| Some(self.orders.get(id?)?.root))
    }
}

impl<'e> Plan<'e> {
    /// Adds a break of an export.
    pub(super) fn add_break(
        &mut self,
        report: &'e Report<'e>,
        planner: &mut Planner<'_, 'e>,
    ) -> Result<Option<Fate>, Refusal> {
        let event = report.event;
        let refuse = |why: &str| Refusal::new(event.kind, why);
        let id = event.id.ok_or_else(|| refuse("id is missing"))?;
        let reason = event.break_reason.ok_or_else(|| refuse("break_reason is missing"))?;
        event.at.ok_or_else(|| refuse("at is missing"))?;
        if let (Some(_), Err(why)) = (&event.trader, report.trader) {
            return Err(refuse(why));
        }
        if planner.known_breaks.contains_key(&id) {
            return Ok(Some(Fate::Known));
        }
        let known = KnownBreak { order_id: event.order_id, is_resolved: false };
        let step = Step::ImportBreak { id, reason };
        match event.order_id.and_then(|id| planner.orders.get(id)) {
            Some(order) => {
                planner.refuse_locked(order, event.kind)?;
                self.push(order.root, report, Some(order.id), step);
            }
            None => {
                let root = Uuid::nil();
                let planned = PlannedStep { root, report, order_id: event.order_id, step };
                self.unlogged_breaks.push(planned);
            }
        }
        planner.known_breaks.insert(id, known);
        Ok(None)
    }

    /// Adds the resolution of a break of an export.
    pub(super) fn add_resolution(
        &mut self,
        report: &'e Report<'e>,
        planner: &mut Planner<'_, 'e>,
    ) -> Result<Option<Fate>, Refusal> {
        let event = report.event;
        let refuse = |why: String| Refusal::new(event.kind, why);
        let break_id = event.break_id.ok_or_else(|| refuse("break_id is missing".to_owned()))?;
        event.reason.as_ref().ok_or_else(|| refuse("reason is missing".to_owned()))?;
        let Some(known) = planner.known_breaks.get(&break_id).copied() else {
            return Err(refuse(format!("there is no break {break_id} to resolve")));
        };
        if known.is_resolved {
            return Ok(Some(Fate::Known));
        }
        let is_booked = event.kind == Kind::Booked;
        let order = match event.order_id {
            None if is_booked => return Err(refuse("order_id is missing".to_owned())),
            None => None,
            Some(id) => {
                let order = planner.orders.get(id);
                Some(order.ok_or_else(|| refuse(format!("there is no order {id}")))?)
            }
        };
        let concerned = [order, known.order_id.and_then(|id| planner.orders.get(id))];
        concerned
            .into_iter()
            .flatten()
            .try_for_each(|order| planner.refuse_locked(order, event.kind))?;
        // What follows in the log of the order that the break names comes after the entry of the resolution.
        let roots = concerned.map(|order| order.map(|order| order.root));
        let root = roots[0].unwrap_or_default();
        self.deferred_chains.extend(roots[1].filter(|other| *other != root));
        let order_id = order.map(|order| order.id);
        self.push(root, report, order_id, Step::Resolve { break_id, is_booked });
        planner.known_breaks.insert(break_id, KnownBreak { is_resolved: true, ..known });
        Ok(None)
    }
}
