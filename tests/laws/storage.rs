//! What survives: replays, snapshots, power cuts, and damage.

use fundledger::domain::command::Command;
use fundledger::domain::decide::{Context, decide, needs_trial_balance, originals_of};
use fundledger::domain::event::Event;
use fundledger::domain::ids::Sequence;
use fundledger::domain::refusal::Refusal;
use fundledger::domain::state::State;
use fundledger::domain::time::UtcNanos;
use fundledger::format::block::BlockBuilder;
use fundledger::format::record::Head;
use fundledger::format::trial_balance;
use fundledger::ledger::clock::FixedClock;
use fundledger::ledger::directory::DataDirectory;
use fundledger::ledger::{Genesis, Ledger, OpenError, Outcome, Unavailable};
use fundledger::log::memory::{Failure, MemoryLog};
use fundledger::log::recover::{RecoverError, recover};
use fundledger::log::{Log, LogRead, blocks_between};
use proptest::prelude::*;
use tokio::runtime::Runtime;

use super::model::{Model, Step, steps};
use super::money::empty_fund;
use super::support::ledger::{TestLedger, count_of, events, new_log, post, rebuilt};
use super::support::orders::on;

const CLOCK: FixedClock = FixedClock(UtcNanos(1_700_000_000_000_000_000));

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

/// The commands that steps stand for, with keys of their own; the fund and its accounts come first.
fn commands(steps: &[Step]) -> Vec<Command> {
    let mut commands = Vec::new();
    for (at, order) in empty_fund().iter().enumerate() {
        commands.push(on("2026-01-01").command(&format!("setup-{at}"), order));
    }
    let mut model = Model::default();
    for (at, step) in steps.iter().enumerate() {
        let (who, order) = model.order(step);
        commands.push(who.command(&format!("step-{at}"), &order));
        // Refusals are events too: the next sequence is that of the next command.
        model.take(step, i64::try_from(commands.len()).unwrap());
    }
    commands
}

/// The commands in requests of these sizes.
fn batches(commands: &[Command], sizes: &[usize]) -> Vec<Vec<Command>> {
    let mut rest = commands;
    let mut batches = Vec::new();
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (batch, left) = rest.split_at((*size).min(rest.len()));
        batches.push(batch.to_vec());
        rest = left;
    }
    batches
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(1..60_usize, 1..6)
}

/// What an answer says, whatever the ledger's keys and times are.
fn said(outcome: &Outcome) -> (Option<i64>, Option<Refusal>, &'static str) {
    match outcome {
        Outcome::Accepted(receipt) => {
            (Some(receipt.sequence), None, if receipt.replayed { "again" } else { "accepted" })
        }
        Outcome::Valid => (None, None, "valid"),
        Outcome::Refused { refusal, sequence, replayed } => {
            (*sequence, Some(refusal.clone()), if *replayed { "again" } else { "refused" })
        }
        Outcome::KeyReused { original_sequence, first_different_field } => {
            (Some(*original_sequence), None, first_different_field)
        }
    }
}

fn state_of(events: &[Event]) -> State {
    let mut state = State::default();
    for (at, event) in events.iter().enumerate() {
        state.apply(Sequence(i64::try_from(at).unwrap()), event);
    }
    state
}

