//! Programs of others that speak the same formats: their witness cosigns this ledger, their verifier believes it, and their
//! log asks our witness.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use crate::report;
use crate::server::{errors, output, payment, start};
use crate::witnesses::{Watcher, witnessed};
use crate::world::{ORIGIN, World};

/// Where the foreign programs lie, installed once if that can be done here; says why where not.
static PROGRAMS: LazyLock<Result<PathBuf, String>> = LazyLock::new(programs);

fn programs() -> Result<PathBuf, String> {
    let home = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("foreign");
    let bin = home.join("bin");
    if bin.join("aics-tlog").exists() && bin.join("aics-witness").exists() {
        return Ok(bin);
    }
    let is_new_enough = "import sys; sys.exit(sys.version_info < (3, 12))";
    // pyenv keeps versions that are not on the path.
    let kept = ["3.12", "3.13"].into_iter().filter_map(|version| {
        let prefix = output(Command::new("pyenv").args(["prefix", version])).ok()?;
        let prefix = String::from_utf8(prefix.stdout).ok()?;
        (!prefix.is_empty()).then(|| format!("{}/bin/python3", prefix.trim_end()))
    });
    let known = ["python3", "python3.12", "python3.13", "python3.14"].into_iter().map(str::to_owned);
    let python = known.chain(kept).find(|python| {
        output(Command::new(python).args(["-c", is_new_enough])).is_ok_and(|output| output.status.success())
    });
    let python = python.ok_or("there is no Python from 3.12 on")?;
    let made = output(Command::new(python).args(["-m", "venv", "--clear"]).arg(&home));
    if !made.is_ok_and(|made| made.status.success()) {
        return Err("a virtual environment cannot be made".to_owned());
    }
    let packages = ["install", "--quiet", "--disable-pip-version-check", "aics-witness==0.1.0", "aics-tlog==0.2.1"];
    match output(Command::new(bin.join("pip")).args(packages)) {
        Ok(installed) if installed.status.success() => Ok(bin),
        Ok(installed) => Err(errors(&installed)),
        Err(error) => Err(error.to_string()),
    }
}

/// A program that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn done(command: &mut Command) -> String {
    let output = output(command).unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}: {said}{}", errors(&output));
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_foreign_witness_cosigns_and_a_foreign_verifier_believes() {
    let bin = match &*PROGRAMS {
        Ok(bin) => bin,
        Err(why) => {
            println!("the foreign programs are not here and could not be installed; SKIPPED: {why}");
            return;
        }
    };
    let mut world = World::new();
    let config = world.path("witness.json");
    let port = free_port();
    let witness = |arguments: &[&str]| {
        let mut command = Command::new(bin.join("aics-witness"));
        command.args(arguments).args(["--config", &config]);
        command
    };
    let listen = format!("127.0.0.1:{port}");
    let made = done(&mut witness(&["init", "--name", "peer.example/w1", "--listen", &listen]));
    let key = made.split_whitespace().find(|word| word.starts_with("peer.example/w1+")).unwrap().to_owned();
    done(&mut witness(&["add-log", "--origin", ORIGIN, "--vkey", &world.key]));
    let mut serve = witness(&["serve"]);
    let mut child = start(serve.stdout(Stdio::null()).stderr(Stdio::piped())).unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let _running = Running(child);
    // It says so once it listens.
    let first = said.next().unwrap();
    let policy = world.path("policy");
    let (log, url) = (&world.key, format!("http://{listen}"));
    let ours = Watcher::new(&world, "congress");
    let lines =
        format!("log {log}\nwitness peer {key} {url}\n{}group both all peer congress\nquorum both\n", ours.line());
    fs::write(&policy, lines).unwrap();
    world.stop();
    world.policy = Some(policy.clone());
    world.start();
    let last = world.pay(300).await;
    let note = witnessed(&world, last).await.unwrap_or_else(|error| panic!("{first}: {error}"));
    assert!(note.contains("\u{2014} peer.example/w1 ") && note.contains("\u{2014} congress "), "{note}");
    assert_eq!(report(&[&world.url(), "--policy", &policy]).0, Some(0));

    // Their verifier, over what is served as static files.
    let (kept, tiles) = (world.path("kept"), format!("http://{}", world.tiles));
    fs::write(&kept, &note).unwrap();
    let tlog = |arguments: &[&str]| {
        let mut command = Command::new(bin.join("aics-tlog"));
        command.args(arguments).args(["--log-key", &world.key, "--origin", ORIGIN]);
        command
    };
    let witnesses = ["--witness-key", &key, "--witness-key", &ours.key, "--quorum", "2", "--max-age", "3600"];
    done(tlog(&["verify-checkpoint", "--note", &kept]).args(witnesses));
    let index = last.to_string();
    let receipt = world.post(vec![payment("later")]).await.remove(0);
    witnessed(&world, receipt.sequence).await.unwrap();
    let (sequence, leaf) = (receipt.sequence.to_string(), hex(&receipt.entry_hash));
    done(&mut tlog(&["verify-inclusion", "--tiles", &tiles, "--index", &sequence, "--leaf-hash", &leaf]));
    done(&mut tlog(&["verify-consistency", "--tiles", &tiles, "--old-checkpoint", &kept]));
    let wrong = output(&mut tlog(&["verify-inclusion", "--tiles", &tiles, "--index", &index, "--leaf-hash", &leaf]));
    assert!(!wrong.unwrap().status.success(), "another entry's place");
}

/// Their log asks our witness.
#[test]
fn a_foreign_log_is_cosigned_and_its_fork_is_not() {
    let bin = match &*PROGRAMS {
        Ok(bin) => bin,
        Err(why) => {
            println!("the foreign programs are not here and could not be installed; SKIPPED: {why}");
            return;
        }
    };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/checkpoints/foreign_log.py");
    let log = |arguments: &[&str]| done(Command::new(bin.join("python3")).arg(script).args(arguments));
    let world = World::new();
    let ours = Watcher::of(&world, "congress", log(&["key"]).trim_end());
    assert_eq!(log(&["feed", &ours.url, &ours.key]).trim_end(), "cosigned and refused as it should be");
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from_digit(digit.into(), 16).unwrap())
        .collect()
}
