use tradeblotter::{Error, ExecutionLog, Session, role};

fn cancel(officer: &Session<role::Compliance>, order: uuid::Uuid) -> Result<ExecutionLog, Error> {
    officer.transaction(|tx| tx.execution_logs().cancel(order, None))
}

fn main() {
    let _ = cancel;
}
