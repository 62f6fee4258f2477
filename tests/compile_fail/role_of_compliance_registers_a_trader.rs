use tradeblotter::{Error, Session, Trader, role};

fn register(officer: &Session<role::Compliance>) -> Result<Trader, Error> {
    officer.transaction(|tx| tx.traders().register("Ada"))
}

fn main() {
    let _ = register;
}
