use tradeblotter::{Error, ExecutionLog, NewExecutionLog, Session, role};

fn append(officer: &Session<role::Compliance>, entry: &NewExecutionLog<'_>) -> Result<ExecutionLog, Error> {
    officer.transaction(|tx| tx.execution_logs().append(entry))
}

fn main() {
    let _ = append;
}
