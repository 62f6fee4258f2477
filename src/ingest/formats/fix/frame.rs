//! The frame of a message: where it begins and ends, what separates its fields, and whether its length and
//! its checksum are right.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use memchr::{memchr, memchr_iter};

/// The separator of fields on the wire.
pub(super) const SOH: u8 = 1;

/// Characters of the version in BeginString, e.g. `4.4` or `5.0SP2`.
const MAX_VERSION: usize = 12;

/// Bytes of a body whose BodyLength is used to find its end. In a longer one the trailer is searched for, so
/// that a wrong length can't hide the messages after it.
const MAX_BODY: usize = 1 << 17;

/// The bytes with which every message begins.
pub(super) static BEGIN: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"8=FIX"));

/// What logs print in place of SOH, besides single characters.
const PRINTED: [&[u8]; 7] =
    [b"^A", b"<SOH>", b"[SOH]", b"\\x01", b"\\u0001", b"\\001", "\u{2401}".as_bytes()];

/// Bytes that an unknown separator may have: those of a character.
const MAX_UNKNOWN: usize = 4;

/// Bytes of the longest separator.
const MAX_SEPARATOR: usize = 8;

/// The separator of fields: SOH, or what a log prints instead, with the spaces around it.
///
/// It is whatever stands between the BeginString and the next field, so the spaces are those of the log and no
/// part of a value.
#[derive(Clone, Copy)]
pub(super) struct Separator {
    bytes: [u8; MAX_SEPARATOR],
    length: u8,
    /// Spaces before and after it.
    before: u8,
    after: u8,
}

impl Separator {
    fn new(text: &[u8], before: usize, after: usize) -> Option<Self> {
        let mut bytes = [0; MAX_SEPARATOR];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        let (before, after) = (before.try_into().ok()?, after.try_into().ok()?);
        Some(Self { bytes, length: text.len() as u8, before, after })
    }

    /// Returns the separator that these bytes begin with, which follow a BeginString.
    fn at(bytes: &[u8]) -> Option<Self> {
        if bytes.first() == Some(&SOH) {
            return Some(Self {
                bytes: [SOH, 0, 0, 0, 0, 0, 0, 0],
                length: 1,
                before: 0,
                after: 0,
            });
        }
        Self::printed(bytes)
    }

    /// The separator of a log.
    fn printed(bytes: &[u8]) -> Option<Self> {
        let before = spaces(bytes);
        let rest = &bytes[before..];
        let length = match rest {
            [b'|' | b';' | 0, ..] => 1,
            _ => match PRINTED.iter().find(|printed| rest.starts_with(printed)) {
                Some(printed) => printed.len(),
                None => return Self::unknown(bytes, before),
            },
        };
        Self::new(&rest[..length], before, spaces(&rest[length..]))
    }

