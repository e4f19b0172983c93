use tantivy::schema::{BytesOptions, Field, NumericOptions, Schema};
use tantivy::{TantivyDocument, Term};

use crate::domain::{ApplicationId, ChatPlace, MessagePlace, Parent};
use crate::search::analysis::terms;
use crate::store::Row;

/// Goes up when the same rows would be indexed otherwise: by another schema, or by another analysis.
pub(super) const INDEX_VERSION: u32 = 2;

/// The fast fields, by name.
pub(super) const NUMBER: &str = "number";
pub(super) const VERSION: &str = "version";

/// Nothing is stored: a hit is a number, and the store has its row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields {
    /// One message: its versions replace each other.
    pub(super) key: Field,
    /// Its parents, so that they can be forgotten.
    chat: Field,
    application: Field,
    number: Field,
    version: Field,
    /// Terms, each with its chat in front, so that a search reads its own chat's vocabulary and nothing else.
    pub(super) words: Field,
    pub(super) suffixes: Field,
}

pub(super) fn schema() -> (Schema, Fields) {
    let mut schema = Schema::builder();
    let term = BytesOptions::default().set_indexed();
    let fast = NumericOptions::default().set_fast();
    let fields = Fields {
        key: schema.add_bytes_field("key", term.clone()),
        chat: schema.add_bytes_field("chat", term.clone()),
        application: schema.add_bytes_field("application", term.clone()),
        number: schema.add_u64_field(NUMBER, fast.clone()),
        version: schema.add_u64_field(VERSION, fast),
        words: schema.add_bytes_field("words", term.clone()),
        suffixes: schema.add_bytes_field("suffixes", term),
    };
    (schema.build(), fields)
}

impl Fields {
    pub(super) fn key_term(&self, place: MessagePlace) -> Term {
        Term::from_field_bytes(self.key, &message_bytes(place))
    }

    pub(super) fn parent_term(&self, parent: Parent) -> Term {
        match parent {
            Parent::Application(id) => Term::from_field_bytes(self.application, &application_bytes(id)),
            Parent::Chat(place) => Term::from_field_bytes(self.chat, &chat_bytes(place)),
        }
    }

    /// What is indexed of a row, and how many bytes of terms it has. A tombstone has a version and no terms.
    pub(super) fn document(&self, row: &Row) -> (TantivyDocument, usize) {
        let mut document = TantivyDocument::default();
        let chat = chat_bytes(row.place.chat);
        document.add_bytes(self.key, &message_bytes(row.place));
        document.add_bytes(self.chat, &chat);
        document.add_bytes(self.application, &application_bytes(row.place.chat.application));
        document.add_u64(self.number, row.place.number.get());
        document.add_u64(self.version, row.version);
        let mut weight_bytes = 0;
        if let Some(body) = &row.body {
            let terms = terms(body.as_str());
            let mut term = chat.clone();
            let mut add = |field, text: &str| {
                term.truncate(chat.len());
                term.extend_from_slice(text.as_bytes());
                weight_bytes += term.len();
                document.add_bytes(field, &term);
            };
            terms.words().for_each(|word| add(self.words, word));
            terms.suffixes().for_each(|suffix| add(self.suffixes, suffix));
        }
        (document, weight_bytes)
    }
}

/// What stands in front of every term of a chat. No chat's bytes begin another's.
pub(super) fn chat_bytes(place: ChatPlace) -> Vec<u8> {
    let mut bytes = application_bytes(place.application);
    push_number(&mut bytes, place.chat.get());
    bytes
}

fn application_bytes(id: ApplicationId) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(32);
    push_number(&mut bytes, id.0.cast_unsigned());
    bytes
}

fn message_bytes(place: MessagePlace) -> Vec<u8> {
    let mut bytes = chat_bytes(place.chat);
    push_number(&mut bytes, place.number.get());
    bytes
}

/// A number's significant bytes after their count: short, in order, and never the beginning of another's. The
/// terms are many, and each bears two.
fn push_number(bytes: &mut Vec<u8>, number: u64) {
    let all = number.to_be_bytes();
    let zeros = number.leading_zeros() as usize / 8;
    let significant = all.get(zeros..).unwrap_or_default();
    bytes.push(significant.len() as u8);
    bytes.extend_from_slice(significant);
}
