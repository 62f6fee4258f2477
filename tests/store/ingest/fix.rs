//! Reads FIX messages: the event that each becomes.

mod damage;
mod separators;
mod stream;
mod values;

use tradeblotter::ingest::{Event, FixReader, Format, Kind, Malformed, Number, ReadOptions};
use tradeblotter::{OrderStatus, OrderType, Side, TimeInForce};

use tradeblotter_test_support::{fix_by_account, noon};

/// An execution report with every field that the reader uses.
const FILL: &str = "35=8|34=7|49=BROKER|52=20261125-14:30:00.123|56=US|1=ACC-1|37=O-9|11=C-2|41=C-1|17=E-5|\
                    150=F|39=1|55=AAPL|54=1|38=300|40=2|44=229.90|126=20261125-21:00:00|32=100|31=229.875|\
                    30=XNAS|151=200|59=0|75=20261125|14=100|6=229.875|60=20261125-14:30:00.123456|12=1.25|13=3|15=USD|58=so be it|";

/// A message of this body, with a right length and checksum, as on the wire.
fn wire(body: &str) -> String {
    framed(&body.replace('|', "\x01"))
}

/// A message of this body, which has the separators of the wire.
fn framed(body: &str) -> String {
    let message = format!("8=FIX.4.4\x019={}\x01{body}", body.len());
    let sum = message.bytes().fold(0u8, u8::wrapping_add);
    format!("{message}10={sum:03}\x01")
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
    let all = read_with(fix_by_account(), text.as_bytes());
    all.into_iter().filter_map(Result::unwrap).collect()
}

/// The only event of some bytes.
fn event_in(bytes: &[u8], options: ReadOptions) -> Event<'_> {
    let mut all = read_with(FixReader::new(options), bytes);
    all.retain(|read| !matches!(read, Ok(None)));
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0).unwrap().unwrap()
}

/// Why the only message of a text has a defect.
fn defect_of(text: impl AsRef<[u8]>) -> String {
    let event = event_in(text.as_ref(), ReadOptions::default());
    event.defect.unwrap_or_else(|| panic!("{:?}", event.note))
}

/// Why the only message of a text is malformed.
fn malformed(text: impl AsRef<[u8]>) -> String {
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
    assert_eq!(event.sent_at.unwrap().to_rfc3339(), "2026-11-25T14:30:00.123+00:00");
    assert_eq!((event.sequence, event.time_in_force), (Some(7), Some(TimeInForce::Day)));
    assert_eq!(event.account.as_deref(), Some("ACC-1"));
    assert_eq!(event.trading_day.unwrap().to_string(), "2026-11-25");
    assert_eq!((event.error_code, event.note, event.defect), (None, None, None));
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

#[test]
fn reports_have_the_terms_that_an_order_created_from_them_needs() {
    let acknowledged = "35=8|150=0|39=0|37=O-1|1=ACC-1|15=GBp|18=G|54=4|59=1|75=20261120|110=200|";
    let terms = event_of(acknowledged, |event| {
        let instructions = event.instructions.as_ref().map(|kept| kept.to_string());
        (event.time_in_force, event.trading_day.map(|day| day.to_string()), instructions)
    });
    let instructions = r#"{"110":"200","18":"G","54":"4"}"#.to_owned();
    assert_eq!(terms, (Some(TimeInForce::Gtc), Some("2026-11-20".to_owned()), Some(instructions)));
    // A fill has the values that are folded only.
    let fill = "35=8|150=F|39=1|17=E-1|32=5|31=10|18=G|40=B|54=1|";
    let kept = event_of(fill, |event| event.instructions.as_ref().map(|kept| kept.to_string()));
    assert_eq!(kept, Some(r#"{"40":"B"}"#.to_owned()));
    let currency = event_of(acknowledged, |event| event.currency.clone().unwrap().into_owned());
    assert_eq!(currency, "GBp");
}

#[test]
fn the_leg_of_a_spread_has_no_effect_on_the_order_of_the_spread() {
    let report = |kind: &str| {
        let body = format!(
            "35=8|150=F|39=1|11=S-1|37=O-1|17=E-1|442={kind}|55=CLK6|54=2|38=2|40=2|44=70|32=2|31=70.45|14=2|6=1|"
        );
        event_of(&body, |event| {
            let shares = event.quantity.or(event.last_quantity).or(event.cumulative_quantity);
            let terms = (event.symbol.is_some(), event.side, event.price.or(shares).is_some());
            assert_eq!(event.client_order_id.as_deref(), Some("S-1"));
            assert_eq!((&event.note, &event.defect), (&None, &None));
            (event.kind, terms, event.status, event.average_price.is_some())
        })
    };
    let none = (Kind::Status, (false, None, false), None, false);
    assert_eq!(report("2"), none);
    for whole in ["1", "3"] {
        assert_eq!(report(whole).0, Kind::Fill);
    }
}

#[test]
fn the_trader_is_in_the_first_tag_of_the_list_that_is_not_blank() {
    let read = |tags: &str, body: &str| {
        let trader_from = tags.split(',').map(|tag| tag.parse().unwrap()).collect();
        let message = wire(body);
        let event = event_in(message.as_bytes(), ReadOptions { trader_from, ..Default::default() });
        assert_eq!((event.note, event.defect), (None, None), "{tags} {body}");
        event.trader.map(|trader| trader.into_owned())
    };
    let order = "35=D|49=DESK|56=BROKER|1= |11=C-1|440=FIRM|9001=ada|";
    let report = "35=8|49=BROKER|56=DESK|150=0|39=0|448=ada|447=D|448=bob|447=D|";
    let cases = [
        ("1", order, None),
        ("49/56", order, Some("DESK")),
        ("49/56", report, Some("DESK")),
        ("1,49/56", order, Some("DESK")),
        ("1,9001", order, Some("ada")),
        ("9001,49/56", report, Some("DESK")),
        ("109,440", order, Some("FIRM")),
        // Of a repeating group the first one counts.
        ("448", report, Some("ada")),
        ("56", "35=9|56=DESK|11=C-2|41=C-1|", Some("DESK")),
    ];
    for (tags, body, trader) in cases {
        assert_eq!(read(tags, body).as_deref(), trader, "{tags} {body}");
    }
    let twice = wire("35=8|150=0|39=0|9001=ada|9001=bob|");
    let by_tag = ReadOptions { trader_from: vec![9001.into()], ..Default::default() };
    let event = event_in(twice.as_bytes(), by_tag);
    assert_eq!(event.defect.as_deref(), Some("tag 9001 occurs twice"));
    assert_eq!(event.trader, None);
}

#[test]
fn a_trader_tag_is_a_number_or_two() {
    use tradeblotter::ingest::TraderTag;
    for text in ["1", "49/56", "9001/1"] {
        assert_eq!(text.parse::<TraderTag>().unwrap().to_string(), text);
    }
    assert_eq!("50/50".parse::<TraderTag>().unwrap(), 50.into());
    for text in ["", "0", "x", "1/", "/1", "1/2/3", "+1", " 1", "1,2", "1000000000"] {
        let error = text.parse::<TraderTag>().unwrap_err();
        assert!(error.is_invalid_input() && error.to_string().contains("49/56"), "{error}");
    }
}
