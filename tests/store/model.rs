//! A model of the lifecycle of orders in plain Rust, without a database. It is written from the
//! documentation and not from the code: totals are summed up from all effective fills after each step,
//! status follows from the totals, and a refused step changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use tradeblotter::{Action, BreakReason, NewOrder, OrderStatus};
use tradeblotter_test_support::raw::{RawEntry, RawResolution};
use uuid::Uuid;

use self::Refusal::{Illegal, Mismatch, NameTaken, NotFound, OverFill};

/// A command of a client.
#[derive(Clone, Debug)]
pub enum Command {
    Submit(By, Vec<NewOrder<'static>>),
    Log(By, RawEntry<'static>),
    Record(Vec<Fill>),
    Amend(Fill),
    Report(Execution),
    Resolve(RawResolution<'static>),
    /// `busy` are the orders that other clients may have locked, which may be skipped.
    Expire {
        now: DateTime<Utc>,
        limit: u16,
        busy: Vec<Uuid>,
    },
}

/// The role of the session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum By {
    #[default]
    Engine,
    Trader(Uuid),
}

/// The answer to a client: the stored rows for what it sent, in the same order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Rows(Vec<Uuid>),
    Broken(Uuid),
}

/// The kinds of refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    NotFound,
    Denied,
    Mismatch,
    Illegal,
    OverFill,
    Rule(String),
    /// Never returned to a client: the store has used the id of one row for another.
    NameTaken,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    pub terms: NewOrder<'static>,
    pub status: OrderStatus,
    pub filled: i32,
    /// In cents, like all money in the model.
    pub notional: i128,
    pub average: Option<i128>,
    pub venue_order_id: Option<&'static str>,
    pub log: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub action: Action,
    pub status: OrderStatus,
    pub acted_as: &'static str,
    pub reason: Option<String>,
    pub retry: Option<i32>,
    pub error_code: Option<&'static str>,
    pub venue_order_id: Option<&'static str>,
    pub fill: Option<Uuid>,
    pub of_break: Option<Uuid>,
}

/// A fill, bust or correction. A bust has the shares and the price of the fill that it busts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    pub order: Uuid,
    pub at: DateTime<Utc>,
    pub shares: i32,
    pub cents: i64,
    pub fee: i64,
    pub venue: &'static str,
    pub source: &'static str,
    pub id: Option<&'static str>,
    pub amends: Option<Uuid>,
    pub is_bust: bool,
    pub of_break: Option<Uuid>,
}

/// The kind of a fill: whether it is a bust, and whether it is an amendment.
type Kind = (bool, bool);

/// A reported execution, in tenths of shares and tenths of cents. Its venue is its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Execution {
    pub order: Option<Uuid>,
    pub at: DateTime<Utc>,
    pub tenths: i64,
    pub mills: i64,
    pub fee: i64,
    pub venue: &'static str,
    pub id: Option<&'static str>,
    pub refers_to: Option<&'static str>,
    pub is_bust: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Break {
    pub reported: Execution,
    pub reason: BreakReason,
    pub resolution: Option<Resolution>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    pub is_booked: bool,
    pub order: Option<Uuid>,
    pub fill: Option<Uuid>,
    pub reason: String,
}

#[derive(Clone, Debug, Default)]
pub struct Model {
    pub orders: BTreeMap<Uuid, Order>,
    pub fills: BTreeMap<Uuid, Fill>,
    pub breaks: BTreeMap<Uuid, Break>,
    acting: By,
}

impl Command {
    fn by(&self) -> By {
        match self {
            Self::Submit(by, _) | Self::Log(by, _) => *by,
            _ => By::Engine,
        }
    }
}

impl By {
    fn role(self) -> &'static str {
        match self {
            Self::Engine => "blotter_engine",
            Self::Trader(_) => "blotter_trader",
        }
    }

    fn is_stranger_to(self, trader: Uuid) -> bool {
        !matches!(self, Self::Engine) && self != Self::Trader(trader)
    }
}

