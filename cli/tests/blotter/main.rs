//! The command `blotter`, run as a person or a script would, against a private server and a database of its
//! own for every test.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod command;
mod ingest;
mod migrate;
#[cfg(feature = "parquet")]
mod reference;
mod report;
mod seal;
