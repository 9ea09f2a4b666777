//! Personal data where persons sign: what is proposed commits to them, and who may open and erase them.

use fundledger::pb::v1::command::Payload;
use fundledger::pb::v1::personal_data_service_client::PersonalDataServiceClient;
use fundledger::pb::v1::{self, Role};
use prost::Message;
use tonic_types::StatusExt;

use crate::server::receipt;
use crate::world::{World, grant, key, pay, reason_of, refusal_of};

const PERSON: &str = "EXAMPLE LTD";

fn named(command: v1::Command, value: &str) -> v1::Command {
    let field = v1::PersonalField::Name.into();
    let datum = v1::PersonalDatum { person: PERSON.to_owned(), field, value: value.to_owned(), ..Default::default() };
    v1::Command { personal_data: vec![datum], ..command }
}

async fn list(world: &World) -> Vec<v1::PersonalDataEntry> {
    let request = v1::ListPersonalDataRequest { person: PERSON.to_owned(), ..Default::default() };
    let mut client = PersonalDataServiceClient::new(world.channel.clone());
    client.list_personal_data(request).await.unwrap().into_inner().entries
}

async fn open(world: &World, who: &str, sequence: i64) -> Result<String, tonic::Status> {
    let order = v1::OpenPersonalData {
        sequence,
        person: PERSON.to_owned(),
        field: v1::PersonalField::Name.into(),
        legal_basis: "审计法 34".to_owned(),
        ..Default::default()
    };
    let mut command = world.made_by(who, Payload::OpenPersonalData(Box::new(order)));
    command.checkers.clear();
    let request = v1::OpenPersonalDataRequest { command: Some(command) };
    let mut client = PersonalDataServiceClient::new(world.channel.clone());
    client.open_personal_data(request).await.map(|opened| opened.into_inner().value)
}

fn erase() -> Payload {
    Payload::ErasePersonalData(Box::new(v1::ErasePersonalData {
        person: PERSON.to_owned(),
        legal_basis: "个人信息保护法 47".to_owned(),
        ..Default::default()
    }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_is_signed_commits_to_personal_data() {
    let world = World::with_fund().await;
    let command = named(world.made_by("m1", pay("P-1", 600)), "示例有限公司");
    let proposed = world.propose("prop-1", "m1", vec![command.clone()]).await.unwrap();
    let signed = v1::Command::decode(proposed.commands[0].clone()).unwrap();
    assert!(signed.personal_data.is_empty() && signed.personal_commitments.len() == 1);
    assert!(!proposed.commands[0].windows(12).any(|window| window == &"示例有限公司".as_bytes()[..12]));
    assert!(list(&world).await.is_empty(), "nothing is on record of it yet");
    // Proposed again, it is the same.
    let again = world.propose("prop-1", "m1", vec![command]).await.unwrap();
    assert_eq!(again.commands, proposed.commands);
    let approved = world.approve("prop-1", "c1", &proposed.message_to_sign).await.unwrap();
    let executed = receipt(approved.executed.unwrap());
    let event = world.event(executed.sequence).await;
    assert_eq!(event.personal_data, signed.personal_commitments);
    // An auditor opens it, and nobody else.
    assert_eq!(reason_of(&open(&world, "m1", executed.sequence).await.unwrap_err()), "ROLE_MISSING");
    world.set_up(vec![grant("auditor-9", Role::Auditor, "")]).await;
    assert_eq!(open(&world, "auditor-9", executed.sequence).await.unwrap(), "示例有限公司");
    // Erasure is for administrators, two of them.
    let alone = world.post(vec![world.made_by("m1", erase())]).await.remove(0);
    assert_eq!(refusal_of(alone), "ROLE_MISSING");
    assert_eq!(list(&world).await[0].state(), v1::PersonalDataState::Present);
    world.set_up(vec![erase()]).await;
    assert_eq!(list(&world).await[0].state(), v1::PersonalDataState::Erased);
    let gone = open(&world, "auditor-9", executed.sequence).await.unwrap_err();
    assert_eq!(gone.get_details_error_info().unwrap().reason, "PERSONAL_DATA_ERASED");
    world.verified().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_batch_and_a_command_that_was_signed_elsewhere() {
    let world = World::with_fund().await;
    // A batch: its commands come later, with the bytes that commit to the data.
    let commands: Vec<v1::Command> =
        (1..=3).map(|at| named(world.made_by("m1", pay(&format!("B-{at}"), 10)), &format!("乙方{at}"))).collect();
    let proposed = world.propose("batch", "m1", commands).await.unwrap();
    world.approve("batch", "c1", &proposed.message_to_sign).await.unwrap();
    let posted = world.post_batch("batch", &proposed.commands).await.unwrap();
    assert_eq!(posted.len(), 3);
    assert_eq!(list(&world).await.len(), 3);
    // Signed elsewhere, over the bytes that a validation gave.
    let command = named(world.made_by("m1", pay("S-1", 10)), "丁方");
    let signed = world.signed(command, &[key("c1")], world.now() + 60).await;
    let posted = receipt(world.post(vec![signed]).await.remove(0));
    world.set_up(vec![grant("auditor-9", Role::Auditor, "")]).await;
    assert_eq!(open(&world, "auditor-9", posted.sequence).await.unwrap(), "丁方");
    // Withdrawn, nothing is kept.
    let command = named(world.made_by("m1", pay("W-1", 10)), "丙方");
    world.propose("gone-1", "m1", vec![command]).await.unwrap();
    world.withdraw("gone-1", "m1").await.unwrap();
    assert_eq!(list(&world).await.len(), 4, "and the vault has followed");
    let files = std::fs::read_dir(world.directory.path().join("data").join("vault")).unwrap();
    for file in files {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(6).any(|window| window == b"gone-1"), "the row is overwritten");
    }
    world.verified().await;
}
