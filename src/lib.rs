//! The order, fill and audit store that a synchronous trading backend links in, on Diesel and
//! PostgreSQL.
//!
//! A *blotter* is the trade's own word for its book of original entry. Here it is three tables:
//! **orders**, their **fills**, and the **execution log** of every action on them; and beside them
//! the **breaks**, what venues have reported that could not be applied. What the
//! compiler can refuse it refuses, what it can't the database does: a column of the wrong type does
//! not build, nor does a trader's session that records a fill; a LIMIT order without a price is not
//! stored, one trader's session does not see another's rows, and nobody changes or removes what was
//! recorded.
//!
//! # A tour
//!
//! ```
//! # #[cfg(feature = "embedded")]
//! fn main() -> Result<(), tradeblotter::Error> {
//!     use tradeblotter::{Action, Blotter, Commission, NewFill, NewOrder, OrderStatus, Side, embedded, migrations, role};
//!
//!     // A private PostgreSQL for this example; a backend has a URL for each login instead.
//!     let server = embedded::Server::start()?;
//!     migrations::run(&mut server.connect()?)?;
//!     let traders = Blotter::connect(&server.login::<role::Trader>()?)?;
//!     let engine = Blotter::connect(&server.login::<role::Engine>()?)?.engine();
//!
//!     let ada = engine.transaction(|tx| tx.traders().register("Ada"))?;
//!     let desk = traders.trader(ada.id)?;
//!
//!     // An order is submitted: it is PENDING, and the log says SUBMITTED.
//!     let new = NewOrder::limit(ada.id, Side::Buy, "AAPL", 300, "229.90".parse()?);
//!     let order = desk.transaction(|tx| tx.orders().submit(&new))?;
//!
//!     // Two thirds of it are filled: it is PARTIAL, and the log says FILLED.
//!     let fill = NewFill {
//!         order_id: order.id,
//!         timestamp: chrono::Utc::now(),
//!         quantity_filled: 200,
//!         price_at_fill: "229.87".parse()?,
//!         venue: "NASDAQ",
//!         commission: Commission::default(),
//!         execution_id: None,
//!     };
//!     engine.transaction(|tx| tx.fills().record(&fill))?;
//!
//!     // 200 more would be too many: refused by name, and nothing of it is stored.
//!     let refused = engine.transaction(|tx| tx.fills().record(&fill)).unwrap_err();
//!     assert_eq!(refused.constraint(), Some("ck_orders_filled_lte_quantity"));
//!
//!     // The rest is cancelled: what was filled stays filled.
//!     desk.transaction(|tx| tx.execution_logs().cancel(order.id, None))?;
//!
//!     let history = desk.snapshot(|tx| tx.orders().history(order.id))?;
//!     assert_eq!(history.order.status, OrderStatus::Cancelled);
//!     assert_eq!(history.order.filled_quantity, 200);
//!     let actions: Vec<_> = history.log.iter().map(|entry| entry.action).collect();
//!     assert_eq!(actions, [Action::Submitted, Action::Filled, Action::Cancelled]);
//!
//!     // No other trader sees any of it.
//!     let grace = engine.transaction(|tx| tx.traders().register("Grace"))?;
//!     let hidden = traders.trader(grace.id)?.transaction(|tx| tx.orders().get(order.id));
//!     assert!(hidden.unwrap_err().is_not_found());
//!     Ok(())
//! }
//! # #[cfg(not(feature = "embedded"))]
//! # fn main() {}
//! ```
//!
//! # What flows where
//!
//! [`Blotter`] is the pool. It gives a [`Session`], which acts as one [`role`]; a session gives a
//! [`transaction`](Session::transaction) or, to read what has to agree, a
//! [`snapshot`](Session::snapshot); in either, [`Tx`] gives the repositories:
//!
//! | repository | writes | who may | reads |
//! |---|---|---|---|
//! | [`Traders`] | [`register`](Traders::register) | engine | [`get`](Traders::get), [`list`](Traders::list) |
//! | [`Orders`] | [`submit`](Orders::submit), [`submit_batch`](Orders::submit_batch) | trader, engine | [`get`](Orders::get), [`by_client_order_id`](Orders::by_client_order_id), [`history`](Orders::history), [`as_of`](Orders::as_of), [`recent`](Orders::recent), [`open`](Orders::open), [`stream`](Orders::stream), [`rebuild`](Orders::rebuild) |
//! | | [`expire_due`](Orders::expire_due) | engine | |
//! | [`Fills`] | [`record`](Fills::record), [`record_batch`](Fills::record_batch), [`bust`](Fills::bust), [`correct`](Fills::correct) | engine | [`get`](Fills::get), [`of_execution`](Fills::of_execution), [`of_order`](Fills::of_order), [`recent`](Fills::recent), [`stream`](Fills::stream) |
//! | [`Breaks`] | [`record_or_break`](Breaks::record_or_break), [`record_batch_or_break`](Breaks::record_batch_or_break), [`reconcile`](Breaks::reconcile), [`resolve`](Breaks::resolve) | engine | [`get`](Breaks::get), [`open`](Breaks::open), [`recent`](Breaks::recent) |
//! | [`ExecutionLogs`] | [`cancel`](ExecutionLogs::cancel) | trader, engine | [`of_order`](ExecutionLogs::of_order), [`trail`](ExecutionLogs::trail), [`recent`](ExecutionLogs::recent), [`stream`](ExecutionLogs::stream) |
//! | | [`append`](ExecutionLogs::append), [`append_batch`](ExecutionLogs::append_batch) | engine | |
//!
//! With the feature `audit` there is one more, `Tx::seals`: signed seals of the log, made by the auditor
//! and verified by compliance too, in `audit`.
//!
//! A write is one INSERT. What follows from it, the order's status and totals and the row in the log,
//! the database derives in the same statement, whatever client it comes from. Sent again, a write is
//! known by the id that its client or venue gave it: the stored row comes back, or a refusal that names
//! what differs. Listings come in [`Page`]s; what is too much for pages comes row by row, as a stream.
//! Money is [`Price`] and [`Commission`], exact decimals that refuse what cannot be kept exactly. Every
//! failure is an [`Error`] that names the rule that was broken and the row that broke it.
//!
//! For queries of one's own there is [`schema`], checked by the compiler, with
//! [`Tx::connection`] to run them under the same role and identity. [`migrations`] brings a database
//! up to date, [`catalog`] tells whether it is what this build expects, [`Login`] what a connection may
//! do, and `embedded` starts a private server for tests.
//!
//! # Features
//!
//! None is on by default.
//!
//! - `audit`: signed seals of the log, and proofs that they hold.
//! - `embedded`: a private PostgreSQL server, for tests and demos.
//! - `ingest`: execution reports, read and applied; and the log written out again.
//! - `report`: reports of a range of time, as HTML, CSV or NDJSON.
//! - `parquet`: reports as Parquet too.
//! - `serde`: `Serialize` and `Deserialize` on the public types, decimals as exact text; `Serialize`
//!   alone on those that borrow (what is new, `Execution`, `Filter`) and on what a check finds
//!   (`Difference`, `DifferingOrder`, `Rebuilt`).
//! - `tls`: TLS to the server (`sslmode=require`), with the OpenSSL that is installed.

