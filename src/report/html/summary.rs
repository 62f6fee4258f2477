//! What the HTML page shows of the rows, gathered while they are read. It keeps no more rows than the page shows.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::breaks::BreakHistory;
use crate::database::role::Compliance;
use crate::database::transaction::Tx;
use crate::error::Error;
use crate::report::row::ReportRow;
use crate::report::running_totals::RunningTotals;
use crate::types::enums::{Action, BreakReason};
use crate::types::filter::Filter;
use crate::types::page::{Listing, Page};

/// Maximum number of orders with a timeline.
pub(super) const MAX_ORDERS: usize = 500;

/// Maximum number of actions in all timelines together; beyond it only the first action of each order.
const MAX_ACTIONS: usize = 10_000;

/// Maximum number of busts and corrections shown.
const MAX_AMENDMENTS: usize = 200;

/// Maximum number of breaks shown.
const MAX_BREAKS: usize = 200;

/// Venues, symbols and error codes that are counted under their own names; the others share [`OTHERS`].
const MAX_GROUPS: usize = 100;
const OTHERS: &str = "(all others)";

/// Bars of the chart of fills.
const BARS: usize = 60;

/// Totals, lists and timelines over all rows of a report.
pub(in crate::report) struct Summary {
    /// Sum of the changes of all orders' running totals.
    pub(super) traded: RunningTotals,
    pub(super) fills: u64,
    pub(super) busts: u64,
    pub(super) corrections: u64,
    pub(super) by_venue: BTreeMap<String, Trades>,
    pub(super) by_symbol: BTreeMap<String, Trades>,
    /// Rejections by error code.
    pub(super) rejections: BTreeMap<String, Rejections>,
    pub(super) amendments: Vec<ReportRow>,
    pub(super) timelines: Vec<Timeline>,
    pub(super) chart: Option<FillChart>,
    /// Index of each order in `timelines`.
    timeline_of: HashMap<Uuid, usize>,
    /// Actions in all timelines.
    actions: usize,
}

/// Fills at one venue or in one symbol.
#[derive(Default)]
pub(super) struct Trades {
    pub fills: u64,
    pub total: RunningTotals,
}

/// Rejections with one error code.
#[derive(Default)]
pub(super) struct Rejections {
    pub count: u64,
    /// The first reason that was given.
    pub reason: Option<String>,
}

/// The actions on one order.
pub(super) struct Timeline {
    pub rows: Vec<ReportRow>,
    /// Number of actions that are not shown.
    pub omitted: u64,
}

/// Shares filled over time, in bars of equal duration.
pub(super) struct FillChart {
    pub begin: DateTime<Utc>,
    pub end: DateTime<Utc>,
    pub shares: [u64; BARS],
}

/// The breaks that were recorded in the range of the report.
#[derive(Default)]
pub(in crate::report) struct BreakSummary {
    pub(super) counts: BTreeMap<BreakReason, u64>,
    pub(super) open: u64,
    /// The newest breaks, newest first.
    pub(super) newest: Vec<BreakHistory>,
}

impl Summary {
    /// Starts a summary; `fill_times` are the times of the first and the last fill.
    pub fn new(fill_times: Option<(DateTime<Utc>, DateTime<Utc>)>) -> Self {
        Self {
            traded: RunningTotals::default(),
            fills: 0,
            busts: 0,
            corrections: 0,
            by_venue: BTreeMap::new(),
            by_symbol: BTreeMap::new(),
            rejections: BTreeMap::new(),
            amendments: Vec::new(),
            timelines: Vec::new(),
            chart: fill_times.map(|(begin, end)| FillChart { begin, end, shares: [0; BARS] }),
            timeline_of: HashMap::new(),
            actions: 0,
        }
    }

    pub fn add(&mut self, row: ReportRow) {
        self.traded.add(&row.change);
        let is_fill = row.fill_id.is_some() && row.amends.is_none();
        match row.is_bust {
            Some(true) => self.busts += 1,
            Some(false) if row.amends.is_some() => self.corrections += 1,
            _ => {}
        }
        if let Some(venue) = &row.fill_venue {
            let of_symbol = group(&mut self.by_symbol, &row.symbol);
            for trades in [group(&mut self.by_venue, venue), of_symbol] {
                trades.fills += u64::from(is_fill);
                trades.total.add(&row.change);
            }
        }
        if is_fill {
            self.fills += 1;
            if let (Some(chart), Some(at)) = (&mut self.chart, row.event_time) {
                chart.add(at, row.fill_quantity.unwrap_or_default().unsigned_abs().into());
            }
        }
        if row.action == Action::Rejected {
            let code = row.error_code.as_deref().unwrap_or("(none)");
            let rejections = group(&mut self.rejections, code);
            rejections.count += 1;
            rejections.reason = rejections.reason.take().or_else(|| row.reason.clone());
        }
        if row.amends.is_some() && self.amendments.len() < MAX_AMENDMENTS {
            self.amendments.push(row.clone());
        }
        self.add_to_timeline(row);
    }

    fn add_to_timeline(&mut self, row: ReportRow) {
        let index = match self.timeline_of.get(&row.order_id) {
            Some(index) => *index,
            None if self.timelines.len() == MAX_ORDERS => return,
            None => {
                self.timeline_of.insert(row.order_id, self.timelines.len());
                self.timelines.push(Timeline { rows: Vec::new(), omitted: 0 });
                self.timelines.len() - 1
            }
        };
        if let Some(timeline) = self.timelines.get_mut(index) {
            // The first row is always kept, because it makes the header of the timeline.
            if self.actions < MAX_ACTIONS || timeline.rows.is_empty() {
                self.actions += 1;
                timeline.rows.push(row);
            } else {
                timeline.omitted += 1;
            }
        }
    }
}

/// Returns the group with this name; [`OTHERS`] once there are [`MAX_GROUPS`] and this is not one of them.
fn group<'m, V: Default>(groups: &'m mut BTreeMap<String, V>, name: &str) -> &'m mut V {
    let has_own = groups.len() < MAX_GROUPS || groups.contains_key(name);
    groups.entry(if has_own { name } else { OTHERS }.to_owned()).or_default()
}

impl FillChart {
    fn add(&mut self, at: DateTime<Utc>, shares: u64) {
        let span = (self.end - self.begin).num_microseconds().unwrap_or(i64::MAX).max(1);
        let since = (at - self.begin).num_microseconds().unwrap_or(i64::MAX).clamp(0, span);
        let bar = (i128::from(since) * BARS as i128 / i128::from(span)).clamp(0, BARS as i128 - 1);
        if let Some(bar) = self.shares.get_mut(bar as usize) {
            *bar += shares;
        }
    }
}

impl BreakSummary {
    pub fn load(tx: &mut Tx<'_, Compliance>, filter: &Filter<'_>) -> Result<Self, Error> {
        let mut breaks = Self::default();
        let mut page = Page::first(Page::MAX);
        loop {
            let Listing { rows, next } = tx.breaks().recent(filter, page)?;
            for row in rows {
                *breaks.counts.entry(row.reported.reason).or_default() += 1;
                breaks.open += u64::from(row.resolution.is_none());
                if breaks.newest.len() < MAX_BREAKS {
                    breaks.newest.push(row);
                }
            }
            let Some(next) = next else { return Ok(breaks) };
            page = Page::after(next, Page::MAX);
        }
    }

    /// Returns the number of all breaks.
    pub fn count(&self) -> u64 {
        self.counts.values().sum()
    }
}
