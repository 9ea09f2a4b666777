//! A log of the families of public money, told by hand: one fund of each, with the numbers of the rules' worked examples.

use sha2::{Digest, Sha256};

use super::story::{Row, Story, cleared, lot, returned, reversed};
use crate::pb::v1::event::Payload;
use crate::pb::v1::posted_operation::Payload as Posted;
use crate::pb::v1::{
    AccountClosed, AccountKind as Kind, AccountOpened, BenefitPaid, BenefitRecovered, ContributionKind,
    ContributionLine, ContributionReceived, EligibilityFact, EligibilityRecorded, EntitlementDetermined,
    EstimateApproved, FundDefined, FundsMoved, HousingWithdrawn, IncomeReceived, InterestCredited, InterestLine,
    InterestMethod, LoanIssued, LoanRepaid, NontaxCollected, NontaxNoticed, NontaxRefunded, NontaxSplit,
    OpeningBalance, PaymentExecuted, Payout, PeriodClosed, PolicyItem, PolicyRate, PolicySet, PolicySplit, PolicyTerms,
    PostedOperation, RelationTransferred, ShareDue, SplitShare, SurplusDistributed, TransactionPosted,
    TransferDirection,
};

pub(super) const INVESTMENT: i32 = 1;
pub(super) const RELIEF: i32 = 2;
pub(super) const NONTAX: i32 = 3;
pub(super) const PENSION: i32 = 4;
pub(super) const RESIDENTS: i32 = 5;
pub(super) const HOUSING: i32 = 6;

// Accounts of the funds of authority: source, unit, used, treasury, lots, clearing.
pub(super) const INVEST: [i32; 6] = [1, 2, 3, 4, 5, 6];
pub(super) const RELIEVE: [i32; 6] = [7, 8, 9, 10, 11, 12];
pub(super) const TREASURY: i32 = 13;
pub(super) const PENDING: i32 = 14;
pub(super) const UPPER: i32 = 15;
pub(super) const SHARE: i32 = 16;
pub(super) const LOWER: i32 = 17;
pub(super) const INCOME: i32 = 18;
pub(super) const FISCAL: i32 = 19;
pub(super) const PAYOUT: i32 = 20;
pub(super) const POOL: i32 = 21;
pub(super) const OF_A: i32 = 22;
pub(super) const OF_B: i32 = 23;
pub(super) const OF_C: i32 = 24;
pub(super) const BOND: i32 = 25;
pub(super) const PENSION_UPPER: i32 = 26;
pub(super) const OTHER_FISCAL: i32 = 27;
pub(super) const OTHER_POOL: i32 = 28;
pub(super) const OTHER_OF_A: i32 = 29;
pub(super) const OTHER_PAYOUT: i32 = 30;
pub(super) const DEPOSIT: i32 = 31;
pub(super) const SURPLUS_DEPOSIT: i32 = 32;
pub(super) const LOAN: i32 = 33;
pub(super) const HOME_OF_A: i32 = 34;
pub(super) const SURPLUS: i32 = 35;
pub(super) const RISK: i32 = 36;
pub(super) const FEE: i32 = 37;
pub(super) const LOW_RENT: i32 = 38;
pub(super) const HOME_OF_B: i32 = 39;
/// The number of the account that is opened next.
pub(super) const NEXT: i32 = 40;

/// A pseudonym.
pub(super) fn person(of: u8) -> Vec<u8> {
    vec![of; 16]
}

/// Days since 1970-01-01.
pub(super) fn day(year: i32, month: i32, day: i32) -> i32 {
    let (shifted, from_march) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = shifted / 4 - shifted / 100 + shifted / 400;
    shifted * 365 + leap_days + (from_march * 153 + 2) / 5 + day - 1 - 719_468
}

fn split(code: &str, shares: &[(&str, i32)]) -> PolicySplit {
    let share = |(recipient, weight): &(&str, i32)| SplitShare { recipient: (*recipient).into(), weight: *weight };
    PolicySplit { code: code.into(), shares: shares.iter().map(share).collect() }
}

fn item(code: &str, from_pool: bool, from_personal: bool, max_amount_minor: i64) -> PolicyItem {
    PolicyItem { code: code.into(), from_pool, from_personal, max_amount_minor }
}

