//! The vault against the log it follows: what is kept, hidden, destroyed, and what is left in the files.

use std::path::{Path, PathBuf};

use super::*;
use crate::domain::approval::Approvals;
use crate::domain::command::Envelope;
use crate::domain::event::{Decision, Event, Payload};
use crate::domain::ids::{ActorId, LegalBasis, MatterId, ReasonCode};
use crate::domain::oversight::Oversight;
use crate::domain::personal::{PersonalData, PersonalScope};
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::time::{Day, UtcNanos};
use crate::format::commitment::commitment;

const ALICE: PayeeRef = PayeeRef([1; 16]);
const BOB: PayeeRef = PayeeRef([2; 16]);

struct Room {
    directory: tempfile::TempDir,
    vault: Vault,
}

fn open(directory: &Path) -> Vault {
    Vault::open(directory, &[9; KEY_BYTES], KeyedDigest::new(&[3; 32], "accounts")).unwrap()
}

impl Room {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let vault = open(directory.path());
        Self { directory, vault }
    }

    fn again(&mut self) {
        self.vault = open(self.directory.path());
    }

    /// Every file of the vault, as it lies on disk.
    fn bytes(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let files = std::fs::read_dir(self.directory.path()).unwrap();
        files.map(|file| file.unwrap().path()).map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
    }

    fn holds(&self, needle: &[u8]) -> bool {
        self.bytes().iter().any(|(_, bytes)| bytes.windows(needle.len()).any(|window| window == needle))
    }

    fn stage(&self, request_id: &str, data: &[(PayeeRef, PersonalField, &str)]) -> Vec<PersonalCommitment> {
        self.stage_as(request_id, data, Staging::Command)
    }

    fn stage_as(
        &self,
        request_id: &str,
        data: &[(PayeeRef, PersonalField, &str)],
        staging: Staging<'_>,
    ) -> Vec<PersonalCommitment> {
        let value = |text: &str| PersonalValue::parse(text.to_owned()).unwrap();
        let data =
            data.iter().map(|(party, field, text)| PersonalDatum { party: *party, field: *field, value: value(text) });
        let incoming = [Incoming { request_id: key(request_id), data: data.collect() }];
        self.vault.stage(&incoming, staging).unwrap().remove(0)
    }

    /// What is sealed of a datum, as it is stored.
    fn sealed(&self, commitment: &[u8; 32]) -> Vec<u8> {
        let store = self.vault.store();
        store.query_row("SELECT sealed FROM datum WHERE commitment = ?1", [commitment], |row| row.get(0)).unwrap()
    }

    fn states(&self, party: PayeeRef) -> Vec<(i64, DatumState)> {
        let all = self.vault.list(Listed::Party(party), 0, 100).unwrap();
        all.into_iter().map(|entry| (entry.sequence.0, entry.state)).collect()
    }

    fn waiting(&self) -> usize {
        self.vault.waiting().unwrap().len()
    }
}

fn key(text: &str) -> RequestId {
    RequestId::parse(text.to_owned()).unwrap()
}

fn event(request_id: &str, personal_data: &[PersonalCommitment], payload: Payload) -> Event {
    Event {
        booked_at: UtcNanos(1),
        command_digest: [0; 16],
        envelope: Some(Envelope {
            request_id: key(request_id),
            business_date: Day::default(),
            actor: ActorId::stored("clerk"),
            approvals: Approvals::default(),
            personal_data: personal_data.to_vec(),
        }),
        decision: Decision { policy_version: 0, legs: Vec::new(), payload },
    }
}

fn accepted(request_id: &str, personal_data: &[PersonalCommitment]) -> Event {
    // Also of a kind that is looked at for itself.
    let closed =
        Oversight::MatterClose { matter_id: MatterId::stored("m"), outcome_code: ReasonCode::stored("ANSWERED") };
    event(request_id, personal_data, Payload::Oversight(Box::new(closed)))
}

fn about(data: PersonalData) -> Event {
    event("about", &[], Payload::Oversight(Box::new(Oversight::PersonalData(data))))
}

fn scope(party: PayeeRef, first: i64, last: Option<i64>) -> PersonalScope {
    PersonalScope { party, first: Sequence(first), last: last.map(Sequence) }
}

fn basis() -> LegalBasis {
    LegalBasis::stored("个人信息保护法 47")
}

const NAME: (PayeeRef, PersonalField, &str) = (ALICE, PersonalField::Name, "赵钱孙李");

