//! Reports that come in another sequence than the venue sent them in, or again after others: cases that generated days have
//! found.

use tradeblotter_test_support::Database;
use tradeblotter_test_support::describe::{breaks, orders};
use tradeblotter_test_support::reports::{
    acknowledged, cancelled, filled, message, other_session, report,
};

use super::apply::{assert_comes_to, daily_writer, read_as, read_in};

/// The report of a restatement of the order A to this quantity, before anything is filled.
fn restated(second: u32, quantity: u32) -> String {
    report(second, &format!("11=A|37=VA|17=R{second}|150=D|39=0|38={quantity}|14=0|6=0"))
}

#[test]
fn a_restatement_of_the_terms_that_an_order_has_is_known_when_it_comes_again_after_a_replacement() {
    let replaced = report(3, "11=A|41=A|37=VA|17=A-r|150=5|39=0|38=10|14=0|6=0");
    let reports = [acknowledged(1, "A", 100), restated(2, 100), replaced];
    assert_comes_to(&reports, &["A CANCELLED 0/100", "VA PENDING 0/10"], &[]);
    let repeated = [&reports[..], &reports[1..2]].concat();
    assert_comes_to(&repeated, &["A CANCELLED 0/100", "VA PENDING 0/10"], &[]);
}

#[test]
fn a_replacement_without_an_id_that_came_before_its_order_is_known_when_it_comes_again() {
    let replaced = report(2, "41=A|37=VA|17=A-r|150=5|39=0|38=10|14=0|6=0");
    let copy = other_session(&replaced);
    let reports = [replaced, acknowledged(1, "A", 100), cancelled(3, "A", 0), copy];
    assert_comes_to(&reports, &["A CANCELLED 0/100", "VA PENDING 0/10"], &[]);
}

#[test]
fn a_restatement_before_its_order_is_applied_before_the_fills_wherever_the_input_is_cut() {
    let fill = filled(3, "A", "E1", 10, 10).replace("39=1", "39=2").replace("38=100", "38=10");
    let reports = [restated(2, 10), acknowledged(1, "A", 200), fill];
    for cut in 0..3 {
        for batch in [1, 2000] {
            let db = Database::migrated();
            let (first, second) = reports.split_at(cut);
            let (_, problems) = read_in(&db.blotter(), &first.concat(), batch);
            assert_eq!(problems.len(), usize::from(cut == 1));
            let (tally, problems) = read_in(&db.blotter(), &second.concat(), batch);
            assert_eq!((tally.broken, problems), (0, Vec::new()));
            assert_eq!(orders(&db), ["A CANCELLED 0/200", "VA FILLED 10/10"], "cut at {cut}");
            assert_eq!(breaks(&db), ["UNAPPLIED_ACTION - R2 dismissed"]);
        }
    }
}

#[test]
fn totals_of_an_order_that_was_replaced_since_are_compared_in_inputs_of_more_than_1000_orders_too()
{
    // The replacement is of the same time, and states no totals.
    let replaced = report(2, "11=A|37=VA|17=R|150=D|39=0|38=60");
    let reports = [acknowledged(1, "A", 100), filled(2, "A", "E1", 10, 30), replaced];
    for others in [1, 1001] {
        let others = (0..others).map(|number| acknowledged(3, &format!("B{number}"), 100));
        let input: Vec<String> = reports.iter().cloned().chain(others).collect();
        let db = Database::migrated();
        read_in(&db.blotter(), &input.concat(), 2000);
        assert_eq!(breaks(&db), ["TOTALS VA E1 open"], "{} reports", input.len());
    }
}

#[test]
fn a_late_fill_that_the_cancel_counted_is_booked_although_it_was_corrected_later() {
    let corrected =
        report(4, "11=A|37=VA|17=E2|19=E1|150=G|39=4|38=100|30=XNAS|32=20|31=10.00|14=20|6=10.00");
    let late = filled(2, "A", "E1", 40, 40);
    let status = report(5, "11=A|37=VA|17=E3|150=I|39=4|38=100|14=20|6=10.00");
    let reports = [acknowledged(1, "A", 100), cancelled(3, "A", 40), late, corrected, status];
    let broken = ["ORDER_ENDED A E1 booked", "UNKNOWN_FILL A E2 booked"];
    assert_comes_to(&reports, &["A CANCELLED 20/100"], &broken);
}

#[test]
fn a_late_fill_is_not_booked_in_the_place_of_one_that_was_busted_after_the_cancel() {
    let busted = report(4, "11=A|37=VA|17=E2|19=E1|150=H|39=4|38=100|14=0|6=0");
    let reports = [
        acknowledged(1, "A", 100),
        filled(2, "A", "E1", 50, 50),
        cancelled(3, "A", 50),
        busted,
        filled(5, "A", "E3", 40, 90).replace("\u{1}39=1", "\u{1}39=4"),
    ];
    assert_comes_to(&reports, &["A CANCELLED 0/100"], &["ORDER_ENDED A E3 open"]);
}

