//! Asking witnesses to cosign: the side of the ledger.
//!
//! All witnesses of a policy are asked for the same checkpoint, side by side. What comes back is believed only if it is a
//! signature of a witness that the policy names. One that knows more than this log has, or another history, is the sign that
//! the log was put back to an old state or changed: then nothing is signed any more.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ureq::Agent;

use super::SecondsNow;
use crate::audit::note::{Checkpoint, Note, NoteKey};
use crate::audit::policy::{Party, Policy};
use crate::format::tree::consistency_proof;
use crate::ledger::checkpoints::{Checkpoints, Signed};
use crate::log::LogRead;
use crate::log::tree::{TreeFiles, root_of};

/// Longest that a witness may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest answer that is read: a few signature lines.
const ANSWER_BYTES_MAX: u64 = 1 << 16;
/// How often a witness may correct our idea of what it knows, in one round.
const TRIES_MAX: usize = 3;
/// Rounds that a witness is left out after it failed: doubled each time, up to this.
const LEFT_OUT_MAX: u32 = 64;
/// Without growth the checkpoint is cosigned again after this, seconds, so that silence is visible.
const HEARTBEAT_SECONDS: u64 = 3_600;

/// What witnesses are asked about.
#[derive(Clone, Copy)]
struct Own<'a> {
    tree: &'a TreeFiles,
    log: &'a dyn LogRead,
    checkpoints: &'a Checkpoints,
}

/// What became of a request.
enum Answer {
    /// Its signature line.
    Cosigned(String),
    /// It cannot be asked, or says something that no witness should: why.
    Failed(String),
    /// It has seen what this log does not have.
    Contradicts(String),
}

struct Asked {
    party: Party,
    /// Size of the last checkpoint that it cosigned, as far as is known here.
    known_size: u64,
    failures: u32,
    left_out: u32,
}

/// The witnesses of a policy, and how far each has got.
pub struct Witnesses {
    policy: Policy,
    asked: Vec<Asked>,
    agent: Agent,
    checkpoints: Arc<Checkpoints>,
    tree: Arc<TreeFiles>,
    log: Arc<dyn LogRead>,
    now: SecondsNow,
    cosigned_at: u64,
}

impl std::fmt::Debug for Witnesses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Witnesses").field("policy", &self.policy).finish_non_exhaustive()
    }
}

impl Witnesses {
    /// The witnesses of a policy that have an address.
    pub fn new(
        policy: Policy,
        checkpoints: Arc<Checkpoints>,
        (tree, log): (Arc<TreeFiles>, Arc<dyn LogRead>),
        now: SecondsNow,
    ) -> Self {
        let reachable = policy.witnesses().iter().filter(|party| party.url.is_some()).cloned();
        let asked = reachable.map(|party| Asked { party, known_size: 0, failures: 0, left_out: 0 }).collect();
        let agent = Agent::config_builder().timeout_global(Some(PATIENCE)).http_status_as_error(false).build().into();
        Self { policy, asked, agent, checkpoints, tree, log, now, cosigned_at: 0 }
    }

    /// Before anything is signed or posted: goes on from what was cosigned last, and looks at what each witness shows. Gives
    /// why the log cannot be trusted, where one has seen another. Blocks.
    pub fn begin(&self) -> Result<(), String> {
        if let Some(kept) = self.checkpoints.kept_witnessed().filter(|kept| self.is_met(&kept.note)) {
            self.checkpoints.resume_witnessed(kept);
        }
        let ledger = Own { tree: &self.tree, log: self.log.as_ref(), checkpoints: &self.checkpoints };
        let agent = &self.agent;
        thread::scope(|threads| {
            let looking: Vec<_> = self
                .asked
                .iter()
                .map(|Asked { party, .. }| (party, threads.spawn(move || shown(agent, party, ledger))))
                .collect();
            for (party, thread) in looking {
                if let Ok(Answer::Contradicts(why)) = thread.join() {
                    return Err(format!("the witness {} {why}", party.name));
                }
            }
            Ok(())
        })
    }

