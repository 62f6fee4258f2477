//! Situations from reports of real venues and brokers, and what must come of them. Each is a small input of our own,
//! and comes to the same in batches of any size and read again.

use std::collections::HashMap;
use std::thread;

use diesel::connection::SimpleConnection;
use tradeblotter::BreakReason;
use tradeblotter::ingest::{
    AnyFormat, Encoding, FormatName, Options, Problem, ReadOptions, Reader, Tally, Tz, Writer,
};
use tradeblotter::widths::{self, Widening};
use tradeblotter_test_support::describe::{breaks, orders};
use tradeblotter_test_support::reports::message;
use tradeblotter_test_support::{Contents, Database, await_waiter};

/// A feed: how its inputs are read and applied.
#[derive(Clone)]
pub struct Feed {
    reading: ReadOptions,
    pub options: Options,
}

/// What came of an input: the counts, the reports kept as breaks, and the notes.
pub struct Came {
    pub tally: Tally,
    pub problems: Vec<Problem>,
    pub notes: Vec<String>,
    pub unreadable: Vec<String>,
}

impl Feed {
    pub fn of(format: FormatName) -> Self {
        let reading = ReadOptions { trader_from: vec![1.into()], ..ReadOptions::default() };
        let options = Options {
            register_traders: true,
            format,
            reading: reading.clone(),
            ..Options::default()
        };
        Self { reading, options }
    }

    pub fn fix() -> Self {
        Self::of(FormatName::Fix)
    }

    fn daily(self) -> Self {
        Self { options: Options { daily_ids: Some(Tz::UTC), ..self.options }, ..self }
    }

    pub fn encoded(self, label: &str) -> Self {
        let encoding = Encoding::for_label(label.as_bytes());
        let reading = ReadOptions { encoding, ..self.reading };
        Self { options: Options { reading: reading.clone(), ..self.options }, reading }
    }

    pub fn read(&self, db: &Database, input: &[u8], batch: usize) -> Came {
        let engine = db.blotter().engine();
        let mut writer = Writer::new(self.options.clone());
        let format = AnyFormat::new(self.options.format, &self.reading);
        let mut reader = Reader::new(input, format);
        let (mut notes, mut unreadable) = (Vec::new(), Vec::new());
        while let Some(read) = reader.batch(batch).unwrap() {
            notes.extend(read.events.iter().filter_map(|event| event.note.clone()));
            unreadable.extend(read.malformed.iter().map(ToString::to_string));
            writer.write(&engine, &read.events).unwrap();
        }
        let problems = writer.finish(&engine).unwrap();
        let tally = writer.tally().clone();
        let Tally { reports, applied, known, without_effect, broken, .. } = tally;
        assert_eq!(reports, applied + known + without_effect + broken, "conservation: {tally:?}");
        Came { tally, problems, notes, unreadable }
    }

    /// Reads inputs one after another, in batches of 1, 7 and 2000, and all of them again, and asserts that they
    /// come to these orders and breaks. Returns the last database, and what came of the last input.
    #[track_caller]
    pub fn comes_to(
        &self,
        inputs: &[&[u8]],
        of_orders: &[&str],
        of_breaks: &[&str],
    ) -> (Database, Came) {
        let mut last = None;
        for batch in [1, 7, 2000] {
            let db = Database::migrated();
            let mut came = None;
            for input in inputs {
                came = Some(self.read(&db, input, batch));
            }
            assert_eq!(orders(&db), of_orders, "batches of {batch}");
            assert_eq!(breaks(&db), of_breaks, "batches of {batch}");
            let before = db.contents();
            for input in inputs {
                self.read(&db, input, 2000);
            }
            assert_eq!(unresolved(&db.contents()), unresolved(&before), "again");
            let rebuilt = db.blotter().compliance().snapshot(|tx| tx.orders().rebuild(None));
            assert_eq!(rebuilt.unwrap().differing, []);
            last = came.map(|came| (db, came));
        }
        last.unwrap()
    }
}

/// Orders, fills and breaks.
fn unresolved(contents: &Contents) -> (usize, usize, usize, Vec<i32>) {
    let filled = contents.orders.iter().map(|order| order.filled_quantity).collect();
    (contents.orders.len(), contents.fills.len(), contents.breaks.len(), filled)
}

/// A message of a session between desk and broker: `more` after the fields that all have.
pub fn of_day(day: u32, time: &str, more: &str) -> String {
    let at = format!("202603{day:02}-{time}");
    message(&format!("35=8|49=BRK|56=DESK|34=1|52={at}|1=ada|60={at}|{more}"))
}

/// A new order of the client.
pub fn new_order(day: u32, id: &str, symbol: &str, side: u32, quantity: u32) -> String {
    let at = format!("202603{day:02}-14:30:00");
    message(&format!(
        "35=D|49=DESK|56=BRK|34=1|52={at}|1=ada|11={id}|55={symbol}|54={side}|38={quantity}|40=2|44=10.00|60={at}"
    ))
}

pub fn joined(reports: &[String]) -> Vec<u8> {
    reports.concat().into_bytes()
}

