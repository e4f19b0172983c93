//! Settings of the server under which it may lose what it accepted.

use std::collections::HashMap;
use std::sync::Arc;

use redis::{Cmd, InfoDict};

use crate::connections::redis::{RedisFailure, RedisServer};

/// As far as the server says.
struct Settings {
    max_memory: Option<String>,
    policy: Option<String>,
    log: Option<String>,
    sync: Option<String>,
}

/// A sentence for each setting that is unsafe. What the server does not say is not held against it.
pub(super) async fn warnings(server: &Arc<RedisServer>) -> Result<Vec<String>, RedisFailure> {
    let settings = read(server).await?;
    let mut warnings = Vec::new();
    let bounded = settings.max_memory.is_some_and(|bytes| bytes != "0");
    if let Some(policy) = settings.policy.filter(|policy| bounded && policy != "noeviction") {
        warnings.push(format!(
            "Redis may throw away what it accepted: maxmemory-policy is {policy}, not noeviction"
        ));
    }
    if settings.log.is_some_and(|log| log == "no") {
        warnings.push("Redis loses what it accepted when it stops: appendonly is no, not yes".to_owned());
    } else if settings.sync.is_some_and(|sync| sync == "no") {
        warnings.push(
            "Redis may lose what it accepted when its machine stops: appendfsync is no, not everysec or always"
                .to_owned(),
        );
    }
    Ok(warnings)
}

/// From the configuration, or where that may not be read, from what every client is told.
async fn read(server: &Arc<RedisServer>) -> Result<Settings, RedisFailure> {
    match configuration(server).await {
        Err(RedisFailure::Refused(_not_permitted)) => {}
        read => return read,
    }
    match information(server).await {
        Err(RedisFailure::Refused(_not_permitted)) => {
            Ok(Settings { max_memory: None, policy: None, log: None, sync: None })
        }
        read => read,
    }
}

async fn configuration(server: &Arc<RedisServer>) -> Result<Settings, RedisFailure> {
    let mut ask = redis::cmd("CONFIG");
    ask.arg("GET").arg(&["maxmemory", "maxmemory-policy", "appendonly", "appendfsync"]);
    let mut said: HashMap<String, String> = asked(server, ask).await?;
    Ok(Settings {
        max_memory: said.remove("maxmemory"),
        policy: said.remove("maxmemory-policy"),
        log: said.remove("appendonly"),
        sync: said.remove("appendfsync"),
    })
}

async fn information(server: &Arc<RedisServer>) -> Result<Settings, RedisFailure> {
    let said: InfoDict = asked(server, redis::cmd("INFO")).await?;
    Ok(Settings {
        max_memory: said.get("maxmemory"),
        policy: said.get("maxmemory_policy"),
        log: said
            .get("aof_enabled")
            .map(|enabled: String| if enabled == "0" { "no" } else { "yes" }.to_owned()),
        sync: None,
    })
}

async fn asked<T>(server: &Arc<RedisServer>, ask: Cmd) -> Result<T, RedisFailure>
where
    T: redis::FromRedisValue + Send + 'static,
{
    server.call(async move |mut connection| ask.query_async(&mut connection.commands).await).await
}
