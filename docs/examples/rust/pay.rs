//! Pays, reads the balance and follows the payment.
//!
//! Usage: `cargo run --example pay -- ADDRESS ACCOUNT VOUCHER AMOUNT_MINOR`

#![allow(clippy::print_stdout, reason = "it is what an example does")]

use std::env;
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use fundledger::pb::Date;
use fundledger::pb::v1::ledger_service_client::LedgerServiceClient;
use fundledger::pb::v1::query_service_client::QueryServiceClient;
use fundledger::pb::v1::{
    Command, ExecutePayment, GetBalanceRequest, PaymentMethod, PostRequest, PostResult, TraceRequest, command::Payload,
    post_result::Outcome, trace_request::Start, trace_response::Part,
};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request};
use tonic_types::StatusExt;

const ATTEMPTS_MAX: u32 = 5;

/// Posts a command until it is answered. The key makes sending it again safe.
async fn post(ledger: &mut LedgerServiceClient<Channel>, command: Command) -> Result<PostResult, Box<dyn Error>> {
    let mut pause = Duration::from_millis(200);
    for attempt in 1.. {
        let mut request = Request::new(PostRequest { commands: vec![command.clone()], ..PostRequest::default() });
        request.metadata_mut().insert("accept-language", "en".parse()?);
        match ledger.post(request).await {
            Ok(answer) => return answer.into_inner().results.pop().ok_or_else(|| "no result".into()),
            Err(status) if status.code() == Code::Unavailable && attempt < ATTEMPTS_MAX => {
                // Random pauses would keep many clients from coming back together.
                tokio::time::sleep(pause).await;
                pause = pause.saturating_mul(3);
            }
            Err(status) => return Err(status.into()),
        }
    }
    Err("unreachable: the last attempt returns".into())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let mut next = |name: &str| arguments.next().ok_or(format!("{name} is missing"));
    let (address, account, voucher) = (next("ADDRESS")?, next("ACCOUNT")?, next("VOUCHER")?);
    let amount_minor = next("AMOUNT_MINOR")?.parse()?;

    let channel = Endpoint::from_shared(format!("http://{address}"))?.timeout(Duration::from_secs(30)).connect_lazy();
    let mut ledger = LedgerServiceClient::new(channel.clone());
    let mut query = QueryServiceClient::new(channel);

    let command = Command {
        // The same key and content again never posts twice.
        request_id: format!("voucher-{voucher}"),
        business_date: Some(Date { year: 2026, month: 6, day: 15 }),
        actor: "maria".to_owned(),
        checkers: vec!["li".to_owned()],
        preconditions: Vec::new(),
        personal_data: Vec::new(),
        personal_commitments: Vec::new(),
        payload: Some(Payload::ExecutePayment(Box::new(ExecutePayment {
            payment_id: voucher.clone(),
            from_account_id: account.clone(),
            amount_minor,
            payee: "EXAMPLE LTD".to_owned(),
            purpose: "SUPPLIER".to_owned(),
            method: PaymentMethod::Direct.into(),
            ..Default::default()
        }))),
    };
    let receipt = match post(&mut ledger, command).await?.outcome {
        Some(Outcome::Receipt(receipt)) => receipt,
        Some(Outcome::Error(error)) => {
            let bytes = prost::Message::encode_to_vec(&error);
            let details =
                tonic::Status::with_details(error.code.into(), error.message, bytes.into()).get_error_details();
            let info = details.error_info().ok_or("every error has ErrorInfo")?;
            let fact = |name: &str| info.metadata.get(name).map_or("?", String::as_str);
            // Programs go by the reason and the facts, people by the message.
            match info.reason.as_str() {
                "INSUFFICIENT_BALANCE" | "LOT_INSUFFICIENT" => {
                    println!("refused: asked {} available {}", fact("asked_minor"), fact("available_minor"));
                }
                reason => println!("refused: {reason} {:?}", info.metadata),
            }
            println!("{}", details.localized_message().map_or("", |text| &text.message));
            return Ok(ExitCode::FAILURE);
        }
        None => return Err("a result without an outcome".into()),
    };
    let hash = fundledger::format::hexadecimal::of(&receipt.entry_hash);
    println!("on disk at {} {hash} ({})", receipt.sequence, if receipt.replayed { "before" } else { "now" });

    // Wait until the payment is visible: read your own write.
    let min_sequence = Some(receipt.sequence);
    let request = GetBalanceRequest { account_id: account.clone(), min_sequence, ..Default::default() };
    let balance = query.get_balance(request).await?.into_inner().balance.ok_or("no balance")?;
    println!(
        "left in {account} {} {} (10^-{})",
        balance.amount_minor, balance.currency_code, balance.currency_exponent
    );

    // Backwards: the lots it was paid from, and their documents.
    let request = TraceRequest { min_sequence, start: Some(Start::PaymentId(voucher)), ..TraceRequest::default() };
    let mut parts = query.trace(request).await?.into_inner();
    while let Some(part) = parts.message().await? {
        if let Some(Part::Nodes(nodes)) = part.part {
            for node in nodes.nodes {
                println!("from {} {} {}", node.kind().as_str_name(), node.label, node.amount_minor);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
