//! Revocation lists: one that nobody has replaced, and those of several authorities.

use std::fs;

use fundledger::pb::v1;
use fundledger::pb::v1::audit_service_client::AuditServiceClient;
use tonic::transport::Channel;

use crate::certificates::{Authority, Signed};
use crate::serving::Running;

const ASKED: v1::GetCheckpointRequest = v1::GetCheckpointRequest { min_sequence: Some(0), witnessed: false };

/// Whether somebody is let in, as a client sees it: after the handshake, at its first call.
async fn is_let_in(running: &Running, trusting: &Authority, person: &Signed) -> bool {
    match trusting.endpoint(&running.address, person).connect().await {
        Ok(channel) => AuditServiceClient::new(channel).get_checkpoint(ASKED).await.is_ok(),
        Err(_) => false,
    }
}

fn next_update(running: &Running) -> f64 {
    let (_, metrics) = running.get("/metrics");
    let name = "fundledger_revocation_list_next_update_seconds ";
    metrics.lines().find_map(|line| line.strip_prefix(name)).unwrap().parse().unwrap()
}

const BEGIN_OF_2021: f64 = 1_609_459_200.0;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_past_its_next_update_lets_nobody_in_until_there_is_a_new_one() {
    let mut running = Running::with(&[]);
    let a1 = running.authority.person("U", "a1");
    let mut open: AuditServiceClient<Channel> =
        AuditServiceClient::new(running.authority.connect(&running.address, &a1).await);
    open.get_checkpoint(ASKED).await.unwrap();
    assert!(next_update(&running) > BEGIN_OF_2021);
    let list = running.folder.path().join("crl.pem");
    fs::write(&list, running.authority.revoke_until(&[], 2021)).unwrap();
    let said = running.reload();
    assert!(said.contains("closed") && said.ends_with('1'), "{said}");
    assert!(running.logged("past its next update").contains("ERROR"));
    assert!((next_update(&running) - BEGIN_OF_2021).abs() < 1.0);
    open.get_checkpoint(ASKED).await.expect_err("on the connection that was open");
    assert!(!is_let_in(&running, &running.authority, &a1).await);
    // No start is needed.
    fs::write(&list, running.authority.revoke(&[])).unwrap();
    running.reload();
    assert!(is_let_in(&running, &running.authority, &a1).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_it_is_accepted_it_still_keeps_out_whom_it_names() {
    let mut running = Running::with(&[("TLS__STALE_REVOCATION_LIST", "accept")]);
    let (a1, a2) = (running.authority.person("U", "a1"), running.authority.person("U", "a2"));
    fs::write(running.folder.path().join("crl.pem"), running.authority.revoke_until(&[a1.serial], 2021)).unwrap();
    running.reload();
    assert!(running.logged("past its next update").contains("WARN"));
    assert!(!is_let_in(&running, &running.authority, &a1).await);
    assert!(is_let_in(&running, &running.authority, &a2).await);
}

/// Serial numbers are each authority's own, and so is what it revokes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_authorities_have_each_their_own_list() {
    let mut running = Running::with(&[]);
    let other = Authority::new("other");
    drop(other.server());
    let (mine, theirs) = (running.authority.person("U", "a1"), other.person("U", "a2"));
    assert_eq!(mine.serial, theirs.serial, "or it would show nothing");
    let authorities = [running.authority.certificate.as_str(), &other.certificate].concat();
    fs::write(running.folder.path().join("ca.pem"), authorities).unwrap();
    let list = running.folder.path().join("crl.pem");
    let none = |authority: &Authority| authority.revoke(&[]);
    let rows = [
        ("nobody is revoked", vec![none(&running.authority), none(&other)], [true, true]),
        ("the first's", vec![running.authority.revoke(&[mine.serial]), none(&other)], [false, true]),
        ("the second's", vec![none(&running.authority), other.revoke(&[theirs.serial])], [true, false]),
        ("the second has no list", vec![none(&running.authority)], [true, false]),
        ("the second's is old", vec![none(&running.authority), other.revoke_until(&[], 2021)], [true, false]),
    ];
    for (what, lists, expected) in rows {
        fs::write(&list, lists.concat()).unwrap();
        running.reload();
        let found = [
            is_let_in(&running, &running.authority, &mine).await,
            // Both trust the authority of the server's certificate.
            is_let_in(&running, &running.authority, &theirs).await,
        ];
        assert_eq!(found, expected, "{what}");
    }
}
