//! Special (earmarked) funds, 专项资金: authority from appropriation to payment, and the cash that follows it.
//!
//! First the budget, then the authority, then the spending (先有预算、再有指标、后有支出): every payment moves both books at
//! once, so "over budget", "no plan" and "cash differs from claims" cannot be represented.

use std::collections::BTreeSet;

use super::Context;
use super::guard::{
    AccountRef, Asked, Case, Checkers, Freezes, LotRef, Spending, add_up, credit, debit, kind_is, lots_of_fund,
    same_fund,
};
use super::setup::{new_document, new_lot};
use crate::domain::account::AccountKind as Kind;
use crate::domain::command::{Adjustment, ExecutePayment, Movement};
use crate::domain::event::{AdjustmentKind, Decision, Leg, Payload, PaymentExecuted};
use crate::domain::fund::{LotDefinition, LotOpened, LotStage, PlanStep};
use crate::domain::ids::{
    AccountId, AccountNumber, BankReference, Code, ContractId, DocumentNumber, FundNumber, IssuerId, LegalBasis, LotId,
    LotNumber, PayeeRef, PaymentId, ReasonCode, UnitNumber,
};
use crate::domain::money::{self, Amount};
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::state::{Contract, Payment, PaymentStatus};

/// 指标下达: an appropriation opens a lot. Dr SOURCE, Cr UNALLOCATED.
pub(super) fn issue_budget(
    case: Case<'_>,
    lot: LotDefinition,
    to: &AccountId,
    amount: Amount,
) -> Result<Decision, Refusal> {
    let to = case.account(to)?;
    let fund = case.fund_at(to.row.fund)?;
    new_lot(case, &lot)?;
    let source = case.account_for(fund.number, Kind::AuthoritySource, UnitNumber::default())?;
    kind_is(to, &[Kind::AuthorityUnallocated])?;
    case.admit(fund, amount.minor(), Checkers::Needed)?;
    let number = LotNumber::after(case.state.lots.len());
    let legs = vec![debit(source.number, number, amount.minor()), credit(to.number, number, amount.minor())];
    let payload =
        Payload::BudgetIssued { lot: Box::new(LotOpened { lot: number, fund: fund.number, definition: lot }) };
    case.settle(fund, legs, payload, Freezes::Hold)
}

/// 指标分配: UNALLOCATED to a lower tier or a unit.
pub(super) fn allocate_budget(
    case: Case<'_>,
    movement: &Movement,
    document_number: Option<DocumentNumber>,
) -> Result<Decision, Refusal> {
    let named = Named::in_one_fund(case, movement)?;
    kind_is(named.from, &[Kind::AuthorityUnallocated])?;
    kind_is(named.to, &[Kind::AuthorityUnallocated, Kind::AuthorityUnit])?;
    move_authority(case, movement, &named, Payload::BudgetAllocated { document_number })
}

/// 追加, 追减, 调剂.
pub(super) fn adjust_budget(
    case: Case<'_>,
    adjustment: &Adjustment,
    lot_id: &LotId,
    amount: Amount,
    issuer_id: IssuerId,
    document_number: DocumentNumber,
) -> Result<Decision, Refusal> {
    let lot = case.lot(lot_id)?;
    let fund = case.fund_at(lot.row.fund)?;
    let source = || case.account_for(fund.number, Kind::AuthoritySource, UnitNumber::default());
    let (from, to, kind) = match adjustment {
        Adjustment::Supplement { to } => (source()?, case.account(to)?, AdjustmentKind::Supplement),
        Adjustment::Reduction { from } => (case.account(from)?, source()?, AdjustmentKind::Reduction),
        Adjustment::Reallocation { from, to } => (case.account(from)?, case.account(to)?, AdjustmentKind::Reallocation),
    };
    new_document(case, &issuer_id, &document_number)?;
    for account in [from, to] {
        if account.row.fund != fund.number {
            return Err(Refusal::new(Reason::FundMixed).with("account", &account.row.account_id).with("lot", lot_id));
        }
    }
    match kind {
        AdjustmentKind::Supplement => kind_is(to, &[Kind::AuthorityUnallocated])?,
        AdjustmentKind::Reduction => kind_is(from, &[Kind::AuthorityUnallocated, Kind::AuthorityUnit])?,
        AdjustmentKind::Reallocation => {
            kind_is(from, &[Kind::AuthorityUnit])?;
            kind_is(to, &[Kind::AuthorityUnit])?;
        }
    }
    case.admit(fund, amount.minor(), Checkers::Needed)?;
    let legs = vec![debit(from.number, lot.number, amount.minor()), credit(to.number, lot.number, amount.minor())];
    case.settle(fund, legs, Payload::BudgetAdjusted { kind, issuer_id, document_number }, Freezes::Hold)
}

