//! The one error type, and the table that says what each named constraint means.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

use diesel::result::{DatabaseErrorKind, Error as DieselError};
use uuid::Uuid;

use self::By::{Constraint, Trigger};
use crate::types::difference::Difference;

/// Longer values are cut in messages, which are for people and for log lines.
const MAX_SHOWN: usize = 60;

/// Why the store refused or failed.
///
/// Its text says which rule was broken, by which row, and what to do. Code asks the predicates,
/// and [`Error::constraint`] for the name of the database rule; the kinds behind them may grow.
///
/// ```
/// use tradeblotter::Price;
///
/// let error = "1e9".parse::<Price>().unwrap_err();
/// assert!(error.is_invalid_input());
/// assert_eq!(
///     error.to_string(),
///     "price \"1e9\" is not a plain decimal number such as 10.50"
/// );
/// ```
pub struct Error(Box<Kind>);

#[derive(Debug)]
enum Kind {
    Invalid {
        what: &'static str,
        value: String,
        why: Cow<'static, str>,
    },
    NotFound {
        noun: &'static str,
        id: String,
    },
    Rule {
        name: String,
        row: Option<Row>,
        source: DieselError,
    },
    Mismatch {
        noun: &'static str,
        id: Uuid,
        key: String,
        differing: Vec<Difference>,
    },
    Denied {
        row: Option<Row>,
        source: DieselError,
    },
    InTransaction,
    Role {
        name: &'static str,
        source: DieselError,
    },
    Conflict(DieselError),
    LostRace {
        noun: &'static str,
        id: String,
    },
    Aborted(&'static str),
    Exhausted(u32),
    Connection(String),
    NotMigrated {
        pending: Vec<String>,
    },
    Ahead {
        unknown: Vec<String>,
    },
    Migration {
        name: String,
        why: String,
    },
    #[cfg(feature = "audit")]
    File {
        path: String,
        why: String,
    },
    #[cfg(feature = "audit")]
    Unproven(String),
    #[cfg(feature = "embedded")]
    NoServer(String),
    #[cfg(feature = "embedded")]
    Server(String),
    Database(DieselError),
}

#[derive(Debug)]
struct Row {
    noun: &'static str,
    id: String,
}

/// What a named rule means to a person, and what to do about it.
struct Rule {
    constraint: &'static str,
    by: By,
    says: &'static str,
}

/// Who sees to a rule.
enum By {
    /// A constraint of a table, whose message is for programmers.
    Constraint,
    /// A trigger, whose message names the row and what is wrong with it.
    Trigger,
}

const fn constraint(constraint: &'static str, says: &'static str) -> Rule {
    Rule { constraint, by: Constraint, says }
}

const fn trigger(constraint: &'static str, says: &'static str) -> Rule {
    Rule { constraint, by: Trigger, says }
}

/// Every rule of the schema, by name; a test holds this table against the catalog.
const RULES: &[Rule] = &[
    constraint("traders_pkey", "a trader with this id is registered already"),
    constraint("orders_pkey", "an order with this id is stored already"),
    constraint("fills_pkey", "a fill with this id is stored already"),
    constraint("execution_logs_pkey", "a log entry with this id is stored already"),
    constraint(
        "fk_orders_trader_id",
        "no trader with this id is registered; register the trader first",
    ),
    constraint(
        "fk_execution_logs_trader_id",
        "no trader with this id is registered; register the trader first",
    ),
    constraint("breaks_pkey", "a break with this id is stored already"),
    constraint("break_resolutions_pkey", "a resolution with this id is stored already"),
    constraint("uq_execution_logs_sequence", "a log entry with this number is stored already"),
    constraint(
        "uq_orders_client_order_id",
        "an order of this trader with this client order id is stored already",
    ),
    constraint(
        "uq_orders_replaces",
        "the order was replaced already; replace the order that took its place",
    ),
    constraint(
        "uq_fills_execution_id",
        "a fill of this order with this execution id and venue is stored already",
    ),
    constraint(
        "uq_fills_amends",
        "the fill was busted or corrected already; amend the last correction",
    ),
    constraint("uq_fills_break_id", "the break was booked already"),
    constraint("uq_breaks_execution", "the same execution is kept as a break already"),
    constraint("uq_break_resolutions_break_id", "the break was resolved already"),
    trigger("fk_orders_replaces", "an order replaces one of the same trader"),
    trigger("fk_fills_amends", "a bust or a correction amends a fill of the same order"),
    constraint("fk_fills_break_id", "no break with this id is kept"),
    constraint("fk_breaks_trader_id", "no trader with this id is registered"),
    trigger("fk_break_resolutions_break_id", "no break with this id is kept"),
    constraint("fk_break_resolutions_order_id", "no order with this id is stored"),
    constraint("fk_break_resolutions_trader_id", "no trader with this id is registered"),
    constraint("fk_fills_order_id", "no order with this id is stored; submit the order first"),
    constraint(
        "fk_execution_logs_order_id",
        "no order with this id is stored; submit the order first",
    ),
    constraint("ck_orders_quantity_positive", "the quantity must be at least one share"),
    constraint("ck_orders_price_positive", "the price must be more than 0"),
    constraint("ck_orders_filled_quantity_nonnegative", "the filled quantity can't be less than 0"),
    constraint("ck_orders_limit_requires_price", "a LIMIT or STOP order needs a price"),
    constraint("ck_fills_quantity_positive", "the quantity must be at least one share"),
    constraint("ck_fills_price_positive", "the price must be more than 0"),
    constraint("ck_fills_commission_nonnegative", "the commission can't be less than 0"),
    constraint("ck_orders_price_not_nan", "the price must be a number"),
    constraint("ck_orders_stop_loss_positive", "the stop loss must be more than 0"),
    constraint("ck_orders_take_profit_positive", "the take profit must be more than 0"),
    constraint(
        "ck_orders_average_fill_price_positive",
        "the average fill price must be more than 0",
    ),
    constraint("ck_fills_price_not_nan", "the price must be a number"),
    constraint("ck_fills_commission_not_nan", "the commission must be a number"),
    constraint("ck_orders_symbol_not_blank", "the symbol must not be blank"),
    constraint(
        "ck_orders_expires_at_readable",
        "the expiration must be a moment before the year 262143, and not infinity",
    ),
    constraint("ck_fills_venue_not_blank", "the venue must not be blank"),
    constraint(
        "ck_fills_timestamp_readable",
        "the time of a fill must be a moment before the year 262143, and not infinity",
    ),
    constraint(
        "ck_execution_logs_reason_short",
        "the reason must have no more than 1000 characters",
    ),
    constraint(
        "ck_execution_logs_retry_attempt_nonnegative",
        "the retry attempt can't be less than 0",
    ),
    constraint(
        "ck_traders_created_at_readable",
        "the time must be a moment before the year 262143, and not infinity",
    ),
    constraint("ck_orders_client_order_id_not_blank", "the client order id must not be blank"),
    constraint("ck_orders_venue_order_id_not_blank", "the venue order id must not be blank"),
    constraint(
        "ck_execution_logs_venue_order_id_not_blank",
        "the venue order id must not be blank",
    ),
    constraint("ck_fills_execution_id_not_blank", "the execution id must not be blank"),
    constraint("ck_fills_bust_amends", "a bust names the fill that it takes back"),
    constraint("ck_breaks_detail_short", "the detail must have no more than 1000 characters"),
    constraint("ck_breaks_venue_not_blank", "the venue must not be blank"),
    constraint("ck_breaks_execution_id_not_blank", "the execution id must not be blank"),
    constraint("ck_breaks_refers_to_not_blank", "the execution id referred to must not be blank"),
    constraint("ck_breaks_bust_refers", "a bust names the execution that it takes back"),
    constraint("ck_orders_money_in_range", "prices must be less than 100000000"),
    constraint("ck_fills_money_in_range", "price and commission must be less than 100000000"),
    constraint(
        "ck_execution_logs_reported_at_readable",
        "the time reported must be later than -infinity and before the year 262143",
    ),
    constraint(
        "ck_breaks_timestamp_readable",
        "the time of an execution must be a moment before the year 262143, and not infinity",
    ),
    constraint(
        "ck_breaks_quantity_readable",
        "the quantity must be less than 1e20, with at most 20 decimal places",
    ),
    constraint(
        "ck_breaks_price_readable",
        "the price must be less than 1e20, with at most 20 decimal places",
    ),
    constraint(
        "ck_breaks_commission_readable",
        "the commission must be less than 1e20, with at most 20 decimal places",
    ),
    constraint("ck_breaks_raw_short", "the raw message must have no more than 65536 characters"),
    constraint(
        "ck_break_resolutions_reason_short",
        "the reason must have no more than 900 characters",
    ),
    constraint("ck_break_resolutions_reason_not_blank", "the reason must not be blank"),
    constraint(
        "seals_pkey",
        "a seal with this number is stored already; let one process seal at a time",
    ),
    constraint("uq_seals_previous", "another seal follows the same one already"),
    constraint("ck_seals_well_formed", "a seal covers entries, a hash for each, and is signed"),
    constraint(
        "ck_seals_sealed_at_readable",
        "the time of a seal must be a moment before the year 262143, and not infinity",
    ),
    trigger(OVER_FILL, "an order can't be filled beyond its quantity"),
    trigger(TRANSITION, "only a PENDING or PARTIAL order can still change"),
    trigger("orders_begin_pending", "an order begins PENDING, with nothing filled"),
    trigger(
        "execution_logs_automatic",
        "SUBMITTED, FILLED and what is done about a fill or a break are logged by the database itself",
    ),
    trigger("execution_logs_same_trader", "a log entry names the trader whose order it is about"),
    trigger(
        "execution_logs_status_derived",
        "the status of a log entry is the one that its action leads to; leave it out",
    ),
    trigger(
        "execution_logs_one_venue_order",
        "an order has one id at its venue, the first that the log tells",
    ),
    trigger("fills_book_break", "a break is booked by resolving it"),
    trigger("fills_resolved_break", "what was said about a break holds"),
    trigger("fills_amend_fill", "a bust is final; record what was executed as a fill"),
    trigger("fills_bust_whole", "a bust takes back the whole of its fill; correct it instead"),
    trigger(
        "break_resolutions_order",
        "a break is booked to an order that is there and of the trader that was meant, and dismissed \
         without one",
    ),
    trigger(
        "break_resolutions_execution",
        "totals that differ are no execution; record what is missing, and dismiss the break",
    ),
    trigger("break_resolutions_exact", "a break is booked as it was reported, or dismissed"),
    trigger(APPEND_ONLY[0], "an order stays as it was submitted; add a fill or an action"),
    trigger(APPEND_ONLY[1], "a fill stays as it was recorded"),
    trigger(APPEND_ONLY[2], "the log stays as it was written; add an entry"),
    trigger(APPEND_ONLY[3], "a break stays as it was reported; resolve it"),
    trigger(APPEND_ONLY[4], "what was said about a break stays as it was said"),
    trigger(APPEND_ONLY[5], "a seal stays as it was signed"),
];

pub(crate) const OVER_FILL: &str = "ck_orders_filled_lte_quantity";

const TRANSITION: &str = "orders_transition";

const APPEND_ONLY: [&str; 6] = [
    "orders_append_only",
    "fills_append_only",
    "execution_logs_append_only",
    "breaks_append_only",
    "break_resolutions_append_only",
    "seals_append_only",
];

impl Error {
    fn new(kind: Kind) -> Self {
        Self(Box::new(kind))
    }

