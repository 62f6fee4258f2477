use tradeblotter::{Error, NewOrder, Order, Session, role};

fn submit(engine: &Session<role::Engine>, new: &NewOrder<'_>) -> Result<Order, Error> {
    engine.reader().transaction(|tx| tx.orders().submit(new))
}

fn main() {
    let _ = submit;
}
