//! Exact decimals that fit their columns: [`Price`] and [`Commission`].
//!
//! Both have at most eight digits before the point and ten after it. Their columns keep two decimal
//! places, or as many as they have been widened to ([`widths`](crate::widths)). PostgreSQL would
//! silently round 10.005 to 10.01; the store refuses it instead. No float goes in or comes out.

use std::fmt;
use std::str::FromStr;

use bigdecimal::{BigDecimal, RoundingMode, Signed, ToPrimitive, Zero};
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::Numeric;

use crate::error::Error;

/// The most decimal places that the types keep, and that a column can be widened to.
pub(crate) const MAX_SCALE: u8 = 10;

/// The decimal places that the columns keep unless they are widened.
pub(crate) const LEAST_SCALE: u8 = 2;

/// The most digits before the point.
const MAX_WHOLE_DIGITS: i64 = 8;

/// The value 1 in units of the last decimal place.
const ONE: i64 = 10_000_000_000;

/// The value 0.01 in units of the last decimal place.
const CENT: i64 = ONE / 100;

/// The longest text that is parsed, in bytes; a longer one is refused unread, so that hostile input costs
/// nothing.
const MAX_TEXT: usize = 40;

/// A price per share in currency units (FIX tags 31 LastPx, 44 Price, 99 StopPx): more than 0, less than
/// 100000000, with up to ten decimal places. The columns keep two of these, unless they have been
/// [widened](crate::widths::widen).
///
/// ```
/// use tradeblotter::Price;
///
/// let price: Price = "10.5".parse()?;
/// assert_eq!(price.to_string(), "10.50");
///
/// for refused in ["0.00000000001", "0", "-1", "100000000", "NaN", "1e2", ""] {
///     assert!(refused.parse::<Price>().unwrap_err().is_invalid_input());
/// }
/// # Ok::<(), tradeblotter::Error>(())
/// ```
#[derive(AsExpression, FromSqlRow, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[diesel(sql_type = Numeric)]
pub struct Price(i64);

/// A commission in currency units (FIX tag 12): 0 or more, less than 100000000, with the decimal places of
/// a [`Price`]. The default is 0.
///
/// ```
/// use tradeblotter::Commission;
///
/// assert_eq!(Commission::default(), "0".parse()?);
/// assert!("-0.01".parse::<Commission>().is_err());
/// # Ok::<(), tradeblotter::Error>(())
/// ```
#[derive(AsExpression, FromSqlRow, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[diesel(sql_type = Numeric)]
pub struct Commission(i64);

/// Parses a plain decimal: an optional minus sign, digits, an optional point with digits. No exponent, no
/// separators.
fn parse(text: &str) -> Result<BigDecimal, &'static str> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if text.len() > MAX_TEXT || !digits(whole) || !digits(fraction) {
        return Err("is not a plain decimal number such as 10.50");
    }
    BigDecimal::from_str(text).map_err(|_| "is not a plain decimal number such as 10.50")
}

/// Converts a value to units of the last decimal place, if it fits. Works on digit counts, so that
/// 10^999999999 is refused without being written out.
fn units(value: &BigDecimal) -> Result<i64, &'static str> {
    if value.is_zero() {
        return Ok(0);
    }
    // Too large whatever its digits are; and `normalized` overflows on much larger exponents.
    if value.fractional_digit_count() <= -MAX_WHOLE_DIGITS {
        return Err("is not less than 100000000");
    }
    let value = value.normalized();
    let scale = value.fractional_digit_count();
    let digits = i64::try_from(value.digits()).unwrap_or(i64::MAX);
    if scale > i64::from(MAX_SCALE) {
        return Err("has more than ten decimal places; the store never rounds, so round it first");
    }
    if digits.saturating_sub(scale) > MAX_WHOLE_DIGITS {
        return Err("is not less than 100000000");
    }
    let (integer, _) = value.with_scale(i64::from(MAX_SCALE)).into_bigint_and_exponent();
    integer.to_i64().ok_or("is not less than 100000000")
}

