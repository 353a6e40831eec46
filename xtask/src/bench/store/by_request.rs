//! The same by requests to real API nodes, one for each database.

use std::sync::atomic::{AtomicU64, Ordering};

use remuda_harness::{Cluster, daemons};

use super::{CLIENTS, Measured, Operation, ROUND};
use crate::Failure;
use crate::bench::databases::{Databases, Kind, api_nodes, function_body, functions_by};
use crate::bench::http;
use crate::bench::load::{self, Target};

/// An API node and what is sent to it.
struct Subject {
    kind: Kind,
    cluster: Cluster,
    targets: Vec<(Operation, Target)>,
}

pub(super) async fn measure(
    rounds: usize,
    databases: &Databases,
    built: &daemons::Daemons,
    all: &mut [Measured],
) -> Result<(), Failure> {
    let mut subjects = Vec::new();
    for kind in Kind::ALL {
        let url = databases.fresh(kind, "store-by-request").await?;
        let cluster = api_nodes(built, 1, &[("FN_DB_URL", &url)]).await?;
        subjects.push(Subject { kind, targets: targets(&cluster).await?, cluster });
    }
    for round in 1..=rounds {
        for Measured { kind, operation, rounds } in all.iter_mut() {
            let Some(subject) = subjects.iter().find(|subject| subject.kind == *kind) else { continue };
            let Some((_, target)) = subject.targets.iter().find(|(of, _)| of == operation) else { continue };
            let figures = load::run(target, CLIENTS, ROUND).await?;
            println!("    round {round}: {kind}, {operation}: {figures}");
            rounds.push(figures);
        }
    }
    for subject in subjects {
        subject.cluster.stop().await?;
    }
    Ok(())
}

async fn targets(cluster: &Cluster) -> Result<Vec<(Operation, Target)>, Failure> {
    let api = cluster.api();
    let (app, own) = functions_by(&api, CLIENTS).await?;
    let base = api.base();
    let target = |operation: Operation| {
        let (app, own, count) = (app.clone(), own.clone(), AtomicU64::new(0));
        Target::made(base, move |address| {
            let number = count.fetch_add(1, Ordering::Relaxed);
            let of_a_client = format!("/v2/fns/{}", own[number as usize % own.len()]);
            let json = "Content-Type: application/json\r\n";
            match operation {
                Operation::Create => {
                    let body = function_body(&format!("f-{number:08}"), &app);
                    http::request("POST", "/v2/fns", address, json, &body)
                }
                Operation::Change => {
                    let body = format!("{{\"config\":{{\"LEVEL\":\"{number}\"}}}}");
                    http::request("PUT", &of_a_client, address, json, body.as_bytes())
                }
                Operation::Read => http::request("GET", &of_a_client, address, "", b""),
            }
        })
        .map(|target| (operation, target))
    };
    Operation::ALL.into_iter().map(target).collect()
}
