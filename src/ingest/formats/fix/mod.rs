//! FIX tag=value, versions 4.2 to 5.0 SP2 and what there was before: execution reports and what leads to
//! them, from the wire or out of logs.
//!
//! The code is our own because the crates there are (fixer, fixlite, hotfix, ironfix-tagvalue, quickfix)
//! decode the messages of a session, one by one and whole, and refuse what is not; what is kept are logs:
//! several messages to a line, with words before them, edited, cut off, and separated by what is readable.

mod message;
mod time;

use std::borrow::Cow;

use crate::ingest::event::{Event, Kind, Number};
use crate::ingest::formats::reader::{Format, Malformed};
use crate::types::enums::{OrderStatus, OrderType, Side};
use message::{Message, shown};

/// Reads FIX messages, each an event.
///
/// Read are the messages 35=8 (ExecutionReport), D (NewOrderSingle), 9 (OrderCancelReject),
/// F (OrderCancelRequest), G (OrderCancelReplaceRequest), H (OrderStatusRequest) and Q (DontKnowTrade); all
/// others are passed over, and so is a line without a message, and what stands on a line before one. The
/// fields end with SOH, `|`, `;` or the two characters `^A`, whatever follows BeginString (tag 8) in a
/// message; around those that are printed there may be spaces. Messages need no line of their own.
///
/// BodyLength (9) and CheckSum (10) are held against the message, with SOH for the separator that it has.
/// If they differ it is read with a [`note`](Event::note): logs are edited, to take out names or to put in
/// the day of a test, and then nobody counts again. [`FixReader::strict`] refuses it, as a session would.
/// A message without its trailer is cut off, and never read.
///
/// Tags 43 (PossDupFlag) and 97 (PossResend) make no difference: what is known already is known by
/// its ids.
///
/// ```
/// use tradeblotter::ingest::{FixReader, Kind, Reader};
///
/// let log = "14:30:00 in 8=FIX.4.4|9=60|35=8|37=O-1|17=E-1|150=F|39=2|32=100|31=229.87|14=100|10=122|\n";
/// let mut reader = Reader::new(log.as_bytes(), FixReader::new(None));
/// let batch = reader.batch(1000)?.unwrap_or_default();
/// let event = &batch.events[0];
/// assert_eq!((event.kind, event.venue_order_id.as_deref()), (Kind::Fill, Some("O-1")));
/// // Somebody has edited it.
/// assert!(event.note.as_deref().is_some_and(|note| note.starts_with("tag 9 (BodyLength) is 60")));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct FixReader {
    trader_tag: Option<u32>,
    is_strict: bool,
}

impl FixReader {
    /// A reader that takes the trader from this tag, such as 1 (Account), 50 (SenderSubID) or one of the
    /// user's own; from none if there is none.
    pub fn new(trader_tag: Option<u32>) -> Self {
        Self { trader_tag, is_strict: false }
    }

    /// To refuse a message whose BodyLength (9) or CheckSum (10) is wrong, rather than to note it.
    #[must_use]
    pub fn strict(self) -> Self {
        Self { is_strict: true, ..self }
    }
}

impl Format for FixReader {
    fn cut(&self, bytes: &[u8], at_end: bool) -> Option<usize> {
        message::cut(bytes, at_end)
    }

    fn read<'a>(&mut self, unit: &'a [u8], line: u64) -> Result<Option<Event<'a>>, Malformed> {
        let is_read =
            |kind: &[u8]| matches!(kind, [b'8' | b'9' | b'D' | b'F' | b'G' | b'H' | b'Q']);
        let Some(mut message) = Message::read(unit, line, is_read, self.trader_tag)? else {
            return Ok(None);
        };
        if let Some(doubt) = message.note.take_if(|_| self.is_strict) {
            return Err(message.broken(format!("is damaged: {doubt}")));
        }
        let mut event = Event::new(Kind::Status, message.line(), message.raw());
        event.trader = message.other();
        event.note = message.note.take();
        tell(&mut event, &message)?;
        Ok(Some(event))
    }
}

