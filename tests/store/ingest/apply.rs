//! Applies reports to the store: each order, fill and action is stored exactly once, however often the
//! reports arrive, from any session and in batches of any size.

use std::collections::HashSet;
use std::thread;

use proptest::collection::vec;
use proptest::prelude::*;
use tradeblotter::ingest::{FormatName, Options, Problem, Reader, Tally, Writer};
use tradeblotter::{Blotter, BreakReason, Error, NewBreakResolution, OrderStatus};

use tradeblotter_test_support::describe::{breaks, describe, orders};
use tradeblotter_test_support::reports::{
    acknowledged, cancelled, filled, message, other_session, report,
};
use tradeblotter_test_support::{Database, await_waiter, check, fix_by_account, trader};

fn writer() -> Writer {
    let format = FormatName::Fix;
    Writer::new(Options { register_traders: true, format, ..Options::default() })
}

/// A writer of reports whose ids start again each day.
pub fn daily_writer() -> Writer {
    Writer::new(Options {
        register_traders: true,
        format: FormatName::Fix,
        daily_ids: Some(chrono_tz::UTC),
        ..Options::default()
    })
}

/// Ingests an input in batches of this size, with traders from tag 1.
pub fn read_in(blotter: &Blotter, input: &str, batch: usize) -> (Tally, Vec<Problem>) {
    read_with(writer(), blotter, input, batch)
}

fn read_with(
    mut writer: Writer,
    blotter: &Blotter,
    input: &str,
    batch: usize,
) -> (Tally, Vec<Problem>) {
    let mut reader = Reader::new(input.as_bytes(), fix_by_account());
    let engine = blotter.engine();
    while let Some(read) = reader.batch(batch).unwrap() {
        assert_eq!(read.malformed, []);
        writer.write(&engine, &read.events).unwrap();
    }
    let problems = writer.finish(&engine).unwrap();
    let tally = writer.tally().clone();
    let Tally { reports, applied, known, without_effect, broken, .. } = tally;
    assert_eq!(reports, applied + known + without_effect + broken, "conservation: {tally:?}");
    (tally, problems)
}

/// Asserts that reports in batches of 1 and of 2000, and repeated, come to these orders and breaks.
#[track_caller]
fn read(reports: &[String]) -> (Database, Tally, Vec<Problem>) {
    read_as(writer, reports)
}

#[track_caller]
pub fn read_as(writer: fn() -> Writer, reports: &[String]) -> (Database, Tally, Vec<Problem>) {
    let (one, many) = (Database::migrated(), Database::migrated());
    let input = reports.concat();
    read_with(writer(), &one.blotter(), &input, 1);
    let (tally, problems) = read_with(writer(), &many.blotter(), &input, 2000);
    assert_eq!(describe(&one), describe(&many), "batches");
    let before = many.contents();
    for batch in [1, 2000] {
        read_with(writer(), &many.blotter(), &input, batch);
        assert_eq!(many.contents(), before, "again");
    }
    let rebuilt = many.blotter().compliance().snapshot(|tx| tx.orders().rebuild(None));
    assert_eq!(rebuilt.unwrap().differing, []);
    (many, tally, problems)
}

/// The result of reports: the orders and the breaks.
#[track_caller]
pub fn assert_comes_to(reports: &[String], of_orders: &[&str], of_breaks: &[&str]) {
    let (db, tally, problems) = read(reports);
    let open =
        of_breaks.iter().filter(|kept| kept.ends_with(" open") && !kept.starts_with("TOTALS"));
    let problems: Vec<_> =
        problems.iter().filter(|problem| problem.reason != BreakReason::Totals).collect();
    let kept: HashSet<_> = problems.iter().map(|problem| problem.break_id).collect();
    assert_eq!((problems.len(), kept.len()), (tally.broken as usize, open.count()));
    assert_eq!(orders(&db), of_orders);
    assert_eq!(breaks(&db), of_breaks);
}

#[test]
fn an_unknown_order_is_submitted_from_its_first_report_with_all_terms() {
    assert_comes_to(&[filled(1, "A", "E1", 40, 40)], &["A PARTIAL 40/100"], &[]);
    assert_comes_to(&[cancelled(1, "A", 0)], &["A CANCELLED 0/100"], &[]);
}

#[test]
fn reports_of_an_order_with_unknown_terms_are_breaks() {
    let stray = |id: &str, more: &str| {
        message(&format!(
            "35=8|34=1|1=ada|11={id}|37=V{id}|17=E1|30=XNAS|60=20261124-15:00:00|38=100|{more}"
        ))
    };
    let (db, tally, problems) = read(&[
        stray("A", "150=F|39=1|32=10|31=10.00|14=10"),
        stray("B", "150=4|39=4|14=0"),
        // An execution of another unknown order, under the same execution id.
        stray("C", "150=F|39=1|32=20|31=10.00|14=20"),
        acknowledged(1, "D", 100),
    ]);
    assert_eq!(orders(&db), ["D PENDING 0/100"]);
    let stray =
        ["UNAPPLIED_ACTION - E1 open", "UNKNOWN_ORDER - E1 open", "UNKNOWN_ORDER - E1 open"];
    assert_eq!(breaks(&db), stray);
    let lines: Vec<_> = problems.iter().map(|problem| problem.line).collect();
    assert_eq!((tally.broken, lines), (3, vec![1, 2, 3]));
    assert!(problems[1].why.contains("OrdType (tag 40) is missing"), "{}", problems[1].why);
}