    /// Asks for signatures under the latest checkpoint, if it has not enough yet, or they are an hour old. Gives why the log
    /// cannot be trusted any more, where a witness has seen another one. Blocks.
    pub fn round(&mut self) -> Result<(), String> {
        let Some(latest) = self.checkpoints.latest() else { return Ok(()) };
        let now = (self.now)();
        let is_witnessed =
            self.checkpoints.witnessed().is_some_and(|witnessed| witnessed.checkpoint.size == latest.checkpoint.size);
        if is_witnessed && now < self.cosigned_at.saturating_add(HEARTBEAT_SECONDS) {
            return Ok(());
        }
        let ledger = Own { tree: &self.tree, log: self.log.as_ref(), checkpoints: &self.checkpoints };
        let (agent, latest_ref) = (&self.agent, latest.as_ref());
        let answers: Vec<Option<Answer>> = thread::scope(|threads| {
            let asking: Vec<_> = self
                .asked
                .iter_mut()
                .map(|asked| {
                    let is_left_out = asked.left_out > 0;
                    asked.left_out = asked.left_out.saturating_sub(1);
                    (!is_left_out).then(|| threads.spawn(move || ask(agent, asked, ledger, latest_ref)))
                })
                .collect();
            let joined = |thread: thread::ScopedJoinHandle<'_, Answer>| {
                thread.join().unwrap_or_else(|_| Answer::Failed("asking it panicked".to_owned()))
            };
            asking.into_iter().map(|thread| thread.map(joined)).collect()
        });
        let mut note = latest.note.clone();
        for (asked, answer) in self.asked.iter_mut().zip(answers) {
            match answer {
                None => {}
                Some(Answer::Cosigned(line)) => {
                    asked.failures = 0;
                    note.push_str(&line);
                }
                Some(Answer::Failed(why)) => {
                    asked.failures = asked.failures.saturating_add(1);
                    asked.left_out = 1_u32.checked_shl(asked.failures).unwrap_or(LEFT_OUT_MAX).min(LEFT_OUT_MAX);
                    tracing::warn!(witness = asked.party.name, why, "a witness did not sign");
                }
                Some(Answer::Contradicts(why)) => return Err(format!("the witness {} {why}", asked.party.name)),
            }
        }
        if !self.is_met(&note) {
            return Ok(());
        }
        self.cosigned_at = now;
        let witnessed = Signed { checkpoint: latest.checkpoint.clone(), note };
        if let Err(fault) = self.checkpoints.keep_witnessed(witnessed) {
            tracing::error!(%fault, "cosignatures could not be kept");
        }
        Ok(())
    }

    fn is_met(&self, note: &str) -> bool {
        let Ok(note) = Note::parse(note) else { return false };
        let signers = note.signers(self.policy.witnesses().iter().map(|witness| &witness.key));
        // Where nobody is needed, nobody has seen it.
        self.policy.needs_witnesses() && signers.is_ok_and(|signers| self.policy.is_met(&signers))
    }
}

