//! The reads of a trader that are measured.

use diesel::prelude::*;
use tradeblotter::schema::{execution_logs, orders, traders};
use tradeblotter::{Action, Cursor, Filter, OrderStatus, Page, Tx, role, transaction_on};
use uuid::Uuid;

/// A trader to read as, and the rows to read.
pub struct Subject {
    /// Number of the trader's orders, in words.
    pub name: String,
    pub trader: Uuid,
    /// An order with fills.
    pub filled: Uuid,
    /// The order with a thousand log entries.
    pub retried: Uuid,
    /// The cursor after its hundred latest orders.
    pub further: Cursor,
}

impl Subject {
    fn filter(&self) -> Filter<'_> {
        Filter::of_trader(self.trader)
    }

    /// Looks up the trader with this number, on a superuser's connection.
    pub fn find(
        conn: &mut PgConnection,
        number: u32,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let name = format!("Trader {number}");
        let trader: Uuid =
            traders::table.filter(traders::name.eq(&name)).select(traders::id).first(conn)?;
        let own = orders::table.filter(orders::trader_id.eq(trader));
        let filled = own
            .filter(orders::status.eq(OrderStatus::Filled))
            .order(orders::created_at.desc())
            .select(orders::id)
            .first(conn)?;
        let retried = execution_logs::table
            .filter(execution_logs::trader_id.eq(trader))
            .filter(execution_logs::action.eq(Action::Recovered))
            .select(execution_logs::order_id)
            .first(conn)?;
        let count: i64 = own.count().get_result(conn)?;
        let listing = transaction_on(conn, role::Trader::new(trader)?, |tx| {
            tx.orders().recent(&Filter::of_trader(trader), Page::first(100))
        })?;
        let further = listing.next.ok_or("the trader needs more than a hundred orders")?;
        Ok(Self { name: format!("{count} orders"), trader, filled, retried, further })
    }
}

/// One read.
pub struct Read {
    pub name: &'static str,
    /// Runs the read; returns the number of rows.
    pub run: fn(&mut Tx<'_, role::Reader>, &Subject) -> Result<usize, tradeblotter::Error>,
}

pub static READS: [Read; 7] = [
    Read {
        name: "50 recent orders",
        run: |tx, of| Ok(tx.orders().recent(&of.filter(), Page::first(50))?.rows.len()),
    },
    Read {
        name: "50 orders further back",
        run: |tx, of| Ok(tx.orders().recent(&of.filter(), Page::after(of.further, 50))?.rows.len()),
    },
    Read {
        name: "50 open orders",
        run: |tx, of| Ok(tx.orders().open(of.trader, Page::first(50))?.rows.len()),
    },
    Read { name: "fills of one order", run: |tx, of| Ok(tx.fills().of_order(of.filled)?.len()) },
    Read {
        name: "50 recent fills",
        run: |tx, of| Ok(tx.fills().recent(&of.filter(), Page::first(50))?.rows.len()),
    },
    Read {
        name: "audit trail of one order",
        run: |tx, of| Ok(tx.execution_logs().of_order(of.retried)?.len()),
    },
    Read {
        name: "audit trail of all orders",
        run: |tx, of| Ok(tx.execution_logs().trail(&of.filter(), Page::first(1000))?.rows.len()),
    },
];
