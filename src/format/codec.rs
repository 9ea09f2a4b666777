//! Events to bytes and back. Encoding writes the stored bytes directly; decoding goes through the generated schema, which
//! also proves in a test that both agree.

mod approvals;
mod complaints;
mod families;
mod oversight;
mod personal;
mod procurement;
mod records;

use prost::Message;
use thiserror::Error;

use self::approvals::{decode_approvals, encode_approvals, encode_signed};
use self::families::{decode_terms, encode_entitlement, encode_housing, encode_nontax, encode_persons, pseudonym};
use self::records::{
    decode_fund, decode_lot, decode_payment, decode_tier, encode_fund, encode_lot, encode_payment, encode_policy,
};
use super::wire::Wire;
use crate::domain::account::AccountKind;
use crate::domain::approval::{PublicKey, Role, Signature};
use crate::domain::authority::{ProposedBatch, ProposedContent};
use crate::domain::command::Envelope;
use crate::domain::event::{AdjustmentKind, Decision, Event, Frozen, Leg, Payload, PostedOperation};
use crate::domain::fund::{PlanStep, PolicyVersion};
use crate::domain::ids::{
    AccountId, AccountNumber, ActorId, BankReference, CaseId, Code, ContractId, DocumentNumber, FundNumber, IssuerId,
    KeyNumber, LegalBasis, LotNumber, PayeeRef, PaymentId, PolicyId, ReasonCode, RequestId, Sequence, UnitId,
};
use crate::domain::log_key::{LogKey, LogKeyChange};
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::release::{PaymentPlace, Released};
use crate::domain::time::{Day, Period, UtcNanos};
use crate::pb::v1 as pb;

