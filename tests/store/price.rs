//! Prices and commissions: values that fit the column are stored exactly, all others are refused.

use std::collections::HashSet;

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::BigInt;
use diesel::connection::SimpleConnection;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Numeric, Text};
use proptest::prelude::*;
use std::cell::RefCell;
use tradeblotter::widths::{self, Widening};
use tradeblotter::{Commission, Error, NewOrder, Price, Side};

use tradeblotter_test_support::{Database, check, submit, trader};

/// In units of the tenth decimal place.
const MAX: i64 = 999_999_999_999_999_999;
const CENT: i64 = 100_000_000;

fn text(units: i64) -> String {
    let text = format!("{}.{:010}", units / (100 * CENT), units % (100 * CENT));
    let cents = text.len() - 8;
    let (cents, finer) = text.split_at(cents);
    format!("{cents}{}", finer.trim_end_matches('0'))
}

/// Any number of units, those at the edges of the range and whole cents among them.
fn units(least: i64) -> impl Strategy<Value = i64> {
    let cents = (1..=MAX / CENT).prop_map(|cents| cents * CENT);
    prop_oneof![least..=MAX, least..=100, MAX - 100..=MAX, cents]
}

/// Plain decimals of up to nine digits before the point and twelve after it.
fn decimal() -> impl Strategy<Value = String> {
    prop_oneof![
        "-?[0-9]{1,9}",
        "-?[0-9]{1,9}\\.[0-9]{1,12}",
        "[0-9]{1,9}\\.[0-9]{1,2}0{0,4}",
        "-?0{1,4}\\.0{1,4}",
    ]
}

/// Text of every sort, much of it nearly a number.
fn anything() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[-+ ]?[0-9٣_,.]{0,12}([eE][-+]?[0-9]{1,12})?", decimal()]
}

