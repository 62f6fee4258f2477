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

/// The separator of fields: SOH, or a character that logs print instead.
#[derive(Clone, Copy)]
pub(super) enum Separator {
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

    /// Returns the bytes of the separator, one or two.
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Byte(byte) => std::slice::from_ref(byte),
            Self::Caret => b"^A",
        }
    }

    /// Returns the first position of the separator in these bytes.
    pub(super) fn find(self, bytes: &[u8]) -> Option<usize> {
        match self {
            Self::Byte(byte) => find(byte, bytes),
            Self::Caret => memchr_iter(b'^', bytes).find(|at| bytes.get(at + 1) == Some(&b'A')),
        }
    }

    /// Whether a log has printed it. There may be spaces around it then, and a text may contain it.
    fn is_printable(self) -> bool {
        !matches!(self, Self::Byte(SOH))
    }

    /// Returns where the next field begins, after the separator at `at`.
    pub(super) fn skip(self, bytes: &[u8], at: usize) -> usize {
        let next = (at + self.bytes().len()).min(bytes.len());
        if self.is_printable() { next + spaces(&bytes[next..]) } else { next }
    }

    /// Removes the spaces that a log has put before the separator.
    pub(super) fn trim(self, mut bytes: &[u8]) -> &[u8] {
        while self.is_printable()
            && let [rest @ .., b' '] = bytes
        {
            bytes = rest;
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
        let after = end + spaces(&bytes[end..]);
        let separator = Separator::at(&bytes[after..])?;
        let next = separator.skip(bytes, after);
        (length > 0).then_some(Self { begin, end, next, separator })
    }

    /// Returns the first BeginString in these bytes.
    pub(super) fn find(bytes: &[u8]) -> Option<Self> {
        memchr_iter(b'=', bytes).find_map(|equals| Self::at(bytes, equals))
    }

    /// Returns the BodyLength that follows the BeginString, and where the body begins.
    pub(super) fn body(&self, bytes: &[u8]) -> Option<(usize, usize)> {
        let value = bytes[self.next..].strip_prefix(b"9=")?;
        let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let length = whole_number(&value[..digits])?;
        let end = bytes.len() - value.len() + digits;
        let end = if self.separator.is_printable() { end + spaces(&bytes[end..]) } else { end };
        let body = bytes[end..].strip_prefix(self.separator.bytes())?;
        Some((length, bytes.len() - body.len()))
    }

    /// Returns where the message ends by its BodyLength, if its trailer is there.
    pub(super) fn end_by_length(&self, bytes: &[u8], at_end: bool) -> End {
        // BodyLength counts one byte for each separator, and `^A` has two.
        let Separator::Byte(_) = self.separator else { return End::No };
        let Some((length, body)) = self.body(bytes) else { return End::No };
        let equals = body + length.min(MAX_BODY + 1) + 2;
        match bytes.get(equals) {
            _ if length > MAX_BODY => End::No,
            // The trailer of another message: this one was cut off, and the other one ends just there.
            Some(b'=') if BEGIN.find(&bytes[body..equals]).is_some() => End::No,
            Some(b'=') => self.end_by_trailer(bytes, equals, at_end),
            None if !at_end => End::Unknown,
            _ => End::No,
        }
    }

    /// Returns where the message ends, if the `=` at `equals` is that of its trailer: `10=` after a
    /// separator, and three digits.
    pub(super) fn end_by_trailer(&self, bytes: &[u8], equals: usize, at_end: bool) -> End {
        let Some(before) = bytes[..equals].strip_suffix(b"10") else { return End::No };
        let separator = self.separator.bytes();
        if !self.separator.trim(before).ends_with(separator) {
            return End::No;
        }
        let digits = bytes[equals + 1..].iter().take(3).take_while(|byte| byte.is_ascii_digit());
        let end = equals + 1 + digits.count();
        let has_three_digits = end == equals + 4;
        let next = end + spaces(&bytes[end..]);
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

    /// Counts the separator between two fields as one SOH.
    pub(super) fn add_separator(&mut self, between: &[u8]) {
        self.excess += between.len().saturating_sub(1);
        let sum = between.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
        self.excess_sum = self.excess_sum.wrapping_add(sum).wrapping_sub(SOH);
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