/// Bytes that are not an event of this schema.
#[derive(Debug, Error)]
pub enum DecodeError {
    /// Not protobuf of the stored message.
    #[error("not an encoded event: {0}")]
    Wire(#[from] prost::DecodeError),
    /// A value outside its range, or a part that must be there and is not.
    #[error("the event's {0} is missing or out of range")]
    Field(&'static str),
}

/// Appends the event's bytes to a buffer.
pub fn encode(event: &Event, buffer: &mut Vec<u8>) {
    let mut wire = Wire::new(buffer);
    wire.fixed(1, event.booked_at.0);
    if let Some(envelope) = &event.envelope {
        wire.int(2, envelope.business_date.days().into());
        wire.text(3, envelope.request_id.as_str());
        wire.bytes(4, &event.command_digest);
        wire.text(5, envelope.actor.as_str());
        encode_approvals(&envelope.approvals, &mut wire);
    }
    wire.number(7, event.decision.policy_version);
    for leg in &event.decision.legs {
        wire.message(8, |line| {
            line.number(1, leg.account.0);
            line.number(2, leg.lot.0);
            line.zigzag(3, leg.debit_minor);
        });
    }
    if let Some(envelope) = &event.envelope {
        encode_signed(&envelope.approvals, &mut wire);
        personal::encode_commitments(&envelope.personal_data, &mut wire);
    }
    encode_payload(&event.decision.payload, &mut wire);
}

fn encode_payload(payload: &Payload, wire: &mut Wire<'_>) {
    match payload {
        Payload::LedgerCreated { origin, format_version, development, administrators } => wire.message(20, |m| {
            m.text(1, origin);
            m.number(2, *format_version);
            m.flag(3, *development);
            for (principal, public_key) in administrators {
                m.message(4, |m| {
                    m.text(1, principal.as_str());
                    m.bytes(2, &public_key.0);
                });
            }
        }),
        Payload::FundDefined { fund, definition } => wire.message(21, |m| encode_fund(*fund, definition, m)),
        Payload::PolicySet { policy_id, policy } => wire.message(22, |m| encode_policy(policy_id, policy, m)),
        Payload::AccountOpened { account, account_id, fund, kind, unit_id, person, unit_party } => {
            wire.message(23, |m| {
                m.number(1, account.0);
                m.text(2, account_id.as_str());
                m.number(3, fund.0);
                m.int(4, kind.number().into());
                m.text(5, optional(unit_id.as_ref().map(UnitId::as_str)));
                m.bytes(6, person.as_ref().map_or(&[][..], |person| &person.0));
                m.bytes(7, unit_party.as_ref().map_or(&[][..], |party| &party.0));
            });
        }
        Payload::AccountClosed { account } => wire.message(44, |m| m.number(1, account.0)),
        Payload::EstimateApproved { project_id, fund, amount, issuer_id, document_number } => wire.message(45, |m| {
            m.text(1, project_id.as_str());
            m.number(2, fund.0);
            m.int(3, amount.minor());
            m.text(4, issuer_id.as_str());
            m.text(5, document_number.as_str());
        }),
        Payload::EntitlementDetermined(determined) => wire.message(46, |m| encode_entitlement(determined, m)),
        Payload::Nontax(event) => encode_nontax(event, wire),
        Payload::Persons(event) => encode_persons(event, wire),
        Payload::Housing(event) => encode_housing(event, wire),
        Payload::Oversight(event) => oversight::encode_oversight(event, wire),
        Payload::Procurement(event) => procurement::encode(event, wire),
        Payload::Complaint(event) => complaints::encode(event, wire),
        Payload::OpeningBalance { fund, document_number, document_sha256, lots } => wire.message(24, |m| {
            m.number(1, fund.0);
            m.text(2, document_number.as_str());
            m.bytes(3, document_sha256);
            for lot in lots {
                m.message(4, |m| encode_lot(lot, m));
            }
        }),
        Payload::BudgetIssued { lot } => wire.message(25, |m| m.message(1, |m| encode_lot(lot, m))),
        Payload::BudgetAllocated { document_number } => {
            wire.message(26, |m| m.text(1, optional(document_number.as_ref().map(DocumentNumber::as_str))));
        }
        Payload::BudgetAdjusted { kind, issuer_id, document_number } => wire.message(27, |m| {
            m.number(1, adjustment_number(*kind));
            m.text(2, document_number.as_str());
            m.text(3, issuer_id.as_str());
        }),
        Payload::PlanApproved { document_number } => {
            wire.message(28, |m| m.text(1, optional(document_number.as_ref().map(DocumentNumber::as_str))));
        }
        Payload::Committed { contract_id, ocid, payee } => wire.message(29, |m| {
            m.text(1, contract_id.as_str());
            m.text(2, optional(ocid.as_ref().map(Code::as_str)));
            m.bytes(3, &payee.0);
        }),
        Payload::CommitmentReleased { contract_id } => wire.message(30, |m| m.text(1, contract_id.as_str())),
        Payload::Frozen { case_id, legal_basis, scope } => wire.message(31, |m| {
            m.text(1, case_id.as_str());
            m.text(2, legal_basis.as_str());
            match scope {
                Frozen::Account(account) => m.chosen_number(3, account.0),
                Frozen::Lot(lot) => m.chosen_number(4, lot.0),
                Frozen::Payee(payee) => m.element(5, &payee.0),
            }
        }),
        Payload::Unfrozen { case_id } => wire.message(32, |m| m.text(1, case_id.as_str())),
        Payload::CashReceived { bank_reference } => wire.message(33, |m| m.text(1, bank_reference.as_str())),
        Payload::PaymentExecuted(payment) => wire.message(34, |m| encode_payment(payment, m)),
        Payload::Cleared { bank_reference, payment_ids } => wire.message(35, |m| {
            m.text(1, bank_reference.as_str());
            for payment_id in payment_ids {
                m.element(2, payment_id.as_str().as_bytes());
            }
        }),
        Payload::PaymentReturned { payment_id, original, bank_reference, reason_code } => wire.message(36, |m| {
            m.text(1, payment_id.as_str());
            m.int(2, original.0);
            m.text(3, bank_reference.as_str());
            m.text(4, reason_code.as_str());
        }),
        Payload::Reversed { original, operation, reason_code, payment_id, contract_id } => wire.message(37, |m| {
            m.int(1, original.0);
            m.text(2, reason_code.as_str());
            m.text(3, optional(payment_id.as_ref().map(PaymentId::as_str)));
            m.text(4, optional(contract_id.as_ref().map(ContractId::as_str)));
            m.number(5, *operation);
        }),
        Payload::DayClosed { fund, day } => wire.message(38, |m| {
            m.number(1, fund.0);
            m.int(2, day.days().into());
        }),
        Payload::PeriodClosed { fund, period, trial_balance_sha256 } => wire.message(39, |m| {
            m.number(1, fund.0);
            m.int(2, period.number().into());
            m.bytes(3, trial_balance_sha256);
        }),
        Payload::CarriedForward { lot, year } => wire.message(40, |m| {
            m.number(1, lot.0);
            m.int(2, (*year).into());
        }),
        Payload::LapsedRecovered { lot, legal_basis } => wire.message(41, |m| {
            m.number(1, lot.0);
            m.text(2, legal_basis.as_str());
        }),
        // An operation's payload stands under the number that it has in an event.
        Payload::TransactionPosted { operations } => wire.message(42, |m| {
            for operation in operations {
                m.message(1, |m| {
                    m.number(1, operation.policy_version);
                    m.number(2, operation.leg_count);
                    encode_payload(&operation.payload, m);
                });
            }
        }),
        Payload::CommandRefused { command, refusal } => wire.message(60, |m| {
            m.int(1, refusal.reason.number().into());
            m.text(2, command);
            for (name, value) in &refusal.facts {
                m.message(3, |m| {
                    m.text(1, name);
                    m.text(2, value);
                });
            }
        }),
        Payload::CommandProposed { content, expires_at } => wire.message(61, |m| {
            m.fixed(1, expires_at.0);
            match content {
                ProposedContent::Command(command) => m.element(2, command),
                ProposedContent::Batch(batch) => m.message(3, |m| {
                    m.bytes(1, &batch.root);
                    m.number(2, batch.command_count);
                    m.int(3, batch.control_total_minor);
                }),
            }
        }),
        Payload::ProposalApproved { proposal, key, signature } => wire.message(62, |m| {
            m.int(1, proposal.0);
            m.number(2, key.0);
            m.bytes(3, &signature.0);
        }),
        Payload::ProposalWithdrawn { proposal } => wire.message(63, |m| m.int(1, proposal.0)),
        Payload::ProposalExpired { proposal } => wire.message(64, |m| m.int(1, proposal.0)),
        Payload::RoleGranted { principal, role, fund } => {
            wire.message(65, |m| encode_holding(principal, *role, *fund, m));
        }
        Payload::RoleRevoked { principal, role, fund } => {
            wire.message(66, |m| encode_holding(principal, *role, *fund, m));
        }
        Payload::KeyRotated { principal, key, public_key } => wire.message(67, |m| {
            m.text(1, principal.as_str());
            m.number(2, key.0);
            m.bytes(3, public_key.as_ref().map_or(&[][..], |key| &key.0));
        }),
        Payload::LogKeyRotated { key, change } => wire.message(69, |m| {
            m.text(1, key.as_str());
            m.int(2, change.number().into());
        }),
        Payload::PaymentReleased(released) => wire.message(68, |m| {
            for (sequence, operation) in &released.payments {
                m.message(1, |m| {
                    m.int(1, sequence.0);
                    m.number(2, *operation);
                });
            }
            m.text(2, &released.proof);
        }),
    }
}

fn encode_holding(principal: &ActorId, role: Role, fund: FundNumber, m: &mut Wire<'_>) {
    m.text(1, principal.as_str());
    m.int(2, role.number().into());
    m.number(3, fund.0);
}

fn optional(text: Option<&str>) -> &str {
    text.unwrap_or_default()
}

const fn adjustment_number(kind: AdjustmentKind) -> u32 {
    match kind {
        AdjustmentKind::Supplement => 1,
        AdjustmentKind::Reduction => 2,
        AdjustmentKind::Reallocation => 3,
    }
}

/// Reads an event's bytes.
pub fn decode(bytes: &[u8]) -> Result<Event, DecodeError> {
    let event = pb::Event::decode(bytes)?;
    let payload = event.payload.ok_or(DecodeError::Field("payload"))?;
    let is_genesis = matches!(payload, pb::event::Payload::LedgerCreated(_));
    let envelope = if is_genesis {
        None
    } else {
        Some(Envelope {
            request_id: RequestId::stored(event.request_id),
            business_date: Day::from_days(event.business_day),
            actor: ActorId::stored(event.actor),
            approvals: decode_approvals(event.approvals, event.signed)?,
            personal_data: personal::decode_commitments(&event.personal_data)?,
        })
    };
    let mut legs = Vec::with_capacity(event.legs.len());
    for leg in event.legs {
        legs.push(Leg {
            account: AccountNumber(number(leg.account, "leg account")?),
            lot: LotNumber(number(leg.lot, "leg lot")?),
            debit_minor: leg.amount_minor,
        });
    }
    let command_digest = if is_genesis { [0; 16] } else { fixed(&event.command_digest, "command digest")? };
    Ok(Event {
        booked_at: UtcNanos(event.booked_at_ns),
        command_digest,
        envelope,
        decision: Decision {
            policy_version: number(event.policy_version, "policy version")?,
            legs,
            payload: decode_payload(payload)?,
        },
    })
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the others are decoded, or refused, with their families")]
fn decode_payload(payload: pb::event::Payload) -> Result<Payload, DecodeError> {
    use pb::event::Payload as Stored;
    Ok(match payload {
        Stored::LedgerCreated(m) => Payload::LedgerCreated {
            origin: m.origin.into(),
            format_version: number(m.format_version, "format version")?,
            development: m.development,
            administrators: m.administrators.into_iter().map(decode_administrator).collect::<Result<_, _>>()?,
        },
        Stored::FundDefined(m) => {
            Payload::FundDefined { fund: FundNumber(number(m.fund, "fund")?), definition: Box::new(decode_fund(m)?) }
        }
        Stored::PolicySet(m) => Payload::PolicySet {
            policy: Box::new(PolicyVersion {
                version: number(m.version, "policy version")?,
                effective_from: Day::from_days(m.effective_from_day),
                plan_step: match pb::PlanStep::try_from(m.plan_step) {
                    Ok(pb::PlanStep::Required) => PlanStep::Required,
                    Ok(pb::PlanStep::Optional) => PlanStep::Optional,
                    Ok(pb::PlanStep::Unspecified) | Err(_) => return Err(DecodeError::Field("plan step")),
                },
                checker_tiers: m.checker_tiers.iter().map(decode_tier).collect::<Result<_, _>>()?,
                document_sha256: fixed(&m.document_sha256, "document digest")?,
                signed_approvals: m.signed_approvals,
                terms: m.terms.map(decode_terms).transpose()?.unwrap_or_default(),
            }),
            policy_id: PolicyId::stored(m.policy_id),
        },
        Stored::AccountOpened(m) => Payload::AccountOpened {
            account: AccountNumber(number(m.account, "account")?),
            account_id: AccountId::stored(m.account_id),
            fund: FundNumber(number(m.fund, "fund")?),
            kind: AccountKind::from_number(m.kind).ok_or(DecodeError::Field("account kind"))?,
            unit_id: some(m.unit_id, UnitId::stored),
            person: pseudonym(&m.person, "person")?,
            unit_party: pseudonym(&m.unit_party, "unit party")?,
        },
        Stored::AccountClosed(m) => Payload::AccountClosed { account: AccountNumber(number(m.account, "account")?) },
        Stored::OpeningBalance(m) => Payload::OpeningBalance {
            fund: FundNumber(number(m.fund, "fund")?),
            document_number: DocumentNumber::stored(m.document_number),
            document_sha256: fixed(&m.document_sha256, "document digest")?,
            lots: m.lots.into_iter().map(decode_lot).collect::<Result<_, _>>()?,
        },
        Stored::BudgetIssued(m) => {
            Payload::BudgetIssued { lot: Box::new(decode_lot(m.lot.ok_or(DecodeError::Field("lot"))?)?) }
        }
        Stored::BudgetAllocated(m) => {
            Payload::BudgetAllocated { document_number: some(m.document_number, DocumentNumber::stored) }
        }
        Stored::BudgetAdjusted(m) => Payload::BudgetAdjusted {
            kind: match pb::AdjustmentKind::try_from(m.kind) {
                Ok(pb::AdjustmentKind::Supplement) => AdjustmentKind::Supplement,
                Ok(pb::AdjustmentKind::Reduction) => AdjustmentKind::Reduction,
                Ok(pb::AdjustmentKind::Reallocation) => AdjustmentKind::Reallocation,
                Ok(pb::AdjustmentKind::Unspecified) | Err(_) => return Err(DecodeError::Field("adjustment kind")),
            },
            issuer_id: IssuerId::stored(m.issuer_id),
            document_number: DocumentNumber::stored(m.document_number),
        },
        Stored::PlanApproved(m) => {
            Payload::PlanApproved { document_number: some(m.document_number, DocumentNumber::stored) }
        }
        Stored::Committed(m) => Payload::Committed {
            contract_id: ContractId::stored(m.contract_id),
            ocid: some(m.ocid, Code::stored),
            payee: PayeeRef(fixed(&m.payee, "payee")?),
        },
        Stored::CommitmentReleased(m) => Payload::CommitmentReleased { contract_id: ContractId::stored(m.contract_id) },
        Stored::Frozen(m) => Payload::Frozen {
            case_id: CaseId::stored(m.case_id),
            legal_basis: LegalBasis::stored(m.legal_basis),
            scope: match m.scope.ok_or(DecodeError::Field("freeze scope"))? {
                pb::frozen::Scope::Account(account) => Frozen::Account(AccountNumber(number(account, "account")?)),
                pb::frozen::Scope::Lot(lot) => Frozen::Lot(LotNumber(number(lot, "lot")?)),
                pb::frozen::Scope::Payee(payee) => Frozen::Payee(PayeeRef(fixed(&payee, "payee")?)),
            },
        },
        Stored::Unfrozen(m) => Payload::Unfrozen { case_id: CaseId::stored(m.case_id) },
        Stored::CashReceived(m) => Payload::CashReceived { bank_reference: BankReference::stored(m.bank_reference) },
        Stored::PaymentExecuted(m) => Payload::PaymentExecuted(Box::new(decode_payment(m)?)),
        Stored::Cleared(m) => Payload::Cleared {
            bank_reference: BankReference::stored(m.bank_reference),
            payment_ids: m.payment_ids.into_iter().map(PaymentId::stored).collect(),
        },
        Stored::PaymentReturned(m) => Payload::PaymentReturned {
            payment_id: PaymentId::stored(m.payment_id),
            original: Sequence(m.original_sequence),
            bank_reference: BankReference::stored(m.bank_reference),
            reason_code: ReasonCode::stored(m.reason_code),
        },
        Stored::Reversed(m) => Payload::Reversed {
            original: Sequence(m.original_sequence),
            operation: number(m.operation, "operation")?,
            reason_code: ReasonCode::stored(m.reason_code),
            payment_id: some(m.payment_id, PaymentId::stored),
            contract_id: some(m.contract_id, ContractId::stored),
        },
        Stored::DayClosed(m) => {
            Payload::DayClosed { fund: FundNumber(number(m.fund, "fund")?), day: Day::from_days(m.day) }
        }
        Stored::PeriodClosed(m) => Payload::PeriodClosed {
            fund: FundNumber(number(m.fund, "fund")?),
            period: Period::from_number(m.period),
            trial_balance_sha256: fixed(&m.trial_balance_sha256, "trial balance digest")?,
        },
        Stored::CarriedForward(m) => Payload::CarriedForward { lot: LotNumber(number(m.lot, "lot")?), year: m.year },
        Stored::LapsedRecovered(m) => Payload::LapsedRecovered {
            lot: LotNumber(number(m.lot, "lot")?),
            legal_basis: LegalBasis::stored(m.legal_basis),
        },
        Stored::TransactionPosted(m) => Payload::TransactionPosted {
            operations: m.operations.into_iter().map(decode_operation).collect::<Result<_, _>>()?,
        },
        Stored::CommandRefused(m) => Payload::CommandRefused {
            refusal: Refusal {
                reason: Reason::from_number(m.reason).ok_or(DecodeError::Field("refusal reason"))?,
                facts: m.facts.into_iter().map(|fact| (fact.key.into(), fact.value)).collect(),
            },
            command: m.command.into(),
        },
        Stored::CommandProposed(m) => Payload::CommandProposed {
            expires_at: UtcNanos(m.expires_at_ns),
            content: match m.content.ok_or(DecodeError::Field("proposal"))? {
                pb::command_proposed::Content::Command(command) => ProposedContent::Command(Vec::from(command).into()),
                pb::command_proposed::Content::Batch(batch) => ProposedContent::Batch(ProposedBatch {
                    root: fixed(&batch.root, "root")?,
                    command_count: number(batch.command_count, "number of commands")?,
                    control_total_minor: batch.control_total_minor,
                }),
            },
        },
        Stored::ProposalApproved(m) => Payload::ProposalApproved {
            proposal: Sequence(m.proposal_sequence),
            key: KeyNumber(number(m.key, "key")?),
            signature: Signature(fixed(&m.signature, "signature")?),
        },
        Stored::ProposalWithdrawn(m) => Payload::ProposalWithdrawn { proposal: Sequence(m.proposal_sequence) },
        Stored::ProposalExpired(m) => Payload::ProposalExpired { proposal: Sequence(m.proposal_sequence) },
        Stored::RoleGranted(m) => Payload::RoleGranted {
            principal: ActorId::stored(m.principal_id),
            role: Role::from_number(m.role).ok_or(DecodeError::Field("role"))?,
            fund: FundNumber(number(m.fund, "fund")?),
        },
        Stored::RoleRevoked(m) => Payload::RoleRevoked {
            principal: ActorId::stored(m.principal_id),
            role: Role::from_number(m.role).ok_or(DecodeError::Field("role"))?,
            fund: FundNumber(number(m.fund, "fund")?),
        },
        Stored::KeyRotated(m) => Payload::KeyRotated {
            principal: ActorId::stored(m.principal_id),
            key: KeyNumber(number(m.key, "key")?),
            public_key: match m.public_key.len() {
                0 => None,
                _ => Some(PublicKey(fixed(&m.public_key, "public key")?)),
            },
        },
        Stored::LogKeyRotated(m) => Payload::LogKeyRotated {
            key: LogKey::stored(m.verifier_key),
            change: LogKeyChange::from_number(m.change).ok_or(DecodeError::Field("change of a log key"))?,
        },
        Stored::PaymentReleased(m) => Payload::PaymentReleased(Box::new(Released {
            payments: m.payments.iter().map(decode_place).collect::<Result<_, _>>()?,
            proof: m.tlog_proof.into(),
        })),
        of_a_family => return families::decode(of_a_family),
    })
}

fn decode_operation(m: pb::PostedOperation) -> Result<PostedOperation, DecodeError> {
    Ok(PostedOperation {
        policy_version: number(m.policy_version, "policy version")?,
        leg_count: number(m.leg_count, "number of legs")?,
        payload: decode_payload(m.payload.ok_or(DecodeError::Field("operation"))?.into())?,
    })
}

fn decode_place(m: &pb::ReleasedPayment) -> Result<PaymentPlace, DecodeError> {
    Ok((Sequence(m.sequence), number(m.operation, "operation")?))
}

fn decode_administrator(m: pb::Administrator) -> Result<(ActorId, PublicKey), DecodeError> {
    Ok((ActorId::stored(m.principal_id), PublicKey(fixed(&m.public_key, "public key")?)))
}

fn some<T>(text: String, make: impl FnOnce(String) -> T) -> Option<T> {
    (!text.is_empty()).then(|| make(text))
}

/// A number that may be unset.
fn known<T>(number: i32, from_number: fn(i32) -> Option<T>, what: &'static str) -> Result<Option<T>, DecodeError> {
    match number {
        0 => Ok(None),
        number => from_number(number).ok_or(DecodeError::Field(what)).map(Some),
    }
}

fn number(value: i32, field: &'static str) -> Result<u32, DecodeError> {
    u32::try_from(value).map_err(|_| DecodeError::Field(field))
}

fn fixed<const N: usize>(bytes: &[u8], field: &'static str) -> Result<[u8; N], DecodeError> {
    <[u8; N]>::try_from(bytes).map_err(|_| DecodeError::Field(field))
}
