//! Bounds: ingest ends for every input. The inputs of all properties here are read under a time limit; these are the kinds
//! that have no end in a simple implementation.

use super::runs::{Store, options, read};
use tradeblotter_test_support::reports::{acknowledged, filled, report};

#[test]
fn reports_that_lead_an_order_back_to_itself_end() {
    let replaced = |second, ids: &str| {
        report(second, &format!("{ids}|150=5|39=0|38=200|14=0|6=0|17=R{second}"))
    };
    let restated = |second, ids: &str| {
        report(second, &format!("{ids}|150=D|39=0|38=300|14=0|6=0|17=D{second}"))
    };
    let (a, b) = (acknowledged(1, "A", 100), acknowledged(2, "B", 100));
    let inputs: &[&[String]] = &[
        // Without ClOrdID, with the venue's id or without any.
        &[a.clone(), replaced(3, "37=VA"), replaced(4, "37=VA"), filled(5, "A", "E1", 40, 40)],
        &[replaced(3, "37=VA"), replaced(4, "37=VA")],
        &[a.clone(), replaced(3, "37=NONE"), replaced(4, "58=none")],
        // An order that replaces itself.
        &[a.clone(), replaced(3, "11=A|41=A|37=VA"), replaced(4, "11=A|41=A|37=VA")],
        &[replaced(3, "11=A|41=A|37=VA"), a.clone()],
        // Two that replace each other, and three.
        &[a.clone(), b.clone(), replaced(3, "11=B|41=A|37=VA"), replaced(4, "11=A|41=B|37=VB")],
        &[replaced(3, "11=B|41=A"), replaced(4, "11=A|41=B"), replaced(5, "11=B|41=A")],
        &[
            a.clone(),
            replaced(3, "11=B|41=A|37=VA"),
            replaced(4, "11=C|41=B|37=VA"),
            replaced(5, "11=A|41=C|37=VA"),
            filled(6, "A", "E1", 40, 40),
        ],
        &[a, b, restated(3, "11=A|37=VA"), restated(4, "37=VA"), restated(5, "11=B|41=A|37=VA")],
    ];
    let store = Store::new();
    for input in inputs {
        for batch in [1, 2000] {
            for daily_ids in [false, true] {
                let options = options(daily_ids);
                let tally = read(&store.cleared().blotter, &options, input, batch);
                assert_eq!(tally.reports, input.len() as u64);
                let again = read(&store.blotter, &options, input, batch);
                assert_eq!(again.reports, input.len() as u64);
            }
        }
    }
}

#[test]
fn a_replacement_without_an_id_of_its_own_ends_when_its_entry_is_refused_and_it_is_read_again() {
    // The replacement is stored. Its entry is not: the log holds no venue order id of 65 characters.
    let replaced =
        report(2, &format!("11=A|150=5|39=0|38=200|14=0|6=0|17=R|37={}", "V".repeat(65)));
    let input = [report(1, "11=A|17=A-0|150=0|39=0|38=100|14=0|6=0"), replaced];
    for batch in [1, 2000] {
        let store = Store::new();
        for _ in 0..3 {
            let tally = read(&store.blotter, &options(false), &input, batch);
            assert_eq!((tally.reports, tally.broken), (2, 1), "{tally:?}");
            let contents = store.db.contents();
            assert_eq!((contents.orders.len(), contents.breaks.len()), (2, 1));
        }
    }
}
