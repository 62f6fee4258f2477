//! The loop of the data worker.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use chrono::Utc;
use tradeblotter::role::Reader;
use tradeblotter::{Error, Session};
use uuid::Uuid;

use super::changes::{Changed, Changes};
use super::marks::Marks;
use super::names::Names;
use super::orders::Reach;
use super::{Connection, Request, RoleSession, Update, breaks, history, orders};
use crate::watch::model::Acting;
use crate::watch::page::{self, Bounds, Merged, Page, Position, Slice, Window};
use crate::watch::rows::{History, ListedOrder, OpenBreak};
use crate::watch::wanted::{HistoryQuery, OrdersQuery, Wanted};

/// The time between two looks at the log.
const POLL: Duration = Duration::from_millis(500);

/// The time between two looks at what is written without an entry in the log.
const LOOK: Duration = Duration::from_secs(2);

/// The least time between two readings of the figures when something has come.
const STATUS: Duration = Duration::from_secs(2);

/// The time between two readings of the figures while nothing comes: the rate of entries goes down for a minute.
const FADING_STATUS: Duration = Duration::from_secs(5);

/// The pause after an error before the worker tries again.
const RETRY: Duration = Duration::from_secs(2);

/// The most orders that changes are looked up for one by one. When there are more, the pages are read again.
const MAX_CHANGED: usize = 1000;

/// Reads what the screen wants, in a thread of its own.
pub struct Worker<S> {
    role_session: RoleSession,
    session: Session<Reader>,
    requests: Receiver<Request>,
    /// Takes an update to the screen.
    send: S,
    wanted: Option<Wanted>,
    names: Names,
    changes: Option<Changes>,
    polled: Option<Instant>,
    marks: Option<Marks>,
    looked: Option<Instant>,
    orders: Option<(OrdersQuery, Page<ListedOrder>)>,
    breaks: Option<(Window, Page<OpenBreak>)>,
    history: Option<HistoryQuery>,
    connection: Connection,
    held_back: Option<String>,
    /// Whether something has come since the figures were read.
    has_new_figures: bool,
    /// Whether the rate of entries was more than 0 when the figures were read.
    has_rate: bool,
    figured: Option<Instant>,
    /// The last error that the screen was told, so that it is told once.
    failure: Option<String>,
}

/// The screen has ended.
struct Ended;

impl<S: FnMut(Update)> Worker<S> {
    pub fn new(role_session: RoleSession, requests: Receiver<Request>, send: S) -> Self {
        Self {
            session: role_session.reader(),
            role_session,
            requests,
            send,
            wanted: None,
            names: Names::default(),
            changes: None,
            polled: None,
            marks: None,
            looked: None,
            orders: None,
            breaks: None,
            history: None,
            connection: Connection::Live,
            held_back: None,
            has_new_figures: true,
            has_rate: false,
            figured: None,
            failure: None,
        }
    }

    /// Works until the screen ends.
    pub fn run(mut self) {
        let mut pause = Duration::ZERO;
        while let Ok(()) = self.take_requests(pause) {
            pause = match self.refresh() {
                Ok(true) => Duration::ZERO,
                Ok(false) => POLL,
                Err(error) => {
                    self.fail(&error);
                    RETRY
                }
            };
        }
    }

    /// Waits for a request, and takes all that there are.
    fn take_requests(&mut self, pause: Duration) -> Result<(), Ended> {
        let mut request = match self.requests.recv_timeout(pause) {
            Ok(request) => Some(request),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return Err(Ended),
        };
        while let Some(taken) = request {
            match taken {
                Request::Show(wanted) => {
                    let before = self.wanted.replace(wanted);
                    let filter = |wanted: &Option<Wanted>| {
                        wanted.as_ref().map(|wanted| wanted.orders.filter.clone())
                    };
                    if filter(&before) != filter(&self.wanted) {
                        self.failure = None;
                    }
                }
                Request::Act(act) => {
                    let done = match self.role_session.act(&act) {
                        Some(Ok(done)) => Ok(done),
                        Some(Err(error)) => Err(error.to_string()),
                        None => Err("the role of this session has no such act".to_owned()),
                    };
                    // The entry that the act has written is looked for at once.
                    self.polled = None;
                    (self.send)(Update::Done(done));
                }
            }
            request = self.requests.try_recv().ok();
        }
        Ok(())
    }

