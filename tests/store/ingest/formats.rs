//! Events as NDJSON, CSV and Alpaca's JSON: written events read back the same, errors name the field, and
//! no input makes a reader panic.

use std::io::{self, Read};

use chrono::{DateTime, NaiveDate, TimeDelta};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use tradeblotter::ingest::{
    Alpaca, AnyFormat, Csv, Event, FormatName, Kind, Ndjson, Number, Reader, detect,
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

/// A reader that returns at most this many bytes at a time.
struct Trickle<'b>(&'b [u8], usize);

impl Read for Trickle<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.1.min(self.0.len()).min(into.len());
        into[..read].copy_from_slice(&self.0[..read]);
        self.0 = &self.0[read..];
        Ok(read)
    }
}

/// The result of an input: the events without their raw text, and the errors.
fn read(name: FormatName, input: impl Read) -> (Vec<Event<'static>>, Vec<String>) {
    let mut reader = Reader::new(input, AnyFormat::new(name, None));
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
        let _ = detect(bytes.as_slice());
        Ok(())
    });
}

#[test]
fn an_error_names_line_field_and_expected_value_and_the_rest_is_read() {
    let good = r#"{"kind":"status"}"#;
    for (line, complaint) in [
        (
            r#"{"kind":"fill","last_price":10.5}"#,
            "last_price is not text; expected text, for numbers too, because a JSON number is a float",
        ),
        (
            r#"{"kind":"fill","last_price":"1e5"}"#,
            "last_price is \"1e5\"; expected a plain decimal",
        ),
        (r#"{"kind":"fil"}"#, "kind is \"fil\"; expected one of new_order, approved"),
        (r#"{"symbol":"AAPL"}"#, "kind is missing"),
        (r#"{"kind":"fill","qty":"1"}"#, "qty is not a field of an event"),
        (r#"{"kind":"fill","at":"yesterday"}"#, "at is \"yesterday\"; expected a time"),
        (
            r#"{"kind":"fill","side":"buy"}"#,
            "side is \"buy\": side \"buy\" must be one of BUY SELL",
        ),
        (
            r#"{"kind":"new_order","trading_day":"today"}"#,
            "trading_day is \"today\"; expected a day such as 2026-11-25",
        ),
        (
            r#"{"kind":"new_order","instructions":{"110":200}}"#,
            "instructions has a value of \"110\" that is not text",
        ),
        (
            r#"{"kind":"new_order","instructions":{"110":"1","110":"2"}}"#,
            "instructions has \"110\" twice",
        ),
        (r#"{"kind":"new_order","symbol":{"110":"1"}}"#, "symbol is not text; expected text"),
        (r#"{"kind":"fill","kind":"fill"}"#, "kind occurs twice"),
        (r#"{"kind":"fill""#, "is not a JSON object"),
        (r#"[1]"#, "is not a JSON object"),
    ] {
        let input = format!("{good}\n\n{line}\n{good}\n");
        let (events, wrong) = read(FormatName::Ndjson, input.as_bytes());
        assert_eq!(events.len(), 2, "{line}");
        assert!(wrong[0].starts_with(&format!("line 3: not read: {complaint}")), "{wrong:?}");
        assert_eq!(wrong.len(), 1);
    }
    let header = "kind,last_price\n";
    for (row, complaint) in [
        ("fill,ten", "last_price is \"ten\""),
        ("fill,1,2", "has 3 values, but the header has 2"),
        (",1", "kind is missing"),
        ("\"fill\"x,1", "has text after the closing quote"),
    ] {
        let input = format!("{header}status,\n{row}\nstatus,\n");
        let (events, wrong) = read(FormatName::Csv, input.as_bytes());
        assert_eq!(events.len(), 2, "{row}");
        assert!(wrong[0].starts_with(&format!("line 3: not read: {complaint}")), "{wrong:?}");
    }
    let (events, wrong) = read(FormatName::Csv, &b"kind,qty\nfill,1\nfill,2\n"[..]);
    assert_eq!(events, []);
    assert!(wrong[0].starts_with("line 1: not read: the header has \"qty\""), "{wrong:?}");
    assert_eq!(wrong.len(), 1);
}

/// A fill and its order in a trade update, an activity, and an object that is neither.
const UPDATES: &str = r#"[
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

#[test]
fn alpacas_updates_and_activities_become_events() {
    let (events, wrong) = read(FormatName::Alpaca, UPDATES.as_bytes());
    assert_eq!(wrong, [""; 0]);
    let told: Vec<_> = events
        .iter()
        .map(|event| {
            format!(
                "{} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
                event.line,
                event.kind,
                event.client_order_id.as_deref().unwrap_or("-"),
                event.venue_order_id.as_deref().unwrap_or("-"),
                event.execution_id.as_deref().unwrap_or("-"),
                event.last_quantity,
                event.price,
                event.cumulative_quantity,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "2 Fill \"C {1}\" \"O-1\" \"X-1\" Some(Number(40)) Some(Number(10.50)) Some(Number(40))",
            "7 Fill \"-\" \"O-1\" \"A-1\" Some(Number(60)) None Some(Number(100))",
            "10 Cancelled \"C-2\" \"O-2\" \"-\" None None Some(Number(0))",
        ]
    );
    assert_eq!(detect(UPDATES.as_bytes()).unwrap().0, FormatName::Alpaca);

    let broken = "{\"event\":\"fill\",\n{\"event\":\"new\",\"order\":{\"id\":\"O-3\"}}\n";
    let (events, wrong) = read(FormatName::Alpaca, broken.as_bytes());
    assert_eq!((events.len(), wrong.len()), (1, 1), "{wrong:?}");
    let _ = Alpaca;
}
