//! What holds for every format: written events read back the same, and no input makes a reader panic.

use std::io::{self, Read};

use chrono::{DateTime, NaiveDate, TimeDelta};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use tradeblotter::ingest::{
    AnyFormat, Csv, Event, FormatName, Kind, Ndjson, Number, ReadOptions, Reader, detect,
};
use tradeblotter::{OrderStatus, OrderType, Side, TimeInForce};
use uuid::Uuid;

use tradeblotter_test_support::check;

pub const KINDS: [Kind; 14] = [
    Kind::NewOrder,
    Kind::Approved,
    Kind::Routed,
    Kind::Acknowledged,
    Kind::Fill,
    Kind::Bust,
    Kind::Correct,
    Kind::Cancelled,
    Kind::Rejected,
    Kind::Replaced,
    Kind::Expired,
    Kind::CancelRejected,
    Kind::Recovered,
    Kind::Status,
];

/// The reason why an event must not be applied.
pub fn defect<'e>(event: &'e Event<'_>) -> &'e str {
    event.defect.as_deref().unwrap_or_default()
}

/// A reader that returns at most this many bytes at a time.
pub struct Trickle<'b>(pub &'b [u8], pub usize);

impl Read for Trickle<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.1.min(self.0.len()).min(into.len());
        into[..read].copy_from_slice(&self.0[..read]);
        self.0 = &self.0[read..];
        Ok(read)
    }
}

/// Text in UTF-16 with a byte order mark, as spreadsheets export it.
pub fn utf_16(text: &str) -> Vec<u8> {
    std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

/// The result of an input: the events without their raw text, and the errors.
pub fn read(name: FormatName, input: impl Read) -> (Vec<Event<'static>>, Vec<String>) {
    let mut reader = Reader::new(input, AnyFormat::new(name, &ReadOptions::default()));
    let (mut events, mut wrong) = (Vec::new(), Vec::new());
    while let Some(batch) = reader.batch(3).unwrap() {
        wrong.extend(batch.malformed.iter().map(ToString::to_string));
        events.extend(batch.events.into_iter().map(owned));
    }
    (events, wrong)
}

/// An event that borrows nothing; its numbers live as long as the test does.
fn owned(event: Event<'_>) -> Event<'static> {
    let text = |text: Option<std::borrow::Cow<'_, str>>| text.map(|text| text.into_owned().into());
    let number = |number: Option<Number<'_>>| {
        number.and_then(|number| Number::new(String::leak(number.as_str().to_owned())))
    };
    Event {
        trader: text(event.trader),
        trader_name: text(event.trader_name),
        account: text(event.account),
        source: text(event.source),
        client_order_id: text(event.client_order_id),
        original_client_order_id: text(event.original_client_order_id),
        venue_order_id: text(event.venue_order_id),
        replaces_venue_order_id: text(event.replaces_venue_order_id),
        symbol: text(event.symbol),
        quantity: number(event.quantity),
        price: number(event.price),
        limit_price: number(event.limit_price),
        rebate: number(event.rebate),
        stop_loss: number(event.stop_loss),
        take_profit: number(event.take_profit),
        execution_id: text(event.execution_id),
        refers_to: text(event.refers_to),
        venue: text(event.venue),
        last_quantity: number(event.last_quantity),
        last_price: number(event.last_price),
        commission: number(event.commission),
        currency: text(event.currency),
        cumulative_quantity: number(event.cumulative_quantity),
        average_price: number(event.average_price),
        reason: text(event.reason),
        error_code: text(event.error_code),
        raw: event.raw.into_owned().into(),
        ..Event {
            id: event.id,
            order_id: event.order_id,
            replaces: event.replaces,
            side: event.side,
            order_type: event.order_type,
            expires_at: event.expires_at,
            received_at: event.received_at,
            trading_day: event.trading_day,
            time_in_force: event.time_in_force,
            instructions: event.instructions,
            at: event.at,
            sent_at: event.sent_at,
            sequence: event.sequence,
            status: event.status,
            retry_attempt: event.retry_attempt,
            note: event.note,
            defect: event.defect,
            ..Event::new(event.kind, event.line, "")
        }
    }
}

fn event() -> impl Strategy<Value = Event<'static>> {
    let text = || option::of("[^\\x00]{1,12}");
    let number = || option::of("-?[0-9]{1,9}(\\.[0-9]{1,9})?");
    let time = || option::of((0..4_000_000_000_i64, 0..1_000_000_u32));
    let id = || option::of(any::<u128>());
    let texts = (text(), text(), text(), text(), text(), text(), text(), text(), text());
    let numbers = (number(), number(), number(), number(), number());
    let rest = (
        select(KINDS.as_slice()),
        option::of(select(&[Side::Buy, Side::Sell][..])),
        option::of(select(OrderType::ALL)),
        option::of(select(OrderStatus::ALL)),
        option::of(any::<u32>()),
    );
    let terms = (
        (text(), text(), number(), number()),
        (time(), option::of(0..100_000_i32)),
        option::of(select(TimeInForce::ALL)),
        option::of(prop::collection::btree_map("[^\\x00]{0,5}", "[^\\x00]{0,5}", 0..4)),
    );
    let ids = (id(), id(), id());
    (texts, numbers, (time(), time()), ids, rest, terms, "[^\\x00]{1,30}").prop_map(
        |(texts, numbers, (at, until), (id, order, replaces), rest, terms, raw)| {
            let text = |text: Option<String>| text.map(Into::into);
            let number =
                |number: Option<String>| number.and_then(|text| Number::new(String::leak(text)));
            let time = |time: Option<(i64, u32)>| {
                time.map(|(seconds, micros)| {
                    DateTime::from_timestamp(seconds, 0).unwrap()
                        + TimeDelta::microseconds(micros.into())
                })
            };
            Event {
                trader: text(texts.0),
                trader_name: text(texts.1),
                client_order_id: text(texts.2),
                original_client_order_id: text(texts.3),
                venue_order_id: text(texts.4),
                symbol: text(texts.5),
                execution_id: text(texts.6),
                venue: text(texts.7),
                reason: text(texts.8),
                quantity: number(numbers.0),
                price: number(numbers.1),
                last_price: number(numbers.2),
                commission: number(numbers.3),
                average_price: number(numbers.4),
                account: text(terms.0.0),
                source: text(terms.0.1),
                limit_price: number(terms.0.2),
                rebate: number(terms.0.3),
                received_at: time(terms.1.0),
                trading_day: terms.1.1.and_then(NaiveDate::from_num_days_from_ce_opt),
                time_in_force: terms.2,
                instructions: terms.3.map(|pairs| pairs.into_iter().collect()),
                at: time(at),
                expires_at: time(until),
                id: id.map(Uuid::from_u128),
                order_id: order.map(Uuid::from_u128),
                replaces: replaces.map(Uuid::from_u128),
                side: rest.1,
                order_type: rest.2,
                status: rest.3,
                retry_attempt: rest.4,
                ..Event::new(rest.0, 0, raw)
            }
        },
    )
}

