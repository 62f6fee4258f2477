//! Ingest: how the formats are read, and how the reports are applied to the store.

mod alpaca;
mod apply;
mod confluence;
mod csv;
mod days;
mod detect;
mod fix;
pub mod formats;
mod json;
mod runs;
