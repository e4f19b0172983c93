//! Values that may hold a password: one that is refused is not shown.

use std::ffi::OsStr;
use std::fmt::Display;
use std::marker::PhantomData;
use std::str::FromStr;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{Arg, Command, Error};

/// Parses as `T` does, and says only why a value is refused.
#[derive(Debug)]
pub(super) struct Unshown<T>(PhantomData<fn() -> T>);

impl<T> Unshown<T> {
    pub(super) const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T> Clone for Unshown<T> {
    fn clone(&self) -> Self {
        Self::new()
    }
}

impl<T> TypedValueParser for Unshown<T>
where
    T: FromStr + Clone + Send + Sync + 'static,
    T::Err: Display,
{
    type Value = T;

    fn parse_ref(&self, command: &Command, argument: Option<&Arg>, value: &OsStr) -> Result<T, Error> {
        let flag = argument.map_or_else(String::new, ToString::to_string);
        let refused = |why: &dyn Display| {
            let message = format!("the value of {flag} cannot be used: {why}\n");
            Error::raw(ErrorKind::ValueValidation, message).with_cmd(command)
        };
        let text = value.to_str().ok_or_else(|| refused(&"it is not UTF-8"))?;
        text.parse().map_err(|why| refused(&why))
    }
}