#[test]
fn a_venue_order_id_that_starts_again_is_not_the_order_of_yesterday() {
    let first = joined(&[
        new_order(2, "C-1", "MSFT", 1, 100),
        of_day(
            2,
            "14:31:00",
            "11=C-1|37=1|17=a|150=F|39=1|55=MSFT|54=1|32=40|31=10.00|14=40|6=10.00",
        ),
    ]);
    let second = joined(&[
        new_order(3, "C-7", "AAPL", 2, 50),
        of_day(
            3,
            "14:31:00",
            "11=C-7|37=1|17=b|150=F|39=2|55=AAPL|54=2|32=50|31=10.10|14=50|6=10.10",
        ),
    ]);
    Feed::fix().comes_to(&[&first, &second], &["C-1 PARTIAL 40/100", "C-7 FILLED 50/50"], &[]);
    // Whether yesterday's order had been cancelled, or today's is, makes no difference.
    let cancel = |day, id: &str| {
        of_day(day, "20:00:00", &format!("11={id}-x|41={id}|37=1|17=c|150=4|39=4|14=0|6=0"))
    };
    let cancelled = joined(&[new_order(2, "C-1", "MSFT", 1, 100), cancel(2, "C-1")]);
    Feed::fix().comes_to(&[&cancelled, &second], &["C-1 CANCELLED 0/100", "C-7 FILLED 50/50"], &[]);
    let today = joined(&[new_order(3, "C-7", "AAPL", 2, 50), cancel(3, "C-7")]);
    let open = joined(&[
        new_order(2, "C-1", "MSFT", 1, 100),
        of_day(2, "14:30:01", "11=C-1|37=1|17=a|150=0|39=0|38=100|14=0|6=0"),
    ]);
    Feed::fix().comes_to(&[&open, &today], &["C-1 PENDING 0/100", "C-7 CANCELLED 0/50"], &[]);
}

#[test]
fn client_order_ids_that_start_again_are_breaks_or_with_daily_ids_orders_of_their_own() {
    let day = |day: u32, symbol: &str, side: u32| {
        joined(&[
            new_order(day, "1", symbol, side, 100),
            of_day(
                day,
                "14:31:00",
                &format!(
                    "11=1|37=V{day}|17=D{day}|150=F|39=1|55={symbol}|54={side}|32=40|31=10.00|14=40|6=10.00"
                ),
            ),
            of_day(
                day,
                "21:00:00",
                &format!("11=1|37=V{day}|17=X{day}|150=C|39=C|55={symbol}|54={side}|14=40|6=10.00"),
            ),
        ])
    };
    let (_, came) = Feed::fix().comes_to(
        &[&day(2, "AAPL", 1), &day(3, "MSFT", 2)],
        &["1 CANCELLED 40/100"],
        &["INVALID_ORDER - - open", "MISMATCH 1 D3 open", "UNAPPLIED_ACTION 1 X3 open"],
    );
    assert!(
        came.problems[0]
            .why
            .contains("Symbol (tag 55) is MSFT in the report and AAPL in the store")
    );
    // The same terms: never into yesterday's order.
    let (_, came) = Feed::fix().comes_to(
        &[&day(2, "AAPL", 1), &day(3, "AAPL", 1)],
        &["1 CANCELLED 40/100"],
        &["INVALID_ORDER - - open", "ORDER_ENDED 1 D3 open"],
    );
    assert!(came.problems[0].why.starts_with("client order id reused"), "{}", came.problems[0]);
    for symbol in ["AAPL", "MSFT"] {
        Feed::fix().daily().comes_to(
            &[&day(2, "AAPL", 1), &day(3, symbol, 1)],
            &["1 CANCELLED 40/100", "1 CANCELLED 40/100"],
            &[],
        );
    }
}

#[test]
fn an_acknowledgement_of_the_day_after_is_known_again_although_its_id_has_another_order_by_then() {
    let input = joined(&[
        new_order(2, "C-1", "F", 1, 100),
        of_day(
            3,
            "14:30:00",
            "11=C-1|37=V1|17=E1|150=0|39=0|55=F|54=1|38=100|40=2|44=10.00|14=0|6=0",
        ),
        of_day(
            3,
            "15:00:00",
            "11=C-1|37=V2|17=E2|150=F|39=1|55=F|54=2|38=100|40=2|44=10.00|32=10|31=10.00|14=10|6=10.00",
        ),
    ]);
    let orders = ["C-1 PARTIAL 10/100", "C-1 PENDING 0/100"];
    Feed::fix().daily().comes_to(&[&input], &orders, &[]);
}

#[test]
fn an_execution_id_of_another_day_is_a_break_or_with_daily_ids_another_fill() {
    let fill = |day, cumulative: u32| {
        of_day(
            day,
            "15:00:00",
            &format!(
                "11=G-1|37=V1|17=7|150=F|39=1|55=F|54=1|38=1000|32=100|31=10.00|14={cumulative}|6=10.00"
            ),
        )
    };
    let input = joined(&[new_order(2, "G-1", "F", 1, 1000), fill(2, 100), fill(3, 200)]);
    let (_, came) =
        Feed::fix().comes_to(&[&input], &["G-1 PARTIAL 100/1000"], &["MISMATCH G-1 7 open"]);
    assert!(came.problems[0].why.contains("--daily-ids"), "{}", came.problems[0]);
    Feed::fix().daily().comes_to(&[&input], &["G-1 PARTIAL 200/1000"], &[]);
}

