//! New rows: one transaction a batch, inserts only, in one round trip where nothing is in the way.
//!
//! It locks the parents (shared), inserts and commits, and fails where a parent is gone or an application has a quota. Then,
//! and where keys are used, there are two: the first locks the parents in the order of their keys, and recalls keys;
//! the second inserts and commits. That numbers and drafts are new is found by inserting. Where one is not, the transaction
//! is rolled back and begun again with a look at the rows that are there.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;

use super::insert::{RecalledUses, begin, begin_guarded, insert, present, read_recalled, recall};
use super::plan::{Known, Plan, Use, use_of};
use super::quotas::{lock_accounts, read_accounts};
use super::row::Fault;
use super::sql::{LIVE_CHATS, among, apart, greatest_of, numbers_of, one_of};
use super::{Desk, MysqlStore, commit, next_rows};
use crate::connections::{Answer, Session};
use crate::domain::{ChatPlace, Content, Draft, DraftId, KeyUse, Number, Numbered, Parent};
use crate::store::{HighWater, Keep, Kept, Recalled, StoreError};

#[async_trait]
impl Keep for MysqlStore {
    async fn recall(&self, uses: &[KeyUse]) -> Result<Vec<Option<Recalled>>, StoreError> {
        let wanted: Vec<Use> = uses.iter().map(use_of).collect();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let ask = recall(&wanted);
        self.read(move |session| {
            Box::pin(async move {
                let recalled = read_recalled(&mut session.run(&ask).await?.into_iter())?;
                Ok(wanted.iter().map(|wanted| recalled.fresh.get(wanted).cloned()).collect())
            })
        })
        .await
    }

    async fn high_water(&self, parents: &[Parent]) -> Result<Vec<HighWater>, StoreError> {
        let parents = parents.to_vec();
        self.read(|session| Box::pin(async move { high_water(session, &parents).await })).await
    }

    async fn keep(&self, batch: Arc<[Numbered]>) -> Result<Vec<Kept>, StoreError> {
        if batch.iter().any(|numbered| !is_possible(&numbered.draft)) {
            return Err(StoreError::Broken("a draft under a parent of the wrong kind".into()));
        }
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let desk = Arc::clone(&self.desk);
        desk.node.keeps();
        let kept = self.write(move |session, tried| {
            let (desk, batch) = (Arc::clone(&desk), Arc::clone(&batch));
            Box::pin(async move {
                let look = if tried == 0 { Look::AtParents } else { Look::AtRows };
                let kept = Keeper { session, desk: &desk }.keep(&batch, look).await;
                desk.node.keeps();
                kept
            })
        });
        kept.await
    }

    async fn bury(&self, numbers: &[(Parent, Number)]) -> Result<(), StoreError> {
        if numbers.is_empty() {
            return Ok(());
        }
        let desk = Arc::clone(&self.desk);
        let numbers: Arc<[(Parent, Number)]> = numbers.into();
        let buried = self.write(move |session, _tried| {
            let (desk, numbers) = (Arc::clone(&desk), Arc::clone(&numbers));
            Box::pin(async move {
                let buried = Keeper { session, desk: &desk }.bury(&numbers).await;
                desk.node.keeps();
                buried
            })
        });
        buried.await
    }
}

fn is_possible(draft: &Draft) -> bool {
    match (draft.parent, &draft.content) {
        (Parent::Application(_), Content::Chat) | (Parent::Chat(_), Content::Message(_)) => true,
        (Parent::Application(_), Content::Message(_)) | (Parent::Chat(_), Content::Chat) => false,
    }
}

/// What is looked at before a batch is placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    AtParents,
    /// Also at rows that may be in the way.
    AtRows,
}

/// One transaction.
struct Keeper<'a> {
    session: &'a mut Session,
    desk: &'a Desk,
}

