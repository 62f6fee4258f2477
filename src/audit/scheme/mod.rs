//! The schemes: how a record becomes the content of a leaf.
//!
//! A leaf is the hash of one line of JSON, which shows the record to a reader and is all that it takes to verify it.
//! A seal names the scheme of its records, so they are encoded as they were when they were sealed. A published
//! scheme never changes: a column that is added later needs another scheme with another number. `docs/seals.md`
//! describes each.

mod line;
mod v1;

use super::bytes::Hash;
use super::record::Record;
use super::tree;

/// Number of the scheme that this build seals with: how records are encoded.
///
/// `docs/seals.md` describes it.
pub const SCHEME: i16 = 1;

/// One way to encode records.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scheme {
    pub number: i16,
    encode: fn(&Record) -> String,
}

/// Every scheme that this build can verify.
const SCHEMES: &[Scheme] = &[
    Scheme { number: SCHEME, encode: v1::encode },
    #[cfg(all(test, feature = "embedded"))]
    tests::NEXT,
];

impl Scheme {
    /// Returns the scheme with this number, if this build knows it.
    pub fn find(number: i16) -> Option<Self> {
        SCHEMES.iter().find(|scheme| scheme.number == number).copied()
    }

    /// Encodes a record as the line that is hashed.
    pub fn line(self, record: &Record) -> String {
        (self.encode)(record)
    }

    /// Returns the leaf of a record.
    pub fn leaf(self, record: &Record) -> Hash {
        tree::leaf(self.line(record).as_bytes())
    }
}

#[cfg(all(test, feature = "embedded"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use diesel::connection::SimpleConnection;

    use super::{Scheme, v1};
    use crate::audit::record::Record;
    use crate::audit::{Finding, SealKey, SealOptions, VerifyEvent, VerifyOptions};
    use crate::embedded::Server;
    use crate::role::{Auditor, Engine};
    use crate::{Blotter, migrations};

    /// A later scheme, which has one field more.
    pub(super) const NEXT: Scheme = Scheme { number: 2, encode: next };

    fn next(record: &Record) -> String {
        let line = v1::encode(record).replacen("\"scheme\":1", "\"scheme\":2", 1);
        format!("{},\"added\":{}}}", &line[..line.len() - 1], record.number)
    }

    #[test]
    fn records_of_two_schemes_verify_as_they_were_sealed() {
        let server = Server::start().unwrap();
        migrations::run(&mut server.connect().unwrap()).unwrap();
        let engine = Blotter::connect(&server.login::<Engine>().unwrap()).unwrap().engine();
        let auditor = Blotter::connect(&server.login::<Auditor>().unwrap()).unwrap().auditor();
        let key = SealKey::generate().unwrap();
        let options = SealOptions::default();
        let first = Scheme::find(1).unwrap();
        let mut traders = Vec::new();
        for scheme in [first, first, NEXT, NEXT] {
            let trader = engine.transaction(|tx| tx.traders().register("Ada")).unwrap();
            traders.push(trader.id);
            let sealing =
                auditor.transaction(|tx| tx.seals().seal_with(scheme, &key, &options)).unwrap();
            assert_eq!(sealing.seal.unwrap().scheme, scheme.number);
        }
        let verify = || {
            let mut found = Vec::new();
            let options =
                VerifyOptions { public_keys: vec![key.public()], ..VerifyOptions::default() };
            let mut collect = |event| match event {
                VerifyEvent::Found(Finding::Altered(record)) => found.push(record.id),
                VerifyEvent::Found(finding) => {
                    assert!(matches!(finding, Finding::Schema(_)), "{finding}");
                }
                _ => {}
            };
            auditor.snapshot(|tx| tx.seals().verify(&options, &mut collect)).unwrap();
            found
        };
        assert!(verify().is_empty());
        for (id, scheme) in traders.iter().zip([1, 1, 2, 2]) {
            let proof = auditor.snapshot(|tx| tx.seals().prove(*id)).unwrap();
            proof.verify(&[key.public()]).unwrap();
            assert!(proof.record().starts_with(&format!("{{\"scheme\":{scheme},")));
        }
        let rename = "ALTER TABLE traders DISABLE TRIGGER USER; UPDATE traders SET name = 'Eve'";
        let mut admin = crate::connect(&server.admin_url()).unwrap();
        admin.batch_execute(rename).unwrap();
        assert_eq!(verify(), traders);
    }
}
