//! Each rule on a case that it finds, and on the nearest one that it leaves alone.

#![expect(clippy::arithmetic_side_effects, reason = "a test may fail")]

mod people;

use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::audit::Unreadable;
use crate::pb::v1::event::Payload;
use crate::pb::v1::{self, AccountKind as Kind, Event, Leg};

const DAY: i32 = 20_600; // 2026-05-27
const COMPANY: [u8; 16] = [9; 16];

fn date(year: i16, month: i8, day: i8) -> i32 {
    let since = jiff::civil::date(year, month, day).since(jiff::civil::date(1970, 1, 1));
    since.unwrap().get_days()
}

/// A log in the making: accounts 1 source, 2 unallocated, 3 unit, 4 used, 5 committed, 6 unallocated of a county, 7 treasury, 8
/// pending, 9 pool, 10 pension account of person 1, 11 payout, 12 and more housing accounts of persons, 20 payable.
struct Log {
    events: Vec<Event>,
}

fn party(number: u8) -> Vec<u8> {
    vec![number; 16]
}

fn leg(account: i32, lot: i32, amount_minor: i64) -> Leg {
    Leg { account, lot, amount_minor }
}

impl Log {
    fn new() -> Self {
        let mut log = Self { events: Vec::new() };
        let fund = v1::FundDefined { fund: 1, fund_id: "F".into(), currency_code: "CNY".into(), ..Default::default() };
        log.add(
            DAY - 4_000,
            Payload::LedgerCreated(v1::LedgerCreated { origin: "o".into(), format_version: 1, ..Default::default() }),
            &[],
        );
        log.add(DAY - 4_000, Payload::FundDefined(fund), &[]);
        let accounts: [(i32, Kind, &str, u8); 17] = [
            (1, Kind::AuthoritySource, "", 0),
            (2, Kind::AuthorityUnallocated, "", 0),
            (3, Kind::AuthorityUnit, "U", 0),
            (4, Kind::AuthorityUsed, "U", 0),
            (5, Kind::AuthorityCommitted, "U", 0),
            (6, Kind::AuthorityUnallocated, "county", 0),
            (7, Kind::Treasury, "", 0),
            (8, Kind::NontaxPending, "", 0),
            (9, Kind::Pool, "", 0),
            (10, Kind::Personal, "", 1),
            (11, Kind::Payout, "", 0),
            (12, Kind::HousingPersonal, "", 2),
            (13, Kind::HousingPersonal, "", 3),
            (14, Kind::HousingPersonal, "", 4),
            (15, Kind::HousingDeposit, "", 0),
            (16, Kind::NontaxShare, "", 0),
            (20, Kind::PayableUpper, "province", 0),
        ];
        for (account, kind, unit, person) in accounts {
            let person = if person == 0 { Vec::new() } else { party(person) };
            let unit_party = if account == 3 { party(200) } else { Vec::new() };
            log.add(
                DAY - 4_000,
                Payload::AccountOpened(v1::AccountOpened {
                    account,
                    account_id: format!("a{account}"),
                    fund: 1,
                    kind: kind.into(),
                    unit_id: unit.into(),
                    person: person.into(),
                    unit_party: unit_party.into(),
                }),
                &[],
            );
        }
        log
    }

    fn add(&mut self, day: i32, payload: Payload, legs: &[Leg]) -> i64 {
        let sequence = i64::try_from(self.events.len()).unwrap();
        let is_genesis = sequence == 0;
        self.events.push(Event {
            booked_at_ns: i64::from(day) * 86_400_000_000_000 + sequence,
            business_day: day,
            request_id: if is_genesis { String::new() } else { format!("r-{sequence}") },
            actor: if is_genesis { String::new() } else { "maker".into() },
            legs: legs.to_vec(),
            payload: Some(payload),
            ..Default::default()
        });
        sequence
    }

    fn last(&mut self) -> &mut Event {
        self.events.last_mut().unwrap()
    }

