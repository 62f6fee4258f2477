//! Parquet: the same rows as the other formats, in typed columns.

use parquet::data_type::{AsBytes, Decimal};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use tradeblotter::report::{Format, Report, ReportRow};
use tradeblotter::{Error, Filter};

use super::order_with_every_term;
use tradeblotter_test_support::Database;
use tradeblotter_test_support::trading_day;

/// A field as the CSV has it.
fn told(field: &Field) -> String {
    match field {
        Field::Null => String::new(),
        Field::Bool(value) => value.to_string(),
        Field::Int(value) => value.to_string(),
        Field::Long(value) => value.to_string(),
        Field::Str(value) => value.clone(),
        Field::Date(days) => chrono::NaiveDate::from_epoch_days(*days).unwrap().to_string(),
        Field::TimestampMicros(micros) => {
            chrono::DateTime::from_timestamp_micros(*micros).unwrap().to_rfc3339()
        }
        Field::Decimal(value @ Decimal::Bytes { .. }) => {
            let bytes: [u8; 16] = value.data().as_bytes().try_into().unwrap();
            let unscaled = i128::from_be_bytes(bytes).into();
            bigdecimal::BigDecimal::new(unscaled, value.scale().into())
                .normalized()
                .to_plain_string()
        }
        other => panic!("{other:?}"),
    }
}

/// A field of the CSV, with times and decimals in a canonical notation.
fn plain(name: &str, text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    match name {
        "event_time" | "record_time" | "received_at" | "expires_at" => {
            chrono::DateTime::parse_from_rfc3339(text).unwrap().to_utc().to_rfc3339()
        }
        "price"
        | "limit_price"
        | "stop_loss"
        | "take_profit"
        | "fill_price"
        | "fill_commission"
        | "fill_rebate"
        | "cumulative_notional"
        | "cumulative_commission"
        | "cumulative_rebate"
        | "average_price" => {
            text.parse::<bigdecimal::BigDecimal>().unwrap().normalized().to_plain_string()
        }
        _ => text.to_owned(),
    }
}

/// Asserts that Parquet and CSV of one snapshot have the same values; returns the number of rows.
fn agree(db: &Database) -> usize {
    let session = db.blotter().compliance();
    let (csv, table) = session
        .safe_snapshot(|tx| {
            let (mut csv, mut table) = (Vec::new(), Vec::new());
            let filter = Filter::default();
            Report { filter, format: Format::Csv, public_keys: &[] }.write_to(
                tx,
                &mut csv,
                |_, _| (),
            )?;
            Report { filter, format: Format::Parquet, public_keys: &[] }.write_to(
                tx,
                &mut table,
                |_, _| (),
            )?;
            Ok::<_, Error>((csv, table))
        })
        .unwrap();
    let file = SerializedFileReader::new(bytes::Bytes::from(table)).unwrap();
    let mut rows = file.get_row_iter(None).unwrap();
    let mut count = 0;
    for record in csv::Reader::from_reader(csv.as_slice()).records() {
        let (record, row) = (record.unwrap(), rows.next().unwrap().unwrap());
        let fields: Vec<_> = row.get_column_iter().collect();
        assert_eq!(fields.len(), ReportRow::FIELDS.len());
        for ((head, text), (name, field)) in ReportRow::FIELDS.iter().zip(&record).zip(fields) {
            assert_eq!(name, head);
            assert_eq!(told(field), plain(head, text), "{head} of {record:?}");
        }
        count += 1;
    }
    assert!(rows.next().is_none());
    count
}

#[test]
fn parquet_and_csv_of_one_snapshot_say_the_same() {
    let db = trading_day();
    assert_eq!(agree(&db), db.contents().log.len());
    assert_eq!(agree(&order_with_every_term().0), 2);
}

#[test]
fn parquet_of_nothing_is_a_table_without_rows() {
    assert_eq!(agree(&Database::migrated()), 0);
}