macro_rules! promises {
    ($module:ident, $type:ident, $least:literal) => {
        mod $module {
            use super::*;

            #[test]
            fn every_value_of_the_range_prints_and_reads_as_itself() {
                let db = Database::empty();
                let conn = RefCell::new(db.owner());
                check(256, units($least), |units| {
                    let text = text(units);
                    let value: $type = text.parse().unwrap();
                    prop_assert_eq!(value.to_string(), text.as_str());
                    prop_assert_eq!(format!("{value:>15}"), format!("{text:>15}"));

                    let decimal = BigDecimal::new(units.into(), 10);
                    prop_assert_eq!(BigDecimal::from(value), decimal.clone());
                    prop_assert_eq!($type::try_from(decimal.with_scale(15)).unwrap(), value);

                    let json = serde_json::to_string(&value).unwrap();
                    prop_assert_eq!(&json, &format!("\"{text}\""));
                    prop_assert_eq!(serde_json::from_str::<$type>(&json).unwrap(), value);

                    let conn = &mut *conn.borrow_mut();
                    let query = diesel::select((
                        value.into_sql::<Numeric>(),
                        sql::<Numeric>("").bind::<Numeric, _>(value).sql("::numeric(18, 10)"),
                    ));
                    let (back, by_postgresql): ($type, BigDecimal) =
                        query.get_result(conn).unwrap();
                    prop_assert_eq!(back, value);
                    prop_assert_eq!(by_postgresql, BigDecimal::from(value));
                    Ok(())
                });
            }

            #[test]
            fn a_plain_decimal_is_accepted_exactly_if_the_column_keeps_it_exactly() {
                let db = Database::empty();
                let conn = RefCell::new(db.owner());
                check(256, decimal(), |text| {
                    let kept: bool = diesel::select(
                        sql::<Bool>("n = round(n, 10) AND n < 1e8 AND n * 1e10 >= ")
                            .sql(stringify!($least))
                            .sql(" FROM (SELECT ")
                            .bind::<Text, _>(&text)
                            .sql("::text::numeric AS n) AS said"),
                    )
                    .get_result(&mut *conn.borrow_mut())
                    .unwrap();
                    prop_assert_eq!(text.parse::<$type>().is_ok(), kept, "{}", text);
                    Ok(())
                });
            }

            #[test]
            fn no_text_makes_it_panic_and_what_it_accepts_postgresql_reads_alike() {
                let db = Database::empty();
                let conn = RefCell::new(db.owner());
                check(1_000, anything(), |text| {
                    let Ok(value) = text.parse::<$type>() else {
                        return Ok(());
                    };
                    let cast = sql::<Numeric>("").bind::<Text, _>(&text).sql("::numeric(18, 10)");
                    let cast: BigDecimal =
                        diesel::select(cast).get_result(&mut *conn.borrow_mut()).unwrap();
                    prop_assert_eq!(BigDecimal::from(value), cast);
                    Ok(())
                });
            }

            #[test]
            fn an_eleventh_decimal_place_is_refused_unless_it_is_zero() {
                check(256, (units($least), 0..=9), |(units, last)| {
                    let text =
                        format!("{}.{:010}{last}", units / (100 * CENT), units % (100 * CENT));
                    match text.parse::<$type>() {
                        Ok(value) => {
                            prop_assert_eq!(
                                BigDecimal::from(value),
                                text.parse::<BigDecimal>().unwrap()
                            );
                        }
                        Err(error) => {
                            prop_assert!(last != 0, "{}", error);
                            prop_assert!(error.to_string().contains(TOO_FINE));
                        }
                    }
                    Ok(())
                });
            }

            #[test]
            fn values_compare_and_hash_as_their_units_do() {
                let value = |units| text(units).parse::<$type>().unwrap();
                check(256, (units($least), units($least)), |(a, b)| {
                    prop_assert_eq!(value(a).cmp(&value(b)), a.cmp(&b));
                    prop_assert_eq!(value(a) == value(b), a == b);
                    Ok(())
                });
                let spellings = ["10.5", "10.50", "10.5000", "010.5"];
                let values: HashSet<$type> =
                    spellings.iter().map(|spelling| spelling.parse().unwrap()).collect();
                assert_eq!(values.len(), 1);
            }

            #[test]
            fn decimals_of_any_size_are_judged_without_being_written_out() {
                let scales = [i64::MIN, i64::MIN + 1, i64::MIN / 2, i64::MAX / 2, i64::MAX];
                let long: BigInt = BigInt::from(10).pow(50_000) + 1;
                for digits in [1.into(), 10.into(), (-10).into(), i64::MAX.into(), long] {
                    for scale in scales {
                        let error =
                            $type::try_from(BigDecimal::new(digits.clone(), scale)).unwrap_err();
                        assert!(error.is_invalid_input(), "{error:?}");
                        assert!(error.to_string().chars().count() < 200, "{error}");
                    }
                }
                for (digits, scale, text) in [(1, -2, "100.00"), (105_000, 4, "10.50")] {
                    let value = $type::try_from(BigDecimal::new(digits.into(), scale)).unwrap();
                    assert_eq!(value.to_string(), text);
                }
            }

            #[test]
            fn in_json_it_is_text_and_never_a_float() {
                for json in ["10.5", "10", "null", "\"10.50000000001\"", "\"1e2\"", "\"NaN\"", "[]"]
                {
                    assert!(serde_json::from_str::<$type>(json).is_err(), "{json}");
                }
            }
        }
    };
}

promises!(prices, Price, 1);
promises!(commissions, Commission, 0);

const NOT_PLAIN: &str = "is not a plain decimal number such as 10.50";
const TOO_FINE: &str = "has more than ten decimal places";
const TOO_MUCH: &str = "is not less than 100000000";
const NOT_POSITIVE: &str = "must be more than 0";
const NEGATIVE: &str = "must be 0 or more";

#[test]
fn a_price_that_does_not_fit_is_refused_with_the_reason() {
    let long = "1".repeat(1_000);
    let long_fraction = format!("1.{}", "0".repeat(1_000));
    let cases = [
        ("10.00500000005", TOO_FINE),
        ("0.00000000001", TOO_FINE),
        ("99999999.99999999999", TOO_FINE),
        ("100000000", TOO_MUCH),
        ("100000000.00", TOO_MUCH),
        ("9223372036854775808", TOO_MUCH),
        ("0", NOT_POSITIVE),
        ("0.00", NOT_POSITIVE),
        ("-0", NOT_POSITIVE),
        ("-1", NOT_POSITIVE),
        ("-10.005", NOT_POSITIVE),
        ("NaN", NOT_PLAIN),
        ("nan", NOT_PLAIN),
        ("inf", NOT_PLAIN),
        ("Infinity", NOT_PLAIN),
        ("-Infinity", NOT_PLAIN),
        ("1e2", NOT_PLAIN),
        ("1E2", NOT_PLAIN),
        ("1e999999999", NOT_PLAIN),
        ("", NOT_PLAIN),
        (" ", NOT_PLAIN),
        (" 1", NOT_PLAIN),
        ("1 ", NOT_PLAIN),
        ("1\0", NOT_PLAIN),
        ("1_000", NOT_PLAIN),
        ("1,000", NOT_PLAIN),
        ("10,50", NOT_PLAIN),
        ("٣", NOT_PLAIN),
        ("0x10", NOT_PLAIN),
        ("+1", NOT_PLAIN),
        (".5", NOT_PLAIN),
        ("5.", NOT_PLAIN),
        (".", NOT_PLAIN),
        ("-", NOT_PLAIN),
        ("-.", NOT_PLAIN),
        ("--1", NOT_PLAIN),
        ("1.2.3", NOT_PLAIN),
        ("1.-2", NOT_PLAIN),
        (&long, NOT_PLAIN),
        (&long_fraction, NOT_PLAIN),
    ];
    for (text, why) in cases {
        let error = text.parse::<Price>().unwrap_err();
        assert!(error.is_invalid_input(), "{error:?}");
        assert!(error.to_string().starts_with("price \""), "{error}");
        assert!(error.to_string().contains(why), "{error}");
        assert!(error.to_string().chars().count() < 200, "{error}");
    }
}

