//! Executions that come late: of orders that have ended or were replaced, and those of breaks that are tried again.

use bigdecimal::BigDecimal;
use diesel::Connection;
use uuid::Uuid;

use super::QueueWriter;
use crate::breaks::{self, Execution, ExecutionIds, NewBreakResolution};
use crate::error::Error;
use crate::ingest::apply::kept;
use crate::ingest::apply::order_chain::{chain_filled, chain_filled_until, orders_of};
use crate::ingest::apply::retry::resolve_if_open;
use crate::ingest::apply::step::PlannedStep;
use crate::ingest::apply::tally::Fate;
use crate::ingest::apply::totals::{VenueCount, VenueTotals};

impl QueueWriter<'_, '_> {
    /// Books the break that a report was kept as, if its order is open or the venue counts it.
    pub(super) fn book(
        &mut self,
        planned: &PlannedStep<'_>,
        execution: &Execution<'_>,
    ) -> Result<(), Error> {
        let (place, Some(kept)) = (planned.report.place, planned.report.retried) else {
            return Ok(());
        };
        self.outcome.set(place, Fate::Known);
        if !is_whole(kept, execution) {
            return self.record_instead(planned, execution);
        }
        let Some(order_id) = kept.order_id.or(execution.order_id) else {
            self.outcome.set(place, Fate::Broken);
            return Ok(());
        };
        let order = self.tx.orders().get(order_id)?;
        let is_fill = kept.refers_to.is_none();
        let reason = if order.status.is_open() || !is_fill {
            kept::healed(kept.reason).to_owned()
        } else {
            let counted = match self.books_late {
                true => self.counted(order.root_id, kept)?,
                // The reports that count it may be yet to come.
                false => None,
            };
            match counted {
                Some(counted) => format!("applied, the venue counts it: {counted} filled in all"),
                None => {
                    self.outcome.set(place, Fate::Broken);
                    return Ok(());
                }
            }
        };
        let book = NewBreakResolution {
            break_id: kept.id,
            resolution: breaks::Resolution::Book { order: Some(order_id) },
            reason: &reason,
        };
        match resolve_if_open(self.tx, &book) {
            Ok(true) => {
                self.outcome.tally.fills += 1;
                self.outcome.tally.late_fills += u64::from(is_fill && !order.status.is_open());
                self.outcome.healed.push(kept.id);
            }
            Ok(false) => {}
            Err(error) if error.is_refusal() => self.outcome.set(place, Fate::Broken),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Records an execution whose break lacks a part of it, so that booking the break would lose that part. If a rule
    /// refuses the execution, the break remains.
    fn record_instead(
        &mut self,
        planned: &PlannedStep<'_>,
        execution: &Execution<'_>,
    ) -> Result<(), Error> {
        let role = self.tx.role();
        let recorded = self.tx.conn().transaction(|conn| {
            let mut breaks = breaks::Breaks { conn, role };
            match breaks.record_or_break_as(&ExecutionIds::default(), execution)? {
                breaks::Outcome::Broken(_) => Err(Unrecorded::Refused),
                breaks::Outcome::Recorded(_) => Ok(Fate::Applied),
                breaks::Outcome::Known(_) => Ok(Fate::Known),
            }
        });
        let fate = match recorded {
            Ok(fate) => fate,
            Err(Unrecorded::Refused) => Fate::Broken,
            Err(Unrecorded::Failed(error)) if error.is_refusal() => Fate::Broken,
            Err(Unrecorded::Failed(error)) => return Err(error),
        };
        self.outcome.tally.fills += u64::from(fate == Fate::Applied);
        self.outcome.set(planned.report.place, fate);
        Ok(())
    }

    /// Returns how many shares of an order chain the venue counts as filled, the execution of this break included. The
    /// count is that of another report: the last one of this input, one that ended or replaced an order, or one whose
    /// totals were kept as a break.
    fn counted(&mut self, root: Uuid, kept: &breaks::Break) -> Result<Option<BigDecimal>, Error> {
        let mut counts = self.totals.counts_of_chain(root, kept.execution_id.as_deref());
        let open = self.open_totals(root, kept.execution_id.as_deref())?;
        counts.extend(open.into_iter().map(|totals| VenueCount {
            at: Some(totals.timestamp),
            filled_quantity: totals.quantity,
        }));
        for VenueCount { at, filled_quantity } in counts {
            if chain_filled_until(self.tx, root, at)? + &kept.quantity <= filled_quantity {
                return Ok(Some(filled_quantity));
            }
        }
        Ok(None)
    }

    /// Records a fill under the id of a replaced order.
    pub(super) fn record_crossing(
        &mut self,
        planned: &PlannedStep<'_>,
        execution: &Execution<'_>,
        root: Uuid,
        last: Uuid,
    ) -> Result<(), Error> {
        let (root, last) = (self.stored_id(root), self.stored_id(last));
        let counted = self.counted_before(root, planned)?;
        let filled = chain_filled(self.tx, root)?;
        // Counted, it is kept as a break until the totals of the input are complete, and then booked late.
        let is_counted = counted.is_some_and(|counted| filled + &execution.quantity <= counted);
        let order_id = if is_counted { self.order_of(planned) } else { Some(last) };
        self.apply_execution(planned, &Execution { order_id, ..execution.clone() })
    }

    /// The shares that the venue counted as filled of an order chain before this report.
    fn counted_before(
        &mut self,
        root: Uuid,
        planned: &PlannedStep<'_>,
    ) -> Result<Option<BigDecimal>, Error> {
        let (place, id) = (planned.report.place, planned.report.event.execution_id.as_deref());
        let mut latest = self.totals.of_chain(root, id).cloned();
        let mut add = |totals: VenueTotals| {
            if totals.is_of_other(id)
                && latest.as_ref().is_none_or(|latest| totals.is_later(latest))
            {
                latest = Some(totals);
            }
        };
        let written = self.written_totals.iter().filter(|totals| totals.root == root);
        written.cloned().for_each(&mut add);
        for (report, of) in self.batch_totals {
            let is_broken = self.outcome.fate(report.place) == Some(Fate::Broken);
            if report.place >= place || is_broken || self.stored_id(of.root) != root {
                continue;
            }
            VenueTotals::of_report(report, *of, self.options).into_iter().for_each(&mut add);
        }
        self.later_count(root, latest, id)
    }

    /// The shares in the later of two reports: the last one of this input, and the last one of an earlier input
    /// whose totals are an open break, but for one with this execution id.
    fn later_count(
        &mut self,
        root: Uuid,
        latest: Option<VenueTotals>,
        execution_id: Option<&str>,
    ) -> Result<Option<BigDecimal>, Error> {
        let open = self.open_totals(root, execution_id)?;
        let earlier = open.iter().max_by_key(|totals| totals.timestamp);
        Ok(match (latest, earlier) {
            (Some(latest), Some(earlier)) if latest.time() < Some(earlier.timestamp) => {
                Some(earlier.quantity.clone())
            }
            (Some(latest), _) => Some(latest.filled_quantity),
            (None, earlier) => earlier.map(|earlier| earlier.quantity.clone()),
        })
    }

    /// The open breaks of the totals of an order chain, but for those in the report of an execution with this id.
    fn open_totals(
        &mut self,
        root: Uuid,
        execution_id: Option<&str>,
    ) -> Result<Vec<breaks::Break>, Error> {
        let orders = orders_of(self.tx, root)?;
        let mut open = self.tx.breaks().open_totals(&orders)?;
        open.retain(|totals| {
            execution_id.is_none() || totals.execution_id.as_deref() != execution_id
        });
        Ok(open)
    }
}

/// Why the execution of a break is not recorded.
enum Unrecorded {
    Refused,
    Failed(Error),
}

impl From<Error> for Unrecorded {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<diesel::result::Error> for Unrecorded {
    fn from(error: diesel::result::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// Whether the columns of a break hold all of its execution. They lack the values that could not be read when the
/// report was kept, because its encoding was not known.
fn is_whole(kept: &breaks::Break, execution: &Execution<'_>) -> bool {
    let (refers_to, is_bust) = (execution.kind.refers_to(), execution.kind.is_bust());
    kept.execution_id.as_deref() == execution.execution_id
        && kept.refers_to.as_deref() == refers_to
        && kept.is_bust == is_bust
        && kept.quantity == execution.quantity
        && kept.price == execution.price
        && kept.commission == execution.commission
        && kept.rebate == execution.rebate
}
