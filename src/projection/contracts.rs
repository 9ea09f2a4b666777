//! Tenders, contracts and projects: what was registered of them, and what was committed and paid.

use std::collections::BTreeMap;

use super::books::Books;
use crate::domain::account::AccountKind;
use crate::domain::command::Envelope;
use crate::domain::event::{Event, Leg, Payload, PaymentExecuted, Step};
use crate::domain::ids::{
    Code, ContractId, DocumentNumber, FundNumber, LotNumber, PayeeRef, PaymentId, Sequence, TenderId, UnitId,
};
use crate::domain::money;
use crate::domain::procurement::{Basis, Procurement, ProcurementEvent, ProcurementMethod, Registration, Tender};
use crate::domain::time::Day;
use crate::format::stored::{Malformed, Stored};
use crate::stored_struct;

/// A tender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenderView {
    /// Tender.
    pub tender_id: TenderId,
    /// Its fund.
    pub fund: FundNumber,
    /// Who buys.
    pub unit_id: UnitId,
    /// Project.
    pub project_id: Option<Code>,
    /// How the contractor is found.
    pub method: ProcurementMethod,
    /// Open Contracting ID.
    pub ocid: Option<Code>,
    /// The most that may be awarded, minor units.
    pub ceiling_minor: i64,
    /// Document it rests on.
    pub document_number: DocumentNumber,
    /// The event that opened it, and its business date.
    pub opened: (Sequence, Day),
    /// Its award.
    pub award: Option<AwardView>,
    /// Contracts that were registered under it: their places.
    contracts: Vec<u32>,
}

stored_struct!(TenderView {
    tender_id,
    fund,
    unit_id,
    project_id,
    method,
    ocid,
    ceiling_minor,
    document_number,
    opened,
    award,
    contracts,
});

/// An award.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwardView {
    /// The event, and its business date.
    pub at: (Sequence, Day),
    /// Who won.
    pub supplier: PayeeRef,
    /// For how much, minor units.
    pub amount_minor: i64,
    /// Document it rests on.
    pub document_number: DocumentNumber,
}

stored_struct!(AwardView { at, supplier, amount_minor, document_number });

/// What a registration says of a contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrationView {
    /// The event.
    pub sequence: Sequence,
    /// Who buys.
    pub unit_id: UnitId,
    /// Project.
    pub project_id: Option<Code>,
    /// Tender that it was awarded in.
    pub tender_id: Option<TenderId>,
    /// How the contractor was found, where no tender says it.
    pub method: Option<ProcurementMethod>,
    /// First price, minor units.
    pub first_minor: i64,
    /// When it was signed.
    pub signed_on: Day,
}

stored_struct!(RegistrationView { sequence, unit_id, project_id, tender_id, method, first_minor, signed_on });

/// A change of a contract's price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AmendmentView {
    /// The event, and its business date.
    pub at: (Sequence, Day),
    /// What was added, minor units; below 0 what was taken off.
    pub change_minor: i64,
    /// The supplementary contract.
    pub document_number: DocumentNumber,
}

stored_struct!(AmendmentView { at, change_minor, document_number });

/// A contract's settlement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettlementView {
    /// The event.
    pub sequence: Sequence,
    /// Final price, minor units.
    pub final_minor: i64,
    /// What is retained of it, minor units, and until when.
    pub retention: Option<(i64, Day)>,
}

stored_struct!(SettlementView { sequence, final_minor, retention });

