//! What can be asked for, under which path, and by whom.

use super::guard::Right;
use super::route::{Route, Verb};
use crate::domain::Scope;

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    ListApplications,
    CreateApplication,
    ReadApplication,
    RenameApplication,
    DeleteApplication,
    ListKeys,
    CreateKey,
    RevokeKey,
    ReadLimits,
    SetLimits,
    ListChats,
    CreateChat,
    ReadChat,
    DeleteChat,
    ListMessages,
    CreateMessage,
    ReadMessage,
    EditMessage,
    DeleteMessage,
    Search,
    SearchByQueryString,
    Live,
    Ready,
    Measure,
    Describe,
}

impl Call {
    /// What it takes where the door is closed.
    pub(super) const fn right(self) -> Right {
        match self {
            Self::Live | Self::Ready | Self::Describe => Right::Anybody,
            Self::Measure => Right::Operator,
            Self::ListApplications
            | Self::CreateApplication
            | Self::DeleteApplication
            | Self::ListKeys
            | Self::CreateKey
            | Self::RevokeKey
            | Self::ReadLimits
            | Self::SetLimits => Right::Admin,
            Self::ReadApplication => Right::AdminOr(Scope::Read),
            Self::RenameApplication => Right::AdminOr(Scope::Write),
            Self::ListChats | Self::ReadChat | Self::ListMessages | Self::ReadMessage => {
                Right::Of(Scope::Read)
            }
            Self::CreateChat
            | Self::DeleteChat
            | Self::CreateMessage
            | Self::EditMessage
            | Self::DeleteMessage => Right::Of(Scope::Write),
            Self::Search | Self::SearchByQueryString => Right::Of(Scope::Search),
        }
    }
}

/// The paths of the document. `message` is taken for `messages`, and one trailing slash is the same path.
pub(super) static ROUTES: [Route; 14] = [
    Route::new(
        "/api/v1/applications/{token}/chats/{chat_number}/messages",
        &[(Verb::Get, Call::ListMessages), (Verb::Post, Call::CreateMessage)],
    ),
    Route::new(
        "/api/v1/applications/{token}/chats/{chat_number}/messages/search",
        &[(Verb::Get, Call::SearchByQueryString), (Verb::Post, Call::Search)],
    ),
    Route::new(
        "/api/v1/applications/{token}/chats/{chat_number}/messages/{message_number}",
        &[
            (Verb::Get, Call::ReadMessage),
            (Verb::Put, Call::EditMessage),
            (Verb::Patch, Call::EditMessage),
            (Verb::Delete, Call::DeleteMessage),
        ],
    ),
    Route::new(
        "/api/v1/applications/{token}/chats",
        &[(Verb::Get, Call::ListChats), (Verb::Post, Call::CreateChat)],
    ),
    Route::new(
        "/api/v1/applications/{token}/chats/{chat_number}",
        &[(Verb::Get, Call::ReadChat), (Verb::Delete, Call::DeleteChat)],
    ),
    Route::new(
        "/api/v1/applications",
        &[(Verb::Get, Call::ListApplications), (Verb::Post, Call::CreateApplication)],
    ),
    Route::new(
        "/api/v1/applications/{token}",
        &[
            (Verb::Get, Call::ReadApplication),
            (Verb::Put, Call::RenameApplication),
            (Verb::Patch, Call::RenameApplication),
            (Verb::Delete, Call::DeleteApplication),
        ],
    ),
    Route::new(
        "/api/v1/applications/{token}/keys",
        &[(Verb::Get, Call::ListKeys), (Verb::Post, Call::CreateKey)],
    ),
    Route::new("/api/v1/applications/{token}/keys/{key_number}", &[(Verb::Delete, Call::RevokeKey)]),
    Route::new(
        "/api/v1/applications/{token}/limits",
        &[(Verb::Get, Call::ReadLimits), (Verb::Put, Call::SetLimits)],
    ),
    Route::new("/api/v1/openapi.json", &[(Verb::Get, Call::Describe)]),
    Route::new("/metrics", &[(Verb::Get, Call::Measure)]),
    Route::new("/health/live", &[(Verb::Get, Call::Live)]),
    Route::new("/health/ready", &[(Verb::Get, Call::Ready)]),
];
