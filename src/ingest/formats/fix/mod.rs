//! FIX tag=value, versions 4.0 to 5.0 SP2: execution reports and the messages around them, from a
//! connection or from logs.
//!
//! A message passes through these files: [`scan`] finds it, [`frame`] knows where it ends and checks its
//! length and checksum, [`message`] splits it into the fields that [`tags`] names, and this file makes an
//! [`Event`] of them.
//!
//! The parser is our own because the published crates (fixer, fixlite, hotfix, ironfix-tagvalue, quickfix)
//! decode the messages of a session one by one and refuse everything else. Logs have several messages to a
//! line, with other text before them, edited, cut off, and with printable separators.

mod frame;
mod message;
mod scan;
mod tags;
mod time;

use std::borrow::Cow;

use crate::ingest::event::{Event, Kind, Number};
use crate::ingest::formats::reader::{Format, Malformed};
use crate::types::enums::{OrderStatus, OrderType, Side, TimeInForce};
use crate::types::instructions::Instructions;
use frame::BeginString;
use message::{Message, show};

/// Reads FIX messages in tag=value form, one event from each.
///
/// These messages (MsgType, tag 35) are read: 8 (ExecutionReport), D (NewOrderSingle), 9
/// (OrderCancelReject), F (OrderCancelRequest), G (OrderCancelReplaceRequest), H (OrderStatusRequest) and Q
/// (DontKnowTrade). All other messages are skipped, as are lines without a message and the text before a
/// message.
///
/// **Separators.** Fields end with SOH, `|`, `;` or the two characters `^A`: with whatever follows
/// BeginString (tag 8) in the message. There may be spaces around the printable ones. Several messages may
/// stand on one line.
///
/// **Length and checksum.** BodyLength (9) and CheckSum (10) are computed with SOH for the separator. If
/// they are wrong the message is read nevertheless, with a [`note`](Event::note): logs are edited, to remove
/// names or to change dates, without counting again. [`FixReader::strict`] refuses such a message, as a
/// session must. A message that is cut off before its CheckSum is [`Malformed`].
///
/// **Duplicates.** PossDupFlag (43) and PossResend (97) are ignored: the writer recognizes duplicates by
/// their ids.
///
/// ```
/// use tradeblotter::ingest::{FixReader, Kind, Reader};
///
/// let log = "14:30:00 in 8=FIX.4.4|9=60|35=8|37=O-1|17=E-1|150=F|39=2|32=100|31=229.87|14=100|10=122|\n";
/// let mut reader = Reader::new(log.as_bytes(), FixReader::new(None));
/// let batch = reader.batch(1000)?.unwrap_or_default();
/// let event = &batch.events[0];
/// assert_eq!((event.kind, event.venue_order_id.as_deref()), (Kind::Fill, Some("O-1")));
/// // The message was edited after it was sent.
/// assert!(event.note.as_deref().is_some_and(|note| note.starts_with("tag 9 (BodyLength) is 60")));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct FixReader {
    trader_tag: Option<u32>,
    is_strict: bool,
}

impl FixReader {
    /// Returns a reader that takes [`Event::trader`] from this tag, such as 1 (Account), 50 (SenderSubID) or
    /// a user-defined one; from none without a tag.
    pub fn new(trader_tag: Option<u32>) -> Self {
        Self { trader_tag, is_strict: false }
    }

    /// Refuses messages whose BodyLength (9) or CheckSum (10) is wrong, as [`Malformed`].
    #[must_use]
    pub fn strict(self) -> Self {
        Self { is_strict: true, ..self }
    }
}

impl Format for FixReader {
    fn cut(&self, bytes: &[u8], at_end: bool) -> Option<usize> {
        scan::cut(bytes, at_end)
    }

