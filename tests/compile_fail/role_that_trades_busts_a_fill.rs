use tradeblotter::{Error, Fill, NewBust, Session, role};

fn bust(desk: &Session<role::Trader>, bust: &NewBust<'_>) -> Result<Fill, Error> {
    desk.transaction(|tx| tx.fills().bust(bust))
}

fn main() {
    let _ = bust;
}
