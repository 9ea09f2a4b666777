//! What an audit found: the verdict, every fault up to a bound, and, as important, what was not looked at.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::{Value, json};

/// Most faults told one by one; the rest are counted.
pub const FAULTS_MAX: usize = 1_000;

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal, $zh:literal;)*) => {
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

            const fn zh(self) -> &'static str {
                match self {
                    $(Self::$kind => $zh,)*
                }
            }
        }
    };
}

kinds! {
    /// A stored value is not laid out as docs/format.md says.
    Framing = "framing", "存储格式错误";
    /// A stored value is not the one its checksum was made for.
    Checksum = "checksum", "校验和不符";
    /// A sequence is missing, comes twice, or stands elsewhere.
    Sequence = "sequence", "序号缺失、重复或错位";
    /// An entry does not hash to what the next link says.
    Chain = "chain", "哈希链断裂";
    /// A block's heads are not those of its entries.
    BlockHead = "block_head", "数据块首尾哈希不符";
    /// The first event is not a genesis, or another one is.
    Genesis = "genesis", "创世记录错误";
    /// Booking times do not increase.
    Time = "time", "记账时间未递增";
    /// A request id is missing, malformed or used twice.
    RequestId = "request_id", "请求编号缺失或重复";
    /// The bytes of an event are not an event.
    Decode = "decode", "事件无法解码";
    /// The books do not say what the events mean.
    Books = "books", "账目与事件不符";
    /// The log does not reach, or is not, what its source claims.
    Head = "head", "与所称的链首不符";
    /// A leg names an unknown account or lot, another fund, or an account of the wrong kind.
    Leg = "leg", "分录不合法";
    /// Debits and credits of a book differ (I1).
    Unbalanced = "unbalanced", "借贷不平";
    /// An account is below zero (I2).
    NegativeBalance = "negative_balance", "账户余额为负";
    /// A lot in an account is below zero (I3).
    NegativeLot = "negative_lot", "批次余额为负";
    /// A lot's authority is not what was issued (I4).
    LotTotal = "lot_total", "批次指标合计不符";
    /// A lot's use or cash is not what was paid, returned and received (I5).
    LotUsed = "lot_used", "批次支出或资金不符";
    /// A fund's cash and claims differ (I6).
    FundCash = "fund_cash", "账实不符";
    /// More was returned than paid, or before it was cleared (I9).
    OverReturn = "over_return", "退款超额或不合规";
    /// A reversal is not the one mirror of its original (I9).
    Reversal = "reversal", "冲销不合规";
    /// Something is dated in closed time, or time was closed out of order (I10, I7).
    ClosedPeriod = "closed_period", "违反结账规则";
    /// The sealed digest of a trial balance is not that of the balances.
    TrialBalance = "trial_balance", "试算平衡摘要不符";
    /// A maker approved their own command, or a checker stands twice.
    SegregationOfDuties = "segregation_of_duties", "制单与审批未分离";
    /// A signature, a key, a role or a proposal is not as it must be (I13).
    Approval = "approval", "审批签名、密钥、角色或提请不符";
    /// Numbers were not given consecutively from 1.
    Numbering = "numbering", "编号不连续";
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The event it is about.
    pub sequence: i64,
    /// What kind.
    pub kind: FaultKind,
    /// The facts.
    pub message: String,
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
    pub(super) fn add(&mut self, sequence: i64, kind: FaultKind, message: impl Into<String>) {
        self.push(Fault { sequence, kind, message: message.into() });
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
    ($($check:ident = $name:literal, $en:literal, $zh:literal;)*) => {
        /// Something an audit can look at.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the English sentence of each is its documentation")]
        pub enum Check { $($check,)* }

        impl Check {
            /// Its stable name.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$check => $name,)* }
            }

            /// What it means.
            pub const fn describe(self, lang: Lang) -> &'static str {
                match (self, lang) { $((Self::$check, Lang::En) => $en, (Self::$check, Lang::Zh) => $zh,)* }
            }
        }
    };
}

