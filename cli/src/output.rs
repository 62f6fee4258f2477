//! Prints rows as a table, CSV or JSON.

use std::fmt::Display;
use std::io::Write;

use bigdecimal::BigDecimal;
use chrono::{DateTime, Utc};
use clap::ValueEnum;
use comfy_table::{CellAlignment, Color, LineStyle, Table, TableStyle};
use serde::{Serialize, Serializer};
use serde_json::Value;
use tradeblotter::report::write_csv_record;
use tradeblotter::{ExecutionLog, Fill, Login, Order, OrderStatus, Side};
use uuid::Uuid;

use crate::failure::Failure;
use crate::terminal::{self, Output, eprintln, visible};

/// A line under the headings and no other, so that tables are easy to copy.
const STYLE: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// Characters of a long text with [`Detail::Brief`].
const BRIEF: usize = 50;

/// How a listing is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Aligned columns, for people
    Table,
    /// Comma-separated values with a header line, safe to open in a spreadsheet (see docs/report.md)
    Csv,
    /// A JSON array of objects
    Json,
}

/// How a table shows ids and long texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// In full, to be copied.
    Full,
    /// The last six digits of an id and the beginning of a text, to be looked at.
    Brief,
}

/// A cell of a table: text with its style.
pub struct Cell {
    text: String,
    /// Whether it is aligned to the right, as numbers are.
    is_number: bool,
    color: Option<Color>,
}

impl Cell {
    /// Returns a cell with this text, aligned to the left.
    pub fn new(text: impl Display) -> Self {
        Self { text: text.to_string(), is_number: false, color: None }
    }
}

// The one place through which text gets into a table.
impl From<Cell> for comfy_table::Cell {
    fn from(Cell { text, is_number, color }: Cell) -> Self {
        let mut cell = Self::new(visible(&text));
        if is_number {
            cell = cell.set_alignment(CellAlignment::Right);
        }
        match color {
            Some(color) => cell.fg(color),
            None => cell,
        }
    }
}

/// A row that can be printed.
pub trait Row: Serialize {
    /// The headings of the table.
    const HEADINGS: &'static [&'static str];

    /// The names of the fields, in the order in which `Serialize` writes them: the header line of CSV.
    const FIELDS: &'static [&'static str];

    /// The cells under the headings.
    fn cells(&self, detail: Detail) -> Vec<Cell>;
}

impl Row for Order {
    const HEADINGS: &'static [&'static str] = &[
        "order",
        "trader",
        "submitted",
        "side",
        "symbol",
        "type",
        "quantity",
        "price",
        "status",
        "filled",
        "average price",
    ];

    const FIELDS: &'static [&'static str] = &[
        "id",
        "trader_id",
        "symbol",
        "quantity",
        "order_type",
        "price",
        "stop_loss",
        "take_profit",
        "status",
        "filled_quantity",
        "average_fill_price",
        "created_at",
        "updated_at",
        "expires_at",
        "filled_notional",
        "side",
        "client_order_id",
        "venue_order_id",
        "replaces",
        "root_id",
        "break_count",
        "trading_day",
        "account",
        "time_in_force",
        "limit_price",
        "currency",
        "received_at",
        "instructions",
    ];

    fn cells(&self, detail: Detail) -> Vec<Cell> {
        vec![
            id(self.id, detail),
            id(self.trader_id, detail),
            time(self.created_at),
            text(self.side.map_or("", Side::label)),
            text(&self.symbol),
            text(self.order_type.label()),
            number(self.quantity),
            optional(self.price),
            status(Some(self.status)),
            number(self.filled_quantity),
            optional(self.average_fill_price),
        ]
    }
}

impl Row for Fill {
    const HEADINGS: &'static [&'static str] = &[
        "fill",
        "order",
        "occurred",
        "quantity",
        "price",
        "venue",
        "commission",
        "execution id",
        "amends",
    ];

    const FIELDS: &'static [&'static str] = &[
        "id",
        "order_id",
        "trader_id",
        "timestamp",
        "quantity_filled",
        "price_at_fill",
        "venue",
        "commission",
        "created_at",
        "execution_id",
        "amends",
        "is_bust",
        "break_id",
        "root_id",
        "source",
        "rebate",
    ];

    fn cells(&self, detail: Detail) -> Vec<Cell> {
        vec![
            id(self.id, detail),
            id(self.order_id, detail),
            time(self.timestamp),
            number(self.quantity_filled),
            number(self.price_at_fill),
            text(&self.venue),
            number(self.commission),
            text(self.execution_id.as_deref().unwrap_or_default()),
            match (self.amends, self.is_bust) {
                (None, _) => Cell::new(""),
                (Some(amended), true) => Cell::new(format!("busts {}", shown(amended, detail))),
                (Some(amended), false) => Cell::new(format!("corrects {}", shown(amended, detail))),
            },
        ]
    }
}

impl Row for ExecutionLog {
    const HEADINGS: &'static [&'static str] =
        &["time", "order", "trader", "action", "status", "retry", "error code", "reason"];

    const FIELDS: &'static [&'static str] = &[
        "id",
        "order_id",
        "trader_id",
        "action",
        "status",
        "timestamp",
        "reason",
        "retry_attempt",
        "error_code",
        "created_at",
        "sequence",
        "fill_id",
        "venue_order_id",
        "acted_by",
        "acted_as",
        "break_id",
        "reported_at",
        "report_id",
    ];

    fn cells(&self, detail: Detail) -> Vec<Cell> {
        vec![
            time(self.timestamp),
            id(self.order_id, detail),
            id(self.trader_id, detail),
            text(self.action.label()),
            status(self.status),
            optional(self.retry_attempt),
            text(self.error_code.as_deref().unwrap_or_default()),
            long_text(self.reason.as_deref().unwrap_or_default(), detail),
        ]
    }
}

