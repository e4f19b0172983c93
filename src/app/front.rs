//! The edge of this process: who is let in, and by which port.

use std::any::Any;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::HttpServer;
use actix_web::dev::ServerHandle;
use actix_web::web::Data;
use anyhow::Context as _;
use socket2::SockRef;
use tokio::net::TcpStream;

use super::tls::Certificate;
use crate::config::Config;
use crate::http::{self, Edge, Front, Guard, Origins, Side, Terms};

/// Files that are left for the engines and for the operator; each of the others may be a connection.
const OWN_FILES: u64 = 256;

/// So many connections, or fewer where the operating system lets this process have no more files open: one that ran out
/// of them could not open its own. First asks for as many as it may have, which is more than most shells begin with.
pub(super) fn connections(configured: usize) -> usize {
    let files = match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(files) => files,
        Err(error) => {
            tracing::warn!(%error, "the operating system does not say how many files may be open");
            return configured;
        }
    };
    let allowed = usize::try_from(files.saturating_sub(OWN_FILES).max(1)).unwrap_or(usize::MAX);
    if allowed < configured {
        tracing::warn!(
            files,
            connections = allowed,
            configured,
            "fewer connections than configured: this process may have no more files open (ulimit -Hn)"
        );
    }
    configured.min(allowed)
}

/// The operator's own listener.
pub(super) struct OperatorListener {
    pub(super) address: SocketAddr,
    pub(super) server: ServerHandle,
}

/// Who is let in.
pub(super) fn front(config: &Config) -> anyhow::Result<Front> {
    let access = &config.access;
    let guard = match access.admin_key(config.listen)? {
        None => Guard::Open,
        Some(admin_key) => Guard::closed(Terms {
            admin_key: admin_key.to_owned(),
            application_rate: access.application_rate.0.clone(),
            chat_rate: access.chat_rate.0.clone(),
            failure_rate: access.failure_rate.0.clone(),
            trusted_proxies: access.trusted_proxies.clone(),
        }),
    };
    Ok(Front { guard, origins: Origins::new(&access.cors_origins) })
}

/// Starts the operator's own listener.
pub(super) fn show_operator(config: &Config, edge: Data<Edge>) -> anyhow::Result<OperatorListener> {
    let listen = config.access.operator_listen;
    let server = HttpServer::new(move || http::service(edge.clone(), Side::Operator))
        .bind(listen)
        .with_context(|| format!("{listen} cannot be listened on (--operator-listen)"))?;
    let address = server.addrs().first().copied().context("nothing is listened on")?;
    let server = server.workers(1).disable_signals().run();
    let handle = server.handle();
    // Its end is the end of this process.
    tokio::task::spawn_local(server);
    Ok(OperatorListener { address, server: handle })
}

/// The certificate of the listener, if it is to speak TLS.
pub(super) fn certificate(config: &Config) -> anyhow::Result<Option<Arc<Certificate>>> {
    match (&config.access.tls_cert, &config.access.tls_key) {
        (Some(chain), Some(key)) => Certificate::read(chain, key).map(Some),
        _ => Ok(None),
    }
}

/// A client that takes none of its answer for so long is let go (RFC 5482).
pub(super) fn give_up_stalled(connection: &dyn Any, patience: Duration) {
    let by_tls = || Some(connection.downcast_ref::<TlsStream<TcpStream>>()?.get_ref().0);
    if let Some(stream) = connection.downcast_ref::<TcpStream>().or_else(by_tls)
        && let Err(error) = SockRef::from(stream).set_tcp_user_timeout(Some(patience))
    {
        tracing::debug!(%error, "a connection has no limit for a stalled answer");
    }
}
