use tradeblotter::audit::Seal;
use tradeblotter::role::Engine;
use tradeblotter::{Error, Session};

fn last(engine: &Session<Engine>) -> Result<Option<Seal>, Error> {
    engine.snapshot(|tx| tx.seals().last())
}

fn main() {
    let _ = last;
}