/// 用款计划: UNIT to PLAN of the same unit.
pub(super) fn approve_plan(
    case: Case<'_>,
    movement: &Movement,
    document_number: Option<DocumentNumber>,
) -> Result<Decision, Refusal> {
    let named = Named::in_one_fund(case, movement)?;
    kind_is(named.from, &[Kind::AuthorityUnit])?;
    kind_is(named.to, &[Kind::AuthorityPlan])?;
    same_unit(named.from, named.to)?;
    move_authority(case, movement, &named, Payload::PlanApproved { document_number })
}

/// 合同占用: PLAN (or UNIT, where the plan is optional) to COMMITTED of the same unit.
pub(super) fn commit_authority(
    case: Case<'_>,
    movement: &Movement,
    contract_id: ContractId,
    ocid: Option<Code>,
    payee: PayeeRef,
) -> Result<Decision, Refusal> {
    let named = Named::of(case, movement)?;
    let Named { from, to, .. } = named;
    if let Some(known) = case.state.contract_names.get(&contract_id).and_then(|number| case.state.contract(*number))
        && (known.payee != payee || known.fund != from.row.fund)
    {
        return Err(Refusal::new(Reason::ContractExists).with("contract", &contract_id));
    }
    named.share_a_fund()?;
    plan_first(case, from, &[Kind::AuthorityPlan])?;
    kind_is(to, &[Kind::AuthorityCommitted])?;
    same_unit(from, to)?;
    move_authority(case, movement, &named, Payload::Committed { contract_id, ocid, payee })
}

/// Releases a commitment, back to the plan.
pub(super) fn release_commitment(
    case: Case<'_>,
    movement: &Movement,
    contract_id: ContractId,
) -> Result<Decision, Refusal> {
    let named = Named::of(case, movement)?;
    let Named { from, to, .. } = named;
    let contract = contract_of(case, &contract_id)?;
    named.share_a_fund()?;
    contract_of_fund(contract, from.row.fund)?;
    kind_is(from, &[Kind::AuthorityCommitted])?;
    kind_is(to, &[Kind::AuthorityPlan, Kind::AuthorityUnit])?;
    same_unit(from, to)?;
    let fund = case.fund_at(from.row.fund)?;
    case.admit(fund, movement.amount.minor(), Checkers::NotNeeded)?;
    add_up(movement.amount, &named.asked)?;
    within_contract(contract, from, movement.amount.minor())?;
    each_within_contract(contract, from, &named.asked)?;
    case.is_free(&[from], &named.asked)?;
    let spending = Spending { purpose: None, contract: Some(contract) };
    let draws = case.draws(from, movement.amount, &named.asked, spending)?;
    case.settle(
        fund,
        transfer(from.number, to.number, &draws),
        Payload::CommitmentReleased { contract_id },
        Freezes::Hold,
    )
}

/// Cash for a lot. Dr TREASURY, Cr `FUND_LOT`.
pub(super) fn receive_cash(
    case: Case<'_>,
    lot_id: &LotId,
    amount: Amount,
    bank_reference: BankReference,
) -> Result<Decision, Refusal> {
    let lot = case.lot(lot_id)?;
    let fund = case.fund_at(lot.row.fund)?;
    new_bank_reference(case, &bank_reference)?;
    let treasury = case.account_for(fund.number, Kind::Treasury, UnitNumber::default())?;
    let fund_lot = case.account_for(fund.number, Kind::FundLot, UnitNumber::default())?;
    case.admit(fund, amount.minor(), Checkers::NotNeeded)?;
    let legs = vec![
        debit(treasury.number, LotNumber::NONE, amount.minor()),
        credit(fund_lot.number, lot.number, amount.minor()),
    ];
    case.settle(fund, legs, Payload::CashReceived { bank_reference }, Freezes::Hold)
}

