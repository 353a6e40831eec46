//! Lists: rows of a table that meet conditions, a page at a time, ordered by name and id.

use crate::failure::Outcome;
use crate::session::{Row, Session, Value};
use remuda_core::port::{Page, PageOf, Place};

/// A list that is being asked for.
pub(super) struct Listing<'v> {
    statement: String,
    values: Vec<Value<'v>>,
}

impl<'v> Listing<'v> {
    /// All rows of a table, with these columns.
    pub(super) fn of(table: &'static str, columns: &'static str) -> Self {
        Self { statement: format!("SELECT {columns} FROM {table} WHERE 1 = 1"), values: Vec::new() }
    }

    /// Only those whose `column` is `value`.
    pub(super) fn only(mut self, column: &'static str, value: Option<&'v str>) -> Self {
        if let Some(value) = value {
            self.statement.push_str(&format!(" AND {column} = ?"));
            self.values.push(value.into());
        }
        self
    }

    /// Only those whose `column` is one of `values`, of which there are not many.
    pub(super) fn one_of(mut self, column: &'static str, values: &[&'v str]) -> Self {
        let marks = vec!["?"; values.len()].join(", ");
        self.statement.push_str(&format!(" AND {column} IN ({marks})"));
        self.values.extend(values.iter().map(|value| Value::from(*value)));
        self
    }

    /// Reads one page.
    pub(super) async fn page<T>(
        mut self,
        session: &mut dyn Session,
        page: &'v Page,
        read: impl Fn(&Row) -> Result<T, sqlx::Error>,
        place: impl Fn(&T) -> Place,
    ) -> Outcome<PageOf<T>> {
        if let Some(after) = &page.after {
            self.after(session, after);
        }
        self.statement.push_str(" ORDER BY name, id LIMIT ?");
        self.values.push(page.limit.into());
        let rows = session.rows(&self.statement, &self.values).await?;
        let items = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let is_full = items.len() >= page.limit as usize;
        let next = if is_full { items.last().map(place) } else { None };
        Ok(PageOf { items, next })
    }

    /// Only what comes behind a place. No name or id has a zero byte: what is behind one that would is behind its part
    /// before the zero byte.
    fn after(&mut self, session: &dyn Session, place: &'v Place) {
        let (name, name_is_whole) = until_zero_byte(&place.name);
        let id = place.id.as_deref().filter(|_| name_is_whole);
        let Some(id) = id else {
            self.statement.push_str(" AND name > ?");
            self.values.push(name.into());
            return;
        };
        let (id, _) = until_zero_byte(id);
        if session.dialect().ranges_over_rows {
            self.statement.push_str(" AND (name, id) > (?, ?)");
            self.values.extend([name.into(), id.into()]);
        } else {
            self.statement.push_str(" AND (name > ? OR (name = ? AND id > ?))");
            self.values.extend([name.into(), name.into(), id.into()]);
        }
    }
}

