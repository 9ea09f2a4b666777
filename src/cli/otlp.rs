//! The collector that spans of calls are exported to, as the settings name it (OTLP over gRPC).

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use serde::{Deserialize, Serialize};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tonic::metadata::{AsciiMetadataKey, AsciiMetadataValue, MetadataMap};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};

use super::Lang;
use crate::messages::cli as text;
use crate::traces::{Collector, Sampling};

/// What OpenTelemetry itself asks for.
const TIMEOUT_MILLISECONDS: NonZeroU64 = NonZeroU64::new(10_000).expect("10,000 is not 0");

/// Where spans of calls are exported to; nowhere without an endpoint.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct OtlpSettings {
    /// Address of the collector.
    pub(super) endpoint: CollectorAddress,
    /// Who signed its certificate.
    pub(super) ca: Option<PathBuf>,
    /// What goes with each request, such as an authorisation.
    pub(super) headers_file: Option<PathBuf>,
    /// How this service is called there.
    pub(super) service_name: String,
    /// How many of a million calls are sampled, where their callers have not decided.
    pub(super) sampling_ppm: Sampling,
    /// How long a request may take.
    pub(super) timeout_milliseconds: NonZeroU64,
}

impl Default for OtlpSettings {
    fn default() -> Self {
        Self {
            endpoint: CollectorAddress(None),
            ca: None,
            headers_file: None,
            service_name: env!("CARGO_PKG_NAME").to_owned(),
            sampling_ppm: Sampling::ALL,
            timeout_milliseconds: TIMEOUT_MILLISECONDS,
        }
    }
}

/// `http://` or `https://`, a host and a port, and nothing else; or empty.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct CollectorAddress(Option<Uri>);

impl TryFrom<String> for CollectorAddress {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self(None));
        }
        // What was written is not repeated: a password may stand in it.
        let wrong = || "no http://HOST:PORT or https://HOST:PORT".to_owned();
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let is_http = uri.scheme().is_some_and(|scheme| [Scheme::HTTP, Scheme::HTTPS].contains(scheme));
        let is_plain = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
        let is_whole = is_http && is_plain && uri.path() == "/" && uri.query().is_none();
        if is_whole { Ok(Self(Some(uri))) } else { Err(wrong()) }
    }
}

impl From<CollectorAddress> for String {
    fn from(address: CollectorAddress) -> Self {
        address.0.map(|uri| uri.to_string()).unwrap_or_default()
    }
}

impl OtlpSettings {
    /// The collector, if there is to be one; or everything that is wrong with it.
    pub(super) fn collector(&self, lang: Lang) -> Result<Option<Collector>, Vec<String>> {
        let CollectorAddress(Some(address)) = &self.endpoint else { return Ok(None) };
        let endpoint = self.endpoint(address, lang);
        let headers = self.headers(address, lang);
        match (endpoint, headers) {
            (Ok(endpoint), Ok(headers)) => Ok(Some(Collector {
                endpoint,
                headers,
                service_name: self.service_name.clone(),
                timeout: Duration::from_millis(self.timeout_milliseconds.get()),
            })),
            (endpoint, headers) => Err([endpoint.err(), headers.err()].into_iter().flatten().collect()),
        }
    }

    fn endpoint(&self, address: &Uri, lang: Lang) -> Result<Endpoint, String> {
        let endpoint = Endpoint::from(address.clone());
        if address.scheme() != Some(&Scheme::HTTPS) {
            return Ok(endpoint);
        }
        let Some(path) = &self.ca else { return Err(text::otlp_needs_ca(lang)) };
        let authority = read(path, lang)?;
        if !CertificateDer::pem_slice_iter(authority.as_bytes()).any(|certificate| certificate.is_ok()) {
            return Err(text::tls_no_certificate(lang, path.display()));
        }
        let config = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(authority));
        endpoint.tls_config(config).map_err(|error| unreadable(path, lang, error))
    }

    fn headers(&self, address: &Uri, lang: Lang) -> Result<MetadataMap, String> {
        let Some(path) = &self.headers_file else { return Ok(MetadataMap::new()) };
        if address.scheme() != Some(&Scheme::HTTPS) && !is_this_machine(address) {
            return Err(text::otlp_headers_need_tls(lang));
        }
        // Of a line that is wrong only its number is told: a secret may stand in it.
        parsed(&read(path, lang)?).map_err(|line| text::otlp_header_wrong(lang, line, path.display()))
    }
}

/// Lines `name: value`; those that are empty or begin with # say nothing. Gives the number of the first that is wrong.
fn parsed(content: &str) -> Result<MetadataMap, usize> {
    let mut headers = MetadataMap::new();
    for (line, number) in content.lines().zip(1_usize..) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = line.split_once(':').ok_or(number)?;
        let name = AsciiMetadataKey::from_bytes(name.trim().to_ascii_lowercase().as_bytes()).map_err(|_| number)?;
        let mut value: AsciiMetadataValue = value.trim().parse().map_err(|_| number)?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

fn is_this_machine(address: &Uri) -> bool {
    let host = address.host().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn read(path: &Path, lang: Lang) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| unreadable(path, lang, error))
}

fn unreadable(path: &Path, lang: Lang, cause: impl fmt::Display) -> String {
    text::tls_unreadable(lang, cause, path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_a_host_and_a_port() {
        let taken = |text: &str| CollectorAddress::try_from(text.to_owned()).map(String::from);
        for (text, expected) in [
            ("", Some("")),
            ("http://127.0.0.1:4317", Some("http://127.0.0.1:4317/")),
            ("https://collector.example.org:4317/", Some("https://collector.example.org:4317/")),
            ("http://[::1]:4317", Some("http://[::1]:4317/")),
            ("127.0.0.1:4317", None),
            ("collector", None),
            ("grpc://127.0.0.1:4317", None),
            ("http://user:secret@127.0.0.1:4317", None),
            ("http://127.0.0.1:4318/v1/traces", None),
            ("http://127.0.0.1:4317?token=secret", None),
            ("http://", None),
        ] {
            let found = taken(text);
            assert_eq!(found.as_deref().ok(), expected, "{text}");
            assert!(!found.is_err_and(|error| error.contains("secret")), "{text}");
        }
    }

    #[test]
    fn headers_stand_one_a_line() {
        let headers = parsed("# of the collector\n\nAuthorization: Bearer a:b \nx-tenant:finance\n").unwrap();
        assert_eq!(headers.get("authorization").unwrap(), "Bearer a:b");
        assert_eq!(headers.get("x-tenant").unwrap(), "finance");
        assert!(!format!("{headers:?}").contains("Bearer"));
        for (content, line) in [("a", 1), ("\na: b\n: c", 3), ("a b: c", 1), ("a: b\u{1}", 1), ("a-bin: b", 1)] {
            assert_eq!(parsed(content).err(), Some(line), "{content}");
        }
    }

    #[test]
    fn secrets_go_in_plain_text_to_this_machine_alone() {
        for (address, expected) in [
            ("http://localhost:4317", true),
            ("http://127.0.0.1:4317", true),
            ("http://[::1]:4317", true),
            ("http://10.0.0.1:4317", false),
            ("http://localhost.example.org:4317", false),
        ] {
            assert_eq!(is_this_machine(&address.parse().unwrap()), expected, "{address}");
        }
    }
}