/// A contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContractView {
    /// Contract.
    pub contract_id: ContractId,
    /// Its fund.
    pub fund: FundNumber,
    /// Contractor.
    pub supplier: PayeeRef,
    /// Open Contracting ID: its own, the tender's, or that of its first commitment.
    pub ocid: Option<Code>,
    /// Its registration.
    pub registration: Option<RegistrationView>,
    /// Changes of its price, in order.
    pub amendments: Vec<AmendmentView>,
    /// Its settlement.
    pub settlement: Option<SettlementView>,
    /// What is committed, by lot.
    pub open: Vec<(LotNumber, i64)>,
    /// What of that was carried over and has not been paid since, minor units.
    pub carried_minor: i64,
    /// What was paid under it, minor units.
    pub paid_minor: i64,
    /// What came back of that, minor units.
    pub returned_minor: i64,
    /// The first event about it.
    pub first: Sequence,
    /// The last event about it.
    pub last: Sequence,
}

stored_struct!(ContractView {
    contract_id,
    fund,
    supplier,
    ocid,
    registration,
    amendments,
    settlement,
    open,
    carried_minor,
    paid_minor,
    returned_minor,
    first,
    last,
});

impl ContractView {
    /// What is committed still, with what was carried over, minor units.
    pub fn committed_minor(&self) -> i64 {
        self.open.iter().fold(self.carried_minor, |sum, (_, open)| money::add(sum, *open))
    }

    /// All additions to its price together, minor units.
    pub fn added_minor(&self) -> i64 {
        self.amendments.iter().fold(0, |sum, amendment| money::add(sum, amendment.change_minor.max(0)))
    }

    /// Its price now, minor units; `None` where it is not registered.
    pub fn price_minor(&self) -> Option<i64> {
        let registration = self.registration.as_ref()?;
        let changed = self.amendments.iter().map(|amendment| amendment.change_minor);
        let price = changed.fold(registration.first_minor, money::add);
        Some(self.settlement.as_ref().map_or(price, |settlement| settlement.final_minor))
    }

    /// What may be paid under it still, minor units.
    pub fn left_minor(&self) -> i64 {
        let paid = money::subtract(self.paid_minor, self.returned_minor);
        self.price_minor().map_or_else(|| self.committed_minor(), |price| money::subtract(price, paid))
    }

    fn change_open(&mut self, lot: LotNumber, change: i64) {
        match self.open.iter_mut().find(|(of, _)| *of == lot) {
            Some((_, open)) => *open = money::add(*open, change),
            None => self.open.push((lot, change)),
        }
        self.open.retain(|(_, open)| *open != 0);
    }
}

/// A project of a fund.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectView {
    /// Project.
    pub project_id: Code,
    /// Its fund.
    pub fund: FundNumber,
    /// Approved estimate, minor units, and the event that approved it.
    pub estimate: Option<(i64, Sequence)>,
    /// Final account, minor units, and the event that approved it.
    pub final_account: Option<(i64, Sequence)>,
    /// Events by which the surplus went back.
    pub surplus: Vec<Sequence>,
    /// Prices of its registered contracts together, minor units.
    pub contracted_minor: i64,
    /// What was paid, minor units.
    pub paid_minor: i64,
    /// What came back of that, minor units.
    pub returned_minor: i64,
    /// The first event about it.
    pub first: Sequence,
    /// The last event about it.
    pub last: Sequence,
}

stored_struct!(ProjectView {
    project_id,
    fund,
    estimate,
    final_account,
    surplus,
    contracted_minor,
    paid_minor,
    returned_minor,
    first,
    last,
});

impl ProjectView {
    /// What all payments together stay within, minor units; `None` where nothing says it.
    pub fn cap_minor(&self) -> Option<i64> {
        let (estimate, _) = self.estimate?;
        Some(self.final_account.map_or(estimate, |(last, _)| last.min(estimate)))
    }

    /// What was paid and did not come back, minor units.
    pub const fn net_minor(&self) -> i64 {
        money::subtract(self.paid_minor, self.returned_minor)
    }
}

/// What a payment counts for: places in the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tie {
    contract: Option<u32>,
    project: Option<u32>,
}

