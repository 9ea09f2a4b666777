//! Tenders and contracts: who won is who is paid, a contract's additions stay within a tenth of its first price (政府采购法§49), and
//! what is committed and paid within its price.

use std::collections::BTreeMap;

use super::tables::ById;
use super::{Books, Posting, Step};
use crate::audit::frame::Fingerprint;
use crate::pb::v1::{
    AccountKind as Kind, Committed, ContractAmended, ContractRegistered, ContractSettled, FinalAccountApproved,
    PaymentExecuted, TenderAwarded, TenderOpened,
};

/// All additions together are a tenth of the first price at most.
const ADDED_MAX_DIVISOR: i64 = 10;

struct Tender {
    fund: i32,
    ceiling: i64,
    ocid: String,
    /// Who won, and what of the award is not in a contract yet.
    award: Option<(Vec<u8>, i64)>,
}

/// What is known of a contract by its number.
#[derive(Default)]
struct Contract {
    fund: i32,
    payee: Vec<u8>,
    /// What is committed, by lot.
    open: BTreeMap<i32, i64>,
    paid: i64,
    registered: Option<Registered>,
}

struct Registered {
    ocid: String,
    first: i64,
    added: i64,
    price: i64,
    is_settled: bool,
    /// What is retained, and the day from which on it may be paid.
    retained: (i64, i32),
}

impl Contract {
    fn bound(&self) -> i64 {
        self.open.values().fold(self.paid, |sum, open| sum.saturating_add(*open))
    }

    fn change_open(&mut self, postings: &[Posting]) {
        for posting in postings.iter().filter(|posting| posting.kind == Kind::AuthorityCommitted) {
            let open = self.open.entry(posting.lot).or_default();
            *open = open.saturating_sub(posting.amount);
        }
    }
}

/// All of them.
#[derive(Default)]
pub(super) struct Contracts {
    tenders: ById<Tender>,
    known: BTreeMap<Fingerprint, Contract>,
    /// Payments under contracts.
    payments: ById<Fingerprint>,
}

impl Books {
    /// A tender is opened: once, in a fund that there is.
    pub(super) fn open_tender(&mut self, step: Step<'_>, opened: &TenderOpened) {
        let tender_id = format!("{:?}", opened.tender_id);
        if self.funds.get(opened.fund).is_none() || opened.ceiling_minor <= 0 || !is_ocid_or_empty(&opened.ocid) {
            let (fund, ceiling) = (opened.fund, opened.ceiling_minor);
            self.wrong(step, fact!("tender {} of fund {} up to {}", tender_id, fund, ceiling));
        }
        let (ceiling, ocid) = (opened.ceiling_minor, opened.ocid.clone());
        let tender = Tender { fund: opened.fund, ceiling, ocid, award: None };
        let key = self.fingerprints.of(&opened.tender_id);
        if self.contracts.tenders.insert(key, tender).is_some() {
            self.wrong(step, fact!("tender {} was opened before", tender_id));
        }
    }

    /// 中标: once, and not above the ceiling.
    pub(super) fn award_tender(&mut self, step: Step<'_>, awarded: &TenderAwarded) {
        let tender_id = format!("{:?}", awarded.tender_id);
        let amount = awarded.amount_minor;
        let Some(tender) = self.contracts.tenders.get_mut(&self.fingerprints.of(&awarded.tender_id)) else {
            return self.wrong(step, fact!("tender {} is awarded, which nobody opened", tender_id));
        };
        let ceiling = tender.ceiling;
        let is_again = tender.award.replace((awarded.supplier.to_vec(), amount)).is_some();
        if is_again {
            self.wrong(step, fact!("tender {} was awarded before", tender_id));
        }
        if amount > ceiling || amount <= 0 {
            self.wrong(step, fact!("tender {} is awarded for {}, its ceiling is {}", tender_id, amount, ceiling));
        }
    }

    /// A contract is registered: once, as it was awarded, and as it was committed to before.
    pub(super) fn register_contract(&mut self, step: Step<'_>, registered: &ContractRegistered) {
        let contract_id = format!("{:?}", registered.contract_id);
        let price = registered.amount_minor;
        if self.funds.get(registered.fund).is_none() || price <= 0 || !is_ocid_or_empty(&registered.ocid) {
            self.wrong(step, fact!("contract {} of fund {} for {}", contract_id, registered.fund, price));
        }
        let ocid = self.check_award(step, registered);
        let contract = self.contracts.known.entry(self.fingerprints.of(&registered.contract_id)).or_default();
        let is_new = contract.payee.is_empty();
        let fits = is_new || (contract.payee == registered.supplier && contract.fund == registered.fund);
        let is_again = contract.registered.is_some();
        contract.fund = registered.fund;
        contract.payee = registered.supplier.to_vec();
        let retained = (0, 0);
        contract.registered = Some(Registered { ocid, first: price, added: 0, price, is_settled: false, retained });
        let bound = contract.bound();
        if is_again {
            self.wrong(step, fact!("contract {} was registered before", contract_id));
        }
        if !fits {
            self.wrong(
                step,
                fact!("contract {} was committed to another contractor, or out of another fund", contract_id),
            );
        }
        if bound > price {
            self.wrong(
                step,
                fact!("{} is committed or paid under contract {}, its price is {}", bound, contract_id, price),
            );
        }
    }

