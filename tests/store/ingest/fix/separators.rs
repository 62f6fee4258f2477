//! What logs print between fields, and where messages stand on a line.

use tradeblotter::ingest::{Event, FixReader, Kind};

use super::{FILL, events, read_with, wire};

#[test]
fn every_separator_gives_the_same_event() {
    let message = wire(FILL);
    let expected = events(&message).remove(0);
    let printed = [
        "|", ";", "^A", " | ", " |", "; ", " ^A ", "<SOH>", "[SOH]", "\\x01", "\\u0001", "\\001",
        "\0", "\u{2401}", "\t", ",", "!", "#", "~", " ", "\u{a6}", "\\|", " <SOH> ",
    ];
    for separator in printed {
        // A separator of spaces is in the text too, which it does not end.
        let text = message.replace('\x01', separator);
        let log = format!("14:30:00,123 in: {text} (sent)\n");
        let all = events(&log);
        assert_eq!(all.len(), 1, "{separator:?}");
        let same = Event { raw: expected.raw.clone(), ..all[0].clone() };
        assert_eq!(same, expected, "{separator:?}");
    }
}

#[test]
fn a_separator_in_json_needs_no_decoding() {
    let order = wire("35=D|11=C-1|55=AAPL|54=1|38=5|40=1|").replace('\x01', "\\u0001");
    let log = format!("{{\"level\": \"INFO\", \"msg\": \"{order}\"}}\n");
    let all = events(&log);
    assert_eq!((all.len(), all[0].kind, &all[0].defect), (1, Kind::NewOrder, &None));
}

#[test]
fn a_text_may_contain_the_separator_that_a_log_prints() {
    let event = wire("35=8|150=4|39=4|58=a~b; c|37=O-1|").replace(['~', '\x01'], "|");
    let event = events(&event).remove(0);
    assert_eq!(event.reason.as_deref(), Some("a|b; c"));
    assert_eq!(event.venue_order_id.as_deref(), Some("O-1"));
    // The sums were made with another character.
    assert!(event.defect.is_some());

    // If the text had it from the beginning, the sums are right.
    let body = "35=8\x01150=4\x0139=4\x0158=a|b; c \x0137=O-1\x01";
    let message = format!("8=FIX.4.4\x019={}\x01{body}", body.len());
    let sum = message.bytes().fold(0u8, u8::wrapping_add);
    let log = format!("{message}10={sum:03}\x01").replace('\x01', "|");
    let event = events(&log).remove(0);
    assert_eq!((event.reason.as_deref(), event.defect), (Some("a|b; c "), None));
}

#[test]
fn a_separator_that_cannot_be_told_is_named() {
    let text = wire(FILL).replace('\x01', "-between-");
    let read = read_with(FixReader::default(), text.as_bytes());
    let why = read[0].clone().unwrap_err().to_string();
    assert!(
        why.contains("separated as in \"-between\"; expected SOH, or what a log prints"),
        "{why}"
    );
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
fn a_message_has_one_separator() {
    // With SOH put back for the others, length and checksum are right.
    let message = wire("35=8|150=0|39=0|37=O-1|11=C-1|").replace('\x01', "|");
    let mixed = message.replace("37=O-1|", "37=O-1\x01");
    let event = events(&mixed).remove(0);
    assert!(event.defect.unwrap().contains("has SOH in it besides the separator of the log"));
}