    fn issue(&mut self, lot: i32, day: i32, amount: i64) -> i64 {
        let opened = v1::LotOpened { lot, lot_id: format!("L{lot}"), fund: 1, ..Default::default() };
        let payload = Payload::BudgetIssued(v1::BudgetIssued { lot: Some(opened) });
        self.add(day, payload, &[leg(1, lot, amount), leg(2, lot, -amount)])
    }

    fn allocate(&mut self, lot: i32, day: i32, (from, to): (i32, i32), amount: i64) -> i64 {
        let payload = Payload::BudgetAllocated(v1::BudgetAllocated::default());
        self.add(day, payload, &[leg(from, lot, amount), leg(to, lot, -amount)])
    }

    fn pay(&mut self, id: &str, lot: i32, day: i32, amount: i64, payee: u8) -> i64 {
        let payment = v1::PaymentExecuted { payment_id: id.into(), payee: party(payee).into(), ..Default::default() };
        self.add(day, Payload::PaymentExecuted(payment), &[leg(3, lot, amount), leg(4, lot, -amount)])
    }

    fn payment(&mut self) -> &mut v1::PaymentExecuted {
        match &mut self.last().payload {
            Some(Payload::PaymentExecuted(payment)) => payment,
            other => panic!("{other:?}"),
        }
    }

    /// A lot that was passed to the unit.
    fn funded(amount: i64) -> Self {
        let mut log = Self::new();
        log.issue(1, DAY - 100, amount);
        log.allocate(1, DAY - 100, (2, 3), amount);
        log
    }

    fn entries(&self) -> Vec<Vec<u8>> {
        let mut link = [0_u8; 32];
        let mut entries = Vec::new();
        for event in &self.events {
            let mut entry = link.to_vec();
            event.encode(&mut entry).unwrap();
            link = Sha256::new().chain_update([0]).chain_update(&entry).finalize().into();
            entries.push(entry);
        }
        entries
    }

    fn outcome(&self, settings: &Settings) -> Outcome {
        let options = Options::default();
        let entries = self.entries().into_iter().map(Ok::<_, Unreadable>);
        run(Evidence::Entries(Box::new(entries)), &options, settings).unwrap()
    }

    fn found_with(&self, rule: &str, settings: Settings) -> Vec<(Vec<i64>, i64)> {
        let outcome = self.outcome(&Settings { rules: vec![rule.to_owned()], ..settings });
        assert!(outcome.report.faults.is_empty(), "{:?}", outcome.report.faults);
        assert_eq!(outcome.runs.len(), 1);
        outcome.hits.into_iter().map(|hit| (hit.sequences, hit.amount_minor)).collect()
    }

    fn found(&self, rule: &str, as_of: i32) -> Vec<(Vec<i64>, i64)> {
        self.found_with(rule, Settings { as_of: Some(as_of), ..Settings::default() })
    }
}

const NOTHING: [(Vec<i64>, i64); 0] = [];

#[test]
fn withheld_by_a_middle_level() {
    let mut log = Log::new();
    log.issue(1, DAY, 1_000);
    let arrived = log.allocate(1, DAY, (2, 6), 900);
    log.allocate(1, DAY + 10, (6, 3), 600);
    assert_eq!(log.found("R-CHAIN", DAY + 31), [(vec![arrived], 300)]);
    assert_eq!(log.found("R-CHAIN", DAY + 30), NOTHING, "not late yet");
    let again = log.allocate(1, DAY + 40, (2, 6), 100);
    assert_eq!(log.found("R-CHAIN", DAY + 60), [(vec![arrived], 300)], "what came first goes first");
    assert_eq!(log.found("R-CHAIN", DAY + 71), [(vec![arrived, again], 400)]);
    log.allocate(1, DAY + 41, (6, 3), 400);
    assert_eq!(log.found("R-CHAIN", DAY + 90), NOTHING, "all of it was passed on");
}

