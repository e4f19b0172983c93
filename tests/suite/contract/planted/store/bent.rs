use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chat_system::domain::{
    Application, ApplicationId, Body, Chat, Digest, DraftId, Holder, KeyUse, Listed, Message, MessagePlace,
    Name, NewApplication, Number, Numbered, Page, Parent, Quota, Tenant, Timestamp, Token,
};
use chat_system::store::{
    AuditPlace, Audited, Backlog, Claim, ClaimId, Company, Count, Edit, Entered, Expected, Founded,
    HighWater, Hole, Keep, Kept, Missing, Nodes, Range, Read, Recalled, Row, RowsOf, Store, StoreError,
    Unchanged, Uncounted,
};

use super::Bug;
use crate::contract::things::Dice;
use crate::support::passed_on::pass_quotas_on;

/// A right store with one call bent.
pub(super) struct BentStore {
    pub(super) bug: Bug,
    pub(super) right: Arc<dyn Store>,
    pub(super) tenants: Mutex<Vec<Tenant>>,
    /// Who held a key once.
    pub(super) holders: Mutex<HashMap<Digest, Holder>>,
}

impl BentStore {
    /// A tenant that has a chat of this number, whoever asks.
    async fn owner(&self, tenant: &Tenant, chat: Number) -> Tenant {
        let tenants = self.tenants.lock().expect("tenants").clone();
        for other in tenants {
            if self.right.chat(&other, chat).await.is_ok_and(|found| found.is_ok()) {
                return other;
            }
        }
        tenant.clone()
    }

    async fn keep_each(&self, batch: &[Numbered]) -> Result<Vec<Kept>, StoreError> {
        let mut kept = Vec::new();
        for numbered in batch {
            kept.extend(self.right.keep([numbered.clone()].into()).await?);
        }
        Ok(kept)
    }

    /// Takes the place of what is there.
    async fn overwrite(&self, batch: &[Numbered]) -> Result<Vec<Kept>, StoreError> {
        let mut kept = Vec::new();
        for numbered in batch {
            let answer = self.right.keep([numbered.clone()].into()).await?;
            let (Parent::Chat(chat), chat_system::domain::Content::Message(body)) =
                (numbered.draft.parent, &numbered.draft.content)
            else {
                kept.extend(answer);
                continue;
            };
            let tenant = Tenant { id: chat.application, token: Token::fresh().expect("random bits") };
            if matches!(answer[..], [Kept::As(number)] if number != numbered.number) {
                let place = MessagePlace { chat, number: numbered.number };
                let _ = self.right.edit_message(&tenant, place, body.clone(), Expected::Any).await?;
            }
            kept.extend(answer);
        }
        Ok(kept)
    }
}

#[async_trait]
impl Keep for BentStore {
    async fn recall(&self, uses: &[KeyUse]) -> Result<Vec<Option<Recalled>>, StoreError> {
        self.right.recall(uses).await
    }

    async fn high_water(&self, parents: &[Parent]) -> Result<Vec<HighWater>, StoreError> {
        let mut marks = self.right.high_water(parents).await?;
        if self.bug == Bug::ForgetsTombstonesInTheHighWaterMark {
            let last =
                Page { after: None, before: None, order: chat_system::domain::Order::Descending, limit: 1 };
            for (mark, parent) in marks.iter_mut().zip(parents) {
                let Parent::Chat(chat) = *parent else { continue };
                let tenant = Tenant { id: chat.application, token: Token::fresh().expect("random bits") };
                if let Ok(listed) = self.right.messages(&tenant, chat.chat, &last).await? {
                    *mark = HighWater::At(listed.items.first().map(|it| it.number));
                }
            }
        }
        Ok(marks)
    }

