//! Orders in few words. Ids are what they stand for: `c.treasury` is the treasury of fund `SP`.

use fundledger::domain::account::AccountKind;
use fundledger::domain::approval::Approvals;
use fundledger::domain::command::{
    Adjustment, Command, Draw, Envelope, ExecutePayment, FreezeScope, Movement, OpeningLine, Order, PaymentMethod,
};
use fundledger::domain::fund::{
    CheckerTier, Currency, FundDefinition, FundFamily, LotDefinition, PlanStep, PolicyVersion,
};
use fundledger::domain::ids::{
    AccountId, ActorId, BankReference, CaseId, Code, ContractId, DisplayName, DocumentNumber, FundId, IssuerId,
    LegalBasis, LotId, PayeeRef, PaymentId, PolicyId, ReasonCode, RequestId, Sequence, UnitId,
};
use fundledger::domain::money::Amount;
use fundledger::domain::policy::PolicyTerms;
use fundledger::domain::profile::FundProfile;
use fundledger::domain::time::{Day, Period};

/// Who orders, as of when.
#[derive(Clone, Debug)]
pub(crate) struct Who {
    pub(crate) date: &'static str,
    pub(crate) maker: &'static str,
    pub(crate) checkers: Vec<&'static str>,
}

/// A maker and one checker, on a day.
pub(crate) fn on(date: &'static str) -> Who {
    Who { date, maker: "m1", checkers: vec!["c1"] }
}

impl Who {
    pub(crate) fn by(self, maker: &'static str) -> Self {
        Self { maker, ..self }
    }

