//! Generated trading days: a simple model of a venue, the reports that it sends, and what a network makes of them.
//!
//! A step names an order by its index among those that it may be about, so that it stays meaningful when proptest
//! removes earlier steps.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::Union;

use tradeblotter_test_support::reports::message;

/// The traders that are registered; reports may name another one.
pub const TRADERS: [&str; 2] = ["ada", "grace"];

/// What happens at the venue.
#[derive(Clone, Debug)]
pub enum Step {
    Open { trader: usize, is_sell: bool, quantity: u32, is_requested: bool },
    Fill { order: usize, shares: u32, price: u32, form: Form },
    Bust { order: usize, fill: usize },
    Correct { order: usize, fill: usize, shares: u32 },
    Replace { order: usize, id: ReplacementId, more: u32 },
    Restate { order: usize, more: u32 },
    Cancel { order: usize },
    Expire { order: usize },
    Reject { order: usize },
    Status { order: usize },
    NextDay { is_kept: bool },
}

/// The fields that the report of a fill has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Full,
    /// Without the terms from which its order could be created.
    Terse,
    /// Without ClOrdID.
    ByVenueId,
    /// Without ExecID.
    WithoutId,
}

/// The ClOrdID in the report of a replacement.
#[derive(Clone, Copy, Debug)]
pub enum ReplacementId {
    New,
    Unchanged,
    Absent,
}

/// What a day may have, besides orders that are filled and ended.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kinds {
    /// Trading days whose ids start again.
    pub next_days: bool,
    /// Replacements and restatements.
    pub replacements: bool,
    /// Reports of a trader who is not registered.
    pub strangers: bool,
    /// Executions without an execution id: such a report that comes twice is two executions.
    pub without_ids: bool,
}

/// The sequence in which reports arrive, by their indices.
#[derive(Clone, Debug, Default)]
pub struct Network {
    /// Reports that arrive later than sent: the index, and by how many places.
    pub delays: Vec<(usize, usize)>,
    /// Reports that arrive again: the index, and after how many others.
    pub repeats: Vec<(usize, usize)>,
    /// How many reports the second session is behind, one number for each report; none without that session.
    pub lags: Option<Vec<usize>>,
}

/// A change to a report by which the day is no longer honest.
#[derive(Clone, Debug)]
pub struct Lie {
    report: usize,
    field: (u32, &'static str),
}

/// A report of the venue, before a session sends it.
#[derive(Clone, Debug)]
pub struct Report {
    pub at: DateTime<Utc>,
    pub fields: Vec<(u32, String)>,
}

/// The session that sends a report. They differ in their numbers and in the precision of their clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Session {
    Own,
    DropCopy,
    /// A drop copy with the same clock.
    Mirror,
}

/// Returns steps of a day.
pub fn steps(kinds: Kinds, most: usize) -> impl Strategy<Value = Vec<Step>> {
    let order = 0_usize..6;
    let traders = if kinds.strangers { 3_usize } else { 2 };
    let mut forms = vec![(6, Form::Full), (2, Form::Terse), (1, Form::ByVenueId)];
    if kinds.without_ids {
        forms.push((2, Form::WithoutId));
    }
    let form =
        Union::new_weighted(forms.into_iter().map(|(weight, form)| (weight, Just(form))).collect());
    let id = select(vec![ReplacementId::New, ReplacementId::Unchanged, ReplacementId::Absent]);
    let mut step = vec![
        (
            6,
            (0..traders, any::<bool>(), 1_u32..4, any::<bool>())
                .prop_map(|(trader, is_sell, hundreds, is_requested)| Step::Open {
                    trader,
                    is_sell,
                    quantity: hundreds * 100,
                    is_requested,
                })
                .boxed(),
        ),
        (
            10,
            (order.clone(), 1_u32..8, 0_u32..3, form)
                .prop_map(|(order, tens, price, form)| Step::Fill {
                    order,
                    shares: tens * 10,
                    price,
                    form,
                })
                .boxed(),
        ),
        (
            2,
            (order.clone(), 0_usize..3)
                .prop_map(|(order, fill)| Step::Bust { order, fill })
                .boxed(),
        ),
        (
            2,
            (order.clone(), 0_usize..3, 1_u32..5)
                .prop_map(|(order, fill, tens)| Step::Correct { order, fill, shares: tens * 10 })
                .boxed(),
        ),
        (2, order.clone().prop_map(|order| Step::Cancel { order }).boxed()),
        (1, order.clone().prop_map(|order| Step::Expire { order }).boxed()),
        (1, order.clone().prop_map(|order| Step::Reject { order }).boxed()),
        (1, order.clone().prop_map(|order| Step::Status { order }).boxed()),
    ];
    if kinds.replacements {
        step.push((
            3,
            (order.clone(), id, 1_u32..20)
                .prop_map(|(order, id, tens)| Step::Replace { order, id, more: tens * 10 })
                .boxed(),
        ));
        step.push((
            1,
            (order, 1_u32..20)
                .prop_map(|(order, tens)| Step::Restate { order, more: tens * 10 })
                .boxed(),
        ));
    }
    if kinds.next_days {
        step.push((2, any::<bool>().prop_map(|is_kept| Step::NextDay { is_kept }).boxed()));
    }
    let step = Union::new_weighted(step);
    vec(step, 1..most)
}

