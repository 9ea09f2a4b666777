//! A stock Python client, with stubs generated from `proto/`, posts, retries and reads.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail, and says why it is skipped")]

mod server;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use server::{Served, set_up};

/// Runs a program; its output if it succeeded, what went wrong otherwise.
fn output(program: &Path, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(arguments).output().map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stdout) + &text(&output.stderr)) }
}

/// A virtual environment with what the client needs, kept from one run to the next.
fn environment(directory: &Path) -> Result<PathBuf, String> {
    let requirements = Path::new("tests/python/requirements.txt");
    let wanted = fs::read_to_string(requirements).unwrap();
    let python = directory.join("bin/python");
    let installed = directory.join("installed.txt");
    if fs::read_to_string(&installed).is_ok_and(|found| found == wanted) {
        return Ok(python);
    }
    output(Path::new("python3"), &["-m", "venv", directory.to_str().unwrap()])?;
    output(&python, &["-m", "pip", "install", "--quiet", "--requirement", requirements.to_str().unwrap()])?;
    fs::write(installed, wanted).unwrap();
    Ok(python)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_stock_python_client_posts_retries_and_reads() {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let python = match environment(&target.join("python-client")) {
        Ok(python) => python,
        Err(why) => {
            println!("SKIPPED: a Python with pip that can install grpcio is not here: {why}");
            return;
        }
    };
    let stubs = tempfile::tempdir().unwrap();
    let out = stubs.path().to_str().unwrap();
    let mut arguments = vec!["-m", "grpc_tools.protoc", "-Iproto"];
    let (python_out, grpc_out) = (format!("--python_out={out}"), format!("--grpc_python_out={out}"));
    arguments.extend([python_out.as_str(), grpc_out.as_str()]);
    let files = ["reason", "event", "ledger", "query", "audit"].map(|name| format!("proto/fundledger/v1/{name}.proto"));
    arguments.extend(files.iter().map(String::as_str));
    output(&python, &arguments).unwrap();

    let served = Served::new();
    served.accept(set_up()).await;
    let said = output(&python, &["tests/python/client.py", out, &served.address]).unwrap();
    assert!(said.ends_with("entries\n"), "{said}");
}
