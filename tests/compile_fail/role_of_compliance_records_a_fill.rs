use tradeblotter::{Error, Fill, NewFill, Session, role};

fn record(officer: &Session<role::Compliance>, fill: &NewFill<'_>) -> Result<Fill, Error> {
    officer.transaction(|tx| tx.fills().record(fill))
}

fn main() {
    let _ = record;
}