impl Entry {
    fn new(action: Action) -> Self {
        Self {
            action,
            status: OrderStatus::Pending,
            acted_as: "",
            reason: None,
            retry: None,
            error_code: None,
            venue_order_id: None,
            fill: None,
            of_break: None,
        }
    }
}

impl Order {
    fn is_open(&self) -> bool {
        matches!(self.status, OrderStatus::Pending | OrderStatus::Partial)
    }

    fn has_ended(&self) -> bool {
        matches!(self.status, OrderStatus::Rejected | OrderStatus::Cancelled)
    }

    pub fn left(&self) -> i32 {
        self.terms.quantity - self.filled
    }
}

impl Fill {
    /// Returns whether this has the content that is stored under its execution id, whichever order of the chain is
    /// reported.
    fn is(&self, stored: &Self) -> bool {
        let mut new = Self { of_break: stored.of_break, order: stored.order, ..*self };
        if self.is_bust {
            (new.shares, new.cents, new.fee) = (stored.shares, stored.cents, stored.fee);
        }
        new == *stored
    }

    fn kind(&self) -> Kind {
        (self.is_bust, self.amends.is_some())
    }
}

impl Execution {
    /// Converts it to a fill of this order, if it fits the columns exactly.
    fn exactly(&self, order: Uuid) -> Result<Fill, BreakReason> {
        let whole =
            |tenths: i64, or: BreakReason| (tenths % 10 == 0).then_some(tenths / 10).ok_or(or);
        let money = |mills: i64, least: i64| {
            let cents = whole(mills, BreakReason::Precision)?;
            let fits = (least..=9_999_999_999).contains(&cents);
            fits.then_some(cents).ok_or(BreakReason::Invalid)
        };
        let mut fill = Fill {
            order,
            at: self.at,
            shares: 0,
            cents: 0,
            fee: 0,
            venue: self.venue,
            source: self.venue,
            id: self.id,
            amends: None,
            is_bust: self.is_bust,
            of_break: None,
        };
        if !self.is_bust {
            let shares = whole(self.tenths, BreakReason::Invalid)?;
            fill.shares = i32::try_from(shares).map_err(|_| BreakReason::Invalid)?;
            if fill.shares < 1 {
                return Err(BreakReason::Invalid);
            }
            fill.cents = money(self.mills, 1)?;
            fill.fee = money(self.fee, 0)?;
        }
        Ok(fill)
    }
}

impl Model {
    /// Takes a step. New rows get these names, by their index in the command. For a refused batch it
    /// returns every refusal, of which the store names any one.
    pub fn take(&mut self, command: &Command, names: &[Uuid]) -> Result<Answer, Vec<Refusal>> {
        let before = self.clone();
        self.acting = command.by();
        let taken = self.attempt(command, names);
        if taken.is_err() {
            *self = before;
        }
        taken
    }

    fn attempt(&mut self, command: &Command, names: &[Uuid]) -> Result<Answer, Vec<Refusal>> {
        let nobodys = |row: usize| Uuid::from_u128(u128::MAX - row as u128);
        let name = |row: usize| names.get(row).copied().unwrap_or_else(|| nobodys(row));
        let one = |row: Result<Uuid, Refusal>| row.map(|id| vec![id]).map_err(|why| vec![why]);
        let rows = match command {
            Command::Submit(_, new) => {
                let key = |row: usize| (new[row].replaces, new[row].client_order_id);
                each(new.len(), key, |row| self.submit(&new[row], name(row)))?
            }
            Command::Record(new) => {
                let key = |row: usize| (new[row].at, new[row].venue, new[row].id);
                each(new.len(), key, |row| self.record(new[row], name(row)))?
            }
            Command::Log(_, new) => {
                self.act(new).map_err(|why| vec![why])?;
                Vec::new()
            }
            Command::Amend(new) => {
                let amended = new.amends.and_then(|id| self.fills.get(&id));
                let source = amended.map_or(new.source, |fill| fill.source);
                one(self.amend(Fill { source, ..*new }, name(0)))?
            }
            Command::Resolve(new) => {
                let fill = self.resolve(new, name(0)).map_err(|why| vec![why])?;
                fill.into_iter().collect()
            }
            Command::Report(reported) => {
                return self.report(reported, name(0)).map_err(|why| vec![why]);
            }
            Command::Expire { now, limit, busy } => self.expire(*now, *limit, busy, names),
        };
        Ok(Answer::Rows(rows))
    }

