//! The ledger's clock years ahead and years back: bookings go forwards all the same, and time runs out but once.

use fundledger::pb::v1;
use fundledger::pb::v1::event::Payload as Happened;

use crate::server::receipt;
use crate::world::{TODAY, World, at, cash, pay, reason_of};

const FIVE_YEARS: i64 = 5 * 365 * 86_400;

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_clock_that_is_set_turns_no_booking_back() {
    let mut world = World::with_fund().await;
    let waits = world.propose("waits", "m1", vec![world.made_by("m1", pay("V1", 5_000))]).await.unwrap();
    let command = world.made_by("m1", cash(1));
    let first = receipt(world.post(vec![command.clone()]).await.remove(0));

    world.pass(FIVE_YEARS);
    let ahead = world.now();
    let posted = receipt(world.post(vec![world.made_by("m1", cash(2))]).await.remove(0)).sequence;
    assert!(matches!(world.event(posted - 1).await.payload, Some(Happened::ProposalExpired(_))), "its time ran out");
    let late = world.approve("waits", "c1", &waits.message_to_sign).await.unwrap_err();
    assert_eq!(reason_of(&late), "PROPOSAL_NOT_PENDING");

    // Ten years back: time stands still where it was, from snapshots and from the log alone.
    world.pass(-2 * FIVE_YEARS);
    for (closes, amount) in [(true, 3), (false, 4)] {
        let posted = receipt(world.post(vec![world.made_by("m1", cash(amount))]).await.remove(0)).sequence;
        assert_eq!(world.event(posted).await.booked_at_ns / 1_000_000_000, ahead);
        world.stop(closes).await;
        world.start().await;
    }
    let again = receipt(world.post(vec![command]).await.remove(0));
    assert_eq!((again.sequence, again.replayed), (first.sequence, true));
    // What waits is held against that time, not against the clock.
    let past = world.propose("past", "m1", vec![world.made_by("m1", pay("V2", 5_000))]).await.unwrap_err();
    assert_eq!(reason_of(&past), "EXPIRY_OUT_OF_RANGE");
    let request = v1::ProposeRequest {
        request_id: "later".to_owned(),
        business_date: Some(TODAY),
        actor: "m1".to_owned(),
        commands: vec![world.made_by("m1", pay("V3", 5_000))],
        expires_at: Some(at(ahead + 3_600)),
        validate_only: false,
    };
    let later = world.ledger().propose(request).await.unwrap().into_inner();
    assert!(world.approve("later", "c1", &later.message_to_sign).await.unwrap().executed.is_none());
    receipt(world.approve("later", "c2", &later.message_to_sign).await.unwrap().executed.unwrap());

    // Put right.
    world.pass(FIVE_YEARS);
    receipt(world.post(vec![world.made_by("m1", cash(5))]).await.remove(0));
    let mut before = 0;
    for sequence in 0..=world.head() {
        let booked_at_ns = world.event(sequence).await.booked_at_ns;
        assert!(booked_at_ns > before, "event {sequence}");
        before = booked_at_ns;
    }
    world.verified().await;
}