    fn read<'a>(&mut self, unit: &'a [u8], line: u64) -> Result<Option<Event<'a>>, Malformed> {
        let Some(begin_string) = BeginString::find(unit) else {
            return scan::check_no_message(unit, line).map(|()| None);
        };
        let is_read =
            |kind: &[u8]| matches!(kind, [b'8' | b'9' | b'D' | b'F' | b'G' | b'H' | b'Q']);
        let message = Message::read(unit, line, &begin_string, is_read, self.trader_tag)?;
        let Some(mut message) = message else { return Ok(None) };
        if let Some(note) = message.note.take_if(|_| self.is_strict) {
            return Err(message.broken(format!("is damaged: {note}")));
        }
        let mut event = Event::new(Kind::Status, message.line(), message.raw());
        event.trader = message.extra();
        event.note = message.note.take();
        set_fields(&mut event, &message)?;
        Ok(Some(event))
    }
}

/// Sets the fields of an event from those of a message.
fn set_fields<'a>(event: &mut Event<'a>, message: &Message<'a>) -> Result<(), Malformed> {
    event.client_order_id = message.text(tags::CL_ORD_ID);
    event.original_client_order_id = message.text(tags::ORIG_CL_ORD_ID);
    // FIX requires OrderID; a venue that knows no such order sends NONE.
    event.venue_order_id = message.text(tags::ORDER_ID).filter(|id| id != "NONE");
    event.symbol = message.text(tags::SYMBOL);
    event.reason = message.text(tags::TEXT);
    event.at = message.time(tags::TRANSACT_TIME)?;
    event.sent_at = message.time(tags::SENDING_TIME)?;
    match message.required(tags::MSG_TYPE)? {
        b"8" => return set_report(event, message),
        b"D" => {
            event.kind = Kind::NewOrder;
            event.original_client_order_id = None;
            set_terms(event, message)?;
            return set_new_order(event, message);
        }
        b"9" => {
            event.kind = Kind::CancelRejected;
            event.error_code = message.with_tag(tags::CXL_REJ_REASON);
        }
        b"Q" => {
            let execution = message.get(tags::EXEC_ID).map(show).unwrap_or_default();
            add_note(event, format!("execution {execution} is disputed (DontKnowTrade)"));
        }
        // A request: its terms don't hold before the venue confirms them.
        _ => {}
    }
    Ok(())
}

fn add_note(event: &mut Event<'_>, note: String) {
    event.note = Some(match event.note.take() {
        Some(before) => format!("{before}; {note}"),
        None => note,
    });
}

/// Sets the fields of an execution report (35=8).
fn set_report<'a>(event: &mut Event<'a>, message: &Message<'a>) -> Result<(), Malformed> {
    event.kind = kind_of_report(message)?;
    set_terms(event, message)?;
    event.execution_id = message.text(tags::EXEC_ID);
    event.venue = message.text(tags::LAST_MKT);
    event.status = status(message)?;
    event.cumulative_quantity = message.number(tags::CUM_QTY)?;
    event.average_price = message.number(tags::AVG_PX)?;
    event.currency = message.text(tags::CURRENCY);
    match event.kind {
        Kind::Fill | Kind::Bust | Kind::Correct => set_execution(event, message)?,
        Kind::Rejected => event.error_code = message.with_tag(tags::ORD_REJ_REASON),
        Kind::Cancelled if message.get(tags::EXEC_TYPE) != Some(b"4") && event.reason.is_none() => {
            event.reason = Some(Cow::Borrowed("done for day"));
        }
        _ => {}
    }
    Ok(())
}

