//! `blotter orders`, `blotter fills`, `blotter log`, and the options of every listing.

use std::collections::HashSet;
use std::io::Write;
use std::thread;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;
use diesel::prelude::*;
use diesel::sql_types::Timestamptz;
use tradeblotter::ingest::{self, Csv, Ndjson};
use tradeblotter::role::Reader;
use tradeblotter::{Cursor, Error, ExecutionLog, Filter, Listing, OrderStatus, Page, Session, Tx};
use uuid::Uuid;

use crate::output::{self, Format, Row};
use crate::{Database, Failure, arguments};

/// How often a followed log is read.
const POLL: Duration = Duration::from_millis(500);

/// How far back each reading of a followed log goes: an entry bears the time at which it was
/// written, so one that took longer than this to commit is missed.
const OVERLAP: TimeDelta = TimeDelta::seconds(60);

#[derive(Args)]
struct Which {
    /// Only this trader's; needed by a login that is a trader's only.
    #[arg(long, value_name = "UUID")]
    trader: Option<Uuid>,
    /// Only this order, its fills or its log.
    #[arg(long, value_name = "UUID")]
    order: Option<Uuid>,
    /// Only in this symbol.
    #[arg(long, value_name = "SYMBOL")]
    symbol: Option<String>,
    /// Only of this status; may be given more than once.
    #[arg(long, value_name = "STATUS", ignore_case = true)]
    #[arg(value_parser = arguments::status())]
    status: Vec<OrderStatus>,
    /// Only of this day or moment, or later.
    #[arg(long, value_name = "TIME", value_parser = arguments::moment)]
    from: Option<DateTime<Utc>>,
    /// Only before this day or moment.
    #[arg(long, value_name = "TIME", value_parser = arguments::moment)]
    until: Option<DateTime<Utc>>,
}

#[derive(Args)]
struct Printing {
    /// How to print the rows.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// How many rows to print at most.
    #[arg(long, value_name = "N", default_value_t = 50)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Go on after this row; the listing before names it.
    #[arg(long, value_name = "CURSOR")]
    after: Option<Cursor>,
}

#[derive(Args)]
pub struct Listed {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    printing: Printing,
}

#[derive(Args)]
pub struct Orders {
    #[command(flatten)]
    listed: Listed,
    /// Show the order as it stood at this day or moment.
    #[arg(long, value_name = "TIME", value_parser = arguments::moment)]
    #[arg(requires = "order", conflicts_with_all = ["symbol", "status", "from", "until", "after"])]
    as_of: Option<DateTime<Utc>>,
}

#[derive(Args)]
pub struct Log {
    #[command(flatten)]
    listed: Listed,
    /// Then go on printing entries as they are written, until interrupted.
    #[arg(long, conflicts_with_all = ["until", "after"])]
    follow: bool,
}

impl Orders {
    pub fn run(&self, database: &Database, out: &mut impl Write) -> Result<(), Failure> {
        let filter = self.listed.filter();
        self.listed.list(database, out, |tx, page| match (filter.order_id, self.as_of) {
            (Some(order), Some(moment)) => {
                let order = tx.orders().as_of(order, moment)?;
                let is_wanted = filter.trader_id.is_none_or(|trader| trader == order.trader_id);
                Ok(Listing { rows: is_wanted.then_some(order).into_iter().collect(), next: None })
            }
            _ => tx.orders().recent(&filter, page),
        })
    }
}

impl Listed {
    pub fn filter(&self) -> Filter<'_> {
        self.which.filter()
    }

    pub fn fills(&self, database: &Database, out: &mut impl Write) -> Result<(), Failure> {
        let filter = self.filter();
        self.list(database, out, |tx, page| tx.fills().recent(&filter, page))
    }

    pub fn list<R: Row>(
        &self,
        database: &Database,
        out: &mut impl Write,
        mut query: impl FnMut(&mut Tx<'_, Reader>, Page) -> Result<Listing<R>, Error>,
    ) -> Result<(), Failure> {
        let session = database.reader(self.which.trader)?;
        let listing = session.snapshot(|tx| self.printing.load(tx, &mut query))?;
        self.printing.print(out, &listing)
    }
}

impl Log {
    pub fn run(&self, database: &Database, out: &mut impl Write) -> Result<(), Failure> {
        let Listed { which, printing } = &self.listed;
        let filter = which.filter();
        let session = database.reader(which.trader)?;
        if matches!(printing.format, Format::EventsNdjson | Format::EventsCsv) {
            return self.events(&session, out);
        }
        // In one snapshot, so that no entry falls between what is listed and what is followed.
        let (mut listing, tail) = session.snapshot(|tx| {
            let listing =
                printing.load(tx, |tx, page| tx.execution_logs().recent(&filter, page))?;
            let tail = self.follow.then(|| Tail::begin(tx, filter)).transpose()?;
            Ok::<_, Error>((listing, tail))
        })?;
        listing.rows.reverse();
        let Some(tail) = tail else {
            return printing.print(out, &listing);
        };
        match printing.format {
            Format::Json => output::more(out, &listing.rows, Format::Json)?,
            format => output::rows(out, &listing.rows, format)?,
        }
        out.flush()?;
        tail.follow(out, &session, printing.format)
    }
}

