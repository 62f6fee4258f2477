use tradeblotter::{Error, Session, Trader, role};

fn register(desk: &Session<role::Trader>) -> Result<Trader, Error> {
    desk.transaction(|tx| tx.traders().register("Ada"))
}

fn main() {
    let _ = register;
}
