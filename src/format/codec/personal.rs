//! Commitments to personal data, and the events about such data.

use super::families::pseudonym;
use super::{DecodeError, fixed};
use crate::domain::ids::{LegalBasis, PayeeRef, Sequence};
use crate::domain::personal::{PersonalCommitment, PersonalData, PersonalField, PersonalScope};
use crate::format::wire::Wire;
use crate::pb::v1 as pb;

pub(super) fn encode_commitments(commitments: &[PersonalCommitment], wire: &mut Wire<'_>) {
    for commitment in commitments {
        wire.message(10, |m| {
            m.bytes(1, &commitment.party.0);
            m.int(2, commitment.field.number().into());
            m.bytes(3, &commitment.commitment);
            m.bytes(4, commitment.account.as_ref().map_or(&[][..], |account| &account.0));
        });
    }
}

pub(super) fn decode_commitments(stored: &[pb::PersonalCommitment]) -> Result<Vec<PersonalCommitment>, DecodeError> {
    let decoded = stored.iter().map(|stored| {
        Ok(PersonalCommitment {
            party: PayeeRef(fixed(&stored.party, "person of a commitment")?),
            field: field(stored.field)?,
            commitment: fixed(&stored.commitment, "commitment")?,
            account: pseudonym(&stored.account, "account of a commitment")?,
        })
    });
    decoded.collect()
}

fn field(number: i32) -> Result<PersonalField, DecodeError> {
    PersonalField::from_number(number).ok_or(DecodeError::Field("field of personal data"))
}

pub(super) fn encode(data: &PersonalData, wire: &mut Wire<'_>) {
    let (number, scope, basis) = match data {
        PersonalData::Restrict(scope, basis) => (130, scope, basis),
        PersonalData::Release(scope, basis) => (131, scope, basis),
        PersonalData::Erase(scope, basis) => (132, scope, basis),
        PersonalData::Open { sequence, party, field, legal_basis } => {
            wire.message(133, |m| {
                m.int(1, sequence.0);
                m.bytes(2, &party.0);
                m.int(3, field.number().into());
                m.text(4, legal_basis.as_str());
            });
            return;
        }
    };
    wire.message(number, |m| {
        m.message(1, |m| {
            m.bytes(1, &scope.party.0);
            m.int(2, scope.first.0);
            m.int(3, scope.last.unwrap_or_default().0);
        });
        m.text(2, basis.as_str());
    });
}

pub(super) fn scoped(
    scope: Option<pb::PersonalDataScope>,
    legal_basis: String,
) -> Result<(PersonalScope, LegalBasis), DecodeError> {
    let stored = scope.ok_or(DecodeError::Field("scope"))?;
    let scope = PersonalScope {
        party: PayeeRef(fixed(&stored.party, "person")?),
        first: Sequence(stored.first_sequence),
        last: Some(Sequence(stored.last_sequence)).filter(|last| *last != Sequence::default()),
    };
    Ok((scope, LegalBasis::stored(legal_basis)))
}

pub(super) fn opened(stored: pb::PersonalDataOpened) -> Result<PersonalData, DecodeError> {
    Ok(PersonalData::Open {
        sequence: Sequence(stored.sequence),
        party: PayeeRef(fixed(&stored.party, "person")?),
        field: field(stored.field)?,
        legal_basis: LegalBasis::stored(stored.legal_basis),
    })
}
