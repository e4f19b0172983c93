//! Logs, set up once: lines on standard error, as text for people or as JSON for collectors.

use std::io::{IsTerminal, stderr};

use anyhow::Context;
use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// What the HTTP server logs as its errors are those of clients that speak no HTTP: anyone could fill the log with
/// them. Its life is told by our own lines. A filter that names the same target has the last word.
const NOISE: &str = "actix_http::h1::dispatcher=off,actix_server=warn";

/// Starts logging for this process.
///
/// # Errors
/// When the filter cannot be read, or logging was started before.
pub fn start(filter: &str, format: LogFormat) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(format!("{NOISE},{filter}"))
        .with_context(|| format!("--log {filter:?} cannot be read"))?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    let started = match format {
        LogFormat::Text => lines.with_ansi(stderr().is_terminal()).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!(error))
}
