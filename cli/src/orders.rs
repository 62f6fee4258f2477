//! `blotter orders`: lists orders, or shows one as of a time.

use chrono::{DateTime, Utc};
use clap::Args;
use tradeblotter::Listing;

use crate::arguments;
use crate::database::Database;
use crate::failure::Failure;
use crate::list_options::ListOptions;
use crate::terminal::Output;

#[derive(Args)]
pub struct Orders {
    #[command(flatten)]
    options: ListOptions,
    /// Show the order as of this time (RFC 3339, or YYYY-MM-DD for midnight UTC): its status, totals and
    /// venue order id, rebuilt from its log and fills; needs --order
    #[arg(long, value_name = "TIME", value_parser = arguments::moment)]
    #[arg(requires = "order", conflicts_with_all = ["symbol", "status", "from", "until", "after"])]
    as_of: Option<DateTime<Utc>>,
}

impl Orders {
    pub fn run(&self, database: &Database, out: &mut Output) -> Result<(), Failure> {
        let filter = self.options.filter();
        self.options.list(database, out, |tx, page| match (filter.order_id, self.as_of) {
            (Some(order), Some(moment)) => {
                let order = tx.orders().as_of(order, moment)?;
                let is_wanted = filter.trader_id.is_none_or(|trader| trader == order.trader_id);
                Ok(Listing { rows: is_wanted.then_some(order).into_iter().collect(), next: None })
            }
            _ => tx.orders().recent(&filter, page),
        })
    }
}