    pub(crate) fn invalid(
        what: &'static str,
        value: &str,
        why: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(Kind::Invalid { what, value: shortened(value), why: why.into() })
    }

    pub(crate) fn not_found(noun: &'static str, id: impl fmt::Display) -> Self {
        Self::new(Kind::NotFound { noun, id: id.to_string() })
    }

    /// Like [`Error::not_found`], by an id that somebody else has made up.
    pub(crate) fn not_found_by(noun: &'static str, id: &str) -> Self {
        Self::not_found(noun, format_args!("{:?}", shortened(id)))
    }

    /// A row was neither stored nor found: a conflicting row was there when it was inserted, and gone
    /// when it was looked for.
    pub(crate) fn lost_race(noun: &'static str, id: impl fmt::Display) -> Self {
        Self::new(Kind::LostRace { noun, id: id.to_string() })
    }

    pub(crate) fn mismatch(
        noun: &'static str,
        id: Uuid,
        key: String,
        differing: Vec<Difference>,
    ) -> Self {
        Self::new(Kind::Mismatch { noun, id, key, differing })
    }

    pub(crate) fn in_transaction() -> Self {
        Self::new(Kind::InTransaction)
    }

    pub(crate) fn aborted(why: &'static str) -> Self {
        Self::new(Kind::Aborted(why))
    }

