//! A glance at an event sees what decoding sees, or nothing.

use prost::Message;

use super::super::glance::{Glance, Schema};
use super::family_story::families;
use super::story::story;
use crate::pb::v1::Event;
use crate::pb::v1::event::Payload;

/// Holds a glance against decoding; whether there was one.
fn check(schema: &Schema, bytes: &[u8]) -> bool {
    let Some(Glance { booked_at_ns, request_id }) = schema.glance(bytes) else { return false };
    let event = Event::decode(bytes).unwrap_or_else(|error| panic!("{error}: {bytes:?}"));
    assert_eq!((booked_at_ns, request_id), (event.booked_at_ns, event.request_id.as_bytes()));
    assert!(!matches!(event.payload, None | Some(Payload::LedgerCreated(_))), "{bytes:?}");
    true
}

#[test]
fn a_glance_sees_what_decoding_sees() {
    let schema = Schema::new().unwrap();
    let events: Vec<Event> = story().events.into_iter().chain(families().events).collect();
    let (mut seen, mut mutated) = (0, 0);
    for event in &events {
        let bytes = event.encode_to_vec();
        seen += usize::from(check(&schema, &bytes));
        for at in 0..bytes.len() {
            check(&schema, &bytes[..at]);
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                mutated += usize::from(check(&schema, &changed));
            }
            for put in [0, 0x7F, 0x80, 0xFF] {
                let mut longer = bytes.clone();
                longer.insert(at, put);
                check(&schema, &longer);
            }
        }
        // What a field says twice counts once: which one, decoding knows.
        assert!(!check(&schema, &[&bytes[..], &bytes[..]].concat()));
    }
    // The genesis is the only one that is always decoded.
    assert!(seen + 2 >= events.len() && mutated > 1_000, "{seen} of {}, {mutated}", events.len());
}

#[test]
fn long_numbers_are_taken_as_decoding_takes_them() {
    let schema = Schema::new().unwrap();
    let event = story().events.last().unwrap().clone();
    let bytes = Event { business_day: 0, ..event }.encode_to_vec();
    for (number, is_seen) in [
        (&[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01][..], true),
        (&[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02], false),
        (&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01], false),
        (&[0x80], false),
    ] {
        assert_eq!(check(&schema, &[&bytes[..], &[0x10], number].concat()), is_seen, "{number:?}");
    }
    // A field that nobody knows is decoding's business.
    assert!(!check(&schema, &[&bytes[..], &[0x78, 0]].concat()));
}
