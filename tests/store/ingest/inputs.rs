//! Inputs as logs, spreadsheets and stores of messages have them, and what must come of what is broken in them: read
//! from detection to the store, in batches of any size, and again.

use tradeblotter::ingest::{FormatName, detect};
use tradeblotter_test_support::Database;
use tradeblotter_test_support::describe::{breaks, orders};
use tradeblotter_test_support::reports::message;

use super::feeds::{Feed, joined, new_order, of_day};
use super::formats::utf_16;

/// The feed of an input whose format is detected.
#[track_caller]
fn detected(input: &[u8]) -> Feed {
    Feed::of(detect(input).unwrap().0)
}

/// A fill of 40 shares at 10.00 of the order `C-1` of 100 KO.
fn fill(id: &str) -> String {
    of_day(
        2,
        "14:31:00",
        &format!("11=C-1|37=V|17={id}|150=F|39=1|55=KO|54=1|32=40|31=10.00|14=40|6=10.00"),
    )
}

/// A message with other separators.
fn printed(message: &str, separator: &str) -> String {
    message.replace('\u{1}', separator)
}

/// Asserts that each of these inputs, whose formats are detected, says the same reports as the first one: nothing but
/// the first adds anything to the store.
#[track_caller]
fn assert_same(inputs: Vec<(Vec<u8>, &str)>, reports: u64, of_orders: &[&str]) {
    let db = Database::migrated();
    for (place, (input, what)) in inputs.iter().enumerate() {
        let came = detected(input).read(&db, input, 2000);
        let new = if place == 0 { reports } else { 0 };
        let tally = (came.tally.applied, came.tally.known, came.unreadable.len());
        assert_eq!(tally, (new, reports - new, 0), "{what:?}: {:?}", came.problems);
        assert_eq!(orders(&db), of_orders, "{what:?}");
        assert_eq!(breaks(&db), [""; 0], "{what:?}");
    }
}

#[test]
fn a_log_with_any_separator_is_detected_and_comes_to_the_same() {
    let wire = [new_order(2, "C-1", "KO", 1, 100), fill("E-1")].concat();
    let separators = [
        "\u{1}", "|", ";", "^A", "<SOH>", "[SOH]", "\\x01", "\\u0001", "\\001", "\u{2401}", "\0",
        " | ", "\t", ",", "!", "#", "~", " ", "\u{a6}",
    ];
    let mut inputs: Vec<(Vec<u8>, &str)> = Vec::new();
    for separator in separators {
        let log =
            |line: &str| format!("2026-03-02 14:30:00,001 in: {}\n", printed(line, separator));
        inputs.push((wire.lines().map(log).collect::<String>().into(), separator));
    }
    let pipes = printed(&wire, "|");
    let in_json = |line: &str| format!("{{\"ts\":1,\"msg\":\"{}\"}}\n", printed(line, "\\u0001"));
    let in_table = |line: &str| format!("1,\"{line}\"\n");
    inputs.extend([
        (wire.replace('\n', "").into(), "without line breaks"),
        (pipes.replace("|\n", "\n").into(), "without the last separator"),
        (utf_16(&pipes), "in UTF-16"),
        (wire.lines().map(in_json).collect::<String>().into(), "in JSON"),
        (pipes.lines().map(in_table).collect::<String>().into(), "in the column of a table"),
    ]);
    assert_same(inputs, 2, &["C-1 PARTIAL 40/100"]);
}

const SHEET: &str = "kind,trader,client_order_id,symbol,side,order_type,quantity,price,execution_id,\
                     last_quantity,last_price,at\n\
                     new_order,ada,X-1,KO,BUY,LIMIT,2000,60.00,,,,2026-03-02T14:30:00Z\n\
                     fill,ada,X-1,,,,,,E-1,1500,59.50,2026-03-02T14:30:01Z\n\
                     fill,ada,X-1,,,,,,E-2,500,59.75,2026-03-02T14:30:02Z\n";

