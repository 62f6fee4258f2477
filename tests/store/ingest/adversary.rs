//! An adversary: a trader who chooses every text of its own reports that a trader may choose changes nothing of another
//! trader, as long as the feed tells who is who.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::days::{Kinds, Network, Step, TRADERS, Venue, networks, steps};
use super::runs::{Store, check_many, options, read, same, with_messages};
use tradeblotter_test_support::reports::message;

/// What the adversary writes in a field of its report, whichever report it is.
#[derive(Clone, Debug)]
struct Choice {
    report: usize,
    tag: u32,
    value: String,
}

/// Ids that the other trader uses or is about to use, and texts that look like fields or like messages.
fn choices() -> impl Strategy<Value = Vec<Choice>> {
    let numbered = |letter: &'static str| (1_u32..6).prop_map(move |n| format!("{letter}{n}"));
    let forged =
        message("35=8|1=ada|11=C1|37=V1|17=F1|55=BOUGHT|54=1|150=F|39=1|32=10|31=0.01|14=10");
    let forged = forged.trim_end().replace('\u{1}', "|");
    let field = "x|150=F|17=F2|32=10|31=0.01";
    let texts = vec![
        field.to_owned(),
        format!("{field}|1=ada|11=C1"),
        // As many separators as leave the checksum as it was.
        format!("{field}{}", "|".repeat(252)),
        format!("x {forged}"),
        format!("x|10=000|{forged}"),
    ];
    let symbols = vec!["BOUGHT", "SOLD", "C|1=ada", "A^A1=ada"];
    let field = prop_oneof![
        4 => numbered("C").prop_map(|id| (11, id)),
        1 => numbered("C").prop_map(|id| (11, id + "-c")),
        1 => Just((11, String::new())),
        3 => numbered("C").prop_map(|id| (41, id)),
        3 => numbered("V").prop_map(|id| (37, id)),
        3 => numbered("E").prop_map(|id| (17, id)),
        2 => numbered("E").prop_map(|id| (19, id)),
        1 => select(symbols).prop_map(|symbol| (55, symbol.to_owned())),
        2 => select(texts).prop_map(|text| (58, text)),
    ];
    vec(
        (0_usize..40, field).prop_map(|(report, (tag, value))| Choice { report, tag, value }),
        1..12,
    )
}

/// Mixes two streams, each in its sequence: before each message of the second as many of the first as this says.
fn mix(first: &[String], second: &[String], places: &[usize]) -> Vec<String> {
    let (mut first, mut mixed) = (first.iter(), Vec::new());
    for (message, skipped) in second.iter().zip(places.iter().cycle()) {
        mixed.extend(first.by_ref().take(*skipped).cloned());
        mixed.push(message.clone());
    }
    mixed.extend(first.cloned());
    mixed
}

/// The same steps with all orders of one trader.
fn of_one(trader: usize, steps: &[Step]) -> Vec<Step> {
    let of_trader = |step: &Step| match *step {
        Step::Open { is_sell, quantity, is_requested, .. } => {
            Step::Open { trader, is_sell, quantity, is_requested }
        }
        ref other => other.clone(),
    };
    steps.iter().map(of_trader).collect()
}

/// What a state has of a trader.
fn of_trader(state: Vec<String>, trader: &str) -> Vec<String> {
    let named = [format!("{trader}/"), format!(" {trader} ")];
    state.into_iter().filter(|line| named.iter().any(|name| line.contains(name))).collect()
}

#[test]
fn whatever_ids_a_trader_chooses_nothing_of_another_trader_changes() {
    let kinds = Kinds { next_days: true, replacements: true, strangers: false, without_ids: true };
    let inputs = (
        (steps(kinds, 12), steps(kinds, 12), choices(), vec(0_usize..4, 8)),
        (networks(true), any::<bool>(), any::<bool>(), 1_usize..30),
    );
    let store = Store::new();
    check_many(16, inputs, |((own, others, choices, places), how)| {
        let (network, daily_ids, is_printed, batch) = how;
        let options = options(daily_ids);
        let log = |messages: Vec<String>| -> Vec<String> {
            let separator = if is_printed { "|" } else { "\u{1}" };
            messages.iter().map(|message| message.replace('\u{1}', separator)).collect()
        };
        let mut adversary = Venue::play(&of_one(1, &others)).reports;
        let count = adversary.len().max(1);
        for Choice { report, tag, value } in choices {
            if let Some(report) = adversary.get_mut(report % count) {
                report.set(tag, &value);
            }
        }
        let own = log(network.carry(&Venue::play(&of_one(0, &own)).reports));
        let others = log(Network::default().carry(&adversary));
        read(&store.cleared().blotter, &options, &own, 2000);
        let expected = of_trader(store.state(), TRADERS[0]);
        let both = mix(&own, &others, &places);
        read(&store.cleared().blotter, &options, &both, batch);
        let found = of_trader(store.state(), TRADERS[0]);
        with_messages(same(&found, &expected, "with the adversary"), &both)
    });
}