    pub(crate) fn exhausted(connections: u32) -> Self {
        Self::new(Kind::Exhausted(connections))
    }

    pub(crate) fn connection(why: impl fmt::Display) -> Self {
        Self::new(Kind::Connection(why.to_string().trim_end().to_owned()))
    }

    pub(crate) fn not_migrated(pending: Vec<String>) -> Self {
        Self::new(Kind::NotMigrated { pending })
    }

    pub(crate) fn ahead(unknown: Vec<String>) -> Self {
        Self::new(Kind::Ahead { unknown })
    }

    pub(crate) fn migration(name: impl fmt::Display, why: impl fmt::Display) -> Self {
        Self::new(Kind::Migration { name: name.to_string(), why: why.to_string() })
    }

    #[cfg(feature = "audit")]
    pub(crate) fn file(path: impl fmt::Display, why: impl fmt::Display) -> Self {
        Self::new(Kind::File { path: path.to_string(), why: why.to_string() })
    }

    #[cfg(feature = "audit")]
    pub(crate) fn unproven(why: impl fmt::Display) -> Self {
        Self::new(Kind::Unproven(why.to_string()))
    }

    #[cfg(feature = "embedded")]
    pub(crate) fn no_server(why: impl fmt::Display) -> Self {
        Self::new(Kind::NoServer(why.to_string()))
    }

