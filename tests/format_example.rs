//! The format, held still: the worked example of docs/format.md is what this program writes, byte for byte, and the
//! bundles in `tests/format_fixtures` read back and verify for ever.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    reason = "a test may fail, and says what it wrote"
)]

use std::fs;
use std::path::{Path, PathBuf};

use fundledger::audit::policy::Policy;
use fundledger::audit::{self, Anchors, Bundle, Depth, Evidence, Options, Report, Verdict, read_bundle};
use fundledger::domain::account::AccountKind as Kind;
use fundledger::domain::approval::Approvals;
use fundledger::domain::command::{
    Adjustment, Command, Draw, Envelope, ExecutePayment, FreezeScope, Movement, OpeningLine, Operation, Order,
    PaymentMethod,
};
use fundledger::domain::fund::{
    CheckerTier, Currency, FundDefinition, FundFamily, LotDefinition, PlanStep, PolicyVersion,
};
use fundledger::domain::ids::{
    AccountId, ActorId, BankReference, CaseId, Code, ContractId, DisplayName, DocumentNumber, FundId, IssuerId,
    LegalBasis, LotId, NameError, PayeeRef, PaymentId, PolicyId, ReasonCode, RequestId, Sequence, UnitId,
};
use fundledger::domain::money::Amount;
use fundledger::domain::policy::PolicyTerms;
use fundledger::domain::profile::FundProfile;
use fundledger::domain::time::{Day, Period, UtcNanos};
use fundledger::format::block::{Assembler, parse_value};
use fundledger::format::checkpoint::Checkpoint;
use fundledger::format::keyed::{Fingerprints, KeyedDigest};
use fundledger::format::note_key::{KeyKind, SignerKey};
use fundledger::format::record::{EntryHash, Head, split_entry};
use fundledger::format::tree::{TreeHash, leaf_hash, root as root_over};
use fundledger::ledger::bundle::{Beside, write_bundle};
use fundledger::ledger::clock::FixedClock;
use fundledger::ledger::{self, Digests, Ledger, Outcome};
use fundledger::log::memory::MemoryLog;
use fundledger::log::{Log, LogRead};
use fundledger::pb::v1;
use prost::Message;

/// Stored values under their keys, in order.
type Values = Vec<(Vec<u8>, Vec<u8>)>;

/// 2026-01-05T01:00:00Z.
const NOW: FixedClock = FixedClock(UtcNanos(1_767_574_800_000_000_000));
const ORIGIN: &str = "ledger.example.org/funds";
const PAYER: PayeeRef = PayeeRef([0xa1; 16]);
const OTHER: PayeeRef = PayeeRef([0xb2; 16]);

