//! What operators ask of a service over TLS: `init` and `serve --check` before it runs, probes and health while it does.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output};

use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::certificates::Authority;
use crate::server::{BINARY, errors, output, run};
use crate::serving::{Running, init, settings};

fn serve(folder: &Path, more: &[&str]) -> Output {
    let mut serve = Command::new(BINARY);
    output(serve.args(["serve", "--config"]).arg(folder.join("fundledger.toml")).args(more)).unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn init_with_administrators_names_the_settings_of_tls_and_no_plain_text() {
    for lang in ["en", "zh"] {
        let folder = tempfile::tempdir().unwrap();
        let said = init(folder.path(), &["--lang", lang]);
        assert!(!said.contains("insecure"), "{said}");
        for part in ["serve --data", "--config", "tls.certificate", "tls.key", "tls.client_ca", "tls.trust_domain"] {
            assert!(said.contains(part), "{part}: {said}");
        }
        // What it names is what is needed.
        let authority = Authority::new("test");
        settings(folder.path(), &authority);
        let checked = serve(folder.path(), &["--check"]);
        assert_eq!(checked.status.code(), Some(0), "{}", errors(&checked));
    }
}

#[test]
fn a_check_with_tls_says_what_a_start_with_tls_would() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new("test"));
    settings(folder.path(), &authority);
    // A volume that is not mounted is not taken for a new ledger, whatever plain text would make of it.
    let data = folder.path().join("data");
    for more in [&["--check"][..], &[]] {
        let empty = serve(folder.path(), more);
        assert_eq!(empty.status.code(), Some(3), "{more:?}");
        assert!(errors(&empty).contains("holds no ledger") && !data.exists(), "{}", errors(&empty));
    }
    // Without administrators nobody could be given a role.
    let created = run(&["init", "--origin", "test.invalid/funds", "--data", data.to_str().unwrap()]);
    assert!(created.status.success() && told(&created).contains("--insecure-dev"), "{}", told(&created));
    for more in [&["--check"][..], &[]] {
        let unadministered = serve(folder.path(), more);
        assert_eq!(unadministered.status.code(), Some(1), "{more:?}: {}", errors(&unadministered));
        assert!(errors(&unadministered).contains("has no administrators"), "{}", errors(&unadministered));
    }
    fs::remove_dir_all(&data).unwrap();
    init(folder.path(), &[]);
    let sound = serve(folder.path(), &["--check"]);
    assert_eq!(sound.status.code(), Some(0), "{}", errors(&sound));
    assert!(told(&sound).contains("it would be served"), "{}", told(&sound));
    // Plain text beside TLS, and files that cannot be used.
    let both = serve(folder.path(), &["--check", "--insecure-dev"]);
    assert_eq!(both.status.code(), Some(2), "{}", errors(&both));
    authority.sign(Vec::new(), 2021).write(folder.path(), "server");
    let expired = serve(folder.path(), &["--check"]);
    assert_eq!(expired.status.code(), Some(2));
    assert!(errors(&expired).contains("has expired"), "{}", errors(&expired));
}

async fn health(running: &Running, service: &str) -> ServingStatus {
    // A certificate without any role.
    let nobody = running.authority.person("U", "nobody");
    let channel = running.authority.connect(&running.address, &nobody).await;
    let request = HealthCheckRequest { service: service.to_owned() };
    HealthClient::new(channel).check(request).await.unwrap().into_inner().status()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probes_need_no_certificate_and_health_needs_no_role() {
    let mut running = Running::with(&[("LIMITS__DRAIN_SECONDS", "3600")]);
    // It says where it listens a moment before it does.
    while running.get("/livez").1 == "starting" {
        tokio::task::yield_now().await;
    }
    for path in ["/livez", "/readyz", "/readyz?for=posting", "/readyz?for=reading"] {
        assert_eq!(running.get(path), (200, "serving".to_owned()), "{path}");
    }
    for service in ["", "fundledger.v1.LedgerService", "fundledger.v1.QueryService"] {
        assert_eq!(health(&running, service).await, ServingStatus::Serving, "{service}");
    }
    // Without a certificate there is no health either: a probe of TCP finds the port, and nothing behind it.
    drop(TcpStream::connect(&running.address).unwrap());
    let anonymous = tonic::transport::Channel::from_shared(format!("http://{}", running.address)).unwrap();
    let asked = match anonymous.connect().await {
        Ok(channel) => HealthClient::new(channel).check(HealthCheckRequest::default()).await.is_ok(),
        Err(_) => false,
    };
    assert!(!asked, "it was answered in plain text");
    let busy = serve(running.folder.path(), &["--check"]);
    assert_eq!(busy.status.code(), Some(3));
    assert!(errors(&busy).contains("in use by another process"), "{}", errors(&busy));
    running.signal("TERM");
    while running.get("/readyz").0 == 200 {
        tokio::task::yield_now().await;
    }
    assert_eq!(running.get("/livez"), (200, "draining".to_owned()));
    while health(&running, "fundledger.v1.LedgerService").await != ServingStatus::NotServing {
        tokio::task::yield_now().await;
    }
    running.signal("TERM");
    assert!(running.child.wait().unwrap().success());
}
