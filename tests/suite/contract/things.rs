use chat_system::domain::{
    ApplicationId, BatchId, Body, ChatPlace, Content, Digest, Draft, DraftId, Key, KeyUse, MessagePlace,
    Number, Numbered, Parent, Timestamp,
};
use chat_system::store::Row;

pub(crate) fn number(value: u64) -> Number {
    Number::new(value).expect("a number")
}

pub(crate) fn chat_of(application: i64, chat: u64) -> ChatPlace {
    ChatPlace { application: ApplicationId(application), chat: number(chat) }
}

pub(crate) fn in_chat(chat: ChatPlace, value: u64) -> MessagePlace {
    MessagePlace { chat, number: number(value) }
}

pub(crate) fn batch() -> BatchId {
    BatchId::fresh()
}

pub(crate) fn message(chat: ChatPlace, body: &str) -> Draft {
    draft(Parent::Chat(chat), Content::Message(Body::parse(body).expect("a body")))
}

pub(crate) fn new_chat(application: ApplicationId) -> Draft {
    draft(Parent::Application(application), Content::Chat)
}

/// A child of either kind.
pub(crate) fn child(parent: Parent) -> Draft {
    match parent {
        Parent::Application(application) => new_chat(application),
        Parent::Chat(chat) => message(chat, "hello"),
    }
}

pub(crate) fn children(parent: Parent, count: usize) -> Vec<Draft> {
    (0..count).map(|_| child(parent)).collect()
}

fn draft(parent: Parent, content: Content) -> Draft {
    Draft { id: DraftId::fresh(), parent, content, key: None, created_at: Timestamp::now() }
}

/// A use of this key where a parent's children are created.
pub(crate) fn key(parent: Parent, key: &str) -> KeyUse {
    let path = match parent {
        Parent::Application(application) => format!("applications/{}", application.0),
        Parent::Chat(chat) => format!("applications/{}/chats/{}", chat.application.0, chat.chat),
    };
    KeyUse {
        application: parent.application(),
        key: Key::parse(key.as_bytes()).expect("a key"),
        path: Digest::of(&[&path]),
        body: Digest::of(&["a body"]),
    }
}

pub(crate) fn with_key(draft: Draft, name: &str) -> Draft {
    let key = key(draft.parent, name);
    Draft { key: Some(key), ..draft }
}

pub(crate) fn numbered(draft: Draft, value: u64) -> Numbered {
    Numbered { draft, number: number(value) }
}

pub(crate) fn row(chat: ChatPlace, value: u64, version: u64, body: &str) -> Row {
    Row { place: in_chat(chat, value), version, body: Some(Body::kept(body)) }
}

pub(crate) fn tombstone(chat: ChatPlace, value: u64, version: u64) -> Row {
    Row { place: in_chat(chat, value), version, body: None }
}

/// Numbers that look random and are the same in every run.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// From 0 to `sides`, excluded.
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let sides = u64::try_from(sides).expect("sides");
        usize::try_from((self.0 >> 11) % sides).expect("a side")
    }

    pub(crate) fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.roll(of.len())]
    }
}
