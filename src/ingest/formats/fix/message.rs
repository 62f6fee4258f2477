//! The fields of one message.

use std::borrow::Cow;

use chrono::{DateTime, NaiveDate, Utc};
use encoding_rs::Encoding;
use memchr::{memchr, memchr_iter, memmem};

use super::frame::{BeginString, SOH, Separator, Sums, find, whole_number};
use super::tags::{self, BEGIN_STRING, BODY_LENGTH, CHECK_SUM, MSG_TYPE};
use super::time;
use crate::ingest::event::Number;
use crate::ingest::formats::options::TraderTag;
use crate::ingest::formats::reader::Malformed;
use crate::ingest::formats::text::keep;

/// Digits of a tag.
const MAX_TAG: usize = 9;

/// Characters of a value that an error shows.
const MAX_SHOWN: usize = 40;

/// Returns a value in quotes, cut to 40 characters.
pub(super) fn show(value: &[u8]) -> String {
    let mut text = String::with_capacity(value.len() + 2);
    for chunk in value.utf8_chunks() {
        text.extend(chunk.valid().escape_debug());
        text.extend(chunk.invalid().escape_ascii().map(char::from));
    }
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("\"{}\"…", &text[..end]),
        None => format!("\"{text}\""),
    }
}

/// The character with which conversions replace what they can't convert.
const REPLACEMENT: &str = "\u{fffd}";

/// Where a value begins and ends in the bytes of its message.
type Span = (u32, u32);

/// The value of a field, none if it is missing or empty, or why it can't be read.
pub(super) type Value<T> = Result<Option<T>, String>;

/// The fields of one message that are kept, with its bytes.
pub(super) struct Message<'a> {
    line: u64,
    bytes: &'a [u8],
    begin_string: BeginString,
    /// The bytes as text; none if they are not all UTF-8.
    text: Option<&'a str>,
    /// Whether there is a replacement character (U+FFFD) in it: bytes that a conversion has lost.
    is_lossy: bool,
    /// The encoding of values that are not UTF-8.
    encoding: Option<&'static Encoding>,
    values: [Span; tags::KEPT],
    pub(super) doubts: Doubts,
}

/// What is wrong with a message as a whole.
#[derive(Default)]
pub(super) struct Doubts {
    /// Why the message is not whole, such as that it is cut off. The fields before are kept.
    pub(super) broken: Option<String>,
    /// Describes a wrong length or checksum.
    pub(super) sums: Option<String>,
    /// Describes a data field whose length is wrong.
    pub(super) data: Option<String>,
    /// The first tag that occurs twice.
    repeated: Option<u32>,
}

impl<'a> Message<'a> {
    /// Returns the message of a unit that begins on this line, to be read. `begin_string` is the first in the unit.
    pub(super) fn new(
        unit: &'a [u8],
        line: u64,
        begin_string: &BeginString,
        encoding: Option<&'static Encoding>,
    ) -> Self {
        let line = line + memchr_iter(b'\n', &unit[..begin_string.begin]).count() as u64;
        Self {
            line,
            bytes: unit[begin_string.begin..].trim_ascii_end(),
            begin_string: begin_string.moved_to_start(),
            text: None,
            is_lossy: false,
            encoding,
            values: [(0, 0); tags::KEPT],
            doubts: Doubts::default(),
        }
    }

    /// Reads the fields. Returns false if `is_read` returns false for the type.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if the message has no type. Whatever else is wrong is in its [`Doubts`].
    pub(super) fn read(&mut self, is_read: impl Fn(&[u8]) -> bool) -> Result<bool, Malformed> {
        let is_wanted = match self.is_printed() {
            false => self.scan::<false>(is_read),
            true => self.scan::<true>(is_read),
        };
        if !is_wanted {
            return Ok(false);
        }
        if self.get(MSG_TYPE).is_none() {
            let line = self.line;
            return Err(match self.doubts.broken.take() {
                Some(why) => Malformed { line, field: None, why },
                None => {
                    let field = Some(tags::named(MSG_TYPE));
                    Malformed { line, field, why: "is missing".into() }
                }
            });
        }
        self.text = std::str::from_utf8(self.bytes).ok();
        self.is_lossy = memchr(0xef, self.bytes).is_some()
            && memmem::find(self.bytes, REPLACEMENT.as_bytes()).is_some();
        if self.text.is_none() {
            self.encoding = self.named_encoding().or(self.encoding);
        }
        Ok(true)
    }

