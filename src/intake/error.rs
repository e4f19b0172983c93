use crate::Source;

/// Named by what the caller does next.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// Nothing was taken: wait and try again, or refuse the client.
    #[error("the intake does not answer")]
    Away(#[source] Source),
    /// Nobody knows what was taken: do the same again, it settles it.
    #[error("the intake's answer got lost")]
    Unknown(#[source] Source),
}