    /// What a contract has to have of its tender; gives its Open Contracting ID.
    fn check_award(&mut self, step: Step<'_>, registered: &ContractRegistered) -> String {
        let contract_id = format!("{:?}", registered.contract_id);
        let own = registered.ocid.clone();
        if registered.tender_id.is_empty() {
            if registered.method == 0 {
                self.wrong(step, fact!("contract {} says not how its contractor was found", contract_id));
            }
            return own;
        }
        let tender_id = format!("{:?}", registered.tender_id);
        let key = self.fingerprints.of(&registered.tender_id);
        let Some(tender) = self.contracts.tenders.get_mut(&key) else {
            self.wrong(step, fact!("contract {} is of tender {}, which nobody opened", contract_id, tender_id));
            return own;
        };
        let ocid = if own.is_empty() { tender.ocid.clone() } else { own };
        let is_same = tender.fund == registered.fund && (tender.ocid.is_empty() || tender.ocid == ocid);
        let is_won = match &mut tender.award {
            Some((supplier, left)) if *supplier == registered.supplier => {
                *left = left.saturating_sub(registered.amount_minor);
                *left >= 0
            }
            Some(_) | None => false,
        };
        if !is_same || !is_won {
            self.wrong(step, fact!("contract {} is not what was awarded in tender {}", contract_id, tender_id));
        }
        ocid
    }

    /// 政府采购法§49: what is added to a contract is a tenth of its first price at most; what is taken off leaves what is bound.
    pub(super) fn amend_contract(&mut self, step: Step<'_>, amended: &ContractAmended) {
        let contract_id = format!("{:?}", amended.contract_id);
        let contract = self.contracts.known.get_mut(&self.fingerprints.of(&amended.contract_id));
        let change = amended.change_minor;
        let Some((bound, registered)) =
            contract.and_then(|contract| Some((contract.bound(), contract.registered.as_mut()?)))
        else {
            return self.wrong(step, fact!("contract {} is amended, which nobody registered", contract_id));
        };
        registered.price = registered.price.saturating_add(change);
        registered.added = registered.added.saturating_add(change.max(0));
        let (first, added, price, is_settled) =
            (registered.first, registered.added, registered.price, registered.is_settled);
        if is_settled || change == 0 {
            self.wrong(
                step,
                fact!("contract {} is amended by {}, though it is settled or nothing changes", contract_id, change),
            );
        }
        if added > first / ADDED_MAX_DIVISOR {
            self.wrong(step, fact!("{} is added to contract {}, whose first price is {}", added, contract_id, first));
        }
        if bound > price || price <= 0 {
            self.wrong(
                step,
                fact!("{} is committed or paid under contract {}, its price is {}", bound, contract_id, price),
            );
        }
    }

    /// 竣工结算: once, at most at the price, and with what is retained not below what was paid.
    pub(super) fn settle_contract(&mut self, step: Step<'_>, settled: &ContractSettled) {
        let contract_id = format!("{:?}", settled.contract_id);
        let contract = self.contracts.known.get_mut(&self.fingerprints.of(&settled.contract_id));
        let Some((paid, registered)) =
            contract.and_then(|contract| Some((contract.paid, contract.registered.as_mut()?)))
        else {
            return self.wrong(step, fact!("contract {} is settled, which nobody registered", contract_id));
        };
        let (amount, retained, until) = (settled.amount_minor, settled.retention_minor, settled.retention_until_day);
        let is_again = registered.is_settled;
        let price = registered.price;
        registered.price = amount;
        registered.is_settled = true;
        registered.retained = (retained, until);
        let has_form = amount > 0 && (0..=amount).contains(&retained) && (retained == 0) == (until == 0);
        if is_again || !has_form {
            self.wrong(step, fact!("contract {} is settled again, or not as it can be", contract_id));
        }
        if amount > price {
            self.wrong(step, fact!("contract {} is settled at {}, its price is {}", contract_id, amount, price));
        }
        if paid > amount.saturating_sub(retained) {
            self.wrong(
                step,
                fact!("{} is paid under contract {}, {} may be", paid, contract_id, amount.saturating_sub(retained)),
            );
        }
    }

