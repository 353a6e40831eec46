//! The operator's list of LB groups in its table, and the use that configs make of groups.

use super::{Write, column};
use crate::failure::{Failure, Outcome, conflict, or_again};
use crate::session::{Row, Session};
use async_trait::async_trait;
use remuda_core::catalog::groups::{Group, MAX_LISTED};
use remuda_core::port::{Changed, GroupUse};
use remuda_core::{Fault, GroupId};

fn missing() -> Failure {
    Fault::not_found("Group not found").into()
}

fn read(row: &Row) -> Result<Group, sqlx::Error> {
    Ok(Group {
        id: GroupId::new(row.text("id")?),
        apps: column::apps(row)?,
        created_at: column::time(row, "created_at")?,
        updated_at: column::time(row, "updated_at")?,
    })
}

pub(crate) async fn list(session: &mut dyn Session) -> Outcome<Vec<Group>> {
    let rows = session.rows("SELECT * FROM lb_groups ORDER BY id", &[]).await?;
    Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
}

/// How a group is used. What names none is not in the range of the index that is read.
pub(crate) async fn used(session: &mut dyn Session, id: &GroupId) -> Outcome<GroupUse> {
    const USED: &str =
        "SELECT lb_group FROM apps WHERE lb_group > '' UNION SELECT lb_group FROM fns WHERE lb_group > ''";
    let count = format!("SELECT count(*) AS n FROM ({USED}) AS used");
    let distinct = session.row(&count, &[]).await?.map_or(Ok(0), |row| column::number(&row, "n"))?;
    let mut is_used = false;
    for statement in
        ["SELECT id FROM apps WHERE lb_group = ? LIMIT 1", "SELECT id FROM fns WHERE lb_group = ? LIMIT 1"]
    {
        is_used = is_used || session.row(statement, &[id.as_str().into()]).await?.is_some();
    }
    Ok(GroupUse { is_used, distinct })
}

/// Stores a group, in the place of one with its id.
pub(crate) struct Put(pub(crate) Group);

#[async_trait]
impl Write for Put {
    type Output = Group;

    /// The whole list is locked, so that it does not grow past its bound.
    async fn carry_out(&self, session: &mut dyn Session, _: &mut Vec<Changed>) -> Outcome<Group> {
        let Group { id, apps, created_at, updated_at } = &self.0;
        let listed = session.rows("SELECT id FROM lb_groups ORDER BY id FOR UPDATE", &[]).await?;
        let ids = listed.iter().map(|row| row.text("id")).collect::<Result<Vec<_>, _>>()?;
        let statement = if ids.iter().any(|listed| listed == id.as_str()) {
            "UPDATE lb_groups SET apps = ?, created_at = ?, updated_at = ? WHERE id = ?"
        } else if ids.len() >= MAX_LISTED {
            return Err(conflict("The list of groups is full"));
        } else {
            "INSERT INTO lb_groups (apps, created_at, updated_at, id) VALUES (?, ?, ?, ?)"
        };
        let values = [
            column::apps_text(apps).into(),
            created_at.to_string().into(),
            updated_at.to_string().into(),
            id.as_str().into(),
        ];
        session.execute(statement, &values).await.map_err(or_again)?;
        Ok(self.0.clone())
    }
}

/// Takes a group off the list.
pub(crate) struct Delete(pub(crate) GroupId);

#[async_trait]
impl Write for Delete {
    type Output = ();

    async fn carry_out(&self, session: &mut dyn Session, _: &mut Vec<Changed>) -> Outcome<()> {
        let id = self.0.as_str();
        let row = session.row("SELECT id FROM lb_groups WHERE id = ? FOR UPDATE", &[id.into()]).await?;
        row.ok_or_else(missing)?;
        Ok(session.execute("DELETE FROM lb_groups WHERE id = ?", &[id.into()]).await?)
    }
}
