//! What things are: no I/O, no actix. A value of one of these types has been checked when it was made,
//! so that nothing behind the edge checks it again.

/// An application's public name in paths.
pub mod token;
/// Numbers, and the places that they name.
pub mod number;
/// Names, bodies and queries within their limits.
pub mod text;
/// Moments, UTC, in microseconds.
pub mod time;
/// What is to be created, before it has a number and after.
pub mod draft;
/// What readers see.
pub mod records;
/// Keys of applications, and how fast they may be used.
pub mod access;
/// How much an application may hold, and what it holds.
pub mod quota;

pub use access::{AccessKey, Holder, NewAccessKey, Rate, Scope, Scopes, Secret};
pub use draft::{BatchId, Content, Digest, Draft, DraftId, Key, KeyUse, NewApplication, Numbered};
pub use number::{ApplicationId, ChatPlace, MessagePlace, Number, Parent};
pub use quota::{Account, Counted, Quota, Usage};
pub use records::{Application, Chat, Listed, Message, Order, Page, Tenant};
pub use text::{Body, Name, TextError};
pub use time::Timestamp;
pub use token::Token;
