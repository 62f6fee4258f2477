//! Confluence: the store comes to the same state however the reports of some days reach it, that is in batches of any
//! size, in one input or in many, repeated, and read by several writers at once.
//!
//! The state is the orders with their terms, totals and chains, the fills, and the open breaks. Resolved breaks, and
//! what the log says about them, may differ: a fill that comes before its order is a break that heals, and whether
//! there was one depends on where the input was cut.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use tradeblotter::ingest::Options;

use super::days::{Kinds, Venue, networks, steps};
use super::runs::{Store, check_many, options, read, read_in_parts};

/// Asserts that two states are equal, and otherwise shows the lines that only one has.
fn assert_same(found: &[String], expected: &[String], how: &str) -> Result<(), TestCaseError> {
    let only = |a: &[String], b: &[String], sign: &str| -> Vec<String> {
        a.iter().filter(|line| !b.contains(line)).map(|line| format!("{sign} {line}")).collect()
    };
    let differing = [only(expected, found, "-"), only(found, expected, "+")].concat();
    prop_assert!(found == expected, "{}:\n{}", how, differing.join("\n"));
    Ok(())
}

/// Shows messages in the reason of a failure.
fn show(messages: &[String]) -> String {
    messages.concat().replace('\u{1}', "|")
}

/// Asserts that batches, cuts and repetitions come to the same state.
fn check_cuts(
    store: &Store,
    options: &Options,
    messages: &[String],
    cuts: &[usize],
) -> Result<(), TestCaseError> {
    read(&store.cleared().blotter, options, messages, 2000);
    let expected = store.state();
    store.assert_rebuilt()?;
    read(&store.blotter, options, messages, 7);
    assert_same(&store.state(), &expected, "repeated")?;
    for batch in [1, 7] {
        read(&store.cleared().blotter, options, messages, batch);
        assert_same(&store.state(), &expected, &format!("batches of {batch}"))?;
    }
    read_in_parts(&store.cleared().blotter, options, messages, cuts, 2000);
    assert_same(&store.state(), &expected, &format!("cut at {cuts:?}"))
}

fn with_messages(
    checked: Result<(), TestCaseError>,
    messages: &[String],
) -> Result<(), TestCaseError> {
    checked.map_err(|error| TestCaseError::fail(format!("{error}\n{}", show(messages))))
}

#[test]
fn days_come_to_the_same_in_batches_and_inputs_of_any_size_and_repeated() {
    let kinds = Kinds { next_days: true, replacements: true, strangers: true, without_ids: false };
    let cuts = vec(0_usize..40, 0..4);
    let inputs = (steps(kinds, 20), networks(false), cuts, any::<bool>());
    let store = Store::new();
    check_many(24, inputs, |(steps, network, cuts, daily_ids)| {
        let messages = network.carry(&Venue::play(&steps).reports);
        with_messages(check_cuts(&store, &options(daily_ids), &messages, &cuts), &messages)
    });
}
