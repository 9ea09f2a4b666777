//! Bytes of what is derived from the log (snapshots of the state and of projections). They may change with the program:
//! a file of another version is passed over and built again from the log.

use thiserror::Error;

use crate::domain::account::AccountKind;
use crate::domain::approval::{Approval, PublicKey, Role, Signature};
use crate::domain::authority::{Authority, Holding, Proposal, ProposedBatch, SigningKey};
use crate::domain::ids::{
    AccountId, AccountNumber, ActorId, BankReference, CaseId, Code, ComplaintId, ContractId, ContractNumber,
    DisclosureId, DisplayName, DocumentNumber, FindingId, FundId, FundNumber, IssuerId, KeyNumber, LegalBasis, LoanId,
    LotId, LotNumber, MatterId, NoticeId, Ocid, PayeeRef, PaymentId, PolicyId, ReasonCode, RequestId, Sequence,
    TenderId, UnitId, UnitNumber,
};
use crate::domain::money::AmountOrZero;
use crate::domain::time::{Day, Period, UtcNanos};

/// Bytes that do not hold what was expected.
#[derive(Debug, PartialEq, Eq, Error)]
#[error("derived data does not read back as it was written")]
pub struct Malformed;

/// A value with a place in a snapshot.
pub trait Stored: Sized {
    /// Appends it.
    fn put(&self, to: &mut Vec<u8>);
    /// Takes it from the front.
    fn take(from: &mut &[u8]) -> Result<Self, Malformed>;
}

macro_rules! stored_integers {
    ($($integer:ty),*) => {$(
        impl Stored for $integer {
            fn put(&self, to: &mut Vec<u8>) {
                to.extend_from_slice(&self.to_be_bytes());
            }

            fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
                let (bytes, rest) = from.split_first_chunk().ok_or(Malformed)?;
                *from = rest;
                Ok(Self::from_be_bytes(*bytes))
            }
        }
    )*};
}

stored_integers!(u8, u32, i32, u64, i64);

macro_rules! stored_names {
    ($($name:ident),*) => {$(
        impl Stored for $name {
            fn put(&self, to: &mut Vec<u8>) {
                put_bytes(self.as_str().as_bytes(), to);
            }

            fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
                let text = std::str::from_utf8(take_bytes(from)?).map_err(|_| Malformed)?;
                Ok(Self::stored(text))
            }
        }
    )*};
}

stored_names!(
    AccountId,
    ActorId,
    BankReference,
    CaseId,
    Code,
    ContractId,
    DisplayName,
    DisclosureId,
    ComplaintId,
    DocumentNumber,
    FindingId,
    FundId,
    IssuerId,
    LegalBasis,
    LoanId,
    LotId,
    MatterId,
    NoticeId,
    Ocid,
    PaymentId,
    PolicyId,
    ReasonCode,
    RequestId,
    TenderId,
    UnitId
);

macro_rules! stored_newtypes {
    ($($name:ident),* $(,)?) => {$(
        impl Stored for $name {
            fn put(&self, to: &mut Vec<u8>) {
                self.0.put(to);
            }

            fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
                Stored::take(from).map(Self)
            }
        }
    )*};
}

stored_newtypes!(
    AccountNumber,
    ContractNumber,
    FundNumber,
    KeyNumber,
    LotNumber,
    PayeeRef,
    PublicKey,
    Sequence,
    Signature,
    UnitNumber,
    UtcNanos
);

impl Stored for Day {
    fn put(&self, to: &mut Vec<u8>) {
        self.days().put(to);
    }

    fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
        i32::take(from).map(Self::from_days)
    }
}

impl Stored for Period {
    fn put(&self, to: &mut Vec<u8>) {
        self.number().put(to);
    }

    fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
        i32::take(from).map(Self::from_number)
    }
}

impl Stored for AccountKind {
    fn put(&self, to: &mut Vec<u8>) {
        self.number().put(to);
    }

    fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
        Self::from_number(i32::take(from)?).ok_or(Malformed)
    }
}

impl Stored for AmountOrZero {
    fn put(&self, to: &mut Vec<u8>) {
        self.minor().put(to);
    }

    fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
        Self::new(i64::take(from)?).map_err(|_| Malformed)
    }
}

impl Stored for bool {
    fn put(&self, to: &mut Vec<u8>) {
        u8::from(*self).put(to);
    }

    fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
        match u8::take(from)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed),
        }
    }
}

impl Stored for Box<str> {
    fn put(&self, to: &mut Vec<u8>) {
        put_bytes(self.as_bytes(), to);
    }

    fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
        std::str::from_utf8(take_bytes(from)?).map(Self::from).map_err(|_| Malformed)
    }
}

