//! Everything that an operator can do to a ledger who holds the disk and the key that checkpoints are signed with, and what is
//! noticed of it by whom: docs/attacks.md is made from what was seen.
//!
//! `UPDATE_DOCS=1 cargo test --test attacks` writes it anew.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::format_push_string,
    reason = "a test may fail"
)]

#[path = "../approvals/world.rs"]
#[allow(dead_code, reason = "a part of it is used here")]
mod approvals;
mod forging;
mod network;
mod rows;
#[path = "../server/mod.rs"]
mod server;
mod world;

use std::fs;

use forging::{
    append_and_sign, edit_entry, edit_index, edit_snapshot, file_in, find, flip, forget, place_of, rewrite,
    rewrite_and_sign, send_elsewhere, swap_key,
};
use fundledger::pb::v1;
use fundledger::pb::v1::event::Payload;
use rows::{Attack, Derived, Edit, Flip, ROWS, Row, Then};
use world::{Ledger, Place, Serving, Started, Verified, copy};

const DOCUMENT: &str = "docs/attacks.md";
const HEAD: &str = "\
# What an operator could do, and who notices

<!-- Made by a test from what it saw: UPDATE_DOCS=1 cargo test --test attacks -->

Somebody runs the ledger, holds its disk, and holds the key that its checkpoints are signed with. Each row is one thing that they could do to a stopped ledger; a test does it to a real one, and lets everybody look. The columns are what others have:

- **Local data only:** nothing. `verify DIR --deep --allow-unanchored`, and a start of the directory.
- **The auditor's checkpoint:** one that an auditor kept some events before the end, with the log's key. `verify DIR --deep --checkpoint FILE --key KEY`.
- **A quorum of witnesses:** two, who have both cosigned the ledger as it was. `verify DIR --deep --policy FILE`, and a start with `witness_policy`.

A cell says **found** with the kinds of faults that `verify` reports, and whether the program starts and posts; **not found**; or harmless, where every answer after a start is that of the untouched ledger. A start protects against accidents and against others at the disk. It is no protection against an operator who runs another program or leaves `witness_policy` out: then only what `verify` finds counts, and the witnesses themselves.

What is derived from the log may be removed (the contents of `snapshots/`, `projections/`, `index/`, `entries/`, `tree/`): the next start makes it anew. The test does so after each false answer that comes from there, and gets true ones.
";

/// The balance of the unit that pays, after all payments, and what an attack makes of it.
const BALANCE: i64 = 50_000_000 - 280;
const RAISED: i64 = 99_000_000;

/// The events as the operator wants them.
fn edited(ledger: &Ledger, edit: Edit) -> Vec<v1::Event> {
    let mut events = ledger.events.clone();
    let before_kept = place_of(&events, "P-100");
    let after_kept = place_of(&events, "P-250");
    assert!(before_kept + 2 < ledger.kept_size && ledger.kept_size < after_kept);
    let last = events.last().unwrap().clone();
    match edit {
        Edit::PayeeBeforeKept => send_elsewhere(&mut events[before_kept]),
        Edit::PayeeAfterKept => send_elsewhere(&mut events[after_kept]),
        Edit::Removed => drop(events.remove(before_kept)),
        Edit::TailBeforeKept => events.truncate(before_kept),
        Edit::TailAfterKept => events.truncate(after_kept),
        Edit::ClockSetBack => events[before_kept].booked_at_ns = events[before_kept - 1].booked_at_ns - 1_000_000_000,
        Edit::BackDated => events[before_kept].business_day -= 30,
        Edit::ReorderedWithTimes => events.swap(before_kept, before_kept + 1),
        Edit::Reordered => {
            let times = [events[before_kept].booked_at_ns, events[before_kept + 1].booked_at_ns];
            events.swap(before_kept, before_kept + 1);
            [events[before_kept].booked_at_ns, events[before_kept + 1].booked_at_ns] = times;
        }
        Edit::Duplicated => events.push(v1::Event { booked_at_ns: last.booked_at_ns + 1, ..last }),
        Edit::Invented => {
            let mut invented = v1::Event { booked_at_ns: last.booked_at_ns + 1, ..last };
            "P-invented".clone_into(&mut invented.request_id);
            let Some(Payload::PaymentExecuted(payment)) = &mut invented.payload else { panic!("no payment is last") };
            "P-invented".clone_into(&mut payment.payment_id);
            events.push(invented);
        }
    }
    events
}

