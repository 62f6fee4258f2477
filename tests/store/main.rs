//! Tests of the store against a real PostgreSQL: one private server for this binary, and a new database
//! for every test.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod amendments;
mod atomicity;
mod batches;
mod breaks;
mod catalog;
mod compile;
mod complaints;
mod crash;
mod desks;
mod docs;
mod enums;
mod errors;
mod execution_logs;
mod expiry;
mod export;
mod failover;
mod fills;
mod fix_order_states;
mod harden;
mod idempotency;
mod ingest;
mod lifecycle;
mod login;
mod migrations;
mod model;
mod orders;
mod pagination;
mod play;
mod price;
mod raw_clients;
mod rebuild;
mod report;
mod roles;
mod seals;
mod session;
mod status;
mod steps;
mod streams;
mod tail;
mod totals;
mod traders;
mod trading_day;
mod widths;
mod years;
