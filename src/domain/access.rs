//! Who may do what: the keys of applications, and how fast they may be used.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use super::draft::{Digest, KeyUse};
use super::number::Number;
use super::records::Tenant;
use super::text::Name;
use super::time::Timestamp;

/// What opens an application: `chat_key_`, 30 letters and digits (178 random bits), and 6 more that are their CRC-32, so
/// that scanners of leaked secrets know it when they see it. It is shown once and kept as its SHA-256: with so many
/// random bits, no slower hash is needed (NIST SP 800-63B, 5.1.1.2, asks for one below 112 bits).
#[derive(Clone)]
pub struct Secret(String);

/// What every secret begins with.
pub const SECRET_PREFIX: &str = "chat_key_";
const RANDOM_DIGITS: usize = 30;
const CHECK_DIGITS: usize = 6;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

impl Secret {
    /// A secret that nobody has yet.
    ///
    /// # Errors
    /// When the operating system gives no random bits.
    pub fn fresh() -> Result<Self, getrandom::Error> {
        let mut text = String::with_capacity(SECRET_PREFIX.len() + RANDOM_DIGITS + CHECK_DIGITS);
        text.push_str(SECRET_PREFIX);
        while text.len() < SECRET_PREFIX.len() + RANDOM_DIGITS {
            let mut bits = [0_u8; RANDOM_DIGITS];
            getrandom::fill(&mut bits)?;
            // Those that are no digit are drawn again, so that all digits are equally likely.
            let digits = bits.iter().filter_map(|bits| digit(usize::from(bits & 0x3f)));
            text.extend(digits.take(SECRET_PREFIX.len() + RANDOM_DIGITS - text.len()));
        }
        let check = check(&text);
        text.push_str(&check);
        Ok(Self(text))
    }

    /// A secret as a client wrote it; `None` for what was never one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let body = text.strip_prefix(SECRET_PREFIX)?;
        let is_whole = body.len() == RANDOM_DIGITS + CHECK_DIGITS
            && body.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let (before, given) = is_whole.then(|| text.split_at(text.len() - CHECK_DIGITS))?;
        (check(before) == given).then(|| Self(text.to_owned()))
    }

    /// What is kept of it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Self::digest_of(&self.0)
    }

    /// The digest of what was shown as a secret, whether or not it is one.
    #[must_use]
    pub fn digest_of(shown: &str) -> Digest {
        Digest::of(&[shown])
    }

    /// The whole of it, for whoever is to use it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{SECRET_PREFIX}…")
    }
}

fn digit(value: usize) -> Option<char> {
    DIGITS.get(value).map(|digit| char::from(*digit))
}

/// The CRC-32 of a text, the most significant digit first.
fn check(text: &str) -> String {
    let mut rest = crc32fast::hash(text.as_bytes()) as usize;
    let mut digits = ['0'; CHECK_DIGITS];
    for place in digits.iter_mut().rev() {
        *place = digit(rest % DIGITS.len()).unwrap_or('0');
        rest /= DIGITS.len();
    }
    digits.iter().collect()
}

/// One thing that a key may be good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Reading the application, its chats and messages.
    Read,
    /// Creating, changing and deleting chats and messages, and renaming the application.
    Write,
    /// Searching messages.
    Search,
}

impl Scope {
    pub const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Search];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Search => "search",
        }
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Read => 1,
            Self::Write => 2,
            Self::Search => 4,
        }
    }
}

/// What a key is good for: at least one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    pub const ALL: Self = Self(7);

    /// `None` where there is no scope, or one that is unknown.
    #[must_use]
    pub fn parse<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let scope = |name: &str| Scope::ALL.into_iter().find(|scope| scope.name() == name);
        let bits = names.into_iter().try_fold(0, |bits, name| Some(bits | scope(name)?.bit()))?;
        Self::from_bits(bits)
    }

    /// As they are kept.
    #[must_use]
    pub fn from_bits(bits: u8) -> Option<Self> {
        (1..=Self::ALL.0).contains(&bits).then_some(Self(bits))
    }

    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    #[must_use]
    pub const fn allow(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Scope::ALL.into_iter().filter(move |scope| self.allow(*scope)).map(Scope::name)
    }
}

/// A key as its application's owner sees it: without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessKey {
    /// 1, 2, 3 … within the application; never used again.
    pub number: Number,
    pub name: Name,
    pub scopes: Scopes,
    pub created_at: Timestamp,
}

/// A key to be made.
#[derive(Debug, Clone)]
pub struct NewAccessKey {
    pub name: Name,
    pub scopes: Scopes,
    /// Of its secret.
    pub digest: Digest,
    /// Of idempotency.
    pub key: Option<KeyUse>,
    pub created_at: Timestamp,
}

/// Whoever shows a key that is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    pub tenant: Tenant,
    pub key: Number,
    pub scopes: Scopes,
    /// How fast the application may be used, where it is not as fast as any.
    pub rate: Option<Rate>,
}

/// So many in a window of time, as `100/s`, `60/min` or `1000/h`: all at once if nothing was used lately, and evenly
/// after that (a token bucket, RFC 2697).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rate {
    pub quota: NonZeroU32,
    pub window: Duration,
    written: Arc<str>,
}

