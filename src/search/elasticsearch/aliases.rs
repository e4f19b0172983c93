use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::schema::{fresh_name, is_own_version, mapping, settings};
use crate::connections::elasticsearch::{AskError, Asked, Elasticsearch, Method};

/// Two names in front of the indices: of the one that answers, and of the one that is being built beside it.
pub(super) struct Aliases {
    server: Arc<Elasticsearch>,
    present: String,
    next: String,
}

/// Where a write goes. An alias, never an index by its name: where it is missing, the write fails and makes nothing.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) alias: String,
    /// Whether it is searched, so that a write has to be seen at once.
    pub(super) searched: bool,
}

/// The indices behind each of the two.
#[derive(Debug, Default)]
struct Behind {
    present: Vec<String>,
    next: Vec<String>,
}

#[derive(Deserialize)]
struct Refreshed {
    #[serde(rename = "_shards")]
    shards: Shards,
}

#[derive(Deserialize)]
struct Shards {
    failed: u64,
}

impl Aliases {
    pub(super) fn new(server: Arc<Elasticsearch>, alias: String) -> Self {
        let next = format!("{alias}-next");
        Self { server, present: alias, next }
    }

    /// Where searches go.
    pub(super) fn present(&self) -> &str {
        &self.present
    }

    /// The one index behind the alias, if it is of this version.
    pub(super) async fn name(&self) -> Result<Option<String>, AskError> {
        Ok(self.name_of(self.behind().await?))
    }

    fn name_of(&self, behind: Behind) -> Option<String> {
        let [name] = <[String; 1]>::try_from(behind.present).ok()?;
        is_own_version(&self.present, &name).then_some(name)
    }

    /// Every index that has to learn of a change; none where there is no index.
    pub(super) async fn targets(&self) -> Result<Vec<Target>, AskError> {
        let behind = self.behind().await?;
        let mut targets = Vec::new();
        if !behind.next.is_empty() {
            targets.push(Target { alias: self.next.clone(), searched: false });
        }
        if self.name_of(behind).is_some() {
            targets.push(Target { alias: self.present.clone(), searched: true });
        }
        Ok(targets)
    }

    /// An empty index beside the present one; a half-built one before it goes.
    pub(super) async fn begin(&self) -> Result<String, AskError> {
        let behind = self.behind().await?;
        if !behind.next.is_empty() {
            let half_built = behind.next.join(",");
            let asked = Asked::new(Method::Delete, half_built).with("ignore_unavailable", "true");
            self.server.ask(asked).await?.read::<Value>()?;
        }
        let name = fresh_name(&self.present);
        let index = json!({ "settings": settings(), "mappings": mapping(), "aliases": { &self.next: {} } });
        self.server.ask(Asked::new(Method::Put, name.clone()).json(&index)).await?.read::<Value>()?;
        Ok(name)
    }

    /// The index that was begun takes the alias, and the one before it goes, in one step.
    pub(super) async fn switch_to(&self, name: &str) -> Result<(), AskError> {
        self.refresh(name).await?;
        let mut actions = vec![
            json!({ "remove": { "index": name, "alias": self.next, "must_exist": true } }),
            json!({ "add": { "index": name, "alias": self.present } }),
        ];
        for old in self.behind().await?.present.iter().filter(|old| *old != name) {
            actions.push(json!({ "remove_index": { "index": old } }));
        }
        let asked = Asked::new(Method::Post, "_aliases".to_owned()).json(&json!({ "actions": actions }));
        self.server.ask(asked).await?.read::<Value>()?;
        Ok(())
    }

    /// Shows everything that was written to the next search.
    pub(super) async fn refresh(&self, name: &str) -> Result<(), AskError> {
        let asked = Asked::new(Method::Post, format!("{name}/_refresh"));
        let Refreshed { shards } = self.server.ask(asked).await?.read()?;
        if shards.failed > 0 {
            let reason = format!("{} shards of {name} failed", shards.failed);
            return Err(AskError::Refused { status: 503, reason });
        }
        Ok(())
    }

    async fn behind(&self) -> Result<Behind, AskError> {
        let path = format!("_alias/{},{}", self.present, self.next);
        let answer = self.server.ask(Asked::new(Method::Get, path)).await?;
        // Of an index its aliases; of an alias without any, that it is missing.
        let said: BTreeMap<String, Value> = answer.read_what_is_there()?;
        let mut behind = Behind::default();
        for (name, said) in said {
            let bears = |alias: &str| said.get("aliases").is_some_and(|aliases| aliases.get(alias).is_some());
            if bears(&self.present) {
                behind.present.push(name);
            } else if bears(&self.next) {
                behind.next.push(name);
            }
        }
        Ok(behind)
    }
}
