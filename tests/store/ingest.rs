//! Ingest: how the formats are read, and how the reports are applied to the store.

mod apply;
mod fix;
pub mod formats;