/// The bundles of format version 1, with the heads they had when they were frozen.
const FIXTURES: &[(&str, &str, i64, &str)] = &[
    ("every_event.bundle", ORIGIN, 55, "55c306d6ea9d0183a27a3fda40df2cc3614b5f0fc9e53d06f512ece6dd3d0876"),
    ("approvals.bundle", "test.invalid/funds", 87, "604b49e1ae7ba73f06bff58989d05b2c691a7fb8af8f87894bb6459abb7169a5"),
    ("families.bundle", "test.invalid/funds", 113, "89c4cf24682b98ac1f38afee8d8ab50ae571aa0b0d0d5ce6384b76020c5858de"),
    (
        "procurement.bundle",
        "test.invalid/funds",
        26,
        "acd0a48b6b06752995b654846c9ffc41b398c284604b16fa5deb90d4f9147b2e",
    ),
    ("witnessed.bundle", ORIGIN, 1, "fc45822be3b7a821bb4748809dd09f22d5dc319b9e6ec12b3f85866f5439d679"),
    ("releases.bundle", ORIGIN, 18, "d9a8168b84ba3121a40e9abf200968d907b623d99cbd11ae8e2680f5b82fef61"),
    ("complaints.bundle", "test.invalid/funds", 21, "7fc936552cf915dc492472eebf22307462c1230806042b6153f0224e69ed5a3f"),
    ("transactions.bundle", ORIGIN, 30, "a410722b994a2d739912b7fdd6a6cbad476923611f507e902a03b48e1e4435eb"),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn fixtures() -> PathBuf {
    root().join("tests/format_fixtures/v1")
}

fn digests() -> Digests {
    let key: [u8; 32] = std::array::from_fn(|at| u8::try_from(at).unwrap());
    Digests { commands: KeyedDigest::new(&key, "fundledger/command/v1"), fingerprints: Fingerprints::new(&key) }
}

/// Posts commands one after another, each in a group of its own, to a ledger in memory; gives what the log then holds.
async fn written(commands: Vec<Command>) -> (Values, Vec<Outcome>) {
    let mut log = MemoryLog::default();
    let genesis = ledger::Genesis { origin: ORIGIN, development: false, administrators: &[] };
    ledger::create(&mut log, genesis, &NOW).unwrap();
    let ledger = Ledger::open_log(Box::new(log.clone()), &digests(), Box::new(NOW), Box::new(|_| {})).unwrap();
    let mut outcomes = Vec::new();
    for command in commands {
        let prepared = ledger.prepare(command, &mut Vec::new());
        outcomes.extend(ledger.post(vec![prepared]).await.unwrap());
    }
    let values = log.values_from(&[]).map(Result::unwrap).map(|(key, value)| (key, value.to_vec())).collect();
    tokio::task::spawn_blocking(move || ledger.close()).await.unwrap().unwrap();
    (values, outcomes)
}

// ── the example ──

#[tokio::test]
async fn the_documents_example_is_what_is_written() {
    let (values, outcomes) = written(vec![example()]).await;
    let documented = documented_values();
    for (at, (documented, (key, value))) in documented.iter().zip(&values).enumerate() {
        let mut stored = key.clone();
        stored.extend_from_slice(value);
        assert_eq!(hexadecimal(documented), hexadecimal(&stored), "value {at} in docs/format.md");
    }
    assert_eq!(documented.len(), values.len(), "docs/format.md shows every value of the example");
    let [Outcome::Accepted(receipt)] = outcomes.as_slice() else { panic!("{outcomes:?}") };
    let text = format_document();
    for hash in [EntryHash::of(&entries(&values)[0]), receipt.entry_hash] {
        assert!(text.contains(&format!("= {hash}")), "docs/format.md does not give the entry hash {hash}");
    }
    assert_eq!(audited(&values).verdict, Verdict::Verified);
}

/// The bundle of the document is the frozen one, and the program writes it, but for its own name.
#[tokio::test]
async fn the_documents_bundle_is_what_is_written() {
    let frozen = fs::read(fixtures().join("witnessed.bundle")).unwrap();
    let (values, _) = written(vec![example()]).await;
    assert_eq!(hexadecimal(&documented_bundle(&values)), hexadecimal(&frozen));
    let leaves: Vec<TreeHash> = entries(&values).iter().map(|entry| leaf_hash(entry)).collect();
    let text = Checkpoint { origin: ORIGIN.to_owned(), size: 2, root: root_over(&leaves) }.text();
    let log_key = SignerKey::from_seed(ORIGIN, &[1; 32]);
    let witness = |name, seed| SignerKey::of_kind(name, &[seed; 32], KeyKind::Cosigner);
    let witnesses = [witness("congress", 2), witness("audit-office", 3)];
    let note = format!("{text}\n{}", log_key.note_line(&text));
    let lines: String = witnesses.iter().map(|key| key.cosignature_line(&text, 1_767_574_800)).collect();
    let witnessed = format!("{note}{lines}");
    let [congress, office] = &witnesses;
    let policy = format!(
        "log {}\nwitness congress {}\nwitness audit-office {}\ngroup both all congress audit-office\nquorum both\n",
        log_key.verifier(),
        congress.verifier(),
        office.verifier()
    );
    let beside = Beside {
        checkpoint: Some(&note),
        witnessed: Some(&witnessed),
        policy: Some(&policy),
        made_at: Some("2026-01-05T01:00:00Z"),
    };
    let log = MemoryLog::default();
    log.tamper(|stored| stored.extend(values.iter().cloned()));
    let mut bundle = Vec::new();
    write_bundle(log.reader().as_ref(), &beside, &mut bundle).unwrap();
    // All behind the manifest up to the digest, which is over the manifest as well.
    let rest = |file: &[u8]| {
        let start = 23 + file.windows(2).skip(23).position(|mark| mark == [0xff, 0xfe]).unwrap();
        hexadecimal(&file[start..file.len() - 32])
    };
    assert_eq!(rest(&bundle), rest(&frozen));
    let manifest =
        documented_text("manifest").replace("fundledger 0.1.0", concat!("fundledger ", env!("CARGO_PKG_VERSION")));
    assert!(bundle.windows(manifest.len()).any(|window| window == manifest.as_bytes()), "{manifest}");
    let options = Options {
        anchors: Anchors {
            served: vec![witnessed],
            policy: Some(Policy::parse(&policy).unwrap()),
            ..Anchors::default()
        },
        ..deep()
    };
    let report = audit::verify(Evidence::Bundle(Box::new(Bundle::new(&*frozen).unwrap())), &options);
    assert_eq!((report.verdict, report.anchored_size), (Verdict::Verified, Some(2)), "{:?}", report.faults);
    assert_eq!(report.bundle.and_then(|bundle| bundle.policy).and_then(|policy| policy.is_yours), Some(true));
}

/// The text in the fenced block after a comment of this name.
fn documented_text(name: &str) -> String {
    let document = format_document();
    let (_, rest) = document.split_once(&format!("<!-- {name} -->\n```text\n")).unwrap();
    rest.split("```").next().unwrap().to_owned()
}

/// The bytes of the document's bundle: like those of its values, with `{NAME}` for a text or a value of the example.
fn documented_bundle(values: &Values) -> Vec<u8> {
    let mut bundle = Vec::new();
    for line in documented_text("bundle").lines() {
        let [offset, bytes, _meaning] = line.split('|').map(str::trim).collect::<Vec<_>>()[..] else {
            panic!("{line:?}")
        };
        assert!(offset.is_empty() || offset.parse() == Ok(bundle.len()), "the offset of {line:?}");
        match bytes.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some("value 0") => bundle.extend(&values[0].1),
            Some("value 1") => bundle.extend(&values[1].1),
            Some(name) => bundle.extend(documented_text(name).into_bytes()),
            None => bundle.extend(bytes.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap())),
        }
    }
    bundle
}

