//! Requests to post, as they come: what the straight way reads is what the decoder and the parser make of the same bytes.

#![no_main]

use fundledger::format::keyed::{KEY_BYTES, KeyedDigest};
use fundledger::grpc::{convert, fuzzing};
use fundledger::pb::v1::{Command, PostRequest};
use libfuzzer_sys::fuzz_target;
use prost::Message;

fuzz_target!(|input: &[u8]| {
    let pseudonyms = KeyedDigest::new(&[7; KEY_BYTES], "payees");
    let decoded = PostRequest::decode(input);
    let parsed = |command: Command| convert::command(command, &pseudonyms, "");
    let Some(straight) = fuzzing::straight(input, &pseudonyms) else {
        for command in decoded.map(|request| request.commands).unwrap_or_default() {
            drop(parsed(command));
        }
        return;
    };
    let request = decoded.expect("what is read straight can be decoded");
    assert_eq!(request.commands.len(), straight.len());
    assert!(!request.validate_only && request.approved_batch.is_none());
    for (command, (bytes, read)) in request.commands.into_iter().zip(straight) {
        assert_eq!(Command::decode(bytes).as_ref(), Ok(&command));
        assert_eq!(parsed(command), Ok(read));
    }
});
