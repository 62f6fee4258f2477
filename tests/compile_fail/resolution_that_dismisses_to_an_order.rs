use tradeblotter::{NewBreakResolution, Resolution};

fn main() {
    let _ = NewBreakResolution {
        break_id: uuid::Uuid::from_u128(1),
        resolution: Resolution::Dismiss { order: Some(uuid::Uuid::from_u128(2)) },
        reason: "sent twice",
    };
}