/// 支付: one event, both books. Dr PLAN|COMMITTED|CARRY|UNIT, Cr USED; Dr `FUND_LOT`, Cr CLEARING.
pub(super) fn execute_payment(case: Case<'_>, payment: ExecutePayment) -> Result<Decision, Refusal> {
    let from = case.account(&payment.from)?;
    let fund = case.fund_at(from.row.fund)?;
    let asked = case.asked(&payment.draws)?;
    if let Some(first) = case.state.payment(&payment.payment_id) {
        return Err(Refusal::new(Reason::PaymentExists)
            .with("payment", &payment.payment_id)
            .with("original_sequence", first.sequence.0));
    }
    let unit = paying_unit(case, &payment, from)?;
    let contract = match &payment.contract_id {
        Some(contract_id) => Some(contract_of(case, contract_id)?),
        None => None,
    };
    let used = case.account_for(fund.number, Kind::AuthorityUsed, unit)?;
    let fund_lot = case.account_for(fund.number, Kind::FundLot, UnitNumber::default())?;
    let clearing = case.account_for(fund.number, Kind::Clearing, UnitNumber::default())?;
    lots_of_fund(from, &asked)?;
    if let Some(contract) = contract {
        contract_of_fund(contract, fund.number)?;
    }
    plan_first(case, from, &[Kind::AuthorityPlan, Kind::AuthorityCommitted, Kind::AuthorityCarry])?;
    case.admit(fund, payment.amount.minor(), Checkers::Needed)?;
    add_up(payment.amount, &asked)?;
    under_contract(&payment, contract, from, &asked)?;
    let mut spending = Spending { purpose: Some(&payment.purpose), contract: None };
    if from.row.kind == Kind::AuthorityCommitted {
        spending.contract = contract;
    }
    case.payee_is_free(payment.payee)?;
    case.is_free(&[from, fund_lot], &asked)?;
    if let Some(code) =
        payment.economic_code.as_ref().filter(|code| !in_scope(&fund.row.definition.economic_codes, code))
    {
        return Err(Refusal::new(Reason::OutOfScope)
            .with("economic_code", code)
            .with("fund", &fund.row.definition.fund_id));
    }
    let draws = case.draws(from, payment.amount, &asked, spending)?;
    let mut legs = Vec::with_capacity(draws.len().saturating_mul(3).saturating_add(1));
    legs.extend(draws.iter().map(|(lot, drawn)| debit(from.number, *lot, *drawn)));
    legs.extend(draws.iter().map(|(lot, drawn)| credit(used.number, *lot, *drawn)));
    legs.extend(draws.iter().map(|(lot, drawn)| debit(fund_lot.number, *lot, *drawn)));
    legs.push(credit(clearing.number, LotNumber::NONE, payment.amount.minor()));
    let payload = Payload::PaymentExecuted(Box::new(PaymentExecuted {
        payment_id: payment.payment_id,
        payee: payment.payee,
        purpose: payment.purpose,
        function_code: payment.function_code,
        economic_code: payment.economic_code,
        project_id: payment.project_id,
        contract_id: payment.contract_id,
        method: payment.method,
        document_sha256: payment.document_sha256,
    }));
    case.settle(fund, legs, payload, Freezes::Hold)
}

/// 清算: the treasury pays the bank that advanced the money. Dr CLEARING, Cr TREASURY.
pub(super) fn clear_payments(
    case: Case<'_>,
    payment_ids: Vec<PaymentId>,
    bank_reference: BankReference,
) -> Result<Decision, Refusal> {
    for payment_id in &payment_ids {
        payment_of(case, payment_id)?;
    }
    new_bank_reference(case, &bank_reference)?;
    let mut fund: Option<FundNumber> = None;
    let mut sum = 0;
    for payment_id in &payment_ids {
        let payment = payment_of(case, payment_id)?;
        if *fund.get_or_insert(payment.fund) != payment.fund {
            return Err(Refusal::new(Reason::FundMixed).with("payment", payment_id));
        }
        sum = money::add(sum, payment.amount_minor);
    }
    let fund = case.fund_at(fund.unwrap_or_default())?;
    let clearing = case.account_for(fund.number, Kind::Clearing, UnitNumber::default())?;
    let treasury = case.account_for(fund.number, Kind::Treasury, UnitNumber::default())?;
    case.admit(fund, sum, Checkers::NotNeeded)?;
    let mut seen = BTreeSet::new();
    for payment_id in &payment_ids {
        let payment = payment_of(case, payment_id)?;
        match payment.status {
            PaymentStatus::Ordered if seen.insert(payment_id) => {}
            PaymentStatus::Ordered | PaymentStatus::Cleared => {
                return Err(Refusal::new(Reason::PaymentCleared).with("payment", payment_id));
            }
            PaymentStatus::Reversed => return Err(already_reversed(case, payment)),
        }
    }
    let legs = vec![debit(clearing.number, LotNumber::NONE, sum), credit(treasury.number, LotNumber::NONE, sum)];
    case.settle(fund, legs, Payload::Cleared { bank_reference, payment_ids }, Freezes::Hold)
}

