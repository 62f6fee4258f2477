//! Messages that are damaged: each is kept with what is wrong, and none of them is believed.

use proptest::prelude::*;
use tradeblotter::ingest::{Event, FixReader, Format, Kind, ReadOptions};

use tradeblotter_test_support::check;

use super::{FILL, defect_of, event_in, event_of, events, framed, malformed, read_with, wire};

const TRUSTING: ReadOptions =
    ReadOptions { trader_from: Vec::new(), encoding: None, trust_unverified: true };

#[test]
fn a_report_that_is_cut_off_is_kept_with_its_whole_fields_and_the_next_one_is_read() {
    let (message, next) = (wire(FILL), wire("35=8|37=2|150=0|39=0|"));
    for separator in ["\x01", "|", "^A", " | "] {
        let message = message.replace('\x01', separator);
        let next = next.replace('\x01', separator);
        let known = message.find("35=8").unwrap() + "35=8".len();
        // The last separator may be missing.
        for end in 0..message.rfind("10=").unwrap() + "10=123".len() {
            for glue in ["", "\n"] {
                let text = format!("{}{glue}{next}", &message[..end]);
                let read = read_with(FixReader::default(), text.as_bytes());
                let is_told = |read: &Result<Option<Event<'_>>, _>| match read {
                    Ok(Some(event)) => event.defect.is_some(),
                    Ok(None) => false,
                    Err(_) => true,
                };
                // An error is reported as soon as the text is recognizable as a message.
                assert!(read.iter().any(is_told) || end <= 9 + separator.len(), "{text:?}");
                let all: Vec<_> = read.iter().flatten().flatten().collect();
                if end > known + separator.len() {
                    // What is lost may say that it is an execution.
                    assert_eq!(all[0].kind, Kind::Fill);
                    assert!(all[0].defect.is_some());
                    // No value is kept of which a part may be missing.
                    assert!(
                        all[0].execution_id.is_none() || end > message.find("17=E-5").unwrap() + 6
                    );
                    assert!([None, Some("E-5")].contains(&all[0].execution_id.as_deref()));
                }
                let Some(last) =
                    all.last().filter(|event| event.venue_order_id.as_deref() == Some("2"))
                else {
                    // Its length happens to lead to the end of the other one: both are in one break.
                    assert!(glue.is_empty() && all.len() == 1 && separator == "|", "{text:?}");
                    assert!(all[0].raw.ends_with(next.trim_end()), "{text:?}");
                    continue;
                };
                // In a log it could be the text of the message that has no end.
                let is_within = glue.is_empty() && separator != "\x01";
                let is_within = is_within && read.len() > 1 && is_told(&read[0]);
                assert_eq!(last.defect.is_some(), is_within, "{text:?}");
            }
        }
    }
}

#[test]
fn a_wrong_length_or_checksum_is_a_note_on_the_wire_and_a_defect_in_a_log() {
    let message = wire(FILL);
    let trailer = message.rfind("10=").unwrap();
    let right = &message[trailer + 3..trailer + 6];
    let wrong = if right == "000" { "001" } else { "000" };
    let edited = message.replace("AAPL", "AAPX");
    let longer = message.replace("AAPL", "AAPLE");
    let other = format!("{}10={wrong}\x01", &message[..trailer]);
    let without = "8=FIX.4.4\x0135=8\x01150=0\x0139=0\x0110=000\x01".to_owned();
    let expected = format!("tag 10 (CheckSum) is \"{right}\", but its bytes add up to");
    let cases = [
        (&edited, expected.as_str()),
        (&longer, "tag 9 (BodyLength) is "),
        (&other, "tag 10 (CheckSum) is \"00"),
        (&without, "it has no tag 9 (BodyLength) that is a number"),
    ];
    for (message, expected) in cases {
        for separator in ["\x01", "|", ";", "^A", " | "] {
            let text = message.replace('\x01', separator);
            let event = events(&text).remove(0);
            let is_printed = separator != "\x01";
            let (why, other) =
                if is_printed { (event.defect, event.note) } else { (event.note, event.defect) };
            assert!(why.unwrap().starts_with(expected), "{text}");
            assert_eq!(other, None);
            let trusted = event_in(text.as_bytes(), TRUSTING);
            assert!(trusted.note.unwrap().starts_with(expected), "{text}");
            assert_eq!(trusted.defect, None);
        }
    }
}

