//! Approvals: who stands behind a command besides its maker, and by what proof.

use super::ids::{ActorId, KeyNumber, Sequence};
use super::time::UtcNanos;

/// An Ed25519 signature. That it is one over the right bytes was checked where it came in; the log keeps it for auditors.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(pub [u8; 64]);

impl std::fmt::Debug for Signature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signature({:02x}{:02x}…)", self.0[0], self.0[1])
    }
}

/// An Ed25519 public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublicKey(pub [u8; 32]);

/// A checker's signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// The checker.
    pub actor: ActorId,
    /// The key that signed.
    pub key: KeyNumber,
    /// Over the command's message, or the batch's.
    pub signature: Signature,
}

/// A command whose exact bytes were signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCommand {
    /// The bytes that were signed.
    pub command: Box<[u8]>,
    /// When the approvals lapse; signed along.
    pub expires_at: UtcNanos,
    /// The proposal under which the approvals were collected; `None` where they came with the command.
    pub proposal: Option<Sequence>,
    /// The signatures, in the order they were given.
    pub approvals: Vec<Approval>,
}

/// A command of a batch whose root was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchCommand {
    /// The exact bytes: a leaf of the batch's tree.
    pub command: Box<[u8]>,
    /// The proposal, which holds the root; the signatures stand in its approvals.
    pub proposal: Sequence,
    /// Place in the batch, from 0.
    pub index: u32,
    /// Who approved the batch.
    pub checkers: Vec<ActorId>,
}

/// Who approved a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Approvals {
    /// Persons that the posting system named.
    Named(Vec<ActorId>),
    /// Persons who signed this command.
    Signed(Box<SignedCommand>),
    /// Persons who signed the root of its batch.
    Batch(Box<BatchCommand>),
}

impl Default for Approvals {
    fn default() -> Self {
        Self::Named(Vec::new())
    }
}

impl Approvals {
    /// The checkers, in the order given.
    pub fn actors(&self) -> impl Iterator<Item = &ActorId> {
        let (named, signed) = match self {
            Self::Named(actors) => (actors.as_slice(), &[][..]),
            Self::Signed(signed) => (&[][..], signed.approvals.as_slice()),
            Self::Batch(batch) => (batch.checkers.as_slice(), &[][..]),
        };
        named.iter().chain(signed.iter().map(|approval| &approval.actor))
    }

    /// The proposal a command was executed under.
    pub fn proposal(&self) -> Option<Sequence> {
        match self {
            Self::Named(_) => None,
            Self::Signed(signed) => signed.proposal,
            Self::Batch(batch) => Some(batch.proposal),
        }
    }
}

macro_rules! roles {
    ($($(#[$doc:meta])* $role:ident = $number:literal, $text:literal;)*) => {
        /// What a person may do. Few and fixed: rights that nobody understands protect nothing.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Role {$(
            $(#[$doc])*
            $role,
        )*}

        impl Role {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$role),*];

            /// Its number in the log.
            pub const fn number(self) -> i32 {
                match self { $(Self::$role => $number,)* }
            }

            /// From its number in the log.
            pub const fn from_number(number: i32) -> Option<Self> {
                match number {
                    $($number => Some(Self::$role),)*
                    _ => None,
                }
            }

            /// Its name.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$role => $text,)* }
            }
        }
    };
}

roles! {
    /// Makes commands, 制单.
    Maker = 1, "MAKER";
    /// Approves commands, 复核.
    Checker = 2, "CHECKER";
    /// Approves what needs a leader, 审批.
    Leader = 3, "LEADER";
    /// Executes and clears payments, 国库.
    Treasury = 4, "TREASURY";
    /// Runs a scheme, 经办.
    Agency = 5, "AGENCY";
    /// Reads, verifies and flags, 审计.
    Auditor = 6, "AUDITOR";
    /// Publishes, 公开.
    Discloser = 7, "DISCLOSER";
    /// Administers roles, keys, funds and policies; moves no money.
    Admin = 8, "ADMIN";
}

impl Role {
    /// Whether one person may hold both: an auditor holds nothing else (审监分离).
    pub fn goes_with(self, other: Self) -> bool {
        (self == Self::Auditor) == (other == Self::Auditor)
    }
}
