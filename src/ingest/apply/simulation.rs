//! Plans the reports of any bytes without a database, and checks what holds for every plan: for the fuzz target `plan`.
//!
//! A small model stands in for the database. It keeps what the plans say, refuses what the database would refuse,
//! and tries breaks again as a [`Writer`](super::Writer) does. What the model leaves out (locks, totals, amendments
//! of fills, concurrent sessions) is tested against a database.

use std::collections::{HashMap, HashSet};

use bigdecimal::BigDecimal;
use uuid::Uuid;

use super::content::Contents;
use super::executions::{Classification, KnownExecutions};
use super::kept::{self, Kept};
use super::known_orders::KnownOrders;
use super::options::Options;
use super::plan::{KnownBreak, Plan, Planner, Waiting};
use super::retry::{Retried, event_of};
use super::step::{PlannedStep, Report, Step, execution, execution_as_far_as_known};
use super::tally::{Fate, Outcome};
use super::terms::{Terms, whole_shares};
use super::totals::{LatestTotals, VenueTotals};
use crate::breaks::{Break, BreakHistory, BreakResolution, Execution};
use crate::execution_logs::{EntryRow, NewExecutionLog};
use crate::fills::Fill;
use crate::ingest::event::Event;
use crate::ingest::formats::{AnyFormat, FormatName, ReadOptions, Reader};
use crate::types::enums::{Action, BreakReason, OrderStatus};
use crate::types::price::{Commission, Price};
use crate::types::text;
use crate::types::years;

/// Times that the open breaks are tried again.
const MAX_PASSES: u32 = 10;

/// Characters of the longest text that a step or a break may have besides its message.
const MAX_TEXT: usize = 1000;

/// Reads an input and plans its reports. The first byte chooses the format and the options; the rest is the input.
///
/// # Panics
///
/// If a plan loses a report, has no end, or breaks another promise.
pub fn plan_any_bytes(data: &[u8]) {
    let Some((first, input)) = data.split_first() else { return };
    let has = |bit: u32| first >> bit & 1 == 1;
    let format = match first & 3 {
        0 => FormatName::Fix,
        1 => FormatName::Ndjson,
        2 => FormatName::Csv,
        _ => FormatName::Alpaca,
    };
    let options = Options {
        trader: has(3).then(|| Uuid::from_u128(1)),
        daily_ids: has(2).then_some(chrono_tz::UTC),
        reading: ReadOptions {
            trader_from: vec![1.into()],
            encoding: None,
            trust_unverified: true,
        },
        format,
        ..Options::default()
    };
    let batch_size = [1, 2, 5, 1000][usize::from(first >> 4 & 3)];
    let mut store = Store::default();
    // An input that is read again finds what it has written.
    for _ in 0..=u8::from(has(6)) {
        let mut contents = Contents::default();
        let mut reader = Reader::new(input, AnyFormat::new(format, &options.reading));
        while let Ok(Some(batch)) = reader.batch(batch_size) {
            store.apply(&batch.events, &mut contents, &options);
            // The chain of the first order is locked from then on.
            if has(7) && store.locked.is_empty() {
                store.locked.extend(store.first_order);
            }
        }
        store.locked.clear();
        store.retry_breaks(&options);
        store.check_totals();
    }
}

/// The model of the store.
#[derive(Clone, Default)]
struct Store {
    orders: KnownOrders,
    first_order: Option<Uuid>,
    /// The report ids in the log.
    reports: HashSet<Uuid>,
    fills: Vec<Fill>,
    breaks: Vec<BreakHistory>,
    /// The breaks that an export has named.
    known_breaks: HashMap<Uuid, KnownBreak>,
    locked: HashSet<Uuid>,
    totals: LatestTotals,
}

/// What became of a step.
enum Written {
    Stored,
    /// It repeats a report that is a break now: it is to be compared with that break.
    ToCompare,
}

/// What a round comes to.
struct Round<'r> {
    refused: HashMap<usize, String>,
    deferred: Vec<&'r Report<'r>>,
}