#[test]
fn a_written_event_reads_back_the_same() {
    check(512, prop::collection::vec(event(), 1..5), |events| {
        let mut ndjson = Vec::new();
        let mut csv = Vec::new();
        Csv::write_header(&mut csv).unwrap();
        for event in &events {
            Ndjson::write(event, &mut ndjson).unwrap();
            Csv::write(event, &mut csv).unwrap();
        }
        for (name, written) in [(FormatName::Ndjson, ndjson), (FormatName::Csv, csv)] {
            let (read, wrong) = read(name, written.as_slice());
            prop_assert_eq!(wrong, Vec::<String>::new(), "{}", String::from_utf8_lossy(&written));
            let read: Vec<_> = read.into_iter().map(|event| Event { line: 0, ..event }).collect();
            prop_assert_eq!(&read, &events, "{}", name);
            prop_assert_eq!(detect(written.as_slice()).unwrap().0, name);
        }
        Ok(())
    });
}

#[test]
fn no_input_makes_a_reader_panic_and_its_events_do_not_depend_on_chunking() {
    let valid = [
        include_bytes!("../../../cli/data/day.ndjson").get(..3000).unwrap().to_vec(),
        b"kind,reason,last_price\nfill,\"a \"\"b\"\"\nc\",1.5\ncancelled,,\n".to_vec(),
        UPDATES.as_bytes().to_vec(),
        b"kind,reason,last_price\nfill,\"a\nb\",1.5\r\n\"fill\",\"a\r\n\",\n".to_vec(),
        utf_16("kind;reason\nfill;\"a\n\u{a0a}\"\n"),
    ];
    let pieces = prop_oneof![
        any::<Vec<u8>>(),
        "[{}\\[\\]\",:\\\\ \\na-z0-9.]{0,200}".prop_map(String::into_bytes),
        (select(valid.to_vec()), any::<prop::sample::Index>(), any::<u8>()).prop_map(
            |(mut valid, at, byte)| {
                let at = at.index(valid.len());
                valid[at] = byte;
                valid
            }
        ),
    ];
    check(512, (pieces, 1..40_usize), |(bytes, at_a_time)| {
        for &name in FormatName::ALL {
            let whole = read(name, bytes.as_slice());
            prop_assert_eq!(read(name, Trickle(&bytes, at_a_time)), whole, "{}", name);
        }
        // However the input arrives, its format is the same.
        let name = |input: &mut dyn Read| detect(input).map(|(name, _)| name).ok();
        prop_assert_eq!(
            name(&mut Trickle(&bytes, at_a_time)).is_some(),
            name(&mut bytes.as_slice()).is_some()
        );
        Ok(())
    });
}

/// A fill and its order in a trade update, an activity, and an object that is neither.
pub const UPDATES: &str = r#"[
  {"stream":"trade_updates","data":{"event":"partial_fill","execution_id":"X-1","price":"10.5",
    "qty":"40","timestamp":"2026-11-24T15:00:00.5Z","order":{"id":"O-1","client_order_id":"C {1}",
    "symbol":"AAPL","side":"buy","type":"limit","status":"partially_filled","qty":"100",
    "limit_price":10.50,"stop_price":null,"filled_qty":"40","filled_avg_price":"10.5"}}},
  {"activity_type":"DIV","id":"D-1"},
  {"activity_type":"FILL","id":"A-1","price":"10.6","qty":"60","cum_qty":"100","side":"buy",
    "symbol":"AAPL","order_id":"O-1","transaction_time":"2026-11-24T15:00:01Z","type":"fill"}
]
{"event":"canceled","timestamp":"2026-11-24T15:00:02Z","order":{"id":"O-2","client_order_id":"C-2",
"status":"canceled","filled_qty":"0","replaced_by":null}}
{"stream":"authorization","data":{"status":"authorized"}}
"#;
