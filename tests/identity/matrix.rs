//! Each role, each action and each method, for the own agency and for another: allowed or refused as the table says.

use fundledger::domain::approval::Role;
use fundledger::domain::rights::{Action, Reach};
use fundledger::grpc::access::{FOLLOWED, METHODS, Need};
use fundledger::pb::DESCRIPTORS;
use fundledger::pb::v1::{self, command::Payload};
use prost::Message;
use prost_types::FileDescriptorSet;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Request, Status};
use tonic_prost::ProstCodec;
use tonic_types::StatusExt;

use crate::certificates::Certified;
use crate::server::receipt;
use crate::world::{TODAY, World, cash, draws, grant, key, reason_of};

const OWN: &str = "U";
const OTHER: &str = "V";

/// Calls a method and waits for its first answer.
async fn call<M: Message + Default + 'static>(channel: &Channel, path: &str, message: M) -> Result<(), Status> {
    let mut grpc = Grpc::new(channel.clone());
    grpc.ready().await.unwrap();
    let path: PathAndQuery = path.parse().unwrap();
    let answer = grpc.server_streaming(Request::new(message), path, ProstCodec::<M, ()>::default()).await?;
    answer.into_inner().message().await.map(drop)
}

/// Whether an answer is a refusal on grounds of authority.
fn is_denied(answer: &Result<(), Status>) -> bool {
    let reason = answer.as_ref().err().and_then(StatusExt::get_details_error_info);
    reason.is_some_and(|info| info.reason == "ACCESS_DENIED")
}

fn expected(role: Role, action: Action, is_own: bool) -> bool {
    match action.reach(role) {
        None => false,
        Some(Reach::Everywhere) => true,
        Some(Reach::OwnAgency) => is_own,
    }
}

/// What a role may call, as far as its holder holds it for all funds.
fn may_call(role: Role, need: Need, is_own: bool) -> bool {
    match need {
        Need::Certificate => true,
        Need::Any(actions) => actions.iter().any(|action| action.reach(role).is_some()),
        Need::Whole(action) => action.reach(role) == Some(Reach::Everywhere),
        Need::Scoped(action) => expected(role, action, is_own),
    }
}

fn person_of(role: Role) -> String {
    format!("p-{}", role.as_str().to_lowercase())
}

fn open_account(account_id: &str, unit: &str, kind: v1::AccountKind) -> Payload {
    Payload::OpenAccount(Box::new(v1::OpenAccount {
        account_id: account_id.to_owned(),
        fund_id: "F".to_owned(),
        kind: kind.into(),
        unit_id: unit.to_owned(),
        ..Default::default()
    }))
}

/// A contract of an agency, without a tender.
fn contract_of(contract_id: &str, unit: &str) -> Payload {
    Payload::RegisterContract(Box::new(v1::RegisterContract {
        contract_id: contract_id.to_owned(),
        fund_id: "F".to_owned(),
        unit_id: unit.to_owned(),
        method: v1::ProcurementMethod::SingleSource.into(),
        supplier: "builder".to_owned(),
        amount_minor: 1,
        signed_on: Some(fundledger::pb::Date { year: 2026, month: 1, day: 2 }),
        document_number: "1".to_owned(),
        document_sha256: vec![3; 32].into(),
        ..Default::default()
    }))
}