/// 退款/退票: money of a cleared payment comes back to the lots it came from, the last draw first.
pub(super) fn return_payment(
    case: Case<'_>,
    context: &Context<'_>,
    payment_id: PaymentId,
    amount: Amount,
    bank_reference: BankReference,
    reason_code: ReasonCode,
) -> Result<Decision, Refusal> {
    let payment = *payment_of(case, &payment_id)?;
    let fund = case.fund_at(payment.fund)?;
    let no_event = || Refusal::new(Reason::EventNotFound).with("original_sequence", payment.sequence.0);
    let original = context.original(payment.sequence, payment.operation).ok_or_else(no_event)?;
    new_bank_reference(case, &bank_reference)?;
    let fund_level = |kind| case.account_for(fund.number, kind, UnitNumber::default());
    let treasury = fund_level(Kind::Treasury)?;
    let fund_lot = fund_level(Kind::FundLot)?;
    let (source, used) = accounts_of_payment(case, original.legs).ok_or_else(no_event)?;
    case.admit(fund, amount.minor(), Checkers::NotNeeded)?;
    match payment.status {
        PaymentStatus::Cleared => {}
        PaymentStatus::Ordered => return Err(Refusal::new(Reason::PaymentNotCleared).with("payment", &payment_id)),
        PaymentStatus::Reversed => return Err(already_reversed(case, &payment)),
    }
    let left = money::subtract(payment.amount_minor, payment.returned_minor);
    if amount.minor() > left {
        return Err(Refusal::new(Reason::OverRefund)
            .with("payment", &payment_id)
            .with("available_minor", left)
            .with("asked_minor", amount.minor()));
    }
    let mut legs = vec![debit(treasury.number, LotNumber::NONE, amount.minor())];
    let mut recalled = 0;
    for (lot, part) in refills(original.legs, source.number, payment.returned_minor, amount.minor()) {
        let stage = case.state.lot(lot).map_or(LotStage::Open, |lot| lot.stage);
        let destination = match stage {
            LotStage::Open => back_to(case, source)?,
            LotStage::Carried { .. } => fund_level(Kind::AuthorityCarry)?,
            LotStage::Lapsed => fund_level(Kind::AuthorityRecalled)?,
        };
        legs.push(credit(fund_lot.number, lot, part));
        legs.push(debit(used.number, lot, part));
        legs.push(credit(destination.number, lot, part));
        if stage == LotStage::Lapsed {
            // The lot's cash was sent upward when it lapsed; what comes back later follows it.
            legs.push(debit(fund_lot.number, lot, part));
            recalled = money::add(recalled, part);
        }
    }
    if recalled > 0 {
        legs.push(credit(treasury.number, LotNumber::NONE, recalled));
    }
    let payload = Payload::PaymentReturned { payment_id, original: payment.sequence, bank_reference, reason_code };
    case.settle(fund, legs, payload, Freezes::Pass)
}

/// 年终结转: PLAN, UNIT and COMMITTED of a lot to CARRY (预算法§42).
pub(super) fn carry_forward(case: Case<'_>, lot_id: &LotId, year: i32) -> Result<Decision, Refusal> {
    let lot = case.lot(lot_id)?;
    let fund = case.fund_at(lot.row.fund)?;
    let carry = case.account_for(fund.number, Kind::AuthorityCarry, UnitNumber::default())?;
    let sources = [Kind::AuthorityPlan, Kind::AuthorityUnit, Kind::AuthorityCommitted];
    let (mut legs, sum) = emptied(case, lot, &sources);
    case.admit(fund, sum, Checkers::Needed)?;
    if sum == 0 {
        return Err(Refusal::new(Reason::NothingToMove).with("lot", lot_id));
    }
    legs.push(credit(carry.number, lot.number, sum));
    case.settle(fund, legs, Payload::CarriedForward { lot: lot.number, year }, Freezes::Hold)
}