fn rates(rates: &[(i32, i32)]) -> Vec<PolicyRate> {
    rates.iter().map(|(kind, ppm)| PolicyRate { kind: *kind, ppm: *ppm }).collect()
}

fn policies() -> Vec<(&'static str, PolicyTerms)> {
    vec![
        (
            "nontax",
            PolicyTerms {
                splits: vec![
                    split("fine", &[("upper", 20), ("share", 30), ("lower", 50)]),
                    split("lost", &[("gone", 1)]),
                ],
                ..PolicyTerms::default()
            },
        ),
        (
            "pension",
            PolicyTerms {
                rates: rates(&[(1, 160_000), (2, 80_000), (4, 500), (5, 120_000), (6, 26_200)]),
                items: vec![
                    item("account", false, true, 0),
                    item("basic", true, false, 0),
                    item("both", true, true, 500_000),
                ],
                interest_method: InterestMethod::OpeningBalance.into(),
                empty_income_at_month_end: true,
                ..PolicyTerms::default()
            },
        ),
        ("residents", PolicyTerms { items: vec![item("basic", true, false, 0)], ..PolicyTerms::default() }),
        (
            "housing",
            PolicyTerms {
                rates: rates(&[(1, 120_000), (2, 120_000), (6, 15_000), (7, 26_000)]),
                splits: vec![split("surplus", &[("risk", 60), ("fee", 15), ("low-rent", 25)])],
                withdrawal_reasons: vec!["PURCHASE".into()],
                interest_method: InterestMethod::DayProduct.into(),
                ..PolicyTerms::default()
            },
        ),
        (
            "relief",
            PolicyTerms {
                splits: vec![split("education", &[("centre", 50), ("province", 30), ("county", 20)])],
                items: vec![item("relief", false, false, 50_000)],
                ..PolicyTerms::default()
            },
        ),
    ]
}

/// A story whose events are each decided by the first version of their policy.
pub(super) fn add(story: &mut Story, label: &'static str, on: i32, payload: Payload, rows: &[Row]) -> i64 {
    story.day = on;
    let at = story.add(label, payload, rows);
    story.events.last_mut().unwrap().policy_version = 1;
    at
}

pub(super) fn account(number: i32, fund: i32, kind: Kind, owner: &[u8]) -> AccountOpened {
    let account_id = match number {
        UPPER => "upper".into(),
        SHARE => "share".into(),
        LOWER => "lower".into(),
        RISK => "risk".into(),
        FEE => "fee".into(),
        LOW_RENT => "low-rent".into(),
        _ => format!("account-{number}"),
    };
    let (kind, person) = (kind.into(), owner.to_vec().into());
    AccountOpened { account: number, account_id, fund, kind, person, ..AccountOpened::default() }
}

