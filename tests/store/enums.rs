//! Enums: Rust and PostgreSQL agree on every label, and an unknown label is an error.

use diesel::connection::SimpleConnection;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Array, Text};
use tradeblotter::schema::sql_types::{ActionEnum, OrderStatusEnum, OrderTypeEnum};
use tradeblotter::{Action, Error, Filter, NewOrder, OrderStatus, OrderType, Page, Side};

use tradeblotter_test_support::{Database, submit, trader};

macro_rules! assert_agrees_with_postgresql {
    ($conn:expr, $enum:ty, $sql_type:ty, $name:literal) => {
        let range = sql::<Array<$sql_type>>(concat!("enum_range(NULL::", $name, ")"));
        let range: Vec<$enum> = diesel::select(range).get_result($conn).unwrap();
        assert_eq!(range, <$enum>::ALL);

        for variant in <$enum>::ALL {
            let written = sql::<Text>("").bind::<$sql_type, _>(variant).sql("::text");
            let written: String = diesel::select(written).get_result($conn).unwrap();
            assert_eq!(written, variant.label());

            let read = sql::<$sql_type>(&format!("'{written}'::{}", $name));
            assert_eq!(diesel::select(read).get_result::<$enum>($conn).as_ref(), Ok(variant));
            assert_eq!(written.parse::<$enum>().unwrap(), *variant);
            assert_eq!(variant.to_string(), written);

            let json = serde_json::to_string(variant).unwrap();
            assert_eq!(json, format!("\"{written}\""));
            assert_eq!(serde_json::from_str::<$enum>(&json).unwrap(), *variant);
        }
    };
}

#[test]
fn every_variant_has_its_label_and_its_place_in_postgresql() {
    let db = Database::migrated();
    let conn = &mut db.owner();
    assert_agrees_with_postgresql!(conn, OrderType, OrderTypeEnum, "order_type_enum");
    assert_agrees_with_postgresql!(conn, OrderStatus, OrderStatusEnum, "order_status_enum");
    assert_agrees_with_postgresql!(conn, Action, ActionEnum, "action_enum");
}

#[test]
fn text_that_is_no_label_is_refused_with_the_labels_there_are() {
    for text in ["", "LIMIT ", "limit", "Limit", "ICEBERG", "MARKET\0"] {
        let error = text.parse::<OrderType>().unwrap_err();
        assert!(error.is_invalid_input(), "{error:?}");
        assert!(error.to_string().ends_with("must be one of MARKET LIMIT STOP"), "{error}");
    }
    assert!("SUBMITTED".parse::<OrderStatus>().is_err());
    assert!("PENDING".parse::<Action>().is_err());
}

#[test]
fn a_label_that_this_build_does_not_know_is_an_error_and_no_panic() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let ada = trader(&blotter, "Ada");
    let known = submit(&blotter, &NewOrder::market(ada.id, Side::Buy, "AAPL", 1)).unwrap();
    let changed = submit(&blotter, &NewOrder::market(ada.id, Side::Buy, "AAPL", 1)).unwrap();
    let admin = &mut db.unguarded();
    let session = blotter.trader(ada.id).unwrap();
    let order = || session.transaction(|tx| tx.orders().get(changed.id));
    let entries = || {
        let page = Page::first(10);
        session.transaction(|tx| tx.execution_logs().trail(&Filter::default(), page))
    };
    let mut set = |addition: &str, row: &str| {
        admin.batch_execute(addition).unwrap();
        admin.batch_execute(&format!("UPDATE {row} = '{}'", changed.id)).unwrap();
    };
    assert!(order().is_ok() && entries().is_ok());

    set(
        "ALTER TYPE order_type_enum ADD VALUE 'ICEBERG'",
        "orders SET order_type = 'ICEBERG', price = 1 WHERE id",
    );
    assert_unknown(&order().unwrap_err(), "ICEBERG");
    set(
        "ALTER TYPE order_status_enum ADD VALUE 'EXPIRED'",
        "orders SET order_type = 'MARKET', status = 'EXPIRED' WHERE id",
    );
    assert_unknown(&order().unwrap_err(), "EXPIRED");
    set(
        "ALTER TYPE action_enum ADD VALUE 'REPLACED' BEFORE 'REJECTED'",
        "execution_logs SET action = 'REPLACED' WHERE order_id",
    );
    assert_unknown(&entries().unwrap_err(), "REPLACED");

    // The connection and the other rows can still be used.
    assert_eq!(session.transaction(|tx| tx.orders().get(known.id)).unwrap(), known);
}

#[track_caller]
fn assert_unknown(error: &Error, label: &str) {
    assert!(!error.is_not_found() && !error.is_invalid_input(), "{error:?}");
    let text = error.to_string();
    assert!(text.ends_with(&format!(": Unrecognized enum variant: '{label}'")), "{text}");
}
