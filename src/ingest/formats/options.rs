//! [`ReadOptions`]: what a reader needs to know that the reports don't say.

use std::fmt;
use std::str::FromStr;

use encoding_rs::Encoding;

use crate::error::Error;

/// Greatest tag: FIX has no more digits.
const MAX_TAG: u32 = 999_999_999;

/// How to read reports. The default takes no trader from FIX reports and accepts UTF-8 only.
///
/// ```
/// use tradeblotter::ingest::{Encoding, FixReader, ReadOptions};
///
/// let options = ReadOptions {
///     // Account (1); if it is missing, the client of the session: the sender of requests, the target of reports.
///     trader_from: vec!["1".parse()?, "49/56".parse()?],
///     encoding: Encoding::for_label(b"windows-1251"),
///     trust_unverified: false,
/// };
/// let reader = FixReader::new(options);
/// # Ok::<(), tradeblotter::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    /// The FIX tags that may hold the trader. The first one that is present and not blank counts.
    pub trader_from: Vec<TraderTag>,
    /// The encoding of text that is not UTF-8. Without one such text is refused.
    pub encoding: Option<&'static Encoding>,
    /// Accepts messages that fail the checks of a log with printed separators, with a note. See
    /// [`FixReader`](super::FixReader).
    pub trust_unverified: bool,
}

/// A FIX tag that holds the trader: the same one in all messages, or one for requests and another for reports.
///
/// Parsed from `1` or `49/56`. Requests are the messages that a client sends (35=D, F, G, H, Q), reports those
/// that it receives (35=8, 9): `49/56` is the SenderCompID of requests and the TargetCompID of reports, so the
/// client's side of the session in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraderTag {
    pub(super) request: u32,
    pub(super) report: u32,
}

impl From<u32> for TraderTag {
    /// Returns the tag for all messages.
    fn from(tag: u32) -> Self {
        Self { request: tag, report: tag }
    }
}

impl FromStr for TraderTag {
    type Err = Error;

    /// Parses `1` or `49/56`; anything else is [`Error::is_invalid_input`].
    fn from_str(text: &str) -> Result<Self, Error> {
        let (request, report) = text.split_once('/').unwrap_or((text, text));
        let tag = |digits: &str| {
            let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
            let tag = digits.parse().ok().filter(|tag| (1..=MAX_TAG).contains(tag) && is_number);
            tag.ok_or_else(|| {
                let why = "must be a FIX tag such as 1, or one of requests and one of reports such as 49/56";
                Error::invalid("trader tag", text, why)
            })
        };
        Ok(Self { request: tag(request)?, report: tag(report)? })
    }
}

impl fmt::Display for TraderTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.request)?;
        if self.report != self.request {
            write!(f, "/{}", self.report)?;
        }
        Ok(())
    }
}
