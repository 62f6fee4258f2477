//! The contents of the HTML page of a report.

use tradeblotter::report::Format;
use tradeblotter::{Filter, NewAction, NewExecutionLog, NewFill, NewOrder, Side};

use super::written;
use tradeblotter_test_support::{Database, append, fill_of, record, submit, trader};
use tradeblotter_test_support::{amended_order, trading_day};

#[test]
fn text_that_somebody_else_wrote_stays_text() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let hostile = "\"'><img src=x onerror=alert(1)>&amp;";
    let mallory = trader(&blotter, &format!("Mallory {hostile}"));
    let new = NewOrder {
        client_order_id: Some("</style><b>"),
        ..NewOrder::market(mallory.id, Side::Buy, "<script>", 10)
    };
    let order = submit(&blotter, &new).unwrap();
    let fill =
        NewFill { venue: "<iframe>", execution_id: Some("<object>"), ..fill_of(&order, 5, "1.00") };
    record(&blotter, &fill).unwrap();
    let refused = NewExecutionLog {
        reason: Some(hostile),
        ..NewExecutionLog::new(
            order.id,
            NewAction::Rejected { error_code: Some("<svg onload=alert(1)>") },
        )
    };
    append(&blotter, &refused).unwrap();
    let (page, _) =
        written(&db, Filter { symbol: Some("<script>"), ..Filter::default() }, Format::Html);
    for raw in ["<script", "<img", "</style><b>", "<iframe", "<object", "<svg onload"] {
        assert!(!page.contains(raw), "{raw}");
    }
    for escaped in ["&lt;script&gt;", "&lt;iframe&gt;", "&lt;object&gt;", "&lt;/style&gt;&lt;b&gt;"]
    {
        assert!(page.contains(escaped), "{escaped}");
    }
    // The name is in the timeline; the reason is there and in the list of rejections.
    assert_eq!(page.matches("&quot;'&gt;&lt;img src=x onerror=alert(1)&gt;&amp;amp;").count(), 3);
    assert_eq!(page.matches("</style>").count(), 1);
}

/// The value that a page shows under this name.
fn fact<'p>(page: &'p str, name: &str) -> &'p str {
    let (_, after) = page.split_once(&format!("<dt>{name}</dt><dd>")).unwrap();
    after.split_once("</dd>").unwrap().0
}

#[test]
fn the_totals_of_a_page_are_those_of_the_store() {
    let (db, _) = amended_order();
    let (page, _) = written(&db, Filter::default(), Format::Html);
    assert_eq!((fact(&page, "Orders"), fact(&page, "Fills")), ("1", "3"));
    assert_eq!((fact(&page, "Notional"), fact(&page, "Commission")), ("3\u{202f}007.00", "0.50"));
    assert_eq!((fact(&page, "Amended"), fact(&page, "Sealed")), ("2", "0.0 %"));
    assert!(
        page.contains("300 shares after busts and corrections")
            && page.contains("None of them is sealed.")
    );

    let db = trading_day();
    let (page, contents) = written(&db, Filter::default(), Format::Html);
    let stored = db.contents();
    let notional: bigdecimal::BigDecimal = stored.notionals.iter().sum();
    let shown = fact(&page, "Notional").replace('\u{202f}', "");
    assert_eq!(shown.parse::<bigdecimal::BigDecimal>().unwrap(), notional);
    assert_eq!(fact(&page, "Breaks"), stored.breaks.len().to_string());
    assert_eq!(fact(&page, "Orders"), contents.orders.to_string());
    assert_eq!(page.matches("<details").count(), stored.orders.len());
    assert!(page.contains("Breaks without an order: 1."));
}

#[test]
fn a_page_says_which_orders_it_leaves_out_and_where_they_are() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let ada = trader(&blotter, "Ada");
    let many = vec![NewOrder::market(ada.id, Side::Buy, "AAPL", 1); 503];
    let session = blotter.trader(ada.id).unwrap();
    session.transaction(|tx| tx.orders().submit_batch(&many)).unwrap();
    let (page, contents) = written(&db, Filter::default(), Format::Html);
    assert_eq!((contents.orders, page.matches("<details").count()), (503, 500));
    assert!(page.contains("The first 500 orders are shown, <b>3 are not</b>"));
    assert!(page.contains("blotter report --format csv"));
}