stored_struct!(Tie { contract, project });

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contracts {
    // In the order in which they became known, as are contracts and projects.
    tenders: Vec<TenderView>,
    tender_places: BTreeMap<TenderId, usize>,
    known: Vec<ContractView>,
    contract_places: BTreeMap<ContractId, usize>,
    projects: Vec<ProjectView>,
    project_places: BTreeMap<(FundNumber, Code), usize>,
    // Only of payments that are of a contract or a project, and may still come back.
    ties: BTreeMap<PaymentId, Tie>,
}

impl Contracts {
    /// All tenders, in the order in which they were opened.
    pub fn tenders(&self) -> &[TenderView] {
        &self.tenders
    }

    /// A tender.
    pub fn tender(&self, tender_id: &TenderId) -> Option<&TenderView> {
        self.tender_places.get(tender_id).and_then(|place| self.tenders.get(*place))
    }

    /// The contracts that were registered under a tender, in order.
    pub fn contracts_of<'a>(&'a self, tender: &'a TenderView) -> impl Iterator<Item = &'a ContractView> {
        tender.contracts.iter().filter_map(|place| self.known.get(usize::try_from(*place).ok()?))
    }

    /// All contracts, in the order in which they became known.
    pub fn contracts(&self) -> &[ContractView] {
        &self.known
    }

    /// A contract.
    pub fn contract(&self, contract_id: &str) -> Option<&ContractView> {
        self.contract_places.get(contract_id).and_then(|place| self.known.get(*place))
    }

    /// All projects, in the order in which they became known.
    pub fn projects(&self) -> &[ProjectView] {
        &self.projects
    }

    /// How the contractor of a contract was found.
    pub fn method(&self, contract: &ContractView) -> Option<ProcurementMethod> {
        let registration = contract.registration.as_ref()?;
        registration.method.or_else(|| Some(self.tender(registration.tender_id.as_ref()?)?.method))
    }

    pub(super) fn apply(&mut self, sequence: Sequence, event: &Event, books: &Books) {
        let Some(envelope) = &event.envelope else { return };
        // Nearly always: most payments are of no contract and no project.
        if let Payload::PaymentExecuted(payment) = &event.decision.payload
            && is_of_neither(payment)
        {
            return;
        }
        for step in event.decision.steps() {
            self.step(sequence, envelope, step, books);
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "only these are about contracts and projects")]
    fn step(&mut self, sequence: Sequence, envelope: &Envelope, step: Step<'_>, books: &Books) {
        let Step { legs, payload, .. } = step;
        match payload {
            Payload::Committed { contract_id, ocid, payee } => {
                let fund = fund_of(legs, books);
                let contract = self.contract_at(sequence, contract_id, fund, *payee);
                contract.ocid = contract.ocid.take().or_else(|| ocid.clone());
                change_commitment(contract, legs, books, Carried::Untouched);
            }
            Payload::CommitmentReleased { contract_id } => {
                if let Some(contract) = self.contract_mut(sequence, contract_id) {
                    change_commitment(contract, legs, books, Carried::Untouched);
                }
            }
            Payload::PaymentExecuted(payment) => self.pay(sequence, payment, legs, books),
            Payload::PaymentReturned { payment_id, .. } => self.give_back(sequence, payment_id, legs, books),
            Payload::Reversed { payment_id, contract_id, .. } => {
                if let Some(contract) = contract_id.as_ref().and_then(|id| self.contract_mut(sequence, id)) {
                    change_commitment(contract, legs, books, Carried::Counts);
                }
                if let Some(payment_id) = payment_id {
                    self.give_back(sequence, payment_id, legs, books);
                    self.ties.remove(payment_id);
                }
            }
            Payload::CarriedForward { lot, .. } => {
                for contract in &mut self.known {
                    for (_, open) in contract.open.iter_mut().filter(|(of, _)| of == lot) {
                        contract.carried_minor = money::add(contract.carried_minor, std::mem::take(open));
                    }
                    contract.open.retain(|(_, open)| *open != 0);
                }
            }
            Payload::EstimateApproved { project_id, fund, amount, .. } => {
                self.project_at(sequence, *fund, project_id).estimate = Some((amount.minor(), sequence));
            }
            Payload::Procurement(event) => self.procure(sequence, envelope, event),
            _ => {}
        }
    }

