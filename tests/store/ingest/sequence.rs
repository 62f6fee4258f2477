//! Reports that come in another sequence than the venue sent them in, or again after others: cases that generated days have
//! found.

use tradeblotter_test_support::Database;
use tradeblotter_test_support::describe::{breaks, orders};
use tradeblotter_test_support::reports::{acknowledged, cancelled, filled, other_session, report};

use super::apply::{assert_comes_to, read_in};

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
