//! Numbers, times and texts of fields, and what becomes of a report if one can't be read.

use tradeblotter::ingest::{Encoding, Kind, Number, ReadOptions};

use super::{event_in, event_of, events, wire};

#[test]
fn a_side_field_that_cannot_be_read_is_left_out_with_a_note() {
    let cases = [
        ("6=NaN|", "tag 6 (AvgPx) is \"NaN\"; expected a decimal"),
        ("12=1,25|", "tag 12 (Commission) is \"1,25\""),
        ("14=x|", "tag 14 (CumQty) is \"x\""),
        ("38=x|", "tag 38 (OrderQty) is \"x\""),
        ("39=Z|", "tag 39 (OrdStatus) is \"Z\"; expected 0 to 9 or A to E"),
        ("40=2|44=x|", "tag 44 (Price) is \"x\""),
        ("40=3|99=x|", "tag 99 (StopPx) is \"x\""),
        ("54=8|", "tag 54 (Side) is \"8\"; expected 1 or 3"),
        ("60=20261125 15:30:01 MET|", "tag 60 (TransactTime) is \"20261125 15:30:01 MET\""),
        ("75=25/11/2026|", "tag 75 (TradeDate) is \"25/11/2026\"; expected a day such as"),
        ("126=20260331|", "tag 126 (ExpireTime) is \"20260331\"; expected a UTC time"),
        ("34=-1|", "tag 34 (MsgSeqNum) is \"-1\"; expected a whole number"),
        ("39=3|151=x|", "tag 151 (LeavesQty) is \"x\""),
    ];
    for (field, expected) in cases {
        let body = format!("35=8|52=20261125-14:30:00|37=O-1|17=E-1|150=F|32=5|31=10|{field}");
        event_of(&body, |event| {
            let note = event.note.as_deref().unwrap_or_default();
            assert!(note.starts_with(expected) && note.ends_with("; it is left out"), "{note}");
            assert_eq!((event.kind, &event.defect), (Kind::Fill, &None), "{field}");
            assert_eq!(event.time().unwrap().to_rfc3339(), "2026-11-25T14:30:00+00:00");
        });
    }
}

#[test]
fn an_execution_needs_one_of_its_times() {
    let times = |times: &str| {
        let body = format!("35=8|37=O-1|17=E-1|150=F|32=5|31=10|{times}");
        event_of(&body, |event| (event.note.is_some(), event.defect.clone()))
    };
    let neither =
        "neither tag 60 (TransactTime) nor 52 (SendingTime) is a time of the years 1 to 9999"
            .to_owned();
    assert_eq!(times("52=20261125-14:30:00|60=now|"), (true, None));
    assert_eq!(times("52=then|60=20261125-14:30:00|"), (true, None));
    assert_eq!(times("52=then|60=now|"), (true, Some(neither.clone())));
    assert_eq!(times("60=now|"), (true, Some(neither)));
}