impl Store {
    fn apply(&mut self, events: &[Event<'_>], contents: &mut Contents, options: &Options) {
        let traders: Vec<_> = events.iter().map(|event| trader_of(event, options)).collect();
        let sources: Vec<_> = events.iter().map(|event| options.source_of(event)).collect();
        let reports: Vec<Report<'_>> = events
            .iter()
            .enumerate()
            .map(|(place, event)| {
                let trader = &traders[place];
                let content_id = contents.id_of(event, trader.as_ref().ok().copied(), options);
                Report { content_id, ..Report::new(place, event, trader, &sources[place]) }
            })
            .collect();
        self.apply_reports(&reports, options);
    }

    /// Applies reports in rounds, as a writer does, and checks that none is lost.
    fn apply_reports(&mut self, reports: &[Report<'_>], options: &Options) -> Outcome {
        let mut outcome = Outcome::new(reports.len());
        let mut refused: HashMap<usize, String> = HashMap::new();
        let mut remaining: Vec<&Report<'_>> = reports.iter().collect();
        while !remaining.is_empty() {
            let (mut store, mut so_far) = (self.clone(), outcome.clone());
            let round = store.apply_round(&remaining, &refused, &mut so_far, options);
            if round.refused.is_empty() {
                assert!(round.deferred.len() < remaining.len(), "a round without an end");
                (*self, outcome, remaining) = (store, so_far, round.deferred);
            } else {
                for (place, why) in round.refused {
                    let before = refused.insert(place, why);
                    assert!(before.is_none(), "planned again: {:?}", reports[place].event);
                }
            }
        }
        for Report { place, event, .. } in reports {
            let fate = outcome.fate(*place);
            assert!(fate.is_some(), "lost: {event:?}");
            let is_lost = event.kind.is_execution() && fate == Some(Fate::WithoutEffect);
            assert!(!is_lost, "an execution without effect: {event:?}");
        }
        outcome
    }

    fn apply_round<'r>(
        &mut self,
        reports: &[&'r Report<'r>],
        refused: &HashMap<usize, String>,
        outcome: &mut Outcome,
        options: &'r Options,
    ) -> Round<'r> {
        let mut planner = Planner {
            orders: &mut self.orders,
            known_reports: &mut self.reports,
            known_breaks: &mut self.known_breaks,
            waiting: &Waiting::default(),
            refused,
            locked: &self.locked,
            options,
        };
        let plan = Plan::new(reports.iter().copied(), &mut planner, outcome);
        self.check_plan(&plan, reports, outcome);
        let mut known = KnownExecutions::none(options);
        self.fills.iter().for_each(|fill| known.add_fill(fill));
        self.breaks.iter().for_each(|history| known.add_break(history, &self.orders));
        for planned in &plan.unlogged_breaks {
            let _ = self.write(planned, &mut known, outcome, options);
        }
        let (mut refused, mut refused_chains) = (HashMap::new(), HashSet::new());
        let mut deferred = plan.deferred;
        for planned in &plan.steps {
            // What follows an order that is refused was planned for it.
            if refused_chains.contains(&planned.root) {
                continue;
            }
            match self.write(planned, &mut known, outcome, options) {
                Ok(Written::Stored) => {}
                Ok(Written::ToCompare) => deferred.push(planned.report),
                Err(why) => {
                    refused.insert(planned.report.place, why);
                    refused_chains.insert(planned.root);
                }
            }
        }
        for (report, first) in &plan.repeated {
            match outcome.fate(*first) {
                Some(Fate::Broken) => deferred.push(report),
                _ => outcome.set(report.place, Fate::Known),
            }
        }
        deferred.sort_by_key(|report| report.place);
        let is_kept = |place| outcome.fate(place) == Some(Fate::Broken);
        for (report, of) in plan.totals.iter().filter(|(report, _)| !is_kept(report.place)) {
            if let Some(totals) = VenueTotals::of_report(report, *of, options) {
                self.totals.add(totals);
            }
        }
        Round { refused, deferred }
    }