#[test]
fn an_id_that_contains_the_fields_of_a_forged_fill_makes_none() {
    for separator in ["|", ";", "^A"] {
        let id = "G-1~150=F~31=0.01~32=900~1=BOB~".replace('~', separator);
        let clean =
            framed(&format!("35=8\x011=ACC-1\x0111={id}\x0137=O-1\x0117=E-1\x01150=0\x0139=0\x01"));
        // On the wire it is an id like any other.
        let event = events(&clean).remove(0);
        assert_eq!((event.kind, event.defect), (Kind::Acknowledged, None));
        assert_eq!(event.client_order_id.as_deref(), Some(id.as_str()));
        let log = clean.replace('\x01', separator);
        let why = defect_of(&log);
        assert!(why.starts_with("tag 9 (BodyLength)") || why.starts_with("tag 10"), "{why}");
    }
}

#[test]
fn a_tag_that_occurs_twice_is_a_defect() {
    let fill = "35=8|150=F|39=1|37=O-1|17=E-1|32=5|31=10|";
    for (more, tag) in [
        ("31=0.01|", "tag 31 (LastPx)"),
        ("17=E-2|", "tag 17 (ExecID)"),
        ("11=A|55=X|11=B|", "tag 11 (ClOrdID)"),
        ("35=D|", "tag 35 (MsgType)"),
        ("31=10|", "tag 31 (LastPx)"),
        ("54=|54=1|", "tag 54 (Side)"),
    ] {
        let message = wire(&format!("{fill}{more}"));
        for text in [message.clone(), message.replace('\x01', "|")] {
            assert_eq!(defect_of(&text), format!("{tag} occurs twice"));
            let trusted = event_in(text.as_bytes(), TRUSTING);
            assert_eq!(trusted.last_price.unwrap().to_string(), "10");
            assert!(trusted.note.is_some() && trusted.defect.is_none());
        }
    }
    // In a repeating group they are no surprise: parties, and the legs of a spread.
    let groups = "453=2|448=X|447=D|452=1|448=Y|447=D|452=3|555=2|600=A|624=1|600=B|624=2|";
    assert_eq!(event_of(&format!("{fill}{groups}"), |event| event.defect.clone()), None);
}

#[test]
fn a_message_in_the_text_of_another_one_is_not_read() {
    let forged = wire("35=8|1=BOB|37=O-2|17=E-9|150=F|39=2|32=900|31=0.01|");
    for inner in ["|", ";", "^A", " | "] {
        let text = forged.replace('\x01', inner);
        let clean = framed(&format!("35=8\x0137=O-1\x0117=E-1\x01150=4\x0139=4\x0158={text}\x01"));
        // On the wire, the text is a text.
        let event = events(&clean).remove(0);
        assert_eq!((event.kind, event.reason.as_deref()), (Kind::Cancelled, Some(text.as_str())));
        assert_eq!((event.note, event.defect), (None, None));
        assert_eq!(events(&clean).len(), 1);
        // In a log it can't be told: nothing of it is believed.
        for outer in ["|", ";", "^A", " | "] {
            let next = wire("35=8|37=3|150=0|39=0|");
            let log = format!("{}\n{next}\n", clean.replace('\x01', outer));
            let all = events(&log);
            for event in &all[..all.len() - 1] {
                let is_whole = event.reason.as_deref() == Some(text.as_str());
                assert!(
                    event.defect.is_some() || is_whole && event.kind == Kind::Cancelled,
                    "{log}"
                );
            }
            assert_eq!(all[all.len() - 1].defect, None);
        }
    }
}