    async fn keep(&self, batch: Arc<[Numbered]>) -> Result<Vec<Kept>, StoreError> {
        let mut drafts = batch.to_vec();
        match self.bug {
            Bug::LosesTheTailOfABatch if drafts.len() > 1 => {
                let last = drafts.pop().expect("a last");
                let mut kept = self.right.keep(drafts.into()).await?;
                kept.push(Kept::As(last.number));
                return Ok(kept);
            }
            Bug::KeepsHalfABatch => return self.keep_each(&batch).await,
            Bug::Overwrites => return self.overwrite(&batch).await,
            Bug::ForgetsQuotas => {
                for numbered in &drafts {
                    let id = numbered.draft.parent.application();
                    let tenant = Tenant { id, token: Token::fresh().expect("random bits") };
                    let _ = self.right.set_quota(&tenant, Quota::default()).await?;
                }
            }
            Bug::KeepsTwice => {
                for numbered in &mut drafts {
                    numbered.draft.id = chat_system::domain::DraftId::fresh();
                }
            }
            Bug::DropsKeys => drafts.iter_mut().for_each(|numbered| numbered.draft.key = None),
            Bug::RemembersKeysForEver => {
                let now = Timestamp::now();
                drafts.iter_mut().for_each(|numbered| numbered.draft.created_at = now);
            }
            Bug::LeavesSurplusNumbersOpen => {
                let mut kept = Vec::new();
                for numbered in drafts {
                    kept.push(self.keep_without_grave(numbered).await?);
                }
                return Ok(kept);
            }
            Bug::KeepsUnderADeletedParent => {
                let mut kept = self.right.keep(batch.clone()).await?;
                for (kept, numbered) in kept.iter_mut().zip(batch.iter()) {
                    if *kept == Kept::NoParent {
                        *kept = Kept::As(numbered.number);
                    }
                }
                return Ok(kept);
            }
            _ => {}
        }
        self.right.keep(drafts.into()).await
    }

    async fn bury(&self, numbers: &[(Parent, Number)]) -> Result<(), StoreError> {
        self.right.bury(numbers).await
    }
}

impl BentStore {
    /// Delivers a draft that is there already under its old number, so that the new one stays open.
    async fn keep_without_grave(&self, numbered: Numbered) -> Result<Kept, StoreError> {
        let parent = numbered.draft.parent;
        let HighWater::At(greatest) = self.right.high_water(&[parent]).await?[0] else {
            return Ok(Kept::NoParent);
        };
        let first = Numbered { number: Number::FIRST, ..numbered.clone() };
        let known = greatest.is_some_and(|greatest| greatest < numbered.number);
        if known {
            // Number 1 is taken: whoever was kept before answers so, and anyone else conflicts.
            if let [Kept::Before(number)] = self.right.keep([first].into()).await?[..] {
                return Ok(Kept::Before(number));
            }
        }
        Ok(self.right.keep([numbered].into()).await?[0].clone())
    }
}

#[async_trait]
impl Read for BentStore {
    async fn tenant(&self, token: &Token) -> Result<Option<Tenant>, StoreError> {
        let tenant = self.right.tenant(token).await?;
        self.tenants.lock().expect("tenants").extend(tenant.clone());
        Ok(tenant)
    }

    async fn applications(
        &self,
        page: &Page<Token>,
    ) -> Result<Option<Listed<Application, Token>>, StoreError> {
        self.right.applications(page).await
    }

    async fn application(&self, tenant: &Tenant) -> Result<Result<Application, Missing>, StoreError> {
        self.right.application(tenant).await
    }

    async fn chats(
        &self,
        tenant: &Tenant,
        page: &Page<u64>,
    ) -> Result<Result<Listed<Chat, u64>, Missing>, StoreError> {
        self.right.chats(tenant, page).await
    }

    async fn chat(&self, tenant: &Tenant, number: Number) -> Result<Result<Chat, Missing>, StoreError> {
        self.right.chat(tenant, number).await
    }

    async fn messages(
        &self,
        tenant: &Tenant,
        chat: Number,
        page: &Page<u64>,
    ) -> Result<Result<Listed<Message, u64>, Missing>, StoreError> {
        let mut listed = self.right.messages(tenant, chat, page).await?;
        if let (Bug::PassesHolesWithItsCursor, Ok(listed)) = (self.bug, &mut listed) {
            listed.cursor = listed.items.last().map_or(listed.cursor, |it| Some(it.number.get()));
        }
        Ok(listed)
    }

    async fn message(
        &self,
        tenant: &Tenant,
        chat: Number,
        number: Number,
    ) -> Result<Result<Message, Missing>, StoreError> {
        self.right.message(tenant, chat, number).await
    }

    async fn pick(
        &self,
        tenant: &Tenant,
        chat: Number,
        numbers: &[Number],
    ) -> Result<Result<Vec<Message>, Missing>, StoreError> {
        if self.bug == Bug::LeaksAcrossTenants {
            let owner = self.owner(tenant, chat).await;
            return self.right.pick(&owner, chat, numbers).await;
        }
        self.right.pick(tenant, chat, numbers).await
    }
}

#[async_trait]
impl Edit for BentStore {
    async fn create_application(&self, new: NewApplication) -> Result<Founded, StoreError> {
        self.right.create_application(new).await
    }

    async fn rename_application(
        &self,
        tenant: &Tenant,
        name: Name,
    ) -> Result<Result<Application, Missing>, StoreError> {
        self.right.rename_application(tenant, name).await
    }

    async fn delete_application(&self, tenant: &Tenant) -> Result<Result<(), Missing>, StoreError> {
        self.right.delete_application(tenant).await
    }