    #[cfg(feature = "embedded")]
    pub(crate) fn server(why: impl fmt::Display) -> Self {
        Self::new(Kind::Server(why.to_string()))
    }

    /// Adds the row that the refused statement was about.
    pub(crate) fn with_row(mut self, noun: &'static str, id: impl fmt::Display) -> Self {
        if let Kind::Rule { row, .. } | Kind::Denied { row, .. } = self.0.as_mut() {
            *row = Some(Row { noun, id: id.to_string() });
        }
        self
    }

    /// Turns a denied permission into an error that names the role which the login may not act as.
    pub(crate) fn or_role_denied(self, name: &'static str) -> Self {
        match *self.0 {
            Kind::Denied { source, .. } => Self::new(Kind::Role { name, source }),
            kind => Self::new(kind),
        }
    }

    /// Turns a violation of the foreign key `key` into "not found" of the row that it refers to.
    pub(crate) fn not_found_if(self, key: &str, noun: &'static str, id: Uuid) -> Self {
        match self.constraint() {
            Some(broken) if broken == key => Self::not_found(noun, id),
            _ => self,
        }
    }

    /// Like [`Error::not_found_if`], for whichever of these rows the database names.
    pub(crate) fn not_found_if_among(
        self,
        key: &str,
        noun: &'static str,
        ids: impl IntoIterator<Item = Uuid>,
    ) -> Self {
        // The text of the rule, which is for people, names no row.
        let Kind::Rule { source, .. } = self.0.as_ref() else { return self };
        let said = source.to_string();
        match ids.into_iter().find(|id| said.contains(&id.to_string())) {
            Some(id) => self.not_found_if(key, noun, id),
            None => self,
        }
    }

    /// Reports rule `to` where the database named rule `from`, because it checks `from` first.
    pub(crate) fn rename_rule(mut self, from: &str, to: &str) -> Self {
        if let Kind::Rule { name, .. } = self.0.as_mut()
            && name == from
        {
            to.clone_into(name);
        }
        self
    }

    /// Whether it is what was handed in that is refused, and not the work that has failed.
    pub(crate) fn is_refusal(&self) -> bool {
        self.is_rule_violation()
            || self.is_illegal_transition()
            || self.is_over_fill()
            || self.is_mismatch()
            || self.is_duplicate()
            || self.is_not_found()
            || self.is_invalid_input()
    }

