//! The outcome of an input: counts, and the reports that could not be applied.

use std::collections::BTreeMap;
use std::fmt;

use crate::types::enums::BreakReason;

/// Counts of what a [`Writer`](super::Writer) did with the reports it was given.
///
/// One report may count in several fields: a fill that is the first report of its order counts as an order,
/// as an action (the order's routing) and as a fill.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Tally {
    /// Reports given to the writer.
    pub events: u64,
    /// Orders submitted.
    pub orders: u64,
    /// Fills, busts and corrections recorded, including those booked late.
    pub fills: u64,
    /// Fills booked after the end of their order because the venue's totals already counted them; also
    /// counted in `fills`.
    pub late_fills: u64,
    /// Orders cancelled or expired.
    pub cancels: u64,
    /// Orders rejected.
    pub rejects: u64,
    /// Other actions logged.
    pub actions: u64,
    /// Reports that were stored already.
    pub duplicates: u64,
    /// Reports without effect on an order, such as pending acknowledgements, status reports and refused
    /// cancel requests.
    pub unchanged: u64,
    /// Reports that could not be applied and that no break can keep; each is a [`Problem`].
    pub problems: u64,
    /// Open breaks by reason: executions that could not be applied, and totals that differ. A break that
    /// has been resolved is not counted.
    pub breaks: BTreeMap<BreakReason, u64>,
}

impl Tally {
    /// Adds the counts of another tally to this one.
    pub(super) fn add(&mut self, other: &Self) {
        self.events += other.events;
        self.orders += other.orders;
        self.fills += other.fills;
        self.late_fills += other.late_fills;
        self.cancels += other.cancels;
        self.rejects += other.rejects;
        self.actions += other.actions;
        self.duplicates += other.duplicates;
        self.unchanged += other.unchanged;
        self.problems += other.problems;
        for (reason, breaks) in &other.breaks {
            *self.breaks.entry(*reason).or_default() += breaks;
        }
    }

    /// Counts an open break.
    pub(super) fn add_break(&mut self, reason: BreakReason) {
        *self.breaks.entry(reason).or_default() += 1;
    }

    /// Returns the number of open breaks, whatever their reason.
    pub fn broken(&self) -> u64 {
        self.breaks.values().sum()
    }
}

/// A report that could not be applied. Nothing of it is stored; the reports around it are.
///
/// Displayed as `line 7: not applied: side (tag 54) is missing`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line of the input on which the report begins, counted from 1.
    pub line: u64,
    /// What is wrong with the report, with the field or the rule that it violates.
    pub why: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: not applied: {}", self.line, self.why)
    }
}

/// The outcome of one batch.
#[derive(Default)]
pub(super) struct Outcome {
    pub tally: Tally,
    pub problems: Vec<Problem>,
}

impl Outcome {
    /// Counts and keeps a report that could not be applied.
    pub fn add_problem(&mut self, line: u64, why: String) {
        self.tally.problems += 1;
        self.problems.push(Problem { line, why });
    }
}
