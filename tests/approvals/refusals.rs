//! Every refusal about approvals, roles and keys.

use std::collections::BTreeSet;

use fundledger::domain::refusal::Reason;
use fundledger::format::note_key::SignerKey;
use fundledger::pb::v1::{self, Role};
use prost::bytes::Bytes;
use tonic::{Code, Status};

use crate::server::receipt;
use crate::world::{TODAY, World, at, grant, key, pay, reason_of, refusal_of, register, revoke, unregister};

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn every_refusal_about_approvals_is_made_and_says_why() {
    let world = World::with_fund().await;
    let seen = std::cell::RefCell::new(BTreeSet::new());
    let check = |status: Status, code: Code, reason: &str| {
        assert_eq!((status.code(), reason_of(&status).as_str()), (code, reason), "{status:?}");
        seen.borrow_mut().insert(reason.to_owned());
    };
    let proposed = world.propose("p", "m1", vec![world.made_by("m1", pay("V1", 5_000))]).await.unwrap();
    let message = &proposed.message_to_sign;
    let other = world.propose("q", "c1", vec![world.made_by("c1", pay("V2", 5_000))]).await.unwrap();

    // Over other bytes, by another's key, of another length, with a bit changed.
    let over_other = world.approve("p", "c1", &other.message_to_sign).await.unwrap_err();
    check(over_other, Code::InvalidArgument, "SIGNATURE_INVALID");
    let by_other = world.approve_with("k1", "p", "c1", key("c2").sign(message).0.to_vec()).await.unwrap_err();
    check(by_other, Code::InvalidArgument, "SIGNATURE_INVALID");
    let short = world.approve_with("k1", "p", "c1", vec![0; 63]).await.unwrap_err();
    check(short, Code::InvalidArgument, "FIELD_INVALID");
    let mut bent = key("c1").sign(message).0.to_vec();
    bent[3] ^= 1;
    let bent = world.approve_with("k1", "p", "c1", bent).await.unwrap_err();
    check(bent, Code::InvalidArgument, "SIGNATURE_INVALID");
    // Nothing of that was recorded, so the key is free.
    world.approve_with("k1", "p", "c1", key("c1").sign(message).0.to_vec()).await.unwrap();

    let twice = world.approve("p", "c1", message).await.unwrap_err();
    check(twice, Code::AlreadyExists, "ALREADY_APPROVED");
    let own = world.approve("q", "c1", &other.message_to_sign).await.unwrap_err();
    check(own, Code::FailedPrecondition, "SEGREGATION_OF_DUTIES");
    let no_role = world.approve("p", "n1", message).await.unwrap_err();
    check(no_role, Code::PermissionDenied, "ROLE_MISSING");
    let no_key = world.approve("p", "m2", message).await.unwrap_err();
    check(no_key, Code::NotFound, "KEY_NOT_FOUND");
    let unknown = world.approve("nobody-proposed-it", "c1", message).await.unwrap_err();
    check(unknown, Code::NotFound, "PROPOSAL_NOT_PENDING");
    let not_theirs = world.withdraw("q", "m1").await.unwrap_err();
    check(not_theirs, Code::PermissionDenied, "NOT_THE_MAKER");
    // A checker of another fund may sign, but does not count.
    let elsewhere = world.approve("p", "c3", message).await.unwrap();
    assert!(elsewhere.executed.is_none());

    // A key that was replaced: what it signs from now on counts no more.
    receipt(world.administer(register("c2", &SignerKey::from_seed("c2", &[7; 32]))).await);
    let replaced = world.approve("p", "c2", message).await.unwrap_err();
    check(replaced, Code::PermissionDenied, "KEY_REVOKED");
    world.withdraw("q", "c1").await.unwrap();
    let withdrawn = world.withdraw("q", "c1").await.unwrap_err();
    check(withdrawn, Code::NotFound, "PROPOSAL_NOT_PENDING");

    // Time.
    let late = world.made_by("m1", pay("V3", 1));
    let mut request = v1::ProposeRequest {
        request_id: "late".to_owned(),
        business_date: Some(TODAY),
        actor: "m1".to_owned(),
        commands: vec![late],
        expires_at: Some(at(world.now())),
        validate_only: false,
    };
    let past = world.ledger().propose(request.clone()).await.unwrap_err();
    check(past, Code::FailedPrecondition, "EXPIRY_OUT_OF_RANGE");
    request.request_id = "far".to_owned();
    request.expires_at = Some(at(world.now() + 367 * 86_400));
    let far = world.ledger().propose(request).await.unwrap_err();
    check(far, Code::FailedPrecondition, "EXPIRY_OUT_OF_RANGE");

    // Roles and keys.
    let administered = [
        (register("x", &key("c1")), "KEY_EXISTS"),
        (grant("c1", Role::Checker, ""), "ROLE_EXISTS"),
        (grant("c1", Role::Checker, "NO"), "FUND_NOT_FOUND"),
        (revoke("c1", Role::Leader), "ROLE_NOT_FOUND"),
        (grant("c1", Role::Auditor, ""), "ROLES_CONFLICT"),
        (unregister("m1"), "KEY_NOT_FOUND"),
        (unregister("a2"), "ADMINISTRATORS_TOO_FEW"),
        (revoke("a1", Role::Admin), "ADMINISTRATORS_TOO_FEW"),
    ];
    for (payload, reason) in administered {
        assert_eq!(refusal_of(world.administer(payload).await), reason);
        seen.borrow_mut().insert(reason.to_owned());
    }
    // A third administrator, and one of the first two may go.
    receipt(world.administer(register("a3", &key("a3"))).await);
    receipt(world.administer(grant("a3", Role::Admin, "")).await);
    let grant_by = |maker: &str| world.made_by(maker, grant("z", Role::Maker, ""));
    let by_stranger = world.propose("s", "m1", vec![grant_by("m1")]).await.unwrap();
    // Nobody's signature makes up for a maker who is no administrator.
    let by_stranger = world.approve("s", "a1", &by_stranger.message_to_sign).await.unwrap();
    assert_eq!(refusal_of(by_stranger.executed.unwrap()), "ROLE_MISSING");
    // Named checkers are not enough, for set-up as for money.
    let mut named = grant_by("a1");
    named.checkers = vec!["a2".to_owned()];
    let mut money = world.made_by("m1", pay("V4", 1));
    money.checkers = vec!["c1".to_owned()];
    for result in world.post(vec![named, money]).await {
        assert_eq!(refusal_of(result), "APPROVAL_MISSING");
    }

    // Batches.
    let commands = vec![world.made_by("m1", pay("V5", 1)), world.made_by("m1", pay("V6", 2))];
    let batch = world.propose("b", "m1", commands).await.unwrap();
    let mut swapped = batch.commands.clone();
    swapped.swap(0, 1);
    let more = [batch.commands.clone(), vec![batch.commands[0].clone()]].concat();
    for commands in [swapped, vec![batch.commands[0].clone()], more, Vec::new()] {
        let mismatch = world.post_batch("b", &commands).await.unwrap_err();
        check(mismatch, Code::InvalidArgument, "BATCH_MISMATCH");
    }
    let garbage = world.post_batch("b", &vec![Bytes::from_static(b"\xff"); 2]).await.unwrap_err();
    check(garbage, Code::InvalidArgument, "FIELD_INVALID");
    let single = world.post_batch("p", &proposed.commands).await.unwrap_err();
    check(single, Code::InvalidArgument, "FIELD_INVALID");
    let unknown = world.post_batch("nothing", &proposed.commands).await.unwrap_err();
    check(unknown, Code::NotFound, "PROPOSAL_NOT_PENDING");

    // The time of "p" runs out, whether or not anybody has recorded it.
    world.pass(3_600);
    let expired = world.approve("p", "c2", message).await.unwrap_err();
    assert_eq!(reason_of(&expired), "PROPOSAL_NOT_PENDING", "the expiry is recorded first");
    assert!(world.pending().await.is_empty());
    let signed = world.signed(world.made_by("m1", pay("V7", 1)), &[key("c1")], world.now() + 60).await;
    world.pass(60);
    assert_eq!(refusal_of(world.post(vec![signed]).await.remove(0)), "APPROVAL_EXPIRED");
    seen.borrow_mut().insert("APPROVAL_EXPIRED".to_owned());

    let about_approvals = |reason: &&Reason| matches!(reason.number(), 40..=49 | 109..=111 | 128..=130 | 170..=176);
    let missing: Vec<_> =
        Reason::ALL.iter().filter(about_approvals).filter(|reason| !seen.borrow().contains(reason.as_str())).collect();
    assert!(missing.is_empty(), "no refusal was seen for {missing:?}");
    world.verified().await;
}
