//! The roles of the database, as types.
//!
//! A write that a role may not make has no method in its session, so it does not compile; and the database
//! refuses it by privilege and row-level security to any other client.
//!
//! | role | sees | writes |
//! |---|---|---|
//! | [`Trader`] | its own rows | submits its own orders and cancels them |
//! | [`Engine`] | all rows | traders, orders, fills, busts, corrections, breaks, actions |
//! | [`Compliance`] | all rows | nothing |
//! | [`Auditor`] | orders, fills, log, breaks, resolutions, seals and archives of all traders | seals of the log |
//! | [`Reader`] | what the role that it was made from sees | nothing (it has no methods that write) |

use diesel::prelude::*;
use uuid::Uuid;

use crate::database::postgres::pg_roles;
use crate::error::Error;

/// A role that a session acts as: one of the types of this module. Sealed.
pub trait Role: Copy + sealed::Role {}

/// A role that exists in the database, of which logins are members: every role but [`Reader`].
pub trait DatabaseRole: Role {
    /// The name of the role in the database, such as `blotter_engine`.
    const NAME: &'static str;
}

/// A role that submits orders and cancels them: [`Trader`] and [`Engine`].
pub trait Trades: Role {}

/// A role that reads the records of all traders and their seals: [`Compliance`], [`Auditor`], and a
/// [`Reader`] made from one of them.
pub trait Audits: Role {}

/// The role of one trader, who sees its own rows only (`blotter_trader`). Not to be confused with
/// [`crate::Trader`], the row of a registered trader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trader {
    id: Uuid,
}

/// The role of the backend that routes orders of all traders and records what venues report
/// (`blotter_engine`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Engine;

/// The role of compliance officers, who see every row and write nothing (`blotter_compliance`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compliance;

/// The role that seals the execution log and writes nothing else (`blotter_auditor`). It sees orders, fills,
/// log, breaks and resolutions, but not the names of traders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Auditor;

/// Any of the other roles, erased: for code that only reads and is not generic over the role.
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
    /// Makes the role of the trader with this id.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_input`] for the nil UUID, which is no trader's id.
    pub fn new(id: Uuid) -> Result<Self, Error> {
        check_id(id)?;
        Ok(Self { id })
    }

    /// Returns the id of the trader whose rows the role sees.
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

    /// The settings of a role in a transaction.
    pub trait Role {
        /// Returns the name for SET ROLE; it needs no quoting.
        fn name(&self) -> &'static str;

        /// Returns the trader for `app.user_id`; none for a role that is no trader.
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

/// Returns whether the cluster has a role or a login of this name.
///
/// # Errors
///
/// [`Error::is_connection`].
pub fn exists(conn: &mut PgConnection, name: &str) -> Result<bool, Error> {
    let role = pg_roles::table.filter(pg_roles::rolname.eq(name));
    Ok(diesel::select(diesel::dsl::exists(role)).get_result(conn)?)
}

/// Refuses the nil UUID, which programs use for "none", with [`Error::is_invalid_input`].
pub(crate) fn check_id(id: Uuid) -> Result<(), Error> {
    if id.is_nil() {
        return Err(Error::invalid(
            "trader id",
            &id.to_string(),
            "is the nil UUID, which is no trader's id",
        ));
    }
    Ok(())
}
