//! NDJSON: no event whose kind can be read is lost, in a log or not.

use chrono::{DateTime, Utc};
use tradeblotter::ingest::{Event, FormatName, Kind, Number};

use super::formats::{defect, read};

/// The only event of a line.
#[track_caller]
fn event(line: &str) -> Event<'static> {
    let (mut events, wrong) = read(FormatName::Ndjson, line.as_bytes());
    assert_eq!((events.len(), wrong), (1, vec![]), "{line}");
    events.remove(0)
}

#[test]
fn a_line_that_cannot_be_recognized_names_its_number_and_the_rest_is_read() {
    let good = r#"{"kind":"status"}"#;
    for (line, complaint) in [
        (r#"{"kind":"fil"}"#, "kind is \"fil\"; expected one of new_order, approved"),
        (r#"{"kind":7}"#, "kind is not text"),
        (r#"{"symbol":"AAPL"}"#, "kind is missing"),
        (r#"{"symbol":"AAPL""#, "is not a JSON object"),
        (r#""symbol":"AAPL"}"#, "is a part of a JSON object"),
        (r#"{"symbol":"A"}{"symbol":"B"}"#, "has more than one JSON object"),
    ] {
        let input = format!("{good}\n\n{line}\n{good}\n");
        let (events, wrong) = read(FormatName::Ndjson, input.as_bytes());
        assert_eq!((events.len(), wrong.len()), (2, 1), "{line}: {wrong:?}");
        assert!(wrong[0].starts_with(&format!("line 3: not read: {complaint}")), "{wrong:?}");
    }
}

#[test]
fn a_line_that_is_broken_is_kept_with_its_kind_and_nothing_of_it_is_believed() {
    for (line, complaint) in [
        (r#"{"kind":"fill","execution_id":"E-1","last_qua"#, "the line is not a JSON object"),
        (r#"{"kind": "fill" "execution_id":"E-1"}"#, "the line is not a JSON object"),
        (r#"id":"E-1","kind":"fill","symbol":"AAPL"}"#, "the line is a part of a JSON object"),
        (r#"{"kind":"fill"}{"kind":"status"}"#, "the line has more than one JSON object"),
        // Without a kind, it is an execution if it has shares.
        (r#"{"execution_id":"E-1","last_quantity":"40","#, "the line is not a JSON object"),
        (r#"E-1","last_quantity":"40"}"#, "the line is a part of a JSON object"),
    ] {
        let broken = event(line);
        assert!(defect(&broken).starts_with(complaint), "{broken:?}");
        let kept = Event { defect: broken.defect.clone(), ..Event::new(Kind::Fill, 1, line) };
        assert_eq!(broken, kept);
    }
    let unknown = event(r#"{"kind":"fil","client_order_id":"A","last_quantity":"40"}"#);
    assert!(defect(&unknown).starts_with("kind is \"fil\"; expected one of"), "{unknown:?}");
    assert_eq!((unknown.kind, unknown.client_order_id.as_deref()), (Kind::Fill, Some("A")));
}

#[test]
fn an_essential_field_that_cannot_be_read_is_a_defect_and_the_other_fields_are_kept() {
    for (field, complaint) in [
        (
            r#""last_price":10.5"#,
            "last_price is not text; expected text, for numbers too, because a JSON number is a float",
        ),
        (r#""last_price":"ten""#, "last_price is \"ten\"; expected a decimal"),
        (r#""last_quantity":["1"]"#, "last_quantity is not text"),
        (r#""qty":"1""#, "qty is not a field of an event; expected one of kind"),
        (r#""qty":[1]"#, "qty is not a field of an event"),
        (r#""at":"yesterday""#, "at is \"yesterday\"; expected a time"),
        (r#""symbol":{"110":"1"}"#, "symbol is not text; expected text"),
        (r#""execution_id":17"#, "execution_id is not text"),
        (r#""client_order_id":"B""#, "client_order_id occurs twice"),
    ] {
        let line = format!(r#"{{"kind":"fill","client_order_id":"A",{field},"venue":"XNAS"}}"#);
        let event = event(&line);
        assert!(defect(&event).starts_with(complaint), "{event:?}");
        assert_eq!((event.kind, event.client_order_id.as_deref()), (Kind::Fill, Some("A")));
        assert_eq!((event.venue.as_deref(), event.raw.as_ref()), (Some("XNAS"), line.as_str()));
    }
    for (field, complaint) in [
        (r#""side":"up""#, "side is \"up\": side \"up\" must be one of BUY SELL"),
        (r#""quantity":"2,000""#, "quantity is \"2,000\"; expected"),
        (r#""trading_day":"today""#, "trading_day is \"today\"; expected a day such as 2026-11-25"),
        (r#""instructions":{"110":200}"#, "instructions has a value of \"110\" that is not text"),
        (r#""instructions":{"110":"1","110":"2"}"#, "instructions has \"110\" twice"),
    ] {
        let event = event(&format!(r#"{{"kind":"new_order",{field}}}"#));
        assert!(defect(&event).starts_with(complaint), "{event:?}");
    }
}

#[test]
fn a_side_field_that_cannot_be_read_is_left_out_with_a_note() {
    let sent = r#""sent_at":"2026-03-02T14:30:00Z""#;
    for field in [
        r#""average_price":"NaN""#,
        r#""commission":"1,25""#,
        r#""currency":840"#,
        r#""expires_at":"2026-03-02""#,
        r#""retry_attempt":"x""#,
        r#""cumulative_quantity":"all""#,
        r#""status":"DONE""#,
        r#""sequence":"-1""#,
        // The venue's copy of the terms of a known order, and a time that another one stands in for.
        r#""side":"3""#,
        r#""quantity":"2,000""#,
        r#""at":"2026-03-02 14:30""#,
    ] {
        let event = event(&format!(r#"{{"kind":"fill","client_order_id":"A",{field},{sent}}}"#));
        let name = field.split('"').nth(1).unwrap();
        let note = event.note.as_deref().unwrap_or_default();
        assert!(note.starts_with(name) && note.ends_with("; it is left out"), "{event:?}");
        assert_eq!(event.defect, None);
        assert!(event.time().is_some());
    }
}

#[test]
fn an_object_in_a_log_is_read_and_lines_without_one_are_skipped() {
    let fill = r#"{"kind":"fill","reason":"a {b}"}"#;
    let log = format!(
        "2026-03-02 14:29:59 INFO starting\n2026-03-02 14:30:00,001 INFO {{7}} sent: {fill}\n\
         14:30:01 [\"main\"] {fill} in 5 ms\n{fill}\n"
    );
    let (events, wrong) = read(FormatName::Ndjson, log.as_bytes());
    assert_eq!(wrong, [""; 0]);
    let lines: Vec<_> = events.iter().map(|event| (event.line, event.raw.as_ref())).collect();
    assert_eq!(lines, [(2, fill), (3, fill), (4, fill)]);
}

#[test]
fn a_leap_second_is_the_last_microsecond_of_its_minute_in_every_format() {
    let last: DateTime<Utc> = "2016-12-31T23:59:59.999999Z".parse().unwrap();
    for time in ["2016-12-31T23:59:60Z", "2016-12-31T23:59:60.250Z", "2016-12-31T18:59:60.9-05:00"]
    {
        let ndjson = event(&format!(r#"{{"kind":"fill","at":"{time}"}}"#));
        let (csv, _) = read(FormatName::Csv, format!("kind,at\nfill,{time}\n").as_bytes());
        let alpaca = format!(r#"{{"event":"fill","timestamp":"{time}","order":{{}}}}"#);
        let (alpaca, _) = read(FormatName::Alpaca, alpaca.as_bytes());
        for event in [&ndjson, &csv[0], &alpaca[0]] {
            assert_eq!(event.at, Some(last), "{event:?}");
        }
    }
    let fix = "8=FIX.4.4|9=60|35=8|37=V|17=E|150=F|39=1|32=1|31=1|60=20161231-23:59:60|10=000|\n";
    assert_eq!(read(FormatName::Fix, fix.as_bytes()).0[0].at, Some(last));
}

#[test]
fn an_object_that_is_not_utf_8_is_kept_with_what_is_text_in_it() {
    let mut line = br#"{"kind":"fill","client_order_id":"J"#.to_vec();
    line.extend(b"\xf6rg\",\"execution_id\":\"E-1\"}\n");
    let (events, wrong) = read(FormatName::Ndjson, line.as_slice());
    assert_eq!(wrong, [""; 0]);
    let event = &events[0];
    assert_eq!(
        (event.client_order_id.as_deref(), event.execution_id.as_deref()),
        (None, Some("E-1"))
    );
    assert!(defect(event).contains("unless --encoding names another"), "{event:?}");
    assert!(event.raw.contains("J\u{fffd}\\xf6rg"));
    assert_eq!(event.last_price, None::<Number<'_>>);
}