#[test]
fn numbers_may_have_exponents_and_zeros_at_the_end() {
    let cases = [
        ("1.6992E2", "169.92", 2),
        ("5.0005e+02", "500.05", 2),
        ("5.00050e+02", "500.050", 3),
        ("1E2", "100", 0),
        ("-1.5e1", "-15", 0),
        ("1.5e-3", "0.0015", 4),
        ("12.3400", "12.3400", 4),
        (".5", "0.5", 1),
        ("5.", "5", 0),
        ("5.e1", "50", 0),
        ("0e0", "0", 0),
        ("1e30", "1000000000000000000000000000000", 0),
        ("1e-30", "0.000000000000000000000000000001", 30),
    ];
    for (text, plain, places) in cases {
        let number = Number::new(text).unwrap_or_else(|| panic!("{text}"));
        assert_eq!(number.value().to_plain_string(), plain, "{text}");
        assert_eq!((number.as_str(), number.decimal_places()), (text, places), "{text}");
        assert_eq!(number.is_positive(), !plain.starts_with('-') && plain != "0", "{text}");
        assert_eq!(number.is_zero(), plain == "0", "{text}");
    }
    let long = format!("1{}e30", "0".repeat(20));
    for text in [
        "",
        "-",
        ".",
        "e5",
        "1e",
        "1e+",
        "1e31",
        "1e-31",
        "1e999999999",
        "1e1e1",
        "1e1.5",
        "+1",
        "1,5",
        "0x10",
        "1e 5",
        "NaN",
        "inf",
        "1e+-5",
        long.as_str(),
    ] {
        assert_eq!(Number::new(text), None, "{text}");
    }
    let shares = event_of("35=8|150=F|32=2E2|31=1.6992E2|12=-2.5e-1|", |event| {
        [event.last_quantity, event.last_price, event.rebate]
            .map(|n| n.unwrap().value().to_string())
    });
    assert_eq!(shares, ["200", "169.92", "0.25"]);
    // An execution without shares is none, however its 0 is written.
    assert_eq!(event_of("35=8|150=1|39=1|32=0E5|31=0|", |event| event.kind), Kind::Status);
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
        ("20261125-14:30:00Z", "2026-11-25T14:30:00+00:00"),
        ("20261125-15:30:00.000+01:00", "2026-11-25T14:30:00+00:00"),
        ("20261125-09:00:00-05:30", "2026-11-25T14:30:00+00:00"),
        ("20261126-00:30:00.5+10", "2026-11-25T14:30:00.500+00:00"),
        ("20170101-00:59:60+01:00", "2016-12-31T23:59:59.999999+00:00"),
    ];
    for (text, expected) in cases {
        let at = event_of(&format!("35=8|150=0|52=20000101-00:00:00|60={text}|"), |event| event.at);
        assert_eq!(at.unwrap().to_rfc3339(), expected, "{text}");
    }
    for text in [
        "20261125",
        "20261125 14:30:00",
        "20261125-14:30",
        "20261125-14:30:00.",
        "20261125-24:00:00",
        "20261125-14:30:61",
        "20250229-00:00:00",
        "20261125-14:30:00z",
        "20261125-14:30:00+",
        "20261125-14:30:00+15",
        "20261125-14:30:00+01:60",
        "20261125-14:30:00.5 +01",
        "2026112é-14:30:00",
    ] {
        let (at, time, note) =
            event_of(&format!("35=8|150=0|52=20000101-00:00:00|60={text}|"), |event| {
                (event.at, event.time(), event.note.clone())
            });
        // The time at which it was sent stands in.
        assert_eq!((at, time.unwrap().to_rfc3339().as_str()), (None, "2000-01-01T00:00:00+00:00"));
        assert!(note.unwrap().contains("tag 60"), "{text}");
    }
}

/// A report of this id in windows-1251, with a text.
fn cyrillic(id: &[u8], text: &[u8]) -> Vec<u8> {
    message(&[b"35=8\x01150=0\x0139=0\x0111=", id, b"\x0137=O-1\x0158=", text, b"\x01"].concat())
}

/// A message of these bytes, with a right length and checksum.
fn message(body: &[u8]) -> Vec<u8> {
    let mut message = format!("8=FIX.4.4\x019={}\x01", body.len()).into_bytes();
    message.extend_from_slice(body);
    let sum = message.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    message.extend_from_slice(format!("10={sum:03}\x01").as_bytes());
    message
}

#[test]
fn an_id_that_is_not_utf8_is_decoded_or_refused_and_never_replaced() {
    let windows =
        ReadOptions { encoding: Encoding::for_label(b"windows-1251"), ..Default::default() };
    let ids = [&b"\xc7\xe0\xff"[..], b"\xce\xf2\xec"];
    let decoded = ids.map(|id| {
        let bytes = cyrillic(id, b"\xe8\xf1");
        let event = event_in(&bytes, windows.clone());
        assert_eq!((&event.note, &event.defect), (&None, &None));
        assert_eq!(event.reason.as_deref(), Some("\u{438}\u{441}"));
        assert!(event.raw.contains("11=") && !event.raw.contains('\u{fffd}'));
        event.client_order_id.unwrap().into_owned()
    });
    assert_eq!(decoded, ["\u{417}\u{430}\u{44f}", "\u{41e}\u{442}\u{43c}"]);
    // Without an encoding it is refused, and the bytes are kept.
    let raws = ids.map(|id| {
        let bytes = cyrillic(id, b"-");
        let event = event_in(&bytes, ReadOptions::default());
        assert_eq!(event.client_order_id, None);
        assert_eq!(event.venue_order_id.as_deref(), Some("O-1"));
        let why = event.defect.unwrap();
        assert!(why.starts_with("tag 11 (ClOrdID) is \"\\x"), "{why}");
        assert!(why.ends_with("expected UTF-8; name the encoding of the messages with --encoding"));
        event.raw.into_owned()
    });
    assert!(raws[0].contains("11=\u{fffd}\\xc7\u{fffd}\\xe0\u{fffd}\\xff"), "{}", raws[0]);
    assert_ne!(raws[0], raws[1]);
    // Bytes that the encoding does not have.
    let japanese =
        ReadOptions { encoding: Encoding::for_label(b"shift_jis"), ..Default::default() };
    let bytes = cyrillic(b"\xff", b"-");
    assert!(event_in(&bytes, japanese).defect.unwrap().ends_with("expected Shift_JIS"));
}

