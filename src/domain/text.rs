use std::sync::Arc;

/// Longest name of an application, in code points.
pub const NAME_LIMIT_CODE_POINTS: usize = 255;
/// Longest body of a message, in bytes of UTF-8.
pub const BODY_LIMIT_BYTES: usize = 128 * 1024;

/// Why a text was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    #[error("can't be blank")]
    Blank,
    #[error("is too long (maximum is {limit} {unit})")]
    TooLong { limit: usize, unit: &'static str },
}

/// An application's name: not blank, at most 255 code points, kept byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(Arc<str>);

impl Name {
    /// # Errors
    /// When the text is blank or too long.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        if is_blank(text) {
            return Err(TextError::Blank);
        }
        if text.chars().nth(NAME_LIMIT_CODE_POINTS).is_some() {
            return Err(TextError::TooLong { limit: NAME_LIMIT_CODE_POINTS, unit: "characters" });
        }
        Ok(Self(text.into()))
    }

    /// A name that was checked when it was kept.
    #[must_use]
    pub fn kept(text: &str) -> Self {
        Self(text.into())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A message's body: not blank, at most 128 KiB of UTF-8, kept byte for byte. Cloning shares the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body(Arc<str>);

impl Body {
    /// # Errors
    /// When the text is blank or too long.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        if text.len() > BODY_LIMIT_BYTES {
            return Err(TextError::TooLong { limit: BODY_LIMIT_BYTES, unit: "bytes" });
        }
        if is_blank(text) {
            return Err(TextError::Blank);
        }
        Ok(Self(text.into()))
    }

    /// A body that was checked when it was kept.
    #[must_use]
    pub fn kept(text: &str) -> Self {
        Self(text.into())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Blank means only white space, as Unicode defines it.
#[must_use]
pub fn is_blank(text: &str) -> bool {
    text.chars().all(char::is_whitespace)
}
