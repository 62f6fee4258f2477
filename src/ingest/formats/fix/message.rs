//! The fields of one message.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use memchr::memchr_iter;

use super::frame::{BeginString, SOH, Separator, Sums, find, whole_number};
use super::tags::{self, BEGIN_STRING, BODY_LENGTH, CHECK_SUM, MSG_TYPE};
use super::time;
use crate::ingest::event::Number;
use crate::ingest::formats::reader::Malformed;

/// Digits of a tag.
const MAX_TAG: usize = 9;

/// Characters of a value that an error shows.
const MAX_SHOWN: usize = 40;

/// Returns a value in quotes, cut to 40 characters.
pub(super) fn show(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// Where a value begins and ends in the bytes of its message.
type Span = (u32, u32);

/// The fields of one message that are kept, with its bytes.
pub(super) struct Message<'a> {
    line: u64,
    bytes: &'a [u8],
    /// The bytes as text; none if they are not all UTF-8.
    text: Option<&'a str>,
    values: [Span; tags::KEPT],
    /// The value of the tag that the caller has asked for.
    extra: Option<Span>,
    /// Describes a wrong length or checksum; none if both are right.
    pub(super) note: Option<String>,
}

impl<'a> Message<'a> {
    /// Reads the message of a unit that begins on this line; none if `is_read` returns false for its
    /// type. `begin_string` is the first in the unit, `extra` a tag to keep besides those of [`tags`].
    ///
    /// Of a tag that occurs twice the first counts: the others are in repeating groups.
    pub(super) fn read(
        unit: &'a [u8],
        line: u64,
        begin_string: &BeginString,
        is_read: impl Fn(&[u8]) -> bool,
        extra: Option<u32>,
    ) -> Result<Option<Self>, Malformed> {
        let line = line + memchr_iter(b'\n', &unit[..begin_string.begin]).count() as u64;
        let bytes = unit[begin_string.begin..].trim_ascii_end();
        let values = [(0, 0); tags::KEPT];
        let mut message = Self { line, bytes, text: None, values, extra: None, note: None };
        let sums = match begin_string.separator {
            Separator::Byte(SOH) => message.scan::<false>(begin_string, is_read, extra),
            _ => message.scan::<true>(begin_string, is_read, extra),
        };
        let Some(sums) = sums? else { return Ok(None) };
        message.text = std::str::from_utf8(bytes).ok();
        message.note = message.check_sums(&sums);
        Ok(Some(message))
    }

    /// Keeps the fields up to the trailer. None if the type is not wanted.
    fn scan<const PRINTABLE: bool>(
        &mut self,
        begin_string: &BeginString,
        is_read: impl Fn(&[u8]) -> bool,
        extra: Option<u32>,
    ) -> Result<Option<Sums>, Malformed> {
        let bytes = self.bytes;
        let separator = begin_string.separator;
        let at = begin_string.next - begin_string.begin;
        let mut fields = Fields::<PRINTABLE> { bytes, separator, at };
        let mut sums = Sums::default();
        let end = begin_string.end - begin_string.begin;
        let mut before = Field { tag: BEGIN_STRING, begin: 0, value: 0, end };
        while let Some(field) = fields.next(&before) {
            if PRINTABLE {
                sums.add_separator(&bytes[before.end..field.begin]);
            }
            match field.tag {
                0 if PRINTABLE => {
                    // The value before contains the separator, and goes on.
                    before.end = field.end;
                    self.keep(&before);
                    continue;
                }
                0 => {
                    let found = show(&bytes[field.value..field.end]);
                    return Err(self.broken(format!("has a field without a tag, {found}")));
                }
                BEGIN_STRING | BODY_LENGTH
                    if field.tag == BEGIN_STRING || self.is_kept(BODY_LENGTH) =>
                {
                    return Err(self.broken("runs into another one before its trailer".into()));
                }
                BODY_LENGTH => sums.begin_body(field.end + 1),
                CHECK_SUM if fields.at < bytes.len() => {
                    return Err(self.broken("goes on after tag 10 (CheckSum)".into()));
                }
                CHECK_SUM => {
                    self.keep(&field);
                    sums.end_body(field.begin);
                    self.check_required()?;
                    return Ok(Some(sums));
                }
                MSG_TYPE if !self.is_kept(MSG_TYPE) => {
                    let kind = &bytes[field.value..field.end];
                    // A message that is cut off within its type may be of any, and is reported.
                    if !kind.is_empty() && field.end < bytes.len() && !is_read(kind) {
                        return Ok(None);
                    }
                }
                _ => {}
            }
            self.keep(&field);
            if extra == Some(field.tag) && self.extra.is_none() {
                self.extra = Some((field.value as u32, field.end as u32));
            }
            before = field;
        }
        Err(self.broken("is cut off: it has no tag 10 (CheckSum) at its end".into()))
    }

