//! Reads FIX messages: the event that each becomes, and that a damaged message becomes none.

use std::io::{self, Read};

use proptest::prelude::*;
use tradeblotter::ingest::{Event, FixReader, Format, Kind, Malformed, Number, Reader};
use tradeblotter::{OrderStatus, OrderType, Side, TimeInForce};

use tradeblotter_test_support::{check, noon};

/// An execution report with every field that the reader uses.
const FILL: &str = "35=8|34=7|49=BROKER|52=20261125-14:30:00.123|56=US|1=ACC-1|37=O-9|11=C-2|41=C-1|17=E-5|\
                    150=F|39=1|55=AAPL|54=1|38=300|40=2|44=229.90|126=20261125-21:00:00|32=100|31=229.875|\
                    30=XNAS|151=200|14=100|6=229.875|60=20261125-14:30:00.123456|12=1.25|13=3|15=USD|58=so be it|";

/// A message of this body, with a right length and checksum, as on the wire.
fn wire(body: &str) -> String {
    let body = body.replace('|', "\x01");
    let message = format!("8=FIX.4.4\x019={}\x01{body}", body.len());
    let sum = message.bytes().fold(0u8, u8::wrapping_add);
    format!("{message}10={sum:03}\x01")
}

/// A reader that returns at most this many bytes at a time.
struct Trickle<'a>(&'a [u8], usize);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.1.min(buffer.len()).min(self.0.len());
        let (now, later) = self.0.split_at(length);
        buffer[..length].copy_from_slice(now);
        self.0 = later;
        Ok(length)
    }
}

/// Everything that is read of a stream, the events as text.
fn read_stream(input: impl Read, format: impl Format) -> (Vec<String>, Vec<Malformed>, u64) {
    let mut reader = Reader::new(input, format);
    let (mut events, mut malformed, mut bytes) = (Vec::new(), Vec::new(), 0);
    while let Some(batch) = reader.batch(2).unwrap() {
        events.extend(batch.events.iter().map(|event| format!("{event:?}")));
        malformed.extend(batch.malformed);
        bytes += batch.bytes;
    }
    (events, malformed, bytes)
}

/// The result of each unit of some bytes.
fn read_with<'a>(
    mut reader: FixReader,
    mut bytes: &'a [u8],
) -> Vec<Result<Option<Event<'a>>, Malformed>> {
    let (mut all, mut line) = (Vec::new(), 1);
    while let Some(end) = reader.cut(bytes, true).filter(|end| *end > 0) {
        let (unit, rest) = bytes.split_at(end);
        all.push(reader.read(unit, line));
        line += unit.iter().filter(|byte| **byte == b'\n').count() as u64;
        bytes = rest;
    }
    all
}

/// The events of a text; nothing in it may be malformed.
fn events(text: &str) -> Vec<Event<'_>> {
    let all = read_with(FixReader::new(Some(1)), text.as_bytes());
    all.into_iter().filter_map(Result::unwrap).collect()
}

/// The error of the only message of a text.
fn complaint(text: impl AsRef<[u8]>) -> String {
    let mut all = read_with(FixReader::default(), text.as_ref());
    all.retain(|read| !matches!(read, Ok(None)));
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0).unwrap_err().to_string()
}

