//! Personal data: what the log holds of it (commitments and pseudonyms, never a value), and what may be done with the values,
//! which lie in the vault.

use super::ids::{LegalBasis, PayeeRef, Sequence};
use super::numbered::numbered;

numbered! {
    /// What a piece of personal data says about a person.
    PersonalField {
        /// Name, 姓名.
        Name = 1, "NAME";
        /// Identity document's number, 证件号码.
        IdentityNumber = 2, "IDENTITY_NUMBER";
        /// Bank account, 银行账号.
        BankAccount = 3, "BANK_ACCOUNT";
        /// Address, 住址.
        Address = 4, "ADDRESS";
        /// Telephone number, 联系电话.
        Telephone = 5, "TELEPHONE";
    }
}

/// Most characters of a value.
pub const VALUE_CHARACTERS_MAX: usize = 256;

/// A value of personal data: 1 to [`VALUE_CHARACTERS_MAX`] characters, none of them a control character. It does not show itself.
#[derive(Clone, PartialEq, Eq)]
pub struct PersonalValue(Box<str>);

impl PersonalValue {
    /// Checks a value.
    pub fn parse(text: String) -> Option<Self> {
        let fits = !text.is_empty()
            && text.chars().take(VALUE_CHARACTERS_MAX.saturating_add(1)).count() <= VALUE_CHARACTERS_MAX;
        (fits && !text.chars().any(char::is_control)).then(|| Self(text.into()))
    }

    /// The value, to be sealed or shown to whom it was opened.
    pub const fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for PersonalValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PersonalValue(secret)")
    }
}

/// A piece of personal data, on its way into the vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonalDatum {
    /// About whom.
    pub party: PayeeRef,
    /// What it says.
    pub field: PersonalField,
    /// The value.
    pub value: PersonalValue,
}

/// What the log holds of a piece of personal data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PersonalCommitment {
    /// About whom.
    pub party: PayeeRef,
    /// What it says.
    pub field: PersonalField,
    /// HMAC-SHA-256 over the value under a nonce of its own: hides the value, and binds it.
    pub commitment: [u8; 32],
    /// Of a bank account its keyed pseudonym, so that persons who share one are found.
    pub account: Option<PayeeRef>,
}

/// Which personal data an order is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PersonalScope {
    /// About whom.
    pub party: PayeeRef,
    /// First event whose data it is about.
    pub first: Sequence,
    /// Last event whose data it is about; `None` for all there are by then.
    pub last: Option<Sequence>,
}

/// An order about personal data, or what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PersonalData {
    /// Kept, and shown to nobody: a retention period runs, or the person objected (个人信息保护法 art. 47).
    Restrict(PersonalScope, LegalBasis),
    /// A restriction ends.
    Release(PersonalScope, LegalBasis),
    /// Values and nonces are destroyed for ever.
    Erase(PersonalScope, LegalBasis),
    /// One value is shown to an auditor.
    Open {
        /// Event that carries the commitment.
        sequence: Sequence,
        /// About whom.
        party: PayeeRef,
        /// What it says.
        field: PersonalField,
        /// Why.
        legal_basis: LegalBasis,
    },
}

impl PersonalData {
    /// Name of the command, as in the API.
    pub const fn command_name(&self) -> &'static str {
        match self {
            Self::Restrict(..) => "restrict_personal_data",
            Self::Release(..) => "release_personal_data",
            Self::Erase(..) => "erase_personal_data",
            Self::Open { .. } => "open_personal_data",
        }
    }

    /// About whom.
    pub const fn party(&self) -> PayeeRef {
        match self {
            Self::Restrict(scope, _) | Self::Release(scope, _) | Self::Erase(scope, _) => scope.party,
            Self::Open { party, .. } => *party,
        }
    }
}
