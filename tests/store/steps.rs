//! Random steps of clients, legal and illegal. A step names rows by their index among the rows that exist
//! when it is taken, newest first. So it stays meaningful when proptest removes earlier steps, and no
//! state machine is needed to keep track of rows.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use tradeblotter::{Action, NewOrder, OrderStatus, OrderType, Side};
use uuid::Uuid;

use crate::model::{By, Command, Execution, Fill, Model};
use tradeblotter_test_support::price;
use tradeblotter_test_support::raw::{RawEntry, RawResolution};

const SYMBOLS: [&str; 2] = ["AAPL", "MSFT"];
const CLIENT_ORDER_IDS: [&str; 4] = ["C-0", "C-1", "C-2", "C-3"];
const VENUE_ORDER_IDS: [&str; 2] = ["V-0", "V-1"];
const EXECUTION_IDS: [&str; 8] = ["E-0", "E-1", "E-2", "E-3", "E-4", "E-5", "E-6", "E-7"];
const VENUES: [&str; 2] = ["NASDAQ", "NYSE"];
const ERROR_CODES: [&str; 1] = ["103=1"];

/// Every text that a step may store.
pub const TEXTS: [&[&str]; 7] = [
    &SYMBOLS,
    &CLIENT_ORDER_IDS,
    &VENUE_ORDER_IDS,
    &EXECUTION_IDS,
    &VENUES,
    &ERROR_CODES,
    &["blotter_engine", "blotter_trader"],
];

/// Number of traders of a sequence.
pub const TRADERS: usize = 2;

/// What the column holds.
const MOST_CENTS: i64 = 9_999_999_999;

/// Stands for a row that does not exist.
const UNKNOWN: u8 = 31;

/// Steps that several clients take at once; or one that is taken alone.
#[derive(Clone)]
pub struct Round(pub Vec<Step>);

/// Prints a step in one line, however the rounds are printed.
impl fmt::Debug for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

#[derive(Clone, Debug)]
pub enum Step {
    Submit(Who, Vec<Submission>),
    Log { who: Who, order: u8, entry: Entry },
    Record(Vec<Filling>),
    Amend(Amending),
    Report(Report),
    Resolve { broken: u8, is_booked: bool, to_order: Option<u8> },
    Expire { second: i64, limit: u16 },
}

/// The session, relative to the trader of the order.
#[derive(Clone, Copy, Debug)]
pub enum Who {
    Owner,
    Engine,
    Stranger,
}

#[derive(Clone, Debug)]
pub enum Submission {
    New(Terms),
    Again { order: u8, otherwise: bool },
}

#[derive(Clone, Debug)]
pub struct Terms {
    trader: usize,
    quantity: i32,
    order_type: OrderType,
    has_price: bool,
    client_order_id: Option<&'static str>,
    replaces: Option<u8>,
    expires: Option<i64>,
}

#[derive(Clone, Debug)]
pub struct Entry {
    action: Action,
    status: Option<OrderStatus>,
    reason: Option<&'static str>,
    retry: Option<i32>,
    error_code: Option<&'static str>,
    venue_order_id: Option<&'static str>,
}

#[derive(Clone, Debug)]
pub enum Filling {
    New {
        order: u8,
        is: Executed,
    },
    Again {
        fill: u8,
        otherwise: bool,
    },
    /// What is kept as a break.
    Broken {
        broken: u8,
    },
    /// What is amended by what is kept as a break.
    Meant {
        broken: u8,
        is: Executed,
    },
}

#[derive(Clone, Debug)]
pub struct Executed {
    shares: Shares,
    cents: i64,
    fee: i64,
    venue: &'static str,
    id: Option<&'static str>,
    second: i64,
}

/// A quantity, relative to the open quantity of the order.
#[derive(Clone, Copy, Debug)]
pub enum Shares {
    Of(i32),
    Half,
    Rest,
    OneMore,
}

