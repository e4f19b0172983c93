use std::fs::{self, File};
use std::io::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use tantivy::indexer::IndexWriterOptions;
use tantivy::merge_policy::LogMergePolicy;
use tantivy::{Index, IndexReader, IndexSettings, IndexWriter, ReloadPolicy, TantivyError};
use uuid::Uuid;

use super::schema::{Fields, INDEX_VERSION, VERSION, schema};
use super::{away, judge};
use crate::search::SearchError;

/// Memory of the indexing thread before it writes a segment.
const WRITER_BUDGET_BYTES: usize = 15_000_000;
/// Merges that may run at once.
const MERGE_THREADS: usize = 1;
/// A segment is written anew when more of its documents than this are deleted.
const DELETED_SHARE: f32 = 0.3;
/// Which of the folder's indexes is the present one.
const NAME_FILE: &str = "name";

/// One index, open for reading.
#[derive(Clone)]
pub(super) struct Open {
    pub(super) name: String,
    pub(super) fields: Fields,
    pub(super) reader: IndexReader,
    pub(super) index: Index,
}

impl Open {
    fn of(name: String, index: Index, fields: Fields) -> tantivy::Result<(Self, IndexWriter)> {
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        let open = Self { name, fields, reader, index };
        let writer = open.writer()?;
        Ok((open, writer))
    }

    pub(super) fn writer(&self) -> tantivy::Result<IndexWriter> {
        let options = IndexWriterOptions::builder()
            .num_worker_threads(1)
            .memory_budget_per_thread(WRITER_BUDGET_BYTES)
            .num_merge_threads(MERGE_THREADS)
            .build();
        let writer = self.index.writer_with_options(options)?;
        let mut merges = LogMergePolicy::default();
        merges.set_del_docs_ratio_before_merge(DELETED_SHARE);
        writer.set_merge_policy(Box::new(merges));
        Ok(writer)
    }
}

/// The index that the folder names, or a new one where there is none that can be used.
pub(super) fn open_present(folder: &Path) -> Result<(Open, IndexWriter), SearchError> {
    let name = match fs::read_to_string(folder.join(NAME_FILE)) {
        Ok(name) => name,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            tracing::info!(folder = %folder.display(), "there is no search index yet: starting one");
            return start_new(folder);
        }
        Err(error) => {
            tracing::warn!(folder = %folder.display(), %error, "the search index has no name that can be read: starting a new one");
            return start_new(folder);
        }
    };
    let own_version = name.strip_prefix(&version_prefix()).is_some_and(|id| Uuid::try_parse(id).is_ok());
    if !own_version {
        tracing::warn!(folder = %folder.display(), %name, "the search index is of another version: starting a new one");
        return start_new(folder);
    }
    // Tantivy panics on some damaged files.
    let opened = catch_unwind(AssertUnwindSafe(|| open_named(folder, &name)));
    let why = match opened {
        Ok(Ok(opened)) => return Ok(opened),
        Ok(Err(TantivyError::LockFailure(error, _))) => return Err(away(error)),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "it cannot be read without a panic".to_owned(),
    };
    tracing::warn!(folder = %folder.display(), %name, why, "the search index is damaged: starting a new one");
    start_new(folder)
}

fn open_named(folder: &Path, name: &str) -> tantivy::Result<(Open, IndexWriter)> {
    let index = Index::open_in_dir(folder.join(name))?;
    let (expected, fields) = schema();
    if index.schema() != expected {
        return Err(TantivyError::SchemaError("the schema is another one".to_owned()));
    }
    let opened = Open::of(name.to_owned(), index, fields)?;
    for segment in opened.0.reader.searcher().segment_readers() {
        for field in [fields.key, fields.words, fields.suffixes] {
            segment.inverted_index(field)?;
        }
        segment.fast_fields().u64(VERSION)?;
    }
    Ok(opened)
}

/// An empty index, and only then the name that says so.
pub(super) fn start_new(folder: &Path) -> Result<(Open, IndexWriter), SearchError> {
    let name = format!("{}{}", version_prefix(), Uuid::now_v7().simple());
    let place = folder.join(&name);
    fs::create_dir_all(&place).map_err(away)?;
    let (schema, fields) = schema();
    let settings = IndexSettings { docstore_compress_dedicated_thread: false, ..IndexSettings::default() };
    let index = Index::builder().schema(schema).settings(settings).create_in_dir(&place).map_err(judge)?;
    let opened = Open::of(name.clone(), index, fields).map_err(judge)?;
    write_name(folder, &name).map_err(away)?;
    Ok(opened)
}

fn version_prefix() -> String {
    format!("tantivy-v{INDEX_VERSION}-")
}

fn write_name(folder: &Path, name: &str) -> io::Result<()> {
    let written = folder.join("name.new");
    let mut file = File::create(&written)?;
    file.write_all(name.as_bytes())?;
    file.sync_all()?;
    fs::rename(&written, folder.join(NAME_FILE))?;
    File::open(folder)?.sync_all()
}

/// Removes indexes that are no longer the present one. What cannot be removed now is removed at the next start.
pub(super) fn remove_others(folder: &Path, present: &str) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| name.starts_with("tantivy-v") && name != present)
            && let Err(error) = fs::remove_dir_all(entry.path())
        {
            tracing::warn!(folder = %entry.path().display(), %error, "an old search index could not be removed");
        }
    }
}