#[test]
fn orders_that_cannot_be_stored_are_breaks_with_their_lines_and_the_rest_is_applied() {
    let terms = |id: &str, terms: &str| {
        message(&format!("35=D|34=1|1=ada|11={id}|54=1|60=20261124-15:00:00|{terms}"))
    };
    let (db, tally, problems) = read(&[
        terms("A", "55=MUCHTOOLONGASYMBOL|40=1|38=100"),
        terms("B", "55=ACME|40=1|38=0"),
        terms("C", "55=ACME|40=1|38=10.5"),
        terms("D", "55=ACME|40=2|38=100|44=10.005"),
        terms("E", "55=ACME|40=2|38=100"),
        terms("F", "55=ACME|40=P|38=100"),
        terms("G", "55=ACME|40=1|38=3000000000"),
        terms(&"x".repeat(65), "55=ACME|40=1|38=100"),
        acknowledged(1, "H", 100),
        filled(2, "H", "E1", 40, 40),
        cancelled(3, "H", 40),
    ]);
    assert_eq!(orders(&db), ["H CANCELLED 40/100"]);
    assert_eq!(breaks(&db), ["INVALID_ORDER - - open"; 8]);
    let lines: Vec<_> = problems.iter().map(|problem| problem.line).collect();
    assert_eq!((tally.broken, lines), (8, (1..=8).collect()));
}

#[test]
fn fills_of_a_refused_order_are_breaks_and_are_never_booked_to_another_order() {
    let long = |report: String| report.replace("55=ACME", "55=MUCHTOOLONGASYMBOL");
    let (db, _, problems) = read(&[
        long(acknowledged(1, "A", 100)),
        long(filled(2, "A", "E1", 40, 40)),
        long(filled(3, "A", "E2", 60, 100)),
        filled(3, "B", "E1", 40, 40),
    ]);
    assert_eq!(orders(&db), ["B PARTIAL 40/100"]);
    let of_refused =
        ["UNAPPLIED_ACTION - A-0 open", "UNKNOWN_ORDER - E1 open", "UNKNOWN_ORDER - E2 open"];
    assert_eq!(breaks(&db), of_refused);
    for problem in &problems {
        assert!(problem.why.contains("MUCHTOOLONGASYMBOL"), "{problem}");
    }
}

#[test]
fn a_venue_order_id_that_is_used_again_does_not_find_the_earlier_order() {
    let cancel = cancelled(13, "B", 0).replace("37=VB", "37=VA");
    let reports = [
        acknowledged(1, "A", 100),
        filled(2, "A", "E1", 40, 40),
        message("35=D|1=ada|11=B|55=ACME|54=1|38=100|40=2|44=10.00|60=20261124-15:00:10"),
        acknowledged(11, "B", 100).replace("37=VB", "37=VA"),
        cancel,
    ];
    assert_comes_to(&reports, &["A PARTIAL 40/100", "B CANCELLED 0/100"], &[]);
}

#[test]
fn where_ids_start_again_each_day_the_end_of_an_order_on_a_later_day_is_known_when_it_is_read_again()
 {
    let next_day = |report: String| report.replace("20261124-", "20261125-");
    let day = [
        acknowledged(1, "A", 100),
        filled(2, "A", "E1", 40, 40),
        next_day(filled(3, "A", "E1", 30, 70)),
        next_day(cancelled(4, "A", 70)),
    ];
    let (db, ..) = read_as(daily_writer, &day);
    assert_eq!((orders(&db), breaks(&db)), (vec!["A CANCELLED 70/100".to_owned()], vec![]));
    // The id of an order that has ended the day before names another one.
    let reports = [
        acknowledged(1, "A", 100),
        cancelled(2, "A", 0),
        next_day(filled(3, "A", "E1", 40, 40)),
        next_day(cancelled(4, "A", 40)),
    ];
    let (db, ..) = read_as(daily_writer, &reports);
    assert_eq!(orders(&db), ["A CANCELLED 0/100", "A CANCELLED 40/100"]);
    assert_eq!(breaks(&db), [""; 0]);
}

#[test]
fn a_cancel_text_longer_than_the_log_allows_is_cut() {
    let long = "x".repeat(2000);
    let cancel = report(2, &format!("11=A|37=VA|17=A-c|150=4|39=4|38=100|14=0|6=0|58={long}"));
    assert_comes_to(&[acknowledged(1, "A", 100), cancel], &["A CANCELLED 0/100"], &[]);
}

