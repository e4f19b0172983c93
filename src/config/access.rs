//! Who is let in, and how fast.

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use ipnet::IpNet;

use crate::domain::Rate;
use crate::domain::access::NoRate;

/// Knobs of the edge.
#[derive(Debug, Clone, Args)]
pub struct Access {
    /// The operator's key, 16 visible ASCII characters or more. With it the service is closed: applications are made with
    /// this key and used with keys of their own. Without it, it is open, and listens on loopback only
    #[arg(long, global = true, env = "CHAT_ADMIN_KEY", hide_env_values = true, value_name = "KEY")]
    pub admin_key: Option<AdminKey>,

    /// Listen beyond loopback without an operator's key: whoever reaches the port may do everything
    #[arg(long, global = true, env = "CHAT_OPEN")]
    pub open: bool,

    /// File of the certificate (PEM, with those that it is vouched for by) that the listener shows: it then speaks TLS. Read
    /// again when it changes
    #[arg(long, global = true, env = "CHAT_TLS_CERT", requires = "tls_key", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,

    /// File of the certificate's private key (PEM)
    #[arg(long, global = true, env = "CHAT_TLS_KEY", requires = "tls_cert", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,

    /// Address and port of health in detail and of metrics, where the service is closed
    #[arg(
        long,
        global = true,
        env = "CHAT_OPERATOR_LISTEN",
        default_value = "127.0.0.1:8081",
        value_name = "ADDRESS"
    )]
    pub operator_listen: SocketAddr,

    /// Requests of one application on this node, where the service is closed and nothing else was set for it: as `100/s`,
    /// `60/min`, `1000/h` or `off`
    #[arg(long, global = true, env = "CHAT_APPLICATION_RATE", default_value = "1000/s", value_name = "RATE")]
    pub application_rate: RateOrOff,

    /// Requests in one chat on this node, where the service is closed
    #[arg(long, global = true, env = "CHAT_CHAT_RATE", default_value = "500/s", value_name = "RATE")]
    pub chat_rate: RateOrOff,

    /// Wrong keys from one address; whoever shows more waits, unless the key was good lately
    #[arg(long, global = true, env = "CHAT_FAILURE_RATE", default_value = "30/min", value_name = "RATE")]
    pub failure_rate: RateOrOff,

    /// Proxies whose `X-Forwarded-For` is believed, as `10.0.0.0/8,::1/128`
    #[arg(long, global = true, env = "CHAT_TRUSTED_PROXIES", value_delimiter = ',', value_name = "NETS")]
    pub trusted_proxies: Vec<IpNet>,

    /// Origins whose pages may read answers in a browser, as `https://chat.example,https://other.example`
    #[arg(long, global = true, env = "CHAT_CORS_ORIGINS", value_delimiter = ',', value_name = "ORIGINS")]
    pub cors_origins: Vec<String>,
}

/// Fewer characters could be guessed.
const ADMIN_KEY_CHARACTERS: usize = 16;

/// Why the door can neither be closed nor left open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AdminKeyError {
    #[error(
        "the operator's key (--admin-key, CHAT_ADMIN_KEY) has to be {ADMIN_KEY_CHARACTERS} visible ASCII characters or more"
    )]
    Weak,
    #[error(
        "{0} can be reached from other machines, and without an operator's key whoever reaches it may do everything: \
         give one (--admin-key, CHAT_ADMIN_KEY), or say --open"
    )]
    Unguarded(SocketAddr),
}

impl Access {
    /// The operator's key, if the service is closed.
    ///
    /// # Errors
    /// When the key is weak, or missing where the address is not loopback and nobody said that this is meant.
    pub fn admin_key(&self, listen: SocketAddr) -> Result<Option<&str>, AdminKeyError> {
        match &self.admin_key {
            // As a compose file passes on what is not set.
            Some(AdminKey(key)) if !key.is_empty() => {
                let strong =
                    key.len() >= ADMIN_KEY_CHARACTERS && key.bytes().all(|byte| byte.is_ascii_graphic());
                if strong { Ok(Some(key)) } else { Err(AdminKeyError::Weak) }
            }
            _ if self.open || listen.ip().to_canonical().is_loopback() => Ok(None),
            _ => Err(AdminKeyError::Unguarded(listen)),
        }
    }

    /// Whether the operator has a listener beside: where the service is closed, and where it speaks TLS, so that whoever
    /// looks after it need not know its certificate.
    #[must_use]
    pub fn operator_is_beside(&self, listen: SocketAddr) -> bool {
        self.tls_cert.is_some() || self.admin_key(listen).is_ok_and(|key| key.is_some())
    }
}

/// A secret that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct AdminKey(String);

impl FromStr for AdminKey {
    type Err = Infallible;

    /// Takes everything: what is refused here would be shown.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for AdminKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("…")
    }
}

/// A rate, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateOrOff(pub Option<Rate>);

impl std::str::FromStr for RateOrOff {
    type Err = NoRate;

    fn from_str(text: &str) -> Result<Self, NoRate> {
        if text == "off" { Ok(Self(None)) } else { text.parse().map(|rate| Self(Some(rate))) }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::config::Cli;

    fn key_of(arguments: &[&str]) -> Result<Option<String>, AdminKeyError> {
        let config = Cli::parse_from([&["chat-system"], arguments].concat()).config;
        config.access.admin_key(config.listen).map(|key| key.map(str::to_owned))
    }

    #[test]
    fn beyond_loopback_a_key_is_needed_or_the_word_that_none_is() {
        const KEY: &str = "0123456789abcdef";
        assert_eq!(key_of(&[]), Ok(None));
        assert_eq!(key_of(&["--listen", "[::1]:80"]), Ok(None));
        assert_eq!(key_of(&["--admin-key", KEY]), Ok(Some(KEY.to_owned())));
        for beyond in ["0.0.0.0:80", "[::]:80", "192.0.2.1:80"] {
            assert!(matches!(key_of(&["--listen", beyond]), Err(AdminKeyError::Unguarded(_))), "{beyond}");
            assert_eq!(key_of(&["--listen", beyond, "--open"]), Ok(None));
            assert_eq!(key_of(&["--listen", beyond, "--admin-key", KEY]), Ok(Some(KEY.to_owned())));
            assert!(key_of(&["--listen", beyond, "--admin-key", ""]).is_err(), "empty is none");
        }
        for weak in ["0123456789abcde", "with a blank in it", "über-geheim-und-lang"] {
            assert_eq!(key_of(&["--admin-key", weak]), Err(AdminKeyError::Weak));
        }
    }

    #[test]
    fn the_key_is_never_shown() {
        let config = Cli::parse_from(["chat-system", "--admin-key", "0123456789abcdef"]).config;
        assert!(!format!("{config:?}").contains("0123456789abcdef"));
    }

    #[test]
    fn a_rate_may_be_off() {
        let config = Cli::parse_from(["chat-system", "--chat-rate", "off", "--failure-rate", "5/min"]).config;
        assert_eq!(config.access.chat_rate, RateOrOff(None));
        assert_eq!(config.access.failure_rate.0.expect("a rate").quota.get(), 5);
    }
}
