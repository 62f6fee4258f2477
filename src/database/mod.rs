//! Access to PostgreSQL below the tables: pool, sessions, roles and transactions; migrations, the schema
//! check and hardening; the private server.

pub(crate) mod bisect;
pub(crate) mod blotter;
pub mod catalog;
pub(crate) mod citus;
pub(crate) mod desk;
pub(crate) mod distribution;
#[cfg(feature = "embedded")]
pub mod embedded;
#[cfg(feature = "fleet")]
pub(crate) mod fleet;
pub mod harden;
pub(crate) mod login;
pub mod migrations;
pub(crate) mod open_transaction;
pub(crate) mod pool;
pub(crate) mod postgres;
pub(crate) mod retry;
pub mod role;
pub(crate) mod safe_snapshot;
#[cfg(feature = "audit")]
pub(crate) mod server;
pub(crate) mod session;
pub(crate) mod settled;
pub(crate) mod transaction;
#[cfg(feature = "audit")]
pub(crate) mod unguarded;
pub(crate) mod unnest;
