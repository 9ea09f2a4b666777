//! An authority of the test's own, and what it signs.

use std::cell::Cell;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fundledger::domain::principal::TrustDomain;
use fundledger::grpc::server::{Door, Limits, listen, serve};
use fundledger::tls::{Files, Tls, WhenStale};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer, KeyIdMethod, KeyPair,
    KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};
use tempfile::TempDir;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use crate::world::World;

pub(crate) const DOMAIN: &str = "ledger.example.org";

/// A certificate with its key, PEM.
#[derive(Clone)]
pub(crate) struct Signed {
    pub(crate) certificate: String,
    pub(crate) key: String,
    pub(crate) serial: u64,
}

impl Signed {
    /// Writes both to files named after something.
    pub(crate) fn write(&self, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        let paths = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
        fs::write(&paths.0, &self.certificate).unwrap();
        fs::write(&paths.1, &self.key).unwrap();
        paths
    }
}

pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) certificate: String,
    next: Cell<u64>,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), certificate, next: Cell::new(1) }
    }

    /// Signs for names; valid until a year.
    pub(crate) fn sign(&self, names: Vec<SanType>, last_year: i32) -> Signed {
        let serial = self.next.get();
        self.next.set(serial + 1);
        let mut params = CertificateParams::default();
        params.subject_alt_names = names;
        params.serial_number = Some(SerialNumber::from(serial));
        params.not_after = date_time_ymd(last_year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Signed { certificate, key: key.serialize_pem(), serial }
    }

    pub(crate) fn server(&self) -> Signed {
        self.sign(vec![SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST))], 4000)
    }

    pub(crate) fn person(&self, agency: &str, actor: &str) -> Signed {
        self.named(&[&format!("spiffe://{DOMAIN}/agency/{agency}/actor/{actor}")])
    }

    pub(crate) fn named(&self, uris: &[&str]) -> Signed {
        self.sign(uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap())).collect(), 4000)
    }

    /// A list of what is revoked, PEM.
    pub(crate) fn revoke(&self, serials: &[u64]) -> String {
        self.revoke_until(serials, 4000)
    }

    /// A list that is to be replaced by the beginning of a year.
    pub(crate) fn revoke_until(&self, serials: &[u64], year: i32) -> String {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2026, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(year, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().pem().unwrap()
    }

    pub(crate) fn endpoint(&self, address: &str, person: &Signed) -> Endpoint {
        let config = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(&self.certificate))
            .identity(Identity::from_pem(&person.certificate, &person.key));
        Channel::from_shared(format!("https://{address}")).unwrap().tls_config(config).unwrap()
    }

    pub(crate) async fn connect(&self, address: &str, person: &Signed) -> Channel {
        self.endpoint(address, person).connect().await.unwrap()
    }
}

/// A ledger that is served over mutual TLS, and beside that in plain text for what the test sets up.
pub(crate) struct Certified {
    pub(crate) world: World,
    pub(crate) authority: Authority,
    pub(crate) address: String,
    _folder: TempDir,
}

impl Certified {
    pub(crate) async fn new() -> Self {
        let (world, authority) = (World::with_fund().await, Authority::new("test"));
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = authority.server().write(folder.path(), "server");
        let client_ca = folder.path().join("ca.pem");
        fs::write(&client_ca, &authority.certificate).unwrap();
        let trust_domain = TrustDomain::parse(DOMAIN).unwrap();
        let files =
            Files { certificate, key, client_ca, revocation_list: None, when_stale: WhenStale::Refuse, trust_domain };
        let tls = Tls::load(files).map_err(|wrong| wrong[0].to_string()).unwrap();
        let (listener, bound) = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let node = Arc::clone(world.node.as_ref().unwrap());
        // Who asks for a proof waits for a checkpoint.
        node.sign_every(Duration::from_millis(20)).unwrap();
        let door = Door::Certified(listener, Arc::new(tls));
        tokio::spawn(async move { serve(node, door, Limits::default(), std::future::pending()).await.unwrap() });
        Self { world, authority, address: bound.to_string(), _folder: folder }
    }

    pub(crate) async fn connect(&self, agency: &str, actor: &str) -> Channel {
        self.authority.connect(&self.address, &self.authority.person(agency, actor)).await
    }
}
