use std::ops::ControlFlow;
use std::sync::Arc;

use mysql_async::prelude::{Protocol, Queryable as _};
use mysql_async::{Conn, QueryResult, Row, Value};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::{Answer, MysqlError, MysqlServer};
use crate::connections::CallError;

/// A connection for one call. Closed when dropped, unless it is given back.
pub struct Session {
    conn: Option<Conn>,
    /// Nothing is left to be read, and nothing has failed but statements.
    is_clean: bool,
    server: Arc<MysqlServer>,
    _place: OwnedSemaphorePermit,
}

impl Session {
    pub(super) fn new(conn: Conn, server: Arc<MysqlServer>, place: OwnedSemaphorePermit) -> Self {
        Self { conn: Some(conn), is_clean: true, server, _place: place }
    }

    /// Runs these statements in one round trip; stops at the first that fails.
    ///
    /// # Errors
    /// That of the statement, or of the connection.
    pub async fn run(&mut self, statements: &str) -> Result<Vec<Answer>, MysqlError> {
        let work = async |conn: &mut Conn| {
            let mut result = conn.query_iter(statements).await?;
            let mut answers = Vec::new();
            while result.columns().is_some() {
                let mut answer = Answer { affected: result.affected_rows(), rows: Vec::new() };
                while let Some(row) = result.next().await? {
                    answer.rows.push(row);
                }
                answers.push(answer);
            }
            // The error of a later statement is found here.
            result.drop_result().await?;
            Ok(answers)
        };
        self.call(work).await
    }

    /// Reads row by row; `see` is told by which statement, from 0, and breaks off what it does not want to see.
    ///
    /// # Errors
    /// That of a statement, or of the connection.
    pub async fn each(
        &mut self,
        statements: &str,
        see: impl FnMut(usize, Row) -> ControlFlow<()> + Send,
    ) -> Result<(), MysqlError> {
        self.read(async |conn: &mut Conn| read_each(conn.query_iter(statements).await?, see).await).await
    }

    /// Reads row by row what one statement finds with these parameters; `see` breaks off what it does not want to see.
    /// The server reads the statement once a connection, and answers in binary.
    ///
    /// # Errors
    /// That of the statement, or of the connection.
    pub async fn each_prepared(
        &mut self,
        statement: &str,
        parameters: &[i64],
        mut see: impl FnMut(Row) -> ControlFlow<()> + Send,
    ) -> Result<(), MysqlError> {
        let parameters: Vec<Value> = parameters.iter().map(|&parameter| parameter.into()).collect();
        let see = |_statement, row| see(row);
        self.read(async |conn: &mut Conn| read_each(conn.exec_iter(statement, parameters).await?, see).await)
            .await
    }

    async fn read(
        &mut self,
        work: impl AsyncFnOnce(&mut Conn) -> Result<ControlFlow<()>, mysql_async::Error>,
    ) -> Result<(), MysqlError> {
        let end = self.call(work).await?;
        // Closing is cheaper than reading to the end what nobody wants.
        self.is_clean = end.is_continue();
        Ok(())
    }

    async fn call<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut Conn) -> Result<T, mysql_async::Error>,
    ) -> Result<T, MysqlError> {
        let was_clean = std::mem::replace(&mut self.is_clean, false);
        let Some(conn) = self.conn.as_mut().filter(|_conn| was_clean) else {
            return Err(CallError::Failed(mysql_async::DriverError::ConnectionClosed.into()).into());
        };
        let answer = self.server.circuit.call(work(conn), mysql_async::Error::is_fatal).await;
        self.is_clean = match &answer {
            Ok(_) | Err(CallError::Open) => true,
            Err(CallError::Failed(error)) => !error.is_fatal(),
            Err(CallError::TimedOut) => false,
        };
        Ok(answer?)
    }

    /// To the next who needs one. No transaction is open.
    pub fn give_back(mut self) {
        if self.is_clean {
            drop(self.conn.take());
        }
    }
}

/// Shows every row of each statement's answer, unless it is broken off.
async fn read_each<P: Protocol>(
    mut result: QueryResult<'_, '_, P>,
    mut see: impl FnMut(usize, Row) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, mysql_async::Error> {
    let mut statement = 0;
    while result.columns().is_some() {
        while let Some(row) = result.next().await? {
            if see(statement, row).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        statement += 1;
    }
    result.drop_result().await?;
    Ok(ControlFlow::Continue(()))
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(conn) = self.conn.take() {
            let within = self.server.timeout;
            // It is closed at the latest when this future is dropped; a farewell that fails changes nothing.
            tokio::spawn(async move { timeout(within, conn.disconnect()).await });
        }
    }
}
