//! Ingests the bundled trading day with the command: as a whole, twice, in pieces, and by several
//! processes at once.

use std::collections::{BTreeMap, HashMap};
use std::process::Command;
use std::str::FromStr;
use std::thread;

use bigdecimal::BigDecimal;
use diesel::prelude::*;
use expect_test::expect;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use tradeblotter::schema::execution_logs;

use super::{command, feed, feed_and_kill, said};
use tradeblotter_test_support::Database;
use tradeblotter_test_support::describe::{breaks, describe};

const DAY: &str = include_str!("../../../data/day.fix");

fn of_account(db: &Database, arguments: &[&str]) -> Command {
    command(db, &[&["--trader-from", "1", "--register-traders"], arguments].concat())
}

fn entries(conn: &mut PgConnection) -> i64 {
    execution_logs::table.count().get_result(conn).unwrap()
}

/// Replaces the ids that the store assigns.
fn without_ids(line: &str) -> String {
    let words = line.split(' ');
    let words = words.map(|word| if word.parse::<uuid::Uuid>().is_ok() { "ID" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

/// The day read in whole, once.
fn whole() -> Database {
    let db = Database::migrated();
    said(feed(of_account(&db, &[]), DAY.as_bytes()), 0);
    db
}

#[track_caller]
fn assert_same(db: &Database, clean: &[String]) {
    let described = describe(db);
    let missing: Vec<_> = clean.iter().filter(|line| !described.contains(line)).collect();
    let extra: Vec<_> = described.iter().filter(|line| !clean.contains(line)).collect();
    assert!(missing.is_empty() && extra.is_empty(), "missing {missing:#?}\nextra {extra:#?}");
    assert_eq!(described.len(), clean.len());
}

#[test]
fn the_day_reconciles_to_exactly_what_is_planted_in_it() {
    let db = Database::migrated();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/data/day.fix");
    let mut command = Command::new(env!("CARGO_BIN_EXE_blotter"));
    command.args(["ingest", path, "--trader-from", "1", "--register-traders"]);
    command.env("DATABASE_URL", db.app_url());
    let (summary, complaints) = said(command.output().unwrap(), 0);
    let complaints = complaints.replace(path, "day.fix");
    let without_ids: String = complaints.lines().map(|line| without_ids(line) + "\n").collect();
    expect![[r#"
        day.fix: line 77: ClOrdID (tag 11) ada-000015: kept as a break (OVER_FILL): order ID is FILLED, which does not allow FILLED; only a PENDING or PARTIAL order can still change (rule orders_transition)
        day.fix: line 239: ClOrdID (tag 11) barbara-x000045: kept as a break (UNKNOWN_ORDER): the order is unknown and can't be created from this report: OrderQty (tag 38) is missing
        day.fix: line 377: ClOrdID (tag 11) linus-000075: kept as a break (ORDER_ENDED): order ID is CANCELLED, which does not allow FILLED; only a PENDING or PARTIAL order can still change (rule orders_transition)
        day.fix: line 526: ClOrdID (tag 11) barbara-000105: kept as a break (PRECISION): price "417.6681" has more than the 2 decimal places that the columns keep; the store never rounds, so round it first, or widen the columns (blotter widen --prices 4)
        day.fix: line 662: ClOrdID (tag 11) linus-000135: kept as a break (MISMATCH): execution id "T000135-2" of UNKNOWN is stored as a fill of 100 at 140.99, and reported as a fill of 100 at 141.02
        day.fix: line 821: ClOrdID (tag 11) grace-000165: kept as a break (UNKNOWN_FILL): the chain of order ID has no fill T-6999 at UNKNOWN
        day.fix: line 982: ClOrdID (tag 11) grace-000195: kept as a break (TOTALS): filled quantity: the venue reports 150, the store has 100
    "#]]
    .assert_eq(&without_ids);
    let (_, summary) = summary.split_once(": ").unwrap();
    expect![[r#"
        1470 reports
             355 new orders
             500 fills, busts and corrections
               1 of them booked after its order had ended, because the venue's total counts it
              83 cancels and expiries
              16 rejects
             339 other actions
               4 traders registered: ada, grace, linus, barbara
               1 break: execution for an unknown order (UNKNOWN_ORDER)
               1 break: bust or correction of an unknown fill (UNKNOWN_FILL)
               1 break: fill beyond the order's quantity (OVER_FILL)
               1 break: fill after the order had ended (ORDER_ENDED)
               1 break: more decimal places than the store keeps (PRECISION)
               1 break: report that contradicts what is stored (MISMATCH)
               1 break: the venue's totals differ from the store's (TOTALS)
        1470 reports = 1238 applied + 22 known + 204 without effect + 6 breaks + 0 unreadable
    "#]]
    .assert_eq(summary);
    assert_eq!(
        breaks(&db),
        [
            "MISMATCH linus-000135 T000135-2 open",
            "ORDER_ENDED barbara-000225 T000225-3 booked",
            "ORDER_ENDED linus-000075 T000075-5 open",
            "OVER_FILL ada-000015 T000015-3 open",
            "PRECISION barbara-000105 T000105-2 open",
            "TOTALS grace-000195 T000195-3 open",
            "UNKNOWN_FILL grace-000165 T000165-3 open",
            "UNKNOWN_ORDER - X000045-1 open",
        ]
    );
    let mut rebuild = Command::new(env!("CARGO_BIN_EXE_blotter"));
    rebuild.args(["rebuild", "--check"]).env("DATABASE_URL", db.app_url());
    assert_eq!(said(rebuild.output().unwrap(), 0), (String::new(), String::new()));
}

#[test]
fn the_totals_of_each_order_are_those_of_the_last_report_of_it() {
    let db = whole();
    let contents = db.contents();
    let by_id: HashMap<_, _> = contents.orders.iter().map(|order| (order.id, order)).collect();
    let broken: Vec<_> = breaks(&db);
    // By the venue's id, which is that of the whole chain.
    let mut last: BTreeMap<&str, (i64, BigDecimal, &str)> = BTreeMap::new();
    for line in DAY.lines() {
        let fields: HashMap<&str, &str> =
            line[24..].split('\u{1}').filter_map(|field| field.split_once('=')).collect();
        let is_resent = fields.contains_key("43") || fields.contains_key("97");
        if fields["35"] == "8" && fields["39"] != "8" && !is_resent && fields.contains_key("14") {
            let average = BigDecimal::from_str(fields["6"]).unwrap();
            last.insert(fields["37"], (fields["14"].parse().unwrap(), average, fields["39"]));
        }
    }
    assert!(last.len() > 260);
    for (venue_id, (filled, average, status)) in last {
        let mut chain: Vec<_> = contents
            .orders
            .iter()
            .filter(|order| order.venue_order_id.as_deref() == Some(venue_id))
            .collect();
        let replaced: Vec<_> = chain.iter().filter_map(|order| order.replaces).collect();
        chain.retain(|order| !replaced.contains(&order.id));
        let [mut order] = chain[..] else { panic!("{venue_id}: {chain:?}") };
        let called = order.client_order_id.clone().unwrap();
        // A report that is an open break is not counted, and neither are its totals.
        if broken.iter().any(|it| it.contains(&format!(" {called} ")) && it.ends_with(" open")) {
            continue;
        }
        let stands = match order.status.label() {
            "PENDING" => "0",
            "PARTIAL" => "1",
            "FILLED" => "2",
            "REJECTED" => "8",
            _ => "4",
        };
        let (mut shares, mut notional) = (0, BigDecimal::from(0));
        loop {
            shares += i64::from(order.filled_quantity);
            notional += &order.filled_notional;
            let Some(replaces) = order.replaces else { break };
            order = by_id[&replaces];
        }
        assert_eq!(shares, filled, "{called}");
        let status = if status == "C" { "4" } else { status };
        let stands = if stands == "0" && shares > 0 { "1" } else { stands };
        assert_eq!(stands, status, "{called}");
        if shares > 0 {
            let exact = notional / shares;
            assert!((exact - &average).abs() < BigDecimal::new(1.into(), 4), "{called} {average}");
        }
    }
}

#[test]
fn a_second_run_changes_nothing_at_all() {
    let db = whole();
    let before = db.contents();
    for batch in ["2000", "50"] {
        let (summary, _) = said(feed(of_account(&db, &["--batch", batch]), DAY.as_bytes()), 0);
        assert!(!summary.contains("orders\n"), "{summary}");
        assert_eq!(db.contents(), before);
    }
}

#[test]
fn runs_that_are_killed_and_then_a_whole_one_come_to_what_one_clean_run_does() {
    let clean = describe(&whole());
    let db = Database::migrated();
    let mut conn = db.admin();
    let mut random = TestRunner::deterministic();
    let mut stages = Vec::new();
    for run in 1..=20 {
        let before = (0..DAY.len() / 40).new_tree(&mut random).unwrap().current();
        let end = DAY.len() * run / 20 - before;
        let written = entries(&mut conn);
        // Killed as soon as it has written something new, with more of it in hand.
        feed_and_kill(of_account(&db, &["--batch", "50"]), &DAY.as_bytes()[..end], || {
            entries(&mut conn) > written
        });
        stages.push(entries(&mut conn));
    }
    assert!(stages.is_sorted_by(|one, next| one < next), "{stages:?}");
    assert!(stages.last() < Some(&entries(&mut whole().admin())), "{stages:?}");
    said(feed(of_account(&db, &["--batch", "50"]), DAY.as_bytes()), 0);
    assert_same(&db, &clean);
}

#[test]
fn batches_of_any_size_come_to_the_same() {
    let clean = describe(&whole());
    for batch in ["1", "7"] {
        let db = Database::migrated();
        said(feed(of_account(&db, &["--batch", batch]), DAY.as_bytes()), 0);
        assert_same(&db, &clean);
    }
}

#[test]
fn separators_that_people_can_read_come_to_the_same() {
    let clean = describe(&whole());
    for separator in ["|", ";", "^A"] {
        let db = Database::migrated();
        let day = DAY.replace('\u{1}', separator);
        said(feed(of_account(&db, &[]), day.as_bytes()), 0);
        assert_same(&db, &clean);
    }
}

#[test]
fn the_day_twice_in_one_input_comes_to_the_same() {
    let clean = describe(&whole());
    for batch in ["2000", "100"] {
        let db = Database::migrated();
        let twice = format!("{DAY}{DAY}");
        said(feed(of_account(&db, &["--batch", batch]), twice.as_bytes()), 0);
        assert_same(&db, &clean);
    }
}

#[test]
fn two_at_once_come_to_the_same_and_each_reports_what_it_did() {
    let clean = Database::migrated();
    let (once, _) = said(feed(of_account(&clean, &[]), DAY.as_bytes()), 0);
    let clean = describe(&clean);
    for batch in ["20", "200"] {
        let db = Database::migrated();
        let summaries = thread::scope(|scope| {
            let one = || feed(of_account(&db, &["--batch", batch]), DAY.as_bytes());
            let both = [scope.spawn(one), scope.spawn(one)];
            both.map(|run| said(run.join().unwrap(), 0).0)
        });
        assert_same(&db, &clean);
        for name in ["new order", "fill", "cancel", "reject", "other action", "trader"] {
            let [one, other] = [&summaries[0], &summaries[1]].map(|said| count(said, name));
            assert_eq!(one + other, count(&once, name), "{name}: {summaries:?}");
        }
    }
}

/// Returns the number in the line of a summary that begins with this name; 0 if there is none.
fn count(summary: &str, name: &str) -> u64 {
    let lines = summary.lines().filter_map(|line| line.trim().split_once(' '));
    let mut counts = lines.filter(|(_, what)| what.starts_with(name));
    counts.next().map_or(0, |(count, _)| count.parse().unwrap())
}

#[test]
fn a_second_session_that_says_no_venue_comes_to_the_same() {
    let clean = describe(&whole());
    let db = whole();
    let other: String = DAY
        .lines()
        .map(|line| {
            let fields = line[24..].split('\u{1}').filter(|field| !field.is_empty());
            let fields =
                fields.filter(|field| !field.starts_with("30=")).map(|field| match &field[..3] {
                    "49=" => "49=OTHER".to_owned(),
                    "56=" => "56=COPY".to_owned(),
                    "34=" => format!("34=9{}", &field[3..]),
                    "52=" => "52=20261124-23:00:00".to_owned(),
                    _ => field.to_owned(),
                });
            fields.collect::<Vec<_>>().join("\u{1}") + "\u{1}\n"
        })
        .collect();
    said(feed(of_account(&db, &[]), other.as_bytes()), 0);
    assert_same(&db, &clean);
}