/// The kind of an execution report: by ExecTransType (20) where it is not new, else by ExecType (150).
fn kind_of_report(message: &Message<'_>) -> Result<Kind, Malformed> {
    match message.get(tags::EXEC_TRANS_TYPE) {
        None | Some(b"0") => {}
        Some(b"1") => return Ok(Kind::Bust),
        Some(b"2") => return Ok(Kind::Correct),
        Some(b"3") => return Ok(Kind::Status),
        Some(found) => return Err(message.wrong(tags::EXEC_TRANS_TYPE, found, "0 to 3")),
    }
    let Some(exec_type) = message.get(tags::EXEC_TYPE) else { return kind_by_status(message) };
    Ok(match exec_type {
        b"0" => Kind::Acknowledged,
        b"1" | b"2" if !is_positive(message.number(tags::LAST_QTY)?) => Kind::Status,
        b"1" | b"2" | b"F" => Kind::Fill,
        // Done for day ends the order only if no shares are left to fill.
        b"3" if has_no_shares_left(message)? => Kind::Cancelled,
        b"4" => Kind::Cancelled,
        b"5" => Kind::Replaced,
        b"A" => Kind::PendingNew,
        b"D" => Kind::Restated,
        // The rejection of a second order with the same ClOrdID; OrdStatus is that of the first order.
        b"8" if !matches!(message.get(tags::ORD_STATUS), None | Some(b"8")) => Kind::Status,
        b"8" => Kind::Rejected,
        b"C" => Kind::Expired,
        b"G" => Kind::Correct,
        b"H" => Kind::Bust,
        b"3" | b"6" | b"7" | b"9" | b"B" | b"E" | b"I" | b"J" | b"K" | b"L" | b"M" | b"N" => {
            Kind::Status
        }
        found => return Err(message.wrong(tags::EXEC_TYPE, found, "0 to 9 or A to N")),
    })
}

/// The kind of a report without ExecType, as before FIX 4.1: by OrdStatus (39). Of several statuses that
/// apply, a report has the one with the highest precedence: a pending cancel may be a fill as well.
fn kind_by_status(message: &Message<'_>) -> Result<Kind, Malformed> {
    let status = message.get(tags::ORD_STATUS).ok_or_else(|| message.missing(tags::EXEC_TYPE))?;
    Ok(match status {
        b"0" => Kind::Acknowledged,
        b"4" => Kind::Cancelled,
        b"5" => Kind::Replaced,
        b"8" => Kind::Rejected,
        b"C" => Kind::Expired,
        _ if is_positive(message.number(tags::LAST_QTY)?) => Kind::Fill,
        b"3" if has_no_shares_left(message)? => Kind::Cancelled,
        _ => Kind::Status,
    })
}

/// Whether LeavesQty (151) is there, and not above 0.
fn has_no_shares_left(message: &Message<'_>) -> Result<bool, Malformed> {
    Ok(message.number(tags::LEAVES_QTY)?.is_some_and(|left| !is_positive(Some(left))))
}

/// Whether there is a number, and it is above 0.
fn is_positive(number: Option<Number<'_>>) -> bool {
    number.is_some_and(|number| {
        let text = number.as_str();
        !text.starts_with('-') && text.bytes().any(|byte| matches!(byte, b'1'..=b'9'))
    })
}

/// The status of the order by OrdStatus (39); none for a status that the store does not have.
fn status(message: &Message<'_>) -> Result<Option<OrderStatus>, Malformed> {
    Ok(match message.get(tags::ORD_STATUS) {
        Some(b"0" | b"A") => Some(OrderStatus::Pending),
        Some(b"1") => Some(OrderStatus::Partial),
        Some(b"2") => Some(OrderStatus::Filled),
        Some(b"3") if has_no_shares_left(message)? => Some(OrderStatus::Cancelled),
        Some(b"4" | b"C") => Some(OrderStatus::Cancelled),
        Some(b"8") => Some(OrderStatus::Rejected),
        None | Some(b"3" | b"5" | b"6" | b"7" | b"9" | b"B" | b"D" | b"E") => None,
        Some(found) => return Err(message.wrong(tags::ORD_STATUS, found, "0 to 9 or A to E")),
    })
}

