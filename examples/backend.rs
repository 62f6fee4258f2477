//! A small trading backend on the store: it submits orders from several threads, records fills, and prints the
//! positions.
//!
//! Run it with `cargo run --example backend`. It starts a private PostgreSQL server and removes
//! it at the end.

use std::collections::BTreeMap;
use std::thread;

use chrono::Utc;
use diesel::dsl::sum;
use diesel::prelude::*;
use tradeblotter::schema::orders;
use tradeblotter::{
    Blotter, Commission, Error, NewFill, NewOrder, Order, Session, Side, Trader, connect, embedded,
    migrations, role,
};

const SYMBOLS: [&str; 3] = ["AAPL", "IBM", "MSFT"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // In production these are three URLs: the owner's, for migrations, and one login for each role.
    let server = embedded::Server::start()?;
    migrations::run(&mut server.connect()?)?;
    let traders = Blotter::connect(&server.login::<role::Trader>()?)?;
    let engine = Blotter::connect(&server.login::<role::Engine>()?)?;

    // At start-up, refuse a schema of another build, and logins with more privileges than they need.
    migrations::require(&mut connect(&server.login::<role::Engine>()?)?)?;
    for login in [traders.login()?, engine.login()?] {
        if let Some(warning) = login.warnings().first() {
            return Err(warning.clone().into());
        }
    }
    let backend = Backend { traders, engine: engine.engine() };

    let traders = backend.engine.transaction(|tx| {
        Ok::<_, Error>([tx.traders().register("Ada")?, tx.traders().register("Grace")?])
    })?;

    // Each thread serves one trader. It takes a connection from the pool for each transaction.
    thread::scope(|scope| {
        let clients: Vec<_> =
            traders.iter().map(|trader| scope.spawn(|| backend.trade(trader))).collect();
        clients.into_iter().try_for_each(|client| {
            client.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    })?;

    for trader in &traders {
        println!("{}: {:?}", trader.name, backend.positions(trader)?);
    }
    Ok(())
}

/// What a request handler needs: the pool of the traders' login, and the engine's session.
struct Backend {
    traders: Blotter,
    engine: Session<role::Engine>,
}

impl Backend {
    /// Submits an order for each symbol and records a fill of half of it.
    fn trade(&self, trader: &Trader) -> Result<(), Error> {
        let session = self.traders.trader(trader.id)?;
        for (symbol, quantity) in SYMBOLS.into_iter().zip([100, 250, 70]) {
            // With the client's order id and the venue's execution id, both writes are idempotent: a retry
            // returns the stored row.
            let client_order_id = format!("{symbol}-1");
            let limit = NewOrder {
                client_order_id: Some(&client_order_id),
                ..NewOrder::limit(trader.id, Side::Buy, symbol, quantity, "230.00".parse()?)
            };
            let order = session.transaction(|tx| tx.orders().submit(&limit))?;
            // The venue reports the fill later. The engine records it in another transaction.
            let fill = half_fill(&order, "E-1")?;
            self.engine.transaction(|tx| tx.fills().record(&fill))?;
        }
        Ok(())
    }

    /// Sums the filled shares of the trader by symbol.
    ///
    /// This is an ordinary Diesel query on the schema. It needs no filter on the trader: row-level security
    /// restricts the session to the trader's rows.
    fn positions(&self, trader: &Trader) -> Result<BTreeMap<String, i64>, Error> {
        self.traders.trader(trader.id)?.snapshot(|tx| {
            let rows: Vec<(String, Option<i64>)> = orders::table
                .group_by(orders::symbol)
                .select((orders::symbol, sum(orders::filled_quantity)))
                .load(tx.connection())?;
            Ok(rows.into_iter().map(|(symbol, shares)| (symbol, shares.unwrap_or(0))).collect())
        })
    }
}

/// Returns a fill of half of the order, as a venue might report it.
fn half_fill<'a>(order: &Order, execution_id: &'a str) -> Result<NewFill<'a>, Error> {
    Ok(NewFill {
        order_id: order.id,
        timestamp: Utc::now(),
        quantity_filled: order.quantity / 2,
        price_at_fill: "229.95".parse()?,
        venue: "XNAS",
        commission: Commission::default(),
        rebate: Commission::default(),
        source: None,
        execution_id: Some(execution_id),
    })
}
