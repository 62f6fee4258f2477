//! Signed notes, the text format of checkpoints: <https://c2sp.org/signed-note>.

use std::fmt;
use std::str::FromStr;

use base64ct::{Base64, Encoding};

use super::bytes::Signature;
use super::key::PublicKey;
use super::tree;
use crate::error::Error;

/// Begins each signature line: an em dash and a space.
const SIGNATURE_PREFIX: &str = "— ";

/// Signature lines that a note has at most. The format asks for at least 16.
const MAX_SIGNATURES: usize = 64;

/// Bytes of a note at most. Bounds the memory of reading one.
pub(super) const MAX_NOTE: usize = 1 << 16;

/// The kinds of Ed25519 signatures in a note, by their type byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SignatureKind {
    /// Over the text of the note.
    Ed25519 = 1,
    /// Over the text and a time, by a witness: <https://c2sp.org/tlog-cosignature>.
    Cosignature = 4,
}

/// A key that verifies signatures of notes: the name of the signer and its public key.
///
/// It prints and parses in the notation of Go's `note` package, `NAME+ID+KEY`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    kind: SignatureKind,
    key: PublicKey,
}

impl VerifierKey {
    /// Returns the key of a log with this origin, which signs its checkpoints.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_input`] if the origin is not the name of a key: it must have 1 to 200 characters,
    /// without spaces, control characters and plus signs.
    pub fn of_log(origin: &str, key: PublicKey) -> Result<Self, Error> {
        check_name(origin)?;
        Ok(Self::log(origin, key))
    }

    /// Returns the key of a log whose origin is known to be a name.
    pub(super) fn log(origin: &str, key: PublicKey) -> Self {
        Self { name: origin.to_owned(), kind: SignatureKind::Ed25519, key }
    }

    /// Returns the name of the signer.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the public key.
    pub fn public_key(&self) -> PublicKey {
        self.key
    }

    /// Returns whether the key verifies the cosignatures of a witness, and not the signatures of a log.
    pub fn is_of_witness(&self) -> bool {
        self.kind == SignatureKind::Cosignature
    }

    /// Returns the key id, which a signature line begins with.
    pub(super) fn id(&self) -> [u8; 4] {
        let kind = [self.kind as u8];
        let hash = tree::digest(&[self.name.as_bytes(), b"\n", &kind, self.key.as_bytes()]);
        let [a, b, c, d, ..] = hash.0;
        [a, b, c, d]
    }

    /// Returns whether a signature line names this key.
    fn made(&self, signature: &NoteSignature) -> bool {
        signature.name == self.name && signature.id == self.id()
    }

    /// Returns whether a signature over the text was made with this key.
    fn verifies(&self, text: &str, signature: &NoteSignature) -> bool {
        match self.kind {
            SignatureKind::Ed25519 => match signature.bytes.as_slice().try_into() {
                Ok(bytes) => self.key.has_signed(text.as_bytes(), &Signature(bytes)),
                Err(_) => false,
            },
            SignatureKind::Cosignature => match signature.bytes.split_first_chunk() {
                Some((time, bytes)) => {
                    let signed = cosigned(u64::from_be_bytes(*time), text);
                    bytes.try_into().is_ok_and(|bytes| {
                        self.key.has_signed(signed.as_bytes(), &Signature(bytes))
                    })
                }
                None => false,
            },
        }
    }
}

/// Returns the message that a witness signs.
fn cosigned(time: u64, text: &str) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

/// Refuses what is not the name of a key, with [`Error::is_invalid_input`].
pub(super) fn check_name(name: &str) -> Result<(), Error> {
    let is_refused = |c: char| c.is_whitespace() || c.is_control() || c == '+';
    if name.is_empty() || name.chars().count() > 200 || name.contains(is_refused) {
        return Err(Error::invalid(
            "origin",
            name,
            "is not a name of 1 to 200 characters without spaces, control characters and plus signs",
        ));
    }
    Ok(())
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[self.kind as u8], self.key.as_bytes().as_slice()].concat();
        write!(f, "{}+{}+{}", self.name, hex::encode(self.id()), Base64::encode_string(&key))
    }
}

impl FromStr for VerifierKey {
    type Err = Error;

    /// Parses what `Display` writes; refuses anything else with [`Error::is_invalid_input`].
    fn from_str(text: &str) -> Result<Self, Error> {
        let parse = || {
            let (name, rest) = text.split_once('+')?;
            let (id, key) = rest.split_once('+')?;
            let key = Base64::decode_vec(key).ok()?;
            let (kind, key) = key.split_first()?;
            let kind = match kind {
                1 => SignatureKind::Ed25519,
                4 => SignatureKind::Cosignature,
                _ => return None,
            };
            check_name(name).ok()?;
            let parsed = Self { name: name.to_owned(), kind, key: PublicKey(key.try_into().ok()?) };
            (hex::encode(parsed.id()) == id).then_some(parsed)
        };
        parse().ok_or_else(|| {
            let why = "is not an Ed25519 key in the notation NAME+ID+KEY, or its id is not that of its key";
            Error::invalid("verifier key", text, why)
        })
    }
}