#[derive(Clone, Debug)]
pub enum Amending {
    Bust { fill: u8, id: Option<&'static str>, second: i64 },
    Correction { fill: u8, is: Executed },
    Again { amendment: u8, otherwise: bool },
    Broken { broken: u8 },
}

#[derive(Clone, Debug)]
pub enum Report {
    Fill {
        order: Option<u8>,
        is: Executed,
        flaw: Option<Flaw>,
    },
    Amendment {
        fill: u8,
        refers_to: Option<&'static str>,
        is: Executed,
        is_bust: bool,
        /// Names the last order of the chain, and another source.
        elsewhere: bool,
        flaw: Option<Flaw>,
    },
    Again {
        broken: u8,
    },
    Recorded {
        fill: u8,
        otherwise: bool,
        refers_to: Option<&'static str>,
    },
}

/// A defect because of which an execution can never be a fill.
#[derive(Clone, Copy, Debug)]
pub enum Flaw {
    HalfShare,
    ThirdDecimal,
    ThirdDecimalOfFee,
    NoPrice,
    TooLarge,
    NegativeFee,
}

/// The model, the traders and the start time of a sequence of steps.
pub struct Scene<'m> {
    pub model: &'m Model,
    pub traders: [Uuid; TRADERS],
    pub start: DateTime<Utc>,
}

impl Step {
    pub fn command(&self, scene: &Scene<'_>) -> Command {
        match self {
            Self::Submit(who, new) => {
                let new: Vec<_> = new.iter().map(|new| scene.order(new)).collect();
                Command::Submit(scene.by(*who, new[0].trader_id), new)
            }
            Self::Log { who, order, entry } => {
                let new = scene.entry(*order, entry);
                let order = scene.model.orders.get(&new.order_id);
                let owner = order.map_or(scene.traders[0], |order| order.terms.trader_id);
                Command::Log(scene.by(*who, owner), new)
            }
            Self::Record(new) => {
                Command::Record(new.iter().map(|new| scene.filling(new)).collect())
            }
            Self::Amend(new) => Command::Amend(scene.amendment(new)),
            Self::Report(report) => Command::Report(scene.report(report)),
            Self::Resolve { broken, is_booked, to_order } => Command::Resolve(RawResolution {
                break_id: nth(scene.model.breaks.keys(), *broken),
                is_booked: *is_booked,
                order_id: to_order.map(|order| scene.nth_order(order)),
                reason: "as the desk says",
            }),
            Self::Expire { second, limit } => {
                Command::Expire { now: scene.at(*second), limit: *limit, busy: Vec::new() }
            }
        }
    }
}