impl Log {
    /// Writes all of the log that matches as events.
    fn events(&self, session: &Session<Reader>, out: &mut impl Write) -> Result<(), Failure> {
        if self.follow {
            let why =
                "events are written to the end of the log, and not beyond: leave out --follow";
            return Err(Failure::Usage(why.to_owned()));
        }
        let filter = self.listed.filter();
        let as_csv = self.listed.printing.format == Format::EventsCsv;
        if as_csv {
            Csv::write_header(out)?;
        }
        session.snapshot(|tx| {
            ingest::export(tx, &filter, |event| {
                match as_csv {
                    true => Csv::write(event, out)?,
                    false => Ndjson::write(event, out)?,
                }
                Ok::<_, Failure>(())
            })
        })
    }
}

impl Which {
    fn filter(&self) -> Filter<'_> {
        Filter {
            trader_id: self.trader,
            order_id: self.order,
            symbol: self.symbol.as_deref(),
            statuses: &self.status,
            from: self.from,
            until: self.until,
        }
    }
}

impl Printing {
    /// Reads pages until there are as many rows as were asked for.
    fn load<R>(
        &self,
        tx: &mut Tx<'_, Reader>,
        mut query: impl FnMut(&mut Tx<'_, Reader>, Page) -> Result<Listing<R>, Error>,
    ) -> Result<Listing<R>, Error> {
        let mut rows = Vec::new();
        let mut next = self.after;
        let mut left = self.limit;
        while left > 0 {
            let size = u16::try_from(left).unwrap_or(Page::MAX).min(Page::MAX);
            let page = next.map_or(Page::first(size), |cursor| Page::after(cursor, size));
            let listing = query(tx, page)?;
            rows.extend(listing.rows);
            left -= u32::from(size);
            next = listing.next;
            if next.is_none() {
                break;
            }
        }
        Ok(Listing { rows, next })
    }

    fn print<R: Row>(&self, out: &mut impl Write, listing: &Listing<R>) -> Result<(), Failure> {
        output::rows(out, &listing.rows, self.format)?;
        if let Some(next) = listing.next {
            out.flush()?;
            anstream::eprintln!("there are more: --after {next}");
        }
        Ok(())
    }
}

/// Follows the log. Each reading goes back a while before the reading before it, by the clock of the
/// database, and leaves out what was seen already; so entries that are committed out of order are
/// not lost, and one that bears a time to come does not hide the others.
struct Tail<'f> {
    filter: Filter<'f>,
    /// When the log was last read.
    read: DateTime<Utc>,
    /// What of the time since then, and of the while before, was there.
    seen: HashSet<(DateTime<Utc>, Uuid)>,
}

impl<'f> Tail<'f> {
    /// Takes note of what is there, as old.
    fn begin(tx: &mut Tx<'_, Reader>, filter: Filter<'f>) -> Result<Self, Error> {
        let mut tail = Self { filter, read: now(tx)?, seen: HashSet::new() };
        tail.fresh(tx)?;
        Ok(tail)
    }

    fn follow(
        mut self,
        out: &mut impl Write,
        session: &Session<Reader>,
        format: Format,
    ) -> Result<(), Failure> {
        loop {
            let fresh = session.snapshot(|tx| self.fresh(tx))?;
            output::more(out, &fresh, format)?;
            thread::sleep(POLL);
        }
    }

    /// The entries that were not there before, oldest first.
    fn fresh(&mut self, tx: &mut Tx<'_, Reader>) -> Result<Vec<ExecutionLog>, Error> {
        let since = self.read - OVERLAP;
        self.read = now(tx)?;
        self.seen.retain(|(at, _)| *at >= since);
        let filter = Filter { from: self.filter.from.max(Some(since)), ..self.filter };
        let mut fresh = Vec::new();
        let mut page = Page::first(Page::MAX);
        loop {
            let listing = tx.execution_logs().trail(&filter, page)?;
            let rows = listing.rows.into_iter();
            fresh.extend(rows.filter(|entry| self.seen.insert((entry.timestamp, entry.id))));
            let Some(next) = listing.next else {
                return Ok(fresh);
            };
            page = Page::after(next, Page::MAX);
        }
    }
}

/// The database's own time, which the entries bear.
fn now(tx: &mut Tx<'_, Reader>) -> Result<DateTime<Utc>, Error> {
    Ok(diesel::select(diesel::dsl::now.into_sql::<Timestamptz>()).get_result(tx.connection())?)
}