    fn pay(&mut self, sequence: Sequence, payment: &PaymentExecuted, legs: &[Leg], books: &Books) {
        if is_of_neither(payment) {
            return;
        }
        let paid_minor = used_minor(legs, books);
        let mut tie = Tie { contract: None, project: None };
        if let Some(contract_id) = &payment.contract_id
            && let Some(contract) = self.contract_mut(sequence, contract_id)
        {
            contract.paid_minor = money::add(contract.paid_minor, paid_minor);
            change_commitment(contract, legs, books, Carried::Counts);
            tie.contract = self.contract_places.get(contract_id).and_then(|place| u32::try_from(*place).ok());
        }
        if let Some(project_id) = &payment.project_id {
            let fund = fund_of(legs, books);
            let project = self.project_at(sequence, fund, project_id);
            project.paid_minor = money::add(project.paid_minor, paid_minor);
            let place = self.project_places.get(&(fund, project_id.clone()));
            tie.project = place.and_then(|place| u32::try_from(*place).ok());
        }
        self.ties.insert(payment.payment_id.clone(), tie);
    }

    fn give_back(&mut self, sequence: Sequence, payment_id: &PaymentId, legs: &[Leg], books: &Books) {
        let Some(Tie { contract, project }) = self.ties.get(payment_id).copied() else { return };
        let back_minor = used_minor(legs, books).saturating_neg();
        let contract = contract.and_then(|place| self.known.get_mut(usize::try_from(place).ok()?));
        if let Some(contract) = contract {
            contract.returned_minor = money::add(contract.returned_minor, back_minor);
            contract.last = sequence;
        }
        let project = project.and_then(|place| self.projects.get_mut(usize::try_from(place).ok()?));
        if let Some(project) = project {
            project.returned_minor = money::add(project.returned_minor, back_minor);
            project.last = sequence;
        }
    }

    fn procure(&mut self, sequence: Sequence, envelope: &Envelope, event: &ProcurementEvent) {
        match event {
            Procurement::Tender(tender) => {
                if let Some(project_id) = &tender.project_id {
                    self.project_at(sequence, tender.fund, project_id);
                }
                let view = tender_view((sequence, envelope.business_date), tender);
                row(&mut self.tenders, &mut self.tender_places, tender.tender_id.clone(), view);
            }
            Procurement::Award(award) => {
                let view = AwardView {
                    at: (sequence, envelope.business_date),
                    supplier: award.supplier,
                    amount_minor: award.amount.minor(),
                    document_number: award.document_number.clone(),
                };
                if let Some(tender) = self.tender_mut(&award.tender_id) {
                    tender.award = Some(view);
                }
            }
            Procurement::Registration(registration) => self.register(sequence, registration),
            Procurement::Amendment(amendment) => {
                let at = (sequence, envelope.business_date);
                let document_number = amendment.document_number.clone();
                let change_minor = amendment.change_minor;
                if let Some(contract) = self.contract_mut(sequence, &amendment.contract_id) {
                    contract.amendments.push(AmendmentView { at, change_minor, document_number });
                    self.change_contracted(sequence, &amendment.contract_id, change_minor);
                }
            }
            Procurement::Settlement(settlement) => {
                let view = SettlementView {
                    sequence,
                    final_minor: settlement.amount.minor(),
                    retention: settlement.retention.map(|retention| (retention.amount.minor(), retention.until)),
                };
                if let Some(contract) = self.contract_mut(sequence, &settlement.contract_id) {
                    let change = money::subtract(settlement.amount.minor(), contract.price_minor().unwrap_or_default());
                    contract.settlement = Some(view);
                    self.change_contracted(sequence, &settlement.contract_id, change);
                }
            }
            Procurement::FinalAccount(account) => {
                let project = self.project_at(sequence, account.fund, &account.project_id);
                project.final_account = Some((account.amount.minor(), sequence));
                project.surplus.clone_from(&account.surplus);
            }
        }
    }

