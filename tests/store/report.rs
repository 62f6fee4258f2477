//! The compliance report: its rows agree with the store, and its files are complete and match their
//! manifest.

mod browser;
mod page;
mod parquet;

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;
use tradeblotter::report::{Contents, Format, Report, ReportRow, unescape_csv_text};
use tradeblotter::{
    Error, Fill, Filter, Instructions, NewAction, NewExecutionLog, NewFill, NewOrder, Order, Side,
    TimeInForce,
};
use uuid::Uuid;

use tradeblotter_test_support::{
    Database, amended_order, append, fill_of, noon, price, record, submit, trader, trading_day,
};

/// The report and its contents in counts.
fn written(db: &Database, filter: Filter<'_>, format: Format) -> (String, Contents) {
    let mut out = Vec::new();
    let report = Report { filter, format, public_keys: &[] };
    let session = db.blotter().compliance();
    let contents = session.safe_snapshot(|tx| {
        out.clear();
        report.write_to(tx, &mut out, |_, _| ())
    });
    (String::from_utf8(out).unwrap(), contents.unwrap())
}

/// The rows of a report, as JSON.
fn rows(db: &Database, filter: Filter<'_>) -> Vec<Value> {
    let (text, contents) = written(db, filter, Format::Ndjson);
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len() as u64, contents.rows);
    rows
}

fn text<'r>(row: &'r Value, field: &str) -> &'r str {
    row[field].as_str().unwrap_or_default()
}

#[test]
fn each_order_ends_in_the_report_as_it_stands_in_the_store() {
    let db = trading_day();
    let rows = rows(&db, Filter::default());
    let contents = db.contents();
    let names: HashMap<Uuid, &str> =
        contents.traders.iter().map(|trader| (trader.id, trader.name.as_str())).collect();
    let mut last: HashMap<&str, &Value> = HashMap::new();
    for row in &rows {
        let before = last.insert(text(row, "order_id"), row);
        let status = before.map_or(&Value::Null, |before| &before["status_after"]);
        assert_eq!(&row["status_before"], status, "{row}");
    }
    assert_eq!((rows.len(), last.len()), (contents.log.len(), contents.orders.len()));
    for order in &contents.orders {
        let row = last[order.id.to_string().as_str()];
        assert_eq!(text(row, "status_after"), order.status.label());
        assert_eq!(row["cumulative_quantity"], order.filled_quantity);
        let notional: bigdecimal::BigDecimal = text(row, "cumulative_notional").parse().unwrap();
        assert_eq!(notional, order.filled_notional, "{row}");
        assert_eq!(row["average_price"].is_null(), order.filled_quantity == 0);
        assert_eq!(row["venue_order_id"].as_str(), order.venue_order_id.as_deref());
        assert_eq!(row["client_order_id"].as_str(), order.client_order_id.as_deref());
        assert_eq!(text(row, "trader_name"), names[&order.trader_id]);
        assert_eq!(row["price"].as_str(), order.price.map(|it| it.to_string()).as_deref());
    }
    let told: BTreeSet<&str> = rows.iter().filter_map(|row| row["fill_id"].as_str()).collect();
    assert_eq!(told.len(), contents.fills.len());
}

