//! The FIX tags that the reader looks at, with FIX's names of them.

/// Account: the account that the order trades for.
pub(super) const ACCOUNT: u32 = 1;
/// AvgPx: average price of the shares filled.
pub(super) const AVG_PX: u32 = 6;
/// BeginString: the version of FIX; the first field of a message.
pub(super) const BEGIN_STRING: u32 = 8;
/// BodyLength: bytes from the field after it up to CheckSum.
pub(super) const BODY_LENGTH: u32 = 9;
/// CheckSum: the sum of all bytes before it, modulo 256; the last field of a message.
pub(super) const CHECK_SUM: u32 = 10;
/// ClOrdID: the client's id of the order, or of a request to change it.
pub(super) const CL_ORD_ID: u32 = 11;
/// Commission.
pub(super) const COMMISSION: u32 = 12;
/// CommType: whether Commission is an amount or a rate.
pub(super) const COMM_TYPE: u32 = 13;
/// CumQty: shares filled so far, over the order chain.
pub(super) const CUM_QTY: u32 = 14;
/// Currency of the prices.
pub(super) const CURRENCY: u32 = 15;
/// ExecID: the venue's id of the report.
pub(super) const EXEC_ID: u32 = 17;
/// ExecInst: instructions for handling at the venue.
pub(super) const EXEC_INST: u32 = 18;
/// ExecRefID: the ExecID that a bust or a correction amends.
pub(super) const EXEC_REF_ID: u32 = 19;
/// ExecTransType: new, bust, correction or status, up to FIX 4.2.
pub(super) const EXEC_TRANS_TYPE: u32 = 20;
/// HandlInst: whether people may intervene.
pub(super) const HANDL_INST: u32 = 21;
/// SecurityIDSource: the scheme of SecurityID; IDSource up to FIX 4.2.
pub(super) const ID_SOURCE: u32 = 22;
/// LastMkt: the venue of the execution.
pub(super) const LAST_MKT: u32 = 30;
/// LastPx: price of this fill.
pub(super) const LAST_PX: u32 = 31;
/// LastQty: shares of this fill.
pub(super) const LAST_QTY: u32 = 32;
/// MsgSeqNum: number of the message within its session.
pub(super) const MSG_SEQ_NUM: u32 = 34;
/// MsgType: what the message is.
pub(super) const MSG_TYPE: u32 = 35;
/// OrderID: the venue's id of the order.
pub(super) const ORDER_ID: u32 = 37;
/// OrderQty: shares of the order.
pub(super) const ORDER_QTY: u32 = 38;
/// OrdStatus: status of the order after the report.
pub(super) const ORD_STATUS: u32 = 39;
/// OrdType: market, limit, stop and others.
pub(super) const ORD_TYPE: u32 = 40;
/// OrigClOrdID: the ClOrdID of the order before a change.
pub(super) const ORIG_CL_ORD_ID: u32 = 41;
/// Price: limit price.
pub(super) const PRICE: u32 = 44;
/// Rule80A: the capacity of the order, up to FIX 4.2.
pub(super) const RULE_80A: u32 = 47;
/// SecurityID, such as an ISIN.
pub(super) const SECURITY_ID: u32 = 48;
/// SenderCompID: the sender of the session.
pub(super) const SENDER_COMP_ID: u32 = 49;
/// SenderSubID: the desk or person that sends.
pub(super) const SENDER_SUB_ID: u32 = 50;
/// SendingTime.
pub(super) const SENDING_TIME: u32 = 52;
/// Side: buy or sell.
pub(super) const SIDE: u32 = 54;
/// Symbol.
pub(super) const SYMBOL: u32 = 55;
/// TargetCompID: the receiver of the session.
pub(super) const TARGET_COMP_ID: u32 = 56;
/// TargetSubID: the desk or person that receives.
pub(super) const TARGET_SUB_ID: u32 = 57;
/// Text: an explanation for people.
pub(super) const TEXT: u32 = 58;
/// TimeInForce.
pub(super) const TIME_IN_FORCE: u32 = 59;
/// TransactTime: when the event happened at the venue.
pub(super) const TRANSACT_TIME: u32 = 60;
/// SettlType: when the trade settles.
pub(super) const SETTL_TYPE: u32 = 63;
/// TradeDate: the trading day, in the market's time zone.
pub(super) const TRADE_DATE: u32 = 75;
/// StopPx: trigger price of a stop order.
pub(super) const STOP_PX: u32 = 99;
/// ExDestination: the venue that the client asks for.
pub(super) const EX_DESTINATION: u32 = 100;
/// CxlRejReason: why a request to cancel or change was refused.
pub(super) const CXL_REJ_REASON: u32 = 102;
/// OrdRejReason: why an order was rejected.
pub(super) const ORD_REJ_REASON: u32 = 103;
/// MinQty: the least shares of a fill.
pub(super) const MIN_QTY: u32 = 110;
/// MaxFloor: the most shares to show.
pub(super) const MAX_FLOOR: u32 = 111;
/// LocateReqd: whether the shares of a short sale must still be located.
pub(super) const LOCATE_REQD: u32 = 114;
/// OnBehalfOfCompID: the sender whose message an intermediary passes on.
pub(super) const ON_BEHALF_OF_COMP_ID: u32 = 115;
/// ExpireTime of the order.
pub(super) const EXPIRE_TIME: u32 = 126;
/// DeliverToCompID: the receiver to whom an intermediary passes the message on.
pub(super) const DELIVER_TO_COMP_ID: u32 = 128;
/// ExecType: what happened.
pub(super) const EXEC_TYPE: u32 = 150;
/// LeavesQty: shares that are left to fill.
pub(super) const LEAVES_QTY: u32 = 151;
/// SecurityType.
pub(super) const SECURITY_TYPE: u32 = 167;
/// MaturityMonthYear of an option or future.
pub(super) const MATURITY: u32 = 200;
/// SecurityExchange: the market of the symbol.
pub(super) const SECURITY_EXCHANGE: u32 = 207;
/// MaxShow: the most shares to show.
pub(super) const MAX_SHOW: u32 = 210;
/// PegOffsetValue: distance of a pegged order.
pub(super) const PEG_OFFSET: u32 = 211;
/// MessageEncoding: the encoding of text that is not ASCII.
pub(super) const MESSAGE_ENCODING: u32 = 347;
/// DiscretionInst: the price that discretion is relative to.
pub(super) const DISCRETION_INST: u32 = 388;
/// DiscretionOffsetValue.
pub(super) const DISCRETION_OFFSET: u32 = 389;
/// PriceType: whether a price is per share.
pub(super) const PRICE_TYPE: u32 = 423;
/// ExpireDate: the day on which the order expires, in the market's time zone.
pub(super) const EXPIRE_DATE: u32 = 432;
/// MultiLegReportingType: whether the report is about a spread or about a leg of it.
pub(super) const MULTI_LEG_REPORTING_TYPE: u32 = 442;
/// OrderCapacity: agency, principal and others.
pub(super) const ORDER_CAPACITY: u32 = 528;
/// AccountType.
pub(super) const ACCOUNT_TYPE: u32 = 581;
/// CustOrderCapacity.
pub(super) const CUST_ORDER_CAPACITY: u32 = 582;

