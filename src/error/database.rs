//! Classifies errors of the database.
//!
//! Diesel passes some failures on without their SQLSTATE. For those the server's words are all there is
//! to go by, so they are recognised in English only.

use diesel::result::{DatabaseErrorInformation, DatabaseErrorKind, Error as DieselError};

use crate::error::repr::{Error, Repr};
use crate::error::rules;

impl From<DieselError> for Error {
    fn from(source: DieselError) -> Self {
        let DieselError::DatabaseError(kind, info) = &source else {
            return Self::new(Repr::Database(source));
        };
        let constraint = info.constraint_name().map(str::to_owned);
        let is_denied = is_denied(kind, info.as_ref());
        Self::new(match constraint {
            _ if is_conflict(&source) => Repr::Conflict(source),
            None if is_stale_plan(&source) => {
                stale_plans::note();
                Repr::StalePlan(source)
            }
            Some(name) => Repr::Rule { name: without_shard(name), row: None, source },
            None if is_denied => Repr::Denied { row: None, source },
            None => Repr::Database(source),
        })
    }
}

/// Returns the name of the rule that a shard of Citus enforces: there keys have the number of the shard at their end, as in
/// `fk_orders_trader_id_102014`, and what a trigger names after its table has it in the middle.
fn without_shard(name: String) -> String {
    if rules::find(&name).is_some() {
        return name;
    }
    let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let parts: Vec<&str> = name.split('_').filter(|part| !is_number(part)).collect();
    Some(parts.join("_")).filter(|rule| rules::find(rule).is_some()).unwrap_or(name)
}

/// Returns whether the database has aborted a transaction because of another one: a serialization
/// failure (SQLSTATE 40001), or a deadlock (40P01, which Diesel does not pass on).
pub(crate) fn is_conflict(error: &DieselError) -> bool {
    match error {
        DieselError::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => true,
        DieselError::DatabaseError(DatabaseErrorKind::Unknown, info) => {
            info.message().starts_with("deadlock detected")
        }
        _ => false,
    }
}

/// Returns whether a statement waited for a lock for longer than `lock_timeout` (SQLSTATE 55P03, which Diesel does
/// not pass on).
#[cfg(any(feature = "audit", feature = "ingest"))]
pub(super) fn is_lock_timeout(error: &DieselError) -> bool {
    matches!(
        error,
        DieselError::DatabaseError(DatabaseErrorKind::Unknown, info)
            if info.message().starts_with("canceling statement due to lock timeout")
    )
}

/// Returns whether a statement returns columns of other types than when the connection prepared it: PostgreSQL
/// does not run it again until it is prepared anew (SQLSTATE 0A000, which Diesel does not pass on).
pub(crate) fn is_stale_plan(error: &DieselError) -> bool {
    matches!(
        error,
        DieselError::DatabaseError(DatabaseErrorKind::Unknown, info)
            if info.message().starts_with("cached plan must not change result type")
    )
}

/// Notes for this thread that a statement has met a stale plan.
///
/// On a connection that the application manages itself, the store may not replace the instrumentation, and the
/// error that the application's closure returns can be of any type. The conversion to [`Error`] is the one place that
/// sees each failure of the store's statements.
pub(crate) mod stale_plans {
    use std::cell::Cell;

    thread_local! {
        static IS_NOTED: Cell<bool> = const { Cell::new(false) };
    }

    pub(super) fn note() {
        IS_NOTED.set(true);
    }

    /// Returns whether a stale plan was noted since the last call, and forgets it.
    pub(crate) fn take() -> bool {
        IS_NOTED.take()
    }
}

/// Returns whether the database has denied a statement: in a read-only transaction (25006), or for want of
/// a privilege or because of row-level security (both 42501, which Diesel does not pass on).
fn is_denied(
    kind: &DatabaseErrorKind,
    info: &(dyn DatabaseErrorInformation + Send + Sync),
) -> bool {
    match kind {
        DatabaseErrorKind::ReadOnlyTransaction => true,
        DatabaseErrorKind::Unknown => {
            let message = info.message();
            message.starts_with("permission denied")
                || message.contains("violates row-level security policy")
        }
        _ => false,
    }
}

/// Returns whether the server could not be reached, or the connection was lost.
pub(super) fn is_connection_lost(error: &DieselError) -> bool {
    matches!(
        error,
        DieselError::DatabaseError(
            DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand,
            _
        )
    )
}

/// Returns whether a statement violates a primary key or a unique index.
pub(super) fn is_unique_violation(error: &DieselError) -> bool {
    matches!(error, DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _))
}

#[cfg(test)]
mod tests {
    use super::without_shard;

    #[test]
    fn a_rule_is_known_by_the_name_that_a_shard_gives_it_and_no_other_name_changes() {
        for (name, rule) in [
            ("fk_orders_trader_id_102014", "fk_orders_trader_id"),
            ("orders_102014_append_only", "orders_append_only"),
            ("fk_orders_trader_id", "fk_orders_trader_id"),
            ("ck_orders_currency_iso_4217", "ck_orders_currency_iso_4217"),
            ("fk_invoices_2026", "fk_invoices_2026"),
            ("", ""),
        ] {
            assert_eq!(without_shard(name.to_owned()), rule);
        }
    }
}