fn set_up(s: &mut Story) {
    for (policy_id, terms) in policies() {
        let set = PolicySet { policy_id: policy_id.into(), version: 1, terms: Some(terms), ..PolicySet::default() };
        s.add("policy", Payload::PolicySet(set), &[]);
    }
    let funds = [
        ("investment", 3, 0, ""),
        ("relief", 1, 3, "relief"),
        ("nontax", 4, 0, "nontax"),
        ("pension", 5, 11, "pension"),
        ("residents", 5, 12, "residents"),
        ("housing", 6, 0, "housing"),
    ];
    for (fund, (fund_id, family, scheme, policy_id)) in (1..).zip(funds) {
        let exclusive_with = if fund == RESIDENTS { vec!["pension".into()] } else { vec![] };
        let (fund_id, policy_id) = (fund_id.to_owned(), policy_id.to_owned());
        let defined =
            FundDefined { fund, fund_id, family, scheme, policy_id, exclusive_with, ..FundDefined::default() };
        s.add(if fund == PENSION { "fund pension" } else { "fund" }, Payload::FundDefined(defined), &[]);
    }
    let authority = [
        Kind::AuthoritySource,
        Kind::AuthorityUnit,
        Kind::AuthorityUsed,
        Kind::Treasury,
        Kind::FundLot,
        Kind::Clearing,
    ];
    let nobody = vec![];
    let mut rows: Vec<(i32, Kind, Vec<u8>)> = Vec::new();
    for fund in [INVESTMENT, RELIEF] {
        rows.extend(authority.map(|kind| (fund, kind, vec![])));
    }
    let more = [
        (NONTAX, Kind::Treasury, nobody.clone()),
        (NONTAX, Kind::NontaxPending, nobody.clone()),
        (NONTAX, Kind::PayableUpper, nobody.clone()),
        (NONTAX, Kind::NontaxShare, nobody.clone()),
        (NONTAX, Kind::PayableLower, nobody.clone()),
        (PENSION, Kind::Income, nobody.clone()),
        (PENSION, Kind::FiscalSpecial, nobody.clone()),
        (PENSION, Kind::Payout, nobody.clone()),
        (PENSION, Kind::Pool, nobody.clone()),
        (PENSION, Kind::Personal, person(1)),
        (PENSION, Kind::Personal, person(2)),
        (PENSION, Kind::Personal, person(3)),
        (PENSION, Kind::Bond, nobody.clone()),
        (PENSION, Kind::PayableUpper, nobody.clone()),
        (RESIDENTS, Kind::FiscalSpecial, nobody.clone()),
        (RESIDENTS, Kind::Pool, nobody.clone()),
        (RESIDENTS, Kind::Personal, person(1)),
        (RESIDENTS, Kind::Payout, nobody.clone()),
        (HOUSING, Kind::HousingDeposit, nobody.clone()),
        (HOUSING, Kind::HousingSurplusDeposit, nobody.clone()),
        (HOUSING, Kind::Loan, nobody.clone()),
        (HOUSING, Kind::HousingPersonal, person(1)),
        (HOUSING, Kind::Surplus, nobody.clone()),
        (HOUSING, Kind::RiskReserve, nobody.clone()),
        (HOUSING, Kind::ManagementFeePayable, nobody.clone()),
        (HOUSING, Kind::LowRentHousing, nobody),
        (HOUSING, Kind::HousingPersonal, person(2)),
    ];
    rows.extend(more);
    for (number, (fund, kind, owner)) in (1..).zip(rows) {
        let label = match number {
            OF_A => "open a",
            BOND => "open bond",
            SHARE => "open share",
            HOME_OF_B => "open home b",
            _ => "account",
        };
        s.add(label, Payload::AccountOpened(account(number, fund, kind, &owner)), &[]);
    }
    assert_eq!(s.events.len(), s.at("open home b") + 1);
}

fn open(s: &mut Story, fund: i32, label: &'static str, on: i32, lots: &[i32], rows: &[Row]) {
    let lots = lots.iter().map(|number| crate::pb::v1::LotOpened { fund, ..lot(*number) }).collect();
    add(s, label, on, Payload::OpeningBalance(OpeningBalance { fund, lots, ..OpeningBalance::default() }), rows);
}

/// The legs of a payment from the unit's authority.
pub(super) fn pay(of: [i32; 6], lot: i32, amount: i64) -> Vec<Row> {
    let [_, unit, used, _, lots, clearing] = of;
    vec![(unit, lot, amount), (used, lot, -amount), (lots, lot, amount), (clearing, 0, -amount)]
}

fn back(of: [i32; 6], lot: i32, amount: i64) -> Vec<Row> {
    let [_, unit, used, treasury, lots, _] = of;
    vec![(treasury, 0, amount), (lots, lot, -amount), (used, lot, amount), (unit, lot, -amount)]
}

pub(super) fn project(payment_id: &str, project_id: &str) -> Payload {
    let (payment_id, project_id) = (payment_id.into(), project_id.into());
    Payload::PaymentExecuted(PaymentExecuted { payment_id, project_id, ..PaymentExecuted::default() })
}

pub(super) fn payout_of(payment_id: &str, payee: u8, item_code: &str, period: i32) -> PaymentExecuted {
    let payout = Payout { item_code: item_code.into(), period, ..Payout::default() };
    let (payment_id, payee) = (payment_id.into(), person(payee).into());
    PaymentExecuted { payment_id, payee, payout: Some(payout), ..PaymentExecuted::default() }
}

pub(super) fn payout(payment_id: &str, payee: u8, period: i32) -> Payload {
    Payload::PaymentExecuted(payout_of(payment_id, payee, "relief", period))
}

pub(super) fn estimate(project_id: &str, fund: i32, amount_minor: i64) -> Payload {
    Payload::EstimateApproved(EstimateApproved {
        project_id: project_id.into(),
        fund,
        amount_minor,
        ..EstimateApproved::default()
    })
}

