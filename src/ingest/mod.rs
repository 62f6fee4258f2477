//! Ingest: reads execution reports of venues, brokers and clients from files, and applies them to the store.
//!
//! A [`Reader`] reads [`Event`]s in one of the formats ([`FixReader`], [`Ndjson`], [`Csv`], [`Alpaca`]), and a
//! [`Writer`] applies them. Reports that can't be read are [`Malformed`], reports that can't be applied are
//! [`Problem`]s, and executions that a rule refuses are kept as [breaks](crate::Break). The same input may be
//! ingested again: orders, fills and actions are recognized by the ids in the reports. [`export()`] writes the
//! log out as events.

mod apply;
mod event;
mod export;
mod formats;

#[cfg(fuzzing)]
pub use apply::plan_any_bytes;
pub use apply::{Options, Problem, Tally, Writer};
pub use chrono_tz::Tz;
pub use encoding_rs::Encoding;
pub use event::{Event, Kind, Number};
pub use export::export;
pub use formats::{
    Alpaca, AnyFormat, Batch, Csv, FixReader, Format, FormatName, Malformed, Ndjson, ReadOptions,
    Reader, TraderTag, detect,
};