/// Sets the terms of the order.
fn set_terms<'a>(event: &mut Event<'a>, message: &Message<'a>) -> Result<(), Malformed> {
    event.side = match message.get(tags::SIDE) {
        None => None,
        Some(b"1" | b"3") => Some(Side::Buy),
        Some(b"2" | b"4") => Some(Side::Sell),
        Some(b"5") => Some(Side::SellShort),
        Some(b"6") => Some(Side::SellShortExempt),
        Some(found) => {
            let expected = "1 or 3 for a buy, 2, 4, 5 or 6 for a sell";
            return Err(message.wrong(tags::SIDE, found, expected));
        }
    };
    event.order_type = match message.get(tags::ORD_TYPE) {
        // Types 5 and B (on close) set the time of execution; the pricing is that of 1 and 2.
        Some(b"1" | b"5") => Some(OrderType::Market),
        Some(b"2" | b"B") => Some(OrderType::Limit),
        Some(b"3" | b"4") => Some(OrderType::Stop),
        // A type that the store does not have: the order can't be created from this message.
        _ => None,
    };
    event.price = match event.order_type {
        Some(OrderType::Market) => None,
        Some(OrderType::Limit) => message.number(tags::PRICE)?,
        Some(OrderType::Stop) => message.number(tags::STOP_PX)?,
        None => match message.number(tags::PRICE)? {
            None => message.number(tags::STOP_PX)?,
            price => price,
        },
    };
    if message.get(tags::ORD_TYPE) == Some(b"4") {
        event.limit_price = message.number(tags::PRICE)?;
    }
    event.quantity = message.number(tags::ORDER_QTY)?;
    event.expires_at = message.time(tags::EXPIRE_TIME)?;
    Ok(())
}

/// Sets the terms that a new order (35=D) presents and that reports of it need not repeat.
///
/// What has no field of its own is kept as an instruction, and so is a value that is folded into another one.
fn set_new_order<'a>(event: &mut Event<'a>, message: &Message<'a>) -> Result<(), Malformed> {
    event.account = message.text(tags::ACCOUNT);
    event.currency = message.text(tags::CURRENCY);
    event.received_at = message.time(tags::TRANSACT_TIME)?;
    event.time_in_force = match message.get(tags::TIME_IN_FORCE) {
        Some(b"0") => Some(TimeInForce::Day),
        Some(b"1") => Some(TimeInForce::Gtc),
        Some(b"2") => Some(TimeInForce::Opg),
        Some(b"3") => Some(TimeInForce::Ioc),
        Some(b"4") => Some(TimeInForce::Fok),
        Some(b"5") => Some(TimeInForce::Gtx),
        Some(b"6") => Some(TimeInForce::Gtd),
        Some(b"7") => Some(TimeInForce::Cls),
        _ => None,
    };
    let is_folded = |tag| match (tag, message.get(tag)) {
        (tags::SIDE, Some(b"3" | b"4")) | (tags::ORD_TYPE, Some(b"5" | b"B")) => true,
        (tags::TIME_IN_FORCE, Some(_)) => event.time_in_force.is_none(),
        _ => false,
    };
    let folded =
        [tags::SIDE, tags::ORD_TYPE, tags::TIME_IN_FORCE].into_iter().filter(|tag| is_folded(*tag));
    let kept = tags::INSTRUCTIONS.into_iter().chain(folded);
    let instructions: Instructions =
        kept.filter_map(|tag| Some((tag.to_string(), message.text(tag)?))).collect();
    event.instructions = Some(instructions).filter(|kept| !kept.is_empty());
    Ok(())
}

/// Sets the fields of a fill, a bust or a correction.
fn set_execution<'a>(event: &mut Event<'a>, message: &Message<'a>) -> Result<(), Malformed> {
    if event.kind != Kind::Fill {
        message.required(tags::EXEC_REF_ID)?;
        event.refers_to = message.text(tags::EXEC_REF_ID);
    }
    if event.kind != Kind::Bust {
        message.required(tags::LAST_QTY)?;
        message.required(tags::LAST_PX)?;
    }
    event.last_quantity = message.number(tags::LAST_QTY)?;
    event.last_price = message.number(tags::LAST_PX)?;
    // CommType (13) 3 is an amount; the others are rates, per share or in percent.
    if matches!(message.get(tags::COMM_TYPE), None | Some(b"3")) {
        let commission = message.number(tags::COMMISSION)?;
        // A commission below 0 is what the venue paid.
        event.rebate = commission
            .and_then(|commission| commission.as_str().strip_prefix('-'))
            .and_then(Number::new);
        event.commission = commission.filter(|_| event.rebate.is_none());
    }
    Ok(())
}
