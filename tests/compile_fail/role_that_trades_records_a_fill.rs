use tradeblotter::{Error, Fill, NewFill, Session, role};

fn record(desk: &Session<role::Trader>, fill: &NewFill<'_>) -> Result<Fill, Error> {
    desk.transaction(|tx| tx.fills().record(fill))
}

fn main() {
    let _ = record;
}
