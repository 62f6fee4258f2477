//! Tries open breaks again: when what they wait for has come, and all at the end of an input.

use std::collections::HashMap;

use uuid::Uuid;

use super::{Batch, Phase, Store, Writer};
use crate::breaks::{Awaited, Break, NewBreakResolution};
use crate::database::role::Engine;
use crate::database::transaction::Tx;
use crate::error::Error;
use crate::ingest::apply::kept;
use crate::ingest::apply::options::Options;
use crate::ingest::apply::order_chain::orders_of;
use crate::ingest::apply::plan::Due;
use crate::ingest::apply::retry::{Retried, event_of, resolve_if_open};
use crate::ingest::apply::step::Report;
use crate::ingest::apply::tally::{Outcome, Problem};
use crate::ingest::apply::totals;
use crate::ingest::apply::traders::Traders;
use crate::ingest::apply::turns::take_turn;
use crate::ingest::event::Event;
use crate::ingest::formats::ReadOptions;
use crate::types::enums::BreakReason;

/// Times that open breaks are tried again: each applied one may be what another lacks.
const MAX_PASSES: u32 = 10;

/// Breaks that are tried again in one transaction.
const PAGE: i64 = 500;

impl Writer {
    /// Tries the open breaks of these traders again, all if there are none given, until nothing more is applied.
    pub(super) fn heal(
        &mut self,
        store: &mut Store<'_, '_, '_>,
        traders: Option<&[Uuid]>,
    ) -> Result<(), Error> {
        let anything = Awaited::Anything { of: traders };
        for _ in 0..MAX_PASSES {
            let (mut after, mut has_progress) = (None, false);
            loop {
                let page = store.run(|tx| tx.breaks().open_waiting(anything, after, PAGE))?;
                let Some(last) = page.last() else { break };
                after = Some((last.created_at, last.id));
                has_progress |= self.retry(store, &page)?;
            }
            if !has_progress {
                break;
            }
        }
        Ok(())
    }

    /// Tries breaks again, each alone if the lock timeout ends them together. Returns whether one was applied.
    fn retry(&mut self, store: &mut Store<'_, '_, '_>, page: &[Break]) -> Result<bool, Error> {
        let has_turns = store.has_turns();
        let retried = store.run(|tx| {
            if has_turns {
                take_turn(tx, page.iter().filter_map(|kept| kept.trader_id))?;
            }
            self.retry_page(tx, page, &[], Phase::End)
        });
        let batch = match retried {
            Err(error) if error.is_lock_timeout() && matches!(store, Store::Session(_)) => {
                let [_, _, ..] = page else { return Ok(false) };
                let (first, second) = page.split_at(page.len() / 2);
                return Ok(self.retry(store, first)? | self.retry(store, second)?);
            }
            tried => tried?,
        };
        let has_progress = !batch.outcome.healed.is_empty();
        for totals in batch.totals {
            self.totals.add(totals);
        }
        self.count_healed(batch.outcome);
        Ok(has_progress)
    }

    /// Tries the breaks again that wait for this, until nothing more is applied, before anything else happens to their
    /// orders: what a restatement comes to, for instance, depends on what is filled.
    pub(super) fn retry_due(
        &self,
        tx: &mut Tx<'_, Engine>,
        mut due: Vec<Due>,
        batch: &mut Batch,
    ) -> Result<(), Error> {
        for _ in 0..MAX_PASSES {
            let (mut has_progress, mut more) = (false, Vec::new());
            for next in &due {
                let chain;
                let awaited = match next {
                    Due::Order(trader_id, id) => {
                        Awaited::Order { trader_id: *trader_id, client_order_id: id }
                    }
                    Due::Chain(root) => {
                        chain = orders_of(tx, *root)?;
                        Awaited::ChangeOf(&chain)
                    }
                };
                let mut after = None;
                loop {
                    let page = tx.breaks().open_waiting(awaited, after, PAGE)?;
                    let Some(last) = page.last() else { break };
                    after = Some((last.created_at, last.id));
                    let retried =
                        self.retry_page(tx, &page, &batch.outcome.problems, Phase::Due)?;
                    has_progress |= !retried.outcome.healed.is_empty();
                    batch.outcome.tally.add(retried.outcome.tally);
                    batch.outcome.healed.extend(retried.outcome.healed);
                    batch.totals.extend(retried.totals);
                    more.extend(retried.due);
                }
            }
            if !has_progress {
                break;
            }
            more.retain(|next| !due.contains(next));
            due.extend(more);
        }
        Ok(())
    }