/// A message of this body, read.
fn event_of<T>(body: &str, what: impl Fn(&Event<'_>) -> T) -> T {
    let message = wire(body);
    let events = events(&message);
    assert_eq!(events.len(), 1, "{body}");
    what(&events[0])
}

#[test]
fn every_field_of_a_report_is_taken_from_its_tag() {
    let message = wire(FILL);
    let event = events(&message).remove(0);
    let number = |number: Option<tradeblotter::ingest::Number<'_>>| number.unwrap().to_string();
    assert_eq!((event.kind, event.line), (Kind::Fill, 1));
    assert_eq!(event.trader.as_deref(), Some("ACC-1"));
    assert_eq!(event.client_order_id.as_deref(), Some("C-2"));
    assert_eq!(event.original_client_order_id.as_deref(), Some("C-1"));
    assert_eq!(event.venue_order_id.as_deref(), Some("O-9"));
    assert_eq!(event.execution_id.as_deref(), Some("E-5"));
    assert_eq!(event.symbol.as_deref(), Some("AAPL"));
    assert_eq!((event.side, event.order_type), (Some(Side::Buy), Some(OrderType::Limit)));
    assert_eq!((number(event.quantity), number(event.price)), ("300".into(), "229.90".into()));
    assert_eq!(number(event.last_quantity), "100");
    assert_eq!(number(event.last_price), "229.875");
    assert_eq!(number(event.cumulative_quantity), "100");
    assert_eq!(number(event.average_price), "229.875");
    assert_eq!(number(event.commission), "1.25");
    assert_eq!(event.currency.as_deref(), Some("USD"));
    assert_eq!(event.venue.as_deref(), Some("XNAS"));
    assert_eq!(event.status, Some(OrderStatus::Partial));
    assert_eq!(event.reason.as_deref(), Some("so be it"));
    assert_eq!(event.at.unwrap().to_rfc3339(), "2026-11-25T14:30:00.123456+00:00");
    assert_eq!(event.expires_at.unwrap().to_rfc3339(), "2026-11-25T21:00:00+00:00");
    assert_eq!((event.error_code, event.note), (None, None));
    assert_eq!(event.raw, message.as_str());
}

#[test]
fn each_exec_type_becomes_its_kind_of_event() {
    let cases = [
        ("150=0|39=0|", Kind::Acknowledged),
        ("150=F|39=1|32=5|31=1|", Kind::Fill),
        ("150=1|39=1|20=0|32=5|31=1|", Kind::Fill),
        ("150=2|39=2|32=5|31=1|", Kind::Fill),
        ("150=1|39=1|32=0|31=0.000|", Kind::Status),
        ("150=2|39=2|", Kind::Status),
        ("150=4|39=4|", Kind::Cancelled),
        ("150=5|39=5|", Kind::Replaced),
        ("150=8|39=8|", Kind::Rejected),
        ("150=8|", Kind::Rejected),
        // The first order continues.
        ("150=8|39=1|", Kind::Status),
        ("150=C|39=C|", Kind::Expired),
        ("150=G|39=1|19=E-1|32=5|31=1|", Kind::Correct),
        ("150=H|39=0|19=E-1|", Kind::Bust),
        ("150=3|39=3|151=5|", Kind::Status),
        ("150=3|39=3|", Kind::Status),
        ("150=3|39=3|151=0|", Kind::Cancelled),
        ("150=A|39=A|", Kind::PendingNew),
        ("150=6|39=6|", Kind::Status),
        ("150=7|39=7|", Kind::Status),
        ("150=9|39=9|", Kind::Status),
        ("150=B|39=B|", Kind::Status),
        ("150=D|39=0|", Kind::Restated),
        ("150=E|39=E|", Kind::Status),
        ("150=I|39=1|", Kind::Status),
        ("150=L|39=0|", Kind::Status),
        // FIX 4.2: tag 20 has the kind of the report, and 150 the state of the order.
        ("20=1|150=1|39=1|19=E-1|", Kind::Bust),
        ("20=2|150=2|39=2|19=E-1|32=5|31=1|", Kind::Correct),
        ("20=3|150=2|39=2|32=5|31=1|", Kind::Status),
        // FIX 4.0, which has no 150.
        ("20=0|39=0|", Kind::Acknowledged),
        ("20=0|39=1|32=5|31=1|", Kind::Fill),
        ("20=0|39=6|32=5|31=1|", Kind::Fill),
        ("20=0|39=6|", Kind::Status),
        ("20=0|39=2|32=0|", Kind::Status),
        ("20=0|39=4|", Kind::Cancelled),
        ("20=0|39=5|", Kind::Replaced),
        ("20=0|39=8|", Kind::Rejected),
        ("20=0|39=C|", Kind::Expired),
        ("20=0|39=3|151=0|", Kind::Cancelled),
        ("20=1|39=1|19=E-1|", Kind::Bust),
    ];
    for (body, kind) in cases {
        assert_eq!(event_of(&format!("35=8|{body}"), |event| event.kind), kind, "{body}");
    }
}

#[test]
fn orders_requests_and_cancel_rejects_become_events() {
    let cases = [
        ("35=D|11=C-1|55=AAPL|54=1|38=5|40=1|", Kind::NewOrder),
        ("35=9|11=C-2|41=C-1|39=1|102=0|434=1|58=too late|", Kind::CancelRejected),
        ("35=F|11=C-2|41=C-1|", Kind::Status),
        ("35=G|11=C-2|41=C-1|38=9|40=2|44=1|", Kind::Status),
        ("35=H|11=C-1|", Kind::Status),
        ("35=Q|37=O-1|17=E-1|127=A|", Kind::Status),
    ];
    for (body, kind) in cases {
        assert_eq!(event_of(body, |event| event.kind), kind, "{body}");
    }
    // Requested terms do not apply before the venue confirms them.
    assert_eq!(
        event_of(cases[3].0, |event| (event.quantity.is_none(), event.order_type)),
        (true, None)
    );
    assert_eq!(
        event_of(cases[1].0, |event| event.error_code.clone().unwrap().into_owned()),
        "102=0"
    );
    assert_eq!(event_of(cases[1].0, |event| event.status), None);
    assert!(
        event_of(cases[5].0, |event| event.note.clone()).unwrap().contains("\"E-1\" is disputed")
    );
}

#[test]
fn messages_of_other_types_are_skipped() {
    for text in ["", "\n\r\n\n", "no FIX here\n", "8=FIX is up\n", "connected 8=FIX.4.4 to X\n"] {
        assert!(events(text).is_empty(), "{text:?}");
    }
    for kind in ["0", "A", "5", "AE", "W", "8X"] {
        assert!(events(&wire(&format!("35={kind}|54=?|"))).is_empty(), "{kind}");
    }
}

#[test]
fn statuses_sides_and_types_that_the_store_does_not_have_are_none() {
    use OrderStatus::*;
    let statuses = [
        ("0", Some(Pending)),
        ("A", Some(Pending)),
        ("1", Some(Partial)),
        ("2", Some(Filled)),
        ("4", Some(Cancelled)),
        ("C", Some(Cancelled)),
        ("8", Some(Rejected)),
        ("3", None),
        ("5", None),
        ("6", None),
        ("E", None),
    ];
    for (code, status) in statuses {
        assert_eq!(
            event_of(&format!("35=8|150=I|39={code}|"), |event| event.status),
            status,
            "{code}"
        );
    }
    for (code, side) in [("1", Side::Buy), ("3", Side::Buy), ("2", Side::Sell), ("4", Side::Sell)]
        .into_iter()
        .chain([("5", Side::SellShort), ("6", Side::SellShortExempt)])
    {
        assert_eq!(event_of(&format!("35=D|54={code}|"), |event| event.side), Some(side), "{code}");
    }
    let types = [
        ("1", Some(OrderType::Market), None),
        ("2", Some(OrderType::Limit), Some("10")),
        ("3", Some(OrderType::Stop), Some("9")),
        ("4", Some(OrderType::Stop), Some("9")),
        ("5", Some(OrderType::Market), None),
        ("B", Some(OrderType::Limit), Some("10")),
        ("P", None, Some("10")),
        ("J", None, Some("10")),
    ];
    for (code, order_type, price) in types {
        let read = event_of(&format!("35=D|40={code}|44=10|99=9|"), |event| {
            let text = |number: Option<Number<'_>>| number.map(|number| number.to_string());
            (event.order_type, text(event.price), text(event.limit_price))
        });
        let limit = (code == "4").then(|| "10".to_owned());
        assert_eq!(read, (order_type, price.map(String::from), limit), "{code}");
    }
}

#[test]
fn a_commission_is_an_amount_and_never_a_rate() {
    for (body, commission) in [
        ("12=0.5|", Some("0.5")),
        ("12=0.5|13=3|", Some("0.5")),
        ("12=0.5|13=1|", None),
        ("12=0.5|13=2|", None),
    ] {
        let read = event_of(&format!("35=8|150=F|32=1|31=1|{body}"), |event| {
            event.commission.map(|number| number.to_string())
        });
        assert_eq!(read.as_deref(), commission, "{body}");
    }
}

#[test]
fn an_error_code_names_its_tag_and_the_order_id_none_is_no_id() {
    let body = "35=8|37=NONE|150=8|39=8|103=5|58=unknown order|";
    assert_eq!(
        event_of(body, |event| event.error_code.as_deref().map(str::to_owned)),
        Some("103=5".into())
    );
    assert!(event_of(body, |event| event.venue_order_id.is_none()));
}

#[test]
fn every_separator_gives_the_same_event() {
    let message = wire(FILL);
    let expected = events(&message).remove(0);
    for separator in ["|", ";", "^A", " | ", " |", "; ", " ^A "] {
        let text = message.replace('\x01', separator);
        let all = events(&text);
        assert_eq!(all.len(), 1, "{separator:?}");
        let same = Event { raw: expected.raw.clone(), ..all[0].clone() };
        assert_eq!(same, expected, "{separator:?}");
    }
}

#[test]
fn a_text_may_contain_the_separator_that_a_log_prints() {
    let message = wire("35=8|150=4|39=4|58=a~b; c|37=O-1|").replace(['\x01', '~'], "|");
    let event = events(&message).remove(0);
    assert_eq!(event.reason.as_deref(), Some("a|b; c"));
    assert_eq!(event.venue_order_id.as_deref(), Some("O-1"));
    assert!(event.note.is_some());
}

#[test]
fn a_data_field_may_contain_the_separator() {
    let raw = "35=8|150=4|39=4|95=14|96=a\x0110=000\x0138=7|37=O-1|";
    let length = "a\x0110=000\x0138=7".len();
    let message = wire(&raw.replace("95=14", &format!("95={length}")));
    let event = events(&message).remove(0);
    assert_eq!((event.quantity, event.venue_order_id.as_deref()), (None, Some("O-1")));
    assert_eq!(event.note, None);
}

#[test]
fn messages_are_found_anywhere_on_a_line() {
    let (one, two) = (wire("35=8|37=1|150=0|39=0|"), wire("35=8|37=2|150=0|39=0|"));
    let heartbeat = wire("35=0|");
    let ids = |text: &str| {
        let ids = events(text).into_iter().map(|event| {
            (event.venue_order_id.unwrap().into_owned(), event.line, event.note.is_some())
        });
        ids.collect::<Vec<_>>()
    };
    let is = |lines: [u64; 2]| vec![("1".into(), lines[0], false), ("2".into(), lines[1], false)];
    for separator in ["\x01", "|", "^A", " | "] {
        let [one, two, heartbeat] =
            [&one, &two, &heartbeat].map(|message| message.replace('\x01', separator));
        assert_eq!(ids(&format!("{one}{heartbeat}{two}")), is([1, 1]), "{separator:?}");
        assert_eq!(ids(&format!("{one}\n{two}\n")), is([1, 2]));
        assert_eq!(ids(&format!("\n\n{one}\r\n\r\n{two}")), is([3, 5]));
        assert_eq!(ids(&format!("12:00 in: {one} (sent)\n12:01 {heartbeat}\n<{two}>")), is([1, 3]));
        // The last separator is lost where lines are trimmed.
        let trimmed = one.trim_end_matches(separator);
        assert_eq!(ids(&format!("x=1 {trimmed}\n{}", two.trim_end_matches(separator))), is([1, 2]));
    }
}

#[test]
fn a_truncated_message_is_no_event_and_the_next_one_is_read() {
    let (message, next) = (wire(FILL), wire("35=8|37=2|150=0|39=0|"));
    for separator in ["\x01", "|", "^A", " | "] {
        let message = message.replace('\x01', separator);
        let next = next.replace('\x01', separator);
        // The last separator may be missing.
        for end in 0..message.rfind("10=").unwrap() + "10=123".len() {
            for glue in ["", "\n"] {
                let text = format!("{}{glue}{next}", &message[..end]);
                let read = read_with(FixReader::default(), text.as_bytes());
                let ids =
                    read.iter().flatten().flatten().map(|event| event.venue_order_id.as_deref());
                assert_eq!(ids.collect::<Vec<_>>(), [Some("2")], "{text:?}");
                // An error is reported as soon as the text is recognizable as a message.
                let is_told = read.iter().any(Result::is_err);
                assert!(is_told || end <= 9 + separator.len(), "{text:?}");
            }
        }
    }
}

#[test]
fn a_wrong_length_or_checksum_is_noted_and_the_event_kept() {
    let message = wire(FILL);
    let trailer = message.rfind("10=").unwrap();
    let right = &message[trailer + 3..trailer + 6];
    let wrong = if right == "000" { "001" } else { "000" };
    for separator in ["\x01", "|", ";", "^A", " | "] {
        let edited = message.replace("AAPL", "AAPX").replace('\x01', separator);
        let note = events(&edited)[0].note.clone().unwrap();
        assert!(note.contains(&format!("tag 10 (CheckSum) is \"{right}\", but")), "{note}");

        let longer = message.replace("AAPL", "AAPLE").replace('\x01', separator);
        let note = events(&longer)[0].note.clone().unwrap();
        assert!(note.starts_with("tag 9 (BodyLength) is ") && note.contains("; tag 10"), "{note}");

        let other = format!("{}10={wrong}\x01", &message[..trailer]).replace('\x01', separator);
        assert!(events(&other)[0].note.is_some());
        let strict = read_with(FixReader::default().strict(), other.as_bytes());
        let why = strict[0].clone().unwrap_err().to_string();
        assert!(why.starts_with("line 1: not read: this message is damaged: tag 10"), "{why}");
    }
    let without = "8=FIX.4.2|35=8|150=0|39=0|10=1~".replace('~', "");
    assert!(complaint(without).contains("tag 10 (CheckSum) is \"1\"; expected three digits"));
    let strict = read_with(FixReader::new(None).strict(), message.as_bytes());
    assert!(matches!(&strict[..], [Ok(Some(_))]));
}

#[test]
fn an_error_names_the_line_the_tag_and_the_value() {
    let report = |body: &str| complaint(format!("\n{}", wire(&format!("35=8|{body}"))));
    let cases = [
        (report("150=F|32=1|31=1,5|"), "tag 31 (LastPx) is \"1,5\"; expected a plain decimal"),
        (report("150=F|31=1|"), "tag 32 (LastQty) is missing"),
        (report("150=F|32=1|"), "tag 31 (LastPx) is missing"),
        (report("150=F|32=1e5|31=1|"), "tag 32 (LastQty) is \"1e5\""),
        (report("150=H|32=1|31=1|"), "tag 19 (ExecRefID) is missing"),
        (report("150=Z|39=0|"), "tag 150 (ExecType) is \"Z\"; expected 0 to 9 or A to N"),
        (report("11=x|"), "tag 150 (ExecType) is missing"),
        (report("150=0|39=Z|"), "tag 39 (OrdStatus) is \"Z\""),
        (report("20=9|150=0|"), "tag 20 (ExecTransType) is \"9\"; expected 0 to 3"),
        (report("150=0|54=8|"), "tag 54 (Side) is \"8\"; expected 1 or 3 for a buy"),
        (
            report("150=0|60=yesterday|"),
            "tag 60 (TransactTime) is \"yesterday\"; expected a UTC time",
        ),
        (report("150=0|60=20261325-00:00:00|"), "tag 60 (TransactTime)"),
        (report("150=0|what|"), "this message has a field without a tag, \"what\""),
        (report("150=0||"), "this message has a field without a tag, \"\""),
        (report("150=0|8=FIX.4.4|"), "this message runs into another one"),
        (complaint(format!("\n{}", wire("11=x|"))), "tag 35 (MsgType) is missing"),
        (complaint("\n8=FIX.4.4,9=5,35=8,"), "the fields of this message are separated as in"),
        (complaint("\n8=FIX.4.4"), "this message is cut off after its BeginString"),
    ];
    for (complaint, expected) in cases {
        assert!(complaint.starts_with(&format!("line 2: not read: {expected}")), "{complaint}");
    }
    let long = report(&format!("150=F|31=1|32={}|", "9".repeat(500)));
    assert!(long.len() < 200, "{long}");
}

#[test]
fn times_are_read_to_the_nanosecond_and_a_leap_second_stays_in_its_day() {
    let cases = [
        ("20261125-14:30:00", "2026-11-25T14:30:00+00:00"),
        ("20261125-14:30:00.5", "2026-11-25T14:30:00.500+00:00"),
        ("20261125-14:30:00.123456789", "2026-11-25T14:30:00.123456789+00:00"),
        ("20261125-14:30:00.123456789012", "2026-11-25T14:30:00.123456789+00:00"),
        ("20161231-23:59:60", "2016-12-31T23:59:59.999999+00:00"),
        ("20161231-23:59:60.250", "2016-12-31T23:59:59.999999+00:00"),
        ("20240229-00:00:00", "2024-02-29T00:00:00+00:00"),
    ];
    for (text, expected) in cases {
        let at = event_of(&format!("35=8|150=0|52=20000101-00:00:00|60={text}|"), |event| event.at);
        assert_eq!(at.unwrap().to_rfc3339(), expected, "{text}");
    }
    let sent = event_of("35=8|150=0|52=20000101-00:00:00|", |event| event.time());
    assert_eq!(sent.unwrap().to_rfc3339(), "2000-01-01T00:00:00+00:00");
    for text in [
        "20261125",
        "20261125 14:30:00",
        "20261125-14:30",
        "20261125-14:30:00.",
        "20261125-24:00:00",
        "20261125-14:30:61",
        "20250229-00:00:00",
        "20261125-14:30:00Z",
        "2026112é-14:30:00",
    ] {
        assert!(complaint(wire(&format!("35=8|150=0|60={text}|"))).contains("tag 60"), "{text}");
    }
}

#[test]
fn bytes_that_are_not_utf8_are_replaced_and_numbers_are_still_read() {
    let mut message = wire("35=8|150=F|32=5|31=1.5|58=caf?|").into_bytes();
    let at = message.windows(4).position(|four| four == b"caf?").unwrap();
    message[at + 3] = 0xe9;
    let all = read_with(FixReader::default(), &message);
    let event = all[0].clone().unwrap().unwrap();
    assert_eq!(event.reason.as_deref(), Some("caf\u{fffd}"));
    assert_eq!(event.last_price.unwrap().to_string(), "1.5");
}

#[test]
fn the_first_value_of_a_repeated_tag_is_read() {
    let read = event_of("35=8|150=0|37=O-1|38=5|38=6|37=O-2|", |event| {
        (event.quantity.unwrap().to_string(), event.venue_order_id.clone().unwrap().into_owned())
    });
    assert_eq!(read, ("5".into(), "O-1".into()));
}

/// A log of a few messages with other text around and in them, and one message for each kind of defect.
fn log() -> Vec<u8> {
    let (fill, new) = (wire(FILL), wire("35=8|37=2|150=0|39=0|58=8=FIX.4.4|"));
    let mut log = format!("14:30 in {fill}{new}\n\n{}\n", new.replace('\x01', "|")).into_bytes();
    log.extend(
        format!("{} end\r\n{}", fill.replace('\x01', "^A"), fill.replace("AAPL", "X")).bytes(),
    );
    log.extend(format!("{}{}\n", &fill[..90], fill.replace('\x01', " | ")).bytes());
    log.extend(format!("{}\n8=FIX.4.4|9=99999|35=8|\n{new}", wire("35=0|")).bytes());
    log
}

#[test]
fn the_events_do_not_depend_on_how_the_input_is_chunked() {
    let log = log();
    let whole = read_stream(&log[..], FixReader::default());
    assert_eq!((whole.0.len(), whole.1.len(), whole.2), (7, 2, log.len() as u64));
    for step in 1..200 {
        assert_eq!(read_stream(Trickle(&log, step), FixReader::default()), whole, "{step}");
    }
}

#[test]
fn a_unit_that_is_too_long_is_skipped_however_the_input_is_chunked() {
    let long = format!("{}\n{}\n{}", wire(FILL), "x".repeat(300_000), wire(FILL));
    for step in [1000, 70_000, 1 << 20] {
        let (events, malformed, bytes) =
            read_stream(Trickle(long.as_bytes(), step), FixReader::default());
        assert_eq!((events.len(), malformed.len(), bytes), (2, 1, long.len() as u64), "{step}");
        assert_eq!(malformed[0].line, 2);
        assert!(events[1].contains("line: 3,"), "{}", events[1]);
    }
}

#[test]
fn no_input_makes_the_reader_panic_or_miscount_its_bytes() {
    let hostile = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..400),
        "(8=FIX[T.4]{0,4}|[0-9]{1,3}=|[|\x01;^A \n=0-9.A-]{1,4}|9=[0-9]{1,20}|10=[0-9]{3}|35=8|95=[0-9]{1,20}|96=){0,40}"
            .prop_map(String::into_bytes),
    ];
    check(500, (hostile, 1usize..9), |(bytes, step)| {
        let whole = read_stream(&bytes[..], FixReader::new(Some(1)));
        prop_assert_eq!(whole.2, bytes.len() as u64);
        prop_assert_eq!(read_stream(Trickle(&bytes, step), FixReader::new(Some(1))), whole);
        Ok(())
    });
}