/// The number of tags whose values are kept of a message.
pub(super) const KEPT: usize = TAGS.len();

/// The tags whose values are kept of a message, with FIX's names. None of them is in a repeating group of a
/// message that is read, in any version of FIX, so that one which occurs twice is an error. To read one more, add its constant above, its
/// line here, and its field in the parent module.
const TAGS: &[(u32, &str)] = &[
    (AVG_PX, "AvgPx"),
    (BODY_LENGTH, "BodyLength"),
    (CHECK_SUM, "CheckSum"),
    (CL_ORD_ID, "ClOrdID"),
    (COMMISSION, "Commission"),
    (COMM_TYPE, "CommType"),
    (CUM_QTY, "CumQty"),
    (CURRENCY, "Currency"),
    (EXEC_ID, "ExecID"),
    (EXEC_REF_ID, "ExecRefID"),
    (EXEC_TRANS_TYPE, "ExecTransType"),
    (LAST_MKT, "LastMkt"),
    (LAST_PX, "LastPx"),
    (LAST_QTY, "LastQty"),
    (MSG_TYPE, "MsgType"),
    (ORDER_ID, "OrderID"),
    (ORDER_QTY, "OrderQty"),
    (ORD_STATUS, "OrdStatus"),
    (ORD_TYPE, "OrdType"),
    (ORIG_CL_ORD_ID, "OrigClOrdID"),
    (PRICE, "Price"),
    (SENDING_TIME, "SendingTime"),
    (SIDE, "Side"),
    (SYMBOL, "Symbol"),
    (TEXT, "Text"),
    (TRANSACT_TIME, "TransactTime"),
    (STOP_PX, "StopPx"),
    (CXL_REJ_REASON, "CxlRejReason"),
    (ORD_REJ_REASON, "OrdRejReason"),
    (EXPIRE_TIME, "ExpireTime"),
    (EXEC_TYPE, "ExecType"),
    (LEAVES_QTY, "LeavesQty"),
    (MSG_SEQ_NUM, "MsgSeqNum"),
    (SENDER_COMP_ID, "SenderCompID"),
    (SENDER_SUB_ID, "SenderSubID"),
    (TARGET_COMP_ID, "TargetCompID"),
    (TARGET_SUB_ID, "TargetSubID"),
    (TRADE_DATE, "TradeDate"),
    (ON_BEHALF_OF_COMP_ID, "OnBehalfOfCompID"),
    (DELIVER_TO_COMP_ID, "DeliverToCompID"),
    (MESSAGE_ENCODING, "MessageEncoding"),
    (MULTI_LEG_REPORTING_TYPE, "MultiLegReportingType"),
    (ACCOUNT, "Account"),
    (EXEC_INST, "ExecInst"),
    (HANDL_INST, "HandlInst"),
    (ID_SOURCE, "SecurityIDSource"),
    (RULE_80A, "Rule80A"),
    (SECURITY_ID, "SecurityID"),
    (TIME_IN_FORCE, "TimeInForce"),
    (SETTL_TYPE, "SettlType"),
    (EX_DESTINATION, "ExDestination"),
    (MIN_QTY, "MinQty"),
    (MAX_FLOOR, "MaxFloor"),
    (LOCATE_REQD, "LocateReqd"),
    (SECURITY_TYPE, "SecurityType"),
    (MATURITY, "MaturityMonthYear"),
    (SECURITY_EXCHANGE, "SecurityExchange"),
    (MAX_SHOW, "MaxShow"),
    (PEG_OFFSET, "PegOffsetValue"),
    (DISCRETION_INST, "DiscretionInst"),
    (DISCRETION_OFFSET, "DiscretionOffsetValue"),
    (PRICE_TYPE, "PriceType"),
    (EXPIRE_DATE, "ExpireDate"),
    (ORDER_CAPACITY, "OrderCapacity"),
    (ACCOUNT_TYPE, "AccountType"),
    (CUST_ORDER_CAPACITY, "CustOrderCapacity"),
];

