//! A small trading backend on the store: it takes orders from several threads, fills them, and
//! prints its positions. Run it with `cargo run --example backend`; with DATABASE_URL it uses that
//! database and leaves its rows there, without it a private server that is gone afterwards.

use std::collections::BTreeMap;
use std::thread;

use chrono::Utc;
use diesel::dsl::sum;
use diesel::prelude::*;
use tradeblotter::schema::orders;
use tradeblotter::{
    Blotter, Commission, Error, NewFill, NewOrder, Order, Trader, connect, embedded, migrations,
};

const SYMBOLS: [&str; 3] = ["AAPL", "IBM", "MSFT"];

fn main() -> Result<(), Error> {
    let (url, _server) = match std::env::var("DATABASE_URL") {
        Ok(url) => (url, None),
        Err(_) => {
            let server = embedded::Server::start()?;
            (server.url().to_owned(), Some(server))
        }
    };

    // At start-up: bring the schema up to date, and refuse a login that row security does not hold.
    migrations::run(&mut connect(&url)?)?;
    let blotter = Blotter::connect(&url)?;
    if blotter.passes_row_security()? {
        eprintln!("this login sees every trader's rows; use one that is no superuser");
        return Ok(());
    }

    let traders = blotter.anonymous().transaction(|tx| {
        Ok::<_, Error>([tx.traders().register("Ada")?, tx.traders().register("Grace")?])
    })?;

    // Each thread is a client; the pool gives it a connection for as long as a transaction lasts.
    thread::scope(|scope| {
        let clients: Vec<_> =
            traders.iter().map(|trader| scope.spawn(|| trade(&blotter, trader))).collect();
        clients.into_iter().try_for_each(|client| {
            client.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    })?;

    for trader in &traders {
        println!("{}: {:?}", trader.name, positions(&blotter, trader)?);
    }
    Ok(())
}

fn trade(blotter: &Blotter, trader: &Trader) -> Result<(), Error> {
    let session = blotter.trader(trader.id)?;
    for (symbol, quantity) in SYMBOLS.into_iter().zip([100, 250, 70]) {
        let limit = NewOrder::limit(trader.id, symbol, quantity, "230.00".parse()?);
        let order = session.transaction(|tx| tx.orders().submit(&limit))?;
        // The venue answers later, in a transaction of its own.
        session.transaction(|tx| tx.fills().record(&answer(&order)?))?;
    }
    Ok(())
}

/// What a venue might say: half of the order at a good price.
fn answer(order: &Order) -> Result<NewFill<'static>, Error> {
    Ok(NewFill {
        order_id: order.id,
        timestamp: Utc::now(),
        quantity_filled: order.quantity / 2,
        price_at_fill: "229.95".parse()?,
        venue: "NASDAQ",
        commission: Commission::default(),
    })
}

/// A query of the backend's own, checked by the compiler and run under the trader's identity, so
/// it needs no filter on the trader.
fn positions(blotter: &Blotter, trader: &Trader) -> Result<BTreeMap<String, i64>, Error> {
    blotter.trader(trader.id)?.transaction(|tx| {
        let rows: Vec<(String, Option<i64>)> = orders::table
            .group_by(orders::symbol)
            .select((orders::symbol, sum(orders::filled_quantity)))
            .load(tx.connection())?;
        Ok(rows.into_iter().map(|(symbol, shares)| (symbol, shares.unwrap_or(0))).collect())
    })
}
