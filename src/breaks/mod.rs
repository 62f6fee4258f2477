//! Breaks: executions that a venue reports and that can't be applied, kept until somebody says what
//! becomes of them.

mod reconcile;

use std::collections::HashSet;

use bigdecimal::{BigDecimal, ToPrimitive};
use chrono::{DateTime, Datelike, SubsecRound, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::result::Error as DieselError;
use uuid::Uuid;

use crate::database::retry::retry;
use crate::database::role::{Engine, Role};
use crate::database::session::Tx;
use crate::error::Error;
use crate::fills::{Fill, Fills, NewBust, NewCorrection, NewFill, check_execution_id, mismatch};
use crate::orders::Orders;
use crate::schema::{break_resolutions, breaks};
use crate::types::difference::{Comparison, MICROSECONDS};
use crate::types::enums::{BreakReason, OrderStatus};
use crate::types::filter::Filter;
use crate::types::page::{Cursor, Listing, Page};
use crate::types::precision::ScaleCheck;
use crate::types::price::{Commission, Price, exceeds_max_scale};
use crate::types::text;

/// Characters that the detail of a break may have.
const MAX_DETAIL: usize = 1000;

/// Characters that a message may have that is kept as it came.
const MAX_RAW: usize = 65_536;

/// Characters that the reason of a resolution may have; the log gives it with a few words around it.
const MAX_REASON: usize = 900;

/// How the reason begins of an entry of the log about a break that was kept, as the database writes it.
#[cfg(any(feature = "audit", feature = "ingest"))]
pub(crate) const KEPT: &str = "break: ";

/// PostgreSQL knows no moment before it.
const FIRST_YEAR: i32 = -4712;

/// Attempts before giving up when another session stores the same execution, or amends the same fill,
/// first each time.
const MAX_ATTEMPTS: u32 = 5;

/// Digits before and after the point that a reported number may have.
const MAX_DIGITS: i64 = 20;

/// An execution as a venue reports it, with nothing checked: of no order perhaps, at a price that the
/// store can't keep.
///
/// With `refers_to` it is a correction of the fill that it refers to, or a bust of it; without, it is
/// a fill.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Execution<'a> {
    /// The order that is meant, if there is one.
    pub order_id: Option<Uuid>,
    /// When it occurred (FIX tag 60, TransactTime); kept to the microsecond.
    pub timestamp: DateTime<Utc>,
    /// Shares (FIX tag 32, LastQty).
    pub quantity: BigDecimal,
    /// Price per share in currency units (FIX tag 31, LastPx).
    pub price: BigDecimal,
    /// Where it was executed (FIX tag 30, LastMkt), 1 to 50 characters.
    pub venue: &'a str,
    /// Commission in currency units (FIX tag 12).
    pub commission: BigDecimal,
    /// The venue's id of it (FIX tag 17, ExecID), 1 to 64 characters.
    pub execution_id: Option<&'a str>,
    /// Of a bust or a correction: the venue's id of the fill, or of an earlier correction of it (FIX
    /// tag 19, ExecRefID); the store's own, if the venue gave it none. Its last correction is amended.
    pub refers_to: Option<&'a str>,
    /// Whether it is a bust (FIX 150=H). Quantity, price and commission of a bust are kept in a break and
    /// count for nothing else.
    pub is_bust: bool,
    /// The message as it came, up to 65536 characters.
    pub raw: Option<&'a str>,
}

/// What has become of an execution.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Outcome {
    /// It is a fill, a bust or a correction of its order from now on.
    Recorded(Fill),
    /// It is one already: of its order, or of the one that its break was booked to.
    Known(Fill),
    /// It can't be applied and is kept, from now on or already; or it was dismissed.
    Broken(Break),
}

impl Outcome {
    /// Of a fill that was to be stored under this id, and is under its own.
    fn of(id: Uuid, fill: Fill) -> Self {
        match fill.id == id {
            true => Self::Recorded(fill),
            false => Self::Known(fill),
        }
    }
}

