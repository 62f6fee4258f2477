//! The outcome of an input: what became of each report.

use std::collections::BTreeMap;
use std::fmt;

use uuid::Uuid;

use super::options::Options;
use super::step::Report;
use crate::breaks::Break;
use crate::types::enums::BreakReason;

/// Counts of what a [`Writer`](super::Writer) did with the reports it was given.
///
/// Each report counts in exactly one of `applied`, `known`, `without_effect` and `broken`, so that
/// `reports = applied + known + without_effect + broken`. The other fields count what was written: a fill that
/// is the first report of its order counts as an order, as an action (the order's routing) and as a fill.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Tally {
    /// Reports given to the writer.
    pub reports: u64,
    /// Reports that changed the store.
    pub applied: u64,
    /// Reports that were stored already.
    pub known: u64,
    /// Reports that say nothing to store, such as pending states, status reports and refused cancel requests.
    pub without_effect: u64,
    /// Reports that are kept as open breaks, from this input or an earlier one.
    pub broken: u64,
    /// Orders submitted.
    pub orders: u64,
    /// Fills, busts and corrections recorded, including those booked from breaks.
    pub fills: u64,
    /// Fills booked after the end of their order because the venue's totals count them; also counted in
    /// `fills`.
    pub late_fills: u64,
    /// Orders cancelled or expired.
    pub cancels: u64,
    /// Orders rejected.
    pub rejects: u64,
    /// Other actions logged.
    pub actions: u64,
    /// Breaks of earlier inputs that were applied because what they lacked has come.
    pub healed: u64,
    /// Open breaks by reason: those of the reports of this input, and totals that differ at its end.
    pub breaks: BTreeMap<BreakReason, u64>,
    /// Traders registered, by name.
    pub traders: Vec<String>,
}

impl Tally {
    /// Adds the counts of another tally to this one.
    pub(super) fn add(&mut self, other: Self) {
        let Self { reports, applied, known, without_effect, broken, .. } = other;
        self.reports += reports;
        self.applied += applied;
        self.known += known;
        self.without_effect += without_effect;
        self.broken += broken;
        self.orders += other.orders;
        self.fills += other.fills;
        self.late_fills += other.late_fills;
        self.cancels += other.cancels;
        self.rejects += other.rejects;
        self.actions += other.actions;
        self.healed += other.healed;
        for (reason, breaks) in other.breaks {
            *self.breaks.entry(reason).or_default() += breaks;
        }
        self.traders.extend(other.traders);
    }

    /// Counts an open break.
    pub(super) fn add_break(&mut self, reason: BreakReason) {
        *self.breaks.entry(reason).or_default() += 1;
    }

    /// Takes back the count of a break that has been resolved. Of the reports that state it, one is applied now, and the
    /// others are known.
    pub(super) fn remove_break(&mut self, reason: BreakReason, reports: u64) {
        if let Some(count) = self.breaks.get_mut(&reason) {
            *count = count.saturating_sub(1);
        }
        self.breaks.retain(|_, count| *count > 0);
        self.broken = self.broken.saturating_sub(reports);
        self.applied += 1;
        self.known += reports.saturating_sub(1);
    }

    /// Returns the number of open breaks, whatever their reason.
    pub fn open_breaks(&self) -> u64 {
        self.breaks.values().sum()
    }
}

/// What became of a report. Where a report has several effects, the greatest counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fate {
    WithoutEffect,
    Known,
    Applied,
    Broken,
}

/// A report that could not be applied, or whose totals differ from the store's. It is kept as a break.
///
/// Displayed as `line 7: ClOrdID (tag 11) C-1: kept as a break (INVALID_ORDER): Side (tag 54) is missing`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line of the input on which the report begins, counted from 1; 0 if it was in an earlier input.
    pub line: u64,
    /// The reason of the break.
    pub reason: BreakReason,
    /// The break.
    pub break_id: Uuid,
    /// The id by which the report names its order, after the name of its field in the format of the input;
    /// `None` if it has no id.
    pub order: Option<String>,
    /// What is wrong with the report, with the field or the rule that it violates.
    pub why: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, reason, why, .. } = self;
        match line {
            0 => write!(f, "an earlier input: ")?,
            line => write!(f, "line {line}: ")?,
        }
        if let Some(order) = &self.order {
            write!(f, "{order}: ")?;
        }
        write!(f, "kept as a break ({reason}): {why}")
    }
}

/// The outcome of one batch.
#[derive(Clone, Default)]
pub(super) struct Outcome {
    pub tally: Tally,
    pub problems: Vec<Problem>,
    /// The open breaks that reports of the batch are.
    pub open: Vec<(Uuid, BreakReason)>,
    /// The breaks that were tried again and booked.
    pub healed: Vec<Uuid>,
    /// What became of each report of the batch so far.
    fates: Vec<Option<Fate>>,
}

impl Outcome {
    /// Returns the outcome of a batch of this many reports.
    pub fn new(reports: usize) -> Self {
        Self { fates: vec![None; reports], ..Self::default() }
    }

    /// Records what became of the report at this place.
    pub fn set(&mut self, place: usize, fate: Fate) {
        if let Some(found) = self.fates.get_mut(place) {
            *found = (*found).max(Some(fate));
        }
    }

    /// Returns what became of the report at this place so far.
    pub fn fate(&self, place: usize) -> Option<Fate> {
        self.fates.get(place).copied().flatten()
    }

    /// Returns whether the report at this place needs no break, or none any more.
    pub fn is_settled(&self, place: usize) -> bool {
        self.fate(place).is_some_and(|fate| fate != Fate::Broken)
    }

    /// Counts a report as kept in an open break.
    pub fn keep(&mut self, report: &Report<'_>, kept: &Break, options: &Options) {
        self.set(report.place, Fate::Broken);
        if report.retried.is_some() {
            return;
        }
        self.open.push((kept.id, kept.reason));
        self.problems.push(Problem {
            line: report.event.line,
            reason: kept.reason,
            break_id: kept.id,
            order: options.order_of(report.event),
            why: kept.detail.clone(),
        });
    }

    /// Counts the reports, each once, and sorts the problems by their place in the input.
    pub fn count_reports(&mut self) {
        self.tally.reports = self.fates.len() as u64;
        for fate in &self.fates {
            *match fate {
                Some(Fate::Applied) => &mut self.tally.applied,
                Some(Fate::Known) => &mut self.tally.known,
                Some(Fate::Broken) => &mut self.tally.broken,
                Some(Fate::WithoutEffect) | None => &mut self.tally.without_effect,
            } += 1;
        }
        self.problems.sort_by_key(|problem| problem.line);
    }
}