    /// Who acts, sees.
    fn seen(&self, id: Uuid) -> Option<&Order> {
        self.orders.get(&id).filter(|order| !self.acting.is_stranger_to(order.terms.trader_id))
    }

    fn submit(&mut self, new: &NewOrder<'static>, name: Uuid) -> Result<Uuid, Refusal> {
        let replaced = new.replaces.map(|id| (id, self.seen(id).cloned()));
        if let Some((_, old)) = &replaced
            && old.as_ref().is_none_or(|old| old.terms.trader_id != new.trader_id)
        {
            return rule("fk_orders_replaces");
        }
        if self.acting.is_stranger_to(new.trader_id) {
            return Err(Refusal::Denied);
        }
        if new.quantity < 1 {
            return rule("ck_orders_quantity_positive");
        }
        if new.order_type != tradeblotter::OrderType::Market && new.price.is_none() {
            return rule("ck_orders_limit_requires_price");
        }
        let key = |terms: &NewOrder<'static>| (terms.trader_id, terms.client_order_id);
        let known = self.orders.iter().find(|(_, order)| key(&order.terms) == key(new));
        if let (Some(_), Some((id, known))) = (new.client_order_id, known) {
            return if known.terms == *new { Ok(*id) } else { Err(Mismatch) };
        }
        if let Some((id, old)) = &replaced {
            if self.replacement(*id).is_some() {
                return rule("uq_orders_replaces");
            }
            if old.as_ref().is_some_and(Order::has_ended) {
                return Err(Illegal);
            }
        }
        if self.orders.contains_key(&name) {
            return Err(NameTaken);
        }
        let order = Order {
            terms: *new,
            status: OrderStatus::Pending,
            filled: 0,
            notional: 0,
            average: None,
            venue_order_id: None,
            log: Vec::new(),
        };
        self.orders.insert(name, order);
        let reason = new.replaces.map(|old| format!("replaces order {old}"));
        self.log(name, Entry { reason, ..Entry::new(Action::Submitted) });
        if let Some(id) = new.replaces {
            self.end_replaced(id);
        }
        Ok(name)
    }

    fn replacement(&self, id: Uuid) -> Option<Uuid> {
        let mut orders = self.orders.iter();
        orders.find(|(_, order)| order.terms.replaces == Some(id)).map(|(by, _)| *by)
    }

    /// A replaced order does not stay open, and is not reopened.
    fn end_replaced(&mut self, id: Uuid) {
        if let Some(by) = self.replacement(id)
            && self.orders[&id].is_open()
        {
            self.end(id, OrderStatus::Cancelled);
            let reason = Some(format!("replaced by order {by}"));
            self.log(id, Entry { reason, ..Entry::new(Action::Cancelled) });
        }
    }

    fn end(&mut self, id: Uuid, status: OrderStatus) {
        self.orders.get_mut(&id).unwrap().status = status;
    }

    fn log(&mut self, id: Uuid, entry: Entry) {
        let acted_as = self.acting.role();
        let order = self.orders.get_mut(&id).unwrap();
        order.log.push(Entry { status: order.status, acted_as, ..entry });
    }