impl Keeper<'_> {
    async fn keep(&mut self, batch: &[Numbered], look: Look) -> Result<Vec<Kept>, Fault> {
        let parents: Vec<Parent> = batch.iter().map(|numbered| numbered.draft.parent).collect();
        let uses: Vec<Use> = batch.iter().filter_map(|it| it.draft.key.as_ref().map(use_of)).collect();
        if look == Look::AtParents
            && uses.is_empty()
            && self.desk.detour.is_over()
            && let Some(kept) = self.keep_at_once(batch, &parents).await?
        {
            return Ok(kept);
        }
        let mut begin = begin(&parents) + &lock_accounts(&parents);
        if !uses.is_empty() {
            begin.push_str(&recall(&uses));
        }
        let mut answers = self.session.run(&begin).await?.into_iter().skip(1);
        let present = present(&mut answers)?;
        let accounts = read_accounts(&mut answers)?;
        let recalled = if uses.is_empty() { RecalledUses::default() } else { read_recalled(&mut answers)? };
        let known = Known { present, accounts, recalled: recalled.fresh, ..Known::default() };
        let mut plan = Plan::of(batch, known.clone());
        if look == Look::AtRows || !plan.is_plain(batch) {
            plan = Plan::of(batch, look_at_rows(self.session, batch, known).await?);
        }
        self.send(String::new(), insert(&plan, &recalled.stale, self.desk.packet_bytes())).await?;
        Ok(plan.kept)
    }

    /// Without a look before, where nothing is in the way.
    async fn keep_at_once(
        &mut self,
        batch: &[Numbered],
        parents: &[Parent],
    ) -> Result<Option<Vec<Kept>>, Fault> {
        let known = Known { present: parents.iter().copied().collect(), ..Known::default() };
        let plan = Plan::of(batch, known);
        if !plan.is_plain(batch) {
            return Ok(None);
        }
        let statements = insert(&plan, &[], self.desk.packet_bytes());
        match self.send(begin_guarded(parents), statements).await {
            Ok(()) => Ok(Some(plan.kept)),
            Err(fault) if fault.is_guarded() => {
                self.session.run("ROLLBACK").await?;
                self.desk.detour.begin();
                Ok(None)
            }
            Err(fault) => Err(fault),
        }
    }

    async fn bury(&mut self, numbers: &[(Parent, Number)]) -> Result<(), Fault> {
        let parents: Vec<Parent> = numbers.iter().map(|(parent, _number)| *parent).collect();
        let mut answers = self.session.run(&begin(&parents)).await?.into_iter().skip(1);
        let present = present(&mut answers)?;
        let taken = taken(self.session, numbers.iter().copied()).await?;
        let is_open = |it: &(Parent, Number)| present.contains(&it.0) && !taken.contains(it);
        let mut tombstones: Vec<(Parent, Number)> = numbers.iter().copied().filter(is_open).collect();
        tombstones.sort_unstable();
        tombstones.dedup();
        let tombstones = tombstones.into_iter().map(|(parent, number)| (parent, number, DraftId::fresh()));
        let plan = Plan { tombstones: tombstones.collect(), ..Plan::default() };
        self.send(String::new(), insert(&plan, &[], self.desk.packet_bytes())).await
    }

    /// What the first packet begins with, and these statements, in as few packets as they fit into; the last of them commits.
    async fn send(&mut self, begin: String, statements: Vec<String>) -> Result<(), Fault> {
        let mut packet = begin;
        for statement in statements {
            if !packet.is_empty() && packet.len() + statement.len() > self.desk.packet_bytes() {
                self.session.run(&std::mem::take(&mut packet)).await?;
            }
            packet.push_str(&statement);
            packet.push(';');
        }
        packet.push_str("COMMIT");
        commit(self.session, &packet).await?;
        Ok(())
    }
}

