//! Whoever should not be let in over TLS, each by the real binary: refused at the handshake, or named nobody.

use std::io::{Read, Write};
use std::net::TcpStream;

use fundledger::pb::v1;
use fundledger::pb::v1::audit_service_client::AuditServiceClient;
use fundledger::pb::v1::query_service_client::QueryServiceClient;
use tonic::{Code, Request};

use crate::certificates::{Authority, Certified, DOMAIN, Signed};
use crate::serving::Running;
use crate::world::{grant, reason_of};

/// What a client is told at its first call; nothing where the connection ends.
async fn told(running: &Running, person: &Signed) -> Option<(Code, String)> {
    let channel = running.authority.endpoint(&running.address, person).connect().await.ok()?;
    let asked = v1::GetCheckpointRequest { min_sequence: Some(0), witnessed: false };
    match AuditServiceClient::new(channel).get_checkpoint(asked).await {
        Ok(_) => Some((Code::Ok, String::new())),
        // What the transport says has no details.
        Err(status) if status.details().is_empty() => None,
        Err(status) => Some((status.code(), reason_of(&status))),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_shows_no_certificate_that_is_accepted_is_told_nothing() {
    let running = Running::with(&[]);
    let name = format!("spiffe://{DOMAIN}/agency/U/actor/a1");
    let uri = || vec![rcgen::SanType::URI(name.as_str().try_into().unwrap())];
    let unnamed = Some((Code::Unauthenticated, "IDENTITY_INVALID".to_owned()));
    let rows = [
        ("the person", running.authority.person("U", "a1"), Some((Code::Ok, String::new()))),
        ("the same name by another authority", Authority::new("test").person("U", "a1"), None),
        ("one that has expired", running.authority.sign(uri(), 2021), None),
        (
            "another trust domain",
            running.authority.named(&["spiffe://other.example.org/agency/U/actor/a1"]),
            unnamed.clone(),
        ),
        ("no name", running.authority.named(&[]), unnamed.clone()),
        ("the server's own", running.authority.server(), unnamed),
    ];
    for (who, person, expected) in rows {
        assert_eq!(told(&running, &person).await, expected, "{who}");
    }
    let (_, metrics) = running.get("/metrics");
    let count = |kind: &str| {
        let name = format!("fundledger_refused_total{{kind=\"{kind}\"}} ");
        metrics.lines().find_map(|line| line.strip_prefix(&name)).unwrap().parse::<u32>().unwrap()
    };
    // A client may try more than once.
    assert!(count("handshake") >= 2 && count("identity") == 3, "{metrics}");
}

/// Sends what a client begins with; gives all that is answered until the connection ends.
fn answered(running: &Running, beginning: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(&running.address).unwrap();
    stream.write_all(beginning).unwrap();
    let mut answer = Vec::new();
    // It may be reset, with nothing more to read.
    let _ = stream.read_to_end(&mut answer);
    answer
}

/// A greeting of TLS 1.2, as old clients send it: with no word of a later version.
fn hello_of_tls_1_2() -> Vec<u8> {
    // Signature algorithms: ecdsa_secp256r1_sha256; groups: secp256r1.
    let extensions = [0, 13, 0, 4, 0, 2, 4, 3, 0, 10, 0, 4, 0, 2, 0, 23];
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    // No session; ECDHE-ECDSA with AES-128-GCM; no compression.
    body.extend([0, 0, 2, 0xc0, 0x2b, 1, 0, 0, u8::try_from(extensions.len()).unwrap()]);
    body.extend(extensions);
    let length = u8::try_from(body.len()).unwrap();
    [&[22, 3, 1, 0, length + 4, 1, 0, 0, length], body.as_slice()].concat()
}

#[test]
fn nobody_talks_the_server_into_less() {
    let running = Running::with(&[]);
    // Fatal: protocol_version (RFC 8446, section 6).
    let older = answered(&running, &hello_of_tls_1_2());
    assert!(older.ends_with(&[2, 70]) && older.first() == Some(&21), "{older:?}");
    let plain = answered(&running, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    // An alert at most, and no frame.
    assert!(plain.is_empty() || plain.first() == Some(&21), "{plain:?}");
}

/// What a proxy would be believed, and what a request says of itself, is nobody's identity.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_agency_is_that_of_the_certificate_whatever_a_request_says() {
    let ledger = Certified::new().await;
    ledger.world.set_up(vec![grant("g1", v1::Role::Agency, "")]).await;
    let mut other = QueryServiceClient::new(ledger.connect("V", "g1").await);
    let mut own = QueryServiceClient::new(ledger.connect("U", "g1").await);
    let asked = || {
        let mut request = Request::new(v1::GetBalanceRequest { account_id: "unit".to_owned(), ..Default::default() });
        let claim = format!("URI=spiffe://{DOMAIN}/agency/U/actor/g1");
        for name in ["x-forwarded-client-cert", "x-agency", "x-actor", "authorization"] {
            request.metadata_mut().insert(name, claim.parse().unwrap());
        }
        request
    };
    own.get_balance(asked()).await.unwrap();
    let denied = other.get_balance(asked()).await.unwrap_err();
    assert_eq!((denied.code(), reason_of(&denied).as_str()), (Code::PermissionDenied, "ACCESS_DENIED"));
}
