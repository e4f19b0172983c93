//! Every call of the contract, exactly: shapes, words, status codes and headers.

/// Applications and their names.
mod applications;
/// Chats and their numbers.
mod chats;
/// Messages, their bodies and versions.
mod messages;
/// Pages, cursors, links.
mod lists;
/// Answers of a search.
mod search;
/// What every answer has in common.
mod answers;
/// The document and the service say the same.
mod document;

use serde_json::Value;

use crate::support::Reply;

/// The names of an object, sorted.
#[track_caller]
fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<_> = value.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

/// A time as RFC 3339 has it, in UTC.
fn is_moment(value: &Value) -> bool {
    let text = value.as_str().unwrap_or_default();
    let (date, time) = text.split_once('T').unwrap_or_default();
    let digits =
        |part: &str, length: usize| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
    let date: Vec<_> = date.split('-').collect();
    let time: Vec<_> = time.strip_suffix('Z').unwrap_or_default().split(':').collect();
    let seconds = time.get(2).map_or("", |seconds| seconds.split('.').next().unwrap_or_default());
    date.len() == 3
        && time.len() == 3
        && digits(date[0], 4)
        && digits(date[1], 2)
        && digits(date[2], 2)
        && digits(time[0], 2)
        && digits(time[1], 2)
        && digits(seconds, 2)
}

/// That this is a problem with this status, code and sentence.
#[track_caller]
fn is_problem(reply: &Reply, status: u16, code: &str, message: &str) {
    let problem = reply.json();
    assert_eq!(reply.status.as_u16(), status, "{problem}");
    assert_eq!(reply.header("content-type"), "application/problem+json");
    assert_eq!(
        (problem["code"].as_str(), problem["message"].as_str()),
        (Some(code), Some(message)),
        "{problem}"
    );
    assert_eq!(problem["detail"], problem["message"]);
}
