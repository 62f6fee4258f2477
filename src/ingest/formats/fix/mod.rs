//! FIX tag=value, versions 4.0 to 5.0 SP2: execution reports and the messages around them, from a
//! connection or from logs.
//!
//! A message passes through these files: [`scan`] finds it, [`frame`] knows where it ends and checks its
//! length and checksum, [`message`] splits it into the fields that [`tags`] names, and [`mapping`] makes an
//! [`Event`] of them.
//!
//! The parser is our own because the published crates (fixer, fixlite, hotfix, ironfix-tagvalue, quickfix)
//! decode the messages of a session one by one and refuse everything else. Logs have several messages to a
//! line, with other text before them, edited, cut off, and with printable separators.

mod frame;
mod mapping;
mod message;
mod scan;
mod tags;
mod time;

use encoding_rs::Encoding;
use memchr::memchr;

use crate::ingest::event::{Event, Kind};
use crate::ingest::formats::options::ReadOptions;
use crate::ingest::formats::reader::{Format, Malformed};
use frame::BeginString;
use message::Message;
pub(super) use time::LEAP_NANOSECONDS;

/// Reads FIX messages in tag=value form, one event from each.
///
/// These messages (MsgType, tag 35) are read: 8 (ExecutionReport), D (NewOrderSingle), 9
/// (OrderCancelReject), F (OrderCancelRequest), G (OrderCancelReplaceRequest), H (OrderStatusRequest) and Q
/// (DontKnowTrade). All other messages are skipped, as are lines without a message and the text before a
/// message. FIX messages in the XML of others (35=n) are read.
///
/// **Errors.** An execution report or an order is never [`Malformed`], whatever is wrong with it: the event has
/// the fields that can be read, and a [`defect`](Event::defect) that names the others, so that it is kept as a
/// break. A field that only adds to the report, such as AvgPx (6) or TransactTime (60), is left out with a
/// [`note`](Event::note). Messages without effect (35=9, F, G, H, Q) have notes only.
///
/// **Separators.** Fields end with whatever follows BeginString (tag 8) in the message: SOH, or what a log prints
/// in its place, such as `|`, `;`, `^A`, `<SOH>`, `\u0001` or a tab, and the spaces around it. Several messages may
/// stand on one line.
///
/// **Length and checksum.** BodyLength (9) and CheckSum (10) are computed with SOH for the separator. If they are
/// wrong, a message with SOH is read nevertheless, with a note: logs are edited, to remove names or to change
/// dates, without counting again. With a printed separator it has a defect, because a text that contains the
/// separator cannot be told from fields, so that whoever writes the text could forge a fill. The same holds for a
/// message that begins within another one, which has no end, on the same line. A tag that occurs twice outside
/// of a repeating group is a defect with any separator. [`ReadOptions::trust_unverified`] makes notes of these
/// defects; of a repeated tag, the first value counts.
///
/// **Encodings.** Text that is not UTF-8 is in the encoding that the message names (347, MessageEncoding), or else
/// in that of [`ReadOptions::encoding`]. Without either the event has a defect, except for Text (58), which is
/// left out.
///
/// **Duplicates.** PossDupFlag (43) and PossResend (97) are ignored: the writer recognizes duplicates by
/// their ids.
///
/// ```
/// use tradeblotter::ingest::{FixReader, Kind, Reader};
///
/// let log = "14:30:00 in 8=FIX.4.4|9=54|35=8|37=O-1|17=E-1|150=F|39=2|32=100|31=229.87|14=100|10=183|\n\
///            14:30:01 in 8=FIX.4.4|9=54|35=8|37=O-1|17=E-2|150=F|39=2|32=100|31=929.87|14=100|10=184|\n";
/// let mut reader = Reader::new(log.as_bytes(), FixReader::default());
/// let batch = reader.batch(1000)?.unwrap_or_default();
/// let (event, edited) = (&batch.events[0], &batch.events[1]);
/// assert_eq!((event.kind, event.venue_order_id.as_deref()), (Kind::Fill, Some("O-1")));
/// assert_eq!(event.defect, None);
/// // The second message was edited after it was sent.
/// assert!(edited.defect.as_deref().is_some_and(|why| why.starts_with("tag 10 (CheckSum)")));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct FixReader {
    options: ReadOptions,
    /// Whether a message on this line has no end, so that what follows may be its text.
    is_within: bool,
}

impl FixReader {
    /// Returns a reader with these options.
    pub fn new(options: ReadOptions) -> Self {
        Self { options, is_within: false }
    }
}

impl Format for FixReader {
    /// Returns an encoding whose bytes are not those of FIX, such as UTF-16. Others are those of fields.
    fn encoding(&self) -> Option<&'static Encoding> {
        self.options.encoding.filter(|encoding| !encoding.is_ascii_compatible())
    }

    fn cut(&self, bytes: &[u8], at_end: bool) -> Option<usize> {
        scan::cut(bytes, at_end)
    }

    fn read<'a>(&mut self, unit: &'a [u8], line: u64) -> Result<Option<Event<'a>>, Malformed> {
        let Some(begin_string) = BeginString::find(unit) else {
            self.is_within &= memchr(b'\n', unit).is_none();
            return scan::check_no_message(unit, line).map(|()| None);
        };
        let is_within = self.is_within && memchr(b'\n', &unit[..begin_string.begin]).is_none();
        let mut message = Message::new(unit, line, &begin_string, self.options.encoding);
        let is_read =
            message.read(|kind| matches!(kind, [b'8' | b'9' | b'D' | b'F' | b'G' | b'H' | b'Q']));
        let is_whole = matches!(is_read, Ok(true)) && message.doubts.broken.is_none()
            || begin_string.has_trailer(unit)
            || begin_string.is_wrapper(unit);
        self.is_within = (is_within || !is_whole) && unit.last() != Some(&b'\n');
        if !is_read? {
            return Ok(None);
        }
        // A text cannot contain SOH.
        let is_within = is_within && message.is_printed();
        let raw = if is_within { message.raw_within() } else { message.raw() };
        let mut event = Event::new(Kind::Status, message.line(), raw);
        mapping::set_fields(&mut event, &message, &self.options, is_within);
        Ok(Some(event))
    }
}