    /// Keeps the value of a field, or the rest of the value that was kept last.
    #[inline]
    fn keep(&mut self, field: &Field) {
        let Some(slot) = tags::slot(field.tag) else { return };
        let (begin, end) = (field.value as u32, field.end as u32);
        let value = &mut self.values[slot];
        if value.0 == 0 || value.0 == begin {
            *value = (begin, end);
        }
    }

    fn is_kept(&self, tag: u32) -> bool {
        tags::slot(tag).is_some_and(|slot| self.values[slot] != (0, 0))
    }

    /// Checks that the message has a type, and a checksum of three digits.
    fn check_required(&self) -> Result<(), Malformed> {
        self.required(MSG_TYPE)?;
        match self.get(CHECK_SUM) {
            Some([a, b, c]) if [a, b, c].iter().all(|byte| byte.is_ascii_digit()) => Ok(()),
            found => Err(self.wrong(CHECK_SUM, found.unwrap_or_default(), "three digits")),
        }
    }

    /// Describes how the BodyLength or the CheckSum differ from what they should be.
    fn check_sums(&self, sums: &Sums) -> Option<String> {
        let number = |tag| whole_number(self.get(tag)?);
        let (length, sum) = (sums.body_length(), sums.check_sum(self.bytes));
        let mut wrong = Vec::new();
        match number(BODY_LENGTH) {
            None => wrong.push("it has no tag 9 (BodyLength) that is a number".to_string()),
            Some(found) if found != length => {
                wrong.push(format!(
                    "tag 9 (BodyLength) is {found}, but its body has {length} bytes"
                ));
            }
            Some(_) => {}
        }
        if number(CHECK_SUM) != Some(sum) {
            let found = self.get(CHECK_SUM).map(show).unwrap_or_default();
            wrong.push(format!("tag 10 (CheckSum) is {found}, but its bytes add up to {sum:03}"));
        }
        (!wrong.is_empty()).then(|| wrong.join("; "))
    }

