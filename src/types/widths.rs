//! The widths of the columns that can be widened: the decimal places of prices and commissions, and the length of
//! symbols.
//!
//! Prices have 2 decimal places and symbols 10 characters by default. Where that is too few (sub-dollar ticks,
//! midpoints, averages that a venue reports as a price; symbols of options), the owner of the tables widens the
//! columns in place, with [`widen`], with the command `blotter widen`, or with the SQL function
//! `blotter_widen(prices, symbols)`. Until then a longer value is refused, and an execution with one becomes a
//! break: nothing is ever rounded or cut.

use diesel::prelude::*;

use crate::error::Error;
use crate::types::price::{Commission, LEAST_SCALE, MAX_SCALE, Price};
use crate::types::text;

/// The characters that a symbol may have before the column is widened.
pub(crate) const LEAST_SYMBOL: u16 = 10;

/// The most characters to which the column of symbols can be widened.
pub(crate) const MAX_SYMBOL: u16 = 64;

/// The functions of the schema, out of the public interface.
mod sql {
    use diesel::sql_types::{Integer, Nullable};

    diesel::define_sql_function! {
        fn blotter_scale() -> Integer;
    }

    diesel::define_sql_function! {
        fn blotter_symbol_length() -> Integer;
    }

    diesel::define_sql_function! {
        fn blotter_widen(prices: Nullable<Integer>, symbols: Nullable<Integer>) -> Bool;
    }
}

/// The widths of the columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Widths {
    /// Decimal places of prices and commissions, 2 to 10.
    pub prices: u8,
    /// Characters that a symbol may have, 10 to 64.
    pub symbols: u16,
}

/// The widths to widen columns to; `None` leaves them as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Widening {
    /// Decimal places of prices and commissions, 2 to 10.
    pub prices: Option<u8>,
    /// Characters that a symbol may have, 10 to 64.
    pub symbols: Option<u16>,
}

/// Returns the widths of the columns: 2 decimal places and 10 characters, unless they have been widened.
///
/// # Errors
///
/// [`Error::is_connection`].
pub fn get(conn: &mut PgConnection) -> Result<Widths, Error> {
    let (prices, symbols): (i32, i32) =
        diesel::select((sql::blotter_scale(), sql::blotter_symbol_length())).get_result(conn)?;
    Ok(Widths {
        prices: u8::try_from(prices).unwrap_or(LEAST_SCALE),
        symbols: u16::try_from(symbols).unwrap_or(LEAST_SYMBOL),
    })
}

/// Widens the columns of money, the column of symbols, or both. Idempotent: does nothing if they have these
/// widths already.
///
/// Finer prices lock and rewrite the tables `orders` and `fills`, which takes long when they are large, and derive
/// average fill prices again. Values up to 99999999 before the point still fit. Longer symbols lock `orders` for a
/// moment.
///
/// Sessions that are open meanwhile go on working: see [`Session::transaction`](crate::Session::transaction).
///
/// # Errors
///
/// - [`Error::is_invalid_input`]: a width is out of its range, or less than the current one, so that stored values
///   would be rounded or cut. Nothing is widened.
/// - [`Error::is_permission_denied`]: the login does not own the tables.
///
/// ```
/// # #[cfg(feature = "embedded")] fn main() -> Result<(), tradeblotter::Error> {
/// # use tradeblotter::{embedded, migrations};
/// use tradeblotter::widths::{self, Widening, Widths};
///
/// # let server = embedded::Server::start()?;
/// # let conn = &mut server.connect()?;
/// # migrations::run(conn)?;
/// assert_eq!(widths::get(conn)?, Widths { prices: 2, symbols: 10 });
/// widths::widen(conn, Widening { prices: Some(6), symbols: Some(21) })?;
/// assert_eq!(widths::get(conn)?, Widths { prices: 6, symbols: 21 });
///
/// let narrower = Widening { prices: Some(4), ..Widening::default() };
/// assert!(widths::widen(conn, narrower).unwrap_err().is_invalid_input());
/// # Ok(()) }
/// # #[cfg(not(feature = "embedded"))] fn main() {}
/// ```
pub fn widen(conn: &mut PgConnection, to: Widening) -> Result<(), Error> {
    let kept = get(conn)?;
    if let Some(prices) = to.prices {
        let range = [LEAST_SCALE, MAX_SCALE].map(u16::from);
        check("scale", prices.into(), kept.prices.into(), range, "rounded")?;
    }
    if let Some(symbols) = to.symbols {
        let range = [LEAST_SYMBOL, MAX_SYMBOL];
        check("symbol length", symbols, kept.symbols, range, "cut")?;
    }
    let [prices, symbols] = [to.prices.map(i32::from), to.symbols.map(i32::from)];
    diesel::select(sql::blotter_widen(prices, symbols)).execute(conn)?;
    Ok(())
}