    fn fail(&mut self, error: &Error) {
        let why = error.to_string();
        if error.is_connection() || error.is_exhausted() {
            if self.connection == Connection::Live {
                self.connection = Connection::Lost { since: Utc::now(), why };
                (self.send)(Update::Connection(self.connection.clone()));
            }
            // Whatever happened meanwhile: all is read again.
            (self.changes, self.marks) = (None, None);
            (self.orders, self.breaks, self.history) = (None, None, None);
        } else if self.failure.as_ref() != Some(&why) {
            self.failure = Some(why.clone());
            (self.send)(Update::Failed(why));
        }
    }

    /// Brings the screen up to date; returns whether there is more to do at once.
    fn refresh(&mut self) -> Result<bool, Error> {
        let mut has_more = false;
        let is_first = self.changes.is_none();
        let changes = match &mut self.changes {
            Some(changes) => changes,
            // Before the pages are read, so that no change is missed.
            none => none.insert(Changes::begin(&self.session)?),
        };
        if is_first || self.polled.is_none_or(|polled| polled.elapsed() >= POLL) {
            let changed = changes.poll()?;
            has_more = changed.has_more;
            self.polled = (!has_more).then(Instant::now);
            self.has_new_figures |= !changed.orders.is_empty();
            let held_back = changes.held_back();
            if self.held_back != held_back {
                self.held_back = held_back.clone();
                (self.send)(Update::HeldBack(held_back));
            }
            self.take_in(&changed)?;
        }
        if self.looked.is_none_or(|looked| looked.elapsed() >= LOOK) {
            let marks = Marks::read(&self.session, self.role_session.acting())?;
            self.looked = Some(Instant::now());
            if self.marks.replace(marks) != Some(marks) {
                self.breaks = None;
                self.has_new_figures = true;
            }
        }
        self.load_status()?;
        if let Some(wanted) = self.wanted.clone() {
            self.load_orders(&wanted.orders)?;
            self.load_breaks(wanted.breaks)?;
            self.load_history(wanted.history)?;
        }
        if self.connection != Connection::Live {
            self.connection = Connection::Live;
            (self.send)(Update::Connection(Connection::Live));
        }
        Ok(has_more)
    }

    /// Takes in that these orders have changed.
    fn take_in(&mut self, changed: &Changed) -> Result<(), Error> {
        if changed.orders.is_empty() {
            return Ok(());
        }
        let is_changed = |id: Uuid| changed.orders.contains(&id);
        if self.history.is_some_and(|of| is_changed(of.order)) {
            self.history = None;
        }
        let names_changed = |row: &OpenBreak| row.reported.order_id.is_some_and(is_changed);
        let has_breaks = changed.has_breaks;
        let on_screen = self.breaks.as_ref().map_or(&[][..], |(_, page)| &page.rows);
        if has_breaks || on_screen.iter().any(names_changed) {
            self.breaks = None;
        }
        match self.orders.take() {
            Some((of, page)) if changed.orders.len() <= MAX_CHANGED => {
                self.merge_orders(of, page, changed)
            }
            // Read again.
            _ => Ok(()),
        }
    }

    /// Puts the orders that have changed in their places on the page.
    fn merge_orders(
        &mut self,
        of: OrdersQuery,
        page: Page<ListedOrder>,
        changed: &Changed,
    ) -> Result<(), Error> {
        let direction = of.sort.direction();
        let bounds = page::bounds(&page, of.window, direction);
        let ids: Vec<Uuid> = changed.orders.iter().copied().collect();
        let slice = Slice { bounds, direction, limit: of.window.rows + 1 };
        let (present, has_new_before) = self.session.snapshot(|tx| {
            let present = orders::read_among(tx, &of.filter, of.sort, slice, &ids)?;
            let has_new_before = match of.window.position {
                Position::From(number) if !page.has_before => {
                    let slice = Slice {
                        bounds: Bounds::before(direction, number),
                        direction: direction.reversed(),
                        limit: 1,
                    };
                    !orders::read_among(tx, &of.filter, of.sort, slice, &ids)?.is_empty()
                }
                _ => false,
            };
            Ok::<_, Error>((present, has_new_before))
        })?;
        let is_changed = |id| changed.orders.contains(&id);
        let is_concerned = has_new_before
            || !present.is_empty()
            || page.rows.iter().any(|row| is_changed(row.order.id));
        let present = self.listed(present)?;
        let merged = page::merge(page, of.window, direction, &is_changed, present);
        if let Merged::Page(mut page) = merged {
            page.has_before |= has_new_before;
            if is_concerned {
                (self.send)(Update::Orders { of: of.clone(), page: page.clone() });
            }
            self.orders = Some((of, page));
        }
        Ok(())
    }

