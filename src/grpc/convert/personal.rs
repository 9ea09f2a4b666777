//! Personal data on the wire, and the orders about them.

use prost::bytes::Bytes;

use super::{Parser, Violation};
use crate::domain::ids::{LegalBasis, PayeeRef, Sequence};
use crate::domain::personal::{
    PersonalCommitment, PersonalData, PersonalDatum, PersonalField, PersonalScope, PersonalValue, VALUE_CHARACTERS_MAX,
};
use crate::domain::refusal::Reason;
use crate::format::keyed::KeyedDigest;
use crate::pb::v1;

const PERSONAL_DATA_MAX: usize = 512;

/// Parses the personal data of a command; they go to the vault before the command is parsed, and leave commitments.
pub fn personal_data(
    wire: &v1::Command,
    pseudonyms: &KeyedDigest,
    path: &str,
) -> Result<Vec<PersonalDatum>, Vec<Violation>> {
    let pseudonyms = super::pseudonyms_of(wire, pseudonyms);
    let mut parser = Parser { violations: Vec::new(), pseudonyms: &pseudonyms, path, section: "" };
    parser.keep_apart(wire);
    let data = parser.personal_data(&wire.personal_data);
    match data {
        Some(data) if parser.violations.is_empty() => Ok(data),
        _ => Err(parser.violations),
    }
}

impl Parser<'_> {
    /// A bank account has a pseudonym of its own, so that those who share one are found: whoever complains would be too.
    pub(super) fn keep_apart(&mut self, wire: &v1::Command) {
        if !matches!(wire.payload, Some(v1::command::Payload::FileComplaint(_))) {
            return;
        }
        let account = i32::from(v1::PersonalField::BankAccount);
        let in_data = wire.personal_data.iter().position(|datum| datum.field == account);
        let in_commitments = wire.personal_commitments.iter().position(|commitment| commitment.field == account);
        for (list, at) in [("personal_data", in_data), ("personal_commitments", in_commitments)] {
            let Some(at) = at else { continue };
            let description = "is a bank account, by which others would know who complains";
            self.wrong::<()>(format_args!("{list}[{at}].field"), Reason::FieldInvalid, description);
        }
    }

    fn personal_data(&mut self, wire: &[v1::PersonalDatum]) -> Option<Vec<PersonalDatum>> {
        let mut seen = std::collections::BTreeSet::new();
        self.list("personal_data", wire.to_vec(), PERSONAL_DATA_MAX, |parser, place, wire| {
            let party = parser.party(format_args!("{place}.person"), &wire.person, &wire.person_pseudonym);
            let field = parser.personal_field(format_args!("{place}.field"), wire.field);
            let value = PersonalValue::parse(wire.value);
            if value.is_none() {
                let description = format!("is not 1 to {VALUE_CHARACTERS_MAX} characters without control characters");
                parser.wrong::<()>(format_args!("{place}.value"), Reason::FieldInvalid, description);
            }
            let (party, field, value) = (party?, field?, value?);
            if !seen.insert((party, field)) {
                return parser.wrong(
                    format_args!("{place}.field"),
                    Reason::FieldInvalid,
                    "is given for this person twice",
                );
            }
            Some(PersonalDatum { party, field, value })
        })
    }

    pub(super) fn personal_commitments(
        &mut self,
        data: &[v1::PersonalDatum],
        wire: Vec<v1::PersonalCommitment>,
    ) -> Option<Vec<PersonalCommitment>> {
        if !data.is_empty() {
            // They would have gone to the vault if nothing were wrong with them.
            if self.personal_data(data).is_some() && self.violations.is_empty() {
                self.wrong::<()>("personal_data", Reason::FieldInvalid, "has no vault to go to here");
            }
            return None;
        }
        let mut seen = std::collections::BTreeSet::new();
        self.list("personal_commitments", wire, PERSONAL_DATA_MAX, |parser, place, wire| {
            let party = parser.pseudonym(format_args!("{place}.party"), &wire.party);
            let field = parser.personal_field(format_args!("{place}.field"), wire.field);
            let commitment = <[u8; 32]>::try_from(wire.commitment.as_ref()).ok();
            if commitment.is_none() {
                let description = format!("is {} bytes long; a commitment has 32", wire.commitment.len());
                parser.wrong::<()>(format_args!("{place}.commitment"), Reason::FieldInvalid, description);
            }
            let account = if wire.account.is_empty() {
                Some(None)
            } else {
                parser.pseudonym(format_args!("{place}.account"), &wire.account).map(Some)
            };
            let (party, field, commitment, account) = (party?, field?, commitment?, account?);
            if account.is_some() && field != PersonalField::BankAccount {
                let description = "is set of something that is no bank account";
                return parser.wrong(format_args!("{place}.account"), Reason::FieldInvalid, description);
            }
            if !seen.insert((party, field)) {
                return parser.wrong(
                    format_args!("{place}.field"),
                    Reason::FieldInvalid,
                    "is given for this person twice",
                );
            }
            Some(PersonalCommitment { party, field, commitment, account })
        })
    }

    fn personal_field(&mut self, field: impl std::fmt::Display, raw: i32) -> Option<PersonalField> {
        self.known(field, PersonalField::from_number(raw))
    }

    pub(super) fn personal_scope(
        &mut self,
        person: (&str, &Bytes),
        first: i64,
        last: Option<i64>,
        legal_basis: String,
    ) -> Option<(PersonalScope, LegalBasis)> {
        let party = self.party("person", person.0, person.1);
        let first = self.sequence("first_sequence", first);
        let last = match last {
            None => Some(None),
            Some(last) if last <= first.unwrap_or_default().0.saturating_sub(1) || last == 0 => {
                self.wrong("last_sequence", Reason::FieldInvalid, "lies before the first, or is the genesis")
            }
            Some(last) => Some(Some(Sequence(last))),
        };
        let legal_basis = self.named("legal_basis", LegalBasis::parse(legal_basis));
        Some((PersonalScope { party: party?, first: first?, last: last? }, legal_basis?))
    }

    pub(super) fn open_personal_data(&mut self, wire: v1::OpenPersonalData) -> Option<PersonalData> {
        let sequence = match self.sequence("sequence", wire.sequence) {
            Some(Sequence(0)) => self.wrong("sequence", Reason::FieldInvalid, "is the genesis, which has none"),
            sequence => sequence,
        };
        let party: Option<PayeeRef> = self.party("person", &wire.person, &wire.person_pseudonym);
        let field = self.personal_field("field", wire.field);
        let legal_basis = self.named("legal_basis", LegalBasis::parse(wire.legal_basis));
        Some(PersonalData::Open { sequence: sequence?, party: party?, field: field?, legal_basis: legal_basis? })
    }
}