impl<const N: usize> Stored for [u8; N] {
    fn put(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(self);
    }

    fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
        let (bytes, rest) = from.split_first_chunk().ok_or(Malformed)?;
        *from = rest;
        Ok(*bytes)
    }
}

impl<T: Stored> Stored for Option<T> {
    fn put(&self, to: &mut Vec<u8>) {
        self.is_some().put(to);
        if let Some(value) = self {
            value.put(to);
        }
    }

    fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
        if bool::take(from)? { T::take(from).map(Some) } else { Ok(None) }
    }
}

impl<T: Stored> Stored for Vec<T> {
    fn put(&self, to: &mut Vec<u8>) {
        put_count(self.len(), to);
        for value in self {
            value.put(to);
        }
    }

    fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
        // Grown as it is read: a forged count must not reserve memory.
        let count = take_count(from)?;
        let mut values = Self::new();
        for _ in 0..count {
            values.push(T::take(from)?);
        }
        Ok(values)
    }
}

impl<A: Stored, B: Stored> Stored for (A, B) {
    fn put(&self, to: &mut Vec<u8>) {
        self.0.put(to);
        self.1.put(to);
    }

    fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
        Ok((A::take(from)?, B::take(from)?))
    }
}

impl<A: Stored, B: Stored, C: Stored> Stored for (A, B, C) {
    fn put(&self, to: &mut Vec<u8>) {
        self.0.put(to);
        self.1.put(to);
        self.2.put(to);
    }

    fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
        Ok((A::take(from)?, B::take(from)?, C::take(from)?))
    }
}

/// Appends a number of things that follow.
pub fn put_count(count: usize, to: &mut Vec<u8>) {
    u64::try_from(count).unwrap_or(u64::MAX).put(to);
}

/// Takes a number of things that follow.
pub fn take_count(from: &mut &[u8]) -> Result<u64, Malformed> {
    u64::take(from)
}

/// Appends a text, as names and [`Box<str>`] are put.
pub fn put_text(text: &str, to: &mut Vec<u8>) {
    put_bytes(text.as_bytes(), to);
}

/// Takes a text where it lies.
pub fn take_text<'a>(from: &mut &'a [u8]) -> Result<&'a str, Malformed> {
    std::str::from_utf8(take_bytes(from)?).map_err(|_| Malformed)
}

fn put_bytes(bytes: &[u8], to: &mut Vec<u8>) {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX).put(to);
    to.extend_from_slice(bytes);
}

fn take_bytes<'a>(from: &mut &'a [u8]) -> Result<&'a [u8], Malformed> {
    let length = usize::try_from(u32::take(from)?).map_err(|_| Malformed)?;
    let (bytes, rest) = from.split_at_checked(length).ok_or(Malformed)?;
    *from = rest;
    Ok(bytes)
}

/// Makes a struct stored, field by field.
#[macro_export]
macro_rules! stored_struct {
    ($name:ident { $($field:ident),* $(,)? }) => {
        impl $crate::format::stored::Stored for $name {
            fn put(&self, to: &mut Vec<u8>) {
                $($crate::format::stored::Stored::put(&self.$field, to);)*
            }

            fn take(from: &mut &[u8]) -> Result<Self, $crate::format::stored::Malformed> {
                Ok(Self { $($field: $crate::format::stored::Stored::take(from)?,)* })
            }
        }
    };
}

impl Stored for Role {
    fn put(&self, to: &mut Vec<u8>) {
        self.number().put(to);
    }

    fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
        Self::from_number(i32::take(from)?).ok_or(Malformed)
    }
}

stored_struct!(Holding { role, fund });
stored_struct!(SigningKey { owner, public_key, is_live });
stored_struct!(Approval { actor, key, signature });
stored_struct!(ProposedBatch { root, command_count, control_total_minor });
stored_struct!(Proposal { proposal_id, maker, proposed_at, expires_at, batch, taken, approvals, revoked });

/// What is looked up by something else is found again.
impl Stored for Authority {
    fn put(&self, to: &mut Vec<u8>) {
        put_count(self.holdings.len(), to);
        for (actor, holdings) in &self.holdings {
            actor.put(to);
            holdings.put(to);
        }
        self.keys.put(to);
        put_count(self.proposals.len(), to);
        for (sequence, proposal) in &self.proposals {
            sequence.put(to);
            proposal.put(to);
        }
    }

    fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
        let mut authority = Self::default();
        for _ in 0..take_count(from)? {
            authority.holdings.insert(Stored::take(from)?, Stored::take(from)?);
        }
        authority.keys = Stored::take(from)?;
        authority.index_keys();
        for _ in 0..take_count(from)? {
            authority.insert(Stored::take(from)?, Stored::take(from)?);
        }
        Ok(authority)
    }
}