fn until_zero_byte(text: &str) -> (&str, bool) {
    text.split_once('\0').map_or((text, true), |(before, _)| (before, false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::Database;
    use crate::{Options, url};
    use std::sync::Arc;
    use tokio::sync::Notify;

    /// Pages from somewhere in the middle of each list.
    fn pages<'v>(session: &dyn Session, behind: &'v Place) -> Vec<Listing<'v>> {
        const COLUMNS: &str = "id, name, annotations";
        let of = |table| Listing::of(table, COLUMNS);
        let mut listings = vec![
            of("apps"),
            of("fns").only("app_id", Some("A")),
            of("triggers").only("app_id", Some("A")),
            of("triggers").only("app_id", Some("A")).only("fn_id", Some("F1")),
        ];
        for listing in &mut listings {
            listing.after(session, behind);
        }
        listings
    }

    fn behind() -> Place {
        Place { name: "n5".into(), id: Some("i".into()) }
    }

    /// How the database would read each page: a text for each.
    async fn plans(
        url: &str,
        before: &[&'static str],
        explain: &str,
        columns: &[&'static str],
    ) -> Vec<String> {
        let place = url::parse(url).unwrap();
        let database = Database::open(&place, &Options::default(), &Arc::new(Notify::new())).await.unwrap();
        let mut lease = database.readers.lease().await.unwrap();
        let session = lease.session().unwrap();
        for statement in before {
            session.script(statement).await.unwrap();
        }
        let (behind, mut plans) = (behind(), Vec::new());
        for listing in pages(session, &behind) {
            let statement = format!("{explain} {} ORDER BY name, id LIMIT 10", listing.statement);
            let mut plan = String::new();
            for row in session.rows(&statement, &listing.values).await.unwrap() {
                for column in columns {
                    plan.push_str(&row.text(column).unwrap_or_default());
                    plan.push('\n');
                }
            }
            plans.push(plan);
        }
        plans
    }

    #[tokio::test]
    async fn a_page_is_read_from_an_index_and_not_sorted() {
        for plan in plans(":memory:", &[], "EXPLAIN QUERY PLAN", &["detail"]).await {
            assert!(
                plan.lines().count() == 1 && plan.starts_with("SEARCH") && plan.contains("name"),
                "{plan}"
            );
        }
    }

    /// A thousand functions and triggers of one app, and as many apps.
    const POSTGRES_ROWS: &str = "
        INSERT INTO apps SELECT 'A' || n, 'n' || n, '', '', '', '', '', '', '' FROM generate_series(1, 1000) AS n;
        INSERT INTO apps VALUES ('A', 'n', '', '', '', '', '', '', '');
        INSERT INTO fns SELECT 'F' || n, 'n' || n, 'A', '', 1, 1, 1, '', '', '', '', '', ''
            FROM generate_series(1, 1000) AS n;
        INSERT INTO triggers SELECT 'T' || n, 'n' || n, 'A', 'F1', '', '', 'http', '/' || n, ''
            FROM generate_series(1, 1000) AS n;
        ANALYZE";
    const MARIADB_ROWS: &str = "
        INSERT INTO apps SELECT concat('A', seq), concat('n', seq), '', '', '', '', '', '', '' FROM seq_1_to_1000;
        INSERT INTO apps VALUES ('A', 'n', '', '', '', '', '', '', '');
        INSERT INTO fns SELECT concat('F', seq), concat('n', seq), 'A', '', 1, 1, 1, '', '', '', '', '', ''
            FROM seq_1_to_1000;
        INSERT INTO triggers SELECT concat('T', seq), concat('n', seq), 'A', 'F1', '', '', 'http', concat('/', seq), ''
            FROM seq_1_to_1000;
        ANALYZE TABLE apps, fns, triggers";

    #[tokio::test]
    async fn a_page_is_read_from_an_index_of_a_server_and_not_sorted() {
        use remuda_test_databases::shared;
        let empty = tokio::task::spawn_blocking(|| {
            let fresh = shared::Server::fresh_database;
            (shared::postgres().and_then(fresh).unwrap(), shared::mariadb().and_then(fresh).unwrap())
        });
        let (postgres, mariadb) = empty.await.unwrap();
        for plan in plans(&postgres, &[POSTGRES_ROWS], "EXPLAIN", &["QUERY PLAN"]).await {
            assert!(
                plan.contains("Index Scan") && !plan.contains("Sort") && !plan.contains("Seq Scan"),
                "{plan}"
            );
        }
        for plan in plans(&mariadb, &[MARIADB_ROWS], "EXPLAIN", &["key", "Extra"]).await {
            assert!(plan.contains("_by_name") && !plan.contains("filesort"), "{plan}");
        }
    }

    #[test]
    fn what_is_behind_a_zero_byte_is_behind_the_part_before_it() {
        assert_eq!(until_zero_byte("a\0b"), ("a", false));
        assert_eq!(until_zero_byte("ab"), ("ab", true));
    }
}
