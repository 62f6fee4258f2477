//! Reports into the store: what each one means for its order, and the rows that are written for it.

mod known_executions;
mod known_orders;
mod order_chain;
mod plan;
mod stored_venue;
mod traders;
mod venue_totals;
mod writer;

pub use writer::{Options, Problem, Tally, Writer};