#[test]
fn a_file_of_a_spreadsheet_is_detected_and_comes_to_the_same() {
    let tabs = SHEET.replace(',', "\t");
    let semicolons = SHEET.replace(',', ";");
    let inputs = vec![
        (SHEET.into(), "plain"),
        (semicolons.clone().into_bytes(), "semicolons"),
        (tabs.clone().into_bytes(), "tabs"),
        (format!("sep=;\r\n{semicolons}").into_bytes(), "a line sep="),
        (format!("\u{feff}{}", SHEET.replace('\n', "\r\n")).into_bytes(), "a byte order mark"),
        (utf_16(SHEET), "UTF-16"),
        (utf_16(&tabs.replace('\n', "\r\n")), "UTF-16 with tabs"),
        (SHEET.replace("kind,trader", "Kind,TRADER").into_bytes(), "capitals"),
        (SHEET.replace("BUY,LIMIT", " buy ,limit").into_bytes(), "small letters and spaces"),
        (SHEET.replace("1500", "+1500").into_bytes(), "a plus sign"),
        (SHEET.replace("T14", " 14").into_bytes(), "a space for the T"),
        (SHEET.replace('\n', ",,\n").into_bytes(), "empty columns"),
        (SHEET.replace("fill", "\n,,,,,,,,,,,\nfill").into_bytes(), "empty rows"),
    ];
    assert_same(inputs, 3, &["X-1 FILLED 2000/2000"]);
    let without_ids = SHEET.replace("E-1", "").replace("E-2", "");
    let feed = detected(without_ids.as_bytes());
    feed.comes_to(&[without_ids.as_bytes()], &["X-1 FILLED 2000/2000"], &[]);
}

#[test]
fn what_a_spreadsheet_has_made_unreadable_is_a_break_that_names_the_cause() {
    let open = ["X-1 PENDING 0/2000"];
    let fills = ["INVALID - E-1 open", "INVALID - E-2 open"];
    let cases: [(String, &[&str], &[&str], &str); 4] = [
        (
            SHEET
                .replace(",59.", ",\"59,")
                .replace(",2026-03-02T14:30:01Z", "\",2026-03-02T14:30:01Z")
                .replace(",2026-03-02T14:30:02Z", "\",2026-03-02T14:30:02Z"),
            &open,
            &fills,
            "a decimal comma",
        ),
        (
            SHEET.replace("1500", "\"1,500\"").replace(",500,", ",\"0,500\","),
            &open,
            &fills,
            "without thousands separators",
        ),
        (
            SHEET
                .replace("T14:30:01Z", " 14:30:01")
                .replace("2026-03-02T14:30:02Z", "3/2/2026 14:30"),
            &open,
            &fills,
            "has no offset from UTC",
        ),
        (
            SHEET.replace("E-1", "1.2E+15").replace("E-2", "1.2E+15"),
            &open,
            &["INVALID - - open", "INVALID - - open"],
            "which a spreadsheet has rounded",
        ),
    ];
    for (input, of_orders, of_breaks, why) in cases {
        let feed = detected(input.as_bytes());
        let (_, came) = feed.comes_to(&[input.as_bytes()], of_orders, of_breaks);
        assert!(came.problems[0].why.contains(why), "{}", came.problems[0]);
    }
    // In the encoding of an old spreadsheet; with its name the file is read.
    let ansi: Vec<u8> = SHEET
        .replace("ada", "J?rg")
        .bytes()
        .map(|byte| if byte == b'?' { 0xf6 } else { byte })
        .collect();
    let (_, came) = detected(&ansi).comes_to(
        &[&ansi],
        &[],
        &["INVALID - E-1 open", "INVALID - E-2 open", "INVALID_ORDER - - open"],
    );
    assert!(came.problems[0].why.contains("--encoding"), "{}", came.problems[0]);
    let named = Feed::of(FormatName::Csv).encoded("windows-1252");
    named.comes_to(&[&ansi], &["X-1 FILLED 2000/2000"], &[]);
}

#[test]
fn an_execution_beside_data_fields_or_wrapped_in_xml_counts_once() {
    let order = new_order(2, "C-1", "KO", 1, 100);
    let own = fill("E-1");
    let body = "35=8|49=BRK|56=DESK|34=2|52=20260302-14:31:00|1=ada|11=C-1|37=V|17=E-1|150=F|39=1|55=KO|54=1|32=40|31=10.00|14=40|6=10.00|60=20260302-14:31:00";
    // A text that holds fields, and its length in bytes.
    let data = "free\u{1}10=123\u{1}14=999\u{1}text=1";
    let with = |tags: &str| message(&format!("{body}|{tags}"));
    let encoded = with(&format!("354={}|355={data}", data.len()));
    let newer = with(&format!("1184={}|1185={data}", data.len()));
    let xml = format!("<RTRF>{}</RTRF>", own.trim_end());
    let wrapped = message(&format!(
        "35=n|49=BRK|56=DC|34=1|52=20260302-14:31:02|212={}|213={xml}",
        xml.len()
    ));
    let stand = ["C-1 PARTIAL 40/100"];
    for separator in ["\u{1}", "|"] {
        for reports in [
            vec![&order, &encoded],
            vec![&order, &newer],
            vec![&order, &wrapped],
            vec![&order, &own, &wrapped],
        ] {
            let input: String = reports.iter().map(|report| printed(report, separator)).collect();
            detected(input.as_bytes()).comes_to(&[input.as_bytes()], &stand, &[]);
        }
    }
    // A length that leads to no field.
    let wrong = with("90=8|91=ABCDE");
    let input = [order.as_bytes(), wrong.as_bytes()].concat();
    let broken = ["INVALID - E-1 open"];
    detected(&input).comes_to(&[&input], &["C-1 PENDING 0/100"], &broken);
}

