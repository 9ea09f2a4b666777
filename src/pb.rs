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

/// The order that an operation of a transaction is.
impl From<v1::operation::Operation> for v1::command::Payload {
    fn from(operation: v1::operation::Operation) -> Self {
        use v1::operation::Operation;
        match operation {
            Operation::IssueBudget(order) => Self::IssueBudget(order),
            Operation::AllocateBudget(order) => Self::AllocateBudget(order),
            Operation::AdjustBudget(order) => Self::AdjustBudget(order),
            Operation::ApprovePlan(order) => Self::ApprovePlan(order),
            Operation::CommitAuthority(order) => Self::CommitAuthority(order),
            Operation::ReleaseCommitment(order) => Self::ReleaseCommitment(order),
            Operation::ExecutePayment(order) => Self::ExecutePayment(order),
            Operation::ReverseEvent(order) => Self::ReverseEvent(order),
        }
    }
}

/// The payload that an operation of a transaction would have as an event of its own.
impl From<v1::posted_operation::Payload> for v1::event::Payload {
    fn from(operation: v1::posted_operation::Payload) -> Self {
        use v1::posted_operation::Payload;
        match operation {
            Payload::BudgetIssued(payload) => Self::BudgetIssued(payload),
            Payload::BudgetAllocated(payload) => Self::BudgetAllocated(payload),
            Payload::BudgetAdjusted(payload) => Self::BudgetAdjusted(payload),
            Payload::PlanApproved(payload) => Self::PlanApproved(payload),
            Payload::Committed(payload) => Self::Committed(payload),
            Payload::CommitmentReleased(payload) => Self::CommitmentReleased(payload),
            Payload::PaymentExecuted(payload) => Self::PaymentExecuted(payload),
            Payload::Reversed(payload) => Self::Reversed(payload),
        }
    }
}
