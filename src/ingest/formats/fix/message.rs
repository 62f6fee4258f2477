//! One message of `tag=value` fields: where it begins and ends, its fields, and whether it is whole.

use std::borrow::Cow;
use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use memchr::memmem::{self, Finder};
use memchr::{memchr, memchr_iter, memchr2_iter};

use super::time;
use crate::ingest::event::Number;
use crate::ingest::formats::reader::Malformed;

/// What stands after each field on the wire.
const SOH: u8 = 1;

/// Characters of a BeginString's version, e.g. `4.4` or `5.0SP2`.
const MAX_VERSION: usize = 12;

/// Bytes of a message whose length is taken at its word; a longer one is looked through for its end.
const MAX_BODY: usize = 1 << 17;

/// What every message begins with.
static BEGIN: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"8=FIX"));

/// Digits of a tag.
const MAX_TAG: usize = 9;

/// Characters that a complaint shows of what it found.
const MAX_SHOWN: usize = 40;

/// The tags that are kept of a message, and FIX's names of them.
const TAGS: [(u32, &str); 32] = [
    (6, "AvgPx"),
    (9, "BodyLength"),
    (10, "CheckSum"),
    (11, "ClOrdID"),
    (12, "Commission"),
    (13, "CommType"),
    (14, "CumQty"),
    (15, "Currency"),
    (17, "ExecID"),
    (19, "ExecRefID"),
    (20, "ExecTransType"),
    (30, "LastMkt"),
    (31, "LastPx"),
    (32, "LastQty"),
    (35, "MsgType"),
    (37, "OrderID"),
    (38, "OrderQty"),
    (39, "OrdStatus"),
    (40, "OrdType"),
    (41, "OrigClOrdID"),
    (44, "Price"),
    (52, "SendingTime"),
    (54, "Side"),
    (55, "Symbol"),
    (58, "Text"),
    (60, "TransactTime"),
    (99, "StopPx"),
    (102, "CxlRejReason"),
    (103, "OrdRejReason"),
    (126, "ExpireTime"),
    (150, "ExecType"),
    (151, "LeavesQty"),
];

/// Where each tag is in [`TAGS`], and their number for all others: so a tag is looked up, not looked for.
const SLOTS: [u8; 152] = slots();

const fn slots() -> [u8; 152] {
    let mut slots = [TAGS.len() as u8; 152];
    let mut slot = 0;
    while slot < TAGS.len() {
        slots[TAGS[slot].0 as usize] = slot as u8;
        slot += 1;
    }
    slots
}

/// For each tag of a field of data the tag of its length, as for 96 (RawData) 95 (RawDataLength); for all
/// others one that no field has.
const LENGTHS: [u32; 623] = lengths();

const fn lengths() -> [u32; 623] {
    let mut lengths = [u32::MAX; 623];
    lengths[89] = 93;
    let data = [91, 96, 213, 349, 351, 353, 355, 357, 359, 361, 363, 365, 446, 619, 622];
    let mut at = 0;
    while at < data.len() {
        lengths[data[at]] = data[at] as u32 - 1;
        at += 1;
    }
    lengths
}

fn slot(tag: u32) -> Option<usize> {
    let slot = usize::from(*SLOTS.get(tag as usize)?);
    (slot < TAGS.len()).then_some(slot)
}

/// A tag as a complaint calls it, e.g. `tag 31 (LastPx)`.
fn called(tag: u32) -> String {
    match slot(tag) {
        Some(slot) => format!("tag {tag} ({})", TAGS[slot].1),
        None => format!("tag {tag}"),
    }
}