#[test]
fn idle_lots() {
    let mut log = Log::funded(1_000);
    let paid = log.pay("P", 1, DAY, 400, 5);
    assert_eq!(log.found("R-IDLE", DAY + 91), [(vec![paid], 600)]);
    assert_eq!(log.found("R-IDLE", DAY + 90), NOTHING);
    let long = log.outcome(&Settings { as_of: Some(DAY + 800), rules: vec!["R-IDLE".into()], ..Default::default() });
    assert!(long.hits[0].facts.contains(&("band", "730".to_owned())));
    log.pay("P2", 1, DAY + 1, 600, 5);
    assert_eq!(log.found("R-IDLE", DAY + 800), NOTHING, "nothing is left");
}

fn noticed(log: &mut Log) -> i64 {
    let notice =
        v1::NontaxNoticed { notice_id: "N".into(), fund: 1, amount_minor: 500, due_day: DAY, ..Default::default() };
    log.add(DAY - 15, Payload::NontaxNoticed(notice), &[])
}

#[test]
fn revenue_that_is_not_remitted() {
    let mut log = Log::new();
    let notice = noticed(&mut log);
    assert_eq!(log.found("R-UNREMIT", DAY + 11), [(vec![notice], 500)]);
    assert_eq!(log.found("A0130", DAY + 10), NOTHING, "by its other name, a day earlier");
    let collect = v1::NontaxCollected { notice_id: "N".into(), ..Default::default() };
    let collected = log.add(DAY, Payload::NontaxCollected(collect), &[leg(7, 0, 500), leg(8, 0, -500)]);
    assert_eq!(log.found("R-UNREMIT", DAY + 11), [(vec![notice, collected], 500)], "collected, and not split");
    let split = v1::NontaxSplit { notice_id: "N".into() };
    log.add(DAY + 1, Payload::NontaxSplit(split), &[leg(8, 0, 500), leg(16, 0, -500)]);
    assert_eq!(log.found("R-UNREMIT", DAY + 100), NOTHING);
}

/// The golden figure of the worked scenario: 390,000 + 395,000 + 398,000 against a threshold of 400,000.
#[test]
fn split_below_a_threshold() {
    let mut log = Log::funded(1_000_000_000);
    let amounts = [39_000_000, 39_500_000, 39_800_000];
    let paid: Vec<i64> =
        (0..).zip(amounts).map(|(at, amount)| log.pay(&format!("P{at}"), 1, DAY + 10 * at, amount, 5)).collect();
    assert_eq!(log.found("R-SPLIT", DAY), [(paid.clone(), 118_300_000)]);
    // One of them came back; the other two are still too much.
    let back = v1::PaymentReturned { payment_id: "P0".into(), original_sequence: paid[0], ..Default::default() };
    log.add(DAY + 30, Payload::PaymentReturned(back), &[leg(4, 1, 39_000_000), leg(3, 1, -39_000_000)]);
    assert_eq!(log.found("R-SPLIT", DAY), [(paid[1..].to_vec(), 79_300_000)]);
    // To others, later, smaller, at the threshold, or under a contract: not split.
    for (label, second, change) in [
        ("to somebody else", (DAY, 39_500_000, 6), false),
        ("a month later", (DAY + 30, 39_500_000, 5), false),
        ("not near", (DAY, 35_999_999, 5), false),
        ("the threshold itself", (DAY, 40_000_000, 5), false),
        ("under a contract", (DAY, 39_500_000, 5), true),
    ] {
        let mut log = Log::funded(1_000_000_000);
        log.pay("P1", 1, DAY, 39_000_000, 5);
        let (day, amount, payee) = second;
        log.pay("P2", 1, day, amount, payee);
        if change {
            log.payment().contract_id = "K".into();
        }
        assert_eq!(log.found("R-SPLIT", DAY), NOTHING, "{label}");
    }
    // Of one class, to different payees.
    let mut log = Log::funded(1_000_000_000);
    let first = log.pay("P1", 1, DAY, 39_000_000, 5);
    log.payment().economic_code = "31003".into();
    let second = log.pay("P2", 1, DAY + 1, 36_000_000, 6);
    log.payment().economic_code = "31003".into();
    assert_eq!(log.found("R-SPLIT", DAY), [(vec![first, second], 75_000_000)]);
    // Contracts.
    let mut log = Log::funded(1_000_000_000);
    let mut commit = |id: &str, payee: u8| {
        let contract = v1::Committed { contract_id: id.into(), payee: party(payee).into(), ..Default::default() };
        log.add(DAY, Payload::Committed(contract), &[leg(3, 1, 39_900_000), leg(5, 1, -39_900_000)])
    };
    let made = [commit("K1", 5), commit("K2", 5), commit("K3", 6)];
    assert_eq!(log.found("R-SPLIT", DAY), [(made[..2].to_vec(), 79_800_000)]);
}