#[test]
fn the_same_reports_from_a_second_session_are_counted_once() {
    let reports = [
        acknowledged(1, "A", 100),
        filled(2, "A", "E1", 40, 40),
        filled(3, "A", "E2", 30, 70),
        cancelled(4, "A", 70),
    ];
    let other: Vec<_> = reports.iter().map(|report| other_session(report)).collect();
    let (clean, ..) = read(&reports);
    for reports in [
        [reports.as_slice(), other.as_slice()].concat(),
        reports.iter().zip(&other).flat_map(|(a, b)| [a.clone(), b.clone()]).collect(),
        // The other session lags, and its reports are out of date.
        vec![
            reports[0].clone(),
            reports[1].clone(),
            reports[2].clone(),
            other[0].clone(),
            reports[3].clone(),
            other[1].clone(),
            other[2].clone(),
        ],
    ] {
        let (db, ..) = read(&reports);
        assert_eq!(describe(&db), describe(&clean));
    }
    // The session that reports no venue comes first.
    let (db, ..) = read(&[other.as_slice(), reports.as_slice()].concat());
    assert_eq!(orders(&db), ["A CANCELLED 70/100"]);
    assert_eq!((db.contents().fills.len(), breaks(&db)), (2, vec![]));
}

#[test]
fn the_same_fill_in_pounds_and_in_pence_is_counted_once() {
    let pounds = filled(2, "A", "E1", 40, 40).replace("\u{1}31=10.00", "\u{1}15=GBP\u{1}31=10.00");
    let pence = pounds
        .replace("31=10.00", "31=1000")
        .replace("\u{1}6=10.00", "\u{1}6=1000")
        .replace("GBP", "GBp");
    // The edits make BodyLength wrong, which the reader only notes.
    for reports in [[&pounds, &pence], [&pence, &pounds]] {
        let order = acknowledged(1, "A", 100);
        let reports = [order, reports[0].clone(), reports[1].clone()];
        assert_comes_to(&reports, &["A PARTIAL 40/100"], &[]);
    }
}

#[test]
fn a_late_fill_that_the_totals_of_the_cancel_include_is_booked() {
    let reports = [
        acknowledged(1, "A", 100),
        filled(2, "A", "E1", 40, 40),
        cancelled(4, "A", 70),
        filled(3, "A", "E2", 30, 70),
    ];
    assert_comes_to(&reports, &["A CANCELLED 70/100"], &["ORDER_ENDED A E2 booked"]);
}

#[test]
fn of_two_late_fills_only_the_one_in_the_totals_of_the_cancel_is_booked() {
    let reports = [
        acknowledged(1, "A", 100),
        cancelled(4, "A", 30),
        filled(2, "A", "E1", 30, 30),
        filled(3, "A", "E2", 20, 30),
    ];
    let broken = ["ORDER_ENDED A E1 booked", "ORDER_ENDED A E2 open"];
    assert_comes_to(&reports, &["A CANCELLED 30/100"], &broken);
}

#[test]
fn a_late_fill_outside_the_totals_of_the_cancel_is_a_break_and_stays_dismissed() {
    let late = filled(3, "A", "E2", 30, 40).replace("\u{1}39=1", "\u{1}39=4");
    let reports =
        [acknowledged(1, "A", 100), filled(2, "A", "E1", 40, 40), cancelled(4, "A", 40), late];
    let (db, tally, _) = read(&reports);
    assert_eq!(breaks(&db), ["ORDER_ENDED A E2 open"]);
    assert_eq!(tally.open_breaks(), 1);
    let blotter = db.blotter();
    let dismiss = NewBreakResolution::dismiss(db.contents().breaks[0].id, "busted by telephone");
    blotter.engine().transaction(|tx| tx.breaks().resolve(&dismiss)).unwrap();
    let before = db.contents();
    let (tally, _) = read_in(&blotter, &reports.concat(), 2000);
    assert_eq!((tally.open_breaks(), db.contents()), (0, before));
    assert_eq!(breaks(&db), ["ORDER_ENDED A E2 dismissed"]);
}

#[test]
fn a_fill_a_cancel_and_another_order_may_share_an_execution_id() {
    let cancel = cancelled(3, "A", 40).replace("17=A-c", "17=E1");
    let reports = [
        acknowledged(1, "A", 100),
        acknowledged(1, "B", 100),
        filled(2, "A", "E1", 40, 40),
        filled(2, "B", "E1", 40, 40),
        cancel,
    ];
    assert_comes_to(&reports, &["A CANCELLED 40/100", "B PARTIAL 40/100"], &[]);
}

#[test]
fn a_different_fill_under_the_same_execution_id_is_one_break_however_often_it_is_read() {
    let other = filled(2, "A", "E1", 40, 40).replace("31=10.00", "31=10.01");
    let reports = [
        acknowledged(1, "A", 100),
        filled(2, "A", "E1", 40, 40),
        other.clone(),
        other.replace("\u{1}52=", "\u{1}43=Y\u{1}52="),
    ];
    assert_comes_to(&reports, &["A PARTIAL 40/100"], &["MISMATCH A E1 open"]);
}

