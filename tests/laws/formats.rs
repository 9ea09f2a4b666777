//! The bytes: of events, of commands, of blocks.

use fundledger::format::block::{Assembler, BlockBuilder, VALUE_BYTES_MAX, check_chain, parse_value};
use fundledger::format::canonical;
use fundledger::format::codec;
use fundledger::format::record::{EVENT_BYTES_MAX, Head, split_entry};
use fundledger::pb::{DESCRIPTORS, v1 as pb};
use proptest::prelude::*;
use prost::Message;

use super::genes::{COMMAND_KINDS, Genes};

fn genes() -> impl Strategy<Value = Vec<u16>> {
    prop::collection::vec(any::<u16>(), 80)
}

/// Field numbers of an event's payloads, from the schema itself.
fn payload_tags() -> Vec<i32> {
    let files = prost_types::FileDescriptorSet::decode(DESCRIPTORS).unwrap();
    let event = files.file.iter().flat_map(|file| &file.message_type).find(|message| message.name() == "Event");
    let fields = event.unwrap().field.iter().filter(|field| field.oneof_index.is_some());
    fields.map(prost_types::FieldDescriptorProto::number).collect()
}

fn check_event(tag: i32, genes: &[u16]) {
    let event = Genes::new(genes).event(tag);
    let mut bytes = vec![0xee; 3];
    codec::encode(&event, &mut bytes);
    assert_eq!(bytes[..3], [0xee; 3], "encoding appends");
    let bytes = &bytes[3..];
    let message = pb::Event::decode(bytes).unwrap();
    assert_eq!(message.encode_to_vec(), bytes, "the schema writes other bytes for {event:?}");
    assert_eq!(codec::decode(bytes).unwrap(), event);
}

proptest! {
    #[test]
    fn an_event_of_every_type_reads_back(genes in genes()) {
        let tags = payload_tags();
        prop_assert!(tags.len() >= 23, "{tags:?}");
        for tag in tags {
            check_event(tag, &genes);
        }
    }

    /// Whatever was done to the bytes: an event or an error, never a panic.
    #[test]
    fn damaged_events_are_errors(genes in genes(), tag in 0..23_usize, at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let mut bytes = Vec::new();
        codec::encode(&Genes::new(&genes).event(payload_tags()[tag]), &mut bytes);
        let at = at.index(bytes.len());
        let cut = codec::decode(&bytes[..at]);
        prop_assert!(cut.is_err() || at > 0);
        bytes[at] ^= 1 << bit;
        if let Ok(event) = codec::decode(&bytes) {
            let mut again = Vec::new();
            codec::encode(&event, &mut again);
        }
    }

    #[test]
    fn different_commands_have_different_bytes(one in genes(), other in genes(), kinds in (0..COMMAND_KINDS, 0..COMMAND_KINDS)) {
        check_pair(&mut Genes::new(&one), kinds.0, &mut Genes::new(&other), kinds.1);
        check_pair(&mut Genes::new(&one), kinds.0, &mut Genes::new(&one), kinds.1);
    }

    #[test]
    fn entries_come_back_from_values(sizes in prop::collection::vec(event_bytes(), 0..40), first in 0..3_i64) {
        check_blocks(&sizes, first);
    }
}

proptest! {
    // Each case goes through all kinds of commands.
    #![proptest_config(ProptestConfig::with_cases(80))]

    /// The same choices but for one: commands that differ in one field.
    #[test]
    fn every_field_reaches_the_bytes(genes in genes()) {
        for kind in 0..COMMAND_KINDS {
            let used = { let mut g = Genes::new(&genes); g.command(kind); g.used() };
            let mut differed = 0;
            for at in 0..used.min(genes.len()) {
                let mut changed = genes.clone();
                changed[at] = changed[at].wrapping_add(1);
                differed += check_pair(&mut Genes::new(&genes), kind, &mut Genes::new(&changed), kind);
            }
            prop_assert!(differed > 0, "no choice changes a command of kind {kind}");
        }
    }

    /// Characters moved from one text field into a neighbour: the joined texts stay the same.
    #[test]
    fn moved_characters_reach_the_bytes(genes in prop::collection::vec(1..3_u16, 80)) {
        let mut differed = 0;
        for kind in 0..COMMAND_KINDS {
            let used = { let mut g = Genes::in_pieces(&genes); g.command(kind); g.used() };
            for at in 0..used.min(genes.len() - 3) {
                for neighbour in at + 1..=at + 3 {
                    let mut moved = genes.clone();
                    moved[at] += 1;
                    moved[neighbour] -= 1;
                    differed += check_pair(&mut Genes::in_pieces(&genes), kind, &mut Genes::in_pieces(&moved), kind);
                }
            }
        }
        prop_assert!(differed > COMMAND_KINDS);
    }
}

