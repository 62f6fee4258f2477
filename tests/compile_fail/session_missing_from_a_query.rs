use tradeblotter::{Blotter, Error, ExecutionLog};

fn get(blotter: &Blotter, id: uuid::Uuid) -> Result<Vec<ExecutionLog>, Error> {
    blotter.execution_logs().of_order(id)
}

fn main() {
    let _ = get;
}
