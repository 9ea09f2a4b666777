//! Canonical bytes of the orders of procurement, and of those about goals of performance.

use super::Canonical;
use crate::domain::performance::{Goal, GoalKey, Output};
use crate::domain::procurement::{Basis, Procurement, ProcurementOrder};

pub(super) fn write_goal(goal: &Goal, out: &mut Canonical<'_>) {
    write_key(&goal.key, out);
    out.text(goal.indicator_name.as_str());
    out.number(goal.category.number().into());
    out.text(goal.unit_of_measure.as_str());
    out.number(goal.target_milli);
    out.number(goal.direction.number().into());
    out.number(goal.weight_ppm.into());
    out.optional(goal.replaces.as_ref(), |out, replaced| out.number(replaced.0));
    out.text(goal.document_number.as_str());
    out.bytes(&goal.document_sha256);
}

pub(super) fn write_output(output: &Output, out: &mut Canonical<'_>) {
    write_key(&output.key, out);
    out.number(output.actual_milli);
    out.day(output.as_of);
    out.optional(output.corrects.as_ref(), |out, corrected| out.number(corrected.0));
    out.text(output.document_number.as_str());
    out.bytes(&output.document_sha256);
}

fn write_key(key: &GoalKey, out: &mut Canonical<'_>) {
    out.number(key.subject.kind.number().into());
    out.text(key.subject.id.as_str());
    out.number(key.year.into());
    out.text(key.indicator_code.as_str());
}

pub(super) fn write_procurement(order: &ProcurementOrder, out: &mut Canonical<'_>) {
    match order {
        Procurement::Tender(tender) => {
            out.text(tender.tender_id.as_str());
            out.text(tender.fund.as_str());
            out.text(tender.unit_id.as_str());
            out.optional(tender.project_id.as_ref(), |out, project| out.text(project.as_str()));
            out.number(tender.method.number().into());
            out.number(tender.ceiling.minor());
            out.optional(tender.ocid.as_ref(), |out, ocid| out.text(ocid.as_str()));
            out.text(tender.document_number.as_str());
            out.bytes(&tender.document_sha256);
        }
        Procurement::Award(award) => {
            out.text(award.tender_id.as_str());
            out.bytes(&award.supplier.0);
            out.number(award.amount.minor());
            out.text(award.document_number.as_str());
            out.bytes(&award.document_sha256);
        }
        Procurement::Registration(contract) => {
            out.text(contract.contract_id.as_str());
            out.text(contract.fund.as_str());
            out.text(contract.unit_id.as_str());
            out.optional(contract.project_id.as_ref(), |out, project| out.text(project.as_str()));
            match &contract.basis {
                Basis::Tender(tender_id) => {
                    out.tag(1);
                    out.text(tender_id.as_str());
                }
                Basis::Method(method) => {
                    out.tag(2);
                    out.number(method.number().into());
                }
            }
            out.optional(contract.ocid.as_ref(), |out, ocid| out.text(ocid.as_str()));
            out.bytes(&contract.supplier.0);
            out.number(contract.amount.minor());
            out.day(contract.signed_on);
            out.text(contract.document_number.as_str());
            out.bytes(&contract.document_sha256);
        }
        Procurement::Amendment(amendment) => {
            out.text(amendment.contract_id.as_str());
            out.number(amendment.change_minor);
            out.text(amendment.document_number.as_str());
            out.bytes(&amendment.document_sha256);
        }
        Procurement::Settlement(settlement) => {
            out.text(settlement.contract_id.as_str());
            out.number(settlement.amount.minor());
            out.optional(settlement.retention.as_ref(), |out, retention| {
                out.number(retention.amount.minor());
                out.day(retention.until);
            });
            out.text(settlement.document_number.as_str());
            out.bytes(&settlement.document_sha256);
        }
        Procurement::FinalAccount(account) => {
            out.text(account.project_id.as_str());
            out.text(account.fund.as_str());
            out.number(account.amount.minor());
            out.list(&account.surplus, |out, sequence| out.number(sequence.0));
            out.text(account.document_number.as_str());
            out.bytes(&account.document_sha256);
        }
    }
}
