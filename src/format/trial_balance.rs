//! The digest that a period close seals (docs/format.md, Balances and the trial balance).

use sha2::{Digest, Sha256};

use crate::domain::ids::{AccountNumber, LotNumber};

/// Digest of a fund's balances, ascending by account, then lot, without zeros.
pub fn digest(rows: impl Iterator<Item = (AccountNumber, LotNumber, i64)>) -> [u8; 32] {
    let mut digest = Sha256::new_with_prefix(b"fundledger trial balance v1\n");
    for (account, lot, balance_minor) in rows {
        digest.update(account.0.to_be_bytes());
        digest.update(lot.0.to_be_bytes());
        digest.update(balance_minor.to_be_bytes());
    }
    digest.finalize().into()
}
