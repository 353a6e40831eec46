//! Tokens in their table: without their secrets.

use super::{Write, column};
use crate::failure::{Failure, Outcome, or_conflict};
use crate::session::{Row, Session};
use async_trait::async_trait;
use remuda_core::access::{Hash, Role, Token};
use remuda_core::port::Changed;
use remuda_core::{Fault, TokenId};

fn missing() -> Failure {
    Fault::not_found("Token not found").into()
}

/// The columns that [`read`] reads, by name: another release may have added more.
const COLUMNS: &str = "id, role, apps, hash, note, created_at, expires_at";

fn read(row: &Row) -> Result<Token, sqlx::Error> {
    let (role, hash, expires_at) = (row.text("role")?, row.text("hash")?, row.text("expires_at")?);
    Ok(Token {
        id: TokenId::new(row.text("id")?),
        role: Role::parse(&role).ok_or_else(|| column::unreadable("role", format!("'{role}' is no role")))?,
        apps: column::apps(row)?,
        hash: Hash::from_hex(&hash).ok_or_else(|| column::unreadable("hash", "it is no hash".to_owned()))?,
        note: row.text("note")?,
        created_at: column::time(row, "created_at")?,
        expires_at: if expires_at.is_empty() { None } else { Some(column::time(row, "expires_at")?) },
    })
}

pub(crate) async fn by_id(session: &mut dyn Session, id: &TokenId) -> Outcome<Token> {
    let row =
        session.row(&format!("SELECT {COLUMNS} FROM tokens WHERE id = ?"), &[id.as_str().into()]).await?;
    Ok(read(&row.ok_or_else(missing)?)?)
}

pub(crate) async fn list(session: &mut dyn Session) -> Outcome<Vec<Token>> {
    let rows = session.rows(&format!("SELECT {COLUMNS} FROM tokens ORDER BY id"), &[]).await?;
    Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
}

/// Stores a new token.
pub(crate) struct Create(pub(crate) Token);

#[async_trait]
impl Write for Create {
    type Output = Token;

    async fn carry_out(&self, session: &mut dyn Session, told: &mut Vec<Changed>) -> Outcome<Token> {
        let token = &self.0;
        let statement = "INSERT INTO tokens (id, role, apps, hash, note, created_at, expires_at) \
                         VALUES (?, ?, ?, ?, ?, ?, ?)";
        let values = [
            token.id.as_str().into(),
            token.role.as_str().into(),
            column::apps_text(&token.apps).into(),
            token.hash.to_hex().into(),
            (&token.note).into(),
            token.created_at.to_string().into(),
            token.expires_at.map(|at| at.to_string()).unwrap_or_default().into(),
        ];
        session.execute(statement, &values).await.map_err(or_conflict("Token already exists"))?;
        told.push(Changed::Token { id: token.id.clone() });
        Ok(token.clone())
    }
}

/// Forgets a token.
pub(crate) struct Revoke(pub(crate) TokenId);

#[async_trait]
impl Write for Revoke {
    type Output = ();

    async fn carry_out(&self, session: &mut dyn Session, told: &mut Vec<Changed>) -> Outcome<()> {
        let id = self.0.as_str();
        let row = session.row("SELECT id FROM tokens WHERE id = ? FOR UPDATE", &[id.into()]).await?;
        row.ok_or_else(missing)?;
        session.execute("DELETE FROM tokens WHERE id = ?", &[id.into()]).await?;
        told.push(Changed::Token { id: self.0.clone() });
        Ok(())
    }
}
