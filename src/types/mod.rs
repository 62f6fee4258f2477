//! The types of columns (enums, prices, text), and of queries (filters, pages).

pub(crate) mod currency;
pub(crate) mod difference;
pub(crate) mod enums;
pub(crate) mod filter;
pub(crate) mod instructions;
pub(crate) mod page;
pub(crate) mod price;
pub(crate) mod text;
pub mod widths;
pub(crate) mod years;
