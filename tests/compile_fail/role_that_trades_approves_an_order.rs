use tradeblotter::{Error, ExecutionLog, NewExecutionLog, Session, role};

fn approve(
    desk: &Session<role::Trader>,
    entry: &NewExecutionLog<'_>,
) -> Result<ExecutionLog, Error> {
    desk.transaction(|tx| tx.execution_logs().append(entry))
}

fn main() {
    let _ = approve;
}