#[test]
fn an_id_is_the_same_text_whatever_else_is_in_the_message() {
    let windows =
        ReadOptions { encoding: Encoding::for_label(b"windows-1251"), ..Default::default() };
    // These bytes are UTF-8 as well.
    let id = "\u{44f}".as_bytes();
    let with = |text: &[u8]| {
        let bytes = cyrillic(id, text);
        event_in(&bytes, windows.clone()).client_order_id.unwrap().into_owned()
    };
    assert_eq!(with(b"-"), with(b"\xe8\xf1"));
}

#[test]
fn the_encoding_that_a_message_names_counts() {
    let named = |label: &str| {
        message(
            &[b"35=8\x01150=0\x0139=0\x01347=", label.as_bytes(), b"\x0111=\x93\xfa\x01"].concat(),
        )
    };
    let bytes = named("Shift_JIS");
    let event = event_in(&bytes, ReadOptions::default());
    assert_eq!((event.client_order_id.as_deref(), event.defect), (Some("\u{65e5}"), None));
    for label in ["UTF-8", "UTF-16", "what"] {
        let bytes = named(label);
        let event = event_in(&bytes, ReadOptions::default());
        assert!(event.client_order_id.is_none() && event.defect.is_some(), "{label}");
    }
}

#[test]
fn a_text_that_is_not_utf8_is_left_out_with_a_note() {
    let bytes = message(b"35=8\x01150=F\x0117=E-1\x0132=5\x0131=1.5\x0158=caf\xe9\x01");
    let event = event_in(&bytes, ReadOptions::default());
    assert_eq!((event.reason, event.defect), (None, None));
    assert!(event.note.unwrap().starts_with("tag 58 (Text) is \"caf\\xe9\"; expected UTF-8"));
    assert_eq!(event.last_price.unwrap().to_string(), "1.5");
    assert_eq!(event.raw.matches("caf\u{fffd}\\xe9").count(), 1);
    // Fields that are not read may hold anything.
    let bytes = message(b"35=8\x01150=0\x0139=0\x01354=4\x01355=caf\xe9\x01");
    let event = event_in(&bytes, ReadOptions::default());
    assert_eq!((event.note, event.defect), (None, None));
}

#[test]
fn control_characters_reach_the_event_as_they_are() {
    let text = wire("35=8|150=4|39=4|11=A\tB|58=\x1b[31mred|");
    let event = events(&text).remove(0);
    assert_eq!(event.client_order_id.as_deref(), Some("A\tB"));
    assert_eq!(event.reason.as_deref(), Some("\x1b[31mred"));
}

#[test]
fn an_id_that_a_conversion_has_replaced_is_refused() {
    let text = wire("35=8|150=4|39=4|37=O-1|11=A\u{fffd}|58=caf\u{fffd}|");
    let event = events(&text).remove(0);
    assert_eq!(
        (event.client_order_id.as_deref(), event.reason.as_deref()),
        (None, Some("caf\u{fffd}"))
    );
    assert!(event.defect.unwrap().contains("which a conversion has replaced by U+FFFD"));
    let other = wire("35=8|150=4|39=4|11=A|58=caf\u{fffd}|");
    assert_eq!(events(&other)[0].defect, None);
}