/// The greatest tag that is kept.
const MAX_TAG: usize = max_tag();

const fn max_tag() -> usize {
    let (mut max, mut slot) = (0, 0);
    while slot < KEPT {
        if TAGS[slot].0 as usize > max {
            max = TAGS[slot].0 as usize;
        }
        slot += 1;
    }
    max
}

/// The place of each tag in [`TAGS`], [`KEPT`] for all others: a lookup in place of a search.
const SLOTS: [u8; MAX_TAG + 1] = slots();

const fn slots() -> [u8; MAX_TAG + 1] {
    let mut slots = [KEPT as u8; MAX_TAG + 1];
    let mut slot = 0;
    while slot < KEPT {
        slots[TAGS[slot].0 as usize] = slot as u8;
        slot += 1;
    }
    slots
}

/// Tags of data fields below this one are looked up in [`LENGTH_TAGS`].
const FEW_DATA: usize = 623;

/// The tag of the length of each data field, such as 95 (RawDataLength) for 96 (RawData); 0 for tags that are no
/// data fields.
const LENGTH_TAGS: [u32; FEW_DATA] = length_tags();

const fn length_tags() -> [u32; FEW_DATA] {
    let mut lengths = [0; FEW_DATA];
    // Signature: the only one whose length is not the tag before.
    lengths[89] = 93;
    let data = [91, 96, 213, 349, 351, 353, 355, 357, 359, 361, 363, 365, 446, 619, 622];
    let mut at = 0;
    while at < data.len() {
        lengths[data[at]] = data[at] as u32 - 1;
        at += 1;
    }
    lengths
}

