//! The way to a running ledger: channel, language, readable errors.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use tonic::metadata::MetadataValue;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Status};
use tonic_types::{ErrorDetail, RpcStatusExt, StatusExt};

use super::{ClientTls, Failure, Globals, Lang};
use crate::messages::cli as text;
use crate::pb::v1::audit_service_client::AuditServiceClient;
use crate::pb::v1::ledger_service_client::LedgerServiceClient;
use crate::pb::v1::personal_data_service_client::PersonalDataServiceClient;
use crate::pb::v1::query_service_client::QueryServiceClient;

/// Largest message taken from or sent to the server: a full request of 8,192 large commands fits.
const MESSAGE_BYTES_MAX: usize = 64 << 20;
/// Flow-control window: the receipts of 8,192 commands fit without waiting.
const WINDOW_BYTES: u32 = 4 << 20;
const CONNECT_SECONDS_MAX: u64 = 5;

/// Clients of the services of one server.
#[derive(Clone, Debug)]
pub struct Connection {
    channel: Channel,
    server: String,
    lang: Lang,
}

impl Connection {
    /// Prepares the channel, inside a runtime; the connection itself is made by the first call.
    pub fn new(globals: &Globals) -> Result<Self, Failure> {
        let (server, lang) = (globals.server(), globals.lang);
        let endpoint = Endpoint::from_shared(server.to_owned())
            .map_err(|error| Failure::Usage(text::server_is_no_address(lang, error, server)))?;
        let endpoint = match endpoint.uri().scheme_str() {
            Some("http") => endpoint,
            Some("https") => certified(endpoint, globals)?,
            _ => return Err(Failure::Usage(text::server_needs_http(lang, server))),
        };
        let channel = endpoint
            .tcp_nodelay(true)
            .connect_timeout(Duration::from_secs(CONNECT_SECONDS_MAX))
            .initial_connection_window_size(WINDOW_BYTES.saturating_mul(2))
            .initial_stream_window_size(WINDOW_BYTES)
            .connect_lazy();
        Ok(Self { channel, server: server.to_owned(), lang })
    }

    /// The channel, for calls that are not made by a generated client.
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// Posting.
    pub fn ledger(&self) -> LedgerServiceClient<Channel> {
        LedgerServiceClient::new(self.channel.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// Reading.
    pub fn query(&self) -> QueryServiceClient<Channel> {
        QueryServiceClient::new(self.channel.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// Personal data.
    pub fn personal_data(&self) -> PersonalDataServiceClient<Channel> {
        PersonalDataServiceClient::new(self.channel.clone())
    }

    /// Evidence.
    pub fn audit(&self) -> AuditServiceClient<Channel> {
        AuditServiceClient::new(self.channel.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// A request that asks for messages in the chosen language.
    pub fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("accept-language", MetadataValue::from_static(self.lang.tag()));
        request
    }

    /// A failed call, taken apart.
    pub fn explain(&self, status: &Status) -> Explanation {
        let mut explanation = Explanation::of_call(status, self.lang);
        if let Some(cause) = transport_cause(status) {
            explanation.on_the_way = true;
            explanation.message = told(self.lang, &cause, &self.server);
        }
        explanation
    }

    /// What a failed call means for the command.
    pub fn failure(&self, status: &Status) -> Failure {
        self.explain(status).failure()
    }

    /// The language of messages.
    pub fn lang(&self) -> Lang {
        self.lang
    }
}

/// An endpoint that shows the certificate of the command line, and trusts whom it names and nobody else.
fn certified(endpoint: Endpoint, globals: &Globals) -> Result<Endpoint, Failure> {
    let (server, lang) = (globals.server(), globals.lang);
    let ClientTls { tls_ca, tls_certificate, tls_key } = &globals.tls;
    let (Some(authority), Some(certificate), Some(key)) = (tls_ca, tls_certificate, tls_key) else {
        return Err(Failure::Usage(text::server_needs_certificates(lang, server)));
    };
    let read = |path: &Path| {
        let content = std::fs::read(path);
        content.map_err(|error| Failure::Usage(text::server_file_unreadable(lang, error, path.display())))
    };
    let identity = Identity::from_pem(read(certificate)?, read(key)?);
    let config = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(authority)?)).identity(identity);
    endpoint
        .tls_config(config)
        .map_err(|error| Failure::Usage(text::server_certificates_wrong(lang, innermost(&error), server)))
}

/// All rows of a list, page after page; `page` is given a page's token, and gives its rows and the token of the next.
pub async fn all_pages<T>(page: impl AsyncFn(String) -> Result<(Vec<T>, String), Failure>) -> Result<Vec<T>, Failure> {
    let mut rows = Vec::new();
    let mut page_token = String::new();
    loop {
        let (found, next) = page(page_token).await?;
        rows.extend(found);
        if next.is_empty() {
            return Ok(rows);
        }
        page_token = next;
    }
}

/// Runs one command's calls to their end, on this thread. The channel needs the runtime, so it is made inside.
pub fn with<T>(globals: &Globals, work: impl AsyncFnOnce(&Connection) -> Result<T, Failure>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Unavailable(text::runtime_failed(globals.lang, error)))?;
    runtime.block_on(async { work(&Connection::new(globals)?).await })
}

/// An error of the server, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The gRPC code.
    pub code: Code,
    /// `ErrorInfo.reason`; empty where the server gave none.
    pub reason: String,
    /// The message, in the chosen language where the server has it.
    pub message: String,
    /// What was wrong with which field, one a line.
    pub violations: Vec<String>,
    /// How long the server asks to wait.
    pub retry_delay: Option<Duration>,
    /// Whether the answer was given before, under the same key.
    pub replayed: bool,
    /// Whether the call failed on the way, not by the server's word.
    pub on_the_way: bool,
}

impl Explanation {
    /// Of a call that failed as a whole.
    pub fn of_call(status: &Status, lang: Lang) -> Self {
        Self::build(status.code(), status.message(), status.get_error_details_vec(), lang)
    }

