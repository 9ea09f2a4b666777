//! What the rules need to know of procurement and of performance.

use super::State;
use crate::domain::account::AccountKind;
use crate::domain::event::{Payload, Step};
use crate::domain::ids::{ActorId, Code, LotNumber, Sequence};
use crate::domain::money;
use crate::domain::performance::{Goal, GoalRow, Output, Subject, SubjectKind};
use crate::domain::procurement::{Award, Basis, Procurement, ProcurementEvent, Registered, TenderRow};

impl State {
    pub(super) fn apply_procurement(&mut self, event: &ProcurementEvent) {
        let families = &mut self.families;
        match event {
            Procurement::Tender(tender) => {
                let row = TenderRow {
                    fund: tender.fund,
                    project_id: tender.project_id.clone(),
                    ceiling_minor: tender.ceiling.minor(),
                    ocid: tender.ocid.clone(),
                    award: None,
                };
                families.tenders.insert(tender.tender_id.clone(), row);
            }
            Procurement::Award(Award { tender_id, supplier, amount, .. }) => {
                if let Some(tender) = families.tenders.get_mut(tender_id) {
                    tender.award = Some((*supplier, amount.minor()));
                }
            }
            Procurement::Registration(registration) => {
                let price_minor = registration.amount.minor();
                let mut ocid = registration.ocid.clone();
                if let Basis::Tender(tender_id) = &registration.basis
                    && let Some(tender) = families.tenders.get_mut(tender_id)
                {
                    ocid = ocid.or_else(|| tender.ocid.clone());
                    if let Some((_, left_minor)) = &mut tender.award {
                        *left_minor = money::subtract(*left_minor, price_minor);
                    }
                }
                let row = Registered {
                    fund: registration.fund,
                    project_id: registration.project_id.clone(),
                    supplier: registration.supplier,
                    ocid,
                    first_minor: price_minor,
                    added_minor: 0,
                    price_minor,
                    is_settled: false,
                    retention: None,
                };
                families.registered.insert(registration.contract_id.clone(), row);
            }
            Procurement::Amendment(amendment) => {
                if let Some(contract) = families.registered.get_mut(&amendment.contract_id) {
                    contract.price_minor = money::add(contract.price_minor, amendment.change_minor);
                    contract.added_minor = money::add(contract.added_minor, amendment.change_minor.max(0));
                }
            }
            Procurement::Settlement(settlement) => {
                if let Some(contract) = families.registered.get_mut(&settlement.contract_id) {
                    contract.price_minor = settlement.amount.minor();
                    contract.is_settled = true;
                    contract.retention =
                        settlement.retention.map(|retention| (retention.amount.minor(), retention.until));
                }
            }
            Procurement::FinalAccount(account) => {
                if let Some(project) = families.projects.get_mut(&(account.fund, account.project_id.clone())) {
                    project.final_minor = Some(account.amount.minor());
                }
            }
        }
    }

    pub(super) fn set_goal(&mut self, sequence: Sequence, goal: &Goal) {
        let key = &goal.key;
        self.families.payers.entry(key.subject.clone()).or_default();
        let goals = self.families.goals.entry((key.subject.clone(), key.year)).or_default();
        match goals.iter_mut().find(|row| row.indicator_code == key.indicator_code) {
            Some(row) => {
                row.set = sequence;
                row.weight_ppm = goal.weight_ppm;
            }
            None => goals.push(GoalRow {
                indicator_code: key.indicator_code.clone(),
                set: sequence,
                weight_ppm: goal.weight_ppm,
                recorded: None,
            }),
        }
    }

    pub(super) fn record_output(&mut self, sequence: Sequence, output: &Output) {
        let key = &output.key;
        let goals = self.families.goals.get_mut(&(key.subject.clone(), key.year));
        let row = goals.and_then(|goals| goals.iter_mut().find(|row| row.indicator_code == key.indicator_code));
        if let Some(row) = row {
            row.recorded = Some((sequence, output.as_of));
        }
    }

    /// Remembers who orders a payment of a subject that has goals.
    pub(super) fn note_payer(&mut self, actor: &ActorId, step: Step<'_>) {
        let Payload::PaymentExecuted(payment) = step.payload else { return };
        let mut subjects: Vec<Subject> = Vec::new();
        let mut add = |kind, id: &str| subjects.push(Subject { kind, id: Code::stored(id) });
        if let Some(project_id) = &payment.project_id {
            add(SubjectKind::Project, project_id.as_str());
        }
        for leg in step.legs.iter().filter(|leg| leg.lot != LotNumber::NONE) {
            let Some(account) = self.account(leg.account).filter(|account| account.kind == AccountKind::AuthorityUsed)
            else {
                continue;
            };
            if let Some(lot) = self.lot(leg.lot) {
                add(SubjectKind::Lot, lot.definition.lot_id.as_str());
            }
            if let Some(unit) = self.unit(account.unit) {
                add(SubjectKind::Unit, unit.as_str());
            }
        }
        for subject in subjects {
            if let Some(payers) = self.families.payers.get_mut(&subject)
                && !payers.contains(actor)
            {
                payers.insert(actor.clone());
            }
        }
    }
}