/// Returns ways in which reports arrive, with a second session or without it.
pub fn networks(has_copy: bool) -> impl Strategy<Value = Network> {
    let moves = || vec((0_usize..40, 1_usize..6), 0..4);
    let lags = vec(0_usize..4, 40);
    (moves(), moves(), lags).prop_map(move |(delays, repeats, lags)| Network {
        delays,
        repeats,
        lags: has_copy.then_some(lags),
    })
}

/// Returns changes that make reports contradict each other.
pub fn lies() -> impl Strategy<Value = Vec<Lie>> {
    let field = select(vec![
        (14, "10"),
        (14, "30"),
        (14, "500"),
        (6, "9.00"),
        (39, "4"),
        (54, "5"),
        (55, "OTHER"),
        (55, "MUCHTOOLONGASYMBOL"),
        (38, "70"),
        (38, "0.5"),
        (44, "12.34"),
        (31, "10.005"),
        (32, "70"),
        (32, "900"),
        (32, "-10"),
        (17, "E1"),
        (19, "E1"),
        (11, "C1"),
        (11, "C2"),
        (37, "V1"),
        (41, "C1"),
        (1, "grace"),
        (60, "20261123-15:00:00"),
        (60, "20261124-15:00:02"),
        (60, ""),
        (150, "4"),
        (150, "5"),
        (150, "F"),
        (150, "D"),
        (150, "0"),
    ]);
    vec((0_usize..40, field).prop_map(|(report, field)| Lie { report, field }), 1..4)
}

/// An order chain as the venue knows it.
#[derive(Debug)]
struct Chain {
    trader: usize,
    is_sell: bool,
    /// The client's ids of its orders, the current one last; the first is the name of the chain.
    client_ids: Vec<String>,
    venue_id: String,
    day: i64,
    /// Shares in all.
    quantity: u32,
    fills: Vec<VenueFill>,
    /// The ids of its fills and corrections so far, by their days.
    executions: BTreeSet<(i64, String)>,
    end: Option<&'static str>,
}

#[derive(Debug)]
struct VenueFill {
    execution_id: String,
    /// The day of the execution id: that of its last correction.
    day: i64,
    shares: u32,
    cents: u32,
    /// Whether the order has been replaced since: the quantity of the replacement is on top of these shares.
    is_replaced: bool,
}

impl Chain {
    /// Takes back shares of a fill. Those that were filled before a replacement can't be filled again.
    fn take_back(&mut self, fill: usize, shares: u32) {
        let fill = &mut self.fills[fill];
        fill.shares -= shares;
        if fill.is_replaced {
            self.quantity -= shares;
        }
    }

    /// Replaces the order by one that may fill this many shares more.
    fn replace(&mut self, more: u32) {
        self.quantity = self.filled() + more;
        for fill in &mut self.fills {
            fill.is_replaced = true;
        }
    }

    fn filled(&self) -> u32 {
        self.fills.iter().map(|fill| fill.shares).sum()
    }

    fn notional(&self) -> u32 {
        self.fills.iter().map(|fill| fill.shares * fill.cents).sum()
    }

    fn is_open(&self) -> bool {
        self.end.is_none() && self.filled() < self.quantity
    }

    /// OrdStatus (39).
    fn status(&self) -> &'static str {
        match (self.end, self.filled()) {
            (Some(end), _) => end,
            (None, 0) => "0",
            (None, filled) if filled < self.quantity => "1",
            (None, _) => "2",
        }
    }
}

/// The venue during the days of a test.
pub struct Venue {
    chains: Vec<Chain>,
    day: i64,
    /// Milliseconds since the venue opened.
    clock: i64,
    next_order: u32,
    next_execution: u32,
    /// The ids of orders that are open when a day begins: they are not used again on it.
    carried: BTreeSet<String>,
    pub reports: Vec<Report>,
}