#[test]
fn a_store_of_messages_without_line_breaks_is_detected_whatever_its_length() {
    let heartbeat = message("35=0|34=1|49=BRK|56=DESK|52=20260302-14:29:00");
    let reports = joined(&[new_order(2, "C-1", "KO", 1, 100), fill("E-1")]);
    for heartbeats in [1, 3000] {
        let mut input = heartbeat.repeat(heartbeats).into_bytes();
        input.extend_from_slice(&reports);
        input.retain(|byte| *byte != b'\n');
        assert_eq!(input.len() > 1 << 16, heartbeats > 1);
        let (_, came) = detected(&input).comes_to(&[&input], &["C-1 PARTIAL 40/100"], &[]);
        assert_eq!(came.tally.reports, 2);
    }
}

#[test]
fn a_broken_row_line_or_object_is_a_break_with_its_text_however_often_it_is_read() {
    let row =
        |row: &str| SHEET.replace("fill,ada,X-1,,,,,,E-1,1500,59.50,2026-03-02T14:30:01Z", row);
    let too_short = row("fill,ada,X-1,,,,,,E-1,1500");
    let stray_quote = row("fill,ada,X-1,,,,,,E-1,\"1500,59.50,2026-03-02T14:30:01Z");
    let comma = row("fill,ada,X,1,,,,,,E-1,1500,59.50,2026-03-02T14:30:01Z");
    for (input, why) in [
        (too_short, "the row has 10 values, but the header has 12"),
        (stray_quote, "the row has a quoted value without a closing quote"),
        (comma, "the row has 13 values, but the header has 12"),
    ] {
        let feed = Feed::of(FormatName::Csv);
        let (db, came) =
            feed.comes_to(&[input.as_bytes()], &["X-1 PARTIAL 500/2000"], &["INVALID - - open"]);
        assert_eq!((came.problems[0].why.as_str(), came.unreadable.len()), (why, 0));
        let broken = input.lines().nth(2).unwrap();
        let raw = db.contents().breaks[0].raw.clone().unwrap();
        assert_eq!(raw.lines().last(), Some(broken));
    }
    let order = r#"{"kind":"new_order","trader":"ada","client_order_id":"X-1","symbol":"KO","side":"BUY","order_type":"LIMIT","quantity":"100","price":"10.00"}"#;
    let cut =
        r#"{"kind":"fill","trader":"ada","client_order_id":"X-1","execution_id":"E-1","last_qua"#;
    let remnant = r#"E-1","kind":"fill","last_quantity":"40"}"#;
    for broken in [cut, remnant, r#"{"kind":"fill"}{"kind":"fill"}"#] {
        let input = format!("{order}\n{broken}\n");
        let (db, came) = Feed::of(FormatName::Ndjson).comes_to(
            &[input.as_bytes()],
            &["X-1 PENDING 0/100"],
            &["INVALID - - open"],
        );
        assert_eq!(came.unreadable.len(), 0);
        assert_eq!(db.contents().breaks[0].raw.as_deref(), Some(broken));
    }
    let broken =
        r#"{"stream":"trade_updates","data":{"event":"fill","qty":"4","order":{"id":"V-1"}"#;
    let (db, _) =
        Feed::of(FormatName::Alpaca).comes_to(&[broken.as_bytes()], &[], &["INVALID - - open"]);
    assert_eq!(db.contents().breaks[0].raw.as_deref(), Some(broken));
}

#[test]
fn executions_that_say_too_little_to_be_told_apart_are_a_break_each() {
    // Both are cut off before all that tells one execution from another.
    let cut = |body: &str| format!("8=FIX.4.4\u{1}9=100\u{1}35=8\u{1}150=F\u{1}1=ada\u{1}{body}\n");
    let (first, second) = (cut("11=C-1\u{1}58=on"), cut("11=C-1\u{1}58=tw"));
    let inputs = [first.as_bytes(), second.as_bytes()];
    Feed::fix().comes_to(&inputs, &[], &["INVALID - - open"; 2]);
    // And so are equal ones, in one input.
    let twice = first.repeat(2);
    Feed::fix().comes_to(&[twice.as_bytes()], &[], &["INVALID - - open"; 2]);
    let rows = |prices: [&str; 2]| {
        let row = |price| format!("fill,C-1,{price}\n");
        format!("kind,client_order_id,last_price,at\n{}{}", row(prices[0]), row(prices[1]))
    };
    let (first, second) = (rows(["1", "2"]), rows(["3", "3"]));
    let inputs = [first.as_bytes(), second.as_bytes()];
    Feed::of(FormatName::Csv).comes_to(&inputs, &[], &["INVALID - - open"; 4]);
}