impl Scene<'_> {
    fn at(&self, second: i64) -> DateTime<Utc> {
        self.start + TimeDelta::seconds(second)
    }

    fn by(&self, who: Who, owner: Uuid) -> By {
        let stranger = self.traders.into_iter().find(|trader| *trader != owner);
        match who {
            Who::Owner => By::Trader(owner),
            Who::Engine => By::Engine,
            Who::Stranger => By::Trader(stranger.unwrap()),
        }
    }

    fn nth_order(&self, order: u8) -> Uuid {
        nth(self.model.orders.keys(), order)
    }

    fn order(&self, new: &Submission) -> NewOrder<'static> {
        match new {
            Submission::New(terms) => NewOrder {
                order_type: terms.order_type,
                price: terms.has_price.then(|| price("10.50")),
                expires_at: terms.expires.map(|second| self.at(second)),
                client_order_id: terms.client_order_id,
                replaces: terms.replaces.map(|order| self.nth_order(order)),
                ..NewOrder::market(
                    self.traders[terms.trader],
                    Side::Buy,
                    SYMBOLS[0],
                    terms.quantity,
                )
            },
            Submission::Again { order, otherwise } => {
                let nobody = NewOrder::market(self.traders[0], Side::Sell, SYMBOLS[1], 1);
                let known = self.model.orders.get(&self.nth_order(*order));
                let terms = known.map_or(nobody, |known| known.terms);
                let symbol = if *otherwise { SYMBOLS[1] } else { terms.symbol };
                NewOrder { symbol, ..terms }
            }
        }
    }

    fn entry(&self, order: u8, entry: &Entry) -> RawEntry<'static> {
        RawEntry {
            order_id: self.nth_order(order),
            action: entry.action,
            status: entry.status,
            reason: entry.reason,
            retry_attempt: entry.retry,
            error_code: entry.error_code,
            venue_order_id: entry.venue_order_id,
        }
    }

    fn filling(&self, new: &Filling) -> Fill {
        match new {
            Filling::New { order, is } => self.fill(self.nth_order(*order), is, 0),
            Filling::Again { fill, otherwise } => {
                let again = self.again(nth(self.model.fills.keys(), *fill), *otherwise);
                Fill { amends: None, is_bust: false, ..again }
            }
            Filling::Broken { broken } => Fill { is_bust: false, ..self.broken(*broken) },
            Filling::Meant { broken, is } => {
                let Execution { order, venue, refers_to, .. } = self.reported(*broken);
                let fill = self.fill(order.unwrap_or_default(), is, 0);
                Fill { venue, id: refers_to, ..fill }
            }
        }
    }

    fn reported(&self, broken: u8) -> Execution {
        let kept = self.model.breaks.get(&nth(self.model.breaks.keys(), broken));
        let nothing = || execution(&self.fill(self.nth_order(UNKNOWN), &nothing(), 0));
        kept.map_or_else(nothing, |kept| kept.reported)
    }

    /// The fill, bust or correction that is nearest to an execution which is kept as a break.
    fn broken(&self, broken: u8) -> Fill {
        let reported = self.reported(broken);
        Fill {
            order: reported.order.unwrap_or_default(),
            at: reported.at,
            shares: (reported.tenths / 10).try_into().unwrap_or(i32::MAX),
            cents: (reported.mills / 10).clamp(1, MOST_CENTS),
            fee: (reported.fee / 10).max(0),
            venue: reported.venue,
            source: reported.venue,
            id: reported.id,
            amends: None,
            is_bust: reported.is_bust,
            of_break: None,
        }
    }

    /// A fill of this order, of which so many shares more are to be had than are left.
    fn fill(&self, order: Uuid, is: &Executed, more: i32) -> Fill {
        let left =
            self.model.orders.get(&order).map_or(10, |order| order.left().saturating_add(more));
        Fill {
            order,
            at: self.at(is.second),
            shares: is.shares.of(left),
            cents: is.cents,
            fee: is.fee,
            venue: is.venue,
            source: is.venue,
            id: is.id,
            amends: None,
            is_bust: false,
            of_break: None,
        }
    }

    /// Recorded rows without the columns that the store derives.
    fn again(&self, fill: Uuid, otherwise: bool) -> Fill {
        let first = Fill { id: EXECUTION_IDS.first().copied(), ..self.fill(fill, &nothing(), 0) };
        let known = self.model.fills.get(&fill).copied().unwrap_or(first);
        let later = TimeDelta::seconds(otherwise.into());
        Fill { at: known.at + later, of_break: None, ..known }
    }

    fn amendment(&self, new: &Amending) -> Fill {
        match new {
            Amending::Bust { fill, id, second } => {
                let amends = Some(nth(self.model.fills.keys(), *fill));
                let is = Executed { id: *id, second: *second, ..nothing() };
                Fill { amends, is_bust: true, ..self.fill(Uuid::nil(), &is, 0) }
            }
            Amending::Correction { fill, is } => {
                let amends = nth(self.model.fills.keys(), *fill);
                let amended = self.model.fills.get(&amends);
                let order = amended.map(|fill| fill.order).unwrap_or_default();
                let more = amended.map_or(0, |fill| fill.shares);
                Fill { amends: Some(amends), ..self.fill(order, is, more) }
            }
            Amending::Again { amendment, otherwise } => {
                let amending = |(_, fill): &(&Uuid, &Fill)| fill.amends.is_some();
                let amendments = self.model.fills.iter().filter(amending);
                let known = nth(amendments.map(|(id, _)| id), *amendment);
                let again = self.again(known, *otherwise);
                Fill { amends: Some(again.amends.unwrap_or(known)), ..again }
            }
            Amending::Broken { broken } => {
                let Execution { order, refers_to, .. } = self.reported(*broken);
                let is_meant = |(_, fill): &(&Uuid, &Fill)| {
                    fill.id.is_some() && (Some(fill.order), fill.id) == (order, refers_to)
                };
                let meant = self.model.fills.iter().find(is_meant);
                let amends = meant.map_or(Uuid::from_u128(1), |(id, _)| *id);
                Fill { amends: Some(amends), ..self.broken(*broken) }
            }
        }
    }

    fn report(&self, report: &Report) -> Execution {
        match report {
            Report::Fill { order, is, flaw } => {
                let known = order.map(|order| self.nth_order(order));
                let fill = self.fill(known.unwrap_or_default(), is, 0);
                Execution { order: known, ..flawed(execution(&fill), *flaw) }
            }
            Report::Amendment { fill, refers_to, is, is_bust, elsewhere, flaw } => {
                let amends = nth(self.model.fills.keys(), *fill);
                let amended = self.model.fills.get(&amends);
                let mut order = amended.map_or(self.nth_order(*fill), |fill| fill.order);
                let more = amended.map_or(0, |fill| fill.shares);
                let mut source = amended.map_or(is.venue, |fill| fill.source);
                if *elsewhere {
                    order = self.model.last(order);
                    source = is.venue;
                }
                let meant = amended.and_then(|fill| fill.id).unwrap_or(EXECUTION_IDS[0]);
                let new = Fill { source, is_bust: *is_bust, ..self.fill(order, is, more) };
                let refers_to = Some(refers_to.unwrap_or(meant));
                Execution { refers_to, ..flawed(execution(&new), *flaw) }
            }
            Report::Again { broken } => self.reported(*broken),
            Report::Recorded { fill, otherwise, refers_to } => {
                let fill = self.again(nth(self.model.fills.keys(), *fill), *otherwise);
                let amended = fill.amends.and_then(|id| self.model.fills.get(&id));
                let refers_to = refers_to.or(amended.and_then(|fill| fill.id));
                let is_bust = fill.is_bust && refers_to.is_some();
                Execution { refers_to, is_bust, ..execution(&fill) }
            }
        }
    }
}

