//! `blotter breaks`: lists and resolves reports that could not be applied.

use std::io::Write;

use bigdecimal::{BigDecimal, Zero};
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use serde::Serialize;
use tradeblotter::ingest::{Options, Writer};
use tradeblotter::{
    BreakHistory, BreakReason, BreakResolution, Error, Listing, NewBreakResolution, Resolution,
};
use uuid::Uuid;

use crate::database::Database;
use crate::failure::Failure;
use crate::feed_options::FeedOptions;
use crate::list_options::ListOptions;
use crate::output::{self, Cell, Detail, Row};
use crate::terminal::Output;
use crate::{arguments, traders};

#[derive(Subcommand)]
pub enum Breaks {
    /// List breaks, newest first
    ///
    /// Lists the breaks that nobody has resolved, unless --all is given. --symbol and --status refer to the
    /// order that the break names.
    #[command(after_long_help = "\
Example:
  blotter breaks list --from 2026-11-24 --format csv")]
    List(List),
    /// Resolve a break: book it as a fill of its order, or dismiss it
    ///
    /// A fill that was executed before its order was cancelled or rejected is booked with the action
    /// RECOVERED: the filled quantity rises, the status stays. The order's log records the resolution with
    /// its reason. A resolution is final. Needs a login that is a member of blotter_engine.
    #[command(after_long_help = "\
Examples:
  blotter breaks resolve UUID --book --reason 'confirmed by the broker'
  blotter breaks resolve UUID --dismiss --reason 'busted by telephone'")]
    Resolve(Resolve),
    /// Apply the open breaks that lack nothing any more
    ///
    /// Reads the reports of all open breaks again, with the options given here, and resolves those that can
    /// be applied by now, with a reason that begins with `applied`: their order or their fill is stored,
    /// the columns are wide enough, the totals agree again, the trader or the encoding is known. `blotter
    /// ingest` does the same for the traders of its input. Give --source if the options hold for one source
    /// only. An execution without an execution id whose message was not UTF-8 is not read again: ingest the
    /// input with --encoding, and dismiss the break. Fills beyond the quantity of their order, fills of ended orders that the venue does
    /// not count, and executions that contradict a stored one wait for `blotter breaks resolve`. Needs a
    /// login that is a member of blotter_engine.
    #[command(after_long_help = "\
Examples:
  blotter breaks retry
  blotter breaks retry --source BROKER --symbol-map symbols.csv
  blotter breaks retry --source BROKER --trader Ada --encoding windows-1251")]
    Retry(Retry),
}

#[derive(Args)]
pub struct Retry {
    /// Try the breaks of this source only, as `blotter breaks list` shows it in CSV [default: all sources]
    ///
    /// It is the name that --source, or else --venue, had when the reports were ingested.
    #[arg(long, value_name = "NAME", value_parser = arguments::venue)]
    source: Option<String>,
    /// Try the breaks of this registered trader only (name or id), and take those without a trader for this trader's
    #[arg(long, value_name = "TRADER", conflicts_with = "trader_from")]
    trader: Option<String>,
    #[command(flatten)]
    feed: FeedOptions,
}

#[derive(Args)]
pub struct List {
    #[command(flatten)]
    options: ListOptions,
    /// Include resolved breaks
    #[arg(long)]
    all: bool,
}

