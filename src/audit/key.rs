//! The keys of seals: Ed25519, the private one in a PKCS#8 file as `openssl genpkey -algorithm ed25519`
//! makes it.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey, KeypairBytes};
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};

use super::bytes::{Signature, fixed_bytes};
use crate::error::Error;

/// Only the owner of the file may read it.
const PRIVATE: u32 = 0o600;

fixed_bytes!(
    /// The key that a seal is checked with, which may be given to anybody; prints as 64 hexadecimal digits.
    PublicKey, 32, "public key"
);

impl PublicKey {
    /// Whether this signature of the message was made with the private key.
    pub(super) fn has_signed(&self, message: &[u8], signature: &Signature) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        VerifyingKey::from_bytes(&self.0)
            .is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
    }
}

/// The key that seals are signed with. Who has it can seal another history: keep it where nobody comes who
/// may change the database.
pub struct SealKey(SigningKey);

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealKey({})", self.public())
    }
}

impl SealKey {
    /// A new key, in memory only.
    ///
    /// # Errors
    ///
    /// When the system has no randomness to give.
    pub fn generate() -> Result<Self, Error> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|why| Error::file("the system's randomness", why))?;
        Ok(Self(SigningKey::from_bytes(&secret)))
    }

    /// Makes a new key and keeps it in a new file, which nobody but its owner may read.
    ///
    /// # Errors
    ///
    /// [`Error::is_file`] when the file is there already or can't be written.
    pub fn create(path: &Path) -> Result<Self, Error> {
        let key = Self::generate()?;
        let pair = KeypairBytes { secret_key: key.0.to_bytes(), public_key: None };
        let pem =
            pair.to_pkcs8_pem(LineEnding::LF).map_err(|why| Error::file(path.display(), why))?;
        let write = || {
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(PRIVATE).open(path)?;
            file.write_all(pem.as_bytes())?;
            file.sync_all()
        };
        write().map_err(|why: std::io::Error| Error::file(path.display(), why))?;
        Ok(key)
    }

    /// Reads a key from its file.
    ///
    /// # Errors
    ///
    /// - [`Error::is_file`]: the file can't be read, or somebody else than its owner may read or write it.
    /// - [`Error::is_invalid_input`]: it is no Ed25519 key in PKCS#8 (PEM).
    pub fn read(path: &Path) -> Result<Self, Error> {
        let read = || {
            let mut file = File::open(path)?;
            // Of the file that is open, and not of whatever stands there the next moment.
            let mode = file.metadata()?.permissions().mode();
            let mut pem = String::new();
            file.read_to_string(&mut pem)?;
            Ok((mode, pem))
        };
        let (mode, pem) = read().map_err(|why: std::io::Error| Error::file(path.display(), why))?;
        if mode & 0o077 != 0 {
            let why = format!(
                "others than its owner have access (mode {:o}); chmod 600 it",
                mode & 0o777
            );
            return Err(Error::file(path.display(), why));
        }
        Self::from_pem(&pem)
    }

    /// Reads a key from the text of such a file.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_input`] for text that is no Ed25519 key in PKCS#8 (PEM); it does not repeat the
    /// text.
    pub fn from_pem(pem: &str) -> Result<Self, Error> {
        SigningKey::from_pkcs8_pem(pem.trim())
            .map(Self)
            .map_err(|_| Error::invalid("key", "…", "is no Ed25519 private key in PKCS#8 (PEM)"))
    }

    /// The public key, to check seals with.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    pub(super) fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message).to_bytes())
    }
}