pub(super) fn line(account: i32, base_minor: i64, employer_minor: i64, personal_minor: i64) -> ContributionLine {
    ContributionLine { account, base_minor, employer_minor, personal_minor, personal_pooled_minor: 0 }
}

pub(super) fn contribution(period: i32, lines: Vec<ContributionLine>) -> ContributionReceived {
    let kind = ContributionKind::Regular.into();
    ContributionReceived { period, kind, lines, ..ContributionReceived::default() }
}

pub(super) fn benefit(payment_id: &str, account: i32, item_code: &str, period: i32) -> Payload {
    let (payment_id, item_code) = (payment_id.into(), item_code.into());
    Payload::BenefitPaid(BenefitPaid { payment_id, account, item_code, period, ..BenefitPaid::default() })
}

pub(super) fn recovered(payment_id: &str, original_sequence: i64) -> Payload {
    let payment_id = payment_id.into();
    Payload::BenefitRecovered(BenefitRecovered { payment_id, original_sequence, ..BenefitRecovered::default() })
}

pub(super) fn known(owner: u8, fact: EligibilityFact, effective_day: i32, fund: i32) -> Payload {
    let (person, fact) = (person(owner).into(), fact.into());
    Payload::EligibilityRecorded(EligibilityRecorded { person, fact, effective_day, fund, source: "register".into() })
}

pub(super) fn transferred(direction: TransferDirection, account: i32, wage_base_minor: i64) -> Payload {
    let direction = direction.into();
    Payload::RelationTransferred(RelationTransferred {
        direction,
        account,
        wage_base_minor,
        ..RelationTransferred::default()
    })
}

pub(super) fn interest(
    fund: i32,
    year: i32,
    rate_ppm: i32,
    method: InterestMethod,
    lines: &[(i32, i64, i64)],
) -> Payload {
    let line = |(account, basis, interest_minor): &(i32, i64, i64)| InterestLine {
        account: *account,
        basis: *basis,
        interest_minor: *interest_minor,
    };
    let (method, lines) = (method.into(), lines.iter().map(line).collect());
    Payload::InterestCredited(InterestCredited { fund, year, rate_ppm, method, lines })
}

pub(super) fn noticed(notice_id: &str, item_code: &str, amount_minor: i64) -> Payload {
    let (notice_id, item_code, payer) = (notice_id.into(), item_code.into(), person(9).into());
    Payload::NontaxNoticed(NontaxNoticed { notice_id, fund: NONTAX, payer, item_code, amount_minor, due_day: 0 })
}

pub(super) fn collected(notice_id: &str) -> Payload {
    Payload::NontaxCollected(NontaxCollected { notice_id: notice_id.into(), ..NontaxCollected::default() })
}

pub(super) fn divided(notice_id: &str) -> Payload {
    Payload::NontaxSplit(NontaxSplit { notice_id: notice_id.into() })
}

pub(super) fn refunded(notice_id: &str) -> Payload {
    Payload::NontaxRefunded(NontaxRefunded { notice_id: notice_id.into(), ..NontaxRefunded::default() })
}

pub(super) fn withdrawn(payment_id: &str, account: i32) -> Payload {
    let (payment_id, reason_code) = (payment_id.into(), "PURCHASE".into());
    Payload::HousingWithdrawn(HousingWithdrawn { payment_id, account, reason_code, ..HousingWithdrawn::default() })
}

pub(super) fn loan(loan_id: &str) -> Payload {
    let (account, months, rate_ppm, instalment_minor) = (HOME_OF_A, 360, 26_000, 200_170);
    Payload::LoanIssued(LoanIssued { loan_id: loan_id.into(), account, months, rate_ppm, instalment_minor })
}

pub(super) fn repaid(loan_id: &str, period: i32) -> Payload {
    Payload::LoanRepaid(LoanRepaid { loan_id: loan_id.into(), period, ..LoanRepaid::default() })
}

pub(super) fn moved() -> Payload {
    Payload::FundsMoved(FundsMoved::default())
}

pub(super) fn surplus() -> Payload {
    Payload::SurplusDistributed(SurplusDistributed::default())
}

pub(super) fn closed(account: i32) -> Payload {
    Payload::AccountClosed(AccountClosed { account })
}

