//! Applies reported executions, and stores as breaks those that a rule refuses.

use std::collections::{HashMap, HashSet};

use diesel::prelude::*;
use diesel::sql_types::{Text, Timestamptz, Uuid as SqlUuid};
use uuid::Uuid;

use super::execution::NotApplied;
use super::{BreakHistory, Breaks, Execution, ExecutionKind, Outcome};
use crate::database::retry::retry;
use crate::database::role::Engine;
use crate::error::Error;
use crate::fills::{Fill, Fills, NewBust, NewCorrection, NewFill, StoredFill, mismatch};
use crate::orders::Orders;
use crate::schema::{break_resolutions, breaks};
use crate::types::difference::Comparison;
use crate::types::enums::{BreakReason, OrderStatus};
use crate::types::price::{Commission, Price};
use crate::types::widths::WidthCheck;

/// Attempts before giving up when another session stores the same execution, or amends the same fill, first
/// each time.
const MAX_ATTEMPTS: u32 = 5;

impl Breaks<'_, Engine> {
    /// Records an execution as a fill, bust or correction, or stores it as a break if a rule refuses it.
    ///
    /// It does what [`Fills::record`], [`Fills::bust`] or [`Fills::correct`] do. Where they return an error
    /// because a rule is violated, this stores the execution with the rule's message, so that a refused
    /// execution is not lost and a feed does not stop.
    ///
    /// Idempotent for an execution with an execution id: a repeated one is the stored fill, the stored
    /// break, or the fill that the break was booked as. A dismissed break stays dismissed, even if the
    /// execution could be applied by now, or names the order that was not known then, with the same trader and
    /// client order id. An execution without an execution id is a new fill, or a new break, each time.
    ///
    /// A bust or correction amends a fill of any order of the order chain. The fill has the execution id that
    /// it refers to, and the same source; or a source that differs only in the day at its end (`XNAS 2026-03-02`),
    /// the last such fill before the amendment; or any source, if there is only one.
    ///
    /// # Errors
    ///
    /// - [`Error::is_invalid_input`]: the execution does not even fit the columns of a break. Its venue is
    ///   blank or longer than 50 characters; an id is blank or longer than 64; the order is the nil UUID;
    ///   the time is outside [`YEARS`](crate::YEARS); the raw message is blank, has a NUL, or is longer than 65536
    ///   characters; or a number has more than 20 digits before or after the point.
    /// - [`Error::is_rule_violation`]: the order is not stored, and the trader that the report names is not
    ///   registered (`fk_breaks_trader_id`).
    /// - [`Error::is_conflict`] and connection errors: neither a fill nor a break is stored.
    ///
    /// ```
    /// # #[cfg(feature = "embedded")] fn main() -> Result<(), tradeblotter::Error> {
    /// # use tradeblotter::{Blotter, embedded, migrations, role};
    /// use tradeblotter::{
    ///     BreakReason, Execution, ExecutionKind, NewBreakResolution, NewOrder, Outcome, Side,
    /// };
    ///
    /// # let server = embedded::Server::start()?;
    /// # migrations::run(&mut server.connect()?)?;
    /// # let engine = Blotter::connect(&server.login::<role::Engine>()?)?.engine();
    /// # let ada = engine.transaction(|tx| tx.traders().register("Ada"))?;
    /// let new = NewOrder::market(ada.id, Side::Buy, "AAPL", 100);
    /// let order = engine.transaction(|tx| tx.orders().submit(&new))?;
    /// engine.transaction(|tx| tx.execution_logs().cancel(order.id, None))?;
    ///
    /// // The venue filled the order before the cancel reached it.
    /// let late = Execution {
    ///     kind: ExecutionKind::Fill,
    ///     order_id: Some(order.id),
    ///     trader_id: None,
    ///     client_order_id: None,
    ///     timestamp: chrono::Utc::now(),
    ///     quantity: 100.into(),
    ///     price: 229.into(),
    ///     venue: "XNAS",
    ///     commission: 0.into(),
    ///     rebate: 0.into(),
    ///     source: None,
    ///     execution_id: Some("E-4711"),
    ///     raw: None,
    /// };
    /// let outcome = engine.transaction(|tx| tx.breaks().record_or_break(&late))?;
    /// let Outcome::Broken(broken) = outcome else { panic!("{outcome:?}") };
    /// assert_eq!(broken.reason, BreakReason::OrderEnded);
    ///
    /// // The venue confirms the fill, so it is booked. The order stays cancelled, and is filled.
    /// let book = NewBreakResolution::book(broken.id, "confirmed by the venue");
    /// engine.transaction(|tx| tx.breaks().resolve(&book))?;
    /// let order = engine.transaction(|tx| tx.orders().get(order.id))?;
    /// assert_eq!((order.status.label(), order.filled_quantity), ("CANCELLED", 100));
    /// # Ok(()) }
    /// # #[cfg(not(feature = "embedded"))] fn main() {}
    /// ```
    pub fn record_or_break(&mut self, execution: &Execution<'_>) -> Result<Outcome, Error> {
        execution.check()?;
        if let Some(resolved) = self.find_resolved(execution)? {
            return self.outcome_of_break(resolved, execution);
        }
        self.apply_or_break(&ExecutionIds::default(), execution)
    }

    /// Records an execution as [`Breaks::record_or_break`] does, under ids that the caller has chosen.
    ///
    /// This makes an execution without an execution id idempotent: a fill or a break with one of these ids is
    /// the execution itself. A fill with other content is a break ([`BreakReason::Mismatch`]); a break is
    /// never applied again, since only a resolution can tell whether it was booked.
    ///
    /// # Errors
    ///
    /// Those of [`Breaks::record_or_break`].
    #[cfg(feature = "ingest")]
    pub(crate) fn record_or_break_as(
        &mut self,
        ids: &ExecutionIds,
        execution: &Execution<'_>,
    ) -> Result<Outcome, Error> {
        execution.check()?;
        let decided = match execution.execution_id {
            Some(_) => self.find_resolved(execution)?,
            // Also an open break: booking it later finds a fill by its execution id only, so an execution
            // without one would count twice.
            None => self.with_ids(&[ids.break_id])?.pop(),
        };
        match decided {
            Some(decided) => self.outcome_of_break(decided, execution),
            None => self.apply_or_break(ids, execution),
        }
    }

    /// Returns what has become of an execution that is stored as this break.
    fn outcome_of_break(
        &mut self,
        BreakHistory { reported, resolution }: BreakHistory,
        execution: &Execution<'_>,
    ) -> Result<Outcome, Error> {
        if let Some(fill) = resolution.and_then(|resolution| resolution.fill_id) {
            return Ok(Outcome::Known(self.fills().get(fill)?));
        }
        // A break may be dismissed because its execution has been recorded otherwise.
        Ok(self.recorded(execution)?.map_or(Outcome::Broken(reported), Outcome::Known))
    }

    /// Returns the fill, bust or correction that an execution is recorded as, if all of it agrees.
    fn recorded(&mut self, execution: &Execution<'_>) -> Result<Option<Fill>, Error> {
        let (Some(order_id), Some(id)) = (execution.order_id, execution.execution_id) else {
            return Ok(None);
        };
        let (refers_to, is_bust) = (execution.kind.refers_to(), execution.kind.is_bust());
        let source = execution.source();
        let stored =
            self.fills().find_execution(order_id, source, id, refers_to.is_some(), is_bust)?;
        let Some(stored) = stored.filter(|stored| execution.is_recorded_as(stored)) else {
            return Ok(None);
        };
        let is_same = match refers_to {
            Some(refers_to) => self.leads_to(&stored, refers_to)?,
            None => true,
        };
        Ok(is_same.then_some(stored))
    }

    /// Records an execution of which no break is stored, or only an open one.
    fn apply_or_break(
        &mut self,
        ids: &ExecutionIds,
        execution: &Execution<'_>,
    ) -> Result<Outcome, Error> {
        let ExecutionIds { fill_id, break_id } = *ids;
        // A duplicate here is a lost race: the next attempt finds the fill that another session has
        // stored, or amends the amendment that it has made.
        let lost_race = |why: &NotApplied| match why {
            NotApplied::Failed(error) => error.is_duplicate() || error.is_lost_race(),
            NotApplied::Refused(..) => false,
        };
        let applied = retry(MAX_ATTEMPTS, lost_race, |_| self.try_apply(fill_id, execution));
        match applied {
            Ok(fill) => Ok(fill.into()),
            Err(NotApplied::Refused(reason, detail)) => {
                self.insert_or_find_as(break_id, execution, reason, &detail).map(Outcome::Broken)
            }
            Err(NotApplied::Failed(error)) if error.is_duplicate() => {
                let id = execution.execution_id.unwrap_or("without an id");
                Err(Error::lost_race("execution", id))
            }
            Err(NotApplied::Failed(error)) => {
                let reason = self.break_reason(&error, execution)?;
                let Some(reason) = reason else { return Err(error) };
                let detail = error.to_string();
                self.insert_or_find_as(break_id, execution, reason, &detail).map(Outcome::Broken)
            }
        }
    }

    /// Records executions, or stores them as breaks, each as [`Breaks::record_or_break`] does; returns the
    /// outcomes in the same order.
    ///
    /// The round trips are those of a few executions. An execution that a rule refuses does not prevent the
    /// others from being recorded. The executions of one order are applied in the given order, except that
    /// fills are booked by time, as in [`Fills::record_batch`].
    ///
    /// # Errors
    ///
    /// Those of [`Breaks::record_or_break`]. Pass them on, so that the transaction is rolled back and
    /// nothing of the batch is stored.
    pub fn record_batch_or_break(
        &mut self,
        executions: &[Execution<'_>],
    ) -> Result<Vec<Outcome>, Error> {
        executions.iter().try_for_each(Execution::check)?;
        let resolved = self.orders_with_resolved_breaks(executions)?;
        let mut outcomes: Vec<Option<Outcome>> = executions.iter().map(|_| None).collect();
        let (mut positions, mut rows) = (Vec::new(), Vec::new());
        // Orders whose remaining executions are applied one by one, so that each finds those before it.
        let mut one_by_one = HashSet::new();
        let mut first_of_key = HashMap::new();
        for (position, execution) in executions.iter().enumerate() {
            let Some(order_id) = execution.order_id else { continue };
            let is_fill = execution.kind == ExecutionKind::Fill && !resolved.contains(&order_id);
            // Whether it contradicts the first one depends on whether that is recorded.
            let key = (order_id, execution.source(), execution.execution_id);
            let first = *first_of_key.entry(key).or_insert(execution);
            let is_contradiction = execution.execution_id.is_some() && first != execution;
            if !is_fill || is_contradiction || one_by_one.contains(&order_id) {
                one_by_one.insert(order_id);
                continue;
            }
            match self.new_fill(order_id, execution) {
                Ok(new) => {
                    positions.push(position);
                    rows.push((Uuid::now_v7(), new));
                }
                Err(NotApplied::Failed(error)) => return Err(error),
                Err(NotApplied::Refused(..)) => {
                    one_by_one.insert(order_id);
                }
            }
        }
        let recorded = self.fills().record_each(&rows)?;
        for (position, fill) in positions.into_iter().zip(recorded) {
            outcomes[position] = fill.ok().map(Outcome::from);
        }
        let each = executions.iter().zip(outcomes);
        each.map(|(execution, outcome)| match outcome {
            Some(outcome) => Ok(outcome),
            None => self.record_or_break(execution),
        })
        .collect()
    }

    /// Returns those orders of the executions that have a resolved break, or may have had one when they were not
    /// known yet.
    fn orders_with_resolved_breaks(
        &mut self,
        executions: &[Execution<'_>],
    ) -> Result<HashSet<Uuid>, Error> {
        let orders: Vec<Uuid> = executions.iter().filter_map(|each| each.order_id).collect();
        let resolved: Vec<Option<Uuid>> = breaks::table
            .inner_join(break_resolutions::table)
            .filter(breaks::order_id.eq_any(orders))
            .select(breaks::order_id)
            .load(self.conn)?;
        let mut resolved: HashSet<Uuid> = resolved.into_iter().flatten().collect();
        let named = || executions.iter().filter(|each| each.names_order_by_client());
        let execution_ids: Vec<&str> = named().filter_map(|each| each.execution_id).collect();
        if !execution_ids.is_empty() {
            let of_unknown_orders: Vec<Option<String>> = breaks::table
                .inner_join(break_resolutions::table)
                .filter(breaks::execution_id.eq_any(execution_ids))
                .filter(breaks::order_id.is_null())
                .select(breaks::execution_id)
                .load(self.conn)?;
            let of_unknown_orders: HashSet<&str> =
                of_unknown_orders.iter().filter_map(Option::as_deref).collect();
            let is_resolved = |each: &&Execution<'_>| {
                each.execution_id.is_some_and(|id| of_unknown_orders.contains(id))
            };
            resolved.extend(named().filter(is_resolved).filter_map(|each| each.order_id));
        }
        Ok(resolved)
    }

    /// Applies an execution in a savepoint, so that a refusal does not abort the caller's transaction.
    fn try_apply(&mut self, id: Uuid, execution: &Execution<'_>) -> Result<StoredFill, NotApplied> {
        let role = self.role;
        self.conn.transaction(|conn| Breaks { conn, role }.apply(id, execution))
    }

    /// Stores an execution as a fill, bust or correction under this id, or returns the fill that it is stored
    /// as already.
    fn apply(&mut self, id: Uuid, execution: &Execution<'_>) -> Result<StoredFill, NotApplied> {
        let Some(order_id) = execution.order_id else {
            let detail = "the execution report names no known order".to_owned();
            return Err(NotApplied::Refused(BreakReason::UnknownOrder, detail));
        };
        let Execution { timestamp, execution_id, .. } = *execution;
        let source = Some(execution.source());
        match execution.kind {
            ExecutionKind::Fill => {
                let new = self.new_fill(order_id, execution)?;
                Ok(self.fills().record_as(id, &new)?)
            }
            ExecutionKind::Bust { of } => {
                let amends = self.find_fill_to_amend(id, order_id, execution, of)?;
                let new = NewBust { amends, timestamp, execution_id };
                Ok(self.fills().bust_as(id, source, &new)?)
            }
            ExecutionKind::Correction { of } => {
                let amends = self.find_fill_to_amend(id, order_id, execution, of)?;
                let FillTerms { quantity_filled, price_at_fill, commission, rebate } =
                    self.fill_terms(execution)?;
                let new = NewCorrection {
                    amends,
                    timestamp,
                    quantity_filled,
                    price_at_fill,
                    commission,
                    rebate,
                    execution_id,
                };
                Ok(self.fills().correct_as(id, source, &new)?)
            }
        }
    }

    /// Converts an execution to a fill of this order.
    fn new_fill<'a>(
        &mut self,
        order_id: Uuid,
        execution: &Execution<'a>,
    ) -> Result<NewFill<'a>, NotApplied> {
        let FillTerms { quantity_filled, price_at_fill, commission, rebate } =
            self.fill_terms(execution)?;
        let Execution { timestamp, venue, source, execution_id, .. } = *execution;
        Ok(NewFill {
            order_id,
            timestamp,
            quantity_filled,
            price_at_fill,
            venue,
            commission,
            rebate,
            source,
            execution_id,
        })
    }

    /// Converts quantity, price, commission and rebate to the types of a fill, and refuses them if the columns would
    /// round them.
    fn fill_terms(&mut self, execution: &Execution<'_>) -> Result<FillTerms, NotApplied> {
        let terms = FillTerms {
            quantity_filled: execution.shares()?,
            price_at_fill: execution.price()?,
            commission: execution.commission()?,
            rebate: execution.rebate()?,
        };
        let widths = WidthCheck::of(|widths| {
            widths.price("price", Some(terms.price_at_fill));
            widths.commission("commission", terms.commission);
            widths.commission("rebate", terms.rebate);
        });
        match widths.check(self.conn) {
            Err(why) if why.is_invalid_input() => {
                Err(NotApplied::Refused(BreakReason::Precision, why.to_string()))
            }
            checked => Ok(checked.map(|()| terms)?),
        }
    }

    /// Returns the fill that a bust or correction amends: the last correction of the fill that it refers to,
    /// anywhere in the order chain. If this same amendment is stored already, returns the fill that it amended.
    fn find_fill_to_amend(
        &mut self,
        id: Uuid,
        order_id: Uuid,
        execution: &Execution<'_>,
        refers_to: &str,
    ) -> Result<Uuid, NotApplied> {
        // Fails if the order is not stored, which is another break reason than an unknown fill.
        Orders { conn: self.conn, role: self.role }.get(order_id)?;
        let source = execution.source();
        // Looked for before the amendment itself: if another session stores that between the two, it is found, and is
        // not taken for the fill to amend.
        let amended: Option<Vec<Uuid>> =
            diesel::select(blotter_amended_fills(order_id, source, refers_to, execution.timestamp))
                .get_result(self.conn)?;
        let stored = match execution.execution_id {
            Some(execution_id) => {
                let is_bust = execution.kind.is_bust();
                self.fills().find_execution(order_id, source, execution_id, true, is_bust)?
            }
            None => self.fills().find_in_chain(order_id, id)?,
        };
        if let Some(stored) = stored
            && let Some(amends) = stored.amends
        {
            if self.leads_to(&stored, refers_to)? {
                return Ok(amends);
            }
            let amended = self.fills().get(amends)?.execution_id;
            let mut comparison = Comparison::default();
            comparison.optional("fill amended", amended.as_deref(), Some(refers_to));
            return Err(mismatch(&stored, execution.execution_id, comparison.differences()).into());
        }
        if let Some(last) = amended.and_then(|fills| fills.last().copied()) {
            return Ok(last);
        }
        let mut sources = self.fills().sources_of_execution(order_id, refers_to)?;
        let mut detail =
            format!("the chain of order {order_id} has no fill {refers_to} at {source}");
        if !sources.is_empty() {
            sources.sort();
            detail += &format!(", but several of other sources: {}", sources.join(", "));
        }
        Err(NotApplied::Refused(BreakReason::UnknownFill, detail))
    }

    /// Returns whether a stored amendment amends the fill that is referred to, or a correction of it.
    fn leads_to(&mut self, amendment: &Fill, refers_to: &str) -> Result<bool, Error> {
        let own_id = refers_to.parse::<Uuid>().ok();
        let mut next = amendment.amends;
        // The loop ends: an amendment amends a fill stored before it, so there is no cycle.
        while let Some(id) = next {
            let fill = self.fills().get(id)?;
            // A fill without an execution id is referred to by its own id, or that of the break that it was booked from.
            let is_meant = fill.execution_id.as_deref() == Some(refers_to)
                || own_id.is_some_and(|id| fill.id == id || fill.break_id == Some(id));
            if is_meant {
                return Ok(true);
            }
            next = fill.amends;
        }
        Ok(false)
    }

    /// Returns the kind of rule behind an error; `None` if no rule refused the execution.
    fn break_reason(
        &mut self,
        error: &Error,
        execution: &Execution<'_>,
    ) -> Result<Option<BreakReason>, Error> {
        Ok(Some(match (error, execution.order_id) {
            (error, _) if error.is_not_found() => BreakReason::UnknownOrder,
            (error, _) if error.is_mismatch() => BreakReason::Mismatch,
            (error, _) if error.is_over_fill() => BreakReason::OverFill,
            (error, Some(order)) if error.is_illegal_transition() => {
                let order = Orders { conn: self.conn, role: self.role }.get(order)?;
                match order.status {
                    OrderStatus::Rejected | OrderStatus::Cancelled => BreakReason::OrderEnded,
                    // The order was FILLED when it refused the fill; a bust may have opened it since.
                    _ => BreakReason::OverFill,
                }
            }
            (error, _) if error.is_rule_violation() => BreakReason::Invalid,
            _ => return Ok(None),
        }))
    }

    fn fills(&mut self) -> Fills<'_, Engine> {
        Fills { conn: self.conn, role: self.role }
    }
}

diesel::define_sql_function! {
    /// Returns the fill that a bust or a correction refers to and the amendments of that fill, in their sequence;
    /// NULL if it refers to no fill of the order chain, or to several.
    fn blotter_amended_fills(
        of_order: SqlUuid,
        by_source: Text,
        refers_to: Text,
        at: Timestamptz,
    ) -> Nullable<Array<SqlUuid>>;
}

/// The ids under which an execution is stored: one if it is a fill, bust or correction, one if it is a break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ExecutionIds {
    pub fill_id: Uuid,
    pub break_id: Uuid,
}

impl Default for ExecutionIds {
    /// Returns new ids.
    fn default() -> Self {
        Self { fill_id: Uuid::now_v7(), break_id: Uuid::now_v7() }
    }
}

/// The numbers of an execution as a fill holds them.
struct FillTerms {
    quantity_filled: i32,
    price_at_fill: Price,
    commission: Commission,
    rebate: Commission,
}
