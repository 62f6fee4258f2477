//! The order, fill and audit store that a synchronous trading backend links in, on Diesel and
//! PostgreSQL.
//!
//! A *blotter* is the trade's own word for its book of original entry. Here it is three tables:
//! **orders**, their **fills**, and the **execution log** of every action on them. What the
//! compiler can refuse it refuses, what it can't the database does: a column of the wrong type does
//! not build, a LIMIT order without a price is not stored, one trader's session does not see
//! another's rows, and row security lets nobody change or delete a log entry.
//!
//! # A tour
//!
//! ```
//! # #[cfg(feature = "embedded")]
//! fn main() -> Result<(), tradeblotter::Error> {
//!     use tradeblotter::{
//!         Action, Blotter, Commission, NewExecutionLog, NewFill, NewOrder, OrderStatus, embedded,
//!         migrations,
//!     };
//!
//!     // A private PostgreSQL for this example; a backend has a DATABASE_URL instead.
//!     let server = embedded::Server::start()?;
//!     migrations::run(&mut server.connect()?)?;
//!     let blotter = Blotter::connect(server.url())?;
//!
//!     let ada = blotter.anonymous().transaction(|tx| tx.traders().register("Ada"))?;
//!     let session = blotter.trader(ada.id)?;
//!
//!     // An order is submitted: it is PENDING, and the log says SUBMITTED.
//!     let new = NewOrder::limit(ada.id, "AAPL", 300, "229.90".parse()?);
//!     let order = session.transaction(|tx| tx.orders().submit(&new))?;
//!
//!     // Two thirds of it are filled: it is PARTIAL, and the log says FILLED.
//!     let fill = NewFill {
//!         order_id: order.id,
//!         timestamp: chrono::Utc::now(),
//!         quantity_filled: 200,
//!         price_at_fill: "229.87".parse()?,
//!         venue: "NASDAQ",
//!         commission: Commission::default(),
//!     };
//!     session.transaction(|tx| tx.fills().record(&fill))?;
//!
//!     // 200 more would be too many: refused by name, and nothing of it is stored.
//!     let refused = session.transaction(|tx| tx.fills().record(&fill)).unwrap_err();
//!     assert_eq!(refused.constraint(), Some("ck_orders_filled_lte_quantity"));
//!
//!     // The rest is cancelled: what was filled stays filled.
//!     let cancel = NewExecutionLog::new(order.id, Action::Cancelled);
//!     session.transaction(|tx| tx.execution_logs().append(&cancel))?;
//!
//!     let history = session.snapshot(|tx| tx.orders().history(order.id))?;
//!     assert_eq!(history.order.status, OrderStatus::Cancelled);
//!     assert_eq!(history.order.filled_quantity, 200);
//!     let actions: Vec<_> = history.log.iter().map(|entry| entry.action).collect();
//!     assert_eq!(actions, [Action::Submitted, Action::Filled, Action::Cancelled]);
//!
//!     // Nobody else sees any of it.
//!     let grace = blotter.anonymous().transaction(|tx| tx.traders().register("Grace"))?;
//!     let hidden = blotter.trader(grace.id)?.transaction(|tx| tx.orders().get(order.id));
//!     assert!(hidden.unwrap_err().is_not_found());
//!     Ok(())
//! }
//! # #[cfg(not(feature = "embedded"))]
//! # fn main() {}
//! ```
//!
//! # What flows where
//!
//! [`Blotter`] is the pool. It gives a [`Session`], which is one identity; a session gives a
//! [`transaction`](Session::transaction) or, to read what has to agree, a
//! [`snapshot`](Session::snapshot); in either, [`Tx`] gives the repositories:
//!
//! | repository | writes | reads |
//! |---|---|---|
//! | [`Traders`] | [`register`](Traders::register) | [`get`](Traders::get), [`list`](Traders::list) |
//! | [`Orders`] | [`submit`](Orders::submit) | [`get`](Orders::get), [`history`](Orders::history), [`recent`](Orders::recent), [`open`](Orders::open) |
//! | [`Fills`] | [`record`](Fills::record) | [`get`](Fills::get), [`of_order`](Fills::of_order), [`recent`](Fills::recent) |
//! | [`ExecutionLogs`] | [`append`](ExecutionLogs::append) | [`of_order`](ExecutionLogs::of_order), [`trail`](ExecutionLogs::trail), [`recent`](ExecutionLogs::recent) |
//!
//! A write changes the order's status and totals and adds its row to the log in the same
//! transaction, or does nothing at all. Listings come in [`Page`]s. Money is [`Price`] and
//! [`Commission`], exact decimals that refuse what their column would round. Every failure is an
//! [`Error`] that names the rule that was broken and the row that broke it.
//!
//! For queries of one's own there is [`schema`], checked by the compiler, with
//! [`Tx::connection`] to run them under the same identity. [`migrations`] brings a database up to
//! date, [`catalog`] tells whether it is what this build expects, and [`embedded`] starts a
//! private server for tests.
//!
//! # Features
//!
//! - `cli` (default): the command `blotter`. Without default features the library stays lean.
//! - `embedded`: [`embedded`], part of `cli`.
//! - `serde`: `Serialize` and `Deserialize` on the public types, prices as exact text; `Serialize`
//!   alone on those that borrow (`NewOrder`, `NewFill`, `NewExecutionLog`, `Filter`).
//! - `tls`: TLS to the server (`sslmode=require`), with the OpenSSL that is installed.

pub mod catalog;
#[cfg(feature = "embedded")]
pub mod embedded;
mod enums;
mod error;
mod execution_logs;
mod fills;
mod filter;
mod lifecycle;
pub mod migrations;
mod orders;
mod page;
mod price;
/// The tables and enums as the query builder knows them: generated from the migrations, with the
/// database's comments for docs.
// What the database has no comment for, the generated code has no docs for.
#[allow(missing_docs)]
#[rustfmt::skip]
pub mod schema;
mod session;
mod system;
mod text;
mod traders;

pub use enums::{Action, OrderStatus, OrderType};
pub use error::Error;
pub use execution_logs::{ExecutionLog, ExecutionLogs, NewExecutionLog};
pub use fills::{Fill, Fills, NewFill};
pub use filter::Filter;
pub use orders::{NewOrder, Order, OrderHistory, Orders};
pub use page::{Cursor, Listing, Page};
pub use price::{Commission, Price};
pub use session::{Blotter, Session, Tx, connect, transaction_on};
pub use traders::{Trader, Traders};

/// Keeps the program in the README compiling.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
