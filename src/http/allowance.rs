//! How fast an application may be used, and how much it may hold: the operator's calls.

use serde::Serialize;
use utoipa::ToSchema;

use super::ask::{Answer, Ask};
use super::openapi::asked;
use super::problem::{Code, Problem};
use super::shape;
use crate::domain::{Account, Counted, Draft, Quota, Rate};

/// Largest quota. What is more is no limit.
pub(super) const QUOTA_LIMIT: u64 = 999_999_999_999_999;

/// How fast an application may be used, and how much it may hold. What is `null` has no limit of its own.
#[derive(Serialize, ToSchema)]
pub(super) struct Limits {
    /// Requests, as `100/s`, `60/min` or `1000/h`; `null`: as fast as any.
    rate: Option<String>,
    max_chats: Option<u64>,
    max_messages: Option<u64>,
    /// Of the bodies of messages, in UTF-8.
    max_bytes: Option<u64>,
    /// What it holds; `null` where there is no quota.
    used: Option<Used>,
}

/// What an application holds. What is deleted counts until its rows have gone.
#[derive(Serialize, ToSchema)]
pub(super) struct Used {
    chats: u64,
    messages: u64,
    bytes: u64,
    /// Whether everything that was there before the quota has been counted.
    complete: bool,
}

impl Limits {
    fn new(rate: Option<Rate>, account: Option<Account>) -> Self {
        let quota = account.as_ref().map(|account| account.quota).unwrap_or_default();
        Self {
            rate: rate.map(|rate| rate.to_string()),
            max_chats: quota.chats,
            max_messages: quota.messages,
            max_bytes: quota.bytes,
            used: account.map(|Account { used, counted, .. }| Used {
                chats: used.chats,
                messages: used.messages,
                bytes: used.bytes,
                complete: counted == Counted::ALL,
            }),
        }
    }
}

/// Shows how fast an application may be used, how much it may hold, and what it holds.
#[utoipa::path(get, path = "/api/v1/applications/{token}/limits", operation_id = "read_limits", tag = "keys",
    params(asked::OfApplication),
    responses((status = 200, description = "Its limits", body = shape::One<Limits>)))]
pub(super) async fn read(ask: Ask<'_>) -> Answer {
    let tenant = ask.tenant().await?;
    let rate = ask.edge.limits.read(ask.edge.store.rate(&tenant)).await??;
    let account = ask.edge.limits.read(ask.edge.store.account(&tenant)).await??;
    Ok(shape::ok(Limits::new(rate, account)))
}

/// Sets how fast an application may be used, within 5 seconds on every node, and how much it may hold, at once. What is
/// not given is taken back. What it holds beyond a new quota stays.
#[utoipa::path(put, path = "/api/v1/applications/{token}/limits", operation_id = "set_limits", tag = "keys",
    params(asked::OfApplication),
    request_body(content((asked::NewLimits = "application/json"), (asked::NewLimitsForm = "application/x-www-form-urlencoded"))),
    responses((status = 200, description = "Its limits as they are now", body = shape::One<Limits>)))]
pub(super) async fn set(mut ask: Ask<'_>) -> Answer {
    let tenant = ask.tenant().await?;
    let sent = ask.body().await?;
    let [rate, chats, messages, bytes] =
        sent.only_fields(["rate", "max_chats", "max_messages", "max_bytes"])?;
    let rate = rate.map(|rate| rate.parse::<Rate>()).transpose();
    let rate = rate.map_err(|why| Problem::field(Code::Invalid, "Rate", why))?;
    let quota = Quota {
        chats: most("Max chats", chats.as_deref())?,
        messages: most("Max messages", messages.as_deref())?,
        bytes: most("Max bytes", bytes.as_deref())?,
    };
    ask.edge.limits.edit(ask.edge.store.set_rate(&tenant, rate.clone())).await??;
    ask.edge.limits.edit(ask.edge.store.set_quota(&tenant, quota)).await??;
    let account = ask.edge.limits.read(ask.edge.store.account(&tenant)).await??;
    Ok(shape::ok(Limits::new(rate, account)))
}

/// A number without a fraction is whole however it is written, as JSON Schema has it: `1000`, `1000.0`, `1e3`. A float holds
/// every whole number up to the limit exactly.
fn most(field: &str, written: Option<&str>) -> Result<Option<u64>, Problem> {
    let Some(written) = written else { return Ok(None) };
    let number = if written.starts_with(|first: char| first.is_ascii_digit()) { written } else { "" };
    let number = number.parse().ok().filter(|number: &f64| number.fract() == 0.0);
    let most = number.map(|number| number as u64).filter(|most| *most <= QUOTA_LIMIT);
    let why = format!("is not a whole number from 0 to {QUOTA_LIMIT}");
    most.map(Some).ok_or_else(|| Problem::field(Code::Invalid, field, why))
}

/// Refuses a draft at the door, before it takes a number, where its application was refused something lately and still
/// has no room. A draft whose key made something before is let through: it is a replay.
pub(super) async fn has_room(ask: &Ask<'_>, draft: &Draft) -> Result<(), Problem> {
    let (edge, application) = (ask.edge, draft.parent.application());
    if !edge.door.full.has(application) {
        return Ok(());
    }
    if let Some(key) = &draft.key
        && edge.limits.read(edge.store.recall(std::slice::from_ref(key))).await?.iter().any(Option::is_some)
    {
        return Ok(());
    }
    let found = edge.limits.read(edge.store.accounts(&[application])).await?;
    for (_application, mut account) in found {
        if !account.admit(draft, crate::domain::Number::FIRST) {
            return Err(Problem::quota_reached());
        }
    }
    edge.door.full.forget(application);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_a_whole_number_however_it_is_written() {
        let most = |written: &str| most("Max chats", Some(written)).ok().flatten();
        for (written, number) in [
            ("0", 0),
            ("1000", 1_000),
            ("632278.0", 632_278),
            ("1e3", 1_000),
            ("9.99E2", 999),
            ("999999999999999", QUOTA_LIMIT),
        ] {
            assert_eq!(most(written), Some(number), "{written}");
        }
        for wrong in
            ["", "-1", "+1", "1.5", "1e15", "1e999", "inf", "NaN", " 1", "1 ", "1,000", "0x10", ".5", "x"]
        {
            assert_eq!(most(wrong), None, "{wrong}");
        }
        assert_eq!(super::most("Max chats", None).ok(), Some(None));
    }
}