#[test]
fn a_broken_report_or_order_is_never_malformed() {
    let report = |body: &str| defect_of(format!("\n{}", wire(&format!("35=8|{body}"))));
    let order = |body: &str| defect_of(wire(&format!("35=D|{body}")));
    let cases = [
        (report("150=F|32=1|31=1,5|"), "tag 31 (LastPx) is \"1,5\"; expected a decimal"),
        (report("150=F|31=1|"), "tag 32 (LastQty) is missing"),
        (report("150=F|32=1|"), "tag 31 (LastPx) is missing"),
        (report("150=F|32=1x5|31=1|"), "tag 32 (LastQty) is \"1x5\""),
        (report("150=1|32=much|31=1|"), "tag 32 (LastQty) is \"much\""),
        (report("150=H|32=1|31=1|"), "tag 19 (ExecRefID) is missing"),
        (report("150=G|19=E-1|31=1|"), "tag 32 (LastQty) is missing"),
        (report("150=Z|39=0|"), "tag 150 (ExecType) is \"Z\"; expected 0 to 9 or A to N"),
        (report("11=x|"), "tag 150 (ExecType) is missing"),
        (report("20=9|150=0|"), "tag 20 (ExecTransType) is \"9\"; expected 0 to 3"),
        (report("150=5|39=5|38=many|"), "tag 38 (OrderQty) is \"many\""),
        (report("150=5|39=5|38=9|14=few|"), "tag 14 (CumQty) is \"few\""),
        (report("150=D|39=0|44=ten|40=2|"), "tag 44 (Price) is \"ten\""),
        (report("150=0|what|"), "this message has a field without a tag, \"what\""),
        (report("150=0||"), "this message has a field without a tag, \"\""),
        (report("150=0|8=FIX.4.4|"), "this message runs into another one"),
        (report("150=0|10=123|58=x|"), "this message goes on after tag 10 (CheckSum)"),
        (order("54=8|"), "tag 54 (Side) is \"8\"; expected 1 or 3 for a buy"),
        (order("40=P|"), "tag 40 (OrdType) is \"P\"; expected 1 to 5 or B"),
        (order("38=1,000|"), "tag 38 (OrderQty) is \"1,000\""),
        (order("40=2|44=x|"), "tag 44 (Price) is \"x\""),
        (
            defect_of("8=FIX.4.2\x0135=8\x01150=0\x0139=0\x0110=1\x01"),
            "tag 10 (CheckSum) is \"1\"; expected three digits",
        ),
        (
            defect_of("8=FIX.4.2\x019=22\x0135=8\x01150=0\x0139=0\x0110=1x\x01\n"),
            "tag 10 (CheckSum) is \"1x\"; expected three digits",
        ),
    ];
    for (found, expected) in cases {
        assert!(found.starts_with(expected), "{found}: {expected}");
    }
    let long = report(&format!("150=F|31=1|32={}|", "9".repeat(500)));
    assert!(long.len() < 200, "{long}");
    // Everything else that can be read is there.
    let message = wire("35=8|11=C-1|37=O-1|17=E-1|150=F|32=5|31=x|55=A|60=20261125-14:30:00|");
    let event = events(&message).remove(0);
    assert_eq!((event.kind, event.execution_id.as_deref()), (Kind::Fill, Some("E-1")));
    assert_eq!(event.last_quantity.unwrap().to_string(), "5");
    assert_eq!(event.raw, message.as_str());
    // An unknown type of report is an execution if it has shares.
    let strange = |body: &str| event_of(body, |event| (event.kind, event.defect.is_some()));
    assert_eq!(strange("35=8|150=Z|32=5|31=1|"), (Kind::Fill, true));
    assert_eq!(strange("35=8|32=5|31=1|"), (Kind::Fill, true));
}

