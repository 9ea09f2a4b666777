//! A served ledger, commands as JSON, and what became of them.

use std::fs;
use std::process::Command as Process;

use fundledger::pb::{DESCRIPTORS, v1};
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, ReflectMessage};
use serde_json::Value;
use tonic_types::RpcStatusExt;

pub(crate) use crate::server::on;
use crate::server::{Served, errors, output, receipt, run};

/// The schema of a command.
pub(crate) fn descriptor() -> MessageDescriptor {
    DescriptorPool::decode(DESCRIPTORS).unwrap().get_message_by_name("fundledger.v1.Command").unwrap()
}

/// A command from its JSON.
pub(crate) fn command(json: &Value) -> v1::Command {
    let message = DynamicMessage::deserialize(descriptor(), json).unwrap_or_else(|error| panic!("{error}: {json}"));
    assert_eq!(message.descriptor().name(), "Command");
    message.transcode_to().unwrap()
}

/// The lines of a scenario.
pub(crate) fn scenario(name: &str) -> Vec<Value> {
    let text = fs::read_to_string(format!("tests/data/scenarios/{name}.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Fen as the scenario file writes them.
pub(crate) fn yuan(minor: i64) -> String {
    let whole = (minor / 100).to_string();
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{grouped}.{:02}", minor % 100)
}

/// A refusal: its reason, and its facts as one text.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) reason: String,
    pub(crate) facts: String,
}

pub(crate) struct World {
    pub(crate) served: Served,
    pub(crate) last: i64,
}

impl World {
    pub(crate) fn new() -> Self {
        Self { served: Served::new(), last: 0 }
    }

    /// A ledger with a scenario posted.
    pub(crate) async fn after(name: &str) -> Self {
        let mut world = Self::new();
        for line in scenario(name) {
            world.accept(&line).await;
        }
        world
    }

    pub(crate) async fn give(&mut self, json: &Value) -> v1::PostResult {
        let request = v1::PostRequest { commands: vec![command(json)], ..Default::default() };
        self.served.ledger().await.post(request).await.unwrap().into_inner().results.remove(0)
    }

    /// Gives several commands in one request, which must all be accepted.
    pub(crate) async fn accept_all(&mut self, lines: &[Value]) {
        let receipts = self.served.accept(lines.iter().map(command).collect()).await;
        self.last = receipts.last().map_or(self.last, |receipt| receipt.sequence);
    }

    pub(crate) async fn accept(&mut self, json: &Value) -> i64 {
        let result = self.give(json).await;
        assert!(matches!(result.outcome, Some(v1::post_result::Outcome::Receipt(_))), "{json}: {result:?}");
        self.last = receipt(result).sequence;
        self.last
    }

    pub(crate) async fn refuse(&mut self, json: &Value) -> Refused {
        let result = self.give(json).await;
        let Some(v1::post_result::Outcome::Error(status)) = result.outcome else { panic!("{json}: not refused") };
        let info = status.get_details_error_info().unwrap();
        let mut facts: Vec<String> = info.metadata.iter().map(|(name, value)| format!("{name}={value}")).collect();
        facts.sort_unstable();
        Refused { reason: info.reason, facts: facts.join(" ") }
    }

    /// The balance of an account, in minor units.
    pub(crate) async fn minor(&self, account_id: &str) -> i64 {
        let (account_id, min_sequence) = (account_id.to_owned(), Some(self.last));
        let request = v1::GetBalanceRequest { account_id, min_sequence, ..Default::default() };
        self.served.query().await.get_balance(request).await.unwrap().into_inner().balance.unwrap().amount_minor
    }

    pub(crate) async fn holds(&self, account_id: &str) -> String {
        yuan(self.minor(account_id).await)
    }

    /// The balances of several accounts are as in the scenario file.
    pub(crate) async fn balances_are(&self, expected: &[(&str, &str)]) {
        for (account, held) in expected {
            assert_eq!(self.holds(account).await, *held, "{account}");
        }
    }

    /// Waits until readers see a sequence.
    pub(crate) async fn seen(&self, sequence: i64) {
        let request = v1::ListBalancesRequest { min_sequence: Some(sequence), ..Default::default() };
        self.served.query().await.list_balances(request).await.unwrap();
    }

    /// Sequences of the events that pass a filter.
    pub(crate) async fn listed(&self, request: v1::ListEventsRequest) -> Vec<i64> {
        let request = v1::ListEventsRequest { min_sequence: Some(self.last), ..request };
        let answer = self.served.query().await.list_events(request).await.unwrap().into_inner();
        assert!(answer.next_page_token.is_empty());
        answer.records.into_iter().map(|record| record.sequence).collect()
    }

    /// The stored event of a sequence.
    pub(crate) async fn event(&self, sequence: i64) -> v1::Event {
        let request = v1::GetEventRequest { sequence };
        self.served.query().await.get_event(request).await.unwrap().into_inner().record.unwrap().event.unwrap()
    }

    /// Stops the server; two independent verifiers look at what it left, and it starts again from its snapshot.
    pub(crate) async fn verify(&mut self) {
        let before = self.head().await;
        self.served.stop();
        let data = self.served.data();
        let verified = run(&["verify", data.to_str().unwrap(), "--deep", "--allow-unanchored"]);
        assert!(verified.status.success(), "{}{}", String::from_utf8_lossy(&verified.stdout), errors(&verified));
        let bundle = data.with_file_name("families.bundle");
        let exported = run(&["export", "--data", data.to_str().unwrap(), "--bundle", bundle.to_str().unwrap()]);
        assert!(exported.status.success(), "{}", errors(&exported));
        let oracle = output(Process::new("python3").arg("tests/oracle/verify.py").arg(&bundle).arg("--deep"));
        if let Ok(oracle) = oracle {
            assert!(oracle.status.success(), "{}{}", String::from_utf8_lossy(&oracle.stdout), errors(&oracle));
        }
        self.served.start();
        // Readers may not have seen the last refusal before the stop.
        assert!(self.head().await >= before.max(self.last));
    }

    async fn head(&self) -> i64 {
        let request = v1::ListBalancesRequest::default();
        let answer = self.served.query().await.list_balances(request).await.unwrap().into_inner();
        answer.position.unwrap().sequence
    }
}
