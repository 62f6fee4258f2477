//! [`Tail`], the entries of the log as they are committed.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;

use super::matching;
use super::rows::ExecutionLog;
use crate::database::open_transaction::OpenTransaction;
use crate::database::postgres::blotter_last_number;
use crate::database::role::Role;
use crate::database::session::Session;
use crate::database::settled::{Mark, OpenWriters};
use crate::database::transaction::Tx;
use crate::error::Error;
use crate::schema::execution_logs;
use crate::types::filter::Filter;

/// The most entries that one poll returns.
const PAGE: usize = 500;

/// The most numbers that are remembered until they are settled. When there are more, the newest gives way.
const MARKS: usize = 64;

/// The time between two polls, unless the caller says otherwise.
const INTERVAL: Duration = Duration::from_millis(250);

/// The pause before an entry is looked for again that is committed but not settled; doubled each time.
const SHORTEST_PAUSE: Duration = Duration::from_millis(5);

/// How long entries are held back before [`Tail::held_back`] says so.
const TOLERANCE: TimeDelta = TimeDelta::seconds(1);

/// Where a [`Tail`] begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TailFrom<'a> {
    /// At the first entry of the log.
    Start,
    /// After the greatest number that is committed now. An entry that is being written now and has a lower number is
    /// left out; to continue a listing without a gap, use [`TailFrom::Listed`].
    End,
    /// After the entry with this [`sequence`](ExecutionLog::sequence), such as the last one that was processed.
    After(i64),
    /// After a listing, such as [`ExecutionLogs::newest`](crate::ExecutionLogs::newest): every entry with a number above the lowest one listed, but those listed. So an entry that was
    /// being written at the time of the listing is not missed. From the first entry of the log, if none is listed.
    Listed(&'a [ExecutionLog]),
}

/// The entries of the log as they are committed: each one that the session may see and that matches the filter, once,
/// by ascending [`sequence`](ExecutionLog::sequence); from [`Session::tail`].
///
/// A transaction that drew a lower number may commit after one that drew a higher number. So an entry is held back
/// until no lower number can be committed any more: on a primary, until the transactions that were writing entries
/// when it was committed have ended; on a hot standby, which does not know what a transaction writes, until all
/// transactions with an id have that were open then, in any database of the cluster. An idle transaction that has
/// written holds back everything after it; [`Tail::held_back`] names it.
///
/// Neither polls nor memory grow with the log: a poll that finds nothing is one query by an index, and one that finds
/// something reads up to 500 entries. No connection is held between polls.
///
/// After an error the tail is where it was: poll again, which connects again. Another process resumes with
/// [`TailFrom::After`] the number of the last entry that was processed. After a failover to a standby that had not
/// received all commits, numbers may be given again: resume from the last entry that the new primary has.
///
/// ```
/// # #[cfg(feature = "embedded")] fn main() -> Result<(), tradeblotter::Error> {
/// use tradeblotter::{Action, Filter, TailFrom};
/// # use tradeblotter::{Blotter, NewOrder, Side, embedded, migrations, role};
/// # let server = embedded::Server::start()?;
/// # migrations::run(&mut server.connect()?)?;
/// # let officer = Blotter::connect(&server.login::<role::Compliance>()?)?.compliance();
/// # let engine = Blotter::connect(&server.login::<role::Engine>()?)?.engine();
/// # let ada = engine.transaction(|tx| tx.traders().register("Ada"))?;
/// # engine.transaction(|tx| tx.orders().submit(&NewOrder::market(ada.id, Side::Buy, "AAPL", 100)))?;
///
/// let mut tail = officer.tail(TailFrom::Start, Filter::default())?;
/// let entry = tail.next().transpose()?; // waits for it
/// assert_eq!(entry.map(|entry| entry.action), Some(Action::Submitted));
/// assert_eq!(tail.poll()?, []); // does not wait
/// # Ok(()) }
/// # #[cfg(not(feature = "embedded"))] fn main() {}
/// ```
#[derive(Debug)]
pub struct Tail<'f, R> {
    session: Session<R>,
    filter: Filter<'f>,
    interval: Duration,
    /// No entry up to this number is still to be read.
    read: i64,
    /// Entries above that are not to be returned.
    skipped: BTreeSet<i64>,
    /// What was read and is not yet returned.
    ready: VecDeque<ExecutionLog>,
    /// Numbers above `read` that are committed and were not settled when they were seen, in ascending order.
    marks: VecDeque<(Mark, DateTime<Utc>)>,
    held_back: Option<HeldBack>,
}

