//! Confluence: the store comes to the same state however the reports of some days reach it, that is in batches of any
//! size, in one input or in many, repeated, and read by several writers at once.
//!
//! The state is the orders with their terms, totals and chains, the fills, and the open breaks. Resolved breaks, and
//! what the log says about them, may differ: a fill that comes before its order is a break that heals, and whether
//! there was one depends on where the input was cut.

use std::thread;

use bigdecimal::BigDecimal;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use tradeblotter::ingest::Options;
use tradeblotter::{Order, OrderStatus};

use super::days::{Kinds, Network, Session, Venue, lies, networks, steps};
use super::runs::{Store, check_many, options, read, read_in_parts, same, with_messages};

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
    same(&store.state(), &expected, "repeated")?;
    for batch in [1, 7] {
        read(&store.cleared().blotter, options, messages, batch);
        same(&store.state(), &expected, &format!("batches of {batch}"))?;
    }
    read_in_parts(&store.cleared().blotter, options, messages, cuts, 2000);
    same(&store.state(), &expected, &format!("cut at {cuts:?}"))
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

/// The chains of a store in the words of [`Venue::chains`].
fn chains(store: &Store) -> Vec<String> {
    let contents = store.db.contents();
    let mut chains = Vec::new();
    for root in contents.orders.iter().filter(|order| order.replaces.is_none()) {
        let members = || contents.orders.iter().filter(|order| order.root_id == root.id);
        let is_replaced = |order: &Order| members().any(|other| other.replaces == Some(order.id));
        let last = members().find(|order| !is_replaced(order)).unwrap();
        let filled: i32 = members().map(|order| order.filled_quantity).sum();
        let before = filled - last.filled_quantity;
        let cents = BigDecimal::from(100);
        let notional: BigDecimal = members().map(|order| &order.filled_notional * &cents).sum();
        let status = match last.status {
            // To the venue a replacement is partially filled if the orders before it are.
            OrderStatus::Pending if filled > 0 => OrderStatus::Partial,
            status => status,
        };
        let trader = contents.traders.iter().find(|trader| trader.id == root.trader_id).unwrap();
        chains.push(format!(
            "{} {} {status} {filled}/{} {}",
            trader.name,
            root.client_order_id.as_deref().unwrap_or("-"),
            before + last.quantity,
            notional.normalized().to_plain_string()
        ));
    }
    chains.sort();
    chains
}

#[test]
fn honest_days_come_to_what_the_venue_has_whichever_sessions_report_them_and_however_often() {
    let kinds = Kinds { next_days: true, replacements: true, strangers: false, without_ids: true };
    let networks = networks(true).prop_map(|network| Network { delays: Vec::new(), ..network });
    let cuts = vec(0_usize..60, 0..4);
    let inputs = (steps(kinds, 16), networks, any::<bool>(), cuts);
    let store = Store::new();
    check_many(12, inputs, |(steps, network, has_copy, cuts)| {
        let venue = Venue::play(&steps);
        let network = Network { lags: network.lags.filter(|_| has_copy), ..network };
        let messages = network.carry(&venue.reports);
        let options = options(true);
        let check = || {
            check_cuts(&store, &options, &messages, &cuts)?;
            same(&chains(&store), &venue.chains(), "the venue's own totals")?;
            prop_assert_eq!(open_breaks(&store), [""; 0]);
            Ok(())
        };
        with_messages(check(), &messages)
    });
}

/// The open breaks of a store.
fn open_breaks(store: &Store) -> Vec<String> {
    store.state().into_iter().filter(|line| line.starts_with("open break")).collect()
}

#[test]
fn hostile_days_come_to_the_same_in_batches_of_any_size_and_repeated() {
    let kinds = Kinds { next_days: true, replacements: true, strangers: true, without_ids: false };
    let inputs = (steps(kinds, 16), lies(), networks(true), any::<bool>());
    let store = Store::new();
    check_many(12, inputs, |(steps, lies, network, daily_ids)| {
        let mut venue = Venue::play(&steps);
        venue.lie(&lies);
        let messages = network.carry(&venue.reports);
        with_messages(check_cuts(&store, &options(daily_ids), &messages, &[]), &messages)
    });
}

#[test]
fn two_writers_of_one_input_at_once_come_to_what_one_comes_to() {
    let kinds = Kinds { next_days: false, replacements: true, strangers: true, without_ids: false };
    let inputs = (steps(kinds, 16), networks(false), 1_usize..6, 1_usize..6);
    let store = Store::new();
    check_many(8, inputs, |(steps, network, one, other)| {
        let messages = network.carry(&Venue::play(&steps).reports);
        let options = options(false);
        read(&store.cleared().blotter, &options, &messages, 2000);
        let expected = store.state();
        let blotter = &store.cleared().blotter;
        thread::scope(|scope| {
            scope.spawn(|| read(blotter, &options, &messages, one));
            scope.spawn(|| read(blotter, &options, &messages, other));
        });
        store.assert_rebuilt()?;
        with_messages(same(&store.state(), &expected, "at once"), &messages)
    });
}

#[test]
fn two_sessions_of_a_day_read_at_once_come_to_what_one_comes_to() {
    let kinds = Kinds { next_days: false, replacements: true, strangers: true, without_ids: false };
    let inputs = (steps(kinds, 16), 1_usize..6, 1_usize..6);
    let store = Store::new();
    check_many(8, inputs, |(steps, one, other)| {
        let reports = Venue::play(&steps).reports;
        let by = |session| -> Vec<String> {
            let numbered = reports.iter().zip(1..);
            numbered.map(|(report, number)| report.sent_by(session, number)).collect()
        };
        let (own, copy) = (by(Session::Own), by(Session::Mirror));
        let options = options(false);
        read(&store.cleared().blotter, &options, &own, 2000);
        let expected = store.state();
        let blotter = &store.cleared().blotter;
        thread::scope(|scope| {
            scope.spawn(|| read(blotter, &options, &own, one));
            scope.spawn(|| read(blotter, &options, &copy, other));
        });
        store.assert_rebuilt()?;
        with_messages(same(&store.state(), &expected, "at once"), &own)
    });
}