#[test]
fn added_to_a_contract() {
    let added = |committed: &[(i32, i64)]| {
        let mut log = Log::funded(1_000_000);
        for (day, amount) in committed {
            let contract = v1::Committed { contract_id: "K".into(), payee: party(5).into(), ..Default::default() };
            log.add(DAY + day, Payload::Committed(contract), &[leg(3, 1, *amount), leg(5, 1, -amount)]);
        }
        amounts(log.found("R-ADDITION", DAY))
    };
    assert_eq!(added(&[(0, 600), (0, 400), (9, 101)]), [101]);
    assert!(added(&[(0, 600), (0, 400), (9, 100)]).is_empty(), "a tenth may be added");
    assert!(added(&[(0, 600), (0, 400)]).is_empty(), "of two lots");
    // Of a registered contract its first price counts, on however many days it is committed to.
    let mut log = Log::funded(1_000_000);
    let registered = v1::ContractRegistered { contract_id: "K".into(), amount_minor: 1_000, ..Default::default() };
    log.add(DAY, Payload::ContractRegistered(registered), &[]);
    for (day, amount) in [(0, 600), (9, 500), (10, 1)] {
        assert!(log.found("R-ADDITION", DAY).is_empty(), "a tenth may be added");
        let contract = v1::Committed { contract_id: "K".into(), payee: party(5).into(), ..Default::default() };
        log.add(DAY + day, Payload::Committed(contract), &[leg(3, 1, amount), leg(5, 1, -amount)]);
    }
    assert_eq!(amounts(log.found("R-ADDITION", DAY)), [101]);
}

#[test]
fn new_companies_need_a_register() {
    let mut log = Log::funded(1_000);
    let paid = log.pay("P", 1, date(2026, 3, 1), 700, COMPANY[0]);
    let outcome = log.outcome(&Settings { rules: vec!["A0111".into()], ..Settings::default() });
    assert_eq!(outcome.runs[0].hits, None, "it says that it was not run");
    let with = |founded, capital_minor| Settings {
        companies: vec![Company { payee: COMPANY, founded, capital_minor }],
        ..Settings::default()
    };
    assert_eq!(log.found_with("R-NEWCO", with(2026, 1_000_999_999)), [(vec![paid], 700)]);
    assert_eq!(log.found_with("R-NEWCO", with(2025, 1)), NOTHING);
    assert_eq!(log.found_with("R-NEWCO", with(2026, 1_001_000_000)), NOTHING);
}

#[test]
fn payables_that_stand_still() {
    let mut log = Log::new();
    let moved = |log: &mut Log, day: i32, amount: i64| {
        log.add(day, Payload::FundsMoved(v1::FundsMoved::default()), &[leg(7, 0, amount), leg(20, 0, -amount)])
    };
    let owed = moved(&mut log, date(2024, 6, 1), 900);
    assert_eq!(log.found("A0101", date(2025, 12, 31)), [(vec![owed], 900)]);
    assert_eq!(log.found("A0101", date(2025, 12, 30)), NOTHING, "the second year has not ended");
    moved(&mut log, date(2025, 3, 1), 1);
    assert_eq!(log.found("A0101", date(2025, 12, 31)), NOTHING, "it moved");
    moved(&mut log, date(2025, 4, 1), -901);
    assert_eq!(log.found("A0101", date(2026, 12, 31)), NOTHING, "nothing is owed any more");
}

