//! Whose orders an input has: `--trader`, `--trader-from` and `--register-traders`, and `blotter traders`.

use std::process::Command;

use super::{altered, command, feed, said};
use tradeblotter_test_support::describe::{breaks, orders};
use tradeblotter_test_support::reports::{acknowledged, cancelled, filled};
use tradeblotter_test_support::{Database, trader};

/// Runs `blotter traders` and returns what it printed.
#[track_caller]
fn traders(db: &Database, arguments: &[&str], code: i32) -> (String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blotter"));
    command.arg("traders").args(arguments).env("DATABASE_URL", db.app_url());
    said(command.output().unwrap(), code)
}

#[test]
fn a_trader_that_is_unknown_or_ambiguous_stops_the_run_before_anything_is_read() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let ids = [trader(&blotter, "ada").id, trader(&blotter, "ada").id];
    let before = db.contents();
    let nobody = uuid::Uuid::now_v7().to_string();
    let unknown = "is not registered; `blotter traders list`";
    let ambiguous = "\"ada\" is the name of several traders; pass the id of one of them: ";
    for (name, why) in [("grace", unknown), (nobody.as_str(), unknown), ("ada", ambiguous)] {
        let mut child = command(&db, &["--trader", name]).spawn().unwrap();
        // Open and empty until the command ends.
        let stdin = child.stdin.take().unwrap();
        let (_, error) = said(child.wait_with_output().unwrap(), 1);
        drop(stdin);
        assert!(error.contains(why), "{error}");
    }
    assert_eq!(db.contents(), before);
    let (_, error) = said(feed(command(&db, &["--trader", "ada"]), b""), 1);
    assert!(ids.iter().all(|id| error.contains(&id.to_string())), "{error}");
}

#[test]
fn a_trader_may_be_named_for_all_by_name_or_by_id() {
    for by_name in [true, false] {
        let db = Database::migrated();
        let grace = trader(&db.blotter(), "grace");
        let name = if by_name { "grace".to_owned() } else { grace.id.to_string() };
        let input = [acknowledged(1, "A", 100), filled(2, "A", "E1", 40, 40)].concat();
        said(feed(command(&db, &["--trader", &name, "--venue", "XLON"]), input.as_bytes()), 0);
        assert_eq!(orders(&db), ["A PARTIAL 40/100"]);
        assert_eq!(db.contents().orders[0].trader_id, grace.id);
        for other in [["--trader-from", "1"].as_slice(), &["--register-traders"]] {
            said(feed(command(&db, &[&["--trader", &name], other].concat()), b""), 2);
        }
    }
}

#[test]
fn traders_are_registered_only_on_request_and_the_summary_lists_them() {
    let db = Database::migrated();
    trader(&db.blotter(), "grace");
    let of =
        |name: &str, id: &str| altered(&acknowledged(1, id, 100), "1=ada", &format!("1={name}"));
    let input = [of("grace", "A"), of("ada", "B"), of("barbara", "C"), of("ada", "D")].concat();
    let arguments = ["--trader-from", "1"];
    let (summary, problems) = said(feed(command(&db, &arguments), input.as_bytes()), 0);
    assert!(!summary.contains("registered"), "{summary}");
    let why = "line 2: ClOrdID (tag 11) B: kept as a break (UNAPPLIED_ACTION): trader \"ada\" is not registered";
    assert!(problems.contains(why), "{problems}");
    assert_eq!((db.contents().traders.len(), orders(&db).len()), (1, 1));

    let arguments = ["--trader-from", "1", "--register-traders"];
    let (summary, problems) = said(feed(command(&db, &arguments), input.as_bytes()), 0);
    assert!(summary.contains("       2 traders registered: ada, barbara\n"), "{summary}");
    assert_eq!(problems, "");
    assert_eq!((db.contents().traders.len(), orders(&db).len()), (3, 4));
    // The breaks of the first run lack nothing any more.
    assert_eq!(
        breaks(&db),
        [
            "UNAPPLIED_ACTION - B-0 dismissed",
            "UNAPPLIED_ACTION - C-0 dismissed",
            "UNAPPLIED_ACTION - D-0 dismissed"
        ]
    );
}