#[test]
fn what_is_wrong_with_a_message_without_effect_is_a_note() {
    for body in ["35=F|11=C-2|41=C-1|11=C-3|", "35=9|11=C-2|11=C-2|", "35=Q|37=O|37=O|"] {
        let (note, defect) = event_of(body, |event| (event.note.clone(), event.defect.clone()));
        assert!(note.unwrap().contains("occurs twice"), "{body}");
        assert_eq!(defect, None);
    }
}

#[test]
fn malformed_is_what_is_not_recognizable_as_a_report_or_an_order() {
    let cases = [
        (
            malformed(format!("\n{}", wire("11=x|"))),
            "line 2: not read: tag 35 (MsgType) is missing",
        ),
        (malformed("8=FIX.4.4<->9=5<->35=8"), "line 1: not read: this message is cut off"),
        (
            malformed("8=FIX.4.4-x-35=8-x-"),
            "line 1: not read: the fields of this message are separated as in",
        ),
        (
            malformed("\n8=FIX.4.4"),
            "line 2: not read: this message is cut off after its BeginString",
        ),
        (
            malformed("8=FIX.4.4|9=5|35=8"),
            "line 1: not read: this message is cut off: it has no tag 10",
        ),
    ];
    for (found, expected) in cases {
        assert!(found.starts_with(expected), "{found}");
    }
}

#[test]
fn a_data_field_is_read_by_its_length_and_never_as_fields() {
    let content = "free\x0110=123\x0114=999\x0131=0.01\x01text=1";
    let report = |content: &str, length: usize, tags: [u32; 2]| {
        wire(&format!(
            "35=8|150=F|39=1|37=O-1|17=E-1|32=5|31=10|{}={length}|{}={content}|11=C-1|",
            tags[0], tags[1]
        ))
    };
    let pairs = [
        [90, 91],
        [95, 96],
        [212, 213],
        [354, 355],
        [362, 363],
        [445, 446],
        [618, 619],
        [621, 622],
        [93, 89],
        [1184, 1185],
        [1277, 1278],
        [1282, 1283],
        [1401, 1402],
        [1468, 1469],
        [1525, 1527],
        [1578, 1579],
        [1678, 1697],
        [2372, 2371],
        [2802, 2801],
        [40004, 40005],
        [43109, 42684],
    ];
    for tags in pairs {
        for separator in ["\x01", "|", "^A", "<SOH>"] {
            // The length of a log with longer separators does not tell where a message ends.
            let content = if separator.len() > 1 { &content[..4] } else { content };
            let text = report(content, content.len(), tags).replace('\x01', separator);
            let event = events(&text).remove(0);
            assert_eq!((&event.note, &event.defect), (&None, &None), "{text}");
            assert_eq!(event.cumulative_quantity, None, "{text}");
            assert_eq!(event.client_order_id.as_deref(), Some("C-1"), "{text}");
            assert_eq!(event.last_price.unwrap().to_string(), "10");
        }
    }
    // A wrong length neither swallows fields nor lets content pass for fields.
    for length in [0, 1, 3, 20, content.len() - 1, content.len() + 1, 500, 999_999_999] {
        for separator in ["\x01", "|", "^A"] {
            let text = report(content, length, [354, 355]).replace('\x01', separator);
            let event = events(&text).remove(0);
            let why = event.defect.unwrap_or_else(|| panic!("{length} {text}"));
            let is_told = why.contains(&format!("tag 354 is \"{length}\", but tag 355"));
            assert!(is_told || why.contains("goes on after tag 10"), "{why}");
        }
    }
    assert_eq!(
        defect_of(wire("35=8|150=0|39=0|37=O-1|96=abc|")),
        "tag 96 has no length (tag 95) before it"
    );
}