#[test]
fn a_report_with_other_terms_than_its_order_is_a_break_that_lists_them() {
    let input = joined(&[
        new_order(2, "C-1", "MSFT", 1, 100),
        of_day(
            2,
            "14:31:00",
            "11=C-1|37=1|17=2|150=F|39=1|55=AAPL|54=2|32=40|31=10.00|14=40|6=10.00",
        ),
        of_day(2, "14:32:00", "11=C-1|37=1|17=3|150=4|39=4|55=AAPL|54=1|14=0|6=0"),
    ]);
    let (_, came) = Feed::fix().comes_to(
        &[&input],
        &["C-1 PENDING 0/100"],
        &["MISMATCH C-1 2 open", "UNAPPLIED_ACTION C-1 3 open"],
    );
    let listed = "Symbol (tag 55) is AAPL in the report and MSFT in the store; Side (tag 54) is SELL in the report and BUY in the store";
    assert_eq!(came.problems[0].why, listed);
    assert_eq!((came.problems[0].line, came.problems[0].reason), (2, BreakReason::Mismatch));
}

#[test]
fn a_symbol_map_makes_the_venues_symbols_ours() {
    let mut feed = Feed::fix();
    feed.options.symbols = HashMap::from([("BRK.B".to_owned(), "BRK B".to_owned())]);
    let input = joined(&[
        new_order(2, "C-1", "BRK B", 1, 100),
        of_day(
            2,
            "14:31:00",
            "11=C-1|37=1|17=2|150=F|39=2|55=BRK.B|54=1|32=100|31=10.00|14=100|6=10.00",
        ),
    ]);
    feed.comes_to(&[&input], &["C-1 FILLED 100/100"], &[]);
}

#[test]
fn totals_of_a_replacement_that_is_known_are_compared_too() {
    let input = joined(&[
        new_order(2, "C-1", "F", 1, 100),
        of_day(
            2,
            "14:31:00",
            "11=C-1|37=V|17=E1|150=F|39=1|55=F|54=1|32=10|31=10.00|14=10|6=10.00",
        ),
        // At the same time, so that only its place tells that it is not the last one.
        of_day(2, "14:33:00", "11=C-1|37=V|17=E2|150=0|39=0|55=F|54=1|38=100|14=0|6=0"),
        of_day(
            2,
            "14:33:00",
            "11=C-1|41=C-1|37=V|17=E3|150=5|39=1|55=F|54=1|38=20|40=2|44=10.00|14=10|6=10.00",
        ),
    ]);
    Feed::fix().comes_to(&[&input], &["C-1 CANCELLED 10/100", "V PENDING 0/10"], &[]);
}

#[test]
fn a_replacement_without_an_id_of_its_own_goes_on_in_the_chain() {
    let reports = |id: &str, original: &str| {
        let ids = |more: &str| format!("{id}37=O-1|{more}|55=MSFT|54=1|40=2");
        joined(&[
            of_day(2, "10:00:00", &ids("17=1|150=0|39=0|38=100|44=10.00|14=0|6=0")),
            of_day(
                2,
                "10:00:05",
                &ids(&format!("{original}17=2|150=5|39=5|38=120|44=11.00|14=0|6=0")),
            ),
            of_day(
                2,
                "10:00:06",
                &ids("17=3|150=F|39=1|38=120|44=11.00|32=40|31=10.90|14=40|6=10.90"),
            ),
        ])
    };
    let stand = ["O-1 CANCELLED 0/100", "O-1 PARTIAL 40/120"];
    Feed::fix().comes_to(&[&reports("", "")], &stand, &[]);
    let stand = ["M-1 CANCELLED 0/100", "O-1 PARTIAL 40/120"];
    Feed::fix().comes_to(&[&reports("11=M-1|", "")], &stand, &[]);
    Feed::fix().comes_to(&[&reports("11=M-1|", "41=M-1|")], &stand, &[]);
}

#[test]
fn a_restatement_that_changes_the_quantity_makes_a_new_order_of_the_chain() {
    let restated = |quantity: u32| {
        of_day(
            2,
            "14:31:00",
            &format!(
                "11=M-1|37=V|17=r|150=D|39=0|378=5|55=CL|54=1|38={quantity}|40=2|44=10.00|14=0|6=0"
            ),
        )
    };
    let fill = of_day(
        2,
        "14:32:00",
        "11=M-1|37=V|17=e|150=F|39=2|55=CL|54=1|32=60|31=10.00|14=60|6=10.00",
    );
    let input = joined(&[new_order(2, "M-1", "CL", 1, 100), restated(60), fill.clone()]);
    Feed::fix().comes_to(&[&input], &["M-1 CANCELLED 0/100", "V FILLED 60/60"], &[]);
    let unchanged = joined(&[new_order(2, "M-1", "CL", 1, 60), restated(60), fill]);
    Feed::fix().comes_to(&[&unchanged], &["M-1 FILLED 60/60"], &[]);
}

