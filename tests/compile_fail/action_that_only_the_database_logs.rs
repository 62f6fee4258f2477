use tradeblotter::{NewAction, NewExecutionLog};

fn main() {
    let _ = NewExecutionLog::new(uuid::Uuid::from_u128(1), NewAction::Filled);
}
