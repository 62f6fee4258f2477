use tradeblotter::{Error, NewOrder, Order, Session, role};

fn submit(officer: &Session<role::Compliance>, new: &NewOrder<'_>) -> Result<Order, Error> {
    officer.transaction(|tx| tx.orders().submit(new))
}

fn main() {
    let _ = submit;
}
