//! The promises of the store, each proven against a real PostgreSQL: one private server for this
//! binary, a database of its own for every test.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod atomicity;
#[path = "../attacks/mod.rs"]
mod attacks;
mod catalog;
mod command;
mod compile;
mod enums;
mod errors;
mod execution_logs;
mod fills;
mod lifecycle;
mod login;
mod migrations;
mod orders;
mod pagination;
mod price;
mod roles;
mod schema_rs;
mod session;
mod support;
mod traders;