/// Refuses a width that is out of its range or less than the one that the column has.
fn check(
    what: &'static str,
    width: u16,
    kept: u16,
    [least, most]: [u16; 2],
    harm: &str,
) -> Result<(), Error> {
    if !(least..=most).contains(&width) {
        return Err(Error::invalid(
            what,
            &width.to_string(),
            format!("is not from {least} to {most}"),
        ));
    }
    if width < kept {
        let why = format!("is less than the current {kept}, so stored values would be {harm}");
        return Err(Error::invalid(what, &width.to_string(), why));
    }
    Ok(())
}

/// Checks that values fit columns that can be widened, before they are written: PostgreSQL would round a price
/// or a commission, and its error for a symbol does not name the column.
#[derive(Default)]
pub(crate) struct WidthCheck {
    /// Values with more than [`LEAST_SCALE`] decimal places: the field, the value, and its places.
    finer: Vec<(&'static str, String, u8)>,
    /// Symbols of more than [`LEAST_SYMBOL`] characters, and their lengths.
    longer: Vec<(String, usize)>,
}

impl WidthCheck {
    /// Makes a check of the values that `add` puts into it.
    pub fn of(add: impl FnOnce(&mut Self)) -> Self {
        let mut check = Self::default();
        add(&mut check);
        check
    }

    pub fn price(&mut self, what: &'static str, price: Option<Price>) {
        if let Some(price) = price {
            self.add(what, price.decimal_places(), || price.to_string());
        }
    }

    pub fn commission(&mut self, what: &'static str, commission: Commission) {
        self.add(what, commission.decimal_places(), || commission.to_string());
    }

    pub fn symbol(&mut self, symbol: &str) {
        // No string has more characters than bytes.
        if symbol.len() > usize::from(LEAST_SYMBOL) {
            let characters = symbol.chars().count();
            if characters > usize::from(LEAST_SYMBOL) {
                self.longer.push((symbol.to_owned(), characters));
            }
        }
    }

    fn add(&mut self, what: &'static str, places: u8, shown: impl FnOnce() -> String) {
        if places > LEAST_SCALE {
            self.finer.push((what, shown(), places));
        }
    }

    /// Refuses a value that does not fit its column, with [`Error::is_invalid_input`]. Queries the widths of the
    /// columns only if a value would not fit them before they are widened.
    pub fn check(&self, conn: &mut PgConnection) -> Result<(), Error> {
        if self.finer.is_empty() && self.longer.is_empty() {
            return Ok(());
        }
        let kept = get(conn)?;
        if let Some((what, shown, places)) =
            self.finer.iter().find(|(.., places)| *places > kept.prices)
        {
            let why = format!(
                "has more than the {} decimal places that the columns keep; the store never rounds, so \
                 round it first, or widen the columns (blotter widen --prices {places})",
                kept.prices
            );
            return Err(Error::invalid(what, shown, why));
        }
        if let Some((symbol, characters)) =
            self.longer.iter().find(|(_, characters)| *characters > usize::from(kept.symbols))
        {
            let why = format!(
                "is longer than the {} characters that the column keeps; shorten it, or widen the column \
                 (blotter widen --symbols {characters})",
                kept.symbols
            );
            return Err(Error::invalid("symbol", symbol, why));
        }
        Ok(())
    }
}

/// Refuses a symbol that no width of its column makes legal, as [`text::check_name`] does.
pub(crate) fn check_symbol(symbol: &str) -> Result<(), Error> {
    text::check_name("symbol", symbol, MAX_SYMBOL.into())
}
