//! A stop under load: whatever was acknowledged is there afterwards, and whatever was taken was answered or is found under its
//! key.

use std::collections::BTreeSet;

use fundledger::pb::v1::{self, post_result};
use tokio::task::JoinSet;

use crate::server::{payment, set_up};
use crate::service::Service;

const CALLERS: usize = 8;

/// Posts one payment after another until the service is gone; gives the keys that were acknowledged, and the one that was not.
async fn post_until_stopped(service: &Service, caller: usize) -> impl Future<Output = (Vec<String>, String)> + use<> {
    let mut ledger = service.ledger().await;
    async move {
        let mut acknowledged = Vec::new();
        loop {
            let key = format!("p-{caller}-{}", acknowledged.len());
            let request = v1::PostRequest { commands: vec![payment(&key)], ..Default::default() };
            match ledger.post(request).await {
                Ok(answer) => {
                    let results = answer.into_inner().results;
                    assert!(matches!(results[0].outcome, Some(post_result::Outcome::Receipt(_))), "{results:?}");
                    acknowledged.push(key);
                }
                Err(_) => return (acknowledged, key),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_was_acknowledged_or_taken_is_lost() {
    let mut service = Service::new(&[("LIMITS__DRAIN_SECONDS", "3600")]);
    service.post(set_up()).await;
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        callers.spawn(post_until_stopped(&service, caller).await);
    }
    let events = |service: &Service| {
        let metrics = service.get("/metrics").1;
        let count = metrics.lines().find_map(|line| line.strip_prefix("fundledger_events_total ")).unwrap();
        count.parse::<u64>().unwrap()
    };
    service.signal("TERM");
    while service.probe("/livez").1 != "draining" {
        tokio::task::yield_now().await;
    }
    // Callers are still answered: the log grows.
    let before = events(&service);
    while events(&service) < before + 50 {
        tokio::task::yield_now().await;
    }
    service.signal("TERM");
    assert!(service.ended().success());
    let mut acknowledged = BTreeSet::new();
    let mut unanswered = Vec::new();
    while let Some(caller) = callers.join_next().await {
        let (keys, last) = caller.unwrap();
        acknowledged.extend(keys);
        unanswered.push(last);
    }
    assert!(acknowledged.len() >= 50);

    let service = service.again(&[]);
    let sent_again: Vec<_> = acknowledged.iter().map(|key| payment(key)).collect();
    for commands in sent_again.chunks(1_000) {
        for result in service.post(commands.to_vec()).await {
            let Some(post_result::Outcome::Receipt(receipt)) = result.outcome else { panic!("{result:?}") };
            assert!(receipt.replayed, "{receipt:?}");
        }
    }
    // What was under way when the service went is there, or is not; either way it is there once.
    for result in service.post(unanswered.iter().map(|key| payment(key)).collect()).await {
        assert!(matches!(result.outcome, Some(post_result::Outcome::Receipt(_))), "{result:?}");
    }
    let last = service.post(vec![payment("last")]).await;
    let Some(post_result::Outcome::Receipt(receipt)) = &last[0].outcome else { panic!("{last:?}") };
    let expected = set_up().len() + acknowledged.len() + unanswered.len() + 1;
    assert_eq!(usize::try_from(receipt.sequence).unwrap(), expected);
}
