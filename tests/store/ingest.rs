//! Ingest: how the formats are read, and how the reports are applied to the store.

mod adversary;
mod alpaca;
mod apply;
mod bounds;
mod confluence;
mod conservation;
mod csv;
mod days;
mod detect;
pub mod feeds;
mod fix;
pub mod formats;
mod inputs;
mod json;
mod runs;
mod sequence;
