//! A log of every type of event, told by hand: one fund, two lots, from appropriation to recall.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::pb::v1::event::Payload;
use crate::pb::v1::frozen::Scope;
use crate::pb::v1::posted_operation::Payload as Posted;
use crate::pb::v1::{
    AccountKind, AccountOpened, AdjustmentKind, Approval, BudgetAdjusted, BudgetAllocated, BudgetIssued,
    CarriedForward, CashReceived, Cleared, CommandRefused, CommitmentReleased, Committed, DayClosed, Event, Frozen,
    FundDefined, LapsedRecovered, LedgerCreated, Leg, LotOpened, OpeningBalance, PaymentExecuted, PaymentReturned,
    PeriodClosed, PlanApproved, PolicySet, PostedOperation, Reversed, TransactionPosted, Unfrozen,
};

pub(super) const SOURCE: i32 = 1;
pub(super) const UNALLOCATED: i32 = 2;
pub(super) const UNIT: i32 = 3;
pub(super) const PLAN: i32 = 4;
pub(super) const COMMITTED: i32 = 5;
pub(super) const FROZEN: i32 = 6;
pub(super) const USED: i32 = 7;
pub(super) const CARRY: i32 = 8;
pub(super) const RECALLED: i32 = 9;
pub(super) const TREASURY: i32 = 10;
pub(super) const FUND_LOT: i32 = 11;
pub(super) const CLEARING: i32 = 12;
pub(super) const OTHER_UNIT: i32 = 13;
pub(super) const OTHER_FUND: i32 = 14;
/// 2026-01-10.
pub(super) const DAY: i32 = 20_463;

/// (account, lot, amount): above 0 a debit.
pub(super) type Row = (i32, i32, i64);

/// Events with the labels that tests find them by.
pub(super) struct Story {
    pub(super) events: Vec<Event>,
    pub(super) labels: Vec<&'static str>,
    balances: BTreeMap<(i32, i32), i64>,
    pub(super) day: i32,
}

impl Story {
    pub(super) fn new() -> Self {
        let mut story = Self { events: Vec::new(), labels: Vec::new(), balances: BTreeMap::new(), day: DAY };
        story.add(
            "genesis",
            Payload::LedgerCreated(LedgerCreated {
                origin: "test".into(),
                format_version: 1,
                development: true,
                administrators: vec![],
            }),
            &[],
        );
        let genesis = &mut story.events[0];
        genesis.request_id.clear();
        genesis.actor.clear();
        genesis.approvals.clear();
        story
    }

    pub(super) fn add(&mut self, label: &'static str, payload: Payload, rows: &[Row]) -> i64 {
        let at = i64::try_from(self.events.len()).unwrap();
        for (account, lot, amount) in rows {
            let is_debit_normal = matches!(*account, SOURCE | TREASURY | OTHER_FUND);
            *self.balances.entry((*account, *lot)).or_default() += if is_debit_normal { *amount } else { -amount };
        }
        self.labels.push(label);
        self.events.push(Event {
            booked_at_ns: 1_000 + at,
            business_day: self.day,
            request_id: format!("r-{at}"),
            command_digest: vec![7; 16].into(),
            actor: "maker".into(),
            approvals: vec![Approval { actor: "checker".into(), ..Approval::default() }],
            policy_version: 0,
            legs: legs(rows),
            signed: None,
            personal_data: Vec::new(),
            payload: Some(payload),
        });
        at
    }

    pub(super) fn at(&self, label: &str) -> usize {
        self.labels.iter().position(|other| *other == label).unwrap_or_else(|| panic!("no event {label}"))
    }

    fn digest(&self) -> Vec<u8> {
        let mut bytes = b"fundledger trial balance v1\n".to_vec();
        for ((account, lot), balance) in self.balances.iter().filter(|((account, _), _)| *account != OTHER_FUND) {
            if *balance != 0 {
                bytes.extend(account.to_be_bytes());
                bytes.extend(lot.to_be_bytes());
                bytes.extend(balance.to_be_bytes());
            }
        }
        Sha256::digest(&bytes).to_vec()
    }
}

