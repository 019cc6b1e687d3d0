//! Where log lines go.

use std::{fs::OpenOptions, io::IsTerminal, path::PathBuf, sync::Arc};

use tracing_subscriber::{EnvFilter, Layer, fmt::MakeWriter, layer::SubscriberExt, registry::Registry};

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people: time, level, message, fields.
    #[default]
    Text,
    /// For machines: one JSON object a line.
    Json,
}

/// What is logged, how and where to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogOptions {
    /// `error`, `warn`, `info`, `debug`, `trace`, or directives such as `info,vecraft_data=debug`.
    pub level: String,
    /// Text or JSON.
    pub format: LogFormat,
    /// A file to append to; `None` means standard error.
    pub file: Option<PathBuf>,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { level: "info".to_string(), format: LogFormat::Text, file: None }
    }
}

/// Logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The level is none of the words known and no directive either.
    #[error("log level {level:?} is not understood (error, warn, info, debug, trace or directives): {cause}")]
    Level {
        /// What was given.
        level: String,
        /// What the parser says.
        cause: String,
    },
    /// The file cannot be opened for appending.
    #[error("cannot open log file {}: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        cause: std::io::Error,
    },
    /// The process has a subscriber already.
    #[error("logging is already set up in this process")]
    AlreadySet,
}

/// Libraries that are chatty, and the level from which on they speak unless the log level names them. openraft warns of
/// each heartbeat that is not answered, and of messages that an election overtook: a node that is away is told once, by
/// the connections to it, and elections are no news. tarpc prints an error for each call that outlives its deadline, which
/// its caller hears and tells anyway; opentelemetry that it ends.
const QUIET: &[(&str, &str)] = &[
    ("openraft", "error"),
    ("tarpc", "off"),
    ("opentelemetry", "warn"),
    ("h2", "warn"),
    ("hyper", "warn"),
    ("hyper_util", "warn"),
    ("tower", "warn"),
    ("tonic", "warn"),
    ("actix_rt", "warn"),
];

/// Sets up logging for the whole process, panics included. Call it once, early.
///
/// # Errors
/// See [`LoggingError`]; nothing is changed then.
pub fn init_logging(options: &LogOptions) -> Result<(), LoggingError> {
    let filter = filter(&options.level)?;
    let subscriber = match &options.file {
        None => {
            let colours = std::io::stderr().is_terminal();
            Registry::default().with(layer(options.format, std::io::stderr, colours).with_filter(filter))
        }
        Some(path) => {
            let opened = OpenOptions::new().create(true).append(true).open(path);
            let file = opened.map_err(|cause| LoggingError::File { path: path.clone(), cause })?;
            Registry::default().with(layer(options.format, Arc::new(file), false).with_filter(filter))
        }
    };
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LoggingError::AlreadySet)?;
    let default_hook = std::panic::take_hook();
    let to_file = options.file.is_some();
    std::panic::set_hook(Box::new(move |panic| {
        tracing::error!(%panic, "panic");
        // The log file has it now; who watches the terminal should see it as well.
        if to_file {
            default_hook(panic);
        }
    }));
    Ok(())
}

fn layer<W>(format: LogFormat, writer: W, colours: bool) -> Box<dyn Layer<Registry> + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(colours);
    match format {
        LogFormat::Text => layer.boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    }
}

/// Whether a level, or directives, can be understood.
///
/// # Errors
/// [`LoggingError::Level`].
pub fn check_level(level: &str) -> Result<(), LoggingError> {
    filter(level).map(drop)
}

fn filter(level: &str) -> Result<EnvFilter, LoggingError> {
    let understood = |cause: String| LoggingError::Level { level: level.to_string(), cause };
    if level.trim().is_empty() {
        return Err(understood("it is empty".to_string()));
    }
    // A bare word that is no level would be taken for a target's name and silence everything else.
    let words_alone = level.split(',').map(str::trim).filter(|part| !part.contains(['=', '[', ':']));
    for word in words_alone {
        word.parse::<tracing::level_filters::LevelFilter>().map_err(|error| understood(error.to_string()))?;
    }
    // A library must not speak more than everybody else.
    let is_quieter = |from: &str| from == "off" || !matches!(level.trim(), "error" | "off");
    let mut directives: Vec<String> = QUIET
        .iter()
        .filter(|(library, from)| !level.contains(library) && is_quieter(from))
        .map(|(library, from)| format!("{library}={from}"))
        .collect();
    directives.push(level.to_string());
    EnvFilter::try_new(directives.join(",")).map_err(|error| understood(error.to_string()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn levels_and_directives_are_understood() {
        let check = |level: &str, expected: bool| assert_eq!(filter(level).is_ok(), expected, "{level}");
        check("info", true);
        check("debug", true);
        check("off", true);
        check("info,vecraft_data=trace", true);
        check("loud", false);
        check("", false);
        check("vecraft_data=loud", false);
    }

    #[test]
    fn libraries_are_quiet_unless_named() {
        let info = filter("info").unwrap().to_string();
        assert!(info.contains("openraft=error") && info.contains("tarpc=off"), "{info}");
        // "MeterProvider.Drop" at every stop, and "DeadlineExceeded" of calls whose callers know.
        assert!(info.contains("opentelemetry=warn"), "{info}");
        assert!(filter("error").unwrap().to_string().contains("tarpc=off"));
        assert!(!filter("error,tarpc=info").unwrap().to_string().contains("tarpc=off"));
        assert!(!filter("info,openraft=debug").unwrap().to_string().contains("openraft=error"));
        assert!(!filter("error").unwrap().to_string().contains("warn"));
    }
}
