//! Answers that are open when their caller's role is taken.

use fundledger::pb::v1::audit_service_client::AuditServiceClient;
use fundledger::pb::v1::query_service_client::QueryServiceClient;
use fundledger::pb::v1::subscribe_response::Part;
use fundledger::pb::v1::{self, Role};
use tonic::{Code, Status, Streaming};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::certificates::Certified;
use crate::server::receipt;
use crate::world::{cash, grant, reason_of, revoke};

async fn subscribe(ledger: &Certified, actor: &str) -> Streaming<v1::SubscribeResponse> {
    let request = v1::SubscribeRequest { after_sequence: Some(ledger.world.head()), ..Default::default() };
    let mut query = QueryServiceClient::new(ledger.connect("U", actor).await);
    let mut stream = query.subscribe(request).await.unwrap().into_inner();
    assert!(matches!(stream.message().await.unwrap().unwrap().part, Some(Part::CaughtUp(_))));
    stream
}

/// The events that come until a sequence, or until the stream ends, with why it did.
async fn events_until(stream: &mut Streaming<v1::SubscribeResponse>, last: i64) -> (Vec<i64>, Option<Status>) {
    let mut seen = Vec::new();
    while seen.last() != Some(&last) {
        match stream.message().await {
            Ok(Some(v1::SubscribeResponse { part: Some(Part::Events(events)) })) => {
                seen.extend(events.records.iter().map(|record| record.sequence));
            }
            Ok(Some(_)) => {}
            Ok(None) => panic!("it ended without a word"),
            Err(status) => return (seen, Some(status)),
        }
    }
    (seen, None)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_ends_at_the_event_that_takes_its_role() {
    let ledger = Certified::new().await;
    let grants = [("r1", Role::Treasury), ("r2", Role::Treasury), ("r2", Role::Leader)];
    ledger.world.set_up(grants.map(|(who, role)| grant(who, role, "")).to_vec()).await;
    let (mut losing, mut keeping) = (subscribe(&ledger, "r1").await, subscribe(&ledger, "r2").await);
    let before = receipt(ledger.world.post(vec![ledger.world.made_by("m1", cash(1))]).await.remove(0)).sequence;
    for stream in [&mut losing, &mut keeping] {
        let (seen, end) = events_until(stream, before).await;
        assert!(seen == [before] && end.is_none(), "{seen:?} {end:?}");
    }
    // One loses the only role that lets them, the other one of two.
    let taken = receipt(ledger.world.administer(revoke("r1", Role::Treasury)).await).sequence;
    ledger.world.set_up(vec![revoke("r2", Role::Treasury)]).await;
    let after = receipt(ledger.world.post(vec![ledger.world.made_by("m1", cash(2))]).await.remove(0)).sequence;
    let (seen, end) = events_until(&mut losing, after).await;
    let end = end.expect("it ends");
    assert_eq!((end.code(), reason_of(&end).as_str()), (Code::PermissionDenied, "ACCESS_DENIED"));
    assert!(seen.iter().all(|sequence| *sequence <= taken), "{seen:?} after {taken}");
    assert!(losing.message().await.unwrap().is_none(), "and that was the end");
    let (seen, end) = events_until(&mut keeping, after).await;
    assert!(seen.contains(&taken) && end.is_none(), "{seen:?} {end:?}");
    let refused = ledger.world.node.as_ref().unwrap().refused().counts();
    assert!(refused.contains(&("authority", 1)), "{refused:?}");
}

/// Whoever reads slowly gets no more than what was on its way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bytes_of_the_log_end_when_the_role_is_taken() {
    let ledger = Certified::new().await;
    ledger.world.set_up(vec![grant("r1", Role::Auditor, "")]).await;
    for _ in 0..2 {
        ledger.world.busy().await.outcomes().await.unwrap();
        ledger.world.new_key("next");
    }
    let endpoint = ledger.authority.endpoint(&ledger.address, &ledger.authority.person("U", "r1"));
    let channel = endpoint.initial_stream_window_size(65_535).initial_connection_window_size(65_535);
    let channel = channel.connect().await.unwrap();
    let mut audit = AuditServiceClient::new(channel.clone()).max_decoding_message_size(64 << 20);
    let mut entries = audit.read_entries(v1::ReadEntriesRequest::default()).await.unwrap().into_inner();
    let all = usize::try_from(ledger.world.head()).unwrap();
    ledger.world.set_up(vec![revoke("r1", Role::Auditor)]).await;
    let mut read = 0;
    let end = loop {
        match entries.message().await {
            Ok(Some(message)) => read += message.entries.len(),
            Ok(None) => panic!("all {read} entries were read"),
            Err(status) => break status,
        }
    };
    assert_eq!((end.code(), reason_of(&end).as_str()), (Code::PermissionDenied, "ACCESS_DENIED"));
    assert!(read < all, "{read} of {all}");
    // The connection goes on: what needs no role is answered on it.
    HealthClient::new(channel).check(HealthCheckRequest { service: String::new() }).await.unwrap();
}