    /// Writes a step. The error is why its order is refused.
    fn write(
        &mut self,
        planned: &PlannedStep<'_>,
        known: &mut KnownExecutions<'_>,
        outcome: &mut Outcome,
        options: &Options,
    ) -> Result<Written, String> {
        let report = planned.report;
        let written = match known.classify(planned) {
            Classification::Repeated(first) if outcome.fate(first) == Some(Fate::Broken) => {
                return Ok(Written::ToCompare);
            }
            Classification::Known | Classification::Repeated(_) => Ok(Fate::Known),
            Classification::Broken(_) => Ok(Fate::Broken),
            Classification::Mismatch(why) => Err((BreakReason::Mismatch, why)),
            Classification::New => match &planned.step {
                Step::Break(reason, why) => Err((*reason, why.clone())),
                Step::Submit(terms) => {
                    self.submit(planned, terms)?;
                    Ok(Fate::Applied)
                }
                Step::Log(entry) => {
                    self.log(entry).map_err(|why| (BreakReason::UnappliedAction, why))
                }
                Step::LogVenueId(entry) => {
                    drop(self.log(entry));
                    return Ok(Written::Stored);
                }
                Step::Fill(..) => execution(report, planned.order_id, options)
                    .map_err(|why| (BreakReason::Invalid, why))
                    .and_then(|execution| self.execute(planned, &execution, outcome)),
                Step::Execution(execution) => self.execute(planned, execution, outcome),
                Step::Crossing { execution, last, .. } => {
                    let execution = Execution { order_id: Some(*last), ..execution.clone() };
                    self.execute(planned, &execution, outcome)
                }
                Step::ImportBreak { id, reason } => {
                    let execution = execution_as_far_as_known(report, planned.order_id, options);
                    // One with a NUL is refused.
                    let why = kept::readable(report.event.reason.as_deref().unwrap_or_default());
                    let checked = execution
                        .check()
                        .map_err(|error| (BreakReason::UnappliedAction, error.to_string()));
                    checked.map(|()| {
                        self.add_break(*id, *reason, &why, &execution);
                        Fate::Applied
                    })
                }
                Step::Resolve { break_id, .. } => {
                    self.resolve(*break_id);
                    Ok(Fate::Applied)
                }
            },
        };
        match written {
            Ok(fate) => outcome.set(report.place, fate),
            Err((reason, why)) => self.keep(planned, reason, &why, outcome, options),
        }
        Ok(Written::Stored)
    }