#[test]
fn what_is_on_record_is_kept_and_opens_its_commitment() {
    let mut room = Room::new();
    let staged = room.stage("r-1", &[NAME, (ALICE, PersonalField::BankAccount, "6222 0000-1111")]);
    assert_eq!(
        room.vault.read(Sequence(5), &ALICE, PersonalField::Name).unwrap_err().to_string(),
        NotOpened::NotFound.to_string()
    );
    room.vault.follow(5, [accepted("r-1", &staged)].iter());
    room.again();
    let opening = room.vault.read(Sequence(5), &ALICE, PersonalField::Name).unwrap();
    assert_eq!(opening.value.reveal(), "赵钱孙李");
    assert_eq!(opening.commitment, staged[0].commitment);
    assert_eq!(commitment(&opening.nonce, "r-1", &ALICE, PersonalField::Name, "赵钱孙李"), staged[0].commitment);
    // An account is found however its digits are set apart; a name has no such pseudonym.
    let other = room.stage("r-2", &[(BOB, PersonalField::BankAccount, "622200001111")]);
    assert_eq!((staged[0].account, staged[1].account.is_some()), (None, true));
    assert_eq!(staged[1].account, other[0].account);
    // Nothing can be read off the files.
    assert!(!room.holds("赵钱孙李".as_bytes()) && !room.holds(&opening.nonce) && !room.holds(b"6222"));
}

#[test]
fn a_retry_commits_to_the_same() {
    let room = Room::new();
    let first = room.stage("r-1", &[NAME]);
    assert_eq!(room.stage("r-1", &[NAME]), first);
    room.vault.follow(5, [accepted("r-1", &first)].iter());
    assert_eq!(room.stage("r-1", &[NAME]), first);
    let other = room.stage("r-1", &[(ALICE, PersonalField::Name, "周吴")]);
    assert_ne!(other, first);
    assert_ne!(room.stage("r-2", &[NAME]), first);
    // Also after the value is gone.
    room.vault.follow(6, [about(PersonalData::Erase(scope(ALICE, 0, None), basis()))].iter());
    assert_eq!(room.stage("r-1", &[NAME]), first);
    assert_eq!(room.stage("r-1", &[(ALICE, PersonalField::Name, "周吴")]), first, "nothing is left to tell");
    // Of a validation nothing is kept.
    let before = room.waiting();
    room.stage_as("r-3", &[NAME], Staging::Nothing);
    assert_eq!(room.waiting(), before);
}

#[test]
fn what_came_to_nothing_is_let_go() {
    let room = Room::new();
    let staged = room.stage("r-1", &[NAME]);
    let sealed = room.sealed(&staged[0].commitment);
    assert!(room.holds(&sealed));
    room.vault.settle(vec![((key("r-1"), staged), true)]).unwrap();
    assert!(room.waiting() == 0 && !room.holds(&sealed));
    // A refusal on record does the same.
    let staged = room.stage("r-2", &[NAME]);
    let sealed = room.sealed(&staged[0].commitment);
    let refusal = Refusal::new(Reason::Frozen);
    room.vault.follow(5, [event("r-2", &[], Payload::CommandRefused { command: "unfreeze".into(), refusal })].iter());
    assert!(room.waiting() == 0 && !room.holds(&sealed));
}

#[test]
fn a_value_that_two_requests_brought_goes_when_both_came_to_nothing() {
    let room = Room::new();
    let (first, second) = (room.stage("r-1", &[NAME]), room.stage("r-1", &[NAME]));
    room.vault.settle(vec![((key("r-1"), first), true)]).unwrap();
    assert_eq!(room.waiting(), 1);
    room.vault.settle(vec![((key("r-1"), second), true)]).unwrap();
    assert_eq!(room.waiting(), 0);
    // One of them was accepted, which the vault has not followed yet.
    let (first, second) = (room.stage("r-1", &[NAME]), room.stage("r-1", &[NAME]));
    room.vault.settle(vec![((key("r-1"), first), false)]).unwrap();
    room.vault.settle(vec![((key("r-1"), second), true)]).unwrap();
    assert_eq!(room.waiting(), 1);
    // Nobody waits for the answer any more: the log will tell.
    let staged = [(key("r-2"), room.stage("r-2", &[NAME]))];
    room.vault.forget_claims(staged.iter());
    assert_eq!(room.waiting(), 2);
}

#[test]
fn what_is_proposed_waits_for_its_end() {
    use crate::domain::authority::ProposedContent;
    let room = Room::new();
    let proposal = key("p-1");
    let staged = room.stage_as("r-1", &[NAME], Staging::Proposal(&proposal));
    let content = ProposedContent::Command(b"...".as_slice().into());
    room.vault.follow(5, [event("p-1", &[], Payload::CommandProposed { content, expires_at: UtcNanos(9) })].iter());
    room.vault.settle(vec![((key("r-1"), staged), false)]).unwrap();
    assert_eq!(room.vault.waiting().unwrap(), [(key("r-1"), Some(proposal))]);
    room.vault.follow(6, [event("w-1", &[], Payload::ProposalWithdrawn { proposal: Sequence(5) })].iter());
    assert_eq!(room.waiting(), 0);
}

