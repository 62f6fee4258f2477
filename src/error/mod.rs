//! The one error type: what happened, to which row, which rule refused it, and what to do next.

mod database;
mod kind;
mod message;
mod repr;
mod rules;

pub(crate) use self::database::{is_conflict, is_stale_plan, stale_plans};
pub use self::kind::ErrorKind;
pub use self::repr::Error;
pub(crate) use self::rules::OVER_FILL;
