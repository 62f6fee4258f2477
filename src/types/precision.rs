//! The scale of prices and commissions: how many decimal places the columns of money keep.
//!
//! The columns keep 2 decimal places by default. Where that is too few (sub-dollar ticks, midpoints,
//! averages that a venue reports as a price), the owner of the tables widens them once, in place, with
//! [`widen`], with the command `blotter precision`, or with the SQL function `blotter_precision(scale)`.
//! Until then a value with more places is refused, and an execution with one becomes a break: nothing is
//! ever rounded.

use diesel::prelude::*;

use crate::error::Error;
use crate::types::price::{Commission, LEAST_SCALE, MAX_SCALE, Price};

/// The functions of the schema, out of the public interface.
mod sql {
    use diesel::sql_types::Integer;

    diesel::define_sql_function! {
        fn blotter_scale() -> Integer;
    }

    diesel::define_sql_function! {
        fn blotter_precision(scale: Integer) -> Bool;
    }
}

/// Returns the decimal places that the columns of money keep: 2, unless they have been widened.
///
/// # Errors
///
/// [`Error::is_connection`].
pub fn get(conn: &mut PgConnection) -> Result<u8, Error> {
    let scale: i32 = diesel::select(sql::blotter_scale()).get_result(conn)?;
    Ok(u8::try_from(scale).unwrap_or(LEAST_SCALE))
}

/// Widens the columns of money to `scale` decimal places, 2 to 10, and derives average fill prices again
/// to that scale. Values up to 99999999 before the point still fit. Idempotent: does nothing if the columns
/// already have this scale.
///
/// Locks and rewrites the tables `orders` and `fills`, which takes long when they are large. Reconnect
/// afterwards: PostgreSQL refuses statements that a connection prepared before the types changed.
///
/// # Errors
///
/// - [`Error::is_invalid_input`]: the scale is not 2 to 10, or is less than the current one, which would
///   round.
/// - [`Error::is_permission_denied`]: the login does not own the tables.
///
/// ```
/// # #[cfg(feature = "embedded")] fn main() -> Result<(), tradeblotter::Error> {
/// # use tradeblotter::{embedded, migrations};
/// use tradeblotter::precision;
///
/// # let server = embedded::Server::start()?;
/// # let conn = &mut server.connect()?;
/// # migrations::run(conn)?;
/// assert_eq!(precision::get(conn)?, 2);
/// precision::widen(conn, 6)?;
/// assert_eq!(precision::get(conn)?, 6);
/// assert!(precision::widen(conn, 4).unwrap_err().is_invalid_input());
/// # Ok(()) }
/// # #[cfg(not(feature = "embedded"))] fn main() {}
/// ```
pub fn widen(conn: &mut PgConnection, scale: u8) -> Result<(), Error> {
    let kept = get(conn)?;
    if !(LEAST_SCALE..=MAX_SCALE).contains(&scale) {
        return Err(Error::invalid("scale", &scale.to_string(), "is not from 2 to 10"));
    }
    if scale < kept {
        let why = format!("is less than the current {kept}, so stored values would be rounded");
        return Err(Error::invalid("scale", &scale.to_string(), why));
    }
    diesel::select(sql::blotter_precision(i32::from(scale))).execute(conn)?;
    Ok(())
}

/// Checks that prices and commissions have no more decimal places than their columns keep, before
/// they are written: PostgreSQL would round them.
#[derive(Default)]
pub(crate) struct ScaleCheck {
    /// Values with more than [`LEAST_SCALE`] decimal places: the field, the value, and its places.
    finer: Vec<(&'static str, String, u8)>,
}

impl ScaleCheck {
    /// Makes a check of the values that `add` puts into it.
    pub fn of(add: impl FnOnce(&mut Self)) -> Self {
        let mut scales = Self::default();
        add(&mut scales);
        scales
    }

    pub fn price(&mut self, what: &'static str, price: Option<Price>) {
        if let Some(price) = price {
            self.add(what, price.decimal_places(), || price.to_string());
        }
    }

    pub fn commission(&mut self, what: &'static str, commission: Commission) {
        self.add(what, commission.decimal_places(), || commission.to_string());
    }

    fn add(&mut self, what: &'static str, places: u8, shown: impl FnOnce() -> String) {
        if places > LEAST_SCALE {
            self.finer.push((what, shown(), places));
        }
    }

    /// Refuses a value that its column would round, with [`Error::is_invalid_input`]. Queries the
    /// scale of the columns only if a value has more than [`LEAST_SCALE`] decimal places.
    pub fn check(&self, conn: &mut PgConnection) -> Result<(), Error> {
        if self.finer.is_empty() {
            return Ok(());
        }
        let kept = get(conn)?;
        match self.finer.iter().find(|(.., places)| *places > kept) {
            None => Ok(()),
            Some((what, shown, _)) => {
                let why = format!(
                    "has more than the {kept} decimal places that the columns keep; the store never \
                     rounds, so round it first, or widen the columns (blotter precision)"
                );
                Err(Error::invalid(what, shown, why))
            }
        }
    }
}
