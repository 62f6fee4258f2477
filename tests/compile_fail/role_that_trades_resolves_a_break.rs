use tradeblotter::{BreakResolution, Error, NewBreakResolution, Session, role};

fn resolve(
    desk: &Session<role::Trader>,
    resolution: &NewBreakResolution<'_>,
) -> Result<BreakResolution, Error> {
    desk.transaction(|tx| tx.breaks().resolve(resolution))
}

fn main() {
    let _ = resolve;
}
