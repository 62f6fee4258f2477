//! CSV: as RFC 4180 has it and as spreadsheets write it. A flaw costs its own line at most, and no report whose
//! kind can be read is lost.

use tradeblotter::ingest::{Csv, Event, FormatName, Kind, Number, Reader, detect};

use super::formats::{Trickle, defect, read, utf_16};

const HEADER: &str = "kind,client_order_id,execution_id,last_quantity,last_price,at,reason";

/// The events and the malformed rows of a file with this header.
fn rows(rows: &str) -> (Vec<Event<'static>>, Vec<String>) {
    read(FormatName::Csv, format!("{HEADER}\n{rows}").as_bytes())
}

/// The only event of a row.
#[track_caller]
fn row(row: &str) -> Event<'static> {
    let (mut events, wrong) = rows(row);
    assert_eq!((events.len(), wrong), (1, vec![]), "{row}");
    events.remove(0)
}

#[test]
fn a_row_that_is_broken_is_kept_with_its_kind_and_nothing_of_it_is_believed() {
    for (row, complaint) in [
        ("fill,A,E,1", "the row has 4 values, but the header has 7"),
        ("fill,A,E,1,500,1,2026-03-02T14:30:00Z,", "the row has 8 values"),
        ("1,fill,A,E,1,1,,", "the row has 8 values"),
        ("\"fill\"x,A,E,1,1,,", "the row has text after the closing quote of a value"),
        ("fill,A,\"E,1,1,,", "the row has a quoted value without a closing quote"),
    ] {
        let (events, wrong) = rows(&format!("status,A,,,,,\n{row}\nstatus,B,,,,,\n"));
        assert_eq!((events.len(), wrong), (3, vec![]), "{row}");
        let broken = &events[1];
        assert!(defect(broken).starts_with(complaint), "{broken:?}");
        let kept = Event { defect: broken.defect.clone(), ..Event::new(Kind::Fill, 3, "") };
        assert_eq!(Event { raw: "".into(), ..broken.clone() }, kept, "{row}");
        assert_eq!(broken.raw, format!("{HEADER}\n{row}"));
    }
}

#[test]
fn a_row_of_an_unknown_kind_is_a_fill_with_a_defect_if_it_has_shares() {
    for (kind, complaint) in
        [("fil", "kind is \"fil\"; expected one of new_order, approved"), ("", "kind is missing")]
    {
        let fill = row(&format!("{kind},A,E,1,,,"));
        assert!(defect(&fill).starts_with(complaint), "{fill:?}");
        assert_eq!((fill.kind, fill.client_order_id.as_deref()), (Kind::Fill, Some("A")));
    }
}

#[test]
fn a_row_that_cannot_be_recognized_names_its_line_and_the_next_one_is_read() {
    for (row, complaint) in [
        (",A,,,,,", "kind is missing"),
        ("fil,A,,,,,", "kind is \"fil\"; expected one of new_order, approved"),
        ("fil,A", "has 2 values, but the header has 7"),
        ("fil,\"A,,,,,", "has a quoted value without a closing quote"),
    ] {
        let (events, wrong) = rows(&format!("status,A,,,,,\n{row}\nstatus,B,,,,,\n"));
        assert_eq!(events.len(), 2, "{row}");
        assert_eq!(wrong.len(), 1, "{wrong:?}");
        let complaint = format!("line 3: not read: {complaint}");
        assert!(wrong[0].starts_with(&complaint), "{wrong:?}");
    }
}

