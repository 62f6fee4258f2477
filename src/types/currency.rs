//! Currencies in which venues quote prices in either of two units, such as pounds and pence.

use bigdecimal::BigDecimal;

/// Codes of currencies, each with the code that venues use for a hundredth of it. ISO 4217 defines none
/// for the latter.
const MINOR_UNITS: [(&str, &str); 6] = [
    ("GBP", "GBp"),
    ("GBP", "GBX"),
    ("ZAR", "ZAc"),
    ("ZAR", "ZAX"),
    ("ILS", "ILA"),
    ("ILS", "ILs"),
];

/// Returns the factors by which a price in this currency may differ from the same price in another
/// report: 1, and 100 or 0.01 where one report quotes pounds and the other pence.
pub(crate) fn unit_factors(currency: Option<&str>) -> Vec<BigDecimal> {
    let mut factors = vec![BigDecimal::from(1)];
    if MINOR_UNITS.iter().any(|(major, _)| Some(*major) == currency) {
        factors.push(BigDecimal::from(100));
    } else if MINOR_UNITS.iter().any(|(_, minor)| Some(*minor) == currency) {
        factors.push(BigDecimal::new(1.into(), 2));
    }
    factors
}
