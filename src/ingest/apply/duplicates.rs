//! Leaves out the steps whose rows are stored already: this is what makes a second run of the same input,
//! or the same reports from another session, idempotent.

use std::collections::{HashMap, HashSet, VecDeque};

use diesel::prelude::*;
use uuid::Uuid;

use super::known_executions::{Classification, KnownExecution, KnownExecutions};
use super::known_orders::KnownOrders;
use super::options::Options;
use super::step::{PlannedStep, Step, execution};
use super::tally::Outcome;
use crate::database::role::Engine;
use crate::database::transaction::Tx;
use crate::error::Error;
use crate::fills::Fill;
use crate::schema::{execution_logs, fills};

/// What is stored of the orders of a batch, and what the batch has added to it so far.
struct Stored<'o> {
    report_ids: HashSet<(Uuid, Uuid)>,
    fill_ids: HashSet<Uuid>,
    executions: KnownExecutions<'o>,
}

/// Removes the steps that are stored already, and those that repeat an earlier one of the batch. An
/// execution whose id has other content in the store becomes a [`Step::Mismatch`].
pub(super) fn remove_duplicates<'e>(
    tx: &mut Tx<'_, Engine>,
    queues: HashMap<Uuid, VecDeque<PlannedStep<'e>>>,
    orders: &KnownOrders,
    options: &'e Options,
    outcome: &mut Outcome,
) -> Result<Vec<VecDeque<PlannedStep<'e>>>, Error> {
    let mut stored = Stored::load(tx, &queues, orders, options)?;
    let mut remaining = Vec::with_capacity(queues.len());
    for (root, queue) in queues {
        let mut kept = VecDeque::with_capacity(queue.len());
        for mut planned in queue {
            match stored.classify(root, &planned) {
                Classification::New => kept.push_back(planned),
                Classification::Duplicate => outcome.tally.duplicates += 1,
                Classification::Mismatch(detail) => {
                    match execution(planned.event, planned.order_id, options) {
                        Ok(execution) => {
                            planned.step = Step::Mismatch(execution, detail);
                            kept.push_back(planned);
                        }
                        Err(why) => outcome.add_problem(planned.event.line, why),
                    }
                }
            }
        }
        remaining.push(kept);
    }
    Ok(remaining)
}

impl<'o> Stored<'o> {
    fn load(
        tx: &mut Tx<'_, Engine>,
        queues: &HashMap<Uuid, VecDeque<PlannedStep<'_>>>,
        orders: &KnownOrders,
        options: &'o Options,
    ) -> Result<Self, Error> {
        let mut stored = Self {
            report_ids: HashSet::new(),
            fill_ids: HashSet::new(),
            executions: KnownExecutions::new(&options.venue),
        };
        let stored_orders = orders.stored_ids();
        if stored_orders.is_empty() {
            return Ok(stored);
        }
        let steps = || queues.values().flatten();
        let (order_ids, report_ids): (Vec<Uuid>, Vec<Uuid>) = steps()
            .filter_map(|planned| match planned.step {
                Step::Log(ref id, _) => {
                    planned.order_id.map(|order_id| (order_id, id.for_order(order_id)))
                }
                _ => None,
            })
            .unzip();
        let execution_ids: HashSet<&str> =
            steps().filter_map(|planned| planned.event.execution_id.as_deref()).collect();
        let fill_ids: Vec<Uuid> = steps()
            .filter_map(|planned| match planned.step {
                Step::Fill(id, _) if planned.event.id.is_some() => Some(id),
                _ => None,
            })
            .collect();
        let conn = tx.conn();
        // An export of this store itself names its own entries, by their ids.
        let logged: Vec<(Uuid, Uuid, Option<Uuid>)> = execution_logs::table
            .filter(
                (execution_logs::order_id.eq_any(order_ids))
                    .and(execution_logs::report_id.eq_any(&report_ids))
                    .or(execution_logs::id.eq_any(&report_ids)),
            )
            .select((execution_logs::order_id, execution_logs::id, execution_logs::report_id))
            .load(conn)?;
        for (order_id, id, report_id) in logged {
            stored.report_ids.insert((order_id, report_id.unwrap_or(id)));
        }
        let fills: Vec<Fill> = Fill::query()
            .filter(fills::order_id.eq_any(stored_orders))
            .filter(fills::execution_id.eq_any(execution_ids).or(fills::id.eq_any(fill_ids)))
            .load(conn)?;
        for fill in &fills {
            stored.fill_ids.insert(fill.id);
            let root = orders.get(fill.order_id).map_or(fill.order_id, |order| order.root);
            stored.executions.insert(root, KnownExecution::from_stored(fill));
        }
        Ok(stored)
    }

    /// Compares a step with what is stored, and adds it if it is new.
    fn classify(&mut self, root: Uuid, planned: &PlannedStep<'_>) -> Classification {
        match &planned.step {
            Step::Log(id, _) => {
                let order_id = planned.order_id.unwrap_or_default();
                match self.report_ids.insert((order_id, id.for_order(order_id))) {
                    true => Classification::New,
                    false => Classification::Duplicate,
                }
            }
            // An exported fill is recognized by the store's own id.
            Step::Fill(id, _) if planned.event.id.is_some() && !self.fill_ids.insert(*id) => {
                Classification::Duplicate
            }
            // Two unknown orders may have executions with the same id; the break decides.
            _ if planned.order_id.is_none() => Classification::New,
            Step::Fill(_, new) => {
                self.executions.classify(root, KnownExecution::from_fill(new), planned.event)
            }
            Step::Execution(reported) => {
                let reported = KnownExecution::from_report(reported);
                self.executions.classify(root, reported, planned.event)
            }
            _ => Classification::New,
        }
    }
}
