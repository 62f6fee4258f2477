//! Ingest: how the formats are read, and how the reports are applied to the store.

mod alpaca;
mod apply;
mod csv;
mod detect;
mod fix;
pub mod formats;
mod json;