    /// Keeps the fields up to the trailer. Returns false if the type is not wanted.
    fn scan<const PRINTED: bool>(&mut self, is_read: impl Fn(&[u8]) -> bool) -> bool {
        let bytes = self.bytes;
        // A type that is empty is reported.
        let is_wanted = |kind: &[u8]| kind.is_empty() || is_read(kind);
        let mut fields = Fields::<PRINTED>::new(bytes, &self.begin_string);
        let mut sums = Sums::default();
        let mut before = Field::begin_string(&self.begin_string);
        while let Some(field) = fields.next(&before) {
            if field.end >= bytes.len() && field.tag != CHECK_SUM {
                // The value may go on where the message was cut off, and is not kept.
                break;
            }
            if field.tag == 0 {
                if PRINTED {
                    // The value before contains the separator, and goes on.
                    before.end = field.end;
                    self.keep_rest(&before);
                } else {
                    let found = show(&bytes[field.begin..field.end]);
                    self.break_off(format!("has a field without a tag, {found}"));
                }
                continue;
            }
            if PRINTED {
                sums.add_separator(&bytes[before.end..field.begin]);
            }
            match field.tag {
                BEGIN_STRING | BODY_LENGTH
                    if field.tag == BEGIN_STRING || self.is_kept(BODY_LENGTH) =>
                {
                    self.break_off("runs into another one before its trailer".into());
                    return true;
                }
                BODY_LENGTH => sums.begin_body(field.end + 1),
                CHECK_SUM if fields.at < bytes.len() => {
                    self.break_off("goes on after tag 10 (CheckSum)".into());
                    return true;
                }
                CHECK_SUM => {
                    self.keep(&field);
                    sums.end_body(field.begin);
                    self.doubts.data = fields.describe_wrong_data();
                    sums.add_data(fields.data_sums);
                    self.check_sums(&sums);
                    if PRINTED && memchr(SOH, bytes).is_some() {
                        self.break_off("has SOH in it besides the separator of the log".into());
                    }
                    return true;
                }
                MSG_TYPE
                    if !self.is_kept(MSG_TYPE) && !is_wanted(&bytes[field.value..field.end]) =>
                {
                    return false;
                }
                _ => {}
            }
            self.keep(&field);
            before = field;
        }
        self.doubts.data = fields.describe_wrong_data();
        self.break_off("is cut off: it has no tag 10 (CheckSum) at its end".into());
        true
    }

    fn break_off(&mut self, why: String) {
        self.doubts.broken.get_or_insert_with(|| format!("this message {why}"));
    }

    /// Keeps the value of a field. Of a tag that occurs twice the first value is kept.
    #[inline]
    fn keep(&mut self, field: &Field) {
        let Some(slot) = tags::slot(field.tag) else { return };
        let value = &mut self.values[slot];
        if value.0 == 0 {
            *value = (field.value as u32, field.end as u32);
        } else if self.doubts.repeated.is_none() {
            self.doubts.repeated = Some(field.tag);
        }
    }

    /// Keeps the rest of the value that was kept last.
    #[cold]
    fn keep_rest(&mut self, field: &Field) {
        let Some(slot) = tags::slot(field.tag) else { return };
        if !tags::is_text(field.tag) {
            return self.break_off(format!("has a separator within {}", tags::named(field.tag)));
        }
        let value = &mut self.values[slot];
        if value.0 == field.value as u32 {
            value.1 = field.end as u32;
        }
    }

    fn is_kept(&self, tag: u32) -> bool {
        tags::slot(tag).is_some_and(|slot| self.values[slot] != (0, 0))
    }