    /// Tries breaks again, and resolves those that are applied. `problems` are those of the batch that is being applied.
    fn retry_page(
        &self,
        tx: &mut Tx<'_, Engine>,
        page: &[Break],
        problems: &[Problem],
        phase: Phase,
    ) -> Result<Batch, Error> {
        self.force_index_plans(tx)?;
        let due = page.iter().filter(|kept| self.is_due(kept));
        let retried: Vec<(&Break, Retried<'_>)> = due
            .filter(|kept| kept.reason != BreakReason::Totals)
            .map(|kept| (kept, Retried::new(kept, self.read_options(kept))))
            .collect();
        let trader = self.options.trader.filter(|_| self.retries_all);
        let lines: HashMap<Uuid, u64> =
            self.problems.iter().chain(problems).map(|it| (it.break_id, it.line)).collect();
        let line_of = |kept: &Break| lines.get(&kept.id).copied().unwrap_or_default();
        let (breaks, events): (Vec<(&Break, Option<Event<'_>>)>, Vec<Event<'_>>) = retried
            .iter()
            .filter_map(|(kept, retried)| {
                let received = retried.received();
                let received = received.map(|event| Event { line: line_of(kept), ..event });
                let event = event_of(retried, received.as_ref(), trader)?;
                Some(((*kept, received), event))
            })
            .unzip();
        // The event of a break names the trader of the break; the options of the input don't replace it.
        let options = Options { trader: None, register_traders: false, ..self.options.clone() };
        let traders = Traders::find(tx, &events, &self.traders, &options)?;
        let reports: Vec<Report<'_>> = events
            .iter()
            .enumerate()
            .map(|(place, event)| {
                let (kept, received) = &breaks[place];
                let trader = &traders.of_reports[place];
                Report::of_break(place, event, trader, kept, received.as_ref())
            })
            .collect();
        let mut batch = self.apply_reports(tx, &reports, phase)?;
        let outcome = &mut batch.outcome;
        for (place, (kept, _)) in breaks.iter().enumerate() {
            if outcome.is_settled(place) && !outcome.healed.contains(&kept.id) {
                let resolution = NewBreakResolution::dismiss(kept.id, kept::healed(kept.reason));
                if resolve_if_open(tx, &resolution)? {
                    outcome.healed.push(kept.id);
                }
            }
        }
        Ok(batch)
    }

    /// Resolves the breaks of totals that the store has come to.
    pub(super) fn heal_totals(
        &mut self,
        store: &mut Store<'_, '_, '_>,
        traders: Option<&[Uuid]>,
    ) -> Result<(), Error> {
        let (anything, mut after) = (Awaited::Anything { of: traders }, None);
        loop {
            let page = store.run(|tx| tx.breaks().open_waiting(anything, after, PAGE))?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some((last.created_at, last.id));
            let healed = store.run(|tx| {
                let mut healed = 0;
                let due = page.iter().filter(|kept| self.is_due(kept));
                for kept in due.filter(|kept| kept.reason == BreakReason::Totals) {
                    let retried = Retried::new(kept, self.read_options(kept));
                    let event = event_of(&retried, retried.received().as_ref(), None);
                    healed += u64::from(totals::heal_if_equal(tx, kept, event.as_ref())?);
                }
                Ok(healed)
            })?;
            self.tally.healed += healed;
        }
    }

    /// Returns whether a break is to be tried again: after an input all are, otherwise those of the source in the
    /// options.
    fn is_due(&self, kept: &Break) -> bool {
        !self.retries_all || self.options.source.is_none() || self.options.is_of_feed(&kept.source)
    }

    /// Returns how to read the message of a break again: like the input, if it came from the same source.
    fn read_options(&self, kept: &Break) -> &ReadOptions {
        // A tag that names the trader in this feed may hold something else in another one.
        static OF_OTHERS: ReadOptions =
            ReadOptions { trader_from: Vec::new(), encoding: None, trust_unverified: false };
        match self.retries_all || self.options.is_of_feed(&kept.source) {
            true => &self.options.reading,
            false => &OF_OTHERS,
        }
    }

    /// Counts breaks that were applied: those of this input as applied reports.
    pub(super) fn count_healed(&mut self, outcome: Outcome) {
        self.tally.add(outcome.tally);
        for id in outcome.healed {
            match self.open.remove(&id) {
                Some((reason, reports)) => {
                    self.tally.remove_break(reason, reports);
                    self.problems.retain(|problem| problem.break_id != id);
                }
                None => self.tally.healed += 1,
            }
        }
    }
}