/// Does what a row says; gives the place where it was done.
async fn carry_out(ledger: &Ledger, attack: Attack) -> Place {
    let place = if let Attack::Restored(backup) = attack { ledger.place_with(backup) } else { ledger.place() };
    let data = place.data();
    match attack {
        Attack::Events(edit, Then::Left) => rewrite(&place, &edited(ledger, edit)),
        Attack::Events(edit @ (Edit::Duplicated | Edit::Invented), Then::Signed) => {
            append_and_sign(&place, &edited(ledger, edit));
        }
        Attack::Events(edit @ (Edit::PayeeAfterKept | Edit::TailAfterKept), Then::Signed) => {
            rewrite_and_sign(&place, &edited(ledger, edit));
            ledger.put_back_cosigned(&place);
        }
        Attack::Events(edit, Then::Signed) => rewrite_and_sign(&place, &edited(ledger, edit)),
        Attack::Key => swap_key(&place, &ledger.events),
        Attack::Approval => {
            let mut events = ledger.events.clone();
            let at = place_of(&events, "V1");
            "c3".clone_into(&mut events[at].approvals[1].actor);
            rewrite_and_sign(&place, &events);
        }
        Attack::Restored(_) => {
            let serving = Serving::start(&data, None).unwrap();
            serving.pay((0..100).map(|number| format!("R-{number}"))).await;
            serving.stop();
        }
        Attack::SplitView(_) => {
            let other = place.other();
            copy(&data, &other);
            ledger.shown_to(&place, &data, "congress", ["A-1", "A-2"]).await;
            ledger.shown_to(&place, &other, "audit-office", ["B-1", "B-2"]).await;
        }
        Attack::Derived(Derived::State) => edit_snapshot(&data, "snapshots", BALANCE, RAISED),
        Attack::Derived(Derived::Views) => edit_snapshot(&data, "projections", BALANCE, RAISED),
        // 100,000,000 and 101,000,000 as the index writes changes.
        Attack::Derived(Derived::Index) => edit_index(&data, &index_number(100_000_000), &index_number(101_000_000)),
        Attack::Derived(Derived::Entries) => edit_entry(&data, place_of(&ledger.events, "P-100"), send_elsewhere),
        Attack::Flip(what) => flip_in(ledger, &place, what),
    }
    place
}

/// A change as the index writes it: the sign last, seven bits a byte.
fn index_number(change: u64) -> Vec<u8> {
    let mut rest = change << 1;
    let mut bytes = Vec::new();
    while rest >= 0x80 {
        bytes.push(u8::try_from(rest & 0x7f).unwrap() | 0x80);
        rest >>= 7;
    }
    bytes.push(u8::try_from(rest).unwrap());
    bytes
}

/// The last place, so far before the end, where a letter or digit becomes another one: text stays of its form.
fn letter_before(bytes: &[u8], end: usize) -> usize {
    let stays = |at: &usize| bytes[*at].is_ascii_alphanumeric() && (bytes[*at] ^ 1).is_ascii_alphanumeric();
    (0..=bytes.len() - end).rev().find(stays).unwrap()
}

fn flip_in(ledger: &Ledger, place: &Place, what: Flip) {
    let data = place.data();
    match what {
        Flip::Middle(folder, suffix) => flip(&file_in(&data, folder, suffix), |bytes| bytes.len() / 2),
        Flip::BeforeEnd(folder, name, end) => flip(&data.join(folder).join(name), |bytes| letter_before(bytes, end)),
        Flip::Payment => flip(&data.join("log/db"), |bytes| find(bytes, b"P-100")),
        Flip::Sealed => {
            let committed = ledger.events.iter().find_map(|event| event.personal_data.first()).unwrap();
            // Behind the commitment and a number of the same row, the cipher's nonce, 24 bytes; then what is sealed.
            flip(&data.join("vault/vault.sqlite"), |bytes| find(bytes, &committed.commitment) + 32 + 40);
        }
        Flip::Digit(name) => {
            let path = data.join(name);
            let key = fs::read_to_string(&path).unwrap();
            let digit = if key.starts_with('0') { "1" } else { "0" };
            fs::write(path, format!("{digit}{}", &key[1..])).unwrap();
        }
    }
}

/// An attack, with what each anchor came to.
type Seen<'a> = (&'a Row, [String; 3]);