    /// Describes how the BodyLength or the CheckSum differ from what they should be.
    fn check_sums(&mut self, sums: &Sums) {
        let digits = self.get(CHECK_SUM).unwrap_or_default();
        if digits.len() != 3 || !digits.iter().all(u8::is_ascii_digit) {
            let why = self.wrong(CHECK_SUM, digits, "three digits");
            self.doubts.broken.get_or_insert(why);
            return;
        }
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
            let found = show(digits);
            wrong.push(format!("tag 10 (CheckSum) is {found}, but its bytes add up to {sum:03}"));
        }
        self.doubts.sums = (!wrong.is_empty()).then(|| wrong.join("; "));
    }

    /// The encoding that the message names (347, MessageEncoding). UTF-8 is no other.
    fn named_encoding(&self) -> Option<&'static Encoding> {
        let encoding = Encoding::for_label(self.get(tags::MESSAGE_ENCODING)?)?;
        (encoding != encoding_rs::UTF_8 && encoding.is_ascii_compatible()).then_some(encoding)
    }

    /// Returns whether a log has printed the separators: a text may contain them.
    pub(super) fn is_printed(&self) -> bool {
        self.begin_string.separator.is_printed()
    }

    /// Returns the bytes of a value; none if it is missing or empty.
    pub(super) fn get(&self, tag: u32) -> Option<&'a [u8]> {
        let (begin, end) = self.values[tags::slot(tag)?];
        self.bytes.get(begin as usize..end as usize).filter(|value| !value.is_empty())
    }

    /// Returns a value as text.
    pub(super) fn text(&self, tag: u32) -> Value<Cow<'a, str>> {
        let Some(slot) = tags::slot(tag) else { return Ok(None) };
        match self.values[slot] {
            (begin, end) if begin < end => self.decode(tag, (begin, end)).map(Some),
            _ => Ok(None),
        }
    }

    /// Returns the trader: the value of the first of these tags that is present and not blank.
    ///
    /// # Errors
    ///
    /// Why its value can't be read, or that there are several.
    pub(super) fn trader(&self, tags: &[TraderTag]) -> Value<Cow<'a, str>> {
        let is_report = matches!(self.get(MSG_TYPE), Some(b"8" | b"9"));
        for tag in tags {
            let tag = if is_report { tag.report } else { tag.request };
            let found = match tags::slot(tag) {
                Some(_) => self.text(tag)?,
                None => match self.find(tag)? {
                    Some(span) => Some(self.decode(tag, span)?),
                    None => None,
                },
            };
            if let Some(trader) = found.filter(|found| !found.trim().is_empty()) {
                return Ok(Some(trader));
            }
        }
        Ok(None)
    }

    /// Finds the value of a tag that is not kept.
    fn find(&self, tag: u32) -> Value<Span> {
        match self.is_printed() {
            false => self.find_in(Fields::<false>::new(self.bytes, &self.begin_string), tag),
            true => self.find_in(Fields::<true>::new(self.bytes, &self.begin_string), tag),
        }
    }

    fn find_in<const PRINTED: bool>(
        &self,
        mut fields: Fields<'_, PRINTED>,
        tag: u32,
    ) -> Value<Span> {
        let mut before = Field::begin_string(&self.begin_string);
        let mut found: Option<Span> = None;
        while let Some(field) = fields.next(&before) {
            match field.tag {
                // The value before contains the separator, and goes on.
                0 if PRINTED => {
                    before.end = field.end;
                    if let Some(found) =
                        found.as_mut().filter(|found| found.0 == before.value as u32)
                    {
                        found.1 = before.end as u32;
                    }
                    continue;
                }
                // The message is cut off or runs into another one there.
                BEGIN_STRING | CHECK_SUM => break,
                _ if field.end >= self.bytes.len() => break,
                of if of != tag => {}
                _ if found.is_none() => found = Some((field.value as u32, field.end as u32)),
                _ if tags::is_in_group(tag) => {}
                _ => return Err(twice(tag)),
            }
            before = field;
        }
        Ok(found.filter(|(begin, end)| begin < end))
    }

    /// Returns a value with its tag, such as `103=1`.
    pub(super) fn with_tag(&self, tag: u32) -> Value<Cow<'a, str>> {
        let Some(slot) = tags::slot(tag).filter(|_| self.get(tag).is_some()) else {
            return Ok(None);
        };
        let (value, end) = self.values[slot];
        let digits = tag.ilog10() + 1;
        self.decode(tag, (value - digits - 1, end)).map(Some)
    }

    /// Returns the whole message as text, to be read again from a break with the same defects. Bytes of an unknown
    /// encoding are escaped and marked, so that they are refused again.
    pub(super) fn raw(&self) -> Cow<'a, str> {
        if let Some(text) = self.text {
            return Cow::Borrowed(text);
        }
        let decode = |encoding: &'static Encoding| {
            encoding.decode_without_bom_handling_and_without_replacement(self.bytes)
        };
        self.encoding.and_then(decode).unwrap_or_else(|| keep(self.bytes))
    }

    /// Returns [`Message::raw`] of a message that begins within another one: after the beginning of one.
    pub(super) fn raw_within(&self) -> Cow<'a, str> {
        let raw = self.raw();
        let begin = raw.get(..self.begin_string.next).unwrap_or_default();
        format!("{begin}… {raw}").into()
    }

    /// Decodes a value: as UTF-8, or else in the encoding of the message. It does not depend on the other
    /// values, so that an id is the same text in every message.
    fn decode(&self, tag: u32, (begin, end): Span) -> Result<Cow<'a, str>, String> {
        let range = begin as usize..end as usize;
        let bytes = self.bytes.get(range.clone()).unwrap_or_default();
        // Two ids may have become one. A text for people is worth reading nevertheless.
        if self.is_lossy
            && tag != tags::TEXT
            && memmem::find(bytes, REPLACEMENT.as_bytes()).is_some()
        {
            let expected = "the text itself, which a conversion has replaced by U+FFFD";
            return Err(self.wrong(tag, bytes, expected));
        }
        if let Some(text) = self.text.and_then(|text| text.get(range)) {
            return Ok(Cow::Borrowed(text));
        }
        if let Ok(text) = std::str::from_utf8(bytes) {
            return Ok(Cow::Borrowed(text));
        }
        let Some(encoding) = self.encoding else {
            let expected = "UTF-8; name the encoding of the messages with --encoding";
            return Err(self.wrong(tag, bytes, expected));
        };
        let text = encoding.decode_without_bom_handling_and_without_replacement(bytes);
        text.ok_or_else(|| self.wrong(tag, bytes, encoding.name()))
    }

    /// Returns a value as a decimal.
    pub(super) fn number(&self, tag: u32) -> Value<Number<'a>> {
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
            let expected = format!("a decimal of up to {max} characters, such as 12.34");
            self.wrong(tag, value, &expected)
        })
    }

    /// Returns a value as a whole number.
    pub(super) fn whole(&self, tag: u32) -> Value<u64> {
        let Some(value) = self.get(tag) else { return Ok(None) };
        let digits =
            std::str::from_utf8(value).ok().filter(|_| value.iter().all(u8::is_ascii_digit));
        let number = digits.and_then(|digits| digits.parse().ok());
        number.map(Some).ok_or_else(|| self.wrong(tag, value, "a whole number"))
    }

    /// Returns a value as a time.
    pub(super) fn time(&self, tag: u32) -> Value<DateTime<Utc>> {
        let Some(value) = self.get(tag) else { return Ok(None) };
        time::parse(value).map(Some).ok_or_else(|| self.wrong(tag, value, time::EXPECTED))
    }

    /// Returns a value as a day.
    pub(super) fn day(&self, tag: u32) -> Value<NaiveDate> {
        let Some(value) = self.get(tag) else { return Ok(None) };
        time::parse_day(value).map(Some).ok_or_else(|| self.wrong(tag, value, time::EXPECTED_DAY))
    }

    /// Describes a tag with an unexpected value.
    pub(super) fn wrong(&self, tag: u32, found: &[u8], expected: &str) -> String {
        format!("{} is {}; expected {expected}", tags::named(tag), show(found))
    }

    /// Describes a tag that is missing.
    pub(super) fn missing(&self, tag: u32) -> String {
        format!("{} is missing", tags::named(tag))
    }

    /// Returns the line on which the message begins.
    pub(super) fn line(&self) -> u64 {
        self.line
    }
}

