//! The data worker: a thread with a session of its own that reads what the screen wants and keeps it up to date, so
//! that the screen never waits for the database.
//!
//! The worker follows the log by number. While nothing is written it only looks for new entries, and now and then for
//! what is written without one; when something comes it reads the rows of the screen that this is about.

mod breaks;
mod changes;
mod history;
mod marks;
mod names;
mod orders;
mod role_session;
mod worker;

use chrono::{DateTime, Utc};
use tradeblotter::status::Status;

pub use self::role_session::RoleSession;
pub use self::worker::Worker;
use super::model::dialog::Act;
use super::page::{Page, Window};
use super::rows::{History, ListedOrder, OpenBreak};
use super::wanted::{HistoryQuery, OrdersQuery, Wanted};

/// What the screen asks of the worker.
#[derive(Clone, Debug)]
pub enum Request {
    /// Show this from now on.
    Show(Wanted),
    /// Change the store.
    Act(Act),
}

/// What the worker tells the screen.
#[derive(Clone, Debug)]
pub enum Update {
    Orders {
        of: OrdersQuery,
        page: Page<ListedOrder>,
    },
    Breaks {
        of: Window,
        page: Page<OpenBreak>,
    },
    /// The history of an order; none if there is no such order any more.
    History {
        of: HistoryQuery,
        history: Option<Box<History>>,
    },
    Status(Box<Status>),
    Connection(Connection),
    /// Why changes that are committed are not shown yet, if that lasts.
    HeldBack(Option<String>),
    /// What became of an act: what was done, or why nothing was.
    Done(Result<String, String>),
    /// A query that the database refused.
    Failed(String),
}

/// Whether the worker reaches the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connection {
    Live,
    /// The database has not answered since then; the worker tries again.
    Lost {
        since: DateTime<Utc>,
        why: String,
    },
}