/// Entries that are committed and that a [`Tail`] may not return yet, because a lower number may still be committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldBack {
    /// Since when, by the clock of this machine.
    pub since: DateTime<Utc>,
    /// How many match, up to [`HeldBack::MAX`].
    pub entries: usize,
    /// The transactions that are writing entries; none on a standby, which does not know them.
    pub transactions: Vec<OpenTransaction>,
}

impl HeldBack {
    /// The number up to which entries that are held back are counted.
    pub const MAX: usize = 1000;
}

impl fmt::Display for HeldBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.entries {
            1 => f.write_str("1 entry is")?,
            Self::MAX => write!(f, "{} or more entries are", Self::MAX)?,
            entries => write!(f, "{entries} entries are")?,
        }
        write!(f, " held back since {}", self.since.format("%Y-%m-%d %H:%M:%S UTC"))?;
        f.write_str(", because an earlier entry may still be committed by ")?;
        let mut transactions = self.transactions.iter();
        match transactions.next() {
            Some(first) => write!(f, "{first}")?,
            None => f.write_str("a transaction that is open on the primary")?,
        }
        transactions.try_for_each(|other| write!(f, "; {other}"))
    }
}

/// What one poll found.
struct Found {
    rows: Vec<ExecutionLog>,
    /// No entry up to this number is still to be read.
    read: i64,
    marks: VecDeque<(Mark, DateTime<Utc>)>,
    held_back: Option<HeldBack>,
}

impl<R: Role> Session<R> {
    /// Returns the entries of the log that match the filter as they are committed, in order, without gaps or repeats.
    ///
    /// # Errors
    ///
    /// Connection errors, for [`TailFrom::End`]; the others do not connect.
    pub fn tail<'f>(&self, from: TailFrom<'_>, filter: Filter<'f>) -> Result<Tail<'f, R>, Error> {
        let mut skipped = BTreeSet::new();
        let read = match from {
            TailFrom::Start => 0,
            TailFrom::After(number) => number,
            TailFrom::End => self.poll(|tx| last_number(tx))?,
            TailFrom::Listed(entries) => {
                skipped.extend(entries.iter().map(|entry| entry.sequence));
                skipped.first().map_or(0, |first| first - 1)
            }
        };
        Ok(Tail {
            session: self.clone(),
            filter,
            interval: INTERVAL,
            read,
            skipped,
            ready: VecDeque::new(),
            marks: VecDeque::new(),
            held_back: None,
        })
    }
}

