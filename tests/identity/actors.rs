//! The person of a certificate is who acts, whatever a request says.

use fundledger::pb::v1::ledger_service_client::LedgerServiceClient;
use fundledger::pb::v1::{self, Role};

use crate::certificates::Certified;
use crate::server::receipt;
use crate::world::{cash, fund, grant, reason_of, refusal_of, revoke};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_acts_is_the_person_of_the_certificate() {
    let ledger = Certified::new().await;
    for person in ["t1", "t2"] {
        ledger.world.set_up(vec![grant(person, Role::Treasury, "")]).await;
    }
    let mut first = LedgerServiceClient::new(ledger.connect("U", "t1").await);
    let mut second = LedgerServiceClient::new(ledger.connect("U", "t2").await);
    let post = |command| v1::PostRequest { commands: vec![command], ..Default::default() };
    // Another's name is refused, and leaves nothing behind.
    let head = ledger.world.head();
    let forged = first.post(post(ledger.world.made_by("t2", cash(1)))).await.unwrap().into_inner().results.remove(0);
    assert_eq!(refusal_of(forged), "ACTOR_MISMATCH");
    assert_eq!(ledger.world.head(), head);
    // None is filled in.
    let command = ledger.world.made_by("", cash(1));
    let posted = receipt(first.post(post(command.clone())).await.unwrap().into_inner().results.remove(0));
    assert_eq!(ledger.world.event(posted.sequence).await.actor, "t1");
    // A key of somebody else's: neither the answer nor the receipt is told.
    let reused = second.post(post(command.clone())).await.unwrap().into_inner().results.remove(0);
    assert_eq!(refusal_of(reused), "IDEMPOTENCY_KEY_REUSED");
    let asked = v1::GetReceiptRequest { request_id: command.request_id.clone() };
    assert_eq!(reason_of(&second.get_receipt(asked.clone()).await.unwrap_err()), "REQUEST_NOT_FOUND");
    assert!(first.get_receipt(asked).await.unwrap().into_inner().result.is_some());
    // Who proposes, approves and withdraws is the person as well.
    let proposal = v1::ProposeRequest {
        request_id: "p".to_owned(),
        business_date: command.business_date,
        actor: "a1".to_owned(),
        commands: vec![ledger.world.made_by("a1", fund("H", "P"))],
        expires_at: Some(crate::world::at(ledger.world.now() + 60)),
        validate_only: true,
    };
    assert_eq!(reason_of(&first.propose(proposal.clone()).await.unwrap_err()), "ACTOR_MISMATCH");
    let own = v1::ProposeRequest { actor: String::new(), ..proposal };
    let own = v1::ProposeRequest { commands: vec![ledger.world.made_by("", fund("H", "P"))], ..own };
    assert_eq!(reason_of(&first.propose(own).await.unwrap_err()), "ACCESS_DENIED");
    let withdrawal = v1::WithdrawRequest {
        request_id: "w".to_owned(),
        business_date: command.business_date,
        actor: "a1".to_owned(),
        proposal_id: "p".to_owned(),
    };
    assert_eq!(reason_of(&first.withdraw(withdrawal).await.unwrap_err()), "ACTOR_MISMATCH");
    // Once a role is taken nothing new is posted; while there is another, a retry is answered as it was.
    ledger.world.set_up(vec![grant("t1", Role::Agency, ""), revoke("t1", Role::Treasury)]).await;
    let answers = first.post(post(ledger.world.made_by("", cash(2)))).await.unwrap().into_inner().results.remove(0);
    assert_eq!(refusal_of(answers), "ACCESS_DENIED");
    let again = receipt(first.post(post(command)).await.unwrap().into_inner().results.remove(0));
    assert_eq!((again.sequence, again.replayed), (posted.sequence, true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_names_exactly_one_person() {
    let ledger = Certified::new().await;
    let one = "spiffe://ledger.example.org/agency/U/actor/m1";
    for uris in [
        vec![],
        vec![one, one],
        vec![one, "https://example.org"],
        vec!["spiffe://other.example.org/agency/U/actor/m1"],
        vec!["spiffe://ledger.example.org/actor/m1"],
    ] {
        let channel = ledger.authority.connect(&ledger.address, &ledger.authority.named(&uris)).await;
        let asked = v1::GetReceiptRequest { request_id: "x".to_owned() };
        let status = LedgerServiceClient::new(channel).get_receipt(asked).await.unwrap_err();
        assert_eq!((status.code(), reason_of(&status).as_str()), (tonic::Code::Unauthenticated, "IDENTITY_INVALID"));
    }
}
