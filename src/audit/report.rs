//! What an audit found: the verdict, every fault up to a bound, and, as important, what was not looked at.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use super::bundle::Carried;
use super::printable::printable;

/// Most faults told one by one; the rest are counted.
pub const FAULTS_MAX: usize = 1_000;

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal;)*) => {
        /// What kind of wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum FaultKind {$(
            $(#[$doc])*
            $kind,
        )*}

        impl FaultKind {
            /// Its stable name.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }
        }
    };
}

kinds! {
    /// A stored value is not laid out as docs/format.md says.
    Framing = "framing";
    /// A stored value is not the one its checksum was made for.
    Checksum = "checksum";
    /// A sequence is missing, comes twice, or stands elsewhere.
    Sequence = "sequence";
    /// An entry does not hash to what the next link says.
    Chain = "chain";
    /// A block's heads are not those of its entries.
    BlockHead = "block_head";
    /// The first event is not a genesis, or another one is.
    Genesis = "genesis";
    /// Booking times do not increase.
    Time = "time";
    /// A request id is missing, malformed or used twice.
    RequestId = "request_id";
    /// The bytes of an event are not an event.
    Decode = "decode";
    /// The books do not say what the events mean.
    Books = "books";
    /// The log does not reach, or is not, what its source claims.
    Head = "head";
    /// A leg names an unknown account or lot, another fund, or an account of the wrong kind.
    Leg = "leg";
    /// The tree over the entries is not the one that a checkpoint was signed for.
    Root = "root";
    /// A tile is missing, malformed, or not made of the entries.
    Tile = "tile";
    /// A checkpoint is not signed by a key of the log, or falsely.
    Signature = "signature";
    /// A bundle is not what its manifest says.
    Manifest = "manifest";
    /// Too few witnesses have seen the log.
    Witness = "witness";
    /// Debits and credits of a book differ (I1).
    Unbalanced = "unbalanced";
    /// An account is below zero (I2).
    NegativeBalance = "negative_balance";
    /// A lot in an account is below zero (I3).
    NegativeLot = "negative_lot";
    /// A lot's authority is not what was issued (I4).
    LotTotal = "lot_total";
    /// A lot's use or cash is not what was paid, returned and received (I5).
    LotUsed = "lot_used";
    /// A fund's cash and claims differ (I6).
    FundCash = "fund_cash";
    /// More was returned than paid, or before it was cleared (I9).
    OverReturn = "over_return";
    /// A reversal is not the one mirror of its original (I9).
    Reversal = "reversal";
    /// Something is dated in closed time, or time was closed out of order (I10, I7).
    ClosedPeriod = "closed_period";
    /// The sealed digest of a trial balance is not that of the balances.
    TrialBalance = "trial_balance";
    /// A maker approved their own command, or a checker stands twice.
    SegregationOfDuties = "segregation_of_duties";
    /// A signature, a key, a role or a proposal is not as it must be (I13).
    Approval = "approval";
    /// Payments that waited for witnesses were released without them, or never waited.
    Release = "release";
    /// Numbers were not given consecutively from 1.
    Numbering = "numbering";
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The event it is about.
    pub sequence: i64,
    /// What kind.
    pub kind: FaultKind,
    /// The facts.
    pub message: Fact,
}

/// What is the case, as data: a sentence with a gap `{}` for each value. Its display is the English sentence; others put it
/// into other languages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// The sentence, with its gaps.
    pub sentence: &'static str,
    /// What stands in the gaps, in their order.
    pub values: Vec<String>,
}

impl fmt::Display for Fact {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut values = self.values.iter();
        for (at, part) in self.sentence.split("{}").enumerate() {
            if at > 0 {
                formatter.write_str(values.next().map_or("?", String::as_str))?;
            }
            formatter.write_str(part)?;
        }
        Ok(())
    }
}

/// Faults as they are found: the first ones in full, the rest by count.
#[derive(Debug, Default)]
pub(super) struct Findings {
    faults: Vec<Fault>,
    count: u64,
    first_bad_sequence: Option<i64>,
}

impl Findings {
    /// Adds a fault. The message is only made where it is kept.
    pub(super) fn add(&mut self, sequence: i64, kind: FaultKind, message: Fact) {
        self.push(Fault { sequence, kind, message });
    }

