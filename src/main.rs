//! Arguments → config → app → serve until a signal → drain; or another command of the operator's.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, TcpStream};
use std::process::ExitCode;

use anyhow::Context as _;
use chat_system::app::{App, Engines, keys, reindex};
use chat_system::config::{Cli, Command, Config};
use chat_system::telemetry;
use clap::Parser as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

fn main() -> ExitCode {
    let Cli { command, config } = Cli::parse();
    let ended = actix::System::new().block_on(async {
        telemetry::start(&config.log, config.log_format)?;
        match command.unwrap_or(Command::Serve) {
            Command::Serve => serve(config).await,
            Command::Keys(command) => keys(&config, command).await,
            Command::Reindex => reindex(&config).await,
            Command::Health => health(&config),
        }
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chat-system: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let mut signals = Signals::listen()?;
    // Said before anything is opened.
    config.access.admin_key(config.listen)?;
    let engines = Engines::open(&config)?;
    let names = engines.names;
    let app = App::start(engines, &config).await?;
    let url = app.url();
    let (closed, key) = match app.operator_address() {
        Some(address) => (
            format!("; health and metrics on http://{address}"),
            "-H \"Authorization: Bearer $CHAT_ADMIN_KEY\" ",
        ),
        None => (String::new(), ""),
    };
    // A reader that went away must not end the service.
    let _ = writeln!(
        std::io::stdout(),
        "chat-system listens on {url} (intake {}, store {}, search {}{closed}); try: \
         curl {key}-d name=demo {url}/api/v1/applications",
        names.intake,
        names.store,
        names.search
    );
    let first = signals.next().await;
    tracing::info!(signal = first, "draining; a second signal ends at once");
    tokio::task::spawn_local(async move {
        let second = signals.next().await;
        tracing::warn!(signal = second, "ended at once");
        std::process::exit(1);
    });
    if let Err(undrained) = app.drain().await {
        // Whoever still works would hold the process up, past its deadline.
        eprintln!("chat-system: {undrained}");
        std::process::exit(1);
    }
    tracing::info!("drained");
    Ok(())
}

/// Says what `/health/ready` answers, for a container's health check: an image of this program needs no other.
fn health(config: &Config) -> anyhow::Result<()> {
    let beside = config.access.operator_is_beside(config.listen);
    let mut address = if beside { config.access.operator_listen } else { config.listen };
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() {
            Ipv4Addr::LOCALHOST.into()
        } else {
            Ipv6Addr::LOCALHOST.into()
        });
    }
    let mut connection = TcpStream::connect_timeout(&address, config.engine_timeout)
        .with_context(|| format!("nobody listens at {address}"))?;
    connection.set_read_timeout(Some(config.engine_timeout))?;
    connection.write_all(b"GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).with_context(|| format!("{address} does not answer"))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    println!("{body}");
    anyhow::ensure!(head.starts_with("HTTP/1.1 200 "), "the service at {address} is not ready");
    Ok(())
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