#[test]
fn income_that_hangs_between_levels() {
    let mut log = Log::new();
    let moved = |log: &mut Log, day: i32, amount: i64| {
        log.add(day, Payload::FundsMoved(v1::FundsMoved::default()), &[leg(7, 0, amount), leg(20, 0, -amount)])
    };
    let first = moved(&mut log, DAY, 900);
    let second = moved(&mut log, DAY + 10, 100);
    assert_eq!(log.found("A0107", DAY + 180), NOTHING);
    assert_eq!(log.found("A0107", DAY + 181), [(vec![first], 900)]);
    moved(&mut log, DAY + 20, -400);
    assert_eq!(log.found("A0107", DAY + 181), [(vec![first], 500)], "what came first goes first");
    moved(&mut log, DAY + 21, -500);
    assert_eq!(log.found("A0107", DAY + 190), NOTHING);
    assert_eq!(log.found("A0107", DAY + 191), [(vec![second], 100)]);
    moved(&mut log, DAY + 22, -101);
    assert_eq!(log.found("A0107", DAY + 999), NOTHING, "the others owe now");
}

#[test]
fn payments_in_advance_need_their_codes() {
    let mut log = Log::funded(100_000_000);
    let mut paid = |id: &str, day: i32, amount: i64, purpose: &str, economic_code: &str| {
        let sequence = log.pay(id, 1, day, amount, 5);
        log.payment().purpose = purpose.into();
        log.payment().economic_code = economic_code.into();
        sequence
    };
    paid("early", date(2026, 9, 30), 9_000_000, "PREPAID", "");
    let late = paid("P1", date(2026, 10, 1), 1_000_001, "PREPAID", "");
    paid("small", date(2026, 10, 1), 1_000_000, "PREPAID", "");
    paid("delivered", date(2026, 10, 1), 9_000_000, "goods", "30201");
    let of_class = paid("P2", date(2026, 12, 31), 1_000_002, "goods", "30299");
    assert_eq!(log.outcome(&Settings { rules: vec!["A0127".into()], ..Settings::default() }).runs[0].hits, None);
    let settings = Settings { advance_codes: vec!["PREPAID".into(), "30299".into()], ..Settings::default() };
    assert_eq!(log.found_with("A0127", settings), [(vec![of_class], 1_000_002), (vec![late], 1_000_001)]);
}

/// A unit's years: indicator, spent before November, spent after.
fn years(rows: &[(i16, i64, i64, i64)]) -> Log {
    let mut log = Log::new();
    for (lot, (year, budget, early, late)) in (1..).zip(rows) {
        log.issue(lot, date(*year, 1, 10), *budget);
        log.allocate(lot, date(*year, 1, 11), (2, 3), *budget);
        log.pay(&format!("E{year}"), lot, date(*year, 10, 31), *early, 5);
        log.pay(&format!("L{year}"), lot, date(*year, 11, 1), *late, 5);
    }
    log
}

fn amounts(found: Vec<(Vec<i64>, i64)>) -> Vec<i64> {
    found.into_iter().map(|(_, amount)| amount).collect()
}

#[test]
fn indicators_that_are_not_spent() {
    let end = date(2026, 12, 31);
    let log = years(&[(2026, 1_000, 100, 99)]);
    assert_eq!(amounts(log.found("A0105", end)), [801]);
    assert_eq!(log.found("A0105", end - 1), NOTHING, "the year has not ended");
    assert_eq!(years(&[(2026, 1_000, 100, 100)]).found("A0105", end), NOTHING, "20 % is not below");
    let low = [(2024, 1_000, 499, 0), (2025, 1_000, 400, 0), (2026, 1_000, 300, 199)];
    assert_eq!(amounts(years(&low).found("A0102", end)), [501 + 600 + 501]);
    assert_eq!(years(&low[1..]).found("A0102", end), NOTHING, "two years");
    let once_better = [(2024, 1_000, 499, 0), (2025, 1_000, 500, 0), (2026, 1_000, 300, 199)];
    assert_eq!(years(&once_better).found("A0102", end), NOTHING);
    let gap = [(2023, 1_000, 499, 0), (2025, 1_000, 400, 0), (2026, 1_000, 300, 199)];
    assert_eq!(years(&gap).found("A0102", end), NOTHING, "not running");
}

