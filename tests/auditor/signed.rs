//! Approvals that are signatures: each stands at the event in which it was given, with the number of its key.

use crate::approving::{World, pay};
use crate::server::{errors, run};
use crate::world::Csv;

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn signatures_are_told_by_key_and_event() {
    let mut world = World::with_fund().await;
    let proposed = world.propose("single", "m1", vec![world.made_by("m1", pay("V1", 5_000))]).await.unwrap();
    let at_single = world.head();
    for checker in ["c1", "c2"] {
        world.approve("single", checker, &proposed.message_to_sign).await.unwrap();
    }
    let commands = vec![world.made_by("m1", pay("V2", 100)), world.made_by("m1", pay("V3", 200))];
    let batch = world.propose("batch", "m1", commands).await.unwrap();
    world.approve("batch", "c2", &batch.message_to_sign).await.unwrap();
    world.post_batch("batch", &batch.commands).await.unwrap();
    let at_batch = at_single + 4;
    world.stop(true).await;
    let data = world.directory.path().join("data");
    let told = run(&["report", "responsibility", data.to_str().unwrap(), "--format", "csv"]);
    assert!(told.status.success(), "{}", errors(&told));
    let table = Csv::parse(&told.stdout);
    let found: Vec<String> = table
        .columns(&["Payment", "Payment at event", "Did", "Person", "Key number", "Signature", "Event"])
        .into_iter()
        .map(|row| row.join(" "))
        .collect();
    let [single, batch] = [at_single, at_batch];
    let expected = [
        format!("V1 {} Command proposed m1   {single}", single + 3),
        format!("V1 {} Checker c1 3 Signed {}", single + 3, single + 1),
        format!("V1 {} Checker c2 4 Signed {}", single + 3, single + 2),
        format!("V1 {} Maker m1   {}", single + 3, single + 3),
        format!("V2 {} Command proposed m1   {batch}", batch + 2),
        format!("V2 {} Checker c2 4 Signed {}", batch + 2, batch + 1),
        format!("V2 {} Maker m1   {}", batch + 2, batch + 2),
        format!("V3 {} Command proposed m1   {batch}", batch + 3),
        format!("V3 {} Checker c2 4 Signed {}", batch + 3, batch + 1),
        format!("V3 {} Maker m1   {}", batch + 3, batch + 3),
    ];
    assert_eq!(found, expected);
}