fn example() -> Command {
    command("setup-1", "2026-01-05", &["bob"], define_fund("ROADS", "Roads", "CNY", 2))
}

fn format_document() -> String {
    fs::read_to_string(root().join("docs/format.md")).unwrap()
}

/// The bytes in the fenced blocks after `<!-- bytes -->`: lines of `offset | bytes | meaning`. A block holds a key and its
/// value; offsets count from the start of the value, and `key` stands for the key's.
fn documented_values() -> Vec<Vec<u8>> {
    let text = format_document();
    text.split("<!-- bytes -->\n```text\n").skip(1).map(|rest| bytes_of(rest.split("```").next().unwrap())).collect()
}

fn bytes_of(block: &str) -> Vec<u8> {
    let mut key = Vec::new();
    let mut value = Vec::new();
    for line in block.lines() {
        let [offset, digits, _meaning] = line.split('|').collect::<Vec<_>>()[..] else { panic!("{line:?}") };
        let bytes = digits.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap());
        match offset.trim() {
            "key" => key.extend(bytes),
            "" => value.extend(bytes),
            offset => {
                assert_eq!(offset.parse(), Ok(value.len()), "the offset of {line:?}");
                value.extend(bytes);
            }
        }
    }
    key.extend(value);
    key
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

fn entries(values: &Values) -> Vec<Vec<u8>> {
    let mut assembler = Assembler::default();
    let parts = values.iter().map(|(key, value)| parse_value(key, value).unwrap());
    let blocks: Vec<_> = parts.filter_map(|part| assembler.push(part).unwrap()).collect();
    blocks.iter().flat_map(|block| block.entries().map(<[u8]>::to_vec)).collect()
}

fn audited(values: &Values) -> Report {
    audit::verify(
        Evidence::Blocks(Box::new(values.iter().cloned().map(|(key, value)| Ok((key, value.into()))))),
        &deep(),
    )
}

fn deep() -> Options {
    Options { depth: Depth::Deep, ..Options::default() }
}

// ── the fixtures ──