#[test]
fn a_report_that_is_damaged_before_its_type_may_be_an_execution_and_is_a_break() {
    let order = new_order(2, "C-1", "KO", 1, 100);
    let whole = fill("E-1");
    let place = whole.find("150=F").unwrap();
    let cut_off = format!("{}\n", &whole[..place]);
    let with_another_begin = format!("{}8=100\u{1}{}", &whole[..place], &whole[place..]);
    for damaged in [cut_off, with_another_begin] {
        let inputs = [order.as_bytes(), damaged.as_bytes()];
        let (db, _) =
            Feed::fix().comes_to(&inputs, &["C-1 PENDING 0/100"], &["INVALID - E-1 open"]);
        let raw = db.contents().breaks[0].raw.clone().unwrap();
        assert!(raw.contains("17=E-1"), "{raw}");
    }
}

#[test]
fn a_damaged_report_keeps_out_no_whole_one() {
    let order = new_order(2, "C-1", "KO", 1, 100);
    let whole = fill("E-1");
    let end = whole.find("32=40").unwrap();
    let cut_off = format!("{}\n", &whole[..end]);
    // Its sums do not hold, so that it may be forged.
    let unverified = printed(&whole, "|").replace("31=10.00", "31=10.01");
    let edited = printed(&whole, "|").replace("49=BRK", "49=XXXX");
    let stand = ["C-1 PARTIAL 40/100"];
    for damaged in [cut_off, unverified, edited] {
        let inputs = [order.as_bytes(), damaged.as_bytes(), whole.as_bytes()];
        Feed::fix().comes_to(&inputs, &stand, &["INVALID - E-1 open"]);
        let inputs = [order.as_bytes(), whole.as_bytes(), damaged.as_bytes()];
        Feed::fix().comes_to(&inputs, &stand, &["INVALID - E-1 open"]);
        let together = inputs.concat();
        Feed::fix().comes_to(&[&together], &stand, &["INVALID - E-1 open"]);
    }
}

#[test]
fn executions_of_alpaca_in_any_form_are_fills_or_breaks() {
    let update = |id: &str, symbol: &str, order: &str| {
        format!(
            "{{\"stream\":\"trade_updates\",\"data\":{{\"event\":\"fill\",\"timestamp\":\"2026-03-02T15:00:00Z\",\"execution_id\":\"{id}\",\"qty\":\"10\",\"price\":\"5.0025e+02\",\"order\":{{\"id\":\"V-{id}\",\"client_order_id\":\"C-{id}\",\"symbol\":\"{symbol}\",{order}}}}}}}\n"
        )
    };
    let limit = r#""type":"limit","side":"buy","limit_price":"600","qty":"10""#;
    let trailing = r#""type":"trailing_stop","side":"buy","qty":"10""#;
    let spread = r#""type":"limit","side":"","order_class":"mleg","qty":"10""#;
    let input = [
        update("1", "SPY", limit),
        // The symbol of an option is longer than the column.
        update("2", "SPY260619P00500000", limit),
        update("3", "", spread),
        update("4", "SPY", trailing),
        update("5", "SPY", limit).replace("\"qty\":\"10\"", "\"qty\":\"0.5\""),
        format!("2026-03-02T15:00:01Z TRACE:: on_update: {}", update("6", "SPY", limit)),
    ]
    .concat();
    let mut feed = detected(input.as_bytes());
    for batch in [1, 2000] {
        let db = Database::migrated();
        feed.options.trader = Some(tradeblotter_test_support::trader(&db.blotter(), "ada").id);
        for _ in 0..2 {
            let came = feed.read(&db, input.as_bytes(), batch);
            assert_eq!((came.tally.reports, came.unreadable.len()), (6, 0));
            let whys: Vec<_> = came.problems.iter().map(|it| it.why.as_str()).collect();
            let why = |place: usize, text: &str| assert!(whys[place].contains(text), "{whys:?}");
            why(0, "blotter widen --symbols 18");
            why(1, "order.order_class is mleg");
            why(2, "order_type is \"trailing_stop\", which the store does not have");
            why(3, "quantity is 0.5; expected a whole number of shares");
        }
        assert_eq!(orders(&db), ["C-1 FILLED 10/10", "C-6 FILLED 10/10"]);
        assert_eq!(db.contents().fills[0].price_at_fill.to_string(), "500.25");
    }
}