    pub(crate) fn checked(self, checkers: &[&'static str]) -> Self {
        Self { checkers: checkers.to_vec(), ..self }
    }

    pub(crate) fn envelope(&self, key: &str) -> Envelope {
        Envelope {
            request_id: RequestId::parse(key).unwrap(),
            business_date: day(self.date),
            actor: ActorId::parse(self.maker).unwrap(),
            approvals: Approvals::Named(
                self.checkers.iter().map(|checker| ActorId::parse(*checker).unwrap()).collect(),
            ),
            personal_data: Vec::new(),
        }
    }

    pub(crate) fn command(&self, key: &str, order: &Order) -> Command {
        Command { envelope: self.envelope(key), preconditions: Vec::new(), order: order.clone() }
    }
}

pub(crate) fn day(date: &str) -> Day {
    let mut parts = date.split('-').map(|part| part.parse().unwrap());
    let mut next = || parts.next().unwrap();
    Day::new(next(), next(), next()).unwrap()
}

pub(crate) fn amount(minor: i64) -> Amount {
    Amount::positive(minor).unwrap()
}

pub(crate) fn account(name: &str) -> AccountId {
    AccountId::parse(name).unwrap()
}

pub(crate) fn lot_id(name: &str) -> LotId {
    LotId::parse(name).unwrap()
}

pub(crate) fn code(name: &str) -> Code {
    Code::parse(name).unwrap()
}

pub(crate) fn payment(name: &str) -> PaymentId {
    PaymentId::parse(name).unwrap()
}

/// The pseudonym of a payee: their name, padded.
pub(crate) fn payee(name: &str) -> PayeeRef {
    let mut bytes = [0; 16];
    for (place, byte) in bytes.iter_mut().zip(name.bytes()) {
        *place = byte;
    }
    PayeeRef(bytes)
}

fn bank(reference: &str) -> BankReference {
    BankReference::parse(reference).unwrap()
}

fn contract(name: &str) -> ContractId {
    ContractId::parse(name).unwrap()
}

fn document(number: &str) -> DocumentNumber {
    DocumentNumber::parse(number).unwrap()
}

fn basis() -> LegalBasis {
    LegalBasis::parse("审计法第三十八条").unwrap()
}

fn why() -> ReasonCode {
    ReasonCode::parse("ACCOUNT_NAME_MISMATCH").unwrap()
}

/// Draws on lots.
pub(crate) type Lots<'a> = &'a [(&'a str, i64)];

pub(crate) fn draws(lots: Lots<'_>) -> Vec<Draw> {
    lots.iter().map(|(lot, minor)| Draw { lot_id: lot_id(lot), amount: amount(*minor) }).collect()
}

fn movement(from: &str, to: &str, minor: i64, lots: Lots<'_>) -> Movement {
    Movement { from: account(from), to: account(to), amount: amount(minor), draws: draws(lots) }
}

/// A special fund in yuan, for any purpose and economic code, under the built-in policy.
pub(crate) fn fund(name: &str) -> FundDefinition {
    FundDefinition {
        fund_id: FundId::parse(name).unwrap(),
        name: DisplayName::parse("衔接资金").unwrap(),
        family: FundFamily::Special,
        currency: Currency { code: *b"CNY", exponent: 2 },
        purposes: Vec::new(),
        economic_codes: Vec::new(),
        policy_id: None,
        legal_basis: LegalBasis::parse("预算法").unwrap(),
        scheme: None,
        exclusive_with: Vec::new(),
        profile: FundProfile::default(),
    }
}

pub(crate) fn define(definition: FundDefinition) -> Order {
    Order::DefineFund(Box::new(definition))
}

/// A policy version: its tiers are (from minor units, checkers).
pub(crate) fn policy(name: &str, version: u32, from: &str, plan_step: PlanStep, tiers: &[(i64, u32)]) -> Order {
    let tier = |(from_minor, checkers): &(i64, u32)| CheckerTier { from_minor: *from_minor, checkers: *checkers };
    let policy = PolicyVersion {
        version,
        effective_from: day(from),
        plan_step,
        checker_tiers: tiers.iter().map(tier).collect(),
        document_sha256: [9; 32],
        signed_approvals: false,
        terms: PolicyTerms::default(),
    };
    Order::SetPolicy { policy_id: policy_id(name), policy: Box::new(policy) }
}

pub(crate) fn policy_id(name: &str) -> PolicyId {
    PolicyId::parse(name).unwrap()
}

pub(crate) fn open(name: &str, fund: &str, kind: AccountKind, unit: Option<&str>) -> Order {
    Order::OpenAccount {
        account_id: account(name),
        fund_id: FundId::parse(fund).unwrap(),
        kind,
        unit_id: unit.map(|unit| UnitId::parse(unit).unwrap()),
        person: None,
        unit_party: None,
    }
}

/// A lot on a document of its own, without expiry.
pub(crate) fn lot(name: &str) -> LotDefinition {
    LotDefinition {
        lot_id: lot_id(name),
        issuer_id: IssuerId::parse("MOF").unwrap(),
        document_number: document(&format!("财〔2026〕{name}号")),
        document_sha256: [1; 32],
        expires_on: None,
        purposes: Vec::new(),
        parent_lot_id: None,
    }
}

pub(crate) fn lot_until(name: &str, last_day: &str) -> LotDefinition {
    LotDefinition { expires_on: Some(day(last_day)), ..lot(name) }
}

pub(crate) fn lot_for(name: &str, purpose: &str) -> LotDefinition {
    LotDefinition { purposes: vec![code(purpose)], ..lot(name) }
}

/// A lot on a document that another one may stand on too.
pub(crate) fn lot_on(name: &str, number: &str) -> LotDefinition {
    LotDefinition { document_number: document(number), ..lot(name) }
}

/// A balance carried in.
pub(crate) fn line(name: &str, lot: Option<&str>, minor: i64) -> OpeningLine {
    OpeningLine { account: account(name), lot: lot.map(lot_id), amount: amount(minor) }
}

pub(crate) fn opening(fund: &str, lots: Vec<LotDefinition>, lines: Vec<OpeningLine>) -> Order {
    Order::RecordOpeningBalance {
        fund_id: FundId::parse(fund).unwrap(),
        document_number: document("试算表2026"),
        document_sha256: [2; 32],
        lots,
        lines,
    }
}

pub(crate) fn issue(lot: LotDefinition, to: &str, minor: i64) -> Order {
    Order::IssueBudget { lot: Box::new(lot), to: account(to), amount: amount(minor) }
}

pub(crate) fn allocate(from: &str, to: &str, minor: i64, lots: Lots<'_>) -> Order {
    Order::AllocateBudget { movement: movement(from, to, minor, lots), document_number: None }
}

pub(crate) fn plan(from: &str, to: &str, minor: i64, lots: Lots<'_>) -> Order {
    Order::ApprovePlan { movement: movement(from, to, minor, lots), document_number: None }
}

fn adjust(adjustment: Adjustment, lot: &str, minor: i64, number: &str) -> Order {
    Order::AdjustBudget {
        adjustment,
        lot_id: lot_id(lot),
        amount: amount(minor),
        issuer_id: IssuerId::parse("MOF").unwrap(),
        document_number: document(number),
    }
}

pub(crate) fn supplement(lot: &str, to: &str, minor: i64, number: &str) -> Order {
    adjust(Adjustment::Supplement { to: account(to) }, lot, minor, number)
}

pub(crate) fn reduce(lot: &str, from: &str, minor: i64, number: &str) -> Order {
    adjust(Adjustment::Reduction { from: account(from) }, lot, minor, number)
}

pub(crate) fn reallocate(lot: &str, from: &str, to: &str, minor: i64, number: &str) -> Order {
    adjust(Adjustment::Reallocation { from: account(from), to: account(to) }, lot, minor, number)
}

pub(crate) fn commit(from: &str, to: &str, minor: i64, lots: Lots<'_>, name: &str, to_payee: &str) -> Order {
    let movement = movement(from, to, minor, lots);
    Order::CommitAuthority { movement, contract_id: contract(name), ocid: None, payee: payee(to_payee) }
}

pub(crate) fn release(from: &str, to: &str, minor: i64, lots: Lots<'_>, name: &str) -> Order {
    Order::ReleaseCommitment { movement: movement(from, to, minor, lots), contract_id: contract(name) }
}

pub(crate) fn cash(lot: &str, minor: i64, reference: &str) -> Order {
    Order::ReceiveCash { lot_id: lot_id(lot), amount: amount(minor), bank_reference: bank(reference) }
}

/// A payment to be: what is not said is left out.
pub(crate) struct Pay(ExecutePayment);

pub(crate) fn pay(name: &str, from: &str, minor: i64, lots: Lots<'_>, to_payee: &str) -> Pay {
    Pay(ExecutePayment {
        payment_id: payment(name),
        from: account(from),
        unit: None,
        amount: amount(minor),
        draws: draws(lots),
        payee: payee(to_payee),
        purpose: code("P1"),
        function_code: None,
        economic_code: None,
        project_id: None,
        contract_id: None,
        method: PaymentMethod::Direct,
        document_sha256: Vec::new(),
        payout: None,
        recipient_kind: None,
    })
}

impl Pay {
    pub(crate) fn unit(mut self, name: &str) -> Self {
        self.0.unit = Some(UnitId::parse(name).unwrap());
        self
    }

    pub(crate) fn purpose(mut self, name: &str) -> Self {
        self.0.purpose = code(name);
        self
    }

    pub(crate) fn economic(mut self, name: &str) -> Self {
        self.0.economic_code = Some(code(name));
        self
    }

    pub(crate) fn under(mut self, name: &str) -> Self {
        self.0.contract_id = Some(contract(name));
        self
    }
}

impl From<Pay> for Order {
    fn from(pay: Pay) -> Self {
        Self::ExecutePayment(Box::new(pay.0))
    }
}

pub(crate) fn clear(names: &[&str], reference: &str) -> Order {
    let payment_ids = names.iter().map(|name| payment(name)).collect();
    Order::ClearPayments { payment_ids, bank_reference: bank(reference) }
}

pub(crate) fn give_back(name: &str, minor: i64, reference: &str) -> Order {
    Order::ReturnPayment {
        payment_id: payment(name),
        amount: amount(minor),
        bank_reference: bank(reference),
        reason_code: why(),
    }
}

pub(crate) fn reverse(sequence: i64) -> Order {
    Order::ReverseEvent { original: Sequence(sequence), operation: 0, reason_code: why() }
}

fn freeze(case: &str, scope: FreezeScope) -> Order {
    Order::Freeze { case_id: CaseId::parse(case).unwrap(), legal_basis: basis(), scope }
}

pub(crate) fn freeze_amount(case: &str, from: &str, minor: i64, lots: Lots<'_>) -> Order {
    let scope = FreezeScope::Amount { account: account(from), amount: amount(minor), draws: draws(lots) };
    freeze(case, scope)
}

pub(crate) fn freeze_account(case: &str, name: &str) -> Order {
    freeze(case, FreezeScope::Account(account(name)))
}

pub(crate) fn freeze_lot(case: &str, name: &str) -> Order {
    freeze(case, FreezeScope::Lot(lot_id(name)))
}

pub(crate) fn freeze_payee(case: &str, name: &str) -> Order {
    freeze(case, FreezeScope::Payee(payee(name)))
}

pub(crate) fn unfreeze(case: &str) -> Order {
    Order::Unfreeze { case_id: CaseId::parse(case).unwrap() }
}

pub(crate) fn close_day(fund: &str, date: &str) -> Order {
    Order::CloseDay { fund_id: FundId::parse(fund).unwrap(), day: day(date) }
}

pub(crate) fn close_period(fund: &str, year: i32, month: i32) -> Order {
    Order::ClosePeriod { fund_id: FundId::parse(fund).unwrap(), period: Period::new(year, month).unwrap() }
}

pub(crate) fn carry(lot: &str, year: i32) -> Order {
    Order::CarryForward { lot_id: lot_id(lot), year }
}

pub(crate) fn recall(lot: &str) -> Order {
    Order::RecoverLapsed { lot_id: lot_id(lot), legal_basis: basis() }
}

/// Accounts of a fund, its own and those of units `A` and `B`: those of the authority book and of the cash book have
/// prefixes of their own.
pub(crate) fn accounts(fund: &str, authority: &str, cash: &str) -> Vec<Order> {
    use AccountKind as Kind;
    let own = [
        (authority, "src", Kind::AuthoritySource),
        (authority, "unalloc", Kind::AuthorityUnallocated),
        (authority, "carry", Kind::AuthorityCarry),
        (authority, "recalled", Kind::AuthorityRecalled),
        (cash, "treasury", Kind::Treasury),
        (cash, "fund", Kind::FundLot),
        (cash, "clear", Kind::Clearing),
    ];
    let of_unit = [
        ("unit", Kind::AuthorityUnit),
        ("plan", Kind::AuthorityPlan),
        ("commit", Kind::AuthorityCommitted),
        ("frozen", Kind::AuthorityFrozen),
        ("used", Kind::AuthorityUsed),
    ];
    let opened = own.iter().map(|(prefix, name, kind)| open(&format!("{prefix}.{name}"), fund, *kind, None));
    let mut orders: Vec<Order> = opened.collect();
    for unit in ["A", "B"] {
        let name = |name: &str| format!("{authority}.{unit}.{name}");
        orders.extend(of_unit.iter().map(|(kind_name, kind)| open(&name(kind_name), fund, *kind, Some(unit))));
    }
    orders
}
