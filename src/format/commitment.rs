//! Commitments to personal data: what the log holds of a value. The bytes are frozen (docs/format.md).

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::domain::ids::PayeeRef;
use crate::domain::personal::PersonalField;

/// Bytes of a nonce.
pub const NONCE_BYTES: usize = 32;

/// HMAC-SHA-256 under the nonce over `"v1"`, the length and the bytes of the command's key, the person's pseudonym, the field's
/// number and the value. The key of the command binds the opening to its event.
pub fn commitment(
    nonce: &[u8; NONCE_BYTES],
    request_id: &str,
    party: &PayeeRef,
    field: PersonalField,
    value: &str,
) -> [u8; 32] {
    // The nonce's length is fixed by its type, and HMAC takes any length.
    let keyed = Hmac::<Sha256>::new_from_slice(nonce)
        .unwrap_or_else(|_| Hmac::<Sha256>::new(&hmac::digest::array::Array::default()));
    keyed
        .chain_update(b"v1")
        // A key has at most 64 characters of ASCII.
        .chain_update([u8::try_from(request_id.len()).unwrap_or(u8::MAX)])
        .chain_update(request_id)
        .chain_update(party.0)
        .chain_update([u8::try_from(field.number()).unwrap_or_default()])
        .chain_update(value)
        .finalize()
        .into_bytes()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_counts() {
        let party = PayeeRef([7; 16]);
        let of = |nonce: u8, key: &str, party: &PayeeRef, field, value: &str| {
            commitment(&[nonce; NONCE_BYTES], key, party, field, value)
        };
        let all = [
            of(1, "r-1", &party, PersonalField::Name, "张三"),
            of(2, "r-1", &party, PersonalField::Name, "张三"),
            of(1, "r-2", &party, PersonalField::Name, "张三"),
            of(1, "r-1", &PayeeRef([8; 16]), PersonalField::Name, "张三"),
            of(1, "r-1", &party, PersonalField::Address, "张三"),
            of(1, "r-1", &party, PersonalField::Name, "张四"),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(all.iter().skip(at + 1).all(|other| other != one), "{at}");
        }
    }

    /// Known answer, computed with Python's `hmac`.
    #[test]
    fn the_bytes_are_frozen() {
        let made = commitment(&[1; NONCE_BYTES], "pay-1", &PayeeRef([2; 16]), PersonalField::Name, "张三");
        assert_eq!(
            crate::format::hexadecimal::of(&made),
            "57fb69be9ab9d22591546c331f14794f5e375e1699f85fd6f0876bf21ba57963"
        );
    }
}