impl Shares {
    fn of(self, left: i32) -> i32 {
        match self {
            Self::Of(shares) => shares,
            Self::Half => left / 2,
            Self::Rest => left,
            Self::OneMore => left.saturating_add(1),
        }
    }
}

fn nothing() -> Executed {
    let shares = Shares::Of(1);
    Executed { shares, cents: 1, fee: 0, venue: VENUES[0], id: None, second: 0 }
}

fn execution(fill: &Fill) -> Execution {
    Execution {
        order: Some(fill.order),
        at: fill.at,
        tenths: i64::from(fill.shares) * 10,
        mills: fill.cents * 10,
        fee: fill.fee * 10,
        venue: fill.source,
        id: fill.id,
        refers_to: None,
        is_bust: fill.is_bust,
    }
}

fn flawed(execution: Execution, flaw: Option<Flaw>) -> Execution {
    let Execution { tenths, mills, fee, .. } = execution;
    match flaw {
        None => execution,
        Some(Flaw::HalfShare) => Execution { tenths: tenths + 5, ..execution },
        Some(Flaw::ThirdDecimal) => Execution { mills: mills + 5, ..execution },
        Some(Flaw::ThirdDecimalOfFee) => Execution { fee: fee + 1, ..execution },
        Some(Flaw::NoPrice) => Execution { mills: 0, ..execution },
        Some(Flaw::TooLarge) => Execution { mills: 100_000_000_000, ..execution },
        Some(Flaw::NegativeFee) => Execution { fee: -10, ..execution },
    }
}

fn nth<'i>(ids: impl Iterator<Item = &'i Uuid>, n: u8) -> Uuid {
    let ids: Vec<_> = ids.collect();
    match ids.len() {
        len if len > 0 && n != UNKNOWN => *ids[len - 1 - usize::from(n) % len],
        _ => Uuid::from_u128(u128::from(n) + 1),
    }
}

fn row() -> impl Strategy<Value = u8> + Clone {
    0..=UNKNOWN
}

