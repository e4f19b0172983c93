use std::collections::HashMap;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tantivy::columnar::Column;
use tantivy::directory::error::{OpenDirectoryError, OpenReadError};
use tantivy::fastfield::AliveBitSet;
use tantivy::schema::IndexRecordOption;
use tantivy::{Index, IndexWriter, InvertedIndexReader, Searcher, TantivyError, Term};

use super::folder::{Open, open_present, remove_others, start_new};
use super::schema::{Fields, VERSION};
use super::{away, judge};
use crate::domain::{MessagePlace, Parent};
use crate::search::SearchError;
use crate::store::Row;

/// Terms handed to the indexing thread before a commit waits for it: what may be queued in memory.
const COMMIT_LIMIT_BYTES: usize = 8 * 1024 * 1024;
/// How often a check begins anew because a merge, or a new index, took files away under it.
const VERIFY_ATTEMPTS: usize = 5;

/// Locked by the one process that writes here.
const LOCK_FILE: &str = "lock";

/// The folder and what is open in it. Each index has a folder of its own in it, named as the index, so that a
/// new one starts while the old one is still read. All calls block.
pub(super) struct Shelf {
    folder: PathBuf,
    /// Held as long as this lives: one process writes here.
    _lock: File,
    open: RwLock<Open>,
    /// `None` after an error, whose uncommitted documents went with it.
    writer: Mutex<Option<IndexWriter>>,
}

impl Shelf {
    pub(super) fn open(folder: &Path) -> Result<Self, SearchError> {
        fs::create_dir_all(folder).map_err(away)?;
        let lock = File::create(folder.join(LOCK_FILE)).map_err(away)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(away("another process has this index open")),
            Err(TryLockError::Error(error)) => return Err(away(error)),
        }
        let (open, writer) = open_present(folder)?;
        remove_others(folder, &open.name);
        Ok(Self {
            folder: folder.to_owned(),
            _lock: lock,
            open: RwLock::new(open),
            writer: Mutex::new(Some(writer)),
        })
    }

    pub(super) fn present(&self) -> Open {
        self.open.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn renew(&self) -> Result<(), SearchError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        drop(writer.take());
        let (open, new_writer) = start_new(&self.folder)?;
        remove_others(&self.folder, &open.name);
        *writer = Some(new_writer);
        let before = std::mem::replace(&mut *self.open.write().unwrap_or_else(PoisonError::into_inner), open);
        // Closed when nobody waits for it.
        drop(before);
        Ok(())
    }

    /// Reads every file once, by a map of its own: one of those that searches use would stay in memory as a whole.
    pub(super) fn verify(&self) -> Result<(), SearchError> {
        let mut attempt = 1;
        loop {
            let folder = self.folder.join(self.present().name);
            match Index::open_in_dir(folder).and_then(|index| index.validate_checksum()) {
                Ok(damaged) if damaged.is_empty() => return Ok(()),
                Ok(damaged) => {
                    return Err(SearchError::Damaged(format!("checksums differ: {damaged:?}").into()));
                }
                Err(
                    TantivyError::OpenReadError(OpenReadError::FileDoesNotExist(_))
                    | TantivyError::OpenDirectoryError(OpenDirectoryError::DoesNotExist(_)),
                ) if attempt < VERIFY_ATTEMPTS => {
                    attempt += 1;
                }
                Err(error) => return Err(judge(error)),
            }
        }
    }

    pub(super) fn index(&self, rows: &[Row]) -> Result<(), SearchError> {
        self.write(|open, writer| {
            let searcher = open.reader.searcher();
            let known = Versions::of(&searcher, &open.fields)?;
            let mut waiting_bytes = 0;
            let mut changed = false;
            for row in newest(rows) {
                let key = open.fields.key_term(row.place);
                let before = known.version(&key)?;
                if before.is_some_and(|version| version >= row.version) {
                    continue;
                }
                if before.is_some() {
                    writer.delete_term(key);
                }
                let (document, weight_bytes) = open.fields.document(row);
                writer.add_document(document)?;
                changed = true;
                waiting_bytes += weight_bytes;
                if waiting_bytes > COMMIT_LIMIT_BYTES {
                    writer.commit()?;
                    waiting_bytes = 0;
                }
            }
            Ok(changed)
        })
    }

    pub(super) fn missing(&self, versions: &[(MessagePlace, u64)]) -> Result<Vec<MessagePlace>, SearchError> {
        let open = self.present();
        let searcher = open.reader.searcher();
        let known = Versions::of(&searcher, &open.fields).map_err(judge)?;
        let mut missing = Vec::new();
        for &(place, version) in versions {
            if known.version(&open.fields.key_term(place)).map_err(judge)? < Some(version) {
                missing.push(place);
            }
        }
        Ok(missing)
    }

    pub(super) fn forget(&self, parents: &[Parent]) -> Result<(), SearchError> {
        self.write(|open, writer| {
            let searcher = open.reader.searcher();
            let mut changed = false;
            for &parent in parents {
                let term = open.fields.parent_term(parent);
                if searcher.doc_freq(&term)? > 0 {
                    writer.delete_term(term);
                    changed = true;
                }
            }
            Ok(changed)
        })
    }

    /// Writes, and where something changed commits, and shows it to the next search. Whatever goes wrong, also
    /// a panic, takes the writer with it: nothing half done is ever committed.
    fn write(
        &self,
        change: impl FnOnce(&Open, &mut IndexWriter) -> tantivy::Result<bool>,
    ) -> Result<(), SearchError> {
        let mut kept = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let open = self.present();
        let mut writer = match kept.take() {
            Some(writer) => writer,
            None => {
                let writer = open.writer().map_err(judge)?;
                // A commit that seemed to fail may have happened.
                open.reader.reload().map_err(judge)?;
                writer
            }
        };
        if change(&open, &mut writer).map_err(judge)? {
            writer.commit().map_err(judge)?;
            open.reader.reload().map_err(judge)?;
        }
        *kept = Some(writer);
        Ok(())
    }
}

/// Each message's newest version.
fn newest(rows: &[Row]) -> Vec<&Row> {
    let mut newest: HashMap<MessagePlace, &Row> = HashMap::with_capacity(rows.len());
    for row in rows {
        let kept = newest.entry(row.place).or_insert(row);
        if kept.version < row.version {
            *kept = row;
        }
    }
    let mut newest: Vec<&Row> = newest.into_values().collect();
    newest.sort_unstable_by_key(|row| row.place);
    newest
}

/// Which versions the index has.
struct Versions<'a> {
    segments: Vec<(Arc<InvertedIndexReader>, Column<u64>, Option<&'a AliveBitSet>)>,
}

impl<'a> Versions<'a> {
    fn of(searcher: &'a Searcher, fields: &Fields) -> tantivy::Result<Self> {
        let mut segments = Vec::new();
        for segment in searcher.segment_readers() {
            let keys = segment.inverted_index(fields.key)?;
            segments.push((keys, segment.fast_fields().u64(VERSION)?, segment.alive_bitset()));
        }
        Ok(Self { segments })
    }

    fn version(&self, key: &Term) -> tantivy::Result<Option<u64>> {
        let mut newest = None;
        for (keys, versions, alive) in &self.segments {
            let Some(mut documents) = keys.read_block_postings(key, IndexRecordOption::Basic)? else {
                continue;
            };
            while !documents.docs().is_empty() {
                for &document in documents.docs() {
                    if alive.is_none_or(|alive| alive.is_alive(document)) {
                        newest = newest.max(versions.first(document));
                    }
                }
                documents.advance();
            }
        }
        Ok(newest)
    }
}
