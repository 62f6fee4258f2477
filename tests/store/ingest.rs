//! Ingest: what the formats read, and what the reports do to the store.

mod apply;
mod fix;
pub mod formats;