pub(super) fn legs(rows: &[Row]) -> Vec<Leg> {
    rows.iter()
        .map(|(account, lot, amount_minor)| Leg { account: *account, lot: *lot, amount_minor: *amount_minor })
        .collect()
}

pub(super) fn lot(number: i32) -> LotOpened {
    LotOpened { lot: number, lot_id: format!("lot-{number}"), fund: 1, ..LotOpened::default() }
}

pub(super) fn payment(id: &str) -> Payload {
    Payload::PaymentExecuted(PaymentExecuted { payment_id: id.into(), ..PaymentExecuted::default() })
}

pub(super) fn cleared(ids: &[&str]) -> Payload {
    let payment_ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
    Payload::Cleared(Cleared { bank_reference: format!("bank {}", payment_ids.concat()), payment_ids })
}

pub(super) fn returned(id: &str, original_sequence: i64) -> Payload {
    Payload::PaymentReturned(PaymentReturned { payment_id: id.into(), original_sequence, ..PaymentReturned::default() })
}

pub(super) fn reversed(original_sequence: i64, payment_id: &str) -> Payload {
    Payload::Reversed(Reversed { original_sequence, payment_id: payment_id.into(), ..Reversed::default() })
}

fn operation(leg_count: i32, payload: Posted) -> PostedOperation {
    PostedOperation { leg_count, payload: Some(payload), ..PostedOperation::default() }
}

fn adjusted(kind: AdjustmentKind) -> Payload {
    Payload::BudgetAdjusted(BudgetAdjusted { kind: kind.into(), ..BudgetAdjusted::default() })
}

pub(super) fn issued(number: i32) -> Payload {
    Payload::BudgetIssued(BudgetIssued { lot: Some(lot(number)) })
}

pub(super) fn day_closed(day: i32) -> Payload {
    Payload::DayClosed(DayClosed { fund: 1, day })
}

