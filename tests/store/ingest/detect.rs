//! Detection: the format is told from the beginning of the input, and an input in none says what it is.

use tradeblotter::ingest::{FormatName, detect};

use super::formats::{UPDATES, utf_16};

const HEADER: &str = "kind,symbol\n";
const EVENT: &str = r#"{"kind":"fill","symbol":"AAPL"}"#;

fn found(input: impl AsRef<[u8]>) -> Result<FormatName, String> {
    detect(input.as_ref()).map(|(name, _)| name).map_err(|error| error.to_string())
}

#[test]
fn the_first_line_that_shows_a_format_decides() {
    let fix = |separator: &str| {
        format!("14:30:00 in: 8=FIX.4.4{separator}9=5{separator}35=0{separator}\n")
    };
    for separator in
        ["\x01", "|", ";", "^A", "\0", "\t", "~", "<SOH>", "[SOH]", "\\x01", "\\u0001", "¦"]
    {
        assert_eq!(found(fix(separator)), Ok(FormatName::Fix), "{separator:?}");
    }
    let wrapped = |text: &str| format!("{{\"ts\":1,\"stream\":\"stdout\",\"log\":\"{text}\"}}\n");
    for (input, name) in [
        (utf_16(&fix("|")), FormatName::Fix),
        (wrapped("8=FIX.4.4|9=5|").into(), FormatName::Fix),
        (format!("_time,_raw\n1,\"{}\"\n", fix("|").trim()).into(), FormatName::Fix),
        (HEADER.into(), FormatName::Csv),
        (HEADER.replace(',', ";").into(), FormatName::Csv),
        (format!("sep=,\n{HEADER}").into(), FormatName::Csv),
        (utf_16(&HEADER.replace(',', "\t")), FormatName::Csv),
        (EVENT.into(), FormatName::Ndjson),
        (format!("\u{feff}\n{EVENT}").into(), FormatName::Ndjson),
        (format!("starting\n14:30:00 INFO {EVENT}\n").into(), FormatName::Ndjson),
        // An event may have a FIX message as its raw text.
        (r#"{"kind":"fill","raw":"8=FIX.4.4|"}"#.into(), FormatName::Ndjson),
        (UPDATES.into(), FormatName::Alpaca),
        (UPDATES.replace('\n', "").into(), FormatName::Alpaca),
        ("[]".into(), FormatName::Alpaca),
        ("".into(), FormatName::Ndjson),
        ("\r\n".into(), FormatName::Ndjson),
    ] {
        assert_eq!(found(&input), Ok(name), "{}", String::from_utf8_lossy(&input));
    }
}

#[test]
fn a_first_line_longer_than_any_buffer_is_looked_at() {
    let message = "8=FIX.4.4\x019=5\x0135=0\x0110=000\x01";
    assert_eq!(found(message.repeat(10_000)), Ok(FormatName::Fix));
    let activity = r#"{"activity_type":"FILL","id":"1::2","qty":"1"}"#;
    assert_eq!(found(format!("[{}]", [activity; 5_000].join(","))), Ok(FormatName::Alpaca));
    // Long lines of a log before the first message.
    let log = format!("{}\n{}\n{message}\n", "x".repeat(100_000), "y".repeat(300_000));
    assert_eq!(found(log), Ok(FormatName::Fix));
    let event = format!(r#"{{"kind":"fill","reason":"{}"}}"#, "x".repeat(200_000));
    assert_eq!(found(event), Ok(FormatName::Ndjson));
}

#[test]
fn an_input_in_no_format_says_what_it_is() {
    let unmarked = &utf_16(HEADER)[2..];
    for (input, cause) in [
        (
            &b"kind,symbol,qty\nfill,A,1\n"[..],
            "the header has \"qty\", which is not a field of an event",
        ),
        (b"symbol;at\nA;1\n", "the header lacks kind"),
        (b"\x1f\x8b\x08\0", "compressed with gzip; decompress it first"),
        (b"PK\x03\x04\x14", "an Excel workbook; unpack it, or export the sheet as CSV"),
        (
            unmarked,
            "UTF-16 without a byte order mark; name the format, and the encoding with --encoding utf-16le",
        ),
        (br#"[{"kind":"fill"}]"#, "JSON objects with a kind, but not one on each line"),
        (br#"[{"id":"1","qty":"2"}]"#, "JSON objects without the kind of an event"),
        (b"hello\n", "it begins with \"hello\""),
    ] {
        let error = found(input).unwrap_err();
        assert!(error.starts_with("the format is not recognized: "), "{error}");
        assert!(error.contains(cause) && error.ends_with("name it with --format"), "{error}");
    }
}