impl Venue {
    /// Lets these steps happen. Those that make no sense at their time are left out.
    pub fn play(steps: &[Step]) -> Self {
        let mut venue = Self {
            chains: Vec::new(),
            day: 0,
            clock: 0,
            next_order: 1,
            next_execution: 1,
            carried: BTreeSet::new(),
            reports: Vec::new(),
        };
        for step in steps {
            venue.clock += 700;
            venue.take(step);
        }
        venue
    }

    fn now(&self) -> DateTime<Utc> {
        let opening = Utc.with_ymd_and_hms(2026, 11, 24, 15, 0, 0).unwrap();
        opening + TimeDelta::days(self.day) + TimeDelta::milliseconds(self.clock)
    }

    /// Returns the index of the chain that a step means, among those of today and those that are still open.
    fn find(&self, order: usize, is_wanted: impl Fn(&Chain) -> bool) -> Option<usize> {
        let is_current = |chain: &Chain| chain.day == self.day || chain.is_open();
        let found: Vec<usize> = (0..self.chains.len())
            .filter(|at| is_current(&self.chains[*at]) && is_wanted(&self.chains[*at]))
            .collect();
        (!found.is_empty()).then(|| found[order % found.len()])
    }

    fn new_id(&mut self) -> u32 {
        while self.carried.contains(&format!("C{}", self.next_order)) {
            self.next_order += 1;
        }
        self.next_order += 1;
        self.next_order - 1
    }