checks! {
    Blocks = "blocks", "layout and checksum of every stored block", "全部数据块的格式与校验和";
    Sequences = "sequences", "sequences contiguous from 0", "序号从 0 起连续";
    Chain = "chain", "every hash recomputed from the stored bytes and compared with every stored link and head",
        "由存储字节重算全部哈希，并与全部链接和首尾哈希比对";
    Events = "events", "every event decodes; genesis first; booking times strictly increase; request ids unique",
        "事件全部可解码；创世记录在首；记账时间严格递增；请求编号唯一";
    ClaimedHead = "claimed_head", "the head the source claims", "来源所称的链首";
    Numbering = "numbering", "numbers of funds, accounts, lots and policy versions", "资金、账户、批次、政策版本的编号";
    Legs = "legs", "every leg: account, lot, fund, kind for the type of event, balanced per book",
        "每条分录：账户、批次、资金、类型，各账套借贷平衡";
    Balances = "balances", "balances re-derived from the legs: no account and no lot below zero; issued, used, cash and claims agree",
        "由分录重算全部余额：账户与批次不为负；下达、支出、资金与权益相符";
    Returns = "returns", "payments, clearings, returns, reversals and frozen amounts", "支付、清算、退款、冲销与冻结金额";
    Closings = "closings", "closed days and months, sealed trial balances", "日结、月结与封存的试算平衡";
    Duties = "duties", "makers apart from checkers", "制单与审批分离";
    Anchoring = "anchoring", "whether this is the log that was published: no signature, checkpoint or witness was looked at",
        "本日志是否即公布的日志：未核对签名、检查点与见证";
    KeyedDigests = "keyed_digests", "digests of commands and pseudonyms of payees: opaque without the ledger's keys",
        "指令摘要与收款人假名：无密钥不可核对";
    Approvals = "approvals", "signed approvals over the stored bytes, by keys that counted; batches by their root; roles and proposals",
        "对存储字节的签名审批（密钥当时有效）、批次根、角色与提请";
    NamedPersons = "named_persons", "that persons who were only named as makers and checkers acted",
        "仅列名而未签名的制单人与审批人是否本人";
    DecisionRules = "decision_rules", "rules of decision: checkers needed, plans, purposes, expiry, contracts, freezes in force",
        "决策规则：审批人数、用款计划、用途、有效期、合同与冻结";
}

/// Checks of the bytes, then of the books, then what this program cannot check.
const CHAIN_CHECKS: &[Check] = &[Check::Sequences, Check::Chain, Check::Events];
const BOOK_CHECKS: &[Check] =
    &[Check::Numbering, Check::Legs, Check::Balances, Check::Returns, Check::Closings, Check::Duties, Check::Approvals];
const NEVER_CHECKED: &[Check] = &[Check::Anchoring, Check::KeyedDigests, Check::NamedPersons, Check::DecisionRules];

/// Which checks were on, for the report's two lists.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scope {
    pub(super) has_blocks: bool,
    pub(super) has_claim: bool,
    pub(super) is_deep: bool,
}

impl Scope {
    /// Books that had to stop before the end do not count as checked.
    fn lists(self, books_stopped_at: Option<i64>) -> (Vec<Check>, Vec<Check>) {
        let mut checked = Vec::new();
        let mut not_checked = Vec::new();
        let mut put = |is_on: bool, checks: &[Check]| {
            (if is_on { &mut checked } else { &mut not_checked }).extend_from_slice(checks);
        };
        put(self.has_blocks, &[Check::Blocks]);
        put(true, CHAIN_CHECKS);
        put(self.has_claim, &[Check::ClaimedHead]);
        put(self.is_deep && books_stopped_at.is_none(), BOOK_CHECKS);
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

/// The language of a report's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lang {
    /// English.
    En,
    /// Chinese.
    Zh,
}

/// The outcome of an audit.
#[derive(Clone, Debug)]
pub struct Report {
    /// What it comes to.
    pub verdict: Verdict,
    /// Events read.
    pub events: u64,
    /// The last entry read.
    pub head: Option<LastEntry>,
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
    pub(super) events: u64,
    pub(super) head: Option<LastEntry>,
    pub(super) origin: Option<String>,
    pub(super) is_development: bool,
    pub(super) books_stopped_at: Option<i64>,
    pub(super) unreadable: Option<String>,
}

impl Report {
    pub(super) fn new(outcome: Outcome, elapsed: Duration) -> Self {
        let (checked, not_checked) = outcome.scope.lists(outcome.books_stopped_at);
        let mut faults = outcome.findings.faults;
        faults.sort_by_key(|fault| fault.sequence);
        let verdict = match (outcome.findings.count, &outcome.unreadable) {
            (0, None) => Verdict::Verified,
            (0, Some(_)) => Verdict::Incomplete,
            (_, _) => Verdict::Broken,
        };
        Self {
            verdict,
            events: outcome.events,
            head: outcome.head,
            origin: outcome.origin,
            is_development: outcome.is_development,
            is_deep: outcome.scope.is_deep,
            first_bad_sequence: outcome.findings.first_bad_sequence,
            faults,
            fault_count: outcome.findings.count,
            checked,
            not_checked,
            books_stopped_at: outcome.books_stopped_at,
            unreadable: outcome.unreadable,
            elapsed,
        }
    }

