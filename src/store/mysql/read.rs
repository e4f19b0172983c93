//! Looking things up, in one round trip where nothing has to be known before.

use async_trait::async_trait;

use super::list::{APPLICATIONS, CHATS, MESSAGES};
use super::row::{self, Fault};
use super::sql::{fill, one_of};
use super::{MysqlStore, next_rows, select};
use crate::connections::{Answer, Session};
use crate::domain::{
    Application, ApplicationId, Chat, ChatPlace, Listed, Message, MessagePlace, Number, Page, Parent, Tenant,
    Token,
};
use crate::store::{Missing, PICK_LIMIT, Read, StoreError};

#[async_trait]
impl Read for MysqlStore {
    async fn tenant(&self, token: &Token) -> Result<Option<Tenant>, StoreError> {
        let token = token.clone();
        self.read(move |session| {
            Box::pin(async move {
                let ask =
                    fill("SELECT id FROM applications WHERE token = ? AND deleted_at IS NULL", &[&token]);
                let found = select(session, &ask).await?.pop();
                let id = found.map(|mut row| row.take()).transpose()?;
                Ok(id.map(|id| Tenant { id, token }))
            })
        })
        .await
    }

    async fn applications(
        &self,
        page: &Page<Token>,
    ) -> Result<Option<Listed<Application, Token>>, StoreError> {
        let page = page.clone();
        self.read(move |session| Box::pin(async move { applications(session, &page).await })).await
    }

    async fn application(&self, tenant: &Tenant) -> Result<Result<Application, Missing>, StoreError> {
        let ask = application(tenant.id);
        self.read(move |session| {
            Box::pin(async move {
                let found = select(session, &ask).await?.pop();
                let found = found.map(|mut row| row::application(&mut row)).transpose()?;
                Ok(found.ok_or(Missing::Application))
            })
        })
        .await
    }

    async fn chats(
        &self,
        tenant: &Tenant,
        page: &Page<u64>,
    ) -> Result<Result<Listed<Chat, u64>, Missing>, StoreError> {
        let (id, page) = (tenant.id, page.clone());
        self.read(move |session| {
            Box::pin(async move { CHATS.of(Parent::Application(id), session, &page).await })
        })
        .await
    }

    async fn chat(&self, tenant: &Tenant, number: Number) -> Result<Result<Chat, Missing>, StoreError> {
        let ask = fill(
            "SELECT c.number IS NOT NULL, c.number, COALESCE(k.messages_count, 0), c.created_at, c.updated_at
             FROM applications a
             LEFT JOIN chats c ON c.application_id = a.id AND c.number = ? AND c.deleted_at IS NULL
             LEFT JOIN chat_counters k ON k.application_id = c.application_id AND k.number = c.number
             WHERE a.id = ? AND a.deleted_at IS NULL",
            &[&number, &tenant.id],
        );
        self.read(move |session| {
            Box::pin(async move {
                let Some(mut found) = select(session, &ask).await?.pop() else {
                    return Ok(Err(Missing::Application));
                };
                if !found.take::<bool>()? {
                    return Ok(Err(Missing::Chat));
                }
                row::chat(&mut found).map(Ok)
            })
        })
        .await
    }

    async fn messages(
        &self,
        tenant: &Tenant,
        chat: Number,
        page: &Page<u64>,
    ) -> Result<Result<Listed<Message, u64>, Missing>, StoreError> {
        let place = ChatPlace { application: tenant.id, chat };
        let page = page.clone();
        self.read(move |session| {
            Box::pin(async move { MESSAGES.of(Parent::Chat(place), session, &page).await })
        })
        .await
    }

    async fn message(
        &self,
        tenant: &Tenant,
        chat: Number,
        number: Number,
    ) -> Result<Result<Message, Missing>, StoreError> {
        self.desk.message(MessagePlace { chat: ChatPlace { application: tenant.id, chat }, number }).await
    }

