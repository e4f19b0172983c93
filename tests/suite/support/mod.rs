//! What the tests stand on.

/// The real program in a process of its own.
pub mod service;
/// Signals to processes.
pub mod signal;
/// Real servers for the program to stand on.
pub mod servers;
/// Places on those servers.
pub mod stack;
/// The program in this process, on engines of the test's choice.
pub mod in_process;
/// The port of keys, passed on.
pub mod passed_on;
/// A store that can be held.
pub mod gated;
/// A store whose calls can be held, failed and looked at.
pub mod watched;
/// An intake that says it is durable, a search engine that can be held.
pub mod other_engines;
/// The rows of the embedded store, as they stand in its file.
pub mod rows;
/// How long answers took.
pub mod pace;
/// Requests and what is expected of their answers.
pub mod client;
/// Requests that no well-behaved client sends.
pub mod raw;
/// Certificates.
pub mod openssl;
/// Waiting for something to become true.
pub mod eventually;
/// What clients were told, held against what is there.
pub mod history;
/// Choices and moments, from a seed.
pub mod random;

pub use client::{Client, Reply};
pub use eventually::eventually;
pub use random::Random;
pub use raw::{Raw, RawReply};
pub use service::Service;
pub use stack::Stack;