    pub(super) fn push(&mut self, fault: Fault) {
        self.count = self.count.saturating_add(1);
        self.first_bad_sequence =
            Some(self.first_bad_sequence.map_or(fault.sequence, |first| first.min(fault.sequence)));
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(fault);
        }
    }

    /// The lowest of what `pick` gives for the faults.
    pub(super) fn first_of(&self, pick: impl Fn(&Fault) -> Option<i64>) -> Option<i64> {
        self.faults.iter().filter_map(pick).min()
    }

    /// Whether nothing is wrong.
    pub(super) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Takes over the faults of another part of the audit.
    pub(super) fn merge(&mut self, other: Self) {
        if other.count == 0 {
            return;
        }
        self.count = self.count.saturating_add(other.count);
        self.first_bad_sequence = match (self.first_bad_sequence, other.first_bad_sequence) {
            (Some(one), Some(two)) => Some(one.min(two)),
            (one, two) => one.or(two),
        };
        self.faults.extend(other.faults);
        self.faults.truncate(FAULTS_MAX);
    }
}

/// What it comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing wrong was found in what was checked.
    Verified,
    /// Something is wrong.
    Broken,
    /// The evidence could not be read to its end; nothing wrong before that.
    Incomplete,
}

impl Verdict {
    /// Its stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Broken => "broken",
            Self::Incomplete => "incomplete",
        }
    }
}

macro_rules! checks {
    ($($(#[$doc:meta])* $check:ident = $name:literal;)*) => {
        /// Something an audit can look at.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Check { $($(#[$doc])* $check,)* }

        impl Check {
            /// Its stable name.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$check => $name,)* }
            }
        }
    };
}

checks! {
    /// Layout and checksum of every stored block.
    Blocks = "blocks";
    /// Manifest, attachments, tiles and end mark of a bundle.
    Bundle = "bundle";
    /// The store of the log itself, where only the copies beside it were read.
    Store = "store";
    /// Sequences contiguous from 0.
    Sequences = "sequences";
    /// Every hash recomputed from the stored bytes and compared with every stored link and head.
    Chain = "chain";
    /// Every event decodes; genesis first; booking times strictly increase; request ids unique.
    Events = "events";
    /// The head the source claims.
    ClaimedHead = "claimed_head";
    /// Numbers of funds, accounts, lots and policy versions.
    Numbering = "numbering";
    /// Every leg: account, lot, fund, kind for the type of event, balanced per book.
    Legs = "legs";
    /// Balances re-derived from the legs: no account and no lot below zero; issued, used, cash and claims agree.
    Balances = "balances";
    /// Payments, clearings, returns, reversals and frozen amounts.
    Returns = "returns";
    /// Contracts as they were awarded, their additions, and what is committed and paid under them; final accounts; goals.
    Contracts = "contracts";
    /// Closed days and months, sealed trial balances.
    Closings = "closings";
    /// Makers apart from checkers.
    Duties = "duties";
    /// The root of the tree against checkpoints.
    Checkpoint = "checkpoint";
    /// Signatures of checkpoints, by keys that the auditor brought.
    Signatures = "signatures";
    /// Signatures of earlier checkpoints, by keys of the log that the auditor did not bring.
    EarlierKeys = "earlier_keys";
    /// The quorum of witnesses in the auditor's policy.
    Witnesses = "witnesses";
    /// Every tile of hashes against the tree over the entries.
    Tiles = "tiles";
    /// Whether this is the log that others saw: by a checkpoint that the auditor kept, or by witnesses.
    Anchoring = "anchoring";
    /// Everything before the sequence that the audit began with.
    Before = "before";
    /// Digests of commands and pseudonyms of payees: opaque without the ledger's keys.
    KeyedDigests = "keyed_digests";
    /// Signed approvals over the stored bytes, by keys that counted; batches by their root; roles and proposals.
    Approvals = "approvals";
    /// That persons who were only named as makers and checkers acted.
    NamedPersons = "named_persons";
    /// Rules of decision: checkers needed, plans, purposes, expiry, freezes in force.
    DecisionRules = "decision_rules";
}

/// Checks of the bytes, then of the books, then what this program cannot check.
const CHAIN_CHECKS: &[Check] = &[Check::Sequences, Check::Chain, Check::Events];
const BOOK_CHECKS: &[Check] = &[
    Check::Numbering,
    Check::Legs,
    Check::Balances,
    Check::Returns,
    Check::Contracts,
    Check::Closings,
    Check::Duties,
    Check::Approvals,
];
const NEVER_CHECKED: &[Check] = &[Check::KeyedDigests, Check::NamedPersons, Check::DecisionRules];

/// Which checks were on, for the report's two lists.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a line of the report")]
pub(super) struct Scope {
    pub(super) has_blocks: bool,
    /// What only a bundle has is no lack of other evidence.
    pub(super) is_bundle: bool,
    pub(super) is_copy: bool,
    pub(super) starts_later: bool,
    pub(super) has_claim: bool,
    pub(super) has_checkpoint: bool,
    pub(super) has_keys: bool,
    pub(super) has_policy: bool,
    pub(super) has_tiles: bool,
    /// Something was signed with a key of the log that the auditor did not bring.
    pub(super) has_earlier_keys: bool,
    pub(super) is_deep: bool,
}

impl Scope {
    /// Books that had to stop before the end do not count as checked.
    fn lists(self, books_stopped_at: Option<i64>, is_anchored: bool) -> (Vec<Check>, Vec<Check>) {
        let mut checked = Vec::new();
        let mut not_checked = Vec::new();
        let mut put = |is_on: bool, checks: &[Check]| {
            (if is_on { &mut checked } else { &mut not_checked }).extend_from_slice(checks);
        };
        put(self.has_blocks, &[Check::Blocks]);
        if self.is_bundle {
            put(true, &[Check::Bundle]);
        }
        put(false, if self.is_copy { &[Check::Store] } else { &[] });
        put(true, CHAIN_CHECKS);
        put(self.has_claim, &[Check::ClaimedHead]);
        put(self.is_deep && books_stopped_at.is_none(), BOOK_CHECKS);
        put(self.has_checkpoint, &[Check::Checkpoint]);
        put(self.has_keys, &[Check::Signatures]);
        put(false, if self.has_earlier_keys { &[Check::EarlierKeys] } else { &[] });
        put(self.has_policy, &[Check::Witnesses]);
        put(is_anchored, &[Check::Anchoring]);
        put(self.has_tiles, &[Check::Tiles]);
        put(false, if self.starts_later { &[Check::Before] } else { &[] });
        put(false, NEVER_CHECKED);
        (checked, not_checked)
    }
}

/// The last entry that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastEntry {
    /// Its sequence.
    pub sequence: i64,
    /// Its hash, recomputed.
    pub hash: [u8; 32],
}

