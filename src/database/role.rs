//! Who acts: the roles of the database, as types. What a role may not do has no method in its
//! session, and the database refuses it to whoever tries another way.
//!
//! | role | sees | writes |
//! |---|---|---|
//! | [`Trader`] | its own rows | its own orders, and cancels them |
//! | [`Engine`] | all rows | traders, orders, fills, busts, corrections, breaks, actions |
//! | [`Compliance`] | all rows | nothing |
//! | [`Auditor`] | what is recorded, of everybody | seals of the log |
//! | [`Reader`] | what the role that it was made from sees | nothing, as far as the compiler goes |

use uuid::Uuid;

use crate::error::Error;

/// One of the roles of this module; there are no others.
pub trait Role: Copy + sealed::Role {}

/// A role of the database, which a login is made a member of: any but [`Reader`], which stands for
/// one of the others.
pub trait DatabaseRole: Role {
    /// Its name in the database.
    const NAME: &'static str;
}

/// A role that submits orders and cancels them: [`Trader`] and [`Engine`].
pub trait Trades: Role {}

/// A role that looks into the records of everybody and their seals: [`Compliance`], [`Auditor`], and a
/// [`Reader`] of one of them.
pub trait Audits: Role {}

/// A trader, who sees its own rows only (`blotter_trader`). The trader that acts, and not the row
/// [`crate::Trader`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trader {
    id: Uuid,
}

/// The part of a backend that routes orders and records what venues answer, for every trader
/// (`blotter_engine`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Engine;

/// Those who look into everything and change nothing (`blotter_compliance`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compliance;

/// Those who seal the log, and change nothing that it is about (`blotter_auditor`). They see orders, fills,
/// log, breaks and resolutions, and not who the traders are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Auditor;

/// Any of the other roles, for code that reads and does not care as whom.
///
/// ```
/// use tradeblotter::role::{Compliance, Reader, Trader};
/// # let id = uuid::Uuid::from_u128(1);
///
/// let by_the_trader = Reader::from(Trader::new(id)?);
/// let by_the_officer = Reader::from(Compliance);
/// assert_ne!(by_the_trader, by_the_officer);
/// # Ok::<(), tradeblotter::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reader {
    name: &'static str,
    trader: Option<Uuid>,
}

impl Trader {
    /// The trader with this id.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_input`] for the nil uuid, which is nobody's.
    pub fn new(id: Uuid) -> Result<Self, Error> {
        check_id(id)?;
        Ok(Self { id })
    }

    /// Whose rows it sees.
    pub fn id(&self) -> Uuid {
        self.id
    }
}

impl<R: DatabaseRole> From<R> for Reader {
    fn from(role: R) -> Self {
        Self { name: role.name(), trader: role.trader() }
    }
}

impl Role for Trader {}
impl Role for Engine {}
impl Role for Compliance {}
impl Role for Auditor {}
impl Role for Reader {}
impl DatabaseRole for Trader {
    const NAME: &'static str = "blotter_trader";
}
impl DatabaseRole for Engine {
    const NAME: &'static str = "blotter_engine";
}
impl DatabaseRole for Compliance {
    const NAME: &'static str = "blotter_compliance";
}
impl DatabaseRole for Auditor {
    const NAME: &'static str = "blotter_auditor";
}
impl Trades for Trader {}
impl Trades for Engine {}
impl Audits for Compliance {}
impl Audits for Auditor {}
impl Audits for Reader {}

pub(crate) mod sealed {
    use uuid::Uuid;

    /// What the database is told of a role.
    pub trait Role {
        /// The name of the role in the database, fit to stand in a statement.
        fn name(&self) -> &'static str;

        /// Whose rows are meant, if one trader's.
        fn trader(&self) -> Option<Uuid> {
            None
        }
    }
}

impl sealed::Role for Trader {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn trader(&self) -> Option<Uuid> {
        Some(self.id)
    }
}

impl sealed::Role for Engine {
    fn name(&self) -> &'static str {
        Self::NAME
    }
}

impl sealed::Role for Compliance {
    fn name(&self) -> &'static str {
        Self::NAME
    }
}

impl sealed::Role for Auditor {
    fn name(&self) -> &'static str {
        Self::NAME
    }
}

impl sealed::Role for Reader {
    fn name(&self) -> &'static str {
        self.name
    }

    fn trader(&self) -> Option<Uuid> {
        self.trader
    }
}

/// Refuses the nil uuid, which programs use to say "none".
pub(crate) fn check_id(id: Uuid) -> Result<(), Error> {
    if id.is_nil() {
        return Err(Error::invalid("trader id", &id.to_string(), "is the nil uuid, nobody's id"));
    }
    Ok(())
}