#[test]
fn a_fill_that_contradicts_its_order_is_one_break_whether_it_came_before_the_order_or_after() {
    let fill = report(2, "11=A|37=VX|17=E1|150=F|39=1|30=XNAS|32=10|31=10.00|14=10|6=10.00");
    let fill = fill.replace("\u{1}54=1", "\u{1}54=5").replace("\u{1}40=2\u{1}44=10.00", "");
    let copy = other_session(&fill).replace("60=20261124-15:00:02", "60=20261124-15:00:02.500");
    let reports = [fill, acknowledged(1, "A", 100), copy];
    assert_comes_to(&reports, &["A PENDING 0/100"], &["UNKNOWN_ORDER - E1 open"]);
}

#[test]
fn where_ids_start_again_each_day_a_fill_with_the_ids_of_the_day_before_is_of_the_order_of_its_day()
{
    let without_id = |report: String| report.replace("\u{1}11=A\u{1}", "\u{1}");
    let reports = [
        acknowledged(1, "A", 100),
        filled(2, "A", "E1", 10, 10),
        cancelled(3, "A", 10),
        next_day(acknowledged(4, "A", 100)),
        next_day(without_id(filled(5, "A", "E1", 10, 10))),
    ];
    let (db, ..) = read_as(daily_writer, &reports);
    assert_eq!(orders(&db), ["A CANCELLED 10/100", "A PARTIAL 10/100"]);
    assert_eq!(breaks(&db), [""; 0]);
}

/// The request (35=D) of an order of 100 shares, on this day of November 2026.
fn requested(day: u32, second: u32, id: &str) -> String {
    let at = format!("202611{day}-15:00:{second:02}");
    message(&format!(
        "35=D|34={second}|49=DESK|56=BROKER|52={at}|1=ada|11={id}|55=ACME|54=1|38=100|40=2|44=10.00|60={at}"
    ))
}

#[test]
fn a_request_is_known_again_although_the_reports_of_its_order_are_dated_on_an_earlier_day() {
    let day_before = |report: String| report.replace("20261124-", "20261123-");
    let reports = [
        requested(24, 1, "A"),
        day_before(acknowledged(2, "A", 100)),
        day_before(cancelled(3, "A", 0)),
    ];
    assert_comes_to(&reports, &["A CANCELLED 0/100"], &[]);
}

#[test]
fn a_request_under_the_id_of_an_earlier_day_is_refused_before_the_end_of_that_order_too() {
    let expired = report(3, "11=A|37=VA|17=A-x|150=C|39=C|38=100|14=0|6=0");
    let reports =
        [requested(24, 1, "A"), acknowledged(2, "A", 100), requested(25, 4, "A"), expired];
    assert_comes_to(&reports, &["A CANCELLED 0/100"], &["INVALID_ORDER - - open"]);
}

/// Asserts that reports come to these orders and breaks in one input and in two, wherever it is cut.
#[track_caller]
fn assert_comes_to_in_parts(reports: &[String], of_orders: &[&str], open: &[&str]) {
    for cut in 0..reports.len() {
        for batch in [1, 2000] {
            let db = Database::migrated();
            let (first, second) = reports.split_at(cut);
            read_in(&db.blotter(), &first.concat(), batch);
            read_in(&db.blotter(), &second.concat(), batch);
            assert_eq!(orders(&db), of_orders, "cut at {cut}, in batches of {batch}");
            let mut breaks = breaks(&db);
            breaks.retain(|kept| kept.ends_with(" open"));
            assert_eq!(breaks, open, "cut at {cut}, in batches of {batch}");
        }
    }
}

#[test]
fn a_fill_before_its_order_is_applied_before_what_follows_wherever_the_input_is_cut() {
    // Without its price, the order is not created from it.
    let early = filled(2, "A", "E1", 10, 10).replace("\u{1}40=2\u{1}44=10.00", "");
    let replaced = report(4, "11=A|41=A|37=VA|17=A-r|150=5|39=1|38=40|14=30|6=10.00");
    let last = filled(5, "A", "E3", 10, 40).replace("38=100", "38=40").replace("39=1", "39=2");
    let reports = [early, acknowledged(1, "A", 100), filled(3, "A", "E2", 20, 30), replaced, last];
    assert_comes_to_in_parts(&reports, &["A CANCELLED 30/100", "VA FILLED 10/10"], &[]);
}

#[test]
fn a_correction_before_its_fill_is_applied_before_what_follows_wherever_the_input_is_cut() {
    let corrected =
        report(3, "11=A|37=VA|17=E2|19=E1|150=G|39=1|38=100|30=XNAS|32=20|31=10.00|14=20|6=10.00");
    let busted = report(4, "11=A|37=VA|17=E3|19=E2|150=H|39=0|38=100|14=0|6=0");
    let reports = [
        acknowledged(1, "A", 100),
        busted,
        corrected,
        filled(2, "A", "E1", 50, 50),
        filled(5, "A", "E4", 100, 100),
    ];
    assert_comes_to_in_parts(&reports, &["A FILLED 100/100"], &[]);
}

