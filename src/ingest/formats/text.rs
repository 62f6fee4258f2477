//! The text of an input: decodes it to UTF-8, and shows bytes that are no text.

use std::borrow::Cow;
use std::io::{self, Read};

use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_16BE, UTF_16LE};

/// Bytes that are decoded at a time.
const CHUNK: usize = 1 << 16;

/// A byte that no UTF-8 has. It stands for what cannot be decoded, so that it is refused like other bytes that
/// are not UTF-8, and never replaced by a character.
const INVALID: u8 = 0xff;

/// What is wrong with text that is not UTF-8, and what to do.
pub(super) const NOT_UTF_8: &str =
    "is not text in the encoding of the input, which is UTF-8 unless --encoding names another";

/// An input in UTF-8. UTF-16 with a byte order mark is decoded, and so is an input whose encoding is given; any
/// other is passed on as it is.
pub(super) struct Decoded<R> {
    input: R,
    encoding: Option<&'static Encoding>,
    state: State,
    /// Bytes of the input that have been read.
    read: u64,
}

enum State {
    /// Before the first byte.
    New,
    /// The input is passed on, after this part of it.
    Plain(Vec<u8>),
    Decoding(Box<Decoding>),
}

struct Decoding {
    decoder: Decoder,
    /// Bytes of the input, of which the first `begin` have been decoded.
    bytes: Vec<u8>,
    begin: usize,
    /// Decoded text, of which the first `given` bytes have been returned.
    text: Vec<u8>,
    given: usize,
    at_end: bool,
}

/// Returns the encoding whose byte order mark these bytes begin with.
pub(super) fn marked_encoding(bytes: &[u8]) -> Option<&'static Encoding> {
    match bytes {
        [0xff, 0xfe, ..] => Some(UTF_16LE),
        [0xfe, 0xff, ..] => Some(UTF_16BE),
        _ => None,
    }
}

/// Returns text in which bytes that are not UTF-8 are escapes such as `\xff`.
pub(super) fn show(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.into();
    }
    let mut shown = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        shown.push_str(chunk.valid());
        shown.push_str(&chunk.invalid().escape_ascii().to_string());
    }
    shown.into()
}

/// What stands before the escape of each byte in a kept message. No id may have it.
const REPLACEMENT: char = char::REPLACEMENT_CHARACTER;

/// Returns a message as text to be kept: [`bytes_of_kept`] returns its bytes again. Those that are not UTF-8 are
/// escapes such as `\xff`, each after U+FFFD.
pub(super) fn keep(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.into();
    }
    let mut kept = String::with_capacity(bytes.len() + 64);
    for chunk in bytes.utf8_chunks() {
        kept.push_str(chunk.valid());
        for byte in chunk.invalid() {
            kept.push(REPLACEMENT);
            kept.extend(byte.escape_ascii().map(char::from));
        }
    }
    kept.into()
}

/// Returns the bytes of a message that [`keep`] has kept; none if all of it was text. Only bytes that UTF-8 gives a
/// meaning of their own are escaped, so an escape never makes a separator or a digit.
pub(in crate::ingest) fn bytes_of_kept(kept: &str) -> Option<Vec<u8>> {
    let mut parts = kept.split(REPLACEMENT);
    let mut bytes = parts.next()?.as_bytes().to_vec();
    let mut is_text = true;
    for part in parts {
        let escaped = part.strip_prefix("\\x").and_then(|rest| rest.split_at_checked(2));
        let byte = escaped.and_then(|(digits, _)| u8::from_str_radix(digits, 16).ok());
        match (byte.filter(|byte| *byte >= 0x80), escaped) {
            (Some(byte), Some((_, rest))) => {
                is_text = false;
                bytes.push(byte);
                bytes.extend_from_slice(rest.as_bytes());
            }
            _ => {
                bytes.extend_from_slice(REPLACEMENT.encode_utf8(&mut [0; 4]).as_bytes());
                bytes.extend_from_slice(part.as_bytes());
            }
        }
    }
    (!is_text).then_some(bytes)
}

impl<R: Read> Decoded<R> {
    /// Returns the input, of which `encoding` is given unless it is UTF-8.
    pub fn new(input: R, encoding: Option<&'static Encoding>) -> Self {
        Self { input, encoding, state: State::New, read: 0 }
    }

    /// Returns the bytes of the input that have been read, if it is decoded.
    pub fn decoded_bytes(&self) -> Option<u64> {
        matches!(self.state, State::Decoding(_)).then_some(self.read)
    }

    /// Looks for a byte order mark. Reads a second byte only after one that begins such a mark: the writer of
    /// a pipe may wait for the first report to be processed.
    fn begin(&mut self) -> io::Result<()> {
        let mut head = Vec::with_capacity(2);
        while head.len() < 2 && head.first().is_none_or(|byte| *byte >= 0xfe) {
            let mut byte = [0];
            match self.input.read(&mut byte) {
                Ok(0) => break,
                Ok(_) => head.extend(byte),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.read = head.len() as u64;
        let marked = marked_encoding(&head);
        self.state = match marked.or(self.encoding) {
            None => State::Plain(head),
            Some(encoding) => State::Decoding(Box::new(Decoding {
                decoder: encoding.new_decoder_with_bom_removal(),
                bytes: head,
                begin: 0,
                text: Vec::new(),
                given: 0,
                at_end: false,
            })),
        };
        Ok(())
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if let State::New = self.state {
            self.begin()?;
        }
        match &mut self.state {
            State::Plain(head) if !head.is_empty() => {
                let length = head.len().min(into.len());
                into[..length].copy_from_slice(&head[..length]);
                head.drain(..length);
                Ok(length)
            }
            State::Decoding(decoding) => decoding.read(&mut self.input, &mut self.read, into),
            State::New | State::Plain(_) => self.input.read(into),
        }
    }
}

impl Decoding {
    fn read(
        &mut self,
        input: &mut impl Read,
        count: &mut u64,
        into: &mut [u8],
    ) -> io::Result<usize> {
        while self.given == self.text.len() && !self.at_end {
            self.bytes.drain(..self.begin);
            self.begin = 0;
            let kept = self.bytes.len();
            self.bytes.resize(kept + CHUNK, 0);
            let read = input.read(&mut self.bytes[kept..]);
            self.bytes.truncate(kept + *read.as_ref().unwrap_or(&0));
            let read = read?;
            *count += read as u64;
            self.at_end = read == 0;
            self.decode();
        }
        let length = (self.text.len() - self.given).min(into.len());
        into[..length].copy_from_slice(&self.text[self.given..self.given + length]);
        self.given += length;
        Ok(length)
    }

    /// Decodes all bytes that are there.
    fn decode(&mut self) {
        self.text.clear();
        self.given = 0;
        loop {
            let bytes = &self.bytes[self.begin..];
            let before = self.text.len();
            let room = self.decoder.max_utf8_buffer_length_without_replacement(bytes.len());
            self.text.resize(before + room.unwrap_or(CHUNK), 0);
            let text = &mut self.text[before..];
            let (result, read, written) =
                self.decoder.decode_to_utf8_without_replacement(bytes, text, self.at_end);
            self.begin += read;
            self.text.truncate(before + written);
            match result {
                DecoderResult::InputEmpty => return,
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => self.text.push(INVALID),
            }
        }
    }
}
