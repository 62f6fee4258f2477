//! The bundled trading day: it is the generator's output, its totals agree with independent code, and
//! every kind of event occurs in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::str::FromStr;

use bigdecimal::{BigDecimal, RoundingMode};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use tradeblotter::ingest::{Kind, Number};
use tradeblotter::{BreakReason, OrderStatus, OrderType, Side};

use crate::ingest::formats::KINDS;
use generator::{ANOMALIES, Day, ORDERS};

#[allow(dead_code)]
#[path = "../../examples/trading_day/main.rs"]
mod generator;

struct Written {
    day: Day,
    fix: String,
    ndjson: String,
}

fn write(orders: u64, is_clean: bool) -> Written {
    let (mut fix, mut ndjson) = (Vec::new(), Vec::new());
    let day = Day::write(orders, is_clean, &mut fix, &mut ndjson).unwrap();
    let [fix, ndjson] = [fix, ndjson].map(|bytes| String::from_utf8(bytes).unwrap());
    Written { day, fix, ndjson }
}

type Message<'a> = BTreeMap<u32, &'a str>;

/// The direction of each message and its fields, with header and trailer.
fn messages(fix: &str) -> Vec<(char, Message<'_>)> {
    fix.lines()
        .map(|line| {
            let (log, message) = line.split_at(24);
            let fields = message.split_terminator('\x01').map(|field| {
                let (tag, value) = field.split_once('=').unwrap();
                (tag.parse().unwrap(), value)
            });
            (log.chars().nth(22).unwrap(), fields.collect())
        })
        .collect()
}

fn events(ndjson: &str) -> Vec<Map<String, Value>> {
    ndjson.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn values<'a>(messages: &[(char, Message<'a>)], tag: u32) -> BTreeSet<&'a str> {
    messages.iter().filter_map(|(_, message)| message.get(&tag).copied()).collect()
}

#[test]
fn what_is_committed_is_what_the_generator_writes() {
    let Written { day, fix, ndjson } = write(ORDERS, false);
    for (name, written) in [("day.fix", fix), ("day.ndjson", ndjson), ("README.md", day.readme())] {
        let path = format!("{}/cli/data/{name}", env!("CARGO_MANIFEST_DIR"));
        // Not assert_eq, which would print both of them.
        let is_same = fs::read_to_string(&path).unwrap() == written;
        assert!(is_same, "{name}: run cargo run --example trading_day -- cli/data");
    }
}

#[test]
fn everything_that_happens_to_orders_happens_in_the_day() {
    let Written { day, fix, .. } = write(ORDERS, false);
    // Events that FIX reports never have.
    let unsaid = ["approved", "routed", "recovered"];
    for kind in KINDS {
        let kind = serde_json::to_value(kind).unwrap();
        let kind = kind.as_str().unwrap();
        assert_ne!(day.events.contains_key(kind), unsaid.contains(&kind), "{kind}");
    }
    let messages = messages(&fix);
    let all = |tag| values(&messages, tag);
    assert_eq!(all(35), BTreeSet::from(["0", "5", "8", "9", "A", "D", "F", "G", "H"]));
    assert_eq!(all(39), BTreeSet::from(["0", "1", "2", "4", "6", "8", "C"]));
    assert_eq!(all(40), BTreeSet::from(["1", "2", "3"]));
    assert_eq!(all(54), BTreeSet::from(["1", "2"]));
    assert_eq!(all(59), BTreeSet::from(["0", "1", "6"]));
    assert_eq!(all(13), BTreeSet::from(["1", "3"]));
    assert_eq!(all(1), BTreeSet::from(["ada", "barbara", "grace", "linus"]));
    assert_eq!(all(102), BTreeSet::from(["0", "2"]));
    assert_eq!(all(103), BTreeSet::from(["1", "2", "3"]));
    // Averages have four to six decimal places, rounded.
    let decimals = all(6).into_iter().filter_map(|average| average.split_once('.'));
    let decimals: BTreeSet<_> = decimals.map(|(_, decimals)| decimals.len()).collect();
    assert_eq!(decimals, BTreeSet::from([4, 5, 6]));
    // Messages are repeated with either flag, fills and other reports.
    for flag in [43, 97] {
        let resent = messages.iter().filter(|(_, message)| message.contains_key(&flag));
        let kinds: BTreeSet<_> = resent.filter_map(|(_, message)| message.get(&150)).collect();
        assert!(kinds.len() > 2 && kinds.contains(&"F"), "{flag}: {kinds:?}");
    }
    // At the end of the day only orders that are good till cancelled are open.
    let mut last = BTreeMap::new();
    for (_, message) in &messages {
        if let (Some(order), Some(status), Some(tif)) =
            (message.get(&37), message.get(&39), message.get(&59))
            && !message.contains_key(&43)
            && !message.contains_key(&97)
        {
            last.insert(*order, (*status, *tif));
        }
    }
    let open = last.values().filter(|(status, _)| ["0", "1"].contains(status));
    assert_eq!(open.copied().collect::<BTreeSet<_>>(), BTreeSet::from([("0", "1"), ("1", "1")]));
}

