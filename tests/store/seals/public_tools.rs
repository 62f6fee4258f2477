//! Checkpoints and proofs read and verified with implementations that are not ours: the crates `signed_note`, of
//! signed notes, and `ct-merkle`, of the tree of RFC 6962.

use base64ct::{Base64, Encoding};
use chrono::{DateTime, Utc};
use ct_merkle::{ConsistencyProof, InclusionProof, RootHash};
use ed25519_dalek::{Signer, SigningKey};
use sha2::Sha256;
use signed_note::{Note, StandardVerifier, VerifierList};
use tradeblotter::audit::{
    CheckpointFile, CheckpointWriter, Finding, SealFlaw, VerifierKey, VerifyOptions,
};

use super::{RECORDS, Sealed, seal, verify};
use tradeblotter_test_support::texts;

/// The hashes of a proof, one after another.
fn hashes(lines: &str) -> Vec<u8> {
    lines.lines().flat_map(|line| Base64::decode_vec(line).unwrap()).collect()
}

/// Verifies the note of a checkpoint; returns the root of the tree, which knows its size.
fn verified(note: &str, key: &VerifierKey) -> RootHash<Sha256> {
    let note = Note::from_bytes(note.as_bytes()).unwrap();
    let verifier = StandardVerifier::new(&key.to_string()).unwrap();
    let (signed, _) = note.verify(&VerifierList::new(vec![Box::new(verifier)])).unwrap();
    assert_eq!(signed.len(), 1);
    let text = std::str::from_utf8(note.text()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], key.name());
    let root: [u8; 32] = Base64::decode_vec(lines[2]).unwrap().try_into().unwrap();
    RootHash::new(root.into(), lines[1].parse().unwrap())
}

fn log_key(sealed: &Sealed) -> VerifierKey {
    let origin = sealed.checkpoint().last().unwrap().head().origin.clone();
    VerifierKey::of_log(&origin, sealed.key.public()).unwrap()
}

#[test]
fn public_tools_verify_every_checkpoint_and_every_proof() {
    let sealed = Sealed::day();
    let key = log_key(&sealed);
    for id in texts(&mut sealed.db.admin(), RECORDS) {
        let proof = sealed.auditor().snapshot(|tx| tx.seals().prove(id.parse().unwrap())).unwrap();
        let text = proof.to_string();
        let (head, note) = text.split_once("\n\n").unwrap();
        let mut lines = head.splitn(4, '\n');
        assert_eq!(lines.next(), Some("c2sp.org/tlog-proof@v1"));
        assert!(lines.next().unwrap().starts_with("extra "));
        let index = lines.next().unwrap().strip_prefix("index ").unwrap().parse().unwrap();
        let path = hashes(lines.next().unwrap_or_default());
        let root = verified(note, &key);
        let path = InclusionProof::try_from_bytes(path).unwrap();
        root.verify_inclusion(&proof.record(), index, &path).unwrap();
        assert!(root.verify_inclusion(&"another", index, &path).is_err());
    }
}

#[test]
fn public_tools_verify_that_each_tree_continues_the_ones_before_it() {
    let sealed = Sealed::day();
    let key = log_key(&sealed);
    let heads: Vec<RootHash<Sha256>> = sealed
        .checkpoint()
        .checkpoints()
        .map(|checkpoint| verified(&checkpoint.to_string(), &key))
        .collect();
    let last = heads.last().unwrap();
    for old in &heads {
        let size = old.num_leaves();
        let proof =
            sealed.auditor().snapshot(|tx| tx.seals().prove_consistency(size)).unwrap().to_string();
        let (head, note) = proof.split_once("\n\n").unwrap();
        let (first, path) = head.split_once('\n').unwrap_or((head, ""));
        assert_eq!(first, format!("old {size}"));
        let new = verified(note, &key);
        assert_eq!(new, *last);
        let path = ConsistencyProof::try_from_bytes(hashes(path)).unwrap();
        new.verify_consistency(old, &path).unwrap();
    }
    let nothing = sealed.auditor().snapshot(|tx| tx.seals().prove_consistency(0)).unwrap();
    assert!(nothing.to_string().starts_with("old 0\n\n"));
    let between =
        sealed.auditor().snapshot(|tx| tx.seals().prove_consistency(heads[0].num_leaves() + 1));
    assert!(between.unwrap_err().is_not_found());
}