/// The state as the rules build it without any ledger: refusals take a sequence and change nothing.
fn state_by_the_rules(commands: &[Command]) -> State {
    let mut state = State::default();
    let mut posted: Vec<Option<Event>> = vec![None];
    for Command { envelope, order, .. } in commands {
        let original = |sequence: Sequence| {
            let event = usize::try_from(sequence.0).ok().and_then(|at| posted.get(at))?.as_ref()?;
            Some((sequence, event.clone()))
        };
        let originals: Vec<_> = originals_of(&state, order).into_iter().filter_map(original).collect();
        let sealed = needs_trial_balance(&state, order).map(|fund| trial_balance::digest(state.trial_balance(fund)));
        let head = Sequence(i64::try_from(posted.len()).unwrap() - 1);
        let context = Context {
            originals: &originals,
            now: UtcNanos(1),
            trial_balance_sha256: sealed,
            head,
            ..Context::default()
        };
        let decided = decide(&mut state, envelope, order.clone(), &context);
        let event = decided.ok().map(|decision| Event {
            booked_at: UtcNanos(0),
            command_digest: [0; 16],
            envelope: Some(envelope.clone()),
            decision,
        });
        if let Some(event) = &event {
            state.apply(Sequence(i64::try_from(posted.len()).unwrap()), event);
        }
        posted.push(event);
    }
    state
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_replay_gives_what_live_posting_gave(steps in steps(60), sizes in sizes()) {
        let commands = commands(&steps);
        let ledger = TestLedger::new();
        runtime().block_on(async {
            for batch in batches(&commands, &sizes) {
                ledger.post(batch).await.unwrap();
            }
        });
        let stored = ledger.events();
        prop_assert_eq!(stored.len(), commands.len() + 1);
        prop_assert!(state_of(&stored) == state_by_the_rules(&commands), "the states differ");
        let live = ledger.views();
        prop_assert!(live == rebuilt(&ledger.log, ledger.ledger.committed()), "the views differ");
        let decoded = fundledger::projection::Views::decode(live.position, &live.encode()).unwrap();
        prop_assert!(decoded == live, "the views do not read back");
        prop_assert!(stored.windows(2).all(|pair| pair[0].booked_at < pair[1].booked_at));
    }

    /// Blocks that were not synced survive a power cut in any number, but in order, as the log promises.
    #[test]
    fn a_power_cut_loses_nothing_acknowledged(
        steps in steps(60), sizes in sizes(), after in 0..12_u32, on_sync in any::<bool>(), survivors in 0..12_usize,
    ) {
        check_power_cut(&commands(&steps), &sizes, after, on_sync, |at| at < survivors);
    }

    /// In any order: then the ledger may refuse to open, but nothing acknowledged is gone.
    #[test]
    fn nor_does_one_that_breaks_the_order(
        steps in steps(60), sizes in sizes(), after in 0..12_u32, survivors in any::<u64>(),
    ) {
        check_power_cut(&commands(&steps), &sizes, after, true, |at| survivors >> (at % 64) & 1 == 1);
    }

    #[test]
    fn recovery_tells_a_tail_from_damage(
        sizes in prop::collection::vec(prop_oneof![3 => 0..3_000_usize, 1 => 6_000..20_000_usize], 3..14),
        at in any::<prop::sample::Index>(),
        byte in any::<prop::sample::Index>(),
        damage in 0..3_u8,
    ) {
        check_damage(&sizes, |values| at.index(values), byte, damage);
    }
}

