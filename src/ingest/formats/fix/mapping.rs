//! The mapping of the fields of a message to those of an event.

use std::borrow::Cow;

use chrono::{DateTime, Utc};

use super::message::{Message, Value, show};
use super::tags;
use crate::ingest::event::{Event, Kind, Number};
use crate::ingest::formats::options::ReadOptions;
use crate::types::enums::{OrderStatus, OrderType, Side, TimeInForce};
use crate::types::instructions::Instructions;

/// What becomes of a report if a field of it can't be read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    /// The report must not be applied without it: a defect.
    Essential,
    /// The field is left out: a note.
    Side,
}

/// An event that is made from a message.
struct Mapping<'e, 'a> {
    message: &'e Message<'a>,
    event: &'e mut Event<'a>,
    /// Whether the message has an effect on orders (35=8, D). All others change nothing, whatever is wrong with
    /// them.
    has_effect: bool,
}

/// Sets the fields of an event from those of a message. `is_within` if it begins within another one.
pub(super) fn set_fields<'a>(
    event: &mut Event<'a>,
    message: &Message<'a>,
    options: &ReadOptions,
    is_within: bool,
) {
    let kind = message.get(tags::MSG_TYPE).unwrap_or_default();
    let has_effect = matches!(kind, b"8" | b"D");
    let mut mapping = Mapping { message, event, has_effect };
    mapping.check_frame(options.trust_unverified, is_within);
    mapping.event.trader = mapping.settle(message.trader(&options.trader_from), Need::Essential);
    mapping.set_ids_and_times();
    match kind {
        b"8" => mapping.set_report(),
        b"D" => mapping.set_new_order(),
        b"9" => {
            mapping.event.kind = Kind::CancelRejected;
            mapping.event.error_code =
                mapping.settle(message.with_tag(tags::CXL_REJ_REASON), Need::Side);
        }
        b"Q" => {
            let execution = message.get(tags::EXEC_ID).map(show).unwrap_or_default();
            mapping.note(format!("execution {execution} is disputed (DontKnowTrade)"));
        }
        // A request: its terms don't hold before the venue confirms them.
        _ => {}
    }
}

