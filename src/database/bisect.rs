//! Finds the rows that a rule refuses in a statement that takes many.

use crate::error::Error;

/// Runs a statement on all rows at once; if a rule refuses it, on each half of them, and so on, until the
/// refused rows are alone. Returns what became of each row, in the same order.
///
/// n rows of which one is refused take about 2 log2(n) statements. The statement must leave nothing behind
/// when it is refused: a savepoint sees to that.
///
/// # Errors
///
/// Errors that are no refusals, such as a lost connection.
pub(crate) fn bisect<T, O>(
    rows: &[T],
    statement: &mut impl FnMut(&[T]) -> Result<Vec<O>, Error>,
) -> Result<Vec<Result<O, Error>>, Error> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    match statement(rows) {
        Ok(stored) => Ok(stored.into_iter().map(Ok).collect()),
        Err(error) if !error.is_refusal() => Err(error),
        Err(error) if rows.len() == 1 => Ok(vec![Err(error)]),
        Err(_) => {
            let (first, second) = rows.split_at(rows.len() / 2);
            let mut each = bisect(first, statement)?;
            each.extend(bisect(second, statement)?);
            Ok(each)
        }
    }
}
