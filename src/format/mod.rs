//! The frozen bytes (docs/format.md): events, entries, hashes and blocks, and the bytes of what is derived from them.

pub mod approval;
pub mod block;
pub mod bundle;
pub mod canonical;
pub mod checkpoint;
pub mod codec;
pub mod commitment;
pub mod fingerprint;
pub mod hexadecimal;
pub mod keyed;
pub mod note_key;
pub mod receipt_code;
pub mod record;
pub mod stored;
pub mod tile;
pub mod tree;
pub mod trial_balance;
pub(crate) mod wire;
