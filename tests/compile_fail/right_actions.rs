//! The corrected forms of the actions that must not compile.

use tradeblotter::{Ended, NewAction, NewExecutionLog};

fn main() {
    let order_id = uuid::Uuid::from_u128(1);
    let recovered = NewAction::Recovered {
        retry_attempt: None,
        error_code: None,
        ended: Some(Ended::Cancelled),
    };
    let _ = NewExecutionLog::new(order_id, recovered);
    let _ = NewExecutionLog::new(order_id, NewAction::Cancelled);
}