fn who() -> impl Strategy<Value = Who> {
    prop_oneof![4 => Just(Who::Owner), 4 => Just(Who::Engine), 1 => Just(Who::Stranger)]
}

fn execution_id() -> impl Strategy<Value = Option<&'static str>> {
    option::of(select(&EXECUTION_IDS))
}

fn terms() -> impl Strategy<Value = Terms> + Clone {
    let quantity = prop_oneof![20 => 1..150, 4 => Just(i32::MAX), 1 => -1..=0];
    // A MARKET order has no price here: the library would refuse it before the database does.
    let pricing = prop_oneof![
        4 => Just((OrderType::Market, false)),
        4 => Just((OrderType::Limit, true)),
        4 => Just((OrderType::Stop, true)),
        1 => Just((OrderType::Limit, false)),
        1 => Just((OrderType::Stop, false)),
    ];
    let client_order_id = option::of(select(&CLIENT_ORDER_IDS));
    let replaces = option::weighted(0.3, row());
    let expires = option::of(0..4_i64);
    (0..TRADERS, quantity, pricing, client_order_id, replaces, expires)
        .prop_map(
            |(trader, quantity, (order_type, has_price), client_order_id, replaces, expires)| {
                Terms {
                    trader,
                    // A new order has at most one flaw, so that the expected error is unambiguous.
                    quantity: if order_type == OrderType::Market || has_price {
                        quantity
                    } else {
                        1
                    },
                    order_type,
                    has_price,
                    client_order_id,
                    replaces,
                    expires,
                }
            },
        )
        .boxed()
}

fn submission() -> impl Strategy<Value = Submission> {
    prop_oneof![
        3 => terms().prop_map(Submission::New),
        1 => (row(), prop::bool::weighted(0.3))
            .prop_map(|(order, otherwise)| Submission::Again { order, otherwise }),
    ]
}

/// Alone, or a batch.
fn some<S: Strategy + Clone>(row: S) -> impl Strategy<Value = Vec<S::Value>> {
    prop_oneof![4 => vec(row.clone(), 1), 1 => vec(row, 2..5)]
}

fn shares() -> impl Strategy<Value = Shares> {
    prop_oneof![
        8 => (1..60).prop_map(Shares::Of),
        3 => Just(Shares::Half),
        3 => Just(Shares::Rest),
        1 => Just(Shares::OneMore),
        1 => (-1..=0).prop_map(Shares::Of),
    ]
}

fn executed() -> impl Strategy<Value = Executed> + Clone {
    let cents = prop_oneof![8 => 1..3_000_i64, 1 => Just(1), 1 => Just(MOST_CENTS)];
    (shares(), cents, 0..3_i64, select(&VENUES), execution_id(), 0..3_i64)
        .prop_map(|(shares, cents, fee, venue, id, second)| Executed {
            shares,
            cents,
            fee,
            venue,
            id,
            second,
        })
        .boxed()
}

fn filling() -> impl Strategy<Value = Filling> + Clone {
    let new = (row(), executed()).prop_map(|(order, is)| Filling::New { order, is });
    let again = (row(), prop::bool::weighted(0.3))
        .prop_map(|(fill, otherwise)| Filling::Again { fill, otherwise });
    prop_oneof![6 => new, 1 => again].boxed()
}

fn entry() -> impl Strategy<Value = Entry> {
    let action = prop_oneof![
        4 => Just(Action::Approved),
        6 => Just(Action::Executed),
        6 => Just(Action::Recovered),
        2 => Just(Action::Rejected),
        2 => select(Action::ALL),
    ];
    let status = option::weighted(0.4, select(OrderStatus::ALL));
    let reason = option::of(Just("as the venue says"));
    let venue_order_id = option::of(select(&VENUE_ORDER_IDS));
    (action, status, reason, option::of(0..3), option::of(select(&ERROR_CODES)), venue_order_id)
        .prop_map(|(action, status, reason, retry, error_code, venue_order_id)| Entry {
            action,
            // The status after any other action is fixed; only CANCELLED may state it.
            status: status
                .filter(|status| action == Action::Recovered || *status == OrderStatus::Cancelled),
            reason,
            retry,
            error_code,
            venue_order_id,
        })
}

