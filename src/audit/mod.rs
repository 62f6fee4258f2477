//! Signed seals that make the execution log tamper-evident, and proofs for single entries.
//!
//! Guards and privileges keep the log append-only; seals show changes by whoever gets past them, a superuser
//! included. A [`Seal`] covers the committed entries that no earlier seal covers. It holds the root of a
//! Merkle tree over them, the hash of the previous seal, and an Ed25519 signature with a key that is kept
//! outside the database. Each leaf is the hash of one entry and the rows that it attests: the terms of the
//! order (SUBMITTED), the fill, the break and its resolution. Sealing reads committed rows; writers do not wait
//! for it.
//!
//! - [`Seals::seal`] makes the next seal; [`CheckpointWriter`] publishes it outside the database.
//! - [`Seals::verify`] recomputes everything and reports each difference as a [`Finding`].
//! - [`Seals::prove`] makes a [`Proof`] for one entry, which anyone can verify without the database.
//!
//! `docs/seals.md` describes what is and is not detected, and the encoding byte by byte.
//!
//! ```
//! # #[cfg(feature = "embedded")] fn main() -> Result<(), tradeblotter::Error> {
//! # use tradeblotter::{Blotter, NewOrder, Side, embedded, migrations, role};
//! use tradeblotter::audit::{SealKey, VerifyOptions};
//!
//! # let server = embedded::Server::start()?;
//! # migrations::run(&mut server.connect()?)?;
//! # let engine = Blotter::connect(&server.login::<role::Engine>()?)?.engine();
//! # let ada = engine.transaction(|tx| tx.traders().register("Ada"))?;
//! # let new = NewOrder::market(ada.id, Side::Buy, "AAPL", 100);
//! # let order = engine.transaction(|tx| tx.orders().submit(&new))?;
//! let auditor = Blotter::connect(&server.login::<role::Auditor>()?)?.auditor();
//! let key = SealKey::generate()?;
//! let seal = auditor.transaction(|tx| tx.seals().seal(&key))?.expect("an order was submitted");
//! assert_eq!((seal.id, seal.entries), (1, 1));
//!
//! // The log is as it was sealed.
//! let options = VerifyOptions { public_keys: vec![key.public()], ..VerifyOptions::default() };
//! let verified = auditor.snapshot(|tx| tx.seals().verify(&options, |_| ()))?;
//! assert_eq!((verified.entries, verified.findings), (1, 0));
//!
//! // A proof of one entry, which needs only the public key to be verified.
//! let log = engine.transaction(|tx| tx.execution_logs().of_order(order.id))?;
//! let proof = auditor.snapshot(|tx| tx.seals().prove(log[0].id))?;
//! proof.verify(&[key.public()])?;
//! # Ok(()) }
//! # #[cfg(not(feature = "embedded"))] fn main() {}
//! ```

mod bytes;
mod checkpoint;
mod entry;
mod key;
mod proof;
mod seal;
mod sequences;
mod tree;
mod verify;

pub use bytes::{Hash, Signature};
pub use checkpoint::{Checkpoint, CheckpointFile, CheckpointWriter};
pub use entry::{AttestedEntry, OrderTerms};
pub use key::{PublicKey, SealKey};
pub use proof::Proof;
pub use seal::{SCHEME, Seal, Seals};
pub use sequences::SequenceSet;
pub use verify::{EntryRef, Finding, SealFlaw, Verified, VerifyEvent, VerifyFrom, VerifyOptions};
