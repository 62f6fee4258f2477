//! The contents of a database as text, without the ids that the store assigns and the times at which it records.

use std::collections::HashMap;

use tradeblotter::{Break, ExecutionLog, Fill, Order};
use uuid::Uuid;

use crate::{Contents, Database};

/// The names that clients and venues use for the ids of the store.
struct Names(HashMap<Uuid, String>);

impl Names {
    fn of(contents: &Contents) -> Self {
        let mut names: HashMap<Uuid, String> =
            contents.traders.iter().map(|trader| (trader.id, trader.name.clone())).collect();
        for order in &contents.orders {
            let called = order.client_order_id.as_ref().or(order.venue_order_id.as_ref());
            names.insert(order.id, called.cloned().unwrap_or_default());
        }
        let executions = contents.fills.iter().map(|fill| (fill.id, &fill.execution_id));
        let broken = contents.breaks.iter().map(|broken| (broken.id, &broken.execution_id));
        names.extend(
            executions.chain(broken).map(|(id, called)| (id, called.clone().unwrap_or_default())),
        );
        Self(names)
    }

    /// Names each order by its trader, its ids and the orders that it replaces, and each fill by its order too, so
    /// that different rows have different names.
    fn of_chains(contents: &Contents) -> Self {
        let mut names = Self::of(contents);
        for order in &contents.orders {
            let mut path = names.get(Some(order.trader_id)).to_owned();
            let mut chain = vec![order];
            while let Some(replaced) = chain.last().and_then(|order| order.replaces) {
                chain.extend(contents.orders.iter().find(|order| order.id == replaced));
            }
            for order in chain.into_iter().rev() {
                let id = order.client_order_id.as_ref().or(order.venue_order_id.as_ref());
                let id = id.filter(|_| order.client_order_id.is_some() || order.replaces.is_none());
                path += "/";
                path += id.map_or("-", String::as_str);
                path += &order.trading_day.map(|day| format!(" {day}")).unwrap_or_default();
            }
            names.0.insert(order.id, path);
        }
        for fill in &contents.fills {
            let id = fill.execution_id.as_deref().unwrap_or("-");
            let name = format!("{} {id} {}", names.get(Some(fill.order_id)), fill.source);
            names.0.insert(fill.id, name);
        }
        names
    }

    fn get(&self, id: Option<Uuid>) -> &str {
        id.map_or("-", |id| self.0.get(&id).map_or("?", String::as_str))
    }

    /// Replaces the ids in a text by their names.
    fn replace_ids(&self, text: &str) -> String {
        let mut replaced = String::new();
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            let id = rest.get(..36).and_then(|id| id.parse::<Uuid>().ok());
            let width = if id.is_some() { 36 } else { next.len_utf8() };
            match id {
                Some(id) => replaced.push_str(self.get(Some(id))),
                None => replaced.push(next),
            }
            rest = &rest[width..];
        }
        replaced
    }
}

/// Describes all rows of a database, one line for each, sorted; the log of each order keeps its sequence.
pub fn describe(db: &Database) -> Vec<String> {
    let contents = db.contents();
    let names = Names::of(&contents);
    let mut lines: Vec<String> =
        contents.traders.iter().map(|trader| format!("trader {}", trader.name)).collect();
    lines.extend(contents.orders.iter().map(|order| describe_order(&names, order)));
    lines.extend(contents.fills.iter().map(|fill| describe_fill(&names, fill)));
    lines.extend(contents.breaks.iter().map(|broken| {
        let raw = broken.raw.as_deref().unwrap_or_default();
        let raw = raw.replace("^A", "\u{1}").replace(['|', ';'], "\u{1}");
        format!(
            "break {} of {} ({:?}): {} [{} {} {:?} {:?} {} {} {} {} {} {}] {raw}",
            broken.reason,
            names.get(broken.order_id),
            broken.client_order_id,
            names.replace_ids(&broken.detail),
            broken.venue,
            broken.source,
            broken.execution_id,
            broken.refers_to,
            broken.is_bust,
            broken.timestamp,
            broken.quantity,
            broken.price,
            broken.commission,
            broken.rebate,
        )
    }));
    lines.extend(contents.resolutions.iter().map(|resolution| {
        format!(
            "resolution of {}: booked {} to {}: {}",
            names.get(Some(resolution.break_id)),
            resolution.is_booked,
            names.get(resolution.order_id),
            names.replace_ids(&resolution.reason)
        )
    }));
    let mut log: Vec<&ExecutionLog> = contents.log.iter().collect();
    log.sort_by_key(|entry| (names.get(Some(entry.order_id)).to_owned(), entry.sequence));
    let mut count = HashMap::new();
    lines.extend(log.into_iter().map(|entry| {
        let number = count.entry(entry.order_id).or_insert(0);
        *number += 1;
        format!(
            "log of {} {number:03}: {} {:?} {:?} {:?} {:?} {:?} {:?} fill {} break {}",
            names.get(Some(entry.order_id)),
            entry.action,
            entry.status,
            entry.reason.as_deref().map(|reason| names.replace_ids(reason)),
            entry.retry_attempt,
            entry.error_code,
            entry.venue_order_id,
            entry.reported_at,
            names.get(entry.fill_id),
            names.get(entry.break_id),
        )
    }));
    lines.sort();
    lines
}