    /// Of one command's result.
    pub fn of_result(status: &tonic_types::pb::Status, lang: Lang) -> Self {
        Self::build(Code::from_i32(status.code), &status.message, status.get_error_details_vec(), lang)
    }

    fn build(code: Code, message: &str, details: Vec<ErrorDetail>, lang: Lang) -> Self {
        let mut explanation = Self {
            code,
            reason: String::new(),
            message: message.to_owned(),
            violations: Vec::new(),
            retry_delay: None,
            replayed: false,
            on_the_way: false,
        };
        for detail in details {
            match detail {
                ErrorDetail::ErrorInfo(info) => {
                    explanation.replayed = info.metadata.get("replayed").is_some_and(|value| value == "true");
                    explanation.reason = info.reason;
                }
                ErrorDetail::LocalizedMessage(text) if text.locale.starts_with(lang.tag()) => {
                    explanation.message = text.message;
                }
                ErrorDetail::BadRequest(bad) => {
                    let lines =
                        bad.field_violations.into_iter().map(|one| format!("{}: {}", one.field, one.description));
                    explanation.violations.extend(lines);
                }
                ErrorDetail::RetryInfo(info) => explanation.retry_delay = info.retry_delay,
                ErrorDetail::LocalizedMessage(_)
                | ErrorDetail::DebugInfo(_)
                | ErrorDetail::QuotaFailure(_)
                | ErrorDetail::PreconditionFailure(_)
                | ErrorDetail::RequestInfo(_)
                | ErrorDetail::ResourceInfo(_)
                | ErrorDetail::Help(_)
                | _ => {}
            }
        }
        explanation
    }

    /// Whether sending the same again, under the same key, can help.
    pub fn is_transient(&self) -> bool {
        if self.on_the_way {
            return true;
        }
        match self.code {
            // Nothing but an operator's hand changes a ledger that is read-only.
            Code::Unavailable => self.reason != "READ_ONLY",
            Code::ResourceExhausted | Code::DeadlineExceeded | Code::Cancelled | Code::Aborted | Code::Unknown => true,
            Code::Ok
            | Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::FailedPrecondition
            | Code::OutOfRange
            | Code::Unimplemented
            | Code::Internal
            | Code::DataLoss
            | Code::Unauthenticated => false,
        }
    }

