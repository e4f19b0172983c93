use std::fmt;

/// The place of a chat in its application or of a message in its chat: 1, 2, 3 … up to `i64::MAX`, which is
/// what every store can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Number(u64);

impl Number {
    /// The first number of every parent.
    pub const FIRST: Self = Self(1);

    /// `None` for zero and for what no store can hold.
    #[must_use]
    pub const fn new(value: u64) -> Option<Self> {
        if value >= 1 && value <= i64::MAX as u64 { Some(Self(value)) } else { None }
    }

    /// As written in a path: digits without leading zeros.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits || text.starts_with('0') {
            return None;
        }
        text.parse().ok().and_then(Self::new)
    }

    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The store's own key of an application. It never leaves the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ApplicationId(pub i64);

/// One chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChatPlace {
    pub application: ApplicationId,
    pub chat: Number,
}

/// One message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessagePlace {
    pub chat: ChatPlace,
    pub number: Number,
}

/// Whose children a number counts: an application's chats or a chat's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Parent {
    Application(ApplicationId),
    Chat(ChatPlace),
}

impl Parent {
    #[must_use]
    pub const fn application(self) -> ApplicationId {
        match self {
            Self::Application(application) => application,
            Self::Chat(place) => place.application,
        }
    }

    /// Its application, and its number there: 0 for the application itself.
    #[must_use]
    pub fn place(self) -> (ApplicationId, u64) {
        match self {
            Self::Application(application) => (application, 0),
            Self::Chat(place) => (place.application, place.chat.get()),
        }
    }

    /// The other way round.
    #[must_use]
    pub fn at(application: ApplicationId, chat: u64) -> Self {
        match Number::new(chat) {
            Some(chat) => Self::Chat(ChatPlace { application, chat }),
            None => Self::Application(application),
        }
    }
}