/// A command of each action, for an agency.
fn sample(action: Action, unit: &str) -> Option<Payload> {
    let account = if unit == OWN { "unit" } else { "unit-v" }.to_owned();
    let digest = || bytes::Bytes::from(vec![3; 32]);
    let sequence = || vec![1_i64];
    Some(match action {
        Action::SetUp => open_account("new", unit, v1::AccountKind::AuthorityPlan),
        Action::Budget => Payload::AllocateBudget(Box::new(v1::AllocateBudget {
            movement: Some(v1::AuthorityMovement {
                from_account_id: "unalloc".to_owned(),
                to_account_id: account,
                amount_minor: 1,
                draws: draws(1),
            }),
            document_number: String::new(),
        })),
        Action::OpenPersonAccount => Payload::OpenAccount(Box::new(v1::OpenAccount {
            account_id: "person".to_owned(),
            fund_id: "F".to_owned(),
            kind: v1::AccountKind::Personal.into(),
            person: "somebody".to_owned(),
            ..Default::default()
        })),
        Action::Pay => Payload::ExecutePayment(Box::new(v1::ExecutePayment {
            payment_id: "V".to_owned(),
            from_account_id: account,
            amount_minor: 1,
            draws: draws(1),
            payee: "EXAMPLE LTD".to_owned(),
            purpose: "ROADS".to_owned(),
            method: v1::PaymentMethod::Direct.into(),
            ..Default::default()
        })),
        Action::Settle => cash(7),
        Action::Reverse => Payload::ReverseEvent(Box::new(v1::ReverseEvent {
            original_sequence: 1,
            reason_code: "ERROR".to_owned(),
            ..Default::default()
        })),
        Action::Scheme => Payload::SplitNontax(Box::new(v1::SplitNontax { notice_id: "N".to_owned() })),
        Action::Reconcile => Payload::RecordReconciliation(Box::new(v1::RecordReconciliation {
            account_id: account,
            statement_sha256: digest(),
            from: Some(TODAY),
            to: Some(TODAY),
            ..Default::default()
        })),
        Action::Answer => Payload::ExplainFinding(Box::new(v1::ExplainFinding {
            finding_id: "X".to_owned(),
            document_number: "1".to_owned(),
            document_sha256: digest(),
        })),
        Action::OpenMatter => Payload::OpenMatter(Box::new(v1::OpenMatter {
            matter_id: "M".to_owned(),
            kind: "COMPLAINT".to_owned(),
            unit_id: unit.to_owned(),
            first_handler: "h".to_owned(),
            ..Default::default()
        })),
        Action::CloseMatter => Payload::CloseMatter(Box::new(v1::CloseMatter {
            matter_id: "M".to_owned(),
            outcome_code: "DONE".to_owned(),
        })),
        Action::FileComplaint => Payload::FileComplaint(Box::new(v1::FileComplaint {
            complaint_id: "C".to_owned(),
            kind: "LATE".to_owned(),
            about: Some(v1::file_complaint::About::EventSequence(1)),
            text_sha256: digest(),
            ..Default::default()
        })),
        Action::HandleComplaint => Payload::AcceptComplaint(Box::new(v1::AcceptComplaint {
            complaint_id: "C".to_owned(),
            unit_id: unit.to_owned(),
            first_handler: "h".to_owned(),
        })),
        Action::CloseComplaint => Payload::CloseComplaint(Box::new(v1::CloseComplaint {
            complaint_id: "C".to_owned(),
            outcome: v1::ComplaintOutcome::Withdrawn.into(),
        })),
        Action::Score => Payload::ScorePerformance(Box::new(v1::ScorePerformance {
            subject_id: "S".to_owned(),
            year: 2026,
            score: 1,
            document_number: "1".to_owned(),
            evaluator: 0,
        })),
        Action::Perform => Payload::RecordOutput(Box::new(v1::RecordOutput {
            subject_kind: v1::SubjectKind::Unit.into(),
            subject_id: unit.to_owned(),
            year: 2026,
            indicator_code: "roads".to_owned(),
            as_of: Some(TODAY),
            document_number: "1".to_owned(),
            document_sha256: digest(),
            ..Default::default()
        })),
        Action::Procure => Payload::OpenTender(Box::new(v1::OpenTender {
            tender_id: "T".to_owned(),
            fund_id: "F".to_owned(),
            unit_id: unit.to_owned(),
            method: v1::ProcurementMethod::OpenTender.into(),
            ceiling_minor: 1,
            document_number: "1".to_owned(),
            document_sha256: digest(),
            ..Default::default()
        })),
        Action::Disclose => Payload::RecordDisclosure(Box::new(v1::RecordDisclosure {
            disclosure_id: "D".to_owned(),
            scope: "BUDGET".to_owned(),
            file_sha256: digest(),
            as_of_sequence: 0,
        })),
        Action::Flag => Payload::Flag(Box::new(v1::Flag {
            finding_id: "X".to_owned(),
            rule_id: "R".to_owned(),
            sequences: sequence(),
            ..Default::default()
        })),
        Action::OpenPersonalData => Payload::OpenPersonalData(Box::new(v1::OpenPersonalData {
            sequence: 1,
            person: "somebody".to_owned(),
            field: v1::PersonalField::Name.into(),
            legal_basis: "law".to_owned(),
            ..Default::default()
        })),
        Action::ListPersonalData
        | Action::ReadMaskedNames
        | Action::Approve
        | Action::ReadPending
        | Action::ReadAccount
        | Action::ReadBalances
        | Action::ReadClocks
        | Action::ReadComplaints
        | Action::ReadContracts
        | Action::ReadHistory
        | Action::RunRules
        | Action::ReadLog
        | Action::ReadCommon => return None,
    })
}

