//! Spans of calls, at a collector of the test's own; and collectors that refuse, hang or are not there.

use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use fundledger::pb::v1;
use fundledger::pb::v1::command::Payload;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::metadata::{AsciiMetadataValue, MetadataMap};
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Code, Request, Response, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::server::{payment, run, set_up};
use crate::service::{Service, data, new_ledger};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";
const SECRET: &str = "Bearer the-secret-of-the-collector";

/// What a collector does with a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    Takes,
    Refuses,
    Hangs,
}

/// A collector that keeps what it gets.
#[derive(Clone)]
struct Collector {
    manner: Arc<Mutex<Manner>>,
    requests: Arc<Mutex<Vec<(MetadataMap, ExportTraceServiceRequest)>>>,
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let manner = *self.manner.lock().unwrap();
        match manner {
            Manner::Takes => {
                let (metadata, _, message) = request.into_parts();
                self.requests.lock().unwrap().push((metadata, message));
                Ok(Response::new(ExportTraceServiceResponse::default()))
            }
            Manner::Refuses => Err(Status::unauthenticated(format!("{SECRET} is not known"))),
            Manner::Hangs => std::future::pending().await,
        }
    }
}

impl Collector {
    /// Listens; gives its address.
    async fn start(manner: Manner) -> (Self, String) {
        let (collector, address) = Self::serve(manner, Server::builder()).await;
        (collector, format!("http://{address}"))
    }

    async fn serve(manner: Manner, mut server: Server) -> (Self, SocketAddr) {
        let collector = Self { manner: Arc::new(Mutex::new(manner)), requests: Arc::default() };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = server.add_service(TraceServiceServer::new(collector.clone()));
        tokio::spawn(serving.serve_with_incoming(TcpListenerStream::new(listener)));
        (collector, address)
    }

    fn spans(&self) -> Vec<Span> {
        let requests = self.requests.lock().unwrap();
        let resources = requests.iter().flat_map(|(_, message)| &message.resource_spans);
        resources.flat_map(|resource| &resource.scope_spans).flat_map(|scope| scope.spans.clone()).collect()
    }

    /// Waits for the span of a call.
    async fn span_of(&self, request_id: &str) -> Span {
        loop {
            let found = self.spans().into_iter().find(|span| values(span)["fundledger.request_id"] == request_id);
            match found {
                Some(span) => return span,
                None => tokio::task::yield_now().await,
            }
        }
    }
}

/// The attributes of a span, as text.
fn values(span: &Span) -> BTreeMap<String, String> {
    let text = |attribute: &KeyValue| match &attribute.value {
        Some(AnyValue { value: Some(Value::StringValue(text)) }) => text.clone(),
        Some(AnyValue { value: Some(Value::IntValue(number)) }) => number.to_string(),
        other => panic!("{other:?}"),
    };
    span.attributes.iter().map(|attribute| (attribute.key.clone(), text(attribute))).collect()
}

fn hexadecimal(bytes: &[u8]) -> String {
    fundledger::format::hexadecimal::of(bytes)
}

fn post(id: &str, parent: Option<&str>, commands: Vec<v1::Command>) -> Request<v1::PostRequest> {
    let mut request = Request::new(v1::PostRequest { commands, ..Default::default() });
    request.metadata_mut().insert("x-request-id", AsciiMetadataValue::try_from(id).unwrap());
    if let Some(parent) = parent {
        request.metadata_mut().insert("traceparent", AsciiMetadataValue::try_from(parent).unwrap());
    }
    request
}

/// How many spans came to this end.
fn count(service: &Service, outcome: &str) -> u64 {
    let line = format!("fundledger_spans_total{{outcome=\"{outcome}\"}} ");
    let metrics = service.get("/metrics").1;
    metrics.lines().find_map(|found| found.strip_prefix(&line)).unwrap_or_else(|| panic!("{metrics}")).parse().unwrap()
}