/// What was found, in quotes and short enough to read.
pub(super) fn shown(found: &[u8]) -> String {
    let text = String::from_utf8_lossy(found);
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// What stands between the fields: SOH, or what logs write for it.
#[derive(Clone, Copy)]
enum Separator {
    Byte(u8),
    /// `^A`, as editors show SOH.
    Caret,
}

impl Separator {
    /// The separator that these bytes begin with.
    fn at(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [byte @ (SOH | b'|' | b';'), ..] => Some(Self::Byte(*byte)),
            [b'^', b'A', ..] => Some(Self::Caret),
            _ => None,
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Byte(byte) => std::slice::from_ref(byte),
            Self::Caret => b"^A",
        }
    }

    fn find(self, bytes: &[u8]) -> Option<usize> {
        match self {
            Self::Byte(byte) => find(byte, bytes),
            Self::Caret => memchr_iter(b'^', bytes).find(|at| bytes.get(at + 1) == Some(&b'A')),
        }
    }

    /// Whether it was put there for people; then there may be spaces around it, and others of it in a
    /// text.
    fn is_printable(self) -> bool {
        !matches!(self, Self::Byte(SOH))
    }

    /// Where what follows the separator here begins.
    fn skip(self, bytes: &[u8], at: usize) -> usize {
        let next = (at + self.bytes().len()).min(bytes.len());
        if self.is_printable() { next + spaces(&bytes[next..]) } else { next }
    }

    /// The bytes without the spaces that stand before the separator.
    fn trim(self, mut bytes: &[u8]) -> &[u8] {
        while self.is_printable()
            && let [rest @ .., b' '] = bytes
        {
            bytes = rest;
        }
        bytes
    }
}

/// Where a byte first stands. Most values are so short that memchr, which is for what is longer, takes
/// more time to begin than to find it.
#[inline]
fn find(byte: u8, bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);
    for at in [0, 8, 16] {
        let Some(eight) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) else { break };
        // A byte is 0 where it stands, and the lowest that is has its high bit set here.
        let differing = u64::from_le_bytes(*eight) ^ (ONES * u64::from(byte));
        let zeros = differing.wrapping_sub(ONES) & !differing & HIGHS;
        if zeros != 0 {
            return Some(at + zeros.trailing_zeros() as usize / 8);
        }
    }
    memchr(byte, bytes)
}

/// The number that these digits are, if it is one below a billion.
fn whole_number(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() || digits.len() > 9 {
        return None;
    }
    digits.iter().try_fold(0, |number, byte| {
        byte.is_ascii_digit().then(|| number * 10 + usize::from(byte - b'0'))
    })
}

/// How many spaces these bytes begin with.
fn spaces(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| **byte == b' ').count()
}

/// Where something ends, as far as the bytes go.
enum End {
    At(usize),
    /// It depends on bytes that are not there yet.
    Open,
    No,
}

/// The beginning of a message: its BeginString.
#[derive(Clone, Copy)]
struct Head {
    begin: usize,
    end: usize,
    /// Where the field after it begins.
    rest: usize,
    separator: Separator,
}

impl Head {
    /// The head whose first `=` stands here.
    fn at(bytes: &[u8], equals: usize) -> Option<Self> {
        let begin = equals.checked_sub(1).filter(|begin| bytes[*begin] == b'8')?;
        let version = bytes[equals + 1..].strip_prefix(b"FIX")?;
        let version = version.strip_prefix(b"T").unwrap_or(version).strip_prefix(b".")?;
        let is_version = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'.';
        let length = version.iter().take(MAX_VERSION).take_while(is_version).count();
        let end = bytes.len() - version.len() + length;
        let after = end + spaces(&bytes[end..]);
        let separator = Separator::at(&bytes[after..])?;
        let rest = separator.skip(bytes, after);
        (length > 0).then_some(Self { begin, end, rest, separator })
    }

    /// The first head in these bytes.
    fn find(bytes: &[u8]) -> Option<Self> {
        memchr_iter(b'=', bytes).find_map(|equals| Self::at(bytes, equals))
    }

    /// The BodyLength that follows, and where the body begins.
    fn body(&self, bytes: &[u8]) -> Option<(usize, usize)> {
        let value = bytes[self.rest..].strip_prefix(b"9=")?;
        let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let length = whole_number(&value[..digits])?;
        let end = bytes.len() - value.len() + digits;
        let end = if self.separator.is_printable() { end + spaces(&bytes[end..]) } else { end };
        let body = bytes[end..].strip_prefix(self.separator.bytes())?;
        Some((length, bytes.len() - body.len()))
    }

