//! Far more connections than there are places: those that are in go on, those that come are closed at once, and places that
//! become free are taken again.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    reason = "a test may fail"
)]

mod server;

use std::collections::VecDeque;
use std::fs;
use std::net::TcpStream;

use server::{Served, payment, set_up};

const FEW: usize = 2_500;
const MANY: usize = 10_000;
/// Connections that are held at a time: more than `limits.connections_max`, fewer than the files that a process may have.
const HELD: usize = 1_500;

/// Bytes of memory that a process has.
fn memory(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_beyond_all_places_hold_up_nobody_who_is_in() {
    come(FEW).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute: see docs/faults.md"]
async fn ten_thousand_connections() {
    come(MANY).await;
}

async fn come(connections: usize) {
    let served = Served::new();
    let mut inside = served.ledger().await;
    let post = |id: &str| fundledger::pb::v1::PostRequest { commands: vec![payment(id)], ..Default::default() };
    served.accept(set_up()).await;
    let before = memory(served.process());
    let mut held = VecDeque::new();
    for number in 0..connections {
        // Silent: not even the first bytes of HTTP/2 come.
        held.push_back(TcpStream::connect(&served.address).unwrap());
        if held.len() > HELD {
            held.pop_front();
        }
        if number % 500 == 0 {
            let answer = inside.post(post(&format!("p-{number}"))).await.unwrap().into_inner();
            assert!(server::receipt(answer.results[0].clone()).sequence > 0);
        }
    }
    let grown = memory(served.process()).saturating_sub(before);
    println!("{connections} connections, {grown} bytes of memory more");
    assert!(grown < 256 << 20, "{grown} bytes for connections that said nothing");
    drop(held);
    // Their places are free again as soon as the server has seen them go.
    loop {
        if let Ok(channel) = tonic::transport::Channel::from_shared(served.url()).unwrap().connect().await {
            let mut new = fundledger::pb::v1::ledger_service_client::LedgerServiceClient::new(channel);
            if let Ok(answer) = new.post(post("after")).await {
                assert!(server::receipt(answer.into_inner().results[0].clone()).sequence > 0);
                return;
            }
        }
        tokio::task::yield_now().await;
    }
}