/// Shows an id.
pub fn id(id: Uuid, detail: Detail) -> Cell {
    Cell::new(shown(id, detail))
}

fn shown(id: Uuid, detail: Detail) -> String {
    let whole = id.to_string();
    match detail {
        Detail::Full => whole,
        Detail::Brief => whole[whole.len() - 6..].to_owned(),
    }
}

/// Shows a time in UTC, to the millisecond.
pub fn time(at: DateTime<Utc>) -> Cell {
    Cell::new(at.format("%Y-%m-%d %H:%M:%S%.3f"))
}

/// Shows a number, aligned to the right.
pub fn number(value: impl Display) -> Cell {
    Cell { is_number: true, ..Cell::new(value) }
}

fn optional(value: Option<impl Display>) -> Cell {
    value.map_or_else(|| Cell::new(""), number)
}

/// Shows text.
pub fn text(value: &str) -> Cell {
    Cell::new(value)
}

/// Shows text; with [`Detail::Brief`] only its beginning.
pub fn long_text(value: &str, detail: Detail) -> Cell {
    match (detail, value.char_indices().nth(BRIEF)) {
        (Detail::Brief, Some((end, _))) => text(&format!("{}…", &value[..end])),
        _ => text(value),
    }
}

fn status(status: Option<OrderStatus>) -> Cell {
    let Some(status) = status else {
        return Cell::new("");
    };
    let color = match status {
        OrderStatus::Pending => Color::Cyan,
        OrderStatus::Partial => Color::Yellow,
        OrderStatus::Filled => Color::Green,
        OrderStatus::Rejected => Color::Red,
        OrderStatus::Cancelled => Color::DarkGrey,
    };
    Cell { color: Some(color), ..Cell::new(status.label()) }
}

/// Serializes a decimal as digits and a point, without an exponent.
pub fn plain<S: Serializer>(value: &BigDecimal, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&value.to_plain_string())
}

/// Prints to standard error why a backend should not use this login.
pub fn warn_about(login: &Login) {
    for warning in login.warnings() {
        eprintln!("warning: {warning}");
    }
}

/// Prints rows as a table, coloured only if the output is a terminal.
pub fn table<R: Row>(out: &mut Output, rows: &[R], detail: Detail) -> Result<(), Failure> {
    let mut table = Table::new();
    table.load_style(STYLE).set_header(R::HEADINGS);
    for row in rows {
        table.add_row(row.cells(detail));
    }
    match terminal::has_styles() {
        false => table.force_no_tty(),
        true => table.enforce_styling(),
    };
    Ok(out.write_styled(format_args!("{}\n", table.trim_fmt()))?)
}

/// Prints rows in this format.
pub fn rows<R: Row>(out: &mut Output, rows: &[R], format: Format) -> Result<(), Failure> {
    match format {
        Format::Table => table(out, rows, Detail::Full),
        Format::Csv => csv(out, rows, Header::Written),
        Format::Json => {
            serde_json::to_writer_pretty(out.data(), rows).map_err(std::io::Error::from)?;
            Ok(writeln!(out)?)
        }
    }
}

/// Prints further rows of a listing: no headings, flushed at once.
pub fn more<R: Row>(out: &mut Output, rows: &[R], format: Format) -> Result<(), Failure> {
    match format {
        Format::Table => {
            for row in rows {
                let cells: Vec<_> =
                    row.cells(Detail::Full).into_iter().map(|cell| cell.text).collect();
                writeln!(out, " {}", cells.join("   ").trim_end())?;
            }
        }
        Format::Csv => csv(out, rows, Header::Omitted)?,
        Format::Json => {
            for row in rows {
                serde_json::to_writer(out.data(), row).map_err(std::io::Error::from)?;
                writeln!(out)?;
            }
        }
    }
    Ok(out.flush()?)
}

/// Returns a number with its noun, in the singular or plural.
pub fn counted<N: Display + PartialEq + From<u8>>(count: N, one: &str, many: &str) -> String {
    let noun = if count == N::from(1) { one } else { many };
    format!("{count} {noun}")
}

/// Whether CSV begins with a header line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Header {
    Written,
    Omitted,
}

fn csv<R: Row>(out: &mut Output, rows: &[R], header: Header) -> Result<(), Failure> {
    if header == Header::Written {
        csv_record(out, R::FIELDS)?;
    }
    for row in rows {
        // By way of JSON, because a CSV writer cannot serialize the instructions of an order, which are a map.
        let row = serde_json::to_value(row).map_err(std::io::Error::from)?;
        let fields = R::FIELDS.iter().map(|field| match &row[*field] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        });
        csv_record(out, fields)?;
    }
    Ok(())
}

// Lists are opened in spreadsheets too, so they have the escapes of reports.
fn csv_record(
    out: &mut Output,
    fields: impl IntoIterator<Item: AsRef<str>>,
) -> Result<(), Failure> {
    let mut record = Vec::new();
    write_csv_record(fields, &mut record)?;
    Ok(out.write_record(&record)?)
}
