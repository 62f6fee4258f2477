//! `blotter status`: the figures in each format, and the thresholds.

use std::collections::HashMap;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tradeblotter::{Execution, ExecutionKind, NewOrder, Side};

use tradeblotter_test_support::{Database, noon, submit, trader};

fn status(url: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blotter"));
    command.arg("status").args(arguments).env("DATABASE_URL", url).stdin(Stdio::null());
    command.output().unwrap()
}

#[track_caller]
fn printed(output: &Output, code: i32) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A database with two open orders of Ada and a break of an unknown order.
fn with_a_break() -> (Database, String) {
    let database = Database::migrated();
    let store = database.blotter();
    let ada = trader(&store, "Ada").id;
    for _ in 0..2 {
        submit(&store, &NewOrder::market(ada, Side::Buy, "AAPL", 100)).unwrap();
    }
    let unknown = Execution {
        kind: ExecutionKind::Fill,
        order_id: None,
        trader_id: None,
        client_order_id: Some("nobody-knows"),
        timestamp: noon(),
        quantity: 1.into(),
        price: 10.into(),
        venue: "XNAS",
        commission: 0.into(),
        rebate: 0.into(),
        source: None,
        execution_id: Some("E-1"),
        raw: None,
    };
    store.engine().transaction(|tx| tx.breaks().record_or_break(&unknown)).unwrap();
    (database, ada.to_string())
}

/// Reads the text format of Prometheus as its specification has it; returns the samples by name and labels.
fn samples(text: &str) -> HashMap<String, f64> {
    let is_name = |name: &str| {
        name.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_')
            && name.chars().all(|it| it.is_ascii_alphanumeric() || it == '_')
    };
    let mut samples = HashMap::new();
    let mut metric = String::new();
    let mut lines = text.lines().peekable();
    assert!(text.ends_with('\n'));
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').unwrap();
            assert!(
                is_name(name) && name.starts_with("tradeblotter_") && !help.is_empty(),
                "{line}"
            );
            assert!(
                name != metric && !samples.keys().any(|it: &String| it == name),
                "{name} twice"
            );
            assert_eq!(lines.next(), Some(format!("# TYPE {name} gauge").as_str()));
            metric = name.to_owned();
            continue;
        }
        let (name, value) = line.rsplit_once(' ').unwrap();
        let rest = name.strip_prefix(&metric).unwrap();
        if !rest.is_empty() {
            let labels = rest.strip_prefix('{').and_then(|it| it.strip_suffix('}')).unwrap();
            for label in labels.split(',') {
                let (label, quoted) = label.split_once('=').unwrap();
                assert!(is_name(label) && quoted.len() >= 2, "{line}");
                assert!(quoted.starts_with('"') && quoted.ends_with('"'), "{line}");
            }
        }
        assert_eq!(samples.insert(name.to_owned(), value.parse().unwrap()), None, "{line}");
    }
    samples
}

#[test]
fn the_figures_are_printed_as_a_table_as_json_and_as_prometheus_text() {
    let (database, _) = with_a_break();
    let url = database.app_url();
    let table = printed(&status(&url, &[]), 0);
    let line = |figure: &str| {
        let line = table.lines().find(|line| line.starts_with(figure)).unwrap_or_default();
        line.strip_prefix(figure).unwrap_or_default().trim().to_owned()
    };
    assert_eq!(line("open orders"), "2");
    assert!(line("open breaks").starts_with("1, the oldest of 20"), "{table}");
    assert_eq!(line("  UNKNOWN_ORDER"), "1");
    assert_eq!(line("last seal"), "none");
    assert!(line("unsealed records").starts_with("4, the oldest of 20"), "{table}");
    assert!(line("database").ends_with(", primary"), "{table}");
    assert_eq!(line("login"), "app as blotter_compliance");

    let json: Value =
        serde_json::from_str(&printed(&status(&url, &["--format", "json"]), 0)).unwrap();
    assert_eq!((&json["open_orders"], &json["open_breaks"][0]["count"]), (&2.into(), &1.into()));
    assert_eq!((&json["seals"]["unsealed"], &json["seals"]["last"]), (&4.into(), &Value::Null));

    let samples = samples(&printed(&status(&url, &["--format", "prometheus"]), 0));
    let sample = |name: &str| samples.get(&format!("tradeblotter_{name}")).copied();
    assert_eq!(sample("open_orders"), Some(2.0));
    assert_eq!(sample("open_breaks{reason=\"UNKNOWN_ORDER\"}"), Some(1.0));
    assert_eq!(sample("open_breaks{reason=\"OVER_FILL\"}"), Some(0.0));
    assert_eq!(sample("unsealed_records"), Some(4.0));
    assert!(sample("oldest_open_break_age_seconds").unwrap() < 60.0);
    assert!(sample("oldest_unsealed_age_seconds").unwrap() < 60.0);
    // Nothing was sealed: no sample, and not 0.
    assert_eq!((sample("last_seal_timestamp_seconds"), sample("replay_lag_seconds")), (None, None));
}

#[test]
fn a_threshold_that_is_exceeded_is_named_and_fails() {
    let (database, _) = with_a_break();
    let url = database.app_url();
    let met = status(&url, &["--max-open-breaks", "1", "--max-unsealed-age", "1h"]);
    assert!(printed(&met, 0).contains("open breaks"));
    assert_eq!(said(&met), "");
    let breaks = status(&url, &["--max-open-breaks", "0", "--format", "prometheus"]);
    // The figures are printed all the same.
    samples(&printed(&breaks, 1));
    assert_eq!(said(&breaks), "blotter: 1 break is open, more than --max-open-breaks 0\n");
    let both = status(&url, &["--max-open-breaks", "0", "--max-unsealed-age", "1ms"]);
    printed(&both, 1);
    let reasons = said(&both);
    assert!(
        reasons.starts_with(
            "blotter: 1 break is open, more than --max-open-breaks 0; a record has not"
        ),
        "{reasons}"
    );
    assert!(reasons.ends_with("longer than --max-unsealed-age 1ms\n"), "{reasons}");
}

#[test]
fn what_a_role_may_not_see_is_hidden_and_not_zero() {
    let (database, ada) = with_a_break();
    let engine = database.login_url("blotter_engine");
    let desk = database.login_url("blotter_trader");
    let hidden = printed(&status(&engine, &[]), 0);
    assert!(hidden.contains("unsealed records    not visible to blotter_engine"), "{hidden}");
    let samples = samples(&printed(&status(&engine, &["--format", "prometheus"]), 0));
    assert!(!samples.keys().any(|name| name.contains("seal")), "{samples:?}");
    let json = printed(&status(&desk, &["--trader", &ada, "--format", "json"]), 0);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["seals"], &json["open_orders"]), (&Value::Null, &2.into()));
    assert_eq!(json["open_breaks"], Value::Array(vec![]));

    let unknown = status(&engine, &["--max-unsealed-age", "5min"]);
    printed(&unknown, 1);
    let reason = said(&unknown);
    assert!(reason.contains("blotter_engine may not read seals"), "{reason}");
    // An auditor sees the seals, and needs no other role.
    let auditor = status(&database.login_url("blotter_auditor"), &["--max-unsealed-age", "1h"]);
    assert!(printed(&auditor, 0).contains("as blotter_auditor"));
    assert!(said(&status(&desk, &[])).contains("pass --trader"));
}
