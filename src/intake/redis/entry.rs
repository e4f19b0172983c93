//! A batch as it stands in a stream, and what became of its drafts.
//!
//! An entry is a byte that tells the version of what follows, and the drafts in postcard's format. What became of
//! them, the *outcome*, is the text that `accept.lua` describes; it names parents and drafts by their places, so
//! that drafts and outcome together give each draft its number again.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::keys;
use crate::domain::{
    ApplicationId, Body, ChatPlace, Content, Digest, Draft, DraftId, Key, KeyUse, Number, Numbered, Parent,
    Timestamp,
};
use crate::intake::Place;

/// Of an entry. A node leaves alone what it does not know; a newer one keeps it.
const VERSION: u8 = 1;

/// An entry or a receipt that cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum EntryError {
    #[error("it is of version {0}, this node knows {VERSION}")]
    Version(u8),
    #[error("its drafts cannot be read")]
    Drafts(#[from] postcard::Error),
    #[error("a draft holds what no draft may hold")]
    Draft,
    #[error("its outcome cannot be read: {0}")]
    Outcome(String),
}

/// How a batch is made up: what the script is told instead of each draft.
pub(super) struct Shape {
    /// Each once, in the order of their first drafts.
    pub(super) parents: Vec<Parent>,
    /// How many drafts each parent has.
    pub(super) counts: Vec<usize>,
    /// Of drafts with a key, in their order: the place of its parent (1, 2, …).
    pub(super) keyed: Vec<usize>,
    /// Each draft: the place of its parent (0, 1, …), and whether it has a key.
    drafts: Vec<(usize, bool)>,
}

/// A key that a draft of an entry holds.
#[derive(Debug, Clone)]
pub(super) struct Hold {
    pub(super) name: String,
    pub(super) draft: DraftId,
}

impl Shape {
    pub(super) fn of(drafts: &[Draft]) -> Self {
        let mut places = HashMap::new();
        let mut shape = Self {
            parents: Vec::new(),
            counts: Vec::new(),
            keyed: Vec::new(),
            drafts: Vec::with_capacity(drafts.len()),
        };
        for draft in drafts {
            let place = *places.entry(draft.parent).or_insert_with(|| {
                shape.parents.push(draft.parent);
                shape.counts.push(0);
                shape.parents.len() - 1
            });
            if let Some(count) = shape.counts.get_mut(place) {
                *count += 1;
            }
            if draft.key.is_some() {
                shape.keyed.push(place + 1);
            }
            shape.drafts.push((place, draft.key.is_some()));
        }
        shape
    }

    /// What became of each draft.
    pub(super) fn places(&self, outcome: &str) -> Result<Vec<Place>, EntryError> {
        self.read(outcome).ok_or_else(|| EntryError::Outcome(outcome.to_owned()))
    }

    fn read(&self, outcome: &str) -> Option<Vec<Place>> {
        let (parents, held) = outcome.split_once('|')?;
        let mut next: Vec<Place> = parents.split_whitespace().map(first_place).collect::<Option<_>>()?;
        let mut held = held.split_whitespace().map(str::parse::<usize>).peekable();
        let mut keyed = 0;
        let mut places = Vec::with_capacity(self.drafts.len());
        for &(parent, has_key) in &self.drafts {
            keyed += usize::from(has_key);
            if has_key && held.next_if(|held| *held == Ok(keyed)).is_some() {
                places.push(Place::Held);
                continue;
            }
            let place = next.get_mut(parent)?;
            places.push(*place);
            if let Place::Numbered(number) = place {
                *number = Number::new(number.get() + 1)?;
            }
        }
        held.next().is_none().then_some(places)
    }
}

fn first_place(word: &str) -> Option<Place> {
    match word {
        "u" => Some(Place::Unseeded),
        "r" => Some(Place::Retired),
        number => Number::parse(number).map(Place::Numbered),
    }
}

