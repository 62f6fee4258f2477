//! The report as Apache Parquet: a column to each field, of the type that it has.

use std::io::{self, Write};
use std::sync::Arc;

use bigdecimal::{BigDecimal, ToPrimitive};
use chrono::{DateTime, Utc};
use parquet::basic::Compression;
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, FixedLenByteArray, FixedLenByteArrayType,
    Int32Type, Int64Type,
};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::parser::parse_message_type;

use super::row::Row;

/// Rows that are kept in memory, and written together.
const GROUP: usize = 10_000;

/// Decimal places of money: as many as the store keeps at most, and an average is given to.
const SCALE: i64 = 10;

/// A field: its name and its value in a row, which may have none.
enum Column {
    Text(&'static str, fn(&Row) -> Option<String>),
    Integer(&'static str, fn(&Row) -> Option<i32>),
    Long(&'static str, fn(&Row) -> Option<i64>),
    Flag(&'static str, fn(&Row) -> Option<bool>),
    Moment(&'static str, fn(&Row) -> Option<DateTime<Utc>>),
    Money(&'static str, fn(&Row) -> Option<BigDecimal>),
}

use Column::{Flag, Integer, Long, Moment, Money, Text};

/// The fields in the order of [`Row::FIELDS`].
const COLUMNS: [Column; Row::FIELDS.len()] = [
    Long("sequence", |row| Some(row.sequence)),
    Text("entry_id", |row| Some(row.entry_id.to_string())),
    Long("seal_id", |row| row.seal_id),
    Text("order_id", |row| Some(row.order_id.to_string())),
    Text("client_order_id", |row| row.client_order_id.clone()),
    Text("venue_order_id", |row| row.venue_order_id.clone()),
    Text("replaces", |row| text(row.replaces)),
    Text("trader_id", |row| Some(row.trader_id.to_string())),
    Text("trader_name", |row| Some(row.trader_name.clone())),
    Text("symbol", |row| Some(row.symbol.clone())),
    Text("side", |row| text(row.side)),
    Text("order_type", |row| Some(row.order_type.to_string())),
    Integer("quantity", |row| Some(row.quantity)),
    Money("price", |row| row.price.map(Into::into)),
    Money("stop_loss", |row| row.stop_loss.map(Into::into)),
    Money("take_profit", |row| row.take_profit.map(Into::into)),
    Moment("expires_at", |row| row.expires_at),
    Text("action", |row| Some(row.action.to_string())),
    Text("status_before", |row| text(row.status_before)),
    Text("status_after", |row| text(row.status_after)),
    Moment("event_time", |row| row.event_time),
    Moment("record_time", |row| Some(row.record_time)),
    Text("acted_by", |row| row.acted_by.clone()),
    Text("acted_as", |row| row.acted_as.clone()),
    Text("reason", |row| row.reason.clone()),
    Text("error_code", |row| row.error_code.clone()),
    Integer("retry_attempt", |row| row.retry_attempt),
    Text("fill_id", |row| text(row.fill_id)),
    Integer("fill_quantity", |row| row.fill_quantity),
    Money("fill_price", |row| row.fill_price.map(Into::into)),
    Text("fill_venue", |row| row.fill_venue.clone()),
    Money("fill_commission", |row| row.fill_commission.map(Into::into)),
    Text("execution_id", |row| row.execution_id.clone()),
    Text("amends", |row| text(row.amends)),
    Text("amended_execution_id", |row| row.amended_execution_id.clone()),
    Flag("is_bust", |row| row.is_bust),
    Text("break_id", |row| text(row.break_id)),
    Text("break_reason", |row| text(row.break_reason)),
    Long("cumulative_quantity", |row| Some(row.cumulative_quantity)),
    Money("cumulative_notional", |row| Some(row.cumulative_notional.clone())),
    Money("cumulative_commission", |row| Some(row.cumulative_commission.clone())),
    Money("average_price", |row| row.average_price.clone()),
    Flag("average_is_exact", |row| row.average_is_exact),
];

fn text(value: Option<impl ToString>) -> Option<String> {
    value.map(|value| value.to_string())
}

impl Column {
    /// What the schema of a file says of it.
    fn declared(&self) -> String {
        match self {
            Text(name, _) => format!("optional binary {name} (STRING);"),
            Integer(name, _) => format!("optional int32 {name};"),
            Long(name, _) => format!("optional int64 {name};"),
            Flag(name, _) => format!("optional boolean {name};"),
            Moment(name, _) => format!("optional int64 {name} (TIMESTAMP(MICROS, true));"),
            Money(name, _) => {
                format!("optional fixed_len_byte_array(16) {name} (DECIMAL(38, {SCALE}));")
            }
        }
    }

    fn write(&self, rows: &[Row], to: &mut SerializedColumnWriter<'_>) -> io::Result<()> {
        match self {
            Text(_, of) => put::<ByteArrayType>(rows, to, |row| {
                Ok(of(row).map(|text| text.into_bytes().into()))
            }),
            Integer(_, of) => put::<Int32Type>(rows, to, |row| Ok(of(row))),
            Long(_, of) => put::<Int64Type>(rows, to, |row| Ok(of(row))),
            Flag(_, of) => put::<BoolType>(rows, to, |row| Ok(of(row))),
            Moment(_, of) => {
                put::<Int64Type>(rows, to, |row| Ok(of(row).map(|at| at.timestamp_micros())))
            }
            Money(name, of) => put::<FixedLenByteArrayType>(rows, to, |row| {
                of(row).map(|value| unscaled(&value, name, row)).transpose()
            }),
        }
    }
}

/// The value in the smallest unit of its column, in sixteen bytes.
fn unscaled(value: &BigDecimal, name: &str, row: &Row) -> io::Result<FixedLenByteArray> {
    let whole = value.with_scale(SCALE);
    let unscaled = whole.as_bigint_and_exponent().0.to_i128().filter(|_| whole == *value);
    let unscaled = unscaled.ok_or_else(|| {
        io::Error::other(format!(
            "{name} of entry {} is {}, which {SCALE} decimal places and 38 digits do not hold; write it \
             as CSV",
            row.sequence,
            value.to_plain_string()
        ))
    })?;
    Ok(ByteArray::from(unscaled.to_be_bytes().to_vec()).into())
}

/// Writes a column of rows, of which some have no value.
fn put<T: DataType>(
    rows: &[Row],
    to: &mut SerializedColumnWriter<'_>,
    of: impl Fn(&Row) -> io::Result<Option<T::T>>,
) -> io::Result<()> {
    let all = rows.iter().map(of).collect::<io::Result<Vec<Option<T::T>>>>()?;
    let levels: Vec<i16> = all.iter().map(|value| value.is_some().into()).collect();
    let values: Vec<T::T> = all.into_iter().flatten().collect();
    to.typed::<T>().write_batch(&values, Some(&levels), None)?;
    Ok(())
}

/// A table that is being written.
pub(super) struct Table<W: Write + Send> {
    file: SerializedFileWriter<W>,
    group: Vec<Row>,
}

impl<W: Write + Send> Table<W> {
    pub fn new(out: W) -> io::Result<Self> {
        let columns: String = COLUMNS.iter().map(Column::declared).collect();
        let schema = parse_message_type(&format!("message report {{ {columns} }}"))?;
        let snappy = WriterProperties::builder().set_compression(Compression::SNAPPY);
        let file = SerializedFileWriter::new(out, Arc::new(schema), Arc::new(snappy.build()))?;
        Ok(Self { file, group: Vec::with_capacity(GROUP) })
    }

    pub fn add(&mut self, row: Row) -> io::Result<()> {
        self.group.push(row);
        if self.group.len() == GROUP { self.write_group() } else { Ok(()) }
    }

    pub fn finish(mut self) -> io::Result<()> {
        if !self.group.is_empty() {
            self.write_group()?;
        }
        self.file.close()?;
        Ok(())
    }

    fn write_group(&mut self) -> io::Result<()> {
        let mut group = self.file.next_row_group()?;
        for column in &COLUMNS {
            if let Some(mut writer) = group.next_column()? {
                column.write(&self.group, &mut writer)?;
                writer.close()?;
            }
        }
        group.close()?;
        self.group.clear();
        Ok(())
    }
}