    /// The separator that only the BodyLength after it tells, such as a tab, a comma or a space.
    fn unknown(bytes: &[u8], before: usize) -> Option<Self> {
        let rest = &bytes[before..];
        let field = rest.windows(2).take(2 * MAX_UNKNOWN).position(|two| two == b"9=")?;
        let found = &rest[..field];
        let is_part =
            |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'=' | b'.' | b'\n' | b'\r');
        if found.iter().any(is_part) {
            return None;
        }
        match found.len() - spaces_at_end(found) {
            0 => (before == 1 && found.is_empty()).then(|| Self::new(b" ", 0, 0))?,
            length if length > MAX_UNKNOWN => None,
            length => Self::new(&found[..length], before, found.len() - length),
        }
    }

    /// Returns the bytes of the separator, without the spaces around it.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// Returns the first position of the separator in these bytes.
    #[inline]
    pub(super) fn find(&self, bytes: &[u8]) -> Option<usize> {
        match self.length {
            1 => find(self.bytes[0], bytes),
            2 => {
                let [first, second, ..] = self.bytes;
                let mut at = find(first, bytes)?;
                while bytes.get(at + 1) != Some(&second) {
                    at += 1 + find(first, &bytes[at + 1..])?;
                }
                Some(at)
            }
            _ => {
                memchr_iter(self.bytes[0], bytes).find(|at| bytes[*at..].starts_with(self.bytes()))
            }
        }
    }

    /// Whether a log has printed it. There may be spaces around it then, and a text may contain it.
    pub(super) fn is_printed(&self) -> bool {
        self.bytes[0] != SOH
    }

    /// Returns the number of spaces before it.
    pub(super) fn before(&self) -> usize {
        self.before.into()
    }

    /// Whether it has one byte as SOH has, so that a message is as long as its BodyLength says.
    fn is_one_byte(&self) -> bool {
        (self.length, self.before, self.after) == (1, 0, 0)
    }

    /// Returns where the next field begins, after the separator at `at`.
    #[inline]
    pub(super) fn skip(&self, bytes: &[u8], at: usize) -> usize {
        let next = (at + usize::from(self.length)).min(bytes.len());
        if self.after == 0 { next } else { next + spaces(&bytes[next..]).min(self.after.into()) }
    }

    /// Returns whether the separator is at the end of these bytes.
    fn ends(&self, mut bytes: &[u8]) -> bool {
        for _ in 0..self.after {
            bytes = bytes.strip_suffix(b" ").unwrap_or(bytes);
        }
        bytes.ends_with(self.bytes())
    }

    /// Removes the spaces that a log has put before the separator.
    #[inline]
    pub(super) fn trim<'a>(&self, mut bytes: &'a [u8]) -> &'a [u8] {
        for _ in 0..self.before {
            bytes = bytes.strip_suffix(b" ").unwrap_or(bytes);
        }
        bytes
    }
}

/// Returns the first position of a byte. The first 24 bytes are searched by hand: most values are so
/// short that memchr, which is made for longer ones, takes more time to begin than to search.
#[inline]
pub(super) fn find(byte: u8, bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);
    for at in [0, 8, 16] {
        let Some(eight) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) else { break };
        // The byte becomes 0 where it stands; of those, the lowest has its high bit set in `zeros`.
        let differing = u64::from_le_bytes(*eight) ^ (ONES * u64::from(byte));
        let zeros = differing.wrapping_sub(ONES) & !differing & HIGHS;
        if zeros != 0 {
            return Some(at + zeros.trailing_zeros() as usize / 8);
        }
    }
    memchr(byte, bytes)
}

