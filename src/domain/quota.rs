//! How much an application may hold, and what it holds.

use super::draft::{Content, Draft};
use super::number::{MessagePlace, Number, Parent};
use super::text::Body;

/// How much an application may hold; as much as it likes of what has none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quota {
    pub chats: Option<u64>,
    pub messages: Option<u64>,
    /// Of the bodies of messages, in UTF-8.
    pub bytes: Option<u64>,
}

/// What an application holds: what is deleted does not count, from the moment at which its rows go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    pub chats: u64,
    pub messages: u64,
    pub bytes: u64,
}

/// The account of an application that has a quota. Whoever changes what is held has locked it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub quota: Quota,
    pub used: Usage,
    pub counted: Counted,
}

/// How far messages that were there before the quota have been counted, in the order of their places. Those behind it
/// are nobody's to count but the count's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Counted {
    pub chat: u64,
    pub number: u64,
}

impl Counted {
    pub const NONE: Self = Self { chat: 0, number: 0 };
    pub const ALL: Self = Self { chat: i64::MAX.cast_unsigned(), number: i64::MAX.cast_unsigned() };

    #[must_use]
    pub fn at(place: MessagePlace) -> Self {
        Self { chat: place.chat.chat.get(), number: place.number.get() }
    }
}

impl Quota {
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl Account {
    /// Whether there is room for this draft under this number; takes it where there is.
    pub fn admit(&mut self, draft: &Draft, number: Number) -> bool {
        let Usage { chats, messages, bytes } = self.used;
        match (draft.parent, &draft.content) {
            (Parent::Chat(chat), Content::Message(body)) => {
                let more = bytes_of(body);
                if !has_room(self.quota.messages, messages, 1) || !has_room(self.quota.bytes, bytes, more) {
                    return false;
                }
                if Counted::at(MessagePlace { chat, number }) <= self.counted {
                    (self.used.messages, self.used.bytes) = (messages + 1, bytes + more);
                }
            }
            _ => {
                if !has_room(self.quota.chats, chats, 1) {
                    return false;
                }
                self.used.chats = chats + 1;
            }
        }
        true
    }

    /// Whether there is room for an edit; takes it where there is. One that makes a message shorter is always let in.
    pub fn replace(&mut self, place: MessagePlace, before: &Body, after: &Body) -> bool {
        let (before, after) = (bytes_of(before), bytes_of(after));
        if after > before && !has_room(self.quota.bytes, self.used.bytes, after - before) {
            return false;
        }
        if Counted::at(place) <= self.counted {
            self.used.bytes = (self.used.bytes + after).saturating_sub(before);
        }
        true
    }
}

fn has_room(quota: Option<u64>, used: u64, more: u64) -> bool {
    quota.is_none_or(|quota| used.saturating_add(more) <= quota)
}

/// What a body counts.
fn bytes_of(body: &Body) -> u64 {
    u64::try_from(body.as_str().len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ApplicationId, ChatPlace, DraftId, Timestamp};

    const CHAT: ChatPlace = ChatPlace { application: ApplicationId(1), chat: Number::FIRST };

    fn message(body: &str) -> Draft {
        Draft { content: Content::Message(Body::parse(body).unwrap()), ..chat(Parent::Chat(CHAT)) }
    }

    fn chat(parent: Parent) -> Draft {
        Draft {
            id: DraftId::fresh(),
            parent,
            content: Content::Chat,
            key: None,
            created_at: Timestamp::now(),
        }
    }

    #[test]
    fn as_much_is_let_in_as_the_quota_allows_and_no_more() {
        let quota = Quota { chats: Some(1), messages: Some(3), bytes: Some(10) };
        let mut account = Account { quota, used: Usage::default(), counted: Counted::ALL };
        let new_chat = chat(Parent::Application(ApplicationId(1)));
        assert_eq!([0, 1].map(|_| account.admit(&new_chat, Number::FIRST)), [true, false]);
        let said =
            ["four", "seven11", "six666", "x"].map(|body| account.admit(&message(body), Number::FIRST));
        assert_eq!(said, [true, false, true, false]);
        assert_eq!(account.used, Usage { chats: 1, messages: 2, bytes: 10 });
        let place = MessagePlace { chat: CHAT, number: Number::FIRST };
        let body = |text| Body::parse(text).unwrap();
        assert!(!account.replace(place, &body("four"), &body("fives")));
        assert!(account.replace(place, &body("four"), &body("two")));
        assert!(account.admit(&message("x"), Number::FIRST));
        assert_eq!(account.used, Usage { chats: 1, messages: 3, bytes: 10 });
    }

    #[test]
    fn what_the_count_has_yet_to_reach_is_let_in_and_left_to_it() {
        let quota = Quota { messages: Some(2), ..Quota::default() };
        let counted = Counted { chat: 1, number: 5 };
        let mut account = Account { quota, used: Usage::default(), counted };
        for at in [6, 7, 8, 5] {
            assert!(account.admit(&message("hello"), Number::new(at).unwrap()));
        }
        assert_eq!(account.used, Usage { chats: 0, messages: 1, bytes: 5 });
    }
}