/// 结余收回: what a lapsed lot has left goes to RECALLED, and the cash behind it back to the treasury of the level above
/// (预算法§42: unspent for two years running).
pub(super) fn recover_lapsed(case: Case<'_>, lot_id: &LotId, legal_basis: LegalBasis) -> Result<Decision, Refusal> {
    let lot = case.lot(lot_id)?;
    let fund = case.fund_at(lot.row.fund)?;
    let fund_level = |kind| case.account_for(fund.number, kind, UnitNumber::default());
    let recalled = fund_level(Kind::AuthorityRecalled)?;
    let fund_lot = fund_level(Kind::FundLot)?;
    let treasury = fund_level(Kind::Treasury)?;
    let sources = [Kind::AuthorityUnallocated, Kind::AuthorityUnit, Kind::AuthorityPlan, Kind::AuthorityCarry];
    let (mut legs, sum) = emptied(case, lot, &sources);
    case.admit(fund, sum, Checkers::Needed)?;
    if !has_lapsed(case, lot) {
        return Err(Refusal::new(Reason::LotNotLapsed).with("lot", lot_id).with("business_date", case.date()));
    }
    if sum == 0 {
        return Err(Refusal::new(Reason::NothingToMove).with("lot", lot_id));
    }
    legs.push(credit(recalled.number, lot.number, sum));
    // Authority without cash behind it is recalled on paper only.
    let cash = sum.min(fund_lot.row.lot_minor(lot.number));
    if cash > 0 {
        legs.push(debit(fund_lot.number, lot.number, cash));
        legs.push(credit(treasury.number, LotNumber::NONE, cash));
    }
    case.settle(fund, legs, Payload::LapsedRecovered { lot: lot.number, legal_basis }, Freezes::Hold)
}

/// A lot lapses on its last day; one without a last day, in a year after the one it was carried over from.
fn has_lapsed(case: Case<'_>, lot: LotRef<'_>) -> bool {
    match (lot.row.definition.expires_on, lot.row.stage) {
        (Some(last_day), _) => case.date() >= last_day,
        (None, LotStage::Carried { year }) => case.date().year() > year,
        (None, LotStage::Open) => false,
        (None, LotStage::Lapsed) => true,
    }
}

/// Debits that empty a lot's balances in all accounts of some kinds, and their sum.
fn emptied(case: Case<'_>, lot: LotRef<'_>, kinds: &[Kind]) -> (Vec<Leg>, i64) {
    let mut legs = Vec::new();
    let mut sum = 0;
    for (at, account) in case.state.accounts.iter().enumerate() {
        let held = account.lot_minor(lot.number);
        if account.fund == lot.row.fund && kinds.contains(&account.kind) && held > 0 {
            legs.push(debit(AccountNumber::after(at), lot.number, held));
            sum = money::add(sum, held);
        }
    }
    (legs, sum)
}

/// What a movement names.
struct Named<'a> {
    from: AccountRef<'a>,
    to: AccountRef<'a>,
    asked: Vec<Asked<'a>>,
}

impl<'a> Named<'a> {
    fn of(case: Case<'a>, movement: &Movement) -> Result<Self, Refusal> {
        let from = case.account(&movement.from)?;
        let to = case.account(&movement.to)?;
        Ok(Self { from, to, asked: case.asked(&movement.draws)? })
    }

    fn in_one_fund(case: Case<'a>, movement: &Movement) -> Result<Self, Refusal> {
        let named = Self::of(case, movement)?;
        named.share_a_fund()?;
        Ok(named)
    }

    fn share_a_fund(&self) -> Result<(), Refusal> {
        same_fund(self.from, self.to)?;
        lots_of_fund(self.from, &self.asked)
    }
}