impl Doubts {
    /// Describes the first tag that occurs twice.
    pub(super) fn repeated(&self) -> Option<String> {
        Some(twice(self.repeated?))
    }
}

/// Describes a tag that occurs twice.
fn twice(tag: u32) -> String {
    format!("{} occurs twice", tags::named(tag))
}

/// A field: its tag, 0 if it has none, and where it, its value, and both end.
#[derive(Clone, Copy)]
struct Field {
    tag: u32,
    begin: usize,
    value: usize,
    end: usize,
}

impl Field {
    /// The first field of a message.
    fn begin_string(found: &BeginString) -> Self {
        Self { tag: BEGIN_STRING, begin: found.begin, value: found.begin, end: found.end }
    }
}

/// Splits a message into fields. `PRINTED` if its separator was printed by a log.
struct Fields<'a, const PRINTED: bool> {
    bytes: &'a [u8],
    separator: Separator,
    at: usize,
    /// The first data field whose length is wrong, with the tag of the length and the field before it.
    wrong_data: Option<(u32, u32, Field)>,
    /// What the separators inside of data fields add to the sums, each of which stands for SOH as well.
    data_sums: Sums,
}

impl<'a, const PRINTED: bool> Fields<'a, PRINTED> {
    fn new(bytes: &'a [u8], begin_string: &BeginString) -> Self {
        let BeginString { separator, next: at, .. } = *begin_string;
        Self { bytes, separator, at, wrong_data: None, data_sums: Sums::default() }
    }

