use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::access::NewAccessKey;
use super::number::{ApplicationId, Number, Parent};
use super::text::{Body, Name};
use super::time::Timestamp;
use super::token::Token;

/// A draft's identity, a UUIDv7 (RFC 9562): unique in the store, so that a draft delivered twice finds its row
/// (law 4), and ordered by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DraftId(pub Uuid);

impl DraftId {
    #[must_use]
    pub fn fresh() -> Self {
        Self(Uuid::now_v7())
    }

    /// The smallest id that a draft of this moment could have.
    #[must_use]
    pub fn earliest_at(moment: Timestamp) -> Self {
        let millis = u64::try_from(moment.micros() / 1_000).unwrap_or(0);
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &[0; 10]).into_uuid())
    }
}

/// The identity of one accept: accepting the same batch again returns the first receipt (law 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BatchId(pub Uuid);

impl BatchId {
    #[must_use]
    pub fn fresh() -> Self {
        Self(Uuid::now_v7())
    }
}

/// A checked creation that has no number yet. Its number comes from [`crate::intake::Intake::accept`] and
/// changes its type to [`Numbered`].
#[derive(Debug, Clone)]
pub struct Draft {
    pub id: DraftId,
    pub parent: Parent,
    pub content: Content,
    pub key: Option<KeyUse>,
    pub created_at: Timestamp,
}

impl Draft {
    /// What this draft takes of a bound in bytes.
    #[must_use]
    pub fn weight_bytes(&self) -> usize {
        let text = match &self.content {
            Content::Chat => 0,
            Content::Message(body) => body.as_str().len(),
        };
        size_of::<Self>() + text
    }
}

/// What a draft holds.
#[derive(Debug, Clone)]
pub enum Content {
    Chat,
    Message(Body),
}

/// A draft with the number it was accepted under.
#[derive(Debug, Clone)]
pub struct Numbered {
    pub draft: Draft,
    pub number: Number,
}

/// An application to be created; it has a token and no number.
#[derive(Debug, Clone)]
pub struct NewApplication {
    pub token: Token,
    pub name: Name,
    pub key: Option<KeyUse>,
    /// Its first key, where it takes one to use it.
    pub access: Option<NewAccessKey>,
    pub created_at: Timestamp,
}

/// SHA-256 of something compared and never shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Each part is preceded by its length, so that no two lists of parts look alike.
    #[must_use]
    pub fn of(parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        Self(hash.finalize().into())
    }
}

/// What a client gave as `Idempotency-Key`: 1 to 255 visible ASCII characters, compared as bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key(String);

/// Longest `Idempotency-Key`, in characters.
pub const KEY_LIMIT_CHARACTERS: usize = 255;

impl Key {
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let visible =
            (1..=KEY_LIMIT_CHARACTERS).contains(&text.len()) && text.iter().all(u8::is_ascii_graphic);
        visible.then(|| std::str::from_utf8(text).ok().map(|text| Self(text.to_owned())))?
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One use of a key. The same key on another path is another use; the same use with another body is a mistake
/// of the client.
#[derive(Debug, Clone)]
pub struct KeyUse {
    /// Zero for the creation of an application, which belongs to no tenant.
    pub application: ApplicationId,
    pub key: Key,
    pub path: Digest,
    /// Of the meaning of the body, not of its bytes.
    pub body: Digest,
}