fn move_authority(
    case: Case<'_>,
    movement: &Movement,
    named: &Named<'_>,
    payload: Payload,
) -> Result<Decision, Refusal> {
    let Named { from, to, asked } = named;
    let fund = case.fund_at(from.row.fund)?;
    case.admit(fund, movement.amount.minor(), Checkers::Needed)?;
    add_up(movement.amount, asked)?;
    case.is_free(&[*from], asked)?;
    let draws = case.draws(*from, movement.amount, asked, Spending::default())?;
    case.settle(fund, transfer(from.number, to.number, &draws), payload, Freezes::Hold)
}

fn transfer(from: AccountNumber, to: AccountNumber, draws: &[(LotNumber, i64)]) -> Vec<Leg> {
    let debits = draws.iter().map(|(lot, drawn)| debit(from, *lot, *drawn));
    let credits = draws.iter().map(|(lot, drawn)| credit(to, *lot, *drawn));
    debits.chain(credits).collect()
}

fn same_unit(from: AccountRef<'_>, to: AccountRef<'_>) -> Result<(), Refusal> {
    if from.row.unit == to.row.unit {
        return Ok(());
    }
    Err(Refusal::new(Reason::AccountKindNotAllowed)
        .with("account", &from.row.account_id)
        .with("other_account", &to.row.account_id))
}

/// The accounts an order may draw on, and the unit's own authority too where the policy makes the plan optional.
fn plan_first(case: Case<'_>, from: AccountRef<'_>, allowed: &[Kind]) -> Result<(), Refusal> {
    if from.row.kind != Kind::AuthorityUnit {
        return kind_is(from, allowed);
    }
    match case.plan_step(case.fund_at(from.row.fund)?.row) {
        PlanStep::Optional => Ok(()),
        PlanStep::Required => Err(Refusal::new(Reason::NoPlan).with("account", &from.row.account_id)),
    }
}

fn paying_unit(case: Case<'_>, payment: &ExecutePayment, from: AccountRef<'_>) -> Result<UnitNumber, Refusal> {
    let named = match &payment.unit {
        None => None,
        Some(unit_id) => match case.state.unit_names.get(unit_id) {
            Some(unit) => Some(*unit),
            None => return Err(Refusal::new(Reason::UnitNotFound).with("unit", unit_id)),
        },
    };
    let own = Some(from.row.unit).filter(|unit| *unit != UnitNumber::default());
    match (own, named) {
        (Some(own), None) => Ok(own),
        (Some(own), Some(named)) if own == named => Ok(own),
        (None, Some(named)) => Ok(named),
        (Some(_), Some(_)) | (None, None) => {
            Err(Refusal::new(Reason::UnitNotFound).with("account", &from.row.account_id))
        }
    }
}

fn contract_of<'a>(case: Case<'a>, contract_id: &ContractId) -> Result<&'a Contract, Refusal> {
    let number = case.state.contract_names.get(contract_id).copied();
    let found = number.and_then(|number| case.state.contract(number));
    found.ok_or_else(|| Refusal::new(Reason::ContractNotFound).with("contract", contract_id))
}

fn contract_of_fund(contract: &Contract, fund: FundNumber) -> Result<(), Refusal> {
    if contract.fund == fund {
        return Ok(());
    }
    Err(Refusal::new(Reason::FundMixed).with("contract", &contract.contract_id))
}

/// A payment's relation to its contract: to the contractor, and within what is committed.
fn under_contract(
    payment: &ExecutePayment,
    contract: Option<&Contract>,
    from: AccountRef<'_>,
    asked: &[Asked<'_>],
) -> Result<(), Refusal> {
    let Some(contract) = contract else {
        if from.row.kind == Kind::AuthorityCommitted {
            return Err(Refusal::new(Reason::ContractNotFound).with("account", &from.row.account_id));
        }
        return Ok(());
    };
    if contract.payee != payment.payee {
        return Err(Refusal::new(Reason::PayeeMismatch).with("contract", &contract.contract_id));
    }
    if from.row.kind == Kind::AuthorityCommitted {
        within_contract(contract, from, payment.amount.minor())?;
        return each_within_contract(contract, from, asked);
    }
    if from.row.kind == Kind::AuthorityCarry {
        return over_contract(contract, contract.carried_minor, payment.amount.minor());
    }
    Err(Refusal::new(Reason::AccountKindNotAllowed)
        .with("account", &from.row.account_id)
        .with("kind", from.row.kind.as_str())
        .with("contract", &contract.contract_id))
}

fn within_contract(contract: &Contract, from: AccountRef<'_>, asked: i64) -> Result<(), Refusal> {
    let in_account = contract.open.iter().filter(|((account, _), _)| *account == from.number);
    let open = in_account.fold(0, |sum, (_, open)| money::add(sum, *open));
    over_contract(contract, open, asked)
}

fn over_contract(contract: &Contract, open: i64, asked: i64) -> Result<(), Refusal> {
    if asked <= open {
        return Ok(());
    }
    Err(Refusal::new(Reason::OverContract)
        .with("contract", &contract.contract_id)
        .with("available_minor", open)
        .with("asked_minor", asked))
}

/// Automatic draws keep within the contract by themselves.
fn each_within_contract(contract: &Contract, from: AccountRef<'_>, asked: &[Asked<'_>]) -> Result<(), Refusal> {
    for Asked { lot, amount_minor } in asked {
        let open = contract.open_minor(from.number, lot.number);
        over_contract(contract, open, *amount_minor)
            .map_err(|refusal| refusal.with("lot", &lot.row.definition.lot_id))?;
    }
    Ok(())
}

