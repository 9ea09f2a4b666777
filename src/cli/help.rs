//! `--help` in the reader's language. English stands in the definitions of the arguments, Chinese in
//! `src/messages/help.zh-CN.ftl`: a message for each command, an attribute for each of its arguments.

use std::ffi::OsString;

use clap::{Arg, ArgAction, Command, CommandFactory};

use super::{Cli, Lang};
use crate::messages::{self, Language};

/// The command line's definition with its help in a language.
pub(super) fn command(lang: Lang) -> Command {
    match lang {
        Lang::En => Cli::command(),
        Lang::Zh => translated(Cli::command(), "fundledger"),
    }
}

/// The language asked for, before anything is parsed: help and usage errors come from the parser itself.
pub(super) fn asked_for(args: &[OsString]) -> Lang {
    let mut args = args.iter().map(|arg| arg.to_string_lossy()).peekable();
    while let Some(arg) = args.next() {
        let value = match arg.strip_prefix("--lang") {
            Some("") => args.peek().map(|value| value.as_ref().to_owned()),
            Some(value) => value.strip_prefix('=').map(str::to_owned),
            None => None,
        };
        if value.as_deref() == Some("zh") {
            return Lang::Zh;
        }
    }
    Lang::En
}

fn translated(command: Command, id: &str) -> Command {
    let say = |id: &str| messages::text(Language::Chinese, &format!("help-{id}"), &[]);
    let heading = |arg: &Arg| say(if arg.is_positional() { "arguments" } else { "options" });
    let help = Arg::new("help").short('h').long("help").action(ArgAction::Help);
    let command = if command.get_version().is_some() {
        let version = Arg::new("version").short('V').long("version").action(ArgAction::Version);
        command.disable_version_flag(true).arg(version)
    } else {
        command
    };
    command
        .about(say(id))
        .long_about(None)
        .disable_help_flag(true)
        .arg(help)
        .mut_args(|arg| {
            let text = match (arg.get_id().as_str(), arg.is_global_set()) {
                (name @ ("help" | "version"), _) => say(name),
                (name, true) => say(&format!("fundledger.{name}")),
                (name, false) => say(&format!("{id}.{name}")),
            };
            let heading = heading(&arg);
            arg.help(text).long_help(None).help_heading(heading)
        })
        .subcommand_help_heading(say("commands"))
        .disable_help_subcommand(true)
        .help_template(format!("{{about-with-newline}}\n{}{{usage}}\n\n{{all-args}}{{after-help}}", say("usage")))
        .mut_subcommands(|child| {
            let name = child.get_name().to_owned();
            translated(child, &if id == "fundledger" { name } else { format!("{id}-{name}") })
        })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Ids of what the definition has, in the form of the catalogue.
    fn defined(command: &Command, id: &str, found: &mut BTreeSet<String>) {
        found.insert(format!("help-{id}"));
        for arg in command.get_arguments() {
            found.insert(format!("help-{id}.{}", arg.get_id()));
        }
        for child in command.get_subcommands() {
            let name = child.get_name();
            defined(child, &if id == "fundledger" { name.to_owned() } else { format!("{id}-{name}") }, found);
        }
    }

    #[test]
    fn every_command_and_argument_has_chinese_help_and_nothing_else_has() {
        let mut expected: BTreeSet<String> =
            ["arguments", "commands", "help", "options", "usage", "version"].map(|id| format!("help-{id}")).into();
        defined(&Cli::command(), "fundledger", &mut expected);
        let found = messages::ids_of_help();
        let missing: Vec<_> = expected.difference(&found).collect();
        assert!(missing.is_empty(), "not in help.zh-CN.ftl: {missing:?}");
        let unused: Vec<_> = found.difference(&expected).collect();
        assert!(unused.is_empty(), "in help.zh-CN.ftl for nothing: {unused:?}");
    }

    #[test]
    fn the_language_is_known_before_parsing() {
        let asked = |line: &str| asked_for(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert_eq!(asked("fundledger --lang zh balance --help"), Lang::Zh);
        assert_eq!(asked("fundledger balance --lang=zh"), Lang::Zh);
        assert_eq!(asked("fundledger balance --lang en"), Lang::En);
        assert_eq!(asked("fundledger --language zh"), Lang::En);
    }

    #[test]
    fn chinese_help_is_chinese_in_every_command() {
        fn check(command: &mut Command) {
            let help = command.render_long_help().to_string();
            let english = ["Usage", "Options:", "Arguments:", "Commands:", "Print", "Show"]
                .iter()
                .find(|word| help.contains(**word));
            assert!(english.is_none(), "{english:?} in\n{help}");
            assert!(help.contains("用法"), "{help}");
            command.get_subcommands_mut().for_each(check);
        }
        let mut command = command(Lang::Zh);
        command.clone().debug_assert();
        command.build();
        check(&mut command);
    }
}