#[test]
fn each_break_is_planted_once_and_the_readme_says_where() {
    let Written { day, fix, ndjson } = write(ORDERS, false);
    let mut reasons: Vec<_> = ANOMALIES.iter().map(|(breaks, _)| *breaks).collect();
    reasons.retain(|breaks| *breaks != "none");
    let all = BreakReason::ALL.iter().map(|reason| reason.label());
    // The day has no execution whose numbers no fill can have (INVALID), no order that cannot be stored
    // (INVALID_ORDER) and no action that cannot be applied (UNAPPLIED_ACTION); TOTALS is planted more than once.
    let elsewhere = ["INVALID", "TOTALS", "INVALID_ORDER", "UNAPPLIED_ACTION"];
    for reason in all.filter(|reason| !elsewhere.contains(reason)) {
        let of_it = reasons.iter().filter(|breaks| breaks.split(", ").any(|one| one == reason));
        assert_eq!(of_it.count(), 1, "{reason}");
    }
    assert!(reasons.contains(&"TOTALS"));

    let planted: Vec<_> = day.anomalies.iter().map(|planted| planted.index).collect();
    assert_eq!(planted, (0..ANOMALIES.len()).collect::<Vec<_>>());
    let (messages, events, readme) = (messages(&fix), events(&ndjson), day.readme());
    for planted in &day.anomalies {
        let (_, message) = &messages[planted.fix_line as usize - 1];
        let event = &events[planted.ndjson_line as usize - 1];
        assert_eq!(message[&37], planted.order);
        assert_eq!(event["venue_order_id"], planted.order);
        assert_eq!(event["execution_id"], message[&17]);
        let row = format!("| {} | {} | {} |", planted.fix_line, planted.ndjson_line, planted.order);
        assert!(readme.contains(&row), "{row}");
    }
    assert!(write(ORDERS, true).day.anomalies.is_empty());
    // As many anomalies as there are orders, each in its own order.
    assert_eq!(write(ANOMALIES.len() as u64, false).day.anomalies.len(), ANOMALIES.len());
    assert_eq!(write(0, false).day.anomalies.len(), 0);
}

#[test]
fn every_message_has_the_right_length_checksum_and_number() {
    let Written { fix, .. } = write(ORDERS, false);
    let mut next = BTreeMap::from([('<', 1), ('>', 1)]);
    for (line, (way, fields)) in fix.lines().zip(messages(&fix)) {
        let (message, trailer) = line[24..].split_at(line.len() - 24 - "10=000\x01".len());
        let body = message.find("35=").unwrap();
        assert_eq!(fields[&9], (message.len() - body).to_string());
        let sum: u32 = message.bytes().map(u32::from).sum();
        assert_eq!(trailer, format!("10={:03}\x01", sum % 256));
        assert_eq!(&line[..21], fields[&52]);
        let number: u64 = fields[&34].parse().unwrap();
        if fields.contains_key(&43) {
            assert!(number < next[&way] && fields[&122] < fields[&52]);
        } else {
            assert_eq!(number, next[&way]);
            next.insert(way, number + 1);
        }
    }
    let times: Vec<_> = fix.lines().map(|line| &line[..21]).collect();
    assert!(times.is_sorted());
    assert!(times.first() >= Some(&"20261124-14:30:00.000"));
    assert!(times.last() <= Some(&"20261124-21:00:00.000"));
}

/// The fills of an order as its reports have them: by ExecID, shares and price.
type Fills<'a> = BTreeMap<&'a str, (i64, BigDecimal)>;

#[test]
fn totals_are_those_of_the_fills_but_where_something_is_planted() {
    for (orders, is_clean) in [(ORDERS, false), (3000, true)] {
        let Written { day, fix, .. } = write(orders, is_clean);
        assert_totals(&fix, &day.anomalies.iter().map(|planted| planted.order.as_str()).collect());
    }
}