fn in_scope(allowed: &[Code], code: &Code) -> bool {
    allowed.is_empty() || allowed.contains(code)
}

fn payment_of<'a>(case: Case<'a>, payment_id: &PaymentId) -> Result<&'a Payment, Refusal> {
    let found = case.state.payment(payment_id);
    found.ok_or_else(|| Refusal::new(Reason::PaymentNotFound).with("payment", payment_id))
}

pub(super) fn already_reversed(case: Case<'_>, payment: &Payment) -> Refusal {
    let reversal = case.state.reversals.get(&(payment.sequence, payment.operation));
    let refusal = Refusal::new(Reason::AlreadyReversed).with("original_sequence", payment.sequence.0);
    match reversal {
        Some(reversal) => refusal.with("reversal_sequence", reversal.0),
        None => refusal,
    }
}

fn new_bank_reference(case: Case<'_>, bank_reference: &BankReference) -> Result<(), Refusal> {
    match case.state.bank_references.get(bank_reference) {
        None => Ok(()),
        Some(first) => Err(Refusal::new(Reason::DuplicateBankReference)
            .with("bank_reference", bank_reference)
            .with("original_sequence", first.0)),
    }
}

/// The authority account a payment was drawn on, and the USED account it went to.
fn accounts_of_payment<'a>(case: Case<'a>, legs: &[Leg]) -> Option<(AccountRef<'a>, AccountRef<'a>)> {
    let mut source = None;
    let mut used = None;
    for leg in legs {
        let row = case.state.account(leg.account)?;
        let account = AccountRef { number: leg.account, row };
        if row.kind == Kind::AuthorityUsed {
            used = Some(account);
        } else if leg.debit_minor > 0 && row.kind != Kind::FundLot {
            source = Some(account);
        }
    }
    Some((source?, used?))
}

/// Where money of an open lot returns to: the plan it was drawn on. A commitment is not restored by a return (the
/// contract may be at an end): the money goes to the unit's plan, or, where there is none, to its authority.
fn back_to<'a>(case: Case<'a>, source: AccountRef<'a>) -> Result<AccountRef<'a>, Refusal> {
    if source.row.kind != Kind::AuthorityCommitted {
        return Ok(source);
    }
    let of_unit = |kind| case.account_for(source.row.fund, kind, source.row.unit);
    of_unit(Kind::AuthorityPlan).or_else(|_| of_unit(Kind::AuthorityUnit))
}

/// Splits a return over a payment's draws, the last one first, going on where earlier returns stopped: the lot that
/// lapses first was drawn first and is refilled last.
fn refills(legs: &[Leg], source: AccountNumber, returned_before: i64, amount: i64) -> Vec<(LotNumber, i64)> {
    let draws = legs.iter().filter(|leg| leg.account == source && leg.debit_minor > 0);
    let mut skipped = returned_before;
    let mut missing = amount;
    let mut parts = Vec::new();
    for draw in draws.rev() {
        let done = skipped.min(draw.debit_minor);
        skipped = money::subtract(skipped, done);
        let part = missing.min(money::subtract(draw.debit_minor, done));
        if part > 0 {
            parts.push((draw.lot, part));
            missing = money::subtract(missing, part);
        }
    }
    parts
}