/// An execution that could not be applied, as it was reported; or, of the reason
/// [`BreakReason::Totals`], how the venue says that an order stands. Rows are only ever added.
#[derive(HasQuery, Identifiable, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[diesel(table_name = breaks)]
#[diesel(check_for_backend(diesel::pg::Pg))]
pub struct Break {
    /// Unique break identifier.
    pub id: Uuid,
    /// Which kind of rule refused it.
    pub reason: BreakReason,
    /// What refused it, in words.
    pub detail: String,
    /// The order that was meant, if any; perhaps one that is not there.
    pub order_id: Option<Uuid>,
    /// The trader of that order, if it is there.
    pub trader_id: Option<Uuid>,
    /// Where it was executed (FIX tag 30, LastMkt).
    pub venue: String,
    /// The venue's id of it (FIX tag 17, ExecID).
    pub execution_id: Option<String>,
    /// Of a bust or a correction: the venue's id of what it amends (FIX tag 19, ExecRefID).
    pub refers_to: Option<String>,
    /// Whether it is a bust (FIX 150=H).
    pub is_bust: bool,
    /// When it occurred (FIX tag 60, TransactTime).
    pub timestamp: DateTime<Utc>,
    /// Shares, as reported; of totals, all that is filled.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::types::text::plain"))]
    pub quantity: BigDecimal,
    /// Price per share in currency units, as reported; of totals, their average.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::types::text::plain"))]
    pub price: BigDecimal,
    /// Commission in currency units, as reported.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::types::text::plain"))]
    pub commission: BigDecimal,
    /// The message as it came.
    pub raw: Option<String>,
    /// Recorded.
    pub created_at: DateTime<Utc>,
    /// Login that recorded it.
    pub acted_by: String,
    /// Database role it acted as.
    pub acted_as: String,
}

/// What has become of a break: booked as a fill, or dismissed. Rows are only ever added.
#[derive(HasQuery, Identifiable, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[diesel(table_name = break_resolutions)]
#[diesel(check_for_backend(diesel::pg::Pg))]
pub struct BreakResolution {
    /// Unique resolution identifier.
    pub id: Uuid,
    /// The break.
    pub break_id: Uuid,
    /// Booked as a fill, or else dismissed.
    pub is_booked: bool,
    /// The order that it was booked to, or that it concerned.
    pub order_id: Option<Uuid>,
    /// The trader of that order.
    pub trader_id: Option<Uuid>,
    /// The fill that was booked.
    pub fill_id: Option<Uuid>,
    /// Why, in words.
    pub reason: String,
    /// Recorded.
    pub created_at: DateTime<Utc>,
    /// Login that resolved it.
    pub acted_by: String,
    /// Database role it acted as.
    pub acted_as: String,
}

/// A break with what has become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct BreakHistory {
    /// The execution, and what refused it.
    pub reported: Break,
    /// None while it is open.
    pub resolution: Option<BreakResolution>,
}

/// A resolution to make of a break.
///
/// ```
/// use tradeblotter::NewBreakResolution;
/// # let (break_id, order_id) = (uuid::Uuid::from_u128(1), uuid::Uuid::from_u128(2));
///
/// let late_fill = NewBreakResolution::book(break_id, "confirmed by the broker");
/// let of_another_order = NewBreakResolution { order_id: Some(order_id), ..late_fill };
/// let duplicate = NewBreakResolution::dismiss(break_id, "the venue has sent it twice");
/// ```
#[derive(Insertable, Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[diesel(table_name = break_resolutions, treat_none_as_default_value = false)]
pub struct NewBreakResolution<'a> {
    /// The break.
    pub break_id: Uuid,
    /// To book it as a fill of its order, or else to dismiss it.
    pub is_booked: bool,
    /// The order to book it to, if another than was meant.
    pub order_id: Option<Uuid>,
    /// Why, in words, 1 to 900 characters.
    pub reason: &'a str,
}

impl<'a> NewBreakResolution<'a> {
    /// Books the execution to the order that was meant.
    pub fn book(break_id: Uuid, reason: &'a str) -> Self {
        Self { break_id, is_booked: true, order_id: None, reason }
    }

