//! The rules about persons, and about how people worked.

use super::*;

#[test]
fn one_bank_account_for_several() {
    let mut log = Log::funded(1_000);
    let mut bring = |account: u8, person: u8| {
        let sequence = log.pay(&format!("P{account}-{person}"), 1, DAY, 1, person);
        let commitment = v1::PersonalCommitment {
            party: party(person).into(),
            field: v1::PersonalField::BankAccount.into(),
            commitment: vec![1; 32].into(),
            account: party(account).into(),
        };
        log.last().personal_data = vec![commitment];
        sequence
    };
    let shared = [bring(50, 5), bring(50, 6)];
    bring(51, 5);
    bring(51, 5);
    assert_eq!(log.found("R-SHAREDACCT", DAY), [(shared.to_vec(), 0)]);
}

fn known(log: &mut Log, fact: v1::EligibilityFact, from: i32) -> i64 {
    let fact = v1::EligibilityRecorded {
        person: party(1).into(),
        fact: fact.into(),
        effective_day: from,
        fund: 0,
        source: "register".into(),
    };
    log.add(DAY + 50, Payload::EligibilityRecorded(fact), &[])
}

#[test]
fn paid_after_death() {
    let mut log = Log::new();
    let mut pay = |period: i32| {
        let paid = v1::BenefitPaid {
            payment_id: format!("B{period}"),
            account: 10,
            item_code: "pension".into(),
            period,
            payee: party(1).into(),
        };
        log.add(DAY, Payload::BenefitPaid(paid), &[leg(9, 0, 280_000), leg(11, 0, -280_000)])
    };
    let months = [pay(202_604), pay(202_605), pay(202_606)];
    let back =
        v1::BenefitRecovered { payment_id: "B202606".into(), original_sequence: months[2], ..Default::default() };
    log.add(DAY, Payload::BenefitRecovered(back), &[leg(11, 0, 100_000), leg(9, 0, -100_000)]);
    assert_eq!(log.found("R-POSTHUMOUS", DAY), NOTHING);
    let mut restored = Log { events: log.events.clone() };
    // Died on the last day of April: that month was due, the next ones were not.
    let fact = known(&mut log, v1::EligibilityFact::Death, date(2026, 4, 30));
    assert_eq!(log.found("R-POSTHUMOUS", DAY), [(vec![months[1], months[2], fact], 460_000)]);
    known(&mut restored, v1::EligibilityFact::Imprisoned, date(2026, 3, 1));
    known(&mut restored, v1::EligibilityFact::Restored, date(2026, 4, 1));
    assert_eq!(restored.found("R-POSTHUMOUS", DAY), NOTHING);
}

#[test]
fn one_property_for_many() {
    let mut log = Log::new();
    let mut withdraw = |property: u8, account: i32| {
        let withdrawn = v1::HousingWithdrawn {
            payment_id: format!("W{property}-{account}"),
            account,
            property: party(property).into(),
            ..Default::default()
        };
        log.add(DAY, Payload::HousingWithdrawn(withdrawn), &[leg(account, 0, 500), leg(15, 0, -500)])
    };
    let many = [withdraw(70, 12), withdraw(70, 13), withdraw(70, 14)];
    withdraw(71, 12);
    withdraw(71, 13);
    assert_eq!(log.found("R-PROPERTY", DAY), [(many.to_vec(), 1_500)], "a couple may share one");
}

#[test]
fn accounts_at_odds_with_the_bank() {
    let compare = |log: &mut Log, bank: i64, differences: usize, last_day: i32| {
        let compared = v1::Reconciled {
            account: 7,
            last_day,
            bank_balance_minor: bank,
            book_balance_minor: 500,
            differences: vec![v1::Difference::default(); differences],
            ..Default::default()
        };
        log.add(last_day, Payload::Reconciled(compared), &[])
    };
    let mut log = Log::new();
    let dirty = compare(&mut log, 300, 1, DAY);
    assert_eq!(log.found("R-BANKDIFF", DAY), [(vec![dirty], 200)]);
    compare(&mut log, 500, 0, DAY + 30);
    assert_eq!(log.found("R-BANKDIFF", DAY), NOTHING, "cleared up since");
    let open = compare(&mut log, 500, 1, DAY + 60);
    assert_eq!(log.found("R-BANKDIFF", DAY), [(vec![open], 0)], "entries differ, though the balances agree");
}

#[test]
fn dated_back() {
    // Midnight in Shanghai is 16:00 UTC.
    let booked = |before_midnight: i64| {
        let mut log = Log::funded(1_000);
        let late = log.pay("P1", 1, DAY, 300, 5);
        log.last().booked_at_ns = i64::from(DAY + 5) * 86_400_000_000_000 + 57_600_000_000_000 - before_midnight;
        // Of the same day, and five days late.
        log.pay("P2", 1, DAY + 1, 300, 5);
        log.last().booked_at_ns = i64::from(DAY + 6) * 86_400_000_000_000;
        (log, late)
    };
    let (log, late) = booked(0);
    assert_eq!(log.found("R-BACKDATE", DAY), [(vec![late], 300)]);
    let settings = Settings { parameters: [(("R-BACKDATE".into(), "days".into()), 6)].into(), ..Default::default() };
    assert_eq!(log.found_with("R-BACKDATE", settings), NOTHING);
    assert_eq!(booked(1).0.found("R-BACKDATE", DAY), NOTHING);
}

#[test]
fn always_the_same_pair() {
    let pairs = |same: usize, other: usize| {
        let mut log = Log::funded(1_000);
        for at in 0..same + other {
            log.pay(&format!("P{at}"), 1, DAY, 1, 5);
            let actor = if at < same { "friend" } else { "other" };
            log.last().approvals = vec![v1::Approval { actor: actor.into(), ..Default::default() }];
        }
        log.outcome(&Settings { rules: vec!["R-PAIR".into()], ..Default::default() }).hits
    };
    let hits = pairs(13, 7);
    assert_eq!((hits.len(), hits[0].sequence_count, hits[0].amount_minor), (1, 13, 13));
    assert!(hits[0].facts.contains(&("percent", "65".to_owned())));
    assert!(pairs(12, 8).is_empty(), "60 % is not more than 60 %");
    assert!(pairs(19, 0).is_empty(), "too few to tell");
    assert_eq!(pairs(80, 0)[0].sequences.len(), SEQUENCES_MAX);
}

#[test]
fn approved_in_no_time() {
    let approved_after = |seconds: i64| {
        let mut log = Log::new();
        let proposal = log.add(DAY, Payload::CommandProposed(v1::CommandProposed::default()), &[]);
        let at = log.last().booked_at_ns;
        let approved = v1::ProposalApproved { proposal_sequence: proposal, ..Default::default() };
        let sequence = log.add(DAY, Payload::ProposalApproved(approved), &[]);
        log.last().booked_at_ns = at + seconds * 1_000_000_000;
        log.last().actor = "checker".into();
        (log.found("R-HASTE", DAY), sequence)
    };
    let (found, sequence) = approved_after(2);
    assert_eq!(found, [(vec![sequence], 0)]);
    assert_eq!(approved_after(3).0, NOTHING);
}