/// Returns the decimal places of a value in units, without trailing zeros.
fn places(units: i64) -> u8 {
    let (mut units, mut places) = (units, MAX_SCALE);
    while places > 0 && units % 10 == 0 {
        units /= 10;
        places -= 1;
    }
    places
}

/// Returns the average price of `shares` that cost `notional` in all, rounded to `scale` decimal places as
/// PostgreSQL rounds: halves away from zero. None for 0 shares.
pub(crate) fn average(notional: &BigDecimal, shares: i32, scale: u8) -> Option<Price> {
    let shares = Some(shares).filter(|shares| *shares > 0)?;
    let exact = notional / BigDecimal::from(shares);
    Price::fitting(&exact.with_scale_round(scale.into(), RoundingMode::HalfUp)).ok()
}

/// Returns whether a value has more decimal places than any column of money can keep.
pub(crate) fn exceeds_max_scale(value: &BigDecimal) -> bool {
    !value.is_zero() && value.normalized().fractional_digit_count() > i64::from(MAX_SCALE)
}

/// Formats a value without an exponent, unless that would be very long.
fn shown(value: &BigDecimal) -> String {
    if value.fractional_digit_count().unsigned_abs() <= MAX_TEXT as u64 {
        value.to_plain_string()
    } else {
        value.to_scientific_notation()
    }
}

macro_rules! exact_decimal {
    ($type:ident, $noun:literal, refused when $units:ident: $refused:expr, $why:literal) => {
        impl $type {
            /// Returns the decimal places that a column needs to store it.
            pub(crate) fn decimal_places(self) -> u8 {
                places(self.0)
            }

            /// Converts a value that fits exactly.
            fn fitting(value: &BigDecimal) -> Result<Self, &'static str> {
                if value.is_negative() {
                    return Err($why);
                }
                let $units = units(value)?;
                if $refused { Err($why) } else { Ok(Self($units)) }
            }
        }

        impl FromStr for $type {
            type Err = Error;

            /// Parses a plain decimal such as `10.50`. A value that does not fit exactly is
            /// [`Error::is_invalid_input`]: it is never rounded.
            fn from_str(text: &str) -> Result<Self, Error> {
                parse(text)
                    .and_then(|value| Self::fitting(&value))
                    .map_err(|why| Error::invalid($noun, text, why))
            }
        }

        impl TryFrom<BigDecimal> for $type {
            type Error = Error;

            /// Converts a value that fits exactly; any other is [`Error::is_invalid_input`].
            fn try_from(value: BigDecimal) -> Result<Self, Error> {
                Self::fitting(&value).map_err(|why| Error::invalid($noun, &shown(&value), why))
            }
        }

        impl From<$type> for BigDecimal {
            fn from(value: $type) -> Self {
                match value.0 % CENT {
                    0 => BigDecimal::new((value.0 / CENT).into(), LEAST_SCALE.into()),
                    _ => BigDecimal::new(value.0.into(), MAX_SCALE.into()).normalized(),
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let after = usize::from(places(self.0).max(LEAST_SCALE));
                let digits = format!("{:010}", self.0 % ONE);
                let after = digits.get(..after).unwrap_or(&digits);
                f.pad(&format!("{}.{after}", self.0 / ONE))
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($type), "({})"), self)
            }
        }

        impl ToSql<Numeric, Pg> for $type {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
                <BigDecimal as ToSql<Numeric, Pg>>::to_sql(&(*self).into(), &mut out.reborrow())
            }
        }

        impl FromSql<Numeric, Pg> for $type {
            fn from_sql(bytes: PgValue<'_>) -> deserialize::Result<Self> {
                let value = <BigDecimal as FromSql<Numeric, Pg>>::from_sql(bytes)?;
                Ok(Self::try_from(value)?)
            }
        }

        #[cfg(feature = "serde")]
        crate::types::text::serde_as_text!($type);
    };
}

exact_decimal!(Price, "price", refused when units: units == 0, "must be more than 0");
exact_decimal!(Commission, "commission", refused when units: units < 0, "must be 0 or more");