    /// Leaves the execution unbooked for good.
    pub fn dismiss(break_id: Uuid, reason: &'a str) -> Self {
        Self { is_booked: false, ..Self::book(break_id, reason) }
    }
}

/// Why an execution is not applied.
enum Refusal {
    /// By a rule, which makes it a break.
    Break(BreakReason, String),
    /// By something that has nothing to do with it.
    Failure(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Failure(error)
    }
}

impl From<DieselError> for Refusal {
    fn from(error: DieselError) -> Self {
        Self::Failure(error.into())
    }
}

#[derive(Insertable)]
#[diesel(table_name = breaks, treat_none_as_default_value = false)]
struct NewBreak<'a> {
    id: Uuid,
    reason: BreakReason,
    detail: &'a str,
    order_id: Option<Uuid>,
    venue: &'a str,
    execution_id: Option<&'a str>,
    refers_to: Option<&'a str>,
    is_bust: bool,
    timestamp: DateTime<Utc>,
    quantity: &'a BigDecimal,
    price: &'a BigDecimal,
    commission: &'a BigDecimal,
    raw: Option<&'a str>,
}

impl Execution<'_> {
    /// Refuses what not even a break could keep.
    pub(crate) fn check(&self) -> Result<(), Error> {
        text::check("venue", self.venue, 50)?;
        check_execution_id(self.execution_id)?;
        if self.order_id.is_some_and(|id| id.is_nil()) {
            let nil = Uuid::nil().to_string();
            return Err(Error::invalid("order id", &nil, "is the nil uuid, no order's id"));
        }
        if let Some(id) = self.refers_to {
            text::check("execution id referred to", id, text::MAX_ID)?;
        } else if self.is_bust {
            return Err(Error::invalid("bust", self.venue, "does not say what it refers to"));
        }
        if self.timestamp.year() < FIRST_YEAR {
            let at = self.timestamp.to_rfc3339();
            return Err(Error::invalid("timestamp", &at, "is before the year -4712"));
        }
        if let Some(raw) = self.raw {
            text::check("raw message", raw, MAX_RAW)?;
        }
        for (what, value) in
            [("quantity", &self.quantity), ("price", &self.price), ("commission", &self.commission)]
        {
            if !is_readable(value) {
                let why = "has more than 20 digits before or after the point";
                return Err(Error::invalid(what, &value.to_scientific_notation(), why));
            }
        }
        Ok(())
    }

    fn shares(&self) -> Result<i32, Refusal> {
        let whole = self.quantity.is_integer().then(|| self.quantity.to_i32()).flatten();
        whole.filter(|shares| *shares > 0).ok_or_else(|| {
            let quantity = self.quantity.to_plain_string();
            Refusal::Break(BreakReason::Invalid, format!("{quantity} is not a number of shares"))
        })
    }

    fn price(&self) -> Result<Price, Refusal> {
        money(&self.price)
    }

    fn commission(&self) -> Result<Commission, Refusal> {
        money(&self.commission)
    }
}

/// Whether a number has no more digits than a break can keep.
fn is_readable(value: &BigDecimal) -> bool {
    // What ends in more zeros than that is not to be counted out.
    if value.fractional_digit_count() < -MAX_DIGITS {
        return false;
    }
    let value = value.normalized();
    let scale = value.fractional_digit_count();
    let digits = i64::try_from(value.digits()).unwrap_or(i64::MAX);
    scale <= MAX_DIGITS && digits.saturating_sub(scale) <= MAX_DIGITS
}

fn money<T: TryFrom<BigDecimal, Error = Error>>(value: &BigDecimal) -> Result<T, Refusal> {
    let reason =
        if exceeds_max_scale(value) { BreakReason::Precision } else { BreakReason::Invalid };
    T::try_from(value.clone()).map_err(|why| Refusal::Break(reason, why.to_string()))
}

/// The repository of breaks, from [`Tx::breaks`].
pub struct Breaks<'c, R> {
    pub(crate) conn: &'c mut PgConnection,
    pub(crate) role: R,
}