impl<R: Role> Tail<'_, R> {
    /// Returns the same tail with another time between two polls; 250 milliseconds by default.
    pub fn every(self, interval: Duration) -> Self {
        Self { interval, ..self }
    }

    /// Returns the number up to which every entry has been returned, to resume with [`TailFrom::After`].
    pub fn after(&self) -> i64 {
        self.ready.front().map_or(self.read, |entry| entry.sequence - 1)
    }

    /// Returns what the last poll found that it may not return yet, if that has lasted for more than a second.
    pub fn held_back(&self) -> Option<&HeldBack> {
        self.held_back.as_ref()
    }

    /// Returns the next entries, up to 500, without waiting for more; empty if there is none at present.
    ///
    /// # Errors
    ///
    /// Connection errors; the tail may be polled again.
    pub fn poll(&mut self) -> Result<Vec<ExecutionLog>, Error> {
        while self.ready.is_empty() && self.read_page()? {}
        Ok(self.ready.drain(..).collect())
    }

    /// Returns the next entries as [`poll`](Self::poll) does, but waits for the first one; empty if there is none within
    /// this time.
    ///
    /// # Errors
    ///
    /// Those of [`poll`](Self::poll).
    pub fn wait(&mut self, at_most: Duration) -> Result<Vec<ExecutionLog>, Error> {
        let begun = Instant::now();
        let mut pause = SHORTEST_PAUSE;
        loop {
            let entries = self.poll()?;
            let left = at_most.saturating_sub(begun.elapsed());
            if !entries.is_empty() || left.is_zero() {
                return Ok(entries);
            }
            // What is not settled yet mostly is in a moment.
            if self.marks.is_empty() {
                pause = self.interval;
            }
            thread::sleep(pause.min(self.interval).min(left));
            pause = pause.saturating_mul(2);
        }
    }

    /// Reads the next page; returns whether more may follow.
    fn read_page(&mut self) -> Result<bool, Error> {
        let found = self.session.poll(|tx| self.look(tx)).inspect_err(|_| {
            // The next connection may lead to another server, whose transaction ids may be lower after a failover.
            self.marks.clear();
            self.held_back = None;
        })?;
        let is_full = found.rows.len() == PAGE;
        self.read = found.read;
        self.marks = found.marks;
        self.held_back = found.held_back;
        let rows = found.rows.into_iter();
        self.ready.extend(rows.filter(|entry| !self.skipped.remove(&entry.sequence)));
        self.skipped = self.skipped.split_off(&(self.read + 1));
        Ok(is_full)
    }

    /// Reads the entries that are settled now. Every statement has a snapshot of its own, and their sequence matters:
    /// first the last number, then who was writing before, then the entries.
    fn look(&self, tx: &mut Tx<'_, R>) -> Result<Found, Error> {
        let last = last_number(tx)?;
        let mut found =
            Found { rows: Vec::new(), read: self.read, marks: self.marks.clone(), held_back: None };
        if last <= self.read {
            return Ok(found);
        }
        let open = OpenWriters::look(tx.conn())?;
        if found.marks.back().is_none_or(|(mark, _)| mark.number < last) {
            if found.marks.len() == MARKS {
                found.marks.pop_back();
            }
            found.marks.push_back((open.mark(last), Utc::now()));
        }
        let settled = found.marks.iter().rev().find(|(mark, _)| mark.is_settled(&open));
        if let Some(&(Mark { number: settled, .. }, _)) = settled {
            let between =
                execution_logs::sequence.gt(self.read).and(execution_logs::sequence.le(settled));
            found.rows = matching(&self.filter, tx.role())
                .filter(between)
                .order(execution_logs::sequence)
                .limit(PAGE as i64)
                .select(ExecutionLog::as_select())
                .load(tx.conn())?;
            found.read = match found.rows.last() {
                Some(entry) if found.rows.len() == PAGE => entry.sequence,
                _ => settled,
            };
            found.marks.retain(|(mark, _)| mark.number > found.read);
        }
        if let Some(&(_, since)) = found
            .marks
            .front()
            .filter(|(mark, since)| !mark.is_settled(&open) && Utc::now() - since > TOLERANCE)
        {
            let mut entries: Vec<i64> = matching(&self.filter, tx.role())
                .filter(execution_logs::sequence.gt(found.read))
                .order(execution_logs::sequence)
                .limit(HeldBack::MAX as i64)
                .select(execution_logs::sequence)
                .load(tx.conn())?;
            entries.retain(|number| !self.skipped.contains(number));
            found.held_back = (!entries.is_empty()).then_some(HeldBack {
                since,
                entries: entries.len(),
                transactions: open.transactions,
            });
        }
        Ok(found)
    }
}

impl<R: Role> Iterator for Tail<'_, R> {
    type Item = Result<ExecutionLog, Error>;

    /// Waits for the next entry; never returns `None`. After an error it may be called again.
    fn next(&mut self) -> Option<Self::Item> {
        while self.ready.is_empty() {
            match self.wait(Duration::MAX) {
                Ok(entries) => self.ready.extend(entries),
                Err(error) => return Some(Err(error)),
            }
        }
        self.ready.pop_front().map(Ok)
    }
}

/// Returns the greatest number of a committed entry of any trader.
fn last_number<R: Role>(tx: &mut Tx<'_, R>) -> Result<i64, Error> {
    Ok(diesel::select(blotter_last_number()).get_result(tx.conn())?)
}