/// A trader may log one action only.
fn log() -> impl Strategy<Value = Step> {
    (who(), row(), entry(), prop::bool::weighted(0.2)).prop_map(|(who, order, entry, cancels)| {
        let cancel = Entry {
            action: Action::Cancelled,
            status: None,
            retry: None,
            error_code: None,
            venue_order_id: None,
            ..entry
        };
        match (who, cancels) {
            (_, true) => Step::Log { who, order, entry: cancel },
            (_, false) => Step::Log { who: Who::Engine, order, entry },
        }
    })
}

fn amending() -> impl Strategy<Value = Amending> {
    prop_oneof![
        4 => (row(), executed()).prop_map(|(fill, is)| Amending::Correction { fill, is }),
        4 => (row(), execution_id(), 0..3_i64)
            .prop_map(|(fill, id, second)| Amending::Bust { fill, id, second }),
        1 => (row(), prop::bool::weighted(0.3))
            .prop_map(|(amendment, otherwise)| Amending::Again { amendment, otherwise }),
    ]
}

fn flaw() -> impl Strategy<Value = Option<Flaw>> {
    let flaw = select(&[
        Flaw::HalfShare,
        Flaw::ThirdDecimal,
        Flaw::ThirdDecimalOfFee,
        Flaw::NoPrice,
        Flaw::TooLarge,
        Flaw::NegativeFee,
    ]);
    option::weighted(0.15, flaw)
}

fn amendment_reported() -> impl Strategy<Value = Report> {
    let refers_to = option::weighted(0.2, select(&EXECUTION_IDS));
    (row(), refers_to, executed(), any::<bool>(), prop::bool::weighted(0.4), flaw()).prop_map(
        |(fill, refers_to, is, is_bust, elsewhere, flaw)| Report::Amendment {
            fill,
            refers_to,
            is,
            is_bust,
            elsewhere,
            flaw,
        },
    )
}

fn report() -> impl Strategy<Value = Report> {
    let fill = (option::weighted(0.9, row()), executed(), flaw());
    let refers_to = option::weighted(0.2, select(&EXECUTION_IDS));
    let recorded = (row(), prop::bool::weighted(0.3), refers_to);
    prop_oneof![
        6 => fill.prop_map(|(order, is, flaw)| Report::Fill { order, is, flaw }),
        4 => amendment_reported(),
        2 => row().prop_map(|broken| Report::Again { broken }),
        3 => recorded.prop_map(|(fill, otherwise, refers_to)| Report::Recorded {
            fill,
            otherwise,
            refers_to
        }),
    ]
}

fn resolution() -> impl Strategy<Value = Step> {
    (row(), prop::bool::weighted(0.8), option::weighted(0.3, row()))
        .prop_map(|(broken, is_booked, to_order)| Step::Resolve { broken, is_booked, to_order })
}

fn expiry() -> impl Strategy<Value = Step> {
    (0..4_i64, 0..3_u16).prop_map(|(second, limit)| Step::Expire { second, limit })
}

fn step() -> impl Strategy<Value = Step> + Clone {
    prop_oneof![
        12 => some(filling()).prop_map(Step::Record),
        5 => (who(), some(submission().boxed())).prop_map(|(who, new)| Step::Submit(who, new)),
        6 => log(),
        6 => amending().prop_map(Step::Amend),
        7 => report().prop_map(Step::Report),
        5 => resolution(),
        1 => expiry(),
    ]
    .boxed()
}

/// Steps for an execution that cannot be applied, in several ways.
fn story() -> impl Strategy<Value = Vec<Step>> {
    let broken = 0_u8;
    let bust = Amending::Bust { fill: 0, id: None, second: 0 };
    let next = prop_oneof![
        1 => executed().prop_map(move |is| Step::Record(vec![Filling::Meant { broken, is }])),
        2 => Just(Step::Amend(bust)),
        3 => Just(Step::Report(Report::Again { broken })),
        1 => Just(Step::Record(vec![Filling::Broken { broken }])),
        1 => Just(Step::Amend(Amending::Broken { broken })),
        3 => (prop::bool::weighted(0.6), option::weighted(0.2, row())).prop_map(
            move |(is_booked, to_order)| Step::Resolve { broken, is_booked, to_order }
        ),
    ];
    (report().prop_map(Step::Report), vec(next, 2..6))
        .prop_map(|(report, next)| [vec![report], next].concat())
}

