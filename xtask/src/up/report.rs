//! What `up` tells when everything runs.

use remuda_harness::{Cluster, Role};

use super::Called;

/// Prints what runs where, what came back, and what to try next.
pub(crate) fn print(cluster: &Cluster, calls: &[Called]) {
    println!("\nWhat runs where:");
    let rows: Vec<[String; 5]> = cluster
        .nodes()
        .iter()
        .map(|node| {
            let pid = node.pid().map(|pid| pid.to_string()).unwrap_or_default();
            let log = node.log_file().display().to_string();
            [describe(node.role(), node.name()), node.http(), node.grpc(), pid, log]
        })
        .collect();
    print_table(["node", "HTTP", "gRPC", "process", "log"], &rows);

    println!("\nWhat was called, through the LB:");
    let rows: Vec<[String; 5]> = calls
        .iter()
        .map(|call| {
            let runner = format!("runner {}", call.runner);
            [call.app.to_owned(), call.group.to_owned(), runner, call.container.clone(), call.answer.clone()]
        })
        .collect();
    print_table(["app", "group", "ran on", "container", "answer (its input, seen inside)"], &rows);

    if let Some(first) = calls.first() {
        let lb = cluster.front().base().to_owned();
        let api = cluster.api().base().to_owned();
        println!("\nTry next:");
        println!("  curl -d 'a body' {lb}/invoke/{}", first.function.0);
        println!("  curl -d 'a body' {lb}/t/{}/hello", first.app);
        println!("  curl {api}/v2/apps; docker ps --filter label={}", cluster.label());
    }
}

fn describe(role: Role, name: &str) -> String {
    match role {
        Role::Full => "full node".to_owned(),
        Role::Api => "API".to_owned(),
        Role::Lb => "LB".to_owned(),
        Role::Npm => "NPM (noop.so)".to_owned(),
        Role::Runner => format!("runner {name}"),
    }
}

/// Columns as wide as their widest entry.
pub(crate) fn print_table<const N: usize>(head: [&str; N], rows: &[[String; N]]) {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].chars().count()]).max().unwrap_or_default()
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |cells: [&str; N]| {
        let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        println!("  {}", padded.collect::<Vec<_>>().join("  ").trim_end());
    };
    line(head);
    for row in rows {
        line(std::array::from_fn(|column| row[column].as_str()));
    }
}