#[test]
fn no_change_of_a_log_makes_the_reader_panic_and_a_strict_reader_accepts_no_changed_message() {
    let log = log();
    let edits = prop::collection::vec(
        (0..log.len(), 0usize..3, prop_oneof![any::<u8>(), Just(1), Just(b'|')]),
        1..6,
    );
    check(500, (edits, 1usize..50), |(edits, step)| {
        let mut bytes = log.clone();
        for (at, edit, byte) in edits {
            let at = at.min(bytes.len() - 1);
            match edit {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        let whole = read_stream(&bytes[..], FixReader::default());
        prop_assert_eq!(whole.2, bytes.len() as u64);
        prop_assert_eq!(read_stream(Trickle(&bytes, step), FixReader::default()), whole);
        Ok(())
    });
    let message = wire(FILL);
    check(500, (0..message.len(), any::<u8>()), |(at, byte)| {
        let mut bytes = message.clone().into_bytes();
        prop_assume!(bytes[at] != byte && at > 8 && at + 1 < bytes.len());
        bytes[at] = byte;
        let read = read_with(FixReader::default().strict(), &bytes);
        prop_assert!(!read.iter().any(|read| matches!(read, Ok(Some(_)))), "{:?}", read);
        Ok(())
    });
}

#[test]
fn the_terms_of_a_new_order_are_kept_in_full() {
    let order = "35=D|1=ACC-1|15=USD|18=G|40=4|44=10|54=3|59=1|60=20261120-12:00:00|99=9|110=200|432=20261201|";
    let terms = event_of(order, |event| {
        let instructions = event.instructions.as_ref().map(|kept| kept.to_string());
        (
            event.account.as_deref().map(str::to_owned),
            event.currency.as_deref().map(str::to_owned),
            event.time_in_force,
            event.received_at,
            event.limit_price.map(|price| price.to_string()),
            instructions,
        )
    });
    assert_eq!(
        terms,
        (
            Some("ACC-1".to_owned()),
            Some("USD".to_owned()),
            Some(TimeInForce::Gtc),
            Some(noon()),
            Some("10".to_owned()),
            // The side 3, buy minus, is folded into BUY.
            Some(r#"{"110":"200","18":"G","432":"20261201","54":"3"}"#.to_owned()),
        )
    );
    // A time in force that the store does not have is kept as it was sent.
    let other = event_of("35=D|59=A|", |event| {
        (event.time_in_force, event.instructions.as_ref().map(|kept| kept.to_string()))
    });
    assert_eq!(other, (None, Some(r#"{"59":"A"}"#.to_owned())));
}

#[test]
fn a_commission_below_zero_is_a_rebate() {
    let fees = |fee: &str| {
        event_of(&format!("35=8|150=F|17=E-1|32=5|31=10|12={fee}|"), |event| {
            (event.commission.map(|n| n.to_string()), event.rebate.map(|n| n.to_string()))
        })
    };
    assert_eq!(fees("0.25"), (Some("0.25".to_owned()), None));
    assert_eq!(fees("-0.25"), (None, Some("0.25".to_owned())));
}