    fn execution_id(&mut self) -> String {
        self.next_execution += 1;
        format!("E{}", self.next_execution - 1)
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Open { trader, is_sell, quantity, is_requested } => {
                let id = self.new_id();
                self.chains.push(Chain {
                    trader,
                    is_sell,
                    client_ids: vec![format!("C{id}")],
                    venue_id: format!("V{id}"),
                    day: self.day,
                    quantity,
                    fills: Vec::new(),
                    executions: BTreeSet::new(),
                    end: None,
                });
                let at = self.chains.len() - 1;
                if is_requested {
                    self.request(at);
                    self.clock += 300;
                }
                self.report(at, "0", &[]);
            }
            Step::Fill { order, shares, price, form } => {
                let Some(at) = self.find(order, Chain::is_open) else { return };
                let chain = &mut self.chains[at];
                let shares = shares.min(chain.quantity - chain.filled());
                let cents = 1000 + 50 * price;
                let execution_id = format!("E{}", self.next_execution);
                let day = self.day;
                chain.executions.insert((day, execution_id.clone()));
                chain.fills.push(VenueFill {
                    execution_id,
                    day,
                    shares,
                    cents,
                    is_replaced: false,
                });
                self.report(at, "F", &execution(shares, cents));
                let report = self.reports.last_mut().unwrap();
                let absent: &[u32] = match form {
                    Form::Full => &[],
                    Form::Terse => &[40, 44],
                    Form::ByVenueId => &[11],
                    Form::WithoutId => &[17],
                };
                report.fields.retain(|(tag, _)| !absent.contains(tag));
                if form == Form::WithoutId {
                    // No report can amend it.
                    self.chains[at].fills.last_mut().unwrap().execution_id.clear();
                }
            }
            Step::Bust { order, fill } => {
                let Some((at, fill)) = self.find_fill(order, fill) else { return };
                let chain = &mut self.chains[at];
                let shares = chain.fills[fill].shares;
                chain.take_back(fill, shares);
                let VenueFill { execution_id, cents, .. } = chain.fills.remove(fill);
                let mut fields = execution(shares, cents);
                fields.push((19, execution_id));
                self.report(at, "H", &fields);
            }
            Step::Correct { order, fill, shares } => {
                let Some((at, fill)) = self.find_fill(order, fill) else { return };
                let chain = &mut self.chains[at];
                let shares = shares.min(chain.fills[fill].shares);
                let new_id = format!("E{}", self.next_execution);
                chain.executions.insert((self.day, new_id.clone()));
                let corrected = &mut chain.fills[fill];
                let of = std::mem::replace(&mut corrected.execution_id, new_id);
                corrected.day = self.day;
                let (taken, cents) = (corrected.shares - shares, corrected.cents);
                chain.take_back(fill, taken);
                let mut fields = execution(shares, cents);
                fields.push((19, of));
                self.report(at, "G", &fields);
            }
            Step::Replace { order, id, more } => {
                let Some(at) = self.find(order, Chain::is_open) else { return };
                let before = self.chains[at].client_ids.last().unwrap().clone();
                if matches!(id, ReplacementId::New) {
                    let id = format!("C{}", self.new_id());
                    self.chains[at].client_ids.push(id);
                }
                self.chains[at].replace(more);
                self.report(at, "5", &[(41, before)]);
                if matches!(id, ReplacementId::Absent) {
                    let report = self.reports.last_mut().unwrap();
                    report.fields.retain(|(tag, _)| ![11, 41].contains(tag));
                }
            }
            Step::Restate { order, more } => {
                let Some(at) = self.find(order, Chain::is_open) else { return };
                // A restatement of the same terms is no new order.
                if self.chains[at].filled() + more != self.chains[at].quantity {
                    self.chains[at].replace(more);
                }
                self.report(at, "D", &[]);
            }
            Step::Cancel { order } => {
                let Some(at) = self.find(order, Chain::is_open) else { return };
                self.chains[at].end = Some("4");
                let id = self.chains[at].client_ids.last().unwrap().clone();
                self.report(at, "4", &[(41, id.clone()), (11, format!("{id}-c"))]);
            }
            Step::Expire { order } => {
                let Some(at) = self.find(order, Chain::is_open) else { return };
                self.expire(at);
            }
            Step::Reject { order } => {
                let is_untouched = |chain: &Chain| {
                    chain.is_open() && chain.fills.is_empty() && chain.client_ids.len() == 1
                };
                let Some(at) = self.find(order, is_untouched) else { return };
                self.chains[at].end = Some("8");
                self.report(at, "8", &[(103, "1".to_owned())]);
            }
            Step::Status { order } => {
                let Some(at) = self.find(order, |_| true) else { return };
                self.report(at, "I", &[]);
            }
            Step::NextDay { is_kept } => {
                if !is_kept {
                    for at in 0..self.chains.len() {
                        if self.chains[at].is_open() {
                            self.expire(at);
                        }
                    }
                }
                let open = self.chains.iter().filter(|chain| chain.is_open());
                self.carried = open.flat_map(|chain| chain.client_ids.clone()).collect();
                (self.day, self.next_order, self.next_execution) = (self.day + 1, 1, 1);
            }
        }
    }

    fn expire(&mut self, at: usize) {
        self.chains[at].end = Some("C");
        self.report(at, "C", &[]);
    }

    /// Finds a fill that a report may amend.
    fn find_fill(&self, order: usize, fill: usize) -> Option<(usize, usize)> {
        let amendable = |chain: &Chain| -> Vec<usize> {
            let is_named = |at: &usize| {
                let fill = &chain.fills[*at];
                // If ids start again each day, an id that the chain has today too means today's fill.
                let is_used_today =
                    || chain.executions.contains(&(self.day, fill.execution_id.clone()));
                !fill.execution_id.is_empty() && (fill.day == self.day || !is_used_today())
            };
            (0..chain.fills.len()).filter(is_named).collect()
        };
        let at = self.find(order, |chain| !amendable(chain).is_empty())?;
        let fills = amendable(&self.chains[at]);
        Some((at, fills[fill % fills.len()]))
    }

    /// The client's request of an order (35=D).
    fn request(&mut self, at: usize) {
        let fields = self.terms(at);
        let fields = [vec![(35, "D".to_owned())], fields].concat();
        self.reports.push(Report { at: self.now(), fields });
    }

    fn terms(&self, at: usize) -> Vec<(u32, String)> {
        let chain = &self.chains[at];
        let trader = TRADERS.get(chain.trader).copied().unwrap_or("eve");
        let (symbol, side) = if chain.is_sell { ("SOLD", "2") } else { ("BOUGHT", "1") };
        let fields = [
            (1, trader),
            (11, chain.client_ids.last().unwrap()),
            (55, symbol),
            (54, side),
            (38, &chain.quantity.to_string()),
            (40, "2"),
            (44, "10.50"),
        ];
        fields.map(|(tag, value)| (tag, value.to_owned())).to_vec()
    }

    /// Sends a report of an order in its present state; a field replaces the one with its tag.
    fn report(&mut self, at: usize, exec_type: &str, more: &[(u32, String)]) {
        let execution_id = self.execution_id();
        let chain = &self.chains[at];
        let filled = chain.filled();
        let average = match filled {
            0 => "0".to_owned(),
            filled => format!("{:.6}", f64::from(chain.notional()) / 100.0 / f64::from(filled)),
        };
        let mut fields = vec![(35, "8".to_owned())];
        fields.extend(self.terms(at));
        fields.extend([
            (37, chain.venue_id.clone()),
            (17, execution_id),
            (150, exec_type.to_owned()),
            (39, chain.status().to_owned()),
            (14, filled.to_string()),
            (6, average),
        ]);
        for (tag, value) in more {
            fields.retain(|(has, _)| has != tag);
            fields.push((*tag, value.clone()));
        }
        self.reports.push(Report { at: self.now(), fields });
    }

    /// Applies lies to the reports.
    pub fn lie(&mut self, lies: &[Lie]) {
        let count = self.reports.len();
        for Lie { report, field: (tag, value) } in lies {
            if count == 0 {
                return;
            }
            self.reports[report % count].set(*tag, value);
        }
    }

    /// Returns the chains of registered traders: name, status, shares filled of how many, and notional in cents.
    pub fn chains(&self) -> Vec<String> {
        let of_traders = self.chains.iter().filter(|chain| chain.trader < TRADERS.len());
        let mut chains: Vec<String> = of_traders
            .map(|chain| {
                let status = match chain.status() {
                    "0" => "PENDING",
                    "1" => "PARTIAL",
                    "2" => "FILLED",
                    "8" => "REJECTED",
                    _ => "CANCELLED",
                };
                let (trader, id) = (TRADERS[chain.trader], &chain.client_ids[0]);
                let (filled, quantity) = (chain.filled(), chain.quantity);
                format!("{trader} {id} {status} {filled}/{quantity} {}", chain.notional())
            })
            .collect();
        chains.sort();
        chains
    }
}

