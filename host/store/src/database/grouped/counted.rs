//! A session that counts what was changed through it.

use crate::session::{Dialect, Row, Session, Value};
use async_trait::async_trait;
use sqlx::Error;

/// Passes everything on.
pub(super) struct Counted<'s> {
    session: &'s mut dyn Session,
    /// How many statements have changed something.
    pub(super) changes: usize,
}

impl<'s> Counted<'s> {
    /// Nothing was changed yet.
    pub(super) fn new(session: &'s mut dyn Session) -> Self {
        Self { session, changes: 0 }
    }
}

#[async_trait]
impl Session for Counted<'_> {
    fn dialect(&self) -> &'static Dialect {
        self.session.dialect()
    }

    async fn rows(&mut self, statement: &str, values: &[Value<'_>]) -> Result<Vec<Row>, Error> {
        self.session.rows(statement, values).await
    }

    async fn execute(&mut self, statement: &str, values: &[Value<'_>]) -> Result<(), Error> {
        let done = self.session.execute(statement, values).await;
        self.changes += usize::from(done.is_ok());
        done
    }

    async fn script(&mut self, statements: &'static str) -> Result<(), Error> {
        self.changes += 1;
        self.session.script(statements).await
    }
}