    fn act(&mut self, new: &RawEntry<'static>) -> Result<(), Refusal> {
        if matches!(new.action, Action::Submitted | Action::Filled) {
            return rule("execution_logs_automatic");
        }
        let order = self.seen(new.order_id).ok_or(NotFound)?;
        if new.action != Action::Recovered && !order.is_open() {
            return Err(Illegal);
        }
        let leads_to = match (new.action, new.status) {
            (Action::Rejected, _) => OrderStatus::Rejected,
            (Action::Cancelled, _) => OrderStatus::Cancelled,
            (Action::Recovered, Some(end @ (OrderStatus::Rejected | OrderStatus::Cancelled)))
                if order.is_open() =>
            {
                end
            }
            _ => order.status,
        };
        if new.status.is_some_and(|status| status != leads_to) {
            return rule("execution_logs_status_derived");
        }
        let known = order.venue_order_id.or(new.venue_order_id);
        if new.venue_order_id.is_some_and(|id| Some(id) != known) {
            return rule("execution_logs_one_venue_order");
        }
        self.orders.get_mut(&new.order_id).unwrap().venue_order_id = known;
        self.end(new.order_id, leads_to);
        let entry = Entry {
            reason: new.reason.map(str::to_owned),
            retry: new.retry_attempt,
            error_code: new.error_code,
            venue_order_id: new.venue_order_id,
            ..Entry::new(new.action)
        };
        self.log(new.order_id, entry);
        Ok(())
    }

    /// The first order of the chain of an order.
    fn root(&self, mut order: Uuid) -> Uuid {
        while let Some(replaced) = self.orders.get(&order).and_then(|order| order.terms.replaces) {
            order = replaced;
        }
        order
    }

    /// The last order of the chain of an order.
    pub fn last(&self, mut order: Uuid) -> Uuid {
        while let Some(next) = self.replacement(order) {
            order = next;
        }
        order
    }

    /// The stored row of the same kind under the same execution id, in the chain of the order.
    fn known(&self, new: &Fill) -> Option<(Uuid, &Fill)> {
        let mut fills = self.fills.iter().filter(|(_, fill)| fill.id.is_some());
        let key = |fill: &Fill| (self.root(fill.order), fill.source, fill.id, fill.kind());
        fills.find(|(_, fill)| key(fill) == key(new)).map(|(id, fill)| (*id, fill))
    }

    fn record(&mut self, mut new: Fill, name: Uuid) -> Result<Uuid, Refusal> {
        new.source = new.venue;
        let order = self.orders.get(&new.order).ok_or(NotFound)?;
        if new.shares < 1 {
            return rule("ck_fills_quantity_positive");
        }
        if let Some((id, known)) = self.known(&new) {
            return if new.is(known) { Ok(id) } else { Err(Mismatch) };
        }
        // A fill that books a break may come after the end of the order.
        if !order.is_open() && new.of_break.is_none() {
            return Err(Illegal);
        }
        if new.shares > order.left() {
            return Err(OverFill);
        }
        if self.is_settled(&new) {
            return rule("fills_resolved_break");
        }
        let action = if new.of_break.is_none() { Action::Filled } else { Action::Recovered };
        self.count(new, name, action, self.booked(&new))
    }

    fn amend(&mut self, mut new: Fill, name: Uuid) -> Result<Uuid, Refusal> {
        let amends = new.amends.unwrap_or_default();
        let amended = *self.fills.get(&amends).ok_or(NotFound)?;
        if amended.is_bust {
            return rule("fills_amend_fill");
        }
        (new.order, new.venue) = (amended.order, amended.venue);
        if new.is_bust {
            (new.shares, new.cents, new.fee) = (amended.shares, amended.cents, 0);
        }
        if new.shares < 1 {
            return rule("ck_fills_quantity_positive");
        }
        if let Some((id, known)) = self.known(&new) {
            return if new.is(known) { Ok(id) } else { Err(Mismatch) };
        }
        if self.amendment(amends).is_some() {
            return rule("uq_fills_amends");
        }
        if !new.is_bust && new.shares - amended.shares > self.orders[&new.order].left() {
            return Err(OverFill);
        }
        if self.is_settled(&new) {
            return rule("fills_resolved_break");
        }
        let what = if new.is_bust { "bust" } else { "correction" };
        let booked = self.booked(&new).map(|booked| format!(", {booked}")).unwrap_or_default();
        let reason = Some(format!("{what} of fill {amends}{booked}"));
        self.count(new, name, Action::Recovered, reason)?;
        self.end_replaced(new.order);
        Ok(name)
    }

