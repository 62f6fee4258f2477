//! Byte strings of a fixed length: `bytea` in the database, hexadecimal digits everywhere else.

use base64ct::{Base64, Encoding};

/// Defines a type of `$length` bytes that prints and parses as lower-case hexadecimal digits. `$called` names
/// it in errors.
macro_rules! fixed_bytes {
    ($(#[$docs:meta])* $type:ident, $length:literal, $called:literal) => {
        $(#[$docs])*
        #[derive(
            diesel::expression::AsExpression, diesel::deserialize::FromSqlRow,
            Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord
        )]
        #[diesel(sql_type = diesel::sql_types::Bytea)]
        pub struct $type(pub(super) [u8; $length]);

        impl $type {
            /// Returns the bytes.
            pub fn as_bytes(&self) -> &[u8; $length] {
                &self.0
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::Error;

            /// Parses what `Display` writes; refuses anything else with [`Error::is_invalid_input`].
            ///
            /// [`Error::is_invalid_input`]: crate::Error::is_invalid_input
            fn from_str(text: &str) -> Result<Self, $crate::Error> {
                let mut bytes = [0; $length];
                match hex::decode_to_slice(text, &mut bytes) {
                    Ok(()) if !text.bytes().any(|b| b.is_ascii_uppercase()) => Ok(Self(bytes)),
                    _ => Err($crate::Error::invalid(
                        $called,
                        text,
                        format!("is not {} lower-case hexadecimal digits", 2 * $length),
                    )),
                }
            }
        }

        crate::types::text::serde_as_text!($type);

        impl diesel::serialize::ToSql<diesel::sql_types::Bytea, diesel::pg::Pg> for $type {
            fn to_sql<'b>(
                &'b self,
                out: &mut diesel::serialize::Output<'b, '_, diesel::pg::Pg>,
            ) -> diesel::serialize::Result {
                std::io::Write::write_all(out, &self.0)?;
                Ok(diesel::serialize::IsNull::No)
            }
        }

        impl diesel::deserialize::FromSql<diesel::sql_types::Bytea, diesel::pg::Pg> for $type {
            fn from_sql(value: diesel::pg::PgValue<'_>) -> diesel::deserialize::Result<Self> {
                Ok(Self(value.as_bytes().try_into()?))
            }
        }
    };
}
pub(super) use fixed_bytes;

fixed_bytes!(
    /// A SHA-256 hash; prints as 64 lower-case hexadecimal digits.
    Hash, 32, "hash"
);

impl Hash {
    /// Returns the hash in base64, as checkpoints and proofs have it.
    pub(super) fn to_base64(self) -> String {
        Base64::encode_string(&self.0)
    }

    /// Parses what [`to_base64`](Self::to_base64) returns; none if the text is anything else.
    pub(super) fn from_base64(text: &str) -> Option<Self> {
        Base64::decode_vec(text).ok()?.try_into().ok().map(Self)
    }
}

fixed_bytes!(
    /// An Ed25519 signature; prints as 128 lower-case hexadecimal digits.
    Signature, 64, "signature"
);