#[test]
fn reports_that_are_repeated_after_a_bust_change_nothing() {
    let fill = filled(2, "A", "E1", 40, 40);
    let bust =
        report(4, "11=A|37=VA|17=E3|19=E1|150=H|39=1|38=100|30=XNAS|32=40|31=10.00|14=30|6=10.00");
    let reports = [
        acknowledged(1, "A", 100),
        fill.clone(),
        filled(3, "A", "E2", 30, 70),
        bust.clone(),
        fill,
        filled(3, "A", "E2", 30, 70),
        filled(5, "A", "E4", 20, 50),
        bust,
        acknowledged(1, "A", 100),
    ];
    assert_comes_to(&reports, &["A PARTIAL 50/100"], &[]);
}

#[test]
fn busts_and_corrections_are_read_in_fix_4_2_and_4_4() {
    // Of FIX 4.2: ExecTransType (20), with the order's status for ExecType.
    let dialects = [("20=1|150=1", "20=2|150=1"), ("150=H", "150=G")];
    for (bust, correct) in dialects {
        let amend = |second, id: &str, of: &str, kind: &str, shares: u32, total: u32| {
            report(
                second,
                &format!(
                    "11=A|37=VA|17={id}|19={of}|{kind}|39=1|38=100|30=XNAS|32={shares}|31=10.00|\
                     14={total}|6=10.00"
                ),
            )
        };
        let reports = [
            acknowledged(1, "A", 100),
            filled(2, "A", "E1", 40, 40),
            filled(3, "A", "E2", 30, 70),
            amend(4, "E3", "E1", correct, 50, 80),
            amend(5, "E4", "E3", correct, 45, 75),
            amend(6, "E5", "E2", bust, 30, 45),
            // From a session that reports no venue.
            other_session(&amend(7, "E6", "E1", correct, 44, 44)),
        ];
        assert_comes_to(&reports, &["A PARTIAL 44/100"], &[]);
        let early = [acknowledged(1, "A", 100), amend(2, "E2", "E1", bust, 40, 0)];
        let early = early.map(|report| report.replace("\u{1}6=10.00", "\u{1}6=0"));
        let (db, ..) = read(&early);
        assert!(breaks(&db).contains(&"UNKNOWN_FILL A E2 open".to_owned()), "{:?}", breaks(&db));
    }
}

/// The confirmation of a replacement, under a venue order id.
fn replaced(second: u32, id: &str, of: &str, called: &str, quantity: u32, total: u32) -> String {
    let status = if total > 0 { 1 } else { 0 };
    let average = if total > 0 { "10.00" } else { "0" };
    let fields = format!(
        "11={id}|41={of}|37={called}|17={id}-r|150=5|39={status}|38={quantity}|14={total}|6={average}"
    );
    report(second, &fields)
}

fn filled_as(
    second: u32,
    id: &str,
    called: &str,
    execution: &str,
    shares: u32,
    total: u32,
) -> String {
    let fields = format!(
        "11={id}|37={called}|17={execution}|150=F|39=1|38=300|30=XNAS|32={shares}|31=10.00|14={total}|6=10.00"
    );
    report(second, &fields)
}

#[test]
fn a_replacement_has_the_open_quantity_and_its_totals_are_those_of_the_chain() {
    for called in [["VA", "VA", "VA"], ["VA", "VB", "VC"]] {
        let reports = [
            acknowledged(1, "A", 100),
            filled_as(2, "A", called[0], "E1", 40, 40),
            replaced(3, "B", "A", called[1], 200, 40),
            filled_as(4, "B", called[1], "E2", 60, 100),
            replaced(5, "C", "B", called[2], 300, 100),
            filled_as(6, "C", called[2], "E3", 50, 150),
        ];
        let stand = ["A CANCELLED 40/100", "B CANCELLED 60/160", "C PARTIAL 50/200"];
        assert_comes_to(&reports, &stand, &[]);
        // The same fills again after the end, with the venue's order id only.
        let bare = |report: &String| {
            report.replace("\u{1}11=A\u{1}", "\u{1}").replace("\u{1}11=B\u{1}", "\u{1}")
        };
        let replay: Vec<_> =
            reports.iter().filter(|report| report.contains("150=F")).map(bare).collect();
        assert_comes_to(&[reports.as_slice(), &replay].concat(), &stand, &[]);
    }
}

#[test]
fn a_fill_of_a_replaced_order_is_booked_late_if_the_replacement_counted_it_and_else_counts_in_the_chain()
 {
    let begun = [
        acknowledged(1, "A", 100),
        filled_as(2, "A", "VA", "E1", 40, 40),
        // Its CumQty includes a fill that is reported later.
        replaced(4, "B", "A", "VA", 200, 60),
    ];
    let late = filled_as(3, "A", "VA", "E2", 20, 60);
    let reports = [begun.as_slice(), &[late.clone(), late]].concat();
    let stand = ["A CANCELLED 60/100", "B PENDING 0/140"];
    assert_comes_to(&reports, &stand, &["ORDER_ENDED A E2 booked"]);
    // It crossed the replacement, whose CumQty leaves it out.
    let crossing = filled_as(3, "A", "VA", "E2", 20, 60);
    let reports = [
        acknowledged(1, "A", 100),
        filled_as(2, "A", "VA", "E1", 40, 40),
        replaced(4, "B", "A", "VA", 200, 40),
        crossing.clone(),
        filled_as(5, "B", "VA", "E3", 30, 90),
        crossing,
    ];
    assert_comes_to(&reports, &["A CANCELLED 40/100", "B PARTIAL 50/160"], &[]);
    // The venue's total does not count it on top of the fill of the replacement.
    let uncounted = filled_as(6, "A", "VA", "E4", 30, 90);
    let reports = [
        acknowledged(1, "A", 100),
        filled_as(2, "A", "VA", "E1", 60, 60),
        replaced(4, "B", "A", "VA", 200, 60),
        filled_as(5, "B", "VA", "E3", 30, 90),
        uncounted,
    ];
    let stand = ["A CANCELLED 60/100", "B PARTIAL 60/140"];
    assert_comes_to(&reports, &stand, &["TOTALS B E4 open"]);
}