/// The resolution of a break, and then the same execution again, when it could be applied.
fn settled() -> impl Strategy<Value = Vec<Step>> {
    let (order, broken, fill) = (0_u8, 0_u8, 0_u8);
    let record =
        move |is, shares| Step::Record(vec![Filling::New { order, is: Executed { shares, ..is } }]);
    let over_fill = (executed(), executed()).prop_map(move |(first, is)| {
        let bust = Amending::Bust { fill, id: None, second: 0 };
        let is = Executed { shares: Shares::OneMore, ..is };
        let report = Report::Fill { order: Some(order), is, flaw: None };
        (vec![record(first, Shares::Half), Step::Report(report)], Step::Amend(bust))
    });
    let early =
        (executed(), executed(), amendment_reported()).prop_map(move |(first, meant, report)| {
            let meant = Step::Record(vec![Filling::Meant { broken, is: meant }]);
            (vec![record(first, Shares::Of(1)), Step::Report(report)], meant)
        });
    let again = prop_oneof![
        Just(Step::Record(vec![Filling::Broken { broken }])),
        Just(Step::Amend(Amending::Broken { broken })),
        Just(Step::Report(Report::Again { broken })),
    ];
    let said = (prop::bool::weighted(0.3), option::weighted(0.3, row())).prop_map(
        move |(is_booked, to_order)| Step::Resolve {
            broken,
            is_booked,
            to_order: to_order.filter(|_| is_booked),
        },
    );
    (prop_oneof![over_fill, early], said, vec(again, 1..3))
        .prop_map(|((kept, room), said, again)| [kept, vec![said, room], again].concat())
}

/// An order to begin with.
fn opening() -> impl Strategy<Value = Round> {
    terms().prop_map(|terms| {
        let terms = Terms { quantity: terms.quantity.max(1), replaces: None, ..terms };
        Round(vec![Step::Submit(Who::Owner, vec![Submission::New(terms)])])
    })
}

/// Steps that conflict on the same rows.
fn race() -> impl Strategy<Value = Vec<Step>> {
    let fill = |order, is| Step::Record(vec![Filling::New { order, is }]);
    let last_shares = (0..2_u8, vec(executed(), 2..5)).prop_map(move |(order, fills)| {
        let rest = |is| fill(order, Executed { shares: Shares::Rest, ..is });
        fills.into_iter().map(rest).collect()
    });
    let end = (0..2_u8, executed(), log(), expiry()).prop_map(move |(row, is, ends, expires)| {
        let ends = match ends {
            Step::Log { who, entry, .. } => Step::Log { who, order: row, entry },
            other => other,
        };
        vec![fill(row, is), ends, expires]
    });
    let amend = prop_oneof![
        2 => amending().prop_map(Step::Amend),
        1 => amendment_reported().prop_map(Step::Report),
    ];
    let amendments = (0..3_u8, vec(amend, 2..4)).prop_map(|(meant, steps)| {
        let of = |step| match step {
            Step::Amend(Amending::Correction { is, .. }) => {
                Step::Amend(Amending::Correction { fill: meant, is })
            }
            Step::Amend(Amending::Bust { id, second, .. }) => {
                Step::Amend(Amending::Bust { fill: meant, id, second })
            }
            Step::Report(Report::Amendment { is, is_bust, elsewhere, .. }) => {
                Step::Report(Report::Amendment {
                    fill: meant,
                    refers_to: None,
                    is,
                    is_bust,
                    elsewhere,
                    flaw: None,
                })
            }
            again => again,
        };
        steps.into_iter().map(of).collect()
    });
    let last_fills = (filling(), amending(), amending()).prop_map(|(filling, first, second)| {
        let of = |amending, meant| match amending {
            Amending::Correction { is, .. } => Amending::Correction { fill: meant, is },
            _ => Amending::Bust { fill: meant, id: None, second: 0 },
        };
        let amend = |amending, meant| Step::Amend(of(amending, meant));
        vec![Step::Record(vec![filling]), amend(first, 0), amend(second, 1)]
    });
    let resolutions = (row(), vec(resolution(), 2..4)).prop_map(|(meant, resolutions)| {
        let of = |step| match step {
            Step::Resolve { is_booked, to_order, .. } => {
                Step::Resolve { broken: meant, is_booked, to_order }
            }
            other => other,
        };
        resolutions.into_iter().map(of).collect()
    });
    let fills = vec(filling(), 2..5).prop_map(|fills| {
        vec![Step::Record(fills.iter().rev().cloned().collect()), Step::Record(fills)]
    });
    let orders = (who(), vec(submission(), 2..5)).prop_map(|(who, orders)| {
        let reversed = orders.iter().rev().cloned().collect();
        vec![Step::Submit(who, orders), Step::Submit(who, reversed)]
    });
    prop_oneof![
        4 => vec(step(), 2..5),
        3 => (step(), 2..4_usize).prop_map(|(step, clients)| vec![step; clients]),
        2 => last_shares,
        2 => end,
        2 => amendments,
        2 => last_fills,
        1 => resolutions,
        1 => fills,
        1 => orders,
    ]
}

