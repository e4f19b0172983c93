//! The Lua scripts, each described in its own file, and how they are run: by their hash, and loaded again where the
//! server does not know them.

use std::sync::{Arc, LazyLock};

use redis::{FromRedisValue, Script, ToRedisArgs};
use uuid::Uuid;

use crate::connections::redis::{RedisFailure, RedisServer};

/// A script that uses counters begins with the check of their epoch.
macro_rules! with_epoch {
    ($file:literal) => {
        LazyLock::new(|| Script::new(concat!("#!lua\n", include_str!("epoch.lua"), include_str!($file))))
    };
}

pub(super) static ACCEPT: LazyLock<Script> = with_epoch!("accept.lua");
pub(super) static ENTER: LazyLock<Script> = with_epoch!("enter.lua");
pub(super) static RAISE: LazyLock<Script> = with_epoch!("raise.lua");
pub(super) static SETTLE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("settle.lua")));
pub(super) static CLAIM: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("claim.lua")));
pub(super) static OLDEST: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("oldest.lua")));

/// One run of a script: its keys and arguments.
pub(super) struct Run {
    script: &'static Script,
    keys: Vec<String>,
    arguments: Vec<Vec<u8>>,
}

impl Run {
    pub(super) fn new(script: &'static Script) -> Self {
        Self { script, keys: Vec::new(), arguments: Vec::new() }
    }

    pub(super) fn key(mut self, key: String) -> Self {
        self.keys.push(key);
        self
    }

    pub(super) fn keys(mut self, keys: impl IntoIterator<Item = String>) -> Self {
        self.keys.extend(keys);
        self
    }

    pub(super) fn argument(mut self, argument: impl ToRedisArgs) -> Self {
        argument.write_redis_args(&mut self.arguments);
        self
    }

    pub(super) async fn on<T>(self, server: &Arc<RedisServer>) -> Result<T, RedisFailure>
    where
        T: FromRedisValue + Send + 'static,
    {
        server
            .call(async move |mut connection| {
                let mut call = self.script.prepare_invoke();
                call.key(self.keys).arg(self.arguments);
                call.invoke_async(&mut connection.commands).await
            })
            .await
    }

    /// Of a script that uses counters: it is told first which life of the server this is, and a name for the epoch
    /// that may begin with it.
    pub(super) async fn on_counters<T>(self, server: &Arc<RedisServer>) -> Result<T, RedisFailure>
    where
        T: FromRedisValue + Send + 'static,
    {
        server
            .call(async move |mut connection| {
                let mut call = self.script.prepare_invoke();
                call.key(self.keys).arg(&*connection.life).arg(epoch_name()).arg(self.arguments);
                call.invoke_async(&mut connection.commands).await
            })
            .await
    }
}

/// Random, and short, since every counter says it.
fn epoch_name() -> String {
    let (_time, random) = Uuid::now_v7().as_u64_pair();
    format!("{random:016x}")
}