/// The whole story. All of it verifies.
pub(super) fn story() -> Story {
    let mut s = Story::new();
    s.add("fund", Payload::FundDefined(FundDefined { fund: 1, family: 1, ..FundDefined::default() }), &[]);
    s.add("other fund", Payload::FundDefined(FundDefined { fund: 2, family: 1, ..FundDefined::default() }), &[]);
    let policy = PolicySet { policy_id: "p".into(), version: 1, ..PolicySet::default() };
    s.add("policy", Payload::PolicySet(policy), &[]);
    let kinds = [1, 2, 3, 4, 5, 6, 7, 8, 9, 20, 40, 41, 3];
    for (account, kind) in (1..).zip(kinds) {
        let opened = AccountOpened { account, fund: 1, kind, ..AccountOpened::default() };
        s.add("account", Payload::AccountOpened(opened), &[]);
    }
    let kind = AccountKind::Treasury.into();
    s.add(
        "other account",
        Payload::AccountOpened(AccountOpened { account: 14, fund: 2, kind, ..AccountOpened::default() }),
        &[],
    );
    let opening = OpeningBalance { fund: 1, lots: vec![lot(1)], ..OpeningBalance::default() };
    s.add(
        "opening",
        Payload::OpeningBalance(opening),
        &[(SOURCE, 1, 500), (UNIT, 1, -300), (USED, 1, -200), (TREASURY, 0, 100), (FUND_LOT, 1, -100)],
    );
    s.add("issue", issued(2), &[(SOURCE, 2, 1_000), (UNALLOCATED, 2, -1_000)]);
    let allocated = || Payload::BudgetAllocated(BudgetAllocated::default());
    s.add("allocate", allocated(), &[(UNALLOCATED, 2, 900), (UNIT, 2, -900)]);
    let extra = s.add("allocate more", allocated(), &[(UNALLOCATED, 2, 40), (UNIT, 2, -40)]);
    s.add("reverse allocation", reversed(extra, ""), &[(UNALLOCATED, 2, -40), (UNIT, 2, 40)]);
    s.add("supplement", adjusted(AdjustmentKind::Supplement), &[(SOURCE, 2, 60), (UNALLOCATED, 2, -60)]);
    let less = s.add("reduce", adjusted(AdjustmentKind::Reduction), &[(UNIT, 2, 30), (SOURCE, 2, -30)]);
    s.add("reverse reduction", reversed(less, ""), &[(UNIT, 2, -30), (SOURCE, 2, 30)]);
    s.add("reallocate", adjusted(AdjustmentKind::Reallocation), &[(UNIT, 2, 10), (OTHER_UNIT, 2, -10)]);
    let plan = || Payload::PlanApproved(PlanApproved::default());
    s.add("plan", plan(), &[(UNIT, 1, 300), (UNIT, 2, 600), (PLAN, 1, -300), (PLAN, 2, -600)]);
    let contract = Committed { contract_id: "k".into(), ..Committed::default() };
    s.add("commit", Payload::Committed(contract), &[(PLAN, 2, 200), (COMMITTED, 2, -200)]);
    let release = CommitmentReleased { contract_id: "k".into() };
    s.add("release", Payload::CommitmentReleased(release), &[(COMMITTED, 2, 50), (PLAN, 2, -50)]);
    let frozen = Frozen { case_id: "c".into(), scope: Some(Scope::Account(PLAN)), ..Frozen::default() };
    s.add("freeze", Payload::Frozen(frozen), &[(PLAN, 2, 20), (FROZEN, 2, -20)]);
    let whole = Frozen { case_id: "d".into(), scope: Some(Scope::Lot(2)), ..Frozen::default() };
    s.add("freeze lot", Payload::Frozen(whole), &[]);
    s.add("unfreeze", Payload::Unfrozen(Unfrozen { case_id: "c".into() }), &[(PLAN, 2, -20), (FROZEN, 2, 20)]);
    s.add("unfreeze lot", Payload::Unfrozen(Unfrozen { case_id: "d".into() }), &[]);
    let cash = || Payload::CashReceived(CashReceived::default());
    s.add("cash 1", cash(), &[(TREASURY, 0, 200), (FUND_LOT, 1, -200)]);
    s.add("cash 2", cash(), &[(TREASURY, 0, 700), (FUND_LOT, 2, -700)]);
    let wrong = s.add("cash 3", cash(), &[(TREASURY, 0, 5), (FUND_LOT, 2, -5)]);
    s.add("reverse cash", reversed(wrong, ""), &[(TREASURY, 0, -5), (FUND_LOT, 2, 5)]);
    let paid_a = s.add(
        "pay a",
        payment("a"),
        &[
            (PLAN, 1, 100),
            (PLAN, 2, 50),
            (USED, 1, -100),
            (USED, 2, -50),
            (FUND_LOT, 1, 100),
            (FUND_LOT, 2, 50),
            (CLEARING, 0, -150),
        ],
    );
    let pay =
        |from: i32, amount: i64| [(from, 2, amount), (USED, 2, -amount), (FUND_LOT, 2, amount), (CLEARING, 0, -amount)];
    let paid_b = s.add("pay b", payment("b"), &pay(COMMITTED, 80));
    let paid_c = s.add("pay c", payment("c"), &pay(PLAN, 30));
    let mirror = pay(PLAN, 30).map(|(account, lot, amount)| (account, lot, -amount));
    s.add("reverse c", reversed(paid_c, "c"), &mirror);
    let operations = vec![
        operation(2, Posted::BudgetAllocated(BudgetAllocated::default())),
        operation(2, Posted::PlanApproved(PlanApproved::default())),
        operation(4, Posted::PaymentExecuted(PaymentExecuted { payment_id: "t".into(), ..Default::default() })),
    ];
    let rows = [(UNALLOCATED, 2, 20), (UNIT, 2, -20), (UNIT, 2, 15), (PLAN, 2, -15)].into_iter().chain(pay(PLAN, 5));
    let rows: Vec<Row> = rows.collect();
    let together = s.add("transact", Payload::TransactionPosted(TransactionPosted { operations }), &rows);
    let third = Reversed { original_sequence: together, payment_id: "t".into(), operation: 3, ..Reversed::default() };
    let mirror = pay(PLAN, 5).map(|(account, lot, amount)| (account, lot, -amount));
    s.add("reverse t", Payload::Reversed(third), &mirror);
    s.add("clear", cleared(&["a", "b"]), &[(CLEARING, 0, 230), (TREASURY, 0, -230)]);
    s.add(
        "return a",
        returned("a", paid_a),
        &[
            (TREASURY, 0, 60),
            (FUND_LOT, 2, -50),
            (USED, 2, 50),
            (PLAN, 2, -50),
            (FUND_LOT, 1, -10),
            (USED, 1, 10),
            (PLAN, 1, -10),
        ],
    );
    s.add("return b", returned("b", paid_b), &[(TREASURY, 0, 5), (FUND_LOT, 2, -5), (USED, 2, 5), (PLAN, 2, -5)]);
    s.add("refuse", Payload::CommandRefused(CommandRefused::default()), &[]);
    s.add("close day", day_closed(DAY), &[]);
    s.day = DAY + 1;
    s.add("cash 4", cash(), &[(TREASURY, 0, 100), (FUND_LOT, 2, -100)]);
    let sealed = PeriodClosed { fund: 1, period: 202_601, trial_balance_sha256: s.digest().into() };
    s.add("close month", Payload::PeriodClosed(sealed), &[]);
    s.day = DAY + 400;
    let held = |s: &Story, account: i32| s.balances[&(account, 2)];
    let (unit, plan_left, committed) = (held(&s, UNIT), held(&s, PLAN), held(&s, COMMITTED));
    s.add(
        "carry",
        Payload::CarriedForward(CarriedForward { lot: 2, year: 2026 }),
        &[(UNIT, 2, unit), (PLAN, 2, plan_left), (COMMITTED, 2, committed), (CARRY, 2, -unit - plan_left - committed)],
    );
    let paid_d = s.add("pay d", payment("d"), &pay(CARRY, 90));
    s.add("clear d", cleared(&["d"]), &[(CLEARING, 0, 90), (TREASURY, 0, -90)]);
    s.add(
        "return carried",
        returned("d", paid_d),
        &[(TREASURY, 0, 7), (FUND_LOT, 2, -7), (USED, 2, 7), (CARRY, 2, -7)],
    );
    let sealed = PeriodClosed { fund: 1, period: 202_602, trial_balance_sha256: s.digest().into() };
    s.add("close next month", Payload::PeriodClosed(sealed), &[]);
    let (carry, rest, cash_left) = (held(&s, CARRY), held(&s, UNALLOCATED), held(&s, FUND_LOT));
    let other = held(&s, OTHER_UNIT);
    s.add(
        "recover",
        Payload::LapsedRecovered(LapsedRecovered { lot: 2, ..LapsedRecovered::default() }),
        &[
            (UNALLOCATED, 2, rest),
            (OTHER_UNIT, 2, other),
            (CARRY, 2, carry),
            (RECALLED, 2, -rest - carry - other),
            (FUND_LOT, 2, cash_left),
            (TREASURY, 0, -cash_left),
        ],
    );
    s.add(
        "return recalled",
        returned("d", paid_d),
        &[(TREASURY, 0, 3), (FUND_LOT, 2, -3), (USED, 2, 3), (RECALLED, 2, -3), (FUND_LOT, 2, 3), (TREASURY, 0, -3)],
    );
    s
}
