//! Progress, notes and problems on standard error.

use std::fmt::Display;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tradeblotter::ingest::{Batch, Malformed, Problem, Tally};

use crate::output::counted;
use crate::terminal::{self, eprintln, visible};

/// Notes printed at most, and problems printed at most; beyond that they are only counted.
const MAX_LINES: usize = 100;

/// The most unreadable reports of an input that are printed. They are remembered until its end, and printed among the
/// breaks there.
const MAX_MALFORMED: usize = 1000;

/// What is printed to standard error about one input.
pub struct Diagnostics {
    progress: ProgressBar,
    /// The name of the input.
    name: String,
    /// Notes on reports so far.
    pub notes: u64,
    /// Reports that could not be read so far.
    pub unreadable: u64,
    /// The first of them.
    malformed: Vec<Malformed>,
}

impl Diagnostics {
    /// Returns the diagnostics of an input. `length` is its size in bytes; `None` if that is not known.
    pub fn new(name: String, length: Option<u64>) -> Self {
        let progress = match length {
            _ if !terminal::has_error_terminal() => ProgressBar::hidden(),
            Some(length) => ProgressBar::new(length),
            None => ProgressBar::new_spinner(),
        };
        let template = match length {
            Some(_) => "{bar:30} {bytes}/{total_bytes}, {msg}, {eta} left",
            None => "{spinner} {bytes}, {msg}",
        };
        // The template is constant and valid.
        if let Ok(style) = ProgressStyle::with_template(template) {
            progress.set_style(style);
        }
        progress.enable_steady_tick(Duration::from_millis(200));
        Self { progress, name, notes: 0, unreadable: 0, malformed: Vec::new() }
    }

    /// Prints the notes on the reports of a batch, and remembers those that could not be read.
    pub fn note(&mut self, batch: &Batch<'_>) {
        self.unreadable += batch.malformed.len() as u64;
        let room = MAX_MALFORMED.saturating_sub(self.malformed.len());
        self.malformed.extend(batch.malformed.iter().take(room).cloned());
        for event in &batch.events {
            let Some(note) = &event.note else { continue };
            self.notes += 1;
            match self.notes.cmp(&(MAX_LINES as u64 + 1)) {
                std::cmp::Ordering::Less => self.print(&format!("line {}: {note}", event.line)),
                std::cmp::Ordering::Equal => self.print("more notes are counted and not printed"),
                std::cmp::Ordering::Greater => {}
            }
        }
    }

    /// Advances the progress.
    pub fn advance(&mut self, bytes: u64, tally: &Tally) {
        self.progress.inc(bytes);
        let seconds = self.progress.elapsed().as_secs_f64();
        let rate = tally.reports as f64 / seconds.max(0.001);
        let breaks = counted(tally.open_breaks(), "break", "breaks");
        self.progress.set_message(format!("{rate:.0} reports/s, {breaks}"));
    }

    /// Ends the progress, and prints the reports that are not stored or kept as breaks, in the sequence of the
    /// input: the first of the problems that the writer has returned, and of those that could not be read.
    /// `breaks` is the number of all breaks.
    pub fn finish(&mut self, problems: &[Problem], breaks: u64) {
        self.progress.finish_and_clear();
        let malformed = self.malformed.iter().map(|it| (it.line, it as &dyn Display));
        let mut lines: Vec<_> = problems.iter().map(|it| (it.line, it as &dyn Display)).collect();
        lines.extend(malformed);
        lines.sort_by_key(|(line, _)| *line);
        lines.truncate(MAX_LINES);
        for (_, problem) in &lines {
            self.print(&problem.to_string());
        }
        let more = (breaks + self.unreadable).saturating_sub(lines.len() as u64);
        if more > 0 {
            let more = counted(more, "more problem is", "more problems are");
            self.print(&format!("{more} not printed; `blotter breaks list` shows all open breaks"));
        }
    }

    /// Prints a line that begins with the name of the input.
    fn print(&self, what: &str) {
        // A line break in what a report says begins no line.
        self.progress.suspend(|| eprintln!("{}: {}", self.name, visible(what)));
    }
}