#[test]
fn frozen_bundles_verify_for_ever() {
    for (name, _, last, head) in FIXTURES {
        let report = audit::verify(Evidence::Bundle(Box::new(bundle(name))), &deep());
        assert_eq!(report.verdict, Verdict::Verified, "{name}: {:?}", report.faults);
        let found = report.head.unwrap();
        assert_eq!((found.sequence, hexadecimal(&found.hash).replace(' ', "").as_str()), (*last, *head), "{name}");
    }
}

#[test]
fn frozen_bundles_open_for_ever() {
    for (name, origin, last, head) in FIXTURES {
        let log = MemoryLog::default();
        log.tamper(|values| values.extend(stored(name)));
        let ledger = Ledger::open_log(Box::new(log), &digests(), Box::new(NOW), Box::new(|_| {})).unwrap();
        let Head { sequence, hash } = ledger.committed();
        assert_eq!((sequence, hash.to_string().as_str()), (*last, *head), "{name}");
        assert_eq!((ledger.read_only(), ledger.origin()), (None, *origin), "{name}");
        ledger.close().unwrap();
    }
}

#[test]
fn the_frozen_bundles_hold_every_type_of_event_and_an_entry_in_parts() {
    let values: Values = FIXTURES.iter().flat_map(|(name, ..)| stored(name)).collect();
    assert!(values.iter().any(|(key, _)| key.last() != Some(&0)), "no entry lies in several parts");
    let events: Vec<v1::Event> =
        entries(&values).iter().map(|entry| v1::Event::decode(split_entry(entry).unwrap().1).unwrap()).collect();
    let has =
        |wanted: fn(&v1::event::Payload) -> bool| events.iter().any(|event| wanted(event.payload.as_ref().unwrap()));
    macro_rules! each {
        ($($kind:ident)*) => {$(
            assert!(has(|payload| matches!(payload, v1::event::Payload::$kind(_))), "no {}", stringify!($kind));
        )*};
    }
    each!(LedgerCreated FundDefined PolicySet AccountOpened OpeningBalance BudgetIssued BudgetAllocated BudgetAdjusted
        PlanApproved Committed CommitmentReleased Frozen Unfrozen CashReceived PaymentExecuted Cleared PaymentReturned
        Reversed DayClosed PeriodClosed CarriedForward LapsedRecovered CommandRefused
        CommandProposed ProposalApproved ProposalWithdrawn ProposalExpired RoleGranted RoleRevoked KeyRotated
        PaymentReleased LogKeyRotated TransactionPosted
        EligibilityRecorded AccountClosed EstimateApproved EntitlementDetermined
        NontaxNoticed NontaxCollected NontaxSplit NontaxRefunded
        ContributionReceived IncomeReceived FundsMoved BenefitPaid BenefitRecovered RelationTransferred InterestCredited
        HousingWithdrawn LoanIssued LoanRepaid SurplusDistributed
        Reconciled Flagged FindingExplained FindingRectified FindingClosed MatterOpened MatterClosed Disclosed
        PerformanceScored PeriodReopened
        GoalSet OutputRecorded TenderOpened TenderAwarded ContractRegistered ContractAmended ContractSettled
        FinalAccountApproved
        PersonalDataRestricted PersonalDataReleased PersonalDataErased PersonalDataOpened
        ComplaintFiled ComplaintAccepted ComplaintAnswered ComplaintClosed);
    assert!(events.iter().any(|event| event.personal_data.len() == 2), "no commitments to personal data");
}

fn bundle(name: &str) -> Bundle<'static> {
    read_bundle(fixtures().join(name)).unwrap()
}

fn stored(name: &str) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
    bundle(name).map(|item| item.unwrap()).map(|(key, value)| (key, value.to_vec()))
}