#[test]
fn a_cancel_before_the_bust_that_opens_its_order_is_applied_before_what_follows() {
    let busted = report(3, "11=A|37=VA|17=E2|19=E1|150=H|39=0|38=100|14=0|6=0");
    let reports = [
        acknowledged(1, "A", 100),
        filled(2, "A", "E1", 100, 100),
        cancelled(4, "A", 0),
        busted,
        filled(5, "A", "E3", 10, 10),
    ];
    let open = ["ORDER_ENDED A E3 open"];
    assert_comes_to_in_parts(&reports, &["A CANCELLED 0/100"], &open);
}

#[test]
fn a_refused_action_that_is_repeated_counts_for_the_totals_in_no_batch() {
    // Its CumQty is less than what is filled, and the order can't expire after that.
    let expired = report(3, "11=A|37=VA|17=A-x|150=C|39=C|38=100|14=60|6=10.00");
    let copy = other_session(&expired);
    let reports = [acknowledged(1, "A", 100), filled(2, "A", "E1", 100, 100), expired, copy];
    assert_comes_to(&reports, &["A FILLED 100/100"], &["UNAPPLIED_ACTION A A-x open"]);
}

/// The same report on the next day.
fn next_day(report: String) -> String {
    report.replace("20261124-", "20261125-")
}

#[test]
fn where_ids_start_again_each_day_a_fill_is_known_again_after_an_order_of_a_later_day_has_the_venues_id()
 {
    let fill = next_day(filled(2, "A", "E1", 10, 10)).replace("\u{1}11=A\u{1}", "\u{1}");
    let replaced = report(3, "11=B|41=A|37=VA|17=E1|150=5|39=1|38=20|14=10|6=10.00");
    let replaced = replaced.replace("20261124-", "20261126-");
    let reports = [acknowledged(1, "A", 100), fill, replaced];
    let (db, ..) = read_as(daily_writer, &reports);
    assert_eq!(orders(&db), ["A CANCELLED 10/100", "B PENDING 0/10"]);
    assert_eq!(breaks(&db), [""; 0]);
}

#[test]
fn where_ids_start_again_each_day_a_bust_of_an_earlier_days_fill_does_not_mean_a_bust_of_its_day() {
    let bust = |second, id: &str, of: &str, filled| {
        next_day(report(
            second,
            &format!("11=A|37=VA|17={id}|19={of}|150=H|39=1|38=100|14={filled}|6=10.00"),
        ))
    };
    let reports = [
        acknowledged(1, "A", 100),
        filled(2, "A", "E3", 10, 10),
        next_day(filled(3, "A", "E1", 20, 30)),
        next_day(filled(4, "A", "E2", 40, 70)),
        bust(5, "E3", "E1", 50),
        bust(6, "E4", "E3", 40),
    ];
    let (db, ..) = read_as(daily_writer, &reports);
    assert_eq!(orders(&db), ["A PARTIAL 40/100"]);
    assert_eq!(breaks(&db), [""; 0]);
}

#[test]
fn the_totals_of_a_status_report_that_comes_before_its_order_are_compared_in_the_same_input() {
    let status = report(3, "11=A|37=VA|17=E3|150=I|39=1|38=100|14=10|6=10.00");
    assert_comes_to(
        &[status, acknowledged(1, "A", 100)],
        &["A PENDING 0/100"],
        &["TOTALS A E3 open"],
    );
}

#[test]
fn a_late_fill_with_the_venues_id_alone_is_the_same_break_again_although_another_order_has_the_id_since()
 {
    let late = filled(3, "A", "E1", 10, 10).replace("\u{1}11=A\u{1}", "\u{1}");
    let other = filled(4, "B", "E2", 100, 100).replace("37=VB", "37=VA");
    assert_comes_to(
        &[acknowledged(1, "A", 100), cancelled(2, "A", 0), late, other],
        &["A CANCELLED 0/100", "B FILLED 100/100"],
        &["ORDER_ENDED A E1 open"],
    );
}

#[test]
fn a_cancel_is_known_again_although_an_order_has_the_id_of_its_request_since() {
    let cancel = cancelled(2, "A", 0).replace("11=A-c", "11=B");
    let copy = other_session(&cancel);
    let rejected = report(4, "11=B|37=VB|17=B-x|150=8|39=8|38=100|14=0|6=0|103=1");
    assert_comes_to(
        &[acknowledged(1, "A", 100), cancel, acknowledged(3, "B", 100), rejected, copy],
        &["A CANCELLED 0/100", "B REJECTED 0/100"],
        &[],
    );
}
