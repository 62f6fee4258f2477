//! Which order a report belongs to.
//!
//! The rules, each in one function: ids are matched within one trader ([`KnownOrders::with_client_id`]); the client
//! order id names the order, and the venue's id only where there is none ([`find`]); where ids start again each
//! day, the day chooses among the orders with an id ([`choose_by_day`]); the terms of the report must agree with
//! the order ([`Terms::check`](super::terms::Terms::check)); an id that is used again after its order has ended
//! is refused ([`check_not_reused`]).

use chrono::NaiveDate;
use uuid::Uuid;

use super::known_orders::{KnownOrder, KnownOrders};
use super::options::Options;
use crate::ingest::event::{Event, Kind};

/// Namespace of the version 5 UUIDs of orders that have neither a client's id nor one of the store.
const ORDERS: Uuid = Uuid::from_u128(0x8f1c_5f0e_6d2b_4b7a_9c53_2f6a_1d7e_4c02);

/// Returns the id of an order that has only the venue's id; none if the report has another id.
pub(super) fn unnamed_order_id(trader: Uuid, event: &Event<'_>, options: &Options) -> Option<Uuid> {
    let venue_order_id = event.venue_order_id.as_deref()?;
    if event.client_order_id.is_some() || event.order_id.is_some() {
        return None;
    }
    let name = match options.day_of(event) {
        None => format!("{trader} {venue_order_id}"),
        Some(day) => format!("{trader} {venue_order_id} {day}"),
    };
    Some(Uuid::new_v5(&ORDERS, name.as_bytes()))
}

/// Finds the order that a report of this trader names: by the store's own id, by the client's id (FIX tag 11),
/// by the client's id before a change (41), or by the venue's (37), which counts only where there is no
/// ClOrdID.
///
/// The result is the order that has the id; others may have replaced it since.
///
/// # Errors
///
/// Why it can't be told which order it is, if several have the id.
pub(super) fn find<'k>(
    orders: &'k KnownOrders,
    event: &Event<'_>,
    trader: Uuid,
    options: &Options,
) -> Result<Option<&'k KnownOrder>, String> {
    if let Some(id) = event.order_id.or(event.id.filter(|_| event.kind == Kind::NewOrder)) {
        let order = orders.get(id);
        return match order.filter(|order| order.terms.trader_id != trader) {
            Some(_) => Err(format!("order {id} is of another trader")),
            None => Ok(order),
        };
    }
    if let Some(order) = find_applied(orders, event, trader, options) {
        return Ok(Some(order));
    }
    let by_client_id = |id: Option<&str>| {
        let found: Vec<_> = orders.with_client_id(trader, id).collect();
        choose_by_day(orders, &found, event, options)
    };
    if let Some(order) = by_client_id(event.client_order_id.as_deref()) {
        return Ok(Some(order));
    }
    // A new order has no earlier id: where it has one, it is that of the order that it replaces.
    let is_new = event.kind == Kind::NewOrder;
    let original = event.original_client_order_id.as_deref().filter(|_| !is_new);
    if let Some(order) = by_client_id(original) {
        return Ok(Some(order));
    }
    // A replacement may present its new client order id and nothing of the order before but the venue's id.
    if event.client_order_id.is_some() && (event.kind != Kind::Replaced || original.is_some()) {
        return Ok(None);
    }
    find_by_venue_id(orders, event, event.venue_order_id.as_deref(), trader, options)
}

/// Finds the order that a report was applied to which has no client order id and whose other ids name several order
/// chains: the last one of the chain that has the report. An order that came after the report may have these ids too.
fn find_applied<'k>(
    orders: &'k KnownOrders,
    event: &Event<'_>,
    trader: Uuid,
    options: &Options,
) -> Option<&'k KnownOrder> {
    if event.client_order_id.is_some() {
        return None;
    }
    let named = orders.roots_named(trader, event).into_iter().filter_map(|root| orders.get(root));
    let mut applied = named.filter(|order| orders.has_report(order, event, options));
    match (applied.next(), applied.next()) {
        (Some(order), None) => Some(orders.last_of_chain(order)),
        _ => None,
    }
}

