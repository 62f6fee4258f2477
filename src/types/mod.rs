//! What the columns hold: enums, prices, text; and what a listing asks for and gives.

pub(crate) mod currency;
pub(crate) mod difference;
pub(crate) mod enums;
pub(crate) mod filter;
pub(crate) mod page;
pub mod precision;
pub(crate) mod price;
pub(crate) mod text;