#[test]
fn a_bust_and_a_correction_after_a_replacement_find_the_fills_before_it() {
    let amend = |second, id: &str, of: &str, kind: &str, shares: u32, total: u32| {
        let average = if total > 0 { "10.00" } else { "0" };
        let fields = format!(
            "11=B|37=VA|17={id}|19={of}|150={kind}|39=1|38=200|30=XNAS|32={shares}|31=10.00|\
             14={total}|6={average}"
        );
        report(second, &fields)
    };
    let begun = [
        acknowledged(1, "A", 100),
        filled_as(2, "A", "VA", "E1", 40, 40),
        filled_as(3, "A", "VA", "E2", 20, 60),
        replaced(4, "B", "A", "VA", 200, 60),
    ];
    let amendments = [amend(5, "E3", "E1", "H", 40, 20), amend(6, "E4", "E2", "G", 10, 10)];
    let stand = ["A CANCELLED 10/100", "B PENDING 0/140"];
    assert_comes_to(&[begun.as_slice(), &amendments].concat(), &stand, &[]);
    // The fills come after them.
    let late = [&begun[..1], &begun[3..], &amendments, &begun[1..3]].concat();
    let (db, ..) = read(&late);
    assert_eq!(orders(&db), stand);
    assert!(breaks(&db).iter().all(|kept| !kept.ends_with(" open")), "{:?}", breaks(&db));
}

#[test]
fn a_report_with_the_venue_s_id_alone_means_the_same_order_again_although_another_one_has_the_id_since()
 {
    let by_venue = |report: String| report.replace("\u{1}11=A\u{1}", "\u{1}");
    let submitted =
        message("35=D|1=ada|11=A|55=ACME|54=1|38=100|40=2|44=10.00|60=20261124-15:00:00");
    let reports = [
        submitted,
        by_venue(filled(2, "A", "E1", 40, 40)),
        by_venue(filled(3, "A", "E2", 60, 100)),
        acknowledged(1, "A", 100),
    ];
    assert_comes_to(&reports, &["A PENDING 0/100", "VA FILLED 100/100"], &[]);
}

#[test]
fn the_venues_id_is_known_from_whichever_report_tells_it_first() {
    let submitted =
        message("35=D|1=ada|11=A|55=ACME|54=1|38=100|40=2|44=10.00|60=20261124-15:00:00");
    let late = filled(2, "A", "E1", 10, 10).replace("\u{1}11=A\u{1}", "\u{1}");
    let reports = [submitted, cancelled(3, "A", 10), acknowledged(1, "A", 100), late];
    assert_comes_to(&reports, &["A CANCELLED 10/100"], &["ORDER_ENDED A E1 booked"]);
}

#[test]
fn a_break_that_a_second_session_repeats_counts_as_broken_in_the_same_batch_too() {
    let late = filled(3, "A", "E1", 10, 10);
    let reports =
        [acknowledged(1, "A", 100), cancelled(2, "A", 0), late.clone(), other_session(&late), late];
    let (db, ..) = read(&reports);
    assert_eq!(orders(&db), ["A CANCELLED 0/100"]);
    let tallies = [1, 2000].map(|batch| {
        let db = Database::migrated();
        read_in(&db.blotter(), &reports.concat(), batch).0
    });
    assert_eq!(tallies[0], tallies[1]);
    assert_eq!(tallies[0].broken, 3);
}

#[test]
fn a_fill_that_an_earlier_input_counted_is_booked_late_whatever_else_its_own_input_repeats() {
    let begun = [
        acknowledged(1, "A", 100),
        filled_as(2, "A", "VA", "E1", 40, 40),
        // Its CumQty includes a fill that is reported later.
        replaced(4, "B", "A", "VA", 200, 60),
    ];
    let late = filled_as(3, "A", "VA", "E2", 20, 60);
    let db = Database::migrated();
    read_in(&db.blotter(), &begun.concat(), 2000);
    assert_eq!(breaks(&db), ["TOTALS B B-r open"]);
    read_in(&db.blotter(), &[begun[0].clone(), late].concat(), 2000);
    assert_eq!(orders(&db), ["A CANCELLED 60/100", "B PENDING 0/140"]);
    assert_eq!(breaks(&db), ["ORDER_ENDED A E2 booked", "TOTALS B B-r dismissed"]);
}