/// Finds the order with this venue order id: the last one of its chain.
pub(super) fn find_by_venue_id<'k>(
    orders: &'k KnownOrders,
    event: &Event<'_>,
    venue_order_id: Option<&str>,
    trader: Uuid,
    options: &Options,
) -> Result<Option<&'k KnownOrder>, String> {
    let unnamed = unnamed_order_id(trader, event, options).and_then(|id| orders.get(id));
    let named = || orders.with_venue_id(trader, venue_order_id).chain(unnamed);
    let last_of = |named: &mut dyn Iterator<Item = &'k KnownOrder>| {
        let mut found: Vec<&KnownOrder> = named.map(|order| orders.last_of_chain(order)).collect();
        found.sort_by_key(|order| order.id);
        found.dedup_by_key(|order| order.id);
        found
    };
    let mut found = last_of(&mut named());
    if let Some(day) = options.day_of(event) {
        // Its chain may have gone on to a later day since.
        let same_day = last_of(&mut named().filter(|order| order.day() == Some(day)));
        if same_day.is_empty() {
            // The day chooses among the orders that had the id, also if one of a later day has replaced them since.
            let named: Vec<_> = named().collect();
            let chosen = choose_by_day(orders, &named, event, options);
            return Ok(chosen.map(|order| orders.last_of_chain(order)));
        }
        found = same_day;
    }
    // A venue may use an id again on another day, and a report of an order may come before the one with its client order
    // id, so several orders may have it.
    if found.len() > 1 {
        found.retain(|order| order.is_open && order.terms.check(event, options).is_ok());
    }
    match found.as_slice() {
        [] => Ok(None),
        [order] => Ok(Some(order)),
        _ => Err(format!(
            "{} orders have the {} {}",
            found.len(),
            options.name_of("venue_order_id"),
            venue_order_id.unwrap_or_default()
        )),
    }
}

/// Chooses among the orders with one id.
///
/// Where ids start again each day: the order of the report's day, or else of the latest day before whose order
/// was still open on that day and agrees with the report's terms. A bust or a correction may also amend an order
/// of an earlier day that has ended. Where ids are unique for ever: the order of the latest day.
fn choose_by_day<'k>(
    orders: &'k KnownOrders,
    found: &[&'k KnownOrder],
    event: &Event<'_>,
    options: &Options,
) -> Option<&'k KnownOrder> {
    let latest = |orders: &mut dyn Iterator<Item = &&'k KnownOrder>| {
        orders.max_by_key(|order| order.day()).copied()
    };
    let Some(day) = options.day_of(event) else { return latest(&mut found.iter()) };
    let same_day = |order: &&&KnownOrder| order.day() == Some(day);
    let goes_on = |order: &&&KnownOrder| {
        let is_earlier = order.day().is_none_or(|own: NaiveDate| own < day);
        let is_amended = matches!(event.kind, Kind::Bust | Kind::Correct);
        // The report may be the one that ended it, read again.
        let last = orders.last_of_chain(order);
        let ended_later = last.last_event_at.is_some_and(|ended| options.day_at(ended) >= day);
        let was_open = last.is_open || ended_later;
        is_earlier
            && event.kind != Kind::NewOrder
            && (was_open || is_amended)
            && order.terms.check(event, options).is_ok()
    };
    latest(&mut found.iter().filter(same_day)).or_else(|| latest(&mut found.iter().filter(goes_on)))
}

/// Refuses a report that presents an order as new under the id of one that ended on an earlier trading day:
/// ids are unique for ever unless the options say that they start again.
///
/// A request (35=D) has no entry in the log by which it is known again, so it must be refused before the end of the
/// order as well as after it: if it is of a later day than all that the store has of the order.
///
/// # Errors
///
/// What was reused.
pub(super) fn check_not_reused(
    order: &KnownOrder,
    event: &Event<'_>,
    options: &Options,
) -> Result<(), String> {
    let last = match event.kind {
        Kind::NewOrder => order.last_event_at.max(order.terms.received_at),
        _ => order.last_event_at.filter(|_| !order.is_open),
    };
    let (Some(last), Some(time)) = (last, event.time()) else { return Ok(()) };
    let (last, day) = (options.day_at(last), options.day_at(time));
    if options.daily_ids.is_some() || day <= last {
        return Ok(());
    }
    Err(format!(
        "client order id reused: the last report of the order with this id is of {last}, and this one presents it as \
         new on {day}; if ids start again each day, ingest with --daily-ids"
    ))
}