/// Posts until the log fails, cuts the power, and sends everything again.
fn check_power_cut(
    commands: &[Command],
    sizes: &[usize],
    after: u32,
    on_sync: bool,
    survives: impl FnMut(usize) -> bool,
) {
    let ledger = TestLedger::new();
    ledger.log.fail_after(after, if on_sync { Failure::Sync } else { Failure::Write });
    let mut acknowledged = Vec::new();
    let mut failed = false;
    runtime().block_on(async {
        for batch in batches(commands, sizes) {
            match ledger.post(batch.clone()).await {
                Ok(outcomes) => {
                    assert!(!failed, "acknowledged after a failure");
                    acknowledged.extend(batch.into_iter().zip(outcomes));
                }
                Err(Unavailable::OutcomeUnknown(_) | Unavailable::ReadOnly(_)) => failed = true,
                Err(other) => panic!("{other}"),
            }
        }
    });
    let left = ledger.log.after_power_cut(survives);
    drop(ledger);
    let again = match TestLedger::open(left.clone()) {
        Ok(ledger) => ledger,
        Err(OpenError::Recover(RecoverError::Damaged { sequence, .. })) => {
            let known = i64::try_from(acknowledged.len()).unwrap();
            assert!(sequence > known, "damage at {sequence}, but {known} were acknowledged");
            assert!(blocks_between(&left, 0, known).all(|block| block.is_ok()));
            return;
        }
        Err(other) => panic!("{other}"),
    };
    let stored = again.events();
    for (command, outcome) in &acknowledged {
        let (sequence, refusal, _) = said(outcome);
        let event = &stored[usize::try_from(sequence.unwrap()).unwrap()];
        assert_eq!(event.request_id(), Some(&command.envelope.request_id));
        assert_eq!(event.refusal(), refusal.as_ref());
    }
    let outcomes = runtime().block_on(again.post(commands.to_vec())).unwrap();
    for ((_, first), second) in acknowledged.iter().zip(&outcomes) {
        let ((sequence, refusal, _), second) = (said(first), said(second));
        assert_eq!(second, (sequence, refusal, "again"));
    }
    let stored = again.events();
    assert_eq!(stored.len(), commands.len() + 1);
    assert!(commands.iter().all(|command| count_of(&stored, command.envelope.request_id.as_str()) == 1));
    assert!(again.views() == rebuilt(&again.log, again.ledger.committed()));
}

/// A log of blocks of one event each, and its head after each block.
fn log_of(sizes: &[usize]) -> (MemoryLog, Vec<Head>) {
    let mut log = new_log();
    let reader = log.reader();
    log.adopt(recover(reader.as_ref(), Head::EMPTY, |_| Ok(())).unwrap().head, &[]).unwrap();
    let mut heads = vec![log.head()];
    for size in sizes {
        let mut builder = BlockBuilder::new(log.head());
        builder.push(|buffer| buffer.resize(buffer.len() + size, 7)).unwrap();
        log.append(log.head(), &builder.take()).unwrap();
        heads.push(log.head());
    }
    (log, heads)
}