    /// 竣工财务决算: of a project that has an estimate, within it, and not below what was paid.
    pub(super) fn approve_final_account(&mut self, step: Step<'_>, approved: &FinalAccountApproved) {
        let project_id = format!("{:?}", approved.project_id);
        let key = (approved.fund, self.fingerprints.of(&approved.project_id));
        let amount = approved.amount_minor;
        let Some((estimate, paid)) = self.payouts.close_project(key, amount) else {
            return self.wrong(step, fact!("a final account of project {}, which has no estimate", project_id));
        };
        if amount > estimate || amount <= 0 {
            self.wrong(step, fact!("final account {} of project {}, its estimate is {}", amount, project_id, estimate));
        }
        if paid > amount {
            self.wrong(step, fact!("{} is paid for project {}, its final account is {}", paid, project_id, amount));
        }
        if approved.surplus_sequences.iter().any(|sequence| *sequence < 0 || *sequence >= step.sequence) {
            self.wrong(step, fact!("the final account of project {} names events that had not happened", project_id));
        }
    }

    /// Authority is committed to a contract: where it is registered, to its contractor and within its price.
    pub(super) fn commit(&mut self, step: Step<'_>, committed: &Committed, postings: &[Posting]) {
        let contract_id = format!("{:?}", committed.contract_id);
        let Some(fund) = self.fund_of(postings) else { return };
        let is_asked_for = self.wants_registered_contracts(fund, step.business_day);
        let contract = self.contracts.known.entry(self.fingerprints.of(&committed.contract_id)).or_default();
        contract.change_open(postings);
        if contract.payee.is_empty() {
            contract.fund = fund;
            contract.payee = committed.payee.to_vec();
        }
        let fits = contract.payee == committed.payee && contract.fund == fund;
        let bound = contract.bound();
        let registered = contract.registered.as_ref().map(|registered| {
            let ocid = &committed.ocid;
            (registered.price, ocid.is_empty() || registered.ocid.is_empty() || *ocid == registered.ocid)
        });
        if !fits {
            self.wrong(step, fact!("contract {} is of another contractor, or of another fund", contract_id));
        }
        match registered {
            None if is_asked_for => {
                self.wrong(step, fact!("contract {} is committed to, which nobody registered", contract_id));
            }
            None => {}
            Some((price, is_same)) => {
                if bound > price {
                    self.wrong(
                        step,
                        fact!("{} is committed or paid under contract {}, its price is {}", bound, contract_id, price),
                    );
                }
                if !is_same {
                    self.wrong(step, fact!("contract {} has another Open Contracting ID", contract_id));
                }
            }
        }
    }

    /// What a release or a reversal changes of a commitment.
    pub(super) fn change_commitment(&mut self, contract_id: &str, postings: &[Posting]) {
        if contract_id.is_empty() {
            return;
        }
        if let Some(contract) = self.contracts.known.get_mut(&self.fingerprints.of(contract_id)) {
            contract.change_open(postings);
        }
    }

    /// A lot is carried over: nothing of it is committed any more.
    pub(super) fn carry_commitments(&mut self, lot: i32) {
        for contract in self.contracts.known.values_mut() {
            contract.open.remove(&lot);
        }
    }

    /// A payment under a contract: to its contractor, within its price, and of what is retained not before its day.
    pub(super) fn pay_contract(&mut self, step: Step<'_>, payment: &PaymentExecuted, paid: i64, postings: &[Posting]) {
        if payment.contract_id.is_empty() {
            return;
        }
        let contract_id = format!("{:?}", payment.contract_id);
        let key = self.fingerprints.of(&payment.contract_id);
        let Some(contract) = self.contracts.known.get_mut(&key) else {
            return self.wrong(step, fact!("a payment under contract {}, which nobody committed to", contract_id));
        };
        contract.change_open(postings);
        contract.paid = contract.paid.saturating_add(paid);
        let (paid, is_contractor) = (contract.paid, contract.payee == payment.payee);
        let payable = contract.registered.as_ref().map(|registered| {
            let (retained, until) = registered.retained;
            let held = if step.business_day < until { retained } else { 0 };
            registered.price.saturating_sub(held)
        });
        self.contracts.payments.insert(self.fingerprints.of(&payment.payment_id), key);
        if !is_contractor {
            self.wrong(step, fact!("contract {} is of another contractor, or of another fund", contract_id));
        }
        if let Some(payable) = payable.filter(|payable| paid > *payable) {
            self.wrong(step, fact!("{} is paid under contract {}, {} may be", paid, contract_id, payable));
        }
    }

    /// Money of a payment under a contract came back, or the payment was reversed.
    pub(super) fn give_back_contract(&mut self, payment_id: &str, amount: i64) {
        if self.contracts.payments.is_empty() {
            return;
        }
        let key = self.contracts.payments.get(&self.fingerprints.of(payment_id));
        if let Some(contract) = key.and_then(|key| self.contracts.known.get_mut(key)) {
            contract.paid = contract.paid.saturating_sub(amount);
        }
    }
}

/// `ocds-`, six characters of [a-z0-9], a hyphen, and more.
fn is_ocid_or_empty(text: &str) -> bool {
    if text.is_empty() {
        return true;
    }
    let parts = text.strip_prefix("ocds-").and_then(|rest| rest.split_once('-'));
    parts.is_some_and(|(prefix, own)| {
        let is_given = prefix.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase());
        prefix.len() == 6 && is_given && !own.is_empty()
    })
}