    /// Returns whether the execution was a break that is resolved, which is final.
    fn is_settled(&self, new: &Fill) -> bool {
        let is_same = |kept: &&Break| {
            let Execution { order, refers_to, .. } = kept.reported;
            let exact = kept.reported.exactly(new.order);
            let Fill { amends, venue, .. } = *new;
            // An amendment may name any order of the chain, whichever has the fill.
            let is_in_chain = order.is_some_and(|id| self.root(id) == self.root(new.order));
            (order == Some(new.order) || amends.is_some() && is_in_chain)
                && refers_to.is_some() == amends.is_some()
                && exact.is_ok_and(|exact| Fill { amends, venue, ..exact }.is(new))
        };
        let mut kept = self.breaks.values().filter(|kept| kept.resolution.is_some());
        new.id.is_some() && new.of_break.is_none() && kept.any(|kept| is_same(&kept))
    }

    fn amendment(&self, id: Uuid) -> Option<(Uuid, &Fill)> {
        let mut fills = self.fills.iter();
        fills.find(|(_, fill)| fill.amends == Some(id)).map(|(by, fill)| (*by, fill))
    }

    /// The log entry of a fill that books a break.
    fn booked(&self, fill: &Fill) -> Option<String> {
        let resolution = self.breaks[&fill.of_break?].resolution.as_ref();
        resolution.map(|resolution| format!("break booked: {}", resolution.reason))
    }

    fn count(
        &mut self,
        new: Fill,
        name: Uuid,
        action: Action,
        reason: Option<String>,
    ) -> Result<Uuid, Refusal> {
        if self.fills.contains_key(&name) {
            return Err(NameTaken);
        }
        self.fills.insert(name, new);
        self.derive(new.order);
        let (fill, of_break) = (Some(name), new.of_break);
        self.log(new.order, Entry { reason, fill, of_break, ..Entry::new(action) });
        Ok(name)
    }

    fn derive(&mut self, id: Uuid) {
        let counts = |(id, fill): &(&Uuid, &Fill)| !fill.is_bust && self.amendment(**id).is_none();
        let of_order = self.fills.iter().filter(|(_, fill)| fill.order == id);
        let (mut filled, mut notional) = (0, 0);
        for (_, fill) in of_order.filter(counts) {
            filled += fill.shares;
            notional += i128::from(fill.shares) * i128::from(fill.cents);
        }
        let order = self.orders.get_mut(&id).unwrap();
        (order.filled, order.notional) = (filled, notional);
        // Integer division, rounded half up to the cent.
        let shares = i128::from(filled);
        order.average =
            (filled > 0).then(|| notional / shares + i128::from(notional % shares * 2 >= shares));
        order.status = match order.status {
            ended @ (OrderStatus::Rejected | OrderStatus::Cancelled) => ended,
            _ if filled == order.terms.quantity => OrderStatus::Filled,
            _ if filled > 0 => OrderStatus::Partial,
            _ => OrderStatus::Pending,
        };
    }

    /// A resolution is final; an execution that cannot be applied is kept as a break.
    fn report(&mut self, reported: &Execution, name: Uuid) -> Result<Answer, Refusal> {
        if let Some((id, Break { resolution: Some(resolution), .. })) = self.kept(reported) {
            // Dismissed, it may have been recorded otherwise.
            let recorded = || Some(self.recorded(reported, reported.order?)?.0);
            let fill = resolution.fill.or_else(recorded);
            return Ok(fill.map_or(Answer::Broken(id), |fill| Answer::Rows(vec![fill])));
        }
        match self.execute(reported, name) {
            Ok(fill) => Ok(Answer::Rows(vec![fill])),
            Err(reason) => self.keep(reported, reason, name).map(Answer::Broken),
        }
    }

