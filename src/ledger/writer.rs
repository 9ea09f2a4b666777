//! The writer: owns the state and the log's head; decides, encodes, hashes.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, PoisonError, mpsc::SyncSender};

use tokio::sync::{mpsc, oneshot};

use super::clock::Clock;
use super::counts::Tally;
use super::idempotency;
use super::snapshot;
use super::{Outcome, Prepared, Receipt, Request, Shared, SubmissionKind, Unavailable, Waiting};
use crate::domain::approval::Approvals;
use crate::domain::command::{Command, Envelope, Order, Precondition};
use crate::domain::decide::{Context, decide, needs_trial_balance, originals_of};
use crate::domain::event::{Decision, Event, Payload};
use crate::domain::ids::{ActorId, CaseId, RequestId, Sequence};
use crate::domain::log_key::LogKeys;
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::release::Released;
use crate::domain::state::State;
use crate::domain::time::{Day, UtcNanos};
use crate::format::block::{Block, BlockBuilder};
use crate::format::fingerprint::FingerprintTable;
use crate::format::keyed::Fingerprints;
use crate::format::record::{ENTRY_BYTES_MAX, HASH_BYTES, Head, split_entry};
use crate::format::{codec, trial_balance};
use crate::log::{Fault, LogRead};

/// Commands decided before a group is handed over, at most (one request more may spill over).
const GROUP_COMMANDS_MAX: usize = 8_192;
/// Fewest events between snapshots: a start after kill -9 replays no more, where the accounts are not many millions.
const SNAPSHOT_INTERVAL_EVENTS: i64 = 1_000_000;
/// A snapshot writes what has changed of the tables that grow with every event, and all the rest: of the rest, at most so many
/// bytes for each event since the last one.
const SNAPSHOT_BYTES_AN_EVENT: usize = 64;

/// Commands whose rows are brought near at once: what is asked for together fits the nearest caches.
const COMMANDS_NEAR: usize = 64;

/// Maker of the ledger's own events: no client's name may have that character.
const LEDGER_ITSELF: &str = "/ledger";

/// What is done with each command of a request by itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Each {
    Find,
    Validate,
    Post,
}

/// Outcomes on their way to whoever asked.
pub(super) struct Reply {
    to: oneshot::Sender<Result<Vec<Outcome>, Unavailable>>,
    outcomes: Vec<Outcome>,
}

/// What is committed at once.
pub(super) struct Group {
    pub(super) blocks: Arc<Vec<Block>>,
    pub(super) events: Vec<Event>,
    pub(super) replies: Vec<Reply>,
    pub(super) snapshot: Option<snapshot::Taken>,
    /// What its commands came to.
    pub(super) tally: Tally,
}

impl Group {
    pub(super) fn answer(self) {
        Self::answer_all(self.replies);
    }

    pub(super) fn answer_all(replies: Vec<Reply>) {
        for reply in replies {
            // Whoever asked may have gone away: the events stand all the same, and the key finds them.
            drop(reply.to.send(Ok(reply.outcomes)));
        }
    }

    pub(super) fn fail(self, why: &Unavailable) {
        for reply in self.replies {
            drop(reply.to.send(Err(why.clone())));
        }
    }
}

/// Where a writer starts: what replay or a snapshot gave.
pub(super) struct Start {
    pub(super) head: Head,
    state: State,
    keys: FingerprintTable,
    booked_at: UtcNanos,
}

impl Default for Start {
    fn default() -> Self {
        Self {
            head: Head::EMPTY,
            state: State::default(),
            keys: FingerprintTable::default(),
            booked_at: UtcNanos::default(),
        }
    }
}

impl Start {
    pub(super) const fn from_snapshot(head: Head, state: State, keys: FingerprintTable, booked_at: UtcNanos) -> Self {
        Self { head, state, keys, booked_at }
    }

    /// What the log says of its keys.
    pub(super) const fn log_keys(&self) -> &LogKeys {
        &self.state.log_keys
    }

    /// When the last event was booked.
    pub(super) const fn booked_at(&self) -> UtcNanos {
        self.booked_at
    }