    /// What it means for the command.
    pub fn failure(&self) -> Failure {
        let code = if self.on_the_way { Code::Unavailable } else { self.code };
        failure(code, self.to_string())
    }
}

impl std::fmt::Display for Explanation {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.on_the_way {
            return formatter.write_str(&self.message);
        }
        let reason = if self.reason.is_empty() { format!("{:?}", self.code) } else { self.reason.clone() };
        write!(formatter, "{reason}: {}", self.message)?;
        self.violations.iter().try_for_each(|line| write!(formatter, "\n  {line}"))
    }
}

fn failure(code: Code, text: String) -> Failure {
    match code {
        Code::InvalidArgument => Failure::Usage(text),
        Code::NotFound
        | Code::AlreadyExists
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::PermissionDenied
        | Code::Unauthenticated => Failure::Refused(text),
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::DeadlineExceeded
        | Code::ResourceExhausted
        | Code::Aborted
        | Code::Unimplemented
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => Failure::Unavailable(text),
    }
}

/// What a call failed of when it failed on the way, not by the server's word.
fn transport_cause(status: &Status) -> Option<String> {
    status.source().map(innermost)
}

/// What is said where the server ended a connection that had begun.
const ENDED: [&str; 4] = ["received fatal alert", "connection closed", "Connection reset", "Broken pipe"];

/// What went wrong on the way. Of a handshake nothing is left but its text: what the library says of the server's
/// certificate, and the alert that the server sent about the client's, if that came through before the connection ended.
fn told(lang: Lang, cause: &str, server: &str) -> String {
    if cause.contains("invalid peer certificate") {
        text::server_not_trusted(lang, cause, server)
    } else if server.starts_with("https://") && ENDED.iter().any(|ended| cause.contains(ended)) {
        text::server_refuses_certificate(lang, cause, server)
    } else {
        text::server_unreachable(lang, cause, server)
    }
}

/// The innermost cause of an error.
fn innermost(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    fn refusal() -> Status {
        let mut details = ErrorDetails::with_error_info(
            "LOT_INSUFFICIENT",
            "fundledger",
            [("replayed".to_owned(), "true".to_owned())],
        );
        details.set_localized_message("zh-CN", "批次余额不足");
        Status::with_error_details(Code::FailedPrecondition, "the lot holds 5, asked 7", details)
    }

    #[test]
    fn messages_come_in_the_chosen_language() {
        let english = Explanation::of_call(&refusal(), Lang::En);
        assert_eq!(english.to_string(), "LOT_INSUFFICIENT: the lot holds 5, asked 7");
        assert!(english.replayed);
        assert_eq!(english.failure().code(), 1);
        assert_eq!(Explanation::of_call(&refusal(), Lang::Zh).to_string(), "LOT_INSUFFICIENT: 批次余额不足");
    }

    #[test]
    fn what_is_worth_sending_again() {
        let cases = [
            (Code::Unavailable, "SHUTTING_DOWN", true, 3),
            (Code::Unavailable, "READ_ONLY", false, 3),
            (Code::ResourceExhausted, "QUEUE_FULL", true, 3),
            (Code::FailedPrecondition, "FROZEN", false, 1),
            (Code::NotFound, "LOT_NOT_FOUND", false, 1),
            (Code::InvalidArgument, "FIELD_INVALID", false, 2),
            (Code::DataLoss, "DATA_CORRUPTED", false, 3),
        ];
        for (code, reason, transient, exit_code) in cases {
            let details = ErrorDetails::with_error_info(reason, "fundledger", []);
            let explanation = Explanation::of_call(&Status::with_error_details(code, "m", details), Lang::En);
            assert_eq!((explanation.is_transient(), explanation.failure().code()), (transient, exit_code), "{reason}");
        }
    }

    #[test]
    fn an_unreachable_server_is_named() {
        let globals = Globals {
            server: Some("http://127.0.0.1:1".to_owned()),
            tls: ClientTls::default(),
            format: None,
            lang: Lang::En,
            quiet: true,
        };
        let failure = with(&globals, async |connection| {
            let request = connection.request(crate::pb::v1::GetEventRequest { sequence: 0 });
            let status = connection.query().get_event(request).await.unwrap_err();
            Err::<(), _>(connection.failure(&status))
        })
        .unwrap_err();
        assert_eq!(failure.code(), 3);
        assert!(failure.to_string().starts_with("cannot reach http://127.0.0.1:1: Connection refused"), "{failure}");
    }
}