#[test]
fn a_fill_before_its_order_and_a_bust_before_its_fill_end_right() {
    let fill = |id: &str, shares: u32, total: u32| {
        of_day(
            2,
            "14:30:10",
            &format!(
                "11=P-1|37=V|17={id}|150=F|39={}|55=IBM|54=1|32={shares}|31=10.00|14={total}|6=10.00",
                1 + total / 200
            ),
        )
    };
    let input =
        joined(&[fill("e1", 50, 50), new_order(2, "P-1", "IBM", 1, 200), fill("e2", 150, 200)]);
    Feed::fix().comes_to(&[&input], &["P-1 FILLED 200/200"], &["UNKNOWN_ORDER - e1 booked"]);
    let bust = of_day(2, "14:31:00", "11=P-1|37=V|17=b|19=e1|150=H|39=0|55=IBM|54=1|14=0|6=0");
    let input = joined(&[new_order(2, "P-1", "IBM", 1, 200), bust, fill("e1", 50, 50)]);
    let (db, _) =
        Feed::fix().comes_to(&[&input], &["P-1 PENDING 0/200"], &["UNKNOWN_FILL P-1 b booked"]);
    let reasons: Vec<_> = db.contents().resolutions.into_iter().map(|it| it.reason).collect();
    assert_eq!(reasons, ["applied, the fill that it amends is stored now"]);
}

#[test]
fn a_fill_after_the_end_is_booked_only_if_another_report_counted_it() {
    let base = |counted: u32| {
        [
            new_order(2, "K-1", "CL", 1, 10),
            of_day(
                2,
                "14:31:00",
                "11=K-1|37=V|17=e1|150=F|39=1|55=CL|54=1|32=4|31=10.00|14=4|6=10.00",
            ),
            of_day(
                2,
                "14:32:00",
                &format!("11=K-2|41=K-1|37=V|17=c|150=4|39=4|55=CL|54=1|14={counted}|6=10.00"),
            ),
        ]
    };
    let late = |time: &str| {
        of_day(2, time, "11=K-1|37=V|17=e3|150=F|39=4|55=CL|54=1|32=3|31=10.00|14=7|6=10.00")
    };
    // Executed before the cancel or after it: the cancel did not count it.
    for time in ["14:31:59", "14:33:00"] {
        let (first, second) = (joined(&base(4)), late(time).into_bytes());
        let stand = ["K-1 CANCELLED 4/10"];
        Feed::fix().comes_to(&[&first, &second], &stand, &["ORDER_ENDED K-1 e3 open"]);
    }
    // In one run or in two.
    let whole = [joined(&base(7)), late("14:31:59").into_bytes()];
    let stand = ["K-1 CANCELLED 7/10"];
    Feed::fix().comes_to(&[&whole.concat()], &stand, &["ORDER_ENDED K-1 e3 booked"]);
    let broken = ["ORDER_ENDED K-1 e3 booked", "TOTALS K-1 c dismissed"];
    Feed::fix().comes_to(&[&whole[0], &whole[1]], &stand, &broken);
}

#[test]
fn side_fields_that_cannot_be_read_are_left_out_with_a_note_and_the_fill_counts() {
    let fill = |number: u32, odd: &str| {
        of_day(
            2,
            "14:31:00",
            &format!(
                "11=T-1|37=V|17=e{number}|150=F|39=1|55=SAP|32=100|31=10.00|14={number}00|{odd}"
            ),
        )
    };
    let input = joined(&[
        new_order(2, "T-1", "SAP", 1, 800),
        fill(1, "126=20260331|6=10.00"),
        fill(2, "6=NaN"),
        fill(3, "12=1,25|13=3|6=10.00"),
        fill(4, "54=8|6=10.00"),
        fill(5, "6=1.000E1"),
        fill(6, "151=x|6=10.00"),
        fill(7, "6=10.00").replace("\u{1}60=20260302-14:31:00", "\u{1}60=20260302 14:31:01 MET"),
    ]);
    let (_, came) = Feed::fix().comes_to(&[&repaired(&input)], &["T-1 PARTIAL 700/800"], &[]);
    assert_eq!((came.notes.len(), came.unreadable.len()), (5, 0), "{:?}", came.notes);
}

/// The messages with lengths and checksums that are right.
pub fn repaired(input: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(input).unwrap();
    let body = |line: &str| {
        let fields: Vec<&str> = line.split('\u{1}').filter(|field| !field.is_empty()).collect();
        message(&fields[2..fields.len() - 1].join("|"))
    };
    text.lines().map(body).collect::<String>().into_bytes()
}

#[test]
fn a_commission_below_zero_is_a_rebate() {
    let input = joined(&[
        new_order(2, "R-1", "KO", 1, 100),
        of_day(
            2,
            "14:31:00",
            "11=R-1|37=V|17=e|150=F|39=2|55=KO|54=1|32=100|31=10.00|14=100|6=10.00|12=-0.25|13=3",
        ),
    ]);
    let (db, _) = Feed::fix().comes_to(&[&input], &["R-1 FILLED 100/100"], &[]);
    let fill = &db.contents().fills[0];
    assert_eq!(
        (fill.rebate.to_string(), fill.commission.to_string()),
        ("0.25".into(), "0.00".into())
    );
}

#[test]
fn the_legs_of_a_spread_do_not_count_for_it() {
    let report = |id: &str, kind: u32, symbol: &str, price: &str| {
        of_day(
            2,
            "14:31:00",
            &format!(
                "11=S-1|37=V|17={id}|150=F|39=1|442={kind}|55=CL|{symbol}54=1|32=2|31={price}|14=2|6={price}"
            ),
        )
    };
    let input = joined(&[
        new_order(2, "S-1", "CL", 1, 10),
        report("e1", 3, "107=CLK6-CLM6|", "0.35"),
        report("e2", 2, "107=CLK6|", "70.45"),
        report("e3", 2, "107=CLM6|", "70.10"),
    ]);
    let (db, _) = Feed::fix().comes_to(&[&input], &["S-1 PARTIAL 2/10"], &[]);
    assert_eq!(db.contents().orders[0].average_fill_price.unwrap().to_string(), "0.35");
}

