//! Applies reports to the store: decides what each report means for its order, leaves out what is stored
//! already, and writes the rest.
//!
//! A batch passes through these files in this order: [`traders`] and [`known_orders`] load what the batch
//! refers to, [`plan`] turns each report into [`step`]s in one queue per order chain, [`duplicates`]
//! removes the steps that are stored already, [`queues`] writes the others, and [`venue_totals`] compares
//! the totals that venues report. [`writer`] runs all of it in one transaction.

mod duplicates;
mod known_executions;
mod known_orders;
mod options;
mod order_chain;
mod plan;
mod queues;
mod step;
mod stored_venue;
mod tally;
mod traders;
mod venue_totals;
mod writer;

pub use options::Options;
pub use tally::{Problem, Tally};
pub use writer::Writer;
