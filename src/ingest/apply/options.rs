//! What the caller states about all reports of an input.

use std::borrow::Cow;
use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use uuid::Uuid;

use crate::ingest::event::{Event, Kind};
use crate::ingest::formats::{FormatName, ReadOptions};

/// What a [`Writer`](super::Writer) applies to every report of an input.
///
/// ```
/// use tradeblotter::ingest::Options;
///
/// // Traders are taken from the reports; the broker assigns the execution ids, whatever the market.
/// let options = Options { source: Some("BRK".to_owned()), ..Options::default() };
/// # let _ = options;
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    /// The trader of every report; `None` takes the trader from each report
    /// ([`Event::trader`](crate::ingest::Event::trader)). If set, the traders in the reports are ignored.
    pub trader: Option<Uuid>,
    /// Whether a trader whom a report names and the store does not know is registered. By default its reports
    /// are kept as breaks.
    pub register_traders: bool,
    /// The venue to record for a report that names none, 1 to 50 characters; an ISO 10383 MIC such as
    /// `XNAS` where it is known. By default `UNKNOWN`.
    pub venue: String,
    /// Who assigns the execution ids of the input, 1 to 50 characters; `None` for `venue`. One source for each
    /// feed: several sessions of a broker then report the same execution, whatever they call the market.
    pub source: Option<String>,
    /// The time zone of the trading days, if order ids and execution ids start again on each of them; `None`
    /// if ids are unique for ever.
    pub daily_ids: Option<Tz>,
    /// Symbols as the input spells them, each with the one to store.
    pub symbols: HashMap<String, String>,
    /// How the input is read. The messages of open breaks from the same source are read again like it.
    pub reading: ReadOptions,
    /// The format of the input, in whose terms messages name fields.
    pub format: FormatName,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            trader: None,
            register_traders: false,
            venue: "UNKNOWN".to_owned(),
            source: None,
            daily_ids: None,
            symbols: HashMap::new(),
            reading: ReadOptions::default(),
            format: FormatName::Ndjson,
        }
    }
}

/// The fields that messages name, with their FIX tags.
const FIX_NAMES: [(&str, &str); 14] = [
    ("client_order_id", "ClOrdID (tag 11)"),
    ("original_client_order_id", "OrigClOrdID (tag 41)"),
    ("venue_order_id", "OrderID (tag 37)"),
    ("symbol", "Symbol (tag 55)"),
    ("side", "Side (tag 54)"),
    ("order_type", "OrdType (tag 40)"),
    ("quantity", "OrderQty (tag 38)"),
    ("price", "Price (tag 44, or 99 of a STOP)"),
    ("limit_price", "Price (tag 44)"),
    ("cumulative_quantity", "CumQty (tag 14)"),
    ("last_quantity", "LastQty (tag 32)"),
    ("last_price", "LastPx (tag 31)"),
    ("refers_to", "ExecRefID (tag 19)"),
    ("at", "TransactTime (tag 60)"),
];

impl Options {
    /// Returns the venue to record for a report: its own, or else the default.
    pub(super) fn venue_of<'e>(&'e self, event: &'e Event<'_>) -> &'e str {
        event.venue.as_deref().unwrap_or(&self.venue)
    }

    /// Returns who assigned the execution id of a report. If ids start again each day, so does their source:
    /// its name has the trading day after it.
    pub(super) fn source_of<'e>(&'e self, event: &'e Event<'_>) -> Cow<'e, str> {
        let feed = self.source.as_deref().unwrap_or(&self.venue);
        match (event.source.as_deref(), self.day_of(event)) {
            (Some(source), _) => source.into(),
            (None, Some(day)) => format!("{feed} {day}").into(),
            (None, None) => feed.into(),
        }
    }

    /// Whether a break with this source came from the feed of the input.
    pub(super) fn is_of_feed(&self, source: &str) -> bool {
        let feed = self.source.as_deref().unwrap_or(&self.venue);
        source.strip_prefix(feed).is_some_and(|rest| {
            rest.is_empty()
                || rest.strip_prefix(' ').is_some_and(|day| day.parse::<NaiveDate>().is_ok())
        })
    }

    /// Returns the symbol to store for that of a report; none if it has none (FIX allows `[N/A]`).
    pub(super) fn symbol_of<'e>(&'e self, event: &'e Event<'_>) -> Option<&'e str> {
        let symbol = event.symbol.as_deref().filter(|symbol| *symbol != "[N/A]")?;
        Some(self.symbols.get(symbol).map_or(symbol, String::as_str))
    }

    /// Returns the trading day whose ids a report uses; none if ids are unique for ever.
    pub(super) fn day_of(&self, event: &Event<'_>) -> Option<NaiveDate> {
        self.daily_ids?;
        event.trading_day.or_else(|| event.time().map(|time| self.day_at(time)))
    }

    /// Returns the day of a moment in the time zone of the trading days.
    pub(super) fn day_at(&self, time: DateTime<Utc>) -> NaiveDate {
        time.with_timezone(&self.daily_ids.unwrap_or(Tz::UTC)).date_naive()
    }

    /// Returns the id by which a report names its order, after the name of the field; none if it names none.
    pub(super) fn order_of(&self, event: &Event<'_>) -> Option<String> {
        let client = ("client_order_id", event.client_order_id.as_deref());
        let original = ("original_client_order_id", event.original_client_order_id.as_deref());
        let venue = ("venue_order_id", event.venue_order_id.as_deref());
        // The client's id in a report of a cancel may be that of the request.
        let ids = match event.kind {
            Kind::Cancelled | Kind::Expired => [original, client, venue],
            _ => [client, original, venue],
        };
        let (field, id) = ids.into_iter().find_map(|(field, id)| Some((field, id?)))?;
        Some(format!("{} {id}", self.name_of(field)))
    }

    /// Returns the name of a field in the terms of the input's format.
    pub(super) fn name_of(&self, field: &'static str) -> &'static str {
        let fix =
            FIX_NAMES.iter().find(|(name, _)| self.format == FormatName::Fix && *name == field);
        fix.map_or(field, |(_, name)| name)
    }
}