/// Asks a witness, from what it is believed to know; it may correct that.
fn ask(agent: &Agent, asked: &mut Asked, ledger: Own<'_>, latest: &Signed) -> Answer {
    let Own { tree, .. } = ledger;
    let size = latest.checkpoint.size;
    let url = format!("{}/add-checkpoint", asked.party.url.as_deref().unwrap_or_default().trim_end_matches('/'));
    for _ in 0..TRIES_MAX {
        let proof = match consistency_proof(tree, asked.known_size, size) {
            Ok(proof) => proof,
            Err(error) => return Answer::Failed(error.to_string()),
        };
        let proof: String = proof.iter().flat_map(|hash| [STANDARD.encode(hash), "\n".to_owned()]).collect();
        let request = format!("old {}\n{proof}\n{}", asked.known_size, latest.note);
        let answered = agent.post(&url).send(request).and_then(|mut answer| {
            let text = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string()?;
            Ok((answer.status().as_u16(), text))
        });
        let (status, text) = match answered {
            Ok(answered) => answered,
            Err(error) => return Answer::Failed(error.to_string()),
        };
        match status {
            200 => return cosigned(asked, latest, &text),
            409 => match text.trim_end_matches('\n').parse() {
                Ok(known) if known > size => return shown(agent, &asked.party, ledger),
                Ok(known) => asked.known_size = known,
                Err(_) => return Answer::Failed("its answer names no size".to_owned()),
            },
            422 => return shown(agent, &asked.party, ledger),
            status => {
                let said: String = text.chars().filter(|char| !char.is_control()).take(200).collect();
                return Answer::Failed(format!("it answers {status}: {said}"));
            }
        }
    }
    Answer::Failed("it names another size each time".to_owned())
}

/// What a witness has seen, if it shows a checkpoint with this ledger's own signature that this log does not fit: nothing
/// else counts, or one false witness could stop the ledger.
fn shown(agent: &Agent, party: &Party, ledger: Own<'_>) -> Answer {
    let Own { tree, log, checkpoints } = ledger;
    let unproven = |why: String| Answer::Failed(format!("it claims to have seen another log, and shows none: {why}"));
    let prefix = party.url.as_deref().unwrap_or_default().trim_end_matches('/');
    let url = format!("{prefix}/{}/checkpoint", super::name_of(checkpoints.origin()));
    let fetched = agent.get(&url).call().and_then(|mut answer| {
        let text = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string()?;
        Ok((answer.status().as_u16(), text))
    });
    let note = match fetched {
        Ok((200, note)) => note,
        Ok((status, _)) => return unproven(format!("it answers {status}")),
        Err(error) => return unproven(error.to_string()),
    };
    let keys: Result<Vec<NoteKey>, _> = checkpoints.verifier_keys().iter().map(|key| NoteKey::parse(key)).collect();
    let signed = keys.and_then(|keys| {
        let note = Note::parse(&note)?;
        let is_ours = !note.signers(&keys)?.is_empty();
        is_ours.then(|| Checkpoint::parse(note.text())).transpose()
    });
    let Checkpoint { origin, size, root } = match signed {
        Ok(Some(checkpoint)) => checkpoint,
        Ok(None) => return unproven("this ledger did not sign it".to_owned()),
        Err(error) => return unproven(error.to_string()),
    };
    let has = tree.size();
    if origin != checkpoints.origin() {
        return unproven(format!("it is of {origin}"));
    }
    if size > has {
        return Answer::Contradicts(format!(
            "shows a checkpoint over {size} entries that this ledger signed, and the log has {has}: entries are missing"
        ));
    }
    // The files of the tree may be damaged: what counts is the log. A witness that shows this makes it be read once.
    match root_of(log, size) {
        Ok(found) if found == root => unproven("the log fits it; are the files of the tree damaged?".to_owned()),
        Ok(_) => Answer::Contradicts(format!(
            "shows a checkpoint over {size} entries that this ledger signed, and the log does not begin with them: its history was changed"
        )),
        Err(error) => unproven(error.to_string()),
    }
}

/// The line of this witness among what it sent, if it is genuine.
fn cosigned(asked: &mut Asked, latest: &Signed, text: &str) -> Answer {
    for line in text.split_inclusive('\n') {
        let genuine = Note::parse(&format!("{}{line}", latest.note))
            .is_ok_and(|note| note.signers([&asked.party.key]).is_ok_and(|signers| !signers.is_empty()));
        if genuine {
            asked.known_size = latest.checkpoint.size;
            return Answer::Cosigned(line.to_owned());
        }
    }
    Answer::Failed("what it sent is not its signature".to_owned())
}