#[test]
fn names_that_belong_to_two_traders_are_breaks() {
    let db = Database::migrated();
    let blotter = db.blotter();
    trader(&blotter, "ada");
    trader(&blotter, "ada");
    let input = acknowledged(1, "A", 100);
    let arguments = ["--trader-from", "1", "--register-traders"];
    let (_, problems) = said(feed(command(&db, &arguments), input.as_bytes()), 0);
    assert!(problems.contains("is the name of several traders; use their ids"), "{problems}");
    assert_eq!(breaks(&db), ["UNAPPLIED_ACTION - A-0 open"]);
}

#[test]
fn two_at_once_register_a_new_trader_once_and_one_of_them_says_so() {
    let db = Database::migrated();
    let input = acknowledged(1, "A", 100) + &cancelled(2, "A", 0);
    let arguments = ["--trader-from", "1", "--register-traders"];
    let summaries: Vec<String> = std::thread::scope(|scope| {
        let run = || feed(command(&db, &arguments), input.as_bytes());
        let runs: Vec<_> = (0..4).map(|_| scope.spawn(run)).collect();
        runs.into_iter().map(|run| said(run.join().unwrap(), 0).0).collect()
    });
    assert_eq!(db.contents().traders.len(), 1);
    assert_eq!(orders(&db), ["A CANCELLED 0/100"]);
    assert_eq!(db.contents().log.len(), 3);
    let all = summaries.concat();
    for once in ["1 trader registered: ada", "1 new order", "1 cancel", "1 other action"] {
        assert_eq!(all.matches(once).count(), 1, "{once}: {all}");
    }
}

#[test]
fn the_trader_is_in_the_first_tag_of_the_list_that_is_there() {
    let db = Database::migrated();
    let ada = trader(&db.blotter(), "ada");
    let desk = trader(&db.blotter(), "DESK");
    let without = altered(&acknowledged(2, "B", 100), "1=ada|", "");
    let input = [acknowledged(1, "A", 100), without].concat();
    said(feed(command(&db, &["--trader-from", "1,49/56", "--strict"]), input.as_bytes()), 0);
    let contents = db.contents();
    let trader_of = |id: &str| {
        let order = contents.orders.iter().find(|it| it.client_order_id.as_deref() == Some(id));
        order.unwrap().trader_id
    };
    assert_eq!((trader_of("A"), trader_of("B")), (ada.id, desk.id));
    let (_, error) = said(feed(command(&db, &["--trader-from", "1,account"]), b""), 2);
    assert!(error.contains("must be a FIX tag such as 1"), "{error}");
}

#[test]
fn traders_are_added_once_and_listed_by_name() {
    let db = Database::migrated();
    let (grace, _) = traders(&db, &["add", "Grace"], 0);
    let (ada, _) = traders(&db, &["add", "Ada"], 0);
    let (_, error) = traders(&db, &["add", "Ada"], 1);
    assert!(error.contains(&format!("trader \"Ada\" is registered already, as {}", ada.trim())));
    let (_, error) = traders(&db, &["add", " "], 1);
    assert!(error.contains("trader name"), "{error}");

    let (csv, _) = traders(&db, &["list", "--format", "csv"], 0);
    let lines: Vec<_> = csv.lines().collect();
    assert_eq!((lines.len(), lines[0]), (3, "id,name,created_at"));
    assert!(lines[1].starts_with(&format!("{},Ada,", ada.trim())), "{csv}");
    let (json, _) = traders(&db, &["list", "--format", "json", "--trader", grace.trim()], 0);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((json.as_array().unwrap().len(), &json[0]["name"]), (1, &"Grace".into()));
    let (table, _) = traders(&db, &["list"], 0);
    assert!(table.contains(ada.trim()) && table.contains("registered"), "{table}");
}