    /// Returns the break that the execution is stored as, if it was dismissed.
    pub fn dismissed(&self, reported: &Execution) -> Option<Uuid> {
        let (id, kept) = self.kept(reported)?;
        kept.resolution.as_ref().filter(|said| !said.is_booked).map(|_| id)
    }

    fn kept(&self, reported: &Execution) -> Option<(Uuid, &Break)> {
        let mut kept = self.breaks.iter().filter(|_| reported.id.is_some());
        kept.find(|(_, kept)| kept.reported == *reported).map(|(id, kept)| (*id, kept))
    }

    /// Applies a reported execution, if the rules allow it.
    pub fn execute(&mut self, reported: &Execution, name: Uuid) -> Result<Uuid, BreakReason> {
        self.acting = By::Engine;
        let order = reported.order.ok_or(BreakReason::UnknownOrder)?;
        let applied = match reported.refers_to {
            None => self.record(reported.exactly(order)?, name),
            Some(_) if !self.orders.contains_key(&order) => Err(NotFound),
            Some(_) => {
                let is_same = |fill: &&Fill| {
                    self.root(fill.order) == self.root(order) && self.is_again(fill, reported)
                };
                let amends = match self.fills.values().find(is_same) {
                    Some(known) if self.leads_to(known, reported.refers_to) => known.amends,
                    Some(_) => return Err(BreakReason::Mismatch),
                    None => Some(self.amended(reported, order).ok_or(BreakReason::UnknownFill)?),
                };
                self.amend(Fill { amends, ..reported.exactly(order)? }, name)
            }
        };
        applied.map_err(|why| match why {
            NotFound => BreakReason::UnknownOrder,
            Mismatch => BreakReason::Mismatch,
            OverFill => BreakReason::OverFill,
            Illegal if self.orders[&order].has_ended() => BreakReason::OrderEnded,
            Illegal => BreakReason::OverFill,
            _ => BreakReason::Invalid,
        })
    }

    /// Returns whether a fill is what this bust or correction was recorded as.
    fn is_again(&self, fill: &Fill, reported: &Execution) -> bool {
        reported.id.is_some()
            && (fill.source, fill.id) == (reported.venue, reported.id)
            && fill.kind() == (reported.is_bust, true)
    }

    /// Returns whether an amendment amends a fill with this execution id, or a correction of it.
    fn leads_to(&self, amendment: &Fill, refers_to: Option<&str>) -> bool {
        let amended = amendment.amends.and_then(|id| self.fills.get(&id));
        amended.is_some_and(|fill| fill.id == refers_to || self.leads_to(fill, refers_to))
    }

    /// Returns the fill that a bust or a correction amends: the last amendment of the fill that it refers to. If
    /// the report itself is stored already, its own row is left out. The fill may be of any order of the chain, and
    /// of another source if only one source has a fill with this execution id.
    fn amended(&self, reported: &Execution, order: Uuid) -> Option<Uuid> {
        reported.refers_to?;
        let is_meant = |(_, fill): &(&Uuid, &Fill)| {
            self.root(fill.order) == self.root(order) && fill.id == reported.refers_to
        };
        let meant: Vec<_> = self.fills.iter().filter(is_meant).collect();
        let sources: BTreeSet<_> = meant.iter().map(|(_, fill)| fill.source).collect();
        let own = sources.get(reported.venue);
        let source = own.or_else(|| sources.first().filter(|_| sources.len() == 1))?;
        // A fill comes before a correction with the same execution id, and that before a bust.
        let meant = meant.iter().filter(|(_, fill)| fill.source == *source);
        let meant = meant.min_by_key(|(_, fill)| (fill.amends.is_some(), fill.is_bust));
        let mut last = *meant?.0;
        while let Some((next, fill)) = self.amendment(last)
            && !self.is_again(fill, reported)
        {
            last = next;
        }
        Some(last)
    }

