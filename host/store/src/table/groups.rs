//! The operator's list of LB groups in its table, and the use that configs make of groups.

use super::{Write, column};
use crate::failure::{Failure, Outcome, conflict, or_again};
use crate::session::{Dialect, Row, Session};
use async_trait::async_trait;
use remuda_core::catalog::groups::{Group, MAX_LISTED, MAX_UNLISTED};
use remuda_core::port::{Changed, GroupUse};
use remuda_core::{Fault, GroupId};
use std::collections::BTreeSet;

fn missing() -> Failure {
    Fault::not_found("Group not found").into()
}

/// The columns that [`read`] reads, by name: another release may have added more.
const COLUMNS: &str = "id, apps, created_at, updated_at";

fn read(row: &Row) -> Result<Group, sqlx::Error> {
    Ok(Group {
        id: GroupId::new(row.text("id")?),
        apps: column::apps(row)?,
        created_at: column::time(row, "created_at")?,
        updated_at: column::time(row, "updated_at")?,
    })
}

pub(crate) async fn list(session: &mut dyn Session) -> Outcome<Vec<Group>> {
    let rows = session.rows(&format!("SELECT {COLUMNS} FROM lb_groups ORDER BY id"), &[]).await?;
    Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
}

/// The names of groups that a table's rows have, from one to the next through the index: how long it takes depends on
/// how many names there are, and not on how many rows. `?` is how many are looked for.
fn names(dialect: &Dialect, table: &str) -> String {
    if dialect.skips_duplicates {
        return format!(
            "SELECT DISTINCT lb_group AS name FROM {table} WHERE lb_group > '' ORDER BY lb_group LIMIT ?"
        );
    }
    let next = |from| format!("(SELECT min(lb_group) FROM {table} WHERE lb_group > {from})");
    let (first, next) = (next("''"), next("used.name"));
    format!(
        "WITH RECURSIVE used (name, n) AS (SELECT {first}, 1 UNION ALL SELECT {next}, n + 1 FROM used \
         WHERE name IS NOT NULL AND n < ?) SELECT name FROM used WHERE name IS NOT NULL"
    )
}

/// How a group is used. More groups than anybody asks about are not counted.
pub(crate) async fn used(session: &mut dyn Session, id: &GroupId) -> Outcome<GroupUse> {
    let most = i64::try_from(MAX_UNLISTED).unwrap_or(i64::MAX).saturating_add(1);
    let mut distinct = BTreeSet::new();
    let mut is_used = false;
    for table in ["apps", "fns"] {
        for row in session.rows(&names(session.dialect(), table), &[most.into()]).await? {
            distinct.insert(row.text("name")?);
        }
        let statement = format!("SELECT id FROM {table} WHERE lb_group = ? LIMIT 1");
        is_used = is_used || session.row(&statement, &[id.as_str().into()]).await?.is_some();
    }
    Ok(GroupUse { is_used, distinct: distinct.len() as u64 })
}

/// Stores a group, in the place of one with its id.
pub(crate) struct Put(pub(crate) Group);

#[async_trait]
impl Write for Put {
    type Output = Group;

    /// The rows of the list are locked, which keeps those that are changed at once apart. Several that are added at once may
    /// together grow it past its bound, by as many as there are: it is the operator's own list.
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
