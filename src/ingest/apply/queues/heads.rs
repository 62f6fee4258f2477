//! The queues of steps, one for each order chain, and what is taken from their heads.

use std::collections::{HashMap, VecDeque};

use uuid::Uuid;

use crate::ingest::apply::step::{PlannedStep, Step};

/// Sorts steps into one queue for each order chain, in the sequence of their first steps. Queues are independent of
/// each other.
pub(super) fn into_queues(steps: Vec<PlannedStep<'_>>) -> Vec<VecDeque<PlannedStep<'_>>> {
    let mut queues: Vec<VecDeque<PlannedStep<'_>>> = Vec::new();
    let mut places: HashMap<Uuid, usize> = HashMap::new();
    for planned in steps {
        let place = *places.entry(planned.root).or_insert(queues.len());
        match queues.get_mut(place) {
            Some(queue) => queue.push_back(planned),
            None => queues.push(VecDeque::from([planned])),
        }
    }
    queues
}

/// How many matching steps to take from the head of each queue.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Take {
    First,
    All,
    /// All, but of the fills of an export only those that stand in the sequence in which a batch records them.
    Fills,
}

/// Removes from the head of each queue the steps that match, and returns them.
pub(super) fn pop_matching<'e>(
    queues: &mut [VecDeque<PlannedStep<'e>>],
    take: Take,
    matches: impl Fn(&Step<'e>) -> bool,
) -> Vec<PlannedStep<'e>> {
    let mut popped: Vec<PlannedStep<'e>> = Vec::new();
    for queue in queues {
        let mut is_first = true;
        while let Some(next) = queue.front().filter(|planned| matches(&planned.step)) {
            let goes_on = match take {
                Take::First => false,
                Take::All => true,
                Take::Fills => popped.last().is_none_or(|last| !is_recorded_before(next, last)),
            };
            if !is_first && !goes_on {
                break;
            }
            is_first = false;
            popped.extend(queue.pop_front());
        }
    }
    popped
}

/// Returns whether a batch records the fill of this step before the other, which an export has before it.
fn is_recorded_before(planned: &PlannedStep<'_>, other: &PlannedStep<'_>) -> bool {
    let (Step::Fill(_, new), Step::Fill(_, before)) = (&planned.step, &other.step) else {
        return false;
    };
    let (at, at_before) = (new.timestamp, before.timestamp);
    let id = (new.source(), new.execution_id);
    planned.report.event.is_exported()
        && planned.order_id == other.order_id
        && (at, id) < (at_before, (before.source(), before.execution_id))
}