#[test]
fn restricted_data_are_shown_to_nobody_until_they_are_released() {
    use DatumState::{Erased, Present, Restricted};
    let room = Room::new();
    for (sequence, request_id) in [(5, "r-1"), (6, "r-2"), (7, "r-3")] {
        let staged = room.stage(request_id, &[NAME]);
        room.vault.follow(sequence, [accepted(request_id, &staged)].iter());
    }
    room.vault.follow(8, [about(PersonalData::Restrict(scope(ALICE, 6, Some(6)), basis()))].iter());
    assert_eq!(room.states(ALICE), [(5, Present), (6, Restricted), (7, Present)]);
    assert!(matches!(room.vault.read(Sequence(6), &ALICE, PersonalField::Name), Err(NotOpened::Restricted)));
    assert!(room.vault.read(Sequence(7), &ALICE, PersonalField::Name).is_ok());
    room.vault.follow(9, [about(PersonalData::Release(scope(ALICE, 0, None), basis()))].iter());
    assert_eq!(room.states(ALICE), [(5, Present), (6, Present), (7, Present)]);
    // What is restricted can be erased.
    room.vault.follow(10, [about(PersonalData::Restrict(scope(ALICE, 0, None), basis()))].iter());
    room.vault.follow(11, [about(PersonalData::Erase(scope(ALICE, 7, None), basis()))].iter());
    assert_eq!(room.states(ALICE), [(5, Restricted), (6, Restricted), (7, Erased)]);
    assert_eq!(room.vault.list(Listed::Event(Sequence(7)), 0, 9).unwrap().len(), 1);
}

#[test]
fn what_is_erased_is_nowhere_and_its_key_opens_nothing() {
    let mut room = Room::new();
    let mut sealed = Vec::new();
    for (sequence, request_id) in [(5, "r-1"), (6, "r-2")] {
        let staged = room.stage(request_id, &[NAME, (BOB, PersonalField::Name, "周吴郑王")]);
        sealed.push((room.sealed(&staged[0].commitment), room.sealed(&staged[1].commitment)));
        room.vault.follow(sequence, [accepted(request_id, &staged)].iter());
    }
    let wrapped = |room: &Room, party| store::wrapped_key(&room.vault.store(), &party).unwrap();
    let old_key = wrapped(&room, ALICE).unwrap();
    assert!(room.holds(&sealed[0].0) && room.holds(&old_key));
    room.vault.follow(7, [about(PersonalData::Erase(scope(ALICE, 5, Some(5)), basis()))].iter());
    // What is left of the person is sealed anew: the old key is gone, and with it whatever it ever sealed.
    assert!(!room.holds(&sealed[0].0) && !room.holds(&sealed[1].0) && !room.holds(&old_key));
    assert!(room.holds(&sealed[0].1), "somebody else's");
    assert!(matches!(room.vault.read(Sequence(5), &ALICE, PersonalField::Name), Err(NotOpened::Erased)));
    assert_eq!(room.vault.read(Sequence(6), &ALICE, PersonalField::Name).unwrap().value.reveal(), "赵钱孙李");
    let new_key = wrapped(&room, ALICE).unwrap();
    room.vault.follow(8, [about(PersonalData::Erase(scope(ALICE, 0, None), basis()))].iter());
    assert!(wrapped(&room, ALICE).is_none() && !room.holds(&new_key));
    assert_eq!(room.vault.read(Sequence(6), &BOB, PersonalField::Name).unwrap().value.reveal(), "周吴郑王");
    room.again();
    assert!(!room.holds(&new_key) && !room.holds(&old_key) && !room.holds(&sealed[0].0));
}

/// The files as they lie, as after a power cut.
fn cut_off(room: &Room) -> Room {
    let directory = tempfile::tempdir().unwrap();
    for (path, bytes) in room.bytes() {
        std::fs::write(directory.path().join(path.file_name().unwrap()), bytes).unwrap();
    }
    let vault = open(directory.path());
    Room { directory, vault }
}

