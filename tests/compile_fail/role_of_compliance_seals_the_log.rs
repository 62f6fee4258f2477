use tradeblotter::audit::{SealKey, SealOptions, Sealing};
use tradeblotter::role::Compliance;
use tradeblotter::{Error, Session};

fn seal(officer: &Session<Compliance>, key: &SealKey) -> Result<Sealing, Error> {
    officer.transaction(|tx| tx.seals().seal(key, &SealOptions::default()))
}

fn main() {
    let _ = seal;
}