#[test]
fn a_stray_quote_costs_its_own_line_wherever_it_stands_and_whatever_follows() {
    let later = [
        // Without another quote, with one that is no end, with one that ends a value of another row.
        "fill,B,E-2,1,1,,\n",
        "fill,B,E-2,1,1,,\"a \"\"b\"\" c\"\n",
        "fill,B,E-2,1,1,,\"x\"\n",
        "fill,B,\"E-2\",1,1,,\n",
        "fill,B,E-2\",1,1,,\n",
    ];
    for stray in ["fill,\"A,E-1,1,1,,", "fill,A,E-1,1,1,,\"", "\"fill,A,E-1,1,1,,"] {
        for later in later {
            let (events, wrong) = rows(&format!("{stray}\n{later}cancelled,C,,,,,\n"));
            let kinds: Vec<_> = events.iter().map(|event| (event.line, event.kind)).collect();
            assert_eq!(wrong, [""; 0]);
            let expected = [(2, Kind::Fill), (3, Kind::Fill), (4, Kind::Cancelled)];
            assert_eq!(kinds, expected, "{stray} {later}");
            assert_eq!(defect(&events[0]), "the row has a quoted value without a closing quote");
            assert_eq!((&events[1].defect, &events[2].defect), (&None, &None));
        }
    }
    // A quote within a value is a part of it.
    assert_eq!(row("fill,5\" A,E-1,1,1,,").client_order_id.as_deref(), Some("5\" A"));
}

#[test]
fn a_quote_that_is_not_closed_swallows_nothing_of_a_long_file() {
    let many = "fill,B,E,1,1,,\n".repeat(10_000);
    let (events, wrong) = rows(&format!("fill,\"A,E-1,1,1,,\n{many}"));
    assert_eq!((events.len(), wrong.len()), (10_001, 0));
    assert_eq!(events.iter().filter(|event| event.defect.is_some()).count(), 1);
}

#[test]
fn quoted_values_may_have_delimiters_quotes_and_line_breaks() {
    let (events, wrong) = rows("fill,A,E,\"1\",1,,\"a, \"\"b\"\"\r\nc\"\r\nstatus,B,,,,,\n");
    assert_eq!(wrong, [""; 0]);
    assert_eq!(events[0].reason.as_deref(), Some("a, \"b\"\r\nc"));
    assert_eq!(events[0].last_quantity, Number::new("1"));
    assert_eq!(events[1].line, 4);
}

#[test]
fn a_row_over_several_lines_is_read_however_its_bytes_arrive() {
    let input =
        format!("{HEADER}\r\nfill,\"A\r\nB\",E,1,1,,\"a\n\"\r\nfill,\"A,E,1,1,,\r\nstatus,B,,,,,");
    let whole = read(FormatName::Csv, input.as_bytes());
    let defects: Vec<_> = whole.0.iter().map(|event| event.defect.is_some()).collect();
    assert_eq!((defects, whole.1.len()), (vec![false, true, false], 0), "{whole:?}");
    for step in 1..=input.len() {
        assert_eq!(
            read(FormatName::Csv, Trickle(input.as_bytes(), step)),
            whole,
            "in steps of {step}"
        );
    }
}

#[test]
fn a_value_that_cannot_be_read_is_a_defect_that_names_it_and_the_other_fields_are_kept() {
    let time = "2026-03-02T14:30:00Z";
    for (row_text, complaint) in [
        (
            format!("fill,A,E,\"1,500\",1.5,{time},"),
            "last_quantity is \"1,500\"; expected a decimal of up to 42 characters, such as 10.50, without \
             thousands separators or a decimal comma",
        ),
        (format!("fill,A,E,\"1.234,56\",1.5,{time},"), "last_quantity is \"1.234,56\"; expected"),
        (
            "fill,A,E,1,1,2026-03-02 14:30:01,".to_owned(),
            "at is \"2026-03-02 14:30:01\", which has no offset from UTC; expected a time",
        ),
        ("fill,A,E,1,1,3/2/2026 14:30,".to_owned(), "at is \"3/2/2026 14:30\"; expected a time"),
        (
            format!("fill,A,1.2E+15,1,1,{time},"),
            "execution_id is \"1.2E+15\", which a spreadsheet has rounded",
        ),
    ] {
        let event = row(&row_text);
        assert!(defect(&event).starts_with(complaint), "{event:?}");
        assert_eq!(event.client_order_id.as_deref(), Some("A"));
        assert_eq!(event.raw, format!("{HEADER}\n{row_text}"));
    }
}