    async fn delete_chat(&self, tenant: &Tenant, number: Number) -> Result<Result<(), Missing>, StoreError> {
        self.right.delete_chat(tenant, number).await
    }

    async fn edit_message(
        &self,
        tenant: &Tenant,
        place: MessagePlace,
        body: Body,
        expected: Expected,
    ) -> Result<Result<Message, Unchanged>, StoreError> {
        let expected = if self.bug == Bug::IgnoresExpectedVersions { Expected::Any } else { expected };
        self.right.edit_message(tenant, place, body, expected).await
    }

    async fn delete_message(
        &self,
        tenant: &Tenant,
        place: MessagePlace,
        expected: Expected,
    ) -> Result<Result<(), Unchanged>, StoreError> {
        self.right.delete_message(tenant, place, expected).await
    }
}

pass_quotas_on!(BentStore, right);

#[async_trait]
impl Backlog for BentStore {
    async fn claim(
        &self,
        after: Option<ApplicationId>,
        limit: u64,
        until: Timestamp,
    ) -> Result<Vec<Claim>, StoreError> {
        let mut claims = self.right.claim(after, limit, until).await?;
        match self.bug {
            Bug::LeavesOutABacklogEntry if claims.len() > 2 => drop(claims.remove(1)),
            Bug::FinishesWhatItHandsOut => {
                let ids: Vec<ClaimId> = claims.iter().map(|claim| claim.id).collect();
                self.right.finish(&ids).await?;
            }
            _ => {}
        }
        Ok(claims)
    }

    async fn rows(&self, ranges: &[Range]) -> Result<RowsOf, StoreError> {
        self.right.rows(ranges).await
    }

    async fn release(&self, claims: &[Claim]) -> Result<(), StoreError> {
        self.right.release(claims).await
    }

    async fn finish(&self, claims: &[ClaimId]) -> Result<(), StoreError> {
        self.right.finish(claims).await
    }

    async fn walk(&self, after: Option<MessagePlace>, limit: usize) -> Result<Vec<Row>, StoreError> {
        let mut rows = self.right.walk(after, limit).await?;
        if self.bug == Bug::SkipsARowOnItsWalk && rows.len() > 2 {
            rows.remove(Dice::new(1).roll(rows.len() - 1));
        }
        Ok(rows)
    }

    async fn known_index(&self) -> Result<Option<String>, StoreError> {
        self.right.known_index().await
    }

    async fn remember_index(&self, index: &str) -> Result<(), StoreError> {
        self.right.remember_index(index).await
    }
}

#[async_trait]
impl Count for BentStore {
    async fn count(&self, parents: &[Parent], through: Timestamp) -> Result<(), StoreError> {
        if self.bug == Bug::CountsWrong {
            // As if the tombstones were forgotten: one too many for each.
            for parent in parents {
                if let (Parent::Chat(chat), [HighWater::At(Some(greatest))]) =
                    (*parent, &self.right.high_water(&[*parent]).await?[..])
                {
                    let surplus = (Parent::Chat(chat), greatest.next());
                    self.right.bury(&[surplus]).await?;
                }
            }
            return Ok(());
        }
        self.right.count(parents, through).await?;
        if self.bug == Bug::CountsEverything {
            self.right.audit(None, 1_000).await?;
        }
        Ok(())
    }

    async fn uncounted(&self, after: Option<DraftId>, limit: usize) -> Result<Uncounted, StoreError> {
        self.right.uncounted(after, limit).await
    }

    async fn audit(&self, after: Option<AuditPlace>, limit: usize) -> Result<Audited, StoreError> {
        let audited = self.right.audit(after, limit).await?;
        Ok(if self.bug == Bug::LeavesHolesOpen { Audited { holes: Vec::new(), ..audited } } else { audited })
    }

    async fn holes(&self, parents: &[Parent]) -> Result<Vec<Hole>, StoreError> {
        self.right.holes(parents).await
    }

    async fn purge(&self, limit: usize) -> Result<usize, StoreError> {
        let limit = if self.bug == Bug::PurgesWithoutEnd { limit * 100 } else { limit };
        self.right.purge(limit).await
    }

    async fn sweep_keys(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.right.sweep_keys(before, limit).await
    }
}

#[async_trait]
impl Nodes for BentStore {
    async fn enter(&self, company: Company) -> Result<Entered, StoreError> {
        self.right.enter(company).await
    }

    async fn leave(&self) -> Result<(), StoreError> {
        self.right.leave().await
    }

    async fn lead(&self) -> Result<bool, StoreError> {
        self.right.lead().await
    }
}