    /// Where the message ends by its own BodyLength, if a trailer is there.
    fn end_by_length(&self, bytes: &[u8], at_end: bool) -> End {
        // `^A` is two bytes for one, so that the length is not that of these bytes.
        let Separator::Byte(_) = self.separator else { return End::No };
        let Some((length, body)) = self.body(bytes) else { return End::No };
        let equals = body + length.min(MAX_BODY + 1) + 2;
        match bytes.get(equals) {
            _ if length > MAX_BODY => End::No,
            // That of another message, if this one is cut off just so far before its own.
            Some(b'=') if BEGIN.find(&bytes[body..equals]).is_some() => End::No,
            Some(b'=') => self.end_by_trailer(bytes, equals, at_end),
            None if !at_end => End::Open,
            _ => End::No,
        }
    }

    /// Where the message ends, if the `=` here is that of its trailer: `10=` after a separator, and three
    /// digits.
    fn end_by_trailer(&self, bytes: &[u8], equals: usize, at_end: bool) -> End {
        let Some(before) = bytes[..equals].strip_suffix(b"10") else { return End::No };
        let separator = self.separator.bytes();
        if !self.separator.trim(before).ends_with(separator) {
            return End::No;
        }
        let digits = bytes[equals + 1..].iter().take(3).take_while(|byte| byte.is_ascii_digit());
        let end = equals + 1 + digits.count();
        let is_whole = end == equals + 4;
        let next = end + spaces(&bytes[end..]);
        let after = &bytes[next..];
        match after.first() {
            Some(_) if is_whole && after.starts_with(separator) => End::At(next + separator.len()),
            _ if separator.starts_with(after) && !at_end => End::Open,
            // With `=` its last digit is the tag of the next message.
            Some(byte) if byte.is_ascii_digit() || *byte == b'=' => End::No,
            // The last separator is often lost at the end of a line.
            _ if is_whole => End::At(end),
            _ => End::No,
        }
    }
}

/// Where the first unit of these bytes ends: a message with what stands before it on its line, or a line
/// without one.
///
/// A message ends with its trailer; one that has none ends with its line, or where the next one begins.
pub(super) fn cut(bytes: &[u8], at_end: bool) -> Option<usize> {
    let is_break = |byte: &u8| matches!(byte, b'\n' | b'\r');
    let Some(begin) = bytes.iter().position(|byte| !is_break(byte)) else {
        return Some(bytes.len());
    };
    let mut message: Option<Head> = None;
    for at in memchr2_iter(b'\n', b'=', &bytes[begin..]).map(|at| begin + at) {
        if bytes[at] == b'\n' {
            return Some(at + 1);
        }
        let next = Head::at(bytes, at);
        let end = match (&message, &next) {
            (None, Some(head)) => head.end_by_length(bytes, at_end),
            // In a text only something like a head may stand.
            (Some(_), Some(next)) if next.body(bytes).is_some() => return Some(next.begin),
            (Some(head), _) => head.end_by_trailer(bytes, at, at_end),
            (None, None) => End::No,
        };
        match end {
            End::At(end) => return Some(end),
            End::Open => return None,
            End::No => message = message.or(next),
        }
    }
    at_end.then_some(bytes.len())
}

/// Bytes of a message, from and to.
type Span = (u32, u32);

/// The fields of one message.
pub(super) struct Message<'a> {
    line: u64,
    bytes: &'a [u8],
    /// All of it as text, unless there are bytes in it that are none.
    text: Option<&'a str>,
    values: [Span; TAGS.len()],
    other: Option<Span>,
    /// In what its length or checksum is not what it says.
    pub(super) note: Option<String>,
}

impl<'a> Message<'a> {
    /// Reads the message in a unit that begins on this line, if it has one of these types. `other` is a
    /// tag to keep besides [`TAGS`]. Of a tag that is there twice the first counts, since it is outside
    /// of the repeating groups.
    pub(super) fn read(
        unit: &'a [u8],
        line: u64,
        is_read: impl Fn(&[u8]) -> bool,
        other: Option<u32>,
    ) -> Result<Option<Self>, Malformed> {
        let Some(head) = Head::find(unit) else { return unseparated(unit, line) };
        let line = line + memchr_iter(b'\n', &unit[..head.begin]).count() as u64;
        let bytes = unit[head.begin..].trim_ascii_end();
        let mut message =
            Self { line, bytes, text: None, values: [(0, 0); TAGS.len()], other: None, note: None };
        let sums = match head.separator {
            Separator::Byte(SOH) => message.scan::<false>(&head, is_read, other),
            _ => message.scan::<true>(&head, is_read, other),
        };
        let Some(sums) = sums? else { return Ok(None) };
        message.text = std::str::from_utf8(bytes).ok();
        message.note = message.doubt(&sums);
        Ok(Some(message))
    }