/// The first tag of a data field that came with FIX 5.0.
const FIRST_LATE: u32 = 1185;

/// The tag of the length of a data field that came with FIX 5.0 or later; 0 for tags that are no data fields.
#[cold]
fn late_length_tag(tag: u32) -> u32 {
    match tag {
        1185 | 1278 | 1281 | 1283 | 1398 | 1402 | 1404 | 1469 | 1579 | 1621 | 1665 | 1734
        | 1872 | 1875 | 2073 | 2075 | 2112 | 2180 | 2288 | 2352 | 2482 | 2638 | 2652 | 2666
        | 2716 | 2719 | 2722 | 2798 | 40005 | 40009 | 40979 | 40981 | 40983 | 40985 | 40987
        | 40989 | 41084 | 41102 | 41108 | 41257 | 41321 | 41325 | 41459 | 41477 | 41483 | 41654
        | 41711 | 41807 | 41812 | 41874 | 41970 | 42026 | 42172 | 42452 | 42653 | 42948 => tag - 1,
        1527 => 1525,
        1697 => 1678,
        2371 | 2493 | 2521 | 2801 | 2808 | 2814 => tag + 1,
        42486 => 43110,
        42684 => 43109,
        42982 => 43111,
        _ => 0,
    }
}

/// Returns the slot in which the value of a tag is kept; none for a tag that is not kept.
pub(super) fn slot(tag: u32) -> Option<usize> {
    let slot = usize::from(*SLOTS.get(tag as usize)?);
    (slot < KEPT).then_some(slot)
}

/// Returns the tag of the length of a data field, which stands before it; 0 for a tag that is no data field.
#[inline]
pub(super) fn length_tag(tag: u32) -> u32 {
    match LENGTH_TAGS.get(tag as usize) {
        Some(length_tag) => *length_tag,
        // Most tags up to this one are of FIX 4.3 and 4.4.
        None if tag < FIRST_LATE => 0,
        None => late_length_tag(tag),
    }
}

/// Returns whether the value of a tag that is kept is any text, which may contain what a log prints as separator.
/// The others are numbers, times and codes.
pub(super) fn is_text(tag: u32) -> bool {
    !matches!(
        tag,
        AVG_PX
            | BODY_LENGTH
            | CHECK_SUM
            | COMMISSION
            | COMM_TYPE
            | CUM_QTY
            | EXEC_TRANS_TYPE
            | EXEC_TYPE
            | EXPIRE_TIME
            | LAST_PX
            | LAST_QTY
            | LEAVES_QTY
            | MSG_SEQ_NUM
            | MSG_TYPE
            | MULTI_LEG_REPORTING_TYPE
            | ORDER_QTY
            | ORD_STATUS
            | ORD_TYPE
            | PRICE
            | SENDING_TIME
            | SIDE
            | STOP_PX
            | TIME_IN_FORCE
            | TRADE_DATE
            | TRANSACT_TIME
    )
}

/// Returns whether a tag that is not kept may occur several times in a message because it is in a repeating group:
/// an account of an allocation, or the id of a party.
pub(super) fn is_in_group(tag: u32) -> bool {
    matches!(tag, 79 | 448 | 523 | 524 | 545)
}

/// Returns the tag with its name, for messages to people, e.g. `tag 31 (LastPx)`.
pub(super) fn named(tag: u32) -> String {
    match slot(tag) {
        Some(slot) => format!("tag {tag} ({})", TAGS[slot].1),
        None => format!("tag {tag}"),
    }
}

/// The tags of a new order that are kept as its instructions, under the number of the tag.
pub(super) const INSTRUCTIONS: [u32; 22] = [
    EXEC_INST,
    HANDL_INST,
    ID_SOURCE,
    RULE_80A,
    SECURITY_ID,
    SETTL_TYPE,
    EX_DESTINATION,
    MIN_QTY,
    MAX_FLOOR,
    LOCATE_REQD,
    SECURITY_TYPE,
    MATURITY,
    SECURITY_EXCHANGE,
    MAX_SHOW,
    PEG_OFFSET,
    DISCRETION_INST,
    DISCRETION_OFFSET,
    PRICE_TYPE,
    EXPIRE_DATE,
    ORDER_CAPACITY,
    ACCOUNT_TYPE,
    CUST_ORDER_CAPACITY,
];
