//! The generated wire types. They end at `grpc::convert` and `format::codec`; the auditor reads them too, as the schema.

#![allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    rust_2018_idioms,
    clippy::all,
    clippy::pedantic,
    clippy::as_conversions,
    clippy::str_to_string,
    clippy::wildcard_enum_match_arm,
    clippy::allow_attributes_without_reason,
    clippy::disallowed_types,
    clippy::arithmetic_side_effects,
    reason = "generated from proto/"
)]

/// `google.type`: dates.
pub mod google {
    pub mod r#type {
        include!(concat!(env!("OUT_DIR"), "/google.r#type.rs"));
    }
}

/// `fundledger.v1`: the API and the stored event.
pub mod fundledger {
    pub mod v1 {
        include!(concat!(env!("OUT_DIR"), "/fundledger.v1.rs"));
    }
}

pub use fundledger::v1;
pub use google::r#type::Date;

/// The descriptors of all files under `proto/`, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/fundledger.bin"));