fn authority(s: &mut Story) {
    let on = day(2026, 5, 10);
    for (fund, of, lot) in [(INVESTMENT, INVEST, 1), (RELIEF, RELIEVE, 2)] {
        let [source, unit, _, treasury, lots, _] = of;
        let held = 200_000;
        let rows = [(source, lot, held), (unit, lot, -held), (treasury, 0, held), (lots, lot, -held)];
        open(s, fund, "opening", on, &[lot], &rows);
    }
    add(s, "estimate", on, estimate("bridge", INVESTMENT, 800), &[]);
    let first = add(s, "build", on, project("i-1", "bridge"), &pay(INVEST, 1, 500));
    add(s, "clear build", on, cleared(&["i-1"]), &[(INVEST[5], 0, 500), (INVEST[3], 0, -500)]);
    add(s, "return build", on, returned("i-1", first), &back(INVEST, 1, 100));
    add(s, "build more", on, project("i-2", "bridge"), &pay(INVEST, 1, 400));
    let first = add(s, "relieve", on, payout("r-1", 5, 202_605), &pay(RELIEVE, 2, 30_000));
    add(s, "clear relief", on, cleared(&["r-1"]), &[(RELIEVE[5], 0, 30_000), (RELIEVE[3], 0, -30_000)]);
    add(s, "return half", on, returned("r-1", first), &back(RELIEVE, 2, 15_000));
    add(s, "return rest", on, returned("r-1", first), &back(RELIEVE, 2, 15_000));
    let second = add(s, "relieve again", on, payout("r-2", 5, 202_605), &pay(RELIEVE, 2, 50_000));
    let mirror: Vec<Row> = pay(RELIEVE, 2, 50_000).iter().map(|(at, lot, amount)| (*at, *lot, -amount)).collect();
    add(s, "reverse relief", on, reversed(second, "r-2"), &mirror);
    let operation = PostedOperation {
        policy_version: 1,
        leg_count: 4,
        payload: Some(Posted::PaymentExecuted(payout_of("r-3", 5, "relief", 202_605))),
    };
    let transaction = TransactionPosted { operations: vec![operation] };
    add(s, "transact", on, Payload::TransactionPosted(transaction), &pay(RELIEVE, 2, 40_000));
    let shares = [("centre", 53_125_000), ("province", 31_875_000), ("county", 21_250_000)];
    let share = |(recipient, amount_minor): (&str, i64)| ShareDue { recipient: recipient.into(), amount_minor };
    let entitled = EntitlementDetermined {
        fund: RELIEF,
        unit_id: "school".into(),
        item_code: "education".into(),
        period: 202_603,
        head_count: 1_250,
        standard_minor: 85_000,
        shares: shares.map(share).into(),
    };
    add(s, "entitle", on, Payload::EntitlementDetermined(entitled), &[]);
}

fn nontax(s: &mut Story) {
    let on = day(2026, 2, 1);
    add(s, "notice", on, noticed("n-1", "fine", 333_333), &[]);
    add(s, "collect", on, collected("n-1"), &[(TREASURY, 0, 333_333), (PENDING, 0, -333_333)]);
    let parts = [(PENDING, 0, 333_333), (UPPER, 0, -66_667), (SHARE, 0, -100_000), (LOWER, 0, -166_666)];
    add(s, "split", on, divided("n-1"), &parts);
    let parts = [(UPPER, 0, 20_000), (SHARE, 0, 30_000), (LOWER, 0, 50_000), (TREASURY, 0, -100_000)];
    add(s, "refund", on, refunded("n-1"), &parts);
    add(s, "collect again", on, collected("n-1"), &[(TREASURY, 0, 70_000), (PENDING, 0, -70_000)]);
    // What is pending first; the rest of 3 by what the shares hold.
    let parts = [(PENDING, 0, 70_000), (UPPER, 0, 1), (SHARE, 0, 1), (LOWER, 0, 1), (TREASURY, 0, -70_003)];
    add(s, "refund more", on, refunded("n-1"), &parts);
    add(s, "hand up", on, moved(), &[(UPPER, 0, 46_000), (TREASURY, 0, -46_000)]);
}