    /// Checks that a plan has each report, once, and that the queue of each order chain can be written by itself.
    fn check_plan(&self, plan: &Plan<'_>, reports: &[&Report<'_>], outcome: &Outcome) {
        let steps = plan.steps.iter().chain(&plan.unlogged_breaks);
        let mut planned: HashSet<usize> = steps.map(|planned| planned.report.place).collect();
        planned.extend(plan.repeated.iter().map(|(report, _)| report.place));
        let deferred: Vec<usize> = plan.deferred.iter().map(|report| report.place).collect();
        assert!(deferred.is_sorted(), "deferred in another sequence: {deferred:?}");
        for Report { place, event, .. } in reports {
            let is_planned = planned.contains(place) || outcome.fate(*place).is_some();
            assert_ne!(is_planned, deferred.contains(place), "{event:?}");
        }
        assert!(plan.steps.iter().map(|planned| planned.report.place).is_sorted());
        let mut submitted = HashSet::new();
        for PlannedStep { root, order_id, step, report } in &plan.steps {
            assert!(!self.locked.contains(root), "locked: {report:?}");
            let Some(order) = order_id.map(|id| self.orders.get(id)) else {
                assert!(matches!(step, Step::Break(..) | Step::Resolve { .. }), "{step:?}");
                continue;
            };
            assert!(order.is_some_and(|order| order.root == *root), "{report:?}: {step:?}");
            let Some(order) = order else { continue };
            match step {
                Step::Submit(_) => {
                    assert!(order.is_new && submitted.insert(order.id), "{report:?}");
                }
                _ => assert!(!order.is_new || submitted.contains(&order.id), "{report:?}"),
            }
        }
    }

    fn submit(&mut self, planned: &PlannedStep<'_>, terms: &Terms) -> Result<(), String> {
        let Some(id) = planned.order_id else { return Err("no order".to_owned()) };
        let new = terms.to_new_order(terms.replaces);
        new.check().map_err(|error| error.to_string())?;
        if new.quantity <= 0 {
            return Err("quantity".to_owned());
        }
        let stored = || self.orders.all().filter(|order| !order.is_new);
        if let Some(replaced) = new.replaces {
            let order = stored().find(|order| order.id == replaced);
            if order.is_none_or(|order| order.terms.trader_id != new.trader_id) {
                return Err(format!("there is no order {replaced} to replace"));
            }
            if stored().any(|order| order.terms.replaces == Some(replaced)) {
                return Err(format!("order {replaced} is replaced already"));
            }
        }
        let key = |terms: &Terms| {
            let id = terms.client_order_id.clone();
            id.map(|id| (terms.trader_id, id, terms.trading_day))
        };
        let own = key(terms);
        if own.is_some() && stored().any(|order| key(&order.terms) == own) {
            return Err("the client order id is used already".to_owned());
        }
        for text in [Some(new.symbol), new.client_order_id, new.account, new.currency] {
            assert!(text.is_none_or(is_storable), "{terms:?}");
        }
        for time in [new.expires_at, new.received_at].into_iter().flatten() {
            assert!(years::has_time(time), "{terms:?}");
        }
        self.first_order.get_or_insert(id);
        self.orders.change(id, |order| order.is_new = false);
        Ok(())
    }

    /// Logs an action; returns what became of its report, or why it is refused.
    fn log(&mut self, entry: &NewExecutionLog<'_>) -> Result<Fate, String> {
        let row: EntryRow<'_> = entry.row();
        if let Err(error) = row.check() {
            if let Some(id) = row.report_id {
                self.reports.remove(&id);
            }
            return Err(error.to_string());
        }
        for text in [row.reason, row.error_code, row.venue_order_id] {
            assert!(text.is_none_or(|text| !text.contains('\0')), "{entry:?}");
        }
        assert!(row.reported_at.is_none_or(years::has_time), "{entry:?}");
        let is_open = self.orders.get(entry.order_id).is_some_and(|order| order.is_open);
        let ends = matches!(row.action, Action::Cancelled | Action::Rejected)
            || matches!(row.status, Some(OrderStatus::Cancelled | OrderStatus::Rejected));
        match (is_open, ends) {
            (true, true) => self.orders.change(entry.order_id, |order| {
                order.is_open = false;
                order.last_event_at = order.last_event_at.max(row.reported_at);
            }),
            (false, true) => return Ok(Fate::Known),
            (false, false) => return Ok(Fate::WithoutEffect),
            (true, false) => {}
        }
        Ok(Fate::Applied)
    }

    /// Records an execution, and resolves the break that it was kept as.
    fn execute(
        &mut self,
        planned: &PlannedStep<'_>,
        execution: &Execution<'_>,
        outcome: &mut Outcome,
    ) -> Result<Fate, (BreakReason, String)> {
        self.record(planned, execution)?;
        if let Some(kept) = planned.report.retried {
            self.resolve(kept.id);
            outcome.healed.push(kept.id);
        }
        Ok(Fate::Applied)
    }

    fn record(
        &mut self,
        planned: &PlannedStep<'_>,
        execution: &Execution<'_>,
    ) -> Result<(), (BreakReason, String)> {
        let invalid = |why: String| (BreakReason::Invalid, why);
        execution.check().map_err(|error| invalid(error.to_string()))?;
        let unknown = || (BreakReason::UnknownOrder, "no order".to_owned());
        let order = execution.order_id.and_then(|id| self.orders.get(id)).ok_or_else(unknown)?;
        let shares = whole_shares(&execution.quantity).filter(|shares| *shares > 0);
        let money = |value: &BigDecimal| Commission::try_from(value.clone());
        let id = planned.report.event.id.or(planned.report.content_id);
        let mut fill = Fill {
            id: id.unwrap_or_else(Uuid::now_v7),
            order_id: order.id,
            trader_id: order.terms.trader_id,
            timestamp: execution.timestamp,
            quantity_filled: 0,
            price_at_fill: Price::try_from(BigDecimal::from(1))
                .map_err(|it| invalid(it.to_string()))?,
            venue: execution.venue.to_owned(),
            commission: Commission::default(),
            created_at: execution.timestamp,
            execution_id: execution.execution_id.map(str::to_owned),
            amends: None,
            is_bust: execution.kind.is_bust(),
            break_id: None,
            root_id: order.root,
            source: execution.source().to_owned(),
            rebate: Commission::default(),
        };
        let texts = [Some(execution.venue), execution.source, execution.execution_id];
        assert!(texts.into_iter().flatten().all(is_storable), "{execution:?}");
        assert!(years::has_time(execution.timestamp), "{execution:?}");
        if !fill.is_bust {
            fill.quantity_filled = shares.ok_or_else(|| invalid("quantity".to_owned()))?;
            fill.price_at_fill =
                Price::try_from(execution.price.clone()).map_err(|it| invalid(it.to_string()))?;
            fill.commission = money(&execution.commission).map_err(|it| invalid(it.to_string()))?;
            fill.rebate = money(&execution.rebate).map_err(|it| invalid(it.to_string()))?;
        }
        if let Some(amended) = execution.kind.refers_to() {
            let is_amended = |it: &&Fill| {
                it.root_id == order.root && it.execution_id.as_deref() == Some(amended)
            };
            let amended = self.fills.iter().find(is_amended);
            fill.amends = amended.map(|amended| amended.id);
            if fill.amends.is_none() {
                return Err((BreakReason::UnknownFill, "no fill".to_owned()));
            }
        } else {
            let filled = order.filled.checked_add(fill.quantity_filled);
            let Some(filled) = filled.filter(|filled| *filled <= order.terms.quantity) else {
                return Err((BreakReason::OverFill, "over-fill".to_owned()));
            };
            if !order.is_open {
                return Err((BreakReason::OrderEnded, "ended".to_owned()));
            }
            let (id, at) = (order.id, Some(execution.timestamp));
            self.orders.change(id, |order| {
                order.filled = filled;
                order.is_open = filled < order.terms.quantity;
                order.last_event_at = order.last_event_at.max(at.filter(|_| !order.is_open));
            });
        }
        self.fills.push(fill);
        Ok(())
    }

    /// Keeps a report as a break, which must be able to hold it.
    fn keep(
        &mut self,
        planned: &PlannedStep<'_>,
        reason: BreakReason,
        why: &str,
        outcome: &mut Outcome,
        options: &Options,
    ) {
        let report = planned.report;
        outcome.set(report.place, Fate::Broken);
        if report.retried.is_some() {
            return;
        }
        let (raw, why) = (kept::readable(&report.event.raw), kept::readable(why));
        match kept::kept(report, planned.order_id, reason, &why, &raw, options) {
            Kept::Execution(id, execution) => self.add_break(id, reason, &why, &execution),
            Kept::Other(unapplied) => {
                let execution = unapplied.to_execution();
                assert!(execution.is_ok(), "{execution:?}");
                if let Ok(execution) = execution {
                    let id =
                        Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{unapplied:?}").as_bytes());
                    self.add_break(id, unapplied.reason.into(), &why, &execution);
                }
            }
        }
    }

    fn add_break(&mut self, id: Uuid, reason: BreakReason, why: &str, execution: &Execution<'_>) {
        assert!(!why.contains('\0'), "{why:?}");
        let checked = execution.check();
        assert!(checked.is_ok(), "a break can't hold it: {checked:?}");
        let texts = [Some(execution.venue), execution.source, execution.execution_id];
        let ids = [execution.client_order_id, execution.kind.refers_to()];
        assert!(texts.into_iter().chain(ids).flatten().all(is_storable), "{execution:?}");
        assert!(years::has_time(execution.timestamp), "{execution:?}");
        if self.breaks.iter().any(|history| history.reported.id == id) {
            return;
        }
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let order = execution.order_id.and_then(|id| self.orders.get(id));
        let reported = Break {
            id,
            reason,
            detail: why.chars().take(MAX_TEXT).collect(),
            order_id: execution.order_id,
            trader_id: order.map(|order| order.terms.trader_id).or(execution.trader_id),
            client_order_id: owned(execution.client_order_id),
            venue: execution.venue.to_owned(),
            source: execution.source().to_owned(),
            execution_id: owned(execution.execution_id),
            refers_to: owned(execution.kind.refers_to()),
            is_bust: execution.kind.is_bust(),
            timestamp: execution.timestamp,
            quantity: execution.quantity.normalized(),
            price: execution.price.normalized(),
            commission: execution.commission.normalized(),
            rebate: execution.rebate.normalized(),
            raw: owned(execution.raw),
            created_at: execution.timestamp,
            acted_by: String::new(),
            acted_as: String::new(),
        };
        self.breaks.push(BreakHistory { reported, resolution: None });
    }

    fn resolve(&mut self, break_id: Uuid) {
        let found = self.breaks.iter_mut().find(|history| history.reported.id == break_id);
        let Some(history) = found else { return };
        history.resolution = Some(BreakResolution {
            id: Uuid::now_v7(),
            break_id,
            is_booked: false,
            order_id: None,
            trader_id: None,
            fill_id: None,
            reason: "applied".to_owned(),
            created_at: history.reported.created_at,
            acted_by: String::new(),
            acted_as: String::new(),
        });
    }

    /// Tries the open breaks again until nothing more is applied.
    fn retry_breaks(&mut self, options: &Options) {
        let options = Options { trader: None, ..options.clone() };
        for _ in 0..MAX_PASSES {
            let open = self.breaks.iter().filter(|history| history.resolution.is_none());
            let open: Vec<Break> = open.map(|history| history.reported.clone()).collect();
            let retried: Vec<_> =
                open.iter().map(|kept| Retried::new(kept, &options.reading)).collect();
            let (breaks, events): (Vec<(&Break, Option<Event<'_>>)>, Vec<Event<'_>>) = open
                .iter()
                .zip(&retried)
                .filter_map(|(kept, retried)| {
                    let received = retried.received();
                    let event = event_of(retried, received.as_ref(), options.trader)?;
                    Some(((kept, received), event))
                })
                .unzip();
            let traders: Vec<_> = events.iter().map(|event| trader_of(event, &options)).collect();
            let reports: Vec<Report<'_>> = events
                .iter()
                .enumerate()
                .map(|(place, event)| {
                    let (kept, received) = &breaks[place];
                    Report::of_break(place, event, &traders[place], kept, received.as_ref())
                })
                .collect();
            let outcome = self.apply_reports(&reports, &options);
            let mut has_progress = !outcome.healed.is_empty();
            for (place, (kept, _)) in breaks.iter().enumerate() {
                if outcome.is_settled(place) && !outcome.healed.contains(&kept.id) {
                    self.resolve(kept.id);
                    has_progress = true;
                }
            }
            if !has_progress {
                return;
            }
        }
    }

    /// Checks that a break can hold the totals of the last report of each order.
    fn check_totals(&self) {
        for totals in self.totals.sorted() {
            let order = self.orders.get(totals.order_id);
            assert!(order.is_some_and(|order| !order.is_new), "{totals:?}");
            let totals = totals.to_totals();
            let checked = totals.as_execution().check();
            assert!(checked.is_ok(), "a break can't hold totals: {checked:?}");
        }
    }
}

