//! Signed seals that make the execution log tamper-evident, and proofs for single entries.
//!
//! Guards and privileges keep the records append-only; seals show changes by whoever gets past them, a superuser
//! included. A [`Seal`] appends the committed records that no earlier seal covers to one growing Merkle tree, and
//! states its root with an Ed25519 signature, by a key that is kept outside the database. Each leaf is the hash of
//! one record: an entry with the order's terms (SUBMITTED) or the fill that it attests, a break, a resolution, a
//! trader or an archive. Sealing reads committed rows; writers do not wait for it.
//!
//! Published seals are [checkpoints](https://c2sp.org/tlog-checkpoint) and proofs are
//! [transparency log proofs](https://c2sp.org/tlog-proof), so tools and witnesses of other makers can check them.
//!
//! - [`Seals::seal`] makes the next seal; [`CheckpointWriter`] publishes it outside the database.
//! - [`Seals::verify`] recomputes everything and reports each difference as a [`Finding`].
//! - [`Seals::prove`] makes a [`Proof`] for one record, which anyone can verify without the database.
//! - [`Seals::archive`] writes old records to a file that proves them, [`remove_archived`] removes them from the
//!   database, and [`restore_archive`] brings them back.
//! - [`Seals::prove_consistency`] makes a [`ConsistencyProof`], with which a witness cosigns a checkpoint.
//!
//! `docs/seals.md` describes what is and is not detected, and the encoding byte by byte.
//!
//! ```
//! # #[cfg(feature = "embedded")] fn main() -> Result<(), tradeblotter::Error> {
//! # use tradeblotter::{Blotter, NewOrder, Side, embedded, migrations, role};
//! use tradeblotter::audit::{SealKey, SealOptions, VerifyOptions};
//!
//! # let server = embedded::Server::start()?;
//! # migrations::run(&mut server.connect()?)?;
//! # let engine = Blotter::connect(&server.login::<role::Engine>()?)?.engine();
//! # let ada = engine.transaction(|tx| tx.traders().register("Ada"))?;
//! # let new = NewOrder::market(ada.id, Side::Buy, "AAPL", 100);
//! # let order = engine.transaction(|tx| tx.orders().submit(&new))?;
//! let auditor = Blotter::connect(&server.login::<role::Auditor>()?)?.auditor();
//! let key = SealKey::generate()?;
//! let sealing = auditor.transaction(|tx| tx.seals().seal(&key, &SealOptions::default()))?;
//! let seal = sealing.seal.expect("a trader was registered and an order submitted");
//! assert_eq!((seal.id, seal.records()), (1, 2));
//!
//! // The records are as they were sealed.
//! let options = VerifyOptions { public_keys: vec![key.public()], ..VerifyOptions::default() };
//! let verified = auditor.snapshot(|tx| tx.seals().verify(&options, |_| ()))?;
//! assert_eq!((verified.records, verified.findings), (2, 0));
//!
//! // A proof of one record, which needs only the public key to be verified.
//! let log = engine.transaction(|tx| tx.execution_logs().of_order(order.id))?;
//! let proof = auditor.snapshot(|tx| tx.seals().prove(log[0].id))?;
//! proof.verify(&[key.public()])?;
//! # Ok(()) }
//! # #[cfg(not(feature = "embedded"))] fn main() {}
//! ```

mod archive;
mod bytes;
mod checkpoint;
mod checkpoint_file;
mod key;
mod note;
mod proof;
mod record;
mod scheme;
mod seal;
mod sealer;
mod sequences;
mod state;
mod tree;
mod verify;

pub use archive::{Archive, ArchiveContents, ArchiveFile, remove_archived, restore_archive};
pub use bytes::{Hash, Signature};
pub use checkpoint::{Checkpoint, TreeHead};
pub use checkpoint_file::{CheckpointFile, CheckpointWriter, FileDefect, FileDefectKind};
pub use key::{PublicKey, SealKey};
pub use note::VerifierKey;
pub use proof::{ConsistencyProof, Proof};
pub use scheme::SCHEME;
pub use seal::{Seal, Seals};
pub use sealer::{SealOptions, Sealing, Stall};
pub use sequences::SequenceSet;
pub(crate) use state::seal_state;
pub use state::{LastSeal, SealState};
pub use verify::{
    Finding, RecordKind, RecordRef, SealFlaw, Verified, VerifyEvent, VerifyFrom, VerifyOptions,
};

pub use crate::database::open_transaction::OpenTransaction;
