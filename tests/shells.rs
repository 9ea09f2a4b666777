//! What shells and readers need: completions that the shells themselves accept, manual pages, help in Chinese.

#![allow(clippy::unwrap_used, clippy::explicit_write, reason = "a test may fail, and says why it is skipped")]

mod server;

use std::fs;
use std::io::Write as _;
use std::process::Command;

use server::run;

#[test]
fn completions_are_scripts_that_their_shells_accept() {
    let directory = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let output = run(&["completions", shell]);
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success());
        for word in ["fundledger", "verify", "validate-only", "by-lot"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
        let path = directory.path().join(shell);
        fs::write(&path, script).unwrap();
        match Command::new(shell).arg("-n").arg(&path).output() {
            Ok(checked) => assert!(checked.status.success(), "{shell}: {}", String::from_utf8_lossy(&checked.stderr)),
            // Not `println!`: what a test that passes prints is not shown.
            Err(why) => writeln!(std::io::stderr(), "SKIPPED: {shell} did not look at its script: {why}").unwrap(),
        }
    }
    assert_eq!(run(&["completions", "tcsh"]).status.code(), Some(2));
}

#[test]
fn every_command_has_a_manual_page() {
    let page = String::from_utf8(run(&["man"]).stdout).unwrap();
    assert!(page.contains(".TH") && page.contains("SUBCOMMANDS"), "{page}");
    let directory = tempfile::tempdir().unwrap();
    let pages = directory.path().join("man1");
    assert!(run(&["man", "--output", pages.to_str().unwrap()]).status.success());
    let help = String::from_utf8(run(&["--help"]).stdout).unwrap();
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = commands.filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')));
    let commands: Vec<&str> = names.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(commands.len() > 10, "{help}");
    for command in commands.into_iter().filter(|command| *command != "help") {
        let page = fs::read_to_string(pages.join(format!("fundledger-{command}.1"))).unwrap();
        assert!(page.contains("DESCRIPTION") && page.contains("OPTIONS"), "{page}");
    }
    assert!(pages.join("fundledger-config-check.1").is_file());
}

#[test]
fn help_speaks_chinese() {
    for arguments in [&["--lang", "zh", "--help"][..], &["--lang=zh"], &["post", "--lang", "zh", "-h"]] {
        let output = run(arguments);
        let help = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && help.contains("用法") && help.contains("选项"), "{help}");
    }
    let english = String::from_utf8(run(&["post", "--help"]).stdout).unwrap();
    assert!(english.contains("Usage: fundledger post"), "{english}");
}

#[test]
fn failures_speak_chinese() {
    for (arguments, code, expected) in [
        (&["balance", "A"][..], 3, "无法连接 http://127.0.0.1:1"),
        (&["balance", "A", "--format", "dot"], 2, "本命令不支持 --format dot"),
        (&["serve", "--data", "x"], 2, "未配置 TLS"),
    ] {
        let output = run(&[&["--server", "http://127.0.0.1:1", "--lang", "zh"], arguments].concat());
        assert_eq!(output.status.code(), Some(code));
        assert!(server::errors(&output).contains(expected), "{}", server::errors(&output));
    }
}
