//! A trial: steps taken on the tables themselves, so that each sees those before it, and taken back when it ends. What a
//! transaction may hold bounds what there is to take back; whoever lets another order in adds its tables here.

use super::event::{Payload, Step};
use super::fund::LotOpened;
use super::ids::{
    AccountNumber, Code, ContractId, ContractNumber, DocumentNumber, FundNumber, IssuerId, LotId, LotNumber, PayeeRef,
    PaymentId, Sequence,
};
use super::release::PaymentPlace;
use super::state::{Contract, Dates, PaidMonths, Payment, Project, State};

/// Steps on trial: the state is what it was once this is dropped.
pub(super) struct Trial<'a> {
    state: &'a mut State,
    sequence: Sequence,
    dates: Dates,
    taken: Vec<Before>,
}

/// What a step changes, as it was.
#[derive(Default)]
struct Before {
    accounts: Vec<(AccountNumber, i64, Sequence)>,
    cells: Vec<(AccountNumber, LotNumber, Option<i64>)>,
    fund: Option<(FundNumber, Sequence, bool)>,
    contract: Option<(ContractId, Option<(ContractNumber, Contract)>)>,
    payment: Option<(PaymentId, Option<Payment>)>,
    new_lot: Option<LotId>,
    new_document: Option<(IssuerId, DocumentNumber)>,
    new_reversal: Option<(Sequence, u32)>,
    /// Of a payment whether it waited for witnesses.
    unreleased: Option<(PaymentPlace, bool)>,
    supervised: Sequence,
    ties: usize,
    paid: Option<((FundNumber, PayeeRef), Option<PaidMonths>)>,
    project: Option<((FundNumber, Code), Option<Project>)>,
}

impl<'a> Trial<'a> {
    /// Starts with a state as it stands; `sequence` is the event that the steps would be of.
    pub(super) const fn new(state: &'a mut State, sequence: Sequence, dates: Dates) -> Self {
        Self { state, sequence, dates, taken: Vec::new() }
    }

    /// The state as the steps so far would leave it.
    pub(super) const fn state(&self) -> &State {
        self.state
    }

    /// Takes a step.
    pub(super) fn take(&mut self, step: Step<'_>) {
        let mut before = Before::of(self.state, step);
        if step.payload.is_payment_order() {
            before.unreleased = Some(((self.sequence, step.operation), false));
        }
        self.taken.push(before);
        self.state.apply_step(self.sequence, self.dates, step);
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        while let Some(before) = self.taken.pop() {
            before.restore(self.state);
        }
    }
}

impl Before {
    fn of(state: &State, step: Step<'_>) -> Self {
        let mut before = Self { ties: state.families.ties.len(), ..Self::default() };
        for leg in step.legs {
            if let Some(account) = state.account(leg.account) {
                before.accounts.push((leg.account, account.balance_minor, account.revision));
                before.cells.push((leg.account, leg.lot, account.cell(leg.lot)));
            }
        }
        let fund = state.fund_of(step.legs);
        before.fund = state.fund(fund).map(|row| (fund, row.revision, row.has_moved));
        before.supervised = state.supervised;
        before.note_payload(state, fund, step.payload);
        before
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "only these types may stand in a transaction and change more")]
    fn note_payload(&mut self, state: &State, fund: FundNumber, payload: &Payload) {
        match payload {
            Payload::BudgetIssued { lot } => {
                let LotOpened { definition, .. } = lot.as_ref();
                self.new_lot = Some(definition.lot_id.clone());
                self.new_document = Some((definition.issuer_id.clone(), definition.document_number.clone()));
            }
            Payload::BudgetAdjusted { issuer_id, document_number, .. } => {
                self.new_document = Some((issuer_id.clone(), document_number.clone()));
            }
            Payload::Committed { contract_id, .. } | Payload::CommitmentReleased { contract_id } => {
                self.note_contract(state, Some(contract_id));
            }
            Payload::PaymentExecuted(payment) => {
                self.note_contract(state, payment.contract_id.as_ref());
                self.payment = Some((payment.payment_id.clone(), None));
                self.note_tie(state, fund, payment.payout.as_ref().map(|_| payment.payee), payment.project_id.as_ref());
            }
            Payload::Reversed { original, operation, payment_id, contract_id, .. } => {
                self.new_reversal = Some((*original, *operation));
                let place = (*original, *operation);
                self.unreleased = Some((place, state.unreleased.contains(&place)));
                self.note_contract(state, contract_id.as_ref());
                let payment = payment_id.as_ref().map(|id| (id.clone(), state.payment(id).copied()));
                let tie = payment.as_ref().and_then(|(_, payment)| state.families.tie(payment.as_ref()?.tie));
                if let Some(tie) = tie {
                    let person = tie.payout.as_ref().map(|(person, _, _)| *person);
                    self.note_tie(state, fund, person, tie.project.as_ref());
                }
                self.payment = payment;
            }
            _ => {}
        }
    }

    fn note_tie(&mut self, state: &State, fund: FundNumber, person: Option<PayeeRef>, project_id: Option<&Code>) {
        self.paid = person.map(|person| ((fund, person), state.families.paid.get(&(fund, person)).cloned()));
        self.project = project_id.map(|project_id| {
            let key = (fund, project_id.clone());
            let project = state.families.projects.get(&key).copied();
            (key, project)
        });
    }

    fn note_contract(&mut self, state: &State, contract_id: Option<&ContractId>) {
        self.contract = contract_id.map(|contract_id| {
            let number = state.contract_names.get(contract_id).copied();
            let row = number.and_then(|number| Some((number, state.contract(number)?.clone())));
            (contract_id.clone(), row)
        });
    }

    fn restore(self, state: &mut State) {
        for (number, balance_minor, revision) in self.accounts {
            if let Some(account) = state.accounts.get_mut(number.index()) {
                account.balance_minor = balance_minor;
                account.revision = revision;
            }
        }
        for (number, lot, balance_minor) in self.cells {
            if let Some(account) = state.accounts.get_mut(number.index()) {
                account.set_cell(lot, balance_minor);
            }
        }
        if let Some((number, revision, has_moved)) = self.fund
            && let Some(fund) = state.funds.get_mut(number.index())
        {
            fund.revision = revision;
            fund.has_moved = has_moved;
        }
        match self.contract {
            None => {}
            Some((contract_id, None)) => {
                state.contracts.pop();
                state.contract_names.remove(&contract_id);
            }
            Some((_, Some((number, contract)))) => {
                if let Some(row) = state.contracts.get_mut(number.index()) {
                    *row = contract;
                }
            }
        }
        if let Some((payment_id, payment)) = self.payment {
            match payment {
                None => state.payments.remove_last(&payment_id),
                Some(payment) => state.payments.insert(&payment_id, payment),
            }
        }
        if let Some(lot_id) = self.new_lot {
            state.lots.pop();
            state.lot_names.remove(&lot_id);
        }
        if let Some(document) = self.new_document {
            state.documents.remove(&document);
        }
        if let Some(reversal) = self.new_reversal {
            state.reversals.remove(&reversal);
        }
        state.supervised = self.supervised;
        match self.unreleased {
            None => {}
            Some((place, true)) => drop(state.unreleased.insert(place)),
            Some((place, false)) => drop(state.unreleased.remove(&place)),
        }
        state.families.ties.truncate(self.ties);
        if let Some((key, paid)) = self.paid {
            match paid {
                None => drop(state.families.paid.remove(&key)),
                Some(paid) => drop(state.families.paid.insert(key, paid)),
            }
        }
        if let Some((key, Some(project))) = self.project {
            state.families.projects.insert(key, project);
        }
    }
}