#[test]
fn ids_that_differ_in_bytes_that_are_not_utf_8_are_told_apart_by_their_encoding() {
    let order = |letter: u8| {
        // Two letters of windows-1251 that are not UTF-8.
        let text = new_order(2, "C-?", "GAZP", 1, 100);
        let mut bytes = text.into_bytes();
        let place = bytes.iter().position(|byte| *byte == b'?').unwrap();
        bytes[place] = letter;
        let end = bytes.windows(4).rposition(|four| four == b"\x0110=").unwrap() + 1;
        let sum: u32 = bytes[..end].iter().map(|byte| u32::from(*byte)).sum();
        bytes.truncate(end);
        bytes.extend(format!("10={:03}\u{1}\n", sum % 256).into_bytes());
        bytes
    };
    let input = [order(0xC0), order(0xC1)].concat();
    let decoded = Feed::fix().encoded("windows-1251");
    decoded.comes_to(&[&input], &["C-А PENDING 0/100", "C-Б PENDING 0/100"], &[]);
    let (_, came) = Feed::fix().comes_to(&[&input], &[], &["INVALID_ORDER - - open"; 2]);
    assert!(came.problems[0].why.contains("--encoding"), "{}", came.problems[0]);
}

#[test]
fn totals_are_compared_with_the_last_report_whatever_the_batch() {
    // A report without TransactTime between two with it: only times of one tag are compared.
    let at = |more: &str| message(&format!("35=8|1=ada|11=C-1|37=O|55=XYZ|54=2|{more}"));
    let input = joined(&[
        at(
            "34=2|52=20260302-15:38:47|60=20260302-15:38:46|17=a|150=0|39=0|38=1000|40=2|44=50|14=0|6=0",
        ),
        at("34=3|52=20260302-15:38:47|17=0|150=D|39=0|378=8|14=0"),
        at(
            "34=4|52=20260302-15:38:47|60=20260302-15:38:46|17=s|150=2|39=2|38=1000|32=1000|31=50|14=1000|6=50",
        ),
    ]);
    Feed::fix().comes_to(&[&input], &["C-1 FILLED 1000/1000"], &[]);
    // A CumQty that falls is a difference, and no old news.
    let fill = |id: &str, time: &str, shares: u32, total: u32| {
        of_day(
            2,
            time,
            &format!(
                "11=C-1|37=O|17={id}|150=1|39=1|55=XYZ|54=1|32={shares}|31=10.00|14={total}|6=10.00"
            ),
        )
    };
    let input = joined(&[
        new_order(2, "C-1", "XYZ", 1, 1000),
        fill("e1", "14:31:00", 500, 500),
        fill("e2", "14:32:00", 200, 200),
        of_day(2, "14:33:00", "11=C-2|41=C-1|37=O|17=c|150=4|39=4|55=XYZ|54=1|14=200|6=10.00"),
    ]);
    Feed::fix().comes_to(&[&input], &["C-1 CANCELLED 700/1000"], &["TOTALS C-1 c open"]);
}

#[test]
fn totals_of_an_input_say_nothing_of_fills_of_the_same_time_in_another_one() {
    let fill = |id: &str, shares: u32, total: u32| {
        of_day(
            2,
            "14:31:00",
            &format!(
                "11=C-1|37=V|17={id}|150=F|39=1|55=KO|54=1|32={shares}|31=10.00|14={total}|6=10.00"
            ),
        )
    };
    let order = new_order(2, "C-1", "KO", 1, 1000);
    let first = joined(&[order.clone(), fill("e1", 40, 40), fill("e2", 30, 70)]);
    let second = joined(&[fill("e3", 20, 90)]);
    let db = Database::migrated();
    for input in [&first, &second, &first, &second] {
        Feed::fix().read(&db, input, 2000);
    }
    assert_eq!((orders(&db), breaks(&db)), (vec!["C-1 PARTIAL 90/1000".to_owned()], vec![]));
    // Within one input, the last report counts all before it.
    let fallen = joined(&[order, fill("e1", 500, 500), fill("e2", 200, 200)]);
    let broken = ["TOTALS C-1 e2 open"];
    Feed::fix().comes_to(&[&fallen], &["C-1 PARTIAL 700/1000"], &broken);
}

#[test]
fn a_bust_finds_the_fill_that_first_told_the_venues_order_id() {
    let first = joined(&[
        new_order(2, "C-1", "XYZ", 1, 100),
        of_day(
            2,
            "14:31:00",
            "11=C-1|37=O-3|17=e1|150=F|39=2|55=XYZ|54=1|32=100|31=10.00|14=100|6=10.00",
        ),
    ]);
    let bust = of_day(2, "14:32:00", "37=O-3|17=e2|19=e1|150=H|39=0|55=XYZ|54=1|14=0|6=0");
    Feed::fix().comes_to(&[&first, bust.as_bytes()], &["C-1 PENDING 0/100"], &[]);
}