impl<R: Role> Tx<'_, R> {
    /// The breaks.
    pub fn breaks(&mut self) -> Breaks<'_, R> {
        Breaks { role: self.role(), conn: self.connection() }
    }
}

impl Breaks<'_, Engine> {
    /// Records an execution as [`Fills::record`], [`Fills::bust`] or [`Fills::correct`] do; and if a
    /// rule of the store refuses it, keeps it as a break, with what refused it. So a feed loses nothing
    /// and stops at nothing.
    ///
    /// An execution with an execution id may be handed in any number of times, whatever became of it: a
    /// break that was dismissed stays one, though it could be applied by now, and one that was booked is
    /// the fill that it was booked as. One without is a fill, or a break, each time.
    ///
    /// # Errors
    ///
    /// - [`Error::is_invalid_input`] for what not even a break can keep: a venue that is blank or longer
    ///   than 50 characters, an id that is blank or longer than 64, the nil uuid for an order, a bust
    ///   that refers to nothing, a time before the year -4712, a blank raw message or one with a NUL, a raw message of more than 65536 characters, a number of more than 20 digits before or after
    ///   the point.
    /// - Those of the connection, and [`Error::is_conflict`]: nothing is known of the execution then.
    ///
    /// ```
    /// # #[cfg(feature = "embedded")] fn main() -> Result<(), tradeblotter::Error> {
    /// # use tradeblotter::{Blotter, embedded, migrations, role};
    /// use tradeblotter::{BreakReason, Execution, NewBreakResolution, NewOrder, Outcome, Side};
    ///
    /// # let server = embedded::Server::start()?;
    /// # migrations::run(&mut server.connect()?)?;
    /// # let engine = Blotter::connect(&server.login::<role::Engine>()?)?.engine();
    /// # let ada = engine.transaction(|tx| tx.traders().register("Ada"))?;
    /// let new = NewOrder::market(ada.id, Side::Buy, "AAPL", 100);
    /// let order = engine.transaction(|tx| tx.orders().submit(&new))?;
    /// engine.transaction(|tx| tx.execution_logs().cancel(order.id, None))?;
    ///
    /// // The venue filled it before it heard of that.
    /// let late = Execution {
    ///     order_id: Some(order.id),
    ///     timestamp: chrono::Utc::now(),
    ///     quantity: 100.into(),
    ///     price: 229.into(),
    ///     venue: "NASDAQ",
    ///     commission: 0.into(),
    ///     execution_id: Some("E-4711"),
    ///     refers_to: None,
    ///     is_bust: false,
    ///     raw: None,
    /// };
    /// let outcome = engine.transaction(|tx| tx.breaks().record_or_break(&late))?;
    /// let Outcome::Broken(broken) = outcome else { panic!("{outcome:?}") };
    /// assert_eq!(broken.reason, BreakReason::OrderEnded);
    ///
    /// // It did happen, so it is booked. The order stays cancelled, and filled.
    /// let book = NewBreakResolution::book(broken.id, "confirmed by the venue");
    /// engine.transaction(|tx| tx.breaks().resolve(&book))?;
    /// let order = engine.transaction(|tx| tx.orders().get(order.id))?;
    /// assert_eq!((order.status.label(), order.filled_quantity), ("CANCELLED", 100));
    /// # Ok(()) }
    /// # #[cfg(not(feature = "embedded"))] fn main() {}
    /// ```
    pub fn record_or_break(&mut self, execution: &Execution<'_>) -> Result<Outcome, Error> {
        execution.check()?;
        if execution.execution_id.is_some()
            && let Some(BreakHistory { reported, resolution: Some(resolution) }) =
                self.kept(execution)?
        {
            // What was said about it holds, though it could be applied by now.
            return match resolution.fill_id {
                Some(fill) => self.fills().get(fill).map(Outcome::Known),
                None => Ok(Outcome::Broken(reported)),
            };
        }
        let id = Uuid::now_v7();
        // A duplicate here is a lost race: the next attempt finds the fill that another session has
        // stored, or amends the amendment that it has made.
        let lost_race = |refusal: &Refusal| match refusal {
            Refusal::Failure(error) => error.is_duplicate() || error.is_lost_race(),
            Refusal::Break(..) => false,
        };
        let applied = retry(MAX_ATTEMPTS, lost_race, |_| self.try_apply(id, execution));
        match applied {
            Ok(fill) => Ok(Outcome::of(id, fill)),
            Err(Refusal::Break(reason, detail)) => {
                self.keep(execution, reason, &detail).map(Outcome::Broken)
            }
            Err(Refusal::Failure(error)) if error.is_duplicate() => Err(Error::lost_race(
                "execution",
                execution.execution_id.unwrap_or("without an id"),
            )),
            Err(Refusal::Failure(error)) => {
                let reason = self.reason(&error, execution)?;
                let Some(reason) = reason else { return Err(error) };
                self.keep(execution, reason, &error.to_string()).map(Outcome::Broken)
            }
        }
    }

    /// Records executions, or keeps them as breaks, as [`Breaks::record_or_break`] does with each, in the
    /// round trips of a few; gives what has become of each, in the same order. What a rule refuses keeps
    /// none of the others from being recorded. The executions of an order are taken in the order in which
    /// they stand here, but that fills are booked by time as in [`Fills::record_batch`].
    ///
    /// # Errors
    ///
    /// Those of [`Breaks::record_or_break`]; nothing of the batch is stored then if the caller passes
    /// them on.
    pub fn record_batch_or_break(
        &mut self,
        executions: &[Execution<'_>],
    ) -> Result<Vec<Outcome>, Error> {
        executions.iter().try_for_each(Execution::check)?;
        let resolved = self.resolved(executions)?;
        let mut outcomes: Vec<Option<Outcome>> = executions.iter().map(|_| None).collect();
        let (mut places, mut rows) = (Vec::new(), Vec::new());
        // Whose executions from here on are taken one by one, so that each finds those before it.
        let mut apart = HashSet::new();
        for (place, execution) in executions.iter().enumerate() {
            let Some(order_id) = execution.order_id else { continue };
            let is_fill = execution.refers_to.is_none() && !resolved.contains(&order_id);
            let new = match is_fill && !apart.contains(&order_id) {
                true => self.fill(order_id, execution),
                false => Err(Refusal::Break(BreakReason::Invalid, String::new())),
            };
            match new {
                Ok(new) => {
                    places.push(place);
                    rows.push((Uuid::now_v7(), new));
                }
                Err(Refusal::Failure(error)) => return Err(error),
                Err(Refusal::Break(..)) => {
                    apart.insert(order_id);
                }
            }
        }
        let recorded = self.fills().record_each(&rows)?;
        for ((place, (id, _)), fill) in places.into_iter().zip(&rows).zip(recorded) {
            outcomes[place] = fill.ok().map(|fill| Outcome::of(*id, fill));
        }
        let each = executions.iter().zip(outcomes);
        each.map(|(execution, outcome)| match outcome {
            Some(outcome) => Ok(outcome),
            None => self.record_or_break(execution),
        })
        .collect()
    }

    /// Those of the orders of these executions that have a break which is resolved.
    fn resolved(&mut self, executions: &[Execution<'_>]) -> Result<HashSet<Uuid>, Error> {
        let orders: Vec<Uuid> = executions.iter().filter_map(|each| each.order_id).collect();
        let resolved: Vec<Option<Uuid>> = breaks::table
            .inner_join(break_resolutions::table)
            .filter(breaks::order_id.eq_any(orders))
            .select(breaks::order_id)
            .load(self.conn)?;
        Ok(resolved.into_iter().flatten().collect())
    }

    /// Says what becomes of a break: it is booked as a fill, with RECOVERED in the log and the order's
    /// status left as it is if the order has ended; or it is dismissed. Either way the log of its order
    /// says so, and that of the order which was meant if it is another one.
    ///
    /// # Errors
    ///
    /// - [`Error::is_not_found`]: no such break.
    /// - [`Error::is_invalid_input`]: a reason that is blank or longer than 900 characters.
    /// - [`Error::is_over_fill`]: booked, it would take the order beyond its quantity.
    /// - [`Error::is_rule_violation`]: it is resolved already (`uq_break_resolutions_break_id`); it is
    ///   to be booked to an order that is not there or of another trader than was meant, or dismissed
    ///   with an order (`break_resolutions_order`); it does not fit the columns of a fill
    ///   (`break_resolutions_exact`); it amends a fill that the order does not have
    ///   (`fk_fills_amends`); another execution has its id (`uq_fills_execution_id`).
    pub fn resolve(&mut self, new: &NewBreakResolution<'_>) -> Result<BreakResolution, Error> {
        text::check("reason", new.reason, MAX_REASON)?;
        diesel::insert_into(break_resolutions::table)
            .values((break_resolutions::id.eq(Uuid::now_v7()), new))
            .returning(BreakResolution::as_returning())
            .get_result(self.conn)
            .map_err(|error| {
                Error::from(error)
                    .not_found_if("fk_break_resolutions_break_id", "break", new.break_id)
                    .with_row("break", new.break_id)
            })
    }

    /// In a savepoint: what is refused must not take the rest of the transaction along.
    fn try_apply(&mut self, id: Uuid, execution: &Execution<'_>) -> Result<Fill, Refusal> {
        let role = self.role;
        self.conn.transaction(|conn| Breaks { conn, role }.apply(id, execution))
    }

    /// Takes the numbers of an execution if the columns keep them.
    fn numbers(&mut self, execution: &Execution<'_>) -> Result<(i32, Price, Commission), Refusal> {
        let (shares, price) = (execution.shares()?, execution.price()?);
        let commission = execution.commission()?;
        let scales = ScaleCheck::of(|scales| {
            scales.price("price", Some(price));
            scales.commission(commission);
        });
        match scales.check(self.conn) {
            Err(why) if why.is_invalid_input() => {
                Err(Refusal::Break(BreakReason::Precision, why.to_string()))
            }
            checked => Ok(checked.map(|()| (shares, price, commission))?),
        }
    }

    /// Applies an execution under this id, if it is not stored under another one already.
    fn apply(&mut self, id: Uuid, execution: &Execution<'_>) -> Result<Fill, Refusal> {
        let Some(order_id) = execution.order_id else {
            let detail = "the execution names no order that is known".to_owned();
            return Err(Refusal::Break(BreakReason::UnknownOrder, detail));
        };
        let Execution { timestamp, execution_id, .. } = *execution;
        let Some(refers_to) = execution.refers_to else {
            let new = self.fill(order_id, execution)?;
            return Ok(self.fills().record_as(id, &new)?);
        };
        let amends = self.amended(order_id, execution, refers_to)?;
        if execution.is_bust {
            return Ok(self.fills().bust_as(id, &NewBust { amends, timestamp, execution_id })?);
        }
        let (quantity_filled, price_at_fill, commission) = self.numbers(execution)?;
        let new = NewCorrection {
            amends,
            timestamp,
            quantity_filled,
            price_at_fill,
            commission,
            execution_id,
        };
        Ok(self.fills().correct_as(id, &new)?)
    }

    /// The fill that an execution of this order is, if the columns keep its numbers.
    fn fill<'a>(
        &mut self,
        order_id: Uuid,
        execution: &Execution<'a>,
    ) -> Result<NewFill<'a>, Refusal> {
        let (quantity_filled, price_at_fill, commission) = self.numbers(execution)?;
        let Execution { timestamp, venue, execution_id, .. } = *execution;
        Ok(NewFill {
            order_id,
            timestamp,
            quantity_filled,
            price_at_fill,
            venue,
            commission,
            execution_id,
        })
    }

    /// The fill that a bust or a correction amends: of the one it refers to and what amends that, the
    /// last; or the one that it has amended already.
    fn amended(
        &mut self,
        order_id: Uuid,
        execution: &Execution<'_>,
        refers_to: &str,
    ) -> Result<Uuid, Refusal> {
        Orders { conn: self.conn, role: self.role }.get(order_id)?;
        let fills = self.fills().of_order(order_id)?;
        let called = |id: &str| {
            let is_called = |fill: &&Fill| fill.execution_id.as_deref() == Some(id);
            fills.iter().filter(is_called).find(|fill| fill.venue == execution.venue)
        };
        let known = execution.execution_id.and_then(called);
        // One that the venue gave no id is known by the store's own.
        let unnamed = |fill: &&Fill| {
            fill.execution_id.is_none() && fill.id.to_string().eq_ignore_ascii_case(refers_to)
        };
        let mut last = called(refers_to).or_else(|| fills.iter().find(unnamed));
        // Each amends one that was there before it, so this comes to an end.
        while let Some(next) = fills.iter().find(|fill| {
            fill.amends.is_some()
                && fill.amends == last.map(|last| last.id)
                && known.is_none_or(|known| known.id != fill.id)
        }) {
            last = Some(next);
        }
        if let Some(known) = known
            && (known.amends.is_none() || known.amends != last.map(|last| last.id))
        {
            let amended = fills.iter().find(|fill| Some(fill.id) == known.amends);
            let amended = amended.and_then(|fill| fill.execution_id.as_deref());
            let mut comparison = Comparison::default();
            comparison.optional("fill amended", amended, Some(refers_to));
            let id = execution.execution_id.unwrap_or_default();
            return Err(mismatch(known, id, comparison.differences()).into());
        }
        last.map(|last| last.id).ok_or_else(|| {
            let detail = format!("order {order_id} has no fill {refers_to} of {}", execution.venue);
            Refusal::Break(BreakReason::UnknownFill, detail)
        })
    }

    /// Which kind of rule has refused an execution; none if it was no rule.
    fn reason(
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
                    // It was FILLED: of the others that refuse a fill, none is opened again.
                    _ => BreakReason::OverFill,
                }
            }
            (error, _) if error.is_rule_violation() => BreakReason::Invalid,
            _ => return Ok(None),
        }))
    }

    /// Keeps an execution as a break, for this reason.
    pub(crate) fn keep(
        &mut self,
        execution: &Execution<'_>,
        reason: BreakReason,
        detail: &str,
    ) -> Result<Break, Error> {
        let stored = self.store(execution, reason, detail)?;
        if let Some(kept) = stored {
            return Ok(kept);
        }
        let kept = self.kept(execution)?;
        kept.map(|kept| kept.reported).ok_or_else(|| {
            Error::lost_race(
                "break of execution",
                execution.execution_id.unwrap_or("without an id"),
            )
        })
    }

    /// The break that is kept of an execution; none if it is kept already.
    pub(crate) fn store(
        &mut self,
        execution: &Execution<'_>,
        reason: BreakReason,
        detail: &str,
    ) -> Result<Option<Break>, Error> {
        let detail: String = detail.chars().take(MAX_DETAIL).collect();
        // Without the zeros at the end, of which the column takes not so many.
        let quantity = execution.quantity.normalized();
        let price = execution.price.normalized();
        let commission = execution.commission.normalized();
        let new = NewBreak {
            id: Uuid::now_v7(),
            reason,
            detail: &detail,
            order_id: execution.order_id,
            venue: execution.venue,
            execution_id: execution.execution_id,
            refers_to: execution.refers_to,
            is_bust: execution.is_bust,
            timestamp: execution.timestamp,
            quantity: &quantity,
            price: &price,
            commission: &commission,
            raw: execution.raw,
        };
        Ok(diesel::insert_into(breaks::table)
            .values(&new)
            .on_conflict_do_nothing()
            .returning(Break::as_returning())
            .get_result(self.conn)
            .optional()?)
    }

    /// The break that an execution is kept as already.
    fn kept(&mut self, execution: &Execution<'_>) -> Result<Option<BreakHistory>, Error> {
        let kept = breaks::table
            .left_join(break_resolutions::table)
            .filter(breaks::reason.ne(BreakReason::Totals))
            .filter(breaks::venue.eq(execution.venue))
            .filter(breaks::execution_id.is_not_distinct_from(execution.execution_id))
            .filter(breaks::order_id.is_not_distinct_from(execution.order_id))
            .filter(breaks::refers_to.is_not_distinct_from(execution.refers_to))
            .filter(breaks::is_bust.eq(execution.is_bust))
            .filter(breaks::timestamp.eq(execution.timestamp.trunc_subsecs(MICROSECONDS)))
            .filter(breaks::quantity.eq(&execution.quantity))
            .filter(breaks::price.eq(&execution.price))
            .filter(breaks::commission.eq(&execution.commission))
            .select((Break::as_select(), Option::<BreakResolution>::as_select()))
            .first(self.conn)
            .optional()?;
        Ok(kept.map(|(reported, resolution)| BreakHistory { reported, resolution }))
    }

    fn fills(&mut self) -> Fills<'_, Engine> {
        Fills { conn: self.conn, role: self.role }
    }
}