/// Puts into the event what the message tells.
fn tell<'a>(event: &mut Event<'a>, message: &Message<'a>) -> Result<(), Malformed> {
    event.client_order_id = message.text(11);
    event.original_client_order_id = message.text(41);
    // What FIX has a venue say that knows no such order.
    event.venue_order_id = message.text(37).filter(|id| id != "NONE");
    event.symbol = message.text(55);
    event.reason = message.text(58);
    event.at = match message.time(60)? {
        None => message.time(52)?,
        at => at,
    };
    match message.required(35)? {
        b"8" => return add_report(event, message),
        b"D" => {
            event.kind = Kind::NewOrder;
            event.original_client_order_id = None;
            return add_terms(event, message);
        }
        b"9" => {
            event.kind = Kind::CancelRejected;
            event.error_code = message.tagged(102);
        }
        b"Q" => {
            let execution = message.get(17).map(shown).unwrap_or_default();
            note(event, format!("execution {execution} is disputed (DontKnowTrade)"));
        }
        // Only asked for: nothing of it holds before the venue says so.
        _ => {}
    }
    Ok(())
}

fn note(event: &mut Event<'_>, note: String) {
    event.note = Some(match event.note.take() {
        Some(before) => format!("{before}; {note}"),
        None => note,
    });
}

/// What an execution report (35=8) tells.
fn add_report<'a>(event: &mut Event<'a>, message: &Message<'a>) -> Result<(), Malformed> {
    event.kind = kind_of_report(message)?;
    add_terms(event, message)?;
    event.execution_id = message.text(17);
    event.venue = message.text(30);
    event.status = status(message)?;
    event.cumulative_quantity = message.number(14)?;
    event.average_price = message.number(6)?;
    event.currency = message.text(15);
    match event.kind {
        Kind::Fill | Kind::Bust | Kind::Correct => add_execution(event, message)?,
        Kind::Rejected => event.error_code = message.tagged(103),
        Kind::Cancelled if message.get(150) != Some(b"4") && event.reason.is_none() => {
            event.reason = Some(Cow::Borrowed("done for day"));
        }
        _ => {}
    }
    Ok(())
}

/// What has happened by an execution report.
fn kind_of_report(message: &Message<'_>) -> Result<Kind, Malformed> {
    match message.get(20) {
        None | Some(b"0") => {}
        Some(b"1") => return Ok(Kind::Bust),
        Some(b"2") => return Ok(Kind::Correct),
        Some(b"3") => return Ok(Kind::Status),
        Some(found) => return Err(message.wrong(20, found, "0 to 3")),
    }
    let Some(kind) = message.get(150) else { return kind_without_type(message) };
    Ok(match kind {
        b"0" => Kind::Acknowledged,
        b"1" | b"2" if !is_positive(message.number(32)?) => Kind::Status,
        b"1" | b"2" | b"F" => Kind::Fill,
        // The day's last word on an order: over, if no shares are left to fill.
        b"3" if has_ended_with_day(message)? => Kind::Cancelled,
        b"4" => Kind::Cancelled,
        b"5" => Kind::Replaced,
        // Of a second order under the same ClOrdID; the report then tells how the first one stands.
        b"8" if !matches!(message.get(39), None | Some(b"8")) => Kind::Status,
        b"8" => Kind::Rejected,
        b"C" => Kind::Expired,
        b"G" => Kind::Correct,
        b"H" => Kind::Bust,
        b"3" | b"6" | b"7" | b"9" | b"A" | b"B" | b"D" | b"E" | b"I" | b"J" | b"K" | b"L"
        | b"M" | b"N" => Kind::Status,
        found => return Err(message.wrong(150, found, "0 to 9 or A to N")),
    })
}

