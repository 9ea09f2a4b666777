//! docs/errors.md is made from the reasons, their gRPC codes, the comments of the API and the catalogues.
//!
//! `UPDATE_DOCS=1 cargo test --test errors_document` writes it anew.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use fundledger::domain::refusal::Reason;
use fundledger::grpc::status;
use fundledger::messages::{self, Language, Record};
use fundledger::pb::DESCRIPTORS;
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic::Code;

const DOCUMENT: &str = "docs/errors.md";
/// Fields of `FileDescriptorProto.enum_type` and `EnumDescriptorProto.value`, in paths of source locations.
const ENUM_TYPE: i32 = 5;
const VALUE: i32 = 2;

const HEAD: &str = "\
# Errors

<!-- Made by a test from the API's comments and the catalogues: UPDATE_DOCS=1 cargo test --test errors_document -->

Every error is a `google.rpc.Status`: that of a call, or in `PostResult.error` that of one command of a request.
Programs go by `ErrorInfo.reason` (domain `fundledger`) and its `metadata`, which hold every fact of the message; people read
`LocalizedMessage`, English or Chinese by the call's `accept-language`, Chinese where it says nothing.
`BadRequest` lists every field that is wrong, `PreconditionFailure` and `ResourceInfo` say what stood in the way, `RetryInfo`
when to come back, `RequestInfo` which call it was. How to send again safely: [clients.md](clients.md).

每个错误都是 `google.rpc.Status`。程序以 `ErrorInfo.reason` 及其 `metadata` 为准；供人阅读的是 `LocalizedMessage`，按 `accept-language` 给出英文或中文，未注明时为中文。
";

/// The comment of each reason in the API.
fn comments() -> BTreeMap<i32, String> {
    let files = FileDescriptorSet::decode(DESCRIPTORS).unwrap().file;
    let file = files.iter().find(|file| file.name() == "fundledger/v1/reason.proto").unwrap();
    let values = &file.enum_type.first().unwrap().value;
    let locations = &file.source_code_info.as_ref().expect("descriptors keep their comments").location;
    let comment = |at: usize| {
        let path = [ENUM_TYPE, 0, VALUE, i32::try_from(at).unwrap()];
        let location = locations.iter().find(|location| location.path == path).unwrap();
        location.leading_comments().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    values.iter().enumerate().map(|(at, value)| (value.number(), comment(at))).collect()
}

/// Whether and how the same command may be sent again.
fn retry(reason: Reason) -> (&'static str, &'static str) {
    let is_recorded = messages::remedy(Language::English, reason, Record::Kept).contains("on record under this key");
    let same = ("after correcting it, under the same key", "更正后用同一幂等键");
    let new = ("never as it is; a corrected command needs a new key", "不可原样重发；更正后须用新的幂等键");
    match (reason, status::code(reason)) {
        (Reason::ReadOnly, _) => ("not before the operator has acted", "须待运维人员处理后"),
        (Reason::IdempotencyKeyReused, _) => new,
        (
            Reason::RequestNotFound
            | Reason::SequenceBeyondHead
            | Reason::PageTokenInvalid
            | Reason::PayeeNotFound
            | Reason::PersonalDataNotFound
            | Reason::PersonalDataRestricted
            | Reason::PersonalDataErased,
            _,
        ) => ("a question, not a posting: ask again after correcting it", "查询而非记账：更正后可再查询"),
        (_, Code::Unavailable | Code::DeadlineExceeded) => {
            ("yes: same key, with growing pauses", "可以：同一幂等键，逐次延长间隔")
        }
        (_, Code::ResourceExhausted) => ("yes: same key, after `RetryInfo`", "可以：同一幂等键，按 `RetryInfo` 等待"),
        (_, Code::DataLoss) => ("never; call the operator", "不可；请联系运维人员"),
        _ if is_recorded => new,
        _ => same,
    }
}

fn code_name(code: Code) -> String {
    let mut name = String::new();
    for char in format!("{code:?}").chars() {
        if char.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(char.to_ascii_uppercase());
    }
    name
}

fn document() -> String {
    let comments = comments();
    let mut text = HEAD.to_owned();
    text.push_str("\n| number | reason | gRPC code | send the same again? |\n|---|---|---|---|\n");
    for reason in Reason::ALL {
        let (code, (retry, _)) = (code_name(status::code(*reason)), retry(*reason));
        writeln!(text, "| {} | [{reason}](#{}) | {code} | {retry} |", reason.number(), reason.as_str().to_lowercase())
            .unwrap();
    }
    for reason in Reason::ALL {
        let (english, chinese) = retry(*reason);
        let said = |language| {
            let end = messages::refusal(language, *reason, std::iter::empty());
            let separator = if language == Language::English { " " } else { "" };
            format!("{end}{separator}{}", messages::remedy(language, *reason, Record::Kept))
        };
        write!(
            text,
            "\n## {reason}\n\n{} · {} · {english} · {chinese}\n\n{}\n\n- {}\n- {}\n",
            reason.number(),
            code_name(status::code(*reason)),
            comments.get(&reason.number()).expect("every reason is in the API"),
            said(Language::English),
            said(Language::Chinese),
        )
        .unwrap();
    }
    text
}

#[test]
fn the_document_says_what_the_code_does() {
    let made = document();
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(DOCUMENT, &made).unwrap();
    }
    let found = fs::read_to_string(DOCUMENT).unwrap_or_default();
    let differs = made.lines().zip(found.lines()).find(|(made, found)| made != found);
    let why = "UPDATE_DOCS=1 cargo test --test errors_document writes docs/errors.md anew";
    assert!(made == found, "{why}; first difference: {differs:?}");
}

/// docs/domain.md puts them in the order in which they are looked at; that no test derives, but that none is missing one can.
#[test]
fn the_order_of_refusals_names_every_reason_once() {
    let document = fs::read_to_string("docs/domain.md").unwrap();
    let mut rows: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in document.lines().filter(|line| line.starts_with("| `") && line.contains("` (")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let former = rows.insert(cells.first().unwrap(), cells);
        assert!(former.is_none(), "{line} stands twice");
    }
    for reason in Reason::ALL {
        let row = rows.remove(format!("`{reason}` ({})", reason.number()).as_str());
        let row = row.unwrap_or_else(|| panic!("{reason} ({}) is not there", reason.number()));
        assert_eq!(row.last(), Some(&code_name(status::code(*reason)).as_str()), "{reason}");
    }
    assert!(rows.keys().all(|key| !key.contains('_')), "no such reasons: {rows:?}");
}

/// A reason that no test expects is one that nobody has seen.
#[test]
fn every_reason_is_expected_by_a_test() {
    let mut texts = String::new();
    let mut folders = vec![Path::new("tests").to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|suffix| suffix == "rs") && !path.ends_with("errors_document.rs") {
                texts.push_str(&fs::read_to_string(path).unwrap());
            }
        }
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words: BTreeSet<&str> = texts.split(|c| !is_name(c)).collect();
    let unseen: Vec<_> = Reason::ALL
        .iter()
        .filter(|reason| !words.contains(reason.as_str()) && !words.contains(format!("{reason:?}").as_str()))
        .collect();
    assert!(unseen.is_empty(), "{unseen:?}");
}