#[test]
fn an_erasure_that_was_cut_off_before_its_journal_was_emptied_leaves_nothing_at_the_next_start() {
    let room = Room::new();
    let staged = room.stage("r-1", &[NAME]);
    let sealed = room.sealed(&staged[0].commitment);
    let old_key = store::wrapped_key(&room.vault.store(), &ALICE).unwrap().unwrap();
    room.vault.follow(5, [accepted("r-1", &staged)].iter());
    store::empty_journal(&room.vault.store()).unwrap();
    let mut connection = room.vault.store();
    let transaction = connection.transaction().unwrap();
    room.vault
        .follow_one(&transaction, Sequence(6), &about(PersonalData::Erase(scope(ALICE, 0, None), basis())))
        .unwrap();
    store::set_followed(&transaction, 6).unwrap();
    transaction.commit().unwrap();
    drop(connection);
    assert!(room.holds(&sealed), "the journal has not come into the file yet");
    let next = cut_off(&room);
    assert!(!next.holds(&sealed) && !next.holds(&old_key));
    assert_eq!(next.states(ALICE), [(5, DatumState::Erased)]);
    assert_eq!(next.vault.followed().unwrap(), 6);
}

#[test]
fn what_is_swept_out_is_nowhere() {
    let room = Room::new();
    let kept = room.stage("r-1", &[NAME]);
    room.vault.follow(5, [accepted("r-1", &kept)].iter());
    let left = room.stage("r-2", &[NAME]);
    let (kept, left) = (room.sealed(&kept[0].commitment), room.sealed(&left[0].commitment));
    let next = cut_off(&room);
    assert!(next.holds(&left));
    next.vault.abandon(&[key("r-2")]).unwrap();
    assert!(!next.holds(&left) && next.holds(&kept));
    next.vault.abandon(&[]).unwrap();
}

#[test]
fn following_again_changes_nothing() {
    let room = Room::new();
    let staged = room.stage("r-1", &[NAME]);
    let events = [
        accepted("r-1", &staged),
        about(PersonalData::Restrict(scope(ALICE, 0, None), basis())),
        about(PersonalData::Release(scope(ALICE, 0, None), basis())),
        about(PersonalData::Erase(scope(ALICE, 0, Some(5)), basis())),
    ];
    for _ in 0..3 {
        room.vault.follow(5, events.iter());
        assert_eq!(room.vault.followed().unwrap(), 8);
        assert_eq!(room.states(ALICE), [(5, DatumState::Erased)]);
    }
}

#[test]
fn a_shorter_log_takes_back_what_it_no_longer_says() {
    let room = Room::new();
    let (kept, gone) = (room.stage("r-1", &[NAME]), room.stage("r-2", &[NAME]));
    room.vault.follow(5, [accepted("r-1", &kept), accepted("r-2", &gone)].iter());
    room.vault.rewind(5).unwrap();
    assert_eq!((room.vault.followed().unwrap(), room.states(ALICE)), (5, vec![(5, DatumState::Present)]));
    assert_eq!(room.waiting(), 1);
    // The command may come again, and its event stand elsewhere.
    let again = room.stage("r-2", &[NAME]);
    assert_eq!(again, gone);
    room.vault.follow(7, [accepted("r-2", &again)].iter());
    assert_eq!(room.states(ALICE), [(5, DatumState::Present), (7, DatumState::Present)]);
}

#[test]
fn a_vault_that_was_lost_says_so() {
    let room = Room::new();
    let staged = room.stage("r-1", &[NAME, (BOB, PersonalField::Name, "周吴郑王")]);
    room.vault.follow(5, [accepted("r-1", &staged)].iter());
    room.vault.follow(5, [accepted("r-1", &staged)].iter());
    assert_eq!(room.vault.missing(), 0);
    let other = Room::new();
    other.vault.follow(5, [accepted("r-1", &staged)].iter());
    assert_eq!(other.vault.missing(), 2);
}

#[test]
fn another_vault_s_key_opens_nothing() {
    let room = Room::new();
    let staged = room.stage("r-1", &[NAME]);
    room.vault.follow(5, [accepted("r-1", &staged)].iter());
    let other = Vault::open(room.directory.path(), &[8; KEY_BYTES], KeyedDigest::new(&[3; 32], "accounts")).unwrap();
    assert!(matches!(other.read(Sequence(5), &ALICE, PersonalField::Name), Err(NotOpened::Fault(_))));
    // A file that is no vault is refused, not written over.
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("vault.sqlite");
    std::fs::write(&file, b"something else entirely, long enough to be looked at").unwrap();
    assert!(Vault::open(directory.path(), &[8; KEY_BYTES], KeyedDigest::new(&[3; 32], "accounts")).is_err());
    assert_eq!(std::fs::read(&file).unwrap(), b"something else entirely, long enough to be looked at");
}