/// What an anchor comes to.
fn cell(is_record: bool, verified: &Verified, started: Option<&Started>, answers: &Started) -> String {
    let by_verify = match verified {
        Verified::Nothing => None,
        Verified::Faults(kinds) => {
            let kinds: Vec<String> = kinds.iter().map(|kind| format!("`{kind}`")).collect();
            Some(format!("verify {}", kinds.join(", ")))
        }
        Verified::Unreadable => Some("verify cannot read it".to_owned()),
    };
    let by_start = match started {
        None | Some(Started::GoesOn { .. }) => None,
        Some(Started::Refuses) => Some("start refused".to_owned()),
        Some(Started::PostsNothing) => Some("start posts nothing".to_owned()),
    };
    let found: Vec<String> = [by_verify, by_start].into_iter().flatten().collect();
    if !found.is_empty() {
        return format!("**found**: {}", found.join("; "));
    }
    match answers {
        _ if is_record => "**not found**".to_owned(),
        Started::GoesOn { differ, fail } if !differ.is_empty() => {
            let fail = if fail.is_empty() { String::new() } else { format!("; refused: {}", fail.join(", ")) };
            format!("**not found**, false answers: {}{fail}", differ.join(", "))
        }
        Started::GoesOn { fail, .. } if !fail.is_empty() => format!("**found** when asked for {}", fail.join(", ")),
        Started::GoesOn { .. } => "harmless".to_owned(),
        Started::Refuses | Started::PostsNothing => "harmless: the log is whole".to_owned(),
    }
}

/// Carries an attack out and lets everybody look.
async fn seen(ledger: &Ledger, row: &Row) -> [String; 3] {
    let place = carry_out(ledger, row.attack).await;
    let is_record = !matches!(row.attack, Attack::Derived(_) | Attack::Flip(_));
    let threshold = if let Attack::SplitView(threshold) = row.attack { threshold } else { "all" };
    let alone = ledger.started_alone(&place).await;
    let watched = ledger.started_with_witnesses(&place, threshold).await;
    if matches!(row.attack, Attack::SplitView(_)) {
        let compared = ledger.verified_by_comparing(&place);
        assert_eq!(compared, Verified::Faults(["root".to_owned()].into()), "two auditors compare what they were shown");
    }
    let cells = [
        cell(is_record, &place.verified_alone(), Some(&alone), &alone),
        cell(is_record, &ledger.verified_with_kept(&place), None, &alone),
        cell(is_record, &ledger.verified_with_witnesses(&place, threshold), Some(&watched), &watched),
    ];
    if matches!(row.attack, Attack::Derived(_) | Attack::Flip(Flip::Middle("tree", _))) {
        forget(&place.data());
        let anew = ledger.started_alone(&place).await;
        assert_eq!(anew, Started::GoesOn { differ: Vec::new(), fail: Vec::new() }, "{}", row.name);
    }
    cells
}

fn document(seen: &[(&str, Vec<Seen<'_>>)]) -> String {
    let mut text = HEAD.to_owned();
    for (heading, rows) in seen {
        text.push_str(&format!("\n## {heading}\n\n| attack | local data only | the auditor's checkpoint | a quorum of witnesses |\n|---|---|---|---|\n"));
        for (row, [local, kept, witnessed]) in rows {
            let words = if row.words.is_empty() { String::new() } else { format!("<br>{}", row.words) };
            text.push_str(&format!("| **{}**{words} | {local} | {kept} | {witnessed} |\n", row.name));
        }
    }
    text.push_str(&network::document());
    text
}

/// One test: what opens stores in this process must not run beside what starts others.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_is_noticed_of_each_attack_is_what_the_document_says() {
    let ledger = Ledger::with_payments().await;
    let signed = Ledger::with_approvals().await;
    let mut all = Vec::new();
    let mut wrong = Vec::new();
    for (heading, rows) in ROWS {
        let mut of_heading = Vec::new();
        for row in *rows {
            let ledger = if matches!(row.attack, Attack::Approval) { &signed } else { &ledger };
            let seen = seen(ledger, row).await;
            if seen != row.expected {
                wrong.push(format!("{}: {seen:?}, not {:?}", row.name, row.expected));
            }
            println!("{:?}: {seen:?}", row.attack);
            of_heading.push((row, seen));
        }
        all.push((*heading, of_heading));
    }
    let made = document(&all);
    println!("{made}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(DOCUMENT, &made).unwrap();
    }
    let found = fs::read_to_string(DOCUMENT).unwrap_or_default();
    assert!(made == found, "UPDATE_DOCS=1 cargo test --test attacks writes docs/attacks.md anew");
}