    /// Whether the ledger has administrators.
    pub(super) fn is_administered(&self) -> bool {
        self.state.authority().is_administered()
    }

    /// Whether the keys of a block's events have the fingerprints that they had.
    pub(super) fn knows(&self, block: &Block, fingerprints: &Fingerprints) -> Result<bool, Fault> {
        for (sequence, entry) in (block.first_sequence..).zip(block.entries()) {
            let event = decoded(sequence, entry)?;
            let fingerprint = event.request_id().map(|request_id| fingerprints.of(request_id.as_str()));
            if fingerprint.is_some_and(|fingerprint| !self.keys.candidates(fingerprint).any(|at| at == sequence)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Applies the events of a block.
    pub(super) fn replay(&mut self, block: &Block, fingerprints: &Fingerprints) -> Result<(), Fault> {
        let mut sequence = block.first_sequence;
        for entry in block.entries() {
            let event = decoded(sequence, entry)?;
            if let Some(request_id) = event.request_id() {
                self.keys.insert(fingerprints.of(request_id.as_str()), sequence);
            }
            self.state.apply(Sequence(sequence), &event);
            self.booked_at = event.booked_at;
            sequence = sequence.saturating_add(1);
        }
        self.head = block.head;
        Ok(())
    }
}

fn decoded(sequence: i64, entry: &[u8]) -> Result<Event, Fault> {
    let (_, bytes) = split_entry(entry).unwrap_or_default();
    codec::decode(bytes).map_err(|error| Fault::new(format!("replaying the event at sequence {sequence}"), error))
}

/// What the writer leaves behind when it ends.
pub(super) struct Finished {
    pub(super) head: Head,
    state: State,
    keys: FingerprintTable,
    booked_at: UtcNanos,
}

impl Finished {
    pub(super) fn snapshot(&self) -> snapshot::Taken {
        snapshot::take(&self.state, &self.keys, self.booked_at)
    }
}

/// The thread that decides, or whoever takes its place step by step.
pub(super) struct Writer {
    state: State,
    keys: FingerprintTable,
    builder: BlockBuilder,
    booked_at: UtcNanos,
    clock: Box<dyn Clock>,
    fingerprints: Fingerprints,
    shared: Arc<Shared>,
    reader: Arc<dyn LogRead>,
    // Blocks handed over that may not be readable in the log yet.
    in_flight: VecDeque<Arc<Vec<Block>>>,
    // Events of the group that is being decided.
    events: Vec<Event>,
    tally: Tally,
    takes_snapshots: bool,
    snapshot_at: i64,
}

impl Writer {
    pub(super) fn new(
        start: Start,
        shared: Arc<Shared>,
        reader: Arc<dyn LogRead>,
        clock: Box<dyn Clock>,
        fingerprints: Fingerprints,
        takes_snapshots: bool,
    ) -> Self {
        Self {
            state: start.state,
            keys: start.keys,
            builder: BlockBuilder::new(start.head),
            booked_at: start.booked_at,
            clock,
            fingerprints,
            shared,
            reader,
            in_flight: VecDeque::new(),
            events: Vec::new(),
            tally: Tally::default(),
            takes_snapshots,
            snapshot_at: next_snapshot(start.head.sequence, 0),
        }
    }

    /// Runs until nobody can submit any more, or until the committer has failed.
    pub(super) fn run(mut self, mut requests: mpsc::Receiver<Request>, groups: &SyncSender<Group>) -> Finished {
        while let Some(first) = requests.blocking_recv() {
            let mut replies = Vec::new();
            let mut decided = 0_usize;
            let mut next = Some(first);
            let mut is_closing = false;
            while let Some(request) = next {
                let submission = match request {
                    Request::Submission(submission) => submission,
                    Request::Unreleased { before, count_max, reply } => {
                        let payments = self.state.unreleased_before(before, count_max);
                        // Whoever asked may have gone away.
                        drop(reply.send(Waiting { payments, supervised: self.state.supervised }));
                        next = requests.try_recv().ok();
                        continue;
                    }
                };
                is_closing |= submission.kind == SubmissionKind::Close;
                drop(submission.room);
                decided = decided.saturating_add(submission.commands.len());
                replies.extend(self.answer(submission.commands, submission.kind, submission.reply));
                let has_room = decided < GROUP_COMMANDS_MAX && !is_closing;
                next = if has_room { requests.try_recv().ok() } else { None };
            }
            let group = self.close_group(replies);
            if let Err(refused) = groups.send(group) {
                // The committer is gone: it failed, and said why.
                let why = self.shared.read_only.get().cloned().unwrap_or_default();
                refused.0.fail(&Unavailable::OutcomeUnknown(why));
                break;
            }
            if is_closing {
                break;
            }
        }
        Finished { head: self.builder.head(), state: self.state, keys: self.keys, booked_at: self.booked_at }
    }

    /// Decides a request; its reply is sent once what it rests on is on disk, or at once where nothing was done.
    pub(super) fn answer(
        &mut self,
        commands: Vec<Prepared>,
        kind: SubmissionKind,
        to: oneshot::Sender<Result<Vec<Outcome>, Unavailable>>,
    ) -> Option<Reply> {
        match self.decide_all(commands, kind) {
            Ok(outcomes) => Some(Reply { to, outcomes }),
            Err(why) => {
                // Whoever asked may have gone away.
                drop(to.send(Err(why)));
                None
            }
        }
    }

    /// Ends the group that is being decided.
    pub(super) fn close_group(&mut self, replies: Vec<Reply>) -> Group {
        let blocks = Arc::new(self.builder.take());
        let committed = self.shared.committed().sequence;
        let is_committed = |blocks: &Vec<Block>| blocks.last().is_none_or(|block| block.head.sequence <= committed);
        while self.in_flight.front().is_some_and(|blocks| is_committed(blocks)) {
            self.in_flight.pop_front();
        }
        if !blocks.is_empty() {
            self.in_flight.push_back(Arc::clone(&blocks));
        }
        self.publish_log_keys();
        let head = self.builder.head();
        let is_due = self.takes_snapshots && head.sequence >= self.snapshot_at;
        let snapshot = is_due.then(|| self.snapshot());
        if let Some(taken) = &snapshot {
            self.snapshot_at = next_snapshot(head.sequence, taken.state().len());
        }
        Group {
            blocks,
            events: std::mem::take(&mut self.events),
            replies,
            snapshot,
            tally: std::mem::take(&mut self.tally),
        }
    }

    /// The state as it is, as a snapshot has it.
    pub(super) fn snapshot(&self) -> snapshot::Taken {
        snapshot::take(&self.state, &self.keys, self.booked_at)
    }

    fn publish_log_keys(&self) {
        let mut published = self.shared.log_keys.lock().unwrap_or_else(PoisonError::into_inner);
        if published.changed() != self.state.log_keys.changed() {
            *published = self.state.log_keys.clone();
        }
    }

    /// Decides what is posted, as [`Self::run`] does.
    pub(super) fn decide_posted(&mut self, commands: Vec<Prepared>) -> Result<Vec<Outcome>, Unavailable> {
        self.decide_all(commands, SubmissionKind::Post)
    }

    fn decide_all(&mut self, commands: Vec<Prepared>, kind: SubmissionKind) -> Result<Vec<Outcome>, Unavailable> {
        let before = self.builder.head();
        // Whoever only asks posts nothing.
        let is_counted = kind != SubmissionKind::Find;
        let decided = self.decide_each(commands, kind).map(|mut outcomes| {
            for outcome in &mut outcomes {
                self.mark_unreleased(outcome);
                if is_counted {
                    self.tally.add(outcome);
                }
            }
            outcomes
        });
        match decided {
            // Some of its events are on their way to the disk: "nothing was done" would not be true.
            Err(Unavailable::ReadOnly(why)) if self.builder.head() != before => Err(Unavailable::OutcomeUnknown(why)),
            decided => decided,
        }
    }

    /// Says of a payment whether it waits for witnesses now, accepted a moment ago or long before.
    fn mark_unreleased(&self, outcome: &mut Outcome) {
        if let Outcome::Accepted(receipt) = outcome {
            receipt.is_unreleased = self.state.is_unreleased(Sequence(receipt.sequence));
        }
    }

    fn decide_each(&mut self, commands: Vec<Prepared>, kind: SubmissionKind) -> Result<Vec<Outcome>, Unavailable> {
        let now = self.clock.now();
        let mut outcomes = Vec::with_capacity(commands.len());
        if kind != SubmissionKind::Close && self.shared.read_only.get().is_none() {
            self.expire(now)?;
        }
        let each = match kind {
            SubmissionKind::Post => {
                self.events.reserve(commands.len());
                Each::Post
            }
            SubmissionKind::Approve => return self.approve(commands, now),
            SubmissionKind::Conclude => {
                for proposed in commands {
                    outcomes.extend(self.conclude(proposed, now)?);
                }
                return Ok(outcomes);
            }
            SubmissionKind::Release(released) => {
                self.release(*released, now)?;
                return Ok(outcomes);
            }
            SubmissionKind::Find => Each::Find,
            SubmissionKind::Validate | SubmissionKind::Tick | SubmissionKind::Close => Each::Validate,
        };
        let mut commands = commands.into_iter();
        while let next @ [_, ..] = commands.as_slice() {
            let count = next.len().min(COMMANDS_NEAR);
            self.bring_near(next.get(..count).unwrap_or_default());
            for prepared in commands.by_ref().take(count) {
                outcomes.extend(self.decide_one(prepared, each, now)?);
            }
        }
        Ok(outcomes)
    }

    /// Asks the large tables for what the next commands will ask them for, all at once: memory answers many questions in the
    /// time of one, and finds what it was asked before.
    fn bring_near(&self, commands: &[Prepared]) {
        let known = commands.iter().filter(|prepared| self.keys.may_have(prepared.fingerprint)).count();
        let named = self.state.bring_near(commands.iter().map(|prepared| &prepared.command.order));
        // Nothing depends on the answers; without this the questions would not be asked.
        std::hint::black_box((known, named));
    }

    fn decide_one(&mut self, prepared: Prepared, each: Each, now: UtcNanos) -> Result<Option<Outcome>, Unavailable> {
        if each == Each::Find {
            let found = self.find(&prepared)?;
            return Ok(found.map(|(sequence, entry, event)| idempotency::answer(sequence, &entry, &event)));
        }
        match self.replayed(&prepared)? {
            Some(outcome) => Ok(Some(outcome)),
            None if each == Each::Post => self.post(prepared, now).map(Some),
            None => self.validate(prepared, now).map(Some),
        }
    }

    /// The outcome a command had before, under its key.
    fn replayed(&self, prepared: &Prepared) -> Result<Option<Outcome>, Unavailable> {
        let earlier = self.find(prepared)?;
        Ok(earlier.and_then(|(sequence, entry, event)| idempotency::replay(prepared, sequence, &entry, &event)))
    }

    /// Posts an approval, and then the command it was for, if nothing is missing any more.
    fn approve(&mut self, commands: Vec<Prepared>, now: UtcNanos) -> Result<Vec<Outcome>, Unavailable> {
        let mut outcomes = Vec::with_capacity(commands.len());
        let mut commands = commands.into_iter();
        let Some(approval) = commands.next() else { return Ok(outcomes) };
        let outcome = match self.replayed(&approval)? {
            Some(outcome) => outcome,
            None => self.post(approval, now)?,
        };
        let is_approved = matches!(outcome, Outcome::Accepted(_));
        outcomes.push(outcome);
        if let (true, Some(proposed)) = (is_approved, commands.next()) {
            outcomes.extend(self.conclude(proposed, now)?);
        }
        Ok(outcomes)
    }

    /// Executes a proposed command, if its approvals are complete; `None` where more are needed, or where it is no longer
    /// proposed. A refusal for another reason than approvals is an outcome: waiting would not change it.
    fn conclude(&mut self, mut proposed: Prepared, now: UtcNanos) -> Result<Option<Outcome>, Unavailable> {
        let Some(sequence) = proposed.command.envelope.approvals.proposal() else { return Ok(None) };
        let Some(proposal) = self.state.authority().proposal(sequence) else { return self.replayed(&proposed) };
        if let Approvals::Signed(signed) = &mut proposed.command.envelope.approvals {
            let still_count = proposal.approvals.iter().filter(|approval| self.state.authority().counts(approval.key));
            signed.approvals = still_count.cloned().collect();
        }
        if let Some((original_sequence, _, _)) = self.find(&proposed)? {
            // Somebody used the command's key while it waited: it can never be executed, and that is put on record.
            let refusal = Refusal::new(Reason::IdempotencyKeyReused).with("original_sequence", original_sequence);
            let name = proposed.command.order.name();
            let mut envelope = proposed.command.envelope;
            envelope.personal_data.clear();
            envelope.request_id = own_key("proposal", sequence);
            self.record(envelope, refused(name, &refusal), now)?;
            let first_different_field = "proposal";
            return Ok(Some(Outcome::KeyReused { original_sequence, first_different_field }));
        }
        let Command { envelope, preconditions, order } = &proposed.command;
        let decided = self.decide(envelope, preconditions, order.clone(), now)?;
        if decided.is_err_and(|refusal| waits_for_approvals(&refusal, &envelope.actor)) {
            return Ok(None);
        }
        self.post(proposed, now).map(Some)
    }

    /// Proposals whose time has run out expire by an event, in the order of their times.
    fn expire(&mut self, now: UtcNanos) -> Result<(), Unavailable> {
        while let Some(proposal) = self.state.authority().lapsed(now) {
            let envelope = Envelope {
                request_id: own_key("expired", proposal),
                business_date: now.shanghai_date(),
                actor: ActorId::stored(LEDGER_ITSELF),
                approvals: Approvals::default(),
                personal_data: Vec::new(),
            };
            let payload = Payload::ProposalExpired { proposal };
            self.record(envelope, Decision { policy_version: 0, legs: Vec::new(), payload }, now)?;
        }
        Ok(())
    }

    /// Releases the payments that still wait; nothing, where none does. The proof is for the last one: where that one waits no
    /// more, it was released or reversed meanwhile, and whoever asked looks again.
    fn release(&mut self, mut released: Released, now: UtcNanos) -> Result<(), Unavailable> {
        let Some(last) = released.payments.last().copied().filter(|last| self.state.unreleased.contains(last)) else {
            return Ok(());
        };
        released.payments.retain(|place| self.state.unreleased.contains(place));
        let envelope = Envelope {
            request_id: RequestId::stored(format!("/released/{}/{}", last.0.0, last.1)),
            business_date: now.shanghai_date(),
            actor: ActorId::stored(LEDGER_ITSELF),
            approvals: Approvals::default(),
            personal_data: Vec::new(),
        };
        let payload = Payload::PaymentReleased(Box::new(released));
        self.record(envelope, Decision { policy_version: 0, legs: Vec::new(), payload }, now)
    }

    /// Books what the ledger itself has to say, under a key of its own.
    fn record(&mut self, envelope: Envelope, decision: Decision, now: UtcNanos) -> Result<(), Unavailable> {
        let fingerprint = self.fingerprints.of(envelope.request_id.as_str());
        let event =
            Event { booked_at: self.booking_time(now), command_digest: [0; 16], envelope: Some(envelope), decision };
        let head = self
            .builder
            .push(|buffer| codec::encode(&event, buffer))
            .map_err(|error| self.unreadable(&Fault::new("recording an event", error)))?;
        self.state.apply(Sequence(head.sequence), &event);
        self.book(event, fingerprint, head);
        Ok(())
    }

    /// Booking times increase strictly, whatever the clock does.
    fn booking_time(&self, now: UtcNanos) -> UtcNanos {
        UtcNanos(now.0.max(self.booked_at.0.saturating_add(1)))
    }

    /// The event that has a command's key.
    fn find(&self, prepared: &Prepared) -> Result<Option<(i64, Vec<u8>, Event)>, Unavailable> {
        for sequence in self.keys.candidates(prepared.fingerprint) {
            let (entry, event) = self.event_at(sequence).map_err(|fault| self.unreadable(&fault))?;
            if event.request_id() == Some(&prepared.command.envelope.request_id) {
                return Ok(Some((sequence, entry, event)));
            }
        }
        Ok(None)
    }

    fn unreadable(&self, fault: &Fault) -> Unavailable {
        self.shared.poison(&fault.to_string());
        Unavailable::ReadOnly(fault.to_string())
    }

    fn event_at(&self, sequence: i64) -> Result<(Vec<u8>, Event), Fault> {
        let missing = || Fault::new("reading the log", format!("no event at sequence {sequence}"));
        let entry = match self.recent_entry(sequence) {
            Some(entry) => entry,
            None => self.reader.entry_at(sequence)?.ok_or_else(missing)?,
        };
        let (_, bytes) = split_entry(&entry).ok_or_else(missing)?;
        let event = codec::decode(bytes).map_err(|error| Fault::new("reading the log", error))?;
        Ok((entry, event))
    }

    fn recent_entry(&self, sequence: i64) -> Option<Vec<u8>> {
        if let Some(entry) = self.builder.entry_at(sequence) {
            return Some(entry.to_vec());
        }
        let block = self
            .in_flight
            .iter()
            .flat_map(|blocks| blocks.iter())
            .find(|block| (block.first_sequence..=block.head.sequence).contains(&sequence))?;
        block.entry_at(sequence).map(<[u8]>::to_vec)
    }

    fn post(&mut self, prepared: Prepared, now: UtcNanos) -> Result<Outcome, Unavailable> {
        let Prepared { command: Command { mut envelope, preconditions, order }, digest, fingerprint } = prepared;
        if let Approvals::Batch(batch) = &mut envelope.approvals
            && let Some(proposal) = self.state.authority().proposal(batch.proposal)
        {
            batch.checkers = proposal.approvals.iter().map(|approval| approval.actor.clone()).collect();
        }
        let name = order.name();
        let decided = self.decide(&envelope, &preconditions, order, now)?;
        let is_of_batch = matches!(envelope.approvals, Approvals::Batch(_));
        let refusal = decided.as_ref().err().filter(|_| is_of_batch);
        let waits = refusal.is_some_and(|refusal| waits_for_approvals(refusal, &envelope.actor));
        let booked_at = self.booking_time(now);
        let event = |decision| Event { booked_at, command_digest: digest, envelope: Some(envelope), decision };
        let (mut event, refusal) = match decided {
            Ok(decision) => {
                let mut event = event(decision);
                match self.builder.push(|buffer| codec::encode(&event, buffer)) {
                    Ok(head) => {
                        self.state.apply(Sequence(head.sequence), &event);
                        return Ok(Outcome::Accepted(self.book(event, fingerprint, head)));
                    }
                    Err(too_long) => {
                        let refusal = Refusal::new(Reason::EventTooLarge).with("event_bytes", too_long.bytes);
                        event.decision = refused(name, &refusal);
                        (event, refusal)
                    }
                }
            }
            // As for a proposed command: its key is not used up, and its approvals may still come.
            Err(refusal) if waits => {
                return Ok(Outcome::Refused { refusal, sequence: None, replayed: false });
            }
            Err(refusal) => (event(refused(name, &refusal)), refusal),
        };
        // What was refused leaves no personal data behind, in the vault or committed to.
        if let Some(envelope) = &mut event.envelope {
            envelope.personal_data.clear();
        }
        // A refusal is small: texts of at most 512 bytes each, a handful of them, approvals as many as the rules allow, and at
        // most half an entry of signed bytes, which is for the edge to see to.
        let head = self
            .builder
            .push(|buffer| codec::encode(&event, buffer))
            .map_err(|error| self.unreadable(&Fault::new("recording a refusal", error)))?;
        // It moves nothing, but a proposal that it refuses is closed.
        self.state.apply(Sequence(head.sequence), &event);
        let receipt = self.book(event, fingerprint, head);
        Ok(Outcome::Refused { refusal, sequence: Some(receipt.sequence), replayed: false })
    }

    fn book(&mut self, event: Event, fingerprint: u64, head: Head) -> Receipt {
        self.keys.insert(fingerprint, head.sequence);
        self.booked_at = event.booked_at;
        let receipt = Receipt {
            sequence: head.sequence,
            entry_hash: head.hash,
            booked_at: event.booked_at,
            replayed: false,
            is_unreleased: false,
        };
        self.events.push(event);
        receipt
    }

    fn validate(&mut self, prepared: Prepared, now: UtcNanos) -> Result<Outcome, Unavailable> {
        let Prepared { command: Command { envelope, preconditions, order }, digest, .. } = prepared;
        let decided = self.decide(&envelope, &preconditions, order, now)?;
        let fits = decided.and_then(|decision| {
            let event = Event { booked_at: now, command_digest: digest, envelope: Some(envelope), decision };
            let mut encoded = Vec::new();
            codec::encode(&event, &mut encoded);
            if encoded.len() <= ENTRY_BYTES_MAX.saturating_sub(HASH_BYTES) {
                return Ok(());
            }
            Err(Refusal::new(Reason::EventTooLarge).with("event_bytes", encoded.len()))
        });
        Ok(match fits {
            Ok(()) => Outcome::Valid,
            Err(refusal) => Outcome::Refused { refusal, sequence: None, replayed: false },
        })
    }

    fn decide(
        &mut self,
        envelope: &Envelope,
        preconditions: &[Precondition],
        order: Order,
        now: UtcNanos,
    ) -> Result<Result<Decision, Refusal>, Unavailable> {
        let mut originals = Vec::new();
        // Many operations of a transaction may rest on one event: it is read once.
        let wanted: BTreeSet<Sequence> = originals_of(&self.state, &order).into_iter().collect();
        for sequence in wanted {
            if (1..=self.builder.head().sequence).contains(&sequence.0) {
                let (_, event) = self.event_at(sequence.0).map_err(|fault| self.unreadable(&fault))?;
                originals.push((sequence, event));
            }
        }
        let sealed =
            needs_trial_balance(&self.state, &order).map(|fund| trial_balance::digest(self.state.trial_balance(fund)));
        let now = self.booking_time(now);
        let context = Context {
            originals: &originals,
            now,
            trial_balance_sha256: sealed,
            preconditions,
            head: Sequence(self.builder.head().sequence),
        };
        Ok(decide(&mut self.state, envelope, order, &context))
    }
}

/// When the snapshot after one at a sequence is due, whose state took so many bytes.
fn next_snapshot(sequence: i64, state_bytes: usize) -> i64 {
    let events = i64::try_from(state_bytes / SNAPSHOT_BYTES_AN_EVENT).unwrap_or(i64::MAX);
    sequence.saturating_add(SNAPSHOT_INTERVAL_EVENTS.max(events))
}

/// Keys of the ledger's own events start with a character that no client's key may have.
fn own_key(about: &str, sequence: Sequence) -> RequestId {
    RequestId::stored(format!("/{about}/{}", sequence.0))
}

/// Whether more approvals, or others, could make up for a refusal. For a role that the maker lacks none can.
fn waits_for_approvals(refusal: &Refusal, maker: &ActorId) -> bool {
    let is_of_maker = refusal.reason == Reason::RoleMissing && refusal.fact("principal") == Some(maker.as_str());
    !is_of_maker && matches!(refusal.reason, Reason::ApprovalMissing | Reason::RoleMissing | Reason::KeyRevoked)
}

fn refused(command: &'static str, refusal: &Refusal) -> Decision {
    let payload = Payload::CommandRefused { command: command.into(), refusal: refusal.clone() };
    Decision { policy_version: 0, legs: Vec::new(), payload }
}

/// A command that only carries a key, to ask what became of it.
pub(super) fn probe(request_id: RequestId) -> Command {
    Command {
        envelope: Envelope {
            request_id,
            business_date: Day::default(),
            actor: ActorId::stored(""),
            approvals: Approvals::default(),
            personal_data: Vec::new(),
        },
        preconditions: Vec::new(),
        order: Order::Unfreeze { case_id: CaseId::stored("") },
    }
}