    fn register(&mut self, sequence: Sequence, registration: &Registration<FundNumber>) {
        let (tender_id, method) = match &registration.basis {
            Basis::Tender(tender_id) => (Some(tender_id.clone()), None),
            Basis::Method(method) => (None, Some(*method)),
        };
        let of_tender = tender_id.as_ref().and_then(|id| self.tender(id)).and_then(|tender| tender.ocid.clone());
        let own = registration.ocid.as_ref().map(|ocid| Code::stored(ocid.as_str()));
        let contract = self.contract_at(sequence, &registration.contract_id, registration.fund, registration.supplier);
        contract.ocid = own.or(of_tender).or_else(|| contract.ocid.take());
        contract.registration = Some(RegistrationView {
            sequence,
            unit_id: registration.unit_id.clone(),
            project_id: registration.project_id.clone(),
            tender_id: tender_id.clone(),
            method,
            first_minor: registration.amount.minor(),
            signed_on: registration.signed_on,
        });
        let place = self.contract_places.get(&registration.contract_id);
        if let Some(place) = place.and_then(|place| u32::try_from(*place).ok())
            && let Some(tender) = tender_id.and_then(|tender_id| self.tender_mut(&tender_id))
        {
            tender.contracts.push(place);
        }
        self.change_contracted(sequence, &registration.contract_id, registration.amount.minor());
    }

    /// The price of a contract changes what is contracted for its project.
    fn change_contracted(&mut self, sequence: Sequence, contract_id: &ContractId, change_minor: i64) {
        let contract = self.contract(contract_id.as_str());
        let project =
            contract.and_then(|contract| Some((contract.fund, contract.registration.as_ref()?.project_id.clone()?)));
        if let Some((fund, project_id)) = project {
            let project = self.project_at(sequence, fund, &project_id);
            project.contracted_minor = money::add(project.contracted_minor, change_minor);
        }
    }

    fn tender_mut(&mut self, tender_id: &TenderId) -> Option<&mut TenderView> {
        let place = self.tender_places.get(tender_id)?;
        self.tenders.get_mut(*place)
    }

    fn contract_mut(&mut self, sequence: Sequence, contract_id: &ContractId) -> Option<&mut ContractView> {
        let place = self.contract_places.get(contract_id)?;
        let contract = self.known.get_mut(*place)?;
        contract.last = sequence;
        Some(contract)
    }

    /// The row of a contract, a new one where it is not known yet.
    fn contract_at(
        &mut self,
        sequence: Sequence,
        contract_id: &ContractId,
        fund: FundNumber,
        supplier: PayeeRef,
    ) -> &mut ContractView {
        let new = ContractView {
            contract_id: contract_id.clone(),
            fund,
            supplier,
            ocid: None,
            registration: None,
            amendments: Vec::new(),
            settlement: None,
            open: Vec::new(),
            carried_minor: 0,
            paid_minor: 0,
            returned_minor: 0,
            first: sequence,
            last: sequence,
        };
        let contract = row(&mut self.known, &mut self.contract_places, contract_id.clone(), new);
        contract.last = sequence;
        contract
    }

    /// The row of a project, a new one where it is not known yet.
    fn project_at(&mut self, sequence: Sequence, fund: FundNumber, project_id: &Code) -> &mut ProjectView {
        let new = ProjectView {
            project_id: project_id.clone(),
            fund,
            estimate: None,
            final_account: None,
            surplus: Vec::new(),
            contracted_minor: 0,
            paid_minor: 0,
            returned_minor: 0,
            first: sequence,
            last: sequence,
        };
        let project = row(&mut self.projects, &mut self.project_places, (fund, project_id.clone()), new);
        project.last = sequence;
        project
    }
}