/// The outcome of an audit.
#[derive(Clone, Debug)]
pub struct Report {
    /// What it comes to.
    pub verdict: Verdict,
    /// Sequence that the audit began with; what is before it was not looked at.
    pub first_sequence: i64,
    /// Events read.
    pub events: u64,
    /// The last entry read.
    pub head: Option<LastEntry>,
    /// Size and root of the tree over all entries; `None` where some are missing.
    pub tree: Option<(u64, [u8; 32])>,
    /// The root at the size that was asked for; `None` where none was, or the log does not reach it.
    pub asked_root: Option<(u64, [u8; 32])>,
    /// How many entries are vouched for from outside: by a checkpoint that the auditor kept, or by witnesses.
    pub anchored_size: Option<u64>,
    /// How many entries there are after those: the ledger alone vouches for them.
    pub unanchored_entries: u64,
    /// The bundle that the evidence came in.
    pub bundle: Option<Carried>,
    /// The ledger's name, from its genesis.
    pub origin: Option<String>,
    /// Whether the genesis marks it as a development ledger.
    pub is_development: bool,
    /// Whether the books were derived again.
    pub is_deep: bool,
    /// The first event with a fault.
    pub first_bad_sequence: Option<i64>,
    /// The faults by sequence, at most [`FAULTS_MAX`].
    pub faults: Vec<Fault>,
    /// How many there are.
    pub fault_count: u64,
    /// What was checked.
    pub checked: Vec<Check>,
    /// What was not.
    pub not_checked: Vec<Check>,
    /// From which event on balances could not be derived, because an event before it is missing or unreadable.
    pub books_stopped_at: Option<i64>,
    /// Why the evidence could not be read to its end.
    pub unreadable: Option<String>,
    /// Time spent.
    pub elapsed: Duration,
}

