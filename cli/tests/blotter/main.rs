//! Runs the command `blotter` as a person or a script would. All tests share a private server; each has a
//! database of its own.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod command;
mod desk;
mod ingest;
mod migrate;
#[cfg(feature = "parquet")]
mod reference;
mod report;
mod seal;
mod status;
mod terminal;
mod watch;
