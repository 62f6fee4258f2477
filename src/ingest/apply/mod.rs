//! Applies reports to the store: decides what each report means for its order, leaves out what is stored
//! already, and writes the rest.
//!
//! A batch passes through these files in this order: [`traders`] and [`known_orders`] load what the batch refers
//! to, [`attribution`] decides which order a report belongs to, [`plan`] turns each report into [`step`]s in one
//! queue per order chain ([`terms`]: those of the order that a report describes), [`executions`] removes the
//! executions that are stored already ([`content`]: those without an execution id), [`queues`] writes the others,
//! and [`kept`] keeps as breaks what can't be applied. When what a break waits for has come, and at the end of the input,
//! breaks are tried again ([`retry`]), and [`totals`] compares the totals that venues report. [`writer`] runs all of
//! it, and sessions that write reports of one trader take [`turns`].

mod attribution;
mod content;
mod executions;
mod kept;
mod known_orders;
mod options;
mod order_chain;
mod plan;
mod queues;
mod retry;
#[cfg(any(test, fuzzing))]
mod simulation;
mod step;
mod tally;
mod terms;
mod totals;
mod traders;
mod turns;
mod writer;

pub use options::Options;
pub(super) use retry::BreakNumbers;
#[cfg(fuzzing)]
pub use simulation::plan_any_bytes;
pub use tally::{Problem, Tally};
pub use writer::Writer;
