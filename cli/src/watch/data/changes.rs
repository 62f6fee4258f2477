//! What has changed since the last look: the orders that new entries of the log are about.

use std::collections::HashSet;

use tradeblotter::role::Reader;
use tradeblotter::{Error, Filter, Session, Tail, TailFrom};
use uuid::Uuid;

/// The most times that the log is read in one look. Each reads a few hundred entries.
const MAX_POLLS: usize = 10;

/// How many numbers before the last one to begin at: an entry that was being written when the first page was read
/// may have a lower number than one on it.
const OVERLAP: i64 = 2000;

/// The log, followed by number.
pub struct Changes {
    tail: Tail<'static, Reader>,
}

/// The orders that new entries are about.
#[derive(Debug, Default)]
pub struct Changed {
    pub orders: HashSet<Uuid>,
    /// Whether an entry is about a break.
    pub has_breaks: bool,
    /// Whether there may be further entries already.
    pub has_more: bool,
}

impl Changes {
    pub fn begin(session: &Session<Reader>) -> Result<Self, Error> {
        let last = session.tail(TailFrom::End, Filter::default())?.after();
        let from = TailFrom::After((last - OVERLAP).max(0));
        Ok(Self { tail: session.tail(from, Filter::default())? })
    }

    pub fn poll(&mut self) -> Result<Changed, Error> {
        let mut changed = Changed::default();
        for _ in 0..MAX_POLLS {
            let entries = self.tail.poll()?;
            if entries.is_empty() {
                return Ok(changed);
            }
            for entry in entries {
                changed.orders.insert(entry.order_id);
                changed.has_breaks |= entry.break_id.is_some();
            }
        }
        changed.has_more = true;
        Ok(changed)
    }

    /// Returns the number up to which entries have been told.
    pub fn last(&self) -> i64 {
        self.tail.after()
    }

    /// Returns why entries that are committed are not told yet, if that lasts.
    pub fn held_back(&self) -> Option<String> {
        self.tail.held_back().map(ToString::to_string)
    }
}
