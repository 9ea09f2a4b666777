//! Where commands name persons: what is signed and stored of them are pseudonyms.

use prost::bytes::Bytes;

use crate::pb::v1;
use crate::pb::v1::command::Payload;
use crate::pb::v1::operation::Operation;

/// Meets every place where a command names somebody by identity, with the place for the pseudonym.
pub(super) fn for_each(wire: &mut v1::Command, mut meet: impl FnMut(&mut String, &mut Bytes)) {
    let mut person = |identity: &mut String, pseudonym: &mut Bytes| {
        if !identity.is_empty() {
            meet(identity, pseudonym);
        }
    };
    for datum in &mut wire.personal_data {
        person(&mut datum.person, &mut datum.person_pseudonym);
    }
    // Every command has an arm, so that a new one is asked whom it names.
    match &mut wire.payload {
        Some(Payload::OpenAccount(account)) => {
            person(&mut account.person, &mut account.person_pseudonym);
            person(&mut account.unit_party, &mut account.unit_party_pseudonym);
        }
        Some(Payload::ExecutePayment(payment)) => person(&mut payment.payee, &mut payment.payee_pseudonym),
        Some(Payload::CommitAuthority(commitment)) => person(&mut commitment.payee, &mut commitment.payee_pseudonym),
        Some(Payload::Freeze(freeze)) => {
            if let Some(v1::freeze::Scope::Payee(identity)) = &mut freeze.scope {
                let mut pseudonym = Bytes::new();
                person(identity, &mut pseudonym);
                if !pseudonym.is_empty() {
                    freeze.scope = Some(v1::freeze::Scope::PayeePseudonym(pseudonym));
                }
            }
        }
        Some(Payload::Transaction(transaction)) => {
            for operation in &mut transaction.operations {
                match &mut operation.operation {
                    Some(Operation::ExecutePayment(payment)) => {
                        person(&mut payment.payee, &mut payment.payee_pseudonym);
                    }
                    Some(Operation::CommitAuthority(commitment)) => {
                        person(&mut commitment.payee, &mut commitment.payee_pseudonym);
                    }
                    None
                    | Some(
                        Operation::IssueBudget(_)
                        | Operation::AllocateBudget(_)
                        | Operation::AdjustBudget(_)
                        | Operation::ApprovePlan(_)
                        | Operation::ReleaseCommitment(_)
                        | Operation::ReverseEvent(_),
                    ) => {}
                }
            }
        }
        Some(Payload::RecordEligibility(fact)) => person(&mut fact.person, &mut fact.person_pseudonym),
        Some(Payload::NoticeNontax(notice)) => person(&mut notice.payer, &mut notice.payer_pseudonym),
        Some(Payload::RefundNontax(refund)) => person(&mut refund.payee, &mut refund.payee_pseudonym),
        Some(Payload::ReceiveContribution(received)) => {
            person(&mut received.employer, &mut received.employer_pseudonym);
            for contribution in &mut received.contributions {
                person(&mut contribution.person, &mut contribution.person_pseudonym);
            }
        }
        Some(Payload::PayBenefit(benefit)) => {
            person(&mut benefit.person, &mut benefit.person_pseudonym);
            person(&mut benefit.payee, &mut benefit.payee_pseudonym);
        }
        Some(Payload::TransferRelation(transfer)) => person(&mut transfer.person, &mut transfer.person_pseudonym),
        Some(Payload::WithdrawHousing(withdrawal)) => {
            person(&mut withdrawal.person, &mut withdrawal.person_pseudonym);
            person(&mut withdrawal.property, &mut withdrawal.property_pseudonym);
        }
        Some(Payload::IssueLoan(loan)) => person(&mut loan.person, &mut loan.person_pseudonym),
        Some(Payload::AwardTender(award)) => person(&mut award.supplier, &mut award.supplier_pseudonym),
        Some(Payload::RegisterContract(contract)) => {
            person(&mut contract.supplier, &mut contract.supplier_pseudonym);
        }
        Some(Payload::OpenMatter(matter)) => person(&mut matter.party, &mut matter.party_pseudonym),
        Some(Payload::FileComplaint(complaint)) => person(&mut complaint.reporter, &mut complaint.reporter_pseudonym),
        Some(Payload::RestrictPersonalData(data)) => person(&mut data.person, &mut data.person_pseudonym),
        Some(Payload::ReleasePersonalData(data)) => person(&mut data.person, &mut data.person_pseudonym),
        Some(Payload::ErasePersonalData(data)) => person(&mut data.person, &mut data.person_pseudonym),
        Some(Payload::OpenPersonalData(data)) => person(&mut data.person, &mut data.person_pseudonym),
        None
        | Some(
            Payload::DefineFund(_)
            | Payload::SetPolicy(_)
            | Payload::RecordOpeningBalance(_)
            | Payload::IssueBudget(_)
            | Payload::AllocateBudget(_)
            | Payload::AdjustBudget(_)
            | Payload::ApprovePlan(_)
            | Payload::ReleaseCommitment(_)
            | Payload::Unfreeze(_)
            | Payload::ReceiveCash(_)
            | Payload::ClearPayments(_)
            | Payload::ReturnPayment(_)
            | Payload::ReverseEvent(_)
            | Payload::CloseDay(_)
            | Payload::ClosePeriod(_)
            | Payload::CarryForward(_)
            | Payload::RecoverLapsed(_)
            | Payload::GrantRole(_)
            | Payload::RevokeRole(_)
            | Payload::RotateKey(_)
            | Payload::RotateLogKey(_)
            | Payload::CloseAccount(_)
            | Payload::ApproveEstimate(_)
            | Payload::DetermineEntitlement(_)
            | Payload::CollectNontax(_)
            | Payload::SplitNontax(_)
            | Payload::ReceiveIncome(_)
            | Payload::MoveFunds(_)
            | Payload::RecoverBenefit(_)
            | Payload::CreditInterest(_)
            | Payload::RepayLoan(_)
            | Payload::DistributeSurplus(_)
            | Payload::RecordReconciliation(_)
            | Payload::Flag(_)
            | Payload::ExplainFinding(_)
            | Payload::RectifyFinding(_)
            | Payload::CloseFinding(_)
            | Payload::CloseMatter(_)
            | Payload::RecordDisclosure(_)
            | Payload::ScorePerformance(_)
            | Payload::SetGoal(_)
            | Payload::RecordOutput(_)
            | Payload::OpenTender(_)
            | Payload::AmendContract(_)
            | Payload::SettleContract(_)
            | Payload::ApproveFinalAccount(_)
            | Payload::ReopenPeriod(_)
            | Payload::AcceptComplaint(_)
            | Payload::AnswerComplaint(_)
            | Payload::CloseComplaint(_)
            | Payload::SignedCommand(_),
        ) => {}
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use prost_reflect::{
        Cardinality, DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage, Value,
    };

    use super::*;
    use crate::pb::DESCRIPTORS;

    /// Names of the fields of a message that a pseudonym may stand for.
    fn identities(message: &MessageDescriptor) -> Vec<FieldDescriptor> {
        let pseudonyms = message.fields().filter_map(|field| {
            let identity = field.name().strip_suffix("_pseudonym")?.to_owned();
            Some(message.get_field_by_name(&identity).unwrap_or_else(|| panic!("{} alone", field.full_name())))
        });
        pseudonyms.collect()
    }

    /// A message in which every identity is named, in as many messages as there are members of its `oneof`s.
    fn naming(message: &MessageDescriptor) -> Vec<DynamicMessage> {
        let mut found = Vec::new();
        let mut plain = DynamicMessage::new(message.clone());
        let named = identities(message);
        for identity in &named {
            plain.set_field(identity, Value::String("somebody".to_owned()));
        }
        if !named.is_empty() {
            found.push(plain);
        }
        for field in message.fields() {
            let Kind::Message(inner) = field.kind() else { continue };
            for inner in naming(&inner) {
                let mut outer = DynamicMessage::new(message.clone());
                let value = Value::Message(inner);
                let value = if field.cardinality() == Cardinality::Repeated { Value::List(vec![value]) } else { value };
                outer.set_field(&field, value);
                found.push(outer);
            }
        }
        found
    }

    /// Identities left in a message.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the other values name nobody")]
    fn left(message: &DynamicMessage) -> usize {
        let here = identities(&message.descriptor()).iter().filter(|field| message.has_field(field)).count();
        let inner = message.fields().map(|(_, value)| match value {
            Value::Message(inner) => left(inner),
            Value::List(members) => members.iter().filter_map(Value::as_message).map(left).sum(),
            _ => 0,
        });
        inner.chain([here]).sum()
    }

    #[test]
    fn nobody_is_named_in_what_is_signed() {
        let pool = DescriptorPool::decode(DESCRIPTORS).unwrap();
        let command = pool.get_message_by_name("fundledger.v1.Command").unwrap();
        let all = naming(&command);
        assert!(all.len() >= 14, "{} messages", all.len());
        for named in all {
            assert!(left(&named) > 0);
            let mut wire = v1::Command::decode(named.encode_to_vec().as_slice()).unwrap();
            for_each(&mut wire, |identity, pseudonym| {
                identity.clear();
                *pseudonym = vec![1; 16].into();
            });
            let after = DynamicMessage::decode(command.clone(), wire.encode_to_vec().as_slice()).unwrap();
            assert_eq!(left(&after), 0, "{named:?}");
        }
    }
}