#[test]
fn the_raw_message_of_a_row_is_a_file_that_reads_the_same() {
    for input in [
        "kind;client_order_id;reason\nfill;A;\"x;\ny\"\n",
        "sep=\t\nkind\tclient_order_id\nfill\tA\n",
        "\u{feff}Kind,client_order_id,\r\nfill,A,\r\n",
    ] {
        let (first, _) = read(FormatName::Csv, input.as_bytes());
        let (again, wrong) = read(FormatName::Csv, first[0].raw.as_bytes());
        assert_eq!((first.len(), again.len(), wrong), (1, 1, vec![]), "{input}");
        assert_eq!(again[0].raw, first[0].raw);
        assert_eq!(Event { line: 0, ..again[0].clone() }, Event { line: 0, ..first[0].clone() });
    }
}

#[test]
fn what_spreadsheets_make_of_a_file_is_read_as_it_was() {
    let plain =
        "kind,client_order_id,side,last_quantity,at\nfill,A,BUY,1500,2026-03-02T14:30:01Z\n";
    let expected = read(FormatName::Csv, plain.as_bytes()).0;
    assert_eq!(expected[0].last_quantity, Number::new("1500"));
    for written in [
        plain.replace(',', ";").into_bytes(),
        plain.replace(',', "\t").into_bytes(),
        format!("\u{feff}{}", plain.replace('\n', "\r\n")).into_bytes(),
        plain.replace('\n', "\r").into_bytes(),
        format!("sep=;\r\n{}", plain.replace(',', ";")).into_bytes(),
        utf_16(plain),
        utf_16(&plain.replace(',', "\t").replace('\n', "\r\n")),
        plain.replace("kind", "KIND").into_bytes(),
        plain.replace("BUY", " buy ").into_bytes(),
        plain.replace("1500", "+1500").into_bytes(),
        plain.replace("T14", " 14").replace('Z', "+00:00").into_bytes(),
        plain.replace('\n', ",,\n").into_bytes(),
        plain.replace("\nfill", "\n\n,,,,\nfill").into_bytes(),
    ] {
        let shown = String::from_utf8_lossy(&written).into_owned();
        assert_eq!(detect(written.as_slice()).unwrap().0, FormatName::Csv, "{shown}");
        let (events, wrong) = read(FormatName::Csv, written.as_slice());
        assert_eq!((events.len(), wrong), (1, vec![]), "{shown}");
        let same = |event: &Event<'static>| Event { line: 0, raw: "".into(), ..event.clone() };
        assert_eq!(same(&events[0]), same(&expected[0]), "{shown}");
    }
}

#[test]
fn a_header_with_an_unknown_or_repeated_field_is_refused_once_with_all_its_rows() {
    for (header, complaint) in [
        ("kind,qty", "the header has \"qty\", which is not a field of an event"),
        ("kind,symbol,symbol", "the header has symbol twice"),
        ("symbol,at", "the header lacks kind"),
    ] {
        let (events, wrong) =
            read(FormatName::Csv, format!("{header}\nfill,1\nfill,2\n").as_bytes());
        assert_eq!((events.len(), wrong.len()), (0, 1));
        assert!(wrong[0].starts_with(&format!("line 1: not read: {complaint}")), "{wrong:?}");
    }
}

#[test]
fn a_value_in_a_column_without_a_name_is_a_defect() {
    let (events, wrong) = read(FormatName::Csv, "kind,last_price,\nfill,1,50\n".as_bytes());
    assert_eq!(wrong, [""; 0]);
    assert_eq!(defect(&events[0]), "a column without a name has \"50\"");
}

#[test]
fn bytes_that_are_not_utf_8_never_become_a_part_of_an_id() {
    let mut input = format!("{HEADER}\nfill,J").into_bytes();
    input.extend(b"\xf6rg,E,1,1,2026-03-02T14:30:00Z,\xff\n");
    let mut reader = Reader::new(input.as_slice(), Csv::default());
    let batch = reader.batch(10).unwrap().unwrap();
    let event = &batch.events[0];
    assert_eq!(
        (event.client_order_id.as_deref(), event.execution_id.as_deref()),
        (None, Some("E"))
    );
    assert!(defect(event).starts_with("client_order_id is not text in the encoding of the input"));
    // The explanation is a side field.
    assert!(event.note.as_deref().is_some_and(|note| note.starts_with("reason is not text")));
    assert!(event.raw.contains("J\u{fffd}\\xf6rg"), "{}", event.raw);
}