#[test]
fn a_late_fill_that_the_cancel_counted_is_booked_although_its_own_report_is_later() {
    let begun = [acknowledged(1, "A", 100), filled(2, "A", "E1", 40, 40), cancelled(3, "A", 70)];
    let late = filled(4, "A", "E2", 30, 70).replace("\u{1}39=1", "\u{1}39=4");
    let reports = [begun.as_slice(), &[late]].concat();
    assert_comes_to(&reports, &["A CANCELLED 70/100"], &["ORDER_ENDED A E2 booked"]);
}

#[test]
fn what_the_report_of_a_fill_that_is_booked_late_counts_is_compared_with_the_store() {
    let reports = [
        acknowledged(1, "A", 100),
        filled(2, "A", "E1", 50, 50),
        cancelled(3, "A", 60),
        filled(4, "A", "E2", 10, 70),
    ];
    let of_breaks = ["ORDER_ENDED A E2 booked", "TOTALS A E2 open"];
    assert_comes_to(&reports, &["A CANCELLED 60/100"], &of_breaks);
}

#[test]
fn an_action_that_was_kept_before_its_order_was_known_is_not_kept_again() {
    let too_long = acknowledged(1, "A", 100).replace("55=ACME", "55=MUCHTOOLONGASYMBOL");
    let reports = [too_long, cancelled(2, "A", 0)];
    assert_comes_to(&reports, &["A CANCELLED 0/100"], &["UNAPPLIED_ACTION - A-0 open"]);
    let without_id = reports.map(|report| report.replace("17=A-0\u{1}", ""));
    assert_comes_to(&without_id, &["A CANCELLED 0/100"], &["UNAPPLIED_ACTION - - open"]);
}

#[test]
fn an_action_that_was_kept_for_one_order_is_not_kept_again_for_another_one_that_it_names() {
    let other_side = replaced(2, "B", "A", "VA", 60, 0).replace("54=1", "54=5");
    let reports = [acknowledged(1, "A", 100), other_side, filled_as(3, "B", "VA", "E1", 40, 40)];
    let of_orders = ["A PENDING 0/100", "B PARTIAL 40/300"];
    assert_comes_to(&reports, &of_orders, &["UNAPPLIED_ACTION A B-r open"]);
}

#[test]
fn a_restatement_that_comes_before_its_order_is_applied_when_the_order_has_come() {
    let restated = report(2, "11=A|37=VA|17=R|150=D|39=0|38=60|14=0|6=0");
    let reports = [restated, acknowledged(1, "A", 100)];
    let of_breaks = ["UNAPPLIED_ACTION - R dismissed"];
    assert_comes_to(&reports, &["A CANCELLED 0/100", "VA PENDING 0/60"], &of_breaks);
}

#[test]
fn totals_are_those_of_the_order_that_has_the_id_at_the_end_of_the_input() {
    let fill = filled(3, "A", "E1", 10, 10).replace("39=1", "39=2").replace("38=100", "38=10");
    let replacement = report(2, "11=A|41=A|37=VA|17=R|150=5|39=0|38=10|14=0|6=0");
    let reports = [acknowledged(1, "A", 100), fill, replacement];
    let of_orders = ["A CANCELLED 10/100", "VA PENDING 0/10"];
    assert_comes_to(&reports, &of_orders, &["TOTALS VA E1 open"]);
}

#[test]
fn where_ids_start_again_each_day_the_venues_id_means_the_chain_that_had_it_on_that_day() {
    let restated = report(2, "37=VA|17=E2|150=5|39=0|38=80|14=0|6=0");
    let next_day = replaced(3, "B", "A", "VA", 60, 0).replace("20261124-", "20261125-");
    let reports = [acknowledged(1, "A", 100), restated, next_day];
    let (db, ..) = read_as(daily_writer, &reports);
    assert_eq!(orders(&db), ["A CANCELLED 0/100", "B PENDING 0/60", "VA CANCELLED 0/80"]);
    assert_eq!(breaks(&db), [""; 0]);
}

#[test]
fn a_nul_in_a_field_costs_no_more_than_its_report() {
    let day = [acknowledged(1, "A", 100), filled(2, "A", "E1", 40, 40), cancelled(3, "A", 40)];
    for tag in ["1", "11", "37", "17", "41", "55", "30", "38", "60"] {
        let reports = day.clone().map(|report| {
            let fields = report.split('\u{1}').map(|field| match field.strip_prefix(tag) {
                Some(value) if value.starts_with('=') => format!("{field}\0"),
                _ => field.to_owned(),
            });
            fields.collect::<Vec<_>>().join("\u{1}")
        });
        let db = Database::migrated();
        let (tally, _) = read_in(&db.blotter(), &reports.concat(), 2000);
        assert_eq!(tally.reports, 3, "tag {tag}");
        let contents = db.contents();
        let executions = contents.breaks.iter().filter(|kept| kept.reason.is_execution()).count();
        assert_eq!(contents.fills.len() + executions, 1, "tag {tag}: {:?}", breaks(&db));
    }
}

