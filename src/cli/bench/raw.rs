//! `Post` with as little work as a client can do with it, since it shares the cores with the ledger: the request goes out as the
//! bytes it was built as, and of an answer only the receipts' sequences are read.

use prost::Message;
use prost::bytes::{Buf, BufMut, Bytes};
use prost::encoding::decode_varint;
use tonic::client::Grpc;
use tonic::codec::{Codec, EncodeBuf, Encoder};
use tonic::{Code, Status};

use crate::cli::Failure;
use crate::cli::connect::{Connection, Explanation};
use crate::grpc::posting::WholeMessages;
use crate::messages::cli as text;
use crate::pb::v1;
use crate::pb::v1::post_result::Outcome;

const PATH: &str = "/fundledger.v1.LedgerService/Post";

/// Posts an encoded request of so many commands, each of which must be accepted; gives the last sequence.
pub(super) async fn post(connection: &Connection, request: Bytes, commands: u64) -> Result<i64, Failure> {
    let posted = try_post(connection, request, commands).await?;
    posted.map_err(|refused| Failure::Unavailable(refused.message))
}

/// The same, where the ledger may refuse the whole request because too much waits already.
pub(super) async fn try_post(
    connection: &Connection,
    request: Bytes,
    commands: u64,
) -> Result<Result<i64, Explanation>, Failure> {
    let mut grpc = Grpc::new(connection.channel());
    let unavailable = |status: Status| Failure::Unavailable(connection.explain(&status).message);
    grpc.ready().await.map_err(|error| unavailable(Status::unavailable(error.to_string())))?;
    let path = http::uri::PathAndQuery::from_static(PATH);
    let answer = match grpc.unary(connection.request(request), path, Raw).await {
        Ok(answer) => answer.into_inner(),
        Err(status) if status.code() == Code::ResourceExhausted => return Ok(Err(connection.explain(&status))),
        Err(status) => return Err(unavailable(status)),
    };
    match receipts(&answer) {
        Some((count, last)) if count == commands => Ok(Ok(last)),
        _ => Err(refused(answer, connection)),
    }
}

/// How many receipts an answer begins with, and the last one's sequence; `None` where there is anything but receipts.
fn receipts(mut answer: &[u8]) -> Option<(u64, i64)> {
    // Fields 1: a result in the answer, the receipt in it, the receipt's sequence.
    const MESSAGE: u64 = 1 << 3 | 2;
    const NUMBER: u64 = 1 << 3;
    let (mut count, mut last) = (0_u64, 0);
    while answer.first().is_some_and(|key| u64::from(*key) == MESSAGE) {
        answer.advance(1);
        let length = usize::try_from(decode_varint(&mut answer).ok()?).ok()?;
        let (mut result, rest) = answer.split_at_checked(length)?;
        answer = rest;
        if decode_varint(&mut result).ok()? != MESSAGE {
            return None;
        }
        decode_varint(&mut result).ok()?;
        if decode_varint(&mut result).ok()? != NUMBER {
            return None;
        }
        last = decode_varint(&mut result).ok()?.cast_signed();
        count = count.saturating_add(1);
    }
    Some((count, last))
}

/// Why an answer is not receipts alone.
fn refused(answer: Bytes, connection: &Connection) -> Failure {
    let results = v1::PostResponse::decode(answer).map(|response| response.results).unwrap_or_default();
    let error = results.into_iter().find_map(|result| match result.outcome {
        Some(Outcome::Error(status)) => Some(status.message),
        Some(Outcome::Receipt(_)) | None => None,
    });
    error.map_or_else(|| Failure::Unavailable(text::answer_has_no_outcome(connection.lang())), Failure::Refused)
}

struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = WholeMessages;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> WholeMessages {
        WholeMessages
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, request: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(request);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receipts_are_counted_and_nothing_else() {
        let receipt = |sequence| v1::PostResult {
            outcome: Some(Outcome::Receipt(v1::Receipt {
                sequence,
                entry_hash: vec![7; 32].into(),
                ..Default::default()
            })),
        };
        let error = v1::PostResult { outcome: Some(Outcome::Error(tonic_types::pb::Status::default())) };
        let answer = |results: Vec<v1::PostResult>| {
            let response = v1::PostResponse { results, reached_level: 1, ..Default::default() };
            receipts(&response.encode_to_vec())
        };
        assert_eq!(answer((1..=300).map(receipt).collect()), Some((300, 300)));
        assert_eq!(answer(vec![receipt(1), error, receipt(2)]), None);
        assert_eq!(answer(Vec::new()), Some((0, 0)));
        assert_eq!(receipts(&[0x0a, 0x05, 0x0a]), None, "cut short");
    }
}
