//! A small trading backend on the store: it takes orders from several threads, fills them, and
//! prints its positions. Run it with `cargo run --example backend`: it starts a private server that is
//! gone afterwards.

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
    // In production these are three URLs: the owner's, for migrating, and a login for each role.
    let server = embedded::Server::start()?;
    migrations::run(&mut server.connect()?)?;
    let traders = Blotter::connect(&server.login::<role::Trader>()?)?;
    let engine = Blotter::connect(&server.login::<role::Engine>()?)?;

    // At start-up: refuse a schema that is not this build's, and logins that could do too much.
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

    // Each thread is a client; the pool gives it a connection for as long as a transaction lasts.
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

/// What a request handler has at hand: the traders' own sessions, and the engine's.
struct Backend {
    traders: Blotter,
    engine: Session<role::Engine>,
}

impl Backend {
    fn trade(&self, trader: &Trader) -> Result<(), Error> {
        let session = self.traders.trader(trader.id)?;
        for (symbol, quantity) in SYMBOLS.into_iter().zip([100, 250, 70]) {
            // By ids of one's own and of the venue's what is sent again is known, and not stored twice.
            let client_order_id = format!("{symbol}-1");
            let limit = NewOrder {
                client_order_id: Some(&client_order_id),
                ..NewOrder::limit(trader.id, Side::Buy, symbol, quantity, "230.00".parse()?)
            };
            let order = session.transaction(|tx| tx.orders().submit(&limit))?;
            // The venue answers later, in a transaction of its own, and it answers the engine.
            let fill = answer(&order, "E-1")?;
            self.engine.transaction(|tx| tx.fills().record(&fill))?;
        }
        Ok(())
    }

    /// A query of the backend's own, checked by the compiler and run under the trader's identity, so
    /// it needs no filter on the trader.
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

/// What a venue might say: half of the order at a good price.
fn answer<'a>(order: &Order, execution_id: &'a str) -> Result<NewFill<'a>, Error> {
    Ok(NewFill {
        order_id: order.id,
        timestamp: Utc::now(),
        quantity_filled: order.quantity / 2,
        price_at_fill: "229.95".parse()?,
        venue: "NASDAQ",
        commission: Commission::default(),
        execution_id: Some(execution_id),
    })
}
