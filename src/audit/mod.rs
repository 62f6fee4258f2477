//! Sealed evidence: that the log says what it said, against whoever may change the database.
//!
//! A [`Seal`] covers every entry of the log that is committed and not sealed yet. It holds the root of a
//! Merkle tree over them, the hash of the seal before it, and a signature with a key that is not in the
//! database. Each leaf is the hash of one entry together with what it attests: the terms of the order for
//! SUBMITTED, the fill, the break, what became of the break. Sealing is done beside the writes and costs
//! them nothing.
//!
//! [`Seals::verify`] recomputes all of it and names each entry that is not what was sealed;
//! [`Seals::prove`] makes a [`Proof`] of one entry, which holds without the database. What is signed, byte
//! by byte, is in `docs/seals.md`.
//!
//! ```
//! # #[cfg(feature = "embedded")] fn main() -> Result<(), tradeblotter::Error> {
//! # use tradeblotter::{Blotter, NewOrder, Side, embedded, migrations, role};
//! use tradeblotter::audit::{Extent, SealKey};
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
//! // Nothing has been touched since.
//! let extent = Extent { keys: vec![key.public()], ..Extent::default() };
//! let verified = auditor.snapshot(|tx| tx.seals().verify(&extent, |_| ()))?;
//! assert_eq!((verified.entries, verified.findings), (1, 0));
//!
//! // One entry is shown to somebody who has nothing but the public key.
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
pub use checkpoint::{Checkpoint, CheckpointFile};
pub use entry::{Entry, Terms};
pub use key::{PublicKey, SealKey};
pub use proof::Proof;
pub use seal::{SCHEME, Seal, Seals};
pub use sequences::Sequences;
pub use verify::{Extent, Finding, Flaw, Observation, Since, Verified};