impl<'a> Mapping<'_, 'a> {
    fn note(&mut self, why: String) {
        add(&mut self.event.note, why);
    }

    /// Adds why the message must not be applied; a note if it has no effect anyway.
    fn defect(&mut self, why: String) {
        match self.has_effect {
            true => add(&mut self.event.defect, why),
            false => self.note(why),
        }
    }

    /// Returns what was read, or none with a defect or a note.
    #[inline]
    fn settle<T>(&mut self, read: Value<T>, need: Need) -> Option<T> {
        match read {
            Ok(value) => value,
            Err(why) => {
                self.refuse(why, need);
                None
            }
        }
    }

    #[cold]
    fn refuse(&mut self, why: String, need: Need) {
        match need {
            Need::Essential => self.defect(why),
            Need::Side => self.note(format!("{why}; it is left out")),
        }
    }

    fn text(&mut self, tag: u32) -> Option<Cow<'a, str>> {
        self.settle(self.message.text(tag), Need::Essential)
    }

    fn number(&mut self, tag: u32, need: Need) -> Option<Number<'a>> {
        self.settle(self.message.number(tag), need)
    }

    fn time(&mut self, tag: u32) -> Option<DateTime<Utc>> {
        self.settle(self.message.time(tag), Need::Side)
    }

    /// Checks the message as a whole.
    fn check_frame(&mut self, is_trusted: bool, is_within: bool) {
        let (doubts, is_printed) = (&self.message.doubts, self.message.is_printed());
        if let Some(why) = &doubts.broken {
            self.defect(why.clone());
        }
        let within = is_within
            .then(|| "this message begins within another one, which is cut off".to_owned());
        let unverified = [
            (doubts.sums.clone(), is_printed),
            (doubts.repeated(), true),
            (doubts.data.clone(), true),
            (within, true),
        ];
        for (why, is_defect) in unverified {
            let Some(why) = why else { continue };
            if is_defect && !is_trusted { self.defect(why) } else { self.note(why) }
        }
    }

    /// Sets the fields that all messages have in common.
    fn set_ids_and_times(&mut self) {
        self.event.client_order_id = self.text(tags::CL_ORD_ID);
        self.event.original_client_order_id = self.text(tags::ORIG_CL_ORD_ID);
        // FIX requires OrderID; a venue that knows no such order sends NONE.
        self.event.venue_order_id = self.text(tags::ORDER_ID).filter(|id| id != "NONE");
        self.event.symbol = self.text(tags::SYMBOL);
        self.event.reason = self.settle(self.message.text(tags::TEXT), Need::Side);
        self.event.at = self.time(tags::TRANSACT_TIME);
        self.event.sent_at = self.time(tags::SENDING_TIME);
        self.event.sequence = self.settle(self.message.whole(tags::MSG_SEQ_NUM), Need::Side);
        self.event.trading_day = self.settle(self.message.day(tags::TRADE_DATE), Need::Side);
    }

    /// Sets the fields of a new order (35=D).
    fn set_new_order(&mut self) {
        self.event.kind = Kind::NewOrder;
        self.event.original_client_order_id = None;
        self.event.received_at = self.event.at;
        self.set_terms();
    }

    /// Sets the fields of an execution report (35=8).
    fn set_report(&mut self) {
        if self.message.get(tags::MULTI_LEG_REPORTING_TYPE) == Some(b"2") {
            // The leg of a spread: its symbol, its side and its shares are not those of the order.
            self.event.symbol = None;
            return;
        }
        let has_no_shares_left = self.has_no_shares_left();
        self.event.kind = self.kind_of_report(has_no_shares_left);
        self.set_terms();
        self.event.execution_id = self.text(tags::EXEC_ID);
        self.event.venue = self.text(tags::LAST_MKT);
        self.event.status = self.status(has_no_shares_left);
        // The store keeps what a replaced order has left to fill.
        let need = match self.event.kind {
            Kind::Replaced => Need::Essential,
            _ => Need::Side,
        };
        self.event.cumulative_quantity = self.number(tags::CUM_QTY, need);
        self.event.average_price = self.number(tags::AVG_PX, Need::Side);
        match self.event.kind {
            Kind::Fill | Kind::Bust | Kind::Correct => self.set_execution(),
            Kind::Rejected => {
                self.event.error_code =
                    self.settle(self.message.with_tag(tags::ORD_REJ_REASON), Need::Side);
            }
            Kind::Cancelled
                if self.message.get(tags::EXEC_TYPE) != Some(b"4")
                    && self.event.reason.is_none() =>
            {
                self.event.reason = Some(Cow::Borrowed("done for day"));
            }
            _ => {}
        }
    }

    /// The kind of an execution report: by ExecTransType (20) where it is not new, else by ExecType (150).
    fn kind_of_report(&mut self, has_no_shares_left: bool) -> Kind {
        let message = self.message;
        match message.get(tags::EXEC_TRANS_TYPE) {
            None | Some(b"0") => {}
            Some(b"1") => return Kind::Bust,
            Some(b"2") => return Kind::Correct,
            Some(b"3") => return Kind::Status,
            Some(found) => {
                self.defect(message.wrong(tags::EXEC_TRANS_TYPE, found, "0 to 3"));
            }
        }
        let Some(exec_type) = message.get(tags::EXEC_TYPE) else {
            return self.kind_by_status(has_no_shares_left);
        };
        match exec_type {
            b"0" => Kind::Acknowledged,
            // Of FIX 4.1 and 4.2: the status of the order, with or without an execution.
            b"1" | b"2" if !self.has_last_quantity() => Kind::Status,
            b"1" | b"2" | b"F" => Kind::Fill,
            // Done for day ends the order only if no shares are left to fill.
            b"3" if has_no_shares_left => Kind::Cancelled,
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
            found => {
                self.defect(message.wrong(tags::EXEC_TYPE, found, "0 to 9 or A to N"));
                if self.has_last_quantity() { Kind::Fill } else { Kind::Status }
            }
        }
    }

    /// The kind of a report without ExecType, as before FIX 4.1: by OrdStatus (39). Of several statuses that
    /// apply, a report has the one with the highest precedence: a pending cancel may be a fill as well.
    fn kind_by_status(&mut self, has_no_shares_left: bool) -> Kind {
        let status = self.message.get(tags::ORD_STATUS);
        if status.is_none() {
            self.defect(self.message.missing(tags::EXEC_TYPE));
        }
        match status {
            Some(b"0") => Kind::Acknowledged,
            Some(b"4") => Kind::Cancelled,
            Some(b"5") => Kind::Replaced,
            Some(b"8") => Kind::Rejected,
            Some(b"C") => Kind::Expired,
            _ if self.has_last_quantity() => Kind::Fill,
            // The part that is lost may say that it is one.
            _ if self.message.doubts.broken.is_some() => Kind::Fill,
            Some(b"3") if has_no_shares_left => Kind::Cancelled,
            _ => Kind::Status,
        }
    }

    /// Whether LastQty (32) is there and not 0. One that can't be read counts: it is of an execution.
    fn has_last_quantity(&self) -> bool {
        match self.message.number(tags::LAST_QTY) {
            Ok(quantity) => quantity.is_some_and(|quantity| !quantity.is_zero()),
            Err(_) => true,
        }
    }

    /// Whether an order is done for the day with a LeavesQty (151) of 0.
    fn has_no_shares_left(&mut self) -> bool {
        let is_done = |tag| self.message.get(tag) == Some(b"3");
        if !(is_done(tags::EXEC_TYPE) || is_done(tags::ORD_STATUS)) {
            return false;
        }
        let left = self.number(tags::LEAVES_QTY, Need::Side);
        left.is_some_and(|left| !left.is_positive())
    }

    /// The status of the order by OrdStatus (39); none for a status that the store does not have.
    fn status(&mut self, has_no_shares_left: bool) -> Option<OrderStatus> {
        match self.message.get(tags::ORD_STATUS) {
            Some(b"0" | b"A") => Some(OrderStatus::Pending),
            Some(b"1") => Some(OrderStatus::Partial),
            Some(b"2") => Some(OrderStatus::Filled),
            Some(b"3") if has_no_shares_left => Some(OrderStatus::Cancelled),
            Some(b"4" | b"C") => Some(OrderStatus::Cancelled),
            Some(b"8") => Some(OrderStatus::Rejected),
            None | Some(b"3" | b"5" | b"6" | b"7" | b"9" | b"B" | b"D" | b"E") => None,
            Some(found) => {
                let why = self.message.wrong(tags::ORD_STATUS, found, "0 to 9 or A to E");
                self.refuse(why, Need::Side);
                None
            }
        }
    }

    /// Sets the terms of the order. A report that presents them as new must have them all.
    fn set_terms(&mut self) {
        let message = self.message;
        let need = match self.event.kind {
            Kind::NewOrder | Kind::Replaced | Kind::Restated => Need::Essential,
            _ => Need::Side,
        };
        let of_order = match self.event.kind {
            Kind::NewOrder => Need::Essential,
            _ => Need::Side,
        };
        self.event.side = match message.get(tags::SIDE) {
            None => None,
            Some(b"1" | b"3") => Some(Side::Buy),
            Some(b"2" | b"4") => Some(Side::Sell),
            Some(b"5") => Some(Side::SellShort),
            Some(b"6") => Some(Side::SellShortExempt),
            Some(found) => {
                let expected = "1 or 3 for a buy, 2, 4, 5 or 6 for a sell";
                self.refuse(message.wrong(tags::SIDE, found, expected), of_order);
                None
            }
        };
        self.event.order_type = match message.get(tags::ORD_TYPE) {
            None => None,
            // Types 5 and B (on close) set the time of execution; the pricing is that of 1 and 2.
            Some(b"1" | b"5") => Some(OrderType::Market),
            Some(b"2" | b"B") => Some(OrderType::Limit),
            Some(b"3" | b"4") => Some(OrderType::Stop),
            // A type that the store does not have: the order can't be created from this message, which keeps the
            // type in its instructions.
            Some(found) => {
                if of_order == Need::Essential {
                    self.defect(message.wrong(tags::ORD_TYPE, found, "1 to 5 or B"));
                }
                None
            }
        };
        self.event.price = match self.event.order_type {
            Some(OrderType::Market) => None,
            Some(OrderType::Limit) => self.number(tags::PRICE, need),
            Some(OrderType::Stop) => self.number(tags::STOP_PX, need),
            None => match self.number(tags::PRICE, need) {
                None => self.number(tags::STOP_PX, need),
                price => price,
            },
        };
        if message.get(tags::ORD_TYPE) == Some(b"4") {
            self.event.limit_price = self.number(tags::PRICE, need);
        }
        self.event.quantity = self.number(tags::ORDER_QTY, need);
        self.event.expires_at = self.time(tags::EXPIRE_TIME);
        self.event.account = self.text(tags::ACCOUNT);
        self.event.currency = self.text(tags::CURRENCY);
        self.event.time_in_force = match message.get(tags::TIME_IN_FORCE) {
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
        self.set_instructions();
    }

    /// Keeps the terms that have no field of their own, of a message that presents the order, and those whose
    /// value is folded into another one, of every message.
    fn set_instructions(&mut self) {
        let message = self.message;
        let presents_order = matches!(
            self.event.kind,
            Kind::NewOrder
                | Kind::Acknowledged
                | Kind::PendingNew
                | Kind::Replaced
                | Kind::Restated
        );
        let is_folded = |tag| match (tag, message.get(tag)) {
            (tags::SIDE, Some(b"3" | b"4")) | (tags::ORD_TYPE, Some(b"5" | b"B")) => true,
            (tags::ORD_TYPE, Some(_)) => self.event.order_type.is_none(),
            (tags::TIME_IN_FORCE, Some(_)) => self.event.time_in_force.is_none(),
            _ => false,
        };
        let [side, order_type, time_in_force] =
            [tags::SIDE, tags::ORD_TYPE, tags::TIME_IN_FORCE].map(|tag| (tag, is_folded(tag)));
        if !(presents_order || side.1 || order_type.1 || time_in_force.1) {
            return;
        }
        let folded =
            [side, order_type, time_in_force].into_iter().filter(|(_, is_folded)| *is_folded);
        let presented = tags::INSTRUCTIONS.into_iter().filter(|_| presents_order);
        let kept = presented.chain(folded.map(|(tag, _)| tag));
        let kept = kept.filter(|tag| message.get(*tag).is_some());
        let instructions: Instructions =
            kept.filter_map(|tag| self.text(tag).map(|text| (tag.to_string(), text))).collect();
        self.event.instructions = Some(instructions).filter(|kept| !kept.is_empty());
    }

    /// Sets the fields of a fill, a bust or a correction.
    fn set_execution(&mut self) {
        let kind = self.event.kind;
        if kind != Kind::Fill {
            self.require(tags::EXEC_REF_ID);
            self.event.refers_to = self.text(tags::EXEC_REF_ID);
        }
        let need = match kind {
            // A bust takes back the whole fill.
            Kind::Bust => Need::Side,
            _ => Need::Essential,
        };
        if need == Need::Essential {
            self.require(tags::LAST_QTY);
            self.require(tags::LAST_PX);
        }
        let times = [tags::TRANSACT_TIME, tags::SENDING_TIME];
        if self.event.time().is_none() && times.iter().any(|tag| self.message.get(*tag).is_some()) {
            self.defect("neither tag 60 (TransactTime) nor 52 (SendingTime) is a time of the years 1 to 9999"
                    .to_owned(),
            );
        }
        self.event.last_quantity = self.number(tags::LAST_QTY, need);
        self.event.last_price = self.number(tags::LAST_PX, need);
        // CommType (13) 3 is an amount; the others are rates, per share or in percent.
        if matches!(self.message.get(tags::COMM_TYPE), None | Some(b"3")) {
            let commission = self.number(tags::COMMISSION, Need::Side);
            // A commission below 0 is what the venue paid.
            self.event.rebate = commission
                .and_then(|commission| commission.as_str().strip_prefix('-'))
                .and_then(Number::new);
            self.event.commission = commission.filter(|_| self.event.rebate.is_none());
        }
    }

    /// Adds a defect if a value is missing or empty.
    fn require(&mut self, tag: u32) {
        if self.message.get(tag).is_none() {
            self.defect(self.message.missing(tag));
        }
    }
}

/// Adds a sentence to a note.
#[cold]
fn add(note: &mut Option<String>, why: String) {
    *note = Some(match note.take() {
        Some(before) => format!("{before}; {why}"),
        None => why,
    });
}
