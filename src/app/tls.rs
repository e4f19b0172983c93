//! TLS for the listener: a certificate that is read again when its files change, so that one that is renewed needs no
//! restart.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// How often it is looked whether the files have changed.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// What clients are shown.
pub(super) struct Certificate {
    chain_file: PathBuf,
    key_file: PathBuf,
    provider: Arc<CryptoProvider>,
    current: RwLock<Arc<CertifiedKey>>,
}

impl Certificate {
    /// # Errors
    /// When a file cannot be read, or the key is not that of the certificate.
    pub(super) fn read(chain_file: &Path, key_file: &Path) -> anyhow::Result<Arc<Self>> {
        let provider = Arc::new(ring::default_provider());
        let current = RwLock::new(read(chain_file, key_file, &provider)?);
        let (chain_file, key_file) = (chain_file.to_owned(), key_file.to_owned());
        Ok(Arc::new(Self { chain_file, key_file, provider, current }))
    }

    /// TLS 1.2 and 1.3, as rustls has them by default.
    ///
    /// # Errors
    /// When the provider knows neither.
    pub(super) fn config(self: &Arc<Self>) -> anyhow::Result<ServerConfig> {
        let builder = ServerConfig::builder_with_provider(Arc::clone(&self.provider));
        let builder = builder.with_safe_default_protocol_versions()?.with_no_client_auth();
        Ok(builder.with_cert_resolver(Arc::<Self>::clone(self)))
    }

    /// Reads the files again whenever they change. What cannot be used is said, and the one before goes on.
    pub(super) async fn follow(self: Arc<Self>) {
        let mut seen = self.written_at();
        let mut look = tokio::time::interval(LOOK_INTERVAL);
        loop {
            look.tick().await;
            let now = self.written_at();
            if now == seen {
                continue;
            }
            seen = now;
            match read(&self.chain_file, &self.key_file, &self.provider) {
                Ok(renewed) => {
                    *self.current.write().unwrap_or_else(PoisonError::into_inner) = renewed;
                    tracing::info!(file = %self.chain_file.display(), "the certificate was read again");
                }
                Err(error) => {
                    tracing::warn!(
                        error = format!("{error:#}"),
                        "the new certificate cannot be used; the old one goes on"
                    );
                }
            }
        }
    }

    fn written_at(&self) -> [Option<SystemTime>; 2] {
        let written_at = |file: &Path| std::fs::metadata(file).and_then(|it| it.modified()).ok();
        [written_at(&self.chain_file), written_at(&self.key_file)]
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the certificate of {}", self.chain_file.display())
    }
}

fn read(chain_file: &Path, key_file: &Path, provider: &CryptoProvider) -> anyhow::Result<Arc<CertifiedKey>> {
    let file = |file: &Path| format!("{}", file.display());
    let chain = CertificateDer::pem_file_iter(chain_file).with_context(|| file(chain_file))?;
    let chain = chain.collect::<Result<Vec<_>, _>>().with_context(|| file(chain_file))?;
    anyhow::ensure!(!chain.is_empty(), "{} holds no certificate", chain_file.display());
    let key = PrivateKeyDer::from_pem_file(key_file).with_context(|| file(key_file))?;
    let certified = CertifiedKey::from_der(chain, key, provider);
    Ok(Arc::new(certified.with_context(|| format!("{} is no key of that certificate", key_file.display()))?))
}