/// The keys that the numbered drafts of a batch took.
pub(super) fn holds<'a>(drafts: impl IntoIterator<Item = &'a Draft>) -> Vec<Hold> {
    let hold = |draft: &Draft| Some(Hold { name: keys::hold(draft.key.as_ref()?), draft: draft.id });
    drafts.into_iter().filter_map(hold).collect()
}

pub(super) fn encode(drafts: &[Draft]) -> Result<Vec<u8>, postcard::Error> {
    let written: Vec<Written<'_>> = drafts.iter().map(Written::of).collect();
    postcard::to_extend(&written, vec![VERSION])
}

/// The drafts of an entry that got a number.
pub(super) fn decode(bytes: &[u8], outcome: &str) -> Result<Vec<Numbered>, EntryError> {
    let (version, written) = bytes.split_first().ok_or(EntryError::Draft)?;
    if *version != VERSION {
        return Err(EntryError::Version(*version));
    }
    let written: Vec<Written<'_>> = postcard::from_bytes(written)?;
    let drafts: Vec<Draft> =
        written.into_iter().map(Written::draft).collect::<Option<_>>().ok_or(EntryError::Draft)?;
    let places = Shape::of(&drafts).places(outcome)?;
    let numbered = drafts.into_iter().zip(places).filter_map(|(draft, place)| match place {
        Place::Numbered(number) => Some(Numbered { draft, number }),
        Place::Unseeded | Place::Retired | Place::Held => None,
    });
    Ok(numbered.collect())
}

/// A draft as it is written.
#[derive(Serialize, Deserialize)]
struct Written<'a> {
    id: [u8; 16],
    application: i64,
    /// The chat of a message; none for a chat.
    chat: Option<u64>,
    body: Option<&'a str>,
    #[serde(borrow)]
    key: Option<WrittenKey<'a>>,
    created_at_micros: i64,
}

#[derive(Serialize, Deserialize)]
struct WrittenKey<'a> {
    application: i64,
    key: &'a str,
    path: [u8; 32],
    body: [u8; 32],
}

impl<'a> Written<'a> {
    fn of(draft: &'a Draft) -> Self {
        Self {
            id: draft.id.0.into_bytes(),
            application: draft.parent.application().0,
            chat: match draft.parent {
                Parent::Application(_) => None,
                Parent::Chat(chat) => Some(chat.chat.get()),
            },
            body: match &draft.content {
                Content::Chat => None,
                Content::Message(body) => Some(body.as_str()),
            },
            key: draft.key.as_ref().map(|key| WrittenKey {
                application: key.application.0,
                key: key.key.as_str(),
                path: key.path.0,
                body: key.body.0,
            }),
            created_at_micros: draft.created_at.micros(),
        }
    }

