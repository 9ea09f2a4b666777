//! Events by what they concern.

use crate::server::{Served, command, payment, set_up};
use crate::world::{Query, change, clearing, more_lots, post, refused};
use fundledger::pb::v1::{self, command::Payload};
use tonic::Code;

async fn sequences(query: &mut Query, request: v1::ListEventsRequest) -> Vec<i64> {
    let mut request = v1::ListEventsRequest { page_size: 3, ..request };
    let mut found = Vec::new();
    loop {
        let page = query.list_events(request.clone()).await.unwrap().into_inner();
        found.extend(page.records.iter().map(|record| record.sequence));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return found;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn events_are_filtered_by_what_they_concern() {
    let served = Served::new();
    post(&served, set_up()).await;
    let committed = post(&served, more_lots()).await;
    let paid = change(payment("k-1"), |payment| {
        payment.from_account_id = "U.commit".to_owned();
        payment.payee = "Builder Ltd".to_owned();
        payment.contract_id = "K-1".to_owned();
        payment.project_id = "bridge".to_owned();
    });
    let paid = post(&served, vec![paid]).await;
    let other = post(&served, vec![change(payment("p-1"), |payment| payment.project_id = "bridge".to_owned())]).await;
    let cleared = post(&served, vec![command("clear-k-1", clearing("k-1"))]).await;
    let returned = Payload::ReturnPayment(Box::new(v1::ReturnPayment {
        payment_id: "k-1".to_owned(),
        amount_minor: 1,
        bank_reference: "return".to_owned(),
        reason_code: "ACCOUNT_CLOSED".to_owned(),
    }));
    let returned = post(&served, vec![command("return-k-1", returned)]).await;
    let reversed = Payload::ReverseEvent(Box::new(v1::ReverseEvent {
        original_sequence: other,
        reason_code: "WRONG_ACCOUNT".to_owned(),
        ..Default::default()
    }));
    let reversed = post(&served, vec![command("reverse-p-1", reversed)]).await;
    let mut query = served.query().await;
    let issued = committed - 4;
    let all = || v1::ListEventsRequest { min_sequence: Some(reversed), ..Default::default() };
    let text = str::to_owned;
    let builder = query.list_events(v1::ListEventsRequest { payee: text("Builder Ltd"), ..all() }).await.unwrap();
    let record = builder.into_inner().records.remove(1);
    let Some(v1::event::Payload::PaymentExecuted(event)) = record.event.unwrap().payload else { panic!("no payment") };
    for (request, expected) in [
        (v1::ListEventsRequest { payee: text("Builder Ltd"), ..all() }, vec![committed, paid, returned]),
        (v1::ListEventsRequest { payee_pseudonym: event.payee, ..all() }, vec![committed, paid, returned]),
        (v1::ListEventsRequest { contract_id: text("K-1"), ..all() }, vec![committed, paid, returned]),
        (v1::ListEventsRequest { contract_id: text("K-2"), ..all() }, vec![]),
        (v1::ListEventsRequest { project_id: text("bridge"), ..all() }, vec![paid, other, returned, reversed]),
        (v1::ListEventsRequest { document_number: text("市财〔2026〕3号"), ..all() }, vec![issued]),
        (v1::ListEventsRequest { document_number: text("分配 7"), ..all() }, vec![issued + 2]),
        (v1::ListEventsRequest { account_id: text("U.commit"), ..all() }, vec![committed, paid]),
        (v1::ListEventsRequest { account_id: text("clearing"), ..all() }, vec![paid, other, cleared, reversed]),
        (v1::ListEventsRequest { account_id: text("U.used"), lot_id: text("LOT-2"), ..all() }, vec![paid, returned]),
        (v1::ListEventsRequest { account_id: text("clearing"), lot_id: text("LOT-2"), ..all() }, vec![paid]),
        (
            v1::ListEventsRequest { account_id: text("clearing"), project_id: text("bridge"), ..all() },
            vec![paid, other, reversed],
        ),
        (
            v1::ListEventsRequest { payee: text("Builder Ltd"), project_id: text("bridge"), ..all() },
            vec![paid, returned],
        ),
        (v1::ListEventsRequest { after_sequence: Some(paid), contract_id: text("K-1"), ..all() }, vec![returned]),
    ] {
        assert_eq!(sequences(&mut query, request.clone()).await, expected, "{request:?}");
    }
    let both = v1::ListEventsRequest { payee: text("x"), payee_pseudonym: vec![0; 16].into(), ..all() };
    refused(query.list_events(both).await, Code::InvalidArgument, "FIELD_INVALID");
    let nobody = v1::ListEventsRequest { account_id: text("nobody"), ..all() };
    refused(query.list_events(nobody).await, Code::NotFound, "ACCOUNT_NOT_FOUND");

    // A statement says what each event was, and who stood on the other side.
    let request = v1::GetStatementRequest { account_id: text("U.commit"), ..Default::default() };
    let statement = query.get_statement(request).await.unwrap().into_inner();
    let shown: Vec<(i64, &str, i64, &str, &str, &[String], i32)> = statement
        .entries
        .iter()
        .map(|entry| {
            let counterparts = entry.counterpart_account_ids.as_slice();
            let (kind, count) = (entry.event_kind.as_str(), entry.counterpart_count);
            (entry.sequence, kind, entry.amount_minor, &*entry.payment_id, &*entry.contract_id, counterparts, count)
        })
        .collect();
    let (plan, used) = ([text("U.plan")], [text("U.used")]);
    assert_eq!(
        shown,
        [
            (committed, "committed", 100_000, "", "K-1", plan.as_slice(), 1),
            (paid, "payment_executed", -1, "k-1", "K-1", used.as_slice(), 1),
        ]
    );
}
