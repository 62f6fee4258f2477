//! Every call that a role is allowed compiles.

use tradeblotter::{
    Blotter, Error, NewBreakResolution, NewBust, NewExecutionLog, NewFill, NewOrder,
};

fn trade(
    blotter: &Blotter,
    order: &NewOrder<'_>,
    fill: &NewFill<'_>,
    entry: &NewExecutionLog<'_>,
    bust: &NewBust<'_>,
    resolution: &NewBreakResolution<'_>,
) -> Result<(), Error> {
    blotter.trader(order.trader_id)?.transaction(|tx| {
        let order = tx.orders().submit(order)?;
        tx.execution_logs().cancel(order.id, None)
    })?;
    blotter.engine().transaction(|tx| {
        tx.traders().register("Ada")?;
        tx.orders().submit(order)?;
        tx.fills().record(fill)?;
        tx.fills().bust(bust)?;
        tx.breaks().resolve(resolution)?;
        tx.orders().expire_due(chrono::DateTime::UNIX_EPOCH, 10)?;
        tx.execution_logs().append(entry)
    })?;
    blotter.compliance().snapshot(|tx| tx.orders().history(entry.order_id))?;
    blotter.engine().reader().snapshot(|tx| tx.traders().list())?;
    Ok(())
}

fn main() {
    let _ = trade;
}
