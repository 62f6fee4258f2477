//! The keys of seals: Ed25519. The private key is kept in a PKCS#8 file (PEM), as
//! `openssl genpkey -algorithm ed25519` writes it.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey, KeypairBytes};
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};

use super::bytes::{Signature, fixed_bytes};
use crate::error::Error;
use crate::files;

fixed_bytes!(
    /// The public key that the signature of a seal is verified with; prints as 64 lower-case hexadecimal digits.
    PublicKey, 32, "public key"
);

impl PublicKey {
    /// Returns whether the signature of the message was made with the private key of this public key.
    pub(super) fn has_signed(&self, message: &[u8], signature: &Signature) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        VerifyingKey::from_bytes(&self.0)
            .is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
    }
}

/// The private key that seals are signed with.
///
/// Whoever has it can seal a rewritten history: keep it out of reach of everybody who can change the database.
/// `Debug` prints the public key only.
pub struct SealKey(SigningKey);

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealKey({})", self.public())
    }
}

impl SealKey {
    /// Generates a key, in memory only.
    ///
    /// # Errors
    ///
    /// [`Error::is_file`] if the system's source of randomness fails.
    pub fn generate() -> Result<Self, Error> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|why| Error::file("the system's randomness", why))?;
        Ok(Self(SigningKey::from_bytes(&secret)))
    }

    /// Generates a key and writes it to a [new file](files::write_new) with mode 600.
    ///
    /// # Errors
    ///
    /// [`Error::is_file`] if the file exists or can't be written.
    pub fn create(path: &Path) -> Result<Self, Error> {
        let key = Self::generate()?;
        let pair = KeypairBytes { secret_key: key.0.to_bytes(), public_key: None };
        let pem =
            pair.to_pkcs8_pem(LineEnding::LF).map_err(|why| Error::file(path.display(), why))?;
        files::write_new(path, pem.as_bytes())?;
        Ok(key)
    }

    /// Reads a key from a file.
    ///
    /// # Errors
    ///
    /// - [`Error::is_file`]: the file can't be read, or its mode gives others than its owner any access.
    /// - [`Error::is_invalid_input`]: it is not an Ed25519 private key in PKCS#8 (PEM).
    pub fn read(path: &Path) -> Result<Self, Error> {
        let read = || {
            let mut file = File::open(path)?;
            // The mode of the open file: the path may name another file the next moment.
            let mode = file.metadata()?.permissions().mode();
            let mut pem = String::new();
            file.read_to_string(&mut pem)?;
            Ok((mode, pem))
        };
        let (mode, pem) = read().map_err(|why: std::io::Error| Error::file(path.display(), why))?;
        if mode & 0o077 != 0 {
            let why = format!(
                "others than its owner have access to this private key (mode {:o}); chmod 600 it",
                mode & 0o777
            );
            return Err(Error::file(path.display(), why));
        }
        Self::from_pem(&pem)
    }

    /// Parses a key from the text of a key file (PEM).
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_input`] if the text is not an Ed25519 private key in PKCS#8 (PEM). The error does not
    /// repeat the text.
    pub fn from_pem(pem: &str) -> Result<Self, Error> {
        SigningKey::from_pkcs8_pem(pem.trim()).map(Self).map_err(|_| {
            Error::invalid("key", "…", "is not an Ed25519 private key in PKCS#8 (PEM)")
        })
    }

    /// Returns the public key of this key, which seals are verified with.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    pub(super) fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message).to_bytes())
    }
}