fn pension(s: &mut Story) {
    let opening = [(FISCAL, 0, 103_000_000), (OF_A, 0, -3_000_000), (POOL, 0, -99_999_000), (PENSION_UPPER, 0, -1_000)];
    open(s, PENSION, "pension opening", day(2025, 12, 31), &[], &opening);
    let on = day(2026, 1, 20);
    let lines = vec![
        line(OF_A, 800_000, 128_000, 64_000),
        line(OF_B, 1_000_000, 160_000, 80_000),
        line(OF_C, 1_200_000, 192_000, 96_000),
    ];
    let received =
        ContributionReceived { late_days: 30, late_fee_minor: 10_800, ..contribution(202_601, lines.clone()) };
    let rows = [(INCOME, 0, 730_800), (POOL, 0, -490_800), (OF_A, 0, -64_000), (OF_B, 0, -80_000), (OF_C, 0, -96_000)];
    add(s, "contribute", on, Payload::ContributionReceived(received), &rows);
    add(s, "pass on", on, moved(), &[(FISCAL, 0, 730_800), (INCOME, 0, -730_800)]);
    let balances = [
        (FISCAL, 103_730_800),
        (POOL, 100_489_800),
        (OF_A, 3_064_000),
        (OF_B, 80_000),
        (OF_C, 96_000),
        (PENSION_UPPER, 1_000),
    ];
    let month = PeriodClosed { fund: PENSION, period: 202_601, trial_balance_sha256: digest(&balances).into() };
    add(s, "close month", day(2026, 2, 1), Payload::PeriodClosed(month), &[]);
    let on = day(2026, 3, 2);
    let out = transferred(TransferDirection::Out, OF_C, 61_000_000);
    add(s, "move out", on, out, &[(POOL, 0, 7_320_000), (OF_C, 0, 96_000), (FISCAL, 0, -7_416_000)]);
    add(s, "close c", on, closed(OF_C), &[]);
    let coming = transferred(TransferDirection::In, OF_B, 0);
    add(s, "move in", on, coming, &[(FISCAL, 0, 50_000), (OF_B, 0, -50_000)]);
    add(s, "to payout", on, moved(), &[(PAYOUT, 0, 10_000_000), (FISCAL, 0, -10_000_000)]);
    let bonds = add(s, "buy bonds", on, moved(), &[(BOND, 0, 1_000), (FISCAL, 0, -1_000)]);
    add(s, "reverse bonds", on, reversed(bonds, ""), &[(BOND, 0, -1_000), (FISCAL, 0, 1_000)]);
    let income = Payload::IncomeReceived(IncomeReceived { source: 1, ..IncomeReceived::default() });
    add(s, "subsidy", on, income, &[(FISCAL, 0, 500), (POOL, 0, -500)]);
    let both = [(POOL, 0, 300_000), (OF_A, 0, 100_000), (PAYOUT, 0, -400_000)];
    let paid = add(s, "benefit", on, benefit("b-1", OF_A, "both", 202_603), &both);
    let first = [(PAYOUT, 0, 100_001), (POOL, 0, -75_001), (OF_A, 0, -25_000)];
    add(s, "recover", on, recovered("b-1", paid), &first);
    let rest = [(PAYOUT, 0, 299_999), (POOL, 0, -224_999), (OF_A, 0, -75_000)];
    add(s, "recover rest", on, recovered("b-1", paid), &rest);
    add(s, "benefit again", on, benefit("b-2", OF_A, "both", 202_603), &both);
    add(s, "work", on, known(2, EligibilityFact::Employed, day(2026, 3, 1), PENSION), &[]);
    add(s, "elsewhere", on, known(2, EligibilityFact::Death, day(2026, 7, 1), RESIDENTS), &[]);
    add(s, "restored", on, known(2, EligibilityFact::Restored, day(2026, 5, 1), 0), &[]);
    let basic = [(POOL, 0, 1_000), (PAYOUT, 0, -1_000)];
    add(s, "benefit before", on, benefit("b-3", OF_B, "basic", 202_602), &basic);
    add(s, "benefit after", on, benefit("b-4", OF_B, "basic", 202_608), &basic);
    let opening = InterestMethod::OpeningBalance;
    let lines = [(OF_A, 3_000_000, 78_600), (OF_B, 0, 0)];
    let credited = interest(PENSION, 2026, 26_200, opening, &lines);
    add(s, "interest", day(2026, 12, 31), credited, &[(POOL, 0, 78_600), (OF_A, 0, -78_600)]);
    let credited = interest(PENSION, 2027, 26_200, opening, &[(OF_A, 3_042_600, 79_716)]);
    add(s, "interest next", day(2027, 12, 31), credited, &[(POOL, 0, 79_716), (OF_A, 0, -79_716)]);
    let other = contribution(202_602, vec![line(OTHER_OF_A, 0, 0, 500)]);
    let rows = [(OTHER_FISCAL, 0, 500), (OTHER_OF_A, 0, -500)];
    add(s, "residents", day(2026, 2, 20), Payload::ContributionReceived(other), &rows);
    let income = Payload::IncomeReceived(IncomeReceived { source: 3, ..IncomeReceived::default() });
    add(s, "income", day(2026, 2, 20), income, &[(OTHER_PAYOUT, 0, 900), (OTHER_POOL, 0, -900)]);
}

