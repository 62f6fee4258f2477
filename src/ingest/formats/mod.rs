//! The formats of reports, one file each, and the reader that applies one to an input.

mod alpaca;
mod csv;
mod defects;
mod detect;
mod fields;
mod fix;
mod ndjson;
mod object;
mod options;
mod reader;
mod text;

pub use alpaca::Alpaca;
pub use csv::Csv;
pub use detect::{AnyFormat, FormatName, detect};
pub(super) use detect::{message_of_kept, read_message};
pub use fix::FixReader;
pub use ndjson::Ndjson;
pub use options::{ReadOptions, TraderTag};
pub use reader::{Batch, Format, Malformed, Reader};