    fn listed(&mut self, rows: Vec<(i64, tradeblotter::Order)>) -> Result<Vec<ListedOrder>, Error> {
        self.names.read(&self.session, rows.iter().map(|(_, order)| order.trader_id))?;
        let names = &self.names;
        let listed = rows.into_iter().map(|(number, order)| ListedOrder {
            number,
            trader: names.get(order.trader_id),
            order,
        });
        Ok(listed.collect())
    }

    fn load_orders(&mut self, of: &OrdersQuery) -> Result<(), Error> {
        if self.orders.as_ref().is_some_and(|(shown, _)| shown == of) {
            return Ok(());
        }
        let page = match self.orders.take().and_then(|(shown, page)| same_page(&shown, of, page)) {
            Some(page) => page,
            None => {
                let direction = of.sort.direction();
                let reach = Reach {
                    last: self.changes.as_ref().map_or(0, Changes::last),
                    is_of_one_trader: self.role_session.acting() == Acting::Trader,
                };
                let Page { rows, has_before, has_after } = self.session.snapshot(|tx| {
                    page::read(of.window, direction, |slice| {
                        orders::read(tx, &of.filter, of.sort, slice, reach)
                    })
                })?;
                Page { rows: self.listed(rows)?, has_before, has_after }
            }
        };
        (self.send)(Update::Orders { of: of.clone(), page: page.clone() });
        self.orders = Some((of.clone(), page));
        Ok(())
    }

    /// Reads the figures if they may have changed.
    fn load_status(&mut self) -> Result<(), Error> {
        let pause = if self.has_new_figures { STATUS } else { FADING_STATUS };
        let is_due = self.figured.is_none_or(|figured| figured.elapsed() >= pause);
        if !is_due || !self.has_new_figures && !self.has_rate {
            return Ok(());
        }
        let status = self.session.status()?;
        self.has_new_figures = false;
        self.has_rate = status.entries_per_second > 0.0;
        self.figured = Some(Instant::now());
        (self.send)(Update::Status(Box::new(status)));
        Ok(())
    }

    fn load_breaks(&mut self, of: Window) -> Result<(), Error> {
        if self.breaks.as_ref().is_some_and(|(shown, _)| *shown == of) {
            return Ok(());
        }
        let mut page = self.session.snapshot(|tx| breaks::read(tx, of))?;
        let traders = page.rows.iter().filter_map(|row| row.reported.trader_id);
        self.names.read(&self.session, traders)?;
        for row in &mut page.rows {
            row.trader = row.reported.trader_id.and_then(|id| self.names.get(id));
        }
        (self.send)(Update::Breaks { of, page: page.clone() });
        self.breaks = Some((of, page));
        Ok(())
    }

    fn load_history(&mut self, of: Option<HistoryQuery>) -> Result<(), Error> {
        let Some(of) = of.filter(|of| self.history != Some(*of)) else {
            return Ok(());
        };
        let read = self.session.snapshot(|tx| {
            let Some(order) = history::order(tx, of.order)? else { return Ok(None) };
            let totals = history::totals(tx, of.order)?;
            Ok::<_, Error>(Some((order, totals, history::entries(tx, of.order, of.window)?)))
        })?;
        let history = match read {
            None => None,
            Some((order, totals, entries)) => {
                self.names.read(&self.session, [order.trader_id].into_iter())?;
                let trader = self.names.get(order.trader_id);
                Some(Box::new(History { order, trader, totals, entries }))
            }
        };
        (self.send)(Update::History { of, history });
        self.history = Some(of);
        Ok(())
    }
}

/// Returns the page that was read for another query if it is that of this one too: a page that begins at the first
/// row, whichever that is, is the one that begins at the row that is the first now.
fn same_page(
    shown: &OrdersQuery,
    of: &OrdersQuery,
    page: Page<ListedOrder>,
) -> Option<Page<ListedOrder>> {
    let first = page.rows.first()?.number;
    let is_same = match (shown.window.position, of.window.position) {
        (Position::First, Position::From(number)) => number == first,
        (Position::From(number), Position::First) => number == first && !page.has_before,
        _ => false,
    };
    let window = Window { position: shown.window.position, ..of.window };
    (is_same && *shown == OrdersQuery { window, ..of.clone() }).then_some(page)
}