    /// Returns the fill under which the execution of a break is recorded already, from another report of it; none if it is
    /// not.
    fn recorded(&self, reported: &Execution, order: Uuid) -> Option<(Uuid, Uuid)> {
        let new = reported.exactly(order).ok()?;
        let amends = self.amended(reported, order);
        let (id, known) = self.known(&Fill { amends, ..new })?;
        let new = Fill { amends, venue: known.venue, ..new };
        let is_same = new.is(known) && amends.is_some() == reported.refers_to.is_some();
        is_same.then_some((id, known.order))
    }

    /// The order that an execution is booked to: of an amendment, that of the fill.
    fn booked_to(&self, reported: &Execution, order: Uuid) -> Uuid {
        let amended = self.amended(reported, order).map(|id| self.fills[&id].order);
        let recorded = self.recorded(reported, order).map(|(_, order)| order);
        recorded.or(amended).unwrap_or(order)
    }

    /// Keeps an execution as a break; with an execution id, only once.
    pub fn keep(
        &mut self,
        reported: &Execution,
        reason: BreakReason,
        name: Uuid,
    ) -> Result<Uuid, Refusal> {
        self.acting = By::Engine;
        if let Some((id, _)) = self.kept(reported) {
            return Ok(id);
        }
        if self.breaks.contains_key(&name) {
            return Err(NameTaken);
        }
        self.breaks.insert(name, Break { reported: *reported, reason, resolution: None });
        if let Some(order) = reported.order.filter(|id| self.orders.contains_key(id)) {
            // The exact reason is text for people and is not compared.
            let reason = Some("break".to_owned());
            let of_break = Some(name);
            self.log(order, Entry { reason, of_break, ..Entry::new(Action::Recovered) });
        }
        Ok(name)
    }

    /// The answer is the fill, if there is one.
    fn resolve(
        &mut self,
        new: &RawResolution<'static>,
        name: Uuid,
    ) -> Result<Option<Uuid>, Refusal> {
        let Break { reported, resolution, .. } =
            self.breaks.get(&new.break_id).cloned().ok_or(NotFound)?;
        let there = |id: &Uuid| self.orders.contains_key(id);
        let meant = reported.order.filter(there);
        let order = new.order_id.or(reported.order).filter(there);
        let trader = |id: Option<Uuid>| id.map(|id| self.orders[&id].terms.trader_id);
        let is_strangers = meant.is_some() && trader(meant) != trader(order);
        if new.is_booked && (order.is_none() || is_strangers)
            || !new.is_booked && new.order_id.is_some()
        {
            return rule("break_resolutions_order");
        }
        if resolution.is_some() {
            return rule("uq_break_resolutions_break_id");
        }
        let of_break = Some(new.break_id);
        let reason = new.reason.to_owned();
        let is_booked = new.is_booked;
        let order = order.map(|id| if is_booked { self.booked_to(&reported, id) } else { id });
        let made = Resolution { is_booked, order, fill: None, reason };
        self.breaks.get_mut(&new.break_id).unwrap().resolution = Some(made);
        let Some(order) = order else { return Ok(None) };
        if let Some(meant) = meant.filter(|meant| *meant != order) {
            let reason = Some(format!("break booked to another order: {}", new.reason));
            self.log(meant, Entry { reason, of_break, ..Entry::new(Action::Recovered) });
        }
        let (fill, says) = if is_booked {
            let before = self.fills.len();
            let fill = self.book(&reported, order, of_break, name)?;
            let is_new = self.fills.len() > before;
            (Some(fill), (!is_new).then_some("break was recorded already"))
        } else {
            (None, Some("break dismissed"))
        };
        self.breaks.get_mut(&new.break_id).unwrap().resolution.as_mut().unwrap().fill = fill;
        if let Some(says) = says {
            let reason = Some(format!("{says}: {}", new.reason));
            self.log(order, Entry { reason, of_break, ..Entry::new(Action::Recovered) });
        }
        Ok(fill)
    }