/// Why a rate cannot be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a number from 1 to 1000000 and a unit, as in 100/s, 60/min or 1000/h")]
pub struct NoRate;

const QUOTA_LIMIT: u32 = 1_000_000;

impl FromStr for Rate {
    type Err = NoRate;

    fn from_str(text: &str) -> Result<Self, NoRate> {
        let (quota, unit) = text.split_once('/').ok_or(NoRate)?;
        let seconds = match unit {
            "s" => 1,
            "min" => 60,
            "h" => 60 * 60,
            _ => return Err(NoRate),
        };
        let is_plain = quota.bytes().all(|byte| byte.is_ascii_digit()) && !quota.starts_with('0');
        let quota = is_plain.then(|| quota.parse::<NonZeroU32>().ok()).flatten();
        let quota = quota.filter(|quota| quota.get() <= QUOTA_LIMIT).ok_or(NoRate)?;
        Ok(Self { quota, window: Duration::from_secs(seconds), written: text.into() })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_known_by_its_prefix_and_its_checksum_and_no_two_are_equal() {
        let (one, other) = (Secret::fresh().expect("bits"), Secret::fresh().expect("bits"));
        assert_ne!(one.reveal(), other.reveal());
        for secret in [&one, &other] {
            let text = secret.reveal();
            assert_eq!(text.len(), SECRET_PREFIX.len() + RANDOM_DIGITS + CHECK_DIGITS);
            assert_eq!(Secret::parse(text).expect("itself").digest(), secret.digest());
            assert_eq!(format!("{secret:?}"), "chat_key_…");
            for at in 0..text.len() {
                let mut wrong = text.as_bytes().to_vec();
                wrong[at] = if wrong[at] == b'x' { b'y' } else { b'x' };
                assert!(Secret::parse(std::str::from_utf8(&wrong).expect("ASCII")).is_none(), "{at}");
            }
            for wrong in [&text[1..], &text[..text.len() - 1], &format!("{text}0"), &format!(" {text}")] {
                assert!(Secret::parse(wrong).is_none(), "{wrong}");
            }
        }
    }

    #[test]
    fn the_checksum_is_that_of_everybody() {
        // The check value of CRC-32/ISO-HDLC for "123456789" is 0xcbf43926.
        let mut number = 0_u64;
        for digit in check("123456789").bytes() {
            number = number * 62 + DIGITS.iter().position(|known| *known == digit).expect("a digit") as u64;
        }
        assert_eq!(number, 0xcbf4_3926);
    }

    #[test]
    fn scopes_are_named_and_at_least_one() {
        let some = Scopes::parse(["search", "read", "read"]).expect("scopes");
        assert_eq!(some.names().collect::<Vec<_>>(), ["read", "search"]);
        assert!(some.allow(Scope::Read) && !some.allow(Scope::Write));
        assert_eq!(Scopes::from_bits(some.bits()), Some(some));
        assert_eq!(Scopes::parse(["read", "write", "search"]), Some(Scopes::ALL));
        assert_eq!((Scopes::parse([]), Scopes::parse(["read", "admin"])), (None, None));
        assert_eq!((Scopes::from_bits(0), Scopes::from_bits(8)), (None, None));
    }

    #[test]
    fn a_rate_has_a_unit_and_a_bound() {
        let rate: Rate = "60/min".parse().expect("a rate");
        assert_eq!(
            (rate.quota.get(), rate.window, rate.to_string().as_str()),
            (60, Duration::from_secs(60), "60/min")
        );
        for wrong in [
            "",
            "60",
            "/s",
            "0/s",
            "-1/s",
            "+1/s",
            "01/s",
            "1.5/s",
            "1/m",
            "1/S",
            "1000001/s",
            "1/s ",
            "1e3/s",
        ] {
            assert_eq!(wrong.parse::<Rate>(), Err(NoRate), "{wrong}");
        }
    }

    #[test]
    fn a_key_is_known_or_refused_whatever_comes() {
        crate::tests::fuzz("access_keys", |input| {
            let Ok(text) = std::str::from_utf8(input) else { return };
            if let Some(secret) = Secret::parse(text) {
                assert_eq!(
                    (secret.reveal(), text.len()),
                    (text, SECRET_PREFIX.len() + RANDOM_DIGITS + CHECK_DIGITS)
                );
            }
            if let Some(token) = crate::domain::Token::parse(text) {
                assert_eq!(token.as_str(), text);
            }
            if let Some(scopes) = Scopes::parse(text.split(' ')) {
                let names: Vec<&str> = scopes.names().collect();
                assert_eq!(Scopes::parse(names.iter().copied()), Some(scopes));
            }
        });
    }

    #[test]
    fn a_rate_is_what_it_says_or_refused_whatever_comes() {
        crate::tests::fuzz("rates", |input| {
            let Ok(text) = std::str::from_utf8(input) else { return };
            if let Ok(rate) = text.parse::<Rate>() {
                assert_eq!(rate.to_string(), text);
                assert!((1..=1_000_000).contains(&rate.quota.get()) && rate.window >= Duration::from_secs(1));
            }
        });
    }
}