    /// A value was refused before it reached the database: a price with three decimal places, a
    /// symbol of eleven characters, an unknown status, a connection that is in a transaction already.
    pub fn is_invalid_input(&self) -> bool {
        matches!(*self.0, Kind::Invalid { .. } | Kind::InTransaction)
    }

    /// There is no such row, or none that this session may see: the two are not told apart.
    pub fn is_not_found(&self) -> bool {
        matches!(*self.0, Kind::NotFound { .. } | Kind::Database(DieselError::NotFound))
    }

    /// A named rule of the schema was broken; [`Error::constraint`] has the name.
    pub fn is_rule_violation(&self) -> bool {
        self.constraint().is_some()
    }

    /// A row with this key is stored already.
    pub fn is_duplicate(&self) -> bool {
        matches!(
            &*self.0,
            Kind::Rule {
                source: DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _),
                ..
            }
        )
    }

    /// What was sent bears an id under which something else is stored: an order with a client order
    /// id of before, a fill with an execution id of before. [`Error::differing_fields`] says in what
    /// it differs.
    pub fn is_mismatch(&self) -> bool {
        matches!(*self.0, Kind::Mismatch { .. })
    }

    /// The fields in which what was sent differs from what is stored under its id; none for an error
    /// of another kind.
    pub fn differing_fields(&self) -> Vec<&'static str> {
        match &*self.0 {
            Kind::Mismatch { differing, .. } => differing.iter().map(|d| d.field).collect(),
            _ => Vec::new(),
        }
    }

    /// The order's status does not allow the action: it is FILLED, REJECTED or CANCELLED.
    pub fn is_illegal_transition(&self) -> bool {
        self.constraint() == Some(TRANSITION)
    }

    /// The fill would take the order beyond its quantity.
    pub fn is_over_fill(&self) -> bool {
        self.constraint() == Some(OVER_FILL)
    }

    /// The database refuses this to whoever is asking: row-level security, a missing grant, a write
    /// in a snapshot, or a role that the login may not act as. But for the snapshot it goes by the
    /// server's words, because Diesel drops the code; of a server that does not speak English it is
    /// never true.
    pub fn is_permission_denied(&self) -> bool {
        matches!(*self.0, Kind::Denied { .. } | Kind::Role { .. })
    }

    /// Another transaction was in the way, a deadlock, a serialization failure or a lost race: nothing
    /// was stored, and the same may well succeed when it is tried again.
    pub fn is_conflict(&self) -> bool {
        matches!(*self.0, Kind::Conflict(_) | Kind::LostRace { .. })
    }

    /// Returns whether it is a conflict that left the transaction usable, so that the statement alone
    /// can be tried again.
    pub(crate) fn is_lost_race(&self) -> bool {
        matches!(*self.0, Kind::LostRace { .. })
    }

    /// What was recorded would have been changed or removed; rows are only ever added.
    pub fn is_immutable(&self) -> bool {
        self.constraint().is_some_and(|name| APPEND_ONLY.contains(&name))
    }

    /// The closure returned `Ok` and yet nothing was committed by the store: a statement had failed,
    /// or the closure had ended the transaction by itself.
    pub fn is_aborted(&self) -> bool {
        matches!(*self.0, Kind::Aborted(_))
    }

    /// Every connection of the pool is in use, and none came free in time.
    pub fn is_exhausted(&self) -> bool {
        matches!(*self.0, Kind::Exhausted(_))
    }

    /// The server could not be reached, or the connection was lost.
    pub fn is_connection(&self) -> bool {
        matches!(
            *self.0,
            Kind::Connection(_)
                | Kind::Database(DieselError::DatabaseError(
                    DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand,
                    _
                ))
        )
    }

    /// The database lacks migrations that this build has.
    pub fn is_not_migrated(&self) -> bool {
        matches!(*self.0, Kind::NotMigrated { .. })
    }

    /// The database has migrations that this build does not know.
    pub fn is_ahead(&self) -> bool {
        matches!(*self.0, Kind::Ahead { .. })
    }

    /// A migration failed, and was rolled back; those before it stay.
    pub fn is_migration_failure(&self) -> bool {
        matches!(*self.0, Kind::Migration { .. })
    }

    /// A file of keys, of a checkpoint, of a proof or of a report can't be read or written, may be read by
    /// others who must not, or is there already and is not written over.
    #[cfg(feature = "audit")]
    pub fn is_file(&self) -> bool {
        matches!(*self.0, Kind::File { .. })
    }

    /// A proof, or a checkpoint, does not hold: somebody has changed it, or the database that it is of.
    #[cfg(feature = "audit")]
    pub fn is_unproven(&self) -> bool {
        matches!(*self.0, Kind::Unproven(_))
    }

    /// No PostgreSQL server is installed here for a private one to run; the text names the command
    /// that installs it.
    #[cfg(feature = "embedded")]
    pub fn is_no_server(&self) -> bool {
        matches!(*self.0, Kind::NoServer(_))
    }

    /// The name of the database constraint that was broken, if one was.
    pub fn constraint(&self) -> Option<&str> {
        match &*self.0 {
            Kind::Rule { name, .. } => Some(name),
            _ => None,
        }
    }

    /// What a constraint of this schema means, in words; `None` for a name it does not have.
    ///
    /// ```
    /// use tradeblotter::Error;
    ///
    /// assert_eq!(
    ///     Error::rule("ck_orders_limit_requires_price"),
    ///     Some("a LIMIT or STOP order needs a price")
    /// );
    /// ```
    pub fn rule(constraint: &str) -> Option<&'static str> {
        RULES.iter().find(|rule| rule.constraint == constraint).map(|rule| rule.says)
    }
}