#[test]
fn of_the_totals_of_several_inputs_only_the_last_are_an_open_break() {
    let uncounted = |second, execution, total| filled(second, "A", execution, 10, total);
    let db = Database::migrated();
    let inputs = [
        [acknowledged(1, "A", 100), uncounted(2, "E1", 30)],
        [uncounted(3, "E2", 40), uncounted(4, "E3", 50)],
    ];
    for input in inputs.iter().chain(&inputs) {
        read_in(&db.blotter(), &input.concat(), 2000);
    }
    assert_eq!(orders(&db), ["A PARTIAL 30/100"]);
    assert_eq!(breaks(&db), ["TOTALS A E1 dismissed", "TOTALS A E3 open"]);
}

#[test]
fn totals_that_a_break_cannot_hold_as_they_are_reported_are_kept_as_one() {
    let long = "1".repeat(65);
    let third = format!("10.{}", "3".repeat(30));
    let nul = format!("14=50|6=10|17=S|58=a{}b", '\0');
    for totals in [
        "14=1000000000000000000000|6=10|17=S",
        "14=50.0000000000000000000000001|6=10|17=S",
        &format!("14=50|6={third}|17=S"),
        &format!("14=50|6=10|17={long}"),
        &format!("14=50|6=10|17=S|30={long}"),
        &nul,
    ] {
        let status = report(2, &format!("11=A|37=VA|150=I|39=1|38=100|{totals}"));
        let (db, tally, problems) = read(&[acknowledged(1, "A", 100), status]);
        assert_eq!(tally.breaks.get(&BreakReason::Totals), Some(&1), "{totals}: {problems:?}");
        let kept = &db.contents().breaks[0];
        assert!(kept.detail.starts_with("filled quantity: the venue reports"), "{}", kept.detail);
    }
}

#[test]
fn a_fill_without_an_id_of_a_refused_order_is_known_when_its_break_is_dismissed_and_it_is_read_again()
 {
    // No column holds the symbol, so that the order is not stored. The report states totals.
    let fill = message(&format!(
        "35=8|1=ada|11=A|37=VA|150=F|39=1|54=1|40=2|44=10.00|38=100|30=XNAS|32=40|31=10.00|14=40|6=10.00|\
         60=20261124-15:00:00|55={}",
        "S".repeat(40)
    ));
    let db = Database::migrated();
    let blotter = db.blotter();
    let (tally, _) = read_in(&blotter, &fill, 1);
    assert_eq!((tally.reports, tally.broken), (1, 1));
    let dismissed = NewBreakResolution::dismiss(db.contents().breaks[0].id, "a test order");
    blotter.engine().transaction(|tx| tx.breaks().resolve(&dismissed)).unwrap();
    let (tally, problems) = read_in(&blotter, &fill, 1);
    assert_eq!((tally.known, problems.len()), (1, 0), "{problems:?}");
}

#[test]
fn an_id_with_a_nul_is_never_replaced_by_another_when_its_break_is_tried_again() {
    let fields = "37=VA|17=E1|150=F|39=1|38=100|30=XNAS|32=40|31=10.00|14=40|6=10.00";
    let fill = report(1, &format!("11=A\0B|{fields}"));
    let (db, tally, _) = read_as(writer, &[fill]);
    assert_eq!((tally.reports, tally.broken), (1, 1));
    assert_eq!(orders(&db), [""; 0]);
}

#[test]
fn traders_are_found_by_id_or_name_and_a_new_name_is_registered_once() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let grace = trader(&blotter, "grace");
    let of = |name: &str, id: &str| acknowledged(1, id, 100).replace("1=ada", &format!("1={name}"));
    let by_id = of(&grace.id.to_string(), "B");
    let input = [of("grace", "A"), by_id, of("new", "C"), of("new", "D")].concat();
    let (_, problems) = read_in(&blotter, &input, 1);
    assert_eq!(problems, []);
    let contents = db.contents();
    assert_eq!(contents.traders.len(), 2);
    let of_grace = contents.orders.iter().filter(|order| order.trader_id == grace.id);
    assert_eq!((of_grace.count(), contents.orders.len()), (2, 4));
}

#[test]
fn reports_that_another_session_writes_meanwhile_are_known_and_counted_once() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let reports = [acknowledged(1, "A", 100), filled(2, "A", "E1", 40, 40), cancelled(3, "A", 40)];
    let input = reports.concat();
    let mut first = writer();
    let mut reader = Reader::new(input.as_bytes(), fix_by_account());
    let batch = reader.batch(2000).unwrap().unwrap();
    let (second, _) = thread::scope(|scope| {
        let second = blotter.engine().transaction(|tx| {
            first.write_in(tx, &batch.events)?;
            let second = scope.spawn(|| read_in(&blotter, &input, 2000));
            // Until it waits for the trader or the order.
            await_waiter(&mut db.admin());
            Ok::<_, Error>(second)
        });
        second.unwrap().join().unwrap()
    });
    assert_eq!((first.tally().applied, &first.tally().traders[..]), (3, &["ada".to_owned()][..]));
    assert_eq!((second.known, second.applied, second.traders.len()), (3, 0, 0));
    assert_eq!((second.orders, second.fills, second.cancels, second.actions), (0, 0, 0, 0));
    let clean = Database::migrated();
    read_in(&clean.blotter(), &input, 2000);
    assert_eq!(describe(&db), describe(&clean));
}