/// The trader that a report names: each name is that of a registered one, unless it begins with `?`.
fn trader_of(event: &Event<'_>, options: &Options) -> Result<Uuid, String> {
    if let Some(trader) = options.trader {
        return Ok(trader);
    }
    let named = event.trader.as_deref().ok_or("the report names no trader")?;
    if let Ok(id) = named.parse() {
        return Ok(id);
    }
    text::check("trader name", named, 100).map_err(|error| error.to_string())?;
    match named.starts_with('?') {
        true => Err(format!("trader {named:?} is not registered")),
        false => Ok(Uuid::new_v5(&Uuid::NAMESPACE_OID, named.as_bytes())),
    }
}

/// Whether the columns of ids, venues and symbols can hold a text.
fn is_storable(text: &str) -> bool {
    let length = text.chars().count();
    (1..=64).contains(&length) && !text.chars().any(char::is_control) && !text.trim().is_empty()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::{fs, path::Path};

    use super::plan_any_bytes;

    #[test]
    fn every_plan_of_the_fuzz_corpus_keeps_its_promises() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/plan");
        let inputs: Vec<_> = fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap()).collect();
        assert!(!inputs.is_empty());
        for input in inputs {
            plan_any_bytes(&fs::read(input.path()).unwrap());
        }
    }
}
