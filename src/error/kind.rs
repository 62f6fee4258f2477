//! What kind of error an [`Error`] is, for code.

use diesel::result::Error as DieselError;

use crate::error::database;
use crate::error::repr::{Error, Repr};
use crate::error::rules::{APPEND_ONLY, OVER_FILL, TRANSITION};

/// The kind of an [`Error`], from [`Error::kind`]. Each but [`ErrorKind::Other`] has a predicate.
///
/// ```
/// use tradeblotter::{ErrorKind, Price};
///
/// let error = "1e9".parse::<Price>().unwrap_err();
/// match error.kind() {
///     ErrorKind::InvalidInput => assert!(error.is_invalid_input()),
///     other => panic!("{other:?}"),
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A value was refused before it reached the database: [`Error::is_invalid_input`].
    InvalidInput,
    /// There is no such row, or none that this session may see: [`Error::is_not_found`].
    NotFound,
    /// A named rule of the schema was broken, other than those that have a kind of their own:
    /// [`Error::is_rule_violation`].
    RuleViolation,
    /// A row with this key is already stored: [`Error::is_duplicate`].
    Duplicate,
    /// Something else is stored under the id that was sent: [`Error::is_mismatch`].
    Mismatch,
    /// The order has ended: [`Error::is_illegal_transition`].
    IllegalTransition,
    /// The fills of an order would exceed its quantity: [`Error::is_over_fill`].
    OverFill,
    /// Recorded rows are append-only: [`Error::is_immutable`].
    Immutable,
    /// The session lacks the privilege: [`Error::is_permission_denied`].
    PermissionDenied,
    /// Another transaction was in conflict with this one; try again: [`Error::is_conflict`].
    Conflict,
    /// The closure returned `Ok`, but the transaction could not be committed: [`Error::is_aborted`].
    Aborted,
    /// A transaction of somebody else was open for too long: [`Error::is_blocked`].
    Blocked,
    /// Every connection of the pool was in use: [`Error::is_exhausted`].
    Exhausted,
    /// The server could not be reached, or the connection was lost: [`Error::is_connection`].
    Connection,
    /// The database lacks migrations that this build has: [`Error::is_not_migrated`].
    NotMigrated,
    /// The database has migrations that this build does not know: [`Error::is_ahead`].
    Ahead,
    /// A migration failed: [`Error::is_migration_failure`].
    MigrationFailure,
    /// A file could not be read or written: `Error::is_file` (feature `audit`).
    File,
    /// A proof or a checkpoint does not verify: `Error::is_unproven` (feature `audit`).
    Unproven,
    /// No PostgreSQL server is installed: `Error::is_no_server` (feature `embedded`).
    NoServer,
    /// Any other failure, of the database or of the private server.
    Other,
}

impl Error {
    /// Returns the kind of this error. The most specific one: a fill beyond the order's quantity is
    /// [`ErrorKind::OverFill`], though it breaks a named rule too.
    pub fn kind(&self) -> ErrorKind {
        match &*self.0 {
            Repr::Invalid { .. } | Repr::InTransaction => ErrorKind::InvalidInput,
            Repr::NotFound { .. } | Repr::Database(DieselError::NotFound) => ErrorKind::NotFound,
            Repr::Rule { name, .. } if name == OVER_FILL => ErrorKind::OverFill,
            Repr::Rule { name, .. } if name == TRANSITION => ErrorKind::IllegalTransition,
            Repr::Rule { name, .. } if APPEND_ONLY.contains(&name.as_str()) => ErrorKind::Immutable,
            Repr::Rule { source, .. } if database::is_unique_violation(source) => {
                ErrorKind::Duplicate
            }
            Repr::Rule { .. } => ErrorKind::RuleViolation,
            Repr::Mismatch { .. } => ErrorKind::Mismatch,
            Repr::Denied { .. } | Repr::RoleDenied { .. } | Repr::SuperuserNeeded(_) => {
                ErrorKind::PermissionDenied
            }
            Repr::Conflict(_) | Repr::StalePlan(_) | Repr::LostRace { .. } => ErrorKind::Conflict,
            Repr::Aborted(_) => ErrorKind::Aborted,
            Repr::Blocked(_) => ErrorKind::Blocked,
            Repr::Exhausted(_) => ErrorKind::Exhausted,
            Repr::Connection(_) => ErrorKind::Connection,
            Repr::Database(source) if database::is_connection_lost(source) => ErrorKind::Connection,
            Repr::NotMigrated { .. } => ErrorKind::NotMigrated,
            Repr::Ahead { .. } => ErrorKind::Ahead,
            Repr::Migration { .. } => ErrorKind::MigrationFailure,
            #[cfg(any(feature = "audit", feature = "fleet"))]
            Repr::File { .. } => ErrorKind::File,
            #[cfg(feature = "audit")]
            Repr::Unproven(_) => ErrorKind::Unproven,
            #[cfg(feature = "embedded")]
            Repr::NoServer(_) => ErrorKind::NoServer,
            #[cfg(feature = "embedded")]
            Repr::Server(_) => ErrorKind::Other,
            Repr::Database(_) => ErrorKind::Other,
        }
    }

    /// Returns whether the database has a value that no client can have written.
    #[cfg(feature = "audit")]
    pub(crate) fn is_unreadable(&self) -> bool {
        matches!(&*self.0, Repr::Database(DieselError::DeserializationError(_)))
    }

    /// Returns whether a value was refused before it reached the database: a price with more decimal
    /// places than its column keeps, a symbol longer than its column, an unknown status; or a connection
    /// that already has a transaction open.
    pub fn is_invalid_input(&self) -> bool {
        self.kind() == ErrorKind::InvalidInput
    }

