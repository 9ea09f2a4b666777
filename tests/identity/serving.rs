//! The binary over mutual TLS: whom it lets in, and what happens when its files change.

use std::fs;
use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};

use fundledger::pb::v1;
use fundledger::pb::v1::audit_service_client::AuditServiceClient;
use tempfile::TempDir;

use crate::certificates::{Authority, DOMAIN, Signed};
use crate::server::{BINARY, errors, output, start};
use crate::world::key;

pub(crate) struct Running {
    pub(crate) folder: TempDir,
    pub(crate) authority: Authority,
    pub(crate) child: Child,
    log: Lines<BufReader<ChildStderr>>,
    pub(crate) address: String,
    metrics: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn settings(folder: &Path, authority: &Authority) {
    authority.server().write(folder, "server");
    fs::write(folder.join("ca.pem"), &authority.certificate).unwrap();
    fs::write(folder.join("crl.pem"), authority.revoke(&[])).unwrap();
    let path = |name: &str| folder.join(name).display().to_string();
    let content = format!(
        "data = {:?}\nlisten = \"127.0.0.1:0\"\nmetrics_listen = \"127.0.0.1:0\"\n[tls]\ncertificate = {:?}\nkey = {:?}\nclient_ca = {:?}\nrevocation_list = {:?}\ntrust_domain = {DOMAIN:?}\n",
        path("data"),
        path("server.pem"),
        path("server.key"),
        path("ca.pem"),
        path("crl.pem"),
    );
    fs::write(folder.join("fundledger.toml"), content).unwrap();
}

/// Makes a ledger with two administrators; says what `init` told.
pub(crate) fn init(folder: &Path, more: &[&str]) -> String {
    let mut init = Command::new(BINARY);
    init.args(more).args(["init", "--origin", "test.invalid/funds", "--data"]).arg(folder.join("data"));
    for admin in ["a1", "a2"] {
        init.arg("--admin").arg(key(admin).verifier().to_string());
    }
    let created = output(&mut init).unwrap();
    assert!(created.status.success(), "{}", errors(&created));
    String::from_utf8(created.stdout).unwrap()
}

impl Running {
    fn new() -> Self {
        Self::with(&[])
    }