/// Damages one value: flips a bit of it, removes it, or empties it.
fn check_damage(sizes: &[usize], choose: impl Fn(usize) -> usize, byte: prop::sample::Index, damage: u8) {
    let (log, heads) = log_of(sizes);
    let mut damaged = Vec::new();
    let mut keys = Vec::new();
    log.tamper(|values| {
        keys = values.keys().cloned().collect();
        damaged.clone_from(&keys[choose(keys.len())]);
        match damage {
            0 => values.get_mut(&damaged).unwrap()[byte.index(80) % 76] ^= 1,
            1 => drop(values.remove(&damaged)),
            _ => values.get_mut(&damaged).unwrap().clear(),
        }
    });
    let first = |key: &[u8]| i64::from_be_bytes(key[..8].try_into().unwrap());
    let broken = first(&damaged);
    let mut visited = 0;
    let found = recover(&log, Head::EMPTY, |block| {
        assert_eq!(block.head, heads[usize::try_from(visited).unwrap()]);
        visited += 1;
        Ok(())
    });
    assert_eq!(visited, broken, "everything before the damage is good");
    let follow = keys.iter().any(|key| first(key) > broken);
    match found {
        Err(RecoverError::Damaged { sequence, .. }) => {
            assert!(follow, "an unfinished tail is no damage");
            assert_eq!(sequence, broken);
        }
        Ok(recovered) => {
            assert!(!follow, "valid blocks follow the damage at {broken}");
            assert_eq!(
                recovered.head,
                heads.get(usize::try_from(broken - 1).unwrap_or(usize::MAX)).copied().unwrap_or(Head::EMPTY)
            );
            let mut rest: Vec<_> = keys.into_iter().filter(|key| first(key) == broken).collect();
            rest.retain(|key| damage != 1 || *key != damaged);
            assert_eq!(recovered.unfinished, rest, "the tail is named whole");
        }
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn one_missing_block_before_the_last_is_damage() {
    for missing in 0..=4 {
        let (log, _) = log_of(&[10, 10, 10, 10]);
        log.tamper(|values| values.retain(|key, _| key[..8] != i64::to_be_bytes(missing)));
        let found = recover(&log, Head::EMPTY, |_| Ok(()));
        assert_eq!(found.is_err(), missing < 4, "without block {missing}: {found:?}");
    }
}

/// A block that is sound by itself but continues another log.
#[test]
fn a_foreign_block_in_the_middle_is_damage() {
    let (log, _) = log_of(&[10, 10, 10]);
    let (other, _) = log_of(&[11, 11, 11]);
    let foreign: Vec<_> = other
        .values_from(&[])
        .map(Result::unwrap)
        .filter(|(key, _)| key[7] == 2)
        .map(|(key, value)| (key, value.to_vec()))
        .collect();
    log.tamper(|values| values.extend(foreign));
    match recover(&log, Head::EMPTY, |_| Ok(())) {
        Err(RecoverError::Damaged { sequence: 2, .. }) => {}
        other => panic!("{other:?}"),
    }
}

/// A ledger with a directory closes with a snapshot; one in memory replays. Both say the same ever after.
#[test]
fn a_snapshot_answers_as_a_replay_does() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for damaged in ["", "", "chunks", "state", "s"] {
        let steps = steps(120).new_tree(&mut runner).unwrap().current();
        let commands = commands(&steps);
        let (early, late) = commands.split_at(commands.len() * 2 / 3);
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        let directory = DataDirectory::create(&path, Genesis::of_development("test.invalid/funds"), &CLOCK).unwrap();
        let open = |directory: &DataDirectory| Ledger::open(directory, Box::new(CLOCK), Box::new(|_| {})).unwrap();
        let ledger = open(&directory);
        let memory = TestLedger::new();
        let answers = |outcomes: Vec<Outcome>| outcomes.iter().map(said).collect::<Vec<_>>();
        let (one, other) = runtime().block_on(async {
            (post(&ledger, early.to_vec()).await.unwrap(), memory.post(early.to_vec()).await.unwrap())
        });
        assert_eq!(answers(one), answers(other));

        ledger.close().unwrap();
        drop(ledger);
        drop(directory);
        let files = || std::fs::read_dir(path.join("snapshots")).unwrap().map(|file| file.unwrap().path());
        let suffix = |path: std::path::PathBuf| path.extension().unwrap().to_str().unwrap().to_owned();
        let kinds: std::collections::BTreeSet<_> = files().map(suffix).collect();
        assert!(
            files().count() == 2 && kinds.iter().map(|kind| kind.split_once('-').unwrap().0).eq(["chunks", "state"])
        );
        // One of them, or both.
        let is_damaged = |file: &std::path::PathBuf| !damaged.is_empty() && suffix(file.clone()).contains(damaged);
        files().filter(is_damaged).for_each(|file| std::fs::write(file, b"damaged").unwrap());
        let directory = DataDirectory::open(&path).unwrap();
        let ledger = open(&directory);
        assert_eq!(ledger.read_only(), None);
        let memory = memory.reopened();
        runtime().block_on(async {
            let mut scratch = Vec::new();
            let mut prepared = |ledger: &Ledger| -> Vec<_> {
                late.iter().map(|command| ledger.prepare(command.clone(), &mut scratch)).collect()
            };
            let (one, other) = (prepared(&ledger), prepared(&memory.ledger));
            let (one, other) = (ledger.validate(one).await.unwrap(), memory.ledger.validate(other).await.unwrap());
            assert_eq!(answers(one), answers(other), "validated");
            let (one, other) = (post(&ledger, commands.clone()).await, memory.post(commands.clone()).await);
            assert_eq!(answers(one.unwrap()), answers(other.unwrap()), "posted");
        });
        let (of_ledger, of_memory) = (events(ledger.log().as_ref(), ledger.committed()), memory.events());
        assert!(state_of(&of_ledger) == state_of(&of_memory));
        ledger.close().unwrap();
    }
}
