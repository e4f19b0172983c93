use std::fmt;
use std::sync::Arc;

/// An application's public name in paths: 128 random bits from the operating system, as 32 lower-case
/// hexadecimal digits. It names the application and is compared as bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(Arc<str>);

/// Random bits in a token.
pub const TOKEN_BITS: usize = 128;

impl Token {
    /// A token nobody has yet.
    ///
    /// # Errors
    /// When the operating system gives no random bits.
    pub fn fresh() -> Result<Self, getrandom::Error> {
        let mut bits = [0_u8; TOKEN_BITS / 8];
        getrandom::fill(&mut bits)?;
        Ok(Self(format!("{:032x}", u128::from_be_bytes(bits)).into()))
    }

    /// A token as a client wrote it; `None` for what was never one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let lower_hex = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
        (text.len() == TOKEN_BITS / 4 && text.as_bytes().iter().all(lower_hex)).then(|| Self(text.into()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