async fn until(service: &Service, outcome: &str, least: u64) {
    while count(service, outcome) < least {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn each_call_is_a_span_in_its_callers_trace() {
    let (collector, address) = Collector::start(Manner::Takes).await;
    let directory = new_ledger();
    let headers = directory.path().join("headers");
    fs::write(&headers, format!("# of the collector\nauthorization: {SECRET}\n")).unwrap();
    let mut service = Service::starting(
        directory,
        &[
            ("OTLP__ENDPOINT", &address),
            ("OTLP__HEADERS_FILE", headers.to_str().unwrap()),
            ("OTLP__SERVICE_NAME", "ledger-of-the-test"),
            ("LOG__FILTER", "info,fundledger=trace"),
        ],
    );
    service.has_started();
    let mut ledger = service.ledger().await;
    let parent = format!("00-{TRACE}-{PARENT}-01");
    ledger.post(post("in-a-trace", Some(&parent), set_up())).await.unwrap();
    let span = collector.span_of("in-a-trace").await;
    assert_eq!((hexadecimal(&span.trace_id), hexadecimal(&span.parent_span_id)), (TRACE.to_owned(), PARENT.to_owned()));
    assert_eq!((span.name.as_str(), span.kind), ("fundledger.v1.LedgerService/Post", 2));
    assert!(span.span_id.len() == 8 && span.span_id != [0; 8]);
    assert!(span.start_time_unix_nano > 1_700_000_000_000_000_000);
    assert!(span.end_time_unix_nano > span.start_time_unix_nano);
    assert!(span.status.is_none());
    let expected = [
        ("fundledger.commands", "15"),
        ("fundledger.request_id", "in-a-trace"),
        ("rpc.method", "fundledger.v1.LedgerService/Post"),
        ("rpc.response.status_code", "OK"),
        ("rpc.system.name", "grpc"),
    ];
    assert_eq!(values(&span), expected.map(|(key, value)| (key.to_owned(), value.to_owned())).into());

    // A refusal is the caller's fault, a deadline is not; a trace of its own, where the caller has none.
    ledger.post(post("empty", None, Vec::new())).await.unwrap_err();
    let refused = collector.span_of("empty").await;
    let found = values(&refused);
    let code = (found["rpc.response.status_code"].as_str(), found["fundledger.reason"].as_str());
    assert_eq!(code, ("INVALID_ARGUMENT", "FIELD_INVALID"));
    assert!(refused.status.is_none() && refused.parent_span_id.is_empty());
    assert!(hexadecimal(&refused.trace_id) != TRACE && refused.trace_id.len() == 16);
    let mut unknown = tonic::client::Grpc::new(service.channel().await);
    unknown.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<v1::PostRequest, v1::PostResponse>::default();
    let path = http::uri::PathAndQuery::from_static("/made.up/Method");
    let answer = unknown.unary(post("made-up", None, Vec::new()), path, codec).await;
    assert_eq!(answer.unwrap_err().code(), Code::Unimplemented);
    let unknown = collector.span_of("made-up").await;
    let found = values(&unknown);
    assert_eq!((unknown.name.as_str(), found["rpc.method"].as_str()), ("grpc", "_OTHER"));
    assert_eq!((found["error.type"].as_str(), unknown.status.map(|status| status.code)), ("UNIMPLEMENTED", Some(2)));

    // Lines carry the span's id, so that one leads to the other.
    let log = service.log_with("empty");
    let line = log.lines().find(|line| line.contains("empty")).unwrap();
    for id in [&refused.trace_id[..], &refused.span_id] {
        assert!(line.contains(&hexadecimal(id)), "{line}");
    }

    // What its caller does not record is not exported, and probes are not.
    let parent = format!("00-{TRACE}-{PARENT}-00");
    ledger.post(post("not-recorded", Some(&parent), vec![payment("p-1")])).await.unwrap();
    HealthClient::new(service.channel().await).check(HealthCheckRequest::default()).await.unwrap();
    ledger.post(post("last", None, vec![payment("p-2")])).await.unwrap();
    collector.span_of("last").await;
    assert_eq!(collector.spans().len(), 4);
    until(&service, "exported", 4).await;
    assert_eq!((count(&service, "dropped"), count(&service, "failed")), (0, 0));
    let requests = collector.requests.lock().unwrap();
    for (metadata, message) in &*requests {
        assert_eq!(metadata.get("authorization").unwrap(), SECRET);
        let resource = message.resource_spans[0].resource.as_ref().unwrap();
        let named = resource.attributes.iter().find(|attribute| attribute.key == "service.name").unwrap();
        assert!(format!("{named:?}").contains("ledger-of-the-test"), "{named:?}");
    }
    assert!(!service.log().contains("the-secret"), "{}", service.log());
}

/// Whatever goes in, none of it is in what is exported; and what waits at the stop gets there.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn no_personal_value_is_exported_and_the_stop_exports_what_waits() {
    const PERSON: &str = "330102199001011234";
    let (collector, address) = Collector::start(Manner::Takes).await;
    let mut service = Service::new(&[("OTLP__ENDPOINT", &address)]);
    let mut ledger = service.ledger().await;
    ledger.post(post("set-up", None, set_up())).await.unwrap();
    let mut paid = payment("p-secret");
    if let Some(Payload::ExecutePayment(payment)) = &mut paid.payload {
        payment.payee = PERSON.to_owned();
    }
    let datum =
        v1::PersonalDatum { person: PERSON.to_owned(), value: "欧阳一二三".to_owned(), ..Default::default() };
    paid.personal_data = vec![v1::PersonalDatum { field: v1::PersonalField::Name.into(), ..datum }];
    ledger.post(post("paid", None, vec![paid])).await.unwrap();
    let mut query = service.query().await;
    let account_id = "U.secret".to_owned();
    query.get_balance(v1::GetBalanceRequest { account_id, ..Default::default() }).await.unwrap_err();
    service.signal("TERM");
    assert!(service.ended().success());
    assert_eq!(collector.spans().len(), 3);
    let requests = collector.requests.lock().unwrap();
    let bytes: Vec<u8> = requests.iter().flat_map(|(_, message)| message.encode_to_vec()).collect();
    let exported = String::from_utf8_lossy(&bytes);
    assert!(exported.contains("fundledger.v1.QueryService/GetBalance"));
    for secret in
        [PERSON, "欧阳", "secret", "Supplier", "maker-1", "checker-1", "U.unit", "LOT-1", "goods", "127.0.0.1"]
    {
        assert!(!exported.contains(secret), "{secret} is in {exported}");
    }
}

/// Posting goes on whatever the collector does; what it does not take is counted, said once, and sent when it can be.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_collector_that_hangs_refuses_or_is_gone_holds_up_nothing() {
    // More than may wait, so that some are dropped.
    const CALLS: usize = 8_192 + 2 * 512 + 1;
    let (collector, address) = Collector::start(Manner::Hangs).await;
    let settings = [("OTLP__ENDPOINT", address.as_str()), ("OTLP__TIMEOUT_MILLISECONDS", "600000")];
    let mut service = Service::new(&settings);
    service.post(set_up()).await;
    let mut calls = tokio::task::JoinSet::new();
    let mut made = 0;
    while made < CALLS {
        // On a connection as many as it takes, and few enough to be no flood.
        let channel = service.channel().await;
        for _ in 0..500 {
            let mut query = v1::query_service_client::QueryServiceClient::new(channel.clone());
            calls.spawn(async move { query.list_funds(v1::ListFundsRequest::default()).await.unwrap() });
            made += 1;
        }
        while calls.join_next().await.is_some_and(|call| call.is_ok()) {}
    }
    until(&service, "dropped", 1).await;
    assert_eq!(count(&service, "exported"), 0);
    service.post(vec![payment("while-it-hangs")]).await;
    service.signal("TERM");
    assert!(service.ended().success(), "it waited for its collector");
    service.log_with("did not get to the collector before the stop");
    assert!(collector.spans().is_empty());

    *collector.manner.lock().unwrap() = Manner::Refuses;
    let mut service = service.again(&settings);
    service.post(vec![payment("while-it-refuses")]).await;
    until(&service, "failed", 1).await;
    let log = service.log_with("spans of calls do not get to the collector");
    assert!(log.contains("it refused: Unauthenticated") && !log.contains("the-secret"), "{log}");
    // A moment later it takes them, and the log says so.
    *collector.manner.lock().unwrap() = Manner::Takes;
    while collector.spans().is_empty() {
        service.post(vec![payment("again")]).await;
    }
    service.log_with("get to the collector again");
    service.signal("TERM");
    assert!(service.ended().success());

    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut service = service.again(&[("OTLP__ENDPOINT", &format!("http://{free}"))]);
    service.post(vec![payment("while-it-is-gone")]).await;
    service.log_with("Connection refused");
    service.signal("TERM");
    assert!(service.ended().success());
}