fn execution(shares: u32, cents: u32) -> Vec<(u32, String)> {
    let price = format!("{}.{:02}", cents / 100, cents % 100);
    vec![(30, "XNAS".to_owned()), (32, shares.to_string()), (31, price)]
}

impl Report {
    /// Returns the value of a field.
    pub fn get(&self, tag: u32) -> Option<&str> {
        self.fields.iter().find(|(has, _)| *has == tag).map(|(_, value)| value.as_str())
    }

    /// Sets the value of a field; an empty one removes it.
    pub fn set(&mut self, tag: u32, value: &str) {
        self.fields.retain(|(has, _)| *has != tag);
        self.fields.push((tag, value.to_owned()));
    }

    /// Returns the message in which a session sends it, with this number.
    pub fn sent_by(&self, session: Session, number: usize) -> String {
        let (sender, number, format, lag) = match session {
            Session::Own => ("BROKER", number, "%Y%m%d-%H:%M:%S%.3f", 20),
            Session::DropCopy => ("OTHER", 7000 + number, "%Y%m%d-%H:%M:%S", 1500),
            Session::Mirror => ("OTHER", 7000 + number, "%Y%m%d-%H:%M:%S%.3f", 1500),
        };
        let sent_at = (self.at + TimeDelta::milliseconds(lag)).format(format);
        let mut fields = vec![
            format!("35={}", self.get(35).unwrap()),
            format!("34={number}"),
            format!("49={sender}"),
            format!("52={sent_at}"),
        ];
        if self.get(60).is_none() {
            fields.push(format!("60={}", self.at.format(format)));
        }
        // A lie may leave a field out.
        let own = self.fields.iter().filter(|(tag, value)| *tag != 35 && !value.is_empty());
        fields.extend(own.map(|(tag, value)| format!("{tag}={value}")));
        message(&fields.join("|"))
    }
}

impl Network {
    /// Returns the messages in the sequence in which they arrive.
    pub fn carry(&self, reports: &[Report]) -> Vec<String> {
        // Each at a place of its own, from which delays move it.
        let mut sent: Vec<(usize, usize, Session)> =
            (0..reports.len()).map(|at| (10 * at, at, Session::Own)).collect();
        for (which, places) in &self.delays {
            if let Some((place, ..)) = sent.get_mut(which % reports.len().max(1)) {
                *place += 10 * places + 5;
            }
        }
        if let Some(lags) = &self.lags {
            // A session keeps its sequence.
            let mut last = 0;
            for (at, report) in reports.iter().enumerate() {
                last = last.max(10 * (at + lags.get(at).copied().unwrap_or_default()) + 7);
                // The orders themselves are sent to the venue alone.
                if report.get(35) == Some("8") && report.get(17).is_some() {
                    sent.push((last, at, Session::DropCopy));
                }
            }
        }
        for (which, places) in &self.repeats {
            let at = which % reports.len().max(1);
            // Without an execution id, it would be another execution.
            let is_known =
                |report: &Report| report.get(17).is_some() || report.get(35) == Some("D");
            if reports.get(at).is_some_and(is_known) {
                sent.push((10 * (at + places) + 8, at, Session::Own));
            }
        }
        sent.sort_by_key(|(place, ..)| *place);
        sent.into_iter().map(|(_, at, session)| reports[at].sent_by(session, at + 1)).collect()
    }
}