    /// Returns whether there is no such row, or none that this session may see: the two are
    /// indistinguishable on purpose.
    pub fn is_not_found(&self) -> bool {
        self.kind() == ErrorKind::NotFound
    }

    /// Returns whether a named rule of the schema was broken; [`Error::constraint`] has its name. True
    /// also for the kinds of rule that have a predicate of their own: duplicate, illegal transition,
    /// over-fill, immutable.
    pub fn is_rule_violation(&self) -> bool {
        self.constraint().is_some()
    }

    /// Returns whether a row with this primary key or unique value is already stored.
    pub fn is_duplicate(&self) -> bool {
        self.kind() == ErrorKind::Duplicate
    }

    /// Returns whether something else is stored under the id that was sent: a different order under this
    /// client order id, a different fill under this execution id. Writes are idempotent, so the same
    /// content sent again is no error. [`Error::differing_fields`] names the fields that differ.
    pub fn is_mismatch(&self) -> bool {
        self.kind() == ErrorKind::Mismatch
    }

    /// Returns whether the order's status does not allow the action: it is FILLED, REJECTED or CANCELLED.
    pub fn is_illegal_transition(&self) -> bool {
        self.kind() == ErrorKind::IllegalTransition
    }

    /// Returns whether a fill would make the fills of its order exceed the order's quantity.
    pub fn is_over_fill(&self) -> bool {
        self.kind() == ErrorKind::OverFill
    }

    /// Returns whether the database denied the statement: a missing privilege, row-level security, a
    /// write in a snapshot, or a role that the login may not act as.
    ///
    /// Apart from the write in a snapshot this is recognised by the server's message, because Diesel drops
    /// the SQLSTATE; so it is never true for a server whose `lc_messages` is not English.
    pub fn is_permission_denied(&self) -> bool {
        self.kind() == ErrorKind::PermissionDenied
    }

    /// Returns whether another transaction was in conflict with this one: a deadlock, a serialization
    /// failure, a lost race for a row, or columns that were [widened](crate::widths) meanwhile. Nothing was stored, and the same may well succeed when it is
    /// tried again; [`Session::transaction`](crate::Session::transaction) retries deadlocks and
    /// serialization failures itself.
    pub fn is_conflict(&self) -> bool {
        self.kind() == ErrorKind::Conflict
    }

    /// Returns whether the statement would have changed or removed a recorded row: recorded rows are
    /// append-only.
    pub fn is_immutable(&self) -> bool {
        self.kind() == ErrorKind::Immutable
    }

    /// Returns whether the closure returned `Ok` and the store nevertheless committed nothing: a statement
    /// had failed, or the closure had ended the transaction itself or changed its role.
    pub fn is_aborted(&self) -> bool {
        self.kind() == ErrorKind::Aborted
    }

    /// Returns whether a [safe snapshot](crate::Session::safe_snapshot) was blocked for too long by a transaction of
    /// somebody else. The text names it as far as the login may see it.
    pub fn is_blocked(&self) -> bool {
        self.kind() == ErrorKind::Blocked
    }

    /// Returns whether every connection of the pool was in use, and none came free in time.
    pub fn is_exhausted(&self) -> bool {
        self.kind() == ErrorKind::Exhausted
    }

    /// Returns whether the server could not be reached, or the connection was lost.
    pub fn is_connection(&self) -> bool {
        self.kind() == ErrorKind::Connection
    }

    /// Returns whether the database lacks migrations that this build has.
    pub fn is_not_migrated(&self) -> bool {
        self.kind() == ErrorKind::NotMigrated
    }

    /// Returns whether the database has migrations that this build does not know.
    pub fn is_ahead(&self) -> bool {
        self.kind() == ErrorKind::Ahead
    }

    /// Returns whether a migration failed. It was rolled back; those before it stay.
    pub fn is_migration_failure(&self) -> bool {
        self.kind() == ErrorKind::MigrationFailure
    }

    /// Returns whether a file (of a key, a checkpoint, a proof or a report) can't be read or written, can
    /// be read by other users when it must not, or already exists and is not overwritten.
    #[cfg(any(feature = "audit", feature = "fleet"))]
    pub fn is_file(&self) -> bool {
        self.kind() == ErrorKind::File
    }

    /// Returns whether a proof or a checkpoint does not verify: it was changed, or the database was.
    #[cfg(feature = "audit")]
    pub fn is_unproven(&self) -> bool {
        self.kind() == ErrorKind::Unproven
    }

    /// Returns whether no PostgreSQL server is installed that a private one could run; the text names the
    /// command that installs it.
    #[cfg(feature = "embedded")]
    pub fn is_no_server(&self) -> bool {
        self.kind() == ErrorKind::NoServer
    }

    /// Returns whether the input was refused, as opposed to a failure of the operation: another input may
    /// succeed.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(
            self.kind(),
            ErrorKind::InvalidInput
                | ErrorKind::NotFound
                | ErrorKind::RuleViolation
                | ErrorKind::Duplicate
                | ErrorKind::Mismatch
                | ErrorKind::IllegalTransition
                | ErrorKind::OverFill
                | ErrorKind::Immutable
        )
    }

    /// Returns whether another session held a lock for longer than `lock_timeout`.
    #[cfg(any(feature = "audit", feature = "ingest"))]
    pub(crate) fn is_lock_timeout(&self) -> bool {
        matches!(&*self.0, Repr::Database(source) if database::is_lock_timeout(source))
    }

    /// Returns whether this is a conflict that left the transaction usable, so that the statement alone
    /// can be tried again.
    pub(crate) fn is_lost_race(&self) -> bool {
        matches!(*self.0, Repr::LostRace { .. })
    }
}
