//! Special (earmarked) funds, 专项资金: authority from appropriation to commitment, carry-over and recall.
//!
//! First the budget, then the authority, then the spending (先有预算、再有指标、后有支出).

use super::contracts::{contract_of, contract_of_fund, each_within_contract, within_contract};
use super::guard::{
    AccountRef, Asked, Case, Checkers, Freezes, LotRef, Spending, add_up, credit, debit, kind_is, lots_of_fund,
    same_fund,
};
use super::procurement::{commitment_fits, registered_to};
use super::setup::{new_document, new_lot};
use crate::domain::account::AccountKind as Kind;
use crate::domain::command::{Adjustment, Movement};
use crate::domain::event::{AdjustmentKind, Decision, Leg, Payload};
use crate::domain::fund::{LotDefinition, LotOpened, LotStage, PlanStep};
use crate::domain::ids::{
    AccountId, AccountNumber, Code, ContractId, DocumentNumber, IssuerId, LegalBasis, LotId, LotNumber, PayeeRef,
    UnitNumber,
};
use crate::domain::money::{self, Amount};
use crate::domain::profile::CarryRule;
use crate::domain::refusal::{Reason, Refusal};

/// 指标下达: an appropriation opens a lot. Dr SOURCE, Cr UNALLOCATED.
pub(super) fn issue_budget(
    case: Case<'_>,
    lot: LotDefinition,
    to: &AccountId,
    amount: Amount,
) -> Result<Decision, Refusal> {
    let to = case.account(to)?;
    let fund = case.fund_at(to.row.fund)?;
    let lot = new_lot(case, fund, lot)?;
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
    let registered = registered_to(case, &contract_id, from.row.fund)?;
    plan_first(case, from, &[Kind::AuthorityPlan])?;
    kind_is(to, &[Kind::AuthorityCommitted])?;
    same_unit(from, to)?;
    let fund = case.fund_at(from.row.fund)?;
    let is_asked_for = case.policy(fund.row).is_some_and(|policy| policy.terms.registered_contracts_only);
    if is_asked_for && registered.is_none() {
        return Err(Refusal::new(Reason::ContractUnregistered).with("contract", &contract_id));
    }
    let fits = || {
        if registered.is_some_and(|contract| contract.supplier != payee) {
            return Err(Refusal::new(Reason::PayeeMismatch).with("contract", &contract_id));
        }
        commitment_fits(case, &contract_id, ocid.as_ref(), movement.amount.minor())
    };
    let legs = draw_authority(case, movement, &named, fits)?;
    case.settle(fund, legs, Payload::Committed { contract_id, ocid, payee }, Freezes::Hold)
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

/// 年终结转: PLAN, UNIT and COMMITTED of a lot to CARRY (预算法§42).
pub(super) fn carry_forward(case: Case<'_>, lot_id: &LotId, year: i32) -> Result<Decision, Refusal> {
    let lot = case.lot(lot_id)?;
    let fund = case.fund_at(lot.row.fund)?;
    let carry = case.account_for(fund.number, Kind::AuthorityCarry, UnitNumber::default())?;
    let sources = [Kind::AuthorityPlan, Kind::AuthorityUnit, Kind::AuthorityCommitted];
    let (mut legs, sum) = emptied(case, lot, &sources);
    case.admit(fund, sum, Checkers::Needed)?;
    let definition = &fund.row.definition;
    if definition.profile.carry_rule() == CarryRule::YearEnd {
        return Err(Refusal::new(Reason::CarryNotAllowed)
            .with("carry_rule", CarryRule::YearEnd.as_str())
            .with("fund", &definition.fund_id)
            .with("lot", lot_id));
    }
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
    if !has_lapsed(case, lot, fund.row.definition.profile.carry_rule()) {
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

/// A lot lapses on its last day; one without a last day, in a year after the one it was carried over from, unless its fund's
/// money lasts until it is spent.
fn has_lapsed(case: Case<'_>, lot: LotRef<'_>, rule: CarryRule) -> bool {
    match (lot.row.definition.expires_on, lot.row.stage) {
        (Some(last_day), _) => case.date() >= last_day,
        (None, LotStage::Carried { year }) => rule != CarryRule::UntilSpent && case.date().year() > year,
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
    let legs = draw_authority(case, movement, named, || Ok(()))?;
    case.settle(case.fund_at(named.from.row.fund)?, legs, payload, Freezes::Hold)
}

/// The legs of a movement that is admitted, once `fits` lets it pass.
fn draw_authority(
    case: Case<'_>,
    movement: &Movement,
    named: &Named<'_>,
    fits: impl FnOnce() -> Result<(), Refusal>,
) -> Result<Vec<Leg>, Refusal> {
    let Named { from, to, asked } = named;
    case.admit(case.fund_at(from.row.fund)?, movement.amount.minor(), Checkers::Needed)?;
    fits()?;
    add_up(movement.amount, asked)?;
    case.is_free(&[*from], asked)?;
    let draws = case.draws(*from, movement.amount, asked, Spending::default())?;
    Ok(transfer(from.number, to.number, &draws))
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
pub(super) fn plan_first(case: Case<'_>, from: AccountRef<'_>, allowed: &[Kind]) -> Result<(), Refusal> {
    if from.row.kind != Kind::AuthorityUnit {
        return kind_is(from, allowed);
    }
    match case.plan_step(case.fund_at(from.row.fund)?.row) {
        PlanStep::Optional => Ok(()),
        PlanStep::Required => Err(Refusal::new(Reason::NoPlan).with("account", &from.row.account_id)),
    }
}