#[derive(Args)]
pub struct Resolve {
    /// Break to resolve (id), as `blotter breaks list` prints it
    #[arg(value_name = "BREAK")]
    id: Uuid,
    #[command(flatten)]
    how: How,
    /// Order to book the fill to (id) [default: the order that the break names]
    #[arg(long, value_name = "UUID", conflicts_with = "dismiss")]
    order: Option<Uuid>,
    /// Why, in words; recorded in the order's log
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct How {
    /// Book the execution: it happened
    #[arg(long)]
    book: bool,
    /// Leave the execution unbooked: it did not happen, or is booked otherwise
    #[arg(long)]
    dismiss: bool,
}

impl Breaks {
    pub fn run(&self, database: &Database, out: &mut Output) -> Result<(), Failure> {
        match self {
            Self::List(list) => list.run(database, out),
            Self::Resolve(resolve) => resolve.run(database, out),
            Self::Retry(retry) => retry.run(database, out),
        }
    }
}

impl List {
    fn run(&self, database: &Database, out: &mut Output) -> Result<(), Failure> {
        let filter = self.options.filter();
        self.options.list(database, out, |tx, page| {
            let mut breaks = tx.breaks();
            let Listing { rows, next } = if self.all {
                breaks.recent(&filter, page)?
            } else {
                breaks.open(&filter, page)?
            };
            Ok::<_, Error>(Listing { rows: rows.into_iter().map(BreakRow::from).collect(), next })
        })
    }
}

impl Resolve {
    fn run(&self, database: &Database, out: &mut Output) -> Result<(), Failure> {
        let new = NewBreakResolution {
            break_id: self.id,
            resolution: match self.how.book {
                true => Resolution::Book { order: self.order },
                false => Resolution::Dismiss,
            },
            reason: &self.reason,
        };
        let engine = database.engine()?;
        let BreakResolution { is_booked, fill_id, order_id, .. } =
            engine.transaction(|tx| tx.breaks().resolve(&new))?;
        match (is_booked, fill_id, order_id) {
            (true, Some(fill), Some(order)) => {
                writeln!(out, "booked as fill {fill} of order {order}")?
            }
            _ => writeln!(out, "dismissed")?,
        }
        Ok(())
    }
}

impl Retry {
    fn run(&self, database: &Database, out: &mut Output) -> Result<(), Failure> {
        let engine = database.engine()?;
        let trader = self.trader.as_deref();
        let mut writer = Writer::new(Options {
            source: self.source.clone(),
            trader: trader.map(|trader| traders::find(&engine, trader)).transpose()?,
            ..self.feed.options()?
        });
        let applied = writer.retry_breaks(&engine)?;
        let open = engine.snapshot(|tx| tx.breaks().count_open())?;
        let applied = output::counted(applied, "break", "breaks");
        Ok(writeln!(out, "{applied} applied, {open} still open")?)
    }
}

/// A break with its resolution, as one row.
#[derive(Serialize)]
pub struct BreakRow {
    id: Uuid,
    reason: BreakReason,
    detail: String,
    order_id: Option<Uuid>,
    trader_id: Option<Uuid>,
    client_order_id: Option<String>,
    venue: String,
    source: String,
    execution_id: Option<String>,
    refers_to: Option<String>,
    is_bust: bool,
    timestamp: DateTime<Utc>,
    #[serde(serialize_with = "output::plain")]
    quantity: BigDecimal,
    #[serde(serialize_with = "output::plain")]
    price: BigDecimal,
    #[serde(serialize_with = "output::plain")]
    commission: BigDecimal,
    #[serde(serialize_with = "output::plain")]
    rebate: BigDecimal,
    raw: Option<String>,
    created_at: DateTime<Utc>,
    acted_by: String,
    acted_as: String,
    is_booked: Option<bool>,
    booked_order_id: Option<Uuid>,
    booked_fill_id: Option<Uuid>,
    resolution: Option<String>,
    resolved_at: Option<DateTime<Utc>>,
    resolved_by: Option<String>,
    resolved_as: Option<String>,
}

impl From<BreakHistory> for BreakRow {
    fn from(BreakHistory { reported, resolution }: BreakHistory) -> Self {
        let booked = resolution.as_ref().filter(|resolution| resolution.is_booked);
        Self {
            id: reported.id,
            reason: reported.reason,
            detail: reported.detail,
            order_id: reported.order_id,
            trader_id: reported.trader_id,
            client_order_id: reported.client_order_id,
            venue: reported.venue,
            source: reported.source,
            execution_id: reported.execution_id,
            refers_to: reported.refers_to,
            is_bust: reported.is_bust,
            timestamp: reported.timestamp,
            quantity: reported.quantity,
            price: reported.price,
            commission: reported.commission,
            rebate: reported.rebate,
            raw: reported.raw,
            created_at: reported.created_at,
            acted_by: reported.acted_by,
            acted_as: reported.acted_as,
            booked_order_id: booked.and_then(|resolution| resolution.order_id),
            booked_fill_id: booked.and_then(|resolution| resolution.fill_id),
            is_booked: resolution.as_ref().map(|resolution| resolution.is_booked),
            resolved_at: resolution.as_ref().map(|resolution| resolution.created_at),
            resolved_by: resolution.as_ref().map(|resolution| resolution.acted_by.clone()),
            resolved_as: resolution.as_ref().map(|resolution| resolution.acted_as.clone()),
            resolution: resolution.map(|resolution| resolution.reason),
        }
    }
}

impl BreakRow {
    /// Returns `open`, or what the break was resolved as.
    fn state(&self) -> &'static str {
        match self.is_booked {
            None => "open",
            Some(true) => "booked",
            Some(false) => "dismissed",
        }
    }

    /// Shows a number of the report; nothing in place of the 0 of a report that states none.
    fn number(&self, number: &BigDecimal) -> Cell {
        let has_none = matches!(self.kind(), "order" | "action") && number.is_zero();
        output::number(if has_none { String::new() } else { number.to_plain_string() })
    }

    /// Returns what was reported: a fill, a correction, a bust, the totals of an order, an order, or another
    /// action on one.
    fn kind(&self) -> &'static str {
        match (self.is_bust, &self.refers_to) {
            _ if self.reason == BreakReason::Totals => "totals",
            _ if self.reason == BreakReason::InvalidOrder => "order",
            _ if self.reason == BreakReason::UnappliedAction => "action",
            (true, _) => "bust",
            (false, Some(_)) => "correction",
            (false, None) => "fill",
        }
    }
}

impl Row for BreakRow {
    const HEADINGS: &'static [&'static str] = &[
        "break",
        "recorded",
        "order",
        "client order id",
        "kind",
        "venue",
        "execution id",
        "quantity",
        "price",
        "state",
        "reason",
        "detail",
    ];

    const FIELDS: &'static [&'static str] = &[
        "id",
        "reason",
        "detail",
        "order_id",
        "trader_id",
        "client_order_id",
        "venue",
        "source",
        "execution_id",
        "refers_to",
        "is_bust",
        "timestamp",
        "quantity",
        "price",
        "commission",
        "rebate",
        "raw",
        "created_at",
        "acted_by",
        "acted_as",
        "is_booked",
        "booked_order_id",
        "booked_fill_id",
        "resolution",
        "resolved_at",
        "resolved_by",
        "resolved_as",
    ];

    fn cells(&self, detail: Detail) -> Vec<Cell> {
        vec![
            output::id(self.id, detail),
            output::time(self.created_at),
            self.order_id.map_or_else(|| Cell::new(""), |order| output::id(order, detail)),
            output::text(self.client_order_id.as_deref().unwrap_or_default()),
            output::text(self.kind()),
            output::text(&self.venue),
            output::text(self.execution_id.as_deref().unwrap_or_default()),
            self.number(&self.quantity),
            self.number(&self.price),
            output::text(self.state()),
            output::text(self.reason.label()),
            output::long_text(&self.detail, detail),
        ]
    }
}