fn describe_order(names: &Names, order: &Order) -> String {
    format!(
        "order {} of {}: {:?} {} {} {} {:?} {} {} {:?} {} {:?} {:?} replaces {} \
         {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} of {} with {} breaks",
        names.get(Some(order.id)),
        names.get(Some(order.trader_id)),
        order.side,
        order.quantity,
        order.symbol,
        order.order_type,
        order.price,
        order.status,
        order.filled_quantity,
        order.average_fill_price,
        order.filled_notional.normalized(),
        order.expires_at,
        order.venue_order_id,
        names.get(order.replaces),
        order.limit_price,
        order.stop_loss,
        order.take_profit,
        order.time_in_force,
        order.currency,
        order.account,
        order.trading_day,
        order.received_at,
        order.instructions,
        names.get(Some(order.root_id)),
        order.break_count,
    )
}

fn describe_fill(names: &Names, fill: &Fill) -> String {
    format!(
        "fill {:?} of {}: {} at {} on {} {} commission {} rebate {} source {} amends {} bust {}",
        fill.execution_id,
        names.get(Some(fill.order_id)),
        fill.quantity_filled,
        fill.price_at_fill,
        fill.venue,
        fill.timestamp,
        fill.commission,
        fill.rebate,
        fill.source,
        names.get(fill.amends),
        fill.is_bust,
    )
}

/// Describes each order briefly: the client's id, the status, and the shares filled of all.
pub fn orders(db: &Database) -> Vec<String> {
    let contents = db.contents();
    let names = Names::of(&contents);
    let mut orders: Vec<_> = contents
        .orders
        .iter()
        .map(|order| {
            let (id, status) = (names.get(Some(order.id)), order.status);
            format!("{id} {status} {}/{}", order.filled_quantity, order.quantity)
        })
        .collect();
    orders.sort();
    orders
}

/// Describes each break briefly: reason, order, execution id, and whether it is open, booked or dismissed.
pub fn breaks(db: &Database) -> Vec<String> {
    let contents = db.contents();
    let names = Names::of(&contents);
    let mut breaks: Vec<_> = contents
        .breaks
        .iter()
        .map(|broken| {
            let resolution = contents.resolutions.iter().find(|found| found.break_id == broken.id);
            let is = match resolution.map(|resolution| resolution.is_booked) {
                None => "open",
                Some(true) => "booked",
                Some(false) => "dismissed",
            };
            let execution = broken.execution_id.as_deref().unwrap_or("-");
            format!("{} {} {execution} {is}", broken.reason, names.get(broken.order_id))
        })
        .collect();
    breaks.sort();
    breaks
}

/// Describes what a store has come to: each order with its terms, its totals and its chain, each fill, and each open
/// break. What it went through on the way is left out: resolved breaks, and the entries of the log.
pub fn state(db: &Database) -> Vec<String> {
    let contents = db.contents();
    let paths = Names::of_chains(&contents);
    let mut lines: Vec<String> = contents
        .orders
        .iter()
        .map(|order| {
            let client_order_id = order.client_order_id.as_ref();
            let without_count = Order { break_count: 0, ..order.clone() };
            let path = paths.get(Some(order.id));
            format!("{path} ({client_order_id:?}): {}", describe_order(&paths, &without_count))
        })
        .collect();
    lines.extend(contents.fills.iter().map(|fill| describe_fill(&paths, fill)));
    let is_open = |broken: &&Break| {
        contents.resolutions.iter().all(|resolution| resolution.break_id != broken.id)
    };
    lines.extend(contents.breaks.iter().filter(is_open).map(|broken| {
        format!(
            "open break {} of {} {} {:?}: {:?} {} {} {}",
            broken.reason,
            paths.get(broken.order_id),
            paths.get(broken.trader_id),
            broken.client_order_id,
            broken.execution_id,
            broken.quantity.normalized(),
            broken.price.normalized(),
            broken.timestamp,
        )
    }));
    lines.sort();
    lines
}