fn housing(s: &mut Story) {
    let opening = [
        (DEPOSIT, 0, 103_600_000),
        (SURPLUS_DEPOSIT, 0, 9_000_000),
        (HOME_OF_A, 0, -3_600_000),
        (SURPLUS, 0, -109_000_000),
    ];
    open(s, HOUSING, "housing opening", day(2025, 6, 30), &[], &opening);
    let months = (7..=12).map(|month| (2025, month)).chain((1..=6).map(|month| (2026, month)));
    for (year, month) in months {
        let lines = vec![line(HOME_OF_A, 1_000_000, 120_000, 120_000)];
        let received = Payload::ContributionReceived(contribution(year * 100 + month, lines));
        let label = if month == 8 { "provide" } else { "provide more" };
        add(s, label, day(year, month, 15), received, &[(DEPOSIT, 0, 240_000), (HOME_OF_A, 0, -240_000)]);
    }
    let rows = [(HOME_OF_A, 0, 1_000_000), (DEPOSIT, 0, -1_000_000)];
    let first = add(s, "withdraw", day(2026, 1, 20), withdrawn("w-1", HOME_OF_A), &rows);
    let credited = interest(HOUSING, 2026, 15_000, InterestMethod::DayProduct, &[(HOME_OF_A, 1_679_040_000, 69_960)]);
    add(s, "home interest", day(2026, 6, 30), credited, &[(SURPLUS, 0, 69_960), (HOME_OF_A, 0, -69_960)]);
    let on = day(2026, 7, 10);
    add(s, "give back", on, recovered("w-1", first), &[(DEPOSIT, 0, 1_000), (HOME_OF_A, 0, -1_000)]);
    add(s, "lend", on, loan("l-1"), &[(LOAN, 0, 50_000_000), (DEPOSIT, 0, -50_000_000)]);
    let rows = [(DEPOSIT, 0, 200_170), (LOAN, 0, -91_837), (SURPLUS, 0, -108_333)];
    add(s, "repay", day(2026, 8, 10), repaid("l-1", 202_608), &rows);
    let rows = [(DEPOSIT, 0, 49_908_163 + 108_134), (LOAN, 0, -49_908_163), (SURPLUS, 0, -108_134)];
    add(s, "repay all", day(2026, 9, 10), repaid("l-1", 202_609), &rows);
    add(s, "set aside", on, moved(), &[(SURPLUS_DEPOSIT, 0, 100), (DEPOSIT, 0, -100)]);
    let rows = [(SURPLUS, 0, 5_038_373), (RISK, 0, -3_023_024), (FEE, 0, -755_756), (LOW_RENT, 0, -1_259_593)];
    add(s, "distribute", on, surplus(), &rows);
}

/// The digest of a trial balance, of accounts ascending.
pub(super) fn digest(balances: &[(i32, i64)]) -> Vec<u8> {
    let mut bytes = b"fundledger trial balance v1\n".to_vec();
    for (account, balance) in balances {
        bytes.extend(account.to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend(balance.to_be_bytes());
    }
    Sha256::digest(&bytes).to_vec()
}

/// The whole story. All of it verifies.
pub(super) fn families() -> Story {
    let mut story = Story::new();
    set_up(&mut story);
    authority(&mut story);
    nontax(&mut story);
    pension(&mut story);
    housing(&mut story);
    story
}