/// Over TLS only to a collector with a certificate by `otlp.ca`.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_collector_over_tls_is_one_that_is_trusted() {
    let made = || rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let (own, other) = (made(), made());
    let identity = Identity::from_pem(own.cert.pem(), own.signing_key.serialize_pem());
    let server = Server::builder().tls_config(ServerTlsConfig::new().identity(identity)).unwrap();
    let (collector, address) = Collector::serve(Manner::Takes, server).await;
    let directory = new_ledger();
    let ca = directory.path().join("ca.pem");
    fs::write(&ca, other.cert.pem()).unwrap();
    let (endpoint, ca_path) = (format!("https://{address}"), ca.display().to_string());
    let settings = [("OTLP__ENDPOINT", endpoint.as_str()), ("OTLP__CA", &ca_path)];
    let mut service = Service::starting(directory, &settings);
    service.has_started();
    service.post(set_up()).await;
    service.log_with("spans of calls do not get to the collector");
    service.signal("TERM");
    assert!(service.ended().success());
    assert!(collector.spans().is_empty());

    fs::write(&ca, own.cert.pem()).unwrap();
    let service = service.again(&settings);
    service.post(vec![payment("p")]).await;
    until(&service, "exported", 1).await;
    assert_eq!(collector.spans().len(), 1);
}

