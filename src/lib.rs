//! An order, fill and audit store for trading backends: a synchronous library on Diesel and PostgreSQL.
//!
//! A *blotter* is a trading firm's book of original entry. This one holds **orders**, their **fills**, the
//! **execution log** of every action on them, and **breaks**: execution reports that could not be applied,
//! kept until somebody resolves them.
//!
//! # Guarantees
//!
//! The compiler enforces what it can, PostgreSQL the rest, so the guarantees hold for every client of the
//! database and not only for this library.
//!
//! - **Derived state.** Every write is one INSERT. In the same statement the database derives the order's
//!   status, filled quantity and average price, and adds the entry to the log. So the invariants hold after
//!   every statement: no order is filled beyond its quantity, and a fill for an order that has ended is
//!   refused.
//! - **Idempotent writes.** A write with a client order id or an execution id may be sent any number of
//!   times: it is stored once, and sent again it returns the stored row. Different content under a known
//!   id is refused ([`Error::is_mismatch`]).
//! - **Append-only records.** Recorded rows are neither changed nor removed: no role has the privilege, and
//!   triggers refuse it to the owner too. Busts, corrections and resolutions are rows of their own.
//! - **Isolated traders.** Row-level security shows a trader's session its own rows only. A role without the
//!   privilege for a write has no method for it, so the write does not compile.
//! - **Atomic transactions.** All or nothing: a transaction whose closure fails, panics or swallows an error
//!   of the database commits nothing. Batches lock rows in one global order, so concurrent batches cannot
//!   deadlock; other deadlocks and serialization failures are retried.
//! - **Exact money.** [`Price`] and [`Commission`] are decimals; a value that a column would round is refused.
//! - **Tamper-evident log.** With the feature `audit`, signed seals over the log show changes, even by a
//!   superuser.
//!
//! # A tour
//!
//! ```
//! # #[cfg(feature = "embedded")]
//! fn main() -> Result<(), tradeblotter::Error> {
//!     use tradeblotter::{Action, Blotter, Commission, NewFill, NewOrder, OrderStatus, Side, embedded, migrations, role};
//!
//!     // A private PostgreSQL for this example; a backend has one URL for each login instead.
//!     let server = embedded::Server::start()?;
//!     migrations::run(&mut server.connect()?)?;
//!     let traders = Blotter::connect(&server.login::<role::Trader>()?)?;
//!     let engine = Blotter::connect(&server.login::<role::Engine>()?)?.engine();
//!
//!     let ada = engine.transaction(|tx| tx.traders().register("Ada"))?;
//!     let desk = traders.trader(ada.id)?;
//!
//!     // Submit an order: it is PENDING, and SUBMITTED is logged.
//!     let new = NewOrder::limit(ada.id, Side::Buy, "AAPL", 300, "229.90".parse()?);
//!     let order = desk.transaction(|tx| tx.orders().submit(&new))?;
//!
//!     // Record a fill of two thirds: the order is PARTIAL, and FILLED is logged.
//!     let fill = NewFill {
//!         order_id: order.id,
//!         timestamp: chrono::Utc::now(),
//!         quantity_filled: 200,
//!         price_at_fill: "229.87".parse()?,
//!         venue: "XNAS",
//!         commission: Commission::default(),
//!         rebate: Commission::default(),
//!         source: None,
//!         execution_id: None,
//!     };
//!     engine.transaction(|tx| tx.fills().record(&fill))?;
//!
//!     // 200 more would exceed the order: the error names the rule, and nothing is stored.
//!     let refused = engine.transaction(|tx| tx.fills().record(&fill)).unwrap_err();
//!     assert_eq!(refused.constraint(), Some("ck_orders_filled_lte_quantity"));
//!
//!     // Cancel the rest: the fill stays.
//!     desk.transaction(|tx| tx.execution_logs().cancel(order.id, None))?;
//!
//!     let history = desk.snapshot(|tx| tx.orders().history(order.id))?;
//!     assert_eq!(history.order.status, OrderStatus::Cancelled);
//!     assert_eq!(history.order.filled_quantity, 200);
//!     let actions: Vec<_> = history.log.iter().map(|entry| entry.action).collect();
//!     assert_eq!(actions, [Action::Submitted, Action::Filled, Action::Cancelled]);
//!
//!     // No other trader sees the order.
//!     let grace = engine.transaction(|tx| tx.traders().register("Grace"))?;
//!     let hidden = traders.trader(grace.id)?.transaction(|tx| tx.orders().get(order.id));
//!     assert!(hidden.unwrap_err().is_not_found());
//!     Ok(())
//! }
//! # #[cfg(not(feature = "embedded"))]
//! # fn main() {}
//! ```
//!
//! # Sessions
//!
//! [`Blotter`] is the connection pool. It hands out a [`Session`] for one [`role`]; a session runs a
//! [`transaction`](Session::transaction), or a [`snapshot`](Session::snapshot) where several queries must
//! agree; and its [`Tx`] has the repositories:
//!
//! | repository | writes | by role | reads |
//! |---|---|---|---|
//! | [`Traders`] | [`register`](Traders::register) | engine | [`get`](Traders::get), [`list`](Traders::list) |
//! | [`Orders`] | [`submit`](Orders::submit), [`submit_batch`](Orders::submit_batch) | trader, engine | [`get`](Orders::get), [`by_client_order_id`](Orders::by_client_order_id), [`history`](Orders::history), [`as_of`](Orders::as_of), [`recent`](Orders::recent), [`open`](Orders::open), [`stream`](Orders::stream), [`rebuild`](Orders::rebuild) |
//! | | [`expire_due`](Orders::expire_due) | engine | |
//! | [`Fills`] | [`record`](Fills::record), [`record_batch`](Fills::record_batch), [`bust`](Fills::bust), [`correct`](Fills::correct) | engine | [`get`](Fills::get), [`of_execution`](Fills::of_execution), [`of_order`](Fills::of_order), [`recent`](Fills::recent), [`stream`](Fills::stream) |
//! | [`Breaks`] | [`record_or_break`](Breaks::record_or_break), [`record_batch_or_break`](Breaks::record_batch_or_break), [`reconcile`](Breaks::reconcile), [`record_unapplied`](Breaks::record_unapplied), [`resolve`](Breaks::resolve) | engine | [`get`](Breaks::get), [`open`](Breaks::open), [`recent`](Breaks::recent) |
//! | [`ExecutionLogs`] | [`cancel`](ExecutionLogs::cancel) | trader, engine | [`of_order`](ExecutionLogs::of_order), [`trail`](ExecutionLogs::trail), [`recent`](ExecutionLogs::recent), [`stream`](ExecutionLogs::stream) |
//! | | [`append`](ExecutionLogs::append), [`append_batch`](ExecutionLogs::append_batch) | engine | |
//!
//! With the feature `audit` there is one more, `Tx::seals`: the auditor seals the log, and the auditor and
//! compliance verify it and archive what is old.
//!
//! `transaction` runs its closure again after a deadlock or a serialization failure, up to five times in all,
//! so the closure must be safe to repeat. To keep a refused write from aborting the transaction, wrap it in
//! a savepoint: Diesel's `transaction` on [`Tx::connection`]. The batch methods do so themselves.
//!
//! # Reading
//!
//! Listings use keyset pagination: a [`Page`] starts after the [`Cursor`] of the page before. A [`Filter`]
//! restricts listings and streams; a stream yields rows as the server sends them, whatever their number.
//! [`Session::tail`] yields the entries of the log as they are committed, each once and in order.
//! For your own queries use [`schema`] with Diesel on [`Tx::connection`]: they are checked by the compiler
//! and run under the role and identity of the transaction.
//!
//! # Errors
//!
//! Every failure is an [`Error`]. Its text says what happened, to which row, which rule was broken and what to
//! do next; code matches on [`Error::kind`] or asks a predicate.
//!
//! # Operation
//!
//! [`migrations`] brings a database up to date, [`catalog`] compares its schema with what this build expects,
//! [`Login`] lists the privileges of a connection, [`widths`] widens the columns of prices and symbols, and
//! `embedded` starts a private server for tests.
//!
//! # Features
//!
//! None is on by default.
//!
//! - `audit`: signed seals of the log, their verification, inclusion proofs, and archives of old records; the
//!   figures of operation (`Session::status`).
//! - `embedded`: a private PostgreSQL server, for tests and demos (Unix).
//! - `ingest`: readers for FIX, NDJSON, CSV and Alpaca's JSON, the writer that applies execution reports, and
//!   the export.
//! - `report`: reports of every action in a time range, as HTML, CSV or NDJSON.
//! - `parquet`: reports as Parquet too.
//! - `serde`: `Serialize` and `Deserialize` on the public types, decimals as exact text. Types that borrow
//!   (`NewOrder`, `Execution`, `Filter` and others) and the results of checks (`Difference`,
//!   `DifferingOrder`, `Rebuilt`) are only `Serialize`.
//! - `tls`: TLS to the server (`sslmode=require`), with the OpenSSL that is installed.
//!
//! # Layers
//!
//! Arrows run one way: `status` uses `audit`; `ingest`, `report` and `audit` use the nouns (breaks, orders, fills, execution logs,
//! traders); these use the database layer (pool, sessions, transactions, migrations); and that uses the
//! types and errors.

