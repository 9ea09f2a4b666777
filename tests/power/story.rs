//! A ledger's life on a disk, what it told while it lived, and whether that is still so on what is left of the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use fundledger::format::codec;
use fundledger::format::record::{EntryHash, Head, split_entry};
use fundledger::grpc::convert;
use fundledger::grpc::node::Node;
use fundledger::ledger::Outcome;
use fundledger::ledger::clock::SystemClock;
use fundledger::log::Log;
use fundledger::log::recover::recover;
use fundledger::log::sled::SledLog;
use fundledger::pb::v1;

use super::disk::{Disk, Step};
use super::server::{Served, payment, set_up};

/// Receipts of one answer: id, sequence and hash.
pub type Told = Vec<(String, i64, Vec<u8>)>;

/// Payments a request, over and over: alone, in a block, over several blocks.
const SIZES: [usize; 7] = [1, 2, 1, 40, 1, 150, 9];

fn remembered(ids: impl Iterator<Item = String>, receipts: Vec<v1::Receipt>) -> Told {
    ids.zip(receipts).map(|(id, receipt)| (id, receipt.sequence, receipt.entry_hash.to_vec())).collect()
}

/// A life that is over.
pub struct Story {
    /// Where it lies on the disk.
    pub data: PathBuf,
    /// Its answers, by number.
    pub told: Vec<Told>,
    /// What was done to the disk.
    pub steps: Vec<Step>,
}

/// Whether a payment brings a name for the vault.
fn has_name(id: &str) -> bool {
    id.ends_with(['0', '3', '6', '9'])
}

fn command(id: &str) -> v1::Command {
    let mut command = payment(id);
    if has_name(id) {
        let field = v1::PersonalField::Name.into();
        let value = "李四".to_owned();
        command.personal_data =
            vec![v1::PersonalDatum { person: "Supplier Ltd".to_owned(), field, value, ..Default::default() }];
    }
    command
}

/// Creates a ledger, posts to it, stops it, starts it, kills it, and so on.
pub async fn lived(disk: &Disk) -> Story {
    let mut served = Served::new_in(disk.path());
    let mut told: Vec<Told> = Vec::new();
    let tell = |told: &mut Vec<Told>, answer: Told| {
        disk.told(told.len());
        told.push(answer);
    };
    let ids = set_up().into_iter().map(|command| command.request_id);
    let receipts = served.accept(set_up()).await;
    tell(&mut told, remembered(ids, receipts));
    let mut number = 0;
    for ends_well in [true, false, true] {
        for size in SIZES {
            let ids: Vec<String> = (number..number + size).map(|number| format!("p-{number}")).collect();
            number += size;
            let receipts = served.accept(ids.iter().map(|id| command(id)).collect()).await;
            tell(&mut told, remembered(ids.into_iter(), receipts));
        }
        if ends_well {
            served.stop();
        } else {
            served.kill();
        }
        served.start();
    }
    served.stop();
    let data = served.data().strip_prefix(disk.path()).unwrap().to_owned();
    Story { data, told, steps: disk.steps() }
}

/// What is in the log: sequences with hashes, and ids with sequences.
#[derive(Default)]
struct Found {
    hashes: BTreeMap<i64, EntryHash>,
    ids: BTreeMap<String, i64>,
    doubles: BTreeSet<String>,
}

fn read(log: &Path) -> Result<Found, String> {
    let log = SledLog::open(log).map_err(|fault| fault.to_string())?;
    let mut found = Found::default();
    let recovered = recover(log.reader().as_ref(), Head::EMPTY, |block| {
        for (sequence, entry) in (block.first_sequence..).zip(block.entries()) {
            found.hashes.insert(sequence, EntryHash::of(entry));
            let event = codec::decode(split_entry(entry).unwrap().1).unwrap();
            if let Some(id) = event.request_id().map(|id| id.as_str().to_owned())
                && found.ids.insert(id.clone(), sequence).is_some()
            {
                found.doubles.insert(id);
            }
        }
        Ok(())
    });
    recovered.map_err(|error| error.to_string())?;
    Ok(found)
}

fn compare(found: &Found, known: &[&Told]) -> Result<(), String> {
    if let Some(id) = found.doubles.first() {
        return Err(format!("{id} was posted twice"));
    }
    for (id, sequence, hash) in known.iter().copied().flatten() {
        match found.hashes.get(sequence) {
            None => return Err(format!("{id} was acknowledged at {sequence} and is gone")),
            Some(found) if found.0.as_slice() != hash.as_slice() => {
                return Err(format!("{id} was acknowledged at {sequence}; there is another entry now"));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// Nothing acknowledged is missing from the log, and nothing is there twice. Before anything was acknowledged a directory may be
/// unreadable; a panic is wrong even then.
pub fn check(data: &Path, known: &[&Told]) -> Result<(), String> {
    let found = catch_unwind(AssertUnwindSafe(|| read(&data.join("log")))).map_err(|_| "a panic".to_owned())?;
    match found {
        Ok(found) => compare(&found, known),
        Err(_) if known.is_empty() => Ok(()),
        Err(why) => Err(why),
    }
}

/// The same by the whole program, which must also go on: every payment that was told of is known again, and posting is open.
pub fn checked_whole(data: &Path, known: &[&Told]) -> Result<(), String> {
    let opened = catch_unwind(AssertUnwindSafe(|| Node::open(data, Box::new(SystemClock))));
    let node = match opened.map_err(|_| "a panic".to_owned())? {
        Ok(node) => node,
        Err(_) if known.is_empty() => return Ok(()),
        Err(error) => return Err(error.to_string()),
    };
    if let Some(why) = node.ledger().read_only() {
        return Err(format!("it accepts no postings: {why}"));
    }
    if node.vault().missing() > 0 {
        return Err(format!("{} personal values that the log commits to are gone", node.vault().missing()));
    }
    let again: Vec<_> = known
        .iter()
        .copied()
        .flatten()
        // Those with a name come to the ledger with what the service made of it.
        .filter(|(id, ..)| id.starts_with("p-") && !has_name(id))
        .map(|(id, ..)| convert::command(payment(id), node.pseudonyms(), "").unwrap())
        .map(|command| node.ledger().prepare(command, &mut Vec::new()))
        .collect();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let outcomes = runtime.block_on(node.ledger().post(again)).map_err(|error| error.to_string())?;
    for outcome in outcomes {
        match outcome {
            Outcome::Accepted(receipt) if receipt.replayed => {}
            other => return Err(format!("a retry was answered with {other:?}")),
        }
    }
    node.close().map_err(|fault| fault.to_string())?;
    drop(node);
    check(data, known)
}
