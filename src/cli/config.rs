//! `config`: whether the settings are right, and what they are.

use std::io::Write;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::settings::{self, Loaded, SettingsArgs};
use super::{Failure, Format, Globals, render, serve};
use crate::messages::cli as text;

/// Arguments of `config`.
#[derive(Args, Debug)]
pub struct ConfigArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: ConfigAction,
}

/// What to do with the settings.
#[derive(Debug, Subcommand)]
pub enum ConfigAction {
    /// Check the settings that `serve` would run with; exit 2 with everything that is wrong, and where.
    Check(SettingsArgs),
    /// Show every key in force, and where its value comes from.
    Show(SettingsArgs),
}

/// Runs `config`.
pub fn run(globals: &Globals, args: &ConfigArgs, out: &mut dyn Write) -> Result<(), Failure> {
    match &args.action {
        ConfigAction::Check(args) => {
            let loaded = settings::load(args, globals.lang)?;
            serve::admit(&loaded.settings, globals.lang)?;
            if !globals.quiet {
                writeln!(out, "{}", text::config_is_right(globals.lang))?;
            }
            Ok(())
        }
        ConfigAction::Show(args) => show(globals, &settings::load(args, globals.lang)?, out),
    }
}

fn show(globals: &Globals, loaded: &Loaded, out: &mut dyn Write) -> Result<(), Failure> {
    let format = globals.format(&[Format::Table, Format::Json])?;
    let values = settings::values(&loaded.settings)?;
    let rows = values.into_iter().zip(loaded.origins.values());
    if format == Format::Json {
        let keys: Map<String, Value> =
            rows.map(|((key, value), origin)| (key, json!({ "value": value, "source": origin.to_string() }))).collect();
        return render::json(out, &Value::Object(keys));
    }
    let header = [text::config_key(globals.lang), text::config_value(globals.lang), text::config_source(globals.lang)];
    let rows: Vec<Vec<String>> = rows
        .map(|((key, value), origin)| {
            let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            vec![key, if value.is_null() { String::new() } else { shown }, origin.told(globals.lang)]
        })
        .collect();
    writeln!(out, "{}", render::table(&header, &rows, &[])).map_err(Failure::from)
}
