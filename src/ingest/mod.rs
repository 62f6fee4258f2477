//! Executions in: what venues, brokers and clients report, each order, fill and action of it kept
//! exactly once.

mod alpaca;
mod book;
mod booked;
mod csv;
mod detect;
mod event;
mod export;
mod fields;
mod fix;
mod ndjson;
mod plan;
mod reader;
mod standing;
mod writer;

pub use alpaca::Alpaca;
pub use csv::Csv;
pub use detect::{AnyFormat, FormatName, detect};
pub use event::{Event, Kind, Number};
pub use export::export;
pub use fix::FixReader;
pub use ndjson::Ndjson;
pub use reader::{Batch, Format, Malformed, Reader};
pub use writer::{Options, Problem, Tally, Writer};
