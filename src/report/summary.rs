//! What the page of a report shows, gathered while the rows go by. It keeps no more of them than it shows.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::row::Row;
use super::running_totals::Standing;
use super::scope::Scope;
use crate::breaks::BreakHistory;
use crate::database::role::Compliance;
use crate::database::session::Tx;
use crate::error::Error;
use crate::types::enums::{Action, BreakReason};
use crate::types::filter::Filter;
use crate::types::page::{self, Listing};

/// Orders whose timelines are shown, and entries in all of them together.
pub(super) const MOST_ORDERS: usize = 500;
const MOST_ENTRIES: usize = 10_000;

/// Busts and corrections that are shown, and breaks.
const MOST_AMENDMENTS: usize = 200;
const MOST_BREAKS: usize = 200;

/// Venues, symbols and codes that are told apart; the rest go under one name.
const MOST_KEYS: usize = 100;
const OTHERS: &str = "(all others)";

/// Bars of the plot.
const BARS: usize = 60;

/// What the rows come to.
pub(super) struct Summary {
    /// What all rows together have moved the totals of their orders by.
    pub traded: Standing,
    pub fills: u64,
    pub busts: u64,
    pub corrections: u64,
    pub by_venue: BTreeMap<String, Traded>,
    pub by_symbol: BTreeMap<String, Traded>,
    pub rejects: BTreeMap<String, Rejects>,
    pub amendments: Vec<Row>,
    pub timelines: Vec<Timeline>,
    pub plot: Option<Plot>,
    places: HashMap<Uuid, usize>,
    entries: usize,
}

/// What was traded somewhere, or of something.
#[derive(Default)]
pub(super) struct Traded {
    pub fills: u64,
    pub total: Standing,
}

/// Rejects under one code.
#[derive(Default)]
pub(super) struct Rejects {
    pub count: u64,
    /// Why, in the words of the first of them.
    pub reason: Option<String>,
}

/// What happened to one order.
pub(super) struct Timeline {
    pub rows: Vec<Row>,
    /// Entries that are not shown.
    pub left_out: u64,
}

/// Shares filled over time.
pub(super) struct Plot {
    pub begin: DateTime<Utc>,
    pub end: DateTime<Utc>,
    pub shares: [u64; BARS],
}

/// Breaks recorded in the time of the report.
#[derive(Default)]
pub(super) struct Breaks {
    pub counts: BTreeMap<BreakReason, u64>,
    pub open: u64,
    /// The newest of them, newest first.
    pub newest: Vec<BreakHistory>,
}

impl Summary {
    pub fn new(scope: &Scope) -> Self {
        Self {
            traded: Standing::default(),
            fills: 0,
            busts: 0,
            corrections: 0,
            by_venue: BTreeMap::new(),
            by_symbol: BTreeMap::new(),
            rejects: BTreeMap::new(),
            amendments: Vec::new(),
            timelines: Vec::new(),
            plot: scope.filled.map(|(begin, end)| Plot { begin, end, shares: [0; BARS] }),
            places: HashMap::new(),
            entries: 0,
        }
    }

    pub fn add(&mut self, row: Row) {
        self.traded.add(&row.change);
        let is_fill = row.fill_id.is_some() && row.amends.is_none();
        match row.is_bust {
            Some(true) => self.busts += 1,
            Some(false) if row.amends.is_some() => self.corrections += 1,
            _ => {}
        }
        if let Some(venue) = &row.fill_venue {
            let symbol = of_key(&mut self.by_symbol, &row.symbol);
            for traded in [of_key(&mut self.by_venue, venue), symbol] {
                traded.fills += u64::from(is_fill);
                traded.total.add(&row.change);
            }
        }
        if is_fill {
            self.fills += 1;
            if let (Some(plot), Some(at)) = (&mut self.plot, row.event_time) {
                plot.add(at, row.fill_quantity.unwrap_or_default().unsigned_abs().into());
            }
        }
        if row.action == Action::Rejected {
            let code = row.error_code.as_deref().unwrap_or("(none)");
            let rejects = of_key(&mut self.rejects, code);
            rejects.count += 1;
            rejects.reason = rejects.reason.take().or_else(|| row.reason.clone());
        }
        if row.amends.is_some() && self.amendments.len() < MOST_AMENDMENTS {
            self.amendments.push(row.clone());
        }
        self.tell(row);
    }

    /// Puts a row into the timeline of its order, if there is room.
    fn tell(&mut self, row: Row) {
        let place = match self.places.get(&row.order_id) {
            Some(place) => *place,
            None if self.timelines.len() == MOST_ORDERS => return,
            None => {
                self.places.insert(row.order_id, self.timelines.len());
                self.timelines.push(Timeline { rows: Vec::new(), left_out: 0 });
                self.timelines.len() - 1
            }
        };
        if let Some(timeline) = self.timelines.get_mut(place) {
            // The first entry of each is shown, whatever there was before.
            if self.entries < MOST_ENTRIES || timeline.rows.is_empty() {
                self.entries += 1;
                timeline.rows.push(row);
            } else {
                timeline.left_out += 1;
            }
        }
    }
}

fn of_key<'m, V: Default>(map: &'m mut BTreeMap<String, V>, key: &str) -> &'m mut V {
    let is_told_apart = map.len() < MOST_KEYS || map.contains_key(key);
    map.entry(if is_told_apart { key } else { OTHERS }.to_owned()).or_default()
}

impl Plot {
    fn add(&mut self, at: DateTime<Utc>, shares: u64) {
        let span = (self.end - self.begin).num_microseconds().unwrap_or(i64::MAX).max(1);
        let since = (at - self.begin).num_microseconds().unwrap_or(i64::MAX).clamp(0, span);
        let bar = (i128::from(since) * BARS as i128 / i128::from(span)).clamp(0, BARS as i128 - 1);
        if let Some(bar) = self.shares.get_mut(bar as usize) {
            *bar += shares;
        }
    }
}

impl Breaks {
    pub fn load(tx: &mut Tx<'_, Compliance>, filter: &Filter<'_>) -> Result<Self, Error> {
        let mut breaks = Self::default();
        let mut page = page::Page::first(page::Page::MAX);
        loop {
            let Listing { rows, next } = tx.breaks().recent(filter, page)?;
            for row in rows {
                *breaks.counts.entry(row.reported.reason).or_default() += 1;
                breaks.open += u64::from(row.resolution.is_none());
                if breaks.newest.len() < MOST_BREAKS {
                    breaks.newest.push(row);
                }
            }
            let Some(next) = next else { return Ok(breaks) };
            page = page::Page::after(next, page::Page::MAX);
        }
    }

    pub fn count(&self) -> u64 {
        self.counts.values().sum()
    }
}
