//! Reports that come in another sequence than the venue sent them in, or again after others: cases that generated days have
//! found.

use tradeblotter_test_support::Database;
use tradeblotter_test_support::describe::breaks;
use tradeblotter_test_support::reports::{acknowledged, filled, report};

use super::apply::read_in;

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