    /// With settings besides those of the file, by their variables in the environment.
    pub(crate) fn with(variables: &[(&str, &str)]) -> Self {
        let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new("test"));
        settings(folder.path(), &authority);
        init(folder.path(), &[]);
        let mut serve = Command::new(BINARY);
        serve.args(["serve", "--quiet", "--config"]).arg(folder.path().join("fundledger.toml"));
        serve.envs(variables.iter().map(|(key, value)| (format!("FUNDLEDGER__{key}"), *value)));
        let mut child = start(serve.stdout(Stdio::piped()).stderr(Stdio::piped())).unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut told = |start: &str| lines.find_map(|line| line.strip_prefix(start).map(str::to_owned)).unwrap();
        let metrics = told("metrics at http://").replace("/metrics", "");
        let address = told("listening on https://");
        let log = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { folder, authority, child, log, address, metrics }
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = output(Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()])).unwrap();
        assert!(sent.status.success());
    }

    /// Tells it to read its files anew and waits until the log says what came of it.
    pub(crate) fn reload(&mut self) -> String {
        self.signal("HUP");
        self.logged("read anew")
    }

    /// Waits for a line of the log.
    pub(crate) fn logged(&mut self, text: &str) -> String {
        self.log.by_ref().map_while(Result::ok).find(|line| line.contains(text)).unwrap()
    }

    /// Code and body of an answer of the plain HTTP beside the API.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.metrics).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    pub(crate) fn cli(&self, person: &Signed, authority: &str, arguments: &[&str]) -> Output {
        let (certificate, private) = person.write(self.folder.path(), "person");
        let vouching = self.folder.path().join("trusted.pem");
        fs::write(&vouching, authority).unwrap();
        let mut command = Command::new(BINARY);
        command.arg("--server").arg(format!("https://{}", self.address)).arg("--tls-ca").arg(vouching);
        command.arg("--tls-certificate").arg(certificate).arg("--tls-key").arg(private);
        output(command.args(arguments)).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_change_while_it_runs() {
    let mut running = Running::new();
    let (a1, a2) = (running.authority.person("U", "a1"), running.authority.person("U", "a2"));
    let asked = v1::GetCheckpointRequest { min_sequence: Some(0), witnessed: false };
    let mut open = Vec::new();
    for person in [&a1, &a2] {
        let mut client = AuditServiceClient::new(running.authority.connect(&running.address, person).await);
        client.get_checkpoint(asked).await.unwrap();
        open.push(client);
    }
    // What cannot be used changes nothing.
    fs::write(running.folder.path().join("crl.pem"), "nothing").unwrap();
    assert!(running.reload().contains("stay in force"));
    for client in &mut open {
        client.get_checkpoint(asked).await.unwrap();
    }
    // A certificate that is revoked is accepted no more: neither on the connection that is open, nor on another.
    fs::write(running.folder.path().join("crl.pem"), running.authority.revoke(&[a1.serial])).unwrap();
    let said = running.reload();
    assert!(said.contains("closed") && said.ends_with('1'), "{said}");
    open[0].get_checkpoint(asked).await.expect_err("revoked");
    open[1].get_checkpoint(asked).await.expect("not revoked");
    let refused = running.cli(&a1, &running.authority.certificate, &["checkpoint"]);
    assert_eq!(refused.status.code(), Some(3), "{}", errors(&refused));
    assert!(errors(&refused).contains("because of the certificate"), "{}", errors(&refused));
    let refused = running.cli(&a1, &running.authority.certificate, &["--lang", "zh", "checkpoint"]);
    assert!(errors(&refused).contains("不接受"), "{}", errors(&refused));
    let shown = running.cli(&a2, &running.authority.certificate, &["checkpoint"]);
    assert!(shown.status.success(), "{}", errors(&shown));
    // Another server certificate of another authority, and clients of it.
    let new = Authority::new("new");
    settings(running.folder.path(), &new);
    assert!(running.reload().contains("closed"));
    open[1].get_checkpoint(asked).await.expect_err("of the old authority");
    let shown = running.cli(&new.person("U", "a1"), &new.certificate, &["checkpoint"]);
    assert!(shown.status.success(), "{}", errors(&shown));
    let distrusted = running.cli(&new.person("U", "a1"), &running.authority.certificate, &["checkpoint"]);
    assert!(errors(&distrusted).contains("does not vouch for"), "{}", errors(&distrusted));
    let denied = running.cli(&new.person("U", "a1"), &new.certificate, &["balance"]);
    assert_eq!(denied.status.code(), Some(1), "{}", errors(&denied));
    assert!(errors(&denied).contains("ACCESS_DENIED"), "{}", errors(&denied));
    // In plain text nobody comes in.
    let plain = output(Command::new(BINARY).args(["--server", &format!("http://{}", running.address), "checkpoint"]));
    assert_eq!(plain.unwrap().status.code(), Some(3));
}

#[test]
fn what_is_wrong_with_the_files_is_told_at_once() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new("test"));
    settings(folder.path(), &authority);
    let write = |name: &str, content: &str| fs::write(folder.path().join(name), content).unwrap();
    let check = |lang: &str| {
        let mut check = Command::new(BINARY);
        check.args(["--lang", lang, "config", "check", "--config"]).arg(folder.path().join("fundledger.toml"));
        let checked = output(&mut check).unwrap();
        (checked.status.code(), errors(&checked))
    };
    assert_eq!(check("en").0, Some(0), "{}", check("en").1);
    let expects = |texts: &[&str]| {
        let (code, told) = check("en");
        assert_eq!(code, Some(2));
        assert!(texts.iter().all(|text| told.contains(text)), "{told}");
    };
    write("server.key", &authority.server().key);
    expects(&["server.key: is not the key of the certificate"]);
    assert!(check("zh").1.contains("不是该证书的私钥"));
    write("server.key", "");
    write("ca.pem", "");
    write("crl.pem", "");
    fs::remove_file(folder.path().join("server.pem")).unwrap();
    expects(&[
        "server.pem: No such file",
        "server.key: holds no private key",
        "ca.pem: holds no certificate",
        "crl.pem: holds no revocation list",
    ]);
    settings(folder.path(), &authority);
    authority.sign(Vec::new(), 2020).write(folder.path(), "server");
    expects(&["server.pem: the certificate has expired"]);
    let text = fs::read_to_string(folder.path().join("fundledger.toml")).unwrap();
    write("fundledger.toml", &text.replace("trust_domain = \"ledger.example.org\"", "").replace("key =", "# key ="));
    expects(&["`tls.key` is not set", "`tls.trust_domain` is not set"]);
}
