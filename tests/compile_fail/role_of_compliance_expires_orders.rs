use tradeblotter::{Error, Session, role};

fn expire(officer: &Session<role::Compliance>) -> Result<usize, Error> {
    officer.transaction(|tx| Ok(tx.orders().expire_due(chrono::DateTime::UNIX_EPOCH, 10)?.len()))
}

fn main() {
    let _ = expire;
}