#[test]
fn reports_whose_trader_cannot_be_told_are_breaks() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let of = |name: &str, id: &str| acknowledged(1, id, 100).replace("\u{1}1=ada", name);
    let nobody = uuid::Uuid::now_v7();
    let input = [
        of("", "A"),
        of(&format!("\u{1}1={nobody}"), "B"),
        of(&format!("\u{1}1={}", "x".repeat(101)), "C"),
        of("\u{1}1=ada", "D"),
    ];
    let (_, problems) = read_in(&blotter, &input.concat(), 2000);
    assert_eq!(orders(&db), ["D PENDING 0/100"]);
    let lines: Vec<_> = problems.iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [1, 2, 3]);
    trader(&blotter, "ada");
    let (_, problems) = read_in(&blotter, &input[3], 1);
    assert!(problems[0].why.contains("is the name of several traders; use their ids"));
}

/// The reports of an order in sequence: from a first session, and from one that lags.
fn story(id: &str) -> Vec<String> {
    let bust = format!(
        "11={id}|37=V{id}|17={id}3|19={id}1|150=H|39=1|38=100|30=XNAS|32=40|31=10.00|14=30|6=10.00"
    );
    vec![
        acknowledged(1, id, 100),
        filled(2, id, &format!("{id}1"), 40, 40),
        filled(3, id, &format!("{id}2"), 30, 70),
        report(4, &bust),
        filled(5, id, &format!("{id}4"), 20, 50),
        cancelled(6, id, 50),
    ]
}

#[test]
fn interleaved_reports_of_several_orders_and_sessions_are_counted_once() {
    // Six sequences, each kept in order: three orders, each reported by two sessions.
    let moves = vec((0_usize..6, any::<bool>()), 0..60);
    check(24, (moves, 1_usize..20), |(moves, batch)| {
        let mut told_by: Vec<Vec<String>> = ["A", "B", "C"].map(story).to_vec();
        told_by
            .extend(["A", "B", "C"].map(|id| {
                story(id).iter().map(|report| other_session(report)).collect::<Vec<_>>()
            }));
        let mut next = [0; 6];
        let mut input = String::new();
        for (which, is_again) in moves {
            let at = next[which];
            if let Some(report) = told_by[which].get(at) {
                input += report;
                next[which] = at + usize::from(!is_again);
            }
        }
        let db = Database::migrated();
        let blotter = db.blotter();
        let (_, problems) = read_in(&blotter, &input, batch);
        prop_assert_eq!(&problems, &[]);
        prop_assert_eq!(breaks(&db), Vec::<String>::new());
        let reported = [0, 0, 40, 70, 30, 50, 50];
        for order in &db.contents().orders {
            let which = ["A", "B", "C"]
                .map(Some)
                .iter()
                .position(|id| *id == order.client_order_id.as_deref());
            let which = which.unwrap();
            let furthest = next[which].max(next[which + 3]);
            // A report that will be repeated is in the input, but not counted in `next` yet.
            let told = [reported[furthest], reported[(furthest + 1).min(6)]];
            prop_assert!(told.contains(&order.filled_quantity), "{:?} {:?}", told, order);
            prop_assert!(furthest < 6 || order.status == OrderStatus::Cancelled);
        }
        let before = db.contents();
        read_in(&blotter, &input, 2000);
        prop_assert_eq!(db.contents(), before);
        let rebuilt = blotter.compliance().snapshot(|tx| tx.orders().rebuild(None)).unwrap();
        prop_assert_eq!(rebuilt.differing, []);
        Ok(())
    });
}

#[test]
fn a_new_order_and_a_report_of_it_from_sessions_at_once_are_one_order() {
    let new_order = message(
        "35=D|34=1|1=ada|11=A|55=ACME|54=1|38=100|40=2|44=10.00|59=0|15=USD|18=G|60=20261124-15:00:00",
    );
    let reports = [acknowledged(1, "A", 100), filled(2, "A", "E1", 40, 40)].concat();
    let db = Database::migrated();
    // Traders are registered before, so that the second session waits for the order alone.
    read_in(&db.blotter(), &acknowledged(1, "B", 100), 1);
    thread::scope(|scope| {
        let other = db
            .blotter()
            .engine()
            .transaction(|tx| {
                let mut reader = Reader::new(reports.as_bytes(), fix_by_account());
                let read = reader.batch(10).unwrap().unwrap();
                writer().write_in(tx, &read.events)?;
                let other = scope.spawn(|| {
                    let later = [new_order.clone(), filled(3, "A", "E2", 60, 100)].concat();
                    read_in(&db.blotter(), &later, 10).1
                });
                // Until it has looked for the order, and waits for this one to end.
                await_waiter(&mut db.admin());
                Ok::<_, Error>(other)
            })
            .unwrap();
        assert_eq!(other.join().unwrap(), []);
    });
    assert_eq!(orders(&db), ["A FILLED 100/100", "B PENDING 0/100"]);
    assert_eq!(breaks(&db), [""; 0]);
}