impl<R: Role> Breaks<'_, R> {
    /// The break with this id, and what has become of it.
    ///
    /// # Errors
    ///
    /// [`Error::is_not_found`], also when it is of another trader's order.
    pub fn get(&mut self, id: Uuid) -> Result<BreakHistory, Error> {
        breaks::table
            .left_join(break_resolutions::table)
            .filter(breaks::id.eq(id))
            .select((Break::as_select(), Option::<BreakResolution>::as_select()))
            .first(self.conn)
            .optional()?
            .map(|(reported, resolution)| BreakHistory { reported, resolution })
            .ok_or_else(|| Error::not_found("break", id))
    }

    /// The breaks that match and that nobody has resolved, newest first. Symbol and statuses are those
    /// of the order that was meant. A trader sees those of its own orders; a break of an order that is
    /// not there is seen by the engine and by compliance.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_input`] for a page of 0 or of more than [`Page::MAX`] rows.
    pub fn open(
        &mut self,
        filter: &Filter<'_>,
        page: Page,
    ) -> Result<Listing<BreakHistory>, Error> {
        self.list(filter, page, true)
    }

    /// The breaks that match, resolved or not, newest first.
    ///
    /// # Errors
    ///
    /// As [`Breaks::open`].
    pub fn recent(
        &mut self,
        filter: &Filter<'_>,
        page: Page,
    ) -> Result<Listing<BreakHistory>, Error> {
        self.list(filter, page, false)
    }

    fn list(
        &mut self,
        filter: &Filter<'_>,
        page: Page,
        only_open: bool,
    ) -> Result<Listing<BreakHistory>, Error> {
        let mut query = breaks::table.left_join(break_resolutions::table).into_boxed::<Pg>();
        if only_open {
            query = query.filter(break_resolutions::id.is_null());
        }
        if let Some(trader_id) = filter.trader_condition(self.role.trader()) {
            query = query.filter(breaks::trader_id.eq(trader_id));
        }
        if let Some(order_id) = filter.order_id {
            query = query.filter(breaks::order_id.eq(order_id));
        }
        if let Some(orders) = filter.orders() {
            query = query.filter(breaks::order_id.eq_any(orders.nullable()));
        }
        if let Some(from) = filter.from {
            query = query.filter(breaks::created_at.ge(from));
        }
        if let Some(until) = filter.until {
            query = query.filter(breaks::created_at.lt(until));
        }
        if let Some(Cursor { at, id }) = page.cursor() {
            query = query
                .filter(breaks::created_at.le(at))
                .filter(breaks::created_at.lt(at).or(breaks::id.lt(id)));
        }
        let rows: Vec<(Break, Option<BreakResolution>)> = query
            .order((breaks::created_at.desc(), breaks::id.desc()))
            .limit(page.sql_limit()?)
            .select((Break::as_select(), Option::<BreakResolution>::as_select()))
            .load(self.conn)?;
        let rows = rows.into_iter();
        let rows = rows.map(|(reported, resolution)| BreakHistory { reported, resolution });
        Ok(page.listing(rows.collect(), |row: &BreakHistory| Cursor {
            at: row.reported.created_at,
            id: row.reported.id,
        }))
    }
}