#[test]
fn csv_and_ndjson_say_the_same_under_the_names_that_are_documented() {
    let db = trading_day();
    let (csv, _) = written(&db, Filter::default(), Format::Csv);
    let mut csv = csv::Reader::from_reader(csv.as_bytes());
    let heads: Vec<String> = csv.headers().unwrap().iter().map(str::to_owned).collect();
    assert_eq!(heads, ReportRow::FIELDS);
    let documented = include_str!("../../docs/report.md");
    for field in ReportRow::FIELDS {
        assert!(documented.contains(&format!("| `{field}` |")), "{field}");
    }
    let rows = rows(&db, Filter::default());
    let mut count = 0;
    for (record, row) in csv.records().zip(&rows) {
        let record = record.unwrap();
        assert_eq!(row.as_object().unwrap().len(), heads.len());
        for (head, value) in heads.iter().zip(&record) {
            let said = match &row[head] {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            assert_eq!(value, said, "{head} of {row}");
        }
        count += 1;
    }
    assert_eq!(count, rows.len());
}

#[test]
fn csv_has_no_formula_in_it_and_reads_back_as_what_was_recorded() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let risky =
        ["=1+1", "+1", "-1+1", "@A", "＝1", "＋1", "－1", "＠A", "'=1", "' A", " =1", "-5", "x;=1"];
    for (place, text) in risky.into_iter().enumerate() {
        let mallory = trader(&blotter, text);
        let new = NewOrder {
            client_order_id: Some(text),
            account: Some(text),
            ..NewOrder::market(mallory.id, Side::Buy, "=SUM(A1)", 10)
        };
        let order = submit(&blotter, &new).unwrap();
        let id = format!("{text}{place}");
        let fill = NewFill {
            venue: text,
            source: Some(text),
            execution_id: Some(&id),
            ..fill_of(&order, 1, "1")
        };
        record(&blotter, &fill).unwrap();
        let reason = format!("\t{text}");
        let rejected = NewAction::Rejected { error_code: Some(text) };
        let entry =
            NewExecutionLog { reason: Some(&reason), ..NewExecutionLog::new(order.id, rejected) };
        append(&blotter, &entry).unwrap();
    }
    let (csv, _) = written(&db, Filter::default(), Format::Csv);
    let mut csv = csv::Reader::from_reader(csv.as_bytes());
    let heads = csv.headers().unwrap().clone();
    let rows = rows(&db, Filter::default());
    let mut escaped = BTreeSet::new();
    let records: Vec<_> = csv.records().map(Result::unwrap).collect();
    assert_eq!(records.len(), 3 * risky.len());
    assert_eq!(records.len(), rows.len());
    for (record, row) in records.iter().zip(&rows) {
        for (head, field) in heads.iter().zip(record) {
            let is_formula =
                field.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠'])
                    || field.starts_with(['\t', '\r', '\n']);
            assert!(!is_formula || field.parse::<f64>().is_ok(), "{head}: {field}");
            if field.starts_with('\'') {
                escaped.insert(head.to_owned());
            }
            let recorded = match &row[head] {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            assert_eq!(unescape_csv_text(field), recorded, "{head}");
        }
    }
    let of_text = [
        "account",
        "client_order_id",
        "error_code",
        "execution_id",
        "fill_source",
        "fill_venue",
        "reason",
        "symbol",
        "trader_name",
    ];
    assert_eq!(escaped.iter().map(String::as_str).collect::<Vec<_>>(), of_text);
}

/// An order with every term, and a fill of it with every column.
fn order_with_every_term() -> (Database, Order, Fill) {
    let db = Database::migrated();
    let blotter = db.blotter();
    let ada = trader(&blotter, "Ada");
    let instructions: Instructions =
        [("18", "G"), ("note", "a \"quoted\" π")].into_iter().collect();
    let new = NewOrder {
        client_order_id: Some("C-1"),
        trading_day: Some(noon().date_naive()),
        account: Some("A-100"),
        time_in_force: Some(TimeInForce::Gtd),
        limit_price: Some(price("10.60")),
        currency: Some("USD"),
        received_at: Some(noon()),
        expires_at: Some(noon()),
        instructions: Some(&instructions),
        ..NewOrder::stop(ada.id, Side::SellShort, "AAPL", 100, price("10.50"))
    };
    let order = submit(&blotter, &new).unwrap();
    let paid = NewFill {
        rebate: "0.03".parse().unwrap(),
        source: Some("BROKER"),
        execution_id: Some("E-1"),
        ..fill_of(&order, 40, "10.55")
    };
    let fill = record(&blotter, &paid).unwrap();
    (db, order, fill)
}

#[test]
fn every_term_of_an_order_and_every_column_of_a_fill_is_in_its_rows() {
    let (db, order, fill) = order_with_every_term();
    let rows = rows(&db, Filter::default());
    for row in &rows {
        for (field, expected) in [
            ("trading_day", "2026-11-20"),
            ("root_id", order.id.to_string().as_str()),
            ("account", "A-100"),
            ("side", "SELL_SHORT"),
            ("time_in_force", "GTD"),
            ("price", "10.50"),
            ("limit_price", "10.60"),
            ("currency", "USD"),
            ("received_at", "2026-11-20T12:00:00.000000Z"),
            ("instructions", r#"{"18":"G","note":"a \"quoted\" π"}"#),
        ] {
            assert_eq!(text(row, field), expected, "{field}");
        }
    }
    let filled = &rows[1];
    assert_eq!(text(filled, "fill_id"), fill.id.to_string());
    let of_fill =
        ["fill_source", "fill_rebate", "cumulative_rebate"].map(|field| text(filled, field));
    assert_eq!(of_fill, ["BROKER", "0.03", "0.03"]);
    let (page, _) = written(&db, Filter::default(), Format::Html);
    for shown in [
        "10.50 limit 10.60 USD GTD",
        "A-100",
        "through BROKER",
        "<dt>Rebate</dt><dd>0.03</dd>",
        "trading day 2026-11-20",
    ] {
        assert!(page.contains(shown), "{shown}");
    }
}

#[test]
fn totals_after_each_action_are_exact_with_corrections_and_busts() {
    let (db, _) = amended_order();
    let rows = rows(&db, Filter::default());
    let totals = |row: &Value| {
        let field = |name| text(row, name).to_owned();
        let shares = row["cumulative_quantity"].to_string();
        let exact = row["average_is_exact"].to_string();
        let money = ["cumulative_notional", "cumulative_commission", "average_price"].map(field);
        format!("{} {shares} {} {exact}", text(row, "action"), money.join(" "))
    };
    let said: Vec<String> = rows.iter().map(totals).collect();
    assert_eq!(
        said,
        [
            "SUBMITTED 0 0.00 0.00  null",
            "EXECUTED 0 0.00 0.00  null",
            "FILLED 100 1000.00 0.00 10.00 true",
            "FILLED 200 2001.00 0.00 10.005 true",
            "FILLED 300 3004.00 0.00 10.0133333333 false",
            "RECOVERED 400 4007.00 0.50 10.0175 true",
            "RECOVERED 300 3007.00 0.50 10.0233333333 false",
            "CANCELLED 300 3007.00 0.50 10.0233333333 false",
        ]
    );
    let correction = &rows[5];
    assert_eq!(correction["amends"], rows[3]["fill_id"]);
    assert_eq!((&correction["is_bust"], &rows[6]["is_bust"]), (&false.into(), &true.into()));
    assert_eq!(text(correction, "event_time"), "2026-11-20T12:00:00.000000Z");
    // Rows before the first report of the venue's order id do not have it.
    let venue_ids: Vec<_> = rows.iter().map(|row| row["venue_order_id"].as_str()).collect();
    assert_eq!(venue_ids[..2], [None, Some("V-1")]);
    assert!(venue_ids[1..].iter().all(|id| *id == Some("V-1")));
    let cancel = &rows[7];
    assert_eq!((text(cancel, "acted_as"), text(cancel, "reason")), ("blotter_trader", "enough"));
    assert_eq!((text(cancel, "price"), text(cancel, "stop_loss")), ("10.50", "9.00"));
    assert_eq!(text(cancel, "expires_at"), "2026-11-20T12:00:00.000000Z");
}

#[test]
fn ranges_that_meet_say_everything_once_and_know_what_was_before_them() {
    let (db, order) = amended_order();
    let whole = rows(&db, Filter::default());
    let middle = db.contents().log.iter().find(|entry| entry.sequence == 6).unwrap().timestamp;
    let before = rows(&db, Filter { until: Some(middle), ..Filter::default() });
    let after = rows(&db, Filter { from: Some(middle), ..Filter::default() });
    assert!(!before.is_empty() && !after.is_empty());
    assert_eq!([before, after].concat(), whole);
    assert_eq!(
        rows(&db, Filter { from: Some(middle), ..Filter::of_trader(order.trader_id) }).len(),
        4
    );
}

#[test]
fn a_filter_leaves_out_what_is_not_asked_for_and_changes_nothing_of_the_rest() {
    let db = trading_day();
    let whole = rows(&db, Filter::default());
    let ada = db.contents().traders.iter().find(|trader| trader.name == "ada").unwrap().id;
    let of_ada = rows(&db, Filter { symbol: Some("AAPL"), ..Filter::of_trader(ada) });
    let expected: Vec<Value> = whole
        .iter()
        .filter(|row| text(row, "trader_name") == "ada" && text(row, "symbol") == "AAPL")
        .cloned()
        .collect();
    assert!(!expected.is_empty() && expected.len() < whole.len());
    assert_eq!(of_ada, expected);
    let (csv, contents) =
        written(&db, Filter { symbol: Some("NONE"), ..Filter::default() }, Format::Csv);
    assert_eq!(csv, ReportRow::FIELDS.join(",") + "\n");
    assert_eq!((contents.rows, contents.first_sequence, contents.orders), (0, None, 0));
}

#[test]
fn one_snapshot_gives_the_same_bytes_however_often_it_is_written() {
    let db = trading_day();
    let officer = db.blotter().compliance();
    for format in Format::ALL {
        let report = Report { filter: Filter::default(), format: *format, public_keys: &[] };
        let (first, second) = officer
            .safe_snapshot(|tx| {
                let mut written = || {
                    let mut out = Vec::new();
                    let contents = report.write_to(tx, &mut out, |_, _| ())?;
                    Ok::<_, Error>((out, contents))
                };
                Ok::<_, Error>((written()?, written()?))
            })
            .unwrap();
        assert!(first == second, "{format}");
    }
}
