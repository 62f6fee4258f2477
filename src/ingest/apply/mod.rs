//! Reports into the store: what each one means for its order, and the rows that are written for it.

mod known_executions;
mod known_orders;
mod plan;
mod venue_totals;
mod writer;

pub use writer::{Options, Problem, Tally, Writer};