impl From<DieselError> for Error {
    fn from(source: DieselError) -> Self {
        let DieselError::DatabaseError(kind, info) = &source else {
            return Self::new(Kind::Database(source));
        };
        let broken = info.constraint_name().map(str::to_owned);
        let message = info.message();
        // A refusal by row security or by a grant comes without its SQLSTATE (42501), so its
        // words are all there is to go by.
        let denied = match kind {
            DatabaseErrorKind::ReadOnlyTransaction => true,
            DatabaseErrorKind::Unknown => {
                message.starts_with("permission denied")
                    || message.contains("violates row-level security policy")
            }
            _ => false,
        };
        Self::new(match broken {
            _ if is_conflict(&source) => Kind::Conflict(source),
            Some(name) => Kind::Rule { name, row: None, source },
            None if denied => Kind::Denied { row: None, source },
            None => Kind::Database(source),
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Kind::Invalid { what, value, why } => write!(f, "{what} {value:?} {why}"),
            Kind::NotFound { noun, id } => {
                write!(f, "there is no {noun} {id}, or this session may not see it")
            }
            Kind::Rule { name, row, source } => match RULES.iter().find(|r| r.constraint == name) {
                Some(Rule { by: Constraint, says, .. }) => {
                    about(f, row)?;
                    write!(f, "{says} (rule {name})")
                }
                // A trigger names the row itself.
                Some(Rule { by: Trigger, .. }) => write!(f, "{source} (rule {name})"),
                None => {
                    about(f, row)?;
                    write!(f, "{source} (rule {name})")
                }
            },
            Kind::Mismatch { noun, id, key, differing } => {
                write!(f, "{noun} {id} is stored under {key} already, with another content: ")?;
                for (n, Difference { field, stored, other }) in differing.iter().enumerate() {
                    let comma = if n == 0 { "" } else { ", " };
                    write!(f, "{comma}{field} {stored} and not {other}")?;
                }
                f.write_str("; send the same again, or another id")
            }
            Kind::Denied { row, source } => {
                about(f, row)?;
                write!(f, "{source}; this session may not do that")
            }
            Kind::InTransaction => f.write_str(
                "a transaction is open on this connection already, and the role of a transaction \
                 can't change halfway; end it first",
            ),
            Kind::Role { name, source } => {
                write!(f, "{source}; GRANT {name} to the login, or connect as one that has it")
            }
            Kind::Conflict(source) => write!(
                f,
                "another transaction was in the way ({source}) and nothing was stored; try again"
            ),
            Kind::LostRace { noun, id } => write!(
                f,
                "{noun} {id} was not stored: another transaction changed a conflicting row at the \
                 same time; try again"
            ),
            Kind::Aborted(why) => f.write_str(why),
            Kind::Exhausted(connections) => write!(
                f,
                "no free connection: all {connections} of the pool are in use; make transactions \
                 shorter or the pool larger"
            ),
            Kind::Connection(why) => write!(f, "can't reach the database: {why}"),
            Kind::NotMigrated { pending } => write!(
                f,
                "the database is not migrated: {} missing ({}); run `blotter migrate run`",
                counted(pending.len()),
                pending.join(", ")
            ),
            Kind::Ahead { unknown } => write!(
                f,
                "the database is ahead of this build: {} unknown to it ({}); use a newer build",
                counted(unknown.len()),
                unknown.join(", ")
            ),
            Kind::Migration { name, why } => {
                write!(f, "migration {name} failed: {why}")
            }
            #[cfg(feature = "audit")]
            Kind::File { path, why } => write!(f, "{path}: {why}"),
            #[cfg(feature = "audit")]
            Kind::Unproven(why) => f.write_str(why),
            #[cfg(feature = "embedded")]
            Kind::NoServer(why) => f.write_str(why),
            #[cfg(feature = "embedded")]
            Kind::Server(why) => write!(f, "the private PostgreSQL server: {why}"),
            Kind::Database(DieselError::NotFound) => f.write_str("there is no such row"),
            Kind::Database(source) => {
                write!(f, "the database answered: {source}")?;
                // Diesel says which column it could not read, and keeps the reason below.
                source.source().map_or(Ok(()), |cause| write!(f, ": {cause}"))
            }
        }
    }
}

/// Whether the database has ended a transaction because of another one. Diesel passes a deadlock
/// (SQLSTATE 40P01) on without its code, so its words are all there is to go by.
pub(crate) fn is_conflict(error: &DieselError) -> bool {
    match error {
        DieselError::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => true,
        DieselError::DatabaseError(DatabaseErrorKind::Unknown, info) => {
            info.message().starts_with("deadlock detected")
        }
        _ => false,
    }
}

fn about(f: &mut fmt::Formatter<'_>, row: &Option<Row>) -> fmt::Result {
    match row {
        Some(Row { noun, id }) => write!(f, "{noun} {id}: "),
        None => Ok(()),
    }
}

fn shortened(value: &str) -> String {
    let mut shown: String = value.chars().take(MAX_SHOWN).collect();
    if shown.len() < value.len() {
        shown.push('…');
    }
    shown
}

fn counted(migrations: usize) -> String {
    match migrations {
        1 => "1 migration is".to_owned(),
        many => format!("{many} migrations are"),
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({:?}: {self})", self.0)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &*self.0 {
            Kind::Rule { source, .. }
            | Kind::Denied { source, .. }
            | Kind::Role { source, .. }
            | Kind::Conflict(source)
            | Kind::Database(source) => Some(source),
            _ => None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::By::{Constraint, Trigger};
    use super::RULES;

    /// Whether a trigger of the migrations raises this rule.
    fn is_raised(rule: &str) -> bool {
        let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
        let folders = fs::read_dir(migrations).unwrap().map(|folder| folder.unwrap().path());
        let mut texts = folders.filter_map(|folder| fs::read_to_string(folder.join("up.sql")).ok());
        // The guards put the name of their table before the rest.
        let quoted = match rule.strip_suffix("_append_only") {
            Some(_) => "'_append_only'".to_owned(),
            None => format!("'{rule}'"),
        };
        texts.any(|text| text.contains(&quoted))
    }

    #[test]
    fn every_rule_is_one_of_the_schema() {
        let catalog = include_str!("../database/catalog.expected");
        let is_in_catalog = |rule: &str| {
            let ends = format!(".{rule}");
            let mut objects = catalog.lines().filter_map(|line| line.split('\t').next());
            objects.any(|object| object.ends_with(&ends))
        };
        for rule in RULES {
            let name = rule.constraint;
            match rule.by {
                Constraint => assert!(is_in_catalog(name), "{name}"),
                Trigger => assert!(is_raised(name), "{name}"),
            }
        }
    }
}
