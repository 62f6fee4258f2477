//! Executions in: what venues, brokers and clients report, each order, fill and action of it kept
//! exactly once.

mod apply;
mod event;
mod export;
mod formats;

pub use apply::{Options, Problem, Tally, Writer};
pub use event::{Event, Kind, Number};
pub use export::export;
pub use formats::{
    Alpaca, AnyFormat, Batch, Csv, FixReader, Format, FormatName, Malformed, Ndjson, Reader, detect,
};
