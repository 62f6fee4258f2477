//! Currencies whose prices are told in either of two units.

use bigdecimal::BigDecimal;

/// Pairs of codes: the currency, and what its hundredth part is called by venues that price in it. ISO
/// 4217 has no codes for these.
const MINOR: [(&str, &str); 6] = [
    ("GBP", "GBp"),
    ("GBP", "GBX"),
    ("ZAR", "ZAc"),
    ("ZAR", "ZAX"),
    ("ILS", "ILA"),
    ("ILS", "ILs"),
];

/// What a price in this currency may have to be multiplied by to be the same price as another report
/// tells it, in pounds or in pence.
pub(crate) fn factors(currency: Option<&str>) -> Vec<BigDecimal> {
    let mut factors = vec![BigDecimal::from(1)];
    if MINOR.iter().any(|(major, _)| Some(*major) == currency) {
        factors.push(BigDecimal::from(100));
    } else if MINOR.iter().any(|(_, minor)| Some(*minor) == currency) {
        factors.push(BigDecimal::new(1.into(), 2));
    }
    factors
}
