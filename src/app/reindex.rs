//! `chat-system reindex`: the search index built anew, with a progress bar where someone looks on.

use std::io::Write as _;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};

use super::engines::rows_and_index;
use crate::actors::reindex::{Onlooker, reindex as build};
use crate::config::Config;

const BAR: &str = "{msg} {wide_bar} {human_pos}/{human_len} messages, {per_sec}, {eta} to go";

/// Builds the index anew, switches to it, checks it, and says what was done. Nodes may go on serving meanwhile, where
/// the engines are servers.
///
/// # Errors
/// When an engine cannot be opened or does not answer, or another node builds the index just now.
pub async fn reindex(config: &Config) -> anyhow::Result<()> {
    let (store, search) = rows_and_index(config)?;
    let bar = Bar::new()?;
    let reindexed = build(&*store, &*search, &bar).await.context("the search index was not built")?;
    bar.0.finish_and_clear();
    let Some(done) = reindexed else {
        anyhow::bail!("another node builds the search index just now");
    };
    // Whoever does not read it has the exit code.
    let _ = writeln!(
        std::io::stdout(),
        "the search index was built anew: {} messages in {}; {} more were written meanwhile",
        done.built.messages,
        done.built.index,
        done.missed
    );
    Ok(())
}

struct Bar(ProgressBar);

impl Bar {
    fn new() -> anyhow::Result<Self> {
        let bar = ProgressBar::no_length().with_style(ProgressStyle::with_template(BAR)?);
        Ok(Self(bar.with_message("building")))
    }
}

impl Onlooker for Bar {
    fn walked(&self, rows: usize) {
        self.0.inc(rows as u64);
    }

    fn expects(&self, messages: u64) {
        self.0.set_length(messages);
    }

    fn switched(&self) {
        let walked = self.0.position();
        self.0.reset();
        self.0.set_length(walked);
        self.0.set_message("checking");
    }
}
