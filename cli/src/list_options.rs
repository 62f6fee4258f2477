//! The options that listings share: which rows, how many, from where.

use std::io::Write;

use chrono::{DateTime, Utc};
use clap::Args;
use tradeblotter::role::Reader;
use tradeblotter::{Cursor, Error, Filter, Listing, OrderStatus, Page, TimeInForce, Tx};
use uuid::Uuid;

use crate::arguments;
use crate::database::Database;
use crate::failure::Failure;
use crate::output::{self, Format, Row};
use crate::terminal::{Output, eprintln};

/// Which rows to list.
#[derive(Args)]
pub struct Selection {
    /// Only rows of this trader (id); required if the login may read only one trader's rows
    #[arg(long, value_name = "UUID")]
    pub trader: Option<Uuid>,
    /// Only this order, or its fills, breaks or log entries (id)
    #[arg(long, value_name = "UUID")]
    order: Option<Uuid>,
    /// Only rows of orders in this symbol, for example AAPL
    #[arg(long, value_name = "SYMBOL")]
    symbol: Option<String>,
    /// Only rows of orders for this account
    #[arg(long)]
    account: Option<String>,
    /// Only rows of orders with this time in force; DAY leaves out orders that state none
    #[arg(long, value_name = "TIME_IN_FORCE", ignore_case = true)]
    #[arg(value_parser = arguments::time_in_force())]
    time_in_force: Option<TimeInForce>,
    /// Only rows of orders with this status: the present one, or for log entries the one after the entry;
    /// may be repeated
    #[arg(long, value_name = "STATUS", ignore_case = true)]
    #[arg(value_parser = arguments::status())]
    status: Vec<OrderStatus>,
    /// Only rows at or after this time (RFC 3339, or YYYY-MM-DD for midnight UTC): when the order was
    /// submitted, the fill executed, the break or the log entry recorded
    #[arg(long, value_name = "TIME", value_parser = arguments::moment)]
    from: Option<DateTime<Utc>>,
    /// Only rows before this time (RFC 3339, or YYYY-MM-DD for midnight UTC)
    #[arg(long, value_name = "TIME", value_parser = arguments::moment)]
    until: Option<DateTime<Utc>>,
}

/// How many rows to list, and where to begin.
#[derive(Args)]
pub struct Window {
    /// Print at most this many rows
    #[arg(long, value_name = "N", default_value_t = 50)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Continue a listing that --limit has cut, from the cursor that it printed to standard error
    #[arg(long, value_name = "CURSOR")]
    after: Option<Cursor>,
}

/// The options of a listing of orders, fills or breaks.
#[derive(Args)]
pub struct ListOptions {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    window: Window,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

impl ListOptions {
    pub fn filter(&self) -> Filter<'_> {
        self.selection.filter()
    }

    /// Runs the query in one snapshot, page by page, and prints the rows.
    pub fn list<R: Row>(
        &self,
        database: &Database,
        out: &mut Output,
        mut query: impl FnMut(&mut Tx<'_, Reader>, Page) -> Result<Listing<R>, Error>,
    ) -> Result<(), Failure> {
        let session = database.reader(self.selection.trader)?;
        let listing = session.snapshot(|tx| self.window.load(tx, &mut query))?;
        print(out, &listing, self.format)
    }
}

impl Selection {
    pub fn filter(&self) -> Filter<'_> {
        Filter {
            trader_id: self.trader,
            order_id: self.order,
            symbol: self.symbol.as_deref(),
            account: self.account.as_deref(),
            time_in_force: self.time_in_force,
            statuses: &self.status,
            from: self.from,
            until: self.until,
        }
    }
}

impl Window {
    /// Returns how many rows to list at most.
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// Reads pages until the limit is reached or no row is left.
    pub fn load<R>(
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
}

/// Prints the rows, and to standard error the cursor that continues a listing that the limit has cut.
pub fn print<R: Row>(
    out: &mut Output,
    listing: &Listing<R>,
    format: Format,
) -> Result<(), Failure> {
    output::rows(out, &listing.rows, format)?;
    if let Some(next) = listing.next {
        out.flush()?;
        eprintln!("more rows match; to continue, add --after {next}");
    }
    Ok(())
}
