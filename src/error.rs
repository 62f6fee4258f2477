//! The one error type, and the table that says what each named constraint means.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

use diesel::result::{DatabaseErrorKind, Error as DieselError};
use uuid::Uuid;

use crate::enums::{Action, OrderStatus};

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
/// let error = "10.005".parse::<Price>().unwrap_err();
/// assert!(error.is_invalid_input());
/// assert_eq!(
///     error.to_string(),
///     "price \"10.005\" has more than two decimal places; the store never rounds, so round it first"
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
        id: Uuid,
    },
    Rule {
        name: String,
        row: Option<Row>,
        source: DieselError,
    },
    Transition {
        order: Uuid,
        from: OrderStatus,
        action: Action,
    },
    OverFill {
        order: Uuid,
        quantity: i32,
        filled: i32,
        attempted: i32,
    },
    Denied {
        row: Option<Row>,
        source: DieselError,
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

/// What a named constraint means to a person, and what to do about it.
struct Rule {
    constraint: &'static str,
    says: &'static str,
}

/// Every constraint of the schema, by name; a test holds this table against the catalog.
const RULES: &[Rule] = &[
    Rule { constraint: "traders_pkey", says: "a trader with this id is registered already" },
    Rule { constraint: "orders_pkey", says: "an order with this id is stored already" },
    Rule { constraint: "fills_pkey", says: "a fill with this id is stored already" },
    Rule { constraint: "execution_logs_pkey", says: "a log entry with this id is stored already" },
    Rule {
        constraint: "fk_orders_trader_id",
        says: "no trader with this id is registered; register the trader first",
    },
    Rule {
        constraint: "fk_execution_logs_trader_id",
        says: "no trader with this id is registered; register the trader first",
    },
    Rule {
        constraint: "fk_fills_order_id",
        says: "no order with this id is stored; submit the order first",
    },
    Rule {
        constraint: "fk_execution_logs_order_id",
        says: "no order with this id is stored; submit the order first",
    },
    Rule {
        constraint: "ck_orders_quantity_positive",
        says: "the quantity must be at least one share",
    },
    Rule { constraint: "ck_orders_price_positive", says: "the price must be more than 0" },
    Rule {
        constraint: "ck_orders_filled_quantity_nonnegative",
        says: "the filled quantity can't be less than 0",
    },
    Rule { constraint: OVER_FILL, says: "an order can't be filled beyond its quantity" },
    Rule {
        constraint: "ck_orders_limit_requires_price",
        says: "a LIMIT or STOP order needs a price",
    },
    Rule {
        constraint: "ck_fills_quantity_positive",
        says: "the quantity must be at least one share",
    },
    Rule { constraint: "ck_fills_price_positive", says: "the price must be more than 0" },
    Rule {
        constraint: "ck_fills_commission_nonnegative",
        says: "the commission can't be less than 0",
    },
    Rule { constraint: "ck_orders_price_not_nan", says: "the price must be a number" },
    Rule { constraint: "ck_orders_stop_loss_positive", says: "the stop loss must be more than 0" },
    Rule {
        constraint: "ck_orders_take_profit_positive",
        says: "the take profit must be more than 0",
    },
    Rule {
        constraint: "ck_orders_average_fill_price_positive",
        says: "the average fill price must be more than 0",
    },
    Rule { constraint: "ck_fills_price_not_nan", says: "the price must be a number" },
    Rule { constraint: "ck_fills_commission_not_nan", says: "the commission must be a number" },
];

pub(crate) const OVER_FILL: &str = "ck_orders_filled_lte_quantity";

impl Error {
    fn new(kind: Kind) -> Self {
        Self(Box::new(kind))
    }

    pub(crate) fn invalid(
        what: &'static str,
        value: &str,
        why: impl Into<Cow<'static, str>>,
    ) -> Self {
        let mut shown: String = value.chars().take(MAX_SHOWN).collect();
        if shown.len() < value.len() {
            shown.push('…');
        }
        Self::new(Kind::Invalid { what, value: shown, why: why.into() })
    }

    pub(crate) fn not_found(noun: &'static str, id: Uuid) -> Self {
        Self::new(Kind::NotFound { noun, id })
    }

    pub(crate) fn transition(order: Uuid, from: OrderStatus, action: Action) -> Self {
        Self::new(Kind::Transition { order, from, action })
    }

    pub(crate) fn over_fill(order: Uuid, quantity: i32, filled: i32, attempted: i32) -> Self {
        Self::new(Kind::OverFill { order, quantity, filled, attempted })
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

    #[cfg(feature = "embedded")]
    pub(crate) fn no_server(why: impl fmt::Display) -> Self {
        Self::new(Kind::NoServer(why.to_string()))
    }

    #[cfg(feature = "embedded")]
    pub(crate) fn server(why: impl fmt::Display) -> Self {
        Self::new(Kind::Server(why.to_string()))
    }

    /// Names the row that a refusal is about.
    pub(crate) fn about(mut self, noun: &'static str, id: impl fmt::Display) -> Self {
        if let Kind::Rule { row, .. } | Kind::Denied { row, .. } = self.0.as_mut() {
            *row = Some(Row { noun, id: id.to_string() });
        }
        self
    }

    /// Names the rule that is meant, where the database tried another one first.
    pub(crate) fn meaning(mut self, tried: &str, meant: &str) -> Self {
        if let Kind::Rule { name, .. } = self.0.as_mut()
            && name == tried
        {
            meant.clone_into(name);
        }
        self
    }

    /// A value was refused before it reached the database: a price with three decimal places, a
    /// symbol of eleven characters, an unknown status.
    pub fn is_invalid_input(&self) -> bool {
        matches!(*self.0, Kind::Invalid { .. })
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

    /// The order's status does not allow the action: it is FILLED, REJECTED or CANCELLED.
    pub fn is_illegal_transition(&self) -> bool {
        matches!(*self.0, Kind::Transition { .. })
    }

    /// The fill would take the order beyond its quantity.
    pub fn is_over_fill(&self) -> bool {
        self.constraint() == Some(OVER_FILL)
    }

    /// The database refuses this to whoever is asking: row-level security or a missing grant. Told
    /// by the server's words, which Diesel passes on without their code: of a server that does not
    /// speak English it is never true.
    pub fn is_permission_denied(&self) -> bool {
        matches!(*self.0, Kind::Denied { .. })
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

    /// No PostgreSQL server is installed here for a private one to run; the text names the command
    /// that installs it.
    #[cfg(feature = "embedded")]
    pub fn is_no_server(&self) -> bool {
        matches!(*self.0, Kind::NoServer(_))
    }

    /// The name of the database constraint that was broken, if one was.
    ///
    /// An over-fill names `ck_orders_filled_lte_quantity`, whether the store or the database
    /// noticed it first.
    pub fn constraint(&self) -> Option<&str> {
        match &*self.0 {
            Kind::Rule { name, .. } => Some(name),
            Kind::OverFill { .. } => Some(OVER_FILL),
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
        let denied = matches!(kind, DatabaseErrorKind::Unknown)
            && (message.starts_with("permission denied")
                || message.contains("violates row-level security policy"));
        Self::new(match broken {
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
            Kind::Rule { name, row, source } => {
                about(f, row)?;
                match Self::rule(name) {
                    Some(says) => write!(f, "{says} (rule {name})"),
                    None => write!(f, "{source} (rule {name})"),
                }
            }
            Kind::Transition { order, from, action } => write!(
                f,
                "order {order} is {from}, which does not allow {action}; only a PENDING or \
                 PARTIAL order can still change"
            ),
            Kind::OverFill { order, quantity, filled, attempted } => write!(
                f,
                "order {order}: a fill of {attempted} would take it beyond its quantity, \
                 {filled} of {quantity} are filled (rule {OVER_FILL})"
            ),
            Kind::Denied { row, source } => {
                about(f, row)?;
                write!(f, "{source}; this session may not do that")
            }
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

fn about(f: &mut fmt::Formatter<'_>, row: &Option<Row>) -> fmt::Result {
    match row {
        Some(Row { noun, id }) => write!(f, "{noun} {id}: "),
        None => Ok(()),
    }
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
            Kind::Rule { source, .. } | Kind::Denied { source, .. } | Kind::Database(source) => {
                Some(source)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::RULES;

    #[test]
    fn every_rule_is_for_a_constraint_of_the_schema() {
        let catalog = include_str!("catalog.expected");
        for rule in RULES {
            let ends = format!(".{}", rule.constraint);
            let mut objects = catalog.lines().filter_map(|line| line.split('\t').next());
            assert!(objects.any(|object| object.ends_with(&ends)), "{ends}");
        }
    }
}