/// Parses a whole number; none if there are no digits, more than nine, or other characters.
pub(super) fn whole_number(digits: &[u8]) -> Option<usize> {
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

/// How many spaces these bytes end with.
fn spaces_at_end(bytes: &[u8]) -> usize {
    bytes.iter().rev().take_while(|byte| **byte == b' ').count()
}

/// Returns the length of the version number that these bytes begin with.
pub(super) fn version_length(bytes: &[u8]) -> usize {
    let is_version = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'.';
    bytes.iter().take_while(is_version).count()
}

/// Where a message ends, as far as the bytes tell.
pub(super) enum End {
    At(usize),
    /// The end depends on bytes that have not been read yet.
    Unknown,
    /// The message does not end here.
    No,
}

/// The BeginString of a message: its places in the bytes, and the separator that follows it.
#[derive(Clone, Copy)]
pub(super) struct BeginString {
    pub(super) begin: usize,
    pub(super) end: usize,
    /// Where the next field begins.
    pub(super) next: usize,
    pub(super) separator: Separator,
}

impl BeginString {
    /// Returns the BeginString that has its `=` at `equals`.
    pub(super) fn at(bytes: &[u8], equals: usize) -> Option<Self> {
        let begin = equals.checked_sub(1).filter(|begin| bytes[*begin] == b'8')?;
        let version = bytes[equals + 1..].strip_prefix(b"FIX")?;
        let version = version.strip_prefix(b"T").unwrap_or(version).strip_prefix(b".")?;
        let length = version_length(&version[..version.len().min(MAX_VERSION)]);
        let end = bytes.len() - version.len() + length;
        let separator = Separator::at(&bytes[end..])?;
        let next = separator.skip(bytes, end + usize::from(separator.before));
        (length > 0).then_some(Self { begin, end, next, separator })
    }

    /// Returns the first BeginString in these bytes.
    pub(super) fn find(bytes: &[u8]) -> Option<Self> {
        memchr_iter(b'=', bytes).find_map(|equals| Self::at(bytes, equals))
    }

    /// Returns the same places in the bytes of the message alone.
    pub(super) fn moved_to_start(&self) -> Self {
        let Self { begin, end, next, separator } = *self;
        Self { begin: 0, end: end - begin, next: next - begin, separator }
    }

    /// Returns the BodyLength that follows the BeginString, and where the body begins.
    pub(super) fn body(&self, bytes: &[u8]) -> Option<(usize, usize)> {
        let value = bytes[self.next..].strip_prefix(b"9=")?;
        let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let length = whole_number(&value[..digits])?;
        let end = bytes.len() - value.len() + digits;
        let end = end + spaces(&bytes[end..]).min(self.separator.before.into());
        let is_separator = bytes[end..].starts_with(self.separator.bytes());
        is_separator.then(|| (length, self.separator.skip(bytes, end)))
    }

    /// Returns whether this message wraps others (35=n, XMLnonFIX): drop copies come as XML that has FIX
    /// messages in it, which are read on their own.
    pub(super) fn is_wrapper(&self, bytes: &[u8]) -> bool {
        let kind = self.body(bytes).and_then(|(_, body)| bytes[body..].strip_prefix(b"35=n"));
        kind.is_some_and(|rest| rest[spaces(rest)..].starts_with(self.separator.bytes()))
    }

    /// Returns whether these bytes, of a whole message, end with its trailer.
    pub(super) fn has_trailer(&self, bytes: &[u8]) -> bool {
        let separator = self.separator.bytes();
        let bytes = bytes.trim_ascii_end();
        let bytes = self.separator.trim(bytes.strip_suffix(separator).unwrap_or(bytes));
        let Some((before, [b'1', b'0', b'=', digits @ ..])) = bytes.split_last_chunk::<6>() else {
            return false;
        };
        digits.iter().all(u8::is_ascii_digit) && self.separator.ends(before)
    }

    /// Returns where the message ends by its BodyLength, if its trailer is there.
    pub(super) fn end_by_length(&self, bytes: &[u8], at_end: bool) -> End {
        if !self.separator.is_one_byte() {
            return End::No;
        }
        let Some((length, body)) = self.body(bytes) else { return End::No };
        let equals = body + length.min(MAX_BODY + 1) + 2;
        match bytes.get(equals) {
            _ if length > MAX_BODY => End::No,
            Some(b'=') if BEGIN.find(&bytes[body..equals]).is_some() => {
                self.end_around_another(bytes, equals, at_end)
            }
            Some(b'=') => self.end_by_trailer(bytes, equals, at_end),
            None if !at_end => End::Unknown,
            _ => End::No,
        }
    }

    /// Returns a place before which the message does not end, whose separator has several bytes: its body has at least as
    /// many as its BodyLength says. No such place if that would hide a line or another message.
    pub(super) fn least_end(&self, bytes: &[u8], at_end: bool) -> End {
        let body = self.body(bytes).filter(|(length, _)| *length <= MAX_BODY);
        let Some((length, body)) = body.filter(|_| !self.separator.is_one_byte()) else {
            return End::No;
        };
        let end = body + length;
        // A message that begins before the end may have the rest of its BeginString after it.
        match bytes.get(body..end + BEGIN.needle().len() - 1) {
            None if !at_end => End::Unknown,
            Some(within) if memchr(b'\n', within).is_none() && BEGIN.find(within).is_none() => {
                End::At(end)
            }
            _ => End::No,
        }
    }

    /// Returns where the message ends whose BodyLength leads to this `=` and which has something like the
    /// beginning of another message in it.
    ///
    /// Either that is text of the message, possibly forged by whoever wrote the text, or the message is cut off
    /// and the other one happens to end just there. On the wire the checksum tells. In a line of a log the message is
    /// taken as one, which is then found broken, so that nothing in a text is ever read as a message.
    #[cold]
    fn end_around_another(&self, bytes: &[u8], equals: usize, at_end: bool) -> End {
        let end = self.end_by_trailer(bytes, equals, at_end);
        if self.is_wrapper(bytes) || !matches!(end, End::At(_)) {
            return if matches!(end, End::Unknown) { end } else { End::No };
        }
        let sum =
            bytes[self.begin..equals - 2].iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
        let is_whole = whole_number(&bytes[equals + 1..equals + 4]) == Some(sum.into());
        let is_line =
            self.separator.is_printed() && memchr(b'\n', &bytes[self.begin..equals]).is_none();
        if is_whole || is_line { end } else { End::No }
    }

    /// Returns where the message ends, if the `=` at `equals` is that of its trailer: `10=` after a
    /// separator, and three digits.
    pub(super) fn end_by_trailer(&self, bytes: &[u8], equals: usize, at_end: bool) -> End {
        let Some(before) = bytes[..equals].strip_suffix(b"10") else { return End::No };
        let separator = self.separator.bytes();
        if !self.separator.ends(before) {
            return End::No;
        }
        let digits = bytes[equals + 1..].iter().take(3).take_while(|byte| byte.is_ascii_digit());
        let end = equals + 1 + digits.count();
        let has_three_digits = end == equals + 4;
        let next = end + spaces(&bytes[end..]).min(self.separator.before.into());
        let after = &bytes[next..];
        match after.first() {
            Some(_) if has_three_digits && after.starts_with(separator) => {
                End::At(next + separator.len())
            }
            _ if separator.starts_with(after) && !at_end => End::Unknown,
            // A fourth digit; before `=`, the third digit is the tag of the next message.
            Some(byte) if byte.is_ascii_digit() || *byte == b'=' => End::No,
            // Logs that trim their lines lose the last separator.
            _ if has_three_digits => End::At(end),
            _ => End::No,
        }
    }
}

/// The expected BodyLength and CheckSum of a message, summed up field by field.
///
/// Both are defined with SOH as the separator. What a log has printed between two fields instead is counted
/// as one SOH.
#[derive(Default)]
pub(super) struct Sums {
    body: usize,
    end: usize,
    /// Bytes of the printed separators in the body beyond one for each.
    excess: usize,
    /// By how much the printed separators change the sum of all bytes.
    excess_sum: u8,
}

impl Sums {
    /// Begins the body.
    pub(super) fn begin_body(&mut self, at: usize) {
        (self.body, self.excess) = (at, 0);
    }

    /// Ends the body, where the trailer begins.
    pub(super) fn end_body(&mut self, at: usize) {
        self.end = at;
    }

    /// Counts a separator that a log has printed, with the spaces around it, as one SOH.
    pub(super) fn add_separator(&mut self, between: &[u8]) {
        self.excess += between.len().saturating_sub(1);
        let sum = between.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
        self.excess_sum = self.excess_sum.wrapping_add(sum).wrapping_sub(SOH);
    }

    /// Adds the separators inside of data fields.
    pub(super) fn add_data(&mut self, data: Self) {
        self.excess += data.excess;
        self.excess_sum = self.excess_sum.wrapping_add(data.excess_sum);
    }

    /// Returns the actual length of the body.
    pub(super) fn body_length(&self) -> usize {
        self.end.saturating_sub(self.body).saturating_sub(self.excess)
    }

    /// Returns the actual checksum of these bytes of the message.
    pub(super) fn check_sum(&self, bytes: &[u8]) -> usize {
        let sum = bytes[..self.end].iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
        usize::from(sum.wrapping_sub(self.excess_sum))
    }
}