    /// Goes through the fields. None if the type is none of those to read.
    fn scan<const PRINTABLE: bool>(
        &mut self,
        head: &Head,
        is_read: impl Fn(&[u8]) -> bool,
        other: Option<u32>,
    ) -> Result<Option<Sums>, Malformed> {
        let bytes = self.bytes;
        let (separator, at) = (head.separator, head.rest - head.begin);
        let mut fields = Fields::<PRINTABLE> { bytes, separator, at };
        let mut sums = Sums::default();
        let mut before = Field { tag: 8, begin: 0, value: 0, end: head.end - head.begin };
        while let Some(field) = fields.next(&before) {
            if PRINTABLE {
                sums.pass(&bytes[before.end..field.begin]);
            }
            match field.tag {
                0 if PRINTABLE => {
                    // Of a text in which something stands that looks like a separator.
                    before.end = field.end;
                    self.keep(&before);
                    continue;
                }
                0 => {
                    let found = shown(&bytes[field.value..field.end]);
                    return Err(self.broken(format!("has a field without a tag, {found}")));
                }
                8 | 9 if field.tag == 8 || self.is_kept(9) => {
                    return Err(self.broken("runs into another one before its trailer".into()));
                }
                9 => (sums.body, sums.excess) = (field.end + 1, 0),
                10 if fields.at < bytes.len() => {
                    return Err(self.broken("goes on after tag 10 (CheckSum)".into()));
                }
                10 => {
                    self.keep(&field);
                    sums.end = field.begin;
                    return self.whole(sums);
                }
                35 if !self.is_kept(35) => {
                    let kind = &bytes[field.value..field.end];
                    // One that is cut off in its type may have been of any.
                    if !kind.is_empty() && field.end < bytes.len() && !is_read(kind) {
                        return Ok(None);
                    }
                }
                _ => {}
            }
            self.keep(&field);
            if other == Some(field.tag) && self.other.is_none() {
                self.other = Some((field.value as u32, field.end as u32));
            }
            before = field;
        }
        Err(self.broken("is cut off: it has no tag 10 (CheckSum) at its end".into()))
    }

    /// Keeps a field, or the rest of the one that was kept last.
    #[inline]
    fn keep(&mut self, field: &Field) {
        let Some(slot) = slot(field.tag) else { return };
        let (begin, end) = (field.value as u32, field.end as u32);
        let value = &mut self.values[slot];
        if value.0 == 0 || value.0 == begin {
            *value = (begin, end);
        }
    }

    fn is_kept(&self, tag: u32) -> bool {
        slot(tag).is_some_and(|slot| self.values[slot] != (0, 0))
    }

    /// With a type, and a checksum that can be one.
    fn whole(&self, sums: Sums) -> Result<Option<Sums>, Malformed> {
        self.required(35)?;
        match self.get(10) {
            Some([a, b, c]) if [a, b, c].iter().all(|byte| byte.is_ascii_digit()) => Ok(Some(sums)),
            found => Err(self.wrong(10, found.unwrap_or_default(), "three digits")),
        }
    }

    /// What its length and its checksum should have been, if they are not what they are.
    fn doubt(&self, sums: &Sums) -> Option<String> {
        let number = |tag| whole_number(self.get(tag)?);
        let length = sums.end.saturating_sub(sums.body).saturating_sub(sums.excess);
        let sum = self.bytes[..sums.end].iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
        let sum = usize::from(sum.wrapping_sub(sums.excess_sum));
        let mut doubts = Vec::new();
        match number(9) {
            None => doubts.push("it has no tag 9 (BodyLength) that is a number".to_string()),
            Some(said) if said != length => doubts
                .push(format!("tag 9 (BodyLength) is {said}, but its body has {length} bytes")),
            Some(_) => {}
        }
        if number(10) != Some(sum) {
            let said = self.get(10).map(shown).unwrap_or_default();
            doubts.push(format!("tag 10 (CheckSum) is {said}, but its bytes add up to {sum:03}"));
        }
        (!doubts.is_empty()).then(|| doubts.join("; "))
    }