/// A witness as <https://c2sp.org/tlog-cosignature> describes it.
struct Witness {
    name: &'static str,
    key: SigningKey,
}

impl Witness {
    fn new(name: &'static str, secret: u8) -> Self {
        Self { name, key: SigningKey::from_bytes(&[secret; 32]) }
    }

    fn verifier_key(&self) -> VerifierKey {
        let key = self.public();
        let id = signed_note::key_id(self.name, &key);
        format!("{}+{id:08x}+{}", self.name, Base64::encode_string(&key)).parse().unwrap()
    }

    /// The public key after its type byte.
    fn public(&self) -> Vec<u8> {
        [&[4], self.key.verifying_key().as_bytes().as_slice()].concat()
    }

    /// Returns the note with the cosignature alone.
    fn cosign(&self, text: &str, at: DateTime<Utc>) -> String {
        let time = u64::try_from(at.timestamp()).unwrap();
        let message = format!("cosignature/v1\ntime {time}\n{text}");
        let signature = self.key.sign(message.as_bytes()).to_bytes();
        let bytes = [time.to_be_bytes().as_slice(), &signature].concat();
        let id = signed_note::key_id(self.name, &self.public());
        let line = signed_note::Signature::new(self.name.to_owned(), id, bytes).unwrap();
        format!("{text}\n{}", String::from_utf8(line.to_bytes()).unwrap())
    }
}

#[test]
fn cosignatures_are_added_to_the_checkpoint_file_and_verified() {
    let sealed = Sealed::day();
    let [one, two] =
        [Witness::new("witness.example/one", 1), Witness::new("witness.example/two", 2)];
    let keys = [one.verifier_key(), two.verifier_key()];
    let found = |witnesses: &[VerifierKey]| {
        let options = VerifyOptions { witnesses: witnesses.to_vec(), ..sealed.options() };
        let (verified, found) = verify(&sealed.auditor(), &options);
        (verified.last_cosigned, found)
    };
    assert_eq!(found(&keys), (None, Vec::new()));

    let file = sealed.checkpoint();
    let text = |seal| file.get(seal).unwrap().text().to_owned();
    let returned = sealed.file().with_extension("cosigned");
    let add = |notes: &[String]| {
        std::fs::write(&returned, notes.join("\n")).unwrap();
        let cosigned = CheckpointFile::read(&returned).unwrap();
        let mut writer = CheckpointWriter::open(&sealed.file(), vec![sealed.key.public()]).unwrap();
        writer.append_cosigned(&cosigned, &keys)
    };
    let now = Utc::now();
    assert_eq!(add(&[one.cosign(&text(2), now), one.cosign(&text(3), now)]).unwrap(), 2);
    // The same again, and one of a witness that nobody has asked for.
    let stranger = Witness::new("witness.example/three", 3);
    assert_eq!(add(&[one.cosign(&text(2), now), stranger.cosign(&text(4), now)]).unwrap(), 0);
    assert_eq!(add(&[two.cosign(&text(2), now)]).unwrap(), 1);
    assert_eq!(found(&keys), (Some(3), Vec::new()));
    assert_eq!(found(&keys[1..]), (Some(2), Vec::new()));

    // A cosignature of another tree, or by another key under the name of the witness, is not added.
    let forged = text(4).replace("settled", "settled ");
    assert!(add(&[one.cosign(&forged, now)]).unwrap_err().is_unproven());
    let before = std::fs::read_to_string(sealed.file()).unwrap();
    let wrong = one.cosign(&text(1), now).replace(&text(1), &text(4));
    let refused = add(std::slice::from_ref(&wrong)).unwrap_err();
    assert!(refused.is_unproven() && refused.to_string().contains(one.name), "{refused}");
    assert_eq!(std::fs::read_to_string(sealed.file()).unwrap(), before);
    // Who writes it into the file is found out.
    std::fs::write(sealed.file(), format!("{before}\n{wrong}")).unwrap();
    let flaw = SealFlaw::BadCosignature(one.name.to_owned());
    assert_eq!(found(&keys), (Some(3), vec![Finding::Seal(4, flaw)]));
    assert_eq!(seal(&sealed.auditor(), &sealed.key), None);
}
