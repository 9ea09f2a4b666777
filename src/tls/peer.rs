//! Who a connection is with, by its certificate.

use std::net::SocketAddr;

use tokio_rustls::rustls::pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

use crate::domain::principal::{NotAPrincipal, Principal, TrustDomain};

/// The other end of a connection whose certificate was checked.
#[derive(Debug)]
pub struct Peer {
    /// Who it is. A sound certificate may name nobody.
    pub identity: Result<Principal, NoIdentity>,
    /// Where it is.
    pub address: SocketAddr,
}

/// Why a certificate names nobody of this ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoIdentity {
    /// It has no URI among its names.
    NoName,
    /// It has several.
    SeveralNames,
    /// Its URI is of another trust domain.
    OtherDomain,
    /// Its URI is not of the one form.
    Malformed,
}

impl NoIdentity {
    /// Its name: stable for ever.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoName => "NO_URI_NAME",
            Self::SeveralNames => "SEVERAL_URI_NAMES",
            Self::OtherDomain => "OTHER_TRUST_DOMAIN",
            Self::Malformed => "MALFORMED_URI_NAME",
        }
    }
}

/// Whom a certificate names: exactly one URI among its alternative names, of exactly one form.
pub(super) fn identity(certificate: &CertificateDer<'_>, domain: &TrustDomain) -> Result<Principal, NoIdentity> {
    let (_, certificate) = parse_x509_certificate(certificate).map_err(|_| NoIdentity::Malformed)?;
    let names = certificate.subject_alternative_name().map_err(|_| NoIdentity::Malformed)?;
    let names = names.map(|names| names.value.general_names.as_slice()).unwrap_or_default();
    // One that cannot be read could be another.
    if names.iter().any(|name| matches!(name, GeneralName::Invalid(..))) {
        return Err(NoIdentity::Malformed);
    }
    let mut uris = names.iter().filter_map(|name| if let GeneralName::URI(uri) = name { Some(*uri) } else { None });
    let uri = uris.next().ok_or(NoIdentity::NoName)?;
    if uris.next().is_some() {
        return Err(NoIdentity::SeveralNames);
    }
    Principal::parse(uri, domain).map_err(|why| match why {
        NotAPrincipal::Foreign => NoIdentity::OtherDomain,
        NotAPrincipal::Malformed => NoIdentity::Malformed,
    })
}
