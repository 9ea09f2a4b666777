//! Logs of the service: lines on standard error, as text or as JSON. Whatever stands in a line, it stays one line, and steers
//! no terminal: what would is written as its number.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::io::{self, Write};

use tokio::signal::unix::{SignalKind, signal};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry};

use super::settings::{self, LogFormat, LogSettings, SettingsArgs};
use super::{Failure, Lang};
use crate::audit::printable::is_steering;
use crate::grpc::spans;
use crate::messages::cli as text;

/// The running log, whose filter can be changed.
#[derive(Clone, Debug)]
pub(super) struct Logs(Handle<EnvFilter, Registry>);

impl Logs {
    /// Starts logging. A second call in one process keeps the first one's settings.
    pub(super) fn start(settings: &LogSettings) -> Self {
        let (filter, handle) = reload::Layer::new(settings.filter.filter());
        let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(Lines(settings.format));
        let registry = tracing_subscriber::registry().with(filter);
        let _ = match settings.format {
            LogFormat::Json => registry.with(lines.json().with_span_list(false).map_event_format(OfCall)).try_init(),
            LogFormat::Text => registry.with(lines.map_event_format(OfCall)).try_init(),
        };
        Self(handle)
    }

    /// Takes the filter from the same settings as at the start. Where they are wrong now, everything stays as it is.
    pub(super) fn reload(&self, args: &SettingsArgs, lang: Lang) {
        let settings = match settings::load(args, lang) {
            Ok(loaded) => loaded.settings.log,
            Err(failure) => return tracing::error!(%failure, "the settings were not read again: they are wrong"),
        };
        match self.0.reload(settings.filter.filter()) {
            Ok(()) => tracing::info!(filter = %settings.filter, "the filter of the log was read again"),
            Err(error) => tracing::error!(%error, "the filter of the log was not changed"),
        }
    }

    /// Reloads on every SIGHUP from here on.
    pub(super) fn reload_on_hangup(self, args: SettingsArgs, lang: Lang) -> Result<(), Failure> {
        let failed = |error: io::Error| Failure::Unavailable(text::serve_signals_failed(lang, error));
        let mut hangup = signal(SignalKind::hangup()).map_err(failed)?;
        tokio::spawn(async move {
            while hangup.recv().await.is_some() {
                self.reload(&args, lang);
            }
        });
        Ok(())
    }
}

/// Lines that carry what the call is known by that they are about.
struct OfCall<F>(F);

impl<S, N, F> FormatEvent<S, N> for OfCall<F>
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    N: for<'writer> FormatFields<'writer> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        spans::tell(|| self.0.format_event(context, writer, event))
    }
}

/// Writes lines of a form to standard error.
#[derive(Clone, Copy, Debug)]
struct Lines(LogFormat);

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        *self
    }
}

impl Write for Lines {
    /// Takes a whole line: the layer that formats it hands it over in one piece.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // Where standard error is a file on a full disk, a line that cannot be written is lost, and nothing else: whatever tells
        // of that would fail once more, and take the thread with it that had something to log.
        io::stderr().lock().write_all(one_line(&String::from_utf8_lossy(line), self.0).as_bytes()).ok();
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A line as it may be shown, with its end.
fn one_line(line: &str, format: LogFormat) -> Cow<'_, str> {
    let content = line.strip_suffix('\n').unwrap_or(line);
    if !content.chars().any(is_steering) {
        return Cow::Borrowed(line);
    }
    let mut shown = String::with_capacity(line.len().saturating_mul(2));
    for char in content.chars() {
        if !is_steering(char) {
            shown.push(char);
            continue;
        }
        match format {
            LogFormat::Text => shown.extend(char.escape_unicode()),
            // JSON knows no other escape; such characters stand in its strings only.
            LogFormat::Json => {
                for unit in char.encode_utf16(&mut [0; 2]) {
                    // Writing to a String cannot fail.
                    let _ = write!(shown, "\\u{unit:04x}");
                }
            }
        }
    }
    shown.push('\n');
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_one_line_and_steers_nothing() {
        for (line, text, json) in [
            ("payee 张三 \"x\"\n", "payee 张三 \"x\"\n", "payee 张三 \"x\"\n"),
            ("a\nERROR b\n", "a\\u{a}ERROR b\n", "a\\u000aERROR b\n"),
            ("a\u{1b}[2Jb\n", "a\\u{1b}[2Jb\n", "a\\u001b[2Jb\n"),
            ("a\r\u{7f}\u{9b}b\n", "a\\u{d}\\u{7f}\\u{9b}b\n", "a\\u000d\\u007f\\u009bb\n"),
            ("a\u{202e}b\u{2028}\n", "a\\u{202e}b\\u{2028}\n", "a\\u202eb\\u2028\n"),
            ("no end\0", "no end\\u{0}\n", "no end\\u0000\n"),
        ] {
            assert_eq!(one_line(line, LogFormat::Text), text);
            assert_eq!(one_line(line, LogFormat::Json), json);
        }
    }
}
