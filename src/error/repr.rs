//! [`Error`]: its contents, its constructors, and its accessors other than the kind.

use std::borrow::Cow;
use std::fmt;

use diesel::result::Error as DieselError;
use uuid::Uuid;

use crate::error::rules;
use crate::types::difference::Difference;

/// Characters of a value that a message shows; the rest is cut.
const MAX_SHOWN: usize = 60;

/// The error of every operation of the store: a refusal by a rule, or a failure.
///
/// Its text says what happened, to which row, which rule was broken, and what to do next. Code matches
/// on [`Error::kind`] or asks a predicate such as [`Error::is_over_fill`], and takes the name of the
/// broken database rule from [`Error::constraint`]; texts may change between versions.
///
/// ```
/// use tradeblotter::{ErrorKind, Price};
///
/// let error = "1e9".parse::<Price>().unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::InvalidInput);
/// assert!(error.is_invalid_input());
/// assert_eq!(
///     error.to_string(),
///     "price \"1e9\" is not a plain decimal number such as 10.50"
/// );
/// ```
pub struct Error(pub(super) Box<Repr>);

/// The contents of an error, from which its text is made.
#[derive(Debug)]
pub(super) enum Repr {
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
    RoleDenied {
        role: String,
        source: DieselError,
    },
    SuperuserNeeded(&'static str),
    Conflict(DieselError),
    StalePlan(DieselError),
    LostRace {
        noun: &'static str,
        id: String,
    },
    Aborted(&'static str),
    Blocked(String),
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
    #[cfg(any(feature = "audit", feature = "fleet"))]
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

/// The row that a refused statement was about.
#[derive(Debug)]
pub(super) struct Row {
    pub noun: &'static str,
    pub id: String,
}

impl Error {
    pub(super) fn new(repr: Repr) -> Self {
        Self(Box::new(repr))
    }

    /// Refuses the value of a field: "{what} {value:?} {why}".
    pub(crate) fn invalid(
        what: &'static str,
        value: &str,
        why: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(Repr::Invalid { what, value: shortened(value), why: why.into() })
    }

    pub(crate) fn not_found(noun: &'static str, id: impl fmt::Display) -> Self {
        Self::new(Repr::NotFound { noun, id: id.to_string() })
    }

    /// Like [`Error::not_found`], for an id that a client or a venue has chosen: quotes and truncates it.
    pub(crate) fn not_found_by(noun: &'static str, id: &str) -> Self {
        Self::not_found(noun, format_args!("{:?}", shortened(id)))
    }

    /// Reports a row that was neither stored nor found: a conflicting row was there when it was inserted,
    /// and gone when it was looked for.
    pub(crate) fn lost_race(noun: &'static str, id: impl fmt::Display) -> Self {
        Self::new(Repr::LostRace { noun, id: id.to_string() })
    }

    pub(crate) fn mismatch(
        noun: &'static str,
        id: Uuid,
        key: String,
        differing: Vec<Difference>,
    ) -> Self {
        Self::new(Repr::Mismatch { noun, id, key, differing })
    }

    pub(crate) fn superuser_needed(why: &'static str) -> Self {
        Self::new(Repr::SuperuserNeeded(why))
    }

    pub(crate) fn in_transaction() -> Self {
        Self::new(Repr::InTransaction)
    }

    pub(crate) fn aborted(why: &'static str) -> Self {
        Self::new(Repr::Aborted(why))
    }

    pub(crate) fn blocked(why: String) -> Self {
        Self::new(Repr::Blocked(why))
    }

    pub(crate) fn exhausted(connections: u32) -> Self {
        Self::new(Repr::Exhausted(connections))
    }

    pub(crate) fn connection(why: impl fmt::Display) -> Self {
        Self::new(Repr::Connection(why.to_string().trim_end().to_owned()))
    }

    pub(crate) fn not_migrated(pending: Vec<String>) -> Self {
        Self::new(Repr::NotMigrated { pending })
    }

    pub(crate) fn ahead(unknown: Vec<String>) -> Self {
        Self::new(Repr::Ahead { unknown })
    }

    pub(crate) fn migration(name: impl fmt::Display, why: impl fmt::Display) -> Self {
        Self::new(Repr::Migration { name: name.to_string(), why: why.to_string() })
    }

    #[cfg(any(feature = "audit", feature = "fleet"))]
    pub(crate) fn file(path: impl fmt::Display, why: impl fmt::Display) -> Self {
        Self::new(Repr::File { path: path.to_string(), why: why.to_string() })
    }

    #[cfg(feature = "audit")]
    pub(crate) fn unproven(why: impl fmt::Display) -> Self {
        Self::new(Repr::Unproven(why.to_string()))
    }

    #[cfg(feature = "embedded")]
    pub(crate) fn no_server(why: impl fmt::Display) -> Self {
        Self::new(Repr::NoServer(why.to_string()))
    }

    #[cfg(feature = "embedded")]
    pub(crate) fn server(why: impl fmt::Display) -> Self {
        Self::new(Repr::Server(why.to_string()))
    }

    /// Adds the row that the refused statement was about.
    pub(crate) fn with_row(mut self, noun: &'static str, id: impl fmt::Display) -> Self {
        if let Repr::Rule { row, .. } | Repr::Denied { row, .. } = self.0.as_mut() {
            *row = Some(Row { noun, id: id.to_string() });
        }
        self
    }

    /// Turns a denied permission into an error that names the role which the login may not act as.
    pub(crate) fn or_role_denied(self, role: &str) -> Self {
        match *self.0 {
            Repr::Denied { source, .. } => {
                Self::new(Repr::RoleDenied { role: role.to_owned(), source })
            }
            repr => Self::new(repr),
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
        let Repr::Rule { source, .. } = self.0.as_ref() else { return self };
        let message = source.to_string();
        match ids.into_iter().find(|id| message.contains(&id.to_string())) {
            Some(id) => self.not_found_if(key, noun, id),
            None => self,
        }
    }

    /// Renames the violated rule from `from` to `to`, for a row that violates both: the database checks
    /// `from` first.
    pub(crate) fn rename_rule(mut self, from: &str, to: &str) -> Self {
        if let Repr::Rule { name, .. } = self.0.as_mut()
            && name == from
        {
            to.clone_into(name);
        }
        self
    }

    /// Returns the fields in which the content that was sent differs from what is stored under its id
    /// ([`Error::is_mismatch`]); none for an error of another kind.
    pub fn differing_fields(&self) -> Vec<&'static str> {
        match &*self.0 {
            Repr::Mismatch { differing, .. } => differing.iter().map(|d| d.field).collect(),
            _ => Vec::new(),
        }
    }

    /// Returns the name of the rule of the schema that was broken (a constraint, a unique index, or the name
    /// that a trigger raises), such as `ck_orders_limit_requires_price`; none for an error of another kind.
    pub fn constraint(&self) -> Option<&str> {
        match &*self.0 {
            Repr::Rule { name, .. } => Some(name),
            _ => None,
        }
    }

    /// Returns what a rule of the schema demands, in words; none for a name that the schema does not have.
    ///
    /// ```
    /// use tradeblotter::Error;
    ///
    /// assert_eq!(
    ///     Error::rule("ck_orders_limit_requires_price"),
    ///     Some("a LIMIT or STOP order needs a price")
    /// );
    /// ```
    pub fn rule(name: &str) -> Option<&'static str> {
        rules::find(name).map(|rule| rule.text)
    }
}

/// Cuts a value to [`MAX_SHOWN`] characters.
fn shortened(value: &str) -> String {
    let mut shown: String = value.chars().take(MAX_SHOWN).collect();
    if shown.len() < value.len() {
        shown.push('…');
    }
    shown
}