/// Prints the example's bytes and writes the story as a bundle to the build's temporary directory. A fixture that exists is
/// never written again: what was once released must be read.
#[tokio::test]
#[ignore = "only for a new format version"]
async fn freeze() {
    let (example, _) = written(vec![example()]).await;
    for (key, value) in &example {
        println!("key {}\n{}", hexadecimal(key), hexadecimal(value));
    }
    for (name, commands) in [("every_event.bundle", story()), ("transactions.bundle", transactions())] {
        let (values, outcomes) = written(commands).await;
        for (sequence, outcome) in (1..).zip(outcomes) {
            if let Outcome::Refused { refusal, .. } = outcome {
                println!("#{sequence} {refusal}");
            }
        }
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let log = MemoryLog::default();
        log.tamper(|stored| stored.extend(values.iter().cloned()));
        write_bundle(log.reader().as_ref(), &Beside::default(), fs::File::create(&path).unwrap()).unwrap();
        let report = audited(&values);
        let head = report.head.map(|head| (head.sequence, hexadecimal(&head.hash).replace(' ', "")));
        println!("{} {head:?} {:?}", path.display(), report.faults);
    }
}

// ── what the fixture tells ──

fn n<T>(parsed: Result<T, NameError>) -> T {
    parsed.unwrap()
}

fn amount(minor: i64) -> Amount {
    Amount::positive(minor).unwrap()
}

fn day(date: &str) -> Day {
    let parts: Vec<i32> = date.split('-').map(|part| part.parse().unwrap()).collect();
    Day::new(parts[0], parts[1], parts[2]).unwrap()
}

fn account(name: &str) -> AccountId {
    n(AccountId::parse(name))
}

fn lot_id(name: &str) -> LotId {
    n(LotId::parse(name))
}

fn document(number: &str) -> DocumentNumber {
    n(DocumentNumber::parse(number))
}

fn bank(reference: &str) -> BankReference {
    n(BankReference::parse(reference))
}

fn basis() -> LegalBasis {
    n(LegalBasis::parse("预算法第四十二条"))
}

fn reason() -> ReasonCode {
    n(ReasonCode::parse("WRONG_ACCOUNT"))
}

fn case_id(name: &str) -> CaseId {
    n(CaseId::parse(name))
}

fn contract() -> ContractId {
    n(ContractId::parse("K-1"))
}

fn code(text: &str) -> Code {
    n(Code::parse(text))
}

fn unit(name: &str) -> UnitId {
    n(UnitId::parse(name))
}

fn command(key: &str, date: &str, checkers: &[&str], order: Order) -> Command {
    let checkers = checkers.iter().map(|name| n(ActorId::parse(*name))).collect();
    let envelope = Envelope {
        request_id: n(RequestId::parse(key)),
        business_date: day(date),
        actor: n(ActorId::parse("alice")),
        approvals: Approvals::Named(checkers),
        personal_data: Vec::new(),
    };
    Command { envelope, preconditions: Vec::new(), order }
}

fn fund(name: &str, shown: &str, currency: &str, exponent: u8) -> FundDefinition {
    FundDefinition {
        fund_id: n(FundId::parse(name)),
        name: n(DisplayName::parse(shown)),
        family: FundFamily::Special,
        currency: Currency { code: currency.as_bytes().try_into().unwrap(), exponent },
        purposes: Vec::new(),
        economic_codes: Vec::new(),
        policy_id: None,
        legal_basis: n(LegalBasis::parse("Budget Law art. 42")),
        scheme: None,
        exclusive_with: Vec::new(),
        profile: FundProfile::default(),
    }
}

fn define_fund(name: &str, shown: &str, currency: &str, exponent: u8) -> Order {
    Order::DefineFund(Box::new(fund(name, shown, currency, exponent)))
}

fn lot(name: &str, number: &str, expires_on: Option<&str>) -> LotDefinition {
    LotDefinition {
        lot_id: lot_id(name),
        issuer_id: n(IssuerId::parse("MOF")),
        document_number: document(number),
        document_sha256: [7; 32],
        expires_on: expires_on.map(day),
        purposes: vec![code("paving"), code("bridges")],
        parent_lot_id: Some(lot_id("PROVINCE-1")),
    }
}

fn movement(from: &str, to: &str, minor: i64, draws: &[(&str, i64)]) -> Movement {
    let draws = draws.iter().map(|(lot, minor)| Draw { lot_id: lot_id(lot), amount: amount(*minor) }).collect();
    Movement { from: account(from), to: account(to), amount: amount(minor), draws }
}