    async fn pick(
        &self,
        tenant: &Tenant,
        chat: Number,
        numbers: &[Number],
    ) -> Result<Result<Vec<Message>, Missing>, StoreError> {
        let place = ChatPlace { application: tenant.id, chat };
        let numbers: Vec<Number> = numbers.iter().copied().take(PICK_LIMIT).collect();
        self.read(move |session| {
            Box::pin(async move {
                let in_order = |found: Vec<Message>| {
                    let asked =
                        numbers.iter().filter_map(|number| found.iter().find(|it| it.number == *number));
                    asked.cloned().collect()
                };
                Ok(pick(session, place, &numbers).await?.map(in_order))
            })
        })
        .await
    }
}

/// `token, name, chats_count, created_at, updated_at` of one that is there.
pub(super) fn application(id: ApplicationId) -> String {
    fill(
        "SELECT token, name, COALESCE(chats_count, 0), created_at, updated_at
         FROM applications LEFT JOIN application_counters ON application_id = id
         WHERE id = ? AND deleted_at IS NULL",
        &[&id],
    )
}

/// One row of one 1 where it is there.
pub(super) fn live_application(id: ApplicationId) -> String {
    fill("SELECT 1 FROM applications WHERE id = ? AND deleted_at IS NULL", &[&id])
}

/// One row where the application is there: whether the chat is, where a chat is asked for. See [`missing`].
pub(super) fn is_live(parent: Parent) -> String {
    match parent {
        Parent::Application(id) => live_application(id),
        Parent::Chat(ChatPlace { application, chat }) => fill(
            "SELECT c.number IS NOT NULL FROM applications a
             LEFT JOIN chats c ON c.application_id = a.id AND c.number = ? AND c.deleted_at IS NULL
             WHERE a.id = ? AND a.deleted_at IS NULL",
            &[&chat, &application],
        ),
    }
}

/// What is not there, from the answer to [`is_live`].
pub(super) fn missing(answers: &mut impl Iterator<Item = Answer>) -> Result<Option<Missing>, Fault> {
    let Some(mut found) = next_rows(answers)?.pop() else { return Ok(Some(Missing::Application)) };
    Ok((!found.take::<bool>()?).then_some(Missing::Chat))
}

/// Those of these messages that are there, in any order.
async fn pick(
    session: &mut Session,
    place: ChatPlace,
    numbers: &[Number],
) -> Result<Result<Vec<Message>, Missing>, Fault> {
    let messages = fill(
        "SELECT number, body, version, created_at, updated_at FROM messages
         WHERE application_id = ? AND chat_number = ? AND deleted_at IS NULL AND ",
        &[&place.application, &place.chat],
    );
    let ask = format!("{}; {messages}{}", is_live(Parent::Chat(place)), one_of("number", numbers));
    let mut answers = session.run(&ask).await?.into_iter();
    if let Some(missing) = missing(&mut answers)? {
        return Ok(Err(missing));
    }
    let found = next_rows(&mut answers)?;
    found.into_iter().map(|mut row| row::message(&mut row)).collect::<Result<_, _>>().map(Ok)
}

async fn applications(
    session: &mut Session,
    page: &Page<Token>,
) -> Result<Option<Listed<Application, Token>>, Fault> {
    let Some(lowest) = cursor_id(session, page.after.as_ref(), 0).await? else { return Ok(None) };
    let Some(highest) = cursor_id(session, page.before.as_ref(), i64::MAX).await? else { return Ok(None) };
    let (listed, _looks) = APPLICATIONS.page(&[], session, page, (lowest, highest)).await?;
    Ok(Some(listed))
}

/// The id behind an application's cursor, deleted or not.
async fn cursor_id(
    session: &mut Session,
    cursor: Option<&Token>,
    open_end: i64,
) -> Result<Option<i64>, Fault> {
    let Some(token) = cursor else { return Ok(Some(open_end)) };
    let found = select(session, &fill("SELECT id FROM applications WHERE token = ?", &[token])).await?.pop();
    found.map(|mut row| row.take()).transpose()
}
