//! The report as Apache Parquet: one column for each field, of the field's type.

use std::io::{self, Write};
use std::sync::Arc;

use bigdecimal::{BigDecimal, ToPrimitive};
use chrono::{DateTime, NaiveDate, Utc};
use parquet::basic::Compression;
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, FixedLenByteArray, FixedLenByteArrayType,
    Int32Type, Int64Type,
};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::parser::parse_message_type;

use super::row::ReportRow;

/// Rows of a row group, which are kept in memory until they are written together. So is the description of each group,
/// until the end of the file: fewer rows would need more memory for long reports.
const GROUP_ROWS: usize = 16_000;

/// Decimal places of a decimal column: as many as the store keeps at most, and as an average price has.
const SCALE: i64 = 10;

/// A column by its type: its name, and a function that returns its value in a row.
enum Column {
    Text(&'static str, fn(&ReportRow) -> Option<String>),
    Integer(&'static str, fn(&ReportRow) -> Option<i32>),
    Long(&'static str, fn(&ReportRow) -> Option<i64>),
    Boolean(&'static str, fn(&ReportRow) -> Option<bool>),
    Day(&'static str, fn(&ReportRow) -> Option<NaiveDate>),
    Time(&'static str, fn(&ReportRow) -> Option<DateTime<Utc>>),
    Decimal(&'static str, fn(&ReportRow) -> Option<BigDecimal>),
}

use Column::{Boolean, Day, Decimal, Integer, Long, Text, Time};

/// The columns in the order of [`ReportRow::FIELDS`].
const COLUMNS: [Column; ReportRow::FIELDS.len()] = [
    Long("sequence", |row| Some(row.sequence)),
    Text("entry_id", |row| Some(row.entry_id.to_string())),
    Long("seal_id", |row| row.seal_id),
    Text("order_id", |row| Some(row.order_id.to_string())),
    Text("client_order_id", |row| row.client_order_id.clone()),
    Day("trading_day", |row| row.trading_day),
    Text("venue_order_id", |row| row.venue_order_id.clone()),
    Text("replaces", |row| text(row.replaces)),
    Text("root_id", |row| Some(row.root_id.to_string())),
    Text("trader_id", |row| Some(row.trader_id.to_string())),
    Text("trader_name", |row| Some(row.trader_name.clone())),
    Text("account", |row| row.account.clone()),
    Text("symbol", |row| Some(row.symbol.clone())),
    Text("side", |row| text(row.side)),
    Text("order_type", |row| Some(row.order_type.to_string())),
    Text("time_in_force", |row| text(row.time_in_force)),
    Integer("quantity", |row| Some(row.quantity)),
    Decimal("price", |row| row.price.map(Into::into)),
    Decimal("limit_price", |row| row.limit_price.map(Into::into)),
    Decimal("stop_loss", |row| row.stop_loss.map(Into::into)),
    Decimal("take_profit", |row| row.take_profit.map(Into::into)),
    Text("currency", |row| row.currency.clone()),
    Time("received_at", |row| row.received_at),
    Time("expires_at", |row| row.expires_at),
    Text("instructions", |row| text(row.instructions.as_ref())),
    Text("action", |row| Some(row.action.to_string())),
    Text("status_before", |row| text(row.status_before)),
    Text("status_after", |row| text(row.status_after)),
    Time("event_time", |row| row.event_time),
    Time("record_time", |row| Some(row.record_time)),
    Text("acted_by", |row| Some(row.acted_by.clone())),
    Text("acted_as", |row| Some(row.acted_as.clone())),
    Text("reason", |row| row.reason.clone()),
    Text("error_code", |row| row.error_code.clone()),
    Integer("retry_attempt", |row| row.retry_attempt),
    Text("report_id", |row| text(row.report_id)),
    Text("fill_id", |row| text(row.fill_id)),
    Integer("fill_quantity", |row| row.fill_quantity),
    Decimal("fill_price", |row| row.fill_price.map(Into::into)),
    Text("fill_venue", |row| row.fill_venue.clone()),
    Text("fill_source", |row| row.fill_source.clone()),
    Decimal("fill_commission", |row| row.fill_commission.map(Into::into)),
    Decimal("fill_rebate", |row| row.fill_rebate.map(Into::into)),
    Text("execution_id", |row| row.execution_id.clone()),
    Text("amends", |row| text(row.amends)),
    Text("amended_execution_id", |row| row.amended_execution_id.clone()),
    Boolean("is_bust", |row| row.is_bust),
    Text("break_id", |row| text(row.break_id)),
    Text("break_reason", |row| text(row.break_reason)),
    Long("cumulative_quantity", |row| Some(row.cumulative_quantity)),
    Decimal("cumulative_notional", |row| Some(row.cumulative_notional.clone())),
    Decimal("cumulative_commission", |row| Some(row.cumulative_commission.clone())),
    Decimal("cumulative_rebate", |row| Some(row.cumulative_rebate.clone())),
    Decimal("average_price", |row| row.average_price.clone()),
    Boolean("average_is_exact", |row| row.average_is_exact),
];

fn text(value: Option<impl ToString>) -> Option<String> {
    value.map(|value| value.to_string())
}

impl Column {
    /// Returns the declaration of the column in the schema of the file.
    fn declaration(&self) -> String {
        match self {
            Text(name, _) => format!("optional binary {name} (STRING);"),
            Integer(name, _) => format!("optional int32 {name};"),
            Long(name, _) => format!("optional int64 {name};"),
            Boolean(name, _) => format!("optional boolean {name};"),
            Day(name, _) => format!("optional int32 {name} (DATE);"),
            Time(name, _) => format!("optional int64 {name} (TIMESTAMP(MICROS, true));"),
            Decimal(name, _) => {
                format!("optional fixed_len_byte_array(16) {name} (DECIMAL(38, {SCALE}));")
            }
        }
    }

    fn write(&self, rows: &[ReportRow], to: &mut SerializedColumnWriter<'_>) -> io::Result<()> {
        match self {
            Text(_, of) => write_values::<ByteArrayType>(rows, to, |row| {
                Ok(of(row).map(|text| text.into_bytes().into()))
            }),
            Integer(_, of) => write_values::<Int32Type>(rows, to, |row| Ok(of(row))),
            Long(_, of) => write_values::<Int64Type>(rows, to, |row| Ok(of(row))),
            Boolean(_, of) => write_values::<BoolType>(rows, to, |row| Ok(of(row))),
            Day(_, of) => {
                write_values::<Int32Type>(
                    rows,
                    to,
                    |row| Ok(of(row).map(|day| day.to_epoch_days())),
                )
            }
            Time(_, of) => write_values::<Int64Type>(rows, to, |row| {
                Ok(of(row).map(|at| at.timestamp_micros()))
            }),
            Decimal(name, of) => write_values::<FixedLenByteArrayType>(rows, to, |row| {
                of(row).map(|value| unscaled(&value, name, row)).transpose()
            }),
        }
    }
}

/// Converts a decimal to its unscaled value at [`SCALE`], in 16 bytes; refuses to round.
fn unscaled(value: &BigDecimal, name: &str, row: &ReportRow) -> io::Result<FixedLenByteArray> {
    let whole = value.with_scale(SCALE);
    let unscaled = whole.as_bigint_and_exponent().0.to_i128().filter(|_| whole == *value);
    let unscaled = unscaled.ok_or_else(|| {
        io::Error::other(format!(
            "{name} of entry {} is {}, which does not fit into {SCALE} decimal places and 38 digits; \
             write the report as CSV",
            row.sequence,
            value.to_plain_string()
        ))
    })?;
    Ok(ByteArray::from(unscaled.to_be_bytes().to_vec()).into())
}

/// Writes one column of a row group; rows without a value become null.
fn write_values<T: DataType>(
    rows: &[ReportRow],
    to: &mut SerializedColumnWriter<'_>,
    of: impl Fn(&ReportRow) -> io::Result<Option<T::T>>,
) -> io::Result<()> {
    let all = rows.iter().map(of).collect::<io::Result<Vec<Option<T::T>>>>()?;
    let levels: Vec<i16> = all.iter().map(|value| value.is_some().into()).collect();
    let values: Vec<T::T> = all.into_iter().flatten().collect();
    to.typed::<T>().write_batch(&values, Some(&levels), None)?;
    Ok(())
}

/// Writer of a report as Parquet.
pub(super) struct ParquetWriter<W: Write + Send> {
    file: SerializedFileWriter<W>,
    group: Vec<ReportRow>,
}

impl<W: Write + Send> ParquetWriter<W> {
    pub fn new(out: W) -> io::Result<Self> {
        let columns: String = COLUMNS.iter().map(Column::declaration).collect();
        let schema = parse_message_type(&format!("message report {{ {columns} }}"))?;
        // Indexes of pages, within the groups, would double what is kept until the end.
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_offset_index_disabled(true)
            .build();
        let file = SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties))?;
        Ok(Self { file, group: Vec::with_capacity(GROUP_ROWS) })
    }

    pub fn add(&mut self, row: ReportRow) -> io::Result<()> {
        self.group.push(row);
        if self.group.len() == GROUP_ROWS { self.write_group() } else { Ok(()) }
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