    /// Returns the bytes of a value; none if it is missing or empty.
    pub(super) fn get(&self, tag: u32) -> Option<&'a [u8]> {
        let (begin, end) = self.values[tags::slot(tag)?];
        self.bytes.get(begin as usize..end as usize).filter(|value| !value.is_empty())
    }

    /// Returns the bytes of a value, which must not be missing or empty.
    pub(super) fn required(&self, tag: u32) -> Result<&'a [u8], Malformed> {
        self.get(tag).ok_or_else(|| self.missing(tag))
    }

    /// Returns a value as text; none if it is missing or empty.
    pub(super) fn text(&self, tag: u32) -> Option<Cow<'a, str>> {
        let span = self.values[tags::slot(tag)?];
        self.text_at(span).filter(|text| !text.is_empty())
    }

    /// Returns the value of the extra tag as text; none if it is missing or empty.
    pub(super) fn extra(&self) -> Option<Cow<'a, str>> {
        self.text_at(self.extra?).filter(|text| !text.is_empty())
    }

    /// Returns a value with its tag, such as `103=1`.
    pub(super) fn with_tag(&self, tag: u32) -> Option<Cow<'a, str>> {
        self.get(tag)?;
        let (value, end) = self.values[tags::slot(tag)?];
        let before = self.bytes.get(..value as usize)?.strip_suffix(b"=")?;
        let digits = before.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        self.text_at(((before.len() - digits) as u32, end))
    }

    /// Returns the whole message as text.
    pub(super) fn raw(&self) -> Cow<'a, str> {
        self.text_at((0, self.bytes.len() as u32)).unwrap_or_default()
    }

    /// Bytes as text, with U+FFFD in place of those that are not UTF-8.
    fn text_at(&self, (begin, end): Span) -> Option<Cow<'a, str>> {
        let range = begin as usize..end as usize;
        match self.text {
            Some(text) => text.get(range).map(Cow::Borrowed),
            None => self.bytes.get(range).map(String::from_utf8_lossy),
        }
    }

    /// Returns a value as a decimal; none if it is missing or empty.
    pub(super) fn number(&self, tag: u32) -> Result<Option<Number<'a>>, Malformed> {
        let Some(value) = self.get(tag) else { return Ok(None) };
        let text = match (self.text, tags::slot(tag)) {
            (Some(text), Some(slot)) => {
                let (begin, end) = self.values[slot];
                text.get(begin as usize..end as usize)
            }
            _ => std::str::from_utf8(value).ok(),
        };
        text.and_then(Number::new).map(Some).ok_or_else(|| {
            let max = Number::MAX_LENGTH;
            let expected = format!("a plain decimal of up to {max} characters, such as 12.34");
            self.wrong(tag, value, &expected)
        })
    }

    /// Returns a value as a time; none if it is missing or empty.
    pub(super) fn time(&self, tag: u32) -> Result<Option<DateTime<Utc>>, Malformed> {
        let Some(value) = self.get(tag) else { return Ok(None) };
        time::parse(value).map(Some).ok_or_else(|| self.wrong(tag, value, time::EXPECTED))
    }

    /// Returns the error for a tag with an unexpected value.
    pub(super) fn wrong(&self, tag: u32, found: &[u8], expected: &str) -> Malformed {
        let why = format!("is {}; expected {expected}", show(found));
        Malformed { line: self.line, field: Some(tags::named(tag)), why }
    }

    /// Returns the error for a tag that is missing.
    pub(super) fn missing(&self, tag: u32) -> Malformed {
        Malformed { line: self.line, field: Some(tags::named(tag)), why: "is missing".into() }
    }

    /// Returns the error for a message that is damaged as a whole.
    pub(super) fn broken(&self, why: String) -> Malformed {
        Malformed { line: self.line, field: None, why: format!("this message {why}") }
    }

    /// Returns the line on which the message begins.
    pub(super) fn line(&self) -> u64 {
        self.line
    }
}

/// A field: its tag, 0 if it has none, and where it, its value, and both end.
#[derive(Clone, Copy)]
struct Field {
    tag: u32,
    begin: usize,
    value: usize,
    end: usize,
}

/// Splits a message into fields. `PRINTABLE` if its separator was printed by a log.
struct Fields<'a, const PRINTABLE: bool> {
    bytes: &'a [u8],
    separator: Separator,
    at: usize,
}

impl<const PRINTABLE: bool> Fields<'_, PRINTABLE> {
    /// The next field, given the one before it, which is the length of a data field.
    #[inline]
    fn next(&mut self, before: &Field) -> Option<Field> {
        let (bytes, begin) = (self.bytes, self.at);
        let rest = bytes.get(begin..).filter(|rest| !rest.is_empty())?;
        let (tag, length) = parse_tag(rest);
        let value = begin + length;
        let is_data = tags::is_data_after(tag, before.tag);
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

    /// The end of a data field, which may contain the separator: by the length in the field before it, or
    /// at the next separator if that length is wrong.
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

/// The tag that these bytes begin with, and its length with the `=`; 0 and 0 if they begin with no tag.
#[inline]
fn parse_tag(bytes: &[u8]) -> (u32, usize) {
    let digit = |byte: u8| u32::from(byte ^ b'0');
    // Nearly all tags have one to three digits.
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