#[test]
fn executions_wrapped_in_xml_are_read_once() {
    let inner = wire("35=8|37=O-1|17=E-1|150=F|39=1|32=5|31=10|");
    let content = format!("<RTRF>{inner}</RTRF>");
    let wrapped = wire(&format!("35=n|34=1|212={}|213={content}|", content.len()));
    for separator in ["\x01", "|", "^A"] {
        let log = wrapped.replace('\x01', separator);
        let all = events(&log);
        assert_eq!(all.len(), 1, "{log}");
        assert_eq!((all[0].kind, &all[0].defect), (Kind::Fill, &None), "{log}");
    }
    // In the data field of a report it is content.
    let quoted = wire(&format!("35=8|37=O-2|150=0|39=0|354={}|355={content}|", content.len()));
    let all = events(&quoted);
    assert_eq!((all.len(), all[0].kind, &all[0].defect), (1, Kind::Acknowledged, &None));
}

#[test]
fn no_changed_byte_of_a_log_is_believed() {
    for separator in ["|", "^A", " | "] {
        let message = wire(FILL).replace('\x01', separator);
        // A checksum of eight bits can hold by chance, but not for other ASCII.
        check(500, (0..message.len(), 0u8..128), |(at, byte)| {
            let mut bytes = message.clone().into_bytes();
            prop_assume!(bytes[at] != byte && at > 8 && at + separator.len() < bytes.len());
            bytes[at] = byte;
            for read in read_with(FixReader::default(), &bytes).iter().flatten().flatten() {
                // Another type of message, without effect.
                let is_other = read.kind != Kind::Fill && read.note.is_some();
                prop_assert!(read.defect.is_some() || is_other, "{:?}", read);
            }
            Ok(())
        });
    }
}

#[test]
fn a_reader_goes_on_believing_after_a_line_that_is_cut_off() {
    let message = wire(FILL).replace('\x01', "|");
    let log =
        format!("{}\n{message}\n{message} {}{message}\n{message}", &message[..90], &message[..50]);
    let mut reader = FixReader::default();
    let (mut rest, mut defects) = (log.as_bytes(), Vec::new());
    while let Some(end) = reader.cut(rest, true).filter(|end| *end > 0) {
        let (unit, next) = rest.split_at(end);
        defects.extend(reader.read(unit, 1).unwrap().map(|event| event.defect.is_some()));
        rest = next;
    }
    assert_eq!(defects, [true, false, false, true, true, false]);
}

#[test]
fn the_raw_message_of_a_break_is_refused_again_when_it_is_read_again() {
    let message = wire(FILL);
    let log = message.replace('\x01', "|");
    let mut latin = message.clone().into_bytes();
    let at = message.find("C-2").unwrap();
    latin[at] = 0xe9;
    let inputs = [
        &message.as_bytes()[..90],
        &log.as_bytes()[..90],
        &latin,
        log.replace("AAPL", "AAPX").as_bytes(),
        message.replace("31=229.875", "31=x").as_bytes(),
        wire("35=8|150=0|39=0|11=A|11=B|").as_bytes(),
        wire("35=8|150=0|39=0|95=9|96=B|").as_bytes(),
        format!("{}{log}", &log[..50]).as_bytes(),
        format!("{}{}", &log[..50], log.replace('|', "^A")).as_bytes(),
    ]
    .map(<[u8]>::to_vec);
    for input in inputs {
        let read = read_with(FixReader::default(), &input);
        let all: Vec<_> = read.iter().flatten().flatten().collect();
        assert!(!all.is_empty() && all.iter().all(|event| event.defect.is_some()));
        for event in all {
            let again = read_with(FixReader::default(), event.raw.as_bytes());
            let first = again.iter().find(|read| !matches!(read, Ok(None))).unwrap();
            let is_refused = first.as_ref().is_err()
                || first.as_ref().unwrap().as_ref().unwrap().defect.is_some();
            assert!(is_refused, "{:?}", event.raw);
        }
    }
}
