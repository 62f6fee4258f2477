use tradeblotter::audit::{Seal, SealKey};
use tradeblotter::role::Compliance;
use tradeblotter::{Error, Session};

fn seal(officer: &Session<Compliance>, key: &SealKey) -> Result<Option<Seal>, Error> {
    officer.transaction(|tx| tx.seals().seal(key))
}

fn main() {
    let _ = seal;
}