    fn book(
        &mut self,
        reported: &Execution,
        order: Uuid,
        of_break: Option<Uuid>,
        name: Uuid,
    ) -> Result<Uuid, Refusal> {
        let Ok(exact) = reported.exactly(order) else { return rule("break_resolutions_exact") };
        if let Some((id, _)) = self.recorded(reported, order) {
            return Ok(id);
        }
        let mut new = Fill { of_break, ..exact };
        let booked = if reported.refers_to.is_some() {
            new.amends = self.amended(&Execution { id: None, ..*reported }, order);
            if new.amends.is_none() {
                return rule("fk_fills_amends");
            }
            self.amend(new, name)
        } else {
            self.record(new, name)
        };
        match booked {
            Err(Mismatch) => rule("uq_fills_execution_id"),
            booked => booked,
        }
    }

    /// The orders that expired first come first.
    fn expire(
        &mut self,
        now: DateTime<Utc>,
        limit: u16,
        busy: &[Uuid],
        ended: &[Uuid],
    ) -> Vec<Uuid> {
        let mut due: Vec<_> = self
            .orders
            .iter()
            .filter(|(_, order)| order.is_open())
            .filter_map(|(id, order)| Some((order.terms.expires_at?, *id)))
            .filter(|(at, id)| *at <= now && (ended.contains(id) || !busy.contains(id)))
            .collect();
        due.sort();
        due.truncate(limit.into());
        let mut due: Vec<_> = due.into_iter().map(|(_, id)| id).collect();
        due.sort();
        for id in &due {
            self.end(*id, OrderStatus::Cancelled);
            let reason = Some("expired".to_owned());
            self.log(*id, Entry { reason, ..Entry::new(Action::Cancelled) });
        }
        due
    }

    /// The orders that a command locks while it runs.
    pub fn concerns(&self, command: &Command) -> Vec<Uuid> {
        match command {
            Command::Submit(_, new) => new.iter().filter_map(|new| new.replaces).collect(),
            Command::Log(_, new) => vec![new.order_id],
            Command::Record(new) => new.iter().map(|new| new.order).collect(),
            Command::Amend(new) => {
                let amended = new.amends.and_then(|id| self.fills.get(&id));
                amended.map(|fill| fill.order).into_iter().collect()
            }
            Command::Report(reported) => {
                let booked = reported.order.map(|order| self.booked_to(reported, order));
                reported.order.into_iter().chain(booked).collect()
            }
            Command::Resolve(new) => {
                let Some(Break { reported, .. }) = self.breaks.get(&new.break_id) else {
                    return new.order_id.into_iter().collect();
                };
                let order = new.order_id.or(reported.order);
                let booked = order.map(|order| self.booked_to(reported, order));
                new.order_id.into_iter().chain(reported.order).chain(booked).collect()
            }
            Command::Expire { .. } => self.orders.keys().copied().collect(),
        }
    }
}

fn rule<T>(name: &str) -> Result<T, Refusal> {
    Err(Refusal::Rule(name.to_owned()))
}

/// Applies all rows of a batch, or returns all refusals. Rows are sorted by their keys, because the
/// result of a batch must not depend on its order.
fn each<K: Ord>(
    rows: usize,
    key: impl Fn(usize) -> K,
    mut take: impl FnMut(usize) -> Result<Uuid, Refusal>,
) -> Result<Vec<Uuid>, Vec<Refusal>> {
    let mut by_key: Vec<_> = (0..rows).collect();
    by_key.sort_by_key(|row| key(*row));
    let mut taken = vec![Uuid::nil(); rows];
    let mut refused = Vec::new();
    let mut refusals = Vec::new();
    for row in by_key {
        match take(row) {
            Ok(id) => taken[row] = id,
            Err(why) => {
                refused.push(row);
                refusals.push(why);
            }
        }
    }
    if refused.is_empty() {
        return Ok(taken);
    }
    // After the rows behind it are applied, a row may be refused for further reasons.
    refusals.extend(refused.into_iter().filter_map(|row| take(row).err()));
    Err(refusals)
}
