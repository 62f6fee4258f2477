use tradeblotter::{Ended, NewAction, NewExecutionLog};

fn main() {
    let recovered = NewAction::Recovered {
        retry_attempt: None,
        error_code: None,
        ended: Some(Ended::Filled),
    };
    let _ = NewExecutionLog::new(uuid::Uuid::from_u128(1), recovered);
}