fn assert_totals(fix: &str, besides: &BTreeSet<&str>) {
    let messages = messages(fix);
    let mut orders: BTreeMap<&str, Fills<'_>> = BTreeMap::new();
    let mut ids = BTreeSet::new();
    for (_, message) in &messages {
        let is_resent = message.contains_key(&43) || message.contains_key(&97);
        let (Some(order), Some(id), false) = (message.get(&37), message.get(&17), is_resent) else {
            continue;
        };
        if besides.contains(order) {
            continue;
        }
        assert!(*id == "0" || ids.insert(*id), "{id} is given out twice");
        let fills = orders.entry(*order).or_default();
        let shares = |tag| message[&tag].parse::<i64>().unwrap();
        let price = |tag| BigDecimal::from_str(message[&tag]).unwrap();
        if let Some(amended) = message.get(&19) {
            fills.remove(*amended).unwrap();
        }
        if ["F", "G"].contains(&message[&150]) {
            assert_eq!(Number::new(message[&31]).unwrap().decimal_places(), 2);
            fills.insert(*id, (shares(32), price(31)));
        }
        let filled: i64 = fills.values().map(|(shares, _)| shares).sum();
        let notional: BigDecimal = fills.values().map(|(shares, price)| price * shares).sum();
        let average = (notional / filled.max(1)).with_scale_round(6, RoundingMode::HalfUp);
        assert_eq!((shares(14), price(6)), (filled, average), "{message:?}");
        let is_over = ["4", "8", "C"].contains(&message[&39]);
        let left = if is_over { 0 } else { shares(38) - filled };
        assert_eq!(shares(151), left, "{message:?}");
        let status = match message[&39] {
            "0" => filled == 0 && left > 0,
            "1" => filled > 0 && left > 0,
            "2" => filled > 0 && left == 0,
            _ => true,
        };
        assert!(status, "{message:?}");
    }
}

#[test]
fn the_events_are_those_of_the_messages_in_the_terms_of_the_event_model() {
    let Written { fix, ndjson, .. } = write(ORDERS, false);
    let messages = messages(&fix);
    let told = messages.iter().filter(|(_, message)| ["D", "8", "9"].contains(&message[&35]));
    let events = events(&ndjson);
    assert_eq!(told.clone().count(), events.len());
    let texts = [
        ("trader", 1),
        ("client_order_id", 11),
        ("original_client_order_id", 41),
        ("venue_order_id", 37),
        ("symbol", 55),
        ("execution_id", 17),
        ("refers_to", 19),
        ("venue", 30),
        ("reason", 58),
    ];
    let numbers = [
        ("quantity", 38),
        ("last_quantity", 32),
        ("last_price", 31),
        ("cumulative_quantity", 14),
        ("average_price", 6),
    ];
    let is_known = |key: &str| {
        let others = ["kind", "side", "order_type", "price", "expires_at", "commission", "at"];
        let named = texts.iter().chain(&numbers).any(|(known, _)| *known == key);
        named || others.contains(&key) || ["status", "error_code"].contains(&key)
    };
    for ((_, message), mut event) in told.zip(events) {
        assert!(event.keys().all(|key| is_known(key)), "{event:?}");
        let kind: Kind = serde_json::from_value(event["kind"].take()).unwrap();
        assert_eq!(kind == Kind::NewOrder, message[&35] == "D");
        let text = |key: &str| event.get(key).map(|value| value.as_str().unwrap());
        for (key, tag) in texts.into_iter().chain(numbers) {
            assert_eq!(text(key), message.get(&tag).copied(), "{key}");
        }
        for (key, _) in numbers {
            assert!(text(key).is_none_or(|number| Number::new(number).is_some()));
        }
        let price = message.get(&44).or(message.get(&99)).copied();
        assert_eq!(text("price"), price);
        let amount = message.get(&12).filter(|_| message[&13] == "3").copied();
        assert_eq!(text("commission"), amount);
        for (key, tag) in [("at", 60), ("expires_at", 126)] {
            let at = text(key).map(|at| DateTime::parse_from_rfc3339(at).unwrap().to_utc());
            let said = message.get(&tag).map(|at| fix_time(at));
            assert_eq!(at, said, "{key}");
        }
        let code = [102, 103]
            .into_iter()
            .find_map(|tag| message.get(&tag).map(|code| format!("{tag}={code}")));
        assert_eq!(text("error_code"), code.as_deref());
        assert!(text("side").is_none_or(|side| side.parse::<Side>().is_ok()));
        assert!(text("order_type").is_none_or(|kind| kind.parse::<OrderType>().is_ok()));
        let status = text("status").map(|status| status.parse::<OrderStatus>().unwrap());
        assert_eq!(status.is_some(), message.get(&39).is_some_and(|status| *status != "6"));
    }
}

fn fix_time(text: &str) -> DateTime<Utc> {
    chrono::NaiveDateTime::parse_from_str(text, "%Y%m%d-%H:%M:%S%.3f").unwrap().and_utc()
}