/// A signature line of a note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NoteSignature {
    name: String,
    id: [u8; 4],
    bytes: Vec<u8>,
}

impl NoteSignature {
    /// Returns the signature line of a log.
    pub fn of_log(key: &VerifierKey, signature: &Signature) -> Self {
        Self { name: key.name.clone(), id: key.id(), bytes: signature.0.to_vec() }
    }

    fn parse(line: &str) -> Option<Self> {
        let (name, bytes) = line.strip_prefix(SIGNATURE_PREFIX)?.split_once(' ')?;
        check_name(name).ok()?;
        let bytes = Base64::decode_vec(bytes).ok()?;
        let (id, bytes) = bytes.split_first_chunk()?;
        Some(Self { name: name.to_owned(), id: *id, bytes: bytes.to_vec() })
    }
}

impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&self.id, self.bytes.as_slice()].concat();
        writeln!(f, "{SIGNATURE_PREFIX}{} {}", self.name, Base64::encode_string(&bytes))
    }
}

/// A text and signatures over it. It prints as a signed note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Note {
    /// The text, with the line break at its end.
    pub text: String,
    pub signatures: Vec<NoteSignature>,
}

/// The signatures of a note by one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signed {
    /// There is none.
    No,
    /// Each of them verifies.
    Yes,
    /// One does not verify.
    Wrongly,
}

impl Note {
    /// Parses one signed note. The reason that it returns completes "the note …".
    pub fn parse(note: &str) -> Result<Self, &'static str> {
        if note.len() > MAX_NOTE {
            return Err("is longer than 65536 bytes");
        }
        if note.contains(|c: char| c.is_ascii_control() && c != '\n') {
            return Err("contains a control character");
        }
        let end =
            note.rfind("\n\n").ok_or("has no empty line between its text and its signatures")?;
        let (text, signatures) = (&note[..=end], &note[end + 2..]);
        let lines = signatures.strip_suffix('\n').ok_or("has an incomplete last line")?;
        let parse = |line| NoteSignature::parse(line).ok_or("has a line that is not a signature");
        let signatures: Vec<_> = lines.split('\n').map(parse).collect::<Result<_, _>>()?;
        if signatures.len() > MAX_SIGNATURES {
            return Err("has more than 64 signatures");
        }
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// Returns whether this key has signed the text. Signatures of other keys are ignored.
    pub fn is_signed_with(&self, key: &VerifierKey) -> Signed {
        let made: Vec<_> = self.signatures.iter().filter(|it| key.made(it)).collect();
        if made.is_empty() {
            Signed::No
        } else if made.into_iter().all(|it| key.verifies(&self.text, it)) {
            Signed::Yes
        } else {
            Signed::Wrongly
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| signature.fmt(f))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{Note, Signed, VerifierKey};

    /// The example of the specification of witnesses' cosignatures, whose keys are not known.
    const EXAMPLE: &str = "\
example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
";

    #[test]
    fn a_note_is_printed_as_it_was_parsed() {
        let note = Note::parse(EXAMPLE).unwrap();
        assert_eq!(note.to_string(), EXAMPLE);
        assert_eq!(note.text.lines().count(), 3);
    }

    #[test]
    fn a_note_with_a_defect_is_refused_with_the_reason() {
        for (defect, why) in [
            (EXAMPLE.replace("\n\n", "\n"), "no empty line"),
            (EXAMPLE.trim_end().to_owned(), "incomplete last line"),
            (EXAMPLE.replace("— ", "- "), "not a signature"),
            (EXAMPLE.replace("sofa Az", "sofa !z"), "not a signature"),
            (EXAMPLE.replace("208", "\u{1b}208"), "control character"),
            (format!("{EXAMPLE}{}", "— a b\n".repeat(2)), "not a signature"),
        ] {
            let refused = Note::parse(&defect).unwrap_err();
            assert!(refused.contains(why), "{refused}: {defect}");
        }
    }

    /// The example key of Go's package golang.org/x/mod/sumdb/note.
    #[test]
    fn a_key_has_the_id_that_other_implementations_compute() {
        let text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        let key: VerifierKey = text.parse().unwrap();
        assert_eq!(key.to_string(), text);
        assert!(
            text.replace("c74f", "c74e").parse::<VerifierKey>().unwrap_err().is_invalid_input()
        );
        let note = "If you think cryptography is the answer to your problem,\n\
                    then you don't know what your problem is.\n\n\
                    — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
        let note = Note::parse(note).unwrap();
        assert_eq!(note.is_signed_with(&key), Signed::Yes);
        let mut other = note.clone();
        other.text.insert(0, 'I');
        assert_eq!(other.is_signed_with(&key), Signed::Wrongly);
        other.signatures.clear();
        assert_eq!(other.is_signed_with(&key), Signed::No);
    }
}