#[test]
fn spent_in_a_rush() {
    let end = date(2026, 12, 31);
    assert_eq!(amounts(years(&[(2026, 1_000, 400, 501)]).found("A0110", end)), [501]);
    assert_eq!(years(&[(2026, 1_000, 400, 500)]).found("A0110", end), NOTHING);
}

#[test]
fn handed_on_in_a_lump() {
    let mut log = Log::new();
    log.issue(1, DAY, 5_000_000_000);
    let lump = log.allocate(1, DAY, (2, 3), 1_000_000_000);
    log.allocate(1, DAY, (2, 6), 999_999_999);
    assert_eq!(log.found("A0103", DAY), [(vec![lump], 1_000_000_000)]);
}

#[test]
fn scattered_over_many() {
    let scattered = |units: i32, each: i64| {
        let mut log = Log::new();
        for unit in 0..units {
            let account = v1::AccountOpened {
                account: 100 + unit,
                account_id: format!("u{unit}"),
                fund: 1,
                kind: Kind::AuthorityUnit.into(),
                unit_id: format!("unit-{unit}"),
                ..Default::default()
            };
            log.add(DAY, Payload::AccountOpened(account), &[]);
        }
        log.issue(1, DAY, 1_000);
        for unit in 0..units {
            log.allocate(1, DAY, (2, 100 + unit), each);
        }
        amounts(log.found("A0125", DAY))
    };
    assert_eq!(scattered(20, 31), [620]);
    assert!(scattered(19, 33).is_empty() && scattered(20, 30).is_empty());
}

#[test]
fn to_themselves_and_to_persons() {
    let mut log = Log::funded(10_000_000);
    let own = log.pay("P1", 1, DAY, 300, 200);
    log.pay("P2", 1, DAY, 300, 201);
    assert_eq!(log.found("A0108", DAY), [(vec![own], 300)]);
    let mut log = Log::funded(10_000_000);
    let mut pay = |id: &str, amount: i64, is_person: bool| {
        let sequence = log.pay(id, 1, DAY, amount, 5);
        if is_person {
            log.payment().payout = Some(v1::Payout { item_code: "i".into(), period: 202_601, ..Default::default() });
        }
        sequence
    };
    let large = pay("P3", 1_000_001, true);
    pay("P4", 1_000_000, true);
    pay("P5", 1_000_001, false);
    assert_eq!(log.found("A0109", DAY), [(vec![large], 1_000_001)]);
    // What came back does not count.
    let back = v1::PaymentReturned { payment_id: "P3".into(), original_sequence: large, ..Default::default() };
    log.add(DAY, Payload::PaymentReturned(back), &[leg(4, 1, 1), leg(3, 1, -1)]);
    assert_eq!(log.found("A0109", DAY), NOTHING);
}

#[test]
fn round_sums_need_payees_to_look_at() {
    let mut log = Log::funded(10_000_000);
    let round = log.pay("P1", 1, DAY, 50_000, 5);
    log.pay("P2", 1, DAY, 50_001, 5);
    log.pay("P3", 1, DAY, 50_000, 6);
    let outcome = log.outcome(&Settings { rules: vec!["A0123".into()], ..Settings::default() });
    assert_eq!(outcome.runs[0].hits, None);
    let settings = Settings { payees: vec![[5; 16]], ..Settings::default() };
    assert_eq!(log.found_with("A0123", settings), [(vec![round], 50_000)]);
}