    /// For scripts. The keys are a contract.
    pub fn to_json(&self) -> Value {
        let faults: Vec<Value> = self.faults.iter().map(fault_json).collect();
        let names = |checks: &[Check]| checks.iter().map(|check| check.as_str()).collect::<Vec<_>>();
        json!({
            "verdict": self.verdict.as_str(),
            "anchored": false,
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

    /// For people.
    pub fn write_text(&self, output: &mut impl Write, lang: Lang) -> io::Result<()> {
        let say = |en: &'static str, zh: &'static str| match lang {
            Lang::En => en,
            Lang::Zh => zh,
        };
        let verdict = match self.verdict {
            Verdict::Verified => {
                say("VERIFIED: self-consistent, not externally anchored", "验证通过：自洽，但未与外部锚点核对")
            }
            Verdict::Broken => say("BROKEN", "已损坏或被篡改"),
            Verdict::Incomplete => {
                say("INCOMPLETE: the evidence could not be read to its end", "不完整：证据未能读到末尾")
            }
        };
        writeln!(output, "{verdict}")?;
        let mut line = |label: &str, value: &str| writeln!(output, "  {label}: {value}");
        if let Some(origin) = &self.origin {
            line(say("ledger", "账本"), origin)?;
        }
        if self.is_development {
            line(say("note", "注意"), say("a development ledger, not a real one", "开发用账本，非正式账本"))?;
        }
        line(say("events", "事件数"), &self.events.to_string())?;
        if let Some(head) = self.head {
            line(say("last sequence", "末序号"), &head.sequence.to_string())?;
            line(say("head", "链首哈希"), &hex(&head.hash))?;
        }
        if let Some(why) = &self.unreadable {
            line(say("unreadable", "无法读取"), why)?;
        }
        if let Some(sequence) = self.first_bad_sequence {
            line(say("first bad sequence", "首个异常序号"), &sequence.to_string())?;
            line(say("faults", "异常数"), &self.fault_count.to_string())?;
        }
        for fault in &self.faults {
            let label = match lang {
                Lang::En => fault.kind.as_str().to_owned(),
                Lang::Zh => format!("{} {}", fault.kind.as_str(), fault.kind.zh()),
            };
            line(&format!("#{} [{label}]", fault.sequence), &fault.message)?;
        }
        if let Some(sequence) = self.books_stopped_at {
            let from = say("balances not derived from this sequence on", "自此序号起未能重算余额");
            line(from, &sequence.to_string())?;
        }
        for (title, checks) in
            [(say("Checked:", "已核对："), &self.checked), (say("NOT checked:", "未核对："), &self.not_checked)]
        {
            writeln!(output, "{title}")?;
            for check in checks {
                writeln!(output, "  - {}", check.describe(lang))?;
            }
        }
        Ok(())
    }
}

fn fault_json(fault: &Fault) -> Value {
    json!({ "sequence": fault.sequence, "kind": fault.kind.as_str(), "message": fault.message })
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or('?');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