/// What the parts of an audit know at its end.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) findings: Findings,
    pub(super) scope: Scope,
    pub(super) first_sequence: i64,
    pub(super) events: u64,
    pub(super) head: Option<LastEntry>,
    pub(super) tree: Option<(u64, [u8; 32])>,
    pub(super) roots: Vec<(u64, [u8; 32])>,
    pub(super) anchored_size: Option<u64>,
    pub(super) asked_root: Option<(u64, [u8; 32])>,
    pub(super) bundle: Option<Carried>,
    pub(super) origin: Option<String>,
    pub(super) is_development: bool,
    pub(super) books_stopped_at: Option<i64>,
    pub(super) unreadable: Option<String>,
}

impl Report {
    pub(super) fn new(outcome: Outcome, elapsed: Duration) -> Self {
        let is_anchored = outcome.anchored_size.is_some();
        let next = outcome.head.map_or(0, |head| head.sequence.saturating_add(1));
        let entries = u64::try_from(next).unwrap_or_default();
        let (checked, not_checked) = outcome.scope.lists(outcome.books_stopped_at, is_anchored);
        let mut faults = outcome.findings.faults;
        faults.sort_by_key(|fault| fault.sequence);
        let verdict = match (outcome.findings.count, &outcome.unreadable) {
            (0, None) => Verdict::Verified,
            (0, Some(_)) => Verdict::Incomplete,
            (_, _) => Verdict::Broken,
        };
        Self {
            verdict,
            first_sequence: outcome.first_sequence,
            events: outcome.events,
            head: outcome.head,
            tree: outcome.tree,
            asked_root: outcome.asked_root,
            anchored_size: outcome.anchored_size,
            unanchored_entries: entries.saturating_sub(outcome.anchored_size.unwrap_or_default()),
            bundle: outcome.bundle.map(shown),
            origin: outcome.origin.as_deref().map(printable),
            is_development: outcome.is_development,
            is_deep: outcome.scope.is_deep,
            first_bad_sequence: outcome.findings.first_bad_sequence,
            faults,
            fault_count: outcome.findings.count,
            checked,
            not_checked,
            books_stopped_at: outcome.books_stopped_at,
            unreadable: outcome.unreadable.as_deref().map(printable),
            elapsed,
        }
    }

    /// For scripts. The keys are a contract.
    pub fn to_json(&self) -> Value {
        let faults: Vec<Value> = self.faults.iter().map(fault_json).collect();
        let names = |checks: &[Check]| checks.iter().map(|check| check.as_str()).collect::<Vec<_>>();
        json!({
            "verdict": self.verdict.as_str(),
            "anchored": self.anchored_size.is_some(),
            "anchored_size": self.anchored_size,
            "unanchored_entries": self.unanchored_entries,
            "tree_size": self.tree.map(|(size, _)| size),
            "root": self.tree.map(|(_, root)| hex(&root)),
            "bundle": self.bundle.as_ref().map(bundle_json),
            "first_sequence": self.first_sequence,
            "events": self.events,
            "last_sequence": self.head.map(|head| head.sequence),
            "head": self.head.map(|head| hex(&head.hash)),
            "origin": self.origin,
            "development": self.is_development,
            "deep": self.is_deep,
            "first_bad_sequence": self.first_bad_sequence,
            "fault_count": self.fault_count,
            "faults": faults,
            "checked": names(&self.checked),
            "not_checked": names(&self.not_checked),
            "books_stopped_at": self.books_stopped_at,
            "unreadable": self.unreadable,
            "seconds": self.elapsed.as_secs_f64(),
        })
    }
}

/// What a bundle says of itself, as it may be shown.
fn shown(bundle: Carried) -> Carried {
    let Carried { made_by, made_at, .. } = &bundle;
    let (made_by, made_at) = (made_by.as_deref().map(printable), made_at.as_deref().map(printable));
    Carried { made_by, made_at, ..bundle }
}

fn bundle_json(bundle: &Carried) -> Value {
    json!({
        "version": bundle.version,
        "made_by": bundle.made_by,
        "made_at": bundle.made_at,
        "values": bundle.values,
        "tiles": bundle.tiles,
        "policy_sha256": bundle.policy.as_ref().map(|policy| hex(&policy.sha256)),
        "policy_is_yours": bundle.policy.as_ref().and_then(|policy| policy.is_yours),
    })
}

fn fault_json(fault: &Fault) -> Value {
    json!({ "sequence": fault.sequence, "kind": fault.kind.as_str(), "message": fault.message.to_string() })
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or('?');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