    /// The bytes of a value, if it is there and not empty.
    pub(super) fn get(&self, tag: u32) -> Option<&'a [u8]> {
        let (begin, end) = self.values[slot(tag)?];
        self.bytes.get(begin as usize..end as usize).filter(|value| !value.is_empty())
    }

    /// The bytes of a value that must be there.
    pub(super) fn required(&self, tag: u32) -> Result<&'a [u8], Malformed> {
        self.get(tag).ok_or_else(|| self.missing(tag))
    }

    /// A value as it is.
    pub(super) fn text(&self, tag: u32) -> Option<Cow<'a, str>> {
        let span = self.values[slot(tag)?];
        self.text_at(span).filter(|text| !text.is_empty())
    }

    /// The value of the tag that was asked for besides.
    pub(super) fn other(&self) -> Option<Cow<'a, str>> {
        self.text_at(self.other?).filter(|text| !text.is_empty())
    }

    /// A value with its tag, such as `103=1`.
    pub(super) fn tagged(&self, tag: u32) -> Option<Cow<'a, str>> {
        self.get(tag)?;
        let (value, end) = self.values[slot(tag)?];
        let before = self.bytes.get(..value as usize)?.strip_suffix(b"=")?;
        let digits = before.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        self.text_at(((before.len() - digits) as u32, end))
    }

    /// All of it.
    pub(super) fn raw(&self) -> Cow<'a, str> {
        self.text_at((0, self.bytes.len() as u32)).unwrap_or_default()
    }

    /// Bytes that are no text are shown as U+FFFD.
    fn text_at(&self, (begin, end): Span) -> Option<Cow<'a, str>> {
        let range = begin as usize..end as usize;
        match self.text {
            Some(text) => text.get(range).map(Cow::Borrowed),
            None => self.bytes.get(range).map(String::from_utf8_lossy),
        }
    }

    /// A value that is a number.
    pub(super) fn number(&self, tag: u32) -> Result<Option<Number<'a>>, Malformed> {
        let Some(value) = self.get(tag) else { return Ok(None) };
        let text = match (self.text, slot(tag)) {
            (Some(text), Some(slot)) => {
                let (begin, end) = self.values[slot];
                text.get(begin as usize..end as usize)
            }
            _ => std::str::from_utf8(value).ok(),
        };
        text.and_then(Number::new).map(Some).ok_or_else(|| {
            self.wrong(tag, value, "a plain decimal of up to 40 characters, such as 12.34")
        })
    }

    /// A value that is a time.
    pub(super) fn time(&self, tag: u32) -> Result<Option<DateTime<Utc>>, Malformed> {
        let Some(value) = self.get(tag) else { return Ok(None) };
        time::parse(value).map(Some).ok_or_else(|| self.wrong(tag, value, time::EXPECTED))
    }

    /// The complaint that the value of a tag is not what it should be.
    pub(super) fn wrong(&self, tag: u32, found: &[u8], expected: &str) -> Malformed {
        let why = format!("is {}; expected {expected}", shown(found));
        Malformed { line: self.line, field: Some(called(tag)), why }
    }

    /// The complaint that a tag is not there.
    pub(super) fn missing(&self, tag: u32) -> Malformed {
        Malformed { line: self.line, field: Some(called(tag)), why: "is missing".into() }
    }

    /// The complaint about all of it.
    pub(super) fn broken(&self, why: String) -> Malformed {
        Malformed { line: self.line, field: None, why: format!("this message {why}") }
    }

    /// The line that it begins on.
    pub(super) fn line(&self) -> u64 {
        self.line
    }
}

/// A unit in which no message begins: it is none, unless it looks like one with a separator of its own.
fn unseparated<T>(unit: &[u8], line: u64) -> Result<Option<T>, Malformed> {
    let Some(at) = BEGIN.find(unit) else { return Ok(None) };
    let version = &unit[at + BEGIN.needle().len()..];
    let is_version = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'.';
    let rest = version[version.iter().take_while(is_version).count()..].trim_ascii_end();
    let why = if rest.len() < Separator::Caret.bytes().len() {
        "this message is cut off after its BeginString".into()
    } else if memmem::find(rest, b"35=").is_some() {
        let found = shown(&rest[..rest.len().min(8)]);
        format!(
            "the fields of this message are separated by none of SOH, |, ; and ^A, but as in {found}"
        )
    } else {
        return Ok(None);
    };
    let line = line + memchr_iter(b'\n', &unit[..at]).count() as u64;
    Err(Malformed { line, field: None, why })
}