#[cfg(feature = "audit")]
pub mod audit;
mod breaks;
mod database;
mod error;
mod execution_logs;
mod fills;
#[cfg(feature = "ingest")]
pub mod ingest;
mod orders;
#[cfg(feature = "report")]
pub mod report;
/// The tables and enums as the query builder knows them: generated from the migrations, with the
/// database's comments for docs.
// What the database has no comment for, the generated code has no docs for.
#[allow(missing_docs)]
#[rustfmt::skip]
pub mod schema;
mod traders;
mod types;

pub use breaks::{
    Break, BreakHistory, BreakResolution, Breaks, Execution, ExecutionKind, NewBreakResolution,
    Outcome, Resolution,
};
#[cfg(feature = "embedded")]
pub use database::embedded;
pub use database::login::Login;
pub use database::pool::{Blotter, connect};
pub use database::session::Session;
pub use database::transaction::{Tx, snapshot_on, transaction_on};
pub use database::{catalog, migrations, role};
pub use error::{Error, ErrorKind};
pub use execution_logs::{Ended, ExecutionLog, ExecutionLogs, NewAction, NewExecutionLog};
pub use fills::{Fill, Fills, NewBust, NewCorrection, NewFill};
pub use orders::rebuild::{DifferingOrder, Rebuilt};
pub use orders::totals::Totals;
pub use orders::{NewOrder, Order, OrderHistory, Orders};
pub use traders::{Trader, Traders};
pub use types::difference::Difference;
pub use types::enums::{Action, BreakReason, OrderStatus, OrderType, Side};
pub use types::filter::Filter;
pub use types::page::{Cursor, Listing, Page};
pub use types::precision;
pub use types::price::{Commission, Price};

/// Keeps the program in the README compiling.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// Keeps the program for poolers compiling.
#[cfg(doctest)]
#[doc = include_str!("../docs/security.md")]
struct Security;