/// What of the rows may be in the way of this batch.
async fn look_at_rows(session: &mut Session, batch: &[Numbered], known: Known) -> Result<Known, Fault> {
    let mut known = known;
    let drafts: Vec<DraftId> = batch.iter().map(|numbered| numbered.draft.id).collect();
    let ids = one_of("id", &drafts);
    // What was refused was a tombstone from the beginning.
    let ask = ["messages", "chats"]
        .map(|table| format!("SELECT id, number, deleted_at <=> created_at FROM {table} WHERE {ids}"))
        .join(";");
    let mut answers = session.run(&ask).await?.into_iter();
    for mut row in next_rows(&mut answers)?.into_iter().chain(next_rows(&mut answers)?) {
        let (id, number, refused) = (row.take()?, row.take()?, row.take()?);
        known.before.insert(id, number);
        if refused {
            known.refused.insert(id);
        }
    }
    known.taken = taken(session, batch.iter().map(|it| (it.draft.parent, it.number))).await?;
    let parents: Vec<Parent> = known.present.iter().copied().collect();
    for (parent, number) in parents.iter().zip(greatest(session, &parents).await?) {
        known.greatest.extend(number.map(|number| (*parent, number)));
    }
    Ok(known)
}

/// Those of these numbers that have a row.
async fn taken(
    session: &mut Session,
    numbers: impl Iterator<Item = (Parent, Number)>,
) -> Result<HashSet<(Parent, Number)>, Fault> {
    let mut of_parents: BTreeMap<Parent, Vec<Number>> = BTreeMap::new();
    for (parent, number) in numbers {
        of_parents.entry(parent).or_default().push(number);
    }
    let ask: Vec<String> =
        of_parents.iter().map(|(parent, of)| numbers_of(*parent, &one_of("number", of))).collect();
    let mut answers = session.run(&ask.join(";")).await?.into_iter();
    let mut taken = HashSet::new();
    for parent in of_parents.into_keys() {
        for mut row in next_rows(&mut answers)? {
            taken.insert((parent, row.take()?));
        }
    }
    Ok(taken)
}

async fn high_water(session: &mut Session, parents: &[Parent]) -> Result<Vec<HighWater>, Fault> {
    let live = live(session, parents).await?;
    let greatest = greatest(session, parents).await?;
    let mark = |(parent, greatest)| match live.contains(parent) {
        true => HighWater::At(greatest),
        false => HighWater::NoParent,
    };
    Ok(parents.iter().zip(greatest).map(mark).collect())
}

/// Those of these parents that are there.
pub(super) async fn live(session: &mut Session, parents: &[Parent]) -> Result<HashSet<Parent>, Fault> {
    let (applications, chats) = apart(parents.iter().copied());
    let applications = one_of("id", &applications);
    let chats = among("c.application_id", "c.number", chats);
    let ask = format!(
        "SELECT id FROM applications WHERE {applications} AND deleted_at IS NULL;
         SELECT c.application_id, c.number FROM {LIVE_CHATS} AND {chats}"
    );
    let mut answers = session.run(&ask).await?.into_iter();
    let mut live = HashSet::new();
    for mut row in next_rows(&mut answers)? {
        live.insert(Parent::Application(row.take()?));
    }
    for mut row in next_rows(&mut answers)? {
        live.insert(Parent::Chat(ChatPlace { application: row.take()?, chat: row.take()? }));
    }
    Ok(live)
}

/// The greatest number ever used under each of these parents.
pub(super) async fn greatest(
    session: &mut Session,
    parents: &[Parent],
) -> Result<Vec<Option<Number>>, Fault> {
    if parents.is_empty() {
        return Ok(Vec::new());
    }
    // One statement each: a server answers it from the end of the key, without looking at a row.
    let ask: Vec<String> = parents.iter().map(|parent| greatest_of(*parent)).collect();
    let mut answers = session.run(&ask.join(";")).await?.into_iter();
    let mut all = Vec::with_capacity(parents.len());
    for _parent in parents {
        all.push(read_greatest(&mut answers)?);
    }
    Ok(all)
}

/// From the answer to [`greatest_of`].
pub(super) fn read_greatest(answers: &mut impl Iterator<Item = Answer>) -> Result<Option<Number>, Fault> {
    let row = next_rows(answers)?.pop();
    Ok(row.map(|mut row| row.take()).transpose()?.flatten())
}