#[test]
fn an_order_that_the_columns_cannot_hold_is_a_break_and_so_is_each_of_its_fills() {
    let symbol = "AAPL  260619C00150000";
    let fill = |more: &str| {
        of_day(2, "14:31:00", &format!("37=V|17=e|150=F|39=2|54=1|14=1|6=1.00|{more}"))
    };
    let cases = [
        (
            [
                new_order(2, "A", symbol, 1, 1),
                fill(&format!("11=A|55={symbol}|38=1|40=2|44=10.00|32=1|31=1.00")),
            ],
            "blotter widen --symbols 21",
        ),
        (
            [
                new_order(2, "A", "KO", 1, 1).replace("\u{1}38=1\u{1}", "\u{1}38=0.5\u{1}"),
                fill("11=A|55=KO|38=0.5|40=2|44=10.00|32=0.5|31=1.00"),
            ],
            "expected a whole number of shares",
        ),
        (
            [
                new_order(2, "A", "CL", 1, 1).replace("\u{1}44=10.00", "\u{1}44=-37.63"),
                fill("11=A|55=CL|38=1|40=2|44=-37.63|32=1|31=-37.63"),
            ],
            "must be more than 0",
        ),
        (
            [
                new_order(2, "A", "KO", 1, 1).replace("\u{1}40=2\u{1}", "\u{1}40=P\u{1}"),
                fill("11=A|55=KO|38=1|40=P|44=10.00|32=1|31=1.00"),
            ],
            "\"P\"",
        ),
        (
            [
                new_order(2, "A", "KO", 1, 3_000_000_000),
                fill("11=A|55=KO|38=3000000000|40=2|44=10.00|32=1|31=1.00"),
            ],
            "expected a whole number of shares up to 2147483647",
        ),
    ];
    for (reports, why) in cases {
        let input = repaired(&joined(&reports));
        let broken = ["INVALID_ORDER - - open", "UNKNOWN_ORDER - e open"];
        let (_, came) = Feed::fix().comes_to(&[&input], &[], &broken);
        assert!(came.problems.iter().all(|it| it.why.contains(why)), "{:?}", came.problems);
    }
}

#[test]
fn a_break_for_want_of_decimal_places_is_applied_when_the_columns_are_wide_enough() {
    let input = joined(&[
        new_order(2, "R-1", "SIRI", 1, 100),
        of_day(
            2,
            "14:31:00",
            "11=R-1|37=V|17=e|150=F|39=2|55=SIRI|54=1|32=100|31=3.123456|14=100|6=3.123456",
        ),
    ]);
    let db = Database::migrated();
    Feed::fix().read(&db, &input, 2000);
    assert_eq!(breaks(&db), ["PRECISION R-1 e open"]);
    widths::widen(&mut db.owner(), Widening { prices: Some(6), symbols: None }).unwrap();
    Feed::fix().read(&db, &input, 2000);
    assert_eq!(orders(&db), ["R-1 FILLED 100/100"]);
    assert_eq!(breaks(&db), ["PRECISION R-1 e booked"]);
}

#[test]
fn executions_without_ids_are_counted_once_however_often_they_are_read() {
    let header = "kind,trader,client_order_id,symbol,side,order_type,quantity,price,venue,last_quantity,last_price,at\n";
    let order = "new_order,ada,X-1,AAPL,BUY,LIMIT,5000,230.00,,,,2026-03-02T14:30:00Z\n";
    let fill =
        |shares: u32| format!("fill,ada,X-1,,,,,,NASDAQ,{shares},229.50,2026-03-02T14:30:01Z\n");
    // Two with the same content are two executions.
    let input = format!("{header}{order}{}{}{}", fill(1500), fill(500), fill(500));
    let csv = Feed::of(FormatName::Csv);
    csv.comes_to(&[input.as_bytes()], &["X-1 PARTIAL 2500/5000"], &[]);
}

#[test]
fn an_execution_corrected_under_the_next_id_differs_from_the_venues_totals() {
    let fill = |id: &str, price: &str| {
        of_day(
            2,
            "14:31:00",
            &format!(
                "11=Q-2|37=V|17={id}|150=F|39=1|55=MSFT|54=1|32=100|31={price}|14=100|6={price}"
            ),
        )
    };
    let input =
        joined(&[new_order(2, "Q-2", "MSFT", 1, 500), fill("e.01", "9.59"), fill("e.02", "9.49")]);
    Feed::fix().comes_to(&[&input], &["Q-2 PARTIAL 200/500"], &["TOTALS Q-2 e.02 open"]);
}

#[test]
fn a_drop_copy_that_comes_first_under_the_id_of_the_cancel_makes_no_second_order() {
    let input = joined(&[
        of_day(
            2,
            "14:30:05",
            "11=K-2|41=K-1|37=V|17=e1|150=6|39=6|55=KO|54=1|38=300|40=2|44=10.00|14=0|6=0",
        ),
        of_day(
            2,
            "14:30:06",
            "11=K-2|41=K-1|37=V|17=e2|150=F|39=6|55=KO|54=1|38=300|40=2|44=10.00|32=300|31=10.00|14=300|6=10.00",
        ),
        new_order(2, "K-1", "KO", 1, 300),
        of_day(
            2,
            "14:30:01",
            "11=K-1|37=V|17=e0|150=0|39=0|55=KO|54=1|38=300|40=2|44=10.00|14=0|6=0",
        ),
    ]);
    Feed::fix().comes_to(&[&input], &["K-1 FILLED 300/300"], &["UNKNOWN_ORDER - e2 booked"]);
}

