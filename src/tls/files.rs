//! Certificates, key and revocation lists as they lie on disk: read as a whole, or told what is wrong with each.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{Error, RootCertStore, ServerConfig};
use x509_parser::{parse_x509_certificate, parse_x509_crl};

use crate::domain::principal::TrustDomain;
use crate::domain::time::UtcNanos;

const NANOS_A_SECOND: i64 = 1_000_000_000;

/// Where everything lies.
#[derive(Clone, Debug)]
pub struct Files {
    /// The server's certificate, with those between it and what clients trust; PEM.
    pub certificate: PathBuf,
    /// Its private key; PEM.
    pub key: PathBuf,
    /// Who signs clients' certificates; PEM.
    pub client_ca: PathBuf,
    /// What they have revoked; PEM.
    pub revocation_list: Option<PathBuf>,
    /// Whether a revocation list counts that is past its next update.
    pub when_stale: WhenStale,
    /// Whose identities are let in.
    pub trust_domain: TrustDomain,
}

/// What becomes of clients while a revocation list is past its next update: who was revoked since then is not known.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WhenStale {
    /// None of them is let in.
    #[default]
    Refuse,
    /// Those are whom the list does not name.
    Accept,
}

impl Files {
    /// Every file there is.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        [&self.certificate, &self.key, &self.client_ca].into_iter().chain(&self.revocation_list).map(PathBuf::as_path)
    }
}

/// A file that cannot be used, and why.
#[derive(Debug)]
pub struct Wrong {
    /// Which.
    pub path: PathBuf,
    /// Why.
    pub why: Why,
}

/// Why a file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// It cannot be read.
    Unreadable(String),
    /// It is no PEM, or what stands in it is malformed.
    Malformed(String),
    /// It holds no certificate.
    NoCertificate,
    /// It holds no private key.
    NoKey,
    /// It holds no revocation list.
    NoRevocationList,
    /// The key is not that of the certificate.
    KeyOfAnother,
    /// The certificate has expired.
    Expired,
    /// The certificate is not valid yet.
    NotYetValid,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path.display())?;
        match &self.why {
            Why::Unreadable(cause) | Why::Malformed(cause) => f.write_str(cause),
            Why::NoCertificate => f.write_str("holds no certificate"),
            Why::NoKey => f.write_str("holds no private key"),
            Why::NoRevocationList => f.write_str("holds no revocation list"),
            Why::KeyOfAnother => f.write_str("is not the key of the certificate"),
            Why::Expired => f.write_str("the certificate has expired"),
            Why::NotYetValid => f.write_str("the certificate is not valid yet"),
        }
    }
}

/// What a server is with: its own certificate, and whom it trusts.
pub(super) struct Material {
    pub(super) config: Arc<ServerConfig>,
    pub(super) verifier: Arc<dyn ClientCertVerifier>,
    /// When the first of the revocation lists is to be replaced; `None` where there are none.
    pub(super) next_update: Option<UtcNanos>,
}

/// Reads everything, or tells all that is wrong.
pub(super) fn load(files: &Files, now: UtcNanos) -> Result<Material, Vec<Wrong>> {
    let certificate = certificates(&files.certificate).and_then(|chain| valid(&files.certificate, chain, now));
    let key = key(&files.key);
    let roots = certificates(&files.client_ca).and_then(|certificates| roots(&files.client_ca, certificates));
    let revoked = files.revocation_list.as_deref().map_or(Ok(Vec::new()), revocation_lists);
    let (chain, key, roots, revoked) = match (certificate, key, roots, revoked) {
        (Ok(chain), Ok(key), Ok(roots), Ok(revoked)) => (chain, key, roots, revoked),
        (certificate, key, roots, revoked) => {
            let wrong = [certificate.err(), key.err(), roots.err(), revoked.err()];
            return Err(wrong.into_iter().flatten().collect());
        }
    };
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let next_update = revoked.iter().filter_map(next_update).min();
    let verifier = verifier.with_crls(revoked);
    let verifier = match files.when_stale {
        WhenStale::Refuse => verifier.enforce_revocation_expiration(),
        WhenStale::Accept => verifier,
    };
    let verifier = verifier.build().map_err(|error| {
        let path = files.revocation_list.as_deref().unwrap_or(&files.client_ca);
        vec![wrong(path, Why::Malformed(error.to_string()))]
    })?;
    // 1.3 alone: every client there is speaks it, and it hides the client's certificate from who listens.
    let config = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13]);
    let config = config.map_err(|error| vec![wrong(&files.certificate, Why::Malformed(error.to_string()))])?;
    let config = config.with_client_cert_verifier(Arc::clone(&verifier)).with_single_cert(chain, key);
    let mut config = config.map_err(|error| {
        let is_of_another = matches!(error, Error::InconsistentKeys(_));
        let why = if is_of_another { Why::KeyOfAnother } else { Why::Malformed(error.to_string()) };
        vec![wrong(&files.key, why)]
    })?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    // Whoever comes back shows their certificate again: it may have been revoked.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Material { config: Arc::new(config), verifier, next_update })
}

fn wrong(path: &Path, why: Why) -> Wrong {
    Wrong { path: path.to_owned(), why }
}

fn read(path: &Path) -> Result<Vec<u8>, Wrong> {
    fs::read(path).map_err(|error| wrong(path, Why::Unreadable(error.to_string())))
}

fn malformed(path: &Path, error: &pem::Error) -> Wrong {
    wrong(path, Why::Malformed(error.to_string()))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Wrong> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(path)?).collect();
    let found = found.map_err(|error| malformed(path, &error))?;
    if found.is_empty() { Err(wrong(path, Why::NoCertificate)) } else { Ok(found) }
}

/// A chain whose first certificate is valid today.
fn valid(
    path: &Path,
    chain: Vec<CertificateDer<'static>>,
    now: UtcNanos,
) -> Result<Vec<CertificateDer<'static>>, Wrong> {
    let seconds = now.0.div_euclid(NANOS_A_SECOND);
    for der in chain.iter().take(1) {
        let parsed = parse_x509_certificate(der);
        let (_, certificate) = parsed.map_err(|error| wrong(path, Why::Malformed(error.to_string())))?;
        if certificate.validity().not_after.timestamp() < seconds {
            return Err(wrong(path, Why::Expired));
        }
        if certificate.validity().not_before.timestamp() > seconds {
            return Err(wrong(path, Why::NotYetValid));
        }
    }
    Ok(chain)
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, Wrong> {
    PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|error| {
        let is_missing = matches!(error, pem::Error::NoItemsFound);
        if is_missing { wrong(path, Why::NoKey) } else { malformed(path, &error) }
    })
}

fn roots(path: &Path, certificates: Vec<CertificateDer<'static>>) -> Result<RootCertStore, Wrong> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate).map_err(|error| wrong(path, Why::Malformed(error.to_string())))?;
    }
    Ok(roots)
}

fn revocation_lists(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, Wrong> {
    let found: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(&read(path)?).collect();
    let found = found.map_err(|error| malformed(path, &error))?;
    if found.is_empty() { Err(wrong(path, Why::NoRevocationList)) } else { Ok(found) }
}

/// When a list is to be replaced. One that says nothing readable of it is refused by the verifier.
fn next_update(list: &CertificateRevocationListDer<'_>) -> Option<UtcNanos> {
    let (_, list) = parse_x509_crl(list).ok()?;
    Some(UtcNanos(list.next_update()?.timestamp().saturating_mul(NANOS_A_SECOND)))
}