    /// The next field, given the one before it, which is the length of a data field.
    #[inline(always)]
    fn next(&mut self, before: &Field) -> Option<Field> {
        let (bytes, begin) = (self.bytes, self.at);
        let rest = bytes.get(begin..).filter(|rest| !rest.is_empty())?;
        let (tag, length) = parse_tag(rest);
        let value = begin + length;
        let end = match tags::length_tag(tag) {
            0 => self.end_of_value(value),
            length_tag => self.end_of_data(tag, length_tag, before, value),
        };
        if !PRINTED {
            self.at = end + 1;
            return Some(Field { tag, begin, value, end });
        }
        self.at = self.separator.skip(bytes, end);
        let end = value + self.separator.trim(&bytes[value..end]).len();
        Some(Field { tag, begin, value, end })
    }

    #[inline(always)]
    fn end_of_value(&self, value: usize) -> usize {
        let rest = &self.bytes[value..];
        let end = if PRINTED { self.separator.find(rest) } else { find(SOH, rest) };
        value + end.unwrap_or(rest.len())
    }

    /// The end of a data field, which may contain the separator: by the length in the field before it. If that
    /// is wrong, the field ends at the next separator, and what follows may be a part of it.
    #[cold]
    fn end_of_data(&mut self, tag: u32, length_tag: u32, before: &Field, value: usize) -> usize {
        let digits = &self.bytes[before.value..before.end];
        let length = if before.tag == length_tag { whole_number(digits) } else { None };
        if let Some(end) = length.and_then(|length| self.end_by_length(value, length)) {
            return end;
        }
        self.wrong_data.get_or_insert((tag, length_tag, *before));
        self.end_of_value(value)
    }

    /// Describes the first data field whose length is wrong.
    fn describe_wrong_data(&self) -> Option<String> {
        let (tag, length_tag, before) = self.wrong_data?;
        if before.tag != length_tag {
            return Some(format!("tag {tag} has no length (tag {length_tag}) before it"));
        }
        let length = show(&self.bytes[before.value..before.end]);
        Some(format!("tag {length_tag} is {length}, but tag {tag} does not end there"))
    }

    /// The end of a value of this length, if a separator is there.
    fn end_by_length(&mut self, value: usize, length: usize) -> Option<usize> {
        let mut sums = Sums::default();
        let end = match PRINTED {
            false => value + length,
            true => self.skip_printed(value, length, &mut sums)?,
        };
        let after = self.bytes.get(end..)?;
        if !after.starts_with(self.separator.bytes()) {
            return None;
        }
        self.data_sums.add_data(sums);
        Some(end)
    }

    /// The end of this many bytes and the spaces after them. A log has printed each SOH among them as it prints
    /// all others.
    fn skip_printed(&self, value: usize, length: usize, sums: &mut Sums) -> Option<usize> {
        let mut end = value;
        for _ in 0..length {
            let rest = self.bytes.get(end..).filter(|rest| !rest.is_empty())?;
            if !rest.starts_with(self.separator.bytes()) {
                end += 1;
                continue;
            }
            let next = self.separator.skip(self.bytes, end);
            sums.add_separator(&self.bytes[end..next]);
            end = next;
        }
        let spaces = self.bytes[end..].iter().take_while(|byte| **byte == b' ').count();
        Some(end + spaces.min(self.separator.before()))
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