fn payment(id: &str, from: &str, minor: i64, payee: PayeeRef, under: Option<ContractId>) -> Order {
    Order::ExecutePayment(Box::new(ExecutePayment {
        payment_id: n(PaymentId::parse(id)),
        from: account(from),
        unit: None,
        amount: amount(minor),
        draws: Vec::new(),
        payee,
        purpose: code("paving"),
        function_code: Some(code("214.01.04")),
        economic_code: Some(code("310.05")),
        project_id: Some(code("ring-road")),
        contract_id: under,
        method: PaymentMethod::Direct,
        document_sha256: vec![[8; 32], [9; 32]],
        payout: None,
        recipient_kind: None,
    }))
}

fn adjust(adjustment: Adjustment, minor: i64, number: &str) -> Order {
    Order::AdjustBudget {
        adjustment,
        lot_id: lot_id("C"),
        amount: amount(minor),
        issuer_id: n(IssuerId::parse("MOF")),
        document_number: document(number),
    }
}

fn freeze_of(name: &str, scope: FreezeScope) -> Order {
    Order::Freeze { case_id: case_id(name), legal_basis: basis(), scope }
}

/// The story up to its contract, and then transactions: one of every operation, one that is refused, and one that takes
/// an operation back.
fn transactions() -> Vec<Command> {
    let mut story: Vec<Command> = story().into_iter().take_while(|command| !is_contract(&command.order)).collect();
    let all = |operations: Vec<Order>| {
        let operations = operations.into_iter().map(|order| Operation::new(order).unwrap()).collect();
        Order::Transaction { operations }
    };
    let mut tell = |order: Order| {
        let key = format!("key-{}", story.len() + 1);
        story.push(command(&key, "2026-02-03", &["bob", "carol"], order));
        i64::try_from(story.len()).unwrap()
    };
    let plan = movement("R.UNIT.A", "R.PLAN.A", 500_000, &[("C", 500_000)]);
    let committed = movement("R.PLAN.A", "R.COMMITTED.A", 400_000, &[("C", 400_000)]);
    let released = movement("R.COMMITTED.A", "R.PLAN.A", 100_000, &[("C", 100_000)]);
    let allocated = movement("R.UNALLOCATED", "R.UNIT.A", 500_000, &[("C", 500_000)]);
    let reverse =
        |original, operation| Order::ReverseEvent { original: Sequence(original), operation, reason_code: reason() };
    let mistaken = tell(payment("V-0", "R.PLAN.A", 10_000, OTHER, None));
    let together = tell(all(vec![
        Order::IssueBudget {
            lot: Box::new(lot("D", "财农〔2026〕14号", None)),
            to: account("R.UNALLOCATED"),
            amount: amount(9),
        },
        adjust(Adjustment::Supplement { to: account("R.UNALLOCATED") }, 500_000, "追加2号"),
        Order::AllocateBudget { movement: allocated, document_number: None },
        Order::ApprovePlan { movement: plan, document_number: None },
        Order::CommitAuthority { movement: committed, contract_id: contract(), ocid: None, payee: PAYER },
        Order::ReleaseCommitment { movement: released, contract_id: contract() },
        reverse(mistaken, 0),
        payment("V-1", "R.COMMITTED.A", 250_000, PAYER, Some(contract())),
        payment("V-2", "R.PLAN.A", 10_000, OTHER, None),
    ]));
    tell(all(vec![payment("V-3", "R.PLAN.A", 1, OTHER, None), payment("V-2", "R.PLAN.A", 1, OTHER, None)]));
    tell(reverse(together, 9));
    tell(all(vec![reverse(together, 8), reverse(together, 6)]));
    story
}

fn is_contract(order: &Order) -> bool {
    matches!(order, Order::CommitAuthority { .. })
}