#[test]
fn too_much_of_no_named_class() {
    let of_classes = |other: i64, named: i64| {
        let mut log = Log::funded(100_000_000);
        let sequence = log.pay("P1", 1, DAY, other, 5);
        log.payment().economic_code = "30299".into();
        log.pay("P2", 1, DAY, named, 5);
        log.payment().economic_code = "30201".into();
        (log.found("A0129", DAY), sequence)
    };
    let (found, sequence) = of_classes(2_000_001, 8_000_000);
    assert_eq!(found, [(vec![sequence], 2_000_001)]);
    assert_eq!(of_classes(2_000_000, 8_000_000).0, NOTHING, "20 % is not more");
    assert_eq!(of_classes(999_999, 1).0, NOTHING, "too little to matter");
}

#[test]
fn spent_before_it_is_remitted_and_income_of_nothing() {
    let mut log = Log::new();
    for (account, kind) in [(30, Kind::Income), (31, Kind::FiscalSpecial)] {
        let opened = v1::AccountOpened {
            account,
            account_id: format!("a{account}"),
            fund: 1,
            kind: kind.into(),
            ..Default::default()
        };
        log.add(DAY, Payload::AccountOpened(opened), &[]);
    }
    let income = |document: &str, source: v1::IncomeSource| {
        Payload::IncomeReceived(v1::IncomeReceived {
            source: source.into(),
            document_number: document.into(),
            ..Default::default()
        })
    };
    let unknown = log.add(DAY, income("", v1::IncomeSource::Other), &[leg(30, 0, 700), leg(9, 0, -700)]);
    log.add(DAY, income("财 1", v1::IncomeSource::Other), &[leg(30, 0, 300), leg(9, 0, -300)]);
    log.add(DAY, income("", v1::IncomeSource::Interest), &[leg(30, 0, 300), leg(9, 0, -300)]);
    assert_eq!(log.found("R-NOREF", DAY), [(vec![unknown], 700)]);
    log.add(DAY, Payload::FundsMoved(v1::FundsMoved::default()), &[leg(31, 0, 600), leg(30, 0, -600)]);
    assert_eq!(log.found("A0106", DAY), NOTHING);
    let spent = log.add(DAY, Payload::FundsMoved(v1::FundsMoved::default()), &[leg(11, 0, 50), leg(30, 0, -50)]);
    assert_eq!(log.found("A0106", DAY), [(vec![spent], 50)]);
}

/// Due, arrived and spent: the figures of the worked scenario, 1,062,500.00 for 1,250 pupils.
#[test]
fn entitlements_that_did_not_arrive() {
    let mut log = Log::new();
    let share = |recipient: &str, amount_minor| v1::ShareDue { recipient: recipient.into(), amount_minor };
    let due = v1::EntitlementDetermined {
        fund: 1,
        unit_id: "U".into(),
        period: 202_603,
        shares: vec![share("central", 53_125_000), share("province", 31_875_000), share("county", 21_250_000)],
        ..Default::default()
    };
    let determined = log.add(DAY, Payload::EntitlementDetermined(due), &[]);
    log.issue(1, DAY, 106_250_000);
    log.allocate(1, DAY, (2, 3), 85_000_000);
    assert_eq!(log.found("R-ENTITLEMENT", DAY + 31), [(vec![determined], 21_250_000)], "the county owes its share");
    assert_eq!(log.found("R-ENTITLEMENT", DAY + 30), NOTHING);
    log.allocate(1, DAY + 40, (2, 3), 21_250_000);
    assert_eq!(log.found("R-ENTITLEMENT", DAY + 90), NOTHING);
}

#[test]
fn a_flagged_hit_says_how_far_it_got() {
    let mut log = Log::funded(1_000);
    let stage = |log: &Log| {
        let outcome =
            log.outcome(&Settings { rules: vec!["R-IDLE".into()], as_of: Some(DAY + 500), ..Default::default() });
        (outcome.hits[0].id.clone(), outcome.hits[0].stage)
    };
    let (id, first) = stage(&log);
    assert_eq!(first, Stage::New);
    assert!(id.len() <= 64 && id.starts_with("R-IDLE.1."));
    let finding_id = id.clone();
    for (payload, expected) in [
        (Payload::Flagged(v1::Flagged { finding_id: finding_id.clone(), ..Default::default() }), Stage::Open),
        (
            Payload::FindingExplained(v1::FindingExplained { finding_id: finding_id.clone(), ..Default::default() }),
            Stage::Explained,
        ),
        (
            Payload::FindingRectified(v1::FindingRectified { finding_id: finding_id.clone(), ..Default::default() }),
            Stage::Rectified,
        ),
        (Payload::FindingClosed(v1::FindingClosed { finding_id, ..Default::default() }), Stage::Closed),
    ] {
        log.add(DAY, payload, &[]);
        assert_eq!(stage(&log), (id.clone(), expected));
    }
}

