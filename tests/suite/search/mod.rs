//! Search, as a person sees it: over HTTP, by the rules of words, kinds, order and highlights.

/// Talking to the search of one chat, and what holds for every answer.
mod chat;
/// Every filed case by name, and the order.
mod cases;
/// Pages, cursors, limits, and both ways to ask.
mod pages;
/// What was written, edited or deleted a moment ago.
mod fresh;
/// What is expected, worked out from the rules alone.
pub(crate) mod model;
/// Generated words in several scripts.
pub(crate) mod properties;
/// Real text in several languages.
mod corpus;
/// An index that is missing, damaged, old or another store's.
mod rebuild;
/// A process that is killed while its index is built, or before it knows what was said.
mod crash;
/// An index on a server that goes away, is full, is emptied, or refuses a row.
mod server;
/// An index built anew because an operator asks for it.
mod reindex;
