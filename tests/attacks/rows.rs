//! The table: each attack, what it comes to, and what is expected of each anchor.

/// What an operator does who holds the disk and the key that checkpoints are signed with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Attack {
    /// Edits the events, chains all of them anew, and perhaps signs the result and removes what could tell.
    Events(Edit, Then),
    /// Another key in the place of the log's.
    Key,
    /// A signature under a payment in another's name.
    Approval,
    /// A backup of the whole directory is put back, and posting goes on.
    Restored(&'static str),
    /// Two histories, one for each witness; so many of them are asked for.
    SplitView(&'static str),
    /// What is derived from the log, with its checksums made good.
    Derived(Derived),
    /// One byte of a file.
    Flip(Flip),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Edit {
    PayeeBeforeKept,
    PayeeAfterKept,
    Removed,
    TailBeforeKept,
    TailAfterKept,
    ClockSetBack,
    BackDated,
    Reordered,
    ReorderedWithTimes,
    Duplicated,
    Invented,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    Left,
    Signed,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Derived {
    State,
    Views,
    Index,
    Entries,
}

/// Which file, and where in it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Flip {
    /// In the middle of the newest file of a folder with a suffix.
    Middle(&'static str, &'static str),
    /// So many bytes before the end.
    BeforeEnd(&'static str, &'static str, usize),
    /// Where a payment stands in the store of the log.
    Payment,
    /// In a sealed value of the vault.
    Sealed,
    /// A digit of a key for another.
    Digit(&'static str),
}

/// An attack, in words, what protects and what does not, and what is noticed: with nothing from outside, with the auditor's
/// checkpoint, with the witnesses.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) words: &'static str,
    pub(crate) attack: Attack,
    pub(crate) expected: [&'static str; 3],
}

const fn row(attack: Attack, name: &'static str, words: &'static str, expected: [&'static str; 3]) -> Row {
    Row { name, words, attack, expected }
}

/// Rows by heading.
pub(crate) const ROWS: &[(&str, &[Row])] =
    &[("The record", RECORD), ("What is derived from it", DERIVED), ("One byte of a file", FLIPS)];

const RECORD: &[Row] = &[
    row(
        Attack::Events(Edit::PayeeBeforeKept, Then::Left),
        "One event rewritten, all after it chained anew",
        "The checkpoint beside the log no longer fits it.",
        [
            "**found**: verify `root`, `tile`; start posts nothing",
            "**found**: verify `root`, `tile`",
            "**found**: verify `root`, `tile`; start posts nothing",
        ],
    ),
    row(
        Attack::Events(Edit::PayeeBeforeKept, Then::Signed),
        "The same, signed anew",
        "Only what somebody outside has kept protects.",
        ["**not found**", "**found**: verify `root`", "**found**: verify `witness`; start posts nothing"],
    ),
    row(
        Attack::Events(Edit::PayeeAfterKept, Then::Signed),
        "The same, of an event that is younger than the auditor's checkpoint",
        "A checkpoint, kept or cosigned, vouches for what it covers and for nothing after it; the report counts what is after it. The operator puts back one that was cosigned before the event: the ledger's start asks the witnesses and finds it, and so does `--cosigned-within`, by its age.",
        ["**not found**", "**not found**", "**found**: start posts nothing"],
    ),
    row(
        Attack::Events(Edit::Removed, Then::Signed),
        "One event removed, all after it chained and signed anew",
        "As with a rewritten event; whoever has the receipt can show that it is missing.",
        ["**not found**", "**found**: verify `root`", "**found**: verify `witness`; start posts nothing"],
    ),
    row(
        Attack::Events(Edit::TailBeforeKept, Then::Left),
        "The tail cut off",
        "A shorter log is a valid log, but a checkpoint over more entries lies beside it.",
        [
            "**found**: verify `head`; start posts nothing",
            "**found**: verify `head`",
            "**found**: verify `head`; start posts nothing",
        ],
    ),
    row(
        Attack::Events(Edit::TailBeforeKept, Then::Signed),
        "The same, signed anew",
        "Only what somebody outside has kept protects.",
        ["**not found**", "**found**: verify `head`", "**found**: verify `witness`; start posts nothing"],
    ),
    row(
        Attack::Events(Edit::TailAfterKept, Then::Signed),
        "The same, cut behind the auditor's checkpoint",
        "A checkpoint, kept or cosigned, vouches for what it covers and for nothing after it; the report counts what is after it. The operator puts back one that was cosigned before the event: the ledger's start asks the witnesses and finds it, and so does `--cosigned-within`, by its age.",
        ["**not found**", "**not found**", "**found**: start posts nothing"],
    ),
    row(
        Attack::Events(Edit::ClockSetBack, Then::Signed),
        "An event booked before the one before it, signed anew",
        "Booking times strictly increase: anybody can see it.",
        [
            "**found**: verify `time`",
            "**found**: verify `root`, `time`",
            "**found**: verify `time`, `witness`; start posts nothing",
        ],
    ),
    row(
        Attack::Events(Edit::BackDated, Then::Signed),
        "An event dated back within an open month, signed anew",
        "Business dates may run backwards, so the books alone cannot tell; the root can.",
        ["**not found**", "**found**: verify `root`", "**found**: verify `witness`; start posts nothing"],
    ),
    row(
        Attack::Events(Edit::ReorderedWithTimes, Then::Signed),
        "Two events change places, signed anew",
        "Their booking times run backwards: anybody can see it.",
        [
            "**found**: verify `time`",
            "**found**: verify `root`, `time`",
            "**found**: verify `time`, `witness`; start posts nothing",
        ],
    ),
    row(
        Attack::Events(Edit::Reordered, Then::Signed),
        "The same, with booking times that fit",
        "Where the order changes no balance, only what somebody outside has kept protects.",
        ["**not found**", "**found**: verify `root`", "**found**: verify `witness`; start posts nothing"],
    ),
    row(
        Attack::Events(Edit::Duplicated, Then::Signed),
        "An event duplicated, signed anew",
        "Keys and voucher numbers stand once in a log: anybody can see it.",
        [
            "**found**: verify `books`, `request_id`",
            "**found**: verify `books`, `request_id`",
            "**found**: verify `books`, `request_id`",
        ],
    ),
    row(
        Attack::Events(Edit::Invented, Then::Signed),
        "A payment invented at the end, signed anew",
        "It is a payment like any other, and no proof of a continuation is broken: signed approvals and the bank's statement protect against invention, checkpoints do not.",
        ["**not found**", "**not found**", "**not found**"],
    ),
    row(
        Attack::Approval,
        "An approval given another's name, signed anew",
        "The operator has not the approvers' keys: anybody can check their signatures.",
        [
            "**found**: verify `approval`",
            "**found**: verify `approval`, `root`",
            "**found**: verify `approval`, `witness`; start posts nothing",
        ],
    ),
    row(
        Attack::Key,
        "The log's key swapped for another",
        "Only who has the key from elsewhere notices: auditors, witnesses, and the policy of witnesses that names it.",
        [
            "**not found**",
            "**found**: verify `signature`",
            "**found**: verify `signature`, `witness`; start posts nothing",
        ],
    ),
    row(
        Attack::Restored("early"),
        "A backup from before the auditor's checkpoint put back, posting goes on",
        "What was signed since then is missing: whoever kept any of it can tell.",
        ["**not found**", "**found**: verify `root`", "**found**: verify `witness`; start posts nothing"],
    ),
    row(
        Attack::Restored("late"),
        "A backup from after the auditor's checkpoint put back, posting goes on",
        "Checkpoint and cosignatures in the backup are genuine, so an audit of the directory finds them in order: the ledger's start asks the witnesses and finds it, and so does `--cosigned-within`, by their age.",
        ["**not found**", "**not found**", "**found**: start posts nothing"],
    ),
    row(
        Attack::SplitView("all"),
        "Two histories, one for each of two witnesses; both are needed",
        "No history gets the quorum.",
        ["**not found**", "**not found**", "**found**: verify `witness`; start posts nothing"],
    ),
    row(
        Attack::SplitView("any"),
        "The same, where one witness is enough",
        "Each history has its witness: a quorum must be more than half, and more than two thirds where witnesses may lie. A start that asks both finds it, and two auditors who compare their checkpoints.",
        ["**not found**", "**not found**", "**found**: start posts nothing"],
    ),
];

const DERIVED: &[Row] = &[
    row(
        Attack::Derived(Derived::State),
        "`snapshots/`: a balance raised",
        "The rules go by it until it is removed; a posting that rests on it is found by `verify --deep`.",
        [
            "**not found**, false answers: what may be paid",
            "**not found**, false answers: what may be paid",
            "**not found**, false answers: what may be paid",
        ],
    ),
    row(
        Attack::Derived(Derived::Views),
        "`projections/`: a balance raised",
        "Answers are false until it is removed; `verify` derives every balance itself.",
        [
            "**not found**, false answers: balances",
            "**not found**, false answers: balances",
            "**not found**, false answers: balances",
        ],
    ),
    row(
        Attack::Derived(Derived::Index),
        "`index/`: an amount raised",
        "Statements are false until it is removed.",
        [
            "**not found**, false answers: statements",
            "**not found**, false answers: statements",
            "**not found**, false answers: statements",
        ],
    ),
    row(
        Attack::Derived(Derived::Entries),
        "`entries/`: an entry edited",
        "Tiles are false until it is removed; the hashes beside them, and any proof, tell.",
        [
            "**not found**, false answers: tiles",
            "**not found**, false answers: tiles",
            "**not found**, false answers: tiles",
        ],
    ),
];

const FLIPS: &[Row] = &[
    row(
        Attack::Flip(Flip::Payment),
        "`log/db`, in an entry",
        "Checksums of the store and of the value, and the chain.",
        [
            "**found**: verify cannot read it; start refused",
            "**found**: verify cannot read it",
            "**found**: verify cannot read it; start refused",
        ],
    ),
    row(
        Attack::Flip(Flip::Middle("log", "conf")),
        "`log/conf`",
        "The store does not open without it; back it up with the rest.",
        [
            "**found**: verify cannot read it; start refused",
            "**found**: verify cannot read it",
            "**found**: verify cannot read it; start refused",
        ],
    ),
    row(
        Attack::Flip(Flip::Middle("log", "snap.")),
        "`log/snap.*`",
        "The store's own snapshot has a checksum; without it the store reads its log.",
        ["harmless", "harmless", "harmless"],
    ),
    row(
        Attack::Flip(Flip::Middle("entries", ".entries")),
        "`entries/*.entries`",
        "Each entry has a checksum; what does not fit it is read from the log.",
        ["harmless", "harmless", "harmless"],
    ),
    row(
        Attack::Flip(Flip::Middle("entries", ".places")),
        "`entries/*.places`",
        "As above.",
        ["harmless", "harmless", "harmless"],
    ),
    row(
        Attack::Flip(Flip::Middle("tree", "0.hashes")),
        "`tree/0.hashes`",
        "`verify` holds each hash against the tree that it grows itself; a proof is checked before it leaves, a tile is not.",
        ["**found**: verify `tile`", "**found**: verify `tile`", "**found**: verify `tile`"],
    ),
    row(
        Attack::Flip(Flip::Middle("tree", "1.hashes")),
        "`tree/1.hashes`",
        "The checkpoint's root tells, and the start makes it anew.",
        ["**found**: verify `tile`", "**found**: verify `tile`", "**found**: verify `tile`"],
    ),
    row(
        Attack::Flip(Flip::BeforeEnd("", "checkpoint", 9)),
        "`checkpoint`, in the signature",
        "What was signed last is not known then, and nothing is signed after it.",
        [
            "**found**: start posts nothing",
            "**found**: verify `signature`",
            "**found**: verify `signature`; start posts nothing",
        ],
    ),
    row(
        Attack::Flip(Flip::BeforeEnd("", "checkpoint.witnessed", 9)),
        "`checkpoint.witnessed`, in a signature",
        "The next cosigned checkpoint replaces it; until then nobody has the witnesses' word.",
        ["harmless", "harmless", "**found**: verify `signature`, `witness`"],
    ),
    row(
        Attack::Flip(Flip::Middle("snapshots", "")),
        "`snapshots/`",
        "Passed over; the start reads more of the log.",
        ["harmless", "harmless", "harmless"],
    ),
    row(
        Attack::Flip(Flip::Middle("projections", "")),
        "`projections/`",
        "As above.",
        ["harmless", "harmless", "harmless"],
    ),
    row(
        Attack::Flip(Flip::Middle("index", ".run")),
        "`index/*.run`",
        "As above.",
        ["harmless", "harmless", "harmless"],
    ),
    row(
        Attack::Flip(Flip::Sealed),
        "`vault/vault.sqlite`, in a sealed value",
        "Sealed values are authentic or not shown; the log and its proofs need none of them.",
        [
            "**found** when asked for personal data",
            "**found** when asked for personal data",
            "**found** when asked for personal data",
        ],
    ),
    row(
        Attack::Flip(Flip::BeforeEnd("keys", "checkpoint.key", 9)),
        "`keys/checkpoint.key`",
        "The key carries its own hash.",
        ["**found**: start refused", "harmless: the log is whole", "**found**: start refused"],
    ),
    row(
        Attack::Flip(Flip::Digit("keys/digest.key")),
        "`keys/digest.key`",
        "`keys.check` knows the key by its hash. Where that is changed as well, a snapshot knows the keys of commands under it.",
        ["**found**: start refused", "harmless: the log is whole", "**found**: start refused"],
    ),
    row(
        Attack::Flip(Flip::Digit("keys/pseudonym.key")),
        "`keys/pseudonym.key`",
        "`keys.check` knows it. **Where that is changed as well nothing tells**: payees get other pseudonyms than before, retries are refused, and a freeze no longer fits its payee.",
        ["**found**: start refused", "harmless: the log is whole", "**found**: start refused"],
    ),
    row(
        Attack::Flip(Flip::Digit("keys/vault.key")),
        "`keys/vault.key`",
        "`keys.check` knows it; without it nothing would open.",
        ["**found**: start refused", "harmless: the log is whole", "**found**: start refused"],
    ),
    row(
        Attack::Flip(Flip::Middle("", "FORMAT")),
        "`FORMAT`, in its version",
        "A layout that the program does not know.",
        [
            "**found**: verify cannot read it; start refused",
            "**found**: verify cannot read it",
            "**found**: verify cannot read it; start refused",
        ],
    ),
    row(
        Attack::Flip(Flip::BeforeEnd("", "FORMAT", 2)),
        "`FORMAT`, in the origin",
        "The log's key is named after it, and so the start refuses; the genesis in the log has the name that counts.",
        ["**found**: start refused", "harmless: the log is whole", "**found**: start refused"],
    ),
];