/// What is wrong with the collector is told before a start.
#[test]
fn a_wrong_collector_is_told_before_a_start() {
    let directory = new_ledger();
    let data = data(&directory);
    let headers = directory.path().join("headers");
    fs::write(&headers, "authorization: fine\nBearer the-secret\n").unwrap();
    let headers = headers.to_str().unwrap();
    for (variables, expected) in [
        (vec![("FUNDLEDGER__OTLP__ENDPOINT", "collector:4317")], "http://HOST:PORT"),
        (vec![("OTEL_EXPORTER_OTLP_ENDPOINT", "nonsense")], "OTEL_EXPORTER_OTLP_ENDPOINT: `otlp.endpoint`"),
        (vec![("OTEL_EXPORTER_OTLP_ENDPOINT", "https://c.invalid:4317")], "`otlp.ca` is not set"),
        (
            vec![("FUNDLEDGER__OTLP__ENDPOINT", "http://localhost:4317"), ("FUNDLEDGER__OTLP__HEADERS_FILE", headers)],
            "headers:2: no header",
        ),
        (
            vec![("FUNDLEDGER__OTLP__ENDPOINT", "http://c.invalid:4317"), ("FUNDLEDGER__OTLP__HEADERS_FILE", headers)],
            "goes over https://",
        ),
        (
            vec![("FUNDLEDGER__OTLP__ENDPOINT", "https://c.invalid:4317"), ("FUNDLEDGER__OTLP__CA", headers)],
            "holds no certificate",
        ),
        (vec![("FUNDLEDGER__OTLP__SAMPLING_PPM", "1000001")], "more than 1000000"),
    ] {
        for arguments in [["config", "check"], ["serve", "--check"]] {
            let mut command = std::process::Command::new(crate::server::BINARY);
            command.args(arguments).args(["--insecure-dev", "--listen", "127.0.0.1:0", "--data"]).arg(&data);
            let told = crate::server::output(command.envs(variables.clone())).unwrap();
            let errors = crate::server::errors(&told);
            assert_eq!(told.status.code(), Some(2), "{errors}");
            assert!(errors.contains(expected) && !errors.contains("the-secret"), "{expected}: {errors}");
        }
    }
    // Our own variable wins over the standard one, also to turn it off.
    let mut command = std::process::Command::new(crate::server::BINARY);
    command.args(["config", "show", "--format", "json"]).env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4317");
    let shown = crate::server::output(&mut command).unwrap();
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["otlp.endpoint"]["source"], "OTEL_EXPORTER_OTLP_ENDPOINT");
    let off = crate::server::output(command.env("FUNDLEDGER__OTLP__ENDPOINT", "")).unwrap();
    let off: serde_json::Value = serde_json::from_slice(&off.stdout).unwrap();
    assert_eq!(
        (&off["otlp.endpoint"]["value"], off["otlp.endpoint"]["source"].as_str()),
        (&"".into(), Some("FUNDLEDGER__OTLP__ENDPOINT"))
    );
    assert!(run(&["config", "show"]).status.success());
}