/// Equal commands have equal bytes, different ones different bytes. 1 where they differ.
fn check_pair(one: &mut Genes<'_>, kind: usize, other: &mut Genes<'_>, other_kind: usize) -> usize {
    let (one, other) = (one.command(kind), other.command(other_kind));
    let bytes = |command| {
        let mut bytes = Vec::new();
        canonical::write(command, &mut bytes);
        bytes
    };
    assert_eq!(one == other, bytes(&one) == bytes(&other), "{one:?}\n{other:?}");
    usize::from(one != other)
}

/// Mostly small, sometimes around the limits of a value and of an entry.
fn event_bytes() -> impl Strategy<Value = usize> {
    prop_oneof![
        4 => 0..400_usize,
        2 => 5_800..6_100_usize,
        1 => 11_700..12_000_usize,
        1 => EVENT_BYTES_MAX - 200..=EVENT_BYTES_MAX,
        1 => 0..=EVENT_BYTES_MAX,
    ]
}

fn check_blocks(sizes: &[usize], seed: i64) {
    let mut builder = BlockBuilder::new(Head::EMPTY);
    let mut events = Vec::new();
    let mut blocks = Vec::new();
    for (at, size) in sizes.iter().enumerate() {
        let byte = u8::try_from((at + usize::try_from(seed).unwrap()) % 251).unwrap();
        let event = vec![byte; *size];
        let head = builder.head();
        assert!(builder.push(|buffer| buffer.resize(buffer.len() + EVENT_BYTES_MAX + 1, byte)).is_err());
        assert_eq!(builder.head(), head, "an event that is too long changes nothing");
        builder.push(|buffer| buffer.extend_from_slice(&event)).unwrap();
        let sequence = builder.head().sequence;
        assert_eq!(sequence, head.sequence + 1);
        assert_eq!(split_entry(builder.entry_at(sequence).unwrap()).unwrap(), (head.hash, event.as_slice()));
        events.push(event);
        if at % 7 == 6 {
            blocks.extend(builder.take());
        }
    }
    blocks.extend(builder.take());
    assert!(builder.take().is_empty());

    let mut assembler = Assembler::default();
    let mut head = Head::EMPTY;
    let mut read = Vec::new();
    let mut last_key = Vec::new();
    for value in blocks.iter().flat_map(fundledger::format::block::Block::to_values) {
        assert!(value.value.len() <= VALUE_BYTES_MAX, "a value of {} bytes", value.value.len());
        assert!(last_key < value.key.to_vec(), "keys ascend");
        last_key = value.key.to_vec();
        let Some(block) = assembler.push(parse_value(&value.key, &value.value).unwrap()).unwrap() else { continue };
        check_chain(&block, head).unwrap();
        head = block.head;
        read.extend(block.entries().map(|entry| split_entry(entry).unwrap().1.to_vec()));
    }
    assert!(!assembler.is_partial());
    assert_eq!(head, builder.head());
    assert!(read == events, "entries changed on the way");
}

#[test]
fn blocks_at_their_limits() {
    // A record is the event and 34 bytes, a payload at most 5,924 bytes.
    for sizes in [
        vec![],
        vec![0],
        vec![5_889],
        vec![5_890],
        vec![5_891],
        vec![0, 5_856],
        vec![0, 5_857],
        vec![EVENT_BYTES_MAX],
        vec![1, EVENT_BYTES_MAX, 1, EVENT_BYTES_MAX, EVENT_BYTES_MAX],
        vec![0; 500],
    ] {
        check_blocks(&sizes, 0);
    }
}

/// Day 0 stands for "no last day" in the log: a lot that ended on it would never end after a restart.
#[test]
fn a_lots_last_day_is_never_day_zero() {
    use fundledger::format::keyed::KeyedDigest;
    for (year, month, day, good) in [(1969, 12, 31, true), (1970, 1, 1, false), (1970, 1, 2, true)] {
        let date = |year, month, day| Some(fundledger::pb::Date { year, month, day });
        let issue = pb::IssueBudget {
            lot_id: "L".into(),
            to_account_id: "A".into(),
            amount_minor: 1,
            issuer_id: "I".into(),
            document_number: "N".into(),
            document_sha256: vec![1; 32].into(),
            expires_on: date(year, month, day),
            ..Default::default()
        };
        let command = pb::Command {
            request_id: "k".into(),
            actor: "m1".into(),
            business_date: date(2026, 1, 1),
            payload: Some(pb::command::Payload::IssueBudget(Box::new(issue))),
            ..Default::default()
        };
        let parsed = fundledger::grpc::convert::command(command, &KeyedDigest::new(&[1; 32], "test"), "");
        assert_eq!(parsed.is_ok(), good, "{parsed:?}");
    }
}