    fn draft(self) -> Option<Draft> {
        let application = ApplicationId(self.application);
        let parent = match self.chat {
            None => Parent::Application(application),
            Some(chat) => Parent::Chat(ChatPlace { application, chat: Number::new(chat)? }),
        };
        let key = match self.key {
            None => None,
            Some(written) => Some(KeyUse {
                application: ApplicationId(written.application),
                key: Key::parse(written.key.as_bytes())?,
                path: Digest(written.path),
                body: Digest(written.body),
            }),
        };
        let content = match (parent, self.body) {
            (Parent::Application(_), None) => Content::Chat,
            (Parent::Chat(_), Some(body)) => Content::Message(Body::kept(body)),
            (Parent::Application(_), Some(_)) | (Parent::Chat(_), None) => return None,
        };
        Some(Draft {
            id: DraftId(Uuid::from_bytes(self.id)),
            parent,
            content,
            key,
            created_at: Timestamp::from_micros(self.created_at_micros),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three of one chat, the second with a key; a chat with a key; one of another chat.
    fn drafts() -> Vec<Draft> {
        let application = ApplicationId(7);
        let chat = |number| Parent::Chat(ChatPlace { application, chat: Number::new(number).unwrap() });
        let key = |name: &str| {
            let (path, body) = (Digest::of(&["a path"]), Digest::of(&["a body"]));
            Some(KeyUse { application, key: Key::parse(name.as_bytes()).unwrap(), path, body })
        };
        let draft = |parent, key| Draft {
            id: DraftId(Uuid::from_u128(1)),
            parent,
            content: match parent {
                Parent::Application(_) => Content::Chat,
                Parent::Chat(_) => Content::Message(Body::parse("hello \u{1f600}").unwrap()),
            },
            key,
            created_at: Timestamp::from_micros(1_700_000_000_000_000),
        };
        vec![
            draft(chat(1), None),
            draft(chat(1), key("one")),
            draft(Parent::Application(application), key("two")),
            draft(chat(1), None),
            draft(chat(2), None),
        ]
    }

    #[test]
    fn an_entry_is_read_as_it_was_written() {
        let bytes = encode(&drafts()).unwrap();
        let numbered = decode(&bytes, "5 r 9|1").unwrap();
        let numbers: Vec<_> =
            numbered.iter().map(|it| (it.draft.parent.place().1, it.number.get())).collect();
        assert_eq!(numbers, [(1, 5), (1, 6), (2, 9)], "the first key is held, the second's parent retired");
        assert_eq!(encode(&drafts()).unwrap(), bytes);
        assert!(matches!(
            decode(&bytes[1..], "5 r 9|1"),
            Err(EntryError::Version(_) | EntryError::Drafts(_))
        ));
        let past_the_last = format!("{} 1 1|", i64::MAX);
        assert!(
            matches!(decode(&bytes, &past_the_last), Err(EntryError::Outcome(_))),
            "no store holds such a number"
        );
    }

    #[test]
    fn an_entry_is_read_or_refused_whatever_comes() {
        crate::tests::fuzz("entries", |input| {
            let (outcome, bytes) = input.split_at(input.iter().position(|byte| *byte == b'\n').unwrap_or(0));
            let Ok(outcome) = std::str::from_utf8(outcome) else { return };
            let Ok(numbered) = decode(bytes.strip_prefix(b"\n").unwrap_or(bytes), outcome) else { return };
            for Numbered { draft, number } in &numbered {
                assert!(i64::try_from(number.get()).is_ok());
                assert_eq!(
                    matches!(draft.parent, Parent::Chat(_)),
                    matches!(draft.content, Content::Message(_))
                );
            }
            let drafts: Vec<Draft> = numbered.into_iter().map(|it| it.draft).collect();
            let again = encode(&drafts).unwrap();
            let places = "1 ".repeat(Shape::of(&drafts).parents.len());
            let read: Vec<Draft> =
                decode(&again, &format!("{places}|")).unwrap().into_iter().map(|it| it.draft).collect();
            assert_eq!(format!("{read:?}"), format!("{drafts:?}"));
        });
    }

    #[test]
    fn an_outcome_gives_each_draft_its_place_or_is_refused_whatever_comes() {
        let drafts = drafts();
        let shape = Shape::of(&drafts);
        crate::tests::fuzz("outcomes", |input| {
            let Ok(outcome) = std::str::from_utf8(input) else { return };
            let Ok(places) = shape.places(outcome) else { return };
            assert_eq!(places.len(), drafts.len());
            let mut next: HashMap<Parent, Number> = HashMap::new();
            for (draft, place) in drafts.iter().zip(places) {
                match place {
                    Place::Numbered(number) => {
                        assert!(
                            next.get(&draft.parent).is_none_or(|next| *next == number),
                            "numbers are dense"
                        );
                        assert!(i64::try_from(number.get()).is_ok());
                        next.insert(draft.parent, number.next());
                    }
                    Place::Held => assert!(draft.key.is_some(), "nothing is held for it"),
                    Place::Unseeded | Place::Retired => assert!(!next.contains_key(&draft.parent)),
                }
            }
        });
    }
}