/// What the length and the checksum of a message are made up of.
#[derive(Default)]
struct Sums {
    /// Where its body begins, and ends.
    body: usize,
    end: usize,
    /// What the separators are more than SOH is, in bytes of the body and in the sum of all.
    excess: usize,
    excess_sum: u8,
}

impl Sums {
    /// Counts what stands between two fields as SOH.
    fn pass(&mut self, between: &[u8]) {
        self.excess += between.len().saturating_sub(1);
        let sum = between.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
        self.excess_sum = self.excess_sum.wrapping_add(sum).wrapping_sub(SOH);
    }
}

/// A field: its tag, or 0 if it has none, and where it, its value, and both end.
#[derive(Clone, Copy)]
struct Field {
    tag: u32,
    begin: usize,
    value: usize,
    end: usize,
}

/// Fields one after the other.
struct Fields<'a, const PRINTABLE: bool> {
    bytes: &'a [u8],
    separator: Separator,
    at: usize,
}

impl<const PRINTABLE: bool> Fields<'_, PRINTABLE> {
    /// The next field. The one before it may say how long it is.
    #[inline]
    fn next(&mut self, before: &Field) -> Option<Field> {
        let (bytes, begin) = (self.bytes, self.at);
        let rest = bytes.get(begin..).filter(|rest| !rest.is_empty())?;
        let (tag, length) = tag(rest);
        let value = begin + length;
        let is_data = LENGTHS.get(tag as usize).is_some_and(|length| *length == before.tag);
        let end = if is_data { self.end_of_data(before, value) } else { self.end_of_value(value) };
        if !PRINTABLE {
            self.at = end + 1;
            return Some(Field { tag, begin, value, end });
        }
        self.at = self.separator.skip(bytes, end);
        let end = value + self.separator.trim(&bytes[value..end]).len();
        Some(Field { tag, begin, value, end })
    }

    #[inline]
    fn end_of_value(&self, value: usize) -> usize {
        let rest = &self.bytes[value..];
        let end = if PRINTABLE { self.separator.find(rest) } else { find(SOH, rest) };
        value + end.unwrap_or(rest.len())
    }

    /// Where a value ends that may have separators in it, and whose length the field before it tells.
    #[cold]
    fn end_of_data(&self, before: &Field, value: usize) -> usize {
        let length = whole_number(&self.bytes[before.value..before.end]);
        let end = length.map(|length| value + length);
        let is_end = |end: &usize| {
            let after = self.bytes.get(*end..);
            after.is_some_and(|after| after.starts_with(self.separator.bytes()))
        };
        end.filter(is_end).unwrap_or_else(|| self.end_of_value(value))
    }
}

/// The tag that these bytes begin with, and the length of it with its `=`; 0 and 0 if they begin with none.
#[inline]
fn tag(bytes: &[u8]) -> (u32, usize) {
    let digit = |byte: u8| u32::from(byte ^ b'0');
    // Nearly all tags are of one to three digits.
    if let Some(&[a, b, c, d]) = bytes.first_chunk() {
        let (a, b, c, d) = (digit(a), digit(b), digit(c), digit(d));
        const EQUALS: u32 = (b'=' ^ b'0') as u32;
        match (a, b, c, d) {
            (1..=9, EQUALS, ..) => return (a, 2),
            (1..=9, 0..=9, EQUALS, _) => return (a * 10 + b, 3),
            (1..=9, 0..=9, 0..=9, EQUALS) => return (a * 100 + b * 10 + c, 4),
            _ => {}
        }
    }
    let digits = bytes.iter().take(MAX_TAG).take_while(|byte| byte.is_ascii_digit()).count();
    let tag = bytes[..digits].iter().fold(0, |tag, byte| tag * 10 + digit(*byte));
    if tag > 0 && bytes.get(digits) == Some(&b'=') { (tag, digits + 1) } else { (0, 0) }
}