/// What has happened where there is no ExecType, as before FIX 4.1: the order's status tells. There it
/// is the most telling one, so that an order to be cancelled which is filled is still to be cancelled.
fn kind_without_type(message: &Message<'_>) -> Result<Kind, Malformed> {
    Ok(match message.get(39).ok_or_else(|| message.missing(150))? {
        b"0" => Kind::Acknowledged,
        b"4" => Kind::Cancelled,
        b"5" => Kind::Replaced,
        b"8" => Kind::Rejected,
        b"C" => Kind::Expired,
        _ if is_positive(message.number(32)?) => Kind::Fill,
        b"3" if has_ended_with_day(message)? => Kind::Cancelled,
        _ => Kind::Status,
    })
}

/// Whether an order that is done for the day is so for good: no shares of it are left to fill.
fn has_ended_with_day(message: &Message<'_>) -> Result<bool, Malformed> {
    Ok(message.number(151)?.is_some_and(|left| !is_positive(Some(left))))
}

/// Whether there is a number, above 0.
fn is_positive(number: Option<Number<'_>>) -> bool {
    number.is_some_and(|number| {
        let text = number.as_str();
        !text.starts_with('-') && text.bytes().any(|byte| matches!(byte, b'1'..=b'9'))
    })
}

/// How the order stands (39), where the store has such a status.
fn status(message: &Message<'_>) -> Result<Option<OrderStatus>, Malformed> {
    Ok(match message.get(39) {
        Some(b"0" | b"A") => Some(OrderStatus::Pending),
        Some(b"1") => Some(OrderStatus::Partial),
        Some(b"2") => Some(OrderStatus::Filled),
        Some(b"3") if has_ended_with_day(message)? => Some(OrderStatus::Cancelled),
        Some(b"4" | b"C") => Some(OrderStatus::Cancelled),
        Some(b"8") => Some(OrderStatus::Rejected),
        None | Some(b"3" | b"5" | b"6" | b"7" | b"9" | b"B" | b"D" | b"E") => None,
        Some(found) => return Err(message.wrong(39, found, "0 to 9 or A to E")),
    })
}

/// What the order is.
fn add_terms<'a>(event: &mut Event<'a>, message: &Message<'a>) -> Result<(), Malformed> {
    event.side = match message.get(54) {
        None => None,
        Some(b"1" | b"3") => Some(Side::Buy),
        Some(b"2" | b"4" | b"5" | b"6") => Some(Side::Sell),
        Some(found) => {
            return Err(message.wrong(54, found, "1 or 3 for a buy, 2, 4, 5 or 6 for a sell"));
        }
    };
    event.order_type = match message.get(40) {
        // On the close (5, B) is a matter of when, and not of the price.
        Some(b"1" | b"5") => Some(OrderType::Market),
        Some(b"2" | b"B") => Some(OrderType::Limit),
        Some(b"3" | b"4") => Some(OrderType::Stop),
        // The store has no such type, and must not take it for one that it has.
        _ => None,
    };
    event.price = match event.order_type {
        Some(OrderType::Market) => None,
        Some(OrderType::Limit) => message.number(44)?,
        Some(OrderType::Stop) => message.number(99)?,
        None => match message.number(44)? {
            None => message.number(99)?,
            price => price,
        },
    };
    if message.get(40) == Some(b"4") {
        let limit = message.get(44).map(shown).unwrap_or_default();
        note(
            event,
            format!(
                "tag 40 (OrdType) is 4, a stop limit order; the store has it as a STOP, without its limit {limit}"
            ),
        );
    }
    event.quantity = message.number(38)?;
    event.expires_at = message.time(126)?;
    Ok(())
}

/// What was executed, or busted or corrected.
fn add_execution<'a>(event: &mut Event<'a>, message: &Message<'a>) -> Result<(), Malformed> {
    if event.kind != Kind::Fill {
        message.required(19)?;
        event.refers_to = message.text(19);
    }
    if event.kind != Kind::Bust {
        message.required(32)?;
        message.required(31)?;
    }
    event.last_quantity = message.number(32)?;
    event.last_price = message.number(31)?;
    // By 13 (CommType) it may be a rate, per share or in percent; only 3 is an amount.
    if matches!(message.get(13), None | Some(b"3")) {
        event.commission = message.number(12)?;
    }
    Ok(())
}