/// One step after the other.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop_oneof![
        60 => step().prop_map(|step| vec![step]),
        4 => story(),
        2 => settled(),
    ]
}

fn alone(steps: Vec<Step>) -> Vec<Round> {
    steps.into_iter().map(|step| Round(vec![step])).collect()
}

/// What one client does.
pub fn one_client() -> impl Strategy<Value = Vec<Round>> {
    (vec(opening(), 1..4), vec(steps().prop_map(alone), 1..40))
        .prop_map(|(opening, steps)| [opening, steps.concat()].concat())
}

/// Steps that clients take at once, and single steps in between.
pub fn several_clients() -> impl Strategy<Value = Vec<Round>> {
    let rounds = prop_oneof![
        2 => steps().prop_map(alone),
        3 => race().prop_map(|steps| vec![Round(steps)]),
    ];
    (vec(opening(), 1..3), vec(rounds, 1..30))
        .prop_map(|(opening, rounds)| [opening, rounds.concat()].concat())
}

/// Batches of the same fills, and of orders that replace the filled ones, each in another sequence, from
/// several clients at once.
pub fn batches() -> impl Strategy<Value = Vec<Round>> {
    let good = terms().prop_map(|terms| Terms {
        trader: 0,
        quantity: 100,
        order_type: OrderType::Market,
        has_price: false,
        ..terms
    });
    let fills = vec((0..6_u8, executed()), 2..8).prop_map(|fills| {
        let few = |is| Executed { shares: Shares::Of(1), ..is };
        let fill = |(order, is)| Filling::New { order, is: few(is) };
        fills.into_iter().map(fill).collect::<Vec<_>>()
    });
    let orders = vec(good.clone(), 2..5).prop_map(|orders| {
        let replacing = |(replaced, terms)| Terms { replaces: Some(replaced), ..terms };
        let orders = (0..).zip(orders).map(replacing);
        orders.map(Submission::New).collect::<Vec<_>>()
    });
    let round = (fills, orders).prop_flat_map(|(fills, orders)| {
        let fills = vec(Just(fills).prop_shuffle().prop_map(Step::Record), 1..4);
        let submit = |orders| Step::Submit(Who::Engine, orders);
        let orders = vec(Just(orders).prop_shuffle().prop_map(submit), 1..3);
        (fills, orders).prop_map(|(fills, orders)| Round([fills, orders].concat()))
    });
    let open = |terms| {
        let terms = Terms { replaces: None, client_order_id: None, ..terms };
        Round(vec![Step::Submit(Who::Owner, vec![Submission::New(terms)])])
    };
    (vec(good.prop_map(open), 5), vec(round, 1..4))
        .prop_map(|(opening, rounds)| [opening, rounds].concat())
}