fn tender_view(opened: (Sequence, Day), tender: &Tender<FundNumber>) -> TenderView {
    TenderView {
        tender_id: tender.tender_id.clone(),
        fund: tender.fund,
        unit_id: tender.unit_id.clone(),
        project_id: tender.project_id.clone(),
        method: tender.method,
        ocid: tender.ocid.as_ref().map(|ocid| Code::stored(ocid.as_str())),
        ceiling_minor: tender.ceiling.minor(),
        document_number: tender.document_number.clone(),
        opened,
        award: None,
        contracts: Vec::new(),
    }
}

/// The row of a key, `new` where there is none.
#[expect(clippy::indexing_slicing, reason = "a place is that of a row, and rows are only added")]
fn row<'a, K: Ord, T>(rows: &'a mut Vec<T>, places: &mut BTreeMap<K, usize>, key: K, new: T) -> &'a mut T {
    let place = *places.entry(key).or_insert(rows.len());
    if place == rows.len() {
        rows.push(new);
    }
    &mut rows[place]
}

const fn is_of_neither(payment: &PaymentExecuted) -> bool {
    payment.contract_id.is_none() && payment.project_id.is_none()
}

fn fund_of(legs: &[Leg], books: &Books) -> FundNumber {
    legs.first().and_then(|leg| books.account(leg.account)).map(|account| account.fund).unwrap_or_default()
}

/// What legs add to what is used, minor units: paid above 0, come back below.
fn used_minor(legs: &[Leg], books: &Books) -> i64 {
    legs.iter().fold(0, |sum, leg| match books.account(leg.account) {
        Some(account) if account.kind == AccountKind::AuthorityUsed => {
            money::add(sum, account.kind.change(leg.debit_minor))
        }
        _ => sum,
    })
}

/// Whether legs on the CARRY account count against a contract.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Carried {
    /// They belong to something else.
    Untouched,
    /// A payment's, or what undoes one.
    Counts,
}

/// What legs change of what is committed; of what was carried over only where they are a payment's, or undo one.
fn change_commitment(contract: &mut ContractView, legs: &[Leg], books: &Books, counts_carried: Carried) {
    for leg in legs {
        let Some(account) = books.account(leg.account) else { continue };
        let change = account.kind.change(leg.debit_minor);
        if account.kind == AccountKind::AuthorityCommitted {
            contract.change_open(leg.lot, change);
        } else if account.kind == AccountKind::AuthorityCarry && counts_carried == Carried::Counts {
            contract.carried_minor = money::add(contract.carried_minor, change);
        }
    }
}

impl Stored for Contracts {
    fn put(&self, to: &mut Vec<u8>) {
        self.tenders.put(to);
        self.known.put(to);
        self.projects.put(to);
        let ties: Vec<(PaymentId, Tie)> =
            self.ties.iter().map(|(payment_id, tie)| (payment_id.clone(), *tie)).collect();
        ties.put(to);
    }

    fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
        let tenders: Vec<TenderView> = Stored::take(from)?;
        let contracts: Vec<ContractView> = Stored::take(from)?;
        let projects: Vec<ProjectView> = Stored::take(from)?;
        let ties: Vec<(PaymentId, Tie)> = Stored::take(from)?;
        let tender_places = tenders.iter().enumerate();
        let tender_places = tender_places.map(|(place, tender)| (tender.tender_id.clone(), place)).collect();
        let contract_places = contracts.iter().enumerate();
        let contract_places = contract_places.map(|(place, contract)| (contract.contract_id.clone(), place)).collect();
        let project_places = projects.iter().enumerate();
        let project_places =
            project_places.map(|(place, project)| ((project.fund, project.project_id.clone()), place)).collect();
        Ok(Self {
            tenders,
            tender_places,
            known: contracts,
            contract_places,
            projects,
            project_places,
            ties: ties.into_iter().collect(),
        })
    }
}