/// One contract of each agency.
async fn register_contracts(world: &World) {
    for (contract_id, unit) in [("K-own", OWN), ("K-other", OTHER)] {
        let command = world.made_by("m1", contract_of(contract_id, unit));
        let signed = world.signed(command, &[key("c1")], world.now() + 60).await;
        receipt(world.post(vec![signed]).await.remove(0));
    }
}

/// A request that the handler looks at for its agency; every other method is decided before its request is read.
async fn call_for(channel: &Channel, path: &str, unit: &str) -> Result<(), Status> {
    let account_id = if unit == OWN { "unit" } else { "unit-v" }.to_owned();
    match path.rsplit('/').next().unwrap() {
        "GetBalance" => call(channel, path, v1::GetBalanceRequest { account_id, ..Default::default() }).await,
        "GetStatement" => call(channel, path, v1::GetStatementRequest { account_id, ..Default::default() }).await,
        "ListClocks" => {
            call(channel, path, v1::ListClocksRequest { unit_id: unit.to_owned(), ..Default::default() }).await
        }
        "ListTenders" => {
            call(channel, path, v1::ListTendersRequest { unit_id: unit.to_owned(), ..Default::default() }).await
        }
        "ListContracts" => {
            call(channel, path, v1::ListContractsRequest { unit_id: unit.to_owned(), ..Default::default() }).await
        }
        "GetContract" => {
            let contract_id = if unit == OWN { "K-own" } else { "K-other" }.to_owned();
            call(channel, path, v1::GetContractRequest { contract_id, min_sequence: None }).await
        }
        "ListComplaints" => {
            call(channel, path, v1::ListComplaintsRequest { unit_id: unit.to_owned(), ..Default::default() }).await
        }
        _ => call(channel, path, ()).await,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_role_may_do_what_the_table_says_and_nothing_else() {
    let ledger = Certified::new().await;
    ledger.world.set_up(vec![open_account("unit-v", OTHER, v1::AccountKind::AuthorityUnit)]).await;
    register_contracts(&ledger.world).await;
    let (mut allowed, mut denied) = (0, 0);
    let mut count = |is_allowed: bool| if is_allowed { allowed += 1 } else { denied += 1 };
    for role in Role::ALL {
        let person = person_of(*role);
        let wire = v1::Role::try_from(role.number()).unwrap();
        ledger.world.set_up(vec![grant(&person, wire, "")]).await;
        let channel = ledger.connect(OWN, &person).await;
        let posting = Action::POSTING.iter().any(|action| action.reach(*role).is_some());
        for (unit, is_own) in [(OWN, true), (OTHER, false)] {
            for action in Action::POSTING {
                let payload = sample(*action, unit).unwrap_or_else(|| panic!("no command of {action:?}"));
                let command = ledger.world.made_by("", payload);
                let request = v1::PostRequest { commands: vec![command], validate_only: true, ..Default::default() };
                let mut client = v1::ledger_service_client::LedgerServiceClient::new(channel.clone());
                let answer = client.post(request).await;
                let is_allowed = expected(*role, *action, is_own);
                count(is_allowed);
                let found = match answer {
                    Err(status) => {
                        assert!(!posting, "{role:?} posts: {status:?}");
                        reason_of(&status)
                    }
                    Ok(answer) => match answer.into_inner().results.remove(0).outcome.unwrap() {
                        v1::post_result::Outcome::Receipt(_) => String::new(),
                        v1::post_result::Outcome::Error(status) => {
                            tonic_types::RpcStatusExt::get_details_error_info(&status).unwrap().reason
                        }
                    },
                };
                assert_eq!(found != "ACCESS_DENIED", is_allowed, "{role:?} {action:?} of {unit}: {found}");
                assert_ne!(found, "FIELD_INVALID", "{action:?} is no command that could be decided");
            }
            for (path, need) in METHODS {
                let answer = call_for(&channel, path, unit).await;
                let is_allowed = may_call(*role, *need, is_own);
                count(is_allowed);
                assert_eq!(!is_denied(&answer), is_allowed, "{role:?} calls {path} about {unit}: {answer:?}");
            }
        }
    }
    assert!(allowed > 200 && denied > 200, "{allowed} {denied}");
    // Whoever holds none may ask for health and nothing else.
    let nobody = ledger.connect(OWN, "nobody").await;
    for (path, need) in METHODS {
        let answer = call_for(&nobody, path, OWN).await;
        assert_eq!(!is_denied(&answer), *need == Need::Certificate, "{path}: {answer:?}");
    }
    let refused = ledger.world.node.as_ref().unwrap().refused().counts();
    assert!(refused.iter().any(|(kind, count)| *kind == "authority" && *count > 200), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_of_one_fund_ends_with_it() {
    let ledger = Certified::new().await;
    for role in [v1::Role::Maker, v1::Role::Treasury] {
        ledger.world.set_up(vec![grant("of-f", role, "F"), grant("of-g", role, "G")]).await;
    }
    for (person, may) in [("of-f", true), ("of-g", false)] {
        let channel = ledger.connect(OWN, person).await;
        let mut client = v1::ledger_service_client::LedgerServiceClient::new(channel.clone());
        for action in [Action::Pay, Action::Budget, Action::Settle] {
            let commands = vec![ledger.world.made_by("", sample(action, OWN).unwrap())];
            let answer = client.post(v1::PostRequest { commands, validate_only: true, ..Default::default() }).await;
            let result = format!("{:?}", answer.unwrap().into_inner().results);
            assert_eq!(!result.contains("ACCESS_DENIED"), may, "{person} {action:?}: {result}");
        }
        let balance = call_for(&channel, "/fundledger.v1.QueryService/GetBalance", OWN).await;
        assert_eq!(!is_denied(&balance), may, "{balance:?}");
        let path = "/fundledger.v1.QueryService/ListBalances";
        let of_f = v1::ListBalancesRequest { fund_id: "F".to_owned(), ..Default::default() };
        assert_eq!(!is_denied(&call(&channel, path, of_f).await), may);
        assert!(is_denied(&call(&channel, path, v1::ListBalancesRequest::default()).await), "all funds");
        let path = "/fundledger.v1.QueryService/ListContracts";
        let of_f = v1::ListContractsRequest { fund_id: "F".to_owned(), ..Default::default() };
        assert_eq!(!is_denied(&call(&channel, path, of_f).await), may);
        assert!(is_denied(&call(&channel, path, v1::ListContractsRequest::default()).await), "all funds");
        assert!(is_denied(&call(&channel, "/fundledger.v1.QueryService/Trace", ()).await), "all funds");
        // What cannot be told from its names is for those who may do it everywhere.
        let commands = vec![ledger.world.made_by("", sample(Action::Reverse, OWN).unwrap())];
        let answer = client.post(v1::PostRequest { commands, validate_only: true, ..Default::default() }).await;
        assert!(format!("{:?}", answer.unwrap().into_inner().results).contains("ACCESS_DENIED"));
    }
}

#[test]
fn the_table_names_every_method_once() {
    let files = FileDescriptorSet::decode(DESCRIPTORS).unwrap().file;
    let mut expected = Vec::new();
    for file in &files {
        for service in &file.service {
            let methods = service.method.iter();
            expected.extend(methods.map(|method| format!("/{}.{}/{}", file.package(), service.name(), method.name())));
        }
    }
    // What goes on for long without posting anything is followed to its end.
    let services = files.iter().flat_map(|file| file.service.iter().map(|service| (file.package(), service)));
    for (package, service) in services.filter(|(package, _)| package.starts_with("fundledger.")) {
        for method in service.method.iter().filter(|method| method.server_streaming() && !method.client_streaming()) {
            let path = format!("/{package}.{}/{}", service.name(), method.name());
            assert!(FOLLOWED.contains(&path.as_str()), "{path} is a stream that nobody follows");
        }
    }
    let mut named: Vec<&str> = METHODS.iter().map(|(path, _)| *path).collect();
    named.retain(|path| path.starts_with("/fundledger."));
    named.sort_unstable();
    expected.sort_unstable();
    assert_eq!(named, expected);
}
