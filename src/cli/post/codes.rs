//! Receipt codes of what a batch paid: what the posting system prints for whoever was paid.

use tokio::task::JoinSet;

use crate::cli::connect::Connection;
use crate::pb::v1::post_result::Outcome;
use crate::pb::v1::{Command, GetReceiptRequest, PostResult};

/// Receipts that are asked for at a time.
const AT_A_TIME: usize = 32;

/// Codes of a batch's results, one each: empty where nobody was paid, `None` where the server did not say.
pub(super) async fn codes(
    connection: &Connection,
    commands: &[Command],
    results: &[PostResult],
) -> Vec<Option<String>> {
    let mut codes = vec![Some(String::new()); results.len()];
    let mut asked = JoinSet::new();
    for (at, (command, result)) in commands.iter().zip(results).enumerate() {
        if !matches!(result.outcome, Some(Outcome::Receipt(_))) {
            continue;
        }
        if asked.len() >= AT_A_TIME {
            put(asked.join_next().await, &mut codes);
        }
        if let Some(code) = codes.get_mut(at) {
            *code = None;
        }
        let (connection, request_id) = (connection.clone(), command.request_id.clone());
        asked.spawn(async move {
            let request = connection.request(GetReceiptRequest { request_id });
            let answer = connection.ledger().get_receipt(request).await;
            (at, answer.ok().map(|answer| answer.into_inner().receipt_code))
        });
    }
    while !asked.is_empty() {
        put(asked.join_next().await, &mut codes);
    }
    codes
}

type Asked = Option<Result<(usize, Option<String>), tokio::task::JoinError>>;

fn put(asked: Asked, codes: &mut [Option<String>]) {
    if let Some(Ok((at, code))) = asked
        && let Some(place) = codes.get_mut(at)
    {
        *place = code;
    }
}
