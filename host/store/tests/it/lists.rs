//! Long lists, a page at a time.

use crate::support::{self, at};
use futures_util::StreamExt;
use remuda_core::port::{Catalog, FnFilter, Page};
use remuda_core::testing::catalog_cases::{a_function, an_app};

#[tokio::test]
async fn every_function_is_on_one_page() {
    for empty in support::all().await {
        let store = at(&empty.url).await;
        let app = store.create_app(an_app("A", "app")).await.unwrap();
        let (store, app) = (&store, &app);
        let made = futures_util::stream::iter(0..1000).map(|n| async move {
            store.create_function(a_function(&format!("F{n}"), &format!("f-{n:04}"), app)).await.unwrap();
        });
        made.buffer_unordered(32).collect::<()>().await;
        let mut page = Page { after: None, limit: 70 };
        let mut names = Vec::new();
        loop {
            let filter = FnFilter { app_id: app.id.clone(), name: None };
            let found = store.list_functions(&filter, &page).await.unwrap();
            names.extend(found.items.into_iter().map(|function| function.name));
            page.after = found.next;
            if page.after.is_none() {
                break;
            }
        }
        assert_eq!(names, (0..1000).map(|n| format!("f-{n:04}")).collect::<Vec<_>>());
    }
}