#[test]
fn what_is_not_in_the_pack_is_refused() {
    let unknown = Settings { rules: vec!["R-NONE".into()], ..Settings::default() };
    assert_eq!(unknown.check(), Err(Unknown::Rule("R-NONE".into())));
    let set = |rule: &str, name: &str, value| Settings {
        parameters: [((rule.into(), name.into()), value)].into(),
        ..Default::default()
    };
    assert_eq!(set("R-IDLE", "weeks", 1).check(), Err(Unknown::Parameter("R-IDLE".into(), "weeks".into())));
    assert_eq!(set("R-IDLE", "days", -1).check(), Err(Unknown::Value("R-IDLE".into(), "days".into())));
    assert_eq!(set("A0130", "days", 1).check(), Ok(()));
    let mut seen = std::collections::BTreeSet::new();
    assert!(RULES.iter().all(|rule| seen.insert(rule.id) && rule.id.len() <= 40));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever a log says, rules give an answer, and the same one again.
    #[test]
    fn junk_is_no_panic(seed in proptest::collection::vec((any::<u8>(), any::<i64>(), any::<i32>(), 0..30_i32), 1..60)) {
        let mut log = Log::new();
        for (kind, amount, day, account) in seed {
            let legs = [leg(account, account % 3, amount), leg((account + 1) % 21, 1, amount.wrapping_neg())];
            let payload = match kind % 12 {
                0 => Payload::BudgetIssued(v1::BudgetIssued { lot: Some(v1::LotOpened { lot: account % 3, ..Default::default() }) }),
                1 => Payload::BudgetAllocated(v1::BudgetAllocated::default()),
                2 => Payload::PaymentExecuted(v1::PaymentExecuted { payment_id: account.to_string(), payee: party(kind).into(), ..Default::default() }),
                3 => Payload::PaymentReturned(v1::PaymentReturned { payment_id: account.to_string(), ..Default::default() }),
                4 => Payload::BenefitPaid(v1::BenefitPaid { account, period: day, ..Default::default() }),
                5 => Payload::EligibilityRecorded(v1::EligibilityRecorded { person: party(1).into(), fact: i32::from(kind), effective_day: day, ..Default::default() }),
                6 => Payload::NontaxCollected(v1::NontaxCollected::default()),
                7 => Payload::Reconciled(v1::Reconciled { account, bank_balance_minor: amount, book_balance_minor: i64::MIN, last_day: day, ..Default::default() }),
                8 => Payload::Committed(v1::Committed::default()),
                9 => Payload::TransactionPosted(v1::TransactionPosted { operations: vec![v1::PostedOperation { leg_count: day, ..Default::default() }] }),
                10 => Payload::HousingWithdrawn(v1::HousingWithdrawn { account, property: party(kind).into(), ..Default::default() }),
                _ => Payload::FundsMoved(v1::FundsMoved::default()),
            };
            log.add(DAY, payload, &legs);
            log.last().business_day = day;
            log.last().booked_at_ns = amount;
        }
        let settings = Settings { companies: vec![Company { payee: [5; 16], founded: 1970, capital_minor: 0 }], payees: vec![[5; 16]], advance_codes: vec![String::new()], ..Settings::default() };
        let (one, other) = (log.outcome(&settings), log.outcome(&settings));
        prop_assert_eq!(one.hits, other.hits);
        prop_assert_eq!(one.runs.len(), RULES.len());
    }
}