/// A year of one fund, with every type of event, an entry too long for one value, and a second fund that began elsewhere.
fn story() -> Vec<Command> {
    let mut story = Vec::new();
    let mut tell = |date: &str, order: Order| {
        let key = format!("key-{}", story.len() + 1);
        story.push(command(&key, date, &["bob", "carol"], order));
        i64::try_from(story.len()).unwrap()
    };
    let policy = PolicyVersion {
        version: 1,
        effective_from: day("2026-01-01"),
        plan_step: PlanStep::Required,
        checker_tiers: vec![
            CheckerTier { from_minor: 0, checkers: 1 },
            CheckerTier { from_minor: 5_000_000, checkers: 2 },
        ],
        document_sha256: [6; 32],
        signed_approvals: false,
        terms: PolicyTerms::default(),
    };
    tell("2026-01-05", Order::SetPolicy { policy_id: n(PolicyId::parse("P-1")), policy: Box::new(policy) });
    let mut roads = fund("ROADS", "道路专项资金", "CNY", 2);
    roads.policy_id = Some(n(PolicyId::parse("P-1")));
    roads.purposes = vec![code("paving"), code("bridges"), code("lights")];
    roads.economic_codes = vec![code("310.05")];
    roads.economic_codes.extend((0..255).map(|number| code(&format!("{number:064}"))));
    tell("2026-01-05", Order::DefineFund(Box::new(roads)));
    for (name, kind, of_unit) in [
        ("R.SOURCE", Kind::AuthoritySource, None),
        ("R.UNALLOCATED", Kind::AuthorityUnallocated, None),
        ("R.UNIT.A", Kind::AuthorityUnit, Some(unit("A"))),
        ("R.UNIT.B", Kind::AuthorityUnit, Some(unit("B"))),
        ("R.PLAN.A", Kind::AuthorityPlan, Some(unit("A"))),
        ("R.COMMITTED.A", Kind::AuthorityCommitted, Some(unit("A"))),
        ("R.FROZEN.A", Kind::AuthorityFrozen, Some(unit("A"))),
        ("R.USED.A", Kind::AuthorityUsed, Some(unit("A"))),
        ("R.CARRY", Kind::AuthorityCarry, None),
        ("R.RECALLED", Kind::AuthorityRecalled, None),
        ("R.TREASURY", Kind::Treasury, None),
        ("R.LOTS", Kind::FundLot, None),
        ("R.CLEARING", Kind::Clearing, None),
    ] {
        let fund_id = n(FundId::parse("ROADS"));
        tell(
            "2026-01-05",
            Order::OpenAccount {
                account_id: account(name),
                fund_id,
                kind,
                unit_id: of_unit,
                person: None,
                unit_party: None,
            },
        );
    }
    let issue = |definition, minor| Order::IssueBudget {
        lot: Box::new(definition),
        to: account("R.UNALLOCATED"),
        amount: amount(minor),
    };
    tell("2026-01-06", issue(lot("C", "财农〔2026〕12号", None), 10_000_000));
    tell("2026-01-06", issue(lot("P", "财农〔2026〕13号", Some("2026-12-31")), 4_000_000));
    let allocated = Some(document("分配1号"));
    let all = movement("R.UNALLOCATED", "R.UNIT.A", 6_000_000, &[]);
    tell("2026-01-07", Order::AllocateBudget { movement: all, document_number: allocated });
    let some = movement("R.UNALLOCATED", "R.UNIT.B", 1_000_000, &[("C", 1_000_000)]);
    tell("2026-01-07", Order::AllocateBudget { movement: some, document_number: None });
    tell("2026-01-08", adjust(Adjustment::Supplement { to: account("R.UNALLOCATED") }, 500_000, "追加1号"));
    tell("2026-01-08", adjust(Adjustment::Reduction { from: account("R.UNALLOCATED") }, 200_000, "追减1号"));
    let between = Adjustment::Reallocation { from: account("R.UNIT.B"), to: account("R.UNIT.A") };
    tell("2026-01-08", adjust(between, 100_000, "调剂1号"));
    let planned = movement("R.UNIT.A", "R.PLAN.A", 4_500_000, &[]);
    tell("2026-02-01", Order::ApprovePlan { movement: planned, document_number: Some(document("计划2号")) });
    for (lot, minor) in [("P", 4_000_000), ("C", 6_000_000)] {
        let bank_reference = bank(&format!("CASH {lot}"));
        tell("2026-02-02", Order::ReceiveCash { lot_id: lot_id(lot), amount: amount(minor), bank_reference });
    }
    let committed = movement("R.PLAN.A", "R.COMMITTED.A", 1_000_000, &[("P", 800_000), ("C", 200_000)]);
    let ocid = Some(code("ocds-213czf-1"));
    tell("2026-02-03", Order::CommitAuthority { movement: committed, contract_id: contract(), ocid, payee: PAYER });
    let released = movement("R.COMMITTED.A", "R.PLAN.A", 100_000, &[("C", 100_000)]);
    tell("2026-02-04", Order::ReleaseCommitment { movement: released, contract_id: contract() });
    tell("2026-03-02", payment("V-1", "R.COMMITTED.A", 850_000, PAYER, Some(contract())));
    tell("2026-03-03", payment("V-2", "R.PLAN.A", 3_300_000, OTHER, None));
    let mistaken = tell("2026-03-04", payment("V-3", "R.PLAN.A", 50_000, OTHER, None));
    tell("2026-03-04", Order::ReverseEvent { original: Sequence(mistaken), operation: 0, reason_code: reason() });
    tell("2026-03-05", payment("V-4", "R.PLAN.A", 99_000_000, OTHER, None));
    let payment_ids = vec![n(PaymentId::parse("V-1")), n(PaymentId::parse("V-2"))];
    tell("2026-03-05", Order::ClearPayments { payment_ids, bank_reference: bank("CLEAR 1") });
    tell("2026-03-05", Order::CloseDay { fund_id: n(FundId::parse("ROADS")), day: day("2026-03-05") });
    for (at, minor) in [(1, 60_000), (2, 70_000)] {
        let payment_id = n(PaymentId::parse("V-2"));
        let bank_reference = bank(&format!("BACK {at}"));
        tell(
            "2026-03-10",
            Order::ReturnPayment { payment_id, amount: amount(minor), bank_reference, reason_code: reason() },
        );
    }
    let part = FreezeScope::Amount { account: account("R.UNIT.A"), amount: amount(100_000), draws: Vec::new() };
    tell("2026-03-11", freeze_of("CASE-1", part));
    tell("2026-03-11", freeze_of("CASE-2", FreezeScope::Account(account("R.UNIT.B"))));
    tell("2026-03-11", freeze_of("CASE-3", FreezeScope::Lot(lot_id("C"))));
    tell("2026-03-11", freeze_of("CASE-4", FreezeScope::Payee(OTHER)));
    tell("2026-03-12", payment("V-5", "R.PLAN.A", 1_000, OTHER, None));
    for name in ["CASE-1", "CASE-2", "CASE-3", "CASE-4"] {
        tell("2026-03-13", Order::Unfreeze { case_id: case_id(name) });
    }
    let period = Period::new(2026, 3).unwrap();
    tell("2026-03-31", Order::ClosePeriod { fund_id: n(FundId::parse("ROADS")), period });
    tell("2026-12-31", Order::CarryForward { lot_id: lot_id("C"), year: 2026 });
    tell("2026-12-31", Order::RecoverLapsed { lot_id: lot_id("P"), legal_basis: basis() });
    tell("2026-12-31", define_fund("OLD", "Carried in", "JPY", 0));
    for (name, kind, of_unit) in [
        ("O.SOURCE", Kind::AuthoritySource, None),
        ("O.UNIT.A", Kind::AuthorityUnit, Some(unit("A"))),
        ("O.USED.A", Kind::AuthorityUsed, Some(unit("A"))),
        ("O.TREASURY", Kind::Treasury, None),
        ("O.LOTS", Kind::FundLot, None),
    ] {
        let fund_id = n(FundId::parse("OLD"));
        tell(
            "2026-12-31",
            Order::OpenAccount {
                account_id: account(name),
                fund_id,
                kind,
                unit_id: of_unit,
                person: None,
                unit_party: None,
            },
        );
    }
    let line = |name, of_lot: bool, minor| OpeningLine {
        account: account(name),
        lot: of_lot.then(|| lot_id("O-1")),
        amount: amount(minor),
    };
    tell(
        "2026-12-31",
        Order::RecordOpeningBalance {
            fund_id: n(FundId::parse("OLD")),
            document_number: document("trial balance 2026"),
            document_sha256: [5; 32],
            lots: vec![lot("O-1", "OLD 1", None)],
            lines: vec![
                line("O.SOURCE", true, 1_000),
                line("O.USED.A", true, 400),
                line("O.UNIT.A", true, 600),
                line("O.TREASURY", false, 600),
                line("O.LOTS", true, 600),
            ],
        },
    );
    story
}
