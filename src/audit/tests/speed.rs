//! How fast an audit is: `cargo test --release --lib audit::tests::speed -- --ignored --nocapture`, and the same under
//! `taskset -c 0` for one core.

use std::time::{Duration, Instant};

use super::super::{Depth, Verdict};
use super::notes::{is_proven, proof_of_many};
use super::story::{
    CLEARING, FUND_LOT, PLAN, Row, SOURCE, TREASURY, UNALLOCATED, UNIT, USED, issued, legs, payment, story,
};
use super::{audit, blocks, chained};
use crate::pb::v1::event::Payload;
use crate::pb::v1::{BudgetAllocated, CashReceived, PlanApproved};

const PAYMENTS: i64 = 1_000_000;

#[test]
#[ignore = "a measurement, for release builds"]
#[expect(clippy::print_stderr, reason = "it is there to be read")]
fn speed() {
    let mut story = story();
    let mut add = |payload, rows: &[Row]| story.add("more", payload, rows);
    add(issued(3), &[(SOURCE, 3, PAYMENTS), (UNALLOCATED, 3, -PAYMENTS)]);
    let allocated = Payload::BudgetAllocated(BudgetAllocated::default());
    add(allocated, &[(UNALLOCATED, 3, PAYMENTS), (UNIT, 3, -PAYMENTS)]);
    add(Payload::PlanApproved(PlanApproved::default()), &[(UNIT, 3, PAYMENTS), (PLAN, 3, -PAYMENTS)]);
    add(Payload::CashReceived(CashReceived::default()), &[(TREASURY, 0, PAYMENTS), (FUND_LOT, 3, -PAYMENTS)]);
    let mut event = story.events.last().unwrap().clone();
    event.legs = legs(&[(PLAN, 3, 1), (USED, 3, -1), (FUND_LOT, 3, 1), (CLEARING, 0, -1)]);
    for at in 0..PAYMENTS {
        event.booked_at_ns += 1;
        event.request_id = format!("payment-request-{at:012}");
        let mut paid = payment(&format!("voucher-2026-{at:09}"));
        if let Payload::PaymentExecuted(paid) = &mut paid {
            paid.payee = vec![9; 16].into();
            paid.purpose = "purpose".into();
            paid.economic_code = "30201".into();
        }
        event.payload = Some(paid);
        story.events.push(event.clone());
    }
    let entries = chained(&story.events);
    let bytes: usize = entries.iter().map(Vec::len).sum();
    let values = blocks(&entries, 28);
    for depth in [Depth::Chain, Depth::Deep, Depth::Chain, Depth::Deep] {
        let report = audit(values.clone(), depth);
        assert_eq!((report.verdict, report.faults.len()), (Verdict::Verified, 0));
        let rate = u128::from(report.events) * 1_000_000 / report.elapsed.as_micros();
        eprintln!("{depth:?}: {rate} events/s at {} bytes an entry", bytes / entries.len());
    }
}

#[test]
#[ignore = "a measurement"]
#[expect(clippy::print_stderr, reason = "it is there to be read")]
fn speed_of_a_proof() {
    let (proof, leaf, policy) = proof_of_many();
    let mut times: Vec<Duration> = (0..1_001)
        .map(|_| {
            let started = Instant::now();
            assert!(is_proven(&proof, &leaf, &policy));
            started.elapsed()
        })
        .collect();
    times.sort_unstable();
    eprintln!(
        "a proof of {} bytes with five signatures: {:?} (median of 1,001), {:?} at most",
        proof.len(),
        times[500],
        times[1_000]
    );
}