#[cfg(feature = "audit")]
pub mod audit;
mod breaks;
mod database;
mod error;
mod execution_logs;
#[cfg(feature = "audit")]
pub mod files;
mod fills;
#[cfg(feature = "ingest")]
pub mod ingest;
mod orders;
#[cfg(feature = "report")]
pub mod report;
/// The tables and enums for Diesel's query builder, generated from the migrations, with the comments of the
/// database as docs.
// Generated: objects without a comment in the database have no docs.
#[allow(missing_docs)]
#[rustfmt::skip]
pub mod schema;
#[cfg(feature = "audit")]
pub mod status;
mod traders;
mod types;

pub use breaks::{
    Break, BreakHistory, BreakResolution, Breaks, Execution, ExecutionKind, NewBreakResolution,
    Outcome, Resolution, UnappliedReason, UnappliedReport,
};
pub use database::blotter::{Blotter, BlotterBuilder};
pub use database::citus::Holder;
pub use database::desk::{Desk, DeskRows, Moving};
#[cfg(feature = "embedded")]
pub use database::embedded;
#[cfg(feature = "fleet")]
pub use database::fleet::{Fleet, FleetFile, Place};
pub use database::login::Login;
pub use database::open_transaction::OpenTransaction;
pub use database::pool::connect;
#[cfg(feature = "audit")]
pub use database::server::ConnectionState;
pub use database::session::Session;
pub use database::transaction::{Tx, snapshot_on, transaction_on};
pub use database::{catalog, harden, migrations, role};
pub use error::{Error, ErrorKind};
pub use execution_logs::{
    Ended, ExecutionLog, ExecutionLogs, HeldBack, NewAction, NewExecutionLog, Tail, TailFrom,
};
pub use fills::{Fill, Fills, NewBust, NewCorrection, NewFill};
pub use orders::rebuild::{DifferingOrder, Rebuilt};
pub use orders::totals::Totals;
pub use orders::{NewOrder, Order, OrderHistory, Orders};
pub use traders::{Trader, Traders};
pub use types::difference::Difference;
pub use types::enums::{Action, BreakReason, OrderStatus, OrderType, Side, TimeInForce};
pub use types::filter::Filter;
pub use types::instructions::Instructions;
pub use types::page::{Cursor, Listing, Page};
pub use types::price::{Commission, Price};
pub use types::widths;
pub use types::years::YEARS;

/// Keeps the program in the README compiling.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// Keeps the program for poolers compiling.
#[cfg(doctest)]
#[doc = include_str!("../docs/security.md")]
struct Security;