#[test]
fn a_commission_may_be_nothing_but_not_less() {
    for text in ["0", "0.00", "-0", "-0.00", "000"] {
        assert_eq!(text.parse::<Commission>().unwrap(), Commission::default());
    }
    for (text, why) in [
        ("-0.01", NEGATIVE),
        ("-1", NEGATIVE),
        ("0.00000000005", TOO_FINE),
        ("100000000", TOO_MUCH),
        ("1e2", NOT_PLAIN),
    ] {
        let error = text.parse::<Commission>().unwrap_err();
        assert!(error.is_invalid_input(), "{error:?}");
        assert!(error.to_string().starts_with("commission \""), "{error}");
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[test]
fn an_amount_that_could_not_be_read_is_not_stored_by_any_client() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let ada = trader(&blotter, "Ada");
    let limit = NewOrder::limit(ada.id, Side::Buy, "AAPL", 1, "1.00".parse().unwrap());
    submit(&blotter, &limit).unwrap();
    // Wide enough for a price that the range refuses.
    let wide = Widening { prices: Some(4), ..Widening::default() };
    widths::widen(&mut db.owner(), wide).unwrap();
    let client = &mut db.admin();
    for column in ["price", "stop_loss", "take_profit", "limit_price"] {
        for value in ["'NaN'", "0", "-1", "100000000"] {
            let (named, values) = match column {
                "price" => ("price".to_owned(), value.to_owned()),
                _ => (format!("price, {column}"), format!("1, {value}")),
            };
            let insert = format!(
                "INSERT INTO orders (trader_id, symbol, quantity, order_type, {named})
                 VALUES ('{}', 'AAPL', 1, 'STOP', {values})",
                ada.id
            );
            let refused = Error::from(client.batch_execute(&insert).unwrap_err());
            let rule = if value == "100000000" { "money_in_range" } else { column };
            assert!(refused.constraint().unwrap().contains(rule), "{insert}: {refused}");
        }
    }
    for (price, commission, rebate, rule) in [
        ("'NaN'", "0", "0", "ck_fills_price_not_nan"),
        ("1", "'NaN'", "0", "ck_fills_commission_not_nan"),
        ("1", "0", "'NaN'", "ck_fills_rebate_nonnegative"),
        ("1", "0", "-0.01", "ck_fills_rebate_nonnegative"),
    ] {
        let insert = format!(
            "INSERT INTO fills (order_id, quantity_filled, price_at_fill, venue, commission, rebate)
             SELECT id, 1, {price}, 'NYSE', {commission}, {rebate} FROM orders"
        );
        let refused = Error::from(client.batch_execute(&insert).unwrap_err());
        assert_eq!(refused.constraint(), Some(rule), "{insert}: {refused}");
    }
}

#[test]
fn a_stored_value_that_is_no_price_is_an_error_and_no_panic() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let ada = trader(&blotter, "Ada");
    let order = submit(&blotter, &NewOrder::market(ada.id, Side::Buy, "AAPL", 1)).unwrap();
    let session = blotter.trader(ada.id).unwrap();
    let client = &mut db.unguarded();
    for stored in ["'NaN'", "0", "-1"] {
        let set = format!("UPDATE orders SET stop_loss = {stored}");
        client.batch_execute(&set).unwrap();
        let error = session.transaction(|tx| tx.orders().get(order.id)).unwrap_err();
        assert!(!error.is_not_found(), "{error:?}");
    }
}