#[test]
fn a_fill_of_alpaca_from_the_stream_and_from_the_activities_is_one_fill() {
    let order = r#""order":{"id":"00000000-0000-4000-8000-0000000000aa","client_order_id":"al-1","symbol":"QQQJ","qty":"1000","filled_qty":"FILLED","type":"limit","side":"buy","time_in_force":"day","limit_price":"31.60","status":"partially_filled"}"#;
    let stream = |event: &str, more: &str| {
        format!(
            "{{\"stream\":\"trade_updates\",\"data\":{{\"event\":\"{event}\",\"timestamp\":\"2026-03-02T15:00:00Z\",{more}{order}}}}}\n"
        )
    };
    let first = [
        stream("new", r#""execution_id":"11111111-0000-4000-8000-000000000001","#)
            .replace("FILLED", "0")
            .replace("partially_filled", "new"),
        stream(
            "partial_fill",
            r#""execution_id":"11111111-0000-4000-8000-000000000002","price":"31.60","qty":"400","#,
        )
        .replace("FILLED", "400"),
    ]
    .concat();
    let second = r#"[{"id":"20260302150000000::11111111-0000-4000-8000-000000000002","activity_type":"FILL","transaction_time":"2026-03-02T15:00:00Z","type":"partial_fill","price":"31.60","qty":"400","side":"buy","symbol":"QQQJ","leaves_qty":"600","order_id":"00000000-0000-4000-8000-0000000000aa","cum_qty":"400"}]"#;
    let mut feed = Feed::of(FormatName::Alpaca);
    let db = Database::migrated();
    let ada = tradeblotter_test_support::trader(&db.blotter(), "ada");
    feed.options.trader = Some(ada.id);
    for input in [first.as_str(), second, second, &first] {
        feed.read(&db, input.as_bytes(), 2000);
        assert_eq!(orders(&db), ["al-1 PARTIAL 400/1000"]);
    }
    assert_eq!(breaks(&db), [""; 0]);
}

#[test]
fn a_fill_of_alpaca_that_crossed_a_replacement_counts_in_the_chain() {
    let order = |id: &str, name: &str, more: &str| {
        format!(
            r#""order":{{"id":"00000000-0000-4000-8000-0000000000{id}","client_order_id":"{name}","symbol":"CGC","type":"limit","side":"sell","time_in_force":"day","limit_price":"12.00",{more}}}"#
        )
    };
    let event = |event: &str, second: &str, more: &str, order: String| {
        format!(
            "{{\"stream\":\"trade_updates\",\"data\":{{\"event\":\"{event}\",\"timestamp\":\"2026-03-02T15:00:{second}Z\",{more}{order}}}}}\n"
        )
    };
    let fill = |id: u32, shares: u32| {
        format!(
            r#""execution_id":"11111111-0000-4000-8000-00000000000{id}","price":"12.00","qty":"{shares}","#
        )
    };
    let old = |filled: u32| {
        format!(
            r#""qty":"83","filled_qty":"{filled}","filled_avg_price":"12.00","status":"partially_filled""#
        )
    };
    let replaces = r#""qty":"83","filled_qty":"0","status":"new","replaces":"00000000-0000-4000-8000-0000000000aa""#;
    let input = [
        event("new", "00", r#""execution_id":"n1","#, order("aa", "rp-1", r#""qty":"83","filled_qty":"0","status":"new""#)),
        event("partial_fill", "01", &fill(1, 30), order("aa", "rp-1", &old(30))),
        event("new", "03", r#""execution_id":"n2","#, order("bb", "rp-2", replaces)),
        event("fill", "02.9", &fill(2, 10), order("aa", "rp-1", &old(40))),
        event("fill", "05", &fill(3, 43), order("bb", "rp-2", r#""qty":"43","filled_qty":"43","status":"filled","replaces":"00000000-0000-4000-8000-0000000000aa""#)),
    ]
    .concat();
    let mut feed = Feed::of(FormatName::Alpaca);
    for batch in [1, 2000] {
        let db = Database::migrated();
        let ada = tradeblotter_test_support::trader(&db.blotter(), "ada");
        feed.options.trader = Some(ada.id);
        feed.read(&db, input.as_bytes(), batch);
        assert_eq!(orders(&db), ["rp-1 CANCELLED 30/83", "rp-2 FILLED 53/53"]);
        assert_eq!(breaks(&db), [""; 0]);
    }
}

#[test]
fn a_leap_second_is_the_same_moment_in_every_format() {
    let fix = joined(&[
        new_order(2, "L-1", "KO", 1, 100),
        of_day(
            2,
            "23:59:60",
            "11=L-1|37=V|17=e|150=F|39=2|55=KO|54=1|32=100|31=10.00|14=100|6=10.00",
        ),
    ]);
    let ndjson = r#"{"kind":"new_order","trader":"ada","client_order_id":"L-1","symbol":"KO","side":"BUY","order_type":"LIMIT","quantity":"100","price":"10.00","at":"2026-03-02T14:30:00Z"}
{"kind":"fill","trader":"ada","client_order_id":"L-1","execution_id":"e","last_quantity":"100","last_price":"10.00","at":"2026-03-02T23:59:60Z"}
"#;
    let (from_fix, _) = Feed::fix().comes_to(&[&fix], &["L-1 FILLED 100/100"], &[]);
    let ndjson_feed = Feed::of(FormatName::Ndjson);
    let (from_json, _) = ndjson_feed.comes_to(&[ndjson.as_bytes()], &["L-1 FILLED 100/100"], &[]);
    assert_eq!(from_fix.contents().fills[0].timestamp, from_json.contents().fills[0].timestamp);
}

/// Has the sessions that begin from now on wait for locks for a short time.
fn wait_briefly(db: &Database) {
    let timeout = "DO $$ BEGIN
        EXECUTE format('ALTER DATABASE %I SET lock_timeout = 200', current_database());
    END $$";
    db.admin().batch_execute(timeout).unwrap();
}

/// Locks the order C-1 until the end of the transaction of the session that it returns.
fn with_first_order_locked(db: &Database) -> diesel::PgConnection {
    wait_briefly(db);
    let mut other = db.admin();
    let lock = "BEGIN; SELECT FROM orders WHERE client_order_id = 'C-1' FOR UPDATE";
    other.batch_execute(lock).unwrap();
    other
}

#[test]
fn reports_of_an_order_that_another_session_has_locked_wait_and_do_not_stop_the_run() {
    let db = Database::migrated();
    let feed = Feed::fix();
    feed.read(
        &db,
        &joined(&[new_order(2, "C-1", "KO", 1, 100), new_order(2, "C-2", "KO", 1, 100)]),
        2000,
    );
    let fill = |id: &str| {
        of_day(
            2,
            "14:31:00",
            &format!(
                "11={id}|37=V{id}|17=e{id}|150=F|39=2|55=KO|54=1|32=100|31=10.00|14=100|6=10.00"
            ),
        )
    };
    let mut other = with_first_order_locked(&db);
    let came = feed.read(&db, &joined(&[fill("C-1"), fill("C-2")]), 2000);
    other.batch_execute("ROLLBACK").unwrap();
    assert_eq!(orders(&db), ["C-1 PENDING 0/100", "C-2 FILLED 100/100"]);
    assert_eq!(came.tally.broken, 1);
    // The next run applies it.
    feed.read(&db, &joined(&[fill("C-2")]), 2000);
    assert_eq!(orders(&db), ["C-1 FILLED 100/100", "C-2 FILLED 100/100"]);
}

#[test]
fn an_order_that_replaces_one_which_another_session_has_locked_waits_and_does_not_stop_the_run() {
    let db = Database::migrated();
    Feed::fix().read(&db, new_order(2, "C-1", "KO", 1, 100).as_bytes(), 2000);
    let order = |id: &str, more: &str| {
        format!(
            r#"{{"kind":"new_order","trader":"ada","client_order_id":"{id}","symbol":"KO","side":"BUY","order_type":"LIMIT","quantity":"100","price":"10.00","at":"2026-03-02T14:31:00Z"{more}}}"#
        ) + "\n"
    };
    let feed = Feed::of(FormatName::Ndjson);
    let input = order("C-2", r#","original_client_order_id":"C-1""#) + &order("C-3", "");
    let mut other = with_first_order_locked(&db);
    let came = feed.read(&db, input.as_bytes(), 2000);
    other.batch_execute("ROLLBACK").unwrap();
    assert_eq!(orders(&db), ["C-1 PENDING 0/100", "C-3 PENDING 0/100"]);
    assert_eq!(came.tally.broken, 1);
    // The next run applies it.
    feed.read(&db, order("C-3", "").as_bytes(), 2000);
    assert_eq!(orders(&db), ["C-1 CANCELLED 0/100", "C-2 PENDING 0/100", "C-3 PENDING 0/100"]);
}

/// Takes the turn of all traders until the transaction of the session that it returns ends.
fn with_turns_taken(db: &Database) -> diesel::PgConnection {
    let mut other = db.admin();
    let turns =
        "BEGIN; SELECT pg_advisory_xact_lock(1953854062, key) FROM generate_series(0, 63) AS key";
    other.batch_execute(turns).unwrap();
    other
}

#[test]
fn a_session_writes_a_batch_when_the_turn_of_another_one_has_ended() {
    let db = Database::migrated();
    let input = new_order(2, "C-1", "KO", 1, 100);
    let mut other = with_turns_taken(&db);
    thread::scope(|scope| {
        let writing = scope.spawn(|| Feed::fix().read(&db, input.as_bytes(), 2000));
        await_waiter(&mut db.admin());
        let before = orders(&db);
        other.batch_execute("ROLLBACK").unwrap();
        writing.join().unwrap();
        assert_eq!(before, [""; 0]);
    });
    assert_eq!(orders(&db), ["C-1 PENDING 0/100"]);
}

#[test]
fn a_session_that_keeps_its_turn_does_not_stop_the_others() {
    let db = Database::migrated();
    wait_briefly(&db);
    let mut other = with_turns_taken(&db);
    Feed::fix().read(&db, new_order(2, "C-1", "KO", 1, 100).as_bytes(), 2000);
    other.batch_execute("ROLLBACK").unwrap();
    assert_eq!(orders(&db), ["C-1 PENDING 0/100"]);
}
